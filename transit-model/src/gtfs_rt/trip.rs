//! Which trip and which vehicle a part of a feed is about.

use crate::fix::Reported;

/// Which trip: by its id, or by route, direction and start where ids are not known.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TripDescriptor {
    /// GTFS `trip_id`.
    #[prost(string, optional, tag = "1")]
    pub trip_id: Option<String>,
    /// When the trip starts, `HH:MM:SS` of its service day; may go past 24 h.
    #[prost(string, optional, tag = "2")]
    pub start_time: Option<String>,
    /// The service day, `YYYYMMDD`.
    #[prost(string, optional, tag = "3")]
    pub start_date: Option<String>,
    /// What it is to the timetable.
    #[prost(enumeration = "TripRelationship", optional, tag = "4")]
    pub schedule_relationship: Option<i32>,
    /// GTFS `route_id`.
    #[prost(string, optional, tag = "5")]
    pub route_id: Option<String>,
    /// GTFS `direction_id`, 0 or 1.
    #[prost(uint32, optional, tag = "6")]
    pub direction_id: Option<u32>,
}

impl TripDescriptor {
    /// What a vehicle that sends it says of its trip. An empty text, or a date, time or
    /// direction that is none, says nothing.
    #[must_use]
    pub fn reported(&self) -> Reported {
        let text = |v: &Option<String>| v.as_deref().filter(|v| !v.is_empty()).map(Into::into);
        Reported {
            trip_id: text(&self.trip_id),
            route_id: text(&self.route_id),
            start_date: self.start_date.as_deref().and_then(|d| d.parse().ok()),
            direction: self.direction_id.and_then(|d| u8::try_from(d).ok()).filter(|d| *d < 2),
            start_time: self.start_time.as_deref().and_then(|t| t.parse().ok()),
            ..Reported::default()
        }
    }
}

impl From<&Reported> for TripDescriptor {
    fn from(r: &Reported) -> Self {
        Self {
            trip_id: r.trip_id.as_deref().map(str::to_owned),
            route_id: r.route_id.as_deref().map(str::to_owned),
            start_time: r.start_time.map(|t| t.to_string()),
            start_date: r.start_date.map(|d| d.to_string()),
            direction_id: r.direction.map(u32::from),
            ..Self::default()
        }
    }
}

/// What a trip is to the timetable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum TripRelationship {
    /// One of its trips.
    Scheduled = 0,
    /// Run besides it.
    Added = 1,
    /// Of a route without times (`frequencies.txt`, `exact_times=0`).
    Unscheduled = 2,
    /// One of its trips that does not run.
    Canceled = 3,
    /// One that replaces another.
    Replacement = 5,
    /// A copy of one, at another time.
    Duplicated = 6,
    /// One that does not run and is not to be shown.
    Deleted = 7,
    /// One nobody has heard of.
    New = 8,
}

/// Which vehicle.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VehicleDescriptor {
    /// The operator's own name for it, the same from day to day; not for passengers.
    #[prost(string, optional, tag = "1")]
    pub id: Option<String>,
    /// What passengers can read on it.
    #[prost(string, optional, tag = "2")]
    pub label: Option<String>,
    /// Its number plate.
    #[prost(string, optional, tag = "3")]
    pub license_plate: Option<String>,
    /// Whether a wheelchair gets in.
    #[prost(enumeration = "WheelchairAccessible", optional, tag = "4")]
    pub wheelchair_accessible: Option<i32>,
}

/// Whether a wheelchair gets in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum WheelchairAccessible {
    /// It says nothing; the timetable's word stands.
    NoValue = 0,
    /// Nobody knows, whatever the timetable says.
    Unknown = 1,
    /// It does.
    WheelchairAccessible = 2,
    /// It does not.
    WheelchairInaccessible = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_vehicle_reports_survives_the_way_through_a_descriptor() {
        let r = Reported {
            trip_id: Some("t17".into()),
            route_id: Some("3".into()),
            start_date: "20261122".parse().ok(),
            direction: Some(1),
            start_time: "25:10:00".parse().ok(),
            ..Reported::default()
        };
        assert_eq!(TripDescriptor::from(&r).reported(), r);
        let empty = TripDescriptor {
            trip_id: Some(String::new()),
            start_date: Some("tomorrow".into()),
            start_time: Some("noon".into()),
            direction_id: Some(2),
            ..TripDescriptor::default()
        };
        assert!(empty.reported().is_empty());
    }
}
