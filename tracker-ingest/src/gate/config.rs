//! What the gate holds to be believable.

use serde::{Deserialize, Serialize};

use super::clock::Limits;

/// The area a feed's vehicles move in, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// Southern edge.
    pub south: f64,
    /// Western edge.
    pub west: f64,
    /// Northern edge.
    pub north: f64,
    /// Eastern edge.
    pub east: f64,
}

impl Bounds {
    /// The smallest area around some places, (latitude, longitude); `None` around none.
    #[must_use]
    pub fn around(places: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        places.into_iter().fold(None, |b: Option<Self>, (lat, lon)| {
            let b = b.unwrap_or(Self { south: lat, north: lat, west: lon, east: lon });
            Some(Self {
                south: b.south.min(lat),
                north: b.north.max(lat),
                west: b.west.min(lon),
                east: b.east.max(lon),
            })
        })
    }

    /// The area with a margin of so many metres around it.
    #[must_use]
    pub fn widened(self, metres: f64) -> Self {
        let lat = metres / 111_195.0;
        let widest = self.south.abs().max(self.north.abs()).min(85.0);
        let lon = lat / widest.to_radians().cos();
        Self { south: self.south - lat, north: self.north + lat, west: self.west - lon, east: self.east + lon }
    }

    /// Whether a place lies in it.
    #[must_use]
    pub fn contains(&self, lat: f64, lon: f64) -> bool {
        (self.south..=self.north).contains(&lat) && (self.west..=self.east).contains(&lon)
    }
}

/// The gate's limits, `[ingest.gate]`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// A fix older than this, seconds, is `too_old`.
    pub backlog_secs: u32,
    /// A fix older than this, seconds, is `stale`: history, never live.
    pub live_secs: u32,
    /// A fix further in the future than this, seconds, is `ahead`.
    pub ahead_secs: u32,
    /// The most a device's clock may be ahead, seconds, and still be corrected.
    pub max_lead_secs: u32,
    /// The most a device's clock may be behind, seconds, and still be corrected; whole 1024 weeks apart. 0: a
    /// clock is never taken for behind, which is right where a server between holds messages back.
    pub max_lag_secs: u32,
    /// The fastest a vehicle of the feed drives, m/s.
    pub max_speed_mps: f64,
    /// How far a standing receiver wanders, metres: added to what speed allows.
    pub slack_m: f64,
    /// Further than this, metres, an impossible move is a `jump`, nearer `too_fast`.
    pub jump_m: f64,
    /// How far outside the feed's area a vehicle may be, metres.
    pub margin_m: f64,
    /// How many fixes that agree with each other re-admit a device whose place or clock is not believed.
    pub readmit: u32,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            backlog_secs: 7 * 24 * 3600,
            live_secs: 600,
            ahead_secs: 5,
            max_lead_secs: 26 * 3600,
            max_lag_secs: 26 * 3600,
            max_speed_mps: 45.0,
            slack_m: 150.0,
            jump_m: 2000.0,
            margin_m: 30_000.0,
            readmit: 3,
        }
    }
}

impl GateConfig {
    /// What a clock may be.
    pub(super) const fn clock(&self) -> Limits {
        Limits {
            tolerance: self.ahead_secs as i64 * 1000,
            most: self.max_lead_secs as i64 * 1000,
            most_behind: self.max_lag_secs as i64 * 1000,
            agreeing: self.readmit,
            backlog: self.backlog_secs as i64 * 1000,
        }
    }
}
