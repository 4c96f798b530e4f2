//! GPS103, the protocol of Coban's TK103, TK303, TK403 and their copies: lines of ASCII.
//!
//! ```text
//! login      ##,imei:ID,A;                    answered LOAD
//! heartbeat  ID;                              answered ON
//! place      imei:ID,why,yymmddhhmm[ss],tag,F,hhmmss.sss,A,DDMM.mmmm,N,DDDMM.mmmm,E,knots,course,metres,…;
//! no place   imei:ID,why,…,L,…;
//! by OBD     imei:ID,OBD,yymmddhhmmss,…;
//! ```
//!
//! The date is of the device's own zone and the time behind `F` is UTC: the zone is the whole minutes between
//! them. Places are not answered, but for `help me`, of which the device wants to know that it was heard.
//! There is no checksum. Not here: pictures.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{
    Attributes, KMH, KNOT, bad, course, degrees_minutes, flag_of, hemisphere, on_earth, only, plain, record_calendar,
    utc_day_first, utc_digits, whole, write_degrees_minutes,
};
use super::model::digest;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Position, Record, Sniff};

/// GPS103, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Tracker { key: key.clone(), waits: false }),
};

const LOGIN: &[u8] = b"##,imei:";
const LINE: &[u8] = b"imei:";

/// Whether a connection that begins so is GPS103's: a login, a line or a heartbeat.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    if first.starts_with(LOGIN) || first.starts_with(LINE) {
        return Sniff::Yes;
    }
    if LOGIN.starts_with(first) || LINE.starts_with(first) {
        return Sniff::NeedMore;
    }
    let digits = first.iter().take_while(|b| b.is_ascii_digit()).count();
    match first.get(digits) {
        Some(b';') if digits == 15 => Sniff::Yes,
        None if digits <= 15 => Sniff::NeedMore,
        _ => Sniff::No,
    }
}

/// The server's end: remembers who spoke.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
}

const fn is_end(b: u8) -> bool {
    matches!(b, b';' | b'*' | b'\r' | b'\n')
}

impl stream::Dialect for Dialect {
    /// A piece of a picture is 1 KiB in hex.
    const MAX: usize = 4096;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        Ok(match bytes {
            [b, ..] if is_end(*b) => Bounds::Idle(1),
            [b'#' | b'i' | b'0'..=b'9', ..] => {
                bytes.iter().position(|b| is_end(*b)).map_or(Bounds::Unfinished, |at| Bounds::Message(at + 1))
            }
            _ => {
                return Err(DecodeError::new(Kind::BadPreamble, 0, "a line begins with `##,imei:`, `imei:` or digits"));
            }
        })
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        matches!(bytes, [b'#' | b'i' | b'0'..=b'9', ..])
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let text = String::from_utf8_lossy(message);
        let line = text.trim_end_matches([';', '*', '\r', '\n']);
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        // A line may follow a heartbeat without its end.
        let (heartbeat, line) = line.split_at_checked(digits).unwrap_or_default();
        let mut answer = if heartbeat.is_empty() { String::new() } else { "ON".to_owned() };
        let (id, record) = if line.is_empty() {
            (heartbeat, None)
        } else {
            let fields: Vec<&str> = line.trim_start_matches("##,").split(',').map(str::trim).collect();
            let id = fields.first().and_then(|f| f.strip_prefix("imei:"));
            let id = id.ok_or_else(|| bad(0, "no `imei:` where the id must be"))?;
            let why = fields.get(1).copied().unwrap_or_default();
            if line.starts_with("##") || (fields.len() <= 3 && matches!(why, "A" | "L")) {
                answer = "LOAD".to_owned();
                (id, None)
            } else {
                if why == "help me" {
                    answer = format!("**,imei:{id},E;");
                }
                (id, report(&fields)?)
            }
        };
        if !DeviceKey::is_valid(id) {
            return Err(bad(0, "the id is not digits"));
        }
        let device = DeviceKey::from(id);
        let is_new = self.who.as_ref() != Some(&device);
        self.who = Some(device.clone());
        let message = match record {
            Some(record) => {
                let (device, sequence) = (Some(device), digest(message));
                Message::Records(vec![Record { device, sequence, ..record }])
            }
            None if is_new || answer == "LOAD" => Message::Login(device),
            None => Message::KeepAlive,
        };
        Ok(Heard { message, reply: Reply::taken(answer.into_bytes()) })
    }
}

