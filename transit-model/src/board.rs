//! The live board message: one content model for every kind of board, computed once, by the engine.
//!
//! A client holds no rules: it shows, for each row and for the notice, the last label whose `from`
//! is past; hides a row whose label is empty; and says "no data" after `expires_at`. What the labels
//! say and when is decided in the engine (`docs/board-rules.md`), never here.

use serde::{Deserialize, Serialize};

use crate::lang::Lang;
use crate::time::{ServiceDate, UnixMs};
use crate::timetable::Mode;

/// What a board says of itself as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardState {
    /// There are rows.
    Running,
    /// Nothing more today; the notice says when service starts again, if the feed knows.
    ServiceEnded,
    /// Nothing calls here today at all.
    NoServiceToday,
    /// Something runs today, but nothing within the board's horizon.
    NothingSoon,
    /// The engine has nothing it may call true: no feed, or an internal fault.
    NoData,
    /// The stop is closed.
    StopClosed,
}

/// Where a row's times come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSource {
    /// A vehicle that is being followed.
    Live,
    /// The timetable alone.
    Timetable,
    /// It will not come.
    Cancelled,
}

/// How old what is known of a row's vehicle is, at `Board::now`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// A fix of the last 45 s.
    Fresh,
    /// 45 to 90 s: marked.
    Marked,
    /// 90 to 180 s: clock time of the timetable, the vehicle is known to be on its way.
    Stale,
    /// Beyond, or no vehicle at all.
    None,
}

/// How full a vehicle is (GTFS-Realtime `OccupancyStatus`, in four steps).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crowding {
    /// Many seats.
    Low,
    /// Few seats.
    Medium,
    /// Standing.
    High,
    /// Not taking passengers.
    Full,
}

/// What a label rests on, for an icon beside it: colour is never the only channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// Minutes, by a fix of the last 45 s.
    Live,
    /// Minutes, by a fix 45 to 90 s old; the text is marked too.
    Marked,
    /// The timetable's clock time; the vehicle was seen on its way within three minutes.
    Underway,
    /// The timetable's clock time.
    Timetable,
    /// A clock time by calculation, marked: satellite signals are jammed or spoofed.
    Estimated,
    /// It will not come.
    Cancelled,
    /// The row is gone; the text is empty.
    Gone,
    /// Words about the board.
    #[default]
    Words,
}

/// What to show and to say from a moment on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Label {
    /// From this moment.
    pub from: UnixMs,
    /// What it rests on.
    #[serde(default)]
    pub kind: LabelKind,
    /// To read; empty = the row is gone.
    pub text: String,
    /// To hear.
    pub speech: String,
}

/// The label that holds at a moment: the last whose `from` is not later. `None` before the first.
#[must_use]
pub fn label_at(labels: &[Label], now: UnixMs) -> Option<&Label> {
    labels.iter().take_while(|l| l.from <= now).last()
}

/// Whether two timelines say the same from a moment on: what is past, and since when the label in
/// force has held, makes no difference.
#[must_use]
pub fn same_ahead(a: &[Label], b: &[Label], now: UnixMs) -> bool {
    let split = |l: &[Label]| l.iter().take_while(|l| l.from <= now).count();
    let (past_a, past_b) = (split(a), split(b));
    let said = |l: &[Label]| label_at(l, now).map(|l| (l.kind, l.text.clone(), l.speech.clone()));
    said(a) == said(b) && a.get(past_a..) == b.get(past_b..)
}

/// The stop a board stands at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BoardStop {
    /// `stop_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What is written on the pole; empty if nothing.
    #[serde(default)]
    pub code: String,
    /// Its platform; empty if none.
    #[serde(default)]
    pub platform: String,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Whether a wheelchair gets on here; absent = unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheelchair: Option<bool>,
}

/// A route, as a board shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BoardRoute {
    /// `route_id`.
    pub id: String,
    /// What is written on the vehicle.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// The mode in the board's language: "тролейбус".
    pub mode_name: String,
    /// `#rrggbb`; absent where the feed has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_colour: Option<String>,
}

