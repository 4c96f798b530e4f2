//! Whether a vehicle's positions can be believed at all. Each kind of bad input that no single fix
//! gives away has a name here; while it lasts the vehicle is on no trip, nothing is predicted from
//! it, and a dispatcher is told. What one fix alone gives away is the gate's to refuse.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::plane::Xy;
use transit_model::time::UnixMs;

use crate::matching::trust::Distrust;

/// Beyond this from every line of the feed is elsewhere, metres.
const ELSEWHERE: f32 = 25_000.0;
/// The same place to the last digit, at this speed or more, for so long, is a receiver that has frozen.
const MOVING: f32 = 3.0;
const FROZEN_AFTER: i64 = 20;
/// Nobody stands within this of one place for so long, metres and seconds.
const PLACE: f32 = 150.0;
const STANDS_AFTER: i64 = 20 * 3600;
/// Leaps to and fro, this many within so many seconds.
const LEAPS: usize = 6;
const LEAPS_WITHIN: i64 = 900;
/// Reports that lag by more than this, all by the same within [`STEADY`], come from a clock that is wrong:
/// a backlog's lag shrinks as it is sent. Seconds.
const LAG: i64 = 15 * 60;
const STEADY: i64 = 60;
const LAG_FOR: i64 = 240;
const LAG_FIXES: u32 = 6;
/// Below this the clock is right again, seconds.
const LAG_OVER: i64 = 300;
/// A tracker that was at a base, was silent for so long and wakes so far away has been moved to another vehicle.
const SILENT: i64 = 1800;
const WOKE_AWAY: f32 = 5000.0;
/// How long that is said, seconds of hearing from it.
const MOVED_FOR: i64 = 600;

/// What is wrong with what a vehicle sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// Its positions are far from everything the feed serves: another city, another country.
    Elsewhere,
    /// It repeats one position to the last digit while it says that it moves.
    Frozen,
    /// It is in two places by turns: one identity, two trackers.
    TwoPlaces,
    /// Its clock is wrong by so much, steadily.
    ClockOff,
    /// It has not left its place for a day.
    Stands,
    /// It woke far from the base it was left at: the tracker was moved to another vehicle.
    Moved,
    /// It goes wherever another one goes: two trackers in one vehicle.
    Together,
    /// It names a trip that cannot be true. Its positions are good: it is matched without that.
    TripContradicted,
}

impl TroubleKind {
    /// As in streams and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Frozen => "frozen",
            Self::TwoPlaces => "two_places",
            Self::ClockOff => "clock_off",
            Self::Stands => "stands",
            Self::Moved => "moved_tracker",
            Self::Together => "two_trackers",
            Self::TripContradicted => "trip_contradicted",
        }
    }
}

/// A vehicle's trouble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// Since when.
    pub since: UnixMs,
    /// The other vehicle, of two that go together.
    pub other: Option<VehicleId>,
    /// How wrong the clock is, seconds behind.
    pub seconds: Option<i64>,
    /// The trip that is named and cannot be.
    pub named: Option<Distrust>,
}

impl Trouble {
    fn new(kind: TroubleKind, since: UnixMs) -> Self {
        Self { kind, since, other: None, seconds: None, named: None }
    }

    /// That a vehicle names a trip which cannot be true.
    #[must_use]
    pub fn contradicted(d: Distrust) -> Self {
        Self { named: Some(d), ..Self::new(TroubleKind::TripContradicted, d.since) }
    }
}

/// What is remembered of a vehicle's reports to tell whether they can be believed.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    trouble: Option<Trouble>,
    /// The coordinates of the last fix, and since when they are the same to the last digit.
    same: Option<((u64, u64), UnixMs, u32)>,
    /// Where it froze: that place is not believed again before another one was seen.
    froze: Option<(u64, u64)>,
    /// Leaps away from where it was taken to be just before: each the beginning of a run of them.
    leaps: SmallVec<[UnixMs; 8]>,
    in_a_leap: bool,
    place: Option<(Xy, UnixMs)>,
    /// Least and most lag, since when, of how many.
    lag: Option<(i64, i64, UnixMs, u32)>,
}

impl Health {
    /// What is wrong now.
    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Whether what it sends may not be used.
    pub(super) const fn is_bad(&self) -> bool {
        self.trouble.is_some()
    }

    fn raise(&mut self, kind: TroubleKind, since: UnixMs) {
        if self.trouble.as_ref().is_none_or(|t| t.kind != kind) {
            self.trouble = Some(Trouble::new(kind, since));
        }
    }

    fn clear(&mut self, kind: TroubleKind) {
        if self.trouble.as_ref().is_some_and(|t| t.kind == kind) {
            self.trouble = None;
        }
    }

