//! Predictions one by one against a truth that is known: one sample a minute of each call, held
//! against what happened. Memory goes with the truth and the calls, not with the predictions.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::baseline::{self, Learned};
use super::coverage::{self, Seen};
use super::histogram::Scale;
use super::measure::{Proven, Sample};
use super::tally::{Slot, Tally};
use super::truth::{Arrival, Truth};

/// A prediction from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictionRow<'a> {
    /// The service day.
    pub date: ServiceDate,
    /// `trip_id`.
    pub trip: &'a str,
    /// `stop_sequence`.
    pub seq: u32,
    /// `stop_id`.
    pub stop: &'a str,
    /// What it says.
    pub sample: Sample,
}

/// A prediction was made before one of the same call that came earlier: one sample a minute can no
/// longer be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

/// What is kept of a call that came true.
#[derive(Clone, Copy, Debug)]
struct Call {
    slot: Slot,
    /// The last prediction so far of the minute it was made in.
    candidate: Option<Sample>,
    /// The sample before: made, arrival.
    before: Option<(UnixMs, UnixMs)>,
    seen: Seen,
}

/// Holds predictions against the truth.
#[derive(Debug)]
pub struct Scorer {
    timetable: Arc<Timetable>,
    truth: Truth,
    learned: Option<Learned>,
    window: Option<(UnixMs, UnixMs)>,
    calls: Vec<Call>,
    /// The minute of the last sample of calls that never came true, by day, trip and `stop_sequence`.
    unproven: FxHashMap<(ServiceDate, u32, u32), i64>,
    trips: FxHashMap<Box<str>, u32>,
    /// The run of the last prediction: the next is mostly of the same.
    last: Option<(ServiceDate, Box<str>, Option<u32>)>,
    tally: Tally,
}

/// The hour a moment belongs to, by the clock of a service day: 0..=23.
#[must_use]
pub fn hour_of(day_start: UnixMs, at: UnixMs) -> u8 {
    u8::try_from(at.secs_since(day_start).div_euclid(3600).rem_euclid(24)).unwrap_or(0)
}

fn minute(at: UnixMs) -> i64 {
    at.0.div_euclid(60_000)
}

impl Scorer {
    /// Ready to judge. With days `before`, link medians and Kalman are judged beside the timetable. With a
    /// `window`, only predictions made from its beginning to before its end are taken.
    #[must_use]
    pub fn new(
        timetable: Arc<Timetable>,
        truth: Truth,
        before: Option<&Truth>,
        window: Option<(UnixMs, UnixMs)>,
        scale: Scale,
    ) -> Self {
        let mut tally = Tally::new(scale);
        let learned = before.map(|b| Learned::new(&timetable, b, &truth));
        let call = |a: &Arrival| {
            let run = truth.runs().get(a.run as usize);
            let route = run.and_then(|r| r.trip).map_or("", |t| &timetable.route_of(t).id);
            let hour = run.map_or(0, |r| hour_of(r.day_start, a.at));
            let slot = tally.slot(route, &a.stop, hour);
            Call { slot, candidate: None, before: None, seen: Seen::default() }
        };
        let calls = truth.arrivals().iter().map(call).collect();
        Self {
            timetable,
            truth,
            learned,
            window,
            calls,
            unproven: FxHashMap::default(),
            trips: FxHashMap::default(),
            last: None,
            tally,
        }
    }

    /// The window ends here: nothing is asked of minutes after it.
    pub const fn ends_at(&mut self, end: UnixMs) {
        let from = match self.window {
            Some((from, _)) => from,
            None => UnixMs(i64::MIN / 2),
        };
        self.window = Some((from, end));
    }

    /// What has been judged so far; the last minute of each call is not among it, nor is coverage.
    #[must_use]
    pub const fn so_far(&self) -> &Tally {
        &self.tally
    }

