//! `zupynka serve`: ingest and engine in one process, for a city, from one configuration file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use transit_model::clock::SystemClock;
use transit_model::gtfs;

use crate::city::Prepared;
use crate::cli::Failure;
use crate::config::{Config, ConfigError};
use crate::logs;

/// Arguments of `zupynka serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `zupynka config --template` prints one to begin with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// When the configuration is wrong (2), or the feed, a port or the data folder cannot be used (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    let config = Config::load(&args.config).map_err(|e: ConfigError| Failure::usage(e))?;
    logs::start(&config.log.level, config.log.format);
    let path = config.feed.gtfs.clone();
    let loaded = gtfs::load(&path, config.feed.id.clone()).map_err(anyhow::Error::from)?;
    let (errors, warnings) = (loaded.report.of(gtfs::Severity::Error), loaded.report.of(gtfs::Severity::Warning));
    if errors > 0 {
        tracing::warn!(feed = %path.display(), errors, warnings, "the feed has errors; `zupynka check --gtfs` names them");
    }
    let zip = path.is_file().then(|| std::fs::read(&path)).transpose().context("cannot read the feed again")?;
    let clock = Arc::new(SystemClock);
    let prepared = Prepared::open(config, Arc::new(loaded.timetable), zip.map(Into::into), clock).await?;
    let shutdown = CancellationToken::new();
    let city = prepared.start(shutdown.clone()).await?;
    let trackers = city.ingest.addresses();
    tracing::info!(http = %city.http, %trackers, "open");
    crate::signals::ended().await;
    tracing::info!("closing");
    shutdown.cancel();
    city.stopped().await.map_err(Failure::from)
}
