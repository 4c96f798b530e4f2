//! `zupynka bench engine`: fixes in, worlds out, with copies of a city as feeds that share nothing. Each
//! thread has cities of its own, as each feed has one writer; a round is what the live engine does between
//! two worlds: take what came, predict whom it moved, make the world.
//!
//! Decoding, the gate, the store and the web side are not in it.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use eta_engine::engine::{Engine, Model, Settings};
use eta_engine::world::World;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use simulator::drive::Cap;
use simulator::fleet::{Fleet, FleetOptions};
use simulator::load::process;
use transit_model::clock::{Clock as _, Stopwatch, SystemClock};
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::gtfs;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs, Zone};
use transit_model::timetable::Timetable;

use super::{Args, Part, Report, What, a_second, cores};

/// All chance of the cities comes from here.
const SEED: u64 = 6100;
/// When the measured time begins: the morning rush.
const RUSH: ServiceTime = ServiceTime(8 * 3600);
/// Fixes that are measured, where the day is long enough.
const FIXES: f64 = 400_000.0;
/// The shortest and the longest stretch of the day that is driven, seconds.
const STRETCH: (f64, f64) = (120.0, 3.0 * 3600.0);
/// How long the engines have listened before, seconds.
const WARM: i64 = 600;
/// Of a fleet above this size, which knows its trips sooner than all of it can be listened to for so long.
const LARGE: (u32, i64) = (20_000, 240);
/// A tracker of the simulator sends every so many seconds, on average.
const INTERVAL: f64 = 12.5;
/// How often everybody is predicted while the engines listen, seconds.
const REPREDICT: i64 = 60;
/// Between two worlds so many fixes of each hundred vehicles come: 250 ms at a fix every 1.5 s.
const A_ROUND: usize = 17;

/// One city and what happens in it, the same for each of its copies.
struct City {
    timetable: Arc<Timetable>,
    vehicles: u32,
    warm: Vec<Fix>,
    fixes: Vec<Fix>,
}

/// What a thread measured.
struct Measured {
    took: Duration,
    fixes: u64,
    taking: Duration,
    predicted: u64,
    predicting: Duration,
    stops_ahead: u64,
    /// What the thread had of its core: less than it took where others share it.
    cpu: Duration,
    worlds: u64,
    publishing: Duration,
    /// From the fix being taken to the world that knows it, nanoseconds.
    latencies: Histogram<u64>,
    with_trip: u64,
}

