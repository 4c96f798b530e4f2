//! The last day's accuracy for `/metrics`, under `zupynka_accuracy_`.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::bins::HORIZONS;
use super::measure::{Cell, Who};

/// Who predicted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct By {
    predictor: &'static str,
}

/// Who predicted, and how far ahead, minutes to the arrival.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ahead {
    predictor: &'static str,
    horizon: &'static str,
}

type Float = Gauge<f64, AtomicU64>;

/// The gauges.
#[derive(Clone, Debug, Default)]
pub struct AccuracyGauges {
    mae: Family<Ahead, Float>,
    bias: Family<By, Float>,
    p90: Family<By, Float>,
    beyond: Family<By, Float>,
    benchmark: Family<By, Float>,
    pairs: Family<By, Gauge>,
    coverage: Float,
    cover: Float,
    width: Float,
    count_up: Float,
    wobble: Float,
    unproven: Float,
}

impl AccuracyGauges {
    /// Makes the gauges and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let g = Self::default();
        let r = registry.sub_registry_with_prefix("zupynka_accuracy");
        r.register(
            "error_seconds",
            "Mean absolute error of the last service day by minutes to the arrival",
            g.mae.clone(),
        );
        r.register("bias_seconds", "Mean of actual - predicted of the last service day", g.bias.clone());
        r.register("p90_seconds", "Nine in ten errors are below this", g.p90.clone());
        r.register("over_ten_minutes_ratio", "Share of errors beyond ten minutes", g.beyond.clone());
        r.register("eta_benchmark_ratio", "ETA Accuracy Benchmark", g.benchmark.clone());
        r.register("pairs", "Predictions of the last service day that were judged", g.pairs.clone());
        r.register("coverage_ratio", "Share of minutes before arrivals with a prediction", g.coverage.clone());
        r.register("interval_cover_ratio", "Share of arrivals between p10 and p90", g.cover.clone());
        r.register("interval_width_seconds", "Mean of p90 - p10", g.width.clone());
        r.register("count_up_ratio", "Share of minutes in which the minute shown rose", g.count_up.clone());
        r.register("wobble_seconds", "Median change of a promised arrival in a minute", g.wobble.clone());
        r.register("unproven_ratio", "Share of predictions that never came true", g.unproven.clone());
        g
    }

    /// Shows a day.
    pub fn show(&self, cell: &Cell) {
        let set = |gauge: &Float, value: Option<f64>| {
            value.map(|v| gauge.set(v));
        };
        for (who, m) in cell.present().filter(|(w, _)| matches!(w, Who::Ours | Who::Sched)) {
            let by = By { predictor: who.name() };
            for (span, errors) in HORIZONS.iter().zip(&m.errors) {
                set(&self.mae.get_or_create(&Ahead { predictor: who.name(), horizon: span.name }), errors.mae());
            }
            let all = m.all();
            set(&self.bias.get_or_create(&by), all.bias());
            set(&self.p90.get_or_create(&by), all.quantile(0.9));
            set(&self.beyond.get_or_create(&by), all.beyond());
            set(&self.benchmark.get_or_create(&by), m.eta_benchmark());
            self.pairs.get_or_create(&by).set(i64::try_from(all.n).unwrap_or(i64::MAX));
        }
        let intervals = cell.intervals();
        set(&self.coverage, cell.coverage.share());
        set(&self.cover, intervals.cover.share());
        set(&self.width, intervals.width());
        set(&self.count_up, cell.count_up.share());
        set(&self.wobble, cell.wobble());
        set(&self.unproven, cell.unproven.share());
    }
}
