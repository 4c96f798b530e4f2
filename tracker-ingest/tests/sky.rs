//! Electronic warfare as the gate sees it: many vehicles at once, and what is only traffic.
#![cfg(test)]

use tracker_ingest::codec::{DeviceKey, Position, Record};
use tracker_ingest::gate::{Bounds, Gate, GateConfig, Raw, Verdict, Warfare};
use tracker_ingest::rejection::Rejection;
use transit_model::fix::Source;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

const DAY: i64 = 1_795_000_000;
const CITY: Bounds = Bounds { south: 48.80, west: 37.50, north: 48.92, east: 37.70 };
/// Where spoofers send people: an airport hundreds of kilometres away, and one beside the city.
const FAR: (f64, f64) = (55.591, 37.261);
const NEAR: (f64, f64) = (48.72, 37.90);

struct Fleet {
    gate: Gate,
    now: i64,
}

impl Fleet {
    /// So many vehicles on the streets, heard for a minute.
    fn of(n: usize) -> Self {
        let mut fleet = Self { gate: Gate::new(GateConfig::default(), Some(CITY)), now: 0 };
        for _ in 0..4 {
            fleet.now += 15;
            for i in 0..n {
                assert_eq!(fleet.at_home(i), "live");
            }
        }
        fleet
    }

    /// Where a vehicle drives: streets 100 m apart.
    fn home(&self, i: usize) -> (f64, f64) {
        (48.81 + 0.001 * (i % 100) as f64, 37.55 + 0.000_05 * self.now as f64)
    }

    fn says(&mut self, i: usize, position: Option<Position>) -> String {
        let (device, vehicle) = (DeviceKey::from(format!("device-{i}")), VehicleId::from(format!("bus-{i}")));
        let record = Record { time: Some(UnixMs::from_secs(DAY + self.now)), position, ..Record::default() };
        let raw = Raw { device: &device, vehicle: Some(&vehicle), source: Source::Teltonika, record: &record };
        match self.gate.judge(&raw, UnixMs::from_secs(DAY + self.now)).verdict {
            Verdict::Live(_) => "live".to_owned(),
            Verdict::HistoryOnly(_, r) | Verdict::Refused(r) => r.to_string(),
        }
    }

    fn at(&mut self, i: usize, (lat, lon): (f64, f64)) -> String {
        self.says(i, Some(Position { lat, lon, valid: true, ..Position::default() }))
    }

    fn at_home(&mut self, i: usize) -> String {
        let home = self.home(i);
        self.at(i, home)
    }

    /// The receiver repeats the last place it knew.
    fn deaf(&mut self, i: usize) -> String {
        let (lat, lon) = self.home(i);
        self.says(i, Some(Position { lat, lon, valid: false, ..Position::default() }))
    }

    fn episodes(&mut self) -> Vec<(Warfare, usize)> {
        let now = UnixMs::from_secs(DAY + self.now);
        self.gate.episodes(now).into_iter().map(|e| (e.kind, e.vehicles)).collect()
    }
}

#[test]
fn vehicles_that_jump_to_one_far_place_are_spoofed_and_stay_where_they_were() {
    let mut f = Fleet::of(40);
    f.now += 15;
    let said: Vec<String> = (0..6).map(|i| f.at(i, (FAR.0 + 0.001 * i as f64, FAR.1))).collect();
    assert_eq!(said, ["out_of_bounds", "out_of_bounds", "out_of_bounds", "spoofed", "spoofed", "spoofed"]);
    assert_eq!(f.episodes(), [(Warfare::Spoofing, 6)]);
    for i in 6..40 {
        assert_eq!(f.at_home(i), "live", "whoever is not reached drives on");
    }
    f.now += 60;
    assert_eq!(f.at_home(0), "live", "and who is let go is at once where he is");
}

