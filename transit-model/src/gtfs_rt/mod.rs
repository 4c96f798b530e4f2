//! The messages of GTFS-Realtime, for whoever reads or publishes a feed, and what they are in the model's own
//! terms: a [`TripDescriptor`] is a [`Reported`](crate::fix::Reported), a timestamp a [`UnixMs`].
//!
//! They are those of `gtfs-realtime.proto`, specification 2.0, whose names and numbers they keep; fields marked
//! experimental there are here where feeds use them, the others are passed over when read. Not here: where a feed
//! comes from or goes to, and whether what it says is believable.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | the envelope: [`FeedMessage`], [`FeedHeader`], [`FeedEntity`] |
//! | `vehicle` | [`VehiclePosition`] |
//! | `trip` | [`TripDescriptor`] |
//! | `update` | [`TripUpdate`] |
//! | `alert` | [`Alert`] |
//!
//! A reader may meet a number that an enumeration does not have: such a field is kept as its number, and the
//! method of its name gives the default.

mod alert;
mod trip;
mod update;
mod vehicle;

pub use alert::{Alert, Cause, Effect, EntitySelector, SeverityLevel, TimeRange, TranslatedString, Translation};
/// Reading and writing: `FeedMessage::decode(bytes)`, `message.encode_to_vec()`.
pub use prost::{DecodeError, Message};
pub use trip::{TripDescriptor, TripRelationship, VehicleDescriptor, WheelchairAccessible};
pub use update::{StopRelationship, StopTimeEvent, StopTimeProperties, StopTimeUpdate, TripProperties, TripUpdate};
pub use vehicle::{CarriageDetails, CongestionLevel, OccupancyStatus, Position, VehiclePosition, VehicleStopStatus};

use crate::time::UnixMs;

/// The version of the specification that we write.
pub const VERSION: &str = "2.0";

/// A whole feed, or one message of a stream of them.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FeedMessage {
    /// About the feed. The specification demands it; `None` is what a reader sees of a message without one.
    #[prost(message, optional, tag = "1")]
    pub header: Option<FeedHeader>,
    /// What it says.
    #[prost(message, repeated, tag = "2")]
    pub entity: Vec<FeedEntity>,
}

impl FeedMessage {
    /// A message that says all there is, at a moment.
    #[must_use]
    pub fn at(time: UnixMs, entity: Vec<FeedEntity>) -> Self {
        let header = FeedHeader {
            gtfs_realtime_version: VERSION.to_owned(),
            incrementality: None,
            timestamp: stamp(time),
            feed_version: None,
        };
        Self { header: Some(header), entity }
    }

    /// When it was made; `None` when it does not say.
    #[must_use]
    pub fn made(&self) -> Option<UnixMs> {
        self.header.as_ref().and_then(|h| moment(h.timestamp))
    }
}

/// About a feed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FeedHeader {
    /// The version of the specification.
    #[prost(string, required, tag = "1")]
    pub gtfs_realtime_version: String,
    /// Whether the message is the whole truth or a change to it.
    #[prost(enumeration = "Incrementality", optional, tag = "2")]
    pub incrementality: Option<i32>,
    /// When it was made, unix seconds.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    /// `feed_version` of the static feed it is made with.
    #[prost(string, optional, tag = "4")]
    pub feed_version: Option<String>,
}

/// Whether a message is the whole truth or a change to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum Incrementality {
    /// It replaces all that was said before.
    FullDataset = 0,
    /// It changes what was said before.
    Differential = 1,
}

/// One thing a feed says: one of its parts is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FeedEntity {
    /// Tells the entities of a feed apart.
    #[prost(string, required, tag = "1")]
    pub id: String,
    /// Whether what was said under this id is no more; of differential feeds only.
    #[prost(bool, optional, tag = "2")]
    pub is_deleted: Option<bool>,
    /// How a trip runs.
    #[prost(message, optional, tag = "3")]
    pub trip_update: Option<TripUpdate>,
    /// Where a vehicle is.
    #[prost(message, optional, tag = "4")]
    pub vehicle: Option<VehiclePosition>,
    /// What passengers should know.
    #[prost(message, optional, tag = "5")]
    pub alert: Option<Alert>,
}

