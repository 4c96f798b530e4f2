use super::super::testing::{THEN as NOW, first, first_records, near, sniffs};
use super::super::{AttrKey, AttrValue, Position};
use super::*;

const IMEI: &str = "352093081452251";

fn hear(bytes: &[u8]) -> Result<Heard, DecodeError> {
    first(&STREAM, bytes)
}

fn records(bytes: &[u8]) -> Vec<Record> {
    first_records(&STREAM, bytes)
}

#[test]
fn a_report_of_places_is_read_and_answered() {
    let line = b"+RESP:GTFRI,060100,352093081452251,bus-7,12650,10,2,1,36.0,91,120.5,37.600000,48.850000,20240614044444,0255,0001,18d8,6141,00,0.8,36.0,92,121.0,37.600500,48.850000,20240614044449,0255,0001,18d8,6141,00,2000.1,12345:12:34,,,80,220103,,,,20240614044450,11F0$";
    let heard = hear(line).unwrap();
    assert_eq!(heard.reply.taken, b"+SACK:11F0$");
    assert!(heard.reply.refused.is_empty());
    let r = records(line);
    assert_eq!(r.len(), 2);
    assert_eq!((r[1].time, r[1].device.clone()), (Some(NOW), Some(DeviceKey::from(IMEI))));
    assert_ne!(r[0].sequence, r[1].sequence);
    let p = near(&r[1], 48.85, 37.6005);
    assert!((p.speed.unwrap() - 10.0).abs() < 1e-6 && p.valid);
    assert_eq!((p.bearing, p.altitude, p.hdop), (Some(92.0), Some(121.0), Some(0.8)));
    for (name, value) in [
        ("power", AttrValue::Float(12.65)),
        ("odometer", AttrValue::Float(2_000_100.0)),
        ("battery_percent", AttrValue::Int(80)),
        ("ignition", AttrValue::Bool(true)),
        ("inputs", AttrValue::Int(1)),
        ("outputs", AttrValue::Int(3)),
    ] {
        assert_eq!(r[1].attribute(&AttrKey::Name(name)), Some(&value), "{name}");
    }
}

#[test]
fn a_place_is_found_in_any_report() {
    for line in [
        &b"+RESP:GTIGF,C2010D,352093081452251,,5,0,0.0,0,163.9,37.600000,48.850000,20240614044449,0255,0010,2F31,006D7621,,,0.0,20240614044449,143F$"[..],
        b"+BUFF:GTERI,358803,352093081452251,gv200,00000011,,51,1,0,21.0,98,30.2,37.600000,48.850000,20240614044449,0255,0004,75A0,412C,00,84795.4,,,,,01,00,0,,20240614044449,F127$",
        b"+RESP:GTCAN,310603,352093081452251,gv65,00,1,C03FFFFF,,2,H2843820,373.76,1440,44,0,42.7,263,27.2,37.600000,48.850000,20240614044449,0255,0010,15D6,9AD2,00,20240614044449,0B28$",
        b"+RESP:GTXYZ,FF0100,352093081452251,,0,,,,37.600000,48.850000,20240614044449,,,,,20240614044449,0B28",
    ] {
        near(&records(line)[0], 48.85, 37.6);
    }
    let ignition = &records(b"+RESP:GTIGF,C2010D,352093081452251,,5,0,0.0,0,163.9,37.600000,48.850000,20240614044449,0255,0010,2F31,006D7621,,,0.0,20240614044449,143F$")[0];
    assert!(!ignition.position.unwrap().valid, "an HDOP of 0 is the last place known");
    assert_eq!(ignition.attribute(&AttrKey::Name("ignition")), Some(&AttrValue::Bool(false)));
}

