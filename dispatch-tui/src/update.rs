//! A key and what it makes of the state. Nothing here draws, waits or asks a clock.

use crate::keys::{Action, Key, action};
use crate::search;
use crate::state::{App, Now, Overlay, Screen, Spot, Target};
use crate::views::{devices, ladder, machinery, overview, vehicle};

/// How many lines a page key goes.
const PAGE: isize = 10;

/// Takes a key. `now` is the feed, once there is one.
pub fn update(app: &mut App, now: Option<Now<'_>>, key: Key) {
    if key == Key::ControlC {
        app.over = true;
        return;
    }
    match &mut app.overlay {
        Overlay::Help => app.overlay = Overlay::None,
        Overlay::Search { .. } => typed(app, now, key),
        Overlay::None => {
            if let Some(action) = action(key) {
                act(app, now, action);
            }
        }
    }
}

fn act(app: &mut App, now: Option<Now<'_>>, action: Action) {
    match action {
        Action::Quit => app.over = true,
        Action::Help => app.overlay = Overlay::Help,
        Action::Search => app.overlay = Overlay::Search { text: String::new(), selected: 0 },
        Action::Language => app.lang = app.lang.other(),
        Action::Back => {
            if let Some(spot) = app.back.pop() {
                app.spot = spot;
            }
        }
        Action::NextView => tab(app, now, 1),
        Action::PreviousView => tab(app, now, Screen::ALL.len() - 1),
        Action::Open => open(app, now),
        Action::Up => step(app, now, -1),
        Action::Down => step(app, now, 1),
        Action::PageUp => step(app, now, -PAGE),
        Action::PageDown => step(app, now, PAGE),
        Action::First => step(app, now, isize::MIN),
        Action::Last => step(app, now, isize::MAX),
        Action::Left => sideways(app, now, -1),
        Action::Right => sideways(app, now, 1),
    }
}

/// The next view keeps what is selected in this one.
fn tab(app: &mut App, now: Option<Now<'_>>, steps: usize) {
    let at = Screen::ALL.iter().position(|s| *s == app.spot.screen).unwrap_or(0);
    let screen = Screen::ALL.get((at + steps) % Screen::ALL.len()).copied().unwrap_or_default();
    let carried = now.map_or_else(|| app.spot.clone(), |now| carry(&app.spot, now));
    app.spot = Spot { screen, ..carried };
}

/// With the route and vehicle that the selection stands for.
fn carry(spot: &Spot, now: Now<'_>) -> Spot {
    let mut to = spot.clone();
    match spot.screen {
        Screen::Overview => {
            let (route, vehicle) = selected(spot, now);
            if route.is_some() && route != to.route {
                to.vehicle = None;
                to.stop = None;
            }
            to.route = route.or(to.route);
            to.vehicle = vehicle.or(to.vehicle);
        }
        Screen::Ladder => {
            to.route = ladder::route(spot, now).map(|r| r.id.clone());
            to.vehicle = ladder::selected(spot, now).map(|v| v.id.clone()).or(to.vehicle);
        }
        Screen::Vehicle => {
            let shown = vehicle::shown(spot, now);
            to.route = shown.and_then(|v| v.trip.as_ref()).map(|t| t.route_id.clone()).or(to.route);
            to.vehicle = shown.map(|v| v.id.clone()).or(to.vehicle);
        }
        Screen::Devices => {
            let device = devices::selected(spot, now);
            to.device = device.map(|d| d.id.clone());
            to.vehicle = device.and_then(|d| d.vehicle_id.clone()).filter(|id| is_there(now, id)).or(to.vehicle);
        }
        // A machine is no vehicle of a route: it is carried by Enter only.
        Screen::Machinery => {}
    }
    to.scroll = 0;
    to
}

/// The route and vehicle that the overview's selection is about.
fn selected(spot: &Spot, now: Now<'_>) -> (Option<String>, Option<String>) {
    match overview::selected(spot, now) {
        Some(Target::Route(id)) => (Some(id), None),
        Some(Target::Concern(key)) => {
            let concern = now.state.concerns.iter().find(|c| c.key == key);
            concern.map_or((None, None), |c| (c.route_id.clone(), c.vehicle_id.clone()))
        }
        None => (None, None),
    }
}

