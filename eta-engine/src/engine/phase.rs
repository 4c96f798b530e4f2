//! What a vehicle is doing: one of the phases, from what its track holds and how it stands or moves.
//! Not here: which trip it is on.

use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::habits::KEPT_AFTER;
use super::vehicle::VehicleState;
use crate::learning::yards::Yards;
use crate::matching::cost::SPAWN_WITHIN;
use crate::matching::network::Network;
use crate::matching::track::{ALIGHTING, OFF_ROUTE_AFTER};

/// What surrounds a vehicle, as far as its phase goes.
pub(super) struct Place<'a> {
    /// The timetable.
    pub(super) t: &'a Timetable,
    /// Its lines by place.
    pub(super) network: &'a Network,
    /// Where vehicles are kept.
    pub(super) yards: &'a Yards,
    /// Its sign says that it is not in service.
    pub(super) idle_sign: bool,
}

/// So long before the last stop, or on a trip that is over, a vehicle that stands has its layover, seconds.
const LAYOVER_AFTER: i64 = 120;
/// Within so many metres of it: vehicles queue for the turn.
const QUEUE: f32 = 250.0;
/// Who still moves past the last stop is on its way to where it waits, for so long, seconds.
const TURNING: i64 = 100;

/// The phase of a vehicle.
pub(super) fn of(v: &VehicleState, now: UnixMs, place: &Place<'_>) -> Phase {
    if v.health.is_bad() {
        return Phase::Unknown;
    }
    let stood = v.standing_since.map_or(0, |since| now.secs_since(since));
    let standing = v.standing_since.is_some();
    let idle_sign = place.idle_sign || v.track.is_denied(place.t);
    let Some(h) = v.track.chosen() else { return without_trip(v, stood, idle_sign, place) };
    let astray = h.misses >= OFF_ROUTE_AFTER;
    match h.ended {
        Some(_) if astray && idle_sign && v.at.is_some_and(|at| place.yards.has(at)) => Phase::AtBase,
        Some(_) if astray && !standing => Phase::Deadhead,
        Some(ended) if now.secs_since(ended) < if standing { ALIGHTING } else { TURNING } => Phase::InProgress,
        Some(_) if idle_sign && !standing => Phase::Deadhead,
        Some(_) => Phase::Layover,
        None if !h.started && (astray || h.off > 300.0) => Phase::Deadhead,
        None if !h.started => Phase::Layover,
        None if astray => Phase::OffRoute,
        None if stood >= LAYOVER_AFTER && h.left(place.t) <= QUEUE => Phase::Layover,
        None => Phase::InProgress,
    }
}

/// What a vehicle on no trip does.
fn without_trip(v: &VehicleState, stood: i64, idle_sign: bool, place: &Place<'_>) -> Phase {
    let Some(at) = v.at.filter(|_| v.kind == VehicleKind::Transit) else { return Phase::Unknown };
    let standing = v.standing_since.is_some();
    if standing && v.phase == Phase::AtBase {
        return Phase::AtBase;
    }
    let on_a_line = place.network.passes(place.t, at, SPAWN_WITHIN);
    match (on_a_line, standing) {
        (false, _) if place.yards.has(at) => Phase::AtBase,
        // Whoever has not driven yet is where it is kept; whoever has may only be waiting.
        (false, true) if !v.drove || stood >= KEPT_AFTER => Phase::AtBase,
        (false, _) => Phase::Deadhead,
        (true, true) if stood >= KEPT_AFTER && !place.network.has_stop(at, 40.0) => Phase::AtBase,
        (true, _) if idle_sign || v.track.is_from_base() => Phase::Deadhead,
        (true, _) => Phase::Unknown,
    }
}
