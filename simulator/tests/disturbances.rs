//! Disturbances do what they say, and the truth says what they did.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use simulator::city;
use simulator::drive::{Cap, Disturbance, Happened, Mishaps, Options, Plan, Roster, TrueStop, VehicleDay, Walk};
use transit_model::dispatch::Phase;
use transit_model::ids::{StopPos, TripIdx, VehicleId};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

fn town() -> Arc<Timetable> {
    Arc::new(city::load(monday()).unwrap().timetable)
}

/// A Monday on which just this happens, written as in a scenario.
fn monday_with(tt: &Arc<Timetable>, toml: &str) -> Plan {
    let what: Disturbance = toml::from_str(toml).unwrap();
    let options = Options { disturbances: [what].into(), mishaps: Mishaps::NONE, ..Options::default() };
    Plan::new(tt, 5, monday(), &options)
}

fn quiet(tt: &Arc<Timetable>) -> Plan {
    Plan::for_day(tt, 5, monday(), None)
}

/// The first vehicle, by name, that runs at least four trips of which one starts in the morning, and
/// that trip, with the ones after it.
fn somebody(tt: &Timetable) -> (VehicleId, Vec<TripIdx>) {
    let eight = ServiceTime(8 * 3600);
    let duties = Roster::for_day(tt, monday(), None).duties;
    let busy = duties.into_iter().find_map(|d| {
        let from = d.trips.iter().position(|t| tt.starts(*t) >= eight && tt.pattern_of(*t).calls.len() > 9)?;
        (d.trips.len() > from + 3).then(|| (d.vehicle, d.trips[from..].to_vec()))
    });
    busy.unwrap()
}

fn served(plan: &Plan, trip: TripIdx) -> Vec<(VehicleId, TrueStop)> {
    let all = plan.vehicles.iter().flat_map(|v| v.stops().map(|s| (v.vehicle.clone(), s)));
    all.filter(|(_, s)| s.trip == trip).collect()
}

fn only(plan: &Plan) -> &Happened {
    let [one] = &plan.happened[..] else { panic!("{:?}, unmet {:?}", plan.happened, plan.unmet) };
    assert!(plan.unmet.is_empty() && !one.by_chance);
    one
}

fn id(tt: &Timetable, trip: TripIdx) -> &str {
    &tt.trips.at(trip).id
}

fn assert_sound(plan: &Plan) {
    for v in &plan.vehicles {
        let (from, to) = v.span();
        let (mut walk, mut before) = (Walk::along(&**v), None);
        for t in (from.0..to.0).step_by(1000).map(UnixMs) {
            let here = walk.at(t).unwrap();
            let moved = before.replace(here.xy).map_or(0.0, |b| here.xy.distance(b));
            assert!(moved < 17.5, "{} moved {moved} m in a second at {t:?}", v.vehicle);
        }
        let times: Vec<UnixMs> = v.stops().flat_map(|s| [s.arrival, s.departure]).flatten().collect();
        assert!(times.is_sorted(), "{} goes back in time", v.vehicle);
    }
}

#[test]
fn a_missed_trip_has_no_row_and_the_others_are_run() {
    let tt = town();
    let (vehicle, trips) = somebody(&tt);
    let plan = monday_with(&tt, &format!("kind = 'missed_trip'\ntrip = '{}'", id(&tt, trips[0])));
    assert!(served(&plan, trips[0]).is_empty());
    assert_eq!((&only(&plan).vehicles[..], &only(&plan).trips[..]), (&[vehicle.clone()][..], &trips[..1]));
    let run: Vec<TripIdx> = plan.vehicle(&vehicle).unwrap().trips().collect();
    assert_eq!(run[run.len() - trips.len() + 1..], trips[1..]);
    assert_sound(&plan);
}

