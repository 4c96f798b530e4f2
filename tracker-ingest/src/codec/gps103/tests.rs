use super::super::testing::{THEN as NOW, first, first_records, near, sniffs};
use super::super::{AttrKey, AttrValue};
use super::*;

const IMEI: &str = "352093081452251";

fn hear(text: &str) -> Result<Heard, DecodeError> {
    first(&STREAM, text.as_bytes())
}

fn record(text: &str) -> Record {
    first_records(&STREAM, text.as_bytes()).remove(0)
}

#[test]
fn a_login_and_a_heartbeat_are_answered() {
    for login in ["##,imei:352093081452251,A;", "##,imei:352093081452251,A", "imei:352093081452251,L,*"] {
        let heard = hear(login).unwrap();
        assert_eq!((heard.message, &heard.reply.taken[..]), (Message::Login(DeviceKey::from(IMEI)), &b"LOAD"[..]));
        assert!(heard.reply.refused.is_empty());
    }
    let heard = hear("352093081452251;").unwrap();
    assert_eq!((heard.message, &heard.reply.taken[..]), (Message::Login(DeviceKey::from(IMEI)), &b"ON"[..]));
}

#[test]
fn a_line_is_read_in_utc() {
    // The same moment from three zones, the last across midnight.
    for date in ["2406140444", "240614074448", "24/06/13 18:44"] {
        let line = format!(
            "imei:{IMEI},tracker,{date},,F,044449.000,A,4851.0000,N,03736.0000,E,19.438,91.0,120.5,1,0,51.9%,,+22;"
        );
        let r = record(&line);
        let p = near(&r, 48.85, 37.6);
        assert_eq!((r.time, r.device.clone()), (Some(NOW), Some(DeviceKey::from(IMEI))));
        assert!((p.speed.unwrap() - 10.0).abs() < 1e-3 && p.valid);
        assert_eq!((p.bearing, p.altitude), (Some(91.0), Some(120.5)));
        assert_eq!(r.attribute(&AttrKey::Name("ignition")), Some(&AttrValue::Bool(true)));
        assert_eq!(hear(&line).unwrap().reply, Reply::none());
    }
}

#[test]
fn lines_are_written_in_more_than_one_way() {
    for line in [
        "imei:352093081452251,tracker,2406140444,,F,044449.000,A,4851.0000,N,03736.0000,,0,0,",
        "imei:352093081452251,acc on,2406140444,,F,044449.000,A,4851.0000,N,03736.0000,E,0.00,;",
        "imei:352093081452251,tracker,240614044449,0,F,044449.00,A,N,4851.00000,E,03736.00000,0.0,,1.0,;",
        "352093081452251imei:352093081452251,tracker,240614044449,0,F,044449.00,A,4851.0,N,03736.0,E,0.0;",
        "imei:352093081452251,bus 7,---,------,----,044449,140624,14,1,48.85000,37.60000,036,091,0120,0.9,09,1,1,---,*",
    ] {
        let r = record(line);
        near(&r, 48.85, 37.6);
        assert_eq!(r.time, Some(NOW), "{line}");
    }
    let minutes = record("imei:352093081452251,tracker,240614044448,61.0,F,31.0,A,4851.0,N,03736.0,E,8.0,,22.0,");
    assert_eq!(minutes.time, Some(UnixMs(NOW.0 - 49_000)));
    let south_west = record("imei:352093081452251,tracker,2406140444,,F,044449.000,V,4851.0,S,03736.0,W,0.00,0;");
    assert!(!near(&south_west, -48.85, -37.6).valid);
}

#[test]
fn a_cry_for_help_is_heard() {
    let line = "imei:352093081452251,help me,2406140444,,F,044449.000,A,4851.0000,N,03736.0000,E,0.00,;";
    assert_eq!(hear(line).unwrap().reply.taken, b"**,imei:352093081452251,E;");
    assert_eq!(record(line).attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("sos".into())));
}

