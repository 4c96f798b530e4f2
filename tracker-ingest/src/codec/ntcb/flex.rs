//! Records of FLEX: fields that a mask chose, and the records that tell their own length.

use transit_model::time::UnixMs;

use super::super::model::digest;
use super::super::reader::Reader;
use super::super::wire::{KMH, attr, fraction, number, text};
use super::super::{AttrKey, AttrValue, Position, Record};

/// Minutes of a degree in ten-thousandths, the unit of coordinates.
pub(super) const DEGREE: f64 = 600_000.0;
/// The kind of a record that tells its length: coordinates and odometer.
const EXTRA: u8 = 0x0A;

/// How many bytes a field takes, by its number from 1 to 255.
pub(super) const fn size(field: u8) -> usize {
    match field {
        0 => 0,
        4..=8 | 29..=32 | 45..=52 | 56 | 63..=65 | 69 | 72 | 78..=83 | 98 | 99 | 101 | 104 | 118 | 122..=126 => 1,
        139 | 140 | 144 | 145 | 167..=170 | 199 | 202 | 207..=222 => 1,
        84..=93 | 142 | 146 | 198 => 3,
        1 | 3 | 9..=13 | 15 | 16 | 33 | 34 | 37 | 54 | 57 | 67 | 74 | 76 | 102 | 103 | 105 | 127..=132 => 4,
        172..=174 | 176 | 179 | 193..=196 | 203 | 205 | 206 | 238..=252 => 4,
        204 => 5,
        94 | 107 | 109 | 197 => 6,
        70 | 253..=255 => 8,
        95 => 12,
        73 => 16,
        96 => 24,
        77 => 37,
        97 => 48,
        _ => 2,
    }
}

/// Which fields a record has, in order.
#[derive(Debug)]
pub(super) struct Layout {
    fields: Vec<u8>,
    size: usize,
}

impl Layout {
    /// A layout by a mask of so many bits, the first field in the top bit of the first byte; `None` when the
    /// mask is shorter than it says.
    pub(super) fn new(bits: u8, mask: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for field in 1..=bits {
            let byte = mask.get(usize::from((field - 1) / 8))?;
            if byte & 0x80 >> ((field - 1) % 8) != 0 {
                fields.push(field);
            }
        }
        let size = fields.iter().map(|f| size(*f)).sum();
        Some(Self { fields, size })
    }

    /// How many bytes a record takes.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Reads a record.
    pub(super) fn record(&self, r: &mut Reader<'_>) -> Option<Record> {
        let bytes = r.bytes(self.size)?;
        let mut all = Reader::new(bytes);
        let mut made = Made::default();
        for field in &self.fields {
            made.take(*field, &mut Reader::new(all.bytes(size(*field))?))?;
        }
        Some(made.record(bytes))
    }
}

/// What the fields have said so far.
#[derive(Default)]
struct Made {
    record: Record,
    numbered: bool,
    event_time: Option<UnixMs>,
    /// Of the receiver: bit 0 it is on, bit 1 it has a fix, then the satellites.
    receiver: Option<u8>,
    lat: Option<f64>,
    lon: Option<f64>,
    place: Position,
    inputs: Option<u64>,
    outputs: Option<u64>,
}

impl Made {
    fn add(&mut self, key: AttrKey, value: AttrValue) {
        self.record.attributes.push((key, value));
    }

