//! Service days, service time past 24 h, unix time, and the agency's time zone.
//!
//! GTFS counts a service day's times from "noon minus 12 hours" (reference, *Time* field type), so
//! that 08:00 is eight on the wall on the days the clocks change too. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::offsets::Offsets;
use crate::units::Seconds;

/// A moment, milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// From seconds with a fraction.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a float cast saturates")]
    pub fn from_secs_f64(s: f64) -> Self {
        // `f64::round` is a call on processors that are not asked for anything new.
        let ms = s * 1000.0;
        let whole = ms as i64;
        let rest = ms - whole as f64;
        Self(whole.saturating_add((rest * 2.0) as i64))
    }

    /// Whole seconds, rounded down.
    #[must_use]
    #[inline]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds with a fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact for the next 285,000 years")]
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This moment and so many seconds (may be negative).
    #[must_use]
    #[inline]
    pub const fn plus_secs(self, s: i64) -> Self {
        Self(self.0.saturating_add(s.saturating_mul(1000)))
    }

    /// How many whole seconds `self` lies after `earlier`; negative when before.
    #[must_use]
    #[inline]
    pub const fn secs_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1000)
    }

    /// RFC 3339 with the zone's offset, to the second: `2026-11-22T15:40:25+02:00`.
    #[must_use]
    pub fn rfc3339(self, zone: &Zone) -> String {
        zone.zoned(self).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

impl Add<Seconds> for UnixMs {
    type Output = Self;
    fn add(self, s: Seconds) -> Self {
        self.plus_secs(i64::from(s.0))
    }
}

impl Sub for UnixMs {
    type Output = Seconds;
    fn sub(self, other: Self) -> Seconds {
        let s = self.secs_since(other);
        Seconds(i32::try_from(s).unwrap_or(if s < 0 { i32::MIN } else { i32::MAX }))
    }
}

/// A service day: days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceDate(i32);

/// A text is not a service date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date of the form YYYYMMDD")]
pub struct DateError(pub String);

impl ServiceDate {
    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> i32 {
        self.0
    }

    /// From a civil date.
    #[must_use]
    pub fn from_date(d: Date) -> Self {
        let days = d.duration_since(Date::constant(1970, 1, 1)).as_secs() / 86_400;
        Self(i32::try_from(days).unwrap_or(0))
    }

    /// As a civil date; the epoch's for a day beyond the calendar.
    #[must_use]
    pub fn date(self) -> Date {
        let epoch = Date::constant(1970, 1, 1);
        epoch.checked_add(jiff::SignedDuration::from_hours(i64::from(self.0) * 24)).unwrap_or(epoch)
    }

    /// So many days later.
    #[must_use]
    pub const fn plus_days(self, n: i32) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// 0 = Monday … 6 = Sunday.
    #[must_use]
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((self.0 + 3).rem_euclid(7)).unwrap_or(0)
    }
}

impl fmt::Display for ServiceDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.date();
        write!(f, "{:04}{:02}{:02}", d.year(), d.month(), d.day())
    }
}

impl FromStr for ServiceDate {
    type Err = DateError;
    /// Reads `YYYYMMDD`; `YYYY-MM-DD` is taken too, for people.
    fn from_str(s: &str) -> Result<Self, DateError> {
        let fail = || DateError(s.to_owned());
        let digits: String = if s.len() == 10 { s.replace('-', "") } else { s.to_owned() };
        if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fail());
        }
        let part = |r: std::ops::Range<usize>| digits.get(r).and_then(|p| p.parse::<i16>().ok());
        let (Some(y), Some(m), Some(d)) = (part(0..4), part(4..6), part(6..8)) else { return Err(fail()) };
        let (Ok(m), Ok(d)) = (i8::try_from(m), i8::try_from(d)) else { return Err(fail()) };
        Date::new(y, m, d).map(Self::from_date).map_err(|_| fail())
    }
}

impl TryFrom<String> for ServiceDate {
    type Error = DateError;
    fn try_from(s: String) -> Result<Self, DateError> {
        s.parse()
    }
}

impl From<ServiceDate> for String {
    fn from(d: ServiceDate) -> Self {
        d.to_string()
    }
}

/// A time of a service day: seconds since noon minus 12 hours. Goes past 24 h.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceTime(pub i32);

