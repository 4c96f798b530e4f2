//! What idle connections cost: so many trackers log in, each sends a message, and then all of them are silent.
//!
//! `cargo run --release -p tracker-ingest --example idle -- 10000` prints the resident memory before and after,
//! the trackers' own sockets (of the same process) included. It needs two file descriptors a tracker.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::{Position, Protocol, Record, teltonika};
use tracker_ingest::{Ingest, IngestConfig, NewDevice};
use transit_model::clock::{Clock as _, SystemClock};

fn imei(n: usize) -> String {
    format!("3520930{n:08}")
}

/// Of this process, kilobytes.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let n: usize = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("zupynka-idle-{}", std::process::id()));
    let mut config = IngestConfig { data_dir: folder.clone(), ..IngestConfig::default() };
    config.streams.entry(Protocol::Teltonika).listen = Some(([127, 0, 0, 1], 0).into());
    let (out, mut fixes) = mpsc::channel(1024);
    let stop = CancellationToken::new();
    let ingest = Ingest::start(config, Arc::new(SystemClock), None, out, stop.clone()).await?;
    tokio::spawn(async move { while fixes.recv().await.is_some() {} });
    let devices = (0..n).map(|i| NewDevice::transit(imei(i), format!("bus-{i}"))).collect();
    ingest.desk().add(devices).await?;
    let at = ingest.addresses().of(Protocol::Teltonika).context("it does not listen")?;

    let before = resident()?;
    let mut trackers = Vec::with_capacity(n);
    for i in 0..n {
        let mut s = TcpStream::connect(at).await?;
        s.write_all(&teltonika::encode_login(&imei(i))?).await?;
        anyhow::ensure!(s.read_u8().await? == 1, "tracker {i} was not let in");
        let place = Position { lat: 48.85, lon: 37.6, satellites: Some(9), valid: true, ..Position::default() };
        let packet = teltonika::encode(teltonika::Codec::Eight, &[Record::at(SystemClock.now(), place)])?;
        s.write_all(&packet).await?;
        anyhow::ensure!(s.read_u32().await? == 1, "tracker {i} was not acknowledged");
        trackers.push(s);
    }
    let after = resident()?;
    let each = (after.saturating_sub(before)) as f64 / n.max(1) as f64;
    writeln!(
        std::io::stdout(),
        "{n} idle connections: {before} kB before, {after} kB after, {each:.2} kB each; {} open",
        ingest.counters().connections
    )?;
    drop(trackers);
    stop.cancel();
    ingest.stopped().await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
