//! The device's end of Teltonika, and packets as it writes them.

use super::super::error::EncodeError;
use super::super::stream::{Answer, Terminal};
use super::super::{AttrKey, AttrValue, DecodeError, DeviceKey, Record};
use super::{CRC, Codec, ENVELOPE, IO_HDOP, KMH};

/// A device that speaks a codec.
pub(in crate::codec) fn terminal_of(key: &DeviceKey, codec: Codec) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), codec, told: Told::Nothing })
}

/// The device's end: login by IMEI, packets of one codec, each answered by the count of its records.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    codec: Codec,
    told: Told,
}

/// What the device waits to hear an answer to.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    Login,
    Records(u32),
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.told = Told::Login;
        encode_login(self.key.expose())
    }

    /// What fits the memory of a small tracker.
    fn most(&self) -> usize {
        24
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        self.told = Told::Records(u32::try_from(records.len()).unwrap_or(u32::MAX));
        encode(self.codec, records)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        Ok(match (self.told, bytes) {
            (Told::Nothing, _) => Answer::Taken(0),
            (Told::Login, [1, ..]) => Answer::Taken(1),
            (Told::Login, [_, ..]) => Answer::Refused(1),
            (Told::Records(told), [a, b, c, d, ..]) => {
                if u32::from_be_bytes([*a, *b, *c, *d]) == told {
                    Answer::Taken(4)
                } else {
                    Answer::Refused(4)
                }
            }
            _ => Answer::Unfinished,
        })
    }
}

/// Writes a login.
///
/// # Errors
/// When the IMEI is empty or too long.
pub fn encode_login(imei: &str) -> Result<Vec<u8>, EncodeError> {
    let refuse = || EncodeError::OutOfRange { field: "imei", value: format!("{} bytes long", imei.len()) };
    let length = u8::try_from(imei.len()).ok().filter(|n| (1..=DeviceKey::MAX).contains(&usize::from(*n)));
    let length = length.ok_or_else(refuse)?;
    let mut out = vec![0, length];
    out.extend_from_slice(imei.as_bytes());
    Ok(out)
}

/// Writes a packet. Speed is rounded to whole km/h, course to degrees, altitude to metres, as the
/// protocol has them; what is unknown is written as zero; a record without a position as 0, 0.
/// `priority`, `event` and `io…` attributes are written, others have no place in the protocol.
///
/// # Errors
/// With no records or more than 255, a record without a time, or a value beyond its field.
pub fn encode(codec: Codec, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
    if records.is_empty() {
        return Err(EncodeError::NoRecords);
    }
    let count =
        u8::try_from(records.len()).map_err(|_| EncodeError::TooManyRecords { have: records.len(), most: 255 })?;
    let mut data = vec![codec.byte(), count];
    for record in records {
        write_record(&mut data, codec, record)?;
    }
    data.push(count);
    seal(&data)
}

/// Puts data into the envelope: zeros, length, data, checksum.
pub(super) fn seal(data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let length = u32::try_from(data.len())
        .map_err(|_| EncodeError::OutOfRange { field: "packet length", value: data.len().to_string() })?;
    let mut out = Vec::with_capacity(data.len() + ENVELOPE);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(&u32::from(CRC.checksum(data)).to_be_bytes());
    Ok(out)
}

fn write_record(out: &mut Vec<u8>, codec: Codec, record: &Record) -> Result<(), EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let time = u64::try_from(time.0)
        .map_err(|_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) })?;
    let named = |name: &'static str| match record.attribute(&AttrKey::Name(name)) {
        Some(AttrValue::Int(v)) => u16::try_from(*v).unwrap_or(0),
        _ => 0,
    };
    let p = record.position.unwrap_or_default();
    out.extend_from_slice(&time.to_be_bytes());
    out.push(u8::try_from(named("priority")).unwrap_or(0));
    out.extend_from_slice(&degrees("lon", p.lon)?.to_be_bytes());
    out.extend_from_slice(&degrees("lat", p.lat)?.to_be_bytes());
    out.extend_from_slice(&whole("altitude", p.altitude, f32::from(i16::MIN), f32::from(i16::MAX))?);
    out.extend_from_slice(&whole("bearing", p.bearing, 0.0, 360.0)?);
    out.push(p.satellites.unwrap_or(u8::from(p.valid)));
    out.extend_from_slice(&whole("speed", p.speed.map(|s| s * KMH), 0.0, 30_000.0)?);
    write_ios(out, codec, record, named("event"), p.hdop)
}

