//! The simulated fleet, whose truth is known: what the boards promise is held against what truly happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use eta_engine::engine::{Engine, Model, Settings};
use simulator::city;
use simulator::drive::Cap;
use simulator::fleet::{Fleet, FleetOptions};
use simulator::send::{Endpoints, Options, Simulator};
use tokio_util::sync::CancellationToken;
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::ids::{FeedId, TripIdx, VehicleId};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;
use zupynka::city::Prepared;
use zupynka_tests::town::config;
use zupynka_tests::within;

const SEED: u64 = 11;

/// A Tuesday.
fn day() -> ServiceDate {
    "20261124".parse().unwrap()
}

fn demo_city() -> Arc<Timetable> {
    Arc::new(city::load(day()).unwrap().timetable)
}

fn cap(vehicles: usize) -> Option<Cap> {
    Some(Cap { vehicles, at: ServiceTime(8 * 3600) })
}

/// A promise of the boards: by whom, when it was made, for when.
struct Promise {
    made: UnixMs,
    arrival: UnixMs,
    p10: UnixMs,
    p90: UnixMs,
}

#[test]
fn in_a_morning_hour_vehicles_are_on_their_trips_and_what_boards_promise_comes_true() {
    let t = demo_city();
    let options = FleetOptions { seed: SEED, ..FleetOptions::default() };
    let fleet = Fleet::new(Arc::clone(&t), options);
    let plan = fleet.plan(day());
    let at = |s: i32| t.zone.at(day(), ServiceTime(s));
    let (from, judged, to) = (at(6 * 3600), at(7 * 3600), at(8 * 3600));
    let mut engine = Engine::new(Arc::clone(&t), Settings::default(), Model::default());
    let mut promises: BTreeMap<(VehicleId, TripIdx, u16), Vec<Promise>> = BTreeMap::new();
    let (mut on_trip, mut right, mut wrong) = (0u32, 0u32, 0u32);
    let mut tick = from;
    for fix in fleet.fixes_between(from, to) {
        while tick.plus_secs(60) <= fix.received {
            tick = tick.plus_secs(60);
            engine.predict_all(tick);
            if tick < judged {
                continue;
            }
            let world = engine.world(tick, true);
            for v in world.vehicles.iter() {
                let Some(day) = plan.vehicle(&v.id).filter(|d| d.kind == VehicleKind::Transit) else { continue };
                // Where it truly was when it was last heard: nobody can know more.
                let truth = day.state_at(v.fix_time).filter(|s| s.phase == Phase::InProgress).and_then(|s| s.trip);
                if let Some(trip) = truth {
                    on_trip += 1;
                    match v.on_trip.map(|o| o.on.trip) {
                        Some(said) if said == trip => right += 1,
                        Some(_) => wrong += 1,
                        None => {}
                    }
                }
                for c in v.ahead.iter().filter(|c| c.pos.0 > 0 && c.arrival > tick) {
                    let promise =
                        Promise { made: tick, arrival: c.published_arrival, p10: c.arrival_p10, p90: c.arrival_p90 };
                    promises.entry((v.id.clone(), c.on.trip, c.pos.0)).or_default().push(promise);
                }
            }
        }
        let _may_be_ignored = engine.take(&fix);
    }
    assert!(on_trip > 1000, "{on_trip}");
    assert!(right * 100 >= on_trip * 97, "{right} of {on_trip} on their trip, {wrong} on another");

    let mut errors = Vec::new();
    let mut within_band = 0usize;
    for vehicle in &plan.vehicles {
        for s in vehicle.stops() {
            let Some(arrival) = s.arrival else { continue };
            let made = promises.remove(&(vehicle.vehicle.clone(), s.trip, s.call.0)).unwrap_or_default();
            for p in made.iter().filter(|p| p.made < arrival && arrival.secs_since(p.made) <= 600) {
                errors.push(p.arrival.secs_since(arrival).abs());
                within_band += usize::from((p.p10..=p.p90).contains(&arrival));
            }
        }
    }
    errors.sort_unstable();
    let share = |part: usize| part * 100 / errors.len();
    let (median, p90) = (errors[errors.len() / 2], errors[errors.len() * 9 / 10]);
    println!(
        "{} promises of the next ten minutes: median error {median} s, nine in ten within {p90} s, {} % in the band; \
         {right} of {on_trip} on their trip",
        errors.len(),
        share(within_band)
    );
    assert!(errors.len() > 5_000, "{}", errors.len());
    assert!(median <= 40, "{median}");
    assert!(p90 <= 120, "{p90}");
    assert!((65..=97).contains(&share(within_band)), "the band that holds eight in ten holds {}", share(within_band));
}

/// How many vehicles must be on their trips before the fleet is believed to be on the road.
const ON_THE_ROAD: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_on_real_sockets_at_sixty_times_the_speed_is_where_it_truly_is() {
    let t = demo_city();
    let seven = t.zone.at(day(), ServiceTime(7 * 3600));
    let clock: SharedClock = Arc::new(ScaledClock::starting(seven, 60.0));
    let dir = tempfile::tempdir().unwrap();
    let feed = FeedId::from(city::FEED_ID);
    let config = config(&feed, dir.path().to_owned());
    let prepared = Prepared::open(config, Arc::clone(&t), None, Arc::clone(&clock)).await.unwrap();
    let stop = CancellationToken::new();
    let city = prepared.start(stop.clone()).await.unwrap();
    let at = city.ingest.addresses();
    let options = Options {
        seed: SEED,
        secret: [7; 32],
        cap: cap(40),
        machines: city::machines(),
        endpoints: Endpoints::by(|p| at.of(p)),
        ..Options::default()
    };
    let simulator = Simulator::new(Arc::clone(&t), options, clock.now()).unwrap();
    city.ingest.desk().add(simulator.devices().into_iter().map(Into::into).collect()).await.unwrap();
    let trackers = simulator.start(&clock, &stop);

    // Ten minutes of the city after the first of them are there, the world is looked at.
    let mut changed = city.published.subscribe();
    let on_road = |since: UnixMs| {
        let world = city.published.world();
        world.now >= since && world.vehicles.iter().filter(|v| v.on_trip.is_some()).count() >= ON_THE_ROAD
    };
    within("a fleet on its trips", changed.wait_for(|_| on_road(seven.plus_secs(600)))).await.unwrap();
    let world = city.published.world();
    stop.cancel();
    trackers.stopped().await;

    let plan = simulator.fleet().plan(day());
    let (mut running, mut right) = (0, 0);
    for v in world.vehicles.iter().filter(|v| v.kind == VehicleKind::Transit) {
        let truth = plan.vehicle(&v.id).and_then(|d| d.state_at(v.fix_time));
        if let Some(trip) = truth.filter(|s| s.phase == Phase::InProgress).and_then(|s| s.trip) {
            running += 1;
            right += usize::from(v.on_trip.is_some_and(|o| o.on.trip == trip));
        }
    }
    assert!(running >= ON_THE_ROAD / 2, "{running}");
    assert!(right * 100 >= running * 85, "{right} of {running} on their trip");
    let machines = world.vehicles.iter().filter(|v| v.kind.is_machinery());
    assert!(machines.clone().all(|v| v.on_trip.is_none() && v.ahead.is_empty()));
    assert_eq!(trackers.stats().refused, 0, "{:?}", trackers.stats());
    within("the city to close", city.stopped()).await.unwrap();
}
