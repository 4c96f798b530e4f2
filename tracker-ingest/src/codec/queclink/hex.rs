//! Reports in HEX, of which there are two kinds.
//!
//! ```text
//! place    u8 HDOP, u16 km/h and u8 tenths, u16 course, i16 metres, i32 lon, i32 lat (degrees × 10⁶),
//!          u16 year and five bytes, u16 country, network, area, tower, u8
//! id       an IMEI of 15 digits, two to a byte, as binary numbers 0 to 99
//! ```
//!
//! The newer (`2B 00`, u16 length, …) has an IMEI in packed decimals and places of fields of its own.

use transit_model::time::UnixMs;

use super::super::error::DecodeErrorKind as Kind;
use super::super::fields::{Attributes, KMH, bad, bcd_text, course, utc};
use super::super::reader::Reader;
use super::super::{DecodeError, DeviceKey, Position, Record};
use super::{CRC, Said};

const END: &[u8] = b"\r\n";

fn short(at: usize) -> DecodeError {
    DecodeError::new(Kind::BadLength, at, "the message ends inside a field")
}

pub(super) fn read(message: &[u8], _now: UnixMs) -> Result<Said, DecodeError> {
    let [_, a, b, c, rest @ ..] = message else { return Err(short(message.len())) };
    if *a == 0 {
        return newer(message);
    }
    let Some([checked @ .., s, t]) = message.strip_suffix(END) else {
        let detail = "the message does not end where its length says";
        return Err(DecodeError::new(Kind::BadLength, message.len(), detail));
    };
    let (stated, computed) = (u16::from_be_bytes([*s, *t]), CRC.checksum(checked.get(4..).unwrap_or_default()));
    if stated != computed {
        let detail = format!("the checksum is {stated:#06x}, the message's is {computed:#06x}");
        return Err(DecodeError::new(Kind::BadChecksum, checked.len(), detail));
    }
    let body = rest.get(..rest.len() - 4).unwrap_or_default();
    // Behind it stands the count.
    let Some((body, _)) = body.split_last_chunk::<2>() else { return Err(short(message.len())) };
    let kind = u32::from(*b) << 8 | u32::from(*body.first().unwrap_or(&0));
    let refuse = |e: DecodeError| DecodeError { at: e.at + 4, ..e };
    let said = match (a, b, c) {
        (b'R' | b'B', b'S', b'P') => location(body).map_err(refuse)?,
        (b'E' | b'B', b'V', b'T') => event(body).map_err(refuse)?,
        _ => Said::default(),
    };
    Ok(Said { kind, ..said })
}

fn imei(bytes: &[u8]) -> Result<DeviceKey, DecodeError> {
    let digits: String = bytes.iter().take(7).map(|b| format!("{b:02}")).collect();
    match bytes {
        [pairs @ .., last @ ..=9] if pairs.iter().all(|b| *b < 100) => Ok(DeviceKey::from(format!("{digits}{last}"))),
        _ => Err(bad(11, "the id is not an IMEI")),
    }
}

/// Kind, mask, length, device, protocol and firmware; then the id, the battery's percentage and the vehicle's
/// millivolts.
fn head(r: &mut Reader<'_>, attributes: &mut Attributes) -> Result<(u8, DeviceKey), DecodeError> {
    let fields = (|| {
        let kind = r.u8()?;
        r.bytes(4 + 2 + 1 + 2 + 2)?;
        Some((kind, r.bytes(8)?, r.u8()?, r.u16()?))
    })();
    let (kind, id, percent, millivolts) = fields.ok_or_else(|| short(r.at()))?;
    attributes.int("battery_percent", percent);
    attributes.number("power", f64::from(millivolts) / 1000.0);
    Ok((kind, imei(id)?))
}

