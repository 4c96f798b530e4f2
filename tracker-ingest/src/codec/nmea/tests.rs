use super::super::testing::{THEN as NOW, sniffs};
use super::*;

const IMEI: &str = "352093081452251";

fn sentence(body: &str) -> String {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |x, b| x ^ b))
}

const RMC: &str = "GPRMC,044449.00,A,4851.0000,N,03736.0000,E,19.438,91.0,140624,,,A";

fn said(text: &str) -> Vec<Result<Message, Kind>> {
    let mut session = (STREAM.session)();
    session.feed(text.as_bytes());
    let mut out = Vec::new();
    loop {
        match session.next_message(NOW) {
            Ok(Some(heard)) => {
                assert_eq!(heard.reply, Reply::none());
                out.push(Ok(heard.message));
            }
            Ok(None) => break,
            Err(e) => out.push(Err(e.kind)),
        }
    }
    match session.finish(NOW) {
        Ok(last) => out.extend(last.map(|heard| Ok(heard.message))),
        Err(e) => out.push(Err(e.kind)),
    }
    out
}

fn places(text: &str) -> Vec<Record> {
    let records = said(text).into_iter().filter_map(|m| match m.unwrap() {
        Message::Records(records) => Some(records),
        _ => None,
    });
    records.flatten().collect()
}

#[test]
fn an_id_stands_in_a_line_of_its_own() {
    for line in
        ["IMEI 352093081452251", "IMEI:352093081452251", "$PGID,352093081452251*0F", "$GPFID,352093081452251", IMEI]
    {
        let said = said(&format!("{line}\r\n{}", sentence(RMC)));
        assert_eq!(said[0], Ok(Message::Login(DeviceKey::from(IMEI))), "{line}");
        assert!(matches!(&said[1], Ok(Message::Records(r)) if r[0].device.is_none() && r[0].position.is_some()));
    }
    assert_eq!(said("hello there\r\n"), [Ok(Message::KeepAlive)]);
}

#[test]
fn an_id_stands_before_the_sentence() {
    for prefix in [
        "352093081452251,",
        "352093081452251/",
        "4711/352093081452251/",
        "$IMEI=352093081452251,",
        "imei: 352093081452251 ",
    ] {
        let r = &places(&format!("{prefix}{}", sentence(RMC)))[0];
        assert_eq!((r.device.clone(), r.time), (Some(DeviceKey::from(IMEI)), Some(NOW)), "{prefix}");
        let p = r.position.unwrap();
        assert!((p.lat - 48.85).abs() < 1e-6 && (p.lon - 37.6).abs() < 1e-6 && p.valid);
        assert!((p.speed.unwrap() - 10.0).abs() < 1e-3 && p.bearing == Some(91.0));
    }
}

#[test]
fn a_gga_adds_to_the_rmc_of_its_time() {
    let gga = |clock: &str| sentence(&format!("GNGGA,{clock},4851.0000,N,03736.0000,E,1,11,0.8,120.5,M,20,M,,"));
    let r = places(&format!("IMEI {IMEI}\r\n{}{}{}", gga("044449.00"), sentence("GPGSA,A,3,,,,"), sentence(RMC)));
    let p = r[0].position.unwrap();
    assert_eq!((r.len(), p.satellites, p.hdop, p.altitude), (1, Some(11), Some(0.8), Some(120.5)));
    let r = places(&format!("IMEI {IMEI}\r\n{}{}", gga("044448.00"), sentence(RMC)));
    assert_eq!(r[0].position.unwrap().satellites, None, "of another moment");
    // Without any RMC it is the place itself, on the day that is nearest.
    let alone = places(&format!("IMEI {IMEI}\r\n{}{}{}", gga("044448.00"), gga("044449.00"), gga("235959.00")));
    assert_eq!(alone.iter().map(|r| r.time).collect::<Vec<_>>(), [Some(NOW), Some(UnixMs(1_718_323_199_000))]);
}

#[test]
fn what_has_no_place_moves_nothing() {
    let lost = places(&sentence("GPRMC,044449.00,V,,,,,,,140624,,,N"));
    assert_eq!((lost[0].time, lost[0].position), (Some(NOW), None));
    assert_eq!(said(&sentence("GPRMC,,V,,,,,,,,,,N")), [Ok(Message::KeepAlive)]);
    let remembered = places(&sentence("GPRMC,044449.00,V,4851.0000,S,03736.0000,W,0,0,140624,,,N"));
    let p = remembered[0].position.unwrap();
    assert!(p.lat < -48.8 && p.lon < -37.5 && !p.valid);
}

#[test]
fn damage_is_refused() {
    let good = sentence(RMC);
    for bit in 0..(good.len() - 2) * 8 {
        let mut bad = good.clone().into_bytes();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut session = (STREAM.session)();
        session.feed(&bad);
        if let Ok(Some(heard)) = session.next_message(NOW) {
            assert!(!matches!(heard.message, Message::Records(_)), "bit {bit}");
        }
    }
    for (text, kind) in [
        (sentence("GPRMC,044449.00,A,4861.0000,N,03736.0000,E,0,0,140624,,,A"), Kind::BadField),
        (sentence("GPRMC,044449.00,A,4851.0000,N,03736.0000,E,0,0,311324,,,A"), Kind::BadField),
        (sentence("GPRMC,044449.00,A"), Kind::MissingField),
        (format!("${RMC}\r\n"), Kind::BadChecksum),
        (format!("!?,{}", sentence(RMC)), Kind::BadField),
        ("x".repeat(2000), Kind::Oversize),
    ] {
        assert!(said(&text).contains(&Err(kind)), "{text}");
    }
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"$GPRMC,"[..], Sniff::Yes),
            (b"$GNG", Sniff::NeedMore),
            (b"IMEI 352", Sniff::Yes),
            (b"$$A28,", Sniff::No),
            (b"352093081452251;", Sniff::No),
            (b"imei:", Sniff::No),
        ],
    );
}

#[test]
fn a_receiver_is_understood() {
    let mut receiver = (STREAM.terminal)(&DeviceKey::from(IMEI));
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        speed: Some(12.5),
        bearing: Some(271.5),
        valid: true,
        ..Position::default()
    };
    let mut stream = receiver.hello().unwrap();
    for record in [Record::at(NOW, p), Record { time: Some(NOW), ..Record::default() }] {
        stream.extend(receiver.tell(&[record]).unwrap());
    }
    let r = places(&String::from_utf8(stream).unwrap());
    let q = r[0].position.unwrap();
    assert!((q.lat - p.lat).abs() < 1e-6 && (q.lon - p.lon).abs() < 1e-6 && (q.speed.unwrap() - 12.5).abs() < 1e-3);
    assert_eq!((r[0].time, q.bearing, r[1].time, r[1].position), (Some(NOW), p.bearing, Some(NOW), None));
    assert_eq!(receiver.hear(&[]), Ok(Answer::Taken(0)));
    assert!(receiver.tell(&[]).is_err());
}