#[test]
fn what_has_no_place_moves_nothing() {
    let alarm = record("imei:352093081452251,ac alarm,2406140444,,L,,,113b,,558f,,,,,0,0,,,;");
    assert_eq!(alarm.position, None);
    assert_eq!(alarm.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("power_cut".into())));
    let obd = record("imei:352093081452251,OBD,240614044449,195874,,370.8,808,066,30.0%,+87,13.0%,02444,14.3,,,,;");
    assert_eq!((obd.time, obd.position), (Some(NOW), None));
    assert_eq!(obd.attribute(&AttrKey::Name("power")), Some(&AttrValue::Float(14.3)));
    for quiet in ["imei:352093081452251,tracker,000000000,13554900601,L,;", "imei:352093081452251,vr,0c00fa011ea05a03;"]
    {
        assert!(matches!(hear(quiet).unwrap().message, Message::Login(_)), "{quiet}");
    }
}

#[test]
fn damage_is_refused_and_not_answered() {
    for (text, kind) in [
        ("imei:352093081452251,help me,2406140444,,F,044449.000,A,4861.0000,N,03736.0000,E,0.00,;", Kind::BadField),
        ("imei:352093081452251,tracker,2413140444,,F,044449.000,A,4851.0000,N,03736.0000,E,0.00,;", Kind::BadField),
        ("imei:352093081452251,tracker,2406140444,,F,046449.000,A,4851.0000,N,03736.0000,E,0.00,;", Kind::BadField),
        ("imei:352093081452251,tracker,2406140444,,F,044449.000,A,4851.0000,N,037x6.0000,E,0.00,;", Kind::BadField),
        ("imei:,A;", Kind::BadField),
        ("##,A;", Kind::BadField),
        ("GET / HTTP/1.1", Kind::BadPreamble),
    ] {
        assert_eq!(hear(text).unwrap_err().kind, kind, "{text}");
    }
    assert_eq!(hear(&format!("imei:{}", "1".repeat(5000))).unwrap_err().kind, Kind::Oversize);
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"##,imei:"[..], Sniff::Yes),
            (b"imei:3", Sniff::Yes),
            (b"352093081452251;", Sniff::Yes),
            (b"3520930", Sniff::NeedMore),
            (b"#", Sniff::NeedMore),
            (b"#L#", Sniff::No),
            (b"35209,", Sniff::No),
        ],
    );
}

#[test]
fn a_device_is_understood_and_understands() {
    let mut device = (STREAM.terminal)(&DeviceKey::from(IMEI));
    let mut session = (STREAM.session)();
    session.feed(&device.hello().unwrap());
    let login = session.next_message(NOW).unwrap().unwrap();
    assert_eq!(device.hear(&login.reply.taken[..2]), Ok(Answer::Unfinished));
    assert_eq!(device.hear(&login.reply.taken), Ok(Answer::Taken(4)));
    assert_eq!(device.hear(b"NONE"), Ok(Answer::Refused(4)));
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        altitude: Some(-7.5),
        speed: Some(12.5),
        bearing: Some(271.0),
        valid: true,
        ..Position::default()
    };
    let told = String::from_utf8(device.tell(&[Record::at(NOW, p)]).unwrap()).unwrap();
    let r = record(&told);
    let q = near(&r, -33.456, -70.65);
    assert!((q.speed.unwrap() - 12.5).abs() < 0.001);
    assert_eq!((r.time, q.altitude, q.bearing), (Some(NOW), p.altitude, p.bearing));
    assert_eq!(device.hear(&[]), Ok(Answer::Taken(0)));
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let line = |why: &str| {
        format!("imei:352093081452251,{why},240614044449,,F,044449.000,A,4851.0000,N,03736.0000,E,19.4,91,,,,;")
    };
    for (why, event) in [
        ("help me", DeviceEvent::Panic),
        ("ac alarm", DeviceEvent::PowerCut),
        ("low battery", DeviceEvent::LowBattery),
        ("door alarm", DeviceEvent::Door),
        ("move", DeviceEvent::Tow),
        ("accident alarm", DeviceEvent::Accident),
    ] {
        assert_eq!(raised(Source::Gps103, &record(&line(why))), [event], "{why}");
    }
    assert_eq!(Said::of(Source::Gps103, &record(&line("acc off"))).ignition, Some(false));
    assert!(raised(Source::Gps103, &record(&line("speed"))).is_empty());
}
