//! What predictions are held against: three that know every true arrival so far, by perfect matching, so that
//! beating them is harder than it looks. All in the manner of the city's common practice: the timetable
//! shifted, medians of days before, and TheTransitClock's filter.

use rustc_hash::FxHashMap;
use transit_model::ids::{IdxVec, PatternIdx, StopIdx, StopPos, TripIdx};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::truth::{Arrival, Run, Truth};

/// The timetable, shifted by the delay at the last stop passed: never before `now`. `passed` is when the
/// vehicle came to that stop; the planned times are of that stop and of the one ahead, seconds of the day.
#[must_use]
pub fn sched(now: UnixMs, passed: UnixMs, planned_there: i32, planned_ahead: i32) -> UnixMs {
    now.max(passed.plus_secs(i64::from(planned_ahead) - i64::from(planned_there)))
}

/// The last arrival of a run at or before `now`; nothing before its first.
#[must_use]
pub fn last_passed(of_run: &[Arrival], now: UnixMs) -> Option<&Arrival> {
    of_run.partition_point(|a| a.at <= now).checked_sub(1).and_then(|i| of_run.get(i))
}

/// The planned arrival at a call, seconds of the service day.
#[must_use]
pub fn planned(t: &Timetable, trip: TripIdx, pos: u16) -> Option<i32> {
    t.time_at(trip, StopPos(pos)).map(|c| c.arrival.0)
}

/// A link of a day before, seconds.
#[derive(Clone, Copy, Debug)]
struct Stat {
    median: f64,
    mean: f64,
    variance: f64,
}

impl Stat {
    fn of(mut seconds: Vec<f64>) -> Option<Self> {
        seconds.sort_unstable_by(f64::total_cmp);
        let n = seconds.len();
        let mean = seconds.iter().sum::<f64>() / n as f64;
        let variance = seconds.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n as f64;
        let (low, high) = (seconds.get((n.checked_sub(1)?) / 2)?, seconds.get(n / 2)?);
        Some(Self { median: f64::midpoint(*low, *high), mean, variance })
    }
}

/// Fewer runs of a link in an hour say less than those of all hours.
const ENOUGH: usize = 3;
/// The last vehicle over a link is of interest for so long, seconds.
const RECENT: f64 = 5400.0;
/// The variance of measurement in TheTransitClock's formula, s².
const MEASURED: f64 = 100.0;

/// A link between two stops, whatever the way between them.
#[derive(Clone, Debug, Default)]
struct Link {
    any: Option<Stat>,
    /// By hour of the service day.
    hours: Vec<(i64, Stat)>,
    /// Today's runs: when they ended and how long they took, seconds, by time.
    today: Vec<(f64, f64)>,
}

impl Link {
    fn at(&self, hour: i64) -> Option<&Stat> {
        self.hours.iter().find(|(h, _)| *h == hour).map(|(_, s)| s).or(self.any.as_ref())
    }

    /// `gain = (e+v)/(e+2v)`, `(1-gain)*last + gain*mean`; the mean alone where no vehicle came lately.
    fn kalman(&self, stat: &Stat, now: f64) -> f64 {
        let last = self.today.partition_point(|(at, _)| *at <= now).checked_sub(1).and_then(|i| self.today.get(i));
        match last.filter(|(at, _)| now - at < RECENT) {
            Some((_, took)) => {
                let gain = (MEASURED + stat.variance) / 2.0f64.mul_add(stat.variance, MEASURED);
                (1.0 - gain) * took + gain * stat.mean
            }
            None => stat.mean,
        }
    }
}

/// What days before teach of links, and today's runs of them so far.
#[derive(Clone, Debug)]
pub struct Learned {
    links: Vec<Link>,
    /// The links of a pattern, one fewer than its calls.
    of_pattern: IdxVec<PatternIdx, Vec<u32>>,
    cursor: Cursor,
}

/// How far along a run the two have been carried; the next stop of the same run goes on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cursor {
    run: u32,
    now: UnixMs,
    from: u16,
    at: u16,
    link: f64,
    kalman: f64,
}

impl Learned {
    /// Learns from days before; `today` is what the filter sees the last vehicles of.
    #[must_use]
    pub fn new(t: &Timetable, before: &Truth, today: &Truth) -> Self {
        let mut ids: FxHashMap<(StopIdx, StopIdx), u32> = FxHashMap::default();
        let mut of_pattern = Vec::with_capacity(t.patterns.len());
        for (_, p) in t.patterns.iter() {
            let pairs = p.calls.iter().zip(p.calls.iter().skip(1));
            let links = pairs.map(|(a, b)| {
                let next = u32::try_from(ids.len()).unwrap_or(u32::MAX);
                *ids.entry((a.stop, b.stop)).or_insert(next)
            });
            of_pattern.push(links.collect::<Vec<u32>>());
        }
        let mut learned = Self {
            links: vec![Link::default(); ids.len()],
            of_pattern: of_pattern.into(),
            cursor: Cursor { run: u32::MAX, ..Cursor::default() },
        };
        learned.learn(t, before);
        for run in today.runs() {
            learned.runs_of(t, today, run, |link, at, took, _| link.today.push((at, took)));
        }
        for link in &mut learned.links {
            link.today.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        }
        learned
    }

