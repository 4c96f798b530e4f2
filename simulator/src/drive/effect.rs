//! What a disturbance means on one day of one timetable: names looked up, references followed.
//! What cannot be followed is said, never dropped.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use transit_model::ids::{LinkIdx, PatternIdx, RouteIdx, StopIdx, StopPos, TripIdx, VehicleId};
use transit_model::plane::Xy;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::{Pattern, Timetable};

use super::disturbance::{Disturbance, FirstTrip, Place, RoutePlace, Senseless, StopRef, TripRef, VehicleRef};
use super::roster::Duty;

/// A disturbance that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Happened {
    /// What.
    pub what: Disturbance,
    /// Nobody asked for it: it was drawn.
    pub by_chance: bool,
    /// From when; of what befell single vehicles, when it first did.
    pub from: UnixMs,
    /// To when; of what befell single vehicles, when it last did.
    pub to: UnixMs,
    /// The vehicles it befell, in order: of a breakdown first the broken one, then the reserve; of a
    /// missed trip who should have run it. Empty for what slows streets.
    pub vehicles: Vec<VehicleId>,
    /// The trips it befell; of a breakdown those it cut short or that nobody ran.
    pub trips: Vec<TripIdx>,
}

/// Why a disturbance did not happen.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Unmet {
    /// Its numbers make no sense.
    #[error(transparent)]
    Senseless(#[from] Senseless),
    /// The feed has no such route.
    #[error("the feed has no route `{0}`")]
    NoRoute(String),
    /// The feed has no such stop.
    #[error("the feed has no stop `{0}`")]
    NoStop(String),
    /// The feed has no such trip.
    #[error("the feed has no trip `{0}`")]
    NoTrip(String),
    /// The trip does not run on this day, or nobody was sent to run it.
    #[error("trip `{0}` is run by nobody on this day")]
    NotRun(String),
    /// The route has no later trip on this day.
    #[error("route `{route}` has no trip that starts at {from} or later on this day")]
    NoneAfter {
        /// As named.
        route: String,
        /// The time.
        from: ServiceTime,
    },
    /// No vehicle of this name is on the road on this day.
    #[error("vehicle `{0}` is not on the road on this day")]
    NoVehicle(String),
    /// The trip does not call there.
    #[error("trip `{trip}` has no call `{stop}` where it could turn")]
    NoCall {
        /// Its `trip_id`.
        trip: String,
        /// As named.
        stop: String,
    },
    /// No trip goes from one stop straight to the other.
    #[error("no trip goes from stop `{from}` to stop `{to}`")]
    NoWay {
        /// `stop_id`.
        from: String,
        /// `stop_id`.
        to: String,
    },
    /// A vehicle cannot swap with itself.
    #[error("vehicle `{0}` is named twice")]
    Itself(String),
    /// Everything named is there, but nothing came by when it would have happened.
    #[error("nobody was there when it would have happened")]
    Nobody,
}

/// A street that is slow for a time. Times are seconds of the service day.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Slow {
    /// Everywhere where it is `None`.
    pub(super) links: Option<Arc<FxHashSet<LinkIdx>>>,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) factor: f64,
}

impl Slow {
    /// Whether who enters a link at this moment meets it.
    pub(super) fn is_met(&self, link: LinkIdx, at: f64) -> bool {
        (self.from..self.to).contains(&at) && self.links.as_ref().is_none_or(|l| l.contains(&link))
    }
}

/// A closed street.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Detour {
    pub(super) after: StopIdx,
    pub(super) until: StopIdx,
    pub(super) route: Option<RouteIdx>,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Metres off the line.
    pub(super) away: f64,
}

impl Detour {
    /// Where a vehicle that leaves a call at a moment joins its line again, if it has to leave it.
    pub(super) fn joins(&self, pattern: &Pattern, call: usize, last: usize, at: f64) -> Option<usize> {
        let here = pattern.calls.get(call)?;
        let meant = here.stop == self.after
            && self.route.is_none_or(|r| r == pattern.route)
            && (self.from..self.to).contains(&at);
        let ahead = pattern.calls.get(call + 1..=last).unwrap_or_default();
        ahead.iter().position(|c| c.stop == self.until).filter(|_| meant).map(|n| call + 1 + n)
    }
}

