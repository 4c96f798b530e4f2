//! What goes wrong between us and a city's broker: the known faults of the client library, a broker that forgets, refuses
//! or falls silent, and messages nobody expected (`docs/decisions/0018-brokers.md`).

use std::time::Duration;

use rumqttc::mqttbytes::v4::Packet;
use tokio::io::AsyncWriteExt;
use tracker_ingest::NewDevice;
use tracker_ingest::codec::{DeviceKey, Record, gtfs_rt, hfp, owntracks};
use tracker_ingest::config::{BrokerConfig, Payload, TopicConfig};
use transit_model::fix::Source;
use transit_model::time::ServiceTime;

use crate::broker::{Broker, payload};
use crate::city::{City, IMEI, record, within};

const OURS: &str = "zupynka/v1/test/track/";

async fn city_with(config: BrokerConfig) -> City {
    City::open_with(|c| drop(c.brokers.insert("city".into(), config))).await
}

/// Waits until the counters say so.
async fn until(city: &City, so: impl Fn(&tracker_ingest::Counters) -> bool) {
    let soon = async {
        while !so(&city.handle.counters()) {
            tokio::task::yield_now().await;
        }
    };
    within(soon).await;
}

#[tokio::test]
async fn many_payloads_come_from_one_broker() {
    let (broker, mut config) = Broker::open().await;
    let topic = |payload, topic: Option<&str>, fields: Option<&str>| TopicConfig {
        payload,
        topic: topic.map(str::to_owned),
        fields: fields.map(|f| serde_json::from_str(f).unwrap()),
    };
    let mapped = r#"{"time": "/ts", "lat": "/gps/lat", "lon": "/gps/lon", "speed": "/gps/v", "speed_unit": "km/h"}"#;
    config.topics = [
        ("a-ours", topic(Payload::MqttJson, None, None)),
        ("b-phones", topic(Payload::OwnTracks, None, None)),
        ("c-hsl", topic(Payload::Hfp, None, None)),
        ("d-rt", topic(Payload::GtfsRt, None, None)),
        ("e-own", topic(Payload::TopicJson, Some("city/{depot}/bus/{vehicle}/position"), Some(mapped))),
    ]
    .map(|(name, t)| (name.to_owned(), t))
    .into();
    let mut city = city_with(config).await;
    let devices = [("depot:bus-7", "phone"), ("0018:00423", "hsl"), ("22:7", "rt"), ("17", "own")];
    let devices = devices.map(|(key, vehicle)| NewDevice::transit(key, vehicle));
    city.handle.desk().add(devices.into()).await.unwrap();
    let (mut side, filters) = broker.let_in(false, |_| true).await;
    assert_eq!(
        filters,
        [
            "zupynka/v1/test/track/+",
            "owntracks/+/+/#",
            "/hfp/v2/journey/ongoing/vp/#",
            "/gtfsrt/vp/#",
            "city/+/bus/+/position"
        ]
    );
    let of = |key: &str, secs| Record { device: Some(DeviceKey::from(key)), ..record(secs, 48.850) };
    side.publish_to(&format!("{OURS}{IMEI}"), 1, &payload(0, 48.850)).await;
    side.publish_to("owntracks/depot/bus-7", 2, &owntracks::encode(&record(1, 48.850)).unwrap()).await;
    side.publish_to("owntracks/depot/bus-7", 3, br#"{"_type":"lwt","tst":1795000002}"#).await;
    let mut tram = of("0018:00423", 2);
    tram.reported.route_id = Some("1069".into());
    tram.reported.direction = Some(1);
    tram.reported.start_time = Some(ServiceTime(14 * 3600));
    let (topic, vp) = hfp::encode(&tram).unwrap();
    side.publish_to(&topic, 4, &vp).await;
    let rt = gtfs_rt::encode(city.at(3), &[of("22:7", 3)]).unwrap();
    side.publish_to("/gtfsrt/vp/hsl/22/HSL/BUS/1069/1/x", 5, &rt).await;
    let own = br#"{"ts": 1795000004, "gps": {"lat": 48.85, "lon": 37.6, "v": 36}}"#;
    side.publish_to("city/north/bus/17/position", 6, own).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let fix = city.fix().await;
        if fix.source == Source::Hfp {
            assert_eq!((fix.reported.direction, fix.reported.start_time), (Some(1), Some(ServiceTime(14 * 3600))));
        }
        seen.push((fix.vehicle.to_string(), fix.source.name(), fix.speed));
    }
    let expected =
        [("bus-1", "mqtt-json"), ("phone", "owntracks"), ("hsl", "hfp"), ("rt", "gtfs-rt"), ("own", "topic-json")];
    assert_eq!(seen, expected.map(|(v, s)| (v.to_owned(), s, Some(10.0))));
    for pkid in 1..=6 {
        assert_eq!(side.puback().await, Some(pkid));
    }
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("no_position"), refused.get("malformed")), (Some(&1), None), "an lwt is no fault");
    assert_eq!(city.stored().await, (6, 5));
    city.close().await;
}