    /// Takes a prediction; those of one call must come in the order they were made.
    ///
    /// # Errors
    /// When it was made before the minute of the last one of its call.
    pub fn take(&mut self, p: &PredictionRow<'_>) -> Result<(), OutOfOrder> {
        if self.window.is_some_and(|(from, to)| p.sample.made < from || p.sample.made >= to) {
            return Ok(());
        }
        let known = match &self.last {
            Some((date, trip, run)) if *date == p.date && **trip == *p.trip => *run,
            _ => {
                let run = self.truth.run(p.date, p.trip);
                self.last = Some((p.date, p.trip.into(), run));
                run
            }
        };
        let Some(at) = known.and_then(|run| self.truth.arrival(run, p.seq)) else { return self.take_unproven(p) };
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        let Some(waiting) = call.candidate else {
            call.candidate = Some(p.sample);
            return Ok(());
        };
        match minute(p.sample.made).cmp(&minute(waiting.made)) {
            std::cmp::Ordering::Less => return Err(OutOfOrder),
            std::cmp::Ordering::Equal if p.sample.made < waiting.made => {}
            std::cmp::Ordering::Equal => call.candidate = Some(p.sample),
            std::cmp::Ordering::Greater => {
                call.candidate = Some(p.sample);
                self.judge(at, waiting);
            }
        }
        Ok(())
    }

    fn take_unproven(&mut self, p: &PredictionRow<'_>) -> Result<(), OutOfOrder> {
        let trip = match self.trips.get(p.trip) {
            Some(n) => *n,
            None => {
                let n = u32::try_from(self.trips.len()).unwrap_or(u32::MAX);
                self.trips.insert(p.trip.into(), n);
                n
            }
        };
        let made = minute(p.sample.made);
        match self.unproven.insert((p.date, trip, p.seq), made) {
            Some(last) if last == made => return Ok(()),
            Some(last) if last > made => return Err(OutOfOrder),
            _ => {}
        }
        let t = &self.timetable;
        let route = t.trip_by_id(p.trip).map_or("", |trip| &t.route_of(trip).id);
        let hour = hour_of(t.zone.day_start(p.date), p.sample.arrival);
        let slot = self.tally.slot(route, p.stop, hour);
        self.tally.each(slot, |cell| cell.disproven(1));
        Ok(())
    }

    /// Holds the sample of a call against its arrival.
    fn judge(&mut self, at: usize, sample: Sample) {
        let (Some(arrival), Some(call)) = (self.truth.arrivals().get(at), self.calls.get_mut(at)) else { return };
        let Some(run) = self.truth.runs().get(arrival.run as usize) else { return };
        let mut proven = Proven { sample, actual: arrival.at, sched: None, learned: None, before: call.before };
        call.before = Some((sample.made, sample.arrival));
        call.seen.note(arrival.at, sample.made);
        let passed = baseline::last_passed(self.truth.of_run(arrival.run), sample.made);
        if let (Some(trip), Some(passed), Some(ahead)) = (run.trip, passed, arrival.pos)
            && let Some(from) = passed.pos.filter(|from| *from < ahead)
        {
            let t = &self.timetable;
            let plan = |pos| baseline::planned(t, trip, pos).unwrap_or_default();
            proven.sched = Some(baseline::sched(sample.made, passed.at, plan(from), plan(ahead)));
            let in_sight = super::bins::horizon(arrival.at.0 - sample.made.0).is_some();
            if let Some(learned) = self.learned.as_mut().filter(|_| in_sight) {
                proven.learned = learned.say(t, (arrival.run, run), sample.made, (from, passed.at), ahead);
            }
        }
        let slot = call.slot;
        self.tally.each(slot, |cell| cell.proven(&proven));
    }

    /// Judges what is left, and counts the coverage of every arrival.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        for at in 0..self.calls.len() {
            if let Some(sample) = self.calls.get_mut(at).and_then(|c| c.candidate.take()) {
                self.judge(at, sample);
            }
        }
        for (a, call) in self.truth.arrivals().iter().zip(&self.calls).filter(|(a, _)| a.first_row) {
            let Some(run) = self.truth.runs().get(a.run as usize) else { continue };
            let (first, window, seen) = (run.first, self.window, call.seen);
            self.tally.each(call.slot, |cell| coverage::count(a.at, first, window, seen, &mut cell.coverage));
        }
        self.tally
    }
}
