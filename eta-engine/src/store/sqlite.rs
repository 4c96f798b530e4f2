//! The store in one SQLite file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, Transaction};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::LinkKey;

use super::{AuditRow, ModelUpdate, StopEventRow, Store, StoreError, machinery, measures};
use crate::accuracy::histogram::Scale;
use crate::accuracy::tally::{Kept, Tally};
use crate::auth::{Role, TokenHash, TokenRow};
use crate::engine::{Holding, Lasting, Model};
use crate::learning::calibration::Calibration;
use crate::learning::halts::Halts;
use crate::learning::links::{LinkModel, LinkStats, ModelFrame};
use crate::learning::residual::Residual;
use crate::machinery::{Saved, Unsaved};
use crate::public::measure::{Ended, Measure};

/// The names of `model_parts`; a number goes up when a part's form changes, so that an old one is
/// never misread.
const FRAME: &str = "frame-1";
const CALIBRATION: &str = "calibration-1";
const LASTING: &str = "lasting-1";
const RESIDUAL: &str = "residual-2";
const HALTS: &str = "halts-1";
const START: &str = "start-lateness-1";
const HOLDING: &str = "holding-1";

const VERSIONS: [(i64, &str, &str); 4] = [
    (1, "model, stop events, tokens", include_str!("../../migrations/sqlite/0001_engine.sql")),
    (2, "accuracy", include_str!("../../migrations/sqlite/0002_accuracy.sql")),
    (3, "machinery", include_str!("../../migrations/sqlite/0003_machinery.sql")),
    (4, "measures, audit", include_str!("../../migrations/sqlite/0004_measures.sql")),
];

/// The form of what is kept of a day's accuracy; goes up when that changes.
const ACCURACY: i64 = 1;
/// A day's accuracy is kept for so long, days.
const ACCURACY_DAYS: i32 = 400;

#[derive(Debug)]
struct Embedded;

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let all = VERSIONS
            .iter()
            .map(|(v, about, sql)| Migration::new(*v, (*about).into(), MigrationType::Simple, (*sql).into(), false));
        Box::pin(std::future::ready(Ok(all.collect())))
    }
}

/// A store in one file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens a file, or makes it, and brings its tables to this version.
    ///
    /// # Errors
    /// When it cannot be opened, is no database, or is of a later version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        // NORMAL in WAL mode survives kill -9; a power cut may lose the last seconds of learning,
        // which the journal of ingest, synced in full, lets us replay.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(3)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path: name.clone(), source })?;
        let failed = |source| StoreError::Migrate { path: name.clone(), source };
        Migrator::new(Embedded).await.map_err(failed)?.run(&pool).await.map_err(failed)?;
        Ok(Self { pool })
    }

    async fn part<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let row =
            sqlx::query("SELECT body FROM model_parts WHERE name = ?").bind(name).fetch_optional(&self.pool).await?;
        let Some(row) = row else {
            self.name_other_version(name).await?;
            return Ok(None);
        };
        let body: Vec<u8> = row.try_get(0)?;
        match postcard::from_bytes(&body) {
            Ok(part) => Ok(Some(part)),
            Err(error) => {
                tracing::warn!(part = name, %error, "this part of the model is refused; it starts afresh, the old one is kept");
                self.set_aside(&format!("{name}.refused"), &body).await?;
                Ok(None)
            }
        }
    }

    /// Says by name that a part is there in another version than this program's.
    async fn name_other_version(&self, name: &str) -> Result<(), StoreError> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let rows = sqlx::query("SELECT name FROM model_parts WHERE name LIKE ? || '%' AND name NOT LIKE '%.refused'")
            .bind(stem)
            .fetch_all(&self.pool)
            .await?;
        for row in rows {
            let found: String = row.try_get(0)?;
            tracing::warn!(
                part = name,
                found,
                "this part of the model is of another version; it starts afresh, the old one is kept"
            );
        }
        Ok(())
    }

    /// Keeps what was refused, out of the way of what is learned from now on.
    async fn set_aside(&self, name: &str, body: &[u8]) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO model_parts (name, body) VALUES (?, ?)")
            .bind(name)
            .bind(body)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

