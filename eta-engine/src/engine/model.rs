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
