//! A city flattened to metres, polylines in it, and projection onto them.
//!
//! Equirectangular around the feed's middle: within 50 km of it a distance is right to about
//! 0.1 %, which is far below the noise of GPS, and a projection costs a few multiplications.

use geo::Distance as _;

/// A point of the plane: metres east and north of its origin.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Xy {
    /// Metres east.
    pub x: f32,
    /// Metres north.
    pub y: f32,
}

impl Xy {
    /// Metres between two points.
    #[must_use]
    #[inline]
    pub fn distance(self, other: Self) -> f32 {
        self.distance2(other).sqrt()
    }

    /// Square metres: cheaper where only the order matters.
    #[must_use]
    #[inline]
    pub fn distance2(self, other: Self) -> f32 {
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        dx.mul_add(dx, dy * dy)
    }

    /// The heading of a straight move to another point, degrees clockwise from north.
    #[must_use]
    pub fn heading_to(self, other: Self) -> f32 {
        (other.x - self.x).atan2(other.y - self.y).to_degrees().rem_euclid(360.0)
    }

    /// The point this share of the way to another.
    #[must_use]
    #[inline]
    pub fn towards(self, other: Self, share: f32) -> Self {
        Self { x: (other.x - self.x).mul_add(share, self.x), y: (other.y - self.y).mul_add(share, self.y) }
    }
}

/// Great-circle metres between two WGS 84 positions (degrees).
#[must_use]
pub fn haversine(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    geo::Haversine.distance(geo::Point::new(lon1, lat1), geo::Point::new(lon2, lat2))
}

/// The plane of one feed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plane {
    lat0: f64,
    lon0: f64,
    metres_per_lat: f64,
    metres_per_lon: f64,
}

impl Plane {
    /// A plane around a middle, degrees.
    #[must_use]
    pub fn around(lat0: f64, lon0: f64) -> Self {
        const METRES_PER_DEGREE: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;
        let metres_per_lon = METRES_PER_DEGREE * lat0.to_radians().cos().max(1e-6);
        Self { lat0, lon0, metres_per_lat: METRES_PER_DEGREE, metres_per_lon }
    }

    /// A WGS 84 position on the plane.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "8 mm at 100 km is more than GPS knows")]
    pub fn xy(&self, lat: f64, lon: f64) -> Xy {
        Xy { x: ((lon - self.lon0) * self.metres_per_lon) as f32, y: ((lat - self.lat0) * self.metres_per_lat) as f32 }
    }

    /// Back to latitude and longitude, degrees.
    #[must_use]
    pub fn lat_lon(&self, p: Xy) -> (f64, f64) {
        (self.lat0 + f64::from(p.y) / self.metres_per_lat, self.lon0 + f64::from(p.x) / self.metres_per_lon)
    }
}

/// A point brought onto a polyline.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Projected {
    /// Metres along the line from its start.
    pub along: f32,
    /// Metres from the point to the line.
    pub off: f32,
    /// Which segment: the one from point `segment` to the next.
    pub segment: u32,
}

/// A line through points of the plane, with the distance along it at each of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Polyline {
    points: Box<[Xy]>,
    cum: Box<[f32]>,
    /// Of each segment: every fix asks for some, and an arc tangent is dear.
    headings: Box<[f32]>,
}

impl Polyline {
    /// A line through these points; points closer than 1 cm to the one before are left out. A line
    /// of one point has length 0.
    #[must_use]
    pub fn new(points: impl IntoIterator<Item = Xy>) -> Self {
        let mut kept: Vec<Xy> = Vec::new();
        let mut cum = Vec::new();
        let mut total = 0.0f64;
        for p in points {
            if let Some(last) = kept.last() {
                let d = last.distance(p);
                if d < 0.01 {
                    continue;
                }
                total += f64::from(d);
            }
            kept.push(p);
            #[expect(clippy::cast_possible_truncation, reason = "millimetres at 10 km")]
            cum.push(total as f32);
        }
        let pairs = kept.iter().zip(kept.iter().skip(1));
        let headings = pairs.map(|(a, b)| a.heading_to(*b)).collect();
        Self { points: kept.into(), cum: cum.into(), headings }
    }

    /// The points.
    #[must_use]
    #[inline]
    pub fn points(&self) -> &[Xy] {
        &self.points
    }

    /// Metres along the line at each of its points.
    #[must_use]
    #[inline]
    pub fn cumulative(&self) -> &[f32] {
        &self.cum
    }

