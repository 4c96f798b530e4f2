//! `shapes.txt`, still in degrees: the plane is known only when the stops are.

use std::io::Read;

use super::LoadError;
use super::read_stops::{longitude_is_bad, position};
use super::report::{Action, Fault, Finding, Report};
use super::source::Source;
use super::table::{Names, Table};
use crate::plane::{Plane, Polyline};

pub(super) const FILE: &str = "shapes.txt";

struct Point {
    shape: u32,
    seq: u32,
    lat: f64,
    lon: f64,
}

/// The shapes of `shapes.txt` by id.
#[derive(Default)]
pub(super) struct Shapes {
    names: Names,
    /// Sorted by shape and sequence.
    points: Vec<Point>,
}

impl Shapes {
    /// How many points there are.
    pub(super) fn points(&self) -> usize {
        self.points.len()
    }

    /// Whether `shapes.txt` has this shape, of use or not.
    pub(super) fn has(&self, id: &str) -> bool {
        self.names.get(id.as_bytes()).is_some()
    }

    /// A shape on the plane; `None` for an unknown one and for one of fewer than two points.
    pub(super) fn line(&self, id: &str, plane: &Plane) -> Option<Polyline> {
        let at = self.names.get(id.as_bytes())?;
        let from = self.points.partition_point(|p| p.shape < at);
        let points = self.points.iter().skip(from).take_while(|p| p.shape == at);
        let line = Polyline::new(points.map(|p| plane.xy(p.lat, p.lon)));
        (line.points().len() > 1).then_some(line)
    }
}

/// Reads `shapes.txt`; a feed without it has no shapes.
pub(super) fn read_shapes(source: &Source<'_>, report: &mut Report) -> Shapes {
    source.read_optional(FILE, report, |bytes, report| read(&source.name, bytes, report)).unwrap_or_default()
}

fn read(path: &str, bytes: &mut dyn Read, report: &mut Report) -> Result<Shapes, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let id = rows.need("shape_id")?;
    let (lat, lon) = (rows.need("shape_pt_lat")?, rows.need("shape_pt_lon")?);
    let seq = rows.need("shape_pt_sequence")?;
    let mut shapes = Shapes::default();
    let mut first_lines = Vec::new();
    while rows.next(report)? {
        let Some((lat_at, lon_at)) = position(rows.get(lat), rows.get(lon)) else {
            let bad = if longitude_is_bad(rows.get(lat), rows.get(lon)) { lon } else { lat };
            report.add(rows.fault(Fault::BadPosition, bad, Action::RowIgnored));
            continue;
        };
        let Some(seq_at) = rows.number(seq, report, Action::RowIgnored) else {
            if rows.get(seq).is_empty() {
                report.add(rows.fault(Fault::BadNumber, seq, Action::RowIgnored));
            }
            continue;
        };
        let shape = shapes.names.intern(rows.get(id));
        if shapes.names.len() > first_lines.len() {
            first_lines.push((rows.line(), rows.text(id, report), 0usize));
        }
        if let Some((_, _, points)) = first_lines.get_mut(shape as usize) {
            *points += 1;
        }
        shapes.points.push(Point { shape, seq: seq_at, lat: lat_at, lon: lon_at });
    }
    shapes.points.sort_by_key(|p| (p.shape, p.seq));
    for (line, id, _) in first_lines.iter().filter(|(_, _, points)| *points < 2) {
        report.add(Finding::new(Fault::ShortShape, FILE, Action::LineThroughStops).line(*line).value("shape_id", id));
    }
    Ok(shapes)
}
