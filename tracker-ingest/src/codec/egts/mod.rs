//! EGTS over TCP (order 285 of the Ministry of Transport of Russia, 2012; GOST R 54619), little-endian: from a
//! device, or from a relay that speaks for many.
//!
//! ```text
//! packet     01, u8 key, u8 flags, u8 length of the header, u8 0, u16 length of data, u16 number, u8 type,
//!            [u16 from, u16 to, u8 hops], u8 CRC; data, u16 CRC
//! type 0     answer: u16 number of the packet, u8 result, records
//! type 1, 2  records; signed records
//! record     u16 length, u16 number, u8 flags, [u32 object], [u32 event], [u32 time], u8 service, u8 service,
//!            subrecords of a u8 type, a u16 length and so many bytes
//! ```
//!
//! Every record is answered by a packet of type 0, a terminal that says who it is by its result as well. The first
//! answers on a connection are written as a widely used server writes them, with the packet's number in the other
//! order of bytes and the result as subrecord 7; a sender that repeats a packet does not take them, and is
//! answered by the letter of the order from then on (`docs/protocols/egts.md`).
//!
//! Not here: encrypted or compressed packets, commands, firmware, emergency calls.

use crc::{CRC_8_NRSC_5, CRC_16_IBM_3740, Crc, Table};
use transit_model::time::UnixMs;

use super::error::DecodeErrorKind as Kind;
use super::model::digest;
use super::reader::Reader;
use super::stream::{self, Bounds, Heard, Reply, Stream, StreamCodec};
use super::{DecodeError, DeviceKey, Message, Record, Sniff};

mod encode;
mod records;
#[cfg(test)]
mod tests;

static HEAD_CRC: Crc<u8, Table<16>> = Crc::<u8, Table<16>>::new(&CRC_8_NRSC_5);
static DATA_CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_3740);

const VERSION: u8 = 1;
/// The header without and with a route.
const HEADS: [u8; 2] = [11, 16];
const RESPONSE: u8 = 0;
const APPDATA: u8 = 1;
const SIGNED_APPDATA: u8 = 2;
/// Flags of the header that say the data are encrypted or compressed.
const UNREADABLE: u8 = 0b0001_1100;
const SERVICE_TELEDATA: u8 = 2;
/// Seconds from 1970 to 2010, from which the order counts.
const EPOCH: i64 = 1_262_304_000;

/// Subrecords.
mod sub {
    pub(super) const RECORD_RESPONSE: u8 = 0;
    pub(super) const TERM_IDENTITY: u8 = 1;
    /// The result of an authorisation as the first answers have it, and by the order.
    pub(super) const RESULT_FIRST: u8 = 7;
    pub(super) const RESULT: u8 = 9;
    pub(super) const POS_DATA: u8 = 16;
    pub(super) const EXT_POS_DATA: u8 = 17;
    pub(super) const AD_SENSORS_DATA: u8 = 18;
    pub(super) const ACCEL_OR_STATE: u8 = 20;
    pub(super) const STATE_DATA: u8 = 21;
    pub(super) const LIQUID_LEVEL: u8 = 27;
}

/// EGTS, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: encode::terminal,
};

/// Whether a connection that begins so is EGTS: a header whose checksum is right.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [VERSION] | [VERSION, _] | [VERSION, _, _] => Sniff::NeedMore,
        [VERSION, _, _, length, ..] if HEADS.contains(length) => match first.get(..usize::from(*length)) {
            None => Sniff::NeedMore,
            Some([head @ .., sum]) if HEAD_CRC.checksum(head) == *sum => Sniff::Yes,
            Some(_) => Sniff::No,
        },
        _ => Sniff::No,
    }
}

/// The server's end of a connection.
#[derive(Debug, Default)]
struct Dialect {
    /// The number of our next packet.
    next: u16,
    /// A digest of the sender's last packet.
    last: Option<u32>,
    /// Whether the sender repeated a packet, and is answered by the letter.
    by_the_letter: bool,
    /// The terminal that said who it is; its records are its own, whatever their object.
    terminal: Option<DeviceKey>,
}

