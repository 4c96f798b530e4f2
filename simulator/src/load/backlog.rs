//! Trackers that come out of a long dead zone: each sends what it has collected, message after message, as
//! fast as it is acknowledged. The loop is closed on purpose: that is how such trackers behave, and what is
//! measured is how long the whole takes and what it does to everybody else ([`super::Load`] beside it).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracker_ingest::codec::{Protocol, Record};
use transit_model::backoff::{Backoff, Policy};
use transit_model::clock::{Clock as _, Stopwatch, SystemClock};
use transit_model::time::UnixMs;

use super::link::{Fault, Link, Peer};
use super::ways::Ways;
use super::{LoadError, device};
use crate::chance::{Topic, chance, unit};

/// Between two records of a tracker, seconds.
const INTERVAL: i64 = 5;
/// The youngest record is so old, seconds: too old to be live.
const YOUNGEST: i64 = 1800;

/// A backlog and whose it is.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// What the trackers speak; over a stream of bytes.
    pub protocol: Protocol,
    /// `host:port`.
    pub server: String,
    /// How many trackers, each on a connection of its own.
    pub devices: u32,
    /// Records of each.
    pub records_each: u32,
    /// The number of the first.
    pub first: u32,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct BacklogReport {
    /// Records there were.
    pub records: u64,
    /// Records the server took.
    pub acknowledged: u64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Records a second.
    pub per_second: f64,
    /// Connections refused or lost on the way.
    pub faults: u64,
}

#[derive(Debug, Default)]
struct Counted {
    acknowledged: AtomicU64,
    faults: AtomicU64,
}

impl Backlog {
    /// Sends all of it, on a thread of its own, however often a connection breaks, until it is told to stop.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub async fn run(self, ways: Arc<Ways>, stop: CancellationToken) -> Result<BacklogReport, LoadError> {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(self.send(ways, stop)))
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| LoadError::Start(std::io::Error::other(e)))?
    }

    async fn send(self, ways: Arc<Ways>, stop: CancellationToken) -> BacklogReport {
        let watch = Stopwatch::start();
        let now = SystemClock.now();
        let (backlog, counted) = (Arc::new(self), Arc::new(Counted::default()));
        let tasks = TaskTracker::new();
        for n in 0..backlog.devices {
            let (backlog, counted, ways) = (Arc::clone(&backlog), Arc::clone(&counted), Arc::clone(&ways));
            let work = async move { backlog.tracker(n, now, &ways, &counted).await };
            tasks.spawn(stop.clone().run_until_cancelled_owned(work));
        }
        tasks.close();
        tasks.wait().await;
        let (seconds, acknowledged) = (watch.elapsed().as_secs_f64(), counted.acknowledged.load(Relaxed));
        BacklogReport {
            records: u64::from(backlog.devices) * u64::from(backlog.records_each),
            acknowledged,
            seconds,
            per_second: acknowledged as f64 / seconds.max(1e-3),
            faults: counted.faults.load(Relaxed),
        }
    }

    async fn tracker(&self, n: u32, now: UnixMs, ways: &Ways, counted: &Counted) {
        let vehicle = self.first + n;
        let mut backoff = Backoff::new(Policy::default());
        let mut rng = chance(u64::from(self.first), Topic::Backoff, u64::from(n), 1);
        let mut taken = 0;
        while taken < self.records_each {
            let sent = self.session(vehicle, now, ways, &mut taken, counted).await;
            if sent.is_err() {
                counted.faults.fetch_add(1, Relaxed);
                let wait: Duration = backoff.wait(unit(&mut rng));
                sleep(wait).await;
            }
        }
    }

    /// One connection, for as long as it holds.
    async fn session(
        &self,
        vehicle: u32,
        now: UnixMs,
        ways: &Ways,
        taken: &mut u32,
        counted: &Counted,
    ) -> Result<(), Fault> {
        let peer = Peer { protocol: self.protocol, server: &self.server, blind: false };
        let mut link = Link::open(peer, &device(vehicle)).await?;
        while *taken < self.records_each {
            let left = self.records_each - *taken;
            let most = u32::try_from(link.most(left as usize)).unwrap_or(left);
            let record = |n: u32| -> Record {
                let ago = YOUNGEST + i64::from(self.records_each - n) * INTERVAL;
                ways.record(vehicle, now.plus_secs(-ago))
            };
            let message: Vec<Record> = (*taken..*taken + most).map(record).collect();
            link.tell(&message).await?;
            link.hear().await?;
            *taken += most;
            counted.acknowledged.fetch_add(u64::from(most), Relaxed);
        }
        link.close().await;
        Ok(())
    }
}
