//! How a vehicle moved from one fix to the next. It knows nothing of lines.

use transit_model::fix::Fix;
use transit_model::plane::{Xy, angle_between};
use transit_model::time::UnixMs;

use crate::matching::snap::Motion;

/// The motion from the last fix to this one.
pub(super) fn motion_between(last: Option<(UnixMs, Xy)>, anchor: Option<Xy>, fix: &Fix, at: Xy) -> Motion {
    let dt = last.map_or(0.0, |(t, _)| (fix.time.secs_f64() - t.secs_f64()) as f32);
    let went = anchor.filter(|a| a.distance(at) >= 25.0).map(|a| bearing(a, at));
    let speed = fix.speed.or_else(|| last.filter(|_| dt > 0.0).map(|(_, p)| p.distance(at) / dt));
    Motion { dt, speed, bearing: believed_course(fix.bearing, speed, went) }
}

/// The bearing of a move on the plane, degrees clockwise from north.
fn bearing(from: Xy, to: Xy) -> f32 {
    (to.x - from.x).atan2(to.y - from.y).to_degrees().rem_euclid(360.0)
}

/// A vehicle standing still turns on the spot as GPS drifts: only a course that agrees with where it
/// went, or a fast one, is believed.
fn believed_course(said: Option<f32>, speed: Option<f32>, went: Option<f32>) -> Option<f32> {
    match (said, went) {
        (Some(s), Some(w)) if angle_between(s, w) > 90.0 => Some(w),
        (Some(s), _) if speed.is_none_or(|v| v > 1.5) => Some(s),
        (_, w) => w,
    }
}
