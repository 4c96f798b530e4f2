//! The overview: what needs somebody on top, then a row a route, those that need attention first.

use std::cmp::Ordering;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde::Serialize;
use transit_model::cells::{harmless, left, right, width};
use transit_model::dispatch::{Concern, RouteView};
use transit_model::lang::Lang;

use super::{Column, lines, window};
use crate::position::{Freshness, freshness};
use crate::state::{App, Now, Spot, Target};
use crate::{theme, words};

/// How much a route needs somebody, the most first. Steps, not a score: a list that is sorted anew
/// every second by fine differences cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// No vehicle where there should be some, or a concern of the first level.
    Now,
    /// Vehicles are missing, or silent, or a concern of the second level.
    Soon,
    /// Something is early or late.
    Watch,
    /// It runs.
    #[default]
    None,
    /// Nothing is scheduled now and nothing runs.
    Idle,
}

/// A row of the overview.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Row {
    /// `route_id`.
    pub id: String,
    /// What is written on the vehicle.
    pub route: String,
    /// Its mode: `bus`, `trolleybus`, …
    pub mode: String,
    /// Its long name.
    pub long_name: String,
    /// How much it needs somebody.
    pub attention: Attention,
    /// Vehicles in service on it, seen within three minutes.
    pub running: u32,
    /// Trips the timetable has on the road.
    pub scheduled: u32,
    /// More than a minute early.
    pub early: u32,
    /// From a minute early to five late.
    pub on_time: u32,
    /// More than five minutes late.
    pub late: u32,
    /// Concerns about it.
    pub concerns: usize,
    /// Age of the latest fix of any of its vehicles, seconds.
    pub last_seen_s: Option<i64>,
    /// Whether that was silence when the server last spoke: while our own link is lost, ages grow
    /// and nobody is to blame.
    pub silent: bool,
}

/// The routes, those that need somebody first, then by name as people count: 2 before 10.
#[must_use]
pub fn rows(now: Now<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = now.state.routes.iter().map(|r| row(now, r)).collect();
    rows.sort_by(|a, b| {
        a.attention.cmp(&b.attention).then_with(|| natural(&a.route, &b.route)).then_with(|| a.id.cmp(&b.id))
    });
    rows
}

fn row(now: Now<'_>, r: &RouteView) -> Row {
    let concerns = || now.state.concerns.iter().filter(|c| c.route_id.as_deref() == Some(r.id.as_str()));
    let last_seen_s = r.last_seen.map(|t| now.age(t));
    let worst = concerns().map(|c| c.level).min().unwrap_or(u8::MAX);
    let silent = r.last_seen.is_some_and(|t| freshness(now.state.now.secs_since(t)) == Freshness::Silent);
    let attention = match (r.scheduled, r.running) {
        (1.., 0) => Attention::Now,
        _ if worst <= 1 => Attention::Now,
        (scheduled, running) if running < scheduled || worst == 2 => Attention::Soon,
        (_, 1..) if silent => Attention::Soon,
        _ if r.late + r.early > 0 => Attention::Watch,
        (0, 0) => Attention::Idle,
        _ => Attention::None,
    };
    Row {
        id: r.id.clone(),
        route: harmless(&r.name),
        mode: words::mode(Lang::En, r.mode).to_owned(),
        long_name: harmless(&r.long_name),
        attention,
        running: r.running,
        scheduled: r.scheduled,
        early: r.early,
        on_time: r.on_time,
        late: r.late,
        concerns: concerns().count(),
        last_seen_s,
        silent,
    }
}

/// By the numbers in them first: 2 < 2а < 10 < А.
fn natural(a: &str, b: &str) -> Ordering {
    let number = |s: &str| {
        let digits: String = s.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(u32::MAX)
    };
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
}

/// Everything that can be selected, from the top.
#[must_use]
pub fn targets(now: Now<'_>) -> Vec<Target> {
    let concerns = concerns(now).into_iter().map(|c| Target::Concern(c.key.clone()));
    concerns.chain(rows(now).into_iter().map(|r| Target::Route(r.id))).collect()
}

