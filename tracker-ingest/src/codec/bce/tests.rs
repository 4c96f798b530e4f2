use transit_model::time::UnixMs;

use super::super::testing::{NOW, fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Position, Record, Sniff};
use super::{PREAMBLE, STREAM, message_of, moment, sniff};

const IMEI: &str = "352093081452251";
const NUMBER: u64 = 352_093_081_452_251;

/// A message of structures, each of time 1 749 999 998 (in its second round) and this.
fn message(kind: u8, key: u8, structures: &[&str]) -> Vec<u8> {
    let mut all = Vec::new();
    for s in structures {
        let body = hex(&format!("{} {s}", word(7)));
        all.push(u8::try_from(body.len()).unwrap());
        all.extend(body);
    }
    message_of(NUMBER, kind, key, &all)
}

fn word(kind: u32) -> String {
    let twos = u32::try_from((1_749_999_998i64 - super::EPOCH) % super::ROUND / 2).unwrap();
    (twos << 4 | kind).to_le_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// 37.605125 E, 48.85325 N, 36 km/h, HDOP 1 and eleven satellites, 286 degrees, 74 m, and a distance.
const WHERE: &str = "a66b1642 ba694342 24 1b 8f 4a00 00000000";

fn want() -> Record {
    let p = Position { bearing: Some(286.0), hdop: Some(1.0), ..somewhere() };
    Record::at(UnixMs(1_749_999_998_000), p)
}

#[test]
fn a_structure_has_what_its_masks_name() {
    // Place, inputs, the second analog input and the cell; revolutions and the odometer; a driver.
    let masks = "0bc0 5080 4000";
    let cell = "9401 05 6804 d181 00 62";
    let s = format!("{masks} {WHERE} 2180 280f {cell} f859 f0831c01 22ea420100000000 ff");
    let heard = one(&STREAM, &message(0xA5, 0x9B, &[&s, &s]));
    assert_eq!(heard.reply.taken, message_of(NUMBER, 0x19, 0x1B, &[]));
    assert!(heard.reply.refused.is_empty());
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!((r.len(), r[0].device.clone()), (2, Some(DeviceKey::from(IMEI))));
    same(&r[0], &want());
    assert_eq!(r[0].position.unwrap().satellites, Some(11));
    for (key, value) in [
        (attr::INPUTS, AttrValue::Int(0x8021)),
        (AttrKey::Own("adc2".into()), AttrValue::Int(3880)),
        (AttrKey::Name("cell"), text("404:5:1128:33233")),
        (attr::GSM, AttrValue::Float(-98.0)),
        (AttrKey::Name("rpm"), AttrValue::Float(2879.0)),
        (attr::ODOMETER, AttrValue::Int(18_646_000)),
        (attr::DRIVER, text("21162530")),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
}

#[test]
fn every_field_takes_its_room() {
    // The first field of each mask but the first, then all of them; the odometer of the fourth comes last.
    for (masks, bytes) in [("0080 ff7f", 43), ("0080 0080 ff7f", 127), ("0080 0080 0080 ff07", 146)] {
        let s = format!("{masks} {}", "00".repeat(bytes));
        let r = &records(&STREAM, &message(0xA0, 0, &[&s]))[0];
        assert_eq!(r.position, None);
        assert!(r.attributes.len() >= 11, "{masks}: {:?}", r.attributes);
        let s = format!("{masks} {}", "00".repeat(bytes - 1));
        assert_eq!(fault(&STREAM, &message(0xA0, 0, &[&s])), Kind::BadLength, "{masks}");
    }
    // A field of tomorrow ends what can be read, and spoils nothing.
    let r = &records(&STREAM, &message(0xA0, 0, &["0080 0080 0080 0010 01", &format!("0100 {WHERE}")]));
    assert!(r.len() == 2, "{r:?}");
}

#[test]
fn the_clock_begins_anew_every_seventeen_years() {
    for (at, now) in [(1_749_999_998, NOW), (1_600_000_000, NOW), (1_250_000_000, UnixMs::from_secs(1_260_000_000))] {
        let word = u32::try_from((at - super::EPOCH) % super::ROUND / 2).unwrap() << 4 | 7;
        assert_eq!(moment(word, now), UnixMs::from_secs(at));
    }
}

#[test]
fn what_is_made_by_the_clock_is_not_answered() {
    let heard = one(&STREAM, &message(0xA0, 0, &[&format!("0100 {WHERE}")]));
    assert!(heard.reply.taken.is_empty() && matches!(heard.message, Message::Records(_)));
    let heard = one(&STREAM, &message_of(NUMBER, 0xC1, 0x0B, &hex("ff")));
    assert!(heard.reply.taken.is_empty() && heard.message == Message::KeepAlive);
    // An empty stack is confirmed.
    assert_eq!(one(&STREAM, &message_of(NUMBER, 0xA5, 7, &[])).reply.taken, message_of(NUMBER, 0x19, 7, &[]));
    // Another kind of structure is kept as it came.
    let other = [&[6u8][..], &hex(&word(6)), &[1, 2]].concat();
    let r = &records(&STREAM, &message_of(NUMBER, 0xA5, 7, &other))[0];
    assert_eq!((r.position, r.time), (None, want().time));
    assert_eq!(r.attribute(&AttrKey::Own("structure6".into())), Some(&AttrValue::Bytes([1, 2].into())));
}

#[test]
fn a_connection_begins_with_a_word() {
    let both = [PREAMBLE, &message(0xA5, 1, &[&format!("0100 {WHERE}")])].concat();
    assert_eq!(hear(&STREAM, &both).len(), 1);
    assert_eq!(sniff(PREAMBLE), Sniff::Yes);
    assert_eq!(sniff(b"#BC"), Sniff::NeedMore);
    assert_eq!(sniff(b"#B#1"), Sniff::No);
}

#[test]
fn what_is_damaged_is_refused() {
    let good = message(0xA5, 1, &[&format!("0100 {WHERE}")]);
    for i in (0..good.len()).filter(|i| !(6..10).contains(i)) {
        let mut bad = good.clone();
        bad[i] ^= 1;
        assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum, "byte {i}");
    }
    assert_eq!(fault(&STREAM, &good[..good.len() - 1]), Kind::Truncated);
    assert_eq!(fault(&STREAM, &message(0xA5, 1, &["0100 00"])), Kind::BadLength);
    assert_eq!(fault(&STREAM, &message_of(NUMBER, 0xA5, 1, &[9, 1])), Kind::BadLength);
    assert_eq!(fault(&STREAM, &message_of(NUMBER, 0x33, 1, &[])), Kind::UnsupportedCodec);
    assert_eq!(fault(&STREAM, b"hello, world"), Kind::BadPreamble);
}

#[test]
fn a_terminal_is_understood() {
    let mut r = want();
    r.attributes = vec![(attr::INPUTS, AttrValue::Int(5)), (attr::ODOMETER, AttrValue::Int(1_234_567))];
    let none = Record { time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, IMEI, &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
        let [Message::Records(one), Message::Records(two)] = &told[..] else { panic!("{told:?}") };
        for (got, want) in one.iter().chain(two).zip([&r, &none, &r]) {
            same(got, want);
            assert!(want.attributes.iter().all(|a| got.attributes.contains(a)), "{got:?}");
        }
    }
}
