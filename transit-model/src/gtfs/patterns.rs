//! Trips gathered into patterns: the same route, direction, shape and calls.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::calls::clean;
use super::read_stop_times::{FILE, NO_TIME, RawCall};
use super::read_trips::{RawTrip, Trips};
use super::report::{Action, Fault, Finding, Report};
use crate::ids::{Idx as _, PatternIdx, RouteIdx, StopIdx, StopPos, StopSeq};
use crate::timetable::{CallTimes, PatternCall};

/// A pattern before it has a line to run along.
pub(super) struct Draft {
    pub(super) route: RouteIdx,
    pub(super) direction: Option<u8>,
    /// A position in [`Trips::shapes`].
    pub(super) shape: Option<u32>,
    /// `along` is still 0.
    pub(super) calls: Vec<PatternCall>,
    /// The line of each call of the first trip, for findings.
    pub(super) lines: Vec<u32>,
    /// Where the first trip's times begin in [`Drafts::times`].
    pub(super) first_call: usize,
    /// The position of the first trip in [`Trips::items`].
    pub(super) first_trip: usize,
}

/// A trip that has calls.
pub(super) struct Kept {
    /// Its position in [`Trips::items`].
    pub(super) trip: usize,
    pub(super) pattern: PatternIdx,
    pub(super) first_call: usize,
}

/// All patterns and trips, with times that are [`NO_TIME`] where they are still to be found.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) patterns: Vec<Draft>,
    pub(super) kept: Vec<Kept>,
    pub(super) times: Vec<CallTimes>,
    by_hash: FxHashMap<u64, SmallVec<[PatternIdx; 1]>>,
}

/// Puts every trip's calls in order and finds its pattern.
pub(super) fn gather(trips: &Trips, rows: &[RawCall], report: &mut Report) -> Drafts {
    let mut drafts = Drafts { times: Vec::with_capacity(rows.len()), ..Drafts::default() };
    let mut of_trip = rows.chunk_by(|a, b| a.trip == b.trip).peekable();
    let mut calls = Vec::new();
    for (at, trip) in trips.items.iter().enumerate() {
        let has_calls = of_trip.peek().and_then(|c| c.first()).is_some_and(|c| c.trip as usize == at);
        let Some(own) = of_trip.next_if(|_| has_calls) else {
            let finding = Finding::new(Fault::TooFewCalls, super::read_trips::FILE, Action::TripDropped);
            report.add(finding.line(trip.line).value("trip_id", &trip.id).detail("it has none"));
            continue;
        };
        calls.clear();
        calls.extend_from_slice(own);
        if clean(&mut calls, &trip.id, report) && short_enough(&calls, trip, report) {
            drafts.add(at, trip, &calls);
        }
    }
    drafts
}

/// A position in a pattern is 16 bits wide.
fn short_enough(calls: &[RawCall], trip: &RawTrip, report: &mut Report) -> bool {
    let fits = calls.len() < usize::from(StopPos::new(usize::MAX).0);
    if !fits {
        let finding = Finding::new(Fault::TooManyCalls, FILE, Action::TripDropped);
        report.add(finding.line(calls.first().map_or(0, |c| c.line)).value("trip_id", &trip.id));
    }
    fits
}

impl Drafts {
    fn add(&mut self, at: usize, trip: &RawTrip, calls: &[RawCall]) {
        let first_call = self.times.len();
        self.times.extend(calls.iter().map(|c| CallTimes {
            arrival: c.arrival,
            departure: c.departure,
            timepoint: c.arrival != NO_TIME && !c.approximate,
        }));
        let hash = hash_of(trip, calls);
        let alike = self.by_hash.entry(hash).or_default();
        let same = alike.iter().copied().find(|p| self.patterns.get(p.at()).is_some_and(|d| d.fits(trip, calls)));
        let pattern = same.unwrap_or_else(|| {
            let pattern = PatternIdx::new(self.patterns.len());
            alike.push(pattern);
            self.patterns.push(Draft {
                route: trip.route,
                direction: trip.direction,
                shape: trip.shape,
                calls: calls.iter().map(pattern_call).collect(),
                lines: calls.iter().map(|c| c.line).collect(),
                first_call,
                first_trip: at,
            });
            pattern
        });
        self.kept.push(Kept { trip: at, pattern, first_call });
    }
}

impl Draft {
    fn fits(&self, trip: &RawTrip, calls: &[RawCall]) -> bool {
        self.route == trip.route
            && self.direction == trip.direction
            && self.shape == trip.shape
            && self.calls.len() == calls.len()
            && self.calls.iter().zip(calls).all(|(own, call)| *own == pattern_call(call))
    }
}

fn pattern_call(call: &RawCall) -> PatternCall {
    PatternCall {
        stop: StopIdx::new(call.stop as usize),
        seq: StopSeq(call.seq),
        pickup: call.pickup,
        drop_off: call.drop_off,
        along: 0.0,
    }
}

fn hash_of(trip: &RawTrip, calls: &[RawCall]) -> u64 {
    let mut hasher = FxHasher::default();
    (trip.route, trip.direction, trip.shape).hash(&mut hasher);
    for call in calls {
        (call.stop, call.seq, call.pickup, call.drop_off).hash(&mut hasher);
    }
    hasher.finish()
}
