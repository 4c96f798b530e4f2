//! Measures and the audit log in SQLite: the queries, beside the store that runs them.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, Sqlite, Transaction};
use transit_model::time::UnixMs;

use super::StoreError;
use crate::auth::Role;
use crate::public::measure::{Ended, Measure};

/// Who did what, when and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// When.
    pub at: UnixMs,
    /// The name of the token.
    pub who: String,
    /// What it may do: `dispatcher`.
    pub role: String,
    /// `measure.add`, `measure.end`.
    pub action: String,
    /// To what: a number or a name.
    pub subject: String,
    /// Why, as was said.
    pub reason: String,
}

fn unreadable(error: serde_json::Error) -> StoreError {
    sqlx::Error::Decode(Box::new(error)).into()
}

fn body_of(measure: &Measure) -> Result<String, StoreError> {
    serde_json::to_string(measure).map_err(|e| sqlx::Error::Encode(Box::new(e)).into())
}

fn read(id: i64, body: &str) -> Result<Measure, StoreError> {
    serde_json::from_str(body).map(|m: Measure| Measure { id, ..m }).map_err(unreadable)
}

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<Measure>, StoreError> {
    // A measure that cannot be read is never passed over: what it withholds would be public.
    let rows = sqlx::query(
        "SELECT id, body FROM measures WHERE over IS NULL OR id IN \
         (SELECT id FROM measures WHERE over IS NOT NULL ORDER BY id DESC LIMIT 1000) ORDER BY id DESC",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|r| read(r.try_get(0)?, r.try_get(1)?)).collect()
}

pub(super) async fn add(pool: &SqlitePool, measure: &Measure) -> Result<Measure, StoreError> {
    let mut tx = pool.begin().await?;
    let body = body_of(measure)?;
    let done = sqlx::query("INSERT INTO measures (made, over, body) VALUES (?, NULL, ?)")
        .bind(measure.made.0)
        .bind(&body)
        .execute(&mut *tx)
        .await?;
    let measure = Measure { id: done.last_insert_rowid(), ..measure.clone() };
    let who = (measure.by.as_str(), measure.role);
    note(&mut tx, measure.made, who, ("measure.add", measure.id), &measure.reason, &body).await?;
    tx.commit().await?;
    Ok(measure)
}

pub(super) async fn end(pool: &SqlitePool, id: i64, ended: &Ended, role: Role) -> Result<Option<Measure>, StoreError> {
    let mut tx = pool.begin().await?;
    let row = sqlx::query("SELECT body FROM measures WHERE id = ?").bind(id).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(None) };
    let measure = read(id, row.try_get(0)?)?;
    if measure.ended.is_some() {
        return Ok(Some(measure));
    }
    let measure = Measure { ended: Some(ended.clone()), ..measure };
    let body = body_of(&measure)?;
    sqlx::query("UPDATE measures SET over = ?, body = ? WHERE id = ?")
        .bind(ended.at.0)
        .bind(&body)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    note(&mut tx, ended.at, (&ended.by, role), ("measure.end", id), &ended.reason, &body).await?;
    tx.commit().await?;
    Ok(Some(measure))
}

async fn note(
    tx: &mut Transaction<'_, Sqlite>,
    at: UnixMs,
    (who, role): (&str, Role),
    (action, subject): (&str, i64),
    reason: &str,
    body: &str,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, who, role, action, subject, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(at.0)
        .bind(who)
        .bind(role.name())
        .bind(action)
        .bind(subject.to_string())
        .bind(reason)
        .bind(body)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn audit(pool: &SqlitePool, most: u32) -> Result<Vec<AuditRow>, StoreError> {
    let rows = sqlx::query("SELECT at, who, role, action, subject, reason FROM audit ORDER BY id DESC LIMIT ?")
        .bind(most)
        .fetch_all(pool)
        .await?;
    rows.into_iter()
        .map(|r| {
            Ok(AuditRow {
                at: UnixMs(r.try_get(0)?),
                who: r.try_get(1)?,
                role: r.try_get(2)?,
                action: r.try_get(3)?,
                subject: r.try_get(4)?,
                reason: r.try_get(5)?,
            })
        })
        .collect()
}
