//! The OsmAnd form (a query or a form body) and the JSON of Traccar Client, over HTTP.
//!
//! The form: `id` (or `deviceid`), `timestamp` (unix seconds or milliseconds, or ISO 8601), `lat`, `lon`
//! (or `location=lat,lon`), `speed` in **knots**, `bearing` (or `heading`), `altitude`, `accuracy`, `hdop`,
//! `valid`; ours besides: `trip_id`, `route_id`, `start_date`, `token`. The JSON: `device_id` and `location`
//! (one or a list) with `timestamp` and `coords`, speed in m/s. Anything else becomes an attribute.
//!
//! Not here: HTTP itself; the listener hands over the request and turns the outcome into a status.

use serde_json::Value;
use transit_model::time::{ServiceDate, UnixMs};

use super::error::{DecodeErrorKind as Kind, EncodeError};
use super::model::digest;
use super::mqtt_json::json_error;
use super::{AttrKey, AttrValue, DecodeError, DeviceKey, Message, Outcome, Position, Record, Sniff};

/// The most locations one request may carry.
pub const MAX_LOCATIONS: usize = 500;
const KNOT: f32 = 0.514_444_4;

/// A request, as far as the protocol looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// What follows `?` in the target, without it.
    pub query: &'a str,
    /// The media type of the body.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What was read of a request.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    /// The device's token, where it sent one as a parameter.
    pub token: Option<String>,
    /// Always [`Message::Records`]; every record names its device.
    pub message: Message,
}

/// Whether a connection that begins so is HTTP.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let methods: [&[u8]; 2] = [b"GET ", b"POST "];
    if methods.iter().any(|m| first.starts_with(m)) {
        Sniff::Yes
    } else if methods.iter().any(|m| m.starts_with(first)) {
        Sniff::NeedMore
    } else {
        Sniff::No
    }
}

/// Reads a request.
///
/// # Errors
/// When it names no device, has a time or a number that cannot be read, or a body that is not JSON.
pub fn decode(request: &Request<'_>) -> Result<Read, DecodeError> {
    let is_json = request.content_type.is_some_and(|t| t.trim_start().starts_with("application/json"))
        || (request.query.is_empty() && matches!(super::mqtt_json::sniff(request.body), Sniff::Yes));
    if is_json { decode_json(request.body) } else { decode_form(request) }
}

fn bad(field: &str, value: &str, want: &str) -> DecodeError {
    DecodeError::new(Kind::BadField, 0, format!("`{field}` is `{}`; {want}", clip(value)))
}

/// The head of a value, short enough for a log line.
fn clip(value: &str) -> String {
    value.chars().take(40).collect()
}

fn number(field: &str, value: &str) -> Result<f64, DecodeError> {
    let holds = |v: &f64| v.abs() <= f64::from(f32::MAX);
    value.trim().parse::<f64>().ok().filter(holds).ok_or_else(|| bad(field, value, "a number is expected"))
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates and these are small")]
fn small(field: &str, value: &str) -> Result<f32, DecodeError> {
    number(field, value).map(|v| v as f32)
}

fn key(field: &str, value: &str) -> Result<DeviceKey, DecodeError> {
    if !DeviceKey::is_valid(value) {
        let want = "1 to 64 letters, digits, `-`, `_`, `.` or `:` are expected";
        return Err(DecodeError::new(Kind::BadField, 0, format!("`{field}` is not a device's id; {want}")));
    }
    Ok(DeviceKey::from(value))
}

/// Unix seconds or milliseconds (told apart by size), or ISO 8601; without an offset it is UTC.
pub(super) fn time(field: &str, value: &str) -> Result<UnixMs, DecodeError> {
    let v = value.trim();
    if let Ok(n) = v.parse::<i64>() {
        // As seconds this bound is the year 2106; as milliseconds it is February 1970.
        return Ok(if n.abs() < i64::from(u32::MAX) { UnixMs::from_secs(n) } else { UnixMs(n) });
    }
    if let Ok(t) = v.parse::<jiff::Timestamp>() {
        return Ok(UnixMs(t.as_millisecond()));
    }
    v.parse::<jiff::civil::DateTime>()
        .ok()
        .and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|z| UnixMs(z.timestamp().as_millisecond()))
        .ok_or_else(|| bad(field, value, "unix seconds, milliseconds or ISO 8601 are expected"))
}

