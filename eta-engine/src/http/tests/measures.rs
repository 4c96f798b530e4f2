//! Measures over the API, and every public answer while one is in force.

use serde_json::json;

use super::*;
use crate::public::view::Gate;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

async fn decided(dir: &tempfile::TempDir) -> (Town, Arc<SqliteStore>, [String; 3]) {
    let store = Arc::new(SqliteStore::open(&dir.path().join("engine.db")).await.unwrap());
    let tokens = [(1, Role::Dispatcher, "зміна 1"), (2, Role::Validator, "v"), (3, Role::Admin, "a")];
    let issued = tokens.map(|(n, role, name)| issue([n; 32], role, name, None));
    let rows = issued.iter().map(|(_, row)| row.clone()).collect();
    let town = town_behind(Gate::new(Vec::new(), 30), Limits::default(), rows, Some(Arc::clone(&store) as _));
    (town, store, issued.map(|(text, _)| text))
}

async fn send(town: &Town, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let (status, _, body) = ask(town, request.body(Body::from(body.to_string())).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn stop_all() -> Value {
    json!({"kind": "stop_public", "covers": "positions_and_predictions", "scope": {"type": "feed"}, "reason": "тривога"})
}

#[tokio::test]
async fn a_measure_is_for_dispatchers_written_down_and_in_force_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (town, store, [dispatcher, validator, admin]) = decided(&dir).await;
    let (status, _) = send(&town, "zup_00", "POST", "/v1/measures", stop_all()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, refused) = send(&town, &validator, "POST", "/v1/measures", stop_all()).await;
    assert_eq!((status, &refused["type"]), (StatusCode::FORBIDDEN, &"/problems/forbidden".into()));
    assert_eq!(get_json(&town, "/v1/measures").await.0, StatusCode::UNAUTHORIZED);
    let (_, seen) = get_json(&town, "/v1/vehicles").await;
    assert_eq!((seen["vehicles"].as_array().unwrap().len(), seen.get("restrictions")), (1, None));

    let (status, taken) = send(&town, &dispatcher, "POST", "/v1/measures", stop_all()).await;
    assert_eq!((status, &taken["id"], &taken["in_force"]), (StatusCode::CREATED, &1.into(), &true.into()), "{taken}");
    assert_eq!((&taken["by"], &taken["role"]), (&"зміна 1".into(), &"dispatcher".into()));
    let (_, seen) = get_json(&town, "/v1/vehicles").await;
    assert_eq!(seen["vehicles"], json!([]));
    assert_eq!(seen["restrictions"][0]["kind"], "stop_public");
    let (_, board) = get_json(&town, "/v1/stops/B/board").await;
    assert_eq!(board["rows"][0]["source"], "timetable");
    assert_eq!(board["notice"][0]["text"], "Дані про рух тимчасово обмежено. Лише розклад");
    let (_, page) = get_text(&town, "/stop/B").await;
    assert!(page.contains("Дані про рух тимчасово обмежено"), "{page}");
    let (_, predictions) = get_json(&town, "/v1/feeds/town/predictions").await;
    assert_eq!((&predictions["predictions"], predictions["restrictions"].as_array().unwrap().len()), (&json!([]), 1));
    let (status, withheld) = get_json(&town, "/v1/vehicles/17/trip-context").await;
    assert_eq!((status, &withheld["type"]), (StatusCode::FORBIDDEN, &"/problems/withheld".into()));
    for token in [&validator, &dispatcher, &admin] {
        let (status, known) = send(&town, token, "GET", "/v1/vehicles/17/trip-context", Value::Null).await;
        assert_eq!((status, &known["known"]), (StatusCode::OK, &true.into()), "those who work are told");
    }

    // A world more, and it still holds; a restart, and it still does.
    town.published.publish(busy(town.now.plus_secs(5), 2, 95));
    assert_eq!(get_json(&town, "/v1/vehicles").await.1["vehicles"], json!([]));
    drop(store);
    let again = SqliteStore::open(&dir.path().join("engine.db")).await.unwrap();
    let kept = again.measures().await.unwrap();
    assert_eq!((kept.len(), kept[0].id, kept[0].reason.as_str()), (1, 1, "тривога"));
    let mut gate = Gate::new(Vec::new(), 30);
    gate.set_measures(kept);
    let restarted = town_behind(gate, Limits::default(), Vec::new(), None);
    assert_eq!(get_json(&restarted, "/v1/vehicles").await.1["vehicles"], json!([]));

    let (status, ended) = send(&town, &admin, "POST", "/v1/measures/1/end", json!({"reason": "відбій"})).await;
    assert_eq!((status, &ended["in_force"], &ended["ended"]["by"]), (StatusCode::OK, &false.into(), &"a".into()));
    assert_eq!(get_json(&town, "/v1/vehicles").await.1["vehicles"].as_array().unwrap().len(), 1);
    let (_, list) = send(&town, &dispatcher, "GET", "/v1/measures", Value::Null).await;
    assert_eq!(list["measures"], json!([]));
    let (_, past) = send(&town, &dispatcher, "GET", "/v1/measures?past=true", Value::Null).await;
    assert_eq!(past["measures"][0]["ended"]["reason"], "відбій");
    let audit: Vec<_> =
        again.audit(9).await.unwrap().into_iter().map(|a| (a.action, a.who, a.subject, a.reason)).collect();
    let row = |action: &str, who: &str, why: &str| (action.to_owned(), who.to_owned(), "1".to_owned(), why.to_owned());
    assert_eq!(audit, [row("measure.end", "a", "відбій"), row("measure.add", "зміна 1", "тривога")]);
}

#[tokio::test]
async fn what_is_wrong_in_a_measure_is_named_and_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (town, store, [dispatcher, ..]) = decided(&dir).await;
    let with = |key: &str, value: Value| {
        let mut body = stop_all();
        body[key] = value;
        body
    };
    for (body, field) in [
        (with("kind", "hide".into()), "kind"),
        (with("reason", "".into()), "reason"),
        (with("until", 5.into()), "until"),
        (with("scope", json!({"type": "route", "route_id": "r9"})), "scope.route_id"),
        (
            with("scope", json!({"type": "zone", "area": {"type": "Circle", "lat": 99, "lon": 1, "radius_m": 5}})),
            "scope.area",
        ),
    ] {
        let (status, problem) = send(&town, &dispatcher, "POST", "/v1/measures", body).await;
        assert_eq!((status, &problem["parameter"]), (StatusCode::BAD_REQUEST, &field.into()), "{problem}");
    }
    let (status, problem) = send(&town, &dispatcher, "POST", "/v1/measures", with("colour", 5.into())).await;
    assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &"/problems/bad-body".into()));
    assert!(problem["detail"].as_str().unwrap().contains("colour"), "{problem}");
    let (status, _) = send(&town, &dispatcher, "POST", "/v1/measures/7/end", json!({"reason": "x"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(store.measures().await.unwrap().is_empty() && store.audit(9).await.unwrap().is_empty());
    // What cannot be written down is not done.
    let (text, row) = issue([9; 32], Role::Dispatcher, "d", None);
    let without = town_behind(Gate::new(Vec::new(), 30), Limits::default(), vec![row], None);
    let (status, _) = send(&without, &text, "POST", "/v1/measures", stop_all()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get_json(&without, "/v1/vehicles").await.1["vehicles"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn streams_are_told_at_once_the_public_less_and_the_dispatcher_why() {
    let dir = tempfile::tempdir().unwrap();
    let (town, _store, [dispatcher, ..]) = decided(&dir).await;
    let address = listen(&town).await;
    let mut board = open(address, "/v1/stops/B/live", None).await.unwrap();
    let mut client = LiveBoard::default();
    client.take(next_live(&mut board).await).unwrap();
    let mut picture = open(address, "/v1/dispatch", Some(&dispatcher)).await.unwrap();
    let first = serde_json::from_str(&next_text(&mut picture).await).unwrap();
    let DispatchMessage::Snapshot { mut state, .. } = first else { panic!("a snapshot comes first") };

    assert_eq!(send(&town, &dispatcher, "POST", "/v1/measures", stop_all()).await.0, StatusCode::CREATED);
    loop {
        client.take(next_live(&mut board).await).unwrap();
        let shown = client.board().unwrap();
        if shown.rows.iter().all(|r| r.source == transit_model::board::RowSource::Timetable) {
            assert!(label_at(&shown.notice, town.now).unwrap().text.contains("обмежено"));
            break;
        }
    }
    loop {
        if let DispatchMessage::Change { change, .. } = serde_json::from_str(&next_text(&mut picture).await).unwrap() {
            state.apply(change);
        }
        if let Some(c) = state.concerns.iter().find(|c| c.kind == "public_restricted") {
            assert!(c.text_uk.contains("зміна 1: тривога"), "{}", c.text_uk);
            break;
        }
    }
    assert_eq!(state.vehicles.len(), 1, "the dispatcher keeps everything");
    assert!(state.vehicles[0].lat > 48.0);
}
