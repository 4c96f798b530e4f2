//! What has happened to devices: found by the writer as records come, kept in the transaction of the record that
//! said it, read back by vehicle and time.
//!
//! A change is found against what the journal knew before; when a transaction fails that knowledge is given back, so
//! that the same record, sent again, is the same event.

use rustc_hash::FxHashMap;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use transit_model::fix::Source;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use super::{Journal, JournalError, News, Row, source_named};
use crate::codec::{DeviceEvent, DeviceKey};
use crate::condition::{Condition, Restored};
use crate::rejection::Rejection;

/// The most events that are read at once.
const MOST: i64 = 10_000;

/// Something that has happened to a device, read back.
#[derive(Clone, PartialEq, Debug)]
pub struct Happened {
    /// Which device.
    pub device: DeviceKey,
    /// The vehicle it was on then.
    pub vehicle: VehicleId,
    /// What.
    pub event: DeviceEvent,
    /// When, by our clock.
    pub time: UnixMs,
    /// When we had it.
    pub received: UnixMs,
    /// Where the device said it was then, degrees.
    pub place: Option<(f64, f64)>,
    /// How far the vehicle had gone then, metres.
    pub odometer_m: Option<u64>,
    /// How it came.
    pub source: Source,
    /// False where it is the first that was known and no change.
    pub changed: bool,
}

impl Happened {
    /// The same, as it was told when it came.
    pub(crate) fn news(&self) -> News {
        News { vehicle: self.vehicle.clone(), event: self.event, time: self.time, changed: self.changed }
    }
}

/// The condition of every device, by its number.
#[derive(Debug, Default)]
pub(super) struct Conditions(FxHashMap<i64, Condition>);

/// The conditions that some records change.
pub(super) type Changed = FxHashMap<i64, Condition>;

/// An event that one of some records brings.
#[derive(Debug)]
pub(super) struct Found<'a> {
    row: &'a Row,
    event: DeviceEvent,
    changed: bool,
}

impl Found<'_> {
    pub(super) fn news(&self) -> News {
        News {
            vehicle: self.row.device.vehicle.clone(),
            event: self.event,
            time: made(self.row),
            changed: self.changed,
        }
    }
}

/// When a record was made. One from the future was made by a clock that is wrong.
fn made(row: &Row) -> UnixMs {
    if row.mark == Some(Rejection::Ahead) { row.received } else { row.time }
}

impl Conditions {
    /// As the journal knows them.
    pub(super) async fn restored(connection: &mut SqliteConnection) -> Result<Self, JournalError> {
        let sql = "SELECT device, kind, max(time) AS time FROM events GROUP BY device, kind";
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(sql).fetch_all(connection).await?;
        let mut all: FxHashMap<i64, (Condition, Restored)> = FxHashMap::default();
        for (device, kind, time) in rows {
            // What a later version wrote is no reason not to start.
            let Some(event) = DeviceEvent::named(&kind) else { continue };
            let (condition, known) = all.entry(device).or_default();
            condition.restore(event, UnixMs(time), known);
        }
        Ok(Self(all.into_iter().map(|(device, (condition, _))| (device, condition)).collect()))
    }

    /// What some records bring, in their order, and the conditions after them.
    pub(super) fn after<'a>(&self, rows: &'a [Row]) -> (Vec<Found<'a>>, Changed) {
        let (mut found, mut after) = (Vec::new(), Changed::default());
        for row in rows {
            let known = after.get(&row.device.id).or_else(|| self.0.get(&row.device.id));
            if known.is_none() && row.said.is_silent() {
                continue;
            }
            let mut condition = known.copied().unwrap_or_default();
            let changes = condition.take(made(row), &row.said);
            after.insert(row.device.id, condition);
            let each =
                |events: crate::codec::Events, changed| events.iter().map(move |event| Found { row, event, changed });
            found.extend(each(changes.new, true).chain(each(changes.first, false)));
        }
        (found, after)
    }

    /// Takes conditions in whose records are on the disk.
    pub(super) fn take(&mut self, changed: Changed) {
        self.0.extend(changed);
    }
}

/// Writes events; says of each whether it was not there yet.
pub(super) async fn put(connection: &mut SqliteConnection, found: &[Found<'_>]) -> Result<Vec<bool>, sqlx::Error> {
    let mut new = Vec::with_capacity(found.len());
    for f in found {
        let r = f.row;
        let done = sqlx::query(
            "INSERT INTO events (device, device_time, kind, vehicle, received, time, lat, lon, odometer, source, changed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(r.device.id)
        .bind(r.device_time.0)
        .bind(f.event.name())
        .bind(r.device.vehicle.as_str())
        .bind(r.received.0)
        .bind(made(r).0)
        .bind(r.position.map(|p| p.lat))
        .bind(r.position.map(|p| p.lon))
        .bind(r.said.odometer_m.and_then(|m| i64::try_from(m).ok()))
        .bind(r.source.name())
        .bind(f.changed)
        .execute(&mut *connection)
        .await?;
        new.push(done.rows_affected() > 0);
    }
    Ok(new)
}

impl Journal {
    /// What has happened to devices since a moment, of one vehicle or of all, the latest last; of more than ten
    /// thousand the latest ten thousand.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn happened(&self, since: UnixMs, vehicle: Option<&VehicleId>) -> Result<Vec<Happened>, JournalError> {
        let rows = sqlx::query(
            "SELECT d.key, e.* FROM events e JOIN devices d ON d.id = e.device
             WHERE e.time >= ?1 AND (?2 IS NULL OR e.vehicle = ?2) ORDER BY e.time DESC, e.id DESC LIMIT ?3",
        )
        .bind(since.0)
        .bind(vehicle.map(VehicleId::as_str))
        .bind(MOST)
        .fetch_all(&mut *self.reader.lock().await)
        .await?;
        // What a later version wrote is passed over.
        let read = rows.iter().rev().filter_map(|r| happened(r).transpose());
        Ok(read.collect::<Result<_, _>>()?)
    }
}

fn happened(r: &SqliteRow) -> Result<Option<Happened>, sqlx::Error> {
    let (kind, source): (String, String) = (r.try_get("kind")?, r.try_get("source")?);
    let (Some(event), Some(source)) = (DeviceEvent::named(&kind), source_named(&source)) else { return Ok(None) };
    Ok(Some(Happened {
        device: DeviceKey::from(r.try_get::<String, _>("key")?),
        vehicle: VehicleId::from(r.try_get::<String, _>("vehicle")?),
        event,
        time: UnixMs(r.try_get("time")?),
        received: UnixMs(r.try_get("received")?),
        place: r.try_get::<Option<f64>, _>("lat")?.zip(r.try_get::<Option<f64>, _>("lon")?),
        odometer_m: r.try_get::<Option<i64>, _>("odometer")?.and_then(|m| u64::try_from(m).ok()),
        source,
        changed: r.try_get("changed")?,
    }))
}
