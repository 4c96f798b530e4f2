//! Named areas (depots, districts, snow dumps, forbidden zones), and when a machine enters and leaves
//! them. Pure.

use std::io::Read;

use geo::{Contains as _, Distance as _, Euclidean, LineString, Point, Polygon, Validation as _};
use serde_json::Value;
use transit_model::dispatch::MachineKind;
use transit_model::plane::{Plane, Xy};
use transit_model::time::UnixMs;

use super::geojson::{self, Feature, GeoError, Geometry, Wanted, Within};

/// This far beyond a border is beyond it at once, metres; nearer, GPS may be wrong.
const CLEAR: f64 = 30.0;
/// So many fixes in a row beyond a border are believed however near it they are.
const AGREE: u8 = 3;

/// What an area is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// A yard of machines.
    Depot,
    /// A part of the city.
    District,
    /// Where snow is brought.
    SnowDump,
    /// Where no machine may go.
    Forbidden,
    /// Anything else.
    Other,
}

impl ZoneKind {
    const NAMES: [(&str, Self); 5] = [
        ("depot", Self::Depot),
        ("district", Self::District),
        ("snow_dump", Self::SnowDump),
        ("forbidden", Self::Forbidden),
        ("other", Self::Other),
    ];
}

/// Of what a dispatcher is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Raise {
    /// Nothing.
    None,
    /// A machine is inside.
    Enter,
    /// A machine that was inside has left.
    Leave,
    /// Both.
    Both,
}

impl Raise {
    const NAMES: [(&str, Self); 4] =
        [("none", Self::None), ("enter", Self::Enter), ("leave", Self::Leave), ("both", Self::Both)];

    /// Whether it is raised that a machine is inside.
    #[must_use]
    pub const fn on_enter(self) -> bool {
        matches!(self, Self::Enter | Self::Both)
    }

    /// Whether it is raised that a machine has left.
    #[must_use]
    pub const fn on_leave(self) -> bool {
        matches!(self, Self::Leave | Self::Both)
    }
}

/// A named area.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its lasting name for programs: `id` of the file, else its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name in English.
    pub name_en: Option<String>,
    /// What it is.
    pub kind: ZoneKind,
    /// Of what a dispatcher is told.
    pub raise: Raise,
    /// Of which machines; empty = of all.
    pub machines: Vec<MachineKind>,
    /// Whether everybody may know of it, and of machines being in it.
    pub public: bool,
    areas: Vec<Polygon<f64>>,
    box_: (Xy, Xy),
}

impl Zone {
    /// Whether the zone is about machines of this kind.
    #[must_use]
    pub fn concerns(&self, kind: MachineKind) -> bool {
        self.machines.is_empty() || self.machines.contains(&kind)
    }

    fn holds(&self, at: Xy) -> bool {
        let (lo, hi) = self.box_;
        let boxed = at.x >= lo.x && at.x <= hi.x && at.y >= lo.y && at.y <= hi.y;
        boxed && self.areas.iter().any(|a| a.contains(&point(at)))
    }

    /// Metres from the nearest border.
    fn off_border(&self, at: Xy) -> f64 {
        let p = point(at);
        let rings = self.areas.iter().flat_map(|a| std::iter::once(a.exterior()).chain(a.interiors()));
        rings.map(|ring| Euclidean.distance(&p, ring)).fold(f64::INFINITY, f64::min)
    }
}

fn point(at: Xy) -> Point<f64> {
    Point::new(f64::from(at.x), f64::from(at.y))
}

/// Every area of a city.
#[derive(Clone, Debug, Default)]
pub struct Zones(Vec<Zone>);

