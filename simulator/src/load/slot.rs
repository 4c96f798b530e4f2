//! A place for one connection at a time: its turns, and what is done when the server is slow or gone.
//!
//! Every turn has until its patience ends and not a moment longer, so that a slot is never further behind
//! the clock than that, and a server that is not there is asked again with growing waits.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tokio::time::{sleep, timeout};
use tracker_ingest::codec::Record;
use transit_model::backoff::{Backoff, Policy};
use transit_model::time::UnixMs;

use super::link::{Fault, Link, Peer};
use super::tally::Tally;
use super::{Run, WARM_UP, device};
use crate::chance::{Topic, chance, unit};

/// How far a turn has come, in records.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Written at least once.
    written: usize,
    /// The server's.
    taken: usize,
}

/// A place for one connection.
pub(super) struct Slot {
    run: Arc<Run>,
    slot: u32,
    link: Option<Link>,
    backoff: Backoff,
    /// No connection is tried before, on the run's watch.
    not_before: Duration,
    rng: ChaCha8Rng,
}

impl Slot {
    pub(super) fn new(run: Arc<Run>, slot: u32) -> Self {
        let rng = chance(u64::from(run.load.first), Topic::Backoff, u64::from(slot), 0);
        Self { run, slot, link: None, backoff: Backoff::new(Policy::default()), not_before: Duration::ZERO, rng }
    }

    /// Takes every turn of the plan.
    pub(super) async fn run(mut self) {
        let run = Arc::clone(&self.run);
        let plan = &run.load.plan;
        if plan.keeps_connections() {
            sleep(Duration::from_secs_f64(f64::from(self.slot) / WARM_UP)).await;
            // Failed or not, the first turn comes when it is due.
            match timeout(run.load.patience, connect(&run, plan.vehicle(self.slot, 0))).await {
                Ok(Ok(link)) => self.link = Some(link),
                Ok(Err(fault)) => self.failed(&fault),
                Err(_) => self.failed(&Fault::Lost),
            }
        }
        for turn in 0.. {
            let due = plan.due(self.slot, turn);
            if due >= run.load.lasts {
                break;
            }
            run.wait_until(due).await;
            self.turn(turn, due).await;
            if !plan.keeps_connections() {
                self.hang_up().await;
            }
        }
        self.hang_up().await;
    }

    async fn turn(&mut self, turn: u32, due: Duration) {
        let run = Arc::clone(&self.run);
        let mut progress = Progress::default();
        let left = (due + run.load.patience).saturating_sub(run.elapsed());
        if !left.is_zero() {
            let records = self.records(run.load.plan.vehicle(self.slot, turn), due);
            let vehicle = run.load.plan.vehicle(self.slot, turn);
            if timeout(left, self.deliver(vehicle, &records, due, &mut progress)).await.is_err() && self.link.is_some()
            {
                // In the middle of a message: nothing can follow it on this connection.
                self.failed(&Fault::Lost);
            }
        }
        let all = run.load.plan.per_turn() as usize;
        Tally::add(&run.tally.not_sent, all.saturating_sub(progress.written));
        if !run.load.blind {
            Tally::add(&run.tally.unacknowledged, progress.written.saturating_sub(progress.taken));
        }
    }

    /// What a vehicle has collected since its last turn.
    fn records(&self, vehicle: u32, due: Duration) -> Vec<Record> {
        let (run, plan) = (&self.run, &self.run.load.plan);
        let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        let (last, interval) = (micros(run.warm_up + due), micros(plan.interval()));
        let vehicle = run.load.first + vehicle;
        (0..i64::from(plan.per_turn()))
            .rev()
            .map(|n| {
                let after = last.saturating_sub(n.saturating_mul(interval)).div_euclid(1000);
                run.ways.record(vehicle, UnixMs(run.began.0.saturating_add(after)))
            })
            .collect()
    }

    /// Delivers records, however many connections it takes; ends when all are the server's, or none can be.
    async fn deliver(&mut self, vehicle: u32, records: &[Record], due: Duration, progress: &mut Progress) {
        loop {
            let told = match self.link.as_mut() {
                Some(link) => tell(&self.run, link, records, due, progress).await,
                None => {
                    sleep(self.not_before.saturating_sub(self.run.watch.elapsed())).await;
                    connect(&self.run, vehicle).await.map(|link| self.link = Some(link))
                }
            };
            match told {
                Ok(()) if progress.taken == records.len() => {
                    self.backoff.reset();
                    return;
                }
                Ok(()) => {}
                Err(fault) => {
                    self.failed(&fault);
                    if matches!(fault, Fault::Unencodable(_)) {
                        return;
                    }
                }
            }
        }
    }

    async fn hang_up(&mut self) {
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    /// Counts a fault, hangs up, and lets some time pass before the next connection, however many turns
    /// come due meanwhile.
    fn failed(&mut self, fault: &Fault) {
        self.link = None;
        self.not_before = self.run.watch.elapsed() + self.backoff.wait(unit(&mut self.rng));
        let tally = &self.run.tally;
        let counter = match fault {
            Fault::Unreachable => &tally.unreachable,
            Fault::Refused | Fault::Unencodable(_) => &tally.refused,
            Fault::Lost => &tally.lost,
        };
        Tally::add(counter, 1);
        tracing::debug!(slot = self.slot, %fault, "not delivered");
    }
}

/// Opens a vehicle's connection and logs in.
async fn connect(run: &Run, vehicle: u32) -> Result<Link, Fault> {
    let load = &run.load;
    let peer = Peer { protocol: load.protocol, server: &load.server, blind: load.blind };
    let link = Link::open(peer, &device(load.first + vehicle)).await?;
    Tally::add(&run.tally.connections, 1);
    Ok(link)
}

/// Tells the records that are not the server's yet, message by message.
async fn tell(
    run: &Run,
    link: &mut Link,
    records: &[Record],
    due: Duration,
    progress: &mut Progress,
) -> Result<(), Fault> {
    while progress.taken < records.len() {
        let rest = records.get(progress.taken..).unwrap_or_default();
        let message = rest.get(..link.most(rest.len())).unwrap_or(rest);
        link.tell(message).await?;
        let upto = progress.taken + message.len();
        let new = upto.saturating_sub(progress.written);
        Tally::add(&run.tally.sent, new);
        Tally::add(&run.tally.resent, message.len() - new);
        progress.written = progress.written.max(upto);
        link.hear().await?;
        Tally::add(&run.tally.acknowledged, if run.load.blind { 0 } else { message.len() });
        progress.taken = upto;
        run.tally.took(run.elapsed().saturating_sub(due), message.len());
    }
    Ok(())
}
