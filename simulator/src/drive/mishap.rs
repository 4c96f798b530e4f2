//! What goes wrong by itself, at the rates of an ordinary city: drawn per trip, vehicle and day.

use rand_chacha::ChaCha8Rng;
use transit_model::ids::{Idx as _, StopPos, TripIdx};
use transit_model::time::ServiceTime;

use super::disturbance::{Around, Disturbance, Place, StopRef, TripRef, VehicleRef};
use super::effect::{Effect, Lookup};
use super::roster::Duty;
use super::traffic::word_of;
use crate::chance::{Topic, between, chance, count, unit, word};

/// Trips that nobody runs.
const MISSED: f64 = 0.003;
/// Trips that leave before their time, and by how much, seconds.
const EARLY: (f64, (f64, f64)) = (0.012, (20.0, 90.0));
/// Trips that end before their last stop, of those with stops enough.
const SHORT: f64 = 0.0015;
/// Vehicle days that end with a breakdown.
const BREAKDOWN: f64 = 0.006;
/// How many of them are replaced, and after how long, seconds.
const REPLACED: (f64, (f64, f64)) = (0.7, (1200.0, 3000.0));
/// Vehicle days on which two vehicles change their blocks.
const SWAP: f64 = 0.003;
/// Incidents for each vehicle on the road.
const INCIDENTS: f64 = 0.03;
/// Closed streets for each vehicle on the road.
const CLOSED: f64 = 0.004;
/// Days with weather.
const WEATHER: f64 = 0.25;

/// Draws what goes wrong on a day; `rate` is a factor on how often.
pub(super) fn draw(at: &Lookup<'_>, seed: u64, rate: f64) -> Vec<(Disturbance, Effect)> {
    if rate <= 0.0 || at.duties.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<(Disturbance, Effect)> = Vec::new();
    let today = |a: u64, b: u64| chance(seed, Topic::Mishap, a, (word_of(at.date) << 8) | b);
    let vehicles = at.duties.len() as f64;
    let mut rng = today(0, 1);
    all.extend((unit(&mut rng) < WEATHER * rate).then(|| weather(&mut rng)).and_then(|d| at.looked_up(d)));
    let mut rng = today(0, 2);
    for _ in 0..times(&mut rng, INCIDENTS * rate * vehicles) {
        all.extend(incident(at, &mut rng).and_then(|d| at.looked_up(d)));
    }
    let mut rng = today(0, 3);
    for _ in 0..times(&mut rng, CLOSED * rate * vehicles) {
        all.extend(closed(at, &mut rng).and_then(|d| at.looked_up(d)));
    }
    for duty in at.duties {
        let mut rng = today(word(duty.vehicle.as_str()), 4);
        if unit(&mut rng) < BREAKDOWN * rate {
            all.extend(breakdown(at, duty, &mut rng).and_then(|d| at.looked_up(d)));
        }
        if unit(&mut rng) < SWAP * rate {
            all.extend(swap(at, duty, &mut rng).and_then(|d| at.looked_up(d)));
        }
        for trip in &duty.trips {
            all.extend(at.of_trip(*trip, rate, &mut today(trip.at() as u64, 5)));
        }
    }
    all
}

