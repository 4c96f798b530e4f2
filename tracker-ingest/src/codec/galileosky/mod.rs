//! Galileosky trackers over TCP (Galileosky, *Protocol of exchange with the server*), little-endian.
//!
//! ```text
//! packet      01, u16 length (top bit: more is waiting), tags, u16 CRC       answered 02 and the CRC
//! compressed  08, the same; of each record ten bytes, a list of tags, values answered 02 and the CRC
//! picture     07, u16 length, u8 part, bytes, u16 CRC                        answered 07 and the CRC
//! Iridium     01, u16 length, elements (big-endian, no CRC)                  not answered
//! ```
//!
//! A tag is a byte and a value whose length the tag tells. A record ends where a tag comes for the second time.
//! The first packet of a connection names the device (tag 03). The CRC is CRC-16/MODBUS of all before it. Not
//! here: commands to the device, encryption (a packet whose tags make no sense is refused).

use crc::{CRC_16_MODBUS, Crc, Table};
use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::wire::{KMH, attr, fraction, number, text, utc};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Position, Record, Sniff};

mod encode;
#[cfg(test)]
mod tests;

static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_MODBUS);

const PACKET: u8 = 0x01;
const PICTURE: u8 = 0x07;
const COMPRESSED: u8 = 0x08;
/// Before the tags: the header and the length.
const HEAD: usize = 3;
/// How an Iridium message goes on after its length: the element of the header, 28 bytes long.
const IRIDIUM: [u8; 3] = [0x01, 0x00, 0x1C];
const IMEI: u8 = 0x03;

/// Galileosky, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is Galileosky's: the header, a length, and a tag that a first packet
/// begins with.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [PACKET, _, _, rest @ ..] => match rest {
            [] => Sniff::NeedMore,
            [0x01..=0x04, ..] => Sniff::Yes,
            _ => Sniff::No,
        },
        [] | [PACKET, ..] => Sniff::NeedMore,
        _ => Sniff::No,
    }
}

/// The server's end of a connection: remembers who it is.
#[derive(Debug, Default)]
struct Dialect {
    device: Option<DeviceKey>,
}

impl stream::Dialect for Dialect {
    /// What the fifteen bits of the length can say.
    const MAX: usize = HEAD + 0x7FFF + 2;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        match bytes {
            [PACKET | PICTURE | COMPRESSED, a, b, rest @ ..] => {
                let iridium = rest.get(..IRIDIUM.len());
                if bytes.first() == Some(&PACKET) && iridium == Some(&IRIDIUM[..]) {
                    return Ok(Bounds::Message(HEAD + usize::from(u16::from_be_bytes([*a, *b]))));
                }
                if iridium.is_none() && IRIDIUM.starts_with(rest) {
                    return Ok(Bounds::Unfinished);
                }
                let length = usize::from(u16::from_le_bytes([*a, *b]) & 0x7FFF);
                Ok(Bounds::Message(HEAD + length + 2))
            }
            [PACKET | PICTURE | COMPRESSED, ..] | [] => Ok(Bounds::Unfinished),
            [other, ..] => {
                let detail = format!("{other:#04x} is no header; 01, 07 and 08 are");
                Err(DecodeError::new(Kind::BadPreamble, 0, detail))
            }
        }
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        if message.get(HEAD..HEAD + IRIDIUM.len()) == Some(&IRIDIUM[..]) && message.first() == Some(&PACKET) {
            return self.iridium(message, now);
        }
        let Some((covered, sum)) = message.split_last_chunk::<2>() else {
            return Err(DecodeError::new(Kind::Truncated, message.len(), "a packet ends with its checksum"));
        };
        let (said, computed) = (u16::from_le_bytes(*sum), CRC.checksum(covered));
        if said != computed {
            let detail = format!("the checksum is {said:#06x}, the packet's is {computed:#06x}");
            return Err(DecodeError::new(Kind::BadChecksum, covered.len(), detail));
        }
        let body = covered.get(HEAD..).unwrap_or_default();
        let reply = |header: u8| Reply::taken([&[header][..], &sum[..]].concat());
        match covered.first() {
            Some(&PICTURE) => Ok(Heard { message: Message::KeepAlive, reply: reply(PICTURE) }),
            Some(&COMPRESSED) => {
                let mut r = Reader::new(body);
                let mut records = Vec::new();
                while !r.rest().is_empty() {
                    records.push(self.own(compressed(&mut r, now)?));
                }
                Ok(Heard { message: Message::Records(records), reply: reply(0x02) })
            }
            _ => Ok(Heard { message: self.packet(body)?, reply: reply(0x02) }),
        }
    }
}

