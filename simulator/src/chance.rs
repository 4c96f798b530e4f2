//! Chance that can be asked for anywhere and answers the same every time.
//!
//! A draw is named, not numbered: the seed and up to three words that say what it is for make the
//! whole key of the generator. So the traffic of a link at a minute is the same for every vehicle
//! that meets it, whatever was drawn before, and a vehicle's day can be computed from its middle.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};

/// What a draw is for. The numbers are part of what a seed means: never reuse or renumber one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum Topic {
    /// How slow a link is, always.
    Link = 1,
    /// How slow a link is in one half hour of the day.
    LinkHalfHour = 2,
    /// How much of the rush a link feels, and whether it has lights.
    LinkNature = 3,
    /// How slow the day is.
    Day = 4,
    /// What all vehicles on a link meet in the same minutes.
    Minutes = 5,
    /// A vehicle's pace for a day.
    Driver = 7,
    /// All that happens to one trip on one day.
    Trip = 8,
    /// What tracker a vehicle has.
    Tracker = 9,
    /// What a tracker sees and loses in one day.
    TrackerDay = 10,
    /// The day of a machine.
    Machine = 11,
    /// The waits of a sender before it tries again.
    Backoff = 12,
    /// What a whole neighbourhood meets in the same half hour.
    Area = 13,
    /// How many passengers a stop has.
    Demand = 14,
    /// What goes wrong on a day.
    Mishap = 15,
    /// What one route meets on a link at one time of every day.
    Habit = 17,
    /// The day of a reserve vehicle.
    Reserve = 16,
    /// What a fault does to a tracker in one day.
    Fault = 40,
    /// Who has a fault.
    FaultOf = 41,
    /// What a tracker that keeps a book does.
    Witness = 50,
    /// How a new city grows.
    NewCity = 60,
}

/// A generator for one thing: the topic and two words name it.
pub(crate) fn chance(seed: u64, topic: Topic, a: u64, b: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    let words = [seed, topic as u64, a, b];
    for (to, word) in key.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// One draw from the normal distribution of mean 0 and deviation 1.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// How often something happened that happens so often on average, independently each time.
pub(crate) fn count(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    Poisson::new(mean.min(1e6)).map_or(0.0, |p| p.sample(rng))
}

/// One number of 0..1.
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    rng.random::<f64>()
}

/// One number between two others.
pub(crate) fn between(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    unit(rng).mul_add(high - low, low)
}

/// A word from a name, for keys. FNV-1a, which is fixed for good, unlike the standard hasher.
pub(crate) fn word(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_whole_name_and_on_nothing_else() {
        let draw = |seed, topic, a, b| chance(seed, topic, a, b).random::<u64>();
        let one = draw(1, Topic::Link, 2, 3);
        assert_eq!(one, draw(1, Topic::Link, 2, 3));
        for other in [draw(2, Topic::Link, 2, 3), draw(1, Topic::Day, 2, 3), draw(1, Topic::Link, 3, 3)] {
            assert_ne!(one, other);
        }
        assert_ne!(one, draw(1, Topic::Link, 2, 4));
        assert_ne!(word("1101"), word("1102"));
    }
}
