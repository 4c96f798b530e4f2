//! One line's day: when it leaves each of its ends, and which vehicle runs what.
//!
//! Departures come first, as evenly as the hour's headway says. A departure takes the vehicle that
//! has come last and has rested; where none has, another comes out of the depot. Who is not needed
//! for longer than a headway goes home, and comes out again when the next rush needs it.

use super::calendar::Days;
use super::network::{LaidLine, Piece};
use super::ride::{HOUR, MINUTE, Pace, rest};

/// A vehicle that has gone home does not come out again sooner.
const HOME_LEAST: i32 = 30 * MINUTE;
/// The longest headway of any hour.
const HEADWAY_MOST: i32 = 60 * MINUTE;

/// A run of a vehicle on one of the line's ways.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Which of the line's ways.
    pub(crate) way: usize,
    /// Which of the line's vehicles of the day, from 0.
    pub(crate) vehicle: usize,
    /// Seconds of the service day at each call.
    pub(crate) times: Vec<i32>,
}

/// When a line runs and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// The first departure of a weekday, seconds of the day.
    pub(crate) first: i32,
    /// The last.
    pub(crate) last: i32,
    /// Seconds between departures in the peak of a weekday.
    pub(crate) peak: i32,
}

impl Plan {
    /// Seconds between departures at a time of day, whole minutes.
    fn headway(self, days: Days, at: i32) -> i32 {
        let wider = match (days, at) {
            (Days::Weekday, t) => match t {
                ..23_400 => 1.5,
                23_400..33_300 | 56_700..68_400 => 1.0,
                33_300..56_700 => 1.35,
                68_400..75_600 => 1.7,
                _ => 2.3,
            },
            (Days::Saturday, 28_800..68_400) => 1.6,
            (Days::Saturday, _) => 2.2,
            (Days::Sunday, 30_600..68_400) => 1.85,
            (Days::Sunday, _) => 2.5,
        };
        let minutes = (self.peak as f32 * wider / 60.0).round() as i32;
        (minutes * MINUTE).min(HEADWAY_MOST.max(self.peak))
    }

    /// The first and the last departure; weekends begin half an hour later.
    fn hours(self, days: Days) -> (i32, i32) {
        match days {
            Days::Weekday => (self.first, self.last),
            Days::Saturday => (self.first + HOUR / 3, self.last),
            Days::Sunday => (self.first + HOUR / 2, self.last - HOUR / 4),
        }
    }
}

/// Every run of a line on one kind of day, by start.
pub(crate) fn runs(line: &LaidLine<'_>, pace: Pace, plan: Plan, days: Days) -> Vec<Run> {
    let mut day = Day {
        line,
        pace,
        plan,
        days,
        standing: [Vec::new(), Vec::new()],
        home: Vec::new(),
        vehicles: 0,
        runs: Vec::new(),
    };
    for (at, direction) in day.departures() {
        day.leave(direction, at);
    }
    day.send_home(i32::MAX);
    let mut runs = day.runs;
    runs.sort_by_key(|r| (r.times.first().copied(), r.way, r.vehicle));
    runs
}

/// A vehicle that stands at an end of the line.
#[derive(Clone, Copy)]
struct Standing {
    vehicle: usize,
    /// Since when.
    since: i32,
    /// How long it must.
    rest: i32,
}

struct Day<'a> {
    line: &'a LaidLine<'a>,
    pace: Pace,
    plan: Plan,
    days: Days,
    /// By the direction in which they will leave.
    standing: [Vec<Standing>; 2],
    /// Vehicles in the depot, and since when.
    home: Vec<(usize, i32)>,
    vehicles: usize,
    runs: Vec<Run>,
}

