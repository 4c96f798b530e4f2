//! Streets for a city that has no file of them: the ways of its lines from stop to stop, named after the
//! stops. Each direction is a carriageway of its own; where several lines share a street it is there once.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use transit_model::ids::{Idx as _, LinkIdx};
use transit_model::plane::{Polyline, Xy, angle_between};
use transit_model::timetable::Timetable;

use super::streets::{Part, Streets, Ways};

/// A line is looked at every so many metres.
const LOOK: f32 = 10.0;
/// It lies on another that is this near and heads the same way, metres and degrees.
const ON: (f32, f32) = (15.0, 35.0);
/// A remainder shorter than this is left out, metres.
const LEAST: f32 = 60.0;

/// The ways of a feed's lines, from stop to stop.
#[must_use]
pub fn streets(t: &Timetable) -> Streets {
    let mut links: BTreeMap<LinkIdx, Polyline> = BTreeMap::new();
    for (_, pattern) in t.patterns.iter() {
        let shape = t.shapes.at(pattern.shape);
        let ends = pattern.calls.iter().zip(pattern.calls.iter().skip(1));
        for (link, (a, b)) in pattern.links.iter().zip(ends) {
            links.entry(*link).or_insert_with(|| cut(shape, a.along, b.along));
        }
    }
    // The shortest first: a way that passes a stop by lies on those that do not.
    let mut ways: Vec<(LinkIdx, Polyline)> = links.into_iter().filter(|(_, line)| line.length() >= 1.0).collect();
    ways.sort_by(|(a, x), (b, y)| x.length().total_cmp(&y.length()).then(a.at().cmp(&b.at())));
    let mut laid = Laid::default();
    let mut names: FxHashMap<(&str, &str), String> = FxHashMap::default();
    let mut parts = Vec::new();
    for (link, line) in &ways {
        let link = t.links.at(*link);
        let (from, to) = (&*t.stops.at(link.from).name, &*t.stops.at(link.to).name);
        // There and back are two carriageways of one street.
        let ends = if from <= to { (from, to) } else { (to, from) };
        let name =
            names.entry(ends).or_insert_with(|| if from == to { from.to_owned() } else { format!("{from} – {to}") });
        for (start, end) in laid.bare(line) {
            let line = cut(line, start, end);
            parts.push(Part { street: Some((name.clone(), None, None)), ways: Ways::Forward, line });
        }
        laid.lay(line);
    }
    Streets::build(parts, t.plane)
}

/// The part of a line between two distances along it.
fn cut(line: &Polyline, from: f32, to: f32) -> Polyline {
    let inner = line.points().iter().zip(line.cumulative()).filter(|(_, c)| **c > from && **c < to).map(|(p, _)| *p);
    Polyline::new(std::iter::once(line.point_at(from)).chain(inner).chain([line.point_at(to.max(from))]))
}

/// Where lines were laid already: points and headings by square.
#[derive(Default)]
struct Laid(FxHashMap<(i32, i32), Vec<(Xy, f32)>>);

#[expect(clippy::cast_possible_truncation, reason = "metres of a city")]
fn square(p: Xy) -> (i32, i32) {
    ((p.x / (2.0 * ON.0)).floor() as i32, (p.y / (2.0 * ON.0)).floor() as i32)
}

fn looks(line: &Polyline) -> impl Iterator<Item = (f32, Xy, f32)> + '_ {
    let along = (0u16..).map(|n| f32::from(n) * LOOK).take_while(|a| *a <= line.length());
    along.map(|a| (a, line.point_at(a), line.heading_at(a).unwrap_or(0.0)))
}

impl Laid {
    fn lay(&mut self, line: &Polyline) {
        for (_, p, heading) in looks(line) {
            self.0.entry(square(p)).or_default().push((p, heading));
        }
    }

    fn covers(&self, p: Xy, heading: f32) -> bool {
        let (x, y) = square(p);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
        let same = |(q, h): &(Xy, f32)| q.distance(p) <= ON.0 && angle_between(*h, heading) <= ON.1;
        around.filter_map(|s| self.0.get(&s)).flatten().any(same)
    }

    /// The parts of a line that lie on none so far.
    fn bare(&self, line: &Polyline) -> Vec<(f32, f32)> {
        let mut runs: Vec<(f32, f32)> = Vec::new();
        let mut open = false;
        for (along, p, heading) in looks(line) {
            let to = (along + LOOK).min(line.length());
            match (self.covers(p, heading), open) {
                (true, _) => open = false,
                (false, true) => {
                    if let Some(last) = runs.last_mut() {
                        last.1 = to;
                    }
                }
                (false, false) => {
                    runs.push((along, to));
                    open = true;
                }
            }
        }
        let whole = runs.len() == 1 && runs.first() == Some(&(0.0, line.length()));
        runs.retain(|(from, to)| whole || to - from >= LEAST);
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture::timetable;

    #[test]
    fn the_ways_of_lines_are_streets_named_after_stops() {
        let t = timetable();
        let streets = streets(&t);
        assert!(!streets.all().is_empty());
        let names: Vec<&str> = streets.all().iter().map(|s| s.name.as_str()).collect();
        assert!(names.iter().any(|n| n.contains(" – ")), "{names:?}");
        let links: f32 = t.links.iter().map(|(_, l)| l.length).sum();
        let laid: f32 = streets.pieces().iter().map(|p| p.line.length()).sum();
        assert!(laid > 0.0 && laid <= links * 1.01, "{laid} of {links}");
    }

    #[test]
    fn a_way_that_lies_on_others_is_not_there_twice() {
        let line = |points: &[(f32, f32)]| Polyline::new(points.iter().map(|(x, y)| Xy { x: *x, y: *y }));
        let mut laid = Laid::default();
        laid.lay(&line(&[(0.0, 0.0), (300.0, 0.0)]));
        assert_eq!(laid.bare(&line(&[(0.0, 4.0), (300.0, 4.0)])), []);
        assert_eq!(laid.bare(&line(&[(300.0, 0.0), (0.0, 0.0)])), [(0.0, 300.0)], "the way back is another");
        let longer = laid.bare(&line(&[(0.0, 0.0), (500.0, 0.0)]));
        assert_eq!(longer.len(), 1);
        assert!((longer[0].0 - 320.0).abs() <= 10.0 && longer[0].1 == 500.0, "{longer:?}");
    }
}
