//! Reading GeoJSON (RFC 7946) as cities export it: lines for streets, areas for zones.
//!
//! Bounded: a file has a largest size, so many features and so many points; each feature is brought
//! into its small form before the next is read. Every fault is named by its place in the file
//! (`features[3].properties.name`) with the value that stands there. What properties mean is for
//! [`super::streets`] and [`super::zones`].

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest file taken, bytes.
pub const LARGEST: u64 = 64 << 20;
/// Features taken from one file.
pub const FEATURES: usize = 200_000;
/// Points taken from one file.
pub const POINTS: usize = 3_000_000;
/// Faults named before the rest are only counted.
const NAMED: usize = 20;
/// So much of a value is repeated in a fault, characters.
const ECHOED: usize = 60;
/// Properties that anything is read from; an export has hundreds of others.
const KEPT: [&str; 11] =
    ["id", "name", "name:uk", "name:en", "district", "oneway", "sides", "kind", "raise", "machines", "public"];

/// One thing that is wrong in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeoFault {
    /// Where: `features[3].properties.name`; empty for the file as a whole.
    pub at: String,
    /// What stands there, shortened.
    pub value: Option<String>,
    /// What is wrong with it, or what would be right.
    pub problem: String,
}

impl fmt::Display for GeoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, self.at.is_empty()) {
            (Some(value), _) => write!(f, "{} = {value}: {}", self.at, self.problem),
            (None, true) => f.write_str(&self.problem),
            (None, false) => write!(f, "{}: {}", self.at, self.problem),
        }
    }
}

/// A file has faults; nothing of it is taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GeoError {
    /// Which file.
    pub file: String,
    /// The first faults, in the order of the file.
    pub faults: Vec<GeoFault>,
    /// How many there are in all.
    pub all: usize,
}

impl std::error::Error for GeoError {}

impl fmt::Display for GeoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} fault(s):", self.file, self.all)?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        match self.all.saturating_sub(self.faults.len()) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

impl GeoError {
    /// No faults yet in a file of this name.
    #[must_use]
    pub fn of(file: &str) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    /// Notes a fault of the file as a whole.
    pub fn whole(&mut self, problem: impl Into<String>) {
        self.push(GeoFault { at: String::new(), value: None, problem: problem.into() });
    }

    /// Notes a fault of a feature: where in it, what stands there, what is wrong.
    pub fn feature(&mut self, index: usize, field: &str, value: Option<&Value>, problem: impl Into<String>) {
        let dot = if field.is_empty() { "" } else { "." };
        let at = format!("features[{index}]{dot}{field}");
        self.push(GeoFault { at, value: value.map(echo), problem: problem.into() });
    }

    fn push(&mut self, fault: GeoFault) {
        self.all += 1;
        if self.faults.len() < NAMED {
            self.faults.push(fault);
        }
    }

    /// What was read, unless there are faults.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn or<T>(self, read: T) -> Result<T, Self> {
        if self.all == 0 { Ok(read) } else { Err(self) }
    }
}

fn echo(value: &Value) -> String {
    let text = value.to_string();
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(ECHOED).collect();
    if text.chars().count() > ECHOED {
        out.push('…');
    }
    out
}

/// What a file must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// `LineString` and `MultiLineString`.
    Lines,
    /// `Polygon` and `MultiPolygon`.
    Areas,
}

/// Where everything must lie, degrees: the city and what is around it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Within {
    /// South and north.
    pub lat: (f64, f64),
    /// West and east.
    pub lon: (f64, f64),
}

impl Within {
    /// Around some places, so many degrees further on every side; `None` where there are none.
    #[must_use]
    pub fn around(places: impl Iterator<Item = (f64, f64)>, margin: f64) -> Option<Self> {
        let wider = |(lo, hi): (f64, f64), v: f64| (lo.min(v), hi.max(v));
        let all = places.fold(None, |have: Option<Self>, (lat, lon)| {
            let have = have.unwrap_or(Self { lat: (lat, lat), lon: (lon, lon) });
            Some(Self { lat: wider(have.lat, lat), lon: wider(have.lon, lon) })
        })?;
        let out = |(lo, hi): (f64, f64)| (lo - margin, hi + margin);
        Some(Self { lat: out(all.lat), lon: out(all.lon) })
    }

    fn holds(&self, p: Place) -> bool {
        (self.lat.0..=self.lat.1).contains(&p.lat) && (self.lon.0..=self.lon.1).contains(&p.lon)
    }
}

/// A position, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
}

