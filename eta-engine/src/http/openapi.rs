//! The API, described: `/openapi.json`. A test checks that it names exactly the paths there are.

use axum::Json;
use serde_json::{Value, json};

/// A query parameter: name, what it is, an example.
type Param = (&'static str, &'static str, &'static str);

#[derive(Clone, Copy)]
struct Described {
    path: &'static str,
    summary: &'static str,
    params: &'static [Param],
    answer: &'static str,
    kind: &'static str,
    role: Option<&'static str>,
    method: &'static str,
    /// An example of the body.
    body: Option<&'static str>,
}

const LANG: Param = ("lang", "uk (default) or en", "uk");
const LIMIT: Param = ("limit", "how many at most", "50");
const AFTER: Param = ("after", "`next` of the page before", "50");
const JSON: &str = "application/json";
const HTML: &str = "text/html";

const fn get(path: &'static str, summary: &'static str, params: &'static [Param], answer: &'static str) -> Described {
    Described { path, summary, params, answer, kind: JSON, role: None, method: "get", body: None }
}

const fn page(path: &'static str, summary: &'static str, params: &'static [Param]) -> Described {
    Described { path, summary, params, answer: "A page.", kind: HTML, role: None, method: "get", body: None }
}

const fn dispatchers(d: Described) -> Described {
    Described { role: Some("dispatcher"), ..d }
}

const fn post(path: &'static str, summary: &'static str, body: &'static str, answer: &'static str) -> Described {
    Described { method: "post", body: Some(body), ..get(path, summary, &[], answer) }
}

const ALL: &[Described] = &[
    page(
        "/",
        "Search a stop, stops nearby, list of stops",
        &[LANG, ("q", "words of a name, or the code on the pole", "вокзал"), AFTER],
    ),
    page("/stop/{id}", "A stop's board, for phones", &[LANG]),
    page(
        "/board/{id}",
        "A stop's board, for a kiosk",
        &[LANG, ("theme", "light, for e-paper and sunny places", "light")],
    ),
    Described {
        kind: "*/*",
        ..get("/assets/{version}/{file}", "What the pages need", &[], "A style sheet, script or icon.")
    },
    get(
        "/v1/feeds",
        "The feeds of this server",
        &[],
        "{as_of, feeds: [{id, name, version, zone, agencies, stops, routes, trips, first_day, last_day, gtfs}], next}",
    ),
    page(
        "/accuracy",
        "How accurate predictions have been",
        &[LANG, ("day", "a service day; the last one unless told", "20261122")],
    ),
    get(
        "/v1/accuracy",
        "How accurate predictions of a service day were, judged by the engine's own stop events, beside the timetable shifted by the delay",
        &[
            ("route", "of this route", "r2"),
            ("stop", "of this stop; no route or hour beside it", "B"),
            ("hour", "of arrivals in this hour, 0 to 23", "8"),
            ("day", "a service day; the last one unless told", "20261122"),
        ],
        "{as_of, day, days, judged_by, note, route, stop, hour, predictions, no_truth, ours: {mae_0-3, …}, sched: {…}, ratio_to_sched, interval_cover, interval_width_s, count_up_pct, wobble_s, coverage, routes, hours, stops}",
    ),
    get(
        "/v1/feeds/{id}/predictions",
        "Every prediction of a feed now, by vehicle",
        &[("horizon", "seconds ahead, 60 to 7200; 1800 unless told", "1800"), LIMIT, AFTER],
        "{as_of, now, predictions: [{id, phase, fix_time, trip, trips: [{trip_id, service_date, calls: [{stop_sequence, stop_id, arrival, arrival_p10, arrival_p90, departure}]}]}], next}",
    ),
    get(
        "/v1/routes",
        "Routes, by mode and number",
        &[LIMIT, AFTER],
        "{as_of, routes: [{id, name, long_name, mode, colour, text_colour}], next}",
    ),
    get(
        "/v1/routes/{id}",
        "A route with the stops of its patterns",
        &[],
        "{as_of, id, name, …, agency, patterns: [{direction, headsign, trips, stops: [{id, name, stop_sequence, lat, lon, distance_along_m}]}]}",
    ),
    get(
        "/v1/stops",
        "Stops by name, code or nearness",
        &[
            ("q", "words of a name in Ukrainian or Latin letters, or the code on the pole", "вокзал"),
            ("near", "latitude,longitude in degrees", "48.85,37.61"),
            ("radius", "metres, 1 to 50000; 1000 unless told", "500"),
            LIMIT,
            AFTER,
        ],
        "{as_of, stops: [{id, name, code, platform, kind, station_id, lat, lon, wheelchair, routes, towards, distance_m}], next}",
    ),
    get(
        "/v1/stops/{id}",
        "A stop with its platforms and routes",
        &[],
        "{as_of, id, name, …, closed, platforms, calls_by}",
    ),
    get(
        "/v1/stops/{id}/board",
        "The board now: rows with their label timeline, good until `expires_at`",
        &[LANG],
        "A Board.",
    ),
    get(
        "/v1/stops/{id}/live",
        "WebSocket: a snapshot of the board, then changes; a heartbeat every 15 s",
        &[LANG, ("after", "`seq` of the last message taken, to resume", "1795354825004")],
        "101; then text messages {type: snapshot|change|heartbeat, seq, …}.",
    ),
    get(
        "/v1/vehicles",
        "Vehicles that carry passengers, by id",
        &[LIMIT, AFTER],
        "{as_of, vehicles: [{id, phase, lat, lon, bearing, speed, fix_time, seen_at, trip, delay}], next}",
    ),
    Described {
        role: Some("dispatcher"),
        ..get(
            "/v1/vehicles/{id}/explain",
            "Why a vehicle is on the trip it is on: what was considered, part by part, and why not the others",
            &[],
            "{vehicle_id, fix_time, fix_at, phase, confidence, says, trouble, verdict, candidates: [{trip_id, route, starts, along_m, off_m, state, total, parts, chosen, why_not}], changes: [{at, from, to, why, cheaper_by}]}",
        )
    },
    get(
        "/v1/vehicles/{id}/trip-context",
        "For e-ticket validators: the trip a vehicle is on, or was on at a moment of the last 24 hours",
        &[("at", "RFC 3339 with offset, or unix seconds", "2026-11-22T15:40:25+02:00")],
        "{as_of, vehicle_id, at, known, reason, trip, stop_now, stop_previous, stop_next, phase, confidence, fix_time, fix_age_s}",
    ),
    dispatchers(get(
        "/v1/measures",
        "What the public is not told now or will not be, by whom, why and until when",
        &[("past", "true: those that are over, too", "true"), LIMIT, AFTER],
        "{as_of, measures: [{id, kind, minutes, covers, scope, from, until, reason, by, role, made, ended, in_force}], next}",
    )),
    dispatchers(post(
        "/v1/measures",
        "Delay or stop what the public sees of vehicles, for the feed, a route or a zone",
        r#"{"kind": "stop_public", "covers": "positions", "scope": {"type": "zone", "area": {"type": "Circle", "lat": 48.85, "lon": 37.61, "radius_m": 2000}}, "until": 1795360000000, "reason": "air raid"}"#,
        "201; the measure, which is in force.",
    )),
    dispatchers(post(
        "/v1/measures/{id}/end",
        "End a measure before its time",
        r#"{"reason": "all clear"}"#,
        "The measure, ended.",
    )),
    get(
        "/v1/machinery",
        "Municipal machines: where they are, what they do, which zones they are in",
        &[("kind", "plough, sweeper, tanker, tipper or other", "plough"), LIMIT, AFTER],
        "{as_of, machinery: [{id, kind, lat, lon, bearing, speed, fix_time, seen_at, state, since, working, street: {id, name}, zones: [{id, name, kind, since}]}], next}; zones that are not public only with a dispatcher's token",
    ),
    get(
        "/v1/machinery/{id}",
        "A machine with its stays in zones of the last 24 hours",
        &[],
        "{as_of, id, kind, …, visits: [{zone, name, entered, left}]}",
    ),
    get(
        "/v1/zones",
        "Zones and the machines in them; those that are not public only with a dispatcher's token",
        &[LIMIT, AFTER],
        "{as_of, zones: [{id, name, name_en, kind, raise, public, inside, visits}], next}",
    ),
    get(
        "/v1/streets",
        "When streets were last passed by municipal machines, and how much of each since a moment",
        &[
            ("q", "words of a name in Ukrainian or Latin letters", "центральна"),
            ("near", "latitude,longitude in degrees; within 500 m", "48.85,37.61"),
            (
                "since",
                "RFC 3339 with offset, or unix seconds; since the shift began unless told",
                "2026-11-22T04:00:00+02:00",
            ),
            LIMIT,
            AFTER,
        ],
        "{as_of, since, streets: [{id, name, name_en, district, length_m, lat, lon, share, last_passed, last_kind, whole_since, distance_m}], next}",
    ),
    get(
        "/v1/streets/{id}",
        "A street: by which kinds of machine it was passed, which ways, and its lines",
        &[(
            "since",
            "RFC 3339 with offset, or unix seconds; since the shift began unless told",
            "2026-11-22T04:00:00+02:00",
        )],
        "{as_of, since, id, name, …, kinds: [{kind, last_passed, share}], share_along, share_back, lines: [{oneway, length_m, points}]}",
    ),
    page(
        "/streets",
        "When was my street last served? For people",
        &[
            LANG,
            ("q", "words of a name", "центральна"),
            ("near", "latitude,longitude in degrees", "48.85,37.61"),
            AFTER,
        ],
    ),
    Described {
        role: Some("dispatcher"),
        ..get(
            "/v1/dispatch",
            "WebSocket: the dispatcher's picture, at most one message a second",
            &[("after", "`seq` of the last message taken, to resume", "1795354825004")],
            "101; then text messages {type: snapshot|change|heartbeat, seq, …}.",
        )
    },
    Described {
        kind: "application/zip",
        ..get("/gtfs/{file}", "The static feed in use: /gtfs/{feed}.zip", &[], "A GTFS feed.")
    },
    Described {
        kind: "application/openmetrics-text",
        ..get("/metrics", "Counters, for Prometheus", &[], "OpenMetrics text.")
    },
    get("/healthz", "The process answers", &[], "{as_of, status, world_version, vehicles}"),
    get("/readyz", "The engine may be believed; 503 while it starts", &[], "{as_of, status, world_version, vehicles}"),
    get("/openapi.json", "This document", &[], "OpenAPI 3.1."),
];

fn path_params(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|s| s.strip_prefix('{').and_then(|s| s.strip_suffix('}')))
}

