//! What stands on the screen: pictures of it, and the laws it keeps.

#![expect(clippy::unwrap_used, reason = "a test that fails shall stop")]

mod common;

use common::{NOW, board, countdown, label, row, running, saying, timetable};
use proptest::prelude::*;
use stop_display::content::{ShownState, shown};
use stop_display::frame::{Frame, Role, Size, layout};
use stop_display::state::Display;
use transit_model::board::{Board, BoardState, Crowding, Freshness, Label, LabelKind, LiveMessage, label_at};
use transit_model::cells::width;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;
use transit_model::timetable::Mode;

/// A board's own clock, far from the server's: nothing may count by it.
const LOCAL: UnixMs = UnixMs(77_000_000);

fn holding(board: Board) -> Display {
    let mut d = Display::default();
    d.take(LiveMessage::Snapshot { seq: 1, board }, LOCAL).unwrap();
    d
}

fn frame(d: &Display, after_s: i64, lang: Lang, size: (u16, u16)) -> Frame {
    layout(&shown(d, LOCAL.plus_secs(after_s), lang, "41"), Size { width: size.0, height: size.1 }, 0)
}

/// Three sizes under each other, in a border that shows where lines end.
fn picture(d: &Display, after_s: i64, lang: Lang) -> String {
    let mut out = String::new();
    for size in [(40, 12), (80, 24), (120, 40)] {
        let frame = frame(d, after_s, lang, size);
        out += &format!("{}x{}\n", size.0, size.1);
        for line in &frame.lines {
            let text: String = line.iter().map(|s| s.text.as_str()).collect();
            assert!(width(&text) <= usize::from(size.0), "too wide: {text}");
            out += &format!("│{text}{}│\n", " ".repeat(usize::from(size.0) - width(&text)));
        }
        out += "\n";
    }
    out
}

fn pictures(name: &str, after_s: i64, make: impl Fn(Lang) -> Display) {
    for lang in Lang::ALL {
        insta::assert_snapshot!(format!("{name}_{lang}"), picture(&make(lang), after_s, lang));
    }
}

#[test]
fn running_board() {
    pictures("running", 0, |lang| holding(running(lang)));
}

#[test]
fn a_minute_later_the_labels_have_moved_on_by_themselves() {
    pictures("minute_later", 60, |lang| holding(running(lang)));
}

#[test]
fn stale_rows_show_the_timetable_and_a_notice() {
    pictures("stale", 0, |lang| {
        let mut b = running(lang);
        for r in &mut b.rows {
            *r = timetable(r.clone());
            r.freshness = Freshness::Stale;
        }
        let words = lang.pick(
            "Немає даних про машини з 14:01, час за розкладом",
            "No vehicle data since 14:01, times by the timetable",
        );
        b.notice = vec![label(NOW, words)];
        holding(b)
    });
}

#[test]
fn service_ended() {
    pictures("service_ended", 0, |lang| {
        holding(saying(
            lang,
            BoardState::ServiceEnded,
            "Рух завершено. Перший рейс завтра о 05:40",
            "Service has ended. First departure tomorrow at 05:40",
        ))
    });
}

#[test]
fn expired() {
    pictures("expired", 181, |lang| holding(running(lang)));
}

#[test]
fn link_lost_while_the_board_still_holds() {
    pictures("link_lost", 70, |lang| {
        let mut d = holding(running(lang));
        d.lost(LOCAL.plus_secs(65), "http://board.test: Connection refused".to_owned());
        d
    });
}

#[test]
fn link_lost_and_expired() {
    pictures("link_lost_expired", 600, |lang| {
        let mut d = holding(running(lang));
        d.lost(LOCAL.plus_secs(65), "http://board.test: Connection refused".to_owned());
        d
    });
}

#[test]
fn link_lost_for_days() {
    let mut d = holding(running(Lang::Uk));
    d.lost(LOCAL.plus_secs(65), "gone".to_owned());
    let text = frame(&d, 3 * 86_400, Lang::Uk, (80, 24)).text();
    assert!(text.contains("Немає зв’язку з 22.11 14:06"), "{text}");
}

#[test]
fn nothing_ever_came() {
    pictures("never", 0, |_| {
        let mut d = Display::default();
        d.lost(LOCAL, "http://board.test: Connection refused (os error 111)".to_owned());
        d
    });
    assert!(frame(&Display::default(), 0, Lang::Uk, (80, 24)).text().contains("З’єднуємося з сервером"));
}

#[test]
fn long_names() {
    pictures("long_names", 0, |lang| {
        let far = "Обласний клінічний центр екстреної медичної допомоги та медицини катастроф імені професора";
        let mut r = row(lang, NOW, "ЕКСПРЕС 1024", Mode::Bus, far, 125);
        r.wheelchair = Some(true);
        r.crowding = Some(Crowding::Full);
        let mut b = board(
            lang,
            vec![r, row(lang, NOW, "1", Mode::Trolleybus, "日本語の行き先 東京都庁前 都営大江戸線のりば", 3)],
        );
        b.stop.name = "Науково-дослідний інститут високовольтного машинобудування і технологій".to_owned();
        b.notice = vec![label(
            NOW,
            "Через ремонт теплотраси на вулиці Центральній зупинка перенесена на 150 метрів у бік ринку, тролейбуси 2 та 3А курсують із затримкою до 20 хвилин",
        )];
        holding(b)
    });
}

