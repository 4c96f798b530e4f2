//! What many protocols write alike: dates as digits, packed decimals, degrees and minutes, letters for
//! hemispheres. Numbers and the names of attributes are in [`wire`]. Not here: any protocol's own layout.

use jiff::tz::Offset;
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::{AttrKey, AttrValue, DecodeError, Record, wire};

/// Metres a second in a knot.
pub(super) const KNOT: f64 = 1852.0 / 3600.0;
/// Kilometres an hour in a metre a second.
pub(super) const KMH: f64 = 3.6;

/// A moment of UTC; `None` when there is no such moment.
pub(super) fn utc(year: u16, [month, day, hour, minute, second]: [u8; 5]) -> Option<UnixMs> {
    wire::utc(i64::from(year), month, day, hour, minute, second)
}

/// A moment of UTC from its year in this century, month, day, hour, minute and second.
pub(super) fn utc_short([year, month, day, hour, minute, second]: [u8; 6]) -> Option<UnixMs> {
    utc(2000 + u16::from(year), [month, day, hour, minute, second])
}

/// A moment of UTC from digits: `YYYYMMDDhhmmss` or `YYMMDDhhmmss`.
pub(super) fn utc_digits(text: &str) -> Option<UnixMs> {
    let pair = |at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let (year, from) = match text.len() {
        14 => (u16::from(pair(0)?) * 100 + u16::from(pair(2)?), 4),
        12 => (2000 + u16::from(pair(0)?), 2),
        _ => return None,
    };
    utc(year, [pair(from)?, pair(from + 2)?, pair(from + 4)?, pair(from + 6)?, pair(from + 8)?])
}

/// A moment of UTC from a date `ddmmyy` and a time `hhmmss` (what follows a dot is a fraction, passed over).
pub(super) fn utc_day_first(date: &str, time: &str) -> Option<UnixMs> {
    let pair = |text: &str, at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    if date.len() != 6 || time.len() != 6 {
        return None;
    }
    utc_short([pair(date, 4)?, pair(date, 2)?, pair(date, 0)?, pair(time, 0)?, pair(time, 2)?, pair(time, 4)?])
}

/// A moment's year in this century, month, day, hour, minute and second, in UTC.
///
/// # Errors
/// Before 2000 or after 2099, which two digits cannot say.
pub(super) fn calendar(time: UnixMs) -> Result<[u8; 6], EncodeError> {
    let refuse = || EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) };
    let t = jiff::Timestamp::from_millisecond(time.0).map_err(|_| refuse())?;
    let t = Offset::UTC.to_datetime(t);
    let year = u8::try_from(t.year() - 2000).ok().filter(|y| *y < 100).ok_or_else(refuse)?;
    let small = |v: i8| v.unsigned_abs();
    Ok([year, small(t.month()), small(t.day()), small(t.hour()), small(t.minute()), small(t.second())])
}

/// The time of a record that must have one, as [`calendar`] has it.
///
/// # Errors
/// It has none, or one that cannot be said.
pub(super) fn record_calendar(record: &Record) -> Result<[u8; 6], EncodeError> {
    calendar(record.time.ok_or(EncodeError::Missing("time"))?)
}

/// The digits of packed decimals, two to a byte; `None` when a half-byte is no digit.
pub(super) fn bcd_text(bytes: &[u8]) -> Option<String> {
    let digit = |d: u8| char::from_digit(u32::from(d), 10);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 0x0F)]).collect()
}

/// The number that packed decimals make.
pub(super) fn bcd(bytes: &[u8]) -> Option<u64> {
    bcd_text(bytes)?.parse().ok()
}

/// Digits packed two to a byte; `None` when there is anything else, or an odd number of them.
pub(super) fn pack(digits: &str) -> Option<Vec<u8>> {
    let value = |b: u8| char::from(b).to_digit(10).and_then(|d| u8::try_from(d).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = pair { Some(value(*a)? << 4 | value(*b)?) } else { None }).collect()
}

