//! A made-up board that moves, to look at the renderer without an engine:
//! `cargo run -p stop-display --example fake_board [--] [SPEED]`, then
//! `cargo run -p stop-display -- --server http://127.0.0.1:8099 --stop 41`.
//! Stops: `41` runs, `night` has ended, `many` has 25 rows, `short` is closed by the server every 20 s.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use futures_util::SinkExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use transit_model::board::{Board, BoardState, LiveMessage};
use transit_model::clock::{Clock, ScaledClock, SystemClock};
use transit_model::lang::Lang;
use transit_model::timetable::Mode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let speed = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1.0);
    let clock = ScaledClock::starting(SystemClock.now(), speed);
    let listener = TcpListener::bind("127.0.0.1:8099").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, clock.clone()));
    }
}

async fn serve(stream: TcpStream, clock: ScaledClock) -> Option<()> {
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let note = |request: &Request, response: Response| {
        asked = request.uri().to_string();
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, note).await.ok()?;
    let lang = if asked.contains("lang=en") { Lang::En } else { Lang::Uk };
    for seq in 1.. {
        if asked.contains("/short/") && seq > 10 {
            return None;
        }
        let board = made_up(&asked, lang, &clock);
        let text = serde_json::to_string(&LiveMessage::Snapshot { seq, board }).ok()?;
        socket.send(Message::text(text)).await.ok()?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    None
}

fn made_up(asked: &str, lang: Lang, clock: &ScaledClock) -> Board {
    let now = clock.now();
    let places = [("2", "Залізничний вокзал"), ("15", "Славкурорт"), ("3А", "Лікарня № 2"), ("109", "Черевківка")];
    let mut board = if asked.contains("/night/") {
        common::saying(
            lang,
            BoardState::ServiceEnded,
            "Рух завершено. Перший рейс о 05:40",
            "Service has ended. First departure at 05:40",
        )
    } else {
        let mut board = common::running(lang);
        let count = if asked.contains("/many/") { 25 } else { 6 };
        // Each comes every so many minutes of the made-up clock.
        let rows = (0..count).map(|n| {
            let (route, to) = places.get(usize::try_from(n).unwrap_or(0) % places.len()).copied().unwrap_or_default();
            let period = (n + 3) * 180;
            let arrival = now.plus_secs(period - now.secs().rem_euclid(period));
            let mode = if n % 2 == 0 { Mode::Trolleybus } else { Mode::Bus };
            let mut row = common::row(lang, arrival.plus_secs(-30 * 60), route, mode, to, 30);
            row.key = n.to_string();
            row.wheelchair = Some(n % 3 == 0);
            row
        });
        board.rows = rows.collect();
        board.rows.sort_by_key(|r| r.arrival);
        board
    };
    for l in &mut board.notice {
        l.from = now;
    }
    board.now = now;
    board.clock_speed = clock.speed();
    board.expires_at = now.plus_secs(60);
    board
}
