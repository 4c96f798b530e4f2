//! Ways that no feed knows: between trips, to a stop where another vehicle broke down, and round a
//! closed street.

use std::sync::Arc;

use transit_model::dispatch::Phase;
use transit_model::plane::{Polyline, Xy};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::run::Knot;
use super::vehicle::{Leg, Path, point};

/// How fast a vehicle moves without passengers when it has time, and when it has none, m/s.
const EMPTY: (f32, f32) = (7.0, 16.0);
/// It stands so long before it moves on to where its next trip starts, milliseconds.
const SETTLE: i64 = 20_000;
/// A way round has a point every so many metres of the line it leaves.
const STEP: f32 = 60.0;

/// Where a vehicle came to stand, and since when.
#[derive(Clone, Debug)]
pub(super) struct Stood {
    pub(super) path: Path,
    pub(super) along: f32,
    pub(super) since: UnixMs,
}

/// Moves a vehicle to where its next trip starts, due at that time; gives when it is there. It goes
/// straight: no feed says which way vehicles take without passengers.
pub(super) fn move_on(tt: &Timetable, stood: Stood, to: Xy, due: UnixMs, legs: &mut Vec<Leg>) -> UnixMs {
    let line = Polyline::new([point(tt, &stood.path, stood.along), to]);
    let length = line.length();
    if length <= 0.5 {
        return stood.since;
    }
    let moves = UnixMs(stood.since.0 + SETTLE);
    let there = UnixMs(moves.0 + UnixMs::from_secs_f64(empty_run(length, due, moves)).0);
    legs.push(Leg::stand(stood.path, stood.along, stood.since, moves, Phase::Layover));
    let phase = if length > 100.0 { Phase::Deadhead } else { Phase::Layover };
    legs.push(Leg::straight(line, moves, there, phase));
    there
}

/// How long a run without passengers takes that is due at a time, seconds.
pub(super) fn empty_run(metres: f32, due: UnixMs, from: UnixMs) -> f64 {
    let (calm, pressed) = (f64::from(metres / EMPTY.0), f64::from(metres / EMPTY.1));
    calm.min(UnixMs(due.0 - from.0).secs_f64()).max(pressed).max(4.0)
}

/// A way round a closed piece of a line: from the same point to the same point, so far off between.
/// The side is left of the line for a positive distance.
pub(super) fn round(line: &Polyline, from: f32, to: f32, away: f32) -> Arc<Polyline> {
    let length = (to - from).max(1.0);
    // It leads off within a quarter of the way, and back within the last.
    let ramp = (length / 4.0).max(1.0);
    let steps = (1..).map(|n| n as f32 * STEP).take_while(|s| *s < length - STEP / 2.0);
    let off = |s: f32| {
        let (p, share) = (line.point_at(from + s), (s / ramp).min((length - s) / ramp).min(1.0));
        let left = (line.heading_at(from + s).unwrap_or(0.0) - 90.0).to_radians();
        Xy { x: (away * share).mul_add(left.sin(), p.x), y: (away * share).mul_add(left.cos(), p.y) }
    };
    // A piece too short for a step is left by its middle.
    let middle = (length <= STEP * 1.5).then(|| off(length / 2.0));
    let points = [line.point_at(from)].into_iter().chain(middle).chain(steps.map(off)).chain([line.point_at(to)]);
    Arc::new(Polyline::new(points))
}

impl Leg {
    /// Even motion along a line of its own.
    pub(super) fn straight(line: Polyline, from: UnixMs, to: UnixMs, phase: Phase) -> Self {
        let knots = vec![Knot { at: from, along: 0.0 }, Knot { at: to, along: line.length() }];
        Self { phase, trip: None, path: Path::Line(Arc::new(line)), knots, calls: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_round_begins_and_ends_on_the_line_and_leads_off_it_between() {
        let line = Polyline::new([Xy { x: 0.0, y: 0.0 }, Xy { x: 0.0, y: 2000.0 }]);
        for (from, to) in [(200.0, 1400.0), (200.0, 280.0)] {
            let way = round(&line, from, to, 250.0);
            let (first, last) = (way.points()[0], *way.points().last().unwrap());
            assert_eq!((first, last), (Xy { x: 0.0, y: from }, Xy { x: 0.0, y: to }));
            let far = way.points().iter().map(|p| line.project(*p).unwrap().off).fold(0.0, f32::max);
            assert!((240.0..260.0).contains(&far), "{far}");
            // Left of a line to the north is west.
            assert!(way.points().iter().all(|p| p.x <= 0.01));
        }
    }
}