/// One departure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BoardRow {
    /// Names the departure for as long as it is one: service day, trip, sequence.
    pub key: String,
    /// The route.
    pub route: BoardRoute,
    /// Where it goes.
    pub destination: String,
    /// The platform it leaves from, on the board of a station; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// What and where to, to hear: "Тролейбус 2, напрямок Вокзал". A label's speech follows it.
    #[serde(default)]
    pub spoken: String,
    /// `trip_id`.
    pub trip_id: String,
    /// The trip's service day.
    pub service_date: ServiceDate,
    /// `stop_sequence` of the call.
    pub stop_sequence: u32,
    /// The vehicle, when one is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle_id: Option<String>,
    /// Where the times come from.
    pub source: RowSource,
    /// The clock time is neither seen nor the timetable's: satellite signals are jammed or spoofed, and the
    /// vehicle is carried on by calculation from where it was last seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// How old they are.
    pub freshness: Freshness,
    /// Whether a wheelchair gets in; absent = unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheelchair: Option<bool>,
    /// How full it is; absent = unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowding: Option<Crowding>,
    /// The timetable's departure (arrival at a last stop).
    pub scheduled: UnixMs,
    /// The published arrival, seen or calculated; absent for a row by the timetable alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<UnixMs>,
    /// One in ten comes before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_p10: Option<UnixMs>,
    /// Nine in ten come before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_p90: Option<UnixMs>,
    /// The published departure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<UnixMs>,
    /// When the vehicle's last fix was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_time: Option<UnixMs>,
    /// What to show when, by `from`.
    pub labels: Vec<Label>,
}

/// Everything a board shows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Board {
    /// When this was true, for people (RFC 3339 with the city's offset).
    pub as_of: String,
    /// The same on the clock the labels count by.
    pub now: UnixMs,
    /// After this a board shows "no data".
    pub expires_at: UnixMs,
    /// How many seconds of the labels' clock pass in a second: 1 but in a demo.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub clock_speed: f64,
    /// IANA name of the city's zone.
    pub zone: String,
    /// Language of every text in here.
    pub lang: Lang,
    /// The stop.
    pub stop: BoardStop,
    /// The board as a whole.
    pub state: BoardState,
    /// What to say about the state, in place of rows or under them; may be empty.
    #[serde(default)]
    pub notice: Vec<Label>,
    /// What to show once `expires_at` has passed, so that a client needs no words of its own.
    pub expired: Label,
    /// Departures, in the order to show them.
    pub rows: Vec<BoardRow>,
}

impl BoardRow {
    /// The whole sentence to hear at a moment; `None` when the row is gone.
    #[must_use]
    pub fn sentence(&self, now: UnixMs) -> Option<String> {
        let label = label_at(&self.labels, now).filter(|l| !l.text.is_empty())?;
        Some(format!("{}, {}.", self.spoken, label.speech))
    }

    /// Whether a client that has `self` would see and hear nothing new in `next`.
    #[must_use]
    fn same_ahead(&self, next: &Self, now: UnixMs) -> bool {
        same_ahead(&self.labels, &next.labels, now)
            && Self { labels: Vec::new(), ..self.clone() } == Self { labels: Vec::new(), ..next.clone() }
    }
}

