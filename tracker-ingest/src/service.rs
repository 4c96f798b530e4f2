//! Putting it together: ports first, then the journal, then the tasks.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::registry::Registry as MetricsRegistry;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use transit_model::clock::SharedClock;
use transit_model::dispatch::{Concern, Devices};
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;
use transit_model::warfare::Raid;

use crate::alarms::SHOWN;
use crate::bindings::Bindings;
use crate::codec::{DeviceKey, Protocol, StreamCodec};
use crate::config::IngestConfig;
use crate::flow::Flow;
use crate::gate::{Bounds, Gate};
use crate::intake::Intake;
use crate::journal::{AddError, Happened, Journal, JournalError, JournalOptions, Quarantined};
use crate::listen::broker::{Broker, BrokerError};
use crate::listen::{self, Port};
use crate::metrics::{ANY, Counters, Metrics};
use crate::pull::config::PullError;
use crate::pull::{Nudge, Pulled, Puller};
use crate::registry::{Device, NewDevice, Registry, read_csv};
use crate::sessions::Sessions;
use crate::tls::{Tls, TlsError};
use crate::watch::{IngestEvent, Watch};

/// How often the list of devices is looked at and quarantine is written down, in real time.
const STEP_EVERY: Duration = Duration::from_secs(2);
/// How often old days are let go, by the clock.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);
/// How far back a restart looks for where devices were last live, seconds: beyond it any fix is stale.
const REMEMBER_SECS: i64 = 3600;

/// How each pull source is asked at once.
type Pulls = BTreeMap<String, mpsc::Sender<Nudge>>;

/// Ingest cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// An address cannot be listened on.
    #[error("cannot listen for {port} on {address}: {source}")]
    Bind {
        /// For what: a protocol, `PROTOCOL/udp`, or `any`.
        port: String,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data folder cannot be made.
    #[error("cannot make the data folder {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A broker cannot be used as it is configured.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A port cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A source cannot be asked.
    #[error(transparent)]
    Pull(#[from] PullError),
}

/// The addresses listened on, with the ports that were asked for as 0. Written as
/// `teltonika 127.0.0.1:5027, teltonika/udp 127.0.0.1:5027, any …`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    tcp: BTreeMap<Protocol, SocketAddr>,
    udp: BTreeMap<Protocol, SocketAddr>,
    any: Option<SocketAddr>,
}

impl Addresses {
    /// Where a protocol is listened for, over TCP (HTTP and MQTT too).
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> Option<SocketAddr> {
        self.tcp.get(&protocol).copied()
    }

    /// Where a protocol is listened for over UDP.
    #[must_use]
    pub fn udp(&self, protocol: Protocol) -> Option<SocketAddr> {
        self.udp.get(&protocol).copied()
    }

    /// Where any protocol over a stream of bytes is listened for, over TCP.
    #[must_use]
    pub const fn any(&self) -> Option<SocketAddr> {
        self.any
    }
}

impl std::fmt::Display for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tcp = self.tcp.iter().map(|(p, at)| format!("{p} {at}"));
        let udp = self.udp.iter().map(|(p, at)| format!("{p}/udp {at}"));
        let any = self.any.iter().map(|at| format!("any {at}"));
        f.write_str(&tcp.chain(udp).chain(any).collect::<Vec<_>>().join(", "))
    }
}

/// Where ingest begins.
#[derive(Debug)]
pub struct Ingest;

impl Ingest {
    /// Listens. Live fixes go to `fixes_out`, which should have room for some seconds of the fleet; when
    /// it has none for two seconds a fix becomes history only, and that is raised. `feed_bounds` is the
    /// area of the feed's stops, around which the gate keeps a margin.
    ///
    /// # Errors
    /// When an address is in use, the data folder cannot be written or the journal cannot be read.
    pub async fn start(
        config: IngestConfig,
        clock: SharedClock,
        feed_bounds: Option<Bounds>,
        fixes_out: mpsc::Sender<Fix>,
        shutdown: CancellationToken,
    ) -> Result<IngestHandle, IngestError> {
        let ports = Ports::open(&config).await?;
        let ready = |(name, broker): (&String, _)| Broker::open(name, broker, &config.feed);
        let brokers = config.brokers.iter().map(ready).collect::<Result<Vec<_>, _>>()?;

        std::fs::create_dir_all(&config.data_dir)
            .map_err(|source| IngestError::Folder { path: config.data_dir.clone(), source })?;
        let (intake, writer) = open(&config, clock, feed_bounds, fixes_out).await?;

        let mut pullers = Vec::with_capacity(config.pull.len());
        for (name, source) in &config.pull {
            pullers.push((name.clone(), Puller::new(name, source, config.zone.as_ref(), &intake)?));
        }

        let mut tasks = JoinSet::new();
        let mut pulls = Pulls::new();
        for (name, puller) in pullers {
            let (nudge, nudges) = mpsc::channel(1);
            tasks.spawn(puller.run(nudges, shutdown.clone()));
            pulls.insert(name, nudge);
        }
        let addresses = ports.serve(&mut tasks, &config, &intake, &shutdown);
        for broker in brokers {
            tasks.spawn(broker.run(Arc::clone(&intake), shutdown.clone()));
        }
        let days = i64::from(config.retention_days);
        tasks.spawn(keep_in_step(Arc::clone(&intake), shutdown.clone()));
        tasks.spawn(let_old_days_go(Arc::clone(&intake), days, shutdown));
        Ok(IngestHandle { intake, addresses, pulls: Arc::new(pulls), tasks, writer })
    }
}