/// A breakdown eight minutes into the trip.
fn broken(tt: &Arc<Timetable>, more: &str) -> (Plan, VehicleId, Vec<TripIdx>, UnixMs) {
    let (vehicle, trips) = somebody(tt);
    let at = ServiceTime(tt.starts(trips[0]).0 + 480);
    let plan = monday_with(tt, &format!("kind = 'breakdown'\nvehicle = '{vehicle}'\nat = '{at}'\n{more}"));
    (plan, vehicle, trips, tt.zone.at(monday(), at))
}

#[test]
fn a_reserve_vehicle_goes_on_where_the_broken_one_stopped() {
    let tt = town();
    let (plan, vehicle, trips, at) = broken(&tt, "replaced_after_s = 600");
    let happened = only(&plan);
    let [broke, reserve] = &happened.vehicles[..] else { panic!("{happened:?}") };
    assert_eq!((broke, &happened.trips[..]), (&vehicle, &trips[..]));
    let rows = served(&plan, trips[0]);
    let (by_broken, by_reserve): (Vec<_>, Vec<_>) = rows.iter().partition(|(v, _)| v == broke);
    let calls = |rows: &[&(VehicleId, TrueStop)]| rows.iter().map(|(_, s)| s.call.at()).collect::<Vec<_>>();
    let (first, second) = (calls(&by_broken), calls(&by_reserve));
    let all = tt.pattern_of(trips[0]).calls.len();
    assert!(first.len() > 1 && second.len() > 1, "{first:?} {second:?}");
    assert_eq!([first, second].concat(), (0..all).collect::<Vec<_>>());
    let reserve_starts = by_reserve[0].1.departure.unwrap();
    assert!(reserve_starts >= at.plus_secs(600), "it comes when it was said to");
    let went_on: Vec<TripIdx> = plan.vehicle(reserve).unwrap().trips().collect();
    assert_eq!(went_on, trips);
    // The broken one stands there, with its trip for a while, then as nothing anybody can name.
    let day = plan.vehicle(broke).unwrap();
    let (then, last) = (day.state_at(at.plus_secs(1)).unwrap(), day.state_at(UnixMs(day.span().1.0 - 1)).unwrap());
    assert_eq!((then.phase, then.trip), (Phase::InProgress, Some(trips[0])));
    assert_eq!((last.phase, last.trip, last.xy), (Phase::Unknown, None, then.xy));
    // Before it is on a trip, the truth tells which one it is going to.
    let come = plan.vehicle(reserve).unwrap();
    let waits = come.state_at(come.span().0).unwrap();
    assert_eq!((waits.phase, waits.trip, waits.ahead), (Phase::AtBase, None, Some(trips[0])));
    assert_sound(&plan);
}

#[test]
fn without_a_reserve_the_rest_of_the_block_is_run_by_nobody() {
    let tt = town();
    let (plan, vehicle, trips, at) = broken(&tt, "");
    let rows = served(&plan, trips[0]);
    assert!(rows.len() > 1 && rows.len() < tt.pattern_of(trips[0]).calls.len());
    assert!(rows.iter().all(|(v, s)| *v == vehicle && s.arrival.or(s.departure).unwrap() <= at));
    assert!(trips[1..].iter().all(|t| served(&plan, *t).is_empty()));
    assert_eq!(only(&plan).vehicles, [vehicle]);
    assert_sound(&plan);
}

#[test]
fn a_short_turn_serves_no_stop_beyond_and_comes_back_where_it_is_told() {
    let tt = town();
    let (vehicle, trips) = somebody(&tt);
    let plan = monday_with(&tt, &format!("kind = 'short_turn'\ntrip = '{}'\nstop = 6\nback_at = 4", id(&tt, trips[0])));
    let calls = |t| served(&plan, t).into_iter().map(|(_, s)| s.call.at()).collect::<Vec<_>>();
    assert_eq!(calls(trips[0]), (0..6).collect::<Vec<_>>());
    assert_eq!(calls(trips[1]), (3..tt.pattern_of(trips[1]).calls.len()).collect::<Vec<_>>());
    assert_eq!(calls(trips[2]).len(), tt.pattern_of(trips[2]).calls.len());
    let rows = served(&plan, trips[0]);
    assert!(rows.last().unwrap().1.departure.is_none() && served(&plan, trips[1])[0].1.arrival.is_none());
    assert_eq!((&only(&plan).vehicles[..], &only(&plan).trips[..]), (&[vehicle][..], &trips[..1]));
    assert_sound(&plan);
}

