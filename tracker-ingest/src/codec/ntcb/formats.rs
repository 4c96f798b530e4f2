//! Records of NTCB's fixed formats, F1 to F6.

use transit_model::time::UnixMs;

use super::super::error::DecodeErrorKind as Kind;
use super::super::reader::Reader;
use super::super::wire::{KMH, attr, fraction, number, text, utc};
use super::super::{AttrKey, AttrValue, DecodeError, Position, Record};
use super::flex::DEGREE;

/// A format by its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    F10,
    F20,
    F30,
    F40,
    F50,
    F51,
    F52,
    F60,
}

impl Format {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::F10,
            0x02 => Self::F20,
            0x03 => Self::F30,
            0x04 => Self::F40,
            0x05 => Self::F50,
            0x15 => Self::F51,
            0x25 => Self::F52,
            0x06 => Self::F60,
            _ => return None,
        })
    }

    /// The old devices' formats, of sixteen outputs and inputs.
    const fn wide(self) -> bool {
        matches!(self, Self::F10 | Self::F20 | Self::F30)
    }

    const fn fifth(self) -> bool {
        matches!(self, Self::F50 | Self::F51 | Self::F52)
    }

    /// Whether it says where the vehicle is.
    const fn navigates(self) -> bool {
        matches!(self, Self::F20 | Self::F60) || self.fifth()
    }
}

/// So many records, which must fill what is left. `from` is where that begins in the message.
pub(super) fn records(r: &mut Reader<'_>, count: u8, from: usize) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let at = from + r.at();
        let byte = r.u8().ok_or_else(|| DecodeError::new(Kind::BadLength, at, "the message ends before a record"))?;
        let format = Format::of(byte)
            .ok_or_else(|| DecodeError::new(Kind::UnsupportedCodec, at, format!("a record of format {byte:#04x}")))?;
        let record = record(r, format);
        records.push(record.ok_or_else(|| DecodeError::new(Kind::BadLength, at, "the message ends inside a record"))?);
    }
    if r.rest().is_empty() {
        return Ok(records);
    }
    let detail = format!("{} bytes follow the last record", r.rest().len());
    Err(DecodeError::new(Kind::BadLength, from + r.at(), detail))
}

fn record(r: &mut Reader<'_>, f: Format) -> Option<Record> {
    let mut record = Record { sequence: r.u32_le()?, ..Record::default() };
    let mut attributes = vec![(attr::EVENT, AttrValue::Int(r.u16_le()?.into()))];
    let mut add = |key: AttrKey, value: AttrValue| attributes.push((key, value));
    let happened = moment(r)?;
    let mode = r.u8()?;
    if mode & if f == Format::F60 { 2 } else { 0x80 } != 0 {
        add(attr::ALARM, text("general"));
    }
    add(attr::STATUS, AttrValue::Int(r.u8()?.into()));
    add(attr::GSM, AttrValue::Int(r.u8()?.into()));

    let mut satellites = None;
    let outputs = if f.wide() { r.u16_le()? } else { r.u8()?.into() };
    if f.fifth() {
        satellites = u8::try_from(outputs >> 2).ok();
        add(attr::OUTPUTS, AttrValue::Int(u64::from(outputs & 3)));
    } else {
        add(attr::OUTPUTS, AttrValue::Int(u64::from(if f.wide() { outputs } else { outputs & 0x0F })));
    }
    let inputs = if f.wide() || f == Format::F40 { r.u16_le()? } else { r.u8()?.into() };
    add(attr::INPUTS, AttrValue::Int(inputs.into()));
    add(attr::POWER, fraction(f64::from(r.u16_le()?) / 1000.0));
    add(attr::BATTERY, fraction(f64::from(r.u16_le()?) / 1000.0));
    if f.wide() {
        add(attr::TEMPERATURE, number(r.i16_le()?.into()));
    }
    let analog = match f {
        Format::F10 | Format::F20 | Format::F50 | Format::F51 | Format::F52 => 2,
        Format::F60 => 3,
        Format::F30 | Format::F40 => 0,
    };
    for n in 1..=analog {
        add(AttrKey::Own(format!("adc{n}").into()), AttrValue::Int(r.u16_le()?.into()));
    }
    if f.navigates() {
        for n in 1..=2 {
            add(AttrKey::Own(format!("count{n}").into()), AttrValue::Int(r.u32_le()?.into()));
        }
    }
    if f == Format::F60 {
        // Fuel by frequency (2), and by a serial line and eight others: level (2) and temperature (1), but the last.
        let fuel = r.bytes(2 + 8 * 3 + 2)?;
        add(AttrKey::Name("fuel"), AttrValue::Bytes(fuel.into()));
        temperatures(r, &mut add)?;
        add(AttrKey::Name("axle_and_rpm"), AttrValue::Bytes(r.bytes(6)?.into()));
    }
    if f.navigates() {
        let (position, time) = place(r, f, satellites)?;
        record.position = Some(position);
        record.time = time;
        add(attr::ODOMETER, fraction(f64::from(r.f32_le()?) * 1000.0));
        // The last stretch, and its times by two clocks.
        r.bytes(4 + 2 + 2)?;
    }
    if matches!(f, Format::F51 | Format::F52) {
        // Three lines of fuel: level and temperature, and what the meters count.
        r.bytes(15)?;
    }
    if matches!(f, Format::F40 | Format::F52) {
        temperatures(r, &mut add)?;
    }
    record.time = record.time.or(happened);
    record.attributes = attributes;
    Some(record)
}

fn temperatures(r: &mut Reader<'_>, add: &mut impl FnMut(AttrKey, AttrValue)) -> Option<()> {
    for n in 1..=4 {
        // The least value says that no sensor is there.
        let celsius = r.i8()?;
        if celsius != i8::MIN {
            add(AttrKey::Own(format!("temperature{n}").into()), number(celsius.into()));
        }
    }
    Some(())
}

fn place(r: &mut Reader<'_>, f: Format, satellites: Option<u8>) -> Option<(Position, Option<UnixMs>)> {
    let receiver = r.u8()?;
    let time = moment(r)?;
    let (lat, lon, altitude) = if f == Format::F60 {
        (f64::from(r.i32_le()?) / DEGREE, f64::from(r.i32_le()?) / DEGREE, Some(r.i32_le()? as f32 / 10.0))
    } else {
        (f64::from(r.f32_le()?).to_degrees(), f64::from(r.f32_le()?).to_degrees(), None)
    };
    let speed = Some(r.f32_le()? / KMH).filter(|v| v.is_finite());
    let bearing = Some(f32::from(r.u16_le()?).rem_euclid(360.0));
    let satellites = if f == Format::F60 { Some(receiver >> 2) } else { satellites };
    let position =
        Position { lat, lon, altitude, speed, bearing, satellites, valid: receiver & 2 != 0, ..Position::default() };
    Some((position, time))
}

/// Hour, minute, second, day, month from 0, year; `None` inside for what is no moment, as before the first fix.
fn moment(r: &mut Reader<'_>) -> Option<Option<UnixMs>> {
    let (hour, minute, second) = (r.u8()?, r.u8()?, r.u8()?);
    let (day, month, year) = (r.u8()?, r.u8()?, r.u8()?);
    Some(utc(2000 + i64::from(year), month.saturating_add(1), day, hour, minute, second))
}
