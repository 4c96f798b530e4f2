//! The views without a terminal: pictures of what is printed, and what is refused.

mod common;

use common::{NOW, city};
use dispatch_tui::Failure;
use dispatch_tui::once::{Output, Question, View, answer};
use dispatch_tui::state::Now;

fn ask(view: View, route: Option<&str>, vehicle: Option<&str>, output: Output) -> Result<String, Failure> {
    let city = city(NOW);
    let question = Question { view, route: route.map(str::to_owned), vehicle: vehicle.map(str::to_owned) };
    answer(Now { state: &city, now: NOW }, &question, output)
}

#[test]
fn tables_and_csv() {
    for (name, view, route, vehicle) in [
        ("overview", View::Overview, None, None),
        ("ladder", View::Ladder, Some("2"), None),
        ("vehicle", View::Vehicle, None, Some("1040")),
        ("devices", View::Devices, None, None),
        ("machinery", View::Machinery, None, None),
    ] {
        let table = ask(view, route, vehicle, Output::Table).unwrap();
        let csv = ask(view, route, vehicle, Output::Csv).unwrap();
        insta::assert_snapshot!(name, format!("{table}\n{csv}"));
    }
}

#[test]
fn an_empty_list_still_has_its_head() {
    let csv = ask(View::Ladder, Some("b109"), None, Output::Csv).unwrap();
    assert!(csv.starts_with("vehicle_id,direction,") && csv.lines().count() == 1, "{csv}");
}

#[test]
fn json_names_the_view_the_feed_and_the_moment() {
    for (view, route, vehicle, list, count) in [
        (View::Overview, None, None, "routes", 8),
        (View::Ladder, Some("t2"), None, "vehicles", 6),
        (View::Vehicle, None, Some("1040"), "stops", 11),
        (View::Devices, None, None, "devices", 9),
        (View::Machinery, None, None, "machines", 4),
        (View::Machinery, None, None, "streets", 4),
    ] {
        let json: serde_json::Value = serde_json::from_str(&ask(view, route, vehicle, Output::Json).unwrap()).unwrap();
        assert_eq!(json["view"], view.name());
        assert_eq!(json["feed"], "sloviansk");
        assert_eq!(json["as_of"], "2026-11-22T14:05:00+02:00");
        assert_eq!(json[list].as_array().map(Vec::len), Some(count), "{view:?}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&ask(View::Overview, None, None, Output::Json).unwrap()).unwrap();
    assert_eq!(json["routes"][0]["attention"], "now");
    assert_eq!(json["concerns"][0]["kind"], "off_route");
}

#[test]
fn what_cannot_be_answered_is_named() {
    for (view, route, vehicle, wanted) in [
        (View::Ladder, None, None, "--view ladder --once needs --route"),
        (View::Ladder, Some("77"), None, "no route `77` in feed `sloviansk`"),
        (View::Vehicle, None, None, "--view vehicle --once needs --vehicle"),
        (View::Vehicle, None, Some("x"), "no vehicle `x` in feed `sloviansk`"),
        (
            View::Headways,
            None,
            None,
            "--view headways: not in this build yet; it has overview, ladder, vehicle, machinery and devices",
        ),
    ] {
        assert_eq!(ask(view, route, vehicle, Output::Json).unwrap_err().to_string(), wanted);
    }
}
