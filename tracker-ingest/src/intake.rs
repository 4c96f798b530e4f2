//! Where every listener brings its messages: who is it, may it move a vehicle, is it stored.
//!
//! The fix goes to the engine and to the journal side by side; only the acknowledgement waits for the
//! journal. That is why [`Intake::offer`] gives back a ticket and not an answer.

mod book;
mod trust;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use transit_model::clock::{SharedClock, Stopwatch};
use transit_model::dispatch::VehicleKind;
use transit_model::fix::Fix;
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::UnixMs;

use crate::bindings::Bindings;
use crate::codec::{DecodeError, DecodeErrorKind, DeviceKey, Protocol, Record, Said};
use crate::config::Limits;
use crate::flow::Flow;
use crate::gate::{Episode, Gate, Raw, Verdict, Warfare};
use crate::journal::{AddError, Journal, JournalError, NotDurable, Row};
use crate::metrics::Metrics;
use crate::registry::{Change, Device, NewDevice, Registry};
use crate::rejection::Rejection;
use crate::sessions::{Claim, HeldBy, Sessions};
use crate::tls::Tls;
use crate::watch::{Watch, Who};
use crate::working::WorkingInputs;

/// How long the engine may leave a live fix waiting before the fix is history.
const ENGINE_PATIENCE: Duration = Duration::from_secs(2);

/// Ends when the records are durable, or known not to be.
pub(crate) type Ticket = Pin<Box<dyn Future<Output = Result<(), NotDurable>> + Send>>;

/// What a device must show besides its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof<'a> {
    /// The protocol has no place for a token, or somebody else has asked for it.
    None,
    /// A token, if the device has one.
    IfSet(Option<&'a str>),
    /// A token, always.
    Required(Option<&'a str>),
    /// It has shown a certificate of this name.
    Certificate(&'a str),
}

impl<'a> Proof<'a> {
    /// A certificate where there is one; what would do without one otherwise.
    pub(crate) fn or(certificate: Option<&'a str>, otherwise: Self) -> Self {
        certificate.map_or(otherwise, Self::Certificate)
    }
}

pub(crate) struct Intake {
    pub(crate) feed: FeedId,
    pub(crate) clock: SharedClock,
    pub(crate) registry: Registry,
    /// The journal's revision that the registry is of, or an older one.
    pub(crate) revision: tokio::sync::Mutex<i64>,
    pub(crate) gate: Mutex<Gate>,
    pub(crate) journal: Journal,
    pub(crate) fixes_out: mpsc::Sender<Fix>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) flow: Arc<Flow>,
    /// Whether the watch knows of electronic warfare that lasts.
    pub(crate) troubled: AtomicBool,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) limits: Limits,
    pub(crate) accept_unknown: bool,
    /// Names of pull sources: whoever is called `NAME:…` is that source's vehicle.
    pub(crate) pulls: Vec<String>,
    pub(crate) working: WorkingInputs,
    /// Protocols whose connections are relays from their first word on.
    pub(crate) relays: Vec<Protocol>,
    /// Names of certificates that are relays'.
    pub(crate) relay_names: Vec<String>,
    /// What is usual for each device.
    pub(crate) bindings: Bindings,
}

impl Intake {
    /// Counts a refusal and says it aloud once.
    pub(crate) fn refuse(&self, reason: Rejection, who: Who, detail: impl FnOnce() -> String) {
        self.metrics.refused(reason);
        self.watch.refused(reason, who, detail, self.clock.now());
    }

    /// Counts a message that could not be read.
    pub(crate) fn unreadable(&self, e: &DecodeError, who: Who) -> Rejection {
        let reason = match e.kind {
            DecodeErrorKind::BadChecksum => Rejection::Checksum,
            DecodeErrorKind::Oversize => Rejection::Oversize,
            _ => Rejection::Malformed,
        };
        self.refuse(reason, who, || e.to_string());
        reason
    }

