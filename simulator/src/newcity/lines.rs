//! The lines: where they begin, which way they take, where they end.
//!
//! One after another, each for those whom the lines before it serve worst: across the city through
//! the middle, from outside to the middle, round it, and past it. A street that has a line already
//! is cheaper for the next, most of all for one of its own kind (wires, rails, habit), so lines
//! gather in corridors and part at their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use transit_model::plane::Xy;

use super::demand::{Demand, HubKind};
use super::fleet::Sizes;
use super::grid::{CENTRE, Edge, Grid};
use super::order::Kind;
use super::terrain::Terrain;
use super::{Part, draw, part};

/// The shortest line and the longest, metres.
const LENGTHS: (f32, f32) = (2200.0, 23_000.0);
/// A street with so many lines takes no more, if there is another way.
const FULL: usize = 9;
/// How often another line is tried where one comes to nothing.
const TRIES: usize = 14;

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What runs on it.
    pub(crate) kind: Kind,
    /// Its number among its kind, from 1.
    pub(crate) number: usize,
    /// The junctions it passes, there; back it runs the other way. A ring ends where it began.
    pub(crate) nodes: Vec<usize>,
    /// How many want to ride along a stretch of it, against other lines.
    pub(crate) weight: f32,
}

impl Line {
    /// Whether it ends where it began.
    pub(crate) fn is_ring(&self) -> bool {
        self.nodes.first() == self.nodes.last()
    }

    /// `route_id`.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.kind.id(), self.number)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// From edge to edge through the middle.
    Cross,
    /// From the edge to the middle.
    Radial,
    /// From edge to edge past the middle.
    Tangent,
    /// Round the middle.
    Ring,
}

const ROLES: [Role; 9] = {
    use Role::{Cross, Radial, Ring, Tangent};
    [Cross, Radial, Cross, Tangent, Ring, Cross, Radial, Cross, Tangent]
};

/// Lays out every line of the city, kind by kind.
pub(crate) fn plan(terrain: &Terrain, grid: &Grid, demand: &Demand, sizes: &Sizes, seed: u64) -> Vec<Line> {
    let mut planner = Planner {
        terrain,
        grid,
        demand,
        rng: part(seed, Part::Lines, 0),
        need: demand.at.clone(),
        used: vec![BTreeMap::new(); grid.edges.len()],
        ends: vec![0; grid.nodes.len()],
        rings: 0,
        lines: Vec::new(),
    };
    // Rails were laid first, then wires; buses go where neither does.
    for kind in [Kind::Tram, Kind::Trolleybus, Kind::Bus] {
        for n in 0..sizes.lines_of(kind) {
            planner.add(kind, n);
        }
    }
    planner.lines.sort_by_key(|l| (l.kind, l.number));
    weigh(planner.lines, demand)
}

/// What rides on each stretch, shared with the other lines there.
fn weigh(mut lines: Vec<Line>, demand: &Demand) -> Vec<Line> {
    let mut through = vec![0.0f32; demand.at.len()];
    for node in lines.iter().flat_map(|l| &l.nodes) {
        if let Some(n) = through.get_mut(*node) {
            *n += 1.0;
        }
    }
    for line in &mut lines {
        let of = |n: &usize| demand.at.get(*n).zip(through.get(*n)).map_or(0.0, |(d, t)| d / t.max(1.0).sqrt());
        line.weight = line.nodes.iter().map(of).sum::<f32>() / line.nodes.len().max(1) as f32;
    }
    lines
}

struct Planner<'a> {
    terrain: &'a Terrain,
    grid: &'a Grid,
    demand: &'a Demand,
    rng: ChaCha8Rng,
    /// What of the demand no line serves yet, by junction.
    need: Vec<f32>,
    /// How many lines of each kind run along each edge.
    used: Vec<BTreeMap<Kind, usize>>,
    /// How many lines end at each junction.
    ends: Vec<u16>,
    rings: usize,
    lines: Vec<Line>,
}

