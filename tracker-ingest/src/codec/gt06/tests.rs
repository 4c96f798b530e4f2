use super::super::testing::{THEN as NOW, first, first_records};
use super::super::{AttrKey, AttrValue, Message, Position};
use super::*;

const IMEI: &str = "352093081452251";

/// 2024-06-14 04:44:49, nine satellites, 48.85 N 37.6 E, 36 km/h towards 91 degrees, a fix.
const PLACE: [u8; 18] =
    [24, 6, 14, 4, 44, 49, 0xC9, 0x05, 0x3D, 0xB4, 0x90, 0x04, 0x08, 0xB7, 0x00, 36, 0b0001_0100, 91];

fn hear(bytes: &[u8]) -> Result<Heard, DecodeError> {
    first(&STREAM, bytes)
}

fn record(kind: u8, content: &[u8]) -> Record {
    first_records(&STREAM, &wrap(false, kind, content, 7)).remove(0)
}

fn near(p: Position, lat: f64, lon: f64) {
    assert!((p.lat - lat).abs() < 1e-6 && (p.lon - lon).abs() < 1e-6, "{p:?}");
}

#[test]
fn a_login_is_answered_as_the_document_shows() {
    let login = wrap(false, LOGIN, &pack(&format!("0{IMEI}")).unwrap(), 1);
    let heard = hear(&login).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    // The document's own example of an answer, checksum and all.
    assert_eq!(heard.reply.taken, [0x78, 0x78, 5, 1, 0, 1, 0xD9, 0xDC, 0x0D, 0x0A]);
    assert!(heard.reply.refused.is_empty());
    let letters = wrap(false, LOGIN, &[0x0A; 8], 1);
    assert_eq!(hear(&letters).unwrap_err().kind, Kind::BadLogin);
}

#[test]
fn every_kind_with_a_location_is_located() {
    let cell = [0x00, 0xFF, 1, 0x12, 0x34, 0, 0x56, 0x78];
    for kind in
        [0x10, 0x11, 0x12, 0x16, 0x1A, 0x1E, 0x22, 0x26, 0x27, 0x2D, 0x31, 0x32, 0x37, 0xA0, 0xA3, 0xA4, 0x17, 0x36]
    {
        let r = record(kind, &[&PLACE[..], &cell].concat());
        let p = r.position.unwrap();
        assert_eq!((r.time, p.satellites, p.bearing, p.valid), (Some(NOW), Some(9), Some(91.0), true));
        assert!((p.speed.unwrap() - 10.0).abs() < 1e-6, "kind {kind:#x}");
        near(p, 48.85, 37.6);
    }
}

#[test]
fn a_location_may_stand_behind_other_things() {
    let named = [&[1u8][..], &[3, 0x52, 0x09, 0x30, 0x81, 0x45, 0x22, 0x51], &PLACE[..6], &PLACE].concat();
    near(record(0x22, &named).position.unwrap(), 48.85, 37.6);
    near(
        record(0x61, &[&[3, 0x52, 0x09, 0x30, 0x81, 0x45, 0x22, 0x51][..], &PLACE].concat()).position.unwrap(),
        48.85,
        37.6,
    );
    near(record(0x34, &[&[0; 4][..], &PLACE].concat()).position.unwrap(), 48.85, 37.6);
}

#[test]
fn hemispheres_and_a_lost_fix_are_in_the_flags() {
    let mut south_west = PLACE;
    south_west[16] = 0b0000_1000;
    let p = record(0x12, &south_west).position.unwrap();
    near(p, -48.85, -37.6);
    assert!(!p.valid);
    let mut nowhere = PLACE;
    nowhere[7..15].fill(0);
    assert_eq!(record(0x12, &nowhere).position, None);
}

