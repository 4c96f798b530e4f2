//! `zupynka explain`: why a vehicle is on the trip it is on, from a recording or from a running server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use eta_engine::explain::{self, Explanation};
use eta_engine::replay;
use reqwest::{StatusCode, Url};
use transit_model::gtfs;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs, Zone};

use crate::cli::Failure;

/// A server that takes longer than this does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The environment variable that holds the token where no file is named.
const TOKEN: &str = "ZUPYNKA_TOKEN";

/// Arguments of `zupynka explain`.
///
/// Every trip the vehicle could be on, with what each part of the evidence costs (below nought speaks for the trip):
/// distance and heading, what was before, the timetable, the block, what other vehicles run, the route, sign and run it
/// names. The cheapest holds until another is cheaper by 2.5.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Args {
    /// The vehicle.
    #[arg(long, value_name = "ID")]
    vehicle: String,
    /// GTFS feed, zip or folder; together with --fixes.
    #[arg(long, value_name = "FEED", requires = "fixes")]
    gtfs: Option<PathBuf>,
    /// Recorded fixes, in the order they are to be run (.csv, .csv.gz, .csv.zst).
    #[arg(long, value_name = "FILE", group = "source", requires = "gtfs")]
    fixes: Vec<PathBuf>,
    /// The moment: unix seconds, or YYYY-MM-DDTHH:MM[:SS] in the feed's zone; the end of the recording unless told.
    #[arg(long, value_name = "TIME", requires = "fixes")]
    at: Option<String>,
    /// A running server, of which a token of the role `dispatcher` is asked.
    #[arg(long, value_name = "URL", group = "source")]
    server: Option<Url>,
    /// File with the token; else it is taken from `ZUPYNKA_TOKEN`.
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Explains.
///
/// # Errors
/// When a moment makes no sense (2), a file cannot be read, the vehicle is not known or the server does not answer (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    let explained = match (&args.server, &args.gtfs) {
        (Some(server), _) => asked(args, server).await?,
        (None, Some(feed)) => replayed(args, feed)?,
        (None, None) => return Err(Failure::usage(anyhow!("--gtfs is needed beside --fixes"))),
    };
    let said = if args.json {
        serde_json::to_string(&explained).context("the explanation cannot be written as JSON")?
    } else {
        explain::text(&explained)
    };
    write(said.trim_end());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer that was asked for")]
fn write(text: &str) {
    println!("{text}");
}

fn replayed(args: &Args, feed: &std::path::Path) -> Result<Explanation, Failure> {
    let loaded = gtfs::load(feed, gtfs::feed_id_of(feed)).map_err(anyhow::Error::from)?;
    let timetable = Arc::new(loaded.timetable);
    let at = args.at.as_deref().map(|text| moment(text, &timetable.zone)).transpose()?;
    let vehicle = VehicleId::from(args.vehicle.as_str());
    let found = replay::explain(timetable, &args.fixes, &vehicle, at).map_err(anyhow::Error::from)?;
    found.ok_or_else(|| anyhow!("no fix of vehicle `{vehicle}` by then").into())
}

/// Unix seconds, or a local date and time.
fn moment(text: &str, zone: &Zone) -> Result<UnixMs, Failure> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(UnixMs::from_secs(seconds));
    }
    let local = || {
        let (day, time) = text.split_once(['T', ' '])?;
        let time = if time.matches(':').count() == 1 { format!("{time}:00") } else { time.to_owned() };
        Some(zone.at(day.parse::<ServiceDate>().ok()?, ServiceTime::from_ascii(time.as_bytes())?))
    };
    local().ok_or_else(|| {
        Failure::usage(anyhow!("--at `{text}` is neither unix seconds nor a time YYYY-MM-DDTHH:MM[:SS]"))
    })
}

async fn asked(args: &Args, server: &Url) -> Result<Explanation, Failure> {
    let token = match &args.token_file {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read the token file {}", file.display()))?
        }
        None => std::env::var(TOKEN).map_err(|_| {
            Failure::usage(anyhow!("the server wants a token: name a file with --token-file, or set {TOKEN}"))
        })?,
    };
    let mut url = server.clone();
    url.path_segments_mut()
        .map_err(|()| Failure::usage(anyhow!("--server `{server}` cannot be a server's address")))?
        .pop_if_empty()
        .extend(["v1", "vehicles", &args.vehicle, "explain"]);
    let request = reqwest::Client::new().get(url).bearer_auth(token.trim()).timeout(PATIENCE);
    Ok(answer(request, server).await?)
}

async fn answer(request: reqwest::RequestBuilder, server: &Url) -> anyhow::Result<Explanation> {
    let answer = request.send().await.with_context(|| format!("{server} does not answer"))?;
    let status = answer.status();
    let body = answer.text().await.context("the answer broke off")?;
    if status != StatusCode::OK {
        bail!("{server} says {status}: {}", body.chars().take(400).collect::<String>());
    }
    serde_json::from_str(&body).context("the answer is not an explanation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_unix_seconds_or_local_time() {
        let zone = Zone::named("Europe/Vilnius").unwrap();
        assert_eq!(moment("1787000000", &zone).unwrap(), UnixMs::from_secs(1_787_000_000));
        let at = moment("2026-08-19T08:15", &zone).unwrap();
        assert_eq!(zone.hhmm(at), "08:15");
        assert_eq!(moment("2026-08-19 08:15:00", &zone).unwrap(), at);
        assert_eq!(moment("soon", &zone).unwrap_err().code, crate::cli::USAGE);
    }
}
