//! A tracker of each protocol, through the real codecs and the real clients. Each sends a record and
//! waits until the server has said that it is taken.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::Addresses;
use tracker_ingest::codec::teltonika::{self, Codec};
use tracker_ingest::codec::{DeviceKey, Position, Protocol, Record, mqtt_json, osmand};
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::{street, within};

/// The Teltonika tracker's number, in vehicle [`VEHICLE`].
pub const IMEI: &str = "352093081452251";
/// The name of the phone and the on-board computer.
pub const DEVICE: &str = "unit-1";
/// Their token.
pub const TOKEN: &str = "s3cret";
/// The vehicle that every one of them is fitted to, one at a time.
pub const VEHICLE: &str = "1204";

/// What a tracker speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// Codec 8 Extended over TCP.
    Teltonika,
    /// A GET a fix.
    Osmand,
    /// JSON over MQTT, QoS 1.
    Mqtt,
}

/// A tracker that is connected.
pub enum Tracker {
    /// Logged in.
    Teltonika(TcpStream),
    /// With its connections.
    Osmand(reqwest::Client, SocketAddr),
    /// Welcomed.
    Mqtt(Box<(AsyncClient, EventLoop, String)>),
}

/// A record of a vehicle on the way out, so many kilometres from A.
#[must_use]
pub fn record(time: UnixMs, km: f64, metres_per_second: f32) -> Record {
    let (lat, lon) = street::place(km);
    let position = Position {
        lat,
        lon,
        speed: Some(metres_per_second),
        bearing: Some(90.0),
        satellites: Some(11),
        valid: true,
        ..Position::default()
    };
    Record::at(time, position)
}

impl Tracker {
    /// Connects and is let in.
    ///
    /// # Panics
    /// When it is not.
    pub async fn connect(speaks: Speaks, to: Addresses) -> Self {
        match speaks {
            Speaks::Teltonika => {
                let mut stream = TcpStream::connect(to.of(Protocol::Teltonika).unwrap()).await.unwrap();
                stream.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
                assert_eq!(within("the answer to a login", stream.read_u8()).await.unwrap(), 1);
                Self::Teltonika(stream)
            }
            Speaks::Osmand => Self::Osmand(reqwest::Client::new(), to.of(Protocol::Osmand).unwrap()),
            Speaks::Mqtt => {
                let at = to.of(Protocol::MqttJson).unwrap();
                let mut options = MqttOptions::new(DEVICE, at.ip().to_string(), at.port());
                options.set_credentials(DEVICE, TOKEN).set_keep_alive(Duration::from_secs(600));
                let (client, mut events) = AsyncClient::new(options, 8);
                let first = within("CONNACK", events.poll()).await.unwrap();
                assert!(matches!(first, Event::Incoming(Packet::ConnAck(_))), "{first:?}");
                let topic = mqtt_json::topic(&FeedId::from(street::FEED), &DeviceKey::from(DEVICE));
                Self::Mqtt(Box::new((client, events, topic)))
            }
        }
    }

    /// Sends a record and waits for its acknowledgement.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(&mut self, record: &Record) {
        match self {
            Self::Teltonika(stream) => {
                let packet = teltonika::encode(Codec::EightExtended, std::slice::from_ref(record)).unwrap();
                stream.write_all(&packet).await.unwrap();
                assert_eq!(within("the count of records", stream.read_u32()).await.unwrap(), 1);
            }
            Self::Osmand(http, at) => {
                let form = osmand::encode(&DeviceKey::from(DEVICE), record).unwrap();
                let url = format!("http://{at}/?{form}&token={TOKEN}");
                let answer = within("an answer", http.get(url).send()).await.unwrap();
                assert_eq!(answer.status(), 200);
            }
            Self::Mqtt(open) => {
                let (client, events, topic) = &mut **open;
                let payload = mqtt_json::encode(record).unwrap();
                client.try_publish(&*topic, QoS::AtLeastOnce, false, payload).unwrap();
                within("PUBACK", async {
                    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {}
                })
                .await;
            }
        }
    }
}
