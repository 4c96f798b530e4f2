//! The demo city is a feed without a fault, of the size and the shapes that are promised.
#![cfg(test)]

use std::collections::BTreeSet;

use simulator::city;
use transit_model::gtfs::Severity;
use transit_model::plane::haversine;
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::{Mode, StopKind, Timetable};

fn today() -> ServiceDate {
    "20261122".parse().unwrap()
}

fn timetable() -> Timetable {
    city::load(today()).unwrap().timetable
}

#[test]
fn the_loader_finds_nothing_wrong() {
    let report = city::load(today()).unwrap().report;
    for severity in [Severity::Error, Severity::Warning] {
        assert_eq!(report.of(severity), 0, "{:#?}", report.findings);
    }
}

#[test]
fn it_has_eight_lines_and_a_hundred_and_twenty_stops() {
    let tt = timetable();
    assert_eq!(tt.routes.len(), 8);
    assert_eq!(tt.routes.iter().filter(|(_, r)| r.mode == Mode::Trolleybus).count(), 3);
    assert_eq!(tt.stops.iter().filter(|(_, s)| s.kind == StopKind::Platform).count(), 120);
    assert!(tt.trips.iter().any(|(_, t)| t.wheelchair == Some(false)));
    assert!(tt.stops.iter().all(|(_, s)| s.kind != StopKind::Platform || !s.code.is_empty()));
    assert_eq!(tt.zone.name(), "Europe/Kyiv");
    assert_eq!(tt.feed.as_str(), city::FEED_ID);
}

#[test]
fn every_stop_is_served_every_day_of_the_week() {
    let tt = timetable();
    for day in 0..7 {
        let runs = tt.services_on(today().plus_days(day));
        let mut served = BTreeSet::new();
        for (_, trip) in tt.trips.iter().filter(|(_, t)| *runs.get(t.service).unwrap()) {
            served.extend(tt.patterns.at(trip.pattern).calls.iter().map(|c| c.stop));
        }
        assert_eq!(served.len(), 120, "day {day}");
    }
}

#[test]
fn the_calendar_never_runs_out() {
    let calendar = timetable().calendar().unwrap();
    assert!(calendar.0 <= today().plus_days(-365) && calendar.1 >= today().plus_days(2 * 365));
    assert_eq!(city::feed(today()), city::feed(today().plus_days(20)), "the feed is the same all year");
}

#[test]
fn it_runs_from_half_past_five_to_eleven_with_rest_at_the_terminals() {
    let tt = timetable();
    assert_eq!(tt.span(), (ServiceTime(5 * 3600 + 1800), ServiceTime(23 * 3600)));
    for (_, block) in tt.blocks.iter() {
        for pair in block.trips.windows(2) {
            let rest = (tt.starts(pair[1]) - tt.ends(pair[0])).0;
            assert!((240..=600).contains(&rest), "block {}: {rest} s", block.id);
            let (a, b) = (tt.pattern_of(pair[0]), tt.pattern_of(pair[1]));
            let (from, to) = (tt.stops.at(a.calls.last().unwrap().stop), tt.stops.at(b.calls[0].stop));
            assert!(from.xy.distance(to.xy) < 80.0, "{} → {}", from.name, to.name);
        }
    }
}

#[test]
fn there_is_a_loop_a_there_and_back_street_and_a_line_that_crosses_itself() {
    let tt = timetable();
    let patterns = |id: &str| {
        let r = tt.route_by_id(id).unwrap();
        tt.patterns.iter().map(|(_, p)| p).filter(move |p| p.route == r).collect::<Vec<_>>()
    };
    let round = patterns("bus-6");
    assert_eq!(round.len(), 1);
    assert_eq!(round[0].calls[0].stop, round[0].calls.last().unwrap().stop);
    for p in patterns("bus-7") {
        let places: Vec<&str> = p.calls.iter().map(|c| &*tt.stops.at(c.stop).name).collect();
        assert_eq!(places.iter().filter(|n| **n == "Санаторій").count(), 2, "{places:?}");
    }
    for p in patterns("bus-8") {
        let square: Vec<f32> =
            p.calls.iter().filter(|c| &*tt.stops.at(c.stop).name == "Соборна площа").map(|c| c.along).collect();
        assert!(square.last().unwrap() - square[0] > 2000.0, "{square:?}");
    }
}

#[test]
fn stops_stand_on_the_right_of_the_street() {
    let tt = timetable();
    for (_, p) in tt.patterns.iter() {
        let line = tt.shapes.at(p.shape);
        for call in &p.calls {
            let (at, stop) = (line.point_at(call.along), tt.stops.at(call.stop));
            let heading = line.heading_at(call.along).unwrap().to_radians();
            let right = (stop.xy.x - at.x) * heading.cos() - (stop.xy.y - at.y) * heading.sin();
            assert!((3.0..15.0).contains(&right), "{} {right}", stop.name);
        }
    }
}

#[test]
fn machines_go_round_and_water_lies_in_the_city() {
    let machines = city::machines();
    assert_eq!(machines.len(), 4);
    for m in &machines {
        let ((a, b), (c, d)) = (m.round[0], *m.round.last().unwrap());
        assert!(haversine(a, b, c, d) < 1.0, "{} ends in its yard", m.id);
        assert!(m.round.len() > 20);
    }
    for line in city::waters().iter().chain(&city::streets()) {
        for (lat, lon) in &line.points {
            assert!(haversine(*lat, *lon, 48.8534, 37.6057) < 5000.0, "{}", line.name);
        }
    }
}

#[test]
fn some_stops_have_no_times_of_their_own() {
    let files = city::feed(today());
    let text = String::from_utf8(files.get("stop_times.txt").unwrap().to_vec()).unwrap();
    let untimed = text.lines().filter(|l| l.contains(",,,")).count();
    let all = text.lines().count();
    assert!(untimed * 5 > all && untimed * 2 < all, "{untimed} of {all}");
}
