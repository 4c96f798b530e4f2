//! Which lines pass near a point, from one spatial index over every shape of the feed; a query
//! never scans.

use smallvec::SmallVec;
use transit_model::ids::{IdxVec, PatternIdx, ShapeIdx};
use transit_model::plane::{Polyline, Projected, Xy, share_along};
use transit_model::timetable::Timetable;

use super::grid::{Filling, Grid, SLACK};

/// Consecutive segments of a shape that come through one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    shape: ShapeIdx,
    first: u32,
    last: u32,
}

/// The lines of a feed, findable by place.
#[derive(Debug)]
pub struct Network {
    lines: Grid<Piece>,
    stops: Grid<Xy>,
    patterns: IdxVec<ShapeIdx, Vec<PatternIdx>>,
    /// The corners of the rectangle that holds every line.
    bounds: Option<(Xy, Xy)>,
}

/// A line passing near a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passage {
    /// Which shape.
    pub shape: ShapeIdx,
    /// Where on it.
    pub at: Projected,
}

impl Network {
    /// Indexes every shape of the timetable.
    #[must_use]
    pub fn new(t: &Timetable) -> Self {
        let mut lines = Filling::new();
        for (shape, line) in t.shapes.iter() {
            for (i, a, b, _) in line.segments() {
                lines.along(a, b, |held: &mut Vec<Piece>| match held.last_mut() {
                    Some(p) if p.shape == shape && p.last + 1 >= i => p.last = i,
                    _ => held.push(Piece { shape, first: i, last: i }),
                });
            }
        }
        let mut stops = Filling::new();
        for (_, stop) in t.stops.iter() {
            stops.along(stop.xy, stop.xy, |held| held.push(stop.xy));
        }
        let mut patterns: IdxVec<ShapeIdx, Vec<PatternIdx>> = vec![Vec::new(); t.shapes.len()].into();
        for (p, pattern) in t.patterns.iter() {
            if let Some(list) = patterns.get_mut(pattern.shape) {
                list.push(p);
            }
        }
        let points = t.shapes.iter().flat_map(|(_, line)| line.points());
        let bounds = points.fold(None, |held: Option<(Xy, Xy)>, p| {
            let (low, high) = held.unwrap_or((*p, *p));
            let low = Xy { x: low.x.min(p.x), y: low.y.min(p.y) };
            Some((low, Xy { x: high.x.max(p.x), y: high.y.max(p.y) }))
        });
        Self { lines: lines.finish(), stops: stops.finish(), patterns, bounds }
    }

    /// The patterns that run along a shape.
    #[must_use]
    pub fn patterns_of(&self, shape: ShapeIdx) -> &[PatternIdx] {
        self.patterns.get(shape).map_or(&[], Vec::as_slice)
    }

    /// How far outside the smallest rectangle that holds every line a point is, metres; 0 within, and where
    /// the feed has no lines.
    #[must_use]
    pub fn outside(&self, p: Xy) -> f32 {
        let Some((low, high)) = self.bounds else { return 0.0 };
        let nearest = Xy { x: p.x.max(low.x).min(high.x), y: p.y.max(low.y).min(high.y) };
        nearest.distance(p)
    }

    /// Whether any line passes within so many metres.
    #[must_use]
    pub fn passes(&self, t: &Timetable, p: Xy, within: f32) -> bool {
        let near = |line: &Polyline, i: u32| apart(line, i, p).is_some_and(|d2| d2 <= within * within);
        self.lines.around(p, within).flatten().any(|piece| {
            let line = t.shapes.at(piece.shape);
            (piece.first..=piece.last).any(|i| near(line, i))
        })
    }

    /// Whether any stop lies nearer than so many metres.
    #[must_use]
    pub fn has_stop(&self, p: Xy, within: f32) -> bool {
        self.stops.around(p, within).flatten().any(|stop| stop.distance(p) < within)
    }

    /// Every passage of every shape within `within` metres of a point: one for each time a line
    /// comes by, its nearest place.
    #[must_use]
    pub fn near(&self, t: &Timetable, p: Xy, within: f32) -> SmallVec<[Passage; 24]> {
        // Each cell has its pieces in order.
        let mut cells: SmallVec<[&[Piece]; 9]> = self.lines.around(p, within).collect();
        let mut found: SmallVec<[Passage; 24]> = SmallVec::new();
        let mut last_along = f32::NEG_INFINITY;
        let mut seen: Option<(ShapeIdx, u32)> = None;
        let next = |held: &&mut &[Piece]| held.first().map_or((true, None), |piece| (false, Some(*piece)));
        while let Some(least) = cells.iter_mut().min_by_key(next) {
            let Some((piece, rest)) = least.split_first() else { break };
            *least = rest;
            let line = t.shapes.at(piece.shape);
            let from = seen.filter(|(shape, _)| *shape == piece.shape).map_or(piece.first, |(_, i)| piece.first.max(i));
            seen = Some((piece.shape, from.max(piece.last + 1)));
            let whole = from as usize..piece.last as usize + 2;
            let (Some(points), Some(alongs)) = (line.points().get(whole.clone()), line.cumulative().get(whole)) else {
                continue;
            };
            for (segment, (ends, alongs)) in (from..).zip(points.windows(2).zip(alongs.windows(2))) {
                let ([a, b], [from, to]) = (ends, alongs) else { continue };
                // Most can be seen to be too far away without looking for their nearest place.
                let (east, north, beyond) = (p.x - a.x, p.y - a.y, within + (to - from) + SLACK);
                if east * east + north * north > beyond * beyond {
                    continue;
                }
                let d2 = apart2(*a, *b, p);
                if d2 > within * within {
                    continue;
                }
                let (share, _) = share_along(p, *a, *b);
                let at = Projected { along: share * (to - from) + from, off: d2.sqrt(), segment };
                // The line left the circle and came back when it ran longer than the circle is wide.
                match found.last_mut() {
                    Some(open) if open.shape == piece.shape && at.along - last_along <= within * 1.5 => {
                        if at.off < open.at.off {
                            open.at = at;
                        }
                    }
                    _ => found.push(Passage { shape: piece.shape, at }),
                }
                last_along = *to;
            }
        }
        found
    }
}

