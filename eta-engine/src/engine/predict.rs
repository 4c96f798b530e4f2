//! When a vehicle will be at each stop ahead: of its trip, and of the next trips of its block.
//!
//! A first stop holds until the timetable's departure; a link takes what was learned of it; the part
//! of the link that is done counts; and what the predictor has learned of its own errors is taken
//! off at the end (`docs/eta.md`). Pure: a vehicle, a model and the time in, estimates out.

use std::cell::RefCell;

use transit_model::dispatch::Phase;
use transit_model::ids::{LinkIdx, StopPos};
use transit_model::time::UnixMs;
use transit_model::timetable::{LinkKey, Pattern, Timetable};

use super::features::{self, Chain, Features, Situation};
use super::run::{EARLY, Run};
use super::vehicle::VehicleState;
use super::{Model, Settings, when};
use crate::learning::calibration::Doing;
use crate::learning::links::{LinkParts, When};
use crate::learning::paces::Paces;
use crate::matching::track::Hypothesis;
use crate::world::{CallPrediction, TripDay};

/// A vehicle silent for longer is no longer predicted, seconds.
const SILENT: i64 = 15 * 60;
/// Off its route for longer it is no longer predicted, fixes.
const OFF_ROUTE_FIXES: u16 = 24;
/// A vehicle that should have left its first stop leaves so soon from now, seconds.
const ABOUT_TO_LEAVE: f64 = 15.0;
/// Driving to its first stop, m/s in a straight line.
const DEADHEAD_SPEED: f32 = 6.0;
/// Nothing that keeps a timetable is faster from stop to stop, m/s; express trains come to 50.
const FASTEST: f32 = 60.0;
/// From stop to stop, stops and lights within, where nothing better is known, m/s: 18 km/h.
const USUAL_SPEED: f32 = 5.0;
/// A dwelling vehicle has at least so much of its dwell before it, seconds.
const LAST_OF_DWELL: f32 = 3.0;

/// What a prediction is made from, beside the vehicle.
pub struct Context<'a> {
    /// The timetable.
    pub timetable: &'a Timetable,
    /// What was learned.
    pub model: &'a Model,
    /// How to predict.
    pub settings: &'a Settings,
    /// The time.
    pub now: UnixMs,
    /// What the model says of links.
    pub paces: RefCell<&'a mut Paces>,
}

impl Context<'_> {
    /// What a link of a pattern is expected to take at a moment, where the timetable gives it `plan` seconds.
    fn parts(&self, pattern: &Pattern, link: usize, plan: f32, moment: When) -> LinkParts {
        match pattern.links.get(link) {
            Some(at) => {
                let plan = self.sane(pattern, link, *at, plan);
                self.paces.borrow_mut().parts(&self.model.links, *at, plan, moment)
            }
            None => self.model.links.parts(LinkKey(0), plan, moment),
        }
    }

    /// Of a link that nobody has run, a timetable that has vehicles fly says less than its length does.
    fn sane(&self, pattern: &Pattern, link: usize, at: LinkIdx, plan: f32) -> f32 {
        let along = |pos: usize| pattern.calls.get(pos).map_or(0.0, |c| c.along);
        let metres = along(link + 1) - along(link);
        let unknown = || self.timetable.links.get(at).is_none_or(|l| !self.model.links.knows(l.key));
        if plan * FASTEST < metres && unknown() { metres / USUAL_SPEED } else { plan }
    }

    /// The expected dwell at the first stop of a link of a pattern, seconds.
    fn dwell(&self, pattern: &Pattern, link: usize) -> f32 {
        match pattern.links.get(link) {
            Some(link) => self.paces.borrow_mut().dwell(&self.model.links, *link),
            None => self.model.links.dwell(LinkKey(0)),
        }
    }
}

/// A prediction, and the arrival as it was before calibration.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The prediction; what is published is set later.
    pub call: CallPrediction,
    /// Before calibration; absent for a call the vehicle is at, where nothing is predicted.
    pub raw: Option<UnixMs>,
    /// By the chain of links alone, before the learned residual.
    pub chain: UnixMs,
    /// What it rests on.
    pub features: Features,
}

/// Predictions for one vehicle.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it was doing.
    pub doing: Doing,
    /// In the order of the calls.
    pub estimates: Vec<Estimate>,
    situation: Situation,
    /// What the links ahead take this vehicle, of what they take any.
    own_pace: f32,
}

/// Where a vehicle is in time: the moment it will be, or was, at the beginning of a link.
struct Cursor {
    /// Unix seconds of arrival at the call before.
    arrival: f64,
    /// The arrival shown for the call before: nothing after it may be earlier.
    floor: f64,
    /// The links on the way here.
    chain: Chain,
}

