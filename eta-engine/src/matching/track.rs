//! The hypotheses of one vehicle, and the one that holds.
//!
//! A hypothesis is a trip on a day and a distance along it. What it has cost lately is an
//! exponentially weighted mean of what each fix cost, so that old evidence fades; what the timetable,
//! the block and the fleet say is added fresh each time. It knows nothing of stop events or phases.

use std::sync::Arc;

use smallvec::SmallVec;
use transit_model::ids::{PatternIdx, RouteIdx, StopPos, TripIdx};
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::cost;
use super::day::Day;
use super::network::Network;
use super::snap::{self, Motion, Snapped};
use crate::world::TripDay;

/// What one fix adds to the running mean of a hypothesis' cost.
const NEW_EVIDENCE: f32 = 0.15;
/// What the running mean weighs against the timetable.
const EVIDENCE_WEIGHT: f32 = 6.0;
/// How many hypotheses a vehicle carries.
const MOST: usize = 8;
/// What costs so much more than the best one is dropped.
const HOPELESS: f32 = 14.0;
/// A vehicle must have come so far along a line before it is believed to be on it, metres.
const TRAVELLED: f32 = 120.0;
/// This near the first stop a vehicle may be waiting for its trip, metres along.
pub const AT_START: f32 = 60.0;
/// This near the end of the line the trip is over, metres.
pub const AT_END: f32 = 35.0;
/// Fixes outside the corridor before a vehicle counts as off its route.
pub const OFF_ROUTE_AFTER: u16 = 3;
/// Fixes outside the corridor before its trip is given up.
const LOST_AFTER: u16 = 40;

/// A trip a vehicle may be on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hypothesis {
    /// The trip.
    pub on: TripDay,
    /// Metres along its shape; moves back only when fix after fix says so.
    pub along: f32,
    /// Metres off the line, at the last fix.
    pub off: f32,
    /// It has left the first stop.
    pub started: bool,
    /// When it came to the end of its line.
    pub ended: Option<UnixMs>,
    /// Fixes in a row outside the corridor.
    pub misses: u16,
    /// What everything together costs, at the last fix.
    pub total: f32,
    /// The vehicle itself says so.
    pub reported: bool,
    evidence: f32,
    prior: f32,
    behind: u8,
    travelled: f32,
}

/// One fix, as the tracks take it.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Where.
    pub at: Xy,
    /// When.
    pub time: UnixMs,
    /// How it moved.
    pub motion: Motion,
    /// The trip the vehicle says it is on, where the timetable has it.
    pub trip: Option<TripDay>,
    /// The route it says it is on.
    pub route: Option<RouteIdx>,
}

/// What a track needs to know of the rest of the world.
pub struct Around<'a> {
    /// The timetable.
    pub timetable: &'a Timetable,
    /// Its lines by place.
    pub network: &'a Network,
    /// The days in force.
    pub days: &'a [Arc<Day>],
    /// Whether another vehicle runs this trip.
    pub claimed: &'a dyn Fn(TripDay) -> bool,
}

impl Around<'_> {
    fn day(&self, on: TripDay) -> Option<&Day> {
        self.days.iter().map(|d| &**d).find(|d| d.date == on.date)
    }
}

/// The hypotheses of one vehicle.
#[derive(Clone, Debug, Default)]
pub struct Track {
    hypotheses: SmallVec<[Hypothesis; 4]>,
    chosen: Option<TripDay>,
    /// The trip after the last one it ran, by the block.
    expected: Option<TripDay>,
    looked: Option<UnixMs>,
}

impl Track {
    /// The hypothesis that holds.
    #[must_use]
    pub fn chosen(&self) -> Option<&Hypothesis> {
        let on = self.chosen?;
        self.hypotheses.iter().find(|h| h.on == on)
    }

