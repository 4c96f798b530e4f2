//! The stream's client side: the feed's state as the messages so far make it, the server's clock,
//! whether the link stands. No I/O.

use transit_model::board::Gap;
use transit_model::dispatch::{DispatchMessage, DispatchState};
use transit_model::follow::FollowedClock;
use transit_model::time::UnixMs;

/// The link to the server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Link {
    /// Not tried to the end yet.
    #[default]
    Connecting,
    /// Messages come.
    Up,
    /// They do not.
    Lost {
        /// When the last connection ended, or the first attempt failed, on the local clock.
        since: UnixMs,
        /// Why.
        why: String,
    },
}

/// Everything that is known of the feed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Live {
    seq: Option<u64>,
    state: Option<Box<DispatchState>>,
    clock: FollowedClock,
    link: Link,
}

impl Live {
    /// Takes a message that came at the local moment `local`.
    ///
    /// # Errors
    /// When a message before it is missing: the link must be made anew.
    pub fn take(&mut self, message: DispatchMessage, local: UnixMs) -> Result<(), Gap> {
        match message {
            DispatchMessage::Snapshot { seq, mut state } => {
                // Changes are applied by binary search.
                state.vehicles.sort_by(|a, b| a.id.cmp(&b.id));
                self.seq = Some(seq);
                self.state = Some(state);
            }
            DispatchMessage::Change { seq, change } => {
                let gap = Gap { have: self.seq, got: seq };
                let follows = self.seq.is_some_and(|have| have + 1 == seq);
                self.state.as_mut().filter(|_| follows).ok_or(gap)?.apply(change);
                self.seq = Some(seq);
            }
            DispatchMessage::Heartbeat { seq, now } => {
                let gap = Gap { have: self.seq, got: seq };
                self.state.as_mut().filter(|_| self.seq == Some(seq)).ok_or(gap)?.now = now;
            }
        }
        if let Some(state) = &self.state {
            self.clock.hear(state.now, local, state.clock_speed);
        }
        self.link = Link::Up;
        Ok(())
    }

    /// The connection was made.
    pub fn connected(&mut self) {
        self.link = Link::Up;
    }

    /// The connection ended, or could not be made. The first moment stays.
    pub fn lost(&mut self, local: UnixMs, why: String) {
        let since = match self.link {
            Link::Lost { since, .. } => since,
            Link::Connecting | Link::Up => local,
        };
        self.link = Link::Lost { since, why };
    }

    /// The last message taken.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// The feed's state, once a snapshot has come.
    #[must_use]
    pub fn state(&self) -> Option<&DispatchState> {
        self.state.as_deref()
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// What the server's clock says at the local moment `local`; `None` before a snapshot came.
    #[must_use]
    pub fn server_time(&self, local: UnixMs) -> Option<UnixMs> {
        self.clock.at(local)
    }
}