#[test]
fn nobody_is_readmitted_to_the_place_where_all_are_sent() {
    let mut f = Fleet::of(20);
    // One is caught before the others, and believed after three fixes: its place is not outside the city's margin.
    for _ in 0..3 {
        f.now += 10;
        f.at(0, NEAR);
    }
    assert_eq!(f.at(0, NEAR), "duplicate");
    f.now += 10;
    for i in 1..5 {
        f.at(i, NEAR);
    }
    assert_eq!(f.episodes().len(), 1);
    for _ in 0..100 {
        f.now += 10;
        for i in 0..5 {
            assert_eq!(f.at(i, NEAR), "spoofed", "vehicle {i}, however often it is said");
        }
    }
    assert_eq!(f.at_home(10), "live");
    f.now += 400;
    assert_eq!(f.at_home(0), "live", "it never left");
    assert!(f.episodes().is_empty(), "over when nobody was there for five minutes");
}

#[test]
fn a_bus_that_is_really_there_is_not_spoofed() {
    let mut f = Fleet::of(20);
    // One drives there; then the others are sent there.
    let (lat, lon) = f.home(19);
    for step in 1..=40 {
        f.now += 30;
        let part = f64::from(step) / 40.0;
        assert_eq!(f.at(19, (lat + (NEAR.0 - lat) * part, lon + (NEAR.1 - lon) * part)), "live");
        (0..19).for_each(|i| drop(f.at_home(i)));
    }
    f.now += 10;
    (0..6).for_each(|i| drop(f.at(i, NEAR)));
    assert_eq!(f.episodes().len(), 1);
    f.now += 10;
    assert_eq!(f.at(19, NEAR), "live");
}

#[test]
fn one_bad_receiver_or_many_in_many_places_are_no_war() {
    let mut f = Fleet::of(40);
    for i in 0..3 {
        f.now += 5;
        f.at(i, FAR);
    }
    for i in 3..20 {
        f.now += 5;
        f.at(i, (10.0 + i as f64, 20.0));
    }
    assert!(f.episodes().is_empty());
    // Four in a fleet of a thousand are chance.
    let mut large = Fleet::of(1000);
    (0..6).for_each(|i| drop(large.at(i, FAR)));
    assert!(large.episodes().is_empty());
}

#[test]
fn vehicles_of_one_area_that_lose_their_fix_together_are_jammed() {
    let mut f = Fleet::of(60);
    for _ in 0..4 {
        f.now += 10;
        for i in 0..20 {
            assert_eq!(f.deaf(i), "not_valid");
        }
        for i in 30..60 {
            assert_eq!(f.at_home(i), "live");
        }
    }
    let episodes = f.episodes();
    assert_eq!(episodes.len(), 1, "{episodes:?}");
    assert_eq!(episodes[0].0, Warfare::Jamming);
    assert!(episodes[0].1 >= 15, "{episodes:?}");
    f.now += 30;
    assert_eq!(f.at_home(0), "live", "who hears again is live again");
}

#[test]
fn a_tunnel_and_a_status_without_a_position_are_no_jamming() {
    let mut f = Fleet::of(60);
    for _ in 0..6 {
        f.now += 10;
        for i in 0..60 {
            // Every tenth is in a tunnel; all of them say something about their doors, too.
            let said = if i % 10 == 0 { f.deaf(i) } else { f.at_home(i) };
            assert!(said == "not_valid" || said == "live");
        }
        f.now += 1;
        for i in 0..60 {
            assert_eq!(f.says(i, None), Rejection::NoPosition.name());
        }
    }
    assert!(f.episodes().is_empty());
}

/// For so many seconds, every ten: vehicles that `speak` are at home, the others say nothing at all.
fn goes_on(f: &mut Fleet, secs: i64, n: usize, speak: impl Fn(usize) -> bool) {
    for _ in 0..secs / 10 {
        f.now += 10;
        (0..n).filter(|i| speak(*i)).for_each(|i| drop(f.at_home(i)));
        f.episodes();
    }
}