fn place(r: &mut Reader<'_>, satellites: u8) -> Result<Record, DecodeError> {
    let at = r.at();
    let fields = (|| {
        Some((r.u8()?, r.u16()?, r.u8()?, r.u16()?, r.i16()?, r.i32()?, r.i32()?, r.u16()?, r.bytes(5)?, r.bytes(9)?))
    })();
    let (hdop, kmh, tenths, bearing, altitude, lon, lat, year, date, _cell) = fields.ok_or_else(|| short(at))?;
    let time = <[u8; 5]>::try_from(date).ok().and_then(|rest| utc(year, rest));
    let time = time.ok_or_else(|| bad(at, format!("the time of a place is {year} {date:02x?}")))?;
    let position = (lat != 0 || lon != 0).then(|| Position {
        lat: f64::from(lat) / 1e6,
        lon: f64::from(lon) / 1e6,
        altitude: Some(f32::from(altitude)),
        speed: Some(((f64::from(kmh) + f64::from(tenths) / 10.0) / KMH) as f32),
        bearing: course(f64::from(bearing)),
        satellites: Some(satellites),
        hdop: (hdop > 0).then_some(f32::from(hdop)),
        valid: hdop > 0,
        ..Position::default()
    });
    Ok(Record { time: Some(time), position, ..Record::default() })
}

fn location(body: &[u8]) -> Result<Said, DecodeError> {
    const CALL: u8 = 3;
    const FENCE: u8 = 8;
    const COMPRESSED: u8 = 100;
    let mut r = Reader::new(body);
    let mut attributes = Attributes::default();
    let (kind, id) = head(&mut r, &mut attributes)?;
    let end = || short(body.len());
    if kind == FENCE {
        r.bytes(2).ok_or_else(end)?;
    }
    let (_motion, satellites) = (|| Some((r.u8()?, r.u8()?)))().ok_or_else(end)?;
    let mut records = if kind == COMPRESSED {
        compressed(&mut r, satellites)?
    } else {
        r.u8().ok_or_else(end)?;
        if kind == CALL {
            // The number that called, to a half-byte F.
            r.u8();
            while !matches!(r.u8().ok_or_else(end)?, 0xF0..=0xFF) && !ends_in_f(&r, body) {}
        }
        let count = r.u8().ok_or_else(end)?;
        (0..count).map(|_| place(&mut r, satellites)).collect::<Result<_, _>>()?
    };
    if let Some(last) = records.last_mut() {
        last.attributes = attributes.0;
    }
    Ok(Said { device: Some(id), records, ..Said::default() })
}

/// Whether the byte read last has an F in its low half.
fn ends_in_f(r: &Reader<'_>, body: &[u8]) -> bool {
    r.at().checked_sub(1).and_then(|at| body.get(at)).is_some_and(|b| b & 0x0F == 0x0F)
}

/// One place in full, those of the seconds after it by what changed.
fn compressed(r: &mut Reader<'_>, satellites: u8) -> Result<Vec<Record>, DecodeError> {
    const FULL: u8 = 1;
    const CHANGED: u8 = 2;
    let at = r.at();
    let end = || short(at);
    let count = r.u16().ok_or_else(end)?;
    let mut records = Vec::with_capacity(usize::from(count).min(256));
    let (mut kmh, mut bearing, mut lat, mut lon, mut time) = (0i32, 0i32, 0i32, 0i32, 0i64);
    for _ in 0..count {
        let first = *r.rest().first().ok_or_else(end)?;
        if time > 0 {
            time += 1;
        }
        // A signed number of so many bits, so far from the right.
        let signed = |v: u64, right: u32, bits: u32| ((v >> right << (64 - bits)) as i64 >> (64 - bits)) as i32;
        match first >> 6 {
            FULL => {
                let v = r.bytes(3).ok_or_else(end)?.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
                (kmh, bearing) = ((v >> 9 & 0xFFF) as i32, (v & 0x1FF) as i32);
                (lon, lat) = (|| Some((r.i32()?, r.i32()?)))().ok_or_else(end)?;
                if time == 0 {
                    time = i64::from(r.u32().ok_or_else(end)?);
                }
            }
            CHANGED => {
                let v = r.bytes(5).ok_or_else(end)?.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
                kmh += signed(v, 30, 7);
                bearing += signed(v, 23, 7);
                lon = lon.saturating_add(signed(v, 11, 12));
                lat = lat.saturating_add(signed(v, 0, 11));
            }
            _ => {
                r.u8();
                continue;
            }
        }
        records.push(Record::at(
            UnixMs(time * 1000),
            Position {
                lat: f64::from(lat) / 1e6,
                lon: f64::from(lon) / 1e6,
                speed: Some((f64::from(kmh) / 10.0 / KMH) as f32),
                bearing: course(f64::from(bearing)),
                satellites: Some(satellites),
                valid: true,
                ..Position::default()
            },
        ));
    }
    Ok(records)
}

