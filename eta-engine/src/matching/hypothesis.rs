//! One belief about a vehicle: it runs this trip and is so far along it. How a fix moves it, and
//! what it costs; not which belief holds.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use transit_model::ids::{BlockIdx, RouteIdx, ShapeIdx, StopPos, TripIdx};
use transit_model::plane::{Polyline, angle_between};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::{Pattern, Timetable};

use super::cost;
use super::snap::{self, Snapped};
use super::track::{Around, Observation};
use crate::learning::signs::line_of;
use crate::world::TripDay;

/// What the last fix adds to the running mean that tells whether to look for something better.
const LATELY: f32 = 0.15;
/// This near the first stop a vehicle may be waiting for its trip, metres along.
pub const AT_START: f32 = 60.0;
/// This near the first stop, on either side, a vehicle may wait that has come to the terminal, metres.
pub const NEAR_START: f32 = 250.0;
/// Sooner than this before its time nobody leaves who is still that near, seconds.
const EARLY: i64 = 60;
/// This near the end of the line the trip is over, metres: where the arrival at the last stop counts.
pub const AT_END: f32 = 30.0;
/// So near the last stop whoever leaves the line, or stands for long, has done its trip, metres.
pub const NEAR_END: f32 = 400.0;
/// So far parked receivers wander, metres.
const DRIFT: f32 = 150.0;
/// Fixes outside the corridor before a vehicle counts as off its route.
pub const OFF_ROUTE_AFTER: u16 = 3;

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
    /// What its fixes and its beginning have cost, less what those of the cheapest one have.
    pub(super) evidence: f32,
    /// The mean cost of its last fixes.
    pub(super) lately: f32,
    /// What of the total is for another vehicle's running the trip.
    pub(super) outbid: f32,
    /// It has not left: it moves about the terminal before its time.
    pub(crate) held: bool,
    /// It was taken up on the way, not at the first stop.
    pub(super) mid_line: bool,
    /// Metres it has come along the line.
    pub(super) travelled: f32,
    /// The vehicle's sign says it is not in service, since it had come so far, metres.
    pub(super) denied: Option<f32>,
    /// What lying off the line and heading elsewhere have cost since it was taken up: parts of the evidence.
    pub(super) seen: (f32, f32),
    /// When it left its first stop or was taken up on the way: what the timetable made of that, and
    /// how late it was then, seconds.
    began: Option<(f32, f32)>,
    /// Since when the vehicle could have left the first stop, as far as is known.
    ready: UnixMs,
    /// It has left when it is beyond this, metres along.
    gate: f32,
    behind: u8,
}

/// Where a fix lies on lines, for a vehicle that was so far along them.
pub(super) type Snaps = SmallVec<[(ShapeIdx, f32, Snapped); 8]>;

/// What a hypothesis costs, part by part; below nought is for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Lying off its line, since it was taken up.
    pub distance: f32,
    /// Heading elsewhere.
    pub heading: f32,
    /// What the vehicle was on before had cost, and changing from it, less what the cheapest one has.
    pub before: f32,
    /// Being early or late.
    pub timetable: f32,
    /// Its trip is over and the next has not begun.
    pub idle: f32,
    /// What another vehicle would lose by giving it up.
    pub taken: f32,
    /// It follows what the vehicle has run: the block, the route.
    pub block: f32,
    /// The vehicle names its route.
    pub route: f32,
    /// The vehicle's sign.
    pub sign: f32,
    /// Its run or its operator.
    pub tied: f32,
}

impl Parts {
    /// Together.
    #[must_use]
    pub fn total(&self) -> f32 {
        let evidence = self.distance + self.heading + self.before;
        evidence + self.timetable + self.idle + self.taken + self.block + self.route + self.sign + self.tied
    }
}

/// What a vehicle has run before: what it runs next follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Served {
    pub date: ServiceDate,
    pub trip: TripIdx,
    pub block: Option<BlockIdx>,
    pub route: RouteIdx,
    /// The trip after it, by the block.
    pub next: Option<TripIdx>,
    /// How many trips of the block in a row.
    pub trips: u8,
}

impl Hypothesis {
    /// A vehicle that is here on this trip, and could have left its first stop since `ready`.
    pub(super) fn new(on: TripDay, s: Snapped, first: f32, ready: UnixMs) -> Self {
        Self {
            on,
            along: s.along,
            off: s.off,
            started: s.along > first + AT_START,
            ended: None,
            misses: 0,
            total: 0.0,
            reported: false,
            evidence: s.cost,
            lately: s.cost,
            outbid: 0.0,
            held: false,
            mid_line: s.along > first + AT_START,
            travelled: 0.0,
            denied: None,
            seen: (s.cost - s.turned, s.turned),
            began: None,
            ready,
            gate: first + AT_START,
            behind: 0,
        }
    }

