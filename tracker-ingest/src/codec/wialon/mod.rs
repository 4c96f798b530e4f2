//! Wialon IPS 1.1 and 2.x (Gurtam, *Wialon IPS communication protocol*): lines of text over TCP or UDP.
//!
//! ```text
//! #L#imei;password                     login, 1.1                       answered #AL#1 or #AL#0
//! #L#2.0;imei;password;CRC             login, 2.x
//! #SD#date;…;sats[;CRC]                where it was                     answered #ASD#1
//! #D#date;…;sats;hdop;…;params[;CRC]   the same and the sensors         answered #AD#1
//! #B#record|record|…[|CRC]             many of either kind              answered #AB# and how many
//! #P#  #M#text[;CRC]  #I#size;…        still here, a message, a picture answered #AP#, #AM#1, #AI#…
//! imei#D#…   2.0;imei#D#…              over UDP each line says whose it is
//! ```
//!
//! The CRC is CRC-16/ARC of what lies between the second `#` and the CRC, in hexadecimal. Not here: commands to
//! the device, tachograph files, video, compression (such a message is refused, the connection goes on).

use crc::{CRC_16_ARC, Crc, Table};
use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::wire::{KMH, attr, fraction, text, utc};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Position, Record, Sniff};

mod encode;
#[cfg(test)]
mod tests;

static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// What a device may send, by the word between the first two `#`.
const TYPES: [&str; 8] = ["L", "SD", "D", "B", "P", "M", "I", "T"];
/// The first byte of a compressed message.
const COMPRESSED: u8 = 0xFF;
/// Fields of a short record, and where the extended one's params are.
const SHORT: usize = 10;
const EXTENDED: usize = 16;

/// Wialon IPS, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is Wialon IPS: `#`, a type, `#`; or over UDP an id before it.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let Some(hash) = first.iter().take(DeviceKey::MAX + 8).position(|b| *b == b'#') else {
        return if first.is_empty() { Sniff::NeedMore } else { Sniff::No };
    };
    let (id, rest) = first.split_at(hash);
    if !id.iter().all(|b| b.is_ascii_alphanumeric() || b".;-_".contains(b)) {
        return Sniff::No;
    }
    let rest = rest.get(1..).unwrap_or_default();
    let mut open = false;
    for kind in TYPES {
        let head = [kind.as_bytes(), b"#"].concat();
        if rest.starts_with(&head) {
            return Sniff::Yes;
        }
        open |= head.starts_with(rest);
    }
    if open { Sniff::NeedMore } else { Sniff::No }
}

/// The server's end of a connection.
#[derive(Debug, Default)]
struct Dialect {
    /// Set by a login of version 2.x.
    second: bool,
    /// Whether a message after that login had a checksum, so that one without is not whole.
    checked: bool,
}

/// A line taken apart.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Before the first `#`: whose it is, over UDP.
    id: &'a [u8],
    kind: &'a [u8],
    body: &'a [u8],
    /// Where the body begins.
    at: usize,
}

impl<'a> Line<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
        let line = bytes.get(..end)?.trim_ascii_end();
        let first = line.iter().position(|b| *b == b'#')?;
        let (id, rest) = line.split_at_checked(first)?;
        let rest = rest.get(1..)?;
        let second = rest.iter().position(|b| *b == b'#')?;
        let at = first + second + 2;
        Some(Self { id, kind: rest.get(..second)?, body: line.get(at..)?, at })
    }

    /// How many bytes of binary data follow the line.
    fn followed_by(&self) -> Option<usize> {
        let field = match self.kind {
            b"I" => 0,
            b"T" => 1,
            _ => return None,
        };
        let size = self.body.split(|b| *b == b';').nth(field)?;
        std::str::from_utf8(size).ok()?.trim().parse().ok()
    }
}

