//! Boards of whole worlds: the laws of `docs/board-rules.md` over what passengers would see.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use transit_model::board::{Freshness, LabelKind, LiveBoard, LiveMessage, RowSource, label_at};
use transit_model::timetable::Timetable;

use super::fixture::{at, on, stop, timetable, trip, vehicle, with_progress, world};
use super::hold::hold;
use super::*;

/// The board as text: state, notice, then a row a departure.
fn read(board: &Board, now: UnixMs) -> String {
    let mut out = format!("{:?}", board.state);
    if let Some(l) = label_at(&board.notice, now).filter(|l| !l.text.is_empty()) {
        write!(out, " | {}", l.text).unwrap();
    }
    for r in &board.rows {
        if let Some(l) = label_at(&r.labels, now).filter(|l| !l.text.is_empty()) {
            write!(out, "\n{} {} {}", r.route.name, r.destination, l.text).unwrap();
        }
    }
    out
}

fn show(world: &World, id: &str, rows: usize, now: UnixMs) -> String {
    read(&compose(world, stop(&world.timetable, id), Lang::Uk, 1.0, rows, now), now)
}

fn at_b(world: &World, now: UnixMs) -> Board {
    compose(world, stop(&world.timetable, "B"), Lang::Uk, 1.0, 4, now)
}

#[test]
fn rule_2_live_rows_count_minutes_and_the_others_say_the_clock() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = world(&t, now).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 95, now.plus_secs(-8))]);
    let board = at_b(&w, now);
    assert_eq!(read(&board, now), "Running\n2 Вокзал 5 хв\n2 Вокзал 14:14\n5 Парк 14:20\n2 Вокзал 14:24");
    let row = &board.rows[0];
    assert_eq!((row.source, row.freshness), (RowSource::Live, Freshness::Fresh));
    assert_eq!(row.sentence(now).unwrap(), "Тролейбус 2, напрямок Вокзал, через п’ять хвилин.");
    assert_eq!(row.key, "20260506:t2-1400:2");
    assert_eq!(row.arrival.unwrap(), at(&t, "14:05:35"));
    assert_eq!(row.route.colour.as_deref(), Some("#0b6e4f"));
    assert_eq!(
        board.rows[1].sentence(now).unwrap(),
        "Тролейбус 2, напрямок Вокзал, за розкладом о чотирнадцятій годині чотирнадцять хвилин."
    );
    assert_eq!(board.expires_at, now.plus_secs(1800).min(board.rows[3].labels[1].from));
}

#[test]
fn rule_3_a_board_without_a_server_ages_and_says_since_when() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = world(&t, now).with_vehicles(vec![
        vehicle(&t, "17", trip(&t, "t2-1400"), 1, 600, now),
        vehicle(&t, "18", trip(&t, "t2-1410"), 1, 60, now.plus_secs(-100)),
    ]);
    let board = at_b(&w, now);
    let story: Vec<_> = [0, 50, 95, 170, 185, 1000].map(|s| read(&board, now.plus_secs(s))).into();
    insta::assert_snapshot!(story.join("\n--\n"), @r"
    Running
    2 Вокзал 13 хв
    2 Вокзал 14:14
    5 Парк 14:20
    2 Вокзал 14:24
    --
    Running
    2 Вокзал ≈12 хв
    2 Вокзал 14:14
    5 Парк 14:20
    2 Вокзал 14:24
    --
    Running | Останній зв’язок: 2 о 13:58
    2 Вокзал 14:04
    2 Вокзал 14:14
    5 Парк 14:20
    2 Вокзал 14:24
    --
    Running | Останній зв’язок: 2 о 13:58
    2 Вокзал 14:04
    2 Вокзал 14:14
    5 Парк 14:20
    2 Вокзал 14:24
    --
    Running | Лише розклад. Останній зв’язок о 14:00
    2 Вокзал 14:04
    2 Вокзал 14:14
    5 Парк 14:20
    2 Вокзал 14:24
    --
    Running
    5 Парк 14:20
    2 Вокзал 14:24
    ");
}

