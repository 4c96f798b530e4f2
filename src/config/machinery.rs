//! `[machinery]`: vehicles without a timetable, their streets and zones, and when driving is work.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eta_engine::machinery::geojson::{GeoError, Within};
use eta_engine::machinery::rules::{Rule, Rules};
use eta_engine::machinery::streets::Streets;
use eta_engine::machinery::zones::Zones;
use eta_engine::machinery::{Setup, from_feed, streets, zones};
use serde::{Deserialize, Serialize};
use transit_model::dispatch::MachineKind;
use transit_model::time::ServiceTime;
use transit_model::timetable::Timetable;

use super::check::Fault;
use super::keys::{Key, Kind, Presence};

/// How far outside the feed's stops a street or zone may lie, degrees: about 50 km.
const MARGIN: f64 = 0.5;

/// `[machinery]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machinery {
    /// GeoJSON of the streets; without it the ways of the feed's lines are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streets: Option<PathBuf>,
    /// GeoJSON of the zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<PathBuf>,
    /// The hour the day's first shift begins.
    pub shift_hour: u8,
    /// Snow ploughs.
    pub plough: KindRule,
    /// Sweepers.
    pub sweeper: KindRule,
    /// Watering machines.
    pub tanker: KindRule,
    /// Tipper lorries.
    pub tipper: KindRule,
    /// Any other machine.
    pub other: KindRule,
}

impl Default for Machinery {
    fn default() -> Self {
        let none = KindRule::default;
        let (streets, zones) = (None, None);
        Self {
            streets,
            zones,
            shift_hour: 4,
            plough: none(),
            sweeper: none(),
            tanker: none(),
            tipper: none(),
            other: none(),
        }
    }
}

/// `[machinery.plough]` and its like; what is left out is as usual for the kind.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KindRule {
    /// Whether it serves streets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serves: Option<bool>,
    /// Slower it does not work, km/h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_kmh: Option<f64>,
    /// Faster it only drives by, km/h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_kmh: Option<f64>,
    /// The tracker's input that tells whether it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Whether it works only while its tracker says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_say: Option<bool>,
}

impl KindRule {
    #[expect(clippy::cast_possible_truncation, reason = "km/h")]
    fn rule(&self, kind: MachineKind) -> Rule {
        let usual = Rule::usual(kind);
        let mps = |kmh: Option<f64>, usual: f32| kmh.map_or(usual, |v| v as f32 / 3.6);
        Rule {
            serves: self.serves.unwrap_or(usual.serves),
            speed: (mps(self.min_kmh, usual.speed.0), mps(self.max_kmh, usual.speed.1)),
            must_say: self.must_say.unwrap_or(usual.must_say),
        }
    }
}

impl Machinery {
    /// The part of a kind.
    #[must_use]
    pub const fn of(&self, kind: MachineKind) -> &KindRule {
        match kind {
            MachineKind::Plough => &self.plough,
            MachineKind::Sweeper => &self.sweeper,
            MachineKind::Tanker => &self.tanker,
            MachineKind::Tipper => &self.tipper,
            MachineKind::Other => &self.other,
        }
    }

    /// When driving is work.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            kinds: MachineKind::ALL.map(|k| self.of(k).rule(k)),
            shift: ServiceTime(i32::from(self.shift_hour) * 3600),
        }
    }

    /// The inputs that tell whether machines work, by kind.
    pub fn inputs(&self) -> impl Iterator<Item = (MachineKind, &str)> {
        MachineKind::ALL.into_iter().filter_map(|k| Some((k, self.of(k).input.as_deref()?)))
    }

    /// Reads the files, for a feed.
    ///
    /// # Errors
    /// When one of them cannot be read or has faults: every fault is named.
    pub fn load(&self, t: &Timetable) -> Result<Setup, GeoError> {
        let streets = match &self.streets {
            Some(path) => read_streets(path, t)?,
            None => from_feed::streets(t),
        };
        let zones = self.zones.as_deref().map(|path| read_zones(path, t)).transpose()?.unwrap_or_default();
        Ok(Setup { streets: Arc::new(streets), zones: Arc::new(zones), rules: self.rules(), zone: t.zone.clone() })
    }

    /// Every fault of the files.
    #[must_use]
    pub fn faults(&self, t: &Timetable) -> Vec<Fault> {
        let of = |key: &str, path: &Path, e: GeoError| {
            let more = e.all.saturating_sub(e.faults.len());
            let fault = |problem: String| Fault {
                line: None,
                key: format!("machinery.{key}"),
                value: Some(format!("{:?}", path.display().to_string())),
                problem,
            };
            let named = e.faults.iter().map(|f| fault(f.to_string())).collect::<Vec<_>>();
            named.into_iter().chain((more > 0).then(|| fault(format!("{more} more faults")))).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        if let Some(path) = &self.streets {
            all.extend(read_streets(path, t).err().map(|e| of("streets", path, e)).unwrap_or_default());
        }
        if let Some(path) = &self.zones {
            all.extend(read_zones(path, t).err().map(|e| of("zones", path, e)).unwrap_or_default());
        }
        all
    }
}

