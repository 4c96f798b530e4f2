//! Codecs 12 to 15: what a serial port or a command said. They are not answered.

use transit_model::time::UnixMs;

use super::super::reader::Reader;
use super::super::wire::{attr, text};
use super::super::{AttrKey, AttrValue, Record};

/// Whether data of a packet are texts.
pub(super) fn is_text(data: &[u8]) -> bool {
    matches!(data.first(), Some(0x0C..=0x0F))
}

pub(super) fn record(r: &mut Reader<'_>, codec: u8) -> Option<Record> {
    let kind = r.u8()?;
    let length = usize::try_from(r.u32()?).unwrap_or(usize::MAX);
    let mut body = Reader::new(r.bytes(length)?);
    let time = if matches!(codec, 0x0D | 0x0F) { Some(UnixMs::from_secs(i64::from(body.u32()?))) } else { None };
    if matches!(codec, 0x0E | 0x0F) {
        // The IMEI once more, a digit in each half of a byte.
        body.bytes(8)?;
    }
    let said = body.rest();
    let words = std::str::from_utf8(said).ok().filter(|t| !t.chars().any(|c| c.is_control() && !c.is_whitespace()));
    let said = words.map_or_else(|| AttrValue::Bytes(said.into()), |t| text(t.trim()));
    let attributes = vec![(AttrKey::Name("kind"), AttrValue::Int(kind.into())), (attr::TEXT, said)];
    Some(Record { time, attributes, ..Record::default() })
}
