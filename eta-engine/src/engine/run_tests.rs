//! When a vehicle came to its stops and left them, from the places it was seen at: the street of `tests.rs`.

use transit_model::ids::LinkIdx;

use super::run::{Passed, Run, Step};
use super::tests::{clock, street};
use super::*;

/// A run of the first trip, seen at these times and metres past A.
fn seen(model: &Model, silent: bool, places: &[(&str, f32)]) -> (Arc<Timetable>, Vec<Passed>) {
    let t = street();
    let on = TripDay { trip: t.trip_by_id("o1").unwrap(), date: "20260506".parse().unwrap() };
    let pattern = t.pattern_of(on.trip);
    let first = pattern.calls.first().unwrap().along;
    let mut run = Run::begin(on, 0, pattern, clock(&t, places[0].0), first + places[0].1, true);
    let mut out = Vec::new();
    for (at, metres) in &places[1..] {
        let step = Step { now: clock(&t, at), along: first + metres, speed: 10.0, silent_when_standing: silent };
        run.advance(&t, model, step, &mut out);
    }
    (t, out)
}

fn arrivals(out: &[Passed]) -> Vec<UnixMs> {
    out.iter().filter_map(|p| if let Passed::Arrival { at, .. } = p { Some(*at) } else { None }).collect()
}

fn near(at: UnixMs, t: &Timetable, hms: &str) -> bool {
    at.secs_since(clock(t, hms)).abs() <= 2
}

/// Silent between the platform and the open line, a train stood at the platform.
#[test]
fn time_that_driving_does_not_explain_was_spent_at_the_stop() {
    let (t, out) = seen(&Model::default(), true, &[("08:01:00", 500.0), ("08:01:20", 700.0), ("08:03:00", 1300.0)]);
    // 300 m at 10 m/s and the last 12 m before the pole not driven; then 300 m more: 40 s of standing are left.
    let at = arrivals(&out);
    assert_eq!(at.len(), 1);
    assert!(near(at[0], &t, "08:01:48"), "{:?}", at[0]);
    let dwell = out.iter().find_map(|p| if let Passed::Dwell { seconds, .. } = p { Some(*seconds) } else { None });
    assert!((30.0..45.0).contains(&dwell.unwrap()), "{dwell:?}");
}

#[test]
fn a_stop_is_reached_where_vehicles_halt_and_not_where_its_pole_is() {
    let places =
        [("08:01:00", 500.0), ("08:01:40", 958.0), ("08:02:30", 958.0), ("08:02:40", 1100.0), ("08:03:00", 1300.0)];
    let mut model = Model::default();
    let (t, out) = seen(&model, false, &places);
    assert!(near(arrivals(&out)[0], &t, "08:02:33"), "nothing is known: it comes 12 m before the pole");
    let halt =
        out.iter().find_map(|p| if let Passed::Halt { into, offset } = p { Some((*into, *offset)) } else { None });
    let (into, offset) = halt.unwrap();
    assert_eq!((into, offset.round()), (t.pattern_of(t.trip_by_id("o1").unwrap()).links[0], -42.0));
    for _ in 0..10 {
        model.halts.learn(key(&t, into), offset);
    }
    let (t, out) = seen(&model, false, &places);
    assert!(near(arrivals(&out)[0], &t, "08:01:40"), "{:?}", arrivals(&out));
}

fn key(t: &Timetable, link: LinkIdx) -> transit_model::timetable::LinkKey {
    t.links.get(link).unwrap().key
}

/// Due at B at 08:04; an early vehicle that stays as long as any other and goes on early has not waited.
#[test]
fn an_early_vehicle_that_only_dwells_has_not_waited_for_the_timetable() {
    let early = |left: &str, further: &str| {
        let places = [("08:00:30", 300.0), ("08:01:30", 990.0), (left, 1000.0), (further, 1200.0)];
        let (_, out) = seen(&Model::default(), false, &places);
        out.iter().find_map(|p| if let Passed::Early { held, .. } = p { Some(*held) } else { None }).unwrap()
    };
    assert!(!early("08:02:10", "08:02:30"), "forty seconds, and off");
    assert!(early("08:04:00", "08:04:20"), "it stood until its time");
}
