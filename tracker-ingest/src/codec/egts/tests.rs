use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, fraction};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Record, Sniff};
use super::{APPDATA, STREAM, packet, sniff, subrecord};

const IMEI: &str = "352093081452251";

/// A record of this number, object, service and subrecords.
fn record(number: u16, object: Option<u32>, service: u8, body: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    out.extend(number.to_le_bytes());
    out.push(u8::from(object.is_some()));
    out.extend(object.into_iter().flat_map(u32::to_le_bytes));
    out.extend([service, service]);
    out.extend_from_slice(body);
    out
}

/// Second 519 388 098 of the order's years, 48.85325 N, 37.605125 E, valid and moving, 36.0 km/h at 287 degrees,
/// 100 m, input 1, by timer, 74 m up.
fn place() -> Vec<u8> {
    let part = |v: f64, most: f64| ((v * f64::from(u32::MAX) / most).round() as u32).to_le_bytes();
    let mut v = 519_388_098u32.to_le_bytes().to_vec();
    v.extend(part(48.853_25, 90.0));
    v.extend(part(37.605_125, 180.0));
    v.extend(hex("91 6881 1f 010000 01 00 4a0000"));
    subrecord(16, &v)
}

#[test]
fn a_record_says_where_and_how() {
    // HDOP 0.90 and eleven satellites; outputs 2, inputs of the second octet, one analog; 24.0 V and 4.1 V; a level.
    let more = [
        subrecord(17, &hex("0a 5a00 0b")),
        subrecord(18, &hex("02 02 01 05 150100")),
        subrecord(20, &hex("01 f0 29 00 00")),
        subrecord(27, &hex("00 0100 ae0e0000")),
        subrecord(28, &hex("0102")),
    ];
    let body = [place(), more.concat()].concat();
    let sent = packet(APPDATA, 0x2489, &record(0x53ED, Some(7001), 2, &body));
    let heard = one(&STREAM, &sent);
    let Message::Records(r) = heard.message else { panic!() };
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), somewhere()));
    assert_eq!(r[0].device, Some(DeviceKey::from("7001")));
    assert_eq!(r[0].position.unwrap().satellites, Some(11));
    for (key, value) in [
        (attr::ODOMETER, AttrValue::Int(100)),
        (attr::INPUTS, AttrValue::Int(1)),
        (attr::MOTION, AttrValue::Bool(true)),
        (attr::OUTPUTS, AttrValue::Int(2)),
        (AttrKey::Own("inputs2".into()), AttrValue::Int(5)),
        (AttrKey::Own("adc1".into()), AttrValue::Int(277)),
        (attr::POWER, fraction(24.0)),
        (attr::BATTERY, fraction(4.1)),
        (AttrKey::Own("liquid1".into()), AttrValue::Int(3758)),
        (AttrKey::Io(28), AttrValue::Bytes([1, 2].into())),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
}

#[test]
fn a_relay_speaks_for_many_and_each_record_is_answered() {
    let data = [record(1, Some(7001), 2, &place()), record(2, Some(7002), 2, &place()), record(3, None, 2, &place())];
    let heard = one(&STREAM, &packet(APPDATA, 5, &data.concat()));
    let Message::Records(r) = heard.message else { panic!() };
    let devices: Vec<_> = r.iter().map(|r| r.device.clone().unwrap().expose().to_owned()).collect();
    assert_eq!(devices, ["7001", "7002", "7002"]);
    // Packet 5, result 0; a record of service 2 that confirms record 1, 2 or 3.
    let answer = |n: u16, of: u8| packet(0, n, &hex(&format!("0005 00 0600 0000 00 02 02 00 0300 {of:02x}00 00")));
    assert_eq!(heard.reply.taken, [answer(0, 1), answer(1, 2), answer(2, 3)].concat());
    assert!(heard.reply.refused.is_empty());
}

#[test]
fn a_terminal_says_who_it_is() {
    let identity = [&hex("01000000 02")[..], IMEI.as_bytes()].concat();
    let login = packet(APPDATA, 0x0102, &record(9, None, 1, &subrecord(1, &identity)));
    let heard = one(&STREAM, &login);
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    let response = packet(0, 0, &hex("0102 00 0600 0000 00 01 01 00 0300 0900 00"));
    let result = packet(1, 1, &hex("0400 0000 00 01 01 07 0100 00"));
    assert_eq!(heard.reply.taken, [response, result].concat());
    // Its records are its own, whatever object they name.
    let both = [login, packet(APPDATA, 0x0103, &record(10, Some(7), 2, &place()))].concat();
    let Message::Records(r) = hear(&STREAM, &both).pop().unwrap().unwrap().message else { panic!() };
    assert_eq!(r[0].device, Some(DeviceKey::from(IMEI)));
    // One without an IMEI is its number.
    let bare = packet(APPDATA, 1, &record(9, None, 1, &subrecord(1, &hex("2a000000 00"))));
    assert_eq!(one(&STREAM, &bare).message, Message::Login(DeviceKey::from("42")));
}

#[test]
fn a_sender_that_repeats_itself_is_answered_by_the_letter() {
    let identity = [&hex("01000000 02")[..], IMEI.as_bytes()].concat();
    let login = packet(APPDATA, 0x0102, &record(9, None, 1, &subrecord(1, &identity)));
    let twice = hear(&STREAM, &[login.clone(), login].concat());
    let response = packet(0, 2, &hex("0201 00 0600 0000 00 01 01 00 0300 0900 00"));
    let result = packet(1, 3, &hex("0400 0000 00 01 01 09 0100 00"));
    assert_eq!(twice[1].as_ref().unwrap().reply.taken, [response, result].concat());
}

