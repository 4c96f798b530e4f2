//! Stops brought onto the shape of their trips, once per pattern: each to one place, never back
//! along the trip, right on loops, on shapes that cross themselves, and on streets run there and back.
//!
//! Dynamic programming over (stop, segment): the cheapest way to put the first stops onto the line
//! with the last of them on this segment. It is exact up to one thing: two stops in the wrong order
//! on one straight segment are put at one place rather than weighed against each other.

use crate::plane::{Polyline, Projected, Xy};

/// A stop farther than this from its shape is reported.
pub(super) const FAR: f32 = 150.0;
/// Up to here an offset costs its square, beyond only in proportion, so that one stop with a wrong
/// position does not pull its neighbours off theirs.
const SQUARE_UP_TO: f32 = 100.0;
/// What it costs to lie `d` metres of line away from where the timetable expects it is
/// `HINT_WEIGHT * d²`, at most [`HINT_MOST`]: enough to choose between two passages that are
/// equally near, never enough to leave a passage that is clearly nearer.
const HINT_WEIGHT: f32 = 1e-4;
const HINT_MOST: f32 = 100.0;
/// Beyond so many (stop, segment) pairs a projection is no longer worth its memory (8 bytes each).
const MOST_PAIRS: usize = 4_000_000;

/// A stop to be projected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Where it is.
    pub(super) at: Xy,
    /// Where along the line the timetable expects it, 0..=1 of the line's length.
    pub(super) share: f32,
}

#[derive(Clone, Copy)]
struct State {
    along: f32,
    /// The segment of the stop before.
    from: u32,
}

/// The place of each stop; never decreasing. `None` for a line of fewer than two points, and for
/// one too big to work on.
pub(super) fn project(line: &Polyline, stops: &[Wanted]) -> Option<Vec<Projected>> {
    let segments = line.points().len().checked_sub(1).filter(|n| *n > 0)?;
    if segments.saturating_mul(stops.len()) > MOST_PAIRS {
        return None;
    }
    let mut states: Vec<State> = Vec::with_capacity(segments * stops.len());
    let mut costs: Vec<f32> = vec![0.0; segments];
    let mut before: Vec<State> = Vec::new();
    for (n, stop) in stops.iter().enumerate() {
        let expected = stop.share * line.length();
        // The cheapest segment of the stop before, up to and including this one.
        let mut cheapest = (f32::INFINITY, 0u32);
        let mut row = Vec::with_capacity(segments);
        for ((segment, a, b, along), cost) in line.segments().zip(costs.iter_mut()) {
            let free = on_segment(stop.at, a, b, along, f32::NEG_INFINITY, expected);
            let (through, from, place) = if n == 0 {
                (free.1, segment, free)
            } else {
                // Onto the same segment it may not go back; from an earlier one it is free.
                let floor = before.get(segment as usize).map_or(0.0, |s| s.along);
                let same = on_segment(stop.at, a, b, along, floor, expected);
                let (stay, come) = (*cost + same.1, cheapest.0 + free.1);
                let was = *cost;
                let chosen = if come <= stay { (come, cheapest.1, free) } else { (stay, segment, same) };
                if was < cheapest.0 {
                    cheapest = (was, segment);
                }
                chosen
            };
            *cost = through;
            row.push(State { along: place.0, from });
        }
        states.extend_from_slice(&row);
        before = row;
    }
    let mut segment = (0u32..).zip(&costs).min_by(|a, b| a.1.total_cmp(b.1))?.0;
    let mut places = Vec::with_capacity(stops.len());
    for (row, stop) in states.chunks_exact(segments).zip(stops).rev() {
        let state = row.get(segment as usize)?;
        places.push(Projected { along: state.along, off: stop.at.distance(line.point_at(state.along)), segment });
        segment = state.from;
    }
    places.reverse();
    Some(places)
}

/// The place on a segment at or after `floor` (metres along the line), and what it costs.
fn on_segment(p: Xy, a: Xy, b: Xy, along: f32, floor: f32, expected: f32) -> (f32, f32) {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx.hypot(dy).max(1e-6);
    let t = ((p.x - a.x).mul_add(dx, (p.y - a.y) * dy) / (length * length)).clamp(0.0, 1.0);
    let t = t.max((floor - along) / length).min(1.0);
    let off = p.distance(a.towards(b, t));
    let at = t.mul_add(length, along).max(floor);
    let away = at - expected;
    let geometry =
        if off <= SQUARE_UP_TO { off * off } else { SQUARE_UP_TO.mul_add(2.0 * off, -SQUARE_UP_TO * SQUARE_UP_TO) };
    (at, geometry + (HINT_WEIGHT * away * away).min(HINT_MOST))
}

/// How well a line serves its stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// Every stop, or all but a few, lie on it.
    Good,
    /// A quarter of the stops or more lie off it.
    Bad,
}

/// Judges a projection.
pub(super) fn fit(places: &[Projected]) -> Fit {
    let far = places.iter().filter(|p| p.off > FAR).count();
    if far > 1 && far * 4 >= places.len() || far > 0 && places.len() < 4 { Fit::Bad } else { Fit::Good }
}
