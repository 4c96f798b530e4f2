//! Content laid out for a size in cells: what stands where, in which role. Knows no terminal.
//!
//! ```text
//! ┌──────────────────────────────────────────────┐
//! │ stop, platform                         clock │ header: one line, three on a tall screen
//! │ Route  Destination                      Time │ heads: on a tall screen
//! │  9  тролейбус  Вокзал            ♿ ●●○  3 хв │ rows: one, two or four lines each; in pages
//! │ notice                                       │ at most three lines, only when there is one
//! │ link                                     1/2 │ only when there is something to say
//! └──────────────────────────────────────────────┘
//! ```

use transit_model::board::{Crowding, LabelKind};
use transit_model::cells::{centre, cut, left, right, width, wrap};

use crate::content::{Shown, ShownRow, ShownState};
use crate::{figures, words};

/// A size in cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// What a piece of text is; a renderer knows how that looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// The stop's name and the clock.
    Header,
    /// A column's head, a page number, a fault.
    Aside,
    /// A route: colours `#rrggbb`, where the feed has them.
    Badge {
        /// Background.
        colour: Option<String>,
        /// Text.
        text_colour: Option<String>,
    },
    /// Where it goes.
    Destination,
    /// Minutes of a followed vehicle.
    Live,
    /// The same, of a vehicle not heard of for a while; the text is marked too.
    Aged,
    /// A time by the timetable.
    Timetable,
    /// A departure that will not be.
    Cancelled,
    /// What is said in place of departures, or under them.
    Notice,
    /// The link is lost.
    Alert,
    /// Nothing.
    Space,
}

/// A piece of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// The text.
    pub text: String,
    /// What it is.
    pub role: Role,
}

/// A whole screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Lines from the top; never more than the height, none wider than the width.
    pub lines: Vec<Vec<Span>>,
    /// How many pages the rows take; 1 when they fit.
    pub pages: usize,
}

