//! How long a link takes: by time of day and kind of day, shrunk towards the link's own mean, the
//! city's pace and the timetable; and what the last vehicles over it did against that.
//!
//! A link's time runs from arrival at its first stop to arrival at its second: it holds the dwell.
//! Links are keyed by geometry, so that a feed with new ids keeps what was learned. The form of the
//! blend and its weights are explained in `docs/eta.md`.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use transit_model::timetable::LinkKey;

/// Ten-minute bins of a day's wall clock.
pub const BINS: usize = 144;
const BIN_SECONDS: f32 = 600.0;
/// Reach of the kernel to either side, bins; its spread is 25 minutes.
const REACH: usize = 6;
const SPREAD_BINS: f32 = 2.5;
/// Pseudo-observations that pull a bin towards the link's mean.
const SHRINK: f32 = 2.0;
const SHRINK_LOSS: f32 = 2.5;
/// How fast what the last vehicles did is forgotten, seconds.
const RECENT: f32 = 25.0 * 60.0;
const RECENT_SHRINK: f32 = 1.5;
const RECENT_WEIGHT: f32 = 0.8;
/// What a day's observations keep of their weight a day later.
const DAILY: f32 = 0.9;

/// Which days are like one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// Monday to Friday.
    Workday,
    /// Saturday and Sunday.
    Weekend,
}

impl DayKind {
    /// The kind of a weekday, 0 = Monday.
    #[must_use]
    pub const fn of(weekday: u8) -> Self {
        if weekday >= 5 { Self::Weekend } else { Self::Workday }
    }
}

/// When a link is run.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// The kind of day.
    pub kind: DayKind,
    /// Seconds since the wall clock's midnight, 0..86,400.
    pub second: f32,
    /// Unix seconds.
    pub unix: f64,
}

impl When {
    /// So many seconds later, on the same day.
    #[must_use]
    pub fn plus(self, seconds: f32) -> Self {
        let second = self.second + seconds;
        let second = if (0.0..86_400.0).contains(&second) { second } else { second.rem_euclid(86_400.0) };
        Self { second, unix: self.unix + f64::from(seconds), ..self }
    }

    /// The ten minutes of the day.
    pub(super) fn bin(self) -> usize {
        ((self.second / BIN_SECONDS) as usize).min(BINS - 1)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bin {
    weight: f32,
    /// Weighted sum of link times, seconds.
    time: f32,
    /// Weighted sum of what was lost on the timetable, seconds.
    loss: f32,
}

impl Bin {
    fn add(&mut self, time: f32, loss: f32) {
        self.weight += 1.0;
        self.time += time;
        self.loss += loss;
    }

    fn fade(&mut self, keep: f32) {
        self.weight *= keep;
        self.time *= keep;
        self.loss *= keep;
    }
}

/// What is known of one link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkStats {
    all: Bin,
    workday: Vec<Bin>,
    weekend: Vec<Bin>,
    /// Weighted sum of residuals of the last vehicles, seconds, and their weight, as of `recent_at`.
    #[serde(default)]
    recent: (f32, f32),
    #[serde(default)]
    recent_at: f64,
    dwell: Bin,
}

impl LinkStats {
    fn bins(&self, kind: DayKind) -> &[Bin] {
        match kind {
            DayKind::Workday => &self.workday,
            DayKind::Weekend => &self.weekend,
        }
    }
}

/// What the expected time of a link is made of, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkParts {
    /// As its own history has it at this time of day.
    pub own: f32,
    /// The timetable with what the link always loses on it.
    pub planned: f32,
    /// The timetable.
    pub plan: f32,
    /// What the last vehicles lost beyond that.
    pub recent: f32,
    /// Since the last vehicle began it, at most half an hour.
    pub unseen: f32,
    /// The expectation.
    pub total: f32,
}

/// What is known of a link at every time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    /// Whether it was ever run, and its mean time and loss then, seconds.
    means: Option<(f32, f32)>,
    recent: (f32, f32),
    recent_at: Option<f64>,
    /// The expected dwell at its first stop, seconds.
    pub(super) dwell: f32,
}

impl Steady {
    fn of(stats: Option<&LinkStats>) -> Self {
        let Some(s) = stats else {
            return Self { means: None, recent: (0.0, 0.0), recent_at: None, dwell: dwell_of(Bin::default()) };
        };
        let means = (s.all.weight > 0.0).then(|| (s.all.time / s.all.weight, s.all.loss / (s.all.weight + 3.0)));
        Self { means, recent: s.recent, recent_at: Some(s.recent_at), dwell: dwell_of(s.dwell) }
    }

