//! One vehicle on one service day: its legs, end to end in time, and where it is at any moment.

use std::borrow::Borrow;
use std::sync::Arc;

use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::ids::{ShapeIdx, StopPos, TripIdx, VehicleId};
use transit_model::plane::{Plane, Polyline, Xy};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::roster::Duty;
use super::run::{Driven, Driver, Knot, TrueCall, is_end};
use super::traffic::word_of;
use crate::chance::{Topic, between, chance, word};

/// What a leg runs along.
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// A shape of the feed.
    Shape(ShapeIdx),
    /// A line of its own.
    Line(Arc<Polyline>),
}

/// A stretch of a vehicle's day.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) phase: Phase,
    pub(crate) trip: Option<TripIdx>,
    pub(crate) path: Path,
    /// Two or more, by time.
    pub(crate) knots: Vec<Knot>,
    /// One a call of the trip; none for other legs.
    pub(crate) calls: Vec<TrueCall>,
}

impl Leg {
    fn stand(path: Path, along: f32, from: UnixMs, to: UnixMs, phase: Phase) -> Self {
        let knots = vec![Knot { at: from, along }, Knot { at: to.max(from), along }];
        Self { phase, trip: None, path, knots, calls: Vec::new() }
    }

    fn starts(&self) -> UnixMs {
        self.knots.first().map(|k| k.at).unwrap_or_default()
    }

    fn ends(&self) -> UnixMs {
        self.knots.last().map(|k| k.at).unwrap_or_default()
    }
}

/// Where a vehicle truly is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TrueState {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// The same in the timetable's plane.
    pub xy: Xy,
    /// m/s; 0 when standing.
    pub speed: f32,
    /// The direction of the line it is on, degrees clockwise from north.
    pub bearing: Option<f32>,
    /// What it is doing. A trip is `in_progress` from the departure at its first stop to the
    /// arrival at its last.
    pub phase: Phase,
    /// The trip it runs.
    pub trip: Option<TripIdx>,
    /// Metres along the trip's shape; only on a trip.
    pub along: Option<f32>,
}

/// A stop that was really served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrueStop {
    /// Which trip.
    pub trip: TripIdx,
    /// Which call of it.
    pub call: StopPos,
    /// Not known for the first call of a trip.
    pub arrival: Option<UnixMs>,
    /// Not known for the last.
    pub departure: Option<UnixMs>,
}

/// One vehicle on one service day.
#[derive(Clone, Debug)]
pub struct VehicleDay {
    /// Its public name, the same every day.
    pub vehicle: VehicleId,
    /// Whether it runs by the timetable.
    pub kind: VehicleKind,
    /// The service day.
    pub date: ServiceDate,
    plane: Plane,
    tt: Arc<Timetable>,
    legs: Vec<Leg>,
}

/// A vehicle stands at its first stop so long before it leaves, seconds from and to.
const BEFORE: (f64, f64) = (300.0, 720.0);
/// And at its last stop after it has arrived for good.
const AFTER: (f64, f64) = (120.0, 360.0);
/// A driver takes so much rest where the timetable allows it, seconds.
const REST: i32 = 120;
/// How fast a vehicle moves without passengers when it has time, and when it has none, m/s.
const EMPTY: (f32, f32) = (7.0, 16.0);
/// It stands so long before it moves on to where its next trip starts, milliseconds.
const SETTLE: i64 = 20_000;

/// Where a vehicle came to stand, and when.
struct Stood {
    path: Path,
    along: f32,
    since: UnixMs,
    trip: TripIdx,
}