/// Every port there is to listen on, taken before anything runs.
#[derive(Default)]
struct Ports {
    streams: Vec<(Protocol, &'static StreamCodec, TcpListener)>,
    datagrams: Vec<(Protocol, &'static StreamCodec, UdpSocket)>,
    any: Option<TcpListener>,
    osmand: Option<TcpListener>,
    mqtt: Option<TcpListener>,
}

impl Ports {
    async fn open(config: &IngestConfig) -> Result<Self, IngestError> {
        let mut ports = Self {
            any: bind(ANY, config.any.listen).await?,
            osmand: bind(Protocol::Osmand.name(), config.osmand.listen).await?,
            mqtt: bind(Protocol::MqttJson.name(), config.mqtt.listen).await?,
            ..Self::default()
        };
        for (protocol, at) in config.streams.iter() {
            let Some(codec) = protocol.stream() else { continue };
            if let Some(listener) = bind(protocol.name(), at.listen).await? {
                ports.streams.push((protocol, codec, listener));
            }
            if let Some(address) = at.udp {
                let bound = UdpSocket::bind(address).await;
                let port = || format!("{protocol}/udp");
                let socket = bound.map_err(|source| IngestError::Bind { port: port(), address, source })?;
                ports.datagrams.push((protocol, codec, socket));
            }
        }
        Ok(ports)
    }

    fn serve(
        self,
        tasks: &mut JoinSet<()>,
        config: &IngestConfig,
        intake: &Arc<Intake>,
        stop: &CancellationToken,
    ) -> Addresses {
        let mut at = Addresses::default();
        let port = |listener, encrypted: bool| Port {
            listener,
            tls: intake.tls.clone().filter(|_| encrypted),
            intake: Arc::clone(intake),
            stop: stop.clone(),
        };
        for (protocol, codec, listener) in self.streams {
            at.tcp.extend(listener.local_addr().map(|a| (protocol, a)));
            let port = port(listener, config.streams.of(protocol).tls);
            tasks.spawn(listen::stream::run(port, protocol, codec));
        }
        for (protocol, codec, socket) in self.datagrams {
            at.udp.extend(socket.local_addr().map(|a| (protocol, a)));
            tasks.spawn(listen::udp::run(socket, protocol, codec, Arc::clone(intake), stop.clone()));
        }
        if let Some(listener) = self.any {
            at.any = listener.local_addr().ok();
            tasks.spawn(listen::stream::run_any(port(listener, config.any.tls)));
        }
        if let Some(listener) = self.osmand {
            at.tcp.extend(listener.local_addr().map(|a| (Protocol::Osmand, a)));
            tasks.spawn(listen::http::run(port(listener, config.osmand.tls), config.osmand.require_token));
        }
        if let Some(listener) = self.mqtt {
            at.tcp.extend(listener.local_addr().map(|a| (Protocol::MqttJson, a)));
            tasks.spawn(listen::mqtt::run(port(listener, config.mqtt.tls), config.mqtt.require_token));
        }
        at
    }
}

/// What the ports speak TLS with; `None` where there are no files and nobody asks.
fn open_tls(config: &IngestConfig) -> Result<Option<Arc<Tls>>, TlsError> {
    let streams = config.streams.iter().map(|(p, c)| (p.name(), c.tls));
    let others = [
        (ANY, config.any.tls),
        (Protocol::Osmand.name(), config.osmand.tls),
        (Protocol::MqttJson.name(), config.mqtt.tls),
    ];
    match (&config.tls, streams.chain(others).find(|(_, wanted)| *wanted)) {
        (Some(files), _) => Tls::open(files).map(|tls| Some(Arc::new(tls))),
        (None, Some((port, _))) => Err(TlsError::NotConfigured(port.to_owned())),
        (None, None) => Ok(None),
    }
}

async fn bind(port: &str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, IngestError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|source| IngestError::Bind { port: port.to_owned(), address, source })
}

pub(crate) async fn open(
    config: &IngestConfig,
    clock: SharedClock,
    feed_bounds: Option<Bounds>,
    fixes_out: mpsc::Sender<Fix>,
) -> Result<(Arc<Intake>, JoinHandle<()>), IngestError> {
    let metrics = Arc::new(Metrics::default());
    // The journal reports to the watch, and the watch begins with what the journal has in quarantine.
    let late: Arc<std::sync::OnceLock<Arc<Watch>>> = Arc::default();
    let report = {
        let (metrics, late, clock) = (Arc::clone(&metrics), Arc::clone(&late), Arc::clone(&clock));
        move |batch| {
            metrics.batch(&batch);
            if let Some(watch) = late.get() {
                watch.journal(&batch, clock.now());
            }
        }
    };
    let (journal, writer) = Journal::open(&JournalOptions::at(config.journal_path()), report).await?;
    let watch = Arc::new(Watch::new(journal.quarantine().await?));
    let lately = clock.now().plus_secs(-SHOWN / 1000);
    watch.happened(&journal.happened(lately, None).await?.iter().map(Happened::news).collect::<Vec<_>>(), clock.now());
    metrics.quarantined(watch.quarantine().len());
    // Set once, here.
    drop(late.set(Arc::clone(&watch)));

    let tls = open_tls(config)?;
    let registry = Registry::default();
    let (revision, devices) = journal.listed().await?;
    registry.put(devices);
    let mut gate = Gate::new(config.gate, feed_bounds);
    for (device, seen) in journal.last_live(clock.now().plus_secs(-REMEMBER_SECS)).await? {
        gate.restore(&device, seen);
    }
    let clocks = journal.clocks().await?;
    for c in &clocks {
        gate.restore_clock(&c.key, c.offset_ms);
    }
    let bindings = Bindings::new(config.binding, journal.stored_bindings().await?, &registry);
    watch.clocks(clocks.iter().filter_map(|c| Some((registry.get(&c.key)?.vehicle.clone(), c.clone()))));
    let intake = Intake {
        feed: config.feed.clone(),
        clock,
        registry,
        revision: tokio::sync::Mutex::new(revision),
        gate: Mutex::new(gate),
        journal,
        fixes_out,
        metrics,
        watch,
        sessions: Arc::new(Sessions::new(config.limits.takeover_secs)),
        flow: Arc::new(Flow::new(&config.limits)),
        troubled: false.into(),
        tls,
        limits: config.limits,
        accept_unknown: config.accept_unknown,
        pulls: config.pull.keys().cloned().collect(),
        working: config.working.clone(),
        relays: config.streams.iter().filter(|(_, c)| c.relay).map(|(p, _)| p).collect(),
        relay_names: config.tls.as_ref().map(|t| t.relays.clone()).unwrap_or_default(),
        bindings,
    };
    intake.share();
    Ok((Arc::new(intake), writer))
}

async fn keep_in_step(intake: Arc<Intake>, stop: CancellationToken) {
    let (mut stopping, mut failing) = (false, false);
    while !stopping {
        tokio::select! {
            () = stop.cancelled() => stopping = true,
            () = tokio::time::sleep(STEP_EVERY) => {}
        }
        match intake.keep_in_step().await {
            Ok(_) => failing = false,
            Err(e) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %e, "the list of devices and quarantine are out of step with the journal");
                }
            }
        }
    }
}