#[test]
fn what_follows_a_location_is_kept() {
    let name = AttrKey::Name;
    let cell = [0x00, 0xFF, 1, 0x12, 0x34, 0, 0x56, 0x78];
    let r = record(0x22, &[&PLACE[..], &cell, &[1, 2, 1, 0, 0, 0x30, 0x39]].concat());
    assert_eq!(r.attribute(&name("ignition")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&name("event")), Some(&AttrValue::Int(2)));
    assert_eq!(r.attribute(&name("archive")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&name("odometer")), Some(&AttrValue::Float(12_345.0)));
    // Status: ignition, charging, SOS in the bits; battery 3 of 6; a power cut in its own byte.
    let r = record(0x26, &[&PLACE[..], &[9], &cell, &[0b0010_0110, 3, 4, 2, 2]].concat());
    assert_eq!(r.attribute(&name("ignition")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&name("charging")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&name("battery_percent")), Some(&AttrValue::Int(50)));
    assert_eq!(r.attribute(&name("alarm")), Some(&AttrValue::Text("power_cut".into())));
}

#[test]
fn an_alarm_without_a_place_is_a_record_and_a_quiet_heartbeat_is_none() {
    let quiet = hear(&wrap(false, 0x13, &[0x46, 4, 4, 0, 2], 9)).unwrap();
    assert_eq!(quiet.message, Message::KeepAlive);
    assert_eq!(quiet.reply.taken, wrap(false, 0x13, &[], 9));
    let r = record(0x13, &[0b0001_0000, 4, 4, 0, 2]);
    assert_eq!(r.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("power_cut".into())));
    assert_eq!(r.position, None);
    let r = record(0x95, &[&PLACE[..6], &[0x91, 0]].concat());
    assert_eq!((r.time, r.position), (Some(NOW), None));
    let r = record(0x95, &[&PLACE[..6], &PLACE[7..15], &PLACE[16..], &[0x01, 0]].concat());
    near(r.position.unwrap(), 48.85, 37.6);
    assert_eq!(r.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("sos".into())));
}

#[test]
fn modules_make_one_record() {
    let place = [&[0x66, 0x6B, 0xCA, 0xC1, 11, 0, 120][..], &PLACE[7..]].concat();
    let mut content = vec![0, 0x33, 0, 18];
    content.extend_from_slice(&place);
    content.extend_from_slice(&[0, 0x28, 0, 1, 8, 0, 0x18, 0, 2, 1, 0x9A, 0, 0x99, 0, 0]);
    let heard = hear(&wrap(true, 0x70, &content, 3)).unwrap();
    assert_eq!(heard.reply.taken, wrap(false, 0x70, &[], 3));
    let Message::Records(records) = heard.message else { panic!() };
    let p = records[0].position.unwrap();
    near(p, 48.85, 37.6);
    assert_eq!((records[0].time, p.altitude, p.satellites, p.hdop), (Some(NOW), Some(120.0), Some(11), Some(0.8)));
    assert_eq!(records[0].attribute(&AttrKey::Name("battery")), Some(&AttrValue::Float(4.1)));
    let beyond = hear(&wrap(true, 0x70, &[0, 0x33, 0, 18, 1], 3)).unwrap_err();
    assert_eq!(beyond.kind, Kind::BadLength);
}

#[test]
fn a_kind_with_two_meanings_is_a_place_only_where_it_can_be_one() {
    assert_eq!(hear(&wrap(false, 0xA3, &[0x46, 4, 4, 0, 2], 9)).unwrap().message, Message::KeepAlive);
    let mut cell = PLACE;
    cell[6] = 0x81;
    assert_eq!(hear(&wrap(false, 0xA2, &cell, 9)).unwrap().message, Message::KeepAlive);
}

#[test]
fn a_place_told_in_words_is_read() {
    let words =
        b"Current position!Lat:N48.850000,Lon:E37.600000,Course:91.00,Speed:0.0000,DateTime:2024-06-14  04:44:49";
    let heard = hear(&wrap(true, 0x21, &[&[0, 0, 0, 0, 1][..], words].concat(), 3)).unwrap();
    assert_eq!(heard.reply, Reply::none());
    let Message::Records(records) = heard.message else { panic!() };
    assert_eq!(records[0].time, Some(NOW));
    near(records[0].position.unwrap(), 48.85, 37.6);
}

#[test]
fn the_time_is_told_when_asked() {
    let heard = hear(&wrap(false, TIME_REQUEST, &[], 6)).unwrap();
    assert_eq!(heard.reply.taken, wrap(false, TIME_REQUEST, &[24, 6, 14, 4, 44, 49], 0));
}

