use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, fraction, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Record, Sniff};
use super::{CRC, STREAM, sniff};

const IMEI: &str = "352093081452251";

/// A message of this command and payload, with its length and checksum.
fn message(command: u8, payload: &str) -> Vec<u8> {
    let mut body = 352_093_081_452_251u64.to_be_bytes().to_vec();
    body.push(command);
    body.extend(hex(payload));
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], &body, &CRC.checksum(&body).to_be_bytes()].concat()
}

/// Longitude 37.605125, latitude 48.853250, 74 m, 287 degrees, 11 satellites, 36 km/h, HDOP 0.9.
const WHERE: &str = "166a1632 1d1e6a14 02e4 701c 0b 0024 09";

#[test]
fn a_record_has_parameters_of_four_widths() {
    let one_byte = "03 05 01 20 f0 58 01";
    let payload =
        format!("00 01 6a3276c2 00 00 {WHERE} 07 {one_byte} 02 1d 31dd 1e 0ebd 01 41 000077fa 01 72 0000000000000001");
    let heard = one(&STREAM, &message(1, &payload));
    assert_eq!(heard.reply.taken, hex("0002640113bc"));
    assert_eq!(heard.reply.refused, [&hex("00026400")[..], &CRC.checksum(&[100, 0]).to_be_bytes()].concat());
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r[0].device, Some(DeviceKey::from(IMEI)));
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), somewhere()));
    for (key, value) in [
        (attr::EVENT, AttrValue::Int(7)),
        (AttrKey::Io(5), AttrValue::Int(1)),
        (attr::TEMPERATURE, fraction(-16.0)),
        (attr::ALARM, text("jamming")),
        (attr::POWER, fraction(12.765)),
        (attr::BATTERY, fraction(3.773)),
        (attr::ODOMETER, AttrValue::Int(30_714)),
        (AttrKey::Io(0x72), AttrValue::Int(1)),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
}

#[test]
fn what_did_not_fit_goes_on_in_the_next_record() {
    let part = |n: &str, id: &str| format!("6a3276c2 00 {n} 00 {WHERE} 0007 01 {id} 01 00 00 00");
    let payload = format!("00 03 {} {} {}", part("20", "0199"), part("21", "00ad"), part("00", "0002"));
    let r = records(&STREAM, &message(68, &payload));
    assert_eq!(r.len(), 2);
    assert_eq!(r[0].attribute(&attr::IGNITION), Some(&AttrValue::Bool(true)));
    assert_eq!(r[0].attribute(&attr::MOTION), Some(&AttrValue::Bool(true)));
    assert_eq!(r[1].attribute(&AttrKey::Io(2)), Some(&AttrValue::Int(1)));
    assert_ne!(r[0].sequence, r[1].sequence);
}

#[test]
fn a_device_without_a_fix_says_no_place() {
    let payload = "00 01 6a3276c2 00 00 80000000 80000000 0000 0000 00 0000 00 07 00 00 00 00";
    assert_eq!(records(&STREAM, &message(1, payload))[0].position, None);
}

#[test]
fn trouble_codes_have_places() {
    let heard = one(&STREAM, &message(9, "01 ff 6a3276c2 166a1632 1d1e6a14 02 5030303130"));
    assert_eq!(heard.reply.taken, hex("00026d01c4a4"));
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r[0].attribute(&AttrKey::Name("trouble_code")), Some(&text("P0010")));
    assert_eq!(r[0].attribute(&attr::ARCHIVE), Some(&AttrValue::Bool(true)));
    assert!((r[0].position.unwrap().lat - 48.853_25).abs() < 1e-9);
}

#[test]
fn the_rest_is_answered_as_it_must_be() {
    let key = DeviceKey::from(IMEI);
    let heard = one(&STREAM, &message(15, "00112233"));
    assert_eq!((heard.message, heard.reply.taken), (Message::Login(key), hex("00027301cb25")));
    let both = [message(15, "00"), message(16, "")].concat();
    let last = hear(&STREAM, &both).pop().unwrap().unwrap();
    assert_eq!((last.message, last.reply.taken[..4].to_vec()), (Message::KeepAlive, hex("00027401")));
    // Part 0 of 10 of a file, then the last one.
    let part = one(&STREAM, &message(37, "02 00 4141414141414141 000a 0000 ffd8"));
    assert_eq!(part.reply.taken[..15].to_vec(), hex("000d 89 02 00 4141414141414141 0001"));
    assert!(one(&STREAM, &message(37, "02 00 4141414141414141 000a 0009 ffd8")).reply.taken.is_empty());
    let heard = one(&STREAM, &message(7, "44494e313d31"));
    assert!(heard.reply.taken.is_empty());
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!((r[0].attribute(&attr::TEXT), r[0].position, r[0].time), (Some(&text("DIN1=1")), None, None));
}

#[test]
fn what_is_damaged_is_refused() {
    let good = message(1, &format!("00 01 6a3276c2 00 00 {WHERE} 07 00 00 00 00"));
    for i in 2..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 0x20;
        assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum, "byte {i}");
    }
    assert_eq!(fault(&STREAM, &good[..good.len() - 1]), Kind::Truncated);
    assert_eq!(fault(&STREAM, &message(1, "00 01 6a3276c2 00")), Kind::BadLength);
    assert_eq!(fault(&STREAM, &message(1, "00 00 ff")), Kind::BadLength);
    assert_eq!(fault(&STREAM, &message(99, "")), Kind::UnsupportedCodec);
    assert_eq!(fault(&STREAM, &[0, 3, 1, 2, 3]), Kind::BadPreamble);
}

#[test]
fn a_terminal_is_understood() {
    let mut r = Record::at(UnixMs(1_781_692_098_000), somewhere());
    r.attributes = vec![
        (attr::IGNITION, AttrValue::Bool(true)),
        (attr::POWER, fraction(27.1)),
        (attr::ODOMETER, AttrValue::Int(1_234_567)),
        (AttrKey::Io(900), AttrValue::Int(1 << 40)),
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
fn sniffing_takes_eleven_bytes() {
    let first = message(15, "00");
    assert_eq!(sniff(&first), Sniff::Yes);
    for n in [0, 1, 2, 5, 10] {
        assert_eq!(sniff(&first[..n]), Sniff::NeedMore, "{n}");
    }
    for not in [&b"\x00\x0f352093081452251"[..], b"#L#", b"\x00\x00\x00\x00", b"\x01\x17\x80\x01"] {
        assert_eq!(sniff(not), Sniff::No, "{not:?}");
    }
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let payload = format!("00 01 6a3276c2 00 00 {WHERE} 07 01 58 01 01 1d 0bb8 01 41 000077fa 00");
    let said = Said::of(Source::Ruptela, &records(&STREAM, &message(1, &payload))[0]);
    assert_eq!((said.powered, said.odometer_m), (Some(false), Some(30_714)), "3.0 V");
    assert_eq!(said.raised.iter().collect::<Vec<_>>(), [DeviceEvent::Jamming]);
    let extended = format!("00 01 6a3276c2 00 00 00 {WHERE} 0007 02 02f6 01 019a 01 00 00 00");
    let opened = &records(&STREAM, &message(68, &extended))[0];
    assert_eq!(raised(Source::Ruptela, opened), [DeviceEvent::Tamper, DeviceEvent::Tow]);
}
