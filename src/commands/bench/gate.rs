//! `zupynka bench gate`: judgements a second on one core, of a fleet that moves as buses do.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use simulator::load::ways::Ways;
use simulator::load::{device, vehicle_id};
use tracker_ingest::Bounds;
use tracker_ingest::codec::{DeviceKey, Record};
use tracker_ingest::gate::{Gate, GateConfig, Raw, Verdict};
use transit_model::clock::{Clock as _, Stopwatch, SystemClock};
use transit_model::fix::Source;
use transit_model::ids::VehicleId;
use transit_model::time::{UnixMs, Zone};

use super::{Args, Part, Report, What, a_second};

/// Seconds between two records of a vehicle.
const INTERVAL: i64 = 5;

pub(super) fn run(args: &Args, bar: &ProgressBar) -> anyhow::Result<Report> {
    let lasts = Duration::from_secs_f64(args.seconds.unwrap_or(2.0));
    let vehicles = args.vehicles.unwrap_or(10_000);
    let now = SystemClock.now();
    let city = simulator::city::load(Zone::utc().date(now)).context("the demo city")?.timetable;
    let ways = Ways::of(&city).context("the demo city has no lines")?;
    let area = Bounds::around(city.stops.iter().map(|(_, s)| city.plane.lat_lon(s.xy)));
    let mut gate = Gate::new(GateConfig::default(), area);
    let fleet: Vec<(DeviceKey, VehicleId)> = (0..vehicles).map(|n| (device(n), vehicle_id(n))).collect();
    let mut one = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let (mut judged, mut live, mut took) = (0u64, 0u64, Duration::ZERO);
    let mut round = 0;
    // Round by round: what a vehicle says is made outside the measured time. Every other round is timed as a
    // whole, the rest one by one, for a stopwatch costs a tenth of a judgement.
    while took < lasts || round < 4 {
        let at = now.plus_secs(round * INTERVAL);
        let records: Vec<Record> = (0..vehicles).map(|n| ways.record(n, at)).collect();
        let received = UnixMs(at.0 + 300);
        let watch = Stopwatch::start();
        for ((key, vehicle), record) in fleet.iter().zip(&records) {
            let raw = Raw { device: key, vehicle: Some(vehicle), source: Source::Teltonika, record };
            if round % 2 == 0 {
                live += u64::from(matches!(gate.judge(&raw, received).verdict, Verdict::Live(_)));
            } else {
                let each = Stopwatch::start();
                live += u64::from(matches!(gate.judge(&raw, received).verdict, Verdict::Live(_)));
                one.saturating_record(u64::try_from(each.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1));
            }
        }
        // The first round makes the devices' places.
        if round % 2 == 0 && round > 0 {
            took += watch.elapsed();
            judged += u64::from(vehicles);
        }
        round += 1;
        bar.set_message(format!("round {round}"));
    }
    let all = u64::from(vehicles) * u64::try_from(round).unwrap_or(0);
    ensure!(live == all, "the gate let {live} of {all} records through, which are all sound");
    let run = format!(
        "one thread, one gate, {vehicles} vehicles with a record every {INTERVAL} s each, all of them live; {round} rounds"
    );
    let per_second = a_second(judged, took);
    let ms = |quantile| one.value_at_quantile(quantile) as f64 / 1e6;
    let mut report = Report::of(What::Gate, "judgements", per_second, run);
    report.parts.push(Part {
        name: "gate".to_owned(),
        figures: vec![("judgements", judged as f64), ("microseconds_each", 1e6 / per_second.max(1e-9))],
    });
    Ok(report.latency("one judgement", ms(0.5), ms(0.99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_measured_with_records_it_believes() {
        let args = super::super::tests::args(&["gate", "--seconds", "0.01", "--vehicles", "200"]);
        let report = run(&args, &ProgressBar::hidden()).unwrap();
        assert!(report.per_second > 1000.0 && report.p99_ms >= report.p50_ms, "{report}");
    }
}
