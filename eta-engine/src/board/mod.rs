//! From a world to what a board shows and says: one content model for every kind of board.
//!
//! Pure: everything is a function of the [`World`] and the moment. It is not how a board looks
//! (that is the client's), nor when it is sent ([`crate::http`]). The laws are in
//! `docs/board-rules.md`; each rule there names the code that holds it and the test that proves it.
//!
//! | module | what it decides |
//! |---|---|
//! | [`hold`] | when a published time may rise |
//! | [`rows`] | which departures stand on a board, in what order |
//! | [`labels`] | what a departure says when |
//! | [`state`] | what the board says of itself |
//! | [`words`] | how it is said |

pub mod hold;
pub mod labels;
pub mod rows;
pub mod state;
pub mod words;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use transit_model::board::{Board, BoardRow, BoardState, BoardStop};
use transit_model::ids::StopIdx;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;
use transit_model::timetable::{Stop, StopKind};

use self::labels::SLACK_MS;
use self::rows::Departure;
use self::words::Phrase;
use crate::world::World;

/// Rule 12: a board is good for this long at most without a word from the server, milliseconds.
pub const EXPIRES_AFTER_MS: i64 = 30 * 60_000;

/// How many departures a board carries unless told otherwise: enough for the largest screen, and
/// for half an hour without a server at most stops.
pub const ROWS_MAX: usize = 24;

/// The board of a stop, or of a station with all its platforms, at `now`.
#[must_use]
pub fn compose(world: &World, stop: StopIdx, lang: Lang, clock_speed: f64, rows_max: usize, now: UnixMs) -> Board {
    let is_station = world.timetable.stops.at(stop).kind == StopKind::Station;
    let found = content(world, stop, lang, rows_max, now);
    let rows: Vec<BoardRow> = found.rows.iter().map(|d| rows::row(world, d, lang, is_station, now)).collect();
    Board {
        as_of: now.rfc3339(&world.timetable.zone),
        now,
        expires_at: found.expires_at,
        clock_speed,
        zone: world.timetable.zone.name().to_owned(),
        lang,
        stop: board_stop(world.timetable.stops.at(stop)),
        state: found.state,
        notice: found.notice,
        expired: state::words_label(found.expires_at, &words::no_data(lang)),
        rows,
    }
}

struct Content<'a> {
    state: BoardState,
    notice: Vec<transit_model::board::Label>,
    rows: Vec<Departure<'a>>,
    expires_at: UnixMs,
}

fn content(world: &World, stop: StopIdx, lang: Lang, rows_max: usize, now: UnixMs) -> Content<'_> {
    let expires_at = UnixMs(now.0.saturating_add(EXPIRES_AFTER_MS));
    let without_rows = |(state, phrase): (BoardState, Phrase)| {
        let notice = vec![state::words_label(UnixMs(now.0.saturating_sub(SLACK_MS)), &phrase)];
        Content { state, notice, rows: Vec::new(), expires_at }
    };
    if !world.ready || world.timetable.trips.is_empty() {
        return without_rows((BoardState::NoData, words::no_data(lang)));
    }
    let stops = open_platforms(world, stop);
    if stops.is_empty() {
        return without_rows((BoardState::StopClosed, words::stop_closed(lang)));
    }
    let mut rows = rows::departures(world, &stops, now);
    if rows.is_empty() {
        return without_rows(state::emptiness(world, &stops, now, lang));
    }
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    // A board that does not carry every departure is not the whole truth once its last row is gone.
    let all_gone = rows.iter().map(|d| d.call.gone_from(now)).max().unwrap_or(expires_at);
    let expires_at = if more { expires_at.min(all_gone) } else { expires_at };
    let notice = state::notice(world, &rows, &stops, lang, now, expires_at);
    Content { state: BoardState::Running, notice, rows, expires_at }
}

/// The stop itself, or the platforms of a station; without those that are closed.
fn open_platforms(world: &World, stop: StopIdx) -> Vec<StopIdx> {
    let t = &world.timetable;
    let own = t.stops.at(stop);
    if world.is_closed(stop) || own.parent.is_some_and(|p| world.is_closed(p)) {
        return Vec::new();
    }
    if own.kind != StopKind::Station {
        return vec![stop];
    }
    let platforms = t.stops.iter().filter(|(_, s)| s.parent == Some(stop) && s.kind == StopKind::Platform);
    std::iter::once(stop).chain(platforms.map(|(i, _)| i)).filter(|i| !world.is_closed(*i)).collect()
}

/// A stop as a board names it.
#[must_use]
pub fn board_stop(s: &Stop) -> BoardStop {
    BoardStop {
        id: s.id.to_string(),
        name: s.name.to_string(),
        code: s.code.to_string(),
        platform: s.platform.to_string(),
        lat: s.lat,
        lon: s.lon,
        wheelchair: s.wheelchair,
    }
}
