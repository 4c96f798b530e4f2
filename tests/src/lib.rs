//! A whole city under test: the real ingest, engine and web side on ports of the system's choosing, a
//! clock that stands still until a test moves it, trackers and passengers that speak the real protocols.
//!
//! Nothing sleeps. A test waits for what it waits for ([`within`] is there for a test that fails), and
//! what must not happen is looked at after something that could have caused it is known to be done.
//!
//! | module | what it is |
//! |---|---|
//! | [`street`] | the smallest city worth testing, as GTFS |
//! | [`town`] | it, open; its clock, its boards, its dispatcher's stream |
//! | [`trackers`] | a tracker of each protocol |
//! | [`streams`] | the two WebSocket streams, as a client without a line of ours reads them |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of the tests: what fails here is a test that fails"
)]

pub mod streams;
pub mod street;
pub mod town;
pub mod trackers;

use std::time::Duration;

/// Long enough for any machine; only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a future gives.
///
/// # Panics
/// When it takes longer than [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(t) => t,
        Err(_) => panic!("waited {} s in vain for {what}", PATIENCE.as_secs()),
    }
}
