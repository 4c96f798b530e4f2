//! The writer: the only one that changes the file. Takes whatever is queued as one transaction.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, Connection, Row as _};
use tokio::sync::{mpsc, oneshot};
use transit_model::clock::Stopwatch;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use super::happened::Conditions;
use super::{AddError, BatchReport, Command, JournalError, News, NotDurable, Quarantined, Row};
use crate::codec::DeviceKey;
use crate::registry::{Device, DeviceError, NewDevice, TokenHash};

/// Records of one INSERT: each size is a statement of its own, prepared once.
const SIZES: [usize; 4] = [256, 64, 8, 1];
const COLUMNS: &str = "(device, device_time, sequence, vehicle, received, time, lat, lon, speed, bearing, trip_id, route_id, start_date, source, mark, odometer)";
const VALUES: usize = 16;
/// Fixes deleted in one step.
const EXPIRED_AT_ONCE: i64 = 5000;
/// How far `last_seen` may lag behind, ms: so that a device costs one write a minute and not one a record.
const SEEN_EVERY: i64 = 60_000;

pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    batch: usize,
    inserts: Vec<(usize, String)>,
    /// What is written as `last_seen`, by a device's number.
    seen: FxHashMap<i64, i64>,
    conditions: Conditions,
}

type Waiting = Vec<oneshot::Sender<Result<(), NotDurable>>>;

impl Writer {
    pub(super) fn new(connection: SqliteConnection, batch: usize, conditions: Conditions) -> Self {
        let one = format!("({})", ["?"; VALUES].join(","));
        let inserts = SIZES.map(|n| {
            let values = vec![one.as_str(); n].join(",");
            (n, format!("INSERT INTO fixes {COLUMNS} VALUES {values} ON CONFLICT DO NOTHING"))
        });
        Self { connection, batch, inserts: inserts.into(), seen: FxHashMap::default(), conditions }
    }

