//! The street, open: everything `zupynka serve` runs, in a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eta_engine::auth::Role;
use eta_engine::world::World;
use tokio_util::sync::CancellationToken;
use tracker_ingest::NewDevice;
use tracker_ingest::codec::Protocol;
use transit_model::board::{Board, BoardRow, Label, label_at};
use transit_model::clock::{Clock as _, ManualClock, SharedClock};
use transit_model::dispatch::DispatchState;
use transit_model::gtfs::load_files;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;
use zupynka::city::{City, Prepared};
use zupynka::config::Config;

use crate::streams::Dispatch;
use crate::trackers::{DEVICE, IMEI, Speaks, TOKEN, Tracker, VEHICLE, record};
use crate::{street, within};

/// A clock that is moved on by less than this may leave the engine without a reason to look up.
const STEP: i64 = 5;
/// How often a vehicle that drives is heard, seconds.
const HEARD_EVERY: i64 = 10;

/// A city that listens on the loopback, ports of the system's choosing, data in `dir`.
#[must_use]
pub fn config(feed: &FeedId, dir: PathBuf) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config::of_feed(feed.clone(), PathBuf::new());
    config.http.listen = any;
    config.ingest.data_dir.clone_from(&dir);
    config.data.dir = dir;
    config.ingest.streams.entry(Protocol::Teltonika).listen = Some(any);
    config.ingest.osmand.listen = Some(any);
    config.ingest.mqtt.listen = Some(any);
    config
}

/// The street, open.
pub struct Town {
    clock: Arc<ManualClock>,
    /// Its parts.
    pub city: City,
    /// Its feed.
    pub timetable: Arc<Timetable>,
    /// A dispatcher's token.
    pub dispatcher: String,
    /// A display's token: good, and not good enough for a dispatcher's stream.
    pub display: String,
    http: reqwest::Client,
    stop: CancellationToken,
    dir: Arc<tempfile::TempDir>,
}

