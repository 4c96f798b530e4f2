//! `zupynka demo`: a whole city in one process, on embedded defaults. Vehicles are simulated; they
//! connect over loopback with real tracker protocols to the real listeners, so everything behind the
//! sockets is what a city would run.

pub mod moment;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use eta_engine::auth::Role;
use eta_engine::engine::{Engine, Model, Settings};
use indicatif::{ProgressBar, ProgressStyle};
use simulator::city::{self, Machine};
use simulator::drive::Cap;
use simulator::fleet::{Fleet, FleetOptions};
use simulator::send::{Endpoints, Options, Simulator};
use tokio_util::sync::CancellationToken;
use tracker_ingest::NewDevice;
use tracker_ingest::codec::Protocol;
use transit_model::clock::{Clock as _, ScaledClock, SharedClock, SystemClock};
use transit_model::fix::Fix;
use transit_model::gtfs;
use transit_model::ids::{FeedId, Idx as _, StopIdx, VehicleId};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use crate::city::Prepared;
use crate::cli::Failure;
use crate::config::Config;
use moment::{Anchor, Moment, Why};

/// All chance of the demo city comes from here.
const SEED: u64 = 6100;
/// How many days the engine has learned from when the demo opens.
const LEARNED_DAYS: i32 = 3;
/// How long before its first start the demo's engine has been listening, seconds.
const HEARD: i64 = 1800;
/// How long before it the machines have been at work, seconds: streets have a morning behind them.
const SWEPT: i64 = 6 * 3600;
/// How often the learning engine predicts, seconds of clock: enough to know its errors.
const LEARN_EVERY: i64 = 60;
/// How often the demo notes where its clock is, real time.
const NOTE: Duration = Duration::from_secs(2);

/// Arguments of `zupynka demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this city's feed (GTFS zip or folder) instead of the demo city.
    #[arg(long, value_name = "FEED")]
    gtfs: Option<PathBuf>,
    /// Drive at most so many vehicles: whole blocks of all routes, the busiest first.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    vehicles: u32,
    /// Seconds of the city in one of ours.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    speed: u32,
    /// The port of pages and boards.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the demo keeps what it learns and where it was.
    #[arg(long, value_name = "DIR", default_value = "zupynka-data")]
    data: PathBuf,
}

/// Shows a city until Ctrl-C.
///
/// # Errors
/// When the feed cannot be used, a port is in use, or the data folder cannot be written.
pub async fn run(args: &Args) -> Result<(), Failure> {
    let now = SystemClock.now();
    let shown = Shown::load(args.gtfs.as_deref(), now)?;
    std::fs::create_dir_all(&args.data)
        .with_context(|| format!("cannot make the data folder {}", args.data.display()))?;
    let anchor_file = args.data.join("demo.json");
    let anchor = Anchor::read(&anchor_file);
    let moment = moment::choose(&shown.timetable, &shown.name, anchor.as_ref(), now)
        .with_context(|| format!("{} runs nothing on any day: there is nothing to show", shown.name))?;
    let speed = f64::from(args.speed);
    let clock: SharedClock = Arc::new(ScaledClock::starting(moment.at, speed));
    let mut config = config(args, &shown);
    if !shown.machines.is_empty() {
        (config.machinery.streets, config.machinery.zones) = write_map(&args.data)?;
    }
    let mut prepared =
        Prepared::open(config, Arc::clone(&shown.timetable), shown.zip.clone().map(Into::into), Arc::clone(&clock))
            .await?;
    if moment.rewinds || anchor.as_ref().is_some_and(|a| a.feed != shown.name) {
        forget_journal(&args.data)?;
    }
    let fleet = shown.fleet(args.vehicles, moment.at);
    if prepared.model.links.is_empty() {
        prepared.model = learn(&shown, &fleet, moment.at);
        prepared.save_model().await?;
    }
    // The fleet was on the road before anybody listened: the first board knows where it is. What came
    // after the first start is the journal's to tell.
    let goes_on = matches!(moment.why, Why::Now | Why::Resumed);
    let kept = anchor.as_ref().filter(|a| a.feed == shown.name && goes_on);
    let opened = kept.map_or(moment.at, |a| a.opened);
    let before = moment.at.plus_secs(-HEARD);
    if opened > before {
        let machines = shown.machines_only(moment.at);
        prepared.known_machines =
            shown.machines.iter().map(|m| (VehicleId::from(m.id), m.kind.vehicle_kind())).collect();
        prepared.already_heard = machines
            .fixes_between(moment.at.plus_secs(-SWEPT), opened)
            .chain(shown.of_transit(fleet.fixes_between(before, opened)))
            .collect();
    }
    let token_file = dispatcher_token(&prepared, &args.data).await?;
    open(args, &shown, prepared, &fleet, clock, (moment, opened), (&anchor_file, &token_file))
        .await
        .map_err(Failure::from)
}

