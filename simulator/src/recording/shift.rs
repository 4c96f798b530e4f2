//! From the days of a recording to today: which of them is played, and how far everything moves. Arithmetic
//! only.

use transit_model::fix::Fix;
use transit_model::time::{ServiceDate, UnixMs, Zone};

/// How a recording is moved in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shift {
    /// The recorded day that is played first.
    pub from: ServiceDate,
    /// The day it is played as.
    pub to: ServiceDate,
    /// Between the starts of the two, ms: whole days, but for a change of the clocks between them.
    by: i64,
}

impl Shift {
    /// Moves a recording so that one of its days is today: the first that has today's weekday; where there
    /// is none, the first of a working day's or a weekend's kind as today is, or else its first. `None` for
    /// a recording without days.
    #[must_use]
    pub fn to_today(days: &[ServiceDate], today: ServiceDate, zone: &Zone) -> Option<Self> {
        let weekend = |d: ServiceDate| d.weekday() >= 5;
        let strangeness = |d: &&ServiceDate| match d.weekday() == today.weekday() {
            true => 0,
            false if weekend(**d) == weekend(today) => 1,
            false => 2,
        };
        // The first of the least strange ones.
        let from = *days.iter().min_by_key(strangeness)?;
        let by = zone.day_start(today).0 - zone.day_start(from).0;
        Some(Self { from, to: today, by })
    }

    /// How many days everything moves.
    #[must_use]
    pub const fn days(&self) -> i32 {
        self.to.days() - self.from.days()
    }

    /// Whether it moves by whole weeks: a Tuesday stays a Tuesday.
    #[must_use]
    pub const fn keeps_weekday(&self) -> bool {
        self.days() % 7 == 0
    }

    /// A recorded moment as it is played.
    #[must_use]
    pub const fn moment(&self, recorded: UnixMs) -> UnixMs {
        UnixMs(recorded.0.saturating_add(self.by))
    }

    /// A recorded service day as it is played.
    #[must_use]
    pub const fn date(&self, recorded: ServiceDate) -> ServiceDate {
        recorded.plus_days(self.days())
    }

    /// A recorded fix as it is played. Trips keep their names, their days move.
    #[must_use]
    pub fn fix(&self, mut recorded: Fix) -> Fix {
        recorded.time = self.moment(recorded.time);
        recorded.received = self.moment(recorded.received);
        recorded.reported.start_date = recorded.reported.start_date.map(|d| self.date(d));
        recorded
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transit_model::time::ServiceTime;

    use super::*;

    fn day(text: &str) -> ServiceDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_played_is_the_one_most_like_today() {
        let zone = Zone::utc();
        // A Friday, a Saturday and a Monday.
        let days = [day("20160108"), day("20160109"), day("20160111")];
        for (today, played) in [
            ("20261123", "20160111"), // a Monday
            ("20261127", "20160108"), // a Friday
            ("20261125", "20160108"), // a Wednesday: the first working day
            ("20261122", "20160109"), // a Sunday: the other day of the weekend
        ] {
            let shift = Shift::to_today(&days, day(today), &zone).unwrap();
            assert_eq!(shift.from, day(played), "on {today}");
            assert_eq!(shift.date(day(played)), day(today));
            assert_eq!(shift.keeps_weekday(), day(today).weekday() == day(played).weekday());
        }
        assert_eq!(Shift::to_today(&days[1..2], day("20261123"), &zone).unwrap().from, day("20160109"));
        assert_eq!(Shift::to_today(&[], day("20261123"), &zone), None);
    }

    proptest! {
        /// The time on the wall stays what it was, over changes of the clocks too.
        #[test]
        fn eight_in_the_morning_stays_eight(from in 16_000i32..21_000, days in -400i32..400, hour in 4i32..23) {
            let zone = Zone::named("Europe/Kyiv").unwrap();
            let (from, to) = (ServiceDate::from_days(from), ServiceDate::from_days(from + days));
            let shift = Shift::to_today(&[from], to, &zone).unwrap();
            let recorded = zone.at(from, ServiceTime(hour * 3600));
            prop_assert_eq!(shift.moment(recorded), zone.at(to, ServiceTime(hour * 3600)));
            prop_assert_eq!(zone.hhmm(shift.moment(recorded)), zone.hhmm(recorded));
        }
    }
}
