//! Our JSON from a city's own MQTT broker: QoS 1, a session the broker keeps, acknowledged by hand after
//! the commit.
//!
//! Three loops share one connection: one polls it, one takes messages in, one acknowledges in order. No
//! more than [`IN_FLIGHT`] messages are between them, and the client's own queue holds them all, so that
//! none of the loops can wait for another in a circle. When a message cannot be made durable the
//! connection is dropped: the broker sends again what was not acknowledged.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, Publish, QoS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::entropy;

use crate::codec::{Message, Protocol, mqtt_json};
use crate::config::BrokerConfig;
use crate::intake::{Intake, Proof, Ticket};
use crate::rejection::Rejection;
use crate::watch::Who;

const SOURCE: Protocol = Protocol::MqttJson;
const IN_FLIGHT: usize = 1000;
const MAX_PACKET: usize = 64 * 1024;
const WAITS: Policy = Policy { first: Duration::from_secs(1), most: Duration::from_secs(60) };

/// Why a connection to the broker ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Connection(#[from] Box<rumqttc::ConnectionError>),
    #[error("cannot ask the client: {0}")]
    Client(#[from] rumqttc::ClientError),
    #[error(transparent)]
    NotDurable(#[from] crate::journal::NotDurable),
    #[error("a part of it ended")]
    Part,
}

/// Takes from the broker until told to stop, connecting again whenever the connection is lost.
pub(crate) async fn run(config: BrokerConfig, intake: Arc<Intake>, stop: CancellationToken) {
    let mut chance = match entropy() {
        Ok(seed) => StdRng::from_seed(seed),
        Err(e) => {
            tracing::warn!(error = %e, "the system gives no chance: the waits for the broker are the same in every process");
            StdRng::from_seed([0; 32])
        }
    };
    let mut backoff = Backoff::new(WAITS);
    loop {
        let mut useful = false;
        let lost = tokio::select! {
            () = stop.cancelled() => return,
            lost = once(&config, &intake, &mut useful) => lost,
        };
        if useful {
            backoff.reset();
        }
        let wait = backoff.wait(chance.random());
        tracing::warn!(broker = ?config, error = %lost, retry_in_ms = wait.as_millis(), "the broker is lost");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One connection, from its start to its end. It was useful when it lived for a keep-alive or a message was
/// acknowledged on it; one that only opens, or whose messages the disk does not take, is not.
async fn once(config: &BrokerConfig, intake: &Arc<Intake>, useful: &mut bool) -> Lost {
    let mut options = MqttOptions::new(&config.client_id, &config.host, config.port);
    options
        .set_manual_acks(true)
        .set_clean_session(false)
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(MAX_PACKET, MAX_PACKET);
    if let Some(user) = &config.username {
        options.set_credentials(user, config.password.as_deref().unwrap_or(""));
    }
    let (client, events) = AsyncClient::new(options, IN_FLIGHT + 16);
    let (publishes, inbox) = mpsc::channel(IN_FLIGHT);
    let (tickets, waiting) = mpsc::channel(IN_FLIGHT);
    let result = tokio::select! {
        r = poll(events, &client, &intake.feed, publishes, useful) => r,
        r = take(inbox, intake, tickets) => r,
        r = acknowledge(waiting, &client) => r,
    };
    result.err().unwrap_or(Lost::Part)
}

type InFlight = (Publish, OwnedSemaphorePermit);

async fn poll(
    mut events: EventLoop,
    client: &AsyncClient,
    feed: &transit_model::ids::FeedId,
    publishes: mpsc::Sender<InFlight>,
    useful: &mut bool,
) -> Result<(), Lost> {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        match events.poll().await.map_err(Box::new)? {
            // Every time: a broker that was restarted may have forgotten our session.
            Event::Incoming(Packet::ConnAck(_)) => {
                client.try_subscribe(format!("zupynka/v1/{feed}/track/+"), QoS::AtLeastOnce)?;
            }
            Event::Incoming(Packet::PingResp) | Event::Outgoing(Outgoing::PubAck(_)) => *useful = true,
            Event::Incoming(Packet::Publish(publish)) => {
                let place = Arc::clone(&places).acquire_owned().await.map_err(|_| Lost::Part)?;
                publishes.send((publish, place)).await.map_err(|_| Lost::Part)?;
            }
            _ => {}
        }
    }
}

async fn take(
    mut inbox: mpsc::Receiver<InFlight>,
    intake: &Arc<Intake>,
    tickets: mpsc::Sender<(InFlight, Ticket)>,
) -> Result<(), Lost> {
    while let Some((publish, place)) = inbox.recv().await {
        let ticket = offer(&publish, intake).await;
        tickets.send(((publish, place), ticket)).await.map_err(|_| Lost::Part)?;
    }
    Ok(())
}

/// What cannot be read, or is of a device nobody knows, is counted and acknowledged all the same: the
/// broker would hold everything behind it back.
async fn offer(publish: &Publish, intake: &Arc<Intake>) -> Ticket {
    let passed = || -> Ticket { Box::pin(std::future::ready(Ok(()))) };
    let broker = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let Some(key) = mqtt_json::device_of(&intake.feed, &publish.topic) else {
        intake.refuse(Rejection::ForeignTopic, Who::Address(broker.ip()), || "a topic without a device".to_owned());
        return passed();
    };
    let records = match mqtt_json::decode(&publish.payload) {
        Ok(Message::Records(records)) => records,
        Ok(_) => return passed(),
        Err(e) => {
            intake.unreadable(&e, Who::Device(key, None));
            return passed();
        }
    };
    let place = records.first().and_then(|r| r.position).map(|p| (p.lat, p.lon));
    // The broker has asked for the token: its access list binds a user to a topic.
    match intake.identify(&key, Proof::None, SOURCE, broker, place).await {
        Ok(device) => intake.offer(&device, records, SOURCE).await,
        Err(_) => passed(),
    }
}

async fn acknowledge(mut waiting: mpsc::Receiver<(InFlight, Ticket)>, client: &AsyncClient) -> Result<(), Lost> {
    while let Some(((publish, place), ticket)) = waiting.recv().await {
        ticket.await?;
        client.ack(&publish).await?;
        drop(place);
    }
    Ok(())
}
