//! The demo city as GTFS text.

use std::collections::{BTreeMap, BTreeSet};

use transit_model::gtfs::GtfsFiles;
use transit_model::plane::Xy;
use transit_model::time::{ServiceDate, ServiceTime};

use super::FEED_ID;
use super::lines::{Kind, LINES, Line};
use super::service::{self, Days, Run};
use super::streets::{PlatformKey, Streets, Way};

const AGENCY: &str = "slovianskelektrotrans";

/// Every table of the feed.
pub(crate) fn feed(today: ServiceDate) -> GtfsFiles {
    let streets = Streets::lay();
    let lines: Vec<(&Line, Vec<Way>)> = LINES.iter().map(|line| (line, ways(&streets, line))).collect();
    let year = today.date().year();
    let years = (format!("{:04}0101", year.saturating_sub(1)), format!("{:04}1231", year.saturating_add(2)));

    let mut files = GtfsFiles::new();
    files.set_table(
        "agency.txt",
        &["agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang"],
        [[AGENCY, "Слов'янський міський транспорт (демонстрація)", "https://example.org/", "Europe/Kyiv", "uk"]],
    );
    files.set_table(
        "feed_info.txt",
        &[
            "feed_publisher_name",
            "feed_publisher_url",
            "feed_lang",
            "feed_start_date",
            "feed_end_date",
            "feed_version",
            "feed_id",
        ],
        [["Зупинка: демонстраційне місто", "https://example.org/", "uk", &years.0, &years.1, "1", FEED_ID]],
    );
    files.set_table(
        "calendar.txt",
        &[
            "service_id",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
            "start_date",
            "end_date",
        ],
        Days::ALL.map(|d| {
            let (work, free) = if d == Days::Weekday { ("1", "0") } else { ("0", "1") };
            [d.id(), work, work, work, work, work, free, free, &years.0, &years.1].map(str::to_owned)
        }),
    );
    stops(&mut files, &streets, &lines);
    routes(&mut files);
    shapes(&mut files, &streets, &lines);
    trips(&mut files, &lines);
    files
}

/// There and back; round for a loop.
fn ways(streets: &Streets, line: &Line) -> Vec<Way> {
    let back: Vec<&str> = line.way.iter().rev().copied().collect();
    let there = streets.way(line.way);
    let back = if line.is_loop() { None } else { streets.way(&back) };
    there.into_iter().chain(back).collect()
}

/// `stop_id`: the place's number, then 1 or 2 for the side of the street.
fn stop_id(key: PlatformKey) -> String {
    format!("{}{}", 101 + key.place, if key.forward { 1 } else { 2 })
}

fn stops(files: &mut GtfsFiles, streets: &Streets, lines: &[(&Line, Vec<Way>)]) {
    let used: BTreeSet<PlatformKey> =
        lines.iter().flat_map(|(_, ways)| ways).flat_map(|w| w.calls.iter().map(|c| c.platform)).collect();
    // A name that several streets share is one station with many platforms.
    let mut streets_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut station: BTreeMap<&str, Vec<Xy>> = BTreeMap::new();
    for (key, p) in &streets.platforms {
        if used.contains(key) {
            streets_of.entry(p.name).or_default().insert(p.street);
            station.entry(p.name).or_default().push(p.at);
        }
    }
    station.retain(|name, _| streets_of.get(name).is_some_and(|s| s.len() > 1));
    let mut rows: Vec<[String; 10]> = Vec::new();
    for (n, (name, platforms)) in station.iter().enumerate() {
        let (lat, lon) = degrees(streets, middle(platforms));
        rows.push([
            format!("st{}", n + 1),
            String::new(),
            (*name).to_owned(),
            String::new(),
            lat,
            lon,
            "1".to_owned(),
            String::new(),
            String::new(),
            "1".to_owned(),
        ]);
    }
    let mut letters: BTreeMap<&str, u8> = BTreeMap::new();
    for (key, p) in streets.platforms.iter().filter(|(key, _)| used.contains(key)) {
        let (lat, lon) = degrees(streets, p.at);
        let parent = station.keys().position(|name| *name == p.name).map(|n| format!("st{}", n + 1));
        let letter = letters.entry(p.name).or_insert(b'A');
        let platform = if parent.is_some() { char::from(*letter).to_string() } else { String::new() };
        *letter = letter.saturating_add(1);
        // Kerbs have been raised along the trolleybus streets and at every third stop elsewhere.
        let raised = parent.is_some() || key.place % 3 != 1;
        rows.push([
            stop_id(*key),
            stop_id(*key),
            p.name.to_owned(),
            p.street.to_owned(),
            lat,
            lon,
            "0".to_owned(),
            parent.unwrap_or_default(),
            platform,
            if raised { "1" } else { "2" }.to_owned(),
        ]);
    }
    let header = [
        "stop_id",
        "stop_code",
        "stop_name",
        "stop_desc",
        "stop_lat",
        "stop_lon",
        "location_type",
        "parent_station",
        "platform_code",
        "wheelchair_boarding",
    ];
    files.set_table("stops.txt", &header, rows);
}

