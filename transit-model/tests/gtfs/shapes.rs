//! Stops on their shapes, where it is not plain which passage is meant.

use transit_model::gtfs::GtfsFiles;

use crate::city::{along, load, street};

/// A feed of one trip past these places (metres east and north of a corner), a minute for each
/// entry, along this shape.
fn city(stops: &[(&str, f64, f64)], calls: &[&str], shape: &[(f64, f64)]) -> GtfsFiles {
    let lat = |north: f64| 48.85 + north / 111_195.0;
    let lon = |east: f64| 37.6 + east / 73_173.0;
    let mut files = street();
    files.set_table(
        "stops.txt",
        &["stop_id", "stop_name", "stop_lat", "stop_lon"],
        stops
            .iter()
            .map(|(id, x, y)| [(*id).to_owned(), "Зупинка".to_owned(), lat(*y).to_string(), lon(*x).to_string()]),
    );
    files.set_table(
        "stop_times.txt",
        &["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence"],
        calls.iter().enumerate().map(|(i, id)| {
            let time = format!("08:{i:02}:00");
            ["t".to_owned(), time.clone(), time, (*id).to_owned(), i.to_string()]
        }),
    );
    files.set_table(
        "shapes.txt",
        &["shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"],
        shape
            .iter()
            .enumerate()
            .map(|(i, (x, y))| ["east".to_owned(), lat(*y).to_string(), lon(*x).to_string(), i.to_string()]),
    );
    files
}

fn placed(stops: &[(&str, f64, f64)], calls: &[&str], shape: &[(f64, f64)]) -> Vec<i32> {
    let loaded = load(&city(stops, calls, shape));
    assert!(loaded.report.findings.is_empty(), "{}", loaded.report);
    along(&loaded.timetable, loaded.timetable.trip_by_id("t").unwrap())
}

#[test]
fn a_loop_ends_where_it_began() {
    let stops = [("depot", 10.0, -5.0), ("a", 1000.0, 10.0), ("b", 500.0, 1000.0)];
    let ring = [(0.0, 0.0), (1000.0, 0.0), (1000.0, 1000.0), (0.0, 1000.0), (0.0, 0.0)];
    assert_eq!(placed(&stops, &["depot", "a", "b", "depot"], &ring), [10, 1010, 2500, 4000]);
}

#[test]
fn there_and_back_along_one_line() {
    // Both ways are drawn on the same line, so only order and time tell the passages apart.
    let stops = [("a", 100.0, 4.0), ("b", 900.0, 4.0), ("end", 2000.0, 0.0), ("b2", 900.0, -4.0), ("a2", 100.0, -4.0)];
    let line = [(0.0, 0.0), (2000.0, 0.0), (0.0, 0.0)];
    assert_eq!(placed(&stops, &["a", "b", "end", "b2", "a2"], &line), [100, 900, 2000, 3100, 3900]);
    assert_eq!(placed(&stops, &["a", "a2"], &line), [100, 3900], "by the timetable it goes the whole way");
}

#[test]
fn a_shape_that_crosses_itself() {
    // An eight: the crossing at 500, 500 is passed twice, the stop there is meant the second time.
    let eight = [(0.0, 0.0), (1000.0, 1000.0), (1000.0, 0.0), (0.0, 1000.0)];
    let stops = [("a", 0.0, 0.0), ("b", 1000.0, 500.0), ("x", 500.0, 500.0), ("c", 0.0, 1000.0)];
    assert_eq!(placed(&stops, &["a", "b", "x", "c"], &eight), [0, 1910, 3120, 3830]);
    assert_eq!(placed(&stops, &["a", "x", "b", "c"], &eight), [0, 710, 1910, 3830]);
}

#[test]
fn a_side_trip_into_a_dead_end() {
    // The hospital lies at the end of a street the bus enters and leaves again.
    let line = [(0.0, 0.0), (1000.0, 0.0), (1000.0, 400.0), (1000.0, 0.0), (2000.0, 0.0)];
    let stops = [("a", 0.0, 0.0), ("gate", 1000.0, 200.0), ("hospital", 1000.0, 400.0), ("z", 2000.0, 0.0)];
    assert_eq!(placed(&stops, &["a", "hospital", "z"], &line), [0, 1400, 2800]);
    assert_eq!(placed(&stops, &["a", "gate", "hospital", "z"], &line), [0, 1200, 1400, 2800]);
    assert_eq!(placed(&stops, &["a", "hospital", "gate", "z"], &line), [0, 1400, 1600, 2800]);
}

#[test]
fn the_same_stop_twice_in_a_row_stays_at_one_place() {
    let stops = [("a", 0.0, 0.0), ("b", 500.0, 0.0), ("c", 1000.0, 0.0)];
    assert_eq!(placed(&stops, &["a", "b", "b", "c"], &[(0.0, 0.0), (1000.0, 0.0)]), [0, 500, 500, 1000]);
}

#[test]
fn two_routes_over_the_same_stops_share_links_where_they_run_the_same_way() {
    let stops = [("a", 0.0, 0.0), ("b", 1000.0, 0.0), ("c", 2000.0, 0.0)];
    let files = city(&stops, &["a", "b", "c"], &[(0.0, 0.0), (2000.0, 0.0)])
        .with("routes.txt", "route_id,route_short_name,route_type\nr,5,3\nq,6,3\n")
        .with("trips.txt", "route_id,service_id,trip_id,shape_id\nr,all,t,east\nq,all,u,bend\n")
        .with("stop_times.txt", {
            let rows = |trip: &str| format!("{trip},8:00:00,,a,1\n{trip},8:03:00,,b,2\n{trip},8:06:00,,c,3\n");
            format!("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n{}{}", rows("t"), rows("u"))
        });
    // Route 6 goes round the block between a and b, and straight on to c.
    let mut shapes = String::from_utf8(files.get("shapes.txt").unwrap().to_vec()).unwrap();
    for (n, (x, y)) in [(0.0, 0.0), (0.0, 400.0), (1000.0, 400.0), (1000.0, 0.0), (2000.0, 0.0)].iter().enumerate() {
        shapes.push_str(&format!("bend,{},{},{n}\n", 48.85 + y / 111_195.0, 37.6 + x / 73_173.0));
    }
    let t = load(&files.with("shapes.txt", shapes)).timetable;
    let links = |id: &str| t.pattern_of(t.trip_by_id(id).unwrap()).links.clone();
    let (straight, bend) = (links("t"), links("u"));
    assert_ne!(straight[0], bend[0]);
    assert_eq!(straight[1], bend[1]);
    assert!((t.links.at(bend[0]).length - 1800.0).abs() < 5.0);
    assert_ne!(t.links.at(straight[0]).key, t.links.at(bend[0]).key);
}