/// Six packed decimals: year in this century, month, day, hour, minute, second.
pub(super) fn utc_bcd(bytes: &[u8]) -> Option<UnixMs> {
    utc_digits(&bcd_text(bytes)?)
}

/// Degrees from degrees and minutes run together, as NMEA has them: `2348.8912` is 23° 48.8912′.
pub(super) fn degrees_minutes(text: &str) -> Option<f64> {
    let dot = text.find('.').unwrap_or(text.len());
    let (degrees, minutes) = text.split_at_checked(dot.checked_sub(2)?)?;
    let degrees = if degrees.is_empty() { 0.0 } else { f64::from(degrees.parse::<u16>().ok()?) };
    let minutes = plain(minutes).filter(|m| (0.0..60.0).contains(m))?;
    Some(degrees + minutes / 60.0)
}

/// Degrees and minutes run together, with so many digits of degrees and decimals of minutes.
pub(super) fn write_degrees_minutes(v: f64, digits: usize, decimals: u32) -> String {
    let scale = 10f64.powi(i32::try_from(decimals).unwrap_or(4));
    // Rounded as a whole, so that no minute is ever written as 60.
    let units = (v.abs() * 60.0 * scale).round();
    let degrees = (units / (60.0 * scale)).floor();
    let minutes = (units - degrees * 60.0 * scale) / scale;
    let places = usize::try_from(decimals).unwrap_or(4);
    format!("{degrees:0digits$.0}{minutes:0width$.places$}", width = places + 3)
}

/// A value of a hemisphere: `N` and `E` are positive, `S` and `W` negative.
pub(super) fn hemisphere(v: f64, letter: &str) -> Option<f64> {
    match letter {
        "N" | "n" | "E" | "e" => Some(v),
        "S" | "s" | "W" | "w" => Some(-v),
        _ => None,
    }
}

/// A number written plainly: a sign, digits and a dot. (`f64::from_str` takes `inf`, `1e5` and `nan` too.) One with
/// more digits than any field of a record holds is none.
pub(super) fn plain(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_plain =
        digits.bytes().any(|b| b.is_ascii_digit()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_plain { text.parse().ok().filter(|v: &f64| v.abs() <= f64::from(f32::MAX)) } else { None }
}

/// A course in degrees brought to 0..360; `None` for what is none.
pub(super) fn course(degrees: f64) -> Option<f32> {
    (0.0..=360.0).contains(&degrees).then_some((degrees % 360.0) as f32)
}

/// A whole number within limits, or a refusal that names the field. An unknown value is written as zero.
///
/// # Errors
/// It is beyond its field.
pub(super) fn whole(field: &'static str, v: Option<f32>, least: i32, most: i32) -> Result<i32, EncodeError> {
    let v = f64::from(v.unwrap_or(0.0)).round();
    if !(f64::from(least)..=f64::from(most)).contains(&v) {
        return Err(EncodeError::OutOfRange { field, value: v.to_string() });
    }
    Ok(v as i32)
}

/// Degrees within the Earth's, for protocols that cannot say others.
///
/// # Errors
/// They are not on Earth.
pub(super) fn on_earth(lat: f64, lon: f64) -> Result<(f64, f64), EncodeError> {
    for (field, v, most) in [("lat", lat, 90.0), ("lon", lon, 180.0)] {
        if !(-most..=most).contains(&v) {
            return Err(EncodeError::OutOfRange { field, value: v.to_string() });
        }
    }
    Ok((lat, lon))
}

/// The one record of a message that takes one.
///
/// # Errors
/// There is none, or more.
pub(super) fn only(records: &[Record]) -> Result<&Record, EncodeError> {
    match records {
        [] => Err(EncodeError::NoRecords),
        [record] => Ok(record),
        more => Err(EncodeError::TooManyRecords { have: more.len(), most: 1 }),
    }
}

/// A refusal of a field.
pub(super) fn bad(at: usize, detail: impl Into<String>) -> DecodeError {
    DecodeError::new(Kind::BadField, at, detail)
}

/// Attributes under the names that all protocols share ([`wire::attr`]), in the order read. Besides those:
///
/// | name | what it is |
/// |---|---|
/// | `charging` | whether the vehicle feeds the tracker, yes or no |
/// | `battery_percent` | of the tracker's own battery |
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<(AttrKey, AttrValue)>);

