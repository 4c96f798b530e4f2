//! Bad input that no single fix gives away: each ends in a named state, raised, with no prediction
//! made from it, and goes by itself.

use super::*;
use crate::engine::health::TroubleKind;

/// One report: who, when, how many km from A, metres north of the street, m/s, seconds until it is received.
struct Heard<'a>(&'a str, UnixMs, f64, f64, Option<f32>, i64);

fn hear(e: &mut Engine, t: &Timetable, h: &Heard<'_>) -> Result<(), Ignored> {
    let f = Fix {
        vehicle: VehicleId::from(h.0),
        time: h.1,
        received: h.1.plus_secs(h.5),
        speed: h.4,
        ..fix(t, "00:00:00", h.2, h.3)
    };
    e.take(&f).map(|_| ())
}

/// What a vehicle is said to be in: the trouble, whether it is on a trip or predicted, what is raised.
fn state(e: &mut Engine, now: UnixMs, who: &str) -> (Option<TroubleKind>, bool, Vec<String>) {
    e.predict_all(now);
    let world = e.world(now, true);
    let v = world.vehicles.iter().find(|v| v.id.as_str() == who).unwrap();
    let raised = world.concerns.iter().filter(|c| c.vehicle_id.as_deref() == Some(who)).map(|c| c.kind.clone());
    (v.trouble.as_ref().map(|t| t.kind), v.on_trip.is_some() || !v.ahead.is_empty(), raised.collect())
}

fn is(kind: TroubleKind) -> (Option<TroubleKind>, bool, Vec<String>) {
    (Some(kind), false, vec![kind.name().to_owned()])
}

const WELL: (Option<TroubleKind>, bool, Vec<String>) = (None, true, Vec::new());

#[test]
fn positions_in_another_country() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    let at = |s: i64| clock(&t, "08:05:00").plus_secs(s);
    for i in 1..6 {
        let _leaps_at_first = hear(&mut e, &t, &Heard("1204", at(i * 10), 400.0 + i as f64 * 0.01, 0.0, None, 0));
    }
    assert_eq!(state(&mut e, at(60), "1204"), is(TroubleKind::Elsewhere));
    drive(&mut e, &t, "08:06:00", "08:09:00", [1.4, 2.2], 0.0);
    assert_eq!(state(&mut e, clock(&t, "08:09:00"), "1204"), WELL);
}

#[test]
fn a_frozen_receiver() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:05:00", [0.0, 1.25], 0.0);
    let at = |s: i64| clock(&t, "08:05:00").plus_secs(s);
    let said: Vec<_> = (1..9).map(|i| hear(&mut e, &t, &Heard("1204", at(i * 10), 1.3, 0.0, Some(8.0), 0))).collect();
    assert_eq!(said[1], Ok(()), "twice the same is chance");
    assert_eq!(said[4], Err(Ignored::Frozen));
    let (kind, _, raised) = state(&mut e, at(90), "1204");
    assert_eq!((kind, raised), (Some(TroubleKind::Frozen), vec!["frozen".to_owned()]));
    assert!(e.counts().frozen >= 4);
    drive(&mut e, &t, "08:07:00", "08:09:00", [1.7, 2.2], 0.0);
    assert_eq!(state(&mut e, clock(&t, "08:09:00"), "1204"), WELL);
}

#[test]
fn one_identity_in_two_trackers() {
    let t = street();
    let mut e = engine(&t);
    drive(&mut e, &t, "08:00:00", "08:02:00", [0.0, 0.5], 0.0);
    let at = |s: i64| clock(&t, "08:02:00").plus_secs(s);
    for i in 1..20 {
        let km = if i % 2 == 0 { 0.5 + i as f64 * 0.04 } else { 9.0 };
        let _may_leap = hear(&mut e, &t, &Heard("1204", at(i * 10), km, 0.0, None, 0));
    }
    assert_eq!(state(&mut e, at(200), "1204"), is(TroubleKind::TwoPlaces));
}

#[test]
fn a_clock_an_hour_off_and_a_backlog_that_is_not() {
    let t = street();
    for (name, lag, expected) in [
        ("clock", &(|_: i64| 3600_i64) as &dyn Fn(i64) -> i64, Some(TroubleKind::ClockOff)),
        ("backlog", &|i| 3600 - i * 9, None),
    ] {
        let mut e = engine(&t);
        for i in 0..60 {
            let time = clock(&t, "08:00:00").plus_secs(i * 10);
            let _may_be_ignored = hear(&mut e, &t, &Heard("1204", time, i as f64 * 0.04, 0.0, None, lag(i)));
        }
        let (kind, on_trip, _) = state(&mut e, clock(&t, "08:10:00"), "1204");
        assert_eq!((kind, on_trip), (expected, expected.is_none()), "{name}");
    }
}

