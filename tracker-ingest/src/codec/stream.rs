//! What the protocols that run over a stream of bytes share: the two ends of a connection as the rest of
//! the world sees them, and the buffer in which messages get their bounds.
//!
//! A protocol's file has a [`Dialect`] (the server's end: where a message ends, what it says, what it is
//! answered) and a [`Terminal`] (the device's end, for the simulator, the tests and the benches), and
//! names both in its [`StreamCodec`]. Not here: any protocol, any socket, any clock.

use std::fmt;

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::{DecodeError, DeviceKey, Message, Outcome, Record, Sniff};

/// A protocol over a stream of bytes: TCP, or UDP with a session to each datagram's sender.
#[derive(Clone, Copy, Debug)]
pub struct StreamCodec {
    /// Looks at the first bytes of a connection.
    pub sniff: fn(&[u8]) -> Sniff,
    /// A new connection, as the server reads it.
    pub session: fn() -> Box<dyn Session>,
    /// The same for a device that speaks over UDP.
    pub datagrams: fn() -> Box<dyn Session>,
    /// A device that speaks it.
    pub terminal: fn(&DeviceKey) -> Box<dyn Terminal>,
}

/// A message and what it would be answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Heard {
    /// What was said.
    pub message: Message,
    /// The bytes to write back, made when the message was read: they may echo its serial number.
    pub reply: Reply,
}

/// The answers to a message; each may be empty, which is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// When the login was let in, or the records are durable.
    pub taken: Vec<u8>,
    /// When they were refused: the tracker must keep its records.
    pub refused: Vec<u8>,
}

impl Reply {
    /// Nothing, whatever becomes of the message.
    #[must_use]
    pub const fn none() -> Self {
        Self { taken: Vec::new(), refused: Vec::new() }
    }

    /// An answer to what was taken, nothing to what was refused.
    #[must_use]
    pub const fn taken(bytes: Vec<u8>) -> Self {
        Self { taken: bytes, refused: Vec::new() }
    }

    /// The answer to this outcome.
    #[must_use]
    pub fn to(self, outcome: Outcome) -> Vec<u8> {
        match outcome {
            Outcome::Taken => self.taken,
            Outcome::Refused => self.refused,
        }
    }
}

/// One connection as the server reads it: fed bytes as they come, yields messages. Holds at most one
/// unfinished message.
pub trait Session: Send + fmt::Debug {
    /// Takes bytes off the wire. Call [`Self::next_message`] until it has no more before feeding again.
    fn feed(&mut self, bytes: &[u8]);

    /// How many bytes of an unfinished message are held.
    fn pending(&self) -> usize;

    /// The next whole message, or `None` until more bytes come. `now` is the server's clock, which some
    /// answers carry.
    ///
    /// # Errors
    /// The message cannot be read. It has been passed over and the connection can go on, save when
    /// [`super::DecodeErrorKind::loses_framing`]: then nothing more will be yielded.
    fn next_message(&mut self, now: UnixMs) -> Result<Option<Heard>, DecodeError>;

    /// Says that no more bytes belong to the current message, and forgets what is held: a datagram ends
    /// so, and a recorded message whose line end was cut off.
    ///
    /// # Errors
    /// There was an unfinished message, or it cannot be read.
    fn finish(&mut self, now: UnixMs) -> Result<Option<Heard>, DecodeError>;
}

/// The bounds of what a buffer begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// More bytes are needed to tell.
    Unfinished,
    /// So many bytes are a message, its frame included.
    Message(usize),
    /// So many bytes between messages mean nothing.
    Idle(usize),
}

/// One protocol's rules for one connection; may remember what was negotiated (who it is, the layout of
/// records, a serial number).
pub trait Dialect: Send + fmt::Debug {
    /// The longest message taken, bytes. A longer one ends the connection, whatever its header promises.
    const MAX: usize;

    /// Finds the bounds of the first message of `bytes`, which is not empty.
    ///
    /// # Errors
    /// They cannot be found; the kind must be one that [`super::DecodeErrorKind::loses_framing`].
    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError>;

    /// Reads a message of those bounds: checks it, says what it means and what it is answered.
    ///
    /// # Errors
    /// The checksum is wrong, the parts do not add up, or a field holds what it cannot hold. `at` counts
    /// from the start of the message.
    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError>;