/// What is selected: what was chosen while it is there, else what stands first.
#[must_use]
pub fn selected(spot: &Spot, now: Now<'_>) -> Option<Target> {
    let targets = targets(now);
    let chosen = spot.overview.as_ref().filter(|t| targets.contains(t));
    chosen.or(targets.first()).cloned()
}

fn concerns(now: Now<'_>) -> Vec<&Concern> {
    let mut all: Vec<&Concern> = now.state.concerns.iter().collect();
    all.sort_by_key(|c| c.level);
    all
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, now: Now<'_>) {
    let selected = selected(&app.spot, now);
    let concerns = concerns(now);
    // A third of the screen at most, and no more lines than there are concerns; one says there are none.
    let most = usize::from(area.height / 3).max(1);
    let strip = concerns.len().clamp(1, most);
    let [top, _, rest] = Layout::vertical([
        Constraint::Length(u16::try_from(strip).unwrap_or(1)),
        Constraint::Length(u16::from(area.height > 12)),
        Constraint::Fill(1),
    ])
    .areas(area);
    lines(frame, top, strip_lines(&concerns, strip, usize::from(area.width), app.lang, now, selected.as_ref()));
    routes(frame, rest, app.lang, now, selected.as_ref());
}

fn strip_lines(
    all: &[&Concern],
    room: usize,
    cells: usize,
    lang: Lang,
    now: Now<'_>,
    selected: Option<&Target>,
) -> Vec<Line<'static>> {
    if all.is_empty() {
        return vec![Line::styled(format!(" ✓ {}", words::NO_CONCERNS.of(lang)), theme::GOOD)];
    }
    let at = all.iter().position(|c| matches!(selected, Some(Target::Concern(key)) if *key == c.key));
    let shown = window(all.len(), at.unwrap_or(0), room);
    let left_out = all.len() - shown.len();
    let last = shown.end.saturating_sub(1);
    let concerns = all.iter().enumerate().skip(shown.start).take(shown.len());
    concerns
        .map(|(n, c)| {
            let level = match c.level {
                0 | 1 => words::NOW,
                2 => words::SOON,
                _ => words::NOTE,
            };
            let mark = if at == Some(n) { "▶" } else { " " };
            let more =
                if n == last && left_out > 0 { words::more_concerns(lang, left_out) + "  " } else { String::new() };
            let age = format!("  {more}{} ", right(&words::age(lang, now.age(c.since)), 6));
            let text = harmless(lang.pick(&c.text_uk, &c.text_en));
            let room = cells.saturating_sub(14 + width(&age));
            let style = if at == Some(n) { theme::SELECTED } else { theme::PLAIN };
            Line::from(vec![
                Span::styled(mark, style),
                Span::styled(format!(" {} ", left(level.of(lang), 10)), theme::level(c.level)),
                Span::styled(format!(" {}{age}", left(&text, room)), style),
            ])
        })
        .collect()
}

/// What a row says of its route in words.
fn state_words(row: &Row, lang: Lang) -> String {
    match row.attention {
        Attention::Idle => words::NOT_NOW.of(lang).to_owned(),
        _ if row.scheduled > 0 && row.running == 0 => words::NOBODY.of(lang).to_owned(),
        _ if row.running < row.scheduled => words::missing(lang, row.scheduled - row.running),
        _ if row.silent => words::SILENT_ROUTE.of(lang).to_owned(),
        _ if row.late > 0 => words::IS_LATE.of(lang).to_owned(),
        _ if row.early > 0 => words::IS_EARLY.of(lang).to_owned(),
        _ => words::IN_ORDER.of(lang).to_owned(),
    }
}

fn attention_style(row: &Row) -> (&'static str, Style) {
    match row.attention {
        Attention::Now => ("‼", theme::BAD),
        Attention::Soon => ("!", theme::WARN),
        Attention::Watch => ("~", theme::WARN),
        Attention::None => (" ", theme::GOOD),
        Attention::Idle => (" ", theme::FAINT),
    }
}

