//! One vehicle on its way through the day, stop by stop. Whoever holds all of them lets the one go on
//! that is earliest, so that each finds at its stops what the others left there.

use std::collections::VecDeque;

use rand_chacha::ChaCha8Rng;
use transit_model::dispatch::Phase;
use transit_model::ids::{StopPos, TripIdx, VehicleId};
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::{CallTimes, Pattern};

use super::demand::{Comes, Demand, Waiting};
use super::run::{Allowed, Knot, Rides, Scene, TrueCall, mark, seconds, top_speed};
use super::vehicle::{Leg, Path, point};
use super::way::{Stood, move_on, round};
use crate::chance::{between, normal, unit};

/// A vehicle stands at its first stop so long before it leaves, seconds from and to.
const BEFORE: (f64, f64) = (300.0, 720.0);
/// And at its last stop after it has arrived for good.
const AFTER: (f64, f64) = (120.0, 360.0);
/// A driver takes so much rest where the timetable allows it, seconds.
const REST: i32 = 120;
/// A detour is slower than the street it avoids.
const DETOUR: f64 = 1.15;
/// Who is early by more waits at a stop that has a time, seconds…
const EARLY: f64 = 90.0;
/// …one time in so many.
const WAITS: f64 = 0.1;
/// How long passengers of a broken vehicle wait in it, seconds.
const STRANDED: (f64, f64) = (120.0, 360.0);
/// How long until it is towed away, seconds.
const TOWED: (f64, f64) = (1800.0, 5400.0);

/// A trip to be run, or a part of one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Work {
    pub(super) trip: TripIdx,
    /// The first call served.
    pub(super) first: StopPos,
    /// The last one.
    pub(super) last: StopPos,
    /// The number of what happened, where it ends early.
    pub(super) turned: Option<usize>,
}

/// Something befell a vehicle.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Note {
    /// The number of what happened.
    pub(super) effect: usize,
    pub(super) vehicle: VehicleId,
    pub(super) trips: Vec<TripIdx>,
    /// Seconds of the service day.
    pub(super) at: f64,
}

/// What the vehicles of a day leave behind for each other while they are driven.
#[derive(Default)]
pub(super) struct Streets {
    pub(super) waiting: Waiting,
    pub(super) notes: Vec<Note>,
}

/// When a vehicle will break down.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Breaks {
    pub(super) effect: usize,
    /// Seconds of the service day.
    pub(super) at: f64,
    /// Another vehicle comes so much later.
    pub(super) replaced_after: Option<f64>,
}

/// What a vehicle does next.
pub(super) enum Step {
    /// It leaves or reaches a stop at this second of the service day.
    At(f64),
    /// Its day is over.
    Over,
    /// It broke down, and this was left to be done.
    Broke(Breaks, VecDeque<Work>),
}

/// A trip being run.
struct OnTrip {
    work: Work,
    times: Vec<CallTimes>,
    allowed: Vec<Allowed>,
    /// The call it leaves or reaches at `now`.
    call: usize,
    now: f64,
    along: f32,
    load: f64,
    knots: Vec<Knot>,
    calls: Vec<TrueCall>,
}

/// A vehicle on its way.
pub(super) struct Runner {
    pub(super) vehicle: VehicleId,
    pub(super) legs: Vec<Leg>,
    rng: ChaCha8Rng,
    /// A factor on every ride.
    pace: f64,
    work: VecDeque<Work>,
    /// When it is at its first stop, where that is not its own choice.
    out: Option<UnixMs>,
    stood: Option<(Stood, TripIdx)>,
    breaks: Option<Breaks>,
    on: Option<OnTrip>,
}

impl Runner {
    pub(super) fn new(vehicle: VehicleId, rng: ChaCha8Rng, pace: f64, work: VecDeque<Work>) -> Self {
        let legs = Vec::new();
        Self { vehicle, legs, rng, pace, work, out: None, stood: None, breaks: None, on: None }
    }

    /// It will break down.
    pub(super) const fn breaking(mut self, breaks: Option<Breaks>) -> Self {
        self.breaks = breaks;
        self
    }

    /// It has come out on these legs and is at its first stop at a moment.
    pub(super) fn coming(mut self, legs: Vec<Leg>, out: UnixMs) -> Self {
        self.legs = legs;
        self.out = Some(out);
        self
    }

