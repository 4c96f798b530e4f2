//! A time zone as two small tables, so that the date of a moment and the start of a service day cost a
//! look-up: the zone database is asked once, when the zone is made. What lies outside the tables' years is
//! left to the database.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The first and the last service day of the tables, days since 1970: the years 2000 to 2059.
const DAYS: (i32, i32) = (10_957, 32_871);
const DAY_MS: i64 = 86_400_000;
/// Two changes at most lie between the days of one block.
const BLOCK_DAYS: usize = 32;

/// What one zone's clocks do in the years of the tables.
#[derive(Debug, PartialEq)]
pub(crate) struct Offsets {
    /// From which moment on (unix ms) the wall clock is ahead of UTC by so much (ms).
    wall: Box<[(i64, i64)]>,
    /// From which service day on a day's clock starts so much before midnight UTC of that date (ms).
    start: Box<[(i32, i64)]>,
    /// For every 32 days of the tables, the last entry of each that holds when they begin.
    near: Box<[(u16, u16)]>,
}

impl Offsets {
    /// The tables of a zone; `day_start` is what the database has for the start of a service day, unix ms.
    pub(crate) fn of(tz: &TimeZone, day_start: impl Fn(i32) -> i64) -> Self {
        let lead = |day: i32| i64::from(day) * DAY_MS - day_start(day);
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let (first, last) = (at(i64::from(DAYS.0) * DAY_MS), at(i64::from(DAYS.1) * DAY_MS));
        let offset = |t: Timestamp| i64::from(tz.to_offset(t).seconds()) * 1000;
        let mut wall = vec![(first.as_millisecond(), offset(first))];
        let mut start = vec![(DAYS.0, lead(DAYS.0))];
        let mut known = DAYS.0;
        for change in tz.following(first).take_while(|c| c.timestamp() < last) {
            let ms = change.timestamp().as_millisecond();
            wall.push((ms, offset(change.timestamp())));
            // The change is felt at the noon of its own civil day or the next one, whatever the offset.
            let day = i32::try_from(ms.div_euclid(DAY_MS)).unwrap_or(DAYS.0);
            for day in (day - 2).max(known + 1)..=(day + 2).min(DAYS.1) {
                known = day;
                let lead = lead(day);
                if start.last().is_some_and(|(_, before)| *before != lead) {
                    start.push((day, lead));
                }
            }
        }
        let last_by = |n: usize| u16::try_from(n.saturating_sub(1)).unwrap_or(0);
        let near = (DAYS.0..DAYS.1).step_by(BLOCK_DAYS).map(|day| {
            let ms = i64::from(day) * DAY_MS;
            let walls = wall.partition_point(|(from, _)| *from <= ms);
            (last_by(walls), last_by(start.partition_point(|(from, _)| *from <= day)))
        });
        Self { near: near.collect(), wall: wall.into(), start: start.into() }
    }

    fn near(&self, day: i32) -> Option<(u16, u16)> {
        self.near.get(usize::try_from(day.checked_sub(DAYS.0)?).ok()? / BLOCK_DAYS).copied()
    }

    /// The date on the wall at a moment (unix ms), days since 1970; nothing outside the tables.
    #[inline]
    pub(crate) fn date(&self, ms: i64) -> Option<i32> {
        let (first, _) = self.near(i32::try_from(ms.div_euclid(DAY_MS)).ok()?)?;
        let ahead = in_force(self.wall.get(usize::from(first)..)?, ms)?;
        i32::try_from((ms + ahead).div_euclid(DAY_MS)).ok()
    }

    /// When a service day's clock starts, unix ms; nothing outside the tables.
    #[inline]
    pub(crate) fn day_start(&self, day: i32) -> Option<i64> {
        let (_, first) = self.near(day)?;
        Some(i64::from(day) * DAY_MS - in_force(self.start.get(usize::from(first)..)?, day)?)
    }
}

/// The last of a few entries that has begun.
#[inline]
fn in_force<T: PartialOrd>(entries: &[(T, i64)], at: T) -> Option<i64> {
    entries.iter().take_while(|(from, _)| *from <= at).last().map(|(_, value)| *value)
}
