//! The running engine's own predictions, sampled once a minute as people are told them, and judged when
//! its own stop events come.
//!
//! What it cannot know: whether its stop events are right. A vehicle on a wrong trip is judged by stops it
//! did not serve; such predictions mostly never come true, and are counted as that.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::StopPos;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::baseline;
use super::bins::HORIZON;
use super::book::Book;
use super::coverage::{self, Seen};
use super::measure::{Proven, Sample};
use super::scorer::hour_of;
use super::tally::Tally;
use crate::engine::run::StopEvent;
use crate::engine::vehicle::VehicleState;
use crate::world::{CallPrediction, TripDay};

/// So many samples may wait to come true; of a fleet that makes more, every second vehicle is sampled, or
/// every fourth. 64 MB.
const WAITING: usize = 4_000_000;
/// A trip nobody has heard of for so long is over, seconds.
const OVER: i64 = 45 * 60;

/// A sample as it waits: milliseconds of the service day.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    made: i32,
    arrival: i32,
    p10: i32,
    p90: i32,
}

/// A trip that is being predicted or run.
#[derive(Clone, Debug)]
struct Open {
    day_start: UnixMs,
    /// Samples by call.
    waiting: FxHashMap<StopPos, Vec<Waiting>>,
    /// What came true so far, in that order.
    arrived: Vec<(StopPos, UnixMs)>,
    touched: UnixMs,
}

/// Samples predictions and judges them.
#[derive(Debug)]
pub struct Judge {
    timetable: Arc<Timetable>,
    book: Book,
    open: FxHashMap<TripDay, Open>,
    inbox: Vec<StopEvent>,
    waiting: usize,
    /// Every so-many-th vehicle is sampled.
    stride: u32,
    minute: Option<i64>,
    /// When this process began to sample: of minutes before nothing is known.
    began: Option<UnixMs>,
    changed: BTreeSet<ServiceDate>,
}

fn pack(day_start: UnixMs, at: UnixMs) -> i32 {
    i32::try_from(at.0 - day_start.0).unwrap_or(i32::MAX)
}

impl Waiting {
    fn of(day_start: UnixMs, made: UnixMs, c: &CallPrediction) -> Self {
        let at = |m: UnixMs| pack(day_start, m);
        Self { made: at(made), arrival: at(c.published_arrival), p10: at(c.arrival_p10), p90: at(c.arrival_p90) }
    }

    fn sample(self, day_start: UnixMs) -> Sample {
        let at = |ms: i32| UnixMs(day_start.0 + i64::from(ms));
        Sample { made: at(self.made), arrival: at(self.arrival), interval: Some((at(self.p10), at(self.p90))) }
    }
}

impl Judge {
    /// Goes on with the days that were kept.
    #[must_use]
    pub fn new(timetable: Arc<Timetable>, book: Book) -> Self {
        Self {
            timetable,
            book,
            open: FxHashMap::default(),
            inbox: Vec::new(),
            waiting: 0,
            stride: 1,
            minute: None,
            began: None,
            changed: BTreeSet::new(),
        }
    }

    /// What has been judged, by day.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The days that have changed since this was last asked.
    pub fn take_changed(&mut self) -> Vec<(ServiceDate, Arc<Tally>)> {
        let days = std::mem::take(&mut self.changed);
        days.into_iter().filter_map(|d| Some((d, Arc::clone(self.book.day(d)?)))).collect()
    }

    /// Notes calls that were made; they judge with the next minute.
    pub fn note(&mut self, events: &[StopEvent]) {
        self.inbox.extend_from_slice(events);
    }

    /// Once in each minute of the clock: judges what was noted, and samples what vehicles promise now.
    /// Tells whether it was time.
    pub fn turn(&mut self, now: UnixMs, vehicles: &[VehicleState]) -> bool {
        let minute = now.0.div_euclid(60_000);
        if self.minute == Some(minute) {
            return false;
        }
        self.minute = Some(minute);
        self.began.get_or_insert(now);
        for event in std::mem::take(&mut self.inbox) {
            self.arrived(&event);
        }
        self.close(now);
        // What is calculated without a fix is told as such, and no promise of a live system.
        let sampled = |v: &&VehicleState| {
            v.kind == VehicleKind::Transit && v.index.is_multiple_of(self.stride) && v.held().is_none()
        };
        let until = now.plus_secs(HORIZON);
        let told: Vec<_> = vehicles.iter().filter(sampled).map(|v| Arc::clone(v.ahead())).collect();
        for call in told.iter().flat_map(|ahead| ahead.iter()) {
            // Nobody arrives at a first stop, and a stop the vehicle stands at is not ahead of it.
            if call.pos.0 > 0 && call.published_arrival > now && call.published_arrival <= until {
                self.sample(now, call);
            }
        }
        if self.waiting > WAITING {
            self.stride = self.stride.saturating_mul(2);
        }
        true
    }

