//! Machines, zones and streets, as clients are told of them.

use super::*;

async fn get_as(town: &Town, path: &str, token: &str) -> Value {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let (_, _, body) = ask(town, request.body(Body::empty()).unwrap()).await;
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_machine_is_told_with_what_it_does_and_where() {
    let (dispatcher, row) = issue([1; 32], Role::Dispatcher, "d", None);
    let town = town_with(Limits::default(), vec![row]);
    let (_, body) = get_json(&town, "/v1/machinery").await;
    let m = &body["machinery"][0];
    assert_eq!((&m["id"], &m["kind"], &m["state"]), (&"B".into(), &"plough".into(), &"moving".into()));
    assert_eq!(m["street"]["name"], "вул. Центральна");
    assert_eq!(m["seen_at"], "2026-05-06T13:59:30+03:00");
    assert_eq!(m["zones"].as_array().unwrap().len(), 1, "a forbidden zone is nobody's business");
    assert_eq!(get_json(&town, "/v1/zones").await.1["zones"].as_array().unwrap().len(), 1);
    let whole = get_as(&town, "/v1/machinery/B", &dispatcher).await;
    assert_eq!(whole["zones"].as_array().unwrap().len(), 2);
    assert_eq!(whole["visits"][0]["name"], "Сквер");
    let zones = get_as(&town, "/v1/zones", &dispatcher).await;
    assert_eq!((&zones["zones"][1]["kind"], &zones["zones"][1]["inside"][0]), (&"forbidden".into(), &"B".into()));
    assert_eq!(get_json(&town, "/v1/machinery?kind=sweeper").await.1["machinery"], serde_json::json!([]));
    let (status, wrong) = get_json(&town, "/v1/machinery?kind=tank").await;
    assert_eq!((status, &wrong["parameter"]), (StatusCode::BAD_REQUEST, &"kind".into()));
    assert_eq!(get_json(&town, "/v1/machinery/17").await.0, StatusCode::NOT_FOUND, "a bus is no machine");
}

#[tokio::test]
async fn a_street_is_told_with_when_and_how_much_of_it_was_passed() {
    let town = town();
    let (_, all) = get_json(&town, "/v1/streets").await;
    assert_eq!(all["streets"].as_array().unwrap().len(), 3);
    assert_eq!(all["since"], "2026-05-06T04:00:00+03:00");
    let (_, found) = get_json(&town, "/v1/streets?q=tsentr").await;
    let s = &found["streets"][0];
    assert_eq!(
        (&s["name"], &s["length_m"], &s["last_kind"]),
        (&"вул. Центральна".into(), &400.0.into(), &"plough".into())
    );
    assert_eq!(s["share"], 0.5);
    assert!(s["last_passed"].as_str().unwrap().starts_with("2026-05-06T13:5") && s["whole_since"].is_null(), "{s}");
    assert!(s.get("vehicle_id").is_none());
    let path = format!("/v1/streets/{}", s["id"].as_str().unwrap());
    let (_, whole) = get_json(&town, &path).await;
    assert_eq!(
        (&whole["kinds"][0]["kind"], &whole["share_along"], &whole["share_back"]),
        (&"plough".into(), &0.5.into(), &0.0.into())
    );
    assert_eq!(whole["lines"][0]["points"].as_array().unwrap().len(), 2);
    let (_, later) = get_json(&town, &format!("{path}?since=2026-05-06T14:00:00%2B03:00")).await;
    assert_eq!(later["share"], 0.0);
    let (status, wrong) = get_json(&town, &format!("{path}?since=2027-01-01T00:00:00Z")).await;
    assert_eq!((status, &wrong["parameter"]), (StatusCode::BAD_REQUEST, &"since".into()), "nobody knows what will be");
    let (status, wrong) = get_json(&town, "/v1/streets/nowhere").await;
    assert_eq!((status, &wrong["type"]), (StatusCode::NOT_FOUND, &"/problems/unknown-street".into()));
    let t = timetable();
    let (lat, lon) = t.plane.lat_lon(transit_model::plane::Xy { x: 200.0, y: 320.0 });
    let (_, near) = get_json(&town, &format!("/v1/streets?near={lat},{lon}")).await;
    let names: Vec<_> = near["streets"].as_array().unwrap().iter().map(|s| s["distance_m"].as_f64().unwrap()).collect();
    assert_eq!(names, [20.0, 320.0], "the third is too far");
}

#[tokio::test]
async fn people_ask_a_page_that_is_small_and_needs_no_script() {
    let town = town();
    let (status, page) = get_text(&town, "/streets").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<h1>Коли прибирали мою вулицю?</h1>"));
    assert!(page.contains("<strong>сьогодні о 13:5") && page.contains("снігоочисна машина"), "{page}");
    assert!(page.contains("50 % пройдено за зміну") && page.contains("Машини тут ще не проходили"));
    assert!(page.contains("&lt;b&gt;Лісна&lt;/b&gt;") && !page.contains("<b>"), "a hostile name is text");
    assert!(!page.contains(" style=") && !page.contains(" onclick"));
    let all = page.len() + assets::STYLE.len() + assets::STREETS.len() + assets::STREETS_JS.len() + assets::ICON.len();
    assert!(all < 50_000, "{all}");
    let (_, english) = get_text(&town, "/streets?lang=en&q=tsentralna").await;
    assert!(
        english.contains("Tsentralna St") && english.contains("50 % passed this shift") && !english.contains("Тихий")
    );
    let (_, none) = get_text(&town, &format!("/streets?q={}", html::segment("\"><script>"))).await;
    assert!(none.contains("Такої вулиці не знайдено") && !none.contains("<script>"));
    assert!(get_text(&town, "/").await.1.contains("href=\"/streets\""));
}
