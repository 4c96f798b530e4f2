//! JT/T 808, the Chinese standard for vehicle terminals, of 2011, 2013 and 2019, as buses, recorders and many
//! trackers speak it.
//!
//! ```text
//! frame    7E, header, body, u8 exclusive-or of both, 7E; inside 7E is written 7D 02 and 7D is written 7D 01
//! header   u16 id, u16 attributes, [u8 version,] number (packed decimals), u16 serial[, u16 parts, u16 part]
//! attributes  0-9 length of the body · 10-12 encryption · 13 in parts · 14 version of 2019: its number has 10
//!             bytes, others 6
//! answer   8001: u16 serial and u16 id answered, u8 0; a registration is answered 8100 with the number as its code
//! ```
//!
//! The key is the number without leading zeros (of firmware that writes an IMEI in binary, the IMEI). Times
//! are of the zone UTC+8, as the standard has them. A peer that shows by what it sends that it knows no
//! escapes is answered without them. What each message says is in `read`.
//!
//! Not here: pictures and sound, encryption, and messages in parts (each part is passed over, and answered).

mod read;

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{bcd_text, calendar, flag_of, on_earth, pack, record_calendar, whole};
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::wire::{attr, numeric};
use super::{DecodeError, DeviceKey, Message, Record, Sniff};

const MARK: u8 = 0x7E;
const ESCAPE: u8 = 0x7D;

const HEARTBEAT: u16 = 0x0002;
const REGISTER: u16 = 0x0100;
const TIME: u16 = 0x0109;
const AUTHENTICATE: u16 = 0x0102;
const LOCATION: u16 = 0x0200;
const BATCH: u16 = 0x0704;
/// A location and a kept location of electronic locks, which have a header of their own.
const LOCK: u16 = 0x5501;
const LOCK_KEPT: u16 = 0x5502;
const ANSWER: u16 = 0x8001;
const LOCK_ANSWER: u16 = 0x4401;
const REGISTERED: u16 = 0x8100;
const TIME_IS: u16 = 0x8109;

/// JT/T 808, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Unit { key: key.clone(), serial: 0, told: None }),
};

/// Whether a connection that begins so is JT/T 808's: a mark, and an id that terminals send.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [MARK] => Sniff::NeedMore,
        [MARK, MARK, rest @ ..] => sniff(&[&[MARK], rest].concat()),
        [MARK, 0x00..=0x0F | 0x20 | 0x55, ..] => Sniff::Yes,
        _ => Sniff::No,
    }
}

/// The header of a message, without escapes and marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header<'a> {
    id: u16,
    attributes: u16,
    /// The version byte and the number; the number alone before 2019.
    who: &'a [u8],
    serial: u16,
    /// Where the body begins.
    length: usize,
}

impl Header<'_> {
    /// Bytes of the body that it promises.
    fn body(&self) -> usize {
        usize::from(self.attributes & 0x3FF)
    }

    const fn is_lock(&self) -> bool {
        matches!(self.id, LOCK | LOCK_KEPT)
    }

    fn is_versioned(&self) -> bool {
        !self.is_lock() && self.attributes & 1 << 14 != 0
    }

    fn in_parts(&self) -> bool {
        !self.is_lock() && self.attributes & 1 << 13 != 0
    }

    fn number(&self) -> &[u8] {
        if self.is_versioned() { self.who.get(1..).unwrap_or_default() } else { self.who }
    }
}

fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let &[a, b, c, d, ..] = bytes else { return None };
    let mut h = Header {
        id: u16::from_be_bytes([a, b]),
        attributes: u16::from_be_bytes([c, d]),
        who: &[],
        serial: 0,
        length: 0,
    };
    let end = if h.is_versioned() { 4 + 1 + 10 } else { 4 + 6 };
    h.who = bytes.get(4..end)?;
    (h.serial, h.length) = if h.is_lock() {
        (u16::from(*bytes.get(end)?), end + 1)
    } else {
        let serial = bytes.get(end..end + 2)?.try_into().ok()?;
        (u16::from_be_bytes(serial), end + if h.in_parts() { 6 } else { 2 })
    };
    Some(h)
}

/// Whether the length that its header promises is that of a message (without marks).
fn is_whole(message: &[u8]) -> bool {
    header(message).is_some_and(|h| h.length + h.body() + 1 == message.len())
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |x, b| x ^ b)
}

