//! What can happen to a city's movement, as data: written in scenarios, drawn by chance, and handed
//! back as what truly happened. It says what and where; how it moves vehicles is known elsewhere.
//!
//! In TOML every disturbance is a table with a `kind`:
//!
//! ```toml
//! [[disturbance]]
//! kind = "missed_trip"
//! trip = { route = "3", direction = 0, from = "08:10" }   # or trip = "trip_id"
//!
//! [[disturbance]]
//! kind = "breakdown"
//! vehicle = { route = "3", from = "08:10" }               # or vehicle = "1001"
//! at = "08:25"
//! replaced_after_s = 1200
//!
//! [[disturbance]]
//! kind = "incident"
//! place = { near_stop = "12", radius_m = 400.0 }
//! from = "07:30"
//! to = "08:15"
//! factor = 2.5
//! ```

use serde::{Deserialize, Serialize};
use transit_model::time::{ServiceDate, ServiceTime};

/// One thing that happens to the movement of a city. Times are of the service day; `day` names one
/// service day, and without it the thing happens every day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Disturbance {
    /// A street or an area is slow for a time.
    Incident {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// Where.
        place: Place,
        /// From when.
        #[serde(with = "clock")]
        from: ServiceTime,
        /// To when.
        #[serde(with = "clock")]
        to: ServiceTime,
        /// Every ride there takes so many times as long: 0.5 to 20.
        factor: f64,
    },
    /// The whole city is slow for a time: rain, snow, ice.
    Weather {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// From when.
        #[serde(with = "clock")]
        from: ServiceTime,
        /// To when.
        #[serde(with = "clock")]
        to: ServiceTime,
        /// Every ride takes so many times as long: 0.5 to 20.
        factor: f64,
    },
    /// A vehicle stops where it is and goes no further this day. What it had still to run is run by
    /// another vehicle, or by nobody.
    Breakdown {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// Which.
        vehicle: VehicleRef,
        /// When.
        #[serde(with = "clock")]
        at: ServiceTime,
        /// A reserve vehicle takes over, at the first stop not served, so many seconds later.
        /// Without it the rest of the block is missed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_after_s: Option<u32>,
    },
    /// A trip ends before its last stop.
    ShortTurn {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// Which.
        trip: TripRef,
        /// The last stop it serves.
        stop: StopRef,
        /// The vehicle begins its next trip at this stop of it, not at the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_at: Option<StopRef>,
    },
    /// A street is closed: trips that would run it leave their line after one stop, join it again
    /// before another, and serve none between.
    Detour {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// The last stop served before, `stop_id`.
        after_stop: String,
        /// The first stop served again, `stop_id`.
        until_stop: String,
        /// Only trips of this route: its `route_id` or short name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
        /// Who passes `after_stop` from then…
        #[serde(with = "clock")]
        from: ServiceTime,
        /// …until then.
        #[serde(with = "clock")]
        to: ServiceTime,
        /// How far the way round leads off the line, metres: 50 to 2000.
        #[serde(default = "way_round")]
        away_m: f64,
    },
    /// Nobody runs a trip.
    MissedTrip {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// Which.
        trip: TripRef,
    },
    /// Two vehicles run each other's trips from a time on, so each is on other trips than planned.
    Swap {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// One.
        vehicle: VehicleRef,
        /// The other.
        with: VehicleRef,
        /// Trips that start at or after this are swapped.
        #[serde(with = "clock")]
        from: ServiceTime,
    },
    /// A trip leaves its first stop before its time.
    EarlyDeparture {
        /// Only on this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        day: Option<ServiceDate>,
        /// Which.
        trip: TripRef,
        /// By so many seconds, if the vehicle is there: 1 to 1800.
        by_s: u32,
    },
}

/// A trip, by its name or by its place in the timetable of the day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TripRef {
    /// `trip_id`; of a frequency-based trip the first run of the day.
    Id(String),
    /// The first trip of a route that starts at or after a time.
    First(FirstTrip),
}

/// A vehicle, by its name or by a trip it runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VehicleRef {
    /// Its number, as in the roster.
    Id(String),
    /// Whoever is to run the first trip of a route that starts at or after a time.
    Runs(FirstTrip),
}

/// The first trip of a route that starts at or after a time of the day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstTrip {
    /// `route_id` or short name.
    pub route: String,
    /// Only in this direction, 0 or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<u8>,
    /// The time.
    #[serde(with = "clock")]
    pub from: ServiceTime,
}

/// A stop of a trip.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StopRef {
    /// The how-many-th call of the trip, from 1.
    Nth(u16),
    /// `stop_id`: the trip's first call there.
    Id(String),
}

