use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, fraction, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Record, Sniff};
use super::{STREAM, envelope, flex, sniff, tilde};

const IMEI: &str = "352093081452251";

fn ntcb(data: &[u8]) -> Vec<u8> {
    envelope(*b"@NTC", 1, 0x7B, data)
}

/// What the server answers to such a message.
fn answer(data: &[u8]) -> Vec<u8> {
    envelope(*b"@NTC", 0x7B, 1, data)
}

/// A negotiation of version 3.0 for these fields.
fn fields(fields: &[u8]) -> Vec<u8> {
    let mut mask = [0u8; 32];
    for f in fields.iter().map(|f| f - 1) {
        mask[usize::from(f / 8)] |= 0x80 >> (f % 8);
    }
    ntcb(&[&b"*>FLEX\xB0\x1E\x1E\xFF"[..], &mask].concat())
}

#[test]
fn a_login_and_the_fields_are_answered() {
    let heard = one(&STREAM, &ntcb(format!("*>S:{IMEI}").as_bytes()));
    assert_eq!((heard.message, heard.reply.taken), (Message::Login(DeviceKey::from(IMEI)), answer(b"*<S")));
    assert_eq!(one(&STREAM, &fields(&[1])).reply.taken, answer(b"*<FLEX\xB0\x1E\x1E"));
    assert_eq!(one(&STREAM, &ntcb(b"*>FLEX\xB0\x0A\x0A\x08\x80")).reply.taken, answer(b"*<FLEX\xB0\x0A\x0A"));
    // A version of tomorrow is answered by the newest there is.
    assert_eq!(one(&STREAM, &ntcb(b"*>FLEX\xB0\x28\x28\x08\x80")).reply.taken, answer(b"*<FLEX\xB0\x1E\x1E"));
    assert_eq!(fault(&STREAM, &ntcb(b"*>FLEX\xB0\x0A\x0A\x45\xFF")), Kind::BadLength);
    assert_eq!(fault(&STREAM, &ntcb(b"*>S:a b")), Kind::BadLogin);
}

#[test]
fn the_fields_take_what_the_document_says() {
    let sum = |fields: std::ops::RangeInclusive<u8>| fields.map(flex::size).sum::<usize>();
    // FLEX 1.0 is 69 fields, 2.0 has 53 more.
    assert_eq!(sum(1..=69), 146);
    assert_eq!(sum(70..=122), 258);
    assert_eq!((flex::size(204), flex::size(255)), (5, 8));
}

#[test]
fn records_are_of_the_fields_agreed_on() {
    let layout = fields(&[1, 2, 4, 8, 9, 10, 11, 12, 13, 14, 15, 19, 29, 30, 45, 46, 71, 77, 204]);
    let place = "c276326a ce43bf01 03495801 e4020000 00001042 1f01 0000803f";
    let record = format!("07000000 3012 02 2f {place} 606b 05 01 1a 80 0910 {} 0102030405", "00".repeat(37));
    for (head, reply) in [("7e41 01", "7e41 01"), ("7e54 07000000", "7e54 07000000"), ("7e43", "7e43")] {
        let sent = [layout.clone(), tilde(&hex(&format!("{head}{record}")))].concat();
        let heard = hear(&STREAM, &sent).pop().unwrap().unwrap();
        assert_eq!(heard.reply.taken, tilde(&hex(reply)));
        let Message::Records(r) = heard.message else { panic!() };
        let p = r[0].position.unwrap();
        assert_eq!((r[0].sequence, p.satellites, p.hdop, p.valid), (7, Some(11), Some(0.9), true));
        same(&r[0], &Record::at(UnixMs(1_781_692_098_000), somewhere()));
        for (key, value) in [
            (attr::EVENT, AttrValue::Int(0x1230)),
            (attr::ALARM, text("general")),
            (attr::ODOMETER, fraction(1000.0)),
            (attr::POWER, fraction(27.488)),
            (attr::INPUTS, AttrValue::Int(0x105)),
            (AttrKey::Own("temperature1".into()), AttrValue::Int(26)),
            (AttrKey::Io(204), AttrValue::Bytes([1, 2, 3, 4, 5].into())),
        ] {
            assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
        }
        assert_eq!(r[0].attribute(&AttrKey::Own("temperature2".into())), None);
    }
}

