//! What each fault of a tracker does to what a server hears, against the truth and against the same
//! fleet without it.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use simulator::city;
use simulator::drive::{Cap, Mishaps};
use simulator::fleet::{Fleet, FleetOptions};
use simulator::tracker::fault::{Damage, Kind, Order, Rule, Says, Spells, Who, Zone};
use simulator::tracker::{Faults, Place, Report, Split};
use tracker_ingest::codec::Protocol;
use transit_model::ids::VehicleId;
use transit_model::plane::haversine;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

fn tuesday() -> ServiceDate {
    "20261124".parse().unwrap()
}

fn timetable() -> Arc<Timetable> {
    static CITY: OnceLock<Arc<Timetable>> = OnceLock::new();
    Arc::clone(CITY.get_or_init(|| Arc::new(city::load(tuesday()).unwrap().timetable)))
}

fn at(hours: f64) -> UnixMs {
    let day = timetable().zone.day_start(tuesday());
    UnixMs(day.0 + UnixMs::from_secs_f64(hours * 3600.0).0)
}

/// Eight vehicles whose trackers speak Teltonika, with these faults.
fn fleet(rules: Vec<Rule>) -> Fleet {
    let options = FleetOptions {
        seed: 6,
        cap: Some(Cap { vehicles: 8, at: ServiceTime(9 * 3600) }),
        mishaps: Mishaps::NONE,
        split: Split::new([(Protocol::Teltonika, 1)]),
        faults: Faults::new(rules).unwrap(),
        ..FleetOptions::default()
    };
    Fleet::new(timetable(), options)
}

/// From eight to ten.
fn morning(fleet: &Fleet) -> Vec<Report> {
    fleet.reports_between(at(8.0), at(10.0)).collect()
}

fn with(kind: Kind) -> Vec<Report> {
    morning(&fleet(vec![Rule::new(kind)]))
}

fn healthy() -> Vec<Report> {
    morning(&fleet(Vec::new()))
}

/// How far a report's place is from the truth, metres.
fn off(r: &Report) -> f64 {
    haversine(r.fix.lat, r.fix.lon, r.truth.lat, r.truth.lon)
}

fn by_vehicle(reports: &[Report]) -> BTreeMap<VehicleId, Vec<&Report>> {
    let mut all: BTreeMap<VehicleId, Vec<&Report>> = BTreeMap::new();
    reports.iter().for_each(|r| all.entry(r.fix.vehicle.clone()).or_default().push(r));
    all
}

fn share(reports: &[Report], of: impl Fn(&Report) -> bool) -> f64 {
    reports.iter().filter(|r| of(r)).count() as f64 / reports.len() as f64
}

/// The middle of the city.
const CENTRE: Zone = Zone { lat: 48.853, lon: 37.605, radius_m: 900.0 };

#[test]
fn a_healthy_fleet_is_touched_by_nothing() {
    let reports = healthy();
    assert!(reports.len() > 3000, "{}", reports.len());
    for r in &reports {
        assert!(r.faults == 0 && r.place == Place::Valid && !r.stranger && !r.again && r.damage.is_none());
        assert_eq!(r.fix.time, r.made);
        let state = r.record();
        assert!(state.position.unwrap().valid && state.time == Some(r.made));
    }
}

#[test]
fn an_interval_is_kept_from_one_second_to_a_minute() {
    for seconds in [1, 7, 60] {
        for reports in by_vehicle(&with(Kind::Interval { seconds })).values() {
            let mut made: Vec<i64> = reports.iter().map(|r| r.made.0).collect();
            made.sort_unstable();
            assert!(made.windows(2).all(|w| w[1] - w[0] == i64::from(seconds) * 1000), "{seconds}");
        }
    }
}

#[test]
fn out_of_a_dead_zone_everything_comes_in_the_order_asked_for_and_nothing_is_lost() {
    let plain: BTreeSet<(VehicleId, UnixMs)> = healthy().iter().map(|r| (r.fix.vehicle.clone(), r.made)).collect();
    for order in Order::ALL {
        let rule = Rule { zone: Some(CENTRE), window: Some((at(8.2), at(9.5))), ..Rule::new(Kind::DeadZone { order }) };
        let reports = morning(&fleet(vec![rule]));
        let sent: BTreeSet<(VehicleId, UnixMs)> = reports.iter().map(|r| (r.fix.vehicle.clone(), r.made)).collect();
        assert!(sent.is_superset(&plain), "{order:?}: {} of {}", sent.len(), plain.len());
        let held: Vec<&Report> = reports.iter().filter(|r| r.touched_by(0)).collect();
        assert!(held.len() > 100 && held.iter().any(|r| r.fix.received.secs_since(r.made) > 60), "{}", held.len());
        // Within one backlog, the order is the one asked for.
        for all in by_vehicle(&reports).values() {
            let pairs = all.windows(2).filter(|w| {
                w[0].touched_by(0) && w[1].touched_by(0) && w[1].fix.received.0 - w[0].fix.received.0 == 20
            });
            for w in pairs {
                assert_eq!(w[0].made < w[1].made, order == Order::OldestFirst);
            }
        }
    }
}

