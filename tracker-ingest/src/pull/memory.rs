//! What a source had said before: a pure structure.
//!
//! A list says where every vehicle is, again and again; new is only a vehicle's record of another time. A list of
//! which nothing is new is no sign of life, however often it comes.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use transit_model::time::UnixMs;

use crate::codec::{DeviceKey, Record};

/// Vehicles remembered beyond those of the last list, as many again and so many more.
const SPARE: usize = 1000;

/// A vehicle's records of one list.
pub(super) type Vehicle = (DeviceKey, Vec<Record>);

#[derive(Debug)]
pub(super) struct Memory {
    digest: Option<[u8; 32]>,
    /// The time of each vehicle's last record.
    seen: FxHashMap<DeviceKey, Option<UnixMs>>,
    last_new: UnixMs,
}

impl Memory {
    /// Of a source that was begun to be asked at a moment.
    pub(super) fn new(now: UnixMs) -> Self {
        Self { digest: None, seen: FxHashMap::default(), last_new: now }
    }

    /// Whether a list is the last one, byte for byte.
    pub(super) fn is_the_same(&self, bytes: &[u8]) -> bool {
        self.digest.is_some_and(|known| known == digest(bytes))
    }

    /// The records that are not those we had, by vehicle, in the order in which the vehicles stand.
    pub(super) fn new_ones(&self, records: Vec<Record>) -> Vec<Vehicle> {
        let mut at: FxHashMap<DeviceKey, usize> = FxHashMap::default();
        let mut all: Vec<Vehicle> = Vec::new();
        for record in records {
            let Some(device) = record.device.clone() else { continue };
            if self.seen.get(&device).is_some_and(|time| *time == record.time) {
                continue;
            }
            let place = *at.entry(device.clone()).or_insert(all.len());
            match all.get_mut(place) {
                Some((_, same)) => same.push(record),
                None => all.push((device, vec![record])),
            }
        }
        all
    }

    /// Takes in a list that has been stored: what was new of it, and how many vehicles it has.
    pub(super) fn keep(&mut self, bytes: &[u8], new: &[Vehicle], listed: usize, now: UnixMs) {
        self.digest = Some(digest(bytes));
        // A city asleep has no vehicles, and says so.
        if !new.is_empty() || listed == 0 {
            self.last_new = now;
        }
        let most = (2 * listed.max(new.len())).saturating_add(SPARE);
        if self.seen.len() > most {
            // Whoever is still there is heard once more than needed, and known to the gate.
            self.seen.clear();
        }
        for (device, records) in new {
            let last = records.iter().map(|r| r.time).max().flatten();
            self.seen.insert(device.clone(), last);
        }
    }

    /// When it last said anything new; of one that never did, when it was begun to be asked.
    pub(super) const fn last_new(&self) -> UnixMs {
        self.last_new
    }

    /// How long ago that is.
    pub(super) fn age(&self, now: UnixMs) -> Duration {
        Duration::from_millis(u64::try_from(now.0.saturating_sub(self.last_new.0)).unwrap_or(0))
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(vehicle: &str, secs: i64) -> Record {
        Record { device: Some(DeviceKey::from(vehicle)), time: Some(UnixMs::from_secs(secs)), ..Record::default() }
    }

    /// The vehicles of which something is new, and how many records each has.
    fn hear(memory: &mut Memory, text: &str, records: Vec<Record>, now: i64) -> Vec<(String, usize)> {
        let listed = records.len();
        let new = memory.new_ones(records);
        memory.keep(text.as_bytes(), &new, listed, UnixMs::from_secs(now));
        new.iter().map(|(d, r)| (d.expose().to_owned(), r.len())).collect()
    }

    #[test]
    fn new_is_a_vehicle_s_record_of_another_time() {
        let mut m = Memory::new(UnixMs(0));
        let one = |n: usize, v: &str| (v.to_owned(), n);
        assert_eq!(hear(&mut m, "a", vec![record("7", 10), record("8", 10)], 11), [one(1, "7"), one(1, "8")]);
        assert_eq!(hear(&mut m, "b", vec![record("7", 20), record("8", 10)], 21), [one(1, "7")]);
        // An earlier one is not dropped in silence: the gate says what it is.
        assert_eq!(hear(&mut m, "c", vec![record("7", 20), record("8", 5)], 31), [one(1, "8")]);
        assert_eq!(hear(&mut m, "d", vec![record("9", 30), record("9", 31)], 41), [one(2, "9")]);
        assert_eq!(hear(&mut m, "e", vec![record("9", 31)], 51), []);
    }

    #[test]
    fn a_list_of_which_nothing_is_new_grows_old_and_an_empty_one_does_not() {
        let mut m = Memory::new(UnixMs(0));
        let age = |m: &Memory, now: i64| m.age(UnixMs::from_secs(now)).as_secs();
        assert_eq!(age(&m, 5), 5, "one that never said anything");
        hear(&mut m, "a", vec![record("7", 10)], 11);
        assert!(m.is_the_same(b"a") && !m.is_the_same(b"b"));
        hear(&mut m, "the same vehicle, another text", vec![record("7", 10)], 100);
        assert_eq!((age(&m, 101), m.last_new()), (90, UnixMs::from_secs(11)));
        hear(&mut m, "", Vec::new(), 200);
        assert_eq!(age(&m, 200), 0);
    }

    #[test]
    fn names_that_change_with_every_list_cost_bounded_memory() {
        let mut m = Memory::new(UnixMs(0));
        for n in 0..100 {
            let records = (0..100).map(|v| record(&format!("{n}-{v}"), n)).collect();
            hear(&mut m, &n.to_string(), records, n);
        }
        assert!(m.seen.len() <= 2 * 100 + SPARE + 100, "{}", m.seen.len());
    }
}
