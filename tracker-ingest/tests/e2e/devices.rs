//! The list of devices changed by another process while ingest runs: who is let in, whose connection ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::NewDevice;
use tracker_ingest::codec::{DeviceKey, Protocol, mqtt_json, teltonika};
use tracker_ingest::registry::TokenHash;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::FeedId;

use crate::city::{City, IMEI, STRANGER, TOKEN, connect, packet, record, to_end};

async fn turned_away(city: &City, imei: &str) -> bool {
    let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    s.write_all(&teltonika::encode_login(imei).unwrap()).await.unwrap();
    to_end(&mut s).await == [0]
}

async fn send(s: &mut TcpStream, secs: i64, lat: f64) {
    s.write_all(&packet(&[record(secs, lat)])).await.unwrap();
    assert_eq!(s.read_u32().await.unwrap(), 1);
}

#[tokio::test]
async fn a_device_that_another_process_approves_is_let_in() {
    let mut city = City::open().await;
    let desk = city.handle.desk();
    assert!(turned_away(&city, STRANGER).await);
    assert_eq!(desk.keep_in_step().await.unwrap(), 0);

    let other = city.other_process().await;
    let seen = other.quarantine().await.unwrap();
    assert_eq!((seen.len(), seen[0].key.expose()), (1, STRANGER), "quarantine is there for others to see");
    let approved = NewDevice { label: Some("garage 7".into()), ..NewDevice::transit(STRANGER, "bus-9") };
    other.put_devices(vec![approved], city.at(0)).await.unwrap();
    assert!(turned_away(&city, STRANGER).await, "not yet");
    assert_eq!(desk.keep_in_step().await.unwrap(), 1);
    assert_eq!(desk.keep_in_step().await.unwrap(), 0, "once");

    let mut s = city.teltonika(STRANGER).await;
    send(&mut s, 0, 48.850).await;
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-9");
    assert!(desk.quarantine().is_empty() && city.handle.concerns().is_empty());
    assert!(
        other.quarantine().await.unwrap().is_empty(),
        "what was seen before it was let in is not written down after"
    );
    city.close().await;
}

#[tokio::test]
async fn a_device_that_another_process_removes_is_cut_off_and_stays_out() {
    let mut city = City::open().await;
    let desk = city.handle.desk();
    let mut s = city.teltonika(IMEI).await;
    send(&mut s, 0, 48.850).await;
    city.fix().await;
    let mut other_bus = city.mqtt("val-1", TOKEN).await;

    let other = city.other_process().await;
    let key = DeviceKey::from(IMEI);
    assert_eq!(other.remove_device(&key).await.unwrap().unwrap().as_str(), "bus-1");
    assert_eq!(other.remove_device(&key).await.unwrap(), None, "it is on no list any more");
    assert_eq!(desk.keep_in_step().await.unwrap(), 1);
    assert_eq!(to_end(&mut s).await, Vec::<u8>::new(), "its connection is closed");
    assert!(turned_away(&city, IMEI).await);
    assert_eq!(desk.quarantine()[0].key, key, "it can be let in again");
    assert_eq!(city.stored().await, (1, 1), "what it sent before is kept");
    other_bus.ping().await;

    // The vehicle is free for another tracker, and the history stays the first one's.
    other.put_devices(vec![NewDevice::transit(STRANGER, "bus-1")], city.at(0)).await.unwrap();
    assert_eq!(desk.keep_in_step().await.unwrap(), 1);
    let mut s = city.teltonika(STRANGER).await;
    send(&mut s, 0, 48.850).await;
    assert_eq!(city.stored().await, (2, 2), "a record of the same moment, of another device");
    // And the first comes back as it was: what it sends again is still known.
    other.put_devices(vec![NewDevice::transit(IMEI, "bus-3")], city.at(0)).await.unwrap();
    desk.keep_in_step().await.unwrap();
    let mut s = city.teltonika(IMEI).await;
    send(&mut s, 0, 48.850).await;
    assert_eq!(city.stored().await, (2, 2));
    city.close().await;
}