#[test]
fn a_receiver_that_is_off_says_no_place() {
    let layout = fields(&[3, 8, 10, 11]);
    let record = |receiver: &str, lat: &str| tilde(&hex(&format!("7e43 c276326a {receiver} {lat} 00000000")));
    let of = |message: Vec<u8>| {
        let Message::Records(r) = hear(&STREAM, &[layout.clone(), message].concat()).pop().unwrap().unwrap().message
        else {
            panic!()
        };
        r[0].clone()
    };
    let silent = of(record("00", "00000000"));
    assert_eq!((silent.position, silent.time), (None, Some(UnixMs(1_781_692_098_000))));
    assert!(!of(record("01", "00000000")).position.unwrap().valid);
    assert!(!of(record("00", "ce43bf01")).position.unwrap().valid);
}

#[test]
fn a_record_may_tell_its_length() {
    let place = "07000000 3012 c276326a 2f c276326a ce43bf01 03495801 e4020000 00001042 1f01 0000803f ffff";
    let record = format!("{:02x}00 0a 25 {place}", 41);
    let sent = tilde(&hex(&format!("7e45 02 {record} 0300 0b aabb")));
    for n in 1..sent.len() {
        assert_eq!(fault(&STREAM, &sent[..n]), Kind::Truncated, "{n}");
    }
    let heard = one(&STREAM, &sent);
    assert_eq!(heard.reply.taken, tilde(&hex("7e45 02")));
    let Message::Records(r) = heard.message else { panic!() };
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), somewhere()));
    assert_eq!((r[0].sequence, r[1].position), (7, None));
    let sent = tilde(&hex(&format!("7e58 07000000 {record}")));
    assert_eq!(one(&STREAM, &sent).reply.taken, tilde(&hex("7e58 07000000")));
}

