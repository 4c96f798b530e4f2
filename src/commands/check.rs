//! `zupynka check --gtfs FEED`: everything that is wrong with a feed, for the person who has to put
//! it right or for a program.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use transit_model::gtfs::{self, LoadError, Loaded, Report, Severity};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::cli::{FAILED, USAGE};
use crate::config::check::Fault;
use crate::config::{Config, ConfigError};

/// What a check comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No errors; there may be warnings.
    Good,
    /// Errors, or a feed that cannot be used at all.
    Bad,
}

impl Verdict {
    /// The exit code: 0 or 1.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => FAILED,
        }
    }
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    path: String,
    /// Whether the feed can be used, in spite of all that is reported.
    usable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Days>,
    #[serde(flatten)]
    report: Option<&'a Report>,
}

/// The days a feed is for.
#[derive(Clone, Copy, Serialize)]
struct Days {
    first: ServiceDate,
    last: ServiceDate,
    /// The last day is over.
    ended: bool,
}

/// Checks a configuration and writes every fault: for people, or as one JSON object. The exit code:
/// 0, or 2 where something is wrong with it.
///
/// # Errors
/// When the output cannot be written.
pub fn check_config(path: &Path, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let (error, faults) = match Config::load(path) {
        Ok(config) => (None, files(&config)),
        Err(ConfigError::Faults { faults, .. }) => (None, faults),
        Err(e @ ConfigError::Read { .. }) => (Some(e.to_string()), Vec::new()),
    };
    let good = error.is_none() && faults.is_empty();
    if json {
        let answer =
            serde_json::json!({ "path": path.display().to_string(), "good": good, "error": error, "faults": faults });
        writeln!(out, "{answer}")?;
    } else if let Some(error) = error {
        writeln!(out, "{error}")?;
    } else if good {
        writeln!(out, "{}: no faults", path.display())?;
    } else {
        for fault in &faults {
            writeln!(out, "{}: {fault}", path.display())?;
        }
    }
    Ok(if good { 0 } else { USAGE })
}

/// What is wrong with the files a configuration names, beside the feed: that has a check of its own.
fn files(config: &Config) -> Vec<Fault> {
    let m = &config.machinery;
    if m.streets.is_none() && m.zones.is_none() {
        return Vec::new();
    }
    match gtfs::load(&config.feed.gtfs, config.feed.id.clone()) {
        Ok(loaded) => m.faults(&loaded.timetable),
        Err(e) => {
            let (value, problem) = (None, format!("cannot be read, so [machinery] cannot be checked: {e}"));
            vec![Fault { line: None, key: "feed.gtfs".to_owned(), value, problem }]
        }
    }
}

/// Checks a feed (zip or folder) and writes what was found: for people, or as one JSON object.
///
/// # Errors
/// When the answer cannot be written; a feed that cannot be read is an answer.
pub fn check_gtfs(path: &Path, json: bool, now: UnixMs, out: &mut dyn Write) -> io::Result<Verdict> {
    let loaded = gtfs::load(path, gtfs::feed_id_of(path));
    let verdict = match &loaded {
        Ok(loaded) if loaded.report.of(Severity::Error) == 0 => Verdict::Good,
        _ => Verdict::Bad,
    };
    if json {
        write_json(path, &loaded, now, out)?;
    } else {
        write_text(path, &loaded, now, out)?;
    }
    Ok(verdict)
}

