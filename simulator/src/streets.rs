//! A ground plan made walkable: streets, platforms beside them, ways along them.
//!
//! It serves every city that is made up: the demo city, whose streets are drawn by hand, and new
//! cities, whose streets are grown. It knows neither names of junctions nor timetables.

use std::collections::BTreeMap;

use transit_model::plane::{Plane, Polyline, Xy};

/// How far from the middle of the street a platform stands, metres to the right.
const KERB: f32 = 9.0;
/// How far past the middle of the place a platform stands, so that the two of a pair do not face
/// each other, metres.
const STAGGER: f32 = 18.0;

/// A stop on a street: two platforms, one on each side, where lines call in that direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// What share of the street lies before it.
    pub(crate) share: f32,
    /// Its name on the pole.
    pub(crate) name: &'a str,
    /// The timetable holds times for it; for the others only the order is known.
    pub(crate) timed: bool,
}

/// A street between two junctions.
#[derive(Clone, Debug)]
pub(crate) struct Street<'a> {
    /// The junctions it joins, by number.
    pub(crate) ends: (usize, usize),
    /// Its name.
    pub(crate) name: &'a str,
    /// Its middle, from the first junction to the second.
    pub(crate) line: Polyline,
    /// The stops along it.
    pub(crate) places: Vec<Place<'a>>,
}

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
pub(crate) struct Platform<'a> {
    /// Its place's name.
    pub(crate) name: &'a str,
    /// The street it stands on.
    pub(crate) street: &'a str,
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

impl Way {
    /// From the first of these calls to the last of them; `None` for fewer than two.
    pub(crate) fn part(&self, calls: std::ops::RangeInclusive<usize>) -> Option<Self> {
        let mut calls = self.calls.get(calls)?.to_vec();
        let (first, last) = (calls.first()?.along, calls.last()?.along);
        let line = cut(&self.line, first, last);
        calls.iter_mut().for_each(|c| c.along -= first);
        (calls.len() > 1).then_some(Self { line, calls })
    }
}

/// The plan.
pub(crate) struct Streets<'a> {
    /// Metres to degrees.
    pub(crate) plane: Plane,
    /// Every platform of every place.
    pub(crate) platforms: BTreeMap<PlatformKey, Platform<'a>>,
    streets: Vec<Laid<'a>>,
    between: BTreeMap<(usize, usize), usize>,
}

struct Laid<'a> {
    of: Street<'a>,
    /// The number of its first place.
    first_place: u16,
}

impl<'a> Streets<'a> {
    /// Lays every street of a plan. Of two streets between the same junctions the first is driven.
    pub(crate) fn lay(plane: Plane, plan: impl IntoIterator<Item = Street<'a>>) -> Self {
        let mut laid = Self { plane, platforms: BTreeMap::new(), streets: Vec::new(), between: BTreeMap::new() };
        let mut first_place = 0u16;
        for of in plan {
            for (place, n) in of.places.iter().zip(first_place..) {
                for forward in [true, false] {
                    let along = stand(&of.line, place.share, forward);
                    let platform = Platform { name: place.name, street: of.name, at: beside(&of.line, along, forward) };
                    laid.platforms.insert(PlatformKey { place: n, forward }, platform);
                }
            }
            let places = u16::try_from(of.places.len()).unwrap_or(0);
            laid.between.entry(of.ends).or_insert(laid.streets.len());
            laid.streets.push(Laid { of, first_place });
            first_place += places;
        }
        laid
    }

    /// The way past these junctions; `None` where two of them have no street between them, or
    /// fewer than two stops lie on it. It begins at its first stop and ends at its last; a way
    /// that returns to its first junction ends at the stop it began at.
    pub(crate) fn way(&self, junctions: &[usize]) -> Option<Way> {
        let mut steps: Vec<(&Laid<'_>, bool)> = Vec::new();
        for pair in junctions.windows(2) {
            let [a, b] = pair else { return None };
            steps.push(self.street_between(*a, *b)?);
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
                let along = stand(&street.of.line, place.share, *forward);
                let along = if *forward { along } else { street.of.line.length() - along };
                let platform = PlatformKey { place: n, forward: *forward };
                calls.push(WayCall { platform, along: before + along, timed: place.timed });
            }
            points.extend(street.run(*forward));
        }
        calls.sort_by(|a, b| a.along.total_cmp(&b.along));
        let mut last = calls.len().checked_sub(1)?;
        if closed {
            let start = calls.first()?.platform;
            last = calls.iter().rposition(|c| c.platform == start)?;
        }
        Way { line: Polyline::new(points), calls }.part(0..=last)
    }

    /// The line along these junctions, whether there are stops on it or not.
    pub(crate) fn line(&self, junctions: &[usize]) -> Option<Polyline> {
        let mut points: Vec<Xy> = Vec::new();
        for pair in junctions.windows(2) {
            let [a, b] = pair else { return None };
            let (street, forward) = self.street_between(*a, *b)?;
            points.extend(street.run(forward));
        }
        Some(Polyline::new(points))
    }

    /// Every street's name and line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'a str, &Polyline)> {
        self.streets.iter().map(|s| (s.of.name, &s.of.line))
    }

    fn street_between(&self, a: usize, b: usize) -> Option<(&Laid<'a>, bool)> {
        let at = |ends| self.between.get(&ends).and_then(|n| self.streets.get(*n));
        at((a, b)).map(|s| (s, true)).or_else(|| at((b, a)).map(|s| (s, false)))
    }
}

impl Laid<'_> {
    fn run(&self, forward: bool) -> impl Iterator<Item = Xy> {
        let points = self.of.line.points();
        (0..points.len()).filter_map(move |n| points.get(if forward { n } else { points.len() - 1 - n }).copied())
    }
}

/// Cuts the corners of a line so many times (Chaikin), so that a street bends and not breaks.
pub(crate) fn smooth(points: impl Iterator<Item = Xy>, times: usize) -> Polyline {
    let mut line: Vec<Xy> = points.collect();
    for _ in 0..times {
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
