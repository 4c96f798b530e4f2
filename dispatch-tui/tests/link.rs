//! The link over a real socket: a server that says what each test wants, an injected clock.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails shall stop")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{NOW, city};
use dispatch_tui::link::{Refusal, Settings, follow};
use dispatch_tui::live::{Link, Live};
use dispatch_tui::token::Token;
use futures_util::{SinkExt, StreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use transit_model::backoff::Policy;
use transit_model::clock::{ManualClock, SharedClock};
use transit_model::dispatch::{DispatchMessage, DispatchState};

type Socket = WebSocketStream<TcpStream>;

struct Rig {
    listener: TcpListener,
    settings: Settings,
    clock: Arc<ManualClock>,
    known: watch::Sender<Live>,
    live: watch::Receiver<Live>,
}

impl Rig {
    async fn new(token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let token = Token::find(None, token.map(str::to_owned)).unwrap();
        let mut settings = Settings::new(server, token);
        settings.backoff = Policy { first: Duration::from_millis(1), most: Duration::from_millis(5) };
        let (known, live) = watch::channel(Live::default());
        Self { listener, settings, clock: Arc::new(ManualClock::at(NOW)), known, live }
    }

    fn follow(&self) -> tokio::task::JoinHandle<Refusal> {
        let (settings, known) = (self.settings.clone(), self.known.clone());
        let clock: SharedClock = self.clock.clone();
        tokio::spawn(async move { follow(&settings, &clock, StdRng::from_seed([7; 32]), &known).await })
    }

    /// The next connection: where it went, and what it said it may.
    async fn accept(&self) -> (Socket, String, Option<String>) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let (mut asked, mut allowed) = (String::new(), None);
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let note = |request: &Request, response: Response| {
            asked = request.uri().to_string();
            allowed = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        (socket, asked, allowed)
    }

    /// Answers the next connection in plain HTTP.
    async fn answer(&self, status: &str) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut request = [0u8; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn until(&mut self, what: impl FnMut(&Live) -> bool) -> Live {
        tokio::time::timeout(Duration::from_secs(20), self.live.wait_for(what)).await.expect("in time").unwrap().clone()
    }
}

async fn say(socket: &mut Socket, message: &DispatchMessage) {
    socket.send(Message::text(serde_json::to_string(message).unwrap())).await.unwrap();
}

fn snapshot(seq: u64, state: DispatchState) -> DispatchMessage {
    DispatchMessage::Snapshot { seq, state: Box::new(state) }
}

#[tokio::test]
async fn snapshot_change_heartbeat_and_a_restart() {
    let mut rig = Rig::new(Some("tok-1")).await;
    let task = rig.follow();
    let (mut socket, asked, allowed) = rig.accept().await;
    assert_eq!((asked.as_str(), allowed.as_deref()), ("/v1/dispatch", Some("Bearer tok-1")));
    let before = city(NOW);
    let mut unsorted = before.clone();
    unsorted.vehicles.reverse();
    say(&mut socket, &snapshot(8, unsorted)).await;
    assert!(rig.until(|l| l.seq() == Some(8)).await.state() == Some(&before), "sorted, and else unchanged");

    let mut after = city(NOW.plus_secs(30));
    after.vehicles.retain(|v| v.id != "1099");
    let change = before.difference(&after).unwrap();
    say(&mut socket, &DispatchMessage::Change { seq: 9, change }).await;
    let live = rig.until(|l| l.seq() == Some(9)).await;
    assert!(live.state().unwrap().vehicles == after.vehicles);
    say(&mut socket, &DispatchMessage::Heartbeat { seq: 9, now: NOW.plus_secs(45) }).await;
    let live = rig.until(|l| l.state().is_some_and(|s| s.now == NOW.plus_secs(45))).await;
    assert_eq!(live.server_time(NOW), Some(NOW.plus_secs(45)));

    drop(socket);
    let live = rig.until(|l| matches!(l.link(), Link::Lost { .. })).await;
    assert!(live.state().unwrap().vehicles == after.vehicles, "the last known stays");
    let (mut socket, ..) = rig.accept().await;
    say(&mut socket, &snapshot(1, before.clone())).await;
    let live = rig.until(|l| l.seq() == Some(1)).await;
    assert!(*live.link() == Link::Up && live.state() == Some(&before));
    task.abort();
}

#[tokio::test]
async fn a_gap_and_garbage_bring_a_new_snapshot() {
    let mut rig = Rig::new(None).await;
    let task = rig.follow();
    let (mut socket, _, allowed) = rig.accept().await;
    assert_eq!(allowed, None);
    say(&mut socket, &snapshot(1, city(NOW))).await;
    say(&mut socket, &DispatchMessage::Heartbeat { seq: 5, now: NOW }).await;
    let (mut socket, ..) = rig.accept().await;
    socket.send(Message::text("{\"type\":\"new thing\"}")).await.unwrap();
    while socket.next().await.is_some_and(|m| m.is_ok()) {}
    let (mut socket, ..) = rig.accept().await;
    say(&mut socket, &snapshot(6, city(NOW))).await;
    rig.until(|l| l.seq() == Some(6)).await;
    task.abort();
}

#[tokio::test]
async fn a_refused_token_ends_it_with_one_clear_message() {
    for (token, status, wanted) in [
        (None, "401 Unauthorized", "wants a dispatcher's token: give --token-file"),
        (Some("secret-9"), "401 Unauthorized", "does not accept this token"),
        (Some("secret-9"), "403 Forbidden", "the role `dispatcher` is wanted"),
        (Some("secret-9"), "404 Not Found", "has no dispatcher's stream: HTTP 404"),
    ] {
        let rig = Rig::new(token).await;
        let task = rig.follow();
        rig.answer(status).await;
        let message = task.await.unwrap().to_string();
        assert!(message.contains(wanted) && message.contains("http://127.0.0.1"), "{message}");
        assert!(!message.contains("secret-9"), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for_and_a_revoked_token_is_not() {
    let mut rig = Rig::new(Some("tok-1")).await;
    let task = rig.follow();
    rig.answer("503 Service Unavailable").await;
    let live = rig.until(|l| matches!(l.link(), Link::Lost { .. })).await;
    assert!(matches!(live.link(), Link::Lost { why, .. } if why.ends_with(": HTTP 503")), "{live:?}");
    let (mut socket, ..) = rig.accept().await;
    say(&mut socket, &snapshot(1, city(NOW))).await;
    rig.until(|l| l.seq() == Some(1)).await;
    drop(socket);
    rig.answer("404 Not Found").await;
    rig.answer("401 Unauthorized").await;
    assert!(matches!(task.await.unwrap(), Refusal::BadToken(_)));
}