/// A street or an area.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// The link from one stop to the next.
    Between(Between),
    /// Every link that begins, ends or passes within a distance of a place.
    Around(Around),
    /// The same of a stop.
    NearStop(NearStop),
    /// Every link of a route.
    Route(RoutePlace),
}

/// The link from one stop to the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// `stop_id`.
    pub from_stop: String,
    /// `stop_id`.
    pub to_stop: String,
}

/// A circle around a place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres.
    pub radius_m: f64,
}

/// A circle around a stop.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearStop {
    /// `stop_id`.
    pub near_stop: String,
    /// Metres.
    pub radius_m: f64,
}

/// A whole route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePlace {
    /// `route_id` or short name.
    pub route: String,
    /// Only in this direction, 0 or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<u8>,
}

/// A disturbance holds a number that makes no sense.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{kind}: {field} is {value}, which must be {must}")]
pub struct Senseless {
    /// The disturbance's kind.
    pub kind: &'static str,
    /// Which field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What it may hold.
    pub must: &'static str,
}

/// A way round leads so far off the line where nothing else is said, metres.
const fn way_round() -> f64 {
    250.0
}

impl Disturbance {
    /// The name of its kind, as in TOML.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Incident { .. } => "incident",
            Self::Weather { .. } => "weather",
            Self::Breakdown { .. } => "breakdown",
            Self::ShortTurn { .. } => "short_turn",
            Self::Detour { .. } => "detour",
            Self::MissedTrip { .. } => "missed_trip",
            Self::Swap { .. } => "swap",
            Self::EarlyDeparture { .. } => "early_departure",
        }
    }

    /// The only service day it happens on.
    #[must_use]
    pub const fn day(&self) -> Option<ServiceDate> {
        match self {
            Self::Incident { day, .. }
            | Self::Weather { day, .. }
            | Self::Breakdown { day, .. }
            | Self::ShortTurn { day, .. }
            | Self::Detour { day, .. }
            | Self::MissedTrip { day, .. }
            | Self::Swap { day, .. }
            | Self::EarlyDeparture { day, .. } => *day,
        }
    }

    /// Whether it happens on a day.
    #[must_use]
    pub fn happens_on(&self, date: ServiceDate) -> bool {
        self.day().is_none_or(|d| d == date)
    }

    /// The times of the service day it names itself, first and last; `None` where the timetable
    /// gives them, as for a trip named by its id.
    #[must_use]
    pub fn times(&self) -> Option<(ServiceTime, ServiceTime)> {
        let of_trip = |trip: &TripRef| match trip {
            TripRef::Id(_) => None,
            TripRef::First(f) => Some((f.from, f.from)),
        };
        match self {
            Self::Incident { from, to, .. } | Self::Weather { from, to, .. } | Self::Detour { from, to, .. } => {
                Some((*from, *to))
            }
            Self::Breakdown { at, .. } | Self::Swap { from: at, .. } => Some((*at, *at)),
            Self::ShortTurn { trip, .. } | Self::MissedTrip { trip, .. } | Self::EarlyDeparture { trip, .. } => {
                of_trip(trip)
            }
        }
    }

    /// Whether its numbers make sense, whatever the timetable is.
    ///
    /// # Errors
    /// Names the first field that does not.
    pub fn check(&self) -> Result<(), Senseless> {
        let kind = self.kind();
        let fail = |field, value: String, must| Err(Senseless { kind, field, value, must });
        if let Some((from, to)) = self.times()
            && to < from
        {
            return fail("to", to.to_string(), "at or after `from`");
        }
        match self {
            Self::Incident { factor, .. } | Self::Weather { factor, .. } if !(0.5..=20.0).contains(factor) => {
                fail("factor", factor.to_string(), "from 0.5 to 20")
            }
            Self::Incident { place: Place::Around(Around { radius_m: r, .. }), .. }
            | Self::Incident { place: Place::NearStop(NearStop { radius_m: r, .. }), .. }
                if !(1.0..=50_000.0).contains(r) =>
            {
                fail("radius_m", r.to_string(), "from 1 to 50000")
            }
            Self::Incident { place: Place::Around(Around { lat, lon, .. }), .. }
                if !(lat.abs() <= 90.0 && lon.abs() <= 180.0) =>
            {
                fail("place", format!("{lat}, {lon}"), "a place on Earth in degrees")
            }
            Self::Detour { away_m, .. } if !(50.0..=2000.0).contains(away_m) => {
                fail("away_m", away_m.to_string(), "from 50 to 2000")
            }
            Self::EarlyDeparture { by_s, .. } if !(1..=1800).contains(by_s) => {
                fail("by_s", by_s.to_string(), "from 1 to 1800")
            }
            Self::ShortTurn { stop: StopRef::Nth(n), .. } if *n < 2 => fail("stop", n.to_string(), "2 or more"),
            Self::ShortTurn { back_at: Some(StopRef::Nth(0)), .. } => fail("back_at", "0".to_owned(), "1 or more"),
            _ => Ok(()),
        }
    }
}