#[test]
fn duplicates_are_the_same_record_once_more() {
    let reports = with(Kind::Duplicates { chance: 0.2 });
    assert!((0.12..0.22).contains(&share(&reports, |r| r.again)), "{}", share(&reports, |r| r.again));
    let mut seen = BTreeSet::new();
    for r in &reports {
        let new = seen.insert((r.fix.vehicle.clone(), r.made));
        assert!(r.again != new || r.made < at(8.02), "a copy comes after its first");
        assert_eq!(r.again, r.touched_by(0));
    }
}

#[test]
fn reordered_records_are_overtaken() {
    let reports = with(Kind::Reordering { chance: 0.1 });
    let mut overtaken = 0;
    for all in by_vehicle(&reports).values() {
        let mut newest = UnixMs(0);
        for r in all {
            overtaken += usize::from(r.made < newest);
            assert!(r.made >= newest || r.touched_by(0));
            newest = newest.max(r.made);
        }
    }
    assert!(overtaken * 20 > reports.len(), "{overtaken} of {}", reports.len());
    assert!(reports.is_sorted_by_key(|r| r.fix.received));
}

#[test]
fn clocks_are_ahead_behind_drifting_and_weeks_too_old() {
    for r in with(Kind::ClockSkew { seconds: -90.0, per_hour: 0.0 }) {
        assert_eq!(r.fix.time.secs_since(r.made), -90);
    }
    let drifting = with(Kind::ClockSkew { seconds: 0.0, per_hour: 12.0 });
    let mut last: BTreeMap<VehicleId, i64> = BTreeMap::new();
    for r in &drifting {
        let ahead = r.fix.time.secs_since(r.made);
        assert!((0..=60).contains(&ahead) && r.fix.time.0 % 1000 == 0);
        if r.fix.received.secs_since(r.made) < 5 {
            assert!(last.insert(r.fix.vehicle.clone(), ahead).is_none_or(|before| before <= ahead));
        }
    }
    assert!(drifting.iter().any(|r| r.fix.time.secs_since(r.made) > 20));
    for r in with(Kind::WeekRollover) {
        assert_eq!(r.made.secs_since(r.fix.time), 1024 * 7 * 86_400);
    }
}

#[test]
fn a_cold_start_has_no_place_for_minutes_and_then_has_one() {
    for says in Says::ALL {
        let cold =
            Rule { window: Some((at(8.5), at(10.0))), ..Rule::new(Kind::ColdStart { minutes: (2.0, 4.0), says }) };
        let reports = morning(&fleet(vec![cold]));
        let blind = |r: &&Report| r.place != Place::Valid;
        let told = reports.iter().filter(blind).count();
        assert_eq!(told > 0, says != Says::Nothing);
        let wanted = if says == Says::LastPlace { Place::Invalid } else { Place::Unknown };
        assert!(reports.iter().filter(blind).all(|r| r.place == wanted && r.heard().is_none()));
        let (quiet, back) = (at(8.5).plus_secs(115), at(8.5).plus_secs(250));
        assert!(reports.iter().all(|r| r.made < at(8.5) || r.made > quiet || r.place != Place::Valid));
        assert!(reports.iter().all(|r| r.made < back || r.place == Place::Valid));
    }
}

#[test]
fn an_urban_canyon_spreads_fixes_only_where_it_is() {
    let rule = Rule { zone: Some(CENTRE), ..Rule::new(Kind::UrbanCanyon { metres: 40.0 }) };
    let reports = morning(&fleet(vec![rule]));
    let mean = |touched: bool| {
        let offs: Vec<f64> = reports.iter().filter(|r| r.touched_by(0) == touched).map(off).collect();
        offs.iter().sum::<f64>() / offs.len() as f64
    };
    assert!((35.0..65.0).contains(&mean(true)) && mean(false) < 10.0, "{} and {}", mean(true), mean(false));
    let inside = |r: &Report| haversine(CENTRE.lat, CENTRE.lon, r.truth.lat, r.truth.lon) < CENTRE.radius_m - 5.0;
    assert!(reports.iter().filter(|r| inside(r)).all(|r| r.touched_by(0)));
}

