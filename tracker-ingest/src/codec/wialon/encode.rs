//! The device's end of Wialon IPS.

use super::super::error::{DecodeErrorKind as Kind, EncodeError};
use super::super::stream::{Answer, Terminal};
use super::super::wire::{KMH, attr, text};
use super::super::{AttrKey, AttrValue, DecodeError, DeviceKey, Record};
use super::{CRC, Line};

/// A device that speaks version 2.0.
pub(super) fn terminal(key: &DeviceKey) -> Box<dyn Terminal> {
    Box::new(Tracker { key: key.clone(), told: Told::Nothing })
}

/// The device's end: version 2.0, one record as `D`, more as a black box.
#[derive(Debug)]
struct Tracker {
    key: DeviceKey,
    told: Told,
}

/// What the device waits to hear an answer to.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    Login,
    One,
    Many(usize),
}

impl Terminal for Tracker {
    fn hello(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.told = Told::Login;
        Ok(line("L", format!("2.0;{};NA;", self.key.expose())))
    }

    fn most(&self) -> usize {
        50
    }

    fn tell(&mut self, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
        let have = records.len();
        match records {
            [] => Err(EncodeError::NoRecords),
            [one] => {
                self.told = Told::One;
                Ok(line("D", format!("{};", write(one)?)))
            }
            _ if have > self.most() => Err(EncodeError::TooManyRecords { have, most: self.most() }),
            many => {
                self.told = Told::Many(have);
                let mut body = String::new();
                for r in many {
                    body.push_str(&write(r)?);
                    body.push('|');
                }
                Ok(line("B", body))
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Answer, DecodeError> {
        if matches!(self.told, Told::Nothing) {
            return Ok(Answer::Taken(0));
        }
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return Ok(Answer::Unfinished) };
        let Some(answer) = Line::of(bytes) else {
            return Err(DecodeError::new(Kind::BadPreamble, 0, "an answer begins with #, its type and #"));
        };
        let yes = match self.told {
            Told::Nothing => true,
            Told::Login => answer.kind == b"AL" && answer.body == b"1",
            Told::One => answer.kind == b"AD" && answer.body == b"1",
            Told::Many(n) => answer.kind == b"AB" && answer.body == n.to_string().as_bytes(),
        };
        Ok(if yes { Answer::Taken(end + 1) } else { Answer::Refused(end + 1) })
    }
}

/// A message of a type, with its checksum.
fn line(kind: &str, body: String) -> Vec<u8> {
    format!("#{kind}#{body}{:04X}\r\n", CRC.checksum(body.as_bytes())).into_bytes()
}

fn write(record: &Record) -> Result<String, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let at = jiff::Timestamp::from_millisecond(time.0)
        .map_err(|_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) })?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let mut out = at.strftime("%d%m%y;%H%M%S").to_string();
    let ms = time.0.rem_euclid(1000);
    if ms != 0 {
        out.push_str(&format!(".{ms:03}"));
    }
    let or_na = |v: Option<String>| v.unwrap_or_else(|| "NA".into());
    match record.position {
        Some(p) => {
            let half =
                |v: f64, plus: &'static str, minus: &'static str| String::from(if v < 0.0 { minus } else { plus });
            let minutes = |v: f64, width: usize| {
                // Rounded before it is taken apart, so that no sixtieth minute is written.
                let whole = (v.abs() * 60.0 * 1e6).round() / 1e6;
                let degrees = (whole / 60.0).floor();
                format!("{degrees:0width$.0}{:09.6}", whole - degrees * 60.0)
            };
            let coordinates = [minutes(p.lat, 2), half(p.lat, "N", "S"), minutes(p.lon, 3), half(p.lon, "E", "W")];
            let satellites = p.satellites.or_else(|| (!p.valid).then_some(0));
            let numbers = [
                p.speed.map(|s| format!("{:.3}", s * KMH)),
                p.bearing.map(|b| b.to_string()),
                p.altitude.map(|a| a.to_string()),
                satellites.map(|n| n.to_string()),
                p.hdop.map(|h| h.to_string()),
            ];
            for field in coordinates.into_iter().chain(numbers.into_iter().map(or_na)) {
                out.push(';');
                out.push_str(&field);
            }
        }
        None => out.push_str(";NA;NA;NA;NA;NA;NA;NA;NA;NA"),
    }
    let bits = |key: &AttrKey| {
        or_na(match record.attribute(key) {
            Some(AttrValue::Int(v)) => Some(v.to_string()),
            _ => None,
        })
    };
    out.push_str(&format!(";{};{};;", bits(&attr::INPUTS), bits(&attr::OUTPUTS)));
    let driver = match record.attribute(&attr::DRIVER) {
        Some(AttrValue::Text(d)) if plain(d) => Some(d.to_string()),
        _ => None,
    };
    out.push_str(&or_na(driver));
    out.push(';');
    let params: Vec<String> = record.attributes.iter().filter_map(write_param).collect();
    out.push_str(&params.join(","));
    Ok(out)
}

/// Whether words can stand in a line without taking it apart.
fn plain(words: &str) -> bool {
    !words.is_empty()
        && words != "NA"
        && words.trim() == words
        && !words.contains([',', ';', '|', ':', '#', '\r', '\n'])
}

fn write_param((key, value): &(AttrKey, AttrValue)) -> Option<String> {
    if [attr::INPUTS, attr::OUTPUTS, attr::DRIVER, attr::ARCHIVE].contains(key) {
        return None;
    }
    if *key == attr::ALARM {
        return (*value == text("sos")).then(|| "SOS:1:1".into());
    }
    let name = Some(key.to_string()).filter(|n| plain(n))?;
    match value {
        AttrValue::Int(v) => Some(format!("{name}:1:{v}")),
        AttrValue::Bool(v) => Some(format!("{name}:1:{}", u8::from(*v))),
        AttrValue::Float(v) if v.is_finite() => Some(format!("{name}:2:{v}")),
        AttrValue::Text(v) if plain(v) => Some(format!("{name}:3:{v}")),
        _ => None,
    }
}
