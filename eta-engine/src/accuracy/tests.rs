//! The measures against cases worked out by hand, and the laws they keep.

use std::sync::Arc;

use proptest::prelude::*;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::figures::{self, By};
use super::histogram::Scale;
use super::measure::{Cell, Proven, Sample, Who, shown_minutes};
use super::scorer::{OutOfOrder, PredictionRow, Scorer};
use super::tally::{Kept, Part, Tally};
use super::truth::{StopRow, Truth, TruthBuilder};
use crate::board::fixture;

/// A moment of the fixture's Wednesday.
fn at(clock: &str) -> UnixMs {
    fixture::at(&fixture::timetable(), clock)
}

fn sample(made: UnixMs, arrival: UnixMs) -> Sample {
    Sample { made, arrival, interval: None }
}

/// A prediction `lead` seconds ahead that was wrong by `error` seconds, the timetable's by `theirs`.
fn proven(lead: i64, error: i64, theirs: Option<i64>) -> Proven {
    let made = at("14:00:00");
    let actual = made.plus_secs(lead + error);
    let sample = sample(made, made.plus_secs(lead));
    Proven { sample, actual, sched: theirs.map(|e| actual.plus_secs(-e)), learned: None, before: None }
}

fn cell(pairs: &[Proven]) -> Cell {
    let mut cell = Cell::new(Scale::Fine);
    pairs.iter().for_each(|p| cell.proven(p));
    cell
}

fn value(cell: &Cell, who: Who, name: &str) -> Option<f64> {
    figures::of(cell.of(who).unwrap()).into_iter().find(|f| f.name == name).unwrap().value
}

#[test]
fn each_figure_of_a_case_worked_out_by_hand() {
    // lead, our error, the timetable's error: seconds.
    let c = cell(&[
        proven(60, 30, Some(30)),
        proven(100, -50, Some(10)),
        proven(240, 130, Some(-20)),
        proven(500, -160, Some(0)),
        proven(1000, 700, Some(400)),
        // Without the timetable's word nobody is judged; made after the arrival is noted.
        proven(100, 10, None),
        proven(-40, 0, Some(5)),
    ]);
    for (who, name, want) in [
        (Who::Ours, "mae_0-3", 40.0),  // 30 and 50
        (Who::Ours, "mae_3-6", 160.0), // the fourth came after 340 s
        (Who::Ours, "mae_6-12", 130.0),
        (Who::Ours, "mae_12-30", 700.0),
        (Who::Ours, "mae_all", 214.0),
        (Who::Ours, "median", 130.0),
        (Who::Ours, "p90", 484.0), // 160 + 0.6 of the way to 700
        (Who::Ours, "bias", 130.0),
        (Who::Ours, "over_600s_pct", 20.0),
        (Who::Ours, "mbta_0-3", 100.0),
        (Who::Ours, "mbta_3-6", 0.0),  // 130 is not under 120
        (Who::Ours, "mbta_6-12", 0.0), // −160 is not above −150
        (Who::Ours, "mbta_12-30", 0.0),
        (Who::Ours, "n", 5.0),
        (Who::Sched, "mae_0-3", 20.0),
        (Who::Sched, "mae_all", 92.0),
    ] {
        assert_eq!(value(&c, who, name), Some(want), "{who:?} {name}");
    }
    assert_eq!(value(&c, Who::Ours, "eta_benchmark"), None, "nothing came between 10 and 15 minutes");
    assert_eq!((c.without_baseline, c.after_the_fact, c.unproven.of), (1, 1, 7));
    assert_eq!(figures::ratio(&c, Who::Sched, "mae_all"), Some(2.326));
    assert_eq!(figures::best_baseline(&c), None, "days before are not known");
}

#[test]
fn the_benchmark_is_the_mean_of_its_four_shares() {
    let mut pairs = vec![proven(120, 0, Some(0)), proven(120, -31, Some(0)), proven(300, 10, Some(0))];
    pairs.extend([proven(500, 0, Some(0)), proven(700, 10, Some(0))]);
    // Shares: 1 of 2, all, all, all.
    assert_eq!(value(&cell(&pairs), Who::Ours, "eta_benchmark"), Some(87.5));
}

