//! `WS /v1/dispatch`: the dispatcher's picture, at most once a second, for holders of a token.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use transit_model::dispatch::{DispatchMessage, DispatchState};

use super::app::{App, AppState};
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
    pub fn join(&self, app: &AppState, after: Option<u64>) -> Joined {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = inner.get_or_insert_with(|| {
            let frame = Arc::new(Frame::of(&app.world()));
            let state = now_of(app, &frame);
            Watched { channel: Channel::new(first_seq(app.clock.now()), state), frame }
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
        let world = app.world();
        if !watched.frame.fits(&world) {
            watched.frame = Arc::new(Frame::of(&world));
        }
        watched.channel.advance(now_of(app, &watched.frame), beat);
    }
}

fn now_of(app: &AppState, frame: &Frame) -> DispatchState {
    picture(&app.world(), frame, &app.extra_concerns.load(), app.clock.speed(), app.clock.now())
}

/// Keeps the hub going for as long as the server lives.
pub(super) async fn drive(app: Weak<AppState>) {
    let Some((mut changed, limits)) = app.upgrade().map(|a| (a.published.subscribe(), a.limits)) else { return };
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

/// Whether the request's bearer may do what `needed` may.
///
/// # Errors
/// `401` without a good token, `403` with one of another role.
pub(super) fn require(app: &AppState, headers: &HeaderMap, needed: Role) -> Answer<Role> {
    let token = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer);
    let role = token.and_then(|t| app.tokens.load().role_of(t, app.clock.now())).ok_or_else(Problem::unauthorized)?;
    if role.may_act_as(needed) { Ok(role) } else { Err(Problem::forbidden(role.name(), needed.name())) }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The handler.
pub async fn dispatch(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    require(&app, &headers, Role::Dispatcher)?;
    let params = params.only(&["after"])?;
    let after = params.read("after", "the `seq` of a message", |v| v.parse().ok())?;
    let upgrade = upgrade.map_err(|e| Problem::not_a_websocket(e.body_text()))?;
    let place = app.take_live_place(Stream::Dispatch)?;
    Ok(socket::follow(upgrade, place, after, |app, after| Some(app.dispatch.join(app, after))))
}
