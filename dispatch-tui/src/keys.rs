//! The keys: one table, from which the bindings, the help and the context bar all come.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::words::Word;

/// A key press, as the state understands it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character.
    Char(char),
    /// ↑
    Up,
    /// ↓
    Down,
    /// ←
    Left,
    /// →
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Enter.
    Enter,
    /// Esc.
    Esc,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Ctrl-C.
    ControlC,
}

/// A press of the terminal; `None` for a release and for keys without meaning here.
#[must_use]
pub fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        // С is the letter on that key in the Ukrainian layout.
        KeyCode::Char('c' | 'с') if control => Key::ControlC,
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

/// What a key does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Selects what stands above.
    Up,
    /// Selects what stands below.
    Down,
    /// The other rail, or the vehicle before.
    Left,
    /// The other rail, or the vehicle after.
    Right,
    /// Ten up.
    PageUp,
    /// Ten down.
    PageDown,
    /// The first.
    First,
    /// The last.
    Last,
    /// Drills in.
    Open,
    /// Back to where one came from.
    Back,
    /// The next view.
    NextView,
    /// The view before.
    PreviousView,
    /// Opens the search.
    Search,
    /// The other language.
    Language,
    /// Opens the help.
    Help,
    /// Ends.
    Quit,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys. A letter stands beside the one on the same key of the Ukrainian layout, so that
    /// nobody has to switch.
    pub keys: &'static [Key],
    /// As they are shown.
    pub shown: &'static str,
    /// What they do.
    pub action: Action,
    /// In the context bar; empty = not there.
    pub brief: Word,
    /// In the help.
    pub full: Word,
}

use Key::Char;

/// Every key there is, the most used first.
pub const BINDINGS: &[Binding] = &[
    bind(&[Key::Down, Char('j'), Char('о')], "↓ j", Action::Down, Word("", ""), Word("нижче", "down")),
    bind(&[Key::Up, Char('k'), Char('л')], "↑ k", Action::Up, Word("", ""), Word("вище", "up")),
    bind(
        &[Key::Left, Char('h'), Char('р')],
        "← h",
        Action::Left,
        Word("", ""),
        Word("інша рейка, попередня машина", "other rail, previous vehicle"),
    ),
    bind(
        &[Key::Right, Char('l'), Char('д')],
        "→ l",
        Action::Right,
        Word("", ""),
        Word("інша рейка, наступна машина", "other rail, next vehicle"),
    ),
    bind(&[Key::PageDown], "PgDn", Action::PageDown, Word("", ""), Word("на десять нижче", "ten down")),
    bind(&[Key::PageUp], "PgUp", Action::PageUp, Word("", ""), Word("на десять вище", "ten up")),
    bind(&[Key::Home, Char('g'), Char('п')], "Home g", Action::First, Word("", ""), Word("на початок", "first")),
    bind(&[Key::End, Char('G'), Char('П')], "End G", Action::Last, Word("", ""), Word("у кінець", "last")),
    bind(
        &[Key::Enter],
        "Enter",
        Action::Open,
        Word("відкрити", "open"),
        Word("відкрити вибране", "open what is selected"),
    ),
    bind(&[Key::Esc, Key::Backspace], "Esc", Action::Back, Word("назад", "back"), Word("повернутися", "go back")),
    bind(&[Key::Tab], "Tab", Action::NextView, Word("вигляд", "view"), Word("наступний вигляд", "next view")),
    bind(&[Key::BackTab], "Shift-Tab", Action::PreviousView, Word("", ""), Word("попередній вигляд", "previous view")),
    bind(
        &[Char('/'), Char('.')],
        "/",
        Action::Search,
        Word("пошук", "search"),
        Word("знайти маршрут, машину, зупинку", "find a route, vehicle, stop"),
    ),
    bind(&[Char('L'), Char('Д')], "L", Action::Language, Word("English", "Українська"), Word("English", "Українська")),
    bind(&[Char('?'), Char(',')], "?", Action::Help, Word("довідка", "help"), Word("ця довідка", "this help")),
    bind(&[Char('q'), Char('й'), Key::ControlC], "q", Action::Quit, Word("вихід", "quit"), Word("вийти", "quit")),
];

const fn bind(keys: &'static [Key], shown: &'static str, action: Action, brief: Word, full: Word) -> Binding {
    Binding { keys, shown, action, brief, full }
}

/// What a key does; `None` for a key of no meaning.
#[must_use]
pub fn action(key: Key) -> Option<Action> {
    BINDINGS.iter().find(|b| b.keys.contains(&key)).map(|b| b.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_and_every_letter_works_in_both_layouts() {
        let mut seen: Vec<Key> = Vec::new();
        for binding in BINDINGS {
            for key in binding.keys {
                assert!(!seen.contains(key), "{key:?} is bound twice");
                seen.push(*key);
            }
            let letters = |cyrillic: bool| {
                let is = |k: &&Key| matches!(k, Char(c) if c.is_alphabetic() && c.is_ascii() != cyrillic);
                binding.keys.iter().filter(is).count()
            };
            assert_eq!(letters(false), letters(true), "{}", binding.shown);
            assert!(!binding.full.0.is_empty() && !binding.full.1.is_empty());
        }
    }

    #[test]
    fn a_release_is_no_press() {
        let mut event = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(key(event).and_then(action), Some(Action::Quit));
        event.kind = KeyEventKind::Release;
        assert_eq!(key(event), None);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(key(control_c).and_then(action), Some(Action::Quit));
    }
}
