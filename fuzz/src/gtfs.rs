//! A file of a feed: the first byte chooses which, or that the bytes are the zip itself.

use transit_model::gtfs::{GtfsFiles, load_files, load_zip};
use transit_model::ids::FeedId;

/// A feed of one street that has one of everything, by file.
pub const FILES: &[(&str, &str)] = &[
    ("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\na,City,https://example.org,Europe/Kyiv\n"),
    (
        "routes.txt",
        "route_id,agency_id,route_short_name,route_long_name,route_type,route_color\nr1,a,1,Street,11,00FF00\n",
    ),
    (
        "calendar.txt",
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nday,1,1,1,1,1,0,0,20260101,20261231\n",
    ),
    ("calendar_dates.txt", "service_id,date,exception_type\nday,20261122,1\nday,20261123,2\n"),
    (
        "trips.txt",
        "route_id,service_id,trip_id,trip_headsign,direction_id,block_id,shape_id,wheelchair_accessible\nr1,day,t1,Station,0,b1,s1,1\nr1,day,t2,Market,1,b1,,2\n",
    ),
    (
        "stops.txt",
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\nA,Station,48.85,37.60,0,P\nB,Market,48.85,37.61,0,\nP,Hub,48.85,37.60,1,\n",
    ),
    (
        "stop_times.txt",
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence,timepoint,pickup_type\nt1,08:00:00,08:00:00,A,1,1,0\nt1,08:04:00,08:04:30,B,2,0,0\nt2,23:59:00,24:00:00,B,1,1,0\nt2,24:05:00,24:05:00,A,2,1,1\n",
    ),
    (
        "shapes.txt",
        "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence,shape_dist_traveled\ns1,48.85,37.60,1,0\ns1,48.85,37.605,2,0.4\ns1,48.85,37.61,3,0.7\n",
    ),
    ("frequencies.txt", "trip_id,start_time,end_time,headway_secs,exact_times\nt1,06:00:00,09:00:00,600,0\n"),
    (
        "feed_info.txt",
        "feed_publisher_name,feed_publisher_url,feed_lang,feed_start_date,feed_end_date\nCity,https://example.org,uk,20260101,20261231\n",
    ),
];

/// The feed with one of its files replaced.
fn with(replaced: usize, bytes: &[u8]) -> GtfsFiles {
    let mut files = GtfsFiles::new();
    for (n, (name, text)) in FILES.iter().enumerate() {
        files.set(*name, if n == replaced { bytes } else { text.as_bytes() });
    }
    files
}

/// Holds the laws.
pub fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let which = usize::from(*which) % (FILES.len() + 1);
    let feed = FeedId::from("fuzz");
    let loaded =
        if which == FILES.len() { load_zip("feed.zip", bytes, feed) } else { load_files(&with(which, bytes), feed) };
    match loaded {
        // What was taken can be asked.
        Ok(loaded) => drop(format!("{:?}", loaded.report)),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}
