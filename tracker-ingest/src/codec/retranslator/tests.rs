use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, fraction, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Position, Record, Sniff};
use super::{STREAM, block, sniff};

/// A packet of this id, flags and blocks, at 1 781 692 098.
fn packet(id: &str, flags: &str, blocks: &[u8]) -> Vec<u8> {
    let body = [id.as_bytes(), &[0], &hex("6a3276c2"), &hex(flags), blocks].concat();
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

fn posinfo() -> Vec<u8> {
    let mut v: Vec<u8> = [37.605_125f64, 48.853_25, 74.0].iter().flat_map(|d| d.to_le_bytes()).collect();
    v.extend(hex("0024 011f 0b"));
    let mut out = Vec::new();
    block(&mut out, 2, "posinfo", &v).unwrap();
    out
}

#[test]
fn each_packet_says_whose_it_is() {
    let mut blocks = posinfo();
    block(&mut blocks, 4, "pwr_ext", &27.593f64.to_le_bytes()).unwrap();
    block(&mut blocks, 3, "avl_inputs", &hex("00000001")).unwrap();
    block(&mut blocks, 3, "cold", &hex("fffffff0")).unwrap();
    block(&mut blocks, 5, "far", &hex("0000000100000000")).unwrap();
    block(&mut blocks, 1, "avl_driver", b"AB45\0").unwrap();
    block(&mut blocks, 2, "raw", &hex("0102")).unwrap();
    let heard = one(&STREAM, &packet("bus-7", "00000013", &blocks));
    assert_eq!((heard.reply.taken, heard.reply.refused), (vec![0x11], vec![]));
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r[0].device, Some(DeviceKey::from("bus-7")));
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), Position { hdop: None, ..somewhere() }));
    for (key, value) in [
        (attr::ALARM, text("sos")),
        (attr::POWER, fraction(27.593)),
        (attr::INPUTS, AttrValue::Int(1)),
        (AttrKey::Own("cold".into()), AttrValue::Float(-16.0)),
        (AttrKey::Own("far".into()), AttrValue::Int(1 << 32)),
        (attr::DRIVER, text("AB45")),
        (AttrKey::Own("raw".into()), AttrValue::Bytes([1, 2].into())),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
    let two = [packet("bus-7", "00000001", &posinfo()), packet("bus-8", "00000000", &[])].concat();
    let all = hear(&STREAM, &two);
    let Message::Records(second) = &all[1].as_ref().unwrap().message else { panic!() };
    assert_eq!((second[0].device.clone(), second[0].position), (Some(DeviceKey::from("bus-8")), None));
}

#[test]
fn what_does_not_add_up_is_refused() {
    let good = packet("bus-7", "00000001", &posinfo());
    assert_eq!(fault(&STREAM, &good[..good.len() - 1]), Kind::Truncated);
    let mut long = good.clone();
    long[4 + 6 + 8 + 5] += 1;
    assert_eq!(fault(&STREAM, &long), Kind::BadLength);
    assert_eq!(fault(&STREAM, &packet("bus-7", "00000001", &hex("0bbc 00000000"))), Kind::BadField);
    assert_eq!(fault(&STREAM, &packet("bus-7", "00000001", &hex("0bbb 00000004 0009 6100"))), Kind::BadField);
    assert_eq!(fault(&STREAM, &packet("bus 7", "00000001", &[])), Kind::BadLogin);
    assert_eq!(fault(&STREAM, &[3, 0, 0, 0, 1, 2, 3]), Kind::BadPreamble);
    assert_eq!(fault(&STREAM, &[0, 0, 0, 1, 1, 2, 3]), Kind::Oversize);
}

#[test]
fn a_relay_of_ours_is_understood() {
    let mut r = Record::at(UnixMs(1_781_692_098_000), Position { hdop: None, ..somewhere() });
    r.attributes = vec![(attr::POWER, fraction(27.1)), (attr::INPUTS, AttrValue::Int(5)), (attr::ALARM, text("sos"))];
    let other = Record { device: Some(DeviceKey::from("bus-8")), time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, "bus-7", &[vec![r.clone(), other.clone()]], piece);
        let got: Vec<&Record> =
            told.iter().flat_map(|m| if let Message::Records(r) = m { r.as_slice() } else { &[] }).collect();
        assert_eq!(got[0].device, Some(DeviceKey::from("bus-7")));
        assert_eq!(got[1].device, other.device);
        same(got[0], &r);
        same(got[1], &other);
        assert!(r.attributes.iter().all(|a| got[0].attributes.contains(a)), "{got:?}");
    }
    assert_eq!(records(&STREAM, &packet("b", "00000000", &[])).len(), 1);
}

#[test]
fn sniffing_takes_six_bytes() {
    let first = packet("bus-7", "00000001", &posinfo());
    assert_eq!(sniff(&first), Sniff::Yes);
    for n in 0..6 {
        assert_eq!(sniff(&first[..n]), Sniff::NeedMore, "{n}");
    }
    for not in [&b"\x00\x0f3520"[..], &[0, 0, 0, 0, 0, 9], b"#L#1;a", &[1, 23, 128, 1, 1, 1]] {
        assert_eq!(sniff(not), Sniff::No, "{not:?}");
    }
}
