//! Messages of the protocols that are no stream, through the same door as `zupynka decode`: the first byte chooses
//! the protocol, the second what the rest is (a request's target, its body, a payload, a payload and its topic).

use serde_json::{Value, json};
use tracker_ingest::codec::{Protocol, decode_lines};

use crate::NOW;

/// Holds the laws.
pub fn run(data: &[u8]) {
    let all: Vec<Protocol> = Protocol::ALL.iter().copied().filter(|p| p.stream().is_none()).collect();
    let [which, kind, rest @ ..] = data else { return };
    let Some(protocol) = all.get(usize::from(*which) % all.len().max(1)) else { return };
    let half = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let (head, tail) = rest.split_at(half);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let hex: String = tail.iter().skip(1).map(|b| format!("{b:02x}")).collect();
    let (head, tail) = (text(head), text(tail.get(1..).unwrap_or_default()));
    let line = match kind % 6 {
        0 => json!({"id": 1, "method": "GET", "uri": format!("/?{head}"), "headers": {}, "body": ""}),
        1 => json!({"id": 1, "method": "POST", "uri": "/", "headers": {"Content-Type": head}, "body": tail}),
        2 => json!({"id": 1, "method": "POST", "uri": format!("/?{head}"), "headers": {}, "body": tail}),
        3 => json!({"id": 1, "text": tail}),
        4 => json!({"id": 1, "topic": head, "hex": hex}),
        _ => json!({"id": 1, "topic": head, "text": tail}),
    };
    let mut out = Vec::new();
    // A line that is none of the protocol's is refused as a line; that is an answer too.
    if decode_lines(*protocol, NOW, line.to_string().as_bytes(), &mut out).is_ok() {
        let answer: Value = serde_json::from_slice(&out).unwrap_or_else(|e| panic!("{protocol}: no JSON object: {e}"));
        assert!(answer["fixes"].is_array() && answer["device"].is_array(), "{protocol}: {answer}");
    }
}
