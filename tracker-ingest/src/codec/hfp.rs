//! High-frequency positioning of HSL, Helsinki, version 2, over MQTT (`docs/protocols/hfp.md`).
//!
//! The topic names the vehicle and its journey, the payload is one JSON object under the event's name in capitals:
//!
//! ```text
//! /hfp/v2/journey/ongoing/vp/bus/0018/00423/1069/1/Malmi/14:00/1130106/5/60;24/28/59/31/3
//! {"VP":{"desi":"69","dir":"1","oper":18,"veh":423,"tst":"2026-11-22T12:00:05.123Z","tsi":…,"spd":8.3,"hdg":91,
//!        "lat":60.2,"long":24.9,"dl":-65,"odo":1042,"oday":"2026-11-22","start":"14:00","route":"1069",…}}
//! ```
//!
//! Every event carries a position, not only `vp`; `lat` and `long` are null where the vehicle has none. A direction is
//! 1 or 2, which GTFS calls 0 and 1. `dl` is negative when late. `acc` is an acceleration. Not here: what the traffic
//! lights said (`tlr`, `tla`), and the geohash.

use serde_json::Value;
use transit_model::fix::Reported;

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::fields::{Attributes, bad, course};
use super::model::digest;
use super::mqtt_json::json_error;
use super::topic::start_time;
use super::{DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff, osmand};

/// The longest payload taken, bytes.
pub const MAX_PAYLOAD: usize = 8 << 10;
/// What to subscribe to: the journeys under way, once a second each.
pub const TOPIC: &str = "/hfp/v2/journey/ongoing/vp/#";

/// The levels of a topic that we read; an empty one is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Topic<'t> {
    mode: Option<&'t str>,
    operator: Option<&'t str>,
    vehicle: Option<&'t str>,
    route: Option<&'t str>,
    direction: Option<&'t str>,
    headsign: Option<&'t str>,
    start: Option<&'t str>,
}

impl<'t> Topic<'t> {
    /// The part from the prefix on: `[/]hfp/v2/journey/ongoing/vp/…`.
    fn read(topic: &'t str) -> Option<Self> {
        let mut levels = topic.strip_prefix('/').unwrap_or(topic).split('/');
        if levels.next() != Some("hfp") || levels.next() != Some("v2") {
            return None;
        }
        // Kind of journey, whether it is under way, event.
        let mut levels = levels.skip(3);
        let mut next = || levels.next().filter(|l| !l.is_empty());
        Some(Self {
            mode: next(),
            operator: next(),
            vehicle: next(),
            route: next(),
            direction: next(),
            headsign: next(),
            start: next(),
        })
    }
}

/// Whether a payload looks like one: a JSON object.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    super::mqtt_json::sniff(first)
}

/// Reads a payload and the topic it came on, which may be empty: always [`Message::Records`] with one record. The device
/// is `operator:vehicle` of the topic, else of the payload (which names the operator that runs the trip, not the one
/// that owns the vehicle).
///
/// # Errors
/// When it is too long, not JSON, not one event, or a field is not what it should be.
pub fn decode(topic: &str, payload: &[u8]) -> Result<Message, DecodeError> {
    if payload.len() > MAX_PAYLOAD {
        let detail = format!("{} bytes; at most {MAX_PAYLOAD} are taken", payload.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let root: Value = serde_json::from_slice(payload).map_err(|e| json_error(payload, &e))?;
    let mut parts = root.as_object().into_iter().flatten();
    let (Some((event, Value::Object(_))), None) = (parts.next(), parts.next()) else {
        return Err(DecodeError::new(Kind::BadJson, 0, "not one event: an object in an object is expected"));
    };
    let body = root.get(event).unwrap_or(&Value::Null);
    let topic = Topic::read(topic).unwrap_or_default();
    let time = match (text(body, "tst"), number(body, "tsi")?) {
        (Some(iso), _) => osmand::time("tst", iso)?,
        (None, Some(secs)) => osmand::time("tsi", &format!("{secs:.0}"))?,
        (None, None) => return Err(DecodeError::new(Kind::MissingField, 0, "neither `tst` nor `tsi`")),
    };
    Ok(Message::Records(vec![Record {
        device: device(&topic, body),
        time: Some(time),
        sequence: digest(payload),
        position: position(body)?,
        reported: reported(&topic, body),
        attributes: attributes(event, &topic, body).0,
    }]))
}

fn text<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    body.get(name).and_then(Value::as_str).filter(|t| !t.is_empty())
}

/// A number, `None` where it is null or not there.
fn number(body: &Value, name: &str) -> Result<Option<f64>, DecodeError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(v) => v.as_f64().map(Some).ok_or_else(|| bad(0, format!("`{name}` is not a number"))),
    }
}

fn device(topic: &Topic<'_>, body: &Value) -> Option<DeviceKey> {
    if let (Some(operator), Some(vehicle)) = (topic.operator, topic.vehicle) {
        return DeviceKey::of_name(&format!("{operator}:{vehicle}"));
    }
    let whole = |name: &str| body.get(name).and_then(Value::as_u64);
    let (operator, vehicle) = (whole("oper")?, whole("veh")?);
    DeviceKey::of_name(&format!("{operator:04}:{vehicle:05}"))
}

