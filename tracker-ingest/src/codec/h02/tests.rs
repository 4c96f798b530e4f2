use super::super::testing::{THEN as NOW, first, first_records, near, sniffs};
use super::super::{AttrKey, AttrValue};
use super::*;

fn hear(bytes: &[u8]) -> Result<Heard, DecodeError> {
    first(&STREAM, bytes)
}

fn record(bytes: &[u8]) -> Record {
    first_records(&STREAM, bytes).remove(0)
}

/// 2024-06-14 04:44:49, 48°51′ N 37°36′ E, 19 knots towards 91 degrees, a fix, ignition off, battery 5 of 6.
const BINARY: &[u8; 32] = b"\x24\x12\x34\x56\x78\x90\x04\x44\x49\x14\x06\x24\x48\x51\x00\x00\x05\x03\x73\x60\x00\x0e\x01\x90\x91\xff\xff\xfb\xff\xff\x00\x07";

#[test]
fn a_location_line_is_read_and_answered() {
    let line = b"*HQ,1234567890,V1,044449,A,4851.0000,N,03736.0000,E,019.44,091,140624,FFFFFFFF,255,01,1,2,5#";
    let heard = hear(line).unwrap();
    assert_eq!(heard.reply.taken, b"*HQ,1234567890,V4,V1,20240614044449#");
    assert!(heard.reply.refused.is_empty());
    let r = record(line);
    let p = near(&r, 48.85, 37.6);
    assert_eq!((r.time, r.device.as_ref().map(DeviceKey::expose)), (Some(NOW), Some("1234567890")));
    assert!((p.speed.unwrap() - 10.0).abs() < 0.01 && p.bearing == Some(91.0) && p.valid);
    assert_eq!(r.attribute(&AttrKey::Name("ignition")), Some(&AttrValue::Bool(true)));
    assert_eq!(r.attribute(&AttrKey::Name("alarm")), None);
}

#[test]
fn locations_are_written_in_more_than_one_way() {
    for line in [
        &b"*TH,1234567890,V4,S17,130305,044449,A,4851.0000,N,03736.0000,E,19,091,140624,FFFFFBFF#"[..],
        b"*HQ,1234567890,V5,044449,V,4851.0000,N,03736.0000,E,  0.00,000,140624,FFFFFBFF,1,2#",
        b"*HQ,1234567890,VI1,044449,0,4851.00000,N,03736.00000,E,0.54,0,140624,FFFFFFFF,cc,28,  db,d75b#",
        b"*HQ,1234567890,V1,044449,A,-48-51.0000,N,-37-36.0000,E,0.1,158,140624,FFFFFFFF#",
        b"*HQ,1234567890,V1,044449,A,48510000,N,037360000,E,0.1,158,140624,FFFFFFFF#",
        b"*HQ,1234567890,V1,044449,A,4851.0,N,03736.0,E,000.5,047,4,140624,EEE7FBDF,4261193,0#",
    ] {
        let r = record(line);
        near(&r, 48.85, 37.6);
        assert_eq!(r.time, Some(NOW));
    }
    let south_west = record(b"*HQ,1234567890,V1,044449,A,4851.0000,S,03736.0000,W,0,0,140624#");
    near(&south_west, -48.85, -37.6);
    let day = record(b"*hq,356327080425330,VP1,A,4851.0000,N,03736.0000,E,0.48,0.0000,140624#");
    assert_eq!(day.time, Some(UnixMs(1_718_323_200_000)));
    let more =
        record(b"*HQ,1234567890,V1,044449,A,4851.0,N,03736.0,E,0,0,140624,FFFFDFFF,69129336,0,100.0,180,5141,5A20#");
    assert_eq!(more.attribute(&AttrKey::Name("odometer")), Some(&AttrValue::Float(69_129_336.0)));
    assert_eq!(more.position.unwrap().altitude, Some(180.0));
}

#[test]
fn what_has_no_place_moves_nothing() {
    let cells = b"*HQ,1234567890,NBR,044449,255,01,255,1,802,54702,46,140624,FFF7FBFF#";
    let heard = hear(cells).unwrap();
    assert_eq!(heard.reply.taken, b"*HQ,1234567890,V4,NBR,20240614044449#");
    let r = record(cells);
    assert_eq!((r.time, r.position), (Some(NOW), None));
    assert_eq!(r.attribute(&AttrKey::Name("alarm")), Some(&AttrValue::Text("power_cut".into())));
    let link = record(b"*HQ,1234567890,LINK,044449,15,0,84,0,0,140624,FFFFFBFF#");
    assert_eq!(link.attribute(&AttrKey::Name("battery_percent")), Some(&AttrValue::Int(84)));
    let never = hear(b"*HQ,1234567890,V1,,V,,N,,E,0.00,0,,FFFFF7FF,f0,a,11a0,c0c6#").unwrap();
    assert_eq!(never.message, Message::Login(DeviceKey::from("1234567890")));
    let heartbeat = hear(b"*HQ,135790246811220,HTBT,100#").unwrap();
    assert_eq!(heartbeat.reply.taken, b"*HQ,135790246811220,HTBT#");
}

#[test]
fn a_device_says_who_it_is_once() {
    let mut session = (STREAM.session)();
    session.feed(b"*HQ,135790246811220,HTBT#\r\n*HQ,135790246811220,HTBT#*HQ,135790246811220,XT,1,100#");
    let said: Vec<_> = std::iter::from_fn(|| session.next_message(NOW).unwrap()).map(|h| h.message).collect();
    assert_eq!(said, [Message::Login(DeviceKey::from("135790246811220")), Message::KeepAlive, Message::KeepAlive]);
}