/// A text is not a service time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of the form HH:MM:SS")]
pub struct TimeError(pub String);

impl ServiceTime {
    /// Reads `H:MM:SS` or `HH:MM:SS`, hours up to 99; `None` for anything else.
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit().then(|| i32::from(b - b'0'));
        let (h, rest) = match text.trim_ascii() {
            [h, rest @ ..] if rest.len() == 6 => (digit(*h)?, rest),
            [h1, h2, rest @ ..] if rest.len() == 6 => (digit(*h1)? * 10 + digit(*h2)?, rest),
            _ => return None,
        };
        let [b':', m1, m2, b':', s1, s2] = rest else { return None };
        let (m, s) = (digit(*m1)? * 10 + digit(*m2)?, digit(*s1)? * 10 + digit(*s2)?);
        (m < 60 && s < 60).then_some(Self(h * 3600 + m * 60 + s))
    }
}

impl FromStr for ServiceTime {
    type Err = TimeError;
    /// As [`ServiceTime::from_ascii`].
    fn from_str(s: &str) -> Result<Self, TimeError> {
        Self::from_ascii(s.as_bytes()).ok_or_else(|| TimeError(s.to_owned()))
    }
}

impl fmt::Display for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0.max(0);
        write!(f, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

impl Add<Seconds> for ServiceTime {
    type Output = Self;
    fn add(self, s: Seconds) -> Self {
        Self(self.0.saturating_add(s.0))
    }
}

impl Sub for ServiceTime {
    type Output = Seconds;
    fn sub(self, other: Self) -> Seconds {
        Seconds(self.0.saturating_sub(other.0))
    }
}

/// The agency's time zone, as GTFS names it (IANA).
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    tz: TimeZone,
    name: String,
    offsets: Arc<Offsets>,
}

/// A time zone nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone of the IANA database")]
pub struct ZoneError(pub String);

impl Zone {
    /// The zone of this IANA name; the database is built in.
    ///
    /// # Errors
    /// When the database has no such zone.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let tz = TimeZone::get(name).map_err(|_| ZoneError(name.to_owned()))?;
        Ok(Self::of(tz, name))
    }

    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self::of(TimeZone::UTC, "UTC")
    }

    fn of(tz: TimeZone, name: &str) -> Self {
        let offsets = Arc::new(Offsets::of(&tz, |day| start_of(&tz, ServiceDate(day)).0));
        Self { tz, name: name.to_owned(), offsets }
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The wall clock at a moment.
    #[must_use]
    pub fn zoned(&self, t: UnixMs) -> Zoned {
        Timestamp::from_millisecond(t.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.tz.clone())
    }

    /// `HH:MM` on the wall.
    #[must_use]
    pub fn hhmm(&self, t: UnixMs) -> String {
        let z = self.zoned(t);
        format!("{:02}:{:02}", z.hour(), z.minute())
    }

    /// The civil date on the wall, as a service date.
    #[must_use]
    #[inline]
    pub fn date(&self, t: UnixMs) -> ServiceDate {
        self.offsets.date(t.0).map_or_else(|| ServiceDate::from_date(self.zoned(t).date()), ServiceDate)
    }

    /// The moment a service day's clock starts: noon of the civil day minus 12 hours.
    #[must_use]
    #[inline]
    pub fn day_start(&self, d: ServiceDate) -> UnixMs {
        self.offsets.day_start(d.0).map_or_else(|| start_of(&self.tz, d), UnixMs)
    }

    /// The moment of a time of a service day.
    #[must_use]
    #[inline]
    pub fn at(&self, d: ServiceDate, t: ServiceTime) -> UnixMs {
        self.day_start(d).plus_secs(i64::from(t.0))
    }

    /// The service time of a moment, on this service day (negative before it starts).
    #[must_use]
    #[inline]
    pub fn service_time(&self, d: ServiceDate, t: UnixMs) -> ServiceTime {
        ServiceTime((t - self.day_start(d)).0)
    }
}