impl stream::Dialect for Dialect {
    /// A black box of some 400 full records, or a block of a picture.
    const MAX: usize = 128 * 1024;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if blank > 0 {
            return Ok(Bounds::Idle(blank));
        }
        if bytes.first() == Some(&COMPRESSED) {
            return Ok(match bytes {
                [_, a, b, ..] => Bounds::Message(3 + usize::from(u16::from_le_bytes([*a, *b]))),
                _ => Bounds::Unfinished,
            });
        }
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return Ok(Bounds::Unfinished) };
        let data = Line::of(bytes).and_then(|l| l.followed_by()).unwrap_or(0);
        Ok(Bounds::Message((end + 1).saturating_add(data)))
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        if message.first() == Some(&COMPRESSED) {
            return Err(DecodeError::new(Kind::UnsupportedCodec, 0, "a compressed message; set compression off"));
        }
        let Some(line) = Line::of(message) else {
            return Err(DecodeError::new(Kind::BadPreamble, 0, "a message begins with #, its type and #"));
        };
        match line.kind {
            b"L" => self.login(&line),
            b"P" => Ok(Heard { message: Message::KeepAlive, reply: Reply::taken(b"#AP#\r\n".to_vec()) }),
            b"SD" | b"D" => {
                let body = self.checked_body(&line)?;
                let record = record(body, line.at, owner(&line)?)?;
                let reply = if line.kind == b"SD" { "#ASD#1\r\n" } else { "#AD#1\r\n" };
                Ok(Heard { message: Message::Records(vec![record]), reply: Reply::taken(reply.into()) })
            }
            b"B" => self.black_box(&line),
            b"M" => {
                let body = self.checked_body(&line)?;
                let said = String::from_utf8_lossy(body);
                let record = Record {
                    device: owner(&line)?,
                    sequence: digest(body),
                    attributes: vec![(attr::TEXT, text(said.trim_end_matches(';')))],
                    ..Record::default()
                };
                Ok(Heard { message: Message::Records(vec![record]), reply: Reply::taken(b"#AM#1\r\n".to_vec()) })
            }
            b"I" => picture(&line),
            other => {
                let detail = format!("a message of type {}, which is not read", String::from_utf8_lossy(other));
                Err(DecodeError::new(Kind::UnsupportedCodec, 1, detail))
            }
        }
    }

    /// A line whose end was cut off by who recorded it, or a datagram without one.
    fn ends_here(&self, bytes: &[u8]) -> bool {
        Line::of(bytes).is_some_and(|l| l.followed_by().is_none())
    }
}

impl Dialect {
    fn login(&mut self, line: &Line<'_>) -> Result<Heard, DecodeError> {
        let fields: Vec<&[u8]> = line.body.split(|b| *b == b';').collect();
        let version = |f: &[u8]| matches!(f, [a, b'.', rest @ ..] if a.is_ascii_digit() && rest.iter().all(u8::is_ascii_digit) && !rest.is_empty());
        let (second, key) = match *fields.as_slice() {
            [v, key, _, ..] if version(v) => (true, key),
            [key, ..] => (false, key),
            [] => (false, &[][..]),
        };
        if second {
            let body = crc_of(line)?;
            if body.is_none() {
                return Err(DecodeError::new(
                    Kind::MissingField,
                    line.at + line.body.len(),
                    "a 2.x login without its CRC",
                ));
            }
        }
        let key = key_of(key).ok_or_else(|| DecodeError::new(Kind::BadLogin, line.at, "the id is not a device's"))?;
        (self.second, self.checked) = (second, false);
        let reply = Reply { taken: b"#AL#1\r\n".to_vec(), refused: b"#AL#0\r\n".to_vec() };
        Ok(Heard { message: Message::Login(key), reply })
    }

    /// The body without its checksum, which is checked where there is one.
    fn checked_body<'a>(&mut self, line: &Line<'a>) -> Result<&'a [u8], DecodeError> {
        let have = line.body.split(|b| *b == b';').count();
        let must = self.second || line.id.contains(&b';');
        let has = match line.kind {
            b"SD" => have == SHORT + 1,
            b"D" => have == EXTENDED + 1 || (must && have > SHORT),
            _ => must,
        };
        if has && let Some(body) = crc_of(line)? {
            self.checked |= self.second;
            return Ok(body);
        }
        self.unchecked(line).map(|()| line.body)
    }

    /// Whether a message may come without a checksum.
    fn unchecked(&self, line: &Line<'_>) -> Result<(), DecodeError> {
        if (self.second && self.checked) || line.id.contains(&b';') {
            let at = line.at + line.body.len();
            return Err(DecodeError::new(Kind::MissingField, at, "a 2.x message without its CRC"));
        }
        Ok(())
    }

    fn black_box(&mut self, line: &Line<'_>) -> Result<Heard, DecodeError> {
        let device = owner(line)?;
        let mut body = line.body;
        let last = body.rsplit(|b| *b == b'|').next().unwrap_or_default();
        if last.len() < body.len() && is_crc(last) {
            body = self.checked_last(line, last)?;
        } else {
            self.unchecked(line)?;
        }
        let mut records = Vec::new();
        let mut at = line.at;
        for part in body.split(|b| *b == b'|') {
            if !part.trim_ascii().is_empty() {
                let mut r = record(part, at, device.clone())?;
                r.attributes.push((attr::ARCHIVE, AttrValue::Bool(true)));
                records.push(r);
            }
            at += part.len() + 1;
        }
        let reply = format!("#AB#{}\r\n", records.len()).into_bytes();
        Ok(Heard { message: Message::Records(records), reply: Reply::taken(reply) })
    }

    fn checked_last<'a>(&mut self, line: &Line<'a>, crc: &[u8]) -> Result<&'a [u8], DecodeError> {
        let body = line.body.get(..line.body.len() - crc.len()).unwrap_or_default();
        compare(body, crc, line.at + body.len())?;
        self.checked |= self.second;
        Ok(body)
    }
}

