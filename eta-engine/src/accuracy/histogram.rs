//! How values are spread, in bounded memory: a histogram with fixed buckets, so that two of them are
//! merged by adding counts, and the order values came in does not matter.

use serde::{Deserialize, Serialize};

/// How finely values are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Scale {
    /// A hundredth of a second up to 655 s, a tenth beyond: what recordings are given in, so that
    /// percentiles are exact. Up to 500 kB.
    Fine,
    /// 2 s up to half a minute, a sixteenth of an octave beyond: percentiles within 3 %. Up to 600 B.
    #[default]
    Coarse,
}

/// A value that takes this many ms or more is counted as this.
const TOP: u64 = 7_200_000;
const FINE_STEP: u64 = 10;
const FINE_BUCKETS: u64 = 65_500;
/// The step beyond those.
const TENTH: u64 = 100;
const COARSE_STEP: u64 = 2000;
/// Buckets of an octave, and as many linear ones below the first.
const PER_OCTAVE: u64 = 16;

impl Scale {
    /// The bucket of a value, ms.
    fn bucket(self, ms: u64) -> u64 {
        let ms = ms.min(TOP);
        match self {
            Self::Fine => {
                let step = (ms + FINE_STEP / 2) / FINE_STEP;
                if ms < FINE_BUCKETS * FINE_STEP {
                    step
                } else {
                    FINE_BUCKETS + (ms - FINE_BUCKETS * FINE_STEP + TENTH / 2) / TENTH
                }
            }
            Self::Coarse => {
                let units = ms / COARSE_STEP;
                let Some(octave) = (units / PER_OCTAVE).checked_ilog2().map(u64::from) else { return units };
                let within = (units >> octave) - PER_OCTAVE;
                PER_OCTAVE * (octave + 1) + within
            }
        }
    }

    /// Where a bucket begins and how wide it is, ms. A fine bucket stands for one value: it has no width.
    fn of_bucket(self, bucket: u64) -> (u64, u64) {
        match self {
            Self::Fine if bucket < FINE_BUCKETS => (bucket * FINE_STEP, 0),
            Self::Fine => ((bucket - FINE_BUCKETS) * TENTH + FINE_BUCKETS * FINE_STEP, 0),
            Self::Coarse if bucket < PER_OCTAVE => (bucket * COARSE_STEP, COARSE_STEP),
            Self::Coarse => {
                let octave = bucket / PER_OCTAVE - 1;
                let width = COARSE_STEP << octave;
                ((PER_OCTAVE + bucket % PER_OCTAVE) * width, width)
            }
        }
    }
}

/// A histogram of times that are not negative.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Histogram {
    scale: Scale,
    /// By bucket, as far as the highest one that was hit.
    counts: Vec<u32>,
}

impl Histogram {
    /// Nothing yet.
    #[must_use]
    pub const fn new(scale: Scale) -> Self {
        Self { scale, counts: Vec::new() }
    }

    /// Takes a value, ms.
    pub fn add(&mut self, ms: u64) {
        self.add_many(ms, 1);
    }

    fn add_many(&mut self, ms: u64, times: u32) {
        let bucket = usize::try_from(self.scale.bucket(ms)).unwrap_or(usize::MAX);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(n) = self.counts.get_mut(bucket) {
            *n = n.saturating_add(times);
        }
    }

