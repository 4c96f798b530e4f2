//! The public world against the whole one.

use std::sync::Arc;

use proptest::prelude::*;
use transit_model::board::{RowSource, label_at};
use transit_model::ids::VehicleId;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::measure::{Asked, Covers, Ended, Kind, Measure, MeasureError, Scope};
use super::trail::{STEP_MS, Then, Trails};
use super::view::Gate;
use super::zone::Zone;
use crate::auth::Role;
use crate::board::fixture::{at, stop, timetable, trip, vehicle, with_progress, world};
use crate::board::{ROWS_MAX, compose};
use crate::world::{Vehicle, World};

fn measure(kind: Kind, covers: Covers, scope: Scope, from: UnixMs) -> Measure {
    Measure {
        id: 1,
        kind,
        covers,
        scope,
        from,
        until: None,
        reason: "повітряна тривога".to_owned(),
        by: "зміна 1".to_owned(),
        role: Role::Dispatcher,
        made: from,
        ended: None,
    }
}

fn gate(measures: impl IntoIterator<Item = Measure>) -> Gate {
    let mut gate = Gate::new(Vec::new(), 30);
    gate.set_measures(measures.into_iter().collect());
    gate
}

/// Two vehicles: 17 of route 2 near A, 18 of route 5 two kilometres to the east.
fn two(t: &Arc<Timetable>, now: UnixMs) -> Arc<World> {
    let east = Vehicle { lon: 37.64, ..vehicle(t, "18", trip(t, "t5-1345"), 1, 60, now) };
    Arc::new(world(t, now).with_vehicles(vec![vehicle(t, "17", trip(t, "t2-1400"), 1, 95, now), east]))
}

fn ids(w: &World) -> Vec<&str> {
    w.vehicles.iter().map(|v| v.id.as_str()).collect()
}

fn board_texts(w: &World, now: UnixMs) -> (String, Vec<String>) {
    let board = compose(w, stop(&w.timetable, "B"), Lang::Uk, 1.0, 3, now);
    let text =
        |labels: &[transit_model::board::Label]| label_at(labels, now).map(|l| l.text.clone()).unwrap_or_default();
    (text(&board.notice), board.rows.iter().map(|r| format!("{} {}", r.route.name, text(&r.labels))).collect())
}

const ALL: Covers = Covers::PositionsAndPredictions;
const PLACES: Covers = Covers::Positions;

fn route(id: &str) -> Scope {
    Scope::Route { route_id: id.to_owned() }
}

fn around(lat: f64, lon: f64, radius_m: f64) -> Scope {
    Scope::Zone { area: Zone::Circle { lat, lon, radius_m } }
}

#[test]
fn without_a_measure_the_public_world_is_the_whole_one() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let whole = two(&t, now);
    assert!(Arc::ptr_eq(&gate([]).view(&whole, &whole, now), &whole));
    let tomorrow = measure(Kind::StopPublic, ALL, Scope::Feed, now.plus_secs(86_400));
    let over = Measure { until: Some(now), ..measure(Kind::StopPublic, ALL, Scope::Feed, now.plus_secs(-60)) };
    let ended = Ended { at: now, by: "д".to_owned(), reason: "відбій".to_owned() };
    let ended = Measure { ended: Some(ended), ..measure(Kind::StopPublic, ALL, Scope::Feed, now.plus_secs(-60)) };
    assert!(Arc::ptr_eq(&gate([tomorrow, over, ended]).view(&whole, &whole, now), &whole));
}

#[test]
fn a_stop_takes_places_away_and_leaves_boards_their_minutes() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let whole = two(&t, now);
    for (scope, left) in [(Scope::Feed, vec![]), (route("r2"), vec!["18"]), (around(48.85, 37.64, 500.0), vec!["17"])] {
        let public = gate([measure(Kind::StopPublic, PLACES, scope.clone(), now)]).view(&whole, &whole, now);
        assert_eq!(ids(&public), left, "{scope:?}");
        assert!(public.unplaced.iter().all(|v| v.lat.is_nan() && v.lon.is_nan() && v.speed.is_none()));
        assert!(public.concerns.is_empty() && public.restrictions.len() == 1);
        assert_eq!(board_texts(&public, now), board_texts(&whole, now), "{scope:?}");
    }
}

