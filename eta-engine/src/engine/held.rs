//! Vehicles whose receivers are jammed or spoofed: who is held, and for how long.
//!
//! What a held vehicle is promised is the predictor's own chain from its last true fix (`predict.rs`, asked as of
//! that moment): links, dwells, timepoints and terminals as learned, with a spread that grows with the lead. Not
//! here: how an episode is seen (ingest's gate), nor what a board says of it (board rule 15).

use rustc_hash::FxHashMap;
use transit_model::ids::VehicleId;
use transit_model::plane::haversine;
use transit_model::time::UnixMs;
use transit_model::warfare::{Raid, Warfare};

use super::vehicle::VehicleState;
use crate::world::Held;

/// A vehicle is held once its fix is too old for minutes (board rule 3), seconds.
pub const HELD_AFTER: i64 = 90;
/// And so long after that fix it is given up to the timetable, seconds: `docs/eta.md` has the figures.
pub const HELD_FOR: i64 = 20 * 60;
/// A vehicle of a jammed area that fell silent so long before anybody was seen to be deaf may have been the first
/// to be deaf, seconds. Whoever was silent before that has another trouble.
const FIRST_TO_GO: i64 = 180;

/// The episodes that last.
#[derive(Clone, Debug, Default)]
pub(super) struct Sky {
    raids: Vec<Raid>,
    affected: FxHashMap<VehicleId, Warfare>,
}

impl Sky {
    pub(super) fn of(raids: Vec<Raid>) -> Self {
        let each = raids.iter().flat_map(|r| r.vehicles.iter().map(|v| (v.clone(), r.kind)));
        Self { affected: each.collect(), raids }
    }

    /// Whether a vehicle is held at a moment.
    pub(super) fn holds(&self, v: &VehicleState, now: UnixMs) -> Option<Held> {
        if self.raids.is_empty() {
            return None;
        }
        let last = v.last.as_ref()?;
        let silent = now.secs_since(last.time);
        if silent <= HELD_AFTER || silent > HELD_FOR {
            return None;
        }
        let in_area = |r: &&Raid| {
            last.time >= r.since.plus_secs(-FIRST_TO_GO) && haversine(r.lat, r.lon, last.lat, last.lon) < r.radius_m
        };
        let by = self.affected.get(&v.id).copied().or_else(|| self.raids.iter().find(in_area).map(|r| r.kind))?;
        Some(Held { by, since: last.time, until: last.time.plus_secs(HELD_FOR) })
    }
}
