//! Scenarios: fixes in, what the engine says of them out. One street, two directions, one block.
//!
//! ```text
//! A ──1 km── B ──1 km── C ──1 km── D      out: A→D   back: D→A, 8 m beside, on the same street
//! block 1: out 08:00-08:12, back 08:20-08:32, out 08:40-08:52;  every link 4 minutes
//! ```

mod bad_input;
mod signs;
mod troubles;

use proptest::prelude::*;
use transit_model::dispatch::Phase;
use transit_model::fix::{Reported, Source};
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::FeedId;

use super::*;
use crate::world::Vehicle;

const DAY: &str = "20260506";
/// Degrees of longitude in a kilometre at 48.85° N.
const KM: f64 = 1.0 / 73.163;

pub(super) fn street() -> Arc<Timetable> {
    let stops: String = [("A", 0.0), ("B", 1.0), ("C", 2.0), ("D", 3.0)]
        .iter()
        .map(|(s, km)| format!("{s},Стоп {s},48.85,{}\n", 37.6 + km * KM))
        .collect();
    let mut trips = "route_id,service_id,trip_id,direction_id,shape_id,block_id\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    for (n, (id, back, start)) in
        [("o1", false, 480), ("b1", true, 500), ("o2", false, 520), ("o9", false, 600)].into_iter().enumerate()
    {
        let (dir, shape) = if back { (1, "back") } else { (0, "out") };
        let block = if n < 3 { "1" } else { "9" };
        trips.push_str(&format!("r,wk,{id},{dir},{shape},{block}\n"));
        let order = if back { ["D", "C", "B", "A"] } else { ["A", "B", "C", "D"] };
        for (k, s) in order.iter().enumerate() {
            let m = start + 4 * k as i32;
            times.push_str(&format!(
                "{id},{:02}:{:02}:00,{:02}:{:02}:00,{s},{}\n",
                m / 60,
                m % 60,
                m / 60,
                m % 60,
                k + 1
            ));
        }
    }
    let shape = |id: &str, ends: [f64; 2], lat: f64| {
        ends.iter().enumerate().map(|(i, km)| format!("{id},{lat},{},{i}\n", 37.6 + km * KM)).collect::<String>()
    };
    let files = GtfsFiles::default()
        .with("agency.txt", "agency_name,agency_url,agency_timezone\nТУ,https://example.org,Europe/Kyiv\n")
        .with("stops.txt", format!("stop_id,stop_name,stop_lat,stop_lon\n{stops}"))
        .with("routes.txt", "route_id,route_short_name,route_type\nr,1,11\n")
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nwk,1,1,1,1,1,1,1,20260101,20261231\n",
        )
        .with("trips.txt", trips)
        .with("stop_times.txt", times)
        .with(
            "shapes.txt",
            format!(
                "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n{}{}",
                shape("out", [-0.05, 3.05], 48.85),
                shape("back", [3.05, -0.05], 48.850_07)
            ),
        );
    Arc::new(load_files(&files, FeedId::from("street")).unwrap().timetable)
}

pub(super) fn clock(t: &Timetable, hms: &str) -> UnixMs {
    t.zone.at(DAY.parse().unwrap(), hms.parse().unwrap())
}

/// A fix this many km from A, so many metres north of the street.
fn fix(t: &Timetable, hms: &str, km: f64, north: f64) -> Fix {
    let time = clock(t, hms);
    Fix {
        vehicle: VehicleId::from("1204"),
        time,
        received: time,
        lat: 48.85 + north / 111_195.0,
        lon: 37.6 + km * KM,
        speed: None,
        bearing: None,
        reported: Reported::default(),
        source: Source::Recording,
    }
}

fn engine(t: &Arc<Timetable>) -> Engine {
    Engine::new(Arc::clone(t), Settings::default(), Model::default())
}

/// Drives from one place to another in even steps of ten seconds.
fn drive(e: &mut Engine, t: &Timetable, from: &str, to: &str, km: [f64; 2], north: f64) {
    let (a, b) = (clock(t, from), clock(t, to));
    let steps = (b.secs_since(a) / 10).max(1);
    for i in 1..=steps {
        let share = i as f64 / steps as f64;
        let time = a.plus_secs(i * 10);
        let km = (km[1] - km[0]).mul_add(share, km[0]);
        // A metre of noise to and fro, as real receivers have.
        let wobble = if i % 2 == 0 { 1.0 } else { -1.0 };
        let f = Fix { time, received: time, ..fix(t, from, km, north + wobble) };
        let _may_be_ignored = e.take(&f);
    }
}

