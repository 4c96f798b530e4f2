//! One vehicle on one service day: its legs, end to end in time, and where it is at any moment.

use std::borrow::Borrow;
use std::sync::Arc;

use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::ids::{ShapeIdx, StopPos, TripIdx, VehicleId};
use transit_model::plane::{Plane, Polyline, Xy};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::run::{Knot, TrueCall};

/// What a leg runs along.
#[derive(Clone, Debug)]
pub(super) enum Path {
    /// A shape of the feed.
    Shape(ShapeIdx),
    /// A line of its own.
    Line(Arc<Polyline>),
}

/// A stretch of a vehicle's day.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) phase: Phase,
    pub(super) trip: Option<TripIdx>,
    pub(super) path: Path,
    /// By time; a leg of one knot takes no time.
    pub(super) knots: Vec<Knot>,
    /// The calls of the trip served on it; none for other legs.
    pub(super) calls: Vec<TrueCall>,
}

impl Leg {
    pub(super) fn stand(path: Path, along: f32, from: UnixMs, to: UnixMs, phase: Phase) -> Self {
        let knots = vec![Knot { at: from, along }, Knot { at: to.max(from), along }];
        Self { phase, trip: None, path, knots, calls: Vec::new() }
    }

    pub(super) fn starts(&self) -> UnixMs {
        self.knots.first().map(|k| k.at).unwrap_or_default()
    }

    pub(super) fn ends(&self) -> UnixMs {
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
    /// The trip it runs: `in_progress` or `off_route`.
    pub trip: Option<TripIdx>,
    /// While it runs none, the trip it is going to run next.
    pub ahead: Option<TripIdx>,
    /// Metres along the trip's shape; only on a trip, and only on its line.
    pub along: Option<f32>,
}

/// A stop that was really served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrueStop {
    /// Which trip.
    pub trip: TripIdx,
    /// Which call of it.
    pub call: StopPos,
    /// Not known where the vehicle began its trip.
    pub arrival: Option<UnixMs>,
    /// Not known where it ended it.
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

impl VehicleDay {
    /// A vehicle that runs by the timetable, on these legs.
    pub(super) fn transit(tt: &Arc<Timetable>, date: ServiceDate, vehicle: VehicleId, legs: Vec<Leg>) -> Self {
        Self { vehicle, kind: VehicleKind::Transit, date, plane: tt.plane, tt: Arc::clone(tt), legs }
    }

    /// A vehicle without a timetable, on these legs.
    pub(super) fn free(
        tt: &Arc<Timetable>,
        date: ServiceDate,
        (vehicle, kind): (VehicleId, VehicleKind),
        legs: Vec<Leg>,
    ) -> Self {
        Self { vehicle, kind, date, plane: tt.plane, tt: Arc::clone(tt), legs }
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

    /// Its trips, in the order it ran them, whole or in part.
    pub fn trips(&self) -> impl Iterator<Item = TripIdx> + '_ {
        let mut last = None;
        self.legs.iter().filter_map(|l| l.trip).filter(move |t| last.replace(*t) != Some(*t))
    }

    /// Every stop it really served, in the order of time.
    pub fn stops(&self) -> impl Iterator<Item = TrueStop> + '_ {
        self.legs.iter().filter_map(|l| l.trip.map(|t| (t, l))).flat_map(|(trip, leg)| {
            let stop = move |c: &TrueCall| TrueStop { trip, call: c.call, arrival: c.arrival, departure: c.departure };
            leg.calls.iter().map(stop)
        })
    }

    fn line<'a>(&'a self, leg: &'a Leg) -> &'a Polyline {
        line_of(&self.tt, &leg.path)
    }
}

fn line_of<'a>(tt: &'a Timetable, path: &'a Path) -> &'a Polyline {
    match path {
        Path::Shape(s) => tt.shapes.at(*s),
        Path::Line(line) => line,
    }
}

pub(super) fn point(tt: &Timetable, path: &Path, along: f32) -> Xy {
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
            ahead: match leg.trip {
                Some(_) => None,
                None => day.legs.get(self.leg..)?.iter().find_map(|l| l.trip),
            },
            along: leg.trip.filter(|_| matches!(leg.path, Path::Shape(_))).map(|_| along),
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
