//! The two WebSocket streams, read by the messages' own types and nothing else.

use std::net::SocketAddr;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use transit_model::board::{Board, LiveBoard, LiveMessage};
use transit_model::dispatch::{DispatchMessage, DispatchState};

use crate::within;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn text(socket: &mut Socket) -> String {
    loop {
        match within("a message", socket.next()).await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("the stream ended: {other:?}"),
        }
    }
}

/// `WS /v1/stops/{id}/live`.
pub struct LiveStop {
    socket: Socket,
    live: LiveBoard,
}

impl LiveStop {
    /// Joins those who watch a stop.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn join(http: SocketAddr, stop: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{http}/v1/stops/{stop}/live")).await.unwrap();
        Self { socket, live: LiveBoard::default() }
    }

    /// Takes messages until the board is so.
    ///
    /// # Panics
    /// When a message does not follow the one before.
    pub async fn until(&mut self, what: &str, so: impl Fn(&Board) -> bool) -> Board {
        within(what, async {
            loop {
                let message: LiveMessage = serde_json::from_str(&text(&mut self.socket).await).unwrap();
                self.live.take(message).unwrap();
                if let Some(board) = self.live.board().filter(|b| so(b)) {
                    return board.clone();
                }
            }
        })
        .await
    }
}

/// `WS /v1/dispatch`.
pub struct Dispatch {
    socket: Socket,
    state: Option<DispatchState>,
}

impl Dispatch {
    /// Joins with a token, or without one.
    ///
    /// # Errors
    /// The status the server refuses with.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn join(http: SocketAddr, token: Option<&str>) -> Result<Self, StatusCode> {
        let request = ClientRequestBuilder::new(format!("ws://{http}/v1/dispatch").parse().unwrap());
        let request = match token {
            Some(token) => request.with_header("Authorization", format!("Bearer {token}")),
            None => request,
        };
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, state: None }),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(e) => panic!("{e}"),
        }
    }

    /// Takes messages until the state is so; `again` is called after each that is not.
    ///
    /// # Panics
    /// When the stream does not begin with a snapshot, or it never is.
    pub async fn until(&mut self, what: &str, so: impl Fn(&DispatchState) -> bool, again: impl Fn()) -> DispatchState {
        within(what, async {
            loop {
                let state = self.next().await;
                if so(state) {
                    return state.clone();
                }
                again();
            }
        })
        .await
    }

    async fn next(&mut self) -> &DispatchState {
        match serde_json::from_str(&text(&mut self.socket).await).unwrap() {
            DispatchMessage::Snapshot { state, .. } => self.state = Some(*state),
            DispatchMessage::Change { change, .. } => self.state.as_mut().unwrap().apply(change),
            DispatchMessage::Heartbeat { .. } => {}
        }
        self.state.as_ref().unwrap()
    }
}
