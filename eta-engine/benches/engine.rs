//! What a fix costs: matched, learned from, and its vehicle predicted, on a street with a bus every few
//! minutes each way. `zupynka bench engine` measures the same on whole cities.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eta_engine::engine::{Engine, Model, Settings};
use transit_model::fix::{Fix, Reported, Source};
use transit_model::gtfs::{self, GtfsFiles};
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

/// Stops of a line, a kilometre and two minutes apart.
const STOPS: u16 = 20;
const LINK: i32 = 120;
/// Between two buses, seconds.
const HEADWAY: i32 = 300;
const TRIPS: i32 = 60;
/// Between two fixes of a bus, seconds.
const INTERVAL: i32 = 10;
const DEGREES: f64 = 1.0 / 73.163;

fn feed() -> GtfsFiles {
    let mut files = GtfsFiles::new();
    files.set("agency.txt", "agency_name,agency_url,agency_timezone\nCity,https://example.org,Etc/UTC\n");
    files.set("routes.txt", "route_id,route_short_name,route_type\nr,1,3\n");
    files.set("calendar_dates.txt", "service_id,date,exception_type\nday,20261124,1\n");
    let place =
        |n: u16| [format!("S{n}"), format!("Stop {n}"), "48.85".into(), (37.6 + f64::from(n) * DEGREES).to_string()];
    files.set_table("stops.txt", &["stop_id", "stop_name", "stop_lat", "stop_lon"], (0..STOPS).map(place));
    let trips = (0..TRIPS).map(|t| ["r".to_owned(), "day".to_owned(), format!("t{t}"), (t % 2).to_string()]);
    files.set_table("trips.txt", &["route_id", "service_id", "trip_id", "direction_id"], trips);
    let calls = (0..TRIPS).flat_map(|t| {
        (0..STOPS).map(move |n| {
            let at = ServiceTime(start(t) + i32::from(n) * LINK).to_string();
            let stop = if t % 2 == 0 { n } else { STOPS - 1 - n };
            [format!("t{t}"), at.clone(), at, format!("S{stop}"), n.to_string()]
        })
    });
    let header = ["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence"];
    files.set_table("stop_times.txt", &header, calls);
    files
}

/// When a trip starts: one each way at a time.
const fn start(trip: i32) -> i32 {
    6 * 3600 + trip / 2 * HEADWAY
}

/// Every bus on its way, by time.
fn fixes(timetable: &Timetable, day: ServiceDate) -> Vec<Fix> {
    let length = i32::from(STOPS - 1) * LINK;
    let mut all: Vec<Fix> = (0..TRIPS)
        .flat_map(|t| (0..=length / INTERVAL).map(move |n| (t, n * INTERVAL)))
        .map(|(t, after)| {
            let km = f64::from(after) / f64::from(LINK);
            let km = if t % 2 == 0 { km } else { f64::from(STOPS - 1) - km };
            let time = timetable.zone.at(day, ServiceTime(start(t) + after));
            Fix {
                vehicle: VehicleId::from(format!("v{t}")),
                time,
                received: UnixMs(time.0 + 800),
                lat: 48.85,
                lon: 37.6 + km * DEGREES,
                speed: Some(8.3),
                bearing: Some(if t % 2 == 0 { 90.0 } else { 270.0 }),
                reported: Reported::default(),
                source: Source::Recording,
            }
        })
        .collect();
    all.sort_by(|a, b| (a.received, a.vehicle.as_str()).cmp(&(b.received, b.vehicle.as_str())));
    all
}

fn pipeline(c: &mut Criterion) {
    let Ok(loaded) = gtfs::load_files(&feed(), FeedId::from("street")) else { return };
    let Ok(day) = "20261124".parse() else { return };
    let timetable = Arc::new(loaded.timetable);
    let fixes = fixes(&timetable, day);
    let fresh = || Engine::new(Arc::clone(&timetable), Settings::default(), Model::default());
    let mut group = c.benchmark_group("engine");
    group.sample_size(10);
    group.throughput(Throughput::Elements(fixes.len() as u64));
    let take = |engine: &mut Engine, predict: bool| {
        for fix in &fixes {
            // What is late or leaps is refused, here as in life.
            let _ = engine.take(fix);
            if let Some(i) = engine.index_of(&fix.vehicle).filter(|_| predict) {
                engine.predict(i, fix.received);
            }
        }
    };
    for (name, predict) in [("match and learn", false), ("match, learn and predict", true)] {
        group.bench_function(name, |b| {
            b.iter_batched(
                fresh,
                |mut engine| {
                    take(&mut engine, predict);
                    engine
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