#[test]
fn no_rows_and_nothing_to_say() {
    pictures("no_rows", 0, |lang| holding(board(lang, Vec::new())));
}

#[test]
fn more_rows_than_fit_turn_in_pages() {
    let many = |lang| {
        let rows = (1..=25).map(|m| row(lang, NOW, &m.to_string(), Mode::Bus, &format!("Кінцева {m}"), m)).collect();
        holding(board(lang, rows))
    };
    pictures("many", 0, many);
    let d = many(Lang::Uk);
    let content = shown(&d, LOCAL, Lang::Uk, "41");
    let size = Size { width: 40, height: 12 };
    let pages = layout(&content, size, 0).pages;
    let all: String = (0..pages).map(|p| layout(&content, size, p).text()).collect();
    for m in 1..=25 {
        assert_eq!(all.matches(&format!("Кінцева {m} ")).count(), 1, "row {m} stands on one page, once:\n{all}");
    }
    assert_eq!(layout(&content, size, pages), layout(&content, size, 0), "after the last page comes the first");
}

#[test]
fn a_cancelled_departure_says_so_in_words() {
    let mut b = running(Lang::Uk);
    b.rows[1].labels = vec![Label { kind: LabelKind::Cancelled, ..label(NOW, "скасовано") }];
    let f = frame(&holding(b), 0, Lang::Uk, (80, 24));
    let cancelled = f.lines.iter().flatten().filter(|s| s.role == Role::Cancelled).map(|s| s.text.trim());
    assert_eq!(cancelled.filter(|t| !t.is_empty()).collect::<Vec<_>>(), ["Славкурорт", "скасовано"]);
}

#[test]
fn the_board_of_a_station_names_platforms() {
    pictures("platforms", 0, |lang| {
        let mut b = running(lang);
        b.stop.platform = String::new();
        b.rows[0].platform = "2".to_owned();
        b.rows[2].platform = "11а".to_owned();
        holding(b)
    });
}

#[test]
fn a_hostile_name_cannot_steer_the_terminal() {
    let mut b = running(Lang::Uk);
    b.stop.name = "Ринок\u{1b}[2J\u{202e}".to_owned();
    b.rows[0].destination = "a\r\nb\u{7}".to_owned();
    let content = shown(&holding(b), LOCAL, Lang::Uk, "41");
    assert!(
        !format!("{}{}", content.stop, content.rows[0].destination)
            .contains(|c: char| c.is_control() || c == '\u{202e}')
    );
}

fn any_board() -> impl Strategy<Value = Board> {
    let words = prop_oneof!["\\PC{0,30}", "[а-яїієґ’ ]{0,90}", Just(String::new())];
    let one = (words.clone(), "\\PC{0,14}", -3i64..90, "[0-9]{0,3}", any::<Option<bool>>());
    (prop::collection::vec(one, 0..30), words.clone(), words, 1i64..400).prop_map(|(rows, stop, notice, lives)| {
        let rows = rows.into_iter().enumerate().map(|(at, (to, route, minutes, platform, wheelchair))| {
            let mut r = row(Lang::Uk, NOW, &route, Mode::Bus, &to, minutes);
            r.key = at.to_string();
            r.wheelchair = wheelchair;
            r.platform = platform;
            r.labels = countdown(Lang::Uk, NOW, minutes);
            r
        });
        let mut b = board(Lang::Uk, rows.collect());
        b.stop.name = stop;
        b.expires_at = NOW.plus_secs(lives);
        b.notice = vec![label(NOW, &notice)];
        b
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_frame_never_exceeds_its_size(
        b in any_board(), w in 0u16..140, h in 0u16..50, page in 0usize..9, after in 0i64..500, lost in any::<bool>()
    ) {
        let mut d = holding(b);
        if lost {
            d.lost(LOCAL, "http://board.test: Connection refused".to_owned());
        }
        let f = layout(&shown(&d, LOCAL.plus_secs(after), Lang::Uk, "41"), Size { width: w, height: h }, page);
        prop_assert!(f.lines.len() <= usize::from(h));
        for line in &f.lines {
            let text: String = line.iter().map(|s| s.text.as_str()).collect();
            prop_assert!(width(&text) <= usize::from(w), "{} > {w}: {text:?}", width(&text));
        }
    }

    #[test]
    fn an_expired_board_never_shows_a_countdown(b in any_board(), after in 0i64..500) {
        let lives = b.expires_at;
        let content = shown(&holding(b), LOCAL.plus_secs(after), Lang::Uk, "41");
        prop_assert_eq!(content.state == ShownState::Expired, NOW.plus_secs(after) > lives);
        if content.state == ShownState::Expired {
            prop_assert!(content.rows.is_empty());
            prop_assert_eq!(content.notice, "Немає даних");
        }
    }

    #[test]
    fn every_row_shows_the_label_of_the_moment_and_no_other(b in any_board(), after in 0i64..400) {
        let now = NOW.plus_secs(after);
        let wanted: Vec<String> = b
            .rows
            .iter()
            .filter(|_| now <= b.expires_at)
            .filter_map(|r| label_at(&r.labels, now).map(|l| l.text.clone()))
            .filter(|text| !text.is_empty())
            .collect();
        let content = shown(&holding(b), LOCAL.plus_secs(after), Lang::Uk, "41");
        prop_assert_eq!(content.rows.into_iter().map(|r| r.text).collect::<Vec<_>>(), wanted);
    }
}