fn operation(d: &Described) -> Value {
    let in_path = path_params(d.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = d.params.iter().map(|(name, what, example)| {
        json!({"name": name, "in": "query", "description": what, "schema": {"type": "string"}, "example": example})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let problem = json!({"description": "What is wrong and where.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    let mut operation = json!({
        "summary": d.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": d.answer, "content": {d.kind: {}}},
            "default": problem,
        },
    });
    if let (Some(body), Some(o)) =
        (d.body.and_then(|b| serde_json::from_str::<Value>(b).ok()), operation.as_object_mut())
    {
        o.insert("requestBody".to_owned(), json!({"required": true, "content": {JSON: {"example": body}}}));
    }
    if let (Some(role), Some(o)) = (d.role, operation.as_object_mut()) {
        o.insert("security".to_owned(), json!([{"bearer": [role]}]));
    }
    operation
}

/// The document.
#[must_use]
pub fn description() -> Value {
    let mut paths = serde_json::Map::new();
    for d in ALL {
        let at = paths.entry(d.path).or_insert_with(|| json!({}));
        if let Some(methods) = at.as_object_mut() {
            methods.insert(d.method.to_owned(), operation(d));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Zupynka",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Real-time public transport. Reads need no key and are rate-limited; times are RFC 3339 for people and unix milliseconds where a device counts down.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": {
                    "type": "object",
                    "description": "RFC 9457.",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "parameter": {"type": "string"},
                        "value": {"type": "string"},
                        "allowed": {"type": "string"},
                        "retry_after": {"type": "integer"},
                    },
                },
            },
        },
    })
}

/// `GET /openapi.json`.
pub async fn document() -> Json<Value> {
    Json(description())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_described_and_every_description_has_a_path() {
        let described: std::collections::BTreeSet<_> = ALL.iter().map(|d| d.path).collect();
        let there: std::collections::BTreeSet<_> = crate::http::table().into_iter().map(|(p, _)| p).collect();
        assert_eq!(described, there);
        let each: std::collections::BTreeSet<_> = ALL.iter().map(|d| (d.path, d.method)).collect();
        assert_eq!(ALL.len(), each.len(), "each once");
        assert!(ALL.iter().filter_map(|d| d.body).all(|b| serde_json::from_str::<Value>(b).is_ok()));
    }
}
