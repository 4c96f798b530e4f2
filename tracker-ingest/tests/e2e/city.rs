//! A city under test: an ingest with three devices, and clients to talk to it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, Publish, Subscribe};
use rumqttc::{QoS, SubscribeReasonCode};
use sqlx::{Connection, SqliteConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::teltonika::{self, Codec};
use tracker_ingest::codec::{Position, Protocol, Record};
use tracker_ingest::journal::{Journal, JournalOptions};
use tracker_ingest::{Bounds, Ingest, IngestConfig, IngestError, IngestHandle, NewDevice};
use transit_model::clock::ManualClock;
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::time::UnixMs;

pub(crate) const IMEI: &str = "352093081452251";
pub(crate) const STRANGER: &str = "867123456789012";
pub(crate) const TOKEN: &str = "s3cret";
pub(crate) const START: i64 = 1_795_000_000;
const SLOVIANSK: Bounds = Bounds { south: 48.80, west: 37.50, north: 48.92, east: 37.70 };
/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct City {
    pub(crate) handle: IngestHandle,
    pub(crate) clock: Arc<ManualClock>,
    fixes: mpsc::Receiver<Fix>,
    stop: CancellationToken,
    config: IngestConfig,
    folder: Option<tempfile::TempDir>,
}

/// A lock on the journal's file: nothing can be committed while it lives.
pub(crate) struct Lock(SqliteConnection);

impl Lock {
    pub(crate) async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

pub(crate) fn config(data_dir: PathBuf) -> IngestConfig {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut config = IngestConfig { feed: "test".into(), data_dir, ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = Some(any);
    config.osmand.listen = Some(any);
    config.mqtt.listen = Some(any);
    config
}

impl City {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut IngestConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path().join("data"));
        change(&mut config);
        let clock = Arc::new(ManualClock::at(UnixMs::from_secs(START + 30)));
        let mut city = Self::start(config, clock).await;
        city.folder = Some(folder);
        let with_token = |key: &str, vehicle: &str, kind| NewDevice {
            kind,
            token: Some(TOKEN.to_owned()),
            ..NewDevice::transit(key, vehicle)
        };
        let devices = vec![
            NewDevice::transit(IMEI, "bus-1"),
            with_token("val-1", "bus-2", VehicleKind::Transit),
            with_token("phone-1", "plough-1", VehicleKind::Machinery),
        ];
        city.handle.desk().add(devices).await.unwrap();
        city
    }

    async fn start(config: IngestConfig, clock: Arc<ManualClock>) -> Self {
        let (out, fixes) = mpsc::channel(100);
        let stop = CancellationToken::new();
        let shared: transit_model::clock::SharedClock = Arc::<ManualClock>::clone(&clock);
        let handle = Ingest::start(config.clone(), shared, Some(SLOVIANSK), out, stop.clone()).await.unwrap();
        Self { handle, clock, fixes, stop, config, folder: None }
    }

    /// Ends everything and starts again on the same folder.
    pub(crate) async fn restart(mut self) -> Self {
        let folder = self.folder.take();
        let (config, clock) = (self.config.clone(), Arc::clone(&self.clock));
        self.close().await;
        Self { folder, ..Self::start(config, clock).await }
    }

    /// Tries to start a second ingest beside this one.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut IngestConfig)) -> Result<IngestHandle, IngestError> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path().to_owned());
        change(&mut config);
        let (out, _) = mpsc::channel(1);
        Ingest::start(config, Arc::<ManualClock>::clone(&self.clock), None, out, CancellationToken::new()).await
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        within(self.handle.stopped()).await;
    }

    /// The next live fix.
    pub(crate) async fn fix(&mut self) -> Fix {
        within(self.fixes.recv()).await.unwrap()
    }

    /// Takes no more fixes.
    pub(crate) fn deafen(&mut self) {
        self.fixes.close();
    }

    /// Seconds after the start.
    pub(crate) fn at(&self, secs: i64) -> UnixMs {
        UnixMs::from_secs(START + secs)
    }

    /// Records on the disk, and those of them that were live.
    pub(crate) async fn stored(&self) -> (i64, i64) {
        let mut c = SqliteConnection::connect(&self.url()).await.unwrap();
        sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE mark IS NULL) FROM fixes")
            .fetch_one(&mut c)
            .await
            .unwrap()
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.config.journal_path().display())
    }

    /// The journal's file as another process has it open.
    pub(crate) async fn other_process(&self) -> Journal {
        Journal::open(&JournalOptions::at(self.config.journal_path()), |_| ()).await.unwrap().0
    }

    pub(crate) async fn lock_journal(&self) -> Lock {
        let mut c = SqliteConnection::connect(&self.url()).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut c).await.unwrap();
        Lock(c)
    }

    /// A Teltonika connection that was let in.
    pub(crate) async fn teltonika(&self, imei: &str) -> TcpStream {
        let mut s = connect(self.handle.addresses().of(Protocol::Teltonika)).await;
        s.write_all(&teltonika::encode_login(imei).unwrap()).await.unwrap();
        assert_eq!(within(s.read_u8()).await.unwrap(), 1);
        s
    }

    pub(crate) async fn mqtt(&self, user: &str, password: &str) -> Mqtt {
        let stream = connect(self.handle.addresses().of(Protocol::MqttJson)).await;
        let mut m = Mqtt { stream, buffer: BytesMut::new(), welcomed: false };
        let mut c = Connect::new("client");
        c.set_login(user, password);
        m.send(Packet::Connect(c)).await;
        m.welcomed = match m.packet().await {
            Some(Packet::ConnAck(a)) => a.code == ConnectReturnCode::Success,
            other => panic!("{other:?}"),
        };
        m
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

pub(crate) async fn connect(to: Option<SocketAddr>) -> TcpStream {
    connect_from([127, 0, 0, 1], to).await
}

pub(crate) async fn connect_from(from: [u8; 4], to: Option<SocketAddr>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(from), 0).into()).unwrap();
    within(socket.connect(to.unwrap())).await.unwrap()
}

