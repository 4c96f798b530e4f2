//! An area of the city: a circle, or a polygon as GeoJSON has it (RFC 7946 §3.1.6). Pure.

use serde::{Deserialize, Serialize};
use transit_model::plane::haversine;

/// So many corners at most: every vehicle is held against every side, four times a second.
pub const MOST_CORNERS: usize = 1000;
/// The largest circle, metres.
pub const LARGEST_RADIUS: f64 = 200_000.0;

/// An area.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Zone {
    /// Around a place.
    Circle {
        /// Degrees.
        lat: f64,
        /// Degrees.
        lon: f64,
        /// Metres.
        radius_m: f64,
    },
    /// A GeoJSON polygon: closed rings of `[longitude, latitude]`, the outer one and then its holes.
    Polygon {
        /// The rings.
        coordinates: Vec<Vec<[f64; 2]>>,
    },
}

/// An area that cannot be.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ZoneError {
    /// Not on Earth.
    #[error("{lat}, {lon} is no place: latitude is -90 to 90, longitude -180 to 180")]
    Place {
        /// What was said.
        lat: f64,
        /// What was said.
        lon: f64,
    },
    /// Not a radius.
    #[error("a radius of {0} m: 1 to {LARGEST_RADIUS} is allowed")]
    Radius(f64),
    /// A ring is not one.
    #[error("ring {0} has {1} places: a ring has four at least, of which the last is the first again")]
    Ring(usize, usize),
    /// More than anybody draws.
    #[error("{0} corners: at most {MOST_CORNERS} are allowed")]
    Corners(usize),
}

impl Zone {
    /// Whether it is an area on Earth.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn check(&self) -> Result<(), ZoneError> {
        let place = |lat: f64, lon: f64| {
            let fits = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
            if fits { Ok(()) } else { Err(ZoneError::Place { lat, lon }) }
        };
        match self {
            Self::Circle { lat, lon, radius_m } => {
                place(*lat, *lon)?;
                let fits = (1.0..=LARGEST_RADIUS).contains(radius_m);
                if fits { Ok(()) } else { Err(ZoneError::Radius(*radius_m)) }
            }
            Self::Polygon { coordinates } => {
                let corners = coordinates.iter().map(Vec::len).sum();
                if corners > MOST_CORNERS {
                    return Err(ZoneError::Corners(corners));
                }
                if coordinates.is_empty() {
                    return Err(ZoneError::Ring(1, 0));
                }
                for (n, ring) in (1..).zip(coordinates) {
                    if ring.len() < 4 || ring.first() != ring.last() {
                        return Err(ZoneError::Ring(n, ring.len()));
                    }
                    ring.iter().try_for_each(|[lon, lat]| place(*lat, *lon))?;
                }
                Ok(())
            }
        }
    }

    /// Whether a place lies within. A polygon's holes are without; its border may be either. Nothing lies in a
    /// zone that is not a number.
    #[must_use]
    pub fn contains(&self, lat: f64, lon: f64) -> bool {
        match self {
            Self::Circle { lat: y, lon: x, radius_m } => haversine(*y, *x, lat, lon) <= *radius_m,
            Self::Polygon { coordinates } => {
                let sides = coordinates.iter().flat_map(|ring| ring.iter().zip(ring.iter().skip(1)));
                // A ray to the east crosses the border an odd number of times from within.
                let crossed = sides.filter(|([ax, ay], [bx, by])| {
                    (*ay > lat) != (*by > lat) && lon < (bx - ax) * (lat - ay) / (by - ay) + ax
                });
                crossed.count() % 2 == 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of a degree with a hole in its middle.
    fn square() -> Zone {
        let ring = |a: f64, b: f64| vec![[a, a], [b, a], [b, b], [a, b], [a, a]];
        Zone::Polygon { coordinates: vec![ring(30.0, 31.0), ring(30.4, 30.6)] }
    }

    #[test]
    fn a_polygon_holds_what_lies_in_it_and_not_in_its_holes() {
        let zone = square();
        zone.check().unwrap();
        for (lat, lon, within) in
            [(30.1, 30.1, true), (30.5, 30.5, false), (30.5, 30.3, true), (29.9, 30.5, false), (30.5, 31.1, false)]
        {
            assert_eq!(zone.contains(lat, lon), within, "{lat} {lon}");
        }
        assert!(!zone.contains(f64::NAN, 30.1));
    }

    #[test]
    fn a_circle_is_measured_in_metres() {
        let zone = Zone::Circle { lat: 48.85, lon: 37.6, radius_m: 1000.0 };
        zone.check().unwrap();
        assert!(zone.contains(48.8589, 37.6) && zone.contains(48.85, 37.6136));
        assert!(!zone.contains(48.8591, 37.6) && !zone.contains(48.85, 37.6138));
    }

    #[test]
    fn it_is_read_as_geojson_and_what_is_wrong_is_named() {
        let text = r#"{"type":"Polygon","coordinates":[[[37.5,48.8],[37.7,48.8],[37.6,48.9],[37.5,48.8]]]}"#;
        let zone: Zone = serde_json::from_str(text).unwrap();
        assert!(zone.check().is_ok() && zone.contains(48.83, 37.6));
        assert!(serde_json::from_str::<Zone>(r#"{"type":"Point","coordinates":[1,2]}"#).is_err());
        let circle = |lat, radius_m| Zone::Circle { lat, lon: 37.6, radius_m }.check().unwrap_err().to_string();
        assert!(circle(95.0, 10.0).starts_with("95, 37.6 is no place"));
        assert!(circle(48.0, 0.0).starts_with("a radius of 0 m"));
        assert!(circle(48.0, f64::NAN).starts_with("a radius of NaN m"));
        let open = Zone::Polygon { coordinates: vec![vec![[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]]] };
        assert_eq!(open.check(), Err(ZoneError::Ring(1, 4)));
        let many = Zone::Polygon { coordinates: vec![vec![[1.0, 1.0]; MOST_CORNERS + 1]] };
        assert_eq!(many.check(), Err(ZoneError::Corners(MOST_CORNERS + 1)));
    }
}