    /// The device of a key, if it may send.
    ///
    /// # Errors
    /// It is on no list (and is in quarantine now), or its token is wrong; both are counted.
    pub(crate) async fn identify(
        &self,
        key: &DeviceKey,
        proof: Proof<'_>,
        source: Protocol,
        from: SocketAddr,
        place: Option<(f64, f64)>,
    ) -> Result<Arc<Device>, Rejection> {
        // First: somebody with a certificate of his own must not fill quarantine with names of others.
        if let Proof::Certificate(name) = proof
            && name != key.expose()
        {
            let who = Who::Device(key.clone(), self.registry.get(key).map(|d| d.vehicle.clone()));
            let named = DeviceKey::from(name);
            self.refuse(Rejection::BadCertificate, who, || format!("{source} from {}, of {named}", from.ip()));
            return Err(Rejection::BadCertificate);
        }
        let is_pulled = |name: &String| key.expose().strip_prefix(name.as_str()).is_some_and(|k| k.starts_with(':'));
        if let Some(name) = self.pulls.iter().find(|name| is_pulled(name)) {
            let who = Who::Device(key.clone(), self.registry.get(key).map(|d| d.vehicle.clone()));
            self.refuse(Rejection::BadToken, who, || {
                format!("{source} from {}: only the pull source {name} speaks for its vehicles", from.ip())
            });
            return Err(Rejection::BadToken);
        }
        let device = match self.registry.get(key) {
            Some(device) => device,
            None if self.accept_unknown && DeviceKey::is_valid(key.expose()) => self.welcome(key, from).await?,
            None => return Err(self.quarantine(key, source, from, place)),
        };
        let admitted = match (proof, device.token) {
            (Proof::None | Proof::Certificate(_), _) | (Proof::IfSet(_), None) => true,
            (Proof::Required(_), None) => false,
            (Proof::IfSet(shown) | Proof::Required(shown), Some(hash)) => shown.is_some_and(|t| hash.admits(t)),
        };
        if !admitted {
            let who = Who::Device(key.clone(), Some(device.vehicle.clone()));
            self.refuse(Rejection::BadToken, who, || format!("{source} from {}", from.ip()));
            return Err(Rejection::BadToken);
        }
        Ok(device)
    }

    pub(crate) fn quarantine(
        &self,
        key: &DeviceKey,
        source: Protocol,
        from: SocketAddr,
        place: Option<(f64, f64)>,
    ) -> Rejection {
        let devices = self.watch.quarantined(key, source, from, place, self.clock.now());
        self.metrics.quarantined(devices);
        let who = Who::Device(key.clone(), None);
        self.refuse(Rejection::UnknownDevice, who, || format!("{source} from {}", from.ip()));
        Rejection::UnknownDevice
    }

    /// Puts an unknown device on the list under a name that does not give its key away.
    async fn welcome(&self, key: &DeviceKey, from: SocketAddr) -> Result<Arc<Device>, Rejection> {
        let name = format!("dev-{:08x}", crate::codec::digest(key.expose().as_bytes()));
        let new = NewDevice {
            key: key.clone(),
            vehicle: VehicleId::from(name),
            kind: VehicleKind::Transit,
            label: Some("accepted by itself (accept_unknown)".to_owned()),
            token: None,
            beside: false,
        };
        let added = self.add(vec![new]).await;
        match (added, self.registry.get(key)) {
            (Ok(()), Some(device)) => {
                tracing::info!(device = %key, vehicle = %device.vehicle, from = %from.ip(), "unknown device accepted");
                Ok(device)
            }
            (result, _) => {
                let detail = result.err().map_or_else(String::new, |e| e.to_string());
                self.refuse(Rejection::UnknownDevice, Who::Device(key.clone(), None), || detail);
                Err(Rejection::UnknownDevice)
            }
        }
    }