fn decode_form(request: &Request<'_>) -> Result<Read, DecodeError> {
    let mut record = Record::default();
    let mut p = Position { valid: true, ..Position::default() };
    let (mut lat, mut lon, mut token) = (None, None, None);
    let parameters = form_urlencoded::parse(request.query.as_bytes()).chain(form_urlencoded::parse(request.body));
    for (name, v) in parameters {
        match &*name {
            "id" | "deviceid" => record.device = Some(key(&name, &v)?),
            "token" => token = Some(v.into_owned()),
            "timestamp" => record.time = Some(time("timestamp", &v)?),
            "lat" => lat = Some(number("lat", &v)?),
            "lon" => lon = Some(number("lon", &v)?),
            "location" => {
                let (a, o) = v.split_once(',').ok_or_else(|| bad("location", &v, "`lat,lon` is expected"))?;
                (lat, lon) = (Some(number("location", a)?), Some(number("location", o)?));
            }
            "speed" => p.speed = Some(small("speed", &v)? * KNOT).filter(|s| *s >= 0.0),
            "bearing" | "heading" => p.bearing = course(small(&name, &v)?),
            "altitude" => p.altitude = Some(small("altitude", &v)?),
            "accuracy" => p.accuracy = Some(small("accuracy", &v)?),
            "hdop" => p.hdop = Some(small("hdop", &v)?),
            "valid" => p.valid = v == "true" || v == "1",
            "trip_id" => record.reported.trip_id = words(&v),
            "route_id" => record.reported.route_id = words(&v),
            "start_date" if v.is_empty() => {}
            "start_date" => {
                let date = v.parse::<ServiceDate>().map_err(|e| DecodeError::new(Kind::BadField, 0, e.to_string()))?;
                record.reported.start_date = Some(date);
            }
            _ => record.attributes.push((AttrKey::Own(clip(&name).into()), AttrValue::Text(v.into()))),
        }
    }
    if record.device.is_none() {
        return Err(DecodeError::new(Kind::MissingField, 0, "no `id`"));
    }
    record.position = match (lat, lon) {
        (Some(lat), Some(lon)) => Some(Position { lat, lon, ..p }),
        (None, None) => None,
        (lat, _) => {
            let lacking = if lat.is_some() { "lon" } else { "lat" };
            return Err(DecodeError::new(Kind::MissingField, 0, format!("no `{lacking}`")));
        }
    };
    record.sequence = digest(request.query.as_bytes()) ^ digest(request.body).rotate_left(1);
    Ok(Read { token, message: Message::Records(vec![record]) })
}

fn words(v: &str) -> Option<Box<str>> {
    (!v.is_empty()).then(|| v.into())
}

/// A negative heading is how phones say that they know none.
fn course(v: f32) -> Option<f32> {
    (0.0..=360.0).contains(&v).then_some(v % 360.0)
}

