//! How good predictions have been: `GET /v1/accuracy` for programs, `/accuracy` for people, and
//! `GET /v1/feeds/{id}/predictions`, by which anybody can judge for themselves.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use transit_model::dispatch::{Phase, VehicleKind, VehicleTrip};
use transit_model::lang::Lang;
use transit_model::time::{ServiceDate, UnixMs};

use super::app::App;
use super::dispatch_view::vehicle_trip;
use super::html;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated};
use crate::accuracy::bins::HORIZON;
use crate::accuracy::book::Book;
use crate::accuracy::figures::{self, By, Line};
use crate::accuracy::report::{self, JudgedBy, View};
use crate::accuracy::tally::{Part, Tally};
use crate::public::view::Restriction;
use crate::world::{CallPrediction, Vehicle, World};

/// Parts that fewer pairs speak of are not listed.
const LEAST: u64 = 30;
/// How many stops are listed, the worst first.
const STOPS: usize = 50;
/// How many routes and stops the page lists.
const LISTED: usize = 15;
const NOTE: &str = "Judged by the engine's own stop events, not by an independent truth.";

/// The day that is asked for: the last one judged unless another is named; nothing before the first.
fn day_of(book: &Book, asked: Option<&str>) -> Option<Option<(ServiceDate, Arc<Tally>)>> {
    match asked {
        None => Some(book.latest().map(|(date, tally)| (date, Arc::clone(tally)))),
        Some(text) => {
            let date: ServiceDate = text.parse().ok()?;
            book.day(date).map(|tally| Some((date, Arc::clone(tally))))
        }
    }
}

fn days(book: &Book) -> Vec<String> {
    book.days().filter(|(_, t)| !t.all().is_empty()).map(|(d, _)| d.to_string()).collect()
}

/// `GET /v1/accuracy`.
pub async fn figures_now(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["route", "stop", "hour", "day"])?;
    let world = app.world();
    let (t, book) = (&world.timetable, &world.accuracy);
    let days = days(book);
    let allowed = format!("a day that was judged: {}", days.join(", "));
    let day = params.read("day", &allowed, |v| day_of(book, Some(v)))?;
    let day = day.unwrap_or_else(|| day_of(book, None).flatten());
    let hour = params.read("hour", "an hour, 0 to 23", |v| v.parse::<u8>().ok().filter(|h| *h < 24))?;
    let (route, stop) = (params.get("route"), params.get("stop"));
    if let Some(route) = route.filter(|r| t.route_by_id(r).is_none()) {
        return Err(Problem::unknown(Thing::Route, route));
    }
    if let Some(stop) = stop {
        t.stop_by_id(stop).ok_or_else(|| Problem::unknown(Thing::Stop, stop))?;
        if route.is_some() || hour.is_some() {
            return Err(Problem::bad_value(
                "stop",
                stop,
                "a stop by itself: pairs are not kept by stop and route or hour",
            ));
        }
    }
    let part = Part { route, stop, hour };
    let cell = day.as_ref().and_then(|(_, tally)| tally.part(part)).unwrap_or_default();
    let mut body = Map::new();
    body.insert("day".to_owned(), json!(day.as_ref().map(|(date, _)| date.to_string())));
    body.insert("days".to_owned(), json!(days));
    body.insert("judged_by".to_owned(), json!("own_stop_events"));
    body.insert("note".to_owned(), json!(NOTE));
    body.extend(
        [("route", json!(route)), ("stop", json!(stop)), ("hour", json!(hour))].map(|(k, v)| (k.to_owned(), v)),
    );
    body.extend(figures::json(&cell));
    if let Some((_, tally)) = day.filter(|_| part == Part::default()) {
        let list = |by, most| -> Value { figures::lines(&tally, by, LEAST, most).iter().map(Line::json).collect() };
        body.insert("routes".to_owned(), list(By::Route, usize::MAX));
        body.insert("hours".to_owned(), list(By::Hour, 24));
        body.insert("stops".to_owned(), list(By::Stop, STOPS));
    }
    dated(&world, &headers, Keep::Live, body)
}

/// What the page is asked with. People type addresses: what is not understood is passed over.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    lang: String,
    day: String,
}

/// `GET /accuracy`.
pub async fn page(
    State(app): State<App>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = query.map(|q| q.0).unwrap_or_default();
    let lang: Lang = asked.lang.parse().unwrap_or_default();
    let page = page_of(&app.world(), lang, &asked.day);
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Html(page)).into_response()
}

fn day_name(date: ServiceDate) -> String {
    date.date().strftime("%d.%m.%Y").to_string()
}

