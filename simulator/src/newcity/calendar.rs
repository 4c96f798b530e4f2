//! Which timetable runs on which day.

use transit_model::time::ServiceDate;

/// The three kinds of day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Days {
    /// Monday to Friday.
    Weekday,
    /// Saturday.
    Saturday,
    /// Sunday, and the feasts in [`FEASTS`].
    Sunday,
}

/// New Year, Independence Day, Christmas: month and day. The city runs as on Sundays.
const FEASTS: [(i8, i8); 3] = [(1, 1), (8, 24), (12, 25)];

impl Days {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Weekday, Self::Saturday, Self::Sunday];

    /// `service_id`.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Weekday => "weekday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// The weekdays it is for, Monday first.
    pub(crate) fn week(self) -> [bool; 7] {
        [0, 1, 2, 3, 4, 5, 6].map(|n| Self::of_weekday(n) == self)
    }

    /// The kind of a day.
    pub(crate) fn of(date: ServiceDate) -> Self {
        if is_feast(date) { Self::Sunday } else { Self::of_weekday(date.weekday()) }
    }

    const fn of_weekday(n: u8) -> Self {
        match n {
            0..=4 => Self::Weekday,
            5 => Self::Saturday,
            _ => Self::Sunday,
        }
    }
}

fn is_feast(date: ServiceDate) -> bool {
    FEASTS.contains(&(date.date().month(), date.date().day()))
}

/// The kinds of day that there are in a span of days: a service without a day would be a fault.
pub(crate) fn kinds(from: ServiceDate, until: ServiceDate) -> Vec<Days> {
    Days::ALL.into_iter().filter(|kind| days(from, until).any(|d| Days::of(d) == *kind)).collect()
}

/// The rows of `calendar_dates.txt`: on a feast the day's own timetable is out and Sunday's in.
/// Only [`kinds`] of the span are named.
pub(crate) fn exceptions(from: ServiceDate, until: ServiceDate) -> Vec<[String; 3]> {
    let kinds = kinds(from, until);
    let feasts = days(from, until).filter(|d| is_feast(*d) && Days::of_weekday(d.weekday()) != Days::Sunday);
    feasts
        .flat_map(|d| {
            let own = Some(Days::of_weekday(d.weekday())).filter(|own| kinds.contains(own));
            let out = own.map(|own| [own.id().to_owned(), d.to_string(), "2".to_owned()]);
            out.into_iter().chain([[Days::Sunday.id().to_owned(), d.to_string(), "1".to_owned()]])
        })
        .collect()
}

fn days(from: ServiceDate, until: ServiceDate) -> impl Iterator<Item = ServiceDate> {
    (from.days()..=until.days()).map(ServiceDate::from_days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> ServiceDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_short_calendar_has_the_kinds_of_its_days_only() {
        assert_eq!(kinds(day("20261123"), day("20261127")), [Days::Weekday]);
        assert_eq!(kinds(day("20261128"), day("20261129")), [Days::Saturday, Days::Sunday]);
        assert_eq!(kinds(day("20261123"), day("20261129")), Days::ALL);
        // Friday, but New Year.
        assert_eq!(kinds(day("20270101"), day("20270101")), [Days::Sunday]);
    }

    #[test]
    fn a_feast_runs_as_sunday() {
        let rows = exceptions(day("20261224"), day("20261226"));
        let rows: Vec<String> = rows.iter().map(|r| r.join(",")).collect();
        assert_eq!(rows, ["weekday,20261225,2", "sunday,20261225,1"]);
        let alone: Vec<String> = exceptions(day("20261225"), day("20261225")).iter().map(|r| r.join(",")).collect();
        assert_eq!(alone, ["sunday,20261225,1"]);
        // In 2028 New Year is a Saturday, Christmas a Monday.
        assert_eq!(exceptions(day("20280101"), day("20280101")).len(), 1);
    }
}