    /// Puts devices on the list, all or none, and lets them out of quarantine.
    pub(crate) async fn add(&self, new: Vec<NewDevice>) -> Result<(), AddError> {
        // Held, so that no reload that began before undoes this.
        let _revision = self.revision.lock().await;
        // One that may not be beside another shares its vehicle with none.
        let alone = matches!(new.as_slice(), [one] if !one.beside);
        let stored = self.journal.put_devices(new, self.clock.now()).await?;
        self.settle(&self.registry.put(stored));
        if !alone {
            self.share();
        }
        Ok(())
    }

    /// Takes in what was changed in the journal's list, by whatever process; says how many devices it was.
    pub(crate) async fn reload(&self) -> Result<usize, JournalError> {
        let mut known = self.revision.lock().await;
        if self.journal.revision().await? == *known {
            return Ok(0);
        }
        let (revision, devices) = self.journal.listed().await?;
        let changes = self.registry.replace(devices);
        self.settle(&changes);
        if !changes.is_empty() {
            self.share();
        }
        self.metrics.quarantined(self.watch.keep_quarantined(&self.journal.quarantined_keys().await?));
        *known = revision;
        if !changes.is_empty() {
            tracing::info!(changed = changes.len(), "the list of devices was taken in anew");
        }
        Ok(changes.len())
    }

    /// Draws the conclusions of changes that are on the registry already: whoever is not who it was has to
    /// connect anew, and is judged afresh.
    fn settle(&self, changes: &[Change]) {
        self.bindings.settle(changes);
        for change in changes {
            if change.ends_session() {
                self.gate.lock().unwrap_or_else(PoisonError::into_inner).forget(&change.key);
                self.watch.forget_clock(&change.key);
                self.sessions.end(&change.key);
            }
            if change.after.is_some() {
                self.metrics.quarantined(self.watch.released(&change.key));
            }
        }
    }

    /// What must be done every few seconds: takes the list of devices and new TLS files in, writes
    /// quarantine down.
    pub(crate) async fn keep_in_step(&self) -> Result<usize, JournalError> {
        match self.tls.as_ref().map(|t| t.keep_in_step()) {
            Some(Ok(true)) => tracing::info!("new TLS files were taken in"),
            Some(Err(e)) => tracing::error!(error = %e, "new TLS files cannot be used; the old ones stay"),
            _ => {}
        }
        let now = self.clock.now();
        let (sky, apart) = {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            (gate.episodes(now), gate.disagreements(now))
        };
        self.look_up(sky, now);
        self.watch.apart(apart, now);
        let changed = self.reload().await?;
        self.write_trust_down().await?;
        let seen = self.watch.take_dirty();
        if !seen.is_empty() {
            self.journal.put_quarantine(seen).await?;
        }
        Ok(changed)
    }

    /// Makes a connection the device's.
    ///
    /// # Errors
    /// Another one is alive at another address; that is counted and raised.
    pub(crate) fn claim(&self, device: &Device, source: Protocol, from: SocketAddr) -> Result<Claim, Rejection> {
        let claim = self.sessions.claim(&device.key, from.ip(), self.clock.now());
        let claim = claim.map_err(|held| self.takeover(device, source, from, held))?;
        // It may have been taken off the list since it was identified; from here on its session is ended then.
        if self.registry.get(&device.key).is_none_or(|d| d.vehicle != device.vehicle) {
            return Err(self.quarantine(&device.key, source, from, None));
        }
        Ok(claim)
    }

    /// The same where a request is all there is of a session.
    pub(crate) fn touch(&self, device: &Device, source: Protocol, from: SocketAddr) -> Result<(), Rejection> {
        let touched = self.sessions.touch(&device.key, from.ip(), self.clock.now());
        touched.map_err(|held| self.takeover(device, source, from, held))
    }

    fn takeover(&self, device: &Device, source: Protocol, from: SocketAddr, held: HeldBy) -> Rejection {
        let who = Who::Device(device.key.clone(), Some(device.vehicle.clone()));
        self.refuse(Rejection::Takeover, who, || {
            format!("{source} from {}, while it is connected from {}", from.ip(), held.0)
        });
        Rejection::Takeover
    }

