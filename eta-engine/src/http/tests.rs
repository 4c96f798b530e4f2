//! The server as clients see it: requests through the whole router, streams over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use futures_util::StreamExt;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite};
use tower::ServiceExt;
use transit_model::board::{LiveBoard, LiveMessage, label_at};
use transit_model::clock::ManualClock;
use transit_model::dispatch::DispatchMessage;
use transit_model::time::UnixMs;

use super::limit::Rate;
use super::*;
use crate::accuracy::measure::{Proven, Sample};
use crate::auth::{Role, TokenBook, TokenRow, issue};
use crate::board::fixture::{at, timetable, trip, vehicle, world};
use crate::public::view::Gate;
use crate::store::Store;
use crate::world::World;

mod measures;
mod streets;

struct Town {
    router: Router,
    published: Arc<Published>,
    clock: Arc<ManualClock>,
    now: UnixMs,
}

fn busy(now: UnixMs, version: u64, late: i64) -> World {
    let t = timetable();
    let v = vehicle(&t, "17", trip(&t, "t2-1400"), 1, late, now.plus_secs(-8));
    let machinery = crate::machinery::fixture::view(&t, now);
    World { version, machinery, ..world(&t, now).with_vehicles(vec![v]) }
}

fn town_with(limits: Limits, tokens: Vec<TokenRow>) -> Town {
    town_behind(Gate::default(), limits, tokens, None)
}

fn town_behind(gate: Gate, limits: Limits, tokens: Vec<TokenRow>, store: Option<Arc<dyn Store>>) -> Town {
    let now = at(&timetable(), "14:00:30");
    let published = Arc::new(Published::behind(gate, busy(now, 1, 95)));
    let clock = Arc::new(ManualClock::at(now));
    let setup = Setup {
        published: Arc::clone(&published),
        clock: Arc::clone(&clock) as _,
        tokens: Arc::new(ArcSwap::from_pointee(TokenBook::new(tokens))),
        registry: Registry::default(),
        feed_zip: Some(Bytes::from_static(b"PK the feed")),
        extra_concerns: Arc::default(),
        devices: Arc::default(),
        questions: None,
        trust_proxy: true,
        store,
        limits,
    };
    Town { router: router(setup), published, clock, now }
}

fn town() -> Town {
    town_with(Limits::default(), Vec::new())
}

async fn ask(town: &Town, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let response = town.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, 1 << 22).await.unwrap())
}

