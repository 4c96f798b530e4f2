//! A device's connection: log in, tell records, hear the answer. What is counted and when is its user's.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::codec::stream::{Answer, Terminal};
use tracker_ingest::codec::{DeviceKey, EncodeError, Protocol, Record};

/// An answer longer than this is none, bytes.
const LONGEST_ANSWER: usize = 4096;

/// Whom to talk to, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer<'a> {
    pub(super) protocol: Protocol,
    /// `host:port`.
    pub(super) server: &'a str,
    /// It answers nothing, and nothing is waited for.
    pub(super) blind: bool,
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("nobody listens")]
    Unreachable,
    #[error("refused")]
    Refused,
    #[error("the connection broke")]
    Lost,
    #[error("a record does not fit the protocol: {0}")]
    Unencodable(#[from] EncodeError),
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

/// An open connection of a device that is logged in.
pub(super) struct Link {
    stream: TcpStream,
    terminal: Box<dyn Terminal>,
    heard: Vec<u8>,
    blind: bool,
}

impl Link {
    /// Opens a device's connection and logs in.
    pub(super) async fn open(peer: Peer<'_>, device: &DeviceKey) -> Result<Self, Fault> {
        let codec = peer.protocol.stream().ok_or(Fault::Refused)?;
        let mut terminal = (codec.terminal)(device);
        let stream = TcpStream::connect(peer.server).await.map_err(|e| match e.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Fault::Lost,
            _ => Fault::Unreachable,
        })?;
        stream.set_nodelay(true)?;
        let hello = terminal.hello()?;
        let mut link = Self { stream, terminal, heard: Vec::new(), blind: peer.blind };
        if !hello.is_empty() {
            link.stream.write_all(&hello).await?;
            link.hear().await?;
        }
        Ok(link)
    }

    /// How many of so many records the next message holds.
    pub(super) fn most(&self, records: usize) -> usize {
        self.terminal.most().clamp(1, records.max(1))
    }

    /// Writes a message of records, no more than [`Self::most`]; [`Self::hear`] is next.
    pub(super) async fn tell(&mut self, records: &[Record]) -> Result<(), Fault> {
        let bytes = self.terminal.tell(records)?;
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// Waits for the answer to what was said last.
    pub(super) async fn hear(&mut self) -> Result<(), Fault> {
        let mut buffer = [0u8; 256];
        while !self.blind {
            match self.terminal.hear(&self.heard) {
                Ok(Answer::Taken(n)) => {
                    self.heard.drain(..n.min(self.heard.len()));
                    return Ok(());
                }
                Ok(Answer::Unfinished) if self.heard.len() < LONGEST_ANSWER => {}
                Ok(_) | Err(_) => return Err(Fault::Refused),
            }
            match self.stream.read(&mut buffer).await? {
                0 => return Err(Fault::Lost),
                n => self.heard.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            }
        }
        Ok(())
    }

    /// Leaves.
    pub(super) async fn close(mut self) {
        if self.blind {
            // What was written may still be on its way. A connection that is gone already needs no farewell.
            drop(self.stream.shutdown().await);
        } else {
            // Everything is acknowledged. A reset leaves no port waiting for a minute, which thousands of
            // turns a second would run out of.
            drop(self.stream.set_zero_linger());
        }
    }
}
