//! Board rule 1: a countdown never rises unless the estimate moved by two minutes or more.
//!
//! It holds back what is *published*, never what is predicted, and knows nothing of rows or labels.
//! The engine keeps one [`Published`] for the arrival and one for the departure of each vehicle's
//! call ahead, and passes each new estimate through [`hold`].

use transit_model::time::UnixMs;

/// How far an estimate must have moved before a countdown may rise, milliseconds.
pub const REAL_REVISION_MS: i64 = 120_000;

const MINUTE_MS: i64 = 60_000;

/// What people have been told of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// The moment people are told.
    pub shown: UnixMs,
    /// The estimate at which `shown` was last set without being held back: what the next one is
    /// measured against.
    pub anchor: UnixMs,
}

/// The whole minute a board shows for a moment: 0 (said as "now") within the last minute and after.
///
/// Rounded down: whoever has "7 min" has at least seven.
#[must_use]
pub const fn minutes_left(moment: UnixMs, now: UnixMs) -> i64 {
    let left = moment.0.saturating_sub(now.0);
    if left < 0 { 0 } else { left / MINUTE_MS }
}

/// What to publish, given what was published and what is estimated now.
///
/// An estimate that shows the same minute or an earlier one is taken as it is. One that would show
/// a later minute is taken when it lies [`REAL_REVISION_MS`] or more beyond the anchor; before that
/// the latest moment is published that still shows the minute people have.
#[must_use]
pub const fn hold(prev: Option<Published>, estimate: UnixMs, now: UnixMs) -> Published {
    let taken = Published { shown: estimate, anchor: estimate };
    let Some(prev) = prev else { return taken };
    if estimate.0 <= prev.shown.0 || estimate.0.saturating_sub(prev.anchor.0) >= REAL_REVISION_MS {
        return taken;
    }
    let minute = minutes_left(prev.shown, now);
    if minutes_left(estimate, now) <= minute {
        // The anchor stays: many small steps up must add up to one real revision.
        return Published { shown: estimate, anchor: prev.anchor };
    }
    let last_of_minute = UnixMs(now.0.saturating_add((minute + 1) * MINUTE_MS - 1));
    Published { shown: last_of_minute, anchor: prev.anchor }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> UnixMs {
        UnixMs::from_secs(1_795_354_800 + secs)
    }

    fn told(shown: i64, anchor: i64) -> Published {
        Published { shown: at(shown), anchor: at(anchor) }
    }

    #[test]
    fn what_was_never_told_is_taken() {
        assert_eq!(hold(None, at(430), at(0)), told(430, 430));
    }

    #[test]
    fn an_earlier_estimate_is_always_taken() {
        assert_eq!(hold(Some(told(430, 430)), at(20), at(0)), told(20, 20));
    }

    #[test]
    fn a_small_rise_within_the_minute_shows_and_keeps_its_anchor() {
        assert_eq!(hold(Some(told(430, 430)), at(470), at(0)), told(470, 430));
    }

    #[test]
    fn a_small_rise_across_the_minute_is_held_at_its_end() {
        let held = hold(Some(told(430, 430)), at(545), at(0));
        assert_eq!(held, Published { shown: UnixMs(at(480).0 - 1), anchor: at(430) });
        assert_eq!(minutes_left(held.shown, at(0)), 7);
    }

    #[test]
    fn small_rises_add_up_to_a_real_one() {
        let mut p = Some(told(430, 430));
        for (now, estimate, minute) in [(10, 470, 7), (20, 500, 7), (30, 530, 7), (40, 549, 7), (50, 551, 8)] {
            let next = hold(p, at(estimate), at(now));
            assert_eq!(minutes_left(next.shown, at(now)), minute, "at {now}");
            p = Some(next);
        }
        assert_eq!(p, Some(told(551, 551)));
    }

    #[test]
    fn a_revision_of_two_minutes_is_taken_at_once() {
        assert_eq!(hold(Some(told(430, 430)), at(550), at(0)), told(550, 550));
        assert_ne!(hold(Some(told(430, 430)), at(549), at(0)), told(549, 549));
    }

    #[test]
    fn a_vehicle_that_stands_at_the_door_stays_now() {
        let mut p = told(5, 5);
        for now in 5..90 {
            p = hold(Some(p), at(now + 20), at(now));
            assert_eq!(minutes_left(p.shown, at(now)), 0);
        }
    }

    proptest! {
        /// Over any sequence: the minute on the board rises only when the estimate lies two minutes
        /// or more beyond one that was honestly shown before.
        #[test]
        fn rule_1_a_countdown_never_rises_without_a_real_revision(
            first in 0i64..3600,
            steps in prop::collection::vec((1i64..90, -200i64..200), 1..60),
        ) {
            let (mut now, mut estimate) = (0, first);
            let mut p = hold(None, at(first), at(0));
            let mut lowest = estimate;
            for (dt, change) in steps {
                now += dt;
                estimate = (estimate + change).max(now);
                let before = minutes_left(p.shown, at(now));
                let next = hold(Some(p), at(estimate), at(now));
                lowest = lowest.min(estimate);
                if minutes_left(next.shown, at(now)) > before {
                    prop_assert!(at(estimate).secs_since(p.anchor) >= 120);
                    prop_assert!(estimate - lowest >= 120);
                    prop_assert_eq!(next, told(estimate, estimate));
                    lowest = estimate;
                }
                p = next;
            }
        }

        /// What is published is never later than the estimate, and the estimate never lies two
        /// minutes beyond what people were last honestly told.
        #[test]
        fn holding_back_is_bounded(
            first in 0i64..3600,
            steps in prop::collection::vec((1i64..60, -200i64..200), 1..60),
        ) {
            let (mut now, mut estimate) = (0, first);
            let mut p = hold(None, at(first), at(0));
            for (dt, change) in steps {
                now += dt;
                estimate = (estimate + change).max(now);
                p = hold(Some(p), at(estimate), at(now));
                prop_assert!(p.shown <= at(estimate));
                prop_assert!(at(estimate).0 - p.anchor.0 < REAL_REVISION_MS);
            }
        }
    }
}
