//! Around every request: the rate limit, the count, the headers that keep browsers safe.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use transit_model::clock::Stopwatch;

use super::app::App;
use super::metrics::{Answered, Path};
use super::problem::Problem;

/// Scripts, styles and connections from here only, and nothing inline: even a stop with a hostile
/// name cannot run anything.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

const SAFE: [(&str, &str); 4] = [
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", "geolocation=(self), camera=(), microphone=()"),
];

/// Paths that those who run the server must reach during a flood.
const UNLIMITED: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// Counts, limits, and adds the headers.
pub(super) async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let path = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let admitted =
        if UNLIMITED.contains(&path.as_str()) { Ok(()) } else { app.admit(client(&request, app.trust_proxy)) };
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // The layers within answer these in plain text.
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => response = Problem::too_large(app.limits.body).into_response(),
        StatusCode::GATEWAY_TIMEOUT => response = Problem::too_slow(app.limits.answer_within).into_response(),
        _ => {}
    }
    for (name, value) in SAFE {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let status = response.status().as_u16();
    app.metrics.answered.get_or_create(&Answered { path: path.clone(), status }).inc();
    app.metrics.took.get_or_create(&Path { path }).observe(watch.elapsed().as_secs_f64());
    response
}

/// The client's address: the peer's, or what a trusted proxy says of it.
fn client(request: &Request, trust_proxy: bool) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let forwarded = trust_proxy.then(|| forwarded_for(request.headers())).flatten();
    forwarded.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The last entry is the one our own proxy wrote; those before it are the client's word.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}