    /// What a link whose traversals near this time of day come to `near` is expected to take, where the
    /// city's pace is such.
    pub(super) fn parts(&self, near: Bin, pace: f32, plan: f32, unix: f64) -> LinkParts {
        let (own, planned) = self.views(near, pace, plan);
        let settled = blend(own, planned, plan);
        let recent = self.recent_at.map_or(0.0, |at| {
            let keep = (-((unix - at).max(0.0) as f32) / RECENT).exp();
            let (sum, weight) = self.recent;
            RECENT_WEIGHT * sum * keep / (weight * keep + RECENT_SHRINK)
        });
        let unseen = self.recent_at.map_or(1800.0, |at| ((unix - at) as f32).clamp(0.0, 1800.0));
        LinkParts { own, planned, plan, recent, unseen, total: (settled + recent).max(settled * 0.35).max(3.0) }
    }

    /// A link's time as its own history has it, and as the timetable corrected by what it always loses.
    fn views(&self, near: Bin, pace: f32, plan: f32) -> (f32, f32) {
        let Some((mean, mean_loss)) = self.means else { return (plan * pace, plan * pace) };
        let own = (SHRINK * mean * pace + near.time) / (near.weight + SHRINK);
        let loss = (SHRINK_LOSS * mean_loss + near.loss) / (near.weight + SHRINK_LOSS);
        if plan <= 0.0 {
            return (own, own);
        }
        (own, (plan + loss).max(plan * 0.3))
    }
}

fn dwell_of(seen: Bin) -> f32 {
    (DWELL * 4.0 + seen.time) / (seen.weight + 4.0)
}

/// A timetable that is so many times what was learned, or so many times less, and a minute besides, is nonsense. One
/// absurd traversal cannot make it so: it is taken in as two and a half times the usual at most.
const NONSENSE: f32 = 3.0;
const NONSENSE_SECONDS: f32 = 60.0;

fn blend(own: f32, planned: f32, plan: f32) -> f32 {
    let beyond = |a: f32, b: f32| a > NONSENSE.mul_add(b, NONSENSE_SECONDS);
    if plan <= 0.0 || beyond(plan, own) || beyond(own, plan) { own } else { 0.4 * own + 0.4 * planned + 0.2 * plan }
}

/// Everything learned about links.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkModel {
    links: FxHashMap<LinkKey, LinkStats>,
    /// By bin and kind of day: Σ time and Σ the links' own means, for the city's pace.
    city: [Vec<(f32, f32)>; 2],
    /// Days since 1970 of the last fading.
    day: Option<i32>,
    #[serde(skip)]
    touched: rustc_hash::FxHashSet<LinkKey>,
}

impl Default for LinkModel {
    fn default() -> Self {
        Self {
            links: FxHashMap::default(),
            city: [vec![(0.0, 0.0); BINS], vec![(0.0, 0.0); BINS]],
            day: None,
            touched: rustc_hash::FxHashSet::default(),
        }
    }
}

/// A dwell before anything is known, seconds.
const DWELL: f32 = 18.0;

impl LinkModel {
    /// How many links have been seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether a link was ever seen run.
    #[must_use]
    pub fn knows(&self, link: LinkKey) -> bool {
        self.links.get(&link).is_some_and(|s| s.all.weight > 0.0)
    }

    /// Whether nothing has been learned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The expected time of a link, seconds from arrival to arrival, with what the last vehicles did.
    #[must_use]
    pub fn expect(&self, link: LinkKey, plan: f32, when: When) -> f32 {
        self.parts(link, plan, when).total
    }

    /// The expected time of a link and what it is made of.
    #[must_use]
    pub fn parts(&self, link: LinkKey, plan: f32, when: When) -> LinkParts {
        self.steady(link).parts(
            self.near(link, when.kind, when.bin()),
            self.pace(when.kind, when.bin()),
            plan,
            when.unix,
        )
    }

    /// The expected dwell at a link's first stop, seconds.
    #[must_use]
    pub fn dwell(&self, link: LinkKey) -> f32 {
        self.steady(link).dwell
    }

    /// What is known of a link at every time of day.
    pub(super) fn steady(&self, link: LinkKey) -> Steady {
        Steady::of(self.links.get(&link))
    }

    /// A link's traversals near a time of day, the nearer the more.
    pub(super) fn near(&self, link: LinkKey, kind: DayKind, bin: usize) -> Bin {
        self.links.get(&link).map_or_else(Bin::default, |s| kernel_sum(s.bins(kind), bin))
    }

