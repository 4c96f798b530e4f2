//! One trip of one day, driven: when the vehicle is where, and when it was at each stop.

use rand_chacha::ChaCha8Rng;
use transit_model::ids::{StopIdx, StopPos, TripIdx};
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::{CallTimes, Mode, Timetable};

use super::traffic::Traffic;
use crate::chance::{between, normal, unit};

/// A moment of a vehicle's motion. Between two knots it moves evenly.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Knot {
    /// When.
    pub(crate) at: UnixMs,
    /// Metres along the leg's line; never decreasing.
    pub(crate) along: f32,
}

/// When a vehicle was at a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TrueCall {
    /// It stopped; at the first stop of a trip when it was ready there.
    pub(crate) arrival: UnixMs,
    /// It left; at the last stop the same as the arrival.
    pub(crate) departure: UnixMs,
}

/// A driven trip.
pub(crate) struct Driven {
    pub(crate) knots: Vec<Knot>,
    pub(crate) calls: Vec<TrueCall>,
}

/// What the timetable leaves for a link and the stop after it.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    /// For the ride, seconds.
    ride: f64,
    /// How much of the usual dwell has room in it, 0..=1.
    doors: f64,
}

/// Spread of one vehicle's ride over one link (deviation of the logarithm).
const OWN: f64 = 0.09;
/// The spread of a dwell.
const DWELL: f64 = 0.45;
/// How often nobody gets on or off.
const NOBODY: f64 = 0.08;
/// How far from a stop a vehicle is slow, metres.
const SLOW: f64 = 40.0;
/// Stops whose times lie closer than this are timed together: feeds round to minutes, seconds.
const ANCHOR: i32 = 100;
/// Doors take at most so much of what a timetable allows.
const DOORS_MOST: f64 = 0.4;

/// Who drives, and on what day.
pub(crate) struct Driver<'a> {
    pub(crate) tt: &'a Timetable,
    pub(crate) traffic: &'a Traffic,
    /// The service day's clock start.
    pub(crate) day_start: UnixMs,
    /// The driver's pace: a factor on every ride.
    pub(crate) pace: f64,
}

