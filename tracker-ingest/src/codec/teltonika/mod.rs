//! Teltonika AVL over TCP and UDP: codecs 8, 8 Extended, 16 and 7, and texts by codecs 12 to 15 (Teltonika, *Data
//! Sending Protocols*; *GH3000 protocol*), big-endian.
//!
//! ```text
//! login    u16 length, IMEI in ASCII                            answered 01 or 00
//! packet   u32 zero, u32 length, data, u32 CRC-16/IBM of data   answered u32 count of records
//! data     u8 codec, u8 count, records, u8 count again
//! alive    FF between messages                                  not answered
//! datagram u16 length, u16 number, 01, u8 number, u16 length, IMEI, data
//!                                                               answered 0005 0000 01, the number, u8 count
//! ```
//!
//! A datagram is read from a connection too: it says whose it is. Not here: commands to the device, pictures.

use crc::{CRC_16_ARC, Crc, Table};
use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

mod encode;
mod gh3000;
mod inputs;
#[cfg(test)]
mod tests;
mod texts;

pub(super) use encode::terminal_of;
pub use encode::{encode, encode_login};
pub(super) use inputs::said_by_input;

/// CRC-16/IBM, which the catalogue of CRCs calls ARC.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// Bytes around the data of a packet: four of zero, four of length, four of checksum.
const ENVELOPE: usize = 12;
/// The most data of a packet taken, bytes.
const MAX_DATA: usize = 64 * 1024;
/// The horizontal dilution of precision, in tenths, where the tracker sends it.
const IO_HDOP: u16 = 182;
const KEEP_ALIVE: u8 = 0xFF;
/// The fifth byte of a datagram: its answer is the one to its records.
const DATAGRAM: u8 = 0x01;
/// Of a datagram before its records and beside its id: two numbers, a byte, and two of length.
const DATAGRAM_HEAD: u16 = 6;
/// The longest datagram taken.
const MAX_DATAGRAM: u16 = 2048;
const KMH: f32 = 3.6;

/// A codec of the family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// 0x08: ids of one byte.
    Eight,
    /// 0x8E: ids of two bytes, values of any length.
    EightExtended,
    /// 0x10: ids of two bytes, and what made the record.
    Sixteen,
}

impl Codec {
    const fn byte(self) -> u8 {
        match self {
            Self::Eight => 0x08,
            Self::EightExtended => 0x8E,
            Self::Sixteen => 0x10,
        }
    }
}

/// Whether a connection that begins so is Teltonika's: the length of an IMEI and digits, or the
/// zeros of a packet.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [0] | [KEEP_ALIVE] => Sniff::NeedMore,
        [KEEP_ALIVE, rest @ ..] => sniff(rest),
        [_, _, _, _, DATAGRAM, _, 0, n, id @ ..] if is_id(usize::from(*n), id) => Sniff::Yes,
        [0, 0, rest @ ..] => {
            let wanted = [0u8, 0];
            match rest.len() {
                0 | 1 if wanted.starts_with(rest) => Sniff::NeedMore,
                _ if rest.starts_with(&wanted) => Sniff::Yes,
                _ => Sniff::No,
            }
        }
        [0, n, rest @ ..] if usize::from(*n) <= DeviceKey::MAX => {
            if !rest.iter().take(usize::from(*n)).all(u8::is_ascii_digit) {
                Sniff::No
            } else if rest.is_empty() {
                Sniff::NeedMore
            } else {
                Sniff::Yes
            }
        }
        _ => Sniff::No,
    }
}

/// Teltonika, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: |key| encode::terminal_of(key, Codec::EightExtended),
};

