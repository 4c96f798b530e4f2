//! Fixes that come from elsewhere, sent as a tracker would: kept until they are acknowledged, in their order,
//! with patience when nobody answers. One relay to each vehicle; what it may hold is bounded.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transit_model::backoff::Policy;
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::ids::{FeedId, VehicleId};

use super::delivery::Delivery;
use super::stats::Counters;
use super::wire::Wire;
use super::{Endpoints, SimDevice, Stats};
use crate::tracker::{Place, Split, Tracker, record};

/// Fixes that a tracker keeps while nobody takes them: an hour at a fix every fifteen seconds.
const KEPT: usize = 240;

/// Who relays, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Relays {
    trackers: Vec<Arc<Tracker>>,
    endpoints: Endpoints,
    secret: [u8; 32],
    feed: FeedId,
}

impl Relays {
    /// A tracker to each vehicle; what it speaks hangs on the seed, its token on the secret.
    pub(crate) fn of(
        vehicles: impl IntoIterator<Item = VehicleId>,
        (seed, secret): (u64, [u8; 32]),
        endpoints: Endpoints,
        feed: FeedId,
    ) -> Self {
        let split = endpoints.restrict(&Split::default());
        let tracker = |v| Arc::new(Tracker::of(seed, &v, VehicleKind::Transit, &split));
        Self { trackers: vehicles.into_iter().map(tracker).collect(), endpoints, secret, feed }
    }

    /// The devices that will connect.
    pub(crate) fn devices(&self) -> Vec<SimDevice> {
        self.trackers.iter().map(|t| SimDevice::of(t, self.secret)).collect()
    }

    /// Opens a relay to each vehicle. Must be called in a tokio runtime.
    pub(crate) fn open(&self, seed: u64, stop: &CancellationToken) -> Outboxes {
        let counters = Arc::new(Counters::default());
        let http = reqwest::Client::new();
        let (tasks, mut boxes) = (TaskTracker::new(), FxHashMap::default());
        for tracker in &self.trackers {
            let Some(endpoint) = self.endpoints.of(tracker.protocol) else { continue };
            let (outbox, inbox) = mpsc::channel(KEPT);
            boxes.insert(tracker.vehicle.clone(), outbox);
            let wire = Wire::to(tracker, endpoint, &tracker.token(self.secret), &self.feed, &http);
            let (tracker, counters) = (Arc::clone(tracker), Arc::clone(&counters));
            let delivery = Delivery { tracker, wire, counters, retry: Policy::default(), seed };
            let relay = Relay { delivery, inbox };
            tasks.spawn(stop.clone().run_until_cancelled_owned(relay.run()));
        }
        tasks.close();
        Outboxes { boxes, counters, tasks }
    }
}

/// Where the fixes of each vehicle are put.
pub(crate) struct Outboxes {
    boxes: FxHashMap<VehicleId, mpsc::Sender<Fix>>,
    counters: Arc<Counters>,
    tasks: TaskTracker,
}

impl Outboxes {
    /// Gives a fix to its vehicle's tracker; says whether that had room for it.
    pub(crate) fn put(&self, fix: Fix) -> bool {
        self.boxes.get(&fix.vehicle).is_some_and(|outbox| outbox.try_send(fix).is_ok())
    }

    /// What has been sent, acknowledged, refused so far.
    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Waits until everything that was put is the server's, or the relays were told to stop.
    pub(crate) async fn close(mut self) -> Stats {
        self.boxes.clear();
        self.tasks.wait().await;
        self.stats()
    }
}

struct Relay {
    delivery: Delivery,
    inbox: mpsc::Receiver<Fix>,
}

impl Relay {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let most = self.delivery.wire.most().max(1);
            tokio::select! {
                n = self.inbox.recv_many(&mut batch, most) => {
                    if n == 0 {
                        break;
                    }
                    self.delivery.deliver(batch.drain(..).map(|f| record(&f, Place::Valid)).collect(), None).await;
                }
                fault = self.delivery.wire.idle() => self.delivery.failed(&fault),
            }
        }
        self.delivery.wire.hang_up();
    }
}
