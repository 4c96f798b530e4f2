//! `GET /v1/vehicles/{id}/explain`: why a vehicle is on the trip it is on, for dispatchers. The engine
//! is asked: what it considered is nobody else's, and is not in the world.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::oneshot;
use transit_model::ids::VehicleId;

use super::app::App;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use crate::auth::Role;
use crate::explain::Question;

/// The handler.
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let _cleared = app.clear(&headers, &[Role::Dispatcher])?;
    params.only(&[])?;
    let (answer, told) = oneshot::channel();
    let question = Question { vehicle: VehicleId::from(id.as_str()), answer };
    let gone = |()| Problem::internal("the engine does not answer".to_owned());
    let engine = app.questions.as_ref().ok_or(()).map_err(gone)?;
    engine.send(question).await.map_err(|_| gone(()))?;
    let explained = told.await.map_err(|_| gone(()))?.ok_or_else(|| Problem::unknown(Thing::Vehicle, &id))?;
    let mut response = Json(explained).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
