//! A made-up city that moves, to look at the views without an engine:
//! `cargo run -p dispatch-tui --example fake_city`, then
//! `ZUPYNKA_TOKEN=fake cargo run -p dispatch-tui -- --server http://127.0.0.1:8098`.
//! Any other token is refused.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use futures_util::SinkExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use transit_model::clock::{Clock, ScaledClock};
use transit_model::dispatch::DispatchMessage;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ScaledClock::starting(common::NOW, 1.0);
    let listener = TcpListener::bind("127.0.0.1:8098").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, clock.clone()));
    }
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
fn let_in(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    if request.headers().get("authorization").is_some_and(|v| v == "Bearer fake") {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = StatusCode::UNAUTHORIZED;
    Err(refusal)
}

async fn serve(stream: TcpStream, clock: ScaledClock) -> Option<()> {
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, let_in).await.ok()?;
    let mut state = common::city(clock.now());
    let mut message = DispatchMessage::Snapshot { seq: 1, state: Box::new(state.clone()) };
    for seq in 2.. {
        socket.send(Message::text(serde_json::to_string(&message).ok()?)).await.ok()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let next = common::city(clock.now());
        message = match state.difference(&next) {
            Some(change) => DispatchMessage::Change { seq, change },
            None => DispatchMessage::Heartbeat { seq: seq - 1, now: next.now },
        };
        state = next;
    }
    None
}
