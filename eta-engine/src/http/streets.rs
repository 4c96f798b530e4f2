//! When streets were last passed: `GET /v1/streets` and `/v1/streets/{id}` for programs, `/streets` for
//! people. It names kinds of machines and never a machine.

use std::cmp::Ordering;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use transit_model::dispatch::MachineKind;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

use super::app::App;
use super::directory::natural;
use super::params::{Page, Params};
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated};
use super::stops::lat_lon;
use super::streets_page::{self, Row};
use super::trip_context::moment;
use crate::machinery::streets::{Street, Ways};
use crate::machinery::view::View;
use crate::names::fold;
use crate::world::World;

/// How far "near" reaches, metres.
const NEAR_M: f32 = 500.0;
/// How many streets a page lists.
const LISTED: usize = 30;

#[derive(Serialize)]
struct StreetList {
    /// Since when shares count.
    since: String,
    streets: Vec<StreetItem>,
    next: Option<String>,
}

#[derive(Serialize)]
struct StreetItem {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_en: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    district: Option<String>,
    length_m: f32,
    lat: f64,
    lon: f64,
    /// The part of it passed since then, 0..=1.
    share: f32,
    last_passed: Option<String>,
    last_kind: Option<MachineKind>,
    /// All of it has been passed since then.
    whole_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f32>,
}

#[derive(Serialize)]
struct StreetWhole {
    since: String,
    #[serde(flatten)]
    street: StreetItem,
    kinds: Vec<ByKind>,
    /// The part passed along its lines…
    share_along: f32,
    /// …and against them; absent for a one-way street.
    share_back: Option<f32>,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct ByKind {
    kind: MachineKind,
    last_passed: String,
    share: f32,
}

#[derive(Serialize)]
struct Line {
    oneway: bool,
    length_m: f32,
    /// Latitude and longitude in degrees.
    points: Vec<(f64, f64)>,
}

/// A street that was found.
#[derive(Clone, Copy)]
struct Found<'a> {
    at: u32,
    street: &'a Street,
    distance: Option<f32>,
}

/// Streets by name, by nearness, or all by name.
fn search<'a>(view: &'a View, q: Option<&str>, near: Option<(f64, f64)>) -> Vec<Found<'a>> {
    let words = q.map(fold);
    let around = near.map(|(lat, lon)| view.streets.near(view.streets.plane().xy(lat, lon), NEAR_M));
    let mut found: Vec<(u8, Found<'_>)> = Vec::new();
    for (at, street) in (0u32..).zip(view.streets.all()) {
        let distance = around.as_ref().map(|a| a.get(&at).copied());
        let rank = match &words {
            None => Some(0),
            Some(words) => street.names.iter().filter_map(|n| n.rank(words)).min(),
        };
        match (rank, distance) {
            (None, _) | (_, Some(None)) => {}
            (Some(rank), distance) => found.push((rank, Found { at, street, distance: distance.flatten() })),
        }
    }
    let order = |a: &Found<'_>, b: &Found<'_>| match (a.distance, b.distance) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => Ordering::Equal,
    };
    found.sort_by(|(ra, a), (rb, b)| {
        ra.cmp(rb).then_with(|| order(a, b)).then_with(|| natural(&a.street.name, &b.street.name)).then(a.at.cmp(&b.at))
    });
    found.into_iter().map(|(_, f)| f).collect()
}

fn metres(v: f32) -> f32 {
    v.round()
}

/// Shares to the thousandth: what is beyond is noise, and would make every answer another one.
fn share(v: f32) -> f32 {
    (v * 1000.0).round() / 1000.0
}

fn item(world: &World, f: Found<'_>, since: UnixMs) -> StreetItem {
    let view = &world.machinery;
    let zone = &world.timetable.zone;
    let now = view.now.get(f.at as usize);
    let part = if since == view.shift { now.map(|n| n.share) } else { None };
    let part = part.or_else(|| view.street(f.at).map(|s| s.share_since(since, None))).unwrap_or(0.0);
    let served = now.map(|n| &n.served);
    let told = |t: Option<UnixMs>| t.map(|t| t.rfc3339(zone));
    StreetItem {
        id: f.street.id.clone(),
        name: f.street.name.clone(),
        name_en: f.street.name_en.clone(),
        district: f.street.district.clone(),
        length_m: metres(f.street.length),
        lat: f.street.middle.0,
        lon: f.street.middle.1,
        share: share(part),
        last_passed: told(served.and_then(|s| s.last)),
        last_kind: served.and_then(|s| s.by),
        whole_since: told(served.and_then(|s| s.whole_since)),
        distance_m: f.distance.map(metres),
    }
}

