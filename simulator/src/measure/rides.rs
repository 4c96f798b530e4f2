//! Stop events beside their timetable: from a table in the `truth` format, or from a driven day.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rustc_hash::FxHashMap;
use serde::Serialize;
use transit_model::ids::{LinkIdx, RouteIdx, StopIdx, StopPos, TripIdx};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::drive::Plan;

/// A table of truth cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("{path}: cannot be read: {why}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: csv::Error,
    },
    /// It lacks a column.
    #[error("{path}: it has no column `{column}`", path = path.display())]
    Column {
        /// Which file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A field is not what it should be.
    #[error("{path}, line {line}: {column} is `{value}`, which is not {must}", path = path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1, the header counted.
        line: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        must: &'static str,
    },
}

/// A vehicle at a stop, beside what the timetable says. Times are seconds of the service day.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Passage {
    /// The service day.
    pub date: ServiceDate,
    /// The trip.
    pub trip: TripIdx,
    /// Its call there.
    pub call: StopPos,
    /// The stop.
    pub stop: StopIdx,
    /// The route.
    pub route: RouteIdx,
    /// `direction_id`.
    pub direction: Option<u8>,
    /// How much of the trip's calls lie behind, 0..=1.
    pub share: f64,
    /// Planned arrival.
    pub planned: f64,
    /// True arrival, where it was seen.
    pub arrival: Option<f64>,
    /// True departure, where it was seen.
    pub departure: Option<f64>,
}

/// A ride from one stop to the next, from arrival to arrival.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ride {
    /// The link.
    pub link: LinkIdx,
    /// The service day.
    pub date: ServiceDate,
    /// The trip.
    pub trip: TripIdx,
    /// The call it begins at.
    pub call: StopPos,
    /// The route.
    pub route: RouteIdx,
    /// When it begins, seconds of the service day.
    pub at: f64,
    /// How long it took, seconds.
    pub took: f64,
    /// How long the timetable says, seconds.
    pub planned: f64,
}

/// Rows of a table that could not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Unused {
    /// The feed has no such trip.
    pub unknown_trip: u64,
    /// The trip has no such `stop_sequence`.
    pub unknown_call: u64,
}

/// The stop events of some days.
#[derive(Clone, Debug)]
pub struct Rides<'a> {
    tt: &'a Timetable,
    /// By day, trip and call once [`Rides::passages`] is asked.
    passages: Vec<Passage>,
    /// What could not be used.
    pub unused: Unused,
}

/// Nobody rides longer from one stop to the next, seconds: an observation that says so missed something.
const LONGEST: f64 = 1800.0;

impl<'a> Rides<'a> {
    /// No event yet.
    #[must_use]
    pub const fn new(tt: &'a Timetable) -> Self {
        Self { tt, passages: Vec::new(), unused: Unused { unknown_trip: 0, unknown_call: 0 } }
    }

