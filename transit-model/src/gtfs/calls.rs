//! The calls of one trip put in order: each sequence once, times that never go back, a time at both
//! ends. Pure; what it changes it reports.

use super::read_stop_times::{FILE, NO_TIME, RawCall};
use super::report::{Action, Fault, Finding, Report};
use crate::time::ServiceTime;
use crate::units::Seconds;

/// Times that fall back by more than this began again at midnight.
const HALF_A_DAY: Seconds = Seconds(12 * 3600);
/// Among more wrong times than this nobody can tell which are right.
const MOST_UNTANGLED: usize = 2_000;

/// Puts the calls of a trip in order; `false` when no trip is left of them.
pub(super) fn clean(calls: &mut Vec<RawCall>, trip: &str, report: &mut Report) -> bool {
    drop_duplicates(calls, report);
    order_within_calls(calls, report);
    carry_past_midnight(calls, trip, report);
    if !untangle(calls, trip, report) {
        return false;
    }
    trim_ends(calls, trip, report)
}

fn finding(what: Fault, action: Action, line: u32, trip: &str) -> Finding {
    Finding::new(what, FILE, action).line(line).value("trip_id", trip)
}

fn timed(call: &RawCall) -> bool {
    call.arrival != NO_TIME
}

fn drop_duplicates(calls: &mut Vec<RawCall>, report: &mut Report) {
    calls.dedup_by(|call, before| {
        let same = call.seq == before.seq;
        if same {
            let finding = Finding::new(Fault::DuplicateCall, FILE, Action::FirstKept).line(call.line);
            let detail = format!("the first is in line {}", before.line);
            report.add(finding.value("stop_sequence", &call.seq.to_string()).detail(detail));
        }
        same
    });
}

fn order_within_calls(calls: &mut [RawCall], report: &mut Report) {
    for call in calls.iter_mut().filter(|c| c.departure < c.arrival) {
        // 23:59 to 00:01 is a stop over midnight, not a step back.
        if call.arrival - call.departure > HALF_A_DAY {
            continue;
        }
        let finding = Finding::new(Fault::TimesBackwards, FILE, Action::DepartureMoved).line(call.line);
        let detail = format!("the arrival is {}", call.arrival);
        report.add(finding.value("departure_time", &call.departure.to_string()).detail(detail));
        call.departure = call.arrival;
    }
}

fn carry_past_midnight(calls: &mut [RawCall], trip: &str, report: &mut Report) {
    const DAY: Seconds = Seconds(24 * 3600);
    let mut days = Seconds(0);
    let mut before: Option<ServiceTime> = None;
    for call in calls.iter_mut().filter(|c| timed(c)) {
        let mut carried = false;
        for time in [&mut call.arrival, &mut call.departure] {
            if before.is_some_and(|b| b - (*time + days) > HALF_A_DAY) {
                days += DAY;
                carried = true;
            }
            *time = *time + days;
            before = Some(*time);
        }
        if carried {
            report.add(finding(Fault::MidnightWrap, Action::DayAdded, call.line, trip));
        }
    }
}

/// Where times go back along the trip, keeps the longest run of calls that agree and takes the
/// others' times as missing. `false` when less than half agree.
fn untangle(calls: &mut [RawCall], trip: &str, report: &mut Report) -> bool {
    let at: Vec<usize> = calls.iter().enumerate().filter(|(_, c)| timed(c)).map(|(i, _)| i).collect();
    let times = |i: &usize| calls.get(*i).map(|c| (c.arrival, c.departure));
    let spans: Vec<(ServiceTime, ServiceTime)> = at.iter().filter_map(times).collect();
    let Some(wrong) = spans.iter().zip(spans.iter().skip(1)).position(|(a, b)| b.0 < a.1) else { return true };
    let right = if spans.len() > MOST_UNTANGLED { Vec::new() } else { longest_forward(&spans) };
    if right.len() * 2 < spans.len() || right.len() < 2 {
        let line = at.get(wrong + 1).and_then(|i| calls.get(*i)).map_or(0, |c| c.line);
        let detail = format!("{} of {} times agree with each other", right.len(), spans.len());
        report.add(finding(Fault::TimesBackwards, Action::TripDropped, line, trip).detail(detail));
        return false;
    }
    for (n, i) in at.iter().enumerate() {
        let Some(call) = calls.get_mut(*i).filter(|_| !right.contains(&n)) else { continue };
        let found = Finding::new(Fault::TimesBackwards, FILE, Action::Interpolated).line(call.line);
        let detail = format!("trip_id {trip}");
        report.add(found.value("arrival_time", &call.arrival.to_string()).detail(detail));
        (call.arrival, call.departure) = (NO_TIME, NO_TIME);
    }
    true
}

/// Positions of the longest chain of calls where each arrives at or after the departure of the one
/// before; the earlier calls win a tie.
fn longest_forward(spans: &[(ServiceTime, ServiceTime)]) -> Vec<usize> {
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(spans.len());
    for (i, (arrival, _)) in spans.iter().enumerate() {
        let mut here = (1, None);
        for (j, ((_, left), (length, _))) in spans.iter().zip(&best).enumerate().take(i) {
            if left <= arrival && length + 1 > here.0 {
                here = (length + 1, Some(j));
            }
        }
        best.push(here);
    }
    let longest = best.iter().map(|b| b.0).max();
    let mut at = best.iter().position(|b| Some(b.0) == longest);
    let mut chain = Vec::new();
    while let Some(i) = at {
        chain.push(i);
        at = best.get(i).and_then(|b| b.1);
    }
    chain.reverse();
    chain
}

/// Leaves out the calls before the first time and after the last one.
fn trim_ends(calls: &mut Vec<RawCall>, trip: &str, report: &mut Report) -> bool {
    let Some(line) = calls.first().map(|c| c.line) else {
        // Reported by the caller, who knows the line of the trip.
        return false;
    };
    if !calls.iter().any(timed) {
        report.add(finding(Fault::MissingEndTime, Action::TripDropped, line, trip).detail("no call has a time"));
        return false;
    }
    let first = calls.iter().position(timed).unwrap_or(0);
    let last = calls.iter().rposition(timed).unwrap_or(0);
    for (_, call) in calls.iter().enumerate().filter(|(i, _)| *i < first || *i > last) {
        report.add(finding(Fault::MissingEndTime, Action::CallDropped, call.line, trip));
    }
    calls.truncate(last + 1);
    calls.drain(..first);
    if calls.len() < 2 {
        report.add(finding(Fault::TooFewCalls, Action::TripDropped, line, trip));
        return false;
    }
    true
}