    /// The heading of each segment, degrees clockwise from north: one fewer than points.
    #[must_use]
    #[inline]
    pub fn headings(&self) -> &[f32] {
        &self.headings
    }

    /// Metres from end to end.
    #[must_use]
    pub fn length(&self) -> f32 {
        self.cum.last().copied().unwrap_or(0.0)
    }

    /// Each segment with the distance along at its start: `(index, from, to, along)`.
    pub fn segments(&self) -> impl Iterator<Item = (u32, Xy, Xy, f32)> + '_ {
        let ends = self.points.iter().skip(1);
        let starts = self.points.iter().zip(self.cum.iter());
        (0u32..).zip(starts.zip(ends)).map(|(i, ((a, along), b))| (i, *a, *b, *along))
    }

    /// The segment that holds this distance along.
    #[must_use]
    #[inline]
    pub fn segment_at(&self, along: f32) -> usize {
        let after = self.cum.partition_point(|c| *c <= along);
        after.saturating_sub(1).min(self.points.len().saturating_sub(2))
    }

    /// The point at this distance along; clamped to the ends.
    #[must_use]
    pub fn point_at(&self, along: f32) -> Xy {
        let i = self.segment_at(along);
        match (self.points.get(i), self.points.get(i + 1), self.cum.get(i), self.cum.get(i + 1)) {
            (Some(a), Some(b), Some(from), Some(to)) => {
                a.towards(*b, ((along - from) / (to - from).max(1e-6)).clamp(0.0, 1.0))
            }
            _ => self.points.first().copied().unwrap_or_default(),
        }
    }

    /// The heading at this distance along, degrees clockwise from north; `None` for a line of one point.
    #[must_use]
    #[inline]
    pub fn heading_at(&self, along: f32) -> Option<f32> {
        self.headings.get(self.segment_at(along)).copied()
    }

    /// The nearest place on the part of the line between two distances along.
    /// `None` for a line without points.
    #[must_use]
    pub fn project_between(&self, p: Xy, from: f32, to: f32) -> Option<Projected> {
        let first = *self.points.first()?;
        let mut best = Projected { along: 0.0, off: p.distance(first), segment: 0 };
        if self.points.len() < 2 {
            return Some(best);
        }
        best.off = f32::INFINITY;
        let lo = self.segment_at(from.max(0.0));
        for (i, a, b, along) in self.segments_from(lo) {
            if along > to {
                break;
            }
            let (t, length) = share_along(p, a, b);
            let at = t.mul_add(length, along).clamp(from.max(along), to.max(from));
            let q = a.towards(b, if length > 0.0 { ((at - along) / length).clamp(0.0, 1.0) } else { 0.0 });
            let off = p.distance(q);
            if off < best.off {
                best = Projected { along: at, off, segment: i };
            }
        }
        best.off.is_finite().then_some(best)
    }

    /// The nearest place on the whole line.
    #[must_use]
    pub fn project(&self, p: Xy) -> Option<Projected> {
        self.project_between(p, 0.0, self.length())
    }

    /// Every place where the line passes within `within` metres of the point: one for each
    /// passage, the nearest point of it, in the order of the line. A there-and-back street gives
    /// two, a loop's terminal gives the start and the end.
    #[must_use]
    pub fn passages(&self, p: Xy, within: f32) -> Vec<Projected> {
        let mut found = Vec::new();
        let mut open: Option<Projected> = None;
        let mut left = 0.0f32;
        for ((i, a, b, along), end) in self.segments_from(0).zip(self.cum.iter().skip(1)) {
            // Most of a line is far away, and while no passage is open that is all there is to know.
            let (east, north, beyond) = (p.x - a.x, p.y - a.y, within + (end - along) + 1.0);
            if open.is_none() && east * east + north * north > beyond * beyond {
                continue;
            }
            let (t, length) = share_along(p, a, b);
            let here = Projected { along: t.mul_add(length, along), off: p.distance(a.towards(b, t)), segment: i };
            // A passage ends once the line has gone on by more than the corridor's width without
            // coming nearer: a switchback within it is one passage, a return along the street two.
            let near = here.off <= within;
            open = match open {
                Some(best) if near && here.along - left <= within.max(1.0) => {
                    Some(if here.off < best.off { here } else { best })
                }
                Some(best) if near => {
                    found.push(best);
                    Some(here)
                }
                Some(best) if here.along - best.along > 2.0 * within => {
                    found.push(best);
                    None
                }
                None if near => Some(here),
                same => same,
            };
            if near {
                left = along + length;
            }
        }
        found.extend(open);
        found
    }

    fn segments_from(&self, first: usize) -> impl Iterator<Item = (u32, Xy, Xy, f32)> + '_ {
        let starts = self.points.iter().zip(self.cum.iter()).skip(first);
        let ends = self.points.iter().skip(first + 1);
        let from = u32::try_from(first).unwrap_or(u32::MAX);
        (from..).zip(starts.zip(ends)).map(|(i, ((a, along), b))| (i, *a, *b, *along))
    }
}

