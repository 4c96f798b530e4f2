//! What somebody should see: refusals as episodes, quarantine, a journal that fails.
//!
//! A device that is refused ten times a second is one episode: one line in the log, one event, one concern
//! for the dispatcher, for as long as it lasts.

mod brokers;
mod clocks;
mod tally;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::broadcast;
use transit_model::dispatch::Concern;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::alarms::Alarms;
use crate::codec::{DeviceEvent, DeviceKey, Protocol};
use crate::gate::{self, Disagreement, Warfare};
use crate::journal::{BatchReport, News, Quarantined, StoredClock};
use crate::pull::{Trouble, Turn};
use crate::registry::Device;
use crate::registry::binding::{Change, ChangeKind};
use crate::rejection::Rejection;

/// An episode has ended when it was quiet for so long, ms.
const EPISODE_ENDS: i64 = 600_000;
/// At most so many episodes and quarantined devices are remembered; more are counted only.
const MOST: usize = 10_000;

/// Something that has begun or ended. Devices are named by their masked key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngestEvent {
    /// An episode of refusals has begun.
    Refused {
        /// Why.
        reason: Rejection,
        /// Of which vehicle, where it is known.
        vehicle: Option<VehicleId>,
        /// Who: a masked device, or an address.
        who: String,
        /// What exactly, for a person.
        detail: String,
        /// When.
        at: UnixMs,
    },
    /// A device is not as it always was.
    DeviceChanged {
        /// Of which vehicle.
        vehicle: VehicleId,
        /// What is different.
        kind: ChangeKind,
        /// Whether it was refused for it.
        refused: bool,
        /// When.
        at: UnixMs,
    },
    /// A device's clock was found to be off, or right again.
    Clock {
        /// Of which vehicle.
        vehicle: VehicleId,
        /// How far it is ahead, ms; negative = behind, 0 = right.
        offset_ms: i64,
        /// When.
        at: UnixMs,
    },
    /// Two devices of one vehicle say it is in two places; none moves it.
    TrackersDisagree {
        /// Which vehicle.
        vehicle: VehicleId,
        /// When.
        at: UnixMs,
    },
    /// The disk does not take records; trackers are told nothing and keep them.
    JournalFailing {
        /// Why.
        error: Arc<str>,
        /// When.
        at: UnixMs,
    },
    /// The disk takes records again.
    JournalRecovered {
        /// When.
        at: UnixMs,
    },
    /// The engine has no room for live fixes.
    EngineBusy {
        /// When.
        at: UnixMs,
    },
    /// A device says that something has happened to it or its vehicle, and somebody has to act.
    Device {
        /// Whose.
        vehicle: VehicleId,
        /// What.
        event: DeviceEvent,
        /// When.
        at: UnixMs,
    },
    /// Something has begun or ended to be wrong with a pull source.
    Pull {
        /// Which.
        source: String,
        /// Whether it cannot be had, where that has changed.
        failing: Option<bool>,
        /// Whether it says nothing new, where that has changed.
        stale: Option<bool>,
        /// When.
        at: UnixMs,
    },
    /// Satellite signals are being jammed or spoofed.
    Warfare {
        /// Which of them.
        kind: Warfare,
        /// How many vehicles are affected so far.
        vehicles: usize,
        /// When.
        at: UnixMs,
    },
    /// That is over.
    WarfareOver {
        /// Which of them.
        kind: Warfare,
        /// How many vehicles were affected.
        vehicles: usize,
        /// When.
        at: UnixMs,
    },
}

/// Whom a refusal is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Who {
    Device(DeviceKey, Option<VehicleId>),
    Address(IpAddr),
}

impl Who {
    fn shown(&self) -> String {
        match self {
            Self::Device(key, _) => key.to_string(),
            Self::Address(ip) => ip.to_string(),
        }
    }

    /// A name that gives no key away.
    fn tag(&self) -> String {
        match self {
            Self::Device(_, Some(vehicle)) => vehicle.to_string(),
            Self::Device(key, None) => format!("{:08x}", crate::codec::digest(key.expose().as_bytes())),
            Self::Address(ip) => ip.to_string(),
        }
    }
}

#[derive(Clone, Debug)]
struct Episode {
    since: UnixMs,
    last: UnixMs,
    times: u64,
    detail: String,
    hour: tally::Hour,
}

