//! The pages' handlers: `/`, `/stop/{id}`, `/board/{id}`, and the one for what is not there.

use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use transit_model::lang::Lang;

use super::app::App;
use super::html;
use super::live::board_now;
use super::params::Page;
use super::problem::Problem;
use super::stops::item;
use crate::world::World;

/// How many stops a page of the list holds.
const LISTED: usize = 40;

/// What pages are asked with. People type addresses: what is not understood is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    lang: String,
    q: String,
    after: String,
    theme: String,
}

impl Asked {
    fn lang(&self) -> Lang {
        self.lang.parse().unwrap_or_default()
    }
}

fn names(world: &World) -> html::Names<'_> {
    html::Names(&world.timetable.info.lang)
}

fn fresh(page: String) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Html(page)).into_response()
}

fn asked(query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>) -> Asked {
    query.map(|q| q.0).unwrap_or_default()
}

/// `GET /`.
pub async fn home(
    State(app): State<App>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = asked(query);
    let world = app.world();
    let directory = app.directory(&world);
    let q = asked.q.trim();
    let page = Page { skip: asked.after.parse().unwrap_or(0), limit: LISTED };
    let (found, next) = page.of(directory.search(Some(q).filter(|q| !q.is_empty()), None, f64::INFINITY));
    let stops: Vec<_> = found.into_iter().map(|f| item(&directory, f)).collect();
    let t = &world.timetable;
    let agencies: Vec<_> = t.agencies.iter().map(|(_, a)| &*a.name).collect();
    let city = if t.info.publisher.is_empty() { agencies.join(", ") } else { t.info.publisher.to_string() };
    fresh(html::home_page(&html::Home { lang: asked.lang(), q, stops: &stops, next: next.as_deref(), city: &city }))
}

/// `GET /stop/{id}`.
pub async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let lang = asked(query).lang();
    let world = app.world();
    let Some(stop) = world.timetable.stop_by_id(&id) else { return no_stop(lang, &id) };
    let board = board_now(&app, &world, stop, lang);
    let directory = app.directory(&world);
    fresh(html::stop_page(&board, &world.timetable.zone, names(&world), &directory.entry(stop).towards))
}

/// `GET /board/{id}`.
pub async fn board(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = asked(query);
    let world = app.world();
    let Some(stop) = world.timetable.stop_by_id(&id) else { return no_stop(asked.lang(), &id) };
    let board = board_now(&app, &world, stop, asked.lang());
    fresh(html::kiosk_page(&board, &world.timetable.zone, names(&world), asked.theme == "light"))
}

fn no_stop(lang: Lang, id: &str) -> Response {
    let title = lang.pick("Такої зупинки немає", "No such stop");
    let id: String = id.chars().take(100).collect();
    let detail = match lang {
        Lang::Uk => format!("Зупинки «{id}» немає в розкладі. Можливо, її перейменували: пошукайте за назвою."),
        Lang::En => format!("There is no stop “{id}” in the timetable. It may have been renamed: look for it by name."),
    };
    (StatusCode::NOT_FOUND, Html(html::error_page(lang, title, &detail))).into_response()
}

fn is_for_programs(path: &str) -> bool {
    path == "/v1" || ["/v1/", "/gtfs/", "/gtfs-rt/", "/siri/", "/open-data/"].iter().any(|p| path.starts_with(p))
}

/// What no path fits.
pub async fn not_found(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_none_or(|a| a.contains("text/html") || a.contains("*/*"));
    if is_for_programs(uri.path()) || !accepts_html {
        return Problem::no_such_path(uri.path()).into_response();
    }
    let query = uri.query().unwrap_or_default();
    let lang = if query.split('&').any(|p| p == "lang=en") { Lang::En } else { Lang::Uk };
    let title = lang.pick("Такої сторінки немає", "No such page");
    let detail = lang.pick("Перевірте адресу або знайдіть зупинку.", "Check the address, or look for a stop.");
    (StatusCode::NOT_FOUND, Html(html::error_page(lang, title, detail))).into_response()
}

/// What a path does not take.
pub async fn no_such_method(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    Problem::no_such_method(method.as_str(), uri.path()).into_response()
}
