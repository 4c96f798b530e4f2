//! `zupynka evaluate`: how good predictions were, against what happened (`docs/accuracy.md`). The
//! measures are `eta_engine::accuracy`'s; here is where files, servers and people come in.

pub mod live;
mod recorded;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use eta_engine::accuracy::figures::{self, By};
use eta_engine::accuracy::report::{self, JudgedBy, View};
use eta_engine::accuracy::tally::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use simulator::drive::Cap;
use simulator::fleet::FleetOptions;
use transit_model::time::ServiceTime;
use transit_model::timetable::Timetable;

use crate::cli::Failure;

/// Score arrival predictions against what happened, beside baselines on the very same moments.
///
/// One sample a minute of each call is judged. Errors are actual - predicted, seconds: negative means the
/// vehicle came before it was told to. The baseline `sched` is the timetable shifted by the delay at the last
/// stop passed; with --history, `link` (median link times) and `kalman` (TheTransitClock's formula) stand
/// beside it. The baselines are told every true arrival so far.
///
/// With --live a running server is judged over its public API, against the truth of the simulator that drives
/// its fleet (the same --seed, --vehicles and --busiest-at as `zupynka simulate`), or of --truth.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Predictions as `zupynka replay --predictions` writes them (.csv, .csv.gz, .csv.zst), by made_at.
    #[arg(long, required_unless_present = "live", value_name = "FILE")]
    predictions: Vec<PathBuf>,
    /// What happened: service_date,trip_id,vehicle_id,stop_sequence,stop_id,arrival,departure.
    #[arg(long, required_unless_present = "live", value_name = "FILE")]
    truth: Vec<PathBuf>,
    /// GTFS feed: a zip or a folder. With --live the server's own unless another is given.
    #[arg(long, required_unless_present = "live", value_name = "FEED")]
    gtfs: Option<PathBuf>,
    /// What happened on days before, for the baselines that learn.
    #[arg(long, value_name = "FILE")]
    history: Vec<PathBuf>,
    /// Of the history, only what came before this time of its first day.
    #[arg(long, value_name = "HH:MM", requires = "history", value_parser = time_of_day)]
    history_until: Option<ServiceTime>,
    /// Judge only predictions made from this time of the truth's first day on.
    #[arg(long, value_name = "HH:MM", requires = "to", value_parser = time_of_day)]
    from: Option<ServiceTime>,
    /// ... and before this one.
    #[arg(long, value_name = "HH:MM", requires = "from", value_parser = time_of_day)]
    to: Option<ServiceTime>,
    /// Judge a running server.
    #[arg(long, requires = "server", conflicts_with_all = ["predictions", "history", "from", "to"])]
    live: bool,
    /// The server to judge.
    #[arg(long, value_name = "URL", requires = "live")]
    server: Option<reqwest::Url>,
    /// The simulator's seed; that of `zupynka demo` is 6100.
    #[arg(long, value_name = "N", requires = "live", default_value_t = 1)]
    seed: u64,
    /// The simulator's vehicles, where it was told how many.
    #[arg(long, value_name = "N", requires = "live")]
    vehicles: Option<usize>,
    /// The time of day at which the simulator looked who is busiest.
    #[arg(long, value_name = "HH:MM:SS", requires = "live", default_value = "08:00:00")]
    busiest_at: ServiceTime,
    /// Judge for so many seconds of the city; without it, until Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS", requires = "live", value_parser = clap::value_parser!(i64).range(60..))]
    seconds: Option<i64>,
    /// Write a report with plots: one file, nothing else needed.
    #[arg(long, value_name = "OUT.html")]
    html: Option<PathBuf>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Show parts too: by route and by stop with the largest error first, by hour in order.
    #[arg(long, value_enum, value_name = "PART")]
    by: Vec<Part>,
    /// How many routes and stops to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// No progress on the terminal.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Part {
    Route,
    Hour,
    Stop,
}

fn time_of_day(text: &str) -> Result<ServiceTime, String> {
    format!("{text}:00").parse().map_err(|_| "a time of the form HH:MM is expected".to_owned())
}

