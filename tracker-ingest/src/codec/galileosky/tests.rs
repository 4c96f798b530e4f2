use transit_model::time::UnixMs;

use super::super::testing::{NOW, fault, hear, hex, one, records, same, somewhere, talk};
use super::super::wire::{attr, fraction, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Record, Sniff};
use super::{CRC, STREAM, sniff};

/// A packet of these tags with its checksum.
fn packet(header: u8, tags: &str) -> Vec<u8> {
    let tags = hex(tags);
    let mut out = vec![header];
    out.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
    out.extend(tags);
    out.extend(CRC.checksum(&out).to_le_bytes());
    out
}

const IMEI: &str = "352093081452251";
/// Tag 03 and the digits of the IMEI.
const WHO: &str = "03 333532303933303831343532323531";
/// Time 1 781 692 098, at 48.853250 37.605125 by eleven satellites.
const WHERE: &str = "20 c276326a 30 0b 0271e902 05cf3d02";

fn answer(of: &[u8]) -> Vec<u8> {
    [&[2], &of[of.len() - 2..]].concat()
}

#[test]
fn a_first_packet_says_who_it_is() {
    let first = packet(1, &format!("01 11 02 df {WHO} 04 3200"));
    let heard = one(&STREAM, &first);
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    assert_eq!((heard.reply.taken, heard.reply.refused), (answer(&first), vec![]));
    assert_eq!(fault(&STREAM, &packet(1, "03 0000000000000000000000000000ff")), Kind::BadField);
}

#[test]
fn a_tag_that_comes_again_begins_the_next_record() {
    let tags = format!(
        "10 0100 {WHERE} 33 6801 360b 34 4a00 35 09 40 0142 41 0a6a 42 1510 43 f0 45 0400 46 0020 50 0501 c4 4b d4 993b0500 f0 01000000
         10 0200 20 c376326a 34 0000 35 09
         10 0300 20 c476326a 30 15 00000000 00000000"
    );
    let packet = packet(1, &tags);
    let heard = one(&STREAM, &packet);
    assert_eq!(heard.reply.taken, answer(&packet));
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r.iter().map(|r| r.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    same(&r[0], &Record::at(UnixMs(1_781_692_098_000), somewhere()));
    let p = r[0].position.unwrap();
    assert!((p.bearing.unwrap() - 287.0).abs() < 0.01 && p.satellites == Some(11));
    for (key, value) in [
        (attr::MOTION, AttrValue::Bool(true)),
        (attr::IGNITION, AttrValue::Bool(true)),
        (attr::ALARM, text("general")),
        (attr::POWER, fraction(27.146)),
        (attr::BATTERY, fraction(4.117)),
        (attr::TEMPERATURE, fraction(-16.0)),
        (attr::OUTPUTS, AttrValue::Int(4)),
        (attr::INPUTS, AttrValue::Int(0x2000)),
        (AttrKey::Own("adc0".into()), AttrValue::Int(0x105)),
        (AttrKey::Io(0xC4), AttrValue::Int(0x4B)),
        (attr::ODOMETER, AttrValue::Int(342_937)),
        (AttrKey::Io(0xF0), AttrValue::Int(1)),
    ] {
        assert_eq!(r[0].attribute(&key), Some(&value), "{key}");
    }
    // An altitude without coordinates is no position; coordinates it does not stand by are one, not valid.
    assert_eq!(r[1].position, None);
    assert!(!r[2].position.unwrap().valid);
}

#[test]
fn long_tags_are_passed_by_their_length() {
    let tags =
        format!("{WHERE} 21 fa00 e0 01000000 e1 02 4f4b ea 03 010203 5c {} fe 0600 8300 ff00 8500", "00".repeat(68));
    let r = &records(&STREAM, &packet(1, &tags))[0];
    assert_eq!(r.time, Some(UnixMs(1_781_692_098_250)));
    assert_eq!(r.attribute(&attr::TEXT), Some(&text("OK")));
    assert_eq!(r.attribute(&AttrKey::Io(0xEA)), Some(&AttrValue::Bytes([1, 2, 3].into())));
    assert_eq!(r.attribute(&AttrKey::Io(0xFE)).map(|v| matches!(v, AttrValue::Bytes(b) if b.len() == 6)), Some(true));
}

#[test]
fn a_packet_that_names_its_device_speaks_for_it_ever_after() {
    let both = [packet(1, &format!("{WHO} 10 0100 {WHERE}")), packet(1, &format!("10 0200 {WHERE}"))].concat();
    for heard in hear(&STREAM, &both) {
        let Message::Records(r) = heard.unwrap().message else { panic!() };
        assert_eq!(r[0].device, Some(DeviceKey::from(IMEI)));
    }
}

#[test]
fn a_compressed_record_is_ten_bytes_and_tags() {
    // Second 14 516 130 of the year (17 June 2026 or the last one before now), valid, 37.605125 E, 48.853250 N.
    let lon = ((37.605_125f64 + 180.0) * 4_194_304.0 / 360.0).round() as u128;
    let lat = ((48.853_25f64 + 90.0) * 2_097_152.0 / 180.0).round() as u128;
    let bits = (14_516_130u128 << 54) | (lon << 31) | (lat << 10) | (1 << 9) | 5;
    let minimal: String = bits.to_be_bytes()[6..].iter().map(|b| format!("{b:02x}")).collect();
    let sent = packet(8, &format!("{minimal} 02 33 41 6801 360b 0a6a {minimal} 00"));
    let heard = one(&STREAM, &sent);
    assert_eq!(heard.reply.taken, answer(&sent));
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r.len(), 2);
    let p = r[0].position.unwrap();
    assert!((p.lat - 48.853_25).abs() < 1e-4 && (p.lon - 37.605_125).abs() < 1e-4 && p.valid);
    assert!((p.speed.unwrap() - 10.0).abs() < 0.01);
    assert_eq!(r[0].attribute(&attr::ALARM), Some(&text("general")));
    assert_eq!(r[0].attribute(&AttrKey::Name("user")), Some(&AttrValue::Int(5)));
    // The server's clock says June 2025; a second still to come this year was of the last.
    let time = r[0].time.unwrap();
    assert!(time.secs_since(NOW) <= 86_400 && NOW.secs_since(time) < 366 * 86_400, "{time:?}");
    assert_eq!(fault(&STREAM, &packet(8, &format!("{minimal} 02 33"))), Kind::BadLength);
}

