//! One connection to a broker, from its start to its end.
//!
//! Three loops share it: one polls it, one takes messages in, one acknowledges in order. No loop can wait for another in a
//! circle: at most [`IN_FLIGHT`] messages are between polling and acknowledging, and the queue of requests to the client
//! holds an acknowledgement of every message that the broker can have sent without one ([`REQUESTS`]), so that to
//! acknowledge never waits. When a message cannot be made durable the connection is dropped: the broker sends again what
//! was not acknowledged.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Outgoing, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Broker, read};
use crate::intake::{Intake, Proof, Ticket};
use crate::registry::binding::Sighting;
use crate::rejection::Rejection;
use crate::watch::Who;

const IN_FLIGHT: usize = 1000;
/// Packet identifiers are 16 bits, and one is used again only after its acknowledgement; and a SUBSCRIBE besides.
const REQUESTS: usize = u16::MAX as usize + 16;
/// How long what has come may take to be stored when the connection is lost.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long the broker may take to answer a SUBSCRIBE.
const ANSWER: Duration = Duration::from_secs(30);

/// Why a connection to the broker ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Connection(#[from] Box<rumqttc::ConnectionError>),
    #[error("cannot ask the client: {0}")]
    Client(#[from] rumqttc::ClientError),
    #[error(transparent)]
    NotDurable(#[from] crate::journal::NotDurable),
    #[error("cannot read the password: {0}")]
    Password(std::io::Error),
    #[error("it does not answer SUBSCRIBE")]
    NoAnswer,
    #[error("it lets us subscribe to nothing: {0}")]
    Refused(String),
    #[error("no message for {0} s")]
    Silent(u32),
    #[error("a part of it ended")]
    Part,
}

impl Lost {
    /// Whether nothing is known to be wrong.
    pub(super) const fn is_routine(&self) -> bool {
        matches!(self, Self::Silent(_))
    }
}

pub(super) struct Session<'b> {
    broker: &'b Broker,
    intake: &'b Arc<Intake>,
    /// It lived for a keep-alive or a message was acknowledged on it; one that only opens, or whose messages the disk
    /// does not take, is not useful.
    useful: bool,
    /// The broker has subscriptions of ours in its session.
    kept: bool,
}

type InFlight = (Publish, OwnedSemaphorePermit);

impl<'b> Session<'b> {
    /// `kept`: the broker should have a session of ours.
    pub(super) fn new(broker: &'b Broker, intake: &'b Arc<Intake>, kept: bool) -> Self {
        Self { broker, intake, useful: false, kept }
    }

    pub(super) const fn was_useful(&self) -> bool {
        self.useful
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.kept
    }

    /// Lives until the connection is lost; takes packets up to a length.
    pub(super) async fn run(&mut self, longest: usize) -> Lost {
        let options = match self.broker.options(longest) {
            Ok(options) => options,
            Err(e) => return Lost::Password(e),
        };
        // A client of its own for each connection: nothing of a lost one is left to be sent on the next.
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (publishes, inbox) = mpsc::channel(IN_FLIGHT);
        let (tickets, waiting) = mpsc::channel(IN_FLIGHT);
        let (broker, intake) = (self.broker, self.intake);
        let gone = AtomicBool::new(false);
        let taking =
            async { tokio::try_join!(take(inbox, broker, intake, tickets), acknowledge(waiting, &client, &gone)) };
        tokio::pin!(taking);
        let lost = tokio::select! {
            r = self.poll(events, &client, publishes) => r.err(),
            r = &mut taking => return r.err().unwrap_or(Lost::Part),
        };
        // What has come is taken in all the same: a broker that was killed may have forgotten it when it comes back.
        gone.store(true, Ordering::Relaxed);
        let kept = tokio::time::timeout(LAST_WORDS, taking).await;
        if !matches!(kept, Ok(Ok(_))) {
            tracing::warn!(broker = broker.name, "not all that had come was taken in: the broker is to send it again");
        }
        lost.unwrap_or(Lost::Part)
    }

    async fn poll(
        &mut self,
        mut events: EventLoop,
        client: &AsyncClient,
        publishes: mpsc::Sender<InFlight>,
    ) -> Result<(), Lost> {
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        let answer = tokio::time::sleep(ANSWER);
        tokio::pin!(answer);
        let silence = self.broker.config.silence_secs;
        let quiet = || tokio::time::sleep(Duration::from_secs(silence.into()));
        let mut quiet_until = Box::pin(quiet());
        let (mut answered, mut heard) = (false, false);
        loop {
            let event = tokio::select! {
                event = events.poll() => match event {
                    Ok(event) => event,
                    Err(e) => {
                        // Read together with the end of the connection, and not yet told.
                        for event in std::mem::take(&mut events.state.events) {
                            if let Event::Incoming(Packet::Publish(publish)) = event {
                                hand_on(publish, &places, &publishes).await?;
                            }
                        }
                        return Err(Box::new(e).into());
                    }
                },
                () = &mut answer, if !answered => return Err(Lost::NoAnswer),
                () = &mut quiet_until, if silence > 0 => {
                    if !std::mem::take(&mut heard) {
                        return Err(Lost::Silent(silence));
                    }
                    quiet_until = Box::pin(quiet());
                    continue;
                }
            };
            match event {
                // Every time: a broker that was restarted may have forgotten our session.
                Event::Incoming(Packet::ConnAck(connack)) => self.connected(connack.session_present, client)?,
                Event::Incoming(Packet::SubAck(ack)) => {
                    answered = true;
                    self.subscribed(&ack.return_codes)?;
                }
                Event::Incoming(Packet::PingResp) | Event::Outgoing(Outgoing::PubAck(_)) => self.useful = true,
                Event::Incoming(Packet::Publish(publish)) => {
                    heard = true;
                    hand_on(publish, &places, &publishes).await?;
                }
                _ => {}
            }
        }
    }

