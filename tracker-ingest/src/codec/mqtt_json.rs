//! Our own JSON over MQTT: one message, one fix (`docs/protocols/mqtt-json.md`).
//!
//! ```json
//! {"time": 1795354825.5, "lat": 48.8532, "lon": 37.6051, "speed": 8.3, "bearing": 91,
//!  "trip_id": "t17", "route_id": "3", "start_date": "20261122", "sign": "4631", "operator": "8812",
//!  "run": "B63-4", "seq": 1041}
//! ```
//!
//! The topic says whose it is: `zupynka/v1/{feed}/track/{device}`. Not here: the MQTT packets
//! themselves, which the listener reads with rumqttc's codec; the acknowledgement is a PUBACK.

use serde::{Deserialize, Serialize};
use transit_model::fix::Reported;
use transit_model::ids::FeedId;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::model::digest;
use super::{DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

/// The topic that devices publish to.
pub const TOPIC: &str = "zupynka/v1/{feed}/track/{device}";
/// The longest payload taken, bytes.
pub const MAX_PAYLOAD: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    /// Unix seconds, with a fraction if wanted.
    time: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lon: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bearing: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trip_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    route_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_date: Option<ServiceDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction_id: Option<u8>,
    /// `HH:MM:SS` of the service day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_time: Option<Box<str>>,
    /// Of a municipal machine: whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u32>,
}

/// Whether a payload looks like ours: a JSON object.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => Sniff::Yes,
        Some(_) => Sniff::No,
        None => Sniff::NeedMore,
    }
}

/// The topic a device publishes to, and no other.
#[must_use]
pub fn topic(feed: &FeedId, device: &DeviceKey) -> String {
    format!("zupynka/v1/{feed}/track/{}", device.expose())
}

/// The device a topic belongs to; `None` for a topic that is not of this form and feed.
#[must_use]
pub fn device_of(feed: &FeedId, topic: &str) -> Option<DeviceKey> {
    let rest = topic.strip_prefix("zupynka/v1/")?.strip_prefix(feed.as_str())?.strip_prefix("/track/")?;
    DeviceKey::is_valid(rest).then(|| DeviceKey::from(rest))
}

/// Reads a payload: always [`Message::Records`] with one record.
///
/// # Errors
/// When it is too long, not JSON, has a field it should not or lacks one it should have, or a value
/// is not what its field holds.
pub fn decode(payload: &[u8]) -> Result<Message, DecodeError> {
    if payload.len() > MAX_PAYLOAD {
        let detail = format!("{} bytes; at most {MAX_PAYLOAD} are taken", payload.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let p: Payload = serde_json::from_slice(payload).map_err(|e| json_error(payload, &e))?;
    let bad = |field: &str, v: String, want: &str| {
        Err(DecodeError::new(Kind::BadField, 0, format!("`{field}` is {v}; {want}")))
    };
    if !(0.0..1e11).contains(&p.time) {
        return bad("time", p.time.to_string(), "unix seconds are expected");
    }
    if let Some(v) = p.speed.filter(|v| !(0.0..=f32::MAX).contains(v)) {
        return bad("speed", v.to_string(), "metres per second are expected");
    }
    if let Some(v) = p.accuracy.filter(|v| !v.is_finite()) {
        return bad("accuracy", v.to_string(), "metres are expected");
    }
    if let Some(v) = p.bearing.filter(|v| !(0.0..=360.0).contains(v)) {
        return bad("bearing", v.to_string(), "degrees from 0 to 360 are expected");
    }
    if let Some(v) = p.direction_id.filter(|v| *v > 1) {
        return bad("direction_id", v.to_string(), "0 or 1 is expected");
    }
    let start_time = match p.start_time.as_deref().map(str::parse::<ServiceTime>) {
        Some(Err(e)) => return bad("start_time", e.0, "HH:MM:SS is expected"),
        Some(Ok(t)) => Some(t),
        None => None,
    };
    let position = match (p.lat, p.lon) {
        (Some(lat), Some(lon)) => Some(Position {
            lat,
            lon,
            speed: p.speed,
            bearing: p.bearing.map(|b| b % 360.0),
            accuracy: p.accuracy,
            valid: true,
            ..Position::default()
        }),
        (None, None) => None,
        (lat, _) => {
            let lacking = if lat.is_some() { "lon" } else { "lat" };
            return Err(DecodeError::new(Kind::MissingField, 0, format!("no `{lacking}`")));
        }
    };
    Ok(Message::Records(vec![Record {
        device: None,
        time: Some(UnixMs::from_secs_f64(p.time)),
        sequence: p.seq.unwrap_or_else(|| digest(payload)),
        position,
        reported: Reported {
            trip_id: p.trip_id,
            route_id: p.route_id,
            start_date: p.start_date,
            sign: p.sign.as_deref().and_then(Reported::word),
            operator: p.operator.as_deref().and_then(Reported::word),
            run: p.run.as_deref().and_then(Reported::word),
            direction: p.direction_id,
            start_time,
            working: p.working,
        },
        attributes: Vec::new(),
    }]))
}

/// Where in the text serde found the fault, as a typed error.
pub(super) fn json_error(text: &[u8], e: &serde_json::Error) -> DecodeError {
    let lines_before = text.split_inclusive(|b| *b == b'\n').take(e.line().saturating_sub(1));
    let at = (lines_before.map(<[u8]>::len).sum::<usize>() + e.column().saturating_sub(1)).min(text.len());
    let kind = match e.classify() {
        serde_json::error::Category::Eof => Kind::Truncated,
        _ if e.to_string().starts_with("missing field") => Kind::MissingField,
        _ => Kind::BadJson,
    };
    DecodeError::new(kind, at, e.to_string())
}

/// Nothing: MQTT acknowledges by PUBACK, and a message that is not taken gets none.
#[must_use]
pub const fn acknowledge(_message: &Message, _outcome: Outcome) -> Vec<u8> {
    Vec::new()
}

/// Writes the payload of a record.
///
/// # Errors
/// When the record has no time.
pub fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let p = record.position;
    let payload = Payload {
        time: record.time.ok_or(EncodeError::Missing("time"))?.secs_f64(),
        lat: p.map(|p| p.lat),
        lon: p.map(|p| p.lon),
        speed: p.and_then(|p| p.speed),
        bearing: p.and_then(|p| p.bearing),
        accuracy: p.and_then(|p| p.accuracy),
        trip_id: record.reported.trip_id.clone(),
        route_id: record.reported.route_id.clone(),
        start_date: record.reported.start_date,
        sign: record.reported.sign.clone(),
        operator: record.reported.operator.clone(),
        run: record.reported.run.clone(),
        direction_id: record.reported.direction,
        start_time: record.reported.start_time.map(|t| t.to_string().into()),
        working: record.reported.working,
        seq: (record.sequence != 0).then_some(record.sequence),
    };
    serde_json::to_vec(&payload)
        .map_err(|e| EncodeError::OutOfRange { field: "position", value: format!("not a number ({e})") })
}
