//! `decode --protocol NAME < JSON lines > JSON lines`: the codecs alone, for scoring them.

use std::io::{BufWriter, stdin, stdout};

use tracker_ingest::codec::{Protocol, decode_lines};
use transit_model::clock::{Clock as _, SystemClock};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let name = match (args.next().as_deref(), args.next()) {
        (Some("--protocol"), Some(name)) => name,
        _ => anyhow::bail!("usage: decode --protocol NAME"),
    };
    let protocol: Protocol = name.parse()?;
    decode_lines(protocol, SystemClock.now(), stdin().lock(), BufWriter::new(stdout().lock()))?;
    Ok(())
}
