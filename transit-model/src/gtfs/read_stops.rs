//! `stops.txt`: stops, platforms, stations, and the plane they all lie in.

use std::io::Read;

use super::LoadError;
use super::report::{Action, Fault, Finding, Report};
use super::source::Source;
use super::table::{Names, Table};
use crate::ids::{Idx as _, StopIdx};
use crate::plane::{Plane, Xy, haversine};
use crate::timetable::{Stop, StopKind};

pub(super) const FILE: &str = "stops.txt";
/// A stop farther than this from the middle of the feed, farther than [`FAR_TIMES`] times the usual
/// distance, and with no other within [`ALONE_METRES`], is taken for a slip of the pen.
const FAR_METRES: f64 = 50_000.0;
const FAR_TIMES: f64 = 10.0;
const ALONE_METRES: f64 = 20_000.0;

/// The stops and their plane.
pub(super) struct Stops {
    pub(super) items: Vec<Stop>,
    /// The line of each in `stops.txt`.
    pub(super) lines: Vec<u32>,
    /// Usable stops by id.
    pub(super) names: Names,
    pub(super) plane: Plane,
}

struct Row {
    stop: Stop,
    line: u32,
    parent: Box<[u8]>,
    position: Option<(f64, f64)>,
    wheelchair: Option<bool>,
}

/// Reads `stops.txt`.
pub(super) fn read_stops(source: &Source<'_>, report: &mut Report) -> Result<Stops, LoadError> {
    let read = source.read(FILE, |bytes| read(&source.name, bytes, report))?;
    read.ok_or_else(|| source.missing(FILE))
}

fn read(path: &str, bytes: &mut dyn Read, report: &mut Report) -> Result<Stops, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let id = rows.need("stop_id")?;
    let (lat, lon) = (rows.need("stop_lat")?, rows.need("stop_lon")?);
    let (code, name, platform) = (rows.col("stop_code"), rows.col("stop_name"), rows.col("platform_code"));
    let (kind, parent) = (rows.col("location_type"), rows.col("parent_station"));
    let wheelchair = rows.col("wheelchair_boarding");
    let mut read: Vec<Row> = Vec::new();
    let mut names = Names::default();
    while rows.next(report)? {
        if rows.get(id).is_empty() {
            report.add(rows.fault(Fault::MissingId, id, Action::RowIgnored));
            continue;
        }
        if names.get(rows.get(id)).is_some() {
            report.add(rows.fault(Fault::DuplicateId, id, Action::FirstKept));
            continue;
        }
        let kind = match rows.get(kind) {
            b"" | b"0" => StopKind::Platform,
            b"1" => StopKind::Station,
            b"2" | b"3" | b"4" => StopKind::Other,
            _ => {
                report.add(rows.fault(Fault::BadValue, kind, Action::TakenAsStop));
                StopKind::Platform
            }
        };
        let position = position(rows.get(lat), rows.get(lon));
        // Only an entrance or a node may leave it to its station; a place without both is of no use.
        let left_out = kind == StopKind::Other && rows.get(lat).is_empty() && !rows.get(parent).is_empty();
        if position.is_none() && !left_out {
            let bad = if longitude_is_bad(rows.get(lat), rows.get(lon)) { lon } else { lat };
            let has_parent = !rows.get(parent).is_empty();
            let action = if has_parent { Action::ParentPosition } else { Action::StopDropped };
            let detail = format!("stop_id {}", String::from_utf8_lossy(rows.get(id)));
            report.add(rows.fault(Fault::BadPosition, bad, action).detail(detail));
            if !has_parent {
                continue;
            }
        }
        let wheelchair = match rows.get(wheelchair) {
            b"1" => Some(true),
            b"2" => Some(false),
            b"" | b"0" => None,
            _ => {
                report.add(rows.fault(Fault::BadValue, wheelchair, Action::ValueIgnored));
                None
            }
        };
        names.insert(rows.get(id), read.len());
        let stop = Stop {
            id: rows.text(id, report),
            code: rows.text(code, report),
            name: rows.text(name, report),
            platform: rows.text(platform, report),
            kind,
            parent: None,
            lat: 0.0,
            lon: 0.0,
            xy: Xy::default(),
            wheelchair: None,
        };
        read.push(Row { stop, line: rows.line(), parent: rows.get(parent).into(), position, wheelchair });
    }
    Ok(place(read, &names, report))
}

