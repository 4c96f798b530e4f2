//! What a load counts, and how long things took. The histogram covers a microsecond to an hour at three
//! digits, so a server that stands still for a minute is in it as a minute.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency told apart, microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Where a latency ends when nothing is answered.
pub(super) const BLIND: &str = "write";

/// The counters of a run. Records, where nothing else is said.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Written to a connection for the first time.
    pub(super) sent: AtomicU64,
    /// The server's now.
    pub(super) acknowledged: AtomicU64,
    /// Not written within the patience.
    pub(super) not_sent: AtomicU64,
    /// Written, and not acknowledged within the patience.
    pub(super) unacknowledged: AtomicU64,
    /// Written once more on a new connection.
    pub(super) resent: AtomicU64,
    /// Connections opened.
    pub(super) connections: AtomicU64,
    /// Connections that nobody took.
    pub(super) unreachable: AtomicU64,
    /// Logins and messages the server said no to, and answers that are none.
    pub(super) refused: AtomicU64,
    /// Connections that broke.
    pub(super) lost: AtomicU64,
    latencies: Mutex<Option<Histogram<u64>>>,
}

/// What a load did, as it is printed.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LoadReport {
    /// What was spoken.
    pub protocol: &'static str,
    /// To whom.
    pub server: String,
    /// By how many.
    pub vehicles: u32,
    /// Over how many connections at once.
    pub connections: u32,
    /// Records of a vehicle at a time.
    pub records_per_turn: u32,
    /// Records a second that were to be sent.
    pub rate: f64,
    /// Seconds of the plan that have passed.
    pub seconds: f64,
    /// Records whose time had come: `sent + not_sent`, and those still waiting.
    pub due: u64,
    /// Records written for the first time.
    pub sent: u64,
    /// Records the server took: `sent = acknowledged + unacknowledged`, and those on their way.
    pub acknowledged: u64,
    /// Records that could not be written within the patience.
    pub not_sent: u64,
    /// Records written and not acknowledged within the patience.
    pub unacknowledged: u64,
    /// Records written again on a new connection.
    pub resent: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Attempts to connect that found nobody.
    pub connections_unreachable: u64,
    /// Logins and messages refused.
    pub refused: u64,
    /// Connections that broke.
    pub connections_lost: u64,
    /// Records a second that were acknowledged (written, where nothing is answered).
    pub per_second: f64,
    /// What ends a latency: `acknowledgement`, or `write` where nothing is answered. It begins when the
    /// record was due.
    pub latency_to: &'static str,
    /// Half of the records took no longer, ms.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1000.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// The share of a core the generator took.
    pub core_share: Option<f64>,
    /// Memory of the whole process, bytes.
    pub rss_bytes: Option<u64>,
    /// What the run added to it, by vehicle.
    pub bytes_a_vehicle: Option<f64>,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    /// So many records took so long from when they were due.
    pub(super) fn took(&self, latency: Duration, records: usize) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
        let mut held = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        }
        if let Some(h) = held.as_mut() {
            h.saturating_record_n(micros.max(1), records as u64);
        }
    }

    /// The counters and latencies as they stand, the rest left empty.
    pub(super) fn report(&self, latency_to: &'static str, elapsed: Duration) -> LoadReport {
        let read = |c: &AtomicU64| c.load(Relaxed);
        let held = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile: f64| held.as_ref().map_or(0.0, |h| h.value_at_quantile(quantile) as f64 / 1000.0);
        let max_ms = held.as_ref().map_or(0.0, |h| h.max() as f64 / 1000.0);
        let done = held.as_ref().map_or(0, Histogram::len);
        LoadReport {
            sent: read(&self.sent),
            acknowledged: read(&self.acknowledged),
            not_sent: read(&self.not_sent),
            unacknowledged: read(&self.unacknowledged),
            resent: read(&self.resent),
            connections_opened: read(&self.connections),
            connections_unreachable: read(&self.unreachable),
            refused: read(&self.refused),
            connections_lost: read(&self.lost),
            per_second: done as f64 / elapsed.as_secs_f64().max(1e-3),
            latency_to,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms,
            ..LoadReport::default()
        }
    }
}

impl LoadReport {
    /// The line of a second: totals so far.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{:>5.0} s  due {:>10}  acknowledged {:>10}  waiting {:>7}  not sent {:>7}  lost {:>5}  refused {:>5}  p50 {:.1} ms  p99 {:.1} ms  max {:.0} ms",
            self.seconds,
            self.due,
            self.acknowledged,
            self.waiting(),
            self.not_sent,
            self.connections_lost,
            self.refused + self.connections_unreachable,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
        )
    }

    /// Records whose time has come and of which nothing is known yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let settled = if self.latency_to == BLIND { self.sent } else { self.acknowledged + self.unacknowledged };
        self.due.saturating_sub(settled + self.not_sent)
    }
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} records a second of {} vehicles by {} over {} connections to {}, {} at a time, for {:.1} s",
            self.rate, self.vehicles, self.protocol, self.connections, self.server, self.records_per_turn, self.seconds
        )?;
        writeln!(
            f,
            "due {}  sent {}  acknowledged {} ({:.0} a second)  not sent {}  without an answer {}  sent again {}",
            self.due, self.sent, self.acknowledged, self.per_second, self.not_sent, self.unacknowledged, self.resent
        )?;
        writeln!(
            f,
            "connections: {} opened, {} found nobody, {} lost; {} refusals",
            self.connections_opened, self.connections_unreachable, self.connections_lost, self.refused
        )?;
        write!(
            f,
            "from due to {}: p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
            self.latency_to, self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms
        )?;
        if let Some(share) = self.core_share {
            write!(f, "\nthe generator took {:.0} % of one core", share * 100.0)?;
        }
        if let (Some(rss), Some(each)) = (self.rss_bytes, self.bytes_a_vehicle) {
            write!(f, "\nmemory: {} MB, of which the run {each:.0} bytes a vehicle", rss / 1_000_000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_waiting_is_a_second_in_the_histogram() {
        let tally = Tally::default();
        tally.took(Duration::from_millis(2), 98);
        tally.took(Duration::from_secs(1), 2);
        let r = tally.report("acknowledgement", Duration::from_secs(10));
        assert!((r.p50_ms - 2.0).abs() < 0.01 && (r.p99_ms - 1000.0).abs() < 2.0, "{r:?}");
        assert!((r.per_second - 10.0).abs() < 1e-9);
        tally.took(Duration::from_secs(100_000), 1);
        assert!(tally.report("write", Duration::from_secs(10)).max_ms >= 3_599_000.0, "beyond an hour is an hour");
    }

    #[test]
    fn what_is_due_and_not_known_waits() {
        let r = LoadReport { due: 100, acknowledged: 60, not_sent: 10, unacknowledged: 5, ..LoadReport::default() };
        assert_eq!(r.waiting(), 25);
        assert!(r.line().contains("waiting      25"), "{}", r.line());
    }
}
