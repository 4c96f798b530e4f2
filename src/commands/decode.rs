//! `zupynka decode`: recorded messages of a tracker protocol in, what they mean out (DESIGN §2).

use std::io::{BufReader, BufWriter};

use tracker_ingest::codec::{Protocol, decode_lines};
use transit_model::clock::{Clock as _, SystemClock};

use crate::cli::Failure;

/// Arguments of `zupynka decode`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The protocol.
    #[arg(long, value_name = "NAME")]
    protocol: Protocol,
}

/// Decodes standard input, a JSON object a line, to standard output.
///
/// # Errors
/// When a line is no message of the form, or a pipe is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (input, output) = (BufReader::new(std::io::stdin()), BufWriter::new(std::io::stdout()));
    decode_lines(args.protocol, SystemClock.now(), input, output).map_err(anyhow::Error::from)?;
    Ok(())
}
