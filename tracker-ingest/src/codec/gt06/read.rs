//! What the content of each kind of GT06 message says.
//!
//! ```text
//! location  6 × u8 date and time, u8 satellites (low half), u32 lat, u32 lon (1/30000 minute), u8 km/h, u16 flags
//! flags     0-9 course · 10 north · 11 west · 12 fix · 14 ignition known · 15 ignition
//! cell      u16 country, u8 network (u16 when bit 15 of the country is set), u16 area, u24 tower
//! status    u8 (1 ignition, 2 charging, 3-5 alarm), u8 battery level, u8 signal, u8 alarm, u8 language
//! ```

use transit_model::time::UnixMs;

use super::super::error::DecodeErrorKind as Kind;
use super::super::fields::{Attributes, KMH, KNOT, bad, bcd_text, hemisphere, plain, utc_digits, utc_short};
use super::super::reader::Reader;
use super::super::{DecodeError, DeviceKey, Message, Position, Record};
use super::{Frame, LOGIN};

/// Bytes from the date to the flags.
const LOCATION: usize = 18;

pub(super) fn message(frame: &Frame<'_>) -> Result<Message, DecodeError> {
    let record = match (frame.long, frame.kind) {
        (false, LOGIN) => return login(frame.content),
        (false, kind) => short(kind, frame.content)?,
        (true, kind) => long(kind, frame.content)?,
    };
    Ok(match record {
        // The serial number is of the message: said again, it has another.
        Some(record) => Message::Records(vec![Record { sequence: record.said(), ..record }]),
        None => Message::KeepAlive,
    })
}

fn login(content: &[u8]) -> Result<Message, DecodeError> {
    let digits = content.get(..8).and_then(bcd_text);
    let Some(imei) = digits.as_deref().and_then(|d| d.get(1..)) else {
        let detail = "the IMEI is not eight bytes of packed digits";
        return Err(DecodeError::new(Kind::BadLogin, 0, detail));
    };
    Ok(Message::Login(DeviceKey::from(imei)))
}

/// Kinds of a length of one byte.
fn short(kind: u8, content: &[u8]) -> Result<Option<Record>, DecodeError> {
    match kind {
        // Heartbeats: news only when they raise an alarm.
        0x13 | 0x23 => Ok(heartbeat(content)),
        0x94 => Ok(power(content)),
        0x95 => alarm_report(content).map(Some),
        0x19 | 0xA5 => Ok(cell_alarm(kind, content)),
        // Answers to commands, requests, cells and Wi-Fi without a satellite fix.
        0x14
        | 0x15
        | 0x18
        | 0x24
        | 0x28
        | 0x2A
        | 0x2C
        | 0x2E
        | 0x33
        | 0x35
        | 0x40
        | 0x80..=0x82
        | 0x8A
        | 0xA1
        | 0xA7
        | 0xF3 => Ok(None),
        // An empty one only shows that the device is there.
        _ if content.is_empty() => Ok(None),
        _ => match head(kind, content) {
            Some(from) => located(kind, content, from).map(Some),
            None => Ok(None),
        },
    }
}

/// Where the location of a kind begins; `None` of one that has none.
fn head(kind: u8, content: &[u8]) -> Option<usize> {
    // Some models put the IMEI and the time of sending before it.
    const NAMED: usize = 1 + 8 + 6;
    match kind {
        0x22 | 0x25 if content.first() == Some(&1) && content.len() >= NAMED + LOCATION => Some(NAMED),
        0x10..=0x12 | 0x16 | 0x1A | 0x1E | 0x22 | 0x25..=0x27 | 0x2D | 0x31 | 0x32 | 0x37 | 0xA0 | 0xA4 => Some(0),
        0x34 => Some(4),
        0x61 => Some(8),
        // Documents add kinds with the same head, and give one number to two things: a head that can be
        // nothing else is read.
        _ => looks_located(content).then_some(0),
    }
}

