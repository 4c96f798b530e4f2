//! The journal: what a tracker sent is on the disk before it is acknowledged.
//!
//! One SQLite file, one writer task. Many trackers' records make one transaction (group commit), synced to
//! the disk (`synchronous=FULL`), so that neither kill -9 nor a power cut loses what was acknowledged. A
//! record is stored once: its key is (device, device time, sequence). Reads have a connection of their own.
//!
//! Not here: what the engine keeps (its own store), or a second database for many servers.

mod happened;
mod read;
mod schema;
mod trust;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use transit_model::fix::{Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::codec::{DeviceEvent, DeviceKey, Position, Said};
use crate::registry::{Device, DeviceError, ListError, NewDevice};
use crate::rejection::Rejection;

pub use happened::Happened;
pub use read::Quarantined;
pub use trust::StoredClock;

/// How the journal is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The file; its folder must be there.
    pub path: PathBuf,
    /// The most records of one transaction.
    pub batch: usize,
    /// How many submissions wait before the next must.
    pub queue: usize,
    /// How long to wait for a locked file before giving a batch up.
    pub busy: Duration,
}

impl JournalOptions {
    /// The usual, for a file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), batch: 4096, queue: 4096, busy: Duration::from_secs(2) }
    }
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or made.
    #[error("cannot open the journal {}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file is of another version, or its tables cannot be made.
    #[error("cannot bring the journal {} to this version: {source}", path.display())]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A query failed.
    #[error("the journal failed: {0}")]
    Query(#[from] sqlx::Error),
    /// The writer has stopped.
    #[error("the journal is closed")]
    Closed,
}

/// Devices were not put on the list; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// One of them cannot be on it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The list they are in has faults.
    #[error(transparent)]
    List(#[from] ListError),
    /// The journal did not keep them.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<sqlx::Error> for AddError {
    fn from(e: sqlx::Error) -> Self {
        Self::Journal(e.into())
    }
}

/// Records are not on the disk, so their tracker must not be told that they are.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not stored: {0}")]
pub struct NotDurable(pub Arc<str>);

/// One record to be stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose.
    pub device: Arc<Device>,
    /// By the device's own clock.
    pub device_time: UnixMs,
    /// Tells records of one time apart.
    pub sequence: u32,
    /// When we had it.
    pub received: UnixMs,
    /// By our clock.
    pub time: UnixMs,
    /// Where.
    pub position: Option<Position>,
    /// What the vehicle said it does.
    pub reported: Reported,
    /// How it came.
    pub source: Source,
    /// Why it is not live, if it is not.
    pub mark: Option<Rejection>,
    /// What the device said of itself with it.
    pub said: Said,
}

/// Something that has happened to a vehicle's device, as the writer found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// To whose.
    pub vehicle: VehicleId,
    /// What.
    pub event: DeviceEvent,
    /// When, by our clock.
    pub time: UnixMs,
    /// False where it is the first that is known and no change.
    pub changed: bool,
}

/// What the writer says of each batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BatchReport {
    /// Committed.
    Committed {
        /// Records in it.
        rows: usize,
        /// Of those, not seen before.
        new: u64,
        /// How long the transaction took.
        took: Duration,
        /// What has happened to devices by them, each told once.
        news: Vec<News>,
    },
    /// Lost to an error; its trackers were told nothing.
    Failed {
        /// Records in it.
        rows: usize,
        /// Why.
        error: Arc<str>,
        /// What has happened to devices by them. It will be told again when they come again.
        news: Vec<News>,
    },
}

enum Command {
    Store(Vec<Row>, oneshot::Sender<Result<(), NotDurable>>),
    Devices {
        new: Vec<NewDevice>,
        now: UnixMs,
        done: oneshot::Sender<Result<Vec<Device>, AddError>>,
    },
    Remove {
        key: DeviceKey,
        done: oneshot::Sender<Result<Option<VehicleId>, JournalError>>,
    },
    /// Lets a device go from quarantine; says whether it was there.
    Forget {
        key: DeviceKey,
        done: oneshot::Sender<Result<bool, JournalError>>,
    },
    Quarantine {
        seen: Vec<Quarantined>,
        done: oneshot::Sender<Result<(), JournalError>>,
    },
    /// What was learned of devices.
    Trust {
        write: trust::Write,
        done: oneshot::Sender<Result<bool, JournalError>>,
    },
    /// Nothing comes after it.
    Close,
    /// Deletes some of what was received before; says how many.
    Expire {
        before: UnixMs,
        done: oneshot::Sender<Result<u64, JournalError>>,
    },
}

/// The journal of one feed. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    commands: mpsc::Sender<Command>,
    reader: Arc<Mutex<SqliteConnection>>,
}