/// Everything until the peer closes; a reset is an end too.
pub(crate) async fn to_end(s: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(within(s.read_to_end(&mut bytes)).await);
    bytes
}

/// A record so many seconds after the start, at a latitude on a street that runs north.
pub(crate) fn record(secs: i64, lat: f64) -> Record {
    let position = Position {
        lat,
        lon: 37.6,
        speed: Some(10.0),
        bearing: Some(0.0),
        satellites: Some(9),
        valid: true,
        ..Position::default()
    };
    Record::at(UnixMs::from_secs(START + secs), position)
}

pub(crate) fn packet(records: &[Record]) -> Vec<u8> {
    teltonika::encode(Codec::Eight, records).unwrap()
}

pub(crate) struct Mqtt {
    stream: TcpStream,
    buffer: BytesMut,
    pub(crate) welcomed: bool,
}

impl Mqtt {
    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Ok(p) = Packet::read(&mut self.buffer, 1 << 20) {
                return Some(p);
            }
            if !matches!(within(self.stream.read_buf(&mut self.buffer)).await, Ok(1..)) {
                return None;
            }
        }
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// QoS 1 with this id, or QoS 0 with none.
    pub(crate) async fn publish(&mut self, topic: &str, pkid: u16, payload: &[u8]) {
        let qos = if pkid == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        self.publish_at(qos, topic, pkid, payload).await;
    }

    pub(crate) async fn publish_at(&mut self, qos: QoS, topic: &str, pkid: u16, payload: &[u8]) {
        let mut p = Publish::new(topic, qos, payload);
        p.pkid = pkid;
        self.send(Packet::Publish(p)).await;
    }

    pub(crate) async fn puback(&mut self) -> u16 {
        match self.packet().await {
            Some(Packet::PubAck(a)) => a.pkid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        let mut s = Subscribe::new(filter, QoS::AtLeastOnce);
        s.pkid = 9;
        self.send(Packet::Subscribe(s)).await;
        match self.packet().await {
            Some(Packet::SubAck(a)) => a.return_codes[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ping(&mut self) {
        self.send(Packet::PingReq).await;
        assert_eq!(self.packet().await, Some(Packet::PingResp));
    }

    /// Whether nothing was said.
    pub(crate) fn silent(&mut self) -> bool {
        self.stream.try_read(&mut [0; 8]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    }

    pub(crate) async fn ended(&mut self) -> bool {
        self.packet().await.is_none()
    }
}
