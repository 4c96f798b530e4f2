//! What a server hears: the same bytes from the same seed, in the order of receipt, near the truth.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use simulator::city;
use simulator::drive::Cap;
use simulator::fleet::{Fleet, FleetOptions};
use tracker_ingest::codec::Protocol;
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

fn fleet(seed: u64, vehicles: usize) -> Fleet {
    let tt = Arc::new(city::load(monday()).unwrap().timetable);
    let cap = Some(Cap { vehicles, at: ServiceTime(12 * 3600) });
    Fleet::new(tt, FleetOptions { seed, cap, machines: city::machines(), ..FleetOptions::default() })
}

fn at(hour: i32) -> UnixMs {
    fleet(0, 0).timetable().zone.at(monday(), ServiceTime(hour * 3600))
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let text = |seed| -> String {
        let fixes = fleet(seed, 5).fixes_between(at(7), at(9));
        fixes.map(|f| serde_json::to_string(&f).unwrap()).collect()
    };
    assert_eq!(text(4), text(4));
    assert_ne!(text(4), text(5));
}

#[test]
fn fixes_come_in_the_order_of_receipt_each_vehicle_in_the_order_of_time() {
    let mut last = UnixMs(0);
    let mut times: BTreeMap<VehicleId, UnixMs> = BTreeMap::new();
    let mut late = 0;
    for f in fleet(4, 12).fixes_between(at(0), at(48)) {
        assert!(f.received >= last && f.received > f.time, "{f:?}");
        last = f.received;
        assert_eq!(f.time.0 % 1000, 0);
        if let Some(before) = times.insert(f.vehicle.clone(), f.time) {
            assert!(f.time > before, "{f:?}");
        }
        late += usize::from(f.received.secs_since(f.time) > 20);
    }
    assert!(times.len() > 12 && late > 100, "{} vehicles, {late} kept back", times.len());
}

#[test]
fn a_window_holds_what_the_whole_holds_there() {
    let fleet = fleet(4, 6);
    let whole: Vec<Fix> = fleet.fixes_between(at(0), at(40)).collect();
    proptest!(ProptestConfig::with_cases(12), |(a in 0i64..144_000, b in 0i64..144_000)| {
        let (a, b) = (at(0).plus_secs(a.min(b)), at(0).plus_secs(a.max(b)));
        let part: Vec<Fix> = fleet.fixes_between(a, b).collect();
        let there: Vec<Fix> = whole.iter().filter(|f| a <= f.received && f.received < b).cloned().collect();
        prop_assert_eq!(part, there);
    });
}

#[test]
fn fixes_lie_near_the_truth_but_for_a_few() {
    let fleet = fleet(4, 12);
    let plan = fleet.plan(monday());
    let (mut all, mut far) = (0, 0);
    let mut sum = 0.0;
    for f in fleet.fixes_between(at(0), at(27)) {
        let truth = plan.vehicle(&f.vehicle).unwrap().state_at(f.time).unwrap();
        let off = truth.xy.distance(fleet.timetable().plane.xy(f.lat, f.lon));
        assert!(off < 400.0, "{f:?} is {off} m off");
        all += 1;
        if off > 35.0 {
            far += 1;
        } else {
            sum += f64::from(off);
        }
    }
    assert!(all > 40_000 && far * 1000 > all / 2 && far * 1000 < all * 4, "{far} of {all}");
    assert!((3.0..9.0).contains(&(sum / f64::from(all))), "{}", sum / f64::from(all));
}

#[test]
fn nobody_is_seen_teleporting() {
    let mut last: BTreeMap<VehicleId, Fix> = BTreeMap::new();
    let fleet = fleet(4, 12);
    let plane = fleet.timetable().plane;
    let (mut all, mut jumps) = (0, 0);
    for f in fleet.fixes_between(at(0), at(27)) {
        if let Some(b) = last.insert(f.vehicle.clone(), f.clone()) {
            let metres = plane.xy(b.lat, b.lon).distance(plane.xy(f.lat, f.lon));
            let seconds = (f.time.0 - b.time.0) as f32 / 1000.0;
            all += 1;
            jumps += i32::from(metres > 17.0f32.mul_add(seconds, 40.0));
        }
    }
    // Only a fix that is far off looks like a jump: there and back.
    assert!(jumps * 1000 <= all * 4, "{jumps} of {all}");
}

#[test]
fn only_on_board_computers_tell_their_trip() {
    let fleet = fleet(4, 24);
    let trackers: BTreeMap<VehicleId, _> =
        fleet.trackers(monday(), 7).into_iter().map(|t| (t.vehicle.clone(), t)).collect();
    let devices: BTreeSet<_> = trackers.values().map(|t| t.device.clone()).collect();
    assert_eq!(devices.len(), trackers.len());
    let mut told = 0;
    for f in fleet.fixes_between(at(8), at(10)) {
        let t = trackers.get(&f.vehicle).unwrap();
        assert_eq!(f.source, t.protocol.source());
        assert!(f.reported.is_empty() || t.protocol == Protocol::MqttJson);
        told += usize::from(!f.reported.is_empty());
    }
    assert!(told > 0);
}
