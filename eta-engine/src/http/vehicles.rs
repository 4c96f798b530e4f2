//! `GET /v1/vehicles`: where the vehicles that carry passengers are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use transit_model::dispatch::{Phase, VehicleKind, VehicleTrip};
use transit_model::time::UnixMs;

use super::app::App;
use super::dispatch_view::vehicle_trip;
use super::params::Params;
use super::problem::Answer;
use super::reply::{Keep, dated};
use crate::public::view::Restriction;

#[derive(Serialize)]
struct VehicleList {
    vehicles: Vec<VehicleItem>,
    next: Option<String>,
    /// What of this is delayed or left out, and until when.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    restrictions: Arc<[Restriction]>,
}

#[derive(Serialize)]
struct VehicleItem {
    id: String,
    phase: Phase,
    lat: f64,
    lon: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bearing: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
    fix_time: UnixMs,
    seen_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trip: Option<VehicleTrip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<i32>,
}

/// The handler.
pub async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Answer {
    let page = params.only(&["limit", "after"])?.page(5000, 1000)?;
    let world = app.world();
    let t = &world.timetable;
    let all: Vec<_> = world.vehicles.iter().filter(|v| v.kind == VehicleKind::Transit).collect();
    let (vehicles, next) = page.of(all);
    let vehicles = vehicles
        .into_iter()
        .map(|v| VehicleItem {
            id: v.id.to_string(),
            phase: v.phase,
            lat: v.lat,
            lon: v.lon,
            bearing: v.bearing,
            speed: v.speed,
            fix_time: v.fix_time,
            seen_at: v.fix_time.rfc3339(&t.zone),
            trip: v.on_trip.as_ref().map(|p| vehicle_trip(t, p.on)),
            delay: v.on_trip.as_ref().and_then(|p| p.delay),
        })
        .collect();
    dated(&world, &headers, Keep::Live, VehicleList { vehicles, next, restrictions: Arc::clone(&world.restrictions) })
}
