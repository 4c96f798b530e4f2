//! The tables a city that is made up is written as: which columns, in which order.
//!
//! What stands in them is each city's own; a place's number becomes the ids of its two platforms
//! here, so that the calls of a trip and `stops.txt` cannot disagree.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use transit_model::gtfs::GtfsFiles;
use transit_model::plane::{Plane, Polyline, Xy};
use transit_model::time::{ServiceDate, ServiceTime};

use crate::streets::{Platform, PlatformKey, Streets, Way};

/// Who says all this, and for when.
pub(crate) struct About<'a> {
    /// `feed_id`.
    pub(crate) feed: &'a str,
    /// `feed_publisher_name`.
    pub(crate) publisher: &'a str,
    /// Id and name of each agency.
    pub(crate) agencies: &'a [(&'a str, String)],
    /// The first day and the last.
    pub(crate) days: (ServiceDate, ServiceDate),
}

/// A route.
pub(crate) struct RouteRow<'a> {
    /// `route_id`.
    pub(crate) id: &'a str,
    /// `agency_id`.
    pub(crate) agency: &'a str,
    /// `route_short_name`.
    pub(crate) name: &'a str,
    /// `route_long_name`.
    pub(crate) long: String,
    /// `route_type`.
    pub(crate) kind: &'a str,
    /// `route_color`, dark enough for white letters.
    pub(crate) colour: &'a str,
}

/// A trip with its calls.
pub(crate) struct TripRow<'a> {
    /// `route_id`.
    pub(crate) route: &'a str,
    /// `service_id`.
    pub(crate) service: &'a str,
    /// `trip_id`.
    pub(crate) id: String,
    /// `trip_headsign`.
    pub(crate) headsign: &'a str,
    /// `direction_id`.
    pub(crate) direction: usize,
    /// `block_id`.
    pub(crate) block: String,
    /// `shape_id`.
    pub(crate) shape: Cow<'a, str>,
    /// `wheelchair_accessible`.
    pub(crate) low_floor: bool,
    /// Where it calls.
    pub(crate) way: &'a Way,
    /// Seconds of the service day at each call.
    pub(crate) times: Vec<i32>,
    /// The stops that are no timepoints have approximate times; else none.
    pub(crate) times_everywhere: bool,
}

/// `agency.txt` and `feed_info.txt`.
pub(crate) fn about(files: &mut GtfsFiles, about: &About<'_>) {
    let header = ["agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang"];
    let rows = about.agencies.iter().map(|(id, name)| [*id, name, "https://example.org/", "Europe/Kyiv", "uk"]);
    files.set_table("agency.txt", &header, rows);
    let header = [
        "feed_publisher_name",
        "feed_publisher_url",
        "feed_lang",
        "feed_start_date",
        "feed_end_date",
        "feed_version",
        "feed_id",
    ];
    let (first, last) = (about.days.0.to_string(), about.days.1.to_string());
    let row = [about.publisher, "https://example.org/", "uk", &first, &last, "1", about.feed];
    files.set_table("feed_info.txt", &header, [row]);
}

/// `calendar.txt`: each service with the weekdays it runs on, Monday first.
pub(crate) fn calendar<'a>(
    files: &mut GtfsFiles,
    services: impl IntoIterator<Item = (&'a str, [bool; 7])>,
    days: (ServiceDate, ServiceDate),
) {
    let header = [
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
    ];
    let rows = services.into_iter().map(|(id, week)| {
        let week = week.map(|runs| if runs { "1" } else { "0" }.to_owned());
        [id.to_owned()].into_iter().chain(week).chain([days.0.to_string(), days.1.to_string()]).collect::<Vec<_>>()
    });
    files.set_table("calendar.txt", &header, rows);
}

/// `stop_id` and `stop_code`: the place's number, then 1 or 2 for the side of the street.
fn stop_id(key: PlatformKey) -> String {
    format!("{}{}", 101 + u32::from(key.place), if key.forward { 1 } else { 2 })
}

