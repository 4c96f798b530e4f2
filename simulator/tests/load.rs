//! Load against real sockets: whatever the server does, every record whose time has come is accounted for.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use simulator::city;
use simulator::load::backlog::Backlog;
use simulator::load::plan::Plan;
use simulator::load::sink::{Sink, SinkMode};
use simulator::load::tally::LoadReport;
use simulator::load::ways::Ways;
use simulator::load::{Load, LoadError, device, vehicle_id};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::{DeviceKey, Protocol};
use tracker_ingest::{Ingest, IngestConfig, NewDevice};
use transit_model::clock::SystemClock;
use transit_model::time::ServiceDate;

fn ways() -> Arc<Ways> {
    Arc::new(Ways::of(&city::load(ServiceDate::from_days(20_780)).unwrap().timetable).unwrap())
}

fn load(server: impl ToString, plan: Plan) -> Load {
    Load {
        protocol: Protocol::Teltonika,
        server: server.to_string(),
        plan,
        lasts: Duration::from_millis(400),
        patience: Duration::from_millis(300),
        blind: false,
        first: 0,
    }
}

async fn run(load: Load) -> LoadReport {
    let report = load.run(ways(), CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!(report.due, report.sent + report.not_sent, "{report:?}");
    if report.latency_to == "acknowledgement" {
        assert_eq!(report.sent, report.acknowledged + report.unacknowledged, "{report:?}");
    }
    assert_eq!(report.waiting(), 0, "{report:?}");
    report
}

fn sink(mode: SinkMode) -> Sink {
    Sink::start(Protocol::Teltonika.stream().unwrap(), mode).unwrap()
}

#[tokio::test]
async fn everything_that_is_due_reaches_a_server_that_answers() {
    let sink = sink(SinkMode::Acknowledge);
    let plan = Plan::new(50, 500.0, 50, Some(2)).unwrap();
    // Patience for the slowest machine: what is tested is the account, not the machine.
    let patience = Duration::from_secs(60);
    let report = run(Load { patience, ..load(sink.address(), plan) }).await;
    assert_eq!((report.due, report.acknowledged, report.resent), (200, 200, 0));
    assert_eq!((report.connections_opened, report.connections_lost), (50, 0));
    assert!(report.max_ms > 0.0 && report.p50_ms <= report.max_ms);
    let taken = sink.stop();
    assert_eq!((taken.records, taken.connections, taken.unreadable), (200, 50, 0));
}

#[tokio::test]
async fn vehicles_take_turns_where_there_are_fewer_connections() {
    let sink = sink(SinkMode::Acknowledge);
    // 60 records at a time are three messages of this protocol.
    let plan = Plan::new(300, 3000.0, 7, Some(60)).unwrap();
    let report = run(Load { patience: Duration::from_secs(60), ..load(sink.address(), plan) }).await;
    assert_eq!((report.due, report.acknowledged), (1200, 1200));
    assert_eq!(report.connections_opened, 20, "a connection to each turn");
    assert_eq!(sink.stop().records, 1200);
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_written_to_blindly() {
    let sink = sink(SinkMode::Swallow);
    let plan = Plan::new(20, 200.0, 20, None).unwrap();
    let blind = Load { blind: true, patience: Duration::from_secs(60), ..load(sink.address(), plan) };
    let report = run(blind).await;
    assert_eq!((report.sent, report.acknowledged, report.latency_to), (80, 0, "write"));
    // And whoever waits for it in vain says so.
    let waits = run(load(sink.address(), plan)).await;
    assert_eq!((waits.sent, waits.not_sent), (0, 80));
    assert!(waits.connections_lost > 0);
    assert!(sink.stop().bytes > 0);
}

#[tokio::test]
async fn nobody_there_is_asked_with_growing_waits_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let report = run(load(nobody, Plan::new(10, 100.0, 10, None).unwrap())).await;
    assert_eq!((report.sent, report.not_sent), (0, 40));
    // In the 0.7 s it lasts there is room for two waits at most, of a quarter and of half a second at least.
    assert!((10..=30).contains(&report.connections_unreachable), "{report:?}");
}

#[tokio::test]
async fn a_server_that_breaks_off_is_counted_and_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let report = run(load(server, Plan::new(5, 50.0, 5, None).unwrap())).await;
    assert_eq!((report.acknowledged, report.not_sent), (0, 20));
    assert!(report.connections_lost >= 5 && report.connections_opened <= 25, "{report:?}");
    accepting.abort();
}

#[tokio::test]
async fn the_real_listeners_store_what_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = IngestConfig { data_dir: folder.path().to_owned(), ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = Some("127.0.0.1:0".parse().unwrap());
    let (fixes_out, mut fixes) = mpsc::channel(10_000);
    let stop = CancellationToken::new();
    let ingest = Ingest::start(config, Arc::new(SystemClock), None, fixes_out, stop.clone()).await.unwrap();
    let new = |n| NewDevice::transit(device(n).expose(), vehicle_id(n).as_str());
    ingest.desk().add((0..30).map(new).collect()).await.unwrap();
    let server = ingest.addresses().of(Protocol::Teltonika).unwrap();
    let plan = Plan::new(30, 300.0, 30, Some(4)).unwrap();
    let report = run(Load { patience: Duration::from_secs(60), ..load(server, plan) }).await;
    assert_eq!((report.due, report.acknowledged), (120, 120));
    assert_eq!(ingest.counters().stored, 120);
    let strangers = run(Load { first: 100, ..load(server, plan) }).await;
    assert_eq!((strangers.acknowledged, strangers.not_sent), (0, 120), "they are on no list");
    assert!(strangers.refused > 0);
    stop.cancel();
    ingest.stopped().await;
    let mut live = 0;
    while fixes.try_recv().is_ok() {
        live += 1;
    }
    assert_eq!(live, 120, "believable for the gate, every one");
}

#[test]
fn only_protocols_over_a_stream() {
    let plan = Plan::new(1, 0.1, 1, None).unwrap();
    let e = Load { protocol: Protocol::MqttJson, ..load("h:1", plan) }.check().unwrap_err();
    assert!(matches!(e, LoadError::NoStream(_)) && e.to_string().contains("teltonika"), "{e}");
    assert!(load("h:1", plan).check().is_ok());
    assert!(DeviceKey::is_valid(device(899_999_999).expose()) && device(899_999_999).expose().len() == 15);
}

#[tokio::test]
async fn a_backlog_is_sent_to_its_end() {
    let sink = sink(SinkMode::Acknowledge);
    let backlog = Backlog {
        protocol: Protocol::Teltonika,
        server: sink.address().to_string(),
        devices: 3,
        records_each: 50,
        first: 0,
    };
    let report = backlog.run(ways(), CancellationToken::new()).await.unwrap();
    assert_eq!((report.records, report.acknowledged, report.faults), (150, 150, 0));
    assert_eq!(sink.stop().records, 150);
}
