use super::super::testing::{THEN as NOW, first, first_records, near, sniffs};
use super::super::{AttrKey, AttrValue};
use super::*;

fn hear(text: &str) -> Result<Heard, DecodeError> {
    first(&STREAM, text.as_bytes())
}

fn record(text: &str) -> Record {
    first_records(&STREAM, text.as_bytes()).remove(0)
}

#[test]
fn a_handshake_and_a_login_are_answered() {
    let heard = hear("(027044702512BP00352093081452251HSO01A4)").unwrap();
    assert_eq!(heard.message, Message::Login(DeviceKey::from("027044702512")));
    assert_eq!(heard.reply.taken, b"(027044702512AP01HSO)");
    let heard = hear("(027044702512BP05352093081452251240614A4851.0000N03736.0000E036.004444991.00001000000L000004D2)")
        .unwrap();
    assert_eq!(heard.reply.taken, b"(027044702512AP05)");
    assert!(heard.reply.refused.is_empty());
}

#[test]
fn a_place_run_together_is_read() {
    let r = record("(027044702512BR00240614A4851.0000N03736.0000E036.0044449091.0001000000L000004D2)");
    let p = near(&r, 48.85, 37.6);
    assert_eq!((r.time, r.device.clone()), (Some(NOW), Some(DeviceKey::from("027044702512"))));
    assert!((p.speed.unwrap() - 10.0).abs() < 1e-6 && p.bearing == Some(91.0) && p.valid);
    for (name, value) in [
        ("charging", AttrValue::Bool(true)),
        ("ignition", AttrValue::Bool(true)),
        ("odometer", AttrValue::Float(1234.0)),
    ] {
        assert_eq!(r.attribute(&AttrKey::Name(name)), Some(&value), "{name}");
    }
    // Blanks for zeros, a temperature behind.
    let r = record("(027044702512BR00240614V4851.0000S 3736.0000W 36.0044449 91.0000000000L00000000+017.7)");
    assert!(!near(&r, -48.85, -37.6).valid);
    let r = record("(027044702512BO012240614A4851.0000N03736.0000E036.0044449091.0000000000L00000000)");
    assert_eq!(r.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("sos".into())));
    // The eighteenth month of 2006.
    let r = record("(013612345678BO012061830A2934.0133N10627.2544E040.0080331309.6200000000L000770AD)");
    assert_eq!(r.time, Some(UnixMs(1_183_190_611_000)));
}

#[test]
fn a_place_with_commas_is_read() {
    for line in [
        "(352093081452251,BP05,140624,A,4851.0000N,03736.0000E,36.00,044449,91.00)",
        "(352093081452251,ZC17,140624,A,4851.00000N,03736.00000E,36.0,044449,91.00,-0.10,4)",
        "(352093081452251,BQ81,ALARM,1,1,140624,A,4851.0000N,03736.0000E,36.0,044449,91.00)",
    ] {
        let r = record(line);
        let p = near(&r, 48.85, 37.6);
        assert_eq!((r.time, p.bearing), (Some(NOW), Some(91.0)));
        assert!((p.speed.unwrap() - 10.0).abs() < 1e-6);
    }
    let off = record("(352093081452251,ZC17,140624,A,4851.0000N,03736.0000E,36.0,044449,91.00)");
    assert_eq!(off.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("removed".into())));
}

#[test]
fn what_has_no_place_moves_nothing() {
    let r = record("(352093081452251,ZC11,140624,V,0000.0000N,00000.0000E,000.0,044449,000.0,0.00,11)");
    assert_eq!((r.time, r.position), (Some(NOW), None));
    let r = record("(352093081452251,ZC20,140624,044449,3,362,65535,255)");
    assert_eq!(r.attribute(&AttrKey::Name("battery")), Some(&AttrValue::Float(3.62)));
    assert_eq!(r.attribute(&AttrKey::Name("power")), None);
    for quiet in [
        "(027044702512BR00000000V0000.0000N00000.0000E000.00014030000.0000000000L00000000)",
        "(088047194605BZ00,510,010,36e6,932c,43,36e6,766b,36,36e6,7668,32)",
        "(352093081452251,DW5B,310,6,29876,30393,0,041217,102211)",
    ] {
        assert!(matches!(hear(quiet).unwrap().message, Message::Login(_)), "{quiet}");
    }
    let mut session = (STREAM.session)();
    session.feed(b"(027044702512BP00HSO)\r\n(027044702512BP00HSO)");
    assert!(matches!(session.next_message(NOW).unwrap().unwrap().message, Message::Login(_)));
    assert_eq!(session.next_message(NOW).unwrap().unwrap().message, Message::KeepAlive);
}

