//! The live matcher, predictor and learner, fed from files on a simulated clock; nothing else
//! (DESIGN §2, *replay*). Same input, same output, byte for byte.

pub mod files;
pub mod model_file;
pub mod outputs;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use crate::engine::{Counts, Engine, Settings};
use crate::explain::Explanation;
use files::{FixFile, ReadError};
use outputs::Outputs;

/// What to replay, and where to.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Fixes, in the order to run them.
    pub fixes: Vec<PathBuf>,
    /// No prediction is written before this moment.
    pub predict_from: Option<UnixMs>,
    /// Seconds of clock between predictions; 0 is read as 60.
    pub every: i64,
    /// How far ahead predictions are written, seconds.
    pub horizon: i64,
    /// Where predictions go.
    pub predictions: Option<PathBuf>,
    /// Where stop events go.
    pub stop_events: Option<PathBuf>,
    /// Where matches go.
    pub matches: Option<PathBuf>,
    /// Folder the model is taken from and kept in.
    pub model: Option<PathBuf>,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The fixes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An output could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Fixes read.
    pub fixes: u64,
    /// Prediction rows written.
    pub predictions: u64,
    /// Seconds of clock between the first and the last fix, summed over the files.
    pub clock_seconds: i64,
    /// What the engine did.
    pub counts: Counts,
}

/// Replays. `progress` is told how many fixes of how many have been taken, now and then.
///
/// # Errors
/// When a file cannot be read or written; each names it, and a bad row its line and column.
pub fn run(timetable: Arc<Timetable>, plan: &Plan, progress: &mut dyn FnMut(u64, u64)) -> Result<Summary, ReplayError> {
    let every = if plan.every > 0 { plan.every } else { 60 };
    let model = match &plan.model {
        Some(dir) => model_file::load(dir),
        None => crate::engine::Model::default(),
    };
    let settings = Settings { horizon: plan.horizon.max(60) as f32, ..Settings::default() };
    let mut engine = Engine::new(Arc::clone(&timetable), settings, model);
    let mut out = Outputs::open(plan, Arc::clone(&timetable))?;
    let mut summary = Summary::default();
    for path in &plan.fixes {
        let file = FixFile::read(path)?;
        let total = file.fixes.len() as u64;
        let Some(first) = file.fixes.first() else { continue };
        let mut clock = first.received;
        let began = clock;
        let mut tick = next_tick(clock, every);
        for (n, fix) in (0u64..).zip(&file.fixes) {
            while fix.received > tick {
                at_tick(&mut engine, tick, plan, &mut out, &mut summary)?;
                // Nothing is predicted for vehicles silent for half an hour: a night is skipped.
                let idle = fix.received.secs_since(tick) > 3600 && tick.secs_since(clock) > 1800;
                tick = if idle { next_tick(fix.received.plus_secs(-every), every) } else { tick.plus_secs(every) };
            }
            clock = fix.received;
            let taken = engine.take(fix).is_ok();
            summary.fixes += 1;
            out.matched(&engine, fix, taken)?;
            if n % 8192 == 0 {
                out.events(&mut engine)?;
                progress(n, total);
            }
        }
        at_tick(&mut engine, tick, plan, &mut out, &mut summary)?;
        out.events(&mut engine)?;
        progress(total, total);
        summary.clock_seconds += clock.secs_since(began);
    }
    out.finish()?;
    summary.counts = engine.counts();
    if let Some(dir) = &plan.model {
        model_file::save(dir, engine.model())
            .map_err(|source| ReplayError::Write { path: dir.display().to_string(), source })?;
    }
    Ok(summary)
}

/// Replays up to a moment of the clock and explains what a vehicle is on then; up to the end of the files
/// unless told. `None` when it has not been heard of by then.
///
/// # Errors
/// When a file cannot be read; it is named, and a bad row's line and column.
pub fn explain(
    timetable: Arc<Timetable>,
    fixes: &[PathBuf],
    vehicle: &VehicleId,
    at: Option<UnixMs>,
) -> Result<Option<Explanation>, ReplayError> {
    let mut engine = Engine::new(timetable, Settings::default(), crate::engine::Model::default());
    for path in fixes {
        for fix in &FixFile::read(path)?.fixes {
            if at.is_some_and(|at| fix.received > at) {
                return Ok(engine.explain(vehicle));
            }
            // What the engine does not take is counted by it.
            let _taken = engine.take(fix).is_ok();
        }
    }
    Ok(engine.explain(vehicle))
}

fn next_tick(after: UnixMs, every: i64) -> UnixMs {
    UnixMs::from_secs((after.secs().div_euclid(every) + 1) * every)
}

fn at_tick(
    engine: &mut Engine,
    tick: UnixMs,
    plan: &Plan,
    out: &mut Outputs,
    summary: &mut Summary,
) -> Result<(), ReplayError> {
    engine.predict_all(tick);
    if plan.predict_from.is_none_or(|from| tick >= from) {
        summary.predictions += out.predictions(engine, tick, plan.horizon)?;
    }
    Ok(())
}
