//! The engine: fixes in, a [`World`] out. Pure: it is told the time with each call, and the same
//! calls give the same world, live and in replay.
//!
//! ```text
//! take(fix)      which trip, which stops passed; what came true is learned
//! predict(now)   predictions for every vehicle in service, held by board rule 1
//! world(now)     all of it, as readers see it
//! ```

mod claims;
pub mod concerns;
pub mod features;
pub mod habits;
pub mod health;
pub mod held;
mod model;
mod motion;
mod phase;
pub mod predict;
pub mod rhythm;
pub mod run;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod tests;
mod together;
pub mod vehicle;
mod views;
mod waiting;

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::ids::{StopPos, VehicleId};
use transit_model::plane::Xy;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;
use transit_model::warfare::Raid;

use crate::explain::Explanation;
use crate::learning::links::{DayKind, When};
use crate::learning::paces::Paces;
use crate::matching::cost::SIGN_DENIES;
use crate::matching::day::Days;
use crate::matching::network::Network;
use crate::matching::track::{Around, Observation};
use crate::world::{TripDay, TripProgress, World};

use claims::{Claim, Claims};
use habits::Habits;
pub use model::{Holding, Lasting, Model};
use run::{Passed, StopEvent};
use together::{Found, Together};
use vehicle::VehicleState;
use views::Views;

/// A fix that an engine does not take. Nothing is lost by it: history has it already.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ignored {
    /// Not newer than the vehicle's last one.
    Late,
    /// Farther from the last one than anything drives; taken once the next ones agree with it.
    Leap,
    /// The place where the vehicle's receiver has frozen, once more.
    Frozen,
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
    /// Fixes of frozen receivers.
    pub frozen: u64,
    /// Fixes taken of vehicles whose positions are not believed.
    pub disbelieved: u64,
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
    habits: Habits,
    timetable: Arc<Timetable>,
    network: Network,
    days: Days,
    settings: Settings,
    model: Model,
    vehicles: Vec<VehicleState>,
    by_id: FxHashMap<VehicleId, usize>,
    sky: held::Sky,
    /// Of the vehicles without a timetable.
    kinds: FxHashMap<VehicleId, VehicleKind>,
    claims: Claims,
    progress: Arc<FxHashMap<TripDay, TripProgress>>,
    events: Vec<StopEvent>,
    counts: Counts,
    paces: Paces,
    views: Views,
    /// Lists that every prediction uses anew.
    room: Vec<predict::Estimate>,
    told: Vec<vehicle::Told>,
    version: u64,
    today: Option<ServiceDate>,
    together: Together,
}

/// A vehicle that measures less than this stands, m/s.
const STILL: f32 = 1.0;
/// And has done so for longer than a light is red, seconds.
const STOOD: i64 = 60;
/// After this silence a vehicle's hypotheses are worth nothing, seconds.
const FORGET_AFTER: i64 = 20 * 60;

