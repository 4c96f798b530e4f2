//! A datagram: the first byte chooses the protocol.

use crate::{NOW, check, choose};

/// Holds the laws.
pub fn run(data: &[u8]) {
    let Some((protocol, codec, bytes)) = choose(data) else { return };
    let mut session = (codec.datagrams)();
    // Twice, for a session over UDP remembers who spoke.
    for _ in 0..2 {
        session.feed(bytes);
        let mut messages = 0;
        loop {
            match session.next_message(NOW) {
                Ok(Some(heard)) => check(protocol, &heard.message),
                Ok(None) => break,
                Err(_) => {}
            }
            messages += 1;
            assert!(messages <= bytes.len() + 1, "{protocol}: more messages than bytes");
        }
        if let Ok(Some(heard)) = session.finish(NOW) {
            check(protocol, &heard.message);
        }
        assert_eq!(session.pending(), 0, "{protocol}: something is held between datagrams");
    }
}
