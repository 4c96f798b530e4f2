//! When to ask a source again: a pure structure.

use std::time::Duration;

use transit_model::backoff::{Backoff, Policy};

/// The longest wait of a source that fails, unless it is asked more seldom when it does not.
const MOST: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    backoff: Backoff,
    state: State,
    /// The server has asked for so much.
    away: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Good,
    Failing,
}

impl Pace {
    /// For a source to be asked every so often.
    pub(super) fn new(every: Duration) -> Self {
        let backoff = Backoff::new(Policy { first: every * 2, most: MOST.max(every) });
        Self { every, backoff, state: State::New, away: None }
    }

    /// The server asks to be left alone for so long.
    pub(super) fn asked_to_wait(&mut self, away: Option<Duration>) {
        self.away = away;
    }

    /// Takes in whether the last question was answered.
    pub(super) fn asked(&mut self, well: bool) {
        if well {
            self.backoff.reset();
            self.away = None;
        }
        self.state = if well { State::Good } else { State::Failing };
    }

    /// How long to wait now. `chance` is 0..=1: many servers that ask the same publisher should not do so at once.
    pub(super) fn wait(&mut self, chance: f64) -> Duration {
        match self.state {
            State::New => Duration::ZERO,
            State::Good => self.every.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0)),
            State::Failing => self.backoff.wait(chance).max(self.away.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_asked_at_once_then_every_so_often_and_ever_less_while_it_fails() {
        let secs = Duration::from_secs;
        let mut pace = Pace::new(secs(10));
        assert_eq!(pace.wait(0.7), Duration::ZERO);
        pace.asked(true);
        assert_eq!((pace.wait(0.0), pace.wait(0.5), pace.wait(1.0)), (secs(9), secs(10), secs(11)));
        let mut waits = Vec::new();
        for _ in 0..7 {
            pace.asked(false);
            waits.push(pace.wait(1.0).as_secs());
        }
        assert_eq!(waits, [20, 40, 80, 160, 300, 300, 300]);
        pace.asked(false);
        assert_eq!(pace.wait(0.0), secs(150), "by chance half of it");
        pace.asked(true);
        assert_eq!(pace.wait(0.5), secs(10));
    }

    #[test]
    fn a_server_that_asks_to_be_left_alone_is() {
        let mut pace = Pace::new(Duration::from_secs(10));
        pace.asked_to_wait(Some(Duration::from_secs(600)));
        pace.asked(false);
        assert_eq!(pace.wait(0.0), Duration::from_secs(600));
        pace.asked(true);
        pace.asked(false);
        assert_eq!(pace.wait(1.0), Duration::from_secs(20));
    }
}
