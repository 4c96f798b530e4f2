//! The public world, made of the whole one: the only way anything leaves this server without a token.
//!
//! ```text
//! whole World ─▶ Gate::view ─▶ public World ─▶ every handler, board, page and stream
//!                  measures, trails
//! ```
//! In the public world a vehicle whose place is withheld is not among `vehicles`; what may be told of it (when it
//! comes, on boards) hangs on an entry of `unplaced` that has no place. So a publisher that goes through
//! `vehicles` publishes nothing it should not, whether its author thought of it or not.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use transit_model::dispatch::Concern;
use transit_model::ids::{RouteIdx, StopIdx, StopPos, VehicleId};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::measure::{Covers, Kind, Measure, Scope};
use super::trail::{Then, Trails};
use crate::machinery::view::View as MachineryView;
use crate::world::{CallPrediction, OnTrip, TripDay, TripProgress, Vehicle, World};

/// What of the predictions is withheld from the public.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Withheld {
    feed: bool,
    routes: FxHashSet<RouteIdx>,
    stops: FxHashSet<StopIdx>,
    /// Trips of vehicles that are in a zone.
    trips: FxHashSet<TripDay>,
}

impl Withheld {
    /// Whether a call is told by the timetable alone because somebody has decided so.
    #[must_use]
    pub fn covers(&self, t: &Timetable, on: TripDay, stop: StopIdx) -> bool {
        self.covers_trip(t, on) || self.stops.contains(&stop)
    }

    fn covers_trip(&self, t: &Timetable, on: TripDay) -> bool {
        self.feed
            || self.trips.contains(&on)
            || (!self.routes.is_empty() && self.routes.contains(&t.pattern_of(on.trip).route))
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What the public is told of a measure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Restriction {
    /// What is done.
    #[serde(flatten)]
    pub kind: Kind,
    /// Of what.
    pub covers: Covers,
    /// `feed`, `route` or `zone`; which zone is nobody's business.
    pub scope: &'static str,
    /// Of a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_id: Option<String>,
    /// Until when, unix ms; without it, until it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
}

impl Restriction {
    fn of(m: &Measure) -> Self {
        let (scope, route_id) = match &m.scope {
            Scope::Feed => ("feed", None),
            Scope::Route { route_id } => ("route", Some(route_id.clone())),
            Scope::Zone { .. } => ("zone", None),
        };
        Self { kind: m.kind, covers: m.covers, scope, route_id, until: m.until }
    }
}

/// The measures, and what carrying them out needs.
#[derive(Debug, Default)]
pub struct Gate {
    /// What the configuration says.
    standing: Vec<Measure>,
    taken: Vec<Measure>,
    trails: Trails,
    longest_delay: u32,
    /// The latest moment heard of: time does not run backwards, and an old world brings nothing back.
    latest: Option<UnixMs>,
}

/// What becomes of one vehicle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    place: Place,
    predictions_withheld: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Now,
    Delayed(u32),
    Withheld,
}

impl Gate {
    /// A gate with what the configuration asks for, and trails for delays of so many minutes.
    #[must_use]
    pub fn new(standing: Vec<Measure>, longest_delay: u32) -> Self {
        Self { standing, trails: Trails::reaching(longest_delay), longest_delay, ..Self::default() }
    }

    /// The longest delay that can be asked for, minutes.
    #[must_use]
    pub const fn longest_delay(&self) -> u32 {
        self.longest_delay
    }

    /// The measures that were taken, in place of those known.
    pub fn set_measures(&mut self, taken: Vec<Measure>) {
        self.taken = taken;
    }

    /// A measure more, or in place of the one with its number.
    pub fn put(&mut self, measure: Measure) {
        self.taken.retain(|m| m.id != measure.id);
        self.taken.push(measure);
    }

    /// Every measure that is not over, those of the configuration first.
    pub fn measures(&self, now: UnixMs) -> impl Iterator<Item = &Measure> {
        self.standing.iter().chain(&self.taken).filter(move |m| !m.is_over(now))
    }

