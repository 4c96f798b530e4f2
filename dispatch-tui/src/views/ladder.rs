//! The ladder of a route: its rails side by side, stops to scale of their number, vehicles where
//! they are, and in brackets where the timetable wants them.
//!
//! ```text
//!  ▼ Station                         ▲ Centre
//!         Centre ●                          Centre ●
//!                │                          Market ○ ▲1045 −2 min
//!         Market ○ ▼1024 +4 min                    │
//!         School ○ (1024)                   School ○
//!        Station ●                         Station ●
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde::Serialize;
use transit_model::cells::{cut, harmless, right, width};
use transit_model::dispatch::{LadderRail, RouteView, VehicleView};
use transit_model::lang::Lang;

use super::{lines, overview};
use crate::position::{self, Freshness, freshness, on_rail, rail_of, rails};
use crate::state::{App, Now, Spot};
use crate::{theme, words};

/// A vehicle of the route, as `--once` prints it.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Row {
    /// The vehicle.
    pub vehicle_id: String,
    /// `direction_id` of its rail.
    pub direction: Option<u8>,
    /// Where it goes.
    pub headsign: String,
    /// What it is doing.
    pub phase: String,
    /// Where it is on the rail, in stops from the first; empty when it is not on the line.
    pub position: Option<f64>,
    /// Where the timetable wants it.
    pub scheduled_position: Option<f64>,
    /// The stop it comes to.
    pub next_stop: String,
    /// Behind the timetable, seconds.
    pub delay_s: Option<i64>,
    /// Age of its last fix, seconds.
    pub age_s: i64,
    /// How old that is.
    pub freshness: Freshness,
}

/// The vehicles of a route, in the order they stand on the screen.
#[must_use]
pub fn rows(now: Now<'_>, route: &str) -> Vec<Row> {
    let rails = rails(now.state, route);
    let row = |v: &VehicleView| {
        let rail = rail_of(rails, v, route).and_then(|at| rails.get(at));
        let place = |p: Option<&transit_model::dispatch::Place>| on_rail(rail?, p?);
        let next = v.place.as_ref().map(|p| position::between(now.state, v, p).1);
        let age_s = now.age(v.fix_time);
        Row {
            vehicle_id: v.id.clone(),
            direction: v.trip.as_ref().and_then(|t| t.direction),
            headsign: v.trip.as_ref().map(|t| harmless(&t.headsign)).unwrap_or_default(),
            phase: v.phase.name().to_owned(),
            position: place(v.place.as_ref()),
            scheduled_position: place(v.scheduled_place.as_ref()),
            next_stop: harmless(&next.unwrap_or_default()),
            delay_s: v.delay,
            age_s,
            freshness: freshness(age_s),
        }
    };
    order_of(now, route).into_iter().map(row).collect()
}

/// The route that is shown: the one chosen while it is there, else the overview's first.
#[must_use]
pub fn route<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a RouteView> {
    let find = |id: &str| now.state.routes.iter().find(|r| r.id == id);
    let named = |name: &str| now.state.routes.iter().find(|r| r.name == name);
    let chosen = spot.route.as_deref().and_then(|asked| find(asked).or_else(|| named(asked)));
    chosen.or_else(|| overview::rows(now).first().and_then(|r| find(&r.id)))
}

/// A vehicle on a rail.
struct Placed<'a> {
    vehicle: &'a VehicleView,
    rail: usize,
    /// In stops from the rail's first.
    at: f64,
}

fn placed<'a>(now: Now<'a>, route: &str) -> Vec<Placed<'a>> {
    let rails = rails(now.state, route);
    let vehicles = now.state.vehicles.iter();
    let place = |vehicle: &'a VehicleView| {
        let rail = rail_of(rails, vehicle, route)?;
        let at = on_rail(rails.get(rail)?, vehicle.place.as_ref()?)?;
        Some(Placed { vehicle, rail, at })
    };
    vehicles.filter_map(place).collect()
}