fn routes(frame: &mut Frame<'_>, area: Rect, lang: Lang, now: Now<'_>, selected: Option<&Target>) {
    let rows = rows(now);
    if rows.is_empty() {
        lines(frame, area, vec![Line::styled(format!(" {}", words::NO_ROUTES.of(lang)), theme::FAINT)]);
        return;
    }
    let cells = usize::from(area.width);
    let names = rows.iter().map(|r| width(&r.route)).max().unwrap_or(0).clamp(3, 8);
    let modes = now.state.routes.iter().map(|r| width(words::mode(lang, r.mode))).max().unwrap_or(0);
    let columns = [
        Column::left(words::ROUTE.of(lang), names + 1 + modes),
        Column::left(words::STATE.of(lang), 13),
        Column::right(words::ON_LINE.of(lang), 8),
        Column::right(words::EARLY.of(lang), 7),
        Column::right(words::ON_TIME.of(lang), 7),
        Column::right(words::LATE.of(lang), 7),
        Column::right(words::CONCERNS.of(lang), 6),
        Column::right(words::SEEN.of(lang), 6),
    ];
    let taken: usize = columns.iter().map(|c| c.cells + 1).sum::<usize>() + 4;
    let long = cells.saturating_sub(taken + 1);
    let mut head = String::from("    ");
    columns.iter().for_each(|c| head.push_str(&c.cell(c.head)));
    let mut out = vec![Line::styled(left(&head, cells), theme::HEAD)];
    let at = rows.iter().position(|r| matches!(selected, Some(Target::Route(id)) if *id == r.id));
    let shown = window(rows.len(), at.unwrap_or(0), usize::from(area.height).saturating_sub(1));
    for (n, row) in rows.iter().enumerate().skip(shown.start).take(shown.len()) {
        let mode = now.state.routes.iter().find(|r| r.id == row.id).map_or("", |r| words::mode(lang, r.mode));
        let (mark, style) = attention_style(row);
        let chosen = at == Some(n);
        let base = if chosen { theme::SELECTED } else { theme::PLAIN };
        let count = |n: u32| if n == 0 { "·".to_owned() } else { n.to_string() };
        let loud = |n: u32, style: Style| if n == 0 { theme::FAINT } else { style };
        let age = row.last_seen_s.map_or_else(|| "—".to_owned(), |s| words::age(lang, s));
        let age_style = match row.last_seen_s.map(freshness) {
            Some(Freshness::Fresh | Freshness::Marked) => theme::PLAIN,
            Some(Freshness::Stale) => theme::WARN,
            Some(Freshness::Silent) if row.attention != Attention::Idle => theme::BAD,
            Some(Freshness::Silent) | None => theme::FAINT,
        };
        let texts = [
            (format!("{} {mode}", left(&row.route, names)), theme::STRONG),
            (state_words(row, lang), style),
            (
                format!("{}/{}", row.running, row.scheduled),
                if row.running < row.scheduled { style } else { theme::PLAIN },
            ),
            (count(row.early), loud(row.early, theme::WARN)),
            (count(row.on_time), loud(row.on_time, theme::GOOD)),
            (count(row.late), loud(row.late, theme::BAD)),
            (
                if row.concerns == 0 { "·".to_owned() } else { format!("!{}", row.concerns) },
                loud(u32::from(row.concerns > 0), theme::WARN),
            ),
            (age, age_style),
        ];
        let mut spans = vec![
            Span::styled(if chosen { "▶" } else { " " }, base),
            Span::styled(format!(" {mark} "), style.patch(base)),
        ];
        let cells = columns.iter().zip(texts).map(|(c, (text, style))| Span::styled(c.cell(&text), style.patch(base)));
        spans.extend(cells);
        if long >= 12 {
            spans.push(Span::styled(left(&format!(" {}", row.long_name), long), theme::FAINT.patch(base)));
        }
        out.push(Line::from(spans));
    }
    lines(frame, area, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_sorted_as_people_count() {
        let mut names = ["10", "2", "А", "2а", "109", "1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1", "2", "2а", "10", "109", "А"]);
    }
}