    /// Every hypothesis, the cheapest first.
    #[must_use]
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses
    }

    /// How sure the chosen one is, 0..=1: its share of the likelihood of all.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        let Some(best) = self.chosen() else { return 0.0 };
        if best.reported {
            return if best.misses == 0 { 0.99 } else { 0.8 };
        }
        let sum: f32 = self.hypotheses.iter().map(|h| (best.total - h.total).exp()).sum();
        // A lone hypothesis may still be wrong altogether: the absolute cost has a say.
        (1.0 / sum.max(1.0)) * (-(best.total - 6.0).max(0.0) / 12.0).exp()
    }

    /// Forgets everything but the block: the vehicle was away.
    pub fn reset(&mut self) {
        self.hypotheses.clear();
        self.chosen = None;
        self.looked = None;
    }

    /// Takes a fix in and chooses.
    pub fn advance(&mut self, o: &Observation, around: &Around<'_>) {
        if let Some(on) = o.trip {
            self.follow_reported(on, o, around);
            return;
        }
        for h in &mut self.hypotheses {
            h.reported = false;
            step(h, o, around);
        }
        self.continue_block(o, around);
        if self.must_look(o.time) {
            self.looked = Some(o.time);
            self.spawn(o, around);
        }
        self.choose(o, around);
    }

    fn follow_reported(&mut self, on: TripDay, o: &Observation, around: &Around<'_>) {
        self.hypotheses.retain(|h| h.on == on);
        match self.hypotheses.first_mut() {
            Some(h) => step(h, o, around),
            None => self.hypotheses.push(begin_reported(on, o, around)),
        }
        for h in &mut self.hypotheses {
            h.reported = true;
        }
        self.chosen = Some(on);
        self.expected = next_of(on, around);
    }

    /// A vehicle at the end of its line may be on the next trip of its block.
    fn continue_block(&mut self, o: &Observation, around: &Around<'_>) {
        let ended: SmallVec<[Hypothesis; 4]> = self.hypotheses.iter().filter(|h| h.ended.is_some()).copied().collect();
        for h in ended {
            let Some(next) = next_of(h.on, around) else { continue };
            if self.chosen == Some(h.on) {
                self.expected = Some(next);
            }
            if self.hypotheses.iter().any(|x| x.on == next) {
                continue;
            }
            let start = around.timetable.pattern_of(next.trip).calls.first().map_or(0.0, |c| c.along);
            let line = around.timetable.shape_of(next.trip);
            let Some(s) = snap::onto(line, o.at, start, o.motion) else { continue };
            if s.off <= cost::CORRIDOR {
                let mut new = fresh(next, s, start);
                new.travelled = h.travelled;
                price(&mut new, o, around, self.expected);
                self.hypotheses.push(new);
            }
        }
    }

    /// Whether to look for trips it may be on: it is on none, or what it is on explains it badly, or ends.
    fn must_look(&self, now: UnixMs) -> bool {
        let since = self.looked.map_or(i64::MAX, |t| now.secs_since(t));
        match self.chosen() {
            None => since >= 20,
            Some(h) if h.misses > 0 || h.ended.is_some() || !h.started => since >= 45,
            Some(h) => since >= 120 && h.evidence * EVIDENCE_WEIGHT > 5.0,
        }
    }

    fn spawn(&mut self, o: &Observation, around: &Around<'_>) {
        let t = around.timetable;
        let mut found: Vec<Hypothesis> = Vec::new();
        for passage in around.network.near(t, o.at, cost::SPAWN_WITHIN) {
            let along = passage.at.along;
            let turned = match (o.motion.bearing, t.shapes.at(passage.shape).heading_at(along)) {
                (Some(course), Some(line)) => cost::heading(transit_model::plane::angle_between(course, line)),
                _ => 0.0,
            };
            if turned >= cost::AGAINST {
                continue;
            }
            let snapped = Snapped { along, off: passage.at.off, cost: cost::off(passage.at.off) + turned };
            for p in around.network.patterns_of(passage.shape) {
                candidates(*p, snapped, o, around, self.expected, &mut found);
            }
        }
        found.sort_by(|a, b| a.total.total_cmp(&b.total).then(a.on.cmp(&b.on)));
        for h in found.into_iter().take(MOST) {
            if !self.hypotheses.iter().any(|x| x.on == h.on && x.misses == 0) {
                self.hypotheses.retain(|x| x.on != h.on);
                self.hypotheses.push(h);
            }
        }
    }

    fn choose(&mut self, o: &Observation, around: &Around<'_>) {
        for h in &mut self.hypotheses {
            price(h, o, around, self.expected);
        }
        self.hypotheses.sort_by(|a, b| a.total.total_cmp(&b.total).then(a.on.cmp(&b.on)));
        let best = self.hypotheses.iter().find(|h| believable(h)).copied();
        let held = self.chosen().copied();
        self.chosen = match (held, best) {
            (Some(held), Some(best)) if best.total + cost::HYSTERESIS < held.total => Some(best.on),
            (Some(held), _) if held.misses < LOST_AFTER => Some(held.on),
            (_, best) => best.filter(|b| b.misses == 0).map(|b| b.on),
        };
        if self.chosen.is_some() && self.chosen != held.map(|h| h.on) {
            self.expected = None;
        }
        let floor = self.hypotheses.first().map_or(0.0, |h| h.total);
        let chosen = self.chosen;
        self.hypotheses.retain(|h| Some(h.on) == chosen || (h.total <= floor + HOPELESS && h.misses < 6));
        self.hypotheses.truncate(MOST);
        if let Some(held) = held.filter(|h| Some(h.on) == chosen)
            && !self.hypotheses.iter().any(|h| h.on == held.on)
        {
            self.hypotheses.push(held);
        }
    }
}

