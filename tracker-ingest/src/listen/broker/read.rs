//! What a message of a broker says, by device: the first subscription whose template fits the topic says how to read it.
//! A function of its input.

use rustc_hash::FxHashMap;

use crate::codec::{DecodeError, DecodeErrorKind, DeviceKey, Message, Protocol, Record};
use crate::codec::{gtfs_rt, hfp, mqtt_json, owntracks, topic_json};
use crate::config::{Payload, Subscription};

/// The longest payload taken whatever it is, bytes.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;

/// A message, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    /// The broker kept it and nobody knows since when.
    pub(super) retained: bool,
}

/// What it says.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Told {
    pub(super) source: Protocol,
    /// Each device once, in the order they were named first.
    pub(super) parts: Vec<(DeviceKey, Vec<Record>)>,
    pub(super) faults: Vec<Fault>,
}

/// What in it could not be read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Fault {
    pub(super) device: Option<DeviceKey>,
    pub(super) error: DecodeError,
}

/// Reads a message; `None` where no subscription is of its topic, or the topic must name a device and does not.
pub(super) fn read(subscriptions: &[Subscription], message: &Incoming<'_>) -> Option<Told> {
    let (s, levels) = subscriptions.iter().find_map(|s| s.template.read(message.topic).map(|levels| (s, levels)))?;
    let named = levels.device();
    // Our own devices write their keys plainly; what others call theirs is made a key.
    let device = match (s.payload, named) {
        (Payload::MqttJson, Some(key)) => Some(DeviceKey::is_valid(&key).then(|| DeviceKey::from(key))?),
        (Payload::MqttJson, None) => return None,
        (_, named) => named.as_deref().and_then(DeviceKey::of_name),
    };
    let mut told = Told { source: s.payload.protocol(), parts: Vec::new(), faults: Vec::new() };
    let mut parts = Parts::default();
    for record in records(s, message) {
        let record = record.and_then(|r| {
            if message.retained && r.time.is_none() && r.position.is_some() {
                let detail = "the broker has kept it, and without a time of its own nobody knows how old it is";
                return Err(DecodeError::new(DecodeErrorKind::MissingField, 0, detail));
            }
            Ok(r)
        });
        match record {
            Ok(mut record) => {
                levels.complete(&mut record);
                // The topic first: it is what the broker lets a client write to.
                match device.clone().or_else(|| record.device.take()) {
                    Some(key) => parts.add(key, record),
                    None => {
                        let error = DecodeError::new(
                            DecodeErrorKind::MissingField,
                            0,
                            "neither topic nor payload names a device",
                        );
                        told.faults.push(Fault { device: None, error });
                    }
                }
            }
            Err(error) => told.faults.push(Fault { device: device.clone(), error }),
        }
    }
    told.parts = parts.all;
    Some(told)
}

fn records(s: &Subscription, message: &Incoming<'_>) -> Vec<Result<Record, DecodeError>> {
    let Incoming { topic, payload, .. } = *message;
    if payload.len() > MAX_PAYLOAD {
        let detail = format!("{} bytes; at most {MAX_PAYLOAD} are taken", payload.len());
        return vec![Err(DecodeError::new(DecodeErrorKind::Oversize, 0, detail))];
    }
    let read = match s.payload {
        Payload::MqttJson => mqtt_json::decode(payload),
        Payload::OwnTracks => owntracks::decode(payload),
        Payload::Hfp => hfp::decode(topic, payload),
        Payload::TopicJson => topic_json::decode(&s.fields, payload),
        Payload::GtfsRt => {
            return match gtfs_rt::parse(payload) {
                Ok(feed) => gtfs_rt::entities(&feed).map(|(_, record)| record).collect(),
                Err(e) => vec![Err(e)],
            };
        }
    };
    match read {
        Ok(Message::Records(records)) => records.into_iter().map(Ok).collect(),
        Ok(Message::Login(_) | Message::KeepAlive) => Vec::new(),
        Err(e) => vec![Err(e)],
    }
}

/// Records by device, in the order the devices were named first.
#[derive(Default)]
struct Parts {
    all: Vec<(DeviceKey, Vec<Record>)>,
    at: FxHashMap<DeviceKey, usize>,
}