#[test]
fn damage_is_refused_and_only_what_is_damaged_is_lost() {
    let good = wrap(false, 0x12, &PLACE, 7);
    for bit in 16..good.len() * 8 - 16 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut session = (STREAM.session)();
        session.feed(&bad);
        session.feed(&good.repeat(20));
        let (mut heard, mut errors) = (0, 0);
        loop {
            match session.next_message(NOW) {
                Ok(Some(h)) => {
                    assert_eq!(h.reply.taken, wrap(false, 0x12, &[], 7));
                    heard += 1;
                }
                Ok(None) => break,
                Err(e) => {
                    assert!(matches!(e.kind, Kind::BadChecksum | Kind::BadLength), "{e}");
                    errors += 1;
                }
            }
        }
        // A longer length swallows the message after it too.
        assert!(errors == 1 && heard >= 1, "bit {bit}: {heard} heard, {errors} errors");
    }
    let mut month = PLACE;
    month[1] = 13;
    assert_eq!(hear(&wrap(false, 0x12, &month, 7)).unwrap_err().kind, Kind::BadField);
    assert_eq!(hear(&wrap(false, 0x12, &PLACE[..9], 7)).unwrap_err().kind, Kind::BadLength);
    assert_eq!(hear(&good[..10]).unwrap_err().kind, Kind::Truncated);
    assert_eq!(hear(b"GET / HTTP/1.1").unwrap_err().kind, Kind::BadPreamble);
    assert_eq!(hear(b"\x78\x78\x01\x08\r\n").unwrap_err().kind, Kind::BadLength);
}

#[test]
fn a_device_is_understood_and_understands() {
    let mut device = (STREAM.terminal)(&DeviceKey::from(IMEI));
    let mut session = (STREAM.session)();
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        speed: Some(12.5),
        bearing: Some(271.0),
        satellites: Some(9),
        valid: true,
        ..Position::default()
    };
    session.feed(&device.hello().unwrap());
    let login = session.next_message(NOW).unwrap().unwrap();
    assert_eq!(login.message, Message::Login(DeviceKey::from(IMEI)));
    assert_eq!(device.hear(&login.reply.taken[..4]), Ok(Answer::Unfinished));
    assert_eq!(device.hear(&login.reply.taken), Ok(Answer::Taken(10)));
    session.feed(&device.tell(&[Record::at(NOW, p)]).unwrap());
    let told = session.next_message(NOW).unwrap().unwrap();
    let Message::Records(records) = &told.message else { panic!() };
    near(records[0].position.unwrap(), -33.456, -70.65);
    assert_eq!(
        records[0].position.map(|q| (q.speed, q.bearing, q.satellites)),
        Some((p.speed, p.bearing, p.satellites))
    );
    assert_eq!(device.hear(&told.reply.taken), Ok(Answer::Taken(10)));
    assert_eq!(device.hear(&login.reply.taken), Ok(Answer::Refused(10)));
    assert!(device.tell(&[]).is_err());
    assert!((STREAM.terminal)(&DeviceKey::from("bus-7")).hello().is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let cell = [0x00, 0xFF, 1, 0x12, 0x34, 0, 0x56, 0x78];
    let alarm = |bits: u8, code: u8| record(0x26, &[&PLACE[..], &[9], &cell, &[bits, 3, 4, code, 2]].concat());
    for (code, event) in [
        (0x01, DeviceEvent::Panic),
        (0x02, DeviceEvent::PowerCut),
        (0x09, DeviceEvent::Tow),
        (0x0E, DeviceEvent::LowBattery),
        (0x0F, DeviceEvent::LowPower),
        (0x11, DeviceEvent::SwitchedOff),
        (0x13, DeviceEvent::Tamper),
        (0x14, DeviceEvent::Door),
        (0x2C, DeviceEvent::Accident),
    ] {
        assert_eq!(raised(Source::Gt06, &alarm(0b10, code)), [event], "{code:#04x}");
    }
    assert_eq!(raised(Source::Gt06, &alarm(0b0001_0010, 0)), [DeviceEvent::PowerCut], "in the bits of the status");
    let driven = record(0x22, &[&PLACE[..], &cell, &[1, 2, 1, 0, 0, 0x30, 0x39]].concat());
    let said = Said::of(Source::Gt06, &driven);
    assert_eq!((said.ignition, said.odometer_m), (Some(true), Some(12_345)));
}
