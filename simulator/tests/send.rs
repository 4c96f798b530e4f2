//! The senders against servers of the test's own, over real sockets, on a clock that runs fast.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck};
use simulator::city;
use simulator::drive::Cap;
use simulator::send::{Endpoints, NoEndpoint, Options, SimDevice, Simulator, Stats};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::stream::Heard;
use tracker_ingest::codec::{Message, Outcome, Protocol, Record, mqtt_json, osmand, teltonika};
use transit_model::backoff::Policy;
use transit_model::clock::{ScaledClock, SharedClock, Stopwatch};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};

/// What a server took: whose, and what.
type Taken = (String, Record);

const SPEED: f64 = 2400.0;

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

fn noon() -> UnixMs {
    city::load(monday()).unwrap().timetable.zone.at(monday(), ServiceTime(12 * 3600))
}

fn simulator(endpoints: Endpoints) -> Simulator {
    let tt = Arc::new(city::load(monday()).unwrap().timetable);
    let options = Options {
        seed: 3,
        secret: [9; 32],
        cap: Some(Cap { vehicles: 4, at: ServiceTime(13 * 3600) }),
        endpoints,
        retry: Policy { first: Duration::from_millis(2), most: Duration::from_millis(20) },
        ..Options::default()
    };
    Simulator::new(tt, options, noon()).unwrap()
}

/// Runs the fleet from noon until `want` records are taken; checks that they are the fleet's own
/// fixes, each vehicle's in order and none left out.
async fn run(sim: &Simulator, mut taken: UnboundedReceiver<Taken>, want: usize) -> Stats {
    let clock: SharedClock = Arc::new(ScaledClock::starting(noon(), SPEED));
    let shutdown = CancellationToken::new();
    let handle = sim.start(&clock, &shutdown);
    let mut heard: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for _ in 0..want {
        let (device, record) = taken.recv().await.unwrap();
        let records = heard.entry(device).or_default();
        if records.last().is_none_or(|last| last.time < record.time) {
            records.push(record);
        }
    }
    shutdown.cancel();
    handle.stopped().await;
    let devices: Vec<SimDevice> = sim.devices();
    for (key, records) in &heard {
        let device = devices.iter().find(|d| d.device.expose() == key).unwrap();
        let fixes = sim.fleet().fixes_between(noon(), noon().plus_secs(12 * 3600));
        // The clock has run a little when the fleet starts.
        let first = records[0].time.unwrap();
        assert!(first < noon().plus_secs(1800), "{first:?}");
        let expected = fixes.filter(|f| f.vehicle == device.vehicle && f.time >= first);
        for (record, fix) in records.iter().zip(expected) {
            assert_eq!(record.time, Some(fix.time));
            let p = record.position.unwrap();
            assert!((p.lat - fix.lat).abs() < 1e-6 && (p.lon - fix.lon).abs() < 1e-6);
            assert!(device.protocol == Protocol::Teltonika || record.reported == fix.reported);
        }
    }
    assert!(heard.len() > 2, "{heard:?}");
    let stats = handle.stats();
    assert!(stats.acknowledged > 0 && stats.sent >= stats.acknowledged, "{stats:?}");
    stats
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// Drops the first `drop` connections, refuses the next login, keeps the acknowledgement of the
/// first packet, and is a good server from then on.
async fn teltonika_server(listener: TcpListener, drop: usize, out: UnboundedSender<Taken>) {
    let sulks = Arc::new(AtomicUsize::new(0));
    for n in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        if n >= drop {
            tokio::spawn(teltonika_session(stream, Arc::clone(&sulks), out.clone()));
        }
    }
}

