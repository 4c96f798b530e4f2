//! What a codec can find wrong, typed for the caller and readable for the engineer.

use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeErrorKind {
    /// The message ends before it is complete.
    Truncated,
    /// The bytes do not begin as any message of the protocol does.
    BadPreamble,
    /// A login that is not an IMEI.
    BadLogin,
    /// The message is longer than we take.
    Oversize,
    /// The parts of the message do not add up to its length.
    BadLength,
    /// The checksum is wrong.
    BadChecksum,
    /// A codec of the protocol that we do not read.
    UnsupportedCodec,
    /// A field that must be there is not.
    MissingField,
    /// A field holds what it cannot hold.
    BadField,
    /// The text is not JSON, or not of the right shape.
    BadJson,
    /// The bytes are not protobuf, or not of the right shape.
    BadProtobuf,
}

impl DecodeErrorKind {
    /// The name in `decode`'s output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadPreamble => "bad_preamble",
            Self::BadLogin => "bad_login",
            Self::Oversize => "oversize",
            Self::BadLength => "bad_length",
            Self::BadChecksum => "bad_checksum",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::MissingField => "missing_field",
            Self::BadField => "bad_field",
            Self::BadJson => "bad_json",
            Self::BadProtobuf => "bad_protobuf",
        }
    }

    /// Whether the place of the next message in the stream is lost, so that the connection must end.
    #[must_use]
    pub const fn loses_framing(self) -> bool {
        matches!(self, Self::BadPreamble | Self::BadLogin | Self::Oversize)
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {at}: {detail}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where, in bytes from the start of the message.
    pub at: usize,
    /// For a person: the value found and what was expected.
    pub detail: String,
}

impl DecodeError {
    /// An error of a kind at a place.
    #[must_use]
    pub fn new(kind: DecodeErrorKind, at: usize, detail: impl Into<String>) -> Self {
        Self { kind, at, detail: detail.into() }
    }
}

/// A message that cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// Too many records for one packet.
    #[error("{have} records do not fit a packet of at most {most}")]
    TooManyRecords {
        /// How many were given.
        have: usize,
        /// How many a packet takes.
        most: usize,
    },
    /// A packet must hold a record.
    #[error("a packet needs at least one record")]
    NoRecords,
    /// A field that the protocol must have is not there.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// A value that the protocol cannot say.
    #[error("{field} cannot be {value}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What was given.
        value: String,
    },
}
