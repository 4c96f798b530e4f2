//! The `[ingest]` section of the configuration, with its defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transit_model::ids::FeedId;

use crate::gate::GateConfig;

/// What to listen on, whom to let in, what to keep.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// The feed the vehicles belong to: a level of every MQTT topic.
    pub feed: FeedId,
    /// The folder of the journal, `ingest.db`; made when it is not there.
    pub data_dir: PathBuf,
    /// Days that fixes are kept.
    pub retention_days: u32,
    /// Whether a device nobody knows is let in under a name made from its key. Off: it goes to quarantine.
    pub accept_unknown: bool,
    /// Teltonika over TCP.
    pub teltonika: TeltonikaConfig,
    /// OsmAnd and Traccar Client over HTTP.
    pub osmand: OsmandConfig,
    /// Our own publish-only MQTT endpoint, where there is no broker.
    pub mqtt: MqttConfig,
    /// A broker to take our JSON from, where there is one.
    pub broker: Option<BrokerConfig>,
    /// What is believable.
    pub gate: GateConfig,
    /// What a connection may cost.
    pub limits: Limits,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            feed: FeedId::from("city"),
            data_dir: PathBuf::from("zupynka-data"),
            retention_days: 30,
            accept_unknown: false,
            teltonika: TeltonikaConfig::default(),
            osmand: OsmandConfig::default(),
            mqtt: MqttConfig::default(),
            broker: None,
            gate: GateConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl IngestConfig {
    /// The journal's file.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.data_dir.join("ingest.db")
    }
}

/// `[ingest.teltonika]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeltonikaConfig {
    /// Address and port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// `[ingest.osmand]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OsmandConfig {
    /// Address and port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether a device without a token is refused. One that has a token must always show it.
    pub require_token: bool,
}

/// `[ingest.mqtt]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttConfig {
    /// Address and port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether a device without a token is refused. One that has a token must always show it.
    pub require_token: bool,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self { listen: None, require_token: true }
    }
}

/// `[ingest.broker]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    #[serde(default = "mqtt_port")]
    pub port: u16,
    /// The name of our session, which the broker keeps while we are away: one to a process.
    #[serde(default = "client_id")]
    pub client_id: String,
    /// Our user, if the broker asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Our password, if the broker asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BrokerConfig({}:{} as {})", self.host, self.port, self.client_id)
    }
}

const fn mqtt_port() -> u16 {
    1883
}

fn client_id() -> String {
    "zupynka-ingest".to_owned()
}

/// `[ingest.limits]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections open at once, a listener.
    pub connections: usize,
    /// Bytes a connection may send before it says who it is.
    pub login_bytes: usize,
    /// Seconds it may take to say so.
    pub login_secs: u32,
    /// Seconds a connection may be silent.
    pub idle_secs: u32,
    /// Seconds a device's connection must have been silent before another address may take its place.
    pub takeover_secs: u32,
    /// Messages of a connection that may wait for the disk before no more are read from it.
    pub unacknowledged: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            login_bytes: 1024,
            login_secs: 15,
            idle_secs: 900,
            takeover_secs: 60,
            unacknowledged: 64,
        }
    }
}
