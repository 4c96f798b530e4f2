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
use super::hypothesis::{Served, Snaps, ends_of};
use super::network::Network;
use super::snap::{self, Motion};
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
    pub fn worth(&self) -> f32 {
        let Some(held) = self.chosen() else { return 0.0 };
        if held.reported {
            return cost::CLAIMED_BY_NAME;
        }
        let others = self.hypotheses.iter().filter(|h| h.on != held.on && self.believable(h));
        let second = others.map(|h| h.total).fold(f32::INFINITY, f32::min);
        (second - (held.total - held.outbid)).clamp(0.0, cost::CLAIMED)
    }

    /// A vehicle standing somewhere along a line is not yet on it; one waiting at the start may be.
    fn believable(&self, h: &Hypothesis) -> bool {
        let resumes = self.served.is_some_and(|s| (s.date, s.trip) == (h.on.date, h.on.trip));
        let enough = if self.from_base && h.mid_line && !resumes { TRAVELLED_FROM_BASE } else { TRAVELLED };
        h.travelled >= enough || !h.started
    }

    /// Forgets everything but what it has run: the vehicle was away.
    pub fn reset(&mut self, around: &Around<'_>) {
        if let Some(h) = self.chosen().copied() {
            self.serve(&h, around);
        }
        self.hypotheses.clear();
        self.chosen = None;
        self.looked = None;
        self.at = None;
        self.parked = None;
    }

    /// Takes a fix in and chooses.
    pub fn advance(&mut self, o: &Observation, around: &Around<'_>) {
        let weight = self.at.map_or(1.0, |last| (last.distance(o.at) / NEWS).clamp(NO_NEWS, 1.0));
        self.at = Some(o.at);
        self.note_parked(o, around);
        if let Some(on) = o.trip {
            self.spoke = Some(o.time);
            self.follow_reported(on, o, weight, around);
            return;
        }
        if let Some(spoke) = self.spoke.filter(|s| o.mute && o.time.secs_since(*s) < SPEAKS) {
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
    }

    fn note_parked(&mut self, o: &Observation, around: &Around<'_>) {
        let (_, since) = match self.parked {
            Some((place, since)) if place.distance(o.at) <= PARKED => (place, since),
            _ => *self.parked.insert((o.at, o.time)),
        };
        let stood = o.time.secs_since(since);
        if stood >= GIVEN_UP
            && let Some(h) =
                self.chosen().copied().filter(|h| h.misses >= OFF_ROUTE_AFTER && h.ended.is_none() && !h.reported)
        {
            self.serve(&h, around);
            self.hypotheses.clear();
            self.chosen = None;
        }
        self.from_base = match self.chosen() {
            None => self.from_base || stood >= AT_BASE,
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
        let best = self.hypotheses.iter().find(|h| self.believable(h)).copied();
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
