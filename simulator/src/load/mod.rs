//! Load: so many positions a second of so many vehicles, by the clock, whatever the server does.
//!
//! The loop is open. When a vehicle's records are due is fixed before the run begins ([`plan`]); a server
//! that is slow, or not there, changes nothing of it, and every wait it causes is in the figures: a record's
//! latency runs from the moment it *was due* to its acknowledgement. What could not be sent in time is
//! counted as not sent, never sent late in silence.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | which vehicle has something to say when; arithmetic |
//! | [`ways`] | where a vehicle is at a moment; arithmetic over the lines of a timetable |
//! | `link` | a device's connection: log in, tell, hear |
//! | `slot` | a place for one connection: its turns, and coming back |
//! | [`backlog`] | trackers out of a dead zone, beside the load |
//! | [`tally`] | what was counted and how long it took |
//! | [`sink`] | a server that keeps nothing, to measure the generator itself |
//! | [`process`] | what the process costs: memory, a thread's time, descriptors |
//! | [`args`] | `zupynka simulate --load` |
//!
//! Nothing is kept of a vehicle: its number says what it is called, where it is and when it speaks. Memory
//! is bounded by the connections that are open at once. Not here: faults of trackers, true traffic, or
//! protocols without a stream of bytes (HTTP, MQTT); [`crate::send`] has those.

pub mod args;
pub mod backlog;
mod link;
pub mod plan;
pub mod process;
pub mod sink;
mod slot;
pub mod tally;
pub mod ways;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracker_ingest::codec::{DeviceKey, EncodeError, Protocol};
use transit_model::clock::{Clock as _, Stopwatch, SystemClock};
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::tracker::imei;
use plan::Plan;
use slot::Slot;
use tally::{LoadReport, Tally};
use ways::Ways;

/// Connections opened a second before the clock starts, where each vehicle keeps its own.
const WARM_UP: f64 = 2000.0;
/// How often a progress line is due.
const LINE: Duration = Duration::from_secs(1);

/// What to load, and with what.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the vehicles speak; one over a stream of bytes.
    pub protocol: Protocol,
    /// `host:port`.
    pub server: String,
    /// Who speaks when.
    pub plan: Plan,
    /// How long the run lasts.
    pub lasts: Duration,
    /// How late a record may be written, or an acknowledgement come, after the record was due.
    pub patience: Duration,
    /// The server answers nothing, and nothing is waited for.
    pub blind: bool,
    /// The number of the first vehicle: runs with different ones share no device.
    pub first: u32,
}

/// A load cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not over a stream.
    #[error("--load speaks protocols over TCP, and {0} is not one; there are: {names}", names = streams())]
    NoStream(Protocol),
    /// Its devices cannot be called as ours are.
    #[error("a device of {protocol} cannot be called {device}: {why}")]
    Key {
        /// The protocol.
        protocol: Protocol,
        /// The first device; masked.
        device: DeviceKey,
        /// The reason.
        why: EncodeError,
    },
    /// The plan makes no sense.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The feed has no line that a vehicle could drive on.
    #[error("the feed has no line of a length to drive on")]
    NoWays,
    /// The thread or its runtime cannot be started.
    #[error("the generator cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// The names of the protocols a load can be made with.
fn streams() -> String {
    let names = Protocol::ALL.iter().copied().filter(|p| p.stream().is_some()).map(Protocol::name);
    names.collect::<Vec<_>>().join(", ")
}

/// What a vehicle's device calls itself: an IMEI made of the vehicle's number.
#[must_use]
pub fn device(vehicle: u32) -> DeviceKey {
    DeviceKey::from(imei(860_000_000_000 + u64::from(vehicle)))
}

/// What the vehicle is called.
#[must_use]
pub fn vehicle_id(vehicle: u32) -> VehicleId {
    VehicleId::from(format!("load-{vehicle:06}"))
}

impl Load {
    /// Whether it can be made at all.
    ///
    /// # Errors
    /// When the protocol has no stream, or its devices cannot be called as ours are.
    pub fn check(&self) -> Result<(), LoadError> {
        let codec = self.protocol.stream().ok_or(LoadError::NoStream(self.protocol))?;
        let device = device(self.first);
        let hello = (codec.terminal)(&device).hello();
        hello.map(drop).map_err(|why| LoadError::Key { protocol: self.protocol, device, why })
    }

