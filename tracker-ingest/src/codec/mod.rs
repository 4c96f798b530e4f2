//! What trackers say on the wire, and what they are answered: sans-I/O codecs, one protocol = one file.
//!
//! Every protocol has the same four verbs:
//!
//! | verb | what it does |
//! |---|---|
//! | `sniff` | looks at the first bytes of a connection: is it this protocol? |
//! | `decode` | bytes or a request → [`Message`]s, or a [`DecodeError`] that says what and where |
//! | `acknowledge` | what to answer to a message, given its [`Outcome`] |
//! | `encode` | the same messages, written: for the simulator, the tests and the benches |
//!
//! Over a stream of bytes (TCP, UDP) the verbs have one shape, [`stream`]; a protocol's file names its own in a
//! [`stream::StreamCodec`].
//!
//! No codec opens a socket, reads a clock or decides whether a fix is believable (that is [`crate::gate`]).

pub mod bce;
pub mod bitrek;
pub mod egts;
mod error;
mod event;
mod fields;
pub mod galileosky;
pub mod gps103;
pub mod gps_full;
pub mod gt06;
pub mod gtfs_rt;
pub mod h02;
pub mod hfp;
pub mod jt808;
mod lines;
pub mod meitrack;
mod model;
pub mod mqtt_json;
pub mod nmea;
pub mod ntcb;
pub mod osmand;
pub mod owntracks;
pub mod queclink;
mod reader;
pub mod retranslator;
pub mod ruptela;
pub mod stream;
pub mod teltonika;
#[cfg(test)]
mod testing;
pub mod tk103;
pub mod topic;
pub mod topic_json;
pub mod wialon;
mod wire;

use std::fmt;
use std::str::FromStr;

use transit_model::fix::Source;

pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use event::{DeviceEvent, Events, Said};
pub use lines::{LinesError, decode_lines};
pub(crate) use model::digest;
pub use model::{AttrKey, AttrValue, DeviceKey, Position, Record};
pub use stream::StreamCodec;

/// The protocols there are, each once: its variant (the same as its [`Source`]'s), how it is spoken over a
/// stream of bytes (`None` of those that come by HTTP or MQTT), and what it is.
macro_rules! protocols {
    ($($variant:ident, $stream:expr, $doc:literal;)*) => {
        /// A protocol we read.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Protocol {
            $(#[doc = $doc] $variant,)*
        }

        impl Protocol {
            /// Every protocol there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What a fix that came by it names as its source.
            #[must_use]
            pub const fn source(self) -> Source {
                match self {
                    $(Self::$variant => Source::$variant,)*
                }
            }

            /// What it is, in a line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }

            /// How it is spoken over a stream of bytes; `None` of those that come by HTTP or MQTT.
            #[must_use]
            pub const fn stream(self) -> Option<&'static StreamCodec> {
                match self {
                    $(Self::$variant => $stream,)*
                }
            }
        }
    };
}

protocols! {
    Teltonika, Some(&teltonika::STREAM), "Teltonika codecs 7, 8, 8 Extended and 16, over TCP and UDP.";
    Gps103, Some(&gps103::STREAM), "GPS103 of Coban, lines.";
    Gt06, Some(&gt06::STREAM), "GT06 of Concox, Jimi and their kin.";
    H02, Some(&h02::STREAM), "H02, lines and packed binary.";
    Jt808, Some(&jt808::STREAM), "JT/T 808 of 2011, 2013 and 2019.";
    Meitrack, Some(&meitrack::STREAM), "Meitrack, text and binary.";
    Nmea, Some(&nmea::STREAM), "NMEA 0183 lines with an id.";
    Queclink, Some(&queclink::STREAM), "Queclink @Track, text and HEX.";
    Tk103, Some(&tk103::STREAM), "TK103, messages in brackets.";
    Osmand, None, "The OsmAnd form and the JSON of Traccar Client, over HTTP.";
    Galileosky, Some(&galileosky::STREAM), "Galileosky.";
    Ruptela, Some(&ruptela::STREAM), "Ruptela.";
    Ntcb, Some(&ntcb::STREAM), "NTCB and FLEX 1.0 to 3.0 of Navtelecom.";
    Egts, Some(&egts::STREAM), "EGTS, of a device or a relay.";
    Retranslator, Some(&retranslator::STREAM), "Wialon Retranslator.";
    Bitrek, Some(&bitrek::STREAM), "Codec 8 of Teltonika with neither length nor checksum, as Bitrek sends it.";
    Bce, Some(&bce::STREAM), "BCE.";
    Wialon, Some(&wialon::STREAM), "Wialon IPS 1.1 and 2.x.";
    MqttJson, None, "Our own JSON over MQTT.";
    GpsFull, None, "The gps_full.txt that Baltic cities publish, fetched.";
    OwnTracks, None, "OwnTracks, the phone app, over MQTT.";
    Hfp, None, "High-frequency positioning of HSL, version 2, over MQTT.";
    TopicJson, None, "JSON of whatever shape a city publishes over MQTT, read by a table.";
    GtfsRt, None, "The vehicle positions of GTFS-Realtime, over MQTT or fetched.";
}

impl Protocol {
    /// The name on the command line, in the configuration and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.source().name()
    }

    fn names() -> String {
        Self::ALL.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no protocol's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a protocol; there are: {names}", names = Protocol::names())]
pub struct UnknownProtocol(pub String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;
    fn from_str(s: &str) -> Result<Self, UnknownProtocol> {
        Self::ALL.iter().copied().find(|p| p.name() == s).ok_or_else(|| UnknownProtocol(s.to_owned()))
    }
}

/// What the first bytes of a connection look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sniff {
    /// This protocol.
    Yes,
    /// Not this protocol.
    No,
    /// Too few bytes to tell.
    NeedMore,
}

/// One message of a tracker.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// It says who it is; what follows on the connection is its.
    Login(DeviceKey),
    /// It is still there.
    KeepAlive,
    /// Records, in the order they were sent; each may be without a position.
    Records(Vec<Record>),
}

/// What became of a message: decides the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A login was let in, or the records are durable.
    Taken,
    /// A login was refused, or the records could not be made durable: the tracker must keep them.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_named_or_the_names_are_listed() {
        for p in Protocol::ALL {
            assert_eq!(p.name().parse(), Ok(*p));
        }
        let e = "semaphore".parse::<Protocol>().unwrap_err().to_string();
        for p in Protocol::ALL {
            assert!(e.contains(p.name()), "{e} does not list {p}");
        }
    }
}
