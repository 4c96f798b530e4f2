//! What a replay writes: predictions, stop events, matches (DESIGN §2). A name that ends in `.gz`
//! is compressed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use transit_model::fix::Fix;
use transit_model::ids::StopPos;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::{Plan, ReplayError};
use crate::engine::Engine;

type Csv = csv::Writer<Box<dyn Write>>;

/// The files of one replay.
pub struct Outputs {
    timetable: Arc<Timetable>,
    predictions: Option<Csv>,
    stop_events: Option<Csv>,
    matches: Option<Csv>,
}

impl Outputs {
    /// Creates the files that are asked for and writes their headers.
    pub(super) fn open(plan: &Plan, timetable: Arc<Timetable>) -> Result<Self, ReplayError> {
        let create =
            |path: &Option<std::path::PathBuf>, header: &str| path.as_deref().map(|p| create(p, header)).transpose();
        Ok(Self {
            predictions: create(
                &plan.predictions,
                "made_at,vehicle_id,trip_id,service_date,stop_sequence,stop_id,arrival,arrival_p10,arrival_p90,departure",
            )?,
            stop_events: create(
                &plan.stop_events,
                "service_date,trip_id,vehicle_id,stop_sequence,stop_id,arrival,departure",
            )?,
            matches: create(
                &plan.matches,
                "vehicle_id,time,phase,trip_id,service_date,block_id,distance_along_m,stop_sequence,confidence,lat,lon",
            )?,
            timetable,
        })
    }

    /// The predictions of every vehicle, made at `tick`; how many rows.
    pub(super) fn predictions(&mut self, engine: &Engine, tick: UnixMs, horizon: i64) -> Result<u64, ReplayError> {
        let Some(csv) = &mut self.predictions else { return Ok(0) };
        let t = &self.timetable;
        let mut rows = 0;
        let until = tick.plus_secs(horizon);
        let made = tick.secs().to_string();
        for v in engine.vehicles() {
            // A stop the vehicle stands at is not ahead of it.
            for c in v.ahead().iter().filter(|c| c.arrival > tick).take_while(|c| c.arrival <= until) {
                let trip = t.trips.at(c.on.trip);
                let seq = t.pattern_of(c.on.trip).call(c.pos).map_or(0, |x| x.seq.0);
                // Nobody arrives at a first stop: there is only a departure to tell.
                let at = |m: UnixMs| if c.pos == StopPos(0) { String::new() } else { seconds(m) };
                csv.write_record([
                    made.as_str(),
                    v.id.as_str(),
                    &trip.id,
                    &c.on.date.to_string(),
                    &seq.to_string(),
                    &t.stops.at(c.stop).id,
                    &at(c.arrival),
                    &at(c.arrival_p10),
                    &at(c.arrival_p90),
                    &seconds(c.departure),
                ])
                .map_err(failed("predictions"))?;
                rows += 1;
            }
        }
        Ok(rows)
    }

    /// The stop events since the last call.
    pub(super) fn events(&mut self, engine: &mut Engine) -> Result<(), ReplayError> {
        let events = engine.drain_events();
        let Some(csv) = &mut self.stop_events else { return Ok(()) };
        let t = &self.timetable;
        for e in events {
            let seq = t.pattern_of(e.on.trip).call(e.pos).map_or(0, |x| x.seq.0);
            let vehicle = engine.vehicles().get(e.vehicle as usize).map_or("", |v| v.id.as_str());
            csv.write_record([
                e.on.date.to_string().as_str(),
                &t.trips.at(e.on.trip).id,
                vehicle,
                &seq.to_string(),
                &t.stops.at(e.stop).id,
                &e.arrival.map_or_else(String::new, seconds),
                &e.departure.map_or_else(String::new, seconds),
            ])
            .map_err(failed("stop events"))?;
        }
        Ok(())
    }

    /// The row of one fix: where it was matched to, or that it was not taken.
    pub(super) fn matched(&mut self, engine: &Engine, fix: &Fix, taken: bool) -> Result<(), ReplayError> {
        let Some(csv) = &mut self.matches else { return Ok(()) };
        let t = &self.timetable;
        let vehicle = engine.vehicle(&fix.vehicle).filter(|_| taken);
        let on = vehicle.and_then(|v| v.track.chosen().map(|h| (v, h)));
        let phase = vehicle.map_or("unknown", |v| v.phase.name());
        let time = fix.time.secs().to_string();
        let result = match on {
            Some((v, h)) => {
                let pattern = t.pattern_of(h.on.trip);
                let trip = t.trips.at(h.on.trip);
                let (lat, lon) = t.plane.lat_lon(t.shapes.at(pattern.shape).point_at(h.along));
                let next = v.run.as_ref().map_or(0, |r| usize::from(r.departed()));
                let seq = pattern.calls.get(next).or_else(|| pattern.calls.last()).map_or(0, |c| c.seq.0);
                csv.write_record([
                    fix.vehicle.as_str(),
                    &time,
                    phase,
                    &trip.id,
                    &h.on.date.to_string(),
                    trip.block.map_or("", |b| &t.blocks.at(b).id),
                    &format!("{:.1}", h.along),
                    &seq.to_string(),
                    &format!("{:.3}", v.track.confidence()),
                    &format!("{lat:.6}"),
                    &format!("{lon:.6}"),
                ])
            }
            None => {
                let (lat, lon) = (format!("{:.6}", fix.lat), format!("{:.6}", fix.lon));
                csv.write_record([fix.vehicle.as_str(), &time, phase, "", "", "", "", "", "0.000", &lat, &lon])
            }
        };
        result.map_err(failed("matches"))
    }

    /// Writes everything out.
    pub(super) fn finish(&mut self) -> Result<(), ReplayError> {
        for csv in [&mut self.predictions, &mut self.stop_events, &mut self.matches].into_iter().flatten() {
            csv.flush().map_err(|source| ReplayError::Write { path: "output".to_owned(), source })?;
        }
        Ok(())
    }
}

fn seconds(m: UnixMs) -> String {
    // To the nearest second: rounding down would put half a second of bias on every arrival.
    UnixMs(m.0 + 500).secs().to_string()
}

fn failed(what: &'static str) -> impl Fn(csv::Error) -> ReplayError {
    move |e| ReplayError::Write { path: what.to_owned(), source: std::io::Error::other(e) }
}

fn create(path: &Path, header: &str) -> Result<Csv, ReplayError> {
    let fail = |source| ReplayError::Write { path: path.display().to_string(), source };
    let file = BufWriter::with_capacity(1 << 18, File::create(path).map_err(fail)?);
    let out: Box<dyn Write> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()))
    } else {
        Box::new(file)
    };
    let mut csv = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(out);
    csv.write_record(header.split(',')).map_err(|e| fail(std::io::Error::other(e)))?;
    Ok(csv)
}
