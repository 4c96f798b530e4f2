//! The land a city grows on: how far it reaches, and the river through it.
//!
//! Everything here lies in the city's own frame: metres along its rows (`x`) and across them (`y`)
//! from its centre. [`Terrain::turned`] turns the frame to the map, so that no two cities face north.

use transit_model::plane::Xy;

use super::order::Population;
use super::{Part, draw, part};

/// Ukrainian cities hold two to five thousand people on a square kilometre.
const PEOPLE_PER_KM2: f32 = 3300.0;
/// Nothing is built nearer to the middle of the river, metres.
const BANK: f32 = 110.0;

/// The land.
#[derive(Clone, Debug)]
pub(crate) struct Terrain {
    /// How far the city reaches from its centre on the average, metres.
    pub(crate) radius: f32,
    /// How many bridges the river has.
    pub(crate) bridges: usize,
    /// The sine and the cosine of the angle between frame and map.
    turn: (f32, f32),
    /// How uneven the city's edge is: two waves round it, share of the radius and phase.
    edge: [(f32, f32); 2],
    river: River,
}

/// A river that runs along the rows: where it is at `x = 0`, how much it climbs, and its bends.
#[derive(Clone, Debug)]
struct River {
    middle: f32,
    slope: f32,
    /// Height of the bends, their length over 2π, their phase.
    bends: [(f32, f32, f32); 2],
}

impl Terrain {
    /// The land under a city of this size.
    pub(crate) fn new(population: Population, seed: u64) -> Self {
        let rng = &mut part(seed, Part::Terrain, 0);
        let radius = (population.thousands() * 1000.0 / PEOPLE_PER_KM2 / std::f32::consts::PI).sqrt() * 1000.0;
        let side = if draw(rng, 0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
        let phase = |rng: &mut _| draw(rng, 0.0, std::f32::consts::TAU);
        let bends = [(0.06, 0.35), (0.03, 0.13)]
            .map(|(high, long)| (radius * high, radius * long * draw(rng, 0.8, 1.2), phase(rng)));
        // Never through the square in the middle, whatever the bends do.
        let middle = side * (radius * draw(rng, 0.2, 0.38)).max(radius * 0.09 + 500.0);
        let turn = draw(rng, -0.6, 0.6).sin_cos();
        Self {
            radius,
            bridges: 1 + (radius / 3500.0).round().max(1.0) as usize,
            turn,
            edge: [(0.09, phase(rng)), (0.05, phase(rng))],
            river: River { middle, slope: draw(rng, -0.12, 0.12), bends },
        }
    }

    /// How far the city reaches in the direction of this place, metres.
    pub(crate) fn reach(&self, p: Xy) -> f32 {
        let angle = p.y.atan2(p.x);
        let waves = self.edge.iter().zip([2.0, 5.0]);
        self.radius * (1.0 + waves.map(|((high, phase), n)| high * (angle * n + phase).sin()).sum::<f32>())
    }

    /// How far out a place lies: 0 in the centre, 1 at the edge of the city.
    pub(crate) fn out(&self, p: Xy) -> f32 {
        p.distance(Xy::default()) / self.reach(p).max(1.0)
    }

    /// Metres from the river's middle, across the rows: positive on one bank, negative on the other.
    pub(crate) fn bank(&self, p: Xy) -> f32 {
        let bends = self.river.bends.iter().map(|(high, long, phase)| high * (p.x / long + phase).sin());
        p.y - (self.river.middle + self.river.slope * p.x + bends.sum::<f32>())
    }

    /// Whether something can be built here.
    pub(crate) fn dry(&self, p: Xy) -> bool {
        self.bank(p).abs() > BANK
    }

    /// Whether the river lies between two places.
    pub(crate) fn parts(&self, a: Xy, b: Xy) -> bool {
        (self.bank(a) > 0.0) != (self.bank(b) > 0.0)
    }

    /// From the city's frame to the map.
    pub(crate) fn turned(&self, p: Xy) -> Xy {
        let (sin, cos) = self.turn;
        Xy { x: p.x * cos - p.y * sin, y: p.x * sin + p.y * cos }
    }
}
