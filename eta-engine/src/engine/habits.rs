//! What the engine learns of a fleet's habits, and the matcher takes as evidence: what its signs
//! mean, which blocks its runs and operators work, where its vehicles are kept. Unlike the model of
//! times it belongs to one feed and is learned anew with it, which takes a trip or two.

use transit_model::dispatch::Phase;
use transit_model::fix::{Fix, Reported};
use transit_model::ids::BlockIdx;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::vehicle::VehicleState;
use crate::learning::signs::{self, Reading, Signs};
use crate::learning::ties::Ties;
use crate::learning::yards::Yards;
use crate::matching::network::Network;

/// Only matches so sure teach.
const SURE: f32 = 0.8;
/// One stay at a base says no more of a sign than so many minutes of it.
const STAY: f32 = 5.0;
/// Beyond this from every line a vehicle that drives is on none of them, metres.
const FAR: f32 = 250.0;
/// Whoever stands so near a line may be waiting on it, metres.
const BESIDE: f32 = 100.0;
/// A vehicle first seen standing for so long, or that has stood for so long after driving, is where it
/// is kept, seconds.
const FIRST_SEEN: i64 = 120;
pub(super) const KEPT_AFTER: i64 = 1200;

/// The habits of a fleet.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// What its signs mean.
    pub signs: Signs,
    /// Its runs and operators.
    pub ties: Ties,
    /// Where its vehicles are kept.
    pub yards: Yards,
}

/// What a vehicle says of its run and its operator, with what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Tied<'a> {
    ties: &'a Ties,
    run: Option<&'a str>,
    operator: Option<&'a str>,
}

impl Tied<'_> {
    /// How strongly that speaks for a block: 0..=1.
    #[must_use]
    pub fn to(&self, block: BlockIdx, now: UnixMs) -> f32 {
        self.ties.to(self.run, self.operator, block, now)
    }
}

impl Habits {
    /// Of a fleet nobody has seen yet.
    #[must_use]
    pub fn new(t: &Timetable) -> Self {
        Self { signs: Signs::new(t), ties: Ties::new(t), yards: Yards::default() }
    }

    /// What a vehicle's sign says.
    pub(super) fn sign(&self, said: &Reported) -> Option<Reading<'_>> {
        self.signs.read(said.sign.as_deref()?)
    }

    /// What its run and operator say.
    pub(super) fn tied<'a>(&'a self, said: &'a Reported) -> Option<Tied<'a>> {
        let (run, operator) = (said.run.as_deref(), said.operator.as_deref());
        (run.is_some() || operator.is_some()).then_some(Tied { ties: &self.ties, run, operator })
    }

    /// Learns where a vehicle is kept.
    pub(super) fn learn_yard(&mut self, v: &mut VehicleState, t: &Timetable, network: &Network) {
        let Some(at) = v.at.filter(|_| v.track.chosen().is_none() && !v.kept) else { return };
        let stood = v.track.stood();
        if (stood >= KEPT_AFTER || (stood >= FIRST_SEEN && !v.drove)) && !network.passes(t, at, BESIDE) {
            v.kept = true;
            self.yards.stood(at);
        }
    }

    /// Learns from one fix, once the vehicle's phase is known; it has come `metres` since the one before.
    pub(super) fn learn(
        &mut self,
        v: &mut VehicleState,
        fix: &Fix,
        (metres, dt): (f32, f32),
        t: &Timetable,
        network: &Network,
    ) {
        let h = v.track.chosen().copied();
        let said = &fix.reported;
        if let Some(h) = h.filter(|h| h.ended == Some(fix.time) && (said.run.is_some() || said.operator.is_some()))
            && let Some(block) = t.trips.at(h.on.trip).block
            && v.track.confidence() >= SURE
        {
            self.ties.seen(said.run.as_deref(), said.operator.as_deref(), block, fix.time);
        }
        let Some(code) = said.sign.as_deref() else { return };
        if v.phase != Phase::AtBase {
            v.sign_stay = 0.0;
        }
        match (v.phase, h) {
            (Phase::AtBase, _) if v.sign_stay < STAY => {
                let n = (dt / 60.0).clamp(0.2, 2.0);
                v.sign_stay += n;
                self.signs.seen_idle(code, n);
            }
            (Phase::Deadhead, None) if metres > 0.0 && v.at.is_some_and(|at: Xy| !network.passes(t, at, FAR)) => {
                self.signs.seen_idle(code, (metres / 300.0).min(3.0));
            }
            (Phase::InProgress, Some(h)) if h.teaches() && metres > 0.0 && v.track.confidence() >= SURE => {
                self.signs.seen_on(code, signs::line_of(t.pattern_of(h.on.trip)), (metres / 1000.0).min(1.0));
            }
            _ => {}
        }
    }
}
