//! Who wants to go where: people live in the middle and in housing estates further out, and work in
//! the middle, at the stations and in works at the edge.

use std::f32::consts::TAU;

use transit_model::plane::Xy;

use super::grid::{CENTRE, Grid};
use super::order::Population;
use super::terrain::Terrain;
use super::{Part, draw, part};

/// Two places that draw people lie at least so far from each other, metres.
const APART: f32 = 650.0;

/// What a place is in its city.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum HubKind {
    /// The square in the middle.
    Square,
    /// The railway station.
    Station,
    /// The bus station.
    BusStation,
    /// The market.
    Market,
    /// The hospital.
    Hospital,
    /// The university.
    University,
    /// The middle of a housing estate.
    Estate,
    /// A works.
    Works,
    /// Where a line can end at the edge of the city.
    Outskirts,
}

impl HubKind {
    /// In the inner city, where lines from outside may end.
    pub(crate) const fn is_inner(self) -> bool {
        !matches!(self, Self::Estate | Self::Works | Self::Outskirts)
    }
}

/// A place that has a name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hub {
    /// Where.
    pub(crate) node: usize,
    /// What it is.
    pub(crate) kind: HubKind,
}

/// Who wants to go where.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    /// How many board or alight around each junction, in no unit but against each other.
    pub(crate) at: Vec<f32>,
    /// The places with names, the square first.
    pub(crate) hubs: Vec<Hub>,
}

impl Demand {
    /// Settles the city.
    pub(crate) fn settle(terrain: &Terrain, grid: &Grid, population: Population, seed: u64) -> Self {
        let rng = &mut part(seed, Part::Demand, 0);
        let mut demand = Self { at: Vec::new(), hubs: vec![Hub { node: CENTRE, kind: HubKind::Square }] };
        let estates = 2 + (population.thousands() / 90.0).sqrt().mul_add(2.2, 0.0) as usize;
        let works = 1 + (population.thousands() / 300.0).sqrt() as usize;
        // Direction by direction, so that they do not crowd together; the works lie between.
        let inner = [HubKind::Station, HubKind::BusStation, HubKind::Market, HubKind::Hospital, HubKind::University];
        let reach = [(0.3, 0.42), (0.25, 0.5), (0.1, 0.2), (0.2, 0.4), (0.15, 0.3)];
        let wanted = inner.into_iter().zip(reach).map(|(kind, reach)| (kind, reach, None));
        let estates = (0..estates).map(|n| (HubKind::Estate, (0.5, 0.85), Some(n as f32 / estates as f32)));
        let works = (0..works).map(|n| (HubKind::Works, (0.6, 0.95), Some((n as f32 + 0.5) / works as f32)));
        for (kind, (near, far), share) in wanted.chain(estates).chain(works) {
            for _ in 0..8 {
                let angle = share.map_or(draw(rng, 0.0, TAU), |s: f32| s.mul_add(TAU, draw(rng, -0.5, 0.5)));
                let (sin, cos) = angle.sin_cos();
                let far_out = terrain.reach(Xy { x: cos, y: sin }) * draw(rng, near, far);
                if demand.add(grid, Xy { x: cos * far_out, y: sin * far_out }, kind) {
                    break;
                }
            }
        }
        demand.at = grid.nodes.iter().map(|n| demand.around(terrain, grid, n.at, n.out)).collect();
        demand.outskirts(terrain, grid);
        demand
    }

    /// The first hub of a kind.
    pub(crate) fn hub(&self, node: usize) -> Option<HubKind> {
        self.hubs.iter().find(|h| h.node == node).map(|h| h.kind)
    }

    /// The junctions of the hubs that are such.
    pub(crate) fn nodes(&self, such: impl Fn(HubKind) -> bool) -> Vec<usize> {
        self.hubs.iter().filter(|h| such(h.kind)).map(|h| h.node).collect()
    }

    fn add(&mut self, grid: &Grid, at: Xy, kind: HubKind) -> bool {
        let free = |n: usize| self.hubs.iter().all(|h| grid.at(h.node).distance(grid.at(n)) > APART);
        let node = grid.nearest(at, free).filter(|n| grid.at(*n).distance(at) < 2.0 * APART);
        self.hubs.extend(node.map(|node| Hub { node, kind }));
        node.is_some()
    }

    fn around(&self, terrain: &Terrain, grid: &Grid, at: Xy, out: f32) -> f32 {
        let bell = |d: f32, wide: f32| (-(d / wide) * (d / wide)).exp();
        let everywhere = 0.25 + 0.6 * bell(out, 0.6) + 1.1 * bell(out, 0.22);
        let drawn = self.hubs.iter().map(|h| {
            let (much, wide) = match h.kind {
                HubKind::Square | HubKind::Station | HubKind::Market => (1.2, 500.0),
                HubKind::Estate => (1.3, terrain.radius.mul_add(0.06, 500.0)),
                HubKind::Works => (0.8, 500.0),
                _ => (0.6, 450.0),
            };
            much * bell(grid.at(h.node).distance(at), wide)
        });
        everywhere + drawn.sum::<f32>()
    }

    /// Where lines can end at the edge: far out, and far from each other, the farthest first.
    fn outskirts(&mut self, terrain: &Terrain, grid: &Grid) {
        let apart = (terrain.radius * 0.17).max(950.0);
        let mut far: Vec<usize> = (0..grid.nodes.len()).filter(|n| grid.out(*n) > 0.68).collect();
        far.sort_by(|a, b| grid.out(*b).total_cmp(&grid.out(*a)).then(a.cmp(b)));
        let mut chosen: Vec<usize> = Vec::new();
        for node in far {
            let alone = chosen.iter().all(|c| grid.at(*c).distance(grid.at(node)) > apart);
            let free = self.hubs.iter().all(|h| grid.at(h.node).distance(grid.at(node)) > APART);
            if alone && free {
                chosen.push(node);
            }
        }
        self.hubs.extend(chosen.into_iter().map(|node| Hub { node, kind: HubKind::Outskirts }));
    }
}
