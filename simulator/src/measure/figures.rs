//! The figures. Each is defined here, once, for recordings and simulated days alike.

use rustc_hash::FxHashMap;
use serde::Serialize;
use transit_model::ids::LinkIdx;

use super::rides::{Passage, Ride, Rides, Unused};
use super::stats::{correlation, mean, quantiles, spread};

/// How vehicles move, in figures. What too little was seen of is `None`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Figures {
    /// Service days.
    pub days: usize,
    /// Trips seen.
    pub trips: usize,
    /// Rides from stop to stop, from arrival to arrival.
    pub rides: usize,
    /// Rows that could not be used.
    pub unused: Unused,
    /// How long rides take.
    pub links: Links,
    /// What one ride tells about another.
    pub alike: Alike,
    /// Lateness at stops of the first quarter of a trip, the middle half, and the last quarter.
    pub lateness: [Option<Lateness>; 3],
    /// Headways there.
    pub headways: [Option<Headways>; 3],
    /// Time at stops, where departures were seen.
    pub dwell: Option<Dwell>,
}

/// How long rides take.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Links {
    /// Mean ride, seconds.
    pub mean_s: Option<f64>,
    /// All time ridden over all time planned.
    pub over_plan: Option<f64>,
    /// Coefficient of variation within a link and an hour of the day (eight rides or more): the
    /// median link and hour, and what one in ten is below and above.
    pub cv: Option<[f64; 3]>,
    /// Rides over the median of their link and hour: the quantiles 0.01, 0.1, 0.9, 0.99.
    pub tails: Option<[f64; 4]>,
    /// Deviation, from link to link, of the mean logarithm of ride over plan (twenty rides or more).
    pub between_links: Option<f64>,
    /// Deviation of single rides: of the logarithm of ride over plan, the link's and the hour's mean
    /// taken out. Every figure of [`Alike`] is of this residual.
    pub residual: Option<f64>,
}

/// Correlations of the residual.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Alike {
    /// One vehicle on a link and the next, less than 5 minutes apart.
    pub next_5: Option<f64>,
    /// 5 to 15 minutes apart.
    pub next_15: Option<f64>,
    /// 15 to 40 minutes apart.
    pub next_40: Option<f64>,
    /// The same link on another day within 10 minutes of the same time.
    pub other_day: Option<f64>,
    /// One link of a trip and the next.
    pub along_1: Option<f64>,
    /// Three links on.
    pub along_3: Option<f64>,
    /// Six links on.
    pub along_6: Option<f64>,
}

/// Lateness, seconds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Lateness {
    /// The quantiles 0.05, 0.5, 0.95.
    pub quantiles: [f64; 3],
    /// The deviation.
    pub deviation: f64,
}

/// Headways of a route at a stop, where the timetable has 4 to 30 minutes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Headways {
    /// How many.
    pub count: usize,
    /// Deviation of headway over planned headway.
    pub cv: f64,
    /// Deviation from the planned headway, seconds.
    pub deviation: f64,
    /// Share below a quarter of the planned one, overtaken vehicles counted.
    pub bunched: f64,
}

/// Time at a stop.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Dwell {
    /// Mean, seconds.
    pub mean_s: f64,
    /// Coefficient of variation.
    pub cv: f64,
    /// Share of stops passed without a halt.
    pub none: f64,
}

/// Rides of a link and an hour are measured where there are so many.
const RIDES: usize = 8;
/// Shorter planned rides are rounding, seconds.
const SHORTEST: f64 = 30.0;
/// Headways that are measured, seconds.
const HEADWAYS: std::ops::RangeInclusive<f64> = 240.0..=1800.0;

/// A ride and what is left of it when the link and the hour are taken out.
struct Left {
    ride: Ride,
    x: f64,
}

