//! What the senders count. Nothing that goes wrong on a wire is without a number here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::wire::Fault;

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) resent: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) unencodable: AtomicU64,
    pub(super) unequipped: AtomicU64,
    pub(super) damaged: AtomicU64,
}

/// What the fleet's senders have done since they started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Stats {
    /// Records handed to a connection, each time they were.
    pub sent: u64,
    /// Records the server has taken.
    pub acknowledged: u64,
    /// Records sent once more because nobody acknowledged them.
    pub resent: u64,
    /// Connections opened and let in. HTTP keeps its own and counts none.
    pub connections: u64,
    /// Attempts that found nobody listening.
    pub unreachable: u64,
    /// Logins or records that the server refused.
    pub refused: u64,
    /// Connections that broke, or on which something else was said than expected.
    pub broken: u64,
    /// Attempts that got no answer in time.
    pub timed_out: u64,
    /// Records that do not fit their protocol; given up.
    pub unencodable: u64,
    /// Vehicles of a later day that have no device on the list; they do not run.
    pub unequipped: u64,
    /// Messages damaged on purpose, before they were sent right.
    pub damaged: u64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        let counter = match fault {
            Fault::Unreachable(_) => &self.unreachable,
            Fault::Refused(_) => &self.refused,
            Fault::Broken(_) => &self.broken,
            Fault::TimedOut => &self.timed_out,
            Fault::Unencodable(_) => &self.unencodable,
        };
        Self::add(counter, 1);
    }

    pub(super) fn snapshot(&self) -> Stats {
        let read = |c: &AtomicU64| c.load(Relaxed);
        Stats {
            sent: read(&self.sent),
            acknowledged: read(&self.acknowledged),
            resent: read(&self.resent),
            connections: read(&self.connections),
            unreachable: read(&self.unreachable),
            refused: read(&self.refused),
            broken: read(&self.broken),
            timed_out: read(&self.timed_out),
            unencodable: read(&self.unencodable),
            unequipped: read(&self.unequipped),
            damaged: read(&self.damaged),
        }
    }
}