/// Takes the escapes out; `None` where a byte follows that no escape has.
fn unescape(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(b) = rest.next() {
        out.push(match (*b, if *b == ESCAPE { rest.next() } else { None }) {
            (ESCAPE, Some(1)) => ESCAPE,
            (ESCAPE, Some(2)) => MARK,
            (ESCAPE, _) => return None,
            (b, _) => b,
        });
    }
    Some(out)
}

/// The server's end: remembers whether its peer escapes, and who it is.
#[derive(Debug, Default)]
struct Dialect {
    /// It was seen to send marks inside messages.
    plain: bool,
    who: Option<DeviceKey>,
}

impl stream::Dialect for Dialect {
    /// A body of 1023 bytes, all escaped, its header and marks.
    const MAX: usize = 2 * (1023 + 24) + 3;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let inside = match bytes {
            // The end of a message that was passed over and the start of the next.
            [MARK, MARK, ..] => return Ok(Bounds::Idle(1)),
            [MARK, inside @ ..] => inside,
            [b'(', ..] => {
                return Ok(bytes
                    .iter()
                    .position(|b| *b == b')')
                    .map_or(Bounds::Unfinished, |at| Bounds::Message(at + 1)));
            }
            // Some firmware puts these before a message, and line ends behind.
            [b'$' | b'\r' | b'\n', ..] => return Ok(Bounds::Idle(1)),
            _ => return Err(DecodeError::new(Kind::BadPreamble, 0, "a message begins with 7E")),
        };
        let Some(at) = inside.iter().position(|b| *b == MARK) else { return Ok(Bounds::Unfinished) };
        let n = at + 2;
        let message = inside.get(..at).unwrap_or_default();
        if unescape(message).is_some_and(|m| is_whole(&m)) || bytes.get(n) == Some(&MARK) {
            return Ok(Bounds::Message(n));
        }
        // Shorter than promised: damaged, or of a peer that knows no escapes, whose mark is only a byte.
        let Some(promised) = header(inside).map(|h| 1 + h.length + h.body() + 2) else { return Ok(Bounds::Unfinished) };
        Ok(match bytes.get(..promised) {
            _ if promised <= n => Bounds::Message(n),
            None => Bounds::Unfinished,
            Some([MARK, literal @ .., MARK]) if xor(literal) == 0 => Bounds::Message(promised),
            Some(_) => Bounds::Message(n),
        })
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        matches!(bytes, [MARK, .., MARK])
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let inside = match message {
            [MARK, inside @ .., MARK] => inside,
            [b'(', ..] => return Ok(words(message, now)),
            _ => return Err(DecodeError::new(Kind::Truncated, message.len(), "the message has no end mark")),
        };
        let unescaped = if inside.contains(&MARK) { None } else { unescape(inside) };
        if unescaped.is_none() {
            self.plain = true;
        }
        let whole = unescaped.as_deref().unwrap_or(inside);
        let Some((_, rest)) = whole.split_last() else {
            return Err(DecodeError::new(Kind::BadLength, 1, "an empty message"));
        };
        if xor(whole) != 0 {
            let detail =
                format!("the checksum is {:#04x}, the message's is {:#04x}", xor(rest) ^ xor(whole), xor(rest));
            return Err(DecodeError::new(Kind::BadChecksum, message.len() - 2, detail));
        }
        let header = header(rest).filter(|h| h.length <= rest.len());
        let header =
            header.ok_or_else(|| DecodeError::new(Kind::BadLength, 1, "the message ends inside its header"))?;
        let body = rest.get(header.length..).unwrap_or_default();
        if body.len() != header.body() {
            let detail = format!("the header says a body of {} bytes, there are {}", header.body(), body.len());
            return Err(DecodeError::new(Kind::BadLength, 3, detail));
        }
        let key = key(header.number())?;
        let said = if header.in_parts() {
            if read::carries_records(header.id) {
                // An answer would promise that its part of the records is kept.
                let detail = format!("a part of message {:#06x}; its records are read from whole messages", header.id);
                return Err(DecodeError::new(Kind::UnsupportedCodec, 3, detail));
            }
            Message::KeepAlive
        } else {
            let refuse = |e: DecodeError| DecodeError { at: e.at + 1 + header.length, ..e };
            read::message(&header, body, &key).map_err(refuse)?
        };
        let said = match said {
            Message::KeepAlive if self.who.as_ref() != Some(&key) => Message::Login(key.clone()),
            said => said,
        };
        self.who = Some(key);
        let answer = self.answer(&header, now);
        Ok(Heard { message: said, reply: Reply::taken(answer) })
    }
}

