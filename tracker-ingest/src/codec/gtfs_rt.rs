//! GTFS-Realtime: the vehicle positions of a feed, whether one comes over MQTT for each vehicle or a whole
//! fleet's are fetched (`docs/protocols/gtfs-rt.md`).
//!
//! A position is a record of the vehicle its descriptor names. Trip updates, alerts and entities that are
//! deleted say nothing of where a vehicle is and are passed over. Not here: topics, and the fetching.

use transit_model::gtfs_rt::{
    FeedEntity, FeedMessage, Message as _, OccupancyStatus, TripDescriptor, VehicleDescriptor, VehiclePosition,
    VehicleStopStatus, stamp,
};
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{Attributes, bad, course};
use super::model::digest;
use super::{DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

/// The longest message taken, bytes: the fleet of a large country.
pub const MAX_MESSAGE: usize = 32 << 20;
/// A timestamp beyond this is milliseconds, which the specification does not have.
const MAX_TIMESTAMP: u64 = 100_000_000_000;

/// Whether bytes begin as a feed does: with its header.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first {
        [] => Sniff::NeedMore,
        [0x0A, ..] => Sniff::Yes,
        _ => Sniff::No,
    }
}

/// Reads a feed: always [`Message::Records`], one record for each vehicle position, in the order they stand.
/// Every record names its device: by the vehicle's descriptor, or by the entity where there is none.
///
/// # Errors
/// When it is too long, not protobuf, has no header, or a position or timestamp cannot be one. The whole message
/// is refused then; [`entities`] reads what can be read.
pub fn decode(message: &[u8]) -> Result<Message, DecodeError> {
    let feed = parse(message)?;
    entities(&feed).map(|(_, record)| record).collect::<Result<_, _>>().map(Message::Records)
}

