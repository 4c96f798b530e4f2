//! The hypotheses of one vehicle, and the one that holds.
//!
//! What the fixes of a hypothesis have cost adds up and is not forgotten. One that is taken up on the
//! way begins with what the one that holds has cost, plus the price of changing trips there. So what
//! was seen in a street that one line uses still counts in a street that ten lines share, and the
//! truth is never farther away than that price. It knows nothing of stop events or phases.

use std::sync::Arc;

use smallvec::SmallVec;
use transit_model::ids::RouteIdx;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::candidates;
use super::cost;
use super::day::Day;
use super::explain::{Bar, Decision, REMEMBERED, Why};
use super::hypothesis::{Served, Snaps, ends_of};
use super::network::Network;
use super::snap::{self, Motion};
use super::trust::{Distrust, Trust};
use crate::engine::habits::Tied;
use crate::learning::signs::Reading;
use crate::world::TripDay;

pub use super::hypothesis::{Hypothesis, NEAR_END, OFF_ROUTE_AFTER};

/// How many hypotheses a vehicle carries.
pub(super) const MOST: usize = 16;
/// What costs so much more than the best one is dropped: looking again takes it up for less.
const HOPELESS: f32 = 14.0;
/// Above this mean cost of its last fixes, what a vehicle is on explains it badly.
const BADLY: f32 = 0.8;
/// What that mean weighs in the confidence.
const LATELY_WEIGHT: f32 = 6.0;
/// A vehicle must have come so far along a line before it is believed to be on it, metres.
const TRAVELLED: f32 = 120.0;
/// A vehicle that comes from its base joins a line on its way to a terminal: so far, metres.
const TRAVELLED_FROM_BASE: f32 = 3000.0;
/// A vehicle within so many metres of where it was has not gone anywhere.
const PARKED: f32 = 40.0;
/// Whoever stands so long off the line has given up its trip, seconds.
const GIVEN_UP: i64 = 180;
/// Whoever stands so long on no trip was at its base, seconds.
const AT_BASE: i64 = 1200;
/// Nor does a sign changed for a moment end a trip, seconds.
const SIGN_HELD: i64 = 45;
/// So much of a trip must have been seen before what follows it is believed, metres.
const SERVED: f32 = 800.0;
/// A fix so far from the last one tells something new; one nearer tells as much less, metres.
const NEWS: f32 = 80.0;
/// A vehicle that stands tells next to nothing.
const NO_NEWS: f32 = 0.03;
/// At its last stop a vehicle is still on its trip for so long, seconds.
pub const ALIGHTING: i64 = 45;
/// A vehicle that has named a trip within so many seconds is one that names its trips.
const SPEAKS: i64 = 12 * 3600;
/// Naming none for so long on the way, or at the end of its trip, it runs none, seconds.
const TRIP_MUTE: i64 = 240;
const LAYOVER_MUTE: i64 = 1200;
/// Fixes outside the corridor before its trip is given up.
const LOST_AFTER: u16 = 40;

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
    /// It names no trip, known to the timetable or not.
    pub mute: bool,
    /// It is where vehicles are kept.
    pub yard: bool,
    /// It says itself that it stands.
    pub still: bool,
}

/// What a track needs to know of the rest of the world.
pub struct Around<'a> {
    /// The timetable.
    pub timetable: &'a Timetable,
    /// Its lines by place.
    pub network: &'a Network,
    /// The days in force.
    pub days: &'a [Arc<Day>],
    /// What it would cost another vehicle to give this trip up: what taking it from that vehicle costs.
    pub claimed: &'a dyn Fn(TripDay) -> f32,
    /// What its sign says.
    pub sign: Option<Reading<'a>>,
    /// What its run and operator say.
    pub tied: Option<Tied<'a>>,
}

