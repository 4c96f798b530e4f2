//! Who runs a trip: one vehicle at a time, the one that it would cost more to give it up.

use rustc_hash::FxHashMap;
use transit_model::time::{ServiceDate, UnixMs};

use crate::matching::cost::CLAIMED_BY_NAME;
use crate::world::TripDay;

/// A trip is another vehicle's while that vehicle was seen on it within this many seconds.
const CLAIM_SECONDS: i64 = 600;
/// And for so long where that vehicle has named it: a trip is run once.
const NAMED_SECONDS: i64 = 3 * 3600;

/// Who runs a trip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The vehicle, by its place in the engine.
    pub(super) by: usize,
    /// When it was last seen on it.
    pub(super) seen: UnixMs,
    /// What giving it up would cost that vehicle.
    pub(super) worth: f32,
}

impl Claim {
    /// How long after it was last seen the trip is still that vehicle's, seconds.
    fn lasts(&self) -> i64 {
        if self.worth >= CLAIMED_BY_NAME { NAMED_SECONDS } else { CLAIM_SECONDS }
    }
}

/// The trips that vehicles run.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_trip: FxHashMap<TripDay, Claim>,
}

impl Claims {
    /// What taking a trip would cost the vehicle that runs it now; nothing where it is free or one's own.
    pub(super) fn price(&self, on: TripDay, by: usize, now: UnixMs) -> f32 {
        let held = self.by_trip.get(&on).filter(|c| c.by != by && now.secs_since(c.seen) < c.lasts());
        held.map_or(0.0, |c| c.worth)
    }

    /// Of two vehicles on one trip the one has it that it would cost more to give it up.
    pub(super) fn stake(&mut self, on: TripDay, new: Claim) {
        match self.by_trip.get_mut(&on) {
            Some(c) if c.by != new.by && c.worth > new.worth && new.seen.secs_since(c.seen) < c.lasts() => {}
            Some(c) => *c = new,
            None => {
                self.by_trip.insert(on, new);
            }
        }
    }

    /// Forgets the trips of days before this one.
    pub(super) fn forget_before(&mut self, date: ServiceDate) {
        self.by_trip.retain(|on, _| on.date >= date);
    }
}
