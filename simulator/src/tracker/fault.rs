//! What can be wrong with a tracker, its receiver, its clock and its network, as data: which fault,
//! in whose tracker, when and where. What a fault does stands in the neighbouring files; who has it
//! is drawn by name, so that the same seed gives the same tracker the same faults.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tracker_ingest::codec::Protocol;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use super::Tracker;
use crate::chance::{Topic, chance, unit, word};

/// What is wrong.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// A fix every so many seconds, 1 to 60, instead of the tracker's own interval.
    Interval {
        /// Seconds.
        seconds: u32,
    },
    /// No network: records are stored and sent when there is one again.
    DeadZone {
        /// Which of them first.
        order: Order,
    },
    /// Records are sent a second time.
    Duplicates {
        /// How many, 0..=1.
        chance: f64,
    },
    /// Records are overtaken by later ones.
    Reordering {
        /// How many, 0..=1.
        chance: f64,
    },
    /// The tracker's clock is wrong.
    ClockSkew {
        /// Ahead at the start of the service day, seconds; negative = behind.
        seconds: f64,
        /// And so much more with every hour, seconds.
        per_hour: f64,
    },
    /// The receiver counts weeks in ten bits and thinks it is 1024 weeks ago (IS-GPS-200, 20.3.3.3.1.1).
    WeekRollover,
    /// Switched on after a long time off: no fix until the almanac is there.
    ColdStart {
        /// How long it takes, minutes from and to.
        minutes: (f64, f64),
        /// What it says until then.
        says: Says,
    },
    /// High houses: the signal comes by way of walls.
    UrbanCanyon {
        /// Deviation of the error on each axis, metres.
        metres: f64,
    },
    /// A vehicle at rest seems to wander.
    ParkedDrift {
        /// How far, metres.
        metres: f64,
    },
    /// The last place again and again, each time as if it were new.
    Frozen,
    /// The tracker gives an IMEI that is on no list: somebody mistyped it.
    WrongImei,
    /// Messages are damaged on the wire, then sent right.
    Damage {
        /// How many records are in such a message, 0..=1.
        chance: f64,
        /// How.
        how: Damage,
    },
    /// Noise on the satellites' frequencies: nobody there has a fix.
    Jamming {
        /// What trackers say meanwhile.
        says: Says,
    },
    /// A false signal: everybody there has the same wrong fix.
    Spoofing {
        /// Where it says they are: latitude and longitude, degrees.
        to: (f64, f64),
    },
}

/// In which order stored records leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// As they were made.
    OldestFirst,
    /// The last one first.
    NewestFirst,
}

/// What a tracker without a fix says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// Nothing at all.
    Nothing,
    /// Where it last was, marked as not valid.
    LastPlace,
    /// That it is there, without a position.
    NoPlace,
}

/// What happens to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// A bit is turned.
    Bits,
    /// The connection ends in the middle.
    Cut,
}

impl Kind {
    /// Every name, as scenarios and the file of faults have it.
    pub const NAMES: [&'static str; 14] = [
        "interval",
        "dead_zone",
        "duplicates",
        "reordering",
        "clock_skew",
        "week_rollover",
        "cold_start",
        "urban_canyon",
        "parked_drift",
        "frozen",
        "wrong_imei",
        "damage",
        "jamming",
        "spoofing",
    ];

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Interval { .. } => "interval",
            Self::DeadZone { .. } => "dead_zone",
            Self::Duplicates { .. } => "duplicates",
            Self::Reordering { .. } => "reordering",
            Self::ClockSkew { .. } => "clock_skew",
            Self::WeekRollover => "week_rollover",
            Self::ColdStart { .. } => "cold_start",
            Self::UrbanCanyon { .. } => "urban_canyon",
            Self::ParkedDrift { .. } => "parked_drift",
            Self::Frozen => "frozen",
            Self::WrongImei => "wrong_imei",
            Self::Damage { .. } => "damage",
            Self::Jamming { .. } => "jamming",
            Self::Spoofing { .. } => "spoofing",
        }
    }
}

