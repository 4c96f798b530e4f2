//! Where a vehicle is, what it does there and how full it is.

use super::{TripDescriptor, VehicleDescriptor, moment};
use crate::time::UnixMs;

/// Where a vehicle is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VehiclePosition {
    /// The trip it is on.
    #[prost(message, optional, tag = "1")]
    pub trip: Option<TripDescriptor>,
    /// Its place.
    #[prost(message, optional, tag = "2")]
    pub position: Option<Position>,
    /// `stop_sequence` of the stop it is at or goes to.
    #[prost(uint32, optional, tag = "3")]
    pub current_stop_sequence: Option<u32>,
    /// What it does with regard to that stop.
    #[prost(enumeration = "VehicleStopStatus", optional, tag = "4", default = "InTransitTo")]
    pub current_status: Option<i32>,
    /// When it was there, unix seconds.
    #[prost(uint64, optional, tag = "5")]
    pub timestamp: Option<u64>,
    /// How the traffic around it is.
    #[prost(enumeration = "CongestionLevel", optional, tag = "6")]
    pub congestion_level: Option<i32>,
    /// `stop_id` of the stop it is at or goes to.
    #[prost(string, optional, tag = "7")]
    pub stop_id: Option<String>,
    /// Which vehicle it is.
    #[prost(message, optional, tag = "8")]
    pub vehicle: Option<VehicleDescriptor>,
    /// How full it is.
    #[prost(enumeration = "OccupancyStatus", optional, tag = "9")]
    pub occupancy_status: Option<i32>,
    /// How full it is, per cent; more than 100 when too full.
    #[prost(uint32, optional, tag = "10")]
    pub occupancy_percentage: Option<u32>,
    /// Its carriages, from the first on.
    #[prost(message, repeated, tag = "11")]
    pub multi_carriage_details: Vec<CarriageDetails>,
}

impl VehiclePosition {
    /// When it was there; `None` when it does not say.
    #[must_use]
    pub fn time(&self) -> Option<UnixMs> {
        moment(self.timestamp)
    }

    /// What it calls itself: its id, else its label, else its number plate; `None` when it has none of them.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let v = self.vehicle.as_ref()?;
        [&v.id, &v.label, &v.license_plate].into_iter().find_map(|name| name.as_deref().filter(|n| !n.is_empty()))
    }
}

/// A place.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Position {
    /// WGS 84 latitude, degrees.
    #[prost(float, required, tag = "1")]
    pub latitude: f32,
    /// WGS 84 longitude, degrees.
    #[prost(float, required, tag = "2")]
    pub longitude: f32,
    /// The way it looks, degrees clockwise from north.
    #[prost(float, optional, tag = "3")]
    pub bearing: Option<f32>,
    /// Its odometer, metres.
    #[prost(double, optional, tag = "4")]
    pub odometer: Option<f64>,
    /// Metres a second.
    #[prost(float, optional, tag = "5")]
    pub speed: Option<f32>,
}

/// What a vehicle does with regard to its stop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum VehicleStopStatus {
    /// It is about to arrive.
    IncomingAt = 0,
    /// It stands there.
    StoppedAt = 1,
    /// It is on its way there.
    InTransitTo = 2,
}

impl VehicleStopStatus {
    /// What the specification calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IncomingAt => "INCOMING_AT",
            Self::StoppedAt => "STOPPED_AT",
            Self::InTransitTo => "IN_TRANSIT_TO",
        }
    }
}

/// How the traffic around a vehicle is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum CongestionLevel {
    /// Nobody knows.
    UnknownCongestionLevel = 0,
    /// It flows.
    RunningSmoothly = 1,
    /// It stops and goes.
    StopAndGo = 2,
    /// It is dense.
    Congestion = 3,
    /// People leave their cars.
    SevereCongestion = 4,
}

/// How full a vehicle is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum OccupancyStatus {
    /// Hardly anybody on board.
    Empty = 0,
    /// Many seats free.
    ManySeatsAvailable = 1,
    /// Few seats free.
    FewSeatsAvailable = 2,
    /// Room to stand.
    StandingRoomOnly = 3,
    /// Little room to stand.
    CrushedStandingRoomOnly = 4,
    /// Full.
    Full = 5,
    /// Nobody is let in.
    NotAcceptingPassengers = 6,
    /// Nobody knows.
    NoDataAvailable = 7,
    /// Not for passengers.
    NotBoardable = 8,
}

impl OccupancyStatus {
    /// What the specification calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::ManySeatsAvailable => "MANY_SEATS_AVAILABLE",
            Self::FewSeatsAvailable => "FEW_SEATS_AVAILABLE",
            Self::StandingRoomOnly => "STANDING_ROOM_ONLY",
            Self::CrushedStandingRoomOnly => "CRUSHED_STANDING_ROOM_ONLY",
            Self::Full => "FULL",
            Self::NotAcceptingPassengers => "NOT_ACCEPTING_PASSENGERS",
            Self::NoDataAvailable => "NO_DATA_AVAILABLE",
            Self::NotBoardable => "NOT_BOARDABLE",
        }
    }
}

/// One carriage.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CarriageDetails {
    /// Its own id.
    #[prost(string, optional, tag = "1")]
    pub id: Option<String>,
    /// What passengers can read on it.
    #[prost(string, optional, tag = "2")]
    pub label: Option<String>,
    /// How full it is.
    #[prost(enumeration = "OccupancyStatus", optional, tag = "3", default = "NoDataAvailable")]
    pub occupancy_status: Option<i32>,
    /// How full it is, per cent; -1 when nobody knows.
    #[prost(int32, optional, tag = "4", default = "-1")]
    pub occupancy_percentage: Option<i32>,
    /// Its place in the train, from 1.
    #[prost(uint32, optional, tag = "5")]
    pub carriage_sequence: Option<u32>,
}
