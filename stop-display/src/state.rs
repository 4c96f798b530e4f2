//! A board's memory: what it was sent, by which clock it counts, whether the link stands. No I/O.

use transit_model::board::{Gap, LiveBoard, LiveMessage};
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
        /// Why, for whoever mends it.
        why: String,
    },
}

/// Everything a board knows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Display {
    live: LiveBoard,
    clock: FollowedClock,
    link: Link,
}

impl Display {
    /// Takes a message that came at the local moment `local`.
    ///
    /// # Errors
    /// When a message before it is missing: the link must be made anew, without `after`.
    pub fn take(&mut self, message: LiveMessage, local: UnixMs) -> Result<(), Gap> {
        self.live.take(message)?;
        if let Some(board) = self.live.board() {
            self.clock.hear(board.now, local, board.clock_speed);
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

    /// The board as the messages so far make it.
    #[must_use]
    pub const fn live(&self) -> &LiveBoard {
        &self.live
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// What the server's clock says at the local moment `local`; `None` before a board came.
    #[must_use]
    pub fn server_time(&self, local: UnixMs) -> Option<UnixMs> {
        self.clock.at(local)
    }
}
