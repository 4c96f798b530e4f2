//! Vehicles as one client: messages at QoS 1, each sent until it is acknowledged, over as many connections as it takes.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, Publish};
use tracker_ingest::codec::{DeviceKey, Position, Record, mqtt_json};
use transit_model::clock::Stopwatch;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::servers::USER;
use crate::{START, VEHICLES, device};

/// Messages that may be without an acknowledgement.
const WINDOW: usize = 20;
/// How long nothing may be acknowledged.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Publisher {
    port: u16,
    connection: Option<(TcpStream, BytesMut)>,
    /// Not sent on this connection.
    to_send: VecDeque<usize>,
    /// By packet identifier.
    sent: BTreeMap<u16, usize>,
    last_id: u16,
    acknowledged: usize,
}

impl Publisher {
    pub(crate) fn new(port: u16, messages: usize) -> Self {
        let to_send = (0..messages).collect();
        Self { port, connection: None, to_send, sent: BTreeMap::new(), last_id: 0, acknowledged: 0 }
    }

    /// How many are sent and not acknowledged.
    pub(crate) fn on_the_way(&self) -> usize {
        self.sent.len()
    }

    /// Sends until so many are acknowledged, and keeps the window full.
    pub(crate) fn until_acknowledged(&mut self, wanted: usize) {
        let mut since = Stopwatch::start();
        while self.acknowledged < wanted {
            let before = self.acknowledged;
            if self.step().is_err() {
                self.connection = None;
                // The oldest first, as they were.
                let unsure: Vec<usize> = std::mem::take(&mut self.sent).into_values().collect();
                self.to_send.extend(unsure);
                self.to_send.make_contiguous().sort_unstable();
                std::thread::yield_now();
            }
            if self.acknowledged > before {
                since = Stopwatch::start();
            }
            assert!(since.elapsed() < PATIENCE, "the broker acknowledges nothing; {before} were");
        }
        // What comes next is in mid-stream.
        drop(self.fill());
    }

    fn step(&mut self) -> std::io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        self.fill()?;
        let id = self.hear()?;
        if self.sent.remove(&id).is_some() {
            self.acknowledged += 1;
        }
        Ok(())
    }

    fn fill(&mut self) -> std::io::Result<()> {
        while self.sent.len() < WINDOW {
            let Some(n) = self.to_send.pop_front() else { return Ok(()) };
            self.last_id = self.last_id % 60_000 + 1;
            self.sent.insert(self.last_id, n);
            let vehicle = DeviceKey::from(device(n % VEHICLES));
            let secs = i64::try_from(n / VEHICLES).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "thousands")]
            let lat = 48.85 + secs as f64 * 1e-5;
            let position = Position { lat, lon: 37.6, valid: true, ..Position::default() };
            let record = Record::at(UnixMs::from_secs(START + secs), position);
            let topic = mqtt_json::topic(&FeedId::from("test"), &vehicle);
            let mut publish = Publish::new(topic, QoS::AtLeastOnce, mqtt_json::encode(&record).unwrap());
            publish.pkid = self.last_id;
            self.write(&Packet::Publish(publish))?;
        }
        Ok(())
    }

    fn write(&mut self, packet: &Packet) -> std::io::Result<()> {
        let Some((stream, _)) = &mut self.connection else { return Err(std::io::ErrorKind::NotConnected.into()) };
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        stream.write_all(&bytes)
    }

    fn hear(&mut self) -> std::io::Result<u16> {
        let Some((stream, buffer)) = &mut self.connection else { return Err(std::io::ErrorKind::NotConnected.into()) };
        match read(stream, buffer)? {
            Packet::PubAck(ack) => Ok(ack.pkid),
            other => panic!("{other:?}"),
        }
    }

    fn connect(&self) -> std::io::Result<(TcpStream, BytesMut)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let mut connect = Connect::new("vehicles");
        connect.set_login(USER, USER);
        let mut bytes = BytesMut::new();
        Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
        stream.write_all(&bytes)?;
        let mut buffer = BytesMut::new();
        match read(&mut stream, &mut buffer)? {
            Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => Ok((stream, buffer)),
            other => Err(std::io::Error::other(format!("{other:?}"))),
        }
    }
}

fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<Packet> {
    loop {
        if let Ok(packet) = Packet::read(buffer, 1 << 20) {
            return Ok(packet);
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}
