//! Any protocol that is spoken over a stream of bytes, over UDP: a datagram is a message, answered by a
//! datagram when it is durable.
//!
//! What UDP cannot prove: that a datagram comes from where it says. Who knows a device's key can speak for it
//! under any address. What is left is what the key gives everywhere else: while the device is heard from
//! one address another is refused, and a stranger is answered nothing, so that nobody can be flooded
//! with our answers.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustc_hash::FxHashMap;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use transit_model::time::UnixMs;

use super::conversation::{Conversation, Holds, Next};
use super::{LAST_WORDS, Peer};
use crate::codec::stream::Session;
use crate::codec::{Protocol, StreamCodec};
use crate::intake::Intake;
use crate::rejection::Rejection;
use crate::watch::Who;

/// The longest datagram there is.
const LONGEST: usize = 65_535;
/// Datagrams that may wait for the disk; beyond it they wait in the socket, which loses what it has no room for.
const WAITING: usize = 4096;
/// How often senders that fell silent are forgotten.
const SWEEP: Duration = Duration::from_secs(30);

/// A sender, known by its address and port.
struct Sender {
    session: Box<dyn Session>,
    conversation: Conversation,
    heard: UnixMs,
}

type Answers = FuturesUnordered<Pin<Box<dyn Future<Output = (SocketAddr, Option<Vec<u8>>)> + Send>>>;

/// Serves a socket until told to stop; then still answers what becomes durable.
pub(crate) async fn run(
    socket: UdpSocket,
    source: Protocol,
    codec: &'static StreamCodec,
    intake: Arc<Intake>,
    stop: CancellationToken,
) {
    let mut port = Port { source, codec, intake, senders: FxHashMap::default(), answers: Answers::new() };
    let mut buffer = vec![0; LONGEST];
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(answer) = port.answers.next() => say(&socket, answer).await,
            _ = sweep.tick() => port.forget_the_silent(),
            got = socket.recv_from(&mut buffer), if port.answers.len() < WAITING => match got {
                Ok((n, from)) => port.take(buffer.get(..n).unwrap_or_default(), from).await,
                // An answer to a sender that is gone comes back as an error of the socket; it is nobody else's.
                Err(e) => tracing::debug!(protocol = %source, error = %e, "udp"),
            },
        }
    }
    let rest = async {
        while let Some(answer) = port.answers.next().await {
            say(&socket, answer).await;
        }
    };
    // Whoever is not answered sends again.
    drop(tokio::time::timeout(LAST_WORDS, rest).await);
}

async fn say(socket: &UdpSocket, (to, answer): (SocketAddr, Option<Vec<u8>>)) {
    let Some(answer) = answer.filter(|a| !a.is_empty()) else { return };
    if let Err(e) = socket.send_to(&answer, to).await {
        tracing::debug!(%to, error = %e, "an answer over udp is lost");
    }
}

struct Port {
    source: Protocol,
    codec: &'static StreamCodec,
    intake: Arc<Intake>,
    senders: FxHashMap<SocketAddr, Sender>,
    answers: Answers,
}

impl Port {
    async fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        let now = self.intake.clock.now();
        let mut sender = match self.senders.remove(&from) {
            Some(sender) => sender,
            None if self.is_full() => {
                let most = self.intake.limits.udp_senders;
                let detail = || format!("{} over UDP: {most} senders are known", self.source);
                self.intake.refuse(Rejection::ConnectionLimit, Who::Address(from.ip()), detail);
                return;
            }
            None => Sender {
                session: (self.codec.datagrams)(),
                conversation: Conversation::new(
                    Arc::clone(&self.intake),
                    self.source,
                    Peer::plain(from),
                    Holds::MessageByMessage,
                ),
                heard: now,
            },
        };
        sender.heard = now;
        if sender.conversation.measure(1, datagram.len()).is_some() {
            if sender.conversation.is_known() {
                self.senders.insert(from, sender);
            }
            return;
        }
        let stays = sender.hear(datagram, from, now, &mut self.answers).await;
        // A stranger leaves nothing behind.
        if stays && sender.conversation.is_known() {
            self.senders.insert(from, sender);
        }
    }

    fn is_full(&mut self) -> bool {
        if self.senders.len() >= self.intake.limits.udp_senders {
            self.forget_the_silent();
        }
        self.senders.len() >= self.intake.limits.udp_senders
    }

    fn forget_the_silent(&mut self) {
        let before = self.intake.clock.now().plus_secs(-i64::from(self.intake.limits.idle_secs));
        self.senders.retain(|_, s| s.heard > before);
    }
}

impl Sender {
    /// Says whether the sender is to be remembered.
    async fn hear(&mut self, datagram: &[u8], from: SocketAddr, now: UnixMs, answers: &mut Answers) -> bool {
        self.session.feed(datagram);
        loop {
            let heard = match self.session.next_message(now) {
                Ok(Some(heard)) => heard,
                // The datagram's end is the end of what it says.
                Ok(None) => match self.session.finish(now) {
                    Ok(Some(heard)) => heard,
                    Ok(None) => return true,
                    Err(e) => {
                        self.conversation.unreadable(&e);
                        return true;
                    }
                },
                // Damage is the datagram's own, and anybody may have forged it: the sender stays.
                Err(e) => match self.conversation.unreadable(&e) {
                    Some(_) => {
                        drop(self.session.finish(now));
                        return true;
                    }
                    None => continue,
                },
            };
            match self.conversation.hear(heard).await {
                Next::Say(answer) if self.conversation.is_known() => {
                    answers.push(Box::pin(std::future::ready((from, Some(answer)))));
                }
                Next::Say(_) => {}
                Next::SayWhenDurable(ticket, answer) => {
                    answers.push(Box::pin(async move { (from, ticket.await.ok().map(|()| answer)) }));
                }
                Next::SayAndEnd(..) => return false,
            }
        }
    }
}