impl Frame {
    /// The text alone, a line a line, without blanks at the ends.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let text: String = line.iter().map(|s| s.text.as_str()).collect();
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Lays content out. `page` counts up without end; it is taken modulo the number of pages.
#[must_use]
pub fn layout(shown: &Shown, size: Size, page: usize) -> Frame {
    let (w, h) = (usize::from(size.width), usize::from(size.height));
    let mut lines = header(shown, w, h);
    let link = link_words(shown);
    let mut pages = 1;
    if shown.state == ShownState::Rows {
        let notice = notice_lines(shown, w, if h >= 20 { 3 } else { (h / 6).min(2) });
        let heads = usize::from(h >= 12);
        let plan = Plan::of(shown, w, h.saturating_sub(lines.len() + notice.len() + heads), !link.is_empty());
        if heads > 0 {
            lines.push(plan.columns.heads(shown));
        }
        lines.extend(plan.page(&shown.rows, page));
        lines.extend(notice);
        lines.extend(foot(&link, plan.of_pages(page), w));
        pages = plan.pages;
    } else {
        let room = h.saturating_sub(lines.len() + usize::from(!link.is_empty()));
        lines.extend(message(shown, w, room));
        lines.extend(foot(&link, None, w));
    }
    lines.truncate(h);
    Frame { lines, pages }
}

/// Content as plain lines of text, all rows and as low as it can be: for a pipe.
#[must_use]
pub fn plain(shown: &Shown, w: u16) -> String {
    let w = usize::from(w);
    let mut lines = header(shown, w, 1);
    if shown.state == ShownState::Rows {
        let columns = Columns::of(&shown.rows, w, 1);
        lines.push(columns.heads(shown));
        lines.extend(shown.rows.iter().flat_map(|row| columns.row(row, 1)));
    }
    lines.extend(notice_lines(shown, w, usize::MAX));
    lines.extend(foot(&link_words(shown), None, w));
    Frame { lines, pages: 1 }.text()
}

fn span(text: impl Into<String>, role: Role) -> Span {
    Span { text: text.into(), role }
}

fn header(shown: &Shown, w: usize, h: usize) -> Vec<Vec<Span>> {
    let clock = shown.clock.as_deref().unwrap_or_default();
    let name = if shown.stop.is_empty() { &shown.stop_id } else { &shown.stop };
    let tail = match (shown.platform.as_str(), clock) {
        ("", clock) => clock.to_owned(),
        // A platform is dropped before the name is cut short: the passenger stands on it.
        (platform, clock) if width(name) + width(platform) + width(clock) + 6 <= w => format!("{platform}  {clock}"),
        (_, clock) => clock.to_owned(),
    };
    let room = w.saturating_sub(width(&tail) + 3);
    let text = cut(&format!(" {} {tail} ", left(name, room)), w);
    let band = vec![span(text, Role::Header)];
    if h >= 20 {
        let blank = || vec![span(" ".repeat(w), Role::Header)];
        vec![blank(), band, blank()]
    } else {
        vec![band]
    }
}

fn notice_lines(shown: &Shown, w: usize, most: usize) -> Vec<Vec<Span>> {
    let lines = wrap(&shown.notice, w.saturating_sub(2), most);
    lines.into_iter().map(|l| vec![span(cut(&format!(" {l}"), w), Role::Notice)]).collect()
}

/// What stands in the foot beside the page number.
fn link_words(shown: &Shown) -> String {
    match (shown.link.is_empty(), shown.fault.is_empty()) {
        (false, _) => shown.link.clone(),
        (true, false) => shown.fault.clone(),
        (true, true) => String::new(),
    }
}

fn foot(link: &str, page: Option<(usize, usize)>, w: usize) -> Option<Vec<Span>> {
    let page = page.map(|(page, of)| words::page(page, of)).unwrap_or_default();
    if link.is_empty() && page.is_empty() {
        return None;
    }
    let tail = format!("{page} ");
    let room = w.saturating_sub(width(&tail));
    if link.is_empty() {
        return Some(vec![span(" ".repeat(room), Role::Space), span(cut(&tail, w), Role::Aside)]);
    }
    let whole = format!(" ⚠ {link}");
    // What comes after the comma is the first to go.
    let brief = whole.split_once(", ").map_or(whole.as_str(), |(brief, _)| brief);
    let text = if width(&whole) <= room { &whole } else { brief };
    Some(vec![span(left(text, room), Role::Alert), span(cut(&tail, w), Role::Aside)])
}

/// A message in the middle of the screen.
fn message(shown: &Shown, w: usize, room: usize) -> Vec<Vec<Span>> {
    let words = if shown.notice.is_empty() { "—" } else { &shown.notice };
    let text = wrap(words, w.saturating_sub(4), room.min(6));
    let above = room.saturating_sub(text.len()) / 2;
    let mut lines: Vec<Vec<Span>> = (0..above).map(|_| Vec::new()).collect();
    lines.extend(text.into_iter().map(|l| vec![span(centre(&l, w), Role::Notice)]));
    lines.resize(room, Vec::new());
    lines
}

/// How the rows share the room there is for them.
struct Plan {
    columns: Columns,
    /// Lines a row: 1, 2 or 4.
    tall: usize,
    /// Lines for all of them.
    room: usize,
    /// Rows a page.
    a_page: usize,
    pages: usize,
}

impl Plan {
    /// As tall as all rows can be at once; when they do not fit at all, pages, and a foot to number them.
    fn of(shown: &Shown, w: usize, room: usize, has_foot: bool) -> Self {
        let count = shown.rows.len();
        let without_foot = room.saturating_sub(usize::from(has_foot));
        let fits = |tall: usize| count.saturating_mul(tall) <= without_foot && (tall < 4 || w >= 60);
        let tall = [4, 2].into_iter().find(|tall| fits(*tall)).unwrap_or(1);
        let room = if fits(tall) { without_foot } else { room.saturating_sub(1) };
        let a_page = (room / tall).max(1);
        Self { columns: Columns::of(&shown.rows, w, tall), tall, room, a_page, pages: count.div_ceil(a_page).max(1) }
    }

    fn page(&self, rows: &[ShownRow], page: usize) -> Vec<Vec<Span>> {
        let rows = rows.iter().skip(page % self.pages * self.a_page).take(self.a_page);
        let mut lines: Vec<Vec<Span>> = rows.flat_map(|row| self.columns.row(row, self.tall)).collect();
        lines.resize(self.room, Vec::new());
        lines
    }

    /// Which page of how many, when there is more than one.
    fn of_pages(&self, page: usize) -> Option<(usize, usize)> {
        (self.pages > 1).then_some((page % self.pages + 1, self.pages))
    }
}

/// Widths in cells, the same for every row of every page, so that nothing jumps.
struct Columns {
    badge: usize,
    mode: usize,
    destination: usize,
    platform: usize,
    wheelchair: usize,
    crowding: usize,
    label: usize,
    all: usize,
}

impl Columns {
    fn of(rows: &[ShownRow], w: usize, tall: usize) -> Self {
        let widest = |of: &dyn Fn(&ShownRow) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let badge = (widest(&|r| width(&r.route)) + 2).clamp(5, 11).min(w / 3);
        let label = widest(&|r| width(&label_lines(r, tall)[1])).clamp(5, 26).min(w / 3);
        let mode = if w >= 70 { widest(&|r| width(&r.mode)).min(14) + 2 } else { 0 };
        let wheelchair = if rows.iter().any(|r| r.wheelchair == Some(true)) { 3 } else { 0 };
        let crowding = if w >= 50 && rows.iter().any(|r| r.crowding.is_some()) { 5 } else { 0 };
        let platform = widest(&|r| width(&r.platform)).min(6);
        let platform = if platform > 0 { platform + 2 } else { 0 };
        // A blank at each end, two after the badge, two before the label.
        let taken = 1 + badge + 2 + mode + platform + wheelchair + crowding + 2 + label + 1;
        Self { badge, mode, destination: w.saturating_sub(taken), platform, wheelchair, crowding, label, all: w }
    }

