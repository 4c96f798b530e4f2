//! H02, the protocol of many cheap trackers (Sinotrack ST-90x, Huabao, GTR-128 and others): lines and packed
//! binary mixed on one connection.
//!
//! ```text
//! line      *HQ,id,command,…#          any two letters for HQ; answered for V1, NBR, HTBT and V0
//! location  …,hhmmss,A|V|B,DDMM.mmmm,N,DDDMM.mmmm,E,knots,course[,battery],ddmmyy[,status[,more]]#
//! binary    $ id time date lat u8 battery lon knots course u32 status …, packed decimals
//! ```
//!
//! A binary message has no length of its own: 32 bytes, 45 (with the cell behind) or 42 (with an id of eight
//! bytes), which shows by what comes after it. There is no checksum. Status bits are 0 when set.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{
    Attributes, KNOT, bad, bcd, bcd_text, calendar, course, degrees_minutes, flag_of, hemisphere, on_earth, only,
    plain, record_calendar, utc_day_first, whole, write_degrees_minutes,
};
use super::model::digest;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Position, Record, Sniff};

/// Bytes of a binary message: with an id of five bytes, with the cell behind it, with an id of eight.
const SHORT: usize = 32;
const WITH_CELL: usize = 45;
const LONG_ID: usize = 42;

/// Nothing is wrong and nothing is on.
const QUIET: u32 = 0xFFFF_FBFF;
const ACC: u32 = 1 << 10;

/// H02, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Tracker { key: key.clone() }),
};

/// Whether a connection that begins so is H02's: `*HQ,` or a `$` and twelve bytes of packed decimals.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let fits = match first {
        [] => true,
        [b'*', rest @ ..] => {
            rest.iter().take(2).all(u8::is_ascii_alphanumeric) && rest.get(2).is_none_or(|comma| *comma == b',')
        }
        [b'$', rest @ ..] => rest.iter().take(11).all(|b| b >> 4 < 10 && b & 0x0F < 10),
        _ => false,
    };
    match (fits, first) {
        (false, _) => Sniff::No,
        (true, [b'*', _, _, _, ..]) => Sniff::Yes,
        (true, [b'$', ..]) if first.len() >= 12 => Sniff::Yes,
        (true, _) => Sniff::NeedMore,
    }
}

/// The server's end: remembers who spoke and how long its binary messages are.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
    binary: Option<usize>,
}

const fn is_marker(b: u8) -> bool {
    matches!(b, b'*' | b'$' | b'X' | b'\r' | b'\n')
}

impl stream::Dialect for Dialect {
    const MAX: usize = 2048;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        Ok(match bytes {
            [b'*', ..] => match bytes.iter().position(|b| *b == b'#') {
                Some(end) => Bounds::Message(end + 1),
                None => Bounds::Unfinished,
            },
            [b'$', ..] => self.binary_bounds(bytes),
            [b'X', ..] => Bounds::Message(SHORT),
            [b'\r' | b'\n', ..] => Bounds::Idle(1),
            // The cell behind a binary message that was taken when its first 32 bytes had come.
            _ if self.binary.is_some() => Bounds::Idle(bytes.iter().position(|b| is_marker(*b)).unwrap_or(bytes.len())),
            _ => return Err(DecodeError::new(Kind::BadPreamble, 0, "a message begins with `*`, `$` or `X`")),
        })
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        bytes.first() == Some(&b'$') && bytes.len() >= SHORT
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        match message {
            [b'*', line @ .., b'#'] => self.read_line(line, message, now),
            [b'$', ..] => {
                self.binary = Some(message.len());
                let record = read_binary(message)?;
                self.who.clone_from(&record.device);
                Ok(Heard { message: Message::Records(vec![record]), reply: Reply::none() })
            }
            _ => Ok(Heard { message: Message::KeepAlive, reply: Reply::none() }),
        }
    }
}

