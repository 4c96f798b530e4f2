//! How many lines and vehicles a city of a size has, and how they are shared out.
//!
//! After what Ukrainian and Baltic cities run: Sloviansk, 100,000 people, 8 lines and about 45
//! vehicles; Vilnius, 600,000, some 60 lines and 500 vehicles; Kharkiv, 1,400,000, and Kyiv,
//! 3,000,000, about 0.8 vehicles for a thousand people besides their metros.

use super::lines::Line;
use super::order::{Kind, Population};

/// Of all lines, how many are of a kind where all kinds run.
const SHARES: [(Kind, f32); 3] = [(Kind::Trolleybus, 0.3), (Kind::Tram, 0.13), (Kind::Bus, 0.57)];
/// Minutes between departures in the peak: never less, never more.
const HEADWAYS: (i32, i32) = (3, 30);
/// How many vehicles one depot keeps.
const DEPOT: f32 = 150.0;

/// What a city has of what.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sizes {
    /// Vehicles in the peak.
    pub(crate) vehicles: f32,
    /// Lines of each kind that runs.
    lines: Vec<(Kind, usize)>,
}

impl Sizes {
    /// For so many people and these kinds.
    pub(crate) fn of(population: Population, kinds: &[Kind]) -> Self {
        let size = (population.thousands() / 100.0).ln();
        // From 0.45 for a thousand people at 100,000 to 0.8 at 600,000 and more.
        let vehicles = population.thousands() * (0.45 + 0.195 * size.clamp(-0.7, 1.8));
        let lines = (vehicles / (5.6 + 1.75 * size.max(-0.7))).round().max(3.0);
        let all: f32 = SHARES.iter().filter(|(k, _)| kinds.contains(k)).map(|(_, s)| s).sum();
        let mut left = lines as usize;
        let mut shared = Vec::new();
        for (kind, share) in SHARES.iter().filter(|(k, _)| kinds.contains(k)) {
            let last = shared.len() + 1 == kinds.len();
            let own = if last { left } else { ((lines * share / all).round() as usize).clamp(1, left) };
            left -= own;
            shared.push((*kind, own.max(1)));
        }
        Self { vehicles, lines: shared }
    }

    /// How many lines of a kind there are to be.
    pub(crate) fn lines_of(&self, kind: Kind) -> usize {
        self.lines.iter().find(|(k, _)| *k == kind).map_or(0, |(_, n)| *n)
    }

    /// Seconds between departures in the peak for each line, by the seconds of its round trip: the
    /// vehicles go where people ride, and no line gets fewer than two.
    pub(crate) fn headways(&self, lines: &[Line], rounds: &[i32]) -> Vec<i32> {
        let worth = |line: &Line, round: i32| line.weight.sqrt() * round as f32;
        let all: f32 = lines.iter().zip(rounds).map(|(l, r)| worth(l, *r)).sum();
        let of = |(line, round): (&Line, &i32)| {
            let vehicles = (self.vehicles * worth(line, *round) / all.max(1e-6)).round().max(2.0) as i32;
            let minutes = (round + vehicles * 60 - 1) / (vehicles * 60);
            minutes.clamp(HEADWAYS.0, HEADWAYS.1) * 60
        };
        lines.iter().zip(rounds).map(of).collect()
    }

    /// How many depots so many lines of a kind need, of so many in all.
    pub(crate) fn depots(&self, own: usize, all: usize) -> usize {
        if own == 0 { 0 } else { 1 + (self.vehicles * own as f32 / all.max(1) as f32 / DEPOT) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_real_cities() {
        let of = |people| {
            let population = Population::new(people).unwrap();
            let sizes = Sizes::of(population, &Kind::usual(population));
            (Kind::ALL.map(|k| sizes.lines_of(k)).iter().sum::<usize>(), sizes.vehicles.round())
        };
        assert_eq!(of(50_000), (4, 16.0));
        assert_eq!(of(100_000), (8, 45.0));
        assert_eq!(of(600_000), (55, 480.0));
        assert_eq!(of(3_000_000), (208, 2403.0));
    }

    #[test]
    fn every_kind_that_was_asked_for_gets_a_line() {
        let sizes = Sizes::of(Population::new(50_000).unwrap(), &Kind::ALL);
        assert!(Kind::ALL.iter().all(|k| sizes.lines_of(*k) > 0), "{sizes:?}");
    }
}
