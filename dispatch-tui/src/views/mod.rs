//! The views: one file each, with what it shows as data and how that is drawn.
//!
//! ```text
//! ┌──────────────────────────────────────────────┐
//! │ feed   Overview  Ladder  Vehicle       14:05 │ chrome: head
//! │ NO CONNECTION since 14:03 …                  │ chrome: only when the link is lost
//! │                                              │
//! │ the view                                     │ overview, ladder, vehicle, …
//! │      ┌ search, help ┐                        │ overlays
//! │ Enter open  Tab view  / search  ? help       │ chrome: the keys that work now
//! └──────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use transit_model::cells::{left, right, width};
use transit_model::time::UnixMs;

use crate::live::{Link, Live};
use crate::state::{App, Now, Overlay, Screen};

mod chrome;
pub mod devices;
mod help;
pub mod ladder;
pub mod machinery;
pub mod overview;
mod search;
pub mod vehicle;

/// Draws everything. `local` is the local moment.
pub fn draw(frame: &mut Frame<'_>, app: &App, live: &Live, local: UnixMs) {
    let now = now(live, local);
    let lost = matches!(live.link(), Link::Lost { .. }) && now.is_some();
    let rows = [1, u16::from(lost), 0, 1].map(|n| if n == 0 { Constraint::Fill(1) } else { Constraint::Length(n) });
    let [head, banner, body, foot] = if lost {
        Layout::vertical(rows).areas(frame.area())
    } else {
        let [head, body, foot] = Layout::vertical([rows[0], Constraint::Fill(1), rows[3]]).areas(frame.area());
        [head, Rect::ZERO, body, foot]
    };
    chrome::head(frame, head, app, now);
    chrome::foot(frame, foot, app, now);
    let Some(now) = now else {
        chrome::waiting(frame, body, app.lang, live);
        overlays(frame, body, app, None);
        return;
    };
    match app.spot.screen {
        Screen::Overview => overview::draw(frame, body, app, now),
        Screen::Ladder => ladder::draw(frame, body, app, now),
        Screen::Vehicle => vehicle::draw(frame, body, app, now),
        Screen::Devices => devices::draw(frame, body, app, now),
        Screen::Machinery => machinery::draw(frame, body, app, now),
    }
    if let (true, Link::Lost { since, .. }) = (lost, live.link()) {
        let at = live.server_time(*since).unwrap_or(now.now);
        chrome::lost(frame, banner, body, app.lang, at, now);
    }
    overlays(frame, body, app, Some(now));
}

fn overlays(frame: &mut Frame<'_>, body: Rect, app: &App, now: Option<Now<'_>>) {
    match &app.overlay {
        Overlay::None => {}
        Overlay::Help => help::draw(frame, body, app.lang),
        Overlay::Search { text, selected } => search::draw(frame, body, app.lang, now, text, *selected),
    }
}

/// The feed at the local moment, once there is one.
#[must_use]
pub fn now(live: &Live, local: UnixMs) -> Option<Now<'_>> {
    Some(Now { state: live.state()?, now: live.server_time(local)? })
}

/// Draws lines from the top; what does not fit is left out.
fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

/// Which of `len` lines to show in `room` so that `selected` is among them, about the middle.
fn window(len: usize, selected: usize, room: usize) -> std::ops::Range<usize> {
    let from = selected.saturating_sub(room / 2).min(len.saturating_sub(room));
    from..len.min(from + room)
}

/// A line that is as wide as its area, its last part at the right edge.
fn spread<'a>(mut first: Vec<Span<'a>>, last: Vec<Span<'a>>, room: u16) -> Line<'a> {
    let taken: usize = first.iter().chain(&last).map(|s| width(&s.content)).sum();
    first.push(Span::raw(" ".repeat(usize::from(room).saturating_sub(taken))));
    first.extend(last);
    Line::from(first)
}

/// A column of a table: its head, width, and side.
struct Column<'a> {
    head: &'a str,
    cells: usize,
    to_the_right: bool,
}

impl<'a> Column<'a> {
    const fn left(head: &'a str, cells: usize) -> Self {
        Self { head, cells, to_the_right: false }
    }

    const fn right(head: &'a str, cells: usize) -> Self {
        Self { head, cells, to_the_right: true }
    }

    /// A text in this column, with a blank after it.
    fn cell(&self, text: &str) -> String {
        let text = if self.to_the_right { right(text, self.cells) } else { left(text, self.cells) };
        text + " "
    }
}
