//! What one machine drove: its fixes brought onto the streets by the likeliest way through all of them
//! (a hidden-Markov model, Viterbi with a lag of a few fixes), gaps bridged along the streets where that
//! is plausible, and nowhere else. Pure.
//!
//! ```text
//! fix ─▶ places it may have been made at ─▶ ways from the places before ─▶ … a few fixes later: Passage
//! ```

use std::collections::VecDeque;

use smallvec::SmallVec;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;

use super::network::{Ahead, Candidate, Leg, ahead, candidates};
use super::streets::Streets;

/// Two fixes farther apart in time are not joined, seconds.
const GAP: i64 = 60;
/// Two fixes farther apart are not joined, metres.
const FAR: f32 = 800.0;
/// The way along the streets may be so many times as long as the bee's…
const ROUNDABOUT: f32 = 1.6;
/// …and so much longer besides, metres.
const SPARE: f32 = 60.0;
/// How far the way along the streets differs from the bee's, metres.
const DIFFERS: f32 = 8.0;
/// A move shorter than this is no move, metres.
const STEP: f32 = 12.0;
/// Below this a receiver says that it stands, m/s.
const STANDS: f32 = 0.5;
/// A standing receiver wanders so far, metres.
const WANDERS: f32 = 40.0;
/// The same for one that does not say its speed, metres.
const MUTE: f32 = 25.0;
/// Below this a course over ground says nothing, m/s.
const STEERS: f32 = 1.5;
/// A way is settled so many fixes later.
const LAG: usize = 5;
/// Faster than any machine, m/s.
const FASTEST: f32 = 35.0;

/// A fix, as a trace takes it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    /// When it was made.
    pub time: UnixMs,
    /// Where, on the plane.
    pub at: Xy,
    /// m/s, when known.
    pub speed: Option<f32>,
    /// Degrees, when known.
    pub bearing: Option<f32>,
    /// Whether the machine says that it works; `None` = it says nothing of it.
    pub working: Option<bool>,
}

/// Something that was driven along streets.
#[derive(Clone, PartialEq, Debug)]
pub struct Passage {
    /// Along what, in order.
    pub legs: SmallVec<[Leg; 4]>,
    /// When it began.
    pub from: UnixMs,
    /// When it ended.
    pub to: UnixMs,
    /// What the machine said of its work on the way: when it began.
    pub working: Option<bool>,
}

impl Passage {
    /// Its length, metres.
    #[must_use]
    pub fn metres(&self) -> f32 {
        self.legs.iter().map(Leg::metres).sum()
    }

    /// How fast it was driven, m/s.
    #[must_use]
    pub fn speed(&self) -> f32 {
        self.metres() / ((self.to.0 - self.from.0).max(1) as f32 / 1000.0)
    }
}

/// A fix that waits until its place is certain.
#[derive(Clone, Debug)]
struct Step {
    seen: Seen,
    /// The last moment it was seen here.
    left: UnixMs,
    /// The places it may have been made at, each with the cost of the best way there and where that came from.
    places: SmallVec<[(Candidate, f32, Option<u8>); 8]>,
}

/// The fixes of one machine whose places are not settled yet.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    steps: VecDeque<Step>,
    /// A fix that fits nothing before it: noise, unless the next agrees with it.
    astray: Option<Seen>,
    /// The last moment anything was heard.
    heard: Option<UnixMs>,
}

impl Trace {
    /// Takes a fix; says what is settled by it. Fixes must come in the order of their time.
    pub fn take(&mut self, streets: &Streets, seen: Seen) -> Vec<Passage> {
        let mut settled = Vec::new();
        if self.heard.is_some_and(|t| seen.time.secs_since(t) > GAP) {
            self.end(streets, &mut settled);
        }
        self.heard = Some(seen.time);
        if let Some(last) = self.steps.back_mut()
            && stays(&last.seen, &seen)
        {
            last.left = seen.time;
            last.seen.working = seen.working;
            return settled;
        }
        match self.step(streets, seen) {
            Fits::Well(step) => {
                self.astray = None;
                self.steps.push_back(*step);
            }
            // Off the streets: a yard, a bridge's ramp, or noise.
            Fits::NoStreet => {}
            Fits::NotTheRest => match self.astray.take() {
                None => self.astray = Some(seen),
                Some(before) => {
                    self.end(streets, &mut settled);
                    for seen in [before, seen] {
                        if let Fits::Well(step) = self.step(streets, seen) {
                            self.steps.push_back(*step);
                        }
                    }
                }
            },
        }
        while self.steps.len() > LAG + 1 {
            self.settle(streets, &mut settled);
        }
        settled
    }

    /// Settles everything, where nothing was heard for so long that what comes will not be joined to it.
    pub fn settle_by(&mut self, streets: &Streets, now: UnixMs) -> Vec<Passage> {
        let mut settled = Vec::new();
        if self.heard.is_some_and(|t| now.secs_since(t) > GAP) {
            self.end(streets, &mut settled);
        }
        settled
    }

    /// Settles everything.
    pub fn end(&mut self, streets: &Streets, settled: &mut Vec<Passage>) {
        while self.steps.len() > 1 {
            self.settle(streets, settled);
        }
        self.steps.clear();
        self.astray = None;
    }

