//! The truth about faults: whose tracker was touched by which, from when to when.

use std::collections::BTreeMap;

use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use super::{Faults, TrackerDay};

/// A fault at work: one tracker, one stretch of reports that it touched, none between them untouched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Injected {
    /// In which vehicle the tracker is.
    pub vehicle: VehicleId,
    /// When the first report it touched was made.
    pub from: UnixMs,
    /// When the last one was.
    pub to: UnixMs,
    /// Which of the fleet's faults, by number.
    pub rule: usize,
    /// Its name.
    pub kind: &'static str,
    /// Its parameters.
    pub parameters: String,
    /// How many moments of report it touched.
    pub reports: usize,
}

/// What was wrong with a tracker on a day.
pub(crate) fn injected(faults: &Faults, day: TrackerDay) -> Vec<Injected> {
    let vehicle = day.vehicle().clone();
    let mut touched: BTreeMap<UnixMs, u64> = BTreeMap::new();
    for report in day {
        *touched.entry(report.made).or_default() |= report.faults;
    }
    let mut found = Vec::new();
    for (n, rule) in faults.rules() {
        let mut at: Option<Injected> = None;
        for (made, mask) in &touched {
            if mask >> n & 1 == 0 {
                found.extend(at.take());
                continue;
            }
            let now = at.get_or_insert_with(|| Injected {
                vehicle: vehicle.clone(),
                from: *made,
                to: *made,
                rule: n,
                kind: rule.kind.name(),
                parameters: rule.kind.to_string(),
                reports: 0,
            });
            now.to = *made;
            now.reports += 1;
        }
        found.extend(at);
    }
    found
}
