use super::super::testing::{THEN as NOW, first, first_records, near, sniffs};
use super::super::{AttrKey, AttrValue, Position};
use super::*;

const IMEI: &str = "352093081452251";

/// A message of a device with its length and checksum.
fn say(what: &[u8]) -> Vec<u8> {
    let rest = [format!(",{IMEI},").as_bytes(), what, b"*"].concat();
    finish([format!("$$A{}", rest.len() + 4).as_bytes(), &rest].concat())
}

fn hear(bytes: &[u8]) -> Result<Heard, DecodeError> {
    first(&STREAM, bytes)
}

fn records(bytes: &[u8]) -> Vec<Record> {
    first_records(&STREAM, bytes)
}

const AAA: &[u8] = b"AAA,1,48.850000,37.600000,240614044449,A,9,22,36,91,0.8,120,12345,187884,255|1|2A13|634E,0102,0000|0000|0000|09DA|0B34,,";

#[test]
fn a_place_in_text_is_read() {
    let message = say(AAA);
    let r = &records(&message)[0];
    let p = near(r, 48.85, 37.6);
    assert_eq!((r.time, r.device.clone()), (Some(NOW), Some(DeviceKey::from(IMEI))));
    assert!((p.speed.unwrap() - 10.0).abs() < 1e-6 && p.valid);
    assert_eq!((p.bearing, p.altitude, p.satellites, p.hdop), (Some(91.0), Some(120.0), Some(9), Some(0.8)));
    for (name, value) in [
        ("alarm", AttrValue::Text("sos".into())),
        ("odometer", AttrValue::Float(12_345.0)),
        ("inputs", AttrValue::Int(1)),
        ("outputs", AttrValue::Int(2)),
    ] {
        assert_eq!(r.attribute(&AttrKey::Name(name)), Some(&value), "{name}");
    }
    assert_eq!(hear(&message).unwrap().reply, Reply::none());
    // Without its line end, and with a number between the command and the event.
    near(&records(&message[..message.len() - 2])[0], 48.85, 37.6);
    near(
        &records(&say(b"AFF,0004,35,48.850000,37.600000,240614044449,V,9,22,36,91,0.8,120,1,1,255|1|2|6,0102,,"))[0],
        48.85,
        37.6,
    );
}

#[test]
fn a_line_with_a_wrong_checksum_is_kept_and_not_believed() {
    let mut message = say(AAA);
    message[30] ^= 1;
    let r = &records(&message)[0];
    assert!(!r.position.unwrap().valid);
}

#[test]
fn places_in_binary_are_answered_by_their_count() {
    let at = |valid| {
        Record::at(
            NOW,
            Position { lat: 48.85, lon: -37.6, satellites: Some(9), hdop: Some(0.8), valid, ..Position::default() },
        )
    };
    let mut device = (STREAM.terminal)(&DeviceKey::from(IMEI));
    let message = device.tell(&[at(true), at(false)]).unwrap();
    let heard = hear(&message).unwrap();
    assert_eq!(heard.reply.taken, command(b'A', IMEI, "CCC,2"));
    assert!(heard.reply.taken.starts_with(b"@@A27,352093081452251,CCC,2*") && heard.reply.refused.is_empty());
    let r = records(&message);
    assert!(near(&r[0], 48.85, -37.6).valid && !near(&r[1], 48.85, -37.6).valid);
    assert_eq!((r[0].time, r[0].position.unwrap().hdop), (Some(NOW), Some(0.8)));
}

/// One place of CCE: event 35, a fix, nine satellites; 36 km/h, 91 degrees, HDOP 0.8, 120 m, 12.65 V; the place,
/// the time and the odometer; one parameter behind its length.
fn cce() -> Vec<u8> {
    let mut one = vec![0x18, 0, 4, 0x01, 35, 0x05, 1, 0x06, 9, 0xFE, 0x69, 80];
    one.extend_from_slice(&[5, 0x08, 36, 0, 0x09, 91, 0, 0x0A, 8, 0, 0x0B, 120, 0, 0x1A, 0xF1, 0x04]);
    one.push(4);
    let seconds = u32::try_from((NOW.0 - EPOCH_MS) / 1000).unwrap();
    for (id, v) in [(2, 48_850_000u32), (3, 37_600_000), (4, seconds), (0x0C, 12_345)] {
        one.push(id);
        one.extend_from_slice(&v.to_le_bytes());
    }
    one.extend_from_slice(&[1, 0xFE, 0x31, 2, b'*', b'\n']);
    one
}

fn cce_message(count: u16, places: usize) -> Vec<u8> {
    let mut what = b"CCE,\0\0\0\0".to_vec();
    what.extend_from_slice(&count.to_le_bytes());
    for _ in 0..places {
        what.extend_from_slice(&u16::try_from(cce().len()).unwrap().to_le_bytes());
        what.extend_from_slice(&cce());
    }
    say(&what)
}

