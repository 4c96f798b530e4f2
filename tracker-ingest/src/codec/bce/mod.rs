//! BCE trackers over TCP (Baltic Car Equipment), little-endian.
//!
//! ```text
//! once      #BCE# and the end of a line
//! message   u64 IMEI, u16 length, u8 kind, u8 key, structures, u8 sum of all before
//! A5  A0    a stack of structures, or those made by the clock       A5 is answered with the key, A0 is not
//! C1        what a command was answered                             not answered
//! structure u8 length, u32 time and kind, u16 masks, fields; what made it
//! ```
//!
//! The low four bits of the time say what kind a structure is (7: fields); the others count two seconds each from
//! 2008 and begin anew every seventeen years. The top bit of a mask says that another one follows. Not here:
//! commands to the device.

use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::wire::{KMH, attr, fraction, number, text};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Position, Record, Sniff};

mod encode;
#[cfg(test)]
mod tests;

const PREAMBLE: &[u8] = b"#BCE#\r\n";
/// IMEI and length.
const HEAD: usize = 10;
const STACK: u8 = 0xA5;
const BY_CLOCK: u8 = 0xA0;
const CONTROL: u8 = 0xC1;
const CONFIRM: u8 = 0x19;
/// The kind of a structure of fields.
const FIELDS: u32 = 7;
/// Seconds from 1970 to 2008.
const EPOCH: i64 = 1_199_145_600;
/// Ticks of two seconds after which the clock of structures begins anew. (Nothing we know of says whether the highest of
/// twenty-eight bits is ever sent; the servers in use count without it.)
const TICKS: i64 = 0x0FFF_FFFF;
const ROUND: i64 = TICKS * 2;
/// How far back a record may lie: of the moments a time can mean, the first that is not older is taken.
const BACK: i64 = 3650 * 86_400;

/// BCE, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is BCE's: `#BCE#`.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let n = first.len().min(PREAMBLE.len());
    match (first.get(..n) == PREAMBLE.get(..n), n) {
        (true, 7) => Sniff::Yes,
        (true, _) => Sniff::NeedMore,
        (false, _) => Sniff::No,
    }
}

/// The server's end.
#[derive(Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    /// What the length can say.
    const MAX: usize = HEAD + 0xFFFF + 1;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        if bytes.starts_with(PREAMBLE) {
            return Ok(Bounds::Idle(PREAMBLE.len()));
        }
        // The highest bytes of an IMEI of fifteen digits.
        if let Some([high, top]) = bytes.get(6..8)
            && (*high > 3 || *top > 0)
        {
            return Err(DecodeError::new(Kind::BadPreamble, 6, "a message begins with an IMEI"));
        }
        Ok(match bytes.get(8..HEAD) {
            Some([a, b]) => Bounds::Message(HEAD + usize::from(u16::from_le_bytes([*a, *b])) + 1),
            _ => Bounds::Unfinished,
        })
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, r.at(), "the message ends inside a structure");
        let Some((sum, covered)) = message.split_last() else { return Err(short(&Reader::new(message))) };
        let computed = sum_of(covered);
        if *sum != computed {
            let detail = format!("the checksum is {sum:#04x}, the message's is {computed:#04x}");
            return Err(DecodeError::new(Kind::BadChecksum, covered.len(), detail));
        }
        let mut r = Reader::new(covered);
        let (Some(low), Some(high), Some(_)) = (r.u32_le(), r.u32_le(), r.u16_le()) else { return Err(short(&r)) };
        let imei = u64::from(high) << 32 | u64::from(low);
        let (Some(kind), Some(key)) = (r.u8(), r.u8()) else { return Err(short(&r)) };
        match kind {
            CONTROL => return Ok(Heard { message: Message::KeepAlive, reply: Reply::none() }),
            STACK | BY_CLOCK => {}
            other => {
                let detail = format!("a message of kind {other:#04x}; a0, a5 and c1 are read");
                return Err(DecodeError::new(Kind::UnsupportedCodec, HEAD, detail));
            }
        }
        let device = DeviceKey::from(format!("{imei:015}"));
        let mut records = Vec::new();
        while !r.rest().is_empty() {
            let length = usize::from(r.u8().ok_or_else(|| short(&r))?);
            let at = r.at();
            let bytes = r.bytes(length).ok_or_else(|| short(&r))?;
            let record = structure(bytes, now);
            let mut record =
                record.ok_or_else(|| DecodeError::new(Kind::BadLength, at, "a structure ends inside a field"))?;
            record.device = Some(device.clone());
            records.push(record);
        }
        let reply =
            if kind == STACK { Reply::taken(message_of(imei, CONFIRM, key & 0x7F, &[])) } else { Reply::none() };
        let message = if records.is_empty() { Message::KeepAlive } else { Message::Records(records) };
        Ok(Heard { message, reply })
    }
}