/// What to answer to a message; empty for nothing.
///
/// A login is answered 01 or 00, records by how many there were. Records that are not durable are
/// not answered at all: the tracker keeps them and sends them again.
#[must_use]
pub fn acknowledge(message: &Message, outcome: Outcome) -> Vec<u8> {
    match (message, outcome) {
        (Message::Login(_), Outcome::Taken) => vec![1],
        (Message::Login(_), Outcome::Refused) => vec![0],
        (Message::Records(records), Outcome::Taken) => {
            u32::try_from(records.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec()
        }
        (Message::Records(_), Outcome::Refused) | (Message::KeepAlive, _) => Vec::new(),
    }
}

/// The server's end.
#[derive(Clone, Copy, Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    /// The envelope and 64 KiB of data: 255 records of some 250 bytes.
    const MAX: usize = ENVELOPE + MAX_DATA;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        Ok(match frame(bytes)? {
            Frame::Unfinished => Bounds::Unfinished,
            Frame::KeepAlive(used) | Frame::Login { used, .. } | Frame::Packet { used, .. } => Bounds::Message(used),
            Frame::Datagram { used } => Bounds::Message(used),
        })
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let message = match frame(message)? {
            Frame::KeepAlive(_) => Message::KeepAlive,
            Frame::Login { imei, .. } => Message::Login(imei),
            Frame::Packet { data, checksum, .. } => {
                check(data, checksum)?;
                let records = packet(data, 8)?;
                if texts::is_text(data) {
                    return Ok(Heard { message: Message::Records(records), reply: Reply::none() });
                }
                Message::Records(records)
            }
            Frame::Datagram { .. } => return datagram(message),
            Frame::Unfinished => return Err(DecodeError::new(Kind::Truncated, message.len(), "an unfinished message")),
        };
        let reply =
            Reply { taken: acknowledge(&message, Outcome::Taken), refused: acknowledge(&message, Outcome::Refused) };
        Ok(Heard { message, reply })
    }
}

enum Frame<'a> {
    Unfinished,
    KeepAlive(usize),
    Login { used: usize, imei: DeviceKey },
    Packet { used: usize, data: &'a [u8], checksum: u32 },
    Datagram { used: usize },
}

/// Finds the bounds of the first message. An error here means that they cannot be found.
fn frame(bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let alive = bytes.iter().take_while(|b| **b == KEEP_ALIVE).count();
    if alive > 0 {
        return Ok(Frame::KeepAlive(alive));
    }
    let mut r = Reader::new(bytes);
    match r.u16() {
        None => Ok(Frame::Unfinished),
        Some(0) => packet_frame(r),
        Some(length) => match bytes.get(4) {
            Some(&DATAGRAM) if length > DATAGRAM_HEAD => Ok(Frame::Datagram { used: 2 + usize::from(length) }),
            None if (DATAGRAM_HEAD..=MAX_DATAGRAM).contains(&length) => Ok(Frame::Unfinished),
            _ => login_frame(r, usize::from(length)),
        },
    }
}

/// Whether so many letters and digits follow, as far as there are bytes.
fn is_id(length: usize, bytes: &[u8]) -> bool {
    (1..=DeviceKey::MAX).contains(&length) && bytes.iter().take(length).all(u8::is_ascii_alphanumeric)
}

/// Records by UDP, with whose they are.
fn datagram(message: &[u8]) -> Result<Heard, DecodeError> {
    let mut r = Reader::new(message);
    let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, r.at(), "the datagram ends before its records");
    let (Some(_), Some(_), Some(_)) = (r.u16(), r.u16(), r.u8()) else { return Err(short(&r)) };
    let (Some(number), Some(length)) = (r.u8(), r.u16()) else { return Err(short(&r)) };
    let at = r.at();
    let imei = r.bytes(usize::from(length)).ok_or_else(|| short(&r))?;
    if !is_id(imei.len(), imei) {
        return Err(DecodeError::new(Kind::BadLogin, at, "an IMEI is made of digits"));
    }
    let device = DeviceKey::from(String::from_utf8_lossy(imei));
    let mut records = packet(r.rest(), r.at())?;
    let count = u8::try_from(records.len()).unwrap_or(u8::MAX);
    records.iter_mut().for_each(|record| record.device = Some(device.clone()));
    let reply =
        if texts::is_text(r.rest()) { Reply::none() } else { Reply::taken(vec![0, 5, 0, 0, DATAGRAM, number, count]) };
    Ok(Heard { message: Message::Records(records), reply })
}

