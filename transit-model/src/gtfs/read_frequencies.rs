//! `frequencies.txt`: trips that run every so many minutes.

use std::io::Read;

use rustc_hash::FxHashMap;

use super::LoadError;
use super::read_trips::Trips;
use super::report::{Action, Fault, Report};
use super::source::Source;
use super::table::Table;
use crate::time::ServiceTime;

const FILE: &str = "frequencies.txt";
/// More runs than any city drives in a day.
const MOST_RUNS: usize = 500_000;

/// The runs of a frequency-based trip.
#[derive(Default)]
pub(super) struct Runs {
    /// When each starts, sorted, each once.
    pub(super) starts: Vec<ServiceTime>,
    /// All of them keep to the times (`exact_times` 1).
    pub(super) exact: bool,
}

/// The runs of every frequency-based trip, by its position in [`Trips::items`]. A trip whose rows
/// are all of no use is in here without runs: its own times are an example, not a departure.
pub(super) fn read_frequencies(source: &Source<'_>, trips: &Trips, report: &mut Report) -> FxHashMap<u32, Runs> {
    let read = source.read_optional(FILE, report, |bytes, report| read(&source.name, bytes, trips, report));
    let mut runs = read.unwrap_or_default();
    for runs in runs.values_mut() {
        runs.starts.sort_unstable();
        runs.starts.dedup();
    }
    runs
}

fn read(
    path: &str,
    bytes: &mut dyn Read,
    trips: &Trips,
    report: &mut Report,
) -> Result<FxHashMap<u32, Runs>, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let (id, from, to) = (rows.need("trip_id")?, rows.need("start_time")?, rows.need("end_time")?);
    let (headway, exact) = (rows.need("headway_secs")?, rows.col("exact_times"));
    let mut found: FxHashMap<u32, Runs> = FxHashMap::default();
    let mut total = 0;
    while rows.next(report)? {
        let Some(trip) = trips.names.get(rows.get(id)) else {
            if trips.dropped.get(rows.get(id)).is_none() {
                report.add(rows.fault(Fault::UnknownTrip, id, Action::RowIgnored));
            }
            continue;
        };
        let runs = found.entry(trip).or_insert_with(|| Runs { starts: Vec::new(), exact: true });
        let first = rows.time(from, report, Action::RowIgnored);
        let last = rows.time(to, report, Action::RowIgnored);
        let step = rows.number::<u32>(headway, report, Action::RowIgnored);
        let (Some(first), Some(last), Some(step)) = (first, last, step) else { continue };
        let Some(step) = usize::try_from(step).ok().filter(|s| *s > 0 && first < last) else {
            let bad = if step == 0 { headway } else { to };
            report.add(rows.fault(Fault::EmptyFrequency, bad, Action::RowIgnored));
            continue;
        };
        runs.exact &= rows.get(exact) == b"1";
        let starts = (first.0..last.0).step_by(step);
        total += starts.len();
        if total > MOST_RUNS {
            report.add(rows.fault(Fault::TooManyRuns, headway, Action::RowIgnored));
            total -= starts.len();
            continue;
        }
        runs.starts.extend(starts.map(ServiceTime));
    }
    Ok(found)
}