/// What a line says; `None` of one that says nothing.
fn report(fields: &[&str]) -> Result<Option<Record>, DecodeError> {
    let field = |n: usize| fields.get(n).copied().unwrap_or_default();
    let mut attributes = Attributes::default();
    if field(1) == "OBD" {
        return Ok(by_obd(fields, attributes));
    }
    if let Some(record) = with_degrees(fields)? {
        return Ok(Some(record));
    }
    reason(field(1), &mut attributes);
    let located = field(4) == "F" && matches!(field(6), "A" | "V");
    if !located {
        let time = local(field(2)).map(|(t, _)| t);
        let says = time.is_some() && !attributes.0.is_empty();
        return Ok(says.then(|| Record { time, attributes: attributes.0, ..Record::default() }));
    }
    let time = moment(field(2), field(5))
        .ok_or_else(|| bad(0, format!("the date and time are `{}` and `{}`", field(2), field(5))))?;
    // The letter of the hemisphere stands behind the coordinate, or before it.
    let coordinate = |at: usize, letters: [&str; 2]| {
        let letter = |n: usize| Some(field(n)).filter(|f| letters.contains(f));
        let (n, letter, next) = match (letter(at), letter(at + 1)) {
            (Some(before), _) => (at + 1, before, at + 2),
            (None, behind) => (
                at,
                behind.unwrap_or(letters[0]),
                if behind.is_some() || field(at + 1).is_empty() { at + 2 } else { at + 1 },
            ),
        };
        degrees_minutes(field(n)).and_then(|v| hemisphere(v, letter)).map(|v| (v, next))
    };
    let (lat, next) = coordinate(7, ["N", "S"]).ok_or_else(|| bad(0, format!("the latitude is `{}`", field(7))))?;
    let (lon, next) =
        coordinate(next, ["E", "W"]).ok_or_else(|| bad(0, format!("the longitude is `{}`", field(next))))?;
    let position = (lat != 0.0 || lon != 0.0).then(|| Position {
        lat,
        lon,
        altitude: plain(field(next + 2)).map(|v| v as f32),
        speed: plain(field(next)).map(|v| (v * KNOT) as f32),
        bearing: plain(field(next + 1)).and_then(course),
        valid: field(6) == "A",
        ..Position::default()
    });
    let says_ignition = matches!(field(1), "acc on" | "acc off");
    if !says_ignition && let on @ ("0" | "1") = field(next + 3) {
        attributes.flag("ignition", on == "1");
    }
    Ok(Some(Record { time: Some(time), position, attributes: attributes.0, ..Record::default() }))
}

/// A date and time `yymmddhhmm[ss]`, with or without marks between; and its minutes of the day.
fn local(text: &str) -> Option<(UnixMs, i64)> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(10).collect();
    let time = utc_digits(&format!("{digits}00"))?;
    Some((time, time.0.rem_euclid(86_400_000) / 60_000))
}