    /// The same for a vehicle that has just come to a terminal: where it waits is not always short of
    /// the first stop, so it has left only when it has moved.
    pub(super) fn waiting(on: TripDay, s: Snapped, first: f32, ready: UnixMs) -> Self {
        let mut h = Self::new(on, s, first, ready);
        if s.along <= first + NEAR_START {
            h.started = false;
            h.gate = s.along.max(first) + AT_START;
        }
        h
    }

    /// Metres along the line to the last stop.
    #[must_use]
    pub fn left(&self, t: &Timetable) -> f32 {
        (ends_of(t.pattern_of(self.on.trip)).1 - self.along).max(0.0)
    }

    /// Since when the vehicle has been free to leave, if it has ended this trip or waits for it.
    pub(super) fn ready_for_next(&self) -> Option<UnixMs> {
        self.ended.or_else(|| (!self.started).then_some(self.ready))
    }

    /// Where on a trip it has just reported a vehicle is: of all the places its line passes here, the
    /// one the timetable finds most credible.
    pub(super) fn reported(on: TripDay, o: &Observation, t: &Timetable) -> Self {
        let pattern = t.pattern_of(on.trip);
        let line = t.shapes.at(pattern.shape);
        let (first, _) = ends_of(pattern);
        let day = t.zone.day_start(on.date).secs_f64();
        let best = line
            .passages(o.at, cost::CORRIDOR)
            .into_iter()
            .map(|p| {
                let turned = turned(o.motion.bearing, line, p.along);
                let s = Snapped { along: p.along, off: p.off, cost: cost::off(p.off) + turned, turned };
                let late = (o.time.secs_f64() - scheduled_at(t, on.trip, p.along, day)) as f32;
                let plausible = if p.along <= first + AT_START { cost::waiting(-late, 0.0) } else { cost::delay(late) };
                (s, s.cost + plausible)
            })
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let mut h = match best {
            Some((s, _)) => Self::new(on, s, first, o.time),
            None => {
                // It says it runs the trip and is nowhere near the line: on its way to the start.
                let off = o.at.distance(line.point_at(first));
                let mut h =
                    Self::new(on, Snapped { along: first, off, cost: cost::OFF_MAX, turned: 0.0 }, first, o.time);
                h.misses = 1;
                h
            }
        };
        h.reported = true;
        h
    }

    /// Moves it along its line by one fix, which counts for `weight` fixes.
    pub(super) fn step(&mut self, o: &Observation, weight: f32, t: &Timetable) {
        self.step_among(o, weight, t, &mut Snaps::new());
    }

    /// The same for one of several: trips of one line are mostly at one place of it, which is looked for once.
    pub(super) fn step_among(&mut self, o: &Observation, weight: f32, t: &Timetable, snapped: &mut Snaps) {
        let pattern = t.pattern_of(self.on.trip);
        let line = t.shapes.at(pattern.shape);
        let known = snapped.iter().find(|(shape, along, _)| *shape == pattern.shape && *along == self.along);
        let s = match known {
            Some((_, _, s)) => *s,
            None => {
                let Some(s) = snap::onto(line, o.at, self.along, o.motion) else { return };
                snapped.push((pattern.shape, self.along, s));
                s
            }
        };
        self.off = s.off;
        self.lately += LATELY * (s.cost - self.lately);
        // What a vehicle does after its trip says little about which trip that was.
        self.evidence += weight * if self.ended.is_some() { s.cost.min(cost::AFTER_END) } else { s.cost };
        self.seen.0 += weight * (s.cost - s.turned);
        self.seen.1 += weight * s.turned;
        if s.off > cost::CORRIDOR {
            self.misses = self.misses.saturating_add(1);
            // Vehicles turn, and wait for their next trip, around the corner from the last stop.
            if self.misses >= OFF_ROUTE_AFTER && self.ended.is_none() && self.started && self.left(t) <= NEAR_END {
                self.ended = Some(o.time);
            }
            // It may have left its line and come back elsewhere on it.
            if self.misses >= OFF_ROUTE_AFTER && self.ended.is_none() {
                self.rejoin(line, o);
            }
            return;
        }
        self.misses = 0;
        if s.along >= self.along {
            self.travelled += s.along - self.along;
            self.along = s.along;
            self.behind = 0;
        } else if self.along - s.along > 40.0 {
            self.behind = self.behind.saturating_add(1);
            if self.behind >= 3 {
                self.along = s.along;
                self.behind = 0;
            }
        }
        let (first, last) = ends_of(pattern);
        if !self.started {
            let due = t.zone.at(self.on.date, t.starts(self.on.trip));
            self.held = o.time < due.plus_secs(-EARLY) && self.along <= first + NEAR_START;
            if self.held {
                self.gate = self.gate.max(self.along + AT_START / 2.0);
            }
            // A vehicle that says it stands has not left, whatever its receiver makes of the walls around it.
            self.started = !self.held && self.along > self.gate + if o.still { DRIFT } else { 0.0 };
        }
        self.ended = match self.ended {
            None if self.started && self.along >= last - AT_END => Some(o.time),
            same => same,
        };
    }

