//! Where the stops stand and what they are called: one or two on each street a line uses, at hubs
//! close to the corner, elsewhere in mid-block.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::demand::Demand;
use super::depots::Depot;
use super::grid::{Edge, Grid};
use super::lines::Line;
use super::names::{Namer, StreetName};
use super::{Part, draw, part};

/// A stop at a hub stands so far from its corner, metres.
const CORNER: f32 = 72.0;
/// A street longer than this has two stops, metres.
const LONG: f32 = 820.0;
/// Between hubs every so-manieth stop has times of its own.
const TIMED: usize = 4;

/// A stop-to-be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PlannedPlace {
    /// What share of the street lies before it.
    pub(crate) share: f32,
    /// Its name.
    pub(crate) name: String,
    /// The timetable holds times for it.
    pub(crate) timed: bool,
}

/// The stops of every street that a line uses, by edge.
pub(crate) fn plan(
    grid: &Grid,
    demand: &Demand,
    lines: &[Line],
    depots: &[Depot],
    streets: &[StreetName],
    seed: u64,
) -> BTreeMap<usize, Vec<PlannedPlace>> {
    let mut namer = Namer::new(seed);
    let mut rng = part(seed, Part::Places, 0);
    let hubs: BTreeMap<usize, String> = demand.hubs.iter().map(|h| (h.node, namer.hub(h.kind))).collect();
    let mut used: Vec<usize> = lines.iter().flat_map(|l| grid.along(&l.nodes).collect::<Vec<_>>()).collect();
    used.sort_unstable();
    used.dedup();
    let mut plain = 0;
    let mut plan = BTreeMap::new();
    for n in used {
        let Some(edge) = grid.edges.get(n) else { continue };
        let length = edge.line.length().max(1.0);
        let mut places = Vec::new();
        for share in shares(edge, &hubs, &mut rng) {
            let depot = depots.iter().find(|d| d.edge == n).filter(|_| places.is_empty());
            let corner = |node: usize, metres: f32| hubs.get(&node).filter(|_| metres < CORNER + 1.0);
            let hub = corner(edge.ends.0, share * length).or_else(|| corner(edge.ends.1, (1.0 - share) * length));
            let name = match (depot, hub) {
                (Some(depot), _) => namer.take(&depot.name()),
                (_, Some(hub)) => hub.clone(),
                _ => {
                    plain += 1;
                    namer.stop(crossing(grid, edge, share, streets))
                }
            };
            let timed = depot.is_some() || hub.is_some() || plain % TIMED == 0;
            places.push(PlannedPlace { share, name, timed });
        }
        plan.insert(n, places);
    }
    plan
}

/// Where on a street stops stand, as shares of its length.
fn shares(edge: &Edge, hubs: &BTreeMap<usize, String>, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let length = edge.line.length().max(1.0);
    let corner = CORNER / length;
    let somewhere = draw(rng, -0.1, 0.1);
    match (hubs.contains_key(&edge.ends.0), hubs.contains_key(&edge.ends.1)) {
        (true, true) if length > LONG => vec![corner, 0.5 + somewhere, 1.0 - corner],
        (true, true) => vec![corner, 1.0 - corner],
        (true, false) if length > 600.0 => vec![corner, 0.66],
        (false, true) if length > 600.0 => vec![0.34, 1.0 - corner],
        (true, false) => vec![corner],
        (false, true) => vec![1.0 - corner],
        // None on the bridge itself: its ramps have one each.
        (false, false) if length > LONG => vec![0.22, 0.78],
        (false, false) => vec![0.5 + somewhere],
    }
}

/// The street that crosses nearest to a place.
fn crossing<'a>(grid: &Grid, edge: &Edge, share: f32, streets: &'a [StreetName]) -> Option<&'a StreetName> {
    let corner = if share < 0.5 { edge.ends.0 } else { edge.ends.1 };
    let other = grid.around(corner).map(|(_, e)| e.street).find(|s| *s != edge.street)?;
    streets.get(other)
}