/// A disturbance whose names have been looked up.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Effect {
    Slow(Slow),
    Breakdown { vehicle: VehicleId, at: f64, replaced_after: Option<f64> },
    ShortTurn { trip: TripIdx, last: StopPos, back_at: Option<StopRef> },
    Detour(Detour),
    Missed { trip: TripIdx },
    Swap { a: VehicleId, b: VehicleId, from: ServiceTime },
    Early { trip: TripIdx, by: f64 },
}

/// Where names are looked up.
pub(super) struct Lookup<'a> {
    pub(super) tt: &'a Timetable,
    pub(super) date: ServiceDate,
    pub(super) duties: &'a [Duty],
}

impl Lookup<'_> {
    /// What a disturbance means today.
    pub(super) fn effect(&self, d: &Disturbance) -> Result<Effect, Unmet> {
        d.check()?;
        let seconds = |t: &ServiceTime| f64::from(t.0);
        Ok(match d {
            Disturbance::Incident { place, from, to, factor, .. } => Effect::Slow(Slow {
                links: Some(Arc::new(self.links(place)?)),
                from: seconds(from),
                to: seconds(to),
                factor: *factor,
            }),
            Disturbance::Weather { from, to, factor, .. } => {
                Effect::Slow(Slow { links: None, from: seconds(from), to: seconds(to), factor: *factor })
            }
            Disturbance::Breakdown { vehicle, at, replaced_after_s, .. } => Effect::Breakdown {
                vehicle: self.vehicle(vehicle)?,
                at: seconds(at),
                replaced_after: replaced_after_s.map(f64::from),
            },
            Disturbance::ShortTurn { trip, stop, back_at, .. } => {
                let trip = self.trip(trip)?;
                let last = find_call(self.tt, trip, stop).filter(|p| p.at() > 0);
                let none = || Unmet::NoCall { trip: self.tt.trips.at(trip).id.to_string(), stop: name_of(stop) };
                Effect::ShortTurn { trip, last: last.ok_or_else(none)?, back_at: back_at.clone() }
            }
            Disturbance::Detour { after_stop, until_stop, route, from, to, away_m, .. } => {
                let (after, until) = (self.stop(after_stop)?, self.stop(until_stop)?);
                let route = route.as_deref().map(|r| self.route(r)).transpose()?;
                let detour = Detour { after, until, route, from: seconds(from), to: seconds(to), away: *away_m };
                let runs = |(p, pos): &(PatternIdx, StopPos)| {
                    let p = self.tt.patterns.at(*p);
                    detour.joins(p, pos.at(), p.calls.len().saturating_sub(1), detour.from).is_some()
                };
                let some_way = detour.to <= detour.from || self.tt.calls_at(after).iter().any(runs);
                if !some_way {
                    return Err(Unmet::NoWay { from: after_stop.clone(), to: until_stop.clone() });
                }
                Effect::Detour(detour)
            }
            Disturbance::MissedTrip { trip, .. } => Effect::Missed { trip: self.trip(trip)? },
            Disturbance::Swap { vehicle, with, from, .. } => {
                let (a, b) = (self.vehicle(vehicle)?, self.vehicle(with)?);
                if a == b {
                    return Err(Unmet::Itself(a.as_str().to_owned()));
                }
                Effect::Swap { a, b, from: *from }
            }
            Disturbance::EarlyDeparture { trip, by_s, .. } => {
                Effect::Early { trip: self.trip(trip)?, by: f64::from(*by_s) }
            }
        })
    }

    fn stop(&self, id: &str) -> Result<StopIdx, Unmet> {
        self.tt.stop_by_id(id).ok_or_else(|| Unmet::NoStop(id.to_owned()))
    }

    fn route(&self, name: &str) -> Result<RouteIdx, Unmet> {
        let named = || self.tt.routes.iter().find(|(_, r)| &*r.short_name == name).map(|(i, _)| i);
        self.tt.route_by_id(name).or_else(named).ok_or_else(|| Unmet::NoRoute(name.to_owned()))
    }

    fn trips(&self) -> impl Iterator<Item = (TripIdx, &Duty)> {
        self.duties.iter().flat_map(|d| d.trips.iter().map(move |t| (*t, d)))
    }

    fn first(&self, f: &FirstTrip) -> Result<(TripIdx, &Duty), Unmet> {
        let route = self.route(&f.route)?;
        let fits = |t: TripIdx| {
            let p = self.tt.pattern_of(t);
            p.route == route && f.direction.is_none_or(|d| p.direction == Some(d)) && self.tt.starts(t) >= f.from
        };
        let first = self.trips().filter(|(t, _)| fits(*t)).min_by_key(|(t, _)| (self.tt.starts(*t), *t));
        first.ok_or_else(|| Unmet::NoneAfter { route: f.route.clone(), from: f.from })
    }

    fn trip(&self, r: &TripRef) -> Result<TripIdx, Unmet> {
        match r {
            TripRef::First(f) => Ok(self.first(f)?.0),
            TripRef::Id(id) => {
                self.tt.trip_by_id(id).ok_or_else(|| Unmet::NoTrip(id.clone()))?;
                let run = self.tt.runs_of(id).find(|t| self.trips().any(|(u, _)| u == *t));
                run.ok_or_else(|| Unmet::NotRun(id.clone()))
            }
        }
    }

    fn vehicle(&self, r: &VehicleRef) -> Result<VehicleId, Unmet> {
        match r {
            VehicleRef::Runs(f) => Ok(self.first(f)?.1.vehicle.clone()),
            VehicleRef::Id(id) => {
                let duty = self.duties.iter().find(|d| d.vehicle.as_str() == id);
                duty.map(|d| d.vehicle.clone()).ok_or_else(|| Unmet::NoVehicle(id.clone()))
            }
        }
    }

    fn links(&self, place: &Place) -> Result<FxHashSet<LinkIdx>, Unmet> {
        let tt = self.tt;
        match place {
            Place::Between(b) => {
                let (from, to) = (self.stop(&b.from_stop)?, self.stop(&b.to_stop)?);
                let links: FxHashSet<LinkIdx> =
                    tt.links.iter().filter(|(_, l)| l.from == from && l.to == to).map(|(i, _)| i).collect();
                let none = || Unmet::NoWay { from: b.from_stop.clone(), to: b.to_stop.clone() };
                if links.is_empty() { Err(none()) } else { Ok(links) }
            }
            Place::Around(a) => Ok(links_around(tt, tt.plane.xy(a.lat, a.lon), a.radius_m)),
            Place::NearStop(n) => Ok(links_around(tt, tt.stops.at(self.stop(&n.near_stop)?).xy, n.radius_m)),
            Place::Route(RoutePlace { route, direction }) => {
                let route = self.route(route)?;
                let meant = |p: &&Pattern| p.route == route && direction.is_none_or(|d| p.direction == Some(d));
                Ok(tt.patterns.iter().map(|(_, p)| p).filter(meant).flat_map(|p| p.links.iter().copied()).collect())
            }
        }
    }
}

