//! The dispatcher's stream: every vehicle and every route of a feed, as the engine sees them.
//!
//! One model of position serves every view: the next stop and the share of the way to it, for where
//! a vehicle is and for where the timetable wants it.

mod devices;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::{ServiceDate, UnixMs};
use crate::timetable::Mode;
use crate::warfare::Warfare;

pub use devices::{DeviceState, DeviceView, Devices, DevicesChange, ReasonView};

/// What a vehicle is doing (DESIGN §2, `replay --matches`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// In a depot.
    AtBase,
    /// Running without passengers.
    Deadhead,
    /// Standing between trips.
    Layover,
    /// On its trip.
    InProgress,
    /// On a trip, away from its line.
    OffRoute,
    /// Nobody can tell.
    #[default]
    Unknown,
}

impl Phase {
    /// As in files: `in_progress`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtBase => "at_base",
            Self::Deadhead => "deadhead",
            Self::Layover => "layover",
            Self::InProgress => "in_progress",
            Self::OffRoute => "off_route",
            Self::Unknown => "unknown",
        }
    }
}

/// What kind of vehicle it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleKind {
    /// Carries passengers by the timetable.
    #[default]
    Transit,
    /// A municipal machine of none of the kinds below.
    Machinery,
    /// Clears snow.
    Plough,
    /// Sweeps streets.
    Sweeper,
    /// Waters or washes streets.
    Tanker,
    /// A tipper lorry: carries sand, snow, rubble.
    Tipper,
}

impl VehicleKind {
    /// Every kind there is.
    pub const ALL: [Self; 6] =
        [Self::Transit, Self::Machinery, Self::Plough, Self::Sweeper, Self::Tanker, Self::Tipper];

    /// As the registry, files and messages write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transit => "transit",
            Self::Machinery => "machinery",
            Self::Plough => "plough",
            Self::Sweeper => "sweeper",
            Self::Tanker => "tanker",
            Self::Tipper => "tipper",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Whether it is a machine: it has no timetable and is never on a trip.
    #[must_use]
    pub const fn is_machinery(self) -> bool {
        self.machine().is_some()
    }

    /// What kind of machine it is; `None` for a vehicle with a timetable.
    #[must_use]
    pub const fn machine(self) -> Option<MachineKind> {
        match self {
            Self::Transit => None,
            Self::Machinery => Some(MachineKind::Other),
            Self::Plough => Some(MachineKind::Plough),
            Self::Sweeper => Some(MachineKind::Sweeper),
            Self::Tanker => Some(MachineKind::Tanker),
            Self::Tipper => Some(MachineKind::Tipper),
        }
    }
}

/// A kind of municipal machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineKind {
    /// Clears snow.
    Plough,
    /// Sweeps streets.
    Sweeper,
    /// Waters or washes streets.
    Tanker,
    /// Carries sand, snow, rubble.
    Tipper,
    /// Anything else.
    #[default]
    Other,
}

impl MachineKind {
    /// Every kind there is, in the order of [`Self::at`].
    pub const ALL: [Self; 5] = [Self::Plough, Self::Sweeper, Self::Tanker, Self::Tipper, Self::Other];

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub const fn at(self) -> usize {
        self as usize
    }

    /// As the configuration and answers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plough => "plough",
            Self::Sweeper => "sweeper",
            Self::Tanker => "tanker",
            Self::Tipper => "tipper",
            Self::Other => "other",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// A place on a trip.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// `stop_id` of the next stop.
    pub next_stop: String,
    /// Its `stop_sequence`.
    pub next_sequence: u32,
    /// How much of the way to it from the stop before is done, 0..=1.
    pub fraction: f64,
}

/// A stop ahead.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StopAhead {
    /// `stop_id`.
    pub stop_id: String,
    /// Its name.
    pub name: String,
    /// `stop_sequence`.
    pub stop_sequence: u32,
    /// The timetable's arrival.
    pub scheduled: UnixMs,
    /// The predicted arrival.
    pub arrival: UnixMs,
    /// One in ten comes before this.
    pub arrival_p10: UnixMs,
    /// Nine in ten come before this.
    pub arrival_p90: UnixMs,
    /// The predicted departure.
    pub departure: UnixMs,
}

/// The trip a vehicle is on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VehicleTrip {
    /// `trip_id`.
    pub trip_id: String,
    /// Its service day.
    pub service_date: ServiceDate,
    /// `route_id`.
    pub route_id: String,
    /// What is written on the vehicle.
    pub route: String,
    /// `direction_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<u8>,
    /// Where it goes.
    pub headsign: String,
    /// `block_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_id: Option<String>,
}

