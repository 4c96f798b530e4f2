//! One tracker at work: waits for its next fix, sends it, keeps it until it is acknowledged, and
//! comes back with patience when nobody answers.
//!
//! What is not sent yet is not stored anywhere: the fixes of a day are a sequence that can wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Record;
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::SharedClock;
use transit_model::time::{ServiceDate, UnixMs};

use super::days::Days;
use super::stats::Counters;
use super::wire::{Fault, Wire};
use crate::chance::{Topic, chance, unit, word};
use crate::tracker::fault::Damage;
use crate::tracker::{Report, Tracker, TrackerDay};

/// The server has so long to answer, in real time.
const ANSWER: Duration = Duration::from_secs(15);
/// The clock is looked at so often at least, in real time: it may be moved by hand.
const LOOK: Duration = Duration::from_secs(1);
/// A fix kept back longer than this was kept back for want of a network, milliseconds.
const OUTAGE: i64 = 10_000;
/// A service day's vehicles may be on the road so long before its clock starts, seconds.
const EARLY: i64 = 3600;

pub(super) struct Courier {
    pub(super) days: Arc<Days>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) wire: Wire,
    pub(super) clock: SharedClock,
    pub(super) counters: Arc<Counters>,
    pub(super) retry: Policy,
    pub(super) seed: u64,
    /// What was received before this moment is not sent.
    pub(super) started: UnixMs,
}

impl Courier {
    /// Works until it is told to stop.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        shutdown.clone().run_until_cancelled_owned(self.all_days()).await;
        self.wire.hang_up();
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
        let Some(day) = plan.vehicle(&self.tracker.vehicle).filter(|d| d.span().1 >= started.plus_secs(-3600)) else {
            return;
        };
        let reports = TrackerDay::new(&plan.timetable, &self.tracker, Arc::clone(day));
        let mut reports = reports.filter(Report::said).skip_while(|r| r.fix.received < started).peekable();
        while let Some(next) = reports.peek() {
            let due = next.fix.received;
            tokio::select! {
                () = wait_until(&self.clock, due) => {}
                fault = self.wire.idle() => {
                    self.failed(&fault);
                    continue;
                }
            }
            let now = self.clock.now().max(due);
            let mut batch: Vec<Report> = Vec::new();
            while let Some(report) = reports.next_if(|r| r.fix.received <= now && batch.len() < self.wire.most()) {
                batch.push(report);
            }
            // Whoever comes out of a dead zone comes with a new connection.
            if batch.first().is_some_and(|r| r.fix.received.0 - r.made.0 > OUTAGE) {
                self.wire.hang_up();
            }
            let damage = batch.iter().find_map(|r| r.damage);
            self.deliver(batch.iter().map(Report::record).collect(), damage).await;
        }
        self.wire.hang_up();
    }

    /// Delivers records, however often it takes; the first message damaged, if it is to be.
    async fn deliver(&mut self, mut records: Vec<Record>, mut damage: Option<Damage>) {
        let mut backoff = Backoff::new(self.retry);
        let mut rng = chance(self.seed, Topic::Backoff, word(self.tracker.vehicle.as_str()), 0);
        let mut again = false;
        let mut width = records.len();
        while !records.is_empty() {
            let some = records.get(..width.min(records.len())).unwrap_or_default();
            if let Some(how) = damage {
                match timeout(ANSWER, self.wire.deliver_damaged(some, how)).await.unwrap_or(Err(Fault::TimedOut)) {
                    Ok(did) => {
                        damage = None;
                        Counters::add(&self.counters.damaged, usize::from(did));
                    }
                    // It is to be refused as it is, below.
                    Err(Fault::Unencodable(_)) => damage = None,
                    Err(fault) => {
                        self.failed(&fault);
                        sleep(backoff.wait(unit(&mut rng))).await;
                        continue;
                    }
                }
            }
            let answer = timeout(ANSWER, self.wire.deliver(some)).await.unwrap_or(Err(Fault::TimedOut));
            if !matches!(answer, Err(Fault::Unreachable(_) | Fault::Unencodable(_))) {
                Counters::add(&self.counters.sent, some.len());
                Counters::add(&self.counters.resent, if again { some.len() } else { 0 });
                again = true;
            }
            match answer {
                Ok(delivered) => {
                    Counters::add(&self.counters.connections, usize::from(delivered.connected));
                    Counters::add(&self.counters.acknowledged, delivered.taken);
                    records.drain(..delivered.taken.min(records.len()));
                    again = false;
                    backoff.reset();
                }
                // One record that does not fit must not take the others with it.
                Err(Fault::Unencodable(_)) if width > 1 => {
                    width = 1;
                    self.wire.hang_up();
                }
                Err(fault) => {
                    self.failed(&fault);
                    if matches!(fault, Fault::Unencodable(_)) {
                        records.drain(..1);
                    } else {
                        sleep(backoff.wait(unit(&mut rng))).await;
                    }
                }
            }
        }
    }

    fn failed(&mut self, fault: &Fault) {
        self.counters.fault(fault);
        self.wire.hang_up();
        tracing::debug!(vehicle = %self.tracker.vehicle, protocol = %self.tracker.protocol, %fault, "not delivered");
    }
}

/// Waits until the clock says so.
async fn wait_until(clock: &SharedClock, t: UnixMs) {
    loop {
        let left = t.0 - clock.now().0;
        if left <= 0 {
            return;
        }
        let left = clock.real(Duration::from_millis(left.unsigned_abs()));
        sleep(left.clamp(Duration::from_millis(1), LOOK)).await;
    }
}