impl Parts {
    fn add(&mut self, key: DeviceKey, record: Record) {
        let at = *self.at.entry(key.clone()).or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some((_, records)) => records.push(record),
            None => self.all.push((key, vec![record])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Position;
    use crate::config::TopicConfig;
    use transit_model::time::UnixMs;

    fn subscription(payload: Payload, topic: Option<&str>, fields: Option<&str>) -> Subscription {
        let fields = fields.map(|f| serde_json::from_str(f).unwrap());
        TopicConfig { payload, topic: topic.map(str::to_owned), fields }.subscription(&"test".into()).unwrap()
    }

    fn all() -> Vec<Subscription> {
        vec![
            subscription(Payload::MqttJson, None, None),
            subscription(Payload::OwnTracks, None, None),
            subscription(Payload::Hfp, None, None),
            subscription(Payload::GtfsRt, None, None),
            subscription(
                Payload::TopicJson,
                Some("city/{depot}/bus/{vehicle}/position"),
                Some(r#"{"time": "received"}"#),
            ),
        ]
    }

    fn told(topic: &str, payload: &[u8]) -> Option<Told> {
        read(&all(), &Incoming { topic, payload, retained: false })
    }

    fn record(device: &str) -> Record {
        let position = Some(Position { lat: 48.75, lon: 37.5, valid: true, ..Position::default() });
        Record {
            device: Some(DeviceKey::from(device)),
            position,
            time: Some(UnixMs::from_secs(1_795_000_000)),
            ..Record::default()
        }
    }

    #[test]
    fn the_topic_says_how_a_payload_is_read_and_whose_it_is() {
        let (hfp_topic, hfp_payload) = hfp::encode(&record("0018:00423")).unwrap();
        let cases: [(&str, Vec<u8>, Protocol, &str); 5] = [
            ("zupynka/v1/test/track/val-1", mqtt_json::encode(&record("x")).unwrap(), Protocol::MqttJson, "val-1"),
            ("owntracks/depot/bus-7", owntracks::encode(&record("x")).unwrap(), Protocol::OwnTracks, "depot:bus-7"),
            (&hfp_topic, hfp_payload, Protocol::Hfp, "0018:00423"),
            ("/gtfsrt/vp/hsl/22/x", gtfs_rt::encode(UnixMs(0), &[record("22:7")]).unwrap(), Protocol::GtfsRt, "22:7"),
            ("city/north/bus/17/position", b"{\"lat\":48.75,\"lon\":37.5}".to_vec(), Protocol::TopicJson, "17"),
        ];
        for (topic, payload, source, key) in cases {
            let told = told(topic, &payload).unwrap();
            assert_eq!((told.source, told.faults.as_slice()), (source, [].as_slice()), "{topic}");
            let [(device, records)] = &told.parts[..] else { panic!("{topic}: {told:?}") };
            assert_eq!((device.expose(), records[0].position.map(|p| p.lat)), (key, Some(48.75)), "{topic}");
        }
    }

    #[test]
    fn a_topic_of_nobody_is_no_message_of_ours() {
        for topic in ["zupynka/v1/other/track/x", "zupynka/v1/test/track/ключ", "a/b", "zupynka/v1/test/track/"] {
            assert_eq!(told(topic, b"{}"), None, "{topic}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_of_its_device_and_of_no_other() {
        let t = told("zupynka/v1/test/track/val-1", b"not json").unwrap();
        assert_eq!((t.parts.len(), t.faults[0].device.clone()), (0, Some("val-1".into())));
        let t = told("owntracks/a/b", &vec![b' '; MAX_PAYLOAD + 1]).unwrap();
        assert_eq!(t.faults[0].error.kind, DecodeErrorKind::Oversize);
        let none = told("/gtfsrt/vp/x", b"").unwrap();
        assert_eq!(none.faults[0].error.kind, DecodeErrorKind::MissingField);
    }

    #[test]
    fn a_message_may_speak_for_many_and_names_each_once() {
        let wire = gtfs_rt::encode(UnixMs(0), &[record("a"), record("b"), record("a")]).unwrap();
        let t = told("/gtfsrt/vp/all", &wire).unwrap();
        let who: Vec<_> = t.parts.iter().map(|(k, r)| (k.expose(), r.len())).collect();
        assert_eq!(who, [("a", 2), ("b", 1)]);
    }

    #[test]
    fn what_the_broker_has_kept_without_a_time_moves_nobody() {
        let kept = |payload: &[u8], topic| read(&all(), &Incoming { topic, payload, retained: true }).unwrap();
        let t = kept(b"{\"lat\":48.75,\"lon\":37.5}", "city/north/bus/17/position");
        assert!(t.parts.is_empty() && t.faults[0].error.detail.contains("how old"));
        let dated = mqtt_json::encode(&record("x")).unwrap();
        assert_eq!(kept(&dated, "zupynka/v1/test/track/val-1").parts.len(), 1);
    }
}