async fn let_old_days_go(intake: Arc<Intake>, days: i64, stop: CancellationToken) {
    loop {
        let before = intake.clock.now().plus_secs(-days * 86_400);
        match intake.journal.expire(before).await {
            Ok(0) => {}
            Ok(n) => tracing::info!(records = n, days, "old records let go"),
            Err(e) => tracing::warn!(error = %e, "old records could not be let go"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(intake.clock.real(RETENTION_EVERY)) => {}
        }
    }
}

/// A running ingest.
pub struct IngestHandle {
    intake: Arc<Intake>,
    addresses: Addresses,
    pulls: Arc<Pulls>,
    tasks: JoinSet<()>,
    writer: JoinHandle<()>,
}

impl std::fmt::Debug for IngestHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestHandle").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl IngestHandle {
    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// The counters as they stand.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.intake.metrics.counters()
    }

    /// Puts the metrics on a registry, under `zupynka_ingest_`.
    pub fn register(&self, registry: &mut MetricsRegistry) {
        self.intake.metrics.register(registry);
    }

    /// What begins and ends from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<IngestEvent> {
        self.intake.watch.subscribe()
    }

    /// What a dispatcher should know now, the most urgent first.
    #[must_use]
    pub fn concerns(&self) -> Vec<Concern> {
        self.intake.concerns()
    }

    /// A way to the devices, the counters and the concerns that can be kept and passed on.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk { intake: Arc::clone(&self.intake), pulls: Arc::clone(&self.pulls) }
    }

    /// Waits until everything has ended after the shutdown token was cancelled, and all that was taken is
    /// on the disk.
    pub async fn stopped(self) {
        let Self { intake, mut tasks, writer, .. } = self;
        while tasks.join_next().await.is_some() {}
        intake.journal.close().await;
        if let Err(e) = writer.await {
            tracing::error!(error = %e, "the journal's writer failed");
        }
    }
}

