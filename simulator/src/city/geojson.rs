//! The demo city's streets and zones as a city would export them: GeoJSON (RFC 7946).

use serde_json::{Value, json};
use transit_model::plane::{Plane, Xy};

use super::streets::lay;

/// A zone of the plan: name in Ukrainian and English, kind, what of it is raised, its middle and half its side, metres.
type Zone = (&'static str, &'static str, &'static str, &'static str, (f32, f32), f32);

const ZONES: [Zone; 4] = [
    ("База спецтехніки", "Machine yard", "depot", "none", (-60.0, -1900.0), 110.0),
    ("Центр", "Centre", "district", "none", (40.0, 120.0), 720.0),
    ("Снігозвалище", "Snow dump", "snow_dump", "enter", (2480.0, -1610.0), 170.0),
    ("Пляж (заборонено)", "Beach (closed)", "forbidden", "enter", (3120.0, 2010.0), 220.0),
];

/// Every street's line with its name.
#[must_use]
pub fn streets() -> String {
    let laid = lay();
    let features = laid.lines().map(|(name, line)| {
        let points: Vec<Value> = line.points().iter().map(|p| position(&laid.plane, *p)).collect();
        feature(json!({"name": name}), "LineString", json!(points))
    });
    collection(features.collect())
}

/// The machines' yard, the centre, the snow dump, and where no machine may go.
#[must_use]
pub fn zones() -> String {
    let plane = lay().plane;
    let features = ZONES.iter().map(|(name, english, kind, raise, (x, y), half)| {
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)];
        let ring = corners.map(|(dx, dy)| position(&plane, Xy { x: half.mul_add(dx, *x), y: half.mul_add(dy, *y) }));
        feature(json!({"name": name, "name:en": english, "kind": kind, "raise": raise}), "Polygon", json!([ring]))
    });
    collection(features.collect())
}

fn position(plane: &Plane, p: Xy) -> Value {
    let (lat, lon) = plane.lat_lon(p);
    // Seven digits are a centimetre.
    let round = |v: f64| (v * 1e7).round() / 1e7;
    json!([round(lon), round(lat)])
}

fn feature(properties: Value, kind: &str, coordinates: Value) -> Value {
    json!({"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}})
}

fn collection(features: Vec<Value>) -> String {
    json!({"type": "FeatureCollection", "features": features}).to_string()
}
