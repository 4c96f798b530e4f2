//! `/v1/measures`: what a dispatcher decides of what the public sees. Each is written down, with who and why,
//! before it is carried out; and carried out before the answer is given.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use transit_model::time::UnixMs;

use super::app::App;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use crate::auth::Role;
use crate::public::measure::{Asked, Ended, Measure, reason};
use crate::store::{Store, StoreError};

#[derive(Serialize)]
struct MeasureList {
    as_of: String,
    measures: Vec<Item>,
    next: Option<String>,
}

/// A measure, and whether it holds now.
#[derive(Serialize)]
struct Item {
    #[serde(flatten)]
    measure: Measure,
    in_force: bool,
}

impl Item {
    fn of(measure: Measure, now: UnixMs) -> Self {
        Self { in_force: measure.holds(now), measure }
    }
}

fn kept(error: &StoreError) -> Problem {
    tracing::error!(%error, "a measure cannot be written down");
    Problem::no_store(&error.to_string())
}

fn store(app: &App) -> Answer<Arc<dyn Store>> {
    app.store.clone().ok_or_else(|| Problem::no_store("this server has no store"))
}

/// `GET /v1/measures?past=`: those that hold or will; with `past=true` those that are over, too.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let cleared = app.clear(&headers, &[Role::Dispatcher])?;
    let params = params.only(&["past", "limit", "after"])?;
    let past = params.read("past", "true or false", |v| v.parse::<bool>().ok())?.unwrap_or(false);
    let page = params.page(1000, 200)?;
    let now = app.clock.now();
    let mut all = app.published(&cleared).measures(now);
    if past {
        let written = store(&app)?.measures().await.map_err(|e| kept(&e))?;
        all.extend(written.into_iter().filter(|m| m.is_over(now)));
    }
    all.sort_by_key(|m| (std::cmp::Reverse(m.made), std::cmp::Reverse(m.id)));
    let (measures, next) = page.of(all);
    let measures = measures.into_iter().map(|m| Item::of(m, now)).collect();
    let as_of = now.rfc3339(&app.world().timetable.zone);
    Ok(Json(MeasureList { as_of, measures, next }).into_response())
}

/// `POST /v1/measures`.
pub async fn add(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let cleared = app.clear(&headers, &[Role::Dispatcher])?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|e| Problem::bad_body(&e.to_string()))?;
    let now = app.clock.now();
    let published = app.published(&cleared);
    let longest = published.decided(crate::public::view::Gate::longest_delay);
    let measure = asked
        .checked(&app.world().timetable, longest, (&cleared.name, cleared.role), now)
        .map_err(|e| Problem::bad_field(e.field(), format!("{e}.")))?;
    let measure = store(&app)?.add_measure(&measure).await.map_err(|e| kept(&e))?;
    published.decide(now, |gate| gate.put(measure.clone()));
    tracing::warn!(id = measure.id, by = measure.by, reason = measure.reason, "a measure is taken");
    Ok((StatusCode::CREATED, Json(Item::of(measure, now))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    reason: String,
}

/// `POST /v1/measures/{id}/end`.
pub async fn end(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer<Response> {
    let cleared = app.clear(&headers, &[Role::Dispatcher])?;
    let asked: End = serde_json::from_slice(&body).map_err(|e| Problem::bad_body(&e.to_string()))?;
    let why = reason(&asked.reason)
        .ok_or_else(|| Problem::bad_field("reason", "A reason is needed, of 1 to 200 characters.".to_owned()))?;
    let number = id.parse::<i64>().map_err(|_| Problem::unknown(Thing::Measure, &id))?;
    let now = app.clock.now();
    let ended = Ended { at: now, by: cleared.name.clone(), reason: why };
    let measure = store(&app)?.end_measure(number, &ended, cleared.role).await.map_err(|e| kept(&e))?;
    let measure = measure.ok_or_else(|| Problem::unknown(Thing::Measure, &id))?;
    app.published(&cleared).decide(now, |gate| gate.put(measure.clone()));
    tracing::warn!(id = measure.id, by = ended.by, reason = ended.reason, "a measure is ended");
    Ok(Json(Item::of(measure, now)).into_response())
}
