//! What every handler is handed, and how it is set up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use transit_model::clock::{SharedClock, Stopwatch};
use transit_model::dispatch::{Concern, Devices};
use transit_model::ids::{StopIdx, VehicleId};

use super::directory::Directory;
use super::dispatch::DispatchHub;
use super::limit::{Buckets, Rate};
use super::live::BoardHub;
use super::metrics::{HttpMetrics, Stream, StreamLabel};
use super::problem::{Answer, Problem, Thing};
use super::published::Published;
use crate::auth::{Role, TokenBook};
use crate::explain::Question;
use crate::public::view::is_public;
use crate::store::Store;
use crate::world::World;

/// What this server will bear.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Requests of one address.
    pub rate: Rate,
    /// Live connections at once.
    pub live_clients: usize,
    /// How long an answer may take.
    pub answer_within: Duration,
    /// The largest body taken, bytes.
    pub body: usize,
    /// How long a live client may take to accept a message.
    pub send_within: Duration,
    /// Boards are recomposed at most this often.
    pub board_every: Duration,
    /// How often a live client hears something.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: Rate { per_second: 50.0, burst: 300.0 },
            live_clients: 20_000,
            answer_within: Duration::from_secs(10),
            body: 64 * 1024,
            send_within: Duration::from_secs(10),
            board_every: Duration::from_millis(250),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// What the server is made of.
pub struct Setup {
    /// The world.
    pub published: Arc<Published>,
    /// The clock boards count by.
    pub clock: SharedClock,
    /// Who may do what.
    pub tokens: Arc<ArcSwap<TokenBook>>,
    /// Where everything counted is registered; ours is added.
    pub registry: Registry,
    /// The static feed in use, as a zip.
    pub feed_zip: Option<Bytes>,
    /// What needs somebody beyond what the engine knows: of ingest, of the store.
    pub extra_concerns: Arc<ArcSwap<Vec<Concern>>>,
    /// The trackers, as ingest knows them.
    pub devices: Arc<ArcSwap<Devices>>,
    /// Where the engine is asked why it decided as it did; `None` where there is no engine.
    pub questions: Option<mpsc::Sender<Question>>,
    /// A proxy in front sets `X-Forwarded-For`; its last entry is the client.
    pub trust_proxy: bool,
    /// Where measures are kept; without it none can be taken.
    pub store: Option<Arc<dyn Store>>,
    /// What this server will bear.
    pub limits: Limits,
}

/// What every handler is handed.
pub type App = Arc<AppState>;

/// The server's state.
pub struct AppState {
    published: Arc<Published>,
    pub(super) clock: SharedClock,
    pub(super) tokens: Arc<ArcSwap<TokenBook>>,
    pub(super) registry: Registry,
    pub(super) metrics: HttpMetrics,
    pub(super) feed_zip: Option<Bytes>,
    pub(super) extra_concerns: Arc<ArcSwap<Vec<Concern>>>,
    pub(super) devices: Arc<ArcSwap<Devices>>,
    pub(super) questions: Option<mpsc::Sender<Question>>,
    pub(super) trust_proxy: bool,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) limits: Limits,
    pub(super) boards: BoardHub,
    pub(super) dispatch: DispatchHub,
    directory: ArcSwap<Directory>,
    buckets: Mutex<Buckets>,
    uptime: Stopwatch,
    live: AtomicUsize,
}

impl AppState {
    pub(super) fn new(mut setup: Setup) -> Self {
        let metrics = HttpMetrics::new(&mut setup.registry);
        let timetable = Arc::clone(&setup.published.world().timetable);
        Self {
            published: setup.published,
            clock: setup.clock,
            tokens: setup.tokens,
            registry: setup.registry,
            metrics,
            feed_zip: setup.feed_zip,
            extra_concerns: setup.extra_concerns,
            devices: setup.devices,
            questions: setup.questions,
            trust_proxy: setup.trust_proxy,
            store: setup.store,
            limits: setup.limits,
            boards: BoardHub::default(),
            dispatch: DispatchHub::default(),
            directory: ArcSwap::from_pointee(Directory::new(timetable)),
            buckets: Mutex::new(Buckets::new(setup.limits.rate)),
            uptime: Stopwatch::start(),
            live: AtomicUsize::new(0),
        }
    }

