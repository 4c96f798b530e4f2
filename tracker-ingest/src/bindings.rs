//! What is usual for each device, kept: asked at the start of a session, written down with the journal, told to
//! the dispatcher. What a session teaches is decided in [`crate::registry::binding`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::dispatch::Concern;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::codec::DeviceKey;
use crate::registry::binding::{Binding, Change, ChangeKind, Rules, Seen, Sighting};
use crate::registry::{Change as Listed, Device, Registry};

/// When so many devices are in a new network at once it is told as one thing: their operator moved them.
const TOGETHER: usize = 4;
/// A network that so many other devices are usual in is the fleet's own.
const FLEETS_OWN: usize = 3;

/// As the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredBinding {
    /// The device's number.
    pub(crate) device: i64,
    /// Of which learning: each `rebind` begins another.
    pub(crate) epoch: i64,
    /// What was learned.
    pub(crate) binding: Binding,
}

#[derive(Debug)]
struct Held {
    device: i64,
    epoch: i64,
    vehicle: VehicleId,
    binding: Binding,
}

#[derive(Debug, Default)]
struct State {
    of: FxHashMap<DeviceKey, Held>,
    dirty: FxHashSet<DeviceKey>,
}

/// What is usual for every device of one ingest.
#[derive(Debug)]
pub(crate) struct Bindings {
    rules: Rules,
    state: Mutex<State>,
}

