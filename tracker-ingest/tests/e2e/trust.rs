//! What is learned of devices: what is usual for each, its clock, a second one in the same vehicle; and tokens that
//! are changed while their holders are connected.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracker_ingest::codec::{DeviceKey, Protocol, mqtt_json, osmand, teltonika};
use tracker_ingest::registry::binding::Policy;
use tracker_ingest::{IngestEvent, NewDevice};
use transit_model::dispatch::Concern;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::city::{City, IMEI, STRANGER, TOKEN, connect, connect_from, packet, record, to_end};
use crate::sockets::http;

const DAY: Duration = Duration::from_secs(86_400);

fn concern(city: &City, kind: &str) -> Option<Concern> {
    city.handle.concerns().into_iter().find(|c| c.kind == kind)
}

/// Whether a login from an address is let in.
async fn login(city: &City, from: [u8; 4], imei: &str) -> bool {
    let mut s = connect_from(from, city.handle.addresses().of(Protocol::Teltonika)).await;
    s.write_all(&teltonika::encode_login(imei).unwrap()).await.unwrap();
    s.read_u8().await.unwrap() == 1
}

#[tokio::test]
async fn a_new_network_is_let_in_and_raised_and_survives_a_restart() {
    let city = City::open().await;
    let mut events = city.handle.events();
    assert!(login(&city, [127, 0, 0, 1], IMEI).await);
    city.clock.advance(DAY * 10);
    assert!(login(&city, [127, 0, 0, 9], IMEI).await, "another address of its network");
    assert!(concern(&city, "device_changed").is_none());
    city.clock.advance(DAY);
    assert!(login(&city, [127, 3, 0, 1], IMEI).await, "let in");
    let raised = concern(&city, "device_changed").unwrap();
    assert_eq!((raised.level, raised.vehicle_id.as_deref()), (2, Some("bus-1")));
    assert!(raised.text_uk.contains("127.3.0.0/16 (було: 127.0.0.0/16)"), "{raised:?}");
    assert!(matches!(events.recv().await.unwrap(), IngestEvent::DeviceChanged { refused: false, .. }));
    let city = city.restart().await;
    assert_eq!(concern(&city, "device_changed"), Some(raised), "written down");
    let other = city.other_process().await;
    let known = other.bindings().await.unwrap();
    assert_eq!((known.len(), known[0].1.networks.len()), (1, 1));
    assert!(other.rebind(&DeviceKey::from(IMEI)).await.unwrap());
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(concern(&city, "device_changed").is_none());
    assert!(login(&city, [127, 3, 0, 1], IMEI).await);
    city.handle.desk().keep_in_step().await.unwrap();
    assert_eq!(other.bindings().await.unwrap()[0].1.networks[0].network.as_str(), "127.3.0.0/16");
    city.close().await;
}

