//! Teltonika AVL over TCP: codec 8 and codec 8 Extended (Teltonika, *Data Sending Protocols*).
//!
//! ```text
//! login    u16 length, IMEI in ASCII                            answered 01 or 00
//! packet   u32 zero, u32 length, data, u32 CRC-16/IBM of data   answered u32 count of records
//! data     u8 codec, u8 count, records, u8 count again
//! alive    FF between messages                                  not answered
//! ```
//!
//! Not here: codecs 12 to 16, UDP and commands to the device.

use crc::{CRC_16_ARC, Crc, Table};
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

/// CRC-16/IBM, which the catalogue of CRCs calls ARC.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// Bytes around the data of a packet: four of zero, four of length, four of checksum.
const ENVELOPE: usize = 12;
/// The most data of a packet taken, bytes.
const MAX_DATA: usize = 64 * 1024;
/// The horizontal dilution of precision, in tenths, where the tracker sends it.
const IO_HDOP: u16 = 182;
const KEEP_ALIVE: u8 = 0xFF;
const KMH: f32 = 3.6;

/// A codec of the family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// 0x08: ids of one byte.
    Eight,
    /// 0x8E: ids of two bytes, values of any length.
    EightExtended,
}

impl Codec {
    const fn byte(self) -> u8 {
        match self {
            Self::Eight => 0x08,
            Self::EightExtended => 0x8E,
        }
    }
}

/// Whether a connection that begins so is Teltonika's: the length of an IMEI and digits, or the
/// zeros of a packet.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [0] | [KEEP_ALIVE] => Sniff::NeedMore,
        [KEEP_ALIVE, rest @ ..] => sniff(rest),
        [0, 0, rest @ ..] => {
            let wanted = [0u8, 0];
            match rest.len() {
                0 | 1 if wanted.starts_with(rest) => Sniff::NeedMore,
                _ if rest.starts_with(&wanted) => Sniff::Yes,
                _ => Sniff::No,
            }
        }
        [0, n, rest @ ..] if usize::from(*n) <= DeviceKey::MAX => {
            if !rest.iter().take(usize::from(*n)).all(u8::is_ascii_digit) {
                Sniff::No
            } else if rest.is_empty() {
                Sniff::NeedMore
            } else {
                Sniff::Yes
            }
        }
        _ => Sniff::No,
    }
}

/// Teltonika, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect)),
    datagrams: || Box::new(Stream::new(Dialect)),
    terminal: |key| Box::new(Tracker { key: key.clone(), codec: Codec::EightExtended, told: Told::Nothing }),
};

