//! `zupynka bench ingest`: the real ingest behind a real socket, its journal on a real disk, and the load
//! generator of the simulator on the same cores. A record counts once it is committed and acknowledged.
//!
//! Two parts: a steady load; then a backlog that drains while live trackers go on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use indicatif::ProgressBar;
use simulator::load::backlog::{Backlog, BacklogReport};
use simulator::load::plan::Plan;
use simulator::load::tally::LoadReport;
use simulator::load::ways::Ways;
use simulator::load::{Load, device, process, vehicle_id};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Protocol;
use tracker_ingest::{Bounds, Ingest, IngestConfig, IngestHandle, NewDevice};
use transit_model::clock::{Clock as _, SystemClock};
use transit_model::fix::Fix;
use transit_model::time::Zone;

use super::{Args, Part, Report, What};

/// Records of a tracker at a time: what a Teltonika sends in one packet.
const AT_A_TIME: u32 = 24;
/// Trackers that come out of the dead zone.
const AWAY: u32 = 64;
/// Their numbers begin here, and those of the live ones beside them here.
const FIRST_AWAY: u32 = 1_000_000;
const FIRST_LIVE: u32 = 2_000_000;
/// The live trackers beside the backlog, each with a record every ten seconds.
const LIVE: u32 = 2000;
/// How late a record may be.
const PATIENCE: Duration = Duration::from_secs(10);
/// Open files that are no connection.
const SPARE: u32 = 128;
/// Fixes that wait for whoever takes the engine's place.
const CHANNEL: usize = 65_536;

/// What is asked for.
struct Asked {
    vehicles: u32,
    rate: f64,
    seconds: Duration,
    backlog: u32,
}

pub(super) fn run(args: &Args, bar: &ProgressBar) -> anyhow::Result<Report> {
    let asked = Asked {
        vehicles: args.vehicles.unwrap_or(4000),
        rate: args.rate.unwrap_or(100_000.0),
        seconds: Duration::from_secs_f64(args.seconds.unwrap_or(10.0)),
        backlog: args.backlog.unwrap_or(1_000_000),
    };
    allowed(asked.vehicles.max(if asked.backlog > 0 { LIVE + AWAY } else { 0 }))?;
    let folder = match &args.dir {
        Some(dir) => tempfile::Builder::new().prefix("bench-ingest").tempdir_in(dir),
        None => tempfile::Builder::new().prefix("bench-ingest").tempdir(),
    };
    let folder = folder.context("cannot make a folder for the journal")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(measure(&asked, folder.path(), bar))
}

/// Both ends of every connection are in this process.
fn allowed(connections: u32) -> anyhow::Result<()> {
    let (needed, may) = (connections.saturating_mul(2) + SPARE, process::descriptors().unwrap_or(u32::MAX));
    ensure!(
        needed <= may,
        "{connections} connections need {needed} open files, and this process may have {may}: raise `ulimit -n`, or give fewer --vehicles and a smaller --rate"
    );
    Ok(())
}

