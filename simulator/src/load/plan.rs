//! Who speaks when: an even stream of turns, fixed before the run begins. Arithmetic only.
//!
//! A *turn* is a vehicle's next handful of records, due all at once at the end of the time they cover: one
//! record where the rate allows, more where a second would hold too many messages. A *slot* is a place for
//! one connection. Where there are as many slots as vehicles, every vehicle keeps its connection; where
//! there are fewer, the vehicles of a slot take turns: each connects, sends what it has collected since its
//! last turn, and leaves.

use std::time::Duration;

/// The most records of a turn: what the memory of a tracker holds, and half an hour of the slowest.
pub const MOST_PER_TURN: u32 = 255;
/// Messages a second that a generator on one core is asked for at most, where it may choose.
const MESSAGES: f64 = 10_000.0;
/// Connections opened a second at most, where it may choose.
const OPENED: f64 = 2000.0;
/// A vehicle has a record this often at most, seconds: no receiver is faster.
const LEAST_INTERVAL: f64 = 0.01;
/// The longest run that is planned, seconds: eleven days.
const LONGEST: f64 = 1e6;

/// A plan.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    vehicles: u32,
    /// Records a second, of all vehicles.
    rate: f64,
    slots: u32,
    per_turn: u32,
}

/// A plan makes no sense.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum PlanError {
    /// Nobody to speak.
    #[error("a load needs at least one vehicle and one connection")]
    Nobody,
    /// Not a rate.
    #[error("a rate of {0} records a second is none: from 0.01 to 10,000,000")]
    Rate(f64),
    /// Too much for so few.
    #[error(
        "{rate} records a second of {vehicles} vehicles is more than a hundred a second of each: give at least {least} vehicles, or a lower --rate"
    )]
    TooFew {
        /// The rate.
        rate: f64,
        /// The vehicles.
        vehicles: u32,
        /// So many would do.
        least: u32,
    },
    /// Not a number of records.
    #[error("{0} records at a time: from 1 to 255")]
    PerTurn(u32),
}

impl Plan {
    /// A plan for so many vehicles, records a second of all of them, and connections at once. Without
    /// `per_turn` it takes the fewest records at a time that keep the messages below ten thousand a second
    /// and, where vehicles take turns, the connections opened below two thousand.
    ///
    /// # Errors
    /// When one of them is nothing, or a vehicle would have more than a hundred records a second.
    pub fn new(vehicles: u32, rate: f64, connections: u32, per_turn: Option<u32>) -> Result<Self, PlanError> {
        if vehicles == 0 || connections == 0 {
            return Err(PlanError::Nobody);
        }
        if !(0.01..=1e7).contains(&rate) {
            return Err(PlanError::Rate(rate));
        }
        if f64::from(vehicles) / rate < LEAST_INTERVAL {
            return Err(PlanError::TooFew { rate, vehicles, least: whole((rate * LEAST_INTERVAL).ceil()) });
        }
        let slots = connections.min(vehicles);
        let most_turns = if slots == vehicles { MESSAGES } else { OPENED };
        let per_turn = per_turn.unwrap_or_else(|| whole((rate / most_turns).ceil()).clamp(1, MOST_PER_TURN));
        if !(1..=MOST_PER_TURN).contains(&per_turn) {
            return Err(PlanError::PerTurn(per_turn));
        }
        Ok(Self { vehicles, rate, slots, per_turn })
    }

    /// How many vehicles there are.
    #[must_use]
    pub const fn vehicles(&self) -> u32 {
        self.vehicles
    }

    /// Records a second, of all vehicles.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Connections at once.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// Records of a vehicle at a time.
    #[must_use]
    pub const fn per_turn(&self) -> u32 {
        self.per_turn
    }

    /// Whether every vehicle keeps a connection of its own.
    #[must_use]
    pub const fn keeps_connections(&self) -> bool {
        self.slots == self.vehicles
    }