#[test]
fn only_the_parked_drift_and_never_too_far() {
    let reports = with(Kind::ParkedDrift { metres: 40.0 });
    let drifting: Vec<&Report> = reports.iter().filter(|r| r.touched_by(0)).collect();
    assert!(drifting.len() > 50 && drifting.iter().all(|r| r.truth.speed < 0.3));
    assert!(drifting.iter().any(|r| off(r) > 20.0) && drifting.iter().any(|r| r.fix.speed > Some(0.5)));
    // What a healthy receiver is off by comes on top, and one fix in a thousand is far off anyway.
    assert!(drifting.iter().filter(|r| off(r) > 70.0).count() * 100 < drifting.len());
}

#[test]
fn a_frozen_receiver_repeats_its_last_place_with_new_times() {
    let rule = Rule { window: Some((at(8.5), at(8.75))), ..Rule::new(Kind::Frozen) };
    let reports = morning(&fleet(vec![rule]));
    for all in by_vehicle(&reports).values() {
        let frozen: Vec<&&Report> = all.iter().filter(|r| r.touched_by(0)).collect();
        assert!(frozen.len() > 20);
        let places: BTreeSet<String> = frozen.iter().map(|r| format!("{} {}", r.fix.lat, r.fix.lon)).collect();
        let times: BTreeSet<UnixMs> = frozen.iter().map(|r| r.fix.time).collect();
        assert_eq!((places.len(), times.len()), (1, frozen.len()));
    }
    assert!(reports.iter().any(|r| off(r) > 1000.0));
}

#[test]
fn a_mistyped_imei_is_on_no_list() {
    let rule = Rule { who: Who { share: 0.5, ..Who::default() }, ..Rule::new(Kind::WrongImei) };
    let fleet = fleet(vec![rule]);
    let trackers = fleet.trackers(tuesday(), 1);
    let known: BTreeSet<_> = trackers.iter().map(|t| t.device.clone()).collect();
    let strangers: BTreeSet<VehicleId> =
        trackers.iter().filter(|t| t.says != t.device).map(|t| t.vehicle.clone()).collect();
    assert!(!strangers.is_empty() && strangers.len() < trackers.len());
    assert!(trackers.iter().filter(|t| t.says != t.device).all(|t| !known.contains(&t.says)));
    for r in morning(&fleet) {
        assert_eq!(r.stranger, strangers.contains(&r.fix.vehicle));
        assert!(!r.stranger || (r.heard().is_none() && r.touched_by(0)));
    }
}

#[test]
fn some_messages_are_damaged() {
    let reports = with(Kind::Damage { chance: 0.05, how: Damage::Cut });
    let damaged = share(&reports, |r| r.damage == Some(Damage::Cut));
    assert!((0.03..0.07).contains(&damaged), "{damaged}");
}

#[test]
fn jamming_takes_the_fixes_of_a_place_and_time() {
    let window = (at(8.5), at(9.0));
    for says in Says::ALL {
        let rule = Rule { zone: Some(CENTRE), window: Some(window), ..Rule::new(Kind::Jamming { says }) };
        let reports = morning(&fleet(vec![rule]));
        let jammed = |r: &Report| {
            let inside = haversine(CENTRE.lat, CENTRE.lon, r.truth.lat, r.truth.lon) < CENTRE.radius_m - 5.0;
            inside && window.0 <= r.made && r.made < window.1
        };
        assert!(reports.iter().filter(|r| jammed(r)).all(|r| r.place != Place::Valid));
        assert_eq!(reports.iter().any(jammed), says != Says::Nothing);
        assert!(reports.iter().filter(|r| !r.touched_by(0)).all(|r| r.place == Place::Valid));
    }
}

#[test]
fn spoofing_calls_everybody_to_one_far_place_and_lets_them_go() {
    let (lat, lon) = (48.0, 37.8);
    let rule = Rule {
        zone: Some(Zone { radius_m: 20_000.0, ..CENTRE }),
        window: Some((at(8.5), at(9.0))),
        ..Rule::new(Kind::Spoofing { to: (lat, lon) })
    };
    let reports = morning(&fleet(vec![rule]));
    for r in &reports {
        let spoofed = (at(8.5)..at(9.0)).contains(&r.made);
        assert_eq!(r.touched_by(0), spoofed);
        assert_eq!(haversine(lat, lon, r.fix.lat, r.fix.lon) < 50.0, spoofed);
        assert!(r.place == Place::Valid);
    }
}