#[test]
fn rule_3_a_fleet_that_is_not_heard_is_said_to_be_so() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    assert!(show(&world(&t, now), "B", 1, now).starts_with("Running | Лише розклад\n"));
    let mut silent = vehicle(&t, "17", trip(&t, "t2-1400"), 1, 0, now.plus_secs(-1200));
    silent.ahead = Arc::from([]);
    let w = world(&t, now).with_vehicles(vec![silent]);
    assert!(show(&w, "B", 1, now).starts_with("Running | Лише розклад. Останній зв’язок о 13:40\n"));
}

#[test]
fn rule_4_a_trip_not_yet_begun_counts_minutes_only_when_near() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let mut v = vehicle(&t, "17", trip(&t, "t2-1430"), 0, 30, now);
    v.on_trip = Some(crate::world::OnTrip { on: trip(&t, "t2-1350"), ..v.on_trip.unwrap() });
    let w = world(&t, now).with_vehicles(vec![v]);
    let board = compose(&w, stop(&t, "A"), Lang::Uk, 1.0, 9, now);
    let row = board.rows.iter().find(|r| r.trip_id == "t2-1430").unwrap();
    let text = |s: i64| label_at(&row.labels, now.plus_secs(s)).unwrap().text.clone();
    assert_eq!(text(0), "14:30", "45 s after the timetable is 30.2 minutes away");
    assert_eq!(text(20), "29 хв", "minutes to its departure, as at any first stop");
}

#[test]
fn rule_5_rows_leave_with_their_vehicles() {
    let t = timetable();
    let now = at(&t, "14:04:50");
    let w = world(&t, now).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 20, now)]);
    let board = at_b(&w, now);
    assert!(read(&board, now).contains("зараз"));
    assert!(!read(&board, now.plus_secs(15)).contains("зараз"));
}

#[test]
fn rule_6_a_followed_trip_stands_once() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let on_trip = trip(&t, "t2-1400");
    let mut unsure = vehicle(&t, "11", on_trip, 1, 400, now);
    unsure.confidence = 0.4;
    let stale = vehicle(&t, "10", on_trip, 1, 700, now.plus_secs(-100));
    let w = world(&t, now).with_vehicles(vec![stale, unsure, vehicle(&t, "17", on_trip, 1, 95, now)]);
    let board = at_b(&w, now);
    let of_trip: Vec<_> = board.rows.iter().filter(|r| r.trip_id == "t2-1400").collect();
    assert_eq!(of_trip.len(), 1);
    assert_eq!(of_trip[0].vehicle_id.as_deref(), Some("17"), "the fresher, then the surer");
}

#[test]
fn rule_7_a_departed_vehicle_never_comes_back() {
    let t = timetable();
    let now = at(&t, "14:03:30");
    let on_trip = trip(&t, "t2-1400");
    let back = world(&t, now).with_vehicles(vec![vehicle(&t, "17", on_trip, 1, 0, now)]);
    assert!(at_b(&back, now).rows.iter().any(|r| r.trip_id == "t2-1400"));
    let w = with_progress(back, on_trip, 2, false);
    assert!(!at_b(&w, now).rows.iter().any(|r| r.trip_id == "t2-1400"), "early or not: gone is gone");
}

#[test]
fn rule_8_a_cancelled_trip_is_said_to_be_cancelled() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = with_progress(world(&t, now), trip(&t, "t2-1400"), 0, true);
    let board = at_b(&w, now);
    assert!(read(&board, now).contains("\n2 Вокзал скасовано\n"));
    assert_eq!(board.rows[0].source, RowSource::Cancelled);
}

#[test]
fn rule_9_rows_stand_in_the_order_of_what_they_show() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = world(&t, now).with_vehicles(vec![
        vehicle(&t, "17", trip(&t, "t2-1400"), 1, 1000, now),
        vehicle(&t, "18", trip(&t, "t2-1410"), 1, -60, now),
    ]);
    assert_eq!(show(&w, "B", 4, now), "Running\n2 Вокзал 12 хв\n5 Парк 14:20\n2 Вокзал 20 хв\n2 Вокзал 14:24");
}

#[test]
fn rule_10_nobody_departs_from_a_last_stop_or_where_none_get_on() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = world(&t, now).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 0, now)]);
    assert_eq!(show(&w, "C", 9, now), "NoServiceToday | Сьогодні рейсів немає");
    assert_eq!(show(&w, "D", 9, now), "NoServiceToday | Сьогодні рейсів немає");
}

