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
    // The end of a segment and the start of the next differ by a rounding.
    let mut least = 0.0f32;
    for place in &mut places {
        place.along = place.along.clamp(least, line.length().max(least));
        least = place.along;
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn xy() -> impl Strategy<Value = Xy> {
        (-2000.0f32..2000.0, -2000.0f32..2000.0).prop_map(|(x, y)| Xy { x, y })
    }

    fn line() -> impl Strategy<Value = Polyline> {
        prop::collection::vec(xy(), 2..20).prop_map(Polyline::new)
    }

    fn cost(line: &Polyline, along: f32, stop: Wanted) -> f32 {
        let i = line.segment_at(along);
        let (a, b) = (line.points()[i], line.points()[(i + 1).min(line.points().len() - 1)]);
        let at = line.point_at(along);
        let off = stop.at.distance(at);
        let whole = on_segment(stop.at, a, b, line.cumulative()[i], along, stop.share * line.length());
        // The segment's nearest place at or after `along` costs no more than `along` itself.
        if off <= SQUARE_UP_TO { whole.1.max(off * off) } else { whole.1 }
    }

    proptest! {
        /// Whatever the shape and the stops, places never go back and never leave the line.
        #[test]
        fn places_are_in_order_and_on_the_line(line in line(), stops in prop::collection::vec((xy(), 0.0f32..=1.0), 1..12)) {
            prop_assume!(line.points().len() > 1);
            let wanted: Vec<Wanted> = stops.into_iter().map(|(at, share)| Wanted { at, share }).collect();
            let places = project(&line, &wanted).unwrap();
            prop_assert_eq!(places.len(), wanted.len());
            prop_assert!(places.is_sorted_by(|a, b| a.along <= b.along), "{:?}", places);
            for (place, stop) in places.iter().zip(&wanted) {
                prop_assert!(place.along >= 0.0 && place.along <= line.length() + 0.01);
                let off = line.point_at(place.along).distance(stop.at);
                prop_assert!((off - place.off).abs() < 0.01);
            }
        }

        /// Stops that stand beside the line in the order of the trip are found where they stand, or
        /// at places that explain them better still.
        #[test]
        fn stops_along_the_line_are_found(
            line in line(),
            mut shares in prop::collection::vec(0.0f32..=1.0, 2..12),
            noise in prop::collection::vec((-10.0f32..10.0, -10.0f32..10.0), 12),
        ) {
            prop_assume!(line.length() > 100.0);
            // Nearer to each other than the noise, two stops may change places.
            shares.sort_by(f32::total_cmp);
            shares.dedup_by(|b, a| (*b - *a) * line.length() < 30.0);
            let wanted: Vec<Wanted> = shares.iter().zip(&noise).map(|(share, (dx, dy))| {
                let p = line.point_at(share * line.length());
                Wanted { at: Xy { x: p.x + dx, y: p.y + dy }, share: *share }
            }).collect();
            let places = project(&line, &wanted).unwrap();
            let found: f32 = places.iter().map(|p| p.off * p.off).sum();
            let truth: f32 = wanted.iter().map(|w| cost(&line, w.share * line.length(), *w)).sum();
            prop_assert!(found <= truth * 1.01 + 1.0, "found {found}, truth {truth}");
            prop_assert_eq!(fit(&places), Fit::Good);
        }
    }

    #[test]
    fn a_line_of_one_point_and_one_too_long_are_refused() {
        let stop = Wanted { at: Xy::default(), share: 0.0 };
        assert_eq!(project(&Polyline::new([Xy::default()]), &[stop]), None);
        let long = Polyline::new((0..40_000u16).map(|x| Xy { x: f32::from(x), y: 0.0 }));
        assert!(project(&long, &[stop; 100]).is_some());
        assert_eq!(project(&long, &[stop; 101]), None);
    }

    #[test]
    fn a_few_far_stops_are_the_stops_fault_many_are_the_shapes() {
        let at = |off: f32| Projected { along: 0.0, off, segment: 0 };
        let judge = |offs: &[f32]| fit(&offs.iter().map(|o| at(*o)).collect::<Vec<_>>());
        assert_eq!(judge(&[0.0, 10.0, 400.0, 10.0, 0.0]), Fit::Good);
        assert_eq!(judge(&[0.0, 400.0, 400.0, 10.0, 0.0]), Fit::Bad);
        assert_eq!(judge(&[0.0, 400.0]), Fit::Bad);
    }
}
