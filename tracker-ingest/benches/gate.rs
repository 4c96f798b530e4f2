//! How fast the gate judges records of a fleet that drives.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tracker_ingest::codec::{DeviceKey, Position, Record};
use tracker_ingest::gate::{Gate, GateConfig, Raw};
use transit_model::fix::Source;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

const VEHICLES: u32 = 1000;

/// A second of the whole fleet: each vehicle ten metres further north.
fn records(second: i64) -> Vec<Record> {
    let at = |n: u32| {
        let lat = 48.0 + f64::from(n) * 1e-4 + second as f64 * 9e-5;
        let position =
            Position { lat, lon: 37.6, speed: Some(10.0), bearing: Some(0.0), valid: true, ..Position::default() };
        Record::at(UnixMs::from_secs(1_795_000_000 + second), position)
    };
    (0..VEHICLES).map(at).collect()
}

fn judge(c: &mut Criterion) {
    let fleet: Vec<(DeviceKey, VehicleId)> =
        (0..VEHICLES).map(|n| (DeviceKey::from(format!("{n:015}")), VehicleId::from(format!("{n}")))).collect();
    let mut gate = Gate::new(GateConfig::default(), None);
    let mut second = 0;
    let mut group = c.benchmark_group("gate");
    group.throughput(Throughput::Elements(VEHICLES.into()));
    group.bench_function("judge a fleet that drives", |b| {
        let next = || {
            second += 1;
            (second, records(second))
        };
        b.iter_batched(
            next,
            |(second, records)| {
                let received = UnixMs::from_secs(1_795_000_000 + second);
                for ((device, vehicle), record) in fleet.iter().zip(&records) {
                    let raw = Raw { device, vehicle: Some(vehicle), source: Source::Teltonika, record };
                    std::hint::black_box(gate.judge(&raw, received));
                }
                records
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
