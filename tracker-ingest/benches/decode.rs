//! How fast messages are read, in records a second: Teltonika's two codecs, and a message of every other
//! protocol over a stream.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracker_ingest::codec::teltonika::{Codec, STREAM, encode};
use tracker_ingest::codec::{AttrKey, AttrValue, DeviceKey, Outcome, Position, Protocol, Record};
use transit_model::time::UnixMs;

/// Twenty records with the IO elements that a bus's tracker sends.
fn records() -> Vec<Record> {
    let ios = [
        (239u16, 1u64),
        (240, 1),
        (21, 4),
        (200, 0),
        (69, 1),
        (181, 9),
        (182, 6),
        (66, 27_950),
        (67, 4_010),
        (16, 81_234_567),
    ];
    (0..20)
        .map(|n| {
            let position = Position {
                lat: 48.85,
                lon: 37.6,
                speed: Some(9.0),
                bearing: Some(90.0),
                satellites: Some(12),
                valid: true,
                ..Position::default()
            };
            let mut record = Record::at(UnixMs::from_secs(1_795_000_000 + n), position);
            record.attributes = ios.iter().map(|(id, v)| (AttrKey::Io(*id), AttrValue::Int(*v))).collect();
            record
        })
        .collect()
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("teltonika decode");
    for (name, codec) in [("8", Codec::Eight), ("8E", Codec::EightExtended)] {
        let Ok(packet) = encode(codec, &records()) else { continue };
        group.throughput(Throughput::Elements(20));
        group.bench_function(name, |b| {
            let mut session = (STREAM.session)();
            b.iter(|| {
                session.feed(&packet);
                session.next_message(UnixMs(0))
            });
        });
    }
    group.finish();
}

fn streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for protocol in Protocol::ALL.iter().filter(|p| **p != Protocol::Teltonika) {
        let Some(codec) = protocol.stream() else { continue };
        let mut terminal = (codec.terminal)(&DeviceKey::from("350000000000015"));
        let mut session = (codec.session)();
        let Ok(hello) = terminal.hello() else { continue };
        session.feed(&hello);
        let mut answer = Vec::new();
        while let Ok(Some(heard)) = session.next_message(UnixMs(0)) {
            answer.extend(heard.reply.to(Outcome::Taken));
        }
        if !hello.is_empty() && terminal.hear(&answer).is_err() {
            continue;
        }
        let all = records();
        let some = all.get(..terminal.most().min(all.len())).unwrap_or(&all);
        let Ok(message) = terminal.tell(some) else { continue };
        group.throughput(Throughput::Elements(some.len() as u64));
        group.bench_function(protocol.name(), |b| {
            b.iter(|| {
                session.feed(&message);
                session.next_message(UnixMs(0))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, streams);
criterion_main!(benches);