impl Dialect {
    fn binary_bounds(&self, bytes: &[u8]) -> Bounds {
        let ends = |n: usize| bytes.len() == n || bytes.get(n).is_some_and(|b| is_marker(*b));
        let candidates: &[usize] = match self.binary {
            Some(WITH_CELL) => &[WITH_CELL, SHORT],
            _ if bytes.len() >= 12 && !has_time_at(bytes, 6) => &[LONG_ID],
            _ => &[SHORT, WITH_CELL],
        };
        match candidates.iter().find(|n| ends(**n)) {
            // A device whose messages are longer has not sent the rest yet.
            Some(&SHORT) if self.binary == Some(WITH_CELL) && bytes.len() == SHORT => Bounds::Unfinished,
            Some(n) => Bounds::Message(*n),
            None if bytes.len() <= WITH_CELL => Bounds::Unfinished,
            None => Bounds::Message(SHORT),
        }
    }

    fn read_line(&mut self, line: &[u8], message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let text = String::from_utf8_lossy(line);
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let (id, command) = match fields.as_slice() {
            [_, id, command, ..] => (*id, *command),
            _ => return Err(DecodeError::new(Kind::MissingField, message.len(), "a line has an id and a command")),
        };
        let device = match id {
            "" => None,
            id if DeviceKey::is_valid(id) => Some(DeviceKey::from(id)),
            _ => return Err(bad(4, "the id is not letters and digits")),
        };
        let reply = Reply::taken(answer(id, command, now));
        let record = read_fields(&fields)?;
        let is_new = device.is_some() && self.who != device;
        if device.is_some() {
            self.who.clone_from(&device);
        }
        let message = match (record, device) {
            (Some(record), device) => Message::Records(vec![Record { device, sequence: digest(message), ..record }]),
            (None, Some(key)) if is_new => Message::Login(key),
            (None, _) => Message::KeepAlive,
        };
        Ok(Heard { message, reply })
    }
}

/// What a command is answered; empty for nothing.
fn answer(id: &str, command: &str, now: UnixMs) -> Vec<u8> {
    let time = || {
        let [y, mo, d, h, mi, s] = calendar(now).unwrap_or_default();
        format!("20{y:02}{mo:02}{d:02}{h:02}{mi:02}{s:02}")
    };
    match command {
        "V1" | "NBR" if !id.is_empty() => format!("*HQ,{id},V4,{command},{}#", time()).into_bytes(),
        "HTBT" | "V0" => format!("*HQ,{id},{command}#").into_bytes(),
        _ => Vec::new(),
    }
}

/// The location of a line, wherever in it (the answer to a command stands before it), or what a line without
/// one says; `None` of a line that says nothing.
fn read_fields(fields: &[&str]) -> Result<Option<Record>, DecodeError> {
    let located = fields.windows(5).enumerate().skip(2).find_map(|(at, w)| match w {
        [fix, lat, "N" | "S", lon, "E" | "W"]
            if matches!(*fix, "A" | "V" | "B" | "") || fix.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some((at, *fix, *lat, *lon))
        }
        _ => None,
    });
    let Some((at, fix, lat, lon)) = located else { return Ok(unlocated(fields)) };
    let field = |n: usize| fields.get(n).copied().unwrap_or_default();
    // Without them it only says that it has never had a fix.
    let mut position = None;
    if !lat.is_empty() && !lon.is_empty() {
        let read = |v: &str, letter: &str| hemisphere(degrees(v)?, letter);
        let lat = read(lat, field(at + 2)).ok_or_else(|| bad(0, format!("the latitude is `{lat}`")))?;
        let lon = read(lon, field(at + 4)).ok_or_else(|| bad(0, format!("the longitude is `{lon}`")))?;
        position = (lat != 0.0 || lon != 0.0).then(|| Position {
            lat,
            lon,
            speed: plain(field(at + 5)).map(|v| (v * KNOT) as f32),
            bearing: plain(field(at + 6)).and_then(course),
            valid: fix == "A" || field(at - 1) == "VP1" || fix.bytes().any(|b| b.is_ascii_digit()),
            ..Position::default()
        });
    }
    let field_is_empty = |n: usize| fields.get(n).is_some_and(|f| f.is_empty());
    let is_date = |n: usize| field(n).len() == 6 && field(n).bytes().all(|b| b.is_ascii_digit());
    // A battery level may stand before the date, which may be left empty: then the server's clock stands in.
    let found = [at + 7, at + 8].into_iter().find(|n| is_date(*n));
    let Some(date) = found.or_else(|| field_is_empty(at + 7).then_some(at + 7)) else {
        return match position {
            Some(_) => Err(DecodeError::new(Kind::MissingField, 0, "a location without a date")),
            None => Ok(None),
        };
    };
    let clock = if field(at - 1).starts_with("VP") { "000000" } else { field(at - 1) };
    let time = match found {
        Some(date) => Some(
            utc_day_first(field(date), clock)
                .ok_or_else(|| bad(0, format!("the date and time are `{}` and `{clock}`", field(date))))?,
        ),
        None if position.is_none() => return Ok(None),
        None => None,
    };
    let mut attributes = Attributes::default();
    let rest = fields.get(date + 1..).unwrap_or_default();
    if let Some(word) = rest.iter().find_map(|f| status_word(f)) {
        status(word, &mut attributes);
    }
    // Status, odometer, temperature, fuel, altitude, area, tower.
    if let ([_, odometer, _, fuel, altitude, _, _], Some(p)) = (rest, position.as_mut())
        && fuel.contains('.')
    {
        p.altitude = plain(altitude).map(|v| v as f32);
        if let Some(metres) = plain(odometer) {
            attributes.number("odometer", metres);
        }
    }
    Ok(Some(Record { time, position, attributes: attributes.0, ..Record::default() }))
}