impl Dialect {
    fn own(&self, mut record: Record) -> Record {
        record.device.clone_from(&self.device);
        record
    }

    fn packet(&mut self, body: &[u8]) -> Result<Message, DecodeError> {
        let parts = parts(body)?;
        if let Some(key) = parts.iter().rev().find_map(|p| p.imei.clone()) {
            self.device = Some(key);
        }
        let device = self.device.clone();
        let login = parts.iter().any(|p| p.imei.is_some());
        let records: Vec<Record> = parts.into_iter().filter_map(Part::record).map(|r| self.own(r)).collect();
        Ok(match device {
            Some(key) if login && records.is_empty() => Message::Login(key),
            _ if records.is_empty() => Message::KeepAlive,
            _ => Message::Records(records),
        })
    }

    /// A message by satellite: elements of a byte of kind, a big-endian length and so many bytes.
    fn iridium(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let short = |at: usize| DecodeError::new(Kind::BadLength, at, "an element reaches beyond the message");
        let mut r = Reader::new(message);
        r.bytes(HEAD);
        let mut record = Record::default();
        let mut whole = false;
        while let Some(kind) = r.u8() {
            let at = r.at();
            let length = r.u16().ok_or_else(|| short(at))?;
            let element = r.bytes(usize::from(length)).ok_or_else(|| short(at))?;
            let mut e = Reader::new(element);
            match kind {
                0x01 => header(&mut e, &mut record).ok_or_else(|| short(at))?,
                0x02 => {
                    let from = e.rest();
                    let told = match parts(from) {
                        Ok(parts) => parts.into_iter().find_map(Part::record),
                        Err(_) => Some(compressed(&mut e, now)?),
                    };
                    whole = true;
                    if let Some(told) = told {
                        record.time = told.time.or(record.time);
                        record.position = told.position.or(record.position);
                        record.attributes.extend(told.attributes);
                    }
                }
                // The place of the satellite's beam, good for nothing but a first guess.
                0x03 if !whole => record.position = beam(&mut e),
                _ => {}
            }
        }
        record.sequence = digest(message);
        Ok(Heard { message: Message::Records(vec![record]), reply: Reply::none() })
    }
}

fn header(e: &mut Reader<'_>, record: &mut Record) -> Option<()> {
    e.u32()?;
    let imei = std::str::from_utf8(e.bytes(15)?).ok().filter(|t| DeviceKey::is_valid(t))?;
    record.device = Some(DeviceKey::from(imei));
    e.bytes(5)?;
    record.time = Some(UnixMs::from_secs(i64::from(e.u32()?)));
    Some(())
}

fn beam(e: &mut Reader<'_>) -> Option<Position> {
    let flags = e.u8()?;
    let mut degrees = || Some(f64::from(e.u8()?) + f64::from(e.u16()?) / 60_000.0);
    let (lat, lon) = (degrees()?, degrees()?);
    let accuracy = e.u32().map(|km| km as f32 * 1000.0);
    let sign = |bit: u8| if flags & bit == 0 { 1.0 } else { -1.0 };
    Some(Position { lat: lat * sign(2), lon: lon * sign(1), accuracy, valid: false, ..Position::default() })
}

/// The tags between two repetitions.
#[derive(Default)]
struct Part {
    imei: Option<DeviceKey>,
    record: Record,
    /// Millisecond of the second.
    ms: i64,
    /// Metres a second and degrees.
    motion: Option<(f32, f32)>,
    altitude: Option<f32>,
    hdop: Option<f32>,
    /// Whether it has more than the tags by which a device says what it is.
    says: bool,
    numbered: bool,
}

impl Part {
    /// The record the tags make; `None` of those that only say who and what the device is.
    fn record(mut self) -> Option<Record> {
        if !self.says {
            return None;
        }
        if let Some(t) = &mut self.record.time {
            t.0 += self.ms;
        }
        Some(self.record)
    }

    fn end(&mut self, bytes: &[u8]) {
        if let Some(p) = &mut self.record.position {
            (p.speed, p.bearing) = self.motion.unzip();
            (p.altitude, p.hdop) = (self.altitude, self.hdop);
        }
        if !self.numbered {
            self.record.sequence = digest(bytes);
        }
    }
}