    /// The street it is likeliest on now, by piece.
    #[must_use]
    pub fn piece(&self) -> Option<u32> {
        Some(best(self.steps.back()?)?.0.piece)
    }

    /// The places of a fix, with the best way to each.
    fn step(&self, streets: &Streets, seen: Seen) -> Fits {
        let last = self.steps.back();
        let heading = heading(last.map(|s| &s.seen), &seen);
        let here = candidates(streets, seen.at, heading);
        if here.is_empty() {
            return Fits::NoStreet;
        }
        let begin = || here.iter().map(|c| (*c, c.cost, None)).collect();
        let places = match last {
            None => begin(),
            Some(last) => {
                let bee = last.seen.at.distance(seen.at);
                let seconds = ((seen.time.0 - last.left.0).max(1) as f32 / 1000.0).max(1.0);
                let limit = bee.mul_add(ROUNDABOUT, SPARE).min(seconds.mul_add(FASTEST, SPARE));
                if bee > FAR || bee > seconds.mul_add(FASTEST, SPARE) {
                    return Fits::NotTheRest;
                }
                ways(streets, last, &here, bee, limit)
            }
        };
        if places.is_empty() { Fits::NotTheRest } else { Fits::Well(Box::new(Step { seen, left: seen.time, places })) }
    }

    /// Settles the first of the steps: the best way through all of them begins there.
    fn settle(&mut self, streets: &Streets, settled: &mut Vec<Passage>) {
        let mut at = self.steps.back().and_then(|s| best(s).map(|(_, n)| n));
        for n in (2..self.steps.len()).rev() {
            at = self.steps.get(n).zip(at).and_then(|(s, at)| s.places.get(at)?.2).map(usize::from);
        }
        let Some(first) = self.steps.pop_front() else { return };
        let Some((second, at)) = self.steps.front_mut().zip(at) else { return };
        let Some((to, _, before)) = second.places.get(at).copied() else { return };
        let Some((from, ..)) = before.and_then(|b| first.places.get(usize::from(b))) else { return };
        let look = look(streets, &first, from, second.seen.at);
        let mut legs = look.legs(&to);
        if legs.is_empty()
            && let (Some(a), Some(b)) = (first.seen.speed, second.seen.speed)
        {
            let seconds = (second.seen.time.0 - first.left.0).max(0) as f32 / 1000.0;
            legs = look.turned(&to, (a + b) / 2.0 * seconds);
        }
        if !legs.is_empty() {
            settled.push(Passage { legs, from: first.left, to: second.seen.time, working: first.seen.working });
        }
    }
}

enum Fits {
    Well(Box<Step>),
    NoStreet,
    NotTheRest,
}

fn best(step: &Step) -> Option<(Candidate, usize)> {
    let all = step.places.iter().enumerate();
    all.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map(|(n, (c, ..))| (*c, n))
}

fn look<'a>(streets: &'a Streets, from: &Step, place: &Candidate, to: Xy) -> Ahead<'a> {
    let bee = from.seen.at.distance(to);
    ahead(streets, *place, bee.mul_add(ROUNDABOUT, SPARE))
}

/// The places of a fix that can be come to from those of the last, each by the best way.
fn ways(
    streets: &Streets,
    last: &Step,
    here: &[Candidate],
    bee: f32,
    limit: f32,
) -> SmallVec<[(Candidate, f32, Option<u8>); 8]> {
    let mut bests: SmallVec<[Option<(f32, u8)>; 8]> = SmallVec::from_elem(None, here.len());
    for (n, (from, cost, _)) in (0u8..).zip(&last.places) {
        let look = ahead(streets, *from, limit);
        for (to, best) in here.iter().zip(&mut bests) {
            let Some(metres) = look.metres(to).filter(|m| *m <= limit) else { continue };
            let all = cost + (metres - bee).abs() / DIFFERS;
            if best.is_none_or(|(least, _)| all < least) {
                *best = Some((all, n));
            }
        }
    }
    // Only differences count: without this the sums of a long day would outgrow them.
    let least = bests.iter().flatten().map(|(cost, _)| *cost).fold(f32::INFINITY, f32::min);
    let reached =
        here.iter().zip(bests).filter_map(|(c, best)| best.map(|(cost, n)| (*c, cost - least + c.cost, Some(n))));
    reached.collect()
}

/// Whether a machine is where it was.
fn stays(last: &Seen, seen: &Seen) -> bool {
    let moved = last.at.distance(seen.at);
    moved
        < match seen.speed {
            Some(v) if v < STANDS => WANDERS,
            Some(_) => STEP,
            None => MUTE,
        }
}

/// Its course: as the receiver says it while the machine moves, else from the fix before.
fn heading(last: Option<&Seen>, seen: &Seen) -> Option<f32> {
    let said = seen.bearing.filter(|_| seen.speed.is_none_or(|v| v >= STEERS));
    said.or_else(|| {
        let from = last?.at;
        let (dx, dy) = (seen.at.x - from.x, seen.at.y - from.y);
        // Over a corner the line between two fixes heads along neither street.
        (seen.speed.is_none() && dx.hypot(dy) >= MUTE)
            .then(|| dx.atan2(dy).to_degrees().rem_euclid(360.0))
            .filter(|_| dx.hypot(dy) <= 60.0)
    })
}
