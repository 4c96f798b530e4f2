//! What holds for every protocol over a stream of bytes, whichever it is: a protocol that is added to the
//! table is under these laws from then on.
#![cfg(test)]

use std::slice::from_ref;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tracker_ingest::codec::stream::{Answer, Heard, Session, Terminal};
use tracker_ingest::codec::{DeviceKey, Message, Outcome, Position, Protocol, Record, Sniff, StreamCodec};
use transit_model::time::UnixMs;

/// Digits, so that it fits wherever an IMEI does.
const IMEI: &str = "352093081452251";
/// The server's clock, 22 November 2026.
const NOW: UnixMs = UnixMs(1_795_305_600_000);
/// More than the longest message of any protocol, and what may come with its end.
const HELD: usize = 256 * 1024;
/// Degrees: a ten-thousandth of a minute and its rounding, which is the coarsest of them.
const DEGREES: f64 = 1.1e-5;

fn codecs() -> impl Iterator<Item = (Protocol, &'static StreamCodec)> {
    Protocol::ALL.iter().filter_map(|p| p.stream().map(|c| (*p, c)))
}

fn terminal(codec: &StreamCodec) -> Box<dyn Terminal> {
    (codec.terminal)(&DeviceKey::from(IMEI))
}

/// A place a vehicle could be, in whole seconds of the last weeks.
fn record() -> impl Strategy<Value = Record> {
    let of = |(ago, lat, lon, speed, bearing, satellites): (i64, f64, f64, f32, u16, u8)| {
        let position = Position {
            lat,
            lon,
            altitude: Some(120.0),
            speed: Some(speed),
            bearing: Some(f32::from(bearing)),
            satellites: Some(satellites),
            hdop: Some(1.0),
            valid: true,
            ..Position::default()
        };
        Record::at(UnixMs(NOW.0 - ago * 1000), position)
    };
    (0..2_000_000i64, -66.0..66.0f64, -179.0..179.0f64, 0.0..40.0f32, 0..360u16, 4..15u8).prop_map(of)
}

fn batch() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(record(), 1..5)
}

/// What a device says from its first word on: in as many messages as its protocol needs.
fn says(terminal: &mut dyn Terminal, records: &[Record]) -> Vec<Vec<u8>> {
    records.chunks(terminal.most().max(1)).map(|part| terminal.tell(part).unwrap()).collect()
}

/// Everything a session makes of chunks of bytes, and how often it could not read.
fn hear(session: &mut dyn Session, chunks: &[&[u8]]) -> (Vec<Heard>, usize) {
    let (mut all, mut faults, mut lost) = (Vec::new(), 0, false);
    for chunk in chunks {
        session.feed(chunk);
        loop {
            match session.next_message(NOW) {
                Ok(Some(heard)) => all.push(heard),
                Ok(None) => break,
                Err(e) => (faults, lost) = (faults + 1, lost | e.kind.loses_framing()),
            }
        }
        assert!(!lost || session.pending() == 0, "the place is lost, and {} bytes are held", session.pending());
        assert!(session.pending() <= HELD, "{} bytes are held", session.pending());
    }
    (all, faults)
}

fn records(heard: &[Heard]) -> Vec<Record> {
    let of = |h: &Heard| if let Message::Records(r) = &h.message { r.clone() } else { Vec::new() };
    heard.iter().flat_map(of).collect()
}

fn same(p: Protocol, told: &Record, read: &Record) -> Result<(), TestCaseError> {
    let (want, got) = (told.position.unwrap(), read.position.unwrap());
    prop_assert!((want.lat - got.lat).abs() <= DEGREES, "{}: latitude {} became {}", p, want.lat, got.lat);
    prop_assert!((want.lon - got.lon).abs() <= DEGREES, "{}: longitude {} became {}", p, want.lon, got.lon);
    prop_assert!(got.valid, "{}: it was valid", p);
    let apart = told.time.unwrap().0 - read.time.unwrap_or(UnixMs(0)).0;
    prop_assert!(apart.abs() <= 1000, "{}: the time is {} ms off", p, apart);
    if let (Some(want), Some(got)) = (want.speed, got.speed) {
        prop_assert!((want - got).abs() < 0.53, "{}: {} m/s became {}", p, want, got);
    }
    if let (Some(want), Some(got)) = (want.bearing, got.bearing) {
        let turn = (want - got).rem_euclid(360.0);
        prop_assert!(turn.min(360.0 - turn) <= 2.0, "{}: course {} became {}", p, want, got);
    }
    if let Some(device) = &read.device {
        prop_assert_eq!(device.expose(), IMEI, "{}", p);
    }
    Ok(())
}

