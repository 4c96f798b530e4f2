//! Meitrack, the protocol of MVT, T1, T3, T333, MT90, TC68 and P-series devices (Meitrack, *GPRS Protocol*).
//!
//! ```text
//! message  $$ flag length , imei , command , … * checksum CR LF     length counts from the first comma to the end
//! AAA      a place in text
//! CCC      places in binary of 52 bytes         answered @@ flag length , imei , CCC , count * checksum CR LF
//! CCE      places in binary, each a list of numbered parameters
//! ```
//!
//! The checksum is the sum of all bytes to the star. A binary message with a wrong one is refused. A line of text
//! is answered nothing, and its fields show their form: with a wrong checksum it is kept as one that the device
//! does not stand by, so that it is in the history and moves nothing. What each says is in `read`.
//!
//! Not here: pictures, and commands.

mod read;

use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{on_earth, whole};
use super::stream::{self, Answer, Bounds, Heard, Reply, Stream, StreamCodec, Terminal};
use super::{DecodeError, DeviceKey, Message, Record, Sniff};

const END: &[u8] = b"\r\n";
/// The star, the checksum and the line end.
const TAIL: usize = 5;
/// The first second of 2000, milliseconds since 1970.
const EPOCH_MS: i64 = 946_684_800_000;
/// Bytes of a place of CCC.
const PLACE: u16 = 52;

/// Meitrack, both ends.
pub const STREAM: StreamCodec = StreamCodec {
    sniff,
    session: || Box::new(Stream::new(Dialect::default())),
    datagrams: || Box::new(Stream::new(Dialect::default())),
    terminal: |key| Box::new(Tracker { key: key.clone(), told: None }),
};

/// Whether a connection that begins so is Meitrack's: two dollars, a flag, a length and a comma.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] | [b'$'] | [b'$', b'$'] => Sniff::NeedMore,
        [b'$', b'$', 0x41..=0x7A, length @ ..] => {
            let digits = length.iter().take_while(|b| b.is_ascii_digit()).count();
            match length.get(digits) {
                None if digits <= 5 => Sniff::NeedMore,
                Some(b',') if digits > 0 => Sniff::Yes,
                _ => Sniff::No,
            }
        }
        _ => Sniff::No,
    }
}

/// The server's end: remembers who spoke.
#[derive(Debug, Default)]
struct Dialect {
    who: Option<DeviceKey>,
}

/// A message's parts.
struct Parts<'a> {
    flag: u8,
    /// Where the first comma is.
    comma: usize,
    /// Bytes in all, as its length says.
    promised: usize,
    imei: &'a [u8],
    command: &'a [u8],
    /// Where what follows the command begins.
    at: usize,
}

/// `None` until the command is there.
fn parts(bytes: &[u8]) -> Option<Result<Parts<'_>, DecodeError>> {
    let comma = bytes.iter().position(|b| *b == b',')?;
    let number = bytes.get(3..comma).and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse::<usize>().ok());
    let Some(length) = number.filter(|n| *n < 1 << 20) else {
        return Some(Err(DecodeError::new(Kind::BadPreamble, 3, "the length is not a number")));
    };
    let id = bytes.get(comma + 1..)?;
    let end = id.iter().position(|b| *b == b',')?;
    let at = comma + 1 + end + 1;
    let command = bytes.get(at..at + 3)?;
    let flag = *bytes.get(2)?;
    let imei = id.get(..end)?;
    Some(Ok(Parts { flag, comma, promised: comma + length, imei, command, at: at + 3 }))
}

impl Parts<'_> {
    /// Whether what follows the command may hold any bytes, line ends too.
    fn is_binary(&self) -> bool {
        matches!(self.command, b"CCC" | b"CCE" | b"D00")
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |s, b| s.wrapping_add(*b))
}

impl stream::Dialect for Dialect {
    /// A piece of a picture or a batch of places is some 1.5 KB.
    const MAX: usize = 8192;

    fn bounds(&self, bytes: &[u8]) -> Result<Bounds, DecodeError> {
        if let [b'\r' | b'\n', ..] = bytes {
            return Ok(Bounds::Idle(1));
        }
        if sniff(bytes) == Sniff::No {
            return Err(DecodeError::new(Kind::BadPreamble, 0, "a message begins with `$$`, a letter and its length"));
        }
        let Some(parts) = parts(bytes) else { return Ok(Bounds::Unfinished) };
        let parts = parts?;
        if parts.is_binary() {
            return Ok(Bounds::Message(parts.promised));
        }
        Ok(match bytes.windows(2).position(|w| w == END) {
            Some(at) => Bounds::Message(at + END.len()),
            None => Bounds::Unfinished,
        })
    }

    fn ends_here(&self, bytes: &[u8]) -> bool {
        matches!(parts(bytes), Some(Ok(p)) if !p.is_binary())
    }