/// Whether content begins as a location must: a date, the length of the satellites' part, places on Earth.
fn looks_located(content: &[u8]) -> bool {
    let [year, month, day, hour, minute, second, 0xC0..=0xCF, rest @ ..] = content else { return false };
    let mut r = Reader::new(rest);
    let on_earth = |v: Option<u32>, most: u32| v.is_some_and(|v| v <= most * 60 * 30_000);
    *year >= 10
        && utc_short([*year, *month, *day, *hour, *minute, *second]).is_some()
        && on_earth(r.u32(), 90)
        && on_earth(r.u32(), 180)
        && r.rest().len() >= 3
}

fn short_of(content: &[u8]) -> DecodeError {
    DecodeError::new(Kind::BadLength, content.len(), "the message ends inside a field")
}

/// Date and time; `None` while the device has not set its clock (all zero).
fn moment(r: &mut Reader<'_>) -> Result<Option<UnixMs>, DecodeError> {
    let at = r.at();
    match r.bytes(6) {
        Some([0, 0, 0, 0, 0, 0]) => Ok(None),
        Some(&[y, mo, d, h, mi, s]) => match utc_short([y, mo, d, h, mi, s]) {
            Some(t) => Ok(Some(t)),
            None => Err(bad(at, format!("the date and time are {y}-{mo}-{d} {h}:{mi}:{s}"))),
        },
        _ => Err(short_of(r.rest())),
    }
}

/// A place from its parts; `None` where the device never had a fix.
fn place(lat: u32, lon: u32, kmh: u16, flags: u16) -> Option<Position> {
    let degrees = |v: u32, negative: bool| (if negative { -1.0 } else { 1.0 }) * f64::from(v) / 60.0 / 30_000.0;
    (lat != 0 || lon != 0).then(|| Position {
        lat: degrees(lat, flags & 1 << 10 == 0),
        lon: degrees(lon, flags & 1 << 11 != 0),
        speed: Some((f64::from(kmh) / KMH) as f32),
        bearing: Some(f32::from(flags & 0x3FF)).filter(|c| *c <= 360.0).map(|c| c % 360.0),
        valid: flags & 1 << 12 != 0,
        ..Position::default()
    })
}

struct Location {
    time: Option<UnixMs>,
    position: Option<Position>,
    ignition: Option<bool>,
}

fn location(r: &mut Reader<'_>) -> Result<Location, DecodeError> {
    let whole = r.rest();
    let time = moment(r)?;
    let fields = (|| Some((r.u8()?, r.u32()?, r.u32()?, r.u8()?, r.u16()?)))();
    let (satellites, lat, lon, kmh, flags) = fields.ok_or_else(|| short_of(whole))?;
    let position = place(lat, lon, kmh.into(), flags);
    let position = position.map(|p| Position { satellites: Some(satellites & 0x0F), ..p });
    let ignition = (flags & 1 << 14 != 0).then_some(flags & 1 << 15 != 0);
    Ok(Location { time, position, ignition })
}

fn located(kind: u8, content: &[u8], from: usize) -> Result<Record, DecodeError> {
    let mut r = Reader::new(content);
    r.bytes(from).ok_or_else(|| short_of(content))?;
    let Location { time, position, mut ignition } = location(&mut r)?;
    let mut attributes = Attributes::default();
    // What follows differs by model more than the documents say: read while it lasts.
    match kind {
        0x22 | 0x2D | 0x37 if from == 0 => {
            cell(&mut r);
            followed(&mut r, &mut attributes, &mut ignition);
        }
        0xA0 => {
            long_cell(&mut r);
            followed(&mut r, &mut attributes, &mut ignition);
        }
        0x16 | 0x26 | 0x27 | 0x32 | 0xA3 | 0xA4 => {
            cell_by_length(&mut r);
            ignition = status(&mut r, &mut attributes).or(ignition);
        }
        0x12 => {
            cell(&mut r);
            if let (4, Some(metres)) = (r.rest().len(), r.u32()) {
                attributes.number("odometer", f64::from(metres));
            }
        }
        0x34 => {
            x1(&mut r, &mut attributes);
        }
        _ => {}
    }
    if let Some(on) = ignition {
        attributes.flag("ignition", on);
    }
    Ok(Record { time, position, attributes: attributes.0, ..Record::default() })
}