#[test]
fn vehicles_that_fall_silent_together_while_the_rest_speaks_are_jammed() {
    let mut f = Fleet::of(60);
    goes_on(&mut f, 120, 60, |i| i >= 20);
    let episodes = f.episodes();
    assert_eq!(episodes.len(), 1, "{episodes:?}");
    assert_eq!((episodes[0].0, episodes[0].1), (Warfare::Jamming, 20));
    let now = UnixMs::from_secs(DAY + f.now);
    let e = f.gate.episodes(now).remove(0);
    assert_eq!((e.silent, now.secs_since(e.since)), (20, 120), "since they were heard last");
    assert!((48.80..48.84).contains(&e.lat), "where they were: {e:?}");
    goes_on(&mut f, 1800, 60, |i| i >= 20);
    assert_eq!(f.episodes().len(), 1, "for as long as it lasts");
    goes_on(&mut f, 400, 60, |_| true);
    assert!(f.episodes().is_empty(), "over when they are back");
}

#[test]
fn half_of_an_area_deaf_and_half_silent_is_one_jamming_however_small_the_area() {
    let mut f = Fleet::of(60);
    // Vehicles three kilometres on see satellites, as in a city where only the centre is jammed.
    for _ in 0..12 {
        f.now += 10;
        (10..60).for_each(|i| drop(f.at_home(i)));
        (0..10).filter(|i| i % 2 == 0).for_each(|i| drop(f.deaf(i)));
        f.episodes();
    }
    let episodes = f.episodes();
    assert_eq!(episodes.len(), 1, "{episodes:?}");
    assert!(episodes[0].1 >= 8, "{episodes:?}");
}

#[test]
fn an_outage_of_everything_or_of_one_operator_is_no_jamming() {
    let mut f = Fleet::of(60);
    goes_on(&mut f, 600, 60, |_| false);
    assert!(f.episodes().is_empty(), "the broker, the listener, the network");
    let mut f = Fleet::of(60);
    goes_on(&mut f, 600, 60, |i| i % 2 == 0);
    assert!(f.episodes().is_empty(), "every second vehicle, everywhere");
    let mut f = Fleet::of(60);
    goes_on(&mut f, 600, 60, |i| i % 3 != 0);
    assert!(f.episodes().is_empty(), "every third");
}

#[test]
fn the_end_of_the_day_and_a_depot_that_closes_are_no_jamming() {
    // They stand for some minutes wherever they are, then are switched off.
    let mut f = Fleet::of(60);
    let parked: Vec<(f64, f64)> = (0..20).map(|i| f.home(i)).collect();
    for _ in 0..20 {
        f.now += 10;
        (20..60).for_each(|i| drop(f.at_home(i)));
        parked.iter().enumerate().for_each(|(i, at)| drop(f.at(i, *at)));
    }
    goes_on(&mut f, 600, 60, |i| i >= 20);
    assert!(f.episodes().is_empty());
    // They drive to one gate, and are switched off while they roll through it.
    let mut f = Fleet::of(60);
    for _ in 0..90 {
        f.now += 10;
        (10..60).for_each(|i| drop(f.at_home(i)));
        for i in 0..10 {
            let (lat, lon) = f.home(i);
            let at = (48.815 + (lat - 48.815) * (1.0 - (f.now as f64 - 60.0) / 900.0).max(0.05), lon);
            f.at(i, at);
        }
    }
    goes_on(&mut f, 600, 60, |i| i >= 10);
    assert!(f.episodes().is_empty());
}

#[test]
fn single_trackers_that_fail_now_and_then_are_no_jamming() {
    let mut f = Fleet::of(80);
    for minute in 0..120 {
        // One in forty is off for ten minutes, another every minute, wherever it is.
        goes_on(&mut f, 60, 80, |i| (i * 37 + minute / 10 * 13) % 40 != 0);
        assert!(f.episodes().is_empty(), "minute {minute}");
    }
}
