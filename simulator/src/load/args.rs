//! `zupynka simulate --load`: its part of the command line, and what it prints.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::Protocol;
use transit_model::timetable::Timetable;

use super::plan::Plan;
use super::sink::{Sink, SinkMode, SinkReport};
use super::tally::LoadReport;
use super::ways::Ways;
use super::{Load, LoadError, device, process, vehicle_id};
use crate::args::{Args, Failure, say};
use crate::corpus::Table;

/// Connections at once where nothing is said: below the ports that a client has towards one server.
const CONNECTIONS: u32 = 10_000;
/// Descriptors kept for everything that is no connection.
const SPARE: u32 = 64;

/// Load instead of a city.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Send records at a fixed rate, whatever the server does, and say how long each took from when it was due.
    #[arg(long, conflicts_with_all = ["fixes", "truth", "day", "write_gtfs", "stop_after"])]
    pub load: bool,
    /// Records a second of all vehicles together; without it, one every ten seconds of each.
    #[arg(long, value_name = "N", requires = "load")]
    pub rate: Option<f64>,
    /// Connections open at once. Where a protocol has a connection to each device and there are fewer
    /// connections than vehicles, vehicles take turns: connect, send what was collected, leave.
    #[arg(long, value_name = "N", requires = "load")]
    pub connections: Option<u32>,
    /// Records a vehicle sends at a time; without it, as few as 10,000 messages or 2000 new connections a
    /// second allow.
    #[arg(long, value_name = "N", requires = "load")]
    pub at_a_time: Option<u32>,
    /// How long the load lasts, seconds.
    #[arg(long, value_name = "S", default_value_t = 60, requires = "load", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub seconds: u32,
    /// How late a record may be, seconds: one that cannot be written by then is counted as not sent, one
    /// that is not acknowledged by then as unanswered.
    #[arg(long, value_name = "S", default_value_t = 10, requires = "load", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub patience: u32,
    /// What to speak, where several servers or none are given.
    #[arg(long, value_name = "PROTOCOL", requires = "load")]
    pub protocol: Option<Protocol>,
    /// Send to a server of our own that keeps nothing, on another thread: this measures the generator.
    #[arg(long, value_name = "HOW", requires = "load", conflicts_with = "server", num_args = 0..=1, default_missing_value = "acknowledge")]
    pub sink: Option<SinkMode>,
    /// The server answers nothing, not even a login: wait for nothing, and measure to the write.
    #[arg(long, requires = "load")]
    pub blind: bool,
    /// The number of the first vehicle: two generators beside each other need different ones.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "load", value_parser = clap::value_parser!(u32).range(0..=900_000_000))]
    pub first_vehicle: u32,
}

/// Why a load ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// Neither a server nor a sink.
    #[error("--load needs one --server PROTOCOL=HOST:PORT to send to, or --sink; several servers need --protocol")]
    NoServer,
    /// The system does not allow so many.
    #[error(
        "{asked} connections at once{both}, and this process may have {allowed} files open: raise `ulimit -n`, or give fewer --connections"
    )]
    Descriptors {
        /// So many.
        asked: u32,
        /// Said where both ends are here.
        both: &'static str,
        /// The limit.
        allowed: u32,
    },
    /// The load makes no sense, or cannot start.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Nobody took anything.
    #[error(
        "the server at {server} acknowledged none of {due} records ({unreachable} attempts found nobody, {refused} were refused, {lost} connections broke)"
    )]
    NothingTaken {
        /// Which.
        server: String,
        /// Records due.
        due: u64,
        /// Attempts in vain.
        unreachable: u64,
        /// Refusals.
        refused: u64,
        /// Broken connections.
        lost: u64,
    },
}

impl LoadFailure {
    /// Whether the command line is to blame.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::NothingTaken { .. } | Self::Load(LoadError::Start(_)))
    }
}

/// Makes the load that was asked for, on the lines of this timetable.
pub(crate) async fn run(args: &Args, timetable: &Timetable) -> Result<(), Failure> {
    let l = &args.load;
    let ways = Ways::of(timetable).map(Arc::new).ok_or(LoadFailure::Load(LoadError::NoWays))?;
    let (protocol, server) = target(args)?;
    let codec = protocol.stream().ok_or(LoadFailure::Load(LoadError::NoStream(protocol)))?;
    let vehicles = u32::try_from(args.vehicles.unwrap_or(1000)).unwrap_or(u32::MAX);
    let connections = connections(l, vehicles, process::descriptors().unwrap_or(1024))?;
    let rate = l.rate.unwrap_or(f64::from(vehicles) / 10.0);
    let plan =
        Plan::new(vehicles, rate, connections, l.at_a_time).map_err(LoadError::from).map_err(LoadFailure::from)?;
    let sink = l.sink.map(|mode| Sink::start(codec, mode)).transpose()?;
    let server = sink.as_ref().map_or(server, |s| s.address().to_string());
    let load = Load {
        protocol,
        server,
        plan,
        lasts: Duration::from_secs(l.seconds.into()),
        patience: Duration::from_secs(l.patience.into()),
        blind: l.blind || l.sink == Some(SinkMode::Swallow),
        first: l.first_vehicle,
    };
    load.check().map_err(LoadFailure::from)?;
    if let Some(path) = &args.devices {
        let mut table = Table::create(path, &["device", "vehicle_id", "kind", "label", "token"])?;
        for n in l.first_vehicle..l.first_vehicle.saturating_add(vehicles) {
            let (key, vehicle) = (device(n), vehicle_id(n));
            table.row([key.expose(), vehicle.as_str(), "transit", "load", ""])?;
        }
        table.finish()?;
    }
    if !args.json {
        say(&opening(&load))?;
    }
    let stop = CancellationToken::new();
    let (lines, json) = (stop.clone(), args.json);
    let running = load.run(ways, stop.clone(), move |report| {
        // Nobody reads any more: the run is over.
        if !json && say(&report.line()).is_err() {
            lines.cancel();
        }
    });
    let mut running = std::pin::pin!(running);
    let report = tokio::select! {
        report = &mut running => report,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            stop.cancel();
            running.await
        }
    };
    let report = report.map_err(LoadFailure::from)?;
    finish(&report, sink.map(Sink::stop), args.json)
}

