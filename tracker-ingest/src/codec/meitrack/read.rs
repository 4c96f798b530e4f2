//! What each Meitrack message says.
//!
//! ```text
//! AAA  event, lat, lon, yymmddhhmmss, A|V, satellites, signal, km/h, course, HDOP, metres, metres gone, seconds run,
//!      country|network|area|tower, inputs and outputs in hex, …
//! CCC  version, u16 bytes of a place, u32 kept; places in little endian
//! CCE  u32 kept, u16 count; each u16 length, u16, then parameters of 1, 2 and 4 bytes, then those behind lengths
//! ```

use transit_model::time::UnixMs;

use super::super::error::DecodeErrorKind as Kind;
use super::super::fields::{Attributes, KMH, bad, course, plain, utc_digits};
use super::super::model::digest;
use super::super::{DecodeError, Position, Record};
use super::{EPOCH_MS, PLACE};

pub(super) fn records(command: &[u8], body: &[u8]) -> Result<Vec<Record>, DecodeError> {
    match command {
        b"CCC" => places(body),
        b"CCE" => lists(body),
        // Pictures, and answers to commands.
        [b'D', ..] => Ok(Vec::new()),
        _ => Ok(text(body)?.into_iter().collect()),
    }
}

fn alarm(event: u16) -> Option<&'static str> {
    Some(match event {
        1 => "sos",
        17 => "low_battery",
        18 => "low_power",
        19 => "overspeed",
        20 => "geofence_enter",
        21 => "geofence_exit",
        22 => "power_restored",
        23 => "power_cut",
        28 => "gps_antenna_cut",
        36 => "tow",
        44 => "jamming",
        78 => "accident",
        90 | 91 => "harsh_cornering",
        129 => "harsh_braking",
        130 => "harsh_acceleration",
        135 => "fatigue",
        _ => return None,
    })
}

fn event(code: u16, attributes: &mut Attributes) {
    attributes.int("event", code);
    if let Some(which) = alarm(code) {
        attributes.alarm(which);
    }
}

/// A place in text: two coordinates and a time, wherever the command puts them; `None` where there is none.
fn text(body: &[u8]) -> Result<Option<Record>, DecodeError> {
    let line = String::from_utf8_lossy(body);
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let found = fields.windows(4).enumerate().find_map(|(at, w)| match w {
        [lat, lon, time, fix @ ("A" | "V")] if time.len() == 12 && lat.contains('.') && lon.contains('.') => {
            Some((at, *lat, *lon, *time, *fix))
        }
        _ => None,
    });
    let Some((at, lat, lon, time, fix)) = found else { return Ok(None) };
    let field = |n: usize| fields.get(at + n).copied().unwrap_or_default();
    let read = |v: &str, what: &str| plain(v).ok_or_else(|| bad(0, format!("the {what} is `{v}`")));
    let (lat, lon) = (read(lat, "latitude")?, read(lon, "longitude")?);
    let moment = utc_digits(time).ok_or_else(|| bad(0, format!("the date and time are `{time}`")))?;
    let real = |n: usize| plain(field(n)).map(|v| v as f32);
    let position = (lat != 0.0 || lon != 0.0).then(|| Position {
        lat,
        lon,
        satellites: field(4).parse().ok(),
        speed: plain(field(6)).map(|v| (v / KMH) as f32),
        bearing: plain(field(7)).and_then(course),
        hdop: real(8),
        altitude: real(9),
        valid: fix == "A",
        ..Position::default()
    });
    let mut attributes = Attributes::default();
    if let Some(code) = at.checked_sub(1).and_then(|n| fields.get(n)?.parse().ok()) {
        event(code, &mut attributes);
    }
    if let Some(metres) = plain(field(10)) {
        attributes.number("odometer", metres);
    }
    let bits = |from: usize| u8::from_str_radix(field(13).get(from..from + 2)?, 16).ok();
    if let (Some(inputs), Some(outputs)) = (bits(0), bits(2)) {
        attributes.int("inputs", inputs);
        attributes.int("outputs", outputs);
    }
    Ok(Some(Record {
        time: Some(moment),
        sequence: digest(body),
        position,
        attributes: attributes.0,
        ..Record::default()
    }))
}

/// Reads little-endian numbers off the front of a slice.
struct Little<'a> {
    rest: &'a [u8],
}

impl<'a> Little<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_le_bytes)
    }
}

fn short() -> DecodeError {
    DecodeError::new(Kind::BadLength, 0, "the message ends inside a place")
}

/// Two's complement.
const fn micro(v: u32) -> f64 {
    v.cast_signed() as f64 / 1e6
}

fn since_2000(seconds: u32) -> UnixMs {
    UnixMs(EPOCH_MS + i64::from(seconds) * 1000)
}