fn login_frame(mut r: Reader<'_>, length: usize) -> Result<Frame<'_>, DecodeError> {
    if length > DeviceKey::MAX {
        let detail = format!("{length:#06x} is neither the length of an IMEI nor the zeros before a packet");
        return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
    }
    if let Some(i) = r.rest().iter().take(length).position(|b| !b.is_ascii_alphanumeric()) {
        return Err(DecodeError::new(Kind::BadLogin, 2 + i, "an IMEI is made of digits"));
    }
    let Some(imei) = r.bytes(length) else { return Ok(Frame::Unfinished) };
    let imei = DeviceKey::from(String::from_utf8_lossy(imei));
    Ok(Frame::Login { used: r.at(), imei })
}

fn packet_frame(mut r: Reader<'_>) -> Result<Frame<'_>, DecodeError> {
    if let Some(i) = r.rest().iter().take(2).position(|b| *b != 0) {
        return Err(DecodeError::new(Kind::BadPreamble, 2 + i, "a packet begins with four zero bytes"));
    }
    let (Some(_), Some(length)) = (r.u16(), r.u32()) else { return Ok(Frame::Unfinished) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_DATA {
        let detail = format!("a packet of {length} bytes; at most {MAX_DATA} are taken");
        return Err(DecodeError::new(Kind::Oversize, 4, detail));
    }
    let (Some(data), Some(checksum)) = (r.bytes(length), r.u32()) else { return Ok(Frame::Unfinished) };
    Ok(Frame::Packet { used: r.at(), data, checksum })
}

fn check(data: &[u8], checksum: u32) -> Result<(), DecodeError> {
    let computed = u32::from(CRC.checksum(data));
    if computed == checksum {
        return Ok(());
    }
    let detail = format!("the checksum is {checksum:#06x}, the data's is {computed:#06x}");
    Err(DecodeError::new(Kind::BadChecksum, 8 + data.len(), detail))
}

/// Reads the data of a packet, which begins so many bytes after the message. All or nothing: a count
/// acknowledges every record of it.
pub(super) fn packet(data: &[u8], from: usize) -> Result<Vec<Record>, DecodeError> {
    let mut r = Reader::new(data);
    let at = |r: &Reader<'_>| from + r.at();
    let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, at(r), "the packet ends inside a record");
    let byte = r.u8().ok_or_else(|| short(&r))?;
    let codec = match byte {
        0x08 => Some(Codec::Eight),
        0x8E => Some(Codec::EightExtended),
        0x10 => Some(Codec::Sixteen),
        gh3000::CODEC => None,
        _ if texts::is_text(data) => None,
        other => {
            let detail = format!("codec {other:#04x}; 0x07, 0x08, 0x0c to 0x10 and 0x8e are read");
            return Err(DecodeError::new(Kind::UnsupportedCodec, from, detail));
        }
    };
    let count = r.u8().ok_or_else(|| short(&r))?;
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let start = r.rest();
        let before = r.at();
        let record = match codec {
            Some(codec) => read_record(&mut r, codec),
            None if byte == gh3000::CODEC => gh3000::record(&mut r),
            None => texts::record(&mut r, byte),
        };
        let mut record = record.ok_or_else(|| short(&r))?;
        record.sequence = digest(start.get(..r.at() - before).unwrap_or(start));
        records.push(record);
    }
    match (r.u8(), r.rest()) {
        (Some(again), []) if again == count => Ok(records),
        (Some(again), []) => {
            let detail = format!("{count} records at the head of the packet, {again} at its end");
            Err(DecodeError::new(Kind::BadLength, at(&r) - 1, detail))
        }
        (Some(_), more) => {
            let detail = format!("{} bytes follow the last record", more.len());
            Err(DecodeError::new(Kind::BadLength, at(&r), detail))
        }
        (None, _) => Err(short(&r)),
    }
}

fn read_record(r: &mut Reader<'_>, codec: Codec) -> Option<Record> {
    let time = i64::try_from(r.u64()?).unwrap_or(i64::MAX);
    let priority = r.u8()?;
    let (lon, lat, altitude) = (r.i32()?, r.i32()?, r.i16()?);
    let (angle, satellites, kmh) = (r.u16()?, r.u8()?, r.u16()?);
    let event = read_id(r, codec)?;
    if codec == Codec::Sixteen {
        let _made_on = r.u8()?;
    }
    let declared = read_count(r, codec)?;

    let mut attributes = Vec::with_capacity(usize::from(declared).min(64) + 2);
    if priority != 0 {
        attributes.push((AttrKey::Name("priority"), AttrValue::Int(u64::from(priority))));
    }
    if event != 0 {
        attributes.push((AttrKey::Name("event"), AttrValue::Int(u64::from(event))));
    }
    let mut hdop = None;
    for width in [1usize, 2, 4, 8] {
        for _ in 0..read_count(r, codec)? {
            let id = read_id(r, codec)?;
            let value = match width {
                1 => u64::from(r.u8()?),
                2 => u64::from(r.u16()?),
                4 => u64::from(r.u32()?),
                _ => r.u64()?,
            };
            if id == IO_HDOP && value <= 10_000 {
                hdop = u16::try_from(value).ok().map(|tenths| f32::from(tenths) / 10.0);
            }
            attributes.push((AttrKey::Io(id), AttrValue::Int(value)));
        }
    }
    if codec == Codec::EightExtended {
        for _ in 0..r.u16()? {
            let id = r.u16()?;
            let length = r.u16()?;
            attributes.push((AttrKey::Io(id), AttrValue::Bytes(r.bytes(usize::from(length))?.into())));
        }
    }

    // A tracker that never had a fix writes zeros; nothing with wheels is on the Gulf of Guinea.
    let position = (lat != 0 || lon != 0).then(|| Position {
        lat: f64::from(lat) / 1e7,
        lon: f64::from(lon) / 1e7,
        altitude: Some(f32::from(altitude)),
        speed: Some(f32::from(kmh) / KMH),
        bearing: (angle <= 360).then(|| f32::from(angle % 360)),
        satellites: Some(satellites),
        hdop,
        accuracy: None,
        // With no satellite in sight it repeats the last place it knew.
        valid: satellites > 0,
    });
    Some(Record { time: Some(UnixMs(time)), position, attributes, ..Record::default() })
}

/// An id: one byte in codec 8, two in the others.
fn read_id(r: &mut Reader<'_>, codec: Codec) -> Option<u16> {
    match codec {
        Codec::Eight => r.u8().map(u16::from),
        Codec::EightExtended | Codec::Sixteen => r.u16(),
    }
}

/// A count: two bytes in codec 8 Extended, one in the others.
fn read_count(r: &mut Reader<'_>, codec: Codec) -> Option<u16> {
    match codec {
        Codec::Eight | Codec::Sixteen => r.u8().map(u16::from),
        Codec::EightExtended => r.u16(),
    }
}

/// Passes over a record of codec 8; `None` while it is not whole.
pub(super) fn skip_eight(r: &mut Reader<'_>) -> Option<()> {
    // Time, priority, place, event, and how many elements there are in all.
    r.bytes(8 + 1 + 15 + 1 + 1)?;
    for width in [1, 2, 4, 8] {
        let count = r.u8()?;
        r.bytes(usize::from(count) * (1 + width))?;
    }
    Some(())
}
