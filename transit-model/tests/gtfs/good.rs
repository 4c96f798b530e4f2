//! What a good feed becomes.

use transit_model::gtfs::{GtfsFiles, Severity, feed_id_of, load, load_zip};
use transit_model::ids::{FeedId, Idx as _, StopPos};
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::{Boarding, Mode};

use crate::city::{along, load as load_city, stops, street, times};

#[test]
fn a_street_becomes_a_timetable() {
    let loaded = load_city(&street());
    assert!(loaded.report.findings.is_empty(), "{}", loaded.report);
    let t = loaded.timetable;
    let trip = t.trip_by_id("t").unwrap();
    assert_eq!(stops(&t, trip), ["s1", "s2", "s3", "s4"]);
    assert_eq!(along(&t, trip), [0, 1000, 2000, 3000]);
    assert_eq!(times(&t, trip), ["08:00:00", "08:02:00", "08:04:00", "08:06:00"]);
    assert_eq!(&*t.trips.at(trip).headsign, "Парк", "the last stop, for want of a headsign");
    let route = t.route_of(trip);
    assert_eq!((&*route.short_name, route.mode), ("5", Mode::Bus));
    assert_eq!(&*t.agencies.at(route.agency.unwrap()).name, "Парк", "the only agency runs every route");
    assert_eq!(t.zone.name(), "Europe/Kyiv");
    let s2 = t.stop_by_id("s2").unwrap();
    assert_eq!(t.calls_at(s2), [(t.trips.at(trip).pattern, StopPos(1))]);
    assert_eq!(t.links.len(), 3);
    assert_eq!(t.span(), (ServiceTime(8 * 3600), ServiceTime(8 * 3600 + 360)));
}

#[test]
fn zip_folder_and_memory_are_one() {
    let files = street();
    let want = load_city(&files).timetable;
    let zip = files.to_zip_bytes().unwrap();
    assert_eq!(zip, street().to_zip_bytes().unwrap(), "the same files, the same bytes");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("city.zip"), &zip).unwrap();
    let inner = folder.path().join("unpacked/gtfs");
    std::fs::create_dir_all(&inner).unwrap();
    for (name, bytes) in files.iter() {
        std::fs::write(inner.join(name), bytes).unwrap();
    }
    let id = FeedId::from("street");
    let loaded = [
        load_zip("street.zip", &zip, id.clone()).unwrap(),
        load(&folder.path().join("city.zip"), id.clone()).unwrap(),
        load(&inner, id.clone()).unwrap(),
        load(&folder.path().join("unpacked"), id).unwrap(),
    ];
    for loaded in loaded {
        assert_eq!(loaded.timetable.trips, want.trips);
        assert_eq!(loaded.timetable.patterns, want.patterns);
    }
}

#[test]
fn a_feed_is_named_after_its_file() {
    for (path, id) in
        [("/data/Kyiv_2026.zip", "kyiv-2026"), ("gtfs", "gtfs"), ("a--b__c.zip", "a-b-c"), ("Слов'янськ.zip", "feed")]
    {
        assert_eq!(feed_id_of(path.as_ref()).as_str(), id);
    }
}

#[test]
fn how_the_files_were_written_makes_no_difference() {
    let want = load_city(&street()).timetable;
    let bom = |text: &str| format!("\u{feff}{text}");
    let text = |name: &str| String::from_utf8(street().get(name).unwrap().to_vec()).unwrap();
    let variants: Vec<(&str, GtfsFiles)> = vec![
        ("byte-order mark", street().with("stops.txt", bom(&text("stops.txt")))),
        ("CRLF", street().with("stop_times.txt", text("stop_times.txt").replace('\n', "\r\n"))),
        ("old Mac", street().with("stop_times.txt", text("stop_times.txt").replace('\n', "\r"))),
        ("no last line end", street().with("stop_times.txt", text("stop_times.txt").trim_end())),
        ("blank lines", street().with("stops.txt", text("stops.txt").replace('\n', "\n\n"))),
        ("spaces", street().with("stop_times.txt", text("stop_times.txt").replace(',', " , "))),
        (
            "other columns, other order, quotes",
            street().with(
                "trips.txt",
                "colour,\"trip_id\", shape_id ,direction_id,service_id,route_id\n\"a \"\"b\"\", c\",\"t\",east, \"0\",all,r\n",
            ),
        ),
        (
            "a folder in the zip, and what macOS leaves there",
            street()
                .iter()
                .flat_map(|(name, bytes)| {
                    [(format!("my feed/{name}"), bytes.to_vec()), (format!("__MACOSX/my feed/._{name}"), vec![0, 5, 22])]
                })
                .chain([("stops.txt".to_owned(), b"junk".to_vec())])
                .collect(),
        ),
        (
            "calls in no order",
            street().with(
                "stop_times.txt",
                "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n\
                 t,08:06:00,08:06:00,s4,4\nt,08:02:00,08:02:00,s2,2\nt,8:00:00,8:00:00,s1,1\nt,08:04:00,08:04:00,s3,3\n",
            ),
        ),
    ];
    for (what, files) in variants {
        let loaded = load_city(&files);
        assert!(loaded.report.findings.is_empty(), "{what}: {}", loaded.report);
        assert_eq!(loaded.timetable.patterns, want.patterns, "{what}");
        assert_eq!(loaded.timetable.trips, want.trips, "{what}");
        assert_eq!(loaded.timetable.stops, want.stops, "{what}");
        let trip = want.trip_by_id("t").unwrap();
        assert_eq!(times(&loaded.timetable, trip), times(&want, trip), "{what}");
    }
}