#[test]
fn rule_11_nothing_to_show_has_a_word_for_each_reason() {
    let t = timetable();
    let say = |date: &str, clock: &str, id: &str| {
        let now = on(&t, date, clock);
        show(&world(&t, now), id, 9, now)
    };
    assert_eq!(
        say("20260506", "22:30:00", "B"),
        "NothingSoon | Найближчим часом рейсів немає. Наступний у четвер о 00:34"
    );
    assert_eq!(say("20260506", "24:40:00", "B"), "ServiceEnded | Рух завершено. Почнеться о 06:04");
    assert_eq!(say("20260506", "21:00:00", "S2"), "ServiceEnded | Рух завершено. Почнеться у четвер о 07:15");
    assert_eq!(
        say("20260508", "24:40:00", "B"),
        "NoServiceToday | Сьогодні рейсів немає. Наступний у понеділок о 06:04"
    );
    assert_eq!(
        say("20260510", "12:00:00", "B"),
        "NoServiceToday | Сьогодні рейсів немає. Наступний у понеділок о 06:04"
    );
    assert_eq!(say("20260511", "03:00:00", "B"), "NothingSoon | Найближчим часом рейсів немає. Наступний о 06:04");
    assert_eq!(say("20260529", "24:40:00", "B"), "NoServiceToday | Сьогодні рейсів немає");
    assert_eq!(say("20260506", "12:00:00", "Z"), "NoServiceToday | Сьогодні рейсів немає");

    let now = at(&t, "14:00:00");
    let not_ready = World { ready: false, ..world(&t, now) };
    assert_eq!(show(&not_ready, "B", 9, now), "NoData | Немає даних");
    let closed = World { closed_stops: Arc::from([stop(&t, "B")]), ..world(&t, now) };
    assert_eq!(show(&closed, "B", 9, now), "StopClosed | Зупинку закрито");
}

#[test]
fn rule_11_the_last_row_leaves_words_behind_without_a_server() {
    let t = timetable();
    let now = at(&t, "24:20:00");
    let board = at_b(&world(&t, now), now);
    assert!(read(&board, now).ends_with("\n2 Вокзал 00:34"));
    assert_eq!(read(&board, now.plus_secs(16 * 60)), "Running | Рух завершено. Почнеться о 06:04");
}

#[test]
fn rule_12_a_frame_expires_by_itself() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let board = compose(&world(&t, now), stop(&t, "B"), Lang::En, 1.0, ROWS_MAX, now);
    assert_eq!(board.expires_at, now.plus_secs(30 * 60));
    assert_eq!((board.expired.from, board.expired.text.as_str()), (board.expires_at, "No data"));
    let short = compose(&world(&t, now), stop(&t, "B"), Lang::En, 1.0, 1, now);
    assert_eq!(short.expires_at, at(&t, "14:05:00"), "what it does not carry would be missing by then");
}

#[test]
fn rule_13_a_station_merges_its_platforms() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let board = compose(&world(&t, now), stop(&t, "S"), Lang::Uk, 1.0, 1, now);
    assert_eq!(read(&board, now), "Running | Лише розклад\n5 Парк 14:15");
    assert_eq!(board.rows[0].platform, "2");
    assert!(board.rows[0].spoken.ends_with("платформа 2"));
    let closed = World { closed_stops: Arc::from([stop(&t, "S")]), ..world(&t, now) };
    assert_eq!(compose(&closed, stop(&t, "S2"), Lang::Uk, 1.0, 1, now).state, BoardState::StopClosed);
}

#[test]
fn a_board_in_english() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let w = world(&t, now).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 95, now)]);
    let board = compose(&w, stop(&t, "B"), Lang::En, 1.0, 2, now);
    assert_eq!(read(&board, now), "Running\n2 Вокзал 5 min\n2 Вокзал 14:14");
    assert_eq!(board.rows[0].sentence(now).unwrap(), "Trolleybus 2 to Вокзал, in five minutes.");
    assert_eq!(board.rows[1].sentence(now).unwrap(), "Trolleybus 2 to Вокзал, scheduled at fourteen fourteen.");
}

