//! What a fleet's signs say, learned as it runs; and what a vehicle's trip is explained by.

use super::*;
use crate::explain;
use crate::matching::explain::Why;

fn shown(e: &mut Engine, t: &Timetable, who: &str, sign: Option<&str>, span: [&str; 2], km: [f64; 2], north: f64) {
    let (a, b) = (clock(t, span[0]), clock(t, span[1]));
    let steps = b.secs_since(a) / 10;
    for i in 1..=steps {
        let time = a.plus_secs(i * 10);
        let km = (km[1] - km[0]).mul_add(i as f64 / steps as f64, km[0]);
        let reported = Reported { sign: sign.map(Into::into), ..Reported::default() };
        let wobble = if i % 2 == 0 { 1.0 } else { -1.0 };
        let f = Fix {
            vehicle: VehicleId::from(who),
            time,
            received: time,
            reported,
            ..fix(t, span[0], km, north + wobble)
        };
        let _may_be_ignored = e.take(&f);
    }
}

fn on(e: &Engine, t: &Timetable, who: &str) -> (Option<String>, Phase) {
    let v = e.vehicle(&VehicleId::from(who)).unwrap();
    (v.track.chosen().map(|h| t.trips.at(h.on.trip).id.to_string()), v.phase)
}

/// A bus has stood in its yard with `12` on its sign, another has run out with 100 and back with 200.
fn morning(t: &Arc<Timetable>) -> Engine {
    let mut e = engine(t);
    shown(&mut e, t, "2", Some("12"), ["07:40:00", "07:55:00"], [1.0, 1.0], 400.0);
    shown(&mut e, t, "1", Some("100"), ["07:58:00", "08:00:00"], [0.0, 0.0], 0.0);
    shown(&mut e, t, "1", Some("100"), ["08:00:00", "08:12:00"], [0.0, 3.0], 0.0);
    shown(&mut e, t, "1", Some("200"), ["08:12:00", "08:20:00"], [3.0, 3.0], 8.0);
    shown(&mut e, t, "1", Some("200"), ["08:20:00", "08:32:00"], [3.0, 0.0], 8.0);
    assert_eq!(on(&e, t, "2"), (None, Phase::AtBase));
    e
}

#[test]
fn a_bus_whose_sign_says_it_is_not_in_service_is_not_taken_for_one_that_is() {
    let t = street();
    for (sign, expected) in [
        (Some("12"), (None, Phase::Deadhead)),
        (Some("100"), (Some("o9".to_owned()), Phase::InProgress)),
        (Some("0000"), (Some("o9".to_owned()), Phase::InProgress)),
        (None, (Some("o9".to_owned()), Phase::InProgress)),
    ] {
        let mut e = morning(&t);
        shown(&mut e, &t, "3", sign, ["09:58:00", "10:00:00"], [0.0, 0.0], 0.0);
        shown(&mut e, &t, "3", sign, ["10:00:00", "10:06:00"], [0.0, 1.5], 0.0);
        assert_eq!(on(&e, &t, "3"), expected, "{sign:?}");
    }
}

#[test]
fn a_trip_is_given_up_when_the_sign_is_changed_to_not_in_service() {
    let t = street();
    let mut e = morning(&t);
    shown(&mut e, &t, "3", Some("100"), ["09:58:00", "10:00:00"], [0.0, 0.0], 0.0);
    shown(&mut e, &t, "3", Some("100"), ["10:00:00", "10:05:00"], [0.0, 1.25], 0.0);
    assert_eq!(on(&e, &t, "3").0.as_deref(), Some("o9"));
    shown(&mut e, &t, "3", Some("12"), ["10:05:00", "10:05:30"], [1.25, 1.37], 0.0);
    assert_eq!(on(&e, &t, "3").0.as_deref(), Some("o9"), "for a moment it may be a mistake");
    shown(&mut e, &t, "3", Some("12"), ["10:05:30", "10:07:00"], [1.37, 1.75], 0.0);
    assert_eq!(on(&e, &t, "3"), (None, Phase::Deadhead));
}

#[test]
fn a_trip_is_explained_part_by_part() {
    let t = street();
    let mut e = morning(&t);
    shown(&mut e, &t, "3", Some("100"), ["09:58:00", "10:00:00"], [0.0, 0.0], 0.0);
    shown(&mut e, &t, "3", Some("100"), ["10:00:00", "10:05:00"], [0.0, 1.25], 0.0);
    let x = e.explain(&VehicleId::from("3")).unwrap();
    let held = x.candidates.iter().find(|c| c.chosen).unwrap();
    assert_eq!((held.trip_id.as_str(), held.state.as_str(), held.starts.as_str()), ("o9", "running", "10:00"));
    assert_eq!(held.why_not, None);
    assert!((held.total - held.parts.total()).abs() < 1e-4);
    assert!(x.candidates.iter().filter(|c| !c.chosen).all(|c| c.why_not.is_some()));
    assert!(x.says.sign_out_of_service.unwrap() < 0.0);
    let last = x.changes.last().unwrap();
    assert_eq!((last.to.as_deref(), last.why), (Some("o9"), Why::Best));
    let text = explain::text(&x);
    for said in ["vehicle 3 at 2026-05-06T10:05:00", "it says: sign 100", "* o9", "o9 of route 1", "none → o9"] {
        assert!(text.contains(said), "{said} in\n{text}");
    }
    let json = serde_json::to_string(&x).unwrap();
    assert_eq!(serde_json::from_str::<explain::Explanation>(&json).unwrap().verdict, x.verdict);
    assert!(e.explain(&VehicleId::from("nobody")).is_none());
}
