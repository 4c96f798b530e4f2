//! What the tests of the stream protocols share.

use transit_model::fix::Source;
use transit_model::time::UnixMs;

use super::stream::{Heard, StreamCodec, Terminal};
use super::{DecodeError, DecodeErrorKind, DeviceEvent, DeviceKey, Message, Position, Record, Said, Sniff};

/// The server's clock in these tests.
pub(crate) const NOW: UnixMs = UnixMs(1_750_000_000_000);

/// The moment that the frames of several protocols' tests tell: 2024-06-14 04:44:49 UTC.
pub(crate) const THEN: UnixMs = UnixMs(1_718_340_289_000);

/// The first message of these bytes on a new connection, whole or without its end, with the server's clock at
/// [`THEN`]; or what is wrong with it.
pub(crate) fn first(codec: &StreamCodec, bytes: &[u8]) -> Result<Heard, DecodeError> {
    let mut session = (codec.session)();
    session.feed(bytes);
    match session.next_message(THEN)? {
        Some(heard) => Ok(heard),
        None => session.finish(THEN).map(Option::unwrap),
    }
}

/// The records of the first message of these bytes.
pub(crate) fn first_records(codec: &StreamCodec, bytes: &[u8]) -> Vec<Record> {
    match first(codec, bytes).unwrap().message {
        Message::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

/// The position of a record, which is here to a millionth of a degree.
pub(crate) fn near(r: &Record, lat: f64, lon: f64) -> Position {
    let p = r.position.unwrap();
    assert!((p.lat - lat).abs() < 1e-6 && (p.lon - lon).abs() < 1e-6, "{p:?}");
    p
}

/// Asserts what first bytes are taken for.
pub(crate) fn sniffs(sniff: fn(&[u8]) -> Sniff, cases: &[(&[u8], Sniff)]) {
    for (first, sniffed) in cases {
        assert_eq!(sniff(first), *sniffed, "{first:?}");
    }
}

/// Bytes from hexadecimal digits; spaces mean nothing.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|p| u8::try_from(p[0] << 4 | p[1]).unwrap()).collect()
}

/// Everything a new connection yields from these bytes, whole messages and one cut off.
pub(crate) fn hear(codec: &StreamCodec, bytes: &[u8]) -> Vec<Result<Heard, DecodeError>> {
    let mut session = (codec.session)();
    session.feed(bytes);
    let mut all = Vec::new();
    loop {
        match session.next_message(NOW) {
            Ok(Some(heard)) => all.push(Ok(heard)),
            Ok(None) => break,
            Err(e) => {
                let lost = e.kind.loses_framing();
                all.push(Err(e));
                if lost {
                    return all;
                }
            }
        }
    }
    match session.finish(NOW) {
        Ok(last) => all.extend(last.map(Ok)),
        Err(e) => all.push(Err(e)),
    }
    all
}

/// The one message these bytes are.
pub(crate) fn one(codec: &StreamCodec, bytes: &[u8]) -> Heard {
    let mut all = hear(codec, bytes);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap()
}

/// The records of the one message these bytes are.
pub(crate) fn records(codec: &StreamCodec, bytes: &[u8]) -> Vec<Record> {
    match one(codec, bytes).message {
        Message::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with the last message of these bytes.
pub(crate) fn fault(codec: &StreamCodec, bytes: &[u8]) -> DecodeErrorKind {
    hear(codec, bytes).pop().unwrap().unwrap_err().kind
}

/// A position with all that most protocols can say: whole km/h, degrees and metres.
pub(crate) fn somewhere() -> Position {
    Position {
        lat: 48.853_25,
        lon: 37.605_125,
        altitude: Some(74.0),
        speed: Some(10.0),
        bearing: Some(287.0),
        satellites: Some(11),
        hdop: Some(0.9),
        accuracy: None,
        valid: true,
    }
}

/// A device's whole talk: the login, then the records in one message after another, each answered by the server
/// and the answer heard. Cut into pieces of `piece` bytes on the way. What the server made of it.
pub(crate) fn talk(codec: &StreamCodec, key: &str, told: &[Vec<Record>], piece: usize) -> Vec<Message> {
    let mut terminal = (codec.terminal)(&DeviceKey::from(key));
    let mut session = (codec.session)();
    let mut all = Vec::new();
    let mut say = |bytes: Vec<u8>, terminal: &mut Box<dyn Terminal>| {
        let mut answer = Vec::new();
        for piece in bytes.chunks(piece) {
            session.feed(piece);
            while let Some(heard) = session.next_message(NOW).unwrap() {
                answer.extend(heard.reply.taken);
                all.push(heard.message);
            }
        }
        assert_eq!(session.pending(), 0);
        let heard = terminal.hear(&answer).unwrap();
        assert_eq!(heard, super::stream::Answer::Taken(answer.len()), "{answer:02x?}");
    };
    let hello = terminal.hello().unwrap();
    if !hello.is_empty() {
        say(hello, &mut terminal);
    }
    for records in told {
        let bytes = terminal.tell(records).unwrap();
        say(bytes, &mut terminal);
    }
    all
}

/// Asserts that two records say the same place and time, as near as a protocol of whole numbers can.
pub(crate) fn same(a: &Record, b: &Record) {
    assert_eq!(a.time, b.time);
    let (Some(p), Some(q)) = (a.position, b.position) else {
        assert_eq!(a.position, b.position);
        return;
    };
    let near = |x: Option<f32>, y: Option<f32>, by: f32| match (x, y) {
        (Some(x), Some(y)) => (x - y).abs() <= by,
        (x, y) => x == y || x.is_none() || y.is_none(),
    };
    assert!((p.lat - q.lat).abs() < 1e-5 && (p.lon - q.lon).abs() < 1e-5, "{p:?} {q:?}");
    assert!(near(p.speed, q.speed, 0.15) && near(p.bearing, q.bearing, 1.01), "{p:?} {q:?}");
    assert!(near(p.altitude, q.altitude, 1.0) && near(p.hdop, q.hdop, 0.11), "{p:?} {q:?}");
    assert_eq!(p.valid, q.valid);
}

/// What a record that came by a protocol raises.
pub(crate) fn raised(source: Source, record: &Record) -> Vec<DeviceEvent> {
    Said::of(source, record).raised.iter().collect()
}
