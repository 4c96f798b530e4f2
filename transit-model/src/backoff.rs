//! How long a client waits before it asks a server again: doubling, capped, with jitter, so that a
//! thousand boards do not come back in the same instant. Arithmetic only; who waits is the client.

use std::time::Duration;

/// The bounds of the waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub most: Duration,
}

impl Default for Policy {
    /// Half a second at first, eight at most: a restarted server has its boards back in seconds,
    /// and five hundred of them cost it about a hundred connections a second while they come.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(8) }
    }
}

/// The waits of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
}

impl Backoff {
    /// Waits within these bounds, none of them waited yet.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, failures: 0 }
    }

    /// The longest that the next wait may be.
    #[must_use]
    pub fn ceiling(&self) -> Duration {
        let doubled = 1u32.checked_shl(self.failures).and_then(|times| self.policy.first.checked_mul(times));
        doubled.map_or(self.policy.most, |d| d.min(self.policy.most))
    }

    /// The next wait: between half the ceiling and the ceiling. `chance` is 0..=1, anything else is
    /// taken as the nearer end. Each call doubles the ceiling until it reaches the policy's most.
    pub fn wait(&mut self, chance: f64) -> Duration {
        let half = self.ceiling() / 2;
        let chance = if chance.is_nan() { 1.0 } else { chance.clamp(0.0, 1.0) };
        self.failures = self.failures.saturating_add(1);
        half + half.mul_f64(chance)
    }

    /// To be called when the server has said something of use: a connection that opens and closes
    /// at once is a failure too, and must not be retried without end at the first wait.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_again_after_a_success() {
        let mut b = Backoff::new(Policy { first: Duration::from_secs(1), most: Duration::from_secs(5) });
        let waits: Vec<u64> = (0..5).map(|_| b.wait(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        b.reset();
        assert_eq!(b.wait(1.0).as_secs(), 1);
        assert_eq!(b.wait(0.0).as_secs(), 1, "half of two");
    }

    proptest! {
        /// No wait is ever longer than the most (`max` where `min` is meant would be), none is
        /// shorter than half the first, and none shrinks without a success.
        #[test]
        fn every_wait_keeps_its_bounds(
            first in 1u64..10_000, more in 0u64..100_000, chances in prop::collection::vec(any::<f64>(), 1..80)
        ) {
            let policy = Policy { first: Duration::from_millis(first), most: Duration::from_millis(first + more) };
            let mut b = Backoff::new(policy);
            let mut before = Duration::ZERO;
            for chance in chances {
                let ceiling = b.ceiling();
                prop_assert!(ceiling >= before && ceiling <= policy.most);
                let wait = b.wait(chance);
                prop_assert!(wait <= ceiling && wait >= ceiling / 2 && wait >= policy.first / 2);
                before = ceiling;
            }
        }
    }
}
