//! The command line: what may be typed, and which command it means.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use transit_model::clock::{Clock as _, SystemClock};

use crate::commands::{bench, check, config, decode, demo, devices, evaluate, explain, measures, replay, serve, token};
use crate::logs;

/// Exit code: the thing asked for failed.
pub const FAILED: u8 = 1;
/// Exit code: wrong usage or configuration.
pub const USAGE: u8 = 2;

/// Real-time public transport tracking that any city can run.
///
/// Begin with `zupynka demo`: a whole city in one process, nothing to install.
#[derive(Debug, Parser)]
#[command(name = "zupynka", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles and tools of Zupynka.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a whole city on embedded defaults: simulated vehicles, real protocols, boards, dispatcher.
    Demo(demo::Args),
    /// Serve a city: trackers in, boards, pages, queries and the dispatcher's stream out.
    Serve(serve::Args),
    /// Show the board of a stop in a terminal.
    Board(stop_display::Args),
    /// Work as a dispatcher in a terminal.
    Dispatch(dispatch_tui::Args),
    /// Drive a city's vehicles: send what their trackers see, or write it down with the truth.
    Simulate(Box<simulator::Args>),
    /// Replay recorded fixes through the live matcher, predictor and learner.
    Replay(replay::Args),
    /// Score predictions against what happened, beside baselines.
    Evaluate(evaluate::Args),
    /// Say why a vehicle is on the trip it is on: every trip considered, what each part of the evidence costs, why not the next.
    Explain(explain::Args),
    /// Decode recorded messages of a tracker protocol: JSON lines in, JSON lines out.
    Decode(decode::Args),
    /// Measure how fast Zupynka is on this machine.
    Bench(bench::Args),
    /// Name every problem of a configuration or a feed, with line, key or column, and value.
    Check(CheckArgs),
    /// Print a configuration to begin with.
    Config(config::Args),
    /// Say which trackers may send, and for which vehicle.
    Devices(devices::Args),
    /// Delay or stop what the public sees of vehicles: for the feed, a route or a zone.
    Measures(measures::Args),
    /// Issue a bearer token for a dispatcher, a display, a validator or an administrator.
    Token(token::Args),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Arguments of `zupynka check`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct CheckArgs {
    /// A configuration.
    #[arg(long, value_name = "FILE", group = "what")]
    config: Option<PathBuf>,
    /// A GTFS feed, zip or folder.
    #[arg(long, value_name = "FEED", group = "what")]
    gtfs: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What a command ends with when it fails.
#[derive(Debug)]
pub struct Failure {
    /// [`FAILED`] or [`USAGE`].
    pub code: u8,
    /// What went wrong, for a person.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure of usage or configuration.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: FAILED, error }
    }
}

/// Runs a command.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    if !matches!(cli.command, Command::Serve(_)) {
        logs::start("warn", logs::Format::Text);
    }
    match cli.command {
        Command::Demo(args) => ended(in_runtime(demo::run(&args))),
        Command::Serve(args) => ended(in_runtime(serve::run(&args))),
        Command::Devices(args) => ended(in_runtime(devices::run(&args))),
        Command::Measures(args) => ended(in_runtime(measures::run(&args))),
        Command::Token(args) => ended(in_runtime(token::run(&args))),
        Command::Board(args) => client(stop_display::run(args), stop_display::Failure::exit_code),
        Command::Dispatch(args) => client(dispatch_tui::run(args), dispatch_tui::Failure::exit_code),
        Command::Simulate(args) => client(simulator::run(*args), simulator::Failure::exit_code),
        Command::Replay(args) => ended(replay::run(&args)),
        Command::Evaluate(args) => ended(in_runtime(evaluate::run(&args))),
        Command::Explain(args) => ended(in_runtime(explain::run(&args))),
        Command::Decode(args) => ended(decode::run(&args)),
        Command::Bench(args) => ended(bench::run(&args)),
        Command::Config(args) => ended(config::run(&args)),
        Command::Check(args) => match check(&args) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => ended(Err(failure)),
        },
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "zupynka", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime()?.block_on(command)
}

fn client<E: std::fmt::Display>(
    command: impl Future<Output = Result<(), E>>,
    code: impl Fn(&E) -> ExitCode,
) -> ExitCode {
    let runtime = match runtime() {
        Ok(r) => r,
        Err(error) => return ended(Err(error.into())),
    };
    match runtime.block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            code(&error)
        }
    }
}

fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    if let Some(feed) = &args.gtfs {
        let now = SystemClock.now();
        let verdict = check::check_gtfs(feed, args.json, now, &mut out).map_err(anyhow::Error::from)?;
        return Ok(verdict.code());
    }
    let Some(path) = &args.config else { return Ok(USAGE) };
    check::check_config(path, args.json, &mut out).map_err(anyhow::Error::from).map_err(Failure::from)
}

fn ended(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&format!("{:#}", failure.error));
            ExitCode::from(failure.code)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place that tells a person why a command failed")]
fn complain(error: &str) {
    eprintln!("zupynka: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
