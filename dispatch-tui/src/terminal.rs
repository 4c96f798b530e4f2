//! The terminal: draws the state on a full screen and hands it the keys, until it is over.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transit_model::clock::SharedClock;

use crate::keys::key;
use crate::live::Live;
use crate::state::App;
use crate::update::update;
use crate::views;

/// How often the screen is looked at while nothing happens: clocks and ages move on by themselves.
const TICK: Duration = Duration::from_millis(500);

/// The terminal in full-screen mode; back to what it was when this is dropped, and on a panic.
struct FullScreen(DefaultTerminal);

impl Drop for FullScreen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Draws until the dispatcher quits, or the system asks it to end.
pub(crate) async fn run(mut app: App, mut live: watch::Receiver<Live>, clock: &SharedClock) -> io::Result<()> {
    let mut terminal = FullScreen(ratatui::try_init()?);
    let mut keys = EventStream::new();
    let mut tick = tokio::time::interval(TICK);
    let mut end = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    while !app.over {
        let local = clock.now();
        {
            let live = live.borrow_and_update();
            terminal.0.draw(|frame| views::draw(frame, &app, &live, local))?;
        }
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = live.changed() => {}
            event = keys.next() => match event {
                Some(Ok(Event::Key(event))) => {
                    if let Some(key) = key(event) {
                        let live = live.borrow();
                        update(&mut app, views::now(&live, clock.now()), key);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(e),
                None => return Ok(()),
            },
            _ = end.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
    Ok(())
}
