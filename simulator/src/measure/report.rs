//! The figures as a table that people read and documents take over.

use std::fmt::Write as _;

use super::figures::{Figures, Headways, Lateness};

/// One line a figure: its name, and its value.
pub(super) fn text(f: &Figures) -> String {
    let mut rows: Vec<(String, String)> = vec![
        ("days, trips, rides".to_owned(), format!("{}, {}, {}", f.days, f.trips, f.rides)),
        (
            "rows of unknown trips, unknown calls".to_owned(),
            format!("{}, {}", f.unused.unknown_trip, f.unused.unknown_call),
        ),
        ("mean ride from stop to stop, s".to_owned(), number(f.links.mean_s, 0)),
        ("time ridden over time planned".to_owned(), number(f.links.over_plan, 3)),
        ("cv within link and hour: median, p10, p90".to_owned(), list(f.links.cv, 2)),
        ("ride over the median of link and hour: p1, p10, p90, p99".to_owned(), list(f.links.tails, 2)),
        ("deviation between links (log)".to_owned(), number(f.links.between_links, 3)),
        ("deviation of single rides (log)".to_owned(), number(f.links.residual, 3)),
    ];
    let a = &f.alike;
    for (name, value) in [
        ("next vehicle on the link, under 5 min", a.next_5),
        ("next vehicle on the link, 5 to 15 min", a.next_15),
        ("next vehicle on the link, 15 to 40 min", a.next_40),
        ("same link and time on another day", a.other_day),
        ("next link of the trip", a.along_1),
        ("three links on", a.along_3),
        ("six links on", a.along_6),
    ] {
        rows.push((format!("correlation: {name}"), number(value, 3)));
    }
    const PARTS: [&str; 3] = ["first quarter", "middle", "last quarter"];
    for (part, late) in PARTS.into_iter().zip(&f.lateness) {
        rows.push((format!("lateness, {part}: p5, p50, p95; deviation, s"), lateness(late.as_ref())));
    }
    for (part, headways) in PARTS.into_iter().zip(&f.headways) {
        rows.push((format!("headways, {part}: cv; deviation, s; bunched"), headway(headways.as_ref())));
    }
    let dwell = f.dwell.as_ref().map(|d| format!("{:.1}; {:.2}; {:.1} %", d.mean_s, d.cv, d.none * 100.0));
    rows.push(("dwell: mean, s; cv; stops passed".to_owned(), dwell.unwrap_or_else(none)));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        // A String takes everything.
        let _never_fails = writeln!(text, "{name:width$}  {value}");
        text
    })
}

fn none() -> String {
    "not seen".to_owned()
}

fn number(x: Option<f64>, digits: usize) -> String {
    x.map_or_else(none, |x| format!("{x:.digits$}"))
}

fn list<const N: usize>(x: Option<[f64; N]>, digits: usize) -> String {
    x.map_or_else(none, |x| x.map(|x| format!("{x:.digits$}")).join(", "))
}

fn lateness(l: Option<&Lateness>) -> String {
    l.map_or_else(none, |l| format!("{}; {:.0}", l.quantiles.map(|q| format!("{q:.0}")).join(", "), l.deviation))
}

fn headway(h: Option<&Headways>) -> String {
    h.map_or_else(none, |h| format!("{:.2}; {:.0}; {:.2} %", h.cv, h.deviation, h.bunched * 100.0))
}
