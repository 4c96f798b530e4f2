//! A connection: the first byte chooses the protocol, the second the pieces it comes in.

use tracker_ingest::codec::stream::{Heard, Reply, Session, Terminal};
use tracker_ingest::codec::{DecodeErrorKind, DeviceKey, Message, Protocol, Record, StreamCodec};

use crate::{NOW, check, choose};

/// More than the longest message of any protocol and what comes with its end.
const HELD: usize = 256 * 1024;

/// What a session made of bytes.
#[derive(PartialEq, Debug)]
enum Said {
    Heard(Heard),
    Fault(DecodeErrorKind),
}

/// Holds the laws.
pub fn run(data: &[u8]) {
    let Some((protocol, codec, rest)) = choose(data) else { return };
    let Some((pieces, bytes)) = rest.split_first() else { return };
    let whole = hear(protocol, codec, &[bytes]);
    let mut cut: Vec<&[u8]> = Vec::new();
    let (mut left, mut size) = (bytes, usize::from(*pieces));
    while !left.is_empty() {
        // From one byte at a time to a few large ones, unevenly.
        size = (size * 5 + 1) % 61;
        let (piece, after) = left.split_at((size + 1).min(left.len()));
        cut.push(piece);
        left = after;
    }
    assert_eq!(whole, hear(protocol, codec, &cut), "{protocol}: whole and in pieces");

    let _ = (codec.sniff)(bytes);
    let mut device = (codec.terminal)(&DeviceKey::from("352093081452251"));
    let _ = device.hear(bytes);
    for said in &whole {
        if let Said::Heard(Heard { message: Message::Records(records), .. }) = said {
            repeat(protocol, codec, device.as_mut(), records);
        }
    }
}

/// Everything a session makes of these pieces, and of their end.
fn hear(protocol: Protocol, codec: &StreamCodec, pieces: &[&[u8]]) -> Vec<Said> {
    let mut session = (codec.session)();
    let (mut all, mut fed, mut lost) = (Vec::new(), 0, false);
    for piece in pieces {
        session.feed(piece);
        fed += piece.len();
        loop {
            match session.next_message(NOW) {
                Ok(Some(heard)) => {
                    check(protocol, &heard.message);
                    assert!(!lost, "{protocol}: a message after the place was lost");
                    let quiet = heard.message == Message::KeepAlive && heard.reply == Reply::none();
                    let said = Said::Heard(heard);
                    // Those that say nothing may be read several at once.
                    if !quiet || all.last() != Some(&said) {
                        all.push(said);
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    lost |= e.kind.loses_framing();
                    all.push(Said::Fault(e.kind));
                }
            }
            assert!(all.len() <= fed + 1, "{protocol}: more messages than bytes");
        }
        assert!(session.pending() <= HELD, "{protocol}: {} bytes are held", session.pending());
    }
    if !lost {
        match session.finish(NOW) {
            Ok(Some(heard)) => all.push(Said::Heard(heard)),
            Ok(None) => {}
            Err(e) => all.push(Said::Fault(e.kind)),
        }
    }
    assert_eq!(session.pending(), 0, "{protocol}: a finished session holds nothing");
    all
}

/// What was read can be written again by a device, or is refused by name; what was written can be read.
fn repeat(protocol: Protocol, codec: &StreamCodec, device: &mut dyn Terminal, records: &[Record]) {
    let mut session = (codec.session)();
    if let Ok(hello) = device.hello() {
        session.feed(&hello);
        while let Ok(Some(_)) = session.next_message(NOW) {}
    }
    for part in records.chunks(device.most().max(1)).take(4) {
        let Ok(bytes) = device.tell(part) else { continue };
        session.feed(&bytes);
        let heard = next(session.as_mut());
        assert!(heard.is_some(), "{protocol}: cannot read its own {bytes:02x?} of {part:?}");
    }
}

fn next(session: &mut dyn Session) -> Option<Message> {
    session.next_message(NOW).ok()?.map(|h| h.message)
}