/// The key of a number: its digits without leading zeros. Where they are not digits, firmware wrote the
/// fourteen digits of an IMEI in binary; its check digit follows from them.
fn key(number: &[u8]) -> Result<DeviceKey, DecodeError> {
    if let Some(digits) = bcd_text(number) {
        let trimmed = digits.trim_start_matches('0');
        return Ok(DeviceKey::from(if trimmed.is_empty() { "0" } else { trimmed }));
    }
    let value = number.iter().fold(0u128, |v, b| v << 8 | u128::from(*b));
    let digits = format!("{value:014}");
    if digits.len() != 14 {
        return Err(DecodeError::new(Kind::BadField, 5, "the terminal's number is not packed digits"));
    }
    // Every second digit doubled, the digits of all summed (Luhn).
    let sum: u32 = digits
        .bytes()
        .enumerate()
        .map(|(at, b)| u32::from(b - b'0') * if at % 2 == 1 { 2 } else { 1 })
        .map(|v| v / 10 + v % 10)
        .sum();
    Ok(DeviceKey::from(format!("{digits}{}", (10 - sum % 10) % 10)))
}

impl Dialect {
    /// What a message is answered; empty for nothing.
    fn answer(&self, header: &Header<'_>, now: UnixMs) -> Vec<u8> {
        let [s, t] = header.serial.to_be_bytes();
        let [i, j] = header.id.to_be_bytes();
        match header.id {
            // A terminal's own answers, and a log of acceleration.
            0x0001 | 0x2070 | 0x1300 => Vec::new(),
            REGISTER => {
                let mut body = vec![s, t, 0];
                body.extend(header.number().iter().flat_map(|b| format!("{b:02x}").into_bytes()));
                self.frame(REGISTERED, header, &body)
            }
            TIME => {
                let [y, mo, d, h, mi, s] = calendar(now).unwrap_or_default();
                let [a, b] = (2000 + u16::from(y)).to_be_bytes();
                self.frame(TIME_IS, header, &[a, b, mo, d, h, mi, s])
            }
            LOCK | LOCK_KEPT if header.attributes & 1 << 15 == 0 => Vec::new(),
            LOCK | LOCK_KEPT => self.frame(LOCK_ANSWER, header, &[i, j, 0]),
            _ => self.frame(ANSWER, header, &[s, t, i, j, 0]),
        }
    }

    /// A message of the server, to the number and in the version of the one it answers.
    fn frame(&self, id: u16, to: &Header<'_>, body: &[u8]) -> Vec<u8> {
        let serial: &[u8] = if to.is_lock() { &[1] } else { &[0, 0] };
        frame(id, to.is_versioned(), to.who, serial, body, !self.plain)
    }
}

fn frame(id: u16, versioned: bool, who: &[u8], serial: &[u8], body: &[u8], escaped: bool) -> Vec<u8> {
    let attributes = u16::try_from(body.len()).unwrap_or(0) & 0x3FF | u16::from(versioned) << 14;
    let mut inside = [&id.to_be_bytes(), &attributes.to_be_bytes(), who, serial, body].concat();
    inside.push(xor(&inside));
    let mut out = vec![MARK];
    for b in inside {
        match b {
            MARK if escaped => out.extend_from_slice(&[ESCAPE, 2]),
            ESCAPE if escaped => out.extend_from_slice(&[ESCAPE, 1]),
            b => out.push(b),
        }
    }
    out.push(MARK);
    out
}

/// Words in brackets of electronic locks: one asks for the time.
fn words(message: &[u8], now: UnixMs) -> Heard {
    let text = String::from_utf8_lossy(message);
    let reply = if text.contains("BASE,2") {
        let [y, mo, d, h, mi, s] = calendar(now).unwrap_or_default();
        Reply::taken(text.replace("TIME", &format!("20{y:02}{mo:02}{d:02}{h:02}{mi:02}{s:02}")).into_bytes())
    } else {
        Reply::none()
    };
    Heard { message: Message::KeepAlive, reply }
}

/// The device's end: authenticates, then sends locations, one alone or several as a batch. A key of up to
/// 12 digits is written in the header of 2013, a longer one in that of 2019.
#[derive(Debug)]
struct Unit {
    key: DeviceKey,
    serial: u16,
    /// Serial number and id of what waits for an answer.
    told: Option<(u16, u16)>,
}