fn cell(r: &mut Reader<'_>) -> Option<()> {
    let wide = r.u16()? & 0x8000 != 0;
    r.bytes(if wide { 2 } else { 1 } + 2 + 3).map(|_| ())
}

/// A cell of a 4G network.
fn long_cell(r: &mut Reader<'_>) -> Option<()> {
    let wide = r.u16()? & 0x8000 != 0;
    r.bytes(if wide { 2 } else { 1 } + 4 + 8).map(|_| ())
}

/// A cell behind its length, which counts itself; 0 = none.
fn cell_by_length(r: &mut Reader<'_>) -> Option<()> {
    let length = usize::from(r.u8()?);
    r.bytes(length.saturating_sub(1)).map(|_| ())
}

/// Ignition, why it was sent, whether it was kept, and the mileage where there is one.
fn followed(r: &mut Reader<'_>, attributes: &mut Attributes, ignition: &mut Option<bool>) -> Option<()> {
    *ignition = Some(r.u8()? != 0);
    attributes.int("event", r.u8()?);
    if r.u8()? != 0 {
        attributes.flag("archive", true);
    }
    attributes.number("odometer", f64::from(r.u32()?));
    Some(())
}

/// Tells whether the ignition is on.
fn status(r: &mut Reader<'_>, attributes: &mut Attributes) -> Option<bool> {
    let bits = r.u8()?;
    let ignition = bits & 1 << 1 != 0;
    attributes.flag("charging", bits & 1 << 2 != 0);
    battery_level(r.u8(), attributes);
    let _signal = r.u8();
    if let Some(which) = r.u8().and_then(alarm).or(status_alarm(bits)) {
        attributes.alarm(which);
    }
    Some(ignition)
}

/// A level of 0 to 6, or a percentage.
fn battery_level(level: Option<u8>, attributes: &mut Attributes) {
    match level {
        Some(level @ 0..=6) => attributes.int("battery_percent", u64::from(level) * 100 / 6),
        Some(percent @ ..=100) => attributes.int("battery_percent", percent),
        _ => {}
    }
}

/// Kind 0x34: after the place the terminal's state, mileage, cell, driver, voltages and ports.
fn x1(r: &mut Reader<'_>, attributes: &mut Attributes) -> Option<()> {
    r.u16()?;
    attributes.number("odometer", f64::from(r.u32()?));
    r.bytes(2 + 1 + 2 + 4 + 4)?;
    attributes.number("battery", f64::from(r.u16()?) / 100.0);
    attributes.number("power", f64::from(r.u16()?) / 100.0);
    r.u32()?;
    attributes.int("inputs", r.u8()?);
    attributes.int("outputs", r.u8()?);
    Some(())
}

fn heartbeat(content: &[u8]) -> Option<Record> {
    let mut attributes = Attributes::default();
    let bits = *content.first()?;
    attributes.alarm(status_alarm(bits)?);
    attributes.flag("ignition", bits & 1 << 1 != 0);
    Some(Record { attributes: attributes.0, ..Record::default() })
}

/// Kinds 0x19 and 0xA5: an alarm from where there is no satellite fix.
fn cell_alarm(kind: u8, content: &[u8]) -> Option<Record> {
    let mut r = Reader::new(content);
    let mut attributes = Attributes::default();
    match kind {
        0x19 => cell(&mut r)?,
        _ => long_cell(&mut r)?,
    }
    let ignition = status(&mut r, &mut attributes)?;
    attributes.flag("ignition", ignition);
    Some(Record { attributes: attributes.0, ..Record::default() })
}

fn power(content: &[u8]) -> Option<Record> {
    let mut attributes = Attributes::default();
    attributes.number("power", f64::from(Reader::new(content).u16()?) / 100.0);
    Some(Record { attributes: attributes.0, ..Record::default() })
}

