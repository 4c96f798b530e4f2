//! Two trackers of one vehicle: which of them moves it, and what is so when they disagree.
//!
//! One of them leads; the other's fixes are kept and move nothing, so that the position on the map never goes to
//! and fro between two antennas. When the leader falls silent the other takes over. When they say the vehicle is
//! in two places nobody can know which of them is right: then neither moves it, and a person is told.
//!
//! Pure, and asked only for vehicles that the registry gave more than one device.

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::ids::VehicleId;
use transit_model::plane::haversine;
use transit_model::time::UnixMs;

use super::Seen;
use crate::codec::DeviceKey;
use crate::rejection::Rejection;

/// A tracker that was silent for so long leads no more and contradicts nobody, ms.
const SILENT: i64 = 60_000;
/// How far apart two trackers may be, metres: two receivers' errors among houses and the length of a vehicle.
const NOISE: f64 = 250.0;
/// And for each second between their fixes so much more, m/s.
const DRIVES: f64 = 25.0;
/// So many comparisons in a row make it so, or end it.
const IN_A_ROW: u32 = 3;
/// Trackers of one vehicle that are remembered.
const MOST: usize = 4;

/// A vehicle whose trackers say it is in two places.
#[derive(Clone, PartialEq, Debug)]
pub struct Disagreement {
    /// Which.
    pub vehicle: VehicleId,
    /// Its devices that were heard in the last minute.
    pub devices: Vec<DeviceKey>,
    /// How far apart they are, metres, the last two that were compared.
    pub metres: f64,
    /// Since when.
    pub since: UnixMs,
}

#[derive(Debug)]
struct Speaker {
    device: DeviceKey,
    seen: Seen,
    heard: UnixMs,
}

#[derive(Debug)]
struct Pair {
    leader: DeviceKey,
    speakers: Vec<Speaker>,
    /// Comparisons in a row that say otherwise than what is held.
    against: u32,
    metres: f64,
    apart_since: Option<UnixMs>,
}

/// The vehicles with more than one device.
#[derive(Debug, Default)]
pub(super) struct Pairs(FxHashMap<VehicleId, Pair>);

impl Pairs {
    /// A device of a vehicle says where it is, plausibly for itself. Says why that does not move the vehicle, if so.
    pub(super) fn speaks(
        &mut self,
        vehicle: &VehicleId,
        device: &DeviceKey,
        seen: Seen,
        now: UnixMs,
    ) -> Option<Rejection> {
        let pair = self.0.entry(vehicle.clone()).or_insert_with(|| Pair {
            leader: device.clone(),
            speakers: Vec::new(),
            against: 0,
            metres: 0.0,
            apart_since: None,
        });
        pair.speakers.retain(|s| s.device == *device || now.0.saturating_sub(s.heard.0) < SILENT);
        let apart = pair.speakers.iter().filter(|s| s.device != *device).map(|s| distance(s.seen, seen)).next_back();
        let room = pair.speakers.len() < MOST;
        match pair.speakers.iter_mut().find(|s| s.device == *device) {
            Some(own) => (own.seen, own.heard) = (seen, now),
            None if room => pair.speakers.push(Speaker { device: device.clone(), seen, heard: now }),
            None => {}
        }
        let Some((metres, agree)) = apart else {
            // Nobody else has spoken for a minute.
            (pair.against, pair.apart_since) = (0, None);
            pair.leader = device.clone();
            return None;
        };
        pair.metres = metres;
        pair.against = if agree == pair.apart_since.is_some() { pair.against + 1 } else { 0 };
        if pair.against >= IN_A_ROW {
            pair.against = 0;
            pair.apart_since = if agree { None } else { Some(now) };
        }
        if pair.apart_since.is_some() {
            return Some(Rejection::TrackersDisagree);
        }
        if pair.leader != *device && pair.speakers.iter().any(|s| s.device == pair.leader) {
            return Some(Rejection::Secondary);
        }
        pair.leader = device.clone();
        None
    }

    /// A device is of no vehicle any more, or of another.
    pub(super) fn forget(&mut self, device: &DeviceKey) {
        for pair in self.0.values_mut() {
            pair.speakers.retain(|s| s.device != *device);
        }
    }

    /// Keeps only what is known of these vehicles.
    pub(super) fn keep(&mut self, vehicles: &FxHashSet<VehicleId>) {
        self.0.retain(|v, _| vehicles.contains(v));
    }

