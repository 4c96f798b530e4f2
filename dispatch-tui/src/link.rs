//! The socket: follows the dispatcher's stream, makes the link anew for as long as it takes. What
//! the messages mean is for [`crate::live`].

use std::time::Duration;

use futures_util::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::SharedClock;
use transit_model::dispatch::DispatchMessage;
use transit_model::endpoint::Server;

use crate::live::Live;
use crate::token::Token;

/// Which stream to follow, and how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: Server,
    /// Who is asking; none = the server must let anybody in.
    pub token: Option<Token>,
    /// Waits between attempts.
    pub backoff: Policy,
    /// Heartbeats come every 15 s; a link silent for this long is dead.
    pub silence: Duration,
    /// The longest a connection may take to be made.
    pub patience: Duration,
}

impl Settings {
    /// With the usual patience.
    #[must_use]
    pub fn new(server: Server, token: Option<Token>) -> Self {
        let (silence, patience) = (Duration::from_secs(45), Duration::from_secs(10));
        Self { server, token, backoff: Policy::default(), silence, patience }
    }
}

/// The server answered with a plain no: asking again would not help.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// 401 without a token.
    #[error(
        "{0} wants a dispatcher's token: give --token-file FILE or ZUPYNKA_TOKEN (the demo leaves one in zupynka-data/dispatcher.token)"
    )]
    NoToken(String),
    /// 401 with one.
    #[error("{0} does not accept this token (HTTP 401): it is wrong, expired or revoked")]
    BadToken(String),
    /// 403.
    #[error("{0} does not let this token see the dispatcher's stream (HTTP 403): the role `dispatcher` is wanted")]
    WrongRole(String),
    /// Any other answer that will stay the same.
    #[error("{0} has no dispatcher's stream: HTTP {1}")]
    Refused(String, u16),
}

/// Why an attempt or a connection ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Io(std::io::Error),
    #[error("{0}")]
    Other(WsError),
    #[error("HTTP {0}")]
    Answer(u16),
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server sends what is no dispatch message: {0}")]
    Unreadable(serde_json::Error),
    #[error("a message is missing")]
    Gap,
}

impl From<WsError> for Broken {
    fn from(e: WsError) -> Self {
        match e {
            WsError::Io(e) => Self::Io(e),
            WsError::Http(answer) => Self::Answer(answer.status().as_u16()),
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::Closed,
            other => Self::Other(other),
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Follows the stream until it is dropped; what is known goes into `live`, with every change.
///
/// Ends when the server refuses the token, at whatever time, or refuses the first request for good.
pub async fn follow(
    settings: &Settings,
    clock: &SharedClock,
    mut chance: StdRng,
    live: &watch::Sender<Live>,
) -> Refusal {
    let mut backoff = Backoff::new(settings.backoff);
    let mut known = false;
    loop {
        let broken = match connect(settings).await {
            Ok(socket) => {
                known = true;
                live.send_modify(Live::connected);
                let Err(broken) = read(socket, settings, clock, live, &mut backoff).await;
                broken
            }
            Err(broken) => broken,
        };
        if let Broken::Answer(status) = broken
            && let Some(refusal) = refusal(settings, status, known)
        {
            return refusal;
        }
        if !matches!(broken, Broken::Gap) {
            let why = format!("{}: {broken}", settings.server);
            tracing::info!(%why, "dispatch link lost");
            live.send_modify(|l| l.lost(clock.now(), why));
        }
        tokio::time::sleep(backoff.wait(chance.random())).await;
    }
}

/// Answers that asking again may change (RFC 9110: 408, 5xx; RFC 8470: 425; RFC 6585: 429) are no
/// refusal; nor is any but of the token once the stream has been seen.
fn refusal(settings: &Settings, status: u16, known: bool) -> Option<Refusal> {
    let server = settings.server.to_string();
    match status {
        401 if settings.token.is_none() => Some(Refusal::NoToken(server)),
        401 => Some(Refusal::BadToken(server)),
        403 => Some(Refusal::WrongRole(server)),
        408 | 425 | 429 | 500.. => None,
        _ if known => None,
        status => Some(Refusal::Refused(server, status)),
    }
}

async fn connect(settings: &Settings) -> Result<Socket, Broken> {
    let address = settings.server.websocket(&["v1", "dispatch"], &[]);
    let uri = address
        .parse()
        .map_err(|e| Broken::Other(WsError::HttpFormat(tokio_tungstenite::tungstenite::http::Error::from(e))))?;
    let mut request = ClientRequestBuilder::new(uri);
    if let Some(token) = &settings.token {
        request = request.with_header("Authorization", token.header());
    }
    match tokio::time::timeout(settings.patience, connect_async(request)).await {
        Ok(made) => Ok(made?.0),
        Err(_) => Err(Broken::NoAnswer(settings.patience)),
    }
}

/// Takes messages until the connection ends, one way or another.
async fn read(
    mut socket: Socket,
    settings: &Settings,
    clock: &SharedClock,
    live: &watch::Sender<Live>,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, Broken> {
    loop {
        let next = tokio::time::timeout(settings.silence, socket.next()).await;
        let message = next.map_err(|_| Broken::Silent(settings.silence))?.ok_or(Broken::Closed)??;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(Broken::Closed),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let message: DispatchMessage = serde_json::from_str(&text).map_err(Broken::Unreadable)?;
        let mut taken = Ok(());
        live.send_modify(|l| taken = l.take(message, clock.now()));
        taken.map_err(|_| Broken::Gap)?;
        backoff.reset();
    }
}
