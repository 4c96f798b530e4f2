//! Electronic warfare, as the service that sees it tells those that must live with it: which receivers are
//! being fooled or deafened, where, and since when. Not here: how that is seen (ingest's gate), nor what is
//! done about it (the engine holds such vehicles by their own model).

use serde::{Deserialize, Serialize};

use crate::ids::VehicleId;
use crate::time::UnixMs;

/// What is done to the receivers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warfare {
    /// They are told they are elsewhere.
    Spoofing,
    /// They hear no satellites.
    Jamming,
}

impl Warfare {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Spoofing, Self::Jamming];

    /// The name in metrics and of the dispatcher's concern.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spoofing => "gnss_spoofing",
            Self::Jamming => "gnss_jamming",
        }
    }
}

/// An episode that lasts.
#[derive(Clone, PartialEq, Debug)]
pub struct Raid {
    /// What is done.
    pub kind: Warfare,
    /// Since when.
    pub since: UnixMs,
    /// The middle of the jammed area, or the place vehicles are said to be at; degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// How far from there receivers are deaf, metres; 0 where that place says nothing of where vehicles are.
    pub radius_m: f64,
    /// The vehicles it is known to have affected.
    pub vehicles: Vec<VehicleId>,
}
