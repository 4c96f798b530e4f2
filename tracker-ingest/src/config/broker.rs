//! `[ingest.broker.NAME]`: the city's own brokers, and what is taken from each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transit_model::ids::FeedId;

use crate::codec::topic::{Template, TemplateError};
use crate::codec::topic_json::Mapping;
use crate::codec::{Protocol, hfp, mqtt_json, owntracks};

/// `[ingest.broker.NAME]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Its name or address.
    pub host: String,
    /// Its port; absent = 1883, or 8883 with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name of our session, which the broker keeps while we are away: one to a process.
    #[serde(default = "client_id")]
    pub client_id: String,
    /// Our user, if the broker asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Our password, if the broker asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A file whose first line is our password; read anew for every connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Whether it speaks TLS.
    #[serde(default)]
    pub tls: bool,
    /// The authority of its certificate, PEM; absent = those the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Seconds after which either side asks whether the other is there.
    #[serde(default = "keep_alive_secs")]
    pub keep_alive_secs: u16,
    /// Seconds without a message after which we connect anew; 0 = never.
    #[serde(default = "silence_secs")]
    pub silence_secs: u32,
    /// What is taken, by names of the city's own; none = our JSON.
    #[serde(default)]
    pub topics: BTreeMap<String, TopicConfig>,
}

const DEFAULT_PORT: u16 = 1883;
const DEFAULT_TLS_PORT: u16 = 8883;

impl BrokerConfig {
    /// A broker at an address, with all else by default.
    #[must_use]
    pub fn at(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port: Some(port),
            client_id: client_id(),
            username: None,
            password: None,
            password_file: None,
            tls: false,
            ca: None,
            keep_alive_secs: keep_alive_secs(),
            silence_secs: silence_secs(),
            topics: BTreeMap::new(),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT })
    }
}

impl std::fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BrokerConfig({}:{} as {})", self.host, self.port(), self.client_id)
    }
}

fn client_id() -> String {
    "zupynka-ingest".to_owned()
}

const fn keep_alive_secs() -> u16 {
    30
}

const fn silence_secs() -> u32 {
    900
}

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// Our own JSON.
    #[default]
    MqttJson,
    /// `OwnTracks`.
    #[serde(rename = "owntracks")]
    OwnTracks,
    /// High-frequency positioning of HSL.
    Hfp,
    /// GTFS-Realtime vehicle positions.
    GtfsRt,
    /// JSON of another shape, which `fields` describes.
    TopicJson,
}

impl Payload {
    /// The protocol it is.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::MqttJson => Protocol::MqttJson,
            Self::OwnTracks => Protocol::OwnTracks,
            Self::Hfp => Protocol::Hfp,
            Self::GtfsRt => Protocol::GtfsRt,
            Self::TopicJson => Protocol::TopicJson,
        }
    }

    /// Where it is published unless somebody says otherwise.
    const fn usual_topic(self) -> Option<&'static str> {
        match self {
            Self::MqttJson => Some(mqtt_json::TOPIC),
            Self::OwnTracks => Some(owntracks::TOPIC),
            Self::Hfp => Some(hfp::TOPIC),
            // As Digitransit publishes it.
            Self::GtfsRt => Some("/gtfsrt/vp/#"),
            Self::TopicJson => None,
        }
    }
}

/// `[ingest.broker.NAME.topics.NAME]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicConfig {
    /// What is published there.
    pub payload: Payload,
    /// The topic, with names for its levels; absent = where the payload is usually published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Where in the JSON each thing stands; of `topic-json` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Mapping>,
}

/// What is to be taken cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TopicError {
    /// The topic is no template.
    #[error("topic: {0}")]
    Template(#[from] TemplateError),
    /// No topic, and none that is usual.
    #[error("topic is missing: topic-json has no usual one")]
    NoTopic,
    /// Nobody could tell whose a message is.
    #[error("topic has no {{vehicle}}, and fields.device says no place for one")]
    NoDevice,
    /// A table where none is read.
    #[error("fields are of payload = \"topic-json\" only")]
    Fields,
}

