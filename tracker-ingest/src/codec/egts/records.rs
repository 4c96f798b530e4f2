//! Records of EGTS and what their subrecords say.

use transit_model::time::UnixMs;

use super::super::reader::Reader;
use super::super::wire::{KMH, attr, fraction};
use super::super::{AttrKey, AttrValue, DeviceKey, Position, Record};
use super::{EPOCH, SERVICE_TELEDATA, sub};

/// What a record of a packet says.
pub(super) struct Told {
    /// Its number, which the answer repeats.
    pub(super) number: u16,
    pub(super) service: u8,
    /// Whose it is, in the sender's numbering.
    pub(super) object: Option<u32>,
    /// The terminal that says who it is.
    pub(super) terminal: Option<DeviceKey>,
    pub(super) records: Vec<Record>,
}

/// All records of a packet; `None` when they do not fill it.
pub(super) fn read(r: &mut Reader<'_>) -> Option<Vec<Told>> {
    let mut all = Vec::new();
    // An object that a record does not repeat is that of the one before.
    let mut object = None;
    while !r.rest().is_empty() {
        let length = usize::from(r.u16_le()?);
        let number = r.u16_le()?;
        let flags = r.u8()?;
        if flags & 1 != 0 {
            object = Some(r.u32_le()?);
        }
        if flags & 2 != 0 {
            r.u32_le()?;
        }
        let time = if flags & 4 != 0 { Some(moment(r.u32_le()?)) } else { None };
        let service = r.u8()?;
        r.u8()?;
        let mut body = Reader::new(r.bytes(length)?);
        let mut told = Told { number, service, object, terminal: None, records: Vec::new() };
        let mut loose = Vec::new();
        while !body.rest().is_empty() {
            let kind = body.u8()?;
            let length = usize::from(body.u16_le()?);
            let mut value = Reader::new(body.bytes(length)?);
            match kind {
                sub::TERM_IDENTITY => told.terminal = Some(identity(&mut value)?),
                sub::POS_DATA => {
                    let mut record = place(&mut value)?;
                    record.attributes.append(&mut loose);
                    told.records.push(record);
                }
                _ if service != SERVICE_TELEDATA => {}
                _ => match told.records.last_mut() {
                    Some(record) => sensor(kind, &mut value, &mut record.attributes, record.position.as_mut())?,
                    None => sensor(kind, &mut value, &mut loose, None)?,
                },
            }
        }
        if !loose.is_empty() {
            let attributes = loose;
            told.records.push(Record { time, attributes, ..Record::default() });
        }
        // Its number is of this connection: said on another, the same record has another.
        told.records.iter_mut().for_each(|r| r.sequence = r.said());
        all.push(told);
    }
    Some(all)
}

fn moment(seconds: u32) -> UnixMs {
    UnixMs::from_secs(EPOCH + i64::from(seconds))
}

/// The IMEI, or where there is none the number the operator gave.
fn identity(v: &mut Reader<'_>) -> Option<DeviceKey> {
    let number = v.u32_le()?;
    let flags = v.u8()?;
    if flags & 1 != 0 {
        v.u16_le()?;
    }
    let mut imei = None;
    if flags & 2 != 0 {
        let text = std::str::from_utf8(v.bytes(15)?).ok()?.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        imei = Some(text).filter(|t| DeviceKey::is_valid(t)).map(DeviceKey::from);
    }
    Some(imei.unwrap_or_else(|| DeviceKey::from(number.to_string())))
}