    /// Makes ready for the next trip: moves to its start, rests, waits for its time.
    pub(super) fn begin(&mut self, s: &Scene<'_>, streets: &mut Streets) -> Step {
        let Some(work) = self.work.front().copied() else { return self.goes_home() };
        let pattern = s.tt.pattern_of(work.trip);
        let (path, along) = (Path::Shape(pattern.shape), pattern.call(work.first).map_or(0.0, |c| c.along));
        let times: Vec<CallTimes> = s.tt.times(work.trip).collect();
        let planned = times.get(work.first.at()).map(|c| c.departure).unwrap_or_default();
        let early = s.early.get(&work.trip).filter(|_| work.first.at() == 0);
        let (here, ready) = match self.stood.take() {
            Some((stood, before)) => {
                let break_planned = (planned - s.tt.ends(before)).0.max(0);
                let rest = (break_planned * 3 / 5).clamp(10, REST);
                let rested = stood.since.plus_secs(i64::from(rest));
                let due = s.tt.zone.at(s.date, planned);
                let here = move_on(s.tt, stood, point(s.tt, &path, along), due, &mut self.legs);
                (here, here.max(rested))
            }
            None => {
                let before = UnixMs::from_secs_f64(between(&mut self.rng, BEFORE.0, BEFORE.1)).0;
                let here = self.out.take().unwrap_or(UnixMs(s.tt.zone.at(s.date, planned).0 - before));
                (here, here)
            }
        };
        // Most leave within half a minute, a few are held up longer; nobody leaves before time of
        // their own accord.
        let held = if unit(&mut self.rng) < 0.03 { between(&mut self.rng, 60.0, 240.0) } else { 0.0 };
        let late = (12.0 * (0.9 * normal(&mut self.rng)).exp()).min(90.0) + held;
        let wish = early.map_or(late, |(_, by)| -by);
        let leaves = (seconds(planned) + wish).max(s.since_start(ready));
        if let Some((effect, _)) = early.filter(|_| leaves < seconds(planned)) {
            streets.notes.push(self.note(*effect, work.trip, leaves));
        }
        self.legs.push(Leg::stand(path, along, here, s.at(leaves), Phase::Layover));
        let allowed = s.allowed(work.trip, &times);
        let (knots, calls) = (vec![Knot { at: s.at(leaves), along }], Vec::new());
        self.on =
            Some(OnTrip { work, times, allowed, call: work.first.at(), now: leaves, along, load: 0.0, knots, calls });
        self.unless_broken(s, leaves)
    }

    /// Goes on: opens its doors where it is, and rides to the next stop.
    pub(super) fn step(&mut self, s: &Scene<'_>, streets: &mut Streets) -> Step {
        let Some(mut on) = self.on.take() else { return Step::Over };
        let pattern = s.tt.pattern_of(on.work.trip);
        let last = on.work.last.at();
        if on.call >= last {
            return self.ends_trip(s, streets, on);
        }
        let leaves = self.stands(s, streets, &mut on, pattern);
        let joins = s.detours.iter().find_map(|(n, d)| Some((*n, d, d.joins(pattern, on.call, last, leaves)?)));
        let next = joins.as_ref().map_or(on.call + 1, |(_, _, next)| *next);
        let arrival = match joins {
            Some((effect, detour, next)) => {
                streets.notes.push(self.note(effect, on.work.trip, leaves));
                self.rides_round(s, &mut on, pattern, (next, leaves, detour.away))
            }
            None => self.rides(s, &mut on, pattern, leaves),
        };
        on.call = next;
        on.now = arrival;
        on.calls.push(TrueCall { call: StopPos::new(next), arrival: Some(s.at(arrival)), departure: None });
        self.on = Some(on);
        self.unless_broken(s, arrival)
    }

