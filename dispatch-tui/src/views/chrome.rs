//! What surrounds every view: the head, the banner of a lost link, the keys that work now.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use transit_model::cells::{centre, cut, harmless, left, width};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use super::{lines, spread};
use crate::keys::{Action, BINDINGS};
use crate::live::{Link, Live};
use crate::state::{App, Now, Overlay, Screen};
use crate::theme;
use crate::words::{self, Word};

pub(super) const fn name(screen: Screen) -> Word {
    match screen {
        Screen::Overview => words::OVERVIEW,
        Screen::Ladder => words::LADDER,
        Screen::Vehicle => words::VEHICLE,
        Screen::Devices => words::DEVICES,
        Screen::Machinery => words::MACHINERY,
    }
}

/// Feed, views, vehicles, clock.
pub(super) fn head(frame: &mut Frame<'_>, area: Rect, app: &App, now: Option<Now<'_>>) {
    let tabs = Screen::ALL.map(|screen| {
        let title = format!(" {} ", name(screen).of(app.lang));
        // The open view is named in brackets, for whoever sees no reversal.
        let title = if screen == app.spot.screen { format!("[{}]", title.trim()) } else { title };
        Span::styled(title, if screen == app.spot.screen { theme::STRONG.patch(theme::BAND) } else { theme::PLAIN })
    });
    let clock = now.map(|n| clock(n.state.zone.as_str(), n.now)).unwrap_or_default();
    let count = now.map(|n| words::vehicles(app.lang, n.state.vehicles.len())).unwrap_or_default();
    let tabs_width: usize = tabs.iter().map(|t| width(&t.content)).sum();
    let last = format!("{count}  {clock} ");
    let room = usize::from(area.width).saturating_sub(tabs_width + width(&last) + 4);
    let feed = now.map(|n| if n.state.name.is_empty() { &n.state.feed } else { &n.state.name });
    let feed = cut(&harmless(feed.map_or("", |f| f)), room);
    let mut first = vec![Span::styled(format!(" {feed}  "), theme::STRONG)];
    first.extend(tabs);
    lines(frame, area, vec![spread(first, vec![Span::raw(last)], area.width)]);
}

fn clock(zone: &str, t: UnixMs) -> String {
    Zone::named(zone).map(|z| words::hhmmss(&z, t)).unwrap_or_default()
}

/// Since when there is no link; and everything under it greyed: it is the last known.
pub(super) fn lost(frame: &mut Frame<'_>, banner: Rect, body: Rect, lang: Lang, since: UnixMs, now: Now<'_>) {
    let age = words::age(lang, now.age(since));
    let text = format!(
        " ⚠ {} {} {} ({age}), {} ",
        words::LOST.of(lang),
        lang.pick("з", "since"),
        clock(&now.state.zone, since),
        words::LAST_KNOWN.of(lang)
    );
    let line = Line::styled(left(&text, usize::from(banner.width)), theme::ALARM);
    lines(frame, banner, vec![line]);
    frame.buffer_mut().set_style(body, theme::OLD);
}

/// Nothing has come yet.
pub(super) fn waiting(frame: &mut Frame<'_>, area: Rect, lang: Lang, live: &Live) {
    let (text, why) = match live.link() {
        Link::Connecting | Link::Up => (words::CONNECTING.of(lang), String::new()),
        Link::Lost { why, .. } => (words::NEVER.of(lang), harmless(why)),
    };
    let cells = usize::from(area.width);
    let mut out: Vec<Line<'_>> = (0..area.height.saturating_sub(2) / 2).map(|_| Line::default()).collect();
    out.push(Line::styled(centre(text, cells), theme::STRONG));
    out.push(Line::styled(centre(&why, cells), theme::FAINT));
    lines(frame, area, out);
}

/// The keys that do something now.
pub(super) fn foot(frame: &mut Frame<'_>, area: Rect, app: &App, now: Option<Now<'_>>) {
    let mut spans = vec![Span::raw(" ")];
    let mut room = usize::from(area.width).saturating_sub(1);
    let searching = matches!(app.overlay, Overlay::Search { .. });
    for binding in BINDINGS {
        let works = match binding.action {
            Action::Open => now.is_some() || searching,
            Action::Back => searching || !app.back.is_empty(),
            _ => !searching,
        };
        let text = binding.brief.of(app.lang);
        let taken = width(binding.shown) + 1 + width(text) + 2;
        if works && !text.is_empty() && taken <= room {
            room -= taken;
            spans.push(Span::styled(binding.shown, theme::STRONG));
            spans.push(Span::styled(format!(" {text}  "), theme::PLAIN));
        }
    }
    lines(frame, area, vec![Line::from(spans)]);
}