impl Journal {
    /// Opens or makes the file, brings its tables to this version and starts the writer, which calls
    /// `report` after each batch. The writer ends, with everything submitted committed, when the last
    /// clone of the journal is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened, written or read as a journal of this version or an older one.
    pub async fn open(
        options: &JournalOptions,
        report: impl Fn(BatchReport) + Send + Sync + 'static,
    ) -> Result<(Self, JoinHandle<()>), JournalError> {
        let fail = |source| JournalError::Open { path: options.path.clone(), source };
        let mut writer = connect(options).await.map_err(fail)?;
        schema::migrate(&mut writer, &options.path).await?;
        let reader = connect(options).await.map_err(fail)?;
        let (commands, inbox) = mpsc::channel(options.queue.max(1));
        let conditions = happened::Conditions::restored(&mut writer).await?;
        let task = tokio::spawn(write::Writer::new(writer, options.batch.max(1), conditions).run(inbox, report));
        Ok((Self { commands, reader: Arc::new(Mutex::new(reader)) }, task))
    }

    /// Submits records. They are queued at once where there is room, so that submissions of one connection
    /// keep their order; the future ends when they are durable, or known not to be.
    pub fn store(&self, rows: Vec<Row>) -> impl Future<Output = Result<(), NotDurable>> + Send + use<> {
        let (done, stored) = oneshot::channel();
        let queued = self.commands.try_send(Command::Store(rows, done));
        let commands = self.commands.clone();
        async move {
            let closed = || NotDurable("the journal is closed".into());
            match queued {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(command)) => commands.send(command).await.map_err(|_| closed())?,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(closed()),
            }
            stored.await.map_err(|_| closed())?
        }
    }

    /// Tells the writer to commit what is queued, and end. Whatever is submitted later is not durable.
    pub async fn close(&self) {
        // It has ended already when nobody takes this.
        drop(self.commands.send(Command::Close).await);
    }

    async fn ask<T, E: From<JournalError>>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    ) -> Result<T, E> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }

    /// Adds devices, or changes those with the same key; all or none, and they leave quarantine. A token
    /// is kept when none is given. Vehicles may be exchanged among the devices of one call; a device that is
    /// `beside` another may share its vehicle.
    ///
    /// # Errors
    /// When a key or a vehicle cannot be, a vehicle has another device, or the journal fails.
    pub async fn put_devices(&self, new: Vec<NewDevice>, now: UnixMs) -> Result<Vec<Device>, AddError> {
        self.ask(|done| Command::Devices { new, now, done }).await
    }

    /// Takes a device off the list; its records stay. Says which vehicle it was on, or `None` when it was
    /// on no list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn remove_device(&self, key: &DeviceKey) -> Result<Option<VehicleId>, JournalError> {
        let key = key.clone();
        self.ask(|done| Command::Remove { key, done }).await
    }

    /// Lets a device go from quarantine; says whether it was there. It comes back if it tries again.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn forget_quarantined(&self, key: &DeviceKey) -> Result<bool, JournalError> {
        let key = key.clone();
        self.ask(|done| Command::Forget { key, done }).await
    }

    pub(crate) async fn put_quarantine(&self, seen: Vec<Quarantined>) -> Result<(), JournalError> {
        self.ask(|done| Command::Quarantine { seen, done }).await
    }

    /// Deletes fixes received before a moment, in small steps so that live records need not wait.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn expire(&self, before: UnixMs) -> Result<u64, JournalError> {
        let mut gone = 0;
        loop {
            let n = self.ask(|done| Command::Expire { before, done }).await?;
            gone += n;
            if n == 0 {
                return Ok(gone);
            }
        }
    }
}

async fn connect(options: &JournalOptions) -> Result<SqliteConnection, sqlx::Error> {
    let connect = SqliteConnectOptions::new()
        .filename(&options.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // WAL with FULL syncs at every commit: a power cut loses nothing that was committed.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy)
        .pragma("cache_size", "-16384")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    SqliteConnection::connect_with(&connect).await
}

/// Reads the fixes that were live, received since a moment, without starting a journal: for bringing an
/// engine back before the listeners open. No file yet means none.
///
/// # Errors
/// When the file is there and cannot be read.
pub async fn recover(path: &Path, since: UnixMs) -> Result<Vec<transit_model::fix::Fix>, JournalError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let options = JournalOptions::at(path);
    let fail = |source| JournalError::Open { path: path.to_owned(), source };
    let mut connection = connect(&options).await.map_err(fail)?;
    schema::migrate(&mut connection, path).await?;
    let fixes = read::recent(&mut connection, since).await?;
    connection.close().await?;
    Ok(fixes)
}

/// The source of a name in the journal. Journals of the first version wrote `mqtt_json`.
fn source_named(name: &str) -> Option<Source> {
    Source::named(if name == "mqtt_json" { Source::MqttJson.name() } else { name })
}
