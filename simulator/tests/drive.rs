//! Laws of motion: the same seed gives the same day, nobody teleports, the truth is in order.
#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;

use simulator::city;
use simulator::drive::{Cap, Plan, Roster, VehicleDay, Walk};
use transit_model::dispatch::Phase;
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

fn town() -> Arc<Timetable> {
    Arc::new(city::load(monday()).unwrap().timetable)
}

fn every(v: &VehicleDay, step: i64) -> impl Iterator<Item = UnixMs> + use<> {
    let (from, to) = v.span();
    (from.0..to.0).step_by(usize::try_from(step).unwrap()).map(UnixMs)
}

fn assert_no_jumps(plan: &Plan) {
    for v in &plan.vehicles {
        let mut walk = Walk::along(&**v);
        let mut before = None;
        for t in every(v, 1000) {
            let here = walk.at(t).unwrap();
            if let Some(before) = before.replace(here.xy) {
                let moved = here.xy.distance(before);
                assert!(moved < 17.0, "{} moved {moved} m in a second at {t:?}", v.vehicle);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_day_and_another_seed_another() {
    let tt = town();
    let stops = |seed| -> Vec<_> {
        let plan = Plan::for_day(&tt, seed, monday(), None);
        plan.vehicles.iter().flat_map(|v| v.stops().map(|s| (v.vehicle.clone(), s)).collect::<Vec<_>>()).collect()
    };
    assert_eq!(stops(7), stops(7));
    assert_ne!(stops(7), stops(8));
}

#[test]
fn nobody_teleports() {
    assert_no_jumps(&Plan::for_day(&town(), 1, monday(), None).with_machines(&city::machines()));
}

#[test]
fn asking_in_order_or_out_of_order_gives_the_same() {
    let plan = Plan::for_day(&town(), 1, monday(), Some(Cap { vehicles: 3, at: ServiceTime(9 * 3600) }));
    for v in &plan.vehicles {
        let mut walk = Walk::along(&**v);
        let forward: Vec<_> = every(v, 17_000).map(|t| walk.at(t)).collect();
        let backward: Vec<_> = every(v, 17_000).collect::<Vec<_>>().into_iter().rev().map(|t| walk.at(t)).collect();
        let single: Vec<_> = every(v, 17_000).map(|t| v.state_at(t)).collect();
        assert_eq!(forward, single);
        assert_eq!(backward.into_iter().rev().collect::<Vec<_>>(), single);
        assert!(v.state_at(UnixMs(v.span().0.0 - 1)).is_none() && v.state_at(v.span().1).is_none());
    }
}

#[test]
fn the_truth_is_in_order_and_the_vehicle_is_where_it_says() {
    let tt = town();
    let plan = Plan::for_day(&tt, 3, monday(), None);
    for v in &plan.vehicles {
        let mut last = UnixMs(0);
        for s in v.stops() {
            for t in [s.arrival, s.departure].into_iter().flatten() {
                assert!(t >= last, "{} goes back in time", v.vehicle);
                last = t;
            }
            let call = *tt.pattern_of(s.trip).call(s.call).unwrap();
            if let Some(t) = s.departure.filter(|_| s.call.at() > 0) {
                let state = v.state_at(t).unwrap();
                assert_eq!(state.trip, Some(s.trip));
                assert!((state.along.unwrap() - call.along).abs() < 1.0, "{} at {}", v.vehicle, call.along);
            }
        }
        let calls: usize = v.trips().map(|t| tt.pattern_of(t).calls.len()).sum();
        assert_eq!(v.stops().count(), calls);
    }
}

#[test]
fn every_trip_of_the_day_is_run_once_and_nobody_leaves_before_time() {
    let tt = town();
    let plan = Plan::for_day(&tt, 3, monday(), None);
    let mut run: Vec<_> = plan.vehicles.iter().flat_map(|v| v.trips()).collect();
    run.sort_unstable();
    let runs = tt.services_on(monday());
    let due: Vec<_> = tt.trips.iter().filter(|(_, t)| *runs.get(t.service).unwrap()).map(|(t, _)| t).collect();
    assert_eq!(run, due);
    for v in &plan.vehicles {
        for s in v.stops().filter(|s| s.call.at() == 0) {
            assert!(s.departure.unwrap() >= tt.zone.at(monday(), tt.starts(s.trip)));
        }
    }
}

#[test]
fn blocks_keep_their_order_and_a_vehicle_its_line() {
    let tt = town();
    let line_of = |date| -> BTreeMap<VehicleId, _> {
        Roster::for_day(&tt, date, None).duties.into_iter().map(|d| (d.vehicle, d.route)).collect()
    };
    let (mon, tue) = (line_of(monday()), line_of(monday().plus_days(1)));
    assert_eq!(mon, tue);
    let sunday = line_of(monday().plus_days(6));
    assert!(sunday.len() < mon.len());
    for (v, route) in &sunday {
        assert_eq!(mon.get(v), Some(route), "{v}");
    }
    for d in Roster::for_day(&tt, monday(), None).duties {
        assert!(d.trips.windows(2).all(|p| tt.ends(p[0]) <= tt.starts(p[1])));
    }
}

/// What a passenger sees: mostly within a few minutes of the timetable, later in the rush.
#[test]
fn lateness_looks_like_a_city() {
    let tt = town();
    let mut delays: Vec<i64> = Vec::new();
    for day in 0..5 {
        let plan = Plan::for_day(&tt, 11, monday().plus_days(day), None);
        for v in &plan.vehicles {
            for s in v.stops() {
                let Some(t) = s.arrival else { continue };
                let planned = tt.time_at(s.trip, s.call).unwrap().arrival;
                delays.push(t.secs_since(tt.zone.at(plan.date, planned)));
            }
        }
    }
    delays.sort_unstable();
    let at = |q: usize| delays[(delays.len() - 1) * q / 100];
    println!("delay p5 {} p25 {} p50 {} p75 {} p95 {}", at(5), at(25), at(50), at(75), at(95));
    assert!((-180..=0).contains(&at(5)) && (-60..=120).contains(&at(50)) && (100..=600).contains(&at(95)));
}

#[test]
fn a_cap_takes_whole_busy_blocks_from_every_line() {
    let tt = town();
    let cap = Some(Cap { vehicles: 10, at: ServiceTime(13 * 3600) });
    let roster = Roster::for_day(&tt, monday(), cap);
    assert_eq!(roster.duties.len(), 10);
    let mut lines: Vec<_> = roster.duties.iter().map(|d| d.route).collect();
    lines.dedup();
    assert_eq!(lines.len(), 8);
    for d in &roster.duties {
        let noon = ServiceTime(13 * 3600);
        assert!(tt.starts(d.trips[0]) < noon && tt.ends(*d.trips.last().unwrap()) > noon, "{}", d.vehicle);
    }
    assert!((10..=16).contains(&Roster::fleet(&tt, monday(), 8, cap).len()));
}

#[test]
fn machines_have_no_trip_and_come_home() {
    let plan = Plan::for_day(&town(), 1, monday(), Some(Cap { vehicles: 0, at: ServiceTime(0) }));
    let plan = plan.with_machines(&city::machines());
    assert_eq!(plan.vehicles.len(), 4);
    for v in &plan.vehicles {
        assert!(v.kind.is_machinery());
        assert_eq!((v.trips().count(), v.stops().count()), (0, 0));
        assert!(every(v, 60_000).all(|t| v.state_at(t).unwrap().phase != Phase::InProgress), "that is for trips");
        let last = v.state_at(UnixMs(v.span().1.0 - 1)).unwrap();
        assert_eq!(last.phase, Phase::AtBase);
        assert!(every(v, 60_000).any(|t| v.state_at(t).unwrap().speed > 1.0));
    }
}

/// A night bus by frequency, a bus without blocks, times after midnight, two stops at one minute.
fn odd_feed(frequencies: &str) -> Arc<Timetable> {
    let files = GtfsFiles::new()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\na,A,http://a.example,Europe/Kyiv\n")
        .with(
            "stops.txt",
            "stop_id,stop_name,stop_lat,stop_lon\n1,One,48.85,37.60\n2,Two,48.86,37.61\n3,Three,48.87,37.63\n",
        )
        .with("routes.txt", "route_id,agency_id,route_short_name,route_type\nN,a,N1,3\nB,a,2,3\n")
        .with("trips.txt", "route_id,service_id,trip_id,direction_id\nN,all,n1,0\nB,all,b1,0\nB,all,b2,1\nB,all,b3,0\n")
        .with(
            "stop_times.txt",
            "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n\
             n1,23:00:00,23:00:00,1,1\nn1,23:05:00,23:05:00,2,2\nn1,23:12:00,23:12:00,3,3\n\
             b1,08:00:00,08:00:00,1,1\nb1,08:05:00,08:05:00,2,2\nb1,08:05:00,08:05:00,3,3\n\
             b2,08:10:00,08:10:00,3,1\nb2,08:20:00,08:20:00,1,2\n\
             b3,08:30:00,08:30:00,1,1\nb3,08:40:00,08:40:00,3,2\n",
        )
        .with("frequencies.txt", format!("trip_id,start_time,end_time,headway_secs\nn1,{frequencies}\n"))
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n\
             all,1,1,1,1,1,1,1,20260101,20271231\n",
        );
    Arc::new(load_files(&files, FeedId::from("odd")).unwrap().timetable)
}

#[test]
fn trips_without_blocks_are_joined_at_their_terminals() {
    let tt = odd_feed("23:00:00,29:00:00,1800");
    let roster = Roster::for_day(&tt, monday(), None);
    let chains: Vec<Vec<&str>> =
        roster.duties.iter().map(|d| d.trips.iter().map(|t| &*tt.trips.at(*t).id).collect()).collect();
    assert!(chains.contains(&vec!["b1", "b2", "b3"]), "{chains:?}");
    // Every run of the night bus ends where no other starts: a vehicle for each.
    assert_eq!(chains.iter().filter(|c| **c == ["n1"]).count(), 12, "{chains:?}");
    assert_no_jumps(&Plan::for_day(&tt, 5, monday(), None));
}

#[test]
fn a_vehicle_out_past_midnight_is_not_needed_twice() {
    let tt = odd_feed("05:00:00,29:30:00,900");
    for day in 0..4 {
        let (a, b) = (monday().plus_days(day), monday().plus_days(day + 1));
        let (a, b) = (Plan::for_day(&tt, 5, a, None), Plan::for_day(&tt, 5, b, None));
        for v in &a.vehicles {
            if let Some(next) = b.vehicle(&v.vehicle) {
                assert!(v.span().1 <= next.span().0, "{} is in two places", v.vehicle);
            }
        }
    }
}
