//! Queclink's @Track, in text and in HEX (Queclink, *@Track Air Interface Protocol* for GL200, GL300, GL500,
//! GV55, GV65, GV200, GV300, GV350M, GV500, GV600 and others).
//!
//! ```text
//! text     +RESP:GTxxx,version,id,name,…,send time,count$    +BUFF:… kept and sent later, +ACK:… of commands
//! answer   +SACK:count$        of a heartbeat  +SACK:GTHBD,version,count$
//! HEX      +RSP +EVT +INF …, u8 kind, u32 mask, u16 length of all, …, u16 count, u16 CRC, 0D 0A
//! ```
//!
//! Each model and firmware has reports of its own, of dozens of fields; the place is in all of them the same
//! seven fields in a row, and is found by that. So a report that nobody has described is read too. A device
//! that was not told to wait for answers (SACK) passes them over. What each says is in `text` and `hex`.
//!
//! Not here: commands, and answers to HEX, which the documents of few models have.

mod hex;
mod text;

use crc::{CRC_16_IBM_3740, Crc, Table};
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{calendar, on_earth, whole};
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Record, Sniff};

/// CRC-16 of CCITT, begun with ones.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_3740);

/// Queclink, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Tracker { key: key.clone(), count: 0 }),
};

/// Heads of text and of HEX messages.
const TEXT: [&[u8]; 4] = [b"+RESP:", b"+BUFF:", b"+ACK:", b"+SACK:"];
const HEX: [&[u8]; 11] =
    [b"+RSP", b"+BSP", b"+EVT", b"+BVT", b"+INF", b"+BNF", b"+ACK", b"+HBD", b"+CRD", b"+BRD", b"+LGN"];

/// Whether a connection that begins so is Queclink's.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let heads = || TEXT.iter().chain(HEX.iter());
    if heads().any(|head| first.starts_with(head)) || matches!(first, [b'+', 0, _, ..]) {
        Sniff::Yes
    } else if first == [b'+', 0] || heads().any(|head| head.starts_with(first)) {
        Sniff::NeedMore
    } else {
        Sniff::No
    }
}

/// The server's end: remembers who spoke.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
}

fn is_text(bytes: &[u8]) -> bool {
    TEXT.iter().any(|head| bytes.starts_with(head))
}

impl stream::Dialect for Dialect {
    /// Fifteen places and their cells in text are some 1.5 KB.
    const MAX: usize = 4096;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let u16_at = |at: usize| match bytes.get(at..at + 2) {
            Some([a, b]) => Some(usize::from(u16::from_be_bytes([*a, *b]))),
            _ => None,
        };
        let length = match bytes {
            [b'\r' | b'\n' | 0 | b'$', ..] => return Ok(Bounds::Idle(1)),
            text if is_text(text) => {
                return Ok(match text.iter().position(|b| matches!(b, b'$' | 0 | b'\n')) {
                    Some(end) => Bounds::Message(end + 1),
                    None => Bounds::Unfinished,
                });
            }
            [b'+', 0, ..] => u16_at(2),
            [b'+', b'A', b'C', b'K', _, _, n, ..] | [b'+', b'H', b'B', b'D', _, _, n, ..] => Some(usize::from(*n)),
            short if sniff(short) == Sniff::NeedMore => return Ok(Bounds::Unfinished),
            other if other.starts_with(b"+ACK") || other.starts_with(b"+HBD") => None,
            other if [b"+CRD", b"+BRD", b"+LGN"].iter().any(|head| other.starts_with(*head)) => u16_at(6),
            other if HEX.iter().any(|head| other.starts_with(head)) => u16_at(9),
            _ => {
                return Err(DecodeError::new(
                    Kind::BadPreamble,
                    0,
                    "a message begins with +RESP:, +BUFF:, +ACK: or +RSP",
                ));
            }
        };
        match length {
            None => Ok(Bounds::Unfinished),
            Some(n) if n < 12 => Err(DecodeError::new(Kind::BadPreamble, 0, format!("a HEX message of {n} bytes"))),
            Some(n) => Ok(Bounds::Message(n)),
        }
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        is_text(bytes)
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let said = if is_text(message) { text::read(message)? } else { hex::read(message, now)? };
        let is_new = said.device.is_some() && self.who != said.device;
        if said.device.is_some() {
            self.who.clone_from(&said.device);
        }
        let named = |mut records: Vec<Record>| {
            for record in &mut records {
                record.device.clone_from(&said.device);
                // The count is of messages: said again, in other company, the record has another; and what a
                // report says besides its places is of whichever comes last.
                let content = if record.position.is_some() { record.said_of_place() } else { record.said() };
                record.sequence = content ^ said.kind;
            }
            records
        };
        let message = match (said.records, &said.device) {
            (records, Some(key)) if records.is_empty() && is_new => Message::Login(key.clone()),
            (records, _) if records.is_empty() => Message::KeepAlive,
            (records, _) => Message::Records(named(records)),
        };
        Ok(Heard { message, reply: Reply::taken(said.answer) })
    }
}

/// What a message says.
#[derive(Debug, Default)]
struct Said {
    device: Option<DeviceKey>,
    /// What kind of report it is: one moment may be told by several.
    kind: u32,
    records: Vec<Record>,
    answer: Vec<u8>,
}

/// The device's end, in text: reports of up to fifteen places, each answered by its number.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    count: u16,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn most(&self) -> usize {
        15
    }

    /// Coordinates to a millionth of a degree, altitude to 0.1 m, speed to 0.1 km/h, course to degrees; the
    /// HDOP to 0.1, and 0 for a place that the device does not stand by. Attributes have no place.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let last = records.last().ok_or(EncodeError::NoRecords)?;
        if records.len() > self.most() {
            return Err(EncodeError::TooManyRecords { have: records.len(), most: self.most() });
        }
        let time = |record: &Record| -> Result<String, EncodeError> {
            let [y, mo, d, h, mi, s] = calendar(record.time.ok_or(EncodeError::Missing("time"))?)?;
            Ok(format!("20{y:02}{mo:02}{d:02}{h:02}{mi:02}{s:02}"))
        };
        let mut line = format!("+RESP:GTFRI,060100,{},,,00,{},", self.key.expose(), records.len());
        for record in records {
            line += &match &record.position {
                None => format!("0,,,,,,{}", time(record)?),
                Some(p) => {
                    let (lat, lon) = on_earth(p.lat, p.lon)?;
                    let hdop = if p.valid { p.hdop.unwrap_or(1.0).clamp(0.1, 99.9) } else { 0.0 };
                    let kmh = f64::from(p.speed.unwrap_or(0.0)) * 3.6;
                    let course = whole("bearing", p.bearing, 0, 360)? % 360;
                    let altitude = p.altitude.unwrap_or(0.0);
                    format!("{hdop:.1},{kmh:.1},{course},{altitude:.1},{lon:.6},{lat:.6},{}", time(record)?)
                }
            };
            line += ",,,,,00,";
        }
        self.count = self.count.wrapping_add(1);
        line += &format!("0.0,,,,,,,,,{},{:04X}$", time(last)?, self.count);
        Ok(line.into_bytes())
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(end) = bytes.iter().position(|b| *b == b'$') else { return Ok(Answer::Unfinished) };
        let ours = format!("+SACK:{:04X}$", self.count);
        Ok(if bytes.get(..=end) == Some(ours.as_bytes()) { Answer::Taken(end + 1) } else { Answer::Refused(end + 1) })
    }
}

#[cfg(test)]
mod tests;
