//! Navtelecom trackers over TCP: NTCB and the FLEX 1.0, 2.0 and 3.0 records negotiated in it (Navtelecom,
//! *NTCB* and *FLEX* protocols), little-endian.
//!
//! ```text
//! NTCB      @NTC, u32 receiver, u32 sender, u16 length, u8 XOR of data, u8 XOR of the header, data
//! *>S:imei          login                                        answered *<S
//! *>FLEX…           which of 255 fields a record will have       answered *<FLEX and the versions
//! *>A *>T           records of a fixed format (F1 to F6)         answered *<A and the count, *<T and the number
//! FLEX      ~, letter, data, u8 CRC
//! ~A  ~T  ~C        many records, one with its number, the state answered ~A count, ~T number, ~C
//! ~E  ~X            the same of records that tell their length   answered ~E count, ~X number
//! 7F                still here                                   not answered
//! ```
//!
//! The XOR begins from 0, the CRC is CRC-8 of polynomial 31 begun from FF. Not here: commands to the device,
//! pictures, firmware.

use crc::{CRC_8_NRSC_5, Crc, Table};
use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::wire::{attr, text};
use super::{AttrValue, DecodeError, DeviceKey, Message, Record, Sniff};

mod encode;
mod flex;
mod formats;
#[cfg(test)]
mod tests;

static CRC: Crc<u8, Table<16>> = Crc::<u8, Table<16>>::new(&CRC_8_NRSC_5);

/// Preamble, two ids, length and two sums.
const HEAD: usize = 16;
const KEEP_ALIVE: u8 = 0x7F;
/// The letters of FLEX that come first in a negotiation.
const NEGOTIATE: &[u8] = b"*>FLEX";
const FLEX: u8 = 0xB0;
/// Versions of the protocol and of its structures: 1.0, 2.0, 3.0.
const VERSIONS: [u8; 3] = [0x0A, 0x14, 0x1E];

/// NTCB and FLEX, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is Navtelecom's: the preamble `@NTC`.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let n = first.len().min(4);
    match (first.get(..n) == b"@NTC".get(..n), n) {
        (true, 4) => Sniff::Yes,
        (true, _) => Sniff::NeedMore,
        (false, _) => Sniff::No,
    }
}

/// The server's end of a connection: remembers what records are made of.
#[derive(Debug, Default)]
struct Dialect {
    layout: Option<flex::Layout>,
}

impl stream::Dialect for Dialect {
    /// 255 records of all fields.
    const MAX: usize = 256 * 1024;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let lost = |at: usize, detail: String| Err(DecodeError::new(Kind::BadPreamble, at, detail));
        match bytes {
            [] | [b'~'] => Ok(Bounds::Unfinished),
            [KEEP_ALIVE, ..] => Ok(Bounds::Message(1)),
            [b'@', ..] => Ok(match bytes.get(12..14) {
                Some(&[a, b]) => Bounds::Message(HEAD + usize::from(u16::from_le_bytes([a, b]))),
                _ => Bounds::Unfinished,
            }),
            [b'~', letter, rest @ ..] => {
                let size = match letter {
                    b'E' | b'X' => 0,
                    _ => match &self.layout {
                        Some(layout) => layout.size(),
                        None => return lost(0, "records before their fields were agreed on".into()),
                    },
                };
                let inside = match letter {
                    b'A' => rest.first().map(|n| 1 + usize::from(*n) * size),
                    b'T' => Some(4 + size),
                    b'C' => Some(size),
                    b'E' => flex::told_lengths(rest),
                    b'X' => flex::told_length(rest),
                    other => return lost(1, format!("{other:#04x} is no letter of FLEX")),
                };
                Ok(inside.map_or(Bounds::Unfinished, |n| Bounds::Message(2 + n + 1)))
            }
            [other, ..] => lost(0, format!("{other:#04x} begins no message; @, ~ and 7F do")),
        }
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        match message {
            [KEEP_ALIVE] => Ok(Heard { message: Message::KeepAlive, reply: Reply::none() }),
            [b'~', ..] => self.flex(message),
            _ => self.ntcb(message),
        }
    }
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |x, b| x ^ b)
}

fn checked(said: u8, computed: u8, at: usize, of: &str) -> Result<(), DecodeError> {
    if said == computed {
        return Ok(());
    }
    let detail = format!("the checksum of the {of} is {said:#04x}, it should be {computed:#04x}");
    Err(DecodeError::new(Kind::BadChecksum, at, detail))
}

/// A message of NTCB from one id to another.
fn envelope(preamble: [u8; 4], to: u32, from: u32, data: &[u8]) -> Vec<u8> {
    let mut out = preamble.to_vec();
    out.extend(to.to_le_bytes());
    out.extend(from.to_le_bytes());
    out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.push(xor(data));
    out.push(xor(&out));
    out.extend_from_slice(data);
    out
}

/// A message of FLEX.
fn tilde(body: &[u8]) -> Vec<u8> {
    [body, &[CRC.checksum(body)]].concat()
}