fn sum_of(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

/// A message of a kind, with its key and what follows.
fn message_of(imei: u64, kind: u8, key: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(2 + rest.len()).unwrap_or(u16::MAX);
    let mut out = [&imei.to_le_bytes()[..], &length.to_le_bytes(), &[kind, key], rest].concat();
    out.push(sum_of(&out));
    out
}

/// A moment of the last ten years, or of the seven to come.
fn moment(word: u32, now: UnixMs) -> UnixMs {
    let since = EPOCH + i64::from(word >> 4) * 2;
    let least = now.secs() - BACK;
    let rounds = ((least - since).max(0) + ROUND - 1).div_euclid(ROUND);
    UnixMs::from_secs(since + rounds * ROUND)
}

fn structure(bytes: &[u8], now: UnixMs) -> Option<Record> {
    let mut r = Reader::new(bytes);
    let word = r.u32_le()?;
    let mut record = Record { time: Some(moment(word, now)), sequence: digest(bytes), ..Record::default() };
    if word & 0x0F != FIELDS {
        let key = AttrKey::Own(format!("structure{}", word & 0x0F).into());
        record.attributes.push((key, AttrValue::Bytes(r.rest().into())));
        return Some(record);
    }
    let mut masks = Vec::new();
    loop {
        let mask = r.u16_le()?;
        masks.push(mask);
        if mask & 0x8000 == 0 {
            break;
        }
    }
    for (nth, mask) in masks.iter().enumerate() {
        for bit in (0..15u8).filter(|bit| mask & 1 << bit != 0) {
            // Where a field is not known, nobody can tell where the next one begins.
            let Some(size) = size(nth, bit) else { return Some(record) };
            take(nth, bit, &mut Reader::new(r.bytes(size)?), &mut record)?;
        }
    }
    Some(record)
}

/// How many bytes a field takes, by its mask and bit.
fn size(mask: usize, bit: u8) -> Option<usize> {
    const SIZES: [[usize; 15]; 4] = [
        [17, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 2, 2, 9],
        [2, 1, 4, 1, 2, 4, 4, 1, 1, 1, 2, 8, 2, 8, 2],
        [2, 4, 3, 1, 20, 2, 8, 2, 2, 6, 6, 21, 20, 9, 21],
        [4, 30, 4, 10, 1, 2, 3, 16, 40, 32, 4, 0, 0, 0, 0],
    ];
    SIZES.get(mask)?.get(usize::from(bit)).copied().filter(|n| *n > 0)
}

fn take(mask: usize, bit: u8, v: &mut Reader<'_>, record: &mut Record) -> Option<()> {
    let mut add = |key: AttrKey, value: AttrValue| record.attributes.push((key, value));
    match (mask, bit) {
        (0, 0) => record.position = Some(place(v)?),
        (0, 1) => add(attr::INPUTS, AttrValue::Int(v.u16_le()?.into())),
        (0, 2..=9) => add(AttrKey::Own(format!("adc{}", bit - 1).into()), AttrValue::Int(v.u16_le()?.into())),
        (0, 14) => {
            let (country, network, area, cell) = (v.u16_le()?, v.u8()?, v.u16_le()?, v.u16_le()?);
            add(AttrKey::Name("cell"), text(&format!("{country}:{network}:{area}:{cell}")));
            v.u8()?;
            add(attr::GSM, number(-i64::from(v.u8()?)));
        }
        (1, 4) => add(AttrKey::Name("rpm"), fraction(f64::from(v.u16_le()?) / 8.0)),
        (1, 6) | (3, 10) => add(attr::ODOMETER, AttrValue::Int(v.u32_le()?.into())),
        (2, 6) => {
            let (low, high) = (v.u32_le()?, v.u32_le()?);
            let key = u64::from(high) << 32 | u64::from(low);
            if key != 0 {
                add(attr::DRIVER, text(&key.to_string()));
            }
        }
        _ => {
            let bytes = v.bytes(v.rest().len())?;
            let value = match bytes.len() {
                1..=4 => AttrValue::Int(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))),
                _ => AttrValue::Bytes(bytes.into()),
            };
            add(AttrKey::Own(format!("field{}.{bit}", mask + 1).into()), value);
        }
    }
    Some(())
}

fn place(v: &mut Reader<'_>) -> Option<Position> {
    let (lon, lat) = (v.f32_le()?, v.f32_le()?);
    let (kmh, quality, course) = (v.u8()?, v.u8()?, v.u8()?);
    let altitude = v.u16_le()?;
    let satellites = quality & 0x0F;
    Some(Position {
        lat: f64::from(lat),
        lon: f64::from(lon),
        altitude: Some(f32::from(altitude)),
        speed: Some(f32::from(kmh) / KMH),
        bearing: Some(f32::from(u16::from(course) * 2 % 360)),
        satellites: Some(satellites),
        hdop: Some(f32::from(quality >> 4)),
        accuracy: None,
        valid: satellites > 0 && lat.is_finite() && lon.is_finite(),
    })
}