#[test]
fn where_machines_are_and_have_been_is_withheld_with_the_feed_and_with_any_zone() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let machinery = crate::machinery::fixture::view(&t, now);
    let whole = Arc::new(World { machinery, ..(*two(&t, now)).clone() });
    assert!(!whole.machinery.machines.is_empty() && !whole.machinery.now.is_empty());
    for scope in [Scope::Feed, around(50.0, 30.0, 100.0)] {
        let public = gate([measure(Kind::DelayPublic { minutes: 5 }, PLACES, scope, now)]).view(&whole, &whole, now);
        let told = &public.machinery;
        assert!(told.withheld && told.machines.is_empty() && told.visits.is_empty());
        assert!(told.now.is_empty() && told.passes.is_empty(), "a street passed a minute ago says where one is");
        assert_eq!(told.streets.all().len(), whole.machinery.streets.all().len());
    }
    let public = gate([measure(Kind::StopPublic, ALL, route("r2"), now)]).view(&whole, &whole, now);
    assert!(Arc::ptr_eq(&public.machinery, &whole.machinery), "machines have no route");
}

#[test]
fn rule_16_what_is_withheld_is_said_to_be_withheld_and_stands_by_the_timetable() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let whole = two(&t, now);
    let said = |scope| {
        let public = gate([measure(Kind::StopPublic, ALL, scope, now)]).view(&whole, &whole, now);
        let rows = compose(&public, stop(&t, "B"), Lang::Uk, 1.0, ROWS_MAX, now).rows;
        (board_texts(&public, now), rows.iter().filter(|r| r.source == RowSource::Live).count())
    };
    let timetable = ["2 14:04", "2 14:14", "5 14:20"].map(str::to_owned).to_vec();
    let all = "Дані про рух тимчасово обмежено. Лише розклад".to_owned();
    assert_eq!(said(Scope::Feed), ((all.clone(), timetable.clone()), 0));
    assert_eq!(said(route("r2")), (("Дані про рух тимчасово обмежено: 2".to_owned(), timetable.clone()), 0));
    // A zone with the stop in it, and one with the vehicle alone.
    assert_eq!(said(around(48.85, 37.62, 300.0)), ((all, timetable.clone()), 0));
    let near_vehicle = said(around(48.85, 37.61, 300.0));
    assert_eq!(near_vehicle, (("Дані про рух тимчасово обмежено: 2".to_owned(), timetable), 0));
    let elsewhere = said(around(48.95, 37.61, 300.0));
    assert_eq!(elsewhere.0, board_texts(&whole, now));
}

#[test]
fn a_row_that_leaves_early_says_where_a_vehicle_is_and_is_not_told() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let on = trip(&t, "t2-1400");
    let before = with_progress((*two(&t, now)).clone(), on, 1, false);
    let passed_b = Arc::new(with_progress((*two(&t, now)).clone(), on, 2, false));
    let mut g = gate([measure(Kind::StopPublic, ALL, Scope::Feed, now)]);
    let public = g.view(&passed_b, &before, now);
    assert_eq!(public.progress_of(on).passed, 1);
    assert!(board_texts(&public, now).1.contains(&"2 14:04".to_owned()));
    // And what was told stays told, for a departed vehicle never comes back.
    let again = g.view(&passed_b, &passed_b, now);
    assert_eq!(again.progress_of(on).passed, 2);
    g.set_measures(Vec::new());
    assert_eq!(g.view(&passed_b, &public, now).progress_of(on).passed, 2, "it is over: all is told");
}

#[test]
fn a_delay_shows_where_vehicles_were_and_nothing_that_is_not_known() {
    let t = timetable();
    let start = at(&t, "14:00:00");
    let mut g = gate([measure(Kind::DelayPublic { minutes: 5 }, PLACES, Scope::Feed, start.plus_secs(300))]);
    let mut public = Arc::new(world(&t, start));
    let at_minute = |n: i64| {
        let now = start.plus_secs(60 * n);
        let mut v = vehicle(&t, "17", trip(&t, "t2-1400"), 1, 95, now);
        v.lon = 37.6 + 0.001 * n as f64;
        Arc::new(world(&t, now).with_vehicles(vec![v]))
    };
    for n in 0..=20 {
        let whole = at_minute(n);
        public = g.view(&whole, &public, whole.now);
        let Some(v) = public.vehicle("17") else {
            panic!("minute {n}: five minutes ago it was heard");
        };
        let shown = if n < 5 { n } else { n - 5 };
        assert_eq!((v.fix_time, v.lon), (start.plus_secs(60 * shown), 37.6 + 0.001 * shown as f64), "minute {n}");
        assert_eq!(v.ahead.is_empty(), n >= 5, "what hangs on its place now is not of then");
        let live = public.live_at(stop(&t, "B")).count();
        assert_eq!(live, 1, "boards go on");
    }
    // Of a vehicle that has just come nothing is known of then.
    let whole = at_minute(21);
    let new = Vehicle { id: VehicleId::from("99"), ..(*whole.vehicles[0]).clone() };
    let whole = Arc::new((*whole).clone().with_vehicles(vec![(*whole.vehicles[0]).clone(), new]));
    assert_eq!(ids(&g.view(&whole, &public, whole.now)), ["17"]);
}

