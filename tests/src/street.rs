//! The smallest city worth testing: one street, there and back, two blocks.
//!
//! ```text
//! A ─1 km─ B ─1 km─ C ─1 km─ D ─1 km─ E ─1 km─ F      four minutes a kilometre
//! block 1   o1 A→F 08:00-08:20   b1 F→A 08:26-08:46
//! block 2   o2 A→F 08:15-08:35
//! ```
//! Every day of 2026; the tests' day is Wednesday 6 May. The way back lies 8 m beside the way out.

use transit_model::gtfs::GtfsFiles;
use transit_model::time::ServiceDate;

/// Its feed.
pub const FEED: &str = "street";
/// The day the tests are on.
pub const DAY: &str = "20260506";
/// Degrees of latitude of the way out.
const LAT: f64 = 48.85;
/// Degrees of longitude in a kilometre there.
const KM: f64 = 1.0 / 73.163;
const STOPS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// A place on the way out, so many kilometres from A: latitude, longitude.
#[must_use]
pub fn place(km: f64) -> (f64, f64) {
    (LAT, 37.6 + km * KM)
}

/// The day the tests are on.
///
/// # Panics
/// Never.
#[must_use]
pub fn day() -> ServiceDate {
    DAY.parse().expect("a date")
}

/// The feed's files.
#[must_use]
pub fn files() -> GtfsFiles {
    let mut files = GtfsFiles::new();
    files.set("agency.txt", "agency_name,agency_url,agency_timezone\nТУ,https://example.org,Europe/Kyiv\n");
    files.set("routes.txt", "route_id,route_short_name,route_type\nr1,1,11\n");
    files.set_table(
        "calendar.txt",
        &[
            "service_id",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
            "start_date",
            "end_date",
        ],
        [["all", "1", "1", "1", "1", "1", "1", "1", "20260101", "20261231"]],
    );
    let stops = (0i32..).zip(STOPS).map(|(km, id)| {
        let (lat, lon) = place(f64::from(km));
        [id.to_owned(), format!("Зупинка {id}"), lat.to_string(), lon.to_string()]
    });
    files.set_table("stops.txt", &["stop_id", "stop_name", "stop_lat", "stop_lon"], stops);
    let mut trips = Vec::new();
    let mut times = Vec::new();
    for (id, is_back, block, start) in [("o1", false, "1", 480), ("b1", true, "1", 506), ("o2", false, "2", 495)] {
        let (direction, shape, headsign) =
            if is_back { ("1", "back", "Депо") } else { ("0", "out", "Вокзал") };
        trips.push(["r1", "all", id, direction, shape, block, headsign]);
        let mut order = STOPS;
        if is_back {
            order.reverse();
        }
        for (n, stop) in (0i32..).zip(order) {
            let minute = start + 4 * n;
            let clock = format!("{:02}:{:02}:00", minute / 60, minute % 60);
            times.push([id.to_owned(), clock.clone(), clock, stop.to_owned(), (n + 1).to_string()]);
        }
    }
    let head = ["route_id", "service_id", "trip_id", "direction_id", "shape_id", "block_id", "trip_headsign"];
    files.set_table("trips.txt", &head, trips);
    let head = ["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence"];
    files.set_table("stop_times.txt", &head, times);
    let ends = [("out", [-0.05, 5.05], 0.0), ("back", [5.05, -0.05], 7e-5)];
    let points = ends.iter().flat_map(|(shape, ends, north)| {
        (1i32..).zip(ends).map(move |(n, km)| {
            let (lat, lon) = place(*km);
            [(*shape).to_owned(), (lat + north).to_string(), lon.to_string(), n.to_string()]
        })
    });
    files.set_table("shapes.txt", &["shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"], points);
    files
}
