use super::super::testing::{THEN as NOW, first, first_records, near};
use super::super::{AttrKey, AttrValue, Position};
use super::*;

const NUMBER: [u8; 6] = [0x01, 0x38, 0x00, 0x13, 0x80, 0x00];
const IMEI: &str = "352093081452251";

/// Ignition and a fix, 48.85 N 37.6 E, 120 m, 36 km/h towards 91 degrees; 12.3 km, eleven satellites.
fn place(status: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&status.to_be_bytes());
    body.extend_from_slice(&48_850_000u32.to_be_bytes());
    body.extend_from_slice(&37_600_000u32.to_be_bytes());
    body.extend_from_slice(&[0, 120, 1, 0x68, 0, 91, 0x24, 0x06, 0x14, 0x12, 0x44, 0x49]);
    body.extend_from_slice(&[0x01, 4, 0, 0, 0, 123, 0x31, 1, 11]);
    body
}

fn say(id: u16, body: &[u8]) -> Vec<u8> {
    frame(id, false, &NUMBER, &[0, 7], body, true)
}

fn hear(bytes: &[u8]) -> Result<Heard, DecodeError> {
    first(&STREAM, bytes)
}

fn records(bytes: &[u8]) -> Vec<Record> {
    first_records(&STREAM, bytes)
}

#[test]
fn a_registration_and_an_authentication_say_who_it_is() {
    let heard = hear(&say(REGISTER, &[0; 25])).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from("13800138000")));
    assert_eq!(heard.reply.taken, frame(REGISTERED, false, &NUMBER, &[0, 0], b"\x00\x07\x00013800138000", true));
    let heard = hear(&say(AUTHENTICATE, b"code")).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from("13800138000")));
    assert_eq!(heard.reply.taken, frame(ANSWER, false, &NUMBER, &[0, 0], &[0, 7, 1, 2, 0], true));
    // The first message names it, whatever it is; a later one of the same terminal does not again.
    let mut session = (STREAM.session)();
    session.feed(&[say(HEARTBEAT, &[]), say(HEARTBEAT, &[])].concat());
    assert_eq!(session.next_message(NOW).unwrap().unwrap().message, Message::Login(DeviceKey::from("13800138000")));
    assert_eq!(session.next_message(NOW).unwrap().unwrap().message, Message::KeepAlive);
}

#[test]
fn a_location_is_read_and_answered() {
    let bytes = say(LOCATION, &place(0b11));
    let heard = hear(&bytes).unwrap();
    assert_eq!(heard.reply.taken, frame(ANSWER, false, &NUMBER, &[0, 0], &[0, 7, 2, 0, 0], true));
    assert!(heard.reply.refused.is_empty());
    let r = &records(&bytes)[0];
    let p = near(r, 48.85, 37.6);
    assert_eq!((r.time, r.device.clone()), (Some(NOW), Some(DeviceKey::from("13800138000"))));
    assert_eq!((p.altitude, p.bearing, p.satellites, p.valid), (Some(120.0), Some(91.0), Some(11), true));
    assert!((p.speed.unwrap() - 10.0).abs() < 1e-6);
    assert_eq!(r.attribute(&AttrKey::Name("ignition")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&AttrKey::Name("odometer")), Some(&AttrValue::Float(12_300.0)));
    let south_west = &records(&say(LOCATION, &place(0b1100)))[0];
    assert!(!near(south_west, -48.85, -37.6).valid);
    let mut alarm = place(0b11);
    alarm[2] = 1;
    assert_eq!(
        records(&say(LOCATION, &alarm))[0].attribute(&AttrKey::Name("alarm")),
        Some(&AttrValue::Text("power_cut".into()))
    );
    let mut nowhere = place(0);
    nowhere[8..16].fill(0);
    assert_eq!(records(&say(LOCATION, &nowhere))[0].position, None);
    near(&records(&say(0x0201, &[&[0, 9][..], &place(0b11)].concat()))[0], 48.85, 37.6);
}