/// One thing to take from a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subscription {
    pub(crate) payload: Payload,
    pub(crate) template: Template,
    pub(crate) fields: Mapping,
}

impl TopicConfig {
    /// Whether it can be taken.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self) -> Result<(), TopicError> {
        self.subscription(&FeedId::from("feed")).map(drop)
    }

    pub(crate) fn subscription(&self, feed: &FeedId) -> Result<Subscription, TopicError> {
        let text = self.topic.as_deref().or(self.payload.usual_topic()).ok_or(TopicError::NoTopic)?;
        let template = text.parse::<Template>()?.with("feed", feed.as_str());
        if self.fields.is_some() && self.payload != Payload::TopicJson {
            return Err(TopicError::Fields);
        }
        let fields = self.fields.clone().unwrap_or_default();
        let told = match self.payload {
            Payload::MqttJson => template.names_device(),
            Payload::TopicJson => template.names_device() || fields.device.is_some(),
            Payload::OwnTracks | Payload::Hfp | Payload::GtfsRt => true,
        };
        if told { Ok(Subscription { payload: self.payload, template, fields }) } else { Err(TopicError::NoDevice) }
    }
}

impl BrokerConfig {
    pub(crate) fn subscriptions(&self, feed: &FeedId) -> Result<Vec<Subscription>, (String, TopicError)> {
        if self.topics.is_empty() {
            return TopicConfig::default().subscription(feed).map(|s| vec![s]).map_err(|e| (String::new(), e));
        }
        self.topics.iter().map(|(name, t)| t.subscription(feed).map_err(|e| (name.clone(), e))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(payload: Payload, topic: Option<&str>) -> TopicConfig {
        TopicConfig { payload, topic: topic.map(str::to_owned), fields: None }
    }

    #[test]
    fn each_payload_has_its_usual_topic_save_one() {
        let of = |payload| topic(payload, None).subscription(&"kyiv".into()).map(|s| s.template.filter());
        assert_eq!(of(Payload::MqttJson).unwrap(), "zupynka/v1/kyiv/track/+");
        assert_eq!(of(Payload::OwnTracks).unwrap(), "owntracks/+/+/#");
        assert_eq!(of(Payload::Hfp).unwrap(), "/hfp/v2/journey/ongoing/vp/#");
        assert_eq!(of(Payload::GtfsRt).unwrap(), "/gtfsrt/vp/#");
        assert_eq!(of(Payload::TopicJson), Err(TopicError::NoTopic));
        let none = BrokerConfig::at("h", 1).subscriptions(&"kyiv".into()).unwrap();
        assert_eq!(none.iter().map(|s| s.payload).collect::<Vec<_>>(), [Payload::MqttJson]);
    }

    #[test]
    fn a_message_must_have_somebody_it_is_of() {
        assert_eq!(topic(Payload::TopicJson, Some("city/+/position")).check(), Err(TopicError::NoDevice));
        assert_eq!(topic(Payload::TopicJson, Some("city/{vehicle}/position")).check(), Ok(()));
        let fields = serde_json::from_str(r#"{"device": "/id"}"#).ok();
        let by_field = TopicConfig { fields, ..topic(Payload::TopicJson, Some("city/position")) };
        assert_eq!(by_field.check(), Ok(()));
        assert_eq!(TopicConfig { payload: Payload::Hfp, ..by_field }.check(), Err(TopicError::Fields));
        assert!(matches!(topic(Payload::Hfp, Some("a/#/b")).check(), Err(TopicError::Template(_))));
    }

    #[test]
    fn a_port_is_as_tls_has_it() {
        let mut b = BrokerConfig { port: None, ..BrokerConfig::at("h", 1) };
        assert_eq!(b.port(), 1883);
        b.tls = true;
        assert_eq!(b.port(), 8883);
    }
}
