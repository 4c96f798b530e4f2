//! OwnTracks, the phone app, over MQTT: JSON with a `_type` (`docs/protocols/owntracks.md`).
//!
//! Of its messages `location` says where the phone is; a `transition` says that it entered or left a place and may say
//! where it was then. The others carry no position, and one whose content is encrypted cannot be read. Not here: topics
//! (`owntracks/{user}/{device}`), and what the app calls regions and friends.

use serde_json::Value;
use transit_model::time::UnixMs;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{Attributes, KMH, bad, course};
use super::model::digest;
use super::mqtt_json::json_error;
use super::{DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

/// The longest payload taken, bytes: a picture in a `card` is longer, and no business of ours.
pub const MAX_PAYLOAD: usize = 16 << 10;
/// The topic that the app publishes to, and below.
pub const TOPIC: &str = "owntracks/{vehicle}/{vehicle}/#";

/// The types of message that carry no position of the phone.
const UNLOCATED: [&str; 14] = [
    "lwt",
    "waypoint",
    "waypoints",
    "status",
    "steps",
    "step",
    "card",
    "cmd",
    "beacon",
    "dump",
    "configuration",
    "request",
    "remoteConfiguration",
    "scan",
];

/// Whether a payload looks like one: a JSON object.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    super::mqtt_json::sniff(first)
}

