//! Ruptela trackers over TCP (Ruptela, *Communication protocol*), big-endian.
//!
//! ```text
//! message   u16 length, u64 IMEI, u8 command, payload, u16 CRC    the length is of IMEI, command and payload
//! answer    u16 length, u8 command, payload, u16 CRC
//! 1, 68     records, and records with wide ids                    answered 100: 1 taken, 0 not
//! 9         trouble codes, each with a place                      answered 109: 1
//! 15, 16    identification, still here                            answered 115, 116: 1
//! 37        parts of a file                                       answered 137: which part is next
//! 2…8, 17   answers to commands, as text                          not answered
//! ```
//!
//! The CRC is CRC-16/KERMIT of IMEI, command and payload. Not here: commands to the device, tachograph and
//! firmware files.

use crc::{CRC_16_KERMIT, Crc, Table};
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

static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_KERMIT);

const RECORDS: u8 = 1;
const TROUBLE_CODES: u8 = 9;
const IDENTIFICATION: u8 = 15;
const HEARTBEAT: u8 = 16;
const SET_IO: u8 = 17;
const DRIVER_CARD: u8 = 36;
const FILES: u8 = 37;
const EXTENDED_RECORDS: u8 = 68;
/// What an answer's command is beyond the message's; records are answered 100 whichever they are.
const ANSWER: u8 = 100;
const RECORDS_ANSWER: u8 = 100;
/// IMEI and command.
const LEAST: usize = 9;
/// Coordinates of a device without a fix.
const NOWHERE: i32 = i32::MIN;

/// Ruptela, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is Ruptela's: a short length, an IMEI of at most fifteen digits, a command.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let mut r = Reader::new(first);
    let (Some(length), Some(imei), Some(command)) = (r.u16(), r.u64(), r.u8()) else {
        // Fifteen digits fill fifty bits of sixty-four.
        let could = match first {
            [] | [_] => true,
            [a, b, rest @ ..] => {
                let long_enough = usize::from(u16::from_be_bytes([*a, *b])) >= LEAST;
                long_enough && rest.first().is_none_or(|b| *b == 0) && rest.get(1).is_none_or(|b| *b < 4)
            }
        };
        return if could { Sniff::NeedMore } else { Sniff::No };
    };
    let known = matches!(command, 1..=IDENTIFICATION | HEARTBEAT | SET_IO | 30..=45 | EXTENDED_RECORDS);
    let imei = (1_000_000_000_000..=999_999_999_999_999).contains(&imei);
    if usize::from(length) >= LEAST && imei && known { Sniff::Yes } else { Sniff::No }
}

/// The server's end of a connection.
#[derive(Debug, Default)]
struct Dialect {
    /// Whether the device has said who it is.
    known: bool,
}