impl VehicleDay {
    /// Drives a duty. `None` for a duty without trips.
    pub(crate) fn drive(
        tt: &Arc<Timetable>,
        driver: &Driver<'_>,
        seed: u64,
        date: ServiceDate,
        duty: &Duty,
    ) -> Option<Self> {
        let name = word(duty.vehicle.as_str());
        let mut rng = chance(seed, Topic::Trip, name, word_of(date));
        let first = *duty.trips.first()?;
        let mut legs: Vec<Leg> = Vec::new();
        let mut ready =
            tt.zone.at(date, tt.starts(first)).0 - UnixMs::from_secs_f64(between(&mut rng, BEFORE.0, BEFORE.1)).0;
        let mut stood: Option<Stood> = None;
        for trip in &duty.trips {
            let path = Path::Shape(tt.pattern_of(*trip).shape);
            let start = tt.pattern_of(*trip).calls.first().map_or(0.0, |c| c.along);
            let mut here = UnixMs(ready);
            if let Some(stood) = stood.take() {
                let planned = (tt.starts(*trip) - tt.ends(stood.trip)).0.max(0);
                let rest = (planned * 3 / 5).clamp(10, REST);
                let due = tt.zone.at(date, tt.starts(*trip));
                let rested = stood.since.plus_secs(i64::from(rest));
                here = move_on(tt, stood, point(tt, &path, start), due, &mut legs);
                ready = here.max(rested).0;
            }
            let Driven { knots, mut calls } = driver.drive(*trip, UnixMs(ready), &mut rng);
            let leaves = knots.first().map_or(UnixMs(ready), |k| k.at);
            if let Some(first) = calls.first_mut() {
                first.arrival = here;
            }
            legs.push(Leg::stand(path.clone(), start, here, leaves, Phase::Layover));
            let (since, along) = knots.last().map_or((leaves, start), |k| (k.at, k.along));
            stood = Some(Stood { path: path.clone(), along, since, trip: *trip });
            legs.push(Leg { phase: Phase::InProgress, trip: Some(*trip), path, knots, calls });
        }
        if let Some(Stood { path, along, since, .. }) = stood {
            let gone = UnixMs(since.0 + UnixMs::from_secs_f64(between(&mut rng, AFTER.0, AFTER.1)).0);
            legs.push(Leg::stand(path, along, since, gone, Phase::AtBase));
        }
        Some(Self {
            vehicle: duty.vehicle.clone(),
            kind: VehicleKind::Transit,
            date,
            plane: tt.plane,
            tt: Arc::clone(tt),
            legs,
        })
    }

    /// A vehicle without a timetable, on these legs.
    pub(crate) fn free(tt: &Arc<Timetable>, date: ServiceDate, vehicle: VehicleId, legs: Vec<Leg>) -> Self {
        Self { vehicle, kind: VehicleKind::Machinery, date, plane: tt.plane, tt: Arc::clone(tt), legs }
    }

    /// From when to when the vehicle is switched on; empty for a day without a leg.
    #[must_use]
    pub fn span(&self) -> (UnixMs, UnixMs) {
        let start = self.legs.first().map(Leg::starts).unwrap_or_default();
        (start, self.legs.last().map_or(start, Leg::ends))
    }

    /// Where the vehicle is; `None` while it is switched off in its depot.
    #[must_use]
    pub fn state_at(&self, t: UnixMs) -> Option<TrueState> {
        Walk::along(self).at(t)
    }

    /// Its trips, in the order it ran them.
    pub fn trips(&self) -> impl Iterator<Item = TripIdx> + '_ {
        self.legs.iter().filter_map(|l| l.trip)
    }

    /// Every stop it really served, in the order of time.
    pub fn stops(&self) -> impl Iterator<Item = TrueStop> + '_ {
        self.legs.iter().filter_map(|l| l.trip.map(|t| (t, l))).flat_map(|(trip, leg)| {
            let n = leg.calls.len();
            leg.calls.iter().enumerate().map(move |(at, call)| {
                let call_pos = StopPos::new(at);
                let (first, last) = is_end(call_pos, n);
                TrueStop {
                    trip,
                    call: call_pos,
                    arrival: (!first).then_some(call.arrival),
                    departure: (!last).then_some(call.departure),
                }
            })
        })
    }

    fn line<'a>(&'a self, leg: &'a Leg) -> &'a Polyline {
        line_of(&self.tt, &leg.path)
    }
}