fn vehicle(e: &mut Engine, now: UnixMs) -> Vehicle {
    e.predict_all(now);
    (*e.world(now, true).vehicles[0]).clone()
}

fn trip_of(t: &Timetable, v: &Vehicle) -> Option<String> {
    v.on_trip.map(|o| t.trips.at(o.on.trip).id.to_string())
}

#[test]
fn a_vehicle_that_reports_nothing_is_found_on_its_trip() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:06:00", [0.0, 1.5], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:06:00"));
    assert_eq!((trip_of(&t, &v).as_deref(), v.phase), (Some("o1"), Phase::InProgress));
    let on = v.on_trip.unwrap();
    assert_eq!((on.next.0, on.delay.unwrap().abs() < 20), (2, true), "{on:?}");
    assert!((on.fraction - 0.5).abs() < 0.03, "{on:?}");
}

#[test]
fn a_vehicle_passing_the_other_way_on_the_same_street_is_not_mistaken() {
    let t = street();
    let mut e = engine(&t);
    // Westwards at the hour of the eastward trip, on the eastward side of the street.
    drive(&mut e, &t, "08:02:00", "08:07:00", [2.5, 0.6], 2.0);
    let v = vehicle(&mut e, clock(&t, "08:07:00"));
    assert_ne!(trip_of(&t, &v).as_deref(), Some("o1"));
}

#[test]
fn stop_events_are_interpolated_and_in_order() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "07:59:00", "08:00:00", [0.0, 0.0], 0.0);
    drive(&mut e, &t, "08:00:00", "08:12:00", [0.0, 3.0], 0.0);
    let events = e.drain_events();
    let rows: Vec<(u16, Option<i64>)> =
        events.iter().map(|x| (x.pos.0, x.arrival.map(|a| a.secs_since(clock(&t, "08:00:00"))))).collect();
    assert_eq!(rows.iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1, 2, 3], "{rows:?}");
    for (pos, arrival) in &rows[1..3] {
        // At 4.2 m/s the 12 m before the pole are three seconds.
        let want = 240 * i64::from(*pos) - 3;
        assert!((arrival.unwrap() - want).abs() <= 3, "{rows:?}");
    }
    assert!(rows[0].1.is_none() && events[0].departure.is_some());
    assert_eq!(e.counts().links_learned, 3);
}

#[test]
fn a_vehicle_waiting_at_its_terminal_is_held_until_the_timetable_lets_it_go() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:12:00", [0.0, 3.0], 0.0);
    drive(&mut e, &t, "08:12:00", "08:17:00", [3.0, 3.0], 6.0);
    let v = vehicle(&mut e, clock(&t, "08:17:00"));
    assert_eq!((trip_of(&t, &v).as_deref(), v.phase), (Some("b1"), Phase::Layover));
    let first = v.ahead[0];
    let held = first.departure.secs_since(clock(&t, "08:20:00"));
    assert!((0..=2).contains(&held), "{held}");
    // It stays: after its time it is about to leave, for as long as it stands there.
    drive(&mut e, &t, "08:17:00", "08:23:00", [3.0, 3.0], 6.0);
    let v = vehicle(&mut e, clock(&t, "08:23:00"));
    let wait = v.ahead[0].departure.secs_since(clock(&t, "08:23:00"));
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(v.on_trip.unwrap().delay.unwrap() >= 180);
}

#[test]
fn a_stop_the_vehicle_stands_at_stays_ahead_until_it_leaves() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:03:00", [0.0, 1.0], 0.0);
    drive(&mut e, &t, "08:03:00", "08:04:30", [1.0, 1.0], 0.0);
    let now = clock(&t, "08:04:30");
    let v = vehicle(&mut e, now);
    let here = v.ahead[0];
    assert_eq!((here.pos.0, here.arrival), (1, now));
    assert!(here.departure > now && here.departure <= now.plus_secs(30));
    assert_eq!(e.world(now, true).progress_of(here.on).passed, 1);
    drive(&mut e, &t, "08:04:30", "08:05:00", [1.0, 1.1], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:05:00"));
    assert_eq!(v.ahead[0].pos.0, 2);
    assert_eq!(e.world(now, true).progress_of(here.on).passed, 2);
}

#[test]
fn predictions_reach_into_the_next_trips_of_the_block() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:10:00", [0.0, 2.5], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:10:00"));
    let trips: Vec<_> = v.ahead.iter().map(|c| t.trips.at(c.on.trip).id.to_string()).collect();
    assert_eq!(trips, ["o1", "b1", "b1", "b1", "b1", "o2", "o2", "o2", "o2"]);
    assert!((0..=2).contains(&v.ahead[1].departure.secs_since(clock(&t, "08:20:00"))));
}

