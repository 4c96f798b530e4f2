//! What a client sends to our MQTT endpoint, read as the endpoint reads it: packets by rumqttc's codec within a
//! limit, the payloads of publishes by our own.

use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::Packet;
use tracker_ingest::codec::{Protocol, mqtt_json};

use crate::check;

/// The endpoint's largest packet.
const MAX_PACKET: usize = mqtt_json::MAX_PAYLOAD + 512;

/// Holds the laws.
pub fn run(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    loop {
        let before = buffer.len();
        match Packet::read(&mut buffer, MAX_PACKET) {
            Ok(packet) => {
                assert!(buffer.len() < before, "a packet of nothing");
                if let Packet::Publish(publish) = &packet
                    && let Ok(message) = mqtt_json::decode(&publish.payload)
                {
                    check(Protocol::MqttJson, &message);
                }
                let mut out = BytesMut::new();
                let _ = packet.write(&mut out, MAX_PACKET);
            }
            Err(Error::InsufficientBytes(_)) => {
                assert_eq!(buffer.len(), before, "bytes are gone that were not read");
                return;
            }
            // The endpoint ends the connection.
            Err(_) => return,
        }
    }
}
