//! What the engine keeps of one vehicle between fixes.

use std::sync::Arc;

use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::fix::{Fix, Reported};
use transit_model::ids::{StopPos, VehicleId};
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::features::Features;
use super::health::{Health, Trouble};
use super::motion::motion_between;
use super::predict::{Estimate, Made};
use super::rhythm::Rhythm;
use super::run::{Passed, Run, Step};
use super::waiting::{self, CameTrue, Kept, Waiting};
use super::{Ignored, Model, next_pos, phase};
use crate::board::hold::{self, Published};
use crate::explain::{self, Explanation, Says};
use crate::learning::calibration::Doing;
use crate::matching::snap::Motion;
use crate::matching::track::{Around, Observation, Track};
use crate::world::{CallPrediction, Held, OnTrip, TripDay, TripSpan, Vehicle};

/// Faster than anything drives, m/s.
const LEAP_SPEED: f32 = 55.0;
/// A leap shorter than this is noise, not a leap, metres.
const LEAP_METRES: f32 = 600.0;
/// So many fixes that agree on a far place are believed.
const LEAP_FIXES: u8 = 3;
/// Below this a vehicle stands, m/s.
const STANDING_SPEED: f32 = 0.8;
/// Whoever has come so far from where it was first seen has driven, metres.
const DROVE: f32 = 300.0;
/// A calculated clock time moves by so much or not at all, milliseconds.
const STEADY_MS: i64 = 60_000;
/// How long the trips a vehicle was on are remembered, seconds.
const HISTORY: i64 = 24 * 3600;

/// The last fix that was taken.
#[derive(Clone, Debug)]
pub struct LastFix {
    /// When it was made.
    pub time: UnixMs,
    /// When it reached us.
    pub received: UnixMs,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// m/s, measured or from the fix before.
    pub speed: Option<f32>,
    /// Degrees.
    pub bearing: Option<f32>,
}

/// One vehicle.
#[derive(Clone, Debug)]
pub struct VehicleState {
    /// Its public name.
    pub id: VehicleId,
    /// Its place in the engine.
    pub index: u32,
    /// What kind it is.
    pub kind: VehicleKind,
    /// Its last fix.
    pub last: Option<LastFix>,
    /// Where that was, on the plane.
    pub at: Option<Xy>,
    /// The trips it may be on.
    pub track: Track,
    /// The run of the trip it is on.
    pub run: Option<Run>,
    /// What it is doing.
    pub phase: Phase,
    /// Since when it stands still.
    pub standing_since: Option<UnixMs>,
    /// When the trip before this one ended.
    pub free_since: Option<UnixMs>,
    /// What it lost on its last links, as a share of what they should have taken.
    pub pace: f32,
    /// What it lost on them and what they should have taken, fading, seconds.
    last_links: (f32, f32),
    /// How often it reports.
    pub rhythm: Rhythm,
    /// It has driven since it was first seen.
    pub(super) drove: bool,
    /// Where it stands has been noted as a yard.
    pub(super) kept: bool,
    /// How much this stay at a base has taught of its sign.
    pub(super) sign_stay: f32,
    /// Whether its positions can be believed.
    pub(super) health: Health,
    /// What it said of itself last.
    pub(super) said: Reported,
    observed: Option<Observation>,
    first: Option<Xy>,
    anchor: Option<Xy>,
    leaps: u8,
    history: Vec<TripSpan>,
    ahead: Arc<[CallPrediction]>,
    held: Option<Held>,
    told: Vec<Told>,
    waiting: Waiting,
}

/// What people were told of one call, and what is kept of it to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    on: TripDay,
    pos: StopPos,
    arrival: Published,
    departure: Published,
    /// Which predictions of it wait to come true, where that is known.
    kept: Option<Kept>,
}

impl VehicleState {
    /// A vehicle nobody has heard of, with its place in the engine.
    #[must_use]
    pub fn new(id: VehicleId, index: u32) -> Self {
        Self {
            id,
            index,
            kind: VehicleKind::Transit,
            last: None,
            at: None,
            track: Track::default(),
            run: None,
            phase: Phase::Unknown,
            standing_since: None,
            free_since: None,
            pace: 0.0,
            last_links: (0.0, 0.0),
            rhythm: Rhythm::default(),
            drove: false,
            kept: false,
            sign_stay: 0.0,
            health: Health::default(),
            said: Reported::default(),
            observed: None,
            first: None,
            anchor: None,
            leaps: 0,
            history: Vec::new(),
            ahead: Arc::from([]),
            held: None,
            told: Vec::new(),
            waiting: Waiting::default(),
        }
    }

