//! `zupynka simulate`: a fleet on the wire, or written down.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::{Protocol, UnknownProtocol};
use transit_model::clock::{Clock, ScaledClock, SharedClock, SystemClock, entropy};
use transit_model::dispatch::VehicleKind;
use transit_model::gtfs::{self, LoadError};
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::Timetable;

use crate::city;
use crate::corpus::{Table, WriteError};
use crate::drive::{Cap, Mishaps, Unmet};
use crate::fleet::{Fleet, FleetOptions};
use crate::load::args::{LoadArgs, LoadFailure};
use crate::newcity;
use crate::play;
use crate::recording::args::{RecordingArgs, RecordingFailure};
use crate::scenario::{OpenError, ScenarioError};
use crate::send::{Endpoints, NoEndpoint, Options, SimDevice, Simulator, Transport};
use crate::written::{Rows, Span, Wanted};

/// Drive a city's vehicles: send what their trackers see to a server, or write it down with the truth.
///
/// Without --gtfs it is the demo city with its municipal machines. The same --seed gives the same
/// city, day by day and second by second.
#[derive(Clone, Debug, Parser)]
#[command(name = "simulate", version, args_conflicts_with_subcommands = true)]
#[command(group = ArgGroup::new("when").args(["day", "scenario"]))]
#[command(group = ArgGroup::new("rows").args(["fixes", "matches"]).multiple(true))]
pub struct Args {
    /// Something else than driving vehicles.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Play a scenario: one of --list, or a TOML file. To a --server it begins now, at --speed; to files it is
    /// written as it is.
    #[arg(long, value_name = "NAME|FILE.toml", conflicts_with_all = ["gtfs", "seed", "vehicles", "mishaps", "write_gtfs"])]
    pub scenario: Option<String>,
    /// List the scenarios there are.
    #[arg(long, exclusive = true)]
    pub list: bool,

    /// The feed to drive: a GTFS zip or folder.
    #[arg(long, value_name = "FEED")]
    pub gtfs: Option<PathBuf>,
    /// All chance comes from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Drive at most so many vehicles: whole blocks of all routes, the busiest first.
    #[arg(long, value_name = "N")]
    pub vehicles: Option<usize>,
    /// The time of day at which --vehicles looks who is busiest.
    #[arg(long, value_name = "HH:MM:SS", default_value = "08:00:00")]
    pub busiest_at: ServiceTime,

    /// Where to send, one for each protocol: teltonika=HOST:PORT, osmand=HOST:PORT, mqtt-json=HOST:PORT;
    /// teltonika/udp=HOST:PORT for datagrams.
    #[arg(long, value_name = "PROTOCOL=HOST:PORT")]
    pub server: Vec<Target>,
    /// Write the devices that will connect, as a list for the server's registry, and send.
    #[arg(long, value_name = "OUT.csv", requires = "server")]
    pub devices: Option<PathBuf>,
    /// The file of the secret that the devices' tokens are made from; made when it is not there.
    /// Without it the tokens are new each time.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub secret_file: Option<PathBuf>,
    /// How many seconds of the city pass in one of ours.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "server", value_parser = parse_speed)]
    pub speed: f64,
    /// Stop after so many seconds of the city; without it, at Ctrl-C.
    #[arg(long, value_name = "SECONDS", requires = "server")]
    pub stop_after: Option<u64>,