impl Figures {
    /// Measures.
    #[must_use]
    pub fn of(rides: &Rides<'_>) -> Self {
        let (all, passages) = (rides.rides(), rides.passages());
        let days = count_of(passages.iter().map(|p| p.date));
        let trips = count_of(passages.iter().map(|p| (p.date, p.trip)));
        let (left, between_links) = residuals(&all);
        let x: Vec<f64> = left.iter().map(|l| l.x).collect();
        let links = Links { between_links, residual: spread(&x).map(|(_, sd)| sd), ..links(&all) };
        Self {
            days,
            trips,
            rides: all.len(),
            unused: rides.unused,
            links,
            alike: alike(left),
            lateness: lateness(&passages),
            headways: headways(rides),
            dwell: dwell(&passages),
        }
    }
}

fn count_of<T: Ord>(of: impl Iterator<Item = T>) -> usize {
    let mut all: Vec<T> = of.collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

#[expect(clippy::cast_possible_truncation, reason = "an hour of a day")]
fn hour(at: f64) -> i32 {
    (at / 3600.0).floor() as i32
}

/// The first quarter of a trip, the middle half, the last quarter.
fn part(share: f64) -> usize {
    if share <= 0.25 { 0 } else { 1 + usize::from(share > 0.75) }
}

fn links(all: &[Ride]) -> Links {
    let mut by: FxHashMap<(LinkIdx, i32), Vec<f64>> = FxHashMap::default();
    for r in all {
        by.entry((r.link, hour(r.at))).or_default().push(r.took);
    }
    let (mut cvs, mut ratios) = (Vec::new(), Vec::new());
    for took in by.values_mut().filter(|t| t.len() >= RIDES) {
        let (Some((mean, sd)), Some([median])) = (spread(took), quantiles(took, [0.5])) else { continue };
        cvs.push(sd / mean);
        ratios.extend(took.iter().map(|t| t / median));
    }
    let took: Vec<f64> = all.iter().map(|r| r.took).collect();
    let planned: f64 = all.iter().map(|r| r.planned).sum();
    Links {
        mean_s: mean(&took),
        over_plan: (planned > 0.0).then(|| took.iter().sum::<f64>() / planned),
        cv: quantiles(&mut cvs, [0.5, 0.1, 0.9]),
        tails: quantiles(&mut ratios, [0.01, 0.1, 0.9, 0.99]),
        between_links: None,
        residual: None,
    }
}

/// What is left of each ride, and how much links differ.
fn residuals(all: &[Ride]) -> (Vec<Left>, Option<f64>) {
    let usable = all.iter().filter(|r| r.planned >= SHORTEST);
    let mut left: Vec<Left> = usable.map(|r| Left { ride: *r, x: (r.took / r.planned).clamp(0.2, 5.0).ln() }).collect();
    let of_links = take_out(&mut left, |r| r.link);
    let means: Vec<f64> = of_links.into_values().filter(|(n, _)| *n >= 20.0).map(|(_, mean)| mean).collect();
    take_out(&mut left, |r| hour(r.at));
    (left, spread(&means).map(|(_, sd)| sd))
}

/// Takes the mean of each group out; gives how many there were in it, and the mean.
fn take_out<K: Eq + std::hash::Hash>(left: &mut [Left], key: impl Fn(&Ride) -> K) -> FxHashMap<K, (f64, f64)> {
    let mut groups: FxHashMap<K, (f64, f64)> = FxHashMap::default();
    for l in left.iter() {
        let (n, mean) = groups.entry(key(&l.ride)).or_default();
        *n += 1.0;
        *mean += (l.x - *mean) / *n;
    }
    for l in left.iter_mut() {
        l.x -= groups.get(&key(&l.ride)).map_or(0.0, |(_, mean)| *mean);
    }
    groups
}

fn alike(mut left: Vec<Left>) -> Alike {
    // Rides of one trip are in order already.
    let along = |lag: usize| {
        let pair = |(a, b): (&Left, &Left)| {
            let (p, q) = (&a.ride, &b.ride);
            ((p.date, p.trip, p.call.at() + lag) == (q.date, q.trip, q.call.at())).then_some((a.x, b.x))
        };
        correlation(&left.iter().zip(left.iter().skip(lag)).filter_map(pair).collect::<Vec<_>>())
    };
    let (along_1, along_3, along_6) = (along(1), along(3), along(6));
    left.sort_by(|a, b| {
        let key = |l: &Left| (l.ride.link, l.ride.date);
        key(a).cmp(&key(b)).then(a.ride.at.total_cmp(&b.ride.at)).then(a.ride.trip.cmp(&b.ride.trip))
    });
    let next = |from: f64, to: f64| {
        let pairs = left.windows(2).filter_map(|w| {
            let [a, b] = w else { return None };
            let (p, q) = (&a.ride, &b.ride);
            let gap = q.at - p.at;
            (p.link == q.link && p.date == q.date && p.trip != q.trip && gap >= from && gap < to).then_some((a.x, b.x))
        });
        correlation(&pairs.collect::<Vec<_>>())
    };
    Alike {
        next_5: next(0.0, 300.0),
        next_15: next(300.0, 900.0),
        next_40: next(900.0, 2400.0),
        other_day: correlation(&other_day(&left)),
        along_1,
        along_3,
        along_6,
    }
}

/// Each ride with the nearest in time on the same link of another day: both days' in order.
fn other_day(sorted: &[Left]) -> Vec<(f64, f64)> {
    let mut pairs = Vec::new();
    for link in sorted.chunk_by(|a, b| a.ride.link == b.ride.link) {
        let days: Vec<&[Left]> = link.chunk_by(|a, b| a.ride.date == b.ride.date).collect();
        for w in days.windows(2) {
            let [one, other] = w else { continue };
            for a in *one {
                let at = other.partition_point(|b| b.ride.at < a.ride.at);
                let near = other.get(at.saturating_sub(1)..(at + 1).min(other.len())).unwrap_or_default();
                let gap = |b: &&Left| (b.ride.at - a.ride.at).abs();
                let best = near.iter().min_by(|p, q| gap(p).total_cmp(&gap(q)));
                pairs.extend(best.filter(|b| gap(b) <= 600.0).map(|b| (a.x, b.x)));
            }
        }
    }
    pairs
}

fn lateness(passages: &[Passage]) -> [Option<Lateness>; 3] {
    let mut parts: [Vec<f64>; 3] = Default::default();
    for p in passages {
        if let (Some(at), Some(part)) = (p.arrival, parts.get_mut(part(p.share))) {
            part.push(at - p.planned);
        }
    }
    parts.map(|mut late| {
        let (_, deviation) = spread(&late)?;
        Some(Lateness { quantiles: quantiles(&mut late, [0.05, 0.5, 0.95])?, deviation })
    })
}

fn headways(rides: &Rides<'_>) -> [Option<Headways>; 3] {
    let mut parts: [Vec<(f64, f64)>; 3] = Default::default();
    for passages in rides.by_stop() {
        for w in passages.windows(2) {
            let [a, b] = w else { continue };
            let (Some(one), Some(next)) = (a.arrival, b.arrival) else { continue };
            let planned = b.planned - a.planned;
            if let Some(part) = parts.get_mut(part(b.share)).filter(|_| HEADWAYS.contains(&planned)) {
                part.push((next - one, planned));
            }
        }
    }
    parts.map(|all| {
        let ratios: Vec<f64> = all.iter().map(|(h, planned)| (h / planned).clamp(-1.0, 4.0)).collect();
        let off: Vec<f64> = all.iter().map(|(h, planned)| h - planned).collect();
        let bunched = all.iter().filter(|(h, planned)| *h < planned / 4.0).count() as f64 / all.len().max(1) as f64;
        Some(Headways { count: all.len(), cv: spread(&ratios)?.1, deviation: spread(&off)?.1, bunched })
    })
}

/// A halt is at least so long, seconds: files hold whole ones.
const HALT: f64 = 1.0;

fn dwell(passages: &[Passage]) -> Option<Dwell> {
    let halts = passages.iter().filter_map(|p| Some(p.departure? - p.arrival?));
    let (halts, passed): (Vec<f64>, Vec<f64>) = halts.filter(|d| (0.0..900.0).contains(d)).partition(|d| *d >= HALT);
    let (mean_s, sd) = spread(&halts)?;
    Some(Dwell { mean_s, cv: sd / mean_s, none: passed.len() as f64 / (halts.len() + passed.len()) as f64 })
}
