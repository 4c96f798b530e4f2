//! The engine: fixes in, a [`World`] out. Pure: it is told the time with each call, and the same
//! calls give the same world, live and in replay.
//!
//! ```text
//! take(fix)      which trip, which stops passed; what came true is learned
//! predict(now)   predictions for every vehicle in service, held by board rule 1
//! world(now)     all of it, as readers see it
//! ```

pub mod concerns;
pub mod features;
pub mod predict;
pub mod run;
#[cfg(test)]
mod tests;
pub mod vehicle;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::fix::Fix;
use transit_model::ids::{StopPos, VehicleId};
use transit_model::plane::{Xy, angle_between};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::learning::calibration::Calibration;
use crate::learning::links::{DayKind, LinkModel, When};
use crate::learning::residual::Residual;
use crate::matching::cost::{CLAIMED_BY_NAME, SPAWN_WITHIN};
use crate::matching::day::Days;
use crate::matching::network::Network;
use crate::matching::snap::Motion;
use crate::matching::track::{ALIGHTING, Around, NEAR_END, OFF_ROUTE_AFTER, Observation};
use crate::world::{TripDay, TripProgress, World};

use run::{Passed, StopEvent};
use vehicle::VehicleState;

/// A fix that an engine does not take. Nothing is lost by it: history has it already.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ignored {
    /// Not newer than the vehicle's last one.
    Late,
    /// Farther from the last one than anything drives; taken once the next ones agree with it.
    Leap,
}

/// What the engine has learned: survives restarts and feeds.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Link times and dwells.
    pub links: LinkModel,
    /// What of its errors the features explain.
    pub residual: Residual,
    /// The errors that are left.
    pub calibration: Calibration,
    /// How late trips leave their first stop when nothing holds them, seconds: a running median.
    pub start_lateness: f32,
    /// What vehicles do at timepoints they reach early.
    pub holding: Holding,
}

/// Whether early vehicles wait for the timetable at timepoints, as this city's drivers do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Holding {
    /// The share of early vehicles that waited, of the last hundred or so.
    share: f32,
    /// When those that waited left, against the timetable, seconds: a running median.
    lateness: f32,
}

impl Holding {
    fn learn(&mut self, held: bool, lateness: f32) {
        self.share += 0.02 * (if held { 1.0 } else { 0.0 } - self.share);
        if held {
            self.lateness += if lateness > self.lateness { 1.0 } else { -1.0 };
        }
    }

    /// When an early vehicle leaves, against the timetable, seconds; nothing where most do not wait.
    #[must_use]
    pub fn leaves_at(&self) -> Option<f32> {
        (self.share > 0.5).then_some(self.lateness)
    }
}

/// How the engine predicts.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How far ahead, seconds.
    pub horizon: f32,
    /// The least time between two trips of a block, seconds.
    pub minimum_layover: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { horizon: 3600.0, minimum_layover: 60.0 }
    }
}

/// Counters of what has been done, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Fixes taken.
    pub fixes: u64,
    /// Fixes not newer than the last.
    pub late: u64,
    /// Fixes that leapt.
    pub leaps: u64,
    /// Stop events.
    pub stop_events: u64,
    /// Link times learned.
    pub links_learned: u64,
    /// Times a vehicle changed its trip.
    pub trip_changes: u64,
}

/// One feed's engine.
#[derive(Debug)]
pub struct Engine {
    timetable: Arc<Timetable>,
    network: Network,
    days: Days,
    settings: Settings,
    model: Model,
    vehicles: Vec<VehicleState>,
    by_id: FxHashMap<VehicleId, usize>,
    machinery: rustc_hash::FxHashSet<VehicleId>,
    claims: FxHashMap<TripDay, Claim>,
    progress: Arc<FxHashMap<TripDay, TripProgress>>,
    events: Vec<StopEvent>,
    counts: Counts,
    version: u64,
    today: Option<ServiceDate>,
}

/// Who runs a trip.
#[derive(Clone, Copy, Debug)]
struct Claim {
    /// The vehicle, by its place in the engine.
    by: usize,
    /// When it was last seen on it.
    seen: UnixMs,
    /// What giving it up would cost that vehicle.
    worth: f32,
}

impl Claim {
    /// How long after it was last seen the trip is still that vehicle's, seconds.
    fn lasts(&self) -> i64 {
        if self.worth >= CLAIMED_BY_NAME { NAMED_SECONDS } else { CLAIM_SECONDS }
    }
}

/// A trip is another vehicle's while that vehicle was seen on it within this many seconds.
const CLAIM_SECONDS: i64 = 600;
/// And for so long where that vehicle has named it: a trip is run once.
const NAMED_SECONDS: i64 = 3 * 3600;
/// After this silence a vehicle's hypotheses are worth nothing, seconds.
const FORGET_AFTER: i64 = 20 * 60;
/// A vehicle unseen this long leaves the world, seconds.
const GONE_AFTER: i64 = 6 * 3600;

