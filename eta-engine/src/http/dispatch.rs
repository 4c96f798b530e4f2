//! `WS /v1/dispatch`: the dispatcher's picture, at most once a second, for holders of a token.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::HeaderMap;
use axum::response::Response;
use transit_model::dispatch::{DispatchMessage, DispatchState};

use super::app::{App, AppState, Cleared};
use super::channel::{Channel, Joined, Told};
use super::dispatch_view::{Frame, picture};
use super::live::{first_seq, to_text};
use super::metrics::Stream;
use super::params::Params;
use super::problem::{Answer, Problem};
use super::socket;
use crate::auth::Role;

/// The picture is told at most this often.
const EVERY: Duration = Duration::from_secs(1);

/// Those who watch the whole feed.
#[derive(Default)]
pub struct DispatchHub {
    inner: Mutex<Option<Watched>>,
}

struct Watched {
    frame: Arc<Frame>,
    channel: Channel<DispatchState>,
    /// Whoever asked for the picture first: it is made for holders of a token alone.
    cleared: Cleared,
}

impl Told for DispatchState {
    fn snapshot(&self, seq: u64) -> String {
        to_text(&DispatchMessage::Snapshot { seq, state: Box::new(self.clone()) })
    }

    fn change(&self, next: &Self, seq: u64) -> Option<String> {
        if self.ladders != next.ladders || self.feed != next.feed {
            // Another feed: differences do not carry ladders.
            return Some(next.snapshot(seq));
        }
        self.difference(next).map(|change| to_text(&DispatchMessage::Change { seq, change }))
    }

    fn heartbeat(&self, seq: u64) -> String {
        to_text(&DispatchMessage::Heartbeat { seq, now: self.now })
    }
}

impl DispatchHub {
    /// Joins those who watch.
    pub(super) fn join(&self, app: &AppState, after: Option<u64>, cleared: &Cleared) -> Joined {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = inner.get_or_insert_with(|| {
            let frame = Arc::new(Frame::of(&app.whole(cleared)));
            let state = now_of(app, &frame, cleared);
            Watched { channel: Channel::new(first_seq(app.clock.now()), state), frame, cleared: cleared.clone() }
        });
        watched.channel.join(after)
    }

    /// Tells those who watch what has changed; forgets the picture when nobody does.
    pub fn advance(&self, app: &AppState, beat: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watched) = inner.as_mut() else { return };
        if beat && watched.channel.followers() == 0 {
            *inner = None;
            return;
        }
        let world = app.whole(&watched.cleared);
        if !watched.frame.fits(&world) {
            watched.frame = Arc::new(Frame::of(&world));
        }
        let state = now_of(app, &watched.frame, &watched.cleared);
        watched.channel.advance(state, beat);
    }
}

fn now_of(app: &AppState, frame: &Frame, cleared: &Cleared) -> DispatchState {
    let (world, now) = (app.whole(cleared), app.clock.now());
    let mut extra = (**app.extra_concerns.load()).clone();
    extra.extend(app.published(cleared).decided(|gate| gate.concerns(&world.timetable, now)));
    let state = picture(&world, frame, &extra, app.clock.speed(), now);
    DispatchState { devices: (**app.devices.load()).clone(), ..state }
}

/// Keeps the hub going for as long as the server lives.
pub(super) async fn drive(app: Weak<AppState>) {
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
        app.dispatch.advance(&app, is_beat);
        drop(app);
        tokio::time::sleep(EVERY).await;
    }
}

/// The handler.
pub async fn dispatch(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let cleared = app.clear(&headers, &[Role::Dispatcher])?;
    let params = params.only(&["after"])?;
    let after = params.read("after", "the `seq` of a message", |v| v.parse().ok())?;
    let upgrade = upgrade.map_err(|e| Problem::not_a_websocket(e.body_text()))?;
    let place = app.take_live_place(Stream::Dispatch)?;
    Ok(socket::follow(upgrade, place, after, move |app, after| Some(app.dispatch.join(app, after, &cleared))))
}