fn decode_json(body: &[u8]) -> Result<Read, DecodeError> {
    let root: Value = serde_json::from_slice(body).map_err(|e| json_error(body, &e))?;
    let device = match root.get("device_id").or_else(|| root.get("deviceId")) {
        Some(Value::String(s)) => key("device_id", s)?,
        Some(Value::Number(n)) => key("device_id", &n.to_string())?,
        _ => return Err(DecodeError::new(Kind::MissingField, 0, "no `device_id`")),
    };
    let locations = match root.get("location") {
        Some(Value::Array(many)) => many.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err(DecodeError::new(Kind::MissingField, 0, "no `location`")),
    };
    if locations.len() > MAX_LOCATIONS {
        let detail = format!("{} locations; at most {MAX_LOCATIONS} are taken", locations.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let records: Result<Vec<_>, _> = locations.iter().map(|l| location(&device, l)).collect();
    let token = root.get("token").and_then(Value::as_str).map(str::to_owned);
    Ok(Read { token, message: Message::Records(records?) })
}

fn location(device: &DeviceKey, l: &Value) -> Result<Record, DecodeError> {
    let time = match l.get("timestamp") {
        Some(Value::String(s)) => Some(time("timestamp", s)?),
        Some(Value::Number(n)) => Some(time("timestamp", &n.to_string())?),
        _ => None,
    };
    let mut record = Record { device: Some(device.clone()), time, ..Record::default() };
    record.sequence = digest(l.to_string().as_bytes());
    if let Some(coords) = l.get("coords") {
        let get = |name: &str| coords.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates and these are small")]
        let small = |name: &str| get(name).map(|v| v as f32).filter(|v| v.is_finite());
        let lacking = |name: &str| DecodeError::new(Kind::MissingField, 0, format!("no number `coords.{name}`"));
        record.position = Some(Position {
            lat: get("latitude").ok_or_else(|| lacking("latitude"))?,
            lon: get("longitude").ok_or_else(|| lacking("longitude"))?,
            altitude: small("altitude"),
            speed: small("speed").filter(|s| *s >= 0.0),
            bearing: small("heading").and_then(course),
            satellites: None,
            hdop: None,
            accuracy: small("accuracy"),
            valid: true,
        });
    }
    for (name, v) in l.as_object().into_iter().flatten() {
        let value = match v {
            Value::Bool(b) => AttrValue::Bool(*b),
            Value::Number(n) => AttrValue::Float(n.as_f64().unwrap_or_default()),
            Value::String(s) if name != "timestamp" => AttrValue::Text(s.as_str().into()),
            _ => continue,
        };
        if name != "timestamp" {
            record.attributes.push((AttrKey::Own(clip(name).into()), value));
        }
    }
    if let Some(level) = l.pointer("/battery/level").and_then(Value::as_f64) {
        record.attributes.push((AttrKey::Name("battery"), AttrValue::Float(level)));
    }
    Ok(record)
}

/// The answer as HTTP writes it: 200 when durable; 503 when not, so that the client sends it again.
#[must_use]
pub fn acknowledge(_message: &Message, outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Taken => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Outcome::Refused => b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec(),
    }
}

/// Writes the form of a record, without the `?`: the query of a GET or the body of a POST.
///
/// # Errors
/// When the record has no time.
pub fn encode(device: &DeviceKey, record: &Record) -> Result<String, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("id", device.expose());
    // A time before March 1970 in milliseconds would be read as seconds; no tracker has one.
    form.append_pair("timestamp", &if time.0 % 1000 == 0 { time.secs() } else { time.0 }.to_string());
    if let Some(p) = record.position {
        form.append_pair("lat", &p.lat.to_string());
        form.append_pair("lon", &p.lon.to_string());
        let speed = p.speed.map(|s| s / KNOT);
        for (name, v) in [
            ("speed", speed),
            ("bearing", p.bearing),
            ("altitude", p.altitude),
            ("accuracy", p.accuracy),
            ("hdop", p.hdop),
        ] {
            if let Some(v) = v {
                form.append_pair(name, &v.to_string());
            }
        }
        if !p.valid {
            form.append_pair("valid", "false");
        }
    }
    let r = &record.reported;
    for (name, v) in [("trip_id", &r.trip_id), ("route_id", &r.route_id)] {
        if let Some(v) = v {
            form.append_pair(name, v);
        }
    }
    if let Some(d) = r.start_date {
        form.append_pair("start_date", &d.to_string());
    }
    Ok(form.finish())
}

/// Writes the JSON of Traccar Client for a record: the body of a POST.
///
/// # Errors
/// When the record has no time or position, or a time beyond the calendar.
pub fn encode_json(device: &DeviceKey, record: &Record) -> Result<Vec<u8>, EncodeError> {
    let time = record.time.ok_or(EncodeError::Missing("time"))?;
    let p = record.position.ok_or(EncodeError::Missing("position"))?;
    let stamp = jiff::Timestamp::from_millisecond(time.0)
        .map_err(|_| EncodeError::OutOfRange { field: "time", value: format!("{} ms", time.0) })?;
    let body = serde_json::json!({
        "device_id": device.expose(),
        "location": {
            "timestamp": stamp.to_string(),
            "coords": {
                "latitude": p.lat, "longitude": p.lon, "accuracy": p.accuracy, "altitude": p.altitude,
                "speed": p.speed.unwrap_or(-1.0), "heading": p.bearing.unwrap_or(-1.0),
            },
        },
    });
    Ok(body.to_string().into_bytes())
}
