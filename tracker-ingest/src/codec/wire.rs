//! What the fields of many protocols share: the names of attributes, moments of the calendar, numbers that
//! fit their field. Not here: any protocol.

use transit_model::time::UnixMs;

use super::error::EncodeError;
use super::{AttrKey, AttrValue, DeviceKey, Record};

/// Metres a second to kilometres an hour, divided by.
pub(crate) const KMH: f32 = 3.6;

/// The names by which the same thing is called whatever the protocol.
pub(crate) mod attr {
    use super::AttrKey;

    /// Whether the engine's key is turned, yes or no.
    pub(crate) const IGNITION: AttrKey = AttrKey::Name("ignition");
    /// Whether the device feels itself move, yes or no.
    pub(crate) const MOTION: AttrKey = AttrKey::Name("motion");
    /// Metres the vehicle has gone in its life.
    pub(crate) const ODOMETER: AttrKey = AttrKey::Name("odometer");
    /// Volts of the vehicle's network.
    pub(crate) const POWER: AttrKey = AttrKey::Name("power");
    /// Whether the vehicle feeds the device, yes or no.
    pub(crate) const EXTERNAL_POWER: AttrKey = AttrKey::Name("external_power");
    /// Volts of the device's own battery.
    pub(crate) const BATTERY: AttrKey = AttrKey::Name("battery");
    /// What is wrong, in words: sos, power_cut, tamper, jamming, accident, tow, overspeed, …
    pub(crate) const ALARM: AttrKey = AttrKey::Name("alarm");
    /// The protocol's code of what made it send.
    pub(crate) const EVENT: AttrKey = AttrKey::Name("event");
    /// Digital inputs, a bit each.
    pub(crate) const INPUTS: AttrKey = AttrKey::Name("inputs");
    /// Digital outputs, a bit each.
    pub(crate) const OUTPUTS: AttrKey = AttrKey::Name("outputs");
    /// The device's own word of status bits.
    pub(crate) const STATUS: AttrKey = AttrKey::Name("status");
    /// Whose key is in the reader.
    pub(crate) const DRIVER: AttrKey = AttrKey::Name("driver");
    /// Sent from memory and not as it happened, yes or no.
    pub(crate) const ARCHIVE: AttrKey = AttrKey::Name("archive");
    /// Degrees Celsius of the device.
    pub(crate) const TEMPERATURE: AttrKey = AttrKey::Name("temperature");
    /// Strength of the mobile network, in the protocol's units.
    pub(crate) const GSM: AttrKey = AttrKey::Name("gsm");
    /// Satellites used, of a record without a position.
    pub(crate) const SATELLITES: AttrKey = AttrKey::Name("satellites");
    /// Text sent by the device or its driver.
    pub(crate) const TEXT: AttrKey = AttrKey::Name("text");
}

/// The moment of a calendar's fields in UTC; `None` when there is no such moment.
pub(crate) fn utc(year: i64, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<UnixMs> {
    let small = |v: u8| i8::try_from(v).ok();
    let year = i16::try_from(year).ok()?;
    let at =
        jiff::civil::DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0);
    let at = jiff::tz::Offset::UTC.to_timestamp(at.ok()?).ok()?;
    Some(UnixMs(at.as_millisecond()))
}

/// A whole number as an attribute; negative ones are floats.
pub(crate) fn number(v: i64) -> AttrValue {
    u64::try_from(v).map_or_else(|_| AttrValue::Float(v as f64), AttrValue::Int)
}

/// A number that can be a fraction, as an attribute.
pub(crate) fn fraction(v: f64) -> AttrValue {
    AttrValue::Float(v)
}

/// Text as an attribute.
pub(crate) fn text(v: &str) -> AttrValue {
    AttrValue::Text(v.into())
}

/// An attribute that is a number, whichever way it is kept.
pub(crate) fn numeric(record: &Record, key: &AttrKey) -> Option<f64> {
    match record.attribute(key)? {
        AttrValue::Int(v) => Some(*v as f64),
        AttrValue::Float(v) => Some(*v),
        AttrValue::Bool(v) => Some(f64::from(u8::from(*v))),
        AttrValue::Text(_) | AttrValue::Bytes(_) => None,
    }
}

/// Rounds to a whole number that fits its field.
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the field's range is checked")]
pub(crate) fn whole<T: TryFrom<i64>>(field: &'static str, v: f64) -> Result<T, EncodeError> {
    let refuse = || EncodeError::OutOfRange { field, value: v.to_string() };
    if !v.is_finite() {
        return Err(refuse());
    }
    T::try_from(v.round() as i64).map_err(|_| refuse())
}

/// The record's time in whole seconds.
pub(crate) fn seconds<T: TryFrom<i64>>(record: &Record) -> Result<T, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let refuse = |_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) };
    T::try_from(time.secs()).map_err(refuse)
}

/// How many records there are, where a message takes 1 to `most`.
pub(crate) fn counted(records: &[Record], most: usize) -> Result<u8, EncodeError> {
    let have = records.len();
    match u8::try_from(have) {
        Ok(0) => Err(EncodeError::NoRecords),
        Ok(n) if have <= most => Ok(n),
        _ => Err(EncodeError::TooManyRecords { have, most }),
    }
}

/// The key as an IMEI: 1 to 15 digits, in a number.
pub(crate) fn imei(key: &DeviceKey) -> Result<u64, EncodeError> {
    let digits = key.expose();
    let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let refuse = || EncodeError::OutOfRange { field: "imei", value: format!("{} bytes long", digits.len()) };
    if fits { digits.parse().map_err(|_| refuse()) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_none_is_none() {
        assert_eq!(utc(2019, 3, 12, 11, 20, 3), Some(UnixMs(1_552_389_603_000)));
        for (month, day, hour) in [(0, 1, 0), (13, 1, 0), (2, 30, 0), (1, 1, 24), (200, 1, 0)] {
            assert_eq!(utc(2019, month, day, hour, 0, 0), None);
        }
    }

    #[test]
    fn a_number_beyond_its_field_names_the_field() {
        assert_eq!(whole::<u8>("sats", 12.4), Ok(12));
        assert_eq!(whole::<i16>("altitude", -3.0), Ok(-3));
        for v in [-1.0, 256.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(whole::<u8>("sats", v), Err(EncodeError::OutOfRange { field: "sats", .. })), "{v}");
        }
    }
}