    /// What a dispatcher sees of those that hold.
    #[must_use]
    pub fn concerns(&self, t: &Timetable, now: UnixMs) -> Vec<Concern> {
        self.measures(now).filter(|m| m.holds(now)).map(|m| m.concern(t)).collect()
    }

    /// The public world. `before` is the public world that this one follows: what was told of a trip before it was
    /// withheld stays told.
    pub fn view(&mut self, world: &Arc<World>, before: &World, now: UnixMs) -> Arc<World> {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        self.trails.note(world);
        let Self { standing, taken, trails, .. } = self;
        let holding: Vec<&Measure> = standing.iter().chain(taken.iter()).filter(|m| m.holds(now)).collect();
        if holding.is_empty() { Arc::clone(world) } else { Arc::new(restricted(world, before, &holding, trails, now)) }
    }
}

fn restricted(world: &World, before: &World, holding: &[&Measure], trails: &Trails, now: UnixMs) -> World {
    let t = &*world.timetable;
    let mut withheld = withheld_anywhere(t, holding);
    let judged: Vec<(&Arc<Vehicle>, Verdict)> = world.vehicles.iter().map(|v| (v, judge(t, v, holding))).collect();
    for (v, verdict) in judged.iter().filter(|(_, verdict)| verdict.predictions_withheld) {
        let its_own = v.on_trip.iter().map(|p| p.on).chain(v.ahead.iter().map(|c| c.on));
        let route_or_feed = |on: &TripDay| withheld.covers_trip(t, *on);
        let trips: Vec<TripDay> = its_own.filter(|on| !route_or_feed(on)).collect();
        debug_assert!(verdict.place > Place::Now);
        withheld.trips.extend(trips);
    }
    let stopped_at = |lat: f64, lon: f64| {
        let stops = holding.iter().filter(|m| m.kind == Kind::StopPublic);
        stops
            .filter_map(|m| if let Scope::Zone { area } = &m.scope { Some(area) } else { None })
            .any(|z| z.contains(lat, lon))
    };
    let (mut vehicles, mut unplaced) = (Vec::with_capacity(judged.len()), Vec::new());
    for (v, verdict) in judged {
        let ahead = told(t, v, &withheld);
        match verdict.place {
            Place::Now if Arc::ptr_eq(&ahead, &v.ahead) => vehicles.push(Arc::clone(v)),
            Place::Now => vehicles.push(Arc::new(Vehicle { ahead, ..(**v).clone() })),
            Place::Withheld => unplaced.push(Arc::new(without_place(v, ahead))),
            Place::Delayed(minutes) => {
                let then = trails.at(&v.id, now.plus_secs(-60 * i64::from(minutes)));
                if let Some(then) = then.filter(|then| !stopped_at(then.lat, then.lon)) {
                    vehicles.push(Arc::new(as_then(v, then)));
                }
                unplaced.push(Arc::new(without_place(v, ahead)));
            }
        }
    }
    let mut public = World {
        concerns: Arc::from([]),
        restrictions: holding.iter().map(|m| Restriction::of(m)).collect(),
        progress: told_progress(world, before, &withheld),
        machinery: told_of_machines(world, holding),
        ..world.clone()
    }
    .with_unplaced(vehicles, unplaced);
    public.withheld = Arc::new(withheld);
    public
}

/// What is withheld by feed, route and stop, whoever comes.
fn withheld_anywhere(t: &Timetable, holding: &[&Measure]) -> Withheld {
    let mut withheld = Withheld::default();
    for m in holding.iter().filter(|m| m.covers == Covers::PositionsAndPredictions) {
        match &m.scope {
            Scope::Feed => withheld.feed = true,
            Scope::Route { route_id } => withheld.routes.extend(t.route_by_id(route_id)),
            Scope::Zone { area } => {
                let within = t.stops.iter().filter(|(_, s)| area.contains(s.lat, s.lon));
                withheld.stops.extend(within.map(|(i, _)| i));
            }
        }
    }
    withheld
}

/// The strongest that any measure asks for.
fn judge(t: &Timetable, v: &Vehicle, holding: &[&Measure]) -> Verdict {
    let mut verdict = Verdict { place: Place::Now, predictions_withheld: false };
    for m in holding.iter().filter(|m| applies(t, v, &m.scope)) {
        verdict.place = verdict.place.max(match m.kind {
            Kind::StopPublic => Place::Withheld,
            Kind::DelayPublic { minutes } => Place::Delayed(minutes),
        });
        verdict.predictions_withheld |= m.covers == Covers::PositionsAndPredictions;
    }
    verdict
}

fn applies(t: &Timetable, v: &Vehicle, scope: &Scope) -> bool {
    match scope {
        Scope::Feed => true,
        Scope::Route { route_id } => v.on_trip.is_some_and(|p| *t.route_of(p.on.trip).id == **route_id),
        Scope::Zone { area } => area.contains(v.lat, v.lon),
    }
}

/// The predictions of a vehicle that may be told.
fn told(t: &Timetable, v: &Vehicle, withheld: &Withheld) -> Arc<[CallPrediction]> {
    if withheld.is_none() {
        return Arc::clone(&v.ahead);
    }
    v.ahead.iter().filter(|c| !withheld.covers(t, c.on, c.stop)).copied().collect()
}

/// What may be told of a vehicle whose place may not.
fn without_place(v: &Vehicle, ahead: Arc<[CallPrediction]>) -> Vehicle {
    let nowhere = |p: OnTrip| OnTrip { along: 0.0, next: StopPos(0), fraction: 0.0, delay: None, ..p };
    Vehicle {
        lat: f64::NAN,
        lon: f64::NAN,
        speed: None,
        bearing: None,
        on_trip: v.on_trip.map(nowhere),
        ahead,
        history: Arc::from([]),
        ..v.clone()
    }
}

/// A vehicle as it was.
fn as_then(v: &Vehicle, then: &Then) -> Vehicle {
    Vehicle {
        phase: then.phase,
        lat: then.lat,
        lon: then.lon,
        speed: then.speed,
        bearing: then.bearing,
        fix_time: then.time,
        received: then.time,
        on_trip: then.on_trip,
        held: None,
        ahead: Arc::from([]),
        history: Arc::from([]),
        ..v.clone()
    }
}

/// Machines have no route: a measure of the feed or of any zone withholds them all, and where they have been, for a
/// street that was passed a minute ago says where one is.
fn told_of_machines(world: &World, holding: &[&Measure]) -> Arc<MachineryView> {
    if holding.iter().all(|m| matches!(m.scope, Scope::Route { .. })) {
        return Arc::clone(&world.machinery);
    }
    Arc::new(world.machinery.without_machines())
}

/// How far trips have come, as far as that may be told: a row that leaves a board early says where a vehicle is.
/// What was told before stays, for a departed vehicle never comes back.
fn told_progress(world: &World, before: &World, withheld: &Withheld) -> Arc<FxHashMap<TripDay, TripProgress>> {
    if !withheld.feed && withheld.routes.is_empty() && withheld.trips.is_empty() {
        return Arc::clone(&world.progress);
    }
    let t = &*world.timetable;
    // A world before the first is of version 0 and says nothing.
    let known = before.version > 0 && Arc::ptr_eq(&before.timetable, &world.timetable);
    let each = world.progress.iter().map(|(on, p)| {
        let hidden = known && withheld.covers_trip(t, *on);
        let passed = if hidden { before.progress_of(*on).passed.min(p.passed) } else { p.passed };
        (*on, TripProgress { passed, ..*p })
    });
    Arc::new(each.collect())
}

/// Whether what the public sees of a vehicle is what there is.
#[must_use]
pub fn is_public(public: &World, whole: &World, id: &VehicleId) -> bool {
    let fix = |w: &World| w.vehicle(id.as_str()).map(|v| v.fix_time);
    public.restrictions.is_empty() || fix(public) == fix(whole)
}
