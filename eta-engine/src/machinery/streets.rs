//! The streets of a city: their lines, cut into cells of about 20 m, an index by place, and the network
//! they make. Built once; read-only from then on.
//!
//! A *street* is a name; it is made of *pieces*, each one line of the file. A line without a name is no
//! street, but machines drive it, so it is part of the network.

use std::io::Read;

use rustc_hash::FxHashMap;
use serde_json::Value;
use transit_model::plane::{Plane, Polyline, Xy};

use super::geojson::{self, Feature, GeoError, Geometry, Place, Wanted, Within};
use super::grid::Grid;
use crate::names::Name;

/// How long a cell is at most, metres.
pub const CELL: f32 = 20.0;
/// A line's end this near to another line is a junction with it, metres.
const JOINS: f32 = 8.0;
/// Points are the same when they fall into the same square of this size, metres.
const SAME: f32 = 0.5;

/// Which ways along a piece are served apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ways {
    /// One passage in either direction serves it.
    Either,
    /// It is driven from its start to its end only: a one-way street, or one carriageway of two.
    Forward,
    /// Each side is served apart.
    Each,
}

/// One line of a street.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The street it belongs to; `None` for a line without a name.
    pub street: Option<u32>,
    /// Its line.
    pub line: Polyline,
    /// Which ways along it are served apart.
    pub ways: Ways,
    /// Its lasting name: from its geometry and its street, so that it outlives the file's order.
    pub key: i64,
    /// How many cells it has.
    pub cells: u32,
    /// Junctions on it, from its start to its end: metres along, number of the junction.
    pub(super) nodes: Vec<(f32, u32)>,
}

impl Piece {
    /// How long a cell of it is, metres.
    #[must_use]
    pub fn cell(&self) -> f32 {
        self.line.length() / self.cells.max(1) as f32
    }

    /// Metres there are to serve: twice its length where each side is served apart.
    #[must_use]
    pub fn to_serve(&self) -> f32 {
        if self.ways == Ways::Each { self.line.length() * 2.0 } else { self.line.length() }
    }
}

/// A street.
#[derive(Clone, Debug)]
pub struct Street {
    /// Its lasting name for programs: from its name and district.
    pub id: String,
    /// Its name; Ukrainian where the file has both.
    pub name: String,
    /// Its name in English, where the file has one.
    pub name_en: Option<String>,
    /// Its district, where names repeat.
    pub district: Option<String>,
    /// Its pieces.
    pub pieces: Vec<u32>,
    /// Metres of its lines.
    pub length: f32,
    /// Metres there are to serve.
    pub to_serve: f32,
    /// A place on it, about the middle of its longest line, degrees.
    pub middle: (f64, f64),
    /// For search.
    pub names: [Name; 2],
}

/// What a piece is made of.
#[derive(Clone, Debug)]
pub struct Part {
    /// The street's name, its English name, its district.
    pub street: Option<(String, Option<String>, Option<String>)>,
    /// Which ways along it are served apart.
    pub ways: Ways,
    /// Its line.
    pub line: Polyline,
}

/// Every street of a city.
#[derive(Clone, Debug)]
pub struct Streets {
    plane: Plane,
    pieces: Vec<Piece>,
    streets: Vec<Street>,
    by_id: FxHashMap<String, u32>,
    grid: Grid,
    /// The places of each junction on the pieces that meet there: piece, metres along.
    pub(super) junctions: Vec<Vec<(u32, f32)>>,
}

/// Reads the streets of a file.
///
/// Properties: `name` (or `name:uk`; a line without either is part of the network and no street),
/// `name:en`, `district`; `oneway` = `yes`, `no` or `-1` as OpenStreetMap has it; `sides` = 2 where each
/// side of the one line is served apart.
///
/// # Errors
/// Every fault in it, by its place.
pub fn read(input: impl Read, file: &str, plane: Plane, within: Option<Within>) -> Result<Streets, GeoError> {
    let features = geojson::read(input, file, Wanted::Lines, within)?;
    let mut faults = GeoError::of(file);
    let mut parts = Vec::new();
    for feature in &features {
        parts.extend(parts_of(feature, plane, &mut faults));
    }
    if !parts.iter().any(|p| p.street.is_some()) && faults.all == 0 {
        faults.whole("has no line with a `name`, so there is no street in it");
    }
    faults.or(())?;
    Ok(Streets::build(parts, plane))
}

