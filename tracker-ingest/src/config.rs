//! The `[ingest]` section of the configuration, with its defaults.

mod broker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use transit_model::ids::FeedId;
use transit_model::time::Zone;

use crate::codec::Protocol;
use crate::gate::GateConfig;
use crate::pull::config::PullConfig;
use crate::registry::binding::Rules;
use crate::working::WorkingInputs;

pub(crate) use broker::Subscription;
pub use broker::{BrokerConfig, Payload, TopicConfig, TopicError};

/// What to listen on, whom to let in, what to keep.
///
/// Every protocol over a stream of bytes has a section of its own, named as the protocol is; they are all
/// in `streams`, which refuses any other name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct IngestConfig {
    /// The feed the vehicles belong to: a level of every MQTT topic.
    pub feed: FeedId,
    /// The folder of the journal, `ingest.db`; made when it is not there.
    pub data_dir: PathBuf,
    /// Days that fixes are kept.
    pub retention_days: u32,
    /// Whether a device nobody knows is let in under a name made from its key. Off: it goes to quarantine.
    pub accept_unknown: bool,
    /// The protocols over a stream of bytes.
    #[serde(flatten)]
    pub streams: Streams,
    /// One port for all of them: what speaks there is known by its first bytes.
    pub any: AnyConfig,
    /// OsmAnd and Traccar Client over HTTP.
    pub osmand: OsmandConfig,
    /// Our own publish-only MQTT endpoint, where there is no broker.
    pub mqtt: MqttConfig,
    /// The city's own brokers, by names of its own.
    #[serde(rename = "broker")]
    pub brokers: BTreeMap<String, BrokerConfig>,
    /// Lists of vehicles that others publish, by the name the source has here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pull: BTreeMap<String, PullConfig>,
    /// The feed's zone, of which times of day are that come without one. No key of the configuration: it stands in
    /// the feed.
    #[serde(skip)]
    pub zone: Option<Zone>,
    /// What the listeners that are marked so speak TLS with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// By which of their inputs machines tell that they work; said under `[machinery]`.
    #[serde(skip)]
    pub working: WorkingInputs,
    /// What is believable.
    pub gate: GateConfig,
    /// What is done about a device that is not as it always was.
    pub binding: Rules,
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
            streams: Streams::default(),
            any: AnyConfig::default(),
            osmand: OsmandConfig::default(),
            mqtt: MqttConfig::default(),
            brokers: BTreeMap::new(),
            pull: BTreeMap::new(),
            zone: None,
            tls: None,
            working: WorkingInputs::default(),
            gate: GateConfig::default(),
            binding: Rules::default(),
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

/// `[ingest.PROTOCOL]` of every protocol over a stream of bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Streams(BTreeMap<Protocol, StreamConfig>);

impl Streams {
    /// A protocol's section; the default where the configuration has none.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> StreamConfig {
        self.0.get(&protocol).copied().unwrap_or_default()
    }

    /// A protocol's section, to be changed.
    pub fn entry(&mut self, protocol: Protocol) -> &mut StreamConfig {
        self.0.entry(protocol).or_default()
    }

    /// The sections that are there, by protocol.
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, StreamConfig)> {
        self.0.iter().map(|(p, c)| (*p, *c))
    }
}

impl Serialize for Streams {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(p, c)| (p.name(), c)))
    }
}

impl<'de> Deserialize<'de> for Streams {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, StreamConfig>::deserialize(from)?;
        let of = |(name, config): (String, StreamConfig)| match name.parse::<Protocol>() {
            Ok(p) if p.stream().is_some() => Ok((p, config)),
            _ => Err(serde::de::Error::custom(format!("`{name}` is no section or key of [ingest]"))),
        };
        named.into_iter().map(of).collect::<Result<_, _>>().map(Self)
    }
}

/// `[ingest.PROTOCOL]` of a protocol over a stream of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamConfig {
    /// Address and TCP port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Address and UDP port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<SocketAddr>,
    /// Whether a connection may speak for many devices from its first word on, as a relay's does
    /// (`docs/decisions/0017-relays.md`).
    pub relay: bool,
    /// Whether the TCP port speaks TLS, and nothing else.
    pub tls: bool,
}

/// `[ingest.any]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnyConfig {
    /// Address and TCP port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether it speaks TLS, and nothing else.
    pub tls: bool,
}

/// `[ingest.osmand]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OsmandConfig {
    /// Address and port; absent = not listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether it speaks TLS, and nothing else.
    pub tls: bool,
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
    /// Whether it speaks TLS, and nothing else.
    pub tls: bool,
    /// Whether a device without a token is refused. One that has a token must always show it.
    pub require_token: bool,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self { listen: None, tls: false, require_token: true }
    }
}

/// `[ingest.tls]`. The files are PEM; they are taken in anew when they change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority of the devices' certificates. With it every device on a TLS port must show one, and
    /// speaks for the device that is its common name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Common names of certificates that are relays': on a port with `relay = true` they speak for any device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<String>,
}

/// `[ingest.limits]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections open at once, a listener.
    pub connections: usize,
    /// Bytes a connection may send before a device that is known has spoken on it: room for the largest
    /// first message of protocols that have no login.
    pub login_bytes: usize,
    /// Seconds it may take until then.
    pub login_secs: u32,
    /// Seconds a connection may be silent.
    pub idle_secs: u32,
    /// Seconds a device's connection must have been silent before another address may take its place.
    pub takeover_secs: u32,
    /// Messages of a connection that may wait for the disk before no more are read from it.
    pub unacknowledged: usize,
    /// Devices that one connection may speak for.
    pub devices: usize,
    /// Seconds a message may take from its first byte to its last.
    pub message_secs: u32,
    /// Senders over UDP that are remembered at once, a port.
    pub udp_senders: usize,
    /// Connections open at once from one address: a mobile network puts many trackers behind one.
    pub address_connections: usize,
    /// Messages a second of an address, over ten seconds.
    pub address_messages: u32,
    /// Bytes a second of an address, over ten seconds.
    pub address_bytes: u32,
    /// Messages a second of a device, over ten seconds.
    pub device_messages: u32,
    /// Bytes a second of a device, over ten seconds.
    pub device_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            login_bytes: 16_384,
            login_secs: 15,
            idle_secs: 900,
            takeover_secs: 60,
            unacknowledged: 64,
            devices: 2000,
            message_secs: 60,
            udp_senders: 20_000,
            address_connections: 5000,
            address_messages: 10_000,
            address_bytes: 8 << 20,
            device_messages: 500,
            device_bytes: 1 << 20,
        }
    }
}