/// Whether a rail is drawn upwards: the second one, so that both ends of the line stand side by side.
const fn upwards(rail: usize) -> bool {
    rail % 2 == 1
}

/// The vehicles of the route shown, rail by rail from the top, those not on the line last.
#[must_use]
pub fn order<'a>(spot: &Spot, now: Now<'a>) -> Vec<&'a VehicleView> {
    route(spot, now).map(|r| order_of(now, &r.id)).unwrap_or_default()
}

fn order_of<'a>(now: Now<'a>, route: &str) -> Vec<&'a VehicleView> {
    let mut on = placed(now, route);
    let from_top = |p: &Placed<'_>| if upwards(p.rail) { -p.at } else { p.at };
    on.sort_by(|a, b| {
        a.rail.cmp(&b.rail).then(from_top(a).total_cmp(&from_top(b))).then_with(|| a.vehicle.id.cmp(&b.vehicle.id))
    });
    let mut vehicles: Vec<&VehicleView> = on.iter().map(|p| p.vehicle).collect();
    vehicles.extend(unplaced(now, route, &on));
    vehicles
}

fn unplaced<'a>(now: Now<'a>, route: &str, on: &[Placed<'_>]) -> Vec<&'a VehicleView> {
    let is_on = |v: &VehicleView| on.iter().any(|p| p.vehicle.id == v.id);
    let of_route = |v: &&VehicleView| v.trip.as_ref().is_some_and(|t| t.route_id == route);
    now.state.vehicles.iter().filter(of_route).filter(|v| !is_on(v)).collect()
}

/// The vehicle that is selected: the one chosen while it is on the route, else the first.
#[must_use]
pub fn selected<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a VehicleView> {
    let all = order(spot, now);
    let chosen = all.iter().find(|v| Some(&v.id) == spot.vehicle.as_ref());
    chosen.or(all.first()).copied()
}

/// The vehicle of another rail that stands nearest to the selected one.
#[must_use]
pub fn across<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a VehicleView> {
    let route = route(spot, now)?;
    let rails = rails(now.state, &route.id);
    let on = placed(now, &route.id);
    let height = |p: &Placed<'_>| {
        let share = p.at / last(rails.get(p.rail)).max(1.0);
        if upwards(p.rail) { 1.0 - share } else { share }
    };
    let chosen = selected(spot, now)?;
    let here = on.iter().find(|p| p.vehicle.id == chosen.id)?;
    let away = |p: &Placed<'_>| (height(p) - height(here)).abs();
    on.iter().filter(|p| p.rail != here.rail).min_by(|a, b| away(a).total_cmp(&away(b))).map(|p| p.vehicle)
}

/// The last stop's place, in stops from the first.
#[expect(clippy::cast_precision_loss, reason = "a rail has a few hundred stops")]
fn last(rail: Option<&LadderRail>) -> f64 {
    rail.map_or(0, |r| r.stops.len().saturating_sub(1)) as f64
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, now: Now<'_>) {
    let lang = app.lang;
    let Some(route) = route(&app.spot, now) else {
        lines(frame, area, vec![Line::styled(format!(" {}", words::NO_ROUTES.of(lang)), theme::FAINT)]);
        return;
    };
    let [title, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    lines(frame, title, vec![headline(route, lang)]);
    let rails = rails(now.state, &route.id);
    let on = placed(now, &route.id);
    let chosen = selected(&app.spot, now).map(|v| v.id.as_str());
    lines(
        frame,
        foot,
        vec![off_the_line(&unplaced(now, &route.id, &on), !on.is_empty(), chosen, lang, usize::from(area.width))],
    );
    if rails.is_empty() {
        lines(frame, body, vec![Line::styled(format!(" {}", words::NO_LADDER.of(lang)), theme::FAINT)]);
        return;
    }
    // Side by side as many as can be read; a feed rarely has more than two directions.
    let columns = rails.len().min(usize::from(area.width / 30).max(1));
    let areas = Layout::horizontal(vec![Constraint::Fill(1); columns]).split(body);
    for (at, (rail, area)) in rails.iter().zip(areas.iter()).enumerate() {
        let view = Rail { rail, at, on: &on, chosen, stop: app.spot.stop.as_deref(), now, lang };
        lines(frame, *area, view.lines(*area));
    }
}

fn headline(route: &RouteView, lang: Lang) -> Line<'static> {
    let what = format!(" {} {} ", words::mode(lang, route.mode), harmless(&route.name));
    let count = format!(" {} {}/{}  ", words::ON_LINE.of(lang).to_lowercase(), route.running, route.scheduled);
    let style = if route.running < route.scheduled { theme::BAD } else { theme::PLAIN };
    Line::from(vec![
        Span::styled(what, theme::STRONG.patch(theme::BAND)),
        Span::styled(count, style),
        Span::styled(harmless(&route.long_name), theme::FAINT),
    ])
}