/// Resolves parents, and what is inherited from them, and puts everything on one plane.
fn place(rows: Vec<Row>, names: &Names, report: &mut Report) -> Stops {
    let parents: Vec<Option<u32>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let found = names.get(&row.parent).filter(|p| *p as usize != at);
            if found.is_none() && !row.parent.is_empty() {
                let value = String::from_utf8_lossy(&row.parent);
                report.add(
                    Finding::new(Fault::UnknownParent, FILE, Action::ValueIgnored)
                        .line(row.line)
                        .value("parent_station", &value),
                );
            }
            found
        })
        .collect();
    let of_parent = |at: usize| parents.get(at).copied().flatten().and_then(|p| rows.get(p as usize));
    let positions: Vec<Option<(f64, f64)>> =
        rows.iter().enumerate().map(|(at, row)| row.position.or_else(|| of_parent(at)?.position)).collect();
    let wheelchairs: Vec<Option<bool>> =
        rows.iter().enumerate().map(|(at, row)| row.wheelchair.or_else(|| of_parent(at)?.wheelchair)).collect();
    let plane = plane_of(&positions);

    // Stops without a place fall out, so everybody after them moves up.
    let mut new_at = Vec::with_capacity(rows.len());
    let mut next = 0;
    for position in &positions {
        new_at.push(position.is_some().then(|| StopIdx::new(next)));
        next += usize::from(position.is_some());
    }
    let mut stops = Stops { items: Vec::new(), lines: Vec::new(), names: Names::default(), plane };
    for ((row, position), (parent, wheelchair)) in rows.into_iter().zip(&positions).zip(parents.iter().zip(wheelchairs))
    {
        let Some((lat, lon)) = *position else {
            stops.lost(&row, report);
            continue;
        };
        let parent = parent.and_then(|p| new_at.get(p as usize).copied().flatten());
        stops.names.insert(row.stop.id.as_bytes(), stops.items.len());
        stops.items.push(Stop { parent, lat, lon, xy: plane.xy(lat, lon), wheelchair, ..row.stop });
        stops.lines.push(row.line);
    }
    stops.report_far(report);
    stops
}

impl Stops {
    fn lost(&self, row: &Row, report: &mut Report) {
        let finding = Finding::new(Fault::BadPosition, FILE, Action::StopDropped);
        report.add(finding.line(row.line).value("parent_station", &String::from_utf8_lossy(&row.parent)));
    }

    fn report_far(&self, report: &mut Report) {
        let (lat0, lon0) = self.plane.lat_lon(Xy::default());
        let away: Vec<f64> = self.items.iter().map(|s| haversine(lat0, lon0, s.lat, s.lon)).collect();
        let limit = (median(away.clone()) * FAR_TIMES).max(FAR_METRES);
        for ((stop, line), away) in self.items.iter().zip(&self.lines).zip(away) {
            let near = |o: &Stop| o.id != stop.id && haversine(o.lat, o.lon, stop.lat, stop.lon) < ALONE_METRES;
            if away > limit && !self.items.iter().any(near) {
                let finding = Finding::new(Fault::FarStop, FILE, Action::Kept);
                let detail =
                    format!("{} {} is {:.0} km from the middle of the feed", stop.lat, stop.lon, away / 1000.0);
                report.add(finding.line(*line).value("stop_id", &stop.id).detail(detail));
            }
        }
    }
}

/// A plane around the middle stop: the median, which a few wrong positions do not move.
fn plane_of(positions: &[Option<(f64, f64)>]) -> Plane {
    let lats = positions.iter().flatten().map(|p| p.0).collect();
    let lons = positions.iter().flatten().map(|p| p.1).collect();
    Plane::around(median(lats), median(lons))
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// A position in degrees; `None` for anything but two numbers on Earth, and for 0, 0, which is what
/// an empty field of a database becomes.
pub(super) fn position(lat: &[u8], lon: &[u8]) -> Option<(f64, f64)> {
    let (lat, lon) = (degrees(lat, 90.0)?, degrees(lon, 180.0)?);
    (lat.abs() > 1e-6 || lon.abs() > 1e-6).then_some((lat, lon))
}

/// Of a bad position, whether it is the longitude alone that is wrong.
pub(super) fn longitude_is_bad(lat: &[u8], lon: &[u8]) -> bool {
    degrees(lat, 90.0).is_some() && degrees(lon, 180.0).is_none()
}

fn degrees(field: &[u8], most: f64) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse::<f64>().ok().filter(|d| d.abs() <= most)
}