#[tokio::test]
async fn a_device_that_moves_to_another_vehicle_connects_anew() {
    let mut city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    send(&mut s, 0, 48.850).await;
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-1");
    let desk = city.handle.desk();
    desk.add(vec![NewDevice::transit(IMEI, "bus-3")]).await.unwrap();
    assert_eq!(to_end(&mut s).await, Vec::<u8>::new());
    // The other end of the city: no jump, for it is another vehicle.
    let mut s = city.teltonika(IMEI).await;
    send(&mut s, 10, 48.900).await;
    assert_eq!(city.fix().await.vehicle.as_str(), "bus-3");

    let labelled = NewDevice { label: Some("garage 3".into()), ..NewDevice::transit(IMEI, "bus-3") };
    desk.add(vec![labelled]).await.unwrap();
    send(&mut s, 20, 48.9005).await;
    assert_eq!(desk.remove(&DeviceKey::from(IMEI)).await.unwrap().unwrap().as_str(), "bus-3");
    assert_eq!(to_end(&mut s).await, Vec::<u8>::new());
    city.close().await;
}

#[tokio::test]
async fn a_new_token_shuts_the_old_one_out() {
    let city = City::open().await;
    let mut m = city.mqtt("val-1", TOKEN).await;
    let other = city.other_process().await;
    let new = NewDevice { token: Some("fresh".into()), ..NewDevice::transit("val-1", "bus-2") };
    other.put_devices(vec![new], city.at(0)).await.unwrap();
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(m.ended().await);
    assert!(!city.mqtt("val-1", TOKEN).await.welcomed);
    let mut m = city.mqtt("val-1", "fresh").await;
    assert!(m.welcomed);
    let topic = mqtt_json::topic(&FeedId::from("test"), &DeviceKey::from("val-1"));
    m.publish(&topic, 1, &mqtt_json::encode(&record(0, 48.850)).unwrap()).await;
    assert_eq!(m.puback().await, 1);
    assert_eq!(other.last_seen().await.unwrap(), [(DeviceKey::from("val-1"), city.at(30))]);
    city.close().await;
}

#[tokio::test]
async fn two_devices_exchange_their_vehicles_and_a_taken_one_is_named() {
    let city = City::open().await;
    let desk = city.handle.desk();
    let machine = NewDevice { kind: VehicleKind::Machinery, ..NewDevice::transit("val-1", "bus-1") };
    desk.add(vec![NewDevice::transit(IMEI, "bus-2"), machine]).await.unwrap();
    let listed: Vec<_> = desk.devices().iter().map(|d| (d.vehicle.to_string(), d.key.expose().to_owned())).collect();
    let wanted = [("bus-1", "val-1"), ("bus-2", IMEI), ("plough-1", "phone-1")];
    assert_eq!(listed, wanted.map(|(v, k)| (v.to_owned(), k.to_owned())));
    assert_eq!(desk.devices()[0].token, Some(TokenHash::of(TOKEN)), "the token is kept");

    let new = vec![NewDevice::transit("d9", "bus-9"), NewDevice::transit(STRANGER, "bus-2")];
    let e = desk.add(new).await.unwrap_err().to_string();
    assert_eq!(e, "vehicle `bus-2` already has the device …2251, so …9012 cannot be its device too");
    assert_eq!(desk.devices().len(), 3, "all or none");
    let e = desk.import(&b"device,vehicle_id\nd9,bus-9\nd8,\n"[..]).await.unwrap_err().to_string();
    assert!(e.contains("line 3, column `vehicle_id`: is empty"), "{e}");
    let e = desk.import(&b"device,vehicle_id\nd9,bus-9\nd8,bus-1\n"[..]).await.unwrap_err().to_string();
    assert!(e.contains("line 3, column `vehicle_id`: vehicle `bus-1` already has the device …"), "{e}");
    assert_eq!(desk.import(&b"device,vehicle_id\nd9,bus-9\n"[..]).await.unwrap(), 1);
    city.close().await;
}