/// `DDMM.mmmm`, `DDMMmmmm`, or `-DD-MM.mmmm` of some firmware, whose sign means nothing.
fn degrees(text: &str) -> Option<f64> {
    if let Some((d, m)) = text.strip_prefix('-').and_then(|v| v.split_once('-')) {
        let minutes = plain(m).filter(|m| (0.0..60.0).contains(m))?;
        return Some(f64::from(d.parse::<u8>().ok()?) + minutes / 60.0);
    }
    if text.contains('.') {
        return degrees_minutes(text);
    }
    let (whole, fraction) = text.split_at_checked(text.len().checked_sub(4)?)?;
    degrees_minutes(&format!("{whole}.{fraction}"))
}

/// Lines without a satellite fix that still say how the vehicle is: they end in a date and a status.
fn unlocated(fields: &[&str]) -> Option<Record> {
    let (date, word) = fields.windows(2).rev().find_map(|w| match w {
        [date, word] if date.len() == 6 => Some((*date, status_word(word)?)),
        _ => None,
    })?;
    let time = utc_day_first(date, fields.get(3)?)?;
    let mut attributes = Attributes::default();
    status(word, &mut attributes);
    if let ["LINK", _, _, _, percent, ..] = fields.get(2..)?
        && let Ok(percent @ ..=100u8) = percent.parse()
    {
        attributes.int("battery_percent", percent);
    }
    Some(Record { time: Some(time), attributes: attributes.0, ..Record::default() })
}

fn status_word(text: &str) -> Option<u32> {
    if text.len() == 8 { u32::from_str_radix(text, 16).ok() } else { None }
}

fn status(word: u32, attributes: &mut Attributes) {
    let is_set = |bit: u32| word & 1 << bit == 0;
    attributes.flag("ignition", word & ACC != 0);
    // The gravest last: of attributes of one name that is the one that is shown.
    let alarms = [(0, "vibration"), (2, "overspeed"), (19, "power_cut"), (1, "sos"), (18, "sos")];
    for (_, which) in alarms.iter().filter(|(bit, _)| is_set(*bit)) {
        attributes.alarm(which);
    }
}

/// Whether a time and a date in packed decimals can stand there.
fn has_time_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + 6).and_then(packed_time).is_some()
}

fn packed_time(bytes: &[u8]) -> Option<UnixMs> {
    let digits = bcd_text(bytes)?;
    utc_day_first(digits.get(6..)?, digits.get(..6)?)
}

