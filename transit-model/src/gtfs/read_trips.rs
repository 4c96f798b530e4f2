//! `trips.txt`, still without calls.

use std::io::Read;

use super::LoadError;
use super::read_calendar::Services;
use super::read_routes::Routes;
use super::report::{Action, Fault, Report};
use super::source::Source;
use super::table::{Col, Names, Table};
use crate::ids::{Idx as _, RouteIdx, ServiceIdx};

pub(super) const FILE: &str = "trips.txt";

/// A row of `trips.txt`.
pub(super) struct RawTrip {
    pub(super) id: Box<str>,
    pub(super) route: RouteIdx,
    pub(super) service: ServiceIdx,
    pub(super) direction: Option<u8>,
    /// A position in [`Trips::blocks`].
    pub(super) block: Option<u32>,
    /// A position in [`Trips::shapes`].
    pub(super) shape: Option<u32>,
    pub(super) headsign: Box<str>,
    pub(super) wheelchair: Option<bool>,
    pub(super) line: u32,
}

/// The trips by id, with the names they use for shapes and blocks.
#[derive(Default)]
pub(super) struct Trips {
    pub(super) items: Vec<RawTrip>,
    pub(super) names: Names,
    /// How many rows the file has.
    pub(super) read: usize,
    /// Trips that were left out here: their rows elsewhere are no further fault.
    pub(super) dropped: Names,
    pub(super) shapes: Vec<Box<str>>,
    pub(super) blocks: Vec<Box<str>>,
}

/// Reads `trips.txt`.
pub(super) fn read_trips(
    source: &Source<'_>,
    routes: &Routes,
    services: &Services,
    report: &mut Report,
) -> Result<Trips, LoadError> {
    let read = source.read(FILE, |bytes| read(&source.name, bytes, routes, services, report))?;
    read.ok_or_else(|| source.missing(FILE))
}

fn read(
    path: &str,
    bytes: &mut dyn Read,
    routes: &Routes,
    services: &Services,
    report: &mut Report,
) -> Result<Trips, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let (id, route, service) = (rows.need("trip_id")?, rows.need("route_id")?, rows.need("service_id")?);
    let (direction, block) = (rows.col("direction_id"), rows.col("block_id"));
    let (shape, headsign, wheelchair) =
        (rows.col("shape_id"), rows.col("trip_headsign"), rows.col("wheelchair_accessible"));
    let mut trips = Trips::default();
    let (mut shapes, mut blocks) = (Names::default(), Names::default());
    while rows.next(report)? {
        trips.read += 1;
        if rows.get(id).is_empty() {
            report.add(rows.fault(Fault::MissingId, id, Action::RowIgnored));
            continue;
        }
        if trips.names.get(rows.get(id)).is_some() {
            report.add(rows.fault(Fault::DuplicateId, id, Action::FirstKept));
            continue;
        }
        let (Some(route_at), Some(service_at)) =
            (routes.names.get(rows.get(route)), services.names.get(rows.get(service)))
        else {
            let route_known = routes.names.get(rows.get(route)).is_some();
            let (what, col) = if route_known { (Fault::UnknownService, service) } else { (Fault::UnknownRoute, route) };
            let detail = format!("trip_id {}", String::from_utf8_lossy(rows.get(id)));
            report.add(rows.fault(what, col, Action::TripDropped).detail(detail));
            trips.dropped.insert(rows.get(id), 0);
            continue;
        };
        trips.names.insert(rows.get(id), trips.items.len());
        let trip = RawTrip {
            id: rows.text(id, report),
            route: RouteIdx::new(route_at as usize),
            service: ServiceIdx::new(service_at as usize),
            direction: match rows.get(direction) {
                b"0" => Some(0),
                b"1" => Some(1),
                _ => None,
            },
            block: name_of(&rows, block, &mut blocks, &mut trips.blocks, report),
            shape: name_of(&rows, shape, &mut shapes, &mut trips.shapes, report),
            headsign: rows.text(headsign, report),
            wheelchair: match rows.get(wheelchair) {
                b"1" => Some(true),
                b"2" => Some(false),
                _ => None,
            },
            line: rows.line(),
        };
        trips.items.push(trip);
    }
    Ok(trips)
}

/// The position of the name in this column; `None` where the field is empty.
fn name_of(
    rows: &Table<'_>,
    col: Col,
    names: &mut Names,
    list: &mut Vec<Box<str>>,
    report: &mut Report,
) -> Option<u32> {
    let field = rows.get(col);
    if field.is_empty() {
        return None;
    }
    let at = names.intern(field);
    if names.len() > list.len() {
        list.push(rows.text(col, report));
    }
    Some(at)
}