fn position(body: &Value) -> Result<Option<Position>, DecodeError> {
    let (lat, lon) = match (number(body, "lat")?, number(body, "long")?) {
        (Some(lat), Some(lon)) => (lat, lon),
        // One without the other comes from the field too: half a place is none.
        _ => return Ok(None),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates and these are small")]
    let speed = number(body, "spd")?.filter(|v| *v >= 0.0).map(|v| v as f32);
    Ok(Some(Position {
        lat,
        lon,
        speed,
        bearing: number(body, "hdg")?.and_then(course),
        // Without satellites it says where the odometer or the driver has it.
        valid: text(body, "loc").is_none_or(|source| source != "N/A"),
        ..Position::default()
    }))
}

fn reported(topic: &Topic<'_>, body: &Value) -> Reported {
    let direction = text(body, "dir").or(topic.direction);
    Reported {
        route_id: text(body, "route").or(topic.route).map(Into::into),
        start_date: text(body, "oday").and_then(|d| d.parse().ok()),
        direction: match direction {
            Some("1") => Some(0),
            Some("2") => Some(1),
            _ => None,
        },
        start_time: text(body, "start").or(topic.start).and_then(start_time),
        sign: topic.headsign.and_then(Reported::word),
        ..Reported::default()
    }
}

fn attributes(event: &str, topic: &Topic<'_>, body: &Value) -> Attributes {
    let mut a = Attributes::default();
    a.text("event", &event.to_ascii_lowercase());
    for (name, value) in [("mode", topic.mode), ("line", text(body, "desi")), ("located_by", text(body, "loc"))] {
        if let Some(value) = value {
            a.text(name, value);
        }
    }
    let of = |name: &str| body.get(name).and_then(Value::as_f64);
    for (name, value) in [
        ("delay_s", of("dl").map(|ahead| -ahead)),
        ("odometer_m", of("odo")),
        ("acceleration", of("acc")),
        ("occupancy_percent", of("occu")),
    ] {
        if let Some(value) = value {
            a.number(name, value);
        }
    }
    if let Some(open) = body.get("drst").and_then(Value::as_u64) {
        a.flag("doors_open", open != 0);
    }
    match body.get("stop") {
        Some(Value::Number(stop)) => a.text("stop_id", &stop.to_string()),
        Some(Value::String(stop)) => a.text("stop_id", stop),
        _ => {}
    }
    a
}

/// Nothing: MQTT acknowledges by PUBACK.
#[must_use]
pub const fn acknowledge(_message: &Message, _outcome: Outcome) -> Vec<u8> {
    Vec::new()
}

/// Writes a record as a `vp` of a bus: its topic and its payload. The device is `operator:vehicle`.
///
/// # Errors
/// When the record has no time or no device of that form.
pub fn encode(record: &Record) -> Result<(String, Vec<u8>), EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let key = record.device.as_ref().ok_or(EncodeError::Missing("device"))?.expose();
    let stamp = jiff::Timestamp::from_millisecond(time.0)
        .map_err(|_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) })?;
    let (operator, vehicle) = key
        .split_once(':')
        .ok_or_else(|| EncodeError::OutOfRange { field: "device", value: "without an operator".to_owned() })?;
    let r = &record.reported;
    let route = r.route_id.as_deref().unwrap_or("");
    let direction = r.direction.map_or(String::new(), |d| (d + 1).to_string());
    let start = r.start_time.map_or(String::new(), |t| t.to_string().chars().take(5).collect());
    let sign = r.sign.as_deref().unwrap_or("").replace('/', " ");
    let topic =
        format!("/hfp/v2/journey/ongoing/vp/bus/{operator}/{vehicle}/{route}/{direction}/{sign}/{start}//0//////");
    let p = record.position;
    let or_null = |v: &str| if v.is_empty() { Value::Null } else { v.into() };
    let payload = serde_json::json!({"VP": {
        "tst": stamp.to_string(), "tsi": time.secs(),
        "lat": p.map(|p| p.lat), "long": p.map(|p| p.lon), "spd": p.and_then(|p| p.speed), "hdg": p.and_then(|p| p.bearing),
        "loc": if p.is_some_and(|p| p.valid) { "GPS" } else { "N/A" },
        "route": or_null(route), "dir": or_null(&direction), "start": or_null(&start),
        "oday": r.start_date.map(|d| d.date().to_string()),
    }});
    Ok((topic, payload.to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{AttrKey, AttrValue};
    use serde_json::json;
    use transit_model::time::{ServiceTime, UnixMs};

    const ON: &str = "/hfp/v2/journey/ongoing/vp/bus/0018/00423/1069/2/Malmi as./14:00/1130106/5/60;24/28/59/31/3";

    fn read(topic: &str, v: &Value) -> Result<Record, DecodeError> {
        match decode(topic, v.to_string().as_bytes())? {
            Message::Records(mut records) if records.len() == 1 => Ok(records.remove(0)),
            other => panic!("{other:?}"),
        }
    }

    fn vp() -> Value {
        json!({"VP": {"desi": "69", "dir": "2", "oper": 22, "veh": 423, "tst": "2026-11-22T12:00:05.123Z",
            "tsi": 1_795_348_805, "spd": 8.25, "hdg": 91, "lat": 60.2, "long": 24.9, "acc": -0.4, "dl": -65, "odo": 1042,
            "drst": 0, "oday": "2026-11-22", "jrn": 12, "line": 33, "start": "14:00", "loc": "GPS", "stop": 1_130_106,
            "route": "1069", "occu": 0}})
    }

    #[test]
    fn a_position_is_read_with_its_journey() {
        let r = read(ON, &vp()).unwrap();
        assert_eq!(r.device, Some("0018:00423".into()), "the owner of the vehicle, not who runs the trip");
        assert_eq!(r.time, Some(UnixMs(1_795_348_805_123)));
        let p = r.position.unwrap();
        assert_eq!((p.lat, p.lon, p.speed, p.bearing, p.valid), (60.2, 24.9, Some(8.25), Some(91.0), true));
        assert_eq!(p.accuracy, None, "`acc` is an acceleration");
        assert_eq!(
            r.reported,
            Reported {
                route_id: Some("1069".into()),
                start_date: "20261122".parse().ok(),
                direction: Some(1),
                start_time: Some(ServiceTime(14 * 3600)),
                sign: Some("Malmi as.".into()),
                ..Reported::default()
            }
        );
        let has = |name, v| assert!(r.attributes.contains(&(AttrKey::Name(name), v)), "{name}: {:?}", r.attributes);
        has("delay_s", AttrValue::Float(65.0));
        has("stop_id", AttrValue::Text("1130106".into()));
        has("event", AttrValue::Text("vp".into()));
    }

    #[test]
    fn empty_levels_and_nulls_are_nothing_said() {
        let topic = "/hfp/v2/deadrun/ongoing/vp/bus/0018/00423/////////";
        let bare = json!({"VP": {"tst": "2026-11-22T12:00:05Z", "lat": null, "long": null, "spd": null, "hdg": null,
            "dl": null, "route": null, "dir": null, "stop": null, "odo": null, "loc": "N/A"}});
        let r = read(topic, &bare).unwrap();
        assert!(r.position.is_none() && r.reported.is_empty());
        assert_eq!(r.device, Some("0018:00423".into()));
        let half = json!({"VP": {"tst": "2026-11-22T12:00:05Z", "lat": 60.2, "long": null}});
        assert!(read(topic, &half).unwrap().position.is_none());
    }

    #[test]
    fn every_event_carries_a_position() {
        for event in ["VJOUT", "ARS", "DEP", "DOO", "PDE", "DUE", "TLR"] {
            let topic = ON.replace("/vp/", &format!("/{}/", event.to_lowercase()));
            let v = json!({event: vp()["VP"]});
            assert!(read(&topic, &v).unwrap().position.is_some(), "{event}");
        }
    }

    #[test]
    fn without_its_topic_the_payload_names_the_vehicle() {
        for topic in ["", "city/other", ON.strip_prefix('/').unwrap()] {
            let r = read(topic, &vp()).unwrap();
            let expected = if topic.contains("hfp") { "0018:00423" } else { "0022:00423" };
            assert_eq!(r.device, Some(expected.into()), "{topic}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (v, kind, word) in [
            (json!({"VP": {"lat": 1, "long": 2}}), Kind::MissingField, "tst"),
            (json!({"VP": {"tst": "soon"}}), Kind::BadField, "tst"),
            (json!({"VP": {"tsi": 1_795_348_805, "lat": "x"}}), Kind::BadField, "`lat`"),
            (json!({"VP": 1}), Kind::BadJson, "one event"),
            (json!({}), Kind::BadJson, "one event"),
            (json!([1]), Kind::BadJson, "one event"),
        ] {
            let e = read(ON, &v).unwrap_err();
            assert!(e.kind == kind && e.detail.contains(word), "{v}: {e}");
        }
        assert_eq!(decode(ON, b"{\"VP\":").unwrap_err().kind, Kind::Truncated);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sent = read(ON, &vp()).unwrap();
        let (topic, payload) = encode(&sent).unwrap();
        let Ok(Message::Records(got)) = decode(&topic, &payload) else { panic!() };
        assert_eq!((&got[0].device, &got[0].reported), (&sent.device, &sent.reported));
        assert_eq!((got[0].time, got[0].position), (sent.time, sent.position));
        let bare = Record { time: sent.time, device: sent.device, ..Record::default() };
        let (topic, payload) = encode(&bare).unwrap();
        let Ok(Message::Records(got)) = decode(&topic, &payload) else { panic!() };
        assert!(got[0].position.is_none() && got[0].reported.is_empty());
    }
}