fn read_binary(message: &[u8]) -> Result<Record, DecodeError> {
    // An id of eight bytes is fifteen digits; the time shows which it is.
    let long = message.len() >= LONG_ID && !has_time_at(message, 6);
    let at = if long { 9 } else { 6 };
    let part = |from: usize, to: usize| message.get(from..to).unwrap_or_default();
    let refuse = |from: usize, what: &str| bad(from, format!("{what} is not packed decimals of one"));
    let id = bcd_text(part(1, at)).ok_or_else(|| refuse(1, "the id"))?;
    let id = id.get(..if long { 15 } else { 10 }).unwrap_or_default();
    let time = packed_time(part(at, at + 6)).ok_or_else(|| refuse(at, "the time"))?;
    let units = bcd(part(at + 6, at + 10)).ok_or_else(|| refuse(at + 6, "the latitude"))?;
    let battery = part(at + 10, at + 11).first().copied().unwrap_or_default();
    // Nine digits, and four bits for the fix and the hemispheres.
    let (flags, east) = match part(at + 11, at + 16) {
        [four @ .., last] => (last & 0x0F, bcd(&[four, &[last & 0xF0]].concat()).map(|v| v / 10)),
        [] => (0, None),
    };
    let east = east.ok_or_else(|| refuse(at + 11, "the longitude"))?;
    let motion = bcd(part(at + 16, at + 19)).ok_or_else(|| refuse(at + 16, "the speed and course"))?;
    let word = match part(at + 19, at + 23) {
        &[a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => return Err(DecodeError::new(Kind::BadLength, message.len(), "the message ends before its status")),
    };
    let degrees = |units: u64, positive: bool| {
        let (whole, minutes) = (units / 1_000_000, units % 1_000_000);
        (if positive { 1.0 } else { -1.0 }) * (whole as f64 + minutes as f64 / 10_000.0 / 60.0)
    };
    let position = (units != 0 || east != 0).then(|| Position {
        lat: degrees(units, flags & 0x04 != 0),
        lon: degrees(east, flags & 0x08 != 0),
        speed: Some(((motion / 1000) as f64 * KNOT) as f32),
        bearing: course((motion % 1000) as f64),
        valid: flags & 0x02 != 0,
        ..Position::default()
    });
    let mut attributes = Attributes::default();
    status(word, &mut attributes);
    match battery {
        // Six levels, of which the lower are smaller.
        level @ 1..=3 => attributes.int("battery_percent", (level - 1) * 10),
        level @ 4..=6 => attributes.int("battery_percent", (level - 1) * 20),
        percent @ 7..=100 => attributes.int("battery_percent", percent),
        _ => {}
    }
    Ok(Record {
        device: Some(DeviceKey::from(id)),
        time: Some(time),
        // What is behind may come later or not at all, and says nothing of the place.
        sequence: digest(part(0, SHORT)),
        position,
        attributes: attributes.0,
        ..Record::default()
    })
}

/// The device's end: a V1 line for each record, each answered.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn most(&self) -> usize {
        1
    }

    /// Coordinates to 1/100000 of a minute, speed to 1/1000 of a knot, course to degrees; a record without a
    /// position is written as 0, 0 without a fix; of attributes the ignition has a place.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let record = only(records)?;
        let [y, mo, d, h, mi, s] = record_calendar(record)?;
        let p = record.position.unwrap_or_default();
        let (lat, lon) = on_earth(p.lat, p.lon)?;
        let course = whole("bearing", p.bearing, 0, 360)? % 360;
        let ignition = flag_of(record, "ignition").unwrap_or(false);
        let line = format!(
            "*HQ,{id},V1,{h:02}{mi:02}{s:02},{fix},{lat},{ns},{lon},{ew},{knots:06.3},{course:03},{d:02}{mo:02}{y:02},{status:08X}#",
            id = self.key.expose(),
            fix = if p.valid { 'A' } else { 'V' },
            ns = if lat < 0.0 { 'S' } else { 'N' },
            ew = if lon < 0.0 { 'W' } else { 'E' },
            lat = write_degrees_minutes(lat, 2, 5),
            lon = write_degrees_minutes(lon, 3, 5),
            knots = f64::from(p.speed.unwrap_or(0.0)) / KNOT,
            status = if ignition { QUIET | ACC } else { QUIET },
        );
        Ok(line.into_bytes())
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(end) = bytes.iter().position(|b| *b == b'#') else { return Ok(Answer::Unfinished) };
        let is_ours = bytes.get(..end).unwrap_or_default().windows(7).any(|w| w == b",V4,V1,");
        Ok(if is_ours { Answer::Taken(end + 1) } else { Answer::Refused(end + 1) })
    }
}

#[cfg(test)]
mod tests;
