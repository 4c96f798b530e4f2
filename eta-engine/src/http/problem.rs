//! Errors as RFC 9457 `application/problem+json`: what is wrong, where, and what would be right.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is not the one asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem(Box<Body>);

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Body {
    /// A name of the kind of problem, for programs: `/problems/unknown-stop`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The same for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time, with the values.
    detail: String,
    /// The query or path parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// What would be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
    /// Seconds until it is worth asking again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// What a handler gives.
pub type Answer<T = Response> = Result<T, Problem>;

/// At most so much of a value from outside is repeated in an error.
const ECHOED: usize = 100;

fn echo(value: &str) -> String {
    let mut out: String = value.chars().filter(|c| !c.is_control()).take(ECHOED).collect();
    if value.chars().count() > ECHOED {
        out.push('…');
    }
    out
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        let status = status.as_u16();
        Self(Box::new(Body {
            kind,
            title,
            status,
            detail,
            parameter: None,
            value: None,
            allowed: None,
            retry_after: None,
        }))
    }

    fn at(mut self, parameter: &str, value: &str) -> Self {
        self.0.parameter = Some(parameter.to_owned());
        self.0.value = Some(echo(value));
        self
    }

    /// A stop, route, vehicle or feed that is not there.
    #[must_use]
    pub fn unknown(what: Thing, id: &str) -> Self {
        let (kind, title) = what.problem();
        let detail = format!("There is no {} `{}`.", what.name(), echo(id));
        Self::new(StatusCode::NOT_FOUND, kind, title, detail).at("id", id)
    }

    /// A query parameter with a value that is not allowed.
    #[must_use]
    pub fn bad_value(parameter: &str, value: &str, allowed: &str) -> Self {
        let detail = format!("Parameter `{parameter}` is `{}`; allowed: {allowed}.", echo(value));
        let mut p = Self::new(StatusCode::BAD_REQUEST, "/problems/bad-parameter", "Bad parameter", detail);
        p.0.allowed = Some(allowed.to_owned());
        p.at(parameter, value)
    }

    /// A query parameter nobody knows.
    #[must_use]
    pub fn unknown_parameter(parameter: &str, known: &[&str]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("There is no parameter `{}` here; known: {known}.", echo(parameter));
        let mut p = Self::new(StatusCode::BAD_REQUEST, "/problems/unknown-parameter", "Unknown parameter", detail);
        p.0.parameter = Some(echo(parameter));
        p.0.allowed = Some(known);
        p
    }

    /// No such path.
    #[must_use]
    pub fn no_such_path(path: &str) -> Self {
        let detail = format!("There is nothing at `{}`; /openapi.json lists what there is.", echo(path));
        Self::new(StatusCode::NOT_FOUND, "/problems/no-such-path", "No such path", detail)
    }

    /// The path exists, the method does not.
    #[must_use]
    pub fn no_such_method(method: &str, path: &str) -> Self {
        let detail = format!("`{}` does not take {}.", echo(path), echo(method));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "/problems/no-such-method", "Method not allowed", detail)
    }

    /// No token, or one that is not good.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "Send `Authorization: Bearer TOKEN` with a token that is neither expired nor revoked.".to_owned();
        Self::new(StatusCode::UNAUTHORIZED, "/problems/unauthorized", "A token is needed", detail)
    }

    /// A good token of a role that may not do this.
    #[must_use]
    pub fn forbidden(role: &str, needed: &str) -> Self {
        let detail = format!("A token of role {role} may not do this; {needed} may.");
        Self::new(StatusCode::FORBIDDEN, "/problems/forbidden", "Not with this token", detail)
    }

    /// Somebody has decided that the public is not told this now.
    #[must_use]
    pub fn withheld() -> Self {
        let detail =
            "Live data is restricted by a measure; a validator's or dispatcher's token is answered.".to_owned();
        Self::new(StatusCode::FORBIDDEN, "/problems/withheld", "Restricted for now", detail)
    }

    /// A field of a body that cannot be as it is.
    #[must_use]
    pub fn bad_field(field: &str, detail: String) -> Self {
        let mut p = Self::new(StatusCode::BAD_REQUEST, "/problems/bad-field", "Bad field", detail);
        p.0.parameter = Some(field.to_owned());
        p
    }

    /// A body that is not the JSON that is wanted.
    #[must_use]
    pub fn bad_body(why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "/problems/bad-body",
            "Bad body",
            format!("The body cannot be read: {}.", echo(why)),
        )
    }

    /// What is asked needs a database, and there is none that answers.
    #[must_use]
    pub fn no_store(why: &str) -> Self {
        let detail = format!("Nothing was changed, for it could not be written down: {}.", echo(why));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "/problems/no-store", "Cannot be kept", detail)
    }

    /// Asked too often.
    #[must_use]
    pub fn too_many(retry_after: u64) -> Self {
        let detail = format!("Too many requests from this address; ask again in {retry_after} s.");
        let mut p = Self::new(StatusCode::TOO_MANY_REQUESTS, "/problems/too-many", "Too many requests", detail);
        p.0.retry_after = Some(retry_after);
        p
    }

    /// As many live connections as this server takes.
    #[must_use]
    pub fn full(limit: usize) -> Self {
        let detail = format!("All {limit} live connections are taken; ask the board endpoint instead.");
        let mut p = Self::new(StatusCode::SERVICE_UNAVAILABLE, "/problems/full", "No room", detail);
        p.0.retry_after = Some(30);
        p
    }

    /// Not a WebSocket handshake where one is needed.
    #[must_use]
    pub fn not_a_websocket(detail: String) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, "/problems/not-a-websocket", "A WebSocket is needed", detail)
    }

    /// A body larger than this server takes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("A body may have {limit} bytes at most.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "Body too large", detail)
    }

    /// No answer in time.
    #[must_use]
    pub fn too_slow(within: std::time::Duration) -> Self {
        let detail = format!("There was no answer within {} s.", within.as_secs());
        Self::new(StatusCode::GATEWAY_TIMEOUT, "/problems/too-slow", "No answer in time", detail)
    }

    /// Our own fault.
    #[must_use]
    pub fn internal(detail: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "/problems/internal", "A fault of the server", detail)
    }
}

/// A thing that has an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    /// A stop.
    Stop,
    /// A route.
    Route,
    /// A vehicle.
    Vehicle,
    /// A feed's static file.
    Feed,
    /// A measure.
    Measure,
    /// A street.
    Street,
}

impl Thing {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Route => "route",
            Self::Vehicle => "vehicle",
            Self::Feed => "feed",
            Self::Measure => "measure",
            Self::Street => "street",
        }
    }

    const fn problem(self) -> (&'static str, &'static str) {
        match self {
            Self::Stop => ("/problems/unknown-stop", "Unknown stop"),
            Self::Route => ("/problems/unknown-route", "Unknown route"),
            Self::Vehicle => ("/problems/unknown-vehicle", "Unknown vehicle"),
            Self::Feed => ("/problems/unknown-feed", "Unknown feed"),
            Self::Measure => ("/problems/unknown-measure", "Unknown measure"),
            Self::Street => ("/problems/unknown-street", "Unknown street"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.0.retry_after.map(HeaderValue::from);
        let mut response = (status, Json(&*self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry) = retry {
            headers.insert(header::RETRY_AFTER, retry);
        }
        response
    }
}