    /// Whether bytes that [`Self::bounds`] finds unfinished are a message if no more come: a line without
    /// its end.
    fn ends_here(&self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }
}

/// Room for unread bytes that an idle connection may keep.
const KEPT: usize = 512;

/// A connection that speaks a dialect.
#[derive(Debug)]
pub struct Stream<D> {
    dialect: D,
    buffer: Vec<u8>,
    /// How much of the buffer has been yielded.
    done: usize,
    lost: bool,
}

impl<D: Dialect> Stream<D> {
    /// A new connection.
    #[must_use]
    pub const fn new(dialect: D) -> Self {
        Self { dialect, buffer: Vec::new(), done: 0, lost: false }
    }

    /// With nothing held, gives room back: ten thousand connections are idle most of the time.
    fn rest(&mut self) {
        self.done = 0;
        self.buffer.clear();
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }

    fn lose(&mut self, e: DecodeError) -> DecodeError {
        self.lost = true;
        self.buffer = Vec::new();
        self.done = 0;
        e
    }
}

impl<D: Dialect> Session for Stream<D> {
    fn feed(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        self.buffer.drain(..self.done);
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn pending(&self) -> usize {
        self.buffer.len() - self.done
    }

    fn next_message(&mut self, now: UnixMs) -> Result<Option<Heard>, DecodeError> {
        loop {
            let rest = self.buffer.get(self.done..).unwrap_or_default();
            if self.lost || rest.is_empty() {
                self.rest();
                return Ok(None);
            }
            match self.dialect.bounds(rest) {
                Ok(Bounds::Idle(n)) => self.done += n.clamp(1, rest.len()),
                Ok(Bounds::Message(n)) if n <= rest.len() && (1..=D::MAX).contains(&n) => {
                    let message = rest.get(..n).unwrap_or_default();
                    let read = self.dialect.read(message, now);
                    self.done += n;
                    return match read {
                        Err(e) if e.kind.loses_framing() => Err(self.lose(e)),
                        read => read.map(Some),
                    };
                }
                Ok(Bounds::Unfinished) if rest.len() <= D::MAX => return Ok(None),
                Ok(Bounds::Message(n)) if n > rest.len() && n <= D::MAX => return Ok(None),
                Ok(Bounds::Message(n)) => return Err(self.lose(oversize(n, D::MAX))),
                Ok(Bounds::Unfinished) => {
                    let held = rest.len();
                    return Err(self.lose(oversize(held, D::MAX)));
                }
                Err(e) => return Err(self.lose(e)),
            }
        }
    }

    fn finish(&mut self, now: UnixMs) -> Result<Option<Heard>, DecodeError> {
        let rest = self.buffer.get(self.done..).unwrap_or_default();
        let held = rest.len();
        let end = if held == 0 {
            Ok(None)
        } else if self.dialect.ends_here(rest) {
            self.dialect.read(rest, now).map(Some)
        } else {
            let detail = format!("the message ends after {held} bytes, before its own end");
            Err(DecodeError::new(Kind::Truncated, held, detail))
        };
        self.buffer.clear();
        self.done = 0;
        self.lost = false;
        end
    }
}

fn oversize(bytes: usize, most: usize) -> DecodeError {
    DecodeError::new(Kind::Oversize, 0, format!("a message of {bytes} bytes; at most {most} are taken"))
}

/// What the server's bytes come to for a device that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not whole yet.
    Unfinished,
    /// What was told last is the server's now; so many bytes said so (0 where the protocol has no answer).
    Taken(usize),
    /// The server said no, in so many bytes.
    Refused(usize),
}

/// The device's end of a connection. A new connection needs a new terminal.
pub trait Terminal: Send + fmt::Debug {
    /// What it says first; empty where the protocol has no login.
    ///
    /// # Errors
    /// The device's key does not fit the protocol.
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError>;

    /// How many records go in one message at most; at least 1.
    fn most(&self) -> usize;

    /// A message of records, in the order given. What the protocol has no room for is left out.
    ///
    /// # Errors
    /// No records, more than [`Self::most`], a record without a time, or a value beyond its field.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError>;

    /// Reads the server's answer to what was said last, at the head of `bytes` (which may be empty: where
    /// the protocol has no answer, this is [`Answer::Taken`]`(0)` at once).
    ///
    /// # Errors
    /// That is no answer.
    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError>;
}