#[test]
fn a_detour_skips_its_stops_and_leaves_the_line() {
    let tt = town();
    let (vehicle, trips) = somebody(&tt);
    let stop = |n: usize| &*tt.stops.at(tt.pattern_of(trips[0]).calls[n].stop).id;
    let start = tt.starts(trips[0]);
    let plan = monday_with(
        &tt,
        &format!(
            "kind = 'detour'\nafter_stop = '{}'\nuntil_stop = '{}'\nfrom = '{}'\nto = '{}'\naway_m = 300.0",
            stop(3),
            stop(6),
            ServiceTime(start.0 - 1800),
            ServiceTime(start.0 + 3600)
        ),
    );
    let happened = only(&plan);
    assert!(happened.trips.contains(&trips[0]) && happened.vehicles.contains(&vehicle), "{happened:?}");
    let calls: Vec<usize> = served(&plan, trips[0]).into_iter().map(|(_, s)| s.call.at()).collect();
    assert!(!calls.contains(&4) && !calls.contains(&5) && calls.contains(&3) && calls.contains(&6), "{calls:?}");
    let day = plan.vehicle(&vehicle).unwrap();
    let (from, to) = day.span();
    let off: Vec<_> = (from.0..to.0)
        .step_by(1000)
        .filter_map(|t| day.state_at(UnixMs(t)))
        .filter(|s| s.trip == Some(trips[0]) && s.phase == Phase::OffRoute)
        .collect();
    let far = off.iter().map(|s| tt.shape_of(trips[0]).project(s.xy).unwrap().off).fold(0.0, f32::max);
    assert!(far > 150.0 && off.iter().all(|s| s.along.is_none()), "{far} m off in {} s", off.len());
    // Who passes after it is over serves every stop.
    let later = served(&plan, trips[3]).len();
    assert_eq!(later, tt.pattern_of(trips[3]).calls.len());
    assert_sound(&plan);
}

#[test]
fn swapped_vehicles_run_each_others_trips() {
    let tt = town();
    let duties = Roster::for_day(&tt, monday(), None).duties;
    let (a, b) = (&duties[0], &duties[1]);
    let plan =
        monday_with(&tt, &format!("kind = 'swap'\nvehicle = '{}'\nwith = '{}'\nfrom = '10:00'", a.vehicle, b.vehicle));
    let trips = |v: &VehicleId| plan.vehicle(v).unwrap().trips().collect::<Vec<_>>();
    let split = |d: &simulator::drive::Duty| {
        d.trips.iter().partition::<Vec<TripIdx>, _>(|t| tt.starts(**t) < ServiceTime(36_000))
    };
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    assert!(!a1.is_empty() && !b2.is_empty());
    assert_eq!(trips(&a.vehicle), [a1, b2].concat());
    assert_eq!(trips(&b.vehicle), [b1, a2].concat());
    assert_eq!(only(&plan).vehicles, [a.vehicle.clone(), b.vehicle.clone()]);
    assert_sound(&plan);
}

#[test]
fn an_early_departure_is_early_and_no_other_is() {
    let tt = town();
    let (_, trips) = somebody(&tt);
    let plan = monday_with(&tt, &format!("kind = 'early_departure'\ntrip = '{}'\nby_s = 75", id(&tt, trips[0])));
    for s in plan.vehicles.iter().flat_map(|v| v.stops()).filter(|s| s.call == StopPos(0)) {
        let early = tt.zone.at(monday(), tt.starts(s.trip)).secs_since(s.departure.unwrap());
        assert_eq!(early > 0, s.trip == trips[0], "{early}");
        assert!(early <= 75);
    }
    assert_eq!(only(&plan).trips, trips[..1]);
}

