//! Bitrek trackers over TCP: Teltonika's codec 8 with a length of zero and a checksum of zero.
//!
//! ```text
//! login    u16 length, IMEI in ASCII                            answered 01 or 00
//! packet   zeros, 08, u8 count, records, u8 count again, zeros  answered u32 count of records
//! ```
//!
//! Where a packet ends is told by its records alone, and nothing tells whether it came undamaged; so it is looked
//! at more closely (both counts, places on Earth) and is read only on a port of its own, never by a guess.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::reader::Reader;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::teltonika::{self, Codec};
use super::{DecodeError, DeviceKey, Message, Outcome, Record, Sniff};

const EIGHT: u8 = 0x08;
const KEEP_ALIVE: u8 = 0xFF;

/// Bitrek, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff: |_| Sniff::No,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: |key| Box::new(Tracker(teltonika::terminal_of(key, Codec::Eight))),
};

/// The server's end.
#[derive(Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    /// 255 records of a hundred bytes.
    const MAX: usize = 32 * 1024;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let idle = bytes.iter().take_while(|b| matches!(**b, 0 | KEEP_ALIVE)).count();
        match bytes {
            _ if idle > 0 => Ok(Bounds::Idle(idle)),
            [EIGHT, rest @ ..] => Ok(whole(rest).map_or(Bounds::Unfinished, |n| Bounds::Message(1 + n))),
            [n, rest @ ..] => {
                let length = usize::from(*n);
                if length > DeviceKey::MAX || !rest.iter().take(length).all(u8::is_ascii_alphanumeric) {
                    let detail = format!("{n:#04x} begins neither a login nor records of codec 8");
                    return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
                }
                Ok(Bounds::Message(1 + length))
            }
            [] => Ok(Bounds::Unfinished),
        }
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let message = match message {
            [EIGHT, ..] => Message::Records(records(message)?),
            [_, imei @ ..] => Message::Login(DeviceKey::from(String::from_utf8_lossy(imei))),
            [] => Message::KeepAlive,
        };
        let reply = Reply {
            taken: teltonika::acknowledge(&message, Outcome::Taken),
            refused: teltonika::acknowledge(&message, Outcome::Refused),
        };
        Ok(Heard { message, reply })
    }
}

/// How many bytes the counts and the records take; `None` while they are not whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut r = Reader::new(bytes);
    for _ in 0..r.u8()? {
        teltonika::skip_eight(&mut r)?;
    }
    r.u8()?;
    Some(r.at())
}

/// Reads records nothing vouches for.
fn records(data: &[u8]) -> Result<Vec<Record>, DecodeError> {
    let records = teltonika::packet(data, 0)?;
    if records.is_empty() {
        return Err(DecodeError::new(Kind::BadField, 1, "a packet of no records"));
    }
    for p in records.iter().filter_map(|r| r.position) {
        if p.lat.abs() > 90.0 || p.lon.abs() > 180.0 {
            let detail = format!("a place at {}, {}, which is not on Earth", p.lat, p.lon);
            return Err(DecodeError::new(Kind::BadField, 2, detail));
        }
    }
    Ok(records)
}

/// The device's end: Teltonika's, with what Bitrek leaves out.
#[derive(Debug)]
struct Tracker(Box<dyn Terminal>);

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.0.hello()
    }

    fn most(&self) -> usize {
        self.0.most()
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let mut packet = self.0.tell(records)?;
        let end = packet.len().saturating_sub(4);
        let (length, sum) = (packet.get_mut(4..8).map(|l| l.fill(0)), packet.get_mut(end..).map(|s| s.fill(0)));
        debug_assert!(length.is_some() && sum.is_some(), "a packet has an envelope");
        Ok(packet)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        self.0.hear(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fault, hear, hex, one, records, same, somewhere, talk};
    use super::*;
    use crate::codec::{AttrKey, AttrValue};

    /// A record at 1 781 679 139 920 ms: 37.605125 E, 48.85325 N, 74 m, 287 degrees, 11 satellites, 36 km/h; ignition.
    const RECORD: &str = "0000019ed45a2c50 00 166a1632 1d1e6a14 004a 011f 0b 0024 00 01 01 ef 01 00 00 00";

    fn packet(records: &str) -> Vec<u8> {
        hex(&format!("00000000 00000000 08 {records} 00000000"))
    }

    #[test]
    fn a_packet_has_neither_length_nor_checksum() {
        let heard = one(&STREAM, &packet(&format!("02 {RECORD} {RECORD} 02")));
        assert_eq!((heard.reply.taken, heard.reply.refused), (vec![0, 0, 0, 2], vec![]));
        let Message::Records(r) = heard.message else { panic!() };
        let want = crate::codec::Position { hdop: None, ..somewhere() };
        same(&r[1], &Record::at(UnixMs(1_781_679_139_920), want));
        assert_eq!(r[0].attribute(&AttrKey::Io(239)), Some(&AttrValue::Int(1)));
        // One after another, with or without the zeros behind.
        let bare = packet(&format!("01 {RECORD} 01"));
        let two = [&bare[..bare.len() - 4], &bare[..]].concat();
        assert_eq!(hear(&STREAM, &two).len(), 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(fault(&STREAM, &packet(&format!("01 {RECORD} 02"))), Kind::BadLength);
        assert_eq!(fault(&STREAM, &packet("00 00")), Kind::BadField);
        assert_eq!(
            fault(&STREAM, &packet(&format!("01 {} 01", RECORD.replace("1d1e6a14", "7fffffff")))),
            Kind::BadField
        );
        assert_eq!(fault(&STREAM, b"\x00\x0f35209308145 251"), Kind::BadPreamble);
        let good = packet(&format!("01 {RECORD} 01"));
        for n in 9..good.len() - 5 {
            assert_eq!(fault(&STREAM, &good[..n]), Kind::Truncated, "{n}");
        }
        assert_eq!(records(&STREAM, &good).len(), 1);
    }

    #[test]
    fn a_terminal_is_understood() {
        let r = Record::at(UnixMs(1_781_692_098_000), crate::codec::Position { hdop: None, ..somewhere() });
        let none = Record { time: r.time, ..Record::default() };
        for piece in [1, 7, 10_000] {
            let told = talk(&STREAM, "352093081452251", &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
            let [Message::Login(_), Message::Records(one), Message::Records(two)] = &told[..] else {
                panic!("{told:?}")
            };
            one.iter().chain(two).zip([&r, &none, &r]).for_each(|(got, want)| same(got, want));
        }
    }
}
