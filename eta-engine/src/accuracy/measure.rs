//! What is added up of predictions, and how parts are merged. Times are whole milliseconds and sums
//! are integers, so that any order and any split gives the same bits.

use serde::{Deserialize, Serialize};
use transit_model::time::UnixMs;

use super::bins::{self, BEYOND, BINS};
use super::histogram::{Histogram, Scale};

/// Who predicted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// The predictions that are judged.
    Ours,
    /// The timetable, shifted by the delay at the last stop passed.
    Sched,
    /// Median link times of the days before.
    Link,
    /// The last vehicle over each link and the days before, blended (TheTransitClock's formula).
    Kalman,
}

impl Who {
    /// Everybody; the first two are always there, the others where days before are known.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Sched, Self::Link, Self::Kalman];

    /// `ours`, `sched`, `link`, `kalman`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Sched => "sched",
            Self::Link => "link",
            Self::Kalman => "kalman",
        }
    }
}

/// How often something was so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Share {
    /// Times it was looked at.
    pub of: u64,
    /// Times it was so.
    pub good: u64,
}

impl Share {
    /// Looks once.
    pub fn add(&mut self, good: bool) {
        self.of += 1;
        self.good += u64::from(good);
    }

    /// Takes in what another has seen.
    pub const fn merge(&mut self, other: Self) {
        self.of += other.of;
        self.good += other.good;
    }

    /// 0..=1; nothing where nothing was looked at.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.good as f64 / self.of as f64)
    }
}

/// Errors of predictions: actual − predicted. Negative: the vehicle came before it was told to, and a
/// passenger who believed it was left behind.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Errors {
    /// How many.
    pub n: u64,
    sum: i64,
    absolute: u64,
    beyond: u64,
    spread: Histogram,
}

impl Errors {
    /// None yet.
    #[must_use]
    pub const fn new(scale: Scale) -> Self {
        Self { n: 0, sum: 0, absolute: 0, beyond: 0, spread: Histogram::new(scale) }
    }

    /// Takes an error, ms.
    pub fn add(&mut self, error: i64) {
        let absolute = error.unsigned_abs();
        self.n += 1;
        self.sum = self.sum.saturating_add(error);
        self.absolute = self.absolute.saturating_add(absolute);
        self.beyond += u64::from(absolute > BEYOND.unsigned_abs() * 1000);
        self.spread.add(absolute);
    }

    /// Takes in what another has.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum = self.sum.saturating_add(other.sum);
        self.absolute = self.absolute.saturating_add(other.absolute);
        self.beyond += other.beyond;
        self.spread.merge(&other.spread);
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.n > 0).then(|| sum / self.n as f64 / 1000.0)
    }

    /// Mean absolute error, seconds.
    #[must_use]
    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolute as f64)
    }

    /// Mean error, seconds: positive when vehicles come later than told.
    #[must_use]
    pub fn bias(&self) -> Option<f64> {
        self.mean(self.sum as f64)
    }

    /// The quantile `q` (0..=1) of the absolute error, seconds.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.spread.quantile(q).map(|ms| ms / 1000.0)
    }

    /// The share of errors beyond ten minutes, 0..=1.
    #[must_use]
    pub fn beyond(&self) -> Option<f64> {
        Share { of: self.n, good: self.beyond }.share()
    }

    /// The share of absolute errors of at most so many seconds, 0..=1.
    #[must_use]
    pub fn within(&self, seconds: u64) -> Option<f64> {
        self.spread.share_within(seconds * 1000)
    }
}

/// What is known of one predictor.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Errors by horizon ([`bins::HORIZONS`]).
    pub errors: [Errors; BINS],
    /// Right by the MBTA's bins ([`bins::MBTA`]).
    pub mbta: [Share; BINS],
    /// Right by the benchmark's bins ([`bins::BENCHMARK`]).
    pub benchmark: [Share; BINS],
}

impl Measures {
    fn new(scale: Scale) -> Self {
        Self { errors: std::array::from_fn(|_| Errors::new(scale)), ..Self::default() }
    }