#[test]
fn a_place_may_be_negative_invalid_or_missing() {
    let flagged = |flags: &str, speed: &str| {
        let mut v = hex("00000000 00000080 00000080");
        v.extend(hex(&format!("{flags} {speed} 00 000000 00 0d 0a0000")));
        records(&STREAM, &packet(APPDATA, 1, &record(1, Some(1), 2, &subrecord(16, &v)))).remove(0)
    };
    let p = flagged("e0", "0040").position.unwrap();
    assert!((p.lat + 45.0).abs() < 1e-6 && (p.lon + 90.0).abs() < 1e-6 && p.altitude == Some(-10.0) && !p.valid);
    assert_eq!(flagged("89", "0000").attribute(&attr::ARCHIVE), Some(&AttrValue::Bool(true)));
    assert_eq!(flagged("81", "0000").attribute(&attr::ALARM), Some(&AttrValue::Text("sos".into())));
    let r = records(&STREAM, &packet(APPDATA, 1, &record(1, Some(1), 2, &subrecord(17, &hex("08 0b")))));
    assert_eq!((r[0].position, r[0].attribute(&attr::SATELLITES)), (None, Some(&AttrValue::Int(11))));
}

#[test]
fn other_packets_are_let_go_by_or_refused() {
    for alive in [packet(0, 1, &hex("010000")), packet(1, 1, &record(2, None, 1, &subrecord(5, &hex("00ab080000"))))] {
        assert_eq!(one(&STREAM, &alive).message, Message::KeepAlive);
    }
    // A signature of three bytes before the record.
    let signed = [&hex("0300 aabbcc")[..], &record(1, Some(1), 2, &place())].concat();
    assert_eq!(records(&STREAM, &packet(2, 1, &signed)).len(), 1);
    assert_eq!(fault(&STREAM, &packet(9, 1, &hex("00"))), Kind::UnsupportedCodec);
    let mut locked = packet(1, 1, &record(1, Some(1), 2, &place()));
    locked[2] = 0x08;
    locked[10] = super::HEAD_CRC.checksum(&locked[..10]);
    assert_eq!(fault(&STREAM, &locked), Kind::UnsupportedCodec);
}

#[test]
fn what_is_damaged_is_refused() {
    let good = packet(APPDATA, 1, &record(1, Some(1), 2, &place()));
    for i in (0..good.len()).filter(|i| !matches!(i, 0 | 3 | 5 | 6)) {
        let mut bad = good.clone();
        bad[i] ^= 0x10;
        assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum, "byte {i}");
    }
    assert_eq!(fault(&STREAM, &good[..good.len() - 1]), Kind::Truncated);
    assert_eq!(fault(&STREAM, &packet(APPDATA, 1, &hex("ff00 0100 00 02 02"))), Kind::BadLength);
    assert_eq!(fault(&STREAM, &packet(APPDATA, 1, &record(1, None, 2, &hex("10 ff00 00")))), Kind::BadLength);
    for no in [&hex("02 00 00 0b 00 0000 0000 01")[..], &hex("01 00 00 0c 00 0000 0000 01")] {
        assert_eq!(fault(&STREAM, no), Kind::BadPreamble);
    }
}

#[test]
fn a_terminal_of_ours_is_understood() {
    let mut r = Record::at(UnixMs(1_781_692_098_000), somewhere());
    r.attributes = vec![
        (attr::ODOMETER, AttrValue::Int(1_234_500)),
        (attr::INPUTS, AttrValue::Int(5)),
        (attr::MOTION, AttrValue::Bool(true)),
        (attr::POWER, fraction(24.1)),
    ];
    let none = Record { time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, IMEI, &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
        let [Message::Login(_), Message::Records(one), Message::Records(two)] = &told[..] else { panic!("{told:?}") };
        for (got, want) in one.iter().chain(two).zip([&r, &none, &r]) {
            same(got, want);
            assert!(want.attributes.iter().all(|a| got.attributes.contains(a)), "{got:?}");
        }
    }
}

#[test]
fn sniffing_checks_the_header() {
    let first = packet(APPDATA, 1, &record(1, Some(1), 2, &place()));
    assert_eq!(sniff(&first), Sniff::Yes);
    assert_eq!(sniff(&first[..10]), Sniff::NeedMore);
    let mut other = first;
    other[10] ^= 1;
    assert_eq!(sniff(&other), Sniff::No);
    assert_eq!(sniff(b"\x01\x17\x80\x01"), Sniff::No);
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let by = |source: &str| {
        let mut v = place();
        // Behind the kind and length of the subrecord.
        v[3 + 20] = u8::from_str_radix(source, 16).unwrap();
        records(&STREAM, &packet(APPDATA, 1, &record(1, Some(1), 2, &v))).remove(0)
    };
    for (source, event) in [
        ("0a", DeviceEvent::Tamper),
        ("0b", DeviceEvent::PowerCut),
        ("0c", DeviceEvent::LowBattery),
        ("0d", DeviceEvent::Panic),
        ("19", DeviceEvent::AntennaCut),
    ] {
        assert_eq!(raised(Source::Egts, &by(source)), [event], "{source}");
    }
    assert_eq!(Said::of(Source::Egts, &by("00")).odometer_m, Some(100));
    let state = |flags: &str| {
        let body = [place(), subrecord(21, &hex(&format!("02 f0 29 00 {flags}")))].concat();
        Said::of(Source::Egts, &records(&STREAM, &packet(APPDATA, 1, &record(1, Some(1), 2, &body)))[0]).powered
    };
    assert_eq!((state("00"), state("01")), (Some(true), Some(false)), "24.0 V, and living on the backup battery");
}