impl FeedEntity {
    /// An entity about a vehicle.
    #[must_use]
    pub fn of_vehicle(id: impl Into<String>, vehicle: VehiclePosition) -> Self {
        Self { id: id.into(), vehicle: Some(vehicle), ..Self::default() }
    }
}

/// The moment of a timestamp in unix seconds; zero is how many producers say that they know none.
#[must_use]
pub fn moment(timestamp: Option<u64>) -> Option<UnixMs> {
    timestamp.filter(|t| *t != 0).and_then(|t| i64::try_from(t).ok()).map(UnixMs::from_secs)
}

/// A moment as a timestamp in unix seconds; `None` before 1970.
#[must_use]
pub fn stamp(time: UnixMs) -> Option<u64> {
    u64::try_from(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes written by hand from the numbers of the specification.
    #[test]
    fn the_numbers_on_the_wire_are_those_of_the_specification() {
        let message = FeedMessage::at(
            UnixMs::from_secs(1),
            vec![FeedEntity::of_vehicle(
                "e",
                VehiclePosition {
                    trip: Some(TripDescriptor {
                        trip_id: Some("t".into()),
                        start_time: Some("s".into()),
                        start_date: Some("d".into()),
                        route_id: Some("r".into()),
                        direction_id: Some(1),
                        ..TripDescriptor::default()
                    }),
                    position: Some(Position { latitude: 1.0, longitude: 2.0, speed: Some(4.0), ..Position::default() }),
                    timestamp: Some(7),
                    vehicle: Some(VehicleDescriptor { id: Some("v".into()), ..VehicleDescriptor::default() }),
                    ..VehiclePosition::default()
                },
            )],
        );
        let trip = b"\x0a\x01t\x12\x01s\x1a\x01d\x2a\x01r\x30\x01";
        let position = b"\x0d\x00\x00\x80\x3f\x15\x00\x00\x00\x40\x2d\x00\x00\x80\x40";
        let mut vehicle = vec![0x0a, trip.len() as u8];
        vehicle.extend(trip);
        vehicle.extend([0x12, position.len() as u8]);
        vehicle.extend(position);
        vehicle.extend(b"\x28\x07\x42\x03\x0a\x01v");
        let mut entity = b"\x0a\x01e\x22".to_vec();
        entity.push(vehicle.len() as u8);
        entity.extend(vehicle);
        let mut wire = b"\x0a\x07\x0a\x032.0\x18\x01\x12".to_vec();
        wire.push(entity.len() as u8);
        wire.extend(entity);
        assert_eq!(message.encode_to_vec(), wire);
        assert_eq!(FeedMessage::decode(wire.as_slice()).unwrap(), message);
    }

    #[test]
    fn a_field_nobody_here_knows_is_passed_over() {
        let mut wire = FeedMessage::at(UnixMs::from_secs(5), Vec::new()).encode_to_vec();
        wire.extend(b"\xa2\x3e\x02hi");
        assert_eq!(FeedMessage::decode(wire.as_slice()).unwrap().made(), Some(UnixMs::from_secs(5)));
    }

    #[test]
    fn a_number_no_enumeration_has_reads_as_the_default() {
        let v = VehiclePosition { current_status: Some(77), ..VehiclePosition::default() };
        assert_eq!(v.current_status(), VehicleStopStatus::InTransitTo);
        assert_eq!(VehiclePosition::default().current_status(), VehicleStopStatus::InTransitTo);
    }

    #[test]
    fn a_timestamp_of_zero_is_none() {
        assert_eq!((moment(Some(0)), moment(None), moment(Some(u64::MAX))), (None, None, None));
        assert_eq!((moment(Some(9)), stamp(UnixMs(9_999)), stamp(UnixMs(-1))), (Some(UnixMs(9_000)), Some(9), None));
    }
}
