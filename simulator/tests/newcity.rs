//! A new city, of whatever size and seed, is a feed without a fault, and one that could be driven.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use simulator::newcity::order::{CityName, Kind, Order, Population};
use simulator::newcity::{City, found};
use transit_model::gtfs;
use transit_model::ids::{Idx as _, StopIdx, TripIdx};
use transit_model::plane::{Polyline, Xy};
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::{Mode, Timetable};

/// A Monday.
const MONDAY: &str = "20261123";
const HOUR: i32 = 3600;

fn day(n: i32) -> ServiceDate {
    MONDAY.parse::<ServiceDate>().unwrap().plus_days(n)
}

fn order(population: u32, seed: u64) -> Order {
    let name: CityName = "Нове Місто".parse().unwrap();
    Order { name, population: Population::new(population).unwrap(), seed, kinds: Vec::new(), from: day(0), days: 14 }
}

/// The city, read by the loader that reads any feed, which finds nothing to say about it.
fn made(order: &Order) -> (City, Timetable) {
    let city = found(order, |_| ());
    let loaded = gtfs::load_files(&city.files, order.name.feed_id()).unwrap();
    assert!(loaded.report.findings.is_empty(), "{}", loaded.report);
    (city, loaded.timetable)
}

fn trips_on(tt: &Timetable, date: ServiceDate) -> Vec<TripIdx> {
    let runs = tt.services_on(date);
    tt.trips.iter().filter(|(_, t)| *runs.get(t.service).unwrap()).map(|(n, _)| n).collect()
}

fn km_per_hour(metres: f32, seconds: i32) -> f32 {
    metres / seconds.max(1) as f32 * 3.6
}

fn times_are_driven(tt: &Timetable) {
    for (t, trip) in tt.trips.iter() {
        let pattern = tt.pattern_of(t);
        let times: Vec<_> = tt.times(t).collect();
        assert!(times.iter().all(|c| c.arrival <= c.departure));
        for (calls, times) in pattern.calls.windows(2).zip(times.windows(2)) {
            let speed = km_per_hour(calls[1].along - calls[0].along, (times[1].arrival - times[0].departure).0);
            assert!((5.0..60.0).contains(&speed), "{} from {:?}: {speed} km/h", trip.id, calls[0]);
        }
    }
}

fn blocks_are_run_by_one_vehicle(tt: &Timetable) {
    for (_, block) in tt.blocks.iter() {
        for pair in block.trips.windows(2) {
            assert_eq!(tt.trips.at(pair[0]).service, tt.trips.at(pair[1]).service, "{}", block.id);
            let rest = (tt.starts(pair[1]) - tt.ends(pair[0])).0;
            assert!(rest >= 240, "{}: {rest} s between {pair:?}", block.id);
            let (a, b) = (tt.pattern_of(pair[0]), tt.pattern_of(pair[1]));
            let away = tt.stops.at(a.calls.last().unwrap().stop).xy.distance(tt.stops.at(b.calls[0].stop).xy);
            // Only from its depot, after half an hour, does a vehicle turn up elsewhere.
            assert!(away < 120.0 || rest >= 1800, "{}: {away} m in {rest} s", block.id);
            assert!(rest <= HOUR + 900 || away < 120.0 || rest < 12 * HOUR, "{}", block.id);
        }
    }
    assert!(tt.trips.iter().all(|(_, t)| t.block.is_some()));
}

fn stops_stand_at_the_street(tt: &Timetable) {
    for (_, p) in tt.patterns.iter() {
        let line = tt.shapes.at(p.shape);
        for call in &p.calls {
            let stop = tt.stops.at(call.stop);
            let off = stop.xy.distance(line.point_at(call.along));
            assert!(off < 30.0, "{} {off} m", stop.name);
        }
        assert!(p.calls.windows(2).all(|c| c[1].along - c[0].along > 120.0), "stops crowd on {:?}", p.route);
        let names: Vec<&str> = p.calls.iter().map(|c| &*tt.stops.at(c.stop).name).collect();
        assert!(names.windows(2).all(|n| n[0] != n[1]), "{names:?}");
    }
}

fn both_directions_run_every_day(tt: &Timetable) {
    let platforms: BTreeSet<StopIdx> = tt.patterns.iter().flat_map(|(_, p)| p.calls.iter().map(|c| c.stop)).collect();
    for n in 0..7 {
        let mut served = BTreeSet::new();
        let mut counts: BTreeMap<usize, [i32; 2]> = BTreeMap::new();
        for t in trips_on(tt, day(n)) {
            let p = tt.pattern_of(t);
            served.extend(p.calls.iter().map(|c| c.stop));
            counts.entry(p.route.at()).or_default()[usize::from(p.direction.unwrap())] += 1;
        }
        assert_eq!(served, platforms, "day {n}");
        assert_eq!(counts.len(), tt.routes.len(), "day {n}");
        for (route, [there, back]) in counts {
            assert!((there - back).abs() <= 4 + there / 4, "route {route} day {n}: {there} there, {back} back");
        }
    }
}

