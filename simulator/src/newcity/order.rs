//! What is asked for when a city is to be made: its name, its size, its calendar.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use transit_model::ids::FeedId;
use transit_model::time::ServiceDate;

use super::romanise::slug;

/// The smallest and the largest city that can be made, people.
pub const POPULATIONS: std::ops::RangeInclusive<u32> = 50_000..=3_000_000;
/// A longer name fits no board, characters.
const NAME_MOST: usize = 60;

/// How many people live in a city: within [`POPULATIONS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Population(u32);

/// What a city is called: 1 to 60 characters, no control characters, no blanks at its ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CityName(String);

/// A city cannot be made like this.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OrderError {
    /// Not a number of people.
    #[error("`{0}` is not a number of people, as in 250000")]
    NotANumber(String),
    /// Too few people, or too many.
    #[error("{0} people: from {low} to {high} can be planned for", low = POPULATIONS.start(), high = POPULATIONS.end())]
    Population(u32),
    /// Nothing to call it.
    #[error("the name is empty")]
    NoName,
    /// Too long.
    #[error("the name has {0} characters, {NAME_MOST} fit")]
    LongName(usize),
    /// A line break, a tab or another sign that cannot be printed.
    #[error("the name holds a control character, {0:?}")]
    Unprintable(char),
}

impl Population {
    /// A number of people.
    ///
    /// # Errors
    /// When it is outside [`POPULATIONS`].
    pub fn new(people: u32) -> Result<Self, OrderError> {
        if POPULATIONS.contains(&people) { Ok(Self(people)) } else { Err(OrderError::Population(people)) }
    }

    /// People.
    #[must_use]
    pub const fn people(self) -> u32 {
        self.0
    }

    /// Thousands of people.
    #[must_use]
    pub fn thousands(self) -> f32 {
        self.0 as f32 / 1000.0
    }
}

impl FromStr for Population {
    type Err = OrderError;
    /// Digits; `_` may part them.
    fn from_str(s: &str) -> Result<Self, OrderError> {
        let people: u64 = s.replace('_', "").parse().map_err(|_| OrderError::NotANumber(s.to_owned()))?;
        Self::new(u32::try_from(people).unwrap_or(u32::MAX))
    }
}

impl FromStr for CityName {
    type Err = OrderError;
    fn from_str(s: &str) -> Result<Self, OrderError> {
        let name = s.trim();
        if let Some(bad) = name.chars().find(|c| c.is_control()) {
            return Err(OrderError::Unprintable(bad));
        }
        match name.chars().count() {
            0 => Err(OrderError::NoName),
            n if n > NAME_MOST => Err(OrderError::LongName(n)),
            _ => Ok(Self(name.to_owned())),
        }
    }
}

impl CityName {
    /// As it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The feed's id: the name in Latin letters, `nove-misto`.
    #[must_use]
    pub fn feed_id(&self) -> FeedId {
        let slug = slug(&self.0);
        FeedId::from(if slug.is_empty() { "new-city".to_owned() } else { slug })
    }
}

impl fmt::Display for CityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What runs on a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum Kind {
    /// By overhead wires, on tyres.
    Trolleybus,
    /// By overhead wires, on rails.
    Tram,
    /// By nothing but the road.
    Bus,
}

impl Kind {
    /// All of them, in the order in which a city numbers its lines.
    pub const ALL: [Self; 3] = [Self::Trolleybus, Self::Tram, Self::Bus];

    /// `route_type`.
    #[must_use]
    pub const fn route_type(self) -> &'static str {
        match self {
            Self::Trolleybus => "11",
            Self::Tram => "0",
            Self::Bus => "3",
        }
    }

    /// The beginning of its ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Trolleybus => "trol",
            Self::Tram => "tram",
            Self::Bus => "bus",
        }
    }

    /// In words, in English.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trolleybus => "trolleybus",
            Self::Tram => "tram",
            Self::Bus => "bus",
        }
    }

    /// What a city of so many people has: buses, from 80,000 on trolleybuses, from 350,000 on trams.
    #[must_use]
    pub fn usual(population: Population) -> Vec<Self> {
        let has = |kind: &Self| match kind {
            Self::Trolleybus => population.0 >= 80_000,
            Self::Tram => population.0 >= 350_000,
            Self::Bus => true,
        };
        Self::ALL.into_iter().filter(has).collect()
    }
}

/// A city to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// What it is called.
    pub name: CityName,
    /// Its size.
    pub population: Population,
    /// All chance comes from this number.
    pub seed: u64,
    /// What runs in it; nothing said = [`Kind::usual`].
    pub kinds: Vec<Kind>,
    /// The first day of its calendar.
    pub from: ServiceDate,
    /// How many days the calendar covers; none is taken as one.
    pub days: u16,
}

impl Order {
    /// The kinds that run, each once.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        if self.kinds.is_empty() {
            return Kind::usual(self.population);
        }
        Kind::ALL.into_iter().filter(|k| self.kinds.contains(k)).collect()
    }

    /// The last day of the calendar.
    #[must_use]
    pub fn until(&self) -> ServiceDate {
        self.from.plus_days(i32::from(self.days.max(1)) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_needs_a_name_and_a_size_that_can_be_planned_for() {
        let name = |s: &str| s.parse::<CityName>();
        assert_eq!(name("  Нове Місто ").unwrap().as_str(), "Нове Місто");
        assert_eq!(name(" \t ").unwrap_err(), OrderError::NoName);
        assert_eq!(name("а\nб").unwrap_err(), OrderError::Unprintable('\n'));
        assert_eq!(name(&"а".repeat(61)).unwrap_err(), OrderError::LongName(61));
        let people = |s: &str| s.parse::<Population>();
        assert_eq!(people("1_400_000").unwrap().people(), 1_400_000);
        assert_eq!(people("49999").unwrap_err(), OrderError::Population(49_999));
        assert_eq!(people("99999999999").unwrap_err(), OrderError::Population(u32::MAX));
        assert_eq!(people("багато").unwrap_err(), OrderError::NotANumber("багато".to_owned()));
    }

    #[test]
    fn a_feed_is_named_after_its_city() {
        let id = |s: &str| s.parse::<CityName>().unwrap().feed_id().to_string();
        assert_eq!(id("Нове Місто"), "nove-misto");
        assert_eq!(id("東京"), "new-city");
    }

    #[test]
    fn what_runs_depends_on_the_size() {
        let usual = |n| Kind::usual(Population::new(n).unwrap());
        assert_eq!(usual(50_000), [Kind::Bus]);
        assert_eq!(usual(100_000), [Kind::Trolleybus, Kind::Bus]);
        assert_eq!(usual(600_000), Kind::ALL);
    }
}
