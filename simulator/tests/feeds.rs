//! The feeds of real cities are driven without a jump, where the recordings are at hand
//! (`ZUPYNKA_CORPUS`).
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use simulator::drive::{Cap, Plan, Roster, Walk};
use transit_model::gtfs;
use transit_model::time::{ServiceTime, UnixMs};

fn feeds() -> Vec<PathBuf> {
    let Ok(corpus) = std::env::var("ZUPYNKA_CORPUS") else { return Vec::new() };
    let entries = Path::new(&corpus).join("corpus/gtfs").read_dir().unwrap();
    let mut zips: Vec<PathBuf> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "zip")).collect();
    zips.sort();
    assert!(!zips.is_empty());
    zips
}

#[test]
fn real_feeds_are_driven_without_a_jump() {
    for path in feeds() {
        let tt = Arc::new(gtfs::load(&path, gtfs::feed_id_of(&path)).unwrap().timetable);
        let (from, to) = tt.calendar().unwrap();
        let cap = Some(Cap { vehicles: 40, at: ServiceTime(17 * 3600) });
        // The first weekday of the calendar's middle on which anything runs.
        let days = (from.days().midpoint(to.days())..to.days()).chain(from.days()..to.days());
        let days = days.map(transit_model::time::ServiceDate::from_days).filter(|d| d.weekday() < 5);
        let day = days.take(400).find(|d| !Roster::for_day(&tt, *d, cap).duties.is_empty()).unwrap();
        let plan = Plan::for_day(&tt, 1, day, cap);
        let mut delays: Vec<i64> = Vec::new();
        for v in &plan.vehicles {
            let mut walk = Walk::along(&**v);
            let mut before = None;
            let (start, end) = v.span();
            for t in (start.0..end.0).step_by(2000).map(UnixMs) {
                let xy = walk.at(t).unwrap().xy;
                let moved = before.replace(xy).map_or(0.0, |b| xy.distance(b));
                assert!(moved < 80.0, "{}: {} moved {moved} m in 2 s at {t:?}", path.display(), v.vehicle);
            }
            for s in v.stops() {
                let (Some(t), Some(planned)) = (s.arrival, tt.time_at(s.trip, s.call)) else { continue };
                delays.push(t.secs_since(tt.zone.at(day, planned.arrival)));
            }
        }
        delays.sort_unstable();
        let at = |q: usize| delays[(delays.len() - 1) * q / 100];
        let name = path.display();
        println!("{name}: {day}, {} vehicles, delays p5 {} p50 {} p95 {}", plan.vehicles.len(), at(5), at(50), at(95));
        // Feeds whose blocks have no rest at terminals run late, for no dispatcher takes a trip off; none runs away.
        assert!(at(5) > -600 && at(50) < 420 && at(95) < 3600, "{name}: delays {} {} {}", at(5), at(50), at(95));
    }
}
