//! The simulator moves as recorded cities move: within bands, measured as recordings are measured.
#![cfg(test)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use simulator::city;
use simulator::drive::{Mishaps, Options, Plan};
use simulator::measure::{Figures, Rides};
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::FeedId;
use transit_model::time::ServiceDate;
use transit_model::timetable::Timetable;

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

fn measured(tt: &Arc<Timetable>, options: &Options, days: i32) -> Figures {
    let mut rides = Rides::new(tt);
    for n in 0..days {
        rides.take_plan(&Plan::new(tt, 1, monday().plus_days(n), options));
    }
    Figures::of(&rides)
}

/// The bands lie around what Vilnius and Toronto show (docs/simulator.md), wide enough for a small
/// city; outside them a predictor would be tuned to something no city has.
#[test]
fn the_demo_city_moves_within_the_bands_of_recorded_cities() {
    let tt = Arc::new(city::load(monday()).unwrap().timetable);
    let f = measured(&tt, &Options::default(), 3);
    let within = |what: &str, x: Option<f64>, low: f64, high: f64| {
        assert!(x.is_some_and(|x| (low..=high).contains(&x)), "{what}: {x:?} is not within {low}..={high}: {f:#?}");
    };
    within("time ridden over planned", f.links.over_plan, 0.98, 1.08);
    within("cv within link and hour", f.links.cv.map(|c| c[0]), 0.18, 0.34);
    within("slow rides", f.links.tails.map(|t| t[3]), 1.7, 2.7);
    within("quick rides", f.links.tails.map(|t| t[0]), 0.35, 0.65);
    within("spread of single rides", f.links.residual, 0.2, 0.38);
    within("spread between links", f.links.between_links, 0.06, 0.2);
    within("next vehicle within 15 min", f.alike.next_15, 0.06, 0.25);
    within("other day", f.alike.other_day, 0.05, 0.3);
    within("next link of the trip", f.alike.along_1, -0.04, 0.15);
    within("dwell", f.dwell.as_ref().map(|d| d.mean_s), 8.0, 20.0);
    let median = |n: usize| f.lateness[n].as_ref().map(|l| l.quantiles[1]);
    let spread = |n: usize| f.lateness[n].as_ref().map(|l| l.deviation);
    within("median lateness at the end", median(2), -30.0, 120.0);
    assert!(spread(0) < spread(1) && spread(1) < spread(2), "{f:#?}");
    let [first, middle, last] = [0, 1, 2].map(|n| f.headways[n].as_ref().unwrap().cv);
    assert!(first < middle && middle < last && last < 0.4, "{f:#?}");
}

/// A busy line: a bus every five minutes, thirty stops.
fn busy_line() -> Arc<Timetable> {
    let mut stops = "stop_id,stop_name,stop_lat,stop_lon\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    for n in 0..30 {
        writeln!(stops, "{n},Stop {n},{:.6},37.6", 0.0036f64.mul_add(f64::from(n), 48.8)).unwrap();
        let s = n * 90;
        let clock = format!("06:{:02}:{:02}", s / 60, s % 60);
        writeln!(times, "t,{clock},{clock},{n},{n}").unwrap();
    }
    let files = GtfsFiles::new()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\na,A,http://a.example,Europe/Kyiv\n")
        .with("stops.txt", stops)
        .with("routes.txt", "route_id,agency_id,route_short_name,route_type\nr,a,1,3\n")
        .with("trips.txt", "route_id,service_id,trip_id,direction_id\nr,all,t,0\n")
        .with("stop_times.txt", times)
        .with("frequencies.txt", "trip_id,start_time,end_time,headway_secs\nt,06:00:00,20:00:00,300\n")
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n\
             all,1,1,1,1,1,1,1,20260101,20271231\n",
        );
    Arc::new(load_files(&files, FeedId::from("busy")).unwrap().timetable)
}

#[test]
fn vehicles_bunch_along_the_line_and_more_so_where_passengers_follow_gaps() {
    let tt = busy_line();
    let day = |gaps_matter| measured(&tt, &Options { gaps_matter, mishaps: Mishaps::NONE, ..Options::default() }, 3);
    let (on, off) = (day(true), day(false));
    let cv = |f: &Figures, n: usize| f.headways[n].as_ref().unwrap().cv;
    let bunched = |f: &Figures, n: usize| f.headways[n].as_ref().unwrap().bunched;
    println!("on {:?} off {:?}", on.headways, off.headways);
    assert!(cv(&on, 0) < cv(&on, 1) && cv(&on, 1) < cv(&on, 2));
    assert!(cv(&on, 2) > 1.15 * cv(&off, 2), "{} {}", cv(&on, 2), cv(&off, 2));
    assert!(bunched(&on, 2) > bunched(&on, 0) && bunched(&on, 2) > bunched(&off, 2));
    // The time spent at stops is the same on average: only its distribution differs.
    let dwell = |f: &Figures| f.dwell.as_ref().unwrap().mean_s;
    assert!((0.85..1.2).contains(&(dwell(&on) / dwell(&off))), "{} {}", dwell(&on), dwell(&off));
}

