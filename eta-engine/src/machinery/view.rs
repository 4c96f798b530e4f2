//! What readers see of machines, zones and streets: immutable, part of a [`World`](crate::world::World).

use std::sync::Arc;

use transit_model::dispatch::{Concern, MachineKind};
use transit_model::ids::VehicleId;
use transit_model::plane::Plane;
use transit_model::time::{UnixMs, Zone as TimeZone};

use super::ledger::{OfStreet, Passes, Served};
use super::streets::Streets;
use super::zones::{Stay, ZoneKind, Zones};

/// A machine that says nothing for so long is silent, seconds.
pub const SILENT: i64 = 180;
/// That a machine has left a zone is raised for so long, seconds.
const LEFT: i64 = 1800;

/// What a machine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It moves.
    Moving,
    /// It stands.
    Standing,
    /// It has not been heard for three minutes.
    Silent,
}

impl Doing {
    /// As in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Standing => "standing",
            Self::Silent => "silent",
        }
    }
}

/// A machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// Its public name.
    pub id: VehicleId,
    /// What it is.
    pub kind: MachineKind,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// m/s.
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    pub bearing: Option<f32>,
    /// When its last fix was made.
    pub fix_time: UnixMs,
    /// Whether it moved at its last fix.
    pub moving: bool,
    /// Since when it moves or stands.
    pub since: UnixMs,
    /// What its tracker says of its work.
    pub working: Option<bool>,
    /// The street it is on, by its place in [`Streets::all`].
    pub street: Option<u32>,
    /// The zones it is in.
    pub stays: Vec<Stay>,
    /// The zones it left last: which, and when.
    pub left: Vec<(u32, UnixMs)>,
}

impl Machine {
    /// What it does at a moment, and since when.
    #[must_use]
    pub fn doing(&self, now: UnixMs) -> (Doing, UnixMs) {
        if now.secs_since(self.fix_time) > SILENT {
            return (Doing::Silent, self.fix_time);
        }
        (if self.moving { Doing::Moving } else { Doing::Standing }, self.since)
    }
}

/// A stay of a machine in a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visit {
    /// The zone's id.
    pub zone: String,
    /// The machine.
    pub vehicle: VehicleId,
    /// What it is.
    pub kind: MachineKind,
    /// When it came.
    pub entered: UnixMs,
    /// When it left; `None` while it is there.
    pub left: Option<UnixMs>,
}

/// How a street stands.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreetNow {
    /// When it was passed and by whom.
    pub served: Served,
    /// The part of it passed since the shift began, 0..=1.
    pub share: f32,
}

/// Machines, zones and streets at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// Every street there is.
    pub streets: Arc<Streets>,
    /// Every zone there is.
    pub zones: Arc<Zones>,
    /// The passes of each piece.
    pub passes: Arc<Vec<Passes>>,
    /// How each street stands, by its place.
    pub now: Arc<Vec<Arc<StreetNow>>>,
    /// Machines heard in the last day, by id.
    pub machines: Arc<[Machine]>,
    /// Stays in zones of the last day and those that last, by when they began.
    pub visits: Arc<[Visit]>,
    /// When the shift began.
    pub shift: UnixMs,
    /// Somebody has decided that the public is not told where machines are and have been.
    pub withheld: bool,
}

impl View {
    /// What is left of it for the public when machines may not be told of: which streets and zones there are.
    #[must_use]
    pub fn without_machines(&self) -> Self {
        Self {
            passes: Arc::default(),
            now: Arc::default(),
            machines: Arc::from([]),
            visits: Arc::from([]),
            withheld: true,
            streets: Arc::clone(&self.streets),
            zones: Arc::clone(&self.zones),
            shift: self.shift,
        }
    }

    /// Of a city without streets, zones and machines.
    #[must_use]
    pub fn none(plane: Plane) -> Self {
        Self {
            streets: Arc::new(Streets::none(plane)),
            zones: Arc::default(),
            passes: Arc::default(),
            now: Arc::default(),
            machines: Arc::from([]),
            visits: Arc::from([]),
            shift: UnixMs(0),
            withheld: false,
        }
    }

    /// The passes of a street, to be asked.
    #[must_use]
    pub fn street(&self, at: u32) -> Option<OfStreet<'_>> {
        let street = self.streets.all().get(at as usize)?;
        Some(OfStreet { pieces: self.streets.pieces(), passes: &self.passes, street })
    }

    /// What of the zones a dispatcher is told.
    #[must_use]
    pub fn concerns(&self, now: UnixMs, zone: &TimeZone) -> Vec<Concern> {
        let mut found = Vec::new();
        for m in self.machines.iter() {
            for stay in &m.stays {
                let Some(z) = self.zones.all().get(stay.zone as usize) else { continue };
                if z.raise.on_enter() && z.concerns(m.kind) {
                    let (uk, en) = (format!("{} у зоні «{}»", m.id, z.name), english(&z.name, z.name_en.as_deref()));
                    let level = if z.kind == ZoneKind::Forbidden { 1 } else { 3 };
                    let en = format!("{} is in zone “{en}”", m.id);
                    found.push(concern("zone_entered", level, m, &z.id, stay.since, (uk, en)));
                }
            }
            for (n, left) in m.left.iter().filter(|(_, left)| now.secs_since(*left) < LEFT) {
                let Some(z) = self.zones.all().get(*n as usize) else { continue };
                if z.raise.on_leave() && z.concerns(m.kind) {
                    let at = zone.hhmm(*left);
                    let (uk, en) =
                        (format!("{} поза зоною «{}» з {at}", m.id, z.name), english(&z.name, z.name_en.as_deref()));
                    let en = format!("{} out of zone “{en}” since {at}", m.id);
                    found.push(concern("zone_left", 2, m, &z.id, *left, (uk, en)));
                }
            }
        }
        found
    }
}

fn english<'a>(name: &'a str, english: Option<&'a str>) -> &'a str {
    english.unwrap_or(name)
}

fn concern(kind: &str, level: u8, m: &Machine, zone: &str, since: UnixMs, (uk, en): (String, String)) -> Concern {
    Concern {
        key: format!("{kind}:{zone}:{}", m.id),
        level,
        kind: kind.to_owned(),
        text_uk: uk,
        text_en: en,
        vehicle_id: Some(m.id.to_string()),
        route_id: None,
        since,
    }
}