/// Reads the areas of a file.
///
/// Properties: `name`; `id`, `name:en`; `kind` = `depot`, `district`, `snow_dump`, `forbidden` or `other`;
/// `raise` = `none`, `enter`, `leave` or `both` (`enter` for a forbidden zone, else `none`); `machines` =
/// kinds with commas between; `public` = whether everybody may know of it (not of a forbidden zone unless
/// it says so).
///
/// # Errors
/// Every fault in it, by its place.
pub fn read(input: impl Read, file: &str, plane: Plane, within: Option<Within>) -> Result<Zones, GeoError> {
    let features = geojson::read(input, file, Wanted::Areas, within)?;
    let mut faults = GeoError::of(file);
    let mut zones: Vec<Zone> = Vec::new();
    for feature in &features {
        let Some(zone) = zone(feature, plane, &mut faults) else { continue };
        if zones.iter().any(|z| z.id == zone.id) {
            let value = feature.properties.get("id").or_else(|| feature.properties.get("name"));
            faults.feature(feature.index, "properties", value, "another zone before it has this id or name");
        }
        zones.push(zone);
    }
    faults.or(Zones(zones))
}

fn zone(feature: &Feature, plane: Plane, faults: &mut GeoError) -> Option<Zone> {
    let before = faults.all;
    let plain = feature.text("name", faults);
    let name = feature.text("name:uk", faults).or(plain);
    if name.is_none() && faults.all == before {
        faults.feature(feature.index, "properties.name", None, "is missing");
    }
    let kind = one_of(feature, "kind", &ZoneKind::NAMES, faults).unwrap_or(ZoneKind::Other);
    let usual = if kind == ZoneKind::Forbidden { Raise::Enter } else { Raise::None };
    let raise = one_of(feature, "raise", &Raise::NAMES, faults).unwrap_or(usual);
    let public = one_of(feature, "public", &[("true", true), ("false", false), ("yes", true), ("no", false)], faults);
    let machines = machines(feature, faults);
    let Geometry::Areas(areas) = &feature.geometry else { return None };
    let ring = |r: &Vec<geojson::Place>| -> LineString<f64> {
        r.iter().map(|p| plane.xy(p.lat, p.lon)).map(|p| (f64::from(p.x), f64::from(p.y))).collect()
    };
    let polygons: Vec<Polygon<f64>> = areas
        .iter()
        .filter_map(|rings| {
            let (outer, holes) = rings.split_first()?;
            Some(Polygon::new(ring(outer), holes.iter().map(ring).collect()))
        })
        .collect();
    for polygon in &polygons {
        if let Err(e) = polygon.check_validation() {
            faults.feature(feature.index, "geometry.coordinates", None, e.to_string());
        }
    }
    let corner = |pick: fn(f32, f32) -> f32, from: f32| {
        let all = polygons.iter().flat_map(|p| p.exterior().coords());
        #[expect(clippy::cast_possible_truncation, reason = "metres of a city")]
        all.fold(Xy { x: from, y: from }, |c, p| Xy { x: pick(c.x, p.x as f32), y: pick(c.y, p.y as f32) })
    };
    let box_ = (corner(f32::min, f32::INFINITY), corner(f32::max, f32::NEG_INFINITY));
    let id = feature.text("id", faults);
    let english = feature.text("name:en", faults);
    let name = name.filter(|_| faults.all == before)?;
    Some(Zone {
        id: id.unwrap_or_else(|| name.clone()),
        name,
        name_en: english,
        kind,
        raise,
        machines,
        public: public.unwrap_or(kind != ZoneKind::Forbidden),
        areas: polygons,
        box_,
    })
}

fn one_of<T: Copy>(feature: &Feature, name: &str, all: &[(&str, T)], faults: &mut GeoError) -> Option<T> {
    let value = feature.properties.get(name).filter(|v| !v.is_null())?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let found = all.iter().find(|(n, _)| *n == text.trim()).map(|(_, v)| *v);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|(n, _)| *n).collect();
        faults.feature(
            feature.index,
            &format!("properties.{name}"),
            Some(value),
            format!("must be one of {}", names.join(", ")),
        );
    }
    found
}