async fn get_text(town: &Town, path: &str) -> (StatusCode, String) {
    let (status, _, body) = ask(town, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_json(town: &Town, path: &str) -> (StatusCode, Value) {
    let (status, text) = get_text(town, path).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}")))
}

#[tokio::test]
async fn every_path_answers() {
    let town = town();
    for (path, _) in table() {
        let real = match path {
            "/assets/{version}/{file}" => "/assets/x/style.css".to_owned(),
            "/v1/routes/{id}" => "/v1/routes/r2".to_owned(),
            "/v1/feeds/{id}/predictions" => "/v1/feeds/town/predictions".to_owned(),
            "/v1/vehicles/{id}/trip-context" => "/v1/vehicles/17/trip-context".to_owned(),
            "/v1/streets/{id}" => {
                let (_, body) = get_json(&town, "/v1/streets").await;
                format!("/v1/streets/{}", body["streets"][0]["id"].as_str().unwrap())
            }
            "/gtfs/{file}" => "/gtfs/town.zip".to_owned(),
            other => other.replace("{id}", "B"),
        };
        let expected = match path {
            "/v1/stops/{id}/live" => StatusCode::UPGRADE_REQUIRED,
            "/v1/dispatch" | "/v1/measures" | "/v1/vehicles/{id}/explain" => StatusCode::UNAUTHORIZED,
            "/v1/measures/{id}/end" => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::OK,
        };
        assert_eq!(get_text(&town, &real).await.0, expected, "{real}");
    }
}

#[tokio::test]
async fn lists_have_their_plural_their_next_and_as_of() {
    let town = town();
    for (path, plural, first) in [
        ("/v1/feeds", "feeds", "town"),
        ("/v1/routes", "routes", "r5"),
        ("/v1/stops?q=вокзал", "stops", "D"),
        ("/v1/stops?near=48.85,37.6201&radius=300", "stops", "B"),
        ("/v1/vehicles", "vehicles", "17"),
    ] {
        let path = path.replace("вокзал", &html::segment("вокзал"));
        let (status, body) = get_json(&town, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(body["as_of"], "2026-05-06T14:00:30+03:00");
        assert_eq!(body[plural][0]["id"], first, "{path}");
        assert!(body["next"].is_null());
    }
    let (_, page) = get_json(&town, "/v1/stops?limit=4").await;
    let (_, rest) = get_json(&town, &format!("/v1/stops?after={}", page["next"].as_str().unwrap())).await;
    assert_eq!(page["stops"].as_array().unwrap().len() + rest["stops"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn a_board_is_one_message_for_every_client() {
    let town = town();
    let (_, board) = get_json(&town, "/v1/stops/B/board").await;
    assert_eq!(board["rows"][0]["labels"][0]["text"], "5 хв");
    assert_eq!(board["rows"][0]["labels"][0]["kind"], "live");
    let (_, board) = get_json(&town, "/v1/stops/B/board?lang=en").await;
    assert_eq!(board["rows"][0]["labels"][0]["speech"], "in five minutes");
}

#[tokio::test]
async fn a_validator_is_told_the_trip() {
    let town = town();
    let (_, c) = get_json(&town, "/v1/vehicles/17/trip-context").await;
    assert_eq!(
        (&c["known"], &c["trip"]["trip_id"], &c["trip"]["route"]),
        (&true.into(), &"t2-1400".into(), &"2".into())
    );
    assert_eq!((&c["stop_next"]["id"], &c["fix_age_s"]), (&"B".into(), &8.into()));
    let (_, past) = get_json(&town, "/v1/vehicles/17/trip-context?at=2026-05-06T13:55:00%2B03:00").await;
    assert_eq!((&past["known"], &past["at"]), (&true.into(), &"2026-05-06T13:55:00+03:00".into()));
    assert!(past["stop_next"].is_null(), "where it was then is not kept");
}

#[tokio::test]
async fn what_is_wrong_is_said_by_name() {
    let town = town();
    for (path, status, parameter, value) in [
        ("/v1/stops/nowhere/board", 404, "id", "nowhere"),
        ("/v1/stops/nowhere/live", 404, "id", "nowhere"),
        ("/v1/stops/nowhere", 404, "id", "nowhere"),
        ("/v1/routes/r9", 404, "id", "r9"),
        ("/v1/vehicles/9/trip-context", 404, "id", "9"),
        ("/gtfs/other.zip", 404, "id", "other.zip"),
        ("/v1/feeds/village/predictions", 404, "id", "village"),
        ("/v1/feeds/town/predictions?horizon=5", 400, "horizon", "5"),
        ("/v1/accuracy?route=r9", 404, "id", "r9"),
        ("/v1/accuracy?stop=nowhere", 404, "id", "nowhere"),
        ("/v1/accuracy?stop=B&hour=8", 400, "stop", "B"),
        ("/v1/accuracy?hour=24", 400, "hour", "24"),
        ("/v1/accuracy?day=20200101", 400, "day", "20200101"),
        ("/v1/stops/B/board?lang=fr", 400, "lang", "fr"),
        ("/v1/stops/B/live?after=x", 400, "after", "x"),
        ("/v1/stops?near=91,0", 400, "near", "91,0"),
        ("/v1/stops?near=48.8", 400, "near", "48.8"),
        ("/v1/stops?near=NaN,0", 400, "near", "NaN,0"),
        ("/v1/stops?limit=0", 400, "limit", "0"),
        ("/v1/stops?limit=100000", 400, "limit", "100000"),
        ("/v1/stops?radius=-5", 400, "radius", "-5"),
        ("/v1/vehicles/17/trip-context?at=yesterday", 400, "at", "yesterday"),
        ("/v1/vehicles/17/trip-context?at=1777000000", 400, "at", "1777000000"),
    ] {
        let (got, p) = get_json(&town, path).await;
        assert_eq!((got.as_u16(), &p["status"]), (status, &status.into()), "{path}");
        assert_eq!((&p["parameter"], &p["value"]), (&parameter.into(), &value.into()), "{path}");
        assert_eq!(p["allowed"].is_string(), status == 400, "{path}");
        assert!(p["detail"].as_str().unwrap().contains(value), "{path}");
    }
    let (status, p) = get_json(&town, "/v1/stops?serch=x").await;
    assert_eq!((status.as_u16(), &p["parameter"]), (400, &"serch".into()));
    assert_eq!(p["allowed"], "near, radius, q, limit, after");
    let (status, p) = get_json(&town, "/v1/nothing").await;
    assert_eq!((status.as_u16(), &p["type"]), (404, &"/problems/no-such-path".into()));
    let (status, _, body) = ask(&town, Request::post("/v1/stops").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(String::from_utf8_lossy(&body).contains("does not take POST"));
    let long = "x".repeat(5000);
    let (_, p) = get_json(&town, &format!("/v1/stops/{long}/board")).await;
    assert!(p["value"].as_str().unwrap().len() < 200, "what strangers send is not repeated at length");
}

#[tokio::test]
async fn people_get_a_page_when_nothing_is_there() {
    let town = town();
    let (status, page) = get_text(&town, "/nothing?lang=en").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("<h1>No such page</h1>"));
    let (status, page) = get_text(&town, "/stop/%3Cb%3Ex").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("«&lt;b&gt;x»") && page.contains("<html lang=\"uk\">"));
}

#[tokio::test]
async fn whoever_has_an_answer_is_told_that_it_holds() {
    let town = town();
    for path in ["/v1/stops", "/v1/routes/r2", "/v1/stops/B/board", "/gtfs/town.zip", "/assets/x/colours.css"] {
        let (_, headers, _) = ask(&town, Request::get(path).body(Body::empty()).unwrap()).await;
        let tag = headers[header::ETAG].clone();
        assert!(headers.contains_key(header::CACHE_CONTROL), "{path}");
        town.clock.advance(Duration::from_millis(500));
        let again = Request::get(path).header(header::IF_NONE_MATCH, &tag).body(Body::empty()).unwrap();
        let (status, _, body) = ask(&town, again).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
    let (_, headers, _) = ask(&town, Request::get("/v1/stops/B/board").body(Body::empty()).unwrap()).await;
    town.published.publish(busy(town.now, 2, 300));
    let again = Request::get("/v1/stops/B/board")
        .header(header::IF_NONE_MATCH, &headers[header::ETAG])
        .body(Body::empty())
        .unwrap();
    assert_eq!(ask(&town, again).await.0, StatusCode::OK, "the board has changed");
}

#[tokio::test]
async fn pages_work_without_a_script_and_escape_what_is_hostile() {
    let town = town();
    let (_, page) = get_text(&town, "/stop/B").await;
    assert!(page.contains("<h1 id=\"name\">Ринок</h1>"));
    assert!(page.contains("<span class=\"text\">5 хв</span>"));
    assert!(page.contains("Тролейбус 2, напрямок Вокзал, через п’ять хвилин. Доступно для крісла колісного."));
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""));
    for path in ["/stop/E", "/board/E", &format!("/?q={}", html::segment("<script>'\"&"))] {
        let (_, page) = get_text(&town, path).await;
        assert!(!page.contains("<b>") && !page.contains("<script>"), "{path}");
        assert!(!page.contains(" style=") && !page.contains(" onclick"), "{path}: nothing inline");
    }
    let (_, page) = get_text(&town, "/stop/E").await;
    assert!(page.contains("Парк &lt;b&gt;Слов&#39;янський&lt;/b&gt;"));
    let (_, home) = get_text(&town, "/?lang=en&q=vokzal").await;
    assert!(home.contains("href=\"/stop/D?lang=en\"") && !home.contains("/stop/A"));
    let (_, headers, _) = ask(&town, Request::get("/").body(Body::empty()).unwrap()).await;
    let csp = headers["content-security-policy"].to_str().unwrap();
    assert!(csp.starts_with("default-src 'none'") && !csp.contains("unsafe") && !csp.contains("http"));
}

#[tokio::test]
async fn a_page_with_all_it_needs_is_under_fifty_kilobytes() {
    let town = town();
    for (page, script) in [("/stop/B", assets::BOARD_JS), ("/board/B", assets::BOARD_JS), ("/", assets::HOME_JS)] {
        let (_, html) = get_text(&town, page).await;
        let (_, colours) = get_text(&town, "/assets/x/colours.css").await;
        let all = html.len() + script.len() + assets::STYLE.len() + colours.len() + assets::ICON.len();
        assert!(all < 50_000, "{page} weighs {all} bytes even before it is compressed");
        assert!(!html.contains("//") || !html.contains("src=\"http"), "{page}: nothing from elsewhere");
    }
}

/// A world whose predictions of a day were a minute off, the timetable's two.
fn judged(now: UnixMs) -> World {
    let mut book = crate::accuracy::book::Book::default();
    let date = crate::board::fixture::wednesday();
    for day in [date.plus_days(-1), date] {
        let tally = book.day_mut(day);
        let slot = tally.slot("r2", "B", 14);
        for n in 0..40 {
            let sample = Sample { made: now.plus_secs(60 * n), arrival: now.plus_secs(60 * n + 300), interval: None };
            let (actual, sched) = (sample.arrival.plus_secs(60), Some(sample.arrival.plus_secs(-60)));
            tally.each(slot, |c| c.proven(&Proven { sample, actual, sched, learned: None, before: None }));
        }
    }
    World { accuracy: Arc::new(book), ..busy(now, 2, 95) }
}

#[tokio::test]
async fn a_city_sees_its_own_figures_beside_the_timetable() {
    let town = town();
    let (_, none) = get_json(&town, "/v1/accuracy").await;
    assert!(none["day"].is_null() && none["days"].as_array().unwrap().is_empty() && none["ours"].is_null());
    assert!(get_text(&town, "/accuracy?lang=en").await.1.contains("Nothing to judge by yet"));
    town.published.publish(judged(town.now));
    let (_, all) = get_json(&town, "/v1/accuracy").await;
    assert_eq!((&all["day"], &all["days"][1]), (&"20260506".into(), &"20260505".into()));
    assert_eq!((&all["ours"]["mae_all"], &all["sched"]["mae_all"]), (&60.0.into(), &120.0.into()));
    assert_eq!((&all["ratio_to_sched"], &all["judged_by"]), (&0.5.into(), &"own_stop_events".into()));
    assert_eq!(
        (&all["routes"][0]["id"], &all["hours"][0]["id"], &all["stops"][0]["id"]),
        (&"r2".into(), &"14".into(), &"B".into())
    );
    for (part, n) in
        [("route=r2", 40), ("route=r2&hour=14", 40), ("stop=B", 40), ("hour=14&day=2026-05-05", 40), ("hour=9", 0)]
    {
        let (status, body) = get_json(&town, &format!("/v1/accuracy?{part}")).await;
        assert_eq!((status, body["ours"]["n"].as_u64().unwrap_or(0)), (StatusCode::OK, n), "{part}");
        assert!(body["routes"].is_null(), "{part}");
    }
    let (_, page) = get_text(&town, "/accuracy").await;
    assert!(page.contains("06.05.2026") && page.contains("href=\"/accuracy?lang=uk&amp;day=20260505\""));
    assert!(page.contains("власними подіями на зупинках") && !page.contains(" style="), "nothing inline");
    let colours = get_text(&town, "/assets/x/colours.css").await.1;
    let all = page.len() + assets::STYLE.len() + assets::ACCURACY.len() + colours.len() + assets::ICON.len();
    assert!(all < 50_000, "the page weighs {all} bytes even before it is compressed");
}

#[tokio::test]
async fn predictions_of_a_feed_are_given_by_vehicle() {
    let town = town();
    let (_, body) = get_json(&town, "/v1/feeds/town/predictions").await;
    assert_eq!((&body["now"], &body["next"]), (&town.now.0.into(), &Value::Null));
    let v = &body["predictions"][0];
    assert_eq!(
        (&v["id"], &v["trip"]["trip_id"], &v["trips"][0]["trip_id"]),
        (&"17".into(), &"t2-1400".into(), &"t2-1400".into())
    );
    let calls = v["trips"][0]["calls"].as_array().unwrap();
    let ids: Vec<&str> = calls.iter().filter_map(|c| c["stop_id"].as_str()).collect();
    assert_eq!(ids, ["B", "C", "D"]);
    let at = |name: &str| calls[0][name].as_i64().unwrap();
    assert!(
        at("arrival_p10") <= at("arrival") && at("arrival") <= at("arrival_p90") && at("arrival") <= at("departure")
    );
    let (_, near) = get_json(&town, "/v1/feeds/town/predictions?horizon=330").await;
    assert_eq!(near["predictions"][0]["trips"][0]["calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flood_is_told_to_wait_and_health_still_answers() {
    let limits = Limits { rate: Rate { per_second: 0.1, burst: 2.0 }, ..Limits::default() };
    let town = town_with(limits, Vec::new());
    let from = |ip: &str, path: &str| Request::get(path).header("x-forwarded-for", ip).body(Body::empty()).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&town, from("10.0.0.1", "/v1/feeds")).await.0, StatusCode::OK);
    }
    let (status, headers, _) = ask(&town, from("9.9.9.9, 10.0.0.1", "/v1/feeds")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "what a client writes itself does not help it");
    assert!(headers.contains_key(header::RETRY_AFTER));
    assert_eq!(ask(&town, from("10.0.0.2", "/v1/feeds")).await.0, StatusCode::OK);
    assert_eq!(ask(&town, from("10.0.0.1", "/healthz")).await.0, StatusCode::OK);
    let (_, text) = get_text(&town, "/metrics").await;
    assert!(text.contains("zupynka_http_rate_limited_total 1"));
    assert!(text.contains("zupynka_http_answers_total{path=\"/v1/feeds\",status=\"429\"} 1"), "{text}");
}

#[tokio::test]
async fn readiness_waits_for_the_engine() {
    let town = town();
    assert_eq!(get_text(&town, "/readyz").await.0, StatusCode::OK);
    town.published.publish(World { ready: false, ..busy(town.now, 2, 0) });
    assert_eq!(get_text(&town, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get_text(&town, "/healthz").await.0, StatusCode::OK);
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn listen(town: &Town) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, town.router.clone(), std::future::pending()));
    address
}

async fn open(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Socket, u16> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(r)) => Err(r.status().as_u16()),
        Err(e) => panic!("{e}"),
    }
}

