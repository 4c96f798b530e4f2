use transit_model::time::UnixMs;

use super::super::testing::{fault, hear, one, records, same, somewhere, talk};
use super::super::wire::{attr, text};
use super::super::{AttrKey, AttrValue, DecodeErrorKind as Kind, DeviceKey, Message, Record, Sniff};
use super::{CRC, STREAM, sniff};

/// A message of version 2.x with the checksum it should have.
fn second(kind: &str, body: &str) -> String {
    format!("#{kind}#{body}{:04X}\r\n", CRC.checksum(body.as_bytes()))
}

const LOGIN: &[u8] = b"#L#352093081452251;secret\r\n";

#[test]
fn a_login_of_either_version_is_answered() {
    let key = DeviceKey::from("352093081452251");
    let heard = one(&STREAM, LOGIN);
    assert_eq!(heard.message, Message::Login(key.clone()));
    assert_eq!((heard.reply.taken, heard.reply.refused), (b"#AL#1\r\n".to_vec(), b"#AL#0\r\n".to_vec()));
    assert_eq!(one(&STREAM, second("L", "2.0;352093081452251;NA;").as_bytes()).message, Message::Login(key));
    assert_eq!(fault(&STREAM, b"#L#2.0;352093081452251;NA;0000\r\n"), Kind::BadChecksum);
    assert_eq!(fault(&STREAM, b"#L#2.0;352093081452251;NA;\r\n"), Kind::MissingField);
    assert_eq!(fault(&STREAM, b"#L#;NA\r\n"), Kind::BadLogin);
}

#[test]
fn a_short_record_says_where() {
    // 48 degrees 51.195 minutes north, 37 degrees 36.3075 minutes east, 36 km/h.
    let heard = one(&STREAM, b"#SD#170626;101530;4851.195;N;03736.3075;E;36;287;74;11\r\n");
    assert_eq!(heard.reply.taken, b"#ASD#1\r\n");
    let Message::Records(r) = heard.message else { panic!() };
    let want = Record::at(UnixMs(1_781_691_330_000), somewhere());
    same(&r[0], &want);
}

#[test]
fn a_full_record_says_what_the_sensors_say() {
    let line = "#D#170626;101530.250;4851.195;S;03736.3075;W;36;287;74;11;0.9;5;2;14.77,0.02;AB45;SOS:1:1,fuel:2:45.8,n:1:-3,hw:3:V4:5\r\n";
    let r = &records(&STREAM, line.as_bytes())[0];
    let p = r.position.unwrap();
    assert_eq!(r.time, Some(UnixMs(1_781_691_330_250)));
    assert!(p.lat < -48.8 && p.lon < -37.6 && p.hdop == Some(0.9) && p.valid);
    let own = |n: &str| AttrKey::Own(n.into());
    for (key, value) in [
        (attr::INPUTS, AttrValue::Int(5)),
        (attr::OUTPUTS, AttrValue::Int(2)),
        (own("adc1"), AttrValue::Float(14.77)),
        (attr::DRIVER, text("AB45")),
        (attr::ALARM, text("sos")),
        (own("fuel"), AttrValue::Float(45.8)),
        (own("n"), AttrValue::Float(-3.0)),
        (own("hw"), text("V4:5")),
    ] {
        assert_eq!(r.attribute(&key), Some(&value), "{key}");
    }
}

#[test]
fn what_is_not_known_is_left_open() {
    let r = &records(&STREAM, b"#D#NA;NA;NA;NA;NA;NA;NA;NA;NA;3;NA;NA;NA;;NA;\r\n")[0];
    assert_eq!((r.time, r.position), (None, None));
    assert_eq!(r.attribute(&attr::SATELLITES), Some(&AttrValue::Int(3)));
    let r = &records(&STREAM, b"#SD#170626;101530;4851.195;N;03736.3075;E;;;NA;0\r\n")[0];
    let p = r.position.unwrap();
    assert_eq!((p.speed, p.bearing, p.altitude, p.valid), (None, None, None, false));
}

#[test]
fn a_black_box_is_answered_by_its_count() {
    let short = "170626;101530;4851.195;N;03736.3075;E;36;287;74;11";
    let heard = one(&STREAM, format!("#B#{short}|{short};0.9;NA;NA;;NA;x:1:1|\r\n").as_bytes());
    assert_eq!(heard.reply.taken, b"#AB#2\r\n");
    assert!(heard.reply.refused.is_empty());
    let Message::Records(r) = heard.message else { panic!() };
    assert!(r.iter().all(|r| r.attribute(&attr::ARCHIVE) == Some(&AttrValue::Bool(true))));
    assert_ne!(r[0].sequence, r[1].sequence);
    let checked = second("B", &format!("{short}|{short}|"));
    assert_eq!(records(&STREAM, checked.as_bytes()).len(), 2);
    assert_eq!(fault(&STREAM, checked.replace("4851", "4852").as_bytes()), Kind::BadChecksum);
}