/// Predicts for one vehicle; nothing for one that is not in service. `room` is an empty list to write to: it
/// may have been used before.
pub fn ahead(
    v: &VehicleState,
    c: &Context<'_>,
    next_of: &mut dyn FnMut(TripDay) -> Option<TripDay>,
    room: Vec<Estimate>,
) -> Made {
    let mut made = Made { doing: Doing::Moving, estimates: room, situation: Situation::default(), own_pace: 1.0 };
    let (Some(h), Some(last)) = (v.track.chosen(), v.last.as_ref()) else { return made };
    let silent = c.now.secs_since(last.time) > SILENT;
    if silent || h.misses > OFF_ROUTE_FIXES || matches!(v.phase, Phase::Unknown | Phase::AtBase) {
        return made;
    }
    let known = v.known_at(c.now).unwrap_or(last.time);
    made.doing = doing(v, h, known > last.time);
    made.situation = situation(v, h, known, c);
    made.own_pace = c.model.lasting.share().mul_add(v.pace, 1.0).clamp(0.6, 1.8);
    let until = c.now.secs_f64() + f64::from(c.settings.horizon);
    let mut on = h.on;
    let mut cursor = current_trip(v, h, known, c, until, &mut made);
    // Guarded against a feed whose blocks run in circles.
    for _ in 0..8 {
        let Some(end) = cursor else { break };
        let Some(next) = next_of(on).filter(|_| end.arrival < until) else { break };
        on = next;
        let ready = end.arrival + f64::from(c.settings.minimum_layover);
        cursor = whole_trip(on, ready, end, c, until, &mut made);
    }
    made
}

/// `silent`: it has not been heard for longer than it would be on its way.
fn doing(v: &VehicleState, h: &Hypothesis, silent: bool) -> Doing {
    if !h.started {
        return Doing::Waiting;
    }
    if v.run.as_ref().is_some_and(|r| r.on == h.on && r.dwelling().is_some()) {
        return Doing::Dwelling;
    }
    if v.standing_since.is_some() || silent { Doing::Standing } else { Doing::Moving }
}

/// The vehicle's part of the features; what is left of the current link is added when it is known.
fn situation(v: &VehicleState, h: &Hypothesis, known: UnixMs, c: &Context<'_>) -> Situation {
    let t = c.timetable;
    let Some(last) = v.last.as_ref() else { return Situation::default() };
    let run = v.run.as_ref().filter(|r| r.on == h.on);
    let pattern = t.pattern_of(h.on.trip);
    let since = |at: UnixMs| known.secs_since(at) as f32;
    let silent = (known > last.time).then_some(last.time);
    let dwelling = run
        .filter(|_| h.started)
        .and_then(Run::dwelling)
        .map(|(pos, at)| (since(at), c.dwell(pattern, usize::from(pos))));
    let late = run.and_then(|r| r.last_arrival).map_or(0.0, |(pos, at, _)| {
        let planned = t.time_at(h.on.trip, StopPos::new(usize::from(pos))).unwrap_or_default().arrival;
        (at.0 - t.zone.at(h.on.date, planned).0) as f32 / 1000.0
    });
    let waiting = (!h.started).then(|| (t.zone.at(h.on.date, t.starts(h.on.trip)).0 - c.now.0) as f32 / 1000.0);
    Situation {
        age: (c.now.0 - known.0) as f32 / 1000.0,
        dwelling,
        standing: v.standing_since.or(silent).filter(|_| h.started && dwelling.is_none()).map(since),
        waiting,
        rest: 0.0,
        by_speed: 0.0,
        late,
        pace: v.pace,
    }
}

