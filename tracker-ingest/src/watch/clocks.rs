//! The devices' clocks that are off: what a dispatcher is told, and what is to be written down.

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::dispatch::Concern;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::codec::DeviceKey;
use crate::journal::StoredClock;
use crate::registry::Device;

/// A clock that was found to be off is told for so long, ms; then it stands in the list of devices.
const TOLD: i64 = 86_400_000;
/// 1024 weeks, seconds.
const ROLLOVER: i64 = 1024 * 7 * 86_400;

#[derive(Debug)]
struct Off {
    /// The device's number, where it is to be written down.
    device: Option<i64>,
    vehicle: VehicleId,
    clock: StoredClock,
}

/// The clocks that are off, and those that were set right and are not written down yet.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    of: FxHashMap<DeviceKey, Off>,
    dirty: FxHashSet<DeviceKey>,
}

impl Clocks {
    pub(super) fn restore(&mut self, known: impl Iterator<Item = (VehicleId, StoredClock)>) {
        self.of.extend(known.map(|(vehicle, clock)| (clock.key.clone(), Off { device: None, vehicle, clock })));
    }

    pub(super) fn jumped(&mut self, device: &Device, clock: StoredClock) {
        self.dirty.insert(device.key.clone());
        self.of.insert(device.key.clone(), Off { device: Some(device.id), vehicle: device.vehicle.clone(), clock });
    }

    /// What the gate does not know any more it will find again, or not.
    pub(super) fn forget(&mut self, key: &DeviceKey) {
        self.of.remove(key);
    }

    /// Device, offset and since when, of those that changed.
    pub(super) fn take_dirty(&mut self) -> Vec<(i64, i64, UnixMs)> {
        let dirty = std::mem::take(&mut self.dirty);
        let row = |o: &Off| o.device.map(|d| (d, o.clock.offset_ms, o.clock.since));
        dirty.iter().filter_map(|key| self.of.get(key).and_then(row)).collect()
    }

    pub(super) fn still_dirty(&mut self, device: i64) {
        let keys = self.of.iter().filter(|(_, o)| o.device == Some(device)).map(|(key, _)| key.clone());
        self.dirty.extend(keys);
    }

    pub(super) fn of(&self, key: &DeviceKey) -> i64 {
        self.of.get(key).map_or(0, |o| o.clock.offset_ms)
    }

    /// How many are ahead, and how many behind.
    pub(super) fn off(&self) -> (usize, usize) {
        let count = |which: fn(i64) -> bool| self.of.values().filter(|o| which(o.clock.offset_ms)).count();
        (count(|ms| ms > 0), count(|ms| ms < 0))
    }

    pub(super) fn concerns(&self, now: UnixMs) -> impl Iterator<Item = Concern> {
        let told = move |o: &&Off| o.clock.offset_ms != 0 && now.0.saturating_sub(o.clock.since.0) < TOLD;
        self.of.values().filter(told).map(concern)
    }
}

fn concern(o: &Off) -> Concern {
    let (vehicle, secs) = (&o.vehicle, o.clock.offset_ms / 1000);
    let (uk, en) = match secs {
        s if s <= -(ROLLOVER / 2) => (
            "відстає на 1024 тижні (збій лічби тижнів GPS)".to_owned(),
            "is 1024 weeks behind (GPS week rollover)".to_owned(),
        ),
        s if s < 0 => (
            format!("відстає на {}", amount(-s, ["год", "хв", "с"])),
            format!("is {} behind", amount(-s, ["h", "min", "s"])),
        ),
        s => (
            format!("поспішає на {}", amount(s, ["год", "хв", "с"])),
            format!("is {} ahead", amount(s, ["h", "min", "s"])),
        ),
    };
    Concern {
        key: format!("ingest:clock:{vehicle}"),
        level: 3,
        kind: "clock_off".into(),
        text_uk: format!("{vehicle}: годинник трекера {uk}. Виправляємо самі; перевірте налаштування"),
        text_en: format!("{vehicle}: its tracker's clock {en}. It is corrected; look at its settings"),
        vehicle_id: Some(vehicle.to_string()),
        route_id: None,
        since: o.clock.since,
    }
}

/// "1 год 15 хв", "47 с".
fn amount(secs: i64, [h, min, s]: [&str; 3]) -> String {
    let parts = [(secs / 3600, h), (secs / 60 % 60, min), (if secs < 600 { secs % 60 } else { 0 }, s)];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_told_in_units_a_person_uses() {
        let units = ["h", "min", "s"];
        let said = [47, 437, 3600, 4500, 7199].map(|s| amount(s, units));
        assert_eq!(said, ["47 s", "7 min 17 s", "1 h", "1 h 15 min", "1 h 59 min"]);
    }
}
