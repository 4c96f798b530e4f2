//! Pull sources: lists of vehicles that somebody publishes at a URL, asked for every few seconds.
//!
//! ```text
//! fetch ──body──▶ a codec ──records──▶ memory (what is new?) ──▶ intake: gate, journal, engine
//!   ▲                                      │
//!   └──────── pace (when again?) ◀─────────┘──▶ watch, metrics: failing? stale?
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`config`] | `[ingest.pull.NAME]` |
//! | `fetch` | one conditional request, bounded in bytes and time |
//! | `memory` | what was there before: a pure structure |
//! | `pace` | when to ask again: a pure structure |
//! | `trouble` | what a dispatcher should know of it |
//! | this one | the loop |
//!
//! A source's vehicles are named `NAME:VEHICLE`, and nobody else may speak for such a name. Not here: what the lists
//! say ([`crate::codec::gps_full`], [`crate::codec::gtfs_rt`]).

pub mod config;
mod fetch;
mod memory;
mod pace;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use transit_model::clock::entropy;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;
use transit_model::time::{UnixMs, Zone};

use crate::codec::{DecodeError, DeviceKey, Protocol, Record, gps_full, gtfs_rt};
use crate::intake::Intake;
use crate::journal::NotDurable;
use crate::registry::{Device, NewDevice};
use crate::rejection::Rejection;
use crate::watch::Who;
use config::{Form, PullConfig, PullError};
use fetch::{Body, Fetched, Fetcher};
use memory::Memory;
use pace::Pace;
pub(crate) use trouble::{Trouble, Turn};

/// What came of asking a source once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pulled {
    /// New records, so many; vehicles that said nothing new are not counted.
    New(usize),
    /// The list was read and nothing in it is new.
    Old,
    /// The server says, or its answer shows, that nothing has changed.
    Unchanged,
    /// It could not be had or read.
    Failed(String),
}

impl Pulled {
    /// As metrics call it.
    const fn name(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Old => "old",
            Self::Unchanged => "unchanged",
            Self::Failed(_) => "failed",
        }
    }
}

/// Asks for a source to be pulled now; answered when that is done.
pub(crate) type Nudge = oneshot::Sender<Pulled>;

/// One source and all that is known of it.
pub(crate) struct Puller {
    name: String,
    config: PullConfig,
    zone: Zone,
    fetcher: Fetcher,
    memory: Memory,
    pace: Pace,
    chance: StdRng,
    intake: Arc<Intake>,
}

impl Puller {
    /// A source that is yet to be asked. `zone` is the feed's, for a source that names none.
    ///
    /// # Errors
    /// When its configuration cannot be: each fault names the source.
    pub(crate) fn new(
        name: &str,
        config: &PullConfig,
        zone: Option<&Zone>,
        intake: &Arc<Intake>,
    ) -> Result<Self, PullError> {
        let zone = config.zone_or(name, zone)?;
        Ok(Self {
            name: name.to_owned(),
            fetcher: Fetcher::new(name, config)?,
            memory: Memory::new(intake.clock.now()),
            pace: Pace::new(Duration::from_secs(config.every_secs.into())),
            config: config.clone(),
            zone,
            // Only the jitter of waits hangs on it: without chance every process waits alike.
            chance: StdRng::from_seed(entropy().unwrap_or_default()),
            intake: Arc::clone(intake),
        })
    }

    /// Asks again and again until it is stopped, and at once when it is nudged.
    pub(crate) async fn run(mut self, mut nudges: mpsc::Receiver<Nudge>, stop: CancellationToken) {
        loop {
            let mut nudge = None;
            let wait = self.intake.clock.real(self.pace.wait(self.chance.random()));
            tokio::select! {
                () = stop.cancelled() => return,
                Some(asked) = nudges.recv() => nudge = Some(asked),
                () = tokio::time::sleep(wait) => {}
            }
            let pulled = tokio::select! {
                () = stop.cancelled() => return,
                pulled = self.pull() => pulled,
            };
            if let Some(nudge) = nudge {
                // Whoever asked may have gone.
                drop(nudge.send(pulled));
            }
        }
    }

    /// Asks once, and takes in what comes of it.
    async fn pull(&mut self) -> Pulled {
        let received = self.intake.clock.now();
        let pulled = match self.fetcher.fetch().await {
            Ok(Fetched::Unchanged) => Pulled::Unchanged,
            Ok(Fetched::Body(body)) => match self.take(&body, received).await {
                Ok(pulled) => {
                    self.fetcher.keep(body.validators);
                    pulled
                }
                Err(why) => Pulled::Failed(why),
            },
            Err(e) => {
                self.pace.asked_to_wait(e.retry_after());
                Pulled::Failed(e.to_string())
            }
        };
        self.conclude(&pulled, self.intake.clock.now());
        pulled
    }