fn parts_of(feature: &Feature, plane: Plane, faults: &mut GeoError) -> Vec<Part> {
    let plain = feature.text("name", faults);
    let name = feature.text("name:uk", faults).or(plain);
    let (english, district) = (feature.text("name:en", faults), feature.text("district", faults));
    let (oneway, sides) = (feature.properties.get("oneway"), feature.properties.get("sides"));
    let (ways, reversed) = match oneway.map(word).as_deref() {
        None | Some("null" | "no" | "false" | "0") => (Ways::Either, false),
        Some("yes" | "true" | "1") => (Ways::Forward, false),
        Some("-1" | "reverse") => (Ways::Forward, true),
        Some(_) => {
            faults.feature(feature.index, "properties.oneway", oneway, "must be \"yes\", \"no\" or \"-1\"");
            (Ways::Either, false)
        }
    };
    let ways = match (sides.map(word).as_deref(), ways) {
        (None | Some("null" | "1"), ways) => ways,
        (Some("2"), Ways::Either) => Ways::Each,
        (Some("2"), _) => {
            faults.feature(feature.index, "properties.sides", sides, "a one-way street has one");
            ways
        }
        (Some(_), _) => {
            faults.feature(feature.index, "properties.sides", sides, "must be 1 or 2");
            ways
        }
    };
    let Geometry::Lines(lines) = &feature.geometry else { return Vec::new() };
    let on_plane = |line: &Vec<Place>| {
        let mut points: Vec<Xy> = line.iter().map(|p| plane.xy(p.lat, p.lon)).collect();
        if reversed {
            points.reverse();
        }
        Polyline::new(points)
    };
    let lines: Vec<Polyline> = lines.iter().map(on_plane).filter(|l| l.length() >= 1.0).collect();
    if lines.is_empty() {
        faults.feature(feature.index, "geometry.coordinates", None, "the line is shorter than a metre");
    }
    let street = name.map(|name| (name, english, district));
    lines.into_iter().map(|line| Part { street: street.clone(), ways, line }).collect()
}

/// A property as a lower-case word, whatever its type.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |s| s.trim().to_lowercase())
}

impl Streets {
    /// A city without streets.
    #[must_use]
    pub fn none(plane: Plane) -> Self {
        Self::build(Vec::new(), plane)
    }

    /// Puts streets together. A line that is there twice is taken once.
    #[must_use]
    pub fn build(parts: Vec<Part>, plane: Plane) -> Self {
        let mut streets: Vec<Street> = Vec::new();
        let mut by_id: FxHashMap<String, u32> = FxHashMap::default();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        for Part { street, ways, line } in parts {
            let at = street.map(|(name, english, district)| {
                let id = id_of(&name, district.as_deref());
                let n = *by_id.entry(id.clone()).or_insert_with(|| {
                    streets.push(Street {
                        id,
                        names: [Name::of(&name), Name::of(english.as_deref().unwrap_or(""))],
                        name,
                        name_en: None,
                        district,
                        pieces: Vec::new(),
                        length: 0.0,
                        to_serve: 0.0,
                        middle: (0.0, 0.0),
                    });
                    index(streets.len() - 1)
                });
                if let Some(s) = streets.get_mut(n as usize)
                    && s.name_en.is_none()
                    && let Some(english) = english
                {
                    s.names = [Name::of(&s.name), Name::of(&english)];
                    s.name_en = Some(english);
                }
                n
            });
            let id = at.and_then(|n| streets.get(n as usize)).map_or("", |s| s.id.as_str());
            let key = key_of(id, ways, &line);
            if !seen.insert(key) {
                continue;
            }
            let cells = cells_of(line.length());
            let piece = Piece { street: at, line, ways, key, cells, nodes: Vec::new() };
            if let Some(s) = at.and_then(|n| streets.get_mut(n as usize)) {
                s.pieces.push(index(pieces.len()));
                s.length += piece.line.length();
                s.to_serve += piece.to_serve();
            }
            pieces.push(piece);
        }
        for s in &mut streets {
            let lines = s.pieces.iter().filter_map(|p| pieces.get(*p as usize)).map(|p| &p.line);
            if let Some(longest) = lines.max_by(|a, b| a.length().total_cmp(&b.length())) {
                s.middle = plane.lat_lon(longest.point_at(longest.length() / 2.0));
            }
        }
        let grid = Grid::of(pieces.iter().map(|p| &p.line));
        let junctions = join(&mut pieces, &grid);
        Self { plane, pieces, streets, by_id, grid, junctions }
    }

    /// The plane its lines lie on.
    #[must_use]
    pub const fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Every piece.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Every street.
    #[must_use]
    pub fn all(&self) -> &[Street] {
        &self.streets
    }

