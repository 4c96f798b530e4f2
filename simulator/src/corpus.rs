//! Simulated days as files: the fixes a server would have recorded, and the stops that were truly
//! served, in the forms that `zupynka replay` reads and scores are computed from.
//!
//! ```text
//! fixes   vehicle_id,time,received,lat,lon,speed,bearing,trip_id,route_id,start_date   by received
//! truth   service_date,trip_id,vehicle_id,stop_sequence,stop_id,arrival,departure      by vehicle and time
//! matches vehicle_id,time,phase,trip_id,service_date,block_id,distance_along_m,stop_sequence,confidence,lat,lon
//!                                                                          a row for each fix, in the same order
//! faults  vehicle_id,from,to,kind,parameters,reports    of the movement, then of trackers by vehicle and time
//! ```
//!
//! Times are whole unix seconds, speeds m/s, bearings degrees; blank = unknown.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use transit_model::fix::Fix;
use transit_model::time::UnixMs;
use transit_model::timetable::{Pattern, Timetable, Trip};

use crate::drive::{Happened, Plan, TrueStop};
use crate::tracker::{Injected, Report};

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot be written: {why}", path = path.display())]
pub struct WriteError {
    /// Which file.
    pub path: PathBuf,
    /// The reason.
    pub why: csv::Error,
}

/// The header of a file of fixes.
pub const FIXES: [&str; 10] =
    ["vehicle_id", "time", "received", "lat", "lon", "speed", "bearing", "trip_id", "route_id", "start_date"];
/// The header of a file of truth.
pub const TRUTH: [&str; 7] =
    ["service_date", "trip_id", "vehicle_id", "stop_sequence", "stop_id", "arrival", "departure"];
/// The header of a file of true matches: that of `zupynka replay --matches`.
pub const MATCHES: [&str; 11] = [
    "vehicle_id",
    "time",
    "phase",
    "trip_id",
    "service_date",
    "block_id",
    "distance_along_m",
    "stop_sequence",
    "confidence",
    "lat",
    "lon",
];
/// The header of a file of faults.
pub const FAULTS: [&str; 6] = ["vehicle_id", "from", "to", "kind", "parameters", "reports"];

/// A table being written; packed where the name ends in `.gz`. The same rows give the same bytes.
pub struct Table {
    path: PathBuf,
    csv: csv::Writer<Sink>,
    rows: u64,
}

enum Sink {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(w) => w.write(bytes),
            Self::Packed(w) => w.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(w) => w.flush(),
            Self::Packed(w) => w.flush(),
        }
    }
}

impl Table {
    /// Makes the file, or empties it, and writes the header.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, header: &[&str]) -> Result<Self, WriteError> {
        let fail = |why: csv::Error| WriteError { path: path.to_owned(), why };
        let file = BufWriter::new(File::create(path).map_err(|e| fail(e.into()))?);
        let packed = path.extension().is_some_and(|e| e == "gz");
        let sink = if packed {
            Sink::Packed(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Sink::Plain(file)
        };
        let mut csv = csv::Writer::from_writer(sink);
        csv.write_record(header).map_err(fail)?;
        Ok(Self { path: path.to_owned(), csv, rows: 0 })
    }