fn target(args: &Args) -> Result<(Protocol, String), LoadFailure> {
    let l = &args.load;
    if l.sink.is_some() {
        return Ok((l.protocol.unwrap_or(Protocol::Teltonika), String::new()));
    }
    let mut fitting = args.server.iter().filter(|t| l.protocol.is_none_or(|p| p == t.protocol));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok((one.protocol, one.endpoint.clone())),
        _ => Err(LoadFailure::NoServer),
    }
}

/// How many connections there may be at once.
fn connections(l: &LoadArgs, vehicles: u32, descriptors: u32) -> Result<u32, LoadFailure> {
    let (ends, both) = if l.sink.is_some() { (2, " with both ends here") } else { (1, "") };
    let allowed = descriptors.saturating_sub(SPARE) / ends;
    match l.connections {
        Some(asked) if asked.min(vehicles) > allowed => {
            Err(LoadFailure::Descriptors { asked, both, allowed: descriptors })
        }
        Some(asked) => Ok(asked),
        None => Ok(vehicles.min(allowed).clamp(1, CONNECTIONS)),
    }
}

fn opening(load: &Load) -> String {
    let plan = &load.plan;
    let how = if plan.keeps_connections() {
        "each keeps its connection".to_owned()
    } else {
        let every = plan.interval().as_secs_f64() * f64::from(plan.per_turn());
        format!(
            "{} at once take turns: each connects every {every:.0} s, sends {} records and leaves",
            plan.slots(),
            plan.per_turn()
        )
    };
    format!(
        "{} vehicles with a record every {:.1} s, by {} to {}; {how}; Ctrl-C ends",
        plan.vehicles(),
        plan.interval().as_secs_f64(),
        load.protocol,
        load.server
    )
}

fn finish(report: &LoadReport, sink: Option<SinkReport>, json: bool) -> Result<(), Failure> {
    if json {
        let mut object = serde_json::json!(report);
        if let (Some(sink), Some(fields)) = (sink, object.as_object_mut()) {
            fields.insert("sink".to_owned(), serde_json::json!(sink));
        }
        say(&object.to_string())?;
    } else {
        say(&report.to_string())?;
        if let Some(s) = sink {
            let busy = s.core_seconds.unwrap_or(0.0) / report.seconds.max(1e-3) * 100.0;
            say(&format!(
                "the sink read {} records, {} MB of {} connections on {busy:.0} % of another core; {} unreadable",
                s.records,
                s.bytes / 1_000_000,
                s.connections,
                s.unreadable
            ))?;
        }
    }
    let nothing = report.due > 0 && report.acknowledged == 0 && report.latency_to == "acknowledgement";
    if nothing || (report.due > 0 && report.sent == 0) {
        return Err(LoadFailure::NothingTaken {
            server: report.server.clone(),
            due: report.due,
            unreachable: report.connections_unreachable,
            refused: report.refused,
            lost: report.connections_lost,
        }
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"simulate").chain(words)).unwrap()
    }

    #[test]
    fn connections_are_what_the_process_may_open() {
        let of = |words: &[&str]| connections(&args(words).load, 300_000, 20_000);
        assert_eq!(of(&["--load", "--server", "teltonika=h:1"]).unwrap(), 10_000);
        assert_eq!(of(&["--load", "--sink"]).unwrap(), 9968);
        assert_eq!(of(&["--load", "--sink", "--connections", "500"]).unwrap(), 500);
        let e = of(&["--load", "--sink", "--connections", "15000"]).unwrap_err();
        assert!(e.is_usage() && e.to_string().contains("ulimit"), "{e}");
    }

    #[test]
    fn one_server_is_meant_or_none() {
        let of = |words: &[&str]| target(&args(words)).map(|(p, s)| (p.name(), s));
        assert_eq!(of(&["--load", "--server", "teltonika=h:1"]).unwrap(), ("teltonika", "h:1".to_owned()));
        assert!(of(&["--load"]).is_err());
        assert!(of(&["--load", "--server", "teltonika=h:1", "--server", "osmand=h:2"]).is_err());
        let both = ["--load", "--server", "teltonika=h:1", "--server", "osmand=h:2", "--protocol", "osmand"];
        assert_eq!(of(&both).unwrap(), ("osmand", "h:2".to_owned()));
    }

    #[test]
    fn load_and_the_written_day_exclude_each_other() {
        for bad in [
            vec!["simulate", "--rate", "5"],
            vec!["simulate", "--load", "--day", "20261122", "--fixes", "f.csv"],
            vec!["simulate", "--load", "--sink", "--server", "teltonika=h:1"],
        ] {
            assert!(Args::try_parse_from(&bad).is_err(), "{bad:?}");
        }
    }
}
