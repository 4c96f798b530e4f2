//! `GET /v1/vehicles/{id}/trip-context?at=`: what an e-ticket validator asks when somebody taps:
//! which trip is this vehicle on, or which was it on when the tap was made. Says `unknown` with a
//! reason rather than guess.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use transit_model::dispatch::{Phase, VehicleTrip};
use transit_model::ids::StopPos;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::app::App;
use super::dispatch_view::{previous_stop, vehicle_trip};
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated};
use crate::auth::Role;
use crate::world::{OnTrip, Vehicle, World};

/// Beyond this age of its last fix a vehicle's trip is not known, milliseconds.
const SILENT_MS: i64 = 180_000;
/// A tap between two spans of one vehicle is counted to the nearer one up to this far, milliseconds.
const GAP_MS: i64 = 120_000;
/// How far back taps may be asked about.
const BACK_MS: i64 = 24 * 3_600_000;
/// How far a validator's clock may run ahead.
const AHEAD_MS: i64 = 60_000;
/// Within this distance of a stop a vehicle stands at it, metres.
const AT_STOP_M: f32 = 35.0;

/// Why the trip is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is heard, and on no trip.
    OnNoTrip,
    /// It has not been heard for three minutes.
    Silent,
    /// Nothing is kept of that moment.
    NotKept,
}

/// The answer.
#[derive(PartialEq, Debug, Serialize)]
pub struct TripContext {
    /// Whose.
    pub vehicle_id: String,
    /// Of which moment.
    pub at: String,
    /// Whether the trip is known.
    pub known: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unknown>,
    /// The trip, when it is known.
    pub trip: Option<VehicleTrip>,
    /// The stop it stands at; absent for a past moment.
    pub stop_now: Option<StopRef>,
    /// The last stop it passed; absent for a past moment.
    pub stop_previous: Option<StopRef>,
    /// Its next stop; absent for a past moment.
    pub stop_next: Option<StopRef>,
    /// What it is doing; absent for a past moment.
    pub phase: Option<Phase>,
    /// How sure that is, 0..=1; absent for a past moment.
    pub confidence: Option<f32>,
    /// When its last fix was made.
    pub fix_time: UnixMs,
    /// How old that is, seconds.
    pub fix_age_s: i64,
}

/// A stop on the trip.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct StopRef {
    id: String,
    name: String,
    stop_sequence: u32,
}

/// What is known of a vehicle's trip at `at`, or at `now` without it. Pure.
#[must_use]
pub fn context(world: &World, v: &Vehicle, at: Option<UnixMs>, now: UnixMs) -> TripContext {
    let t = &*world.timetable;
    let found = match at {
        None => present(v, now),
        Some(at) => past(v, at),
    };
    let place = v.on_trip.as_ref().filter(|_| at.is_none() && found.is_ok());
    let at_call = |pos: Option<StopPos>| place.zip(pos).and_then(|(p, pos)| stop_ref(t, p, pos));
    TripContext {
        vehicle_id: v.id.to_string(),
        at: at.unwrap_or(now).rfc3339(&t.zone),
        known: found.is_ok(),
        reason: found.err(),
        trip: found.ok().map(|on| vehicle_trip(t, on)),
        stop_now: at_call(place.and_then(|p| standing_at(t, p))),
        stop_previous: at_call(place.and_then(|p| previous_stop(t, p))),
        stop_next: at_call(place.map(|p| p.next)),
        phase: at.is_none().then_some(v.phase),
        confidence: at.is_none().then_some(v.confidence),
        fix_time: v.fix_time,
        fix_age_s: now.secs_since(v.fix_time).max(0),
    }
}

fn present(v: &Vehicle, now: UnixMs) -> Result<crate::world::TripDay, Unknown> {
    if now.0 - v.fix_time.0 > SILENT_MS {
        return Err(Unknown::Silent);
    }
    v.on_trip.as_ref().map(|p| p.on).ok_or(Unknown::OnNoTrip)
}

fn past(v: &Vehicle, at: UnixMs) -> Result<crate::world::TripDay, Unknown> {
    let away = |s: &&crate::world::TripSpan| (s.from.0 - at.0).max(at.0 - s.to.0).max(0);
    let nearest = v.history.iter().min_by_key(away).filter(|s| away(s) <= GAP_MS);
    nearest.ok_or(Unknown::NotKept)?.on.ok_or(Unknown::OnNoTrip)
}

fn standing_at(t: &Timetable, p: &OnTrip) -> Option<StopPos> {
    let calls = &t.pattern_of(p.on.trip).calls;
    let around = [previous_stop(t, p), Some(p.next)].into_iter().flatten();
    around.into_iter().find(|pos| calls.get(pos.at()).is_some_and(|c| (c.along - p.along).abs() <= AT_STOP_M))
}

