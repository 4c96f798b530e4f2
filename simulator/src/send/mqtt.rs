//! An on-board computer's connection: JSON over MQTT 3.1.1, QoS 1, its device's name as client id and
//! user, its token as password.
//!
//! After a fault the client is thrown away and a new one made: the courier keeps what was not
//! acknowledged, so nothing is left for rumqttc's own session to resend.

use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS};
use tracker_ingest::codec::mqtt_json::{encode, topic};
use tracker_ingest::codec::{DeviceKey, Record};
use transit_model::ids::FeedId;

use super::wire::{Delivered, Fault};

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Where an endpoint names no port.
const PORT: u16 = 1883;

pub(super) struct Wire {
    host: String,
    port: u16,
    device: DeviceKey,
    token: String,
    topic: String,
    open: Option<(AsyncClient, EventLoop)>,
}

impl Wire {
    pub(super) fn to(endpoint: &str, device: DeviceKey, token: String, feed: &FeedId) -> Self {
        let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
        let topic = topic(feed, &device);
        Self { host: host.to_owned(), port: port.parse().unwrap_or(PORT), device, token, topic, open: None }
    }

    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<Delivered, Fault> {
        let mut connected = false;
        if self.open.is_none() {
            let login = self.login();
            self.open = Some(connect(login).await?);
            connected = true;
        }
        let Some((client, events)) = &mut self.open else { return Err(Fault::Broken("closed".to_owned())) };
        for record in records {
            let payload = encode(record)?;
            client.try_publish(&self.topic, QoS::AtLeastOnce, false, payload).map_err(|e| broken(&e))?;
            while !matches!(events.poll().await.map_err(fault)?, Event::Incoming(Packet::PubAck(_))) {}
        }
        Ok(Delivered { taken: records.len(), connected })
    }

    fn login(&self) -> MqttOptions {
        let mut options = MqttOptions::new(self.device.expose(), &self.host, self.port);
        options.set_keep_alive(KEEP_ALIVE).set_credentials(self.device.expose(), &self.token);
        options
    }

    pub(super) async fn idle(&mut self) -> Fault {
        let Some((_, events)) = &mut self.open else { return std::future::pending().await };
        loop {
            if let Err(e) = events.poll().await {
                return fault(e);
            }
        }
    }

    pub(super) fn hang_up(&mut self) {
        if let Some((client, _)) = self.open.take() {
            // Polite, and of no consequence: the socket closes with the event loop.
            let _ = client.try_disconnect();
        }
    }
}

async fn connect(login: MqttOptions) -> Result<(AsyncClient, EventLoop), Fault> {
    let (client, mut events) = AsyncClient::new(login, 8);
    match events.poll().await.map_err(fault)? {
        Event::Incoming(Packet::ConnAck(_)) => Ok((client, events)),
        other => Err(Fault::Broken(format!("{other:?} instead of an answer to the login"))),
    }
}

fn fault(e: ConnectionError) -> Fault {
    match e {
        ConnectionError::ConnectionRefused(code) => Fault::Refused(format!("{code:?}")),
        ConnectionError::Io(e) => e.into(),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Fault::TimedOut,
        other => broken(&other),
    }
}

fn broken(e: &dyn std::error::Error) -> Fault {
    Fault::Broken(e.to_string())
}
