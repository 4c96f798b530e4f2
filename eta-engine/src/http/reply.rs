//! Answers that can be cached: `as_of` in every body, an `ETag` over what is said and not over when
//! it was said, `304` for whoever has it.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::{Answer, Problem};
use crate::world::World;

/// How long others may keep an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// It comes from the timetable: five minutes.
    Timetable,
    /// It comes from vehicles: ask each time whether it still holds.
    Live,
}

impl Keep {
    const fn cache_control(self) -> HeaderValue {
        match self {
            Self::Timetable => HeaderValue::from_static("public, max-age=300"),
            Self::Live => HeaderValue::from_static("no-cache"),
        }
    }
}

#[derive(Serialize)]
struct Dated<T> {
    as_of: String,
    #[serde(flatten)]
    body: T,
}

/// A body with the `as_of` of its world.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn dated<T: Serialize>(world: &World, request: &HeaderMap, keep: Keep, body: T) -> Answer {
    let tag = etag_of(&body)?;
    let as_of = world.now.rfc3339(&world.timetable.zone);
    Ok(tagged(request, keep, tag, || Json(Dated { as_of, body }).into_response()))
}

/// The weak entity tag of a body.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn etag_of(body: &impl Serialize) -> Answer<HeaderValue> {
    let bytes =
        serde_json::to_vec(body).map_err(|e| Problem::internal(format!("the answer cannot be written: {e}")))?;
    Ok(etag_of_bytes(&bytes))
}

/// The weak entity tag of bytes.
#[must_use]
pub fn etag_of_bytes(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().take(12).map(|b| format!("{b:02x}")).collect();
    HeaderValue::try_from(format!("W/\"{hex}\"")).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// The answer, or `304 Not Modified` for a client that has it.
pub fn tagged(request: &HeaderMap, keep: Keep, tag: HeaderValue, answer: impl FnOnce() -> Response) -> Response {
    let has_it = request.get_all(header::IF_NONE_MATCH).iter().any(|v| {
        let v = v.to_str().unwrap_or_default();
        v.split(',').any(|t| t.trim() == "*" || t.trim().as_bytes() == tag.as_bytes())
    });
    let mut response = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, keep.cache_control());
    response
}