    /// The city's pace at a time of day against its mean over the day; 1 before anything is known.
    pub(super) fn pace(&self, kind: DayKind, bin: usize) -> f32 {
        let [workday, weekend] = &self.city;
        let of_kind = if kind == DayKind::Workday { workday } else { weekend };
        let (mut time, mut mean) = (0.0, 0.0);
        for (w, (t, m)) in kernel().iter().zip(around(of_kind, bin)) {
            time += w * t;
            mean += w * m;
        }
        // Two hours of links weigh as much as knowing nothing.
        (time + 7200.0) / (mean + 7200.0)
    }

    /// Takes in one traversal: `time` seconds from arrival to arrival, where the timetable had `plan`.
    /// Says what was expected before.
    pub fn learn(&mut self, link: LinkKey, time: f32, plan: f32, when: When) -> f32 {
        let pace = self.pace(when.kind, when.bin());
        let (own, planned) = self.steady(link).views(self.near(link, when.kind, when.bin()), pace, plan);
        let settled = blend(own, planned, plan);
        let stats = self.links.entry(link).or_default();
        let mean = if stats.all.weight > 0.0 { stats.all.time / stats.all.weight } else { settled };
        // One absurd traversal must not move the mean: 2.5 times the usual and a quarter minute is the most.
        let kept = time.min(2.5f32.mul_add(mean.max(settled), 15.0));
        let loss = (time - plan).clamp((-0.7 * plan).max(-90.0), (1.5 * plan).max(120.0));
        let residual = (time - settled).clamp(-settled, 1.5f32.mul_add(settled, 30.0));
        let keep = (-((when.unix - stats.recent_at).max(0.0) as f32) / RECENT).exp();
        stats.recent = (stats.recent.0.mul_add(keep, residual), stats.recent.1.mul_add(keep, 1.0));
        stats.recent_at = stats.recent_at.max(when.unix);
        stats.all.add(kept, loss);
        let bins = match when.kind {
            DayKind::Workday => &mut stats.workday,
            DayKind::Weekend => &mut stats.weekend,
        };
        if bins.is_empty() {
            bins.resize(BINS, Bin::default());
        }
        if let Some(bin) = bins.get_mut(when.bin()) {
            bin.add(kept, loss);
        }
        let [workday, weekend] = &mut self.city;
        let of_kind = if when.kind == DayKind::Workday { workday } else { weekend };
        if let Some((t, m)) = of_kind.get_mut(when.bin()) {
            *t += kept.min(2.0 * mean);
            *m += mean;
        }
        self.touched.insert(link);
        settled
    }

    /// Takes in one dwell at a link's first stop, seconds.
    pub fn learn_dwell(&mut self, link: LinkKey, seconds: f32) {
        let stats = self.links.entry(link).or_default();
        stats.dwell.add(seconds.clamp(0.0, 90.0), 0.0);
        if stats.dwell.weight > 200.0 {
            stats.dwell.fade(0.5);
        }
        self.touched.insert(link);
    }

    /// A new day has come: what was learned weighs a little less.
    pub fn turn_day(&mut self, day: i32) {
        let Some(last) = self.day.replace(day) else { return };
        let days = day - last;
        if days <= 0 {
            return;
        }
        let keep = DAILY.powi(days.min(60));
        for (key, s) in &mut self.links {
            s.all.fade(keep);
            for bin in s.workday.iter_mut().chain(s.weekend.iter_mut()) {
                bin.fade(keep);
            }
            self.touched.insert(*key);
        }
        for (t, m) in self.city.iter_mut().flatten() {
            *t *= keep;
            *m *= keep;
        }
    }

    /// The links that have changed since this was last asked, for the store.
    pub fn take_touched(&mut self) -> Vec<(LinkKey, LinkStats)> {
        let mut keys: Vec<LinkKey> = self.touched.drain().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|k| Some((k, self.links.get(&k)?.clone()))).collect()
    }

    /// Every link, by key.
    #[must_use]
    pub fn all(&self) -> Vec<(LinkKey, LinkStats)> {
        let mut all: Vec<_> = self.links.iter().map(|(k, s)| (*k, s.clone())).collect();
        all.sort_unstable_by_key(|(k, _)| *k);
        all
    }

    /// What is not kept per link: the city's pace and the day of the last fading.
    #[must_use]
    pub fn frame(&self) -> ModelFrame {
        ModelFrame { city: self.city.clone(), day: self.day }
    }

    /// A model from what the store kept.
    #[must_use]
    pub fn restore(frame: ModelFrame, links: impl IntoIterator<Item = (LinkKey, LinkStats)>) -> Self {
        let whole = frame.city.iter().all(|c| c.len() == BINS);
        let sized = |bins: &Vec<Bin>| bins.is_empty() || bins.len() == BINS;
        let links = links.into_iter().filter(|(_, s)| sized(&s.workday) && sized(&s.weekend)).collect();
        let city = if whole { frame.city } else { Self::default().city };
        Self { links, city, day: frame.day, touched: rustc_hash::FxHashSet::default() }
    }
}