/// Evaluates.
///
/// # Errors
/// When an argument makes no sense (2), or a file cannot be read or holds what it should not (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    match &args.server {
        Some(server) if args.live => run_live(args, server).await,
        _ => run_recorded(args),
    }
}

fn run_recorded(args: &Args) -> Result<(), Failure> {
    let judged = recorded::judge(args)?;
    if let Some(path) = &args.html {
        write_report(path, &judged.tally, &judged.timetable, &judged.days)?;
    }
    show(args, &judged.tally, None)
}

async fn run_live(args: &Args, server: &reqwest::Url) -> Result<(), Failure> {
    let asked = live::Live {
        server: server.clone(),
        gtfs: args.gtfs.clone(),
        truth: args.truth.clone(),
        fleet: FleetOptions {
            seed: args.seed,
            cap: args.vehicles.map(|vehicles| Cap { vehicles, at: args.busiest_at }),
            ..FleetOptions::default()
        },
        seconds: args.seconds,
    };
    let bar = if args.quiet || args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let stop = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C is not heard");
            std::future::pending::<()>().await;
        }
    };
    let found = live::judge(&asked, &bar, stop).await?;
    bar.finish_and_clear();
    if let Some(path) = &args.html {
        let (from, to) = found.span;
        let zone = &found.timetable.zone;
        let days = format!("{} {}–{}", zone.zoned(from).strftime("%d.%m.%Y"), zone.hhmm(from), zone.hhmm(to));
        write_report(path, &found.tally, &found.timetable, &days)?;
    }
    show(args, &found.tally, Some(&found))
}

/// How many routes and stops a report lists.
const LISTED: usize = 30;

fn write_report(path: &Path, tally: &Tally, timetable: &Timetable, days: &str) -> anyhow::Result<()> {
    let agencies: Vec<_> = timetable.agencies.iter().map(|(_, a)| &*a.name).collect();
    let publisher = &timetable.info.publisher;
    let city = if publisher.is_empty() { agencies.join(", ") } else { publisher.to_string() };
    let view = View { tally, timetable, city: &city, days, by: JudgedBy::Truth, listed: LISTED };
    std::fs::write(path, report::document(&view)).with_context(|| format!("cannot write {}", path.display()))
}

/// A part that so few pairs speak of is not listed.
const LEAST: u64 = 100;

fn show(args: &Args, tally: &Tally, live: Option<&live::Found>) -> Result<(), Failure> {
    let by = |part: Part| match part {
        Part::Route => ("route", "routes", By::Route),
        Part::Hour => ("hour", "hours", By::Hour),
        Part::Stop => ("stop", "stops", By::Stop),
    };
    let text = if args.json {
        let mut object = figures::json(tally.all());
        for (_, plural, by) in args.by.iter().map(|p| by(*p)) {
            let lines = lines(args, tally, by);
            object.insert(plural.to_owned(), lines.iter().map(figures::Line::json).collect());
        }
        if let Some(found) = live {
            object.insert("vehicles_looked_at".to_owned(), json!(found.on_true_trip.of));
            object.insert("on_true_trip".to_owned(), json!(found.on_true_trip.share()));
            object.insert("on_no_trip".to_owned(), json!(found.on_no_trip.share()));
        }
        serde_json::Value::from(object).to_string() + "\n"
    } else {
        let mut text = figures::table(tally.all());
        if let Some(found) = live {
            let share = |s: Option<f64>| s.map_or_else(|| "-".to_owned(), |s| format!("{s:.4}"));
            let (right, none) = (share(found.on_true_trip.share()), share(found.on_no_trip.share()));
            text.push_str(&format!("{:18}{right} of {} looks\n", "on_true_trip", found.on_true_trip.of));
            text.push_str(&format!("{:18}{none}\n", "on_no_trip"));
        }
        for (head, _, by) in args.by.iter().map(|p| by(*p)) {
            text.push('\n');
            text.push_str(&figures::parts_table(&lines(args, tally, by), head));
        }
        text
    };
    say(&text).map_err(Failure::from)
}

fn lines(args: &Args, tally: &Tally, by: By) -> Vec<figures::Line> {
    figures::lines(tally, by, LEAST, if by == By::Hour { 24 } else { args.top })
}

fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write the figures")
}
