//! Where vehicles come to a halt at a stop, against the place the feed gives for it: a platform's pole
//! stands where the train's middle never comes, a bus stops at the end of its bay. Learned from where they
//! are seen to stand; keyed by the link into the stop, so that each direction of approach has its own.
//! Not here: when a vehicle has arrived (`engine/run.rs` says that with it).

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use transit_model::timetable::LinkKey;

/// A halt farther before the pole than this is a queue or a light, metres.
pub const FARTHEST_BEFORE: f32 = 110.0;
/// And farther behind it.
pub const FARTHEST_BEHIND: f32 = 50.0;
/// The median moves by this at first, and by ever less, metres.
const FIRST_STEP: f32 = 16.0;
/// And never by less, so that a stop that is moved is followed.
const LAST_STEP: f32 = 0.5;

/// The usual halt at one stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Halt {
    /// Halts seen, up to a thousand.
    seen: u16,
    /// Their running median, metres behind the pole; before it is negative.
    offset: f32,
}

/// Where vehicles halt, by the link into the stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Halts {
    at: FxHashMap<LinkKey, Halt>,
}

impl Halts {
    /// How far behind the feed's place vehicles halt at the end of a link, metres; before it is negative, and
    /// so is 0 for a stop at which none was seen.
    #[must_use]
    pub fn offset(&self, into: LinkKey) -> f32 {
        self.at.get(&into).map_or(0.0, |h| h.offset)
    }

    /// Takes in that a vehicle stood so many metres behind a stop.
    pub fn learn(&mut self, into: LinkKey, offset: f32) {
        let h = self.at.entry(into).or_default();
        let step = (FIRST_STEP / f32::from(h.seen + 1)).max(LAST_STEP);
        h.offset += (offset - h.offset).clamp(-step, step);
        h.seen = (h.seen + 1).min(1000);
    }

    /// Whether what the store kept makes sense.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.at.values().all(|h| h.offset.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L: LinkKey = LinkKey(9);

    #[test]
    fn a_stop_nobody_stood_at_is_where_the_feed_says() {
        assert_eq!(Halts::default().offset(L), 0.0);
    }

    #[test]
    fn it_finds_the_usual_place_among_a_few_odd_ones_and_follows_when_it_moves() {
        let mut h = Halts::default();
        for n in 0..60 {
            h.learn(L, if n % 7 == 0 { 30.0 } else { -40.0 });
        }
        assert!((h.offset(L) + 40.0).abs() < 8.0, "{}", h.offset(L));
        for _ in 0..120 {
            h.learn(L, 5.0);
        }
        assert!((h.offset(L) - 5.0).abs() < 2.0, "{}", h.offset(L));
    }
}