fn machines(feature: &Feature, faults: &mut GeoError) -> Vec<MachineKind> {
    let Some(text) = feature.text("machines", faults) else { return Vec::new() };
    let mut kinds = Vec::new();
    for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        match MachineKind::named(word) {
            Some(kind) => kinds.push(kind),
            None => {
                let names = MachineKind::ALL.map(MachineKind::name).join(", ");
                let value = Value::from(word);
                faults.feature(feature.index, "properties.machines", Some(&value), format!("there are {names}"));
            }
        }
    }
    kinds
}

impl Zones {
    /// Every area.
    #[must_use]
    pub fn all(&self) -> &[Zone] {
        &self.0
    }

    /// The area of this id, with its place in [`Self::all`].
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<(u32, &Zone)> {
        (0u32..).zip(&self.0).find(|(_, z)| z.id == id)
    }
}

/// A stay in a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stay {
    /// Which zone, by its place.
    pub zone: u32,
    /// Since when.
    pub since: UnixMs,
}

/// A border was crossed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crossed {
    /// Which zone.
    pub zone: u32,
    /// When it was entered.
    pub entered: UnixMs,
    /// When it was left; `None` for one that has just been entered.
    pub left: Option<UnixMs>,
}

/// Which zones one machine is in.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    stays: Vec<Stay>,
    /// Zones whose border may have been crossed: how many fixes say so, and since when.
    doubts: Vec<(u32, u8, UnixMs)>,
    /// What is not newer has been judged already, before a restart.
    judged: Option<UnixMs>,
}

impl Inside {
    /// In these zones, as it was known at a moment.
    #[must_use]
    pub const fn known(stays: Vec<Stay>, at: UnixMs) -> Self {
        Self { stays, doubts: Vec::new(), judged: Some(at) }
    }

    /// The zones it is in.
    #[must_use]
    pub fn stays(&self) -> &[Stay] {
        &self.stays
    }