/// A vehicle without a believable position, carried on by calculation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeldView {
    /// Why.
    pub by: Warfare,
    /// Since its last true position.
    pub since: UnixMs,
    /// Until then; later it is given up to the timetable.
    pub until: UnixMs,
}

/// A vehicle.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VehicleView {
    /// Its public name.
    pub id: String,
    /// What kind it is.
    pub kind: VehicleKind,
    /// What it is doing.
    pub phase: Phase,
    /// How sure that is, 0..=1.
    pub confidence: f64,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Degrees clockwise from north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<f64>,
    /// m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// When its last fix was made.
    pub fix_time: UnixMs,
    /// Its trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trip: Option<VehicleTrip>,
    /// Where it is on the trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Where the timetable wants it now, on the same trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_place: Option<Place>,
    /// Behind the timetable, seconds; negative = early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<i64>,
    /// It is jammed or spoofed: what is ahead is calculated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
    /// Stops ahead, at most 30, of this trip and into the next of its block.
    #[serde(default)]
    pub stops_ahead: Vec<StopAhead>,
}

/// A row of the overview.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteView {
    /// `route_id`.
    pub id: String,
    /// What is written on the vehicle.
    pub name: String,
    /// Its long name; may be empty.
    pub long_name: String,
    /// Its mode.
    pub mode: Mode,
    /// Trips the timetable has on the road now.
    pub scheduled: u32,
    /// Vehicles in service on it now, seen within three minutes.
    pub running: u32,
    /// Of those: more than a minute early.
    pub early: u32,
    /// Of those: from a minute early to five late.
    pub on_time: u32,
    /// Of those: more than five minutes late.
    pub late: u32,
    /// The latest fix of any of its vehicles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<UnixMs>,
}

/// A stop on a ladder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LadderStop {
    /// `stop_id`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One rail of a route's ladder: the stops of a direction's most-run pattern, then those of its other patterns that it lacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LadderRail {
    /// `direction_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<u8>,
    /// Where it goes.
    pub headsign: String,
    /// In the order they are passed.
    pub stops: Vec<LadderStop>,
}

/// A machine, in the dispatcher's list; where it is stands in its [`VehicleView`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MachineRow {
    /// Its public name.
    pub id: String,
    /// What it is.
    pub kind: MachineKind,
    /// `moving`, `standing` or `silent`.
    pub state: String,
    /// Since when.
    pub since: UnixMs,
    /// What its tracker says of its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working: Option<bool>,
    /// The street it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// The zones it is in, the last entered first.
    #[serde(default)]
    pub zones: Vec<String>,
}

/// A street, in the dispatcher's list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreetRow {
    /// Its id.
    pub id: String,
    /// Its name, with its district where it has one.
    pub name: String,
    /// Metres.
    pub length_m: u32,
    /// How much of it was passed since the shift began, per cent.
    pub percent: u8,
    /// When it was last passed, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_passed: Option<UnixMs>,
    /// By which kind of machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_kind: Option<MachineKind>,
}

/// Machines and the streets they serve.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MachineryState {
    /// When the shift began.
    pub shift: UnixMs,
    /// Every machine heard in the last day, by id.
    pub machines: Vec<MachineRow>,
    /// How many streets there are.
    pub streets_in_all: u32,
    /// How much of all their length was passed since the shift began, per cent.
    pub percent: u8,
    /// The streets that were not passed for longest, those never passed first; at most 100.
    pub streets: Vec<StreetRow>,
}

/// Something that needs a dispatcher.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Concern {
    /// Names the concern for as long as it lasts.
    pub key: String,
    /// 1 = look now, 2 = look soon, 3 = to know.
    pub level: u8,
    /// What it is: `silent`, `off_route`, `two_on_one_trip`, `unknown_device`, `rejected`, …
    pub kind: String,
    /// Ukrainian.
    pub text_uk: String,
    /// English.
    pub text_en: String,
    /// The vehicle it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle_id: Option<String>,
    /// The route it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_id: Option<String>,
    /// Since when.
    pub since: UnixMs,
}

