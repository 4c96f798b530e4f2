//! What devices say of themselves, from the wire to the dispatcher, over a restart and a kill.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::IngestEvent;
use tracker_ingest::codec::{AttrKey, AttrValue, DeviceEvent, Record};
use transit_model::time::UnixMs;

use crate::city::{City, IMEI, packet, record, within};

/// A record of a Teltonika with numbered elements: 239 the key, 252 unplugged, 66 millivolts, 16 metres.
fn saying(secs: i64, inputs: &[(u16, u64)]) -> Record {
    let attributes = inputs.iter().map(|(id, v)| (AttrKey::Io(*id), AttrValue::Int(*v))).collect();
    Record { attributes, ..record(secs, 48.85) }
}

async fn send(s: &mut TcpStream, record: &Record) {
    s.write_all(&packet(std::slice::from_ref(record))).await.unwrap();
    assert_eq!(within(s.read_u32()).await.unwrap(), 1, "acknowledged");
}

fn concerns(city: &City) -> Vec<(String, u8, String, String)> {
    let all = city.handle.concerns().into_iter();
    all.filter(|c| c.key.starts_with("ingest:device:")).map(|c| (c.kind, c.level, c.text_uk, c.text_en)).collect()
}

fn metric(city: &City, kind: &str) -> Option<String> {
    let mut registry = prometheus_client::registry::Registry::default();
    city.handle.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = format!("zupynka_ingest_device_events_total{{kind=\"{kind}\"}} ");
    text.lines().find_map(|l| l.strip_prefix(&line).map(str::to_owned))
}

#[tokio::test]
async fn a_power_cut_is_raised_kept_over_a_restart_and_over_when_the_power_is_back() {
    let city = City::open().await;
    let mut events = city.handle.events();
    let mut s = city.teltonika(IMEI).await;
    city.clock.set(city.at(10));
    send(&mut s, &saying(1, &[(239, 1), (66, 27_000), (16, 500_000)])).await;
    assert!(concerns(&city).is_empty(), "how things are at first is no news");
    send(&mut s, &saying(5, &[(239, 1), (66, 0), (252, 1)])).await;
    send(&mut s, &saying(6, &[(239, 1), (66, 0), (252, 1)])).await;
    let cut = (
        "power_cut".to_owned(),
        2,
        "bus-1: трекер без живлення від машини".to_owned(),
        "bus-1: the tracker's power is cut".to_owned(),
    );
    assert_eq!(concerns(&city), std::slice::from_ref(&cut));
    assert_eq!(metric(&city, "power_cut").as_deref(), Some("1"), "once, however often it is said");
    let told = within(events.recv()).await.unwrap();
    assert_eq!(told, IngestEvent::Device { vehicle: "bus-1".into(), event: DeviceEvent::PowerCut, at: city.at(5) });

    let city = city.restart().await;
    assert_eq!(concerns(&city), std::slice::from_ref(&cut), "a restart forgets no alarm");
    let mut s = city.teltonika(IMEI).await;
    send(&mut s, &saying(9, &[(239, 0), (66, 27_000), (16, 500_040)])).await;
    assert!(concerns(&city).is_empty());
    let kept = city.other_process().await.happened(UnixMs(0), None).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|h| (h.event.name(), h.time.secs_since(city.at(0)), h.odometer_m)).collect();
    assert_eq!(
        kept,
        [
            ("power_back", 1, Some(500_000)),
            ("ignition_on", 1, Some(500_000)),
            ("power_cut", 5, None),
            ("ignition_off", 9, Some(500_040)),
            ("power_back", 9, Some(500_040)),
        ]
    );
    city.close().await;
}

#[tokio::test]
async fn a_call_for_help_is_seen_though_the_place_is_not_believed() {
    let city = City::open().await;
    let mut s = city.teltonika(IMEI).await;
    city.clock.set(city.at(10));
    // On the other side of the Earth: the place moves nothing, the call is heard.
    let mut far = saying(2, &[(236, 1)]);
    far.position.as_mut().unwrap().lat = -48.85;
    send(&mut s, &far).await;
    let seen = concerns(&city);
    assert_eq!(seen.iter().map(|c| (c.0.as_str(), c.1)).collect::<Vec<_>>(), [("panic", 1)]);
    city.close().await;
}
