//! Finding a route, a vehicle or a stop by what the dispatcher types.

use transit_model::cells::harmless;
use transit_model::lang::Lang;

use crate::state::{Now, Screen, Spot};
use crate::words;

/// No more than these are offered.
const MOST: usize = 50;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A route: its ladder.
    Route {
        /// `route_id`.
        id: String,
        /// To read.
        text: String,
    },
    /// A vehicle.
    Vehicle {
        /// Its name.
        id: String,
        /// To read.
        text: String,
    },
    /// A stop: the ladder of a route that calls there.
    Stop {
        /// `stop_id`.
        id: String,
        /// `route_id`.
        route: String,
        /// To read.
        text: String,
    },
}

impl Found {
    /// To read.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Route { text, .. } | Self::Vehicle { text, .. } | Self::Stop { text, .. } => text,
        }
    }

    /// Where it is looked at.
    #[must_use]
    pub fn spot(&self, from: &Spot) -> Spot {
        let from = Spot { stop: None, scroll: 0, ..from.clone() };
        match self {
            Self::Route { id, .. } => Spot { screen: Screen::Ladder, route: Some(id.clone()), vehicle: None, ..from },
            Self::Vehicle { id, .. } => Spot { screen: Screen::Vehicle, vehicle: Some(id.clone()), ..from },
            Self::Stop { id, route, .. } => Spot {
                screen: Screen::Ladder,
                route: Some(route.clone()),
                stop: Some(id.clone()),
                vehicle: None,
                ..from
            },
        }
    }
}

/// What the typed text may mean: names that are it, then names that begin with it, then names that
/// hold it; of each, routes before vehicles before stops. Case does not matter.
#[must_use]
pub fn find(now: Now<'_>, lang: Lang, typed: &str) -> Vec<Found> {
    let typed = typed.trim().to_lowercase();
    if typed.is_empty() {
        return Vec::new();
    }
    let mut ranked: Vec<(u8, Found)> = Vec::new();
    let state = now.state;
    for r in &state.routes {
        if let Some(rank) = rank(&[&r.name, &r.long_name], &typed) {
            let text = format!("{} {} {}", words::mode(lang, r.mode), r.name, r.long_name);
            ranked.push((rank, Found::Route { id: r.id.clone(), text: harmless(text.trim()) }));
        }
    }
    for v in &state.vehicles {
        if let Some(rank) = rank(&[&v.id], &typed) {
            let on = v.trip.as_ref().map(|t| format!(", {} → {}", t.route, t.headsign)).unwrap_or_default();
            let text = format!("{} {}{on}", words::VEHICLE.of(lang).to_lowercase(), v.id);
            ranked.push((rank, Found::Vehicle { id: v.id.clone(), text: harmless(&text) }));
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for (route, rails) in &state.ladders {
        for stop in rails.iter().flat_map(|r| &r.stops) {
            let Some(rank) = rank(&[&stop.name, &stop.id], &typed) else { continue };
            if seen.contains(&stop.id.as_str()) {
                continue;
            }
            seen.push(&stop.id);
            let name = state.routes.iter().find(|r| r.id == *route).map_or(route.as_str(), |r| r.name.as_str());
            let place = words::STOP.of(lang).to_lowercase();
            let on = words::ROUTE.of(lang).to_lowercase();
            let text = harmless(&format!("{place} {}, {on} {name}", stop.name));
            ranked.push((rank, Found::Stop { id: stop.id.clone(), route: route.clone(), text }));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, found)| found).take(MOST).collect()
}

fn rank(names: &[&str], typed: &str) -> Option<u8> {
    let one = |name: &&str| {
        let name = name.to_lowercase();
        match name.find(typed)? {
            0 if name.len() == typed.len() => Some(0),
            0 => Some(1),
            _ => Some(2),
        }
    };
    names.iter().filter_map(one).min()
}