fn stop_ref(t: &Timetable, p: &OnTrip, pos: StopPos) -> Option<StopRef> {
    let call = t.pattern_of(p.on.trip).call(pos)?;
    let s = t.stops.at(call.stop);
    Some(StopRef { id: s.id.to_string(), name: s.name.to_string(), stop_sequence: call.seq.0 })
}

pub(super) fn moment(v: &str) -> Option<UnixMs> {
    if let Ok(secs) = v.parse::<i64>() {
        return Some(UnixMs::from_secs(secs));
    }
    v.parse::<Timestamp>().ok().map(|t| UnixMs(t.as_millisecond()))
}

/// The handler.
pub async fn one(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["at"])?;
    let now = app.clock.now();
    let allowed = "a moment of the last 24 hours, RFC 3339 with offset or unix seconds";
    let within = |t: &UnixMs| (now.0 - BACK_MS..=now.0 + AHEAD_MS).contains(&t.0);
    let at = params.read("at", allowed, |v| moment(v).filter(within))?;
    // Validators are not the public: whoever shows a token is told what there is.
    let world = match app.clear(&headers, &[Role::Validator, Role::Dispatcher]) {
        Ok(cleared) => app.whole(&cleared),
        Err(_) if app.is_public(&id) => app.world(),
        Err(_) => return Err(Problem::withheld()),
    };
    let vehicle = world.vehicle(&id).ok_or_else(|| Problem::unknown(Thing::Vehicle, &id))?;
    // A tap made since the last fix is a tap made now.
    let at = at.filter(|at| at.0 < vehicle.fix_time.0);
    dated(&world, &headers, Keep::Live, context(&world, vehicle, at, now))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::board::fixture::{at, timetable, trip, vehicle, world};
    use crate::world::TripSpan;

    fn seen() -> (World, UnixMs) {
        let t = timetable();
        let now = at(&t, "14:05:00");
        let w = world(&t, now).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 95, now.plus_secs(-8))]);
        (w, now)
    }

    #[test]
    fn a_tap_now_is_on_the_trip_the_vehicle_is_on() {
        let (w, now) = seen();
        let c = context(&w, &w.vehicles[0], None, now);
        assert!(c.known);
        let trip = c.trip.unwrap();
        assert_eq!(
            (trip.trip_id.as_str(), trip.route.as_str(), trip.block_id.as_deref()),
            ("t2-1400", "2", Some("b0"))
        );
        assert_eq!(c.stop_previous.map(|s| s.id), Some("A".to_owned()));
        assert_eq!(c.stop_next.map(|s| (s.id, s.stop_sequence)), Some(("B".to_owned(), 2)));
        assert_eq!(c.stop_now, None, "100 m on its way");
        assert_eq!(c.fix_age_s, 8);
    }

    #[test]
    fn a_vehicle_that_is_not_heard_is_not_guessed_at() {
        let (w, now) = seen();
        let c = context(&w, &w.vehicles[0], None, now.plus_secs(200));
        assert_eq!((c.known, c.reason, c.trip, c.stop_next), (false, Some(Unknown::Silent), None, None));
    }

    #[test]
    fn a_tap_in_the_past_is_on_the_trip_of_then() {
        let (mut w, now) = seen();
        let t = Arc::clone(&w.timetable);
        let mut v = (*w.vehicles[0]).clone();
        let span = |on, from: i64, to: i64| TripSpan { on, from: now.plus_secs(from), to: now.plus_secs(to) };
        v.history = Arc::from([
            span(Some(trip(&t, "t2-1350")), -3600, -2000),
            span(None, -1500, -1000),
            span(Some(trip(&t, "t2-1400")), -600, -8),
        ]);
        w = w.with_vehicles(vec![v]);
        let at = |s: i64| {
            let c = context(&w, &w.vehicles[0], Some(now.plus_secs(s)), now);
            c.trip.map(|t| t.trip_id).ok_or_else(|| c.reason.unwrap())
        };
        assert_eq!(at(-2500), Ok("t2-1350".to_owned()));
        assert_eq!(at(-1900), Ok("t2-1350".to_owned()), "a little after its last fix there");
        assert_eq!(at(-1200), Err(Unknown::OnNoTrip));
        assert_eq!(at(-1750), Err(Unknown::NotKept), "between two spans, far from both");
        assert_eq!(at(-9000), Err(Unknown::NotKept));
        assert_eq!(at(-300), Ok("t2-1400".to_owned()));
    }
}
