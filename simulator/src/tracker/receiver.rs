//! What the faults of receivers and clocks do to one report, each a pure step: given the truth, the
//! last good place and its own memory, it changes what is seen. Steps follow one another in the order
//! of the rules, so any of them can be put on top of any other.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use transit_model::plane::{Plane, Xy};
use transit_model::time::UnixMs;

use super::fault::{Kind, Rule, Says, Spells, name};
use super::report::Place;
use super::{Tracker, fault};
use crate::chance::{Topic, between, chance, normal, unit, word};
use crate::drive::{TrueState, VehicleDay, word_of};

/// 1024 weeks, milliseconds.
const ROLLOVER: i64 = 1024 * 7 * 86_400 * 1000;
/// An error of reflections lasts so long, seconds.
const ECHO: f64 = 12.0;
/// A vehicle that has stood so long is at rest, milliseconds.
const REST: i64 = 60_000;
/// Below this a vehicle stands, m/s.
const STANDS: f32 = 0.3;
/// How fast a place at rest wanders, metres in the root of a second.
const WANDERS: f64 = 1.6;
/// How far apart spoofed receivers see themselves, metres.
const SPOOFED: f64 = 4.0;

/// What a receiver sees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sight {
    pub(super) xy: Xy,
    /// m/s.
    pub(super) speed: f32,
    /// Degrees.
    pub(super) bearing: Option<f32>,
    pub(super) place: Place,
}

/// One fault of one tracker on one day.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) rule: usize,
    pub(super) kind: Kind,
    pub(super) rng: ChaCha8Rng,
    window: Option<(UnixMs, UnixMs)>,
    zone: Option<(Xy, f32)>,
    /// By time; `None` = all the time.
    spells: Option<Arc<[(UnixMs, UnixMs)]>>,
    day_start: UnixMs,
    /// The place a frozen receiver repeats.
    kept: Option<Sight>,
    /// Metres east and north.
    off: (f64, f64),
    stands_since: Option<UnixMs>,
    last: Option<UnixMs>,
}

impl Step {
    /// The faults of a tracker on one day.
    pub(super) fn all(tracker: &Tracker, day: &VehicleDay, plane: &Plane) -> Vec<Self> {
        tracker.faults.of(tracker).map(|(n, rule)| Self::new(n, rule, tracker, day, plane)).collect()
    }

    fn new(n: usize, rule: &Rule, tracker: &Tracker, day: &VehicleDay, plane: &Plane) -> Self {
        let which = name(n, &rule.kind) ^ word_of(day.date).rotate_left(24);
        let mut rng = chance(tracker.seed, Topic::Fault, word(tracker.vehicle.as_str()), which);
        let span = day.span();
        let spells = match (&rule.kind, rule.spells) {
            (_, Some(spells)) => Some(drawn(&mut rng, span, spells)),
            (Kind::ColdStart { minutes, .. }, None) => {
                let from = rule.window.map_or(span.0, |w| w.0.max(span.0));
                Some(Arc::from([(from, after(from, between(&mut rng, minutes.0, minutes.1)))]))
            }
            (_, None) => None,
        };
        #[expect(clippy::cast_possible_truncation, reason = "metres")]
        let zone = rule.zone.map(|z| (plane.xy(z.lat, z.lon), z.radius_m as f32));
        Self {
            rule: n,
            kind: rule.kind.clone(),
            rng,
            window: rule.window,
            zone,
            spells,
            day_start: span.0,
            kept: None,
            off: (0.0, 0.0),
            stands_since: None,
            last: None,
        }
    }

    /// Its bit in [`super::Report::faults`].
    pub(super) const fn bit(&self) -> u64 {
        1 << self.rule
    }

    /// Whether the fault is there at this moment and place.
    pub(super) fn acts(&self, t: UnixMs, at: Xy) -> bool {
        self.window.is_none_or(|(from, to)| from <= t && t < to)
            && self.zone.is_none_or(|(middle, radius)| middle.distance(at) <= radius)
            && self.spells.as_ref().is_none_or(|s| {
                let n = s.partition_point(|(from, _)| *from <= t);
                n.checked_sub(1).and_then(|n| s.get(n)).is_some_and(|(_, to)| t < *to)
            })
    }

