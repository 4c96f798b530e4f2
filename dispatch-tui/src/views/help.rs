//! The help: the table of keys, as it is bound.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use transit_model::cells::{left, width};
use transit_model::lang::Lang;

use crate::keys::BINDINGS;
use crate::{theme, words};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, lang: Lang) {
    let keys = BINDINGS.iter().map(|b| width(b.shown)).max().unwrap_or(0) + 2;
    let lines: Vec<Line<'_>> = BINDINGS
        .iter()
        .map(|b| Line::from(vec![Span::styled(left(b.shown, keys), theme::STRONG), Span::raw(b.full.of(lang))]))
        .collect();
    let text = BINDINGS.iter().map(|b| width(b.full.of(lang))).max().unwrap_or(0);
    let (w, h) = (keys + text + 4, BINDINGS.len() + 2);
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let place = centred(area, size(w), size(h));
    let block = Block::bordered()
        .title(format!(" {} ", words::HELP.of(lang)))
        .title_bottom(format!(" {} ", words::HELP_CLOSE.of(lang)))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

/// A box in the middle of an area, no larger than it.
pub(super) fn centred(area: Rect, w: u16, h: u16) -> Rect {
    let (w, h) = (w.min(area.width), h.min(area.height));
    Rect { x: area.x + (area.width - w) / 2, y: area.y + (area.height - h) / 2, width: w, height: h }
}