/// The library's queue of requests is bounded: when acknowledgements fill it while nobody polls, both stand still for ever.
#[tokio::test]
async fn a_flood_is_acknowledged_in_order_and_nothing_freezes() {
    const MANY: u16 = 20_000;
    let (broker, config) = Broker::open().await;
    let city = city_with(config).await;
    let (mut side, _) = broker.let_in(false, |_| true).await;
    for pkid in 1..=MANY {
        side.publish_to(&format!("{OURS}{IMEI}"), pkid, b"?").await;
    }
    for pkid in 1..=MANY {
        assert_eq!(side.puback().await, Some(pkid));
    }
    assert_eq!(city.handle.counters().refused.get("malformed"), Some(&u64::from(MANY)));
    city.close().await;
}

/// A packet beyond the library's limit ends the connection, and the broker sends it again on the next.
#[tokio::test]
async fn a_message_too_long_for_anybody_does_not_come_back_for_ever() {
    let (broker, config) = Broker::open().await;
    let mut city = city_with(config).await;
    let topic = format!("{OURS}{IMEI}");
    let long = vec![b' '; 2 << 20];
    let (mut side, _) = broker.let_in(false, |_| true).await;
    // It may hang up before it has been told all.
    let mut p = bytes::BytesMut::new();
    let mut publish = rumqttc::mqttbytes::v4::Publish::new(&topic, rumqttc::QoS::AtLeastOnce, long.clone());
    publish.pkid = 1;
    Packet::Publish(publish).write(&mut p, usize::MAX).unwrap();
    drop(within(side.stream.write_all(&p)).await);
    assert_eq!(side.puback().await, None, "the first connection ends");
    let (mut side, _) = broker.let_in(true, |_| true).await;
    side.publish_to(&topic, 1, &long).await;
    side.publish_to(&topic, 2, &payload(0, 48.850)).await;
    assert_eq!((side.puback().await, side.puback().await), (Some(1), Some(2)));
    city.fix().await;
    assert_eq!(city.handle.counters().refused.get("oversize"), Some(&1));
    city.close().await;
}

/// The library keeps what it has not sent for the next connection, to a broker that has forgotten what it was an answer to.
#[tokio::test]
async fn a_session_that_the_broker_has_forgotten_is_begun_anew() {
    let (broker, config) = Broker::open().await;
    let mut city = city_with(config).await;
    let topic = format!("{OURS}{IMEI}");
    let (mut side, _) = broker.let_in(true, |_| true).await;
    let lock = city.lock_journal().await;
    for pkid in 1..=3 {
        side.publish_to(&topic, pkid, &payload(i64::from(pkid), 48.850)).await;
    }
    for _ in 1..=3 {
        city.fix().await;
    }
    drop(side);
    lock.release().await;
    let (mut side, filters) = broker.let_in(false, |_| true).await;
    assert_eq!(filters.len(), 1, "it subscribes again");
    side.publish_to(&topic, 1, &payload(10, 48.851)).await;
    assert_eq!(side.puback().await, Some(1), "and acknowledges what this session has sent, nothing else");
    city.fix().await;
    let mut metrics = prometheus_client::registry::Registry::default();
    city.handle.register(&mut metrics);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics).unwrap();
    assert!(text.contains("zupynka_ingest_broker_sessions_lost_total{broker=\"city\"} 1"), "{text}");
    city.close().await;
}

