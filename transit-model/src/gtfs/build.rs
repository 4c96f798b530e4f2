//! The last step: patterns, trips, runs, blocks and times as the arrays of a [`Timetable`].

use rustc_hash::FxHashMap;

use super::doubts;
use super::lines::Lines;
use super::links::Links;
use super::patterns::{Drafts, Kept};
use super::read_agency::Agencies;
use super::read_calendar::Services;
use super::read_frequencies::Runs;
use super::read_routes::Routes;
use super::read_stop_times::NO_TIME;
use super::read_stops::{FILE as STOPS, Stops};
use super::read_trips::{FILE as TRIPS, RawTrip, Trips};
use super::report::{Action, Fault, Finding, Report};
use crate::ids::{BlockIdx, FeedId, Idx as _, IdxVec, PatternIdx, StopIdx, StopPos, TripIdx};
use crate::time::ServiceTime;
use crate::timetable::{Block, CallTimes, FeedInfo, Pattern, Stop, StopKind, Timetable, Trip};
use crate::units::Seconds;

/// Everything read.
pub(super) struct Parts {
    pub(super) feed: FeedId,
    pub(super) info: FeedInfo,
    pub(super) agencies: Agencies,
    pub(super) stops: Stops,
    pub(super) routes: Routes,
    pub(super) services: Services,
    pub(super) trips: Trips,
    pub(super) runs: FxHashMap<u32, Runs>,
    pub(super) drafts: Drafts,
    pub(super) lines: Lines,
}

/// Makes the timetable.
pub(super) fn build(parts: Parts, report: &mut Report) -> Timetable {
    let Parts { feed, info, agencies, stops, routes, services, trips, runs, drafts, lines } = parts;
    let mut stop_items: IdxVec<StopIdx, Stop> = stops.items.into();
    take_as_stops(&mut stop_items, &stops.lines, &drafts, report);
    doubts::report_flights(&drafts, &stop_items, &routes.items, report);
    let Drafts { patterns: pattern_drafts, kept, mut times, .. } = drafts;

    let mut links = Links::default();
    let mut patterns: IdxVec<PatternIdx, Pattern> = IdxVec::new();
    for (draft, (shape, along)) in pattern_drafts.into_iter().zip(lines.of_pattern) {
        let mut calls = draft.calls;
        for (call, along) in calls.iter_mut().zip(along) {
            call.along = along;
        }
        let pairs = calls.iter().zip(calls.iter().skip(1));
        let own_links = pairs
            .map(|(a, b)| {
                let (from, to) = ((a.stop, stop_items.at(a.stop)), (b.stop, stop_items.at(b.stop)));
                links.get(from, to, b.along - a.along)
            })
            .collect();
        patterns.push(Pattern {
            route: draft.route,
            direction: draft.direction,
            shape,
            calls: calls.into(),
            links: own_links,
            trips: Vec::new(),
        });
    }
    for one in &kept {
        fill_times(&mut times, one, patterns.at(one.pattern), runs.get(&one.key()));
    }

    let mut table = Timetable {
        feed,
        info,
        zone: agencies.zone,
        plane: stops.plane,
        agencies: agencies.items,
        stop_by_id: stop_items.iter().map(|(i, s)| (s.id.clone(), i)).collect(),
        route_by_id: routes.items.iter().map(|(i, r)| (r.id.clone(), i)).collect(),
        trip_by_id: FxHashMap::default(),
        calls_at: stop_items.indices().map(|_| Vec::new()).collect::<Vec<_>>().into(),
        stops: stop_items,
        routes: routes.items,
        services: services.items,
        shapes: lines.shapes,
        patterns,
        links: links.items,
        trips: IdxVec::new(),
        blocks: IdxVec::new(),
        times,
        span: (ServiceTime(0), ServiceTime(0)),
    };
    let trip_lines = add_trips(&mut table, trips, &kept, &runs, report);
    share_times(&mut table);
    index(&mut table);
    doubts::report_overlaps(&table, &trip_lines, report);
    table
}

