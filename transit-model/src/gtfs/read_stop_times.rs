//! `stop_times.txt`, the one big file: a row becomes 28 bytes, and no text is kept.

use std::io::Read;

use super::LoadError;
use super::read_stops::Stops;
use super::read_trips::Trips;
use super::report::{Action, Fault, Report};
use super::source::Source;
use super::table::{Col, Table};
use crate::time::ServiceTime;
use crate::timetable::Boarding;

pub(super) const FILE: &str = "stop_times.txt";

/// A row of `stop_times.txt`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawCall {
    /// A position in [`Trips::items`].
    pub(super) trip: u32,
    /// A position in [`Stops::items`].
    pub(super) stop: u32,
    pub(super) seq: u32,
    /// [`NO_TIME`] where the feed gives none.
    pub(super) arrival: ServiceTime,
    /// [`NO_TIME`] where the feed gives none.
    pub(super) departure: ServiceTime,
    pub(super) line: u32,
    pub(super) pickup: Boarding,
    pub(super) drop_off: Boarding,
    /// `timepoint` is 0: the times are a guess of the feed's.
    pub(super) approximate: bool,
}

/// Stands for a time the feed does not give.
pub(super) const NO_TIME: ServiceTime = ServiceTime(i32::MIN);

/// The calls of every trip, and how many rows the file has.
pub(super) struct Calls {
    /// By trip, and by `stop_sequence` within it.
    pub(super) rows: Vec<RawCall>,
    pub(super) read: usize,
}

/// Reads `stop_times.txt`.
pub(super) fn read_stop_times(
    source: &Source<'_>,
    trips: &Trips,
    stops: &Stops,
    report: &mut Report,
) -> Result<Calls, LoadError> {
    let read = source.read(FILE, |bytes| read(&source.name, bytes, trips, stops, report))?;
    read.ok_or_else(|| source.missing(FILE))
}

struct Columns {
    trip: Col,
    stop: Col,
    seq: Col,
    arrival: Col,
    departure: Col,
    pickup: Col,
    drop_off: Col,
    timepoint: Col,
}

fn read(
    path: &str,
    bytes: &mut dyn Read,
    trips: &Trips,
    stops: &Stops,
    report: &mut Report,
) -> Result<Calls, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let columns = Columns {
        trip: rows.need("trip_id")?,
        stop: rows.need("stop_id")?,
        seq: rows.need("stop_sequence")?,
        arrival: rows.col("arrival_time"),
        departure: rows.col("departure_time"),
        pickup: rows.col("pickup_type"),
        drop_off: rows.col("drop_off_type"),
        timepoint: rows.col("timepoint"),
    };
    // One of the two will do: most vehicles do not wait at a stop.
    if !columns.departure.exists() {
        rows.need("arrival_time")?;
    }
    let mut calls = Calls { rows: Vec::new(), read: 0 };
    // Rows of a trip stand together in nearly every feed, so most of them ask for the same trip.
    let mut last: (Vec<u8>, Option<u32>) = (Vec::new(), None);
    while rows.next(report)? {
        calls.read += 1;
        let name = rows.get(columns.trip);
        if last.1.is_none() || last.0 != name {
            last.0.clear();
            last.0.extend_from_slice(name);
            last.1 = trips.names.get(name);
        }
        let Some(trip) = last.1 else {
            if trips.dropped.get(name).is_none() {
                report.add(rows.fault(Fault::UnknownTrip, columns.trip, Action::RowIgnored));
            }
            continue;
        };
        calls.rows.extend(call(&rows, &columns, trip, stops, report));
    }
    if !calls.rows.is_sorted_by_key(|c| (c.trip, c.seq)) {
        calls.rows.sort_by_key(|c| (c.trip, c.seq));
    }
    Ok(calls)
}

fn call(rows: &Table<'_>, columns: &Columns, trip: u32, stops: &Stops, report: &mut Report) -> Option<RawCall> {
    let Some(stop) = stops.names.get(rows.get(columns.stop)) else {
        report.add(rows.fault(Fault::UnknownStop, columns.stop, Action::CallDropped));
        return None;
    };
    let Some(seq) = rows.number(columns.seq, report, Action::CallDropped) else {
        if rows.get(columns.seq).is_empty() {
            report.add(rows.fault(Fault::BadNumber, columns.seq, Action::CallDropped));
        }
        return None;
    };
    let arrival = rows.time(columns.arrival, report, Action::ValueIgnored);
    let departure = rows.time(columns.departure, report, Action::ValueIgnored);
    Some(RawCall {
        trip,
        stop,
        seq,
        arrival: arrival.or(departure).unwrap_or(NO_TIME),
        departure: departure.or(arrival).unwrap_or(NO_TIME),
        line: rows.line(),
        pickup: boarding(rows, columns.pickup, report),
        drop_off: boarding(rows, columns.drop_off, report),
        approximate: rows.get(columns.timepoint) == b"0",
    })
}

fn boarding(rows: &Table<'_>, col: Col, report: &mut Report) -> Boarding {
    match rows.get(col) {
        b"" | b"0" => Boarding::Regular,
        b"1" => Boarding::None,
        b"2" => Boarding::Phone,
        b"3" => Boarding::Driver,
        _ => {
            report.add(rows.fault(Fault::BadValue, col, Action::ValueIgnored));
            Boarding::Regular
        }
    }
}
