//! Wialon Retranslator over TCP (Gurtam, *Wialon Retranslator protocol*): one connection, many vehicles.
//!
//! ```text
//! packet   u32 length (little-endian), id ending in 0, u32 time, u32 flags, blocks     answered 11
//! block    u16 0BBB, u32 length, u8 hidden, u8 type, name ending in 0, value
//! type     1 text ending in 0, 2 bytes, 3 i32, 4 f64 (little-endian), 5 i64
//! posinfo  f64 longitude, f64 latitude, f64 altitude (little-endian), i16 km/h, i16 degrees, u8 satellites
//! ```
//!
//! All else is big-endian. There is no checksum. Not here: pictures.

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::wire::{KMH, attr, counted, fraction, number, numeric, seconds, text, whole};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Position, Record, Sniff};

const ANSWER: u8 = 0x11;
const BLOCK: u16 = 0x0BBB;
/// An id of one letter, a time and flags.
const LEAST: usize = 2 + 4 + 4;
/// The bit of the flags that says the driver asks for help.
const ALARM: u32 = 0x10;
const POSINFO: &str = "posinfo";
/// What the protocol calls what everybody has.
const NAMES: [(&str, AttrKey); 5] = [
    ("pwr_ext", attr::POWER),
    ("pwr_int", attr::BATTERY),
    ("avl_inputs", attr::INPUTS),
    ("avl_outputs", attr::OUTPUTS),
    ("avl_driver", attr::DRIVER),
];

/// Wialon Retranslator, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: |key| Box::new(Relay { key: key.clone(), told: 0 }),
};

/// Whether a connection that begins so is Retranslator: a length below 64 KiB and an id.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let id = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    match first {
        [a, b, 0, 0, one, two, ..] => {
            let length = usize::from(u16::from_le_bytes([*a, *b]));
            if length >= LEAST && id(one) && (id(two) || *two == 0) { Sniff::Yes } else { Sniff::No }
        }
        [_, _, 0, 0, one, ..] if !id(one) => Sniff::No,
        [_, _, c, ..] if *c != 0 => Sniff::No,
        [_, _, _, d, ..] if *d != 0 => Sniff::No,
        _ => Sniff::NeedMore,
    }
}

/// The server's end.
#[derive(Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    const MAX: usize = 4 + 64 * 1024;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let Some(length) = Reader::new(bytes).u32_le() else { return Ok(Bounds::Unfinished) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < LEAST {
            let detail = format!("a packet of {length} bytes; the least is {LEAST}");
            return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
        }
        Ok(Bounds::Message(length.saturating_add(4)))
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let mut r = Reader::new(message);
        r.bytes(4);
        let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, r.at(), "the packet ends inside a block");
        let id = words(&mut r).ok_or_else(|| short(&r))?;
        if !DeviceKey::is_valid(&id) {
            return Err(DecodeError::new(Kind::BadLogin, 4, "the id is not a device's"));
        }
        let (Some(time), Some(flags)) = (r.u32(), r.u32()) else { return Err(short(&r)) };
        let mut record = Record {
            device: Some(DeviceKey::from(&id)),
            time: Some(UnixMs::from_secs(i64::from(time))),
            sequence: digest(message),
            ..Record::default()
        };
        if flags & ALARM != 0 {
            record.attributes.push((attr::ALARM, text("sos")));
        }
        while !r.rest().is_empty() {
            let at = r.at();
            let (Some(kind), Some(length)) = (r.u16(), r.u32()) else { return Err(short(&r)) };
            if kind != BLOCK {
                return Err(DecodeError::new(
                    Kind::BadField,
                    at,
                    format!("a block of type {kind:#06x}; 0x0bbb is read"),
                ));
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let mut block = Reader::new(r.bytes(length).ok_or_else(|| short(&r))?);
            read_block(&mut block, &mut record)
                .ok_or_else(|| DecodeError::new(Kind::BadField, at, "a block whose value does not fit it"))?;
        }
        Ok(Heard { message: Message::Records(vec![record]), reply: Reply::taken(vec![ANSWER]) })
    }
}

/// Words up to a zero byte.
fn words(r: &mut Reader<'_>) -> Option<String> {
    let end = r.rest().iter().position(|b| *b == 0)?;
    let said = String::from_utf8_lossy(r.bytes(end)?).into_owned();
    r.u8()?;
    Some(said)
}

