//! Real brokers, killed and started again in mid-stream, and our ingest as well: whatever a broker has acknowledged to the
//! vehicles is in the journal at the end, and is there once.
//!
//! `ZUPYNKA_BROKERS` names those to run, of `mosquitto rabbitmq nats`; without it nothing is tested. Nothing sleeps: what is
//! waited for is looked at again and again, for a bounded time.
#![cfg(test)]

mod publisher;
mod servers;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::config::BrokerConfig;
use tracker_ingest::{Ingest, IngestConfig, NewDevice};
use transit_model::clock::{ManualClock, Stopwatch};
use transit_model::time::UnixMs;

use publisher::Publisher;
use servers::{Kind, Server, USER};

const FOLDER: &str = "ZUPYNKA_TEST_BROKER_FOLDER";
const PORT: &str = "ZUPYNKA_TEST_BROKER_PORT";
/// Vehicles that publish.
const VEHICLES: usize = 5;
/// Messages, of all vehicles.
const MESSAGES: usize = 1200;
const START: i64 = 1_795_000_000;
/// How long the journal may take to have everything.
const PATIENCE: Duration = Duration::from_secs(90);

static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn device(vehicle: usize) -> String {
    format!("obu-{vehicle}")
}

/// Not a test: what the parent runs, and kills. Without the variables it does nothing.
#[tokio::test]
async fn child() {
    let (Some(folder), Ok(port)) = (std::env::var_os(FOLDER), std::env::var(PORT)) else { return };
    let broker = BrokerConfig {
        client_id: "zupynka-broker-test".into(),
        username: Some(USER.into()),
        password: Some(USER.into()),
        ..BrokerConfig::at("127.0.0.1", port.parse().unwrap())
    };
    let brokers = [("city".to_owned(), broker)].into();
    let config = IngestConfig { feed: "test".into(), data_dir: folder.into(), brokers, ..IngestConfig::default() };
    let clock = Arc::new(ManualClock::at(UnixMs::from_secs(START + 100_000)));
    let (out, mut fixes) = mpsc::channel(10_000);
    let handle = Ingest::start(config, clock, None, out, CancellationToken::new()).await.unwrap();
    let devices = (0..VEHICLES).map(|v| NewDevice::transit(device(v), format!("bus-{v}"))).collect();
    handle.desk().add(devices).await.unwrap();
    let mut metrics = Registry::default();
    handle.register(&mut metrics);
    // Before it has subscribed a broker keeps nothing for it.
    loop {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics).unwrap();
        if text.contains("broker_up{broker=\"city\"} 1") {
            break;
        }
        tokio::task::yield_now().await;
    }
    println!("taking");
    while fixes.recv().await.is_some() {}
}

/// Our ingest, as a process that can be killed.
struct Ours(Child);

impl Ours {
    fn start(folder: &Path, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder)
            .env(PORT, port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|l| l.is_ok_and(|l| l.ends_with("taking"))), "ingest takes from the broker");
        Self(child)
    }

    fn kill(self) {
        drop(self);
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Records in the journal, and how many different ones.
async fn stored(folder: &Path) -> (i64, i64) {
    let path = folder.join("ingest.db");
    let mut c = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT vehicle || ' ' || device_time) FROM fixes";
    sqlx::query_as(sql).fetch_one(&mut c).await.unwrap()
}

/// What happens to whom when so many messages have been acknowledged.
#[derive(Clone, Copy)]
enum Blow {
    Broker,
    Ours,
    Both,
}

async fn survives(kind: Kind) {
    let asked = std::env::var("ZUPYNKA_BROKERS").unwrap_or_default();
    if !asked.split([' ', ',']).any(|name| name == kind.name()) {
        println!("skipped: ZUPYNKA_BROKERS does not name {}", kind.name());
        return;
    }
    // One at a time: what is slow should be the broker and not its neighbours.
    let _turn = TURN.lock().await;
    let watch = Stopwatch::start();
    let (kept, journal) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut broker = Server::start(kind, kept.path());
    let mut ours = Some(Ours::start(journal.path(), broker.port));
    let mut publisher = Publisher::new(broker.port, MESSAGES);
    let blows = [(MESSAGES / 4, Blow::Broker), (MESSAGES / 2, Blow::Ours), (MESSAGES * 3 / 4, Blow::Both)];
    for (after, blow) in blows {
        publisher.until_acknowledged(after);
        assert!(publisher.on_the_way() > 0, "it is in mid-stream");
        if !matches!(blow, Blow::Broker) {
            ours.take().into_iter().for_each(Ours::kill);
        }
        if !matches!(blow, Blow::Ours) {
            match kind {
                // Killed outright it loses what it has acknowledged since it wrote its file last.
                Kind::Mosquitto => broker.end(),
                Kind::RabbitMq | Kind::Nats => broker.kill(),
            }
            broker.again();
        }
        ours = ours.or_else(|| Some(Ours::start(journal.path(), broker.port)));
    }
    publisher.until_acknowledged(MESSAGES);
    let wanted = i64::try_from(MESSAGES).unwrap();
    let waiting = Stopwatch::start();
    let mut have = stored(journal.path()).await;
    while have.1 < wanted && waiting.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
        have = stored(journal.path()).await;
    }
    ours.into_iter().for_each(Ours::kill);
    assert_eq!(have, (wanted, wanted), "{}: stored and different, of those acknowledged to the vehicles", kind.name());
    println!("{}: {MESSAGES} messages in {:.1} s", kind.name(), watch.elapsed().as_secs_f64());
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_through_mosquitto() {
    survives(Kind::Mosquitto).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_through_rabbitmq() {
    survives(Kind::RabbitMq).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_through_nats() {
    survives(Kind::Nats).await;
}
