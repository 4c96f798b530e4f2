//! What the body of each JT/T 808 message says.
//!
//! ```text
//! location  u32 alarms, u32 status, u32 lat, u32 lon (degrees × 10⁶), i16 metres, u16 0.1 km/h, u16 course,
//!           date and time in packed decimals, then items: u8 id, u8 length, value
//! batch     u16 count, u8 kept or not, then locations behind their u16 lengths
//! lock      ddmmyyhhmmss, DDMMmmmm, DDDMMmmmm and flags, packed; knots, course ÷ 2, signal, satellites, u32 km, battery
//! ```

use transit_model::time::UnixMs;

use super::super::error::DecodeErrorKind as Kind;
use super::super::fields::{Attributes, KMH, KNOT, bad, bcd, bcd_text, course, utc_bcd, utc_day_first};
use super::super::model::digest;
use super::super::reader::Reader;
use super::super::{DecodeError, DeviceKey, Message, Position, Record};
use super::{AUTHENTICATE, BATCH, HEARTBEAT, Header, LOCATION, LOCK, LOCK_KEPT, REGISTER};

const ZONE_MS: i64 = 8 * 3_600_000;

/// Answers to being asked for the place and to commands to the vehicle: a location behind a serial number.
const ASKED_LOCATION: u16 = 0x0201;
const VEHICLE_CONTROLLED: u16 = 0x0500;

pub(super) fn message(header: &Header<'_>, body: &[u8], key: &DeviceKey) -> Result<Message, DecodeError> {
    let records = match header.id {
        REGISTER | AUTHENTICATE => return Ok(Message::Login(key.clone())),
        HEARTBEAT => return Ok(Message::KeepAlive),
        LOCATION => vec![location(body)?],
        ASKED_LOCATION | VEHICLE_CONTROLLED => vec![location(body.get(2..).unwrap_or_default())?],
        BATCH => batch(body)?,
        LOCK | LOCK_KEPT => vec![lock(body, header.id == LOCK_KEPT)?],
        _ => return Ok(Message::KeepAlive),
    };
    let named = records.into_iter().map(|r| Record { device: Some(key.clone()), ..r });
    Ok(Message::Records(named.collect()))
}

/// Whether a message of this id is made of records.
pub(super) const fn carries_records(id: u16) -> bool {
    matches!(id, LOCATION | ASKED_LOCATION | VEHICLE_CONTROLLED | BATCH | LOCK | LOCK_KEPT)
}

fn short(bytes: &[u8]) -> DecodeError {
    DecodeError::new(Kind::BadLength, bytes.len(), "the message ends inside a field")
}

fn location(body: &[u8]) -> Result<Record, DecodeError> {
    let mut r = Reader::new(body);
    let fields = (|| Some((r.u32()?, r.u32()?, r.u32()?, r.u32()?, r.i16()?, r.u16()?, r.u16()?, r.bytes(6)?)))();
    let (alarms, status, lat, lon, altitude, speed, bearing, date) = fields.ok_or_else(|| short(body))?;
    let time = match date {
        // It has not set its clock yet.
        [0, 0, 0, 0, 0, 0] => None,
        date => {
            let time = utc_bcd(date).ok_or_else(|| bad(22, format!("the date and time are {date:02x?}")))?;
            Some(UnixMs(time.0 - ZONE_MS))
        }
    };
    let degrees = |v: u32, bit: u32| (if status & 1 << bit == 0 { 1.0 } else { -1.0 }) * f64::from(v) / 1e6;
    let mut position = (lat != 0 || lon != 0).then(|| Position {
        lat: degrees(lat, 2),
        lon: degrees(lon, 3),
        altitude: Some(f32::from(altitude)),
        speed: Some((f64::from(speed) / 10.0 / KMH) as f32),
        bearing: course(f64::from(bearing)),
        valid: status & 1 << 1 != 0,
        ..Position::default()
    });
    let mut attributes = Attributes::default();
    attributes.flag("ignition", status & 1 != 0);
    // The gravest last: of attributes of one name that is the one that is shown.
    for (_, which) in ALARMS.iter().rev().filter(|(bit, _)| alarms & 1 << bit != 0) {
        attributes.alarm(which);
    }
    items(&mut r, &mut attributes, &mut position);
    // The serial number is of the message: the same location sent again in a batch has another.
    Ok(Record { time, sequence: digest(body), position, attributes: attributes.0, ..Record::default() })
}