    /// Runs it on one thread of its own until it is over or told to stop; `line` is called once a second
    /// with what has been counted so far.
    ///
    /// # Errors
    /// When it cannot be made or its thread cannot be started. What goes wrong on the wire is counted.
    pub async fn run(
        self,
        ways: Arc<Ways>,
        stop: CancellationToken,
        line: impl FnMut(&LoadReport) + Send + 'static,
    ) -> Result<LoadReport, LoadError> {
        self.check()?;
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(self.generate(ways, stop, line)))
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| LoadError::Start(std::io::Error::other(e)))?
    }

    async fn generate(self, ways: Arc<Ways>, stop: CancellationToken, mut line: impl FnMut(&LoadReport)) -> LoadReport {
        let before = process::rss_bytes();
        let cpu = process::thread_cpu();
        let slots = self.plan.slots();
        let warm_up = if self.plan.keeps_connections() { f64::from(slots) / WARM_UP + 0.2 } else { 0.0 };
        let run = Arc::new(Run {
            load: self,
            ways,
            tally: Tally::default(),
            watch: Stopwatch::start(),
            began: SystemClock.now(),
            warm_up: Duration::from_secs_f64(warm_up),
        });
        let tasks = TaskTracker::new();
        for slot in 0..slots {
            let slot = Slot::new(Arc::clone(&run), slot);
            tasks.spawn(stop.clone().run_until_cancelled_owned(slot.run()));
        }
        tasks.close();
        let report = |elapsed| run.report(elapsed, before, cpu);
        let mut ticks = tokio::time::interval(LINE);
        ticks.tick().await;
        loop {
            tokio::select! {
                () = tasks.wait() => break,
                _ = ticks.tick() => line(&report(run.elapsed().min(run.load.lasts))),
            }
        }
        // Every slot has had its last turn, or nobody wants them to.
        report(if stop.is_cancelled() { run.elapsed().min(run.load.lasts) } else { run.load.lasts })
    }
}

/// A run: what every slot shares.
struct Run {
    load: Load,
    ways: Arc<Ways>,
    tally: Tally,
    watch: Stopwatch,
    /// When the watch was started.
    began: UnixMs,
    /// How long after that the clock of the plan starts.
    warm_up: Duration,
}

impl Run {
    /// Time on the plan's clock; zero while connections are still being opened.
    fn elapsed(&self) -> Duration {
        self.watch.elapsed().saturating_sub(self.warm_up)
    }

    /// Waits for a moment of the plan's clock.
    async fn wait_until(&self, at: Duration) {
        let left = (at + self.warm_up).saturating_sub(self.watch.elapsed());
        if !left.is_zero() {
            tokio::time::sleep(left).await;
        }
    }

    fn report(&self, elapsed: Duration, rss_before: Option<u64>, cpu_before: Option<Duration>) -> LoadReport {
        let (load, plan) = (&self.load, &self.load.plan);
        let due = plan.turns_before(elapsed) * u64::from(plan.per_turn());
        let busy = process::thread_cpu().zip(cpu_before).map(|(now, then)| now.saturating_sub(then));
        let took = self.watch.elapsed();
        let rss = process::rss_bytes();
        let grown = rss.zip(rss_before).map(|(now, then)| now.saturating_sub(then));
        LoadReport {
            protocol: load.protocol.name(),
            server: load.server.clone(),
            vehicles: plan.vehicles(),
            connections: plan.slots(),
            records_per_turn: plan.per_turn(),
            rate: plan.rate(),
            seconds: elapsed.as_secs_f64(),
            due,
            core_share: busy.map(|b| b.as_secs_f64() / took.as_secs_f64().max(1e-3)),
            rss_bytes: rss,
            bytes_a_vehicle: grown.map(|g| g as f64 / f64::from(plan.vehicles())),
            ..self.tally.report(if load.blind { tally::BLIND } else { "acknowledgement" }, elapsed)
        }
    }
}
