//! `GET /v1/stops`, `GET /v1/stops/{id}` and `GET /v1/stops/{id}/board`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde::Serialize;
use transit_model::board::{Board, BoardState, Label};
use transit_model::ids::StopIdx;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;
use transit_model::timetable::{StopKind, Timetable};

use super::app::{App, stop_of};
use super::directory::{Directory, Found};
use super::live::board_now;
use super::params::Params;
use super::problem::Answer;
use super::reply::{Keep, dated, etag_of, tagged};
use super::routes::{RouteItem, item as route_item};

/// How far "near" reaches unless told otherwise, metres.
const RADIUS_M: f64 = 1000.0;
/// And at most.
const RADIUS_MAX_M: f64 = 50_000.0;

/// A stop, in lists.
#[derive(Serialize)]
pub struct StopItem {
    /// `stop_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What is written on the pole; empty if nothing.
    pub code: String,
    /// Its platform; empty if none.
    pub platform: String,
    /// A platform or a station.
    pub kind: StopKind,
    /// Its station's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station_id: Option<String>,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Whether a wheelchair gets on here; absent = unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wheelchair: Option<bool>,
    /// Names of the routes that call here.
    pub routes: Vec<String>,
    /// Where vehicles go from here, the most frequent first.
    pub towards: Vec<String>,
    /// From where the search was made, metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<i64>,
}

#[derive(Serialize)]
struct StopList {
    stops: Vec<StopItem>,
    next: Option<String>,
}

#[derive(Serialize)]
struct StopWhole {
    #[serde(flatten)]
    stop: StopItem,
    closed: bool,
    platforms: Vec<StopItem>,
    calls_by: Vec<RouteItem>,
}

/// A stop, as lists have it.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "metres on Earth")]
pub fn item(d: &Directory, found: Found) -> StopItem {
    let t: &Timetable = d.timetable();
    let (s, entry) = (t.stops.at(found.stop), d.entry(found.stop));
    StopItem {
        id: s.id.to_string(),
        name: s.name.to_string(),
        code: s.code.to_string(),
        platform: s.platform.to_string(),
        kind: s.kind,
        station_id: s.parent.map(|p| t.stops.at(p).id.to_string()),
        lat: s.lat,
        lon: s.lon,
        wheelchair: s.wheelchair,
        routes: entry.routes.iter().map(|r| t.routes.at(*r).short_name.to_string()).collect(),
        towards: entry.towards.iter().map(ToString::to_string).collect(),
        distance_m: found.distance.map(|m| m.round() as i64),
    }
}

pub(super) fn lat_lon(v: &str) -> Option<(f64, f64)> {
    let (lat, lon) = v.split_once(',')?;
    let (lat, lon) = (lat.trim().parse::<f64>().ok()?, lon.trim().parse::<f64>().ok()?);
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some((lat, lon))
}

/// `GET /v1/stops?near=lat,lon&radius=&q=&limit=&after=`.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["near", "radius", "q", "limit", "after"])?;
    let near = params.read("near", "latitude,longitude in degrees: 48.85,37.61", lat_lon)?;
    let allowed = "metres, 1 to 50000";
    let in_range = |v: &str| v.parse::<f64>().ok().filter(|r| (1.0..=RADIUS_MAX_M).contains(r));
    // A search by name reaches as far as the feed; nearness alone does not.
    let usual = if params.get("q").is_some() { f64::INFINITY } else { RADIUS_M };
    let radius = params.read("radius", allowed, in_range)?.unwrap_or(usual);
    let page = params.page(500, 50)?;
    let world = app.world();
    let directory = app.directory(&world);
    let (found, next) = page.of(directory.search(params.get("q"), near, radius));
    let stops = found.into_iter().map(|f| item(&directory, f)).collect();
    dated(&world, &headers, Keep::Timetable, StopList { stops, next })
}

/// `GET /v1/stops/{id}`.
pub async fn one(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    params.only(&[])?;
    let world = app.world();
    let stop = stop_of(&world, &id)?;
    let directory = app.directory(&world);
    let t = &world.timetable;
    let of = |stop: StopIdx| item(&directory, Found { stop, distance: None });
    let platforms = t.stops.iter().filter(|(_, s)| s.parent == Some(stop) && s.kind == StopKind::Platform);
    let body = StopWhole {
        stop: of(stop),
        closed: world.is_closed(stop),
        platforms: platforms.map(|(i, _)| of(i)).collect(),
        calls_by: directory.entry(stop).routes.iter().map(|r| route_item(t, *r)).collect(),
    };
    dated(&world, &headers, Keep::Live, body)
}

/// What makes a board another board for one who has it: everything but the time, and the time in
/// steps small enough that whoever is told "not modified" never lets it expire.
#[derive(Serialize)]
struct Essence<'a> {
    step: i64,
    lang: Lang,
    state: BoardState,
    notice: Timeline<'a>,
    rows: Vec<(&'a str, Option<UnixMs>, Timeline<'a>)>,
}

/// Texts, and from when each but the first: since when the one in force holds makes no difference.
type Timeline<'a> = Vec<(&'a str, Option<UnixMs>)>;

const STEP_MS: i64 = 300_000;

fn essence(board: &Board) -> Essence<'_> {
    fn timeline(labels: &[Label]) -> Timeline<'_> {
        labels.iter().enumerate().map(|(i, l)| (l.text.as_str(), (i > 0).then_some(l.from))).collect()
    }
    Essence {
        step: board.now.0.div_euclid(STEP_MS),
        lang: board.lang,
        state: board.state,
        notice: timeline(&board.notice),
        rows: board.rows.iter().map(|r| (r.key.as_str(), r.fix_time, timeline(&r.labels))).collect(),
    }
}

/// `GET /v1/stops/{id}/board?lang=`.
pub async fn board(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    let lang = params.only(&["lang"])?.lang()?;
    let world = app.world();
    let stop = stop_of(&world, &id)?;
    let board = board_now(&app, &world, stop, lang);
    let tag = etag_of(&essence(&board))?;
    Ok(tagged(&headers, Keep::Live, tag, || Json(board).into_response()))
}
