//! The lines laid on the streets: each line's ways there and back, and those from its depot and to it.

use std::collections::BTreeMap;

use transit_model::plane::{Plane, Xy};

use super::depots::Depot;
use super::grid::Grid;
use super::lines::Line;
use super::names::StreetName;
use super::places::PlannedPlace;
use crate::streets::{Place, Street, Streets, Way, WayCall};

/// Two stops with times of their own lie at least so far from each other on a way, metres.
const TIMED_APART: f32 = 900.0;
/// A vehicle goes into service at its depot's gate when its line passes it so near, metres.
const GATE: f32 = 900.0;
/// A run to or from the depot has at least so many calls; else the vehicle drives it empty.
const CALLS_LEAST: usize = 4;

/// What a run on a way is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Piece {
    /// The whole line.
    Whole,
    /// From the stop at the depot to the end of the line.
    Out,
    /// From the beginning of the line to the stop at the depot.
    In,
}

/// A way of a line.
#[derive(Clone, Debug)]
pub(crate) struct LineWay {
    /// 0 = there, 1 = back.
    pub(crate) direction: usize,
    /// What it is.
    pub(crate) piece: Piece,
    /// Where it calls.
    pub(crate) way: Way,
    /// `trip_headsign`.
    pub(crate) headsign: String,
    /// For each link what it costs beyond its length: 1 outside, more in the middle of the city.
    pub(crate) crowded: Vec<f32>,
}

/// A line on the streets.
#[derive(Clone, Debug)]
pub(crate) struct LaidLine<'a> {
    /// The line.
    pub(crate) line: &'a Line,
    /// `route_long_name`.
    pub(crate) long: String,
    /// The whole ways, there and back, then the pieces.
    pub(crate) ways: Vec<LineWay>,
}

impl LaidLine<'_> {
    /// A way by what it is.
    pub(crate) fn find(&self, direction: usize, piece: Piece) -> Option<usize> {
        self.ways.iter().position(|w| w.direction == direction && w.piece == piece)
    }
}

/// Streets with their stops; `names` and `places` are by street and by edge.
pub(crate) fn lay<'a>(
    plane: Plane,
    grid: &Grid,
    names: &'a [StreetName],
    places: &'a BTreeMap<usize, Vec<PlannedPlace>>,
) -> Streets<'a> {
    let streets = places.iter().filter_map(|(n, places)| {
        let edge = grid.edges.get(*n)?;
        let places = places.iter().map(|p| Place { share: p.share, name: &p.name, timed: p.timed });
        Some(Street {
            ends: edge.ends,
            name: names.get(edge.street).map_or("", |s| s.short.as_str()),
            line: edge.line.clone(),
            places: places.collect(),
        })
    });
    Streets::lay(plane, streets)
}

/// Lays every line. A line whose ways have too few stops is left out.
pub(crate) fn lines<'a>(streets: &Streets<'_>, radius: f32, depots: &[Depot], lines: &'a [Line]) -> Vec<LaidLine<'a>> {
    lines.iter().filter_map(|line| lay_line(streets, radius, depots, line)).collect()
}

fn lay_line<'a>(streets: &Streets<'_>, radius: f32, depots: &[Depot], line: &'a Line) -> Option<LaidLine<'a>> {
    let back: Vec<usize> = line.nodes.iter().rev().copied().collect();
    let mut ways = Vec::new();
    for (direction, nodes) in [&line.nodes, &back].into_iter().enumerate() {
        ways.push((direction, Piece::Whole, sparse(streets, streets.way(nodes)?)));
    }
    let own = depots.iter().filter(|d| d.kind == line.kind);
    let of = |d: &Depot| ways.iter().flat_map(|(n, _, w)| pieces(streets, d, *n, w)).collect::<Vec<_>>();
    let gate = own.map(of).find(|pieces| !pieces.is_empty()).unwrap_or_default();
    let name = |way: &Way, call: usize| {
        let platform = way.calls.get(call).and_then(|c| streets.platforms.get(&c.platform));
        platform.map_or("", |p| p.name).to_owned()
    };
    let ways: Vec<LineWay> = ways
        .into_iter()
        .chain(gate)
        .map(|(direction, piece, way)| {
            let last = way.calls.len().saturating_sub(1);
            let round = line.is_ring() && piece == Piece::Whole;
            // After a stop on the way, as there is no end to name it after; it differs by direction.
            let headsign =
                if round { format!("Кільцевий: {}", name(&way, last / 4)) } else { name(&way, last) };
            LineWay { direction, piece, headsign, crowded: crowded(streets, &way, radius), way }
        })
        .collect();
    let whole = ways.first()?;
    let long =
        if line.is_ring() { whole.headsign.clone() } else { format!("{} – {}", name(&whole.way, 0), whole.headsign) };
    Some(LaidLine { line, long, ways })
}

/// A vehicle that has just called at a place does not call at the next platform of the same name,
/// and times stand apart.
fn sparse(streets: &Streets<'_>, mut way: Way) -> Way {
    let end = way.calls.len().saturating_sub(1);
    let name = |c: &WayCall| streets.platforms.get(&c.platform).map_or("", |p| p.name);
    let names: Vec<&str> = way.calls.iter().map(name).collect();
    let goes_on = |n: usize| {
        let same = |a: usize, b: usize| names.get(a).is_some() && names.get(a) == names.get(b);
        // Of two the first one is kept, but for the last call, where the way ends.
        let first_of_last = n + 1 == end && same(n, end) && n > 0;
        n == 0 || n == end || !(same(n - 1, n) || first_of_last)
    };
    let mut n = 0;
    way.calls.retain(|_| {
        n += 1;
        goes_on(n - 1)
    });
    let length = way.calls.last().map_or(0.0, |c| c.along);
    let mut last = 0.0f32;
    for call in &mut way.calls {
        call.timed &= call.along - last >= TIMED_APART && length - call.along >= TIMED_APART;
        if call.timed {
            last = call.along;
        }
    }
    way
}

/// What of a way is run out of a depot, and into it.
fn pieces(streets: &Streets<'_>, depot: &Depot, direction: usize, way: &Way) -> Vec<(usize, Piece, Way)> {
    let away = |n: usize| {
        let at = way.calls.get(n).and_then(|c| streets.platforms.get(&c.platform)).map(|p| p.at);
        at.map_or(f32::INFINITY, |at| at.distance(depot.at))
    };
    let last = way.calls.len().saturating_sub(1);
    let Some(gate) = (0..=last).min_by(|a, b| away(*a).total_cmp(&away(*b))) else { return Vec::new() };
    if away(gate) > GATE {
        return Vec::new();
    }
    let out = (last - gate + 1 >= CALLS_LEAST && gate > 0).then(|| way.part(gate..=last)).flatten();
    let home = (gate + 1 >= CALLS_LEAST && gate < last).then(|| way.part(0..=gate)).flatten();
    let out = out.map(|w| (direction, Piece::Out, w));
    out.into_iter().chain(home.map(|w| (direction, Piece::In, w))).collect()
}

/// How much slower each link is for the crowd in the middle of the city: up to a fifth.
fn crowded(streets: &Streets<'_>, way: &Way, radius: f32) -> Vec<f32> {
    let at = |c: &WayCall| streets.platforms.get(&c.platform).map(|p| p.at).unwrap_or_default();
    let links = way.calls.iter().zip(way.calls.iter().skip(1));
    let out = links.map(|(a, b)| at(a).towards(at(b), 0.5).distance(Xy::default()) / (0.35 * radius));
    out.map(|out| 0.2f32.mul_add((-out * out).exp(), 1.0)).collect()
}