    /// Takes a prediction that came true within the last horizon, and nothing else.
    fn add(&mut self, made: UnixMs, predicted: UnixMs, actual: UnixMs) {
        let (to_arrival, lead, error) = (actual.0 - made.0, predicted.0 - made.0, actual.0 - predicted.0);
        let Some(bin) = bins::horizon(to_arrival).and_then(|b| self.errors.get_mut(b)) else { return };
        bin.add(error);
        if let Some((bin, right)) = bins::mbta(lead, error)
            && let Some(share) = self.mbta.get_mut(bin)
        {
            share.add(right);
        }
        if let Some((bin, right)) = bins::benchmark(to_arrival, error)
            && let Some(share) = self.benchmark.get_mut(bin)
        {
            share.add(right);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.errors.iter_mut().zip(&other.errors).for_each(|(a, b)| a.merge(b));
        self.mbta.iter_mut().zip(other.mbta).for_each(|(a, b)| a.merge(b));
        self.benchmark.iter_mut().zip(other.benchmark).for_each(|(a, b)| a.merge(b));
    }

    /// All horizons together.
    #[must_use]
    pub fn all(&self) -> Errors {
        let mut all = self.errors.first().cloned().unwrap_or_default();
        self.errors.iter().skip(1).for_each(|e| all.merge(e));
        all
    }

    /// The ETA Accuracy Benchmark: the mean of its four shares, 0..=1; nothing while one is empty.
    #[must_use]
    pub fn eta_benchmark(&self) -> Option<f64> {
        let shares: Option<Vec<f64>> = self.benchmark.iter().map(|s| s.share()).collect();
        shares.map(|s| s.iter().sum::<f64>() / BINS as f64)
    }
}

/// How often arrivals fell between p10 and p90, and how far those lie apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Of intervals, those that held the arrival; 0.80 is what is promised.
    pub cover: Share,
    width: i64,
}

impl Interval {
    fn add(&mut self, p10: UnixMs, p90: UnixMs, actual: UnixMs) {
        self.cover.add(p10 <= actual && actual <= p90);
        self.width = self.width.saturating_add(p90.0 - p10.0);
    }

    /// Takes in what another has seen.
    pub const fn merge(&mut self, other: Self) {
        self.cover.merge(other.cover);
        self.width = self.width.saturating_add(other.width);
    }

    /// Mean width, seconds.
    #[must_use]
    pub fn width(self) -> Option<f64> {
        (self.cover.of > 0).then(|| self.width as f64 / self.cover.of as f64 / 1000.0)
    }
}

/// A prediction that was sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When it was made.
    pub made: UnixMs,
    /// The arrival it promised.
    pub arrival: UnixMs,
    /// p10 and p90, where it said them.
    pub interval: Option<(UnixMs, UnixMs)>,
}

/// A sample with what happened, and what the baselines would have said at the same moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proven {
    /// The sample.
    pub sample: Sample,
    /// When the vehicle came.
    pub actual: UnixMs,
    /// The timetable's word; nothing before the vehicle has passed its first stop.
    pub sched: Option<UnixMs>,
    /// Link medians' and Kalman's word, where days before are known.
    pub learned: Option<(UnixMs, UnixMs)>,
    /// When the sample of the same call before this one was made, and what it promised.
    pub before: Option<(UnixMs, UnixMs)>,
}

/// Samples of one call farther apart than this are not compared with each other, ms.
const NEXT_SAMPLE: i64 = 90_000;
/// A prediction made so long after the arrival was late news, ms.
const AFTER_THE_FACT: i64 = 30_000;

/// Everything that is measured of one group of predictions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// By [`Who`], as many as have said something.
    who: Vec<Measures>,
    scale: Scale,
    /// Samples, of which so many never came true.
    pub unproven: Share,
    /// Samples made more than 30 s after the arrival.
    pub after_the_fact: u64,
    /// Samples within the horizons for which the timetable had no word: nobody is judged by them.
    pub without_baseline: u64,
    /// By horizon.
    pub interval: [Interval; BINS],
    /// Of pairs of samples a minute apart, those where the minute shown rose.
    pub count_up: Share,
    wobble: Histogram,
    /// Of minutes 1..=15 before an arrival, those with a prediction not older than 90 s.
    pub coverage: Share,
}