impl Planner<'_> {
    /// Adds a line, if one can be found that is not there already.
    fn add(&mut self, kind: Kind, n: usize) {
        let number = self.lines.iter().filter(|l| l.kind == kind).count() + 1;
        for attempt in 0..TRIES {
            let role = ROLES.get((n + attempt / 4) % ROLES.len()).copied().unwrap_or(Role::Cross);
            let found = match role {
                Role::Ring => self.ring(kind),
                Role::Cross => self.cross(kind),
                Role::Radial => self.radial(kind),
                Role::Tangent => self.tangent(kind),
            };
            if let Some(nodes) = found.filter(|nodes| self.will_do(nodes)) {
                self.take(kind, number, nodes);
                return;
            }
        }
    }

    fn will_do(&self, nodes: &[usize]) -> bool {
        let long = self.grid.length(nodes);
        let there = |l: &Line| l.nodes == nodes || l.nodes.iter().rev().eq(nodes);
        let fits = (LENGTHS.0..=LENGTHS.1).contains(&long) && nodes.len() > 5;
        fits && !self.lines.iter().any(there) && self.one_can_change(nodes)
    }

    /// Whether the line shares a street with another, or a hub.
    fn one_can_change(&self, nodes: &[usize]) -> bool {
        let busy = |n: &usize| self.used.get(*n).is_some_and(|u| !u.is_empty());
        let hub = |n: &usize| self.demand.hub(*n).is_some() && self.grid.around(*n).any(|(e, _)| busy(&e));
        self.lines.is_empty() || nodes.iter().any(hub) || self.grid.along(nodes).any(|e| busy(&e))
    }

    fn take(&mut self, kind: Kind, number: usize, nodes: Vec<usize>) {
        for edge in self.grid.along(&nodes) {
            if let Some(used) = self.used.get_mut(edge) {
                *used.entry(kind).or_default() += 1;
            }
        }
        for node in &nodes {
            if let Some(need) = self.need.get_mut(*node) {
                *need *= 0.6;
            }
        }
        for end in [nodes.first(), nodes.last()].into_iter().flatten() {
            if let Some(ends) = self.ends.get_mut(*end) {
                *ends += 1;
            }
        }
        let ring = nodes.first() == nodes.last();
        self.rings += usize::from(ring);
        self.lines.push(Line { kind, number, nodes, weight: 0.0 });
    }

    /// Past the middle from one end of the city to another.
    fn cross(&mut self, kind: Kind) -> Option<Vec<usize>> {
        let from = self.outer(|_| true)?;
        let middle = self.middle(from)?;
        let (grid, start) = (self.grid, self.grid.at(from));
        let first = start.distance(grid.at(middle));
        let to = self.outer(|n| {
            let whole = (first + grid.at(n).distance(grid.at(middle))) * 1.3;
            between(start, grid.at(n)) > 1.8 && whole < LENGTHS.1
        });
        let there = self.path(kind, from, middle, &[])?;
        let Some(to) = to else { return Some(there) };
        let on = self.path(kind, middle, to, &there)?;
        Some(without_loops(there.into_iter().chain(on.into_iter().skip(1))))
    }

    fn radial(&mut self, kind: Kind) -> Option<Vec<usize>> {
        let from = self.outer(|_| true)?;
        let to = self.middle(from)?;
        self.path(kind, from, to, &[])
    }

    fn tangent(&mut self, kind: Kind) -> Option<Vec<usize>> {
        let from = self.outer(|_| true)?;
        let (grid, start) = (self.grid, self.grid.at(from));
        let to = self.outer(|n| {
            (0.6..2.2).contains(&between(start, grid.at(n))) && start.distance(grid.at(n)) * 1.3 < LENGTHS.1
        })?;
        self.path(kind, from, to, &[])
    }

    /// Round the middle, on its bank of the river.
    fn ring(&mut self, kind: Kind) -> Option<Vec<usize>> {
        if self.rings > self.lines.len() / 24 {
            return None;
        }
        let (out, turn) = (draw(&mut self.rng, 0.3, 0.62), draw(&mut self.rng, 0.0, TAU));
        let grid = self.grid;
        let dry = |n: usize| !self.terrain.parts(grid.at(CENTRE), grid.at(n));
        let points = (0..8u8).filter_map(|n| {
            let (sin, cos) = (f32::from(n) / 8.0).mul_add(TAU, turn).sin_cos();
            let far = self.terrain.reach(Xy { x: cos, y: sin }) * out;
            let at = Xy { x: cos * far, y: sin * far };
            grid.nearest(at, dry).filter(|n| grid.at(*n).distance(at) < far * 0.5)
        });
        let mut points: Vec<usize> = points.collect();
        points.dedup();
        points.push(*points.first()?);
        let mut nodes = vec![*points.first()?];
        for pair in points.windows(2) {
            let [a, b] = pair else { return None };
            let next = self.path(kind, *a, *b, &nodes)?;
            nodes.extend(next.into_iter().skip(1));
        }
        let once: BTreeSet<&usize> = nodes.iter().collect();
        (once.len() + 1 == nodes.len()).then_some(nodes)
    }

    /// Where a line may begin: the end of the city, the estate or the works that lacks one most.
    fn outer(&mut self, will_do: impl Fn(usize) -> bool) -> Option<usize> {
        let grid = self.grid;
        let wide = (self.terrain.radius * 0.12).max(600.0);
        let mut best: Option<(f32, usize)> = None;
        for node in self.demand.nodes(|k| !k.is_inner()) {
            let chance = draw(&mut self.rng, 0.75, 1.25);
            if !will_do(node) {
                continue;
            }
            let near = grid.nodes.iter().zip(&self.need).filter(|(n, _)| n.at.distance(grid.at(node)) < wide);
            let need: f32 = near.map(|(_, need)| need).sum();
            let worth = need * chance / (1.0 + f32::from(self.ends.get(node).copied().unwrap_or(0)));
            if best.is_none_or(|b| worth > b.0) {
                best = Some((worth, node));
            }
        }
        best.map(|b| b.1)
    }

    /// Where a line from outside enters the middle or ends: the square mostly, or a station; in a
    /// big city the estate on the way where the square is too far.
    fn middle(&mut self, from: usize) -> Option<usize> {
        let grid = self.grid;
        let fits = |n: &usize| {
            let far = grid.at(*n).distance(grid.at(from));
            *n != from && far * 1.3 < LENGTHS.1 && far > LENGTHS.0 * 0.7
        };
        // The first lines meet there, so that one can change.
        let square = if self.lines.len() < 6 { 0.85 } else { 0.45 };
        if draw(&mut self.rng, 0.0, 1.0) < square && fits(&CENTRE) {
            return Some(CENTRE);
        }
        let inner: Vec<usize> = self.demand.nodes(HubKind::is_inner).into_iter().filter(fits).collect();
        let pick = draw(&mut self.rng, 0.0, inner.len() as f32) as usize;
        inner.get(pick).or(inner.first()).copied()
    }

    /// The cheapest way, with what this kind has already, and rather not along where it has been.
    fn path(&self, kind: Kind, from: usize, to: usize, been: &[usize]) -> Option<Vec<usize>> {
        let been: BTreeSet<usize> = been.iter().copied().filter(|n| *n != from && *n != to).collect();
        self.grid.path(from, to, |n, edge: &Edge| {
            let own = self.used.get(n).and_then(|u| u.get(&kind)).copied().unwrap_or(0);
            let all: usize = self.used.get(n).map_or(0, |u| u.values().sum());
            let habit = match (own, all) {
                (_, FULL..) => 1.3,
                (1.., _) => 0.7,
                (_, 1..) => 0.82,
                _ => 1.0,
            };
            let rails = if kind == Kind::Tram && !edge.avenue { 2.0 } else { 1.0 };
            let again = if been.contains(&edge.ends.0) || been.contains(&edge.ends.1) { 7.0 } else { 1.0 };
            let need: f32 = [edge.ends.0, edge.ends.1].iter().filter_map(|n| self.need.get(*n)).sum();
            edge.cost() * habit * rails * again * (1.2 - 0.17 * need.min(2.4))
        })
    }
}

/// The angle at the centre between two places, 0 to π.
fn between(a: Xy, b: Xy) -> f32 {
    let turn = (a.y.atan2(a.x) - b.y.atan2(b.x)).abs();
    turn.min(TAU - turn)
}

/// A way that comes to a junction twice goes on from the first time.
fn without_loops(nodes: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut way: Vec<usize> = Vec::new();
    for node in nodes {
        if let Some(before) = way.iter().position(|n| *n == node) {
            way.truncate(before);
        }
        way.push(node);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_never_passes_a_junction_twice() {
        assert_eq!(without_loops([1, 2, 3, 4, 3, 5].into_iter()), [1, 2, 3, 5]);
        assert_eq!(without_loops([1, 2, 1, 5].into_iter()), [1, 5]);
    }
}