fn parts(body: &[u8]) -> Result<Vec<Part>, DecodeError> {
    let mut r = Reader::new(body);
    let mut parts = Vec::new();
    let mut part = Part::default();
    let mut seen = [false; 256];
    let mut start = body;
    loop {
        let rest = r.rest();
        let at = HEAD + r.at();
        let tag = r.u8();
        let again = tag.is_none_or(|t| seen.get(usize::from(t)).is_some_and(|s| *s));
        if again && start.len() != rest.len() {
            part.end(start.get(..start.len() - rest.len()).unwrap_or(start));
            parts.push(std::mem::take(&mut part));
            (start, seen) = (rest, [false; 256]);
        }
        let Some(tag) = tag else { return Ok(parts) };
        if let Some(s) = seen.get_mut(usize::from(tag)) {
            *s = true;
        }
        one(&mut r, tag, &mut part, at)?;
    }
}

/// Ten bytes of the most needed, then the tags there are, then their values.
fn compressed(r: &mut Reader<'_>, now: UnixMs) -> Result<Record, DecodeError> {
    let at = HEAD + r.at();
    let start = r.rest();
    let short = || DecodeError::new(Kind::BadLength, at, "the packet ends inside a record");
    let bytes = r.bytes(10).ok_or_else(short)?;
    let mut bits = bytes.iter().fold(0u128, |v, b| v << 8 | u128::from(*b));
    // The last bits come off first: nine of the user's, alarm, latitude, longitude, validity, time.
    let mut take = |n: u32| {
        let v = u32::try_from(bits & ((1 << n) - 1)).unwrap_or(0);
        bits >>= n;
        v
    };
    let user = take(9);
    let alarm = take(1);
    let lat = f64::from(take(21)) * 180.0 / 2_097_152.0 - 90.0;
    let lon = f64::from(take(22)) * 360.0 / 4_194_304.0 - 180.0;
    let valid = take(1) == 0;
    let time = in_year(take(25), now);

    let mut part = Part::default();
    part.record.time = time;
    part.record.position = Some(Position { lat, lon, valid, ..Position::default() });
    if alarm != 0 {
        part.record.attributes.push((attr::ALARM, text("general")));
    }
    if user != 0 {
        part.record.attributes.push((AttrKey::Name("user"), AttrValue::Int(user.into())));
    }
    let count = r.u8().ok_or_else(short)?;
    let tags = r.bytes(usize::from(count)).ok_or_else(short)?;
    for tag in tags {
        let at = HEAD + r.at();
        one(r, *tag, &mut part, at)?;
    }
    part.end(start.get(..start.len() - r.rest().len()).unwrap_or(start));
    part.says = true;
    part.record().ok_or_else(short)
}

/// A second of the year; the year is the one that brings it nearest before `now`.
fn in_year(second: u32, now: UnixMs) -> Option<UnixMs> {
    let year = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(jiff::tz::TimeZone::UTC).year();
    let at = utc(i64::from(year), 1, 1, 0, 0, 0)?.plus_secs(i64::from(second));
    if at.secs_since(now) > 86_400 {
        return Some(utc(i64::from(year) - 1, 1, 1, 0, 0, 0)?.plus_secs(i64::from(second)));
    }
    Some(at)
}

/// How long a tag's value is; `None` of tags unknown and of those that say it themselves.
fn length(tag: u8) -> Option<usize> {
    Some(match tag {
        0x01 | 0x02 | 0x35 | 0x43 | 0x49 | 0x88..=0x8C | 0xA0..=0xAF | 0xC4..=0xD2 | 0xD5 => 1,
        0x04 | 0x10 | 0x21 | 0x34 | 0x40..=0x42 | 0x45 | 0x46 | 0x48 | 0x50..=0x59 => 2,
        0x60..=0x62 | 0x70..=0x79 | 0xB0..=0xB9 | 0xD6..=0xDA => 2,
        0x5D | 0x63..=0x6F | 0x80..=0x87 | 0xFA => 3,
        0x20 | 0x33 | 0x44 | 0x47 | 0x5A | 0x90 | 0xC0..=0xC3 | 0xD3 | 0xD4 | 0xDB..=0xE0 => 4,
        0xE2..=0xE9 | 0xF0..=0xF9 => 4,
        0x5B => 7,
        0xFD => 8,
        0x30 => 9,
        IMEI => 15,
        0x5C => 68,
        _ => return None,
    })
}