#[test]
fn a_batch_is_many_records_and_each_is_the_one_sent_alone() {
    let one = place(0b11);
    let mut body = vec![0, 2, 1];
    for _ in 0..2 {
        body.extend_from_slice(&u16::try_from(one.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&one);
    }
    let many = records(&say(BATCH, &body));
    assert_eq!(many.len(), 2);
    assert_eq!(many[1].sequence, records(&say(LOCATION, &one))[0].sequence);
    assert_eq!(many[1].attribute(&AttrKey::Name("archive")), Some(&AttrValue::Bool(true)));
    body[1] = 3;
    assert_eq!(hear(&say(BATCH, &body)).unwrap_err().kind, Kind::BadLength);
    body[1] = 0;
    assert_eq!(hear(&say(BATCH, &body)).unwrap_err().kind, Kind::BadLength);
    body[1] = 1;
    assert_eq!(records(&say(BATCH, &body)).len(), 1);
}

#[test]
fn a_part_of_records_is_refused_and_never_promised() {
    let part = |id: u16| {
        let body = place(0b11);
        let length = u16::try_from(body.len()).unwrap() | 1 << 13;
        let head = [&id.to_be_bytes()[..], &length.to_be_bytes()].concat();
        // Number, serial, of two parts the first.
        let mut inside = [&head[..], &pack("013800138000").unwrap(), &[0, 7, 0, 2, 0, 1], &body].concat();
        inside.push(xor(&inside));
        [&[MARK][..], &inside, &[MARK]].concat()
    };
    assert_eq!(hear(&part(BATCH)).unwrap_err().kind, Kind::UnsupportedCodec);
    // Of a picture, which nobody keeps.
    assert!(!hear(&part(0x0801)).unwrap().reply.taken.is_empty());
}

#[test]
fn the_header_of_2019_is_answered_in_kind() {
    let mut who = vec![1];
    who.extend(pack(&format!("{IMEI:0>20}")).unwrap());
    let heard = hear(&frame(REGISTER, true, &who, &[0, 7], &[0; 25], true)).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    let code = [b"\x00\x07\x00", format!("{IMEI:0>20}").as_bytes()].concat();
    assert_eq!(heard.reply.taken, frame(REGISTERED, true, &who, &[0, 0], &code, true));
}

#[test]
fn a_number_in_binary_is_an_imei() {
    // Fourteen digits 35209308145225 and their check digit.
    let who = &35_209_308_145_225u64.to_be_bytes()[2..];
    let heard = hear(&frame(HEARTBEAT, false, who, &[0, 7], &[], true)).unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from(IMEI)));
    assert_eq!(hear(&frame(HEARTBEAT, false, &[0xFF; 6], &[0, 7], &[], true)).unwrap_err().kind, Kind::BadField);
}

#[test]
fn marks_inside_a_message_are_escaped() {
    let mut body = place(0b11);
    body.extend_from_slice(&[0xE0, 4, 0x7E, 0x7D, 0x7E, 0x01]);
    let bytes = say(LOCATION, &body);
    assert!(bytes.windows(4).any(|w| w == [0x7D, 2, 0x7D, 1]));
    near(&records(&bytes)[0], 48.85, 37.6);
    // A peer that knows no escapes is understood, and answered as it speaks.
    let raw = frame(LOCATION, false, &NUMBER, &[0x7E, 7], &body, false);
    let stream = [&raw[..], &bytes].concat();
    for cut in 0..stream.len() {
        let mut session = (STREAM.session)();
        let mut replies = Vec::new();
        for part in [&stream[..cut], &stream[cut..]] {
            session.feed(part);
            while let Some(heard) = session.next_message(NOW).unwrap() {
                replies.push(heard.reply.taken);
            }
        }
        assert_eq!(replies.len(), 2, "cut at {cut}");
        assert_eq!(replies[0], frame(ANSWER, false, &NUMBER, &[0, 0], &[0x7E, 7, 2, 0, 0], false));
    }
}

#[test]
fn a_lock_speaks_with_a_short_header() {
    let mut body = vec![0x14, 0x06, 0x24, 0x04, 0x44, 0x49, 0x48, 0x51, 0x00, 0x00, 0x03, 0x73, 0x60, 0x00, 0x06];
    body.extend_from_slice(&[0x19, 45, 30, 9, 0, 0, 0, 2, 80, 0, 0, 0, 0, 0, 0]);
    let mut bytes = vec![MARK, 0x55, 0x01, 0x80, 30];
    bytes.extend_from_slice(&NUMBER);
    bytes.push(5);
    bytes.extend_from_slice(&body);
    bytes.push(xor(&bytes[1..]));
    bytes.push(MARK);
    let heard = hear(&bytes).unwrap();
    assert_eq!(heard.reply.taken, frame(LOCK_ANSWER, false, &NUMBER, &[1], &[0x55, 0x01, 0], true));
    let r = &records(&bytes)[0];
    let p = near(r, 48.85, 37.6);
    assert_eq!((r.time, p.bearing, p.satellites, p.valid), (Some(NOW), Some(90.0), Some(9), true));
    assert_eq!(r.attribute(&AttrKey::Name("odometer")), Some(&AttrValue::Float(2000.0)));
    let asked = hear(b"(794104004140,1,001,BASE,2,TIME)").unwrap();
    assert_eq!(asked.reply.taken, b"(794104004140,1,001,BASE,2,20240614044449)");
}

