//! A tracker's records on their way: kept until they are acknowledged, sent again with patience when nobody
//! answers. Where the records come from is its user's business.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracker_ingest::codec::Record;
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::SharedClock;
use transit_model::time::UnixMs;

use super::stats::Counters;
use super::wire::{Fault, Wire};
use crate::chance::{Topic, chance, unit, word};
use crate::tracker::Tracker;
use crate::tracker::fault::Damage;

/// The server has so long to answer, in real time.
const ANSWER: Duration = Duration::from_secs(15);
/// The clock is looked at so often at least, in real time: it may be moved by hand.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Delivery {
    pub(super) tracker: Arc<Tracker>,
    pub(super) wire: Wire,
    pub(super) counters: Arc<Counters>,
    pub(super) retry: Policy,
    pub(super) seed: u64,
}

impl Delivery {
    /// Delivers records, however often it takes; the first message damaged, if it is to be.
    pub(super) async fn deliver(&mut self, mut records: Vec<Record>, mut damage: Option<Damage>) {
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

    /// Counts a fault and hangs up.
    pub(super) fn failed(&mut self, fault: &Fault) {
        self.counters.fault(fault);
        self.wire.hang_up();
        tracing::debug!(vehicle = %self.tracker.vehicle, protocol = %self.tracker.protocol, %fault, "not delivered");
    }
}

/// Waits until the clock says so.
pub(crate) async fn wait_until(clock: &SharedClock, t: UnixMs) {
    loop {
        let left = t.0 - clock.now().0;
        if left <= 0 {
            return;
        }
        let left = clock.real(Duration::from_millis(left.unsigned_abs()));
        sleep(left.clamp(Duration::from_millis(1), LOOK)).await;
    }
}