#[tokio::test]
async fn a_broker_that_lets_us_subscribe_to_nothing_is_raised_and_asked_again() {
    let (broker, config) = Broker::open().await;
    let mut city = city_with(config).await;
    let (mut side, _) = broker.let_in(false, |_| false).await;
    assert_eq!(side.packet().await, None, "nothing would ever come");
    let raised =
        |city: &City| city.handle.concerns().iter().any(|c| c.kind == "broker_lost" && c.text_uk.contains("city"));
    let (mut side, _) = broker.let_in(false, |_| false).await;
    assert_eq!(side.packet().await, None);
    city.clock.advance(Duration::from_secs(31));
    assert!(raised(&city));
    let (mut side, _) = broker.let_in(false, |_| true).await;
    side.publish_to(&format!("{OURS}{IMEI}"), 1, &payload(0, 48.850)).await;
    city.fix().await;
    assert!(!raised(&city));
    city.close().await;
}

#[tokio::test]
async fn one_topic_that_is_refused_is_raised_and_the_others_go_on() {
    let (broker, mut config) = Broker::open().await;
    for (name, payload) in [("ours", Payload::MqttJson), ("hsl", Payload::Hfp)] {
        config.topics.insert(name.to_owned(), TopicConfig { payload, ..TopicConfig::default() });
    }
    let mut city = city_with(config).await;
    let (mut side, _) = broker.let_in(false, |filter| filter.starts_with("zupynka")).await;
    side.publish_to(&format!("{OURS}{IMEI}"), 1, &payload(0, 48.850)).await;
    assert_eq!(side.puback().await, Some(1));
    city.fix().await;
    city.clock.advance(Duration::from_secs(31));
    let concerns = city.handle.concerns();
    assert!(concerns.iter().any(|c| c.text_en.contains("/hfp/v2/journey")), "{concerns:?}");
    city.close().await;
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_left_for_a_new_connection() {
    let (broker, config) = Broker::open().await;
    let city = city_with(BrokerConfig { keep_alive_secs: 1, ..config }).await;
    let (mut side, _) = broker.let_in(false, |_| true).await;
    assert_eq!(side.packet().await, Some(Packet::PingReq));
    // The socket is open and nobody is there.
    let (_second, _) = broker.let_in(true, |_| true).await;
    drop(side);
    city.close().await;
}

#[tokio::test]
async fn a_session_that_hears_nothing_is_begun_anew_without_alarm() {
    let (broker, config) = Broker::open().await;
    let city = city_with(BrokerConfig { silence_secs: 1, ..config }).await;
    let (_side, _) = broker.let_in(false, |_| true).await;
    let (_second, filters) = broker.let_in(true, |_| true).await;
    assert_eq!(filters.len(), 1, "it subscribes again");
    city.clock.advance(Duration::from_secs(31));
    assert!(city.handle.concerns().is_empty());
    city.close().await;
}

#[tokio::test]
async fn a_topic_of_nobody_is_counted_and_let_go() {
    let (broker, config) = Broker::open().await;
    let city = city_with(config).await;
    let (mut side, _) = broker.let_in(false, |_| true).await;
    side.publish_to("zupynka/v1/test/track/not a key", 1, &payload(0, 48.850)).await;
    assert_eq!(side.puback().await, Some(1));
    until(&city, |c| c.refused.get("foreign_topic") == Some(&1)).await;
    city.close().await;
}

#[tokio::test]
async fn a_broker_that_cannot_be_used_stops_ingest_from_starting() {
    let city = City::open().await;
    let refused = city.another(|c| {
        let topic = TopicConfig { payload: Payload::TopicJson, ..TopicConfig::default() };
        let topics = [("buses".to_owned(), topic)].into();
        c.brokers.insert("city".into(), BrokerConfig { topics, ..BrokerConfig::at("127.0.0.1", 1) });
    });
    let e = refused.await.err().unwrap().to_string();
    assert!(e.contains("[ingest.broker.city.topics.buses] topic is missing"), "{e}");
    city.close().await;
}
