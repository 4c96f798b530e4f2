//! For those who run it: `/metrics`, `/healthz`, `/readyz`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use serde::Serialize;

use super::app::App;
use super::problem::{Answer, Problem};

#[derive(Serialize)]
struct Health {
    as_of: String,
    status: &'static str,
    world_version: u64,
    vehicles: usize,
}

/// `GET /metrics`, in OpenMetrics text.
pub async fn metrics(State(app): State<App>) -> Answer {
    let mut text = String::new();
    encode(&mut text, &app.registry).map_err(|e| Problem::internal(format!("metrics cannot be written: {e}")))?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn health(app: &App, status: &'static str) -> Json<Health> {
    let world = app.world();
    let as_of = world.now.rfc3339(&world.timetable.zone);
    Json(Health { as_of, status, world_version: world.version, vehicles: world.vehicles.len() })
}

/// `GET /healthz`: the process answers.
pub async fn healthz(State(app): State<App>) -> Response {
    health(&app, "alive").into_response()
}

/// `GET /readyz`: the feed is loaded and what the journal held is taken in.
pub async fn readyz(State(app): State<App>) -> Response {
    if app.world().ready {
        health(&app, "ready").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, health(&app, "starting")).into_response()
    }
}
