//! The engine's figures for `/metrics`, under `zupynka_engine_`.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use transit_model::dispatch::Phase;

use crate::accuracy::gauges::AccuracyGauges;
use crate::engine::Counts;
use crate::learning::calibration::Calibration;
use crate::world::World;

/// Why a fix was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What a vehicle is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

/// Lower end of a lead bin, seconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Lead {
    lead: u32,
}

/// The engine's metrics.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    fixes: Counter,
    ignored: Family<Reason, Counter>,
    stop_events: Counter,
    links_learned: Counter,
    trip_changes: Counter,
    vehicles: Family<InPhase, Gauge>,
    predictions: Gauge,
    concerns: Gauge,
    world_age: Gauge<f64, AtomicU64>,
    error: Family<Lead, Gauge<f64, AtomicU64>>,
    step: Histogram,
    store_failures: Counter,
    events_lost: Counter,
    /// How good predictions have been.
    pub accuracy: AccuracyGauges,
}

impl EngineMetrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let m = Self {
            fixes: Counter::default(),
            ignored: Family::default(),
            stop_events: Counter::default(),
            links_learned: Counter::default(),
            trip_changes: Counter::default(),
            vehicles: Family::default(),
            predictions: Gauge::default(),
            concerns: Gauge::default(),
            world_age: Gauge::default(),
            error: Family::default(),
            step: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            store_failures: Counter::default(),
            events_lost: Counter::default(),
            accuracy: AccuracyGauges::register(registry),
        };
        let r = registry.sub_registry_with_prefix("zupynka_engine");
        r.register("fixes", "Fixes matched", m.fixes.clone());
        r.register("fixes_ignored", "Fixes not taken, by reason", m.ignored.clone());
        r.register("stop_events", "Calls that were made", m.stop_events.clone());
        r.register("links_learned", "Link times learned", m.links_learned.clone());
        r.register("trip_changes", "Times a vehicle changed its trip", m.trip_changes.clone());
        r.register("vehicles", "Vehicles seen in the last six hours, by phase", m.vehicles.clone());
        r.register("predictions", "Calls ahead with a prediction", m.predictions.clone());
        r.register("concerns", "What needs a dispatcher", m.concerns.clone());
        r.register("newest_fix_age_seconds", "Age of the newest fix", m.world_age.clone());
        r.register(
            "prediction_error_seconds",
            "Mean absolute error of the last predictions that came true, by lead in seconds",
            m.error.clone(),
        );
        r.register("step_seconds", "Time of one round: fixes, predictions, world", m.step.clone());
        r.register("store_failures", "Writes the store did not take", m.store_failures.clone());
        r.register("stop_events_lost", "Stop events given up because the store failed too long", m.events_lost.clone());
        m
    }

    /// Takes in what was done since `before`.
    pub fn count(&self, before: Counts, now: Counts) {
        self.fixes.inc_by(now.fixes - before.fixes);
        self.ignored.get_or_create(&Reason { reason: "late" }).inc_by(now.late - before.late);
        self.ignored.get_or_create(&Reason { reason: "leap" }).inc_by(now.leaps - before.leaps);
        self.stop_events.inc_by(now.stop_events - before.stop_events);
        self.links_learned.inc_by(now.links_learned - before.links_learned);
        self.trip_changes.inc_by(now.trip_changes - before.trip_changes);
    }

    /// Takes in a world and how good predictions have been.
    pub fn observe(&self, world: &World, calibration: &Calibration, step: f64) {
        let phases =
            [Phase::AtBase, Phase::Deadhead, Phase::Layover, Phase::InProgress, Phase::OffRoute, Phase::Unknown];
        for phase in phases {
            let n = world.vehicles.iter().filter(|v| v.phase == phase).count();
            self.vehicles.get_or_create(&InPhase { phase: phase.name() }).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
        let predictions: usize = world.vehicles.iter().map(|v| v.ahead.len()).sum();
        self.predictions.set(i64::try_from(predictions).unwrap_or(i64::MAX));
        self.concerns.set(i64::try_from(world.concerns.len()).unwrap_or(i64::MAX));
        if let Some(newest) = world.vehicles.iter().map(|v| v.fix_time).max() {
            self.world_age.set((world.now.0 - newest.0) as f64 / 1000.0);
        }
        for (lead, error) in calibration.errors() {
            self.error.get_or_create(&Lead { lead: lead as u32 }).set(f64::from(error));
        }
        self.step.observe(step);
    }

    /// So many stop events were given up.
    pub fn events_lost(&self, n: usize) {
        self.events_lost.inc_by(n as u64);
    }

    /// The store did not take a write.
    pub fn store_failed(&self) {
        self.store_failures.inc();
    }
}