impl Town {
    /// Opens it on a new folder, at this time of its day (`HH:MM:SS`), with the device of one protocol in
    /// vehicle [`VEHICLE`].
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open(at: &str, speaks: Speaks) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let town = Self::open_on(dir, street_at(at)).await;
        let device = match speaks {
            Speaks::Teltonika => NewDevice::transit(IMEI, VEHICLE),
            Speaks::Osmand | Speaks::Mqtt => {
                NewDevice { token: Some(TOKEN.to_owned()), ..NewDevice::transit(DEVICE, VEHICLE) }
            }
        };
        town.city.ingest.desk().add(vec![device]).await.unwrap();
        town
    }

    /// Opens it on a folder that may hold what a former life of it left.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open_on(dir: Arc<tempfile::TempDir>, now: UnixMs) -> Self {
        let feed = FeedId::from(street::FEED);
        let files = street::files();
        let timetable = Arc::new(load_files(&files, feed.clone()).unwrap().timetable);
        let clock = Arc::new(ManualClock::at(now));
        let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
        let config = config(&feed, dir.path().to_owned());
        let zip = files.to_zip_bytes().unwrap();
        let prepared = Prepared::open(config, Arc::clone(&timetable), Some(zip.into()), shared).await.unwrap();
        let dispatcher = prepared.issue_token(Role::Dispatcher, "test").await.unwrap();
        let display = prepared.issue_token(Role::Display, "test").await.unwrap();
        let stop = CancellationToken::new();
        let city = prepared.start(stop.clone()).await.unwrap();
        let town = Self { clock, city, timetable, dispatcher, display, http: reqwest::Client::new(), stop, dir };
        town.world("a world that is ready", |w| w.ready).await;
        town
    }

    /// The folder of its data.
    #[must_use]
    pub fn dir(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.dir)
    }

    /// A time of its day: `08:05:30`.
    #[must_use]
    pub fn at(&self, clock: &str) -> UnixMs {
        street_at(clock)
    }

    /// What time it is.
    #[must_use]
    pub fn clock_now(&self) -> UnixMs {
        self.clock.now()
    }

    /// Waits until the published world is so.
    ///
    /// # Panics
    /// When it never is.
    pub async fn world(&self, what: &str, so: impl Fn(&World) -> bool) -> Arc<World> {
        let published = &self.city.published;
        let mut changed = published.subscribe();
        within(what, changed.wait_for(|_| so(&published.world()))).await.unwrap();
        published.world()
    }

    /// Moves the clock on and waits until the engine has seen it.
    ///
    /// # Panics
    /// When the step is too small for the engine to look up.
    pub async fn clock_to(&self, to: UnixMs) {
        assert!(to.secs_since(self.clock.now()) >= STEP, "a step the engine may not see");
        self.clock.set(to);
        self.world("a world of the new time", |w| w.now >= to).await;
    }

    /// Drives [`VEHICLE`] on the way out, evenly from one kilometre to another, from now to `until`; every
    /// fix is acknowledged, and the last of them is in the published world.
    ///
    /// # Panics
    /// When a fix is not acknowledged.
    pub async fn drive(&self, tracker: &mut Tracker, until: UnixMs, km: [f64; 2]) {
        let from = self.clock.now();
        let steps = until.secs_since(from) / HEARD_EVERY;
        let speed = (km[1] - km[0]) * 1000.0 / (until.secs_f64() - from.secs_f64()).max(1.0);
        for n in 1..=steps {
            #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
            let share = n as f64 / steps as f64;
            let time = from.plus_secs(n * HEARD_EVERY);
            self.clock.set(time);
            #[expect(clippy::cast_possible_truncation, reason = "a vehicle's speed")]
            tracker.send(&record(time, (km[1] - km[0]).mul_add(share, km[0]), speed.abs() as f32)).await;
        }
        let last = from.plus_secs(steps * HEARD_EVERY);
        let seen = |w: &World| w.vehicle(VEHICLE).is_some_and(|v| v.fix_time == last) && w.now >= last;
        self.world("the last fix", seen).await;
    }

    /// The board of a stop now, over HTTP.
    ///
    /// # Panics
    /// When there is none.
    pub async fn board(&self, stop: &str) -> Board {
        let (status, body) = self.get(&format!("/v1/stops/{stop}/board")).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// The row of a trip on the board of a stop now, and what it says; `None` when it is gone.
    ///
    /// # Panics
    /// When there is no board.
    pub async fn row(&self, stop: &str, trip: &str) -> Option<(BoardRow, Label)> {
        let board = self.board(stop).await;
        let row = board.rows.into_iter().find(|r| r.trip_id == trip)?;
        let label = label_at(&row.labels, self.clock.now()).filter(|l| !l.text.is_empty())?.clone();
        Some((row, label))
    }

    /// Asks the web side; the answer as JSON.
    ///
    /// # Panics
    /// When the answer is none.
    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let url = format!("http://{}{path}", self.city.http);
        let answer = within("an answer", self.http.get(url).send()).await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
    }

    /// Moves the clock on in small steps until the dispatcher's picture is so.
    ///
    /// # Panics
    /// When it never is.
    pub async fn dispatcher_sees(&self, what: &str, so: impl Fn(&DispatchState) -> bool) -> DispatchState {
        let mut dispatch = Dispatch::join(self.city.http, Some(&self.dispatcher)).await.unwrap();
        dispatch.until(what, so, || self.clock.advance(Duration::from_secs(STEP.unsigned_abs()))).await
    }

    /// Ends everything in good order.
    ///
    /// # Panics
    /// When something did not end well.
    pub async fn close(self) {
        self.stop.cancel();
        drop(self.http);
        within("the city to close", self.city.stopped()).await.unwrap();
    }
}

fn street_at(clock: &str) -> UnixMs {
    let zone = transit_model::time::Zone::named("Europe/Kyiv").unwrap();
    zone.at(street::day(), clock.parse().unwrap())
}
