//! The laws of the codecs: what is written is read back, however the stream is cut; what is damaged is
//! never acknowledged and never a panic.
#![cfg(test)]

mod laws {
    use proptest::prelude::*;
    use tracker_ingest::codec::stream::Session;
    use tracker_ingest::codec::teltonika::{self, Codec};
    use tracker_ingest::codec::{AttrKey, AttrValue, DeviceKey, Message, Outcome, Position, Record, mqtt_json, osmand};
    use transit_model::fix::Reported;
    use transit_model::time::{ServiceDate, UnixMs};

    const IMEI: &str = "352093081452251";

    fn degrees(most: i32) -> impl Strategy<Value = f64> {
        (-most * 1_000_000..most * 1_000_000)
            .prop_map(|d| f64::from(d) / 1e7)
            .prop_filter("zero means none", |d| *d != 0.0)
    }

    /// Records that codec 8 can say without loss.
    fn avl(long_values: bool) -> impl Strategy<Value = Record> {
        let position = (degrees(90), degrees(180), -500i16..9000, 0u16..360, 1u8..40, 0u16..300);
        let io = (0u16..181, prop_oneof![0u64..256, 256u64..70_000, any::<u64>()]);
        let long = proptest::collection::vec((0u16..2000, proptest::collection::vec(any::<u8>(), 0..40)), 0..3);
        let ios = proptest::collection::vec(io, 0..12);
        (0i64..4_000_000_000_000, 0u64..3, proptest::option::of(position), ios, long).prop_map(
            move |(time, priority, p, ios, long)| {
                let mut attributes = Vec::new();
                if priority > 0 {
                    attributes.push((AttrKey::Name("priority"), AttrValue::Int(priority)));
                }
                // In the order the protocol has: by width of value.
                let width = |v: u64| [0xFF, 0xFFFF, 0xFFFF_FFFF].iter().filter(|m| v > **m).count();
                let mut ios = ios;
                ios.sort_by_key(|(_, v)| width(*v));
                attributes.extend(ios.into_iter().map(|(id, v)| (AttrKey::Io(id), AttrValue::Int(v))));
                if long_values {
                    attributes.extend(long.into_iter().map(|(id, b)| (AttrKey::Io(id), AttrValue::Bytes(b.into()))));
                }
                let position = p.map(|(lat, lon, altitude, bearing, satellites, kmh)| Position {
                    lat,
                    lon,
                    altitude: Some(f32::from(altitude)),
                    speed: Some(f32::from(kmh) / 3.6),
                    bearing: Some(f32::from(bearing)),
                    satellites: Some(satellites),
                    hdop: None,
                    accuracy: None,
                    valid: true,
                });
                Record { time: Some(UnixMs(time)), position, attributes, ..Record::default() }
            },
        )
    }

    fn packet() -> impl Strategy<Value = (Vec<u8>, Vec<Record>)> {
        any::<bool>().prop_flat_map(|extended| {
            let codec = if extended { Codec::EightExtended } else { Codec::Eight };
            proptest::collection::vec(avl(extended), 1..6)
                .prop_map(move |records| (teltonika::encode(codec, &records).unwrap(), records))
        })
    }

    fn session() -> Box<dyn Session> {
        (teltonika::STREAM.session)()
    }

    /// Everything a session makes of chunks of bytes: messages, and whether anything was wrong.
    fn drain(session: &mut dyn Session, chunks: &[&[u8]]) -> (Vec<Message>, usize) {
        let (mut messages, mut errors) = (Vec::new(), 0);
        for chunk in chunks {
            session.feed(chunk);
            loop {
                match session.next_message(UnixMs(0)) {
                    Ok(Some(heard)) => messages.push(heard.message),
                    Ok(None) => break,
                    Err(_) => errors += 1,
                }
            }
        }
        (messages, errors)
    }

    fn without_digest(message: &Message) -> Vec<Record> {
        let Message::Records(records) = message else { return Vec::new() };
        records.iter().cloned().map(|r| Record { sequence: 0, ..r }).collect()
    }