impl fmt::Display for Kind {
    /// Its parameters, `key=value` with blanks between; nothing for a kind that has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval { seconds } => write!(f, "seconds={seconds}"),
            Self::DeadZone { order } => write!(f, "order={}", order.name()),
            Self::Duplicates { chance } | Self::Reordering { chance } => write!(f, "chance={chance}"),
            Self::ClockSkew { seconds, per_hour } => write!(f, "seconds={seconds} per_hour={per_hour}"),
            Self::WeekRollover | Self::Frozen | Self::WrongImei => Ok(()),
            Self::ColdStart { minutes: (from, to), says } => write!(f, "minutes={from}..{to} says={}", says.name()),
            Self::UrbanCanyon { metres } | Self::ParkedDrift { metres } => write!(f, "metres={metres}"),
            Self::Damage { chance, how } => write!(f, "chance={chance} how={}", how.name()),
            Self::Jamming { says } => write!(f, "says={}", says.name()),
            Self::Spoofing { to: (lat, lon) } => write!(f, "lat={lat} lon={lon}"),
        }
    }
}

impl Order {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::OldestFirst, Self::NewestFirst];

    /// As scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldest_first",
            Self::NewestFirst => "newest_first",
        }
    }
}

impl Says {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::LastPlace, Self::NoPlace];

    /// As scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::LastPlace => "last_place",
            Self::NoPlace => "no_place",
        }
    }
}

impl Damage {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Bits, Self::Cut];

    /// As scenarios write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bits => "bits",
            Self::Cut => "cut",
        }
    }
}

/// In whose tracker. A tracker must fit all that is given.
#[derive(Clone, PartialEq, Debug)]
pub struct Who {
    /// So many of the fleet, 0..=1, drawn by their names.
    pub share: f64,
    /// Only these; empty = any.
    pub vehicles: BTreeSet<VehicleId>,
    /// Only trackers that speak one of these; empty = any.
    pub protocols: Vec<Protocol>,
}

impl Default for Who {
    /// Everybody.
    fn default() -> Self {
        Self { share: 1.0, vehicles: BTreeSet::new(), protocols: Vec::new() }
    }
}

/// A circle on the Earth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Zone {
    /// The middle's latitude, degrees.
    pub lat: f64,
    /// Its longitude, degrees.
    pub lon: f64,
    /// Metres.
    pub radius_m: f64,
}

/// A fault that comes and goes, for each tracker by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spells {
    /// How often, on average.
    pub per_hour: f64,
    /// How long, minutes from and to.
    pub minutes: (f64, f64),
}

/// A fault: what, whose, when, where.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What.
    pub kind: Kind,
    /// Whose.
    pub who: Who,
    /// From when to before when; `None` = always.
    pub window: Option<(UnixMs, UnixMs)>,
    /// Where the vehicle truly is; `None` = everywhere.
    pub zone: Option<Zone>,
    /// Only now and then; `None` = all the time.
    pub spells: Option<Spells>,
}

impl Rule {
    /// A fault of everybody, always and everywhere.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, who: Who::default(), window: None, zone: None, spells: None }
    }
}

/// The faults of a fleet, in the order in which they act on a report. None by default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Faults {
    rules: Arc<[Rule]>,
}

/// There are more faults than a report can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} faults are given; a fleet takes {max} at most", max = Faults::MOST)]
pub struct TooMany(pub usize);

impl Faults {
    /// The most that a fleet can have.
    pub const MOST: usize = 64;

    /// These faults.
    ///
    /// # Errors
    /// When there are more than [`Self::MOST`].
    pub fn new(rules: Vec<Rule>) -> Result<Self, TooMany> {
        if rules.len() > Self::MOST { Err(TooMany(rules.len())) } else { Ok(Self { rules: rules.into() }) }
    }

    /// All of them, each with its number.
    pub fn rules(&self) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate()
    }

    /// One of them.
    #[must_use]
    pub fn rule(&self, n: usize) -> Option<&Rule> {
        self.rules.get(n)
    }

    /// Those that a tracker has, with their numbers.
    pub(super) fn of<'a>(&'a self, tracker: &'a Tracker) -> impl Iterator<Item = (usize, &'a Rule)> + 'a {
        self.rules().filter(|(n, rule)| has(tracker, *n, rule))
    }
}

fn has(tracker: &Tracker, n: usize, rule: &Rule) -> bool {
    let who = &rule.who;
    let named = who.vehicles.is_empty() || who.vehicles.contains(&tracker.vehicle);
    let speaks = who.protocols.is_empty() || who.protocols.contains(&tracker.protocol);
    let mut rng = chance(tracker.seed, Topic::FaultOf, word(tracker.vehicle.as_str()), name(n, &rule.kind));
    named && speaks && unit(&mut rng) < who.share
}

/// A fault's name in draws: what it is and its place in the list.
pub(super) fn name(n: usize, kind: &Kind) -> u64 {
    word(kind.name()) ^ (n as u64).rotate_left(48)
}