    /// The timetable they are held against.
    #[must_use]
    pub const fn timetable(&self) -> &'a Timetable {
        self.tt
    }

    /// Takes a table: `.csv` or `.csv.gz`, in the `truth` format.
    ///
    /// # Errors
    /// When it is not there or not such a table; names the line and the field.
    pub fn read(&mut self, path: &Path) -> Result<(), ReadError> {
        let fail = |why: csv::Error| ReadError::File { path: path.to_owned(), why };
        let file = BufReader::new(File::open(path).map_err(|e| fail(e.into()))?);
        let packed = path.extension().is_some_and(|e| e == "gz");
        let bytes: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut csv = csv::Reader::from_reader(bytes);
        let header = csv.headers().map_err(fail)?.clone();
        let place = |column: &'static str| {
            let at = header.iter().position(|h| h.trim_start_matches('\u{feff}') == column);
            at.ok_or_else(|| ReadError::Column { path: path.to_owned(), column })
        };
        let columns = [
            place("service_date")?,
            place("trip_id")?,
            place("stop_sequence")?,
            place("arrival")?,
            place("departure")?,
        ];
        let mut row = csv::StringRecord::new();
        while csv.read_record(&mut row).map_err(fail)? {
            let line = row.position().map_or(0, csv::Position::line);
            let [date, trip, seq, arrival, departure] = columns.map(|n| row.get(n).unwrap_or_default());
            let bad = |column, value: &str, must| ReadError::Field {
                path: path.to_owned(),
                line,
                column,
                value: value.to_owned(),
                must,
            };
            let time = |column, text: &str| -> Result<Option<f64>, ReadError> {
                let read = || text.parse::<f64>().ok().filter(|t| t.is_finite());
                if text.is_empty() {
                    Ok(None)
                } else {
                    read().map(Some).ok_or_else(|| bad(column, text, "a unix time"))
                }
            };
            let date: ServiceDate = date.parse().map_err(|_| bad("service_date", date, "a date YYYYMMDD"))?;
            let seq: u32 = seq.parse().map_err(|_| bad("stop_sequence", seq, "a number from 0"))?;
            let (arrival, departure) = (time("arrival", arrival)?, time("departure", departure)?);
            self.take(date, trip, seq, arrival, departure);
        }
        Ok(())
    }

    /// Takes one row.
    fn take(&mut self, date: ServiceDate, trip_id: &str, seq: u32, arrival: Option<f64>, departure: Option<f64>) {
        let start = self.tt.zone.day_start(date).secs_f64();
        let (arrival, departure) = (arrival.map(|t| t - start), departure.map(|t| t - start));
        let Some(seen) = arrival.or(departure) else { return };
        let Some(first) = self.tt.trip_by_id(trip_id) else {
            self.unused.unknown_trip += 1;
            return;
        };
        let Some(n) = self.tt.pattern_of(first).calls.iter().position(|c| c.seq.0 == seq) else {
            self.unused.unknown_call += 1;
            return;
        };
        let call = StopPos::new(n);
        // Runs of a frequency-based trip have one name: the nearest is meant.
        let off = |t: &TripIdx| self.tt.time_at(*t, call).map_or(f64::MAX, |c| (f64::from(c.arrival.0) - seen).abs());
        let trip = self.tt.runs_of(trip_id).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(first);
        self.passages.extend(passage(self.tt, date, trip, call, arrival, departure));
    }

    /// Takes a driven day.
    pub fn take_plan(&mut self, plan: &Plan) {
        let start = self.tt.zone.day_start(plan.date);
        let seconds = |t: UnixMs| UnixMs(t.0 - start.0).secs_f64();
        for s in plan.vehicles.iter().flat_map(|v| v.stops()) {
            let (arrival, departure) = (s.arrival.map(seconds), s.departure.map(seconds));
            self.passages.extend(passage(self.tt, plan.date, s.trip, s.call, arrival, departure));
        }
    }

    /// Every passage, by day, trip and call.
    #[must_use]
    pub fn passages(&self) -> Vec<Passage> {
        let mut all = self.passages.clone();
        all.sort_by_key(|p| (p.date, p.trip, p.call));
        all
    }

    /// Every ride between two stops whose arrivals were both seen.
    #[must_use]
    pub fn rides(&self) -> Vec<Ride> {
        let all = self.passages();
        let ride = |pair: &[Passage]| {
            let [a, b] = pair else { return None };
            let follows = (a.date, a.trip, a.call.at() + 1) == (b.date, b.trip, b.call.at());
            let (at, to) = (a.arrival?, b.arrival?);
            let link = *self.tt.pattern_of(a.trip).links.get(a.call.at())?;
            let (took, planned) = (to - at, b.planned - a.planned);
            let ride = Ride { link, date: a.date, trip: a.trip, call: a.call, route: a.route, at, took, planned };
            (follows && took > 0.0 && took < LONGEST).then_some(ride)
        };
        all.windows(2).filter_map(ride).collect()
    }

    /// Passages at one stop by vehicles of one route and direction on one day, in the order of the
    /// timetable.
    #[must_use]
    pub fn by_stop(&self) -> Vec<Vec<Passage>> {
        let mut by: FxHashMap<_, Vec<Passage>> = FxHashMap::default();
        for p in self.passages().into_iter().filter(|p| p.arrival.is_some()) {
            by.entry((p.date, p.route, p.direction, p.stop)).or_default().push(p);
        }
        let mut all: Vec<_> = by.into_iter().collect();
        all.sort_by_key(|(key, _)| *key);
        let mut all: Vec<Vec<Passage>> = all.into_iter().map(|(_, p)| p).collect();
        for passages in &mut all {
            passages.sort_by(|a, b| a.planned.total_cmp(&b.planned).then(a.trip.cmp(&b.trip)));
        }
        all
    }
}

fn passage(
    tt: &Timetable,
    date: ServiceDate,
    trip: TripIdx,
    call: StopPos,
    arrival: Option<f64>,
    departure: Option<f64>,
) -> Option<Passage> {
    let pattern = tt.pattern_of(trip);
    let stop = pattern.call(call)?.stop;
    let planned = f64::from(tt.time_at(trip, call)?.arrival.0);
    let share = call.at() as f64 / pattern.calls.len().saturating_sub(1).max(1) as f64;
    let (route, direction) = (pattern.route, pattern.direction);
    Some(Passage { date, trip, call, stop, route, direction, share, planned, arrival, departure })
}