async fn measure(asked: &Asked, folder: &Path, bar: &ProgressBar) -> anyhow::Result<Report> {
    let city = simulator::city::load(Zone::utc().date(SystemClock.now())).context("the demo city")?.timetable;
    let ways = Arc::new(Ways::of(&city).context("the demo city has no lines")?);
    let area = Bounds::around(city.stops.iter().map(|(_, s)| city.plane.lat_lon(s.xy)));
    let mut config = IngestConfig { data_dir: folder.to_owned(), ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let (fixes_out, fixes) = mpsc::channel(CHANNEL);
    let stop = CancellationToken::new();
    let ingest = Ingest::start(config, Arc::new(SystemClock), area, fixes_out, stop.clone()).await?;
    let engine = tokio::spawn(count(fixes));
    let server = ingest.addresses().of(Protocol::Teltonika).context("nobody listens")?.to_string();

    bar.set_message("the list of devices");
    let away = if asked.backlog > 0 { FIRST_AWAY..FIRST_AWAY + AWAY } else { 0..0 };
    let beside = if asked.backlog > 0 { FIRST_LIVE..FIRST_LIVE + LIVE } else { 0..0 };
    let new = |n| NewDevice::transit(device(n).expose(), vehicle_id(n).as_str());
    ingest.desk().add((0..asked.vehicles).chain(away).chain(beside).map(new).collect()).await?;

    bar.set_message("steady load");
    let plan = Plan::new(asked.vehicles, asked.rate, asked.vehicles, Some(AT_A_TIME))?;
    let load = Load {
        protocol: Protocol::Teltonika,
        server: server.clone(),
        plan,
        lasts: asked.seconds,
        patience: PATIENCE,
        blind: false,
        first: 0,
    };
    let line = progress(bar);
    let steady = load.run(Arc::clone(&ways), CancellationToken::new(), line).await?;
    let stored = ingest.counters().stored;
    ensure!(steady.acknowledged > 0, "nothing was acknowledged: {steady}");
    ensure!(stored >= steady.acknowledged, "{} records were acknowledged and {stored} are stored", steady.acknowledged);

    let mut parts = vec![part("steady", &steady)];
    if asked.backlog > 0 {
        bar.set_message("a backlog beside live trackers");
        let (backlog, live) = drain(asked, &server, &ways, bar).await?;
        parts.push(backlog_part(&backlog));
        parts.push(part("live beside the backlog", &live));
    }
    let live = finish(ingest, stop, engine).await?;
    parts.push(live);
    let run = format!(
        "{} trackers of Teltonika 8E over loopback, {AT_A_TIME} records in a message, {} records a second offered for {:.0} s by a generator on the same cores; SQLite, synced at every commit, in {}",
        asked.vehicles,
        asked.rate,
        asked.seconds.as_secs_f64(),
        folder.parent().unwrap_or(folder).display()
    );
    let mut report = Report::of(What::Ingest, "records", steady.per_second, run);
    report.parts = parts;
    Ok(report.latency("a record, from when it was due to its acknowledgement", steady.p50_ms, steady.p99_ms))
}

/// A backlog drains; live trackers go on until it has.
async fn drain(
    asked: &Asked,
    server: &str,
    ways: &Arc<Ways>,
    bar: &ProgressBar,
) -> anyhow::Result<(BacklogReport, LoadReport)> {
    let drained = CancellationToken::new();
    let live = Load {
        protocol: Protocol::Teltonika,
        server: server.to_owned(),
        plan: Plan::new(LIVE, f64::from(LIVE) / 10.0, LIVE, Some(1))?,
        // Until it is told to stop.
        lasts: Duration::from_secs(3600),
        patience: PATIENCE,
        blind: false,
        first: FIRST_LIVE,
    };
    let live = tokio::spawn(live.run(Arc::clone(ways), drained.clone(), progress(bar)));
    let backlog = Backlog {
        protocol: Protocol::Teltonika,
        server: server.to_owned(),
        devices: AWAY,
        records_each: asked.backlog.div_ceil(AWAY),
        first: FIRST_AWAY,
    };
    let backlog = backlog.run(Arc::clone(ways), CancellationToken::new()).await?;
    drained.cancel();
    Ok((backlog, live.await.context("the live load did not end well")??))
}

fn progress(bar: &ProgressBar) -> impl FnMut(&LoadReport) + Send + 'static {
    let bar = bar.clone();
    move |report| bar.set_message(report.line())
}

/// Takes what the engine would take.
async fn count(mut fixes: mpsc::Receiver<Fix>) -> u64 {
    let mut batch = Vec::with_capacity(1024);
    let mut all = 0;
    loop {
        match fixes.recv_many(&mut batch, 1024).await {
            0 => return all,
            n => all += n as u64,
        }
        batch.clear();
    }
}

async fn finish(
    ingest: IngestHandle,
    stop: CancellationToken,
    engine: tokio::task::JoinHandle<u64>,
) -> anyhow::Result<Part> {
    let counters = ingest.counters();
    stop.cancel();
    ingest.stopped().await;
    let live = engine.await.context("nobody took the fixes")?;
    let figures = vec![
        ("stored", counters.stored as f64),
        ("to_the_engine", live as f64),
        ("history_only", counters.history as f64),
        ("not_stored", counters.not_stored as f64),
    ];
    Ok(Part { name: "ingest".to_owned(), figures })
}

fn part(name: &str, r: &LoadReport) -> Part {
    let figures = vec![
        ("offered", r.due as f64),
        ("acknowledged", r.acknowledged as f64),
        ("acknowledged_per_second", r.per_second),
        ("not_sent", r.not_sent as f64),
        ("unacknowledged", r.unacknowledged as f64),
        ("p50_ms", r.p50_ms),
        ("p99_ms", r.p99_ms),
        ("p999_ms", r.p999_ms),
        ("max_ms", r.max_ms),
        ("generator_core_share", r.core_share.unwrap_or(0.0)),
    ];
    Part { name: name.to_owned(), figures }
}

fn backlog_part(r: &BacklogReport) -> Part {
    let figures = vec![
        ("records", r.records as f64),
        ("acknowledged", r.acknowledged as f64),
        ("seconds", r.seconds),
        ("per_second", r.per_second),
        ("faults", r.faults as f64),
    ];
    Part { name: format!("backlog of {AWAY} trackers"), figures }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_stored_and_the_backlog_drains() {
        let words = ["ingest", "--seconds", "0.3", "--vehicles", "20", "--rate", "1600", "--backlog", "2000"];
        let report = run(&super::super::tests::args(&words), &ProgressBar::hidden()).unwrap();
        let figure = |part: &str, name: &str| {
            let part = report.parts.iter().find(|p| p.name.starts_with(part)).unwrap();
            part.figures.iter().find(|(n, _)| *n == name).unwrap().1
        };
        assert!(figure("steady", "acknowledged") > 0.0 && report.p99_ms > 0.0);
        // 64 trackers with 32 records each.
        assert!((figure("backlog", "acknowledged") - 2048.0).abs() < 0.5, "{report}");
        let acknowledged = figure("steady", "acknowledged") + 2048.0 + figure("live beside", "acknowledged");
        assert!(figure("ingest", "stored") >= acknowledged, "{report}");
        assert!(figure("ingest", "history_only") >= 2048.0, "a backlog moves nobody");
    }
}