async fn put_part<T: Serialize + Sync>(
    tx: &mut Transaction<'_, Sqlite>,
    name: &str,
    part: &T,
) -> Result<(), StoreError> {
    let body = postcard::to_stdvec(part).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    sqlx::query("INSERT OR REPLACE INTO model_parts (name, body) VALUES (?, ?)")
        .bind(name)
        .bind(body)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// SQLite has signed integers only: the same 64 bits.
const fn signed(key: LinkKey) -> i64 {
    i64::from_ne_bytes(key.0.to_ne_bytes())
}

const fn unsigned(key: i64) -> LinkKey {
    LinkKey(u64::from_ne_bytes(key.to_ne_bytes()))
}

#[async_trait]
impl Store for SqliteStore {
    async fn load_model(&self) -> Result<Model, StoreError> {
        let mut model = Model::default();
        if let Some(frame) = self.part::<ModelFrame>(FRAME).await? {
            let rows = sqlx::query("SELECT link_key, stats FROM model_links").fetch_all(&self.pool).await?;
            let mut links: Vec<(LinkKey, LinkStats)> = Vec::with_capacity(rows.len());
            let mut unread = 0u64;
            for row in rows {
                let (key, body): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
                match postcard::from_bytes(&body) {
                    Ok(stats) => links.push((unsigned(key), stats)),
                    Err(_) => {
                        unread += 1;
                        self.set_aside(&format!("link-{key}.refused"), &body).await?;
                    }
                }
            }
            if unread > 0 {
                tracing::warn!(
                    links = unread,
                    "these links of the model are refused; they start afresh, the old ones are kept"
                );
            }
            model.links = LinkModel::restore(frame, links);
        }
        if let Some(c) = self.part::<Calibration>(CALIBRATION).await?.filter(Calibration::is_whole) {
            model.calibration = c;
        }
        if let Some(r) = self.part::<Residual>(RESIDUAL).await?.filter(Residual::is_whole) {
            model.residual = r;
        }
        if let Some(h) = self.part::<Halts>(HALTS).await?.filter(Halts::is_whole) {
            model.halts = h;
        }
        model.lasting = self.part::<Lasting>(LASTING).await?.unwrap_or_default();
        model.holding = self.part::<Holding>(HOLDING).await?.unwrap_or_default();
        model.start_lateness = self.part::<f32>(START).await?.unwrap_or_default();
        Ok(model)
    }

    async fn save_model(&self, update: &ModelUpdate) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        put_part(&mut tx, FRAME, &update.frame).await?;
        put_part(&mut tx, CALIBRATION, &update.calibration).await?;
        put_part(&mut tx, RESIDUAL, &update.residual).await?;
        put_part(&mut tx, HALTS, &update.halts).await?;
        put_part(&mut tx, START, &update.start_lateness).await?;
        put_part(&mut tx, LASTING, &update.lasting).await?;
        put_part(&mut tx, HOLDING, &update.holding).await?;
        for (key, stats) in &update.links {
            let body = postcard::to_stdvec(stats).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
            sqlx::query("INSERT OR REPLACE INTO model_links (link_key, stats) VALUES (?, ?)")
                .bind(signed(*key))
                .bind(body)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn append_stop_events(&self, events: &[StopEventRow]) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        for e in events {
            sqlx::query("INSERT OR REPLACE INTO stop_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(e.service_date.to_string())
                .bind(&e.trip_id)
                .bind(&e.run_start)
                .bind(e.stop_sequence)
                .bind(&e.vehicle_id)
                .bind(&e.stop_id)
                .bind(e.arrival.map(|t| t.0))
                .bind(e.departure.map(|t| t.0))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn stop_events_of(&self, date: ServiceDate) -> Result<Vec<StopEventRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT trip_id, run_start, stop_sequence, vehicle_id, stop_id, arrival, departure FROM stop_events \
             WHERE service_date = ? ORDER BY trip_id, run_start, stop_sequence, vehicle_id",
        )
        .bind(date.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|r| {
                Ok(StopEventRow {
                    service_date: date,
                    trip_id: r.try_get(0)?,
                    run_start: r.try_get(1)?,
                    stop_sequence: r.try_get(2)?,
                    vehicle_id: r.try_get(3)?,
                    stop_id: r.try_get(4)?,
                    arrival: r.try_get::<Option<i64>, _>(5)?.map(UnixMs),
                    departure: r.try_get::<Option<i64>, _>(6)?.map(UnixMs),
                })
            })
            .collect()
    }

    async fn load_accuracy(&self, from: ServiceDate) -> Result<Vec<(ServiceDate, Tally)>, StoreError> {
        let rows = sqlx::query(
            "SELECT service_date, part, id, body FROM accuracy WHERE service_date >= ? AND form = ? \
             ORDER BY service_date, part, id",
        )
        .bind(from.to_string())
        .bind(ACCURACY)
        .fetch_all(&self.pool)
        .await?;
        let mut days: BTreeMap<ServiceDate, Tally> = BTreeMap::new();
        for row in rows {
            let (date, part, id): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let body: Vec<u8> = row.try_get(3)?;
            let date: ServiceDate = date.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            let kept = match part.as_str() {
                "all" => postcard::from_bytes(&body).map(Kept::All),
                "route" => postcard::from_bytes(&body).map(|hours| Kept::Route(id.as_str().into(), hours)),
                _ => postcard::from_bytes(&body).map(|cell| Kept::Stop(id.as_str().into(), cell)),
            };
            match kept {
                Ok(kept) => days.entry(date).or_insert_with(|| Tally::new(Scale::Coarse)).restore(kept),
                Err(error) => {
                    tracing::warn!(%date, part, id, %error, "this accuracy cannot be read; it starts afresh");
                }
            }
        }
        Ok(days.into_iter().collect())
    }

    async fn save_accuracy(&self, date: ServiceDate, tally: &Tally) -> Result<(), StoreError> {
        let day = date.to_string();
        let mut tx = self.pool.begin().await?;
        sqlx::query("DELETE FROM accuracy WHERE service_date = ? OR service_date < ?")
            .bind(&day)
            .bind(date.plus_days(-ACCURACY_DAYS).to_string())
            .execute(&mut *tx)
            .await?;
        for kept in tally.parts() {
            let (part, id, body) = match &kept {
                Kept::All(cell) => ("all", "", postcard::to_stdvec(cell)),
                Kept::Route(id, hours) => ("route", &**id, postcard::to_stdvec(hours)),
                Kept::Stop(id, cell) => ("stop", &**id, postcard::to_stdvec(cell)),
            };
            let body = body.map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
            sqlx::query("INSERT INTO accuracy (service_date, part, id, form, body) VALUES (?, ?, ?, ?, ?)")
                .bind(&day)
                .bind(part)
                .bind(id)
                .bind(ACCURACY)
                .bind(body)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn measures(&self) -> Result<Vec<Measure>, StoreError> {
        measures::all(&self.pool).await
    }

    async fn add_measure(&self, measure: &Measure) -> Result<Measure, StoreError> {
        measures::add(&self.pool, measure).await
    }

    async fn end_measure(&self, id: i64, ended: &Ended, role: Role) -> Result<Option<Measure>, StoreError> {
        measures::end(&self.pool, id, ended, role).await
    }

    async fn audit(&self, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        measures::audit(&self.pool, most).await
    }

    async fn load_machinery(&self, since: UnixMs) -> Result<Saved, StoreError> {
        machinery::load(&self.pool, since).await
    }

    async fn save_machinery(&self, unsaved: &Unsaved) -> Result<(), StoreError> {
        machinery::save(&self.pool, unsaved).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sqlx::query("SELECT hash, role, name, expires_at, revoked FROM tokens ORDER BY name, hash")
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter()
            .map(|r| {
                let (hash, role): (Vec<u8>, String) = (r.try_get(0)?, r.try_get(1)?);
                let hash = hash.try_into().map_err(|_| sqlx::Error::Decode("a token's hash is not 32 bytes".into()))?;
                Ok(TokenRow {
                    hash: TokenHash(hash),
                    role: role.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
                    name: r.try_get(2)?,
                    expires: r.try_get::<Option<i64>, _>(3)?.map(UnixMs),
                    revoked: r.try_get(4)?,
                })
            })
            .collect()
    }

    async fn put_token(&self, token: &TokenRow) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO tokens (hash, role, name, expires_at, revoked) VALUES (?, ?, ?, ?, ?)")
            .bind(token.hash.0.as_slice())
            .bind(token.role.name())
            .bind(&token.name)
            .bind(token.expires.map(|t| t.0))
            .bind(token.revoked)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