/// The rest of the trip the vehicle is on, where it was at `known`; the cursor at its last stop, or nothing beyond the horizon.
fn current_trip(
    v: &VehicleState,
    h: &Hypothesis,
    known: UnixMs,
    c: &Context<'_>,
    until: f64,
    made: &mut Made,
) -> Option<Cursor> {
    let t = c.timetable;
    let pattern = t.pattern_of(h.on.trip);
    let last = v.last.as_ref()?;
    let now = c.now.secs_f64();
    if h.ended.is_some() {
        return Some(Cursor { arrival: h.ended.map_or(now, UnixMs::secs_f64), floor: now, chain: Chain::default() });
    }
    if !h.started {
        let first = pattern.calls.first()?;
        let line = t.shapes.at(pattern.shape);
        let away = v.at.map_or(0.0, |p| p.distance(line.point_at(first.along)));
        let here = if away > 150.0 { known.secs_f64() + f64::from(away / DEADHEAD_SPEED) } else { 0.0 };
        let free = v.free_since.map_or(0.0, |f| f.secs_f64() + f64::from(c.settings.minimum_layover));
        let cursor = Cursor { arrival: now, floor: now, chain: Chain::default() };
        return whole_trip(h.on, here.max(free).max(now + ABOUT_TO_LEAVE), cursor, c, until, made);
    }
    let run = v.run.as_ref().filter(|r| r.on == h.on)?;
    let next = usize::from(run.next());
    let call = pattern.calls.get(next)?;
    let before = pattern.calls.get(next.checked_sub(1)?)?;
    let expected = link_parts(h.on, pattern, next - 1, when(t, known), c).total;
    let dwell = c.dwell(pattern, next - 1).min(0.6 * expected);
    let running = expected - dwell;
    let length = (call.along - before.along).max(1.0);
    let to_go = ((call.along - h.along) / length).clamp(0.0, 1.0);
    let rest = match run.dwelling().filter(|(pos, _)| usize::from(*pos) + 1 == next) {
        Some((_, since)) => {
            let stood = known.secs_since(since) as f32;
            let wait = run
                .early_by(t, StopPos::new(next - 1), since)
                .and(c.model.holding.leaves_at())
                .map_or(0.0, |late| (planned_departure(h.on, next - 1, c) - known.secs_f64()) as f32 + late);
            let staying = (dwell - stood).max(wait).max(LAST_OF_DWELL);
            here(h.on, pattern, next - 1, known.secs_f64() + f64::from(staying), c, made);
            staying + running
        }
        None => running * to_go,
    };
    made.situation.rest = rest;
    if let Some(speed) = last.speed.filter(|v| *v > 2.0 && made.doing == Doing::Moving) {
        made.situation.by_speed = (call.along - h.along).max(0.0) / speed - rest;
    }
    let mut cursor = Cursor { arrival: known.secs_f64() + f64::from(rest), floor: now, chain: Chain::default() };
    push(h.on, pattern, next, &mut cursor, c, made);
    run_on(h.on, pattern, next, cursor, c, until, made)
}

/// A call with all its times at one moment, to be refined.
fn call_at(on: TripDay, pattern: &Pattern, pos: usize, at: UnixMs, t: &Timetable) -> Option<CallPrediction> {
    let (call, times) = (pattern.calls.get(pos)?, t.time_at(on.trip, StopPos::new(pos))?);
    let day = t.zone.day_start(on.date);
    Some(CallPrediction {
        on,
        pos: StopPos::new(pos),
        stop: call.stop,
        scheduled_arrival: day.plus_secs(i64::from(times.arrival.0)),
        scheduled_departure: day.plus_secs(i64::from(times.departure.0)),
        arrival: at,
        arrival_p10: at,
        arrival_p90: at,
        departure: at,
        published_arrival: at,
        published_departure: at,
    })
}

/// Writes down the call a vehicle is at: it is here now, and leaves at `leaves` (unix seconds) or in a moment.
fn here(on: TripDay, pattern: &Pattern, pos: usize, leaves: f64, c: &Context<'_>, made: &mut Made) {
    let leaves = UnixMs::from_secs_f64(leaves).max(c.now.plus_secs(1));
    let Some(call) = call_at(on, pattern, pos, c.now, c.timetable) else { return };
    made.estimates.push(Estimate {
        raw: None,
        chain: c.now,
        features: [0.0; features::COUNT],
        call: CallPrediction { departure: leaves, published_departure: leaves, ..call },
    });
}

/// A whole trip that has not begun, for a vehicle that may leave at `ready` (unix seconds).
fn whole_trip(on: TripDay, ready: f64, before: Cursor, c: &Context<'_>, until: f64, made: &mut Made) -> Option<Cursor> {
    let t = c.timetable;
    let pattern = t.pattern_of(on.trip);
    let planned = t.zone.at(on.date, t.starts(on.trip)).secs_f64();
    let leaves = (planned + f64::from(c.model.start_lateness)).max(ready).max(before.floor);
    if leaves > until {
        return None;
    }
    let at = UnixMs::from_secs_f64(leaves);
    let first = call_at(on, pattern, 0, at, t)?;
    let q = c.model.calibration.at(Doing::Waiting, (leaves - c.now.secs_f64()) as f32);
    made.estimates.push(Estimate {
        raw: Some(at),
        chain: at,
        features: features::of(&made.situation, &before.chain, (leaves - c.now.secs_f64()) as f32),
        call: CallPrediction {
            arrival_p10: UnixMs::from_secs_f64(leaves + f64::from(q.p10)).max(c.now),
            arrival_p90: UnixMs::from_secs_f64(leaves + f64::from(q.p90)),
            ..first
        },
    });
    let moment = when(t, at);
    let parts = link_parts(on, pattern, 0, moment, c);
    let first_link = parts.total;
    // The link was learned with the dwell before it; the wait at a first stop is not one.
    let dwell = c.dwell(pattern, 0).min(0.6 * first_link);
    let mut chain = before.chain;
    chain.held += (leaves - before.arrival).max(0.0) as f32;
    chain.add(&parts, 0.0);
    let mut cursor = Cursor { arrival: leaves + f64::from(first_link - dwell), floor: leaves, chain };
    push(on, pattern, 1, &mut cursor, c, made);
    run_on(on, pattern, 1, cursor, c, until, made)
}

