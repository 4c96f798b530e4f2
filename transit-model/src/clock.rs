//! Where "now" comes from. The only module of the project that may ask the system for the time or
//! for chance; everything else is handed a [`Clock`] or a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::UnixMs;

/// Something that knows what time it is.
pub trait Clock: Send + Sync + 'static {
    /// The moment it is.
    fn now(&self) -> UnixMs;

    /// How many seconds of this clock pass in a second of real time; 1 but in a demo or a test.
    fn speed(&self) -> f64 {
        1.0
    }

    /// How long to wait in real time for so much time of this clock to pass.
    fn real(&self, d: Duration) -> Duration {
        d.div_f64(self.speed().max(1e-6))
    }
}

/// A clock to share between tasks.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    fn now(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that was set to a moment of its own choosing and runs at its own speed from there, for
/// a demo of a feed whose calendar has ended, or of a day in a few minutes. Never runs backwards.
#[derive(Clone, Debug)]
pub struct ScaledClock {
    started: Instant,
    from: UnixMs,
    speed: f64,
}

impl ScaledClock {
    /// A clock that says `from` now and gains `speed` seconds a second.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    pub fn starting(from: UnixMs, speed: f64) -> Self {
        Self { started: Instant::now(), from, speed }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.from.0.saturating_add(UnixMs::from_secs_f64(self.started.elapsed().as_secs_f64() * self.speed).0))
    }

    fn speed(&self) -> f64 {
        self.speed
    }
}

/// A clock that stands still until it is told otherwise: replay and tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that says `now`.
    #[must_use]
    pub const fn at(now: UnixMs) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets it; a moment in its past is ignored, for time never runs backwards.
    pub fn set(&self, now: UnixMs) {
        self.0.fetch_max(now.0, Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, d: Duration) {
        self.0.fetch_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }
}

/// A stopwatch for latencies and progress; monotone, unrelated to any [`Clock`].
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Real time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Thirty-two bytes of chance from the operating system, for tokens and seeds.
///
/// # Errors
/// When the system gives none.
pub fn entropy() -> std::io::Result<[u8; 32]> {
    use std::io::Read;
    let mut bytes = [0u8; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
