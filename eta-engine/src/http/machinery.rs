//! `GET /v1/machinery`, `/v1/machinery/{id}` and `/v1/zones`: where municipal machines are, and the zones
//! they are in. Zones that are not public are told to holders of a dispatcher's token only.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use transit_model::dispatch::MachineKind;
use transit_model::time::{UnixMs, Zone as TimeZone};

use super::app::App;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated};
use crate::auth::Role;
use crate::machinery::view::{Doing, Machine, View, Visit};
use crate::machinery::zones::{Raise, Zone, ZoneKind};
use crate::world::World;

#[derive(Serialize)]
struct MachineList {
    machinery: Vec<MachineItem>,
    next: Option<String>,
}

#[derive(Serialize)]
struct MachineItem {
    id: String,
    kind: MachineKind,
    lat: f64,
    lon: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bearing: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
    fix_time: UnixMs,
    seen_at: String,
    state: Doing,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    working: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    street: Option<Named>,
    zones: Vec<Inside>,
}

#[derive(Serialize)]
struct Named {
    id: String,
    name: String,
}

#[derive(Serialize)]
struct Inside {
    id: String,
    name: String,
    kind: ZoneKind,
    since: String,
}

#[derive(Serialize)]
struct MachineWhole {
    #[serde(flatten)]
    machine: MachineItem,
    visits: Vec<VisitItem>,
}

#[derive(Serialize)]
struct VisitItem {
    zone: String,
    name: String,
    entered: String,
    left: Option<String>,
}

#[derive(Serialize)]
struct ZoneList {
    zones: Vec<ZoneItem>,
    next: Option<String>,
}

#[derive(Serialize)]
struct ZoneItem {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_en: Option<String>,
    kind: ZoneKind,
    raise: Raise,
    public: bool,
    inside: Vec<String>,
    /// Of the last 24 hours.
    visits: usize,
}

/// Who asks, as far as zones go.
#[derive(Clone, Copy)]
struct Reader {
    dispatcher: bool,
}

impl Reader {
    fn of(app: &App, headers: &HeaderMap) -> Self {
        Self { dispatcher: app.clear(headers, &[Role::Dispatcher]).is_ok() }
    }

    fn sees(self, zone: &Zone) -> bool {
        zone.public || self.dispatcher
    }
}

fn item(view: &View, m: &Machine, reader: Reader, now: UnixMs, zone: &TimeZone) -> MachineItem {
    let (state, since) = m.doing(now);
    let street = m.street.and_then(|n| view.streets.all().get(n as usize));
    let stays = m.stays.iter().filter_map(|s| Some((s, view.zones.all().get(s.zone as usize)?)));
    MachineItem {
        id: m.id.to_string(),
        kind: m.kind,
        lat: m.lat,
        lon: m.lon,
        bearing: m.bearing,
        speed: m.speed,
        fix_time: m.fix_time,
        seen_at: m.fix_time.rfc3339(zone),
        state,
        since: since.rfc3339(zone),
        working: m.working,
        street: street.map(|s| Named { id: s.id.clone(), name: s.name.clone() }),
        zones: stays
            .filter(|(_, z)| reader.sees(z))
            .map(|(s, z)| Inside { id: z.id.clone(), name: z.name.clone(), kind: z.kind, since: s.since.rfc3339(zone) })
            .collect(),
    }
}

fn one_of<'a>(world: &'a World, id: &str) -> Answer<&'a Machine> {
    let all = &world.machinery.machines;
    all.iter().find(|m| m.id.as_str() == id).ok_or_else(|| Problem::unknown(Thing::Vehicle, id))
}

/// `GET /v1/machinery?kind=`.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["kind", "limit", "after"])?;
    let kinds = MachineKind::ALL.map(MachineKind::name).join(", ");
    let kind = params.read("kind", &kinds, MachineKind::named)?;
    let page = params.page(5000, 1000)?;
    let reader = Reader::of(&app, &headers);
    let (world, now) = (app.with_machines(&headers)?, app.clock.now());
    let view = &world.machinery;
    let all: Vec<_> = view.machines.iter().filter(|m| kind.is_none_or(|k| k == m.kind)).collect();
    let (machines, next) = page.of(all);
    let zone = &world.timetable.zone;
    let machinery = machines.into_iter().map(|m| item(view, m, reader, now, zone)).collect();
    dated(&world, &headers, Keep::Live, MachineList { machinery, next })
}

/// `GET /v1/machinery/{id}`.
pub async fn one(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    params.only(&[])?;
    let reader = Reader::of(&app, &headers);
    let (world, now) = (app.with_machines(&headers)?, app.clock.now());
    let (view, zone) = (&world.machinery, &world.timetable.zone);
    let machine = one_of(&world, &id)?;
    let visit = |v: &Visit| {
        let (_, z) = view.zones.by_id(&v.zone).filter(|(_, z)| reader.sees(z))?;
        Some(VisitItem {
            zone: v.zone.clone(),
            name: z.name.clone(),
            entered: v.entered.rfc3339(zone),
            left: v.left.map(|t| t.rfc3339(zone)),
        })
    };
    let visits = view.visits.iter().filter(|v| v.vehicle == machine.id).rev().filter_map(visit).collect();
    let body = MachineWhole { machine: item(view, machine, reader, now, zone), visits };
    dated(&world, &headers, Keep::Live, body)
}

/// `GET /v1/zones`.
pub async fn zones(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let page = params.only(&["limit", "after"])?.page(5000, 500)?;
    let reader = Reader::of(&app, &headers);
    let world = app.with_machines(&headers)?;
    let view = &world.machinery;
    let all: Vec<_> = (0u32..).zip(view.zones.all()).filter(|(_, z)| reader.sees(z)).collect();
    let (zones, next) = page.of(all);
    let inside = |n: u32| view.machines.iter().filter(move |m| m.stays.iter().any(|s| s.zone == n));
    let item = |(n, z): (u32, &Zone)| ZoneItem {
        id: z.id.clone(),
        name: z.name.clone(),
        name_en: z.name_en.clone(),
        kind: z.kind,
        raise: z.raise,
        public: z.public,
        inside: inside(n).map(|m| m.id.to_string()).collect(),
        visits: view.visits.iter().filter(|v| v.zone == z.id).count(),
    };
    let zones = zones.into_iter().map(item).collect();
    dated(&world, &headers, Keep::Live, ZoneList { zones, next })
}