/// Vehicles that have a trip of the route and no place on it; else what the brackets mean.
fn off_the_line(
    vehicles: &[&VehicleView],
    some_on: bool,
    chosen: Option<&str>,
    lang: Lang,
    cells: usize,
) -> Line<'static> {
    if vehicles.is_empty() {
        let note = if some_on { words::GHOST_NOTE } else { words::NO_VEHICLES };
        return Line::styled(cut(&format!(" {}", note.of(lang)), cells), theme::FAINT);
    }
    let mut spans = vec![Span::styled(format!(" {}: ", words::NOT_ON_LINE.of(lang)), theme::FAINT)];
    for v in vehicles {
        let text = format!("{} {}", harmless(&v.id), words::phase(lang, v.phase));
        let is_chosen = chosen == Some(v.id.as_str());
        spans.push(Span::styled(text, if is_chosen { theme::SELECTED } else { theme::PLAIN }));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// One rail to draw.
struct Rail<'a> {
    rail: &'a LadderRail,
    at: usize,
    on: &'a [Placed<'a>],
    chosen: Option<&'a str>,
    stop: Option<&'a str>,
    now: Now<'a>,
    lang: Lang,
}

impl Rail<'_> {
    /// The line on which a place stands, 0 = the top one of `rows`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "within the rows"
    )]
    fn line_of(&self, at: f64, rows: usize) -> usize {
        let bottom = rows.saturating_sub(1);
        let share = (at / last(Some(self.rail)).max(1.0)).clamp(0.0, 1.0);
        let from_top = if upwards(self.at) { 1.0 - share } else { share };
        ((from_top * bottom as f64).round() as usize).min(bottom)
    }

    fn lines(&self, area: Rect) -> Vec<Line<'static>> {
        let cells = usize::from(area.width);
        let rows = usize::from(area.height).saturating_sub(1);
        let arrow = if upwards(self.at) { "▲" } else { "▼" };
        let head = format!(" {arrow} {}", harmless(&self.rail.headsign));
        let mut out = vec![Line::styled(cut(&head, cells), theme::STRONG)];
        let longest = self.rail.stops.iter().map(|s| width(&s.name)).max().unwrap_or(0);
        let names = longest.clamp(4, (cells * 2 / 5).max(4));
        let room = cells.saturating_sub(names + 4);
        for line in 0..rows {
            let (name, sign, style) = self.stop_on(line, rows);
            let mut spans = vec![
                Span::styled(format!(" {}", right(&name, names)), style),
                Span::styled(format!(" {sign} "), theme::FAINT),
            ];
            spans.extend(self.vehicles_on(line, rows, arrow, room));
            out.push(Line::from(spans));
        }
        out
    }

    /// The stop that stands on a line. Where several do, a terminal, or the one searched for, or the first.
    fn stop_on(&self, line: usize, rows: usize) -> (String, &'static str, Style) {
        let end = self.rail.stops.len().saturating_sub(1);
        let here = self.rail.stops.iter().enumerate().filter(|(at, _)| {
            #[expect(clippy::cast_precision_loss, reason = "a rail has a few hundred stops")]
            let at = *at as f64;
            self.line_of(at, rows) == line
        });
        let weight = |at: usize, id: &str| u8::from(Some(id) == self.stop) * 2 + u8::from(at == 0 || at == end);
        let best = here.reduce(|a, b| if weight(b.0, &b.1.id) > weight(a.0, &a.1.id) { b } else { a });
        match best {
            None => (String::new(), "│", theme::PLAIN),
            Some((_, stop)) if Some(stop.id.as_str()) == self.stop => {
                (format!("▶ {}", harmless(&stop.name)), "◆", theme::SELECTED)
            }
            Some((at, stop)) if at == 0 || at == end => (harmless(&stop.name), "●", theme::STRONG),
            Some((_, stop)) => (harmless(&stop.name), "○", theme::PLAIN),
        }
    }

    /// The vehicles and ghosts that stand on a line; the selected one first, a count for those that do not fit.
    fn vehicles_on(&self, line: usize, rows: usize, arrow: &str, room: usize) -> Vec<Span<'static>> {
        let mine = || self.on.iter().filter(|p| p.rail == self.at);
        let mut here: Vec<&Placed<'_>> = mine().filter(|p| self.line_of(p.at, rows) == line).collect();
        here.sort_by_key(|p| self.chosen != Some(p.vehicle.id.as_str()));
        let mut marks: Vec<(String, Style)> = here.iter().map(|p| self.mark(p.vehicle, arrow)).collect();
        marks.extend(mine().filter_map(|p| {
            let wanted = self.line_of(on_rail(self.rail, p.vehicle.scheduled_place.as_ref()?)?, rows);
            // One that keeps its timetable has no ghost: brackets are for what should be elsewhere.
            let strays = p.vehicle.delay.is_none_or(|d| d.abs() >= 60);
            let elsewhere = strays && wanted == line && self.line_of(p.at, rows) != line;
            elsewhere.then(|| (format!("({})", harmless(&p.vehicle.id)), theme::FAINT))
        }));
        let mut spans = Vec::new();
        let (mut used, count) = (0, marks.len());
        for (n, (text, style)) in marks.into_iter().enumerate() {
            let more = count - n;
            let reserve = if more > 1 { 4 } else { 0 };
            if used + width(&text) + reserve > room && n > 0 {
                spans.push(Span::styled(format!("+{more}"), theme::WARN));
                break;
            }
            let text = cut(&text, room.saturating_sub(used));
            used += width(&text) + 2;
            spans.push(Span::styled(text, style));
            spans.push(Span::raw("  "));
        }
        spans
    }

    /// A vehicle: its number and how it keeps its timetable, or since when it is silent.
    fn mark(&self, v: &VehicleView, arrow: &str) -> (String, Style) {
        let age = self.now.age(v.fix_time);
        let ago = || format!("? {} {}", words::age(self.lang, age), words::AGO.of(self.lang));
        let delay = v.delay.map(|d| words::delay(self.lang, d)).unwrap_or_default();
        let (says, style) = match freshness(age) {
            Freshness::Fresh => (delay, delay_style(v.delay)),
            Freshness::Marked => (format!("{delay}, {}", words::age(self.lang, age)), theme::WARN),
            Freshness::Stale => (ago(), theme::WARN),
            Freshness::Silent => (ago(), theme::BAD),
        };
        let off = v.phase == transit_model::dispatch::Phase::OffRoute;
        let off = if off { format!(" {}", words::phase(self.lang, v.phase)) } else { String::new() };
        let chosen = self.chosen == Some(v.id.as_str());
        let style = if chosen { style.patch(theme::SELECTED) } else { style };
        let mark = if chosen { "»" } else { "" };
        (format!("{mark}{arrow}{} {says}{off}", harmless(&v.id)).trim_end().to_owned(), style)
    }
}

/// As the overview counts: more than a minute early, more than five late.
pub(super) const fn delay_style(delay: Option<i64>) -> Style {
    match delay {
        Some(d) if d < -60 => theme::WARN,
        Some(d) if d > 300 => theme::BAD,
        Some(_) => theme::GOOD,
        None => theme::PLAIN,
    }
}