#[tokio::test]
async fn a_pinned_device_is_refused_from_anywhere_else_and_the_others_are_not() {
    let city = City::open().await;
    city.handle.desk().add(vec![NewDevice::transit(STRANGER, "bus-9")]).await.unwrap();
    for imei in [IMEI, STRANGER] {
        assert!(login(&city, [127, 0, 0, 1], imei).await);
    }
    let other = city.other_process().await;
    assert!(other.set_policy(&DeviceKey::from(IMEI), Some(Policy::Refuse)).await.unwrap());
    assert!(!other.set_policy(&DeviceKey::from("nobody"), None).await.unwrap());
    city.clock.advance(DAY * 10);
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(!login(&city, [127, 3, 0, 1], IMEI).await);
    assert!(login(&city, [127, 3, 0, 1], STRANGER).await);
    assert!(login(&city, [127, 0, 0, 1], IMEI).await, "and from home it still is");
    assert_eq!(city.handle.counters().refused.get("not_as_usual"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn a_fleet_that_its_operator_moved_is_told_once() {
    let city = City::open().await;
    let keys: Vec<String> = (0..6).map(|i| format!("35209308145220{i}")).collect();
    let devices = keys.iter().map(|k| NewDevice::transit(k, format!("tram-{k}"))).collect();
    city.handle.desk().add(devices).await.unwrap();
    for key in &keys {
        assert!(login(&city, [127, 0, 0, 1], key).await);
    }
    city.clock.advance(DAY * 10);
    for key in &keys {
        assert!(login(&city, [127, 7, 0, 1], key).await);
    }
    let told: Vec<Concern> = city.handle.concerns().into_iter().filter(|c| c.kind == "device_changed").collect();
    assert_eq!((told.len(), told[0].level), (1, 3), "{told:?}");
    assert!(told[0].text_en.starts_with("6 trackers speak from a new network 127.7.0.0/16"), "{told:?}");
    city.close().await;
}

#[tokio::test]
async fn who_always_shows_a_token_cannot_come_in_by_a_port_that_asks_for_none() {
    let city = City::open().await;
    let new = NewDevice { token: Some(TOKEN.into()), ..NewDevice::transit(STRANGER, "bus-9") };
    city.handle.desk().add(vec![new]).await.unwrap();
    assert!(city.mqtt(STRANGER, TOKEN).await.welcomed);
    assert!(!login(&city, [127, 0, 0, 1], STRANGER).await, "whoever knows its key and not its token");
    let raised = concern(&city, "device_changed").unwrap();
    assert_eq!(raised.level, 1);
    assert!(raised.text_en.contains("no token (was: token)"), "{raised:?}");
    assert!(city.mqtt(STRANGER, TOKEN).await.welcomed);
    city.close().await;
}

/// As `zupynka devices rotate-token` does it, from another process.
async fn rotate(city: &City, key: &str, vehicle: &str, token: &str) {
    let new = NewDevice { token: Some(token.into()), ..NewDevice::transit(key, vehicle) };
    city.other_process().await.put_devices(vec![new], city.at(0)).await.unwrap();
    city.handle.desk().keep_in_step().await.unwrap();
}

#[tokio::test]
async fn a_rotated_token_is_void_at_once_over_http_and_mqtt() {
    let mut city = City::open().await;
    let get = |token: &str, secs: i64| {
        let form = osmand::encode(&DeviceKey::from("phone-1"), &record(secs, 48.850)).unwrap();
        format!("GET /?{form}&token={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    };
    let home = [127, 0, 0, 1];
    assert!(http(&city, home, &get(TOKEN, 0)).await.starts_with("HTTP/1.1 200"));
    city.fix().await;
    // A connection that is kept open for the next request.
    let mut kept = connect(city.handle.addresses().of(Protocol::Osmand)).await;
    let mut validator = city.mqtt("val-1", TOKEN).await;

    rotate(&city, "phone-1", "plough-1", "fresh-1").await;
    rotate(&city, "val-1", "bus-2", "fresh-2").await;
    kept.write_all(get(TOKEN, 10).as_bytes()).await.unwrap();
    assert!(to_end(&mut kept).await.starts_with(b"HTTP/1.1 401"));
    assert!(http(&city, home, &get(TOKEN, 10)).await.starts_with("HTTP/1.1 401"));
    assert!(validator.ended().await, "its connection is closed");
    assert!(!city.mqtt("val-1", TOKEN).await.welcomed);
    assert_eq!(city.stored().await.0, 1, "nothing by the old one");

    assert!(http(&city, home, &get("fresh-1", 10)).await.starts_with("HTTP/1.1 200"));
    assert_eq!(city.fix().await.vehicle.as_str(), "plough-1");
    let mut validator = city.mqtt("val-1", "fresh-2").await;
    assert!(validator.welcomed);
    let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from("val-1"));
    validator.publish(&topic, 1, &mqtt_json::encode(&record(0, 48.850)).unwrap()).await;
    assert_eq!(validator.puback().await, 1);
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-2");
    assert!(concern(&city, "device_changed").is_none(), "a new token is no change of who it is");
    city.close().await;
}

#[tokio::test]
async fn a_clock_an_hour_behind_is_found_corrected_raised_and_remembered() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    for i in 0..12 {
        city.clock.advance(Duration::from_secs(15));
        s.write_all(&packet(&[record(30 + 15 * (i + 1) - 3600, 48.850 + 0.0005 * i as f64)])).await.unwrap();
        assert_eq!(s.read_u32().await.unwrap(), 1, "stored all the while");
    }
    let fix = city.fix().await;
    assert!((fix.received.0 - fix.time.0).abs() < 1000, "the first live one is of now: {fix:?}");
    let raised = concern(&city, "clock_off").unwrap();
    assert!(raised.text_uk.contains("відстає на 1 год"), "{raised:?}");
    let refused = city.handle.counters().refused;
    assert!(refused.get("clock_off").is_some_and(|n| *n >= 3), "named while it was not known: {refused:?}");
    assert_eq!(city.handle.desk().clock_ms(&DeviceKey::from(IMEI)), -3_600_000);

    let mut city = city.restart().await;
    assert_eq!(city.handle.desk().clock_ms(&DeviceKey::from(IMEI)), -3_600_000);
    let mut s = city.teltonika(IMEI).await;
    city.clock.advance(Duration::from_secs(15));
    s.write_all(&packet(&[record(30 + 15 * 13 - 3600, 48.860)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
    assert_eq!(city.fix().await.time, city.at(30 + 15 * 13), "known from the first word");
    city.close().await;
}

#[tokio::test]
async fn two_trackers_of_a_vehicle_that_disagree_move_it_nowhere() {
    let mut city = City::open().await;
    let mut events = city.handle.events();
    let desk = city.handle.desk();
    let second = NewDevice { beside: true, ..NewDevice::transit(STRANGER, "bus-1") };
    desk.add(vec![second]).await.unwrap();
    let (mut one, mut two) = (city.teltonika(IMEI).await, city.teltonika(STRANGER).await);
    for i in 1..=6 {
        city.clock.advance(Duration::from_secs(10));
        for (s, lat) in [(&mut one, 48.850), (&mut two, 48.890)] {
            s.write_all(&packet(&[record(30 + 10 * i, lat)])).await.unwrap();
            assert_eq!(s.read_u32().await.unwrap(), 1);
        }
    }
    assert_eq!((city.fix().await.lat, city.fix().await.lat), (48.850, 48.850), "the first leads until it is doubted");
    assert_eq!(city.handle.counters().live, 2);
    desk.keep_in_step().await.unwrap();
    let raised = concern(&city, "trackers_disagree").unwrap();
    assert_eq!((raised.level, raised.vehicle_id.as_deref()), (1, Some("bus-1")));
    assert!(raised.text_en.contains("4.4 km apart"), "{raised:?}");
    assert!(std::iter::from_fn(|| events.try_recv().ok()).any(|e| matches!(e, IngestEvent::TrackersDisagree { .. })));

    desk.remove(&DeviceKey::from(STRANGER)).await.unwrap();
    city.clock.advance(Duration::from_secs(10));
    one.write_all(&packet(&[record(100, 48.850)])).await.unwrap();
    assert_eq!(one.read_u32().await.unwrap(), 1);
    assert_eq!(city.fix().await.time, city.at(100));
    desk.keep_in_step().await.unwrap();
    assert!(concern(&city, "trackers_disagree").is_none());
    city.close().await;
}

#[tokio::test]
async fn the_dispatcher_sees_every_device_and_every_reason() {
    let mut city = City::open().await;
    let desk = city.handle.desk();
    let nobody = HashMap::<DeviceKey, UnixMs>::default();
    let mut s = city.teltonika(IMEI).await;
    for (secs, lat) in [(0, 48.850), (0, 48.850), (10, 60.17)] {
        city.clock.advance(Duration::from_secs(1));
        s.write_all(&packet(&[record(secs, lat)])).await.unwrap();
        assert_eq!(s.read_u32().await.unwrap(), 1);
    }
    city.fix().await;
    assert!(!login(&city, [127, 0, 0, 1], STRANGER).await);
    let told = desk.dispatched(&nobody);
    let names: Vec<&str> = told.list.iter().map(|d| d.state.name()).collect();
    assert_eq!(names, ["quarantine", "heard", "gone", "gone"], "by id: …9012, bus-1, bus-2, plough-1");
    assert!(!format!("{told:?}").contains(IMEI) && !format!("{told:?}").contains(STRANGER));
    let bus = &told.list[1];
    assert_eq!((bus.vehicle_id.as_deref(), bus.protocol.as_deref()), (Some("bus-1"), Some("teltonika")));
    assert_eq!(bus.heard, Some(city.at(20)), "to the minute");
    assert_eq!((bus.refused.get("duplicate"), bus.refused.get("out_of_bounds")), (Some(&1), Some(&1)));
    assert_eq!((bus.last_reason.as_deref(), bus.open.len()), (Some("out_of_bounds"), 2));
    let reasons: Vec<_> = told.reasons.iter().map(|r| (r.reason.as_str(), r.hour, r.open)).collect();
    assert_eq!(reasons, [("duplicate", 1, 1), ("out_of_bounds", 1, 1), ("unknown_device", 1, 1)]);
    city.clock.advance(Duration::from_secs(7200));
    let later = desk.dispatched(&nobody);
    assert_eq!((later.list[1].state.name(), later.reasons.len()), ("silent", 0), "an hour has gone");
    assert!(later.list[1].refused.is_empty() && later.list[1].open.is_empty());
    city.close().await;
}
