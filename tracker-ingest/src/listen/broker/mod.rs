//! The city's own MQTT brokers: QoS 1, a session the broker keeps, acknowledged by hand after the commit.
//!
//! | file | what it does |
//! |---|---|
//! | this one | what is needed to connect, and connecting for ever |
//! | `session` | one connection |
//! | `read` | what a message says, by device |
//!
//! What is done about each known fault of the client library is in `docs/decisions/0018-brokers.md`.

mod read;
mod session;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnectionError, MqttOptions, StateError, TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::entropy;
use transit_model::ids::FeedId;

use crate::config::{BrokerConfig, Subscription, TopicError};
use crate::intake::Intake;
use crate::tls::{TlsError, certificates};
use session::{Lost, Session};

const WAITS: Policy = Policy { first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// The longest packet taken as a rule: a payload of the longest codec, its topic and the header.
const USUAL_PACKET: usize = (1 << 20) + (64 << 10);
/// The longest packet there can be (MQTT 3.1.1, 2.2.3).
const LONGEST_PACKET: usize = 268_435_455;
/// The longest packet we send: a SUBSCRIBE.
const LONGEST_SENT: usize = 64 << 10;

/// A broker cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// What is to be taken cannot be.
    #[error("[ingest.broker.{broker}.topics.{topic}] {source}")]
    Topic {
        /// Of which broker.
        broker: String,
        /// Which of its topics.
        topic: String,
        /// Why.
        source: TopicError,
    },
    /// The authority of its certificate cannot be used.
    #[error("[ingest.broker.{broker}] {source}")]
    Tls {
        /// Which.
        broker: String,
        /// Why.
        source: TlsError,
    },
    /// The password's file cannot be read.
    #[error("[ingest.broker.{broker}] cannot read the password in {}: {source}", path.display())]
    Password {
        /// Which.
        broker: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A broker, ready to be connected to.
pub(crate) struct Broker {
    name: String,
    config: BrokerConfig,
    subscriptions: Vec<Subscription>,
    tls: Option<Arc<ClientConfig>>,
}

impl Broker {
    /// Makes sure that all that is needed is there.
    pub(crate) fn open(name: &str, config: &BrokerConfig, feed: &FeedId) -> Result<Self, BrokerError> {
        let broker = || name.to_owned();
        let subscriptions = config.subscriptions(feed).map_err(|(topic, source)| BrokerError::Topic {
            broker: broker(),
            topic,
            source,
        })?;
        let tls = if config.tls {
            let client = client_tls(config.ca.as_deref());
            Some(Arc::new(client.map_err(|source| BrokerError::Tls { broker: broker(), source })?))
        } else {
            None
        };
        let all = Self { name: broker(), config: config.clone(), subscriptions, tls };
        all.password().map_err(|source| {
            let path = config.password_file.clone().unwrap_or_default();
            BrokerError::Password { broker: broker(), path, source }
        })?;
        Ok(all)
    }

    /// The password, from its file where it has one, so that a new one needs no restart.
    fn password(&self) -> std::io::Result<String> {
        match &self.config.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)?;
                Ok(text.lines().next().unwrap_or("").trim_end().to_owned())
            }
            None => Ok(self.config.password.clone().unwrap_or_default()),
        }
    }

    fn options(&self, longest: usize) -> std::io::Result<MqttOptions> {
        let c = &self.config;
        let mut options = MqttOptions::new(&c.client_id, &c.host, c.port());
        options
            .set_manual_acks(true)
            .set_clean_session(false)
            .set_keep_alive(Duration::from_secs(c.keep_alive_secs.max(1).into()))
            .set_max_packet_size(longest, LONGEST_SENT);
        if let Some(user) = &c.username {
            options.set_credentials(user, self.password()?);
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))));
        }
        Ok(options)
    }

    /// Takes from the broker until told to stop, connecting again whenever the connection is lost.
    pub(crate) async fn run(self, intake: Arc<Intake>, stop: CancellationToken) {
        let mut chance = match entropy() {
            Ok(seed) => StdRng::from_seed(seed),
            Err(e) => {
                tracing::warn!(error = %e, "the system gives no chance: the waits for the broker are the same in every process");
                StdRng::from_seed([0; 32])
            }
        };
        let mut backoff = Backoff::new(WAITS);
        let mut longest = USUAL_PACKET;
        let mut kept = false;
        loop {
            let mut session = Session::new(&self, &intake, kept);
            let lost = tokio::select! {
                () = stop.cancelled() => return,
                lost = session.run(longest) => lost,
            };
            if session.was_useful() {
                backoff.reset();
            }
            kept = session.is_kept();
            longest = next_limit(&lost);
            self.lost(&intake, &lost, backoff.wait(chance.random()), &stop).await;
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn lost(&self, intake: &Intake, lost: &Lost, wait: Duration, stop: &CancellationToken) {
        let at = intake.clock.now();
        let wait = if lost.is_routine() { Duration::ZERO } else { wait };
        if lost.is_routine() {
            tracing::info!(broker = self.name, at = ?self.config, reason = %lost, "connecting anew");
        } else {
            tracing::warn!(broker = self.name, at = ?self.config, error = %lost, retry_in_ms = wait.as_millis(), "the broker is lost");
            intake.watch.broker_lost(&self.name, &lost.to_string(), at);
        }
        intake.metrics.broker(&self.name, false);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The longest packet that the next connection takes. A packet beyond the limit ends the connection and the broker sends
/// it again on the next, for ever; so that one takes it, whatever it is, and it can be refused and acknowledged.
fn next_limit(lost: &Lost) -> usize {
    match lost {
        Lost::Connection(e) => match &**e {
            ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded(n))) => {
                n.saturating_add(16).clamp(USUAL_PACKET, LONGEST_PACKET)
            }
            _ => USUAL_PACKET,
        },
        _ => USUAL_PACKET,
    }
}

/// What to speak TLS with: the authority in a file, or those the system trusts.
fn client_tls(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let refuse = |path: &Path, reason: String| TlsError::Authority { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| refuse(path, e.to_string()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
                return Err(refuse(Path::new("the system's certificates"), why));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| refuse(ca.unwrap_or(Path::new("")), e.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_is_too_long_is_taken_by_the_next_connection_only() {
        let too_long = |n| {
            let e = StateError::Deserialization(PacketError::PayloadSizeLimitExceeded(n));
            Lost::Connection(Box::new(ConnectionError::MqttState(e)))
        };
        assert!(next_limit(&too_long(5 << 20)) > 5 << 20);
        assert_eq!(next_limit(&too_long(usize::MAX)), LONGEST_PACKET);
        assert_eq!(next_limit(&too_long(3)), USUAL_PACKET);
        assert_eq!(next_limit(&Lost::Part), USUAL_PACKET);
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file_and_a_missing_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let config = BrokerConfig { password_file: Some(path.clone()), ..BrokerConfig::at("h", 1) };
        let e = Broker::open("city", &config, &"f".into()).err().unwrap().to_string();
        assert!(e.contains("[ingest.broker.city]") && e.contains("password"), "{e}");
        std::fs::write(&path, "s3cret \r\nnext\n").unwrap();
        let broker = Broker::open("city", &config, &"f".into()).unwrap();
        assert_eq!(broker.password().unwrap(), "s3cret");
    }

    #[test]
    fn an_authority_that_is_none_is_said_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "no certificate\n").unwrap();
        let config = BrokerConfig { tls: true, ca: Some(path), ..BrokerConfig::at("h", 1) };
        let e = Broker::open("city", &config, &"f".into()).err().unwrap().to_string();
        assert!(e.contains("ca.pem holds no certificate"), "{e}");
    }
}