#[test]
fn intervals_count_ups_and_wobble_are_taken_within_the_horizon() {
    let made = at("14:00:00");
    let interval = Some((made.plus_secs(280), made.plus_secs(340)));
    let one = Proven {
        sample: Sample { made, arrival: made.plus_secs(300), interval },
        actual: made.plus_secs(341),
        sched: None,
        learned: None,
        // It said four minutes a minute ago, and says five now.
        before: Some((made.plus_secs(-60), made.plus_secs(180))),
    };
    let hit = Proven { actual: made.plus_secs(340), before: Some((made.plus_secs(-90), made.plus_secs(310))), ..one };
    let old = Proven { before: Some((made.plus_secs(-91), made)), actual: made.plus_secs(1801), ..one };
    let c = cell(&[one, hit, old]);
    let all = c.intervals();
    assert_eq!((all.cover.good, all.cover.of, all.width()), (1, 2, Some(60.0)));
    assert_eq!((c.count_up.good, c.count_up.of, c.wobble()), (1, 2, Some(65.0)));
    let minutes: Vec<i64> = [29, 30, 31, 90, 150].map(|s| shown_minutes(made, made.plus_secs(s))).to_vec();
    assert_eq!(minutes, [0, 0, 1, 2, 2], "halves go to the even minute");
}

/// The trip t2-1400 (A 14:00, B 14:04, C 14:08, D 14:12) a minute late at B and on, two at D.
fn truth(t: &Arc<Timetable>) -> Truth {
    let mut b = TruthBuilder::new(Arc::clone(t));
    for (seq, stop, clock) in [(2, "B", "14:05:00"), (3, "C", "14:09:00"), (4, "D", "14:14:00")] {
        b.push(&row("t2-1400", seq, stop, Some(at(clock))));
    }
    b.push(&row("t2-1400", 1, "A", None));
    b.build()
}

fn row<'a>(trip: &'a str, seq: u32, stop: &'a str, arrival: Option<UnixMs>) -> StopRow<'a> {
    StopRow { date: fixture::wednesday(), trip, vehicle: "17", seq, stop, arrival, departure: None }
}

fn said<'a>(trip: &'a str, seq: u32, stop: &'a str, made: UnixMs, arrival: UnixMs) -> PredictionRow<'a> {
    PredictionRow { date: fixture::wednesday(), trip, seq, stop, sample: sample(made, arrival) }
}

