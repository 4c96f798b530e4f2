//! The demo city: a feed modelled on Sloviansk, made by our own code.
//!
//! [`feed`] gives it as GTFS text, which is read by the same loader as any city's: nothing further
//! on knows that this city is made up. It is the same on every call; only the years its calendar
//! covers depend on the day it is asked for. [`machines`] and [`waters`] are what GTFS has no word
//! for.

pub mod geojson;
mod lines;
mod machines;
mod map;
mod service;
mod streets;
mod write;

pub use machines::{Machine, MachineKind, machines};

use transit_model::gtfs::{self, GtfsFiles, LoadError, Loaded};
use transit_model::ids::FeedId;
use transit_model::plane::Polyline;
use transit_model::time::ServiceDate;

/// The feed's id.
pub const FEED_ID: &str = "sloviansk-demo";

/// The city as GTFS. Its calendar covers `today`, the whole year before and two whole years after.
#[must_use]
pub fn feed(today: ServiceDate) -> GtfsFiles {
    write::feed(today)
}

/// The city as every other part sees it, read by the loader that reads any feed, and what the loader
/// found wrong with it: nothing.
///
/// # Errors
/// When the loader cannot read the feed at all.
pub fn load(today: ServiceDate) -> Result<Loaded, LoadError> {
    gtfs::load_files(&feed(today), FeedId::from(FEED_ID))
}

/// A line for whoever draws the city: its name and its points, latitude and longitude in degrees.
#[derive(Clone, PartialEq, Debug)]
pub struct MapLine {
    /// What it is called.
    pub name: &'static str,
    /// The points, in order.
    pub points: Vec<(f64, f64)>,
}

/// The river (its middle line) and the salt lakes (closed shores).
#[must_use]
pub fn waters() -> Vec<MapLine> {
    let plane = streets::lay().plane;
    let degrees = |line: &Polyline| line.points().iter().map(|p| plane.lat_lon(*p)).collect();
    let drawn = |w: &map::Water| MapLine { name: w.name, points: degrees(&streets::drawn(w.line.iter().copied())) };
    map::WATERS.iter().map(drawn).collect()
}

/// Every street's middle line.
#[must_use]
pub fn streets() -> Vec<MapLine> {
    let laid = streets::lay();
    let degrees = |line: &Polyline| line.points().iter().map(|p| laid.plane.lat_lon(*p)).collect();
    laid.lines().map(|(name, line)| MapLine { name, points: degrees(line) }).collect()
}