/// The links whose line comes within a distance of a place.
fn links_around(tt: &Timetable, p: Xy, metres: f64) -> FxHashSet<LinkIdx> {
    #[expect(clippy::cast_possible_truncation, reason = "some metres")]
    let reach = metres as f32;
    let mut near = FxHashSet::default();
    for (_, pattern) in tt.patterns.iter() {
        let shape = tt.shapes.at(pattern.shape);
        for (pair, link) in pattern.calls.windows(2).zip(&pattern.links) {
            let [a, b] = pair else { continue };
            let l = tt.links.at(*link);
            // A line is never nearer than the way to its end is long.
            if near.contains(link) || tt.stops.at(l.from).xy.distance(p) > reach + l.length + 200.0 {
                continue;
            }
            if shape.project_between(p, a.along, b.along).is_some_and(|at| at.off <= reach) {
                near.insert(*link);
            }
        }
    }
    near
}

/// A stop of a trip.
pub(super) fn find_call(tt: &Timetable, trip: TripIdx, stop: &StopRef) -> Option<StopPos> {
    let calls = &tt.pattern_of(trip).calls;
    let at = match stop {
        StopRef::Nth(n) => usize::from(*n).checked_sub(1)?,
        StopRef::Id(id) => {
            let stop = tt.stop_by_id(id)?;
            calls.iter().position(|c| c.stop == stop)?
        }
    };
    (at < calls.len()).then(|| StopPos::new(at))
}

fn name_of(stop: &StopRef) -> String {
    match stop {
        StopRef::Nth(n) => n.to_string(),
        StopRef::Id(id) => id.clone(),
    }
}
