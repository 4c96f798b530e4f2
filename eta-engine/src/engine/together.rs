//! Two trackers in one vehicle: pairs that are in one place, minute after minute, for as long as no two
//! buses of one line stay nose to tail. Places are taken at whole minutes, between a vehicle's fixes,
//! so that trackers of different rhythm can be compared. It says which go together, not what follows.

use rustc_hash::FxHashMap;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;

/// Two antennas of one vehicle, and the noise of both, metres.
const NEAR: f32 = 30.0;
/// Farther apart than this they are two vehicles, metres.
const APART: f32 = 80.0;
/// Only vehicles that have come so far within the minute are compared, metres: a depot is full of neighbours.
const MOVED: f32 = 100.0;
/// So many minutes on the move, and so many metres, before a pair is believed.
const MINUTES: u16 = 20;
const METRES: f32 = 6000.0;
/// Places are compared when their minute is so long past, seconds: late reports have come by then.
const WAIT: i64 = 120;
/// Fixes farther apart than this do not tell where a vehicle was in between, seconds.
const GAP: i64 = 90;

#[derive(Clone, Copy, Debug)]
struct Sample {
    vehicle: u32,
    at: Xy,
    moved: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    minutes: u16,
    metres: f32,
    told: bool,
}

/// Who goes together with whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Together {
    minutes: Vec<(i64, Vec<Sample>)>,
    last: FxHashMap<u32, Xy>,
    pairs: FxHashMap<(u32, u32), Pair>,
}

/// What has been found out about two vehicles, by their places in the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// They go together.
    Joined(u32, u32),
    /// They no longer do.
    Parted(u32, u32),
}

impl Together {
    /// Takes in that a vehicle went from one place to another; says what that settles.
    pub(super) fn note(&mut self, vehicle: u32, from: (UnixMs, Xy), to: (UnixMs, Xy)) -> Vec<Found> {
        let minute = to.0.secs().div_euclid(60);
        let mark = UnixMs::from_secs(minute * 60);
        let gap = to.0.secs_since(from.0);
        if from.0 >= mark || gap > GAP {
            return Vec::new();
        }
        let share = (mark.0 - from.0.0) as f32 / (to.0.0 - from.0.0).max(1) as f32;
        let at = from.1.towards(to.1, share);
        let moved = self.last.insert(vehicle, at).map_or(0.0, |before| before.distance(at));
        if moved >= MOVED {
            let sample = Sample { vehicle, at, moved };
            match self.minutes.iter_mut().find(|(m, _)| *m == minute) {
                Some((_, samples)) => samples.push(sample),
                None => self.minutes.push((minute, vec![sample])),
            }
        }
        let mut found = Vec::new();
        let ripe = |(m, _): &(i64, Vec<Sample>)| to.0.secs() - m * 60 >= WAIT;
        while let Some(at) = self.minutes.iter().position(ripe) {
            let (_, samples) = self.minutes.swap_remove(at);
            self.compare(samples, &mut found);
        }
        found
    }

    fn compare(&mut self, mut samples: Vec<Sample>, found: &mut Vec<Found>) {
        samples.sort_by(|a, b| a.at.x.total_cmp(&b.at.x).then(a.vehicle.cmp(&b.vehicle)));
        let mut rest = samples.as_slice();
        while let Some((a, others)) = rest.split_first() {
            for b in others.iter().take_while(|b| b.at.x - a.at.x <= NEAR) {
                if a.vehicle == b.vehicle || a.at.distance(b.at) > NEAR {
                    continue;
                }
                let key = (a.vehicle.min(b.vehicle), a.vehicle.max(b.vehicle));
                let pair = self.pairs.entry(key).or_default();
                pair.minutes = pair.minutes.saturating_add(1);
                pair.metres += a.moved.min(b.moved);
                if !pair.told && pair.minutes >= MINUTES && pair.metres >= METRES {
                    pair.told = true;
                    found.push(Found::Joined(key.0, key.1));
                }
            }
            rest = others;
        }
        let places: FxHashMap<u32, Xy> = samples.iter().map(|s| (s.vehicle, s.at)).collect();
        let mut parted: Vec<(u32, u32)> = Vec::new();
        self.pairs.retain(|(a, b), pair| {
            let apart = match (places.get(a), places.get(b)) {
                (Some(p), Some(q)) => p.distance(*q) > APART,
                _ => false,
            };
            if apart && pair.told {
                parted.push((*a, *b));
            }
            !apart
        });
        parted.sort_unstable();
        found.extend(parted.into_iter().map(|(a, b)| Found::Parted(a, b)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vehicle 0 reports every ten seconds, vehicle 1 every seven, `apart` metres behind it.
    fn driven(together: &mut Together, minutes: (i64, i64), apart: f32) -> Vec<Found> {
        let place = |t: i64, behind: f32| Xy { x: t as f32 * 8.0 - behind, y: 0.0 };
        let mut found = Vec::new();
        for t in minutes.0 * 60..minutes.1 * 60 {
            for (vehicle, every, behind) in [(0, 10, 0.0), (1, 7, apart)] {
                if t % every == 0 {
                    let from = (UnixMs::from_secs(t - every), place(t - every, behind));
                    found.extend(together.note(vehicle, from, (UnixMs::from_secs(t), place(t, behind))));
                }
            }
        }
        found
    }

    #[test]
    fn two_trackers_of_one_vehicle_are_found_and_let_go_when_they_part() {
        let mut together = Together::default();
        assert_eq!(driven(&mut together, (0, 15), 9.0), [], "so long two buses may well stay together");
        assert_eq!(driven(&mut together, (15, 40), 9.0), [Found::Joined(0, 1)]);
        assert_eq!(driven(&mut together, (40, 60), 500.0), [Found::Parted(0, 1)]);
    }

    #[test]
    fn a_bus_that_follows_another_is_a_bus_of_its_own() {
        assert_eq!(driven(&mut Together::default(), (0, 120), 60.0), []);
    }
}
