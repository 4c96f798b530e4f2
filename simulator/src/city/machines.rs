//! The city's four municipal machines: no timetable, a round over the streets in their shift.

use transit_model::dispatch::VehicleKind;
use transit_model::time::ServiceTime;

use super::streets::{lay, numbers};

/// What a machine does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MachineKind {
    /// Clears snow.
    Plough,
    /// Sweeps.
    Sweeper,
    /// Waters the streets.
    Tanker,
    /// Carries sand, snow, rubble.
    Tipper,
}

impl MachineKind {
    /// What it is called, in Ukrainian and English.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Plough => ("Снігоприбиральна машина", "Snow plough"),
            Self::Sweeper => ("Підмітальна машина", "Sweeper"),
            Self::Tanker => ("Поливальна машина", "Water tanker"),
            Self::Tipper => ("Самоскид", "Tipper lorry"),
        }
    }

    /// As the registry has it.
    #[must_use]
    pub const fn vehicle_kind(self) -> VehicleKind {
        match self {
            Self::Plough => VehicleKind::Plough,
            Self::Sweeper => VehicleKind::Sweeper,
            Self::Tanker => VehicleKind::Tanker,
            Self::Tipper => VehicleKind::Tipper,
        }
    }

    /// How fast it works, m/s.
    #[must_use]
    pub const fn working_speed(self) -> f64 {
        match self {
            Self::Plough => 6.0,
            Self::Sweeper => 2.8,
            Self::Tanker => 4.5,
            Self::Tipper => 9.0,
        }
    }
}

/// A machine and its round.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// Its public name.
    pub id: &'static str,
    /// What it does.
    pub kind: MachineKind,
    /// The round, from its yard and back: latitude and longitude in degrees.
    pub round: Vec<(f64, f64)>,
    /// When it leaves the yard and when it is back for good. It runs its round again and again.
    pub shift: (ServiceTime, ServiceTime),
}

/// The machines of the demo city.
#[must_use]
pub fn machines() -> Vec<Machine> {
    let streets = lay();
    let shift = |from: i32, to: i32| (ServiceTime(from * 3600), ServiceTime(to * 3600));
    let rounds: [(&str, MachineKind, _, &[&str]); 4] = [
        (
            "M-01",
            MachineKind::Plough,
            shift(4, 12),
            &[
                "yard",
                "karachun",
                "soborna",
                "park",
                "west-bank",
                "crossing",
                "station",
                "crossing",
                "machine-works",
                "west-side",
                "west-bank",
                "park",
                "university",
                "soborna",
                "karachun",
                "yard",
            ],
        ),
        (
            "M-02",
            MachineKind::Sweeper,
            shift(5, 13),
            &["yard", "bus-station", "market", "soborna", "park", "university", "soborna", "karachun", "yard"],
        ),
        (
            "M-03",
            MachineKind::Tanker,
            shift(8, 17),
            &[
                "yard",
                "bus-station",
                "market",
                "school",
                "east-side",
                "resort",
                "ceramics",
                "batiuka",
                "hospital",
                "soborna",
                "karachun",
                "yard",
            ],
        ),
        (
            "M-04",
            MachineKind::Tipper,
            shift(7, 18),
            &["yard", "bus-station", "soda-works", "khimik", "east-side", "school", "market", "bus-station", "yard"],
        ),
    ];
    rounds
        .into_iter()
        .filter_map(|(id, kind, shift, way)| {
            let line = streets.line(&numbers(way))?;
            let round = line.points().iter().map(|p| streets.plane.lat_lon(*p)).collect();
            Some(Machine { id, kind, round, shift })
        })
        .collect()
}