fn routes(files: &mut GtfsFiles) {
    let header = [
        "route_id",
        "agency_id",
        "route_short_name",
        "route_long_name",
        "route_type",
        "route_color",
        "route_text_color",
        "route_sort_order",
    ];
    let rows = LINES.iter().zip(1..).map(|(line, order)| {
        let long = if line.is_loop() {
            line.headsigns.0.to_owned()
        } else {
            format!("{} – {}", line.headsigns.1, line.headsigns.0)
        };
        let kind = match line.kind {
            Kind::Trolleybus => "11",
            Kind::Bus => "3",
        };
        let order = order.to_string();
        [line.id, AGENCY, line.name, &long, kind, line.colour, "FFFFFF", &order].map(str::to_owned)
    });
    files.set_table("routes.txt", &header, rows);
}

fn shapes(files: &mut GtfsFiles, streets: &Streets, lines: &[(&Line, Vec<Way>)]) {
    let rows = lines.iter().flat_map(|(line, ways)| ways.iter().enumerate().map(move |(d, w)| (*line, d, w)));
    let rows = rows.flat_map(|(line, direction, way)| {
        let points = way.line.points().iter().zip(way.line.cumulative()).zip(1..);
        points.map(move |((p, along), n): (_, u32)| {
            let (lat, lon) = degrees(streets, *p);
            [shape_id(line, direction), lat, lon, n.to_string(), format!("{along:.1}")]
        })
    });
    let header = ["shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence", "shape_dist_traveled"];
    files.set_table("shapes.txt", &header, rows);
}

fn trips(files: &mut GtfsFiles, lines: &[(&Line, Vec<Way>)]) {
    let mut trips: Vec<[String; 8]> = Vec::new();
    let mut calls: Vec<[String; 7]> = Vec::new();
    for (line, ways) in lines {
        for days in Days::ALL {
            for run in service::runs(line, ways, days) {
                let Some(way) = ways.get(run.direction) else { continue };
                let block = format!("{}-{}-{}", line.id, days.id(), run.block + 1);
                let starts = clock(run.times.first().copied().unwrap_or_default());
                let id = format!("{}-{}-{}-{}", line.id, days.id(), run.direction, starts.replace(':', ""));
                let headsign = if run.direction == 0 { line.headsigns.0 } else { line.headsigns.1 };
                // Two of three buses have a low floor; all trolleybuses do.
                let low_floor = line.kind == Kind::Trolleybus || run.block % 3 != 2;
                let wheelchair = if low_floor { "1" } else { "2" };
                let direction = run.direction.to_string();
                let shape = shape_id(line, run.direction);
                trips.push(
                    [line.id, days.id(), &id, headsign, &direction, &block, &shape, wheelchair].map(str::to_owned),
                );
                push_calls(&mut calls, line, way, &run, &id);
            }
        }
    }
    let header = [
        "route_id",
        "service_id",
        "trip_id",
        "trip_headsign",
        "direction_id",
        "block_id",
        "shape_id",
        "wheelchair_accessible",
    ];
    files.set_table("trips.txt", &header, trips);
    let header =
        ["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence", "timepoint", "shape_dist_traveled"];
    files.set_table("stop_times.txt", &header, calls);
}

fn push_calls(calls: &mut Vec<[String; 7]>, line: &Line, way: &Way, run: &Run, trip: &str) {
    let last = way.calls.len().saturating_sub(1);
    for (n, (call, time)) in way.calls.iter().zip(&run.times).enumerate() {
        let end = n == 0 || n == last;
        // Buses have times at the main stops only; trolleybuses also about when they pass the others.
        let time = if call.timed || end || line.kind == Kind::Trolleybus { clock(*time) } else { String::new() };
        let timepoint = if call.timed || end { "1" } else { "0" };
        calls.push([
            trip.to_owned(),
            time.clone(),
            time,
            stop_id(call.platform),
            (n + 1).to_string(),
            timepoint.to_owned(),
            format!("{:.1}", call.along),
        ]);
    }
}

fn shape_id(line: &Line, direction: usize) -> String {
    format!("{}-{direction}", line.id)
}

fn clock(seconds: i32) -> String {
    ServiceTime(seconds).to_string()
}

fn degrees(streets: &Streets, p: Xy) -> (String, String) {
    let (lat, lon) = streets.plane.lat_lon(p);
    (format!("{lat:.6}"), format!("{lon:.6}"))
}

fn middle(points: &[Xy]) -> Xy {
    let n = points.len().max(1) as f32;
    let sum = points.iter().fold(Xy::default(), |s, p| Xy { x: s.x + p.x, y: s.y + p.y });
    Xy { x: sum.x / n, y: sum.y / n }
}