    fn connected(&mut self, session_present: bool, client: &AsyncClient) -> Result<(), Lost> {
        if self.kept && !session_present {
            tracing::warn!(
                broker = self.broker.name,
                "the broker has forgotten our session: what it was to keep while we were away is lost"
            );
            self.intake.metrics.broker_forgot(&self.broker.name);
        }
        let filter = |s: &crate::config::Subscription| SubscribeFilter::new(s.template.filter(), QoS::AtLeastOnce);
        client.try_subscribe_many(self.broker.subscriptions.iter().map(filter))?;
        Ok(())
    }

    /// Takes in what the broker lets us subscribe to: it answers in the order asked.
    fn subscribed(&mut self, codes: &[SubscribeReasonCode]) -> Result<(), Lost> {
        let subscriptions = &self.broker.subscriptions;
        let is_in = |at: usize| matches!(codes.get(at), Some(SubscribeReasonCode::Success(_)));
        let refused: Vec<String> =
            subscriptions.iter().enumerate().filter(|(at, _)| !is_in(*at)).map(|(_, s)| s.template.filter()).collect();
        let name = &self.broker.name;
        if refused.len() == subscriptions.len() {
            return Err(Lost::Refused(refused.join(", ")));
        }
        for (_, s) in subscriptions
            .iter()
            .enumerate()
            .filter(|(at, _)| matches!(codes.get(*at), Some(SubscribeReasonCode::Success(QoS::AtMostOnce))))
        {
            tracing::warn!(
                broker = name,
                topic = s.template.filter(),
                "the broker gives QoS 0 only: it keeps nothing for us"
            );
        }
        self.kept = true;
        self.intake.metrics.broker(name, true);
        if refused.is_empty() {
            tracing::info!(broker = name, at = ?self.broker.config, "taking from the broker");
            self.intake.watch.broker_found(name);
        } else {
            let topics = refused.join(", ");
            tracing::error!(broker = name, topics, "the broker does not let us subscribe");
            let why = format!("it does not let us subscribe to {topics}");
            self.intake.watch.broker_lost(name, &why, self.intake.clock.now());
        }
        Ok(())
    }
}

/// Waits for a place among the messages that are being taken in.
async fn hand_on(publish: Publish, places: &Arc<Semaphore>, to: &mpsc::Sender<InFlight>) -> Result<(), Lost> {
    let place = Arc::clone(places).acquire_owned().await.map_err(|_| Lost::Part)?;
    to.send((publish, place)).await.map_err(|_| Lost::Part)
}

async fn take(
    mut inbox: mpsc::Receiver<InFlight>,
    broker: &Broker,
    intake: &Arc<Intake>,
    tickets: mpsc::Sender<(InFlight, Ticket)>,
) -> Result<(), Lost> {
    while let Some((publish, place)) = inbox.recv().await {
        let ticket = offer(&publish, broker, intake).await;
        tickets.send(((publish, place), ticket)).await.map_err(|_| Lost::Part)?;
    }
    Ok(())
}

/// What cannot be read, or is of a device nobody knows, is counted and acknowledged all the same: the
/// broker would hold everything behind it back.
async fn offer(publish: &Publish, broker: &Broker, intake: &Arc<Intake>) -> Ticket {
    let passed = || -> Ticket { Box::pin(std::future::ready(Ok(()))) };
    let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let nobody = || Who::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let message = read::Incoming { topic: &publish.topic, payload: &publish.payload, retained: publish.retain };
    let Some(told) = read::read(&broker.subscriptions, &message) else {
        let topic = || format!("{}: a topic nobody asked for, or without a device", broker.name);
        intake.refuse(Rejection::ForeignTopic, nobody(), topic);
        return passed();
    };
    let source = told.source;
    for fault in told.faults {
        let who = fault.device.map_or_else(nobody, |key| Who::Device(key, None));
        intake.unreadable(&fault.error, who);
    }
    let mut parts = Vec::with_capacity(told.parts.len());
    for (key, records) in told.parts {
        let place = records.iter().find_map(|r| r.position).map(|p| (p.lat, p.lon));
        // The broker has asked for the token: its access list binds a user to a topic.
        // Nor can anybody tell by what proof: what the broker hides is not concluded from.
        if let Ok(device) = intake.identify(&key, Proof::None, source, at, place).await
            && intake.bind(&device, source, at, &Sighting::brokered(source)).is_ok()
        {
            parts.push((device, records));
        }
    }
    if parts.is_empty() { passed() } else { intake.offer_all(parts, source).await }
}

/// `gone`: the connection is, and with it the way to acknowledge.
async fn acknowledge(
    mut waiting: mpsc::Receiver<(InFlight, Ticket)>,
    client: &AsyncClient,
    gone: &AtomicBool,
) -> Result<(), Lost> {
    while let Some(((publish, place), ticket)) = waiting.recv().await {
        ticket.await?;
        if !gone.load(Ordering::Relaxed) {
            client.try_ack(&publish)?;
        }
        drop(place);
    }
    Ok(())
}