#[test]
fn a_late_vehicle_makes_the_next_trip_late_by_what_the_layover_cannot_take() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:03:00", [0.0, 0.75], 0.0);
    drive(&mut e, &t, "08:03:00", "08:20:00", [0.75, 0.8], 0.0);
    let now = clock(&t, "08:20:00");
    let v = vehicle(&mut e, now);
    assert_eq!(trip_of(&t, &v).as_deref(), Some("o1"));
    let back = v.ahead.iter().find(|c| &*t.trips.at(c.on.trip).id == "b1").unwrap();
    let last = v.ahead.iter().rfind(|c| &*t.trips.at(c.on.trip).id == "o1").unwrap();
    assert!(last.arrival > clock(&t, "08:25:00"));
    assert!(back.departure >= last.arrival.plus_secs(55));
}

#[test]
fn off_its_route_and_back_on_it() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    drive(&mut e, &t, "08:05:00", "08:06:00", [1.25, 1.5], 400.0);
    let v = vehicle(&mut e, clock(&t, "08:06:00"));
    assert_eq!((v.phase, trip_of(&t, &v).as_deref()), (Phase::OffRoute, Some("o1")));
    let concerns = e.world(clock(&t, "08:06:00"), true).concerns.clone();
    assert_eq!(concerns[0].kind, "off_route");
    drive(&mut e, &t, "08:06:00", "08:06:20", [1.5, 1.6], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:06:20"));
    assert_eq!((v.phase, trip_of(&t, &v).as_deref()), (Phase::InProgress, Some("o1")));
}

#[test]
fn a_fix_from_another_country_is_left_out_until_others_agree() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    assert_eq!(e.take(&fix(&t, "08:05:10", 400.0, 0.0)).unwrap_err(), Ignored::Leap);
    drive(&mut e, &t, "08:05:10", "08:06:00", [1.29, 1.5], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:06:00"));
    assert_eq!((trip_of(&t, &v).as_deref(), v.phase), (Some("o1"), Phase::InProgress));
    assert_eq!(e.counts().leaps, 1);
    assert_eq!(e.take(&fix(&t, "08:01:00", 0.2, 0.0)).unwrap_err(), Ignored::Late);
}

#[test]
fn a_reported_trip_is_followed_even_where_the_timetable_would_not_believe_it() {
    let t = street();
    let mut e = engine(&t);
    let (a, id) = (clock(&t, "08:30:00"), "o9");
    for i in 0..30 {
        let time = a.plus_secs(i * 10);
        let reported = Reported { trip_id: Some(id.into()), ..Reported::default() };
        let f = Fix { time, received: time, reported, ..fix(&t, "08:30:00", 0.1 + i as f64 * 0.04, 0.0) };
        e.take(&f).unwrap();
    }
    let v = vehicle(&mut e, a.plus_secs(300));
    assert_eq!(trip_of(&t, &v).as_deref(), Some(id));
    assert!(v.confidence > 0.9);
}

#[test]
fn a_restart_finds_the_vehicle_where_it_is() {
    let t = street();
    let mut ran_on = engine(&t);
    let mut restarted = engine(&t);
    for e in [&mut ran_on, &mut restarted] {
        drive(e, &t, "08:01:00", "08:09:00", [0.25, 2.25], 0.0);
    }
    drive(&mut ran_on, &t, "08:09:00", "08:10:00", [2.25, 2.5], 0.0);
    let mut fresh = Engine::new(Arc::clone(&t), Settings::default(), restarted.into_model());
    drive(&mut fresh, &t, "08:04:00", "08:10:00", [1.0, 2.5], 0.0);
    let now = clock(&t, "08:10:00");
    let (a, b) = (vehicle(&mut ran_on, now), vehicle(&mut fresh, now));
    assert_eq!(trip_of(&t, &a), trip_of(&t, &b));
    assert!((a.on_trip.unwrap().along - b.on_trip.unwrap().along).abs() < 5.0);
    assert!((a.ahead[0].arrival.0 - b.ahead[0].arrival.0).abs() < 5_000);
}

#[test]
fn a_silent_vehicle_is_raised_and_then_no_longer_predicted() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    let later = clock(&t, "08:09:00");
    e.predict_all(later);
    let w = e.world(later, true);
    assert_eq!(w.concerns[0].kind, "silent");
    assert!(w.concerns[0].text_uk.contains("мовчить з 08:05"), "{}", w.concerns[0].text_uk);
    let much_later = clock(&t, "08:25:00");
    e.predict_all(much_later);
    assert!(e.world(much_later, true).vehicles[0].ahead.is_empty());
}

