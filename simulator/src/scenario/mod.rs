//! Scenarios: a city, a time, what goes wrong with its trackers and its movement, and what a system
//! that is fed all of it must make of it; as TOML files (`docs/simulator.md`, Scenarios). Those of the
//! project are part of the program.
//!
//! It says what happens and what to expect. Who runs a system on it and measures is not here.

mod expect;
mod keys;
mod open;
mod read;

use std::path::{Path, PathBuf};

use transit_model::time::{ServiceDate, ServiceTime};

pub use expect::{Bar, Expect, Figure, Figures, Measured, Unmet};
pub use keys::Problem;
pub use open::{OpenError, Opened};

use crate::drive::{Disturbance, Mishaps};
use crate::tracker::Split;
use crate::tracker::fault::Rule;

/// The project's scenarios, by name; each file holds the name as well.
const EMBEDDED: [(&str, &str); 11] = [
    ("everyday", include_str!("../../scenarios/everyday.toml")),
    ("dead-zone", include_str!("../../scenarios/dead-zone.toml")),
    ("jamming", include_str!("../../scenarios/jamming.toml")),
    ("spoofing", include_str!("../../scenarios/spoofing.toml")),
    ("clock-faults", include_str!("../../scenarios/clock-faults.toml")),
    ("mixed-old-trackers", include_str!("../../scenarios/mixed-old-trackers.toml")),
    ("terminal-drift", include_str!("../../scenarios/terminal-drift.toml")),
    ("breakdowns", include_str!("../../scenarios/breakdowns.toml")),
    ("detour", include_str!("../../scenarios/detour.toml")),
    ("bunching", include_str!("../../scenarios/bunching.toml")),
    ("war-day", include_str!("../../scenarios/war-day.toml")),
];

/// Which city it plays in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum City {
    /// The demo city.
    Demo,
    /// A feed of its own; a path that is not absolute counts from the scenario's folder.
    Feed(PathBuf),
}

/// A fault whose times are of the scenario's day.
#[derive(Clone, PartialEq, Debug)]
pub struct Timed {
    /// The fault; its window is set when the scenario is opened.
    pub rule: Rule,
    /// From when on; without it from the beginning.
    pub from: Option<ServiceTime>,
    /// Until when; without it to the end.
    pub to: Option<ServiceTime>,
}

/// A scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is for, in one line.
    pub about: String,
    /// Where.
    pub city: City,
    /// All chance comes from here.
    pub seed: u64,
    /// When it begins: the service day and the time of it, in the city's zone.
    pub start: (ServiceDate, ServiceTime),
    /// How long it lasts, seconds.
    pub seconds: i32,
    /// How many vehicles at most, the busiest at the start first; without it all.
    pub vehicles: Option<usize>,
    /// With the demo city's municipal machines.
    pub machines: bool,
    /// What the trackers speak.
    pub split: Split,
    /// What is wrong with the trackers, in the order in which it acts.
    pub faults: Vec<Timed>,
    /// What happens to the city's movement.
    pub disturbances: Vec<Disturbance>,
    /// How much happens to it by chance besides: nothing unless it is said.
    pub mishaps: Mishaps,
    /// What must hold.
    pub expect: Expect,
}

/// A scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is none of this name, and no file.
    #[error("there is no scenario `{0}`, and no file of that name; `--list` names all there are")]
    Unknown(String),
    /// The file cannot be read.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{file}, line {line}: {problem}")]
    At {
        /// Which file, or which scenario of the project.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What.
        problem: Problem,
    },
}

impl Scenario {
    /// Reads a scenario from its text; `file` is what it is called in errors.
    ///
    /// # Errors
    /// Names the line and what is wrong there.
    pub fn read(file: &str, text: &str) -> Result<Self, ScenarioError> {
        read::read(file, text)
    }

    /// A scenario of the project by its name, or one from a file.
    ///
    /// # Errors
    /// When there is neither, or something in it is wrong.
    pub fn find(name: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
            return Self::read(name, text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|e| e != "toml") {
            return Err(ScenarioError::Unknown(name.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|why| ScenarioError::File { path: path.to_owned(), why })?;
        let mut scenario = Self::read(name, &text)?;
        if let (City::Feed(feed), Some(folder)) = (&mut scenario.city, path.parent()) {
            *feed = folder.join(&*feed);
        }
        Ok(scenario)
    }

    /// Every scenario of the project.
    ///
    /// # Errors
    /// Never, if the tests passed.
    pub fn all() -> Result<Vec<Self>, ScenarioError> {
        EMBEDDED.iter().map(|(name, text)| Self::read(name, text)).collect()
    }

    /// The names of the project's scenarios.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }
}