impl Driver<'_> {
    /// Drives a trip. The vehicle cannot leave before `ready`.
    pub(crate) fn drive(&self, trip: TripIdx, ready: UnixMs, rng: &mut ChaCha8Rng) -> Driven {
        let pattern = self.tt.pattern_of(trip);
        let times: Vec<CallTimes> = self.tt.times(trip).collect();
        let allowed = self.allowed(trip, &times);
        let mode = self.tt.route_of(trip).mode;
        let (vmax, exposed) = (top_speed(mode), exposure(mode));
        let mut driven = Driven { knots: Vec::new(), calls: Vec::new() };
        let planned = times.first().map(|c| self.seconds(c.departure)).unwrap_or_default();
        // Most leave within half a minute, a few are held up longer; nobody leaves before time.
        let held = if unit(rng) < 0.04 { between(rng, 60.0, 240.0) } else { 0.0 };
        let late = (12.0 * (0.9 * normal(rng)).exp()).min(90.0) + held;
        let mut now = (planned + late).max(self.since_start(ready));
        let mut along = pattern.calls.first().map_or(0.0, |c| c.along);
        driven.mark(self.at(now), along);
        driven.calls.push(TrueCall { arrival: ready.min(self.at(now)), departure: self.at(now) });
        let stops = pattern.calls.iter().skip(1).zip(times.iter().skip(1)).zip(allowed).zip(&pattern.links);
        let last = pattern.calls.len().saturating_sub(1);
        for (n, (((call, planned), allowed), link)) in (1..).zip(stops) {
            let key = self.tt.links.at(*link).key;
            let clock = service_time(now);
            let lateness = now - self.seconds(planned.departure) + allowed.ride;
            // Whoever is late hurries, whoever is very late more.
            let hurry = 1.0 - 0.1 * (lateness / 300.0).clamp(0.0, 1.0) - 0.1 * (lateness / 600.0 - 0.5).clamp(0.0, 1.0);
            let own = (OWN * normal(rng)).exp();
            let streets = self.traffic.usual(key, clock) * self.traffic.today(key, clock) * own;
            let slow = streets.powf(exposed) * self.pace * hurry;
            let lights = self.traffic.lights(key).filter(|_| exposed > 0.5);
            let metres = f64::from(call.along - along).max(0.0);
            let moving = (allowed.ride - lights.map_or(0.0, |l| l.mean())).max(allowed.ride * 0.5) * slow;
            let near = SLOW.min(metres / 4.0);
            // The ends of a link are run at half speed: as if it were so much longer.
            let moving = moving.max((metres + 2.0 * near) / vmax).max(1.0);
            let pause = lights.filter(|l| unit(rng) < l.red).map(|l| (l.share, between(rng, 2.0, l.cycle)));
            now = self.ride(&mut driven, now, along, metres, near, moving, pause);
            along = call.along;
            let arrival = now;
            if n < last {
                now += self.stand(call.stop, planned, arrival, allowed.doors, rng);
                driven.mark(self.at(now), along);
            }
            driven.calls.push(TrueCall { arrival: self.at(arrival), departure: self.at(now) });
        }
        driven
    }

    /// What the timetable leaves for each link and the stop after it, minute rounding taken out.
    fn allowed(&self, trip: TripIdx, times: &[CallTimes]) -> Vec<Allowed> {
        let pattern = self.tt.pattern_of(trip);
        let mut allowed = Vec::with_capacity(times.len());
        let mut from = 0;
        while from + 1 < times.len() {
            let Some(start) = times.get(from) else { break };
            let far = |n: &usize| times.get(*n).is_some_and(|t| (t.arrival - start.departure).0 >= ANCHOR);
            let mut to = (from + 1..times.len()).find(|n| times.get(*n).is_some_and(|t| t.timepoint) && far(n));
            // A tail too short to be timed by itself goes with what comes before it.
            let rest_far = to.and_then(|n| Some((times.last()?.arrival - times.get(n)?.departure).0 >= ANCHOR));
            if rest_far == Some(false) {
                to = None;
            }
            let to = to.unwrap_or(times.len() - 1);
            let end = times.get(to).copied().unwrap_or_default();
            let calls = pattern.calls.get(from..=to).unwrap_or_default();
            let metres = calls.last().map_or(0.0, |c| c.along) - calls.first().map_or(0.0, |c| c.along);
            // Where the timetable lets a vehicle stand at the end, that is not part of the ride.
            let stands = (end.departure - end.arrival).0 > 0 || to + 1 == times.len();
            let stops = calls.get(1..calls.len().saturating_sub(usize::from(stands)).max(1)).unwrap_or_default();
            let doors: f64 = stops.iter().map(|c| self.traffic.dwell(c.stop, start.departure)).sum();
            let whole = f64::from((end.arrival - start.departure).0.max(1));
            let doors_take = doors.min(whole * DOORS_MOST);
            let doors_factor = if doors > 0.0 { doors_take / doors } else { 1.0 };
            let riding = whole - doors_take;
            for pair in calls.windows(2) {
                let [a, b] = pair else { continue };
                let share = if metres > 1.0 { (b.along - a.along) / metres } else { 1.0 / (to - from).max(1) as f32 };
                allowed.push(Allowed { ride: riding * f64::from(share), doors: doors_factor });
            }
            from = to;
        }
        allowed
    }

    /// Rides one link: slow away from the stop, even, slow up to the next, once at the lights maybe.
    /// Gives the time of arrival.
    #[expect(clippy::too_many_arguments, reason = "a ride is just that: from where, how far, how long")]
    fn ride(
        &self,
        driven: &mut Driven,
        start: f64,
        along: f32,
        metres: f64,
        near: f64,
        moving: f64,
        pause: Option<(f64, f64)>,
    ) -> f64 {
        let pace = moving / (metres + 2.0 * near).max(0.001);
        let mut marks = vec![(near, 2.0 * near * pace), (metres - near, metres * pace)];
        if let Some((share, wait)) = pause {
            let at = (metres * share).clamp(near, metres - near);
            let then = (at + near) * pace;
            marks.insert(1, (at, then));
            marks.insert(2, (at, then + wait));
            if let Some(end) = marks.last_mut() {
                end.1 += wait;
            }
        }
        let wait = pause.map_or(0.0, |(_, wait)| wait);
        marks.push((metres, moving + wait));
        for (at, seconds) in marks {
            #[expect(clippy::cast_possible_truncation, reason = "metres of one link")]
            driven.mark(self.at(start + seconds), along + at as f32);
        }
        start + moving + wait
    }

    /// How long the vehicle stands at a stop, seconds; `quick` is how much of the usual time the
    /// timetable leaves for doors.
    fn stand(&self, stop: StopIdx, planned: &CallTimes, now: f64, quick: f64, rng: &mut ChaCha8Rng) -> f64 {
        let empty = unit(rng) < NOBODY;
        let usual = self.traffic.dwell(stop, service_time(now)) * quick;
        let doors = (usual * (DWELL * normal(rng) - DWELL * DWELL / 2.0).exp()).clamp(3.0, 120.0);
        let doors = if empty { 0.0 } else { doors };
        // Drivers who are more than a minute early wait at a stop that has a time, most of them.
        let early = self.seconds(planned.departure) - now;
        let waits = planned.timepoint && early > 60.0 && unit(rng) < 0.75;
        if waits { doors.max(early - between(rng, 0.0, 50.0)) } else { doors }
    }

    fn seconds(&self, t: ServiceTime) -> f64 {
        f64::from(t.0)
    }

    fn since_start(&self, t: UnixMs) -> f64 {
        UnixMs(t.0 - self.day_start.0).secs_f64()
    }

    fn at(&self, seconds: f64) -> UnixMs {
        UnixMs(self.day_start.0 + UnixMs::from_secs_f64(seconds).0)
    }
}

impl Driven {
    /// Adds a knot after the last one; two at one moment would be a jump.
    fn mark(&mut self, at: UnixMs, along: f32) {
        let knot = match self.knots.last() {
            Some(last) => Knot { at: at.max(UnixMs(last.at.0 + 1)), along: along.max(last.along) },
            None => Knot { at, along },
        };
        self.knots.push(knot);
    }
}

/// The last stop of a trip has no departure, the first no arrival worth telling.
pub(crate) fn is_end(pos: StopPos, calls: usize) -> (bool, bool) {
    (pos.at() == 0, pos.at() + 1 == calls)
}

#[expect(clippy::cast_possible_truncation, reason = "two days of seconds")]
fn service_time(seconds: f64) -> ServiceTime {
    ServiceTime(seconds as i32)
}

/// What a vehicle of this mode can run between stops, m/s.
const fn top_speed(mode: Mode) -> f64 {
    match mode {
        Mode::Bus | Mode::Trolleybus | Mode::Tram => 16.0,
        Mode::Cable | Mode::Ferry => 12.0,
        Mode::Metro | Mode::Rail => 38.0,
    }
}

/// How much of the streets' traffic a mode feels, as an exponent on what it costs.
const fn exposure(mode: Mode) -> f64 {
    match mode {
        Mode::Bus | Mode::Trolleybus => 1.0,
        Mode::Tram => 0.7,
        Mode::Cable | Mode::Ferry | Mode::Metro | Mode::Rail => 0.2,
    }
}
