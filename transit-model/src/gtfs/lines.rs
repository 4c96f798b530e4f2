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

/// A shape that ends this near to the first or last stops is led on to them; a stop farther off is
/// more likely at a wrong position.
const LED_ON: f32 = 1_500.0;

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

/// Finds the line of every pattern.
pub(super) struct Surveyor<'a> {
    trips: &'a Trips,
    stops: &'a Stops,
    drawn: &'a Shapes,
    drafts: &'a Drafts,
    shapes: IdxVec<ShapeIdx, Polyline>,
    made: FxHashMap<Made, ShapeIdx>,
}

impl<'a> Surveyor<'a> {
    pub(super) fn new(trips: &'a Trips, stops: &'a Stops, drawn: &'a Shapes, drafts: &'a Drafts) -> Self {
        Self { trips, stops, drawn, drafts, shapes: IdxVec::new(), made: FxHashMap::default() }
    }

    /// The line of every pattern, in their order.
    pub(super) fn survey(mut self, report: &mut Report) -> Lines {
        let mut of_pattern = Vec::with_capacity(self.drafts.patterns.len());
        let mut without = 0usize;
        for draft in &self.drafts.patterns {
            without += usize::from(draft.shape.is_none());
            let line = draft.shape.and_then(|shape| self.along_shape(draft, shape, report));
            of_pattern.push(line.unwrap_or_else(|| self.through_stops(draft)));
        }
        if without > 0 {
            let detail = format!("{without} of {} patterns", self.drafts.patterns.len());
            report.add(Finding::new(Fault::NoShape, TRIPS, Action::LineThroughStops).detail(detail));
        }
        Lines { shapes: self.shapes, of_pattern }
    }

    /// The pattern along its own shape; `None` where that does not serve it.
    fn along_shape(&mut self, draft: &Draft, shape: u32, report: &mut Report) -> Option<(ShapeIdx, Vec<f32>)> {
        let at = self.drawn_shape(draft, shape, report)?;
        let wanted = self.wanted(draft);
        let line = self.shapes.at(at);
        let Some(places) = project(line, &wanted) else {
            let detail = format!("{} points, {} stops", line.points().len(), wanted.len());
            report.add(self.about(draft, Fault::BigShape, Action::LineThroughStops).detail(detail));
            return None;
        };
        if fit(&places) == Fit::Good {
            return Some(self.led_on(draft, at, &places, report));
        }
        let back = Polyline::new(line.points().iter().rev().copied());
        if let Some(places) = project(&back, &wanted).filter(|places| fit(places) == Fit::Good) {
            report.add(self.about(draft, Fault::ShapeBackwards, Action::ShapeReversed));
            let at = self.keep(Made::Reversed(shape), back);
            return Some(self.led_on(draft, at, &places, report));
        }
        let far = places.iter().filter(|p| p.off > FAR).count();
        let detail = format!("{far} of {} stops lie more than {FAR} m away", places.len());
        report.add(self.about(draft, Fault::ShapeMisses, Action::LineThroughStops).detail(detail));
        None
    }

    fn drawn_shape(&mut self, draft: &Draft, shape: u32, report: &mut Report) -> Option<ShapeIdx> {
        if let Some(at) = self.made.get(&Made::Drawn(shape)) {
            return Some(*at);
        }
        let id = self.trips.shapes.get(shape as usize)?;
        match self.drawn.line(id, &self.stops.plane) {
            Some(line) => Some(self.keep(Made::Drawn(shape), line)),
            None => {
                // A shape of one point is reported where it stands.
                if !self.drawn.has(id) {
                    report.add(self.about(draft, Fault::UnknownShape, Action::LineThroughStops));
                }
                None
            }
        }
    }

    fn keep(&mut self, made: Made, line: Polyline) -> ShapeIdx {
        let shapes = &mut self.shapes;
        *self.made.entry(made).or_insert_with(|| shapes.push(line))
    }

