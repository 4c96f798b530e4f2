//! `zupynka token`: issues a bearer token. Its text is printed once; only its hash is kept.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use eta_engine::auth::{self, Role};
use eta_engine::store::Store as _;
use eta_engine::store::sqlite::SqliteStore;

use crate::cli::Failure;
use crate::config::Config;

/// Arguments of `zupynka token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration of the city.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What its holder may do: tracker, display, validator, dispatcher or admin.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Who or what holds it, for people.
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// Write it to this file, readable by its owner only, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Issues a token. A server that runs takes it within five seconds.
///
/// # Errors
/// When the configuration is wrong (2), or the store cannot be written (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    let config = Config::load(&args.config).map_err(Failure::usage)?;
    let dir = &config.data.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the data folder {}", dir.display()))?;
    let store = SqliteStore::open(&dir.join("engine.db")).await.map_err(anyhow::Error::from)?;
    let entropy = transit_model::clock::entropy().context("the system gives no random bytes")?;
    let (text, row) = auth::issue(entropy, args.role, &args.name, None);
    store.put_token(&row).await.map_err(anyhow::Error::from)?;
    match &args.out {
        Some(path) => {
            crate::secret_file::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => writeln!(std::io::stdout(), "{text}").map_err(anyhow::Error::from)?,
    }
    Ok(())
}
