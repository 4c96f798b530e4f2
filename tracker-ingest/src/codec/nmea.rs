//! NMEA 0183 lines as GPS receivers write them (NMEA 0183 version 4.11), sent by routers, modems and home-made
//! trackers, with the device's id before.
//!
//! ```text
//! id       a line of its own: IMEI 352093081452251 · IMEI:… · $PGID,…*hh · $GPFID,… · the bare id
//!          or before the sentence: id,$GPRMC,… · id/$GPRMC,… · $IMEI=id,$GPRMC,…
//! place    $GPRMC,hhmmss,A|V,DDMM.mmmm,N,DDDMM.mmmm,E,knots,course,ddmmyy,…*hh     any talker for GP
//! more     $GPGGA,hhmmss,DDMM.mmmm,N,DDDMM.mmmm,E,fix,satellites,HDOP,metres,M,…*hh
//! ```
//!
//! RMC and GGA must have their checksum, and it must be right. A GGA adds to the RMC of the same time that
//! follows. Of a device that sends no RMC, GGA is the place, on the server's own day. Nothing is answered.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{
    KNOT, bad, calendar, course, degrees_minutes, hemisphere, on_earth, only, plain, record_calendar, utc_day_first,
    whole, write_degrees_minutes,
};
use super::model::digest;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Position, Record, Sniff};

/// NMEA lines, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Receiver { key: key.clone() }),
};

/// Whether a connection that begins so is of NMEA lines: a sentence of a receiver, or a line that names an IMEI. A
/// bare id could be anybody's, so a device that begins with one needs a port of its own.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    const HEADS: [&[u8]; 5] = [b"IMEI ", b"IMEI:", b"$IMEI=", b"$PGID,", b"$GPFID,"];
    if HEADS.iter().any(|head| first.starts_with(head)) {
        return Sniff::Yes;
    }
    if first.is_empty() || HEADS.iter().any(|head| head.starts_with(first)) {
        return Sniff::NeedMore;
    }
    let Some((b'$', sentence)) = first.split_first() else { return Sniff::No };
    match sentence {
        [b'G' | b'B', b'A'..=b'Z', _, _, _, comma, ..] => {
            if *comma == b',' && sentence.iter().take(5).all(u8::is_ascii_uppercase) { Sniff::Yes } else { Sniff::No }
        }
        short
            if short.len() < 6
                && matches!(short, [b'G' | b'B', rest @ ..] if rest.iter().all(u8::is_ascii_uppercase)) =>
        {
            Sniff::NeedMore
        }
        _ => Sniff::No,
    }
}

/// What a GGA adds to a place.
#[derive(Clone, Debug)]
struct More {
    clock: Box<str>,
    satellites: Option<u8>,
    hdop: Option<f32>,
    altitude: Option<f32>,
}

/// The server's end: remembers who speaks, and the last GGA.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
    more: Option<More>,
    /// An RMC was seen, so a GGA is no place of its own.
    has_rmc: bool,
}

impl stream::Dialect for Dialect {
    const MAX: usize = 1024;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        if let [b'\r' | b'\n' | b' ' | 0, ..] = bytes {
            return Ok(Bounds::Idle(1));
        }
        Ok(match bytes.iter().position(|b| *b == b'\n') {
            Some(end) => Bounds::Message(end + 1),
            None => Bounds::Unfinished,
        })
    }

    fn ends_here(&self, _bytes: &[u8]) -> bool {
        true
    }

    fn read(&mut self, message: &[u8], now: UnixMs) -> Result<Heard, DecodeError> {
        let said = |message| Ok(Heard { message, reply: Reply::none() });
        if !message.is_ascii() {
            return Err(DecodeError::new(Kind::BadPreamble, 0, "a line is of ASCII"));
        }
        let text = String::from_utf8_lossy(message);
        let line = text.trim();
        let Some((prefix, sentence)) = split(line) else {
            return match identity(line) {
                Some(key) => {
                    self.who = Some(key.clone());
                    said(Message::Login(key))
                }
                None => said(Message::KeepAlive),
            };
        };
        let named = prefix.rsplit([',', '/', ' ', ':', '=']).find(|part| !part.is_empty());
        let named = match named {
            Some(id) if DeviceKey::is_valid(id) => Some(DeviceKey::from(id)),
            Some(_) => return Err(bad(0, "what stands before the sentence is no id")),
            None => None,
        };
        let fields = checked(sentence)?;
        let record = match fields.first().and_then(|head| head.get(2..)) {
            Some("RMC") => self.rmc(&fields)?,
            Some("GGA") => self.gga(&fields, now)?,
            _ => None,
        };
        let is_new = named.is_some() && self.who != named;
        if named.is_some() {
            self.who.clone_from(&named);
        }
        match (record, named) {
            (Some(record), device) => {
                said(Message::Records(vec![Record { device, sequence: digest(sentence.as_bytes()), ..record }]))
            }
            (None, Some(key)) if is_new => said(Message::Login(key)),
            (None, _) => said(Message::KeepAlive),
        }
    }
}