/// Kind 0x95 of cameras: a time, a place without satellites and speed (or none at all, or with more, behind
/// FF FF), what was noticed.
fn alarm_report(content: &[u8]) -> Result<Record, DecodeError> {
    let mut r = Reader::new(content);
    let short = || short_of(content);
    let with_more = content.starts_with(&[0xFF, 0xFF]);
    if with_more {
        r.bytes(3);
    }
    let time = moment(&mut r)?;
    let mut attributes = Attributes::default();
    let position = if with_more {
        let fields = (|| Some((r.u8()?, r.u32()?, r.u32()?, r.u16()?, r.u16()?, r.u16()?)))();
        let (satellites, lat, lon, flags, kmh, decivolts) = fields.ok_or_else(short)?;
        attributes.number("power", f64::from(decivolts) / 10.0);
        place(lat, lon, kmh, flags).map(|p| Position { satellites: Some(satellites & 0x0F), ..p })
    } else if content.len() > 8 {
        let (lat, lon, flags) = (|| Some((r.u32()?, r.u32()?, r.u16()?)))().ok_or_else(short)?;
        place(lat, lon, 0, flags).map(|p| Position { speed: None, ..p })
    } else {
        None
    };
    let kind = r.u8().ok_or_else(short)?;
    attributes.int("event", kind);
    attributes.alarm(match kind {
        0x01 if position.is_some() => "sos",
        0x80 => "vibration",
        0x87 => "overspeed",
        0x90 => "harsh_acceleration",
        0x91 => "harsh_braking",
        0x92 => "harsh_cornering",
        0x93 => "accident",
        _ => "other",
    });
    Ok(Record { time, position, attributes: attributes.0, ..Record::default() })
}

/// The alarm in the bits of the status.
const fn status_alarm(bits: u8) -> Option<&'static str> {
    match bits >> 3 & 0b111 {
        1 => Some("vibration"),
        2 => Some("power_cut"),
        3 => Some("low_battery"),
        4 => Some("sos"),
        6 => Some("geofence"),
        7 => Some("removed"),
        _ => None,
    }
}

/// The alarm in a byte of its own.
const fn alarm(code: u8) -> Option<&'static str> {
    Some(match code {
        0x01 => "sos",
        0x02 => "power_cut",
        0x03 => "vibration",
        0x04 => "geofence_enter",
        0x05 => "geofence_exit",
        0x06 => "overspeed",
        0x09 => "tow",
        0x0E | 0x19 => "low_battery",
        0x0F => "low_power",
        0x11 => "power_off",
        0x13 => "tamper",
        0x14 => "door",
        0x23 => "fall",
        0x29 => "harsh_acceleration",
        0x30 => "harsh_braking",
        0x2A | 0x2B => "harsh_cornering",
        0x2C => "accident",
        _ => return None,
    })
}

/// Kinds of a length of two bytes.
fn long(kind: u8, content: &[u8]) -> Result<Option<Record>, DecodeError> {
    match kind {
        0x21 => Ok(spoken(content)),
        0x32 | 0x33 => az735(kind, content).map(Some),
        0x70 => modules(content),
        0x94 => Ok(match content.split_first() {
            Some((0, volts)) => power(volts),
            _ => None,
        }),
        0x8C => {
            let mut r = Reader::new(content);
            let time = moment(&mut r)?;
            let mut attributes = Attributes::default();
            attributes.flag("ignition", r.u8().ok_or_else(|| short_of(content))? != 0);
            Ok(Some(Record { time, attributes: attributes.0, ..Record::default() }))
        }
        _ if looks_located(content) => located(kind, content, 0).map(Some),
        _ => Ok(None),
    }
}

