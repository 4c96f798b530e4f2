//! What happened, known beforehand: the arrivals of every run, by trip and service day.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::ids::TripIdx;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

/// A stop event from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRow<'a> {
    /// The service day.
    pub date: ServiceDate,
    /// `trip_id`.
    pub trip: &'a str,
    /// The vehicle.
    pub vehicle: &'a str,
    /// `stop_sequence`.
    pub seq: u32,
    /// `stop_id`.
    pub stop: &'a str,
    /// When it came.
    pub arrival: Option<UnixMs>,
    /// When it left.
    pub departure: Option<UnixMs>,
}

/// A run: a trip on one service day, as it was.
#[derive(Clone, Debug)]
pub struct Run {
    /// The service day.
    pub date: ServiceDate,
    /// When that day's clock starts.
    pub day_start: UnixMs,
    /// The trip, where the timetable has it; of a frequency-based one its first run.
    pub trip: Option<TripIdx>,
    /// Its arrivals in [`Truth::arrivals`].
    pub arrivals: Range<usize>,
    /// The earliest of them.
    pub first: UnixMs,
}

/// An arrival.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Of which run.
    pub run: u32,
    /// `stop_sequence`.
    pub seq: u32,
    /// The call's place in the timetable's trip.
    pub pos: Option<u16>,
    /// When.
    pub at: UnixMs,
    /// `stop_id`.
    pub stop: Arc<str>,
    /// The first row of this call. Another for the same call is heard by the baselines, and judges nobody.
    pub first_row: bool,
}

/// What happened, by run and `stop_sequence`.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    runs: Vec<Run>,
    arrivals: Vec<Arrival>,
    by_name: FxHashMap<Box<str>, Vec<(ServiceDate, u32)>>,
}

/// Takes stop events in.
#[derive(Debug)]
pub struct TruthBuilder {
    timetable: Arc<Timetable>,
    truth: Truth,
    stops: FxHashMap<Box<str>, Arc<str>>,
}

impl TruthBuilder {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(timetable: Arc<Timetable>) -> Self {
        Self { timetable, truth: Truth::default(), stops: FxHashMap::default() }
    }

    /// Takes a stop event; one without an arrival proves nothing and is passed over.
    pub fn push(&mut self, row: &StopRow<'_>) {
        let Some(at) = row.arrival else { return };
        let run = self.run(row.date, row.trip, at);
        let stop = match self.stops.get(row.stop) {
            Some(s) => Arc::clone(s),
            None => {
                let s: Arc<str> = row.stop.into();
                self.stops.insert(row.stop.into(), Arc::clone(&s));
                s
            }
        };
        self.truth.arrivals.push(Arrival { run, seq: row.seq, pos: None, at, stop, first_row: true });
    }

    fn run(&mut self, date: ServiceDate, trip: &str, at: UnixMs) -> u32 {
        if let Some(run) = self.truth.run(date, trip) {
            if let Some(r) = self.truth.runs.get_mut(run as usize) {
                r.first = r.first.min(at);
            }
            return run;
        }
        let t = &self.timetable;
        let run = u32::try_from(self.truth.runs.len()).unwrap_or(u32::MAX);
        let day_start = t.zone.day_start(date);
        self.truth.runs.push(Run { date, day_start, trip: t.trip_by_id(trip), arrivals: 0..0, first: at });
        self.truth.by_name.entry(trip.into()).or_default().push((date, run));
        run
    }

    /// All of it, in order.
    #[must_use]
    pub fn build(mut self) -> Truth {
        let truth = &mut self.truth;
        truth.arrivals.sort_by_key(|a| (a.run, a.seq));
        let mut before = None;
        for (n, a) in truth.arrivals.iter_mut().enumerate() {
            let Some(run) = truth.runs.get_mut(a.run as usize) else { continue };
            if run.arrivals.is_empty() {
                run.arrivals = n..n;
            }
            run.arrivals.end = n + 1;
            a.first_row = before.replace((a.run, a.seq)) != Some((a.run, a.seq));
            a.pos = run.trip.and_then(|trip| {
                let calls = &self.timetable.pattern_of(trip).calls;
                let pos = calls.binary_search_by_key(&a.seq, |c| c.seq.0).ok()?;
                u16::try_from(pos).ok()
            });
        }
        self.truth
    }
}

impl Truth {
    /// A run by its day and trip.
    #[must_use]
    pub fn run(&self, date: ServiceDate, trip: &str) -> Option<u32> {
        let days = self.by_name.get(trip)?;
        days.iter().find(|(d, _)| *d == date).map(|(_, run)| *run)
    }

    /// Every run.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Every arrival, by run and `stop_sequence`.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// The arrivals of a run, by `stop_sequence`.
    #[must_use]
    pub fn of_run(&self, run: u32) -> &[Arrival] {
        let range = self.runs.get(run as usize).map_or(0..0, |r| r.arrivals.clone());
        self.arrivals.get(range).unwrap_or(&[])
    }

    /// The arrival of a run at a `stop_sequence`, by its place in [`Self::arrivals`].
    #[must_use]
    pub fn arrival(&self, run: u32, seq: u32) -> Option<usize> {
        let of_run = self.of_run(run);
        let at = of_run.partition_point(|a| a.seq < seq);
        of_run.get(at).filter(|a| a.seq == seq)?;
        Some(self.runs.get(run as usize)?.arrivals.start + at)
    }

    /// The day of the first run that was told, and when it starts.
    #[must_use]
    pub fn first_day(&self) -> Option<(ServiceDate, UnixMs)> {
        self.runs.first().map(|r| (r.date, r.day_start))
    }
}