    proptest! {
        #[test]
        fn teltonika_reads_what_it_writes((bytes, records) in packet()) {
            let (messages, errors) = drain(session().as_mut(), &[&bytes]);
            prop_assert_eq!((messages.len(), errors), (1, 0));
            prop_assert_eq!(without_digest(&messages[0]), records.clone());
            let count = u32::try_from(records.len()).unwrap().to_be_bytes();
            prop_assert_eq!(teltonika::acknowledge(&messages[0], Outcome::Taken), count);
            prop_assert!(teltonika::acknowledge(&messages[0], Outcome::Refused).is_empty());
        }

        #[test]
        fn a_teltonika_stream_reads_the_same_however_it_is_cut(
            packets in proptest::collection::vec(packet(), 1..4),
            alive in proptest::collection::vec(0usize..3, 4),
            chunk in 1usize..200,
        ) {
            let mut stream = teltonika::encode_login(IMEI).unwrap();
            for ((bytes, _), n) in packets.iter().zip(alive) {
                stream.extend(std::iter::repeat_n(0xFF, n));
                stream.extend(bytes);
            }
            let talk = |(messages, errors): (Vec<Message>, usize)| {
                let said: Vec<_> = messages.into_iter().filter(|m| *m != Message::KeepAlive).collect();
                (said, errors)
            };
            let whole = talk(drain(session().as_mut(), &[&stream]));
            prop_assert_eq!(whole.0.len(), packets.len() + 1);
            prop_assert_eq!(whole.1, 0);
            let chunks: Vec<&[u8]> = stream.chunks(chunk).collect();
            prop_assert_eq!(talk(drain(session().as_mut(), &chunks)), whole);
        }

        #[test]
        fn a_truncated_teltonika_packet_is_never_a_message((bytes, _) in packet()) {
            for n in 0..bytes.len() {
                let mut session = session();
                let (messages, errors) = drain(session.as_mut(), &[&bytes[..n]]);
                prop_assert!(messages.is_empty() && errors == 0, "cut at {}", n);
                prop_assert_eq!(session.pending(), n);
                prop_assert_eq!(session.finish(UnixMs(0)).is_err(), n > 0);
            }
        }

        #[test]
        fn a_flipped_bit_is_never_acknowledged((bytes, _) in packet(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] ^= 1 << bit;
            let (messages, _) = drain(session().as_mut(), &[&damaged]);
            for m in messages {
                prop_assert!(!matches!(m, Message::Records(_)), "{m:?}");
            }
        }

        #[test]
        fn no_bytes_are_a_panic_or_a_large_buffer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut session = session();
            drain(session.as_mut(), &[&bytes]);
            prop_assert!(session.pending() <= bytes.len());
            let _ = teltonika::sniff(&bytes);
            let _ = mqtt_json::decode(&bytes);
            let _ = osmand::decode(&osmand::Request { body: &bytes, ..Default::default() });
            let text = String::from_utf8_lossy(&bytes);
            let _ = osmand::decode(&osmand::Request { query: &text, ..Default::default() });
        }

        #[test]
        fn osmand_reads_what_it_writes(record in told()) {
            let device = DeviceKey::from(IMEI);
            let form = osmand::encode(&device, &record).unwrap();
            for request in [
                osmand::Request { query: &form, ..Default::default() },
                osmand::Request { body: form.as_bytes(), ..Default::default() },
            ] {
                let read = osmand::decode(&request).unwrap();
                let Message::Records(records) = read.message else { panic!() };
                prop_assert_eq!(records.len(), 1);
                prop_assert_eq!(&records[0].device, &Some(device.clone()));
                same(&records[0], &record)?;
            }
            if record.position.is_some() {
                let body = osmand::encode_json(&device, &record).unwrap();
                let read = osmand::decode(&osmand::Request { body: &body, ..Default::default() }).unwrap();
                let Message::Records(records) = read.message else { panic!() };
                same(&records[0], &Record { reported: Reported::default(), ..record })?;
            }
        }

