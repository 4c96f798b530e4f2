//! One tracker on one day: a fix every interval, a little off, sometimes far off, and sometimes kept
//! back until there is a network again. That is the healthy tracker; what can be wrong besides stands
//! in `receiver` and `post`.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use transit_model::fix::{Fix, Reported};
use transit_model::ids::VehicleId;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::Tracker;
use super::fault::Kind;
use super::post::{BACKLOG, Post};
use super::receiver::{Sight, Step};
use super::report::{Place, Report};
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
/// Below this speed a receiver gives no course, m/s.
const COURSE: f32 = 1.0;

/// The reports of one tracker on one service day, in the order in which a server can have them: of a
/// backlog the oldest first, unless a fault says otherwise. With those that were never said
/// ([`super::Place::Unsaid`]), which only the file of faults is about.
#[derive(Clone, Debug)]
pub struct TrackerDay {
    walk: Walk<Arc<VehicleDay>>,
    timetable: Arc<Timetable>,
    tracker: Arc<Tracker>,
    rng: ChaCha8Rng,
    /// When the next report is made; `None` after the last.
    next: Option<UnixMs>,
    last: Option<UnixMs>,
    /// The error of position, metres east and north.
    off: (f64, f64),
    /// When the next outage begins and ends.
    outage: (UnixMs, UnixMs),
    last_received: UnixMs,
    steps: Vec<Step>,
    /// The last place it stood by.
    good: Option<Sight>,
    post: Post,
}