#[test]
fn times_left_out_are_found_by_distance() {
    let files = street().with(
        "stop_times.txt",
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence,timepoint\n\
         t,23:50:00,23:55:00,s1,10,1\n\
         t,,,s2,20,\n\
         t,,,s3,30,0\n\
         t,24:10:00,,s4,40,0\n",
    );
    let t = load_city(&files).timetable;
    let trip = t.trip_by_id("t").unwrap();
    assert_eq!(times(&t, trip), ["23:50:00-23:55:00", "24:00:00", "24:05:00", "24:10:00"]);
    let timepoints: Vec<bool> = t.times(trip).map(|c| c.timepoint).collect();
    assert_eq!(timepoints, [true, false, false, false]);
    assert_eq!(t.pattern_of(trip).calls[3].seq.0, 40);
}

#[test]
fn getting_on_and_off() {
    let files = street().with(
        "stop_times.txt",
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type,drop_off_type\n\
         t,08:00:00,08:00:00,s1,1,0,1\nt,08:02:00,08:02:00,s2,2,2,3\nt,08:04:00,08:04:00,s3,3,,\nt,08:06:00,08:06:00,s4,4,1,0\n",
    );
    let t = load_city(&files).timetable;
    let calls: Vec<_> = t.pattern_of(t.trip_by_id("t").unwrap()).calls.iter().map(|c| (c.pickup, c.drop_off)).collect();
    assert_eq!(
        calls,
        [
            (Boarding::Regular, Boarding::None),
            (Boarding::Phone, Boarding::Driver),
            (Boarding::Regular, Boarding::Regular),
            (Boarding::None, Boarding::Regular),
        ]
    );
}

#[test]
fn a_platform_inherits_from_its_station() {
    let files = street().with(
        "stops.txt",
        "stop_id,stop_code,stop_name,stop_lat,stop_lon,location_type,parent_station,wheelchair_boarding,platform_code\n\
         s1,101,Вокзал,48.85,37.600000,0,hub,,2\n\
         s2,,Ринок,48.85,37.613667,,hub,2,\n\
         s3,,Лікарня,48.85,37.627334,,,,\n\
         s4,,Парк,48.85,37.641001,,,1,\n\
         hub,,Вокзал,48.85,37.6,1,,1,\n\
         door,,Вхід,,,2,hub,,\n",
    );
    let loaded = load_city(&files);
    let t = loaded.timetable;
    let stop = |id: &str| t.stops.at(t.stop_by_id(id).unwrap());
    let access: Vec<_> = ["s1", "s2", "s3", "s4"].map(|id| stop(id).wheelchair).to_vec();
    assert_eq!(access, [Some(true), Some(false), None, Some(true)]);
    assert_eq!(stop("s1").parent, t.stop_by_id("hub"));
    assert_eq!((&*stop("s1").code, &*stop("s1").platform), ("101", "2"));
    assert_eq!(stop("door").lat, 48.85, "an entrance without a position stands at its station");
    assert_eq!(loaded.report.of(Severity::Error), 0, "{}", loaded.report);
}

