//! One city in one process: ingest, engine and web side, joined by a channel. `serve` and `demo`
//! differ in where the feed, the clock and the trackers come from, not in anything here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use eta_engine::auth::{self, Role, TokenBook};
use eta_engine::engine::{Engine, Model, Settings};
use eta_engine::http::{self, Published, Setup};
use eta_engine::live;
use eta_engine::machinery::{self, Machinery};
use eta_engine::metrics::EngineMetrics;
use eta_engine::public::view::Gate;
use eta_engine::store::sqlite::SqliteStore;
use eta_engine::store::{ModelUpdate, Store};
use eta_engine::world::World;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracker_ingest::gate::Bounds;
use tracker_ingest::{Desk, Ingest, IngestConfig, IngestHandle};
use transit_model::clock::SharedClock;
use transit_model::dispatch::{Concern, Devices, VehicleKind};
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;
use transit_model::timetable::{StopKind, Timetable};

use crate::config::Config;

/// How much of the journal a restart takes in again, seconds (`docs/decisions/0004-restart.md`).
const RECOVER: i64 = 3600;
/// Fixes between ingest and engine: some seconds of the largest fleet.
const CHANNEL: usize = 65_536;
/// How often what ingest has to say is looked at, real time.
const LOOK: Duration = Duration::from_secs(1);
/// How often the list of trackers is looked at, real time.
const LOOK_AT_DEVICES: Duration = Duration::from_secs(3);
/// How often tokens issued or revoked beside the running server are looked for, real time.
const TOKENS: Duration = Duration::from_secs(5);

/// A city that is about to open.
pub struct Prepared {
    config: Config,
    timetable: Arc<Timetable>,
    feed_zip: Option<Bytes>,
    clock: SharedClock,
    listener: TcpListener,
    store: Arc<SqliteStore>,
    machinery: machinery::Setup,
    /// What was learned so far.
    pub model: Model,
    /// Fixes the engine takes in before it opens, beside those of the journal; in the order received.
    pub already_heard: Vec<Fix>,
    /// Which of them are of machines, before the registry tells.
    pub known_machines: Vec<(VehicleId, VehicleKind)>,
}

/// A city that is open.
pub struct City {
    /// Where pages, boards and queries are.
    pub http: SocketAddr,
    /// The trackers' side.
    pub ingest: IngestHandle,
    /// What everybody reads.
    pub published: Arc<Published>,
    engine: JoinHandle<()>,
    web: JoinHandle<std::io::Result<()>>,
}

impl Prepared {
    /// Takes the ports and the data folder: whatever is wrong with them is said before anything runs.
    ///
    /// # Errors
    /// When the port is in use, the folder cannot be written, or the store cannot be read.
    pub async fn open(
        config: Config,
        timetable: Arc<Timetable>,
        feed_zip: Option<Bytes>,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let address = config.http.listen;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (http)"))?;
        let machinery = config.machinery.load(&timetable)?;
        let dir = &config.data.dir;
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the data folder {}", dir.display()))?;
        let store = Arc::new(SqliteStore::open(&dir.join("engine.db")).await?);
        let model = store.load_model().await?;
        let (already_heard, known_machines) = (Vec::new(), Vec::new());
        Ok(Self {
            config,
            timetable,
            feed_zip,
            clock,
            listener,
            store,
            machinery,
            model,
            already_heard,
            known_machines,
        })
    }

