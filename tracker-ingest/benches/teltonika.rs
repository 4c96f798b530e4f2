//! How fast Teltonika packets are read, in records a second.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracker_ingest::codec::teltonika::{Codec, STREAM, encode};
use tracker_ingest::codec::{AttrKey, AttrValue, Position, Record};
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

criterion_group!(benches, decode);
criterion_main!(benches);
