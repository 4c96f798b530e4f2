//! A vehicle: what it does, how old that is, where it is, and its next stops.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde::Serialize;
use transit_model::cells::{cut, harmless, left, width, wrap};
use transit_model::dispatch::{Place, StopAhead, VehicleKind, VehicleView};
use transit_model::lang::Lang;
use transit_model::time::Zone;

use super::{Column, ladder, lines};
use crate::position::{Freshness, between, freshness};
use crate::state::{App, Now, Spot};
use crate::{theme, words};

/// A stop ahead, as `--once` prints it.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Row {
    /// The vehicle.
    pub vehicle_id: String,
    /// `stop_id`.
    pub stop_id: String,
    /// Its name.
    pub stop: String,
    /// `stop_sequence`.
    pub stop_sequence: u32,
    /// The timetable's arrival, RFC 3339.
    pub scheduled: String,
    /// The predicted arrival.
    pub arrival: String,
    /// One in ten comes before this.
    pub arrival_p10: String,
    /// Nine in ten come before this.
    pub arrival_p90: String,
    /// The predicted departure.
    pub departure: String,
    /// Predicted less scheduled arrival, seconds.
    pub difference_s: i64,
}

/// The stops ahead of a vehicle, the nearest first.
#[must_use]
pub fn rows(now: Now<'_>, vehicle: &VehicleView) -> Vec<Row> {
    let zone = zone(now);
    let row = |s: &StopAhead| Row {
        vehicle_id: vehicle.id.clone(),
        stop_id: s.stop_id.clone(),
        stop: harmless(&s.name),
        stop_sequence: s.stop_sequence,
        scheduled: s.scheduled.rfc3339(&zone),
        arrival: s.arrival.rfc3339(&zone),
        arrival_p10: s.arrival_p10.rfc3339(&zone),
        arrival_p90: s.arrival_p90.rfc3339(&zone),
        departure: s.departure.rfc3339(&zone),
        difference_s: s.arrival.secs_since(s.scheduled),
    };
    vehicle.stops_ahead.iter().map(row).collect()
}

fn zone(now: Now<'_>) -> Zone {
    Zone::named(&now.state.zone).unwrap_or_else(|_| Zone::utc())
}

/// The vehicle that is shown: the one chosen; when none was, the one a concern is about, or the first.
/// `None` when there is none, or the one chosen is gone.
#[must_use]
pub fn shown<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a VehicleView> {
    let find = |id: &str| now.state.vehicles.iter().find(|v| v.id == id);
    if let Some(id) = &spot.vehicle {
        return find(id);
    }
    let urgent = now.state.concerns.iter().filter_map(|c| c.vehicle_id.as_deref()).find_map(find);
    urgent.or(now.state.vehicles.first())
}

/// The vehicles that ← and → go through: those of its route, or all without a trip.
#[must_use]
pub fn neighbours<'a>(spot: &Spot, now: Now<'a>) -> Vec<&'a VehicleView> {
    let route = |v: &VehicleView| v.trip.as_ref().map(|t| t.route_id.clone());
    let here = shown(spot, now).and_then(route);
    now.state.vehicles.iter().filter(|v| route(v) == here).collect()
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, now: Now<'_>) {
    let lang = app.lang;
    let Some(v) = shown(&app.spot, now) else {
        let words = if app.spot.vehicle.is_some() { words::NO_VEHICLE } else { words::NO_VEHICLE_YET };
        lines(frame, area, vec![Line::styled(format!(" {}", words.of(lang)), theme::FAINT)]);
        return;
    };
    let cells = usize::from(area.width);
    let mut out = vec![headline(v, now, lang, cells)];
    out.extend(facts(v, now, lang, cells));
    let room = usize::from(area.height).saturating_sub(out.len() + 1);
    if room > 0 {
        out.push(Line::default());
        out.extend(ahead(v, now, lang, cells, room, app.spot.scroll));
    }
    lines(frame, area, out);
}

/// Number, what it is doing, how it keeps its timetable: what is read in one second.
fn headline(v: &VehicleView, now: Now<'_>, lang: Lang, cells: usize) -> Line<'static> {
    let mode = v.trip.as_ref().and_then(|t| now.state.routes.iter().find(|r| r.id == t.route_id));
    let kind = match (v.kind, mode) {
        (VehicleKind::Transit, Some(route)) => words::mode(lang, route.mode),
        (VehicleKind::Transit, None) => "",
        (kind, _) => words::machine(lang, kind.machine().unwrap_or_default()),
    };
    let what = format!(" {} ", format!("{kind} {}", harmless(&v.id)).trim());
    let age = now.age(v.fix_time);
    let old = freshness(age);
    let mut spans = vec![Span::styled(cut(&what, cells), theme::STRONG.patch(theme::BAND)), Span::raw("  ")];
    spans.push(Span::styled(words::phase(lang, v.phase), theme::STRONG));
    if let Some(delay) = v.delay {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(words::delay_in_full(lang, delay), ladder::delay_style(v.delay)));
    }
    if old >= Freshness::Stale {
        let words =
            format!("  ⚠ {} {} {}", words::DATA.of(lang).to_lowercase(), words::age(lang, age), words::AGO.of(lang));
        spans.push(Span::styled(words, theme::BAD));
    }
    Line::from(spans)
}

