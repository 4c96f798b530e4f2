//! `zupynka decode`: recorded messages in, what they mean out, a JSON object a line each.
//!
//! Only the codecs speak here: no registry, no gate, no journal; the reply is what a tracker would
//! get if its device were known and its records durable.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use transit_model::time::{UnixMs, Zone};

use super::stream::{Heard, Session, StreamCodec};
use super::topic::{Template, TemplateError};
use super::{
    AttrValue, DecodeError, DeviceKey, Message, Outcome, Protocol, Record, gps_full, gtfs_rt, hfp, mqtt_json, osmand,
    owntracks, topic_json,
};

/// The longest line taken, bytes: a frame of 64 KiB in hex and room around it.
const MAX_LINE: usize = 1 << 20;
/// How many connections are remembered.
const MAX_SESSIONS: usize = 10_000;

/// What ends the reading of lines.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The input cannot be read.
    #[error("line {line}: cannot read the input: {source}")]
    Read {
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: std::io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Write(std::io::Error),
    /// A line is too long.
    #[error("line {line}: longer than {MAX_LINE} bytes")]
    LongLine {
        /// Which line, from 1.
        line: usize,
    },
    /// A line is not one of ours.
    #[error("line {line}: {detail}")]
    NotALine {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
}

#[derive(Deserialize)]
struct Line {
    id: Value,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    hex: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    /// The topic of an MQTT message, where the device should be told from it.
    #[serde(default)]
    topic: Option<String>,
    /// Of a list with times of day: the zone they are in, and when it was had, RFC 3339.
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    received: Option<String>,
    /// The template of such topics; absent = the device is the last level.
    #[serde(default)]
    template: Option<String>,
    /// Of `topic-json`: where in the payload each thing stands.
    #[serde(default)]
    fields: Option<topic_json::Mapping>,
}

#[derive(Serialize)]
struct Answer {
    id: Value,
    device: Vec<String>,
    fixes: Vec<Value>,
    reply: Option<String>,
    error: Option<Value>,
}

#[derive(Default)]
struct Connection {
    /// Of a protocol over a stream of bytes.
    session: Option<Box<dyn Session>>,
    device: Option<DeviceKey>,
}

/// What a line's message came to.
#[derive(Default)]
struct Read {
    messages: Vec<Message>,
    reply: Vec<u8>,
    error: Option<DecodeError>,
}

impl Read {
    fn hear(&mut self, heard: Heard) {
        self.reply.extend(heard.reply.to(Outcome::Taken));
        self.messages.push(heard.message);
    }
}

/// Decodes every line of `input` by `protocol` and writes an answer for each; empty lines are passed
/// over. A message that cannot be decoded is an answer too, with its `error`. `now` is the server's clock in
/// replies that carry it.
///
/// # Errors
/// When a line is not a JSON object with an `id` and a message, or when reading or writing fails.
pub fn decode_lines(
    protocol: Protocol,
    now: UnixMs,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), LinesError> {
    let mut connections: HashMap<String, Connection> = HashMap::new();
    let mut buffer = Vec::new();
    for n in 1.. {
        buffer.clear();
        let mut limited = std::io::Read::take(&mut input, MAX_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut buffer).map_err(|source| LinesError::Read { line: n, source })?;
        if read == 0 {
            break;
        }
        if read > MAX_LINE {
            return Err(LinesError::LongLine { line: n });
        }
        if buffer.trim_ascii().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_slice(&buffer)
            .map_err(|e| LinesError::NotALine { line: n, detail: format!("not a message: {e}") })?;
        if connections.len() >= MAX_SESSIONS {
            connections.clear();
        }
        let session = line.session.clone().unwrap_or_default();
        let answer = answer(protocol, connections.entry(session).or_default(), line, n, now)?;
        serde_json::to_writer(&mut output, &answer).map_err(|e| LinesError::Write(e.into()))?;
        output.write_all(b"\n").map_err(LinesError::Write)?;
    }
    output.flush().map_err(LinesError::Write)
}

fn answer(
    protocol: Protocol,
    connection: &mut Connection,
    line: Line,
    n: usize,
    now: UnixMs,
) -> Result<Answer, LinesError> {
    let read = match (protocol.stream(), protocol) {
        (Some(codec), _) => read_stream(connection, codec, &bytes_of(&line, n)?, now),
        (None, Protocol::Osmand) => read_osmand(&line),
        (None, Protocol::GpsFull) => read_gps_full(&line, n, now)?,
        (None, _) => read_mqtt(connection, protocol, &line, n)?,
    };
    let mut device = Vec::new();
    let mut fixes = Vec::new();
    let mut name = |key: &DeviceKey| {
        let text = key.expose().to_owned();
        if !device.contains(&text) {
            device.push(text);
        }
    };
    for message in &read.messages {
        match message {
            Message::Login(key) => {
                name(key);
                connection.device = Some(key.clone());
            }
            Message::KeepAlive => {}
            Message::Records(records) => {
                for record in records {
                    let whose = record.device.as_ref().or(connection.device.as_ref());
                    whose.into_iter().for_each(&mut name);
                    fixes.push(fix(whose, record));
                }
            }
        }
    }
    Ok(Answer {
        id: line.id,
        device,
        fixes,
        reply: (!read.reply.is_empty()).then(|| hex(&read.reply)),
        error: read.error.map(|e| json!({"kind": e.kind.name(), "at": e.at, "detail": e.detail})),
    })
}

/// A list with times of day, which are UTC's and today's where the line does not say otherwise.
fn read_gps_full(line: &Line, n: usize, now: UnixMs) -> Result<Read, LinesError> {
    let fail = |detail: String| LinesError::NotALine { line: n, detail };
    let zone = line.zone.as_deref().map_or_else(|| Ok(Zone::utc()), Zone::named).map_err(|e| fail(e.to_string()))?;
    let received = match line.received.as_deref().map(str::parse::<jiff::Timestamp>) {
        Some(Ok(t)) => UnixMs(t.as_millisecond()),
        Some(Err(e)) => return Err(fail(format!("`received` is no moment: {e}"))),
        None => now,
    };
    Ok(match gps_full::decode_message(&bytes_of(line, n)?, received, &zone) {
        Ok((message, error)) => Read { messages: vec![message], error, ..Read::default() },
        Err(e) => Read { error: Some(e), ..Read::default() },
    })
}

/// The bytes of a line that has `hex` or `text`.
fn bytes_of(line: &Line, n: usize) -> Result<Vec<u8>, LinesError> {
    let fail = |detail: &str| LinesError::NotALine { line: n, detail: detail.to_owned() };
    match (&line.hex, &line.text) {
        (Some(h), _) => unhex(h).ok_or_else(|| fail("`hex` is not pairs of hexadecimal digits")),
        (None, Some(t)) => Ok(t.clone().into_bytes()),
        (None, None) => Err(fail("a message of this protocol has `hex` or `text`")),
    }
}

fn read_stream(connection: &mut Connection, codec: &StreamCodec, bytes: &[u8], now: UnixMs) -> Read {
    let mut read = Read::default();
    let session = connection.session.get_or_insert_with(codec.session);
    session.feed(bytes);
    loop {
        match session.next_message(now) {
            Ok(Some(heard)) => read.hear(heard),
            Ok(None) => break,
            Err(e) => {
                read.error = Some(e);
                break;
            }
        }
    }
    // A line is a whole message: what is left over is not the head of the next one.
    match session.finish(now) {
        Ok(last) => last.into_iter().for_each(|heard| read.hear(heard)),
        Err(left) => read.error = read.error.or(Some(left)),
    }
    read
}

/// A message of a broker: the payload by its codec, what the topic says beside it.
fn read_mqtt(connection: &mut Connection, protocol: Protocol, line: &Line, n: usize) -> Result<Read, LinesError> {
    let bytes = bytes_of(line, n)?;
    let topic = line.topic.as_deref().unwrap_or_default();
    let usual = if protocol == Protocol::OwnTracks { Some(owntracks::TOPIC) } else { None };
    let template = match line.template.as_deref().or(usual) {
        Some(text) => {
            let not = |e: TemplateError| LinesError::NotALine { line: n, detail: format!("`template`: {e}") };
            Some(text.parse::<Template>().map_err(not)?)
        }
        None => None,
    };
    let mut message = match protocol {
        Protocol::OwnTracks => owntracks::decode(&bytes),
        Protocol::Hfp => hfp::decode(topic, &bytes),
        Protocol::GtfsRt => gtfs_rt::decode(&bytes),
        Protocol::TopicJson => topic_json::decode(&line.fields.clone().unwrap_or_default(), &bytes),
        _ => mqtt_json::decode(&bytes),
    };
    let levels = template.as_ref().and_then(|t| t.read(topic)).unwrap_or_default();
    let last = || topic.rsplit('/').next().filter(|l| !l.is_empty() && template.is_none()).map(DeviceKey::from);
    let named = levels.device().as_deref().and_then(DeviceKey::of_name);
    match protocol {
        Protocol::MqttJson | Protocol::TopicJson => connection.device = named.clone().or_else(last),
        _ => connection.device.clone_from(&named),
    }
    if let Ok(Message::Records(records)) = &mut message {
        for record in records {
            levels.complete(record);
            if named.is_some() {
                record.device.clone_from(&named);
            }
        }
    }
    Ok(read_one(message, mqtt_json::acknowledge))
}

fn read_osmand(line: &Line) -> Read {
    let content_type =
        line.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")).map(|(_, v)| v.as_str());
    let query = line.uri.as_deref().and_then(|u| u.split_once('?')).map_or("", |(_, q)| q);
    let body = line.body.as_deref().unwrap_or("").as_bytes();
    let message = osmand::decode(&osmand::Request { query, content_type, body }).map(|r| r.message);
    let failed = message.is_err();
    let mut read = read_one(message, osmand::acknowledge);
    if failed {
        read.reply = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec();
    }
    read
}

fn read_one(message: Result<Message, DecodeError>, acknowledge: impl Fn(&Message, Outcome) -> Vec<u8>) -> Read {
    match message {
        Ok(m) => Read { reply: acknowledge(&m, Outcome::Taken), messages: vec![m], error: None },
        Err(e) => Read { error: Some(e), ..Read::default() },
    }
}

fn fix(whose: Option<&DeviceKey>, record: &Record) -> Value {
    let p = record.position;
    let attributes: Map<String, Value> =
        record.attributes.iter().map(|(k, v)| (k.to_string(), attribute(v))).chain(reported(record)).collect();
    json!({
        "device": whose.map(DeviceKey::expose),
        "time": record.time.and_then(rfc3339),
        "valid": p.is_some_and(|p| p.valid),
        "located": p.is_some(),
        "lat": p.map(|p| p.lat),
        "lon": p.map(|p| p.lon),
        "altitude_m": p.and_then(|p| p.altitude),
        "speed_mps": p.and_then(|p| p.speed),
        "course": p.and_then(|p| p.bearing),
        "satellites": p.and_then(|p| p.satellites),
        "hdop": p.and_then(|p| p.hdop),
        "attributes": attributes,
    })
}

fn reported(record: &Record) -> impl Iterator<Item = (String, Value)> {
    let r = &record.reported;
    let all = [
        ("trip_id", r.trip_id.as_deref().map(Value::from)),
        ("route_id", r.route_id.as_deref().map(Value::from)),
        ("start_date", r.start_date.map(|d| Value::from(d.to_string()))),
        ("direction_id", r.direction.map(Value::from)),
        ("start_time", r.start_time.map(|t| Value::from(t.to_string()))),
        ("sign", r.sign.as_deref().map(Value::from)),
        ("operator", r.operator.as_deref().map(Value::from)),
        ("run", r.run.as_deref().map(Value::from)),
    ];
    all.into_iter().filter_map(|(name, v)| v.map(|v| (name.to_owned(), v)))
}

fn attribute(v: &AttrValue) -> Value {
    match v {
        AttrValue::Int(v) => Value::from(*v),
        AttrValue::Float(v) => Value::from(*v),
        AttrValue::Bool(v) => Value::from(*v),
        AttrValue::Text(v) => Value::from(&**v),
        AttrValue::Bytes(v) => Value::from(hex(v)),
    }
}

fn rfc3339(t: UnixMs) -> Option<String> {
    jiff::Timestamp::from_millisecond(t.0).ok().map(|t| t.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.trim().as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = pair { Some(digit(*a)? << 4 | digit(*b)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::teltonika;

    fn run(protocol: Protocol, lines: &[Value]) -> Vec<Value> {
        let input: String = lines.iter().map(|l| format!("{l}\n")).collect();
        let mut out = Vec::new();
        decode_lines(protocol, UnixMs(0), input.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn a_session_remembers_who_logged_in() {
        let record = Record::at(
            UnixMs(1_700_000_000_000),
            crate::codec::Position { lat: 48.85, lon: 37.6, valid: true, ..Default::default() },
        );
        let packet = teltonika::encode(teltonika::Codec::Eight, &[record]).unwrap();
        let login = teltonika::encode_login("352093081452251").unwrap();
        let out = run(
            Protocol::Teltonika,
            &[
                json!({"id": 1, "session": "a", "hex": hex(&login)}),
                json!({"id": 2, "session": "b", "hex": hex(&packet)}),
                json!({"id": 3, "session": "a", "hex": hex(&packet)}),
                json!({"id": 4, "session": "a", "hex": hex(&packet[..20])}),
                json!({"id": 5, "session": "a", "hex": "ff"}),
            ],
        );
        assert_eq!(out[0]["reply"], "01");
        assert_eq!(out[0]["device"], json!(["352093081452251"]));
        assert_eq!(out[1]["device"], json!([]));
        assert_eq!(out[2]["fixes"][0]["device"], "352093081452251");
        assert_eq!(out[2]["fixes"][0]["time"], "2023-11-14T22:13:20Z");
        assert_eq!(out[2]["reply"], "00000001");
        assert_eq!(out[3]["error"]["kind"], "truncated");
        assert_eq!((&out[3]["reply"], &out[3]["fixes"]), (&Value::Null, &json!([])));
        assert_eq!((&out[4]["reply"], &out[4]["error"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn a_message_of_a_broker_is_read_with_its_topic() {
        let out = run(
            Protocol::OwnTracks,
            &[
                json!({"id": 1, "topic": "owntracks/depot/bus-7", "text": r#"{"_type":"location","tst":5,"lat":1,"lon":2}"#}),
            ],
        );
        assert_eq!((&out[0]["device"], &out[0]["fixes"][0]["located"]), (&json!(["depot:bus-7"]), &json!(true)));
        let out = run(
            Protocol::TopicJson,
            &[
                json!({"id": 1, "topic": "city/north/bus/17/position", "template": "city/{depot}/bus/{vehicle}/position",
                "fields": {"lat": "/gps/0", "lon": "/gps/1"}, "text": r#"{"time":5,"gps":[1,2]}"#}),
            ],
        );
        assert_eq!(out[0]["fixes"][0]["device"], "17");
        assert_eq!(
            (&out[0]["fixes"][0]["lon"], &out[0]["fixes"][0]["attributes"]["depot"]),
            (&json!(2.0), &json!("north"))
        );
        let out =
            run(Protocol::MqttJson, &[json!({"id": 1, "topic": "zupynka/v1/f/track/val-1", "text": r#"{"time":5}"#})]);
        assert_eq!(out[0]["fixes"][0]["device"], "val-1");
    }

    #[test]
    fn a_line_that_is_no_message_names_its_number() {
        let mut out = Vec::new();
        let e =
            decode_lines(Protocol::Teltonika, UnixMs(0), &b"\n{\"id\":1,\"hex\":\"f\"}\n"[..], &mut out).unwrap_err();
        assert_eq!(e.to_string(), "line 2: `hex` is not pairs of hexadecimal digits");
    }
}