fn since(params: &Params, view: &View, now: UnixMs) -> Answer<UnixMs> {
    let allowed = "a moment that is past, RFC 3339 with offset or unix seconds";
    let asked = params.read("since", allowed, |v| moment(v).filter(|t| *t <= now))?;
    Ok(asked.unwrap_or(view.shift))
}

/// `GET /v1/streets?q=&near=lat,lon&since=`.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["q", "near", "since", "limit", "after"])?;
    let near = params.read("near", "latitude,longitude in degrees: 48.85,37.61", lat_lon)?;
    let page = params.page(1000, 100)?;
    let world = app.with_machines(&headers)?;
    let since = since(&params, &world.machinery, app.clock.now())?;
    let (found, next) = page.of(search(&world.machinery, params.get("q"), near));
    let streets = found.into_iter().map(|f| item(&world, f, since)).collect();
    dated(&world, &headers, Keep::Live, StreetList { since: since.rfc3339(&world.timetable.zone), streets, next })
}

/// `GET /v1/streets/{id}?since=`.
pub async fn one(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["since"])?;
    let world = app.with_machines(&headers)?;
    let view = &world.machinery;
    let since = since(&params, view, app.clock.now())?;
    let (at, street) = view.streets.by_id(&id).ok_or_else(|| Problem::unknown(Thing::Street, &id))?;
    let of = view.street(at).ok_or_else(|| Problem::unknown(Thing::Street, &id))?;
    let zone = &world.timetable.zone;
    let served = view.now.get(at as usize).map(|n| n.served.clone()).unwrap_or_default();
    let kind = |(kind, last): &(MachineKind, UnixMs)| ByKind {
        kind: *kind,
        last_passed: last.rfc3339(zone),
        share: share(of.share_since(since, Some(*kind))),
    };
    let pieces = || street.pieces.iter().filter_map(|p| view.streets.pieces().get(*p as usize));
    let plane = view.streets.plane();
    let body = StreetWhole {
        since: since.rfc3339(zone),
        street: item(&world, Found { at, street, distance: None }, since),
        kinds: served.kinds.iter().map(kind).collect(),
        share_along: share(of.share_of_way(since, false)),
        share_back: pieces().any(|p| p.ways != Ways::Forward).then(|| share(of.share_of_way(since, true))),
        lines: pieces()
            .map(|p| Line {
                oneway: p.ways == Ways::Forward,
                length_m: metres(p.line.length()),
                points: p.line.points().iter().map(|xy| plane.lat_lon(*xy)).collect(),
            })
            .collect(),
    };
    dated(&world, &headers, Keep::Live, body)
}

/// What the page is asked with. People type addresses: what is not understood is passed over.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    lang: String,
    q: String,
    near: String,
    after: String,
}

/// `GET /streets`.
pub async fn page(
    State(app): State<App>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = query.map(|q| q.0).unwrap_or_default();
    let lang: Lang = asked.lang.parse().unwrap_or_default();
    let page = page_of(&app.world(), app.clock.now(), lang, &asked);
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Html(page)).into_response()
}

fn page_of(world: &World, now: UnixMs, lang: Lang, asked: &Asked) -> String {
    let view = &world.machinery;
    let q = Some(asked.q.trim()).filter(|q| !q.is_empty());
    let near = lat_lon(&asked.near);
    let page = Page { skip: asked.after.parse().unwrap_or(0), limit: LISTED };
    let all = if view.withheld { Vec::new() } else { search(view, q, near) };
    let (found, next) = page.of(all);
    let nothing = crate::machinery::view::StreetNow::default();
    let rows: Vec<Row<'_>> = found
        .iter()
        .map(|f| Row {
            street: f.street,
            now: view.now.get(f.at as usize).map_or(&nothing, |n| n),
            distance: f.distance,
        })
        .collect();
    streets_page::page(&streets_page::Shown {
        lang,
        q: q.unwrap_or(""),
        near: near.map(|_| asked.near.trim()),
        rows: &rows,
        next: next.as_deref(),
        any: !view.streets.all().is_empty(),
        withheld: view.withheld,
        zone: &world.timetable.zone,
        shift: view.shift,
        now,
    })
}