/// A vehicle standing somewhere along a line is not yet on it; one waiting at the start may be.
fn believable(h: &Hypothesis) -> bool {
    h.travelled >= TRAVELLED || !h.started
}

fn next_of(on: TripDay, around: &Around<'_>) -> Option<TripDay> {
    let trip = around.day(on)?.next_of(on.trip)?;
    Some(TripDay { date: on.date, trip })
}

fn fresh(on: TripDay, s: Snapped, first: f32) -> Hypothesis {
    Hypothesis {
        on,
        along: s.along,
        off: s.off,
        started: s.along > first + AT_START,
        ended: None,
        misses: 0,
        total: 0.0,
        reported: false,
        evidence: s.cost,
        prior: 0.0,
        behind: 0,
        travelled: 0.0,
    }
}

/// Where on a trip it has just reported a vehicle is: of all the places its line passes here, the
/// one the timetable finds most credible.
fn begin_reported(on: TripDay, o: &Observation, around: &Around<'_>) -> Hypothesis {
    let t = around.timetable;
    let pattern = t.pattern_of(on.trip);
    let line = t.shapes.at(pattern.shape);
    let first = pattern.calls.first().map_or(0.0, |c| c.along);
    let day = t.zone.day_start(on.date);
    let behind = |along: f32| o.time.secs_f64() - scheduled_at(t, on.trip, along, day.secs_f64());
    let best = line
        .passages(o.at, cost::CORRIDOR)
        .into_iter()
        .map(|p| {
            let turned = match (o.motion.bearing, line.heading_at(p.along)) {
                (Some(course), Some(heading)) => cost::heading(transit_model::plane::angle_between(course, heading)),
                _ => 0.0,
            };
            let s = Snapped { along: p.along, off: p.off, cost: cost::off(p.off) + turned };
            let late = behind(p.along) as f32;
            let plausible = if p.along <= first + AT_START { cost::waiting(-late) } else { cost::delay(late) };
            (s, s.cost + plausible)
        })
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let mut h = match best {
        Some((s, _)) => fresh(on, s, first),
        None => {
            // It says it runs the trip and is nowhere near the line: on its way to the start.
            let off = o.at.distance(line.point_at(first));
            let mut h = fresh(on, Snapped { along: first, off, cost: cost::OFF_MAX }, first);
            h.misses = 1;
            h
        }
    };
    h.reported = true;
    h
}

/// Moves a hypothesis along its line by one fix.
fn step(h: &mut Hypothesis, o: &Observation, around: &Around<'_>) {
    let pattern = around.timetable.pattern_of(h.on.trip);
    let line = around.timetable.shapes.at(pattern.shape);
    let Some(s) = snap::onto(line, o.at, h.along, o.motion) else { return };
    h.off = s.off;
    h.evidence += NEW_EVIDENCE * (s.cost - h.evidence);
    if s.off > cost::CORRIDOR {
        h.misses = h.misses.saturating_add(1);
        // It may have left its line and come back elsewhere on it.
        if h.misses >= OFF_ROUTE_AFTER {
            rejoin(h, line, o);
        }
        return;
    }
    h.misses = 0;
    if s.along >= h.along {
        h.travelled += s.along - h.along;
        h.along = s.along;
        h.behind = 0;
    } else if h.along - s.along > 40.0 {
        h.behind = h.behind.saturating_add(1);
        if h.behind >= 3 {
            h.along = s.along;
            h.behind = 0;
        }
    }
    let (first, last) = ends_of(pattern);
    if h.along > first + AT_START {
        h.started = true;
    }
    h.ended = match h.ended {
        None if h.started && h.along >= last - AT_END => Some(o.time),
        same => same,
    };
}

fn rejoin(h: &mut Hypothesis, line: &transit_model::plane::Polyline, o: &Observation) {
    let ahead = line.passages(o.at, cost::SPAWN_WITHIN).into_iter().find(|p| {
        let along_line = match (o.motion.bearing, line.heading_at(p.along)) {
            (Some(course), Some(heading)) => transit_model::plane::angle_between(course, heading) < 75.0,
            _ => true,
        };
        along_line && p.along >= h.along
    });
    if let Some(p) = ahead {
        h.along = p.along;
        h.off = p.off;
        h.misses = 0;
    }
}