#[test]
fn damage_is_refused_and_not_answered() {
    for (text, kind) in [
        ("(027044702512BR00240614A4861.0000N03736.0000E036.0044449091.0001000000L0)", Kind::BadField),
        ("(027044702512BP05352093081452251241314A4851.0000N03736.0000E036.0256449091.0001000000L0)", Kind::BadField),
        ("(352093081452251,BP05,310624,A,4851.0000N,03736.0000E,36.00,044449,91.00)", Kind::BadField),
        ("(352093081452251,BP05,140624,A,4851.0000N,03736.0000E,36.00)", Kind::MissingField),
        ("(BR00)", Kind::BadField),
        ("(027044702512)", Kind::MissingField),
        ("(027044702512BR00", Kind::Truncated),
        ("GET / HTTP/1.1", Kind::Truncated),
        ("AT+CIPSEND\r\n(027044702512BP00HSO)", Kind::BadField),
    ] {
        assert_eq!(hear(text).unwrap_err().kind, kind, "{text}");
    }
    assert_eq!(hear(&format!("({}", "1".repeat(3000))).unwrap_err().kind, Kind::Oversize);
}

#[test]
fn words_may_hold_brackets_and_chatter_is_passed_over() {
    let mut session = (STREAM.session)();
    session.feed(b"OK\r\n(352093081452251,ZC03,140624,044449,$Notice:\r\n(7).$)RING(352093081452251,ZC20,140624,044449,3,362,65535,255)");
    assert_eq!(session.next_message(NOW).unwrap_err().kind, Kind::BadField);
    assert!(matches!(session.next_message(NOW).unwrap().unwrap().message, Message::Login(_)));
    assert_eq!(session.next_message(NOW).unwrap_err().kind, Kind::BadField);
    assert!(matches!(session.next_message(NOW).unwrap().unwrap().message, Message::Records(_)));
    assert_eq!(session.pending(), 0);
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"(027044702512BP"[..], Sniff::Yes),
            (b"(352093081452251,", Sniff::Yes),
            (b"(3520", Sniff::NeedMore),
            (b"(abc", Sniff::No),
            (b"*HQ,", Sniff::No),
        ],
    );
}

#[test]
fn a_device_is_understood() {
    let mut device = (STREAM.terminal)(&DeviceKey::from("352093081452251"));
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        speed: Some(12.5),
        bearing: Some(271.0),
        valid: true,
        ..Position::default()
    };
    let told = String::from_utf8(device.tell(&[Record::at(NOW, p)]).unwrap()).unwrap();
    let r = record(&told);
    let q = near(&r, -33.456, -70.65);
    assert_eq!((r.time, q.speed, q.bearing), (Some(NOW), p.speed, p.bearing));
    assert_eq!(device.hear(&[]), Ok(Answer::Taken(0)));
    assert!((STREAM.terminal)(&DeviceKey::from("bus-7")).tell(&[Record::at(NOW, p)]).is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let place = "240614A4851.0000N03736.0000E036.0044449091.00";
    let fed = Said::of(Source::Tk103, &record(&format!("(027044702512BR00{place}01000000L000004D2)")));
    assert_eq!((fed.powered, fed.ignition, fed.odometer_m), (Some(true), Some(true), Some(1234)));
    let cut = Said::of(Source::Tk103, &record(&format!("(027044702512BR00{place}10000000L000004D2)")));
    assert_eq!((cut.powered, cut.ignition), (Some(false), Some(false)));
    for (command, event) in [
        ("BO010", DeviceEvent::PowerCut),
        ("BO012", DeviceEvent::Panic),
        ("ZC26", DeviceEvent::Tamper),
        ("ZC17", DeviceEvent::Tamper),
        ("ZC12", DeviceEvent::LowBattery),
    ] {
        let r = record(&format!("(027044702512{command}{place}01000000L000004D2)"));
        assert_eq!(raised(Source::Tk103, &r), [event], "{command}");
    }
}
