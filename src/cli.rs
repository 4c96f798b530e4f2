//! The command line: what may be typed, and which command it means.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::logs;

/// Exit code: the thing asked for failed.
pub const FAILED: u8 = 1;
/// Exit code: wrong usage or configuration.
pub const USAGE: u8 = 2;

/// Real-time public transport tracking that any city can run.
#[derive(Debug, Parser)]
#[command(name = "zupynka", version, about, long_about = None, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles and tools of Zupynka.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay recorded fixes through the live matcher, predictor and learner.
    Replay(commands::replay::Args),
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
    let result = match cli.command {
        Command::Replay(args) => {
            logs::start("warn", logs::Format::Text);
            commands::replay::run(&args)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.error);
            ExitCode::from(failure.code)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place that tells a person why a command failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("zupynka: {error:#}");
}
