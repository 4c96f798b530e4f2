//! What the engine learns while it runs: how long each link takes and when, how long vehicles dwell,
//! how far off its own predictions are. Learning is always on; nothing here knows a vehicle.

pub mod calibration;
pub mod halts;
pub mod links;
pub mod paces;
pub mod residual;
pub mod signs;
pub mod ties;
pub mod yards;
