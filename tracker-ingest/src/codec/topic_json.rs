//! JSON of whatever shape a city already publishes, over MQTT: a table says where in it each thing stands
//! (`docs/protocols/topic-json.md`).
//!
//! ```json
//! {"id": 817, "ts": "2026-11-22T12:00:05Z", "gps": {"lat": 48.8532, "lon": "37.6051", "v": 29.9}, "line": "3"}
//! ```
//!
//! is read with `time = "/ts"`, `lat = "/gps/lat"`, `lon = "/gps/lon"`, `speed = "/gps/v"`, `speed_unit = "km/h"`,
//! `route_id = "/line"`. Numbers may be written as text. Not here: topics ([`super::topic`]), and formulas: what has
//! to be computed belongs in front of the broker.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use transit_model::fix::Reported;

use super::error::DecodeErrorKind as Kind;
use super::fields::{KMH, KNOT, bad, course};
use super::model::digest;
use super::mqtt_json::json_error;
use super::topic::start_time;
use super::{DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff, osmand};

/// The longest payload taken, bytes.
pub const MAX_PAYLOAD: usize = 64 << 10;
/// The most items that one payload may carry.
pub const MAX_ITEMS: usize = 2000;

/// A JSON pointer (RFC 6901): empty for the whole, or parts with `/` before each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(String);

/// A text is no JSON pointer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a JSON pointer such as \"/gps/lat\"")]
pub struct PointerError(String);

impl TryFrom<String> for Pointer {
    type Error = PointerError;
    fn try_from(text: String) -> Result<Self, PointerError> {
        if text.is_empty() || text.starts_with('/') { Ok(Self(text)) } else { Err(PointerError(text)) }
    }
}

impl From<Pointer> for String {
    fn from(p: Pointer) -> Self {
        p.0
    }
}

impl Pointer {
    /// What stands there; `None` for nothing and for null.
    fn of<'v>(&self, item: &'v Value) -> Option<&'v Value> {
        item.pointer(&self.0).filter(|v| !v.is_null())
    }

    fn default_to(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Where the time stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// There: unix seconds or milliseconds, or ISO 8601.
    At(Pointer),
    /// Nowhere: it is when the message came.
    Received,
}

impl TryFrom<String> for Moment {
    type Error = PointerError;
    fn try_from(text: String) -> Result<Self, PointerError> {
        if text == "received" { Ok(Self::Received) } else { Pointer::try_from(text).map(Self::At) }
    }
}

impl From<Moment> for String {
    fn from(m: Moment) -> Self {
        match m {
            Moment::At(p) => p.0,
            Moment::Received => "received".to_owned(),
        }
    }
}

/// What a speed is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum SpeedUnit {
    /// Metres a second.
    #[default]
    #[serde(rename = "m/s")]
    MetresPerSecond,
    /// Kilometres an hour.
    #[serde(rename = "km/h")]
    KilometresPerHour,
    /// Knots.
    #[serde(rename = "knots")]
    Knots,
}

impl SpeedUnit {
    fn to_mps(self, v: f64) -> f64 {
        match self {
            Self::MetresPerSecond => v,
            Self::KilometresPerHour => v / KMH,
            Self::Knots => v * KNOT,
        }
    }
}

/// Where in a payload each thing stands. What is not named is not read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is where the thing of its name stands, as in our own JSON")]
pub struct Mapping {
    /// A list whose items are read each by itself; the pointers below are then into an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Pointer>,
    /// Which device; wins over the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Pointer>,
    pub time: Moment,
    pub lat: Pointer,
    pub lon: Pointer,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Pointer>,
    /// What it is in.
    pub speed_unit: SpeedUnit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearing: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Pointer>,
    /// Whether the receiver has a fix: `false`, 0 and `"V"` say that it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trip_id: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_id: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction_id: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Pointer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Pointer>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            items: None,
            device: None,
            time: Moment::At(Pointer::default_to("/time")),
            lat: Pointer::default_to("/lat"),
            lon: Pointer::default_to("/lon"),
            speed: None,
            speed_unit: SpeedUnit::default(),
            bearing: None,
            altitude: None,
            accuracy: None,
            valid: None,
            trip_id: None,
            route_id: None,
            direction_id: None,
            start_date: None,
            start_time: None,
            sign: None,
            operator: None,
            run: None,
        }
    }
}