/// The part of a [`LinkModel`] that belongs to no link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFrame {
    city: [Vec<(f32, f32)>; 2],
    day: Option<i32>,
}

fn kernel() -> &'static [f32; 2 * REACH + 1] {
    static KERNEL: std::sync::LazyLock<[f32; 2 * REACH + 1]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|i| {
            let z = (i as f32 - REACH as f32) / SPREAD_BINS;
            (-0.5 * z * z).exp()
        })
    });
    &KERNEL
}

/// The bins around one, as the kernel meets them; beyond the day's ends the values are zero.
fn around<T: Copy + Default>(bins: &[T], at: usize) -> impl Iterator<Item = T> + '_ {
    (0..=2 * REACH).map(move |i| (at + i).checked_sub(REACH).and_then(|b| bins.get(b)).copied().unwrap_or_default())
}

fn kernel_sum(bins: &[Bin], at: usize) -> Bin {
    let mut sum = Bin::default();
    for (w, b) in kernel().iter().zip(around(bins, at)) {
        sum.weight += w * b.weight;
        sum.time += w * b.time;
        sum.loss += w * b.loss;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const L: LinkKey = LinkKey(7);

    fn at(hour: f32) -> When {
        When { kind: DayKind::Workday, second: hour * 3600.0, unix: f64::from(hour) * 3600.0 }
    }

    #[test]
    fn before_anything_is_known_the_timetable_holds() {
        assert!((LinkModel::default().expect(L, 120.0, at(8.0)) - 120.0).abs() < 0.5);
    }

    #[test]
    fn a_link_learns_its_own_time_and_when() {
        let mut m = LinkModel::default();
        for day in 0..20 {
            for minute in 0..12 {
                let add = |h: f32| When { unix: f64::from(day) * 86_400.0, ..at(h + minute as f32 / 12.0) };
                m.learn(L, 180.0, 120.0, add(8.0));
                m.learn(L, 90.0, 120.0, add(20.0));
            }
        }
        let later = |h: f32| When { unix: 21.0 * 86_400.0, ..at(h) };
        assert!(m.expect(L, 120.0, later(8.5)) > 160.0);
        assert!(m.expect(L, 120.0, later(20.5)) < 105.0);
    }

    #[test]
    fn one_absurd_traversal_hardly_moves_it() {
        let mut m = LinkModel::default();
        for i in 0..30 {
            m.learn(L, 100.0, 100.0, at(8.0 + i as f32 * 0.1));
        }
        m.learn(L, 20_000.0, 100.0, at(11.0));
        let tomorrow = When { unix: 86_400.0 * 2.0, ..at(11.0) };
        assert!(m.expect(L, 100.0, tomorrow) < 135.0, "{}", m.expect(L, 100.0, tomorrow));
    }

    #[test]
    fn what_the_last_vehicles_did_is_felt_at_once_and_forgotten() {
        let mut m = LinkModel::default();
        for i in 0..50 {
            m.learn(L, 100.0, 100.0, When { unix: f64::from(i) * 60.0, ..at(8.0) });
        }
        let jam = 86_400.0;
        m.learn(L, 240.0, 100.0, When { unix: jam, ..at(8.0) });
        m.learn(L, 240.0, 100.0, When { unix: jam + 120.0, ..at(8.0) });
        let soon = m.expect(L, 100.0, When { unix: jam + 180.0, ..at(8.0) });
        let late = m.expect(L, 100.0, When { unix: jam + 3.0 * 3600.0, ..at(8.0) });
        assert!(soon > 150.0 && late < 120.0, "{soon} {late}");
    }

    #[test]
    fn a_kept_model_says_the_same() {
        let mut m = LinkModel::default();
        m.learn(L, 100.0, 90.0, at(8.0));
        m.learn_dwell(L, 25.0);
        let json = serde_json::to_string(&(m.frame(), m.take_touched())).unwrap();
        let (frame, links): (ModelFrame, Vec<(LinkKey, LinkStats)>) = serde_json::from_str(&json).unwrap();
        let again = LinkModel::restore(frame, links);
        assert_eq!(m.expect(L, 90.0, at(8.2)), again.expect(L, 90.0, at(8.2)));
        assert_eq!(m.dwell(L), again.dwell(L));
        assert!(m.take_touched().is_empty());
    }
}