#[test]
fn a_message_by_satellite_has_elements() {
    let header = "01 001c 00000001 333532303933303831343532323531 00 00000000 6a3276c2";
    let beam = "03 000b 00 30 c89a 25 8e1a 00000003";
    let place = format!("02 {:04x} {WHERE}", 15);
    let message = |elements: &str| {
        let body = hex(elements);
        [vec![1], u16::try_from(body.len()).unwrap().to_be_bytes().to_vec(), body].concat()
    };
    let heard = one(&STREAM, &message(&format!("{header}{beam}{place}")));
    assert!(heard.reply.taken.is_empty());
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!(r[0].device, Some(DeviceKey::from(IMEI)));
    assert!((r[0].position.unwrap().lat - 48.853_25).abs() < 1e-9 && r[0].position.unwrap().valid);
    // The beam alone is a guess of kilometres.
    let r = records(&STREAM, &message(&format!("{header}{beam}")));
    let p = r[0].position.unwrap();
    assert!((p.lat - 48.857).abs() < 0.01 && p.accuracy == Some(3000.0) && !p.valid, "{p:?}");
    assert_eq!(fault(&STREAM, &message(&format!("{header} 03 00ff 00"))), Kind::BadLength);
}

#[test]
fn a_picture_is_let_go_by() {
    let sent = packet(7, "01 ffd8ffe0");
    let heard = one(&STREAM, &sent);
    assert_eq!((heard.message, heard.reply.taken), (Message::KeepAlive, [&[7], &sent[sent.len() - 2..]].concat()));
}

#[test]
fn what_is_damaged_is_refused() {
    let good = packet(1, &format!("10 0100 {WHERE}"));
    for i in HEADLESS..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 4;
        assert_eq!(fault(&STREAM, &bad), Kind::BadChecksum, "byte {i}");
    }
    assert_eq!(fault(&STREAM, &good[..good.len() - 1]), Kind::Truncated);
    assert_eq!(fault(&STREAM, &packet(1, "10 01")), Kind::BadLength);
    assert_eq!(fault(&STREAM, &packet(1, "ef 01")), Kind::BadField);
    assert_eq!(fault(&STREAM, &[0x24, 0, 0, 0, 0]), Kind::BadPreamble);
}

/// Where a flipped bit does not change where the packet ends.
const HEADLESS: usize = 3;

#[test]
fn a_terminal_is_understood() {
    let mut r = Record { sequence: 7, ..Record::at(UnixMs(1_781_691_330_250), somewhere()) };
    r.attributes = vec![
        (attr::IGNITION, AttrValue::Bool(true)),
        (attr::POWER, fraction(27.1)),
        (attr::INPUTS, AttrValue::Int(5)),
        (attr::ODOMETER, AttrValue::Int(1_234_567)),
    ];
    let none = Record { time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, IMEI, &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
        let [Message::Login(_), Message::Records(one), Message::Records(two)] = &told[..] else { panic!("{told:?}") };
        for (got, want) in one.iter().chain(two).zip([&r, &none, &r]) {
            same(got, want);
            assert_eq!(got.sequence, want.sequence);
            assert!(want.attributes.iter().all(|a| got.attributes.contains(a)), "{got:?}");
        }
    }
}

#[test]
fn sniffing_takes_four_bytes() {
    assert_eq!(sniff(&packet(1, WHO)), Sniff::Yes);
    for open in [&[][..], &[1], &[1, 2, 3]] {
        assert_eq!(sniff(open), Sniff::NeedMore);
    }
    for not in [&[0, 15, 0x33, 0x35][..], b"#L#1", &[1, 2, 3, 0xFF]] {
        assert_eq!(sniff(not), Sniff::No);
    }
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let of = |status: &str| {
        records(&STREAM, &packet(1, &format!("{WHO} 10 0100 {WHERE} 40 {status} 41 0000 d4 d2040000"))).remove(0)
    };
    let both = of("6002");
    assert_eq!(raised(Source::Galileosky, &both), [DeviceEvent::AntennaCut, DeviceEvent::LowBattery]);
    let said = Said::of(Source::Galileosky, &both);
    assert_eq!((said.powered, said.ignition, said.odometer_m), (Some(false), Some(true), Some(1234)));
    assert!(raised(Source::Galileosky, &of("0000")).is_empty());
}