impl stream::Dialect for Dialect {
    /// What the length can say.
    const MAX: usize = 2 + 0xFFFF + 2;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let Some(length) = Reader::new(bytes).u16() else { return Ok(Bounds::Unfinished) };
        if usize::from(length) < LEAST {
            let detail = format!("a message of {length} bytes; an IMEI and a command take {LEAST}");
            return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
        }
        Ok(Bounds::Message(2 + usize::from(length) + 2))
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, 2 + r.at(), "the message ends inside a field");
        let Some((covered, sum)) = message.split_last_chunk::<2>() else {
            return Err(DecodeError::new(Kind::Truncated, message.len(), "a message ends with its checksum"));
        };
        let body = covered.get(2..).unwrap_or_default();
        let (said, computed) = (u16::from_be_bytes(*sum), CRC.checksum(body));
        if said != computed {
            let detail = format!("the checksum is {said:#06x}, the message's is {computed:#06x}");
            return Err(DecodeError::new(Kind::BadChecksum, covered.len(), detail));
        }
        let mut r = Reader::new(body);
        let (Some(imei), Some(command)) = (r.u64(), r.u8()) else { return Err(short(&r)) };
        let device = DeviceKey::from(format!("{imei:015}"));
        let ok = Reply::taken(answer(command.wrapping_add(ANSWER), &[1]));
        let heard = match command {
            RECORDS | EXTENDED_RECORDS => {
                let records = records(&mut r, command == EXTENDED_RECORDS).ok_or_else(|| short(&r))?;
                let reply = Reply { taken: answer(RECORDS_ANSWER, &[1]), refused: answer(RECORDS_ANSWER, &[0]) };
                Heard { message: Message::Records(records), reply }
            }
            TROUBLE_CODES => {
                let records = trouble_codes(&mut r).ok_or_else(|| short(&r))?;
                Heard { message: Message::Records(records), reply: ok }
            }
            IDENTIFICATION => {
                r.bytes(r.rest().len());
                Heard { message: Message::Login(device.clone()), reply: ok }
            }
            HEARTBEAT => {
                r.bytes(r.rest().len());
                let message = if self.known { Message::KeepAlive } else { Message::Login(device.clone()) };
                Heard { message, reply: ok }
            }
            FILES => {
                let reply = next_part(&mut r).ok_or_else(|| short(&r))?;
                Heard { message: Message::KeepAlive, reply: Reply::taken(reply) }
            }
            DRIVER_CARD => Heard { message: Message::Records(vec![said_text(&mut r)]), reply: ok },
            2..=8 | SET_IO => Heard { message: Message::Records(vec![said_text(&mut r)]), reply: Reply::none() },
            other => {
                let detail = format!("command {other}, which is not read");
                return Err(DecodeError::new(Kind::UnsupportedCodec, 10, detail));
            }
        };
        if !r.rest().is_empty() {
            let detail = format!("{} bytes follow the last field", r.rest().len());
            return Err(DecodeError::new(Kind::BadLength, 2 + r.at(), detail));
        }
        self.known = true;
        Ok(owned(heard, &device))
    }
}

/// Every message says whose it is.
fn owned(mut heard: Heard, device: &DeviceKey) -> Heard {
    if let Message::Records(records) = &mut heard.message {
        records.iter_mut().for_each(|r| r.device = Some(device.clone()));
    }
    heard
}

/// A message of the server's.
fn answer(command: u8, payload: &[u8]) -> Vec<u8> {
    let body = [&[command], payload].concat();
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &body, &CRC.checksum(&body).to_be_bytes()].concat()
}

fn records(r: &mut Reader<'_>, extended: bool) -> Option<Vec<Record>> {
    let _left = r.u8()?;
    let count = r.u8()?;
    let mut records: Vec<Record> = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let start = r.rest();
        let (mut record, continues) = record(r, extended)?;
        let said = start.get(..start.len() - r.rest().len())?;
        match records.last_mut() {
            // What did not fit one record goes on in the next: the same moment, more values.
            Some(last) if continues => {
                last.attributes.append(&mut record.attributes);
                last.sequence ^= digest(said);
            }
            _ => {
                record.sequence = digest(said);
                records.push(record);
            }
        }
    }
    Some(records)
}

/// A record, and whether it goes on from the one before.
fn record(r: &mut Reader<'_>, extended: bool) -> Option<(Record, bool)> {
    let time = UnixMs::from_secs(i64::from(r.u32()?));
    let _nth_of_the_second = r.u8()?;
    let part = if extended { r.u8()? } else { 0 };
    let continues = (1..=part >> 4).contains(&(part & 0x0F));
    let priority = r.u8()?;
    let (lon, lat) = (r.i32()?, r.i32()?);
    let (altitude, course, satellites) = (r.u16()?, r.u16()?, r.u8()?);
    let (kmh, hdop) = (r.u16()?, r.u8()?);
    let position = (lon != NOWHERE && lat != NOWHERE).then(|| Position {
        lat: f64::from(lat) / 1e7,
        lon: f64::from(lon) / 1e7,
        altitude: Some(f32::from(altitude) / 10.0),
        speed: Some(f32::from(kmh) / KMH),
        bearing: Some((f32::from(course) / 100.0).rem_euclid(360.0)),
        satellites: Some(satellites),
        hdop: Some(f32::from(hdop) / 10.0),
        accuracy: None,
        valid: satellites > 0,
    });
    let id = |r: &mut Reader<'_>| if extended { r.u16() } else { r.u8().map(u16::from) };
    let event = id(r)?;
    let mut attributes = Vec::new();
    if priority != 0 {
        attributes.push((AttrKey::Name("priority"), AttrValue::Int(priority.into())));
    }
    attributes.push((attr::EVENT, AttrValue::Int(event.into())));
    for width in [1usize, 2, 4, 8] {
        for _ in 0..r.u8()? {
            let id = id(r)?;
            let value = r.bytes(width)?.iter().fold(0, |v, b| v << 8 | u64::from(*b));
            attributes.push(attribute(id, value));
        }
    }
    Some((Record { time: Some(time), position, attributes, ..Record::default() }, continues))
}

