//! A server's clock, as a client follows it between messages: labels, ages and expiries count by
//! the server's time, so that a board with a wrong clock of its own still tells the right one.

use crate::time::UnixMs;

/// A step back of at most this much real time is a message that was longer on its way than the one
/// before; anything more is a server whose clock was set.
const LATENESS_MS: f64 = 2_000.0;

/// The server's clock.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct FollowedClock {
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Anchor {
    server: UnixMs,
    local: UnixMs,
    speed: f64,
}

impl Anchor {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "ms since one message; saturates")]
    fn at(self, local: UnixMs) -> UnixMs {
        let elapsed = local.0.saturating_sub(self.local.0).max(0) as f64 * self.speed;
        UnixMs(self.server.0.saturating_add(elapsed as i64))
    }
}

impl FollowedClock {
    /// A message of the server, taken at `local`, said it was `server`, on a clock that gains
    /// `speed` seconds a second. A slightly older time than the one already counted is ignored: a
    /// message that was slow on its way must not turn a countdown back.
    pub fn hear(&mut self, server: UnixMs, local: UnixMs, speed: f64) {
        let speed = if speed.is_finite() { speed.max(0.0) } else { 1.0 };
        if let Some(have) = self.anchor.filter(|have| have.speed.total_cmp(&speed).is_eq()) {
            #[expect(clippy::cast_precision_loss, reason = "a difference of two moments")]
            let back = have.at(local).0.saturating_sub(server.0) as f64;
            if back > 0.0 && back <= LATENESS_MS * speed {
                return;
            }
        }
        self.anchor = Some(Anchor { server, local, speed });
    }

    /// What time the server has at the local moment `local`; `None` before it was ever heard.
    #[must_use]
    pub fn at(&self, local: UnixMs) -> Option<UnixMs> {
        self.anchor.map(|a| a.at(local))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_runs_on_between_messages_at_the_servers_speed() {
        let mut c = FollowedClock::default();
        assert_eq!(c.at(UnixMs(5)), None);
        c.hear(UnixMs(1_000_000), UnixMs(50), 10.0);
        assert_eq!(c.at(UnixMs(50)), Some(UnixMs(1_000_000)));
        assert_eq!(c.at(UnixMs(1_050)), Some(UnixMs(1_010_000)));
        assert_eq!(c.at(UnixMs(0)), Some(UnixMs(1_000_000)), "a local clock set back does not turn it back");
    }

    #[test]
    fn a_slow_message_does_not_turn_it_back_and_a_clock_that_was_set_does() {
        let mut c = FollowedClock::default();
        c.hear(UnixMs(100_000), UnixMs(0), 1.0);
        c.hear(UnixMs(100_700), UnixMs(1_000), 1.0);
        assert_eq!(c.at(UnixMs(1_000)), Some(UnixMs(101_000)));
        c.hear(UnixMs(60_000), UnixMs(2_000), 1.0);
        assert_eq!(c.at(UnixMs(2_000)), Some(UnixMs(60_000)));
    }

    proptest! {
        #[test]
        fn it_never_turns_back_while_messages_are_only_late(
            speed in 0.5f64..60.0, steps in prop::collection::vec((1i64..20_000, 0i64..1_900), 1..40)
        ) {
            let mut c = FollowedClock::default();
            let (mut local, mut before) = (0i64, UnixMs(i64::MIN));
            for (gone, late) in steps {
                local += gone;
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small")]
                let said = UnixMs(((local - late) as f64 * speed) as i64);
                c.hear(said, UnixMs(local), speed);
                let shown = c.at(UnixMs(local)).unwrap();
                prop_assert!(shown >= before);
                prop_assert!(shown >= said);
                before = shown;
            }
        }
    }
}
