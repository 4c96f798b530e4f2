//! `zupynka bench`: how fast is it, here? (DESIGN §2). One bench = one file; each puts the real parts
//! together as a server does and measures them. What is measured, and what not: `docs/bench.md`.

mod decode;
mod engine;
mod gate;
mod ingest;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::ProgressBar;
use serde::Serialize;
use simulator::load::process;

use crate::cli::Failure;

/// What to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Reading messages: records a second on one core, for every protocol over a stream.
    Decode,
    /// Judging records: judgements a second on one core.
    Gate,
    /// Trackers over loopback, stored in SQLite before they are acknowledged; then a backlog beside live ones.
    Ingest,
    /// Matching, learning, predicting and publishing: fixes a second with cities that share nothing.
    Engine,
}

/// Arguments of `zupynka bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    #[arg(value_name = "BENCH")]
    what: What,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// How long each part is measured, seconds. [decode and gate: 2, ingest: 10; engine goes by its fixes]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// How many vehicles or trackers. [gate: 10,000, ingest: 4000, engine: 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    vehicles: Option<u32>,
    /// Of `ingest`: records a second that are offered. [100,000]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Of `ingest`: records of the backlog; 0 leaves it out. [1,000,000]
    #[arg(long, value_name = "N")]
    backlog: Option<u32>,
    /// Of `ingest`: where the journal is made and removed again. [a folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Of `engine`: the city that is copied, a GTFS zip or folder. [the demo city]
    #[arg(long, value_name = "FEED")]
    gtfs: Option<PathBuf>,
    /// Of `engine`: feeds, each a copy of the city with an even share of the vehicles. [as many as the vehicles need]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    feeds: Option<u32>,
    /// Of `engine`: threads; each has its own cities. [one to each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.01..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.01 to 3600".to_owned()) }
}

/// What a bench found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Which it was.
    pub bench: What,
    /// What was done so often a second: `records`, `judgements`, `fixes`.
    pub unit: &'static str,
    /// How often.
    pub per_second: f64,
    /// What a latency is of.
    pub latency_of: &'static str,
    /// Half of them took no longer, ms.
    pub p50_ms: f64,
    /// 99 of 100 took no longer, ms.
    pub p99_ms: f64,
    /// Memory of the process at the end, bytes.
    pub rss_bytes: Option<u64>,
    /// What was run, in words.
    pub run: String,
    /// On what.
    pub on: Machine,
    /// The parts it was made of, by name.
    pub parts: Vec<Part>,
}

/// One part of a bench.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Part {
    /// What.
    pub name: String,
    /// Its figures, by name.
    #[serde(serialize_with = "as_object")]
    pub figures: Vec<(&'static str, f64)>,
}

