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
    /// The part of it that is for heading.
    pub turned: f32,
}

/// The most credible place for a fix on a line, for a vehicle that was at `from` before.
/// `None` only for a line without points.
#[must_use]
pub fn onto(line: &Polyline, p: Xy, from: f32, motion: Motion) -> Option<Snapped> {
    let reach = FASTEST * motion.dt.min(600.0) + JITTER * 2.0;
    let (lo, hi) = (from - JITTER * 1.5, from + reach);
    let window = Window { p, from, low: lo.max(0.0), hi, motion };
    let first = line.segment_at(lo.max(0.0));
    // Where the speed says it is by now: what this costs, most other places will be seen to cost more at once.
    let likely = line.segment_at(from + motion.speed.map_or(0.0, |v| v * motion.dt));
    let segments = line.points().iter().zip(line.points().iter().skip(1));
    let alongs = line.cumulative().iter().zip(line.cumulative().iter().skip(1));
    let mut segments = segments.zip(alongs).zip(line.headings()).skip(first);
    let mut limit = Limit::none();
    if let Some(((ends, alongs), heading)) = segments.clone().nth(likely.saturating_sub(first))
        && *alongs.0 <= hi
        && let Some((_, rank)) = window.place(ends, alongs, *heading, limit)
    {
        limit = Limit::at(rank);
    }
    let mut best: Option<(Snapped, f32)> = None;
    for ((ends, alongs), heading) in segments.by_ref() {
        if *alongs.0 > hi {
            break;
        }
        if let Some((place, rank)) = window.place(ends, alongs, *heading, limit)
            && best.as_ref().is_none_or(|(_, r)| rank < *r)
        {
            if rank < limit.rank {
                limit = Limit::at(rank);
            }
            best = Some((place, rank));
        }
    }
    best.map(|(s, _)| s).or_else(|| {
        let p0 = line.points().first()?;
        let off = p.distance(*p0);
        Some(Snapped { along: 0.0, off, cost: cost::off(off), turned: 0.0 })
    })
}

/// What a place must not cost more than.
#[derive(Clone, Copy)]
struct Limit {
    rank: f32,
    /// Whatever lies farther off the line than this costs more, metres.
    radius: f32,
}

impl Limit {
    const fn none() -> Self {
        Self { rank: f32::INFINITY, radius: f32::INFINITY }
    }

    fn at(rank: f32) -> Self {
        let radius = cost::OFF_SIGMA * (2.0 * rank.clamp(0.0, cost::OFF_MAX)).sqrt();
        let radius = radius.max((rank - cost::OFF_MAX) / NEARER);
        // Rounding must never leave out what is as good.
        Self { rank, radius: (radius + 1.0) * 1.01 }
    }
}

/// What a metre off the line adds to a rank, beyond what it costs: of two places the nearer one.
const NEARER: f32 = 0.002;

/// The part of a line a fix may lie on, and how it came there.
struct Window {
    p: Xy,
    from: f32,
    low: f32,
    hi: f32,
    motion: Motion,
}

impl Window {
    /// The place on one segment and its rank, unless that is beyond `limit`.
    #[inline]
    fn place(
        &self,
        (a, b): (&Xy, &Xy),
        (from_along, to_along): (&f32, &f32),
        heading: f32,
        limit: Limit,
    ) -> Option<(Snapped, f32)> {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length = (to_along - from_along).max(1e-6);
        let beyond = limit.radius + length;
        let (east, north) = (self.p.x - a.x, self.p.y - a.y);
        if east * east + north * north > beyond * beyond {
            return None;
        }
        let share = ((east * dx + north * dy) / (length * length)).clamp(0.0, 1.0);
        let along = (share * length + from_along).clamp(self.low, self.hi);
        let done = ((along - from_along) / length).clamp(0.0, 1.0);
        let (east, north) = (east - dx * done, north - dy * done);
        let off = (east * east + north * north).sqrt();
        let far = cost::off(off);
        // All that is added to this is not negative.
        if far + off * NEARER > limit.rank {
            return None;
        }
        let turned = self.motion.bearing.map_or(0.0, |course| cost::heading(angle_between(course, heading)));
        let back = if along < self.from - JITTER * 0.5 { cost::BACKWARDS } else { 0.0 };
        let believed = far + turned + back;
        // Among places that are equally credible the one as far on as the speed says; never decisive.
        let leap = self.motion.speed.map(|v| v * self.motion.dt).map_or(0.0, |e| {
            let z = (along - self.from - e) / (e * 0.6 + 60.0);
            (0.5 * z * z).min(3.0)
        });
        let rank = leap * 0.7 + believed + off * NEARER;
        Some((Snapped { along, off, cost: believed, turned }, rank))
    }
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