    /// Write the feed that is driven, as GTFS.
    #[arg(long, value_name = "OUT.zip", conflicts_with = "gtfs")]
    pub write_gtfs: Option<PathBuf>,
    /// Write the fixes of --day or --scenario, in the order a server receives them.
    #[arg(long, value_name = "OUT.csv[.gz]", requires = "when", conflicts_with = "server")]
    pub fixes: Option<PathBuf>,
    /// Write the stops truly served.
    #[arg(long, value_name = "OUT.csv[.gz]", requires = "when", conflicts_with = "server")]
    pub truth: Option<PathBuf>,
    /// Write the true match of each fix: trip, phase and place, a row for each row of --fixes.
    #[arg(long, value_name = "OUT.csv[.gz]", requires = "when", conflicts_with = "server")]
    pub matches: Option<PathBuf>,
    /// Write every fault that was at work in a tracker.
    #[arg(long, value_name = "OUT.csv[.gz]", requires = "when", conflicts_with = "server")]
    pub faults: Option<PathBuf>,
    /// Of the fixes only those that the ingest's gate lets move a vehicle, times corrected: what the engine gets.
    /// Without it, all that have a valid position and come from a known tracker.
    #[arg(long, requires = "rows")]
    pub gated: bool,
    /// Write the fixes of the demo city's municipal machines as well: they serve no stop, and a
    /// matcher that is not told so has to find out.
    #[arg(long, requires = "rows", conflicts_with = "scenario")]
    pub machines: bool,
    /// The service day to write down.
    #[arg(long, value_name = "YYYYMMDD")]
    pub day: Option<ServiceDate>,
    /// How many days from --day on.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "day", value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: u16,
    /// Measure how vehicles move in tables of truth of the feed, --truth ones or recorded: link times,
    /// what one ride tells of the next, headways, lateness. Several are measured together.
    #[arg(long, value_name = "TRUTH.csv[.gz]", num_args = 1.., conflicts_with_all = ["server", "fixes", "truth"])]
    pub measure: Vec<PathBuf>,
    /// How much goes wrong by chance when days are written down: 0 = nothing, 1 = as usual.
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = parse_mishaps)]
    pub mishaps: f64,
    /// Print what was done as JSON.
    #[arg(long)]
    pub json: bool,
    /// `--load` and what belongs to it.
    #[command(flatten)]
    pub load: LoadArgs,
    /// `--recording` and what belongs to it.
    #[command(flatten)]
    pub recording: RecordingArgs,
}

/// What the simulator does besides driving vehicles.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Make a city that never was, as a GTFS feed.
    NewCity(newcity::command::Args),
}

/// A protocol and where it is spoken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The protocol.
    pub protocol: Protocol,
    /// Over what.
    pub transport: Transport,
    /// `host:port`.
    pub endpoint: String,
}

/// A text names no server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// Not of the form.
    #[error("`{0}` is not of the form PROTOCOL=HOST:PORT or PROTOCOL/udp=HOST:PORT, as in teltonika=localhost:5027")]
    Form(String),
    /// No protocol of ours.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// It is not spoken over UDP.
    #[error("{0} is not spoken over UDP")]
    NoUdp(Protocol),
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(s: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form(s.to_owned());
        let (protocol, endpoint) = s.split_once('=').ok_or_else(form)?;
        let (host, port) = endpoint.rsplit_once(':').ok_or_else(form)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(form());
        }
        let (protocol, transport) = match protocol.strip_suffix("/udp") {
            Some(protocol) => (protocol, Transport::Udp),
            None => (protocol, Transport::Tcp),
        };
        let protocol: Protocol = protocol.parse()?;
        if transport == Transport::Udp && protocol.stream().is_none() {
            return Err(TargetError::NoUdp(protocol));
        }
        Ok(Self { protocol, transport, endpoint: endpoint.to_owned() })
    }
}

fn parse_speed(s: &str) -> Result<f64, String> {
    let speed: f64 = s.parse().map_err(|_| format!("`{s}` is not a number"))?;
    if (0.1..=3600.0).contains(&speed) { Ok(speed) } else { Err("from 0.1 to 3600".to_owned()) }
}

fn parse_mishaps(s: &str) -> Result<f64, String> {
    let rate: f64 = s.parse().map_err(|_| format!("`{s}` is not a number"))?;
    if (0.0..=100.0).contains(&rate) { Ok(rate) } else { Err("from 0 to 100".to_owned()) }
}