async fn open(
    args: &Args,
    shown: &Shown,
    prepared: Prepared,
    fleet: &Fleet,
    clock: SharedClock,
    (moment, opened): (Moment, UnixMs),
    (anchor_file, token_file): (&Path, &Path),
) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let city = prepared.start(shutdown.clone()).await?;
    let addresses = city.ingest.addresses();
    let options = Options {
        seed: SEED,
        secret: transit_model::clock::entropy().context("the system gives no random bytes")?,
        cap: Some(shown.cap(args.vehicles, moment.at)),
        machines: shown.machines.clone(),
        endpoints: Endpoints::by(|p| addresses.of(p)),
        ..Options::default()
    };
    let simulator = Simulator::new(Arc::clone(fleet.timetable()), options, clock.now())?;
    let devices = simulator.devices();
    let count = devices.len();
    let new: Vec<NewDevice> = devices.into_iter().map(Into::into).collect();
    city.ingest.desk().add(new).await.context("cannot put the fleet on the registry")?;
    let trackers = simulator.start(&clock, &shutdown);
    table::print(&table::Facts {
        shown_name: &shown.name,
        zone: &shown.timetable.zone,
        moment,
        speed: args.speed,
        http: city.http,
        stop: busiest_stop(fleet, moment.at),
        timetable: &shown.timetable,
        token_file,
        trackers: count,
        addresses,
    });
    let note = |clock: &SharedClock| Anchor {
        feed: shown.name.clone(),
        city: clock.now(),
        real: SystemClock.now(),
        opened,
        speed_milli: i64::from(args.speed) * 1000,
    };
    let mut noting = tokio::time::interval(NOTE);
    let mut ended = std::pin::pin!(crate::signals::ended());
    loop {
        tokio::select! {
            () = &mut ended => break,
            _ = noting.tick() => {
                if let Err(error) = note(&clock).write(anchor_file) {
                    tracing::warn!(%error, path = %anchor_file.display(), "cannot note where the demo's clock is");
                }
            }
        }
    }
    table::closing();
    note(&clock).write(anchor_file).with_context(|| format!("cannot write {}", anchor_file.display()))?;
    shutdown.cancel();
    trackers.stopped().await;
    city.stopped().await
}

/// The city that is shown.
struct Shown {
    name: String,
    timetable: Arc<Timetable>,
    zip: Option<Vec<u8>>,
    machines: Vec<Machine>,
}

impl Shown {
    fn load(feed: Option<&Path>, now: UnixMs) -> Result<Self, Failure> {
        let Some(path) = feed else {
            let today = transit_model::time::Zone::utc().date(now);
            let files = city::feed(today);
            let loaded = gtfs::load_files(&files, FeedId::from(city::FEED_ID)).map_err(anyhow::Error::from)?;
            let zip = files.to_zip_bytes().context("cannot pack the demo city")?;
            let timetable = Arc::new(loaded.timetable);
            return Ok(Self { name: city::FEED_ID.to_owned(), timetable, zip: Some(zip), machines: city::machines() });
        };
        let id = gtfs::feed_id_of(path);
        let loaded = gtfs::load(path, id.clone()).map_err(anyhow::Error::from)?;
        let errors = loaded.report.of(gtfs::Severity::Error);
        if errors > 0 {
            tracing::warn!(feed = %path.display(), errors, "the feed has errors; `zupynka check --gtfs` names them");
        }
        let zip = path.is_file().then(|| std::fs::read(path)).transpose().context("cannot read the feed again")?;
        Ok(Self { name: id.to_string(), timetable: Arc::new(loaded.timetable), zip, machines: Vec::new() })
    }

    fn cap(&self, vehicles: u32, at: UnixMs) -> Cap {
        let date = self.timetable.zone.date(at);
        Cap { vehicles: vehicles as usize, at: self.timetable.zone.service_time(date, at) }
    }

    fn fleet(&self, vehicles: u32, at: UnixMs) -> Fleet {
        let cap = Some(self.cap(vehicles, at));
        let options = FleetOptions { seed: SEED, cap, machines: self.machines.clone(), ..FleetOptions::default() };
        Fleet::new(Arc::clone(&self.timetable), options)
    }

