//! What a finished timetable makes doubtful: vehicles that fly, blocks that need two vehicles at
//! once. Nothing is changed here.

use super::patterns::{Draft, Drafts};
use super::read_stop_times::{FILE as STOP_TIMES, NO_TIME};
use super::read_trips::FILE as TRIPS;
use super::report::{Action, Fault, Finding, Report};
use crate::ids::{IdxVec, RouteIdx, StopIdx, TripIdx};
use crate::timetable::{Mode, Route, Stop, Timetable};

/// Times are often rounded to the minute: a hop may have taken so much longer than it says.
const ROUNDING_SECONDS: f32 = 60.0;

/// Hops of a pattern's first trip that no vehicle of its mode can make, even as the crow flies.
pub(super) fn report_flights(
    drafts: &Drafts,
    stops: &IdxVec<StopIdx, Stop>,
    routes: &IdxVec<RouteIdx, Route>,
    report: &mut Report,
) {
    for draft in &drafts.patterns {
        let limit = top_speed(routes.at(draft.route).mode);
        report_flights_of(draft, drafts, stops, limit, report);
    }
}

fn report_flights_of(
    draft: &Draft,
    drafts: &Drafts,
    stops: &IdxVec<StopIdx, Stop>,
    limit_kmh: f32,
    report: &mut Report,
) {
    let times = drafts.times.iter().skip(draft.first_call);
    let mut since = None;
    let mut metres = 0.0;
    let mut before: Option<StopIdx> = None;
    for ((call, line), time) in draft.calls.iter().zip(&draft.lines).zip(times) {
        let here = stops.at(call.stop);
        metres += before.map_or(0.0, |b| stops.at(b).xy.distance(here.xy));
        before = Some(call.stop);
        if time.arrival == NO_TIME {
            continue;
        }
        if let Some(left) = since {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a trip")]
            let seconds = (time.arrival - left).0 as f32;
            let kmh = metres / (seconds + ROUNDING_SECONDS) * 3.6;
            if kmh > limit_kmh {
                let detail = format!("{:.1} km as the crow flies in {seconds} s", metres / 1000.0);
                let finding = Finding::new(Fault::TooFast, STOP_TIMES, Action::Kept).line(*line);
                report.add(finding.value("stop_id", &here.id).detail(detail));
            }
        }
        (since, metres) = (Some(time.departure), 0.0);
    }
}

/// Faster than the fastest in service, km/h.
const fn top_speed(mode: Mode) -> f32 {
    match mode {
        Mode::Bus | Mode::Ferry => 130.0,
        Mode::Trolleybus | Mode::Tram | Mode::Cable => 110.0,
        Mode::Metro => 160.0,
        Mode::Rail => 400.0,
    }
}

/// Trips of one block and service that overlap. `lines` gives the line of a trip in `trips.txt`.
pub(super) fn report_overlaps(table: &Timetable, lines: &IdxVec<TripIdx, u32>, report: &mut Report) {
    for (_, block) in table.blocks.iter() {
        let mut own: Vec<TripIdx> = block.trips.clone();
        own.sort_by_key(|t| (table.trips.at(*t).service, table.starts(*t)));
        for (a, b) in own.iter().zip(own.iter().skip(1)) {
            let same_day = table.trips.at(*a).service == table.trips.at(*b).service;
            if same_day && table.starts(*b) < table.ends(*a) {
                let finding = Finding::new(Fault::BlockOverlap, TRIPS, Action::Kept).line(*lines.at(*b));
                let (first, second) = (table.trips.at(*a), table.trips.at(*b));
                let (ends, starts) = (table.ends(*a), table.starts(*b));
                let detail = format!("trip {} ends at {ends}, trip {} starts at {starts}", first.id, second.id);
                report.add(finding.value("block_id", &block.id).detail(detail));
            }
        }
    }
}