/// The whole state of a feed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DispatchState {
    /// When this was true, for people.
    pub as_of: String,
    /// The same on the clock every time in here counts by.
    pub now: UnixMs,
    /// How many seconds of that clock pass in a second: 1 but in a demo.
    pub clock_speed: f64,
    /// The feed.
    pub feed: String,
    /// Its publisher or first agency.
    pub name: String,
    /// IANA name of the city's zone.
    pub zone: String,
    /// Every route that has trips today or a vehicle now, in the order of the overview.
    pub routes: Vec<RouteView>,
    /// The rails of each route, by `route_id`.
    pub ladders: BTreeMap<String, Vec<LadderRail>>,
    /// Every vehicle seen today.
    pub vehicles: Vec<VehicleView>,
    /// What needs somebody, the most urgent first.
    pub concerns: Vec<Concern>,
    /// The trackers, and what of theirs was refused.
    #[serde(default)]
    pub devices: Devices,
    /// Machines and the streets they serve.
    #[serde(default)]
    pub machinery: MachineryState,
}

/// What has changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DispatchChange {
    /// As in [`DispatchState`].
    pub as_of: String,
    /// As in [`DispatchState`].
    pub now: UnixMs,
    /// Routes that differ, whole.
    #[serde(default)]
    pub routes: Vec<RouteView>,
    /// Vehicles that are new or differ, whole.
    #[serde(default)]
    pub vehicles: Vec<VehicleView>,
    /// Vehicles that are no longer there.
    #[serde(default)]
    pub gone: Vec<String>,
    /// All concerns, when any differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concerns: Option<Vec<Concern>>,
    /// What of the trackers differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DevicesChange>,
    /// Machines and streets, whole, when any differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machinery: Option<Box<MachineryState>>,
}

/// A message of `WS /v1/dispatch`, at most one a second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DispatchMessage {
    /// The whole state: first, and after a gap.
    Snapshot {
        /// Grows by one with each snapshot or change.
        seq: u64,
        /// The state.
        state: Box<DispatchState>,
    },
    /// A difference from the message with the `seq` before.
    Change {
        /// As in `Snapshot`.
        seq: u64,
        /// The difference.
        change: DispatchChange,
    },
    /// Nothing has changed.
    Heartbeat {
        /// Of the last snapshot or change.
        seq: u64,
        /// As in [`DispatchState`].
        now: UnixMs,
    },
}

impl DispatchState {
    /// Takes a change in.
    pub fn apply(&mut self, change: DispatchChange) {
        self.as_of = change.as_of;
        self.now = change.now;
        for r in change.routes {
            match self.routes.iter_mut().find(|have| have.id == r.id) {
                Some(have) => *have = r,
                None => self.routes.push(r),
            }
        }
        self.vehicles.retain(|v| !change.gone.contains(&v.id));
        for v in change.vehicles {
            match self.vehicles.binary_search_by(|have| have.id.cmp(&v.id)) {
                Ok(at) => {
                    if let Some(have) = self.vehicles.get_mut(at) {
                        *have = v;
                    }
                }
                Err(at) => self.vehicles.insert(at, v),
            }
        }
        if let Some(concerns) = change.concerns {
            self.concerns = concerns;
        }
        if let Some(devices) = change.devices {
            self.devices.apply(devices);
        }
        if let Some(machinery) = change.machinery {
            self.machinery = *machinery;
        }
    }

    /// The difference that turns `self` into `next`; `None` when nothing but the time differs.
    #[must_use]
    pub fn difference(&self, next: &Self) -> Option<DispatchChange> {
        let routes: Vec<_> = next.routes.iter().filter(|r| !self.routes.contains(r)).cloned().collect();
        let known = |id: &str| self.vehicles.binary_search_by(|v| v.id.as_str().cmp(id)).ok();
        let vehicles: Vec<_> = next
            .vehicles
            .iter()
            .filter(|v| known(&v.id).and_then(|at| self.vehicles.get(at)) != Some(*v))
            .cloned()
            .collect();
        let stays = |id: &str| next.vehicles.binary_search_by(|v| v.id.as_str().cmp(id)).is_ok();
        let gone: Vec<_> = self.vehicles.iter().filter(|v| !stays(&v.id)).map(|v| v.id.clone()).collect();
        let concerns = (self.concerns != next.concerns).then(|| next.concerns.clone());
        let devices = self.devices.difference(&next.devices);
        let machinery = (self.machinery != next.machinery).then(|| Box::new(next.machinery.clone()));
        let same = routes.is_empty() && vehicles.is_empty() && gone.is_empty();
        if same && concerns.is_none() && devices.is_none() && machinery.is_none() {
            return None;
        }
        let as_of = next.as_of.clone();
        Some(DispatchChange { as_of, now: next.now, routes, vehicles, gone, concerns, devices, machinery })
    }
}
