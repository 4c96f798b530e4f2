//! One value told to many: a snapshot for whoever comes, then what changed, with a sequence number;
//! whoever lost the thread picks it up where it was or gets a snapshot. Serialised once for all.
//!
//! No sockets and no clock in here: the shell says when to advance.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast;

/// Something that can be told whole and in differences.
pub trait Told {
    /// The whole of it, as a message.
    fn snapshot(&self, seq: u64) -> String;
    /// What turns `self` into `next`, as a message; `None` when that is nothing but the time.
    fn change(&self, next: &Self, seq: u64) -> Option<String>;
    /// That it still holds, as a message.
    fn heartbeat(&self, seq: u64) -> String;
}

/// How many messages a subscriber may be behind, and how many a returning one may have missed.
const KEPT: usize = 32;

/// A value and those who follow it.
#[derive(Debug)]
pub struct Channel<T> {
    seq: u64,
    value: T,
    recent: VecDeque<(u64, Utf8Bytes)>,
    sender: broadcast::Sender<Utf8Bytes>,
}

/// What a subscriber gets: messages to send at once, and those to come.
#[derive(Debug)]
pub struct Joined {
    /// To send at once, in order.
    pub first: Vec<Utf8Bytes>,
    /// What comes after.
    pub next: broadcast::Receiver<Utf8Bytes>,
}

impl<T: Told> Channel<T> {
    /// A channel whose first message has this number. Numbers of two lives of one channel must not
    /// meet: begin with the time.
    #[must_use]
    pub fn new(seq: u64, value: T) -> Self {
        let (sender, _) = broadcast::channel(KEPT);
        Self { seq, value, recent: VecDeque::with_capacity(KEPT), sender }
    }

    /// Tells everybody what `next` changes; on a `beat`, that nothing did.
    pub fn advance(&mut self, next: T, beat: bool) {
        let message = self.value.change(&next, self.seq + 1);
        self.value = next;
        if let Some(text) = message {
            self.seq += 1;
            let text = Utf8Bytes::from(text);
            if self.recent.len() == KEPT {
                self.recent.pop_front();
            }
            self.recent.push_back((self.seq, text.clone()));
            self.tell(text);
        } else if beat {
            self.tell(Utf8Bytes::from(self.value.heartbeat(self.seq)));
        }
    }

    fn tell(&self, text: Utf8Bytes) {
        // An error only says that nobody follows just now.
        let _ = self.sender.send(text);
    }

    /// Joins, having taken the message `after` already.
    #[must_use]
    pub fn join(&self, after: Option<u64>) -> Joined {
        let missed = after.filter(|a| *a <= self.seq).and_then(|after| {
            let missed: Vec<_> = self.recent.iter().filter(|(s, _)| *s > after).map(|(_, t)| t.clone()).collect();
            (u64::try_from(missed.len()).ok()? == self.seq - after).then_some(missed)
        });
        let first = match missed {
            Some(missed) if missed.is_empty() => vec![Utf8Bytes::from(self.value.heartbeat(self.seq))],
            Some(missed) => missed,
            None => vec![Utf8Bytes::from(self.value.snapshot(self.seq))],
        };
        Joined { first, next: self.sender.subscribe() }
    }

    /// How many follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.sender.receiver_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Told for i32 {
        fn snapshot(&self, seq: u64) -> String {
            format!("{seq}={self}")
        }
        fn change(&self, next: &Self, seq: u64) -> Option<String> {
            (self != next).then(|| format!("{seq}+{}", next - self))
        }
        fn heartbeat(&self, seq: u64) -> String {
            format!("{seq}.")
        }
    }

    fn all(mut j: Joined) -> Vec<String> {
        let mut out: Vec<_> = j.first.iter().map(|t| t.as_str().to_owned()).collect();
        while let Ok(t) = j.next.try_recv() {
            out.push(t.as_str().to_owned());
        }
        out
    }

    #[test]
    fn a_snapshot_then_changes_and_beats_only_when_nothing_changed() {
        let mut c = Channel::new(100, 1);
        let j = c.join(None);
        c.advance(3, true);
        c.advance(3, false);
        c.advance(3, true);
        c.advance(4, false);
        assert_eq!(all(j), ["100=1", "101+2", "101.", "102+1"]);
    }

    #[test]
    fn whoever_returns_gets_what_was_missed_or_a_snapshot() {
        let mut c = Channel::new(100, 1);
        for n in 2..=5 {
            c.advance(n, false);
        }
        assert_eq!(all(c.join(Some(102))), ["103+1", "104+1"]);
        assert_eq!(all(c.join(Some(104))), ["104."], "nothing missed");
        assert_eq!(all(c.join(Some(100))).len(), 4);
        for stranger in [99, 105, 0, u64::MAX] {
            assert_eq!(all(c.join(Some(stranger))), ["104=5"], "after {stranger}");
        }
        for n in 6..=100 {
            c.advance(n, false);
        }
        assert_eq!(all(c.join(Some(102))), ["199=100"], "too long ago");
    }

    #[test]
    fn memory_is_bounded_and_the_slow_are_told_that_they_missed_something() {
        let mut c = Channel::new(0, 0);
        let mut slow = c.join(None);
        for n in 1..=1000 {
            c.advance(n, false);
        }
        assert!(c.recent.len() <= KEPT);
        assert!(matches!(slow.next.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
    }
}
