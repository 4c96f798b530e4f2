//! `zupynka serve` from its start over SIGKILL to its end, on the system's clock, with the two clients run
//! as programs beside it. The one trip there is left a few minutes ago, whenever the test is run.

use std::net::SocketAddr;
use std::path::Path;

use stop_display::link::{Settings, follow};
use stop_display::state::Display;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;
use tracker_ingest::codec::teltonika::{self, Codec};
use tracker_ingest::codec::{Position, Record};
use transit_model::board::{Board, RowSource};
use transit_model::clock::{Clock as _, SharedClock, SystemClock};
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

use crate::program::{PATIENCE, Serving, config, feed, place, run, street};

/// Metres a second that keep the timetable.
const PACE: f64 = 1000.0 / 240.0;
/// How long ago the trip left its first stop, seconds.
pub(crate) const AGO: i64 = 400;

pub(crate) struct Server {
    pub(crate) process: Child,
    http: SocketAddr,
    teltonika: SocketAddr,
}

impl Server {
    pub(crate) async fn start(dir: &Path) -> Self {
        let Serving { process, http, trackers } = Serving::start(dir).await;
        Self { process, http, teltonika: trackers["teltonika"] }
    }

    /// Tells it to end, and waits until it has; its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let pid = self.process.id().unwrap().to_string();
        let told = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap();
        assert!(told.success());
        timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap().code()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Follows the board of a stop, as the sign at the stop does, until it is so.
    pub(crate) async fn board_until(&self, stop: &str, so: impl Fn(&Board) -> bool) -> Board {
        let settings = Settings::new(self.url().parse().unwrap(), stop.to_owned(), Lang::En);
        let clock: SharedClock = std::sync::Arc::new(SystemClock);
        let (known, mut display) = tokio::sync::watch::channel(Display::default());
        let found = display.wait_for(|d| d.live().board().is_some_and(&so));
        let display = timeout(PATIENCE, async {
            tokio::select! {
                refusal = follow(&settings, &clock, rand::SeedableRng::seed_from_u64(1), &known) => panic!("{refusal}"),
                display = found => display.unwrap().clone(),
            }
        });
        display.await.unwrap().live().board().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Sends fixes of a vehicle that keeps the timetable, from one moment to another, and has them
    /// acknowledged.
    pub(crate) async fn hear(&self, left: UnixMs, from: UnixMs, to: UnixMs) {
        let mut stream = TcpStream::connect(self.teltonika).await.unwrap();
        stream.write_all(&teltonika::encode_login("352093081452251").unwrap()).await.unwrap();
        assert_eq!(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(), 1);
        let times = (0..).map(|n| from.plus_secs(n * 10)).take_while(|t| *t <= to);
        let record = |time: UnixMs| {
            #[expect(clippy::cast_precision_loss, reason = "minutes")]
            let (lat, lon) = place(time.secs_since(left) as f64 * PACE / 1000.0);
            Record::at(time, Position { lat, lon, satellites: Some(9), valid: true, ..Position::default() })
        };
        let records: Vec<Record> = times.map(record).collect();
        stream.write_all(&teltonika::encode(Codec::EightExtended, &records).unwrap()).await.unwrap();
        let taken = timeout(PATIENCE, stream.read_u32()).await.unwrap().unwrap();
        assert_eq!(usize::try_from(taken), Ok(records.len()));
    }
}

pub(crate) fn is_followed(board: &Board) -> bool {
    board.rows.iter().any(|r| r.trip_id == "t1" && r.source == RowSource::Live)
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_with_the_vehicle_on_its_trip_and_ends_cleanly_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let now = UnixMs::from_secs(SystemClock.now().secs());
    let left = now.plus_secs(-AGO);
    let zip = feed(dir.path(), &street(left));
    let more = "[http]\nlisten = \"127.0.0.1:0\"\n[ingest]\naccept_unknown = true\n\
                [ingest.teltonika]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info\"\nformat = \"json\"\n";
    config(dir.path(), &zip, more);
    let token = ["token", "--config", "zupynka.toml", "--role", "dispatcher", "--name", "t", "--out", "t.token"];
    assert_eq!(run(dir.path(), &token).await.code, 0);

    let mut server = Server::start(dir.path()).await;
    server.hear(left, now.plus_secs(-200), now).await;
    // It is 400 s on its way; S3 is 720 s from the start.
    let before = server.board_until("S3", is_followed).await;
    let vehicle = before.rows[0].vehicle_id.clone().unwrap();
    server.process.kill().await.unwrap();

    let server = Server::start(dir.path()).await;
    let after = server.board_until("S3", is_followed).await;
    assert_eq!(after.rows[0].vehicle_id.as_ref(), Some(&vehicle));
    let moved = after.rows[0].arrival.unwrap().secs_since(before.rows[0].arrival.unwrap());
    assert!(moved.abs() <= 30, "the same promise before and after: {moved} s");
    let context = server.get(&format!("/v1/vehicles/{vehicle}/trip-context")).await;
    assert_eq!((&context["known"], &context["trip"]["trip_id"]), (&true.into(), &"t1".into()), "{context}");

    let url = server.url();
    let board = ["board", "--server", &url, "--stop", "S3", "--lang", "en", "--once", "--output", "json"];
    let shown = run(dir.path(), &board).await;
    let said: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((shown.code, &said["rows"][0]["route"], &said["stop"]), (0, &"1".into(), &"Stop 3".into()), "{said}");
    let dispatch = ["dispatch", "--server", &url, "--token-file", "t.token", "--view", "overview", "--once"];
    let shown = run(dir.path(), &[&dispatch[..], &["--output", "json"]].concat()).await;
    let said: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((shown.code, &said["routes"][0]["running"]), (0, &1.into()), "{said}");
    let unknown = run(dir.path(), &["board", "--server", &url, "--stop", "S99", "--once"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("S99"), "{}", unknown.err);

    assert_eq!(server.ended().await, Some(0));
}
