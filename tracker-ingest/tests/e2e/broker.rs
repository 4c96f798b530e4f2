//! Taking from a city's broker, against a broker of a few lines: what is acknowledged and when, and what
//! happens when the broker or the disk goes away.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, Publish, SubAck};
use rumqttc::{QoS, SubscribeReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracker_ingest::codec::{DeviceKey, mqtt_json};
use tracker_ingest::config::BrokerConfig;
use transit_model::ids::FeedId;

use crate::city::{City, IMEI, STRANGER, record, within};

pub(crate) struct Broker(pub(crate) TcpListener);

/// One connection of the client under test, at the broker's end.
pub(crate) struct Side {
    pub(crate) stream: TcpStream,
    buffer: BytesMut,
}

impl Broker {
    pub(crate) async fn open() -> (Self, BrokerConfig) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = BrokerConfig {
            client_id: "ingest-test".into(),
            username: Some("zupynka".into()),
            password: Some("broker-s3cret".into()),
            ..BrokerConfig::at("127.0.0.1", port)
        };
        (Self(listener), config)
    }

    /// Lets the client in and hears what it subscribes to.
    async fn welcome(&self) -> Side {
        let (side, filters) = self.let_in(true, |_| true).await;
        assert_eq!(filters, ["zupynka/v1/test/track/+"]);
        side
    }

    /// Lets the client in, with a session of before or without, and lets it subscribe to what `may` says; gives the filters
    /// it asked for.
    pub(crate) async fn let_in(&self, session: bool, may: impl Fn(&str) -> bool) -> (Side, Vec<String>) {
        let (stream, _) = within(self.0.accept()).await.unwrap();
        let mut side = Side { stream, buffer: BytesMut::new() };
        let Some(Packet::Connect(c)) = side.packet().await else { panic!() };
        assert!(!c.clean_session, "the broker must keep our session");
        assert_eq!(c.login.unwrap().password, "broker-s3cret");
        side.send(Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, session))).await;
        let Some(Packet::Subscribe(s)) = side.packet().await else { panic!() };
        let filters: Vec<String> = s.filters.into_iter().map(|f| f.path).collect();
        let code = |filter: &String| match may(filter) {
            true => SubscribeReasonCode::Success(QoS::AtLeastOnce),
            false => SubscribeReasonCode::Failure,
        };
        side.send(Packet::SubAck(SubAck::new(s.pkid, filters.iter().map(code).collect()))).await;
        (side, filters)
    }
}

impl Side {
    pub(crate) async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Ok(p) = Packet::read(&mut self.buffer, 1 << 20) {
                return Some(p);
            }
            if !matches!(within(self.stream.read_buf(&mut self.buffer)).await, Ok(1..)) {
                return None;
            }
        }
    }

    async fn publish(&mut self, device: &str, pkid: u16, payload: &[u8]) {
        let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from(device));
        self.publish_to(&topic, pkid, payload).await;
    }

    pub(crate) async fn publish_to(&mut self, topic: &str, pkid: u16, payload: &[u8]) {
        let mut p = Publish::new(topic, QoS::AtLeastOnce, payload);
        p.pkid = pkid;
        self.send(Packet::Publish(p)).await;
    }

    pub(crate) async fn puback(&mut self) -> Option<u16> {
        match self.packet().await {
            Some(Packet::PubAck(a)) => Some(a.pkid),
            None => None,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn payload(secs: i64, lat: f64) -> Vec<u8> {
    mqtt_json::encode(&record(secs, lat)).unwrap()
}

#[tokio::test]
async fn messages_are_acknowledged_in_order_after_the_commit() {
    let (broker, config) = Broker::open().await;
    let mut city = City::open_with(|c| drop(c.brokers.insert("city".into(), config))).await;
    let mut side = broker.welcome().await;
    let lock = city.lock_journal().await;
    side.publish(IMEI, 1, &payload(0, 48.850)).await;
    side.publish(IMEI, 2, &payload(10, 48.851)).await;
    assert_eq!((city.fix().await.time, city.fix().await.time), (city.at(0), city.at(10)));
    let early = side.stream.try_read(&mut [0; 4]);
    assert!(early.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "no PUBACK before the commit");
    lock.release().await;
    assert_eq!((side.puback().await, side.puback().await), (Some(1), Some(2)));
    assert_eq!(city.stored().await, (2, 2));
    city.close().await;
}

#[tokio::test]
async fn what_nobody_can_use_does_not_hold_up_the_queue() {
    let (broker, config) = Broker::open().await;
    let mut city = City::open_with(|c| drop(c.brokers.insert("city".into(), config))).await;
    let mut side = broker.welcome().await;
    side.publish(IMEI, 1, b"not json").await;
    side.publish(STRANGER, 2, &payload(0, 48.850)).await;
    side.publish("val-1", 3, &payload(0, 48.850)).await;
    for pkid in 1..=3 {
        assert_eq!(side.puback().await, Some(pkid));
    }
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-2");
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("malformed"), refused.get("unknown_device")), (Some(&1), Some(&1)));
    assert_eq!(city.stored().await, (1, 1));
    city.close().await;
}

#[tokio::test]
async fn a_broker_that_is_restarted_is_found_again_and_nothing_is_twice() {
    let (broker, config) = Broker::open().await;
    let mut city = City::open_with(|c| drop(c.brokers.insert("city".into(), config))).await;
    let mut side = broker.welcome().await;
    side.publish(IMEI, 1, &payload(0, 48.850)).await;
    city.fix().await;
    // It goes away before it heard the acknowledgement, and so sends again.
    drop(side);
    let mut side = broker.welcome().await;
    side.publish(IMEI, 1, &payload(0, 48.850)).await;
    assert_eq!(side.puback().await, Some(1));
    assert_eq!(city.stored().await, (1, 1));
    city.close().await;
}

#[tokio::test]
async fn a_disk_that_fails_makes_the_broker_send_again() {
    let (broker, config) = Broker::open().await;
    let mut city = City::open_with(|c| drop(c.brokers.insert("city".into(), config))).await;
    let mut side = broker.welcome().await;
    let lock = city.lock_journal().await;
    side.publish(IMEI, 1, &payload(0, 48.850)).await;
    city.fix().await;
    assert_eq!(side.puback().await, None, "the connection is dropped without a PUBACK");
    lock.release().await;
    let mut side = broker.welcome().await;
    side.publish(IMEI, 1, &payload(0, 48.850)).await;
    assert_eq!(side.puback().await, Some(1));
    assert_eq!(city.stored().await, (1, 1), "stored as the live fix it was");
    city.close().await;
}
