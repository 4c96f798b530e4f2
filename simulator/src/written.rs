//! Simulated time as files: what is wanted, of which days or hours, written in one pass.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use tracker_ingest::gate::Verdict;
use transit_model::time::{ServiceDate, UnixMs};

use crate::corpus::{FAULTS, FIXES, MATCHES, TRUTH, Table, WriteError};
use crate::fleet::Fleet;
use crate::hearing::Hearing;
use crate::tracker::ReportsBetween;

/// Which files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) fixes: Option<PathBuf>,
    pub(crate) truth: Option<PathBuf>,
    pub(crate) matches: Option<PathBuf>,
    pub(crate) faults: Option<PathBuf>,
    /// Only fixes that the gate lets move a vehicle, with times as it corrects them.
    pub(crate) gated: bool,
}

/// Of what.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    /// Whole service days, from the first to the last.
    Days(ServiceDate, ServiceDate),
    /// What is received from a moment to before another.
    Window(UnixMs, UnixMs),
}

/// How many rows came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) fixes: u64,
    pub(crate) stops: u64,
    pub(crate) faults: u64,
}

impl Wanted {
    pub(crate) const fn nothing(&self) -> bool {
        self.fixes.is_none() && self.truth.is_none() && self.matches.is_none() && self.faults.is_none()
    }

    /// Writes them.
    pub(crate) fn write(&self, fleet: &Fleet, span: Span) -> Result<Rows, WriteError> {
        let days = span.days(fleet);
        let mut rows = Rows::default();
        if let Some(path) = &self.truth {
            let mut table = Table::create(path, &TRUTH)?;
            let progress = ProgressBar::new(days.len() as u64);
            for day in &days {
                table.truth_between(&fleet.plan(*day), span.window())?;
                progress.inc(1);
            }
            progress.finish_and_clear();
            rows.stops = table.finish()?;
        }
        if self.fixes.is_some() || self.matches.is_some() {
            rows.fixes = self.reports(fleet, span)?;
        }
        if let Some(path) = &self.faults {
            let mut table = Table::create(path, &FAULTS)?;
            if let (Some(first), Some(last)) = (days.first(), days.last()) {
                let (from, to) = span.window();
                for day in &days {
                    let plan = fleet.plan(*day);
                    for what in plan.happened.iter().filter(|h| h.from < to && h.to >= from) {
                        table.happened(what, fleet.timetable())?;
                    }
                }
                for fault in fleet.injected(*first, *last).iter().filter(|f| f.from < to && f.to >= from) {
                    table.fault(fault)?;
                }
            }
            rows.faults = table.finish()?;
        }
        Ok(rows)
    }

    /// The fixes and their true matches, row by row.
    fn reports(&self, fleet: &Fleet, span: Span) -> Result<u64, WriteError> {
        let open = |path: &Option<PathBuf>, header: &[&str]| {
            path.as_deref().map(|p: &Path| Table::create(p, header)).transpose()
        };
        let (mut fixes, mut matches) = (open(&self.fixes, &FIXES)?, open(&self.matches, &MATCHES)?);
        let tt = fleet.timetable();
        let mut gate = self.gated.then(|| Hearing::of(tt));
        let progress = ProgressBar::new_spinner();
        let mut rows = 0;
        for report in span.reports(fleet) {
            let fix = match &mut gate {
                None => report.heard().cloned(),
                Some(gate) => match gate.judge(&report).verdict {
                    Verdict::Live(fix) => Some(fix),
                    Verdict::HistoryOnly(..) | Verdict::Refused(_) => None,
                },
            };
            let Some(fix) = fix else { continue };
            if let Some(table) = &mut fixes {
                table.fix(&fix)?;
            }
            if let Some(table) = &mut matches {
                table.true_match(&fix, &report, tt)?;
            }
            rows += 1;
            if rows % 10_000 == 0 {
                progress.set_message(format!("{rows} fixes"));
                progress.tick();
            }
        }
        progress.finish_and_clear();
        for table in [fixes, matches].into_iter().flatten() {
            table.finish()?;
        }
        Ok(rows)
    }
}

impl Span {
    /// Every service day that may have a part in it.
    fn days(self, fleet: &Fleet) -> Vec<ServiceDate> {
        let (first, last) = match self {
            Self::Days(first, last) => (first, last),
            Self::Window(from, to) => {
                let tt = fleet.timetable();
                let reach = tt.span().1.0.div_euclid(86_400) + 1;
                (tt.zone.date(from).plus_days(-reach), tt.zone.date(to))
            }
        };
        (0..).map(|n| first.plus_days(n)).take_while(|d| *d <= last).collect()
    }

    const fn window(self) -> (UnixMs, UnixMs) {
        match self {
            Self::Days(..) => (UnixMs(i64::MIN), UnixMs(i64::MAX)),
            Self::Window(from, to) => (from, to),
        }
    }

    fn reports(self, fleet: &Fleet) -> ReportsBetween {
        match self {
            Self::Days(first, last) => fleet.reports_of_days(first, last),
            Self::Window(from, to) => fleet.reports_between(from, to),
        }
    }
}