async fn teltonika_session(mut stream: TcpStream, sulks: Arc<AtomicUsize>, out: UnboundedSender<Taken>) {
    let mut session = (teltonika::STREAM.session)();
    let (mut imei, mut buffer) = (String::new(), [0u8; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        session.feed(&buffer[..n]);
        while let Some(Heard { message, reply }) = session.next_message(UnixMs(0)).unwrap() {
            let mut outcome = Outcome::Taken;
            match &message {
                Message::Login(device) => {
                    imei = device.expose().to_owned();
                    if sulks.fetch_add(1, SeqCst) == 0 {
                        outcome = Outcome::Refused;
                    }
                }
                Message::Records(records) => {
                    if sulks.fetch_add(1, SeqCst) < 4 {
                        return;
                    }
                    records.iter().for_each(|r| drop(out.send((imei.clone(), r.clone()))));
                }
                Message::KeepAlive => {}
            }
            stream.write_all(&reply.to(outcome)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn teltonika_trackers_keep_what_is_not_acknowledged() {
    let (listener, at) = listen().await;
    let (out, taken) = unbounded_channel();
    tokio::spawn(teltonika_server(listener, 3, out));
    let sim = simulator(Endpoints::default().with(Protocol::Teltonika, Some(at)));
    assert!(sim.devices().iter().all(|d| d.protocol == Protocol::Teltonika && d.token.is_none()));
    let stats = run(&sim, taken, 600).await;
    assert!(stats.refused >= 1 && stats.broken >= 3 && stats.resent >= 3, "{stats:?}");
    assert!(stats.connections >= 4, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_send_again_what_the_server_could_not_take() {
    type Shared = Arc<(AtomicUsize, UnboundedSender<Taken>, BTreeMap<String, Option<String>>)>;
    async fn take(State(s): State<Shared>, RawQuery(query): RawQuery) -> StatusCode {
        let query = query.unwrap();
        let read = osmand::decode(&osmand::Request { query: &query, ..osmand::Request::default() }).unwrap();
        let Message::Records(records) = read.message else { return StatusCode::BAD_REQUEST };
        let device = records[0].device.clone().unwrap().expose().to_owned();
        if s.2.get(&device) != Some(&read.token) {
            return StatusCode::UNAUTHORIZED;
        }
        if s.0.fetch_add(1, SeqCst) < 5 {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        records.into_iter().for_each(|r| drop(s.1.send((device.clone(), r))));
        StatusCode::OK
    }
    let (listener, at) = listen().await;
    let (out, taken) = unbounded_channel();
    let sim = simulator(Endpoints::default().with(Protocol::Osmand, Some(at)));
    let tokens = sim.devices().into_iter().map(|d| (d.device.expose().to_owned(), d.token)).collect();
    let app = axum::Router::new().fallback(take).with_state(Arc::new((AtomicUsize::new(0), out, tokens)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let stats = run(&sim, taken, 300).await;
    assert_eq!((stats.refused, stats.resent), (5, 5), "{stats:?}");
}

/// A server of MQTT that takes a device's own topic only, and leaves the third message of a
/// connection unacknowledged once.
async fn mqtt_session(
    mut stream: TcpStream,
    feed: transit_model::ids::FeedId,
    tokens: Arc<BTreeMap<String, Option<String>>>,
    sulks: Arc<AtomicUsize>,
    out: UnboundedSender<Taken>,
) {
    let (mut device, mut buffer) = (String::new(), BytesMut::new());
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        while let Ok(packet) = Packet::read(&mut buffer, 8192) {
            let mut answer = BytesMut::new();
            match packet {
                Packet::Connect(connect) => {
                    let login = connect.login.unwrap();
                    device = login.username;
                    let known = tokens.get(&device) == Some(&Some(login.password)) && connect.client_id == device;
                    let code = if known { ConnectReturnCode::Success } else { ConnectReturnCode::NotAuthorized };
                    ConnAck::new(code, false).write(&mut answer).unwrap();
                }
                Packet::Publish(publish) => {
                    assert_eq!(mqtt_json::device_of(&feed, &publish.topic).unwrap().expose(), device);
                    if sulks.fetch_add(1, SeqCst) == 2 {
                        return;
                    }
                    let Message::Records(records) = mqtt_json::decode(&publish.payload).unwrap() else { return };
                    records.into_iter().for_each(|r| drop(out.send((device.clone(), r))));
                    PubAck::new(publish.pkid).write(&mut answer).unwrap();
                }
                Packet::PingReq => rumqttc::mqttbytes::v4::PingResp.write(&mut answer).map(drop).unwrap(),
                _ => return,
            }
            stream.write_all(&answer).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_board_computers_publish_until_they_are_acknowledged() {
    let (listener, at) = listen().await;
    let (out, taken) = unbounded_channel();
    let sim = simulator(Endpoints::default().with(Protocol::MqttJson, Some(at)));
    let tokens = Arc::new(sim.devices().into_iter().map(|d| (d.device.expose().to_owned(), d.token)).collect());
    let feed = sim.fleet().timetable().feed.clone();
    let sulks = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tokens, sulks) = (Arc::clone(&tokens), Arc::clone(&sulks));
            tokio::spawn(mqtt_session(stream, feed.clone(), tokens, sulks, out.clone()));
        }
    });
    let stats = run(&sim, taken, 300).await;
    assert!(stats.broken >= 1 && stats.resent >= 1 && stats.refused == 0, "{stats:?}");
}

#[tokio::test]
async fn without_an_endpoint_there_is_nobody_to_send_to() {
    let tt = Arc::new(city::load(monday()).unwrap().timetable);
    assert_eq!(Simulator::new(tt, Options::default(), noon()).err(), Some(NoEndpoint));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_finds_nobody_listening_stops_when_it_is_told() {
    let (listener, at) = listen().await;
    drop(listener);
    let sim = simulator(Endpoints::default().with(Protocol::Teltonika, Some(at)));
    let clock: SharedClock = Arc::new(ScaledClock::starting(noon(), SPEED));
    let shutdown = CancellationToken::new();
    let handle = sim.start(&clock, &shutdown);
    while handle.stats().unreachable < 8 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    handle.stopped().await;
    assert_eq!((handle.stats().acknowledged, handle.stats().connections), (0, 0));
}

/// The waits double and none is left out: so many attempts cannot have come sooner, however fast the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_connections_is_asked_with_patience_and_every_refusal_is_counted() {
    let (listener, at) = listen().await;
    drop(listener);
    let tt = Arc::new(city::load(monday()).unwrap().timetable);
    let options = Options {
        seed: 3,
        cap: Some(Cap { vehicles: 1, at: ServiceTime(13 * 3600) }),
        endpoints: Endpoints::default().with(Protocol::Teltonika, Some(at)),
        retry: Policy { first: Duration::from_millis(20), most: Duration::from_millis(160) },
        ..Options::default()
    };
    let sim = Simulator::new(tt, options, noon()).unwrap();
    let trackers = sim.devices().len() as u64;
    let clock: SharedClock = Arc::new(ScaledClock::starting(noon(), SPEED));
    let (shutdown, watch) = (CancellationToken::new(), Stopwatch::start());
    let handle = sim.start(&clock, &shutdown);
    // Somebody has asked eight times by then.
    while handle.stats().unreachable < 7 * trackers + 1 {
        tokio::task::yield_now().await;
    }
    let took = watch.elapsed();
    shutdown.cancel();
    handle.stopped().await;
    // Half of each ceiling: 20, 40, 80, and 160 four times.
    assert!(took >= Duration::from_millis(10 + 20 + 40 + 4 * 80), "{took:?}");
    let stats = handle.stats();
    assert_eq!((stats.sent, stats.acknowledged, stats.connections), (0, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn the_devices_are_known_before_anything_is_sent() {
    let endpoints = [Protocol::Teltonika, Protocol::Osmand, Protocol::MqttJson]
        .into_iter()
        .fold(Endpoints::default(), |all, p| all.with(p, Some("127.0.0.1:1")));
    let (a, b) = (simulator(endpoints.clone()).devices(), simulator(endpoints).devices());
    assert_eq!(a, b);
    assert!(a.len() >= 4 && a.iter().all(|d| d.token.is_some() == (d.protocol != Protocol::Teltonika)));
}
