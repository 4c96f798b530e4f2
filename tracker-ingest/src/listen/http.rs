//! OsmAnd and Traccar Client over HTTP. The status is the acknowledgement: 200 when the fix is durable.
//!
//! | status | when |
//! |---|---|
//! | 200 | durable (or stored before) |
//! | 400 | the request cannot be read; the body says why |
//! | 401 | the token is missing or wrong |
//! | 403 | the device is on no list |
//! | 409 | the device is connected from another address |
//! | 413 | the body is too large |
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::last_words;
use crate::codec::{Message, Position, Protocol, osmand};
use crate::intake::{Intake, Proof};
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
pub(crate) async fn run(listener: TcpListener, require_token: bool, intake: Arc<Intake>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(intake.limits.connections.max(1)));
    let guarded = Guarded { listener, places, intake: Arc::clone(&intake) };
    let app = Router::new()
        .fallback(take)
        .with_state(Arc::new(Shared { intake, require_token }))
        .into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(guarded, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = serving => if let Err(e) = served {
            tracing::error!(error = %e, "the OsmAnd listener ended");
        },
        () = last_words(&stop) => {}
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer(from)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // What is announced as too large is not read; what is not announced is read up to the limit.
    let body = match announced {
        Some(n) if n > MAX_BODY => None,
        _ => axum::body::to_bytes(body, MAX_BODY).await.ok(),
    };
    let Some(body) = body else {
        let detail = || format!("{SOURCE}: a body over {MAX_BODY} bytes, or one that broke off");
        shared.intake.refuse(Rejection::Oversize, Who::Address(from.ip()), detail);
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match answer(&shared, from, head.uri.query().unwrap_or(""), &head.headers, &body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err((status, detail)) => (status, detail).into_response(),
    }
}

async fn answer(
    shared: &Shared,
    from: SocketAddr,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), (StatusCode, String)> {
    let intake = &shared.intake;
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let request = osmand::Request { query, content_type: text(header::CONTENT_TYPE), body };
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
    let proof = if shared.require_token { Proof::Required(shown) } else { Proof::IfSet(shown) };
    let place = records.iter().rev().find_map(|r| r.position).map(|p: Position| (p.lat, p.lon));
    let device = intake.identify(&key, proof, SOURCE, from, place).await.map_err(turned)?;
    intake.touch(&device, SOURCE, from).map_err(turned)?;

    let ticket = intake.offer(&device, records, SOURCE).await;
    ticket.await.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, e.to_string()))
}

fn turned(reason: Rejection) -> (StatusCode, String) {
    let status = match reason {
        Rejection::BadToken => StatusCode::UNAUTHORIZED,
        Rejection::Takeover => StatusCode::CONFLICT,
        _ => StatusCode::FORBIDDEN,
    };
    (status, reason.words().1.to_owned())
}

/// Accepts no more connections than the limit, each of which must keep talking.
struct Guarded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    intake: Arc<Intake>,
}

#[derive(Clone, Copy)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Guarded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Listener for Guarded {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.listener).await;
            match Arc::clone(&self.places).try_acquire_owned() {
                Ok(place) => {
                    if stream.set_nodelay(true).is_ok() {
                        return (Timed::new(stream, place, Arc::clone(&self.intake)), from);
                    }
                }
                Err(_) => self.intake.refuse(Rejection::ConnectionLimit, Who::Address(from.ip()), || {
                    format!("{SOURCE}: {} connections are open", self.intake.limits.connections)
                }),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing is read from it for too long.
struct Timed {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    intake: Arc<Intake>,
    _place: OwnedSemaphorePermit,
}

impl Timed {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, intake: Arc<Intake>) -> Self {
        intake.metrics.connected(SOURCE.name(), 1);
        Self { stream, deadline: Box::pin(tokio::time::sleep(PATIENCE)), intake, _place: place }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.intake.metrics.connected(SOURCE.name(), -1);
    }
}

impl AsyncRead for Timed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(done) => {
                #[expect(clippy::disallowed_methods, reason = "the deadline of a real socket")]
                let next = Instant::now() + PATIENCE;
                self.deadline.as_mut().reset(next);
                Poll::Ready(done)
            }
            Poll::Pending => match self.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