/// How far along the segment a-b the nearest point to `p` lies (0..=1), and the segment's length.
#[must_use]
#[inline]
pub fn share_along(p: Xy, a: Xy, b: Xy) -> (f32, f32) {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let l2 = dx.mul_add(dx, dy * dy);
    if l2 <= 0.0 {
        return (0.0, 0.0);
    }
    let t = ((p.x - a.x).mul_add(dx, (p.y - a.y) * dy) / l2).clamp(0.0, 1.0);
    (t, l2.sqrt())
}

/// The smaller angle between two headings, degrees 0..=180.
#[must_use]
#[inline]
pub fn angle_between(a: f32, b: f32) -> f32 {
    let d = (a - b).rem_euclid(360.0);
    d.min(360.0 - d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f32, f32)]) -> Polyline {
        Polyline::new(points.iter().map(|(x, y)| Xy { x: *x, y: *y }))
    }

    #[test]
    fn the_plane_agrees_with_the_sphere() {
        let plane = Plane::around(48.85, 37.6);
        let a = plane.xy(48.87, 37.58);
        let b = plane.xy(48.84, 37.64);
        let flat = f64::from(a.distance(b));
        let round = haversine(48.87, 37.58, 48.84, 37.64);
        assert!((flat - round).abs() < round * 0.001, "{flat} {round}");
        let (lat, lon) = plane.lat_lon(a);
        assert!((lat - 48.87).abs() < 1e-6 && (lon - 37.58).abs() < 1e-6);
    }

    #[test]
    fn a_point_is_projected_within_its_window_only() {
        // There and back along one street.
        let l = line(&[(0.0, 0.0), (1000.0, 0.0), (1000.0, 10.0), (0.0, 10.0)]);
        let p = Xy { x: 300.0, y: 4.0 };
        let out = l.project_between(p, 0.0, 1000.0).unwrap();
        assert!((out.along - 300.0).abs() < 0.01 && (out.off - 4.0).abs() < 0.01);
        let back = l.project_between(p, 1010.0, 2010.0).unwrap();
        assert!((back.along - 1710.0).abs() < 0.01 && (back.off - 6.0).abs() < 0.01);
        assert_eq!(l.project_between(p, 500.0, 600.0).unwrap().along, 500.0);
    }

    #[test]
    fn there_and_back_are_two_passages() {
        let l = line(&[(0.0, 0.0), (1000.0, 0.0), (1000.0, 10.0), (0.0, 10.0)]);
        let at: Vec<f32> = l.passages(Xy { x: 300.0, y: 4.0 }, 60.0).iter().map(|p| p.along).collect();
        assert_eq!(at.len(), 2, "{at:?}");
        assert!((at[0] - 300.0).abs() < 0.1 && (at[1] - 1710.0).abs() < 0.1, "{at:?}");
    }

    #[test]
    fn a_loop_begins_and_ends_at_its_terminal() {
        let l = line(&[(0.0, 0.0), (500.0, 0.0), (500.0, 500.0), (0.0, 500.0), (0.0, 0.0)]);
        let at: Vec<f32> = l.passages(Xy { x: 2.0, y: 3.0 }, 40.0).iter().map(|p| p.along).collect();
        assert_eq!(at.len(), 2, "{at:?}");
        assert!(at[0] < 5.0 && at[1] > 1990.0, "{at:?}");
    }

    #[test]
    fn headings_are_compass_degrees() {
        let l = line(&[(0.0, 0.0), (0.0, 10.0), (10.0, 10.0)]);
        assert_eq!(l.heading_at(5.0), Some(0.0));
        assert_eq!(l.heading_at(15.0), Some(90.0));
        assert_eq!(angle_between(350.0, 20.0), 30.0);
        assert_eq!(line(&[(1.0, 1.0)]).heading_at(0.0), None);
    }
}