fn event(body: &[u8]) -> Result<Said, DecodeError> {
    let mut r = Reader::new(body);
    let mut attributes = Attributes::default();
    let (kind, id) = head(&mut r, &mut attributes)?;
    let end = || short(body.len());
    let (_motion, satellites) = (|| Some((r.u8()?, r.u8()?)))().ok_or_else(end)?;
    let details = match kind {
        6 => 2,
        45 | 46 => 7,
        15 | 34 => 3,
        17 => 4,
        21 => 5,
        26 => 12,
        31 => 2,
        35 | 33 | 23 => 1,
        _ => 0,
    };
    r.bytes(details).ok_or_else(end)?;
    match kind {
        45 => attributes.flag("ignition", true),
        46 => attributes.flag("ignition", false),
        6 => attributes.alarm("low_battery"),
        31 | 33 => attributes.alarm("jamming"),
        23 => attributes.alarm("accident"),
        _ => {}
    }
    let places = r.u8().ok_or_else(end)?;
    let mut records = (0..places).map(|_| place(&mut r, satellites)).collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = records.last_mut() {
        last.attributes = attributes.0;
    }
    Ok(Said { device: Some(id), records, ..Said::default() })
}

/// The newer kind: length, IMEI, the device and its versions, the report's kind and time, then the parts that a
/// mask names, of which the place is read.
fn newer(message: &[u8]) -> Result<Said, DecodeError> {
    let mut r = Reader::new(message);
    let end = || short(message.len());
    let id = r.bytes(5).and_then(|_| r.bytes(8)).ok_or_else(end)?;
    let id = bcd_text(id).ok_or_else(|| bad(5, "the id is not packed decimals"))?;
    let mut said = Said { device: Some(DeviceKey::from(id.trim_start_matches('0'))), ..Said::default() };
    // Device type, versions, kind and time of the report; how many parts; the mask and state of this one.
    let fields = (|| {
        r.bytes(6)?;
        let kind = r.u8()?;
        r.bytes(4 + 1 + 1 + 2 + 2 + 1)?;
        Some((kind, r.i32()?, r.i32()?, r.u32()?, r.u16()?, r.u8()?, r.u16()?, r.bytes(3)?, r.u8()?))
    })();
    if let Some((_kind, lon, lat, time, tenths, hdop, bearing, &[a, b, c], satellites)) = fields {
        let decimetres = i32::from_be_bytes([a, b, c, 0]) >> 8;
        let position = Position {
            lat: f64::from(lat) / 1e6,
            lon: f64::from(lon) / 1e6,
            altitude: Some(decimetres as f32 / 10.0),
            speed: Some((f64::from(tenths) / 10.0 / KMH) as f32),
            bearing: course(f64::from(bearing)),
            satellites: Some(satellites),
            hdop: (hdop > 0).then_some(f32::from(hdop) / 10.0),
            valid: hdop > 0,
            ..Position::default()
        };
        let is_place = position.lat.abs() <= 90.0 && position.lon.abs() <= 180.0 && (lat != 0 || lon != 0) && time > 0;
        if is_place {
            said.records.push(Record::at(UnixMs(i64::from(time) * 1000), position));
        }
    }
    Ok(said)
}
