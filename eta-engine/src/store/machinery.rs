//! What machines have done, in SQLite: passes of streets, stays in zones.

use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;
use transit_model::dispatch::MachineKind;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use super::StoreError;
use crate::machinery::ledger::{Cell, PassesRow};
use crate::machinery::view::Visit;
use crate::machinery::{Saved, Unsaved};

/// The form of what is kept of a line; goes up when [`Cell`] changes.
const FORM: i64 = 1;
/// Passes and stays are kept for so long, days.
const DAYS: i64 = 400;

pub(super) async fn load(pool: &SqlitePool, since: UnixMs) -> Result<Saved, StoreError> {
    let rows = sqlx::query("SELECT line, body FROM street_passes WHERE form = ?").bind(FORM).fetch_all(pool).await?;
    let mut passes = Vec::with_capacity(rows.len());
    let mut unread = 0u64;
    for row in rows {
        let (key, body): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        match postcard::from_bytes::<Vec<Cell>>(&body) {
            Ok(cells) => passes.push(PassesRow { key, cells }),
            Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        tracing::warn!(lines = unread, "these lines of streets cannot be read; they begin as never passed");
    }
    let rows = sqlx::query(
        "SELECT zone, vehicle_id, kind, entered, left_at FROM zone_visits \
         WHERE left_at IS NULL OR entered >= ? ORDER BY entered, vehicle_id, zone",
    )
    .bind(since.0)
    .fetch_all(pool)
    .await?;
    let mut visits = Vec::with_capacity(rows.len());
    for r in rows {
        let kind: String = r.try_get(2)?;
        visits.push(Visit {
            zone: r.try_get(0)?,
            vehicle: VehicleId::from(r.try_get::<String, _>(1)?),
            kind: MachineKind::named(&kind).unwrap_or_default(),
            entered: UnixMs(r.try_get(3)?),
            left: r.try_get::<Option<i64>, _>(4)?.map(UnixMs),
        });
    }
    Ok(Saved { passes, visits })
}

pub(super) async fn save(pool: &SqlitePool, unsaved: &Unsaved) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let mut latest = 0;
    for row in &unsaved.passes {
        let body = postcard::to_stdvec(&row.cells).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        let passed = row.cells.iter().map(|c| i64::from(c.latest())).max().unwrap_or(0);
        latest = latest.max(passed);
        sqlx::query("INSERT OR REPLACE INTO street_passes (line, form, passed, body) VALUES (?, ?, ?, ?)")
            .bind(row.key)
            .bind(FORM)
            .bind(passed)
            .bind(body)
            .execute(&mut *tx)
            .await?;
    }
    for v in &unsaved.visits {
        sqlx::query(
            "INSERT OR REPLACE INTO zone_visits (vehicle_id, zone, entered, left_at, kind) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(v.vehicle.as_str())
        .bind(&v.zone)
        .bind(v.entered.0)
        .bind(v.left.map(|t| t.0))
        .bind(v.kind.name())
        .execute(&mut *tx)
        .await?;
        latest = latest.max(v.left.unwrap_or(v.entered).0 / 1000);
    }
    // Long ago is counted from what was kept last: a demo's clock is not the system's.
    let oldest = latest - DAYS * 86_400;
    sqlx::query("DELETE FROM street_passes WHERE passed < ?").bind(oldest).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM zone_visits WHERE left_at < ?").bind(oldest * 1000).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