    /// The street of this id, with its place in [`Self::all`].
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<(u32, &Street)> {
        let n = *self.by_id.get(id)?;
        Some((n, self.streets.get(n as usize)?))
    }

    /// Lines by place.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Metres from a place to the nearest line of a street, looked for within `within` metres.
    #[must_use]
    pub fn near(&self, at: Xy, within: f32) -> FxHashMap<u32, f32> {
        let mut found: FxHashMap<u32, f32> = FxHashMap::default();
        for s in &self.pieces {
            let Some(street) = s.street else { continue };
            let off = s.line.project(at).map_or(f32::INFINITY, |p| p.off);
            if off <= within {
                found.entry(street).and_modify(|have| *have = have.min(off)).or_insert(off);
            }
        }
        found
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a line has a few thousand cells")]
fn cells_of(length: f32) -> u32 {
    (length / CELL).ceil().max(1.0) as u32
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// FNV-1a: the same on every machine and in every version.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn id_of(name: &str, district: Option<&str>) -> String {
    let text = format!("{}|{}", name.to_lowercase(), district.unwrap_or("").to_lowercase());
    format!("{:010x}", fnv(text.bytes()) >> 24)
}

fn key_of(street: &str, ways: Ways, line: &Polyline) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "metres of a city")]
    let points = line.points().iter().flat_map(|p| [p.x, p.y]).flat_map(|v| (v.round() as i32).to_le_bytes());
    let ways = match ways {
        Ways::Either => 0,
        Ways::Forward => 1,
        Ways::Each => 2,
    };
    i64::from_ne_bytes(fnv(street.bytes().chain([ways]).chain(points)).to_ne_bytes())
}