/// The messages of protobuf.
///
/// # Errors
/// When it is too long, not protobuf or has no header.
pub fn parse(message: &[u8]) -> Result<FeedMessage, DecodeError> {
    if message.len() > MAX_MESSAGE {
        let detail = format!("{} bytes; at most {MAX_MESSAGE} are taken", message.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let feed = FeedMessage::decode(message)
        .map_err(|e| DecodeError::new(Kind::BadProtobuf, 0, format!("not a FeedMessage: {e}")))?;
    match feed.header {
        Some(_) => Ok(feed),
        None => Err(DecodeError::new(Kind::MissingField, 0, "no `header`")),
    }
}

/// The vehicle positions of a feed, each with its entity and read by itself, so that one that is wrong loses no
/// other.
pub fn entities(feed: &FeedMessage) -> impl Iterator<Item = (&FeedEntity, Result<Record, DecodeError>)> {
    let made = feed.made();
    feed.entity.iter().filter(|e| e.is_deleted != Some(true)).filter_map(move |entity| {
        let vehicle = entity.vehicle.as_ref()?;
        let whose = vehicle.name().unwrap_or(&entity.id);
        let record = record(vehicle, made).map(|r| Record { device: DeviceKey::of_name(whose), ..r });
        Some((entity, record.map_err(|e| DecodeError { detail: format!("entity `{}`: {}", entity.id, e.detail), ..e })))
    })
}

/// A vehicle position as a record without a device. Its time is its own, else when the feed was `made`, else none.
/// One without a place is a record without a position.
///
/// # Errors
/// When the timestamp is not in unix seconds, or the place is not a number.
pub fn record(vehicle: &VehiclePosition, made: Option<UnixMs>) -> Result<Record, DecodeError> {
    if let Some(t) = vehicle.timestamp.filter(|t| *t > MAX_TIMESTAMP) {
        return Err(bad(0, format!("`timestamp` is {t}; unix seconds are expected")));
    }
    let position = match vehicle.position {
        Some(p) if !(p.latitude.is_finite() && p.longitude.is_finite()) => {
            return Err(bad(0, format!("`position` is {}, {}; degrees are expected", p.latitude, p.longitude)));
        }
        Some(p) => Some(Position {
            lat: p.latitude.into(),
            lon: p.longitude.into(),
            speed: p.speed.filter(|v| v.is_finite() && *v >= 0.0),
            bearing: p.bearing.and_then(|b| course(b.into())),
            valid: true,
            ..Position::default()
        }),
        None => None,
    };
    Ok(Record {
        device: None,
        time: vehicle.time().or(made),
        // A vehicle is at one place at a time; whatever else changes in the message is no other record.
        sequence: vehicle.position.map_or(0, |p| {
            let mut place = [0; 8];
            for (to, from) in place.iter_mut().zip([p.latitude, p.longitude].iter().flat_map(|v| v.to_be_bytes())) {
                *to = from;
            }
            digest(&place)
        }),
        position,
        reported: vehicle.trip.as_ref().map(TripDescriptor::reported).unwrap_or_default(),
        attributes: attributes(vehicle).0,
    })
}

fn attributes(v: &VehiclePosition) -> Attributes {
    let mut a = Attributes::default();
    let words = |t: &Option<String>| t.clone().filter(|t| !t.is_empty());
    let descriptor = v.vehicle.clone().unwrap_or_default();
    for (name, text) in [
        ("label", words(&descriptor.label)),
        ("license_plate", words(&descriptor.license_plate)),
        ("stop_id", words(&v.stop_id)),
    ] {
        if let Some(text) = text {
            a.text(name, &text);
        }
    }
    if let Some(metres) = v.position.and_then(|p| p.odometer).filter(|m| m.is_finite() && *m >= 0.0) {
        a.number("odometer_m", metres);
    }
    if let Some(sequence) = v.current_stop_sequence {
        a.int("stop_sequence", sequence);
    }
    if let Some(status) = v.current_status.and_then(|s| VehicleStopStatus::try_from(s).ok()) {
        a.text("stop_status", status.name());
    }
    if let Some(full) = v.occupancy_status.and_then(|s| OccupancyStatus::try_from(s).ok()) {
        a.text("occupancy", full.name());
    }
    if let Some(percent) = v.occupancy_percentage {
        a.int("occupancy_percent", percent);
    }
    a
}

/// Nothing: MQTT acknowledges by PUBACK, and what is fetched is not acknowledged.
#[must_use]
pub const fn acknowledge(_message: &Message, _outcome: Outcome) -> Vec<u8> {
    Vec::new()
}

/// Writes records as one feed made at a moment, each of the vehicle its device names.
///
/// # Errors
/// When a record names no device.
#[expect(clippy::cast_possible_truncation, reason = "GTFS-Realtime has degrees as floats")]
pub fn encode(made: UnixMs, records: &[Record]) -> Result<Vec<u8>, EncodeError> {
    let entity = |record: &Record| {
        let id = record.device.as_ref().ok_or(EncodeError::Missing("device"))?.expose().to_owned();
        let trip = (!record.reported.is_empty()).then(|| TripDescriptor::from(&record.reported));
        let position = record.position.map(|p| transit_model::gtfs_rt::Position {
            latitude: p.lat as f32,
            longitude: p.lon as f32,
            bearing: p.bearing,
            odometer: None,
            speed: p.speed,
        });
        let vehicle = Some(VehicleDescriptor { id: Some(id.clone()), ..VehicleDescriptor::default() });
        let timestamp = record.time.and_then(stamp);
        Ok(FeedEntity::of_vehicle(
            id,
            VehiclePosition { trip, position, timestamp, vehicle, ..VehiclePosition::default() },
        ))
    };
    let entities = records.iter().map(entity).collect::<Result<_, _>>()?;
    Ok(FeedMessage::at(made, entities).encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use transit_model::fix::Reported;
    use transit_model::gtfs_rt::FeedHeader;
    use transit_model::time::ServiceTime;

    const MADE: UnixMs = UnixMs::from_secs(1_795_354_800);

    fn at(device: &str) -> Record {
        Record {
            device: Some(DeviceKey::from(device)),
            position: Some(Position {
                lat: 48.75,
                lon: 37.625,
                speed: Some(8.5),
                bearing: Some(91.0),
                valid: true,
                ..Position::default()
            }),
            time: Some(UnixMs::from_secs(1_795_354_795)),
            reported: Reported {
                trip_id: Some("t17".into()),
                route_id: Some("3".into()),
                start_date: "20261122".parse().ok(),
                ..Reported::default()
            },
            ..Record::default()
        }
    }

    fn read(message: &FeedMessage) -> Result<Vec<Record>, DecodeError> {
        decode(&message.encode_to_vec()).map(|m| match m {
            Message::Records(records) => records,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sent = [at("bus-1"), Record { position: None, ..at("bus-2") }];
        let wire = encode(MADE, &sent).unwrap();
        assert_eq!(sniff(&wire), Sniff::Yes);
        let Ok(Message::Records(got)) = decode(&wire) else { panic!() };
        assert_ne!(got[0].sequence, 0);
        let same: Vec<_> = got.into_iter().map(|r| Record { sequence: 0, ..r }).collect();
        assert_eq!(same, sent);
        assert_eq!(encode(MADE, &[Record::default()]), Err(EncodeError::Missing("device")));
    }

    #[test]
    fn the_feed_s_time_stands_in_for_a_vehicle_s() {
        let feed = |timestamp| {
            let vehicle = VehiclePosition { timestamp, ..VehiclePosition::default() };
            FeedMessage::at(MADE, vec![FeedEntity::of_vehicle("7", vehicle)])
        };
        assert_eq!(read(&feed(None)).unwrap()[0].time, Some(MADE));
        assert_eq!(read(&feed(Some(0))).unwrap()[0].time, Some(MADE));
        assert_eq!(read(&feed(Some(5))).unwrap()[0].time, Some(UnixMs::from_secs(5)));
        let e = read(&feed(Some(1_795_354_795_000))).unwrap_err();
        assert_eq!((e.kind, e.detail.contains("entity `7`: `timestamp`")), (Kind::BadField, true));
    }

    #[test]
    fn a_vehicle_is_called_by_its_id_label_plate_or_entity() {
        let of = |descriptor| {
            let vehicle = VehiclePosition { vehicle: descriptor, ..VehiclePosition::default() };
            read(&FeedMessage::at(MADE, vec![FeedEntity::of_vehicle("e/1", vehicle)])).unwrap()[0].device.clone()
        };
        let named = |id: &str, label: &str, plate: &str| {
            let text = |t: &str| Some(t.to_owned());
            of(Some(VehicleDescriptor {
                id: text(id),
                label: text(label),
                license_plate: text(plate),
                ..VehicleDescriptor::default()
            }))
        };
        assert_eq!(named("22/817", "817", "ABC"), Some("22:817".into()));
        assert_eq!(named("", "817", "ABC"), Some("817".into()));
        assert_eq!(named("", "", "ABC"), Some("ABC".into()));
        assert_eq!(of(None), Some("e:1".into()));
    }

    #[test]
    fn what_moves_no_vehicle_is_passed_over_and_what_it_does_is_kept() {
        let gone = FeedEntity { is_deleted: Some(true), ..FeedEntity::of_vehicle("1", VehiclePosition::default()) };
        let alert = FeedEntity { id: "2".into(), alert: Some(Default::default()), ..FeedEntity::default() };
        let bus = VehiclePosition {
            current_status: Some(1),
            stop_id: Some("s9".into()),
            occupancy_status: Some(5),
            trip: Some(TripDescriptor {
                start_time: Some("25:10:00".into()),
                direction_id: Some(1),
                ..TripDescriptor::default()
            }),
            ..VehiclePosition::default()
        };
        let records = read(&FeedMessage::at(MADE, vec![gone, alert, FeedEntity::of_vehicle("3", bus)])).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(
            (records[0].reported.direction, records[0].reported.start_time),
            (Some(1), Some(ServiceTime(25 * 3600 + 600)))
        );
        let said: Vec<String> = records[0].attributes.iter().map(|(k, v)| format!("{k} {v:?}")).collect();
        assert_eq!(said, ["stop_id Text(\"s9\")", "stop_status Text(\"STOPPED_AT\")", "occupancy Text(\"FULL\")"]);
    }

    #[test]
    fn one_entity_that_is_wrong_loses_no_other() {
        let wrong = VehiclePosition {
            position: Some(transit_model::gtfs_rt::Position { latitude: f32::NAN, ..Default::default() }),
            ..VehiclePosition::default()
        };
        let feed = FeedMessage::at(
            MADE,
            vec![FeedEntity::of_vehicle("1", wrong), FeedEntity::of_vehicle("2", VehiclePosition::default())],
        );
        let read: Vec<bool> = entities(&feed).map(|(_, r)| r.is_ok()).collect();
        assert_eq!(read, [false, true]);
        assert!(decode(&feed.encode_to_vec()).is_err());
    }

    #[test]
    fn what_is_no_feed_is_refused_by_name() {
        for (bytes, kind) in [
            (b"{\"header\":{}}".as_slice(), Kind::BadProtobuf),
            (b"", Kind::MissingField),
            (b"\x0a\xff\xff\xff\xff\x0f", Kind::BadProtobuf),
        ] {
            assert_eq!(decode(bytes).unwrap_err().kind, kind, "{bytes:?}");
        }
        let wire = encode(MADE, &[at("bus-1")]).unwrap();
        for cut in 0..wire.len() {
            // A cut message is refused, or is one that ends where a part does.
            if let Ok(Message::Records(some)) = decode(&wire[..cut]) {
                assert!(some.is_empty(), "cut at {cut}");
            }
        }
        let bare = FeedMessage { header: Some(FeedHeader::default()), entity: Vec::new() };
        assert_eq!(read(&bare).unwrap(), []);
    }
}
