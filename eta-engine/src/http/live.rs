//! `WS /v1/stops/{id}/live`: boards composed once for all who watch a stop in a language, told in
//! differences.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use rustc_hash::FxHashMap;
use serde::Serialize;
use transit_model::board::{Board, LiveMessage};
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

use super::app::{App, AppState, stop_of};
use super::channel::{Channel, Joined, Told};
use super::metrics::Stream;
use super::params::Params;
use super::problem::{Answer, Problem, Thing};
use super::socket;
use crate::board::{ROWS_MAX, compose};
use crate::world::World;

/// A stop in a language.
type Topic = (Box<str>, Lang);

/// The boards that somebody watches.
#[derive(Debug, Default)]
pub struct BoardHub {
    channels: Mutex<FxHashMap<Topic, Arc<Mutex<Channel<Board>>>>>,
}

pub(super) fn to_text(message: &impl Serialize) -> String {
    // Our own messages are plain data: this cannot fail, and an empty text would only be skipped.
    serde_json::to_string(message).unwrap_or_default()
}

impl Told for Board {
    fn snapshot(&self, seq: u64) -> String {
        to_text(&LiveMessage::Snapshot { seq, board: self.clone() })
    }

    fn change(&self, next: &Self, seq: u64) -> Option<String> {
        self.difference(next).map(|change| to_text(&LiveMessage::Change { seq, change }))
    }

    fn heartbeat(&self, seq: u64) -> String {
        to_text(&LiveMessage::Heartbeat { seq, now: self.now, expires_at: self.expires_at })
    }
}

/// The first number of a channel: later than any a former life of it could have reached.
pub(super) fn first_seq(now: UnixMs) -> u64 {
    u64::try_from(now.0).unwrap_or(0)
}

impl BoardHub {
    /// Joins those who watch a stop, having taken the message `after`.
    ///
    /// # Errors
    /// When the world has no such stop.
    pub fn join(&self, app: &AppState, id: &str, lang: Lang, after: Option<u64>) -> Answer<Joined> {
        let world = app.world();
        let stop = stop_of(&world, id)?;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.entry((id.into(), lang)).or_insert_with(|| {
            let now = app.clock.now();
            let board = compose(&world, stop, lang, app.clock.speed(), ROWS_MAX, now);
            Arc::new(Mutex::new(Channel::new(first_seq(now), board)))
        });
        Ok(channel.lock().unwrap_or_else(PoisonError::into_inner).join(after))
    }

    /// Tells everybody what has changed; on a `beat`, also that nothing has, and lets boards go
    /// that nobody watches.
    pub async fn advance(&self, app: &AppState, beat: bool) {
        let world = app.world();
        let watched: Vec<_> = {
            let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            if beat {
                channels.retain(|_, c| c.lock().unwrap_or_else(PoisonError::into_inner).followers() > 0);
            }
            channels.iter().map(|(topic, c)| (topic.clone(), Arc::clone(c))).collect()
        };
        for ((id, lang), channel) in watched {
            let Some(stop) = world.timetable.stop_by_id(&id) else {
                // The feed has lost the stop: its watchers are let go, and get a 404 when they return.
                self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(&(id, lang));
                continue;
            };
            let board = compose(&world, stop, lang, app.clock.speed(), ROWS_MAX, app.clock.now());
            app.metrics.composed.inc();
            channel.lock().unwrap_or_else(PoisonError::into_inner).advance(board, beat);
            // A city's worth of boards must not keep the runtime from its sockets.
            tokio::task::yield_now().await;
        }
    }
}

/// Keeps the hubs going for as long as the server lives.
pub(super) async fn drive(app: std::sync::Weak<AppState>) {
    let Some((mut changed, limits)) = app.upgrade().map(|a| (a.changes(), a.limits)) else { return };
    let mut beat = tokio::time::interval(limits.heartbeat);
    loop {
        let is_beat = tokio::select! {
            changed = changed.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
            _ = beat.tick() => true,
        };
        let Some(app) = app.upgrade() else { return };
        app.boards.advance(&app, is_beat).await;
        drop(app);
        if !is_beat {
            tokio::time::sleep(limits.board_every).await;
        }
    }
}

/// The handler.
pub async fn live(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let params = params.only(&["lang", "after"])?;
    let lang = params.lang()?;
    let after = params.read("after", "the `seq` of a message", |v| v.parse().ok())?;
    if app.world().timetable.stop_by_id(&id).is_none() {
        return Err(Problem::unknown(Thing::Stop, &id));
    }
    let upgrade = upgrade.map_err(|e| Problem::not_a_websocket(e.body_text()))?;
    let place = app.take_live_place(Stream::Board)?;
    Ok(socket::follow(upgrade, place, after, move |app, after| app.boards.join(app, &id, lang, after).ok()))
}

/// The board of a world, for tests and pages that need one at once.
#[must_use]
pub fn board_now(app: &AppState, world: &World, stop: transit_model::ids::StopIdx, lang: Lang) -> Board {
    compose(world, stop, lang, app.clock.speed(), ROWS_MAX, app.clock.now())
}