fn nights_are_quiet_and_weekends_quieter(tt: &Timetable) {
    let trips: Vec<usize> = (0..7).map(|n| trips_on(tt, day(n)).len()).collect();
    assert!(trips[0] == trips[4] && trips[4] > trips[5] && trips[5] > trips[6], "{trips:?}");
    for n in 0..7 {
        let ends = trips_on(tt, day(n)).iter().map(|t| tt.ends(*t)).max().unwrap();
        let starts = trips_on(tt, day(n + 1)).iter().map(|t| tt.starts(*t)).min().unwrap();
        let gap = starts.0 + 24 * HOUR - ends.0;
        assert!(gap >= 3 * HOUR, "day {n} ends at {ends}, the next begins at {starts}");
        assert!(starts >= ServiceTime(4 * HOUR) && starts <= ServiceTime(7 * HOUR), "{starts}");
    }
}

fn vehicles_out(tt: &Timetable, at: i32) -> usize {
    let trips = trips_on(tt, day(1)).into_iter();
    let now = trips.filter(|t| tt.starts(*t).0 <= at + 600 && tt.ends(*t).0 > at - 600);
    now.map(|t| tt.trips.at(t).block).collect::<BTreeSet<_>>().len()
}

fn the_fleet_fits_the_city(tt: &Timetable, population: u32) {
    for at in [8 * HOUR, 17 * HOUR] {
        let share = vehicles_out(tt, at) as f32 / (population as f32 / 1000.0);
        assert!((0.25..1.1).contains(&share), "{share} vehicles for a thousand people at {at}");
    }
    assert!(vehicles_out(tt, 13 * HOUR) < vehicles_out(tt, 8 * HOUR));
}

/// Points of a shape, to the bit.
type Points = BTreeSet<(u32, u32)>;

/// The points of a shape between two calls: all of them, and those well away from the calls, where
/// a shape may have been cut.
fn stretch(line: &Polyline, from: f32, to: f32) -> [Points; 2] {
    [0.0, 5.0].map(|away| {
        let inner = line.points().iter().zip(line.cumulative());
        let inner = inner.filter(|(_, c)| **c > from + away && **c < to - away);
        inner.map(|(p, _): (&Xy, _)| (p.x.to_bits(), p.y.to_bits())).collect()
    })
}

fn corridors_are_shared_to_the_point(tt: &Timetable) {
    let mut stretches: BTreeMap<(StopIdx, StopIdx), [Points; 2]> = BTreeMap::new();
    let mut routes: BTreeMap<(StopIdx, StopIdx), BTreeSet<usize>> = BTreeMap::new();
    for (_, p) in tt.patterns.iter() {
        for pair in p.calls.windows(2) {
            let key = (pair[0].stop, pair[1].stop);
            let own = stretch(tt.shapes.at(p.shape), pair[0].along, pair[1].along);
            let first = stretches.entry(key).or_insert_with(|| own.clone());
            let same = own[1].is_subset(&first[0]) && first[1].is_subset(&own[0]);
            assert!(same, "{} → {}", tt.stops.at(key.0).name, tt.stops.at(key.1).name);
            routes.entry(key).or_default().insert(p.route.at());
        }
    }
    // In a town of four lines each may have a street of its own.
    let shared = routes.values().filter(|r| r.len() > 1).count();
    let few = tt.routes.len() < 8;
    assert!(few || shared * 10 > routes.len(), "{shared} of {} links have two routes", routes.len());
}

fn one_can_change_from_every_line(tt: &Timetable) {
    let mut places: BTreeMap<usize, Vec<Xy>> = BTreeMap::new();
    for (_, p) in tt.patterns.iter() {
        places.entry(p.route.at()).or_default().extend(p.calls.iter().map(|c| tt.stops.at(c.stop).xy));
    }
    for (route, own) in &places {
        let others = places.iter().filter(|(other, _)| *other != route).flat_map(|(_, at)| at);
        let near = others.flat_map(|b| own.iter().map(|a| a.distance(*b))).fold(f32::INFINITY, f32::min);
        assert!(near < 300.0, "from route {route} it is {near} m to the next one");
    }
}