    /// Stands at a stop, or leaves the first one; gives when it leaves.
    fn stands(&mut self, s: &Scene<'_>, streets: &mut Streets, on: &mut OnTrip, pattern: &Pattern) -> f64 {
        let Some(call) = pattern.calls.get(on.call) else { return on.now };
        let planned = on.times.get(on.call).copied().unwrap_or_default();
        let quick = on.call.checked_sub(1).and_then(|n| on.allowed.get(n)).map_or(1.0, |a| a.doors);
        let comes = Comes {
            stop: call.stop,
            route: pattern.route,
            at: on.now,
            planned: seconds(planned.departure),
            load: on.load,
            ahead: on.work.last.at().saturating_sub(on.call),
            rush: s.traffic.rush(on.now),
            quick,
        };
        let doors = s.demand.exchange(&mut streets.waiting, &comes, &mut self.rng);
        on.load = doors.load;
        // At the first stop they got on while it waited for its time.
        let begins = on.call == on.work.first.at();
        let early = comes.planned - on.now;
        let waits = !begins && planned.timepoint && early > EARLY && unit(&mut self.rng) < WAITS;
        let held = if waits { early - between(&mut self.rng, 0.0, 60.0) } else { 0.0 };
        let leaves = if begins { on.now } else { on.now + doors.takes.max(held) };
        Demand::leaves(&mut streets.waiting, &comes, leaves);
        if begins {
            on.calls.push(TrueCall { call: on.work.first, arrival: None, departure: Some(s.at(leaves)) });
        } else {
            if let Some(here) = on.calls.last_mut() {
                here.departure = Some(s.at(leaves));
            }
            mark(&mut on.knots, s.at(leaves), on.along);
        }
        leaves
    }

    /// How it rides the link after a call.
    fn ride(&mut self, s: &Scene<'_>, on: &OnTrip, pattern: &Pattern, n: usize, at: f64) -> super::run::Ride {
        let (from, to) = (pattern.calls.get(n), pattern.calls.get(n + 1));
        let metres = f64::from(to.map_or(0.0, |c| c.along) - from.map_or(0.0, |c| c.along)).max(0.0);
        let (Some(link), Some(allowed)) = (pattern.links.get(n), on.allowed.get(n)) else {
            return super::run::Ride { moving: 1.0, pause: None, metres };
        };
        let planned = on.times.get(n).map_or(at, |c| seconds(c.departure));
        let mode = s.tt.routes.at(pattern.route).mode;
        let rides = Rides {
            route: pattern.route,
            link: *link,
            metres,
            allowed: *allowed,
            mode,
            at,
            late: at - planned,
            pace: self.pace,
        };
        s.ride(&rides, &mut self.rng)
    }

    /// Rides to the next call; gives when it is there.
    fn rides(&mut self, s: &Scene<'_>, on: &mut OnTrip, pattern: &Pattern, leaves: f64) -> f64 {
        let ride = self.ride(s, on, pattern, on.call, leaves);
        for (metres, after) in ride.marks() {
            #[expect(clippy::cast_possible_truncation, reason = "metres of one link")]
            mark(&mut on.knots, s.at(leaves + after), on.along + metres as f32);
        }
        on.along = pattern.calls.get(on.call + 1).map_or(on.along, |c| c.along.max(on.along));
        leaves + ride.takes()
    }

    /// Leaves the line and joins it again at a call; gives when it is there.
    fn rides_round(
        &mut self,
        s: &Scene<'_>,
        on: &mut OnTrip,
        pattern: &Pattern,
        (next, leaves, away): (usize, f64, f64),
    ) -> f64 {
        let to = pattern.calls.get(next).map_or(on.along, |c| c.along.max(on.along));
        let usual = (on.call..next).fold(0.0, |sum, n| sum + self.ride(s, on, pattern, n, leaves + sum).takes());
        #[expect(clippy::cast_possible_truncation, reason = "some hundred metres")]
        let line = round(s.tt.shape_of(on.work.trip), on.along, to, away as f32);
        let (length, straight) = (f64::from(line.length()), f64::from(to - on.along).max(1.0));
        let mode = s.tt.routes.at(pattern.route).mode;
        let takes = (usual * DETOUR * (length / straight).max(1.0)).max(length / (0.8 * top_speed(mode)));
        let arrival = leaves + takes;
        let trip = Some(on.work.trip);
        let on_line = Path::Shape(pattern.shape);
        let (knots, calls) = (std::mem::take(&mut on.knots), std::mem::take(&mut on.calls));
        self.legs.push(Leg { phase: Phase::InProgress, trip, path: on_line, knots, calls });
        let knots = vec![Knot { at: s.at(leaves), along: 0.0 }, Knot { at: s.at(arrival), along: line.length() }];
        self.legs.push(Leg { phase: Phase::OffRoute, trip, path: Path::Line(line), knots, calls: Vec::new() });
        on.along = to;
        on.knots = vec![Knot { at: s.at(arrival), along: to }];
        arrival
    }