#[test]
fn what_has_no_place_moves_nothing() {
    let off =
        &records(b"+BUFF:GTMPF,840502,352093081452251,,0,0,,,,,,,0255,0006,22C4,13E5,00,,,20240614044449,22D0$")[0];
    assert_eq!((off.time, off.position), (Some(NOW), None));
    assert_eq!(off.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("power_cut".into())));
    assert_eq!(off.attribute(&AttrKey::Name("archive")), Some(&AttrValue::Bool(true)));
    let info = b"+RESP:GTINF,C20113,352093081452251,,1A,89464278206103756482,19,0,11,12295,13985,4.25,0,0,,,20240614044449,0,0,,00,00,,,20240614044449,06D6$";
    assert_eq!(hear(info).unwrap().message, Message::Login(DeviceKey::from(IMEI)));
    let heartbeat = hear(b"+ACK:GTHBD,1A0401,352093081452251,,20240614044449,11F0$").unwrap();
    assert_eq!(heartbeat.reply.taken, b"+SACK:GTHBD,1A0401,11F0$");
    assert_eq!(hear(b"+ACK:GTGEO,1A0102,352093081452251,,0,0008,20240614044449,11F0$").unwrap().reply, Reply::none());
}

/// A HEX message of a head and a body, with the length, number and checksum.
fn hex(head: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + 1 + 4 + 2 + body.len() + 2 + 2 + 2).unwrap();
    let mut out = [head, &[kind, 0, 0xFC, 0x1F, 0xBF], &length.to_be_bytes(), body, &[0x11, 0xF0]].concat();
    let crc = CRC.checksum(&out[4..]);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(b"\r\n");
    out
}

/// A device, IMEI 352093081452251, 80 %, 12.65 V.
const WHO: [u8; 16] = [0x45, 1, 2, 2, 9, 35, 20, 93, 8, 14, 52, 25, 1, 80, 0x31, 0x6A];
/// HDOP 1, 36.5 km/h towards 91 degrees, 120 m, 37.6 E 48.85 N.
fn hex_place() -> Vec<u8> {
    let mut out = vec![1, 0, 36, 5, 0, 91, 0, 120];
    out.extend_from_slice(&37_600_000i32.to_be_bytes());
    out.extend_from_slice(&48_850_000i32.to_be_bytes());
    out.extend_from_slice(&[0x07, 0xE8, 6, 14, 4, 44, 49, 0, 255, 0, 1, 0x18, 0xD8, 0x61, 0x41, 0]);
    out
}

#[test]
fn hex_reports_are_read() {
    let body = [&WHO[..], &[0x22, 9, 0, 2], &hex_place(), &hex_place()].concat();
    let r = records(&hex(b"+RSP", 7, &body));
    assert_eq!((r.len(), r[0].time, r[0].device.clone()), (2, Some(NOW), Some(DeviceKey::from(IMEI))));
    let p = near(&r[0], 48.85, 37.6);
    assert!((p.speed.unwrap() - 36.5 / 3.6).abs() < 1e-6 && p.valid);
    assert_eq!((p.bearing, p.altitude, p.satellites), (Some(91.0), Some(120.0), Some(9)));
    assert_eq!(r[1].attribute(&AttrKey::Name("power")), Some(&AttrValue::Float(12.65)));
    let body = [&WHO[..], &[0x22, 9, 0, 0, 2, 0, 0, 0, 0, 1], &hex_place()].concat();
    let r = records(&hex(b"+EVT", 45, &body));
    near(&r[0], 48.85, 37.6);
    assert_eq!(r[0].attribute(&AttrKey::Name("ignition")), Some(&AttrValue::Bool(true)));
}

#[test]
fn compressed_places_are_a_second_apart() {
    // In full: 36.0 km/h, 91 degrees; then 0.2 km/h slower, 3 degrees less, 10 and -20 millionths further.
    let mut body = [&WHO[..], &[0x22, 9, 0, 2]].concat();
    let full = 1u32 << 22 | 360 << 9 | 91;
    body.extend_from_slice(&full.to_be_bytes()[1..]);
    body.extend_from_slice(&37_600_000i32.to_be_bytes());
    body.extend_from_slice(&48_850_000i32.to_be_bytes());
    body.extend_from_slice(&1_718_340_288u32.to_be_bytes());
    let changed = 2u64 << 38 | (128 - 2) << 30 | (128 - 3) << 23 | 10 << 11 | (2048 - 20);
    body.extend_from_slice(&changed.to_be_bytes()[3..]);
    let r = records(&hex(b"+RSP", 100, &body));
    assert_eq!((r.len(), r[1].time), (2, Some(NOW)));
    let p = near(&r[1], 48.849_98, 37.600_01);
    assert!((p.speed.unwrap() - 35.8 / 3.6).abs() < 1e-5 && p.bearing == Some(88.0));
}

