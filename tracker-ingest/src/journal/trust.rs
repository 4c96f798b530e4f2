//! What was learned of devices: what is usual for each, and how far its clock is off.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};
use transit_model::time::UnixMs;

use super::{Command, Journal, JournalError, write::Writer};
use crate::bindings::StoredBinding;
use crate::codec::DeviceKey;
use crate::registry::binding::{Binding, Policy};

/// A clock that is off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredClock {
    /// Whose.
    pub key: DeviceKey,
    /// How far it is ahead, ms; negative = behind.
    pub offset_ms: i64,
    /// Since when that has been known.
    pub since: UnixMs,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Write {
    Bindings(Vec<StoredBinding>),
    Clock { device: i64, offset_ms: i64, since: UnixMs },
    Rebind(DeviceKey),
    Policy(DeviceKey, Option<Policy>),
}

impl Journal {
    /// What is usual for each device on the list, as it was last written down (a running server does so every two
    /// seconds); only of those that have begun a session.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn bindings(&self) -> Result<Vec<(DeviceKey, Binding)>, JournalError> {
        let sql = "SELECT d.key, b.learned FROM bindings b JOIN devices d ON d.id = b.device AND d.epoch = b.epoch
                   WHERE d.vehicle IS NOT NULL";
        let rows = sqlx::query(sql).fetch_all(&mut *self.reader.lock().await).await?;
        let mut all = Vec::with_capacity(rows.len());
        for r in &rows {
            let (key, learned): (String, String) = (r.try_get("key")?, r.try_get("learned")?);
            all.extend(read(&learned).map(|b| (DeviceKey::from(key), b)));
        }
        Ok(all)
    }

    pub(crate) async fn stored_bindings(&self) -> Result<Vec<StoredBinding>, JournalError> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as("SELECT device, epoch, learned FROM bindings")
            .fetch_all(&mut *self.reader.lock().await)
            .await?;
        let of = |(device, epoch, learned): (i64, i64, String)| {
            read(&learned).map(|binding| StoredBinding { device, epoch, binding })
        };
        Ok(rows.into_iter().filter_map(of).collect())
    }

    /// The clocks that are known to be off, of devices on the list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn clocks(&self) -> Result<Vec<StoredClock>, JournalError> {
        let sql = "SELECT d.key, c.offset_ms, c.since FROM clocks c JOIN devices d ON d.id = c.device
                   WHERE d.vehicle IS NOT NULL";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&mut *self.reader.lock().await).await?;
        let of = |(key, offset_ms, since): (String, i64, i64)| StoredClock {
            key: DeviceKey::from(key),
            offset_ms,
            since: UnixMs(since),
        };
        Ok(rows.into_iter().map(of).collect())
    }

    /// Forgets what is usual for a device: its next session teaches it anew. Says whether it is on the list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn rebind(&self, key: &DeviceKey) -> Result<bool, JournalError> {
        self.write(Write::Rebind(key.clone())).await
    }

    /// Says what is done when a device is not as it always was; `None` = as the configuration says. Says whether it
    /// is on the list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn set_policy(&self, key: &DeviceKey, policy: Option<Policy>) -> Result<bool, JournalError> {
        self.write(Write::Policy(key.clone(), policy)).await
    }

    pub(crate) async fn put_bindings(&self, learned: Vec<StoredBinding>) -> Result<(), JournalError> {
        self.write(Write::Bindings(learned)).await.map(|_| ())
    }

    pub(crate) async fn put_clock(&self, device: i64, offset_ms: i64, since: UnixMs) -> Result<(), JournalError> {
        self.write(Write::Clock { device, offset_ms, since }).await.map(|_| ())
    }

    async fn write(&self, write: Write) -> Result<bool, JournalError> {
        self.ask(|done| Command::Trust { write, done }).await
    }
}

/// What another version wrote and this one cannot read is learned anew.
fn read(learned: &str) -> Option<Binding> {
    serde_json::from_str(learned)
        .inspect_err(|e| tracing::warn!(error = %e, "what is usual for a device cannot be read; it is learned anew"))
        .ok()
}

impl Writer {
    pub(super) async fn trust(&mut self, write: Write) -> Result<bool, JournalError> {
        let connection = &mut self.connection;
        match write {
            Write::Bindings(all) => put(connection, all).await.map(|()| true),
            Write::Clock { device, offset_ms: 0, .. } => {
                let done = sqlx::query("DELETE FROM clocks WHERE device = ?").bind(device).execute(connection).await?;
                Ok(done.rows_affected() > 0)
            }
            Write::Clock { device, offset_ms, since } => {
                let sql = "INSERT INTO clocks (device, offset_ms, since) VALUES (?, ?, ?)
                           ON CONFLICT (device) DO UPDATE SET offset_ms = excluded.offset_ms, since = excluded.since";
                sqlx::query(sql).bind(device).bind(offset_ms).bind(since.0).execute(connection).await?;
                Ok(true)
            }
            Write::Rebind(key) => {
                let sql = "UPDATE devices SET epoch = epoch + 1 WHERE key = ? AND vehicle IS NOT NULL";
                Ok(sqlx::query(sql).bind(key.expose()).execute(connection).await?.rows_affected() > 0)
            }
            Write::Policy(key, policy) => {
                let sql = "UPDATE devices SET binding = ? WHERE key = ? AND vehicle IS NOT NULL";
                let query = sqlx::query(sql).bind(policy.map(Policy::name)).bind(key.expose());
                Ok(query.execute(connection).await?.rows_affected() > 0)
            }
        }
    }
}

async fn put(connection: &mut SqliteConnection, all: Vec<StoredBinding>) -> Result<(), JournalError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for b in all {
        let learned = serde_json::to_string(&b.binding).map_err(|e| sqlx::Error::Encode(e.into()))?;
        // Only of the learning that the device is in: another process may have begun a new one.
        let sql = "INSERT INTO bindings (device, epoch, learned)
                   SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM devices WHERE id = ?1 AND epoch = ?2)
                   ON CONFLICT (device) DO UPDATE SET epoch = excluded.epoch, learned = excluded.learned";
        sqlx::query(sql).bind(b.device).bind(b.epoch).bind(learned).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