    fn ends_trip(&mut self, s: &Scene<'_>, streets: &mut Streets, on: OnTrip) -> Step {
        let pattern = s.tt.pattern_of(on.work.trip);
        if let Some(effect) = on.work.turned {
            streets.notes.push(self.note(effect, on.work.trip, on.now));
        }
        let path = Path::Shape(pattern.shape);
        self.stood = Some((Stood { path: path.clone(), along: on.along, since: s.at(on.now) }, on.work.trip));
        self.legs.push(Leg {
            phase: Phase::InProgress,
            trip: Some(on.work.trip),
            path,
            knots: on.knots,
            calls: on.calls,
        });
        self.work.pop_front();
        self.begin(s, streets)
    }

    /// Has nothing more to do.
    fn goes_home(&mut self) -> Step {
        if let Some((Stood { path, along, since }, _)) = self.stood.take() {
            let gone = UnixMs(since.0 + UnixMs::from_secs_f64(between(&mut self.rng, AFTER.0, AFTER.1)).0);
            self.legs.push(Leg::stand(path, along, since, gone, Phase::AtBase));
        }
        Step::Over
    }

    /// Goes on at a moment, if it does not break down before.
    fn unless_broken(&mut self, s: &Scene<'_>, next: f64) -> Step {
        match self.breaks.take_if(|b| b.at <= next) {
            Some(breaks) => self.breaks_down(s, breaks),
            None => Step::At(next),
        }
    }

    /// Stops for good, wherever it is.
    fn breaks_down(&mut self, s: &Scene<'_>, breaks: Breaks) -> Step {
        let at = s.at(breaks.at);
        let mut rest = std::mem::take(&mut self.work);
        if let Some(on) = self.on.take() {
            let path = Path::Shape(s.tt.pattern_of(on.work.trip).shape);
            let (trip, phase) = (Some(on.work.trip), Phase::InProgress);
            self.legs.push(Leg { phase, trip, path, knots: on.knots, calls: on.calls });
        }
        let mut served = None;
        for leg in &mut self.legs {
            leg.calls.retain(|c| c.arrival.or(c.departure).is_some_and(|t| t <= at));
            if let Some(c) = leg.calls.last_mut() {
                c.departure = c.departure.filter(|t| *t <= at);
                served = leg.trip.map(|t| (t, c.call));
            }
        }
        self.legs.retain(|l| l.starts() < at && l.knots.len() > 1 || !l.calls.is_empty());
        if let Some(leg) = self.legs.last_mut() {
            leg.cut(at);
        }
        // What the broken trip had still to serve is left to be done, from the first stop not served.
        if let Some((trip, call)) = served
            && let Some(work) = rest.front_mut().filter(|w| w.trip == trip)
        {
            work.first = StopPos::new(call.at() + 1);
        }
        rest.retain(|w| w.first < w.last);
        self.is_towed(at);
        Step::Broke(breaks, rest)
    }

    /// Stands where it broke down: with its passengers for a while, then as nothing anybody can name.
    fn is_towed(&mut self, at: UnixMs) {
        let Some(leg) = self.legs.last_mut() else { return };
        let later = |from: UnixMs, s: f64| UnixMs(from.0 + UnixMs::from_secs_f64(s).0);
        let along = leg.knots.last().map_or(0.0, |k| k.along);
        let empty = if leg.trip.is_some() { later(at, between(&mut self.rng, STRANDED.0, STRANDED.1)) } else { at };
        mark(&mut leg.knots, empty, along);
        let gone = later(empty, between(&mut self.rng, TOWED.0, TOWED.1));
        let stand = Leg::stand(leg.path.clone(), along, leg.ends(), gone, Phase::Unknown);
        self.legs.push(stand);
    }

    /// Where it is at the end of its last leg.
    pub(super) fn place(&self, s: &Scene<'_>) -> Option<Xy> {
        let leg = self.legs.last()?;
        Some(point(s.tt, &leg.path, leg.knots.last()?.along))
    }

    fn note(&self, effect: usize, trip: TripIdx, at: f64) -> Note {
        Note { effect, vehicle: self.vehicle.clone(), trips: vec![trip], at }
    }
}

impl Leg {
    /// Ends it at a moment.
    fn cut(&mut self, at: UnixMs) {
        let keep = self.knots.partition_point(|k| k.at < at).max(1);
        if let (Some(a), Some(b)) = (self.knots.get(keep - 1).copied(), self.knots.get(keep).copied()) {
            let share = (at.0 - a.at.0) as f32 / (b.at.0 - a.at.0).max(1) as f32;
            self.knots.truncate(keep);
            mark(&mut self.knots, at, (b.along - a.along).mul_add(share.clamp(0.0, 1.0), a.along));
        }
    }
}
