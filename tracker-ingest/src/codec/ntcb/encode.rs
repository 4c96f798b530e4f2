//! The device's end of NTCB and FLEX.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, counted, numeric, seconds, whole};
use super::super::{AttrKey, DecodeError, DeviceKey, Record};
use super::flex::DEGREE;
use super::{FLEX, HEAD, NEGOTIATE, envelope, tilde, xor};

/// The fields of our records: number, event, its time, status, network, receiver, time and place, altitude,
/// speed, course, odometer, power, battery, inputs, outputs, HDOP.
const FIELDS: [u8; 18] = [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 29, 31, 71];
/// How many fields there are in FLEX 2.0.
const BITS: u8 = 122;
const VERSION: u8 = 0x14;

/// A device that speaks FLEX 2.0.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), told: Told::Nothing })
}

#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    told: Told,
}

/// What the device waits to hear an answer to.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    /// The login and the fields.
    Hello,
    Records(u8),
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        let mut mask = [0u8; 16];
        for field in FIELDS.map(|f| f - 1) {
            if let Some(byte) = mask.get_mut(usize::from(field / 8)) {
                *byte |= 0x80 >> (field % 8);
            }
        }
        let login = [&b"*>S:"[..], self.key.expose().as_bytes()].concat();
        let fields = [NEGOTIATE, &[FLEX, VERSION, VERSION, BITS], &mask].concat();
        self.told = Told::Hello;
        Ok([envelope(*b"@NTC", 1, 0, &login), envelope(*b"@NTC", 1, 0, &fields)].concat())
    }

    fn most(&self) -> usize {
        40
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let count = counted(records, self.most())?;
        let mut body = vec![b'~', b'A', count];
        for r in records {
            write(&mut body, r)?;
        }
        self.told = Told::Records(count);
        Ok(tilde(&body))
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        match self.told {
            Told::Nothing => Ok(Answer::Taken(0)),
            Told::Hello => {
                let Some((login, rest)) = heard(bytes)? else { return Ok(Answer::Unfinished) };
                if login != b"*<S" {
                    return Ok(Answer::Refused(bytes.len() - rest.len()));
                }
                let Some((fields, rest)) = heard(rest)? else { return Ok(Answer::Unfinished) };
                let used = bytes.len() - rest.len();
                let yes = [&b"*<FLEX"[..], &[FLEX, VERSION, VERSION]].concat();
                Ok(if fields == yes { Answer::Taken(used) } else { Answer::Refused(used) })
            }
            Told::Records(count) => {
                let yes = tilde(&[b'~', b'A', count]);
                match bytes.get(..yes.len()) {
                    Some(heard) if heard == yes => Ok(Answer::Taken(yes.len())),
                    Some(_) => Err(DecodeError::new(Kind::BadField, 0, "an answer to other records")),
                    None => Ok(Answer::Unfinished),
                }
            }
        }
    }
}

/// An answer's data, and what follows it.
type Heard<'a> = (&'a [u8], &'a [u8]);

/// An answer by NTCB; `None` while it is not whole.
fn heard(bytes: &[u8]) -> Result<Option<Heard<'_>>, DecodeError> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Ok(None) };
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, sum, _] = head else { return Ok(None) };
    let Some((data, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes([*a, *b]))) else { return Ok(None) };
    if xor(data) != *sum {
        return Err(DecodeError::new(Kind::BadChecksum, HEAD - 2, "the answer's checksum is wrong"));
    }
    Ok(Some((data, rest)))
}

fn write(out: &mut Vec<u8>, record: &Record) -> Result<(), EncodeError> {
    let of = |key: AttrKey| numeric(record, &key).unwrap_or(0.0);
    let time = seconds::<u32>(record)?.to_le_bytes();
    out.extend(record.sequence.to_le_bytes());
    out.extend(whole::<u16>("event", of(attr::EVENT))?.to_le_bytes());
    out.extend(time);
    let alarm = record.attribute(&attr::ALARM).map_or(0, |_| 2);
    out.extend([alarm, whole::<u8>("gsm", of(attr::GSM))?]);

    let p = record.position.unwrap_or_default();
    let satellites = p.satellites.unwrap_or(0).min(63) << 2;
    out.push(if record.position.is_none() { 0 } else { satellites | 1 | u8::from(p.valid) << 1 });
    out.extend(time);
    out.extend(whole::<i32>("lat", p.lat * DEGREE)?.to_le_bytes());
    out.extend(whole::<i32>("lon", p.lon * DEGREE)?.to_le_bytes());
    out.extend(whole::<i32>("altitude", f64::from(p.altitude.unwrap_or(0.0) * 10.0))?.to_le_bytes());
    out.extend((p.speed.unwrap_or(0.0) * KMH).to_le_bytes());
    out.extend(whole::<u16>("bearing", f64::from(p.bearing.unwrap_or(0.0)))?.to_le_bytes());
    out.extend(((of(attr::ODOMETER) / 1000.0) as f32).to_le_bytes());
    out.extend(whole::<u16>("power", of(attr::POWER) * 1000.0)?.to_le_bytes());
    out.extend(whole::<u16>("battery", of(attr::BATTERY) * 1000.0)?.to_le_bytes());
    out.push(whole::<u8>("inputs", of(attr::INPUTS))?);
    out.push(whole::<u8>("outputs", of(attr::OUTPUTS))?);
    out.extend([whole::<u8>("hdop", f64::from(p.hdop.unwrap_or(0.0) * 10.0).min(255.0))?, 0]);
    Ok(())
}