/// The page of a day, or of the last one.
pub(super) fn page_of(world: &World, lang: Lang, day: &str) -> String {
    let (t, book) = (&*world.timetable, &world.accuracy);
    let day = day_of(book, Some(day)).or_else(|| day_of(book, None)).flatten();
    let (shown, tally) = day.map_or_else(|| (None, Arc::default()), |(date, tally)| (Some(date), tally));
    let agencies: Vec<_> = t.agencies.iter().map(|(_, a)| &*a.name).collect();
    let city = if t.info.publisher.is_empty() { agencies.join(", ") } else { t.info.publisher.to_string() };
    let name = shown.map(day_name).unwrap_or_default();
    let view = View { tally: &tally, timetable: t, city: &city, days: &name, by: JudgedBy::OwnEvents, listed: LISTED };
    let links: String = book
        .days()
        .filter(|(_, t)| !t.all().is_empty())
        .map(|(date, _)| {
            let current = if Some(date) == shown { " aria-current=\"page\"" } else { "" };
            format!("<li><a href=\"/accuracy?lang={lang}&amp;day={date}\"{current}>{}</a></li>", day_name(date))
        })
        .collect();
    let days = if links.is_empty() { links } else { format!("<ul class=\"days\">{links}</ul>\n") };
    html::accuracy_page(lang, &report::body(&view, lang), &days)
}

#[derive(Serialize)]
struct PredictionList {
    /// Unix ms: when they were made.
    now: UnixMs,
    predictions: Vec<OfVehicle>,
    next: Option<String>,
    /// What of this is left out, and until when.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    restrictions: Arc<[Restriction]>,
}

/// What a vehicle promises.
#[derive(Serialize)]
struct OfVehicle {
    /// The vehicle.
    id: String,
    phase: Phase,
    fix_time: UnixMs,
    /// It is jammed or spoofed: nobody sees it, what follows is calculated from its last fix.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trip: Option<VehicleTrip>,
    /// Of the trip it is on and the next of its block.
    trips: Vec<OfTrip>,
}

#[derive(Serialize)]
struct OfTrip {
    trip_id: String,
    service_date: ServiceDate,
    calls: Vec<Call>,
}

/// Unix ms; arrivals are absent at a first stop.
#[derive(Serialize)]
struct Call {
    stop_sequence: u32,
    stop_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_p10: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_p90: Option<UnixMs>,
    departure: UnixMs,
}

/// `GET /v1/feeds/{id}/predictions`.
pub async fn predictions(State(app): State<App>, Path(id): Path<String>, params: Params, headers: HeaderMap) -> Answer {
    let params = params.only(&["horizon", "limit", "after"])?;
    let seconds = |v: &str| v.parse::<i64>().ok().filter(|s| (60..=7200).contains(s));
    let horizon = params.read("horizon", "seconds, 60 to 7200", seconds)?.unwrap_or(HORIZON);
    let page = params.page(5000, 1000)?;
    let world = app.world();
    if world.timetable.feed.as_str() != id {
        return Err(Problem::unknown(Thing::Feed, &id));
    }
    let all: Vec<_> = world.vehicles.iter().filter(|v| v.kind == VehicleKind::Transit).collect();
    let (vehicles, next) = page.of(all);
    let until = world.now.plus_secs(horizon);
    let restrictions = Arc::clone(&world.restrictions);
    let predictions = vehicles.into_iter().map(|v| of_vehicle(&world, v, until)).collect();
    dated(&world, &headers, Keep::Live, PredictionList { now: world.now, predictions, next, restrictions })
}

fn of_vehicle(world: &World, v: &Vehicle, until: UnixMs) -> OfVehicle {
    let t = &world.timetable;
    // A stop the vehicle stands at is not ahead of it.
    let ahead = v.ahead.iter().filter(|c| c.published_arrival > world.now && c.published_arrival <= until);
    let calls: Vec<&CallPrediction> = ahead.collect();
    let trips = calls.chunk_by(|a, b| a.on == b.on).filter_map(|calls| {
        let on = calls.first()?.on;
        let call = |c: &&CallPrediction| {
            let arrives = c.pos.0 > 0;
            Call {
                stop_sequence: t.pattern_of(c.on.trip).call(c.pos).map_or(0, |x| x.seq.0),
                stop_id: t.stops.at(c.stop).id.to_string(),
                arrival: arrives.then_some(c.published_arrival),
                arrival_p10: arrives.then_some(c.arrival_p10),
                arrival_p90: arrives.then_some(c.arrival_p90),
                departure: c.published_departure,
            }
        };
        let trip_id = t.trips.at(on.trip).id.to_string();
        Some(OfTrip { trip_id, service_date: on.date, calls: calls.iter().map(call).collect() })
    });
    OfVehicle {
        id: v.id.to_string(),
        phase: v.phase,
        fix_time: v.fix_time,
        estimated: v.held.is_some(),
        trip: v.on_trip.as_ref().map(|o| vehicle_trip(t, o.on)),
        trips: trips.collect(),
    }
}