    /// Until every sender is gone and everything sent is done.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, report: impl Fn(BatchReport)) {
        'open: while let Some(first) = inbox.recv().await {
            let mut next = Some(first);
            while let Some(command) = next.take() {
                match command {
                    Command::Store(rows, done) => {
                        let (mut rows, mut waiting) = (rows, vec![done]);
                        while rows.len() < self.batch {
                            match inbox.try_recv() {
                                Ok(Command::Store(more, done)) => {
                                    rows.extend(more);
                                    waiting.push(done);
                                }
                                Ok(other) => {
                                    next = Some(other);
                                    break;
                                }
                                Err(_) => break,
                            }
                        }
                        report(self.commit(&rows, waiting).await);
                    }
                    Command::Close => break 'open,
                    // Whoever asked may have gone; the work is done all the same.
                    Command::Devices { new, now, done } => drop(done.send(self.devices(new, now).await)),
                    Command::Remove { key, done } => drop(done.send(self.remove(&key).await)),
                    Command::Forget { key, done } => drop(done.send(self.forget(&key).await)),
                    Command::Trust { write, done } => drop(done.send(self.trust(write).await)),
                    Command::Quarantine { seen, done } => drop(done.send(self.quarantine(&seen).await)),
                    Command::Expire { before, done } => drop(done.send(self.expire(before).await)),
                }
            }
        }
        if let Err(e) = self.connection.close().await {
            tracing::warn!(error = %e, "the journal did not close cleanly; nothing is lost");
        }
    }

    async fn commit(&mut self, rows: &[Row], waiting: Waiting) -> BatchReport {
        let watch = Stopwatch::start();
        let mut news = Vec::new();
        let (result, report) = match self.insert(rows, &mut news).await {
            Ok(new) => (Ok(()), BatchReport::Committed { rows: rows.len(), new, took: watch.elapsed(), news }),
            Err(e) => {
                let error: Arc<str> = e.to_string().into();
                (Err(NotDurable(Arc::clone(&error))), BatchReport::Failed { rows: rows.len(), error, news })
            }
        };
        for done in waiting {
            // A connection that closed meanwhile does not wait for its answer any more.
            drop(done.send(result.clone()));
        }
        report
    }

    async fn insert(&mut self, rows: &[Row], news: &mut Vec<News>) -> Result<u64, sqlx::Error> {
        // Told whether the disk takes it or not: a call for help must be seen when it is full.
        let (happened, conditions) = self.conditions.after(rows);
        news.extend(happened.iter().map(|h| h.news()));
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut rest = rows;
        let mut new = 0;
        for (size, sql) in &self.inserts {
            while let Some((chunk, after)) = rest.split_at_checked(*size) {
                let arguments = bind(chunk).map_err(sqlx::Error::Encode)?;
                new += sqlx::query_with(sql, arguments).execute(&mut *transaction).await?.rows_affected();
                rest = after;
            }
        }
        let mut heard: FxHashMap<i64, i64> = FxHashMap::default();
        for r in rows {
            let at = heard.entry(r.device.id).or_insert(r.received.0);
            *at = r.received.0.max(*at);
        }
        heard.retain(|device, at| self.seen.get(device).is_none_or(|known| at.saturating_sub(*known) >= SEEN_EVERY));
        for (device, at) in &heard {
            let sql = "UPDATE devices SET last_seen = ? WHERE id = ?";
            sqlx::query(sql).bind(at).bind(device).execute(&mut *transaction).await?;
        }
        let kept = super::happened::put(&mut transaction, &happened).await?;
        transaction.commit().await?;
        let mut kept = kept.into_iter();
        news.retain(|_| kept.next().unwrap_or(true));
        self.conditions.take(conditions);
        self.seen.extend(heard);
        Ok(new)
    }

    async fn devices(&mut self, new: Vec<NewDevice>, now: UnixMs) -> Result<Vec<Device>, AddError> {
        for d in &new {
            d.check()?;
        }
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        // All leave their vehicles first, so that two may exchange theirs.
        for d in &new {
            sqlx::query("UPDATE devices SET vehicle = NULL WHERE key = ? AND vehicle <> ?")
                .bind(d.key.expose())
                .bind(d.vehicle.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        let mut stored = Vec::with_capacity(new.len());
        for d in new {
            let other: Option<String> = sqlx::query_scalar("SELECT key FROM devices WHERE vehicle = ? AND key <> ?")
                .bind(d.vehicle.as_str())
                .bind(d.key.expose())
                .fetch_optional(&mut *transaction)
                .await?;
            if let Some(other) = other.filter(|_| !d.beside) {
                return Err(DeviceError::VehicleTaken { vehicle: d.vehicle, device: other.into(), by: d.key }.into());
            }
            stored.push(put(&mut transaction, d, now).await?);
        }
        transaction.commit().await?;
        Ok(stored)
    }

    async fn remove(&mut self, key: &DeviceKey) -> Result<Option<VehicleId>, JournalError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let vehicle: Option<String> =
            sqlx::query_scalar("SELECT vehicle FROM devices WHERE key = ? AND vehicle IS NOT NULL")
                .bind(key.expose())
                .fetch_optional(&mut *transaction)
                .await?;
        sqlx::query("UPDATE devices SET vehicle = NULL, label = NULL, token_hash = NULL, binding = NULL, epoch = epoch + 1 WHERE key = ?")
            .bind(key.expose())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(vehicle.map(VehicleId::from))
    }

    async fn forget(&mut self, key: &DeviceKey) -> Result<bool, JournalError> {
        let sql = "DELETE FROM quarantine WHERE key = ?";
        let done = sqlx::query(sql).bind(key.expose()).execute(&mut self.connection).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn quarantine(&mut self, seen: &[Quarantined]) -> Result<(), JournalError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for q in seen {
            sqlx::query(
                // Another process may have let it in meanwhile.
                "INSERT INTO quarantine (key, source, address, first_seen, last_seen, times, lat, lon)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE NOT EXISTS (SELECT 1 FROM devices WHERE key = ?1 AND vehicle IS NOT NULL)
                 ON CONFLICT (key) DO UPDATE SET source = excluded.source, address = excluded.address,
                     last_seen = excluded.last_seen, times = excluded.times,
                     lat = coalesce(excluded.lat, lat), lon = coalesce(excluded.lon, lon)",
            )
            .bind(q.key.expose())
            .bind(q.source.name())
            .bind(&q.address)
            .bind(q.first_seen.0)
            .bind(q.last_seen.0)
            .bind(i64::try_from(q.times).unwrap_or(i64::MAX))
            .bind(q.place.map(|p| p.0))
            .bind(q.place.map(|p| p.1))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn expire(&mut self, before: UnixMs) -> Result<u64, JournalError> {
        let mut gone = 0;
        for sql in [
            "DELETE FROM fixes WHERE id IN (SELECT id FROM fixes WHERE received < ? LIMIT ?)",
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received < ? LIMIT ?)",
        ] {
            let done = sqlx::query(sql).bind(before.0).bind(EXPIRED_AT_ONCE).execute(&mut self.connection).await?;
            gone += done.rows_affected();
        }
        Ok(gone)
    }
}

async fn put(connection: &mut SqliteConnection, d: NewDevice, now: UnixMs) -> Result<Device, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO devices (key, vehicle, kind, label, token_hash, added) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET vehicle = excluded.vehicle, kind = excluded.kind,
             label = excluded.label, token_hash = coalesce(excluded.token_hash, token_hash)
         RETURNING id, token_hash, binding, epoch",
    )
    .bind(d.key.expose())
    .bind(d.vehicle.as_str())
    .bind(d.kind.name())
    .bind(d.label.as_deref())
    .bind(d.token.as_deref().map(|t| TokenHash::of(t).0.to_vec()))
    .bind(now.0)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM quarantine WHERE key = ?").bind(d.key.expose()).execute(connection).await?;
    Ok(Device {
        id: row.try_get("id")?,
        key: d.key,
        vehicle: d.vehicle,
        kind: d.kind,
        label: d.label,
        token: super::read::token(row.try_get("token_hash")?),
        binding: super::read::policy(row.try_get("binding")?)?,
        epoch: row.try_get("epoch")?,
    })
}

fn bind(rows: &[Row]) -> Result<SqliteArguments<'_>, sqlx::error::BoxDynError> {
    let mut a = SqliteArguments::default();
    a.reserve(rows.len() * VALUES, 0);
    for r in rows {
        let p = r.position;
        a.add(r.device.id)?;
        a.add(r.device_time.0)?;
        a.add(i64::from(r.sequence))?;
        a.add(r.device.vehicle.as_str())?;
        a.add(r.received.0)?;
        a.add(r.time.0)?;
        a.add(p.map(|p| p.lat))?;
        a.add(p.map(|p| p.lon))?;
        a.add(p.and_then(|p| p.speed))?;
        a.add(p.and_then(|p| p.bearing))?;
        a.add(r.reported.trip_id.as_deref())?;
        a.add(r.reported.route_id.as_deref())?;
        a.add(r.reported.start_date.map(transit_model::time::ServiceDate::days))?;
        a.add(r.source.name())?;
        a.add(r.mark.map(crate::rejection::Rejection::name))?;
        a.add(r.said.odometer_m.and_then(|m| i64::try_from(m).ok()))?;
    }
    Ok(a)
}