fn scored(rows: &[PredictionRow<'_>], window: Option<(UnixMs, UnixMs)>) -> Tally {
    let t = fixture::timetable();
    let truth = truth(&t);
    let mut scorer = Scorer::new(Arc::clone(&t), truth, None, window, Scale::Fine);
    rows.iter().for_each(|r| scorer.take(r).unwrap());
    scorer.finish()
}

#[test]
fn the_timetable_is_shifted_by_the_delay_at_the_last_stop_passed() {
    let tally = scored(
        &[
            said("t2-1400", 4, "D", at("14:02:00"), at("14:12:00")), // nothing passed yet: no baseline
            said("t2-1400", 4, "D", at("14:06:00"), at("14:13:30")), // B passed a minute late: 14:13
            said("t2-1400", 3, "C", at("14:08:59"), at("14:09:30")), // B passed a minute late: 14:09
            said("t2-1400", 3, "C", at("14:12:00"), at("14:13:30")), // long gone
        ],
        None,
    );
    let c = tally.all();
    assert_eq!((c.unproven.of, c.unproven.good, c.without_baseline, c.after_the_fact), (4, 0, 1, 1));
    assert_eq!(value(c, Who::Sched, "mae_6-12"), Some(60.0));
    assert_eq!(value(c, Who::Sched, "mae_0-3"), Some(0.0));
    assert_eq!(value(c, Who::Ours, "mae_6-12"), Some(30.0));
    assert_eq!(value(c, Who::Ours, "bias"), Some(0.0));
    let stop = tally.part(Part { stop: Some("D"), ..Part::default() }).unwrap();
    assert_eq!(value(&stop, Who::Ours, "mae_all"), Some(30.0));
    let hour = tally.part(Part { route: Some("r2"), hour: Some(14), ..Part::default() }).unwrap();
    assert_eq!(value(&hour, Who::Ours, "n"), Some(2.0));
    assert_eq!(tally.part(Part { stop: Some("D"), hour: Some(14), route: None }), None);
}

#[test]
fn of_a_minute_the_last_prediction_counts_and_of_a_call_that_never_came_true_each_minute() {
    let tally = scored(
        &[
            said("t2-1400", 4, "D", at("14:06:00"), at("14:30:00")),
            said("t2-1400", 4, "D", at("14:06:59"), at("14:14:00")),
            said("t2-1410", 4, "D", at("14:06:00"), at("14:30:00")),
            said("t2-1410", 4, "D", at("14:06:59"), at("14:30:00")),
            said("t2-1410", 4, "D", at("14:07:00"), at("14:30:00")),
        ],
        None,
    );
    assert_eq!((tally.all().unproven.of, tally.all().unproven.good), (3, 2));
    assert_eq!(value(tally.all(), Who::Ours, "mae_all"), Some(0.0));
}

#[test]
fn only_what_was_made_in_the_window_is_judged_and_covered() {
    let window = Some((at("14:06:00"), at("14:12:00")));
    let rows: Vec<_> =
        ["14:05:30", "14:06:30", "14:12:30"].map(|made| said("t2-1400", 4, "D", at(made), at("14:14:00"))).to_vec();
    let tally = scored(&rows, window);
    assert_eq!(tally.all().unproven.of, 1);
    // Of the minutes before D (14:14), those from 14:07:30 to before 14:12: 14:08, 09, 10, 11; of C: 14:08.
    // The prediction of 14:06:30 is good until the half-minute of 14:07:30.
    assert_eq!((tally.all().coverage.of, tally.all().coverage.good), (5, 0));
}

#[test]
fn a_prediction_that_goes_back_in_time_is_refused() {
    let t = fixture::timetable();
    let truth = truth(&t);
    let mut scorer = Scorer::new(t, truth, None, None, Scale::Fine);
    for trip in ["t2-1400", "t2-1410"] {
        scorer.take(&said(trip, 4, "D", at("14:06:00"), at("14:14:00"))).unwrap();
        assert_eq!(scorer.take(&said(trip, 4, "D", at("14:05:00"), at("14:14:00"))), Err(OutOfOrder));
    }
}

#[test]
fn what_days_before_teach_stands_beside_the_timetable() {
    let t = fixture::timetable();
    // On the day before, B to C took 200, 220 and 300 s in the hour of two; C to D was seen once: 260 s.
    let mut before = TruthBuilder::new(Arc::clone(&t));
    let tuesday: ServiceDate = "20260505".parse().unwrap();
    let on_tuesday = |clock: &str| fixture::on(&t, "20260505", clock);
    for (trip, took) in [("t2-1400", 200), ("t2-1410", 220), ("t2-1420", 300)] {
        let b = on_tuesday("14:05:00");
        for (seq, stop, at) in [(2, "B", b), (3, "C", b.plus_secs(took))] {
            before.push(&StopRow { date: tuesday, ..row(trip, seq, stop, Some(at)) });
        }
    }
    before.push(&StopRow { date: tuesday, ..row("t2-1420", 4, "D", Some(on_tuesday("14:05:00").plus_secs(560))) });
    let before = before.build();
    let today = truth(&t);
    let mut scorer = Scorer::new(Arc::clone(&t), today, Some(&before), None, Scale::Fine);
    scorer.take(&said("t2-1400", 4, "D", at("14:06:00"), at("14:14:00"))).unwrap();
    let tally = scorer.finish();
    // From 14:05 at B: medians 220 and 260 s lead to 14:13:00; means 240 and 260 s to 14:13:20.
    assert_eq!(value(tally.all(), Who::Link, "bias"), Some(60.0));
    assert_eq!(value(tally.all(), Who::Kalman, "bias"), Some(40.0));
    assert_eq!(figures::best_baseline(tally.all()), Some(Who::Kalman));
    insta::assert_snapshot!("table", figures::table(tally.all()));
}

fn any_proven() -> impl Strategy<Value = Proven> {
    (-100i64..2000, -900i64..900, prop::option::of(-900i64..900), 0i64..120).prop_map(|(lead, error, theirs, back)| {
        let p = proven(lead, error, theirs);
        let made = p.sample.made;
        let interval = Some((p.sample.arrival.plus_secs(-60), p.sample.arrival.plus_secs(90)));
        let before = Some((made.plus_secs(-back), p.sample.arrival.plus_secs(back / 3)));
        Proven { sample: Sample { interval, ..p.sample }, before, ..p }
    })
}

proptest! {
    #[test]
    fn merged_parts_are_the_whole_in_any_order(pairs in prop::collection::vec((any_proven(), 0u8..3, 0u8..3), 0..60), cut in 0usize..60) {
        let tally = |pairs: &mut dyn Iterator<Item = &(Proven, u8, u8)>| {
            let mut t = Tally::new(Scale::Coarse);
            for (p, route, stop) in pairs {
                let slot = t.slot(&route.to_string(), &stop.to_string(), 8 + route);
                t.each(slot, |c| c.proven(p));
            }
            t
        };
        let whole = tally(&mut pairs.iter());
        let (a, b) = pairs.split_at(cut.min(pairs.len()));
        let mut merged = tally(&mut b.iter().rev());
        merged.merge(&tally(&mut a.iter()));
        let mut restored = Tally::default();
        whole.parts().for_each(|p| restored.restore(p));
        for t in [&merged, &restored] {
            prop_assert_eq!(t.all(), whole.all());
            prop_assert_eq!(t.hours(), whole.hours());
            prop_assert_eq!(t.routes(), whole.routes());
            prop_assert_eq!(t.stops(), whole.stops());
        }
        let mut sum = Cell::default();
        whole.hours().iter().for_each(|(_, c)| sum.merge(c));
        prop_assert_eq!(figures::json(&sum), figures::json(whole.all()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Vehicles come in any order; of each call its predictions stay in order.
    #[test]
    fn the_order_of_vehicles_does_not_matter(late in prop::collection::vec(-60i64..300, 3), flip in any::<bool>()) {
        let t = fixture::timetable();
        let trips = ["t2-1400", "t2-1410", "t2-1420"];
        let mut truth = TruthBuilder::new(Arc::clone(&t));
        for (trip, late) in trips.iter().zip(&late) {
            let on = fixture::trip(&t, trip);
            for (call, times) in t.pattern_of(on.trip).calls.iter().zip(t.times(on.trip)).skip(1) {
                let at = t.zone.at(on.date, times.arrival).plus_secs(*late);
                truth.push(&row(trip, call.seq.0, &t.stops.at(call.stop).id, Some(at)));
            }
        }
        let truth = truth.build();
        let tally = |order: &[&str]| {
            let mut scorer = Scorer::new(Arc::clone(&t), truth.clone(), None, None, Scale::Coarse);
            for m in 0..30 {
                for trip in order {
                    let made = at("14:00:00").plus_secs(60 * m);
                    scorer.take(&said(trip, 4, "D", made, at("14:15:00").plus_secs(7 * m))).unwrap();
                }
            }
            scorer.finish()
        };
        let mut other = trips;
        if flip { other.reverse() } else { other.rotate_left(1) }
        let (a, b) = (tally(&trips), tally(&other));
        prop_assert_eq!(a.all(), b.all());
        prop_assert_eq!(figures::lines(&a, By::Stop, 1, 9), figures::lines(&b, By::Stop, 1, 9));
    }
}

#[test]
fn a_part_that_is_kept_survives_its_bytes() {
    let mut tally = Tally::new(Scale::Coarse);
    let slot = tally.slot("r", "s", 8);
    tally.each(slot, |c| c.proven(&proven(100, 20, Some(40))));
    for part in tally.parts() {
        let (Kept::All(cell) | Kept::Stop(_, cell)) = &part else { continue };
        let bytes = postcard::to_stdvec(cell).unwrap();
        assert_eq!(&postcard::from_bytes::<Cell>(&bytes).unwrap(), cell);
        assert!(bytes.len() < 300, "{}", bytes.len());
    }
}

/// A vehicle drives t2-1400 from A to D, a fix every 15 s, `late` seconds behind the timetable at the end.
fn drive(engine: &mut crate::engine::Engine, late: i64, minute: &mut dyn FnMut(&mut crate::engine::Engine, UnixMs)) {
    use transit_model::fix::{Fix, Reported, Source};
    let steps = 48 + late / 15;
    for i in -4..=steps + 4 {
        let time = at("14:00:00").plus_secs(i * 15);
        let share = (i.clamp(0, steps)) as f64 / steps as f64;
        let reported = Reported { trip_id: Some("t2-1400".into()), ..Reported::default() };
        let (lat, lon) = (48.85, 37.6 + 0.06 * share);
        let vehicle = transit_model::ids::VehicleId::from("17");
        let fix = Fix {
            vehicle,
            time,
            received: time,
            lat,
            lon,
            speed: None,
            bearing: None,
            reported,
            source: Source::Recording,
        };
        let _may_be_ignored = engine.take(&fix);
        if time.secs() % 60 == 0 {
            engine.predict_all(time);
            minute(engine, time);
        }
    }
}

/// What the running engine says of itself is what the scorer says of the same predictions and stop events.
#[test]
fn the_judge_and_the_scorer_agree() {
    use super::book::Book;
    use super::judge::Judge;
    use crate::engine::{Engine, Model, Settings};

    let t = fixture::timetable();
    let mut engine = Engine::new(Arc::clone(&t), Settings::default(), Model::default());
    let mut judge = Judge::new(Arc::clone(&t), Book::default());
    let (mut events, mut rows) = (Vec::new(), Vec::new());
    drive(&mut engine, 120, &mut |engine, now| {
        let new = engine.drain_events();
        judge.note(&new);
        events.extend(new);
        assert!(judge.turn(now, engine.vehicles()) && !judge.turn(now.plus_secs(20), engine.vehicles()));
        for v in engine.vehicles() {
            let ahead = v.ahead().iter().filter(|c| c.pos.0 > 0 && c.published_arrival > now);
            rows.extend(ahead.filter(|c| c.published_arrival <= now.plus_secs(1800)).map(|c| (now, *c)));
        }
    });
    // Long after, what never came true is given up.
    judge.turn(at("15:30:00"), engine.vehicles());
    let book = judge.book().clone();
    let (date, live) = book.latest().unwrap();
    assert_eq!(date, fixture::wednesday());

    let mut truth = TruthBuilder::new(Arc::clone(&t));
    let name = |on: crate::world::TripDay| t.trips.at(on.trip).id.to_string();
    let seq = |on: crate::world::TripDay, pos| t.pattern_of(on.trip).call(pos).unwrap().seq.0;
    for e in &events {
        truth.push(&row(&name(e.on), seq(e.on, e.pos), &t.stops.at(e.stop).id, e.arrival));
    }
    let mut scorer = Scorer::new(Arc::clone(&t), truth.build(), None, None, Scale::Coarse);
    for (made, c) in &rows {
        let sample =
            Sample { made: *made, arrival: c.published_arrival, interval: Some((c.arrival_p10, c.arrival_p90)) };
        let trip = name(c.on);
        let p = said(&trip, seq(c.on, c.pos), &t.stops.at(c.stop).id, *made, c.published_arrival);
        scorer.take(&PredictionRow { sample, ..p }).unwrap();
    }
    let recorded = scorer.finish();
    assert_eq!(live.all(), recorded.all());
    assert!(value(live.all(), Who::Ours, "n").unwrap() >= 10.0, "{}", figures::table(live.all()));
    assert!(live.all().coverage.of > 5 && live.all().unproven.of > live.all().unproven.good);
    let changed = judge.take_changed();
    assert!(changed.len() == 1 && changed[0].1.all() == live.all() && judge.take_changed().is_empty());
}

#[test]
fn the_page_says_it_in_both_languages_and_weighs_little() {
    use super::report::{self, JudgedBy, View};
    let t = fixture::timetable();
    let mut tally = Tally::new(Scale::Coarse);
    for n in 0..200i64 {
        let (route, stop) = [("r2", "B"), ("r2", "D"), ("r5", "E")][(n % 3) as usize];
        let slot = tally.slot(route, stop, 8 + (n % 5) as u8);
        let p = proven(60 + n * 8, 40 - n % 90, Some(100 - n % 130));
        let interval = Some((p.sample.arrival.plus_secs(-50), p.sample.arrival.plus_secs(60)));
        let before = Some((p.sample.made.plus_secs(-60), p.sample.arrival.plus_secs(n % 9)));
        let p = Proven { sample: Sample { interval, ..p.sample }, before, ..p };
        tally.each(slot, |c| {
            c.proven(&p);
            c.coverage.add(n % 20 > 0);
        });
    }
    let view =
        |by| View { tally: &tally, timetable: &t, city: "Місто & <село>", days: "06.05.2026", by, listed: 15 };
    let page = report::body(&view(JudgedBy::OwnEvents), transit_model::lang::Lang::Uk);
    insta::assert_snapshot!("page", page);
    let file = report::document(&view(JudgedBy::Truth));
    assert!(file.contains("How accurate predictions are") && file.contains("Наскільки точні прогнози"));
    assert!(!file.contains("<script") && !file.contains("http") && !file.contains("<село>"), "nothing from elsewhere");
    assert!(file.len() < 100_000, "{}", file.len());
    let empty = Tally::default();
    let nothing = report::body(&View { tally: &empty, ..view(JudgedBy::OwnEvents) }, transit_model::lang::Lang::En);
    assert!(nothing.contains("Nothing to judge by yet"), "{nothing}");
}