#[test]
fn a_vehicle_that_stands_for_a_day() {
    let t = street();
    let mut e = engine(&t);
    for i in 0..140 {
        let time = clock(&t, "00:00:00").plus_secs(i * 600);
        hear(&mut e, &t, &Heard("1204", time, 0.0, (i % 7) as f64 * 5.0, None, 0)).unwrap();
    }
    assert_eq!(state(&mut e, clock(&t, "23:10:00"), "1204"), is(TroubleKind::Stands));
}

#[test]
fn a_tracker_moved_to_another_vehicle() {
    let t = street();
    let mut e = engine(&t);
    for i in 0..200 {
        let time = clock(&t, "06:00:00").plus_secs(i * 10);
        hear(&mut e, &t, &Heard("1204", time, 1.0, 500.0 + (i % 2) as f64, None, 0)).unwrap();
    }
    drive(&mut e, &t, "08:00:00", "08:05:00", [8.0, 8.0], 0.0);
    assert_eq!(state(&mut e, clock(&t, "08:05:00"), "1204"), is(TroubleKind::Moved));
}

#[test]
fn two_trackers_in_one_vehicle() {
    let t = street();
    let mut e = engine(&t);
    for (i, second) in (0..36 * 60).step_by(10).enumerate() {
        let time = clock(&t, "08:00:00").plus_secs(second);
        let way = second as f64 / 720.0 * 3.0;
        let km = if way < 3.0 {
            way
        } else if way < 6.0 {
            6.0 - way
        } else {
            way - 6.0
        };
        for (who, off) in [("1204", 0.0), ("spare", 0.006)] {
            hear(&mut e, &t, &Heard(who, time, km + off, (i % 2) as f64, None, 0)).unwrap();
        }
    }
    let now = clock(&t, "08:35:50");
    let (a, b) = (state(&mut e, now, "1204"), state(&mut e, now, "spare"));
    let set_aside = [&a, &b].into_iter().filter(|s| s.0 == Some(TroubleKind::Together)).collect::<Vec<_>>();
    assert_eq!(set_aside.len(), 1, "{a:?} {b:?}");
    assert_eq!(*set_aside[0], is(TroubleKind::Together));
}

#[test]
fn a_named_trip_that_cannot_be_true_is_inferred_instead_and_believed_again_when_another_is_named() {
    let t = street();
    let mut e = engine(&t);
    let said = |e: &mut Engine, from: &str, to: &str, km: [f64; 2], trip: &str| {
        let (a, b) = (clock(&t, from), clock(&t, to));
        let steps = b.secs_since(a) / 10;
        for i in 1..=steps {
            let time = a.plus_secs(i * 10);
            let km = (km[1] - km[0]).mul_add(i as f64 / steps as f64, km[0]);
            let reported = Reported { trip_id: Some(trip.into()), ..Reported::default() };
            let f = Fix { time, received: time, reported, ..fix(&t, from, km, if i % 2 == 0 { 4.0 } else { 6.0 }) };
            e.take(&f).unwrap();
        }
    };
    said(&mut e, "08:00:00", "08:12:00", [0.0, 3.0], "o1");
    assert_eq!(state(&mut e, clock(&t, "08:12:00"), "1204"), WELL);
    // It stays stuck on the trip out while it comes back.
    said(&mut e, "08:20:00", "08:31:30", [3.0, 0.15], "o1");
    let now = clock(&t, "08:31:30");
    let (kind, on_trip, raised) = state(&mut e, now, "1204");
    assert_eq!((kind, on_trip), (Some(TroubleKind::TripContradicted), true));
    assert_eq!(raised, ["trip_contradicted"]);
    assert_eq!(trip_of(&t, &vehicle(&mut e, now)).as_deref(), Some("b1"));
    said(&mut e, "08:40:00", "08:45:00", [0.0, 1.2], "o2");
    let now = clock(&t, "08:45:00");
    assert_eq!(state(&mut e, now, "1204"), WELL);
    assert_eq!(trip_of(&t, &vehicle(&mut e, now)).as_deref(), Some("o2"));
}
