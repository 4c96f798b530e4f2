//! The way of reports to the server: what is held back in a dead zone and in which order it leaves,
//! what is overtaken, what is sent twice, what is damaged. Given reports in the order they are made,
//! it gives them in the order they can be received.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use transit_model::time::UnixMs;

use super::fault::{Kind, Order};
use super::receiver::Step;
use super::report::Report;
use crate::chance::{between, unit};

/// A backlog leaves at this pace, milliseconds a record.
pub(super) const BACKLOG: i64 = 20;
/// What a day ends with in a dead zone leaves so long after, milliseconds: in the depot.
const DEPOT: i64 = 60_000;
/// A record is sent again so long after the first time, seconds from and to.
const AGAIN: (f64, f64) = (0.05, 30.0);
/// A record that is overtaken comes so many intervals late.
const OVERTAKEN: (f64, f64) = (1.2, 3.5);

#[derive(Clone, Debug)]
struct Queued {
    received: UnixMs,
    n: u64,
    report: Report,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.received, self.n).cmp(&(other.received, other.n))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Post {
    held: Vec<Report>,
    order: Option<Order>,
    queue: BinaryHeap<Reverse<Queued>>,
    /// The last of a backlog that left in order; whatever is made later queues behind it.
    tail: UnixMs,
    n: u64,
}

impl Post {
    /// Takes a report just made.
    pub(super) fn take(&mut self, mut report: Report, interval: i64, steps: &mut [Step]) {
        if !report.said() {
            self.queue(report);
            return;
        }
        let here = (report.made, report.truth.xy);
        let dead = steps.iter().find_map(|s| match s.kind {
            Kind::DeadZone { order } if s.acts(here.0, here.1) => Some((s.bit(), order)),
            _ => None,
        });
        if let Some((bit, order)) = dead {
            report.faults |= bit;
            self.order = Some(order);
            self.held.push(report);
            return;
        }
        if self.held.is_empty() {
            if report.fix.received <= self.tail {
                report.fix.received = UnixMs(self.tail.0 + BACKLOG);
                self.tail = report.fix.received;
            }
            self.send(report, interval, steps);
        } else {
            let from = report.fix.received;
            self.held.push(report);
            self.release(from, interval, steps);
        }
    }

    /// Lets what is held back go; the day is over.
    pub(super) fn end(&mut self, interval: i64, steps: &mut [Step]) {
        if let Some(last) = self.held.last() {
            let from = UnixMs(last.made.0 + DEPOT);
            self.release(from, interval, steps);
        }
    }

    /// The next report, if nothing made at or after this moment can come before it.
    pub(super) fn next_before(&mut self, made: Option<UnixMs>) -> Option<Report> {
        let Reverse(head) = self.queue.peek()?;
        if made.is_some_and(|made| head.received > made) {
            return None;
        }
        self.queue.pop().map(|Reverse(q)| q.report)
    }

    fn release(&mut self, from: UnixMs, interval: i64, steps: &mut [Step]) {
        let mut backlog = std::mem::take(&mut self.held);
        let newest_first = self.order == Some(Order::NewestFirst);
        if newest_first {
            backlog.reverse();
        }
        let mut at = UnixMs(from.0.max(self.tail.0 + BACKLOG));
        for mut report in backlog {
            report.fix.received = at;
            self.send(report, interval, steps);
            at.0 += BACKLOG;
        }
        // Who sends the newest first sends what is made meanwhile in between.
        if !newest_first {
            self.tail = UnixMs(at.0 - BACKLOG);
        }
    }

    fn send(&mut self, mut report: Report, interval: i64, steps: &mut [Step]) {
        let here = (report.made, report.truth.xy);
        let mut copies = Vec::new();
        for step in steps {
            let chance = match step.kind {
                Kind::Duplicates { chance } | Kind::Reordering { chance } | Kind::Damage { chance, .. } => chance,
                _ => continue,
            };
            if !step.acts(here.0, here.1) || unit(&mut step.rng) >= chance {
                continue;
            }
            match step.kind {
                Kind::Duplicates { .. } => {
                    let mut copy = Report { again: true, faults: report.faults | step.bit(), ..report.clone() };
                    copy.fix.received.0 += UnixMs::from_secs_f64(between(&mut step.rng, AGAIN.0, AGAIN.1)).0;
                    copies.push(copy);
                }
                Kind::Reordering { .. } => {
                    let late = between(&mut step.rng, OVERTAKEN.0, OVERTAKEN.1) * UnixMs(interval).secs_f64();
                    report.fix.received.0 += UnixMs::from_secs_f64(late).0;
                    report.faults |= step.bit();
                }
                Kind::Damage { how, .. } => {
                    report.damage = Some(how);
                    report.faults |= step.bit();
                }
                _ => {}
            }
        }
        self.queue(report);
        copies.into_iter().for_each(|c| self.queue(c));
    }

    fn queue(&mut self, report: Report) {
        self.n += 1;
        self.queue.push(Reverse(Queued { received: report.fix.received, n: self.n, report }));
    }
}
