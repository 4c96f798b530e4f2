//! Keys and what they lead to, as a table.

mod common;

use common::{NOW, city};
use dispatch_tui::keys::Key::{self, BackTab, Backspace, Char, Down, End, Enter, Esc, Left, PageDown, Right, Tab, Up};
use dispatch_tui::state::{App, Now, Overlay, Screen, Spot, Target};
use dispatch_tui::update::update;
use transit_model::dispatch::DispatchState;
use transit_model::lang::Lang;

fn after(state: &DispatchState, keys: &[Key]) -> App {
    let mut app = App::new(Lang::Uk);
    press(&mut app, state, keys);
    app
}

fn press(app: &mut App, state: &DispatchState, keys: &[Key]) {
    for key in keys {
        update(app, Some(Now { state, now: NOW }), *key);
    }
}

fn find(text: &str) -> Vec<Key> {
    let mut keys = vec![Char('/')];
    keys.extend(text.chars().map(Char));
    keys.push(Enter);
    keys
}

/// Where one is, briefly: the view, the route, the vehicle.
fn at(app: &App) -> (Screen, Option<&str>, Option<&str>) {
    (app.spot.screen, app.spot.route.as_deref(), app.spot.vehicle.as_deref())
}

/// What is meant, what is pressed, where that leads.
type Case<'a> = (&'a str, &'a [Key], (Screen, Option<&'a str>, Option<&'a str>));

#[test]
fn keys_lead_where_they_should() {
    use Screen::{Ladder, Machinery, Overview, Vehicle};
    let city = city(NOW);
    let cases: &[Case] = &[
        ("it starts at the overview", &[], (Overview, None, None)),
        ("Enter on the first concern opens its vehicle", &[Enter], (Vehicle, Some("b15"), Some("2152"))),
        ("the fourth concern is about nothing that has a view", &[Down, Down, Down, Enter], (Overview, None, None)),
        (
            "below the concerns stands the route that has no vehicles",
            &[Down, Down, Down, Down, Enter],
            (Ladder, Some("b9"), None),
        ),
        ("the last row", &[End, Enter], (Ladder, Some("b109"), None)),
        ("no further than the last", &[End, Down, Char('j'), Char('о'), Enter], (Ladder, Some("b109"), None)),
        ("ten at once, and up again", &[PageDown, Up, Enter], (Ladder, Some("b5"), None)),
        ("Tab carries the route along", &[Down, Down, Down, Down, Down, Down, Tab], (Ladder, Some("t2"), None)),
        (
            "and then its first vehicle",
            &[Down, Down, Down, Down, Down, Down, Tab, Tab],
            (Vehicle, Some("t2"), Some("1024")),
        ),
        (
            "five times Tab is the overview again, with the vehicle of the tracker passed on the way",
            &[Tab, Tab, Tab, Tab, Tab],
            (Overview, Some("b15"), Some("2001")),
        ),
        ("a machine opens as a vehicle", &[BackTab, Enter], (Vehicle, Some("b15"), Some("П-07"))),
        (
            "the fifth is a street, which opens nothing",
            &[BackTab, Down, Down, Down, Down, Enter],
            (Machinery, Some("b15"), Some("2152")),
        ),
        ("and Esc goes back to the machines", &[BackTab, Down, Enter, Esc], (Machinery, Some("b15"), Some("2152"))),
        ("Esc at the start stays", &[Esc, Esc], (Overview, None, None)),
        ("Esc goes back", &[Enter, Esc], (Overview, None, None)),
        ("from the vehicle to its place on the ladder", &[Enter, Enter], (Ladder, Some("b15"), Some("2152"))),
        ("and back twice", &[Enter, Enter, Esc, Esc], (Overview, None, None)),
    ];
    for (what, keys, wanted) in cases {
        let app = after(&city, keys);
        let (screen, route, vehicle) = at(&app);
        assert_eq!((screen, route, vehicle), *wanted, "{what}");
    }
}

