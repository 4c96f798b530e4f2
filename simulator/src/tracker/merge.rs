//! The reports of all trackers as a server has them: one stream in the order they are received, over
//! as many days as one likes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use transit_model::fix::Fix;
use transit_model::time::{ServiceDate, UnixMs};

use super::{Report, TrackerDay};
use crate::fleet::Fleet;

/// A vehicle may be on the road so long before its service day's clock starts, seconds.
const EARLY: i64 = 3600;

/// A stream of what all trackers say, in the order of receipt.
pub struct ReportsBetween {
    fleet: Arc<Fleet>,
    from: UnixMs,
    to: UnixMs,
    /// The next service day to be driven, and the moment its first report may come.
    next_day: (ServiceDate, UnixMs),
    /// No service day after this one is driven.
    last_day: ServiceDate,
    sources: Vec<Option<(Report, TrackerDay)>>,
    queue: BinaryHeap<Reverse<(UnixMs, usize)>>,
}

impl ReportsBetween {
    /// Every report received from one moment to before another.
    pub(crate) fn window(fleet: Arc<Fleet>, from: UnixMs, to: UnixMs) -> Self {
        let zone = &fleet.timetable().zone;
        let reach = fleet.timetable().span().1.0.div_euclid(86_400) + 1;
        let (first, last) = (zone.date(from).plus_days(-reach), zone.date(to).plus_days(1));
        Self::new(fleet, (from, to), (first, last))
    }

    /// Every report of the vehicles of these service days, whenever it was received.
    pub(crate) fn days(fleet: Arc<Fleet>, first: ServiceDate, last: ServiceDate) -> Self {
        Self::new(fleet, (UnixMs(i64::MIN), UnixMs(i64::MAX)), (first, last))
    }

    fn new(fleet: Arc<Fleet>, (from, to): (UnixMs, UnixMs), (first, last_day): (ServiceDate, ServiceDate)) -> Self {
        let next_day = (first, starts(&fleet, first));
        Self { fleet, from, to, next_day, last_day, sources: Vec::new(), queue: BinaryHeap::new() }
    }

    /// Drives further days until none of them can hold the next report.
    fn drive_days(&mut self) {
        while self.next_day.0 <= self.last_day
            && self.next_day.1 < self.to
            && self.queue.peek().is_none_or(|Reverse((t, _))| *t >= self.next_day.1)
        {
            if self.queue.is_empty() {
                self.sources.clear();
            }
            for mut day in self.fleet.trackers_on(self.next_day.0) {
                if let Some(report) = day.find(|r| r.said() && r.fix.received >= self.from) {
                    self.queue.push(Reverse((report.fix.received, self.sources.len())));
                    self.sources.push(Some((report, day)));
                }
            }
            let date = self.next_day.0.plus_days(1);
            self.next_day = (date, starts(&self.fleet, date));
        }
    }
}

fn starts(fleet: &Fleet, date: ServiceDate) -> UnixMs {
    fleet.timetable().zone.day_start(date).plus_secs(-EARLY)
}

impl Iterator for ReportsBetween {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        self.drive_days();
        let Reverse((received, n)) = self.queue.pop()?;
        if received >= self.to {
            self.queue.clear();
            return None;
        }
        let source = self.sources.get_mut(n)?;
        let (report, mut day) = source.take()?;
        if let Some(after) = day.find(Report::said) {
            self.queue.push(Reverse((after.fix.received, n)));
            *source = Some((after, day));
        }
        Some(report)
    }
}

/// The same as a server has it that knows the fleet and believes everything: without strangers and
/// without what is no valid position.
pub struct FixesBetween(pub(crate) ReportsBetween);

impl Iterator for FixesBetween {
    type Item = Fix;

    fn next(&mut self) -> Option<Fix> {
        self.0.find_map(|r| r.heard().cloned())
    }
}
