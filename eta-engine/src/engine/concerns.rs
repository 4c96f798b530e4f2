//! What in a world needs a dispatcher: each a pure reading of it, so that it is raised once for as
//! long as it lasts and goes by itself.

use std::sync::Arc;

use transit_model::dispatch::{Concern, Phase};
use transit_model::warfare::Warfare;

use super::health::TroubleKind;
use crate::matching::trust::Contradiction;
use crate::world::{TripDay, Vehicle, World};

/// A vehicle on a trip that says nothing for so long is silent, seconds.
const SILENT: i64 = 180;
/// After this long it is simply gone, seconds.
const GONE: i64 = 1800;

/// Every concern of a world, the most urgent first.
#[must_use]
pub fn of(world: &World) -> Vec<Concern> {
    let mut found: Vec<Concern> = world.vehicles.iter().filter_map(|v| silent(world, v)).collect();
    found.extend(world.vehicles.iter().filter_map(|v| off_route(world, v)));
    found.extend(two_on_one_trip(world));
    found.extend(world.vehicles.iter().filter_map(|v| troubled(world, v)));
    found.sort_by(|a, b| (a.level, &a.key).cmp(&(b.level, &b.key)));
    found
}

fn on_route(world: &World, v: &Vehicle) -> Option<(String, String)> {
    let on = v.on_trip?.on;
    let route = world.timetable.route_of(on.trip);
    Some((route.id.to_string(), route.short_name.to_string()))
}

fn silent(world: &World, v: &Vehicle) -> Option<Concern> {
    let age = world.now.secs_since(v.fix_time);
    if !matches!(v.phase, Phase::InProgress | Phase::OffRoute) || !(SILENT..GONE).contains(&age) {
        return None;
    }
    let (route_id, route) = on_route(world, v)?;
    let since = world.timetable.zone.hhmm(v.fix_time);
    if let Some(held) = v.held {
        let until = world.timetable.zone.hhmm(held.until);
        let (uk, en) = match held.by {
            Warfare::Jamming => ("глушать", "jammed"),
            Warfare::Spoofing => ("підміняють сигнал", "spoofed"),
        };
        return Some(Concern {
            key: format!("held:{}", v.id),
            level: 3,
            kind: "held".to_owned(),
            text_uk: format!("{} на маршруті {route}: {uk}, з {since} ведемо за розрахунком, до {until}", v.id),
            text_en: format!("{} on route {route} is {en}: held by calculation since {since}, until {until}", v.id),
            vehicle_id: Some(v.id.to_string()),
            route_id: Some(route_id),
            since: v.fix_time,
        });
    }
    Some(Concern {
        key: format!("silent:{}", v.id),
        level: 2,
        kind: "silent".to_owned(),
        text_uk: format!("{} на маршруті {route} мовчить з {since}", v.id),
        text_en: format!("{} on route {route} silent since {since}", v.id),
        vehicle_id: Some(v.id.to_string()),
        route_id: Some(route_id),
        since: v.fix_time,
    })
}

fn off_route(world: &World, v: &Vehicle) -> Option<Concern> {
    if v.phase != Phase::OffRoute || world.now.secs_since(v.fix_time) >= GONE {
        return None;
    }
    let (route_id, route) = on_route(world, v)?;
    Some(Concern {
        key: format!("off_route:{}", v.id),
        level: 1,
        kind: "off_route".to_owned(),
        text_uk: format!("{} зійшов з маршруту {route}", v.id),
        text_en: format!("{} has left route {route}", v.id),
        vehicle_id: Some(v.id.to_string()),
        route_id: Some(route_id),
        since: v.fix_time,
    })
}