fn some_stops_have_times_and_some_none(city: &City) {
    let text = String::from_utf8(city.files.get("stop_times.txt").unwrap().to_vec()).unwrap();
    let untimed = text.lines().filter(|l| l.contains(",,,")).count();
    let approximate = text.lines().filter(|l| l.split(',').nth(5) == Some("0") && !l.contains(",,,")).count();
    let all = text.lines().count();
    assert!(untimed * 5 > all && untimed * 10 < all * 9, "{untimed} of {all}");
    let electric = city.summary.lines.iter().any(|(kind, _)| *kind != "bus");
    assert_eq!(approximate > 0, electric);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_new_city_can_be_driven(population in 50_000u32..140_000, seed in any::<u64>()) {
        let (city, tt) = made(&order(population, seed));
        times_are_driven(&tt);
        blocks_are_run_by_one_vehicle(&tt);
        stops_stand_at_the_street(&tt);
        both_directions_run_every_day(&tt);
        nights_are_quiet_and_weekends_quieter(&tt);
        the_fleet_fits_the_city(&tt, population);
        corridors_are_shared_to_the_point(&tt);
        one_can_change_from_every_line(&tt);
        some_stops_have_times_and_some_none(&city);
    }
}

#[test]
fn a_large_city_keeps_the_same_laws() {
    let (city, tt) = made(&order(700_000, 11));
    times_are_driven(&tt);
    blocks_are_run_by_one_vehicle(&tt);
    stops_stand_at_the_street(&tt);
    both_directions_run_every_day(&tt);
    nights_are_quiet_and_weekends_quieter(&tt);
    the_fleet_fits_the_city(&tt, 700_000);
    corridors_are_shared_to_the_point(&tt);
    some_stops_have_times_and_some_none(&city);
    for mode in [Mode::Bus, Mode::Trolleybus, Mode::Tram] {
        assert!(tt.routes.iter().any(|(_, r)| r.mode == mode), "{mode:?}");
    }
    let rings = tt.patterns.iter().filter(|(_, p)| p.calls[0].stop == p.calls.last().unwrap().stop);
    assert!(rings.count() >= 2, "a ring, there and back");
    assert!(tt.trips.iter().any(|(_, t)| t.wheelchair == Some(true)));
    assert!(tt.trips.iter().any(|(_, t)| t.wheelchair == Some(false)));
}

#[test]
fn most_vehicles_come_out_of_a_depot_in_service() {
    let (city, tt) = made(&order(300_000, 5));
    let gate = |stop: StopIdx| city.depots.iter().any(|(name, _, _)| *name == *tt.stops.at(stop).name);
    let ends = |out: bool| {
        let blocks = tt.blocks.iter().map(|(_, b)| if out { b.trips[0] } else { *b.trips.last().unwrap() });
        let stops: Vec<StopIdx> = blocks
            .map(|t| tt.pattern_of(t))
            .map(|p| if out { p.calls[0].stop } else { p.calls.last().unwrap().stop })
            .collect();
        (stops.iter().filter(|s| gate(**s)).count(), stops.len())
    };
    for (at_gate, all) in [ends(true), ends(false)] {
        assert!(at_gate * 4 > all, "{at_gate} of {all}");
    }
}

#[test]
fn the_same_order_gives_the_same_bytes_and_another_seed_another_city() {
    let zip = |o: &Order| found(o, |_| ()).files.to_zip_bytes().unwrap();
    let (one, other) = (order(60_000, 1), order(60_000, 2));
    assert_eq!(zip(&one), zip(&one));
    assert_ne!(zip(&one), zip(&other));
}

#[test]
fn a_calendar_may_be_as_short_as_a_day() {
    for (n, trips) in [(0, "weekday"), (5, "saturday"), (6, "sunday")] {
        let (city, tt) = made(&Order { from: day(n), days: 1, ..order(50_000, 4) });
        assert_eq!(city.summary.trips.iter().map(|(d, _)| *d).collect::<Vec<_>>(), [trips]);
        assert_eq!(tt.calendar(), Some((day(n), day(n))));
    }
    // A week with Christmas on a Friday: the city runs as on Sunday.
    let friday = day(32);
    let (_, tt) = made(&Order { from: day(28), days: 7, ..order(50_000, 4) });
    assert_eq!(trips_on(&tt, friday), trips_on(&tt, day(34)));
    assert_ne!(trips_on(&tt, friday), trips_on(&tt, day(31)));
}

#[test]
fn only_what_was_asked_for_runs() {
    for kinds in [vec![Kind::Tram], vec![Kind::Bus, Kind::Trolleybus]] {
        let (city, tt) = made(&Order { kinds: kinds.clone(), ..order(90_000, 9) });
        let mut ran: Vec<&str> = city.summary.lines.iter().map(|(kind, _)| *kind).collect();
        let mut asked: Vec<&str> = kinds.iter().map(|k| k.word()).collect();
        ran.sort_unstable();
        asked.sort_unstable();
        assert_eq!(ran, asked);
        assert_eq!(tt.agencies.len(), kinds.len());
    }
}

#[test]
fn the_summary_says_what_was_made() {
    insta::assert_snapshot!(found(&order(100_000, 1), |_| ()).summary.to_string());
}