#[test]
fn a_delayed_place_is_not_shown_where_places_are_stopped_and_the_strongest_measure_holds() {
    let t = timetable();
    let start = at(&t, "14:00:00");
    let by = |n: i64, lon: f64| {
        let now = start.plus_secs(60 * n);
        Arc::new(
            world(&t, now).with_vehicles(vec![Vehicle { lon, ..vehicle(&t, "17", trip(&t, "t2-1400"), 1, 95, now) }]),
        )
    };
    let delay = |minutes| measure(Kind::DelayPublic { minutes }, PLACES, Scope::Feed, start);
    let zone = measure(Kind::StopPublic, PLACES, around(48.85, 37.60, 300.0), start);
    // It was in the zone three minutes ago and is without now; five minutes ago nobody had heard of it.
    for (measures, shown) in
        [(vec![delay(3)], 1), (vec![delay(3), zone.clone()], 0), (vec![delay(3), delay(5)], 0), (vec![zone], 1)]
    {
        let mut g = gate(measures.clone());
        let first = by(0, 37.60);
        let public = g.view(&first, &first, first.now);
        let now = by(3, 37.63);
        assert_eq!(g.view(&now, &public, now.now).vehicles.len(), shown, "{measures:?}");
    }
}

#[test]
fn an_old_world_brings_nothing_back() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let mut g = gate([measure(Kind::StopPublic, ALL, Scope::Feed, now)]);
    let whole = two(&t, now);
    let public = g.view(&whole, &whole, now);
    let older = two(&t, now.plus_secs(-10));
    assert!(g.view(&older, &public, older.now).vehicles.is_empty());
}

#[test]
fn trails_are_bounded_in_time_and_number() {
    let t = timetable();
    let start = at(&t, "14:00:00");
    let mut trails = Trails::reaching(30);
    assert_eq!((trails.most_of_one(), std::mem::size_of::<Then>() <= 104), (122, true));
    let fleet = |n: i64, size: usize| {
        let now = start.plus_secs(n);
        let one = |i: usize| vehicle(&t, &i.to_string(), trip(&t, "t2-1400"), 1, 0, now);
        world(&t, now).with_vehicles((0..size).map(one).collect())
    };
    for second in (0..7200).step_by(5) {
        trails.note(&fleet(second, 3));
        assert!(trails.len() <= 3 * trails.most_of_one(), "{second}");
    }
    let last = trails.at(&VehicleId::from("1"), start.plus_secs(7200 - 1800)).unwrap();
    assert!(last.time >= start.plus_secs(7200 - 1800 - 2 * STEP_MS / 1000));
    assert_eq!(trails.at(&VehicleId::from("1"), start.plus_secs(3600)), None, "that is forgotten");
    trails.note(&fleet(7300, 1));
    assert!(trails.len() <= trails.most_of_one(), "who is gone is forgotten");
    let mut none = Trails::reaching(0);
    none.note(&fleet(0, 3));
    assert!(none.is_empty());
}