#[test]
fn a_datagram_says_whose_it_is() {
    let r = &records(&STREAM, b"bus-7#SD#170626;101530;4851.195;N;03736.3075;E;36;287;74;11")[0];
    assert_eq!(r.device, Some(DeviceKey::from("bus-7")));
    let line = second("SD", "170626;101530;4851.195;N;03736.3075;E;36;287;74;11;");
    let r = &records(&STREAM, format!("2.0;bus-7{line}").as_bytes())[0];
    assert_eq!(r.device, Some(DeviceKey::from("bus-7")));
    assert_eq!(fault(&STREAM, b"2.0;bus-7#SD#170626;101530;4851.195;N;03736.3075;E;36;287;74;11"), Kind::MissingField);
}

#[test]
fn a_second_version_keeps_its_checksums() {
    let login = second("L", "2.0;352093081452251;NA;");
    let short = "170626;101530;4851.195;N;03736.3075;E;36;287;74;11;";
    let good = second("SD", short);
    let bare = format!("#SD#{}\r\n", short.trim_end_matches(';'));
    assert_eq!(fault(&STREAM, format!("{login}{good}{bare}").as_bytes()), Kind::MissingField);
    assert!(hear(&STREAM, format!("{login}{bare}").as_bytes()).iter().all(Result::is_ok));
    assert_eq!(fault(&STREAM, good.replace("36;287", "37;287").as_bytes()), Kind::BadChecksum);
}

#[test]
fn the_rest_is_answered_and_let_go_by() {
    assert_eq!(one(&STREAM, b"#P#\r\n").reply.taken, b"#AP#\r\n");
    let heard = one(&STREAM, b"#M#late by five\r\n");
    assert_eq!(heard.reply.taken, b"#AM#1\r\n");
    let Message::Records(r) = heard.message else { panic!() };
    assert_eq!((r[0].attribute(&attr::TEXT), r[0].position), (Some(&text("late by five")), None));
    // The bytes of a picture may look like a message; they are none.
    let all = hear(&STREAM, b"#I#5;0;1;170626;101530;a.jpg\r\n#P#\r\n#I#2;1;1;170626;101530;a.jpg\r\nxy#P#\r\n");
    let replies: Vec<_> = all.into_iter().map(|h| h.unwrap().reply.taken).collect();
    assert_eq!(replies, [&b"#AI#0;1\r\n"[..], b"#AI#1;1\r\n#AI#1\r\n", b"#AP#\r\n"]);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_connection_goes_on() {
    for (line, kind) in [
        ("#D#170626;101530;4851.195;N\r\n", Kind::MissingField),
        ("#SD#320626;101530;4851.195;N;03736.3075;E;36;287;74;11\r\n", Kind::BadField),
        ("#SD#170626;101530;4851.195;Q;03736.3075;E;36;287;74;11\r\n", Kind::BadField),
        ("#SD#170626;101530;4851.195;N;03736.3075;E;fast;287;74;11\r\n", Kind::BadField),
        // More than a field of a record holds.
        ("#SD#170626;101530;4851.195;N;03736.3075;E;1e39;287;74;11\r\n", Kind::BadField),
        ("#QT#1\r\n", Kind::UnsupportedCodec),
        ("hello\r\n", Kind::BadPreamble),
    ] {
        let mut all = hear(&STREAM, format!("{line}#P#\r\n").as_bytes());
        assert_eq!(all.remove(0).unwrap_err().kind, kind, "{line}");
    }
    assert_eq!(fault(&STREAM, &[0xFF, 2, 0, 7, 7]), Kind::UnsupportedCodec);
    assert_eq!(fault(&STREAM, &[b'#'; 200_000]), Kind::Oversize);
    assert_eq!(fault(&STREAM, b"#L"), Kind::Truncated);
}

#[test]
fn a_terminal_is_understood() {
    let mut r = Record::at(UnixMs(1_781_691_330_250), somewhere());
    r.attributes = vec![(attr::INPUTS, AttrValue::Int(5)), (attr::DRIVER, text("AB45")), (attr::ALARM, text("sos"))];
    let none = Record { time: r.time, ..Record::default() };
    for piece in [1, 7, 10_000] {
        let told = talk(&STREAM, "352093081452251", &[vec![r.clone()], vec![none.clone(), r.clone()]], piece);
        let [Message::Login(_), Message::Records(one), Message::Records(two)] = &told[..] else { panic!("{told:?}") };
        for (got, want) in one.iter().chain(two).zip([&r, &none, &r]) {
            same(got, want);
            assert!(want.attributes.iter().all(|a| got.attributes.contains(a)), "{got:?}");
        }
    }
}

#[test]
fn sniffing_takes_few_bytes() {
    assert_eq!(sniff(b"#L#"), Sniff::Yes);
    assert_eq!(sniff(b"bus-7#SD#1"), Sniff::Yes);
    for open in [&b""[..], b"#", b"#S", b"#L"] {
        assert_eq!(sniff(open), Sniff::NeedMore);
    }
    for not in [&b"##,imei:"[..], b"#BCE#\r\n", b"\x00\x0f35", b"*HQ,", b"@NTC#"] {
        assert_eq!(sniff(not), Sniff::No, "{not:?}");
    }
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let line = "#D#170626;101530;4851.195;N;03736.3075;E;36;287;74;11;0.9;5;2;;NA;SOS:1:1,pwr_ext:2:3.1\r\n";
    let r = records(&STREAM, line.as_bytes()).remove(0);
    assert_eq!(raised(Source::Wialon, &r), [DeviceEvent::Panic]);
    assert_eq!(Said::of(Source::Wialon, &r).powered, Some(false));
}
