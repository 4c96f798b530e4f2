//! Feeds with one fault each, and what must become of it. The tests are in `faults`.

use transit_model::gtfs::{Action, Fault, GtfsFiles};
use transit_model::timetable::{Mode, Timetable};

use crate::city::{EVERY_STOP, along, stops, street, times};

/// A feed with one fault in it.
pub(crate) struct Case {
    pub(crate) what: Fault,
    pub(crate) files: GtfsFiles,
    /// `file:line column value`, as the report gives it.
    pub(crate) at: &'static str,
    pub(crate) action: Action,
    /// What must hold of the timetable.
    pub(crate) then: fn(&Timetable),
}

fn case(what: Fault, file: &str, text: impl Into<Vec<u8>>, at: &'static str, action: Action) -> Case {
    Case { what, files: street().with(file, text), at, action, then: |_| () }
}

impl Case {
    fn with(mut self, file: &str, text: impl Into<Vec<u8>>) -> Self {
        self.files.set(file, text);
        self
    }

    const fn then(mut self, then: fn(&Timetable)) -> Self {
        self.then = then;
        self
    }
}

/// A file of the street with one piece of text changed.
fn changed(file: &str, from: &str, to: &str) -> String {
    let text = String::from_utf8(street().get(file).unwrap().to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

pub(crate) const TIMES: &str = "stop_times.txt";

/// Rows of the trip `t` at s1 … s4, one for each pair of times.
fn rows(pairs: &[&str]) -> String {
    let mut text = "trip_id,stop_id,stop_sequence,arrival_time,departure_time\n".to_owned();
    for (i, pair) in pairs.iter().enumerate() {
        text.push_str(&format!("t,s{n},{n},{pair}\n", n = i + 1));
    }
    text
}

fn the_trip(t: &Timetable) -> transit_model::ids::TripIdx {
    t.trip_by_id("t").unwrap()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = files_and_rows();
    cases.extend(references());
    cases.extend(values());
    cases.extend(days_and_zones());
    cases.extend(calls());
    cases.extend(lines());
    cases.extend(runs_and_blocks());
    cases
}

fn files_and_rows() -> Vec<Case> {
    vec![
        Case {
            what: Fault::MissingFile,
            files: street().without("agency.txt"),
            at: "agency.txt",
            action: Action::Utc,
            then: |t| assert_eq!(t.zone.name(), "UTC"),
        },
        case(Fault::UnreadableFile, "shapes.txt", "shape_id,lat,lon\neast,1,1\n", "shapes.txt", Action::FileIgnored)
            .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::RaggedRow,
            "routes.txt",
            "route_id,route_type,route_short_name\nr,11\n",
            "routes.txt:2",
            Action::FieldsMatched,
        )
        .then(|t| assert_eq!(t.route_of(the_trip(t)).mode, Mode::Trolleybus)),
        case(
            Fault::NotUtf8,
            "stops.txt",
            changed("stops.txt", "Ринок", "@")
                .into_bytes()
                .iter()
                .map(|b| if *b == b'@' { 0xd0 } else { *b })
                .collect::<Vec<_>>(),
            "stops.txt:3 stop_name \u{fffd}",
            Action::Replaced,
        )
        .then(|t| assert_eq!(&*t.stops.at(t.stop_by_id("s2").unwrap()).name, "\u{fffd}")),
        case(
            Fault::MissingId,
            "stops.txt",
            changed("stops.txt", "s2,Ринок", "s2,Ринок,48.85,37.613667\n ,Ніде"),
            "stops.txt:4 stop_id",
            Action::RowIgnored,
        ),
        case(
            Fault::DuplicateId,
            "stops.txt",
            changed("stops.txt", "s3,", "s2,Другий,48.0,37.0\ns3,"),
            "stops.txt:4 stop_id s2",
            Action::FirstKept,
        )
        .then(|t| assert_eq!(&*t.stops.at(t.stop_by_id("s2").unwrap()).name, "Ринок")),
    ]
}

fn references() -> Vec<Case> {
    vec![
        case(
            Fault::UnknownStop,
            TIMES,
            EVERY_STOP.replace("s3", "s33"),
            "stop_times.txt:4 stop_id s33",
            Action::CallDropped,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s2", "s4"])),
        case(
            Fault::UnknownTrip,
            TIMES,
            format!("{EVERY_STOP}ghost,09:00:00,09:00:00,s1,1\n"),
            "stop_times.txt:6 trip_id ghost",
            Action::RowIgnored,
        ),
        case(
            Fault::UnknownRoute,
            "trips.txt",
            changed("trips.txt", "r,all,t", "q,all,u,0,east\nr,all,t"),
            "trips.txt:2 route_id q",
            Action::TripDropped,
        )
        .then(|t| assert_eq!(t.trip_by_id("u"), None)),
        case(
            Fault::UnknownService,
            "trips.txt",
            changed("trips.txt", "r,all,t", "r,never,u,0,east\nr,all,t"),
            "trips.txt:2 service_id never",
            Action::TripDropped,
        )
        .then(|t| assert_eq!(t.trip_by_id("u"), None)),
        case(
            Fault::UnknownShape,
            "trips.txt",
            changed("trips.txt", "east", "west"),
            "trips.txt:2 shape_id west",
            Action::LineThroughStops,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::UnknownAgency,
            "routes.txt",
            "route_id,route_short_name,route_type,agency_id\nr,5,3,B\n",
            "routes.txt:2 agency_id B",
            Action::ValueIgnored,
        )
        .then(|t| assert!(t.route_of(the_trip(t)).agency.is_some(), "the only agency it can be")),
        case(
            Fault::UnknownParent,
            "stops.txt",
            "stop_id,stop_lat,stop_lon,parent_station\ns1,48.85,37.60,hub\ns4,48.85,37.64,\n",
            "stops.txt:2 parent_station hub",
            Action::ValueIgnored,
        )
        .with(TIMES, "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt,8:00:00,,s1,1\nt,8:09:00,,s4,2\n"),
    ]
}

fn values() -> Vec<Case> {
    vec![
        case(
            Fault::BadNumber,
            TIMES,
            EVERY_STOP.replace("s2,2", "s2,2.5"),
            "stop_times.txt:3 stop_sequence 2.5",
            Action::CallDropped,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s3", "s4"])),
        case(
            Fault::BadPosition,
            "stops.txt",
            changed("stops.txt", "48.85,37.613667", "148.85,37.613667"),
            "stops.txt:3 stop_lat 148.85",
            Action::StopDropped,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s3", "s4"])),
        case(
            Fault::BadPosition,
            "shapes.txt",
            changed("shapes.txt", "east,48.85,37.641001", "east,0,0,5\neast,48.85,37.641001"),
            "shapes.txt:3 shape_pt_lat 0",
            Action::RowIgnored,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::BadTime,
            TIMES,
            rows(&["8:00:00,8:00:00", "8:2,8:2", "8:04:00,8:04:00", "8:06:00,8:06:00"]),
            "stop_times.txt:3 arrival_time 8:2",
            Action::ValueIgnored,
        )
        .then(|t| assert_eq!(times(t, the_trip(t)), ["08:00:00", "08:02:00", "08:04:00", "08:06:00"])),
        case(
            Fault::BadDate,
            "calendar_dates.txt",
            "service_id,date,exception_type\nall,20260230,1\nall,20270101,1\n",
            "calendar_dates.txt:2 date 20260230",
            Action::RowIgnored,
        )
        .then(|t| assert_eq!(t.calendar().unwrap().1.to_string(), "20270101")),
        case(
            Fault::BadValue,
            "routes.txt",
            "route_id,route_short_name,route_type,route_color\nr,5,77,00ff00\n",
            "routes.txt:2 route_type 77",
            Action::TakenAsBus,
        )
        .then(|t| assert_eq!(t.route_of(the_trip(t)).colour, Some(0x00ff00))),
        case(
            Fault::BadValue,
            "routes.txt",
            "route_id,route_short_name,route_type,route_color\nr,5,0,green\n",
            "routes.txt:2 route_color green",
            Action::ValueIgnored,
        )
        .then(|t| assert_eq!((t.route_of(the_trip(t)).mode, t.route_of(the_trip(t)).colour), (Mode::Tram, None))),
        case(
            Fault::FarStop,
            "stops.txt",
            changed("stops.txt", "s4,", "swapped,Парк,37.641001,48.85\ns4,"),
            "stops.txt:5 stop_id swapped",
            Action::Kept,
        ),
        case(
            Fault::CallAtStation,
            "stops.txt",
            "stop_id,stop_lat,stop_lon,location_type\ns1,48.85,37.60,1\ns2,48.85,37.613667,\ns3,48.85,37.627334,\ns4,48.85,37.641001,\n",
            "stops.txt:2 stop_id s1",
            Action::TakenAsStop,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s2", "s3", "s4"])),
    ]
}

fn days_and_zones() -> Vec<Case> {
    const HEAD: &str = "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n";
    vec![
        case(
            Fault::UnknownZone,
            "agency.txt",
            "agency_id,agency_name,agency_timezone\nA,Парк,Europe/Sloviansk\nB,Депо,Europe/Kyiv\n",
            "agency.txt:2 agency_timezone Europe/Sloviansk",
            Action::ValueIgnored,
        )
        .then(|t| assert_eq!(t.zone.name(), "Europe/Kyiv", "the next agency knows")),
        case(
            Fault::ZonesDiffer,
            "agency.txt",
            "agency_id,agency_name,agency_timezone\nA,Парк,Europe/Kyiv\nB,Депо,Europe/Warsaw\n",
            "agency.txt:3 agency_timezone Europe/Warsaw",
            Action::FirstZone,
        )
        .then(|t| assert_eq!((t.zone.name(), t.agencies.len()), ("Europe/Kyiv", 2))),
        case(
            Fault::CalendarBackwards,
            "calendar.txt",
            format!("{HEAD}all,1,1,1,1,1,1,1,20260101,20261231\nback,1,1,1,1,1,1,1,20261231,20260101\n"),
            "calendar.txt:3 end_date 20260101",
            Action::ValueIgnored,
        ),
        // 17 to 21 August 2026 is Monday to Friday, and this service runs on weekends.
        case(
            Fault::EmptyService,
            "calendar.txt",
            format!("{HEAD}all,1,1,1,1,1,1,1,20260101,20261231\nnone,0,0,0,0,0,1,1,20260817,20260821\n"),
            "calendar.txt:3 service_id none",
            Action::Kept,
        ),
        case(
            Fault::EmptyCalendar,
            "calendar.txt",
            format!("{HEAD}all,0,0,0,0,0,0,0,20260101,20261231\n"),
            "calendar.txt",
            Action::Kept,
        )
        .then(|t| assert!(t.services.iter().all(|(_, s)| !s.runs_on("20260601".parse().unwrap())))),
    ]
}

fn calls() -> Vec<Case> {
    vec![
        case(
            Fault::DuplicateCall,
            TIMES,
            EVERY_STOP.replace("s3,3", "s3,2"),
            "stop_times.txt:4 stop_sequence 2",
            Action::FirstKept,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s2", "s4"])),
        case(
            Fault::TimesBackwards,
            TIMES,
            rows(&["8:00:00,8:00:00", "7:02:00,7:02:00", "8:04:00,8:04:00", "8:06:00,8:06:00"]),
            "stop_times.txt:3 arrival_time 07:02:00",
            Action::Interpolated,
        )
        .then(|t| assert_eq!(times(t, the_trip(t)), ["08:00:00", "08:02:00", "08:04:00", "08:06:00"])),
        case(
            Fault::TimesBackwards,
            TIMES,
            rows(&["8:00:00,8:00:00", "8:02:30,8:02:00", "8:04:00,8:04:00", "8:06:00,8:06:00"]),
            "stop_times.txt:3 departure_time 08:02:00",
            Action::DepartureMoved,
        )
        .then(|t| assert_eq!(times(t, the_trip(t))[1], "08:02:30")),
        case(
            Fault::TimesBackwards,
            TIMES,
            format!("{EVERY_STOP}u,9:06:00,,s1,1\nu,9:04:00,,s2,2\nu,9:02:00,,s3,3\nu,9:00:00,,s4,4\n"),
            "stop_times.txt:7 trip_id u",
            Action::TripDropped,
        )
        .with("trips.txt", "route_id,service_id,trip_id\nr,all,t\nr,all,u\n")
        .then(|t| assert_eq!(t.trip_by_id("u"), None)),
        case(
            Fault::MidnightWrap,
            TIMES,
            rows(&["23:50:00,23:55:00", "23:59:00,00:01:00", "00:04:00,00:04:00", "00:06:00,00:06:00"]),
            "stop_times.txt:3 trip_id t",
            Action::DayAdded,
        )
        .then(|t| {
            let want = ["23:50:00-23:55:00", "23:59:00-24:01:00", "24:04:00", "24:06:00"];
            assert_eq!(times(t, the_trip(t)), want);
        }),
        case(
            Fault::MissingEndTime,
            TIMES,
            rows(&["8:00:00,8:00:00", "8:02:00,8:02:00", "8:04:00,8:04:00", ","]),
            "stop_times.txt:5 trip_id t",
            Action::CallDropped,
        )
        .then(|t| assert_eq!(stops(t, the_trip(t)), ["s1", "s2", "s3"])),
        case(
            Fault::TooFewCalls,
            TIMES,
            format!("{EVERY_STOP}u,9:00:00,9:00:00,s1,1\n"),
            "stop_times.txt:6 trip_id u",
            Action::TripDropped,
        )
        .with("trips.txt", "route_id,service_id,trip_id\nr,all,t\nr,all,u\n"),
        case(
            Fault::TooFewCalls,
            "trips.txt",
            "route_id,service_id,trip_id\nr,all,t\nr,all,u\n",
            "trips.txt:3 trip_id u",
            Action::TripDropped,
        ),
        case(
            Fault::TooManyCalls,
            TIMES,
            {
                let mut text = EVERY_STOP.to_owned();
                for n in 0..70_000 {
                    text.push_str(&format!("u,9:00:00,,s{},{n}\n", n % 2 + 1));
                }
                text
            },
            "stop_times.txt:6 trip_id u",
            Action::TripDropped,
        )
        .with("trips.txt", "route_id,service_id,trip_id\nr,all,t\nr,all,u\n"),
        case(
            Fault::TooFast,
            TIMES,
            EVERY_STOP
                .replace("08:04:00", "08:06:00")
                .replace("s4", "far")
                .replace("08:06:00,08:06:00,far", "08:08:00,08:08:00,far"),
            "stop_times.txt:5 stop_id far",
            Action::Kept,
        )
        .with("stops.txt", changed("stops.txt", "s4,", "far,Хутір,48.85,37.8\ns4,"))
        .with("trips.txt", "route_id,service_id,trip_id\nr,all,t\n"),
    ]
}

fn lines() -> Vec<Case> {
    vec![
        case(
            Fault::ShortShape,
            "shapes.txt",
            "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\neast,48.85,37.6,1\n",
            "shapes.txt:2 shape_id east",
            Action::LineThroughStops,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        // 0.002° of latitude is 222 m.
        case(
            Fault::StopFarFromShape,
            "stops.txt",
            changed("stops.txt", "s2,Ринок,48.85", "s2,Ринок,48.852"),
            "stop_times.txt:3 stop_id s2",
            Action::Kept,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::StopFarFromShape,
            "shapes.txt",
            changed("shapes.txt", "37.641001", "37.636"),
            "stop_times.txt:5 stop_id s4",
            Action::LineExtended,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::ShapeBackwards,
            "shapes.txt",
            changed("shapes.txt", "2\n", "0\n"),
            "trips.txt:2 shape_id east",
            Action::ShapeReversed,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::ShapeMisses,
            "shapes.txt",
            "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\neast,48.9,37.6,1\neast,48.9,37.7,2\n",
            "trips.txt:2 shape_id east",
            Action::LineThroughStops,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
        case(
            Fault::BigShape,
            "shapes.txt",
            {
                let mut text = "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n".to_owned();
                for n in 0..1_100_000 {
                    text.push_str(&format!("east,48.{},37.6,{n}\n", 85 + n % 2));
                }
                text
            },
            "trips.txt:2 shape_id east",
            Action::LineThroughStops,
        ),
        case(
            Fault::NoShape,
            "trips.txt",
            "route_id,service_id,trip_id\nr,all,t\n",
            "trips.txt",
            Action::LineThroughStops,
        )
        .then(|t| assert_eq!(along(t, the_trip(t)), [0, 1000, 2000, 3000])),
    ]
}

fn runs_and_blocks() -> Vec<Case> {
    const FREQUENCIES: &str = "frequencies.txt";
    const HEAD: &str = "trip_id,start_time,end_time,headway_secs\n";
    vec![
        case(
            Fault::EmptyFrequency,
            FREQUENCIES,
            format!("{HEAD}t,07:00:00,08:00:00,0\nt,08:00:00,09:00:00,1800\n"),
            "frequencies.txt:2 headway_secs 0",
            Action::RowIgnored,
        )
        .then(|t| assert_eq!(t.runs_of("t").count(), 2)),
        case(
            Fault::TooManyRuns,
            FREQUENCIES,
            {
                let bomb: String = (0..6).map(|_| "t,00:00:00,99:00:00,1\n").collect();
                format!("{HEAD}{bomb}")
            },
            "frequencies.txt:3 headway_secs 1",
            Action::RowIgnored,
        ),
        case(
            Fault::BlockOfFrequency,
            FREQUENCIES,
            format!("{HEAD}t,07:00:00,08:00:00,600\n"),
            "trips.txt:2 block_id b",
            Action::BlockIgnored,
        )
        .with("trips.txt", "route_id,service_id,trip_id,block_id\nr,all,t,b\n")
        .then(|t| assert!(t.blocks.is_empty())),
        case(
            Fault::BlockOverlap,
            "trips.txt",
            "route_id,service_id,trip_id,block_id\nr,all,t,b\nr,all,u,b\n",
            "trips.txt:3 block_id b",
            Action::Kept,
        )
        .with(TIMES, format!("{EVERY_STOP}u,8:05:00,,s4,1\nu,8:20:00,,s1,2\n")),
    ]
}
