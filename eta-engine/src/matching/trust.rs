//! Whether the trip a vehicle names can be true. What it names is taken as it is until geometry or the
//! clock contradicts it for long; then it is evidence no more, the trip is inferred like anybody's,
//! and somebody is told. It is believed again when inference comes to the same trip by itself, or
//! when the vehicle names another one. Trackers with a stuck trip id are common.

use serde::{Deserialize, Serialize};
use transit_model::plane::angle_between;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::cost;
use super::hypothesis::{Hypothesis, OFF_ROUTE_AFTER};
use super::track::Observation;
use crate::world::TripDay;

/// Driving so far against the line of the trip it names, metres.
const AGAINST: f32 = 800.0;
/// So far off that line, without a look at it in between: farther than detours go, metres.
const AWAY: f32 = 6000.0;
/// The same at more than [`FAR`] from the line: no detour runs there, metres.
const FAR_AWAY: f32 = 2500.0;
const FAR: f32 = 1000.0;
/// So far on after the last stop of the trip, metres.
const AFTER: f32 = 2000.0;
/// So long before its start or after its end nobody runs a trip, seconds.
const ANOTHER_TIME: i64 = 2 * 3600;
/// Inference must have held the named trip for so long to restore trust, seconds.
const AGREES: i64 = 180;
/// Shorter moves than this may be noise, metres.
const MOVE: f32 = 15.0;
/// Within this of the line's direction a vehicle does not drive against it, degrees.
const TURNED: f32 = 110.0;

/// Why a trip that a vehicle names cannot be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// It drives against the trip's direction.
    WrongWay,
    /// It is nowhere near the trip's line.
    Elsewhere,
    /// It has run the trip to its end and drives on.
    Over,
    /// The trip runs hours before or after now.
    AnotherTime,
}

/// A named trip that is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Distrust {
    /// The trip.
    pub on: TripDay,
    /// Why.
    pub why: Contradiction,
    /// Since when.
    pub since: UnixMs,
}

/// What has been seen for and against the trip a vehicle names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trust {
    on: Option<TripDay>,
    against: f32,
    away: f32,
    after: f32,
    distrust: Option<Distrust>,
    agrees: Option<UnixMs>,
}

impl Trust {
    /// The named trip that is not believed.
    pub(super) const fn distrust(&self) -> Option<Distrust> {
        self.distrust
    }

    /// Whether a vehicle that names this trip is not believed.
    pub(super) fn doubts(&self, on: TripDay) -> bool {
        self.distrust.is_some_and(|d| d.on == on)
    }

    /// Takes in where a vehicle that has come `moved` metres is against the trip it names. Once that
    /// contradicts the trip it is not believed, and this says why.
    pub(super) fn weigh(
        &mut self,
        h: &Hypothesis,
        o: &Observation,
        moved: f32,
        t: &Timetable,
    ) -> Option<Contradiction> {
        if self.on != Some(h.on) {
            *self = Self { on: Some(h.on), ..Self::default() };
        }
        let why = self.contradiction(h, o, moved, t)?;
        self.distrust = Some(Distrust { on: h.on, why, since: o.time });
        self.agrees = None;
        Some(why)
    }

    fn contradiction(&mut self, h: &Hypothesis, o: &Observation, moved: f32, t: &Timetable) -> Option<Contradiction> {
        let now = t.zone.service_time(h.on.date, o.time);
        let (from, to) = (t.starts(h.on.trip), t.ends(h.on.trip));
        if i64::from((from - now).0.max((now - to).0)) > ANOTHER_TIME {
            return Some(Contradiction::AnotherTime);
        }
        if moved < MOVE {
            return None;
        }
        if h.ended.is_some() {
            self.after += moved;
            return (self.after >= AFTER).then_some(Contradiction::Over);
        }
        let line = t.shape_of(h.on.trip);
        let near = if h.misses >= OFF_ROUTE_AFTER { line.project(o.at) } else { None };
        let (along, off) = near.map_or((h.along, h.off), |p| (p.along, p.off));
        if off > cost::CORRIDOR {
            self.away += moved;
            self.against = 0.0;
            let enough = if off > FAR { FAR_AWAY } else { AWAY };
            return (h.started && self.away >= enough).then_some(Contradiction::Elsewhere);
        }
        let turned = match (o.motion.bearing, line.heading_at(along)) {
            (Some(course), Some(heading)) => angle_between(course, heading),
            _ => 0.0,
        };
        // Before the first stop everybody drives along the line the other way, to get there.
        if turned < TURNED || !h.started {
            self.against = (self.against - 2.0 * moved).max(0.0);
            self.away = 0.0;
            return None;
        }
        self.against += moved;
        (self.against >= AGAINST).then_some(Contradiction::WrongWay)
    }

    /// Inference, left to itself, holds this trip: the named one is believed again once it has held that for a while.
    pub(super) fn hear_inference(&mut self, chosen: Option<&Hypothesis>, now: UnixMs) {
        let Some(d) = self.distrust else { return };
        if chosen.is_none_or(|h| h.on != d.on || h.misses > 0 || h.ended.is_some()) {
            self.agrees = None;
            return;
        }
        let since = *self.agrees.get_or_insert(now);
        if now.secs_since(since) >= AGREES {
            *self = Self::default();
        }
    }
}