    fn take(&mut self, field: u8, v: &mut Reader<'_>) -> Option<()> {
        match field {
            1 => {
                self.record.sequence = v.u32_le()?;
                self.numbered = true;
            }
            2 => self.add(attr::EVENT, AttrValue::Int(v.u16_le()?.into())),
            3 => self.event_time = moment(v.u32_le()?),
            4 => {
                let mode = v.u8()?;
                if mode & 2 != 0 {
                    self.add(attr::ALARM, text("general"));
                }
            }
            5 => self.add(attr::STATUS, AttrValue::Int(v.u8()?.into())),
            7 => self.add(attr::GSM, AttrValue::Int(v.u8()?.into())),
            8 => self.receiver = Some(v.u8()?),
            9 => self.record.time = moment(v.u32_le()?),
            10 => self.lat = Some(f64::from(v.i32_le()?) / DEGREE),
            11 => self.lon = Some(f64::from(v.i32_le()?) / DEGREE),
            12 => self.place.altitude = Some(v.i32_le()? as f32 / 10.0),
            13 => self.place.speed = finite(v.f32_le()?).map(|kmh| kmh / KMH),
            14 => self.place.bearing = Some(f32::from(v.u16_le()?).rem_euclid(360.0)),
            15 => {
                if let Some(km) = finite(v.f32_le()?) {
                    self.add(attr::ODOMETER, fraction(f64::from(km) * 1000.0));
                }
            }
            19 => self.add(attr::POWER, fraction(f64::from(v.u16_le()?) / 1000.0)),
            20 => self.add(attr::BATTERY, fraction(f64::from(v.u16_le()?) / 1000.0)),
            21..=28 => {
                let key = AttrKey::Own(format!("adc{}", field - 20).into());
                self.add(key, AttrValue::Int(v.u16_le()?.into()));
            }
            29 | 30 => *self.inputs.get_or_insert_default() |= u64::from(v.u8()?) << (8 * (field - 29)),
            31 | 32 => *self.outputs.get_or_insert_default() |= u64::from(v.u8()?) << (8 * (field - 31)),
            45..=52 => {
                // The least value says that no sensor is there.
                let celsius = v.i8()?;
                if celsius != i8::MIN {
                    self.add(AttrKey::Own(format!("temperature{}", field - 44).into()), number(celsius.into()));
                }
            }
            71 => {
                self.place.hdop = Some(f32::from(v.u8()?) / 10.0);
            }
            _ => {
                let bytes = v.bytes(v.rest().len())?;
                let value = match bytes.len() {
                    1..=4 => AttrValue::Int(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))),
                    _ => AttrValue::Bytes(bytes.into()),
                };
                self.add(AttrKey::Io(field.into()), value);
            }
        }
        Some(())
    }

    fn record(mut self, bytes: &[u8]) -> Record {
        for (key, bits) in [(attr::INPUTS, self.inputs), (attr::OUTPUTS, self.outputs)] {
            self.record.attributes.extend(bits.map(|bits| (key, AttrValue::Int(bits))));
        }
        let receiver = self.receiver.unwrap_or(3);
        let satellites = self.receiver.map(|s| s >> 2);
        let valid = receiver & 2 != 0;
        // A receiver that is off and nowhere has said nothing.
        let silent = receiver & 1 == 0 && self.lat == Some(0.0) && self.lon == Some(0.0);
        self.record.position = self.lat.zip(self.lon).filter(|_| !silent).map(|(lat, lon)| Position {
            lat,
            lon,
            satellites,
            valid,
            ..self.place
        });
        self.record.time = self.record.time.or(self.event_time);
        if !self.numbered {
            self.record.sequence = digest(bytes);
        }
        self.record
    }
}

/// Seconds since 1970; zero says that there is no time yet.
fn moment(seconds: u32) -> Option<UnixMs> {
    (seconds != 0).then(|| UnixMs::from_secs(i64::from(seconds)))
}

fn finite(v: f32) -> Option<f32> {
    v.is_finite().then_some(v)
}

/// How many bytes records that tell their length take, with their count; `None` while that cannot be told.
pub(super) fn told_lengths(rest: &[u8]) -> Option<usize> {
    let mut r = Reader::new(rest);
    for _ in 0..r.u8()? {
        let length = usize::from(r.u16_le()?);
        r.bytes(length)?;
    }
    Some(r.at())
}

/// How many bytes one such record takes, with the number before it.
pub(super) fn told_length(rest: &[u8]) -> Option<usize> {
    let mut r = Reader::new(rest);
    r.u32_le()?;
    let length = usize::from(r.u16_le()?);
    Some(r.at() + length)
}

/// A record that tells its length.
pub(super) fn told(r: &mut Reader<'_>) -> Option<Record> {
    let length = usize::from(r.u16_le()?);
    let bytes = r.bytes(length)?;
    let mut v = Reader::new(bytes);
    let mut made = Made::default();
    if v.u8()? == EXTRA {
        let _static_part = v.u8()?;
        for field in [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15] {
            made.take(field, &mut Reader::new(v.bytes(size(field))?))?;
        }
    } else {
        made.add(AttrKey::Name("extra"), AttrValue::Bytes(bytes.into()));
    }
    Some(made.record(bytes))
}
