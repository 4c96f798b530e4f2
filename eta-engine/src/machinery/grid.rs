//! Lines by place: which stretches of which lines pass near a point, in one look-up.

use rustc_hash::FxHashMap;
use transit_model::plane::{Polyline, Xy};

/// How far from a line it is still found, metres.
pub const REACH: f32 = 25.0;
/// The side of a square, metres.
const SQUARE: f32 = 64.0;
/// Lines are cut into stretches of this length, metres.
const STRETCH: f32 = 40.0;

/// A stretch of a line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stretch {
    /// Which line.
    pub line: u32,
    /// Metres along it at the start…
    pub from: f32,
    /// …and at the end.
    pub to: f32,
}

/// Lines by place.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    squares: FxHashMap<(i32, i32), (u32, u32)>,
    stretches: Vec<Stretch>,
}

#[expect(clippy::cast_possible_truncation, reason = "metres of a city")]
fn square(v: f32) -> i32 {
    (v / SQUARE).floor() as i32
}

impl Grid {
    /// Puts lines in, numbered in their order.
    #[must_use]
    pub fn of<'a>(lines: impl Iterator<Item = &'a Polyline>) -> Self {
        let mut all: Vec<((i32, i32), u32, u32)> = Vec::new();
        let mut lengths = Vec::new();
        for (n, line) in (0u32..).zip(lines) {
            lengths.push(line.length());
            for (k, from) in starts(line.length()) {
                // No point of the stretch is farther from its middle than half of it.
                let middle = line.point_at(from + STRETCH / 2.0);
                let far = STRETCH / 2.0 + REACH;
                for x in square(middle.x - far)..=square(middle.x + far) {
                    for y in square(middle.y - far)..=square(middle.y + far) {
                        all.push(((x, y), n, k));
                    }
                }
            }
        }
        all.sort_unstable();
        let mut grid = Self::default();
        for (at, line, k) in all {
            let from = k as f32 * STRETCH;
            let to = (from + STRETCH).min(lengths.get(line as usize).copied().unwrap_or(from));
            let n = u32::try_from(grid.stretches.len()).unwrap_or(u32::MAX);
            grid.stretches.push(Stretch { line, from, to });
            grid.squares.entry(at).or_insert((n, n)).1 = n + 1;
        }
        grid
    }

    /// The stretches that may pass within [`REACH`] of a point, by line and along it.
    pub fn near(&self, at: Xy) -> impl Iterator<Item = Stretch> + '_ {
        let (from, to) = self.squares.get(&(square(at.x), square(at.y))).copied().unwrap_or_default();
        self.stretches.get(from as usize..to as usize).unwrap_or_default().iter().copied()
    }
}

fn starts(length: f32) -> impl Iterator<Item = (u32, f32)> {
    (0u32..).map(|k| (k, k as f32 * STRETCH)).take_while(move |(k, from)| *k == 0 || *from < length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_within_reach_is_found(
            points in prop::collection::vec((-400.0f32..400.0, -400.0f32..400.0), 2..6),
            x in -450.0f32..450.0, y in -450.0f32..450.0,
        ) {
            let line = Polyline::new(points.into_iter().map(|(x, y)| Xy { x, y }));
            let at = Xy { x, y };
            let grid = Grid::of([&line, &Polyline::new([Xy { x: 9e3, y: 0.0 }, Xy { x: 9e3, y: 50.0 }])].into_iter());
            let nearest = line.project(at).unwrap();
            let found = grid.near(at).filter_map(|s| (s.line == 0).then(|| line.project_between(at, s.from, s.to)).flatten());
            let best = found.map(|p| p.off).fold(f32::INFINITY, f32::min);
            if nearest.off <= REACH {
                prop_assert!((best - nearest.off).abs() < 0.05, "{best} {}", nearest.off);
            }
            prop_assert!(grid.near(at).all(|s| s.line == 0));
        }
    }
}