#[test]
fn rule_15_a_calculated_row_is_neither_live_nor_the_timetables_and_the_board_says_so() {
    let t = timetable();
    let now = at(&t, "14:00:30");
    let mut jammed = vehicle(&t, "17", trip(&t, "t2-1400"), 1, 180, now.plus_secs(-120));
    jammed.held = Some(crate::world::Held {
        by: transit_model::warfare::Warfare::Jamming,
        since: jammed.fix_time,
        until: jammed.fix_time.plus_secs(1200),
    });
    let w = world(&t, now).with_vehicles(vec![jammed]);
    let board = at_b(&w, now);
    assert_eq!(
        read(&board, now),
        "Running | Час із ≈ — за розрахунком. Останній супутниковий сигнал о 13:58\n2 Вокзал ≈14:07\n2 Вокзал 14:14\n5 Парк 14:20\n2 Вокзал 14:24"
    );
    let row = &board.rows[0];
    assert_eq!((row.source, row.estimated), (RowSource::Timetable, true));
    assert_eq!((row.arrival, row.fix_time), (Some(at(&t, "14:07:00")), Some(now.plus_secs(-120))));
    assert_eq!(
        row.sentence(now).unwrap(),
        "Тролейбус 2, напрямок Вокзал, за розрахунком о чотирнадцятій годині сім хвилин."
    );
    assert!(board.rows[1..].iter().all(|r| !r.estimated));
    // Gone by calculation, with nobody to say so; a live fix puts it back, as long as it has not been seen to leave.
    let later = now.plus_secs(600);
    assert!(!read(&board, later).contains("≈"), "{}", read(&board, later));
    let returned = world(&t, later).with_vehicles(vec![vehicle(&t, "17", trip(&t, "t2-1400"), 1, 500, later)]);
    assert!(read(&at_b(&returned, later), later).starts_with("Running\n2 Вокзал 1 хв"));
    let departed = with_progress(returned, trip(&t, "t2-1400"), 2, false);
    assert!(at_b(&departed, later).rows.iter().all(|r| r.trip_id != "t2-1400"), "a departed vehicle never comes back");
    let english = compose(&w, stop(&t, "B"), Lang::En, 1.0, 4, now);
    assert_eq!(english.rows[0].sentence(now).unwrap(), "Trolleybus 2 to Вокзал, by calculation at fourteen oh seven.");
}

/// What happened to a vehicle between two worlds.
#[derive(Clone, Debug)]
struct Step {
    secs: i64,
    shift: i64,
    heard: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (5i64..40, -70i64..90, prop::bool::weighted(0.8));
    prop::collection::vec(step.prop_map(|(secs, shift, heard)| Step { secs, shift, heard }), 1..40)
}

/// Runs a vehicle along `t2-1400` as the engine would and hands each board of stop B on, with the
/// estimate behind it.
fn run(t: &Arc<Timetable>, steps: &[Step], mut each: impl FnMut(&Board, UnixMs, UnixMs, bool)) {
    let on_trip = trip(t, "t2-1400");
    let mut now = at(t, "13:58:00");
    let (mut late, mut fix, mut passed) = (0i64, now, false);
    let first = vehicle(t, "17", on_trip, 1, late, fix).ahead[0];
    let mut published = [first.arrival, first.departure].map(|e| hold(None, e, now));
    for s in steps {
        now = now.plus_secs(s.secs);
        if s.heard && !passed {
            (late, fix) = (late + s.shift, now);
            let mut v = vehicle(t, "17", on_trip, 1, late, fix);
            // Never in the past: a vehicle that is not there yet comes now at the earliest.
            late += (now.secs_since(v.ahead[0].arrival)).max(0);
            v = vehicle(t, "17", on_trip, 1, late, fix);
            let estimates = [v.ahead[0].arrival, v.ahead[0].departure];
            for (p, estimate) in published.iter_mut().zip(estimates) {
                *p = hold(Some(*p), estimate, now);
            }
            passed = s.secs > 35 && now > at(t, "14:03:00");
        }
        let mut v = vehicle(t, "17", on_trip, 1, late, fix);
        let mut ahead = v.ahead.to_vec();
        let [arrival, departure] = published;
        ahead[0].published_arrival = arrival.shown;
        ahead[0].published_departure = departure.shown.max(arrival.shown);
        v.ahead = ahead.into();
        let estimate = v.ahead[0].arrival;
        let w = with_progress(world(t, now).with_vehicles(vec![v]), on_trip, if passed { 2 } else { 1 }, false);
        each(&at_b(&w, now), now, estimate, passed);
    }
}

