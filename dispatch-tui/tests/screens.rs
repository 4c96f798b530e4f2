//! Pictures of every screen, in both languages and at two sizes, and the law that whatever is
//! pressed and whatever the feed holds, something is drawn.

#![expect(clippy::unwrap_used, reason = "a test that fails shall stop")]

mod common;

use common::{NOW, city, night};
use dispatch_tui::keys::Key;
use dispatch_tui::live::Live;
use dispatch_tui::state::{App, Screen};
use dispatch_tui::update::update;
use dispatch_tui::views;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use transit_model::cells::width;
use transit_model::dispatch::{DispatchMessage, DispatchState};
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

/// The computer's own clock, far from the server's: nothing may count by it.
const LOCAL: UnixMs = UnixMs(77_000_000);

fn holding(state: DispatchState) -> Live {
    let mut live = Live::default();
    live.take(DispatchMessage::Snapshot { seq: 1, state: Box::new(state) }, LOCAL).unwrap();
    live
}

fn screen(app: &App, live: &Live, local: UnixMs, size: (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|f| views::draw(f, app, live, local)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut out = String::new();
    for y in 0..size.1 {
        let mut line = String::new();
        let mut x = 0;
        while x < size.0 {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            x += u16::try_from(width(symbol).max(1)).unwrap();
        }
        out += &format!("│{line}│\n");
    }
    out
}

fn pressed(live: &Live, lang: Lang, keys: &[Key]) -> App {
    let mut app = App::new(lang);
    for key in keys {
        update(&mut app, views::now(live, LOCAL), *key);
    }
    app
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

/// What a list of keys leads to, in both languages, at both sizes.
fn pictures(name: &str, live: &Live, after_s: i64, keys: &[Key]) {
    for lang in Lang::ALL {
        let app = pressed(live, lang, keys);
        let at = |size| screen(&app, live, LOCAL.plus_secs(after_s), size);
        insta::assert_snapshot!(format!("{name}_{lang}"), format!("{}\n{}", at((80, 24)), at((120, 40))));
    }
}

#[test]
fn overview() {
    pictures("overview", &holding(city(NOW)), 0, &[]);
}

#[test]
fn overview_at_night() {
    pictures("overview_night", &holding(night(NOW)), 0, &[]);
}

#[test]
fn overview_of_an_empty_feed() {
    let mut state = night(NOW);
    state.routes.clear();
    state.ladders.clear();
    for keys in [vec![], vec![Key::Tab], vec![Key::Tab, Key::Tab]] {
        let app = pressed(&holding(state.clone()), Lang::Uk, &keys);
        let text = screen(&app, &holding(state.clone()), LOCAL, (80, 24));
        let says = ["Сьогодні маршрутів немає", "Сьогодні жодної машини ще не бачили"];
        assert!(says.iter().any(|s| text.contains(s)), "{text}");
    }
}

#[test]
fn ladder() {
    let mut keys = vec![Key::Char('/')];
    keys.extend(typed("2"));
    keys.push(Key::Enter);
    pictures("ladder", &holding(city(NOW)), 0, &keys);
}

#[test]
fn ladder_with_a_stop_that_was_searched_for() {
    let mut keys = vec![Key::Char('/')];
    keys.extend(typed("поліклін"));
    keys.push(Key::Enter);
    pictures("ladder_stop", &holding(city(NOW)), 0, &keys);
}

#[test]
fn vehicle() {
    let mut keys = vec![Key::Char('/')];
    keys.extend(typed("1040"));
    keys.push(Key::Enter);
    pictures("vehicle", &holding(city(NOW)), 0, &keys);
}

#[test]
fn vehicle_that_is_silent() {
    let mut keys = vec![Key::Char('/')];
    keys.extend(typed("1050"));
    keys.push(Key::Enter);
    pictures("vehicle_silent", &holding(city(NOW)), 0, &keys);
}

/// The trackers, by tabs from the overview.
fn at_the_devices() -> Vec<Key> {
    let tabs = Screen::ALL.iter().position(|s| *s == Screen::Devices).unwrap();
    vec![Key::Tab; tabs]
}

#[test]
fn devices() {
    let mut keys = at_the_devices();
    pictures("devices", &holding(city(NOW)), 0, &keys);
    keys.extend([Key::End, Key::Up, Key::Enter]);
    let app = pressed(&holding(city(NOW)), Lang::Uk, &keys);
    assert_eq!((app.spot.screen, app.spot.vehicle.as_deref()), (Screen::Vehicle, Some("1031")));
    let mut none = city(NOW);
    none.devices = Default::default();
    let text = screen(&pressed(&holding(none.clone()), Lang::Uk, &at_the_devices()), &holding(none), LOCAL, (80, 24));
    assert!(text.contains("Жодного трекера ще не додано"), "{text}");
}

#[test]
fn machinery() {
    pictures("machinery", &holding(city(NOW)), 0, &[Key::BackTab]);
}

#[test]
fn machinery_with_a_street_that_is_selected_and_none_at_night() {
    let keys: Vec<Key> = std::iter::once(Key::BackTab).chain([Key::Down; 6]).collect();
    pictures("machinery_street", &holding(city(NOW)), 0, &keys);
    pictures("machinery_none", &holding(night(NOW)), 0, &[Key::BackTab]);
}

#[test]
fn search() {
    let mut keys = vec![Key::Char('/')];
    keys.extend(typed("10"));
    keys.push(Key::Down);
    pictures("search", &holding(city(NOW)), 0, &keys);
}

#[test]
fn help() {
    pictures("help", &holding(city(NOW)), 0, &[Key::Char('?')]);
}

#[test]
fn link_lost() {
    let mut live = holding(city(NOW));
    live.lost(LOCAL.plus_secs(10), "http://city.test: Connection refused".to_owned());
    pictures("lost", &live, 200, &[]);
    let text = screen(&pressed(&live, Lang::Uk, &[]), &live, LOCAL.plus_secs(200), (80, 24));
    assert!(text.contains("НЕМАЄ ЗВ’ЯЗКУ з 14:05:10 (3 хв), ЗАСТАРІЛЕ: показано останнє відоме"), "{text}");
}

#[test]
fn nothing_has_come_yet() {
    let mut live = Live::default();
    pictures("connecting", &live, 0, &[]);
    live.lost(LOCAL, "http://city.test: Connection refused".to_owned());
    pictures("never", &live, 0, &[]);
}

#[test]
fn a_hostile_name_cannot_steer_the_terminal() {
    let mut state = city(NOW);
    state.name = "x\u{1b}[2J".to_owned();
    state.routes[0].name = "\u{1b}c\u{202e}".to_owned();
    state.concerns[0].text_uk = "a\r\n\u{7}".to_owned();
    for v in &mut state.vehicles {
        v.id.push('\u{1b}');
    }
    for d in &mut state.devices.list {
        d.label = Some("\u{1b}[31m".to_owned());
        d.device.push('\u{1b}');
    }
    let live = holding(state);
    for screen_of in Screen::ALL {
        let mut app = App::new(Lang::Uk);
        app.spot.screen = screen_of;
        let text = screen(&app, &live, LOCAL, (80, 24));
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{screen_of:?}");
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::Up),
        Just(Key::Down),
        Just(Key::Left),
        Just(Key::Right),
        Just(Key::PageUp),
        Just(Key::PageDown),
        Just(Key::Home),
        Just(Key::End),
        Just(Key::Enter),
        Just(Key::Enter),
        Just(Key::Esc),
        Just(Key::Tab),
        Just(Key::BackTab),
        Just(Key::Backspace),
        "[/?Ljkhl1-9а]".prop_map(|s| Key::Char(s.chars().next().unwrap())),
        any::<char>().prop_map(Key::Char),
    ]
}

/// A city some of whose parts are missing, doubled or nonsense.
fn any_city() -> impl Strategy<Value = DispatchState> {
    let odd = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -3.0..3.0f64];
    (0usize..9, 0usize..20, 0usize..5, any::<bool>(), "\\PC{0,40}", odd, any::<i64>()).prop_map(
        |(routes, vehicles, concerns, ladders, name, odd, big)| {
            let mut s = city(NOW);
            s.routes.truncate(routes);
            s.vehicles.truncate(vehicles);
            s.concerns.truncate(concerns);
            if !ladders {
                s.ladders.clear();
            }
            if let Some(rail) = s.ladders.values_mut().next().and_then(|rails| rails.first_mut()) {
                rail.stops.truncate(1);
            }
            if let Some(v) = s.vehicles.first_mut() {
                v.id = name.clone();
                v.delay = Some(big / 4);
                v.confidence = odd;
                v.speed = Some(odd);
                v.fix_time = UnixMs(big);
                if let Some(p) = v.place.as_mut() {
                    p.fraction = odd;
                }
            }
            s.machinery.machines.truncate(vehicles);
            if let Some(m) = s.machinery.streets.first_mut() {
                m.name = name.clone();
                m.percent = u8::MAX;
                m.last_passed = Some(UnixMs(big));
            }
            if let Some(r) = s.routes.first_mut() {
                r.name = name;
                r.last_seen = Some(UnixMs(big));
                r.running = u32::MAX;
            }
            s
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_is_pressed_something_is_drawn(
        cities in prop::collection::vec(any_city(), 1..3),
        keys in prop::collection::vec(any_key(), 0..40),
        w in 1u16..130, h in 1u16..45, lost in any::<bool>()
    ) {
        let mut app = App::new(Lang::Uk);
        let mut live = Live::default();
        let mut terminal = Terminal::new(TestBackend::new(w, h)).unwrap();
        for (n, state) in cities.into_iter().enumerate() {
            terminal.draw(|f| views::draw(f, &app, &live, LOCAL)).unwrap();
            live.take(DispatchMessage::Snapshot { seq: n as u64, state: Box::new(state) }, LOCAL).unwrap();
            if lost {
                live.lost(LOCAL, "gone".to_owned());
            }
            for key in &keys {
                update(&mut app, views::now(&live, LOCAL), *key);
                terminal.draw(|f| views::draw(f, &app, &live, LOCAL)).unwrap();
                prop_assert!(app.back.len() <= 50);
            }
        }
    }
}
