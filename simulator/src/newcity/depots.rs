//! Where vehicles spend the night: for each kind a depot or more, on streets that its lines run
//! through, so that most vehicles come out of it and return to it in service.

use std::collections::BTreeSet;

use transit_model::plane::Xy;

use super::demand::Demand;
use super::fleet::Sizes;
use super::grid::Grid;
use super::lines::Line;
use super::order::Kind;

/// A depot.
#[derive(Clone, Debug)]
pub(crate) struct Depot {
    /// What it keeps.
    pub(crate) kind: Kind,
    /// Its number among its kind; 0 where it is the only one.
    pub(crate) number: usize,
    /// The street it lies on.
    pub(crate) edge: usize,
    /// Where, on the map.
    pub(crate) at: Xy,
}

impl Depot {
    /// What the stop at its gate is called.
    pub(crate) fn name(&self) -> String {
        let word = match self.kind {
            Kind::Trolleybus => "Тролейбусне депо",
            Kind::Tram => "Трамвайне депо",
            Kind::Bus => "Автобусний парк",
        };
        if self.number == 0 { word.to_owned() } else { format!("{word} № {}", self.number) }
    }
}

/// Every depot of the city. No two share a street, and none lies at a hub.
pub(crate) fn place(grid: &Grid, demand: &Demand, sizes: &Sizes, lines: &[Line]) -> Vec<Depot> {
    let mut depots: Vec<Depot> = Vec::new();
    for kind in Kind::ALL {
        let mut open: Vec<BTreeSet<usize>> =
            lines.iter().filter(|l| l.kind == kind).map(|l| grid.along(&l.nodes).collect()).collect();
        let wanted = sizes.depots(open.len(), lines.len());
        for n in 0..wanted {
            let taken: Vec<usize> = depots.iter().map(|d| d.edge).collect();
            let Some(edge) = best(grid, demand, &open, &taken) else { break };
            open.retain(|edges| !edges.contains(&edge));
            let at = grid.edges.get(edge).map(|e| e.line.point_at(e.line.length() * 0.5)).unwrap_or_default();
            depots.push(Depot { kind, number: if wanted > 1 { n + 1 } else { 0 }, edge, at });
        }
    }
    depots
}

/// The street outside the middle that most of these lines run through.
fn best(grid: &Grid, demand: &Demand, lines: &[BTreeSet<usize>], taken: &[usize]) -> Option<usize> {
    let quiet = |n: &usize| {
        grid.edges.get(*n).is_some_and(|e| {
            let (a, b) = e.ends;
            let far = grid.out(a).min(grid.out(b)) > 0.3;
            far && !e.bridge && demand.hub(a).is_none() && demand.hub(b).is_none() && !taken.contains(n)
        })
    };
    let streets: BTreeSet<usize> = lines.iter().flatten().copied().filter(quiet).collect();
    let through = |n: usize| lines.iter().filter(|l| l.contains(&n)).count();
    // Of streets with as many lines the outermost one: land is cheap there.
    let out = |n: usize| grid.edges.get(n).map_or(0.0, |e| grid.out(e.ends.0) + grid.out(e.ends.1));
    streets.into_iter().max_by(|a, b| through(*a).cmp(&through(*b)).then(out(*a).total_cmp(&out(*b))))
}
