//! The list of devices as the dispatcher's stream has it: who is heard, how it is, what of it was refused.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::PoisonError;

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::dispatch::{DeviceState, DeviceView, Devices};
use transit_model::time::UnixMs;

use super::Intake;
use crate::codec::{DeviceKey, digest};
use crate::gate::Known;

/// A device that was heard so short a time ago is heard, ms; longer ago, silent.
const HEARD: i64 = 600_000;
/// After so long it is gone, ms.
const GONE: i64 = 86_400_000;
const MINUTE: i64 = 60_000;
/// At most so many devices in quarantine are told, the latest.
const QUARANTINE: usize = 200;

impl Intake {
    /// Every device and every reason, at a moment. `seen`: when devices were heard before this process began.
    pub(crate) fn devices<S: BuildHasher>(&self, seen: &HashMap<DeviceKey, UnixMs, S>) -> Devices {
        let now = self.clock.now();
        let (known, apart) = {
            let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            let known: FxHashMap<DeviceKey, Known> = gate.known().map(|(key, k)| (key.clone(), k)).collect();
            let apart: FxHashSet<DeviceKey> = gate.disagreements(now).into_iter().flat_map(|d| d.devices).collect();
            (known, apart)
        };
        let changes = self.bindings.open(now);
        let mut refusals = self.watch.refusals(now);
        let mut list: Vec<DeviceView> = Vec::new();
        for d in self.registry.list() {
            let k = known.get(&d.key);
            let heard = k.map(|k| k.heard).max(seen.get(&d.key).copied());
            let quiet = heard.map_or(i64::MAX, |at| now.0.saturating_sub(at.0));
            let state = match changes.get(&d.key) {
                _ if apart.contains(&d.key) => DeviceState::Disagrees,
                Some(true) => DeviceState::Refused,
                _ if quiet < HEARD && k.is_some_and(|k| k.clock_suspected) => DeviceState::ClockOff,
                Some(false) => DeviceState::Changed,
                None if quiet < HEARD => DeviceState::Heard,
                None if quiet < GONE => DeviceState::Silent,
                None => DeviceState::Gone,
            };
            let told = refusals.remove(&d.key).unwrap_or_default();
            list.push(DeviceView {
                id: format!("{} {}", d.vehicle, d.key),
                device: d.key.to_string(),
                vehicle_id: Some(d.vehicle.to_string()),
                label: d.label.clone(),
                protocol: k.map(|k| k.source.name().to_owned()),
                heard: heard.map(to_the_minute),
                state,
                clock_offset_s: k.map_or_else(|| self.watch.clock_ms(&d.key), |k| k.clock_ms) / 1000,
                last_reason: told.last.map(|r| r.name().to_owned()),
                refused: told.hour.iter().map(|(r, n)| (r.name().to_owned(), *n)).collect::<BTreeMap<_, _>>(),
                open: told.open.iter().map(|r| r.name().to_owned()).collect(),
            });
        }
        list.extend(self.watch.quarantine().into_iter().take(QUARANTINE).map(|q| DeviceView {
            id: format!("? {:08x}", digest(q.key.expose().as_bytes())),
            device: q.key.to_string(),
            label: Some(q.address),
            protocol: Some(q.source.name().to_owned()),
            heard: Some(to_the_minute(q.last_seen)),
            state: DeviceState::Quarantine,
            ..DeviceView::default()
        }));
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list.dedup_by(|a, b| a.id == b.id);
        Devices { list, reasons: self.watch.reasons(now) }
    }
}

const fn to_the_minute(t: UnixMs) -> UnixMs {
    UnixMs(t.0 - t.0.rem_euclid(MINUTE))
}