/// What is wrong with what a vehicle sends, in words.
fn troubled(world: &World, v: &Vehicle) -> Option<Concern> {
    let trouble = v.trouble.as_ref()?;
    let t = &world.timetable;
    let since = t.zone.hhmm(trouble.since);
    let other = trouble.other.as_ref().map_or("?", |o| o.as_str());
    let minutes = trouble.seconds.unwrap_or_default() / 60;
    let trip = trouble.named.map(|d| t.trips.at(d.on.trip).id.to_string()).unwrap_or_default();
    let (level, uk, en) = match trouble.kind {
        TroubleKind::Elsewhere => {
            (2, "передає місце далеко поза містом".to_owned(), "sends positions far outside the city".to_owned())
        }
        TroubleKind::Frozen => (
            2,
            format!("повторює те саме місце з {since}, хоча їде: приймач завис"),
            format!("repeats one place since {since} while it moves: the receiver is frozen"),
        ),
        TroubleKind::TwoPlaces => (
            1,
            "по черзі у двох місцях: один код у двох трекерів".to_owned(),
            "is in two places by turns: one identity, two trackers".to_owned(),
        ),
        TroubleKind::ClockOff => (
            2,
            format!("годинник трекера відстає на {minutes} хв"),
            format!("the tracker's clock is {minutes} min slow"),
        ),
        TroubleKind::Stands => {
            (3, "стоїть на місці понад добу".to_owned(), "has not left its place for a day".to_owned())
        }
        TroubleKind::Moved => (
            2,
            format!("озвався {since} далеко від місця стоянки: трекер переставили?"),
            format!("woke at {since} far from where it was parked: was the tracker moved to another vehicle?"),
        ),
        TroubleKind::Together => (
            2,
            format!("їде разом з {other}: два трекери в одній машині"),
            format!("goes together with {other}: two trackers in one vehicle"),
        ),
        TroubleKind::TripContradicted => {
            let (uk, en) = match trouble.named?.why {
                Contradiction::WrongWay => ("їде назустріч", "drives the other way"),
                Contradiction::Elsewhere => ("їде іншими вулицями", "is on other streets"),
                Contradiction::Over => ("рейс уже скінчено", "that trip is over"),
                Contradiction::AnotherTime => ("рейс не цієї години", "that trip runs hours from now"),
            };
            (2, format!("називає рейс {trip}, але {uk}"), format!("names trip {trip}, but {en}"))
        }
    };
    Some(Concern {
        key: format!("{}:{}", trouble.kind.name(), v.id),
        level,
        kind: trouble.kind.name().to_owned(),
        text_uk: format!("{} {uk}", v.id),
        text_en: format!("{} {en}", v.id),
        vehicle_id: Some(v.id.to_string()),
        route_id: on_route(world, v).map(|(id, _)| id),
        since: trouble.since,
    })
}

fn two_on_one_trip(world: &World) -> Vec<Concern> {
    let live = |v: &&Arc<Vehicle>| v.phase == Phase::InProgress && world.now.secs_since(v.fix_time) < SILENT;
    let mut on: Vec<(TripDay, &Vehicle)> =
        world.vehicles.iter().filter(live).filter_map(|v| Some((v.on_trip?.on, &**v))).collect();
    // Stable: the vehicles of a trip stay in the order of their names.
    on.sort_by_key(|(trip, _)| *trip);
    let mut found = Vec::new();
    for both in on.chunk_by(|a, b| a.0 == b.0) {
        let [(trip, first), .., (_, last)] = both else { continue };
        let Some((route_id, route)) = on_route(world, first) else { continue };
        let id = &world.timetable.trips.at(trip.trip).id;
        found.push(Concern {
            key: format!("two_on_one_trip:{}:{id}", trip.date),
            level: 2,
            kind: "two_on_one_trip".to_owned(),
            text_uk: format!("{} і {} на одному рейсі маршруту {route}", first.id, last.id),
            text_en: format!("{} and {} are on one trip of route {route}", first.id, last.id),
            vehicle_id: Some(first.id.to_string()),
            route_id: Some(route_id),
            since: first.fix_time.min(last.fix_time),
        });
    }
    found
}
