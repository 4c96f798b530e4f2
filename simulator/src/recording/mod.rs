//! A recording played as if its vehicles were here now: a day of a city's real fixes, moved in time so that
//! its weekday and its time of day are today's, through the trackers' own protocols.
//!
//! | module | what it is |
//! |---|---|
//! | [`case`] | the folder: a timetable and days of fixes |
//! | [`read`] | the fixes of a day, row by row |
//! | [`shift`] | which day is played as today, and how far everything moves |
//! | [`calendar`] | the feed with its calendar moved by as much |
//! | [`args`] | `zupynka simulate --recording` |
//!
//! A file is read as it is played: memory is that of the vehicles, whatever the length of the day. Not here:
//! what the vehicles truly did (the case's `truth`), and whoever scores against it.

pub mod args;
pub mod calendar;
pub mod case;
pub mod read;
pub mod shift;

use std::collections::BTreeSet;

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use transit_model::clock::SharedClock;
use transit_model::fix::Fix;
use transit_model::ids::{FeedId, VehicleId};

use crate::send::relay::{Outboxes, Relays};
use crate::send::{Endpoints, SimDevice, Stats, wait_until};
use case::Case;
use read::{FixRows, ReadError};
use shift::Shift;

/// What was played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Played {
    /// Fixes whose time had come.
    pub fixes: u64,
    /// Of those, not sent: their vehicle's tracker was full of what nobody had taken.
    pub dropped: u64,
    /// What became of the rest.
    #[serde(flatten)]
    pub sent: Stats,
}

/// A recording that is ready to be played.
pub struct Player {
    case: Case,
    shift: Shift,
    relays: Relays,
    seed: u64,
}

impl Player {
    /// Looks for the vehicles of the day that is played, and of those that follow it without a gap.
    ///
    /// # Errors
    /// When a file of the recording cannot be read; a bad row is named with its line and column.
    pub fn new(
        case: Case,
        shift: Shift,
        (seed, secret): (u64, [u8; 32]),
        endpoints: Endpoints,
        feed: FeedId,
    ) -> Result<Self, ReadError> {
        let mut vehicles: BTreeSet<VehicleId> = BTreeSet::new();
        for fix in fixes(&case, shift) {
            let fix = fix?;
            if !vehicles.contains(&fix.vehicle) {
                vehicles.insert(fix.vehicle);
            }
        }
        Ok(Self { case, shift, relays: Relays::of(vehicles, (seed, secret), endpoints, feed), seed })
    }

    /// The devices that will connect: to be put on the registry first.
    #[must_use]
    pub fn devices(&self) -> Vec<SimDevice> {
        self.relays.devices()
    }

    /// Plays what is received from now on, by the clock, to the end of the recording or until told to stop.
    ///
    /// # Errors
    /// When a file cannot be read any more.
    pub async fn play(&self, clock: &SharedClock, stop: &CancellationToken) -> Result<Played, ReadError> {
        let outboxes = self.relays.open(self.seed, stop);
        let mut played = Played::default();
        let all = self.play_into(&outboxes, clock, &mut played);
        let ended = stop.run_until_cancelled(all).await.unwrap_or(Ok(()));
        played.sent = outboxes.close().await;
        ended.map(|()| played)
    }

    async fn play_into(&self, outboxes: &Outboxes, clock: &SharedClock, played: &mut Played) -> Result<(), ReadError> {
        let began = clock.now();
        for fix in fixes(&self.case, self.shift) {
            let fix = fix?;
            if fix.received < began {
                continue;
            }
            wait_until(clock, fix.received).await;
            played.fixes += 1;
            played.dropped += u64::from(!outboxes.put(fix));
        }
        Ok(())
    }
}

/// The fixes from the day that is played on, over the days that follow it without a gap, as they are played.
fn fixes(case: &Case, shift: Shift) -> impl Iterator<Item = Result<Fix, ReadError>> + '_ {
    let days = (0..).map_while(move |n| case.day(shift.from.plus_days(n)));
    let rows = |day: &case::Day| -> Box<dyn Iterator<Item = Result<Fix, ReadError>> + Send> {
        match FixRows::open(&day.fixes) {
            Ok(rows) => Box::new(rows),
            Err(e) => Box::new(std::iter::once(Err(e))),
        }
    };
    days.flat_map(rows).map(move |fix| fix.map(|f| shift.fix(f)))
}
