//! The new city as GTFS text.

use transit_model::gtfs::GtfsFiles;

use super::calendar::{self, Days};
use super::network::{LaidLine, Piece};
use super::order::{Kind, Order};
use super::timetable::Run;
use crate::paper::{self, About, RouteRow, TripRow};
use crate::streets::Streets;

/// The colours of lines, all dark enough for white letters.
const COLOURS: [&str; 14] = [
    "0057B7", "1B7F3B", "7A3E9D", "C8102E", "B45309", "0E7490", "4B5563", "92400E", "9D174D", "3F6212", "1E3A8A",
    "6B21A8", "115E59", "7F1D1D",
];

/// The runs of every kind of day there is, by line.
pub(crate) type Services<'a> = Vec<(Days, Vec<(&'a LaidLine<'a>, Vec<Run>)>)>;

/// Every table of the feed.
pub(crate) fn feed(order: &Order, streets: &Streets<'_>, lines: &[LaidLine<'_>], services: &Services<'_>) -> GtfsFiles {
    let mut files = GtfsFiles::new();
    let days = (order.from, order.until());
    let feed = order.name.feed_id();
    let electric = lines.iter().any(|l| l.line.kind != Kind::Bus);
    let mut agencies = Vec::new();
    if electric {
        agencies.push((agency(Kind::Trolleybus), format!("Електротранспорт ({})", order.name)));
    }
    if lines.iter().any(|l| l.line.kind == Kind::Bus) {
        agencies.push((agency(Kind::Bus), format!("Автобусне підприємство ({})", order.name)));
    }
    let publisher = format!("Зупинка: {}, місто, якого немає", order.name);
    paper::about(&mut files, &About { feed: feed.as_str(), publisher: &publisher, agencies: &agencies, days });
    paper::calendar(&mut files, services.iter().map(|(d, _)| (d.id(), d.week())), days);
    let exceptions = calendar::exceptions(days.0, days.1);
    if !exceptions.is_empty() {
        files.set_table("calendar_dates.txt", &["service_id", "date", "exception_type"], exceptions);
    }
    let used = lines.iter().flat_map(|l| l.ways.iter().map(|w| &w.way));
    paper::stops(&mut files, streets, used, |key| key.place % 5 < 3);
    let ids: Vec<(String, String)> = lines.iter().map(|l| (l.line.id(), l.line.number.to_string())).collect();
    let routes = lines.iter().zip(&ids).zip(COLOURS.iter().cycle());
    paper::routes(
        &mut files,
        routes.map(|((l, (id, name)), colour)| RouteRow {
            id,
            agency: agency(l.line.kind),
            name,
            long: l.long.clone(),
            kind: l.line.kind.route_type(),
            colour,
        }),
    );
    let shapes = lines.iter().flat_map(|l| l.ways.iter().map(|w| (shape(l, w.direction, w.piece).into(), &w.way.line)));
    paper::shapes(&mut files, &streets.plane, shapes);
    paper::trips(&mut files, &trips(&ids, services));
    files
}

fn trips<'a>(ids: &'a [(String, String)], services: &'a Services<'_>) -> Vec<TripRow<'a>> {
    let mut trips = Vec::new();
    for (days, by_line) in services {
        for ((line, runs), (route, _)) in by_line.iter().zip(ids) {
            for (n, run) in runs.iter().enumerate() {
                let Some(way) = line.ways.get(run.way) else { continue };
                trips.push(TripRow {
                    route,
                    service: days.id(),
                    id: format!("{route}-{}-{}", days.id(), n + 1),
                    headsign: &way.headsign,
                    direction: way.direction,
                    block: format!("{route}-{}-{}", days.id(), run.vehicle + 1),
                    shape: shape(line, way.direction, way.piece).into(),
                    low_floor: low_floor(line.line.kind, run.vehicle),
                    way: &way.way,
                    times: run.times.clone(),
                    // Buses have times at the main stops only; whoever runs on wires also about when
                    // he passes the others.
                    times_everywhere: line.line.kind != Kind::Bus,
                });
            }
        }
    }
    trips
}

/// Nine of ten trolleybuses, two of three buses, two of five trams.
const fn low_floor(kind: Kind, vehicle: usize) -> bool {
    match kind {
        Kind::Trolleybus => vehicle % 10 != 7,
        Kind::Bus => vehicle % 3 != 1,
        Kind::Tram => vehicle % 5 < 2,
    }
}

const fn agency(kind: Kind) -> &'static str {
    match kind {
        Kind::Trolleybus | Kind::Tram => "electric",
        Kind::Bus => "bus",
    }
}

fn shape(line: &LaidLine<'_>, direction: usize, piece: Piece) -> String {
    let piece = match piece {
        Piece::Whole => "",
        Piece::Out => "-out",
        Piece::In => "-in",
    };
    format!("{}-{direction}{piece}", line.line.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2 asks for a contrast of 4.5 to 1 between letters and ground.
    #[test]
    fn white_letters_can_be_read_on_every_colour() {
        let light = |hex: &str| {
            let share = f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        for colour in COLOURS {
            let [r, g, b] = [0, 2, 4].map(|n| light(&colour[n..n + 2]));
            let contrast = 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
            assert!(contrast >= 4.5, "{colour}: {contrast:.2}");
        }
        assert_eq!(COLOURS.iter().collect::<std::collections::BTreeSet<_>>().len(), COLOURS.len());
    }
}