/// Noon of the civil day minus 12 hours, as the zone database has it.
fn start_of(tz: &TimeZone, d: ServiceDate) -> UnixMs {
    match d.date().at(12, 0, 0, 0).to_zoned(tz.clone()) {
        Ok(z) => UnixMs(z.timestamp().as_millisecond() - 12 * 3_600_000),
        Err(_) => UnixMs::from_secs(i64::from(d.days()) * 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_millisecond() {
        for s in [0.0, 0.000_5, -0.000_5, 1.000_499_9, 1_795_354_825.123_5, -7.654_321, 1e30, -1e30, f64::NAN] {
            assert_eq!(UnixMs::from_secs_f64(s), UnixMs((s * 1000.0).round() as i64), "{s}");
        }
    }

    #[test]
    fn service_time_reads_past_midnight_and_prints_itself() {
        let t: ServiceTime = "25:10:05".parse().unwrap();
        assert_eq!(t, ServiceTime(90_605));
        assert_eq!(t.to_string(), "25:10:05");
        assert_eq!("7:05:00".parse::<ServiceTime>().unwrap().to_string(), "07:05:00");
        for bad in ["", "7:5:00", "24:60:00", "1:00", "aa:00:00", "-1:00:00", "08:00:00:00"] {
            assert_eq!(bad.parse::<ServiceTime>(), Err(TimeError(bad.to_owned())));
        }
    }

    #[test]
    fn service_date_round_trips() {
        let d: ServiceDate = "20260329".parse().unwrap();
        assert_eq!(d.to_string(), "20260329");
        assert_eq!(d.weekday(), 6);
        assert_eq!("2026-03-29".parse::<ServiceDate>().unwrap(), d);
        assert_eq!(d.plus_days(1).to_string(), "20260330");
        for bad in ["20260230", "2026032", "abcdefgh", "", "2026-3-29"] {
            assert!(bad.parse::<ServiceDate>().is_err(), "{bad}");
        }
    }

    /// Kyiv moves its clocks on 29 March and 25 October 2026. A service day starts at noon minus 12
    /// hours, so 08:00 is eight on the wall on both days, and 02:00 is an hour off the wall.
    #[test]
    fn eight_is_eight_on_the_wall_across_both_clock_changes() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        for day in ["20260328", "20260329", "20260330", "20261024", "20261025", "20261026"] {
            let d: ServiceDate = day.parse().unwrap();
            let eight = kyiv.at(d, ServiceTime(8 * 3600));
            assert_eq!(kyiv.hhmm(eight), "08:00", "{day}");
            assert_eq!(kyiv.date(eight), d);
            assert_eq!(kyiv.service_time(d, eight), ServiceTime(8 * 3600));
        }
        let spring: ServiceDate = "20260329".parse().unwrap();
        assert_eq!(kyiv.hhmm(kyiv.at(spring, ServiceTime(0))), "23:00");
        let autumn: ServiceDate = "20261025".parse().unwrap();
        assert_eq!(kyiv.hhmm(kyiv.at(autumn, ServiceTime(0))), "01:00");
    }

    #[test]
    fn times_for_people_carry_the_offset() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        assert_eq!(UnixMs::from_secs(1_795_354_825).rfc3339(&kyiv), "2026-11-22T15:40:25+02:00");
        assert!(Zone::named("Europe/Slovyansk").is_err());
    }

    /// Zones that change their clocks twice a year, four times, by half an hour, or leave out a day.
    const ODD: [&str; 7] = [
        "Europe/Kyiv",
        "America/New_York",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Etc/UTC",
    ];

    proptest! {
        #[test]
        fn the_tables_say_what_the_zone_database_says(zone in 0..ODD.len(), day in 9_000i32..36_000, ms in 0i64..86_400_000) {
            let zone = Zone::named(ODD[zone]).unwrap();
            let date = ServiceDate(day);
            prop_assert_eq!(zone.day_start(date), start_of(&zone.tz, date));
            let at = UnixMs(i64::from(day) * 86_400_000 + ms);
            prop_assert_eq!(zone.date(at), ServiceDate::from_date(zone.zoned(at).date()));
        }
    }

    #[test]
    fn the_tables_are_right_on_every_day_of_sixty_years() {
        for name in ODD {
            let zone = Zone::named(name).unwrap();
            for day in 10_900..32_900 {
                let date = ServiceDate(day);
                assert_eq!(zone.day_start(date), start_of(&zone.tz, date), "{name} {date}");
            }
        }
    }
}