#[test]
fn frequencies_become_runs_that_share_their_times() {
    let files = street()
        .with(
            "frequencies.txt",
            "trip_id,start_time,end_time,headway_secs,exact_times\n\
             t,07:00:00,07:30:00,600,1\n\
             t,22:00:00,22:20:00,1200,1\n",
        )
        .with("trips.txt", "route_id,service_id,trip_id,direction_id,shape_id\nr,all,t,0,east\nr,all,u,0,east\n")
        .with("stop_times.txt", {
            let t = crate::city::EVERY_STOP;
            format!("{t}u,09:00:00,09:00:00,s1,1\nu,09:09:00,09:09:00,s4,4\n")
        });
    let t = load_city(&files).timetable;
    let starts: Vec<String> = t.runs_of("t").map(|r| t.starts(r).to_string()).collect();
    assert_eq!(starts, ["07:00:00", "07:10:00", "07:20:00", "22:00:00"]);
    let last = t.runs_of("t").last().unwrap();
    assert_eq!(times(&t, last), ["22:00:00", "22:02:00", "22:04:00", "22:06:00"]);
    assert_eq!(t.trips.at(last).run_start, Some(ServiceTime(22 * 3600)));
    assert!(t.times(last).all(|c| c.timepoint));
    assert_eq!(t.runs_of("u").count(), 1);
    assert_eq!(t.trips.at(t.trip_by_id("u").unwrap()).run_start, None);

    let loose = street().with("frequencies.txt", "trip_id,start_time,end_time,headway_secs\nt,07:00:00,07:30:00,900\n");
    let t = load_city(&loose).timetable;
    assert_eq!(t.runs_of("t").count(), 2);
    assert!(t.times(t.trip_by_id("t").unwrap()).all(|c| !c.timepoint), "nobody promised these minutes");
}

#[test]
fn trips_of_a_block_are_in_order() {
    let files = street()
        .with("trips.txt", "route_id,service_id,trip_id,block_id\nr,all,late,b\nr,all,early,b\nr,all,alone,\n")
        .with(
            "stop_times.txt",
            "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n\
             late,10:00:00,10:00:00,s1,1\nlate,10:09:00,10:09:00,s4,2\n\
             early,09:00:00,09:00:00,s4,1\nearly,09:09:00,09:09:00,s1,2\n\
             alone,09:00:00,09:00:00,s4,1\nalone,09:09:00,09:09:00,s1,2\n",
        );
    let t = load_city(&files).timetable;
    let block = t.trips.at(t.trip_by_id("late").unwrap()).block.unwrap();
    let ids: Vec<&str> = t.blocks.at(block).trips.iter().map(|i| &*t.trips.at(*i).id).collect();
    assert_eq!(ids, ["early", "late"]);
    assert_eq!(t.trips.at(t.trip_by_id("alone").unwrap()).block, None);
    // Two of the three run the same calls without a shape: one pattern, one line.
    assert_eq!((t.patterns.len(), t.shapes.len()), (2, 2));
}

#[test]
fn direction_255_is_unknown() {
    let files = street().with("trips.txt", "route_id,service_id,trip_id,direction_id\nr,all,t,255\n");
    let t = load_city(&files).timetable;
    assert_eq!(t.pattern_of(t.trip_by_id("t").unwrap()).direction, None);
}

/// Kyiv's clocks go forward on 29 March and back on 25 October 2026. The trip of 08:00 leaves at
/// eight on the wall on each of these days, and a night trip keeps its distance to noon.
#[test]
fn both_clock_changes() {
    let night = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n\
         n,25:00:00,25:00:00,s1,1\nn,25:30:00,25:30:00,s4,2\n";
    let files = street()
        .with("trips.txt", "route_id,service_id,trip_id,shape_id\nr,all,t,east\nr,all,n,east\n")
        .with("stop_times.txt", format!("{}{}", crate::city::EVERY_STOP, night.split_once('\n').unwrap().1));
    let t = load_city(&files).timetable;
    let wall = |day: &str, trip: &str| {
        let at = t.zone.at(day.parse().unwrap(), t.starts(t.trip_by_id(trip).unwrap()));
        at.rfc3339(&t.zone)
    };
    assert_eq!(wall("20260328", "t"), "2026-03-28T08:00:00+02:00");
    assert_eq!(wall("20260329", "t"), "2026-03-29T08:00:00+03:00");
    assert_eq!(wall("20261025", "t"), "2026-10-25T08:00:00+02:00");
    assert_eq!(wall("20260328", "n"), "2026-03-29T01:00:00+02:00");
    assert_eq!(wall("20261024", "n"), "2026-10-25T01:00:00+03:00");
    // Yesterday's night trip belongs to yesterday's service day.
    let now: UnixMs = t.zone.at("20260329".parse().unwrap(), ServiceTime(2 * 3600));
    let days: Vec<String> = t.days_at(now).iter().map(ToString::to_string).collect();
    assert!(days.contains(&"20260328".to_owned()) && days.contains(&"20260329".to_owned()), "{days:?}");
    assert_eq!(StopPos(0).at(), t.trips.indices().next().unwrap().at());
}
