//! What a feed can get wrong: each kind is found, named, counted and dealt with.

use std::collections::BTreeSet;

use transit_model::gtfs::report::KEPT_PER_FAULT;
use transit_model::gtfs::{Fault, Finding};

use crate::city::{EVERY_STOP, load, street};
use crate::fault_cases::{TIMES, cases};

fn place(f: &Finding) -> String {
    let line = f.line.map_or_else(String::new, |l| format!(":{l}"));
    format!("{}{line} {} {}", f.file, f.column, f.value).trim_end().to_owned()
}

#[test]
fn every_fault_is_found_named_and_dealt_with() {
    for case in cases() {
        let loaded = load(&case.files);
        let found: Vec<_> =
            loaded.report.findings.iter().filter(|f| f.what == case.what).map(|f| (place(f), f.action)).collect();
        assert!(found.contains(&(case.at.to_owned(), case.action)), "{:?}: {found:?}\n{}", case.what, loaded.report);
        assert_eq!(loaded.report.total(case.what), found.len(), "{:?}", case.what);
        (case.then)(&loaded.timetable);
    }
}

#[test]
fn every_kind_of_fault_has_a_case() {
    let tested: BTreeSet<Fault> = cases().iter().map(|c| c.what).collect();
    let all: BTreeSet<Fault> = Fault::ALL.iter().copied().collect();
    assert_eq!(tested, all);
    let codes: BTreeSet<&str> = Fault::ALL.iter().map(|f| f.code()).collect();
    assert_eq!(codes.len(), all.len(), "a code names one kind");
    assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())));
}

#[test]
fn a_fault_repeated_without_end_is_counted_and_kept_only_so_often() {
    let mut text = EVERY_STOP.to_owned();
    for n in 0..1000 {
        text.push_str(&format!("ghost{n},09:00:00,09:00:00,s1,1\n"));
    }
    let report = load(&street().with(TIMES, text)).report;
    assert_eq!(report.total(Fault::UnknownTrip), 1000);
    assert_eq!(report.findings.len(), KEPT_PER_FAULT);
    assert!(report.to_string().contains("… and 995 more of `unknown_trip`"), "{report}");
}

#[test]
fn a_dropped_trip_is_reported_once_and_not_again_at_each_call() {
    let files = street().with("trips.txt", "route_id,service_id,trip_id\nq,all,t\nr,all,u\n");
    let files = files.with(TIMES, format!("{EVERY_STOP}u,8:05:00,,s4,1\nu,8:20:00,,s1,2\n"));
    let report = load(&files).report;
    assert_eq!((report.total(Fault::UnknownRoute), report.total(Fault::UnknownTrip)), (1, 0), "{report}");
}

#[test]
fn people_and_programs_read_the_same_report() {
    let report = load(&street().with(TIMES, EVERY_STOP.replace("s3", "s33"))).report;
    assert_eq!(
        report.to_string().lines().next().unwrap(),
        "error   stop_times.txt:4 stop_id `s33`: no usable stop has this id; the call is left out of its trip"
    );
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["findings"][0],
        serde_json::json!({
            "severity": "error", "file": "stop_times.txt", "line": 4, "column": "stop_id", "value": "s33",
            "what": "unknown_stop", "action": "call_dropped",
        })
    );
    assert_eq!(json["totals"], serde_json::json!({ "unknown_stop": 1 }));
    assert_eq!(json["counts"]["stop_time_rows"], 4);
}

/// The table of `docs/gtfs-report.md` is made from the enum; copy it from this test's message when
/// a kind changes.
#[test]
fn the_documentation_lists_every_kind() {
    let mut table = String::from("| code | severity | what is wrong |\n|---|---|---|\n");
    for fault in Fault::ALL {
        table.push_str(&format!("| `{}` | {} | {} |\n", fault.code(), fault.severity(), fault.text()));
    }
    let page = include_str!("../../../docs/gtfs-report.md");
    assert!(page.contains(&table), "docs/gtfs-report.md must hold:\n{table}");
}
