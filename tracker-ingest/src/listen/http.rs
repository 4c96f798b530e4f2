//! OsmAnd and Traccar Client over HTTP. The status is the acknowledgement: 200 when the fix is durable.
//!
//! | status | when |
//! |---|---|
//! | 200 | durable (or stored before) |
//! | 400 | the request cannot be read; the body says why |
//! | 401 | the token is missing or wrong, or the certificate is another device's |
//! | 403 | the device is on no list, or not as it always was |
//! | 409 | the device is connected from another address |
//! | 413 | the body is too large |
//! | 429 | more than the measure: send it later |
//! | 503 | not durable: send it again |

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep};

use super::{End, Peer, Port, Wire, accept, last_words};
use crate::codec::{Message, Position, Protocol, osmand};
use crate::intake::{Intake, Proof};
use crate::registry::binding::Transport;
use crate::rejection::Rejection;
use crate::watch::Who;

const SOURCE: Protocol = Protocol::Osmand;
/// The largest body taken, bytes: 500 locations of Traccar Client.
const MAX_BODY: usize = 256 * 1024;
/// How long a client may take over one request, and how long it may keep a connection it does not use.
const PATIENCE: Duration = Duration::from_secs(60);

struct Shared {
    intake: Arc<Intake>,
    require_token: bool,
}

/// Serves a listener until told to stop.
pub(crate) async fn run(port: Port, require_token: bool) {
    let Ok(local) = port.listener.local_addr() else { return };
    let (intake, stop) = (Arc::clone(&port.intake), port.stop.clone());
    let (ready, inbox) = mpsc::channel(64);
    let accepting = accept(port, SOURCE.name(), move |wire, peer, _, _| {
        let ready = ready.clone();
        async move {
            // Never sent; it is dropped with the connection, and that is heard.
            let (open, closed) = oneshot::channel();
            let connection = (Timed { wire, deadline: Box::pin(sleep(PATIENCE)), _open: open }, peer);
            if ready.send(connection).await.is_ok() {
                drop(closed.await);
            }
            End::Left
        }
    });
    let app = Router::new()
        .fallback(take)
        .with_state(Arc::new(Shared { intake, require_token }))
        .into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(Accepted { inbox, local }, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let serving = async {
        tokio::select! {
            served = serving => if let Err(e) = served {
                tracing::error!(error = %e, "the OsmAnd listener ended");
            },
            () = last_words(&stop) => {}
        }
    };
    tokio::join!(accepting, serving);
}

async fn take(State(shared): State<Arc<Shared>>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // What is announced as too large is not read; what is not announced is read up to the limit.
    let body = match announced {
        Some(n) if n > MAX_BODY => None,
        _ => axum::body::to_bytes(body, MAX_BODY).await.ok(),
    };
    let Some(body) = body else {
        let detail = || format!("{SOURCE}: a body over {MAX_BODY} bytes, or one that broke off");
        shared.intake.refuse(Rejection::Oversize, Who::Address(peer.at.ip()), detail);
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match answer(&shared, &peer, head.uri.query().unwrap_or(""), &head.headers, &body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err((status, detail)) => (status, detail).into_response(),
    }
}

async fn answer(
    shared: &Shared,
    peer: &Peer,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), (StatusCode, String)> {
    let (intake, from) = (&shared.intake, peer.at);
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let request = osmand::Request { query, content_type: text(header::CONTENT_TYPE), body };
    let bytes = query.len() + body.len();
    measured(intake, Who::Address(from.ip()), intake.flow.from(from.ip(), 1, bytes, intake.clock.now()))?;
    let read = osmand::decode(&request).map_err(|e| {
        intake.unreadable(&e, Who::Address(from.ip()));
        (StatusCode::BAD_REQUEST, e.detail)
    })?;
    let Message::Records(records) = read.message else { return Ok(()) };
    let Some(key) = records.iter().find_map(|r| r.device.clone()) else {
        // An empty list of locations: there is nothing to keep.
        return Ok(());
    };

    let bearer = text(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
    let shown = read.token.as_deref().or(bearer);
    let by_token = if shared.require_token { Proof::Required(shown) } else { Proof::IfSet(shown) };
    let proof = Proof::or(peer.named(), by_token);
    let place = records.iter().rev().find_map(|r| r.position).map(|p: Position| (p.lat, p.lon));
    let device = intake.identify(&key, proof, SOURCE, from, place).await.map_err(turned)?;
    let token = shown.is_some() && device.token.is_some();
    intake.bind(&device, SOURCE, from, &peer.sighting(SOURCE, Transport::Tcp, token)).map_err(turned)?;
    intake.touch(&device, SOURCE, from).map_err(turned)?;
    let who = Who::Device(key.clone(), Some(device.vehicle.clone()));
    measured(intake, who, intake.flow.of(&key, 1, bytes, intake.clock.now()))?;

    let ticket = intake.offer(&device, records, SOURCE).await;
    ticket.await.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, e.to_string()))
}

fn turned(reason: Rejection) -> (StatusCode, String) {
    let status = match reason {
        Rejection::BadToken | Rejection::BadCertificate => StatusCode::UNAUTHORIZED,
        Rejection::Takeover => StatusCode::CONFLICT,
        Rejection::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    };
    (status, reason.words().1.to_owned())
}

/// Refuses who has sent more than the measure.
fn measured(intake: &Intake, who: Who, wait: Duration) -> Result<(), (StatusCode, String)> {
    if wait.is_zero() {
        return Ok(());
    }
    intake.refuse(Rejection::RateLimit, who, || format!("{SOURCE}: {:.1} s too much", wait.as_secs_f64()));
    Err(turned(Rejection::RateLimit))
}

/// Connections that were let in.
struct Accepted {
    inbox: mpsc::Receiver<(Timed, Peer)>,
    local: SocketAddr,
}

impl Connected<IncomingStream<'_, Accepted>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Accepted>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Listener for Accepted {
    type Io = Timed;
    type Addr = Peer;

    async fn accept(&mut self) -> (Timed, Peer) {
        match self.inbox.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Peer> {
        Ok(Peer::plain(self.local))
    }
}

/// A connection that ends when nothing could be answered on it for too long: the next request must be whole
/// by then.
struct Timed {
    wire: Wire,
    deadline: Pin<Box<Sleep>>,
    _open: oneshot::Sender<()>,
}

impl AsyncRead for Timed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match Pin::new(&mut self.wire).poll_read(cx, buf) {
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        #[expect(clippy::disallowed_methods, reason = "the deadline of a real socket")]
        let next = Instant::now() + PATIENCE;
        self.deadline.as_mut().reset(next);
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
