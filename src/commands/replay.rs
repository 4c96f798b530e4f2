//! `zupynka replay`: recorded fixes through the live engine (DESIGN §2).

use std::path::PathBuf;
use std::sync::Arc;

use eta_engine::replay::{self, Plan};
use indicatif::{ProgressBar, ProgressStyle};
use transit_model::clock::Stopwatch;
use transit_model::time::{ServiceDate, UnixMs, Zone};

use crate::cli::Failure;

/// Arguments of `zupynka replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GTFS feed: a zip or a folder.
    #[arg(long, value_name = "FEED")]
    gtfs: PathBuf,
    /// Recorded fixes (.csv, .csv.gz, .csv.zst); several files run in the order given, so that earlier days are learned from.
    #[arg(long, required = true, value_name = "FILE")]
    fixes: Vec<PathBuf>,
    /// Write predictions only from here on: unix seconds, or a service day (YYYY-MM-DD or YYYYMMDD).
    #[arg(long, value_name = "UNIX|DATE")]
    predict_from: Option<String>,
    /// Seconds of clock between predictions.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=3600))]
    every: i64,
    /// How far ahead to predict, seconds.
    #[arg(long, default_value_t = 2400, value_parser = clap::value_parser!(i64).range(60..=14400))]
    horizon: i64,
    /// Write predictions to this CSV (.gz is compressed).
    #[arg(long, value_name = "OUT.csv")]
    predictions: Option<PathBuf>,
    /// Write stop events to this CSV.
    #[arg(long, value_name = "OUT.csv")]
    stop_events: Option<PathBuf>,
    /// Write the match of each fix to this CSV.
    #[arg(long, value_name = "OUT.csv")]
    matches: Option<PathBuf>,
    /// Take the learned model from this folder, and keep it there.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// No progress bar, no summary.
    #[arg(long, short)]
    quiet: bool,
}

/// Replays.
///
/// # Errors
/// When an argument makes no sense (2), or a file cannot be read or written (1).
pub fn run(args: &Args) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let loaded = transit_model::gtfs::load(&args.gtfs, transit_model::gtfs::feed_id_of(&args.gtfs))
        .map_err(anyhow::Error::from)?;
    let timetable = Arc::new(loaded.timetable);
    let loading = watch.elapsed();
    let predict_from = args.predict_from.as_deref().map(|text| moment(text, &timetable.zone)).transpose()?;
    let plan = Plan {
        fixes: args.fixes.clone(),
        predict_from,
        every: args.every,
        horizon: args.horizon,
        predictions: args.predictions.clone(),
        stop_events: args.stop_events.clone(),
        matches: args.matches.clone(),
        model: args.model.clone(),
    };
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(1) };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} fixes  {per_sec}  {eta}") {
        bar.set_style(style);
    }
    let summary = replay::run(timetable, &plan, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .map_err(anyhow::Error::from)?;
    bar.finish_and_clear();
    if !args.quiet {
        report(&summary, loading.as_secs_f64(), (watch.elapsed() - loading).as_secs_f64());
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the summary a person asked for; outputs go to files")]
fn report(s: &replay::Summary, loading: f64, took: f64) {
    let times = s.clock_seconds as f64 / took.max(1e-3);
    eprintln!(
        "{} fixes in {took:.1} s ({:.0}/s, {times:.0} times real time; feed {loading:.2} s)",
        s.fixes,
        s.fixes as f64 / took.max(1e-3)
    );
    let c = s.counts;
    eprintln!(
        "taken {}, late {}, leaps {}; {} stop events, {} links learned, {} trip changes; {} predictions",
        c.fixes, c.late, c.leaps, c.stop_events, c.links_learned, c.trip_changes, s.predictions
    );
}

fn moment(text: &str, zone: &Zone) -> Result<UnixMs, Failure> {
    if let Ok(day) = text.parse::<ServiceDate>() {
        return Ok(zone.day_start(day));
    }
    text.parse::<i64>().map(UnixMs::from_secs).map_err(|_| {
        Failure::usage(anyhow::anyhow!("--predict-from `{text}` is neither unix seconds nor a date YYYY-MM-DD"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_unix_seconds_or_a_service_day() {
        let zone = Zone::named("Europe/Vilnius").unwrap();
        assert_eq!(moment("1787000000", &zone).unwrap(), UnixMs::from_secs(1_787_000_000));
        assert_eq!(moment("2026-08-19", &zone).unwrap(), moment("20260819", &zone).unwrap());
        assert_eq!(zone.hhmm(moment("2026-08-19", &zone).unwrap()), "00:00");
        assert_eq!(moment("soon", &zone).unwrap_err().code, crate::cli::USAGE);
    }
}