/// A feature's geometry.
#[derive(Clone, PartialEq, Debug)]
pub enum Geometry {
    /// One line or more, each of two points or more.
    Lines(Vec<Vec<Place>>),
    /// One area or more: the outer ring, then its holes; every ring is closed.
    Areas(Vec<Vec<Vec<Place>>>),
}

/// A feature that was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Feature {
    /// Its place in the file, from 0.
    pub index: usize,
    /// Where it is.
    pub geometry: Geometry,
    /// Of its properties those that mean something here.
    pub properties: Map<String, Value>,
}

impl Feature {
    /// A property that is text, trimmed. `null` and a missing one are none; any other type, blank text,
    /// more than 200 characters and control characters are faults.
    pub fn text(&self, name: &str, faults: &mut GeoError) -> Option<String> {
        let value = self.properties.get(name).filter(|v| !v.is_null())?;
        let mut fault = |problem: &str| {
            faults.feature(self.index, &format!("properties.{name}"), Some(value), problem);
            None
        };
        let text = match value {
            Value::String(text) => text.trim(),
            Value::Number(n) if name == "id" => return Some(n.to_string()),
            _ => return fault("must be text"),
        };
        match text {
            "" => fault("is blank"),
            t if t.chars().count() > 200 => fault("is longer than 200 characters"),
            t if t.chars().any(char::is_control) => fault("holds control characters"),
            t => Some(t.to_owned()),
        }
    }
}

/// Reads a feature collection.
///
/// # Errors
/// Every fault in it, by its place.
pub fn read(input: impl Read, file: &str, wanted: Wanted, within: Option<Within>) -> Result<Vec<Feature>, GeoError> {
    let mut faults = GeoError::of(file);
    let mut bytes = Vec::new();
    if let Err(e) = input.take(LARGEST + 1).read_to_end(&mut bytes) {
        faults.whole(format!("cannot be read: {e}"));
        return Err(faults);
    }
    if bytes.len() as u64 > LARGEST {
        faults.whole(format!("is larger than {} MiB", LARGEST >> 20));
        return Err(faults);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut collector = Collector { wanted, within, features: Vec::new(), points: 0, faults };
    let mut json = serde_json::Deserializer::from_slice(text);
    let done = Collection(&mut collector).deserialize(&mut json).and_then(|()| json.end());
    let Collector { features, mut faults, .. } = collector;
    if let Err(e) = done {
        faults.whole(e.to_string());
    }
    faults.or(features)
}

/// What is read so far.
struct Collector {
    wanted: Wanted,
    within: Option<Within>,
    features: Vec<Feature>,
    points: usize,
    faults: GeoError,
}

struct Collection<'a>(&'a mut Collector);

impl<'de> DeserializeSeed<'de> for Collection<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Collection<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GeoJSON FeatureCollection")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut kind, mut seen) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => kind = Some(map.next_value::<Value>()?),
                "features" => {
                    seen = true;
                    map.next_value_seed(Features(&mut *self.0))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let wrong = match &kind {
            Some(Value::String(k)) if k == "FeatureCollection" => !seen,
            _ => true,
        };
        if wrong {
            let is = kind.map_or_else(|| "has no `type`".to_owned(), |k| format!("is of type {}", echo(&k)));
            self.0.faults.whole(format!("{is}: a FeatureCollection with `features` is wanted"));
        }
        Ok(())
    }
}

struct Features<'a>(&'a mut Collector);

impl<'de> DeserializeSeed<'de> for Features<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of features")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = seq.next_element::<Value>()? {
            if index >= FEATURES {
                return Err(A::Error::custom(format!("there are more than {FEATURES} features")));
            }
            self.0.take(index, value);
            if self.0.points > POINTS {
                return Err(A::Error::custom(format!("there are more than {POINTS} points")));
            }
            index += 1;
        }
        Ok(())
    }
}