fn read_block(r: &mut Reader<'_>, record: &mut Record) -> Option<()> {
    let _hidden = r.u8()?;
    let kind = r.u8()?;
    let name = words(r)?;
    if name == POSINFO {
        let (lon, lat, altitude) = (r.f64_le()?, r.f64_le()?, r.f64_le()?);
        let (kmh, course, satellites) = (r.i16()?, r.i16()?, r.u8()?);
        record.position = Some(Position {
            lat,
            lon,
            altitude: Some(altitude as f32),
            speed: (kmh >= 0).then(|| f32::from(kmh) / KMH),
            bearing: (course >= 0).then(|| f32::from(course % 360)),
            satellites: Some(satellites),
            valid: satellites > 0,
            ..Position::default()
        });
        return Some(());
    }
    let value = match kind {
        // Its zero may be left out where the block ends anyway.
        1 => text(String::from_utf8_lossy(r.rest()).split('\0').next().unwrap_or_default()),
        2 => AttrValue::Bytes(r.rest().into()),
        3 => number(r.i32()?.into()),
        4 => fraction(r.f64_le()?),
        5 => number(r.u64()?.cast_signed()),
        _ => return None,
    };
    let known = NAMES.into_iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| ours);
    record.attributes.push((known.unwrap_or_else(|| AttrKey::Own(name.into())), value));
    Some(())
}

/// A server that hands on: each record a packet of its own, for the device it names.
#[derive(Debug)]
struct Relay {
    key: DeviceKey,
    /// How many packets wait for their answer.
    told: usize,
}

impl Terminal for Relay {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn most(&self) -> usize {
        20
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        counted(records, self.most())?;
        let mut out = Vec::new();
        for r in records {
            let body = write(r.device.as_ref().unwrap_or(&self.key), r)?;
            let refuse = |_| EncodeError::OutOfRange { field: "packet length", value: body.len().to_string() };
            out.extend(u32::try_from(body.len()).map_err(refuse)?.to_le_bytes());
            out.extend(body);
        }
        self.told = records.len();
        Ok(out)
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        match bytes.get(..self.told) {
            Some(all) if all.iter().all(|b| *b == ANSWER) => Ok(Answer::Taken(self.told)),
            None if bytes.iter().all(|b| *b == ANSWER) => Ok(Answer::Unfinished),
            _ => Err(DecodeError::new(Kind::BadPreamble, 0, "an answer is 11")),
        }
    }
}

fn write(key: &DeviceKey, record: &Record) -> Result<Vec<u8>, EncodeError> {
    let mut out = key.expose().as_bytes().to_vec();
    out.push(0);
    out.extend(seconds::<u32>(record)?.to_be_bytes());
    let help = record.attribute(&attr::ALARM) == Some(&text("sos"));
    out.extend((u32::from(record.position.is_some()) | if help { ALARM } else { 0 }).to_be_bytes());
    if let Some(p) = record.position {
        let mut v = Vec::new();
        for part in [p.lon, p.lat, f64::from(p.altitude.unwrap_or(0.0))] {
            v.extend(part.to_le_bytes());
        }
        v.extend(whole::<i16>("speed", f64::from(p.speed.unwrap_or(0.0) * KMH))?.to_be_bytes());
        v.extend(whole::<i16>("bearing", f64::from(p.bearing.unwrap_or(0.0)))?.to_be_bytes());
        v.push(p.satellites.unwrap_or(u8::from(p.valid)));
        block(&mut out, 2, POSINFO, &v)?;
    }
    for (key, value) in &record.attributes {
        let name = NAMES.iter().find(|(_, ours)| ours == key).map(|(theirs, _)| (*theirs).to_owned());
        let name = name.unwrap_or_else(|| key.to_string());
        match value {
            _ if *key == attr::ALARM || name.contains('\0') => {}
            AttrValue::Text(t) if !t.contains('\0') => block(&mut out, 1, &name, &[t.as_bytes(), &[0]].concat())?,
            AttrValue::Text(_) => {}
            AttrValue::Bytes(b) => block(&mut out, 2, &name, b)?,
            AttrValue::Float(v) => block(&mut out, 4, &name, &v.to_le_bytes())?,
            AttrValue::Int(v) if i64::try_from(*v).is_err() => {}
            AttrValue::Int(v) => block(&mut out, 5, &name, &v.to_be_bytes())?,
            AttrValue::Bool(_) => {
                let v = whole::<i32>("attribute", numeric(record, key).unwrap_or(0.0))?;
                block(&mut out, 3, &name, &v.to_be_bytes())?;
            }
        }
    }
    Ok(out)
}

fn block(out: &mut Vec<u8>, kind: u8, name: &str, value: &[u8]) -> Result<(), EncodeError> {
    let length = 2 + name.len() + 1 + value.len();
    let refuse = |_| EncodeError::OutOfRange { field: "block length", value: length.to_string() };
    out.extend(BLOCK.to_be_bytes());
    out.extend(u32::try_from(length).map_err(refuse)?.to_be_bytes());
    out.extend([0, kind]);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests;
