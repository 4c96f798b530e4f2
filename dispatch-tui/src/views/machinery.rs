//! Machinery: every municipal machine with what it does and where, then the streets, those that were not
//! passed for longest first.
//!
//! ```text
//!  12 machines, 3 silent · streets: 214 · passed since 04:00: 63 %
//!  Machine   Kind      State      Since  Street               Zone
//! ▶M-01      plough    moving     14 min вул. Центральна      Centre
//!  Street                              m   Passed since 04:00     Last   By
//!  пров. Тихий                       410   ░░░░░░░░░░   0 %      never
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use serde::Serialize;
use transit_model::cells::{cut, harmless, left, width};
use transit_model::dispatch::{MachineRow, StreetRow};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use super::{Column, lines, window};
use crate::state::{App, Now, Spot};
use crate::{theme, words};

/// Cells of the bar that shows a share.
const BAR: usize = 10;

/// A machine or a street, as `--once` prints it: one table holds both, the machines first.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Row {
    /// `machine` or `street`.
    pub what: &'static str,
    /// Its id.
    pub id: String,
    /// Its name: of a street.
    pub name: String,
    /// What the machine is, or what kind passed the street last.
    pub kind: String,
    /// What the machine does.
    pub state: String,
    /// Since how long, seconds.
    pub for_s: Option<i64>,
    /// What its tracker says of its work.
    pub working: Option<bool>,
    /// The street it is on.
    pub street: String,
    /// The zones it is in, with semicolons between.
    pub zones: String,
    /// Metres of the street.
    pub length_m: Option<u32>,
    /// How much of it was passed since the shift began.
    pub percent: Option<u8>,
    /// When it was last passed, RFC 3339; empty = never.
    pub last_passed: String,
}

/// Every machine, by id.
#[must_use]
pub fn machines(now: Now<'_>) -> Vec<Row> {
    let row = |m: &MachineRow| Row {
        what: "machine",
        id: m.id.clone(),
        kind: m.kind.name().to_owned(),
        state: m.state.clone(),
        for_s: Some(now.age(m.since)),
        working: m.working,
        street: harmless(m.street.as_deref().unwrap_or_default()),
        zones: m.zones.iter().map(|z| harmless(z)).collect::<Vec<_>>().join("; "),
        ..Row::default()
    };
    now.state.machinery.machines.iter().map(row).collect()
}

/// The streets that were not passed for longest.
#[must_use]
pub fn streets(now: Now<'_>) -> Vec<Row> {
    let zone = zone(now);
    let row = |s: &StreetRow| Row {
        what: "street",
        id: s.id.clone(),
        name: harmless(&s.name),
        kind: s.last_kind.map(|k| k.name().to_owned()).unwrap_or_default(),
        length_m: Some(s.length_m),
        percent: Some(s.percent),
        last_passed: s.last_passed.map(|t| t.rfc3339(&zone)).unwrap_or_default(),
        ..Row::default()
    };
    now.state.machinery.streets.iter().map(row).collect()
}

fn zone(now: Now<'_>) -> Zone {
    Zone::named(&now.state.zone).unwrap_or_else(|_| Zone::utc())
}

/// What can be selected: machines, then streets, by name.
#[must_use]
pub fn targets(now: Now<'_>) -> Vec<String> {
    let m = &now.state.machinery;
    m.machines.iter().map(|m| machine_key(&m.id)).chain(m.streets.iter().map(|s| format!("s:{}", s.id))).collect()
}

fn machine_key(id: &str) -> String {
    format!("m:{id}")
}

/// What is selected: what was chosen while it is there, else the first.
#[must_use]
pub fn selected(spot: &Spot, now: Now<'_>) -> Option<String> {
    let all = targets(now);
    let chosen = spot.machinery.as_ref().filter(|k| all.contains(k)).cloned();
    chosen.or_else(|| all.into_iter().next())
}

/// The machine that is selected.
#[must_use]
pub fn machine<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a MachineRow> {
    let key = selected(spot, now)?;
    now.state.machinery.machines.iter().find(|m| machine_key(&m.id) == key)
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, now: Now<'_>) {
    let m = &now.state.machinery;
    let key = selected(&app.spot, now);
    let at = targets(now).iter().position(|k| Some(k) == key.as_ref());
    let listed =
        u16::try_from(m.machines.len() + 1).unwrap_or(u16::MAX).min(area.height.saturating_sub(3).max(2) / 2 + 1);
    let [head, top, rest] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(listed), Constraint::Fill(1)]).areas(area);
    lines(frame, head, vec![headline(now, app.lang, usize::from(area.width))]);
    machine_table(frame, top, app.lang, now, at.filter(|n| *n < m.machines.len()));
    street_table(frame, rest, app.lang, now, at.and_then(|n| n.checked_sub(m.machines.len())));
}

fn headline(now: Now<'_>, lang: Lang, cells: usize) -> Line<'static> {
    let m = &now.state.machinery;
    let silent = m.machines.iter().filter(|r| r.state == "silent").count();
    let mut text = format!(" {}", words::machines(lang, m.machines.len()));
    if silent > 0 {
        text += &format!(", {}: {silent}", words::SILENT_MACHINES.of(lang));
    }
    if m.streets_in_all > 0 {
        let since = zone(now).hhmm(m.shift);
        text += &format!(
            " · {}: {} · {} {since}: {} %",
            words::STREETS.of(lang),
            m.streets_in_all,
            words::PASSED_SINCE.of(lang),
            m.percent
        );
    }
    Line::styled(cut(&text, cells), theme::STRONG)
}

fn state_word(lang: Lang, state: &str) -> &'static str {
    match state {
        "moving" => words::MOVING.of(lang),
        "standing" => words::STANDING.of(lang),
        _ => words::SILENT.of(lang),
    }
}