    /// Looks at a fix that is taken. `off` is how far outside the feed's bounds it is, metres.
    pub(super) fn look(&mut self, fix: &Fix, at: Xy, off: f32) {
        if off > ELSEWHERE {
            self.raise(TroubleKind::Elsewhere, fix.time);
        } else {
            self.clear(TroubleKind::Elsewhere);
        }
        self.look_at_clock(fix);
        self.look_at_place(fix.time, at);
    }

    fn look_at_clock(&mut self, fix: &Fix) {
        let lag = fix.received.secs_since(fix.time);
        if lag < LAG_OVER {
            self.lag = None;
            self.clear(TroubleKind::ClockOff);
            return;
        }
        let (least, most, since, n) = match self.lag {
            Some((least, most, since, n)) if lag.max(most) - lag.min(least) <= STEADY => {
                (lag.min(least), lag.max(most), since, n.saturating_add(1))
            }
            _ => (lag, lag, fix.received, 1),
        };
        self.lag = Some((least, most, since, n));
        if least >= LAG && n >= LAG_FIXES && fix.received.secs_since(since) >= LAG_FOR {
            self.raise(TroubleKind::ClockOff, fix.received);
            if let Some(t) = self.trouble.as_mut().filter(|t| t.kind == TroubleKind::ClockOff) {
                t.seconds = Some(least);
            }
        } else if n == 1 {
            self.clear(TroubleKind::ClockOff);
        }
    }

    fn look_at_place(&mut self, now: UnixMs, at: Xy) {
        match self.place {
            Some((p, since)) if p.distance(at) <= PLACE => {
                if now.secs_since(since) >= STANDS_AFTER {
                    self.raise(TroubleKind::Stands, since);
                }
            }
            _ => {
                self.place = Some((at, now));
                self.clear(TroubleKind::Stands);
            }
        }
    }

    /// Whether a fix is of a receiver that is alive; the place where one has frozen is not to be used at all.
    pub(super) fn is_thawed(&mut self, fix: &Fix) -> bool {
        let bits = (fix.lat.to_bits(), fix.lon.to_bits());
        let (since, n) = match self.same {
            Some((b, since, n)) if b == bits => (since, n.saturating_add(1)),
            _ => (fix.time, 1),
        };
        self.same = Some((bits, since, n));
        let moves = fix.speed.is_some_and(|v| v >= MOVING);
        if moves && n >= 3 && fix.time.secs_since(since) >= FROZEN_AFTER {
            self.froze = Some(bits);
        }
        if self.froze == Some(bits) && (moves || n > 1) {
            self.raise(TroubleKind::Frozen, since);
            return false;
        }
        self.clear(TroubleKind::Frozen);
        true
    }

    /// Notes a fix that leapt and was not taken.
    pub(super) fn note_leap(&mut self, now: UnixMs) {
        if std::mem::replace(&mut self.in_a_leap, true) {
            return;
        }
        self.leaps.retain(|t| now.secs_since(*t) < LEAPS_WITHIN);
        if self.leaps.len() >= LEAPS {
            self.leaps.remove(0);
        }
        self.leaps.push(now);
        if self.leaps.len() >= LEAPS {
            self.raise(TroubleKind::TwoPlaces, now);
        }
    }

    /// Notes a fix that was taken: whoever has not leapt for a while is in one place.
    pub(super) fn note_taken(&mut self, now: UnixMs) {
        self.in_a_leap = false;
        if self.leaps.last().is_none_or(|t| now.secs_since(*t) >= LEAPS_WITHIN / 3) {
            self.leaps.clear();
            self.clear(TroubleKind::TwoPlaces);
        }
        if self.trouble.as_ref().is_some_and(|t| t.kind == TroubleKind::Moved && now.secs_since(t.since) >= MOVED_FOR) {
            self.trouble = None;
        }
    }

    /// Notes that it was last seen at a base, so long ago and so far from here.
    pub(super) fn note_waking(&mut self, silent: i64, away: f32, now: UnixMs) {
        if silent >= SILENT && away >= WOKE_AWAY {
            self.raise(TroubleKind::Moved, now);
        }
    }

    /// Notes that it goes together with another one, or with none.
    pub(super) fn note_together(&mut self, other: Option<&VehicleId>, now: UnixMs) {
        match other {
            Some(other) if self.trouble.is_none() => {
                self.trouble = Some(Trouble { other: Some(other.clone()), ..Trouble::new(TroubleKind::Together, now) });
            }
            Some(_) => {}
            None => self.clear(TroubleKind::Together),
        }
    }
}