fn within(t: &Timetable) -> Option<Within> {
    Within::around(t.stops.iter().map(|(_, s)| (s.lat, s.lon)), MARGIN)
}

fn open(path: &Path) -> Result<File, GeoError> {
    File::open(path).map_err(|e| {
        let mut error = GeoError::of(&path.display().to_string());
        error.whole(format!("cannot be read: {e}"));
        error
    })
}

fn read_streets(path: &Path, t: &Timetable) -> Result<Streets, GeoError> {
    streets::read(open(path)?, &path.display().to_string(), t.plane, within(t))
}

fn read_zones(path: &Path, t: &Timetable) -> Result<Zones, GeoError> {
    zones::read(open(path)?, &path.display().to_string(), t.plane, within(t))
}

/// The sections of the template.
pub(super) const SECTIONS: [(&str, &str); 6] = [
    ("machinery", "Ploughs, sweepers and other vehicles without a timetable (docs/machinery.md)."),
    ("machinery.plough", "When a snow plough counts as working."),
    ("machinery.sweeper", "When a sweeper counts as working."),
    ("machinery.tanker", "When a watering machine counts as working."),
    ("machinery.tipper", "When a tipper lorry counts as working."),
    ("machinery.other", "When a machine of any other kind counts as working."),
];

/// The keys of these sections.
pub(super) fn keys() -> Vec<Key> {
    use Presence::{Is, Off};
    let key = |section: &str, name: &str, kind, default, about| Key {
        path: format!("{section}.{name}").into(),
        kind,
        default,
        about,
    };
    let mut all = vec![
        key(
            "machinery",
            "streets",
            Kind::Path,
            Off("streets.geojson"),
            "GeoJSON lines with a name each. Left out = the ways of the feed's lines, from stop to stop.",
        ),
        key("machinery", "zones", Kind::Path, Off("zones.geojson"), "GeoJSON areas with a name each."),
        key("machinery", "shift_hour", Kind::Whole(0, 23), Is("4"), "The hour at which the day's first shift begins."),
    ];
    for (section, _) in SECTIONS.iter().skip(1) {
        let kind = section.rsplit('.').next().and_then(MachineKind::named).unwrap_or_default();
        let (serves, max) = match kind {
            MachineKind::Plough => ("true", "55.0"),
            MachineKind::Sweeper => ("true", "20.0"),
            MachineKind::Tanker => ("true", "35.0"),
            MachineKind::Tipper => ("false", "60.0"),
            MachineKind::Other => ("true", "40.0"),
        };
        all.extend([
            key(section, "serves", Kind::Bool, Is(serves), "Whether it serves the streets it drives."),
            key(section, "min_kmh", Kind::Number(0.0, 100.0), Is("0.0"), "Slower it does not work."),
            key(section, "max_kmh", Kind::Number(1.0, 150.0), Is(max), "Faster it only drives by."),
            key(
                section,
                "input",
                Kind::Text,
                Off("inputs.1"),
                "What its tracker sends that tells whether it works: an attribute as `zupynka decode` prints it \
                 (io9, ignition), or one bit of it (inputs.1 = the first); \"!\" before it turns it round.",
            ),
            key(section, "must_say", Kind::Bool, Is("false"), "Whether it works only while its tracker says so."),
        ]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_template_says_what_is_usual() {
        let config = Config::parse(&crate::config::keys::template()).unwrap();
        assert_eq!(config.machinery.rules(), Rules::default());
        assert_eq!(config.machinery.shift_hour, Machinery::default().shift_hour);
    }

    #[test]
    fn a_city_says_otherwise_for_a_kind() {
        let text =
            "[feed]\nid = \"x\"\ngtfs = \"f\"\n[machinery.tipper]\nserves = true\nmax_kmh = 36\ninput = \"!io9\"\n";
        let m = Config::parse(text).unwrap().machinery;
        let rule = m.rules().of(MachineKind::Tipper);
        assert!(rule.works(9.9, None) && !rule.works(10.1, None));
        assert_eq!(m.inputs().collect::<Vec<_>>(), [(MachineKind::Tipper, "!io9")]);
        let wrong = Config::parse("[feed]\nid = \"x\"\ngtfs = \"f\"\n[machinery.plow]\nserves = true\n").unwrap_err();
        assert!(wrong[0].to_string().contains("machinery.plow is not a section"), "{}", wrong[0]);
    }
}