impl Board {
    /// What turns `self` into `next` for whoever has `self` and sees the time pass; `None` when
    /// that is nothing but the time and `expires_at`. Both must be of one stop and language.
    #[must_use]
    pub fn difference(&self, next: &Self) -> Option<BoardChange> {
        let known = |r: &BoardRow| self.rows.iter().any(|have| have.key == r.key && have.same_ahead(r, next.now));
        let rows: Vec<_> = next.rows.iter().filter(|r| !known(r)).cloned().collect();
        let reordered = !self.rows.iter().map(|r| &r.key).eq(next.rows.iter().map(|r| &r.key));
        let notice = same_ahead(&self.notice, &next.notice, next.now);
        if rows.is_empty() && !reordered && notice && self.state == next.state {
            return None;
        }
        Some(BoardChange {
            as_of: next.as_of.clone(),
            now: next.now,
            expires_at: next.expires_at,
            state: next.state,
            notice: next.notice.clone(),
            rows,
            order: next.rows.iter().map(|r| r.key.clone()).collect(),
        })
    }
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, clippy::float_cmp, reason = "serde's signature; exactly one or not")]
fn is_one(x: &f64) -> bool {
    *x == 1.0
}

/// What has changed on a board.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BoardChange {
    /// As [`Board::as_of`].
    pub as_of: String,
    /// As [`Board::now`].
    pub now: UnixMs,
    /// As [`Board::expires_at`].
    pub expires_at: UnixMs,
    /// As [`Board::state`].
    pub state: BoardState,
    /// As [`Board::notice`].
    #[serde(default)]
    pub notice: Vec<Label>,
    /// Rows that are new or differ, whole.
    pub rows: Vec<BoardRow>,
    /// The keys of every row of the board now, in the order to show them; others are gone.
    pub order: Vec<String>,
}

/// A message of `WS /v1/stops/{id}/live`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveMessage {
    /// The whole board: first, and after a gap.
    Snapshot {
        /// Grows by one with each snapshot or change of this stop.
        seq: u64,
        /// The board.
        board: Board,
    },
    /// A difference from the message with the `seq` before.
    Change {
        /// As in `Snapshot`.
        seq: u64,
        /// The difference.
        change: BoardChange,
    },
    /// Nothing has changed; what is shown is good for longer.
    Heartbeat {
        /// Of the last snapshot or change.
        seq: u64,
        /// As [`Board::now`].
        now: UnixMs,
        /// As [`Board::expires_at`].
        expires_at: UnixMs,
    },
}

/// A change does not follow what the client has: it must ask for a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("message {got} does not follow {have:?}")]
pub struct Gap {
    /// The last message the client took.
    pub have: Option<u64>,
    /// The one that came.
    pub got: u64,
}

/// The client's side of the stream: the board as the messages so far make it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LiveBoard {
    seq: Option<u64>,
    board: Option<Board>,
}

impl LiveBoard {
    /// The last message taken, for `?after=`.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// The board, once a snapshot has come.
    #[must_use]
    pub const fn board(&self) -> Option<&Board> {
        self.board.as_ref()
    }

    /// Takes a message.
    ///
    /// # Errors
    /// When it does not follow the ones taken before; nothing is changed then.
    pub fn take(&mut self, message: LiveMessage) -> Result<(), Gap> {
        match message {
            LiveMessage::Snapshot { seq, board } => {
                self.seq = Some(seq);
                self.board = Some(board);
            }
            LiveMessage::Change { seq, change } => {
                let gap = Gap { have: self.seq, got: seq };
                let board = self.board.as_mut().filter(|_| self.seq.is_some_and(|have| have + 1 == seq)).ok_or(gap)?;
                self.seq = Some(seq);
                apply(board, change);
            }
            LiveMessage::Heartbeat { seq, now, expires_at } => {
                let gap = Gap { have: self.seq, got: seq };
                let board = self.board.as_mut().filter(|_| self.seq == Some(seq)).ok_or(gap)?;
                board.now = now;
                board.expires_at = expires_at;
            }
        }
        Ok(())
    }
}

