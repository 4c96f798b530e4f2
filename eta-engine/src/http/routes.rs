//! `GET /v1/routes` and `GET /v1/routes/{id}`.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use transit_model::ids::{Idx, RouteIdx};
use transit_model::timetable::{Mode, Timetable};

use super::app::App;
use super::directory::natural;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated};

/// A route, in lists.
#[derive(Serialize)]
pub struct RouteItem {
    id: String,
    name: String,
    long_name: String,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    colour: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_colour: Option<String>,
}

#[derive(Serialize)]
struct RouteList {
    routes: Vec<RouteItem>,
    next: Option<String>,
}

#[derive(Serialize)]
struct RouteWhole {
    #[serde(flatten)]
    route: RouteItem,
    agency: Option<String>,
    patterns: Vec<PatternItem>,
}

#[derive(Serialize)]
struct PatternItem {
    direction: Option<u8>,
    headsign: String,
    trips: usize,
    stops: Vec<PatternStop>,
}

#[derive(Serialize)]
struct PatternStop {
    id: String,
    name: String,
    stop_sequence: u32,
    lat: f64,
    lon: f64,
    distance_along_m: f32,
}

/// A route, as lists have it.
#[must_use]
pub fn item(t: &Timetable, route: RouteIdx) -> RouteItem {
    let r = t.routes.at(route);
    let hex = |rgb: u32| format!("#{:06x}", rgb & 0xff_ffff);
    RouteItem {
        id: r.id.to_string(),
        name: r.short_name.to_string(),
        long_name: r.long_name.to_string(),
        mode: r.mode,
        colour: r.colour.map(hex),
        text_colour: r.text_colour.map(hex),
    }
}

/// `GET /v1/routes`.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let page = params.only(&["limit", "after"])?.page(1000, 500)?;
    let world = app.world();
    let t = &world.timetable;
    let mut all: Vec<_> = t.routes.indices().collect();
    all.sort_by(|a, b| {
        let (a, b) = (t.routes.at(*a), t.routes.at(*b));
        a.mode.cmp(&b.mode).then_with(|| natural(&a.short_name, &b.short_name)).then_with(|| a.id.cmp(&b.id))
    });
    let (routes, next) = page.of(all);
    let routes = routes.into_iter().map(|r| item(t, r)).collect();
    dated(&world, &headers, Keep::Timetable, RouteList { routes, next })
}

/// `GET /v1/routes/{id}`.
pub async fn one(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    params.only(&[])?;
    let world = app.world();
    let t = &*world.timetable;
    let route = t.route_by_id(&id).ok_or_else(|| Problem::unknown(Thing::Route, &id))?;
    let mut patterns: Vec<_> = t.patterns.iter().filter(|(_, p)| p.route == route).collect();
    patterns.sort_by_key(|(i, p)| (p.direction, std::cmp::Reverse(p.trips.len()), i.at()));
    let patterns = patterns.into_iter().map(|(_, p)| PatternItem {
        direction: p.direction,
        headsign: p.trips.first().map(|trip| t.trips.at(*trip).headsign.to_string()).unwrap_or_default(),
        trips: p.trips.len(),
        stops: p
            .calls
            .iter()
            .map(|c| {
                let s = t.stops.at(c.stop);
                PatternStop {
                    id: s.id.to_string(),
                    name: s.name.to_string(),
                    stop_sequence: c.seq.0,
                    lat: s.lat,
                    lon: s.lon,
                    distance_along_m: c.along,
                }
            })
            .collect(),
    });
    let agency = t.routes.at(route).agency.map(|a| t.agencies.at(a).name.to_string());
    let body = RouteWhole { route: item(t, route), agency, patterns: patterns.collect() };
    dated(&world, &headers, Keep::Timetable, body)
}
