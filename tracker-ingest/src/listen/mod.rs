//! Sockets: one file a listener. They frame, time out and answer; what a message means is the codecs'
//! part, what becomes of it [`crate::intake`]'s.

pub(crate) mod broker;
mod conversation;
pub(crate) mod http;
pub(crate) mod mqtt;
pub(crate) mod stream;
pub(crate) mod udp;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::codec::Protocol;
use crate::intake::{Intake, Ticket};
use crate::journal::NotDurable;
use crate::registry::binding::{Network, Sighting, Transport};
use crate::rejection::Rejection;
use crate::tls::{self, Shown, Tls};
use crate::watch::Who;

/// How long a peer may take to read an answer of a few bytes.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// How long connections may take to hand out what became durable, when everything stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Bytes read at a time.
const READ: usize = 4096;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer left")]
    Left,
    /// Counted already.
    #[error("refused: {0}")]
    Refused(Rejection),
    #[error("the device has connected anew, or the list of devices has changed")]
    Replaced,
    /// An answer to a later message could be taken for one to this.
    #[error(transparent)]
    NotDurable(NotDurable),
    #[error("everything stops")]
    Stopping,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Left
    }
}

/// What goes over a connection, whether or not it is encrypted.
pub(crate) type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    at: SocketAddr,
    /// Whether the connection is encrypted.
    tls: bool,
    /// The certificate it has shown.
    certificate: Option<Shown>,
}

impl Peer {
    /// Somebody at an address who has shown nothing.
    const fn plain(at: SocketAddr) -> Self {
        Self { at, tls: false, certificate: None }
    }

    /// Whom its certificate names.
    fn named(&self) -> Option<&str> {
        self.certificate.as_ref().map(|c| &*c.name)
    }

    /// How it is seen to begin a session of a device. `token`: whether it has shown the device's.
    fn sighting(&self, source: Protocol, transport: Transport, token: bool) -> Sighting {
        Sighting {
            protocol: source.source(),
            network: Some(Network::of(self.at.ip(), transport)),
            tls: Some(self.tls),
            token: Some(token),
            certificate: self.certificate.as_ref().map(|c| format!("key {}", c.key).into()),
        }
    }
}

/// A listener and what it is to speak.
pub(crate) struct Port {
    pub(crate) listener: TcpListener,
    /// Plain where there is none.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) stop: CancellationToken,
}

/// Accepts connections until told to stop, each with a task of its own, no more than the limit at once;
/// then waits for the tasks.
///
/// `name` is what the listener is called: the name of its protocol, or `any`.
async fn accept<S, F>(port: Port, name: &'static str, serve: S)
where
    S: Fn(Wire, Peer, Arc<Intake>, CancellationToken) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = End> + Send + 'static,
{
    let Port { listener, tls, intake, stop } = port;
    let places = Arc::new(Semaphore::new(intake.limits.connections.max(1)));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Most often the process has no descriptors left: wait for some to come back.
                tracing::warn!(port = name, error = %e, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            intake.refuse(Rejection::ConnectionLimit, Who::Address(from.ip()), || {
                format!("{name}: {} connections are open", intake.limits.connections)
            });
            continue;
        };
        let Some(open) = intake.flow.open(from.ip()) else {
            let most = intake.limits.address_connections;
            intake.refuse(Rejection::AddressLimit, Who::Address(from.ip()), || format!("{name}: {most} are open"));
            continue;
        };
        // Answers are a few bytes and somebody waits for each.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (intake, stop, tls, serve) = (Arc::clone(&intake), stop.clone(), tls.clone(), serve.clone());
        tasks.spawn(async move {
            intake.metrics.connected(name, 1);
            let connection = async {
                match secure(stream, tls.as_deref(), from, name, &intake).await {
                    Ok((wire, peer)) => serve(wire, peer, Arc::clone(&intake), stop.clone()).await,
                    Err(end) => end,
                }
            };
            let end = tokio::select! {
                end = connection => end,
                () = last_words(&stop) => End::Stopping,
            };
            intake.metrics.connected(name, -1);
            tracing::debug!(port = name, %from, %end, "connection ended");
            drop((place, open));
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Shakes hands, where the port is one for TLS.
async fn secure(
    stream: TcpStream,
    tls: Option<&Tls>,
    at: SocketAddr,
    name: &'static str,
    intake: &Intake,
) -> Result<(Wire, Peer), End> {
    let Some(tls) = tls else { return Ok((Either::Left(stream), Peer::plain(at))) };
    let secs = intake.limits.login_secs;
    let why = match tokio::time::timeout(Duration::from_secs(secs.into()), Box::pin(tls.accept(stream))).await {
        Ok(Ok(stream)) => {
            let certificate = tls::shown_by(&stream);
            return Ok((Either::Right(Box::new(stream)), Peer { at, tls: true, certificate }));
        }
        Ok(Err(e)) => e.to_string(),
        Err(_) => format!("no handshake in {secs} s"),
    };
    intake.refuse(Rejection::TlsFailed, Who::Address(at.ip()), || format!("{name}: {why}"));
    Err(End::Refused(Rejection::TlsFailed))
}

/// Ends when everything has been told to stop and has had its time to do so.
async fn last_words(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_WORDS + Duration::from_secs(1)).await;
}

/// Answers that wait for the disk, in the order of their messages.
type Answers = FuturesOrdered<Pin<Box<dyn Future<Output = Result<Vec<u8>, NotDurable>> + Send>>>;

/// Adds an answer that may be sent when its message is durable.
fn answer_when_durable(answers: &mut Answers, ticket: Ticket, answer: Vec<u8>) {
    answers.push_back(Box::pin(async move {
        ticket.await?;
        Ok(answer)
    }));
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), End> {
    if bytes.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout(WRITE_PATIENCE, stream.write_all(bytes)).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(End::Left),
    }
}
