//! Passengers: how many wait at a stop since the last vehicle of their route left it, how many get
//! off, and how long the doors stay open for them. This is what makes a late vehicle later.

use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use transit_model::ids::{Idx as _, RouteIdx, StopIdx};

use crate::chance::{Topic, chance, count, normal, unit};

/// Mean boardings at an average stop out of the rush, when vehicles come as planned.
const BOARDINGS: f64 = 1.9;
/// Spread of that between stops (deviation of the logarithm): few stops have most passengers.
const STOPS: f64 = 0.8;
/// Doors open and close, and the vehicle pulls out, seconds.
const DOORS: f64 = 5.0;
/// One boards, seconds.
const BOARD: f64 = 2.6;
/// One gets off, seconds; by the other doors, so at the same time.
const ALIGHT: f64 = 1.5;
/// Spread of a dwell beyond the number of passengers.
const DWELL: f64 = 0.25;
/// How often a passenger needs the ramp.
const RAMP: f64 = 0.0015;
/// What that takes, seconds.
const RAMP_TAKES: f64 = 45.0;
/// No more than so many times the planned number wait, however long the gap was: others walk.
const GAP_MOST: f64 = 2.0;
/// No vehicle holds more.
const FULL: f64 = 110.0;

/// How many passengers stops have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) seed: u64,
    /// Passengers follow the gap before a vehicle; otherwise each finds the planned number.
    pub(super) follows_gaps: bool,
}

/// When the last vehicle of a route left a stop, and when it should have, seconds of the service day.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: f64,
    planned: f64,
}

/// The state of the stops while a day is driven in the order of time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    left: FxHashMap<(StopIdx, RouteIdx), Left>,
}

/// A vehicle that comes to a stop.
pub(super) struct Comes {
    pub(super) stop: StopIdx,
    pub(super) route: RouteIdx,
    /// Seconds of the service day.
    pub(super) at: f64,
    /// When the timetable has it leave.
    pub(super) planned: f64,
    /// How many are in it.
    pub(super) load: f64,
    /// Stops it has ahead, this one not counted.
    pub(super) ahead: usize,
    /// How much of the rush there is, 0..=1.
    pub(super) rush: f64,
    /// How much of the usual time for doors the timetable leaves, 0..=1.
    pub(super) quick: f64,
}

/// What happens at the doors.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Exchange {
    /// How long the vehicle stands for it, seconds; 0 when nobody gets on or off.
    pub(super) takes: f64,
    /// How many are in it afterwards.
    pub(super) load: f64,
}

impl Demand {
    /// Mean boardings at a stop when vehicles come as planned.
    fn boardings(&self, stop: StopIdx, rush: f64) -> f64 {
        let mut rng = chance(self.seed, Topic::Demand, stop.at() as u64, 0);
        let usual = BOARDINGS * STOPS.mul_add(normal(&mut rng), -STOPS * STOPS / 2.0).exp();
        usual.min(9.0) * 0.6f64.mul_add(rush, 0.8)
    }

    /// The mean dwell at a stop when vehicles come as planned, seconds.
    pub(super) fn mean_dwell(&self, stop: StopIdx, rush: f64) -> f64 {
        let boardings = self.boardings(stop, rush);
        // As many get off as on, over a line.
        DOORS * (1.0 - (-2.0 * boardings).exp()) + boardings * (BOARD + RAMP * RAMP_TAKES) * 1.1
    }

    /// Doors open: those who came since the last vehicle of the route left get on.
    pub(super) fn exchange(&self, waiting: &mut Waiting, comes: &Comes, rng: &mut ChaCha8Rng) -> Exchange {
        let key = (comes.stop, comes.route);
        let gap = if self.follows_gaps { waiting.left.get(&key).map_or(1.0, |left| left.gap(comes)) } else { 1.0 };
        let wait = count(rng, self.boardings(comes.stop, comes.rush) * gap);
        let off = count(rng, comes.load * (1.3 / (comes.ahead as f64 + 1.0)).min(1.0)).min(comes.load);
        let on = wait.min((FULL - comes.load + off).max(0.0));
        let load = comes.load - off + on;
        if on + off < 0.5 {
            return Exchange { takes: 0.0, load };
        }
        let quick = (BOARD * on).max(ALIGHT * off);
        let doors = (DOORS + quick) * DWELL.mul_add(normal(rng), -DWELL * DWELL / 2.0).exp() * comes.quick;
        let ramp = if unit(rng) < 1.0 - (1.0 - RAMP).powf(on + off) { RAMP_TAKES } else { 0.0 };
        Exchange { takes: doors.clamp(2.0, 150.0) + ramp, load }
    }

    /// It leaves.
    pub(super) fn leaves(waiting: &mut Waiting, comes: &Comes, at: f64) {
        waiting.left.insert((comes.stop, comes.route), Left { at, planned: comes.planned });
    }
}

impl Left {
    /// The gap before a vehicle as a share of the planned one.
    fn gap(&self, comes: &Comes) -> f64 {
        let planned = (comes.planned - self.planned).abs().clamp(90.0, 3600.0);
        ((comes.at - self.at) / planned).clamp(0.0, GAP_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand { seed: 1, follows_gaps: true };

    fn comes(at: f64) -> Comes {
        let (stop, route) = (StopIdx::new(3), RouteIdx::new(0));
        Comes { stop, route, at, planned: at, load: 10.0, ahead: 9, rush: 0.5, quick: 1.0 }
    }

    fn mean_dwell_after(gap: f64) -> f64 {
        let mut rng = chance(1, Topic::Trip, 0, 0);
        let dwell = |_| {
            let mut waiting = Waiting::default();
            Demand::leaves(&mut waiting, &comes(30_000.0), 30_000.0);
            let late = Comes { planned: 30_600.0, ..comes(30_000.0 + gap) };
            DEMAND.exchange(&mut waiting, &late, &mut rng).takes
        };
        (0..2000).map(dwell).sum::<f64>() / 2000.0
    }

    #[test]
    fn the_longer_the_gap_the_more_wait_and_the_longer_the_dwell() {
        let (short, usual, long) = (mean_dwell_after(60.0), mean_dwell_after(600.0), mean_dwell_after(1200.0));
        assert!(short + 2.0 < usual && usual + 3.0 < long, "{short} {usual} {long}");
        let most = mean_dwell_after(6000.0);
        assert!((most - mean_dwell_after(1800.0)).abs() < 0.001, "a gap counts up to {GAP_MOST} times");
    }

    #[test]
    fn the_dwell_that_is_expected_is_the_dwell_there_is() {
        let mut rng = chance(2, Topic::Trip, 0, 0);
        let (mut all, mut expected) = (0.0, 0.0);
        for n in 0..400 {
            let stop = StopIdx::new(n);
            // As many get off as on.
            let load = DEMAND.boardings(stop, 0.5) * 10.0 / 1.3;
            for _ in 0..20 {
                let c = Comes { stop, load, ..comes(30_000.0) };
                all += DEMAND.exchange(&mut Waiting::default(), &c, &mut rng).takes;
                expected += DEMAND.mean_dwell(stop, 0.5);
            }
        }
        assert!((0.85..1.15).contains(&(all / expected)), "{}", all / expected);
    }
}