#[test]
fn damage_is_refused_and_what_follows_is_read() {
    let good = say(LOCATION, &place(0b11));
    for bit in 8..(good.len() - 1) * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut session = (STREAM.session)();
        session.feed(&bad);
        for _ in 0..3 {
            session.feed(&good);
        }
        let (mut heard, mut errors) = (0, 0);
        loop {
            match session.next_message(NOW) {
                Ok(Some(_)) => heard += 1,
                Ok(None) => break,
                Err(_) => errors += 1,
            }
        }
        assert!(heard == 3 && errors >= 1, "bit {bit}: {heard} heard, {errors} errors");
    }
    let mut month = place(0b11);
    month[23] = 0x13;
    assert_eq!(hear(&say(LOCATION, &month)).unwrap_err().kind, Kind::BadField);
    assert_eq!(hear(&say(LOCATION, &place(0)[..20])).unwrap_err().kind, Kind::BadLength);
    assert_eq!(hear(&good[..20]).unwrap_err().kind, Kind::Truncated);
    assert_eq!(hear(b"GET / HTTP/1.1").unwrap_err().kind, Kind::BadPreamble);
}

#[test]
fn a_unit_is_understood_and_understands() {
    for key in ["13800138000", IMEI] {
        let mut unit = (STREAM.terminal)(&DeviceKey::from(key));
        let mut session = (STREAM.session)();
        session.feed(&unit.hello().unwrap());
        let login = session.next_message(NOW).unwrap().unwrap();
        assert_eq!(login.message, Message::Login(DeviceKey::from(key)));
        assert_eq!(unit.hear(&[]), Ok(Answer::Unfinished));
        assert_eq!(unit.hear(&login.reply.taken[..4]), Ok(Answer::Unfinished));
        assert_eq!(unit.hear(&login.reply.taken), Ok(Answer::Taken(login.reply.taken.len())));
        let p = Position {
            lat: -33.456,
            lon: -70.65,
            altitude: Some(-7.0),
            speed: Some(12.5),
            bearing: Some(271.0),
            satellites: Some(9),
            valid: true,
            ..Position::default()
        };
        for n in [1, 20] {
            session.feed(&unit.tell(&vec![Record::at(NOW, p); n]).unwrap());
            let told = session.next_message(NOW).unwrap().unwrap();
            let Message::Records(records) = &told.message else { panic!() };
            assert_eq!((records.len(), records[n - 1].time), (n, Some(NOW)));
            let q = near(&records[n - 1], -33.456, -70.65);
            assert_eq!((q.altitude, q.speed, q.bearing, q.satellites), (p.altitude, p.speed, p.bearing, p.satellites));
            assert_eq!(unit.hear(&told.reply.taken), Ok(Answer::Taken(told.reply.taken.len())));
            assert_eq!(unit.hear(&login.reply.taken), Ok(Answer::Refused(login.reply.taken.len())));
        }
        assert!(unit.tell(&[]).is_err() && unit.tell(&vec![Record::at(NOW, p); 21]).is_err());
    }
    assert!((STREAM.terminal)(&DeviceKey::from("bus-7")).hello().is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let mut body = place(0b11);
    // The antenna cut, the power cut and the vehicle stolen; then the odometer, in tenths of a kilometre.
    body[..4].copy_from_slice(&(1u32 << 5 | 1 << 8 | 1 << 26).to_be_bytes());
    body.extend([0x01, 4, 0, 0, 0x04, 0xD2]);
    let r = records(&say(LOCATION, &body)).remove(0);
    let all = [DeviceEvent::PowerCut, DeviceEvent::AntennaCut, DeviceEvent::Tow];
    assert_eq!(raised(Source::Jt808, &r), all);
    let said = Said::of(Source::Jt808, &r);
    assert_eq!((said.ignition, said.odometer_m), (Some(true), Some(123_400)));
}
