//! How a trip runs: when it calls where, what it skips.

use super::{TripDescriptor, VehicleDescriptor};

/// How a trip runs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TripUpdate {
    /// Which trip.
    #[prost(message, required, tag = "1")]
    pub trip: TripDescriptor,
    /// Its calls, in order of `stop_sequence`; one that is not named runs as the one before it.
    #[prost(message, repeated, tag = "2")]
    pub stop_time_update: Vec<StopTimeUpdate>,
    /// The vehicle that runs it.
    #[prost(message, optional, tag = "3")]
    pub vehicle: Option<VehicleDescriptor>,
    /// When this was known, unix seconds.
    #[prost(uint64, optional, tag = "4")]
    pub timestamp: Option<u64>,
    /// How late it is, seconds; negative = early. Calls win over it.
    #[prost(int32, optional, tag = "5")]
    pub delay: Option<i32>,
    /// What a trip that is not as the timetable has it is like.
    #[prost(message, optional, tag = "6")]
    pub trip_properties: Option<TripProperties>,
}

/// When a vehicle arrives or departs: by the clock or against the timetable.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct StopTimeEvent {
    /// Seconds late; negative = early.
    #[prost(int32, optional, tag = "1")]
    pub delay: Option<i32>,
    /// Unix seconds. It wins over `delay`.
    #[prost(int64, optional, tag = "2")]
    pub time: Option<i64>,
    /// How wrong it may be, seconds; 0 = certain.
    #[prost(int32, optional, tag = "3")]
    pub uncertainty: Option<i32>,
    /// The timetable's time, unix seconds, of trips the static feed does not have.
    #[prost(int64, optional, tag = "4")]
    pub scheduled_time: Option<i64>,
}

/// One call of a trip.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StopTimeUpdate {
    /// `stop_sequence` of the call.
    #[prost(uint32, optional, tag = "1")]
    pub stop_sequence: Option<u32>,
    /// When it arrives.
    #[prost(message, optional, tag = "2")]
    pub arrival: Option<StopTimeEvent>,
    /// When it departs.
    #[prost(message, optional, tag = "3")]
    pub departure: Option<StopTimeEvent>,
    /// `stop_id` of the call.
    #[prost(string, optional, tag = "4")]
    pub stop_id: Option<String>,
    /// What the call is to the timetable.
    #[prost(enumeration = "StopRelationship", optional, tag = "5")]
    pub schedule_relationship: Option<i32>,
    /// What is other than in the timetable.
    #[prost(message, optional, tag = "6")]
    pub stop_time_properties: Option<StopTimeProperties>,
    /// How full the vehicle is expected to be when it departs.
    #[prost(enumeration = "super::OccupancyStatus", optional, tag = "7")]
    pub departure_occupancy_status: Option<i32>,
}

/// What a call is to the timetable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum StopRelationship {
    /// As the timetable has it, at the time said here.
    Scheduled = 0,
    /// The vehicle does not call.
    Skipped = 1,
    /// Nothing is known from here on.
    NoData = 2,
    /// Of a trip without times.
    Unscheduled = 3,
}

/// What is other than in the timetable.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StopTimeProperties {
    /// The stop called at instead.
    #[prost(string, optional, tag = "1")]
    pub assigned_stop_id: Option<String>,
    /// The sign shown from here on.
    #[prost(string, optional, tag = "2")]
    pub stop_headsign: Option<String>,
}

/// What a trip that is not as the timetable has it is like.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TripProperties {
    /// The new trip's id.
    #[prost(string, optional, tag = "1")]
    pub trip_id: Option<String>,
    /// Its service day, `YYYYMMDD`.
    #[prost(string, optional, tag = "2")]
    pub start_date: Option<String>,
    /// When it starts, `HH:MM:SS`.
    #[prost(string, optional, tag = "3")]
    pub start_time: Option<String>,
    /// The shape it follows.
    #[prost(string, optional, tag = "4")]
    pub shape_id: Option<String>,
    /// The sign it shows.
    #[prost(string, optional, tag = "5")]
    pub trip_headsign: Option<String>,
    /// What passengers call it.
    #[prost(string, optional, tag = "6")]
    pub trip_short_name: Option<String>,
}