    fn rejoin(&mut self, line: &Polyline, o: &Observation) {
        let ahead = line
            .passages(o.at, cost::SPAWN_WITHIN)
            .into_iter()
            .find(|p| turned(o.motion.bearing, line, p.along) < cost::AGAINST * 0.4 && p.along >= self.along);
        if let Some(p) = ahead {
            self.along = p.along;
            self.off = p.off;
            self.misses = 0;
        }
    }

    /// Whether the vehicle's sign denies it, and has not been overruled by how far it was run all the same.
    pub(super) fn is_denied(&self, t: &Timetable) -> bool {
        let enough = |from: f32| {
            let (first, last) = ends_of(t.pattern_of(self.on.trip));
            self.travelled - from >= cost::SIGN_OVERRULED * (last - first)
        };
        self.started && self.denied.is_some_and(|from| !enough(from))
    }

    /// Whether what the vehicle shows while it is on this trip may teach what that means.
    #[must_use]
    pub fn teaches(&self) -> bool {
        self.started
            && self.ended.is_none()
            && self.denied.is_none()
            && self.misses == 0
            && (self.reported || !self.mid_line)
    }

    /// Adds up what it costs now.
    pub(super) fn price(&mut self, o: &Observation, around: &Around<'_>, served: Option<&Served>) {
        self.total = self.parts(o, around, served).total();
    }

    /// What it costs now, part by part.
    pub(super) fn parts(&mut self, o: &Observation, around: &Around<'_>, served: Option<&Served>) -> Parts {
        let t = around.timetable;
        let day = around.day_start(self.on);
        let plan = self.plan(scheduled_at(t, self.on.trip, self.along, day), day, o, t);
        self.parts_with(plan, day, o, around, served)
    }

    /// What the timetable makes of it, that wants the trip here at `scheduled` and whose day starts at
    /// `day`, unix seconds.
    pub(super) fn plan(&mut self, scheduled: f64, day: f64, o: &Observation, t: &Timetable) -> f32 {
        let at = self.ended.unwrap_or(o.time).secs_f64();
        let late = (at - scheduled) as f32;
        if self.started {
            let departed = self.travelled > 0.0;
            let unexcused = self.unexcused(o.time, day, t);
            let (cost, then) = *self.began.get_or_insert_with(|| {
                (if departed { cost::departure(late, unexcused) } else { cost::delay(late) }, late)
            });
            cost + cost::drift(late, then)
        } else {
            cost::waiting(-late, self.unexcused(o.time, day, t))
        }
    }

    /// The least it can cost with this plan, whatever else speaks for it: nobody need ask what does.
    pub(super) fn at_least(&self, plan: f32) -> f32 {
        self.evidence + plan - cost::MOST_SPOKEN_FOR
    }

    /// Everything together, with what the timetable makes of it.
    pub(super) fn add_up(
        &mut self,
        plan: f32,
        day: f64,
        o: &Observation,
        around: &Around<'_>,
        served: Option<&Served>,
    ) {
        self.total = self.parts_with(plan, day, o, around, served).total();
    }

    fn parts_with(
        &mut self,
        plan: f32,
        day: f64,
        o: &Observation,
        around: &Around<'_>,
        served: Option<&Served>,
    ) -> Parts {
        let t = around.timetable;
        let pattern = t.pattern_of(self.on.trip);
        let idle = self.ended.map_or(0.0, |e| self.idle(e, o, day, around));
        self.outbid = (around.claimed)(self.on);
        let follows = served.filter(|_| self.ended.is_none()).map_or(0.0, |s| s.follows(self.on, t));
        let route = if o.route.is_some_and(|r| r == pattern.route) { cost::REPORTED_ROUTE } else { 0.0 };
        let line = line_of(pattern);
        let sign = around.sign.map_or(0.0, |s| s.cost(line).min(cost::SIGN_MAX));
        let denies = around.sign.is_some_and(|s| s.doubt(line) > cost::SIGN_DENIES);
        self.denied = denies.then(|| self.denied.unwrap_or(self.travelled));
        let block = t.trips.at(self.on.trip).block;
        let tied = around.tied.zip(block).map_or(0.0, |(said, b)| cost::TIED * said.to(b, o.time));
        debug_assert!(follows + route + tied <= cost::MOST_SPOKEN_FOR, "{follows} + {route} + {tied}");
        Parts {
            distance: self.seen.0,
            heading: self.seen.1,
            before: self.evidence - self.seen.0 - self.seen.1,
            timetable: plan,
            idle,
            taken: self.outbid,
            block: -follows,
            route: -route,
            sign,
            tied: -tied,
        }
    }