    fn open(&mut self, on: TripDay, now: UnixMs) -> &mut Open {
        let zone = &self.timetable.zone;
        let open = self.open.entry(on).or_insert_with(|| Open {
            day_start: zone.day_start(on.date),
            waiting: FxHashMap::default(),
            arrived: Vec::new(),
            touched: now,
        });
        open.touched = open.touched.max(now);
        open
    }

    fn sample(&mut self, now: UnixMs, call: &CallPrediction) {
        let open = self.open(call.on, now);
        let waiting = Waiting::of(open.day_start, now, call);
        if let Some((_, actual)) = open.arrived.iter().find(|(pos, _)| *pos == call.pos) {
            // It has been there, and is still promised.
            let late = Proven {
                sample: waiting.sample(open.day_start),
                actual: *actual,
                sched: None,
                learned: None,
                before: None,
            };
            let actual = *actual;
            self.tell(call.on, call.pos, actual, |cell| cell.proven(&late));
            return;
        }
        let of_call = open.waiting.entry(call.pos).or_default();
        match of_call.last_mut().filter(|w| w.made == waiting.made) {
            // Two vehicles promise the same call: the one that is asked last is shown.
            Some(same) => *same = waiting,
            None => {
                of_call.push(waiting);
                self.waiting += 1;
            }
        }
    }

    /// Does something to the cells of a call that came, or was to come, at a moment.
    fn tell(&mut self, on: TripDay, pos: StopPos, at: UnixMs, what: impl FnMut(&mut super::measure::Cell)) {
        let t = Arc::clone(&self.timetable);
        let stop = t.pattern_of(on.trip).call(pos).map_or("", |c| &*t.stops.at(c.stop).id);
        let day = self.book.day_mut(on.date);
        let slot = day.slot(&t.route_of(on.trip).id, stop, hour_of(t.zone.day_start(on.date), at));
        day.each(slot, what);
        self.changed.insert(on.date);
    }

    /// A call was made: what was promised of it is judged.
    fn arrived(&mut self, event: &StopEvent) {
        let Some(actual) = event.arrival.filter(|_| event.vehicle.is_multiple_of(self.stride)) else { return };
        let (on, pos) = (event.on, event.pos);
        let open = self.open(on, actual);
        if open.arrived.iter().any(|(p, _)| *p == pos) {
            return;
        }
        open.arrived.push((pos, actual));
        let day_start = open.day_start;
        let waiting = open.waiting.remove(&pos).unwrap_or_default();
        let arrived = open.arrived.clone();
        self.waiting = self.waiting.saturating_sub(waiting.len());
        let first = arrived.iter().map(|(_, at)| *at).min().unwrap_or(actual);
        let t = Arc::clone(&self.timetable);
        let plan = |pos: StopPos| baseline::planned(&t, on.trip, pos.0).unwrap_or_default();
        let (mut seen, mut before) = (Seen::default(), None);
        let mut all = Vec::with_capacity(waiting.len());
        for sample in waiting.into_iter().map(|w| w.sample(day_start)) {
            seen.note(actual, sample.made);
            let passed = arrived.iter().rev().find(|(p, at)| *p < pos && *at <= sample.made);
            let sched = passed.map(|(from, at)| baseline::sched(sample.made, *at, plan(*from), plan(pos)));
            all.push(Proven { sample, actual, sched, learned: None, before });
            before = Some((sample.made, sample.arrival));
        }
        let window = self.began.map(|began| (began, UnixMs(i64::MAX)));
        self.tell(on, pos, actual, |cell| {
            all.iter().for_each(|p| cell.proven(p));
            coverage::count(actual, first, window, seen, &mut cell.coverage);
        });
    }

    /// Gives up what never came true.
    fn close(&mut self, now: UnixMs) {
        let mut over: Vec<TripDay> =
            self.open.iter().filter(|(_, o)| now.secs_since(o.touched) > OVER).map(|(on, _)| *on).collect();
        over.sort_unstable();
        for on in over {
            let Some(open) = self.open.remove(&on) else { continue };
            for (pos, samples) in open.waiting {
                let Some(last) = samples.last().map(|w| w.sample(open.day_start).arrival) else { continue };
                self.waiting = self.waiting.saturating_sub(samples.len());
                self.tell(on, pos, last, |cell| cell.disproven(samples.len() as u64));
            }
        }
    }
}