fn places(body: &[u8]) -> Result<Vec<Record>, DecodeError> {
    // The comma behind the command, and a version.
    let mut r = Little { rest: body.get(3..).ok_or_else(short)? };
    let (size, _kept) = (|| Some((r.u16()?, r.u32()?)))().ok_or_else(short)?;
    if size < PLACE {
        return Err(bad(3, format!("a place of {size} bytes; it has {PLACE}")));
    }
    let mut records = Vec::new();
    while !r.rest.is_empty() {
        let bytes = r.bytes(usize::from(size)).ok_or_else(short)?;
        records.push(place(bytes).ok_or_else(short)?);
    }
    if records.is_empty() { Err(short()) } else { Ok(records) }
}

fn place(bytes: &[u8]) -> Option<Record> {
    let mut r = Little { rest: bytes };
    let mut attributes = Attributes::default();
    event(u16::from(r.u8()?), &mut attributes);
    let (lat, lon, time) = (micro(r.u32()?), micro(r.u32()?), since_2000(r.u32()?));
    let (fix, satellites, _signal) = (r.u8()?, r.u8()?, r.u8()?);
    let (kmh, degrees, hdop, metres) = (r.u16()?, r.u16()?, r.u16()?, r.u16()?.cast_signed());
    attributes.number("odometer", f64::from(r.u32()?));
    // Seconds run, cell, state and an analogue input.
    r.bytes(4 + 8 + 2 + 2)?;
    attributes.number("battery", f64::from(r.u16()?) / 100.0);
    let position = (lat != 0.0 || lon != 0.0).then(|| Position {
        lat,
        lon,
        altitude: Some(f32::from(metres)),
        speed: Some((f64::from(kmh) / KMH) as f32),
        bearing: course(f64::from(degrees)),
        satellites: Some(satellites),
        hdop: Some(f32::from(hdop) / 10.0),
        valid: fix == 1,
        ..Position::default()
    });
    let (time, sequence) = (Some(time), digest(bytes));
    Some(Record { time, sequence, position, attributes: attributes.0, ..Record::default() })
}

fn lists(body: &[u8]) -> Result<Vec<Record>, DecodeError> {
    // The comma behind the command.
    let mut r = Little { rest: body.get(1..).ok_or_else(short)? };
    let (_kept, count) = (|| Some((r.u32()?, r.u16()?)))().ok_or_else(short)?;
    let mut records = Vec::new();
    for _ in 0..count {
        let bytes = (|| {
            let length = r.u16()?;
            r.bytes(usize::from(length))
        })();
        let bytes = bytes.ok_or_else(short)?;
        records.push(list(bytes).ok_or_else(short)?);
    }
    if records.is_empty() || !r.rest.is_empty() {
        let detail = format!("{count} places, {} bytes behind them", r.rest.len());
        return Err(DecodeError::new(Kind::BadLength, 0, detail));
    }
    Ok(records)
}

/// A parameter's number: one byte, or FE and another.
fn parameter(r: &mut Little<'_>) -> Option<u16> {
    match r.u8()? {
        0xFE => Some(0xFE00 | u16::from(r.u8()?)),
        id => Some(u16::from(id)),
    }
}

fn list(bytes: &[u8]) -> Option<Record> {
    let mut r = Little { rest: bytes };
    let mut p = Position::default();
    let mut time = None;
    let mut code = None;
    let mut attributes = Attributes::default();
    let _number = r.u16()?;
    for _ in 0..r.u8()? {
        let (id, v) = (parameter(&mut r)?, r.u8()?);
        match id {
            0x01 => code = Some(u16::from(v)),
            0x05 => p.valid = v > 0,
            0x06 => p.satellites = Some(v),
            0x14 => attributes.int("outputs", v),
            0x15 => attributes.int("inputs", v),
            0xFE69 => attributes.int("battery_percent", v),
            _ => {}
        }
    }
    for _ in 0..r.u8()? {
        let (id, v) = (parameter(&mut r)?, r.u16()?);
        match id {
            0x08 => p.speed = Some((f64::from(v) / KMH) as f32),
            0x09 => p.bearing = course(f64::from(v)),
            0x0A => p.hdop = Some(f32::from(v) / 10.0),
            0x0B => p.altitude = Some(f32::from(v.cast_signed())),
            0x19 => attributes.number("battery", f64::from(v) / 100.0),
            0x1A => attributes.number("power", f64::from(v) / 100.0),
            0x40 => code = Some(v),
            _ => {}
        }
    }
    for _ in 0..r.u8()? {
        let (id, v) = (parameter(&mut r)?, r.u32()?);
        match id {
            0x02 => p.lat = micro(v),
            0x03 => p.lon = micro(v),
            0x04 => time = Some(since_2000(v)),
            0x0C => attributes.number("odometer", f64::from(v)),
            _ => {}
        }
    }
    for _ in 0..r.u8()? {
        parameter(&mut r)?;
        let length = r.u8()?;
        r.bytes(usize::from(length))?;
    }
    if let Some(code) = code {
        event(code, &mut attributes);
    }
    let position = (p.lat != 0.0 || p.lon != 0.0).then_some(p);
    Some(Record { time, sequence: digest(bytes), position, attributes: attributes.0, ..Record::default() })
}
