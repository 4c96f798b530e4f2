//! Why a vehicle is on the trip it is on: what it considered, what each thing cost part by part, and
//! what kept the others from being chosen. It recomputes the costs at the last fix and changes nothing.

use serde::{Deserialize, Serialize};
use transit_model::time::UnixMs;

use super::hypothesis::{Hypothesis, Parts};
use super::track::{Around, Observation, Track};
use crate::world::TripDay;

/// How many changes of trip are remembered.
pub(super) const REMEMBERED: usize = 12;

/// Why a vehicle went over to a trip, or gave one up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was the best of those that could be.
    #[default]
    Best,
    /// The vehicle names it.
    Named,
    /// Another one is cheaper by more than the hysteresis.
    Cheaper,
    /// The vehicle has long been off its line.
    Lost,
    /// It has come to rest away from its line, or where vehicles are kept.
    Parked,
    /// Its sign says it is not in service.
    Sign,
    /// It names its trips, and has named none for a while.
    NamesNone,
    /// It names a trip that cannot be true.
    Contradicted,
    /// It was silent, or its positions could not be believed.
    Reset,
}

/// A change of trip.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision {
    /// At which fix.
    pub at: UnixMs,
    /// From.
    pub from: Option<TripDay>,
    /// To.
    pub to: Option<TripDay>,
    /// Why.
    pub why: Why,
    /// By how much the new one was cheaper, where both had a price.
    pub cheaper_by: Option<f32>,
}

/// What keeps a hypothesis from being chosen, whatever it costs.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// The vehicle has not come far enough along its line: metres come, metres needed.
    TooLittleSeen(f32, f32),
    /// The sign denies it.
    Sign,
    /// Another vehicle names it.
    NamedByAnother,
}

/// A hypothesis and what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Considered {
    /// The hypothesis.
    pub hypothesis: Hypothesis,
    /// What it costs, part by part.
    pub parts: Parts,
    /// It is the one that holds.
    pub chosen: bool,
    /// What keeps it from being chosen.
    pub bar: Option<Bar>,
}

impl Track {
    /// What was considered at the last fix, the cheapest first.
    #[must_use]
    pub fn considered(&self, o: &Observation, around: &Around<'_>) -> Vec<Considered> {
        let mut all: Vec<Considered> = Vec::new();
        for h in self.hypotheses() {
            let mut hypothesis = *h;
            let parts = hypothesis.parts(o, around, self.served());
            let chosen = self.chosen().is_some_and(|c| c.on == h.on);
            let bar = self.bar(&hypothesis, around.timetable).filter(|_| !h.reported);
            all.push(Considered { hypothesis, parts, chosen, bar });
        }
        all.sort_by(|a, b| a.parts.total().total_cmp(&b.parts.total()).then(a.hypothesis.on.cmp(&b.hypothesis.on)));
        all
    }
}