/// Jammed around the middle of the street since a moment.
fn jammed(t: &Timetable, since: &str, vehicles: &[&str]) -> Vec<Raid> {
    let vehicles = vehicles.iter().map(|v| VehicleId::from(*v)).collect();
    let kind = transit_model::warfare::Warfare::Jamming;
    vec![Raid { kind, since: clock(t, since), lat: 48.85, lon: 37.6 + 1.5 * KM, radius_m: 1000.0, vehicles }]
}

#[test]
fn a_jammed_vehicle_is_carried_on_by_calculation_and_given_up_after_twenty_minutes() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    // It was the first to go deaf: of the episode, which was seen two minutes later, it is part by its place.
    e.set_raids(jammed(&t, "08:07:00", &[]));
    let v = vehicle(&mut e, clock(&t, "08:06:00"));
    assert_eq!(v.held, None, "its fix is young enough for minutes");
    let v = vehicle(&mut e, clock(&t, "08:07:30"));
    let held = v.held.unwrap();
    assert_eq!((held.since, held.until), (clock(&t, "08:05:00"), clock(&t, "08:25:00")));
    let at_c = v.ahead[0];
    assert!((at_c.arrival.secs_since(clock(&t, "08:08:00"))).abs() < 20, "{at_c:?}");

    // It has passed C by calculation; D is where it was said to be, and not put off.
    let v = vehicle(&mut e, clock(&t, "08:10:00"));
    assert_eq!(v.ahead[0].published_arrival, at_c.published_arrival, "a calculated time stands");
    let at_d = v.ahead[1];
    assert!((at_d.arrival.secs_since(clock(&t, "08:12:00"))).abs() < 30, "{at_d:?}");
    assert!(at_d.arrival_p90.0 - at_d.arrival.0 >= at_c.arrival_p90.0 - at_c.arrival.0, "it grows less sure");
    assert!(v.ahead.iter().any(|c| &*t.trips.at(c.on.trip).id == "b1"), "and on into its next trip");
    let w = e.world(clock(&t, "08:10:00"), true);
    assert_eq!(w.progress_of(at_c.on).passed, 2, "nothing that was not seen is over");
    let said: Vec<_> = w.concerns.iter().map(|c| (c.kind.as_str(), c.level)).collect();
    assert_eq!(said, [("held", 3)]);
    assert!(
        w.concerns[0].text_uk.contains("глушать, з 08:05 ведемо за розрахунком, до 08:25"),
        "{}",
        w.concerns[0].text_uk
    );

    let v = vehicle(&mut e, clock(&t, "08:25:01"));
    assert_eq!((v.held, v.ahead.len()), (None, 0));
}

#[test]
fn whoever_hears_again_is_live_again_and_who_is_silent_for_another_reason_is_not_held() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    e.set_raids(jammed(&t, "08:05:30", &["1204"]));
    assert!(vehicle(&mut e, clock(&t, "08:08:00")).held.is_some());
    drive(&mut e, &t, "08:08:30", "08:09:00", [1.9, 2.1], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:09:00"));
    assert_eq!((v.held, v.ahead[0].pos.0), (None, 3), "{:?}", v.ahead[0]);
    // Elsewhere, or silent long before anybody was deaf, or when it is all over.
    e.set_raids(vec![Raid { lat: 48.95, ..jammed(&t, "08:05:30", &[]).remove(0) }]);
    assert_eq!(vehicle(&mut e, clock(&t, "08:11:00")).held, None);
    e.set_raids(jammed(&t, "08:13:00", &[]));
    assert_eq!(vehicle(&mut e, clock(&t, "08:14:00")).held, None);
    e.set_raids(jammed(&t, "08:11:00", &[]));
    assert!(vehicle(&mut e, clock(&t, "08:14:00")).held.is_some());
    e.set_raids(Vec::new());
    assert_eq!(vehicle(&mut e, clock(&t, "08:14:00")).held, None);
}

#[test]
fn a_jammed_vehicle_holds_at_its_terminal_as_any_other_would() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:12:00", [0.0, 3.0], 0.0);
    drive(&mut e, &t, "08:12:00", "08:13:00", [3.0, 3.0], 6.0);
    e.set_raids(jammed(&t, "08:14:00", &["1204"]));
    let v = vehicle(&mut e, clock(&t, "08:18:00"));
    let first = v.ahead.iter().find(|c| &*t.trips.at(c.on.trip).id == "b1").unwrap();
    assert!(v.held.is_some());
    assert!((0..=5).contains(&first.departure.secs_since(clock(&t, "08:20:00"))), "{first:?}");
}