/// Alarm bits, the gravest first.
const ALARMS: &[(u32, &str)] = &[
    (0, "sos"),
    (29, "accident"),
    (30, "rollover"),
    (1, "overspeed"),
    (2, "fatigue"),
    (5, "gps_antenna_cut"),
    (6, "gps_antenna_short"),
    (8, "power_cut"),
    (7, "low_power"),
    (26, "theft"),
    (27, "ignition"),
    (28, "movement"),
    (20, "geofence"),
    (21, "route"),
    (23, "off_route"),
    (4, "fault"),
    (9, "fault"),
    (10, "fault"),
    (11, "fault"),
];

/// Items that the standard names; a maker's own, of which one number means many things, are passed over.
fn items(r: &mut Reader<'_>, attributes: &mut Attributes, position: &mut Option<Position>) -> Option<()> {
    loop {
        let id = r.u8()?;
        let length = usize::from(r.u8()?);
        let mut item = Reader::new(r.bytes(length)?);
        match (id, length) {
            (0x01, 4) => attributes.number("odometer", f64::from(item.u32()?) * 100.0),
            (0x25, 4) => attributes.int("inputs", item.u32()?),
            (0x31, 1) => {
                let satellites = item.u8();
                position.iter_mut().for_each(|p| p.satellites = satellites);
            }
            _ => {}
        }
    }
}

fn batch(body: &[u8]) -> Result<Vec<Record>, DecodeError> {
    let mut r = Reader::new(body);
    let (count, kept) = (|| Some((r.u16()?, r.u8()?)))().ok_or_else(|| short(body))?;
    let mut records = Vec::with_capacity(usize::from(count).min(64));
    for _ in 0..count {
        let length = r.u16().ok_or_else(|| short(body))?;
        let at = r.at();
        let one = r.bytes(usize::from(length)).ok_or_else(|| short(body))?;
        let mut record = location(one).map_err(|e| DecodeError { at: e.at + at, ..e })?;
        if kept != 0 {
            let mut attributes = Attributes(record.attributes);
            attributes.flag("archive", true);
            record.attributes = attributes.0;
        }
        records.push(record);
    }
    // Some terminals put something of their own behind the last.
    if records.is_empty() {
        return Err(DecodeError::new(Kind::BadLength, r.at(), "a batch of no locations"));
    }
    Ok(records)
}

/// Messages 5501 and 5502 of electronic locks; the second says that there is no fix.
fn lock(body: &[u8], kept: bool) -> Result<Record, DecodeError> {
    let mut r = Reader::new(body);
    let fields = (|| {
        Some((r.bytes(6)?, r.bytes(4)?, r.bytes(4)?, r.u8()?, r.u8()?, r.u8()?, r.u8()?, r.u8()?, r.u32()?, r.u8()?))
    })();
    let (date, lat, lon, last, knots, half_course, _signal, satellites, km, battery) =
        fields.ok_or_else(|| short(body))?;
    let digits = bcd_text(date);
    let time = digits.as_deref().and_then(|d| utc_day_first(d.get(..6)?, d.get(6..)?));
    let time = time.ok_or_else(|| bad(0, format!("the date and time are {date:02x?}")))?;
    let degrees = |v: u64| (v / 1_000_000) as f64 + (v % 1_000_000) as f64 / 10_000.0 / 60.0;
    let lat = bcd(lat).ok_or_else(|| bad(6, "the latitude is not packed decimals"))?;
    let lon = bcd(lon).zip(bcd(&[last >> 4])).map(|(high, low)| high * 10 + low);
    let lon = lon.ok_or_else(|| bad(10, "the longitude is not packed decimals"))?;
    let position = (lat != 0 || lon != 0).then(|| Position {
        lat: if last & 0b0010 == 0 { -degrees(lat) } else { degrees(lat) },
        lon: if last & 0b0100 == 0 { -degrees(lon) } else { degrees(lon) },
        speed: bcd(&[knots]).map(|v| (v as f64 * KNOT) as f32),
        bearing: course(f64::from(half_course) * 2.0),
        satellites: Some(satellites),
        valid: !kept,
        ..Position::default()
    });
    let mut attributes = Attributes::default();
    attributes.number("odometer", f64::from(km) * 1000.0);
    match battery {
        percent @ ..=100 => attributes.int("battery_percent", percent),
        0xAA => attributes.flag("charging", true),
        _ => {}
    }
    Ok(Record { time: Some(time), sequence: digest(body), position, attributes: attributes.0, ..Record::default() })
}