/// The checksum's field, which the writers of 2.x fill with one to four digits.
fn is_crc(field: &[u8]) -> bool {
    (1..=4).contains(&field.len()) && field.iter().all(u8::is_ascii_hexdigit)
}

/// The body up to and with the `;` before its checksum; `None` where the last field is no checksum.
fn crc_of<'a>(line: &Line<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let Some(semicolon) = line.body.iter().rposition(|b| *b == b';') else { return Ok(None) };
    let (body, crc) = line.body.split_at(semicolon + 1);
    if !is_crc(crc) {
        return Ok(None);
    }
    compare(body, crc, line.at + body.len())?;
    Ok(Some(body))
}

fn compare(body: &[u8], crc: &[u8], at: usize) -> Result<(), DecodeError> {
    let said = std::str::from_utf8(crc).ok().and_then(|t| u16::from_str_radix(t, 16).ok());
    let computed = CRC.checksum(body);
    if said == Some(computed) {
        return Ok(());
    }
    let detail = format!("the checksum is {}, the message's is {computed:04X}", String::from_utf8_lossy(crc));
    Err(DecodeError::new(Kind::BadChecksum, at, detail))
}

fn key_of(id: &[u8]) -> Option<DeviceKey> {
    let id = std::str::from_utf8(id).ok()?.trim();
    DeviceKey::is_valid(id).then(|| DeviceKey::from(id))
}

/// Whose the line says it is: nothing over TCP, the id or `version;id` over UDP.
fn owner(line: &Line<'_>) -> Result<Option<DeviceKey>, DecodeError> {
    let id = line.id.rsplit(|b| *b == b';').next().unwrap_or_default();
    if line.id.is_empty() {
        return Ok(None);
    }
    key_of(id).map(Some).ok_or_else(|| DecodeError::new(Kind::BadLogin, 0, "the id is not a device's"))
}

/// Blocks of a picture are let go by: a device told otherwise would send them for ever.
fn picture(line: &Line<'_>) -> Result<Heard, DecodeError> {
    let body = String::from_utf8_lossy(line.body);
    let mut numbers = body.split(';').skip(1).map(|f| f.trim().parse::<u32>().ok());
    let (Some(Some(block)), Some(Some(last))) = (numbers.next(), numbers.next()) else {
        return Err(DecodeError::new(Kind::BadField, line.at, "a picture without the number of its block"));
    };
    let mut reply = format!("#AI#{block};1\r\n");
    if block >= last {
        reply.push_str("#AI#1\r\n");
    }
    Ok(Heard { message: Message::KeepAlive, reply: Reply::taken(reply.into_bytes()) })
}

/// The fields of a record, one by one; `NA` and nothing are the same.
struct Fields<'a> {
    rest: std::str::Split<'a, char>,
    at: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let field = self.rest.next()?;
        self.at += field.len() + 1;
        let field = field.trim();
        (!field.is_empty() && field != "NA").then_some(field)
    }

    fn number(&mut self, what: &'static str) -> Result<Option<f64>, DecodeError> {
        let at = self.at;
        let Some(field) = self.next() else { return Ok(None) };
        match field.parse::<f64>() {
            Ok(v) if v.abs() <= f64::from(f32::MAX) => Ok(Some(v)),
            _ => Err(DecodeError::new(Kind::BadField, at, format!("the {what} is `{field}`"))),
        }
    }

    /// `5544.6025;N`: degrees and minutes, then the half of the globe.
    fn degrees(&mut self, what: &'static str, plus: &str, minus: &str) -> Result<Option<f64>, DecodeError> {
        let at = self.at;
        let value = self.number(what)?;
        let half = self.next();
        let Some(value) = value else { return Ok(None) };
        let sign = match half {
            Some(h) if h.eq_ignore_ascii_case(plus) => 1.0,
            Some(h) if h.eq_ignore_ascii_case(minus) => -1.0,
            _ => return Err(DecodeError::new(Kind::BadField, at, format!("the {what} is neither {plus} nor {minus}"))),
        };
        let whole = (value / 100.0).trunc();
        Ok(Some(sign * (whole + (value - whole * 100.0) / 60.0)))
    }
}

