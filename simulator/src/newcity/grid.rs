//! The street grid: rows and columns of uneven distance, avenues among them, diagonals out of the
//! centre, and the bridges over the river.
//!
//! What is here is where one can drive. Names come later, and only streets that a line uses get
//! stops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rand_chacha::ChaCha8Rng;
use transit_model::plane::{Polyline, Xy};

use super::terrain::Terrain;
use super::{Part, draw, part};
use crate::streets::smooth;

/// Between two rows or columns in the centre, metres; towards the edge they lie up to a third wider.
const SPACING: (f32, f32) = (390.0, 540.0);
/// A bridge with its ramps is not longer, metres.
const BRIDGE_MOST: f32 = 1500.0;
/// A street changes its name after so many metres: avenues, other streets.
const NAMED_MOST: (f32, f32) = (12_000.0, 6000.0);

/// A place where streets meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// In the city's frame.
    pub(crate) at: Xy,
    /// 0 in the centre, 1 at the edge of the city.
    pub(crate) out: f32,
}

/// A street between two junctions.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The junctions.
    pub(crate) ends: (usize, usize),
    /// Its middle on the map, from the first junction to the second.
    pub(crate) line: Polyline,
    /// Wide and fast.
    pub(crate) avenue: bool,
    /// Over the river.
    pub(crate) bridge: bool,
    /// Which street it is a part of.
    pub(crate) street: usize,
}

impl Edge {
    /// The other end.
    pub(crate) const fn other(&self, node: usize) -> usize {
        if self.ends.0 == node { self.ends.1 } else { self.ends.0 }
    }

    /// What driving it costs a planner: metres, a third more where the street is narrow.
    pub(crate) fn cost(&self) -> f32 {
        self.line.length() * if self.avenue { 1.0 } else { 1.35 }
    }
}

/// The streets, all in one piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// Junctions; the first is the square in the middle.
    pub(crate) nodes: Vec<Node>,
    /// Streets between them.
    pub(crate) edges: Vec<Edge>,
    /// Which of the streets with a name are avenues, by number.
    pub(crate) streets: Vec<bool>,
    /// Edges by node.
    around: Vec<Vec<usize>>,
}

/// The square in the middle.
pub(crate) const CENTRE: usize = 0;

impl Grid {
    /// Grows the streets on the land.
    pub(crate) fn grow(terrain: &Terrain, seed: u64) -> Self {
        let rng = &mut part(seed, Part::Streets, 0);
        Draft::new(terrain, rng).finish(terrain, rng)
    }

    /// Where a junction is; the centre for a number that is none.
    pub(crate) fn at(&self, node: usize) -> Xy {
        self.nodes.get(node).map_or_else(Xy::default, |n| n.at)
    }

    /// How far out a junction lies.
    pub(crate) fn out(&self, node: usize) -> f32 {
        self.nodes.get(node).map_or(0.0, |n| n.out)
    }

    /// The edges that end at a junction, by number.
    pub(crate) fn around(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.around.get(node).into_iter().flatten().filter_map(|e| Some((*e, self.edges.get(*e)?)))
    }

    /// The edge between two junctions.
    pub(crate) fn between(&self, a: usize, b: usize) -> Option<usize> {
        self.around(a).find(|(_, e)| e.other(a) == b).map(|(n, _)| n)
    }