impl Collector {
    fn take(&mut self, index: usize, value: Value) {
        let Value::Object(mut feature) = value else {
            return self.faults.feature(index, "", Some(&value), "is no feature");
        };
        let kind = feature.get("type");
        if kind.and_then(Value::as_str) != Some("Feature") {
            return self.faults.feature(index, "type", kind, "must be \"Feature\"");
        }
        let properties = match feature.remove("properties") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(mut all)) => {
                all.retain(|k, _| KEPT.contains(&k.as_str()));
                all
            }
            Some(other) => return self.faults.feature(index, "properties", Some(&other), "must be an object"),
        };
        let geometry = feature.remove("geometry").unwrap_or(Value::Null);
        match self.geometry(&geometry) {
            Ok(geometry) => self.features.push(Feature { index, geometry, properties }),
            Err(Wrong { at, value, problem }) => {
                self.faults.feature(index, &format!("geometry{at}"), value.as_ref(), problem);
            }
        }
    }

    fn geometry(&mut self, g: &Value) -> Result<Geometry, Wrong> {
        let kind = g.get("type").and_then(Value::as_str).unwrap_or_default();
        let coordinates = g.get("coordinates").unwrap_or(&Value::Null);
        let at = ".coordinates";
        match (self.wanted, kind) {
            (Wanted::Lines, "LineString") => Ok(Geometry::Lines(vec![self.line(coordinates, at)?])),
            (Wanted::Lines, "MultiLineString") => Ok(Geometry::Lines(each(coordinates, at, |v, at| self.line(v, at))?)),
            (Wanted::Areas, "Polygon") => Ok(Geometry::Areas(vec![self.area(coordinates, at)?])),
            (Wanted::Areas, "MultiPolygon") => Ok(Geometry::Areas(each(coordinates, at, |v, at| self.area(v, at))?)),
            (Wanted::Lines, _) => Err(wrong_kind(g, "a street is a LineString or a MultiLineString")),
            (Wanted::Areas, _) => Err(wrong_kind(g, "a zone is a Polygon or a MultiPolygon")),
        }
    }

    fn line(&mut self, v: &Value, at: &str) -> Result<Vec<Place>, Wrong> {
        let line = self.points_of(v, at)?;
        let differ = line.first().is_some_and(|first| line.iter().any(|p| p != first));
        if differ { Ok(line) } else { Err(Wrong::of(at, Some(v), "a line needs two points that differ")) }
    }

    fn area(&mut self, v: &Value, at: &str) -> Result<Vec<Vec<Place>>, Wrong> {
        each(v, at, |ring, at| {
            let places = self.points_of(ring, at)?;
            if places.len() < 4 {
                return Err(Wrong::of(at, Some(ring), "a ring needs four points, the last the same as the first"));
            }
            if places.first() != places.last() {
                return Err(Wrong::of(at, None, "the ring is not closed: its last point must be its first"));
            }
            Ok(places)
        })
    }

    fn points_of(&mut self, v: &Value, at: &str) -> Result<Vec<Place>, Wrong> {
        let within = self.within;
        let places = each(v, at, |p, at| place(p, at, within))?;
        self.points += places.len();
        Ok(places)
    }
}

/// What is wrong where in a geometry.
struct Wrong {
    at: String,
    value: Option<Value>,
    problem: String,
}

impl Wrong {
    fn of(at: &str, value: Option<&Value>, problem: impl Into<String>) -> Self {
        Self { at: at.to_owned(), value: value.cloned(), problem: problem.into() }
    }
}

fn wrong_kind(g: &Value, wanted: &str) -> Wrong {
    Wrong::of(".type", Some(g.get("type").unwrap_or(&Value::Null)), wanted)
}

fn each<T>(v: &Value, at: &str, mut read: impl FnMut(&Value, &str) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    let Some(items) = v.as_array().filter(|a| !a.is_empty()) else {
        return Err(Wrong::of(at, Some(v), "must be a list that is not empty"));
    };
    items.iter().enumerate().map(|(n, v)| read(v, &format!("{at}[{n}]"))).collect()
}