    /// A line that was found good, with the stops that lie far from it reported. Where the shape
    /// does not reach the first or the last stops, the line is led on to them.
    fn led_on(
        &mut self,
        draft: &Draft,
        shape: ShapeIdx,
        places: &[Projected],
        report: &mut Report,
    ) -> (ShapeIdx, Vec<f32>) {
        let along: Vec<f32> = places.iter().map(|p| p.along).collect();
        let near = |p: &Projected| p.off <= FAR;
        let (Some(first), Some(last)) = (places.iter().position(near), places.iter().rposition(near)) else {
            return (shape, along);
        };
        let (before, after) = (places.get(..first).unwrap_or(&[]), places.get(last + 1..).unwrap_or(&[]));
        let extend = !(before.is_empty() && after.is_empty()) && before.iter().chain(after).all(|p| p.off <= LED_ON);
        for (i, ((call, line), place)) in draft.calls.iter().zip(&draft.lines).zip(places).enumerate() {
            if !near(place) {
                let inside = first < i && i < last;
                let action = if extend && !inside { Action::LineExtended } else { Action::Kept };
                let stop = self.stops.items.get(call.stop.at()).map_or("", |s| &s.id);
                let finding = Finding::new(Fault::StopFarFromShape, STOP_TIMES, action).line(*line);
                let detail = format!("{:.0} m from shape {}", place.off, self.shape_id(draft));
                report.add(finding.value("stop_id", stop).detail(detail));
            }
        }
        if !extend {
            return (shape, along);
        }
        let (from, to) = (along.get(first).copied().unwrap_or(0.0), along.get(last).copied().unwrap_or(0.0));
        let stops: Vec<Xy> = draft.calls.iter().map(|c| self.xy(c.stop)).collect();
        let line = self.shapes.at(shape);
        let head: Vec<Xy> = stops.iter().take(first).copied().chain([line.point_at(from)]).collect();
        let lead = Polyline::new(head.iter().copied());
        let inner =
            line.points().iter().zip(line.cumulative()).filter(|(_, c)| from < **c && **c < to).map(|(p, _)| *p);
        let tail: Vec<Xy> = [line.point_at(to)].into_iter().chain(stops.iter().skip(last + 1).copied()).collect();
        let whole = Polyline::new(head.iter().copied().chain(inner).chain(tail.iter().copied()));
        let follow = Polyline::new(tail);
        let end_of_shape = lead.length() + to - from;
        let along = along
            .iter()
            .enumerate()
            .map(|(i, at)| match i {
                _ if i < first => lead.cumulative().get(i).copied().unwrap_or(0.0),
                _ if i <= last => at - from + lead.length(),
                _ => end_of_shape + follow.cumulative().get(i - last).copied().unwrap_or(follow.length()),
            })
            .map(|at| at.clamp(0.0, whole.length()))
            .collect();
        (self.shapes.push(whole), along)
    }

    /// A line from stop to stop. Consecutive calls at one place share a point.
    fn through_stops(&mut self, draft: &Draft) -> (ShapeIdx, Vec<f32>) {
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
        let through = Made::Through(draft.calls.iter().map(|c| c.stop).collect());
        (self.keep(through, line), along)
    }

    /// The stops of a pattern, with their share of the way by the first trip's times.
    fn wanted(&self, draft: &Draft) -> Vec<Wanted> {
        let own = self.drafts.times.iter().skip(draft.first_call).take(draft.calls.len());
        let known: Vec<(usize, i32)> =
            own.enumerate().filter(|(_, t)| t.arrival != NO_TIME).map(|(i, t)| (i, t.arrival.0)).collect();
        let calls = draft.calls.iter().enumerate();
        calls.map(|(i, call)| Wanted { at: self.xy(call.stop), share: share_at(&known, i) }).collect()
    }

    fn xy(&self, stop: StopIdx) -> Xy {
        self.stops.items.get(stop.at()).map(|s| s.xy).unwrap_or_default()
    }

    fn shape_id(&self, draft: &Draft) -> &'a str {
        draft.shape.and_then(|s| self.trips.shapes.get(s as usize)).map_or("", |s| s)
    }

    fn about(&self, draft: &Draft, what: Fault, action: Action) -> Finding {
        let line = self.trips.items.get(draft.first_trip).map_or(0, |t| t.line);
        Finding::new(what, TRIPS, action).line(line).value("shape_id", self.shape_id(draft))
    }
}

/// Where call `i` lies between the first and the last known time, 0..=1. Between two times the calls
/// are spread evenly: it is a hint, no more.
#[expect(clippy::cast_precision_loss, reason = "a share of a day's seconds")]
fn share_at(known: &[(usize, i32)], i: usize) -> f32 {
    let (Some((_, from)), Some((_, to))) = (known.first().copied(), known.last().copied()) else { return 0.0 };
    let after = known.partition_point(|(at, _)| *at < i);
    let next = known.get(after).copied().unwrap_or((i, to));
    let last = after.checked_sub(1).and_then(|n| known.get(n).copied()).unwrap_or(next);
    let part = if next.0 > last.0 { (i - last.0) as f32 / (next.0 - last.0) as f32 } else { 1.0 };
    let since = (last.1 - from) as f32 + part * (next.1 - last.1) as f32;
    if to > from { (since / (to - from) as f32).clamp(0.0, 1.0) } else { 0.0 }
}
