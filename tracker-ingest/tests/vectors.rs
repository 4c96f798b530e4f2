//! Recorded frames of real trackers, where the folder of recordings is at hand (`ZUPYNKA_CORPUS`).
//!
//! The positions of sound frames are right, damaged frames give no position and no reply, and no way of
//! cutting the stream makes anything panic.
#![cfg(test)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tracker_ingest::codec::{Protocol, decode_lines};
use transit_model::time::UnixMs;

const NOW: UnixMs = UnixMs(1_795_305_600_000);
/// What a protocol is called there.
const NAMES: [(&str, &str); 3] = [("galileo", "galileosky"), ("gl200", "queclink"), ("navtelecom", "ntcb")];
/// Of a hundred located messages so many must be right.
const RIGHT: usize = 97;

/// The recordings of each protocol that there is, by their file.
fn recordings(suffix: &str) -> Vec<(Protocol, PathBuf)> {
    let Some(root) = std::env::var_os("ZUPYNKA_CORPUS") else {
        println!("skipped: ZUPYNKA_CORPUS is not set");
        return Vec::new();
    };
    let folder = Path::new(&root).join("vectors");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(suffix)?;
            let ours = NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
            Some((ours.parse().ok()?, path))
        })
        .collect();
    all.sort();
    all
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The answers to recorded messages, by id.
fn decoded(protocol: Protocol, vectors: &[Value]) -> HashMap<String, Value> {
    let mut input = Vec::new();
    for v in vectors {
        let asked: Map<String, Value> = ["id", "session", "hex", "text", "method", "uri", "headers", "body"]
            .into_iter()
            .filter(|k| *k != "hex" || v["kind"] == "binary")
            .filter_map(|k| v.get(k).map(|value| (k.to_owned(), value.clone())))
            .collect();
        serde_json::to_writer(&mut input, &asked).unwrap();
        input.push(b'\n');
    }
    let mut out = Vec::new();
    decode_lines(protocol, NOW, input.as_slice(), &mut out).unwrap();
    let answers = std::str::from_utf8(&out).unwrap().lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    answers.map(|a| (a["id"].as_str().unwrap().to_owned(), a)).collect()
}

fn seconds(v: &Value) -> Option<f64> {
    let text = v.as_str().filter(|t| *t != "NOW")?;
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_duration().as_secs_f64())
}

fn near(want: &Value, got: &Value, most: f64, of_a_turn: bool) -> bool {
    match (want.as_f64(), got.as_f64()) {
        (Some(want), Some(got)) if of_a_turn => {
            let apart = (want - got).rem_euclid(360.0);
            apart.min(360.0 - apart) <= most
        }
        (Some(want), Some(got)) => (want - got).abs() <= most,
        _ => true,
    }
}

fn agree(want: &Value, got: &Value) -> bool {
    let knots = got["speed_mps"].as_f64().map(|v| Value::from(v / 0.514_444));
    let time = seconds(&want["fix_time"]).is_none_or(|t| (t - seconds(&got["time"]).unwrap_or(0.0)).abs() <= 1.0);
    time && got["lat"].is_number()
        && near(&want["lat"], &got["lat"], 1.01e-5, false)
        && near(&want["lon"], &got["lon"], 1.01e-5, false)
        && near(&want["speed_knots"], &knots.unwrap_or(Value::Null), 0.11, false)
        && near(&want["course"], &got["course"], 1.0, true)
}

fn sorted(mut fixes: Vec<Value>, time: &str) -> Vec<Value> {
    let key = |f: &Value| (f[time].as_str().unwrap_or("").to_owned(), f["lat"].as_f64().unwrap_or(0.0));
    fixes.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap());
    fixes
}

#[test]
fn recorded_positions_are_right_and_damaged_frames_are_refused() {
    let (mut located, mut right) = (0, 0);
    for (protocol, path) in
        recordings(".jsonl").into_iter().filter(|(_, p)| !p.display().to_string().contains(".frames"))
    {
        let vectors = lines(&path);
        let answers = decoded(protocol, &vectors);
        let before = (located, right);
        for v in vectors.iter().filter(|v| v["disabled"] != true) {
            let got = &answers[v["id"].as_str().unwrap()];
            let fixes = got["fixes"].as_array().unwrap();
            if v["wire"].as_str().is_some_and(|w| w.starts_with("bad")) {
                assert!(fixes.is_empty() && got["reply"].is_null(), "{} is damaged: {got}", v["id"]);
                continue;
            }
            let all = v["oracle"]["positions"].as_array().cloned().unwrap_or_default();
            let want: Vec<Value> = all.into_iter().filter(|w| w["outdated"] != true && w["lat"].is_number()).collect();
            if want.is_empty() {
                continue;
            }
            let got: Vec<Value> = fixes.iter().filter(|f| f["located"] == true).cloned().collect();
            located += 1;
            let (want, got) = (sorted(want, "fix_time"), sorted(got, "time"));
            right += usize::from(want.len() == got.len() && want.iter().zip(&got).all(|(w, g)| agree(w, g)));
        }
        println!("{protocol}: {} of {}", right - before.1, located - before.0);
    }
    assert!(right * 100 >= located * RIGHT, "{right} of {located} located messages are right");
}

#[test]
fn recorded_streams_are_no_panic_however_they_are_cut() {
    for suffix in [".jsonl", ".frames.jsonl"] {
        for (protocol, path) in recordings(suffix) {
            let Some(codec) = protocol.stream() else { continue };
            for v in lines(&path) {
                let hex = v["hex"].as_str().or(v["input_hex"].as_str()).unwrap_or("");
                let pairs = hex.as_bytes().chunks_exact(2);
                let bytes: Vec<u8> =
                    pairs.filter_map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect();
                for size in [1, 7, bytes.len().max(1)] {
                    let mut session = (codec.session)();
                    for chunk in bytes.chunks(size) {
                        session.feed(chunk);
                        while !matches!(session.next_message(NOW), Ok(None)) {}
                        assert!(session.pending() <= bytes.len(), "{}", v["id"]);
                    }
                    let _ = session.finish(NOW);
                }
            }
        }
    }
}
