//! A small city with machines, for tests of what readers are told.

use std::sync::Arc;

use transit_model::dispatch::VehicleKind;
use transit_model::fix::{Fix, Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::plane::{Polyline, Xy};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::rules::Rules;
use super::streets::{Part, Streets, Ways};
use super::view::View;
use super::zones;
use super::{Machinery, Saved, Setup};

/// Three streets of 400 m, one of which a plough named `B` has driven to its middle by `now`; it stands in
/// a forbidden zone that is not public, and in its district.
pub(crate) fn view(t: &Timetable, now: UnixMs) -> Arc<View> {
    let line = |y: f32| Polyline::new([Xy { x: 0.0, y }, Xy { x: 400.0, y }]);
    let part = |name: &str, english: &str, y: f32| Part {
        street: Some((name.to_owned(), Some(english.to_owned()), None)),
        ways: Ways::Either,
        line: line(y),
    };
    let parts = vec![
        part("вул. Центральна", "Tsentralna St", 0.0),
        part("вул. <b>Лісна</b>", "", 300.0),
        part("пров. Тихий", "", 900.0),
    ];
    let zone = |name: &str, kind: &str, x: f32| {
        let corners = [(x, -50.0), (260.0, -50.0), (260.0, 50.0), (x, 50.0), (x, -50.0)];
        let ring = corners.map(|(x, y)| t.plane.lat_lon(Xy { x, y })).map(|(lat, lon)| serde_json::json!([lon, lat]));
        serde_json::json!({"type": "Feature", "properties": {"name": name, "kind": kind},
            "geometry": {"type": "Polygon", "coordinates": [ring]}})
    };
    let file = serde_json::json!({"type": "FeatureCollection",
        "features": [zone("Центр", "district", -60.0), zone("Сквер", "forbidden", 150.0)]});
    let setup = Setup {
        streets: Arc::new(Streets::build(parts, t.plane)),
        zones: Arc::new(zones::read(file.to_string().as_bytes(), "zones.geojson", t.plane, None).unwrap()),
        rules: Rules::default(),
        zone: t.zone.clone(),
    };
    let mut m = Machinery::new(setup, Saved::default(), now);
    m.set_kinds([(VehicleId::from("B"), VehicleKind::Plough)]);
    for n in 0..=10i64 {
        let (lat, lon) = t.plane.lat_lon(Xy { x: n as f32 * 20.0, y: 2.0 });
        let time = now.plus_secs((n - 10) * 5 - 60);
        let (vehicle, reported) = (VehicleId::from("B"), Reported::default());
        let (speed, bearing) = (Some(4.0), Some(90.0));
        m.take(&Fix { vehicle, time, received: time, lat, lon, speed, bearing, reported, source: Source::Recording });
    }
    m.end();
    m.view(now)
}