    /// The predictions made last.
    #[must_use]
    pub fn ahead(&self) -> &Arc<[CallPrediction]> {
        &self.ahead
    }

    /// Whether those were calculated without a fix to believe, and since when.
    #[must_use]
    pub const fn held(&self) -> Option<Held> {
        self.held
    }

    /// When it was last known to be where it is: at its last fix, or later where its silence says that it stands.
    #[must_use]
    pub fn known_at(&self, now: UnixMs) -> Option<UnixMs> {
        let last = self.last.as_ref()?.time;
        let within = self.rhythm.speaks_within().map(|s| UnixMs(now.0 - (s * 1000.0) as i64));
        Some(within.map_or(last, |w| w.max(last)))
    }

    /// How it moved from its last fix to this one, unless the fix is not to be taken.
    pub(super) fn motion(&mut self, fix: &Fix, at: Xy) -> Result<Motion, Ignored> {
        let last = self.last.as_ref().map(|l| l.time).zip(self.at);
        if let Some((time, place)) = last {
            if fix.time <= time {
                return Err(Ignored::Late);
            }
            let gap = (fix.time.0 - time.0) as f32 / 1000.0;
            let far = place.distance(at);
            if far > LEAP_METRES && far / gap > LEAP_SPEED && self.leaps + 1 < LEAP_FIXES {
                self.leaps += 1;
                return Err(Ignored::Leap);
            }
        }
        self.leaps = 0;
        Ok(motion_between(last, self.anchor, fix, at))
    }

    /// Notes that a fix was taken, before anything is made of it.
    pub(super) fn note_heard(&mut self, fix: &Fix, at: Xy) {
        self.health.note_taken(fix.time);
        if self.phase == Phase::AtBase
            && let (Some(last), Some(place)) = (self.last.as_ref(), self.at)
        {
            self.health.note_waking(fix.time.secs_since(last.time), place.distance(at), fix.time);
        }
    }

    /// Keeps what the track was told, to explain it when asked.
    pub(super) fn note_observed(&mut self, o: Observation, said: &Reported) {
        self.observed = Some(o);
        if self.said != *said {
            self.said.clone_from(said);
        }
    }