/// What the numbered parameters mean that every fleet asks for; the rest keep their numbers.
fn attribute(id: u16, v: u64) -> (AttrKey, AttrValue) {
    let yes = AttrValue::Bool(v > 0);
    match id {
        251 | 409 => (attr::IGNITION, yes),
        173 => (attr::MOTION, yes),
        29 => (attr::POWER, fraction(v as f64 / 1000.0)),
        30 => (attr::BATTERY, fraction(v as f64 / 1000.0)),
        32 => (attr::TEMPERATURE, number(i64::from(v.to_le_bytes()[0].cast_signed()))),
        65 => (attr::ODOMETER, AttrValue::Int(v)),
        163 => (attr::ODOMETER, AttrValue::Int(v.saturating_mul(5))),
        88 if v > 0 => (attr::ALARM, text("jamming")),
        410 if v > 0 => (attr::ALARM, text("tow")),
        411 if v > 0 => (attr::ALARM, text("accident")),
        758 if v == 1 => (attr::ALARM, text("tamper")),
        _ => (AttrKey::Io(id), AttrValue::Int(v)),
    }
}

fn trouble_codes(r: &mut Reader<'_>) -> Option<Vec<Record>> {
    let count = r.u8()?;
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let start = r.rest();
        let _reserved = r.u8()?;
        let time = UnixMs::from_secs(i64::from(r.u32()?));
        let (lon, lat) = (r.i32()?, r.i32()?);
        let kept = r.u8()? == 2;
        let code = String::from_utf8_lossy(r.bytes(5)?);
        let position = (lon != NOWHERE && lat != NOWHERE).then(|| Position {
            lat: f64::from(lat) / 1e7,
            lon: f64::from(lon) / 1e7,
            valid: true,
            ..Position::default()
        });
        let mut attributes = vec![(AttrKey::Name("trouble_code"), text(&code))];
        if kept {
            attributes.push((attr::ARCHIVE, AttrValue::Bool(true)));
        }
        let sequence = digest(start.get(..start.len() - r.rest().len())?);
        records.push(Record { time: Some(time), sequence, position, attributes, ..Record::default() });
    }
    Some(records)
}

/// A part of a file is let go by; the answer names the next one, nothing after the last.
fn next_part(r: &mut Reader<'_>) -> Option<Vec<u8>> {
    let head = r.rest().get(..10);
    let sub = r.u8()?;
    if sub != 2 {
        r.bytes(r.rest().len());
        return Some(Vec::new());
    }
    r.bytes(9)?;
    let (total, part) = (r.u16()?, r.u16()?);
    r.bytes(r.rest().len());
    let next = part.checked_add(1)?;
    if next >= total {
        return Some(Vec::new());
    }
    Some(answer(FILES + ANSWER, &[head?, &next.to_be_bytes()].concat()))
}

/// What a command was answered: words where it is words, else bytes.
fn said_text(r: &mut Reader<'_>) -> Record {
    let said = r.bytes(r.rest().len()).unwrap_or_default();
    let words = std::str::from_utf8(said).ok().filter(|t| !t.chars().any(|c| c.is_control() && !c.is_whitespace()));
    let value = words.map_or_else(|| AttrValue::Bytes(said.into()), |t| text(t.trim()));
    Record { sequence: digest(said), attributes: vec![(attr::TEXT, value)], ..Record::default() }
}