/// Enter: from the overview to the vehicle or route that is meant, from the ladder to the vehicle,
/// from the vehicle to its place on the ladder.
fn open(app: &mut App, now: Option<Now<'_>>) {
    let Some(now) = now else { return };
    let mut to = carry(&app.spot, now);
    let screen = match app.spot.screen {
        Screen::Overview => match selected(&app.spot, now) {
            (_, Some(_)) => Screen::Vehicle,
            (Some(_), None) => Screen::Ladder,
            (None, None) => return,
        },
        Screen::Ladder if ladder::selected(&app.spot, now).is_some() => Screen::Vehicle,
        Screen::Vehicle if vehicle::shown(&app.spot, now).is_some_and(|v| v.trip.is_some()) => Screen::Ladder,
        Screen::Devices
            if devices::selected(&app.spot, now)
                .and_then(|d| d.vehicle_id.as_deref())
                .is_some_and(|id| is_there(now, id)) =>
        {
            Screen::Vehicle
        }
        Screen::Machinery => match machinery::machine(&app.spot, now) {
            Some(machine) => {
                to.vehicle = Some(machine.id.clone());
                Screen::Vehicle
            }
            None => return,
        },
        Screen::Ladder | Screen::Vehicle | Screen::Devices => return,
    };
    app.go(Spot { screen, ..to });
}

/// Whether the engine has seen a vehicle today.
fn is_there(now: Now<'_>, id: &str) -> bool {
    now.state.vehicles.iter().any(|v| v.id == id)
}

fn step(app: &mut App, now: Option<Now<'_>>, by: isize) {
    let Some(now) = now else { return };
    let spot = &mut app.spot;
    match spot.screen {
        Screen::Overview => {
            let targets = overview::targets(now);
            let at = overview::selected(spot, now).and_then(|t| targets.iter().position(|have| *have == t));
            spot.overview = moved(at, by, targets.len()).and_then(|at| targets.get(at).cloned());
        }
        Screen::Ladder => {
            let vehicles = ladder::order(spot, now);
            let at = ladder::selected(spot, now).and_then(|v| vehicles.iter().position(|have| have.id == v.id));
            let to = moved(at, by, vehicles.len()).and_then(|at| vehicles.get(at));
            spot.vehicle = to.map(|v| v.id.clone());
        }
        Screen::Vehicle => {
            let stops = vehicle::shown(spot, now).map_or(0, |v| v.stops_ahead.len());
            spot.scroll = moved(Some(spot.scroll), by, stops).unwrap_or(0);
        }
        Screen::Devices => {
            let all = devices::order(now);
            let at = devices::selected(spot, now).and_then(|d| all.iter().position(|id| *id == d.id));
            spot.device = moved(at, by, all.len()).and_then(|at| all.get(at)).map(|id| (*id).to_owned());
        }
        Screen::Machinery => {
            let targets = machinery::targets(now);
            let at = machinery::selected(spot, now).and_then(|k| targets.iter().position(|have| *have == k));
            spot.machinery = moved(at, by, targets.len()).and_then(|at| targets.get(at).cloned());
        }
    }
}

/// So many further in a list of `len`, no further than its ends.
fn moved(at: Option<usize>, by: isize, len: usize) -> Option<usize> {
    let last = len.checked_sub(1)?;
    Some(at.unwrap_or(0).saturating_add_signed(by).min(last))
}

fn sideways(app: &mut App, now: Option<Now<'_>>, by: isize) {
    let Some(now) = now else { return };
    let spot = &mut app.spot;
    match spot.screen {
        Screen::Overview | Screen::Machinery | Screen::Devices => {}
        Screen::Ladder => {
            if let Some(v) = ladder::across(spot, now) {
                spot.vehicle = Some(v.id.clone());
            }
        }
        Screen::Vehicle => {
            let vehicles = vehicle::neighbours(spot, now);
            let at = vehicle::shown(spot, now).and_then(|v| vehicles.iter().position(|have| have.id == v.id));
            if let Some(v) = moved(at, by, vehicles.len()).and_then(|at| vehicles.get(at)) {
                spot.vehicle = Some(v.id.clone());
                spot.scroll = 0;
            }
        }
    }
}

/// A key while the search is open.
fn typed(app: &mut App, now: Option<Now<'_>>, key: Key) {
    let Overlay::Search { text, selected } = &mut app.overlay else { return };
    let found = now.map(|now| search::find(now, app.lang, text)).unwrap_or_default();
    match key {
        Key::Esc => app.overlay = Overlay::None,
        Key::Backspace => {
            text.pop();
            *selected = 0;
        }
        Key::Char(c) if text.chars().count() < 60 && !c.is_control() => {
            text.push(c);
            *selected = 0;
        }
        Key::Up => *selected = moved(Some(*selected), -1, found.len()).unwrap_or(0),
        Key::Down => *selected = moved(Some(*selected), 1, found.len()).unwrap_or(0),
        Key::Enter => {
            if let Some(found) = found.get(*selected) {
                let to = found.spot(&app.spot);
                app.overlay = Overlay::None;
                app.go(to);
            }
        }
        _ => {}
    }
}
