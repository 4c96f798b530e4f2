//! A city that never was: `zupynka simulate new-city` makes one of any size, as a GTFS feed.
//!
//! Land and river first, streets on it, people and work along them, lines for those people, depots
//! for the lines, stops and their names, timetables and vehicles. Each step is a file and a plain
//! function of the steps before and of the seed, so the same order gives the same bytes. It judges
//! no timetable and copies no real city; sizes and speeds are those of Ukrainian cities (`fleet`).

mod calendar;
pub mod command;
mod demand;
mod depots;
mod fleet;
mod grid;
mod lines;
mod names;
mod network;
pub mod order;
mod places;
mod ride;
mod romanise;
mod terrain;
mod timetable;
mod words;
mod write;

use std::fmt;

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use transit_model::gtfs::GtfsFiles;
use transit_model::plane::Plane;

use crate::chance::{Topic, between, chance};
use calendar::Days;
use network::LaidLine;
use order::{Kind, Order};
use ride::{HOUR, MINUTE, Pace, rest};
use timetable::Plan;
use write::Services;

/// What is being made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Land, streets, people.
    Streets,
    /// Lines, depots, stops.
    Lines,
    /// Timetables.
    Timetables,
    /// The tables of the feed.
    Tables,
}

impl Step {
    /// How many there are.
    pub const COUNT: u64 = 4;

    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Streets => "streets",
            Self::Lines => "lines",
            Self::Timetables => "timetables",
            Self::Tables => "tables",
        }
    }
}

/// A city.
#[derive(Clone, Debug)]
pub struct City {
    /// As GTFS.
    pub files: GtfsFiles,
    /// In figures.
    pub summary: Summary,
    /// Where its depots lie: name, latitude and longitude in degrees.
    pub depots: Vec<(String, f64, f64)>,
}

