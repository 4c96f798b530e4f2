//! The terminal renderer: frames on a full screen, until a key or a signal ends it.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transit_model::clock::SharedClock;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

use crate::content::shown;
use crate::frame::{Frame, Role, Size, Span, layout};
use crate::state::Display;

/// How often the screen is looked at; what has not changed is not sent.
const TICK: Duration = Duration::from_millis(250);
/// How long a page of rows stands.
const PAGE_MS: i64 = 8_000;

/// What to draw, and by which clock.
pub(crate) struct Screen<'a> {
    pub(crate) display: watch::Receiver<Display>,
    pub(crate) clock: &'a SharedClock,
    pub(crate) lang: Lang,
    pub(crate) stop: &'a str,
}

/// The terminal in full-screen mode; back to what it was when this is dropped, and on a panic.
struct FullScreen(DefaultTerminal);

impl Drop for FullScreen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Draws until somebody presses `q`, Esc or Ctrl-C, or the system asks it to end.
pub(crate) async fn run(mut screen: Screen<'_>) -> io::Result<()> {
    let mut terminal = FullScreen(ratatui::try_init()?);
    let mut keys = EventStream::new();
    let mut tick = tokio::time::interval(TICK);
    let mut end = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let colours = Colours::of_environment();
    loop {
        screen.draw(&mut terminal.0, colours)?;
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = screen.display.changed() => {}
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if quits(key) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(e),
                None => return Ok(()),
            },
            _ = end.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

fn quits(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    // The key beside Q types й in the Ukrainian layout.
    let q = matches!(key.code, KeyCode::Char('q' | 'Q' | 'й' | 'Й') | KeyCode::Esc);
    key.kind == KeyEventKind::Press && (control_c || q)
}

impl Screen<'_> {
    fn draw(&mut self, terminal: &mut DefaultTerminal, colours: Colours) -> io::Result<()> {
        let now = self.clock.now();
        let shown = shown(&self.display.borrow_and_update(), now, self.lang, self.stop);
        terminal.draw(|f| {
            let size = Size { width: f.area().width, height: f.area().height };
            f.render_widget(text(&layout(&shown, size, page_at(now)), colours), f.area());
        })?;
        Ok(())
    }
}

/// Pages turn together on every board, by the clock.
fn page_at(local: UnixMs) -> usize {
    usize::try_from(local.0.div_euclid(PAGE_MS)).unwrap_or(0)
}

/// Which colours the terminal has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colours {
    /// The sixteen: a route's own colours would come out as something else.
    Sixteen,
    /// All of them.
    True,
}

impl Colours {
    fn of_environment() -> Self {
        match std::env::var("COLORTERM").as_deref() {
            Ok("truecolor" | "24bit") => Self::True,
            _ => Self::Sixteen,
        }
    }
}

pub(crate) fn text(frame: &Frame, colours: Colours) -> Text<'_> {
    let span = |s: &'_ Span| ratatui::text::Span::styled(s.text.clone(), style(&s.role, colours));
    frame.lines.iter().map(|line| Line::from_iter(line.iter().map(span))).collect()
}

fn style(role: &Role, colours: Colours) -> Style {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match role {
        Role::Header => bold.add_modifier(Modifier::REVERSED),
        Role::Aside => Style::new().fg(Color::Gray),
        Role::Badge { colour, text_colour } => match (colours, colour.as_deref().and_then(rgb)) {
            (Colours::True, Some(back)) => {
                let text = text_colour.as_deref().and_then(rgb).filter(|text| readable(*text, back));
                bold.bg(colour_of(back)).fg(colour_of(text.unwrap_or_else(|| against(back))))
            }
            _ => bold.fg(Color::Black).bg(Color::Gray),
        },
        Role::Destination => bold,
        Role::Live => bold.fg(Color::LightGreen),
        Role::Aged => Style::new().fg(Color::LightYellow).add_modifier(Modifier::ITALIC),
        Role::Timetable => Style::new(),
        Role::Cancelled => Style::new().fg(Color::Gray).add_modifier(Modifier::CROSSED_OUT),
        Role::Notice => bold.fg(Color::LightYellow),
        Role::Alert => bold.fg(Color::LightRed),
        Role::Space => Style::new(),
    }
}

type Rgb = (u8, u8, u8);

fn rgb(text: &str) -> Option<Rgb> {
    let hex = text.strip_prefix('#').filter(|h| h.len() == 6 && h.is_ascii())?;
    let part = |at: usize| hex.get(at..at + 2).and_then(|p| u8::from_str_radix(p, 16).ok());
    Some((part(0)?, part(2)?, part(4)?))
}

const fn colour_of((r, g, b): Rgb) -> Color {
    Color::Rgb(r, g, b)
}

/// Relative luminance, WCAG 2.2.
fn luminance((r, g, b): Rgb) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// Whether large text can be read on this background: contrast of at least 3 (WCAG 2.2, 1.4.3).
fn readable(text: Rgb, back: Rgb) -> bool {
    let (a, b) = (luminance(text), luminance(back));
    (a.max(b) + 0.05) / (a.min(b) + 0.05) >= 3.0
}

fn against(back: Rgb) -> Rgb {
    if readable((255, 255, 255), back) { (255, 255, 255) } else { (0, 0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_can_be_read_whatever_the_feed_says() {
        assert_eq!(rgb("#0a7f00"), Some((10, 127, 0)));
        for bad in ["0a7f00", "#0a7f0", "#0a7f0g", "#ї1", ""] {
            assert_eq!(rgb(bad), None, "{bad}");
        }
        for back in [(255, 255, 0), (0, 0, 0), (255, 255, 255), (0, 114, 188), (128, 128, 128)] {
            assert!(readable(against(back), back), "{back:?}");
        }
        let role = Role::Badge { colour: Some("#ffff00".into()), text_colour: Some("#ffffff".into()) };
        assert_eq!(style(&role, Colours::True).fg, Some(Color::Rgb(0, 0, 0)));
        assert_eq!(style(&role, Colours::Sixteen).bg, Some(Color::Gray));
    }

    #[test]
    fn it_quits_on_q_in_both_layouts_and_on_control_c() {
        for code in [KeyCode::Char('q'), KeyCode::Char('й'), KeyCode::Esc] {
            assert!(quits(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        assert!(quits(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(!quits(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)));
    }

    #[test]
    fn pages_turn_by_the_clock() {
        assert_eq!(page_at(UnixMs(7_999)), 0);
        assert_eq!(page_at(UnixMs(8_000)), 1);
        assert_eq!(page_at(UnixMs(-1)), 0);
    }
}