fn write_json(path: &Path, loaded: &Result<Loaded, LoadError>, now: UnixMs, out: &mut dyn Write) -> io::Result<()> {
    let timetable = loaded.as_ref().ok().map(|l| &l.timetable);
    let answer = Answer {
        path: path.display().to_string(),
        usable: loaded.is_ok(),
        error: loaded.as_ref().err().map(ToString::to_string),
        zone: timetable.map(|t| t.zone.name()),
        days: timetable.and_then(|t| days(t, now)),
        report: report_of(loaded),
    };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn write_text(path: &Path, loaded: &Result<Loaded, LoadError>, now: UnixMs, out: &mut dyn Write) -> io::Result<()> {
    if let Some(report) = report_of(loaded) {
        writeln!(out, "{report}")?;
    }
    match loaded {
        Err(error) => writeln!(out, "error   {error}"),
        Ok(loaded) => {
            let zone = loaded.timetable.zone.name();
            match days(&loaded.timetable, now) {
                Some(days) => {
                    let over = if days.ended { ", which is over" } else { "" };
                    writeln!(out, "{}: {} to {}{over}, {zone}", path.display(), days.first, days.last)
                }
                None => writeln!(out, "{}: no service day, {zone}", path.display()),
            }
        }
    }
}

fn report_of(loaded: &Result<Loaded, LoadError>) -> Option<&Report> {
    match loaded {
        Ok(loaded) => Some(&loaded.report),
        Err(LoadError::NoTrips { report, .. }) => Some(report),
        Err(_) => None,
    }
}

fn days(timetable: &Timetable, now: UnixMs) -> Option<Days> {
    let (first, last) = timetable.calendar()?;
    Some(Days { first, last, ended: last < timetable.zone.date(now) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use transit_model::gtfs::GtfsFiles;

    /// 2026-11-22.
    const NOW: UnixMs = UnixMs::from_secs(1_795_354_825);

    fn feed(calls: &str) -> GtfsFiles {
        GtfsFiles::new()
            .with("agency.txt", "agency_id,agency_name,agency_timezone\nA,Парк,Europe/Kyiv\n")
            .with("stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,А,48.85,37.60\nb,Б,48.86,37.61\n")
            .with("routes.txt", "route_id,route_short_name,route_type\nr,5,3\n")
            .with("trips.txt", "route_id,service_id,trip_id\nr,s,t\n")
            .with("calendar_dates.txt", "service_id,date,exception_type\ns,20260101,1\ns,20261121,1\n")
            .with("stop_times.txt", format!("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n{calls}"))
    }

    fn check(files: &GtfsFiles, json: bool) -> (Verdict, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("city.zip");
        std::fs::write(&path, files.to_zip_bytes().unwrap()).unwrap();
        let mut out = Vec::new();
        let verdict = check_gtfs(&path, json, NOW, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap().replace(&path.display().to_string(), "city.zip"))
    }

    #[test]
    fn the_files_a_configuration_names_are_checked_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("city.zip"), feed("t,8:00:00,,a,1\nt,8:05:00,,b,2\n").to_zip_bytes().unwrap()).unwrap();
        let line = |a: &str| {
            format!(
                r#"{{"type":"Feature","properties":{{"name":" "}},"geometry":{{"type":"LineString","coordinates":[{a},[37.61,48.86]]}}}}"#
            )
        };
        let streets = format!(
            r#"{{"type":"FeatureCollection","features":[{},{}]}}"#,
            line("[37.60,48.85]"),
            line("[48.85,37.60]")
        );
        std::fs::write(at("streets.geojson"), streets).unwrap();
        let config = format!(
            "[feed]\nid = \"x\"\ngtfs = {:?}\n[machinery]\nstreets = {:?}\nzones = {:?}\n",
            at("city.zip"),
            at("streets.geojson"),
            at("none.geojson")
        );
        std::fs::write(at("zupynka.toml"), config).unwrap();
        let mut out = Vec::new();
        assert_eq!(check_config(&at("zupynka.toml"), false, &mut out).unwrap(), USAGE);
        let text = String::from_utf8(out).unwrap();
        for says in [
            "streets.geojson\": features[1].geometry.coordinates[0] = [48.85,37.6]: latitude stands first",
            "none.geojson\": cannot be read: No such file",
        ] {
            assert!(text.contains(says), "{text}");
        }
        std::fs::write(
            at("streets.geojson"),
            format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, line("[37.60,48.85]")),
        )
        .unwrap();
        let mut out = Vec::new();
        check_config(&at("zupynka.toml"), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("features[0].properties.name = \" \": is blank"), "{text}");
    }

    #[test]
    fn a_good_feed_passes_and_says_which_days_it_is_for() {
        let (verdict, text) = check(&feed("t,8:00:00,,a,1\nt,8:05:00,,b,2\n"), false);
        assert_eq!((verdict, verdict.code()), (Verdict::Good, 0));
        assert!(text.contains("0 errors, 0 warnings"), "{text}");
        assert!(text.ends_with("city.zip: 20260101 to 20261121, which is over, Europe/Kyiv\n"), "{text}");
    }

    #[test]
    fn an_error_fails_the_check_and_names_the_row() {
        let files = feed("t,8:00:00,,a,1\nt,8:02:00,,x,2\nt,8:05:00,,b,3\n");
        let (verdict, text) = check(&files, false);
        assert_eq!((verdict, verdict.code()), (Verdict::Bad, 1));
        assert!(text.contains("stop_times.txt:3 stop_id `x`"), "{text}");
        let (_, json) = check(&files, true);
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(answer["usable"], true);
        assert_eq!(answer["days"], serde_json::json!({"first": "20260101", "last": "20261121", "ended": true}));
        assert!(answer["findings"].as_array().unwrap().iter().any(|f| f["what"] == "unknown_stop" && f["line"] == 3));
    }

    #[test]
    fn a_feed_that_cannot_be_used_is_an_answer_too() {
        let (verdict, text) = check(&feed("").without("stop_times.txt"), false);
        assert_eq!((verdict, text.as_str()), (Verdict::Bad, "error   city.zip: stop_times.txt is missing\n"));
        let (_, json) = check(&feed("t,8:00:00,,a,1\n"), true);
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(answer["usable"], false);
        assert!(answer["error"].as_str().unwrap().contains("no usable trip"));
        assert_eq!(answer["totals"]["too_few_calls"], 1);
    }
}