/// Whatever a vehicle calls at is a stop, be it called a station.
fn take_as_stops(stops: &mut IdxVec<StopIdx, Stop>, lines: &[u32], drafts: &Drafts, report: &mut Report) {
    for call in drafts.patterns.iter().flat_map(|d| &d.calls) {
        let Some(stop) = stops.get_mut(call.stop).filter(|s| s.kind != StopKind::Platform) else { continue };
        stop.kind = StopKind::Platform;
        let finding = Finding::new(Fault::CallAtStation, STOPS, Action::TakenAsStop);
        let line = lines.get(call.stop.at()).copied().unwrap_or(0);
        report.add(finding.line(line).value("stop_id", &stop.id));
    }
}

impl Kept {
    fn key(&self) -> u32 {
        u32::try_from(self.trip).unwrap_or(u32::MAX)
    }
}

/// Finds the times the feed left out, by distance between those it gave.
fn fill_times(times: &mut [CallTimes], trip: &Kept, pattern: &Pattern, runs: Option<&Runs>) {
    let Some(own) = times.get_mut(trip.first_call..trip.first_call + pattern.calls.len()) else { return };
    // Runs that do not keep to the minute have no time points.
    if runs.is_some_and(|r| !r.exact) {
        own.iter_mut().for_each(|t| t.timepoint = false);
    }
    if own.iter().all(|t| t.arrival != NO_TIME) {
        return;
    }
    let known: Vec<usize> = own.iter().enumerate().filter(|(_, t)| t.arrival != NO_TIME).map(|(i, _)| i).collect();
    for (a, b) in known.iter().copied().zip(known.iter().copied().skip(1)) {
        let (Some(from), Some(to)) = (own.get(a).copied(), own.get(b).copied()) else { continue };
        let along = |i: usize| pattern.calls.get(i).map_or(0.0, |c| c.along);
        let length = along(b) - along(a);
        for i in a + 1..b {
            #[expect(clippy::cast_precision_loss, reason = "a few calls")]
            let share = if length > 1.0 { (along(i) - along(a)) / length } else { (i - a) as f32 / (b - a) as f32 };
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds of a trip")]
            let on_way = ((to.arrival - from.departure).0 as f32 * share).round() as i32;
            let time = from.departure + Seconds(on_way);
            if let Some(call) = own.get_mut(i) {
                *call = CallTimes { arrival: time, departure: time, timepoint: false };
            }
        }
    }
}

/// Adds every trip, each run as one of its own, and gives the line of each in `trips.txt`.
fn add_trips(
    table: &mut Timetable,
    trips: Trips,
    kept: &[Kept],
    runs: &FxHashMap<u32, Runs>,
    report: &mut Report,
) -> IdxVec<TripIdx, u32> {
    let mut lines = IdxVec::new();
    let mut block_at: FxHashMap<u32, BlockIdx> = FxHashMap::default();
    let Trips { items, blocks, .. } = trips;
    let mut kept = kept.iter().peekable();
    for (at, raw) in items.into_iter().enumerate() {
        let Some(one) = kept.next_if(|k| k.trip == at) else { continue };
        let own_runs = runs.get(&one.key());
        if own_runs.is_some() && raw.block.is_some() {
            let finding = Finding::new(Fault::BlockOfFrequency, TRIPS, Action::BlockIgnored).line(raw.line);
            let block = raw.block.and_then(|b| blocks.get(b as usize)).map_or("", |b| b);
            report.add(finding.value("block_id", block));
        }
        let block = raw.block.filter(|_| own_runs.is_none()).map(|b| {
            *block_at.entry(b).or_insert_with(|| {
                let id = blocks.get(b as usize).cloned().unwrap_or_default();
                table.blocks.push(Block { id, trips: Vec::new() })
            })
        });
        let line = raw.line;
        let trip = trip_of(table, raw, one, block);
        match own_runs {
            None => {
                push_trip(table, trip);
                lines.push(line);
            }
            Some(runs) => {
                let first = table.times.get(one.first_call).map_or(ServiceTime(0), |t| t.departure);
                for start in &runs.starts {
                    let shift = *start - first;
                    push_trip(table, Trip { run_start: Some(*start), shift, ..trip.clone() });
                    lines.push(line);
                }
            }
        }
    }
    lines
}