#[test]
fn the_fixed_formats_are_read() {
    // Format F5.2: number, event, when; armed, modules, network; outputs and satellites, inputs; two voltages.
    let head = "25 d7540100 0015 0a0f1e 110519 80 02 1f 2d 05 606b 1510 0b00 0200 0000000000000000";
    let lat = 48.853_25f32.to_radians().to_le_bytes().map(|b| format!("{b:02x}")).concat();
    let lon = 37.605_125f32.to_radians().to_le_bytes().map(|b| format!("{b:02x}")).concat();
    let place = format!("03 0a1c12 110519 {lat}{lon} 00001042 1f01 0000803f 00000000 0000 0000");
    let record = format!("{head} {place} {} f0808080", "00".repeat(15));
    let heard = one(&STREAM, &ntcb(&[&b"*>A\x01"[..], &hex(&record)].concat()));
    assert_eq!(heard.reply.taken, answer(b"*<A\x01"));
    let Message::Records(r) = heard.message else { panic!() };
    // The seventeenth of June (months begin from 0) 2025, 10:28:18.
    same(
        &r[0],
        &Record::at(UnixMs(1_750_156_098_000), super::super::Position { altitude: None, hdop: None, ..somewhere() }),
    );
    assert_eq!(r[0].position.unwrap().satellites, Some(11));
    for (key, value) in [
        (attr::ALARM, text("general")),
        (attr::OUTPUTS, AttrValue::Int(1)),
        (attr::POWER, fraction(27.488)),
        (attr::BATTERY, fraction(4.117)),
        (attr::ODOMETER, fraction(1000.0)),
        (AttrKey::Own("temperature1".into()), AttrValue::Float(-16.0)),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
    let heard = one(&STREAM, &ntcb(&[&b"*>T"[..], &hex(&record)].concat()));
    assert_eq!(heard.reply.taken, answer(b"*<T\xd7\x54\x01\x00"));

    // F4 says no place: outputs, sixteen bits of inputs, voltages, four temperatures.
    let fourth = "04 01000000 0015 0a0f1e 110519 00 02 1f 03 0501 606b 1510 1a808080";
    let r = &records(&STREAM, &ntcb(&[&b"*>T"[..], &hex(fourth)].concat()))[0];
    assert_eq!((r.position, r.attribute(&attr::INPUTS)), (None, Some(&AttrValue::Int(0x105))));
    // F6: coordinates in ten-thousandths of a minute.
    let sixth = format!(
        "06 02000000 0015 0a0f1e 110519 02 02 1f 0e 80 606b 1510 0300 0a00 0800 0000000000000000 {} 1a808080 ffffffff ffff
         2f 0a1c12 110519 ce43bf01 03495801 e4020000 00001042 1f01 0000803f 00000000 0000 0000",
        "00".repeat(28)
    );
    let r = &records(&STREAM, &ntcb(&[&b"*>T"[..], &hex(&sixth)].concat()))[0];
    same(r, &Record::at(UnixMs(1_750_156_098_000), super::super::Position { hdop: None, ..somewhere() }));
    assert_eq!(r.position.unwrap().satellites, Some(11));
    assert_eq!(fault(&STREAM, &ntcb(b"*>T\x09\x00\x00\x00\x00")), Kind::UnsupportedCodec);
    assert_eq!(fault(&STREAM, &ntcb(b"*>A\x01\x25\x00\x00")), Kind::BadLength);
}

#[test]
fn the_rest_is_let_go_by() {
    for alive in [&[0x7F][..], &ntcb(b"")] {
        let heard = one(&STREAM, alive);
        assert!(heard.message == Message::KeepAlive && heard.reply.taken.is_empty());
    }
    let r = &records(&STREAM, &ntcb(b"*@CNCT OK"))[0];
    assert_eq!(r.attribute(&attr::TEXT), Some(&text("*@CNCT OK")));
    assert_eq!(fault(&STREAM, &ntcb(b"\x01\x02\x03")), Kind::UnsupportedCodec);
}

#[test]
fn what_is_damaged_is_refused() {
    let login = ntcb(format!("*>S:{IMEI}").as_bytes());
    for i in (0..login.len()).filter(|i| !matches!(i, 0 | 12 | 13)) {
        let mut bad = login.clone();
        bad[i] ^= 4;
        assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum, "byte {i}");
    }
    let mut bad = [fields(&[1]), tilde(b"~A\x01\x01\x02\x03\x04")].concat();
    let last = bad.len() - 2;
    bad[last] ^= 1;
    assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum);
    for no in [&b"~A\x01"[..], b"~Q", b"hello"] {
        assert_eq!(fault(&STREAM, no), Kind::BadPreamble);
    }
    assert_eq!(fault(&STREAM, &login[..20]), Kind::Truncated);
}

#[test]
fn a_terminal_is_understood() {
    let mut r = Record { sequence: 7, ..Record::at(UnixMs(1_781_692_098_000), somewhere()) };
    r.attributes = vec![
        (attr::ALARM, text("general")),
        (attr::POWER, fraction(27.1)),
        (attr::INPUTS, AttrValue::Int(5)),
        (attr::ODOMETER, fraction(1000.0)),
    ];
    let none = Record { time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, IMEI, &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
        let [Message::Login(_), Message::KeepAlive, Message::Records(one), Message::Records(two)] = &told[..] else {
            panic!("{told:?}")
        };
        for (got, want) in one.iter().chain(two).zip([&r, &none, &r]) {
            same(got, want);
            assert_eq!(got.sequence, want.sequence);
            assert!(want.attributes.iter().all(|a| got.attributes.contains(a)), "{got:?}");
        }
    }
}

#[test]
fn sniffing_takes_four_bytes() {
    assert_eq!(sniff(&ntcb(b"")), Sniff::Yes);
    assert_eq!(sniff(b"@NT"), Sniff::NeedMore);
    assert_eq!(sniff(b"@ABC"), Sniff::No);
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let layout = fields(&[1, 4, 9, 15, 19]);
    // The mode says alarm, 1 km gone, 0.1 V of the vehicle's.
    let sent = [layout, tilde(&hex("7e41 01 07000000 02 c276326a 0000803f 6400"))].concat();
    let Message::Records(r) = hear(&STREAM, &sent).pop().unwrap().unwrap().message else { panic!() };
    assert_eq!(raised(Source::Ntcb, &r[0]), [DeviceEvent::Alarm]);
    let said = Said::of(Source::Ntcb, &r[0]);
    assert_eq!((said.powered, said.odometer_m), (Some(false), Some(1000)));
}