    /// Takes a place; says which borders were crossed since the last one.
    pub fn take(&mut self, zones: &Zones, at: Xy, time: UnixMs) -> Vec<Crossed> {
        let mut crossed = Vec::new();
        if self.judged.is_some_and(|judged| time <= judged) {
            return crossed;
        }
        for (n, zone) in (0u32..).zip(zones.all()) {
            let was = self.stays.iter().position(|s| s.zone == n);
            if zone.holds(at) == was.is_some() {
                self.doubts.retain(|d| d.0 != n);
                continue;
            }
            let doubt = match self.doubts.iter_mut().find(|d| d.0 == n) {
                Some(doubt) => {
                    doubt.1 += 1;
                    *doubt
                }
                None => {
                    self.doubts.push((n, 1, time));
                    (n, 1, time)
                }
            };
            if doubt.1 < AGREE && zone.off_border(at) < CLEAR {
                continue;
            }
            self.doubts.retain(|d| d.0 != n);
            match was {
                None => {
                    self.stays.push(Stay { zone: n, since: doubt.2 });
                    crossed.push(Crossed { zone: n, entered: doubt.2, left: None });
                }
                Some(at) => {
                    let stay = self.stays.swap_remove(at);
                    crossed.push(Crossed { zone: n, entered: stay.since, left: Some(doubt.2) });
                }
            }
        }
        crossed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plane() -> Plane {
        Plane::around(48.85, 37.6)
    }

    fn square(x: f32, y: f32, side: f32) -> Value {
        let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)];
        let at = corners.map(|(x, y)| plane().lat_lon(Xy { x, y })).map(|(lat, lon)| json!([lon, lat]));
        json!({"type": "Polygon", "coordinates": [at]})
    }

    fn of(features: &[(Value, Value)]) -> Result<Zones, GeoError> {
        let features: Vec<Value> = features
            .iter()
            .map(|(properties, geometry)| json!({"type": "Feature", "properties": properties, "geometry": geometry}))
            .collect();
        let text = json!({"type": "FeatureCollection", "features": features}).to_string();
        read(text.as_bytes(), "zones.geojson", plane(), None)
    }

    #[test]
    fn a_border_is_crossed_once_however_much_a_fix_wanders_about_it() {
        let zones = of(&[(json!({"name": "База"}), square(0.0, 0.0, 400.0))]).unwrap();
        let mut inside = Inside::default();
        let mut crossed = Vec::new();
        let drive = [-80.0, -12.0, 6.0, -4.0, 5.0, 9.0, 200.0, 380.0, 404.0, 396.0, 405.0, 398.0, 470.0, 600.0];
        for (n, x) in (0i64..).zip(drive) {
            crossed.extend(inside.take(&zones, Xy { x, y: 200.0 }, UnixMs::from_secs(n * 10)));
        }
        let s = UnixMs::from_secs;
        let (entered, left) = (s(40), Some(s(120)));
        assert_eq!(crossed, [Crossed { zone: 0, entered, left: None }, Crossed { zone: 0, entered, left }]);
        assert!(inside.stays().is_empty());
    }

    #[test]
    fn what_was_judged_before_a_restart_is_not_judged_again() {
        let zones = of(&[(json!({"name": "База"}), square(0.0, 0.0, 400.0))]).unwrap();
        let stay = Stay { zone: 0, since: UnixMs::from_secs(500) };
        let mut inside = Inside::known(vec![stay], UnixMs::from_secs(900));
        assert!(inside.take(&zones, Xy { x: -900.0, y: 0.0 }, UnixMs::from_secs(300)).is_empty(), "the journal's");
        assert_eq!(inside.stays(), [stay]);
        assert_eq!(inside.take(&zones, Xy { x: -900.0, y: 0.0 }, UnixMs::from_secs(910)).len(), 1);
    }

    #[test]
    fn a_zone_is_as_the_file_says() {
        let zones = of(&[
            (json!({"name": "Парк", "kind": "forbidden", "machines": "plough, tipper"}), square(0.0, 0.0, 50.0)),
            (
                json!({"name": "Сніг", "id": 7, "kind": "snow_dump", "raise": "both", "public": false}),
                square(99.0, 0.0, 50.0),
            ),
        ])
        .unwrap();
        let [park, dump] = zones.all() else { panic!() };
        assert!(park.raise == Raise::Enter && !park.public && park.concerns(MachineKind::Plough));
        assert!(!park.concerns(MachineKind::Sweeper) && dump.concerns(MachineKind::Sweeper));
        assert!(dump.id == "7" && dump.raise.on_leave() && !dump.public);
    }

    #[test]
    fn faults_of_zones_are_named() {
        let bow = [(0.0, 0.0), (100.0, 100.0), (100.0, 0.0), (0.0, 100.0), (0.0, 0.0)];
        let bow = bow.map(|(x, y)| plane().lat_lon(Xy { x, y })).map(|(lat, lon)| json!([lon, lat]));
        let e = of(&[
            (json!({}), square(0.0, 0.0, 50.0)),
            (json!({"name": "А", "kind": "park"}), square(0.0, 0.0, 50.0)),
            (json!({"name": "Б", "raise": "loudly"}), square(0.0, 0.0, 50.0)),
            (json!({"name": "В", "machines": "plough, tank"}), square(0.0, 0.0, 50.0)),
            (json!({"name": "Г"}), json!({"type": "Polygon", "coordinates": [bow]})),
            (json!({"name": "Д"}), square(0.0, 0.0, 50.0)),
            (json!({"name": "Д"}), square(0.0, 0.0, 50.0)),
        ])
        .unwrap_err()
        .to_string();
        for says in [
            "features[0].properties.name: is missing",
            "features[1].properties.kind = \"park\": must be one of depot, district, snow_dump, forbidden, other",
            "features[2].properties.raise = \"loudly\": must be one of",
            "features[3].properties.machines = \"tank\": there are plough, sweeper",
            "features[4].geometry.coordinates: exterior ring has a self-intersection",
            "features[6].properties = \"Д\": another zone",
        ] {
            assert!(e.contains(says), "{e}");
        }
    }
}