    /// Seconds past its departure, or past when it could leave, whichever was later.
    fn unexcused(&self, now: UnixMs, day: f64, t: &Timetable) -> f32 {
        let due = day + f64::from(t.starts(self.on.trip).0);
        (now.secs_f64() - due.max(self.ready.secs_f64() + cost::TURN)) as f32
    }

    /// A trip that is over explains a vehicle until its next one begins, and then less and less.
    fn idle(&self, ended: UnixMs, o: &Observation, day: f64, around: &Around<'_>) -> f32 {
        let next = around.next_of(self.on).map(|n| day + f64::from(around.timetable.starts(n.trip).0));
        let since = next.unwrap_or(0.0).max(ended.secs_f64());
        cost::IDLE * ((o.time.secs_f64() - since) as f32 / 60.0).max(0.0)
    }
}

impl Served {
    /// What a trip is worth for coming after what the vehicle has run.
    fn follows(&self, on: TripDay, t: &Timetable) -> f32 {
        let trip = t.trips.at(on.trip);
        if on.date != self.date || t.starts(on.trip) < t.starts(self.trip) {
            return 0.0;
        }
        let same_route = if t.pattern_of(on.trip).route == self.route { cost::SAME_ROUTE } else { 0.0 };
        if self.block.is_some() && trip.block == self.block {
            let sure = f32::from(self.trips.min(4) - 1) * cost::BLOCK_MORE;
            let next = if self.next == Some(on.trip) { cost::BLOCK } else { cost::BLOCK_LATER };
            return next + sure + same_route;
        }
        same_route
    }
}

/// What it costs to drive in this direction at this place of a line.
pub(super) fn turned(course: Option<f32>, line: &Polyline, along: f32) -> f32 {
    turned_against(course, line.headings(), u32::try_from(line.segment_at(along)).unwrap_or(u32::MAX))
}

/// The same on a segment of which it is known that the place is on it.
pub(super) fn turned_against(course: Option<f32>, headings: &[f32], segment: u32) -> f32 {
    match (course, headings.get(segment as usize)) {
        (Some(course), Some(heading)) => cost::heading(angle_between(course, *heading)),
        _ => 0.0,
    }
}

/// The first and the last call of a pattern, metres along.
pub(super) fn ends_of(pattern: &Pattern) -> (f32, f32) {
    let first = pattern.calls.first().map_or(0.0, |c| c.along);
    (first, pattern.calls.last().map_or(first, |c| c.along))
}

/// When the timetable wants a trip at a place of its line: seconds, counted from the same zero as
/// `day_start` (0.0 gives service time). Between calls by distance.
#[must_use]
pub fn scheduled_at(t: &Timetable, trip: TripIdx, along: f32, day_start: f64) -> f64 {
    day_start + Between::of(t.pattern_of(trip), along).scheduled(t, trip)
}

/// Which calls of a pattern a place lies between, and how far on from the one to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    next: usize,
    calls: usize,
    share: f64,
}

impl Between {
    pub(super) fn of(pattern: &Pattern, along: f32) -> Self {
        let next = pattern.next_after(along);
        let before = next.checked_sub(1).and_then(|before| pattern.calls.get(before));
        let (from, to) = match (before, pattern.calls.get(next)) {
            (Some(x), Some(y)) => (f64::from(x.along), f64::from(y.along)),
            _ => (0.0, 0.0),
        };
        let share = if to > from { (f64::from(along) - from) / (to - from) } else { 1.0 };
        Self { next, calls: pattern.calls.len(), share: share.clamp(0.0, 1.0) }
    }

    /// When a trip of the pattern is wanted here, service time in seconds.
    pub(super) fn scheduled(&self, t: &Timetable, trip: TripIdx) -> f64 {
        let time = |pos: usize| t.time_at(trip, StopPos::new(pos)).unwrap_or_default();
        if self.next == 0 {
            f64::from(time(0).departure.0)
        } else if self.next >= self.calls {
            f64::from(time(self.calls.saturating_sub(1)).arrival.0)
        } else {
            let (a, b) = (f64::from(time(self.next - 1).departure.0), f64::from(time(self.next).arrival.0));
            (b - a) * self.share + a
        }
    }
}
