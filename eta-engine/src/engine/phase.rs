//! What a vehicle is doing, read off its track and its standing.

use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::vehicle::VehicleState;
use crate::matching::cost::SPAWN_WITHIN;
use crate::matching::network::Network;
use crate::matching::track::{ALIGHTING, NEAR_END, OFF_ROUTE_AFTER};

/// So long before the last stop, or on a trip that is over, a vehicle that stands has its layover, seconds.
const LAYOVER_AFTER: i64 = 120;
/// Standing so long away from every line is more than traffic, seconds.
const TRAFFIC: i64 = 300;
/// A vehicle that stands on a line, with no trip, is there for good after so long, seconds.
const BASE_AFTER: i64 = 1200;

/// The phase a track is in.
pub(super) fn phase_of(v: &VehicleState, now: UnixMs, t: &Timetable, network: &Network) -> Phase {
    let stood = v.standing_since.map_or(0, |since| now.secs_since(since));
    let standing = v.standing_since.is_some();
    let Some(h) = v.track.chosen() else { return phase_without_trip(v, stood, t, network) };
    let astray = h.misses >= OFF_ROUTE_AFTER;
    match h.ended {
        Some(_) if astray && !standing => Phase::Deadhead,
        Some(ended) if now.secs_since(ended) < ALIGHTING => Phase::InProgress,
        Some(_) => Phase::Layover,
        None if !h.started && (astray || h.off > 300.0) => Phase::Deadhead,
        None if !h.started => Phase::Layover,
        None if astray => Phase::OffRoute,
        None if stood >= LAYOVER_AFTER && h.left(t) <= NEAR_END => Phase::Layover,
        None => Phase::InProgress,
    }
}

/// What a vehicle on no trip does.
fn phase_without_trip(v: &VehicleState, stood: i64, t: &Timetable, network: &Network) -> Phase {
    let Some(at) = v.at.filter(|_| v.kind == VehicleKind::Transit) else { return Phase::Unknown };
    let standing = v.standing_since.is_some();
    if standing && v.phase == Phase::AtBase {
        return Phase::AtBase;
    }
    let on_a_line = network.passes(t, at, SPAWN_WITHIN);
    match (on_a_line, standing) {
        (false, true) if v.phase == Phase::Deadhead && stood < TRAFFIC => Phase::Deadhead,
        (false, true) => Phase::AtBase,
        (false, false) => Phase::Deadhead,
        (true, true) if stood >= BASE_AFTER && !network.has_stop(at, 40.0) => Phase::AtBase,
        (true, _) => Phase::Unknown,
    }
}