    /// Writes a fix.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fix(&mut self, f: &Fix) -> Result<(), WriteError> {
        let number = |n: Option<f32>| n.map(|n| n.to_string()).unwrap_or_default();
        let r = &f.reported;
        self.row([
            f.vehicle.as_str(),
            &f.time.secs().to_string(),
            &f.received.secs().to_string(),
            &format!("{:.6}", f.lat),
            &format!("{:.6}", f.lon),
            &number(f.speed),
            &number(f.bearing),
            r.trip_id.as_deref().unwrap_or_default(),
            r.route_id.as_deref().unwrap_or_default(),
            &r.start_date.map(|d| d.to_string()).unwrap_or_default(),
        ])
    }

    /// Writes where a vehicle truly was when it made a report, beside the fix that came of it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn true_match(&mut self, fix: &Fix, report: &Report, tt: &Timetable) -> Result<(), WriteError> {
        let truth = &report.truth;
        let on = truth.trip.zip(truth.along).map(|(trip, along)| (tt.trips.at(trip), tt.pattern_of(trip), along));
        let text = |f: &dyn Fn(&Trip, &Pattern, f32) -> String| {
            on.map_or_else(String::new, |(trip, pattern, along)| f(trip, pattern, along))
        };
        self.row([
            fix.vehicle.as_str(),
            &fix.time.secs().to_string(),
            truth.phase.name(),
            &text(&|trip, _, _| trip.id.to_string()),
            &text(&|_, _, _| report.date.to_string()),
            &text(&|trip, _, _| trip.block.map_or_else(String::new, |b| tt.blocks.at(b).id.to_string())),
            &text(&|_, _, along| format!("{along:.1}")),
            &text(&|_, pattern, along| next_stop(pattern, along)),
            "1.000",
            &format!("{:.6}", truth.lat),
            &format!("{:.6}", truth.lon),
        ])
    }

    /// Writes a fault that was at work.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fault(&mut self, fault: &Injected) -> Result<(), WriteError> {
        self.row([
            fault.vehicle.as_str(),
            &fault.from.secs().to_string(),
            &fault.to.secs().to_string(),
            fault.kind,
            &fault.parameters,
            &fault.reports.to_string(),
        ])
    }

    /// Writes what happened to the city's movement: a row for each vehicle it befell, one without a vehicle for
    /// what slows streets.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn happened(&mut self, happened: &Happened, tt: &Timetable) -> Result<(), WriteError> {
        let trips: Vec<&str> = happened.trips.iter().map(|t| &*tt.trips.at(*t).id).collect();
        let parameters = format!("by_chance={} trips={}", happened.by_chance, trips.join(","));
        let (from, to) = (happened.from.secs().to_string(), happened.to.secs().to_string());
        let whose = happened.vehicles.iter().map(|v| v.as_str());
        let nobody = happened.vehicles.is_empty().then_some("");
        for vehicle in whose.chain(nobody) {
            self.row([vehicle, &from, &to, happened.what.kind(), &parameters, ""])?;
        }
        Ok(())
    }

    /// Writes every stop that was served on a day.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn truth(&mut self, plan: &Plan) -> Result<(), WriteError> {
        self.truth_between(plan, (UnixMs(i64::MIN), UnixMs(i64::MAX)))
    }

    /// The same of those that were served from a moment to before another.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn truth_between(&mut self, plan: &Plan, (from, to): (UnixMs, UnixMs)) -> Result<(), WriteError> {
        let tt = &plan.timetable;
        let seconds = |t: Option<UnixMs>| t.map(|t| t.secs().to_string()).unwrap_or_default();
        let date = plan.date.to_string();
        for vehicle in &plan.vehicles {
            let within = |s: &TrueStop| s.arrival.or(s.departure).is_some_and(|t| from <= t && t < to);
            for s in vehicle.stops().filter(within) {
                let Some(call) = tt.pattern_of(s.trip).call(s.call) else { continue };
                self.row([
                    &date,
                    &*tt.trips.at(s.trip).id,
                    vehicle.vehicle.as_str(),
                    &call.seq.0.to_string(),
                    &tt.stops.at(call.stop).id,
                    &seconds(s.arrival),
                    &seconds(s.departure),
                ])?;
            }
        }
        Ok(())
    }

    /// Completes the file; gives the number of rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<u64, WriteError> {
        let path = self.path;
        let close = || -> Result<(), csv::Error> {
            let sink = self.csv.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))?;
            match sink {
                Sink::Plain(mut w) => w.flush()?,
                Sink::Packed(w) => w.finish()?.flush()?,
            }
            Ok(())
        };
        close().map_err(|why| WriteError { path, why })?;
        Ok(self.rows)
    }

    pub(crate) fn row<const N: usize>(&mut self, fields: [&str; N]) -> Result<(), WriteError> {
        self.rows += 1;
        self.csv.write_record(fields).map_err(|why| WriteError { path: self.path.clone(), why })
    }
}

/// The `stop_sequence` of the stop a vehicle stands at or comes to next; the last one's at the end.
fn next_stop(pattern: &Pattern, along: f32) -> String {
    /// Closer than this it is still at the stop, metres.
    const AT: f32 = 0.5;
    let next = pattern.calls.iter().find(|c| c.along >= along - AT).or_else(|| pattern.calls.last());
    next.map_or_else(String::new, |c| c.seq.0.to_string())
}