impl Day<'_> {
    /// When the line leaves its ends, in order. The far end follows the near one by the ride, so
    /// that vehicles turn without waiting long.
    fn departures(&self) -> Vec<(i32, usize)> {
        let (first, last) = self.plan.hours(self.days);
        let ride = self.ride(0, Piece::Whole, first);
        let turned = if self.line.line.is_ring() { 0 } else { ride + rest(ride) };
        let mut all = Vec::new();
        for direction in [0, 1] {
            let ahead = if direction == 0 { 0 } else { turned % self.plan.headway(self.days, first) };
            let mut at = first + ahead / MINUTE * MINUTE;
            while at <= last {
                all.push((at, direction));
                at += self.plan.headway(self.days, at);
            }
        }
        all.sort_unstable();
        all
    }

    /// Runs the line once, with whoever can.
    fn leave(&mut self, direction: usize, at: i32) {
        self.send_home(at);
        let here = self.standing.get(direction).map_or(&[][..], Vec::as_slice);
        let rested = here.iter().enumerate().filter(|(_, s)| s.since + s.rest <= at);
        let latest = rested.max_by_key(|(n, s)| (s.since, *n)).map(|(n, _)| n);
        let vehicle = match (latest, self.standing.get_mut(direction)) {
            (Some(n), Some(here)) => here.swap_remove(n).vehicle,
            _ => self.come_out(direction, at),
        };
        let (ends, ride) = self.run(direction, Piece::Whole, vehicle, at);
        let next = if self.line.line.is_ring() { direction } else { 1 - direction };
        if let Some(there) = self.standing.get_mut(next) {
            there.push(Standing { vehicle, since: ends, rest: rest(ride) });
        }
    }

    /// Whoever has stood for a headway and its rest without being needed is sent to the depot.
    fn send_home(&mut self, now: i32) {
        for direction in [0, 1] {
            let here = self.standing.get_mut(direction).map(std::mem::take).unwrap_or_default();
            let patience = |s: &Standing| s.since + s.rest + self.plan.headway(self.days, s.since);
            let (stay, go): (Vec<_>, Vec<_>) = here.into_iter().partition(|s| patience(s) > now);
            if let Some(here) = self.standing.get_mut(direction) {
                *here = stay;
            }
            for s in go {
                let (ends, _) = self.run(direction, Piece::In, s.vehicle, s.since + s.rest);
                self.home.push((s.vehicle, ends));
            }
        }
    }

    /// A vehicle from the depot that has rested when it leaves this end of the line. It comes in
    /// service where the line passes its depot.
    fn come_out(&mut self, direction: usize, at: i32) -> usize {
        let coming = if self.line.line.is_ring() { direction } else { 1 - direction };
        let rest = rest(0);
        let mut starts = at - rest - self.ride(coming, Piece::Out, at);
        // The ride may take longer at its own hour than at that of the departure.
        for _ in 0..4 {
            let late = starts + self.ride(coming, Piece::Out, starts) + rest - at;
            starts -= late.max(0);
        }
        let waiting = self.home.iter().enumerate().filter(|(_, (_, since))| since + HOME_LEAST <= starts);
        let vehicle = match waiting.min_by_key(|(_, (_, since))| *since).map(|(n, _)| n) {
            Some(n) => self.home.remove(n).0,
            None => {
                self.vehicles += 1;
                self.vehicles - 1
            }
        };
        self.run(coming, Piece::Out, vehicle, starts);
        vehicle
    }

    fn ride(&self, direction: usize, piece: Piece, at: i32) -> i32 {
        let way = self.line.find(direction, piece).and_then(|n| self.line.ways.get(n));
        way.map_or(0, |w| self.pace.whole(w, self.days, at))
    }

    /// Writes a run down: when it ends, and how long it took. Where the line has no such way, the
    /// vehicle is where it is.
    fn run(&mut self, direction: usize, piece: Piece, vehicle: usize, at: i32) -> (i32, i32) {
        let Some((n, way)) = self.line.find(direction, piece).and_then(|n| Some((n, self.line.ways.get(n)?))) else {
            return (at, 0);
        };
        let times: Vec<i32> = self.pace.ride(way, self.days, at).iter().map(|t| at + t).collect();
        let ends = times.last().copied().unwrap_or(at);
        self.runs.push(Run { way: n, vehicle, times });
        (ends, ends - at)
    }
}