    /// Saves all of the model, after it was taught something beside the running engine.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn save_model(&mut self) -> anyhow::Result<()> {
        let update = ModelUpdate::take(&mut self.model);
        self.store.save_model(&update).await.context("cannot save what was learned")
    }

    /// Issues a token and keeps its hash; the text is in nobody's hands but the caller's.
    ///
    /// # Errors
    /// When there is no chance to be had, or the store does not take it.
    pub async fn issue_token(&self, role: Role, name: &str) -> anyhow::Result<String> {
        let entropy = transit_model::clock::entropy().context("the system gives no random bytes")?;
        let (text, row) = auth::issue(entropy, role, name, None);
        self.store.put_token(&row).await.context("cannot keep the token")?;
        Ok(text)
    }

    /// Whether a token is good for a role now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn token_is_good(&self, token: &str, role: Role) -> anyhow::Result<bool> {
        let book = token_book(&*self.store).await?;
        Ok(book.role_of(token, self.clock.now()).is_some_and(|r| r.may_act_as(role)))
    }

    /// Opens the city. `before_trackers` is told where the listeners are, and may put devices on the
    /// registry before the first fix reaches the engine.
    ///
    /// # Errors
    /// When a tracker port is in use or the journal cannot be read.
    pub async fn start(self, shutdown: CancellationToken) -> anyhow::Result<City> {
        let Self {
            config,
            timetable,
            feed_zip,
            clock,
            listener,
            store,
            machinery,
            model,
            already_heard,
            known_machines,
        } = self;
        let settings = Settings {
            horizon: config.predict.horizon_secs as f32,
            minimum_layover: config.predict.minimum_layover_secs as f32,
        };
        let mut engine = Engine::new(Arc::clone(&timetable), settings, model);
        let (fixes_out, fixes) = mpsc::channel(CHANNEL);
        let bounds = Bounds::around(
            timetable.stops.iter().filter(|(_, s)| s.kind == StopKind::Platform).map(|(_, s)| (s.lat, s.lon)),
        );
        let ingest_config = IngestConfig { zone: Some(timetable.zone.clone()), ..config.ingest.clone() };
        let ingest = Ingest::start(ingest_config, Arc::clone(&clock), bounds, fixes_out, shutdown.clone()).await?;
        let desk = ingest.desk();
        // The registry knows the machines, and what the journal held is heard before what comes now:
        // that waits in the channel, and what is in both is taken once.
        let mut machinery = Machinery::new(machinery, saved_machinery(&*store, clock.now()).await, clock.now());
        let kinds: Vec<_> = machines(&desk).into_iter().chain(known_machines).collect();
        machinery.set_kinds(kinds.iter().cloned());
        engine.set_kinds(kinds);
        let journal = desk.recent(clock.now().plus_secs(-RECOVER)).await.context("cannot take the journal in")?;
        let taken = already_heard.iter().chain(&journal).filter(|fix| {
            machinery.take(fix);
            engine.take(fix).is_ok()
        });
        let taken = taken.count();
        tracing::info!(fixes = taken, of = journal.len(), "the journal's last hour is taken in");

        let mut registry = Registry::default();
        ingest.register(&mut registry);
        let metrics = EngineMetrics::register(&mut registry);

        let now = clock.now();
        let mut gate = Gate::new(config.public.measure(now).into_iter().collect(), config.public.kept_minutes());
        gate.set_measures(store.measures().await.context("cannot read the measures")?);
        let published = Arc::new(Published::behind(gate, World::empty(Arc::clone(&timetable), now)));
        let concerns: Arc<ArcSwap<Vec<Concern>>> = Arc::default();
        let devices: Arc<ArcSwap<Devices>> = Arc::default();
        let tokens = Arc::new(ArcSwap::from_pointee(token_book(&*store).await?));
        let (ask, questions) = tokio::sync::mpsc::channel(QUESTIONS);
        let setup = Setup {
            questions: Some(ask),
            published: Arc::clone(&published),
            clock: Arc::clone(&clock),
            tokens: Arc::clone(&tokens),
            registry,
            feed_zip,
            extra_concerns: Arc::clone(&concerns),
            devices: Arc::clone(&devices),
            trust_proxy: config.http.trust_proxy,
            store: Some(Arc::clone(&store) as _),
            limits: http::Limits::default(),
        };
        let http = listener.local_addr().context("the web side has no address")?;
        let router = http::router(setup);
        let web = tokio::spawn(http::serve(listener, router, shutdown.clone().cancelled_owned()));
        tokio::spawn(keep_tokens(Arc::clone(&store), tokens, shutdown.clone()));
        let (readers, sky) = (Arc::clone(&published), desk.clone());
        let engine = live::start(live::Parts {
            engine,
            fixes,
            clock,
            store,
            publish: Arc::new(move |world| readers.publish(world)),
            sky: Arc::new(move || sky.raids()),
            machines: Arc::new(move || machines(&desk)),
            machinery,
            questions,
            metrics,
            shutdown: shutdown.clone(),
        });
        tokio::spawn(look_at_devices(ingest.desk(), devices, shutdown.clone()));
        tokio::spawn(listen_to_ingest(ingest.desk(), concerns, shutdown));
        Ok(City { http, ingest, published, engine, web })
    }
}

