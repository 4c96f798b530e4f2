//! GT06, the protocol of Concox, Jimi and the many devices that copy it (Concox, *GPS Tracker Communication
//! Protocol* for GT06, GT06N/F/E, JM-VL01, JC100, GK310, AM01 and X1).
//!
//! ```text
//! short    78 78, u8 length, body, 0D 0A      long    79 79, u16 length, body, 0D 0A
//! body     u8 kind, content, u16 serial, u16 CRC-ITU from the length to the serial
//! answer   the same kind and serial, nothing between
//! ```
//!
//! The login names the IMEI, and a time zone that we pass over: locations are in UTC, and a device whose
//! clock runs in another zone is the gate's to correct. What each kind holds is in `read`.
//!
//! Not here: pictures, commands to the device, and packets that carry no checksum (Wi-Fi scans, kinds 0x17
//! and 0x69 of some models).

mod read;

use crc::{CRC_16_IBM_SDLC, Crc, Table};
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{calendar, flag_of, on_earth, only, pack, record_calendar, whole};
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::wire::{attr, numeric};
use super::{DecodeError, DeviceKey, Record, Sniff};

/// CRC-ITU, which the catalogue of CRCs calls IBM-SDLC and others X-25.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_SDLC);

const END: &[u8] = b"\r\n";
/// Kind, serial number and checksum: what a body has at least.
const LEAST_BODY: usize = 5;

const LOGIN: u8 = 0x01;
const LOCATION: u8 = 0x22;
const ADDRESS_REQUEST: u8 = 0x2A;
const TIME_REQUEST: u8 = 0x8A;
const ADDRESS: u8 = 0x97;

/// GT06, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: |key| Box::new(Tracker { key: key.clone(), serial: 0, told: None }),
};

/// Whether a connection that begins so is GT06's.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [0x78 | 0x79] => Sniff::NeedMore,
        [0x78, 0x78, ..] | [0x79, 0x79, ..] => Sniff::Yes,
        _ => Sniff::No,
    }
}

/// The length of a head and of the message that it promises; `None` until the length is there.
fn promised(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [0x78, 0x78, n, ..] => Some((3, 3 + usize::from(*n) + END.len())),
        [0x79, 0x79, a, b, ..] => Some((4, 4 + usize::from(u16::from_be_bytes([*a, *b])) + END.len())),
        _ => None,
    }
}

/// The server's end.
#[derive(Clone, Copy, Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    /// A long message of text or of modules is some hundred bytes; a piece of a picture is 1 KiB.
    const MAX: usize = 4096;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        if let [b'\r' | b'\n', ..] = bytes {
            return Ok(Bounds::Idle(bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()));
        }
        if sniff(bytes) == Sniff::No {
            let detail = "a message begins 78 78 or 79 79";
            return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
        }
        let Some((head, n)) = promised(bytes) else { return Ok(Bounds::Unfinished) };
        match bytes.get(..n) {
            None => Ok(Bounds::Unfinished),
            Some(message) if message.ends_with(END) => Ok(Bounds::Message(n)),
            // The length is wrong. The next message shows where this one ends, and only this one is lost.
            Some(_) => {
                let next = bytes.windows(4).skip(head).position(|w| matches!(w, b"\r\n\x78\x78" | b"\r\n\x79\x79"));
                Ok(next.map_or(Bounds::Unfinished, |at| Bounds::Message(head + at + END.len())))
            }
        }
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        bytes.ends_with(END)
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let frame = unwrap(message)?;
        let refuse = |e: DecodeError| DecodeError { at: e.at + frame.content_at, ..e };
        let message = read::message(&frame).map_err(refuse)?;
        Ok(Heard { message, reply: reply(&frame, now) })
    }
}

/// A message whose length and checksum are right.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    /// Whether its length is of two bytes.
    long: bool,
    kind: u8,
    content: &'a [u8],
    content_at: usize,
    serial: u16,
}

fn unwrap(message: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let length = |detail: String| DecodeError::new(Kind::BadLength, 2, detail);
    let Some((head, n)) = promised(message) else {
        return Err(DecodeError::new(Kind::Truncated, message.len(), "the message ends before its length"));
    };
    if n != message.len() {
        return Err(length(format!("the length says {n} bytes in all, there are {}", message.len())));
    }
    if n < head + LEAST_BODY + END.len() {
        return Err(length(format!("a body of {} bytes; it has at least {LEAST_BODY}", n - head - END.len())));
    }
    let checked = message.get(2..n - END.len() - 2).unwrap_or_default();
    let (Some([.., a, b]), Some((&kind, [content @ .., s, t]))) =
        (message.get(..n - END.len()), checked.get(head - 2..).and_then(<[u8]>::split_first))
    else {
        return Err(length("too short".to_owned()));
    };
    let (stated, computed) = (u16::from_be_bytes([*a, *b]), CRC.checksum(checked));
    if stated != computed {
        let detail = format!("the checksum is {stated:#06x}, the message's is {computed:#06x}");
        return Err(DecodeError::new(Kind::BadChecksum, n - END.len() - 2, detail));
    }
    Ok(Frame { long: head == 4, kind, content, content_at: head + 1, serial: u16::from_be_bytes([*s, *t]) })
}