    /// Between two records of a vehicle.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64((f64::from(self.vehicles) / self.rate).min(LONGEST))
    }

    /// When the turn of this number, of all, is due.
    fn due_of(&self, turn: f64) -> Duration {
        Duration::from_secs_f64((turn * f64::from(self.per_turn) / self.rate).min(LONGEST))
    }

    /// When a slot has its turn of this number, from 0 on.
    #[must_use]
    pub fn due(&self, slot: u32, turn: u32) -> Duration {
        self.due_of(f64::from(turn).mul_add(f64::from(self.slots), f64::from(slot)))
    }

    /// Whose turn that is: a number below [`Self::vehicles`]. No vehicle is of two slots.
    #[must_use]
    pub const fn vehicle(&self, slot: u32, turn: u32) -> u32 {
        let here = self.vehicles.saturating_sub(slot).div_ceil(self.slots);
        match turn.checked_rem(here) {
            Some(n) => slot + n * self.slots,
            None => slot,
        }
    }

    /// How many turns of all slots are due before a moment.
    #[must_use]
    pub fn turns_before(&self, at: Duration) -> u64 {
        let turns = (at.as_secs_f64() * self.rate / f64::from(self.per_turn)).ceil();
        // Rounding may put the last one on the other side of the moment.
        let mut n = u64::from(whole(turns.max(0.0)));
        while n > 0 && self.due_of((n - 1) as f64) >= at {
            n -= 1;
        }
        while self.due_of(n as f64) < at {
            n += 1;
        }
        n
    }
}

/// A whole number that is known to be small.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
const fn whole(n: f64) -> u32 {
    n as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_defaults_keep_one_core_busy_and_not_drowned() {
        let kept = Plan::new(8000, 8000.0, 9000, None).unwrap();
        assert!(kept.keeps_connections());
        assert_eq!((kept.slots(), kept.per_turn()), (8000, 1));
        let turns = Plan::new(300_000, 100_000.0, 9000, None).unwrap();
        assert!(!turns.keeps_connections());
        assert_eq!((turns.slots(), turns.per_turn()), (9000, 50));
        assert_eq!(turns.interval(), Duration::from_secs(3));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(Plan::new(0, 1.0, 1, None), Err(PlanError::Nobody));
        assert_eq!(Plan::new(1, 1.0, 0, None), Err(PlanError::Nobody));
        assert_eq!(Plan::new(1, 0.0, 1, None), Err(PlanError::Rate(0.0)));
        assert!(matches!(Plan::new(1, f64::NAN, 1, None), Err(PlanError::Rate(_))));
        assert_eq!(Plan::new(1, 1.0, 1, Some(256)), Err(PlanError::PerTurn(256)));
        let e = Plan::new(10, 10_000.0, 1, None).unwrap_err();
        assert_eq!(e, PlanError::TooFew { rate: 10_000.0, vehicles: 10, least: 100 });
    }

    proptest! {
        /// Every turn of every slot is one of the even stream, none is of two slots, and the count of what
        /// is due is the count of the slots' turns.
        #[test]
        fn the_slots_together_make_the_stream(
            vehicles in 1u32..400, share in 0.01f64..9.0, connections in 1u32..500, per_turn in 1u32..30, seconds in 0u32..200
        ) {
            let rate = share * f64::from(vehicles);
            let plan = Plan::new(vehicles, rate, connections, Some(per_turn)).unwrap();
            let at = Duration::from_secs(seconds.into());
            let mut owner = vec![None; vehicles as usize];
            let mut turns = 0u64;
            for slot in 0..plan.slots() {
                let mut last = None;
                for turn in 0.. {
                    let due = plan.due(slot, turn);
                    if due >= at {
                        break;
                    }
                    prop_assert!(last < Some(due), "a slot's turns come one after the other");
                    last = Some(due);
                    turns += 1;
                    let vehicle = plan.vehicle(slot, turn) as usize;
                    prop_assert!(vehicle < owner.len());
                    prop_assert_eq!(*owner[vehicle].get_or_insert(slot), slot);
                }
            }
            prop_assert_eq!(plan.turns_before(at), turns);
            let records = turns as f64 * f64::from(per_turn);
            prop_assert!((records - rate * f64::from(seconds)).abs() <= f64::from(per_turn) * 1.001, "{records}");
        }

        /// In as many turns as a slot has vehicles, each has spoken once.
        #[test]
        fn vehicles_of_a_slot_take_turns(vehicles in 1u32..200, connections in 1u32..50, slot in 0u32..50) {
            let plan = Plan::new(vehicles, 0.1, connections, None).unwrap();
            let slot = slot % plan.slots();
            let all: Vec<u32> = (slot..vehicles).step_by(plan.slots() as usize).collect();
            let spoke: Vec<u32> = (0..u32::try_from(all.len()).unwrap()).map(|n| plan.vehicle(slot, n)).collect();
            prop_assert_eq!(spoke, all);
        }
    }
}