fn machine_table(frame: &mut Frame<'_>, area: Rect, lang: Lang, now: Now<'_>, chosen: Option<usize>) {
    let all = &now.state.machinery.machines;
    if all.is_empty() {
        lines(frame, area, vec![Line::styled(format!(" {}", words::NO_MACHINES.of(lang)), theme::FAINT)]);
        return;
    }
    let cells = usize::from(area.width);
    let ids = all.iter().map(|m| width(&m.id)).max().unwrap_or(0).clamp(6, 12);
    let fixed = ids + 12 + 9 + 6 + 6;
    let wide = cells.saturating_sub(fixed + 2);
    let zone = (wide * 2 / 5).clamp(0, 30);
    let columns = [
        Column::left(words::VEHICLE.of(lang), ids),
        Column::left(words::KIND.of(lang), 12),
        Column::left(words::STATE.of(lang), 9),
        Column::right(words::FOR.of(lang), 6),
        Column::left(words::STREET.of(lang), wide.saturating_sub(zone + 2)),
        Column::left(words::ZONE.of(lang), zone),
    ];
    let mut out = vec![head(&columns, cells)];
    let shown = window(all.len(), chosen.unwrap_or(0), usize::from(area.height).saturating_sub(1));
    for (n, m) in all.iter().enumerate().skip(shown.start).take(shown.len()) {
        let style = match m.state.as_str() {
            "moving" if m.working != Some(false) => theme::GOOD,
            "moving" | "standing" => theme::PLAIN,
            _ => theme::BAD,
        };
        // A machine that drives with its plough up is no machine at work.
        let idle = if m.working == Some(false) { words::NOT_WORKING.of(lang) } else { state_word(lang, &m.state) };
        let state = if m.state == "moving" { idle } else { state_word(lang, &m.state) };
        let texts = [
            (harmless(&m.id), theme::STRONG),
            (words::machine(lang, m.kind).to_owned(), theme::PLAIN),
            (state.to_owned(), style),
            (words::age(lang, now.age(m.since)), theme::PLAIN),
            (harmless(m.street.as_deref().unwrap_or("—")), theme::PLAIN),
            (m.zones.first().map_or_else(|| "—".to_owned(), |z| harmless(z)), theme::PLAIN),
        ];
        out.push(line(&columns, texts, chosen == Some(n)));
    }
    lines(frame, area, out);
}

fn street_table(frame: &mut Frame<'_>, area: Rect, lang: Lang, now: Now<'_>, chosen: Option<usize>) {
    let m = &now.state.machinery;
    if m.streets.is_empty() {
        lines(frame, area, vec![Line::styled(format!(" {}", words::NO_STREETS.of(lang)), theme::FAINT)]);
        return;
    }
    let cells = usize::from(area.width);
    let (zone, share) = (zone(now), format!("{} {}", words::SINCE.of(lang), zone(now).hhmm(m.shift)));
    let fixed = 6 + (BAR + 6) + 12 + 12 + 5;
    let columns = [
        Column::left(words::STREET.of(lang), cells.saturating_sub(fixed + 2)),
        Column::right(words::METRES.of(lang), 6),
        Column::right(&share, BAR + 6),
        Column::right(words::LAST_PASSED.of(lang), 12),
        Column::left(words::BY_KIND.of(lang), 12),
    ];
    let mut out = vec![head(&columns, cells)];
    let shown = window(m.streets.len(), chosen.unwrap_or(0), usize::from(area.height).saturating_sub(1));
    for (n, s) in m.streets.iter().enumerate().skip(shown.start).take(shown.len()) {
        let full = usize::from(s.percent.min(100)) * BAR / 100;
        let bar = format!("{}{} {:>3} %", "█".repeat(full), "░".repeat(BAR - full), s.percent.min(100));
        let last = s.last_passed.map_or_else(|| words::NEVER_PASSED.of(lang).to_owned(), |t| when(&zone, t, now.now));
        let style = match s.percent {
            0 => theme::WARN,
            95.. => theme::GOOD,
            _ => theme::PLAIN,
        };
        let texts = [
            (harmless(&s.name), theme::PLAIN),
            (s.length_m.to_string(), theme::PLAIN),
            (bar, style),
            (last, if s.last_passed.is_none() { theme::WARN } else { theme::PLAIN }),
            (s.last_kind.map_or("", |k| words::machine(lang, k)).to_owned(), theme::PLAIN),
        ];
        out.push(line(&columns, texts, chosen == Some(n)));
    }
    lines(frame, area, out);
}

/// The time today, the date before.
fn when(zone: &Zone, t: UnixMs, now: UnixMs) -> String {
    if zone.date(t) == zone.date(now) { zone.hhmm(t) } else { zone.zoned(t).strftime("%d.%m %H:%M").to_string() }
}

fn head(columns: &[Column<'_>], cells: usize) -> Line<'static> {
    let text: String = columns.iter().map(|c| c.cell(c.head)).collect();
    Line::styled(left(&format!(" {text}"), cells), theme::HEAD)
}

fn line<const N: usize>(
    columns: &[Column<'_>; N],
    texts: [(String, ratatui::style::Style); N],
    chosen: bool,
) -> Line<'static> {
    let base = if chosen { theme::SELECTED } else { theme::PLAIN };
    let mut spans = vec![Span::styled(if chosen { "▶" } else { " " }, base)];
    spans.extend(columns.iter().zip(texts).map(|(c, (text, style))| Span::styled(c.cell(&text), style.patch(base))));
    Line::from(spans)
}