/// Writes a message.
fn wrap(long: bool, kind: u8, content: &[u8], serial: u16) -> Vec<u8> {
    let length = content.len() + LEAST_BODY;
    let mut out = if long {
        let [a, b] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        vec![0x79, 0x79, a, b]
    } else {
        vec![0x78, 0x78, u8::try_from(length).unwrap_or(u8::MAX)]
    };
    out.push(kind);
    out.extend_from_slice(content);
    out.extend_from_slice(&serial.to_be_bytes());
    let crc = CRC.checksum(out.get(2..).unwrap_or_default());
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(END);
    out
}

/// What a message is answered when it is taken. What was refused is not answered: the device sends it again.
fn reply(frame: &Frame<'_>, now: UnixMs) -> Reply {
    let bytes = match (frame.long, frame.kind) {
        // Answers to commands that we do not send, and reports that no document has an answer to.
        (false, 0x80..=0x82 | 0x94) => return Reply::none(),
        (false, TIME_REQUEST) => wrap(false, TIME_REQUEST, &calendar(now).unwrap_or_default(), 0),
        // We know no addresses: an empty one ends the asking.
        (false, ADDRESS_REQUEST) => wrap(true, ADDRESS, b"\x0B\0\0\0\0NA&&NA&&0##", 0),
        (true, 0x32 | 0x33) => wrap(true, frame.kind, &[], frame.serial),
        (false, kind) | (true, kind @ (0x70 | 0xF2)) => wrap(false, kind, &[], frame.serial),
        (true, _) => return Reply::none(),
    };
    Reply::taken(bytes)
}

/// The device's end: a login, then locations of kind 0x22, one to a message, each answered by its serial number.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    serial: u16,
    /// Kind and serial number of what waits for an answer.
    told: Option<(u8, u16)>,
}

impl Tracker {
    fn say(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        self.serial = self.serial.wrapping_add(1);
        self.told = Some((kind, self.serial));
        wrap(false, kind, content, self.serial)
    }
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        let digits = self.key.expose();
        let packed = if digits.len() == 15 { pack(&format!("0{digits}")) } else { None };
        let packed = packed.ok_or_else(|| EncodeError::OutOfRange {
            field: "imei",
            value: format!("{}: it must be 15 digits", self.key),
        })?;
        Ok(self.say(LOGIN, &packed))
    }

    fn most(&self) -> usize {
        1
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let content = location(only(records)?)?;
        Ok(self.say(LOCATION, &content))
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(told) = self.told else { return Ok(Answer::Taken(0)) };
        let Bounds::Message(n) = stream::Dialect::bounds(&Dialect, bytes)? else { return Ok(Answer::Unfinished) };
        let frame = unwrap(bytes.get(..n).unwrap_or_default())?;
        Ok(if (frame.kind, frame.serial) == told { Answer::Taken(n) } else { Answer::Refused(n) })
    }
}

/// The content of kind 0x22. Coordinates are rounded to 1/30000 of a minute, speed to whole km/h, course to
/// degrees; a record without a position is written as 0, 0 without a fix; ignition and odometer have a place,
/// other attributes have none.
fn location(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let p = record.position.unwrap_or_default();
    let (lat, lon) = on_earth(p.lat, p.lon)?;
    let units = |v: f64| ((v.abs() * 60.0 * 30_000.0).round() as u32).to_be_bytes();
    let satellites = p.satellites.unwrap_or(0).min(15);
    let speed = whole("speed", p.speed.map(|s| s * 3.6), 0, 255)?;
    let course = whole("bearing", p.bearing, 0, 360)? % 360;
    let bit = |set: bool, n: u32| u16::from(set) << n;
    let flags = course as u16 | bit(lat >= 0.0, 10) | bit(lon < 0.0, 11) | bit(p.valid, 12);
    let odometer = numeric(record, &attr::ODOMETER).unwrap_or(0.0).clamp(0.0, f64::from(u32::MAX)).round() as u32;

    let mut out = record_calendar(record)?.to_vec();
    out.push(0xC0 | satellites);
    out.extend_from_slice(&units(lat));
    out.extend_from_slice(&units(lon));
    out.push(speed as u8);
    out.extend_from_slice(&flags.to_be_bytes());
    // The cell: country, network, area, tower; unknown.
    out.extend_from_slice(&[0; 8]);
    // Ignition, why it was sent, whether it was kept.
    out.extend_from_slice(&[u8::from(flag_of(record, "ignition").unwrap_or(false)), 0, 0]);
    out.extend_from_slice(&odometer.to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests;