    /// The machines without anybody else.
    fn machines_only(&self, at: UnixMs) -> Fleet {
        self.fleet(0, at)
    }

    /// Without the fixes of machines: there is no timetable they could teach.
    fn of_transit(&self, fixes: impl Iterator<Item = Fix>) -> impl Iterator<Item = Fix> {
        fixes.filter(|f| !self.machines.iter().any(|m| m.id == f.vehicle.as_str()))
    }
}

/// The stop that most of the simulated vehicles leave in the next half hour.
fn busiest_stop(fleet: &Fleet, at: UnixMs) -> StopIdx {
    let t = fleet.timetable();
    let soon = at..at.plus_secs(1800);
    let mut calls = vec![0usize; t.stops.len()];
    for date in t.days_at(at) {
        for v in fleet.plan(date).vehicles {
            for stop in v.stops().filter(|s| s.departure.is_some_and(|d| soon.contains(&d))) {
                let at = t.pattern_of(stop.trip).call(stop.call).and_then(|c| calls.get_mut(c.stop.at()));
                if let Some(n) = at {
                    *n += 1;
                }
            }
        }
    }
    let busiest = (0..).zip(&calls).max_by_key(|(i, n): &(i64, _)| (**n, -i));
    StopIdx::new(busiest.and_then(|(i, _)| usize::try_from(i).ok()).unwrap_or(0))
}

fn config(args: &Args, shown: &Shown) -> Config {
    let mut config = Config::of_feed(FeedId::from(&shown.name), args.gtfs.clone().unwrap_or_default());
    let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.listen = std::net::SocketAddr::from(([0, 0, 0, 0], args.port));
    config.data.dir.clone_from(&args.data);
    config.ingest.data_dir.clone_from(&args.data);
    config.ingest.streams.entry(Protocol::Teltonika).listen = Some(any_port);
    config.ingest.osmand.listen = Some(any_port);
    config.ingest.mqtt.listen = Some(any_port);
    config
}

/// The demo city's streets and zones, as files that a city would have; they stay for whoever wants to see.
fn write_map(dir: &Path) -> anyhow::Result<(Option<PathBuf>, Option<PathBuf>)> {
    let put = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(Some(path))
    };
    Ok((put("streets.geojson", city::geojson::streets())?, put("zones.geojson", city::geojson::zones())?))
}

/// Replays the days before through the engine, so that predictions start learned.
fn learn(shown: &Shown, fleet: &Fleet, at: UnixMs) -> Model {
    let t = fleet.timetable();
    let today = t.zone.date(at);
    let (first, last) = (today.plus_days(-LEARNED_DAYS), today.plus_days(-1));
    let (from, to) = (t.zone.day_start(first), t.zone.day_start(today));
    let days = fleet.fixes_of_days(first, last);
    let mut engine = Engine::new(Arc::clone(t), Settings::default(), Model::default());
    let bar = ProgressBar::new(u64::try_from(to.secs_since(from)).unwrap_or(1));
    if let Ok(style) = ProgressStyle::with_template("learning three days  {bar:40} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    let mut predicted = from;
    let mut fixes = 0u64;
    for fix in shown.of_transit(days) {
        if fix.received.secs_since(predicted) >= LEARN_EVERY {
            predicted = fix.received;
            engine.predict_all(fix.received);
            // Nobody asks what happened on days that never were.
            engine.drain_events();
        }
        fixes += u64::from(engine.take(&fix).is_ok());
        if fixes.is_multiple_of(4096) {
            bar.set_position(u64::try_from(fix.received.secs_since(from)).unwrap_or(0));
            bar.set_message(format!("{fixes} fixes"));
        }
    }
    bar.finish_and_clear();
    engine.into_model()
}

/// The dispatcher's token of this folder: the one that is there if it is still good, or a new one.
async fn dispatcher_token(prepared: &Prepared, dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join("dispatcher.token");
    if let Ok(text) = std::fs::read_to_string(&path)
        && prepared.token_is_good(text.trim(), Role::Dispatcher).await?
    {
        return Ok(path);
    }
    let text = prepared.issue_token(Role::Dispatcher, "demo").await?;
    crate::secret_file::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Lets the journal of another city, or of a later time, go: it is a demo's.
fn forget_journal(dir: &Path) -> anyhow::Result<()> {
    for name in ["ingest.db", "ingest.db-wal", "ingest.db-shm"] {
        let path = dir.join(name);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
