//! What the chain of links does not see: the part of a prediction's error that its features explain,
//! learned from the predictions that came true.
//!
//! One linear rule for each reach of lead, fitted to least absolute deviations by reweighted least squares
//! on running sums (so that it is always on, costs one small matrix, and never keeps a sample). What
//! came long ago fades. Errors are taken against the prediction before this correction, so that it cannot
//! feed itself. The spread that is left is `calibration`'s part.

use serde::{Deserialize, Serialize};

use crate::engine::features::{COUNT, Features};

/// Upper ends of the reaches of lead, seconds; the last reach is open.
const REACHES: [f32; 5] = [60.0, 180.0, 360.0, 720.0, 1200.0];
/// A usual error in each reach, seconds: below a fifth of it an error weighs no more for being small.
const USUAL: [f64; REACHES.len() + 1] = [15.0, 30.0, 45.0, 60.0, 80.0, 110.0];
/// What a rule must overcome before it departs from "no correction", in samples of unit weight: long
/// leads need more, as their errors come in packs (one slow vehicle, twenty stops).
const RIDGE: [f64; REACHES.len() + 1] = [40.0, 100.0, 300.0, 600.0, 1000.0, 1500.0];
/// After so many samples of a reach the old ones weigh half.
const HALF_LIFE: f64 = 40_000.0;
/// A rule is made anew after so many samples.
const REFIT: u32 = 500;
/// What is one of each feature, in the order of [`crate::engine::features::of`].
const SCALE: [f32; COUNT] = [
    1.0, 600.0, 20.0, 20.0, 20.0, 30.0, 1.0, 1.0, 1.0, 60.0, 5.0, 300.0, 60.0, 40.0, 120.0, 0.3, 120.0, 30.0, 60.0,
    60.0, 60.0, 60.0, 10.0, 120.0, 300.0, 600.0,
];
/// What a feature is multiplied by to have it in these.
const ONES: [f32; COUNT] = {
    let mut ones = SCALE;
    let mut n = 0;
    while n < COUNT {
        if let (Some(one), Some(scale)) = (ones.split_at_mut(n).1.first_mut(), SCALE.split_at(n).1.first()) {
            *one = 1.0 / *scale;
        }
        n += 1;
    }
    ones
};
/// No feature counts for more than so many of its ones: an absurd value says no more than a large one.
const MOST: f32 = 5.0;

/// Rows of a packed lower triangle.
const PACKED: usize = COUNT * (COUNT + 1) / 2;

/// The rule of one reach of lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rule {
    /// Σ w·z·zᵀ, the lower triangle by rows.
    square: Vec<f64>,
    /// Σ w·z·error.
    cross: Vec<f64>,
    /// Seconds for one of each feature.
    weights: Vec<f32>,
    /// Samples since the weights were fitted.
    fresh: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self { square: vec![0.0; PACKED], cross: vec![0.0; COUNT], weights: vec![0.0; COUNT], fresh: 0 }
    }
}

impl Rule {
    fn say(&self, z: &Features) -> f32 {
        // Four sums side by side: one after another they would wait for each other.
        let mut sums = [0.0f32; 4];
        let (weights, last_weights) = self.weights.as_chunks::<4>();
        let (fours, last) = z.as_chunks::<4>();
        for (w, z) in weights.iter().zip(fours) {
            for ((sum, w), z) in sums.iter_mut().zip(w).zip(z) {
                *sum += w * z;
            }
        }
        sums.iter().sum::<f32>() + last_weights.iter().zip(last).map(|(w, z)| w * z).sum::<f32>()
    }

    fn learn(&mut self, reach: usize, z: &Features, error: f32) {
        let usual = USUAL.get(reach).copied().unwrap_or(100.0);
        let off = f64::from((error - self.say(z)).abs());
        let weight = usual / off.max(0.2 * usual);
        let keep = 0.5f64.powf(1.0 / HALF_LIFE);
        let mut cells = self.square.iter_mut();
        for (n, (a, cross)) in z.iter().zip(&mut self.cross).enumerate() {
            let a = f64::from(*a) * weight;
            *cross = *cross * keep + a * f64::from(error);
            for (b, cell) in z.iter().take(n + 1).zip(&mut cells) {
                *cell = *cell * keep + a * f64::from(*b);
            }
        }
        self.fresh += 1;
        if self.fresh >= REFIT {
            self.fresh = 0;
            let ridge = RIDGE.get(reach).copied().unwrap_or(1000.0);
            if let Some(weights) = solve(&self.square, &self.cross, ridge) {
                self.weights = weights;
            }
        }
    }
}

/// The error that a prediction's features explain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    rules: [Rule; REACHES.len() + 1],
}