        #[test]
        fn mqtt_json_reads_what_it_writes(record in told()) {
            let said = |word: &Option<Box<str>>| word.as_deref().and_then(Reported::word);
            let (sign, run) = (said(&record.reported.trip_id), said(&record.reported.route_id));
            let reported = Reported { sign, operator: run.clone(), run, ..record.reported.clone() };
            let record = Record { reported, ..record };
            let Message::Records(records) = mqtt_json::decode(&mqtt_json::encode(&record).unwrap()).unwrap() else { panic!() };
            same(&records[0], &record)?;
        }
    }

    /// Records that a phone or our own JSON can say.
    fn told() -> impl Strategy<Value = Record> {
        let position = (degrees(90), degrees(180), proptest::option::of(0f32..60.0), proptest::option::of(0f32..360.0));
        let text = proptest::option::of("[A-Za-z0-9 &=+%є/-]{1,12}");
        (100_000_000_000i64..4_000_000_000_000, proptest::option::of(position), text.clone(), text, 0i32..30_000)
            .prop_map(|(time, p, trip, route, day)| Record {
                time: Some(UnixMs(time)),
                position: p.map(|(lat, lon, speed, bearing)| Position {
                    lat,
                    lon,
                    speed,
                    bearing,
                    valid: true,
                    ..Position::default()
                }),
                reported: Reported {
                    trip_id: trip.map(Into::into),
                    route_id: route.map(Into::into),
                    start_date: (day % 2 == 0).then(|| ServiceDate::from_days(day)),
                    ..Reported::default()
                },
                ..Record::default()
            })
    }

    fn same(read: &Record, written: &Record) -> Result<(), TestCaseError> {
        prop_assert_eq!(read.time, written.time);
        prop_assert_eq!(&read.reported, &written.reported);
        prop_assert_eq!(read.position.is_some(), written.position.is_some());
        if let (Some(r), Some(w)) = (read.position, written.position) {
            prop_assert_eq!((r.lat, r.lon, r.valid), (w.lat, w.lon, w.valid));
            for (r, w) in [(r.speed, w.speed), (r.bearing, w.bearing)] {
                prop_assert_eq!(r.is_some(), w.is_some());
                prop_assert!((r.unwrap_or(0.0) - w.unwrap_or(0.0)).abs() < 1e-3, "{:?} {:?}", r, w);
            }
        }
        Ok(())
    }

    #[test]
    fn the_same_record_sent_twice_has_the_same_digest_and_another_has_not() {
        let p = Position { lat: 48.85, lon: 37.6, valid: true, ..Position::default() };
        let one = Record::at(UnixMs(1_700_000_000_000), p);
        let other = Record::at(UnixMs(1_700_000_000_000), Position { lat: 48.86, ..p });
        let digests = |records: &[Record]| {
            let bytes = teltonika::encode(Codec::Eight, records).unwrap();
            let (messages, _) = drain(session().as_mut(), &[&bytes]);
            let Some(Message::Records(records)) = messages.into_iter().next() else { panic!() };
            records.into_iter().map(|r| r.sequence).collect::<Vec<_>>()
        };
        let (alone, together) = (digests(std::slice::from_ref(&one)), digests(&[other, one]));
        assert_eq!(alone[0], together[1]);
        assert_ne!(together[0], together[1]);
    }

    #[test]
    fn a_connection_survives_a_damaged_packet_and_not_a_lost_frame() {
        let record = Record::at(UnixMs(1), Position { lat: 1.0, lon: 1.0, valid: true, ..Position::default() });
        let good = teltonika::encode(Codec::Eight, &[record]).unwrap();
        let mut damaged = good.clone();
        damaged[12] ^= 1;
        let (messages, errors) = drain(session().as_mut(), &[&damaged, &good]);
        assert_eq!((messages.len(), errors), (1, 1));
        let (messages, errors) = drain(session().as_mut(), &[b"GET / HTTP/1.1\r\n", &good]);
        assert_eq!((messages.len(), errors), (0, 1));
    }

    #[test]
    fn each_fault_has_its_kind() {
        let record = Record::at(UnixMs(1), Position { lat: 1.0, lon: 1.0, valid: true, ..Position::default() });
        let good = teltonika::encode(Codec::Eight, &[record]).unwrap();
        let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut data = good[8..good.len() - 4].to_vec();
            change(&mut data);
            let mut frame = vec![0, 0, 0, 0];
            frame.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            frame.extend(&data);
            frame.extend(u32::from(crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(&data)).to_be_bytes());
            frame
        };
        let oversize = [0, 0, 0, 0, 0, 1, 0, 1].to_vec();
        for (name, bytes) in [
            ("bad_preamble", b"\x47\x45".to_vec()),
            ("bad_preamble", vec![0, 0, 7]),
            ("bad_login", b"\x00\x0f12 4".to_vec()),
            ("oversize", oversize),
            ("unsupported_codec", sealed(&|d| d[0] = 0x0B)),
            ("bad_length", sealed(&|d| d[1] = 2)),
            ("bad_length", sealed(&|d| *d.last_mut().unwrap() = 2)),
            ("bad_length", sealed(&|d| d.push(1))),
            ("bad_length", sealed(&Vec::clear)),
        ] {
            let mut session = session();
            session.feed(&bytes);
            let e = session.next_message(UnixMs(0)).unwrap_err();
            assert_eq!(e.kind.name(), name, "{e}");
        }
        for (name, query) in [
            ("missing_field", "timestamp=1&lat=1&lon=2"),
            ("missing_field", "id=1&lat=1"),
            ("bad_field", "id=1&lat=north&lon=2"),
            ("bad_field", "id=1&timestamp=yesterday"),
            ("bad_field", "id=a/b"),
            ("bad_field", "id=1&start_date=20261340"),
        ] {
            let e = osmand::decode(&osmand::Request { query, ..Default::default() }).unwrap_err();
            assert_eq!(e.kind.name(), name, "{e}");
        }
        for (name, text) in [
            ("truncated", "{\"time\": 1"),
            ("missing_field", "{\"lat\": 1, \"lon\": 2}"),
            ("missing_field", "{\"time\": 1, \"lat\": 2}"),
            ("bad_json", "[]"),
            ("bad_json", "{\"time\": 1, \"latitude\": 2}"),
            ("bad_field", "{\"time\": -5}"),
            ("bad_field", "{\"time\": 1, \"bearing\": 400}"),
            ("bad_field", "{\"time\": 1, \"speed\": -1}"),
        ] {
            let e = mqtt_json::decode(text.as_bytes()).unwrap_err();
            assert_eq!(e.kind.name(), name, "{e}");
        }
    }

    #[test]
    fn a_knot_is_a_knot_in_the_form_and_a_metre_in_the_json() {
        let speed = |request: osmand::Request<'_>| {
            let Message::Records(r) = osmand::decode(&request).unwrap().message else { panic!() };
            r[0].position.unwrap().speed.unwrap()
        };
        let form =
            osmand::Request { query: "id=1&lat=48.8&lon=37.6&timestamp=1700000000&speed=10", ..Default::default() };
        assert!((speed(form) - 5.144).abs() < 0.001);
        let body = br#"{"device_id": 1, "location": {"timestamp": 1700000000, "coords": {"latitude": 48.8, "longitude": 37.6, "speed": 10}}}"#;
        assert!((speed(osmand::Request { body, ..Default::default() }) - 10.0).abs() < 0.001);
    }

    #[test]
    fn sniffing_tells_the_protocols_apart() {
        use tracker_ingest::codec::Sniff;
        let login = teltonika::encode_login(IMEI).unwrap();
        assert_eq!(teltonika::sniff(&login), Sniff::Yes);
        assert_eq!(teltonika::sniff(&[0, 0, 0, 0]), Sniff::Yes);
        assert_eq!(teltonika::sniff(&[0]), Sniff::NeedMore);
        assert_eq!(teltonika::sniff(b"GET /?id=1"), Sniff::No);
        assert_eq!(osmand::sniff(b"GET /?id=1"), Sniff::Yes);
        assert_eq!(osmand::sniff(b"PO"), Sniff::NeedMore);
        assert_eq!(osmand::sniff(&login), Sniff::No);
        assert_eq!(mqtt_json::sniff(b" {"), Sniff::Yes);
    }
}
