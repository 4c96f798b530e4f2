//! What a board shows at a moment, for every renderer alike: no sizes, no colours of its own, no
//! rules about predictions. A label is shown from its `from` until the next one's, nothing after
//! the board's `expires_at`.

use serde::Serialize;
use transit_model::board::{Board, BoardRow, Crowding, LabelKind, label_at};
use transit_model::cells::harmless;
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use crate::state::{Display, Link};
use crate::words;

/// Beyond this a time of day does not say which day's.
const DAY_MS: i64 = 20 * 3_600_000;

/// Which kind of content it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownState {
    /// No board has come yet.
    Waiting,
    /// Departures.
    Rows,
    /// A notice in place of departures.
    Notice,
    /// The board has outlived what it was sent.
    Expired,
}

/// A departure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownRow {
    /// What is written on the vehicle.
    pub route: String,
    /// Its mode, in the board's language.
    pub mode: String,
    /// Background of the route's badge, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// Text of the route's badge, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_colour: Option<String>,
    /// Where it goes.
    pub destination: String,
    /// The label that holds now.
    pub text: String,
    /// What that rests on.
    pub kind: LabelKind,
    /// The whole row to hear.
    pub speech: String,
    /// The platform it leaves from, on the board of a station; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Whether a wheelchair gets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wheelchair: Option<bool>,
    /// How full it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crowding: Option<Crowding>,
}

/// Everything on a board at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The moment, on the server's clock, RFC 3339; absent before a board came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The wall clock of the city, `HH:MM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Language of what is shown.
    pub lang: Lang,
    /// `stop_id`.
    pub stop_id: String,
    /// The stop's name; empty before a board came.
    pub stop: String,
    /// Its platform, in words; may be empty.
    pub platform: String,
    /// What kind of content it is.
    pub state: ShownState,
    /// Departures, in order.
    pub rows: Vec<ShownRow>,
    /// What to say in place of departures, or under them; may be empty.
    pub notice: String,
    /// What to say of the link; empty while it stands.
    pub link: String,
    /// The same for whoever mends it: what the last attempt ran into; empty while it stands.
    pub fault: String,
}

/// What a display shows at the local moment `local`. `lang` and `stop_id` are the ones it was
/// started with: they stand in until a board comes.
#[must_use]
pub fn shown(display: &Display, local: UnixMs, lang: Lang, stop_id: &str) -> Shown {
    let fault = match display.link() {
        Link::Lost { why, .. } => harmless(why),
        Link::Connecting | Link::Up => String::new(),
    };
    let board = display.live().board().zip(display.server_time(local));
    let Some((board, now)) = board else { return waiting(display, lang, stop_id, fault) };
    let zone = Zone::named(&board.zone).ok();
    let expired = now > board.expires_at;
    let rows = if expired { Vec::new() } else { board.rows.iter().filter_map(|row| shown_row(row, now)).collect() };
    let state = match (expired, rows.is_empty()) {
        (true, _) => ShownState::Expired,
        (false, true) => ShownState::Notice,
        (false, false) => ShownState::Rows,
    };
    let notice = if expired {
        harmless(&board.expired.text)
    } else {
        label_at(&board.notice, now).map(|l| harmless(&l.text)).unwrap_or_default()
    };
    Shown {
        as_of: zone.as_ref().map(|z| now.rfc3339(z)),
        clock: zone.as_ref().map(|z| z.hhmm(now)),
        lang: board.lang,
        stop_id: board.stop.id.clone(),
        stop: harmless(&board.stop.name),
        platform: platform(board),
        state,
        rows,
        notice,
        link: link_words(display, local, now, zone.as_ref(), board, expired),
        fault,
    }
}

fn waiting(display: &Display, lang: Lang, stop_id: &str, fault: String) -> Shown {
    let notice = match display.link() {
        Link::Connecting | Link::Up => words::connecting(lang),
        Link::Lost { .. } => words::never(lang),
    };
    Shown {
        as_of: None,
        clock: None,
        lang,
        stop_id: stop_id.to_owned(),
        stop: String::new(),
        platform: String::new(),
        state: ShownState::Waiting,
        rows: Vec::new(),
        notice: notice.to_owned(),
        link: String::new(),
        fault,
    }
}

fn platform(board: &Board) -> String {
    let name = board.stop.platform.trim();
    if name.is_empty() { String::new() } else { words::platform(board.lang, &harmless(name)) }
}

/// The row, if it has something to say now.
fn shown_row(row: &BoardRow, now: UnixMs) -> Option<ShownRow> {
    let label = label_at(&row.labels, now).filter(|l| !l.text.trim().is_empty())?;
    Some(ShownRow {
        route: harmless(&row.route.name),
        mode: harmless(&row.route.mode_name),
        colour: row.route.colour.clone(),
        text_colour: row.route.text_colour.clone(),
        destination: harmless(&row.destination),
        text: harmless(&label.text),
        kind: label.kind,
        speech: row.sentence(now).map(|s| harmless(&s)).unwrap_or_default(),
        platform: harmless(&row.platform),
        wheelchair: row.wheelchair,
        crowding: row.crowding,
    })
}

fn link_words(d: &Display, local: UnixMs, now: UnixMs, zone: Option<&Zone>, board: &Board, expired: bool) -> String {
    let Link::Lost { since, .. } = d.link() else { return String::new() };
    // A link lost at an earlier moment of the same anchor: the server's time of the loss.
    let at = d.server_time(*since).unwrap_or(now);
    let when = match zone {
        Some(zone) if local.0.saturating_sub(since.0) > DAY_MS => zone.zoned(at).strftime("%d.%m %H:%M").to_string(),
        Some(zone) => zone.hhmm(at),
        None => at.rfc3339(&Zone::utc()),
    };
    if expired { words::lost(board.lang, &when) } else { words::lost_holding(board.lang, &when) }
}
