//! Which lines pass near a point, from one spatial index over every shape of the feed; a query
//! never scans.

use rstar::primitives::{GeomWithData, Line};
use rstar::{PointDistance as _, RTree};
use transit_model::ids::{IdxVec, PatternIdx, ShapeIdx};
use transit_model::plane::{Projected, Xy, share_along};
use transit_model::timetable::Timetable;

type Segment = GeomWithData<Line<[f32; 2]>, (ShapeIdx, u32)>;

/// The lines of a feed, findable by place.
#[derive(Debug)]
pub struct Network {
    tree: RTree<Segment>,
    patterns: IdxVec<ShapeIdx, Vec<PatternIdx>>,
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
        let mut segments = Vec::new();
        for (shape, line) in t.shapes.iter() {
            segments.extend(
                line.segments().map(|(i, a, b, _)| GeomWithData::new(Line::new([a.x, a.y], [b.x, b.y]), (shape, i))),
            );
        }
        let mut patterns: IdxVec<ShapeIdx, Vec<PatternIdx>> = vec![Vec::new(); t.shapes.len()].into();
        for (p, pattern) in t.patterns.iter() {
            if let Some(list) = patterns.get_mut(pattern.shape) {
                list.push(p);
            }
        }
        Self { tree: RTree::bulk_load(segments), patterns }
    }

    /// The patterns that run along a shape.
    #[must_use]
    pub fn patterns_of(&self, shape: ShapeIdx) -> &[PatternIdx] {
        self.patterns.get(shape).map_or(&[], Vec::as_slice)
    }

    /// Whether any line passes within so many metres.
    #[must_use]
    pub fn passes(&self, p: Xy, within: f32) -> bool {
        self.tree.locate_within_distance([p.x, p.y], within * within).next().is_some()
    }

    /// Every passage of every shape within `within` metres of a point: one for each time a line
    /// comes by, its nearest place.
    #[must_use]
    pub fn near(&self, t: &Timetable, p: Xy, within: f32) -> Vec<Passage> {
        let point = [p.x, p.y];
        let mut hits: Vec<(ShapeIdx, u32, f32)> = self
            .tree
            .locate_within_distance(point, within * within)
            .map(|s| (s.data.0, s.data.1, s.geom().distance_2(&point)))
            .collect();
        hits.sort_unstable_by_key(|(shape, segment, _)| (*shape, *segment));
        let mut found: Vec<Passage> = Vec::new();
        let mut last_along = f32::NEG_INFINITY;
        for (shape, segment, d2) in hits {
            let line = t.shapes.at(shape);
            let i = segment as usize;
            let (Some(a), Some(b), Some(from), Some(to)) = (
                line.points().get(i),
                line.points().get(i + 1),
                line.cumulative().get(i),
                line.cumulative().get(i + 1),
            ) else {
                continue;
            };
            let (share, _) = share_along(p, *a, *b);
            let at = Projected { along: share.mul_add(to - from, *from), off: d2.sqrt(), segment };
            // The line left the circle and came back when it ran longer than the circle is wide.
            match found.last_mut() {
                Some(open) if open.shape == shape && at.along - last_along <= within * 1.5 => {
                    if at.off < open.at.off {
                        open.at = at;
                    }
                }
                _ => found.push(Passage { shape, at }),
            }
            last_along = *to;
        }
        found
    }
}