#[derive(Debug, Default)]
struct State {
    episodes: FxHashMap<(Who, Rejection), Episode>,
    quarantine: FxHashMap<DeviceKey, Quarantined>,
    dirty: FxHashSet<DeviceKey>,
    journal_failing: Option<(UnixMs, Arc<str>)>,
    engine_busy: Option<UnixMs>,
    sky: Vec<gate::Episode>,
    alarms: Alarms,
    brokers: brokers::Brokers,
    clocks: clocks::Clocks,
    /// Of all devices and addresses together.
    hours: FxHashMap<Rejection, tally::Hour>,
    apart: Vec<Disagreement>,
    pulls: BTreeMap<String, Trouble>,
}

/// The watch of one ingest.
#[derive(Debug)]
pub(crate) struct Watch {
    events: broadcast::Sender<IngestEvent>,
    state: Mutex<State>,
}

impl Watch {
    pub(crate) fn new(quarantine: Vec<Quarantined>) -> Self {
        let quarantine = quarantine.into_iter().take(MOST).map(|q| (q.key.clone(), q)).collect();
        Self { events: broadcast::Sender::new(256), state: Mutex::new(State { quarantine, ..State::default() }) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<IngestEvent> {
        self.events.subscribe()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emit(&self, event: IngestEvent) {
        // Nobody may be listening; the concern and the counter stay.
        drop(self.events.send(event));
    }

    /// Takes a refusal in; says it aloud when it begins an episode.
    pub(crate) fn refused(&self, reason: Rejection, who: Who, detail: impl FnOnce() -> String, at: UnixMs) {
        let begun = {
            let mut state = self.state();
            state.hours.entry(reason).or_default().count(at);
            let mut hour = tally::Hour::default();
            if let Some(e) = state.episodes.get_mut(&(who.clone(), reason)) {
                e.hour.count(at);
                hour = e.hour;
                if at.0.saturating_sub(e.last.0) < EPISODE_ENDS {
                    e.last = at;
                    e.times += 1;
                    return;
                }
            } else {
                hour.count(at);
            }
            if state.episodes.len() >= MOST {
                state.episodes.retain(|_, e| at.0.saturating_sub(e.last.0) < EPISODE_ENDS);
            }
            let detail = detail();
            if state.episodes.len() < MOST {
                let episode = Episode { since: at, last: at, times: 1, detail: detail.clone(), hour };
                state.episodes.insert((who.clone(), reason), episode);
            }
            detail
        };
        let shown = who.shown();
        let vehicle = match &who {
            Who::Device(_, vehicle) => vehicle.clone(),
            Who::Address(_) => None,
        };
        let name = vehicle.as_ref().map_or("", VehicleId::as_str);
        match reason.level() {
            Some(1 | 2) => tracing::warn!(%reason, vehicle = name, who = shown, detail = begun, "refused"),
            Some(_) => tracing::info!(%reason, vehicle = name, who = shown, detail = begun, "refused"),
            None => tracing::debug!(%reason, vehicle = name, who = shown, detail = begun, "refused"),
        }
        self.emit(IngestEvent::Refused { reason, vehicle, who: shown, detail: begun, at });
    }

    /// Takes an unknown device in; says how many there are now.
    pub(crate) fn quarantined(
        &self,
        key: &DeviceKey,
        source: Protocol,
        from: SocketAddr,
        place: Option<(f64, f64)>,
        at: UnixMs,
    ) -> usize {
        let mut state = self.state();
        if let Some(q) = state.quarantine.get_mut(key) {
            q.last_seen = at;
            q.times += 1;
            q.source = source.source();
            q.address = from.ip().to_string();
            q.place = place.or(q.place);
        } else if state.quarantine.len() < MOST {
            let q = Quarantined {
                key: key.clone(),
                source: source.source(),
                address: from.ip().to_string(),
                first_seen: at,
                last_seen: at,
                times: 1,
                place,
            };
            state.quarantine.insert(key.clone(), q);
        } else {
            return state.quarantine.len();
        }
        state.dirty.insert(key.clone());
        state.quarantine.len()
    }

    pub(crate) fn quarantine(&self) -> Vec<Quarantined> {
        let mut all: Vec<_> = self.state().quarantine.values().cloned().collect();
        all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.key.cmp(&b.key)));
        all
    }

    /// What has changed in quarantine since this was asked last.
    pub(crate) fn take_dirty(&self) -> Vec<Quarantined> {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        dirty.iter().filter_map(|k| state.quarantine.get(k).cloned()).collect()
    }

    /// A device is on the list now; says how many are left.
    pub(crate) fn released(&self, key: &DeviceKey) -> usize {
        let mut state = self.state();
        state.quarantine.remove(key);
        state.dirty.remove(key);
        state.episodes.retain(|(who, _), _| !matches!(who, Who::Device(k, None) if k == key));
        state.quarantine.len()
    }

    /// Lets go whoever was written down and is not in quarantine any more; says how many are left.
    pub(crate) fn keep_quarantined(&self, still: &FxHashSet<DeviceKey>) -> usize {
        let mut state = self.state();
        let State { quarantine, dirty, episodes, .. } = &mut *state;
        quarantine.retain(|key, _| still.contains(key) || dirty.contains(key));
        episodes.retain(|(who, reason), _| match who {
            Who::Device(key, None) if *reason == Rejection::UnknownDevice => quarantine.contains_key(key),
            _ => true,
        });
        quarantine.len()
    }

    /// Takes in what came of asking a pull source.
    pub(crate) fn pulled(&self, source: &str, failing: Option<&str>, stale: Option<UnixMs>, at: UnixMs) {
        let mut state = self.state();
        let trouble = state.pulls.entry(source.to_owned()).or_default();
        let turn = trouble.take(failing, stale, at);
        match turn.failing {
            Some(true) => tracing::warn!(source, why = trouble.why(), "a pull source cannot be had"),
            Some(false) => tracing::info!(source, "a pull source answers again"),
            None => {}
        }
        match turn.stale {
            Some(true) => tracing::warn!(source, "a pull source says nothing new"),
            Some(false) => tracing::info!(source, "a pull source has news again"),
            None => {}
        }
        if turn != Turn::default() {
            let Turn { failing, stale } = turn;
            self.emit(IngestEvent::Pull { source: source.to_owned(), failing, stale, at });
        }
    }

    /// Takes in what has happened to devices.
    pub(crate) fn happened(&self, news: &[News], at: UnixMs) {
        for n in news {
            if self.state().alarms.take(n, at) {
                tracing::warn!(vehicle = %n.vehicle, event = %n.event, "a device raised an alarm");
                self.emit(IngestEvent::Device { vehicle: n.vehicle.clone(), event: n.event, at: n.time });
            }
        }
    }

    pub(crate) fn journal(&self, report: &BatchReport, at: UnixMs) {
        let (BatchReport::Committed { news, .. } | BatchReport::Failed { news, .. }) = report;
        self.happened(news, at);
        let mut state = self.state();
        match (report, state.journal_failing.is_some()) {
            (BatchReport::Committed { .. }, true) => {
                state.journal_failing = None;
                tracing::warn!("the journal takes records again");
                self.emit(IngestEvent::JournalRecovered { at });
            }
            (BatchReport::Failed { error, .. }, false) => {
                state.journal_failing = Some((at, Arc::clone(error)));
                tracing::error!(%error, "the journal does not take records; trackers are not acknowledged");
                self.emit(IngestEvent::JournalFailing { error: Arc::clone(error), at });
            }
            _ => {}
        }
    }

    /// One of the city's brokers is lost, or gives us less than was asked for.
    pub(crate) fn broker_lost(&self, name: &str, why: &str, at: UnixMs) {
        self.state().brokers.lost(name, why, at);
    }

    /// It is there again.
    pub(crate) fn broker_found(&self, name: &str) {
        self.state().brokers.found(name);
    }

    pub(crate) fn engine_busy(&self, at: UnixMs) {
        let mut state = self.state();
        let begins = state.engine_busy.is_none_or(|last| at.0.saturating_sub(last.0) >= EPISODE_ENDS);
        state.engine_busy = Some(at);
        if begins {
            tracing::warn!("the engine has no room for live fixes; they go to the history only");
            self.emit(IngestEvent::EngineBusy { at });
        }
    }

    /// Takes in which episodes of electronic warfare last now; says whether there are any.
    pub(crate) fn sky(&self, now: Vec<gate::Episode>, at: UnixMs) -> bool {
        let mut state = self.state();
        let same = |a: &gate::Episode, b: &gate::Episode| (a.kind, a.since) == (b.kind, b.since);
        for e in now.iter().filter(|e| !state.sky.iter().any(|known| same(known, e))) {
            tracing::warn!(kind = e.kind.name(), vehicles = e.vehicles, lat = e.lat, lon = e.lon, "electronic warfare");
            self.emit(IngestEvent::Warfare { kind: e.kind, vehicles: e.vehicles, at });
        }
        for e in state.sky.iter().filter(|e| !now.iter().any(|still| same(still, e))) {
            tracing::warn!(kind = e.kind.name(), vehicles = e.vehicles, "electronic warfare is over");
            self.emit(IngestEvent::WarfareOver { kind: e.kind, vehicles: e.vehicles, at });
        }
        let any = !now.is_empty();
        state.sky = now;
        any
    }

    /// A device is not as it always was; said aloud.
    pub(crate) fn changed(&self, vehicle: &VehicleId, key: &DeviceKey, change: &Change, at: UnixMs) {
        let Change { kind, was, now, refused, .. } = change;
        tracing::warn!(kind = kind.name(), %vehicle, who = %key, %was, %now, refused, "a device is not as it always was");
        self.emit(IngestEvent::DeviceChanged { vehicle: vehicle.clone(), kind: *kind, refused: *refused, at });
    }

    /// Takes in which vehicles' devices disagree now; says so aloud when it begins.
    pub(crate) fn apart(&self, now: Vec<Disagreement>, at: UnixMs) {
        let mut state = self.state();
        for d in now.iter().filter(|d| !state.apart.iter().any(|known| known.vehicle == d.vehicle)) {
            tracing::warn!(vehicle = %d.vehicle, devices = ?d.devices, metres = d.metres, "trackers of one vehicle disagree");
            self.emit(IngestEvent::TrackersDisagree { vehicle: d.vehicle.clone(), at });
        }
        state.apart = now;
    }

    /// The clocks that were known to be off before a restart.
    pub(crate) fn clocks(&self, known: impl Iterator<Item = (VehicleId, StoredClock)>) {
        self.state().clocks.restore(known);
    }

    /// A clock is found to be off, or right again; said aloud.
    pub(crate) fn clock_jumped(&self, device: &Device, clock: StoredClock, before: i64) {
        let (vehicle, offset_ms, at) = (device.vehicle.clone(), clock.offset_ms, clock.since);
        tracing::warn!(%vehicle, who = %device.key, before_ms = before, offset_ms, "a device's clock is off, or right again");
        self.state().clocks.jumped(device, clock);
        self.emit(IngestEvent::Clock { vehicle, offset_ms, at });
    }

    /// The gate has forgotten a device.
    pub(crate) fn forget_clock(&self, key: &DeviceKey) {
        self.state().clocks.forget(key);
    }

    /// Clocks to be written down: device, offset, since when.
    pub(crate) fn take_clocks(&self) -> Vec<(i64, i64, UnixMs)> {
        self.state().clocks.take_dirty()
    }

    /// That could not be written down.
    pub(crate) fn clock_not_written(&self, device: i64) {
        self.state().clocks.still_dirty(device);
    }

    /// How far a device's clock is ahead as far as was written down, ms; negative = behind.
    pub(crate) fn clock_ms(&self, key: &DeviceKey) -> i64 {
        self.state().clocks.of(key)
    }

    /// How many clocks are off, ahead and behind.
    pub(crate) fn clocks_off(&self) -> (usize, usize) {
        self.state().clocks.off()
    }

    /// What a dispatcher should know now, in no order.
    pub(crate) fn concerns(&self, now: UnixMs) -> Vec<Concern> {
        let state = self.state();
        let mut all = Vec::new();
        if let Some((since, error)) = &state.journal_failing {
            all.push(Concern {
                key: "ingest:journal".into(),
                level: 1,
                kind: "journal_failing".into(),
                text_uk: format!("Історія координат не записується: {error}"),
                text_en: format!("The history of positions is not being stored: {error}"),
                vehicle_id: None,
                route_id: None,
                since: *since,
            });
        }
        if let Some(last) = state.engine_busy.filter(|last| now.0.saturating_sub(last.0) < EPISODE_ENDS) {
            all.push(Concern {
                key: "ingest:engine".into(),
                level: 1,
                kind: "engine_busy".into(),
                text_uk: "Обробка не встигає за трекерами: частина координат лише в історії".into(),
                text_en: "The engine does not keep up with the trackers: some positions are history only".into(),
                vehicle_id: None,
                route_id: None,
                since: last,
            });
        }
        all.extend(state.sky.iter().map(of_warfare));
        all.extend(state.alarms.concerns(now));
        all.extend(state.brokers.concerns(now));
        all.extend(state.clocks.concerns(now));
        all.extend(state.apart.iter().map(of_apart));
        all.extend(state.pulls.iter().flat_map(|(name, trouble)| trouble.concerns(name)));
        let lasting = state.episodes.iter().filter(|(_, e)| now.0.saturating_sub(e.last.0) < EPISODE_ENDS);
        for ((who, reason), e) in lasting {
            let Some(level) = reason.level() else { continue };
            let (uk, en) = reason.words();
            let vehicle = match who {
                Who::Device(_, vehicle) => vehicle.as_ref().map(ToString::to_string),
                Who::Address(_) => None,
            };
            let name = vehicle.clone().unwrap_or_else(|| who.shown());
            let kind = if *reason == Rejection::UnknownDevice { "unknown_device" } else { "rejected" };
            all.push(Concern {
                key: format!("ingest:{reason}:{}", who.tag()),
                level,
                kind: kind.into(),
                text_uk: format!("{name}: {uk} ({}×)", e.times),
                text_en: format!("{name}: {en} ({}×): {}", e.times, e.detail),
                vehicle_id: vehicle,
                route_id: None,
                since: e.since,
            });
        }
        all
    }
}

fn of_apart(d: &Disagreement) -> Concern {
    let (vehicle, km) = (&d.vehicle, d.metres / 1000.0);
    let devices: Vec<String> = d.devices.iter().map(ToString::to_string).collect();
    let devices = devices.join(", ");
    Concern {
        key: format!("ingest:trackers_disagree:{vehicle}"),
        level: 1,
        kind: "trackers_disagree".into(),
        text_uk: format!(
            "{vehicle}: його трекери ({devices}) показують місця за {km:.1} км одне від одного. Не показуємо жодного: зніміть той, що не в цій машині"
        ),
        text_en: format!(
            "{vehicle}: its trackers ({devices}) say places {km:.1} km apart. Neither is shown: take the one off the list that is not in this vehicle"
        ),
        vehicle_id: Some(vehicle.to_string()),
        route_id: None,
        since: d.since,
    }
}

fn of_warfare(e: &gate::Episode) -> Concern {
    let (n, lat, lon) = (e.vehicles, e.lat, e.lon);
    let (text_uk, text_en) = match e.kind {
        Warfare::Spoofing => (
            format!(
                "Підміна супутникових сигналів: машин, які «опинилися» біля {lat:.3}, {lon:.3}: {n}. Показано їхні останні справжні місця"
            ),
            format!(
                "Satellite signals are being spoofed: {n} vehicles are said to be near {lat:.3}, {lon:.3}. They are kept at their last true places"
            ),
        ),
        Warfare::Jamming => (
            format!("Глушіння супутникових сигналів біля {lat:.3}, {lon:.3}: машин без координат: {n}{}", silent_uk(e)),
            format!(
                "Satellite signals are being jammed near {lat:.3}, {lon:.3}: {n} vehicles have no position{}",
                silent_en(e)
            ),
        ),
    };
    Concern {
        key: format!("ingest:{}:{}", e.kind.name(), e.since.0),
        level: 1,
        kind: e.kind.name().into(),
        text_uk,
        text_en,
        vehicle_id: None,
        route_id: None,
        since: e.since,
    }
}

fn silent_uk(e: &gate::Episode) -> String {
    if e.silent == 0 {
        String::new()
    } else {
        format!(
            ", із них мовчать: {}{}",
            e.silent,
            if e.silent < e.vehicles { "" } else { " (або це мобільна мережа)" }
        )
    }
}

fn silent_en(e: &gate::Episode) -> String {
    if e.silent == 0 {
        String::new()
    } else {
        format!(
            ", {} of them say nothing{}",
            e.silent,
            if e.silent < e.vehicles { "" } else { " (or it is the mobile network)" }
        )
    }
}
