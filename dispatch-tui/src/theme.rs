//! How things look. Colour only repeats what a word, sign or place already says.

use ratatui::style::{Color, Modifier, Style};

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BAND: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(crate) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
pub(crate) const HEAD: Style = Style::new().fg(Color::Gray).add_modifier(Modifier::UNDERLINED);
pub(crate) const GOOD: Style = Style::new().fg(Color::Green);
pub(crate) const WARN: Style = Style::new().fg(Color::Yellow);
pub(crate) const BAD: Style = Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD);
pub(crate) const ALARM: Style = Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD);
pub(crate) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// By urgency: 1 = look now, 2 = look soon, else to know.
pub(crate) const fn level(level: u8) -> Style {
    match level {
        0 | 1 => ALARM,
        2 => WARN,
        _ => FAINT,
    }
}

/// Over data that are the last known: no colour of theirs may look like news.
pub(crate) const OLD: Style =
    Style::new().fg(Color::Reset).bg(Color::Reset).add_modifier(Modifier::DIM).remove_modifier(Modifier::BOLD);
