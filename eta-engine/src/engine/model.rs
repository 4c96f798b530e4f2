//! What the engine has learned, whole: what the store keeps and another engine is started with.

use serde::{Deserialize, Serialize};

use crate::learning::calibration::Calibration;
use crate::learning::halts::Halts;
use crate::learning::links::LinkModel;
use crate::learning::residual::Residual;

/// What the engine has learned: survives restarts and feeds.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Link times and dwells.
    pub links: LinkModel,
    /// Where vehicles halt.
    pub halts: Halts,
    /// What of its errors the features explain.
    pub residual: Residual,
    /// The errors that are left.
    pub calibration: Calibration,
    /// How late trips leave their first stop when nothing holds them, seconds: a running median.
    pub start_lateness: f32,
    /// How much of a vehicle's pace lasts.
    pub lasting: Lasting,
    /// What vehicles do at timepoints they reach early.
    pub holding: Holding,
}

/// Whether early vehicles wait for the timetable at timepoints, as this city's drivers do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Holding {
    /// The share of early vehicles that waited, of the last hundred or so.
    share: f32,
    /// When those that waited left, against the timetable, seconds: a running median.
    lateness: f32,
}

impl Holding {
    pub(super) fn learn(&mut self, held: bool, lateness: f32) {
        self.share += 0.02 * (if held { 1.0 } else { 0.0 } - self.share);
        if held {
            self.lateness += if lateness > self.lateness { 1.0 } else { -1.0 };
        }
    }

    /// When an early vehicle leaves, against the timetable, seconds; nothing where most do not wait.
    #[must_use]
    pub fn leaves_at(&self) -> Option<f32> {
        (self.share > 0.5).then_some(self.lateness)
    }
}

/// How much of what a vehicle lost on its last links it loses on the next: a slow driver, a full train. A slope by
/// least squares through nothing, of running sums: cities differ (Boston's trains 0.6, Vilnius' buses next to 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lasting {
    /// Σ said · lost, s².
    cross: f64,
    /// Σ said², s².
    square: f64,
}

/// What must be seen before it is believed that anything lasts, s²: a hundred links with some twenty seconds said.
const LASTING_DOUBT: f64 = 40_000.0;
/// After so many links half is forgotten.
const LASTING_LINKS: f64 = 20_000.0;

impl Lasting {
    /// Takes in a link: what the vehicle's pace had said it would lose, and what it lost, seconds.
    pub(super) fn learn(&mut self, said: f32, lost: f32) {
        let keep = 0.5f64.powf(1.0 / LASTING_LINKS);
        let (said, lost) = (f64::from(said), f64::from(lost));
        self.cross = self.cross.mul_add(keep, said * lost);
        self.square = self.square.mul_add(keep, said * said);
    }

    /// The share that lasts, 0..=0.8.
    #[must_use]
    pub fn share(&self) -> f32 {
        ((self.cross / (self.square + LASTING_DOUBT)) as f32).clamp(0.0, 0.8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lasts_until_it_is_seen_to() {
        let mut l = Lasting::default();
        assert_eq!(l.share(), 0.0);
        l.learn(40.0, 40.0);
        assert!(l.share() < 0.1, "one link says little: {}", l.share());
    }

    #[test]
    fn what_lasts_is_found_and_what_turns_around_counts_as_nothing() {
        let mut l = Lasting::default();
        for n in 0..2000u32 {
            let said = if n % 2 == 0 { 30.0 } else { -30.0 };
            l.learn(said, 0.5 * said + if n % 3 == 0 { 40.0 } else { -20.0 });
        }
        assert!((l.share() - 0.5).abs() < 0.05, "{}", l.share());
        for _ in 0..60_000 {
            l.learn(30.0, -15.0);
        }
        assert_eq!(l.share(), 0.0);
    }
}