impl Around<'_> {
    fn day(&self, on: TripDay) -> Option<&Day> {
        self.days.iter().map(|d| &**d).find(|d| d.date == on.date)
    }

    /// When the day of a trip starts, unix seconds.
    pub(super) fn day_start(&self, on: TripDay) -> f64 {
        self.day(on).map_or_else(|| self.timetable.zone.day_start(on.date), |d| d.start).secs_f64()
    }

    /// The trip the same vehicle runs next, by the block.
    #[must_use]
    pub fn next_of(&self, on: TripDay) -> Option<TripDay> {
        let trip = self.day(on)?.next_of(on.trip)?;
        Some(TripDay { date: on.date, trip })
    }
}

/// The hypotheses of one vehicle.
#[derive(Clone, Debug, Default)]
pub struct Track {
    hypotheses: SmallVec<[Hypothesis; 4]>,
    chosen: Option<TripDay>,
    served: Option<Served>,
    looked: Option<UnixMs>,
    at: Option<Xy>,
    /// Where it has been, within [`PARKED`], since when.
    parked: Option<(Xy, UnixMs)>,
    /// It has been at its base and on no trip since.
    from_base: bool,
    /// When it last named a trip that the timetable has.
    spoke: Option<UnixMs>,
    /// Since when its sign denies the trip it is on.
    denied: Option<UnixMs>,
    /// How long it has been where it is, seconds.
    stood: i64,
    /// Whether the trip it names is believed.
    trust: Trust,
    /// Why its trip was changed last, and by how much the new one was cheaper.
    why: (Why, Option<f32>),
    /// The last changes of trip, oldest first.
    decisions: Vec<Decision>,
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
        // A lone hypothesis may still be wrong altogether: how well it fits of late has a say.
        (1.0 / sum.max(1.0)) * (-(best.lately * LATELY_WEIGHT - 6.0).max(0.0) / 12.0).exp()
    }

    /// What giving up its trip would cost the vehicle: how much dearer its next best one is, prices
    /// that others ask for that one included; at most [`cost::CLAIMED`].
    #[must_use]
    pub fn worth(&self, t: &Timetable) -> f32 {
        let Some(held) = self.chosen() else { return 0.0 };
        if held.reported {
            return cost::CLAIMED_BY_NAME;
        }
        let others = self.hypotheses.iter().filter(|h| h.on != held.on && self.believable(h, t));
        let second = others.map(|h| h.total).fold(f32::INFINITY, f32::min);
        (second - (held.total - held.outbid)).clamp(0.0, cost::CLAIMED)
    }

    /// A vehicle standing somewhere along a line is not yet on it; one waiting at the start may be.
    fn believable(&self, h: &Hypothesis, t: &Timetable) -> bool {
        self.bar(h, t).is_none()
    }

    /// What keeps a hypothesis from being chosen, whatever it costs.
    pub(super) fn bar(&self, h: &Hypothesis, t: &Timetable) -> Option<Bar> {
        if h.is_denied(t) {
            return Some(Bar::Sign);
        }
        if h.outbid >= cost::CLAIMED_BY_NAME {
            return Some(Bar::NamedByAnother);
        }
        let resumes = self.served.is_some_and(|s| (s.date, s.trip) == (h.on.date, h.on.trip));
        let enough = if self.from_base && h.mid_line && !resumes { TRAVELLED_FROM_BASE } else { TRAVELLED };
        (h.travelled < enough && h.started).then_some(Bar::TooLittleSeen(h.travelled, enough))
    }

    /// What it has run before.
    pub(super) const fn served(&self) -> Option<&Served> {
        self.served.as_ref()
    }

    /// The trip it names and is not believed to run.
    #[must_use]
    pub const fn distrust(&self) -> Option<Distrust> {
        self.trust.distrust()
    }

    /// The last changes of trip, oldest first.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Forgets everything but what it has run: the vehicle was away.
    pub fn reset(&mut self, now: UnixMs, around: &Around<'_>) {
        if let Some(h) = self.chosen().copied() {
            self.serve(&h, around);
            self.remember(Some(h.on), None, (Why::Reset, None), now);
        }
        self.hypotheses.clear();
        self.chosen = None;
        self.looked = None;
        self.at = None;
        self.parked = None;
        self.denied = None;
        self.stood = 0;
    }

    /// How long it has been where it is, within 40 m, seconds.
    #[must_use]
    pub const fn stood(&self) -> i64 {
        self.stood
    }

    /// Whether its sign denies that it runs the line it is on.
    #[must_use]
    pub fn is_denied(&self, t: &Timetable) -> bool {
        self.hypotheses.iter().any(|h| h.misses == 0 && h.is_denied(t))
    }

    /// Whether it has left its base and been on no trip since.
    #[must_use]
    pub const fn is_from_base(&self) -> bool {
        self.from_base
    }

    /// Takes a fix in and chooses.
    pub fn advance(&mut self, o: &Observation, around: &Around<'_>) {
        let before = self.chosen;
        self.why = (Why::Best, None);
        self.take(o, around);
        if before != self.chosen {
            self.remember(before, self.chosen, self.why, o.time);
        }
    }

    fn remember(
        &mut self,
        from: Option<TripDay>,
        to: Option<TripDay>,
        (why, cheaper_by): (Why, Option<f32>),
        at: UnixMs,
    ) {
        if self.decisions.len() >= REMEMBERED {
            self.decisions.remove(0);
        }
        self.decisions.push(Decision { at, from, to, why, cheaper_by });
    }

    fn take(&mut self, o: &Observation, around: &Around<'_>) {
        let moved = self.at.map_or(0.0, |last| last.distance(o.at));
        let weight = if self.at.is_some() { (moved / NEWS).clamp(NO_NEWS, 1.0) } else { 1.0 };
        self.at = Some(o.at);
        self.note_parked(o, around);
        if let Some(on) = o.trip {
            self.spoke = Some(o.time);
            if !self.trust.doubts(on) {
                self.follow_reported(on, o, weight, around);
                self.weigh_report(o, moved, around.timetable);
                return;
            }
        } else if let Some(spoke) = self.spoke.filter(|s| o.mute && o.time.secs_since(*s) < SPEAKS)
            && self.trust.distrust().is_none()
        {
            self.outlive_report(spoke, o, weight, around);
            return;
        }
        let mut snapped = Snaps::new();
        for h in &mut self.hypotheses {
            h.reported = false;
            h.step_among(o, weight, around.timetable, &mut snapped);
        }
        self.continue_block(o, around);
        if self.must_look(o.time) {
            self.looked = Some(o.time);
            self.look(o, around);
        }
        self.choose(o, around);
        self.heed_sign(o, around);
        let chosen = self.chosen().copied();
        self.trust.hear_inference(chosen.as_ref(), o.time);
    }

    /// Gives the trip it names up when geometry or the clock has contradicted it for long.
    fn weigh_report(&mut self, o: &Observation, moved: f32, t: &Timetable) {
        let Some(h) = self.chosen().copied() else { return };
        if self.trust.weigh(&h, o, moved, t).is_some() {
            self.hypotheses.clear();
            self.chosen = None;
            self.looked = None;
            self.why = (Why::Contradicted, None);
        }
    }

    /// A vehicle that says it is not in service gives its trip up, once it has said so for a while.
    fn heed_sign(&mut self, o: &Observation, around: &Around<'_>) {
        let Some(h) = self.chosen().copied().filter(|h| h.ended.is_none() && h.is_denied(around.timetable)) else {
            self.denied = None;
            return;
        };
        let since = *self.denied.get_or_insert(o.time);
        if o.time.secs_since(since) >= SIGN_HELD {
            self.serve(&h, around);
            self.chosen = None;
            self.denied = None;
            self.why = (Why::Sign, None);
        }
    }

    fn note_parked(&mut self, o: &Observation, around: &Around<'_>) {
        let (_, since) = match self.parked {
            Some((place, since)) if place.distance(o.at) <= PARKED => (place, since),
            _ => *self.parked.insert((o.at, o.time)),
        };
        let stood = o.time.secs_since(since);
        self.stood = stood;
        if (stood >= GIVEN_UP || o.yard)
            && let Some(h) =
                self.chosen().copied().filter(|h| h.misses >= OFF_ROUTE_AFTER && h.ended.is_none() && !h.reported)
        {
            self.serve(&h, around);
            self.hypotheses.clear();
            self.chosen = None;
            self.why = (Why::Parked, None);
        }
        self.from_base = match self.chosen() {
            None => self.from_base || stood >= AT_BASE || o.yard,
            Some(_) => false,
        };
    }

    fn follow_reported(&mut self, on: TripDay, o: &Observation, weight: f32, around: &Around<'_>) {
        self.hypotheses.retain(|h| h.on == on);
        match self.hypotheses.first_mut() {
            Some(h) => h.step(o, weight, around.timetable),
            None => self.hypotheses.push(Hypothesis::reported(on, o, around.timetable)),
        }
        for h in &mut self.hypotheses {
            h.reported = true;
            h.evidence = 0.0;
        }
        self.chosen = Some(on);
        self.why = (Why::Named, None);
        if self.served.is_none_or(|s| (s.date, s.trip) != (on.date, on.trip))
            && let Some(h) = self.chosen().copied()
        {
            self.serve(&h, around);
        }
    }

    /// A vehicle that names its trips names none: it runs none, unless it was lost for a moment on the way
    /// or has its layover at the end of the trip it named.
    fn outlive_report(&mut self, spoke: UnixMs, o: &Observation, weight: f32, around: &Around<'_>) {
        let Some(on) = self.chosen else { return };
        self.hypotheses.retain(|h| h.on == on);
        let mute = o.time.secs_since(spoke);
        let held = self.hypotheses.first_mut().is_some_and(|h| {
            h.step(o, weight, around.timetable);
            let patience = if h.ended.is_some() { LAYOVER_MUTE } else { TRIP_MUTE };
            mute < patience && h.misses < OFF_ROUTE_AFTER
        });
        if !held {
            self.hypotheses.clear();
            self.chosen = None;
            self.why = (Why::NamesNone, None);
        }
    }

    /// Notes that the vehicle runs, or has run, a trip.
    fn serve(&mut self, h: &Hypothesis, around: &Around<'_>) {
        let (t, on) = (around.timetable, h.on);
        let block = t.trips.at(on.trip).block;
        let trips = match self.served {
            Some(s) if (s.date, s.trip) == (on.date, on.trip) => return,
            Some(s) if s.date == on.date && s.block == block && block.is_some() => s.trips.saturating_add(1),
            _ if !h.reported && h.travelled < SERVED => return,
            _ => 1,
        };
        let route = t.pattern_of(on.trip).route;
        let next = around.next_of(on).map(|n| n.trip);
        self.served = Some(Served { date: on.date, trip: on.trip, block, route, next, trips });
    }

    /// A vehicle at the end of its line may be on the next trip of its block.
    fn continue_block(&mut self, o: &Observation, around: &Around<'_>) {
        let ended: SmallVec<[Hypothesis; 4]> = self.hypotheses.iter().filter(|h| h.ended.is_some()).copied().collect();
        for h in ended {
            if self.chosen == Some(h.on) {
                self.serve(&h, around);
            }
            let Some(next) = around.next_of(h.on) else { continue };
            if self.hypotheses.iter().any(|x| x.on == next) {
                continue;
            }
            let (start, _) = ends_of(around.timetable.pattern_of(next.trip));
            let line = around.timetable.shape_of(next.trip);
            let Some(s) = snap::onto(line, o.at, start, o.motion) else { continue };
            if s.off <= cost::CORRIDOR {
                let mut new = Hypothesis::waiting(next, s, start, h.ended.unwrap_or(o.time));
                new.travelled = h.travelled;
                new.evidence = h.evidence;
                new.denied = h.denied;
                self.hypotheses.push(new);
            }
        }
    }

    /// Whether to look for trips it may be on: it is on none, or what it is on explains it badly, or ends.
    fn must_look(&self, now: UnixMs) -> bool {
        let since = self.looked.map_or(i64::MAX, |t| now.secs_since(t));
        match self.chosen() {
            None => since >= 20,
            Some(h) if h.misses > 0 || h.ended.is_some() || !h.started || h.lately > BADLY => since >= 45,
            Some(_) => false,
        }
    }

    fn look(&mut self, o: &Observation, around: &Around<'_>) {
        let held = self.chosen().copied();
        let ready = held.and_then(|h| h.ready_for_next());
        let from = held.map_or(0.0, |h| h.evidence);
        let change = |started: bool| match held {
            None => 0.0,
            Some(_) if ready.is_some() && !started => cost::CHANGE_AT_TERMINAL,
            Some(now) if !now.started => cost::CHANGE_BEFORE_START,
            Some(_) => cost::CHANGE_ON_THE_WAY,
        };
        let added = |started: bool| from + change(started);
        for h in candidates::here(o, ready, around, self.served.as_ref(), &added) {
            if !self.hypotheses.iter().any(|x| x.on == h.on && x.misses == 0) {
                self.hypotheses.retain(|x| x.on != h.on);
                self.hypotheses.push(h);
            }
        }
    }

    fn choose(&mut self, o: &Observation, around: &Around<'_>) {
        let least = self.hypotheses.iter().map(|h| h.evidence).fold(f32::INFINITY, f32::min);
        for h in &mut self.hypotheses {
            h.evidence -= least;
            h.price(o, around, self.served.as_ref());
        }
        // Whoever names a trip has it; who only seems to be on it is on another, or on none.
        self.hypotheses.retain(|h| h.outbid < cost::CLAIMED_BY_NAME);
        self.hypotheses.sort_by(|a, b| a.total.total_cmp(&b.total).then(a.on.cmp(&b.on)));
        let best = self.hypotheses.iter().find(|h| self.believable(h, around.timetable)).copied();
        let held = self.chosen().copied();
        self.chosen = match (held, best) {
            (Some(held), Some(best)) if alighting(&held, o.time) && !best.started => Some(held.on),
            // Its arrival at the last stop belongs to the trip that has just ended.
            (Some(held), _) if held.ended == Some(o.time) => Some(held.on),
            (Some(held), Some(best)) if best.total + cost::HYSTERESIS < held.total => Some(best.on),
            (Some(held), _) if held.misses < LOST_AFTER => Some(held.on),
            (_, best) => best.filter(|b| b.misses == 0).map(|b| b.on),
        };
        let floor = self.hypotheses.first().map_or(0.0, |h| h.total);
        let chosen = self.chosen;
        if chosen != held.map(|h| h.on) {
            let by = held.zip(best).map(|(held, best)| held.total - best.total);
            self.why = match (chosen, held) {
                (None, _) => (Why::Lost, None),
                (Some(_), Some(_)) => (Why::Cheaper, by),
                // Where the trip before was given up at this very fix, that is why.
                (Some(_), None) => (Why::Best, None),
            };
        }
        self.hypotheses.retain(|h| Some(h.on) == chosen || (h.total <= floor + HOPELESS && h.misses < 6));
        self.hypotheses.truncate(MOST);
        if let Some(held) = held.filter(|h| Some(h.on) == chosen)
            && !self.hypotheses.iter().any(|h| h.on == held.on)
        {
            self.hypotheses.push(held);
        }
    }
}

/// Whether people are still getting off at the end of this trip.
fn alighting(h: &Hypothesis, now: UnixMs) -> bool {
    h.ended.is_some_and(|e| now.secs_since(e) < ALIGHTING)
}