#[test]
fn faults_come_in_spells_for_some_of_the_fleet_and_of_one_protocol() {
    let rule = Rule {
        who: Who { share: 0.5, ..Who::default() },
        spells: Some(Spells { per_hour: 2.0, minutes: (3.0, 6.0) }),
        ..Rule::new(Kind::Frozen)
    };
    let some = fleet(vec![rule.clone()]);
    let reports = morning(&some);
    let who: BTreeSet<&VehicleId> = reports.iter().filter(|r| r.faults != 0).map(|r| &r.fix.vehicle).collect();
    let all: BTreeSet<&VehicleId> = reports.iter().map(|r| &r.fix.vehicle).collect();
    assert!(!who.is_empty() && who.len() < all.len());
    for i in some.injected(tuesday(), tuesday()) {
        // Two spells without a report between them are one in the list.
        assert!(i.kind == "frozen" && i.to.secs_since(i.from) <= 720 && i.reports >= 1, "{i:?}");
    }
    let other = Rule { who: Who { protocols: vec![Protocol::Osmand], ..Who::default() }, ..rule };
    assert!(morning(&fleet(vec![other])).iter().all(|r| r.faults == 0));
}

#[test]
fn the_list_of_faults_is_what_touched_the_reports() {
    let window = (at(8.5), at(9.0));
    let jam = Rule { zone: Some(CENTRE), window: Some(window), ..Rule::new(Kind::Jamming { says: Says::Nothing }) };
    let fleet = fleet(vec![jam, Rule::new(Kind::Duplicates { chance: 0.05 })]);
    let listed = fleet.injected(tuesday(), tuesday());
    let jammed: Vec<_> = listed.iter().filter(|i| i.kind == "jamming").collect();
    // Nobody said a word, and still it is known what happened.
    assert!(!jammed.is_empty() && jammed.iter().all(|i| window.0 <= i.from && i.to < window.1));
    assert!(jammed.iter().all(|i| i.parameters == "says=nothing"));
    let copies = fleet.reports_of_days(tuesday(), tuesday()).filter(|r| r.again).count();
    let listed: usize = listed.iter().filter(|i| i.kind == "duplicates").map(|i| i.reports).sum();
    assert_eq!(listed, copies);
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let says = prop_oneof![Just(Says::Nothing), Just(Says::LastPlace), Just(Says::NoPlace)];
    prop_oneof![
        (5u32..=60).prop_map(|seconds| Kind::Interval { seconds }),
        prop_oneof![Just(Order::OldestFirst), Just(Order::NewestFirst)].prop_map(|order| Kind::DeadZone { order }),
        (0.0..0.5).prop_map(|chance| Kind::Duplicates { chance }),
        (0.0..0.5).prop_map(|chance| Kind::Reordering { chance }),
        (-4000.0..4000.0, -30.0..30.0).prop_map(|(seconds, per_hour)| Kind::ClockSkew { seconds, per_hour }),
        Just(Kind::WeekRollover),
        (1.0..20.0, says.clone()).prop_map(|(m, says)| Kind::ColdStart { minutes: (m, m + 5.0), says }),
        (5.0..90.0).prop_map(|metres| Kind::UrbanCanyon { metres }),
        (5.0..90.0).prop_map(|metres| Kind::ParkedDrift { metres }),
        Just(Kind::Frozen),
        Just(Kind::WrongImei),
        (0.0..0.5).prop_map(|chance| Kind::Damage { chance, how: Damage::Bits }),
        says.prop_map(|says| Kind::Jamming { says }),
        Just(Kind::Spoofing { to: (44.95, 34.1) }),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let spells = prop::option::of(Just(Spells { per_hour: 3.0, minutes: (2.0, 9.0) }));
    (any_kind(), 0.2..1.0, prop::option::of(8.0f64..9.5), any::<bool>(), spells).prop_map(
        |(kind, share, from, here, spells)| Rule {
            who: Who { share, ..Who::default() },
            window: from.map(|h| (at(h), at(h + 0.5))),
            zone: here.then_some(CENTRE),
            spells,
            ..Rule::new(kind)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is put on top of whatever: the same seed gives the same bytes, in the order of receipt,
    /// none before it was made, and what no fault touched is as it is without faults.
    #[test]
    fn any_faults_together_keep_the_laws(rules in prop::collection::vec(any_rule(), 1..6)) {
        let one = fleet(rules.clone());
        let reports: Vec<Report> = one.reports_between(at(8.3), at(8.8)).collect();
        let again: Vec<Report> = fleet(rules).reports_between(at(8.3), at(8.8)).collect();
        prop_assert_eq!(&reports, &again);
        prop_assert!(reports.is_sorted_by_key(|r| r.fix.received));
        for r in &reports {
            prop_assert!(r.said() && r.fix.received > r.made);
            prop_assert!(r.faults != 0 || (r.place == Place::Valid && r.fix.time == r.made && off(r) < 400.0));
            prop_assert!(r.fix.lat.is_finite() && r.fix.lon.is_finite());
        }
    }
}
