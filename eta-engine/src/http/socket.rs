//! A WebSocket that is told something: sends, takes nothing, lets go of whoever does not take it.

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::sync::broadcast::error::RecvError;

use super::app::{AppState, LivePlace};
use super::channel::Joined;

/// Clients have nothing to say; what they send anyway is small or ends the connection.
const INCOMING: usize = 4096;

/// Upgrades, joins by `join` (handed the message the client has already) and forwards until either
/// side is gone. A client that misses messages gets a snapshot; one that takes none is dropped.
pub(super) fn follow<J>(upgrade: WebSocketUpgrade, place: LivePlace, after: Option<u64>, join: J) -> Response
where
    J: Fn(&AppState, Option<u64>) -> Option<Joined> + Send + 'static,
{
    let upgrade = upgrade.max_message_size(INCOMING).max_frame_size(INCOMING);
    upgrade.on_upgrade(move |socket| async move {
        if forward(socket, &place, after, join).await == End::Slow {
            place.app().metrics.dropped.get_or_create(&place.label()).inc();
        }
    })
}

#[derive(PartialEq, Eq)]
enum End {
    Gone,
    Slow,
}

async fn forward<J>(mut socket: WebSocket, place: &LivePlace, mut after: Option<u64>, join: J) -> End
where
    J: Fn(&AppState, Option<u64>) -> Option<Joined>,
{
    'joined: loop {
        let Some(Joined { first, mut next }) = join(place.app(), after.take()) else { return End::Gone };
        for text in first {
            if let Err(end) = send(&mut socket, place, text).await {
                return end;
            }
        }
        loop {
            tokio::select! {
                told = next.recv() => match told {
                    Ok(text) => if let Err(end) = send(&mut socket, place, text).await {
                        return end;
                    },
                    Err(RecvError::Lagged(_)) => continue 'joined,
                    Err(RecvError::Closed) => return End::Gone,
                },
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                    Some(Ok(_)) => {}
                },
            }
        }
    }
}

async fn send(socket: &mut WebSocket, place: &LivePlace, text: Utf8Bytes) -> Result<(), End> {
    let within = place.app().limits.send_within;
    match tokio::time::timeout(within, socket.send(Message::Text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Slow),
    }
}
