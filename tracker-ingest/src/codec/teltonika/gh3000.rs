//! Codec 7: the records of GH3000 and its kin, which say only what their masks name.

use transit_model::time::UnixMs;

use super::super::reader::Reader;
use super::super::wire::{attr, text};
use super::super::{AttrKey, AttrValue, Position, Record};
use super::KMH;

pub(super) const CODEC: u8 = 0x07;
/// Seconds from 1970 to 2007, from which the codec counts.
const EPOCH: i64 = 1_167_609_600;

pub(super) fn record(r: &mut Reader<'_>) -> Option<Record> {
    let word = r.u32()?;
    let priority = word >> 30;
    let time = UnixMs::from_secs(EPOCH + i64::from(word & 0x3FFF_FFFF));
    let mut record = Record { time: Some(time), ..Record::default() };
    if priority != 0 {
        record.attributes.push((AttrKey::Name("priority"), AttrValue::Int(priority.into())));
    }
    let mask = r.u8()?;
    if mask & 1 != 0 {
        place(r, &mut record)?;
    }
    for (bit, width) in [(2, 1), (4, 2), (8, 4)] {
        if mask & bit == 0 {
            continue;
        }
        for _ in 0..r.u8()? {
            let id = r.u8()?;
            let v = r.bytes(width)?.iter().fold(0, |v, b| v << 8 | u64::from(*b));
            record.attributes.push(match id {
                222 if v == 1 => (attr::ALARM, text("sos")),
                240 => (attr::MOTION, AttrValue::Bool(v == 1)),
                _ => (AttrKey::Io(id.into()), AttrValue::Int(v)),
            });
        }
    }
    Some(record)
}

fn place(r: &mut Reader<'_>, record: &mut Record) -> Option<()> {
    let mask = r.u8()?;
    let has = |bit: u8| mask & bit != 0;
    let coordinates = if has(1) { Some((r.f32()?, r.f32()?)) } else { None };
    let altitude = if has(2) { Some(f32::from(r.u16()?)) } else { None };
    let bearing = if has(4) { Some(f32::from(r.u8()?) * 360.0 / 256.0) } else { None };
    let speed = if has(8) { Some(f32::from(r.u8()?) / KMH) } else { None };
    let satellites = if has(16) { Some(r.u8()?) } else { None };
    if has(32) {
        let (area, cell) = (r.u16()?, r.u16()?);
        record.attributes.push((AttrKey::Name("cell"), text(&format!("{area}:{cell}"))));
    }
    if has(64) {
        record.attributes.push((attr::GSM, AttrValue::Int(r.u8()?.into())));
    }
    if has(128) {
        record.attributes.push((AttrKey::Name("operator"), AttrValue::Int(r.u32()?.into())));
    }
    record.position = coordinates.map(|(lat, lon)| Position {
        lat: f64::from(lat),
        lon: f64::from(lon),
        altitude,
        speed,
        bearing,
        satellites,
        valid: satellites != Some(0) && lat.is_finite() && lon.is_finite(),
        ..Position::default()
    });
    Some(())
}
