//! Reading the journal back: at the start, and for whoever asks.

use rustc_hash::FxHashSet;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _};
use transit_model::dispatch::VehicleKind;
use transit_model::fix::{Fix, Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, UnixMs};

use super::{Journal, JournalError, source_named};
use crate::codec::DeviceKey;
use crate::gate::Seen;
use crate::registry::binding::Policy;
use crate::registry::{Device, TokenHash};

/// A device that tried to send and is on no list.
#[derive(Clone, PartialEq, Debug)]
pub struct Quarantined {
    /// What it calls itself. Masked when shown; [`DeviceKey::expose`] is what an administrator approves.
    pub key: DeviceKey,
    /// The protocol it tried last.
    pub source: Source,
    /// Where it tried from last.
    pub address: String,
    /// When it tried first.
    pub first_seen: UnixMs,
    /// When it tried last.
    pub last_seen: UnixMs,
    /// How often it tried.
    pub times: u64,
    /// Where it says it is, degrees, where the protocol told with the attempt.
    pub place: Option<(f64, f64)>,
}

impl Journal {
    /// The fixes that were live, received since a moment, in the order they were received.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn recent(&self, since: UnixMs) -> Result<Vec<Fix>, JournalError> {
        recent(&mut *self.reader.lock().await, since).await
    }

    /// Where each device was last live, of those received since a moment.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn last_live(&self, since: UnixMs) -> Result<Vec<(DeviceKey, Seen)>, JournalError> {
        let rows = sqlx::query(
            "SELECT d.key, max(f.time) AS time, f.lat, f.lon FROM fixes f
             JOIN devices d ON d.id = f.device AND d.vehicle = f.vehicle
             WHERE f.received >= ? AND f.mark IS NULL AND f.lat IS NOT NULL GROUP BY f.device",
        )
        .bind(since.0)
        .fetch_all(&mut *self.reader.lock().await)
        .await?;
        rows.iter()
            .map(|r| {
                let key: String = r.try_get("key")?;
                let seen = Seen { time: UnixMs(r.try_get("time")?), lat: r.try_get("lat")?, lon: r.try_get("lon")? };
                Ok((DeviceKey::from(key), seen))
            })
            .collect()
    }

    /// How many records are stored, and how many of those were live.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn count(&self) -> Result<(u64, u64), JournalError> {
        let row = sqlx::query("SELECT count(*) AS n, count(*) FILTER (WHERE mark IS NULL) AS live FROM fixes")
            .fetch_one(&mut *self.reader.lock().await)
            .await?;
        let number = |name| row.try_get::<i64, _>(name).map(|n| u64::try_from(n).unwrap_or(0));
        Ok((number("n")?, number("live")?))
    }

    /// The list's revision: another number whenever any process has changed it.
    ///
    /// # Errors
    /// When the journal fails.
    pub(crate) async fn revision(&self) -> Result<i64, JournalError> {
        Ok(revision(&mut *self.reader.lock().await).await?)
    }

    /// Every device on the list, and the revision it is of.
    ///
    /// # Errors
    /// When the journal fails.
    pub(crate) async fn listed(&self) -> Result<(i64, Vec<Device>), JournalError> {
        let mut reader = self.reader.lock().await;
        let mut snapshot = reader.begin().await?;
        let revision = revision(&mut snapshot).await?;
        let devices = devices(&mut snapshot).await?;
        snapshot.commit().await?;
        Ok((revision, devices))
    }

    /// Every device on the list.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn devices(&self) -> Result<Vec<Device>, JournalError> {
        Ok(devices(&mut *self.reader.lock().await).await?)
    }

    /// When each device on the list was last heard, to the minute; only those that were.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn last_seen(&self) -> Result<Vec<(DeviceKey, UnixMs)>, JournalError> {
        let heard = "SELECT key, last_seen FROM devices WHERE vehicle IS NOT NULL AND last_seen IS NOT NULL";
        let rows: Vec<(String, i64)> = sqlx::query_as(heard).fetch_all(&mut *self.reader.lock().await).await?;
        Ok(rows.into_iter().map(|(key, seen)| (DeviceKey::from(key), UnixMs(seen))).collect())
    }

    /// Every device in quarantine, the latest first.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn quarantine(&self) -> Result<Vec<Quarantined>, JournalError> {
        let rows = sqlx::query("SELECT * FROM quarantine ORDER BY last_seen DESC")
            .fetch_all(&mut *self.reader.lock().await)
            .await?;
        rows.iter().map(|r| Ok(quarantined(r)?)).collect()
    }
}

