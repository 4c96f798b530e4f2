//! The demo city's timetable: how long the ride takes at what hour, and which vehicle runs what.

use super::lines::{Headways, Kind, Line};
use crate::streets::Way;

/// The two kinds of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Days {
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    Weekend,
}

impl Days {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Weekday, Self::Weekend];

    /// `service_id`.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Weekday => "weekday",
            Self::Weekend => "weekend",
        }
    }
}

/// A planned run: one vehicle, one direction.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// 0 = there, 1 = back.
    pub(crate) direction: usize,
    /// The block, counted within line and kind of day.
    pub(crate) block: usize,
    /// Seconds of the service day at each call.
    pub(crate) times: Vec<i32>,
}

const MINUTE: i32 = 60;
const HOUR: i32 = 3600;
/// The first departures of the day.
const OPENING: i32 = 5 * HOUR + 30 * MINUTE;
/// No vehicle arrives later.
const CLOSING: i32 = 23 * HOUR;
/// A layover is never shorter: the driver's rest and the margin that a late vehicle recovers in.
const LAYOVER_MIN: i32 = 4 * MINUTE;
/// Nor longer: whoever has waited so long goes, and the headway evens out on the way.
const LAYOVER_MAX: i32 = 10 * MINUTE;
/// When the extra vehicles of a weekday run.
const PEAKS: [(i32, i32); 2] = [(6 * HOUR + 30 * MINUTE, 9 * HOUR + 30 * MINUTE), (15 * HOUR + 30 * MINUTE, 19 * HOUR)];

/// Every run of a line on one kind of day. `ways` holds one way for a loop, two for a line.
pub(crate) fn runs(line: &Line, ways: &[Way], days: Days) -> Vec<Run> {
    let cycle = |at: i32| -> i32 {
        ways.iter().map(|w| ride(w, line.kind, days, at).last().copied().unwrap_or(0) + LAYOVER_MIN).sum()
    };
    let vehicles = |at: i32| {
        let headway = headway(&line.headways, days, at);
        ((cycle(at) + headway - 1) / headway).max(1)
    };
    let mut waiting: Vec<Vehicle> = Vec::new();
    let all_day = vehicles(12 * HOUR);
    for n in 0..all_day {
        let side = usize::try_from(n).unwrap_or(0) % ways.len();
        let turn = n / i32::try_from(ways.len()).unwrap_or(1);
        let ready = OPENING + turn * headway(&line.headways, days, OPENING) - LAYOVER_MIN;
        waiting.push(Vehicle { side, ready, until: CLOSING, block: waiting.len() });
    }
    if days == Days::Weekday {
        for (from, until) in PEAKS {
            for n in 0..(vehicles(from + HOUR) - all_day).max(0) {
                let side = usize::try_from(n).unwrap_or(0) % ways.len();
                waiting.push(Vehicle { side, ready: from + n * 7 * MINUTE, until, block: waiting.len() });
            }
        }
    }
    run_all(line, ways, days, waiting)
}

struct Vehicle {
    /// At which end it stands.
    side: usize,
    /// Since when.
    ready: i32,
    /// When it must be done.
    until: i32,
    block: usize,
}

/// Lets the vehicles leave in the order in which they came, as evenly as their layovers allow.
fn run_all(line: &Line, ways: &[Way], days: Days, mut waiting: Vec<Vehicle>) -> Vec<Run> {
    let mut left: Vec<Option<i32>> = vec![None; ways.len()];
    let mut runs = Vec::new();
    while let Some(next) = waiting.iter().enumerate().min_by_key(|(_, v)| (v.ready, v.block)).map(|(i, _)| i) {
        let mut vehicle = waiting.swap_remove(next);
        let (Some(way), Some(last)) = (ways.get(vehicle.side), left.get_mut(vehicle.side)) else { continue };
        let earliest = vehicle.ready + LAYOVER_MIN;
        let even = last.map_or(earliest, |l| l + headway(&line.headways, days, l));
        let departs = round_up(even.clamp(earliest, vehicle.ready + LAYOVER_MAX));
        let times = ride(way, line.kind, days, departs);
        let arrives = departs + times.last().copied().unwrap_or(0);
        if arrives > vehicle.until {
            continue;
        }
        *last = Some(departs);
        runs.push(Run {
            direction: vehicle.side,
            block: vehicle.block,
            times: times.iter().map(|t| departs + t).collect(),
        });
        vehicle.side = (vehicle.side + 1) % ways.len();
        vehicle.ready = arrives;
        waiting.push(vehicle);
    }
    runs.sort_by_key(|r| (r.times.first().copied(), r.direction, r.block));
    runs
}

/// Seconds from the departure to each call, whole minutes at the stops that have times of their own.
fn ride(way: &Way, kind: Kind, days: Days, departs: i32) -> Vec<i32> {
    let mut at = 0.0f32;
    let mut times: Vec<i32> = vec![0];
    for pair in way.calls.windows(2) {
        let [a, b] = pair else { continue };
        let metres = b.along - a.along;
        // m/s between stops, and what a stop costs with braking and doors.
        let (speed, stop) = match kind {
            Kind::Trolleybus => (8.2, 27.0),
            Kind::Bus => (8.8, 24.0),
        };
        #[expect(clippy::cast_possible_truncation, reason = "an hour or two of seconds")]
        let now = departs + at as i32;
        at += (metres / speed + stop) * slowness(days, now);
        #[expect(clippy::cast_possible_truncation, reason = "an hour or two of seconds")]
        times.push(at.round() as i32);
    }
    for (t, call) in times.iter_mut().zip(&way.calls) {
        if call.timed {
            *t = (*t + MINUTE / 2) / MINUTE * MINUTE;
        }
    }
    // A stop just before one whose time was rounded down keeps to it.
    for i in (1..times.len()).rev() {
        if let [.., a, b] = times.get_mut(..=i).unwrap_or_default() {
            *a = (*a).min(*b);
        }
    }
    times
}

/// How much longer than on an empty afternoon.
fn slowness(days: Days, at: i32) -> f32 {
    match (days, at / HOUR) {
        (_, ..=5 | 21..) => 0.9,
        (Days::Weekend, _) => 0.98,
        (Days::Weekday, 7..9) => 1.13,
        (Days::Weekday, 16..19) => 1.16,
        (Days::Weekday, _) => 1.02,
    }
}

/// Seconds between departures at a time of day.
fn headway(h: &Headways, days: Days, at: i32) -> i32 {
    let minutes = match days {
        _ if !(6 * HOUR..21 * HOUR).contains(&at) => h.weekend.max(h.day),
        Days::Weekend => h.weekend,
        Days::Weekday if PEAKS.iter().any(|(from, to)| (*from..*to).contains(&at)) => h.peak,
        Days::Weekday => h.day,
    };
    i32::from(minutes) * MINUTE
}

fn round_up(t: i32) -> i32 {
    (t + MINUTE - 1) / MINUTE * MINUTE
}