fn record(body: &[u8], at: usize, device: Option<DeviceKey>) -> Result<Record, DecodeError> {
    let line = String::from_utf8_lossy(body);
    let have = line.split(';').count();
    if have < SHORT {
        return Err(DecodeError::new(Kind::MissingField, at, format!("{have} fields; a record has at least {SHORT}")));
    }
    let mut f = Fields { rest: line.split(';'), at };
    let (date, clock) = (f.next(), f.next());
    let time = match (date, clock) {
        (Some(date), Some(clock)) => Some(
            moment(date, clock)
                .ok_or_else(|| DecodeError::new(Kind::BadField, at, format!("`{date};{clock}` is no date and time")))?,
        ),
        _ => None,
    };
    let lat = f.degrees("latitude", "N", "S")?;
    let lon = f.degrees("longitude", "E", "W")?;
    let (speed, course) = (f.number("speed")?, f.number("course")?);
    let altitude = f.number("altitude")?;
    let satellites = f.number("number of satellites")?.map(|n| n.clamp(0.0, 255.0) as u8);
    let hdop = f.number("HDOP")?;

    let mut attributes = Vec::new();
    for key in [attr::INPUTS, attr::OUTPUTS] {
        if let Some(field) = f.next() {
            attributes.push((key, field.parse().map_or_else(|_| text(field), AttrValue::Int)));
        }
    }
    for (n, field) in f.next().into_iter().flat_map(|adc| adc.split(',')).enumerate() {
        if let Ok(v) = field.trim().parse() {
            attributes.push((AttrKey::Own(format!("adc{}", n + 1).into()), fraction(v)));
        }
    }
    if let Some(driver) = f.next() {
        attributes.push((attr::DRIVER, text(driver)));
    }
    if let Some(params) = f.next() {
        params.split(',').filter_map(param).for_each(|p| attributes.push(p));
    }
    if lat.is_none() || lon.is_none() {
        attributes.extend(satellites.map(|n| (attr::SATELLITES, AttrValue::Int(n.into()))));
    }
    let position = lat.zip(lon).map(|(lat, lon)| Position {
        lat,
        lon,
        altitude: altitude.map(|v| v as f32),
        speed: speed.map(|v| v as f32 / KMH),
        bearing: course.map(|v| (v as f32).rem_euclid(360.0)),
        satellites,
        hdop: hdop.map(|v| v as f32),
        accuracy: None,
        valid: satellites != Some(0),
    });
    let record = Record { device, time, position, attributes, ..Record::default() };
    // Not of the text: alone and in a black box the same record is written differently.
    Ok(Record { sequence: record.said(), ..record })
}

/// `270413` and `205601`, or with a fraction `205601.250`.
fn moment(date: &str, clock: &str) -> Option<UnixMs> {
    let (clock, part) = clock.split_once('.').unwrap_or((clock, "0"));
    let pair = |text: &str, n: usize| text.get(2 * n..2 * n + 2).and_then(|d| d.parse::<u8>().ok());
    if date.len() != 6 || clock.len() != 6 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = 2000 + i64::from(pair(date, 2)?);
    let at = utc(year, pair(date, 1)?, pair(date, 0)?, pair(clock, 0)?, pair(clock, 1)?, pair(clock, 2)?)?;
    let ms = format!("{part:0<3}").get(..3)?.parse::<i64>().ok()?;
    Some(UnixMs(at.0 + ms))
}

/// `name:type:value`, where the type is 1 (whole), 2 (fraction) or 3 (words).
fn param(param: &str) -> Option<(AttrKey, AttrValue)> {
    let mut parts = param.splitn(3, ':');
    let (name, kind, value) = (parts.next()?.trim(), parts.next()?.trim(), parts.next()?.trim());
    if name.eq_ignore_ascii_case("SOS") && value == "1" {
        return Some((attr::ALARM, text("sos")));
    }
    let value = match kind {
        "1" | "2" => match (value.parse::<u64>(), value.parse::<f64>()) {
            (Ok(v), _) if kind == "1" => AttrValue::Int(v),
            (_, Ok(v)) => fraction(v),
            _ => text(value),
        },
        _ => text(value),
    };
    Some((AttrKey::Own(name.into()), value))
}
