//! Things by place, in square cells: found by looking into the few cells around a point. It is built once
//! and holds nothing for empty country.

use rustc_hash::FxHashMap;
use transit_model::plane::Xy;

/// The side of a cell, metres: a look around a vehicle meets four of them at most.
const CELL: f32 = 128.0;
/// What rounding may do to a place, metres.
pub(super) const SLACK: f32 = 1.0;

type Cell = (i32, i32);

/// Things by place.
#[derive(Debug)]
pub(super) struct Grid<T> {
    cells: FxHashMap<Cell, (u32, u32)>,
    items: Box<[T]>,
}

/// A grid that is being filled.
#[derive(Debug)]
pub(super) struct Filling<T> {
    cells: FxHashMap<Cell, Vec<T>>,
}

fn cell_of(p: Xy) -> Cell {
    ((p.x / CELL).floor() as i32, (p.y / CELL).floor() as i32)
}

/// The cells of a box around two points.
fn cells_of(a: Xy, b: Xy, margin: f32) -> impl Iterator<Item = Cell> {
    let low = cell_of(Xy { x: a.x.min(b.x) - margin, y: a.y.min(b.y) - margin });
    let high = cell_of(Xy { x: a.x.max(b.x) + margin, y: a.y.max(b.y) + margin });
    (low.1..=high.1).flat_map(move |y| (low.0..=high.0).map(move |x| (x, y)))
}

impl<T> Filling<T> {
    pub(super) fn new() -> Self {
        Self { cells: FxHashMap::default() }
    }

    /// Every cell that a straight line comes through or close to; `put` is given what each holds.
    pub(super) fn along(&mut self, a: Xy, b: Xy, mut put: impl FnMut(&mut Vec<T>)) {
        // A long line lies askew in its box: it is filled in by pieces no longer than a cell.
        let pieces = (a.distance(b) / CELL).ceil().clamp(1.0, 1e6) as u32;
        let mut from = a;
        for n in 1..=pieces {
            let to = if n == pieces { b } else { a.towards(b, n as f32 / pieces as f32) };
            for cell in cells_of(from, to, SLACK) {
                put(self.cells.entry(cell).or_default());
            }
            from = to;
        }
    }

    pub(super) fn finish(self) -> Grid<T> {
        let mut items = Vec::with_capacity(self.cells.values().map(Vec::len).sum());
        let mut cells: Vec<(Cell, Vec<T>)> = self.cells.into_iter().collect();
        // Neighbours lie near each other in memory.
        cells.sort_unstable_by_key(|(cell, _)| *cell);
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let place = |(cell, held): (Cell, Vec<T>)| {
            let from = at(items.len());
            items.extend(held);
            (cell, (from, at(items.len())))
        };
        let cells = cells.into_iter().map(place).collect();
        Grid { cells, items: items.into() }
    }
}

impl<T> Grid<T> {
    /// What each of the cells within so many metres of a point holds; what lies in several comes several times.
    pub(super) fn around(&self, p: Xy, within: f32) -> impl Iterator<Item = &[T]> {
        let held = |cell| self.cells.get(&cell).and_then(|(from, to)| self.items.get(*from as usize..*to as usize));
        cells_of(p, p, within + SLACK).filter_map(held)
    }
}