#[test]
fn lists_of_parameters_are_read() {
    let r = records(&cce_message(2, 2));
    assert_eq!((r.len(), r[1].time), (2, Some(NOW)));
    let p = near(&r[1], 48.85, 37.6);
    assert_eq!(
        (p.bearing, p.altitude, p.satellites, p.hdop, p.valid),
        (Some(91.0), Some(120.0), Some(9), Some(0.8), true)
    );
    assert_eq!(r[1].attribute(&AttrKey::Name("power")), Some(&AttrValue::Float(12.65)));
    assert_eq!(r[1].attribute(&AttrKey::Name("battery_percent")), Some(&AttrValue::Int(80)));
    for (count, places) in [(3, 2), (1, 2), (0, 0)] {
        assert_eq!(hear(&cce_message(count, places)).unwrap_err().kind, Kind::BadLength);
    }
}

#[test]
fn what_has_no_place_says_who_it_is() {
    let heard = hear(&say(b"AAC,1")).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    assert_eq!(heard.reply.taken, command(b'A', IMEI, "AAC,1"));
    assert_eq!(hear(&say(b"D82,0")).unwrap().message, Message::Login(DeviceKey::from(IMEI)));
    let nowhere = b"AAA,35,0.000000,0.000000,240614044449,V,0,22,0,0,0.0,0,0,10,0|0|0000|0000,0000,,";
    assert_eq!(records(&say(nowhere))[0].position, None);
}

#[test]
fn damage_is_refused_and_not_answered() {
    let good = cce_message(1, 1);
    for bit in 3 * 8..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match hear(&bad) {
            Err(_) => {}
            // A command that became one without a place is passed over.
            Ok(heard) => {
                assert!(!matches!(heard.message, Message::Records(_)) && heard.reply == Reply::none(), "bit {bit}")
            }
        }
    }
    for (bytes, kind) in [
        (&say(b"AAA,35,48.85x,37.6,240614044449,A,9,22,36,91")[..], Kind::BadField),
        (&say(b"AAA,35,48.85,37.6,241314044449,A,9,22,36,91"), Kind::BadField),
        (&good[..40], Kind::Truncated),
        (b"GET / HTTP/1.1", Kind::BadPreamble),
        (b"$$A99999,352093081452251,CCC,", Kind::Oversize),
    ] {
        assert_eq!(hear(bytes).unwrap_err().kind, kind, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"$$A28,"[..], Sniff::Yes),
            (b"$$", Sniff::NeedMore),
            (b"$$u2", Sniff::NeedMore),
            (b"$GPRMC", Sniff::No),
            (b"$\x12\x34", Sniff::No),
        ],
    );
}

#[test]
fn a_device_is_understood_and_understands() {
    let mut device = (STREAM.terminal)(&DeviceKey::from(IMEI));
    assert!(device.hello().unwrap().is_empty());
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        altitude: Some(-7.0),
        speed: Some(12.5),
        bearing: Some(271.0),
        satellites: Some(9),
        hdop: Some(0.8),
        valid: true,
        ..Position::default()
    };
    for n in [1, 12] {
        let heard = hear(&device.tell(&vec![Record::at(NOW, p); n]).unwrap()).unwrap();
        let Message::Records(records) = &heard.message else { panic!() };
        assert_eq!((records.len(), records[n - 1].position), (n, Some(p)));
        let answer = &heard.reply.taken;
        assert_eq!(device.hear(&answer[..9]), Ok(Answer::Unfinished));
        assert_eq!(device.hear(answer), Ok(Answer::Taken(answer.len())));
        let other = command(b'A', IMEI, "CCC,7");
        assert_eq!(device.hear(&other), Ok(Answer::Refused(other.len())));
    }
    assert!(device.tell(&[]).is_err() && device.tell(&vec![Record::at(NOW, p); 21]).is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let event = |code: u16| {
        let line = String::from_utf8_lossy(AAA).replacen("AAA,1,", &format!("AAA,{code},"), 1);
        records(&say(line.as_bytes())).remove(0)
    };
    for (code, said) in [
        (1, Some(DeviceEvent::Panic)),
        (17, Some(DeviceEvent::LowBattery)),
        (18, Some(DeviceEvent::LowPower)),
        (22, Some(DeviceEvent::PowerBack)),
        (23, Some(DeviceEvent::PowerCut)),
        (28, Some(DeviceEvent::AntennaCut)),
        (36, Some(DeviceEvent::Tow)),
        (35, None),
    ] {
        assert_eq!(raised(Source::Meitrack, &event(code)), said.into_iter().collect::<Vec<_>>(), "{code}");
    }
    assert_eq!(Said::of(Source::Meitrack, &event(35)).odometer_m, Some(12_345));
}