impl TrackerDay {
    /// The day from its beginning.
    #[must_use]
    pub fn new(timetable: &Arc<Timetable>, tracker: &Arc<Tracker>, day: Arc<VehicleDay>) -> Self {
        let mut rng = chance(tracker.seed, Topic::TrackerDay, word(tracker.vehicle.as_str()), word_of(day.date));
        let start = day.span().0;
        #[expect(clippy::cast_possible_truncation, reason = "less than an interval")]
        let first = start.0 + (unit(&mut rng) * tracker.interval as f64) as i64;
        let off = (tracker.noise * normal(&mut rng), tracker.noise * normal(&mut rng));
        let outage = outage(&mut rng, start, tracker.outages);
        let steps = Step::all(tracker, &day, &timetable.plane);
        Self {
            walk: Walk::along(day),
            timetable: Arc::clone(timetable),
            tracker: Arc::clone(tracker),
            rng,
            // Receivers fix on the whole second.
            next: Some(UnixMs::from_secs(first.div_euclid(1000) + 1)),
            last: None,
            off,
            outage,
            last_received: start,
            steps,
            good: None,
            post: Post::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn vehicle(&self) -> &VehicleId {
        &self.tracker.vehicle
    }

    /// What the receiver sees when nothing is wrong with it, and when that can be received.
    fn healthy(&mut self, time: UnixMs, state: &TrueState) -> (Sight, UnixMs) {
        let since = self.last.replace(time).map_or(self.tracker.interval, |last| time.0 - last.0);
        let keeps = (-(since as f64) / 1000.0 / MEMORY).exp();
        let renews = (1.0 - keeps * keeps).sqrt() * self.tracker.noise;
        let rng = &mut self.rng;
        self.off.0 = self.off.0.mul_add(keeps, renews * normal(rng));
        self.off.1 = self.off.1.mul_add(keeps, renews * normal(rng));
        let mut off = self.off;
        if unit(rng) < OUTLIER {
            let (far, turn) = (between(rng, FAR.0, FAR.1), between(rng, 0.0, std::f64::consts::TAU));
            off = (far.mul_add(turn.cos(), off.0), far.mul_add(turn.sin(), off.1));
        }
        #[expect(clippy::cast_possible_truncation, reason = "some metres")]
        let xy = Xy { x: state.xy.x + off.0 as f32, y: state.xy.y + off.1 as f32 };
        let travel = UnixMs::from_secs_f64(between(rng, TRAVEL.0, TRAVEL.1)).0;
        #[expect(clippy::cast_possible_truncation, reason = "some metres a second")]
        let (faster, turned) = (0.3 * normal(rng) as f32, 3.0 * normal(rng) as f32);
        let moving = state.speed > 0.3;
        let speed = if moving { tenth((state.speed + faster).max(0.0)) } else { 0.0 };
        let bearing = state.bearing.filter(|_| speed >= COURSE).map(|b| b + turned);
        while self.outage.1 <= time {
            self.outage = outage(rng, self.outage.1, self.tracker.outages);
        }
        let kept_back = self.outage.0 <= time;
        let sent = if kept_back { self.outage.1.0 } else { time.0 };
        let received = UnixMs((sent + travel).max(self.last_received.0 + BACKLOG));
        self.last_received = received;
        (Sight { xy, speed, bearing, place: Place::Valid }, received)
    }

    fn report(&mut self, made: UnixMs, truth: TrueState) -> Report {
        let (mut sight, received) = self.healthy(made, &truth);
        let plane = &self.timetable.plane;
        let (mut faults, mut ahead) = (0, 0);
        for step in &mut self.steps {
            let mut touched = step.see(made, &truth, self.good.as_ref(), &mut sight, plane);
            if let Some(ms) = step.clock(made, &truth) {
                ahead += ms;
                touched = true;
            }
            let always = match step.kind {
                Kind::WrongImei => true,
                Kind::Interval { .. } => step.acts(made, truth.xy),
                _ => false,
            };
            faults |= if touched || always { step.bit() } else { 0 };
        }
        if sight.place == Place::Valid {
            self.good = Some(sight);
        }
        let (lat, lon) = plane.lat_lon(sight.xy);
        let fix = Fix {
            vehicle: self.tracker.vehicle.clone(),
            time: UnixMs(made.0 + ahead),
            received,
            lat: micro(lat),
            lon: micro(lon),
            speed: Some(tenth(sight.speed)),
            bearing: sight.bearing.map(|b| b.rem_euclid(360.0).round() % 360.0),
            reported: self.reported(&truth),
            source: self.tracker.protocol.source(),
        };
        Report {
            fix,
            place: sight.place,
            made,
            truth,
            date: self.walk.day().date,
            stranger: self.tracker.says != self.tracker.device,
            damage: None,
            again: false,
            faults,
        }
    }

    fn reported(&self, state: &TrueState) -> Reported {
        match state.trip.filter(|_| self.tracker.reports_trip) {
            Some(trip) => Reported {
                trip_id: Some(self.timetable.trips.at(trip).id.clone()),
                route_id: Some(self.timetable.route_of(trip).id.clone()),
                start_date: Some(self.walk.day().date),
                ..Reported::default()
            },
            None => Reported::default(),
        }
    }

    /// Milliseconds to the next report.
    fn interval(&self, t: UnixMs, at: Xy) -> i64 {
        let set = self.steps.iter().rev().find_map(|s| match s.kind {
            Kind::Interval { seconds } if s.acts(t, at) => Some(i64::from(seconds.max(1)) * 1000),
            _ => None,
        });
        set.unwrap_or(self.tracker.interval)
    }
}

impl Iterator for TrackerDay {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        loop {
            if let Some(report) = self.post.next_before(self.next) {
                return Some(report);
            }
            let made = self.next?;
            let Some(truth) = self.walk.at(made) else {
                self.next = None;
                self.post.end(self.tracker.interval, &mut self.steps);
                continue;
            };
            let interval = self.interval(made, truth.xy);
            let report = self.report(made, truth);
            self.post.take(report, interval, &mut self.steps);
            self.next = Some(UnixMs(made.0 + interval));
        }
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

/// A speed to a tenth of a metre a second.
fn tenth(speed: f32) -> f32 {
    (speed * 10.0).round() / 10.0
}
