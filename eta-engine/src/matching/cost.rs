//! What everything costs, in one unit: half squared standard deviations, as a log-likelihood would
//! be. One page, so that the constants can be read and argued with together (`docs/matching.md`).

/// GPS noise across the line, metres: trackers in streets are 5 to 10 m off, feeds' lines as much.
pub const OFF_SIGMA: f32 = 15.0;
/// No single fix may cost more: an outlier must not overturn a trip.
pub const OFF_MAX: f32 = 4.0;
/// Nor, once a trip is over, more than this.
pub const AFTER_END: f32 = 1.0;
/// Beyond this a fix is not on the line at all, metres.
pub const CORRIDOR: f32 = 90.0;
/// A corridor for taking a vehicle up, metres: nearer, since a city's lines are often 100 m apart.
pub const SPAWN_WITHIN: f32 = 60.0;
/// Driving against the line.
pub const AGAINST: f32 = 4.0;
/// Going back along the line by more than noise.
pub const BACKWARDS: f32 = 2.0;
/// Changing trips on the way: vehicles do that at terminals.
pub const CHANGE_ON_THE_WAY: f32 = 8.0;
/// Not waiting for the trip it seemed to wait for, but passing by on another one.
pub const CHANGE_BEFORE_START: f32 = 3.0;
/// Beginning a trip at its start after another one.
pub const CHANGE_AT_TERMINAL: f32 = 2.0;
/// A new hypothesis must be this much cheaper before it takes over.
pub const HYSTERESIS: f32 = 2.5;
/// A trip that another vehicle runs costs what that vehicle would lose by giving it up, at most this.
pub const CLAIMED: f32 = 6.0;
/// A trip that another vehicle names is that vehicle's.
pub const CLAIMED_BY_NAME: f32 = 20.0;
/// The trip the block says comes next costs less by this.
pub const BLOCK: f32 = 5.0;
/// A later trip of the block, some having been left out.
pub const BLOCK_LATER: f32 = 3.0;
/// As much again for each trip of the block, up to three, that the vehicle was seen to run before.
pub const BLOCK_MORE: f32 = 1.5;
/// A trip of the route the vehicle has just run.
pub const SAME_ROUTE: f32 = 1.5;
/// A trip that is over explains a vehicle less with each minute past the start of the next one.
pub const IDLE: f32 = 1.2;
/// Time a vehicle may take from the end of one trip to the start of the next, seconds.
pub const TURN: f64 = 60.0;
/// The route the vehicle says it is on costs less by this.
pub const REPORTED_ROUTE: f32 = 8.0;
/// The most that all that speaks for a trip together takes off: block, route run before, route reported, run.
pub const MOST_SPOKEN_FOR: f32 = BLOCK + 3.0 * BLOCK_MORE + SAME_ROUTE + REPORTED_ROUTE + TIED;

/// No sign counts for more than this against a line: it is left on, or set wrong, too often.
pub const SIGN_MAX: f32 = 5.0;
/// A sign so much likelier out of service than on a line denies it.
pub const SIGN_DENIES: f32 = 1.5;
/// Until the vehicle has run so much of the line all the same: a driver who forgot to set it.
pub const SIGN_OVERRULED: f32 = 1.0;
/// The block that its run or its operator is known to work costs less by this.
pub const TIED: f32 = 6.0;

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

/// A minute late out of the first stop, when the vehicle came late from the trip before.
const LATE_EXCUSED: f32 = 0.17;
/// What is added for a minute late without that excuse.
const LATE_UNEXCUSED: f32 = 0.3;

/// The cost of leaving the first stop so many seconds behind the timetable (negative = early), of
/// which `unexcused` seconds cannot be put down to having come late from the trip before.
#[must_use]
pub fn departure(late: f32, unexcused: f32) -> f32 {
    if late < 0.0 { delay(late) } else { (LATE_EXCUSED * late + LATE_UNEXCUSED * unexcused.clamp(0.0, 1200.0)) / 60.0 }
}

/// The cost of standing at the start of a trip so many seconds before it begins (negative: after).
#[must_use]
pub fn waiting(seconds_before: f32, unexcused: f32) -> f32 {
    if seconds_before >= 0.0 { 0.12 * seconds_before / 60.0 } else { departure(-seconds_before, unexcused) }
}

/// The cost of being later than when it set out, or earlier than then and than the timetable, seconds.
/// Small: what a street does to one trip it does to all that could be there.
#[must_use]
pub fn drift(late: f32, then: f32) -> f32 {
    let later = (late - then).max(0.0) / 60.0;
    let earlier = (then.min(0.0) - late).max(0.0) / 60.0;
    0.05 * later + 0.4 * earlier.min(20.0)
}