/// For every protocol, with values from the strategy.
fn law<S: Strategy>(cases: u32, of: &S, test: impl Fn(Protocol, &StreamCodec, S::Value) -> Result<(), TestCaseError>) {
    for (protocol, codec) in codecs() {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(of, |value| test(protocol, codec, value));
        assert!(result.is_ok(), "{protocol}: {}", result.unwrap_err());
    }
}

#[test]
fn the_server_reads_what_the_device_says_and_the_device_hears_that_it_was_taken() {
    law(48, &batch(), |p, codec, told| {
        let (mut device, mut server) = (terminal(codec), (codec.session)());
        let mut read = Vec::new();
        let mut talk = |device: &mut dyn Terminal, said: Vec<u8>| {
            let (heard, faults) = hear(server.as_mut(), &[&said]);
            prop_assert_eq!(faults, 0, "{}: cannot read {:02x?}", p, said);
            read.extend(records(&heard));
            let answer: Vec<u8> = heard.into_iter().flat_map(|h| h.reply.to(Outcome::Taken)).collect();
            let mut rest = answer.as_slice();
            loop {
                match device.hear(rest).map_err(|e| TestCaseError::fail(format!("{p}: {e}")))? {
                    Answer::Taken(n) if n > 0 && n < rest.len() => rest = &rest[n..],
                    Answer::Taken(n) => {
                        prop_assert_eq!(n, rest.len(), "{}: an answer is left over", p);
                        return Ok(());
                    }
                    other => return Err(TestCaseError::fail(format!("{p}: {other:?} to {answer:02x?}"))),
                }
            }
        };
        let hello = device.hello().unwrap();
        if !hello.is_empty() {
            talk(device.as_mut(), hello)?;
        }
        for part in told.chunks(device.most().max(1)) {
            let said = device.tell(part).unwrap();
            talk(device.as_mut(), said)?;
        }
        read.retain(|r| r.position.is_some());
        prop_assert_eq!(read.len(), told.len(), "{}", p);
        told.iter().zip(&read).try_for_each(|(told, read)| same(p, told, read))
    });
}

#[test]
fn records_have_an_owner() {
    law(4, &batch(), |p, codec, told| {
        let (mut device, mut server) = (terminal(codec), (codec.session)());
        let mut said = vec![device.hello().unwrap()];
        said.extend(says(device.as_mut(), &told));
        let chunks: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
        let (heard, _) = hear(server.as_mut(), &chunks);
        let login =
            heard.iter().find_map(|h| if let Message::Login(key) = &h.message { Some(key.clone()) } else { None });
        for r in records(&heard) {
            let owner = r.device.or_else(|| login.clone());
            prop_assert_eq!(owner.as_ref().map(DeviceKey::expose), Some(IMEI), "{}", p);
        }
        Ok(())
    });
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut_and_glued() {
    let of = (batch(), batch(), 1usize..90);
    law(32, &of, |p, codec, (first, second, cut)| {
        let mut device = terminal(codec);
        let mut said = vec![device.hello().unwrap()];
        said.extend(says(device.as_mut(), &first));
        said.extend(says(device.as_mut(), &second));
        let apart: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
        let glued = said.concat();
        let wanted = hear((codec.session)().as_mut(), &apart);
        prop_assert_eq!(wanted.1, 0, "{}", p);
        prop_assert_eq!(&hear((codec.session)().as_mut(), &[&glued]), &wanted, "{} glued", p);
        let cut: Vec<&[u8]> = glued.chunks(cut).collect();
        prop_assert_eq!(&hear((codec.session)().as_mut(), &cut), &wanted, "{} cut", p);
        let bytes: Vec<&[u8]> = glued.chunks(1).collect();
        prop_assert_eq!(&hear((codec.session)().as_mut(), &bytes), &wanted, "{} by the byte", p);
        Ok(())
    });
}

#[test]
fn a_message_cut_off_is_never_another_message() {
    law(12, &record(), |p, codec, told| {
        let mut device = terminal(codec);
        let hello = device.hello().unwrap();
        let said = device.tell(&[told]).unwrap();
        let listen = |bytes: &[u8]| {
            let mut server = (codec.session)();
            let (_, _) = hear(server.as_mut(), &[&hello]);
            let heard = hear(server.as_mut(), &[bytes]).0;
            (heard, server)
        };
        let (whole, _) = listen(&said);
        for n in 0..said.len() {
            let (heard, mut server) = listen(&said[..n]);
            // What comes after the last message (a line's end) may be missing.
            prop_assert!(heard.is_empty() || heard == whole, "{} cut at {} of {}: {:?}", p, n, said.len(), heard);
            prop_assert!(server.pending() <= n, "{}", p);
            let _ = server.finish(NOW);
            prop_assert_eq!(server.pending(), 0, "{}: a finished session holds nothing", p);
        }
        Ok(())
    });
}

#[test]
fn a_record_said_again_on_another_connection_in_other_company_is_the_same_record() {
    let key = |r: &Record| (r.time, r.sequence);
    law(24, &(batch(), record()), |p, codec, (told, before)| {
        let said = |messages: &mut dyn FnMut(&mut dyn Terminal) -> Vec<Vec<u8>>| {
            let (mut device, mut server) = (terminal(codec), (codec.session)());
            let hello = device.hello().unwrap();
            let messages = messages(device.as_mut());
            let chunks: Vec<&[u8]> = std::iter::once(&hello).chain(&messages).map(Vec::as_slice).collect();
            records(&hear(server.as_mut(), &chunks).0).iter().map(key).collect::<Vec<_>>()
        };
        let together = said(&mut |device| says(device, &told));
        for (n, record) in told.iter().enumerate() {
            let alone = said(&mut |device| [says(device, from_ref(&before)), says(device, from_ref(record))].concat());
            prop_assert_eq!(alone.last(), together.get(n), "{}: {:?}", p, record);
        }
        Ok(())
    });
}

#[test]
fn flipped_bits_and_noise_are_no_panic_and_no_large_buffer() {
    let flips = proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6);
    let noise = proptest::collection::vec(any::<u8>(), 0..700);
    law(48, &(batch(), flips, noise), |_, codec, (told, flips, noise)| {
        let mut device = terminal(codec);
        let mut said = device.hello().unwrap();
        said.extend(says(device.as_mut(), &told).concat());
        for (at, bit) in flips {
            let at = at.index(said.len());
            said[at] ^= 1 << bit;
        }
        for bytes in [&said, &noise] {
            let mut server = (codec.session)();
            hear(server.as_mut(), &[bytes, &said]);
            let _ = server.finish(NOW);
            let mut server = (codec.datagrams)();
            hear(server.as_mut(), &[bytes]);
            let _ = server.finish(NOW);
            let _ = (codec.sniff)(bytes);
            let _ = device.hear(bytes);
        }
        Ok(())
    });
}

