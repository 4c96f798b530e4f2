//! The three listeners: who is let in, what is answered and when, what a bad peer costs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracker_ingest::codec::teltonika::{self, Codec};
use tracker_ingest::codec::{DeviceKey, Protocol, mqtt_json, osmand};
use tracker_ingest::{IngestEvent, NewDevice, Rejection};
use transit_model::fix::Source;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::city::{City, IMEI, STRANGER, TOKEN, connect, connect_from, packet, record, to_end};

#[tokio::test]
async fn a_tracker_is_heard_stored_and_acknowledged() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850), record(10, 48.851)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 2);
    let fix = city.fix().await;
    assert_eq!((fix.vehicle.as_str(), fix.source, fix.time), ("bus-1", Source::Teltonika, city.at(0)));
    assert_eq!(city.fix().await.time, city.at(10));
    assert_eq!(city.stored().await, (2, 2));
    let counters = city.handle.counters();
    assert_eq!((counters.live, counters.stored, counters.connections), (2, 2, 1));
    city.close().await;
}

#[tokio::test]
async fn a_stream_cut_anywhere_and_glued_together_is_the_same() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    let mut stream = vec![0xFF];
    stream.extend(packet(&[record(0, 48.850)]));
    stream.extend(packet(&[record(5, 48.850), record(10, 48.851)]));
    stream.push(0xFF);
    for byte in stream {
        s.write_all(&[byte]).await.unwrap();
    }
    assert_eq!((s.read_u32().await.unwrap(), s.read_u32().await.unwrap()), (1, 2));
    city.fix().await;
    city.close().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_before_the_commit_and_the_engine_does_not_wait() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    let lock = city.lock_journal().await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(city.fix().await.time, city.at(0), "live at once");
    let mut answer = [0; 4];
    assert_eq!(s.try_read(&mut answer).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    lock.release().await;
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert_eq!(city.stored().await, (1, 1));
    city.close().await;
}

#[tokio::test]
async fn a_disk_that_fails_is_raised_and_the_tracker_keeps_its_records() {
    let mut city = City::open().await;
    let mut events = city.handle.events();
    let mut s = city.teltonika(IMEI).await;
    let lock = city.lock_journal().await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(city.fix().await.time, city.at(0), "live all the same");
    assert_eq!(to_end(&mut s).await, Vec::<u8>::new(), "closed without a word");
    assert!(matches!(events.recv().await.unwrap(), IngestEvent::JournalFailing { .. }));
    assert_eq!(city.handle.concerns()[0].kind, "journal_failing");
    assert_eq!(city.handle.counters().not_stored, 1);
    lock.release().await;
    // It sends again, and the record that was live at first is stored as live.
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert!(matches!(events.recv().await.unwrap(), IngestEvent::Refused { reason: Rejection::Duplicate, .. }));
    assert!(matches!(events.recv().await.unwrap(), IngestEvent::JournalRecovered { .. }));
    assert_eq!(city.stored().await, (1, 1));
    assert!(city.handle.concerns().is_empty());
    city.close().await;
}

#[tokio::test]
async fn a_record_sent_twice_is_stored_once_and_acknowledged_twice() {
    let mut city = City::open().await;
    let bytes = packet(&[record(0, 48.850)]);
    for _ in 0..2 {
        let mut s = city.teltonika(IMEI).await;
        s.write_all(&bytes).await.unwrap();
        assert_eq!(s.read_u32().await.unwrap(), 1);
    }
    city.fix().await;
    assert_eq!(city.stored().await, (1, 1));
    assert_eq!(city.handle.counters().refused.get("duplicate"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn an_unknown_device_goes_to_quarantine_and_can_be_let_out() {
    let mut city = City::open().await;
    let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    s.write_all(&teltonika::encode_login(STRANGER).unwrap()).await.unwrap();
    assert_eq!(to_end(&mut s).await, [0]);
    let desk = city.handle.desk();
    let seen = desk.quarantine();
    assert_eq!((seen.len(), seen[0].key.expose(), seen[0].times), (1, STRANGER, 1));
    let concern = city.handle.concerns().remove(0);
    assert_eq!(concern.kind, "unknown_device");
    assert!(!format!("{concern:?}").contains(STRANGER), "{concern:?}");

    desk.add(vec![NewDevice::transit(STRANGER, "bus-9")]).await.unwrap();
    assert!(desk.quarantine().is_empty() && city.handle.concerns().is_empty());
    let mut s = city.teltonika(STRANGER).await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-9");
    city.close().await;
}

#[tokio::test]
async fn a_city_may_choose_to_let_everybody_in() {
    let mut city = City::open_with(|c| c.accept_unknown = true).await;
    let mut s = city.teltonika(STRANGER).await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    let vehicle = city.fix().await.vehicle;
    assert!(vehicle.as_str().starts_with("dev-") && !vehicle.as_str().contains(STRANGER), "{vehicle}");
    city.close().await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_nothing_else() {
    let mut city = City::open().await;
    let mut good = city.teltonika(IMEI).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 1, 2, 3], &[0, 5, b'a', b' '], &[0x16, 3, 1]] {
        let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
        s.write_all(garbage).await.unwrap();
        assert!(to_end(&mut s).await.is_empty());
    }
    let mut flood = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    // The server may have hung up before all of it is written.
    drop(flood.write_all(&[0xFF; 20_000]).await);
    assert!(to_end(&mut flood).await.is_empty());
    good.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(good.read_u32().await.unwrap(), 1);
    city.fix().await;
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("malformed"), refused.get("no_login")), (Some(&4), Some(&1)));
    city.close().await;
}

