//! How the vehicles of any feed move: a pure function of the timetable, a seed and the service day.
//!
//! Nothing here knows what time it is or remembers anything. Whoever asks twice gets the same
//! answer, so a simulator that starts again in the middle of a day finds every vehicle where it
//! truly is, and the truth can be written down without being watched.

mod day;
mod demand;
mod disturbance;
mod effect;
mod machine;
mod mishap;
mod roster;
mod run;
mod runner;
mod traffic;
mod vehicle;
mod way;

use std::collections::VecDeque;
use std::sync::Arc;

pub use disturbance::{
    Around, Between, Disturbance, FirstTrip, NearStop, Place, RoutePlace, Senseless, StopRef, TripRef, VehicleRef,
};
pub use effect::{Happened, Unmet};
pub use roster::{Cap, Duty, Roster};
pub use vehicle::{TrueState, TrueStop, VehicleDay, Walk};

use transit_model::ids::VehicleId;
use transit_model::time::ServiceDate;
use transit_model::timetable::Timetable;

use crate::city::Machine;
pub(crate) use traffic::word_of;

/// What a city is driven with, beside its timetable and the seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many vehicles at most; all of the timetable's where none is given.
    pub cap: Option<Cap>,
    /// What happens to the city.
    pub disturbances: Arc<[Disturbance]>,
    /// How much happens by chance besides.
    pub mishaps: Mishaps,
    /// The longer the gap before a vehicle, the more passengers it finds: what makes vehicles bunch.
    /// Without it each finds the planned number.
    pub gaps_matter: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { cap: None, disturbances: Arc::default(), mishaps: Mishaps::default(), gaps_matter: true }
    }
}

/// How often things go wrong by chance, as a factor on what is usual: 0 = never, 1 = as in an
/// ordinary city in ordinary times, which is seldom.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mishaps(pub f64);

impl Mishaps {
    /// Nothing happens by chance.
    pub const NONE: Self = Self(0.0);
    /// As in an ordinary city.
    pub const USUAL: Self = Self(1.0);
}

impl Default for Mishaps {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Every vehicle of one service day, driven to its end.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The service day.
    pub date: ServiceDate,
    /// The vehicles, by number; machines last.
    pub vehicles: Vec<Arc<VehicleDay>>,
    /// What happened to them.
    pub happened: Vec<Happened>,
    /// What was asked for and could not happen, and why.
    pub unmet: Vec<(Disturbance, Unmet)>,
    /// The timetable they run by.
    pub timetable: Arc<Timetable>,
    seed: u64,
}

impl Plan {
    /// Drives a service day on which nothing goes wrong. Same timetable, seed, day and cap: same bytes.
    #[must_use]
    pub fn for_day(timetable: &Arc<Timetable>, seed: u64, date: ServiceDate, cap: Option<Cap>) -> Self {
        let options = Options { cap, mishaps: Mishaps::NONE, ..Options::default() };
        Self::new(timetable, seed, date, &options)
    }

    /// Drives a service day. Same timetable, seed, day and options: same bytes.
    #[must_use]
    pub fn new(timetable: &Arc<Timetable>, seed: u64, date: ServiceDate, options: &Options) -> Self {
        let day::Driven { vehicles, happened, unmet } = day::drive(timetable, seed, date, options);
        let mut vehicles: Vec<Arc<VehicleDay>> = vehicles.into_iter().map(Arc::new).collect();
        vehicles.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
        Self { date, vehicles, happened, unmet, timetable: Arc::clone(timetable), seed }
    }

    /// The same with machines.
    #[must_use]
    pub fn with_machines(mut self, machines: &[Machine]) -> Self {
        let (tt, seed, date) = (&self.timetable, self.seed, self.date);
        let days = machines.iter().map(|m| Arc::new(machine::drive(tt, seed, date, m)));
        self.vehicles.extend(days);
        self
    }

    /// The day of one vehicle.
    #[must_use]
    pub fn vehicle(&self, id: &VehicleId) -> Option<&Arc<VehicleDay>> {
        self.vehicles.iter().find(|v| v.vehicle == *id)
    }

    /// The seed it was driven with.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// The vehicles that stand by on a day to take over from broken ones, in the order they are sent:
/// one for every twenty on the road and one for every breakdown that is asked for. Whoever stands by
/// today is free tomorrow, for the one before may be out past midnight.
#[must_use]
pub fn reserves(date: ServiceDate, vehicles: usize, options: &Options) -> VecDeque<VehicleId> {
    let replaced = |d: &&Disturbance| matches!(d, Disturbance::Breakdown { replaced_after_s: Some(_), .. });
    let asked = options.disturbances.iter().filter(|d| d.happens_on(date)).filter(replaced).count();
    let drawn = if options.mishaps.0 > 0.0 { vehicles.div_ceil(20) } else { 0 };
    let parity = usize::from(date.days().rem_euclid(2) == 1);
    (0..asked + drawn).map(|n| VehicleId::from(format!("R{:02}", 2 * n + 1 + parity))).collect()
}