    /// What is wrong with what it sends.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.health.trouble().cloned().or_else(|| self.track.distrust().map(Trouble::contradicted))
    }

    /// Why it is on the trip it is on; `None` before the first fix.
    pub(super) fn explain(&self, around: &Around<'_>) -> Option<Explanation> {
        let (t, last) = (around.timetable, self.last.as_ref()?);
        let considered = self.observed.as_ref().map(|o| self.track.considered(o, around)).unwrap_or_default();
        let candidates = explain::candidates(t, &considered);
        let trouble = self.trouble().map(|t| t.kind);
        let text = |v: &Option<Box<str>>| v.as_deref().map(str::to_owned);
        let named = self.track.chosen().is_some_and(|h| h.reported);
        Some(Explanation {
            vehicle_id: self.id.to_string(),
            fix_time: last.time,
            fix_at: last.time.rfc3339(&t.zone),
            lat: last.lat,
            lon: last.lon,
            speed: last.speed,
            bearing: last.bearing,
            phase: self.phase,
            confidence: self.track.confidence(),
            says: Says {
                trip_id: text(&self.said.trip_id),
                route_id: text(&self.said.route_id),
                sign: text(&self.said.sign),
                sign_out_of_service: around.sign.map(|s| s.idle()),
                run: text(&self.said.run),
            },
            trouble,
            verdict: explain::verdict(&candidates, self.phase, trouble, named),
            candidates,
            changes: explain::changes(t, self.track.decisions()),
        })
    }

    /// Notes where a fix that was taken has it, after the track has chosen.
    pub(super) fn note_place(&mut self, fix: &Fix, at: Xy, motion: Motion) {
        self.rhythm.learn(motion.dt, self.at.map_or(0.0, |p| p.distance(at)));
        let standing = motion.speed.is_some_and(|v| v < STANDING_SPEED)
            || self.at.is_some_and(|p| p.distance(at) < 4.0 && motion.dt >= 5.0);
        self.standing_since = if standing { self.standing_since.or(Some(fix.time)) } else { None };
        if self.anchor.is_none_or(|a| a.distance(at) >= 25.0) {
            self.anchor = Some(at);
        }
        self.at = Some(at);
        self.last = Some(LastFix {
            time: fix.time,
            received: fix.received,
            lat: fix.lat,
            lon: fix.lon,
            speed: motion.speed,
            bearing: motion.bearing,
        });
        let first = *self.first.get_or_insert(at);
        self.drove |= first.distance(at) > DROVE || self.track.chosen().is_some();
        self.kept &= self.track.stood() > 0;
    }

    /// Notes what it does there.
    pub(super) fn note_phase(&mut self, now: UnixMs, place: &phase::Place<'_>) {
        self.phase = phase::of(self, now, place);
        self.remember(now);
    }

    fn remember(&mut self, now: UnixMs) {
        let on = self.track.chosen().map(|h| h.on);
        match self.history.last_mut() {
            Some(span) if span.on == on => span.to = now,
            _ => self.history.push(TripSpan { on, from: now, to: now }),
        }
        if self.history.first().is_some_and(|s| now.secs_since(s.to) > HISTORY) {
            self.history.retain(|s| now.secs_since(s.to) <= HISTORY);
        }
    }

    /// Brings the run up to the place the track has it at, and says what was passed.
    pub(super) fn pass_stops(&mut self, now: UnixMs, t: &Timetable, model: &Model) -> Vec<Passed> {
        let mut out = Vec::new();
        let Some(h) = self.track.chosen().copied() else {
            self.run = None;
            return out;
        };
        if h.misses > 0 {
            return out;
        }
        match self.run.as_mut().filter(|r| r.on == h.on) {
            Some(run) => {
                let first = t.pattern_of(h.on.trip).calls.first().map_or(0.0, |c| c.along);
                let along = if h.held { h.along.min(first) } else { h.along };
                let (speed, silent_when_standing) = (self.rhythm.speed(), self.rhythm.speaks_within().is_some());
                run.advance(t, model, Step { now, along, speed, silent_when_standing }, &mut out);
            }
            None => {
                let pattern = t.pattern_of(h.on.trip);
                self.run = Some(Run::begin(h.on, self.index, pattern, now, h.along, h.started));
                self.waiting.only(h.on);
                self.told.iter_mut().filter(|x| x.on != h.on).for_each(|x| x.kept = None);
            }
        }
        if let Some(ended) = h.ended {
            self.free_since = Some(ended);
        }
        out
    }

    /// A link took so many seconds more than were expected.
    pub(super) fn note_pace(&mut self, lost: f32, expected: f32) {
        let (losses, links) = self.last_links;
        self.last_links = (losses.mul_add(0.8, lost), links.mul_add(0.8, expected));
        self.pace = self.last_links.0 / (self.last_links.1 + 300.0);
    }

    /// The predictions that an arrival proves or disproves, and of a sample of them the lead, the features
    /// and the error by the chain of links alone.
    pub(super) fn came_true(&mut self, pos: StopPos, at: UnixMs) -> (Vec<CameTrue>, Vec<(f32, Features, f32)>) {
        match self.run.as_ref() {
            Some(run) => self.waiting.came_true(run.on, pos, at),
            None => (Vec::new(), Vec::new()),
        }
    }

    /// Takes new predictions in: keeps some to be judged, and holds back what people are told. `before` is a
    /// list to use: it may have been used before.
    pub(super) fn publish(&mut self, made: &Made, now: UnixMs, before: &mut Vec<Told>) {
        before.clear();
        std::mem::swap(&mut self.told, before);
        if self.held.take().is_some() {
            // Nobody was shown a countdown: a clock time does not hold the next one back.
            before.clear();
        }
        // Where old ones are about to be given up, what waits is not known without a look.
        let sure = self.waiting.len() + made.estimates.len() <= waiting::MOST;
        let mut expected = before.iter().peekable();
        for e in &made.estimates {
            let is_it = |x: &&Told| x.on == e.call.on && x.pos == e.call.pos;
            // Calls mostly come in the order in which they came before.
            while expected.next_if(|x| x.on == e.call.on && x.pos < e.call.pos).is_some() {}
            let known = expected.next_if(is_it).or_else(|| before.iter().find(is_it));
            let kept = self.keep_to_judge(e, made.doing, now, known.and_then(|x| x.kept).filter(|_| sure));
            let arrival = hold::hold(known.map(|x| x.arrival), e.call.arrival, now);
            let departure = hold::hold(known.map(|x| x.departure), e.call.departure, now);
            self.told.push(Told { on: e.call.on, pos: e.call.pos, arrival, departure, kept });
        }
        let published = made.estimates.iter().zip(&self.told).map(|(e, told)| CallPrediction {
            published_arrival: told.arrival.shown,
            published_departure: told.departure.shown.max(told.arrival.shown),
            ..e.call
        });
        self.ahead = published.collect();
    }

    /// Takes in what was calculated for a vehicle that is held: a clock time is told anew only when it has moved
    /// by a minute, and nothing of it is judged: the model shall not learn from what it could not see.
    pub(super) fn publish_held(&mut self, made: &Made, held: Held) {
        let told = std::mem::take(&mut self.told);
        let before = self.held.replace(held).map(|_| told).unwrap_or_default();
        for e in &made.estimates {
            let same = |p: Published, now: UnixMs| if (p.anchor.0 - now.0).abs() < STEADY_MS { p.anchor } else { now };
            let known = before.iter().find(|x| x.on == e.call.on && x.pos == e.call.pos);
            let arrival = known.map_or(e.call.arrival, |x| same(x.arrival, e.call.arrival));
            let departure = known.map_or(e.call.departure, |x| same(x.departure, e.call.departure)).max(arrival);
            let plain = |at: UnixMs| Published { shown: at, anchor: at };
            let (on, pos) = (e.call.on, e.call.pos);
            self.told.push(Told { on, pos, arrival: plain(arrival), departure: plain(departure), kept: None });
        }
        let published = made.estimates.iter().zip(&self.told).map(|(e, told)| CallPrediction {
            published_arrival: told.arrival.shown,
            published_departure: told.departure.shown,
            ..e.call
        });
        self.ahead = published.collect();
    }

    /// Keeps a prediction to be judged, unless one like it waits already; says which wait now.
    fn keep_to_judge(&mut self, e: &Estimate, doing: Doing, now: UnixMs, kept: Option<Kept>) -> Option<Kept> {
        let raw = e.raw?;
        let (kept, given_up) = self.waiting.offer(e, raw, doing, now, kept);
        if given_up {
            // Of some calls nothing waits any more.
            self.told.iter_mut().for_each(|x| x.kept = None);
        }
        Some(kept)
    }

    /// As readers see it; `None` before the first fix.
    #[must_use]
    pub fn view(&self, t: &Timetable) -> Option<Vehicle> {
        let last = self.last.as_ref()?;
        Some(Vehicle {
            id: self.id.clone(),
            kind: self.kind,
            phase: self.phase,
            confidence: self.track.confidence(),
            lat: last.lat,
            lon: last.lon,
            speed: last.speed,
            bearing: last.bearing,
            fix_time: last.time,
            received: last.received,
            on_trip: self.on_trip(t),
            held: self.held,
            ahead: Arc::clone(&self.ahead),
            history: self.history.clone().into(),
            trouble: self.trouble(),
        })
    }

    fn on_trip(&self, t: &Timetable) -> Option<OnTrip> {
        let h = self.track.chosen()?;
        let run = self.run.as_ref().filter(|r| r.on == h.on)?;
        let pattern = t.pattern_of(h.on.trip);
        let next = next_pos(run.departed());
        let to = pattern.call(next).map_or(h.along, |c| c.along);
        let from = next.at().checked_sub(1).and_then(|p| pattern.calls.get(p)).map_or(0.0, |c| c.along);
        let fraction = if to > from { ((h.along - from) / (to - from)).clamp(0.0, 1.0) } else { 1.0 };
        let first = self.ahead.first().filter(|c| c.on == h.on);
        let delay = first.map(|c| {
            // Whoever waits for the timetable, at the first stop or a later one, is on time.
            let under_way = h.started && run.dwelling().is_none();
            if under_way { (c.arrival - c.scheduled_arrival).0 } else { (c.departure - c.scheduled_departure).0 }
        });
        Some(OnTrip { on: h.on, along: h.along, next, fraction, delay })
    }
}