/// What to answer to a message; empty for nothing.
///
/// A login is answered 01 or 00, records by how many there were. Records that are not durable are
/// not answered at all: the tracker keeps them and sends them again.
#[must_use]
pub fn acknowledge(message: &Message, outcome: Outcome) -> Vec<u8> {
    match (message, outcome) {
        (Message::Login(_), Outcome::Taken) => vec![1],
        (Message::Login(_), Outcome::Refused) => vec![0],
        (Message::Records(records), Outcome::Taken) => {
            u32::try_from(records.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec()
        }
        (Message::Records(_), Outcome::Refused) | (Message::KeepAlive, _) => Vec::new(),
    }
}

/// The server's end.
#[derive(Clone, Copy, Debug)]
struct Dialect;

impl stream::Dialect for Dialect {
    /// The envelope and 64 KiB of data: 255 records of some 250 bytes.
    const MAX: usize = ENVELOPE + MAX_DATA;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        Ok(match frame(bytes)? {
            Frame::Unfinished => Bounds::Unfinished,
            Frame::KeepAlive(used) | Frame::Login { used, .. } | Frame::Packet { used, .. } => Bounds::Message(used),
        })
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let message = match frame(message)? {
            Frame::KeepAlive(_) => Message::KeepAlive,
            Frame::Login { imei, .. } => Message::Login(imei),
            Frame::Packet { data, checksum, .. } => packet(data, checksum)?,
            Frame::Unfinished => return Err(DecodeError::new(Kind::Truncated, message.len(), "an unfinished message")),
        };
        let reply =
            Reply { taken: acknowledge(&message, Outcome::Taken), refused: acknowledge(&message, Outcome::Refused) };
        Ok(Heard { message, reply })
    }
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

enum Frame<'a> {
    Unfinished,
    KeepAlive(usize),
    Login { used: usize, imei: DeviceKey },
    Packet { used: usize, data: &'a [u8], checksum: u32 },
}

/// Finds the bounds of the first message. An error here means that they cannot be found.
fn frame(bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let alive = bytes.iter().take_while(|b| **b == KEEP_ALIVE).count();
    if alive > 0 {
        return Ok(Frame::KeepAlive(alive));
    }
    let mut r = Reader::new(bytes);
    match r.u16() {
        None => Ok(Frame::Unfinished),
        Some(0) => packet_frame(r),
        Some(length) => login_frame(r, usize::from(length)),
    }
}

fn login_frame(mut r: Reader<'_>, length: usize) -> Result<Frame<'_>, DecodeError> {
    if length > DeviceKey::MAX {
        let detail = format!("{length:#06x} is neither the length of an IMEI nor the zeros before a packet");
        return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
    }
    if let Some(i) = r.rest().iter().take(length).position(|b| !b.is_ascii_alphanumeric()) {
        return Err(DecodeError::new(Kind::BadLogin, 2 + i, "an IMEI is made of digits"));
    }
    let Some(imei) = r.bytes(length) else { return Ok(Frame::Unfinished) };
    let imei = DeviceKey::from(String::from_utf8_lossy(imei));
    Ok(Frame::Login { used: r.at(), imei })
}

fn packet_frame(mut r: Reader<'_>) -> Result<Frame<'_>, DecodeError> {
    if let Some(i) = r.rest().iter().take(2).position(|b| *b != 0) {
        return Err(DecodeError::new(Kind::BadPreamble, 2 + i, "a packet begins with four zero bytes"));
    }
    let (Some(_), Some(length)) = (r.u16(), r.u32()) else { return Ok(Frame::Unfinished) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_DATA {
        let detail = format!("a packet of {length} bytes; at most {MAX_DATA} are taken");
        return Err(DecodeError::new(Kind::Oversize, 4, detail));
    }
    let (Some(data), Some(checksum)) = (r.bytes(length), r.u32()) else { return Ok(Frame::Unfinished) };
    Ok(Frame::Packet { used: r.at(), data, checksum })
}

/// Reads the data of a packet. All or nothing: a count acknowledges every record of it.
fn packet(data: &[u8], checksum: u32) -> Result<Message, DecodeError> {
    let computed = u32::from(CRC.checksum(data));
    if computed != checksum {
        let detail = format!("the checksum is {checksum:#06x}, the data's is {computed:#06x}");
        return Err(DecodeError::new(Kind::BadChecksum, 8 + data.len(), detail));
    }
    let mut r = Reader::new(data);
    let at = |r: &Reader<'_>| 8 + r.at();
    let short = |r: &Reader<'_>| DecodeError::new(Kind::BadLength, at(r), "the packet ends inside a record");
    let codec = match r.u8() {
        Some(0x08) => Codec::Eight,
        Some(0x8E) => Codec::EightExtended,
        Some(other) => {
            return Err(DecodeError::new(
                Kind::UnsupportedCodec,
                8,
                format!("codec {other:#04x}; 0x08 and 0x8e are read"),
            ));
        }
        None => return Err(short(&r)),
    };
    let count = r.u8().ok_or_else(|| short(&r))?;
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let start = r.rest();
        let from = r.at();
        let mut record = read_record(&mut r, codec).ok_or_else(|| short(&r))?;
        record.sequence = digest(start.get(..r.at() - from).unwrap_or(start));
        records.push(record);
    }
    match (r.u8(), r.rest()) {
        (Some(again), []) if again == count => Ok(Message::Records(records)),
        (Some(again), []) => {
            let detail = format!("{count} records at the head of the packet, {again} at its end");
            Err(DecodeError::new(Kind::BadLength, at(&r) - 1, detail))
        }
        (Some(_), more) => {
            let detail = format!("{} bytes follow the last record", more.len());
            Err(DecodeError::new(Kind::BadLength, at(&r), detail))
        }
        (None, _) => Err(short(&r)),
    }
}

fn read_record(r: &mut Reader<'_>, codec: Codec) -> Option<Record> {
    let time = i64::try_from(r.u64()?).unwrap_or(i64::MAX);
    let priority = r.u8()?;
    let (lon, lat, altitude) = (r.i32()?, r.i32()?, r.i16()?);
    let (angle, satellites, kmh) = (r.u16()?, r.u8()?, r.u16()?);
    let event = read_id(r, codec)?;
    let declared = read_id(r, codec)?;

    let mut attributes = Vec::with_capacity(usize::from(declared).min(64) + 2);
    if priority != 0 {
        attributes.push((AttrKey::Name("priority"), AttrValue::Int(u64::from(priority))));
    }
    if event != 0 {
        attributes.push((AttrKey::Name("event"), AttrValue::Int(u64::from(event))));
    }
    let mut hdop = None;
    for width in [1usize, 2, 4, 8] {
        for _ in 0..read_id(r, codec)? {
            let id = read_id(r, codec)?;
            let value = match width {
                1 => u64::from(r.u8()?),
                2 => u64::from(r.u16()?),
                4 => u64::from(r.u32()?),
                _ => r.u64()?,
            };
            if id == IO_HDOP && value <= 10_000 {
                hdop = u16::try_from(value).ok().map(|tenths| f32::from(tenths) / 10.0);
            }
            attributes.push((AttrKey::Io(id), AttrValue::Int(value)));
        }
    }
    if codec == Codec::EightExtended {
        for _ in 0..r.u16()? {
            let id = r.u16()?;
            let length = r.u16()?;
            attributes.push((AttrKey::Io(id), AttrValue::Bytes(r.bytes(usize::from(length))?.into())));
        }
    }

    // A tracker that never had a fix writes zeros; nothing with wheels is on the Gulf of Guinea.
    let position = (lat != 0 || lon != 0).then(|| Position {
        lat: f64::from(lat) / 1e7,
        lon: f64::from(lon) / 1e7,
        altitude: Some(f32::from(altitude)),
        speed: Some(f32::from(kmh) / KMH),
        bearing: (angle <= 360).then(|| f32::from(angle % 360)),
        satellites: Some(satellites),
        hdop,
        accuracy: None,
        // With no satellite in sight it repeats the last place it knew.
        valid: satellites > 0,
    });
    Some(Record { time: Some(UnixMs(time)), position, attributes, ..Record::default() })
}

/// An id or a count: one byte in codec 8, two in 8 Extended.
fn read_id(r: &mut Reader<'_>, codec: Codec) -> Option<u16> {
    match codec {
        Codec::Eight => r.u8().map(u16::from),
        Codec::EightExtended => r.u16(),
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

    let length = u32::try_from(data.len())
        .map_err(|_| EncodeError::OutOfRange { field: "packet length", value: data.len().to_string() })?;
    let mut out = Vec::with_capacity(data.len() + ENVELOPE);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&data);
    out.extend_from_slice(&u32::from(CRC.checksum(&data)).to_be_bytes());
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
    write_id(out, codec, "number of IO elements", total)?;
    for (width, group) in [1usize, 2, 4, 8].into_iter().zip(&groups) {
        write_id(out, codec, "number of IO elements", group.len())?;
        for (id, v) in group {
            write_id(out, codec, "IO id", usize::from(*id))?;
            out.extend(v.to_be_bytes().into_iter().skip(8 - width));
        }
    }
    match codec {
        Codec::Eight if !long.is_empty() => {
            Err(EncodeError::OutOfRange { field: "IO value", value: "bytes, which codec 8 has no room for".into() })
        }
        Codec::Eight => Ok(()),
        Codec::EightExtended => {
            write_id(out, codec, "number of IO elements", long.len())?;
            for (id, bytes) in long {
                write_id(out, codec, "IO id", usize::from(id))?;
                write_id(out, codec, "IO length", bytes.len())?;
                out.extend_from_slice(bytes);
            }
            Ok(())
        }
    }
}

fn write_id(out: &mut Vec<u8>, codec: Codec, field: &'static str, v: usize) -> Result<(), EncodeError> {
    let refuse = || EncodeError::OutOfRange { field, value: v.to_string() };
    match codec {
        Codec::Eight => out.push(u8::try_from(v).map_err(|_| refuse())?),
        Codec::EightExtended => out.extend_from_slice(&u16::try_from(v).map_err(|_| refuse())?.to_be_bytes()),
    }
    Ok(())
}