    /// The edges along junctions.
    pub(crate) fn along<'a>(&'a self, nodes: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        nodes.iter().zip(nodes.iter().skip(1)).filter_map(|(a, b)| self.between(*a, *b))
    }

    /// Metres along junctions.
    pub(crate) fn length(&self, nodes: &[usize]) -> f32 {
        self.along(nodes).filter_map(|e| self.edges.get(e)).map(|e| e.line.length()).sum()
    }

    /// The junction nearest to a place, of those that will do.
    pub(crate) fn nearest(&self, p: Xy, will_do: impl Fn(usize) -> bool) -> Option<usize> {
        let some = (0..self.nodes.len()).filter(|n| will_do(*n));
        some.min_by(|a, b| self.at(*a).distance2(p).total_cmp(&self.at(*b).distance2(p)))
    }

    /// The cheapest way, as junctions; `None` where there is none. `cost` gives an edge's, metres.
    pub(crate) fn path(&self, from: usize, to: usize, cost: impl Fn(usize, &Edge) -> f32) -> Option<Vec<usize>> {
        let mut best: Vec<(u64, usize)> = vec![(u64::MAX, usize::MAX); self.nodes.len()];
        *best.get_mut(from)? = (0, from);
        let mut open = BinaryHeap::from([(Reverse(0), from)]);
        while let Some((Reverse(spent), node)) = open.pop() {
            if node == to {
                break;
            }
            if best.get(node).is_none_or(|b| spent > b.0) {
                continue;
            }
            for (n, edge) in self.around(node) {
                // Whole millimetres, so that the order never hangs on a rounding.
                let next = spent + (cost(n, edge).max(0.0) * 1000.0) as u64 + 1;
                let other = edge.other(node);
                if let Some(b) = best.get_mut(other).filter(|b| next < b.0) {
                    *b = (next, node);
                    open.push((Reverse(next), other));
                }
            }
        }
        let mut path = vec![to];
        let mut node = to;
        while node != from {
            node = best.get(node).map(|b| b.1).filter(|n| *n < self.nodes.len())?;
            path.push(node);
        }
        path.reverse();
        Some(path)
    }
}

/// Column and row.
type Cell = (i32, i32);

/// Two junctions to be joined.
struct Joint {
    ends: (Cell, Cell),
    avenue: bool,
    bridge: bool,
    street: usize,
}

struct Draft {
    nodes: BTreeMap<Cell, Xy>,
    /// Whether the column, and whether the row of this number is an avenue.
    avenues: [BTreeMap<i32, bool>; 2],
    joints: Vec<Joint>,
    streets: Vec<bool>,
}

impl Draft {
    fn new(terrain: &Terrain, rng: &mut ChaCha8Rng) -> Self {
        let (columns, rows) = (ticks(terrain.radius * 1.2, rng), ticks(terrain.radius * 1.2, rng));
        let avenues = [avenues(&columns, rng), avenues(&rows, rng)];
        let mut nodes = BTreeMap::new();
        for (c, x) in &columns {
            for (r, y) in &rows {
                let middle = (*c, *r) == (0, 0);
                let off = if middle { 0.0 } else { 38.0 };
                let at = Xy { x: x + draw(rng, -off, off), y: y + draw(rng, -off, off) };
                if middle || (terrain.out(at) < 1.0 && terrain.dry(at)) {
                    nodes.insert((*c, *r), at);
                }
            }
        }
        let mut draft = Self { nodes, avenues, joints: Vec::new(), streets: Vec::new() };
        let (columns, rows): (Vec<i32>, Vec<i32>) = (columns.into_keys().collect(), rows.into_keys().collect());
        for c in &columns {
            draft.street(rows.iter().map(|r| (*c, *r)), draft.is_avenue(0, *c), terrain, rng);
        }
        for r in &rows {
            draft.street(columns.iter().map(|c| (*c, *r)), draft.is_avenue(1, *r), terrain, rng);
        }
        draft.bridges(&columns, &rows, terrain);
        draft.diagonals(terrain, rng);
        draft
    }

    fn is_avenue(&self, axis: usize, n: i32) -> bool {
        self.avenues.get(axis).and_then(|a| a.get(&n)).copied().unwrap_or(false)
    }