fn one(r: &mut Reader<'_>, tag: u8, part: &mut Part, at: usize) -> Result<(), DecodeError> {
    let short = || DecodeError::new(Kind::BadLength, at, format!("the packet ends inside tag {tag:#04x}"));
    let length = match (length(tag), tag) {
        (Some(n), _) => n,
        (None, 0xE1 | 0xEA | 0xEB) => usize::from(r.u8().ok_or_else(short)?),
        (None, 0xFE) => usize::from(r.u16_le().ok_or_else(short)?),
        (None, _) => return Err(DecodeError::new(Kind::BadField, at, format!("tag {tag:#04x} is not known"))),
    };
    let value = r.bytes(length).ok_or_else(short)?;
    part.says |= !matches!(tag, 0x01..=0x04);
    take(tag, value, part).ok_or_else(|| DecodeError::new(Kind::BadField, at, format!("tag {tag:#04x} cannot be so")))
}

fn take(tag: u8, value: &[u8], part: &mut Part) -> Option<()> {
    let record = &mut part.record;
    let mut v = Reader::new(value);
    let mut add = |key: AttrKey, value: AttrValue| record.attributes.push((key, value));
    let indexed = |name: &str, n: u8| AttrKey::Own(format!("{name}{n}").into());
    match tag {
        IMEI => {
            let imei = std::str::from_utf8(value).ok()?.trim_end_matches('\0');
            part.imei = Some(DeviceKey::from(imei)).filter(|_| DeviceKey::is_valid(imei));
            part.imei.as_ref()?;
        }
        // The device's number in the server's commands, and its versions.
        0x01 | 0x02 | 0x04 => {}
        0x10 => {
            record.sequence = u32::from(v.u16_le()?);
            part.numbered = true;
        }
        0x20 => record.time = Some(UnixMs::from_secs(i64::from(v.u32_le()?))),
        0x21 => part.ms = i64::from(v.u16_le()? % 1000),
        0x30 => {
            let flags = v.u8()?;
            let (lat, lon) = (f64::from(v.i32_le()?) / 1e6, f64::from(v.i32_le()?) / 1e6);
            let (satellites, valid) = (Some(flags & 0x0F), flags & 0xF0 == 0);
            record.position = Some(Position { lat, lon, satellites, valid, ..Position::default() });
        }
        0x33 => {
            let (speed, course) = (v.u16_le()?, v.u16_le()?);
            part.motion = Some((f32::from(speed) / 10.0 / KMH, (f32::from(course) / 10.0).rem_euclid(360.0)));
        }
        0x34 => part.altitude = Some(f32::from(v.i16_le()?)),
        0x35 => part.hdop = Some(f32::from(v.u8()?) / 10.0),
        0x40 => {
            let status = v.u16_le()?;
            add(attr::STATUS, AttrValue::Int(status.into()));
            add(attr::MOTION, AttrValue::Bool(status & 1 != 0));
            add(attr::IGNITION, AttrValue::Bool(status & 1 << 9 != 0));
            for (bit, which) in [(5, "low_battery"), (6, "gps_antenna_cut")] {
                if status & 1 << bit != 0 {
                    add(attr::ALARM, text(which));
                }
            }
            if status & 1 << 14 != 0 {
                add(attr::ALARM, text("general"));
            }
        }
        0x41 => add(attr::POWER, fraction(f64::from(v.u16_le()?) / 1000.0)),
        0x42 => add(attr::BATTERY, fraction(f64::from(v.u16_le()?) / 1000.0)),
        0x43 => add(attr::TEMPERATURE, number(v.i8()?.into())),
        0x45 => add(attr::OUTPUTS, AttrValue::Int(v.u16_le()?.into())),
        0x46 => add(attr::INPUTS, AttrValue::Int(v.u16_le()?.into())),
        0x50..=0x57 => add(indexed("adc", tag - 0x50), AttrValue::Int(v.u16_le()?.into())),
        0x60..=0x62 => add(indexed("fuel", tag - 0x60), AttrValue::Int(v.u16_le()?.into())),
        0x90 => add(attr::DRIVER, text(&v.u32_le()?.to_string())),
        0xD4 => add(attr::ODOMETER, AttrValue::Int(v.u32_le()?.into())),
        0xE1 => add(attr::TEXT, text(&String::from_utf8_lossy(value))),
        _ if length(tag).is_some_and(|n| n <= 4) => {
            let v = value.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b));
            add(AttrKey::Io(tag.into()), AttrValue::Int(v));
        }
        _ => add(AttrKey::Io(tag.into()), AttrValue::Bytes(value.into())),
    }
    Some(())
}