    /// The latest world as the public may see it: what every handler reads that asks for no token.
    pub(super) fn world(&self) -> Arc<World> {
        self.published.world()
    }

    /// The latest world, whole, for whoever has shown a token.
    pub(super) fn whole(&self, _: &Cleared) -> Arc<World> {
        self.published.whole()
    }

    /// The latest world, for what is told of machines: the public one, or the whole one for a dispatcher when the
    /// public is not told of them.
    ///
    /// # Errors
    /// `403` for everybody else then.
    pub(super) fn with_machines(&self, headers: &HeaderMap) -> Answer<Arc<World>> {
        let public = self.world();
        if !public.machinery.withheld {
            return Ok(public);
        }
        self.clear(headers, &[Role::Dispatcher]).map(|c| self.whole(&c)).map_err(|_| Problem::withheld())
    }

    /// The measures in force, and the gate that carries them out, for whoever has shown a token.
    pub(super) fn published(&self, _: &Cleared) -> &Published {
        &self.published
    }

    /// Whether the public sees all there is of a vehicle.
    pub(super) fn is_public(&self, vehicle: &str) -> bool {
        is_public(&self.published.world(), &self.published.whole(), &VehicleId::from(vehicle))
    }

    /// To wait for the next world.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Whoever holds the request's token, if it may do what one of `needed` may.
    ///
    /// # Errors
    /// `401` without a good token, `403` with one of another role.
    pub(super) fn clear(&self, headers: &HeaderMap, needed: &[Role]) -> Answer<Cleared> {
        let token = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(bearer);
        let tokens = self.tokens.load();
        let row = token.and_then(|t| tokens.holder_of(t, self.clock.now())).ok_or_else(Problem::unauthorized)?;
        if !needed.iter().any(|n| row.role.may_act_as(*n)) {
            let needed: Vec<&str> = needed.iter().map(|n| n.name()).collect();
            return Err(Problem::forbidden(row.role.name(), &needed.join(" or ")));
        }
        Ok(Cleared { name: row.name.clone(), role: row.role })
    }

    /// The directory of a world's stops, built anew when the feed has changed.
    pub(super) fn directory(&self, world: &World) -> Arc<Directory> {
        let have = self.directory.load_full();
        if Arc::ptr_eq(have.timetable(), &world.timetable) {
            return have;
        }
        let new = Arc::new(Directory::new(Arc::clone(&world.timetable)));
        self.directory.store(Arc::clone(&new));
        new
    }

    /// Takes one request of an address.
    ///
    /// # Errors
    /// When it asks too often.
    pub(super) fn admit(&self, address: std::net::IpAddr) -> Answer<()> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(address, self.uptime.elapsed()).map_err(|wait| {
            self.metrics.limited.inc();
            Problem::too_many(wait.as_secs() + 1)
        })
    }

    /// Takes a place for a live connection.
    ///
    /// # Errors
    /// When all are taken.
    pub(super) fn take_live_place(self: &Arc<Self>, stream: Stream) -> Answer<LivePlace> {
        let limit = self.limits.live_clients;
        let taken = self.live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < limit).then_some(n + 1));
        taken.map_err(|_| Problem::full(limit))?;
        self.metrics.live.get_or_create(&StreamLabel { stream }).inc();
        Ok(LivePlace { app: Arc::clone(self), stream })
    }
}

/// Whoever has shown a token. Made by [`AppState::clear`] only, so that nobody sees the whole world without one.
#[derive(Clone, Debug)]
pub(super) struct Cleared {
    /// Who or what holds it, for people.
    pub(super) name: String,
    /// What it may do.
    pub(super) role: Role,
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A live connection's place; given back when dropped.
pub(super) struct LivePlace {
    app: App,
    stream: Stream,
}

impl LivePlace {
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn label(&self) -> StreamLabel {
        StreamLabel { stream: self.stream }
    }
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        self.app.live.fetch_sub(1, Ordering::SeqCst);
        self.app.metrics.live.get_or_create(&self.label()).dec();
    }
}

/// The stop of this id.
///
/// # Errors
/// `404` with the id.
pub(super) fn stop_of(world: &World, id: &str) -> Answer<StopIdx> {
    world.timetable.stop_by_id(id).ok_or_else(|| Problem::unknown(Thing::Stop, id))
}
