//! `agency.txt` and `feed_info.txt`: who runs it, and in which zone.

use std::io::Read;

use super::LoadError;
use super::report::{Action, Fault, Finding, Report};
use super::source::Source;
use super::table::{Names, Table};
use crate::ids::{AgencyIdx, IdxVec};
use crate::time::Zone;
use crate::timetable::{Agency, FeedInfo};

const FILE: &str = "agency.txt";

/// The agencies and the zone they share.
pub(super) struct Agencies {
    pub(super) items: IdxVec<AgencyIdx, Agency>,
    pub(super) names: Names,
    pub(super) zone: Zone,
}

/// Reads `agency.txt`; without it the zone is UTC.
pub(super) fn read_agencies(source: &Source<'_>, report: &mut Report) -> Result<Agencies, LoadError> {
    if let Some(agencies) = source.read(FILE, |bytes| read(&source.name, bytes, report))? {
        return Ok(agencies);
    }
    report.add(Finding::new(Fault::MissingFile, FILE, Action::Utc));
    Ok(Agencies { items: IdxVec::new(), names: Names::default(), zone: Zone::utc() })
}

fn read(path: &str, bytes: &mut dyn Read, report: &mut Report) -> Result<Agencies, LoadError> {
    let mut rows = Table::open(path, FILE, bytes)?;
    let zone_col = rows.col("agency_timezone");
    let (id, name) = (rows.col("agency_id"), rows.col("agency_name"));
    let (mut items, mut names) = (IdxVec::new(), Names::default());
    let mut zone: Option<Zone> = None;
    while rows.next(report)? {
        let zone_name = String::from_utf8_lossy(rows.get(zone_col)).into_owned();
        match (&zone, Zone::named(&zone_name)) {
            (None, Ok(known)) => zone = Some(known),
            (Some(first), Ok(other)) if first.name() != other.name() => {
                let detail = format!("the first is {}", first.name());
                report.add(rows.fault(Fault::ZonesDiffer, zone_col, Action::FirstZone).detail(detail));
            }
            (_, Ok(_)) => {}
            (_, Err(_)) => report.add(rows.fault(Fault::UnknownZone, zone_col, Action::ValueIgnored)),
        }
        if names.get(rows.get(id)).is_some() {
            report.add(rows.fault(Fault::DuplicateId, id, Action::FirstKept));
            continue;
        }
        names.insert(rows.get(id), items.len());
        items.push(Agency { id: rows.text(id, report), name: rows.text(name, report) });
    }
    let zone = zone.unwrap_or_else(|| {
        report.add(Finding::new(Fault::UnknownZone, FILE, Action::Utc).detail("no agency has a known zone"));
        Zone::utc()
    });
    Ok(Agencies { items, names, zone })
}

/// Reads `feed_info.txt`, where there is one.
pub(super) fn read_feed_info(source: &Source<'_>, report: &mut Report) -> FeedInfo {
    let info = source.read_optional("feed_info.txt", report, |bytes, report| {
        let mut rows = Table::open(&source.name, "feed_info.txt", bytes)?;
        let publisher = rows.col("feed_publisher_name");
        let (lang, version) = (rows.col("feed_lang"), rows.col("feed_version"));
        if !rows.next(report)? {
            return Ok(FeedInfo::default());
        }
        Ok(FeedInfo {
            publisher: rows.text(publisher, report),
            lang: rows.text(lang, report),
            version: rows.text(version, report),
        })
    });
    info.unwrap_or_default()
}
