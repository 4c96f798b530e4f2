//! One tracker on one day: a fix every interval, a little off, sometimes far off, and sometimes kept
//! back until there is a network again.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use transit_model::fix::{Fix, Reported};
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::Tracker;
use crate::chance::{Topic, between, chance, normal, unit, word};
use crate::drive::{TrueState, VehicleDay, Walk, word_of};

/// How long an error of position lasts, seconds.
const MEMORY: f64 = 45.0;
/// How often a fix is far off.
const OUTLIER: f64 = 0.001;
/// How far, metres.
const FAR: (f64, f64) = (60.0, 350.0);
/// How long a tracker is without network, seconds.
const OUTAGE: (f64, f64) = (60.0, 360.0);
/// How long a fix travels, seconds.
const TRAVEL: (f64, f64) = (0.2, 1.6);
/// A backlog leaves at this pace, milliseconds a fix.
const BACKLOG: i64 = 20;
/// Below this speed a receiver gives no course, m/s.
const COURSE: f32 = 1.0;

/// The fixes of one tracker on one service day, in the order in which they were made, which is also
/// the order in which they are sent: a backlog goes first.
#[derive(Clone, Debug)]
pub struct TrackerDay {
    walk: Walk<Arc<VehicleDay>>,
    timetable: Arc<Timetable>,
    tracker: Arc<Tracker>,
    rng: ChaCha8Rng,
    next: UnixMs,
    /// The error of position, metres east and north.
    off: (f64, f64),
    /// What the error keeps from one fix to the next, and what is new in it.
    keeps: f64,
    renews: f64,
    /// When the next outage begins and ends.
    outage: (UnixMs, UnixMs),
    last_received: UnixMs,
}

impl TrackerDay {
    /// The day from its beginning.
    #[must_use]
    pub fn new(timetable: &Arc<Timetable>, tracker: &Arc<Tracker>, day: Arc<VehicleDay>) -> Self {
        let mut rng = chance(tracker.seed, Topic::TrackerDay, word(tracker.vehicle.as_str()), word_of(day.date));
        let start = day.span().0;
        #[expect(clippy::cast_possible_truncation, reason = "less than an interval")]
        let first = start.0 + (unit(&mut rng) * tracker.interval as f64) as i64;
        let keeps = (-(tracker.interval as f64) / 1000.0 / MEMORY).exp();
        let off = (tracker.noise * normal(&mut rng), tracker.noise * normal(&mut rng));
        let outage = outage(&mut rng, start, tracker.outages);
        Self {
            walk: Walk::along(day),
            timetable: Arc::clone(timetable),
            tracker: Arc::clone(tracker),
            rng,
            // Receivers fix on the whole second.
            next: UnixMs::from_secs(first.div_euclid(1000) + 1),
            off,
            keeps,
            renews: (1.0 - keeps * keeps).sqrt() * tracker.noise,
            outage,
            last_received: start,
        }
    }

    fn fix(&mut self, time: UnixMs, state: &TrueState) -> Fix {
        let rng = &mut self.rng;
        self.off.0 = self.off.0.mul_add(self.keeps, self.renews * normal(rng));
        self.off.1 = self.off.1.mul_add(self.keeps, self.renews * normal(rng));
        let mut off = self.off;
        if unit(rng) < OUTLIER {
            let (far, turn) = (between(rng, FAR.0, FAR.1), between(rng, 0.0, std::f64::consts::TAU));
            off = (far.mul_add(turn.cos(), off.0), far.mul_add(turn.sin(), off.1));
        }
        #[expect(clippy::cast_possible_truncation, reason = "some metres")]
        let seen = Xy { x: state.xy.x + off.0 as f32, y: state.xy.y + off.1 as f32 };
        let (lat, lon) = self.timetable.plane.lat_lon(seen);
        let travel = UnixMs::from_secs_f64(between(rng, TRAVEL.0, TRAVEL.1)).0;
        #[expect(clippy::cast_possible_truncation, reason = "some metres a second")]
        let (faster, turned) = (0.3 * normal(rng) as f32, 3.0 * normal(rng) as f32);
        let moving = state.speed > 0.3;
        let speed = if moving { ((state.speed + faster).max(0.0) * 10.0).round() / 10.0 } else { 0.0 };
        let bearing = state.bearing.filter(|_| speed >= COURSE);
        while self.outage.1 <= time {
            self.outage = outage(rng, self.outage.1, self.tracker.outages);
        }
        let kept_back = self.outage.0 <= time;
        let sent = if kept_back { self.outage.1.0 } else { time.0 };
        let received = (sent + travel).max(self.last_received.0 + BACKLOG);
        self.last_received = UnixMs(received);
        Fix {
            vehicle: self.tracker.vehicle.clone(),
            time,
            received: UnixMs(received),
            lat: micro(lat),
            lon: micro(lon),
            speed: Some(speed),
            bearing: bearing.map(|b| (b + turned).rem_euclid(360.0).round() % 360.0),
            reported: self.reported(state),
            source: self.tracker.protocol.source(),
        }
    }

    fn reported(&self, state: &TrueState) -> Reported {
        match state.trip.filter(|_| self.tracker.reports_trip) {
            Some(trip) => Reported {
                trip_id: Some(self.timetable.trips.at(trip).id.clone()),
                route_id: Some(self.timetable.route_of(trip).id.clone()),
                start_date: Some(self.walk.day().date),
            },
            None => Reported::default(),
        }
    }
}

impl Iterator for TrackerDay {
    type Item = Fix;

    fn next(&mut self) -> Option<Fix> {
        let time = self.next;
        let state = self.walk.at(time)?;
        self.next = UnixMs(time.0 + self.tracker.interval);
        Some(self.fix(time, &state))
    }
}

/// The next outage after a moment.
fn outage(rng: &mut ChaCha8Rng, after: UnixMs, per_hour: f64) -> (UnixMs, UnixMs) {
    let wait = -(1.0 - unit(rng)).ln() / per_hour.max(1e-3) * 3600.0;
    let from = UnixMs(after.0 + UnixMs::from_secs_f64(wait.min(1e6)).0);
    (from, UnixMs(from.0 + UnixMs::from_secs_f64(between(rng, OUTAGE.0, OUTAGE.1)).0))
}

/// Degrees to the sixth decimal, which is 0.1 m.
fn micro(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}