    /// Joins the junctions along a row or a column, leaving out some streets that never were built.
    /// A gap, the river or a long way begins another street.
    fn street(&mut self, cells: impl Iterator<Item = Cell>, avenue: bool, terrain: &Terrain, rng: &mut ChaCha8Rng) {
        let most = if avenue { NAMED_MOST.0 } else { NAMED_MOST.1 };
        let mut before: Option<(Cell, Xy)> = None;
        let mut length = f32::INFINITY;
        for cell in cells {
            let Some(at) = self.nodes.get(&cell).copied() else {
                (before, length) = (None, f32::INFINITY);
                continue;
            };
            if let Some((from, was)) = before.replace((cell, at)) {
                let missing = !avenue && draw(rng, 0.0, 1.0) < 0.1 + 0.1 * terrain.out(at);
                if missing || terrain.parts(was, at) {
                    length = f32::INFINITY;
                    continue;
                }
                if length > most {
                    self.streets.push(avenue);
                    length = 0.0;
                }
                length += was.distance(at);
                self.joints.push(Joint { ends: (from, cell), avenue, bridge: false, street: self.streets.len() - 1 });
            }
        }
    }

    /// The bridges: columns that would go on behind the river, the one nearest to the centre and
    /// others as evenly up and down the river as they can be.
    fn bridges(&mut self, columns: &[i32], rows: &[i32], terrain: &Terrain) {
        let mut possible: Vec<(Cell, Cell, Xy)> = Vec::new();
        for c in columns {
            let built: Vec<(Cell, Xy)> =
                rows.iter().filter_map(|r| Some(((*c, *r), *self.nodes.get(&(*c, *r))?))).collect();
            let pairs = built.iter().zip(built.iter().skip(1));
            let over = pairs.filter(|(a, b)| terrain.parts(a.1, b.1) && a.1.distance(b.1) < BRIDGE_MOST);
            possible.extend(over.map(|(a, b)| (a.0, b.0, a.1.towards(b.1, 0.5))));
        }
        let mut built: Vec<Xy> = Vec::new();
        for _ in 0..terrain.bridges {
            // Far from every other bridge, near to the centre.
            let worth = |p: Xy| {
                let apart = built.iter().map(|b| b.distance(p)).fold(terrain.radius, f32::min);
                apart - 0.4 * p.x.abs()
            };
            let best = (0..possible.len()).max_by(|a, b| {
                let of = |n: &usize| possible.get(*n).map_or(f32::MIN, |(_, _, p)| worth(*p));
                of(a).total_cmp(&of(b))
            });
            let Some(best) = best else { break };
            let (from, to, at) = possible.swap_remove(best);
            if built.iter().any(|b| b.distance(at) < 600.0) {
                continue;
            }
            built.push(at);
            self.streets.push(true);
            self.joints.push(Joint { ends: (from, to), avenue: true, bridge: true, street: self.streets.len() - 1 });
        }
    }

    /// Wide streets out of the centre across the blocks, two to four of them.
    fn diagonals(&mut self, terrain: &Terrain, rng: &mut ChaCha8Rng) {
        for (dx, dy) in [(1, 1), (-1, -1), (1, -1), (-1, 1)] {
            let reach = draw(rng, 0.35, 0.85);
            if draw(rng, 0.0, 1.0) < 0.3 {
                continue;
            }
            let way: Vec<(Cell, Xy)> =
                (0..).map_while(|n| Some(((n * dx, n * dy), *self.nodes.get(&(n * dx, n * dy))?))).collect();
            let way: Vec<_> = way.into_iter().take_while(|(_, at)| terrain.out(*at) < reach).collect();
            let dry = way.iter().zip(way.iter().skip(1)).take_while(|(a, b)| !terrain.parts(a.1, b.1));
            let joints: Vec<(Cell, Cell)> = dry.map(|(a, b)| (a.0, b.0)).collect();
            if joints.len() < 2 {
                continue;
            }
            self.streets.push(true);
            let street = self.streets.len() - 1;
            self.joints.extend(joints.into_iter().map(|ends| Joint { ends, avenue: true, bridge: false, street }));
        }
    }