impl Journal {
    /// The keys in quarantine.
    ///
    /// # Errors
    /// When the journal fails.
    pub(crate) async fn quarantined_keys(&self) -> Result<FxHashSet<DeviceKey>, JournalError> {
        let keys: Vec<String> =
            sqlx::query_scalar("SELECT key FROM quarantine").fetch_all(&mut *self.reader.lock().await).await?;
        Ok(keys.into_iter().map(DeviceKey::from).collect())
    }
}

async fn revision(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT devices FROM revision").fetch_one(connection).await
}

async fn devices(connection: &mut SqliteConnection) -> Result<Vec<Device>, sqlx::Error> {
    let sql = "SELECT id, key, vehicle, kind, label, token_hash, binding, epoch FROM devices WHERE vehicle IS NOT NULL ORDER BY vehicle, id";
    sqlx::query(sql).fetch_all(connection).await?.iter().map(device).collect()
}

pub(super) async fn recent(connection: &mut SqliteConnection, since: UnixMs) -> Result<Vec<Fix>, JournalError> {
    let rows = sqlx::query(
        "SELECT vehicle, received, time, lat, lon, speed, bearing, trip_id, route_id, start_date, source FROM fixes
         WHERE received >= ? AND mark IS NULL AND lat IS NOT NULL ORDER BY received, id",
    )
    .bind(since.0)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|r| Ok(fix(r)?)).collect()
}

fn fix(r: &SqliteRow) -> Result<Fix, sqlx::Error> {
    let text = |name| r.try_get::<Option<String>, _>(name).map(|t| t.map(String::into_boxed_str));
    let source: String = r.try_get("source")?;
    Ok(Fix {
        vehicle: VehicleId::from(r.try_get::<String, _>("vehicle")?),
        time: UnixMs(r.try_get("time")?),
        received: UnixMs(r.try_get("received")?),
        lat: r.try_get("lat")?,
        lon: r.try_get("lon")?,
        speed: r.try_get("speed")?,
        bearing: r.try_get("bearing")?,
        reported: Reported {
            trip_id: text("trip_id")?,
            route_id: text("route_id")?,
            start_date: r.try_get::<Option<i32>, _>("start_date")?.map(ServiceDate::from_days),
            ..Reported::default()
        },
        source: source_named(&source).ok_or_else(|| unknown("source", &source))?,
    })
}

fn device(r: &SqliteRow) -> Result<Device, sqlx::Error> {
    let kind: String = r.try_get("kind")?;
    Ok(Device {
        id: r.try_get("id")?,
        key: DeviceKey::from(r.try_get::<String, _>("key")?),
        vehicle: VehicleId::from(r.try_get::<String, _>("vehicle")?),
        kind: VehicleKind::named(&kind).ok_or_else(|| unknown("kind", &kind))?,
        label: r.try_get("label")?,
        token: token(r.try_get("token_hash")?),
        binding: policy(r.try_get("binding")?)?,
        epoch: r.try_get("epoch")?,
    })
}

fn quarantined(r: &SqliteRow) -> Result<Quarantined, sqlx::Error> {
    let source: String = r.try_get("source")?;
    Ok(Quarantined {
        key: DeviceKey::from(r.try_get::<String, _>("key")?),
        source: source_named(&source).ok_or_else(|| unknown("source", &source))?,
        address: r.try_get("address")?,
        first_seen: UnixMs(r.try_get("first_seen")?),
        last_seen: UnixMs(r.try_get("last_seen")?),
        times: u64::try_from(r.try_get::<i64, _>("times")?).unwrap_or(0),
        place: r.try_get::<Option<f64>, _>("lat")?.zip(r.try_get::<Option<f64>, _>("lon")?),
    })
}

fn unknown(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("`{column}` is `{value}`, which this version does not know").into())
}

pub(super) fn token(hash: Option<Vec<u8>>) -> Option<TokenHash> {
    hash.and_then(|h| h.try_into().ok()).map(TokenHash)
}

pub(super) fn policy(name: Option<String>) -> Result<Option<Policy>, sqlx::Error> {
    name.map(|n| Policy::named(&n).ok_or_else(|| unknown("binding", &n))).transpose()
}
