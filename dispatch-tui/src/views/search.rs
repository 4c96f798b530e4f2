//! The search, over whatever view is open.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};
use transit_model::cells::{cut, left};
use transit_model::lang::Lang;

use super::{help::centred, window};
use crate::search::find;
use crate::state::Now;
use crate::{theme, words};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, lang: Lang, now: Option<Now<'_>>, text: &str, selected: usize) {
    let place = centred(area, 60, 14);
    let cells = usize::from(place.width.saturating_sub(4));
    let found = now.map(|now| find(now, lang, text)).unwrap_or_default();
    let mut lines = vec![Line::styled(cut(&format!("/ {text}▏"), cells), theme::STRONG), Line::default()];
    if found.is_empty() && !text.trim().is_empty() {
        lines.push(Line::styled(words::NOTHING_FOUND.of(lang), theme::FAINT));
    }
    let room = usize::from(place.height.saturating_sub(4));
    let shown = window(found.len(), selected, room);
    for (at, one) in found.iter().enumerate().skip(shown.start).take(shown.len()) {
        let mark = if at == selected { "▶ " } else { "  " };
        let line = left(&format!("{mark}{}", one.text()), cells);
        lines.push(Line::styled(line, if at == selected { theme::SELECTED } else { theme::PLAIN }));
    }
    let block = Block::bordered()
        .title(format!(" {} ", words::SEARCH.of(lang)))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