    /// Keeps what can be reached from the centre, numbers it, and draws it on the map.
    fn finish(self, terrain: &Terrain, rng: &mut ChaCha8Rng) -> Grid {
        let mut next_to: BTreeMap<Cell, Vec<Cell>> = BTreeMap::new();
        for j in &self.joints {
            next_to.entry(j.ends.0).or_default().push(j.ends.1);
            next_to.entry(j.ends.1).or_default().push(j.ends.0);
        }
        let mut numbers: BTreeMap<Cell, usize> = BTreeMap::from([((0, 0), CENTRE)]);
        let mut grid = Grid { streets: self.streets, ..Grid::default() };
        let mut open = vec![(0, 0)];
        while let Some(cell) = open.pop() {
            for other in next_to.get(&cell).into_iter().flatten() {
                if !numbers.contains_key(other) {
                    numbers.insert(*other, numbers.len());
                    open.push(*other);
                }
            }
        }
        let mut nodes = vec![Node { at: Xy::default(), out: 0.0 }; numbers.len()];
        for (cell, n) in &numbers {
            if let (Some(node), Some(at)) = (nodes.get_mut(*n), self.nodes.get(cell)) {
                *node = Node { at: *at, out: terrain.out(*at) };
            }
        }
        grid.nodes = nodes;
        grid.around = vec![Vec::new(); grid.nodes.len()];
        for j in self.joints {
            let (Some(a), Some(b)) = (numbers.get(&j.ends.0).copied(), numbers.get(&j.ends.1).copied()) else {
                continue;
            };
            let line = drawn(terrain, grid.at(a), grid.at(b), j.bridge, rng);
            for node in [a, b] {
                if let Some(around) = grid.around.get_mut(node) {
                    around.push(grid.edges.len());
                }
            }
            grid.edges.push(Edge { ends: (a, b), line, avenue: j.avenue, bridge: j.bridge, street: j.street });
        }
        grid
    }
}

/// The middle of a street: bridges and every third street are straight, others bend a little.
fn drawn(terrain: &Terrain, a: Xy, b: Xy, bridge: bool, rng: &mut ChaCha8Rng) -> Polyline {
    let (off, share) = (draw(rng, -26.0, 26.0), draw(rng, 0.35, 0.65));
    let (a, b) = (terrain.turned(a), terrain.turned(b));
    if bridge || off.abs() < 9.0 {
        return Polyline::new([a, b]);
    }
    let (long, mid) = (a.distance(b).max(1.0), a.towards(b, share));
    let bend = Xy { x: mid.x - (b.y - a.y) / long * off, y: mid.y + (b.x - a.x) / long * off };
    smooth([a, bend, b].into_iter(), 2)
}

/// Where the rows or columns lie: number 0 in the middle, metres from it.
fn ticks(reach: f32, rng: &mut ChaCha8Rng) -> BTreeMap<i32, f32> {
    let mut ticks = BTreeMap::from([(0, 0.0)]);
    for side in [1, -1] {
        let mut at = 0.0f32;
        for n in 1.. {
            at += draw(rng, SPACING.0, SPACING.1) * (1.0 + 0.33 * at / reach);
            if at > reach {
                break;
            }
            ticks.insert(side * n, if side > 0 { at } else { -at });
        }
    }
    ticks
}

/// Which of them are avenues: the middle one, and then every second or third.
fn avenues(ticks: &BTreeMap<i32, f32>, rng: &mut ChaCha8Rng) -> BTreeMap<i32, bool> {
    let mut avenues: BTreeMap<i32, bool> = ticks.keys().map(|n| (*n, *n == 0)).collect();
    for side in [1, -1] {
        let mut at = 0;
        loop {
            at += if draw(rng, 0.0, 1.0) < 0.4 { 2 } else { 3 };
            match avenues.get_mut(&(side * at)) {
                Some(avenue) => *avenue = true,
                None => break,
            }
        }
    }
    avenues
}