    fn read(&mut self, message: &[u8], _now: UnixMs) -> Result<Heard, DecodeError> {
        let short = || DecodeError::new(Kind::BadLength, message.len(), "the message ends before its checksum");
        let parts = parts(message).ok_or_else(short)??;
        let whole = message.strip_suffix(END).unwrap_or(message);
        let (checked, stated) = whole.len().checked_sub(2).and_then(|n| whole.split_at_checked(n)).ok_or_else(short)?;
        if parts.is_binary() && !(message.ends_with(END) && checked.ends_with(b"*")) {
            let detail = "the message does not end where its length says";
            return Err(DecodeError::new(Kind::BadLength, message.len(), detail));
        }
        let stated = std::str::from_utf8(stated).ok().and_then(|s| u8::from_str_radix(s, 16).ok());
        let is_sound = stated == Some(sum(checked)) && checked.ends_with(b"*");
        if !is_sound && parts.is_binary() {
            let detail = format!("the checksum is {stated:02x?}, the message's is {:02x}", sum(checked));
            return Err(DecodeError::new(Kind::BadChecksum, checked.len(), detail));
        }
        let imei = std::str::from_utf8(parts.imei).ok().filter(|id| DeviceKey::is_valid(id));
        let imei = imei.ok_or_else(|| DecodeError::new(Kind::BadField, parts.comma + 1, "the id is not an IMEI"))?;
        let device = DeviceKey::from(imei);
        let body = checked.strip_suffix(b"*").unwrap_or(checked).get(parts.at..).unwrap_or_default();
        let refuse = |e: DecodeError| DecodeError { at: e.at + parts.at, ..e };
        let mut records = read::records(parts.command, body).map_err(refuse)?;
        for record in &mut records {
            record.device = Some(device.clone());
            if !is_sound {
                record.position.iter_mut().for_each(|p| p.valid = false);
            }
        }
        let answer = match parts.command {
            b"CCC" => command(parts.flag, imei, &format!("CCC,{}", records.len())),
            b"AAC" => command(parts.flag, imei, "AAC,1"),
            // It has taken a picture, and waits to be asked for it.
            b"D03" => command(b'O', imei, "D00,camera_picture.jpg,0"),
            _ => Vec::new(),
        };
        let is_new = self.who.as_ref() != Some(&device);
        self.who = Some(device.clone());
        let said = match records.is_empty() {
            false => Message::Records(records),
            true if is_new => Message::Login(device),
            true => Message::KeepAlive,
        };
        Ok(Heard { message: said, reply: Reply::taken(answer) })
    }
}

/// A message of the server's.
fn command(flag: u8, imei: &str, what: &str) -> Vec<u8> {
    let rest = format!(",{imei},{what}*");
    let mut out = vec![b'@', b'@', flag];
    out.extend_from_slice(format!("{}{rest}", rest.len() + TAIL - 1).as_bytes());
    finish(out)
}

/// Puts the checksum and the line end behind the star.
fn finish(mut message: Vec<u8>) -> Vec<u8> {
    let checksum = sum(&message);
    message.extend_from_slice(format!("{checksum:02X}").as_bytes());
    message.extend_from_slice(END);
    message
}

/// The device's end: batches of CCC, each answered by the count of its places.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    told: Option<usize>,
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn most(&self) -> usize {
        20
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        if records.is_empty() {
            return Err(EncodeError::NoRecords);
        }
        if records.len() > self.most() {
            return Err(EncodeError::TooManyRecords { have: records.len(), most: self.most() });
        }
        let mut rest = format!(",{},CCC,", self.key.expose()).into_bytes();
        rest.extend_from_slice(&[2, 1]);
        rest.extend_from_slice(&PLACE.to_le_bytes());
        rest.extend_from_slice(&[0; 4]);
        for record in records {
            rest.extend_from_slice(&place(record)?);
        }
        rest.push(b'*');
        let mut out = format!("$$A{}", rest.len() + TAIL - 1).into_bytes();
        out.extend_from_slice(&rest);
        self.told = Some(records.len());
        Ok(finish(out))
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        let Some(count) = self.told else { return Ok(Answer::Taken(0)) };
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return Ok(Answer::Unfinished) };
        let ours = command(b'A', self.key.expose(), &format!("CCC,{count}"));
        Ok(if bytes.get(..=end) == Some(&ours) { Answer::Taken(end + 1) } else { Answer::Refused(end + 1) })
    }
}

/// A place of CCC: coordinates to a millionth of a degree, speed to whole km/h, course to degrees, altitude to
/// metres, HDOP to 0.1; a record without a position is written as 0, 0 without a fix. Attributes have no place.
fn place(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let seconds = u32::try_from((time.0 - EPOCH_MS).div_euclid(1000));
    let seconds = seconds.map_err(|_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) })?;
    let p = record.position.unwrap_or_default();
    let (lat, lon) = on_earth(p.lat, p.lon)?;
    let word = |v: i32| (v as u16).to_le_bytes();
    let mut out = vec![35];
    out.extend_from_slice(&((lat * 1e6).round() as i32).to_le_bytes());
    out.extend_from_slice(&((lon * 1e6).round() as i32).to_le_bytes());
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&[u8::from(p.valid), p.satellites.unwrap_or(0), 0]);
    out.extend_from_slice(&word(whole("speed", p.speed.map(|s| s * 3.6), 0, 65_535)?));
    out.extend_from_slice(&word(whole("bearing", p.bearing, 0, 360)? % 360));
    out.extend_from_slice(&word(whole("hdop", p.hdop.map(|v| v * 10.0), 0, 65_535)?));
    out.extend_from_slice(&word(whole("altitude", p.altitude, -32_768, 32_767)?));
    out.resize(usize::from(PLACE), 0);
    Ok(out)
}

#[cfg(test)]
mod tests;
