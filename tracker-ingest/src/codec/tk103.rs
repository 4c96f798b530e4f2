//! TK103, the protocol in round brackets of Xexun, Coban, Quanova and many nameless trackers, in its two families.
//!
//! ```text
//! run together   (id BP05 imei yymmdd A DDMM.mmmmN DDDMM.mmmmE speed hhmmss course state L odometer)
//! with commas    (id,BP05,ddmmyy,A,DDMM.mmmmN,DDDMM.mmmmE,speed,hhmmss,course,…)
//! answers        BP00 → (idAP01HSO)   BP05 → (idAP05)   of the run together; others have none
//! ```
//!
//! Speed is in km/h. There is no checksum.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{
    Attributes, KMH, bad, course, degrees_minutes, hemisphere, on_earth, only, plain, record_calendar, utc_day_first,
    utc_digits, whole, write_degrees_minutes,
};
use super::model::digest;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Position, Record, Sniff};

/// TK103, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Tracker { key: key.clone() }),
};

/// Whether a connection that begins so is TK103's: a bracket, digits, then a comma or a command.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let Some((b'(', rest)) = first.split_first() else {
        return if first.is_empty() { Sniff::NeedMore } else { Sniff::No };
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    match rest.get(digits) {
        None if digits <= 20 => Sniff::NeedMore,
        Some(b',' | b'A'..=b'Z') if digits >= 10 => Sniff::Yes,
        _ => Sniff::No,
    }
}

/// Where the bracket is that closes a message; words between dollars may hold others.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    bytes.iter().position(|b| {
        quoted ^= *b == b'$';
        *b == b')' && !quoted
    })
}

/// The server's end: remembers who spoke.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
}

impl stream::Dialect for Dialect {
    const MAX: usize = 2048;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        Ok(match bytes {
            [b'(', ..] => end(bytes).map_or(Bounds::Unfinished, |at| Bounds::Message(at + 1)),
            [b'\r' | b'\n' | b' ' | 0, ..] => Bounds::Idle(1),
            // Cheap modems mix their own chatter in: it is refused as a message of its own.
            _ => bytes.iter().position(|b| *b == b'(').map_or(Bounds::Unfinished, Bounds::Message),
        })
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let text = String::from_utf8_lossy(message);
        let Some(inside) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else {
            return Err(bad(0, format!("{} bytes that are in no brackets", message.len())));
        };
        let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
        let (id, rest) = inside.split_at_checked(digits).unwrap_or_default();
        if id.is_empty() || !DeviceKey::is_valid(id) {
            return Err(bad(1, "the id is not digits"));
        }
        let (record, answer) = match rest.strip_prefix(',') {
            Some(rest) => (with_commas(rest)?, String::new()),
            None => run_together(id, rest)?,
        };
        let device = DeviceKey::from(id);
        let is_new = self.who.as_ref() != Some(&device);
        self.who = Some(device.clone());
        let message = match record {
            Some(record) => {
                let (device, sequence) = (Some(device), digest(message));
                Message::Records(vec![Record { device, sequence, ..record }])
            }
            None if is_new => Message::Login(device),
            None => Message::KeepAlive,
        };
        Ok(Heard { message, reply: Reply::taken(answer.into_bytes()) })
    }
}

/// The place of a message from its parts; at 0, 0 there is none.
fn place(fix: &str, lat: f64, lon: f64, kmh: Option<f64>, degrees: Option<f64>) -> Option<Position> {
    (lat != 0.0 || lon != 0.0).then(|| Position {
        lat,
        lon,
        speed: kmh.map(|v| (v / KMH) as f32),
        bearing: degrees.and_then(course),
        valid: fix == "A",
        ..Position::default()
    })
}

/// A coordinate and the letter of its hemisphere behind it.
fn coordinate(text: &str) -> Option<f64> {
    let text = text.trim();
    let (v, letter) = text.split_at_checked(text.len().checked_sub(1)?)?;
    hemisphere(degrees_minutes(v)?, letter)
}