#[test]
fn search_finds_routes_vehicles_and_stops() {
    let city = city(NOW);
    for (text, wanted, stop) in [
        ("3а", (Screen::Ladder, Some("t3a"), None), None),
        ("2052", (Screen::Vehicle, None, Some("2052")), None),
        ("  ПАРК шов", (Screen::Ladder, Some("b1"), None), Some("s7")),
        ("білий слон", (Screen::Overview, None, None), None),
        ("", (Screen::Overview, None, None), None),
    ] {
        let app = after(&city, &find(text));
        assert_eq!((at(&app), app.spot.stop.as_deref()), (wanted, stop), "{text}");
    }
    let app = after(&city, &[Char('/'), Char('x'), Backspace, Char('q'), Char('?')]);
    assert_eq!(app.overlay, Overlay::Search { text: "q?".to_owned(), selected: 0 }, "keys are letters here");
    assert!(!app.over);
    let app = after(&city, &[Char('.'), Char('1'), Down, Down, Enter]);
    assert_eq!(app.spot.route.as_deref(), Some("b15"), "1, 10, 15");
}

#[test]
fn on_the_ladder_keys_go_along_the_rail_and_across() {
    let city = city(NOW);
    let ladder = find("2");
    for (keys, wanted) in [
        (&[][..], "1024"),
        (&[Down][..], "1031"),
        (&[Down, Down, Down][..], "1050"),
        (&[End][..], "1040"),
        (&[Right][..], "1050"),
        (&[Down, Char('д')][..], "1045"),
        (&[Down, Right, Left][..], "1024"),
    ] {
        let mut app = after(&city, &ladder);
        press(&mut app, &city, keys);
        let now = Now { state: &city, now: NOW };
        assert_eq!(dispatch_tui::views::ladder::selected(&app.spot, now).unwrap().id, wanted, "{keys:?}");
    }
}

#[test]
fn in_the_vehicle_view_keys_scroll_and_go_to_the_next_vehicle() {
    let city = city(NOW);
    let mut app = after(&city, &find("1024"));
    press(&mut app, &city, &[Down, Down]);
    assert_eq!(app.spot.scroll, 2);
    press(&mut app, &city, &[Right]);
    assert_eq!((app.spot.vehicle.as_deref(), app.spot.scroll), (Some("1031"), 0));
    press(&mut app, &city, &[Left, Left, Left]);
    assert_eq!(app.spot.vehicle.as_deref(), Some("1024"));
}

#[test]
fn a_selection_stays_when_the_list_is_sorted_anew() {
    let mut city = city(NOW);
    let mut app = after(&city, &[Down, Down, Down, Down, Down, Down]);
    assert_eq!(app.spot.overview, Some(Target::Route("t2".to_owned())));
    city.concerns.clear();
    for r in city.routes.iter_mut().filter(|r| r.id == "t2") {
        r.running = 0;
    }
    press(&mut app, &city, &[Enter]);
    assert_eq!(at(&app), (Screen::Ladder, Some("t2"), None));
}

#[test]
fn what_is_gone_is_not_shown_as_something_else() {
    let mut city = city(NOW);
    let app = after(&city, &find("1024"));
    city.vehicles.retain(|v| v.id != "1024");
    assert!(dispatch_tui::views::vehicle::shown(&app.spot, Now { state: &city, now: NOW }).is_none());
}

#[test]
fn help_language_and_quit() {
    let city = city(NOW);
    assert_eq!(after(&city, &[Char('?')]).overlay, Overlay::Help);
    let app = after(&city, &[Char('?'), Char('q')]);
    assert_eq!((app.overlay, app.over), (Overlay::None, false), "any key closes the help, and does no more");
    assert_eq!(after(&city, &[Char('L')]).lang, Lang::En);
    assert_eq!(after(&city, &[Char('L'), Char('Д')]).lang, Lang::Uk);
    for quit in [Char('q'), Char('й'), Key::ControlC] {
        assert!(after(&city, &[quit]).over, "{quit:?}");
    }
    assert!(after(&city, &[Char('/'), Key::ControlC]).over, "even while searching");
}

#[test]
fn keys_do_no_harm_before_anything_has_come() {
    let mut app = App::new(Lang::En);
    for key in [Down, Enter, Right, Tab, Enter, End, Char('/'), Char('1'), Down, Enter, Esc, Tab] {
        update(&mut app, None, key);
    }
    assert_eq!(app.spot, Spot { screen: Screen::Vehicle, ..Spot::default() });
}
