//! What ingest counts, for `/metrics` and for whoever asks in the same process.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::codec::Protocol;
use crate::gate::Warfare;
use crate::journal::BatchReport;
use crate::registry::binding::ChangeKind;
use crate::rejection::Rejection;

/// The name of the port that any protocol may speak on.
pub(crate) const ANY: &str = "any";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BySource {
    source: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

/// Of a pull source, by the name it has in the configuration.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByName {
    source: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByResult {
    source: String,
    result: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByBroker {
    broker: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByChange {
    kind: &'static str,
    decision: &'static str,
}

/// The counters of one ingest.
#[derive(Debug)]
pub(crate) struct Metrics {
    live: Family<BySource, Counter>,
    history: Family<BySource, Counter>,
    refused: Family<ByReason, Counter>,
    connections: Family<BySource, Gauge>,
    acknowledged: Histogram,
    batch_rows: Histogram,
    batch_seconds: Histogram,
    stored: Counter,
    not_stored: Counter,
    engine_busy: Counter,
    quarantined: Gauge,
    warfare: Family<ByKind, Gauge>,
    device_events: Family<ByKind, Counter>,
    brokers: Family<ByBroker, Gauge>,
    brokers_forgot: Family<ByBroker, Counter>,
    changes: Family<ByChange, Counter>,
    clock_jumps: Counter,
    clocks_off: Family<ByKind, Gauge>,
    pull_requests: Family<ByResult, Counter>,
    pull_age: Family<ByName, Gauge<f64, AtomicU64>>,
    pull_vehicles: Family<ByName, Gauge>,
}

/// The counters as they stand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Fixes that went to the engine.
    pub live: u64,
    /// Fixes that are history only.
    pub history: u64,
    /// Whatever was refused or kept out of the live picture, by reason; only reasons that occurred.
    pub refused: BTreeMap<&'static str, u64>,
    /// Open connections.
    pub connections: i64,
    /// Records on the disk, not counting repeated ones.
    pub stored: u64,
    /// Records that a failing disk did not take; their trackers were told nothing.
    pub not_stored: u64,
    /// Live fixes that the engine had no room for in time; they are in the history.
    pub engine_busy: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            live: Family::default(),
            history: Family::default(),
            refused: Family::default(),
            connections: Family::default(),
            acknowledged: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            batch_rows: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            batch_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            stored: Counter::default(),
            not_stored: Counter::default(),
            engine_busy: Counter::default(),
            quarantined: Gauge::default(),
            warfare: Family::default(),
            device_events: Family::default(),
            brokers: Family::default(),
            brokers_forgot: Family::default(),
            changes: Family::default(),
            clock_jumps: Counter::default(),
            clocks_off: Family::default(),
            pull_requests: Family::default(),
            pull_age: Family::default(),
            pull_vehicles: Family::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn live(&self, source: Protocol) {
        self.live.get_or_create(&BySource { source: source.name() }).inc();
    }

    pub(crate) fn history(&self, source: Protocol) {
        self.history.get_or_create(&BySource { source: source.name() }).inc();
    }

    pub(crate) fn refused(&self, reason: Rejection) {
        self.refused.get_or_create(&ByReason { reason: reason.name() }).inc();
    }

    /// `port` is the name of a protocol, or `any`.
    pub(crate) fn connected(&self, port: &'static str, by: i64) {
        self.connections.get_or_create(&BySource { source: port }).inc_by(by);
    }

    pub(crate) fn acknowledged(&self, after: Duration) {
        self.acknowledged.observe(after.as_secs_f64());
    }

    pub(crate) fn engine_busy(&self) {
        self.engine_busy.inc();
    }

    pub(crate) fn warfare(&self, kind: Warfare, episodes: usize) {
        let gauge = self.warfare.get_or_create(&ByKind { kind: kind.name() });
        gauge.set(i64::try_from(episodes).unwrap_or(i64::MAX));
    }

    /// Whether a broker is connected and lets us take something.
    pub(crate) fn broker(&self, name: &str, up: bool) {
        self.brokers.get_or_create(&ByBroker { broker: name.to_owned() }).set(up.into());
    }

    /// A broker came back without our session.
    pub(crate) fn broker_forgot(&self, name: &str) {
        self.brokers_forgot.get_or_create(&ByBroker { broker: name.to_owned() }).inc();
    }

    /// A device is not as it always was.
    pub(crate) fn changed(&self, kind: ChangeKind, refused: bool) {
        let decision = if refused { "refused" } else { "let_in" };
        self.changes.get_or_create(&ByChange { kind: kind.name(), decision }).inc();
    }

    pub(crate) fn clock_jumped(&self) {
        self.clock_jumps.inc();
    }

    /// How many clocks are off, ahead and behind.
    pub(crate) fn clocks(&self, (ahead, behind): (usize, usize)) {
        for (kind, n) in [("ahead", ahead), ("behind", behind)] {
            self.clocks_off.get_or_create(&ByKind { kind }).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    /// A pull source was asked, and last said anything new so long ago.
    pub(crate) fn pulled(&self, source: &str, result: &'static str, age: Duration) {
        self.pull_requests.get_or_create(&ByResult { source: source.to_owned(), result }).inc();
        self.pull_age.get_or_create(&ByName { source: source.to_owned() }).set(age.as_secs_f64());
    }

    /// So many vehicles are in a pull source's list.
    pub(crate) fn pull_vehicles(&self, source: &str, vehicles: usize) {
        let gauge = self.pull_vehicles.get_or_create(&ByName { source: source.to_owned() });
        gauge.set(i64::try_from(vehicles).unwrap_or(i64::MAX));
    }

    pub(crate) fn quarantined(&self, devices: usize) {
        self.quarantined.set(i64::try_from(devices).unwrap_or(i64::MAX));
    }

    pub(crate) fn batch(&self, report: &BatchReport) {
        match report {
            BatchReport::Committed { rows, new, took, news } => {
                for n in news.iter().filter(|n| n.changed) {
                    self.device_events.get_or_create(&ByKind { kind: n.event.name() }).inc();
                }
                self.stored.inc_by(*new);
                self.batch_seconds.observe(took.as_secs_f64());
                self.batch_rows.observe(f64::from(u32::try_from(*rows).unwrap_or(u32::MAX)));
            }
            BatchReport::Failed { rows, .. } => {
                self.not_stored.inc_by(*rows as u64);
            }
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let sum = |family: &Family<BySource, Counter>| {
            Protocol::ALL.iter().map(|p| family.get(&BySource { source: p.name() }).map_or(0, |c| c.get())).sum()
        };
        let refused = Rejection::ALL
            .iter()
            .filter_map(|r| self.refused.get(&ByReason { reason: r.name() }).map(|c| (r.name(), c.get())))
            .collect();
        let open = |source| self.connections.get(&BySource { source }).map_or(0, |g| g.get());
        Counters {
            live: sum(&self.live),
            history: sum(&self.history),
            refused,
            connections: Protocol::ALL.iter().map(|p| p.name()).chain([ANY]).map(open).sum(),
            stored: self.stored.get(),
            not_stored: self.not_stored.get(),
            engine_busy: self.engine_busy.get(),
        }
    }

    /// Puts everything on a registry, under `zupynka_ingest_`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("zupynka_ingest");
        r.register("fixes_live", "Fixes that went to the engine", self.live.clone());
        r.register("fixes_history", "Fixes that are history only", self.history.clone());
        r.register("refused", "Refused or kept out of the live picture (docs/rejections.md)", self.refused.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("acknowledgement_seconds", "From a message read to its acknowledgement", self.acknowledged.clone());
        r.register("journal_batch_records", "Records of a transaction", self.batch_rows.clone());
        r.register("journal_commit_seconds", "How long a transaction took", self.batch_seconds.clone());
        r.register("records_stored", "Records on the disk, repeated ones not counted", self.stored.clone());
        r.register("records_not_stored", "Records a failing disk did not take", self.not_stored.clone());
        r.register("engine_busy", "Live fixes the engine had no room for", self.engine_busy.clone());
        r.register("gnss_episodes", "Episodes of jamming and spoofing that last", self.warfare.clone());
        r.register("device_events", "What devices said has happened to them, once each", self.device_events.clone());
        r.register("broker_up", "Whether the broker is connected and lets us subscribe", self.brokers.clone());
        r.register("broker_sessions_lost", "Times a broker forgot our session", self.brokers_forgot.clone());
        r.register("device_changes", "Times a device was not as it always was", self.changes.clone());
        r.register("clock_jumps", "Times a device's clock was found off, or right again", self.clock_jumps.clone());
        r.register("clocks_off", "Devices whose clock is off and corrected", self.clocks_off.clone());
        r.register("pull_requests", "Questions to pull sources, by what came of them", self.pull_requests.clone());
        r.register("pull_age_seconds", "How long ago a pull source said anything new", self.pull_age.clone());
        r.register("pull_vehicles", "Vehicles in a pull source's last list", self.pull_vehicles.clone());
        r.register("quarantined_devices", "Devices in quarantine", self.quarantined.clone());
    }
}
