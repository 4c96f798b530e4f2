//! The line each pattern runs along: its shape where that serves the stops, else one through them.

use rustc_hash::FxHashMap;

use super::patterns::{Draft, Drafts};
use super::project::{FAR, Fit, Wanted, fit, project};
use super::read_shapes::Shapes;
use super::read_stop_times::{FILE as STOP_TIMES, NO_TIME};
use super::read_stops::Stops;
use super::read_trips::{FILE as TRIPS, Trips};
use super::report::{Action, Fault, Finding, Report};
use crate::ids::{Idx as _, IdxVec, ShapeIdx, StopIdx};
use crate::plane::{Polyline, Projected, Xy};

/// The shapes in use, and the line of every pattern.
pub(super) struct Lines {
    pub(super) shapes: IdxVec<ShapeIdx, Polyline>,
    /// By pattern: its shape, and the distance along of every call.
    pub(super) of_pattern: Vec<(ShapeIdx, Vec<f32>)>,
}

/// What stands in `shapes` already.
#[derive(PartialEq, Eq, Hash)]
enum Made {
    Drawn(u32),
    Reversed(u32),
    Through(Vec<StopIdx>),
}

/// Everything a pattern's line is found with.
pub(super) struct Surveyor<'a> {
    pub(super) trips: &'a Trips,
    pub(super) stops: &'a Stops,
    pub(super) drawn: &'a Shapes,
}

/// Finds the line of every pattern.
pub(super) fn draw(surveyor: &Surveyor<'_>, drafts: &Drafts, report: &mut Report) -> Lines {
    let mut shapes = IdxVec::new();
    let mut made: FxHashMap<Made, Option<ShapeIdx>> = FxHashMap::default();
    let mut without = 0usize;
    let mut of_pattern = Vec::with_capacity(drafts.patterns.len());
    for draft in &drafts.patterns {
        let along_shape = draft.shape.and_then(|shape| {
            let line = *made.entry(Made::Drawn(shape)).or_insert_with(|| {
                let id = surveyor.trips.shapes.get(shape as usize)?;
                let line = surveyor.drawn.line(id, &surveyor.stops.plane);
                if line.is_none() {
                    report.add(surveyor.about(draft, Fault::UnknownShape, Action::LineThroughStops));
                }
                Some(shapes.push(line?))
            });
            let forward = line?;
            let wanted = surveyor.wanted(draft, drafts);
            let places = project(shapes.at(forward), &wanted)?;
            if fit(&places) == Fit::Good {
                return Some((forward, places));
            }
            let back = Polyline::new(shapes.at(forward).points().iter().rev().copied());
            let turned = project(&back, &wanted).filter(|places| fit(places) == Fit::Good);
            if let Some(places) = turned {
                report.add(surveyor.about(draft, Fault::ShapeBackwards, Action::ShapeReversed));
                let back = made.entry(Made::Reversed(shape)).or_insert_with(|| Some(shapes.push(back)));
                return Some(((*back)?, places));
            }
            let far = places.iter().filter(|p| p.off > FAR).count();
            let detail = format!("{far} of {} stops lie more than {FAR} m away", places.len());
            report.add(surveyor.about(draft, Fault::ShapeMisses, Action::LineThroughStops).detail(detail));
            None
        });
        if let Some((shape, places)) = along_shape {
            surveyor.report_far(draft, &places, report);
            of_pattern.push((shape, places.iter().map(|p| p.along).collect()));
            continue;
        }
        without += usize::from(draft.shape.is_none());
        let through = Made::Through(draft.calls.iter().map(|c| c.stop).collect());
        let places = surveyor.through_stops(draft);
        let shape = made.entry(through).or_insert_with(|| Some(shapes.push(places.0)));
        of_pattern.push((shape.unwrap_or(ShapeIdx::new(0)), places.1));
    }
    if without > 0 {
        let detail = format!("{without} of {} patterns", drafts.patterns.len());
        report.add(Finding::new(Fault::NoShape, TRIPS, Action::LineThroughStops).detail(detail));
    }
    Lines { shapes, of_pattern }
}

impl Surveyor<'_> {
    fn xy(&self, stop: StopIdx) -> Xy {
        self.stops.items.get(stop.at()).map(|s| s.xy).unwrap_or_default()
    }

    /// The stops of a pattern, with their share of the way by the first trip's times.
    fn wanted(&self, draft: &Draft, drafts: &Drafts) -> Vec<Wanted> {
        let times: Vec<Option<i32>> = drafts
            .times
            .iter()
            .skip(draft.first_call)
            .take(draft.calls.len())
            .map(|t| (t.arrival != NO_TIME).then_some(t.arrival.0))
            .collect();
        let (from, to) = (times.first().copied().flatten(), times.last().copied().flatten());
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(0));
        // Between two times the stops are spread evenly: it is a hint, no more.
        let mut known: Vec<(usize, i32)> = Vec::new();
        known.extend(times.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))));
        draft
            .calls
            .iter()
            .enumerate()
            .map(|(i, call)| Wanted { at: self.xy(call.stop), share: share_at(&known, i, from, to) })
            .collect()
    }

    /// A line from stop to stop. Consecutive calls at one place share a point.
    fn through_stops(&self, draft: &Draft) -> (Polyline, Vec<f32>) {
        let mut points: Vec<Xy> = Vec::new();
        let mut at = Vec::with_capacity(draft.calls.len());
        for call in &draft.calls {
            let p = self.xy(call.stop);
            if points.last().is_none_or(|last| last.distance(p) >= 0.01) {
                points.push(p);
            }
            at.push(points.len() - 1);
        }
        let line = Polyline::new(points);
        let along = at.into_iter().map(|i| line.cumulative().get(i).copied().unwrap_or(line.length())).collect();
        (line, along)
    }

    fn about(&self, draft: &Draft, what: Fault, action: Action) -> Finding {
        let trip = self.trips.items.get(draft.first_trip);
        let shape = draft.shape.and_then(|s| self.trips.shapes.get(s as usize)).map_or("", |s| s);
        Finding::new(what, TRIPS, action).line(trip.map_or(0, |t| t.line)).value("shape_id", shape)
    }

    fn report_far(&self, draft: &Draft, places: &[Projected], report: &mut Report) {
        let shape = draft.shape.and_then(|s| self.trips.shapes.get(s as usize)).map_or("", |s| s);
        for ((call, line), place) in draft.calls.iter().zip(&draft.lines).zip(places) {
            if place.off > FAR {
                let stop = self.stops.items.get(call.stop.at()).map_or("", |s| &s.id);
                let finding = Finding::new(Fault::StopFarFromShape, STOP_TIMES, Action::Kept).line(*line);
                report.add(finding.value("stop_id", stop).detail(format!("{:.0} m from shape {shape}", place.off)));
            }
        }
    }
}

/// Where call `i` lies between the first and the last time, 0..=1.
#[expect(clippy::cast_precision_loss, reason = "a share of a day's seconds")]
fn share_at(known: &[(usize, i32)], i: usize, from: i32, to: i32) -> f32 {
    let after = known.partition_point(|(at, _)| *at < i);
    let next = known.get(after).copied().unwrap_or((i, to));
    let last = after.checked_sub(1).and_then(|n| known.get(n).copied()).unwrap_or(next);
    let part = if next.0 > last.0 { (i - last.0) as f32 / (next.0 - last.0) as f32 } else { 1.0 };
    let time = ((next.1 - last.1) as f32).mul_add(part, last.1 as f32);
    if to > from { ((time - from as f32) / (to - from) as f32).clamp(0.0, 1.0) } else { 0.0 }
}
