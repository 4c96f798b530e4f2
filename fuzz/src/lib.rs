//! What must hold whatever comes: the laws that the fuzz targets hold, one file a target.
//!
//! | target | what it is fed | what must hold |
//! |---|---|---|
//! | [`streams`] | a connection of any protocol | no panic; the same read whole as in pieces; bounded memory |
//! | [`datagrams`] | a datagram of any protocol | no panic; nothing is held afterwards |
//! | [`requests`] | HTTP requests, MQTT topics and payloads | no panic; one answer a message |
//! | [`gate`] | records and moments | live fixes only go forward, on the map, never ahead; bounded memory |
//! | [`gtfs`] | a file of a feed | no panic: a report, or a refusal |
//! | [`mqtt`] | packets to our endpoint | no panic; nothing is read twice |
//!
//! Protocols are taken from `Protocol::ALL`, so that a new one is under these laws without being named here. A law
//! that breaks panics, which is what libFuzzer looks for. Not here: sockets, timing.

pub mod datagrams;
pub mod gate;
pub mod gtfs;
pub mod mqtt;
pub mod requests;
pub mod seeds;
pub mod streams;

use tracker_ingest::codec::{Message, Protocol, Record, StreamCodec};
use transit_model::time::UnixMs;

/// The server's clock.
pub const NOW: UnixMs = UnixMs(1_795_305_600_000);

/// The protocols over a stream of bytes.
pub fn streaming() -> Vec<(Protocol, &'static StreamCodec)> {
    Protocol::ALL.iter().filter_map(|p| Some((*p, p.stream()?))).collect()
}

/// The protocol that the first byte chooses, and the other bytes.
pub fn choose(data: &[u8]) -> Option<(Protocol, &'static StreamCodec, &[u8])> {
    let (which, rest) = data.split_first()?;
    let all = streaming();
    let (protocol, codec) = *all.get(usize::from(*which) % all.len())?;
    Some((protocol, codec, rest))
}

/// What no message may be, whoever sent it.
pub fn check(protocol: Protocol, message: &Message) {
    match message {
        Message::Login(key) => valid_key(protocol, key.expose()),
        Message::KeepAlive => {}
        Message::Records(records) => records.iter().for_each(|r| check_record(protocol, r)),
    }
}

fn valid_key(protocol: Protocol, key: &str) {
    assert!(tracker_ingest::codec::DeviceKey::is_valid(key), "{protocol}: `{key}` is no device's key");
}

fn check_record(protocol: Protocol, record: &Record) {
    if let Some(key) = &record.device {
        valid_key(protocol, key.expose());
    }
    let Some(p) = record.position else { return };
    assert!(p.lat.is_finite() && p.lon.is_finite(), "{protocol}: {p:?}");
    for (what, v) in [("altitude", p.altitude), ("speed", p.speed), ("hdop", p.hdop), ("accuracy", p.accuracy)] {
        assert!(v.is_none_or(f32::is_finite), "{protocol}: {what} of {p:?}");
    }
    assert!(p.bearing.is_none_or(|b| (0.0..=360.0).contains(&b)), "{protocol}: {p:?}");
}
