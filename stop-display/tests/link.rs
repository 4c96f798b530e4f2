//! The link over a real socket: a server that says what each test wants, an injected clock.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails shall stop")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{NOW, countdown, running};
use futures_util::{SinkExt, StreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stop_display::content::shown;
use stop_display::link::{Refusal, Settings, follow};
use stop_display::state::{Display, Link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use transit_model::backoff::Policy;
use transit_model::board::{Board, BoardChange, LiveMessage};
use transit_model::clock::{ManualClock, SharedClock};
use transit_model::lang::Lang;

type Socket = WebSocketStream<TcpStream>;

struct Rig {
    listener: TcpListener,
    settings: Settings,
    clock: Arc<ManualClock>,
    known: watch::Sender<Display>,
    display: watch::Receiver<Display>,
}

impl Rig {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let mut settings = Settings::new(server, "зуп/41".to_owned(), Lang::Uk);
        settings.backoff = Policy { first: Duration::from_millis(1), most: Duration::from_millis(5) };
        let (known, display) = watch::channel(Display::default());
        Self { listener, settings, clock: Arc::new(ManualClock::at(common::NOW)), known, display }
    }

    fn follow(&self) -> tokio::task::JoinHandle<Refusal> {
        let (settings, known) = (self.settings.clone(), self.known.clone());
        let clock: SharedClock = self.clock.clone();
        tokio::spawn(async move { follow(&settings, &clock, StdRng::from_seed([7; 32]), &known).await })
    }

    /// The next connection, and what it asked for.
    async fn accept(&self) -> (Socket, String) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut asked = String::new();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let note = |request: &Request, response: Response| {
            asked = request.uri().to_string();
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        (socket, asked)
    }

    /// Answers the next connection in plain HTTP.
    async fn answer(&self, status: &str) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut request = [0u8; 1024];
        let read = stream.read(&mut request).await.unwrap();
        assert!(read > 0);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn until(&mut self, what: impl FnMut(&Display) -> bool) -> Display {
        tokio::time::timeout(Duration::from_secs(20), self.display.wait_for(what))
            .await
            .expect("in time")
            .unwrap()
            .clone()
    }
}

async fn say(socket: &mut Socket, message: &LiveMessage) {
    socket.send(Message::text(serde_json::to_string(message).unwrap())).await.unwrap();
}

fn snapshot(seq: u64, board: Board) -> LiveMessage {
    LiveMessage::Snapshot { seq, board }
}

fn change(seq: u64, minutes: i64) -> LiveMessage {
    let board = running(Lang::Uk);
    let mut row = board.rows[0].clone();
    row.labels = countdown(Lang::Uk, NOW, minutes);
    LiveMessage::Change {
        seq,
        change: BoardChange {
            as_of: board.as_of,
            now: board.now,
            expires_at: board.expires_at,
            state: board.state,
            notice: Vec::new(),
            order: vec![row.key.clone()],
            rows: vec![row],
        },
    }
}

fn labels(d: &Display) -> Vec<String> {
    shown(d, NOW, Lang::Uk, "41").rows.into_iter().map(|r| r.text).collect()
}

#[tokio::test]
async fn snapshot_then_change_then_a_restart_then_resume() {
    let mut rig = Rig::new().await;
    let task = rig.follow();
    let (mut socket, asked) = rig.accept().await;
    assert_eq!(asked, "/v1/stops/%D0%B7%D1%83%D0%BF%2F41/live?lang=uk");
    say(&mut socket, &snapshot(5, running(Lang::Uk))).await;
    let d = rig.until(|d| d.live().seq() == Some(5)).await;
    assert_eq!(labels(&d), ["1 хв", "~4 хв", "12 хв", "14:36"]);
    say(&mut socket, &change(6, 9)).await;
    let d = rig.until(|d| d.live().seq() == Some(6)).await;
    assert_eq!(labels(&d), ["9 хв"]);

    drop(socket);
    let d = rig.until(|d| matches!(d.link(), Link::Lost { .. })).await;
    assert_eq!(labels(&d), ["9 хв"], "what was known holds until it expires");
    let (mut socket, asked) = rig.accept().await;
    assert!(asked.ends_with("?lang=uk&after=6"), "{asked}");
    say(&mut socket, &change(7, 8)).await;
    let d = rig.until(|d| d.live().seq() == Some(7)).await;
    assert_eq!((d.link(), labels(&d)), (&Link::Up, vec!["8 хв".to_owned()]));
    task.abort();
}

#[tokio::test]
async fn a_gap_brings_a_snapshot() {
    let mut rig = Rig::new().await;
    let task = rig.follow();
    let (mut socket, _) = rig.accept().await;
    say(&mut socket, &snapshot(5, running(Lang::Uk))).await;
    say(&mut socket, &change(7, 9)).await;
    let (mut again, asked) = rig.accept().await;
    assert!(asked.ends_with("?lang=uk"), "nothing to resume from: {asked}");
    assert_eq!(rig.until(|_| true).await.live().seq(), Some(5), "the change that did not follow changed nothing");
    say(&mut again, &snapshot(9, running(Lang::Uk))).await;
    rig.until(|d| d.live().seq() == Some(9)).await;
    task.abort();
}

#[tokio::test]
async fn the_board_expires_by_itself_while_the_server_is_away() {
    let mut rig = Rig::new().await;
    let task = rig.follow();
    let (mut socket, _) = rig.accept().await;
    say(&mut socket, &snapshot(1, running(Lang::Uk))).await;
    rig.until(|d| d.live().seq() == Some(1)).await;
    drop(socket);
    let d = rig.until(|d| matches!(d.link(), Link::Lost { .. })).await;
    rig.clock.advance(Duration::from_secs(200));
    let content = shown(&d, NOW.plus_secs(200), Lang::Uk, "41");
    assert_eq!((content.notice.as_str(), content.rows.len()), ("Немає даних", 0));
    assert_eq!(content.link, "Немає зв’язку з 14:05");
    task.abort();
}

#[tokio::test]
async fn garbage_and_an_early_close_are_survived() {
    let mut rig = Rig::new().await;
    let task = rig.follow();
    for text in ["", "{}", "{\"type\":\"snapshot\",\"seq\":\"x\"}", "nonsense"] {
        let (mut socket, _) = rig.accept().await;
        socket.send(Message::text(text)).await.unwrap();
        while socket.next().await.is_some_and(|m| m.is_ok()) {}
    }
    let (mut socket, _) = rig.accept().await;
    socket.close(None).await.unwrap();
    let (mut socket, _) = rig.accept().await;
    say(&mut socket, &snapshot(1, running(Lang::Uk))).await;
    rig.until(|d| d.live().seq() == Some(1)).await;
    task.abort();
}

#[tokio::test]
async fn a_silent_link_is_made_anew() {
    let mut rig = Rig::new().await;
    rig.settings.silence = Duration::from_millis(30);
    let task = rig.follow();
    let (_silent, _) = rig.accept().await;
    let (_again, _) = rig.accept().await;
    task.abort();
}

#[tokio::test]
async fn an_unknown_stop_at_the_start_is_refused_by_name() {
    let rig = Rig::new().await;
    let task = rig.follow();
    rig.answer("404 Not Found").await;
    let refusal = task.await.unwrap().to_string();
    assert!(
        refusal.contains("`зуп/41`") && refusal.contains("404") && refusal.contains("http://127.0.0.1"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for() {
    let mut rig = Rig::new().await;
    let task = rig.follow();
    rig.answer("503 Service Unavailable").await;
    let d = rig.until(|d| matches!(d.link(), Link::Lost { .. })).await;
    assert!(matches!(d.link(), Link::Lost { why, .. } if why.ends_with(": HTTP 503")), "{d:?}");
    let (mut socket, _) = rig.accept().await;
    say(&mut socket, &snapshot(1, running(Lang::Uk))).await;
    rig.until(|d| d.live().seq() == Some(1)).await;
    drop(socket);
    rig.answer("404 Not Found").await;
    let (mut socket, _) = rig.accept().await;
    say(&mut socket, &snapshot(3, running(Lang::Uk))).await;
    rig.until(|d| d.live().seq() == Some(3)).await;
    assert!(!task.is_finished(), "a board that has shown something outlives a 404");
    task.abort();
}