fn apply(board: &mut Board, change: BoardChange) {
    let mut rows: Vec<BoardRow> = Vec::with_capacity(change.order.len());
    for key in &change.order {
        let row = change.rows.iter().find(|r| r.key == *key).or_else(|| board.rows.iter().find(|r| r.key == *key));
        rows.extend(row.cloned());
    }
    board.rows = rows;
    board.as_of = change.as_of;
    board.now = change.now;
    board.expires_at = change.expires_at;
    board.state = change.state;
    board.notice = change.notice;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(from: i64, text: &str) -> Label {
        Label { from: UnixMs(from), kind: LabelKind::Live, text: text.to_owned(), speech: text.to_owned() }
    }

    fn row(key: &str, labels: Vec<Label>) -> BoardRow {
        BoardRow {
            key: key.to_owned(),
            route: BoardRoute {
                id: "r2".to_owned(),
                name: "2".to_owned(),
                mode: Mode::Trolleybus,
                mode_name: "тролейбус".to_owned(),
                colour: None,
                text_colour: None,
            },
            destination: "Вокзал".to_owned(),
            platform: String::new(),
            spoken: "Тролейбус 2, напрямок Вокзал".to_owned(),
            trip_id: "t1".to_owned(),
            service_date: ServiceDate::from_days(20_000),
            stop_sequence: 4,
            vehicle_id: None,
            source: RowSource::Live,
            estimated: false,
            freshness: Freshness::Fresh,
            wheelchair: None,
            crowding: None,
            scheduled: UnixMs(60_000),
            arrival: None,
            arrival_p10: None,
            arrival_p90: None,
            departure: None,
            fix_time: None,
            labels,
        }
    }

    fn board(now: i64, rows: Vec<BoardRow>) -> Board {
        Board {
            as_of: format!("at {now}"),
            now: UnixMs(now),
            expires_at: UnixMs(now + 1000),
            clock_speed: 1.0,
            zone: "Europe/Kyiv".to_owned(),
            lang: Lang::Uk,
            stop: BoardStop {
                id: "s1".to_owned(),
                name: "Площа".to_owned(),
                code: String::new(),
                platform: String::new(),
                lat: 48.8,
                lon: 37.6,
                wheelchair: None,
            },
            state: BoardState::Running,
            notice: Vec::new(),
            expired: label(now + 1000, "Немає даних"),
            rows,
        }
    }

    #[test]
    fn a_label_that_has_passed_is_no_difference() {
        let before = board(0, vec![row("a", vec![label(0, "2 хв"), label(60, "1 хв"), label(120, "зараз")])]);
        let after = board(70, vec![row("a", vec![label(60, "1 хв"), label(120, "зараз")])]);
        assert_eq!(before.difference(&after), None);
        let moved = board(70, vec![row("a", vec![label(60, "1 хв"), label(130, "зараз")])]);
        assert_eq!(before.difference(&moved).map(|c| c.rows.len()), Some(1));
    }

    #[test]
    fn a_difference_brings_a_client_to_the_next_board() {
        let before = board(0, vec![row("a", vec![label(0, "1 хв")]), row("b", vec![label(0, "9 хв")])]);
        let after = board(10, vec![row("c", vec![label(0, "3 хв")]), row("b", vec![label(0, "9 хв")])]);
        let change = before.difference(&after).unwrap();
        assert_eq!(change.rows.len(), 1, "only what is new travels");
        let mut client = LiveBoard::default();
        client.take(LiveMessage::Snapshot { seq: 4, board: before.clone() }).unwrap();
        client.take(LiveMessage::Change { seq: 5, change: change.clone() }).unwrap();
        assert_eq!(client.board().map(|b| (&b.rows, b.now)), Some((&after.rows, after.now)));
        let gap = client.take(LiveMessage::Change { seq: 7, change });
        assert_eq!(gap, Err(Gap { have: Some(5), got: 7 }));
    }

    #[test]
    fn a_row_is_heard_as_it_is_read_and_is_silent_when_gone() {
        let gone = Label { from: UnixMs(60), kind: LabelKind::Gone, text: String::new(), speech: String::new() };
        let r = row("a", vec![label(0, "зараз"), gone]);
        assert_eq!(r.sentence(UnixMs(10)).as_deref(), Some("Тролейбус 2, напрямок Вокзал, зараз."));
        assert_eq!(r.sentence(UnixMs(60)), None);
    }
}