#[tokio::test]
async fn half_a_frame_and_silence_costs_a_second_and_no_more() {
    let city = City::open_with(|c| c.limits.login_secs = 1).await;
    let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    s.write_all(&[0, 15, b'3']).await.unwrap();
    assert!(to_end(&mut s).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("no_login"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn a_silent_tracker_is_let_go() {
    let city = City::open_with(|c| c.limits.idle_secs = 1).await;
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850)])[..20]).await.unwrap();
    assert!(to_end(&mut s).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("silent"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn a_damaged_packet_is_not_acknowledged() {
    let city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    let mut bytes = packet(&[record(0, 48.850)]);
    bytes[30] ^= 4;
    s.write_all(&bytes).await.unwrap();
    assert!(to_end(&mut s).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("checksum"), Some(&1));
    assert_eq!(city.stored().await, (0, 0));
    city.close().await;
}

#[tokio::test]
async fn a_live_session_is_not_taken_over_from_another_address() {
    let mut city = City::open().await;
    let mut events = city.handle.events();
    let mut s = city.teltonika(IMEI).await;
    let mut thief = connect_from([127, 0, 0, 2], city.handle.addresses().of(Protocol::Teltonika)).await;
    thief.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    assert_eq!(to_end(&mut thief).await, [0]);
    let event = events.recv().await.unwrap();
    assert!(matches!(event, IngestEvent::Refused { reason: Rejection::Takeover, .. }), "{event:?}");
    assert_eq!(city.handle.concerns()[0].level, 1);
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1, "the first one goes on");
    city.fix().await;

    // Silent for a minute, it is taken for dead, and gives way.
    city.clock.advance(std::time::Duration::from_secs(61));
    let mut later = connect_from([127, 0, 0, 2], city.handle.addresses().of(Protocol::Teltonika)).await;
    later.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    assert_eq!(later.read_u8().await.unwrap(), 1);
    assert!(to_end(&mut s).await.is_empty(), "the old one is ended");
    city.close().await;
}

#[tokio::test]
async fn there_is_a_limit_to_connections() {
    let city = City::open_with(|c| c.limits.connections = 1).await;
    let _first = city.teltonika(IMEI).await;
    let mut second = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    assert!(to_end(&mut second).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("connection_limit"), Some(&1));
    city.close().await;
}

pub(crate) async fn http(city: &City, from: [u8; 4], request: &str) -> String {
    let mut s = connect_from(from, city.handle.addresses().of(Protocol::Osmand)).await;
    s.write_all(request.as_bytes()).await.unwrap();
    String::from_utf8(to_end(&mut s).await).unwrap()
}

#[tokio::test]
async fn a_phone_is_heard_over_http() {
    let mut city = City::open().await;
    let form = osmand::encode(&DeviceKey::from("phone-1"), &record(0, 48.850)).unwrap();
    let get = format!("GET /?{form}&token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = http(&city, [127, 0, 0, 1], &get).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let fix = city.fix().await;
    assert_eq!((fix.vehicle.as_str(), fix.source), ("plough-1", Source::Osmand));
    assert!((fix.speed.unwrap() - 10.0).abs() < 0.01, "{:?}", fix.speed);

    let body = osmand::encode_json(&DeviceKey::from("phone-1"), &record(10, 48.851)).unwrap();
    let post = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        String::from_utf8(body).unwrap()
    );
    let answer = http(&city, [127, 0, 0, 1], &post).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(city.fix().await.time, city.at(10));
    assert_eq!(city.stored().await, (2, 2));
    let answer = http(&city, [127, 0, 0, 3], &get).await;
    assert!(answer.starts_with("HTTP/1.1 409"), "another address at the same time: {answer}");
    city.close().await;
}

#[tokio::test]
async fn http_says_what_is_wrong() {
    let city = City::open().await;
    for (status, says, target) in [
        (400, "no `id`", "/?lat=48.85&lon=37.6".to_owned()),
        (400, "`lat` is `north`", "/?id=phone-1&lat=north&lon=37.6".to_owned()),
        (401, "wrong tracker token", "/?id=phone-1&lat=48.85&lon=37.6&token=guess".to_owned()),
        (401, "wrong tracker token", "/?id=phone-1&lat=48.85&lon=37.6".to_owned()),
        (403, "unknown tracker", format!("/?id={STRANGER}&lat=48.85&lon=37.6")),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = http(&city, [127, 0, 0, 1], &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(says), "{target}: {answer}");
    }
    assert_eq!(city.handle.desk().quarantine()[0].place, Some((48.85, 37.6)));
    assert_eq!(city.stored().await, (0, 0));
    city.close().await;
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_not_read() {
    let city = City::open().await;
    let post = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n";
    let answer = http(&city, [127, 0, 0, 1], post).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(city.handle.counters().refused.get("oversize"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn an_engine_that_does_not_listen_costs_no_history() {
    let mut city = City::open().await;
    city.deafen();
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert_eq!(city.stored().await, (1, 1));
    assert_eq!(city.handle.counters().engine_busy, 1);
    assert_eq!(city.handle.concerns()[0].kind, "engine_busy");
    city.close().await;
}

#[tokio::test]
async fn http_answers_503_when_the_disk_fails() {
    let mut city = City::open().await;
    let lock = city.lock_journal().await;
    let form = osmand::encode(&DeviceKey::from("phone-1"), &record(0, 48.850)).unwrap();
    let get = format!("GET /?{form}&token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = http(&city, [127, 0, 0, 1], &get).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    city.fix().await;
    lock.release().await;
    city.close().await;
}

#[tokio::test]
async fn an_mqtt_device_publishes_and_is_acknowledged_after_the_commit() {
    let mut city = City::open().await;
    let mut m = city.mqtt("val-1", TOKEN).await;
    assert!(m.welcomed);
    let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from("val-1"));
    let lock = city.lock_journal().await;
    m.publish(&topic, 7, &mqtt_json::encode(&record(0, 48.850)).unwrap()).await;
    let fix = city.fix().await;
    assert_eq!((fix.vehicle.as_str(), fix.source), ("bus-2", Source::MqttJson));
    assert!(m.silent(), "no PUBACK before the commit");
    lock.release().await;
    assert_eq!(m.puback().await, 7);
    // QoS 0 has no answer; the next one's comes first.
    m.publish(&topic, 0, &mqtt_json::encode(&record(10, 48.851)).unwrap()).await;
    m.publish(&topic, 8, &mqtt_json::encode(&record(20, 48.852)).unwrap()).await;
    assert_eq!(m.puback().await, 8);
    assert_eq!(city.stored().await, (3, 3));
    city.close().await;
}

#[tokio::test]
async fn an_mqtt_device_may_use_its_own_topic_only_and_never_read() {
    let city = City::open().await;
    let payload = mqtt_json::encode(&record(0, 48.850)).unwrap();
    for topic in ["zupynka/v1/test/track/352093081452251", "zupynka/v1/other/track/val-1", "anything"] {
        let mut m = city.mqtt("val-1", TOKEN).await;
        m.publish(topic, 7, &payload).await;
        assert!(m.ended().await, "{topic}");
    }
    let mut m = city.mqtt("val-1", TOKEN).await;
    assert_eq!(m.subscribe("#").await, rumqttc::SubscribeReasonCode::Failure);
    m.ping().await;
    assert_eq!(city.handle.counters().refused.get("foreign_topic"), Some(&4));
    assert_eq!(city.stored().await, (0, 0));
    city.close().await;
}

#[tokio::test]
async fn mqtt_lets_nobody_in_without_a_token() {
    let city = City::open().await;
    for (user, password) in [("val-1", "guess"), ("val-1", ""), (IMEI, ""), (STRANGER, TOKEN), ("a/b", TOKEN)] {
        let mut m = city.mqtt(user, password).await;
        assert!(!m.welcomed, "{user}");
        assert!(m.ended().await);
    }
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("bad_token"), refused.get("unknown_device")), (Some(&3), Some(&1)));
    city.close().await;
}

#[tokio::test]
async fn mqtt_5_and_qos_2_are_refused_by_name() {
    let city = City::open().await;
    let mut s = connect(city.handle.addresses().of(Protocol::MqttJson)).await;
    // CONNECT, MQTT level 5, clean start, keep-alive 60, no properties, client id `a`.
    s.write_all(&[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'a']).await.unwrap();
    assert_eq!(to_end(&mut s).await, [0x20, 2, 0, 1]);
    let mut m = city.mqtt("val-1", TOKEN).await;
    let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from("val-1"));
    m.publish_at(rumqttc::QoS::ExactlyOnce, &topic, 5, b"{}").await;
    assert!(m.ended().await);
    assert_eq!(city.handle.counters().refused.get("malformed"), Some(&2));
    city.close().await;
}

#[tokio::test]
async fn one_device_is_one_session_whatever_the_protocol() {
    let city = City::open().await;
    let _first = city.mqtt("val-1", TOKEN).await;
    let form = osmand::encode(&DeviceKey::from("val-1"), &record(0, 48.850)).unwrap();
    let get = format!("GET /?{form}&token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = http(&city, [127, 0, 0, 2], &get).await;
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert_eq!(city.handle.counters().refused.get("takeover"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn an_mqtt_payload_nobody_can_read_is_not_acknowledged_and_stops_nothing() {
    let mut city = City::open().await;
    let mut m = city.mqtt("val-1", TOKEN).await;
    let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from("val-1"));
    m.publish(&topic, 1, b"{\"time\": \"noon\"}").await;
    m.publish(&topic, 2, &mqtt_json::encode(&record(0, 48.850)).unwrap()).await;
    assert_eq!(m.puback().await, 2);
    city.fix().await;
    assert_eq!(city.handle.counters().refused.get("malformed"), Some(&1));
    let mut large = city.mqtt("val-1", TOKEN).await;
    large.publish(&topic, 3, &vec![b' '; 10_000]).await;
    assert!(large.ended().await);
    assert_eq!(city.handle.counters().refused.get("oversize"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn an_mqtt_packet_without_an_end_is_not_waited_for() {
    let city = City::open_with(|c| c.limits.message_secs = 1).await;
    let mut m = city.mqtt("val-1", TOKEN).await;
    assert!(m.welcomed);
    m.ping().await;
    // PUBLISH of 100 bytes, of which three come.
    m.raw(&[0x32, 100, 0]).await;
    assert!(m.ended().await);
    assert_eq!(city.handle.counters().refused.get("too_slow"), Some(&1));
    // Between packets it may be silent for as long as its keep-alive lets it.
    assert_eq!(city.handle.counters().refused.get("silent"), None);
    city.close().await;
}

#[tokio::test]
async fn a_restart_remembers_devices_fixes_quarantine_and_order() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(10, 48.850)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    city.fix().await;
    let mut stranger = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    stranger.write_all(&teltonika::encode_login(STRANGER).unwrap()).await.unwrap();
    assert_eq!(to_end(&mut stranger).await, [0]);
    let mut city = city.restart().await;
    let recovered = city.handle.desk().recent(UnixMs(0)).await.unwrap();
    assert_eq!((recovered.len(), recovered[0].vehicle.as_str()), (1, "bus-1"));
    assert_eq!(city.handle.desk().quarantine().len(), 1);
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(5, 48.849)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1, "late, but stored");
    s.write_all(&packet(&[record(20, 48.851)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert_eq!(city.fix().await.time, city.at(20), "the late one never was live");
    assert_eq!(city.stored().await, (3, 2));
    city.close().await;
}

#[tokio::test]
async fn a_port_in_use_and_a_folder_that_cannot_be_are_named() {
    let city = City::open().await;
    let used = city.handle.addresses().of(Protocol::MqttJson).unwrap();
    let e = city.another(|c| c.mqtt.listen = Some(used)).await.unwrap_err().to_string();
    assert!(e.contains("mqtt-json") && e.contains(&used.to_string()), "{e}");
    let e = city.another(|c| c.data_dir = "/proc/no-such".into()).await.unwrap_err().to_string();
    assert!(e.contains("/proc/no-such"), "{e}");
    city.close().await;
}

#[tokio::test]
async fn the_newest_first_is_sorted_before_it_is_judged() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    let records = [record(20, 48.852), record(10, 48.851), record(0, 48.850)];
    s.write_all(&teltonika::encode(Codec::EightExtended, &records).unwrap()).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 3);
    for at in [0, 10, 20] {
        assert_eq!(city.fix().await.time, city.at(at));
    }
    city.close().await;
}

#[tokio::test]
async fn the_metrics_are_there() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    s.read_u32().await.unwrap();
    city.fix().await;
    let mut registry = prometheus_client::registry::Registry::default();
    city.handle.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "zupynka_ingest_fixes_live_total{source=\"teltonika\"} 1",
        "zupynka_ingest_records_stored_total 1",
        "zupynka_ingest_connections{source=\"teltonika\"} 1",
        "zupynka_ingest_acknowledgement_seconds_count 1",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    city.close().await;
}
