//! What HTTP counts of itself.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A path of the API and how it was answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct Answered {
    /// The path's pattern, never the path itself: strangers must not make series.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
}

/// A path of the API.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct Path {
    /// The path's pattern.
    pub path: String,
}

/// A kind of live stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub enum Stream {
    /// Of a stop's board.
    Board,
    /// Of the dispatcher.
    Dispatch,
}

/// The label of a stream.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct StreamLabel {
    /// Which.
    pub stream: Stream,
}

/// HTTP's counters.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Answers given.
    pub answered: Family<Answered, Counter>,
    /// How long they took, seconds.
    pub took: Family<Path, Histogram, fn() -> Histogram>,
    /// Requests refused by the rate limit.
    pub limited: Counter,
    /// Live connections open now.
    pub live: Family<StreamLabel, Gauge>,
    /// Live connections dropped because they did not take what was sent.
    pub dropped: Family<StreamLabel, Counter>,
    /// Boards composed for live streams.
    pub composed: Counter,
}

impl HttpMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 4.0, 8));
        let all = Self {
            answered: Family::default(),
            took: Family::new_with_constructor(buckets),
            limited: Counter::default(),
            live: Family::default(),
            dropped: Family::default(),
            composed: Counter::default(),
        };
        let r = registry.sub_registry_with_prefix("zupynka_http");
        r.register("answers", "Answers given, by path and status", all.answered.clone());
        r.register("answer_seconds", "Time taken to answer, by path", all.took.clone());
        r.register("rate_limited", "Requests refused by the rate limit", all.limited.clone());
        r.register("live_connections", "Live connections open now", all.live.clone());
        r.register("live_dropped", "Live connections dropped for not taking what was sent", all.dropped.clone());
        r.register("boards_composed", "Boards composed for live streams", all.composed.clone());
        all
    }
}