/// Mean time on the road per trip of a route in an hour, seconds.
fn riding(plan: &Plan, from: i32) -> f64 {
    let tt = &plan.timetable;
    let (mut sum, mut n) = (0.0, 0.0);
    for v in &plan.vehicles {
        let mut began = BTreeMap::new();
        for s in v.stops().filter(|s| (from..from + 3600).contains(&tt.starts(s.trip).0)) {
            began.entry(s.trip).or_insert(s.departure);
            if s.departure.is_none() {
                sum += s.arrival.unwrap().secs_since(began[&s.trip].unwrap()) as f64;
                n += 1.0;
            }
        }
    }
    sum / n
}

#[test]
fn weather_slows_the_city_while_it_lasts() {
    let tt = town();
    let (dry, wet) = (quiet(&tt), monday_with(&tt, "kind = 'weather'\nfrom = '10:00'\nto = '14:00'\nfactor = 1.3"));
    let slower = |from| riding(&wet, from) / riding(&dry, from);
    assert!((1.15..1.32).contains(&slower(11 * 3600)), "{}", slower(11 * 3600));
    assert!((slower(7 * 3600) - 1.0).abs() < 0.001, "{}", slower(7 * 3600));
    assert_eq!(only(&wet).from, tt.zone.at(monday(), ServiceTime(36_000)));
}

#[test]
fn an_incident_slows_its_street_and_nobody_elsewhere() {
    let tt = town();
    let (_, trips) = somebody(&tt);
    let pattern = tt.pattern_of(trips[0]);
    let link = tt.links.at(pattern.links[4]);
    let (from, to) = (&tt.stops.at(link.from).id, &tt.stops.at(link.to).id);
    let toml = format!(
        "kind = 'incident'\nplace = {{ from_stop = '{from}', to_stop = '{to}' }}\nfrom = '{}'\nto = '12:00'\nfactor = 5.0",
        tt.starts(trips[0])
    );
    let (plan, quiet) = (monday_with(&tt, &toml), quiet(&tt));
    let link_time = |p: &Plan, n: u16| {
        let rows = served(p, trips[0]);
        let at = |n: u16| rows.iter().find(|(_, s)| s.call == StopPos(n)).unwrap().1;
        at(n + 1).arrival.unwrap().secs_since(at(n).departure.unwrap()) as f64
    };
    let slower = |n| link_time(&plan, n) / link_time(&quiet, n);
    assert!(slower(4) > 2.0 && (0.95..1.05).contains(&slower(1)), "{} {}", slower(4), slower(1));
}

#[test]
fn what_cannot_happen_is_said_with_its_reason() {
    let tt = town();
    let reason = |toml: &str| {
        let plan = monday_with(&tt, toml);
        assert!(plan.happened.is_empty());
        plan.unmet[0].1.to_string()
    };
    assert_eq!(reason("kind = 'missed_trip'\ntrip = 'none'"), "the feed has no trip `none`");
    assert_eq!(
        reason("kind = 'missed_trip'\ntrip = { route = '1', from = '26:00' }"),
        "route `1` has no trip that starts at 26:00:00 or later on this day"
    );
    assert_eq!(reason("kind = 'missed_trip'\ntrip = { route = '99', from = '06:00' }"), "the feed has no route `99`");
    assert_eq!(
        reason("kind = 'breakdown'\nvehicle = 'tank'\nat = '08:00'"),
        "vehicle `tank` is not on the road on this day"
    );
    let (vehicle, _) = somebody(&tt);
    assert_eq!(
        reason(&format!("kind = 'breakdown'\nvehicle = '{vehicle}'\nat = '29:00'")),
        "nobody was there when it would have happened"
    );
    assert_eq!(
        reason("kind = 'weather'\nfrom = '08:00'\nto = '09:00'\nfactor = 99.0"),
        "weather: factor is 99, which must be from 0.5 to 20"
    );
    let other_day = monday_with(&tt, "kind = 'missed_trip'\nday = '20261124'\ntrip = 'none'");
    assert!(other_day.unmet.is_empty() && other_day.happened.is_empty());
}

