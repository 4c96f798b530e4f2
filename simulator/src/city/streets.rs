//! The demo city's plan, laid.

use transit_model::plane::{Plane, Xy};

use super::map::{JUNCTIONS, ORIGIN, Point, STREETS};
use crate::streets::{Street, Streets, smooth};

/// Lays every street of the plan.
pub(crate) fn lay() -> Streets<'static> {
    let streets = STREETS.iter().map(|s| {
        let ends = [s.from, s.to].map(at);
        let line = drawn(std::iter::once(ends[0]).chain(s.bends.iter().copied()).chain([ends[1]]));
        let (from, to) = (number(s.from), number(s.to));
        Street { ends: (from, to), name: s.name, line, places: s.places.to_vec() }
    });
    Streets::lay(Plane::around(ORIGIN.0, ORIGIN.1), streets)
}

/// The junctions of these names, by number.
pub(crate) fn numbers(keys: &[&str]) -> Vec<usize> {
    keys.iter().map(|k| number(k)).collect()
}

/// A line drawn by hand, without its corners.
pub(crate) fn drawn(points: impl Iterator<Item = Point>) -> transit_model::plane::Polyline {
    smooth(points.map(|(x, y)| Xy { x, y }), 2)
}

/// A name that is on no plan gets a number that no street has.
fn number(key: &str) -> usize {
    JUNCTIONS.iter().position(|j| j.key == key).unwrap_or(usize::MAX)
}

fn at(key: &str) -> Point {
    JUNCTIONS.iter().find(|j| j.key == key).map_or((0.0, 0.0), |j| j.at)
}