    fn heads(&self, shown: &Shown) -> Vec<Span> {
        let [route, destination, platform, time] = words::heads(shown.lang);
        // The head of a narrow badge is longer than the badge: it leans over the gap and the mode.
        let first = 1 + self.badge + 2 + self.mode;
        let middle = self.wheelchair + self.crowding;
        let route = if width(route) + 2 > first { "№" } else { route };
        let text = format!(
            " {}{}{}{}  {} ",
            left(route, first.saturating_sub(1)),
            left(destination, self.destination),
            right(if self.platform > 0 { platform } else { "" }, self.platform),
            " ".repeat(middle),
            right(time, self.label)
        );
        vec![span(cut(&text, self.all), Role::Aside)]
    }

    /// One row: a line; a line and a blank one; or three lines and a blank one, with tall figures.
    fn row(&self, row: &ShownRow, tall: usize) -> Vec<Vec<Span>> {
        let [above, text, below] = label_lines(row, tall);
        let middle = self.line(row, &text);
        match tall {
            4 => vec![self.beside(row, &above), middle, self.beside(row, &below), Vec::new()],
            2 => vec![middle, Vec::new()],
            _ => vec![middle],
        }
    }

    /// The line with the words.
    fn line(&self, row: &ShownRow, label: &str) -> Vec<Span> {
        let words = if row.kind == LabelKind::Cancelled { Role::Cancelled } else { Role::Destination };
        let crowding = format!(" {}", left(row.crowding.map_or("", crowding), self.crowding.saturating_sub(1)));
        self.clip(vec![
            span(" ", Role::Space),
            span(centre(&row.route, self.badge), badge(row)),
            span("  ", Role::Space),
            span(left(&row.mode, self.mode.saturating_sub(2)), Role::Aside),
            span(" ".repeat(self.mode.min(2)), Role::Space),
            span(left(&row.destination, self.destination), words.clone()),
            span(right(&row.platform, self.platform), words.clone()),
            span(right(if row.wheelchair == Some(true) { "♿" } else { "" }, self.wheelchair), words.clone()),
            span(left(&crowding, self.crowding), words),
            span("  ", Role::Space),
            span(right(label, self.label), label_role(row)),
        ])
    }

    /// A line above or below it: the badge's colour and a part of the tall figures.
    fn beside(&self, row: &ShownRow, label: &str) -> Vec<Span> {
        let between = self.all.saturating_sub(2 + self.badge + self.label);
        self.clip(vec![
            span(" ", Role::Space),
            span(" ".repeat(self.badge), badge(row)),
            span(" ".repeat(between), Role::Space),
            span(right(label, self.label), label_role(row)),
        ])
    }

    /// No wider than the screen, however narrow that is.
    fn clip(&self, spans: Vec<Span>) -> Vec<Span> {
        let mut room = self.all;
        let mut kept = Vec::with_capacity(spans.len());
        for s in spans {
            let text = if width(&s.text) <= room { s.text } else { cut(&s.text, room) };
            room = room.saturating_sub(width(&text));
            kept.push(Span { text, role: s.role });
        }
        kept
    }
}

fn badge(row: &ShownRow) -> Role {
    Role::Badge { colour: row.colour.clone(), text_colour: row.text_colour.clone() }
}

/// The label in three lines, of which the first and last are blank unless the row is tall.
fn label_lines(row: &ShownRow, tall: usize) -> [String; 3] {
    if tall < 4 { [String::new(), row.text.clone(), String::new()] } else { figures::tall(&row.text) }
}

const fn label_role(row: &ShownRow) -> Role {
    match row.kind {
        LabelKind::Live => Role::Live,
        LabelKind::Marked => Role::Aged,
        LabelKind::Underway | LabelKind::Timetable | LabelKind::Estimated | LabelKind::Words | LabelKind::Gone => {
            Role::Timetable
        }
        LabelKind::Cancelled => Role::Cancelled,
    }
}

const fn crowding(c: Crowding) -> &'static str {
    match c {
        Crowding::Low => "●○○",
        Crowding::Medium => "●●○",
        Crowding::High => "●●●",
        Crowding::Full => "●●●!",
    }
}