pub(super) fn run(args: &Args, bar: &ProgressBar) -> anyhow::Result<Report> {
    let wanted = args.vehicles.unwrap_or(300);
    bar.set_message("the city's day");
    let city = City::drive(args.gtfs.as_deref(), wanted, args.feeds)?;
    let copies = args.feeds.unwrap_or_else(|| wanted.div_ceil(city.vehicles)).max(1);
    let threads = args.threads.map_or_else(cores, |n| n as usize).min(copies as usize).max(1);
    let vehicles = u64::from(copies) * u64::from(city.vehicles);
    let before = process::rss_bytes();
    bar.set_message(format!("{copies} cities, {vehicles} vehicles, {threads} threads"));

    let barrier = Barrier::new(threads);
    // The engines live until their memory has been read.
    let (measured, engines): (Vec<Measured>, Vec<Vec<Engine>>) = std::thread::scope(|scope| {
        let work = |n: usize| {
            let mine = (copies as usize + threads - 1 - n) / threads;
            let (city, barrier) = (&city, &barrier);
            scope.spawn(move || measure(city, mine, barrier))
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        running
            .into_iter()
            .map(|t| t.join().map_err(|_| anyhow::anyhow!("a thread failed"))?)
            .collect::<anyhow::Result<_>>()
    })?;
    let rss = process::rss_bytes();
    drop(engines);

    let whole = measured.iter().map(|m| m.took).max().unwrap_or_default();
    let sum = |f: fn(&Measured) -> u64| measured.iter().map(f).sum::<u64>();
    let (fixes, predicted, worlds) = (sum(|m| m.fixes), sum(|m| m.predicted), sum(|m| m.worlds));
    let micros = |f: fn(&Measured) -> Duration, times: u64| {
        measured.iter().map(f).sum::<Duration>().as_secs_f64() * 1e6 / times.max(1) as f64
    };
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    for m in &measured {
        latencies.add(&m.latencies)?;
    }
    let share = |n: u64, of: u64| n as f64 / of.max(1) as f64;
    let grown = rss.zip(before).map_or(0.0, |(now, then)| now.saturating_sub(then) as f64);
    let part = |name: &str, figures| Part { name: name.to_owned(), figures };
    let parts = [
        part(
            "pipeline",
            vec![
                ("vehicles", vehicles as f64),
                ("feeds", f64::from(copies)),
                ("threads", threads as f64),
                ("fixes", fixes as f64),
                ("seconds", whole.as_secs_f64()),
                ("share_with_a_trip", share(sum(|m| m.with_trip), vehicles)),
                ("microseconds_a_fix_on_one_core", micros(|m| m.took, fixes)),
                ("processor_microseconds_a_fix", micros(|m| m.cpu, fixes)),
            ],
        ),
        part("match and learn", vec![("times", fixes as f64), ("microseconds", micros(|m| m.taking, fixes))]),
        part(
            "predict",
            vec![
                ("times", predicted as f64),
                ("microseconds", micros(|m| m.predicting, predicted)),
                ("stops_ahead", share(sum(|m| m.stops_ahead), predicted)),
            ],
        ),
        part(
            "world",
            vec![
                ("times", worlds as f64),
                ("microseconds", micros(|m| m.publishing, worlds)),
                ("microseconds_a_fix", micros(|m| m.publishing, fixes)),
            ],
        ),
        part(
            "memory",
            vec![
                ("bytes", grown),
                ("bytes_a_feed", grown / f64::from(copies)),
                ("bytes_a_vehicle", grown / vehicles as f64),
            ],
        ),
    ];
    let name = args.gtfs.as_ref().map_or("the demo city".to_owned(), |p| gtfs::feed_id_of(p).to_string());
    let run = format!(
        "{vehicles} vehicles in {copies} copies of {name} that share nothing, on {threads} threads; simulated fixes without trips from {RUSH} on, predictions and a world after every {A_ROUND} fixes of a hundred vehicles"
    );
    let mut report = Report::of(What::Engine, "fixes", a_second(fixes, whole), run);
    report.rss_bytes = rss;
    report.parts.extend(parts);
    let ms = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e6;
    Ok(report.latency("a fix, from being taken to the world that knows it", ms(0.5), ms(0.99)))
}

impl City {
    /// A morning of a city: of its own size, or of as many vehicles as are wanted of each of so many feeds
    /// where that is fewer.
    fn drive(feed: Option<&Path>, wanted: u32, feeds: Option<u32>) -> anyhow::Result<Self> {
        let timetable = match feed {
            Some(path) => gtfs::load(path, gtfs::feed_id_of(path))?.timetable,
            None => simulator::city::load(Zone::utc().date(SystemClock.now())).context("the demo city")?.timetable,
        };
        let timetable = Arc::new(timetable);
        let day = busiest_day(&timetable).context("the feed runs nothing on any day")?;
        let each = wanted.div_ceil(feeds.unwrap_or(1));
        let cap = Some(Cap { vehicles: each as usize, at: RUSH });
        let fleet = Fleet::new(Arc::clone(&timetable), FleetOptions { seed: SEED, cap, ..FleetOptions::default() });
        let running = fleet.trackers(day, 1).iter().filter(|t| t.kind == VehicleKind::Transit).count();
        ensure!(running > 0, "no vehicle of the feed runs on {day}");
        let vehicles = u32::try_from(running).unwrap_or(u32::MAX);
        let whole = f64::from(feeds.map_or(wanted.max(vehicles), |n| n.saturating_mul(vehicles)));
        let stretch = (FIXES * INTERVAL / whole).clamp(STRETCH.0, STRETCH.1);
        let warm = if wanted > LARGE.0 { LARGE.1 } else { WARM };
        let from = timetable.zone.at(day, RUSH);
        let to = UnixMs(from.0 + UnixMs::from_secs_f64(stretch).0);
        let mut warm: Vec<Fix> = fleet.fixes_between(from.plus_secs(-warm), to).map(silent).collect();
        let fixes = warm.split_off(warm.partition_point(|f| f.received < from));
        ensure!(!fixes.is_empty(), "no vehicle of the feed is on the road at {RUSH} on {day}");
        Ok(Self { timetable, vehicles, warm, fixes })
    }
}

/// The fix of a tracker that does not say its trip: the harder case.
fn silent(fix: Fix) -> Fix {
    Fix { reported: transit_model::fix::Reported::default(), ..fix }
}

/// The day on which most trips run, of the whole calendar: a feed may begin with a few odd services.
fn busiest_day(timetable: &Timetable) -> Option<ServiceDate> {
    let (first, last) = timetable.calendar()?;
    let trips = |day: ServiceDate| {
        let runs = timetable.services_on(day);
        timetable.trips.iter().filter(|(_, t)| *runs.at(t.service)).count()
    };
    let days = (0..1500).map(|n| first.plus_days(n)).take_while(|d| *d <= last);
    days.map(|d| (trips(d), d)).max_by_key(|(n, d)| (*n, std::cmp::Reverse(*d))).filter(|(n, _)| *n > 0).map(|(_, d)| d)
}

/// Some copies of the city, on this thread.
fn measure(city: &City, copies: usize, barrier: &Barrier) -> anyhow::Result<(Measured, Vec<Engine>)> {
    let latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3);
    // A timetable of its own each: nothing of one city is in the caches for the sake of another.
    let engine = |_| Engine::new(Arc::new((*city.timetable).clone()), Settings::default(), Model::default());
    let mut engines: Vec<Engine> = (0..copies).map(engine).collect();
    for engine in &mut engines {
        let mut predicted = None;
        for fix in &city.warm {
            // What is late or leaps is refused, here as in life.
            let _ = engine.take(fix);
            // What was told and what waits to come true is there from the start.
            let now = fix.received;
            if predicted.is_none_or(|at| now.secs_since(at) >= REPREDICT) {
                predicted = Some(now);
                engine.predict_all(now);
            }
        }
        engine.drain_events();
    }
    let mut m = Measured {
        took: Duration::ZERO,
        fixes: 0,
        taking: Duration::ZERO,
        predicted: 0,
        predicting: Duration::ZERO,
        stops_ahead: 0,
        cpu: Duration::ZERO,
        worlds: 0,
        publishing: Duration::ZERO,
        latencies: latencies.context("the histogram")?,
        with_trip: 0,
    };
    let round = (city.vehicles as usize * A_ROUND).div_ceil(100).max(1);
    let mut worlds: Vec<Option<World>> = Vec::new();
    worlds.resize_with(copies, || None);
    let mut touched: Vec<usize> = Vec::new();
    let mut taken: Vec<Duration> = Vec::with_capacity(round);
    barrier.wait();
    let whole = Stopwatch::start();
    let cpu = process::thread_cpu().unwrap_or_default();
    for fixes in city.fixes.chunks(round) {
        let Some(now) = fixes.last().map(|f| f.received) else { continue };
        for (k, engine) in engines.iter_mut().enumerate() {
            let watch = Stopwatch::start();
            for fix in fixes {
                taken.push(watch.elapsed());
                if engine.take(fix).is_ok() {
                    touched.extend(engine.index_of(&fix.vehicle));
                }
            }
            let took = watch.elapsed();
            touched.sort_unstable();
            touched.dedup();
            m.predicted += touched.len() as u64;
            for i in touched.drain(..) {
                engine.predict(i, now);
                m.stops_ahead += engine.vehicles().get(i).map_or(0, |v| v.ahead().len() as u64);
            }
            let predicted = watch.elapsed();
            // The one before is let go by its readers.
            if let Some(world) = worlds.get_mut(k) {
                *world = Some(engine.world(now, true));
            }
            std::hint::black_box(engine.drain_events());
            let published = watch.elapsed();
            m.taking += took;
            m.predicting += predicted - took;
            m.publishing += published - predicted;
            m.worlds += 1;
            m.fixes += fixes.len() as u64;
            for began in taken.drain(..) {
                m.latencies.saturating_record(u64::try_from((published - began).as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }
    m.took = whole.elapsed();
    m.cpu = process::thread_cpu().unwrap_or_default().saturating_sub(cpu);
    m.with_trip = engines.iter().flat_map(Engine::vehicles).filter(|v| v.run.is_some()).count() as u64;
    Ok((m, engines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_city_are_run_on_every_thread() {
        let mut city = City::drive(None, 100, None).unwrap();
        city.fixes.truncate(2000);
        let barrier = Barrier::new(1);
        let (m, engines) = measure(&city, 3, &barrier).unwrap();
        assert_eq!(engines.len(), 3);
        assert_eq!(m.fixes, 6000);
        assert_eq!(m.latencies.len(), 6000);
        assert!(m.predicted > 1000 && m.worlds > 100, "{} {}", m.predicted, m.worlds);
        assert!(m.with_trip > 3 * u64::from(city.vehicles) / 2, "{} of 3 x {}", m.with_trip, city.vehicles);
    }

    #[test]
    fn the_busiest_day_is_a_working_day() {
        let timetable = simulator::city::load(ServiceDate::from_days(20_780)).unwrap().timetable;
        assert!(busiest_day(&timetable).unwrap().weekday() < 5);
    }
}