impl Dialect {
    fn ntcb(&mut self, message: &[u8]) -> Result<Heard, DecodeError> {
        let short = || DecodeError::new(Kind::Truncated, message.len(), "the message ends inside its header");
        let mut r = Reader::new(message);
        let preamble = r.bytes(4).and_then(|p| p.first_chunk::<4>()).ok_or_else(short)?;
        let (Some(receiver), Some(sender), Some(_length)) = (r.u32_le(), r.u32_le(), r.u16_le()) else {
            return Err(short());
        };
        let (Some(data_sum), Some(head_sum)) = (r.u8(), r.u8()) else { return Err(short()) };
        let data = r.rest();
        checked(head_sum, xor(message.get(..HEAD - 1).unwrap_or_default()), HEAD - 1, "header")?;
        checked(data_sum, xor(data), HEAD - 2, "data")?;
        let answer = |body: &[u8]| Reply::taken(envelope(*preamble, sender, receiver, body));

        if data.is_empty() {
            return Ok(Heard { message: Message::KeepAlive, reply: Reply::none() });
        }
        if let Some(id) = data.strip_prefix(b"*>S:") {
            let id = std::str::from_utf8(id).ok().map(str::trim).filter(|id| DeviceKey::is_valid(id));
            let id = id.ok_or_else(|| DecodeError::new(Kind::BadLogin, HEAD + 4, "the id is not a device's"))?;
            return Ok(Heard { message: Message::Login(DeviceKey::from(id)), reply: answer(b"*<S") });
        }
        if let Some(asked) = data.strip_prefix(NEGOTIATE) {
            let versions = self.negotiate(asked)?;
            let reply = answer(&[b"*<FLEX", &[FLEX][..], &versions].concat());
            return Ok(Heard { message: Message::KeepAlive, reply });
        }
        if let Some(body) = data.strip_prefix(b"*>A") {
            let mut r = Reader::new(body);
            let count = r.u8().ok_or_else(short)?;
            let records = formats::records(&mut r, count, HEAD + 3)?;
            return Ok(Heard { message: Message::Records(records), reply: answer(&[b'*', b'<', b'A', count]) });
        }
        if let Some(body) = data.strip_prefix(b"*>T") {
            let records = formats::records(&mut Reader::new(body), 1, HEAD + 3)?;
            let number = records.first().map_or(0, |r| r.sequence).to_le_bytes();
            return Ok(Heard { message: Message::Records(records), reply: answer(&[b"*<T", &number[..]].concat()) });
        }
        let words = std::str::from_utf8(data).ok().filter(|t| t.starts_with('*') && !t.contains(char::is_control));
        let Some(words) = words else {
            let detail = format!("data that begins {:02x?}, which are not read", data.get(..3).unwrap_or(data));
            return Err(DecodeError::new(Kind::UnsupportedCodec, HEAD, detail));
        };
        let record =
            Record { sequence: digest(data), attributes: vec![(attr::TEXT, text(words))], ..Record::default() };
        Ok(Heard { message: Message::Records(vec![record]), reply: Reply::none() })
    }

    /// Takes the layout of records; the versions to answer.
    fn negotiate(&mut self, asked: &[u8]) -> Result<[u8; 2], DecodeError> {
        let at = HEAD + NEGOTIATE.len();
        let [FLEX, protocol, structure, rest @ ..] = asked else {
            return Err(DecodeError::new(Kind::BadField, at, "a negotiation of another protocol than FLEX"));
        };
        if !VERSIONS.contains(protocol) || !VERSIONS.contains(structure) {
            // The device asks again with what it is answered.
            return Ok([0x1E, 0x1E]);
        }
        let layout = rest.split_first().and_then(|(bits, mask)| flex::Layout::new(*bits, mask));
        let layout =
            layout.ok_or_else(|| DecodeError::new(Kind::BadLength, at + 3, "the mask of fields is too short"))?;
        self.layout = Some(layout);
        Ok([*protocol, *structure])
    }

    fn flex(&self, message: &[u8]) -> Result<Heard, DecodeError> {
        let short = || DecodeError::new(Kind::BadLength, message.len(), "the message ends inside a record");
        let Some((sum, covered)) = message.split_last() else { return Err(short()) };
        checked(*sum, CRC.checksum(covered), covered.len(), "message")?;
        let mut r = Reader::new(covered);
        let (Some(_), Some(letter)) = (r.u8(), r.u8()) else { return Err(short()) };
        let many = matches!(letter, b'A' | b'E');
        let count = if many { r.u8().ok_or_else(short)? } else { 1 };
        let number = if matches!(letter, b'T' | b'X') { Some(r.u32_le().ok_or_else(short)?) } else { None };
        let mut records = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let record = match letter {
                b'E' | b'X' => flex::told(&mut r),
                _ => self.layout.as_ref().and_then(|layout| layout.record(&mut r)),
            };
            records.push(record.ok_or_else(short)?);
        }
        if let (b'C', [current]) = (letter, records.as_mut_slice()) {
            current.attributes.push((super::AttrKey::Name("current_state"), AttrValue::Bool(true)));
        }
        let mut reply = vec![b'~', letter];
        match number {
            Some(n) => reply.extend(n.to_le_bytes()),
            None if many => reply.push(count),
            None => {}
        }
        Ok(Heard { message: Message::Records(records), reply: Reply::taken(tilde(&reply)) })
    }
}