fn as_object<S: serde::Serializer>(figures: &[(&'static str, f64)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(figures.iter().copied())
}

/// What it was run on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: Option<String>,
    /// Cores this process may use.
    pub cores: usize,
    /// How it was built: a debug build says nothing of speed.
    pub build: &'static str,
    /// Which version.
    pub version: &'static str,
}

impl Machine {
    fn this() -> Self {
        Self {
            processor: process::processor(),
            cores: cores(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Cores this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

impl Report {
    /// The report of figures, with what this process and machine are.
    fn of(bench: What, unit: &'static str, per_second: f64, run: String) -> Self {
        Self {
            bench,
            unit,
            per_second,
            latency_of: "",
            p50_ms: 0.0,
            p99_ms: 0.0,
            rss_bytes: process::rss_bytes(),
            run,
            on: Machine::this(),
            parts: Vec::new(),
        }
    }

    fn latency(mut self, of: &'static str, p50_ms: f64, p99_ms: f64) -> Self {
        (self.latency_of, self.p50_ms, self.p99_ms) = (of, p50_ms, p99_ms);
        self
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:.0} {} a second", self.per_second, self.unit)?;
        writeln!(f, "{}: p50 {:.4} ms, p99 {:.4} ms", self.latency_of, self.p50_ms, self.p99_ms)?;
        for part in &self.parts {
            let figures: Vec<String> = part.figures.iter().map(|(name, v)| format!("{name} {}", figure(*v))).collect();
            writeln!(f, "  {}: {}", part.name, figures.join(", "))?;
        }
        writeln!(f, "{}", self.run)?;
        let on = &self.on;
        let processor = on.processor.as_deref().unwrap_or("a processor without a name");
        let memory = self.rss_bytes.map_or_else(String::new, |b| format!("; {} MB of memory", b / 1_000_000));
        write!(f, "zupynka {} ({} build) on {} cores of {processor}{memory}", on.version, on.build, on.cores)
    }
}

/// A figure as people read it: no decimals where it is large, three where it is small.
fn figure(v: f64) -> String {
    if v.abs() >= 100.0 || v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.3}") }
}

/// How often something is done in so much time.
fn a_second(times: u64, took: Duration) -> f64 {
    times as f64 / took.as_secs_f64().max(1e-9)
}

/// Measures. Must be called outside a runtime: each bench makes the one it needs.
///
/// # Errors
/// When an argument says nothing to this bench (2), or what is measured does not work (1).
pub fn run(args: &Args) -> Result<(), Failure> {
    let foreign = foreign(args);
    if !foreign.is_empty() {
        let (what, names) = (format!("{:?}", args.what).to_lowercase(), foreign.join(" and "));
        return Err(Failure::usage(anyhow::anyhow!("{names} says nothing to `bench {what}`")));
    }
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.enable_steady_tick(Duration::from_millis(120));
    let report = match args.what {
        What::Decode => decode::run(args, &bar),
        What::Gate => gate::run(args, &bar),
        What::Ingest => ingest::run(args, &bar),
        What::Engine => engine::run(args, &bar),
    };
    bar.finish_and_clear();
    let report = report?;
    let text =
        if args.json { serde_json::to_string(&report).context("a figure is no number")? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}").context("nobody reads")?;
    Ok(())
}

/// The options given that this bench has no use for.
fn foreign(args: &Args) -> Vec<&'static str> {
    let of = |benches: &[What], given: bool, name| (given && !benches.contains(&args.what)).then_some(name);
    [
        of(&[What::Decode, What::Gate, What::Ingest], args.seconds.is_some(), "--seconds"),
        of(&[What::Gate, What::Ingest, What::Engine], args.vehicles.is_some(), "--vehicles"),
        of(&[What::Ingest], args.rate.is_some(), "--rate"),
        of(&[What::Ingest], args.backlog.is_some(), "--backlog"),
        of(&[What::Ingest], args.dir.is_some(), "--dir"),
        of(&[What::Engine], args.gtfs.is_some(), "--gtfs"),
        of(&[What::Engine], args.feeds.is_some(), "--feeds"),
        of(&[What::Engine], args.threads.is_some(), "--threads"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// A command line of this bench.
    pub(super) fn args(words: &[&str]) -> Args {
        Line::try_parse_from(std::iter::once(&"bench").chain(words)).unwrap().args
    }

    #[test]
    fn a_bench_that_is_not_there_brings_the_list_of_those_that_are() {
        let error = Line::try_parse_from(["bench", "boards"]).unwrap_err().to_string();
        for name in ["decode", "gate", "ingest", "engine"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn an_option_of_another_bench_is_wrong_usage() {
        let failure = run(&args(&["decode", "--rate", "5", "--gtfs", "x.zip"])).unwrap_err();
        assert_eq!(failure.code, crate::cli::USAGE);
        assert_eq!(failure.error.to_string(), "--rate and --gtfs says nothing to `bench decode`");
        assert!(foreign(&args(&["ingest", "--rate", "5", "--dir", "d", "--seconds", "1"])).is_empty());
        assert!(Line::try_parse_from(["bench", "gate", "--seconds", "0"]).is_err());
    }

    #[test]
    fn a_report_is_an_object_with_the_names_that_programs_look_for() {
        let mut report = Report::of(What::Gate, "judgements", 2e6, "a run".to_owned()).latency("one", 0.1, 0.2);
        report.parts.push(Part { name: "all".to_owned(), figures: vec![("seconds", 1.0)] });
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["bench"], &json["per_second"]), (&"gate".into(), &2e6.into()));
        assert_eq!((&json["p50_ms"], &json["p99_ms"]), (&0.1.into(), &0.2.into()));
        assert!(json["rss_bytes"].as_u64().is_some_and(|b| b > 0) || cfg!(not(target_os = "linux")));
        assert_eq!(json["parts"][0]["figures"]["seconds"], 1.0);
        assert!(json["run"].is_string() && json["on"]["cores"].as_u64() > Some(0));
        assert!(report.to_string().starts_with("2000000 judgements a second\n"));
    }
}
