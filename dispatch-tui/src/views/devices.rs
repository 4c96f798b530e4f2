//! The trackers: who is heard and how, whose clock is off, why what they say is not taken; those that need somebody
//! first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde::Serialize;
use transit_model::cells::{cut, harmless, left, width};
use transit_model::dispatch::{DeviceState, DeviceView};
use transit_model::lang::Lang;

use super::{Column, lines, window};
use crate::state::{App, Now, Spot};
use crate::{theme, words};

/// A device, as `--once` prints it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Row {
    /// Names it.
    pub id: String,
    /// Its vehicle; empty for one in quarantine.
    pub vehicle_id: String,
    /// Its key, masked.
    pub device: String,
    /// Garage number, model, SIM; of one in quarantine its address.
    pub label: String,
    /// How it spoke last.
    pub protocol: String,
    /// `heard`, `silent`, `gone`, `quarantine`, `changed`, `refused`, `clock_off` or `disagrees`.
    pub state: String,
    /// How long ago it was heard, seconds, to the minute.
    pub last_heard_s: Option<i64>,
    /// How far its clock is ahead, seconds; negative = behind.
    pub clock_offset_s: i64,
    /// What of it was refused or kept out in the last hour.
    pub refused_hour: u64,
    /// Why, the last time.
    pub last_reason: String,
    /// Reasons whose episode lasts.
    pub open: String,
}

/// The devices, those that need somebody first, then by vehicle.
#[must_use]
pub fn rows(now: Now<'_>) -> Vec<Row> {
    sorted(now)
        .into_iter()
        .map(|d| Row {
            id: d.id.clone(),
            vehicle_id: harmless(d.vehicle_id.as_deref().unwrap_or_default()),
            device: harmless(&d.device),
            label: harmless(d.label.as_deref().unwrap_or_default()),
            protocol: harmless(d.protocol.as_deref().unwrap_or_default()),
            state: d.state.name().to_owned(),
            last_heard_s: d.heard.map(|t| now.age(t)),
            clock_offset_s: d.clock_offset_s,
            refused_hour: d.refused.values().sum(),
            last_reason: harmless(d.last_reason.as_deref().unwrap_or_default()),
            open: harmless(&d.open.join(" ")),
        })
        .collect()
}

fn sorted(now: Now<'_>) -> Vec<&DeviceView> {
    let mut all: Vec<&DeviceView> = now.state.devices.list.iter().collect();
    all.sort_by(|a, b| {
        a.state.cmp(&b.state).then_with(|| a.vehicle_id.cmp(&b.vehicle_id)).then_with(|| a.id.cmp(&b.id))
    });
    all
}

/// The ids in the order they stand.
#[must_use]
pub fn order(now: Now<'_>) -> Vec<&str> {
    sorted(now).into_iter().map(|d| d.id.as_str()).collect()
}

