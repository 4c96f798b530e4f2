//! The device's end of Galileosky.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, counted, numeric, seconds, whole};
use super::super::{AttrKey, DecodeError, DeviceKey, Record};
use super::{CRC, IMEI, PACKET};

/// A device that names itself in a first packet and then sends records.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), told: None })
}

#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    /// The checksum of what was said last, which the server must repeat.
    told: Option<u16>,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        let key = self.key.expose().as_bytes();
        if key.len() != 15 {
            return Err(EncodeError::OutOfRange { field: "imei", value: format!("{} bytes long", key.len()) });
        }
        let mut tags = vec![0x01, 17, 0x02, 5, IMEI];
        tags.extend_from_slice(key);
        self.packet(tags)
    }

    fn most(&self) -> usize {
        25
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        counted(records, self.most())?;
        let mut tags = Vec::with_capacity(records.len() * 48);
        for r in records {
            write(&mut tags, r)?;
        }
        self.packet(tags)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(told) = self.told else { return Ok(Answer::Taken(0)) };
        Ok(match bytes {
            [0x02, a, b, ..] if u16::from_le_bytes([*a, *b]) == told => Answer::Taken(3),
            [0x02, _, _, ..] => Answer::Refused(3),
            [] | [0x02, ..] => Answer::Unfinished,
            [other, ..] => {
                return Err(DecodeError::new(
                    Kind::BadPreamble,
                    0,
                    format!("an answer begins with 02, not {other:02x}"),
                ));
            }
        })
    }
}

impl Tracker {
    fn packet(&mut self, tags: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
        let refuse = || EncodeError::OutOfRange { field: "packet length", value: tags.len().to_string() };
        let length = u16::try_from(tags.len()).ok().filter(|n| *n <= 0x7FFF).ok_or_else(refuse)?;
        let mut out = vec![PACKET];
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&tags);
        let sum = CRC.checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        self.told = Some(sum);
        Ok(out)
    }
}

fn write(out: &mut Vec<u8>, record: &Record) -> Result<(), EncodeError> {
    let mut put = |tag: u8, value: &[u8]| {
        out.push(tag);
        out.extend_from_slice(value);
    };
    // The number of the record comes first and always, so that it tells where the next one begins.
    put(0x10, &u16::try_from(record.sequence & 0xFFFF).unwrap_or(0).to_le_bytes());
    put(0x20, &seconds::<u32>(record)?.to_le_bytes());
    let ms = record.time.map_or(0, |t| t.0.rem_euclid(1000));
    if ms != 0 {
        put(0x21, &u16::try_from(ms).unwrap_or(0).to_le_bytes());
    }
    if let Some(p) = record.position {
        let flags = p.satellites.unwrap_or(0).min(15) | if p.valid { 0 } else { 0x10 };
        let mut place = vec![flags];
        place.extend_from_slice(&whole::<i32>("lat", p.lat * 1e6)?.to_le_bytes());
        place.extend_from_slice(&whole::<i32>("lon", p.lon * 1e6)?.to_le_bytes());
        put(0x30, &place);
        if p.speed.is_some() || p.bearing.is_some() {
            let mut motion =
                whole::<u16>("speed", f64::from(p.speed.unwrap_or(0.0) * KMH * 10.0))?.to_le_bytes().to_vec();
            motion.extend(whole::<u16>("bearing", f64::from(p.bearing.unwrap_or(0.0) * 10.0))?.to_le_bytes());
            put(0x33, &motion);
        }
        if let Some(a) = p.altitude {
            put(0x34, &whole::<i16>("altitude", f64::from(a))?.to_le_bytes());
        }
        if let Some(h) = p.hdop {
            put(0x35, &[whole::<u8>("hdop", f64::from(h * 10.0).min(255.0))?]);
        }
    }
    let bit = |key: AttrKey, n: u16| numeric(record, &key).filter(|v| *v != 0.0).map_or(0, |_| 1 << n);
    if [attr::STATUS, attr::MOTION, attr::IGNITION].iter().any(|k| record.attribute(k).is_some()) {
        let kept = numeric(record, &attr::STATUS).map_or(Ok(0), |v| whole::<u16>("status", v))?;
        let flags = bit(attr::MOTION, 0) | bit(attr::IGNITION, 9);
        put(0x40, &(kept & !(1 | 1 << 9) | flags).to_le_bytes());
    }
    for (key, tag, scale) in [
        (attr::POWER, 0x41, 1000.0),
        (attr::BATTERY, 0x42, 1000.0),
        (attr::OUTPUTS, 0x45, 1.0),
        (attr::INPUTS, 0x46, 1.0),
    ] {
        if let Some(v) = numeric(record, &key) {
            put(tag, &whole::<u16>("attribute", v * scale)?.to_le_bytes());
        }
    }
    if let Some(v) = numeric(record, &attr::ODOMETER) {
        put(0xD4, &whole::<u32>("odometer", v)?.to_le_bytes());
    }
    Ok(())
}
