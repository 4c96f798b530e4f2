//! Boards to test with: whole, plausible, told by a few words each.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::expect_used, reason = "made up for tests")]

use transit_model::board::{
    Board, BoardRoute, BoardRow, BoardState, BoardStop, Crowding, Freshness, Label, LabelKind, RowSource,
};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};
use transit_model::timetable::Mode;

/// 22 November 2026, 14:05 in Kyiv.
pub(crate) const NOW: UnixMs = UnixMs(1_795_349_100_000);

pub(crate) fn label(from: UnixMs, text: &str) -> Label {
    Label { from, kind: LabelKind::Words, text: text.to_owned(), speech: text.to_owned() }
}

pub(crate) fn gone(from: UnixMs) -> Label {
    Label { kind: LabelKind::Gone, ..label(from, "") }
}

/// Counts down from `minutes` to "now", and is gone half a minute after.
pub(crate) fn countdown(lang: Lang, now: UnixMs, minutes: i64) -> Vec<Label> {
    let arrival = now.plus_secs(minutes * 60);
    let unit = lang.pick("хв", "min");
    let live = |from, text: &str| Label { kind: LabelKind::Live, ..label(from, text) };
    let mut labels: Vec<Label> =
        (1..=minutes.max(1)).rev().map(|m| live(arrival.plus_secs(-m * 60), &format!("{m} {unit}"))).collect();
    labels.push(live(arrival.plus_secs(-30), lang.pick("зараз", "now")));
    labels.push(gone(arrival.plus_secs(30)));
    labels
}

pub(crate) fn row(lang: Lang, now: UnixMs, route: &str, mode: Mode, destination: &str, minutes: i64) -> BoardRow {
    let mode_name = match mode {
        Mode::Trolleybus => lang.pick("тролейбус", "trolleybus"),
        _ => lang.pick("автобус", "bus"),
    };
    BoardRow {
        key: format!("20261122/{route}/{minutes}"),
        route: BoardRoute {
            id: route.to_owned(),
            name: route.to_owned(),
            mode,
            mode_name: mode_name.to_owned(),
            colour: Some(if mode == Mode::Trolleybus { "#0072bc" } else { "#f2b705" }.to_owned()),
            text_colour: None,
        },
        destination: destination.to_owned(),
        platform: String::new(),
        spoken: format!("{mode_name} {route}, {destination}"),
        trip_id: format!("{route}-{minutes}"),
        service_date: "20261122".parse().expect("a date"),
        stop_sequence: 7,
        vehicle_id: Some("1024".to_owned()),
        source: RowSource::Live,
        estimated: false,
        freshness: Freshness::Fresh,
        wheelchair: None,
        crowding: None,
        scheduled: now.plus_secs(minutes * 60),
        arrival: Some(now.plus_secs(minutes * 60)),
        arrival_p10: None,
        arrival_p90: None,
        departure: None,
        fix_time: Some(now.plus_secs(-8)),
        labels: countdown(lang, now, minutes),
    }
}

/// The same by the timetable alone.
pub(crate) fn timetable(mut row: BoardRow) -> BoardRow {
    let zone = Zone::named("Europe/Kyiv").expect("a zone");
    row.source = RowSource::Timetable;
    row.freshness = Freshness::None;
    row.vehicle_id = None;
    let clock = Label { kind: LabelKind::Timetable, ..label(NOW.plus_secs(-60), &zone.hhmm(row.scheduled)) };
    row.labels = vec![clock, gone(row.scheduled.plus_secs(30))];
    row
}

/// Four departures of the kinds there are.
pub(crate) fn running(lang: Lang) -> Board {
    let uk = |uk, en| lang.pick(uk, en);
    let mut first = row(lang, NOW, "2", Mode::Trolleybus, uk("Залізничний вокзал", "Railway station"), 1);
    first.wheelchair = Some(true);
    first.crowding = Some(Crowding::Medium);
    let mut second = row(lang, NOW, "15", Mode::Bus, uk("Славкурорт", "Slavkurort"), 4);
    second.freshness = Freshness::Marked;
    for l in second.labels.iter_mut().filter(|l| l.kind == LabelKind::Live) {
        l.kind = LabelKind::Marked;
        l.text = format!("~{}", l.text);
    }
    let third = row(lang, NOW, "3А", Mode::Trolleybus, uk("Міська лікарня № 2", "City hospital 2"), 12);
    let fourth = timetable(row(lang, NOW, "109", Mode::Bus, uk("Черевківка", "Cherevkivka"), 31));
    board(lang, vec![first, second, third, fourth])
}

pub(crate) fn board(lang: Lang, rows: Vec<BoardRow>) -> Board {
    let zone = Zone::named("Europe/Kyiv").expect("a zone");
    Board {
        as_of: NOW.rfc3339(&zone),
        now: NOW,
        expires_at: NOW.plus_secs(180),
        clock_speed: 1.0,
        zone: zone.name().to_owned(),
        lang,
        stop: BoardStop {
            id: "41".to_owned(),
            name: lang.pick("Площа Соборна", "Soborna Square").to_owned(),
            code: "41".to_owned(),
            platform: "2".to_owned(),
            lat: 48.853,
            lon: 37.605,
            wheelchair: Some(true),
        },
        state: if rows.is_empty() { BoardState::NothingSoon } else { BoardState::Running },
        notice: Vec::new(),
        expired: label(UnixMs(0), lang.pick("Немає даних", "No data")),
        rows,
    }
}

/// The board in place of whose rows something is said.
pub(crate) fn saying(lang: Lang, state: BoardState, uk: &str, en: &str) -> Board {
    let mut board = board(lang, Vec::new());
    board.state = state;
    board.notice = vec![label(NOW.plus_secs(-60), lang.pick(uk, en))];
    board
}