impl Engine {
    /// An engine for a timetable, with what was learned before.
    #[must_use]
    pub fn new(timetable: Arc<Timetable>, settings: Settings, model: Model) -> Self {
        let network = Network::new(&timetable);
        Self {
            timetable,
            network,
            days: Days::default(),
            settings,
            model,
            vehicles: Vec::new(),
            by_id: FxHashMap::default(),
            machinery: rustc_hash::FxHashSet::default(),
            claims: FxHashMap::default(),
            progress: Arc::default(),
            events: Vec::new(),
            counts: Counts::default(),
            version: 0,
            today: None,
        }
    }

    /// The timetable in force.
    #[must_use]
    pub const fn timetable(&self) -> &Arc<Timetable> {
        &self.timetable
    }

    /// What has been learned.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// What has been learned, for the store to take what changed.
    pub const fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Gives the model away, to start another engine with it.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// What has been done so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Vehicles that have no timetable: they are placed and never matched to a trip.
    pub fn set_machinery(&mut self, ids: impl IntoIterator<Item = VehicleId>) {
        self.machinery = ids.into_iter().collect();
    }

    /// Stop events since this was last asked, in the order they became known.
    pub fn drain_events(&mut self) -> Vec<StopEvent> {
        std::mem::take(&mut self.events)
    }

    /// The state of a vehicle.
    #[must_use]
    pub fn vehicle(&self, id: &VehicleId) -> Option<&VehicleState> {
        self.vehicles.get(*self.by_id.get(id)?)
    }

    /// Every vehicle, in the order they first appeared.
    #[must_use]
    pub fn vehicles(&self) -> &[VehicleState] {
        &self.vehicles
    }

    /// Takes a fix in.
    ///
    /// # Errors
    /// When the fix says nothing that may be believed now.
    pub fn take(&mut self, fix: &Fix) -> Result<&VehicleState, Ignored> {
        let i = self.slot(&fix.vehicle);
        self.turn_day(fix.time);
        let at = self.timetable.plane.xy(fix.lat, fix.lon);
        let days = self.days.at(&self.timetable, fix.time);
        let reported = self.resolve(fix);
        let kind = if self.machinery.contains(&fix.vehicle) { VehicleKind::Machinery } else { VehicleKind::Transit };
        let t = Arc::clone(&self.timetable);
        let claims = &self.claims;
        let claimed = |on: TripDay| {
            let held = claims.get(&on).filter(|c| c.by != i && fix.time.secs_since(c.seen) < c.lasts());
            held.map_or(0.0, |c| c.worth)
        };
        let route = fix.reported.route_id.as_deref().and_then(|r| t.route_by_id(r));
        let around = Around { timetable: &t, network: &self.network, days: &days, claimed: &claimed };
        let Some(v) = self.vehicles.get_mut(i) else { return Err(Ignored::Late) };
        v.kind = kind;
        let motion = match v.motion(fix, at) {
            Ok(m) => m,
            Err(why) => {
                match why {
                    Ignored::Late => self.counts.late += 1,
                    Ignored::Leap => self.counts.leaps += 1,
                }
                return Err(why);
            }
        };
        self.counts.fixes += 1;
        if v.last.as_ref().is_some_and(|l| fix.time.secs_since(l.time) > FORGET_AFTER) {
            v.track.reset(&around);
        }
        let before = v.track.chosen().map(|h| h.on);
        if kind == VehicleKind::Transit {
            let mute = fix.reported.trip_id.is_none();
            v.track.advance(&Observation { at, time: fix.time, motion, trip: reported, route, mute }, &around);
        }
        let now_on = v.track.chosen().map(|h| h.on);
        v.moved(fix, at, motion, &t, &self.network);
        if before != now_on {
            self.counts.trip_changes += u64::from(before.is_some());
            if let Some(event) = v.run.take().and_then(|mut r| r.pending.take()) {
                self.events.push(event);
                self.counts.stop_events += 1;
            }
        }
        if let Some(on) = now_on {
            let worth = v.track.worth();
            claim(&mut self.claims, on, Claim { by: i, seen: fix.time, worth });
        }
        let passed = v.pass_stops(fix.time, &t);
        self.digest(i, &passed);
        self.note_progress(i);
        self.vehicles.get(i).ok_or(Ignored::Late)
    }

    /// Predicts for every vehicle in service.
    pub fn predict_all(&mut self, now: UnixMs) {
        for i in 0..self.vehicles.len() {
            self.predict(i, now);
        }
    }