fn facts(v: &VehicleView, now: Now<'_>, lang: Lang, cells: usize) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    let mut fact = |name: &str, text: &str, style: Style| {
        for (n, line) in wrap(text, cells.saturating_sub(12), 2).into_iter().enumerate() {
            let head = if n == 0 { left(&format!(" {name}"), 11) } else { " ".repeat(11) };
            out.push(Line::from(vec![Span::styled(head, theme::FAINT), Span::styled(line, style)]));
        }
    };
    for c in now.state.concerns.iter().filter(|c| c.vehicle_id.as_deref() == Some(v.id.as_str())) {
        let text = format!("{}, {}", harmless(lang.pick(&c.text_uk, &c.text_en)), words::age(lang, now.age(c.since)));
        fact("⚠", &text, theme::level(c.level));
    }
    fact(words::SURE.of(lang), &format!("{:.0} %", v.confidence.clamp(0.0, 1.0) * 100.0), theme::PLAIN);
    let trip = v.trip.as_ref().map_or_else(
        || words::NO_TRIP.of(lang).to_owned(),
        |t| {
            let block = t.block_id.as_ref().map(|b| format!(", {} {b}", words::BLOCK.of(lang))).unwrap_or_default();
            let date = t.service_date.date().strftime("%d.%m.%Y");
            harmless(&format!("{} → {}  ({}, {date}{block})", t.route, t.headsign, t.trip_id))
        },
    );
    fact(words::TRIP.of(lang), &trip, theme::PLAIN);
    if let Some(place) = &v.place {
        fact(words::PLACE.of(lang), &place_words(v, place, now), theme::PLAIN);
    }
    if let Some(place) = v.scheduled_place.as_ref().filter(|p| Some(*p) != v.place.as_ref()) {
        fact("", &format!("{}: {}", words::PLANNED_PLACE.of(lang), place_words(v, place, now)), theme::FAINT);
    }
    let age = now.age(v.fix_time);
    let mut data =
        vec![format!("{} {} ({})", words::age(lang, age), words::AGO.of(lang), words::hhmmss(&zone(now), v.fix_time))];
    data.extend(v.speed.filter(|s| s.is_finite()).map(|s| format!("{:.0} {}", s * 3.6, words::KM_H.of(lang))));
    data.push(format!("{:.5}, {:.5}", v.lat, v.lon));
    let style = match freshness(age) {
        Freshness::Fresh => theme::PLAIN,
        Freshness::Marked => theme::WARN,
        Freshness::Stale | Freshness::Silent => theme::BAD,
    };
    fact(words::DATA.of(lang), &data.join(" · "), style);
    out
}

/// "Ринок → Центральна, 40 %".
fn place_words(v: &VehicleView, place: &Place, now: Now<'_>) -> String {
    let (before, next) = between(now.state, v, place);
    let share = format!("{:.0} %", place.fraction.clamp(0.0, 1.0) * 100.0);
    match before {
        Some(before) => harmless(&format!("{before} → {next}, {share}")),
        None => harmless(&format!("→ {next}, {share}")),
    }
}

/// The stops ahead, from the scrolled one on.
fn ahead(v: &VehicleView, now: Now<'_>, lang: Lang, cells: usize, room: usize, scroll: usize) -> Vec<Line<'static>> {
    if v.stops_ahead.is_empty() {
        return vec![Line::styled(format!(" {}", words::NO_STOPS_AHEAD.of(lang)), theme::FAINT)];
    }
    let zone = zone(now);
    let columns = [
        Column::right(words::SCHEDULED.of(lang), 8),
        Column::right(words::PREDICTED.of(lang), 8),
        Column::right(words::INTERVAL.of(lang), 12),
        Column::right(words::DIFFERENCE.of(lang), 9),
    ];
    let fixed: usize = columns.iter().map(|c| c.cells + 1).sum();
    let names = v.stops_ahead.iter().map(|s| width(&s.name)).max().unwrap_or(0).max(8);
    let name = Column::left(words::STOP.of(lang), names.min(cells.saturating_sub(fixed + 2)));
    let mut head = format!(" {}", name.cell(name.head));
    columns.iter().for_each(|c| head.push_str(&c.cell(c.head)));
    let mut out = vec![Line::styled(cut(&head, cells), theme::HEAD)];
    let last = v.stops_ahead.len().saturating_sub(room.saturating_sub(1).max(1));
    let old = freshness(now.age(v.fix_time)) >= Freshness::Stale;
    for s in v.stops_ahead.iter().skip(scroll.min(last)).take(room.saturating_sub(1)) {
        let difference = s.arrival.secs_since(s.scheduled);
        // A prediction from data this old is the timetable's echo; it is marked as such.
        let mark = if old { "?" } else { "" };
        let texts = [
            (zone.hhmm(s.scheduled), theme::PLAIN),
            (format!("{mark}{}", zone.hhmm(s.arrival)), theme::STRONG),
            (format!("{}–{}", zone.hhmm(s.arrival_p10), zone.hhmm(s.arrival_p90)), theme::PLAIN),
            (words::delay(lang, difference), ladder::delay_style(Some(difference))),
        ];
        let mut spans = vec![Span::styled(format!(" {}", name.cell(&harmless(&s.name))), theme::PLAIN)];
        let cells = columns
            .iter()
            .zip(texts)
            .map(|(c, (text, style))| Span::styled(c.cell(&text), if old { theme::FAINT } else { style }));
        spans.extend(cells);
        out.push(Line::from(spans));
    }
    out
}
