//! `zupynka config`: the commented configuration to begin with.

use std::io::Write as _;

use crate::cli::Failure;
use crate::config::keys;

/// Arguments of `zupynka config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the whole configuration with its defaults, each key explained.
    #[arg(long, required = true)]
    template: bool,
}

/// Prints the template.
///
/// # Errors
/// When standard output is closed.
pub fn run(_: &Args) -> Result<(), Failure> {
    std::io::stdout().write_all(keys::template().as_bytes()).map_err(anyhow::Error::from)?;
    Ok(())
}
