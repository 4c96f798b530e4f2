//! A tracker's connection, whatever it speaks.

use std::io;

use tracker_ingest::codec::{EncodeError, Position, Protocol, Record};
use transit_model::fix::Fix;
use transit_model::ids::FeedId;

use super::{mqtt, osmand, teltonika};
use crate::tracker::Tracker;

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
    Teltonika(teltonika::Wire),
    Osmand(osmand::Wire),
    Mqtt(Box<mqtt::Wire>),
}

impl Wire {
    /// A connection of this tracker to this endpoint, not yet open.
    pub(super) fn to(tracker: &Tracker, endpoint: &str, token: &str, feed: &FeedId, http: &reqwest::Client) -> Self {
        let (device, token) = (tracker.device.clone(), token.to_owned());
        match tracker.protocol {
            Protocol::Teltonika => Self::Teltonika(teltonika::Wire::to(endpoint, device)),
            Protocol::Osmand => Self::Osmand(osmand::Wire::to(endpoint, device, token, http.clone())),
            Protocol::MqttJson => Self::Mqtt(Box::new(mqtt::Wire::to(endpoint, device, token, feed))),
        }
    }

    /// How many records go in one message.
    pub(super) const fn most(&self) -> usize {
        match self {
            Self::Teltonika(_) => teltonika::MOST,
            Self::Osmand(_) | Self::Mqtt(_) => 1,
        }
    }

    /// Sends records, opening the connection if it is not, and waits until the server has taken
    /// them. After a fault the connection is to be hung up.
    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<Delivered, Fault> {
        match self {
            Self::Teltonika(w) => w.deliver(records).await,
            Self::Osmand(w) => w.deliver(records).await,
            Self::Mqtt(w) => w.deliver(records).await,
        }
    }

    /// Keeps an open connection alive; ends only when it breaks.
    pub(super) async fn idle(&mut self) -> Fault {
        match self {
            Self::Teltonika(w) => w.idle().await,
            Self::Osmand(_) => std::future::pending().await,
            Self::Mqtt(w) => w.idle().await,
        }
    }

    /// Closes the connection.
    pub(super) fn hang_up(&mut self) {
        match self {
            Self::Teltonika(w) => w.hang_up(),
            Self::Osmand(_) => {}
            Self::Mqtt(w) => w.hang_up(),
        }
    }
}

/// A fix as a tracker's record.
pub(super) fn record(fix: &Fix) -> Record {
    let position = Position {
        lat: fix.lat,
        lon: fix.lon,
        speed: fix.speed,
        bearing: fix.bearing,
        satellites: Some(11),
        valid: true,
        ..Position::default()
    };
    Record { reported: fix.reported.clone(), ..Record::at(fix.time, position) }
}
