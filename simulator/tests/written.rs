//! `simulate --fixes --truth`: files that replay and scores read, the same each time.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Parser as _;
use simulator::{Args, Failure, corpus};
use transit_model::gtfs;
use transit_model::ids::FeedId;

async fn simulate(args: &[&str]) -> Result<(), Failure> {
    simulator::run(Args::try_parse_from([&["simulate"], args].concat()).unwrap()).await
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

fn rows(file: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let fields = |r: &csv::StringRecord| r.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = fields(reader.headers().unwrap());
    (header, reader.records().map(|r| fields(&r.unwrap())).collect())
}

#[tokio::test]
async fn two_days_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let (feed, fixes, truth) = (path(dir.path(), "f.zip"), path(dir.path(), "f.csv"), path(dir.path(), "t.csv"));
    let days = ["--day", "20261127", "--days", "2", "--vehicles", "6"];
    simulate(&[&days[..], &["--write-gtfs", &feed, "--fixes", &fixes, "--truth", &truth]].concat()).await.unwrap();

    let tt = gtfs::load(Path::new(&feed), FeedId::from("city")).unwrap().timetable;
    let (header, fixes) = rows(&fixes);
    assert_eq!(header, corpus::FIXES);
    let received: Vec<i64> = fixes.iter().map(|f| f[2].parse().unwrap()).collect();
    assert!(received.is_sorted() && fixes.len() > 20_000, "{} fixes", fixes.len());
    assert!(fixes.iter().all(|f| f[1].parse::<i64>().unwrap() <= f[2].parse().unwrap()));
    let seen: BTreeSet<&str> = fixes.iter().map(|f| f[0].as_str()).collect();

    let (header, truth) = rows(&truth);
    assert_eq!(header, corpus::TRUTH);
    let dates: BTreeSet<&str> = truth.iter().map(|t| t[0].as_str()).collect();
    assert_eq!(dates, BTreeSet::from(["20261127", "20261128"]));
    for t in &truth {
        assert!(tt.trip_by_id(&t[1]).is_some() && seen.contains(t[2].as_str()) && tt.stop_by_id(&t[4]).is_some());
        assert!(!t[5].is_empty() || !t[6].is_empty());
    }
    assert!(truth.len() > 1500, "{} stops", truth.len());
}

#[tokio::test]
async fn packed_or_not_the_same_seed_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for (name, seed) in [("a.csv.gz", "5"), ("b.csv.gz", "5"), ("c.csv.gz", "6")] {
        let out = path(dir.path(), name);
        simulate(&["--day", "20261127", "--vehicles", "2", "--fixes", &out, "--seed", seed]).await.unwrap();
        texts.push(fs::read(out).unwrap());
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
    assert_eq!(texts[0][..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = path(dir.path(), "none/f.csv");
    let feed = path(dir.path(), "f.zip");
    simulate(&["--write-gtfs", &feed, "--day", "20261127"]).await.unwrap();
    let out = path(dir.path(), "f.csv");
    for (args, code, says) in [
        (vec![], 2, "nothing to do"),
        (vec!["--day", "20261127", "--fixes", &nowhere], 1, nowhere.as_str()),
        (vec!["--gtfs", &nowhere, "--day", "20261127", "--fixes", &out], 1, nowhere.as_str()),
        (vec!["--gtfs", &feed, "--day", "20991231", "--fixes", &out], 1, "its calendar covers 20250101 to 20281231"),
    ] {
        let e = simulate(&args).await.unwrap_err();
        assert_eq!(e.code(), code, "{e}");
        assert!(e.to_string().contains(says), "{e}");
    }
}

#[tokio::test]
async fn what_was_written_can_be_measured_and_what_is_not_there_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let (truth, none) = (path(dir.path(), "t.csv.gz"), path(dir.path(), "none.csv"));
    simulate(&["--day", "20261127", "--vehicles", "3", "--mishaps", "0", "--truth", &truth]).await.unwrap();
    simulate(&["--measure", &truth, &truth, "--json"]).await.unwrap();
    let e = simulate(&["--measure", &none]).await.unwrap_err();
    assert_eq!(e.code(), 1);
    assert!(e.to_string().contains(&none), "{e}");
}

#[tokio::test]
async fn a_scenario_is_written_down_with_its_truth_and_its_faults() {
    let dir = tempfile::tempdir().unwrap();
    let [fixes, matches, faults, truth] = ["f", "m", "x", "t"].map(|n| path(dir.path(), &format!("{n}.csv")));
    let outs = ["--fixes", &fixes, "--matches", &matches, "--faults", &faults, "--truth", &truth];
    simulate(&[&["--scenario", "spoofing"][..], &outs].concat()).await.unwrap();

    let ((header, matches), (_, raw)) = (rows(&matches), rows(&fixes));
    assert_eq!(header, corpus::MATCHES);
    assert_eq!(matches.len(), raw.len());
    let mut on_trip = 0;
    for (m, f) in matches.iter().zip(&raw) {
        assert_eq!((&m[0], &m[1]), (&f[0], &f[1]));
        assert_eq!(m[2] == "in_progress", !m[3].is_empty(), "{m:?}");
        assert_eq!(m[3].is_empty(), m[6].is_empty() || m[7].is_empty());
        on_trip += usize::from(!m[3].is_empty());
    }
    assert!(on_trip * 2 > matches.len(), "{on_trip}");
    // The truth is where the vehicle is, not where the spoofer says it is.
    let of = |rows: &[Vec<String>], n: usize| rows.iter().map(|r| r[n].parse::<f64>().unwrap()).collect::<Vec<f64>>();
    assert!(of(&raw, 3).iter().any(|lat| *lat < 46.0) && of(&matches, 9).iter().all(|lat| *lat > 48.0));

    let (header, faults) = rows(&faults);
    assert_eq!(header, corpus::FAULTS);
    assert!(faults.len() > 20 && faults.iter().all(|f| f[3] == "spoofing" && f[4].starts_with("lat=4")));
    let (from, to) = (raw[0][2].parse::<i64>().unwrap(), raw[raw.len() - 1][2].parse::<i64>().unwrap());
    let (_, truth) = rows(&truth);
    let inside = |t: &Vec<String>| {
        let at: i64 = if t[5].is_empty() { &t[6] } else { &t[5] }.parse().unwrap();
        (from - 60..to + 60).contains(&at)
    };
    assert!(truth.len() > 1000 && truth.iter().all(inside));

    let gated = path(dir.path(), "g.csv");
    simulate(&["--scenario", "spoofing", "--fixes", &gated, "--gated"]).await.unwrap();
    let (_, gated) = rows(&gated);
    assert!(gated.len() < raw.len() && of(&gated, 3).iter().all(|lat| *lat > 48.0), "the gate keeps the far place out");
}

#[tokio::test]
async fn scenarios_are_listed_and_refused_by_name() {
    simulate(&["--list"]).await.unwrap();
    let out = std::env::temp_dir().join("never-written.csv").display().to_string();
    let e = simulate(&["--scenario", "doomsday", "--fixes", &out]).await.unwrap_err();
    assert_eq!((e.code(), e.to_string().contains("doomsday")), (2, true), "{e}");
    assert!(Args::try_parse_from(["simulate", "--fixes", &out]).is_err(), "of which day?");
    assert!(Args::try_parse_from(["simulate", "--scenario", "spoofing", "--seed", "4"]).is_err());
}