    pub(super) fn disagreements(&mut self, now: UnixMs) -> Vec<Disagreement> {
        let mut all = Vec::new();
        for (vehicle, pair) in &mut self.0 {
            pair.speakers.retain(|s| now.0.saturating_sub(s.heard.0) < SILENT);
            let Some(since) = pair.apart_since else { continue };
            if pair.speakers.len() < 2 {
                pair.apart_since = None;
                continue;
            }
            let devices = pair.speakers.iter().map(|s| s.device.clone()).collect();
            all.push(Disagreement { vehicle: vehicle.clone(), devices, metres: pair.metres, since });
        }
        all.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
        all
    }
}

/// How far apart two fixes are, metres, and whether one vehicle can be at both.
fn distance(a: Seen, b: Seen) -> (f64, bool) {
    let metres = haversine(a.lat, a.lon, b.lat, b.lon);
    let seconds = (a.time.secs_f64() - b.time.secs_f64()).abs();
    (metres, metres <= DRIVES.mul_add(seconds, NOISE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 1_795_000_000;

    struct Bus(Pairs);

    impl Bus {
        /// What becomes of a fix of a device at a second, so many metres north of a place.
        fn says(&mut self, device: &str, second: i64, metres: f64) -> &'static str {
            let time = UnixMs::from_secs(DAY + second);
            let seen = Seen { time, lat: 48.85 + metres / 111_195.0, lon: 37.6 };
            match self.0.speaks(&"bus-1".into(), &device.into(), seen, time) {
                None => "live",
                Some(r) => r.name(),
            }
        }

        fn apart(&mut self, second: i64) -> Vec<(usize, i64)> {
            let of = |d: &Disagreement| (d.devices.len(), (d.metres / 100.0).round() as i64);
            self.0.disagreements(UnixMs::from_secs(DAY + second)).iter().map(of).collect()
        }
    }

    #[test]
    fn one_leads_and_the_other_takes_over_when_it_falls_silent() {
        let mut bus = Bus(Pairs::default());
        for i in 0..20 {
            let at = i as f64 * 100.0;
            assert_eq!(bus.says("a", i * 10, at), "live");
            assert_eq!(bus.says("b", i * 10 + 5, at + 60.0), "secondary");
        }
        let said: Vec<_> = (20..30).map(|i| bus.says("b", i * 10 + 5, i as f64 * 100.0)).collect();
        assert_eq!(said[0], "secondary");
        assert_eq!((said[5], said[9]), ("live", "live"));
        assert_eq!(bus.says("a", 300, 3000.0), "secondary", "and keeps the lead");
        assert!(bus.apart(300).is_empty());
    }

    #[test]
    fn two_places_are_nobodys_until_they_agree_again() {
        let mut bus = Bus(Pairs::default());
        let mut said = Vec::new();
        for i in 0..6 {
            said.push(bus.says("a", i * 10, 0.0));
            said.push(bus.says("b", i * 10 + 5, 3000.0));
        }
        assert_eq!(said[..4], ["live", "secondary", "live", "trackers_disagree"], "{said:?}");
        assert!(said[4..].iter().all(|s| *s == "trackers_disagree"), "{said:?}");
        assert_eq!(bus.apart(60), [(2, 30)]);
        let mut said = Vec::new();
        for i in 6..12 {
            said.push(bus.says("a", i * 10, 3000.0));
            said.push(bus.says("b", i * 10 + 5, 3000.0));
        }
        assert_eq!(said[..3], ["trackers_disagree", "trackers_disagree", "live"], "{said:?}");
        assert!(said[3..].chunks(2).all(|s| s == ["secondary", "live"] || s.len() == 1), "no flapping: {said:?}");
        assert!(bus.apart(120).is_empty());
    }

    #[test]
    fn who_stays_behind_alone_is_believed() {
        let mut bus = Bus(Pairs::default());
        for i in 0..6 {
            bus.says("a", i * 10, 0.0);
            bus.says("b", i * 10 + 5, 3000.0);
        }
        assert_eq!(bus.apart(60).len(), 1);
        assert_eq!(bus.says("b", 100, 3000.0), "trackers_disagree");
        assert_eq!(bus.says("b", 120, 3000.0), "live");
        assert!(bus.apart(120).is_empty());
    }
}