impl Unit {
    fn say(&mut self, id: u16, body: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let digits = self.key.expose();
        let versioned = digits.len() > 12;
        let packed = if versioned { pack(&format!("{digits:0>20}")) } else { pack(&format!("{digits:0>12}")) };
        let packed = packed.filter(|p| p.len() == if versioned { 10 } else { 6 } && !digits.starts_with('0'));
        let mut who = packed.ok_or_else(|| EncodeError::OutOfRange {
            field: "number",
            value: format!("{}: it must be up to 20 digits, not beginning with 0", self.key),
        })?;
        if versioned {
            who.insert(0, 1);
        }
        self.serial = self.serial.wrapping_add(1);
        self.told = Some((self.serial, id));
        Ok(frame(id, versioned, &who, &self.serial.to_be_bytes(), body, true))
    }
}

impl Terminal for Unit {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        let code = self.key.expose().to_owned();
        self.say(AUTHENTICATE, code.as_bytes())
    }

    /// What fits the shortest body.
    fn most(&self) -> usize {
        20
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        match records {
            [] => Err(EncodeError::NoRecords),
            [record] => self.say(LOCATION, &location(record)?),
            more if more.len() > self.most() => {
                Err(EncodeError::TooManyRecords { have: more.len(), most: self.most() })
            }
            more => {
                let mut body = u16::try_from(more.len()).unwrap_or(0).to_be_bytes().to_vec();
                body.push(0);
                for record in more {
                    let one = location(record)?;
                    body.extend_from_slice(&u16::try_from(one.len()).unwrap_or(0).to_be_bytes());
                    body.extend_from_slice(&one);
                }
                self.say(BATCH, &body)
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(told) = self.told else { return Ok(Answer::Taken(0)) };
        if bytes.is_empty() {
            return Ok(Answer::Unfinished);
        }
        let Bounds::Message(n) = stream::Dialect::bounds(&Dialect::default(), bytes)? else {
            return Ok(Answer::Unfinished);
        };
        let inside = bytes
            .get(1..n - 1)
            .and_then(unescape)
            .filter(|m| xor(m) == 0)
            .ok_or_else(|| DecodeError::new(Kind::BadChecksum, 0, "the answer's checksum is wrong"))?;
        let answer = header(&inside).filter(|h| h.id == ANSWER).and_then(|h| inside.get(h.length..));
        Ok(match answer {
            Some(&[s, t, i, j, 0, _]) if (u16::from_be_bytes([s, t]), u16::from_be_bytes([i, j])) == told => {
                Answer::Taken(n)
            }
            _ => Answer::Refused(n),
        })
    }
}

/// A location's body: coordinates to a millionth of a degree, altitude to metres, speed to 0.1 km/h, course to
/// degrees, satellites and odometer (to 100 m) behind it; a record without a position is written as 0, 0.
fn location(record: &Record) -> Result<Vec<u8>, EncodeError> {
    const ZONE_MS: i64 = 8 * 3_600_000;
    let p = record.position.unwrap_or_default();
    let (lat, lon) = on_earth(p.lat, p.lon)?;
    let bit = |set: bool, n: u32| u32::from(set) << n;
    let status =
        bit(flag_of(record, "ignition").unwrap_or(false), 0) | bit(p.valid, 1) | bit(lat < 0.0, 2) | bit(lon < 0.0, 3);
    let micro = |v: f64| ((v.abs() * 1e6).round() as u32).to_be_bytes();
    let shifted = Record { time: record.time.map(|t| UnixMs(t.0 + ZONE_MS)), ..Record::default() };
    let time = record_calendar(&shifted)?;

    let mut out = vec![0; 4];
    out.extend_from_slice(&status.to_be_bytes());
    out.extend_from_slice(&micro(lat));
    out.extend_from_slice(&micro(lon));
    out.extend_from_slice(&(whole("altitude", p.altitude, -500, 32_767)? as i16).to_be_bytes());
    out.extend_from_slice(&(whole("speed", p.speed.map(|s| s * 36.0), 0, 65_535)? as u16).to_be_bytes());
    out.extend_from_slice(&((whole("bearing", p.bearing, 0, 360)? % 360) as u16).to_be_bytes());
    out.extend(time.iter().map(|v| ((v / 10) << 4) | (v % 10)));
    if let Some(metres) = numeric(record, &attr::ODOMETER) {
        out.extend_from_slice(&[0x01, 4]);
        out.extend_from_slice(&((metres / 100.0).round().clamp(0.0, f64::from(u32::MAX)) as u32).to_be_bytes());
    }
    if let Some(satellites) = p.satellites {
        out.extend_from_slice(&[0x31, 1, satellites]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