impl Bindings {
    /// As they were written down, of the devices on the list.
    pub(crate) fn new(rules: Rules, stored: Vec<StoredBinding>, registry: &Registry) -> Self {
        let mut by_number: FxHashMap<i64, StoredBinding> = stored.into_iter().map(|s| (s.device, s)).collect();
        let mut of = FxHashMap::default();
        for d in registry.list() {
            let Some(s) = by_number.remove(&d.id).filter(|s| s.epoch == d.epoch) else { continue };
            let held = Held { device: d.id, epoch: d.epoch, vehicle: d.vehicle.clone(), binding: s.binding };
            of.insert(d.key.clone(), held);
        }
        Self { rules, state: Mutex::new(State { of, dirty: FxHashSet::default() }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the start of a session in.
    pub(crate) fn see(&self, device: &Device, s: &Sighting, now: UnixMs) -> Seen {
        let rules = device.binding.map_or(self.rules, Rules::all);
        let mut state = self.state();
        let seen = match state.of.get_mut(&device.key) {
            Some(held) if held.epoch == device.epoch => held.binding.see(s, rules, now),
            _ => {
                let binding = Binding::first(s, now);
                let held = Held { device: device.id, epoch: device.epoch, vehicle: device.vehicle.clone(), binding };
                state.of.insert(device.key.clone(), held);
                Seen { learned: true, ..Seen::default() }
            }
        };
        if seen.learned {
            state.dirty.insert(device.key.clone());
        }
        seen
    }

    /// Takes changes of the list in: who is off it, or begins anew, is known for nothing.
    pub(crate) fn settle(&self, changes: &[Listed]) {
        let mut state = self.state();
        for change in changes {
            match &change.after {
                Some(d) => {
                    if let Some(held) = state.of.get_mut(&change.key) {
                        held.vehicle = d.vehicle.clone();
                    }
                    if state.of.get(&change.key).is_some_and(|h| h.epoch != d.epoch) {
                        state.of.remove(&change.key);
                    }
                }
                None => drop(state.of.remove(&change.key)),
            }
        }
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_dirty(&self) -> Vec<StoredBinding> {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        let stored = |h: &Held| StoredBinding { device: h.device, epoch: h.epoch, binding: h.binding.clone() };
        dirty.iter().filter_map(|k| state.of.get(k).map(stored)).collect()
    }

    /// They could not be written down: they are to be tried again.
    pub(crate) fn still_dirty(&self, of: &[StoredBinding]) {
        let mut state = self.state();
        let State { of: held, dirty } = &mut *state;
        dirty.extend(held.iter().filter(|(_, h)| of.iter().any(|s| s.device == h.device)).map(|(k, _)| k.clone()));
    }

    /// Devices that are not as they always were now, and whether they are refused for it.
    pub(crate) fn open(&self, now: UnixMs) -> FxHashMap<DeviceKey, bool> {
        let state = self.state();
        let open = |h: &Held| {
            let lasting = || h.binding.changes.iter().filter(|c| c.lasts(now));
            lasting().next().map(|_| lasting().any(|c| c.refused))
        };
        state.of.iter().filter_map(|(key, h)| Some((key.clone(), open(h)?))).collect()
    }

    /// What a dispatcher should know of changes that last.
    pub(crate) fn concerns(&self, now: UnixMs) -> Vec<Concern> {
        let state = self.state();
        let open: Vec<(&Held, &Change)> = state
            .of
            .values()
            .flat_map(|h| h.binding.changes.iter().map(move |c| (h, c)))
            .filter(|(_, c)| c.lasts(now))
            .collect();
        if open.is_empty() {
            return Vec::new();
        }
        let mut moved: BTreeMap<&str, Vec<(&Held, &Change)>> = BTreeMap::new();
        let mut all = Vec::new();
        for (held, change) in open {
            if change.kind == ChangeKind::Network && !change.refused {
                moved.entry(&change.now).or_default().push((held, change));
            } else {
                all.push(of_change(&held.vehicle, change, false));
            }
        }
        let usual_in = |network: &str| {
            let there = |h: &&Held| h.binding.networks.iter().any(|k| k.network.as_str() == network);
            state.of.values().filter(there).count()
        };
        for (network, them) in moved {
            if them.len() >= TOGETHER {
                all.push(of_many(network, &them));
            } else {
                let own = usual_in(network) >= FLEETS_OWN;
                all.extend(them.into_iter().map(|(held, change)| of_change(&held.vehicle, change, own)));
            }
        }
        all
    }
}

fn of_many(network: &str, them: &[(&Held, &Change)]) -> Concern {
    let n = them.len();
    let names: Vec<&str> = them.iter().take(5).map(|(h, _)| h.vehicle.as_str()).collect();
    let names = names.join(", ");
    let more = if n > 5 { ", …" } else { "" };
    Concern {
        key: format!("ingest:binding:network:{network}"),
        level: 3,
        kind: "device_changed".into(),
        text_uk: format!(
            "Трекерів, що заговорили з нової мережі {network}: {n} ({names}{more}). Прийнято: схоже, їх переніс оператор"
        ),
        text_en: format!(
            "{n} trackers speak from a new network {network} ({names}{more}). Let in: their operator seems to have moved them"
        ),
        vehicle_id: None,
        route_id: None,
        since: them.iter().map(|(_, c)| c.since).min().unwrap_or_default(),
    }
}

fn of_change(vehicle: &VehicleId, c: &Change, fleets_own: bool) -> Concern {
    let (was, is) = (&c.was, &c.now);
    let (what_uk, what_en) = match c.kind {
        ChangeKind::Certificate => ("показав інший сертифікат", "showed another certificate"),
        ChangeKind::Downgrade => ("говорить без захисту, який мав завжди", "speaks without the proof it always gave"),
        ChangeKind::Protocol => ("заговорив іншим протоколом", "speaks another protocol"),
        ChangeKind::Network => ("заговорив з нової мережі", "speaks from a new network"),
    };
    let (done_uk, done_en) = if c.refused {
        ("Не прийнято. Якщо так і треба: devices rebind", "Refused. If that is right: devices rebind")
    } else {
        ("Прийнято. Якщо так і треба: devices rebind", "Let in. If that is right: devices rebind")
    };
    let level = match c.kind {
        ChangeKind::Certificate | ChangeKind::Downgrade => 1,
        ChangeKind::Network if !c.refused && fleets_own => 3,
        _ => 2,
    };
    Concern {
        key: format!("ingest:binding:{}:{vehicle}:{is}", c.kind.name()),
        level,
        kind: "device_changed".into(),
        text_uk: format!("{vehicle}: трекер {what_uk}: {is} (було: {was}). {done_uk}"),
        text_en: format!("{vehicle}: its tracker {what_en}: {is} (was: {was}). {done_en}"),
        vehicle_id: Some(vehicle.to_string()),
        route_id: None,
        since: c.since,
    }
}
