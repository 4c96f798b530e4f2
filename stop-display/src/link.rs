//! The socket: follows the live board of a stop, makes the link anew for as long as it takes. What
//! the messages mean is for [`crate::state`].

use std::time::Duration;

use futures_util::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use transit_model::backoff::{Backoff, Policy};
use transit_model::board::LiveMessage;
use transit_model::clock::SharedClock;
use transit_model::endpoint::Server;
use transit_model::lang::Lang;

use crate::state::Display;

/// A board is a few kilobytes; whatever sends a megabyte is not our server.
const MESSAGE_BYTES: usize = 1 << 20;

/// Which board to follow, and how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: Server,
    /// `stop_id`.
    pub stop: String,
    /// Language of the board.
    pub lang: Lang,
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
    pub fn new(server: Server, stop: String, lang: Lang) -> Self {
        Self {
            server,
            stop,
            lang,
            backoff: Policy::default(),
            silence: Duration::from_secs(45),
            patience: Duration::from_secs(10),
        }
    }

    fn address(&self, after: Option<u64>) -> String {
        let after = after.map(|seq| seq.to_string());
        let mut query = vec![("lang", self.lang.code())];
        query.extend(after.as_deref().map(|seq| ("after", seq)));
        self.server.websocket(&["v1", "stops", &self.stop, "live"], &query)
    }
}

/// The server answered the very first request with a plain no: asking again would not help.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// 404.
    #[error("{server} knows no stop `{stop}` (HTTP 404)")]
    UnknownStop {
        /// The server.
        server: String,
        /// `stop_id`.
        stop: String,
    },
    /// Any other answer that will stay the same.
    #[error("{server} refuses the board of stop `{stop}`: HTTP {status}")]
    Refused {
        /// The server.
        server: String,
        /// `stop_id`.
        stop: String,
        /// Status code.
        status: u16,
    },
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
    #[error("the server sends what is no board message: {0}")]
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

/// Follows the board until it is dropped; what is known goes into `display`, with every change.
///
/// Resumes after the last message taken; a gap asks for a snapshot. Ends only when the server
/// refuses the first request for good: once a board has been shown, any answer may be a server that
/// is just starting, and the board expires by itself meanwhile.
pub async fn follow(
    settings: &Settings,
    clock: &SharedClock,
    mut chance: StdRng,
    display: &watch::Sender<Display>,
) -> Refusal {
    let mut backoff = Backoff::new(settings.backoff);
    let mut after = None;
    let mut known = false;
    loop {
        let broken = match connect(settings, after).await {
            Ok(socket) => {
                known = true;
                display.send_modify(Display::connected);
                let Err(broken) = read(socket, settings, clock, display, &mut backoff).await;
                broken
            }
            Err(broken) => broken,
        };
        if let (false, Broken::Answer(status)) = (known, &broken)
            && let Some(refusal) = refusal(settings, *status)
        {
            return refusal;
        }
        after = if matches!(broken, Broken::Gap) { None } else { display.borrow().live().seq() };
        if !matches!(broken, Broken::Gap) {
            let why = format!("{}: {broken}", settings.server);
            tracing::info!(%why, "board link lost");
            display.send_modify(|d| d.lost(clock.now(), why));
        }
        tokio::time::sleep(backoff.wait(chance.random())).await;
    }
}

/// Answers that asking again may change (RFC 9110: 408, 5xx; RFC 8470: 425; RFC 6585: 429) are no
/// refusal.
fn refusal(settings: &Settings, status: u16) -> Option<Refusal> {
    let (server, stop) = (settings.server.to_string(), settings.stop.clone());
    match status {
        404 => Some(Refusal::UnknownStop { server, stop }),
        408 | 425 | 429 | 500.. => None,
        _ => Some(Refusal::Refused { server, stop, status }),
    }
}

async fn connect(settings: &Settings, after: Option<u64>) -> Result<Socket, Broken> {
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
    let attempt = connect_async_with_config(settings.address(after), Some(limits), true);
    match tokio::time::timeout(settings.patience, attempt).await {
        Ok(made) => Ok(made?.0),
        Err(_) => Err(Broken::NoAnswer(settings.patience)),
    }
}

/// Takes messages until the connection ends, one way or another.
async fn read(
    mut socket: Socket,
    settings: &Settings,
    clock: &SharedClock,
    display: &watch::Sender<Display>,
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
        let message: LiveMessage = serde_json::from_str(&text).map_err(Broken::Unreadable)?;
        let mut taken = Ok(());
        display.send_modify(|d| taken = d.take(message, clock.now()));
        taken.map_err(|_| Broken::Gap)?;
        backoff.reset();
    }
}