/// A city in figures.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// What it is called.
    pub name: String,
    /// The feed's id.
    pub feed: String,
    /// People.
    pub population: u32,
    /// How many lines there are of each kind that runs.
    pub lines: Vec<(&'static str, usize)>,
    /// Kilometres of line, there and back.
    pub line_km: u32,
    /// Bridges that can be driven over.
    pub bridges: usize,
    /// Depots.
    pub depots: usize,
    /// Platforms where somebody calls.
    pub stops: usize,
    /// Vehicles, as many as the kind of day with the most needs.
    pub vehicles: usize,
    /// Trips by kind of day.
    pub trips: Vec<(&'static str, usize)>,
    /// The first day of the calendar and the last.
    pub days: (String, String),
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.lines.iter().map(|(_, n)| n).sum();
        let listed = |items: &[(&str, usize)]| {
            items.iter().map(|(word, n)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "{} ({}), {} people", self.name, self.feed, self.population)?;
        writeln!(f, "{all} lines ({}), {} km there and back", listed(&self.lines), self.line_km)?;
        writeln!(f, "stops {}, bridges {}, depots {}", self.stops, self.bridges, self.depots)?;
        writeln!(f, "{} vehicles, trips: {}", self.vehicles, listed(&self.trips))?;
        write!(f, "calendar {} to {}", self.days.0, self.days.1)
    }
}

/// Makes a city; `step` hears what is done next.
#[must_use]
pub fn found(order: &Order, mut step: impl FnMut(Step)) -> City {
    let (population, seed) = (order.population, order.seed);
    step(Step::Streets);
    let terrain = terrain::Terrain::new(population, seed);
    let grid = grid::Grid::grow(&terrain, seed);
    let demand = demand::Demand::settle(&terrain, &grid, population, seed);
    let sizes = fleet::Sizes::of(population, &order.kinds());

    step(Step::Lines);
    let planned = lines::plan(&terrain, &grid, &demand, &sizes, seed);
    let depots = depots::place(&grid, &demand, &sizes, &planned);
    let names = names::streets(&grid.streets, seed);
    let places = places::plan(&grid, &demand, &planned, &depots, &names, seed);
    let plane = somewhere(seed);
    let streets = network::lay(plane, &grid, &names, &places);
    let lines = network::lines(&streets, terrain.radius, &depots, &planned);

    step(Step::Timetables);
    let services = timetables(order, &sizes, &lines);

    step(Step::Tables);
    let files = write::feed(order, &streets, &lines, &services);
    let place = |d: &depots::Depot| {
        let (lat, lon) = plane.lat_lon(d.at);
        (d.name(), lat, lon)
    };
    let summary = Summary {
        bridges: grid.edges.iter().filter(|e| e.bridge).count(),
        depots: depots.len(),
        stops: lines
            .iter()
            .flat_map(|l| l.ways.iter().flat_map(|w| w.way.calls.iter().map(|c| c.platform)))
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        ..summary(order, &lines, &services)
    };
    City { files, summary, depots: depots.iter().map(place).collect() }
}

/// The timetable of every kind of day in the calendar.
fn timetables<'a>(order: &Order, sizes: &fleet::Sizes, lines: &'a [LaidLine<'a>]) -> Services<'a> {
    let pace = |line: &LaidLine<'_>| Pace::of(line.line.kind, order.population);
    let round = |line: &LaidLine<'_>| {
        let whole = line.ways.iter().filter(|w| w.piece == network::Piece::Whole);
        let rides = whole.map(|w| pace(line).whole(w, Days::Weekday, 8 * HOUR));
        rides.map(|ride| ride + rest(ride)).sum::<i32>()
    };
    let rounds: Vec<i32> = lines.iter().map(round).collect();
    let own: Vec<lines::Line> = lines.iter().map(|l| l.line.clone()).collect();
    let headways = sizes.headways(&own, &rounds);
    // Nobody waits at every stop at once: lines begin within half an hour of each other.
    let rng = &mut part(order.seed, Part::Hours, 0);
    let late = order.population.thousands().min(1000.0) as i32 * 2;
    let plans: Vec<Plan> = headways
        .iter()
        .map(|peak| {
            let first = 5 * HOUR + 30 * MINUTE + draw(rng, 0.0, 30.0) as i32 * MINUTE;
            let last = 22 * HOUR + late / MINUTE * MINUTE + draw(rng, 0.0, 15.0) as i32 * MINUTE;
            Plan { first, last, peak: *peak }
        })
        .collect();
    let kinds = calendar::kinds(order.from, order.until());
    let runs = |days: Days| {
        let each = lines.iter().zip(&plans);
        (days, each.map(|(line, plan)| (line, timetable::runs(line, pace(line), *plan, days))).collect())
    };
    kinds.into_iter().map(runs).collect()
}

fn summary(order: &Order, lines: &[LaidLine<'_>], services: &Services<'_>) -> Summary {
    let whole = lines.iter().flat_map(|l| l.ways.iter().filter(|w| w.piece == network::Piece::Whole));
    let metres: f32 = whole.map(|w| w.way.line.length()).sum();
    let of = |k: &Kind| lines.iter().filter(|l| l.line.kind == *k).count();
    let vehicles = |runs: &[(&LaidLine<'_>, Vec<timetable::Run>)]| -> usize {
        runs.iter().map(|(_, runs)| runs.iter().map(|r| r.vehicle + 1).max().unwrap_or(0)).sum()
    };
    Summary {
        name: order.name.to_string(),
        feed: order.name.feed_id().to_string(),
        population: order.population.people(),
        lines: Kind::ALL.iter().map(|k| (k.word(), of(k))).filter(|(_, n)| *n > 0).collect(),
        line_km: (metres / 1000.0).round() as u32,
        bridges: 0,
        depots: 0,
        stops: 0,
        vehicles: services.iter().map(|(_, runs)| vehicles(runs)).max().unwrap_or(0),
        trips: services.iter().map(|(d, runs)| (d.id(), runs.iter().map(|(_, r)| r.len()).sum())).collect(),
        days: (order.from.to_string(), order.until().to_string()),
    }
}

/// A place in Ukraine away from the sea and the borders.
fn somewhere(seed: u64) -> Plane {
    let rng = &mut part(seed, Part::Place, 0);
    Plane::around(between(rng, 48.4, 50.6), between(rng, 27.5, 34.5))
}

/// The parts of a city that have chances of their own, so that a change of one leaves the others.
/// The numbers are part of what a seed means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
enum Part {
    Place = 1,
    Terrain = 2,
    Streets = 3,
    Demand = 4,
    Lines = 5,
    Names = 6,
    Places = 7,
    Hours = 8,
}

/// The chances of a part, and of its `n`th piece.
fn part(seed: u64, part: Part, n: u64) -> ChaCha8Rng {
    chance(seed, Topic::NewCity, part as u64, n)
}

/// A number between two others.
fn draw(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    between(rng, f64::from(low), f64::from(high)) as f32
}
