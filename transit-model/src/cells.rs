//! Text measured in terminal cells: how wide it is, cut to fit, padded to fit, made harmless.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many cells a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    // Character by character, as `cut` counts: the width of a whole string may be less (emoji
    // sequences), and a frame must never be wider than what was reserved for it.
    text.chars().map(char_width).sum::<usize>().max(text.width())
}

fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The text, or as much of it as fits into `cells` with an ellipsis at its end.
#[must_use]
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else { return String::new() };
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += char_width(*c);
            used <= room
        })
        .collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Cut to `cells` and padded on the right.
#[must_use]
pub fn left(text: &str, cells: usize) -> String {
    let mut s = cut(text, cells);
    s.extend(std::iter::repeat_n(' ', cells.saturating_sub(width(&s))));
    s
}

/// Cut to `cells` and padded on the left.
#[must_use]
pub fn right(text: &str, cells: usize) -> String {
    let s = cut(text, cells);
    let mut out = " ".repeat(cells.saturating_sub(width(&s)));
    out.push_str(&s);
    out
}

/// Cut to `cells` and padded on both sides.
#[must_use]
pub fn centre(text: &str, cells: usize) -> String {
    let s = cut(text, cells);
    let room = cells.saturating_sub(width(&s));
    format!("{}{s}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
}

/// Broken at spaces into lines of at most `cells`, at most `most` lines; what does not fit ends in
/// an ellipsis. A word longer than a line is cut.
#[must_use]
pub fn wrap(text: &str, cells: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1)).join(" ");
        lines.extend((most > 0).then_some(rest));
    }
    lines.iter().map(|line| cut(line, cells)).collect()
}

/// Without what could steer a terminal or turn text around: control characters and the marks of
/// bidirectional embedding become spaces. For text that comes from a feed and goes to a terminal
/// or pipe as it is.
#[must_use]
pub fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cutting_says_that_it_cut() {
        assert_eq!(cut("Вокзал", 6), "Вокзал");
        assert_eq!(cut("Залізничний вокзал", 12), "Залізничний…");
        assert_eq!(cut("Залізничний вокзал", 13), "Залізничний…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(right("7 хв", 6), "  7 хв");
        assert_eq!(centre("ab", 5), " ab  ");
    }

    #[test]
    fn wrapping_keeps_words_and_says_what_is_missing() {
        assert_eq!(wrap("Рух завершено до 05:30 завтра", 14, 3), ["Рух завершено", "до 05:30", "завтра"]);
        assert_eq!(wrap("Рух завершено до 05:30 завтра", 14, 2), ["Рух завершено", "до 05:30 завт…"]);
        assert_eq!(wrap("нерозривнедовгеслово", 8, 2), ["нерозри…"]);
        assert_eq!(wrap("x", 8, 0), Vec::<String>::new());
    }

    #[test]
    fn a_hostile_name_steers_nothing() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc\u{202e}d"), "a [2Jb c d");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_place(text in "\\PC{0,40}", cells in 0usize..30) {
            prop_assert!(width(&cut(&text, cells)) <= cells);
            prop_assert!(width(&left(&text, cells)) <= cells);
            for line in wrap(&text, cells, 3) {
                prop_assert!(width(&line) <= cells);
            }
            if text.is_ascii() {
                prop_assert_eq!(width(&left(&text, cells)), cells);
                prop_assert_eq!(width(&centre(&text, cells)), cells);
            }
        }
    }
}