/// What stands before the sentence of a receiver, and the sentence without its dollar; `None` of other lines.
fn split(line: &str) -> Option<(&str, &str)> {
    let at = line.match_indices('$').map(|(at, _)| at).find(|at| {
        let head = line.get(at + 1..at + 7).unwrap_or_default();
        head.ends_with(',')
            && head
                .get(2..5)
                .is_some_and(|kind| matches!(kind, "RMC" | "GGA" | "GSA" | "GSV" | "GLL" | "VTG" | "ZDA" | "GNS"))
    })?;
    Some((line.get(..at)?.trim_start_matches("$IMEI"), line.get(at + 1..)?))
}

/// The id of a line that names one.
fn identity(line: &str) -> Option<DeviceKey> {
    let body = line.strip_prefix('$').unwrap_or(line);
    let body = body.split_once('*').map_or(body, |(body, _)| body);
    let id = ["IMEI", "PGID", "GPFID", "imei"].iter().find_map(|head| body.strip_prefix(head));
    let id = id.map_or(body, |id| id.trim_start_matches([',', ':', '=', ' '])).trim();
    let is_id = DeviceKey::is_valid(id) && id.len() >= 5 && id.bytes().any(|b| b.is_ascii_digit());
    is_id.then(|| DeviceKey::from(id))
}

/// The fields of a sentence whose checksum is right: the exclusive-or of all between the dollar and the star.
fn checked(sentence: &str) -> Result<Vec<&str>, DecodeError> {
    let at = sentence.len();
    let Some((body, stated)) = sentence.split_once('*') else {
        return Err(DecodeError::new(Kind::BadChecksum, at, "the sentence has no checksum"));
    };
    let computed = body.bytes().fold(0, |x, b| x ^ b);
    if stated.len() != 2 || u8::from_str_radix(stated, 16) != Ok(computed) {
        let detail = format!("the checksum is `{stated}`, the sentence's is {computed:02X}");
        return Err(DecodeError::new(Kind::BadChecksum, at, detail));
    }
    Ok(body.split(',').collect())
}

/// A place from four fields; `None` where they are empty, as before the first fix.
fn place(fields: &[&str], from: usize) -> Result<Option<(f64, f64)>, DecodeError> {
    let Some(&[lat, ns, lon, ew]) = fields.get(from..from + 4) else {
        return Err(DecodeError::new(Kind::MissingField, 0, "the sentence ends before its place"));
    };
    if lat.is_empty() && lon.is_empty() {
        return Ok(None);
    }
    let read = |v: &str, letter: &str| hemisphere(degrees_minutes(v)?, letter);
    let lat = read(lat, ns).ok_or_else(|| bad(0, format!("the latitude is `{lat},{ns}`")))?;
    let lon = read(lon, ew).ok_or_else(|| bad(0, format!("the longitude is `{lon},{ew}`")))?;
    Ok((lat != 0.0 || lon != 0.0).then_some((lat, lon)))
}