/// The moment in UTC: the time of day nearest to the device's own date and time.
fn moment(date: &str, clock: &str) -> Option<UnixMs> {
    const DAY: i64 = 24 * 60;
    let (local, minutes) = local(date)?;
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    if clock.len() != 6 {
        // Some models write something else there, and their date in UTC.
        return Some(local);
    }
    let pair = |at: usize| clock.get(at..at + 2)?.parse::<i64>().ok();
    let (hour, minute, second) = (pair(0)?, pair(2)?, pair(4)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ahead = match minutes - (hour * 60 + minute) {
        west if west <= -DAY / 2 => west + DAY,
        east if east > DAY / 2 => east - DAY,
        near => near,
    };
    Some(UnixMs(local.0 - ahead * 60_000 + second * 1000))
}

fn reason(why: &str, attributes: &mut Attributes) {
    match why {
        "acc on" => attributes.flag("ignition", true),
        "acc off" => attributes.flag("ignition", false),
        "help me" => attributes.alarm("sos"),
        "low battery" => attributes.alarm("low_battery"),
        "stockade" => attributes.alarm("geofence"),
        "move" => attributes.alarm("movement"),
        "speed" => attributes.alarm("overspeed"),
        "door alarm" => attributes.alarm("door"),
        "ac alarm" => attributes.alarm("power_cut"),
        "accident alarm" => attributes.alarm("accident"),
        "sensor alarm" => attributes.alarm("vibration"),
        "bonnet alarm" => attributes.alarm("bonnet"),
        "footbrake alarm" => attributes.alarm("footbrake"),
        "DTC" => attributes.alarm("fault"),
        why if why.starts_with("T:") => attributes.alarm("temperature"),
        why if why.starts_with("oil") => attributes.alarm("fuel"),
        _ => {}
    }
}

/// `imei:ID,OBD,yymmddhhmmss,odometer,now,mean,hours,speed,load,temperature,throttle,rpm,volts,codes`.
fn by_obd(fields: &[&str], mut attributes: Attributes) -> Option<Record> {
    let time = utc_digits(fields.get(2)?)?;
    attributes.number("power", plain(fields.get(12)?)?);
    Some(Record { time: Some(time), attributes: attributes.0, ..Record::default() })
}

/// A model that writes degrees: name, event, sensor, volts, hhmmss, ddmmyy, signal, fix, lat, lon, km/h, course,
/// metres, HDOP, satellites, ignition, charging, error.
fn with_degrees(fields: &[&str]) -> Result<Option<Record>, DecodeError> {
    let [_, _, _, _, _, clock, date, _, fix, lat, lon, kmh, degrees, metres, hdop, satellites, acc, charging, ..] =
        fields
    else {
        return Ok(None);
    };
    let is_six = |text: &str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
    let (true, Some(lat), Some(lon)) = (is_six(clock) && is_six(date) && lat.contains('.'), plain(lat), plain(lon))
    else {
        return Ok(None);
    };
    let time =
        utc_day_first(date, clock).ok_or_else(|| bad(0, format!("the date and time are `{date}` and `{clock}`")))?;
    let position = (lat != 0.0 || lon != 0.0).then(|| Position {
        lat,
        lon,
        altitude: plain(metres).map(|v| v as f32),
        speed: plain(kmh).map(|v| (v / KMH) as f32),
        bearing: plain(degrees).and_then(course),
        satellites: satellites.parse().ok(),
        hdop: plain(hdop).map(|v| v as f32),
        valid: *fix != "0",
        ..Position::default()
    });
    let mut attributes = Attributes::default();
    attributes.flag("ignition", *acc == "1");
    attributes.flag("charging", *charging == "1");
    Ok(Some(Record { time: Some(time), position, attributes: attributes.0, ..Record::default() }))
}

/// The device's end: a login that is answered, a line for each record that is not.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    waits: bool,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.waits = true;
        Ok(format!("##,imei:{},A;", self.key.expose()).into_bytes())
    }

    fn most(&self) -> usize {
        1
    }

    /// Coordinates to 1/100000 of a minute, speed to 1/1000 of a knot, course to degrees, altitude to 0.1 m; a
    /// record without a position is written as 0, 0 without a fix; of attributes the ignition has a place.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        self.waits = false;
        let record = only(records)?;
        let [y, mo, d, h, mi, s] = record_calendar(record)?;
        let p = record.position.unwrap_or_default();
        let (lat, lon) = on_earth(p.lat, p.lon)?;
        let ignition = flag_of(record, "ignition").map_or("", |on| if on { "1" } else { "0" });
        Ok(format!(
            "imei:{id},tracker,{y:02}{mo:02}{d:02}{h:02}{mi:02},,F,{h:02}{mi:02}{s:02}.000,{fix},{lat},{ns},{lon},{ew},{knots:.3},{course},{altitude},{ignition},,;",
            id = self.key.expose(),
            fix = if p.valid { 'A' } else { 'V' },
            ns = if lat < 0.0 { 'S' } else { 'N' },
            ew = if lon < 0.0 { 'W' } else { 'E' },
            lat = write_degrees_minutes(lat, 2, 5),
            lon = write_degrees_minutes(lon, 3, 5),
            knots = f64::from(p.speed.unwrap_or(0.0)) / KNOT,
            course = whole("bearing", p.bearing, 0, 360)? % 360,
            altitude = p.altitude.map_or(String::new(), |v| format!("{v:.1}")),
        )
        .into_bytes())
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        const LOAD: &[u8] = b"LOAD";
        Ok(match (self.waits, bytes.get(..LOAD.len())) {
            (false, _) => Answer::Taken(0),
            (true, None) => Answer::Unfinished,
            (true, Some(LOAD)) => Answer::Taken(LOAD.len()),
            (true, Some(other)) => Answer::Refused(other.len()),
        })
    }
}

#[cfg(test)]
mod tests;