#[test]
fn a_message_that_never_ends_costs_bounded_memory() {
    law(2, &record(), |p, codec, told| {
        let mut device = terminal(codec);
        let mut said = device.hello().unwrap();
        said.extend(device.tell(&[told]).unwrap());
        // Broken off in its middle, and then its own bytes, or one byte, for ever.
        said.truncate(said.len() - 3);
        for filler in [said.clone(), vec![said[said.len() / 2]], b"1".to_vec(), vec![0xFF], vec![0]] {
            let block: Vec<u8> = filler.iter().copied().cycle().take(4096).collect();
            let mut server = (codec.session)();
            let mut held = 0;
            hear(server.as_mut(), &[&said]);
            for _ in 0..200 {
                hear(server.as_mut(), &[&block]);
                held = held.max(server.pending());
            }
            prop_assert!(held <= HELD, "{}: {} bytes held", p, held);
        }
        Ok(())
    });
}

/// Protocols whose first words are alike, which the port for any of them therefore refuses by name.
const ALIKE: &[(&str, &str)] = &[];

/// Protocols that speak as another does and are weaker: only on a port of their own, never by a guess.
const NEVER_GUESSED: &[Protocol] = &[Protocol::Bitrek];

#[test]
fn the_first_words_say_which_protocol_it_is() {
    for (protocol, codec) in codecs() {
        if NEVER_GUESSED.contains(&protocol) {
            assert_eq!((codec.sniff)(&terminal(codec).hello().unwrap()), Sniff::No, "{protocol}");
            continue;
        }
        let mut device = terminal(codec);
        let mut first = device.hello().unwrap();
        if first.is_empty() {
            let told = Position { lat: 48.85, lon: 37.6, satellites: Some(9), valid: true, ..Position::default() };
            first = device.tell(&[Record::at(NOW, told)]).unwrap();
        }
        for n in 0..first.len() {
            assert_ne!((codec.sniff)(&first[..n]), Sniff::No, "{protocol} does not know {:02x?}", &first[..n]);
        }
        let yes: Vec<&str> = codecs().filter(|(_, c)| (c.sniff)(&first) == Sniff::Yes).map(|(p, _)| p.name()).collect();
        assert!(yes.contains(&protocol.name()), "{protocol} does not know its own {first:02x?}");
        let alike = |other: &str| {
            let pair =
                |(a, b): &(&str, &str)| (*a, *b) == (protocol.name(), other) || (*b, *a) == (protocol.name(), other);
            ALIKE.iter().any(pair)
        };
        let others: Vec<&&str> = yes.iter().filter(|name| **name != protocol.name() && !alike(name)).collect();
        assert!(others.is_empty(), "{others:?} take {protocol}'s {first:02x?} for their own");
    }
}