/// Times as people write them: `08:10` or `08:10:30`, hours past 24 for the night after.
mod clock {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use transit_model::time::ServiceTime;

    pub(super) fn serialize<S: Serializer>(t: &ServiceTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(t)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ServiceTime, D::Error> {
        let text = String::deserialize(from)?;
        let whole = if text.len() <= 5 { format!("{text}:00") } else { text.clone() };
        whole.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a time of the form HH:MM or HH:MM:SS")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Scenario {
        disturbance: Vec<Disturbance>,
    }

    const EVERY_KIND: &str = r#"
        [[disturbance]]
        kind = "incident"
        place = { from_stop = "1", to_stop = "2" }
        from = "07:30"
        to = "08:15:30"
        factor = 2.5
        [[disturbance]]
        kind = "incident"
        day = "20261123"
        place = { lat = 48.85, lon = 37.6, radius_m = 400.0 }
        from = "07:30"
        to = "08:15"
        factor = 2.5
        [[disturbance]]
        kind = "incident"
        place = { near_stop = "1", radius_m = 400 }
        from = "07:30"
        to = "08:15"
        factor = 3
        [[disturbance]]
        kind = "incident"
        place = { route = "3", direction = 1 }
        from = "07:30"
        to = "08:15"
        factor = 1.5
        [[disturbance]]
        kind = "weather"
        from = "12:00"
        to = "25:30"
        factor = 1.2
        [[disturbance]]
        kind = "breakdown"
        vehicle = "1001"
        at = "08:25"
        replaced_after_s = 1200
        [[disturbance]]
        kind = "breakdown"
        vehicle = { route = "3", direction = 0, from = "08:10" }
        at = "08:25"
        [[disturbance]]
        kind = "short_turn"
        trip = "t1"
        stop = 5
        back_at = "S7"
        [[disturbance]]
        kind = "detour"
        after_stop = "1"
        until_stop = "4"
        from = "07:00"
        to = "09:00"
        [[disturbance]]
        kind = "missed_trip"
        trip = { route = "3", from = "08:10" }
        [[disturbance]]
        kind = "swap"
        vehicle = "1001"
        with = "1002"
        from = "10:00"
        [[disturbance]]
        kind = "early_departure"
        trip = "t1"
        by_s = 90
    "#;

    #[test]
    fn every_kind_is_read_from_toml_and_survives_a_round_trip() {
        let read: Scenario = toml::from_str(EVERY_KIND).unwrap();
        assert_eq!(read.disturbance.len(), 12);
        for d in &read.disturbance {
            d.check().unwrap();
            let text = toml::to_string(d).unwrap();
            assert!(text.contains(&format!("kind = \"{}\"", d.kind())), "{text}");
            assert_eq!(toml::from_str::<Disturbance>(&text).unwrap(), *d, "{text}");
        }
        let [_, incident, ..] = &read.disturbance[..] else { panic!() };
        assert!(incident.happens_on("20261123".parse().unwrap()) && !incident.happens_on("20261124".parse().unwrap()));
        assert_eq!(incident.times(), Some((ServiceTime(27_000), ServiceTime(29_700))));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, says) in [
            ("kind = \"earthquake\"", "earthquake"),
            ("kind = \"missed_trip\"\ntrip = \"t\"\nloud = true", "loud"),
            ("kind = \"weather\"\nfrom = \"7\"\nto = \"08:00\"\nfactor = 2.0", "`7` is not a time"),
            ("kind = \"weather\"\nfrom = \"07:00\"\nfactor = 2.0", "to"),
        ] {
            let e = toml::from_str::<Disturbance>(text).unwrap_err().to_string();
            assert!(e.contains(says), "{e}");
        }
    }

    #[test]
    fn numbers_without_sense_are_refused_by_field() {
        for (text, says) in [
            ("kind = \"weather\"\nfrom = \"09:00\"\nto = \"08:00\"\nfactor = 2.0", "to is 08:00:00"),
            ("kind = \"weather\"\nfrom = \"07:00\"\nto = \"08:00\"\nfactor = 0.0", "factor is 0"),
            ("kind = \"early_departure\"\ntrip = \"t\"\nby_s = 4000", "by_s is 4000"),
            ("kind = \"short_turn\"\ntrip = \"t\"\nstop = 1", "stop is 1"),
        ] {
            let e = toml::from_str::<Disturbance>(text).unwrap().check().unwrap_err().to_string();
            assert!(e.contains(says), "{e}");
        }
    }
}