/// Three stops, trips every ten minutes from eight.
fn small_feed() -> Timetable {
    let mut trips = "route_id,service_id,trip_id,direction_id\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    for n in 0..6 {
        writeln!(trips, "r,all,t{n},0").unwrap();
        for stop in 0..3 {
            let minute = n * 10 + stop * 2;
            let clock = format!("{:02}:{:02}:00", 8 + minute / 60, minute % 60);
            writeln!(times, "t{n},{clock},{clock},{stop},{}", stop + 1).unwrap();
        }
    }
    let files = GtfsFiles::new()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\na,A,http://a.example,UTC\n")
        .with("stops.txt", "stop_id,stop_name,stop_lat,stop_lon\n0,A,48.85,37.60\n1,B,48.86,37.60\n2,C,48.87,37.60\n")
        .with("routes.txt", "route_id,agency_id,route_short_name,route_type\nr,a,1,3\n")
        .with("trips.txt", trips)
        .with("stop_times.txt", times)
        .with(
            "calendar.txt",
            "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n\
             all,1,1,1,1,1,1,1,20260101,20271231\n",
        );
    load_files(&files, FeedId::from("small")).unwrap().timetable
}

const HEADER: &str = "service_date,trip_id,vehicle_id,stop_sequence,stop_id,arrival,departure\n";

fn read<'a>(tt: &'a Timetable, dir: &Path, table: &str) -> Result<Rides<'a>, String> {
    let path = dir.join("t.csv");
    std::fs::write(&path, table).unwrap();
    let mut rides = Rides::new(tt);
    rides.read(&path).map_err(|e| e.to_string())?;
    Ok(rides)
}

#[test]
fn a_table_of_known_rides_gives_the_figures_one_can_work_out() {
    let (tt, dir) = (small_feed(), tempfile::tempdir().unwrap());
    let midnight = tt.zone.day_start(monday()).secs();
    let mut table = HEADER.to_owned();
    for n in 0..6 {
        // Every vehicle is a minute late at the second stop; every other one five minutes at the third.
        let start = midnight + 8 * 3600 + n * 600;
        let late = if n % 2 == 0 { 60 } else { 300 };
        writeln!(table, "20261123,t{n},v,1,0,,{start}").unwrap();
        writeln!(table, "20261123,t{n},v,2,1,{},{}", start + 180, start + 200).unwrap();
        writeln!(table, "20261123,t{n},v,3,2,{},", start + 240 + late).unwrap();
    }
    let rides = read(&tt, dir.path(), &table).unwrap();
    let took: Vec<f64> = rides.rides().iter().map(|r| r.took).collect();
    assert_eq!(took, [120.0, 360.0, 120.0, 360.0, 120.0, 360.0]);
    let f = Figures::of(&rides);
    assert_eq!((f.days, f.trips, f.rides), (1, 6, 6));
    assert_eq!((f.links.mean_s, f.links.over_plan), (Some(240.0), Some(2.0)));
    assert_eq!(f.lateness[1].as_ref().unwrap().quantiles, [60.0; 3]);
    // Headways at the third stop: 840, 360, 840, 360, 840 s where 600 s are planned.
    let last = f.headways[2].as_ref().unwrap();
    assert_eq!(last.count, 5);
    let mean = (3.0 * 1.4 + 2.0 * 0.6) / 5.0;
    let variance = (3.0 * (1.4f64 - mean).powi(2) + 2.0 * (0.6f64 - mean).powi(2)) / 4.0;
    assert!((last.cv - variance.sqrt()).abs() < 1e-9 && last.bunched < 1e-9, "{last:?}");
    assert_eq!(f.headways[1].as_ref().unwrap().cv, 0.0);
    assert_eq!(f.dwell.as_ref().unwrap().mean_s, 20.0);
    assert!(f.alike.next_15.is_none(), "five pairs tell nothing");
}

#[test]
fn a_bad_table_is_refused_by_line_and_field_and_unknown_names_are_counted() {
    let (tt, dir) = (small_feed(), tempfile::tempdir().unwrap());
    for (rows, says) in [
        ("20261123,t0,v,1,0,,noon", "line 2: departure is `noon`, which is not a unix time"),
        ("tomorrow,t0,v,1,0,,1795420800", "line 2: service_date is `tomorrow`, which is not a date YYYYMMDD"),
        ("20261123,t0,v,-1,0,,1795420800", "line 2: stop_sequence is `-1`, which is not a number from 0"),
        ("20261123,t0,v", "t.csv: cannot be read"),
    ] {
        let e = read(&tt, dir.path(), &format!("{HEADER}{rows}\n")).unwrap_err();
        assert!(e.contains(says), "{e}");
    }
    let e = read(&tt, dir.path(), "service_date,trip_id\n").unwrap_err();
    assert!(e.ends_with("it has no column `stop_sequence`"), "{e}");
    let rows = "20261123,nobody,v,1,0,,1795420800\n20261123,t0,v,9,0,,1795420800\n";
    let f = Figures::of(&read(&tt, dir.path(), &format!("{HEADER}{rows}")).unwrap());
    assert_eq!((f.unused.unknown_trip, f.unused.unknown_call, f.rides), (1, 1, 0));
}
