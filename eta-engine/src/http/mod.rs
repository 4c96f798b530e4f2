//! HTTP, WebSocket and the web pages: DESIGN §6, as far as boards, the dispatcher's first views and
//! e-ticket validators need it. Handlers are thin; what they answer is a pure function of the
//! [`World`](crate::world::World), made in the files they name.
//!
//! | module | what it is |
//! |---|---|
//! | [`published`] | the world everybody reads |
//! | [`app`] | what handlers are handed; what this server will bear |
//! | [`feeds`], [`routes`], [`stops`], [`vehicles`], [`trip_context`] | JSON for programs |
//! | [`machinery`], [`streets`], [`streets_page`] | machines, zones, when streets were last passed |
//! | [`accuracy`] | how good predictions have been, and the predictions themselves |
//! | [`measures`] | what the public is not told, by whom and until when |
//! | [`channel`], [`live`], [`dispatch`] | streams: one value told to many |
//! | [`dispatch_view`], [`dispatch_machinery`] | the dispatcher's picture |
//! | [`pages`], [`html`], [`assets`] | pages for people |
//! | [`directory`] | stops as people look for them |
//! | [`openapi`] | the API, described |
//! | [`problem`], [`params`], [`reply`], [`limit`], [`metrics`], [`ops`] | errors, queries, caching, limits, counting, health |

pub mod accuracy;
pub mod app;
pub mod assets;
pub mod channel;
pub mod directory;
pub mod dispatch;
pub mod dispatch_machinery;
pub mod dispatch_view;
pub mod explain;
pub mod feeds;
pub mod html;
mod layers;
pub mod limit;
pub mod live;
pub mod machinery;
pub mod measures;
pub mod metrics;
pub mod openapi;
pub mod ops;
pub mod pages;
pub mod params;
pub mod problem;
pub mod published;
pub mod reply;
pub mod routes;
mod socket;
pub mod stops;
pub mod streets;
pub mod streets_page;
#[cfg(test)]
mod tests;
pub mod trip_context;
pub mod vehicles;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

pub use self::app::{App, Limits, Setup};
pub use self::published::Published;

use self::app::AppState;

/// Every path there is.
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/", get(pages::home)),
        ("/stop/{id}", get(pages::stop)),
        ("/board/{id}", get(pages::board)),
        ("/assets/{version}/{file}", get(assets::file)),
        ("/v1/feeds", get(feeds::list)),
        ("/accuracy", get(accuracy::page)),
        ("/v1/accuracy", get(accuracy::figures_now)),
        ("/v1/feeds/{id}/predictions", get(accuracy::predictions)),
        ("/v1/routes", get(routes::list)),
        ("/v1/routes/{id}", get(routes::one)),
        ("/v1/stops", get(stops::list)),
        ("/v1/stops/{id}", get(stops::one)),
        ("/v1/stops/{id}/board", get(stops::board)),
        ("/v1/stops/{id}/live", get(live::live)),
        ("/v1/vehicles", get(vehicles::list)),
        ("/v1/vehicles/{id}/explain", get(explain::one)),
        ("/v1/vehicles/{id}/trip-context", get(trip_context::one)),
        ("/v1/measures", get(measures::list).post(measures::add)),
        ("/v1/measures/{id}/end", post(measures::end)),
        ("/v1/machinery", get(machinery::list)),
        ("/v1/machinery/{id}", get(machinery::one)),
        ("/v1/zones", get(machinery::zones)),
        ("/v1/streets", get(streets::list)),
        ("/v1/streets/{id}", get(streets::one)),
        ("/streets", get(streets::page)),
        ("/v1/dispatch", get(dispatch::dispatch)),
        ("/gtfs/{file}", get(feeds::zip)),
        ("/metrics", get(ops::metrics)),
        ("/healthz", get(ops::healthz)),
        ("/readyz", get(ops::readyz)),
        ("/openapi.json", get(openapi::document)),
    ]
}

/// The server as a router. Must be called within a Tokio runtime: it starts the tasks that keep
/// live streams going, which end with the router.
pub fn router(setup: Setup) -> Router {
    let limits = setup.limits;
    let app: App = Arc::new(AppState::new(setup));
    tokio::spawn(live::drive(Arc::downgrade(&app)));
    tokio::spawn(dispatch::drive(Arc::downgrade(&app)));
    let routes = table().into_iter().fold(Router::new(), |r, (path, methods)| r.route(path, methods));
    routes
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::no_such_method)
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limits.answer_within))
        .layer(RequestBodyLimitLayer::new(limits.body))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(&app), layers::around))
        .with_state(app)
}

/// Serves until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub async fn serve<F>(listener: TcpListener, router: Router, shutdown: F) -> std::io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}
