//! `GET /v1/feeds` and `GET /gtfs/{feed}.zip`: what this server runs on.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::app::App;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::reply::{Keep, dated, etag_of_bytes, tagged};

#[derive(Serialize)]
struct FeedList {
    feeds: [Feed; 1],
    next: Option<String>,
}

#[derive(Serialize)]
struct Feed {
    id: String,
    name: String,
    version: String,
    zone: String,
    agencies: Vec<String>,
    stops: usize,
    routes: usize,
    trips: usize,
    first_day: Option<String>,
    last_day: Option<String>,
    gtfs: Option<String>,
}

/// `GET /v1/feeds`.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    params.only(&[])?;
    let world = app.world();
    let t = &world.timetable;
    let agencies: Vec<_> = t.agencies.iter().map(|(_, a)| a.name.to_string()).collect();
    let days = t.calendar();
    let feed = Feed {
        id: t.feed.to_string(),
        name: if t.info.publisher.is_empty() { agencies.join(", ") } else { t.info.publisher.to_string() },
        version: t.info.version.to_string(),
        zone: t.zone.name().to_owned(),
        agencies,
        stops: t.stops.len(),
        routes: t.routes.len(),
        trips: t.trips.len(),
        first_day: days.map(|(first, _)| first.to_string()),
        last_day: days.map(|(_, last)| last.to_string()),
        gtfs: app.feed_zip.as_ref().map(|_| format!("/gtfs/{}.zip", t.feed)),
    };
    dated(&world, &headers, Keep::Timetable, FeedList { feeds: [feed], next: None })
}

/// `GET /gtfs/{feed}.zip`.
pub async fn zip(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let world = app.world();
    let asked = name.strip_suffix(".zip").filter(|f| *f == world.timetable.feed.as_str());
    let (Some(_), Some(bytes)) = (asked, app.feed_zip.clone()) else {
        return Err(Problem::unknown(Thing::Feed, &name));
    };
    let tag = etag_of_bytes(&bytes);
    let answer = || -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"))], bytes).into_response()
    };
    Ok(tagged(&headers, Keep::Timetable, tag, answer))
}