    /// Takes a list in; says why it could not be, in words.
    async fn take(&mut self, body: &Body, received: UnixMs) -> Result<Pulled, String> {
        if self.memory.is_the_same(&body.bytes) {
            return Ok(Pulled::Unchanged);
        }
        let (records, faults) = self.read(body, received).map_err(|e| e.to_string())?;
        let from = body.from;
        for fault in &faults {
            self.intake.unreadable(fault, Who::Address(from.ip()));
        }
        let listed = records.len();
        let new = self.memory.new_ones(records);
        let count = new.iter().map(|(_, records)| records.len()).sum();
        let parts = self.admit(new.clone(), from).await?;
        let stored = self.intake.offer_all(parts, self.config.form.protocol()).await.await;
        // What is not on the disk must come again, though the server would say that it has not changed.
        stored.map_err(|NotDurable(why)| format!("not stored: {why}"))?;
        self.memory.keep(&body.bytes, &new, listed, received);
        self.intake.metrics.pull_vehicles(&self.name, listed);
        Ok(if count > 0 { Pulled::New(count) } else { Pulled::Old })
    }

    fn read(&self, body: &Body, received: UnixMs) -> Result<(Vec<Record>, Vec<DecodeError>), DecodeError> {
        match self.config.form {
            Form::GpsFull => {
                let list = gps_full::decode(&body.bytes, received, body.modified, &self.zone)?;
                Ok((list.records, list.faults))
            }
            Form::GtfsRt => {
                let feed = gtfs_rt::parse(&body.bytes)?;
                let (mut records, mut faults) = (Vec::new(), Vec::new());
                for (_, record) in gtfs_rt::entities(&feed) {
                    match record {
                        Ok(record) => records.push(record),
                        Err(fault) => faults.push(fault),
                    }
                }
                Ok((records, faults))
            }
        }
    }

    /// The devices that may move their vehicles. Unknown ones of a trusted source are put on the list, all at once;
    /// of another they go to quarantine.
    async fn admit(
        &self,
        vehicles: Vec<(DeviceKey, Vec<Record>)>,
        from: std::net::SocketAddr,
    ) -> Result<Vec<(Arc<Device>, Vec<Record>)>, String> {
        let named = vehicles.into_iter().filter_map(|(key, records)| match self.key_of(&key) {
            Some(key) => Some((key, records)),
            None => {
                self.intake.refuse(Rejection::Malformed, Who::Address(from.ip()), || {
                    format!("{}: `{}` is too long to be a vehicle's name", self.name, key.expose())
                });
                None
            }
        });
        let named: Vec<_> = named.collect();
        let unknown = || named.iter().filter(|(key, _)| self.intake.registry.get(key).is_none());
        if self.config.trust {
            let room = self.intake.limits.devices.saturating_sub(self.known());
            let new: Vec<NewDevice> = unknown().take(room).map(|(key, _)| self.welcome(key)).collect();
            if !new.is_empty() {
                let vehicles = new.len();
                self.intake.add(new).await.map_err(|e| e.to_string())?;
                tracing::info!(source = self.name, vehicles, "vehicles of a trusted source are on the list now");
            }
        }
        let mut admitted = Vec::with_capacity(named.len());
        for (key, records) in named {
            if let Some(device) = self.intake.registry.get(&key) {
                admitted.push((device, records));
            } else if self.config.trust {
                let limit = self.intake.limits.devices;
                self.intake.refuse(Rejection::DeviceLimit, Who::Address(from.ip()), || {
                    format!("{} has more than {limit} vehicles", self.name)
                });
            } else {
                let place = records.last().and_then(|r| r.position).map(|p| (p.lat, p.lon));
                // Counted and raised in there.
                let _refused = self.intake.quarantine(&key, self.config.form.protocol(), from, place);
            }
        }
        Ok(admitted)
    }

    /// How many devices of the source are on the list.
    fn known(&self) -> usize {
        let prefix = format!("{}:", self.name);
        self.intake.registry.list().iter().filter(|d| d.key.expose().starts_with(&prefix)).count()
    }

    fn key_of(&self, vehicle: &DeviceKey) -> Option<DeviceKey> {
        let key = format!("{}:{}", self.name, vehicle.expose());
        DeviceKey::is_valid(&key).then(|| DeviceKey::from(key))
    }

    fn welcome(&self, key: &DeviceKey) -> NewDevice {
        NewDevice {
            key: key.clone(),
            vehicle: VehicleId::from(key.expose()),
            kind: VehicleKind::Transit,
            label: Some(format!("pull source {}", self.name)),
            beside: false,
            token: None,
        }
    }

    /// Says aloud what has changed, counts, and sets the pace.
    fn conclude(&mut self, pulled: &Pulled, now: UnixMs) {
        self.pace.asked(!matches!(pulled, Pulled::Failed(_)));
        let age = self.memory.age(now);
        self.intake.metrics.pulled(&self.name, pulled.name(), age);
        let stale = (age >= Duration::from_secs(self.config.stale_secs.into())).then(|| self.memory.last_new());
        let failing = match pulled {
            Pulled::Failed(why) => Some(why.as_str()),
            _ => None,
        };
        self.intake.watch.pulled(&self.name, failing, stale, now);
    }
}

impl Form {
    const fn protocol(self) -> Protocol {
        match self {
            Self::GpsFull => Protocol::GpsFull,
            Self::GtfsRt => Protocol::GtfsRt,
        }
    }
}