/// `stops.txt`: the platforms that some way calls at, and the stations they belong to: a name that
/// several streets share is one station with many platforms. `raised` says where a wheelchair gets
/// on; at stations it always does.
pub(crate) fn stops<'a>(
    files: &mut GtfsFiles,
    streets: &Streets<'_>,
    ways: impl IntoIterator<Item = &'a Way>,
    raised: impl Fn(PlatformKey) -> bool,
) {
    let used: BTreeSet<PlatformKey> = ways.into_iter().flat_map(|w| w.calls.iter().map(|c| c.platform)).collect();
    let used = || streets.platforms.iter().filter(|(key, _)| used.contains(key));
    let stations = stations(used());
    let mut rows: Vec<[String; 10]> = Vec::new();
    for (n, (name, platforms)) in stations.iter().enumerate() {
        let (lat, lon) = degrees(&streets.plane, middle(platforms));
        let (id, name) = (station_id(n), (*name).to_owned());
        let none = String::new;
        rows.push([id, none(), name, none(), lat, lon, "1".to_owned(), none(), none(), "1".to_owned()]);
    }
    let mut letters: BTreeMap<&str, u8> = BTreeMap::new();
    for (key, p) in used() {
        let (lat, lon) = degrees(&streets.plane, p.at);
        let parent = stations.keys().position(|name| *name == p.name).map(station_id);
        let letter = letters.entry(p.name).or_insert(b'A');
        let platform = if parent.is_some() { char::from(*letter).to_string() } else { String::new() };
        *letter = letter.saturating_add(1).min(b'Z');
        let raised = parent.is_some() || raised(*key);
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

fn station_id(n: usize) -> String {
    format!("st{}", n + 1)
}

/// The platforms of each name that stands on more than one street.
fn stations<'a>(used: impl Iterator<Item = (&'a PlatformKey, &'a Platform<'a>)>) -> BTreeMap<&'a str, Vec<Xy>> {
    let mut named: BTreeMap<&str, (BTreeSet<&str>, Vec<Xy>)> = BTreeMap::new();
    for (_, p) in used {
        let (streets, platforms) = named.entry(p.name).or_default();
        streets.insert(p.street);
        platforms.push(p.at);
    }
    named.retain(|_, (streets, _)| streets.len() > 1);
    named.into_iter().map(|(name, (_, platforms))| (name, platforms)).collect()
}

/// `routes.txt`, in the order in which they are to be shown.
pub(crate) fn routes<'a>(files: &mut GtfsFiles, routes: impl IntoIterator<Item = RouteRow<'a>>) {
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
    let rows = routes.into_iter().zip(1..).map(|(r, order): (_, u32)| {
        let order = order.to_string();
        [r.id, r.agency, r.name, &r.long, r.kind, r.colour, "FFFFFF", &order].map(str::to_owned)
    });
    files.set_table("routes.txt", &header, rows);
}

/// `shapes.txt`.
pub(crate) fn shapes<'a>(
    files: &mut GtfsFiles,
    plane: &Plane,
    shapes: impl IntoIterator<Item = (Cow<'a, str>, &'a Polyline)>,
) {
    let rows = shapes.into_iter().flat_map(|(id, line)| {
        line.points().iter().zip(line.cumulative()).zip(1..).map(move |((p, along), n): (_, u32)| {
            let (lat, lon) = degrees(plane, *p);
            [id.clone(), lat.into(), lon.into(), n.to_string().into(), format!("{along:.1}").into()]
        })
    });
    let header = ["shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence", "shape_dist_traveled"];
    files.set_table("shapes.txt", &header, rows);
}

/// `trips.txt` and `stop_times.txt`.
pub(crate) fn trips(files: &mut GtfsFiles, trips: &[TripRow<'_>]) {
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
    let rows = trips.iter().map(|t| {
        let direction = if t.direction == 0 { "0" } else { "1" };
        let wheelchair = if t.low_floor { "1" } else { "2" };
        [t.route, t.service, &t.id, t.headsign, direction, &t.block, &t.shape, wheelchair]
    });
    files.set_table("trips.txt", &header, rows);
    let header =
        ["trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence", "timepoint", "shape_dist_traveled"];
    files.set_table("stop_times.txt", &header, trips.iter().flat_map(calls));
}

fn calls<'a>(trip: &'a TripRow<'_>) -> impl Iterator<Item = [Cow<'a, str>; 7]> {
    let last = trip.way.calls.len().saturating_sub(1);
    trip.way.calls.iter().zip(&trip.times).enumerate().map(move |(n, (call, time))| {
        let timed = call.timed || n == 0 || n == last;
        let time: Cow<'_, str> = if timed || trip.times_everywhere { clock(*time).into() } else { "".into() };
        let timepoint = if timed { "1" } else { "0" };
        [
            trip.id.as_str().into(),
            time.clone(),
            time,
            stop_id(call.platform).into(),
            (n + 1).to_string().into(),
            timepoint.into(),
            format!("{:.1}", call.along).into(),
        ]
    })
}

/// The first of January.
pub(crate) fn new_year(year: i32) -> ServiceDate {
    ServiceDate::from_date(jiff::civil::date(i16::try_from(year).unwrap_or(i16::MAX).clamp(1, 9999), 1, 1))
}

/// `HH:MM:SS`, past 24:00 where the service day goes on.
pub(crate) fn clock(seconds: i32) -> String {
    ServiceTime(seconds).to_string()
}

fn degrees(plane: &Plane, p: Xy) -> (String, String) {
    let (lat, lon) = plane.lat_lon(p);
    (format!("{lat:.6}"), format!("{lon:.6}"))
}

fn middle(points: &[Xy]) -> Xy {
    let n = points.len().max(1) as f32;
    let sum = points.iter().fold(Xy::default(), |s, p| Xy { x: s.x + p.x, y: s.y + p.y });
    Xy { x: sum.x / n, y: sum.y / n }
}
