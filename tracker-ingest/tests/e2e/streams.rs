//! Protocols over a stream of bytes by their other ways in: UDP, and the port for any of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tracker_ingest::codec::{Protocol, teltonika};

use crate::city::{City, IMEI, STRANGER, connect, packet, record, to_end, within};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

async fn city() -> City {
    City::open_with(|c| {
        c.streams.entry(Protocol::Teltonika).udp = Some(ANY_PORT.into());
        c.any.listen = Some(ANY_PORT.into());
    })
    .await
}

async fn socket(city: &City, from: [u8; 4]) -> UdpSocket {
    let s = UdpSocket::bind((std::net::IpAddr::from(from), 0)).await.unwrap();
    s.connect(city.handle.addresses().udp(Protocol::Teltonika).unwrap()).await.unwrap();
    s
}

async fn ask(s: &UdpSocket, datagram: &[u8]) -> Vec<u8> {
    s.send(datagram).await.unwrap();
    let mut answer = [0; 64];
    let n = within(s.recv(&mut answer)).await.unwrap();
    answer[..n].to_vec()
}

#[tokio::test]
async fn a_datagram_is_a_message_and_answered_when_durable() {
    let mut city = city().await;
    let s = socket(&city, [127, 0, 0, 1]).await;
    assert_eq!(ask(&s, &teltonika::encode_login(IMEI).unwrap()).await, [1]);
    let lock = city.lock_journal().await;
    s.send(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(city.fix().await.time, city.at(0), "live at once");
    assert!(s.try_recv(&mut [0; 8]).is_err(), "nothing is said before the commit");
    lock.release().await;
    let mut answer = [0; 8];
    assert_eq!(within(s.recv(&mut answer)).await.unwrap(), 4);
    assert_eq!(city.stored().await, (1, 1));
    city.close().await;
}

#[tokio::test]
async fn over_udp_a_stranger_is_told_nothing_and_a_live_device_is_not_taken_over() {
    let mut city = city().await;
    let s = socket(&city, [127, 0, 0, 1]).await;
    assert_eq!(ask(&s, &teltonika::encode_login(IMEI).unwrap()).await, [1]);
    // What must not be answered goes first; the answer to what follows is then the next to come.
    let stranger = socket(&city, [127, 0, 0, 1]).await;
    stranger.send(&teltonika::encode_login(STRANGER).unwrap()).await.unwrap();
    stranger.send(&[0xFF; 3000]).await.unwrap();
    let thief = socket(&city, [127, 0, 0, 2]).await;
    thief.send(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    thief.send(&packet(&[record(5, 48.9)])).await.unwrap();
    s.send(&packet(&[record(10, 48.851)])[..30]).await.unwrap();
    assert_eq!(ask(&s, &packet(&[record(0, 48.850)])).await, [0, 0, 0, 1]);
    assert_eq!(city.fix().await.time, city.at(0));
    assert!(stranger.try_recv(&mut [0; 8]).is_err() && thief.try_recv(&mut [0; 8]).is_err());
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("unknown_device"), refused.get("takeover")), (Some(&1), Some(&1)));
    assert_eq!((refused.get("no_login"), refused.get("malformed")), (Some(&1), Some(&1)));
    city.close().await;
}

#[tokio::test]
async fn the_port_for_any_protocol_knows_who_speaks() {
    let mut city = city().await;
    let mut s = connect(city.handle.addresses().any()).await;
    s.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    assert_eq!(within(s.read_u8()).await.unwrap(), 1);
    s.write_all(&packet(&[record(0, 48.850)])).await.unwrap();
    assert_eq!(within(s.read_u32()).await.unwrap(), 1);
    assert_eq!(city.fix().await.source, Protocol::Teltonika.source());
    let mut scanner = connect(city.handle.addresses().any()).await;
    scanner.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
    assert!(to_end(&mut scanner).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("unknown_protocol"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn a_message_that_never_ends_is_not_waited_for() {
    let city = City::open_with(|c| c.limits.message_secs = 1).await;
    let mut s = city.teltonika(IMEI).await;
    s.write_all(&packet(&[record(0, 48.850)])[..20]).await.unwrap();
    assert!(to_end(&mut s).await.is_empty());
    assert_eq!(city.handle.counters().refused.get("too_slow"), Some(&1));
    city.close().await;
}
