//! Strangers, garbage and silence on the trackers' ports: seen by the dispatcher, of no cost to others.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::codec::Protocol;
use tracker_ingest::codec::teltonika::{self, Codec};
use transit_model::board::RowSource;
use zupynka_tests::town::Town;
use zupynka_tests::trackers::{Speaks, Tracker, record};
use zupynka_tests::within;

const STRANGER: &str = "867123456789012";

async fn open(at: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// What is said until the other side hangs up.
async fn last_words(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end too.
    drop(within("the end of the connection", stream.read_to_end(&mut said)).await);
    said
}

#[tokio::test]
async fn an_unknown_device_is_a_concern_for_the_dispatcher_and_no_vehicle_on_any_board() {
    let town = Town::open("08:05:00", Speaks::Teltonika).await;
    let at = town.city.ingest.addresses();
    let login = teltonika::encode_login(STRANGER).unwrap();
    assert_eq!(last_words(open(at.of(Protocol::Teltonika).unwrap(), &login).await).await, [0]);
    let told = |s: &transit_model::dispatch::DispatchState| s.concerns.iter().any(|c| c.kind == "unknown_device");
    let state = town.dispatcher_sees("the stranger", told).await;
    assert!(state.vehicles.is_empty());
    let said = serde_json::to_string(&state.concerns).unwrap();
    assert!(!said.contains(STRANGER), "its number is a credential: {said}");
    for stop in ["A", "B", "C", "D", "E"] {
        assert!(town.board(stop).await.rows.iter().all(|r| r.source == RowSource::Timetable));
    }
    town.close().await;
}

#[tokio::test]
async fn garbage_and_half_a_frame_on_every_port_leave_the_others_alone() {
    let town = Town::open("08:01:00", Speaks::Teltonika).await;
    let at = town.city.ingest.addresses();
    let mut good = Tracker::connect(Speaks::Teltonika, at.clone()).await;
    let (tcp, http, mqtt) =
        (at.of(Protocol::Teltonika).unwrap(), at.of(Protocol::Osmand).unwrap(), at.of(Protocol::MqttJson).unwrap());
    let packet = teltonika::encode(Codec::Eight, &[record(town.clock_now(), 0.2, 5.0)]).unwrap();
    let mut halves = vec![
        open(tcp, &teltonika::encode_login(STRANGER).unwrap()[..9]).await,
        open(http, b"GET /?id=unit-1&lat=48.85&l").await,
        open(http, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await,
        open(mqtt, &[0x10, 0x40, 0x00, 0x04, b'M', b'Q']).await,
    ];
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..], &[0xFF; 300], &packet] {
        for port in [tcp, http, mqtt] {
            let mut stream = open(port, garbage).await;
            stream.shutdown().await.unwrap();
            let said = last_words(stream).await;
            assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&said));
        }
    }
    town.drive(&mut good, town.at("08:05:00"), [0.25, 1.25]).await;
    let board = town.board("C").await;
    assert!(board.rows.iter().any(|r| r.source == RowSource::Live), "{board:?}");
    // Those who hang in mid-frame have been told nothing.
    for half in &mut halves {
        let heard = half.try_read(&mut [0; 16]);
        assert!(heard.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    }
    town.close().await;
}
