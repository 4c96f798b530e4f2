//! Where vehicles were in the last minutes: what a delayed public view is made of. Bounded in time and number;
//! nothing is kept where no delay is foreseen. Pure.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use transit_model::dispatch::Phase;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::world::{OnTrip, Vehicle, World};

/// A place is kept so often, milliseconds. A vehicle in a delayed view moves in steps of this.
pub const STEP_MS: i64 = 15_000;

/// Where a vehicle was.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Then {
    /// When its fix was made.
    pub time: UnixMs,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// m/s.
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    pub bearing: Option<f32>,
    /// What it was doing.
    pub phase: Phase,
    /// Its trip.
    pub on_trip: Option<OnTrip>,
}

/// The last minutes of every vehicle.
#[derive(Clone, Debug, Default)]
pub struct Trails {
    reach_ms: i64,
    noted: Option<UnixMs>,
    by_vehicle: FxHashMap<VehicleId, VecDeque<Then>>,
}

impl Trails {
    /// Trails so many minutes long; 0 = none.
    #[must_use]
    pub fn reaching(minutes: u32) -> Self {
        Self { reach_ms: i64::from(minutes) * 60_000, ..Self::default() }
    }

    /// The most places that are kept of one vehicle.
    #[must_use]
    pub fn most_of_one(&self) -> usize {
        usize::try_from(self.reach_ms / STEP_MS).unwrap_or(0) + 2
    }

    /// Notes where everybody is.
    pub fn note(&mut self, world: &World) {
        let now = world.now;
        let early = self.noted.is_some_and(|at| (0..STEP_MS).contains(&(now.0 - at.0)));
        if self.reach_ms == 0 || early {
            return;
        }
        self.noted = Some(now);
        let most = self.most_of_one();
        for v in world.vehicles.iter() {
            let trail = match self.by_vehicle.get_mut(&v.id) {
                Some(trail) => trail,
                None => self.by_vehicle.entry(v.id.clone()).or_default(),
            };
            if trail.back().is_none_or(|last| last.time < v.fix_time) {
                trail.push_back(Then::of(v));
            }
            // One from before the reach stays: it is where the vehicle was when the reach begins.
            let over = |t: &VecDeque<Then>| t.get(1).is_some_and(|next| now.0 - next.time.0 > self.reach_ms);
            while over(trail) || trail.len() > most {
                trail.pop_front();
            }
        }
        self.by_vehicle.retain(|id, _| world.vehicle(id.as_str()).is_some());
    }

    /// Where a vehicle was at a moment: its last place that is not later. Nothing where that is not known.
    #[must_use]
    pub fn at(&self, id: &VehicleId, moment: UnixMs) -> Option<&Then> {
        let trail = self.by_vehicle.get(id)?;
        let after = trail.partition_point(|t| t.time <= moment);
        trail.get(after.checked_sub(1)?)
    }

    /// How many places are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_vehicle.values().map(VecDeque::len).sum()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Then {
    fn of(v: &Vehicle) -> Self {
        Self {
            time: v.fix_time,
            lat: v.lat,
            lon: v.lon,
            speed: v.speed,
            bearing: v.bearing,
            phase: v.phase,
            on_trip: v.on_trip,
        }
    }
}