#[test]
fn damage_is_refused_and_not_answered() {
    let good = hex(b"+RSP", 7, &[&WHO[..], &[0x22, 9, 0, 1], &hex_place()].concat());
    for bit in 4 * 8..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(hear(&bad).is_err(), "bit {bit}");
    }
    let short = hex(b"+RSP", 7, &[&WHO[..], &[0x22, 9, 0, 2], &hex_place()].concat());
    assert_eq!(hear(&short).unwrap_err().kind, Kind::BadLength);
    for (line, kind) in [
        (&b"+RESP:GTFRI,060100,35209308 452251,,,00,1,20240614044449,11F0$"[..], Kind::BadField),
        (b"+RESP:GTFRI,060100,352093081452251,,20240614044449,11G0$", Kind::BadField),
        (b"+RESP:GTFRI,060100,352093081452251,,,00,1,1,4.3,92,70.0,37.600000,48.850000,20241314044449,,,,,00,20240614044449,11F0$", Kind::BadField),
        (b"+RESP:GTFRI,060100$", Kind::MissingField),
        (b"GET / HTTP/1.1", Kind::BadPreamble),
        (b"+RSP\x07", Kind::Truncated),
    ] {
        assert_eq!(hear(line).unwrap_err().kind, kind, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"+RESP:"[..], Sniff::Yes),
            (b"+R", Sniff::NeedMore),
            (b"+EVT\x2d", Sniff::Yes),
            (b"+\0\0", Sniff::Yes),
            (b"+OK", Sniff::No),
            (b"*HQ,", Sniff::No),
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
        altitude: Some(-7.5),
        speed: Some(12.5),
        bearing: Some(271.0),
        valid: true,
        ..Position::default()
    };
    let sent = [
        Record::at(NOW, p),
        Record { time: Some(NOW), ..Record::default() },
        Record::at(NOW, Position { valid: false, ..p }),
    ];
    let heard = hear(&device.tell(&sent).unwrap()).unwrap();
    let Message::Records(records) = &heard.message else { panic!() };
    assert_eq!(
        records.iter().map(|r| r.position.map(|p| p.valid)).collect::<Vec<_>>(),
        [Some(true), None, Some(false)]
    );
    assert!(records.iter().all(|r| r.time == Some(NOW)));
    let q = near(&records[0], -33.456, -70.65);
    assert_eq!((q.altitude, q.bearing), (p.altitude, p.bearing));
    assert_eq!(device.hear(&heard.reply.taken[..4]), Ok(Answer::Unfinished));
    assert_eq!(device.hear(&heard.reply.taken), Ok(Answer::Taken(heard.reply.taken.len())));
    assert_eq!(device.hear(b"+SACK:FFFF$"), Ok(Answer::Refused(11)));
    assert!(device.tell(&[]).is_err() && device.tell(&vec![Record::at(NOW, p); 16]).is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    let report = |kind: &str, more: &str| {
        format!(
            "+RESP:GT{kind},C2010D,352093081452251,,{more},0.0,0,163.9,37.600000,48.850000,20240614044449,0255,0010,2F31,006D7621,,,0.0,20240614044449,143F$"
        )
    };
    for (kind, more, event) in [
        ("MPF", "5,0", Some(DeviceEvent::PowerCut)),
        ("MPN", "5,0", Some(DeviceEvent::PowerBack)),
        ("SOS", "5,0", Some(DeviceEvent::Panic)),
        ("ANT", "1,0", Some(DeviceEvent::AntennaCut)),
        ("ANT", "0,0", None),
        ("TOW", "5,0", Some(DeviceEvent::Tow)),
        ("BPL", "3.5,0", Some(DeviceEvent::LowBattery)),
        ("SPD", "5,0", None),
    ] {
        let r = &records(report(kind, more).as_bytes())[0];
        assert_eq!(raised(Source::Queclink, r), event.into_iter().collect::<Vec<_>>(), "{kind} {more}");
    }
    let off = &records(report("IGF", "5,0").as_bytes())[0];
    assert_eq!(Said::of(Source::Queclink, off).ignition, Some(false));
}