/// By chance alone: the rates are small, the same each time, and whatever happens is consistent.
#[test]
fn mishaps_are_few_and_a_city_full_of_them_is_still_sound() {
    let tt = town();
    let day = |rate: f64, n| {
        let options = Options { mishaps: Mishaps(rate), ..Options::default() };
        Plan::new(&tt, 5, monday().plus_days(n), &options)
    };
    let usual: Vec<Plan> = (0..5).map(|n| day(1.0, n)).collect();
    let count =
        |kind: &str, plans: &[Plan]| plans.iter().flat_map(|p| &p.happened).filter(|h| h.what.kind() == kind).count();
    let all: usize = usual.iter().map(|p| p.happened.len()).sum();
    assert!((15..150).contains(&all), "{all} in five days");
    assert!((1..20).contains(&count("missed_trip", &usual)), "{}", count("missed_trip", &usual));
    assert_eq!(usual[0].happened, day(1.0, 0).happened);

    let mad = [day(25.0, 0)];
    for kind in ["incident", "weather", "breakdown", "short_turn", "detour", "missed_trip", "swap", "early_departure"] {
        assert!(count(kind, &mad) > 0, "no {kind}");
    }
    assert!(mad[0].unmet.is_empty());
    assert_sound(&mad[0]);
    let mut seen = BTreeSet::new();
    for (v, s) in mad[0].vehicles.iter().flat_map(|v| v.stops().map(|s| (v.vehicle.clone(), s))) {
        assert!(seen.insert((s.trip, s.call)), "{v} serves call {:?} of {} again", s.call, id(&tt, s.trip));
    }
    // Who may have to take over is known beforehand, for somebody has to equip them.
    let options = Options { mishaps: Mishaps(25.0), ..Options::default() };
    let known: BTreeSet<VehicleId> =
        Roster::fleet(&tt, monday(), 1, None).into_iter().chain(Roster::reserves(&tt, monday(), 1, &options)).collect();
    let on_road: BTreeSet<VehicleId> = mad[0].vehicles.iter().map(|v| v.vehicle.clone()).collect();
    assert!(on_road.is_subset(&known));
    assert!(on_road.iter().any(|v| v.as_str().starts_with('R')));
}

#[test]
fn a_cap_leaves_out_what_befalls_others() {
    let tt = town();
    let cap = Some(Cap { vehicles: 3, at: ServiceTime(8 * 3600) });
    let driven: BTreeSet<_> = Roster::for_day(&tt, monday(), cap).duties.into_iter().map(|d| d.vehicle).collect();
    let other = Roster::for_day(&tt, monday(), None).duties.into_iter().find(|d| !driven.contains(&d.vehicle));
    let id = other.unwrap().vehicle;
    let what: Disturbance = toml::from_str(&format!("kind = 'breakdown'\nvehicle = '{id}'\nat = '08:00'")).unwrap();
    let options = Options { cap, disturbances: [what].into(), mishaps: Mishaps::NONE, ..Options::default() };
    let plan = Plan::new(&tt, 5, monday(), &options);
    assert_eq!(plan.unmet[0].1.to_string(), format!("vehicle `{id}` is not on the road on this day"));
    let days: Vec<&VehicleDay> = plan.vehicles.iter().map(|v| &**v).collect();
    assert_eq!(days.len(), 3);
}
