//! What outlives the process: the model, the stop events, the tokens. One trait for every database;
//! the engine never waits for it, and a lost database degrades history only.

mod machinery;
pub mod measures;
pub mod sqlite;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::{LinkKey, Timetable};

use crate::accuracy::tally::Tally;
use crate::auth::{Role, TokenRow};
use crate::engine::run::StopEvent;
use crate::engine::{Holding, Lasting, Model};
use crate::learning::calibration::Calibration;
use crate::learning::halts::Halts;
use crate::learning::links::{LinkStats, ModelFrame};
use crate::learning::residual::Residual;
use crate::public::measure::{Ended, Measure};

pub use self::measures::AuditRow;
use crate::machinery::{Saved, Unsaved};

/// The store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened or made.
    #[error("cannot open the engine's store {path}: {source}")]
    Open {
        /// Which.
        path: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Its tables are of a version this program does not know, or cannot be made.
    #[error("cannot bring the engine's store {path} to this version: {source}")]
    Migrate {
        /// Which.
        path: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A query failed.
    #[error("the engine's store failed: {0}")]
    Query(#[from] sqlx::Error),
}

/// A stop event as it is kept: by names, so that it outlives the feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopEventRow {
    /// The service day.
    pub service_date: ServiceDate,
    /// `trip_id`.
    pub trip_id: String,
    /// Start of a frequency-based run; empty for other trips.
    pub run_start: String,
    /// `stop_sequence`.
    pub stop_sequence: u32,
    /// The vehicle.
    pub vehicle_id: String,
    /// `stop_id`.
    pub stop_id: String,
    /// When it came.
    pub arrival: Option<UnixMs>,
    /// When it left.
    pub departure: Option<UnixMs>,
}

impl StopEventRow {
    /// A stop event by names.
    #[must_use]
    pub fn of(e: &StopEvent, vehicle_id: &str, t: &Timetable) -> Self {
        let trip = t.trips.at(e.on.trip);
        Self {
            service_date: e.on.date,
            trip_id: trip.id.to_string(),
            run_start: trip.run_start.map_or_else(String::new, |s| s.to_string()),
            stop_sequence: t.pattern_of(e.on.trip).call(e.pos).map_or(0, |c| c.seq.0),
            vehicle_id: vehicle_id.to_owned(),
            stop_id: t.stops.at(e.stop).id.to_string(),
            arrival: e.arrival,
            departure: e.departure,
        }
    }
}

/// The part of the model that has changed since it was last saved.
#[derive(Clone, Debug)]
pub struct ModelUpdate {
    /// Belongs to no link.
    pub frame: ModelFrame,
    /// Links that changed.
    pub links: Vec<(LinkKey, LinkStats)>,
    /// See [`Model::halts`].
    pub halts: Halts,
    /// See [`Model::residual`].
    pub residual: Residual,
    /// The predictor's errors.
    pub calibration: Calibration,
    /// See [`Model::start_lateness`].
    pub start_lateness: f32,
    /// See [`Model::lasting`].
    pub lasting: Lasting,
    /// See [`Model::holding`].
    pub holding: Holding,
}

impl ModelUpdate {
    /// What has changed in a model since this was last asked.
    pub fn take(model: &mut Model) -> Self {
        Self {
            frame: model.links.frame(),
            links: model.links.take_touched(),
            halts: model.halts.clone(),
            residual: model.residual.clone(),
            calibration: model.calibration.clone(),
            start_lateness: model.start_lateness,
            lasting: model.lasting,
            holding: model.holding,
        }
    }
}

/// A database of the engine.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The model as it was last saved; a part that cannot be read is said by name, kept as it is
    /// until it is overwritten, and begins afresh.
    async fn load_model(&self) -> Result<Model, StoreError>;
    /// Saves what changed, all or nothing.
    async fn save_model(&self, update: &ModelUpdate) -> Result<(), StoreError>;
    /// Appends stop events; one that is there already is replaced. All or nothing.
    async fn append_stop_events(&self, events: &[StopEventRow]) -> Result<(), StoreError>;
    /// The stop events of a service day, by trip and sequence.
    async fn stop_events_of(&self, date: ServiceDate) -> Result<Vec<StopEventRow>, StoreError>;
    /// The accuracy of every service day from this one on, by day. A part that cannot be read is said by name
    /// and begins afresh.
    async fn load_accuracy(&self, from: ServiceDate) -> Result<Vec<(ServiceDate, Tally)>, StoreError>;
    /// Keeps the accuracy of a service day in place of what was there, all or nothing; days of long ago go.
    async fn save_accuracy(&self, date: ServiceDate, tally: &Tally) -> Result<(), StoreError>;
    /// Measures: every one that has not been ended, and the last thousand that have, the latest first.
    async fn measures(&self) -> Result<Vec<Measure>, StoreError>;
    /// Keeps a measure, with a line in the audit log, all or nothing; gives it back with its number.
    async fn add_measure(&self, measure: &Measure) -> Result<Measure, StoreError>;
    /// Ends a measure, with a line in the audit log; `None` when there is none of this number. One that has been
    /// ended stays as it was.
    async fn end_measure(&self, id: i64, ended: &Ended, role: Role) -> Result<Option<Measure>, StoreError>;
    /// The last lines of the audit log, the latest first.
    async fn audit(&self, most: u32) -> Result<Vec<AuditRow>, StoreError>;
    /// What machines have served, and the stays in zones that last or began at or after a moment. A part that
    /// cannot be read is said by name and begins afresh.
    async fn load_machinery(&self, since: UnixMs) -> Result<Saved, StoreError>;
    /// Keeps passes and stays in place of what was there of the same, all or nothing; what is long ago goes.
    async fn save_machinery(&self, unsaved: &Unsaved) -> Result<(), StoreError>;
    /// Every token, revoked ones too.
    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError>;
    /// Adds a token or replaces the one of the same hash.
    async fn put_token(&self, token: &TokenRow) -> Result<(), StoreError>;
}