#[test]
fn what_cannot_be_asked_is_named_by_its_field() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let asked = |text: &str| -> Result<Measure, (&'static str, String)> {
        let asked: Asked = serde_json::from_str(text).unwrap();
        asked.checked(&t, 30, ("зміна 1", Role::Dispatcher), now).map_err(|e: MeasureError| (e.field(), e.to_string()))
    };
    let with = |more: &str| format!(r#"{{"reason": "тривога", "scope": {{"type": "feed"}}, {more}}}"#);
    let good = asked(&with(r#""kind": "delay_public", "minutes": 10, "lasts_minutes": 60"#)).unwrap();
    assert_eq!((good.kind, good.until), (Kind::DelayPublic { minutes: 10 }, Some(now.plus_secs(3600))));
    assert_eq!((good.by.as_str(), good.made, good.covers), ("зміна 1", now, Covers::Positions));
    for (more, field, says) in [
        (r#""kind": "hide""#, "kind", "`hide` is not a kind"),
        (r#""kind": "delay_public""#, "minutes", "a delay of no minutes: 1 to 30"),
        (r#""kind": "delay_public", "minutes": 31"#, "minutes", "a delay of 31 minutes: 1 to 30"),
        (r#""kind": "stop_public", "minutes": 5"#, "minutes", "has no minutes"),
        (r#""kind": "stop_public", "until": 5"#, "until", "over before it begins"),
    ] {
        let (at, said) = asked(&with(more)).unwrap_err();
        assert!(at == field && said.contains(says), "{more}: {at}: {said}");
    }
    let elsewhere =
        with(r#""kind": "stop_public""#).replace(r#"{"type": "feed"}"#, r#"{"type": "route", "route_id": "r9"}"#);
    assert_eq!(asked(&elsewhere).unwrap_err(), ("scope.route_id", "there is no route `r9`".to_owned()));
    let nobody = with(r#""kind": "stop_public""#).replace("тривога", " \\n ");
    assert_eq!(asked(&nobody).unwrap_err().0, "reason");
}

#[test]
fn a_dispatcher_sees_who_decided_what_until_when_and_why() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let m = Measure { until: Some(at(&t, "15:30:00")), ..measure(Kind::StopPublic, ALL, route("r2"), now) };
    let concern = &gate([m]).concerns(&t, now)[0];
    assert_eq!(
        concern.text_uk,
        "№ 1: місця машин і прогнози не публікуються: маршрут 2, до 06.05 15:30. зміна 1: повітряна тривога"
    );
    assert_eq!((concern.level, concern.kind.as_str()), (2, "public_restricted"));
    let english = measure(Kind::DelayPublic { minutes: 10 }, PLACES, Scope::Feed, now).concern(&t).text_en;
    assert!(english.starts_with("No. 1: positions are public after 10 min: the whole feed, until ended."), "{english}");
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Feed),
        Just(route("r2")),
        Just(route("r5")),
        (48.84f64..48.86, 37.60f64..37.66, 100.0f64..3000.0).prop_map(|(lat, lon, r)| around(lat, lon, r)),
    ]
}

fn any_measure() -> impl Strategy<Value = (Kind, Covers, Scope, i64, i64)> {
    let kind = prop_oneof![Just(Kind::StopPublic), (1u32..20).prop_map(|minutes| Kind::DelayPublic { minutes })];
    (kind, prop_oneof![Just(PLACES), Just(ALL)], any_scope(), 0i64..1800, 60i64..1800)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is decided and however vehicles move: no public place is younger than a delay that applies to its
    /// vehicle, none is of a vehicle that is stopped, and no prediction that is withheld hangs on any stop.
    #[test]
    fn nothing_that_is_withheld_is_public(
        measures in prop::collection::vec(any_measure(), 1..4),
        moves in prop::collection::vec((5i64..60, -0.004f64..0.006), 10..60),
    ) {
        let t = timetable();
        let start = at(&t, "14:00:00");
        let measures: Vec<Measure> = measures
            .into_iter()
            .map(|(kind, covers, scope, from, lasts)| {
                let from = start.plus_secs(from);
                Measure { until: Some(from.plus_secs(lasts)), ..measure(kind, covers, scope, from) }
            })
            .collect();
        let mut g = gate(measures.clone());
        let (mut now, mut lon, mut public) = (start, 37.60, Arc::new(world(&t, start)));
        for (secs, step) in moves {
            now = now.plus_secs(secs);
            lon += step;
            let whole = two(&t, now);
            let moved = whole.vehicles.iter().map(|v| Vehicle { lon: if v.id.as_str() == "17" { lon } else { v.lon }, ..(**v).clone() });
            let whole = Arc::new((*whole).clone().with_vehicles(moved.collect()));
            public = g.view(&whole, &public, now);
            for v in whole.vehicles.iter() {
                for m in measures.iter().filter(|m| m.holds(now)) {
                    let applies = match &m.scope {
                        Scope::Feed => true,
                        Scope::Route { route_id } => v.on_trip.is_some_and(|p| *t.route_of(p.on.trip).id == **route_id),
                        Scope::Zone { area } => area.contains(v.lat, v.lon),
                    };
                    if !applies {
                        continue;
                    }
                    let shown = public.vehicle(v.id.as_str());
                    match m.kind {
                        Kind::StopPublic => prop_assert!(shown.is_none()),
                        Kind::DelayPublic { minutes } => {
                            let latest = now.plus_secs(-60 * i64::from(minutes));
                            prop_assert!(shown.is_none_or(|s| s.fix_time <= latest));
                        }
                    }
                    if m.covers == ALL {
                        let told = t.stops.indices().flat_map(|s| public.live_at(s).map(|(w, _)| w.id.clone()).collect::<Vec<_>>());
                        prop_assert!(told.into_iter().all(|id| id != v.id));
                    }
                }
            }
            prop_assert!(public.unplaced.iter().all(|v| v.lat.is_nan()));
        }
    }
}