/// Kind 0x21: the answer to a command in words; the one that tells a place is read.
fn spoken(content: &[u8]) -> Option<Record> {
    let text = String::from_utf8_lossy(content.get(5..)?);
    let said = text.strip_prefix("Current position!")?;
    let (mut lat, mut lon, mut course, mut speed, mut time) = (None, None, None, None, None);
    let degrees = |v: &str| hemisphere(plain(v.get(1..)?)?, v.get(..1)?);
    for part in said.split(',') {
        match part.split_once(':')? {
            ("Lat", v) => lat = degrees(v),
            ("Lon", v) => lon = degrees(v),
            ("Course", v) => course = plain(v),
            ("Speed", v) => speed = plain(v),
            ("DateTime", v) => {
                let digits: String = v.chars().filter(char::is_ascii_digit).collect();
                time = utc_digits(&digits);
            }
            _ => {}
        }
    }
    let position = Position {
        lat: lat?,
        lon: lon?,
        speed: speed.map(|s| (s * KNOT) as f32),
        bearing: course.and_then(super::super::fields::course),
        valid: true,
        ..Position::default()
    };
    Some(Record::at(time?, position))
}

/// Kinds 0x32 and 0x33 of AZ735: each part behind its length.
fn az735(kind: u8, content: &[u8]) -> Result<Record, DecodeError> {
    let mut r = Reader::new(content);
    let short = || short_of(content);
    let time = moment(&mut r)?;
    let position = if r.u8().ok_or_else(short)? == 0 {
        None
    } else {
        let fields = (|| Some((r.u8()?, r.u32()?, r.u32()?, r.u8()?, r.u16()?)))();
        let (satellites, lat, lon, kmh, flags) = fields.ok_or_else(short)?;
        place(lat, lon, kmh.into(), flags).map(|p| Position { satellites: Some(satellites & 0x0F), ..p })
    };
    let mut attributes = Attributes::default();
    let status = (|| {
        let cell = r.u8()?;
        if cell > 0 {
            // The signal follows the cell.
            r.bytes(usize::from(cell))?;
        }
        for _ in 0..2 {
            let length = usize::from(r.u8()?);
            r.bytes(length)?;
        }
        r.u8()
    })();
    match status.filter(|_| kind == 0x33) {
        Some(0xA2 | 0xA3) => attributes.alarm("low_battery"),
        Some(0xA4) => attributes.alarm("other"),
        Some(0xA5) => attributes.alarm("door"),
        _ => {}
    }
    Ok(Record { time, position, attributes: attributes.0, ..Record::default() })
}

/// Kind 0x70: numbered modules, each behind its length.
fn modules(content: &[u8]) -> Result<Option<Record>, DecodeError> {
    let mut r = Reader::new(content);
    let mut record = Record::default();
    let mut attributes = Attributes::default();
    let (mut satellites, mut hdop) = (None, None);
    while !r.rest().is_empty() {
        let module = (|| {
            let id = r.u16()?;
            let length = r.u16()?;
            Some((id, Reader::new(r.bytes(usize::from(length))?)))
        })();
        let (id, mut m) = module.ok_or_else(|| short_of(content))?;
        match id {
            0x09 => satellites = m.u8(),
            0x18 => attributes.number("battery", f64::from(m.u16().unwrap_or(0)) / 100.0),
            0x28 => hdop = m.u8().map(|tenths| f32::from(tenths) / 10.0),
            0x2B => {
                let event = m.u8().unwrap_or(0);
                attributes.int("event", event);
                match event {
                    0x11 => attributes.alarm("low_battery"),
                    0x12 => attributes.alarm("low_power"),
                    0x13 => attributes.alarm("power_cut"),
                    0x14 => attributes.alarm("removed"),
                    _ => {}
                }
            }
            0x33 => {
                let fields = (|| Some((m.u32()?, m.u8()?, m.i16()?, m.u32()?, m.u32()?, m.u8()?, m.u16()?)))();
                let (time, seen, altitude, lat, lon, kmh, flags) = fields.ok_or_else(|| short_of(content))?;
                record.time = (time != 0).then_some(UnixMs(i64::from(time) * 1000));
                record.position = place(lat, lon, kmh.into(), flags).map(|p| Position {
                    altitude: Some(f32::from(altitude)),
                    satellites: Some(seen),
                    ..p
                });
            }
            _ => {}
        }
    }
    if let Some(p) = &mut record.position {
        p.satellites = satellites.or(p.satellites);
        p.hdop = hdop;
    }
    record.attributes = attributes.0;
    Ok((record.position.is_some() || !record.attributes.is_empty()).then_some(record))
}