impl Engine {
    /// An engine for a timetable, with what was learned before.
    #[must_use]
    pub fn new(timetable: Arc<Timetable>, settings: Settings, model: Model) -> Self {
        let network = Network::new(&timetable);
        let paces = Paces::new(&timetable);
        let habits = Habits::new(&timetable);
        Self {
            habits,
            timetable,
            network,
            days: Days::default(),
            settings,
            model,
            vehicles: Vec::new(),
            by_id: FxHashMap::default(),
            sky: held::Sky::default(),
            kinds: FxHashMap::default(),
            claims: Claims::default(),
            progress: Arc::default(),
            events: Vec::new(),
            counts: Counts::default(),
            paces,
            views: Views::default(),
            room: Vec::new(),
            told: Vec::new(),
            version: 0,
            today: None,
            together: Together::default(),
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
    pub fn model_mut(&mut self) -> &mut Model {
        self.paces.forget();
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

    /// Vehicles that have no timetable, of no kind in particular; see [`Self::set_kinds`].
    pub fn set_machinery(&mut self, ids: impl IntoIterator<Item = VehicleId>) {
        self.set_kinds(ids.into_iter().map(|id| (id, VehicleKind::Machinery)));
    }

    /// Vehicles that have no timetable and what they are: they are placed and never matched to a trip.
    pub fn set_kinds(&mut self, kinds: impl IntoIterator<Item = (VehicleId, VehicleKind)>) {
        self.kinds = kinds.into_iter().collect();
    }

    /// Which receivers are jammed or spoofed now, as ingest sees it: of such vehicles silence says nothing.
    pub fn set_raids(&mut self, raids: Vec<Raid>) {
        self.sky = held::Sky::of(raids);
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
        let reported = resolve(&self.timetable, fix);
        let kind = self.kinds.get(&fix.vehicle).copied().unwrap_or_default();
        let t = &*self.timetable;
        let claims = &self.claims;
        let claimed = |on: TripDay| claims.price(on, i, fix.time);
        let route = fix.reported.route_id.as_deref().and_then(|r| t.route_by_id(r));
        let around = Around {
            timetable: t,
            network: &self.network,
            days,
            claimed: &claimed,
            sign: self.habits.sign(&fix.reported),
            tied: self.habits.tied(&fix.reported),
        };
        let Some(v) = self.vehicles.get_mut(i) else { return Err(Ignored::Late) };
        v.kind = kind;
        self.views.touch(i);
        if v.last.as_ref().is_none_or(|l| fix.time > l.time) && !v.health.is_thawed(fix) {
            self.counts.frozen += 1;
            return Err(Ignored::Frozen);
        }
        let motion = match v.motion(fix, at) {
            Ok(m) => m,
            Err(why) => {
                match why {
                    Ignored::Late => self.counts.late += 1,
                    Ignored::Leap => {
                        self.counts.leaps += 1;
                        v.health.note_leap(fix.time);
                    }
                    Ignored::Frozen => self.counts.frozen += 1,
                }
                return Err(why);
            }
        };
        self.counts.fixes += 1;
        v.health.look(fix, at, self.network.outside(at));
        v.note_heard(fix, at);
        let before = v.track.chosen().map(|h| h.on);
        let silent = v.last.as_ref().is_some_and(|l| fix.time.secs_since(l.time) > FORGET_AFTER);
        if silent || v.health.is_bad() {
            v.track.reset(fix.time, &around);
        }
        if v.health.is_bad() {
            self.counts.disbelieved += 1;
        } else if kind == VehicleKind::Transit {
            let mute = fix.reported.trip_id.is_none();
            let yard = v.track.chosen().is_none_or(|h| h.misses > 0) && self.habits.yards.has(at);
            let stood = v.standing_since.is_some_and(|since| fix.time.secs_since(since) >= STOOD);
            let still = stood && fix.speed.is_some_and(|v| v < STILL);
            let o = Observation { at, time: fix.time, motion, trip: reported, route, mute, yard, still };
            v.track.advance(&o, &around);
            v.note_observed(o, &fix.reported);
        }
        let now_on = v.track.chosen().map(|h| h.on);
        let metres = v.at.map_or(0.0, |p| p.distance(at));
        let idle_sign = around.sign.is_some_and(|s| s.idle() > SIGN_DENIES);
        let from = v.last.as_ref().map(|l| l.time).zip(v.at);
        v.note_place(fix, at, motion);
        self.habits.learn_yard(v, t, &self.network);
        v.note_phase(fix.time, &phase::Place { t, network: &self.network, yards: &self.habits.yards, idle_sign });
        self.habits.learn(v, fix, (metres, motion.dt), t, &self.network);
        if before != now_on {
            self.counts.trip_changes += u64::from(before.is_some());
            if let Some(event) = v.run.take().and_then(|mut r| r.pending.take()) {
                self.events.push(event);
                self.counts.stop_events += 1;
            }
        }
        if let Some(on) = now_on {
            let worth = v.track.worth(t);
            self.claims.stake(on, Claim { by: i, seen: fix.time, worth });
        }
        let passed = v.pass_stops(fix.time, t, &self.model);
        self.digest(i, &passed);
        self.note_progress(i);
        if let Some(from) = from {
            self.note_together(i, from, (fix.time, at));
        }
        self.vehicles.get(i).ok_or(Ignored::Late)
    }

    /// Two trackers in one vehicle: the one that is on no trip, or else the later comer, is set aside.
    fn note_together(&mut self, i: usize, from: (UnixMs, Xy), to: (UnixMs, Xy)) {
        let Ok(vehicle) = u32::try_from(i) else { return };
        for found in self.together.note(vehicle, from, to) {
            let (Found::Joined(a, b) | Found::Parted(a, b)) = found;
            let (a, b) = (a as usize, b as usize);
            let has_trip = |i: usize| self.vehicles.get(i).is_some_and(|v| v.track.chosen().is_some());
            let (kept, spare) = if has_trip(b) && !has_trip(a) { (b, a) } else { (a, b) };
            let name = self.vehicles.get(kept).map(|v| v.id.clone());
            self.views.touch(a);
            self.views.touch(b);
            match found {
                Found::Joined(..) => {
                    if let (Some(v), Some(name)) = (self.vehicles.get_mut(spare), name) {
                        v.health.note_together(Some(&name), to.0);
                    }
                }
                Found::Parted(..) => {
                    for i in [a, b] {
                        if let Some(v) = self.vehicles.get_mut(i) {
                            v.health.note_together(None, to.0);
                        }
                    }
                }
            }
        }
    }

    /// Why a vehicle is on the trip it is on, at its last fix; `None` for one nobody has heard of.
    pub fn explain(&mut self, id: &VehicleId) -> Option<Explanation> {
        let i = self.index_of(id)?;
        let t = Arc::clone(&self.timetable);
        let (at, said) = {
            let v = self.vehicles.get(i)?;
            (v.last.as_ref()?.time, v.said.clone())
        };
        let days = self.days.at(&t, at);
        let claims = &self.claims;
        let claimed = |on: TripDay| claims.price(on, i, at);
        let around = Around {
            timetable: &t,
            network: &self.network,
            days,
            claimed: &claimed,
            sign: self.habits.sign(&said),
            tied: self.habits.tied(&said),
        };
        self.vehicles.get(i)?.explain(&around)
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
        let days = &mut self.days;
        let mut next_of = |on: TripDay| {
            let trip = days.day(t, on.date).next_of(on.trip)?;
            Some(TripDay { date: on.date, trip })
        };
        let held = self.sky.holds(v, now);
        // A vehicle that is held is predicted as it was when it was last seen, by what is known today.
        let seen = held.map_or(now, |h| h.since);
        let paces = RefCell::new(&mut self.paces);
        let context = predict::Context { timetable: t, model: &self.model, settings: &self.settings, now: seen, paces };
        let mut made = predict::ahead(v, &context, &mut next_of, std::mem::take(&mut self.room));
        if let Some(v) = self.vehicles.get_mut(i) {
            match held {
                Some(held) => v.publish_held(&made, held),
                None => v.publish(&made, now, &mut self.told),
            }
            self.views.touch(i);
        }
        made.estimates.clear();
        self.room = made.estimates;
    }

    /// The place of a vehicle in [`Self::vehicles`].
    #[must_use]
    pub fn index_of(&self, id: &VehicleId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Everything, as readers see it.
    pub fn world(&mut self, now: UnixMs, ready: bool) -> World {
        self.version += 1;
        self.views.refresh(&self.vehicles, &self.timetable);
        let mut world = self.views.world(&self.timetable, now);
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
        self.paces.forget();
        let recent = date.plus_days(-2);
        Arc::make_mut(&mut self.progress).retain(|on, _| on.date >= recent);
        self.claims.forget_before(recent);
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
                        self.paces.learned(*link);
                        let lost = (seconds - expected).clamp(-expected, 1.5f32.mul_add(expected, 30.0));
                        self.model.lasting.learn(v.pace * expected, lost);
                        v.note_pace(lost, expected);
                        self.counts.links_learned += 1;
                    }
                }
                Passed::Dwell { link, seconds } => {
                    if let Some(l) = self.timetable.links.get(*link) {
                        self.model.links.learn_dwell(l.key, *seconds);
                        self.paces.learned(*link);
                    }
                }
                Passed::Halt { into, offset } => {
                    if let Some(l) = self.timetable.links.get(*into) {
                        self.model.halts.learn(l.key, *offset);
                    }
                }
                Passed::Arrival { pos, at } => {
                    let (judged, chains) = v.came_true(*pos, *at);
                    for c in judged {
                        self.model.calibration.learn(c.doing, c.lead, c.error);
                    }
                    for (lead, features, error) in chains {
                        self.model.residual.learn(lead, &features, error);
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

/// The trip a vehicle says it is on, where the timetable has it on a day that fits.
fn resolve(t: &Timetable, fix: &Fix) -> Option<TripDay> {
    let id = fix.reported.trip_id.as_deref()?;
    let dates = fix.reported.start_date.map_or_else(|| t.days_at(fix.time), |d| vec![d]);
    let away = |on: &TripDay| {
        let now = t.zone.service_time(on.date, fix.time);
        let (from, to) = (t.starts(on.trip), t.ends(on.trip));
        (from - now).0.max((now - to).0).max(0)
    };
    let runs = t.runs_of(id);
    runs.flat_map(|trip| dates.iter().map(move |date| TripDay { date: *date, trip }))
        .filter(|on| fix.reported.start_date.is_some() || t.services.at(t.trips.at(on.trip).service).runs_on(on.date))
        .min_by_key(|on| (away(on), *on))
}

/// The wall clock of a moment, as learning wants it.
#[must_use]
pub fn when(t: &Timetable, at: UnixMs) -> When {
    let date = t.zone.date(at);
    let second = t.zone.service_time(date, at).0.rem_euclid(86_400) as f32;
    When { kind: DayKind::of(date.weekday()), second, unix: at.secs_f64() }
}

/// The first call a run has not departed from, for places.
fn next_pos(departed: u16) -> StopPos {
    StopPos::new(usize::from(departed))
}