#[test]
fn a_machine_is_placed_and_never_given_a_trip() {
    let t = street();
    let mut e = engine(&t);
    e.set_machinery([VehicleId::from("1204")]);
    drive(&mut e, &t, "08:00:00", "08:06:00", [0.0, 1.5], 0.0);
    let v = vehicle(&mut e, clock(&t, "08:06:00"));
    assert_eq!((v.kind, v.on_trip, v.ahead.len()), (VehicleKind::Machinery, None, 0));
}

#[test]
fn two_vehicles_on_one_trip_are_raised() {
    let t = street();
    let mut e = engine(&t);
    for i in 0..30 {
        for (name, ahead) in [("1", 0.0), ("2", 0.3)] {
            let time = clock(&t, "08:01:00").plus_secs(i * 10);
            let reported = Reported { trip_id: Some("o1".into()), ..Reported::default() };
            let f = Fix {
                vehicle: VehicleId::from(name),
                time,
                received: time,
                reported,
                ..fix(&t, "08:01:00", 0.3 + ahead + i as f64 * 0.04, 0.0)
            };
            e.take(&f).unwrap();
        }
    }
    let kinds: Vec<String> = e.world(clock(&t, "08:06:00"), true).concerns.iter().map(|c| c.kind.clone()).collect();
    assert_eq!(kinds, ["two_on_one_trip"]);
}

proptest! {
    /// Laws of every prediction, whatever a vehicle does on its street.
    #[test]
    fn predictions_are_monotone_ordered_and_never_past(
        moves in prop::collection::vec((5i64..90, -0.02f64..0.25, -60.0f64..60.0), 5..60)
    ) {
        let t = street();
        let mut e = engine(&t);
        let mut time = clock(&t, "08:00:00");
        let mut km = 0.0f64;
        let mut passed = FxHashMap::default();
        for (dt, step, north) in moves {
            time = time.plus_secs(dt);
            km = (km + step).clamp(-0.2, 3.2);
            let f = Fix { time, received: time, ..fix(&t, "08:00:00", km, north) };
            let _may_be_ignored = e.take(&f);
            e.predict_all(time);
            let w = e.world(time, true);
            for (on, p) in w.progress.iter() {
                let before = passed.insert(*on, p.passed).unwrap_or(0);
                prop_assert!(p.passed >= before, "a call that was over came back");
            }
            for v in w.vehicles.iter() {
                let mut last: Option<crate::world::CallPrediction> = None;
                for c in v.ahead.iter() {
                    prop_assert!(c.arrival >= time && c.departure >= c.arrival);
                    prop_assert!(c.arrival_p10 <= c.arrival && c.arrival <= c.arrival_p90);
                    prop_assert!(c.published_departure >= c.published_arrival);
                    if let Some(l) = last {
                        prop_assert!(c.arrival > l.arrival, "{l:?} {c:?}");
                        prop_assert!((c.on, c.pos) != (l.on, l.pos));
                    }
                    last = Some(*c);
                }
            }
        }
    }
}

#[test]
fn vehicles_that_wait_at_timepoints_teach_that_the_next_one_will() {
    let t = street();
    let mut e = engine(&t);
    let mut learner = Holding::default();
    assert_eq!(learner.leaves_at(), None);
    for _ in 0..60 {
        learner.learn(true, -10.0);
    }
    e.model_mut().holding = learner;
    // Two minutes early at B: it is predicted to stand there until its time, and at C four minutes later.
    drive(&mut e, &t, "08:00:00", "08:02:00", [0.0, 1.0], 0.0);
    let now = clock(&t, "08:02:10");
    drive(&mut e, &t, "08:02:00", "08:02:10", [1.0, 1.0], 0.0);
    let v = vehicle(&mut e, now);
    let left = v.ahead[0].departure.secs_since(clock(&t, "08:04:00"));
    assert!((-15..=0).contains(&left), "{left}");
    assert!(v.ahead[1].arrival > clock(&t, "08:07:00"));
    // Where early vehicles do not wait, it is gone in a moment.
    for _ in 0..200 {
        e.model_mut().holding.learn(false, -100.0);
    }
    let v = vehicle(&mut e, now);
    assert!(v.ahead[0].departure < clock(&t, "08:02:40"));
}
