//! The device's end of BCE.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, counted, imei, numeric, whole};
use super::super::{DecodeError, DeviceKey, Record};
use super::{CONFIRM, EPOCH, FIELDS, PREAMBLE, STACK, TICKS, message_of};

/// A device that sends stacks and waits for their confirmation.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), next: 1, told: None })
}

#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    /// The key of the next stack.
    next: u8,
    /// The confirmation waited for.
    told: Option<Vec<u8>>,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.told = None;
        Ok(PREAMBLE.to_vec())
    }

    fn most(&self) -> usize {
        40
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        counted(records, self.most())?;
        let imei = imei(&self.key)?;
        let mut structures = Vec::new();
        for r in records {
            let body = write(r)?;
            let refuse = |_| EncodeError::OutOfRange { field: "structure length", value: body.len().to_string() };
            structures.push(u8::try_from(body.len()).map_err(refuse)?);
            structures.extend(body);
        }
        let key = self.next;
        self.next = if key == 0x7F { 1 } else { key + 1 };
        self.told = Some(message_of(imei, CONFIRM, key, &[]));
        Ok(message_of(imei, STACK, key, &structures))
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(told) = &self.told else { return Ok(Answer::Taken(0)) };
        match bytes.get(..told.len()) {
            Some(heard) if heard == told => Ok(Answer::Taken(told.len())),
            None if told.starts_with(bytes) => Ok(Answer::Unfinished),
            _ => Err(DecodeError::new(Kind::BadField, 0, "no confirmation of this stack")),
        }
    }
}

fn write(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let refuse = || EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) };
    let since = time.secs() - EPOCH;
    // Which round of the clock it is, the server must know.
    let twos = u32::try_from(since.div_euclid(2)).map_err(|_| refuse())? % u32::try_from(TICKS).unwrap_or(u32::MAX);
    let mut out = (twos << 4 | FIELDS).to_le_bytes().to_vec();
    let inputs = numeric(record, &attr::INPUTS);
    let odometer = numeric(record, &attr::ODOMETER);
    let bit = |is: bool, n: u16| u16::from(is) << n;
    let more = bit(odometer.is_some(), 15);
    out.extend((bit(record.position.is_some(), 0) | bit(inputs.is_some(), 1) | more).to_le_bytes());
    if odometer.is_some() {
        out.extend((1u16 << 6).to_le_bytes());
    }
    if let Some(p) = record.position {
        out.extend((p.lon as f32).to_le_bytes());
        out.extend((p.lat as f32).to_le_bytes());
        out.push(whole::<u8>("speed", f64::from(p.speed.unwrap_or(0.0) * KMH))?);
        let satellites = if p.valid { p.satellites.unwrap_or(1).clamp(1, 15) } else { 0 };
        let hdop = whole::<u8>("hdop", f64::from(p.hdop.unwrap_or(0.0)).min(15.0))?;
        out.push(satellites | hdop << 4);
        out.push(whole::<u8>("bearing", f64::from(p.bearing.unwrap_or(0.0)) / 2.0)?);
        out.extend(whole::<u16>("altitude", f64::from(p.altitude.unwrap_or(0.0)))?.to_le_bytes());
        out.extend([0; 4]);
    }
    if let Some(v) = inputs {
        out.extend(whole::<u16>("inputs", v)?.to_le_bytes());
    }
    if let Some(v) = odometer {
        out.extend(whole::<u32>("odometer", v)?.to_le_bytes());
    }
    Ok(out)
}