/// Moves a vehicle to where its next trip starts, due at that time; gives when it is there. It goes
/// straight: no feed says which way vehicles take without passengers.
fn move_on(tt: &Timetable, stood: Stood, to: Xy, due: UnixMs, legs: &mut Vec<Leg>) -> UnixMs {
    let line = Polyline::new([point(tt, &stood.path, stood.along), to]);
    let length = line.length();
    if length <= 0.5 {
        return stood.since;
    }
    let moves = UnixMs(stood.since.0 + SETTLE);
    let (calm, pressed) = (f64::from(length / EMPTY.0), f64::from(length / EMPTY.1));
    let left = UnixMs(due.0 - moves.0).secs_f64();
    let there = UnixMs(moves.0 + UnixMs::from_secs_f64(calm.min(left).max(pressed).max(4.0)).0);
    legs.push(Leg::stand(stood.path, stood.along, stood.since, moves, Phase::Layover));
    let knots = vec![Knot { at: moves, along: 0.0 }, Knot { at: there, along: length }];
    let phase = if length > 100.0 { Phase::Deadhead } else { Phase::Layover };
    legs.push(Leg { phase, trip: None, path: Path::Line(Arc::new(line)), knots, calls: Vec::new() });
    there
}

fn line_of<'a>(tt: &'a Timetable, path: &'a Path) -> &'a Polyline {
    match path {
        Path::Shape(s) => tt.shapes.at(*s),
        Path::Line(line) => line,
    }
}

fn point(tt: &Timetable, path: &Path, along: f32) -> Xy {
    line_of(tt, path).point_at(along)
}

/// Walks through a vehicle's day; asking for later and later moments costs next to nothing.
#[derive(Clone, Debug)]
pub struct Walk<D> {
    day: D,
    leg: usize,
    knot: usize,
}

impl<D: Borrow<VehicleDay>> Walk<D> {
    /// A walk from the beginning of the day.
    #[must_use]
    pub const fn along(day: D) -> Self {
        Self { day, leg: 0, knot: 0 }
    }

    /// The day it walks through.
    #[must_use]
    pub fn day(&self) -> &VehicleDay {
        self.day.borrow()
    }

    /// Where the vehicle is; `None` while it is switched off.
    pub fn at(&mut self, t: UnixMs) -> Option<TrueState> {
        let (from, to) = self.day().span();
        if t < from || t >= to {
            return None;
        }
        (self.leg, self.knot) = self.seek(t);
        let day = self.day();
        let leg = day.legs.get(self.leg)?;
        let (a, b) = (leg.knots.get(self.knot)?, leg.knots.get(self.knot + 1)?);
        let span = (b.at.0 - a.at.0).max(1) as f32;
        let share = ((t.0 - a.at.0) as f32 / span).clamp(0.0, 1.0);
        let along = (b.along - a.along).mul_add(share, a.along);
        let line = day.line(leg);
        let xy = line.point_at(along);
        let (lat, lon) = day.plane.lat_lon(xy);
        Some(TrueState {
            lat,
            lon,
            xy,
            speed: (b.along - a.along) / span * 1000.0,
            bearing: line.heading_at(along),
            phase: leg.phase,
            trip: leg.trip,
            along: leg.trip.map(|_| along),
        })
    }

    /// The leg and the knot that hold this moment, looked for from where the walk is.
    fn seek(&self, t: UnixMs) -> (usize, usize) {
        let legs = &self.day().legs;
        let (mut leg, mut knot) = (self.leg, self.knot);
        if legs.get(leg).is_none_or(|l| t < l.starts()) {
            (leg, knot) = (0, 0);
        }
        if legs.get(leg).is_some_and(|l| t >= l.ends()) {
            leg += legs.get(leg..).unwrap_or_default().partition_point(|l| l.ends() <= t);
            knot = 0;
        }
        let knots = legs.get(leg).map(|l| l.knots.as_slice()).unwrap_or_default();
        if knots.get(knot).is_none_or(|k| t < k.at) {
            knot = 0;
        }
        if knots.get(knot + 1).is_some_and(|k| t >= k.at) {
            let after = knots.get(knot..).unwrap_or_default().partition_point(|k| k.at <= t);
            knot = (knot + after).saturating_sub(1).min(knots.len().saturating_sub(2));
        }
        (leg, knot)
    }
}
