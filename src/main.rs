//! The `zupynka` binary: reads the command line and hands over to the role that was asked for.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = zupynka::cli::Cli::parse();
    zupynka::cli::run(cli)
}
