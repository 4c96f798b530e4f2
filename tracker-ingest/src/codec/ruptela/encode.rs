//! The device's end of Ruptela.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, counted, imei, numeric, seconds, whole};
use super::super::{AttrKey, AttrValue, DecodeError, DeviceKey, Record};
use super::{ANSWER, CRC, EXTENDED_RECORDS, IDENTIFICATION, NOWHERE, RECORDS_ANSWER};

/// A device that identifies itself and sends records with wide ids.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), waits_for: None })
}

#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    /// The command of the answer to what was said last.
    waits_for: Option<u8>,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        // Firmware, IMSI, operator, and four settings of its own that no server needs.
        let payload = [&b"ZUP00.01.00.00"[..], &[0; 22]].concat();
        self.waits_for = Some(IDENTIFICATION + ANSWER);
        self.message(IDENTIFICATION, &payload)
    }

    fn most(&self) -> usize {
        12
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let mut payload = vec![0, counted(records, self.most())?];
        for r in records {
            write(&mut payload, r)?;
        }
        self.waits_for = Some(RECORDS_ANSWER);
        self.message(EXTENDED_RECORDS, &payload)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(command) = self.waits_for else { return Ok(Answer::Taken(0)) };
        match bytes {
            [0, 2, said, yes, a, b, ..] => {
                let sum = CRC.checksum(&[*said, *yes]);
                if u16::from_be_bytes([*a, *b]) != sum {
                    return Err(DecodeError::new(Kind::BadChecksum, 4, "the answer's checksum is wrong"));
                }
                Ok(if (*said, *yes) == (command, 1) { Answer::Taken(6) } else { Answer::Refused(6) })
            }
            _ if [0, 2].starts_with(bytes.get(..2.min(bytes.len())).unwrap_or_default()) => Ok(Answer::Unfinished),
            _ => Err(DecodeError::new(Kind::BadPreamble, 0, "an answer is two bytes long")),
        }
    }
}

impl Tracker {
    fn message(&self, command: u8, payload: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let imei = imei(&self.key)?.to_be_bytes();
        let body = [&imei[..], &[command], payload].concat();
        let refuse = |_| EncodeError::OutOfRange { field: "message length", value: body.len().to_string() };
        let length = u16::try_from(body.len()).map_err(refuse)?;
        Ok([&length.to_be_bytes()[..], &body, &CRC.checksum(&body).to_be_bytes()].concat())
    }
}

fn write(out: &mut Vec<u8>, record: &Record) -> Result<(), EncodeError> {
    out.extend(seconds::<u32>(record)?.to_be_bytes());
    let small = |key: AttrKey| whole::<u8>("priority", numeric(record, &key).unwrap_or(0.0));
    // The first of its second, one part of one, its priority.
    out.extend([0, 0, small(AttrKey::Name("priority"))?]);
    let (lon, lat) = match record.position {
        Some(p) => (whole::<i32>("lon", p.lon * 1e7)?, whole::<i32>("lat", p.lat * 1e7)?),
        None => (NOWHERE, NOWHERE),
    };
    out.extend(lon.to_be_bytes());
    out.extend(lat.to_be_bytes());
    let p = record.position.unwrap_or_default();
    let or_zero = |v: Option<f32>, scale: f64| f64::from(v.unwrap_or(0.0)) * scale;
    out.extend(whole::<u16>("altitude", or_zero(p.altitude, 10.0))?.to_be_bytes());
    out.extend(whole::<u16>("bearing", or_zero(p.bearing, 100.0))?.to_be_bytes());
    out.push(if p.valid { p.satellites.unwrap_or(1).max(1) } else { 0 });
    out.extend(whole::<u16>("speed", or_zero(p.speed, f64::from(KMH)))?.to_be_bytes());
    out.push(whole::<u8>("hdop", or_zero(p.hdop, 10.0).min(255.0))?);
    out.extend(whole::<u16>("event", numeric(record, &attr::EVENT).unwrap_or(0.0))?.to_be_bytes());

    let mut groups: [Vec<(u16, u64)>; 4] = Default::default();
    for (key, value) in &record.attributes {
        let Some((id, v)) = parameter(key, value)? else { continue };
        let width = match v {
            0..=0xFF => 0,
            0x100..=0xFFFF => 1,
            0x1_0000..=0xFFFF_FFFF => 2,
            _ => 3,
        };
        if let Some(group) = groups.get_mut(width) {
            group.push((id, v));
        }
    }
    for (width, group) in [1usize, 2, 4, 8].into_iter().zip(groups) {
        let refuse = |_| EncodeError::OutOfRange { field: "number of parameters", value: group.len().to_string() };
        out.push(u8::try_from(group.len()).map_err(refuse)?);
        for (id, v) in &group {
            out.extend(id.to_be_bytes());
            out.extend(v.to_be_bytes().into_iter().skip(8 - width));
        }
    }
    Ok(())
}

/// The number and value of an attribute the protocol can say.
fn parameter(key: &AttrKey, value: &AttrValue) -> Result<Option<(u16, u64)>, EncodeError> {
    let v = match value {
        AttrValue::Int(v) => *v as f64,
        AttrValue::Float(v) => *v,
        AttrValue::Bool(v) => f64::from(u8::from(*v)),
        AttrValue::Text(_) | AttrValue::Bytes(_) => return Ok(None),
    };
    let (id, scale) = match key {
        k if *k == attr::IGNITION => (409, 1.0),
        k if *k == attr::MOTION => (173, 1.0),
        k if *k == attr::POWER => (29, 1000.0),
        k if *k == attr::BATTERY => (30, 1000.0),
        k if *k == attr::ODOMETER => (65, 1.0),
        AttrKey::Io(id) => {
            return Ok(if let AttrValue::Int(v) = value { Some((*id, *v)) } else { None });
        }
        _ => return Ok(None),
    };
    Ok(Some((id, whole::<u32>("attribute", v * scale)?.into())))
}