/// From a call to the end of the trip, link by link.
fn run_on(
    on: TripDay,
    pattern: &Pattern,
    from: usize,
    mut cursor: Cursor,
    c: &Context<'_>,
    until: f64,
    made: &mut Made,
) -> Option<Cursor> {
    let start = when(c.timetable, UnixMs::from_secs_f64(cursor.arrival));
    let begun = cursor.arrival;
    for pos in from + 1..pattern.calls.len() {
        let held = held_at(on, pattern, pos - 1, cursor.arrival, c);
        cursor.arrival += held;
        cursor.chain.held += held as f32;
        let moment = start.plus((cursor.arrival - begun) as f32);
        let mut parts = link_parts(on, pattern, pos - 1, moment, c);
        parts.total *= made.own_pace;
        cursor.chain.add(&parts, c.dwell(pattern, pos - 1));
        cursor.arrival += f64::from(parts.total);
        if cursor.arrival > until {
            return None;
        }
        push(on, pattern, pos, &mut cursor, c, made);
    }
    Some(cursor)
}

/// How much longer than its dwell a vehicle that comes at `arrival` (unix seconds) waits for the
/// timetable at a call, where early vehicles do.
fn held_at(on: TripDay, pattern: &Pattern, pos: usize, arrival: f64, c: &Context<'_>) -> f64 {
    let timepoint = c.timetable.time_at(on.trip, StopPos::new(pos)).is_some_and(|x| x.timepoint);
    let Some(late) = c.model.holding.leaves_at().filter(|_| timepoint) else { return 0.0 };
    let planned = planned_departure(on, pos, c);
    if planned - arrival <= f64::from(EARLY) {
        return 0.0;
    }
    let dwell = c.dwell(pattern, pos);
    (planned + f64::from(late - dwell) - arrival).max(0.0)
}

fn planned_departure(on: TripDay, pos: usize, c: &Context<'_>) -> f64 {
    let times = c.timetable.time_at(on.trip, StopPos::new(pos)).unwrap_or_default();
    c.timetable.zone.at(on.date, times.departure).secs_f64()
}

/// Writes one call down, calibrated, in order, and never in the past.
fn push(on: TripDay, pattern: &Pattern, pos: usize, cursor: &mut Cursor, c: &Context<'_>, made: &mut Made) {
    let t = c.timetable;
    let now = c.now.secs_f64();
    let chain = cursor.arrival.max(now);
    let features = features::of(&made.situation, &cursor.chain, (chain - now) as f32);
    let residual = c.model.residual.correction((chain - now) as f32, &features);
    let raw = (chain + f64::from(residual)).max(now);
    let q = c.model.calibration.at(made.doing, (raw - now) as f32);
    let arrival = raw.max(cursor.floor + 1.0).max(now + 1.0);
    let spread = |q: f32| arrival + f64::from(q);
    let p10 = spread(q.p10).max(now).min(arrival);
    let p90 = spread(q.p90).max(arrival);
    let dwell = pattern.links.get(pos).map_or(0.0, |_| c.dwell(pattern, pos));
    let ms = UnixMs::from_secs_f64;
    cursor.floor = arrival;
    let Some(call) = call_at(on, pattern, pos, ms(arrival), t) else { return };
    let departure = ms(arrival + f64::from(dwell));
    made.estimates.push(Estimate {
        raw: Some(ms(raw)),
        chain: ms(chain),
        features,
        call: CallPrediction {
            arrival_p10: ms(p10),
            arrival_p90: ms(p90),
            departure,
            published_departure: departure,
            ..call
        },
    });
}

fn link_parts(on: TripDay, pattern: &Pattern, link: usize, moment: When, c: &Context<'_>) -> LinkParts {
    let t = c.timetable;
    let times = |pos: usize| t.time_at(on.trip, StopPos::new(pos)).unwrap_or_default();
    let from = times(link);
    let began = if link == 0 { from.departure } else { from.arrival };
    let plan = (times(link + 1).arrival - began).0 as f32;
    c.parts(pattern, link, plan, moment)
}