#[test]
fn binary_messages_are_told_apart_by_what_follows() {
    let r = record(BINARY);
    let p = near(&r, 48.85, 37.6);
    assert_eq!((r.time, r.device.as_ref().map(DeviceKey::expose)), (Some(NOW), Some("1234567890")));
    assert!((p.speed.unwrap() - 9.774).abs() < 0.01 && p.bearing == Some(91.0) && p.valid);
    assert_eq!(r.attribute(&AttrKey::Name("battery_percent")), Some(&AttrValue::Int(80)));

    let with_cell = [&BINARY[..], &[0, 0, 0, 0, 1, 0xF8, 0, 0xEE, 1, 0, 0, 0, 0x32]].concat();
    let line = b"*HQ,1234567890,V1,044449,A,4851.0000,N,03736.0000,E,0,0,140624#";
    for stream in [
        [BINARY, &line[..], BINARY].concat(),
        [&with_cell, &line[..], &with_cell].concat(),
        [&with_cell[..], &with_cell, line].concat(),
    ] {
        for cut in 0..stream.len() {
            let mut session = (STREAM.session)();
            let mut places = 0;
            for part in [&stream[..cut], &stream[cut..]] {
                session.feed(part);
                while let Some(heard) = session.next_message(NOW).unwrap() {
                    let Message::Records(records) = heard.message else { continue };
                    near(&records[0], 48.85, 37.6);
                    places += 1;
                }
            }
            assert_eq!((places, session.pending()), (3, 0), "cut at {cut}");
        }
    }
    let long_id = [&[0x24, 0x35, 0x24, 0x83, 0x08, 0x41, 0x93, 0x29, 0x30], &BINARY[6..], &[0; 7]].concat();
    let r = record(&long_id);
    assert_eq!((r.device.as_ref().map(DeviceKey::expose), r.time), (Some("352483084193293"), Some(NOW)));
}

#[test]
fn damage_is_refused_and_not_answered() {
    for (line, kind) in [
        (&b"*HQ,1234567890,V1,044449,A,4861.0000,N,03736.0000,E,0,0,140624#"[..], Kind::BadField),
        (b"*HQ,1234567890,V1,044449,A,48x1.0000,N,03736.0000,E,0,0,140624#", Kind::BadField),
        (b"*HQ,1234567890,V1,044469,A,4851.0000,N,03736.0000,E,0,0,140624#", Kind::BadField),
        (b"*HQ,1234567890,V1,044449,A,4851.0000,N,03736.0000,E,0,0#", Kind::MissingField),
        (b"*HQ,12345 7890,V1,044449,A,4851.0000,N,03736.0000,E,0,0,140624#", Kind::BadField),
        (b"*HQ#", Kind::MissingField),
        (b"*HQ,1234567890,V1,0444", Kind::Truncated),
        (b"GET / HTTP/1.1\r\n", Kind::BadPreamble),
        (&[b'*'; 3000], Kind::Oversize),
    ] {
        assert_eq!(hear(line).unwrap_err().kind, kind, "{}", String::from_utf8_lossy(line));
    }
    let mut hexadecimal = *BINARY;
    hexadecimal[13] = 0x5A;
    assert_eq!(hear(&hexadecimal).unwrap_err().kind, Kind::BadField);
}

#[test]
fn the_first_bytes_tell_it_from_others() {
    sniffs(
        sniff,
        &[
            (&b"*HQ,"[..], Sniff::Yes),
            (b"*H", Sniff::NeedMore),
            (BINARY, Sniff::Yes),
            (&BINARY[..5], Sniff::NeedMore),
            (b"$GPRMC,044449", Sniff::No),
            (b"$$A28,864507,AAA", Sniff::No),
            (b"##,imei:", Sniff::No),
        ],
    );
}

#[test]
fn a_device_is_understood_and_understands() {
    let mut device = (STREAM.terminal)(&DeviceKey::from("352093081452251"));
    assert!(device.hello().unwrap().is_empty());
    let p = Position {
        lat: -33.456,
        lon: -70.65,
        speed: Some(12.5),
        bearing: Some(271.0),
        valid: true,
        ..Position::default()
    };
    let heard = hear(&device.tell(&[Record::at(NOW, p)]).unwrap()).unwrap();
    let Message::Records(records) = &heard.message else { panic!() };
    let q = near(&records[0], -33.456, -70.65);
    assert!((q.speed.unwrap() - 12.5).abs() < 0.001 && q.bearing == p.bearing && q.valid);
    assert_eq!(device.hear(&heard.reply.taken[..9]), Ok(Answer::Unfinished));
    assert_eq!(device.hear(&heard.reply.taken), Ok(Answer::Taken(heard.reply.taken.len())));
    assert!(device.tell(&[]).is_err());
}

#[test]
fn what_the_device_says_of_itself_is_understood() {
    use super::super::testing::raised;
    use super::super::{DeviceEvent, Said};
    use transit_model::fix::Source;

    // Bits that are clear are set off: the power is cut and the driver calls.
    let both = record(b"*HQ,1234567890,V1,044449,A,4851.0000,N,03736.0000,E,19.43,091,140624,FFF7FBFD#");
    assert_eq!(raised(Source::H02, &both), [DeviceEvent::Panic, DeviceEvent::PowerCut]);
    let quiet = record(b"*HQ,1234567890,V1,044449,A,4851.0000,N,03736.0000,E,19.43,091,140624,FFFFFFFF#");
    let said = Said::of(Source::H02, &quiet);
    assert!(said.raised.is_empty() && said.ignition == Some(true));
}