impl Attributes {
    pub(super) fn flag(&mut self, name: &'static str, v: bool) {
        self.0.push((AttrKey::Name(name), AttrValue::Bool(v)));
    }

    pub(super) fn int(&mut self, name: &'static str, v: impl Into<u64>) {
        self.0.push((AttrKey::Name(name), AttrValue::Int(v.into())));
    }

    pub(super) fn number(&mut self, name: &'static str, v: f64) {
        self.0.push((AttrKey::Name(name), AttrValue::Float(v)));
    }

    pub(super) fn text(&mut self, name: &'static str, v: &str) {
        self.0.push((AttrKey::Name(name), AttrValue::Text(v.into())));
    }

    pub(super) fn alarm(&mut self, which: &str) {
        self.text("alarm", which);
    }
}

/// A yes or no that a record carries under a name.
pub(super) fn flag_of(record: &Record, name: &'static str) -> Option<bool> {
    match record.attribute(&AttrKey::Name(name)) {
        Some(AttrValue::Bool(v)) => Some(*v),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: UnixMs = UnixMs(1_718_340_289_000);

    #[test]
    fn a_moment_is_the_same_however_it_is_written() {
        assert_eq!(utc(2024, [6, 14, 4, 44, 49]), Some(MOMENT));
        assert_eq!(utc_digits("20240614044449"), Some(MOMENT));
        assert_eq!(utc_digits("240614044449"), Some(MOMENT));
        assert_eq!(utc_day_first("140624", "044449.000"), Some(MOMENT));
        assert_eq!(utc_bcd(&[0x24, 0x06, 0x14, 0x04, 0x44, 0x49]), Some(MOMENT));
        assert_eq!(utc_short(calendar(MOMENT).unwrap()), Some(MOMENT));
        assert_eq!(utc_digits("20240614046049"), None);
        assert_eq!(utc_bcd(&[0x24, 0x0A, 0x14, 0x04, 0x44, 0x49]), None);
    }

    #[test]
    fn a_number_is_plain_and_fits_a_record() {
        assert_eq!((plain("-7.25"), plain("+3"), plain("007")), (Some(-7.25), Some(3.0), Some(7.0)));
        for none in ["", ".", "1e5", "inf", "nan", "0x10", "1-2", &"9".repeat(40)] {
            assert_eq!(plain(none), None, "{none}");
        }
    }

    #[test]
    fn degrees_and_minutes_are_read_and_written() {
        for (text, v) in
            [("2348.8912", 23.0 + 48.8912 / 60.0), ("00507.33429", 5.0 + 7.33429 / 60.0), ("48.5", 48.5 / 60.0)]
        {
            assert!((degrees_minutes(text).unwrap() - v).abs() < 1e-12, "{text}");
        }
        for bad in ["", "1", "2360.1", "23x8.1", "2348.8.1", "23-8.1"] {
            assert_eq!(degrees_minutes(bad), None, "{bad}");
        }
        assert_eq!(write_degrees_minutes(-5.122_238_166, 3, 5), "00507.33429");
        assert_eq!(write_degrees_minutes(23.999_999_99, 2, 4), "2400.0000");
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!(plain("-3.5"), Some(-3.5));
        for no in ["inf", "nan", "1e5", "", "-", ".", "1.2.3", " 1"] {
            assert_eq!(plain(no), None, "{no}");
        }
    }
}