async fn next_text(socket: &mut Socket) -> String {
    let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap();
    message.unwrap().unwrap().into_text().unwrap().to_string()
}

async fn next_live(socket: &mut Socket) -> LiveMessage {
    serde_json::from_str(&next_text(socket).await).unwrap()
}

#[tokio::test]
async fn a_live_board_begins_whole_goes_on_in_changes_and_resumes() {
    let limits = Limits { board_every: Duration::ZERO, ..Limits::default() };
    let town = town_with(limits, Vec::new());
    let address = listen(&town).await;
    let mut socket = open(address, "/v1/stops/B/live", None).await.unwrap();
    let mut client = LiveBoard::default();
    client.take(next_live(&mut socket).await).unwrap();
    let first = client.seq().unwrap();

    town.clock.advance(Duration::from_secs(10));
    town.published.publish(busy(town.now.plus_secs(10), 2, 300));
    let message = next_live(&mut socket).await;
    assert!(matches!(&message, LiveMessage::Change { change, .. } if change.rows.len() == 1), "{message:?}");
    client.take(message).unwrap();
    let row = client.board().unwrap().rows.iter().find(|r| r.trip_id == "t2-1400").unwrap();
    assert_eq!(label_at(&row.labels, town.now.plus_secs(10)).unwrap().text, "8 хв");

    let mut returning = open(address, &format!("/v1/stops/B/live?after={first}"), None).await.unwrap();
    assert!(matches!(next_live(&mut returning).await, LiveMessage::Change { seq, .. } if seq == first + 1));
    let mut stranger = open(address, "/v1/stops/B/live?after=7", None).await.unwrap();
    assert!(matches!(next_live(&mut stranger).await, LiveMessage::Snapshot { seq, .. } if seq == first + 1));
    let mut english = open(address, "/v1/stops/B/live?lang=en", None).await.unwrap();
    let LiveMessage::Snapshot { board, .. } = next_live(&mut english).await else { panic!("a snapshot comes first") };
    assert_eq!(board.rows[0].route.mode_name, "trolleybus");
    assert_eq!(open(address, "/v1/stops/nowhere/live", None).await.err(), Some(404));
}

