//! A replay as its contract says: the columns, the clock, the same bytes twice.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::board::fixture;

/// A vehicle drives trip t2-1400 from A to D, 4 minutes a link, a fix every 15 s.
fn fixes(dir: &Path, reported: bool) -> PathBuf {
    let t = fixture::timetable();
    let from = fixture::at(&t, "14:00:00").secs();
    let mut csv = "vehicle_id,time,received,lat,lon,speed,bearing,trip_id,route_id,start_date\n".to_owned();
    for i in 0..=48i64 {
        let time = from + i * 15;
        let lon = 37.6 + 0.06 * i as f64 / 48.0;
        let trip = if reported { "t2-1400,r2,20260506" } else { ",," };
        writeln!(csv, "1204,{time},{},48.85,{lon:.6},,,{trip}", time + 2).unwrap();
    }
    let path = dir.join(if reported { "told.csv" } else { "silent.csv" });
    std::fs::write(&path, csv).unwrap();
    path
}

fn replayed(dir: &Path, name: &str, fixes: PathBuf, predict_from: Option<UnixMs>) -> [String; 3] {
    let out = |what: &str| dir.join(format!("{name}-{what}.csv"));
    let plan = Plan {
        fixes: vec![fixes],
        predict_from,
        every: 60,
        horizon: 2400,
        predictions: Some(out("predictions")),
        stop_events: Some(out("stops")),
        matches: Some(out("matches")),
        model: None,
    };
    run(fixture::timetable(), &plan, &mut |_, _| {}).unwrap();
    ["predictions", "stops", "matches"].map(|what| std::fs::read_to_string(out(what)).unwrap())
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for reported in [true, false] {
        let fixes = fixes(dir.path(), reported);
        let once = replayed(dir.path(), "a", fixes.clone(), None);
        assert_eq!(once, replayed(dir.path(), "b", fixes, None));
        assert!(once.iter().all(|csv| csv.lines().count() > 3));
    }
}

#[test]
fn predictions_look_ahead_only_and_end_with_the_stops() {
    let dir = tempfile::tempdir().unwrap();
    let t = fixture::timetable();
    let from = fixture::at(&t, "14:06:00");
    let [predictions, stops, matches] = replayed(dir.path(), "a", fixes(dir.path(), true), Some(from));
    let rows: Vec<Vec<&str>> = predictions.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(
        rows[0].join(","),
        "made_at,vehicle_id,trip_id,service_date,stop_sequence,stop_id,arrival,arrival_p10,arrival_p90,departure"
    );
    for r in &rows[1..] {
        let n = |i: usize| r[i].parse::<i64>().ok();
        let made = n(0).unwrap();
        assert!(made >= from.secs() && made % 60 == 0, "{r:?}");
        assert!(n(6).is_none_or(|arrival| arrival > made && n(7) <= n(6) && n(6) <= n(8)), "{r:?}");
        assert!(n(9).unwrap() >= n(6).unwrap_or(made), "{r:?}");
    }
    // C is eight minutes from A: within seconds of the truth when it is two minutes away.
    let c_at = fixture::at(&t, "14:08:00").secs();
    let said = rows.iter().find(|r| r[5] == "C").unwrap();
    assert!((said[6].parse::<i64>().unwrap() - c_at).abs() < 15, "{said:?}");
    let calls: Vec<&str> = stops.lines().skip(1).map(|l| l.split(',').nth(4).unwrap()).collect();
    assert_eq!(calls, ["A", "B", "C", "D"]);
    assert_eq!(matches.lines().count(), 50);
    assert!(matches.lines().nth(20).unwrap().contains(",in_progress,t2-1400,20260506,"), "{matches}");
}

#[test]
fn a_model_that_was_kept_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        fixes: vec![fixes(dir.path(), true)],
        every: 60,
        horizon: 600,
        model: Some(dir.path().join("model")),
        ..Plan::default()
    };
    let first = run(fixture::timetable(), &plan, &mut |_, _| {}).unwrap();
    assert!(first.counts.links_learned >= 3);
    assert_eq!(model_file::load(&dir.path().join("model")).links.len(), 3);
}
