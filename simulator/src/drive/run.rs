//! One ride from stop to stop: what the timetable leaves for it, how long it takes today, and how
//! the vehicle moves meanwhile.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use transit_model::ids::{LinkIdx, RouteIdx, StopPos, TripIdx};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::{CallTimes, Mode, Timetable};

use super::demand::Demand;
use super::effect::Detour;
use super::traffic::Traffic;
use crate::chance::{between, normal, unit};

/// A moment of a vehicle's motion. Between two knots it moves evenly.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Knot {
    /// When.
    pub(super) at: UnixMs,
    /// Metres along the leg's line; never decreasing.
    pub(super) along: f32,
}

/// When a vehicle was at a stop it served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TrueCall {
    /// Which call of the trip.
    pub(super) call: StopPos,
    /// It stopped; unknown where the vehicle began its trip.
    pub(super) arrival: Option<UnixMs>,
    /// It left; unknown where it ended its trip.
    pub(super) departure: Option<UnixMs>,
}

/// What the timetable leaves for a link and the stop after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// For the ride, seconds.
    pub(super) ride: f64,
    /// How much of the usual dwell has room in it, 0..=1.
    pub(super) doors: f64,
}

/// Spread of one vehicle's ride over one link (deviation of the logarithm).
const OWN: f64 = 0.135;
/// Spread of that spread: most rides are ordinary, a few are not.
const OWN_WILD: f64 = 0.6;
/// No ride is quicker or slower than this by itself (logarithm): what blocks a street for longer is an incident.
const OWN_MOST: f64 = 1.1;
/// How far from a stop a vehicle is slow, metres.
const SLOW: f64 = 40.0;
/// Stops whose times lie closer than this are timed together: feeds round to minutes, seconds.
const ANCHOR: i32 = 60;
/// Doors take at most so much of what a timetable allows.
const DOORS_MOST: f64 = 0.4;
/// How much faster a driver is who is five minutes late or more…
const HURRY: f64 = 0.02;
/// …and one who is twenty minutes late, besides.
const HURRY_MORE: f64 = 0.20;

/// All that the vehicles of one day share.
pub(super) struct Scene<'a> {
    pub(super) tt: &'a Arc<Timetable>,
    pub(super) seed: u64,
    pub(super) date: ServiceDate,
    /// The service day's clock start.
    pub(super) day_start: UnixMs,
    pub(super) traffic: Traffic,
    pub(super) demand: Demand,
    /// Closed streets, each with the number of what happened.
    pub(super) detours: Vec<(usize, Detour)>,
    /// Trips that leave before their time: by how much, with the number of what happened.
    pub(super) early: FxHashMap<TripIdx, (usize, f64)>,
}

/// One ride over one link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Ride {
    /// How long it moves, seconds.
    pub(super) moving: f64,
    /// Where it waits at lights, metres from the start, and how long.
    pub(super) pause: Option<(f64, f64)>,
    /// Metres.
    pub(super) metres: f64,
}

/// Who rides over what.
pub(super) struct Rides {
    pub(super) route: RouteIdx,
    pub(super) link: LinkIdx,
    pub(super) metres: f64,
    pub(super) allowed: Allowed,
    pub(super) mode: Mode,
    /// Seconds of the service day.
    pub(super) at: f64,
    /// How late it leaves, seconds.
    pub(super) late: f64,
    /// The driver's pace: a factor on every ride.
    pub(super) pace: f64,
}

impl Ride {
    /// Seconds from stop to stop.
    pub(super) fn takes(&self) -> f64 {
        self.moving + self.pause.map_or(0.0, |(_, wait)| wait)
    }

    /// How far the vehicle is slow at either end, metres.
    fn near(metres: f64) -> f64 {
        SLOW.min(metres / 4.0)
    }

    /// Places along the link and when it is there: slow away from the stop, even, slow up to the
    /// next, once at the lights maybe.
    pub(super) fn marks(&self) -> impl Iterator<Item = (f64, f64)> {
        let near = Self::near(self.metres);
        // The ends of a link are run at half speed: as if it were so much longer.
        let pace = self.moving / (self.metres + 2.0 * near).max(0.001);
        let wait = self.pause.map_or(0.0, |(_, wait)| wait);
        let at_lights = self.pause.map(|(at, wait)| {
            let then = (at + near) * pace;
            [(at, then), (at, then + wait)]
        });
        let last = [(self.metres - near, self.metres.mul_add(pace, wait)), (self.metres, self.takes())];
        [(near, 2.0 * near * pace)].into_iter().chain(at_lights.into_iter().flatten()).chain(last)
    }
}

impl Scene<'_> {
    /// Rides a link.
    pub(super) fn ride(&self, r: &Rides, rng: &mut ChaCha8Rng) -> Ride {
        let exposed = exposure(r.mode);
        let late = (r.late / 300.0).clamp(0.0, 1.0);
        let hurry = 1.0 - HURRY * late - HURRY_MORE * ((r.late - 300.0) / 900.0).clamp(0.0, 1.0);
        let own = (OWN * (OWN_WILD * normal(rng)).exp() * normal(rng)).clamp(-OWN_MOST, OWN_MOST).exp();
        let streets = self.traffic.slowness(self.tt, r.route, r.link, r.at) * own;
        let slow = streets.powf(exposed) * r.pace * hurry;
        let lights = self.traffic.lights(self.tt.links.at(r.link).key).filter(|_| exposed > 0.5);
        let moving = (r.allowed.ride - lights.map_or(0.0, |l| l.mean())).max(r.allowed.ride * 0.5) * slow;
        let near = Ride::near(r.metres);
        let moving = moving.max((r.metres + 2.0 * near) / top_speed(r.mode)).max(1.0);
        let pause = lights.filter(|l| unit(rng) < l.red).map(|l| {
            let at = (r.metres * l.share).clamp(near, (r.metres - near).max(near));
            (at, between(rng, 2.0, l.cycle))
        });
        Ride { moving, pause, metres: r.metres }
    }

    /// What the timetable leaves for each link and the stop after it, minute rounding taken out.
    pub(super) fn allowed(&self, trip: TripIdx, times: &[CallTimes]) -> Vec<Allowed> {
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
            let rush = self.traffic.rush(f64::from(start.departure.0));
            let doors: f64 = stops.iter().map(|c| self.demand.mean_dwell(c.stop, rush)).sum();
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

    /// A moment as seconds of the service day.
    pub(super) fn since_start(&self, t: UnixMs) -> f64 {
        UnixMs(t.0 - self.day_start.0).secs_f64()
    }

    /// The moment of so many seconds of the service day.
    pub(super) fn at(&self, seconds: f64) -> UnixMs {
        UnixMs(self.day_start.0 + UnixMs::from_secs_f64(seconds).0)
    }
}

/// Adds a knot after the last one; two at one moment would be a jump.
pub(super) fn mark(knots: &mut Vec<Knot>, at: UnixMs, along: f32) {
    let knot = match knots.last() {
        Some(last) => Knot { at: at.max(UnixMs(last.at.0 + 1)), along: along.max(last.along) },
        None => Knot { at, along },
    };
    knots.push(knot);
}

/// A time of the service day in seconds.
pub(super) fn seconds(t: ServiceTime) -> f64 {
    f64::from(t.0)
}

/// What a vehicle of this mode can run between stops, m/s.
pub(super) const fn top_speed(mode: Mode) -> f64 {
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
