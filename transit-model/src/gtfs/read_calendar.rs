//! `calendar.txt` and `calendar_dates.txt`: the days each service runs.

use std::io::Read;

use super::LoadError;
use super::report::{Action, Fault, Finding, Report};
use super::source::Source;
use super::table::{Names, Table};
use crate::ids::{Idx as _, IdxVec, ServiceIdx};
use crate::time::ServiceDate;
use crate::timetable::Service;

const WEEKLY: &str = "calendar.txt";
const DATES: &str = "calendar_dates.txt";
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The services by id.
#[derive(Default)]
pub(super) struct Services {
    pub(super) items: IdxVec<ServiceIdx, Service>,
    pub(super) names: Names,
    /// The file and line of each.
    places: Vec<(&'static str, u32)>,
}

/// Reads both files; a feed needs one of them.
pub(super) fn read_services(source: &Source<'_>, report: &mut Report) -> Result<Services, LoadError> {
    if !source.has(WEEKLY) && !source.has(DATES) {
        return Err(source.missing("calendar.txt or calendar_dates.txt"));
    }
    let mut services = Services::default();
    source.read(WEEKLY, |bytes| read_weekly(&source.name, bytes, &mut services, report))?;
    source.read(DATES, |bytes| read_dates(&source.name, bytes, &mut services, report))?;
    for (_, service) in services.items.iter_mut() {
        for days in [&mut service.added, &mut service.removed] {
            days.sort_unstable();
            days.dedup();
        }
    }
    report_empty(&services, report);
    Ok(services)
}

fn read_weekly(
    path: &str,
    bytes: &mut dyn Read,
    services: &mut Services,
    report: &mut Report,
) -> Result<(), LoadError> {
    let mut rows = Table::open(path, WEEKLY, bytes)?;
    let id = rows.need("service_id")?;
    let (from, to) = (rows.need("start_date")?, rows.need("end_date")?);
    let days = DAYS.map(|day| rows.col(day));
    while rows.next(report)? {
        if rows.get(id).is_empty() {
            report.add(rows.fault(Fault::MissingId, id, Action::RowIgnored));
            continue;
        }
        if services.names.get(rows.get(id)).is_some() {
            report.add(rows.fault(Fault::DuplicateId, id, Action::FirstKept));
            continue;
        }
        let mut weekdays = 0u8;
        for (bit, day) in days.into_iter().enumerate() {
            match rows.get(day) {
                b"1" => weekdays |= 1 << bit,
                b"0" | b"" => {}
                _ => report.add(rows.fault(Fault::BadValue, day, Action::ValueIgnored)),
            }
        }
        let first = rows.date(from, report, Action::ValueIgnored);
        let last = rows.date(to, report, Action::ValueIgnored);
        let range = first.zip(last);
        if range.is_some_and(|(first, last)| last < first) {
            let detail = range.map_or_else(String::new, |(first, _)| format!("it starts on {first}"));
            report.add(rows.fault(Fault::CalendarBackwards, to, Action::ValueIgnored).detail(detail));
        }
        services.names.insert(rows.get(id), services.items.len());
        services.items.push(Service {
            id: rows.text(id, report),
            weekdays,
            range: range.filter(|(first, last)| first <= last),
            ..Service::default()
        });
        services.places.push((WEEKLY, rows.line()));
    }
    Ok(())
}

fn read_dates(path: &str, bytes: &mut dyn Read, services: &mut Services, report: &mut Report) -> Result<(), LoadError> {
    let mut rows = Table::open(path, DATES, bytes)?;
    let (id, day, kind) = (rows.need("service_id")?, rows.need("date")?, rows.need("exception_type")?);
    while rows.next(report)? {
        let Some(date) = rows.date(day, report, Action::RowIgnored) else {
            if rows.get(day).is_empty() {
                report.add(rows.fault(Fault::BadDate, day, Action::RowIgnored));
            }
            continue;
        };
        let at = match services.names.get(rows.get(id)) {
            Some(at) => ServiceIdx::new(at as usize),
            None => {
                services.places.push((DATES, rows.line()));
                services.names.insert(rows.get(id), services.items.len());
                services.items.push(Service { id: rows.text(id, report), ..Service::default() })
            }
        };
        let Some(service) = services.items.get_mut(at) else { continue };
        match rows.get(kind) {
            b"1" => service.added.push(date),
            b"2" => service.removed.push(date),
            _ => report.add(rows.fault(Fault::BadValue, kind, Action::RowIgnored)),
        }
    }
    Ok(())
}

/// Services that never run, and a feed where none does.
fn report_empty(services: &Services, report: &mut Report) {
    for ((_, service), (file, line)) in services.items.iter().zip(&services.places) {
        if !runs_ever(service) {
            let finding = Finding::new(Fault::EmptyService, file, Action::Kept).line(*line);
            report.add(finding.value("service_id", &service.id));
        }
    }
    if !services.items.iter().any(|(_, s)| runs_ever(s)) {
        let file = services.places.first().map_or(DATES, |(file, _)| file);
        report.add(Finding::new(Fault::EmptyCalendar, file, Action::Kept));
    }
}

fn runs_ever(service: &Service) -> bool {
    // In so many weeks, one of the weekdays cannot have been removed every time.
    let weeks = i32::try_from(service.removed.len()).unwrap_or(i32::MAX).saturating_add(1);
    !service.added.is_empty()
        || service.range.is_some_and(|(from, to)| {
            let last = to.days().min(from.days().saturating_add(weeks.saturating_mul(7)));
            (from.days()..=last).map(ServiceDate::from_days).any(|d| service.runs_on(d))
        })
}