impl Cell {
    /// Nothing yet.
    #[must_use]
    pub fn new(scale: Scale) -> Self {
        Self { scale, wobble: Histogram::new(scale), ..Self::default() }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.unproven.of == 0 && self.coverage.of == 0
    }

    /// What is known of one predictor.
    #[must_use]
    pub fn of(&self, who: Who) -> Option<&Measures> {
        self.who.get(who as usize)
    }

    /// Who has said something.
    pub fn present(&self) -> impl Iterator<Item = (Who, &Measures)> {
        Who::ALL.into_iter().zip(&self.who)
    }

    /// Median change of the promised arrival from one minute to the next, seconds.
    #[must_use]
    pub fn wobble(&self) -> Option<f64> {
        self.wobble.quantile(0.5).map(|ms| ms / 1000.0)
    }

    /// Every horizon's intervals together.
    #[must_use]
    pub fn intervals(&self) -> Interval {
        self.interval.iter().fold(Interval::default(), |mut all, i| {
            all.merge(*i);
            all
        })
    }

    /// Takes samples that never came true.
    pub const fn disproven(&mut self, samples: u64) {
        self.unproven.of += samples;
        self.unproven.good += samples;
    }

    /// Takes a sample that came true.
    pub fn proven(&mut self, p: &Proven) {
        let s = &p.sample;
        let to_arrival = p.actual.0 - s.made.0;
        self.unproven.add(false);
        self.after_the_fact += u64::from(to_arrival < -AFTER_THE_FACT);
        if let (Some(bin), Some((p10, p90))) = (bins::horizon(to_arrival), s.interval)
            && let Some(interval) = self.interval.get_mut(bin)
        {
            interval.add(p10, p90, p.actual);
        }
        if let Some((made, arrival)) = p.before.filter(|(made, _)| to_arrival > 0 && s.made.0 - made.0 <= NEXT_SAMPLE) {
            self.count_up.add(shown_minutes(s.made, s.arrival) > shown_minutes(made, arrival));
            self.wobble.add((s.arrival.0 - arrival.0).unsigned_abs());
        }
        if bins::horizon(to_arrival).is_none() {
            return;
        }
        let Some(sched) = p.sched else {
            self.without_baseline += 1;
            return;
        };
        self.say(Who::Ours, s.made, s.arrival, p.actual);
        self.say(Who::Sched, s.made, sched, p.actual);
        if let Some((link, kalman)) = p.learned {
            self.say(Who::Link, s.made, link, p.actual);
            self.say(Who::Kalman, s.made, kalman, p.actual);
        }
    }

    fn say(&mut self, who: Who, made: UnixMs, predicted: UnixMs, actual: UnixMs) {
        while self.who.len() <= who as usize {
            self.who.push(Measures::new(self.scale));
        }
        if let Some(m) = self.who.get_mut(who as usize) {
            m.add(made, predicted, actual);
        }
    }

    /// Takes in what another has.
    pub fn merge(&mut self, other: &Self) {
        while self.who.len() < other.who.len() {
            self.who.push(Measures::new(self.scale));
        }
        self.who.iter_mut().zip(&other.who).for_each(|(a, b)| a.merge(b));
        self.unproven.merge(other.unproven);
        self.after_the_fact += other.after_the_fact;
        self.without_baseline += other.without_baseline;
        self.interval.iter_mut().zip(other.interval).for_each(|(a, b)| a.merge(b));
        self.count_up.merge(other.count_up);
        self.wobble.merge(&other.wobble);
        self.coverage.merge(other.coverage);
    }
}

/// The whole minutes shown at a moment for an arrival: rounded, halves to the even minute.
#[must_use]
pub fn shown_minutes(at: UnixMs, arrival: UnixMs) -> i64 {
    ((arrival.0 - at.0) as f64 / 60_000.0).round_ties_even() as i64
}