#[tokio::test]
async fn a_quiet_board_is_heard_of_all_the_same() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let town = town_with(limits, Vec::new());
    let mut socket = open(listen(&town).await, "/v1/stops/B/live", None).await.unwrap();
    let mut client = LiveBoard::default();
    client.take(next_live(&mut socket).await).unwrap();
    town.clock.advance(Duration::from_secs(3));
    let due = town.now.plus_secs(3);
    loop {
        let message = next_live(&mut socket).await;
        assert!(matches!(message, LiveMessage::Heartbeat { .. }), "nothing changed but the time: {message:?}");
        client.take(message).unwrap();
        if client.board().unwrap().now == due {
            break;
        }
    }
    assert_eq!(client.board().unwrap().expires_at, due.plus_secs(1800));
}

#[tokio::test]
async fn live_places_are_counted_and_given_back() {
    let limits = Limits { live_clients: 1, ..Limits::default() };
    let town = town_with(limits, Vec::new());
    let address = listen(&town).await;
    let socket = open(address, "/v1/stops/B/live", None).await.unwrap();
    assert_eq!(open(address, "/v1/stops/B/live", None).await.err(), Some(503));
    drop(socket);
    // The place is free as soon as the server has noticed; ask until then.
    while open(address, "/v1/stops/B/live", None).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_dispatchers_stream_is_for_dispatchers() {
    let (dispatcher, row) = issue([1; 32], Role::Dispatcher, "d", None);
    let (display, other) = issue([2; 32], Role::Display, "b", None);
    let (late, expired) = issue([3; 32], Role::Admin, "a", Some(UnixMs(1)));
    let town = town_with(Limits::default(), vec![row, other, expired]);
    let address = listen(&town).await;
    assert_eq!(open(address, "/v1/dispatch", None).await.err(), Some(401));
    assert_eq!(open(address, "/v1/dispatch", Some("zup_00")).await.err(), Some(401));
    assert_eq!(open(address, "/v1/dispatch", Some(&late)).await.err(), Some(401));
    assert_eq!(open(address, "/v1/dispatch", Some(&display)).await.err(), Some(403));

    let mut socket = open(address, "/v1/dispatch", Some(&dispatcher)).await.unwrap();
    let first = serde_json::from_str(&next_text(&mut socket).await).unwrap();
    let DispatchMessage::Snapshot { seq, mut state } = first else { panic!("a snapshot comes first") };
    assert_eq!((state.feed.as_str(), state.vehicles[0].delay), ("town", Some(95)));
    town.published.publish(busy(town.now, 2, 400));
    loop {
        match serde_json::from_str(&next_text(&mut socket).await).unwrap() {
            DispatchMessage::Heartbeat { seq: held, .. } => assert_eq!(held, seq),
            DispatchMessage::Change { seq: next, change } => {
                assert_eq!(next, seq + 1);
                state.apply(change);
                break;
            }
            other @ DispatchMessage::Snapshot { .. } => panic!("{other:?}"),
        }
    }
    assert_eq!(state.vehicles[0].delay, Some(400));
    assert_eq!(state.routes.iter().map(|r| r.late).sum::<u32>(), 1);
}
