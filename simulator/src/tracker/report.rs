//! What a tracker says at one moment, and what was true then.

use tracker_ingest::codec::{Position, Record};
use transit_model::fix::Fix;
use transit_model::time::{ServiceDate, UnixMs};

use super::fault::Damage;
use crate::drive::TrueState;

/// What a report says of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It stands by the position.
    Valid,
    /// The position is one it remembers.
    Invalid,
    /// None.
    Unknown,
    /// The report was never made: the tracker said nothing at this moment.
    Unsaid,
}

/// One report of one tracker.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// As the tracker has it: `time` by its own clock, the place where it thinks it is; `received` is
    /// when it is sent and a server can have it.
    pub fix: Fix,
    /// What it says of its place.
    pub place: Place,
    /// When it was truly made.
    pub made: UnixMs,
    /// Where the vehicle truly was, and what it was doing.
    pub truth: TrueState,
    /// The vehicle's service day.
    pub date: ServiceDate,
    /// It comes under a name that is on no list.
    pub stranger: bool,
    /// What happens to the message at its first try.
    pub damage: Option<Damage>,
    /// It has been sent before.
    pub again: bool,
    /// The faults that touched it: bit `n` for rule `n` of [`super::Faults`].
    pub faults: u64,
}

impl Report {
    /// What a server that knows the fleet and believes everything has from it: nothing from a stranger,
    /// nothing without a valid position.
    #[must_use]
    pub fn heard(&self) -> Option<&Fix> {
        (self.place == Place::Valid && !self.stranger).then_some(&self.fix)
    }

    /// Whether the tracker said it at all.
    #[must_use]
    pub const fn said(&self) -> bool {
        !matches!(self.place, Place::Unsaid)
    }

    /// Whether a fault touched it.
    #[must_use]
    pub const fn touched_by(&self, rule: usize) -> bool {
        self.faults >> rule & 1 == 1
    }

    /// As a record for the wire.
    #[must_use]
    pub fn record(&self) -> Record {
        record(&self.fix, self.place)
    }
}

/// A fix as a record for the wire, with what is said of its place.
pub(crate) fn record(fix: &Fix, place: Place) -> Record {
    let valid = place == Place::Valid;
    let position = matches!(place, Place::Valid | Place::Invalid).then(|| Position {
        lat: fix.lat,
        lon: fix.lon,
        speed: fix.speed,
        bearing: fix.bearing,
        satellites: Some(if valid { 11 } else { 0 }),
        valid,
        ..Position::default()
    });
    Record { time: Some(fix.time), position, reported: fix.reported.clone(), ..Record::default() }
}
