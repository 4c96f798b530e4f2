//! A street of four stops, 1 km apart, in one line east: the least feed that is a feed. Tests change
//! the one file they are about.

use transit_model::gtfs::{GtfsFiles, Loaded, load_files};
use transit_model::ids::{FeedId, TripIdx};
use transit_model::timetable::Timetable;

/// A degree of longitude at this latitude is 73.17 km, so 0.013667° is 1 km.
pub(crate) fn street() -> GtfsFiles {
    GtfsFiles::new()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\nA,Парк,http://a,Europe/Kyiv\n")
        .with(
            "stops.txt",
            "stop_id,stop_name,stop_lat,stop_lon\n\
             s1,Вокзал,48.85,37.600000\n\
             s2,Ринок,48.85,37.613667\n\
             s3,Лікарня,48.85,37.627334\n\
             s4,Парк,48.85,37.641001\n",
        )
        .with("routes.txt", "route_id,route_short_name,route_long_name,route_type\nr,5,Вокзал – Парк,3\n")
        .with("trips.txt", "route_id,service_id,trip_id,direction_id,shape_id\nr,all,t,0,east\n")
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n\
             all,1,1,1,1,1,1,1,20260101,20261231\n",
        )
        .with(
            "shapes.txt",
            "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n\
             east,48.85,37.60,1\n\
             east,48.85,37.641001,2\n",
        )
        .with("stop_times.txt", EVERY_STOP)
}

/// The trip `t` at every stop, two minutes apart.
pub(crate) const EVERY_STOP: &str = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n\
    t,08:00:00,08:00:00,s1,1\n\
    t,08:02:00,08:02:00,s2,2\n\
    t,08:04:00,08:04:00,s3,3\n\
    t,08:06:00,08:06:00,s4,4\n";

pub(crate) fn load(files: &GtfsFiles) -> Loaded {
    load_files(files, FeedId::from("street")).unwrap()
}

/// The times of a trip as people write them: `08:00:00-08:01:00`, or one where they are the same.
pub(crate) fn times(t: &Timetable, trip: TripIdx) -> Vec<String> {
    t.times(trip)
        .map(
            |c| if c.arrival == c.departure { c.arrival.to_string() } else { format!("{}-{}", c.arrival, c.departure) },
        )
        .collect()
}

/// The stops of a trip.
pub(crate) fn stops(t: &Timetable, trip: TripIdx) -> Vec<&str> {
    t.pattern_of(trip).calls.iter().map(|c| &*t.stops.at(c.stop).id).collect()
}

/// The metres along of a trip's calls, to 10 m.
pub(crate) fn along(t: &Timetable, trip: TripIdx) -> Vec<i32> {
    t.pattern_of(trip).calls.iter().map(|c| (c.along / 10.0).round() as i32 * 10).collect()
}