fn times(rng: &mut ChaCha8Rng, mean: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let n = count(rng, mean) as usize;
    n
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a day")]
fn clock(seconds: f64) -> ServiceTime {
    ServiceTime(seconds as i32)
}

fn weather(rng: &mut ChaCha8Rng) -> Disturbance {
    let (from, hours) = (between(rng, 4.0, 20.0), between(rng, 1.0, 6.0));
    let factor = if unit(rng) < 0.06 { between(rng, 1.15, 1.4) } else { between(rng, 1.02, 1.12) };
    let (from, to) = (clock(from * 3600.0), clock((from + hours) * 3600.0));
    Disturbance::Weather { day: None, from, to, factor: cents(factor) }
}

/// Where somebody comes by, so that it is noticed.
fn incident(at: &Lookup<'_>, rng: &mut ChaCha8Rng) -> Option<Disturbance> {
    let (trip, call) = at.somewhere(rng)?;
    let pattern = at.tt.pattern_of(trip);
    let (a, b) = (pattern.calls.get(call)?, pattern.calls.get(call + 1)?);
    let (lat, lon) = at.tt.plane.lat_lon(at.tt.shapes.at(pattern.shape).point_at(a.along.midpoint(b.along)));
    let then = f64::from(at.tt.time_at(trip, StopPos::new(call))?.departure.0);
    let before = between(rng, 0.0, 1200.0);
    let (from, to) = (clock(then - before), clock(then - before + between(rng, 900.0, 3600.0)));
    let place = Place::Around(Around { lat, lon, radius_m: between(rng, 60.0, 250.0).round() });
    Some(Disturbance::Incident { day: None, place, from, to, factor: cents(between(rng, 1.3, 3.5)) })
}

fn closed(at: &Lookup<'_>, rng: &mut ChaCha8Rng) -> Option<Disturbance> {
    let (trip, call) = at.somewhere(rng)?;
    let pattern = at.tt.pattern_of(trip);
    let skips = if unit(rng) < 0.5 { 1 } else { 2 };
    let stop_id = |n: usize| Some(at.tt.stops.at(pattern.calls.get(n)?.stop).id.to_string());
    let then = f64::from(at.tt.time_at(trip, StopPos::new(call))?.departure.0);
    let from = then - between(rng, 0.0, 1800.0);
    Some(Disturbance::Detour {
        day: None,
        after_stop: stop_id(call)?,
        until_stop: stop_id(call + 1 + skips)?,
        route: None,
        from: clock(from),
        to: clock(from + between(rng, 3600.0, 4.0 * 3600.0)),
        away_m: between(rng, 150.0, 400.0).round(),
    })
}

fn breakdown(at: &Lookup<'_>, duty: &Duty, rng: &mut ChaCha8Rng) -> Option<Disturbance> {
    let (from, to) = (at.tt.starts(*duty.trips.first()?), at.tt.ends(*duty.trips.last()?));
    let when = between(rng, f64::from(from.0), f64::from(to.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "under an hour")]
    let after = (unit(rng) < REPLACED.0).then(|| between(rng, REPLACED.1.0, REPLACED.1.1) as u32);
    let vehicle = VehicleRef::Id(duty.vehicle.as_str().to_owned());
    Some(Disturbance::Breakdown { day: None, vehicle, at: clock(when), replaced_after_s: after })
}

/// With the next vehicle of the route.
fn swap(at: &Lookup<'_>, duty: &Duty, rng: &mut ChaCha8Rng) -> Option<Disturbance> {
    let (from, to) = (at.tt.starts(*duty.trips.first()?), at.tt.starts(*duty.trips.last()?));
    let others = || at.duties.iter().filter(|d| d.route == duty.route);
    let with = others().skip_while(|d| d.vehicle != duty.vehicle).nth(1)?;
    Some(Disturbance::Swap {
        day: None,
        vehicle: VehicleRef::Id(duty.vehicle.as_str().to_owned()),
        with: VehicleRef::Id(with.vehicle.as_str().to_owned()),
        from: clock(between(rng, f64::from(from.0), f64::from(to.0))),
    })
}

impl Lookup<'_> {
    fn looked_up(&self, d: Disturbance) -> Option<(Disturbance, Effect)> {
        self.effect(&d).ok().map(|e| (d, e))
    }

    /// A call of a trip of the day that has stops on both sides.
    fn somewhere(&self, rng: &mut ChaCha8Rng) -> Option<(TripIdx, usize)> {
        let duty = self.duties.get(pick(rng, self.duties.len()))?;
        let trip = *duty.trips.get(pick(rng, duty.trips.len()))?;
        let calls = self.tt.pattern_of(trip).calls.len();
        Some((trip, 1 + pick(rng, calls.checked_sub(3).filter(|n| *n > 0)?)))
    }

    /// What befalls one trip; each run of a frequency-based trip has its own fate.
    fn of_trip(&self, trip: TripIdx, rate: f64, rng: &mut ChaCha8Rng) -> Option<(Disturbance, Effect)> {
        let named = || TripRef::Id(self.tt.trips.at(trip).id.to_string());
        let at = unit(rng);
        if at < MISSED * rate {
            return Some((Disturbance::MissedTrip { day: None, trip: named() }, Effect::Missed { trip }));
        }
        let (early, (least, most)) = EARLY;
        if at < (MISSED + early) * rate {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "under two minutes")]
            let by_s = between(rng, least, most) as u32;
            let what = Disturbance::EarlyDeparture { day: None, trip: named(), by_s };
            return Some((what, Effect::Early { trip, by: f64::from(by_s) }));
        }
        let calls = self.tt.pattern_of(trip).calls.len();
        if at < (MISSED + early + SHORT) * rate && calls >= 8 {
            let last = calls / 2 + pick(rng, calls / 3);
            let stop = StopRef::Nth(u16::try_from(last + 1).ok()?);
            let what = Disturbance::ShortTurn { day: None, trip: named(), stop, back_at: None };
            return Some((what, Effect::ShortTurn { trip, last: StopPos::new(last), back_at: None }));
        }
        None
    }
}

/// One of so many.
fn pick(rng: &mut ChaCha8Rng, n: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a small count")]
    let at = (unit(rng) * n as f64) as usize;
    at.min(n.saturating_sub(1))
}

/// As a person would write it.
fn cents(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}