fn place(v: &Value, at: &str, within: Option<Within>) -> Result<Place, Wrong> {
    let number = |n: usize| v.get(n).and_then(Value::as_f64).filter(|x| x.is_finite());
    let (Some(lon), Some(lat)) = (number(0), number(1)) else {
        return Err(Wrong::of(at, Some(v), "a position is [longitude, latitude], in degrees"));
    };
    let here = Place { lat, lon };
    let turned = Place { lat: lon, lon: lat };
    let on_earth = |p: Place| p.lat.abs() <= 90.0 && p.lon.abs() <= 180.0;
    let good = |p: Place| on_earth(p) && within.is_none_or(|w| w.holds(p));
    if good(here) {
        return Ok(here);
    }
    let problem = if good(turned) {
        "latitude stands first: GeoJSON puts longitude first"
    } else if on_earth(here) {
        "lies far outside the feed's stops"
    } else {
        "is not on Earth: longitude -180..180, then latitude -90..90"
    };
    Err(Wrong::of(at, Some(v), problem))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CITY: Within = Within { lat: (48.0, 49.0), lon: (37.0, 38.0) };

    fn said(text: &str, wanted: Wanted) -> String {
        read(text.as_bytes(), "f.geojson", wanted, Some(CITY)).unwrap_err().to_string()
    }

    fn one(geometry: &Value) -> String {
        json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": {"name": "А"}, "geometry": {"type": "LineString", "coordinates": [[37.5, 48.5], [37.6, 48.5]]}},
            {"type": "Feature", "properties": {}, "geometry": geometry},
        ]})
        .to_string()
    }

    #[test]
    fn lines_and_areas_are_read() {
        let text = "\u{feff}".to_owned()
            + &one(
                &json!({"type": "MultiLineString", "coordinates": [[[37.5, 48.5, 120.0], [37.6, 48.5]], [[37.5, 48.6], [37.6, 48.6]]]}),
            );
        let read = read(text.as_bytes(), "f", Wanted::Lines, Some(CITY)).unwrap();
        let lines = |f: &Feature| matches!(&f.geometry, Geometry::Lines(l) if l.len() == f.index + 1);
        assert!(read.len() == 2 && read.iter().all(lines), "{read:?}");
        let area = json!({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": null, "geometry":
            {"type": "Polygon", "coordinates": [[[37.5, 48.5], [37.6, 48.5], [37.6, 48.6], [37.5, 48.5]]]}}]});
        assert_eq!(super::read(area.to_string().as_bytes(), "f", Wanted::Areas, None).unwrap().len(), 1);
    }

    #[test]
    fn a_fault_is_named_with_its_place_and_value() {
        let line = |c: Value| one(&json!({"type": "LineString", "coordinates": c}));
        for (text, says) in [
            (
                line(json!([[37.5, 48.5], [48.5, 37.5]])),
                "features[1].geometry.coordinates[1] = [48.5,37.5]: latitude stands first",
            ),
            (
                line(json!([[37.5, 48.5], [30.5, 50.4]])),
                "features[1].geometry.coordinates[1] = [30.5,50.4]: lies far outside",
            ),
            (line(json!([[37.5, 48.5], [37.5, 480]])), "coordinates[1] = [37.5,480]: is not on Earth"),
            (
                line(json!([[37.5, 48.5], ["37", 48.5]])),
                "coordinates[1] = [\"37\",48.5]: a position is [longitude, latitude]",
            ),
            (line(json!([[37.5, 48.5]])), "a line needs two points that differ"),
            (line(json!([])), "coordinates = []: must be a list that is not empty"),
            (
                one(&json!({"type": "Point", "coordinates": [37.5, 48.5]})),
                "features[1].geometry.type = \"Point\": a street is a LineString",
            ),
            (one(&Value::Null), "features[1].geometry.type = null: a street is"),
            (
                json!({"type": "Feature"}).to_string(),
                "is of type \"Feature\": a FeatureCollection with `features` is wanted",
            ),
            (json!([1]).to_string(), "expected a GeoJSON FeatureCollection"),
            ("{\"type\": \"FeatureCollection\", \"features\": [".to_owned(), "EOF while parsing"),
            (json!({"type": "FeatureCollection", "features": [7]}).to_string(), "features[0] = 7: is no feature"),
        ] {
            let e = said(&text, Wanted::Lines);
            assert!(e.contains(says), "{e}");
        }
        let open = json!([[[37.5, 48.5], [37.6, 48.5], [37.6, 48.6], [37.5, 48.6]]]);
        let e = said(&json!({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": open}}]}).to_string(), Wanted::Areas);
        assert!(e.contains("features[0].geometry.coordinates[0]: the ring is not closed"), "{e}");
    }

    #[test]
    fn many_faults_are_counted_and_the_first_are_named() {
        let many: Vec<Value> = (0..50).map(|_| json!({"type": "Feature", "geometry": null})).collect();
        let e = said(&json!({"type": "FeatureCollection", "features": many}).to_string(), Wanted::Lines);
        assert!(e.starts_with("f.geojson has 50 fault(s):") && e.ends_with("… and 30 more"), "{e}");
    }

    proptest! {
        #[test]
        fn whatever_a_file_holds_it_is_read_or_refused(text in "[\\[\\]{}\":,a-z0-9.\\-]{0,200}", cut in 0usize..400) {
            let _never_panics = read(text.as_bytes(), "f", Wanted::Lines, None);
            let good = one(&json!({"type": "LineString", "coordinates": [[37.5, 48.5], [37.6, 48.6]]}));
            let part = good.get(..cut.min(good.len())).unwrap_or(&good);
            prop_assert_eq!(read(part.as_bytes(), "f", Wanted::Lines, None).is_ok(), part.len() == good.len());
        }
    }
}