    fn learn(&mut self, t: &Timetable, before: &Truth) {
        let mut all: Vec<Vec<(i64, f64)>> = vec![Vec::new(); self.links.len()];
        for run in before.runs() {
            let Some(links) = self.links_of(t, run) else { continue };
            for_each_link(before, run, |link, at, took| {
                let hour = ((at - run.day_start.secs_f64()) / 3600.0).floor() as i64;
                if let Some(seen) = links.get(link).and_then(|l| all.get_mut(*l as usize)) {
                    seen.push((hour, took));
                }
            });
        }
        for (link, seen) in self.links.iter_mut().zip(all) {
            link.any = Stat::of(seen.iter().map(|(_, s)| *s).collect());
            let mut hours: Vec<i64> = seen.iter().map(|(h, _)| *h).collect();
            hours.sort_unstable();
            hours.dedup();
            for hour in hours {
                let of_hour: Vec<f64> = seen.iter().filter(|(h, _)| *h == hour).map(|(_, s)| *s).collect();
                if of_hour.len() >= ENOUGH {
                    link.hours.extend(Stat::of(of_hour).map(|s| (hour, s)));
                }
            }
        }
    }

    fn links_of(&self, t: &Timetable, run: &Run) -> Option<Vec<u32>> {
        self.of_pattern.get(t.trips.at(run.trip?).pattern).cloned()
    }

    fn runs_of(&mut self, t: &Timetable, truth: &Truth, run: &Run, mut each: impl FnMut(&mut Link, f64, f64, usize)) {
        let Some(links) = self.links_of(t, run) else { return };
        for_each_link(truth, run, |n, at, took| {
            if let Some(link) = links.get(n).and_then(|l| self.links.get_mut(*l as usize)) {
                each(link, at, took, n);
            }
        });
    }

    /// What both say at `now` of a call ahead, for a vehicle that was last seen to arrive at `passed`.
    #[must_use]
    pub fn say(
        &mut self,
        t: &Timetable,
        (run, of): (u32, &Run),
        now: UnixMs,
        passed: (u16, UnixMs),
        ahead: u16,
    ) -> Option<(UnixMs, UnixMs)> {
        let trip = of.trip?;
        let links = self.of_pattern.get(t.trips.at(trip).pattern)?;
        let (here, clock) = (Cursor { run, now, from: passed.0, ..Cursor::default() }, now.secs_f64());
        let c = self.cursor;
        let goes_on = (c.run, c.now, c.from) == (here.run, here.now, here.from) && c.at <= ahead;
        let begun = passed.1.secs_f64();
        let mut c = if goes_on { c } else { Cursor { at: passed.0, link: begun, kalman: begun, ..here } };
        let hour = ((clock - of.day_start.secs_f64()) / 3600.0).floor() as i64;
        while c.at < ahead {
            let link = self.links.get(*links.get(usize::from(c.at))? as usize)?;
            let plan = f64::from(planned(t, trip, c.at + 1)? - planned(t, trip, c.at)?);
            let stat = link.at(hour);
            c.link += stat.map_or(plan, |s| s.median);
            c.kalman += stat.map_or(plan, |s| link.kalman(s, clock));
            c.at += 1;
            if c.at == passed.0 + 1 {
                c.link = c.link.max(clock);
                c.kalman = c.kalman.max(clock);
            }
        }
        self.cursor = c;
        Some((UnixMs::from_secs_f64(c.link), UnixMs::from_secs_f64(c.kalman)))
    }
}

/// The links a run was seen to make: which of its pattern, when it ended, how long it took.
fn for_each_link(truth: &Truth, run: &Run, mut each: impl FnMut(usize, f64, f64)) {
    let of_run = truth.arrivals().get(run.arrivals.clone()).unwrap_or(&[]);
    for (a, b) in of_run.iter().zip(of_run.iter().skip(1)) {
        let (Some(from), Some(to)) = (a.pos, b.pos) else { continue };
        if to == from + 1 && b.at > a.at {
            each(usize::from(from), b.at.secs_f64(), b.at.secs_f64() - a.at.secs_f64());
        }
    }
}