impl Dialect {
    fn rmc(&mut self, fields: &[&str]) -> Result<Option<Record>, DecodeError> {
        self.has_rmc = true;
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        let found = place(fields, 3)?;
        let (clock, date) = (field(1), field(9));
        if clock.is_empty() || date.is_empty() {
            // It has not set its clock, so it cannot say when.
            return Ok(None);
        }
        let time = utc_day_first(date, clock)
            .ok_or_else(|| bad(0, format!("the date and time are `{date}` and `{clock}`")))?;
        let more = self.more.take().filter(|m| *m.clock == *clock);
        let position = found.map(|(lat, lon)| Position {
            lat,
            lon,
            altitude: more.as_ref().and_then(|m| m.altitude),
            speed: plain(field(7)).map(|v| (v * KNOT) as f32),
            bearing: plain(field(8)).and_then(course),
            satellites: more.as_ref().and_then(|m| m.satellites),
            hdop: more.as_ref().and_then(|m| m.hdop),
            accuracy: None,
            valid: field(2) == "A",
        });
        Ok(Some(Record { time: Some(time), position, ..Record::default() }))
    }

    fn gga(&mut self, fields: &[&str], now: UnixMs) -> Result<Option<Record>, DecodeError> {
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        let found = place(fields, 2)?;
        let real = |n: usize| plain(field(n)).map(|v| v as f32);
        let more = More { clock: field(1).into(), satellites: field(7).parse().ok(), hdop: real(8), altitude: real(9) };
        // The second in a row shows that no RMC comes between.
        let alone = !self.has_rmc && self.more.is_some();
        let record = match found {
            Some((lat, lon)) if alone => Some(Record::at(
                nearest(&more.clock, now).ok_or_else(|| bad(0, format!("the time is `{}`", more.clock)))?,
                Position {
                    lat,
                    lon,
                    altitude: more.altitude,
                    satellites: more.satellites,
                    hdop: more.hdop,
                    valid: !matches!(field(6), "" | "0"),
                    ..Position::default()
                },
            )),
            _ => None,
        };
        self.more = Some(more);
        Ok(record)
    }
}

/// The time of day nearest to now.
fn nearest(clock: &str, now: UnixMs) -> Option<UnixMs> {
    const DAY_MS: i64 = 86_400_000;
    let [y, mo, d, ..] = calendar(now).ok()?;
    let time = utc_day_first(&format!("{d:02}{mo:02}{y:02}"), clock)?;
    let days = (now.0 - time.0 + DAY_MS / 2).div_euclid(DAY_MS);
    Some(UnixMs(time.0 + days * DAY_MS))
}

/// The device's end: its id in a line, then an RMC for each record, never answered.
#[derive(Debug)]
struct Receiver {
    key: DeviceKey,
}

impl Terminal for Receiver {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        Ok(format!("IMEI {}\r\n", self.key.expose()).into_bytes())
    }

    fn most(&self) -> usize {
        1
    }

    /// Coordinates to 1/100000 of a minute, speed to 1/1000 of a knot, course to 0.1 degree; a record without a
    /// position is written with empty fields. Attributes have no place.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let record = only(records)?;
        let [y, mo, d, h, mi, s] = record_calendar(record)?;
        let place = match &record.position {
            None => "V,,,,,,".to_owned(),
            Some(p) => {
                let (lat, lon) = on_earth(p.lat, p.lon)?;
                whole("bearing", p.bearing, 0, 360)?;
                format!(
                    "{fix},{lat},{ns},{lon},{ew},{knots:.3},{degrees:.1}",
                    fix = if p.valid { 'A' } else { 'V' },
                    ns = if lat < 0.0 { 'S' } else { 'N' },
                    ew = if lon < 0.0 { 'W' } else { 'E' },
                    lat = write_degrees_minutes(lat, 2, 5),
                    lon = write_degrees_minutes(lon, 3, 5),
                    knots = f64::from(p.speed.unwrap_or(0.0)) / KNOT,
                    degrees = p.bearing.unwrap_or(0.0),
                )
            }
        };
        let body = format!("GPRMC,{h:02}{mi:02}{s:02}.00,{place},{d:02}{mo:02}{y:02},,,A");
        let checksum = body.bytes().fold(0, |x, b| x ^ b);
        Ok(format!("${body}*{checksum:02X}\r\n").into_bytes())
    }

    fn hear(&mut self, _bytes: &[u8]) -> Result<Answer, DecodeError> {
        Ok(Answer::Taken(0))
    }
}

#[cfg(test)]
mod tests;