/// Hundred-nanodegrees: ±214° fit, so that a test can send what is not on Earth.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn degrees(field: &'static str, v: f64) -> Result<i32, EncodeError> {
    let scaled = (v * 1e7).round();
    if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&scaled) {
        return Err(EncodeError::OutOfRange { field, value: v.to_string() });
    }
    Ok(scaled as i32)
}

/// A rounded 16-bit field, zero where the value is unknown.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn whole(field: &'static str, v: Option<f32>, least: f32, most: f32) -> Result<[u8; 2], EncodeError> {
    let v = v.unwrap_or(0.0).round();
    if !(least..=most).contains(&v) {
        return Err(EncodeError::OutOfRange { field, value: v.to_string() });
    }
    Ok((v as i16).to_be_bytes())
}

fn write_ios(
    out: &mut Vec<u8>,
    codec: Codec,
    record: &Record,
    event: u16,
    hdop: Option<f32>,
) -> Result<(), EncodeError> {
    let mut groups: [Vec<(u16, u64)>; 4] = Default::default();
    let mut long: Vec<(u16, &[u8])> = Vec::new();
    let mut put = |id: u16, v: u64| {
        let width = match v {
            0..=0xFF => 0,
            0x100..=0xFFFF => 1,
            0x1_0000..=0xFFFF_FFFF => 2,
            _ => 3,
        };
        if let Some(group) = groups.get_mut(width) {
            group.push((id, v));
        }
    };
    for (key, value) in &record.attributes {
        match (key, value) {
            (AttrKey::Io(id), AttrValue::Int(v)) => put(*id, *v),
            (AttrKey::Io(id), AttrValue::Bool(v)) => put(*id, u64::from(*v)),
            (AttrKey::Io(id), AttrValue::Bytes(b)) => long.push((*id, b)),
            _ => {}
        }
    }
    if let Some(h) = hdop.filter(|_| record.attribute(&AttrKey::Io(IO_HDOP)).is_none()) {
        let tenths = whole("hdop", Some(h * 10.0), 0.0, 30_000.0)?;
        put(IO_HDOP, u64::from(u16::from_be_bytes(tenths)));
    }
    let total = groups.iter().map(Vec::len).sum::<usize>() + long.len();
    write_id(out, codec, "event", usize::from(event))?;
    if codec == Codec::Sixteen {
        // Made on no event.
        out.push(7);
    }
    write_count(out, codec, total)?;
    for (width, group) in [1usize, 2, 4, 8].into_iter().zip(&groups) {
        write_count(out, codec, group.len())?;
        for (id, v) in group {
            write_id(out, codec, "IO id", usize::from(*id))?;
            out.extend(v.to_be_bytes().into_iter().skip(8 - width));
        }
    }
    match codec {
        Codec::Eight | Codec::Sixteen if !long.is_empty() => {
            Err(EncodeError::OutOfRange { field: "IO value", value: "bytes, which codec 8 has no room for".into() })
        }
        Codec::Eight | Codec::Sixteen => Ok(()),
        Codec::EightExtended => {
            write_count(out, codec, long.len())?;
            for (id, bytes) in long {
                write_id(out, codec, "IO id", usize::from(id))?;
                write_id(out, codec, "IO length", bytes.len())?;
                out.extend_from_slice(bytes);
            }
            Ok(())
        }
    }
}

/// An id: one byte in codec 8, two in the others.
fn write_id(out: &mut Vec<u8>, codec: Codec, field: &'static str, v: usize) -> Result<(), EncodeError> {
    write_number(out, codec == Codec::Eight, field, v)
}

/// A count: two bytes in codec 8 Extended, one in the others.
fn write_count(out: &mut Vec<u8>, codec: Codec, v: usize) -> Result<(), EncodeError> {
    write_number(out, codec != Codec::EightExtended, "number of IO elements", v)
}

fn write_number(out: &mut Vec<u8>, short: bool, field: &'static str, v: usize) -> Result<(), EncodeError> {
    let refuse = || EncodeError::OutOfRange { field, value: v.to_string() };
    if short {
        out.push(u8::try_from(v).map_err(|_| refuse())?);
    } else {
        out.extend_from_slice(&u16::try_from(v).map_err(|_| refuse())?.to_be_bytes());
    }
    Ok(())
}