fn ends_of(pattern: &transit_model::timetable::Pattern) -> (f32, f32) {
    let first = pattern.calls.first().map_or(0.0, |c| c.along);
    (first, pattern.calls.last().map_or(first, |c| c.along))
}

/// Adds up what a hypothesis costs now.
fn price(h: &mut Hypothesis, o: &Observation, around: &Around<'_>, expected: Option<TripDay>) {
    let t = around.timetable;
    let day = t.zone.day_start(h.on.date).secs_f64();
    let now = o.time.secs_f64();
    let plan = if let Some(ended) = h.ended {
        // A trip that is over explains a vehicle for a while, and less and less.
        let idle = o.time.secs_since(ended) as f32 / 60.0;
        let late = (ended.secs_f64() - scheduled_at(t, h.on.trip, h.along, day)) as f32;
        idle.mul_add(1.2, cost::delay(late))
    } else {
        let late = (now - scheduled_at(t, h.on.trip, h.along, day)) as f32;
        if h.started { cost::delay(late) } else { cost::waiting(-late) }
    };
    h.prior = plan;
    if (around.claimed)(h.on) {
        h.prior += cost::CLAIMED;
    }
    if expected == Some(h.on) {
        h.prior -= cost::BLOCK;
    }
    if o.route.is_some_and(|r| r == t.pattern_of(h.on.trip).route) {
        h.prior -= cost::REPORTED_ROUTE;
    }
    let missing = f32::from(h.misses.min(10)) * 0.8;
    h.total = h.evidence.mul_add(EVIDENCE_WEIGHT, h.prior) + missing;
}

/// The trips of a pattern that could be at this place of its line now.
fn candidates(
    p: PatternIdx,
    s: Snapped,
    o: &Observation,
    around: &Around<'_>,
    expected: Option<TripDay>,
    found: &mut Vec<Hypothesis>,
) {
    let t = around.timetable;
    let pattern = t.patterns.at(p);
    let (first, last) = ends_of(pattern);
    if s.along > last - AT_END || s.along < first - 200.0 {
        return;
    }
    let waiting = s.along <= first + AT_START;
    for day in around.days {
        let trips = day.trips_of(p);
        let Some(model) = trips.first() else { continue };
        let now = o.time.secs_f64() - day.start.secs_f64();
        let offset = scheduled_at(t, *model, s.along, 0.0) - f64::from(t.starts(*model).0);
        // Trips of a pattern take about as long as one another: 20 minutes of grace for those that do not.
        let (early, late) = if waiting { (45.0, 30.0) } else { (15.0, 90.0) };
        let lo = now - offset - late * 60.0 - 1200.0;
        let hi = now - offset + early * 60.0 + 1200.0;
        let from = trips.partition_point(|trip| f64::from(t.starts(*trip).0) < lo);
        for trip in trips.iter().skip(from).take_while(|trip| f64::from(t.starts(**trip).0) <= hi) {
            let behind = now - scheduled_at(t, *trip, s.along, 0.0);
            if behind < -early * 60.0 || behind > late * 60.0 {
                continue;
            }
            let mut h = fresh(TripDay { date: day.date, trip: *trip }, s, first);
            price(&mut h, o, around, expected);
            found.push(h);
        }
    }
}

/// When the timetable wants a trip at a place of its line: seconds, counted from the same zero as
/// `day_start` (0.0 gives service time). Between calls by distance.
#[must_use]
pub fn scheduled_at(t: &Timetable, trip: TripIdx, along: f32, day_start: f64) -> f64 {
    let pattern = t.pattern_of(trip);
    let next = pattern.next_after(along);
    let time = |pos: usize| t.time_at(trip, StopPos::new(pos)).unwrap_or_default();
    let service = if next == 0 {
        f64::from(time(0).departure.0)
    } else if next >= pattern.calls.len() {
        f64::from(time(pattern.calls.len() - 1).arrival.0)
    } else {
        let (a, b) = (f64::from(time(next - 1).departure.0), f64::from(time(next).arrival.0));
        let (from, to) = match (pattern.calls.get(next - 1), pattern.calls.get(next)) {
            (Some(x), Some(y)) => (f64::from(x.along), f64::from(y.along)),
            _ => (0.0, 0.0),
        };
        let share = if to > from { (f64::from(along) - from) / (to - from) } else { 1.0 };
        (b - a).mul_add(share.clamp(0.0, 1.0), a)
    };
    day_start + service
}
