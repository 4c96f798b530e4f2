//! Codecs 7, 12 to 16 and datagrams; codecs 8 and 8 Extended are under the laws of `tests/codecs.rs`.

use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, hex, one, records, same, somewhere};
use super::super::wire::{attr, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Position, Record, Sniff};
use super::encode::seal;
use super::{Codec, STREAM, encode, sniff};

const IMEI: &str = "352093081452251";

fn packet(data: &str) -> Vec<u8> {
    seal(&hex(data)).unwrap()
}

#[test]
fn codec_16_has_wide_ids_and_short_counts() {
    let record = "0000019ed45a2c50 00 166a1632 1d1e6a14 004a 011f 0b 0024 0101 05 02 01 00ef 01 01 0042 6d30 00 00";
    let heard = one(&STREAM, &packet(&format!("10 01 {record} 01")));
    assert_eq!(heard.reply.taken, [0, 0, 0, 1]);
    let Message::Records(r) = heard.message else { panic!() };
    same(&r[0], &Record::at(UnixMs(1_781_679_139_920), Position { hdop: None, ..somewhere() }));
    for (key, value) in [(attr::EVENT, 0x101), (AttrKey::Io(239), 1), (AttrKey::Io(66), 27_952)] {
        assert_eq!(r[0].attribute(&key), Some(&AttrValue::Int(value)), "{key}");
    }
    let told = Record { attributes: vec![(AttrKey::Io(900), AttrValue::Int(7))], ..r[0].clone() };
    let read = records(&STREAM, &encode(Codec::Sixteen, std::slice::from_ref(&told)).unwrap());
    assert_eq!((read[0].position, &read[0].attributes), (told.position, &told.attributes));
}

#[test]
fn codec_7_says_what_its_masks_name() {
    // 614 082 498 s after 2007 began, priority 1; all of the place but the cell; one byte, two and four.
    let time = format!("{:08x}", 614_082_498u32 | 1 << 30);
    let place = format!("5f {} {} 004a cc 24 0b 1f", float(48.853_25), float(37.605_125));
    let full = format!("{time} 0f {place} 02 de 01 f0 01 01 43 1015 01 05 00000102");
    let bare = format!("{time} 00");
    let heard = one(&STREAM, &packet(&format!("07 02 {full} {bare} 02")));
    assert_eq!(heard.reply.taken, [0, 0, 0, 2]);
    let Message::Records(r) = heard.message else { panic!() };
    let want = Position { hdop: None, ..somewhere() };
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), want));
    assert_eq!(r[0].position.unwrap().satellites, Some(11));
    assert_eq!(r[0].attribute(&attr::ALARM), Some(&text("sos")));
    assert_eq!(r[0].attribute(&attr::MOTION), Some(&AttrValue::Bool(true)));
    assert_eq!(r[0].attribute(&AttrKey::Io(67)), Some(&AttrValue::Int(0x1015)));
    assert_eq!(r[0].attribute(&AttrKey::Io(5)), Some(&AttrValue::Int(0x102)));
    assert_eq!((r[1].position, r[1].time), (None, r[0].time));
    // A cell instead of a fix.
    let cell = records(&STREAM, &packet(&format!("07 01 {time} 01 a0 0102 0304 000062f2 01")));
    assert_eq!((cell[0].position, cell[0].attribute(&AttrKey::Name("cell"))), (None, Some(&text("258:772"))));
    assert_eq!(fault(&STREAM, &packet(&format!("07 01 {time} 01 01 0000 01"))), Kind::BadLength);
}

fn float(v: f32) -> String {
    v.to_be_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn texts_are_kept_and_not_answered() {
    for (data, time, said) in [
        ("0c 01 06 00000002 4f4b 01", None, text("OK")),
        ("0c 01 0d 00000001 00 01", None, AttrValue::Bytes([0].into())),
        ("0d 01 06 00000006 6a3276c2 4f4b 01", Some(UnixMs(1_781_692_098_000)), text("OK")),
        ("0e 01 06 0000000a 0352093081452251 4f4b 01", None, text("OK")),
        ("0f 01 0b 0000000e 6a3276c2 0352093081452251 4f4b 01", Some(UnixMs(1_781_692_098_000)), text("OK")),
    ] {
        let heard = one(&STREAM, &packet(data));
        assert!(heard.reply.taken.is_empty(), "{data}");
        let Message::Records(r) = heard.message else { panic!() };
        assert_eq!((r[0].time, r[0].position, r[0].attribute(&attr::TEXT)), (time, None, Some(&said)), "{data}");
    }
    assert_eq!(fault(&STREAM, &packet("0c 01 06 000000ff 4f4b 01")), Kind::BadLength);
    assert_eq!(fault(&STREAM, &packet("0b 01 00 01")), Kind::UnsupportedCodec);
}

#[test]
fn a_datagram_says_whose_it_is() {
    let record = "0000019ed45a2c50 00 166a1632 1d1e6a14 004a 011f 0b 0024 00 00 00 00 00 00";
    let body = [&hex("cafe 01 dd 000f")[..], IMEI.as_bytes(), &hex(&format!("08 02 {record} {record} 02"))].concat();
    let datagram = [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
    assert_eq!(sniff(&datagram), Sniff::Yes);
    let mut session = (STREAM.datagrams)();
    session.feed(&datagram);
    let heard = session.next_message(UnixMs(0)).unwrap().unwrap();
    assert_eq!((heard.reply.taken, heard.reply.refused), (hex("0005 0000 01 dd 02"), vec![]));
    let Message::Records(r) = heard.message else { panic!() };
    assert!(r.len() == 2 && r.iter().all(|r| r.device == Some(DeviceKey::from(IMEI))));
    // A recorded one is read among what came over a connection.
    assert_eq!(records(&STREAM, &datagram).len(), 2);
    for n in 1..datagram.len() {
        assert_eq!(fault(&STREAM, &datagram[..n]), Kind::Truncated, "{n}");
    }
    let mut bad = datagram.clone();
    *bad.last_mut().unwrap() = 3;
    assert_eq!(fault(&STREAM, &bad), Kind::BadLength);
    bad[9] = b'?';
    assert_eq!(fault(&STREAM, &bad), Kind::BadLogin);
    assert_eq!(hear(&STREAM, &[&datagram[..], &datagram[..]].concat()).len(), 2);
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    // 252 unplugged, 239 the key, 66 millivolts, 16 metres.
    let inputs = [(252, 1), (239, 0), (66, 0), (16, 7_654_321)];
    let attributes = inputs.map(|(id, v)| (AttrKey::Io(id), AttrValue::Int(v))).to_vec();
    let told = Record { attributes, ..Record::at(UnixMs(1_781_679_139_920), somewhere()) };
    let r = records(&STREAM, &encode(Codec::EightExtended, std::slice::from_ref(&told)).unwrap()).remove(0);
    assert_eq!(raised(Source::Teltonika, &r), [DeviceEvent::PowerCut]);
    let said = Said::of(Source::Teltonika, &r);
    assert_eq!((said.powered, said.ignition, said.odometer_m), (Some(false), Some(false), Some(7_654_321)));
}