fn place(v: &mut Reader<'_>) -> Option<Record> {
    const WHOLE: f64 = u32::MAX as f64;
    let time = moment(v.u32_le()?);
    let (lat, lon) = (f64::from(v.u32_le()?) * 90.0 / WHOLE, f64::from(v.u32_le()?) * 180.0 / WHOLE);
    let flags = v.u8()?;
    let speed = v.u16_le()?;
    let direction = u16::from(v.u8()?) | (speed & 0x8000) >> 7;
    let odometer = u24(v)?;
    let (inputs, source) = (v.u8()?, v.u8()?);
    let altitude = if flags & 0x80 != 0 {
        let metres = u24(v)? as f32;
        Some(if speed & 0x4000 != 0 { -metres } else { metres })
    } else {
        None
    };
    let position = Position {
        lat: if flags & 0x20 != 0 { -lat } else { lat },
        lon: if flags & 0x40 != 0 { -lon } else { lon },
        altitude,
        speed: Some(f32::from(speed & 0x3FFF) / 10.0 / KMH),
        bearing: Some(f32::from(direction % 360)),
        valid: flags & 1 != 0,
        ..Position::default()
    };
    let mut attributes = vec![
        (attr::ODOMETER, AttrValue::Int(u64::from(odometer) * 100)),
        (attr::INPUTS, AttrValue::Int(inputs.into())),
        (attr::EVENT, AttrValue::Int(source.into())),
        (attr::MOTION, AttrValue::Bool(flags & 0x10 != 0)),
    ];
    if flags & 8 != 0 {
        attributes.push((attr::ARCHIVE, AttrValue::Bool(true)));
    }
    let alarm = match source {
        10 => Some("tamper"),
        11 => Some("power_cut"),
        12 | 19 => Some("low_battery"),
        13 | 15 => Some("sos"),
        25 => Some("gps_antenna_cut"),
        _ => None,
    };
    attributes.extend(alarm.map(|which| (attr::ALARM, AttrValue::Text(which.into()))));
    Some(Record { time: Some(time), position: Some(position), attributes, ..Record::default() })
}

fn u24(v: &mut Reader<'_>) -> Option<u32> {
    let [a, b, c] = v.bytes(3)? else { return None };
    Some(u32::from_le_bytes([*a, *b, *c, 0]))
}

/// A subrecord beside the place.
fn sensor(
    kind: u8,
    v: &mut Reader<'_>,
    attributes: &mut Vec<(AttrKey, AttrValue)>,
    position: Option<&mut Position>,
) -> Option<()> {
    let mut add = |key: AttrKey, value: AttrValue| attributes.push((key, value));
    match kind {
        sub::EXT_POS_DATA => {
            let flags = v.u8()?;
            let mut dop = |bit: u8| if flags & bit != 0 { v.u16_le().map(Some) } else { Some(None) };
            let (_vertical, horizontal, _whole) = (dop(1)?, dop(2)?, dop(4)?);
            let satellites = if flags & 8 != 0 { Some(v.u8()?) } else { None };
            match position {
                Some(p) => {
                    p.hdop = horizontal.map(|h| f32::from(h) / 100.0);
                    p.satellites = satellites;
                }
                None => satellites.into_iter().for_each(|n| add(attr::SATELLITES, AttrValue::Int(n.into()))),
            }
        }
        sub::AD_SENSORS_DATA => {
            let (octets, outputs, analog) = (v.u8()?, v.u8()?, v.u8()?);
            add(attr::OUTPUTS, AttrValue::Int(outputs.into()));
            for n in (1..=8u16).filter(|n| octets & 1 << (n - 1) != 0) {
                add(AttrKey::Own(format!("inputs{n}").into()), AttrValue::Int(v.u8()?.into()));
            }
            for n in (1..=8u16).filter(|n| analog & 1 << (n - 1) != 0) {
                add(AttrKey::Own(format!("adc{n}").into()), AttrValue::Int(u24(v)?.into()));
            }
        }
        sub::STATE_DATA | sub::ACCEL_OR_STATE if v.rest().len() == 5 => {
            add(attr::STATUS, AttrValue::Int(v.u8()?.into()));
            add(attr::POWER, fraction(f64::from(v.u8()?) / 10.0));
            add(attr::BATTERY, fraction(f64::from(v.u8()?) / 10.0));
            // The internal battery's volts, then whether the backup battery (bit 0) or that one (bit 1) is in use.
            let (_internal, flags) = (v.u8()?, v.u8()?);
            if flags & 0b11 != 0 {
                add(attr::EXTERNAL_POWER, AttrValue::Bool(false));
            }
        }
        sub::LIQUID_LEVEL => {
            let flags = v.u8()?;
            let address = v.u16_le()?;
            // The sensor's own bytes instead of a level.
            if flags & 8 == 0 {
                add(AttrKey::Own(format!("liquid{address}").into()), AttrValue::Int(v.u32_le()?.into()));
            }
        }
        _ => add(AttrKey::Io(kind.into()), AttrValue::Bytes(v.rest().into())),
    }
    Some(())
}