fn minutes(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('≈');
    if text == "зараз" { Some(0) } else { text.strip_suffix(" хв").and_then(|n| n.parse().ok()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Rule 1 over whole sequences of worlds, second by second as a client shows them.
    #[test]
    fn a_countdown_never_rises_without_a_real_revision(steps in steps()) {
        let t = timetable();
        let mut have: Option<(Board, UnixMs)> = None;
        let mut lowest = at(&t, "14:04:00");
        let mut failed = None;
        run(&t, &steps, |board, now, estimate, _| {
            let shown = |b: &Board, at: UnixMs| {
                let row = b.rows.iter().find(|r| r.trip_id == "t2-1400")?;
                minutes(&label_at(&row.labels, at)?.text)
            };
            let before = have.as_ref().and_then(|(b, _)| shown(b, UnixMs(now.0 - 1)));
            let after = shown(board, now);
            lowest = lowest.min(estimate);
            if matches!((before, after), (Some(b), Some(a)) if a > b) {
                if estimate.secs_since(lowest) < 120 {
                    failed = Some((before, after, estimate.secs_since(lowest)));
                }
                lowest = estimate;
            }
            have = Some((board.clone(), now));
        });
        prop_assert_eq!(failed, None);
    }

    /// Rules 3 and 7 over whole sequences of worlds.
    #[test]
    fn nothing_stale_is_live_and_the_departed_stay_away(steps in steps(), later in 0i64..1500) {
        let t = timetable();
        let mut wrong = Vec::new();
        run(&t, &steps, |board, now, _, passed| {
            for row in &board.rows {
                if passed && row.trip_id == "t2-1400" {
                    wrong.push(format!("{} is back", row.key));
                }
                let shown = label_at(&row.labels, now.plus_secs(later));
                let kind = shown.map(|l| l.kind);
                let age = row.fix_time.map(|f| now.plus_secs(later).0 - f.0);
                let honest = match kind {
                    Some(LabelKind::Live) => age.is_some_and(|a| a <= 45_000),
                    Some(LabelKind::Marked) => age.is_some_and(|a| a <= 90_000),
                    Some(LabelKind::Underway) => age.is_some_and(|a| a <= 180_000),
                    _ => true,
                };
                let says_minutes = shown.is_some_and(|l| minutes(&l.text).is_some());
                let is_live = matches!(kind, Some(LabelKind::Live | LabelKind::Marked));
                if !honest || says_minutes != is_live {
                    wrong.push(format!("{} {kind:?} by a fix {age:?} ms old", row.key));
                }
            }
        });
        prop_assert_eq!(wrong, Vec::<String>::new());
    }

    /// The stream of differences shows what the boards themselves would.
    #[test]
    fn a_client_of_changes_sees_what_the_engine_sees(steps in steps()) {
        let t = timetable();
        let mut client = LiveBoard::default();
        let mut last: Option<Board> = None;
        let mut seq = 0;
        let mut wrong = Vec::new();
        run(&t, &steps, |board, now, _, _| {
            match last.as_ref().map(|b| b.difference(board)) {
                None => client.take(LiveMessage::Snapshot { seq, board: board.clone() }).unwrap(),
                Some(None) => {}
                Some(Some(change)) => {
                    seq += 1;
                    client.take(LiveMessage::Change { seq, change }).unwrap();
                }
            }
            last = Some(board.clone());
            for secs in [0, 30, 100, 200] {
                let (have, truth) = (read(client.board().unwrap(), now.plus_secs(secs)), read(board, now.plus_secs(secs)));
                if have != truth {
                    wrong.push((have, truth));
                }
            }
        });
        prop_assert_eq!(wrong, Vec::new());
    }
}