    /// Judges records, sends what is live to the engine and everything to the journal. The ticket is for
    /// the acknowledgement.
    pub(crate) async fn offer(&self, device: &Arc<Device>, records: Vec<Record>, source: Protocol) -> Ticket {
        self.offer_all(vec![(Arc::clone(device), records)], source).await
    }

    /// The same for a message that speaks for many devices, each named once: one transaction, one ticket.
    pub(crate) async fn offer_all(&self, parts: Vec<(Arc<Device>, Vec<Record>)>, source: Protocol) -> Ticket {
        let watch = Stopwatch::start();
        let (mut live, mut rows) = (Vec::new(), Vec::new());
        for (device, mut records) in parts {
            // Some trackers send the newest first; the engine should see the way they went.
            records.sort_by_key(|r| r.time);
            let (moving, stored) = self.judge(&device, records, source);
            live.extend(moving);
            rows.extend(stored);
        }
        let stored = self.journal.store(rows);
        self.forward(live, source).await;
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            stored.await?;
            metrics.acknowledged(watch.elapsed());
            Ok(())
        })
    }

    fn judge(&self, device: &Arc<Device>, records: Vec<Record>, source: Protocol) -> (Vec<Fix>, Vec<Row>) {
        let mut live = Vec::new();
        let mut rows = Vec::with_capacity(records.len());
        let mut refused: Vec<(Rejection, UnixMs)> = Vec::new();
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let received = self.clock.now();
        for mut record in records {
            record.reported.working = record.reported.working.or_else(|| self.working.read(device.kind, &record));
            let raw =
                Raw { device: &device.key, vehicle: Some(&device.vehicle), source: source.source(), record: &record };
            let judged = gate.judge(&raw, received);
            let said = Said::of(source.source(), &record);
            rows.push(Row {
                device: Arc::clone(device),
                device_time: record.time.unwrap_or(received),
                sequence: record.sequence,
                received,
                time: judged.time,
                position: record.position,
                reported: record.reported,
                source: source.source(),
                mark: judged.mark,
                said,
            });
            match judged.verdict {
                Verdict::Live(fix) => live.push(fix),
                Verdict::HistoryOnly(_, r) => {
                    self.metrics.history(source);
                    refused.push((r, judged.time));
                }
                Verdict::Refused(r) => refused.push((r, judged.time)),
            }
        }
        let sky = gate.episodes(received);
        let jumps = gate.take_jumps();
        drop(gate);
        self.look_up(sky, received);
        self.clocks_jumped(jumps, received);
        for (reason, time) in refused {
            let who = Who::Device(device.key.clone(), Some(device.vehicle.clone()));
            let apart = received.secs_f64() - time.secs_f64();
            self.refuse(reason, who, || format!("{source}, a record {apart:.0} s old"));
        }
        (live, rows)
    }

    /// Says aloud when electronic warfare begins and ends.
    fn look_up(&self, sky: Vec<Episode>, now: UnixMs) {
        if sky.is_empty() && !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        for kind in Warfare::ALL {
            self.metrics.warfare(kind, sky.iter().filter(|e| e.kind == kind).count());
        }
        self.troubled.store(self.watch.sky(sky, now), Ordering::Relaxed);
    }

    /// Sends fixes to the engine; waits for it once a message, so that a tracker with a long packet does
    /// not stand still behind an engine that does.
    async fn forward(&self, live: Vec<Fix>, source: Protocol) {
        let mut patience = ENGINE_PATIENCE;
        for fix in live {
            let sent = match self.fixes_out.try_send(fix) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(fix)) => {
                    self.fixes_out.send_timeout(fix, std::mem::take(&mut patience)).await.is_ok()
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            };
            if sent {
                self.metrics.live(source);
            } else {
                self.metrics.engine_busy();
                self.watch.engine_busy(self.clock.now());
            }
        }
    }
}
