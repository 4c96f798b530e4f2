//! Every protocol over a stream of bytes, from its device's first word to the journal.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracker_ingest::codec::stream::{Answer, Terminal};
use tracker_ingest::codec::{DeviceKey, Protocol};

use crate::city::{City, IMEI, connect, record, within};

/// Says something and waits until the device hears that it was taken; tells whether there was an answer.
async fn exchange(s: &mut TcpStream, device: &mut dyn Terminal, said: &[u8]) -> bool {
    s.write_all(said).await.unwrap();
    let mut heard = Vec::new();
    loop {
        match device.hear(&heard).unwrap() {
            Answer::Taken(n) => {
                assert_eq!(n, heard.len(), "nothing comes unasked");
                return n > 0;
            }
            Answer::Refused(_) => panic!("refused: {heard:02x?}"),
            Answer::Unfinished => assert_ne!(within(s.read_buf(&mut heard)).await.unwrap(), 0, "closed"),
        }
    }
}

#[tokio::test]
async fn every_device_is_heard_on_its_port_and_answered_when_its_record_is_stored() {
    for (protocol, codec) in Protocol::ALL.iter().filter_map(|p| p.stream().map(|codec| (*p, codec))) {
        let any = ([127, 0, 0, 1], 0).into();
        let mut city = City::open_with(|c| c.streams.entry(protocol).listen = Some(any)).await;
        let mut device = (codec.terminal)(&DeviceKey::from(IMEI));
        let mut s = connect(city.handle.addresses().of(protocol)).await;
        let hello = device.hello().unwrap();
        if !hello.is_empty() {
            exchange(&mut s, device.as_mut(), &hello).await;
        }
        let said = device.tell(&[record(0, 48.850)]).unwrap();
        let answered = exchange(&mut s, device.as_mut(), &said).await;
        if answered {
            assert_eq!(city.stored().await, (1, 1), "{protocol} answers what is not on the disk");
        }
        let fix = city.fix().await;
        assert_eq!((fix.time, fix.source), (city.at(0), protocol.source()), "{protocol}");
        assert!((fix.lat - 48.850).abs() < 1e-5 && (fix.lon - 37.6).abs() < 1e-5, "{protocol}: {fix:?}");
        city.close().await;
    }
}