/// Finds the junctions: points that two lines share, and ends that stand at another line.
fn join(pieces: &mut [Piece], grid: &Grid) -> Vec<Vec<(u32, f32)>> {
    #[expect(clippy::cast_possible_truncation, reason = "metres of a city")]
    let square = |p: Xy| ((p.x / SAME).round() as i32, (p.y / SAME).round() as i32);
    let mut met: FxHashMap<(i32, i32), Vec<(u32, f32)>> = FxHashMap::default();
    for (n, piece) in (0u32..).zip(pieces.iter()) {
        for (p, along) in piece.line.points().iter().zip(piece.line.cumulative()) {
            met.entry(square(*p)).or_default().push((n, *along));
        }
    }
    let is_end =
        |(n, along): (u32, f32)| pieces.get(n as usize).is_some_and(|p| along <= 0.0 || along >= p.line.length());
    let mut squares: Vec<_> =
        met.into_iter().filter(|(_, at)| at.len() > 1 || at.iter().copied().any(is_end)).collect();
    // A map has no order of its own, and junctions shall have the same numbers on every start.
    squares.sort_unstable_by_key(|(square, _)| *square);
    let mut junctions: Vec<Vec<(u32, f32)>> = squares.into_iter().map(|(_, at)| at).collect();
    for at in &mut junctions {
        let [(n, along)] = at[..] else { continue };
        let Some(place) = pieces.get(n as usize).map(|p| p.line.point_at(along)) else { continue };
        let mut others: Vec<(u32, f32, f32)> = Vec::new();
        for hit in grid.near(place).filter(|h| h.line != n) {
            let Some(line) = pieces.get(hit.line as usize).map(|p| &p.line) else { continue };
            let Some(p) = line.project_between(place, hit.from, hit.to).filter(|p| p.off <= JOINS) else { continue };
            match others.iter_mut().find(|(line, ..)| *line == hit.line) {
                Some(have) if p.off < have.2 => *have = (hit.line, p.along, p.off),
                Some(_) => {}
                None => others.push((hit.line, p.along, p.off)),
            }
        }
        at.extend(others.into_iter().map(|(line, along, _)| (line, along)));
    }
    for (n, at) in (0u32..).zip(&junctions) {
        for (piece, along) in at {
            if let Some(p) = pieces.get_mut(*piece as usize) {
                p.nodes.push((*along, n));
            }
        }
    }
    for p in pieces.iter_mut() {
        p.nodes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        p.nodes.dedup();
    }
    junctions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plane() -> Plane {
        Plane::around(48.85, 37.6)
    }

    fn feature(properties: Value, points: &[(f32, f32)]) -> Value {
        let lonlat: Vec<_> = points
            .iter()
            .map(|(x, y)| plane().lat_lon(Xy { x: *x, y: *y }))
            .map(|(lat, lon)| json!([lon, lat]))
            .collect();
        json!({"type": "Feature", "properties": properties, "geometry": {"type": "LineString", "coordinates": lonlat}})
    }

    fn of(features: &[Value]) -> Result<Streets, GeoError> {
        let text = json!({"type": "FeatureCollection", "features": features}).to_string();
        read(text.as_bytes(), "streets.geojson", plane(), None)
    }

    #[test]
    fn a_street_is_its_pieces_and_a_nameless_line_is_only_network() {
        let streets = of(&[
            feature(json!({"name": "вул. Торська", "name:en": "Torska St"}), &[(0.0, 0.0), (110.0, 0.0)]),
            feature(json!({"name": "вул. Торська"}), &[(110.0, 0.0), (200.0, 0.0)]),
            feature(json!({"name": "вул. Торська", "district": "Лиман"}), &[(5000.0, 0.0), (5100.0, 0.0)]),
            feature(json!({"highway": "service"}), &[(110.0, 0.0), (110.0, 50.0)]),
            feature(json!({"name": "вул. Торська"}), &[(110.0, 0.0), (200.0, 0.0)]),
        ])
        .unwrap();
        let [torska, lyman] = streets.all() else { panic!("{:?}", streets.all()) };
        assert_eq!((torska.pieces.len(), torska.length.round()), (2, 200.0), "the same line twice is one");
        assert_eq!((torska.name_en.as_deref(), lyman.district.as_deref()), (Some("Torska St"), Some("Лиман")));
        assert_ne!(torska.id, lyman.id);
        assert_eq!(streets.by_id(&torska.id).map(|(n, _)| n), Some(0));
        assert_eq!(streets.pieces()[0].cells, 6);
        assert!((streets.pieces()[0].cell() - 110.0 / 6.0).abs() < 0.01);
        assert!(streets.junctions.iter().any(|j| j.len() == 3), "all three meet at one point");
    }

    #[test]
    fn an_end_beside_a_line_joins_it() {
        let streets = of(&[
            feature(json!({"name": "А"}), &[(0.0, 0.0), (200.0, 0.0)]),
            feature(json!({"name": "Б"}), &[(100.0, 5.0), (100.0, 300.0)]),
            feature(json!({"name": "В"}), &[(150.0, 60.0), (150.0, 300.0)]),
        ])
        .unwrap();
        let t = streets.junctions.iter().find(|j| j.len() == 2).unwrap();
        assert!(t.contains(&(1, 0.0)) && t.iter().any(|(p, along)| *p == 0 && (along - 100.0).abs() < 0.1), "{t:?}");
        assert_eq!(streets.pieces()[0].nodes.len(), 3);
        assert_eq!(streets.pieces()[2].nodes.len(), 2, "60 m away is no junction");
    }

    #[test]
    fn one_way_and_sides_are_as_the_file_says() {
        let line = [(0.0, 0.0), (100.0, 0.0)];
        let streets = of(&[
            feature(json!({"name": "А", "oneway": "yes"}), &line),
            feature(json!({"name": "Б", "oneway": -1}), &line),
            feature(json!({"name": "В", "sides": 2}), &line),
            feature(json!({"name": "Г", "oneway": false, "sides": null}), &line),
        ])
        .unwrap();
        let p = streets.pieces();
        assert_eq!([0, 1, 2, 3].map(|n| p[n].ways), [Ways::Forward, Ways::Forward, Ways::Each, Ways::Either]);
        assert!(p[1].line.points()[0].x > 99.0, "turned round");
        assert_eq!((streets.all()[2].length.round(), streets.all()[2].to_serve.round()), (100.0, 200.0));
    }

    #[test]
    fn faults_of_streets_are_named() {
        let line = [(0.0, 0.0), (100.0, 0.0)];
        let e = of(&[
            feature(json!({"name": " "}), &line),
            feature(json!({"name": 7}), &line),
            feature(json!({"name": "А", "oneway": "maybe"}), &line),
            feature(json!({"name": "А", "oneway": "yes", "sides": 2}), &line),
            feature(json!({"name": "А"}), &[(0.0, 0.0), (0.2, 0.0)]),
        ])
        .unwrap_err()
        .to_string();
        for says in [
            "features[0].properties.name = \" \": is blank",
            "features[1].properties.name = 7: must be text",
            "features[2].properties.oneway = \"maybe\": must be \"yes\", \"no\" or \"-1\"",
            "features[3].properties.sides = 2: a one-way street has one",
            "features[4].geometry.coordinates: the line is shorter than a metre",
        ] {
            assert!(e.contains(says), "{e}");
        }
        let nameless = of(&[feature(json!({}), &line)]).unwrap_err().to_string();
        assert!(nameless.contains("no line with a `name`"), "{nameless}");
    }
}
