//! The ground plan made walkable: smooth streets, platforms beside them, ways along them.

use std::collections::BTreeMap;

use transit_model::plane::{Plane, Polyline, Xy};

use super::map::{JUNCTIONS, ORIGIN, Point, STREETS, Street};

/// How far from the middle of the street a platform stands, metres to the right.
const KERB: f32 = 9.0;
/// How far past the middle of the place a platform stands, so that the two of a pair do not face
/// each other, metres.
const STAGGER: f32 = 18.0;

/// The name of a platform: the place's number in the plan and the side of the street.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PlatformKey {
    /// The place, counted over the streets in their order.
    pub(crate) place: u16,
    /// For vehicles that run the street from its first junction to its second.
    pub(crate) forward: bool,
}

/// A platform.
#[derive(Clone, Debug)]
pub(crate) struct Platform {
    /// Its place's name.
    pub(crate) name: &'static str,
    /// The street it stands on.
    pub(crate) street: &'static str,
    /// Where it stands.
    pub(crate) at: Xy,
}

/// A call on a way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WayCall {
    /// Where.
    pub(crate) platform: PlatformKey,
    /// Metres along the way.
    pub(crate) along: f32,
    /// The timetable holds times for it.
    pub(crate) timed: bool,
}

/// A way through the city with the platforms it passes.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The middle of the streets.
    pub(crate) line: Polyline,
    /// The platforms, in order.
    pub(crate) calls: Vec<WayCall>,
}

/// The plan.
pub(crate) struct Streets {
    /// Metres to degrees.
    pub(crate) plane: Plane,
    /// Every platform of every place.
    pub(crate) platforms: BTreeMap<PlatformKey, Platform>,
    streets: Vec<Laid>,
}

struct Laid {
    of: &'static Street,
    line: Polyline,
    /// The number of its first place.
    first_place: u16,
}

impl Streets {
    /// Lays every street of the plan.
    pub(crate) fn lay() -> Self {
        let mut platforms = BTreeMap::new();
        let mut streets = Vec::new();
        let mut first_place = 0u16;
        for of in STREETS {
            let ends = [of.from, of.to].map(junction);
            let line = smooth(std::iter::once(ends[0]).chain(of.bends.iter().copied()).chain([ends[1]]));
            for (place, n) in of.places.iter().zip(first_place..) {
                for forward in [true, false] {
                    let along = stand(&line, place.share, forward);
                    let platform = Platform { name: place.name, street: of.name, at: beside(&line, along, forward) };
                    platforms.insert(PlatformKey { place: n, forward }, platform);
                }
            }
            streets.push(Laid { of, line, first_place });
            first_place += u16::try_from(of.places.len()).unwrap_or(0);
        }
        Self { plane: Plane::around(ORIGIN.0, ORIGIN.1), platforms, streets }
    }

    /// The way past these junctions; `None` where two of them have no street between them, or
    /// fewer than two stops lie on it. It begins at its first stop and ends at its last; a way
    /// that returns to its first junction ends at the stop it began at.
    pub(crate) fn way(&self, junctions: &[&str]) -> Option<Way> {
        let mut steps: Vec<(&Laid, bool)> = Vec::new();
        for pair in junctions.windows(2) {
            let [a, b] = pair else { return None };
            steps.push(self.street_between(a, b)?);
        }
        let closed = junctions.len() > 2 && junctions.first() == junctions.last();
        if closed {
            steps.push(*steps.first()?);
        }
        let mut points: Vec<Xy> = Vec::new();
        let mut calls: Vec<WayCall> = Vec::new();
        for (street, forward) in &steps {
            let before = Polyline::new(points.iter().copied()).length();
            for (place, n) in street.of.places.iter().zip(street.first_place..) {
                let along = stand(&street.line, place.share, *forward);
                let along = if *forward { along } else { street.line.length() - along };
                let platform = PlatformKey { place: n, forward: *forward };
                calls.push(WayCall { platform, along: before + along, timed: place.timed });
            }
            let run = street.line.points().iter().copied();
            if *forward { points.extend(run) } else { points.extend(run.rev()) }
        }
        calls.sort_by(|a, b| a.along.total_cmp(&b.along));
        if closed {
            let start = calls.first()?.platform;
            let end = calls.iter().rposition(|c| c.platform == start)?;
            calls.truncate(end + 1);
        }
        let (first, last) = (calls.first()?.along, calls.last()?.along);
        let line = cut(&Polyline::new(points), first, last);
        calls.iter_mut().for_each(|c| c.along -= first);
        (calls.len() > 1).then_some(Way { line, calls })
    }

    /// The line along these junctions, whether there are stops on it or not.
    pub(crate) fn line(&self, junctions: &[&str]) -> Option<Polyline> {
        let mut points: Vec<Xy> = Vec::new();
        for pair in junctions.windows(2) {
            let [a, b] = pair else { return None };
            let (street, forward) = self.street_between(a, b)?;
            let run = street.line.points().iter().copied();
            if forward { points.extend(run) } else { points.extend(run.rev()) }
        }
        Some(Polyline::new(points))
    }

    /// Every street's name and line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static str, &Polyline)> {
        self.streets.iter().map(|s| (s.of.name, &s.line))
    }

    fn street_between(&self, a: &str, b: &str) -> Option<(&Laid, bool)> {
        let forward = self.streets.iter().find(|s| s.of.from == a && s.of.to == b).map(|s| (s, true));
        forward.or_else(|| self.streets.iter().find(|s| s.of.from == b && s.of.to == a).map(|s| (s, false)))
    }
}

fn junction(key: &str) -> Point {
    JUNCTIONS.iter().find(|j| j.key == key).map_or((0.0, 0.0), |j| j.at)
}

/// Cuts the corners of a hand-drawn line twice (Chaikin), so that a street bends and not breaks.
pub(crate) fn smooth(points: impl Iterator<Item = Point>) -> Polyline {
    let mut line: Vec<Xy> = points.map(|(x, y)| Xy { x, y }).collect();
    for _ in 0..2 {
        let mut next = Vec::with_capacity(line.len() * 2);
        next.extend(line.first());
        for pair in line.windows(2) {
            if let [a, b] = pair {
                next.extend([a.towards(*b, 0.25), a.towards(*b, 0.75)]);
            }
        }
        next.extend(line.last());
        line = next;
    }
    Polyline::new(line)
}

/// Metres along the street at which the platform of this side stands.
fn stand(line: &Polyline, share: f32, forward: bool) -> f32 {
    let shift = if forward { STAGGER } else { -STAGGER };
    line.length().mul_add(share, shift).clamp(5.0, (line.length() - 5.0).max(5.0))
}

/// The kerb beside the street, on the right of whoever runs it this way.
fn beside(line: &Polyline, along: f32, forward: bool) -> Xy {
    let (p, heading) = (line.point_at(along), line.heading_at(along).unwrap_or(0.0).to_radians());
    let side = if forward { KERB } else { -KERB };
    Xy { x: heading.cos().mul_add(side, p.x), y: heading.sin().mul_add(-side, p.y) }
}

/// The part of a line between two distances along it.
fn cut(line: &Polyline, from: f32, to: f32) -> Polyline {
    let inner = line.points().iter().zip(line.cumulative()).filter(|(_, c)| **c > from && **c < to).map(|(p, _)| *p);
    Polyline::new(std::iter::once(line.point_at(from)).chain(inner).chain([line.point_at(to)]))
}
