//! A tracker's connection, whatever it speaks.

use std::io;

use tracker_ingest::codec::{EncodeError, Protocol, Record};
use transit_model::ids::FeedId;

use super::endpoints::Endpoint;
use super::{mqtt, osmand, stream};
use crate::tracker::Tracker;
use crate::tracker::fault::Damage;

/// Why records were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("nobody listens: {0}")]
    Unreachable(String),
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("a record does not fit the protocol: {0}")]
    Unencodable(#[from] EncodeError),
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Self::Unreachable(e.to_string())
            }
            _ => Self::Broken(e.to_string()),
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Delivered {
    /// So many records, from the first on, are the server's now.
    pub(super) taken: usize,
    /// A new connection was opened for it.
    pub(super) connected: bool,
}

/// A tracker's connection.
pub(super) enum Wire {
    Stream(stream::Wire),
    Osmand(osmand::Wire),
    Mqtt(Box<mqtt::Wire>),
}

impl Wire {
    /// A connection of this tracker to this endpoint, not yet open.
    pub(super) fn to(
        tracker: &Tracker,
        endpoint: &Endpoint,
        token: &str,
        feed: &FeedId,
        http: &reqwest::Client,
    ) -> Self {
        let (device, token) = (tracker.says.clone(), token.to_owned());
        match tracker.protocol.stream() {
            Some(codec) => Self::Stream(stream::Wire::to(endpoint, device, codec)),
            None if tracker.protocol == Protocol::Osmand => {
                Self::Osmand(osmand::Wire::to(&endpoint.address, device, token, http.clone()))
            }
            None => Self::Mqtt(Box::new(mqtt::Wire::to(&endpoint.address, device, token, feed))),
        }
    }

    /// How many records go in one message.
    pub(super) const fn most(&self) -> usize {
        match self {
            Self::Stream(w) => w.most(),
            Self::Osmand(_) | Self::Mqtt(_) => 1,
        }
    }

    /// Sends records so that nobody can read them, and hangs up; says whether it did. HTTP and MQTT have
    /// no frames of their own that could be damaged: TCP mends or breaks.
    pub(super) async fn deliver_damaged(&mut self, records: &[Record], how: Damage) -> Result<bool, Fault> {
        match self {
            Self::Stream(w) => w.deliver_damaged(records, how).await.map(|()| true),
            Self::Osmand(_) | Self::Mqtt(_) => Ok(false),
        }
    }

    /// Sends records, opening the connection if it is not, and waits until the server has taken
    /// them. After a fault the connection is to be hung up.
    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<Delivered, Fault> {
        match self {
            Self::Stream(w) => w.deliver(records).await,
            Self::Osmand(w) => w.deliver(records).await,
            Self::Mqtt(w) => w.deliver(records).await,
        }
    }

    /// Keeps an open connection alive; ends only when it breaks.
    pub(super) async fn idle(&mut self) -> Fault {
        match self {
            Self::Stream(w) => w.idle().await,
            Self::Osmand(_) => std::future::pending().await,
            Self::Mqtt(w) => w.idle().await,
        }
    }

    /// Closes the connection.
    pub(super) fn hang_up(&mut self) {
        match self {
            Self::Stream(w) => w.hang_up(),
            Self::Osmand(_) => {}
            Self::Mqtt(w) => w.hang_up(),
        }
    }
}
