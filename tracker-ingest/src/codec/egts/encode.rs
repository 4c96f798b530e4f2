//! The device's end of EGTS.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::reader::Reader;
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, counted, numeric, whole};
use super::super::{AttrKey, AttrValue, DecodeError, DeviceKey, Record};
use super::{APPDATA, DATA_CRC, EPOCH, RESPONSE, SERVICE_TELEDATA, VERSION, packet, sub, subrecord};

const SERVICE_AUTH: u8 = 1;

/// A device that says who it is and sends records.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), next: 0, told: 0, packets: 0 })
}

#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    /// The number of the next packet and of its first record.
    next: u16,
    /// Of the last packet.
    told: u16,
    /// How many packets answer it.
    packets: usize,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        let key = self.key.expose().as_bytes();
        if key.len() > 15 {
            return Err(EncodeError::OutOfRange { field: "imei", value: format!("{} bytes long", key.len()) });
        }
        let mut identity = vec![0, 0, 0, 0, 2];
        identity.extend_from_slice(key);
        identity.resize(5 + 15, 0);
        let data = self.record(0, None, SERVICE_AUTH, &subrecord(sub::TERM_IDENTITY, &identity))?;
        Ok(self.packet(&data, 2))
    }

    fn most(&self) -> usize {
        20
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let count = counted(records, self.most())?;
        let mut data = Vec::new();
        for (n, r) in (0u16..).zip(records) {
            let time = r.time.ok_or(EncodeError::Missing("time"))?;
            let time = whole::<u32>("time", (time.secs() - EPOCH) as f64)?;
            let body = write(r, time)?;
            data.extend(self.record(n, r.position.is_none().then_some(time), SERVICE_TELEDATA, &body)?);
        }
        Ok(self.packet(&data, usize::from(count)))
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let mut r = Reader::new(bytes);
        let mut yes = true;
        for _ in 0..self.packets {
            let Some(head) = r.bytes(11) else { return Ok(Answer::Unfinished) };
            let [VERSION, _, _, 11, _, a, b, _, _, kind, _] = head else {
                return Err(DecodeError::new(Kind::BadPreamble, r.at(), "an answer begins with 01"));
            };
            let length = usize::from(u16::from_le_bytes([*a, *b]));
            let (Some(data), Some(sum)) = (r.bytes(length), r.u16_le()) else { return Ok(Answer::Unfinished) };
            if DATA_CRC.checksum(data) != sum {
                return Err(DecodeError::new(Kind::BadChecksum, r.at() - 2, "the answer's checksum is wrong"));
            }
            yes &= match (*kind, data) {
                (RESPONSE, [a, b, 0, _, _, _, _, _, _, _, 0, _, _, _, _, 0]) => {
                    let echo = [*a, *b];
                    [u16::from_le_bytes(echo), u16::from_be_bytes(echo)].contains(&self.told)
                }
                (APPDATA, [.., 0]) => true,
                _ => false,
            };
        }
        Ok(if yes { Answer::Taken(r.at()) } else { Answer::Refused(r.at()) })
    }
}

impl Tracker {
    fn packet(&mut self, data: &[u8], answers: usize) -> Vec<u8> {
        self.told = self.next;
        self.next = self.next.wrapping_add(1);
        self.packets = answers;
        packet(APPDATA, self.told, data)
    }

    fn record(&self, nth: u16, time: Option<u32>, service: u8, body: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let refuse = |_| EncodeError::OutOfRange { field: "record length", value: body.len().to_string() };
        let mut out = u16::try_from(body.len()).map_err(refuse)?.to_le_bytes().to_vec();
        out.extend(self.next.wrapping_mul(32).wrapping_add(nth).to_le_bytes());
        out.push(if time.is_some() { 4 } else { 0 });
        out.extend(time.into_iter().flat_map(u32::to_le_bytes));
        out.extend([service, service]);
        out.extend_from_slice(body);
        Ok(out)
    }
}

fn write(record: &Record, time: u32) -> Result<Vec<u8>, EncodeError> {
    let of = |key: AttrKey| numeric(record, &key).unwrap_or(0.0);
    let yes = |key: AttrKey| record.attribute(&key) == Some(&AttrValue::Bool(true));
    let mut out = Vec::new();
    if let Some(p) = record.position {
        let part = |field, v: f64, most: f64| whole::<u32>(field, v.abs() * f64::from(u32::MAX) / most);
        let mut v = time.to_le_bytes().to_vec();
        v.extend(part("lat", p.lat, 90.0)?.to_le_bytes());
        v.extend(part("lon", p.lon, 180.0)?.to_le_bytes());
        let altitude = p.altitude.unwrap_or(0.0);
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        v.push(
            flag(p.altitude.is_some(), 0x80)
                | flag(p.lon < 0.0, 0x40)
                | flag(p.lat < 0.0, 0x20)
                | flag(yes(attr::MOTION), 0x10)
                | flag(yes(attr::ARCHIVE), 8)
                | flag(p.valid, 1),
        );
        let tenths = whole::<u16>("speed", f64::from(p.speed.unwrap_or(0.0) * KMH * 10.0))?;
        if tenths > 0x3FFF {
            return Err(EncodeError::OutOfRange { field: "speed", value: tenths.to_string() });
        }
        let course = whole::<u16>("bearing", f64::from(p.bearing.unwrap_or(0.0)))? % 360;
        let [low, high] = course.to_le_bytes();
        v.extend((tenths | u16::from(high) << 15 | u16::from(altitude < 0.0) << 14).to_le_bytes());
        v.push(low);
        u24(&mut v, "odometer", of(attr::ODOMETER) / 100.0)?;
        v.push(whole::<u8>("inputs", of(attr::INPUTS))?);
        v.push(whole::<u8>("event", of(attr::EVENT))?);
        if p.altitude.is_some() {
            u24(&mut v, "altitude", f64::from(altitude.abs()))?;
        }
        out.extend(subrecord(sub::POS_DATA, &v));
        if p.satellites.is_some() || p.hdop.is_some() {
            let mut v = vec![flag(p.hdop.is_some(), 2) | flag(p.satellites.is_some(), 8)];
            if let Some(h) = p.hdop {
                v.extend(whole::<u16>("hdop", f64::from(h * 100.0))?.to_le_bytes());
            }
            v.extend(p.satellites);
            out.extend(subrecord(sub::EXT_POS_DATA, &v));
        }
    }
    let voltages = [attr::POWER, attr::BATTERY].map(|k| numeric(record, &k));
    if out.is_empty() || voltages.iter().any(Option::is_some) {
        let [power, battery] = voltages.map(|v| whole::<u8>("voltage", v.unwrap_or(0.0) * 10.0));
        out.extend(subrecord(sub::STATE_DATA, &[whole::<u8>("status", of(attr::STATUS))?, power?, battery?, 0, 0]));
    }
    Ok(out)
}

fn u24(out: &mut Vec<u8>, field: &'static str, v: f64) -> Result<(), EncodeError> {
    match whole::<u32>(field, v)?.to_le_bytes() {
        [a, b, c, 0] => out.extend([a, b, c]),
        _ => return Err(EncodeError::OutOfRange { field, value: v.to_string() }),
    }
    Ok(())
}
