//! The fleet on the wire: every tracker opens its own connection and speaks its own protocol to real
//! listeners, at the pace of a shared clock.
//!
//! Whatever runs over a stream of bytes goes through one wire; HTTP and MQTT have files of their own.
//! What a tracker does when nobody answers is the same for all of them and stands in `courier`. A restart goes on where the vehicles truly are, for where they are hangs on
//! the clock alone.

mod courier;
mod days;
mod delivery;
mod endpoints;
mod mqtt;
mod osmand;
pub(crate) mod relay;
mod stats;
mod stream;
mod wire;
pub mod witness;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracker_ingest::codec::{DeviceKey, Protocol};
use tracker_ingest::registry::NewDevice;
use transit_model::backoff::Policy;
use transit_model::clock::SharedClock;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use crate::city::Machine;
use crate::drive::{Cap, Disturbance, Mishaps};
use crate::fleet::{Fleet, FleetOptions};
use crate::tracker::{Faults, Split, Tracker};
use courier::Courier;
use days::Days;
use delivery::Delivery;
pub(crate) use delivery::wait_until;
pub use endpoints::{Endpoint, Endpoints, Transport};
use stats::Counters;
pub use stats::Stats;
use wire::Wire;

/// How many days ahead the fleet is known: two weeks hold every weekly and fortnightly pattern.
const KNOWN_DAYS: i32 = 15;

/// What to simulate, and whom to tell.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// All chance of the city comes from here.
    pub seed: u64,
    /// The tokens of the devices come from here; never from the seed, which anybody may know.
    pub secret: [u8; 32],
    /// How many vehicles at most.
    pub cap: Option<Cap>,
    /// What happens to the city's movement.
    pub disturbances: Arc<[Disturbance]>,
    /// How much happens to it by chance besides.
    pub mishaps: Mishaps,
    /// Vehicles without a timetable.
    pub machines: Vec<Machine>,
    /// What is wrong with the trackers.
    pub faults: Faults,
    /// Where to send.
    pub endpoints: Endpoints,
    /// How the trackers divide over the protocols.
    pub split: Split,
    /// How long a tracker waits, in real time, before it tries again.
    pub retry: Policy,
}

/// A device of the fleet, as a city's registry should know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimDevice {
    /// What it calls itself on the wire.
    pub device: DeviceKey,
    /// Its token; only those of HTTP and MQTT have one.
    pub token: Option<String>,
    /// In which vehicle it is.
    pub vehicle: VehicleId,
    /// What that vehicle is.
    pub kind: VehicleKind,
    /// What it speaks.
    pub protocol: Protocol,
}

impl SimDevice {
    /// A tracker's device, with a token made from the secret where its protocol has one.
    fn of(t: &Tracker, secret: [u8; 32]) -> Self {
        Self {
            device: t.device.clone(),
            token: t.protocol.stream().is_none().then(|| t.token(secret)),
            vehicle: t.vehicle.clone(),
            kind: t.kind,
            protocol: t.protocol,
        }
    }
}

impl From<SimDevice> for NewDevice {
    /// As it goes on the registry.
    fn from(d: SimDevice) -> Self {
        let label = Some(format!("simulated, {}", d.protocol));
        Self { key: d.device, vehicle: d.vehicle, kind: d.kind, label, token: d.token, beside: false }
    }
}

/// There is nobody to send to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no endpoint is given: the simulator needs the address of a listener for one protocol at least")]
pub struct NoEndpoint;

/// A fleet that is ready to go.
pub struct Simulator {
    fleet: Arc<Fleet>,
    options: Options,
    trackers: Vec<Arc<Tracker>>,
}

impl Simulator {
    /// The fleet as it is from `now` on. Nothing is sent yet.
    ///
    /// # Errors
    /// When no protocol has an endpoint.
    pub fn new(timetable: Arc<Timetable>, options: Options, now: UnixMs) -> Result<Self, NoEndpoint> {
        if options.endpoints.is_empty() {
            return Err(NoEndpoint);
        }
        let today = timetable.zone.date(now);
        let fleet = Fleet::new(
            timetable,
            FleetOptions {
                seed: options.seed,
                cap: options.cap,
                disturbances: Arc::clone(&options.disturbances),
                mishaps: options.mishaps,
                machines: options.machines.clone(),
                split: options.endpoints.restrict(&options.split),
                faults: options.faults.clone(),
            },
        );
        let trackers = fleet.trackers(today.plus_days(-1), KNOWN_DAYS).into_iter().map(Arc::new).collect();
        Ok(Self { fleet: Arc::new(fleet), options, trackers })
    }

    /// Every device that may connect in the next two weeks: to be put on the registry first.
    #[must_use]
    pub fn devices(&self) -> Vec<SimDevice> {
        self.trackers.iter().map(|t| SimDevice::of(t, self.options.secret)).collect()
    }

    /// The fleet: its past and future fixes, and the truth about them.
    #[must_use]
    pub const fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Sets the fleet going: one task a tracker, until `shutdown` is cancelled. Must be called in a
    /// tokio runtime.
    #[must_use]
    pub fn start(&self, clock: &SharedClock, shutdown: &CancellationToken) -> SimulatorHandle {
        let counters = Arc::new(Counters::default());
        let known = self.trackers.iter().map(|t| t.vehicle.clone()).collect();
        let days = Arc::new(Days::new(Arc::clone(&self.fleet), known, Arc::clone(&counters)));
        // Devices of one fleet share a pool of connections; each keeps its own open by itself.
        let http = reqwest::Client::new();
        let started = clock.now();
        let tasks = TaskTracker::new();
        for tracker in &self.trackers {
            let Some(endpoint) = self.options.endpoints.of(tracker.protocol) else { continue };
            let token = tracker.token(self.options.secret);
            let feed = &self.fleet.timetable().feed;
            let courier = Courier {
                days: Arc::clone(&days),
                delivery: Delivery {
                    tracker: Arc::clone(tracker),
                    wire: Wire::to(tracker, endpoint, &token, feed, &http),
                    counters: Arc::clone(&counters),
                    retry: self.options.retry,
                    seed: self.options.seed,
                },
                clock: Arc::clone(clock),
                started,
            };
            tasks.spawn(courier.run(shutdown.clone()));
        }
        tasks.close();
        SimulatorHandle { counters, tasks }
    }
}

/// A fleet on the road.
#[derive(Clone, Debug)]
pub struct SimulatorHandle {
    counters: Arc<Counters>,
    tasks: TaskTracker,
}

impl SimulatorHandle {
    /// What has been sent, acknowledged, refused so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    /// Waits until every tracker has closed its connection; cancel the shutdown token first.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}