    /// Changes what is seen; says whether it did.
    pub(super) fn see(
        &mut self,
        t: UnixMs,
        truth: &TrueState,
        good: Option<&Sight>,
        sight: &mut Sight,
        plane: &Plane,
    ) -> bool {
        let stands = truth.speed < STANDS;
        self.stands_since = if stands { self.stands_since.or(Some(t)) } else { None };
        let seconds = self.last.replace(t).map_or(0.0, |last| UnixMs(t.0 - last.0).secs_f64());
        if !self.acts(t, truth.xy) {
            self.kept = None;
            self.off = (0.0, 0.0);
            return false;
        }
        match self.kind {
            Kind::ColdStart { says, .. } | Kind::Jamming { says } => blind(says, good, sight),
            Kind::Spoofing { to } => {
                let near = (SPOOFED * normal(&mut self.rng), SPOOFED * normal(&mut self.rng));
                sight.xy = moved(plane.xy(to.0, to.1), near);
                (sight.speed, sight.bearing) = (0.0, None);
            }
            Kind::Frozen => {
                let kept = self.kept.get_or_insert_with(|| good.copied().unwrap_or(*sight));
                *sight = *kept;
            }
            Kind::UrbanCanyon { metres } => self.echo(seconds, metres, sight),
            Kind::ParkedDrift { metres } => {
                let at_rest = self.stands_since.is_some_and(|since| t.0 - since.0 >= REST);
                if !at_rest {
                    self.off = (0.0, 0.0);
                    return false;
                }
                self.wander(seconds, metres, sight);
            }
            _ => return false,
        }
        true
    }

    /// Reflections: an error that lasts some seconds, and a course that means little.
    fn echo(&mut self, seconds: f64, metres: f64, sight: &mut Sight) {
        let rng = &mut self.rng;
        let keeps = if seconds > 0.0 { (-seconds / ECHO).exp() } else { 0.0 };
        let renews = (1.0 - keeps * keeps).sqrt() * metres;
        self.off.0 = self.off.0.mul_add(keeps, renews * normal(rng));
        self.off.1 = self.off.1.mul_add(keeps, renews * normal(rng));
        sight.xy = moved(sight.xy, self.off);
        #[expect(clippy::cast_possible_truncation, reason = "degrees")]
        let turned = (25.0 * normal(rng)) as f32;
        sight.bearing = sight.bearing.map(|b| b + turned);
    }

    /// A place at rest goes for a walk, never further than it may, and seems to move.
    fn wander(&mut self, seconds: f64, metres: f64, sight: &mut Sight) {
        let rng = &mut self.rng;
        let step = WANDERS * seconds.sqrt();
        self.off = (self.off.0 + step * normal(rng), self.off.1 + step * normal(rng));
        let far = self.off.0.hypot(self.off.1);
        if far > metres {
            self.off = (self.off.0 * metres / far, self.off.1 * metres / far);
        }
        sight.xy = moved(sight.xy, self.off);
        #[expect(clippy::cast_possible_truncation, reason = "a speed and a course")]
        {
            sight.speed = between(rng, 0.0, 1.6) as f32;
            sight.bearing = Some((unit(rng) * 360.0) as f32).filter(|_| sight.speed >= 1.0);
        }
    }

    /// How far the tracker's clock is ahead because of it, milliseconds, in whole seconds as receivers
    /// count; `None` for a fault that is not the clock's or is not there.
    pub(super) fn clock(&self, t: UnixMs, truth: &TrueState) -> Option<i64> {
        if !self.acts(t, truth.xy) {
            return None;
        }
        match self.kind {
            Kind::ClockSkew { seconds, per_hour } => {
                let hours = UnixMs(t.0 - self.day_start.0).secs_f64() / 3600.0;
                Some(UnixMs::from_secs_f64(per_hour.mul_add(hours, seconds).round()).0)
            }
            Kind::WeekRollover => Some(-ROLLOVER),
            _ => None,
        }
    }
}

/// What is left of a sight without a fix.
fn blind(says: Says, good: Option<&Sight>, sight: &mut Sight) {
    match (says, good) {
        (Says::Nothing, _) => sight.place = Place::Unsaid,
        (Says::LastPlace, Some(good)) => *sight = Sight { place: Place::Invalid, speed: 0.0, bearing: None, ..*good },
        (Says::LastPlace, None) | (Says::NoPlace, _) => sight.place = Place::Unknown,
    }
}

fn moved(xy: Xy, (east, north): (f64, f64)) -> Xy {
    #[expect(clippy::cast_possible_truncation, reason = "some metres")]
    let (east, north) = (east as f32, north as f32);
    Xy { x: xy.x + east, y: xy.y + north }
}

/// Spells of a day, drawn.
fn drawn(rng: &mut ChaCha8Rng, (from, to): (UnixMs, UnixMs), spells: fault::Spells) -> Arc<[(UnixMs, UnixMs)]> {
    let Spells { per_hour, minutes } = spells;
    let mut all = Vec::new();
    let mut now = from;
    while now < to && per_hour > 0.0 {
        let wait = -(1.0 - unit(rng)).ln() / per_hour * 60.0;
        let begins = after(now, wait.min(1e5));
        now = after(begins, between(rng, minutes.0, minutes.1).max(0.1));
        all.push((begins, now));
    }
    all.into()
}

fn after(t: UnixMs, minutes: f64) -> UnixMs {
    UnixMs(t.0 + UnixMs::from_secs_f64(minutes * 60.0).0)
}
