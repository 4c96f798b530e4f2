//! `routes.txt`.

use std::io::Read;

use super::LoadError;
use super::read_agency::Agencies;
use super::report::{Action, Fault, Report};
use super::source::Source;
use super::table::{Col, Names, Table};
use crate::ids::{AgencyIdx, Idx as _, IdxVec, RouteIdx};
use crate::timetable::{Mode, Route};

const FILE: &str = "routes.txt";

/// The routes by id.
pub(super) struct Routes {
    pub(super) items: IdxVec<RouteIdx, Route>,
    pub(super) names: Names,
}

/// Reads `routes.txt`.
pub(super) fn read_routes(source: &Source<'_>, agencies: &Agencies, report: &mut Report) -> Result<Routes, LoadError> {
    let read = source.read(FILE, |bytes| read(&source.name, bytes, agencies, report))?;
    read.ok_or_else(|| source.missing(FILE))
}

fn read(path: &str, bytes: &mut dyn Read, agencies: &Agencies, report: &mut Report) -> Result<Routes, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let (id, kind) = (rows.need("route_id")?, rows.need("route_type")?);
    let (short, long, agency) = (rows.col("route_short_name"), rows.col("route_long_name"), rows.col("agency_id"));
    let (colour, text_colour) = (rows.col("route_color"), rows.col("route_text_color"));
    let mut routes = Routes { items: IdxVec::new(), names: Names::default() };
    while rows.next(report)? {
        if rows.get(id).is_empty() {
            report.add(rows.fault(Fault::MissingId, id, Action::RowIgnored));
            continue;
        }
        if routes.names.get(rows.get(id)).is_some() {
            report.add(rows.fault(Fault::DuplicateId, id, Action::FirstKept));
            continue;
        }
        let mode = std::str::from_utf8(rows.get(kind)).ok().and_then(|t| t.parse().ok()).and_then(mode_of);
        if mode.is_none() {
            report.add(rows.fault(Fault::BadValue, kind, Action::TakenAsBus));
        }
        let long_name = rows.text(long, report);
        let short_name = Some(rows.text(short, report)).filter(|s| !s.is_empty()).unwrap_or_else(|| long_name.clone());
        routes.names.insert(rows.get(id), routes.items.len());
        let route = Route {
            id: rows.text(id, report),
            agency: agency_of(&rows, agency, agencies, report),
            short_name,
            long_name,
            mode: mode.unwrap_or(Mode::Bus),
            colour: colour_of(&rows, colour, report),
            text_colour: colour_of(&rows, text_colour, report),
        };
        routes.items.push(route);
    }
    Ok(routes)
}

/// The agency of a route; a feed with one agency need not name it.
fn agency_of(rows: &Table<'_>, col: Col, agencies: &Agencies, report: &mut Report) -> Option<AgencyIdx> {
    let only = (agencies.items.len() == 1).then(|| AgencyIdx::new(0));
    match (rows.get(col), agencies.names.get(rows.get(col))) {
        (_, Some(at)) => Some(AgencyIdx::new(at as usize)),
        (b"", None) => only,
        (_, None) => {
            report.add(rows.fault(Fault::UnknownAgency, col, Action::ValueIgnored));
            only
        }
    }
}

fn colour_of(rows: &Table<'_>, col: Col, report: &mut Report) -> Option<u32> {
    let field = rows.get(col);
    let digits = field.strip_prefix(b"#").unwrap_or(field);
    if digits.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(digits).ok().filter(|t| t.len() == 6);
    let colour = text.and_then(|t| u32::from_str_radix(t, 16).ok());
    if colour.is_none() {
        report.add(rows.fault(Fault::BadValue, col, Action::ValueIgnored));
    }
    colour
}

/// The mode of a `route_type`, basic or extended (Google's hierarchical vehicle types).
const fn mode_of(route_type: u16) -> Option<Mode> {
    Some(match route_type {
        3 | 200..=299 | 700..=799 => Mode::Bus,
        11 | 800..=899 => Mode::Trolleybus,
        0 | 900..=999 => Mode::Tram,
        1 | 400..=404 | 500..=699 => Mode::Metro,
        2 | 12 | 100..=199 | 405..=499 => Mode::Rail,
        4 | 1000..=1099 | 1200..=1299 => Mode::Ferry,
        5..=7 | 1300..=1499 => Mode::Cable,
        _ => return None,
    })
}