/// Whether a payload looks like JSON of records.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    match first.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Sniff::Yes,
        Some(_) => Sniff::No,
        None => Sniff::NeedMore,
    }
}

/// Reads a payload: always [`Message::Records`], one record an item. An item without a place (both parts null or not
/// there) is a record without a position.
///
/// # Errors
/// When it is too long, not JSON, an item lacks its time, its device (where one is mapped) or half of its place, or what
/// stands somewhere is not what was said to.
pub fn decode(mapping: &Mapping, payload: &[u8]) -> Result<Message, DecodeError> {
    if payload.len() > MAX_PAYLOAD {
        let detail = format!("{} bytes; at most {MAX_PAYLOAD} are taken", payload.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let root: Value = serde_json::from_slice(payload).map_err(|e| json_error(payload, &e))?;
    let Some(list) = &mapping.items else {
        let record = record(mapping, &root, digest(payload))?;
        return Ok(Message::Records(vec![record]));
    };
    let items = match list.of(&root) {
        Some(Value::Array(items)) => items,
        _ => return Err(DecodeError::new(Kind::MissingField, 0, format!("no list at `{}`", list.0))),
    };
    if items.len() > MAX_ITEMS {
        let detail = format!("{} items; at most {MAX_ITEMS} are taken", items.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let of = |item: &Value| record(mapping, item, digest(item.to_string().as_bytes()));
    items.iter().map(of).collect::<Result<_, _>>().map(Message::Records)
}

fn record(m: &Mapping, item: &Value, sequence: u32) -> Result<Record, DecodeError> {
    let device = match &m.device {
        Some(at) => match text(Some(at), item)?.as_deref().and_then(DeviceKey::of_name) {
            Some(key) => Some(key),
            None => return Err(missing(at)),
        },
        None => None,
    };
    let time = match &m.time {
        Moment::Received => None,
        Moment::At(at) => match at.of(item) {
            Some(Value::String(t)) => Some(osmand::time(&at.0, t)?),
            // Whole milliseconds of a fraction of a second.
            Some(Value::Number(n)) => Some(match n.as_f64().filter(|_| n.is_f64()) {
                Some(t) => osmand::time(&at.0, &format!("{:.0}", if t.abs() < 1e11 { t * 1000.0 } else { t }))?,
                None => osmand::time(&at.0, &n.to_string())?,
            }),
            Some(_) => return Err(wrong(at, "a time is expected")),
            None => return Err(missing(at)),
        },
    };
    Ok(Record {
        device,
        time,
        sequence,
        position: position(m, item)?,
        reported: reported(m, item)?,
        attributes: Vec::new(),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates and these are small")]
fn position(m: &Mapping, item: &Value) -> Result<Option<Position>, DecodeError> {
    let (lat, lon) = match (number(Some(&m.lat), item)?, number(Some(&m.lon), item)?) {
        (Some(lat), Some(lon)) => (lat, lon),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(missing(&m.lon)),
        (None, Some(_)) => return Err(missing(&m.lat)),
    };
    let small = |at: &Option<Pointer>| number(at.as_ref(), item).map(|v| v.map(|v| v as f32));
    let valid = match m.valid.as_ref().and_then(|at| at.of(item)) {
        Some(Value::Bool(v)) => *v,
        Some(Value::Number(n)) => n.as_f64() != Some(0.0),
        Some(Value::String(s)) => !matches!(s.as_str(), "" | "0" | "V" | "v" | "false"),
        _ => true,
    };
    Ok(Some(Position {
        lat,
        lon,
        altitude: small(&m.altitude)?,
        speed: number(m.speed.as_ref(), item)?.filter(|v| *v >= 0.0).map(|v| m.speed_unit.to_mps(v) as f32),
        bearing: number(m.bearing.as_ref(), item)?.and_then(course),
        accuracy: small(&m.accuracy)?.filter(|v| *v >= 0.0),
        valid,
        ..Position::default()
    }))
}

fn reported(m: &Mapping, item: &Value) -> Result<Reported, DecodeError> {
    let words = |at: &Option<Pointer>| text(at.as_ref(), item);
    let word = |at: &Option<Pointer>| words(at).map(|t| t.as_deref().and_then(Reported::word));
    let direction = match (&m.direction_id, words(&m.direction_id)?) {
        (Some(at), Some(d)) => match d.parse().ok().filter(|d| *d < 2) {
            Some(d) => Some(d),
            None => return Err(wrong(at, "0 or 1 is expected")),
        },
        _ => None,
    };
    Ok(Reported {
        trip_id: words(&m.trip_id)?,
        route_id: words(&m.route_id)?,
        start_date: match (&m.start_date, words(&m.start_date)?) {
            (Some(at), Some(d)) => Some(d.parse().map_err(|_| wrong(at, "YYYYMMDD is expected"))?),
            _ => None,
        },
        direction,
        start_time: match (&m.start_time, words(&m.start_time)?) {
            (Some(at), Some(t)) => Some(start_time(&t).ok_or_else(|| wrong(at, "HH:MM:SS is expected"))?),
            _ => None,
        },
        sign: word(&m.sign)?,
        operator: word(&m.operator)?,
        run: word(&m.run)?,
        working: None,
    })
}

fn missing(at: &Pointer) -> DecodeError {
    DecodeError::new(Kind::MissingField, 0, format!("nothing at `{}`", at.0))
}

fn wrong(at: &Pointer, want: &str) -> DecodeError {
    bad(0, format!("what stands at `{}` cannot be used; {want}", at.0))
}

fn number(at: Option<&Pointer>, item: &Value) -> Result<Option<f64>, DecodeError> {
    let Some(at) = at else { return Ok(None) };
    let v = match at.of(item) {
        None => return Ok(None),
        Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
        Some(Value::String(s)) => s.trim().parse().ok(),
        Some(v) => v.as_f64(),
    };
    v.filter(|v: &f64| v.is_finite()).map(Some).ok_or_else(|| wrong(at, "a number is expected"))
}

/// A text, or a number as it is written; nothing for an empty one.
fn text(at: Option<&Pointer>, item: &Value) -> Result<Option<Box<str>>, DecodeError> {
    let Some(at) = at else { return Ok(None) };
    match at.of(item) {
        None => Ok(None),
        Some(Value::String(s)) => Ok((!s.is_empty()).then(|| s.as_str().into())),
        Some(Value::Number(n)) => Ok(Some(n.to_string().into())),
        Some(_) => Err(wrong(at, "a text is expected")),
    }
}

/// Nothing: MQTT acknowledges by PUBACK.
#[must_use]
pub const fn acknowledge(_message: &Message, _outcome: Outcome) -> Vec<u8> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use transit_model::time::{ServiceTime, UnixMs};

    fn mapping(v: Value) -> Mapping {
        serde_json::from_value(v).unwrap()
    }

    fn read(m: &Mapping, v: &Value) -> Result<Vec<Record>, DecodeError> {
        match decode(m, v.to_string().as_bytes())? {
            Message::Records(records) => Ok(records),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_thing_is_read_where_the_table_says() {
        let m =
            mapping(json!({"device": "/id", "time": "/ts", "lat": "/gps/lat", "lon": "/gps/lon", "speed": "/gps/v",
            "speed_unit": "km/h", "bearing": "/gps/dir", "valid": "/gps/fix", "route_id": "/line", "direction_id": "/d",
            "start_date": "/day", "start_time": "/start", "sign": "/sign"}));
        let r = read(
            &m,
            &json!({"id": 817, "ts": "2026-11-22T12:00:05Z", "gps": {"lat": 48.8532, "lon": "37.6051", "v": 36, "dir": 360,
                "fix": "A"}, "line": 3, "d": "1", "day": "2026-11-22", "start": "14:05", "sign": " Центр ", "more": [1]}),
        )
        .unwrap()
        .remove(0);
        assert_eq!((r.device, r.time), (Some("817".into()), Some(UnixMs(1_795_348_805_000))));
        let p = r.position.unwrap();
        assert_eq!((p.lat, p.lon, p.speed, p.bearing, p.valid), (48.8532, 37.6051, Some(10.0), Some(0.0), true));
        assert_eq!(
            r.reported,
            Reported {
                route_id: Some("3".into()),
                direction: Some(1),
                start_date: "20261122".parse().ok(),
                start_time: Some(ServiceTime(14 * 3600 + 300)),
                sign: Some("Центр".into()),
                ..Reported::default()
            }
        );
    }

    #[test]
    fn one_message_may_speak_for_many() {
        let m = mapping(json!({"items": "/vehicles", "device": "/n"}));
        let v = json!({"vehicles": [{"n": "a", "time": 5, "lat": 1, "lon": 2}, {"n": "b", "time": 6, "lat": null}]});
        let records = read(&m, &v).unwrap();
        assert_eq!(records.iter().map(|r| r.position.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(records[1].device, Some("b".into()));
        assert!(read(&m, &json!({"vehicles": 1})).unwrap_err().detail.contains("/vehicles"));
        let many: Vec<Value> = (0..=MAX_ITEMS).map(|_| json!(1)).collect();
        assert_eq!(read(&m, &json!({"vehicles": many})).unwrap_err().kind, Kind::Oversize);
    }

    #[test]
    fn a_time_is_seconds_milliseconds_or_words_or_when_it_came() {
        let m = Mapping::default();
        let at = |t: Value| read(&m, &json!({"time": t})).map(|r| r[0].time);
        assert_eq!(at(json!(1_795_348_805)).unwrap(), Some(UnixMs(1_795_348_805_000)));
        assert_eq!(at(json!(1_795_348_805.25)).unwrap(), Some(UnixMs(1_795_348_805_250)));
        assert_eq!(at(json!(1_795_348_805_250_i64)).unwrap(), Some(UnixMs(1_795_348_805_250)));
        assert_eq!(at(json!("1795348805")).unwrap(), Some(UnixMs(1_795_348_805_000)));
        assert_eq!(at(json!([])).unwrap_err().kind, Kind::BadField);
        assert_eq!(at(json!(null)).unwrap_err().kind, Kind::MissingField);
        let received = mapping(json!({"time": "received"}));
        assert_eq!(read(&received, &json!({"time": 5})).unwrap()[0].time, None);
    }

    #[test]
    fn speeds_are_brought_to_metres_a_second_and_an_invalid_fix_is_marked() {
        for (unit, v) in [("m/s", 10.0), ("km/h", 36.0), ("knots", 19.438_445)] {
            let m = mapping(json!({"speed": "/v", "speed_unit": unit, "valid": "/ok"}));
            let r = read(&m, &json!({"time": 1, "lat": 1, "lon": 2, "v": v, "ok": 0})).unwrap();
            let p = r[0].position.unwrap();
            assert!((p.speed.unwrap() - 10.0).abs() < 1e-4 && !p.valid, "{unit}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let m = mapping(json!({"device": "/id", "lat": "/gps/lat", "lon": "/gps/lon", "direction_id": "/d"}));
        for (v, kind, word) in [
            (json!({"time": 1}), Kind::MissingField, "`/id`"),
            (json!({"id": {}, "time": 1}), Kind::BadField, "`/id`"),
            (json!({"id": 1, "time": 1, "gps": {"lat": 1}}), Kind::MissingField, "`/gps/lon`"),
            (json!({"id": 1, "time": 1, "gps": {"lat": "north", "lon": 1}}), Kind::BadField, "`/gps/lat`"),
            (json!({"id": 1, "time": 1, "d": 2}), Kind::BadField, "`/d`"),
        ] {
            let e = read(&m, &v).unwrap_err();
            assert!(e.kind == kind && e.detail.contains(word), "{v}: {e}");
        }
        assert!(
            serde_json::from_value::<Mapping>(json!({"lat": "gps.lat"}))
                .unwrap_err()
                .to_string()
                .contains("JSON pointer")
        );
        assert!(serde_json::from_value::<Mapping>(json!({"latitude": "/x"})).is_err());
    }
}