impl stream::Dialect for Dialect {
    /// What the lengths of the order can say.
    const MAX: usize = 16 + 0xFFFF + 2;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        let lost = |at: usize, detail: String| Err(DecodeError::new(Kind::BadPreamble, at, detail));
        match bytes {
            [VERSION, _, _, head, _, a, b, ..] => {
                if !HEADS.contains(head) {
                    return lost(3, format!("a header of {head} bytes; 11 and 16 are"));
                }
                let data = usize::from(u16::from_le_bytes([*a, *b]));
                Ok(Bounds::Message(usize::from(*head) + data + if data > 0 { 2 } else { 0 }))
            }
            [] | [VERSION, ..] => Ok(Bounds::Unfinished),
            [other, ..] => lost(0, format!("version {other:#04x} of the protocol; 01 is read")),
        }
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let short = |at: usize| DecodeError::new(Kind::BadLength, at, "the packet ends inside a record");
        let head = message.get(3).map_or(0, |n| usize::from(*n));
        let Some(([covered @ .., sum], rest)) = message.split_at_checked(head) else { return Err(short(0)) };
        let computed = HEAD_CRC.checksum(covered);
        if *sum != computed {
            let detail = format!("the header's checksum is {sum:#04x}, it should be {computed:#04x}");
            return Err(DecodeError::new(Kind::BadChecksum, head - 1, detail));
        }
        let mut h = Reader::new(covered);
        let (Some(_), Some(_), Some(flags)) = (h.u8(), h.u8(), h.u8()) else { return Err(short(2)) };
        let (Some(_), Some(_), Some(_)) = (h.u8(), h.u8(), h.u16_le()) else { return Err(short(5)) };
        let (Some(number), Some(kind)) = (h.u16_le(), h.u8()) else { return Err(short(7)) };
        let Some((data, sum)) = rest.split_last_chunk::<2>() else {
            return Ok(Heard { message: Message::KeepAlive, reply: Reply::none() });
        };
        let (said, computed) = (u16::from_le_bytes(*sum), DATA_CRC.checksum(data));
        if said != computed {
            let detail = format!("the checksum is {said:#06x}, the data's is {computed:#06x}");
            return Err(DecodeError::new(Kind::BadChecksum, head + data.len(), detail));
        }
        if flags & UNREADABLE != 0 {
            return Err(DecodeError::new(Kind::UnsupportedCodec, 2, "an encrypted or compressed packet"));
        }
        let mut r = Reader::new(data);
        match kind {
            RESPONSE => return Ok(Heard { message: Message::KeepAlive, reply: Reply::none() }),
            APPDATA => {}
            SIGNED_APPDATA => {
                let signature = r.u16_le().ok_or_else(|| short(head))?;
                r.bytes(usize::from(signature)).ok_or_else(|| short(head + 2))?;
            }
            other => {
                let detail = format!("a packet of type {other}; 0, 1 and 2 are read");
                return Err(DecodeError::new(Kind::UnsupportedCodec, 9, detail));
            }
        }
        let told = records::read(&mut r).ok_or_else(|| short(head + r.at()))?;
        let this = Some(digest(message));
        self.by_the_letter |= self.last == this;
        self.last = this;
        Ok(self.answer(told, number))
    }
}

impl Dialect {
    fn answer(&mut self, told: Vec<records::Told>, number: u16) -> Heard {
        let mut reply = Vec::new();
        let mut records: Vec<Record> = Vec::new();
        let mut login = None;
        for t in told {
            let echo = if self.by_the_letter { number.to_le_bytes() } else { number.to_be_bytes() };
            let taken = [t.number.to_le_bytes(), [0, 0]].concat();
            let response = record(t.service, sub::RECORD_RESPONSE, taken.get(..3).unwrap_or_default());
            reply.extend(self.packet(RESPONSE, &[&echo[..], &[0], &response].concat()));
            if let Some(key) = t.terminal {
                let result = if self.by_the_letter { sub::RESULT } else { sub::RESULT_FIRST };
                reply.extend(self.packet(APPDATA, &record(t.service, result, &[0])));
                self.terminal = Some(key.clone());
                login = Some(key);
            }
            for mut r in t.records {
                r.device = self.terminal.clone().or_else(|| t.object.map(|id| DeviceKey::from(id.to_string())));
                records.push(r);
            }
        }
        let message = match login {
            Some(key) if records.is_empty() => Message::Login(key),
            _ if records.is_empty() => Message::KeepAlive,
            _ => Message::Records(records),
        };
        Heard { message, reply: Reply::taken(reply) }
    }

    fn packet(&mut self, kind: u8, data: &[u8]) -> Vec<u8> {
        let number = self.next;
        self.next = number.wrapping_add(1);
        packet(kind, number, data)
    }
}

/// A packet without a route.
fn packet(kind: u8, number: u16, data: &[u8]) -> Vec<u8> {
    let [length, _] = HEADS;
    let mut out = vec![VERSION, 0, 0, length, 0];
    out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(number.to_le_bytes());
    out.push(kind);
    out.push(HEAD_CRC.checksum(&out));
    out.extend_from_slice(data);
    out.extend(DATA_CRC.checksum(data).to_le_bytes());
    out
}

/// A record of one subrecord, without a number of its own.
fn record(service: u8, kind: u8, value: &[u8]) -> Vec<u8> {
    let sub = subrecord(kind, value);
    let mut out = u16::try_from(sub.len()).unwrap_or(u16::MAX).to_le_bytes().to_vec();
    out.extend([0, 0, 0, service, service]);
    out.extend(sub);
    out
}

fn subrecord(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&[kind], &length[..], value].concat()
}
