//! One tracker at work: waits for its next fix, sends it, keeps it until it is acknowledged, and
//! comes back with patience when nobody answers.
//!
//! What is not sent yet is not stored anywhere: the fixes of a day are a sequence that can wait.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use transit_model::clock::SharedClock;
use transit_model::time::{ServiceDate, UnixMs};

use super::days::Days;
use super::delivery::{Delivery, wait_until};
use crate::tracker::{Report, TrackerDay};

/// A fix kept back longer than this was kept back for want of a network, milliseconds.
const OUTAGE: i64 = 10_000;
/// A service day's vehicles may be on the road so long before its clock starts, seconds.
const EARLY: i64 = 3600;

pub(super) struct Courier {
    pub(super) days: Arc<Days>,
    pub(super) delivery: Delivery,
    pub(super) clock: SharedClock,
    /// What was received before this moment is not sent.
    pub(super) started: UnixMs,
}

impl Courier {
    /// Works until it is told to stop.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        shutdown.clone().run_until_cancelled_owned(self.all_days()).await;
        self.delivery.wire.hang_up();
    }

    async fn all_days(&mut self) {
        let timetable = Arc::clone(self.days.fleet().timetable());
        let reach = timetable.span().1.0.div_euclid(86_400) + 1;
        let mut date = timetable.zone.date(self.started).plus_days(-reach);
        loop {
            wait_until(&self.clock, timetable.zone.day_start(date).plus_secs(-EARLY)).await;
            self.one_day(date).await;
            date = date.plus_days(1);
        }
    }

    /// Sends what the tracker sees on a service day.
    async fn one_day(&mut self, date: ServiceDate) {
        let started = self.started;
        let Some(plan) = self.days.plan(date).await else { return };
        let Some(day) = plan.vehicle(&self.delivery.tracker.vehicle).filter(|d| d.span().1 >= started.plus_secs(-3600))
        else {
            return;
        };
        let reports = TrackerDay::new(&plan.timetable, &self.delivery.tracker, Arc::clone(day));
        let mut reports = reports.filter(Report::said).skip_while(|r| r.fix.received < started).peekable();
        while let Some(next) = reports.peek() {
            let due = next.fix.received;
            tokio::select! {
                () = wait_until(&self.clock, due) => {}
                fault = self.delivery.wire.idle() => {
                    self.delivery.failed(&fault);
                    continue;
                }
            }
            let now = self.clock.now().max(due);
            let mut batch: Vec<Report> = Vec::new();
            while let Some(report) =
                reports.next_if(|r| r.fix.received <= now && batch.len() < self.delivery.wire.most())
            {
                batch.push(report);
            }
            // Whoever comes out of a dead zone comes with a new connection.
            if batch.first().is_some_and(|r| r.fix.received.0 - r.made.0 > OUTAGE) {
                self.delivery.wire.hang_up();
            }
            let damage = batch.iter().find_map(|r| r.damage);
            self.delivery.deliver(batch.iter().map(Report::record).collect(), damage).await;
        }
        self.delivery.wire.hang_up();
    }
}