impl Residual {
    /// Whether what the store kept has the shape of this version.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rules.iter().all(|r| {
            r.square.len() == PACKED
                && r.cross.len() == COUNT
                && r.weights.len() == COUNT
                && r.square.iter().chain(&r.cross).all(|v| v.is_finite())
                && r.weights.iter().all(|w| w.is_finite())
        })
    }

    /// What to add to a prediction with this lead, seconds; at most half a minute and half the lead.
    #[must_use]
    pub fn correction(&self, lead: f32, features: &Features) -> f32 {
        let most = lead.max(0.0) * 0.5 + 30.0;
        self.rules.get(reach(lead)).map_or(0.0, |r| r.say(&scaled(features))).clamp(-most, most)
    }

    /// Takes in how a prediction came true: `error` = actual − predicted without correction, seconds.
    pub fn learn(&mut self, lead: f32, features: &Features, error: f32) {
        let n = reach(lead);
        if let Some(rule) = self.rules.get_mut(n) {
            rule.learn(n, &scaled(features), error.clamp(-1800.0, 1800.0));
        }
    }
}

fn reach(lead: f32) -> usize {
    REACHES.partition_point(|r| *r <= lead)
}

fn scaled(features: &Features) -> Features {
    let mut z = *features;
    for (v, one) in z.iter_mut().zip(&ONES) {
        *v = (*v * one).clamp(-MOST, MOST);
    }
    z
}

/// Solves (`square` + `ridge`·1)·x = `cross` by Cholesky's decomposition; nothing when rounding has made
/// the matrix no square.
fn solve(square: &[f64], cross: &[f64], ridge: f64) -> Option<Vec<f32>> {
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(COUNT);
    let mut cells = square.iter();
    for n in 0..COUNT {
        let mut row: Vec<f64> = cells.by_ref().take(n + 1).copied().collect();
        for m in 0..n {
            let above = lower.get(m)?;
            let dot: f64 = row.iter().zip(above).take(m).map(|(a, b)| a * b).sum();
            let cell = row.get_mut(m)?;
            *cell = (*cell - dot) / above.get(m)?;
        }
        let rest: f64 = row.iter().take(n).map(|a| a * a).sum();
        let corner = row.get_mut(n)?;
        *corner = (*corner + ridge - rest).sqrt();
        if corner.is_nan() || *corner <= 0.0 {
            return None;
        }
        lower.push(row);
    }
    let mut half: Vec<f64> = Vec::with_capacity(COUNT);
    for (row, c) in lower.iter().zip(cross) {
        let dot: f64 = row.iter().zip(&half).map(|(a, b)| a * b).sum();
        half.push((c - dot) / row.last()?);
    }
    let mut x = half;
    for n in (0..COUNT).rev() {
        let corner = *lower.get(n)?.get(n)?;
        let value = *x.get(n)? / corner;
        *x.get_mut(n)? = value;
        for (v, a) in x.iter_mut().zip(lower.get(n)?).take(n) {
            *v -= a * value;
        }
    }
    x.iter().all(|v| v.is_finite()).then(|| x.iter().map(|v| *v as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without pattern, 0..1.
    fn noise(n: u64) -> f32 {
        (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1u64 << 24) as f32
    }

    fn features(n: u64) -> Features {
        let mut f = [0.0; COUNT];
        for (i, (v, one)) in (0u64..).zip(f.iter_mut().zip(SCALE)) {
            *v = (noise(n * 31 + i) - 0.5) * one;
        }
        f[0] = 1.0;
        f
    }

    #[test]
    fn knowing_nothing_it_corrects_nothing() {
        assert_eq!(Residual::default().correction(200.0, &features(3)), 0.0);
    }

    #[test]
    fn it_finds_what_explains_the_errors_and_is_not_led_astray_by_a_few_absurd_ones() {
        let mut r = Residual::default();
        let truth = |f: &Features| 12.0 + 0.5 * f[12] - 0.3 * f[17];
        for n in 0..40_000 {
            let f = features(n);
            let absurd = if n % 20 == 0 { 1500.0 } else { 0.0 };
            r.learn(200.0, &f, truth(&f) + 10.0 * (noise(n + 7) - 0.5) + absurd);
        }
        let off: f32 = (50_000..50_200)
            .map(|n| {
                let f = features(n);
                (r.correction(200.0, &f) - truth(&f)).abs()
            })
            .sum::<f32>()
            / 200.0;
        assert!(off < 3.0, "{off}");
        assert_eq!(r.correction(400.0, &features(1)), 0.0, "another reach has learned nothing");
    }

    #[test]
    fn a_correction_has_its_bounds() {
        let mut r = Residual::default();
        for n in 0..5000 {
            r.learn(20.0, &features(n), 1800.0);
        }
        assert_eq!(r.correction(20.0, &features(9)), 40.0);
    }

    #[test]
    fn it_comes_back_from_the_store_as_it_was() {
        let mut r = Residual::default();
        for n in 0..1200 {
            r.learn(20.0, &features(n), noise(n) * 30.0);
        }
        let again: Residual = postcard::from_bytes(&postcard::to_stdvec(&r).unwrap()).unwrap();
        assert!(again == r && again.is_whole());
    }
}