/// The family with commas, from its command on.
fn with_commas(rest: &str) -> Result<Option<Record>, DecodeError> {
    let fields: Vec<&str> = rest.split(',').map(str::trim).collect();
    let field = |n: usize| fields.get(n).copied().unwrap_or_default();
    let command = field(0);
    let mut attributes = Attributes::default();
    meaning(command, if field(1) == "ALARM" { field(2) } else { "0" }, &mut attributes);
    if command == "ZC20" {
        return battery(&fields);
    }
    let fix = fields.iter().enumerate().skip(2).find(|(at, f)| {
        matches!(**f, "A" | "V") && field(at + 1).ends_with(['N', 'S']) && field(at + 2).ends_with(['E', 'W'])
    });
    let Some((at, fix)) = fix else { return Ok(None) };
    let read =
        |n: usize, what: &str| coordinate(field(n)).ok_or_else(|| bad(0, format!("the {what} is `{}`", field(n))));
    let (lat, lon) = (read(at + 1, "latitude")?, read(at + 2, "longitude")?);
    // The time, behind the speed; some firmware puts a number between.
    let clock = [at + 4, at + 5].into_iter().find(|n| field(*n).len() == 6 && !field(*n).contains('.'));
    let clock = clock.ok_or_else(|| DecodeError::new(Kind::MissingField, 0, "a place without a time"))?;
    let date = field(at - 1);
    let time = utc_day_first(date, field(clock))
        .ok_or_else(|| bad(0, format!("the date and time are `{date}` and `{}`", field(clock))))?;
    let position = place(fix, lat, lon, plain(field(at + 3)), plain(field(clock + 1)));
    Ok(Some(Record { time: Some(time), position, attributes: attributes.0, ..Record::default() }))
}

/// `ZC20`: date, time, level of the battery 2 to 6, its volts in hundredths, the vehicle's in tenths.
fn battery(fields: &[&str]) -> Result<Option<Record>, DecodeError> {
    let ["ZC20", date, clock, level, battery, power, ..] = fields else { return Ok(None) };
    let time =
        utc_day_first(date, clock).ok_or_else(|| bad(0, format!("the date and time are `{date}` and `{clock}`")))?;
    let mut attributes = Attributes::default();
    match *level {
        "6" => attributes.int("battery_percent", 100u8),
        "5" => attributes.int("battery_percent", 80u8),
        "4" => attributes.int("battery_percent", 50u8),
        "3" => attributes.int("battery_percent", 20u8),
        "2" => attributes.int("battery_percent", 10u8),
        _ => {}
    }
    // All ones: it does not know.
    let known = |text: &str| text.parse::<u16>().ok().filter(|v| *v != u16::MAX).map(f64::from);
    if let Some(v) = known(battery) {
        attributes.number("battery", v / 100.0);
    }
    if let Some(v) = known(power) {
        attributes.number("power", v / 10.0);
    }
    Ok(Some(Record { time: Some(time), attributes: attributes.0, ..Record::default() }))
}

/// What a command says of the vehicle. `data` is what stands before the date.
fn meaning(command: &str, data: &str, attributes: &mut Attributes) {
    let alarm = match (command, data.get(..1).unwrap_or_default()) {
        ("BQ81", "0") => "low_battery",
        ("BQ81", "1") => "overspeed",
        ("BQ81", "2") => "idle",
        ("BQ81", "3") => "harsh_acceleration",
        ("BQ81", "4") => "harsh_braking",
        ("BQ81", "5") => "temperature",
        ("BO01", "0") => "power_cut",
        ("BO01", "1") => "accident",
        ("BO01", "2") => "sos",
        ("BO01", "3") => "vibration",
        ("BO01", "4") => "low_speed",
        ("BO01", "5") => "overspeed",
        ("BO01", "6") => "geofence_exit",
        ("ZC11" | "DW31" | "DW51", _) => "movement",
        ("ZC12" | "DW32" | "DW52", _) => "low_battery",
        ("ZC13" | "DW33" | "DW53", _) => "power_cut",
        ("ZC17" | "DW37" | "DW57", _) => "removed",
        ("ZC25" | "DW3E" | "DW5E", _) => "sos",
        ("ZC26" | "DW3F" | "DW5F", _) => "tamper",
        ("ZC27" | "DW40" | "DW60", _) => "low_power",
        ("ZC15" | "DW35" | "DW55" | "ZC29" | "DW42" | "DW62", _) => return attributes.flag("ignition", true),
        ("ZC16" | "DW36" | "DW56", _) => return attributes.flag("ignition", false),
        _ => return,
    };
    attributes.alarm(alarm);
}

