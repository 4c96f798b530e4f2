//! Reading a GTFS feed, reporting what is wrong in it, writing one.
//!
//! A feed goes through once: `source` finds its files, `read_*` turn each into rows with typed
//! fields, `calls` puts the calls of a trip in order, `patterns` gathers trips, `lines` and
//! `project` bring stops onto shapes, `build` makes the arrays of a [`Timetable`], `doubts` looks over them. Whatever is wrong
//! becomes a [`Finding`] on the way and is put right or left out; after loading nothing is checked
//! again. It does not judge whether a timetable is a good one, and knows no date of today.
//!
//! Reference: <https://gtfs.org/documentation/schedule/reference/>.

use std::path::Path;

mod build;
mod calls;
mod doubts;
mod lines;
mod links;
mod patterns;
mod project;
mod read_agency;
mod read_calendar;
mod read_frequencies;
mod read_routes;
mod read_shapes;
mod read_stop_times;
mod read_stops;
mod read_trips;
pub mod report;
mod source;
mod table;
pub mod write;

use rustc_hash::FxHashMap;

use crate::ids::FeedId;
use crate::timetable::{FeedInfo, Timetable};
pub use report::{Action, Counts, Fault, Finding, Report, Severity};
use source::Source;
pub use write::GtfsFiles;

/// A feed that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What runs.
    pub timetable: Timetable,
    /// What was wrong with it.
    pub report: Report,
}

/// A feed cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file or folder cannot be opened.
    #[error("{path}: cannot be opened: {why}")]
    Open {
        /// The feed.
        path: String,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The file is no zip, or a damaged one.
    #[error("{path}: not a zip file: {why}")]
    NotAZip {
        /// The feed.
        path: String,
        /// The reader's reason.
        why: String,
    },
    /// Not one GTFS file is in it.
    #[error("{path}: no GTFS file in it (stops.txt, trips.txt, stop_times.txt, …)")]
    NoFeed {
        /// The feed.
        path: String,
    },
    /// A file nothing works without is not there.
    #[error("{path}: {file} is missing")]
    MissingFile {
        /// The feed.
        path: String,
        /// The file.
        file: String,
    },
    /// A column a file means nothing without is not there.
    #[error("{path}: {file} has no column {column} (its header is: {header})")]
    MissingColumn {
        /// The feed.
        path: String,
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// What the header holds.
        header: String,
    },
    /// A quote opens and does not close.
    #[error("{path}: {file}:{line}: a quote opens in this row and does not close within 50 lines")]
    OpenQuote {
        /// The feed.
        path: String,
        /// The file.
        file: String,
        /// The line the row starts in.
        line: u32,
    },
    /// A file cannot be read to its end.
    #[error("{path}: {file} cannot be read: {why}")]
    Read {
        /// The feed.
        path: String,
        /// The file.
        file: String,
        /// The reason.
        why: std::io::Error,
    },
    /// No trip is left after all that is wrong was left out.
    #[error("{path}: no usable trip in it: {}", first_reason(report))]
    NoTrips {
        /// The feed.
        path: String,
        /// Why each was left out.
        report: Box<Report>,
    },
}

fn first_reason(report: &Report) -> String {
    if report.counts.trip_rows == 0 {
        return "trips.txt has no usable row".to_owned();
    }
    let errors = report.findings.iter().filter(|f| f.severity == Severity::Error);
    let worst = errors.max_by_key(|f| (f.action == Action::TripDropped, report.total(f.what)));
    worst.map_or_else(|| "it has no calls".to_owned(), ToString::to_string)
}

/// Loads a feed from a zip file or a folder.
///
/// # Errors
/// When the feed cannot be used at all; what is wrong with a part of it is in the report.
pub fn load(path: &Path, feed: FeedId) -> Result<Loaded, LoadError> {
    read(&Source::open(path)?, feed)
}

/// Loads a feed from a zip in memory; `name` stands for its path in errors.
///
/// # Errors
/// As [`load`].
pub fn load_zip(name: &str, bytes: &[u8], feed: FeedId) -> Result<Loaded, LoadError> {
    read(&Source::zip(name, bytes)?, feed)
}

/// Loads a feed from files in memory.
///
/// # Errors
/// As [`load`].
pub fn load_files(files: &GtfsFiles, feed: FeedId) -> Result<Loaded, LoadError> {
    read(&Source::memory(feed.as_str(), files)?, feed.clone())
}

/// A feed's name from its file's: `Kyiv_2026.zip` becomes `kyiv-2026`; `feed` where nothing is left.
#[must_use]
pub fn feed_id_of(path: &Path) -> FeedId {
    let stem = path.file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    let parts: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
    FeedId::from(if parts.is_empty() { "feed".to_owned() } else { parts.join("-") })
}

fn read(source: &Source<'_>, feed: FeedId) -> Result<Loaded, LoadError> {
    // The two big files are read side by side.
    let (shapes, rest) = std::thread::scope(|scope| {
        let shapes = scope.spawn(|| {
            let mut report = Report::default();
            (read_shapes::read_shapes(source, &mut report), report)
        });
        let rest = Rest::read(source);
        (shapes.join(), rest)
    });
    let Rest { agencies, info, stops, routes, services, trips, runs, calls, mut report } = rest?;
    let Ok((shapes, found)) = shapes else { return Err(source.missing(read_shapes::FILE)) };
    report.merge(found);
    report.counts.trip_rows = trips.read;
    report.counts.stop_time_rows = calls.read;
    report.counts.shape_points = shapes.points();

    let drafts = patterns::gather(&trips, &calls.rows, &mut report);
    drop(calls);
    let lines = lines::Surveyor::new(&trips, &stops, &shapes, &drafts).survey(&mut report);
    drop(shapes);
    let parts = build::Parts { feed, info, agencies, stops, routes, services, trips, runs, drafts, lines };
    let timetable = build::build(parts, &mut report);
    report.counts.take(&timetable);
    report.sort();
    if timetable.trips.is_empty() {
        return Err(LoadError::NoTrips { path: source.name.clone(), report: Box::new(report) });
    }
    Ok(Loaded { timetable, report })
}

/// Every file but `shapes.txt`.
struct Rest {
    agencies: read_agency::Agencies,
    info: FeedInfo,
    stops: read_stops::Stops,
    routes: read_routes::Routes,
    services: read_calendar::Services,
    trips: read_trips::Trips,
    runs: FxHashMap<u32, read_frequencies::Runs>,
    calls: read_stop_times::Calls,
    report: Report,
}

impl Rest {
    fn read(source: &Source<'_>) -> Result<Self, LoadError> {
        let mut report = Report::default();
        let agencies = read_agency::read_agencies(source, &mut report)?;
        let info = read_agency::read_feed_info(source, &mut report);
        let stops = read_stops::read_stops(source, &mut report)?;
        let routes = read_routes::read_routes(source, &agencies, &mut report)?;
        let services = read_calendar::read_services(source, &mut report)?;
        let trips = read_trips::read_trips(source, &routes, &services, &mut report)?;
        let runs = read_frequencies::read_frequencies(source, &trips, &mut report);
        let calls = read_stop_times::read_stop_times(source, &trips, &stops, &mut report)?;
        Ok(Self { agencies, info, stops, routes, services, trips, runs, calls, report })
    }
}
