//! A fix brought onto the line it is believed to run on: near where the vehicle was and could have
//! come, so that streets run there and back, loops and crossings are told apart by progress.

use transit_model::plane::{Polyline, Xy, angle_between};

use super::cost;

/// What is known of a vehicle's motion between two fixes.
#[derive(Clone, Copy, Debug)]
pub struct Motion {
    /// Seconds since the fix before.
    pub dt: f32,
    /// m/s over the ground, when known.
    pub speed: Option<f32>,
    /// Degrees, when known and moving.
    pub bearing: Option<f32>,
}

/// Faster than any vehicle in a city, m/s.
const FASTEST: f32 = 35.0;
/// How far noise may throw a standing vehicle along its line, metres.
const JITTER: f32 = 60.0;

/// A place on the line, and what believing in it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapped {
    /// Metres along.
    pub along: f32,
    /// Metres off.
    pub off: f32,
    /// Distance, heading and going backwards, together.
    pub cost: f32,
}

/// The most credible place for a fix on a line, for a vehicle that was at `from` before.
/// `None` only for a line without points.
#[must_use]
pub fn onto(line: &Polyline, p: Xy, from: f32, motion: Motion) -> Option<Snapped> {
    let reach = FASTEST.mul_add(motion.dt.min(600.0), JITTER * 2.0);
    let (lo, hi) = (from - JITTER * 1.5, from + reach);
    let expected = motion.speed.map(|v| v * motion.dt);
    let first = line.segment_at(lo.max(0.0));
    let starts = line.points().iter().zip(line.cumulative()).skip(first);
    let ends = line.points().iter().zip(line.cumulative()).skip(first + 1);
    let mut best: Option<(Snapped, f32)> = None;
    for ((a, from_along), (b, to_along)) in starts.zip(ends) {
        if *from_along > hi {
            break;
        }
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length = (to_along - from_along).max(1e-6);
        let share = ((p.x - a.x).mul_add(dx, (p.y - a.y) * dy) / (length * length)).clamp(0.0, 1.0);
        let along = share.mul_add(length, *from_along).clamp(lo.max(0.0), hi);
        let q = a.towards(*b, ((along - from_along) / length).clamp(0.0, 1.0));
        let off = p.distance(q);
        let turned = motion
            .bearing
            .map_or(0.0, |course| cost::heading(angle_between(course, dx.atan2(dy).to_degrees().rem_euclid(360.0))));
        let back = if along < from - JITTER * 0.5 { cost::BACKWARDS } else { 0.0 };
        let believed = cost::off(off) + turned + back;
        // Among places that are equally credible the one as far on as the speed says; never decisive.
        let leap = expected.map_or(0.0, |e| {
            let z = (along - from - e) / e.mul_add(0.6, 60.0);
            (0.5 * z * z).min(3.0)
        });
        let rank = leap.mul_add(0.7, believed) + off * 0.002;
        if best.as_ref().is_none_or(|(_, r)| rank < *r) {
            best = Some((Snapped { along, off, cost: believed }, rank));
        }
    }
    best.map(|(s, _)| s).or_else(|| {
        let p0 = line.points().first()?;
        let off = p.distance(*p0);
        Some(Snapped { along: 0.0, off, cost: cost::off(off) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn street_and_back() -> Polyline {
        Polyline::new([(0.0, 0.0), (1000.0, 0.0), (1000.0, 8.0), (0.0, 8.0)].map(|(x, y)| Xy { x, y }))
    }

    #[test]
    fn a_street_run_there_and_back_is_told_apart_by_progress() {
        let line = street_and_back();
        let p = Xy { x: 700.0, y: 5.0 };
        let motion = Motion { dt: 15.0, speed: Some(8.0), bearing: None };
        let out = onto(&line, p, 580.0, motion).unwrap();
        assert!((out.along - 700.0).abs() < 1.0, "{out:?}");
        let back = onto(&line, p, 1180.0, motion).unwrap();
        assert!((back.along - 1308.0).abs() < 1.0, "{back:?}");
    }

    #[test]
    fn near_the_turn_the_heading_decides() {
        let line = street_and_back();
        let p = Xy { x: 900.0, y: 4.0 };
        let east = Motion { dt: 15.0, speed: Some(8.0), bearing: Some(90.0) };
        let west = Motion { bearing: Some(270.0), ..east };
        assert!((onto(&line, p, 850.0, east).unwrap().along - 900.0).abs() < 1.0);
        assert!((onto(&line, p, 950.0, west).unwrap().along - 1108.0).abs() < 1.0);
    }

    #[test]
    fn a_vehicle_cannot_leap_beyond_what_it_could_drive() {
        let line = street_and_back();
        let s = onto(&line, Xy { x: 900.0, y: 0.0 }, 100.0, Motion { dt: 5.0, speed: None, bearing: None }).unwrap();
        assert!(s.along <= 100.0 + 35.0 * 5.0 + 120.0 && s.off > 300.0, "{s:?}");
    }
}