fn trip_of(table: &Timetable, raw: RawTrip, kept: &Kept, block: Option<BlockIdx>) -> Trip {
    let last_stop = table.patterns.at(kept.pattern).calls.last().map(|c| table.stops.at(c.stop).name.clone());
    Trip {
        id: raw.id,
        pattern: kept.pattern,
        service: raw.service,
        block,
        headsign: if raw.headsign.is_empty() { last_stop.unwrap_or_default() } else { raw.headsign },
        wheelchair: raw.wheelchair,
        run_start: None,
        first_call: u32::try_from(kept.first_call).unwrap_or(u32::MAX),
        shift: Seconds(0),
        calls: u16::try_from(table.patterns.at(kept.pattern).calls.len()).unwrap_or(u16::MAX),
        ends: (ServiceTime(0), ServiceTime(0)),
    }
}

fn push_trip(table: &mut Timetable, trip: Trip) {
    let at = TripIdx::new(table.trips.len());
    if let Some(pattern) = table.patterns.get_mut(trip.pattern) {
        pattern.trips.push(at);
    }
    if let Some(block) = trip.block.and_then(|b| table.blocks.get_mut(b)) {
        block.trips.push(at);
    }
    table.trip_by_id.entry(trip.id.clone()).or_insert(at);
    table.trips.push(trip);
}

/// Trips of a pattern mostly differ only in when they start: times that are the same but for that are kept
/// once, which makes a city's timetable a fraction of its size and keeps it in the processor's caches.
fn share_times(table: &mut Timetable) {
    let mut kept: Vec<CallTimes> = Vec::new();
    let mut known: FxHashMap<Box<[CallTimes]>, u32> = FxHashMap::default();
    for (_, trip) in table.trips.iter_mut() {
        let from = trip.first_call as usize;
        let own = table.times.get(from..from + usize::from(trip.calls)).unwrap_or(&[]);
        let start = own.first().map_or(ServiceTime(0), |c| c.departure);
        let since = |at: ServiceTime| ServiceTime((at - start).0);
        let relative: Box<[CallTimes]> =
            own.iter().map(|c| CallTimes { arrival: since(c.arrival), departure: since(c.departure), ..*c }).collect();
        trip.ends = (start + trip.shift, own.last().map_or(start, |c| c.arrival) + trip.shift);
        trip.shift = Seconds(trip.shift.0 + start.0);
        trip.first_call = *known.entry(relative).or_insert_with_key(|times| {
            let at = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            kept.extend_from_slice(times);
            at
        });
    }
    kept.shrink_to_fit();
    table.times = kept;
}

/// Everything that is found by looking over the finished arrays.
fn index(table: &mut Timetable) {
    let starts: IdxVec<TripIdx, ServiceTime> =
        table.trips.indices().map(|t| table.starts(t)).collect::<Vec<_>>().into();
    for (_, pattern) in table.patterns.iter_mut() {
        pattern.trips.sort_by_key(|t| *starts.at(*t));
    }
    for (_, block) in table.blocks.iter_mut() {
        block.trips.sort_by_key(|t| *starts.at(*t));
    }
    for (p, pattern) in table.patterns.iter() {
        for (at, call) in pattern.calls.iter().enumerate() {
            if let Some(calls) = table.calls_at.get_mut(call.stop) {
                calls.push((p, StopPos::new(at)));
            }
        }
    }
    let ends = table.trips.indices().map(|t| {
        let first = table.time_at(t, StopPos(0)).unwrap_or_default().arrival;
        let last = table.times(t).next_back().unwrap_or_default().departure;
        (first, last)
    });
    let span = ends.reduce(|(a, b), (first, last)| (a.min(first), b.max(last)));
    table.span = span.unwrap_or_default();
}