    /// Takes in what another has; one of another scale as the middles of its buckets.
    pub fn merge(&mut self, other: &Self) {
        if self.scale != other.scale {
            for (bucket, n) in (0u64..).zip(&other.counts).filter(|(_, n)| **n > 0) {
                let (from, width) = other.scale.of_bucket(bucket);
                self.add_many(from + width / 2, *n);
            }
            return;
        }
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().map(|n| u64::from(*n)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The quantile `q` (0..=1), ms, with linear interpolation between the two values it falls between.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let at = q.clamp(0.0, 1.0) * last as f64;
        let (low, part) = (at.floor(), at.fract());
        let lower = self.at_rank(low as u64)?;
        let upper = if part > 0.0 { self.at_rank(low as u64 + 1)? } else { lower };
        Some((upper - lower).mul_add(part, lower))
    }

    /// The value with so many below it, ms. The values of a bucket are taken to lie evenly in it.
    fn at_rank(&self, rank: u64) -> Option<f64> {
        let mut below = 0u64;
        for (bucket, n) in (0u64..).zip(&self.counts) {
            let n = u64::from(*n);
            if rank < below + n {
                let (from, width) = self.scale.of_bucket(bucket);
                return Some((width as f64).mul_add(((rank - below) as f64 + 0.5) / n as f64, from as f64));
            }
            below += n;
        }
        None
    }

    /// The share of values of at most so many ms, 0..=1.
    #[must_use]
    pub fn share_within(&self, ms: u64) -> Option<f64> {
        let all = self.len();
        let mut within = 0.0;
        for (bucket, n) in (0u64..).zip(&self.counts) {
            let (from, width) = self.scale.of_bucket(bucket);
            if from > ms {
                break;
            }
            let part = if width == 0 { 1.0 } else { ((ms - from) as f64 / width as f64).min(1.0) };
            within += part * f64::from(*n);
        }
        (all > 0).then(|| within / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(scale: Scale, values: &[u64]) -> Histogram {
        let mut h = Histogram::new(scale);
        values.iter().for_each(|v| h.add(*v));
        h
    }

    /// As numpy does it: linear interpolation between order statistics.
    fn exact(values: &[u64], q: f64) -> f64 {
        let mut v = values.to_vec();
        v.sort_unstable();
        let at = q * (v.len() - 1) as f64;
        let (low, high) = (v[at.floor() as usize] as f64, v[at.ceil() as usize] as f64);
        low + (high - low) * at.fract()
    }

    proptest! {
        #[test]
        fn buckets_follow_each_other_and_hold_what_falls_into_them(ms in 0u64..9_000_000) {
            for scale in [Scale::Fine, Scale::Coarse] {
                let b = scale.bucket(ms);
                let (from, width) = scale.of_bucket(b);
                let ms = ms.min(TOP);
                let slack = if scale == Scale::Fine { TENTH / 2 } else { 0 };
                prop_assert!(from <= ms + slack && ms <= from + width.max(1) + slack, "{scale:?} {ms}: {from}+{width}");
                prop_assert!(scale.bucket(ms + 20_000) >= b);
            }
        }

        #[test]
        fn fine_quantiles_are_exact_and_coarse_ones_near(tenths in prop::collection::vec(0u64..20_000, 1..200), q in 0.0f64..1.0) {
            let values: Vec<u64> = tenths.iter().map(|t| t * 100).collect();
            let want = exact(&values, q);
            let fine = of(Scale::Fine, &values).quantile(q).unwrap();
            prop_assert!((fine - want).abs() < 1e-6, "{fine} {want}");
            // A single order statistic lies in its bucket: a sixteenth of itself, or two seconds.
            let ranks = [0.0, 1.0];
            for r in ranks {
                let (got, want) = (of(Scale::Coarse, &values).quantile(r).unwrap(), exact(&values, r));
                prop_assert!((got - want).abs() <= want / 16.0 + 2000.0, "{got} {want}");
            }
        }

        #[test]
        fn merged_parts_are_the_whole(a in prop::collection::vec(0u64..8_000_000, 0..50), b in prop::collection::vec(0u64..8_000_000, 0..50)) {
            for scale in [Scale::Fine, Scale::Coarse] {
                let mut merged = of(scale, &a);
                merged.merge(&of(scale, &b));
                let whole: Vec<u64> = b.iter().chain(&a).copied().collect();
                prop_assert_eq!(merged, of(scale, &whole));
            }
        }
    }

    #[test]
    fn a_share_is_counted_up_to_its_limit() {
        let h = of(Scale::Fine, &[0, 10_000, 20_000, 700_000]);
        assert_eq!(h.share_within(10_000), Some(0.5));
        assert_eq!(h.share_within(9_990), Some(0.25));
        assert_eq!(h.share_within(1_000_000), Some(1.0));
        assert_eq!(Histogram::default().share_within(5), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
        let mut coarse = Histogram::new(Scale::Coarse);
        coarse.merge(&h);
        assert_eq!(coarse.len(), 4);
    }
}
