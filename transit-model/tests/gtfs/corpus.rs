//! The feeds of real cities. They lie outside the project: `ZUPYNKA_CORPUS` says where, and without
//! it there is nothing to do here.

use std::path::PathBuf;

use transit_model::gtfs::{Fault, Loaded, Severity, feed_id_of, load};
use transit_model::ids::StopPos;

fn corpus() -> Option<PathBuf> {
    std::env::var_os("ZUPYNKA_CORPUS").map(|root| PathBuf::from(root).join("corpus")).filter(|p| p.is_dir())
}

fn feeds() -> Vec<PathBuf> {
    let Some(root) = corpus() else { return Vec::new() };
    let statics = root.join("gtfs").read_dir().unwrap().map(|e| e.unwrap().path());
    let cases = root.read_dir().unwrap().map(|e| e.unwrap().path().join("gtfs.zip"));
    statics.chain(cases).filter(|p| p.extension().is_some_and(|e| e == "zip") && p.is_file()).collect()
}

fn named(name: &str) -> Option<Loaded> {
    let path = feeds().into_iter().find(|p| p.to_string_lossy().contains(name))?;
    Some(load(&path, feed_id_of(&path)).unwrap())
}

/// What every timetable promises, whatever feed it came from.
#[test]
fn every_city_keeps_the_promises_of_a_timetable() {
    for path in feeds() {
        let name = path.display();
        let t = load(&path, feed_id_of(&path)).unwrap().timetable;
        for (_, pattern) in t.patterns.iter() {
            let line = t.shapes.at(pattern.shape);
            assert!(pattern.calls.len() >= 2 && pattern.links.len() == pattern.calls.len() - 1, "{name}");
            assert!(!pattern.trips.is_empty(), "{name}");
            assert!(pattern.calls.is_sorted_by(|a, b| a.along <= b.along && a.seq < b.seq), "{name}");
            let ends = (pattern.calls.first().unwrap().along, pattern.calls.last().unwrap().along);
            assert!(ends.0 >= 0.0 && ends.1 <= line.length() + 0.1, "{name}: {ends:?} of {}", line.length());
            assert!(pattern.trips.is_sorted_by_key(|trip| t.starts(*trip)), "{name}");
            for (call, link) in pattern.calls.iter().zip(&pattern.links) {
                assert_eq!(t.links.at(*link).from, call.stop, "{name}");
            }
        }
        for trip in t.trips.indices() {
            let times: Vec<_> = t.times(trip).collect();
            assert_eq!(times.len(), t.pattern_of(trip).calls.len(), "{name}");
            assert!(times.iter().all(|c| c.arrival <= c.departure), "{name}");
            assert!(times.is_sorted_by(|a, b| a.departure <= b.arrival), "{name}: {}", t.trips.at(trip).id);
            assert!(t.span().0 <= t.starts(trip) && t.ends(trip) <= t.span().1, "{name}");
        }
        for (_, block) in t.blocks.iter() {
            assert!(block.trips.is_sorted_by_key(|trip| t.starts(*trip)), "{name}");
        }
        for (stop, _) in t.stops.iter() {
            for (pattern, pos) in t.calls_at(stop) {
                assert_eq!(t.patterns.at(*pattern).call(*pos).map(|c| c.stop), Some(stop), "{name}");
            }
        }
    }
}

#[test]
fn what_is_wrong_in_these_cities_is_known() {
    // Errors other than these were looked into: they are in the feeds.
    for (name, faults) in [
        ("bart", vec![]),
        ("cranbrook", vec![]),
        ("chisinau", vec![Fault::TooFewCalls, Fault::NoShape]),
        ("halifax", vec![Fault::EmptyService, Fault::ShapeBackwards]),
        ("kyiv", vec![]),
        ("manhattan", vec![Fault::StopFarFromShape]),
        ("redding", vec![Fault::TooFast]),
        ("transjakarta", vec![Fault::StopFarFromShape]),
        ("vilnius_2026", vec![Fault::EmptyService]),
        ("mbta", vec![]),
        ("nyc-b63", vec![]),
        ("toronto", vec![]),
    ] {
        let Some(loaded) = named(name) else { continue };
        let found: Vec<Fault> = loaded.report.totals.keys().copied().collect();
        let mut want = faults;
        want.sort();
        assert_eq!(found, want, "{name}: {}", loaded.report);
    }
}

#[test]
fn vilnius_is_all_there() {
    let Some(loaded) = named("vilnius_2026") else { return };
    let counts = loaded.report.counts;
    assert_eq!(loaded.report.of(Severity::Error), 0);
    assert_eq!(counts.calls, counts.stop_time_rows, "not a call is lost");
    assert!(counts.stop_time_rows > 380_000 && counts.shape_points > 120_000, "{counts:?}");
}

#[test]
fn redding_has_times_between_its_timepoints() {
    let Some(loaded) = named("redding") else { return };
    let t = loaded.timetable;
    let trip = t.trip_by_id("780a6b4d-51d3-4e0f-a5c4-25e1f7d6dab9").unwrap();
    // 13:02 at 28.7 km and 13:26 at 49.7 km by the feed; in between it names no time.
    let between = t.time_at(trip, StopPos(3)).unwrap();
    assert_eq!(between.arrival.to_string().get(..5), Some("13:10"), "{}", between.arrival);
    assert!(!between.timepoint);
}

#[test]
fn transjakarta_runs_by_frequency() {
    let Some(loaded) = named("transjakarta") else { return };
    let t = loaded.timetable;
    assert!(t.trips.iter().all(|(_, trip)| trip.run_start.is_some()));
    let (_, some) = t.trips.iter().next().unwrap();
    let starts: Vec<_> = t.runs_of(&some.id).map(|r| t.starts(r)).collect();
    assert!(starts.len() > 1 && starts.is_sorted());
}

/// These agencies give the distance of every call along the shape, which the loader does not read:
/// an independent word on where each stop lies.
#[test]
fn stops_lie_where_the_agency_says() {
    // Cranbrook measures some of its own shapes up to 6 % longer than they are drawn.
    for (name, within, share) in [("mbta", 1.0, 0.001), ("cranbrook", 100.0, 0.06)] {
        let Some(path) = feeds().into_iter().find(|p| p.to_string_lossy().contains(name)) else { continue };
        let t = load(&path, feed_id_of(&path)).unwrap().timetable;
        let mut zip = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        let mut rows = csv::Reader::from_reader(zip.by_name("stop_times.txt").unwrap());
        let header = rows.headers().unwrap().clone();
        let col = |name: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}') == name).unwrap();
        let (trip, seq, dist) = (col("trip_id"), col("stop_sequence"), col("shape_dist_traveled"));
        let mut compared = 0;
        // Distances count from the start of the shape with one, from the first stop with the other.
        let mut start = (String::new(), 0.0f32);
        for row in rows.records().map(Result::unwrap) {
            let pattern = t.pattern_of(t.trip_by_id(&row[trip]).unwrap());
            let call = pattern.calls.iter().find(|c| c.seq.0.to_string() == row[seq]).unwrap();
            let theirs: f32 = row[dist].parse().unwrap();
            if start.0 != row[trip] {
                start = (row[trip].to_owned(), call.along - theirs);
            }
            let off = (call.along - start.1 - theirs).abs();
            assert!(
                off < within + share * theirs,
                "{name} {}: ours {}, theirs {theirs}",
                &row[trip],
                call.along - start.1
            );
            compared += 1;
        }
        assert!(compared > 5_000, "{name}");
    }
}