/// Square metres from a point to the segment a-b.
fn apart2(a: Xy, b: Xy, p: Xy) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let s = ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy);
    let q = if 0.0 < s && s < 1.0 {
        Xy { x: a.x + dx * s, y: a.y + dy * s }
    } else if s <= 0.0 {
        a
    } else {
        b
    };
    let (x, y) = (q.x - p.x, q.y - p.y);
    x * x + y * y
}

/// The same for a segment of a line.
fn apart(line: &Polyline, segment: u32, p: Xy) -> Option<f32> {
    let (a, b) = (line.points().get(segment as usize)?, line.points().get(segment as usize + 1)?);
    Some(apart2(*a, *b, p))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transit_model::gtfs::{GtfsFiles, load_files};
    use transit_model::ids::FeedId;

    use super::*;

    /// A city of lines as crooked as can be: each through these places, tenths of a kilometre.
    fn city(lines: &[Vec<(i16, i16)>]) -> Timetable {
        let mut files = GtfsFiles::new();
        files.set("agency.txt", "agency_name,agency_url,agency_timezone\nCity,https://example.org,Etc/UTC\n");
        files.set("routes.txt", "route_id,route_short_name,route_type\nr,1,3\n");
        files.set("calendar_dates.txt", "service_id,date,exception_type\nday,20261124,1\n");
        let degrees = |(x, y): (i16, i16)| {
            ((48.0 + f64::from(y) / 1112.0).to_string(), (37.0 + f64::from(x) / 744.0).to_string())
        };
        let (mut stops, mut shapes, mut trips, mut times) = (
            "stop_id,stop_name,stop_lat,stop_lon\n".to_owned(),
            "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n".to_owned(),
            "route_id,service_id,trip_id,shape_id\n".to_owned(),
            "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned(),
        );
        for (n, line) in lines.iter().enumerate() {
            trips.push_str(&format!("r,day,t{n},s{n}\n"));
            for (i, at) in line.iter().enumerate() {
                let (lat, lon) = degrees(*at);
                shapes.push_str(&format!("s{n},{lat},{lon},{i}\n"));
                if i == 0 || i + 1 == line.len() {
                    stops.push_str(&format!("p{n}-{i},p,{lat},{lon}\n"));
                    times.push_str(&format!("t{n},{:02}:00:00,{:02}:00:00,p{n}-{i},{i}\n", 8 + i, 8 + i));
                }
            }
        }
        for (name, text) in [("stops", stops), ("shapes", shapes), ("trips", trips), ("stop_times", times)] {
            files.set(&format!("{name}.txt"), &*text);
        }
        load_files(&files, FeedId::from("city")).unwrap().timetable
    }

    proptest! {
        #[test]
        fn every_line_that_is_near_is_found_and_no_other(
            lines in prop::collection::vec(prop::collection::vec((0i16..60, 0i16..60), 2..8), 1..6),
            x in 0.0f32..6000.0,
            y in 0.0f32..6000.0,
        ) {
            let t = city(&lines);
            let network = Network::new(&t);
            let origin = t.plane.xy(48.0, 37.0);
            let p = Xy { x: origin.x + x, y: origin.y + y };
            let near: Vec<ShapeIdx> = t
                .shapes
                .iter()
                .filter(|(_, line)| line.project(p).is_some_and(|at| at.off < 59.99))
                .map(|(shape, _)| shape)
                .collect();
            let found = network.near(&t, p, 60.0);
            for shape in &near {
                let best = found.iter().filter(|f| f.shape == *shape).map(|f| f.at.off).fold(f32::INFINITY, f32::min);
                let true_off = t.shapes.at(*shape).project(p).unwrap().off;
                prop_assert!((best - true_off).abs() < 0.1, "{} {}", best, true_off);
            }
            for f in &found {
                prop_assert!(t.shapes.at(f.shape).project(p).unwrap().off <= 60.01);
            }
            prop_assert!(found.is_empty() || network.passes(&t, p, 60.0));
            let stop = t.stops.iter().any(|(_, s)| s.xy.distance(p) < 40.0);
            prop_assert_eq!(network.has_stop(p, 40.0), stop);
        }
    }
}