/// The administrator's side of a running ingest. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    intake: Arc<Intake>,
    pulls: Arc<Pulls>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("feed", &self.intake.feed).finish_non_exhaustive()
    }
}

impl Desk {
    /// Every device on the list, by vehicle.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<Device>> {
        self.intake.registry.list()
    }

    /// Puts devices on the list, or changes those with the same key; all or none. They leave quarantine.
    ///
    /// # Errors
    /// When a key or a vehicle cannot be, a vehicle has another device, or the journal fails.
    pub async fn add(&self, devices: Vec<NewDevice>) -> Result<(), AddError> {
        self.intake.add(devices).await
    }

    /// Puts a list of devices on the list (see [`read_csv`]); says how many there were.
    ///
    /// # Errors
    /// When the list has faults, each named with its line and column, or as for [`Self::add`]. None is added.
    pub async fn import(&self, csv: impl Read) -> Result<usize, AddError> {
        let list = read_csv(csv).map_err(AddError::List)?;
        self.add(list.devices.clone()).await.map_err(|e| list.explain(e))?;
        Ok(list.devices.len())
    }

    /// Takes a device off the list and ends its connection; its records stay. Says which vehicle it was
    /// on, or `None` when it was on no list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn remove(&self, key: &DeviceKey) -> Result<Option<VehicleId>, JournalError> {
        let vehicle = self.intake.journal.remove_device(key).await?;
        self.intake.reload().await?;
        Ok(vehicle)
    }

    /// Takes in what another process changed in the list of devices, and writes quarantine down for it to
    /// see; says how many devices were changed. Ingest does this by itself every two seconds.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn keep_in_step(&self) -> Result<usize, JournalError> {
        self.intake.keep_in_step().await
    }

    /// Asks a pull source now, without waiting for its turn; `None` when there is no such source, or ingest ends.
    pub async fn pull(&self, source: &str) -> Option<Pulled> {
        let (nudge, done) = oneshot::channel();
        self.pulls.get(source)?.send(nudge).await.ok()?;
        done.await.ok()
    }

    /// Devices that tried to send and are on no list, the latest first.
    #[must_use]
    pub fn quarantine(&self) -> Vec<Quarantined> {
        self.intake.watch.quarantine()
    }

    /// How far a device's clock is known to be ahead, ms; negative = behind.
    #[must_use]
    pub fn clock_ms(&self, device: &DeviceKey) -> i64 {
        self.intake.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clock_ms(device)
    }

    /// The counters as they stand.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.intake.metrics.counters()
    }

    /// What a dispatcher should know now, the most urgent first.
    #[must_use]
    pub fn concerns(&self) -> Vec<Concern> {
        self.intake.concerns()
    }

    /// Every device and how it is, and what was refused in the last hour, for the dispatcher's stream. `seen`: when
    /// devices were heard before this process began ([`Self::last_seen`]).
    #[must_use]
    pub fn dispatched<S: BuildHasher>(&self, seen: &HashMap<DeviceKey, UnixMs, S>) -> Devices {
        self.intake.devices(seen)
    }

    /// When each device was last heard, to the minute, as the journal has it.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn last_seen(&self) -> Result<HashMap<DeviceKey, UnixMs>, JournalError> {
        Ok(self.intake.journal.last_seen().await?.into_iter().collect())
    }

    /// The jamming and spoofing that lasts, with the vehicles it has affected.
    #[must_use]
    pub fn raids(&self) -> Vec<Raid> {
        let now = self.intake.clock.now();
        let vehicle_of = |key: &DeviceKey| self.intake.registry.get(key).map(|d| d.vehicle.clone());
        self.intake.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).raids(now, vehicle_of)
    }

    /// The fixes that were live, received since a moment, in the order they were received.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn recent(&self, since: UnixMs) -> Result<Vec<Fix>, JournalError> {
        self.intake.journal.recent(since).await
    }
}
