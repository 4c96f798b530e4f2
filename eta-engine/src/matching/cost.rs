//! What everything costs, in one unit: half squared standard deviations, as a log-likelihood would
//! be. One page, so that the constants can be read and argued with together (`docs/matching.md`).

/// GPS noise across the line, metres: trackers in streets are 5 to 10 m off, feeds' lines as much.
pub const OFF_SIGMA: f32 = 15.0;
/// No single fix may cost more: an outlier must not overturn a trip.
pub const OFF_MAX: f32 = 9.0;
/// Beyond this a fix is not on the line at all, metres.
pub const CORRIDOR: f32 = 90.0;
/// A corridor for taking a vehicle up, metres: nearer, since a city's lines are often 100 m apart.
pub const SPAWN_WITHIN: f32 = 60.0;
/// Driving against the line.
pub const AGAINST: f32 = 4.0;
/// Going back along the line by more than noise.
pub const BACKWARDS: f32 = 2.0;
/// What old evidence keeps of its weight from fix to fix: about twenty fixes count.
pub const MEMORY: f32 = 0.95;
/// A new hypothesis must be this much cheaper before it takes over.
pub const HYSTERESIS: f32 = 2.5;
/// A trip that another vehicle runs.
pub const CLAIMED: f32 = 8.0;
/// The trip the block says comes next costs less by this.
pub const BLOCK: f32 = 5.0;
/// The route the vehicle says it is on costs less by this.
pub const REPORTED_ROUTE: f32 = 8.0;

/// The cost of lying so many metres off the line.
#[must_use]
pub fn off(metres: f32) -> f32 {
    let z = metres / OFF_SIGMA;
    (0.5 * z * z).min(OFF_MAX)
}

/// The cost of heading: free within 45 degrees, [`AGAINST`] when driving the other way.
#[must_use]
pub fn heading(degrees: f32) -> f32 {
    AGAINST * ((degrees - 45.0) / 75.0).clamp(0.0, 1.0)
}

/// The cost of being so many seconds behind the timetable (negative = early), while under way.
/// Early counts worse than late: drivers are held back, never pushed on.
#[must_use]
pub fn delay(seconds: f32) -> f32 {
    let minutes = seconds / 60.0;
    if minutes < 0.0 { (-minutes).min(20.0) * 0.9 } else { 0.22 * minutes }
}

/// The cost of standing at the start of a trip so many seconds before it begins (negative: after).
#[must_use]
pub fn waiting(seconds_before: f32) -> f32 {
    let minutes = seconds_before / 60.0;
    if minutes >= 0.0 { 0.12 * minutes } else { -0.22 * minutes }
}