/// The family run together, from its command on; and what it is answered.
fn run_together(id: &str, rest: &str) -> Result<(Option<Record>, String), DecodeError> {
    let Some((command, data)) = rest.split_at_checked(4) else {
        return Err(DecodeError::new(Kind::MissingField, 1 + id.len(), "no command behind the id"));
    };
    let answer = match command {
        "BP00" => format!("({id}AP01HSO)"),
        "BP05" => format!("({id}AP05)"),
        _ => String::new(),
    };
    // The letter of the fix, with a date before it and a latitude behind.
    let fix = data.char_indices().find(|(at, c)| {
        let is_date = at
            .checked_sub(6)
            .and_then(|from| data.get(from..*at))
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
        matches!(c, 'A' | 'V')
            && is_date
            && data.get(at + 1..).is_some_and(|v| v.trim_start().starts_with(|c: char| c.is_ascii_digit()))
    });
    let Some((at, _)) = fix else { return Ok((None, answer)) };
    let part = |from: usize, to: usize| data.get(from..to).unwrap_or_default();
    let mut attributes = Attributes::default();
    meaning(command, part(0, at - 6), &mut attributes);
    let behind = data.get(at + 1..).unwrap_or_default();
    let split = |text: &str, letters: [char; 2]| {
        text.find(letters).and_then(|n| text.split_at_checked(n + 1)).map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    let (lat, behind) = split(behind, ['N', 'S']).ok_or_else(|| bad(0, "no latitude"))?;
    let (lon, behind) = split(&behind, ['E', 'W']).ok_or_else(|| bad(0, "no longitude"))?;
    let read = |v: &str| coordinate(v).ok_or_else(|| bad(0, format!("a coordinate is `{v}`")));
    let (lat, lon) = (read(&lat)?, read(&lon)?);
    // Five characters of speed, six of time, then up to six of course and eight of state.
    let (speed, behind) = behind.split_at_checked(5).ok_or_else(|| bad(0, "no speed"))?;
    let (clock, behind) = behind.split_at_checked(6).ok_or_else(|| bad(0, "no time"))?;
    let (head, odometer) = behind.split_once('L').unwrap_or((behind, ""));
    let (degrees, state) = head
        .len()
        .checked_sub(8)
        .filter(|_| !odometer.is_empty())
        .and_then(|n| head.split_at_checked(n))
        .unwrap_or((head, ""));
    let position = place(part(at, at + 1), lat, lon, plain(speed.trim()), plain(degrees.trim()));
    let date = part(at - 6, at);
    let Some(time) = moment(date, clock) else {
        if position.is_none() {
            // Before its first fix it has no date either.
            return Ok((None, answer));
        }
        return Err(bad(0, format!("the date and time are `{date}` and `{clock}`")));
    };
    if let [power, acc, ..] = state.as_bytes() {
        attributes.flag("charging", *power == b'0');
        attributes.flag("external_power", *power == b'0');
        attributes.flag("ignition", *acc == b'1');
        let digits: String = odometer.chars().take_while(char::is_ascii_hexdigit).take(8).collect();
        if let Ok(metres) = u32::from_str_radix(&digits, 16) {
            attributes.number("odometer", f64::from(metres));
        }
    }
    Ok((Some(Record { time: Some(time), position, attributes: attributes.0, ..Record::default() }), answer))
}

/// A date `yymmdd` and a time. A month beyond the twelfth, which the document's own example has, is counted on
/// into the years that follow; whether the moment can be is the gate's to say.
fn moment(date: &str, clock: &str) -> Option<UnixMs> {
    let pair = |at: usize| date.get(at..at + 2)?.parse::<u8>().ok();
    let (year, month) = (pair(0)?, pair(2)?.checked_sub(1)?);
    utc_digits(&format!("{:02}{:02}{}{clock}", year + month / 12, month % 12 + 1, date.get(4..)?))
}

/// The device's end, of the family with commas: no login, a message for each record, no answers.
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

    /// Coordinates to 1/100000 of a minute, speed to 0.01 km/h, course to degrees; a record without a position
    /// is written as 0, 0 without a fix. Attributes have no place.
    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let record = only(records)?;
        let id = self.key.expose();
        if !(10..=20).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_digit()) {
            let value = format!("{}: it must be 10 to 20 digits", self.key);
            return Err(EncodeError::OutOfRange { field: "id", value });
        }
        let [y, mo, d, h, mi, s] = record_calendar(record)?;
        let p = record.position.unwrap_or_default();
        let (lat, lon) = on_earth(p.lat, p.lon)?;
        Ok(format!(
            "({id},BP05,{d:02}{mo:02}{y:02},{fix},{lat}{ns},{lon}{ew},{kmh:.2},{h:02}{mi:02}{s:02},{course}.00)",
            fix = if p.valid { 'A' } else { 'V' },
            ns = if lat < 0.0 { 'S' } else { 'N' },
            ew = if lon < 0.0 { 'W' } else { 'E' },
            lat = write_degrees_minutes(lat, 2, 5),
            lon = write_degrees_minutes(lon, 3, 5),
            kmh = f64::from(p.speed.unwrap_or(0.0)) * KMH,
            course = whole("bearing", p.bearing, 0, 360)? % 360,
        )
        .into_bytes())
    }

    fn hear(&mut self, _bytes: &[u8]) -> Result<Answer, DecodeError> {
        Ok(Answer::Taken(0))
    }
}

#[cfg(test)]
mod tests;
