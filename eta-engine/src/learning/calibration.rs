//! How far off predictions are, learned from the ones that came true: the p10, p50 and p90 of the
//! error by lead and by what the vehicle was doing when the prediction was made.
//!
//! Each quantile follows its own errors by stochastic steps on the pinball loss. They give the interval around a
//! prediction and do not move it: what a median would put right, the residual's rule has put right already.

use serde::{Deserialize, Serialize};

/// What a vehicle was doing when a prediction was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Doing {
    /// Under way.
    Moving,
    /// At a stop, doors open.
    Dwelling,
    /// Standing between stops.
    Standing,
    /// Waiting at the first stop.
    Waiting,
}

impl Doing {
    const COUNT: usize = 4;

    const fn at(self) -> usize {
        match self {
            Self::Moving => 0,
            Self::Dwelling => 1,
            Self::Standing => 2,
            Self::Waiting => 3,
        }
    }
}

/// Lower ends of the lead bins, seconds.
pub const LEADS: [f32; 14] =
    [0.0, 30.0, 60.0, 90.0, 120.0, 180.0, 240.0, 360.0, 480.0, 720.0, 960.0, 1320.0, 1800.0, 2700.0];

/// The lead bin of a lead, seconds.
#[must_use]
pub fn lead_bin(lead: f32) -> usize {
    LEADS.partition_point(|l| *l <= lead).saturating_sub(1)
}

/// What p10 leaves below it, of the errors as we see them: a little less than a tenth, for the arrivals they are taken
/// against have an error of their own (3.5 s on Vilnius' recording), which we do not see.
const BELOW: f32 = 0.095;

/// p10, p50 and p90 of an error, seconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quantiles {
    /// One in ten is below.
    pub p10: f32,
    /// The median.
    pub p50: f32,
    /// Nine in ten are below.
    pub p90: f32,
    seen: u32,
}

impl Quantiles {
    fn before_knowing(lead: f32) -> Self {
        Self { p10: -0.12f32.mul_add(lead, 8.0), p50: 0.0, p90: 0.18f32.mul_add(lead, 10.0), seen: 0 }
    }

    fn learn(&mut self, error: f32) {
        // Large steps while little is known, then small ones for ever: a slow day is followed
        // within hours and one bad vehicle moves nothing.
        let step = (60.0 / (4.0 + self.seen as f32)).max(0.4);
        self.seen = self.seen.saturating_add(1);
        for (q, share) in [(&mut self.p10, BELOW), (&mut self.p50, 0.5), (&mut self.p90, 1.0 - BELOW)] {
            *q += step * if error < *q { share - 1.0 } else { share };
        }
        self.p10 = self.p10.min(self.p50);
        self.p90 = self.p90.max(self.p50);
    }
}

/// The errors of all predictions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Calibration {
    cells: Vec<Quantiles>,
    /// Mean absolute error after correction, by lead bin, fading, seconds.
    mae: Vec<f32>,
}

impl Default for Calibration {
    fn default() -> Self {
        let per_state = LEADS.map(Quantiles::before_knowing);
        Self { cells: per_state.repeat(Doing::COUNT), mae: vec![0.0; LEADS.len()] }
    }
}

impl Calibration {
    /// Whether what the store kept has the shape of this version.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.cells.len() == LEADS.len() * Doing::COUNT && self.mae.len() == LEADS.len()
    }

    /// The error to expect at a lead, seconds, between the bins by distance.
    #[must_use]
    pub fn at(&self, doing: Doing, lead: f32) -> Quantiles {
        let bin = lead_bin(lead);
        let here = self.cell(doing, bin);
        let (Some(from), Some(to)) = (LEADS.get(bin), LEADS.get(bin + 1)) else { return here };
        let middle = (from + to) / 2.0;
        let (other, gap) = if lead < middle {
            match bin.checked_sub(1) {
                Some(b) => (self.cell(doing, b), middle - (LEADS.get(b).unwrap_or(from) + from) / 2.0),
                None => return here,
            }
        } else {
            let beyond = LEADS.get(bin + 2).copied().unwrap_or(to + (to - from));
            (self.cell(doing, bin + 1), (to + beyond) / 2.0 - middle)
        };
        let share = ((lead - middle).abs() / gap.max(1.0)).min(1.0);
        let mix = |a: f32, b: f32| (b - a) * share + a;
        Quantiles {
            p10: mix(here.p10, other.p10),
            p50: mix(here.p50, other.p50),
            p90: mix(here.p90, other.p90),
            seen: here.seen,
        }
    }

    /// Takes in how a raw prediction came true: `error` = actual − predicted, seconds.
    pub fn learn(&mut self, doing: Doing, lead: f32, error: f32) {
        let bin = lead_bin(lead);
        if let Some(m) = self.mae.get_mut(bin) {
            *m += 0.005 * (error.abs() - *m);
        }
        if let Some(cell) = self.cells.get_mut(doing.at() * LEADS.len() + bin) {
            cell.learn(error.clamp(-1800.0, 1800.0));
        }
    }

    /// Mean absolute error of the last few hundred predictions that came true: lower end of the lead
    /// bin and error, seconds.
    pub fn errors(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        LEADS.iter().copied().zip(self.mae.iter().copied())
    }

    fn cell(&self, doing: Doing, bin: usize) -> Quantiles {
        let lead = LEADS.get(bin).copied().unwrap_or(0.0);
        self.cells.get(doing.at() * LEADS.len() + bin).copied().unwrap_or_else(|| Quantiles::before_knowing(lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_find_the_errors_they_are_shown() {
        let mut c = Calibration::default();
        // Errors spread evenly over -50..=150, in an order without pattern.
        for i in 0..20_000u64 {
            let error = (i.wrapping_mul(2_654_435_761) >> 7) % 201;
            c.learn(Doing::Moving, 300.0, error as f32 - 50.0);
        }
        let q = c.at(Doing::Moving, 300.0);
        assert!((q.p10 + 30.0).abs() < 12.0 && (q.p50 - 50.0).abs() < 12.0 && (q.p90 - 130.0).abs() < 12.0, "{q:?}");
        assert_eq!(c.at(Doing::Waiting, 300.0).p50, 0.0);
    }

    #[test]
    fn leads_have_their_bins() {
        assert_eq!([0.0, 29.0, 30.0, 700.0, 1e6].map(lead_bin), [0, 0, 1, 8, 13]);
        assert_eq!(lead_bin(-5.0), 0);
    }

    #[test]
    fn quantiles_never_cross() {
        let mut c = Calibration::default();
        for i in 0..5000 {
            c.learn(Doing::Standing, 20.0, if i % 2 == 0 { -900.0 } else { 900.0 });
            let q = c.at(Doing::Standing, 20.0);
            assert!(q.p10 <= q.p50 && q.p50 <= q.p90);
        }
    }
}
