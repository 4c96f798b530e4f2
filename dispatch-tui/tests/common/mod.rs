//! A city to test with: made up, plausible, the same for the same moment.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::expect_used, reason = "made up for tests")]

use std::collections::BTreeMap;

use transit_model::dispatch::{
    Concern, DeviceState, DeviceView, Devices, DispatchState, LadderRail, LadderStop, MachineKind, MachineRow,
    MachineryState, Phase, Place, ReasonView, RouteView, StopAhead, StreetRow, VehicleKind, VehicleTrip, VehicleView,
};
use transit_model::time::{UnixMs, Zone};
use transit_model::timetable::Mode;

/// 22 November 2026, 14:05 in Kyiv.
pub(crate) const NOW: UnixMs = UnixMs(1_795_349_100_000);

const STOPS: [&str; 14] = [
    "Залізничний вокзал",
    "Привокзальний ринок",
    "Школа № 12",
    "Вулиця Торська",
    "Центральний ринок",
    "Площа Соборна",
    "Міськрада",
    "Парк Шовковичний",
    "Поліклініка № 1",
    "Керамічний завод",
    "Вулиця Свободи",
    "Мікрорайон Лісний",
    "Міська лікарня № 2",
    "Славкурорт",
];

/// A route: id, name, mode, long name, how many of the stops, scheduled, and its vehicles.
type Plan = (&'static str, &'static str, Mode, &'static str, usize, u32, &'static [Car]);
/// A vehicle: number, direction, stops from the first at `NOW`, delay, age of its fix.
type Car = (&'static str, u8, f64, i64, i64);

const CITY: [Plan; 8] = [
    (
        "t2",
        "2",
        Mode::Trolleybus,
        "Залізничний вокзал – Міська лікарня № 2",
        13,
        6,
        &[
            ("1024", 0, 2.4, 250, 8),
            ("1031", 0, 6.9, 20, 14),
            ("1032", 0, 7.1, -95, 3),
            ("1040", 1, 1.5, 430, 11),
            ("1045", 1, 8.0, 30, 70),
            ("1050", 1, 11.2, 130, 400),
        ],
    ),
    (
        "t3a",
        "3А",
        Mode::Trolleybus,
        "Площа Соборна – Славкурорт",
        9,
        3,
        &[("1101", 0, 3.2, 610, 9), ("1102", 1, 2.2, 15, 20)],
    ),
    ("b1", "1", Mode::Bus, "Вокзал – Лісний", 12, 2, &[("2001", 0, 5.5, 60, 5), ("2002", 1, 4.4, -20, 17)]),
    ("b5", "5", Mode::Bus, "Вокзал – Черевківка", 8, 2, &[("2051", 0, 1.1, 0, 12), ("2052", 1, 6.3, 45, 31)]),
    ("b9", "9", Mode::Bus, "Центр – Лиман", 14, 3, &[]),
    ("b10", "10", Mode::Bus, "Центр – Билбасівка", 10, 1, &[("2101", 0, 7.7, 100, 22)]),
    (
        "b15",
        "15",
        Mode::Bus,
        "Лісний – Слов’янськ-курорт",
        11,
        2,
        &[("2151", 0, 4.0, 305, 6), ("2152", 1, 9.1, 30, 44)],
    ),
    ("b109", "109", Mode::Bus, "Нічний", 6, 0, &[]),
];

/// The city at a moment.
pub(crate) fn city(now: UnixMs) -> DispatchState {
    let gone = now.secs_since(NOW);
    let mut vehicles: Vec<VehicleView> =
        CITY.iter().flat_map(|plan| plan.6.iter().map(|car| vehicle(plan, car, now, gone))).collect();
    vehicles.push(parked("1099", now));
    vehicles.push(VehicleView { kind: VehicleKind::Plough, phase: Phase::Unknown, ..parked("П-07", now) });
    if let Some(lost) = vehicles.iter_mut().find(|v| v.id == "2152") {
        lost.phase = Phase::OffRoute;
    }
    if let Some(waiting) = vehicles.iter_mut().find(|v| v.id == "2002") {
        waiting.phase = Phase::Layover;
        waiting.place = None;
    }
    vehicles.sort_by(|a, b| a.id.cmp(&b.id));
    let routes = CITY.iter().map(|plan| route(plan, &vehicles, now)).collect();
    let zone = Zone::named("Europe/Kyiv").expect("a zone");
    DispatchState {
        as_of: now.rfc3339(&zone),
        now,
        clock_speed: 1.0,
        feed: "sloviansk".to_owned(),
        name: "КП «Слов’янське ТрУ»".to_owned(),
        zone: zone.name().to_owned(),
        routes,
        ladders: CITY.iter().map(|plan| (plan.0.to_owned(), rails(plan))).collect::<BTreeMap<_, _>>(),
        vehicles,
        concerns: concerns(now),
        devices: devices(now),
        machinery: machinery(now),
    }
}

/// Two machines at work, one silent; streets of which one was never passed.
fn machinery(now: UnixMs) -> MachineryState {
    let machine = |id: &str, kind, state: &str, ago: i64, street: Option<&str>, zones: &[&str]| MachineRow {
        id: id.to_owned(),
        kind,
        state: state.to_owned(),
        since: now.plus_secs(-ago),
        working: None,
        street: street.map(str::to_owned),
        zones: zones.iter().map(|z| (*z).to_owned()).collect(),
    };
    let street = |id: &str, name: &str, length_m, percent, ago: Option<i64>, last_kind| StreetRow {
        id: id.to_owned(),
        name: name.to_owned(),
        length_m,
        percent,
        last_passed: ago.map(|s| now.plus_secs(-s)),
        last_kind,
    };
    let (plough, sweeper) = (Some(MachineKind::Plough), Some(MachineKind::Sweeper));
    MachineryState {
        shift: now.plus_secs(-36_300),
        machines: vec![
            machine("П-07", MachineKind::Plough, "moving", 840, Some("вул. Центральна"), &["Центр"]),
            machine("П-08", MachineKind::Plough, "standing", 95, None, &["База спецтехніки"]),
            MachineRow {
                working: Some(false),
                ..machine("Т-21", MachineKind::Tanker, "moving", 300, Some("вул. Торська"), &[])
            },
            machine("С-11", MachineKind::Sweeper, "silent", 5400, Some("вул. Вокзальна"), &["Снігозвалище", "Лиман"]),
        ],
        streets_in_all: 31,
        percent: 42,
        streets: vec![
            street("a1", "пров. Тихий", 410, 0, None, None),
            street("a2", "вул. Генерала Батюка", 2310, 0, Some(3 * 86_400), sweeper),
            street("a3", "вул. Свободи (міст через Казенний Торець)", 870, 38, Some(7200), plough),
            street("a4", "вул. Центральна", 1240, 100, Some(600), plough),
        ],
    }
}

/// The city at night: nothing runs, nothing is wrong.
pub(crate) fn night(now: UnixMs) -> DispatchState {
    let mut state = city(now);
    state.vehicles.clear();
    state.concerns.clear();
    state.machinery = MachineryState::default();
    for r in &mut state.routes {
        *r = RouteView { scheduled: 0, running: 0, early: 0, on_time: 0, late: 0, last_seen: None, ..r.clone() };
    }
    state
}

fn stop(at: usize) -> LadderStop {
    let name = STOPS.get(at % STOPS.len()).copied().unwrap_or_default();
    LadderStop { id: format!("s{at}"), name: name.to_owned() }
}

fn rails(plan: &Plan) -> Vec<LadderRail> {
    let there: Vec<LadderStop> = (0..plan.4).map(stop).collect();
    let back: Vec<LadderStop> = there.iter().rev().cloned().collect();
    let end = |stops: &[LadderStop]| stops.last().map(|s| s.name.clone()).unwrap_or_default();
    vec![
        LadderRail { direction: Some(0), headsign: end(&there), stops: there },
        LadderRail { direction: Some(1), headsign: end(&back), stops: back },
    ]
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a few stops")]
fn place(rail: &LadderRail, at: f64) -> Place {
    let last = rail.stops.len() - 1;
    let at = at.clamp(0.0, last as f64);
    let next = (at.floor() as usize + 1).min(last);
    let next_stop = rail.stops.get(next).map(|s| s.id.clone()).unwrap_or_default();
    Place { next_stop, next_sequence: next as u32 + 1, fraction: in_thousandths(at - (next as f64 - 1.0)) }
}

/// As a wire would carry it.
fn in_thousandths(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

fn parked(id: &str, now: UnixMs) -> VehicleView {
    VehicleView {
        id: id.to_owned(),
        kind: VehicleKind::Transit,
        phase: Phase::AtBase,
        confidence: 0.9,
        lat: 48.8661,
        lon: 37.6257,
        bearing: None,
        speed: Some(0.0),
        fix_time: now.plus_secs(-28),
        trip: None,
        place: None,
        scheduled_place: None,
        delay: None,
        held: None,
        stops_ahead: Vec::new(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few stops and hours")]
fn vehicle(plan: &Plan, car: &Car, now: UnixMs, gone: i64) -> VehicleView {
    let (id, direction, start, delay, age) = *car;
    let rails = rails(plan);
    let rail = rails.get(usize::from(direction)).expect("two rails");
    // Two minutes a stop, there and there again.
    let length = rail.stops.len() as f64 - 1.0;
    let silent_since = if age > 180 { 0 } else { gone };
    let at = (start + silent_since as f64 / 120.0) % length;
    let here = place(rail, at);
    let first = usize::try_from(here.next_sequence).unwrap_or(1) - 1;
    let ahead = rail.stops.iter().enumerate().skip(first).map(|(n, s)| {
        let arrival = now.plus_secs(((n as f64 - at) * 120.0) as i64);
        let doubt = 10 + 8 * (n - first) as i64;
        StopAhead {
            stop_id: s.id.clone(),
            name: s.name.clone(),
            stop_sequence: u32::try_from(n + 1).unwrap_or(0),
            scheduled: arrival.plus_secs(-delay),
            arrival,
            arrival_p10: arrival.plus_secs(-doubt),
            arrival_p90: arrival.plus_secs(doubt * 2),
            departure: arrival.plus_secs(15),
        }
    });
    VehicleView {
        phase: Phase::InProgress,
        confidence: 0.97,
        bearing: Some(140.0),
        speed: Some(8.6),
        fix_time: if age > 180 { NOW.plus_secs(-age) } else { now.plus_secs(-age) },
        trip: Some(VehicleTrip {
            trip_id: format!("{}-{direction}-{id}", plan.0),
            service_date: "20261122".parse().expect("a date"),
            route_id: plan.0.to_owned(),
            route: plan.1.to_owned(),
            direction: Some(direction),
            headsign: rail.headsign.clone(),
            block_id: Some("7".to_owned()),
        }),
        scheduled_place: Some(place(rail, at + delay as f64 / 120.0)),
        place: Some(here),
        delay: Some(delay),
        held: None,
        stops_ahead: ahead.collect(),
        ..parked(id, now)
    }
}

fn route(plan: &Plan, vehicles: &[VehicleView], now: UnixMs) -> RouteView {
    let on = || vehicles.iter().filter(|v| v.trip.as_ref().is_some_and(|t| t.route_id == plan.0));
    let seen = || on().filter(|v| now.secs_since(v.fix_time) <= 180);
    let count =
        |which: fn(i64) -> bool| u32::try_from(seen().filter(|v| v.delay.is_some_and(which)).count()).unwrap_or(0);
    RouteView {
        id: plan.0.to_owned(),
        name: plan.1.to_owned(),
        long_name: plan.3.to_owned(),
        mode: plan.2,
        scheduled: plan.5,
        running: count(|_| true),
        early: count(|d| d < -60),
        on_time: count(|d| (-60..=300).contains(&d)),
        late: count(|d| d > 300),
        last_seen: on().map(|v| v.fix_time).max(),
    }
}

fn devices(now: UnixMs) -> Devices {
    let one = |vehicle: &str, device: &str, protocol: &str, ago: i64, state: DeviceState| DeviceView {
        id: format!("{vehicle} {device}"),
        device: device.to_owned(),
        vehicle_id: Some(vehicle.to_owned()),
        label: None,
        protocol: Some(protocol.to_owned()),
        heard: Some(now.plus_secs(-ago)),
        state,
        ..DeviceView::default()
    };
    let refused = |reason: &str, n: u64, d: DeviceView| DeviceView {
        last_reason: Some(reason.to_owned()),
        refused: BTreeMap::from([(reason.to_owned(), n)]),
        open: vec![reason.to_owned()],
        ..d
    };
    let mut list = vec![
        one("1024", "…2251", "teltonika", 40, DeviceState::Heard),
        DeviceView { clock_offset_s: -3600, ..one("1031", "…7781", "egts", 40, DeviceState::Heard) },
        refused("clock_off", 12, one("1032", "…7782", "egts", 40, DeviceState::ClockOff)),
        refused("not_as_usual", 3, one("1040", "…0404", "teltonika", 700, DeviceState::Refused)),
        one("1045", "…0405", "wialon", 40, DeviceState::Changed),
        one("1050", "…0406", "galileosky", 400, DeviceState::Silent),
        refused("trackers_disagree", 88, one("2001", "…1111", "teltonika", 40, DeviceState::Disagrees)),
        DeviceView { heard: None, protocol: None, ..one("2002", "…", "", 0, DeviceState::Gone) },
        DeviceView {
            id: "? 3fa2b1c0".to_owned(),
            vehicle_id: None,
            label: Some("46.211.3.9".to_owned()),
            ..one("", "…9012", "h02", 5400, DeviceState::Quarantine)
        },
    ];
    list.sort_by(|a, b| a.id.cmp(&b.id));
    let reason = |name: &str, uk: &str, en: &str, hour| ReasonView {
        reason: name.to_owned(),
        text_uk: uk.to_owned(),
        text_en: en.to_owned(),
        hour,
        open: 1,
    };
    Devices {
        list,
        reasons: vec![
            reason(
                "trackers_disagree",
                "два трекери однієї машини кажуть різне",
                "two trackers of one vehicle disagree",
                88,
            ),
            reason("clock_off", "годинник трекера збитий", "tracker clock is wrong", 12),
            reason("not_as_usual", "трекер не такий, як завжди", "a tracker not as it always was", 3),
        ],
    }
}

fn concerns(now: UnixMs) -> Vec<Concern> {
    let concern =
        |level, kind: &str, vehicle: Option<&str>, route: Option<&str>, ago: i64, uk: &str, en: &str| Concern {
            key: format!("{kind}:{}", vehicle.or(route).unwrap_or_default()),
            level,
            kind: kind.to_owned(),
            text_uk: uk.to_owned(),
            text_en: en.to_owned(),
            vehicle_id: vehicle.map(str::to_owned),
            route_id: route.map(str::to_owned),
            since: now.plus_secs(-ago),
        };
    vec![
        concern(1, "off_route", Some("2152"), Some("b15"), 95, "2152 зійшов з маршруту 15", "2152 has left route 15"),
        concern(
            2,
            "silent",
            Some("1050"),
            Some("t2"),
            400,
            "1050 на маршруті 2 мовчить з 13:58",
            "1050 on route 2 silent since 13:58",
        ),
        concern(
            2,
            "two_on_one_trip",
            Some("1031"),
            Some("t2"),
            240,
            "1031 і 1032 на одному рейсі маршруту 2",
            "1031 and 1032 are on one trip of route 2",
        ),
        concern(
            3,
            "unknown_device",
            None,
            None,
            5400,
            "Невідомий трекер надсилає дані",
            "An unknown tracker is sending",
        ),
    ]
}
