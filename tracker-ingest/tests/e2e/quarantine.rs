//! Quarantine is tidied from another process, and an episode of spoofing is raised.

use tokio::io::AsyncWriteExt;
use tracker_ingest::codec::{DeviceKey, Protocol, teltonika};
use tracker_ingest::{IngestEvent, NewDevice};

use crate::city::{City, STRANGER, connect, packet, record, to_end};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn who_is_let_go_from_quarantine_is_gone_until_it_tries_again() {
    let city = City::open().await;
    let knock = async || {
        let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
        s.write_all(&teltonika::encode_login(STRANGER).unwrap()).await.unwrap();
        assert_eq!(to_end(&mut s).await, [0]);
    };
    knock().await;
    let desk = city.handle.desk();
    desk.keep_in_step().await.unwrap();
    let other = city.other_process().await;
    assert!(other.forget_quarantined(&DeviceKey::from(STRANGER)).await.unwrap());
    assert!(!other.forget_quarantined(&DeviceKey::from(STRANGER)).await.unwrap(), "it is not there twice");
    desk.keep_in_step().await.unwrap();
    assert!(desk.quarantine().is_empty() && city.handle.concerns().is_empty());
    knock().await;
    assert_eq!(desk.quarantine().len(), 1);
    city.close().await;
}

#[tokio::test]
async fn spoofing_is_raised_and_ends() {
    let mut city = City::open().await;
    let mut events = city.handle.events();
    let keys: Vec<String> = (0..5).map(|i| format!("35209308145220{i}")).collect();
    let devices = keys.iter().map(|k| NewDevice::transit(k, format!("tram-{k}"))).collect();
    city.handle.desk().add(devices).await.unwrap();
    for (secs, lat) in [(0, 48.85), (10, 55.59)] {
        for key in &keys {
            let mut s = city.teltonika(key).await;
            s.write_all(&packet(&[record(secs, lat)])).await.unwrap();
            assert_eq!(s.read_u32().await.unwrap(), 1, "stored, whatever is believed");
            if secs == 0 {
                city.fix().await;
            }
        }
    }
    let concern = city.handle.concerns().into_iter().find(|c| c.kind == "gnss_spoofing").unwrap();
    assert_eq!(concern.level, 1);
    assert!(concern.text_en.contains("5 vehicles") && concern.text_uk.contains("55.590"), "{concern:?}");
    assert_eq!(city.handle.counters().refused.get("spoofed"), Some(&2));
    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        said.push(event);
    }
    assert!(said.iter().any(|e| matches!(e, IngestEvent::Warfare { vehicles: 4, .. })), "{said:?}");
    city.clock.advance(std::time::Duration::from_secs(400));
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(matches!(events.try_recv(), Ok(IngestEvent::WarfareOver { vehicles: 5, .. })));
    assert!(!city.handle.concerns().iter().any(|c| c.kind == "gnss_spoofing"));
    city.close().await;
}
