//! Coverage: of the minutes in which a passenger may have looked, those in which there was something to see.

use transit_model::time::UnixMs;

use super::measure::Share;

/// Minutes before an arrival in which somebody may look, from 1.
const MINUTES: i64 = 15;
/// A vehicle may be silent for so long after its first stop of a trip, or after the beginning, ms.
const GRACE: i64 = 90_000;
/// Predictions are told apart by half-minutes, ms.
const HALF: i64 = 30_000;
/// A prediction counts in its own half-minute and the two after it: it is not older than 90 s.
const LASTS: i64 = 3;

/// The half-minutes near an arrival in which predictions were made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen(u64);

impl Seen {
    fn bit(arrival: UnixMs, half: i64) -> Option<u64> {
        let first = (arrival.0 - MINUTES * 60_000).div_euclid(HALF) - (LASTS - 1);
        u32::try_from(half - first).ok().and_then(|n| 1u64.checked_shl(n))
    }

    /// Notes that a prediction for this arrival was made.
    pub fn note(&mut self, arrival: UnixMs, made: UnixMs) {
        self.0 |= Self::bit(arrival, made.0.div_euclid(HALF)).unwrap_or(0);
    }

    fn has(self, arrival: UnixMs, half: i64) -> bool {
        Self::bit(arrival, half).is_some_and(|b| self.0 & b != 0)
    }
}

/// Adds up the minutes 1..=15 before an arrival: from 90 s after the vehicle's first arrival of the trip
/// (`first`), and within `window` (from 90 s after its beginning).
pub fn count(arrival: UnixMs, first: UnixMs, window: Option<(UnixMs, UnixMs)>, seen: Seen, share: &mut Share) {
    for k in 1..=MINUTES {
        let minute = UnixMs(arrival.0 - k * 60_000);
        let outside = window.is_some_and(|(from, to)| minute.0 < from.0 + GRACE || minute >= to);
        if outside || minute.0 < first.0 + GRACE {
            continue;
        }
        let half = minute.0.div_euclid(HALF);
        share.add((0..LASTS).any(|n| seen.has(arrival, half - n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(made: &[i64], first: i64, window: Option<(i64, i64)>) -> (u64, u64) {
        let at = |s: i64| UnixMs::from_secs(1_800_000_000 + s);
        let (mut seen, mut share) = (Seen::default(), Share::default());
        made.iter().for_each(|m| seen.note(at(0), at(*m)));
        count(at(0), at(first), window.map(|(a, b)| (at(a), at(b))), seen, &mut share);
        (share.good, share.of)
    }

    #[test]
    fn a_minute_is_covered_by_a_prediction_of_its_half_minute_or_the_two_before() {
        assert_eq!(counted(&[], -2000, None), (0, 15));
        // Made at −300: the minutes −300 (its own half), −240 (two halves later); not −180.
        assert_eq!(counted(&[-300], -2000, None), (2, 15));
        assert_eq!(counted(&[-330], -2000, None), (1, 15));
        assert_eq!(counted(&(0..20).map(|n| -60 * n).collect::<Vec<_>>(), -2000, None), (15, 15));
        assert_eq!(counted(&[-5000, 10], -2000, None), (0, 15), "too far off to matter");
    }

    #[test]
    fn minutes_before_the_first_stop_and_outside_the_window_are_nobodys() {
        assert_eq!(counted(&[-300], -390, None).1, 5);
        assert_eq!(counted(&[], -2000, Some((-690, -120))).1, 8, "minutes 10 to 3");
    }
}