/// How many dispatchers' questions wait for the engine.
const QUESTIONS: usize = 16;

impl City {
    /// Waits until everything has ended, and saved what it had; cancel the shutdown token first.
    ///
    /// # Errors
    /// When the web side failed.
    pub async fn stopped(self) -> anyhow::Result<()> {
        self.ingest.stopped().await;
        self.engine.await.context("the engine did not end well")?;
        self.web.await.context("the web side did not end well")?.context("the web side failed")
    }
}

/// The vehicles of the registry that have no timetable.
fn machines(desk: &Desk) -> Vec<(VehicleId, VehicleKind)> {
    let devices = desk.devices();
    devices.iter().filter(|d| d.kind.is_machinery()).map(|d| (d.vehicle.clone(), d.kind)).collect()
}

/// How long ago a stay in a zone may have begun and still be told of, seconds.
const VISITS: i64 = 24 * 3600;

/// What machines have served so far; a store that cannot tell degrades history, nothing else.
async fn saved_machinery(store: &dyn Store, now: UnixMs) -> machinery::Saved {
    match store.load_machinery(now.plus_secs(-VISITS)).await {
        Ok(saved) => saved,
        Err(error) => {
            tracing::error!(%error, "what machines have served cannot be read; it begins anew");
            machinery::Saved::default()
        }
    }
}

async fn token_book(store: &dyn Store) -> anyhow::Result<TokenBook> {
    Ok(TokenBook::new(store.tokens().await.context("cannot read the tokens")?))
}

/// Takes in tokens that `zupynka token` issues while the server runs.
async fn keep_tokens(store: Arc<SqliteStore>, tokens: Arc<ArcSwap<TokenBook>>, stop: CancellationToken) {
    let mut look = tokio::time::interval(TOKENS);
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => match renew_tokens(&*store, &tokens).await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "tokens cannot be read; those known so far hold");
                }
                Err(_) => {}
            }
        }
    }
}

async fn renew_tokens(store: &dyn Store, tokens: &ArcSwap<TokenBook>) -> anyhow::Result<()> {
    tokens.store(Arc::new(token_book(store).await?));
    Ok(())
}

/// Keeps the list of trackers for the dispatcher's stream.
async fn look_at_devices(desk: Desk, devices: Arc<ArcSwap<Devices>>, stop: CancellationToken) {
    let seen = desk.last_seen().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "when devices were last heard cannot be read; they count as never heard until they speak");
        HashMap::default()
    });
    let mut look = tokio::time::interval(LOOK_AT_DEVICES);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {
                let now = desk.dispatched(&seen);
                if **devices.load() != now {
                    devices.store(Arc::new(now));
                }
            }
        }
    }
}

async fn listen_to_ingest(desk: Desk, concerns: Arc<ArcSwap<Vec<Concern>>>, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {
                let now = desk.concerns();
                if **concerns.load() != now {
                    concerns.store(Arc::new(now));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_issued_beside_the_running_server_is_taken_and_a_revoked_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.db");
        let server = SqliteStore::open(&path).await.unwrap();
        let tokens = ArcSwap::from_pointee(token_book(&server).await.unwrap());
        let beside = SqliteStore::open(&path).await.unwrap();
        let (text, mut row) = auth::issue([3; 32], Role::Dispatcher, "зміна 1", None);
        beside.put_token(&row).await.unwrap();
        assert_eq!(tokens.load().role_of(&text, UnixMs(0)), None);
        renew_tokens(&server, &tokens).await.unwrap();
        assert_eq!(tokens.load().role_of(&text, UnixMs(0)), Some(Role::Dispatcher));
        row.revoked = true;
        beside.put_token(&row).await.unwrap();
        renew_tokens(&server, &tokens).await.unwrap();
        assert_eq!(tokens.load().role_of(&text, UnixMs(0)), None);
    }
}
