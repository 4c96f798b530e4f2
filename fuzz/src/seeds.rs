//! What the fuzzers begin with: what our own encoders say, so that a fuzzer needs not find out by itself what a login
//! or a checksum is. A target writes the seeds of all of them to the folder that `ZUPYNKA_SEEDS` names, as it starts.

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, Publish};
use tracker_ingest::codec::{DeviceKey, Position, Protocol, Record, mqtt_json, osmand};
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::{NOW, gtfs, streaming};

type Fault = Box<dyn std::error::Error>;

/// Writes them where they are wanted; an encoder that fails, or a folder that cannot be written, ends the fuzzer.
pub fn write() {
    if let Some(folder) = std::env::var_os("ZUPYNKA_SEEDS")
        && let Err(e) = write_to(Path::new(&folder))
    {
        panic!("the seeds cannot be written to {}: {e}", folder.display());
    }
}

fn write_to(folder: &Path) -> Result<(), Fault> {
    let key = DeviceKey::from("352093081452251");
    let put = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Fault> {
        let to = folder.join(target);
        fs::create_dir_all(&to)?;
        Ok(fs::write(to.join(name), bytes)?)
    };

    for (n, (protocol, codec)) in (0u8..).zip(streaming()) {
        let mut device = (codec.terminal)(&key);
        let hello = device.hello()?;
        let mut all = hello.clone();
        for count in [1, 2, 5] {
            let records: Vec<Record> = (0..count).map(record).collect();
            for part in records.chunks(device.most().max(1)) {
                let told = device.tell(part)?;
                all.extend_from_slice(&told);
                put("streams", &format!("{protocol}-{count}"), &[&[n, 7], hello.as_slice(), &told].concat())?;
                put("datagrams", &format!("{protocol}-{count}"), &[&[n], told.as_slice()].concat())?;
            }
        }
        put("streams", &format!("{protocol}-all"), &[&[n, 1], all.as_slice()].concat())?;
    }

    let stopping = Record { position: None, ..record(3) };
    let payloads = [mqtt_json::encode(&record(1))?, mqtt_json::encode(&stopping)?];
    let topic = mqtt_json::topic(&FeedId::from("city"), &key);
    let not_streams = Protocol::ALL.iter().filter(|p| p.stream().is_none());
    for (n, protocol) in (0u8..).zip(not_streams) {
        let form = osmand::encode(&key, &record(1))?;
        let json = br#"{"device_id":"352093081452251","location":{"timestamp":"2026-11-22T10:00:00Z","coords":{"latitude":48.85,"longitude":37.6,"speed":8.5,"heading":91}}}"#;
        for (kind, head, tail) in [
            (0u8, form.as_bytes(), &b""[..]),
            (1, b"application/json", json),
            (2, b"id=1&lat=48.8&lon=37.6", b"speed=5"),
            (3, b"", json),
            (4, topic.as_bytes(), payloads[0].as_slice()),
            (5, topic.as_bytes(), payloads[1].as_slice()),
        ] {
            put("requests", &format!("{protocol}-{kind}"), &[&[n, kind], head, b"\n", tail].concat())?;
        }
    }

    let mut packets = BytesMut::new();
    let mut connect = Connect::new(key.expose());
    connect.set_login(key.expose(), "token");
    Packet::Connect(connect).write(&mut packets, 4096)?;
    for payload in &payloads {
        let mut publish = Publish::new(&topic, QoS::AtLeastOnce, payload.as_slice());
        publish.pkid = 1;
        Packet::Publish(publish).write(&mut packets, 4096)?;
    }
    Packet::PingReq.write(&mut packets, 4096)?;
    Packet::Disconnect.write(&mut packets, 4096)?;
    put("mqtt", "session", &packets)?;

    for (n, (name, text)) in (0u8..).zip(gtfs::FILES) {
        put("gtfs", name, &[&[n], text.as_bytes()].concat())?;
    }
    // Twelve devices that drive for a while, then one that leaps, comes late, has no fix.
    let op = |n: u8, lat: i16, flags: u8| {
        let [a, b] = lat.to_le_bytes();
        [n % 12, 0, 0xE8, 0x03, 0, 0, 0, a, b, n, 0, 0x41, 0x20, n, flags]
    };
    let drive: Vec<u8> = (0..96u8).flat_map(|n| op(n, i16::from(n) * 40, 0)).collect();
    let leap: Vec<u8> = (0..24u8).flat_map(|n| op(n / 2, 30_000, 4)).collect();
    let blind: Vec<u8> = (0..24u8).flat_map(|n| op(n, 0, 8 | n & 0x10)).collect();
    put("gate", "drive", &drive)?;
    put("gate", "war", &[drive, leap, blind].concat())?;
    Ok(())
}

/// Where a tracker is, in the n-th ten seconds.
fn record(n: i64) -> Record {
    let position = Position {
        lat: 48.85 + n as f64 * 1e-4,
        lon: 37.6,
        altitude: Some(120.0),
        speed: Some(8.5),
        bearing: Some(91.0),
        satellites: Some(9),
        hdop: Some(1.0),
        valid: true,
        ..Position::default()
    };
    Record::at(UnixMs(NOW.0 - 60_000 + n * 10_000), position)
}
