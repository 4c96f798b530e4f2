//! The demo city as GTFS text.

use transit_model::gtfs::GtfsFiles;
use transit_model::time::ServiceDate;

use super::FEED_ID;
use super::lines::{Kind, LINES, Line};
use super::service::{self, Days};
use super::streets::{lay, numbers};
use crate::paper::{self, About, RouteRow, TripRow};
use crate::streets::{Streets, Way};

const AGENCY: &str = "slovianskelektrotrans";

/// Every table of the feed.
pub(crate) fn feed(today: ServiceDate) -> GtfsFiles {
    let streets = lay();
    let lines: Vec<(&Line, Vec<Way>)> = LINES.iter().map(|line| (line, ways(&streets, line))).collect();
    let year = i32::from(today.date().year());
    let days = (paper::new_year(year - 1), paper::new_year(year + 3).plus_days(-1));

    let mut files = GtfsFiles::new();
    let about = About {
        feed: FEED_ID,
        publisher: "Зупинка: демонстраційне місто",
        agencies: &[(AGENCY, "Слов'янський міський транспорт (демонстрація)".to_owned())],
        days,
    };
    paper::about(&mut files, &about);
    let week = |d: Days| [0, 1, 2, 3, 4, 5, 6].map(|n| (n < 5) == (d == Days::Weekday));
    paper::calendar(&mut files, Days::ALL.map(|d| (d.id(), week(d))), days);
    // Kerbs have been raised along the trolleybus streets and at every third stop elsewhere.
    paper::stops(&mut files, &streets, lines.iter().flat_map(|(_, ways)| ways), |key| key.place % 3 != 1);
    paper::routes(&mut files, LINES.iter().map(route));
    let shapes = lines.iter().flat_map(|(line, ways)| ways.iter().enumerate().map(move |(d, w)| (*line, d, w)));
    paper::shapes(&mut files, &streets.plane, shapes.map(|(line, d, way)| (shape_id(line, d).into(), &way.line)));
    paper::trips(&mut files, &trips(&lines));
    files
}

/// There and back; round for a loop.
fn ways(streets: &Streets<'_>, line: &Line) -> Vec<Way> {
    let back: Vec<&str> = line.way.iter().rev().copied().collect();
    let there = streets.way(&numbers(line.way));
    let back = if line.is_loop() { None } else { streets.way(&numbers(&back)) };
    there.into_iter().chain(back).collect()
}

fn route(line: &'static Line) -> RouteRow<'static> {
    let long = if line.is_loop() {
        line.headsigns.0.to_owned()
    } else {
        format!("{} – {}", line.headsigns.1, line.headsigns.0)
    };
    let kind = match line.kind {
        Kind::Trolleybus => "11",
        Kind::Bus => "3",
    };
    RouteRow { id: line.id, agency: AGENCY, name: line.name, long, kind, colour: line.colour }
}

fn trips<'a>(lines: &'a [(&'static Line, Vec<Way>)]) -> Vec<TripRow<'a>> {
    let mut trips = Vec::new();
    for (line, ways) in lines {
        for days in Days::ALL {
            for run in service::runs(line, ways, days) {
                let Some(way) = ways.get(run.direction) else { continue };
                let starts = paper::clock(run.times.first().copied().unwrap_or_default());
                trips.push(TripRow {
                    route: line.id,
                    service: days.id(),
                    id: format!("{}-{}-{}-{}", line.id, days.id(), run.direction, starts.replace(':', "")),
                    headsign: if run.direction == 0 { line.headsigns.0 } else { line.headsigns.1 },
                    direction: run.direction,
                    block: format!("{}-{}-{}", line.id, days.id(), run.block + 1),
                    shape: shape_id(line, run.direction).into(),
                    // Two of three buses have a low floor; all trolleybuses do.
                    low_floor: line.kind == Kind::Trolleybus || run.block % 3 != 2,
                    way,
                    times: run.times,
                    // Buses have times at the main stops only; trolleybuses also about when they pass the others.
                    times_everywhere: line.kind == Kind::Trolleybus,
                });
            }
        }
    }
    trips
}

fn shape_id(line: &Line, direction: usize) -> String {
    format!("{}-{direction}", line.id)
}
