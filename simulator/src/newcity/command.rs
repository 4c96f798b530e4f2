//! `zupynka simulate new-city`.

use std::fs;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use transit_model::time::ServiceDate;

use super::found;
use super::order::{CityName, Kind, Order, Population};
use super::{Step, Summary};
use crate::args::Failure;
use crate::paper::new_year;

/// Make a city that never was, as a GTFS feed: streets, a river, lines, stops, depots, timetables.
///
/// Its size decides how many lines and vehicles it has. The same order gives the same bytes. Look
/// at it with `zupynka check --gtfs`, and see it run with `zupynka demo --gtfs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What the city is called; its feed is named after it in Latin letters.
    #[arg(long, value_name = "NAME")]
    pub name: CityName,
    /// How many people live in it, from 50000 to 3000000.
    #[arg(long, value_name = "PEOPLE")]
    pub population: Population,
    /// All chance comes from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where to write the feed; without it, the feed's name here: `nove-misto.zip`.
    #[arg(long, value_name = "FEED.zip")]
    pub out: Option<PathBuf>,
    /// The first day of the calendar; without it, the first of January.
    #[arg(long, value_name = "YYYYMMDD")]
    pub from: Option<ServiceDate>,
    /// How many days the calendar covers; without it, to the end of the year after the first day's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub days: Option<u16>,
    /// What runs; without it, buses, from 80000 people on trolleybuses, from 350000 on trams.
    #[arg(long, value_name = "KIND,…", value_enum, value_delimiter = ',')]
    pub modes: Vec<Kind>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// What is asked for, on this day.
    #[must_use]
    pub fn order(&self, today: ServiceDate) -> Order {
        let from = self.from.unwrap_or_else(|| new_year(i32::from(today.date().year())));
        let end = new_year(i32::from(from.date().year()) + 2);
        let days = self.days.unwrap_or_else(|| u16::try_from(end.days() - from.days()).unwrap_or(1));
        let (name, kinds) = (self.name.clone(), self.modes.clone());
        Order { name, population: self.population, seed: self.seed, kinds, from, days }
    }
}

/// Makes the city and writes its feed; what to say of it.
///
/// # Errors
/// When the feed cannot be written.
pub fn run(args: &Args, today: ServiceDate) -> Result<String, Failure> {
    let order = args.order(today);
    let bar = ProgressBar::new(Step::COUNT + 1);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
        bar.set_style(style);
    }
    let next = |word: &'static str| {
        bar.set_message(word);
        bar.inc(1);
    };
    let city = found(&order, |step| next(step.word()));
    next("zip");
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.zip", order.name.feed_id())));
    let written = city.files.to_zip_bytes().and_then(|zip| fs::write(&path, zip));
    bar.finish_and_clear();
    written.map_err(|why| Failure::File { path: path.clone(), why })?;
    Ok(said(args, &path.display().to_string(), &city.summary))
}

fn said(args: &Args, path: &str, summary: &Summary) -> String {
    if args.json {
        serde_json::json!({ "path": path, "city": summary }).to_string()
    } else {
        format!("{summary}\nwritten to {path}")
    }
}