/// The device that is selected: the one chosen while it is there, else the first.
#[must_use]
pub fn selected<'a>(spot: &Spot, now: Now<'a>) -> Option<&'a DeviceView> {
    let all = sorted(now);
    let chosen = all.iter().find(|d| spot.device.as_deref() == Some(d.id.as_str()));
    chosen.or(all.first()).copied()
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, now: Now<'_>) {
    let (lang, cells) = (app.lang, usize::from(area.width));
    let all = sorted(now);
    if all.is_empty() {
        lines(frame, area, vec![Line::styled(format!(" {}", words::NO_DEVICES.of(lang)), theme::FAINT)]);
        return;
    }
    let mut out = vec![Line::styled(cut(&summary(&all, lang), cells), theme::STRONG)];
    out.push(Line::styled(cut(&reasons(now, lang), cells), theme::PLAIN));
    let columns = [
        Column::left(words::STATE.of(lang), 11),
        Column::left(words::VEHICLE.of(lang), widest(&all, |d| d.vehicle_id.as_deref().unwrap_or("")).clamp(6, 10)),
        Column::left(words::TRACKER.of(lang), 6),
        Column::left(words::PROTOCOL.of(lang), widest(&all, |d| d.protocol.as_deref().unwrap_or("")).clamp(8, 12)),
        Column::right(words::SEEN.of(lang), 6),
        Column::right(words::CLOCK.of(lang), 8),
        Column::right(words::IN_AN_HOUR.of(lang), 6),
    ];
    let taken: usize = columns.iter().map(|c| c.cells + 1).sum::<usize>() + 3;
    let why = cells.saturating_sub(taken);
    let mut head = String::from("   ");
    columns.iter().for_each(|c| head.push_str(&c.cell(c.head)));
    head.push_str(words::LAST_REASON.of(lang));
    out.push(Line::styled(cut(&left(&head, cells), cells), theme::HEAD));
    let chosen = selected(&app.spot, now).map(|d| d.id.as_str());
    let at = all.iter().position(|d| Some(d.id.as_str()) == chosen).unwrap_or(0);
    let shown = window(all.len(), at, usize::from(area.height).saturating_sub(out.len()));
    for (n, d) in all.iter().enumerate().skip(shown.start).take(shown.len()) {
        let base = if n == at { theme::SELECTED } else { theme::PLAIN };
        let (mark, style) = looks(d.state);
        let refused: u64 = d.refused.values().sum();
        let texts = [
            (words::device_state(lang, d.state).to_owned(), style),
            (harmless(d.vehicle_id.as_deref().unwrap_or("—")), theme::STRONG),
            (harmless(&d.device), theme::PLAIN),
            (harmless(d.protocol.as_deref().unwrap_or("—")), theme::PLAIN),
            (d.heard.map_or_else(|| "—".to_owned(), |t| words::age(lang, now.age(t))), theme::PLAIN),
            (clock(lang, d.clock_offset_s), if d.clock_offset_s == 0 { theme::FAINT } else { theme::WARN }),
            (if refused == 0 { "·".to_owned() } else { refused.to_string() }, theme::PLAIN),
        ];
        let mut spans = vec![
            Span::styled(if n == at { "▶" } else { " " }, base),
            Span::styled(format!("{mark} "), style.patch(base)),
        ];
        let row = columns.iter().zip(texts).map(|(c, (text, style))| Span::styled(c.cell(&text), style.patch(base)));
        spans.extend(row);
        spans.push(Span::styled(left(&reason(now, d, lang), why), theme::FAINT.patch(base)));
        out.push(Line::from(spans));
    }
    lines(frame, area, out);
}

fn widest(all: &[&DeviceView], of: impl Fn(&DeviceView) -> &str) -> usize {
    all.iter().map(|d| width(of(d))).max().unwrap_or(0)
}

/// " 23 трекери: чути 20, мовчать 1, карантин 2".
fn summary(all: &[&DeviceView], lang: Lang) -> String {
    let states = [
        DeviceState::Heard,
        DeviceState::Silent,
        DeviceState::Gone,
        DeviceState::Quarantine,
        DeviceState::Changed,
        DeviceState::Refused,
        DeviceState::ClockOff,
        DeviceState::Disagrees,
    ];
    let said: Vec<String> = states
        .into_iter()
        .map(|s| (s, all.iter().filter(|d| d.state == s).count()))
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{} {n}", words::device_state(lang, s)))
        .collect();
    format!(" {}: {}", words::devices(lang, all.len()), said.join(", "))
}

/// " За годину не прийнято 57: запізнілі координати 40, повтор 17".
fn reasons(now: Now<'_>, lang: Lang) -> String {
    let reasons = &now.state.devices.reasons;
    let all: u64 = reasons.iter().map(|r| r.hour).fold(0, u64::saturating_add);
    if all == 0 {
        return format!(" {}", words::NOTHING_REFUSED.of(lang));
    }
    let each: Vec<String> =
        reasons.iter().map(|r| format!("{} {}", harmless(lang.pick(&r.text_uk, &r.text_en)), r.hour)).collect();
    format!(" {} {all}: {}", words::REFUSED_IN_AN_HOUR.of(lang), each.join(", "))
}

/// The last reason, in words.
fn reason(now: Now<'_>, d: &DeviceView, lang: Lang) -> String {
    let Some(last) = &d.last_reason else { return String::new() };
    let known = now.state.devices.reasons.iter().find(|r| r.reason == *last);
    harmless(known.map_or(last.as_str(), |r| lang.pick(&r.text_uk, &r.text_en)))
}

/// "+47 с", "−1 год", "·" for one that is right.
fn clock(lang: Lang, offset: i64) -> String {
    match offset {
        0 => "·".to_owned(),
        s if s > 0 => format!("+{}", words::age(lang, s)),
        s => format!("−{}", words::age(lang, s.saturating_neg())),
    }
}

const fn looks(state: DeviceState) -> (&'static str, Style) {
    match state {
        DeviceState::Disagrees | DeviceState::Refused => ("‼", theme::BAD),
        DeviceState::ClockOff | DeviceState::Changed | DeviceState::Quarantine => ("!", theme::WARN),
        DeviceState::Silent => ("~", theme::WARN),
        DeviceState::Heard => (" ", theme::GOOD),
        DeviceState::Gone => (" ", theme::FAINT),
    }
}