/// Reads a payload: always [`Message::Records`] with one record, without a position where the message has none. The
/// device is the `topic` that the payload names, where it does.
///
/// # Errors
/// When it is too long, not JSON, of a type nobody knows or encrypted, or a place lacks a part or its time.
pub fn decode(payload: &[u8]) -> Result<Message, DecodeError> {
    if payload.len() > MAX_PAYLOAD {
        let detail = format!("{} bytes; at most {MAX_PAYLOAD} are taken", payload.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let root: Value = serde_json::from_slice(payload).map_err(|e| json_error(payload, &e))?;
    let kind = match root.get("_type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(_) => return Err(bad(0, "`_type` is not text")),
        None => return Err(DecodeError::new(Kind::MissingField, 0, "no `_type`")),
    };
    let position = match kind {
        "location" => Some(position(&root)?),
        "transition" if root.get("lat").is_some() => Some(position(&root)?),
        "transition" => None,
        "encrypted" => return Err(bad(0, "`_type` is encrypted: the app has a key set that we do not have")),
        other if UNLOCATED.contains(&other) => None,
        other => return Err(bad(0, format!("`_type` is `{}`", other.chars().take(40).collect::<String>()))),
    };
    let time = time(&root)?;
    if position.is_some() && time.is_none() {
        return Err(DecodeError::new(Kind::MissingField, 0, "no `tst`"));
    }
    Ok(Message::Records(vec![Record {
        device: device(&root),
        time,
        sequence: digest(payload),
        position,
        attributes: attributes(kind, &root).0,
        ..Record::default()
    }]))
}

/// `owntracks/{user}/{device}` as the app writes it into a payload that does not come over MQTT.
fn device(root: &Value) -> Option<DeviceKey> {
    let mut levels = root.get("topic")?.as_str()?.split('/').skip(1);
    DeviceKey::of_name(&format!("{}:{}", levels.next()?, levels.next()?))
}

fn time(root: &Value) -> Result<Option<UnixMs>, DecodeError> {
    match root.get("tst") {
        None | Some(Value::Null) => Ok(None),
        Some(v) => match v.as_f64().filter(|t| (0.0..1e11).contains(t)) {
            Some(t) => Ok(Some(UnixMs::from_secs_f64(t))),
            None => Err(bad(0, format!("`tst` is {v}; unix seconds are expected"))),
        },
    }
}

fn position(root: &Value) -> Result<Position, DecodeError> {
    let degrees = |name: &str| match root.get(name) {
        Some(v) => v.as_f64().ok_or_else(|| bad(0, format!("`{name}` is not a number"))),
        None => Err(DecodeError::new(Kind::MissingField, 0, format!("no `{name}`"))),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates and these are small")]
    let small = |name: &str| root.get(name).and_then(Value::as_f64).map(|v| v as f32);
    #[expect(clippy::cast_possible_truncation, reason = "the same")]
    let speed = small("vel").filter(|v| *v >= 0.0).map(|v| v / KMH as f32);
    Ok(Position {
        lat: degrees("lat")?,
        lon: degrees("lon")?,
        altitude: small("alt"),
        speed,
        // A phone that stands says -1.
        bearing: root.get("cog").and_then(Value::as_f64).and_then(course),
        accuracy: small("acc").filter(|v| *v >= 0.0),
        valid: true,
        ..Position::default()
    })
}

fn attributes(kind: &str, root: &Value) -> Attributes {
    let mut a = Attributes::default();
    if kind != "location" {
        a.text("message", kind);
    }
    if let Some(percent) = root.get("batt").and_then(Value::as_f64) {
        a.number("battery_percent", percent);
    }
    // 1 = unplugged, 2 = charging, 3 = full; 0 = unknown.
    if let Some(state) = root.get("bs").and_then(Value::as_u64).filter(|s| *s != 0) {
        a.flag("charging", state > 1);
    }
    for (name, field) in
        [("tracker_id", "tid"), ("trigger", "t"), ("network", "conn"), ("event", "event"), ("place", "desc")]
    {
        if let Some(text) = root.get(field).and_then(Value::as_str) {
            a.text(name, text);
        }
    }
    a
}

/// Nothing: MQTT acknowledges by PUBACK.
#[must_use]
pub const fn acknowledge(_message: &Message, _outcome: Outcome) -> Vec<u8> {
    Vec::new()
}

/// Writes a record as a `location`, or as an `lwt` where it has no position.
///
/// # Errors
/// When the record has no time.
pub fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let tst = record.time.ok_or(EncodeError::Missing("time"))?.secs();
    let Some(p) = record.position else {
        return Ok(serde_json::json!({"_type": "lwt", "tst": tst}).to_string().into_bytes());
    };
    let mut v = serde_json::json!({"_type": "location", "tst": tst, "lat": p.lat, "lon": p.lon});
    let vel = p.speed.map(|s| (f64::from(s) * KMH).round());
    let others = [
        ("vel", vel),
        ("cog", p.bearing.map(|b| f64::from(b.round()))),
        ("alt", p.altitude.map(f64::from)),
        ("acc", p.accuracy.map(f64::from)),
    ];
    if let Value::Object(all) = &mut v {
        all.extend(others.into_iter().filter_map(|(name, v)| Some((name.to_owned(), v?.into()))));
    }
    Ok(v.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{AttrKey, AttrValue};
    use serde_json::json;

    fn read(v: &Value) -> Result<Record, DecodeError> {
        match decode(v.to_string().as_bytes())? {
            Message::Records(mut records) if records.len() == 1 => Ok(records.remove(0)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_location_is_read_in_our_units() {
        let r = read(
            &json!({"_type": "location", "tst": 1_795_354_825, "lat": 48.8532, "lon": 37.6051, "vel": 36, "cog": 271,
            "alt": 74, "acc": 12, "batt": 83, "bs": 2, "tid": "b7", "t": "u", "conn": "m", "vac": 4,
            "topic": "owntracks/depot/bus-7", "inregions": ["home"], "created_at": 1_795_354_826}),
        )
        .unwrap();
        let p = r.position.unwrap();
        assert_eq!((p.lat, p.lon, p.speed, p.bearing), (48.8532, 37.6051, Some(10.0), Some(271.0)));
        assert_eq!((p.altitude, p.accuracy, p.valid), (Some(74.0), Some(12.0), true));
        assert_eq!((r.time, r.device), (Some(UnixMs::from_secs(1_795_354_825)), Some("depot:bus-7".into())));
        assert!(r.attributes.contains(&(AttrKey::Name("charging"), AttrValue::Bool(true))));
        let still = read(&json!({"_type": "location", "tst": 1, "lat": 1, "lon": 2, "vel": -1, "cog": -1})).unwrap();
        assert_eq!(still.position.map(|p| (p.speed, p.bearing)), Some((None, None)));
    }

    #[test]
    fn what_carries_no_position_is_read_and_moves_nothing() {
        for kind in UNLOCATED.into_iter().chain(["transition"]) {
            let r = read(&json!({"_type": kind, "tst": 5})).unwrap();
            assert_eq!((r.position, r.time), (None, Some(UnixMs::from_secs(5))), "{kind}");
            assert_eq!(r.attributes, [(AttrKey::Name("message"), AttrValue::Text(kind.into()))]);
        }
        // A waypoint's place is the place's, not the phone's.
        assert_eq!(read(&json!({"_type": "waypoint", "tst": 5, "lat": 1, "lon": 2})).unwrap().position, None);
        let entered =
            read(&json!({"_type": "transition", "tst": 5, "lat": 1.5, "lon": 2, "event": "enter", "desc": "депо"}));
        assert_eq!(entered.unwrap().position.map(|p| p.lat), Some(1.5));
        assert_eq!(read(&json!({"_type": "cmd", "action": "reportLocation"})).unwrap().time, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (v, kind, word) in [
            (json!({"lat": 1}), Kind::MissingField, "`_type`"),
            (json!({"_type": "banana"}), Kind::BadField, "banana"),
            (json!({"_type": "encrypted", "data": "x"}), Kind::BadField, "encrypted"),
            (json!({"_type": "location", "tst": 1, "lat": 1}), Kind::MissingField, "`lon`"),
            (json!({"_type": "location", "tst": 1, "lat": "1", "lon": 1}), Kind::BadField, "`lat`"),
            (json!({"_type": "location", "lat": 1, "lon": 1}), Kind::MissingField, "`tst`"),
            (json!({"_type": "location", "tst": 1e15, "lat": 1, "lon": 1}), Kind::BadField, "`tst`"),
        ] {
            let e = read(&v).unwrap_err();
            assert!(e.kind == kind && e.detail.contains(word), "{v}: {e}");
        }
        assert_eq!(decode(b"[1").unwrap_err().kind, Kind::Truncated);
        assert_eq!(decode(&vec![b' '; MAX_PAYLOAD + 1]).unwrap_err().kind, Kind::Oversize);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let p = Position {
            lat: 48.85,
            lon: 37.6,
            speed: Some(10.0),
            bearing: Some(90.0),
            valid: true,
            ..Position::default()
        };
        let sent = Record::at(UnixMs::from_secs(1_795_354_825), p);
        for sent in [sent.clone(), Record { position: None, ..sent }] {
            let Ok(Message::Records(got)) = decode(&encode(&sent).unwrap()) else { panic!() };
            assert_eq!((got[0].time, got[0].position), (sent.time, sent.position));
        }
        assert_eq!(encode(&Record::default()), Err(EncodeError::Missing("time")));
    }
}