    /// Predicts for one vehicle, by its place in [`Self::vehicles`].
    pub fn predict(&mut self, i: usize, now: UnixMs) {
        let Some(v) = self.vehicles.get(i) else { return };
        let t = &self.timetable;
        let next_of = |on: TripDay, days: &mut Days| {
            let trip = days.day(t, on.date).next_of(on.trip)?;
            Some(TripDay { date: on.date, trip })
        };
        let mut days = std::mem::take(&mut self.days);
        let context = predict::Context { timetable: t, model: &self.model, settings: &self.settings, now };
        let made = predict::ahead(v, &context, &mut |on| next_of(on, &mut days));
        self.days = days;
        if let Some(v) = self.vehicles.get_mut(i) {
            v.publish(made, now);
        }
    }

    /// The place of a vehicle in [`Self::vehicles`].
    #[must_use]
    pub fn index_of(&self, id: &VehicleId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Everything, as readers see it.
    pub fn world(&mut self, now: UnixMs, ready: bool) -> World {
        self.version += 1;
        let t = Arc::clone(&self.timetable);
        let seen = |v: &&VehicleState| v.last.as_ref().is_some_and(|l| now.secs_since(l.time) < GONE_AFTER);
        let vehicles: Vec<_> = self.vehicles.iter().filter(seen).filter_map(|v| v.view(&t)).collect();
        let mut world = World::empty(t, now).with_vehicles(vehicles);
        world.version = self.version;
        world.progress = Arc::clone(&self.progress);
        world.ready = ready;
        world.concerns = concerns::of(&world).into();
        world
    }

    fn slot(&mut self, id: &VehicleId) -> usize {
        if let Some(i) = self.by_id.get(id) {
            return *i;
        }
        let i = self.vehicles.len();
        self.vehicles.push(VehicleState::new(id.clone(), u32::try_from(i).unwrap_or(u32::MAX)));
        self.by_id.insert(id.clone(), i);
        i
    }

    fn turn_day(&mut self, now: UnixMs) {
        let date = self.timetable.zone.date(now);
        if self.today.is_some_and(|d| d >= date) {
            return;
        }
        self.today = Some(date);
        self.model.links.turn_day(date.days());
        let recent = |on: &TripDay| on.date.days() >= date.days() - 2;
        Arc::make_mut(&mut self.progress).retain(|on, _| recent(on));
        self.claims.retain(|on, _| recent(on));
    }

    /// The trip a vehicle says it is on, where the timetable has it on a day that fits.
    fn resolve(&mut self, fix: &Fix) -> Option<TripDay> {
        let id = fix.reported.trip_id.as_deref()?;
        let t = Arc::clone(&self.timetable);
        let dates: Vec<ServiceDate> = match fix.reported.start_date {
            Some(d) => vec![d],
            None => t.days_at(fix.time),
        };
        let away = |on: &TripDay| {
            let now = t.zone.service_time(on.date, fix.time);
            let (from, to) = (t.starts(on.trip), t.ends(on.trip));
            (from - now).0.max((now - to).0).max(0)
        };
        let runs = t.runs_of(id);
        runs.flat_map(|trip| dates.iter().map(move |date| TripDay { date: *date, trip }))
            .filter(|on| {
                fix.reported.start_date.is_some() || t.services.at(t.trips.at(on.trip).service).runs_on(on.date)
            })
            .min_by_key(|on| (away(on), *on))
    }

    /// Learns from the stops a vehicle has just passed.
    fn digest(&mut self, i: usize, passed: &[Passed]) {
        let Some(v) = self.vehicles.get_mut(i) else { return };
        for p in passed {
            match p {
                Passed::Link { link, seconds, plan, began } => {
                    let when = when(&self.timetable, *began);
                    if let Some(l) = self.timetable.links.get(*link) {
                        let expected = self.model.links.learn(l.key, *seconds, *plan, when);
                        v.note_pace(*seconds, expected);
                        self.counts.links_learned += 1;
                    }
                }
                Passed::Dwell { link, seconds } => {
                    if let Some(l) = self.timetable.links.get(*link) {
                        self.model.links.learn_dwell(l.key, *seconds);
                    }
                }
                Passed::Arrival { pos, at } => {
                    for c in v.came_true(*pos, *at) {
                        self.model.calibration.learn(c.doing, c.lead, c.error);
                        if let Some((lead, features, error)) = c.chain {
                            self.model.residual.learn(lead, &features, error);
                        }
                    }
                }
                Passed::Early { held, lateness } => self.model.holding.learn(*held, *lateness),
                Passed::Start { lateness } => {
                    let m = &mut self.model.start_lateness;
                    *m += if *lateness > *m { 1.0 } else { -1.0 };
                }
                Passed::Event(e) => {
                    self.events.push(*e);
                    self.counts.stop_events += 1;
                }
            }
        }
    }

    fn note_progress(&mut self, i: usize) {
        let Some(run) = self.vehicles.get(i).and_then(|v| v.run.as_ref()) else { return };
        let (on, passed) = (run.on, run.departed());
        let have = self.progress.get(&on).copied().unwrap_or_default();
        if passed > have.passed {
            Arc::make_mut(&mut self.progress).insert(on, TripProgress { passed, ..have });
        }
    }
}

/// The wall clock of a moment, as learning wants it.
#[must_use]
pub fn when(t: &Timetable, at: UnixMs) -> When {
    let date = t.zone.date(at);
    let second = t.zone.service_time(date, at).0.rem_euclid(86_400) as f32;
    When { kind: DayKind::of(date.weekday()), second, unix: at.secs_f64() }
}

/// The bearing of a move on the plane, degrees clockwise from north.
fn bearing(from: Xy, to: Xy) -> f32 {
    (to.x - from.x).atan2(to.y - from.y).to_degrees().rem_euclid(360.0)
}

/// A vehicle standing still turns on the spot as GPS drifts: only a course that agrees with where it
/// went, or a fast one, is believed.
fn believed_course(said: Option<f32>, speed: Option<f32>, went: Option<f32>) -> Option<f32> {
    match (said, went) {
        (Some(s), Some(w)) if angle_between(s, w) > 90.0 => Some(w),
        (Some(s), _) if speed.is_none_or(|v| v > 1.5) => Some(s),
        (_, w) => w,
    }
}

/// Of two vehicles on one trip the one has it that it would cost more to give it up.
fn claim(claims: &mut FxHashMap<TripDay, Claim>, on: TripDay, new: Claim) {
    match claims.get_mut(&on) {
        Some(c) if c.by != new.by && c.worth > new.worth && new.seen.secs_since(c.seen) < c.lasts() => {}
        Some(c) => *c = new,
        None => {
            claims.insert(on, new);
        }
    }
}

/// The motion from the last fix to this one.
fn motion_between(last: Option<(UnixMs, Xy)>, anchor: Option<Xy>, fix: &Fix, at: Xy) -> Motion {
    let dt = last.map_or(0.0, |(t, _)| (fix.time.secs_f64() - t.secs_f64()) as f32);
    let went = anchor.filter(|a| a.distance(at) >= 25.0).map(|a| bearing(a, at));
    let speed = fix.speed.or_else(|| last.filter(|_| dt > 0.0).map(|(_, p)| p.distance(at) / dt));
    Motion { dt, speed, bearing: believed_course(fix.bearing, speed, went) }
}

/// So long before the last stop, or on a trip that is over, a vehicle that stands has its layover, seconds.
const LAYOVER_AFTER: i64 = 120;
/// Standing so long away from every line is more than traffic, seconds.
const TRAFFIC: i64 = 300;
/// A vehicle that stands on a line, with no trip, is there for good after so long, seconds.
const BASE_AFTER: i64 = 1200;

/// The phase a track is in.
fn phase_of(v: &VehicleState, now: UnixMs, t: &Timetable, network: &Network) -> Phase {
    let stood = v.standing_since.map_or(0, |since| now.secs_since(since));
    let standing = v.standing_since.is_some();
    let Some(h) = v.track.chosen() else { return phase_without_trip(v, stood, t, network) };
    let astray = h.misses >= OFF_ROUTE_AFTER;
    match h.ended {
        Some(_) if astray && !standing => Phase::Deadhead,
        Some(ended) if now.secs_since(ended) < ALIGHTING => Phase::InProgress,
        Some(_) => Phase::Layover,
        None if !h.started && (astray || h.off > 300.0) => Phase::Deadhead,
        None if !h.started => Phase::Layover,
        None if astray => Phase::OffRoute,
        None if stood >= LAYOVER_AFTER && h.left(t) <= NEAR_END => Phase::Layover,
        None => Phase::InProgress,
    }
}

/// What a vehicle on no trip does.
fn phase_without_trip(v: &VehicleState, stood: i64, t: &Timetable, network: &Network) -> Phase {
    let Some(at) = v.at.filter(|_| v.kind == VehicleKind::Transit) else { return Phase::Unknown };
    let standing = v.standing_since.is_some();
    if standing && v.phase == Phase::AtBase {
        return Phase::AtBase;
    }
    let on_a_line = network.passes(at, SPAWN_WITHIN);
    match (on_a_line, standing) {
        (false, true) if v.phase == Phase::Deadhead && stood < TRAFFIC => Phase::Deadhead,
        (false, true) => Phase::AtBase,
        (false, false) => Phase::Deadhead,
        (true, true) if stood >= BASE_AFTER && !t.stops.iter().any(|(_, s)| s.xy.distance(at) < 40.0) => Phase::AtBase,
        (true, _) => Phase::Unknown,
    }
}

/// The first call a run has not departed from, for places.
fn next_pos(departed: u16) -> StopPos {
    StopPos::new(usize::from(departed))
}