/// Why the simulator ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The feed cannot be used.
    #[error(transparent)]
    Feed(#[from] LoadError),
    /// Nothing to do.
    #[error(
        "nothing to do: give --server to send, or --fixes, --truth, --matches or --faults with --day or --scenario to write, or --write-gtfs"
    )]
    Nothing,
    /// Nothing to send to.
    #[error(transparent)]
    NoEndpoint(#[from] NoEndpoint),
    /// No vehicle runs on the days that are asked for.
    #[error("no vehicle of the feed runs from {from} to {to}; its calendar covers {calendar}")]
    NoService {
        /// The first day.
        from: ServiceDate,
        /// The last.
        to: ServiceDate,
        /// What the feed has.
        calendar: String,
    },
    /// A scenario cannot be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A scenario cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something a scenario asks for cannot happen in its city.
    #[error("{scenario}: {kind}: {why}")]
    Unmet {
        /// Which scenario.
        scenario: String,
        /// What cannot happen.
        kind: &'static str,
        /// Why not.
        why: Unmet,
    },
    /// A table cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A table of truth cannot be measured.
    #[error(transparent)]
    Measure(#[from] crate::measure::ReadError),
    /// A recording cannot be played, or nobody took it.
    #[error(transparent)]
    Recording(#[from] RecordingFailure),
    /// A load makes no sense, or nobody took it.
    #[error(transparent)]
    Load(#[from] LoadFailure),
    /// A file cannot be read or written.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// The secret is not one.
    #[error("{path}: 64 hexadecimal digits are expected", path = .0.display())]
    Secret(PathBuf),
    /// The system gives no chance, or there is nobody to print to.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Failure {
    /// 2 for wrong usage, 1 for everything else.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Nothing | Self::NoEndpoint(_) | Self::Secret(_) | Self::Scenario(_) => 2,
            Self::Load(f) if f.is_usage() => 2,
            Self::Recording(f) if f.is_usage() => 2,
            _ => 1,
        }
    }

    /// The same as an exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// Does what was asked for. Must be called in a tokio runtime.
///
/// # Errors
/// See [`Failure`]; its text is one line that names what failed.
pub async fn run(args: Args) -> Result<(), Failure> {
    if let Some(folder) = &args.recording.recording {
        return crate::recording::args::run(&args, folder).await;
    }
    let now = SystemClock.now();
    let today = ServiceDate::from_days(i32::try_from(now.secs() / 86_400).unwrap_or(0));
    if let Some(Command::NewCity(args)) = &args.command {
        return say(&newcity::command::run(args, today)?);
    }
    let day = args.day.unwrap_or(today);
    if args.list {
        return play::list();
    }
    let writes = !wanted(&args).nothing();
    if !writes && args.server.is_empty() && args.write_gtfs.is_none() && args.measure.is_empty() && !args.load.load {
        return Err(Failure::Nothing);
    }
    if let Some(name) = &args.scenario {
        return play::play(&args, name, now).await;
    }
    if let Some(path) = &args.write_gtfs {
        let zip = city::feed(day).to_zip_bytes().map_err(at(path))?;
        fs::write(path, zip).map_err(at(path))?;
    }
    let (loaded, machines) = match &args.gtfs {
        Some(path) => (gtfs::load(path, gtfs::feed_id_of(path))?, Vec::new()),
        None => (city::load(day)?, city::machines()),
    };
    let timetable = Arc::new(loaded.timetable);
    if !args.measure.is_empty() {
        return crate::measure::command(&args.measure, &timetable, args.json);
    }
    if args.load.load {
        return crate::load::args::run(&args, &timetable).await;
    }
    let cap = args.vehicles.map(|vehicles| Cap { vehicles, at: args.busiest_at });
    if writes {
        let machines = if args.machines { machines } else { Vec::new() };
        let mishaps = Mishaps(args.mishaps);
        let options = FleetOptions { seed: args.seed, cap, mishaps, machines, ..FleetOptions::default() };
        let span = Span::Days(day, day.plus_days(i32::from(args.days) - 1));
        return write_down(&args, &Fleet::new(timetable, options), span, day, args.days);
    }
    if args.server.is_empty() {
        return Ok(());
    }
    let options = Options {
        seed: args.seed,
        secret: secret(args.secret_file.as_deref())?,
        cap,
        machines,
        endpoints: endpoints(&args.server),
        ..Options::default()
    };
    let clock: SharedClock = Arc::new(ScaledClock::starting(now, args.speed));
    send(&args, Simulator::new(Arc::clone(&timetable), options, now)?, &clock, &timetable).await
}

/// What is written of a fleet, and how much it was.
pub(crate) fn write_down(args: &Args, fleet: &Fleet, span: Span, from: ServiceDate, days: u16) -> Result<(), Failure> {
    let trackers = fleet.trackers(from, i32::from(days));
    let vehicles = trackers.len();
    if !trackers.iter().any(|t| t.kind == VehicleKind::Transit) {
        return Err(no_service(fleet.timetable(), from, from.plus_days(i32::from(days) - 1)));
    }
    let Rows { fixes, stops, faults } = wanted(args).write(fleet, span)?;
    let done =
        serde_json::json!({ "days": days, "vehicles": vehicles, "fixes": fixes, "stops": stops, "faults": faults });
    let text = format!("{days} days of {vehicles} vehicles: {fixes} fixes, {stops} stops served, {faults} faults");
    say(&if args.json { done.to_string() } else { text })
}

fn wanted(args: &Args) -> Wanted {
    Wanted {
        fixes: args.fixes.clone(),
        truth: args.truth.clone(),
        matches: args.matches.clone(),
        faults: args.faults.clone(),
        gated: args.gated,
    }
}

pub(crate) async fn send(args: &Args, sim: Simulator, clock: &SharedClock, tt: &Timetable) -> Result<(), Failure> {
    let devices = sim.devices();
    if !devices.iter().any(|d| d.kind == VehicleKind::Transit) {
        let today = tt.zone.date(clock.now());
        return Err(no_service(tt, today.plus_days(-1), today.plus_days(13)));
    }
    if let Some(path) = &args.devices {
        write_devices(path, &devices)?;
    }
    if !args.json {
        say(&format!("{} devices; Ctrl-C ends", devices.len()))?;
    }
    let shutdown = CancellationToken::new();
    let handle = sim.start(clock, &shutdown);
    let whole = args.stop_after.map(|s| clock.real(Duration::from_secs(s)));
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal?,
        () = async { match whole {
            Some(d) => tokio::time::sleep(d).await,
            None => std::future::pending().await,
        }} => {}
    }
    shutdown.cancel();
    handle.stopped().await;
    let stats = handle.stats();
    let text = format!(
        "{} records sent, {} acknowledged, {} sent again; {} connections, {} found nobody, {} refused, {} broken, {} without an answer",
        stats.sent,
        stats.acknowledged,
        stats.resent,
        stats.connections,
        stats.unreachable,
        stats.refused,
        stats.broken,
        stats.timed_out
    );
    say(&if args.json { serde_json::json!(stats).to_string() } else { text })
}

/// The list of devices as the server's registry reads it.
pub(crate) fn write_devices(path: &Path, devices: &[SimDevice]) -> Result<(), Failure> {
    let mut table = Table::create(path, &["device", "vehicle_id", "kind", "label", "token"])?;
    for d in devices {
        let kind = d.kind.name();
        let label = format!("simulated, {}", d.protocol);
        table.row([d.device.expose(), d.vehicle.as_str(), kind, &label, d.token.as_deref().unwrap_or_default()])?;
    }
    table.finish()?;
    Ok(())
}

pub(crate) fn endpoints(targets: &[Target]) -> Endpoints {
    let add = |all: Endpoints, t: &Target| all.over(t.protocol, t.transport, Some(&t.endpoint));
    targets.iter().fold(Endpoints::default(), add)
}

/// The secret of a file, which is made where there is none; without a file a new one.
pub(crate) fn secret(file: Option<&Path>) -> Result<[u8; 32], Failure> {
    let Some(path) = file else { return Ok(entropy()?) };
    match fs::read_to_string(path) {
        Ok(text) => from_hex(text.trim()).ok_or_else(|| Failure::Secret(path.to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let secret = entropy()?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
            options.open(path).and_then(|mut f| writeln!(f, "{hex}")).map_err(at(path))?;
            Ok(secret)
        }
        Err(why) => Err(Failure::File { path: path.to_owned(), why }),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).filter_map(|p| p.first().zip(p.last()).map(|(a, b)| a * 16 + b)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

fn no_service(tt: &Timetable, from: ServiceDate, to: ServiceDate) -> Failure {
    let calendar = tt.calendar().map_or_else(|| "no day".to_owned(), |(a, b)| format!("{a} to {b}"));
    Failure::NoService { from, to, calendar }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |why| Failure::File { path: path.to_owned(), why }
}

pub(crate) fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["simulate", "--server", "mqtt-json=[::1]:1883", "--speed", "60"]).unwrap();
        assert_eq!(endpoints(&args.server).of(Protocol::MqttJson).map(|e| e.address.as_str()), Some("[::1]:1883"));
        let udp: Target = "teltonika/udp=h:1".parse().unwrap();
        assert_eq!((udp.protocol, udp.transport), (Protocol::Teltonika, Transport::Udp));
        assert_eq!("osmand/udp=h:1".parse::<Target>(), Err(TargetError::NoUdp(Protocol::Osmand)));
        for bad in [
            ["simulate", "--server", "teltonika"],
            ["simulate", "--server", "semaphore=h:1"],
            ["simulate", "--server", "osmand=h"],
            ["simulate", "--fixes", "f.csv"],
            ["simulate", "--speed", "0"],
        ] {
            assert!(Args::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let made = secret(Some(&path)).unwrap();
        assert_eq!(secret(Some(&path)).unwrap(), made);
        fs::write(&path, "zz").unwrap();
        assert_eq!(secret(Some(&path)).unwrap_err().code(), 2);
    }
}
