//! A city of blocks, a machine that drives about in it with a receiver's noise, and what it served
//! against what it drove.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use transit_model::dispatch::{MachineKind, VehicleKind};
use transit_model::fix::{Fix, Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::plane::{Plane, Polyline, Xy};
use transit_model::time::{UnixMs, Zone as TimeZone};

use super::streets::{Part, Streets, Ways};
use super::zones::{self, Zones};
use super::*;

/// 22 November 2026, 08:00 in Kyiv.
const START: UnixMs = UnixMs::from_secs(1_795_327_200);
/// No crossing is the middle of a cell: half of that one would be driven by whoever turns there.
const BLOCK: f32 = 112.0;
const BLOCKS: i32 = 7;

fn plane() -> Plane {
    Plane::around(48.85, 37.6)
}

fn xy((i, j): (i32, i32)) -> Xy {
    Xy { x: i as f32 * BLOCK, y: j as f32 * BLOCK }
}

fn part(name: &str, ways: Ways, points: impl IntoIterator<Item = Xy>) -> Part {
    Part { street: Some((name.to_owned(), None, None)), ways, line: Polyline::new(points) }
}

/// Streets every 112 m both ways, each one line with a vertex at each crossing.
fn blocks() -> Streets {
    let along = (0..BLOCKS).map(|j| part(&format!("along {j}"), Ways::Either, (0..BLOCKS).map(|i| xy((i, j)))));
    let across = (0..BLOCKS).map(|i| part(&format!("across {i}"), Ways::Either, (0..BLOCKS).map(|j| xy((i, j)))));
    Streets::build(along.chain(across).collect(), plane())
}

fn machinery(streets: Streets, zones: Zones) -> Machinery {
    let setup = Setup {
        streets: Arc::new(streets),
        zones: Arc::new(zones),
        rules: Rules::default(),
        zone: TimeZone::named("Europe/Kyiv").unwrap(),
    };
    let mut m = Machinery::new(setup, Saved::default(), START);
    m.set_kinds([(VehicleId::from("P-1"), VehicleKind::Plough), (VehicleId::from("S-1"), VehicleKind::Sweeper)]);
    m
}

fn fix(vehicle: &str, time: UnixMs, at: Xy, speed: f32, bearing: Option<f32>) -> Fix {
    let (lat, lon) = plane().lat_lon(at);
    Fix {
        vehicle: VehicleId::from(vehicle),
        time,
        received: time,
        lat,
        lon,
        speed: Some(speed),
        bearing,
        reported: Reported::default(),
        source: Source::Recording,
    }
}

/// Noise of a receiver that remembers: the same for the same seed.
struct Noise(u64, f32, f32);

impl Noise {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 65_536.0
    }
    /// About normal, deviation 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
    fn around(&mut self, at: Xy, deviation: f32) -> Xy {
        self.1 = 0.6f32.mul_add(self.1, 0.8 * self.normal() * deviation);
        self.2 = 0.6f32.mul_add(self.2, 0.8 * self.normal() * deviation);
        Xy { x: at.x + self.1, y: at.y + self.2 }
    }
}

/// Drives along crossings at a speed, heard every so many seconds; true cells by street name and number.
fn drive(m: &mut Machinery, vehicle: &str, way: &[(i32, i32)], speed: f32, every: i64, noise: &mut Noise) {
    let line = Polyline::new(way.iter().map(|p| xy(*p)));
    let mut t = 0i64;
    loop {
        let along = t as f32 * speed;
        if along > line.length() + speed * every as f32 {
            break;
        }
        let at = noise.around(line.point_at(along), 4.0);
        let bearing = line.heading_at(along.min(line.length())).map(|h| (h + 6.0 * noise.normal()).rem_euclid(360.0));
        m.take(&fix(vehicle, START.plus_secs(t), at, speed, bearing));
        t += every;
    }
    m.end();
}

fn share(m: &mut Machinery, name: &str) -> f32 {
    let view = m.view(START.plus_secs(7200));
    let (n, _) = (0u32..).zip(view.streets.all()).find(|(_, s)| s.name == name).unwrap();
    view.street(n).unwrap().share_since(START, None)
}

#[test]
fn a_street_driven_half_is_served_half_and_its_neighbours_not_at_all() {
    let mut m = machinery(blocks(), Zones::default());
    drive(&mut m, "P-1", &[(0, 2), (3, 2)], 6.0, 10, &mut Noise(7, 0.0, 0.0));
    let half = share(&mut m, "along 2");
    assert!((half - 0.5).abs() < 0.06, "{half}");
    for other in ["along 1", "along 3", "across 0", "across 1", "across 2", "across 3"] {
        assert_eq!(share(&mut m, other), 0.0, "{other}");
    }
    let view = m.view(START.plus_secs(7200));
    let of = &view.now[2];
    assert_eq!(of.served.by, Some(MachineKind::Plough));
    assert!(of.served.whole_since.is_none());
    let last = of.served.last.unwrap();
    assert!((0..=60).contains(&last.secs_since(START)), "{last:?}: a tenth of it was passed in the last {} s", 60);
    assert!((of.share - half).abs() < 1e-6, "the shift began before");
}

#[test]
fn back_and_forth_and_parking_serve_nothing_twice_and_nothing_else() {
    let mut m = machinery(blocks(), Zones::default());
    let mut noise = Noise(3, 0.0, 0.0);
    drive(&mut m, "P-1", &[(0, 2), (3, 2), (0, 2), (3, 2)], 6.0, 10, &mut noise);
    let half = share(&mut m, "along 2");
    assert!((half - 0.5).abs() < 0.06, "{half}");
    // It parks at a crossing for an hour, and its receiver wanders.
    let before = share(&mut m, "across 3");
    for n in 0..360 {
        let at = noise.around(xy((3, 2)), 7.0);
        m.take(&fix("P-1", START.plus_secs(3000 + n * 10), at, 0.0, None));
    }
    m.end();
    assert_eq!((share(&mut m, "across 3"), share(&mut m, "along 2")), (before, half));
}

#[test]
fn a_gap_is_bridged_round_the_corner_and_a_long_one_is_not() {
    let mut m = machinery(blocks(), Zones::default());
    let way = Polyline::new([xy((0, 1)), xy((2, 1)), xy((2, 4))]);
    // Forty seconds without a word about the corner.
    for t in (0..10).chain([14, 15, 16, 17, 18, 19]) {
        let along = t as f32 * 20.0;
        m.take(&fix("P-1", START.plus_secs(t * 10), way.point_at(along), 2.0, way.heading_at(along)));
    }
    m.end();
    assert!(share(&mut m, "along 1") > 0.25 && share(&mut m, "across 2") > 0.1);
    let mut m = machinery(blocks(), Zones::default());
    let far = Polyline::new([xy((0, 1)), xy((6, 1))]);
    for t in [0, 10, 20, 90, 100, 110] {
        let along = t as f32 * 5.0;
        m.take(&fix("P-1", START.plus_secs(t), far.point_at(along), 5.0, Some(90.0)));
    }
    m.end();
    let bridged = share(&mut m, "along 1");
    assert!((bridged - 200.0 / 660.0).abs() < 0.05, "{bridged}: seventy seconds without a word are not joined");
}

#[test]
fn a_machine_that_only_drives_by_serves_nothing() {
    let mut m = machinery(blocks(), Zones::default());
    drive(&mut m, "S-1", &[(0, 2), (6, 2)], 11.0, 10, &mut Noise(7, 0.0, 0.0));
    assert_eq!(share(&mut m, "along 2"), 0.0, "nobody sweeps at 40 km/h");
    let mut m = machinery(blocks(), Zones::default());
    let line = Polyline::new([xy((0, 2)), xy((6, 2))]);
    for t in 0..100 {
        let mut f = fix("P-1", START.plus_secs(t * 10), line.point_at(t as f32 * 60.0), 6.0, Some(90.0));
        f.reported.working = Some(t >= 5);
        m.take(&f);
    }
    m.end();
    let worked = share(&mut m, "along 2");
    assert!((worked - 360.0 / 660.0).abs() < 0.05, "{worked}: with the plough up it only drives");
}

#[test]
fn a_carriageway_is_served_by_who_drives_it_and_a_side_by_its_own_direction() {
    let line = |y: f32, back: bool| {
        let ends = [Xy { x: 0.0, y }, Xy { x: 600.0, y }];
        if back { [ends[1], ends[0]] } else { ends }
    };
    let parts = vec![
        part("avenue", Ways::Forward, line(0.0, false)),
        part("avenue", Ways::Forward, line(14.0, true)),
        part("wide", Ways::Each, line(300.0, false)),
    ];
    let mut m = machinery(Streets::build(parts, plane()), Zones::default());
    let east = |m: &mut Machinery, y: f32, from: i64| {
        for t in 0..20 {
            m.take(&fix("P-1", START.plus_secs(from + t * 5), Xy { x: t as f32 * 32.0, y }, 6.4, Some(88.0)));
        }
        m.end();
    };
    east(&mut m, 5.0, 0);
    assert!((share(&mut m, "avenue") - 0.5).abs() < 0.03, "the other carriageway waits: {}", share(&mut m, "avenue"));
    east(&mut m, 300.0, 1000);
    assert!((share(&mut m, "wide") - 0.5).abs() < 0.03);
    let view = m.view(START.plus_secs(7200));
    let wide = view.street(1).unwrap();
    assert!(wide.share_of_way(START, false) > 0.95 && wide.share_of_way(START, true) == 0.0);
}

#[test]
fn taking_the_same_fixes_again_after_a_restart_changes_nothing() {
    let mut m = machinery(blocks(), Zones::default());
    let mut heard = Vec::new();
    let line = Polyline::new([xy((0, 2)), xy((4, 2))]);
    for t in 0..40 {
        heard.push(fix("P-1", START.plus_secs(t * 10), line.point_at(t as f32 * 30.0), 3.0, Some(90.0)));
    }
    heard.iter().for_each(|f| m.take(f));
    m.end();
    let before = share(&mut m, "along 2");
    let kept = m.take_unsaved();
    assert!(!kept.passes.is_empty());
    assert!(m.take_unsaved().is_empty(), "handed over once");
    let mut again = Machinery::new(m.setup.clone(), kept, START.plus_secs(9000));
    again.set_kinds([(VehicleId::from("P-1"), VehicleKind::Plough)]);
    assert_eq!(share(&mut again, "along 2"), before);
    heard.iter().for_each(|f| again.take(f));
    again.end();
    assert!(again.take_unsaved().passes.is_empty(), "nothing new");
    assert_eq!(share(&mut again, "along 2"), before);
}

#[test]
fn a_zone_is_entered_and_left_once_raised_where_it_asks_and_kept() {
    let corners = [(100.0, 100.0), (400.0, 100.0), (400.0, 400.0), (100.0, 400.0), (100.0, 100.0)];
    let ring = corners.map(|(x, y)| plane().lat_lon(Xy { x, y })).map(|(lat, lon)| serde_json::json!([lon, lat]));
    let file = serde_json::json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "properties": {"name": "Парк", "name:en": "Park", "kind": "forbidden", "raise": "both"},
        "geometry": {"type": "Polygon", "coordinates": [ring]}}]});
    let zones = zones::read(file.to_string().as_bytes(), "zones.geojson", plane(), None).unwrap();
    let mut m = machinery(blocks(), zones.clone());
    let east = Polyline::new([xy((0, 2)), xy((6, 2))]);
    let kyiv = TimeZone::named("Europe/Kyiv").unwrap();
    let mut said = Vec::new();
    for t in 0..12 {
        let now = START.plus_secs(t * 10);
        m.take(&fix("P-1", now, east.point_at(t as f32 * 55.0), 5.5, Some(90.0)));
        let concerns = m.view(now).concerns(now, &kyiv);
        said.extend(concerns.iter().map(|c| (c.level, c.text_uk.clone(), c.text_en.clone())));
    }
    said.dedup();
    let level = |n: usize| (said[n].0, said[n].1.as_str(), said[n].2.as_str());
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(level(0), (1, "P-1 у зоні «Парк»", "P-1 is in zone “Park”"));
    assert_eq!(level(1), (2, "P-1 поза зоною «Парк» з 08:01", "P-1 out of zone “Park” since 08:01"));
    let view = m.view(START.plus_secs(200));
    let [visit] = &*view.visits else { panic!("{:?}", view.visits) };
    assert!(visit.left.is_some() && visit.entered < visit.left.unwrap());
    // Both of its halves wait for the store, the whole one last.
    let kept = m.take_unsaved();
    assert_eq!(kept.visits.last().map(|v| v.left), Some(visit.left));
}

#[test]
fn a_machine_is_moving_standing_or_silent() {
    use super::view::Doing;
    let mut m = machinery(blocks(), Zones::default());
    let at = |m: &mut Machinery, s: i64| {
        let now = START.plus_secs(s);
        let view = m.view(now);
        let (doing, since) = view.machines[0].doing(now);
        (doing, since.secs_since(START))
    };
    for (s, speed) in [(0, 5.0), (10, 6.0), (20, 0.0), (30, 0.0)] {
        m.take(&fix("P-1", START.plus_secs(s), xy((1, 1)), speed, None));
    }
    assert_eq!(at(&mut m, 40), (Doing::Standing, 20));
    assert_eq!(at(&mut m, 300), (Doing::Silent, 30));
    m.take(&fix("P-1", START.plus_secs(310), xy((2, 1)), 4.0, None));
    assert_eq!(at(&mut m, 311), (Doing::Moving, 310));
    m.take(&fix("bus-7", START.plus_secs(310), xy((2, 1)), 4.0, None));
    assert_eq!(m.view(START.plus_secs(312)).machines.len(), 1, "a bus is no machine");
    m.set_kinds([]);
    assert!(m.view(START.plus_secs(313)).machines.is_empty(), "taken off the registry");
}

/// Where a walk over crossings goes: no turning on the spot.
fn walks() -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::vec((0u8..3, 1u8..4), 6..14).prop_map(|turns| {
        let (mut at, mut heading) = ((3i32, 3i32), (1i32, 0i32));
        let mut way = vec![at];
        for (turn, blocks) in turns {
            heading = match turn {
                0 => heading,
                1 => (-heading.1, heading.0),
                _ => (heading.1, -heading.0),
            };
            for _ in 0..blocks {
                let next = (at.0 + heading.0, at.1 + heading.1);
                if !(0..BLOCKS).contains(&next.0) || !(0..BLOCKS).contains(&next.1) {
                    heading = (-heading.1, heading.0);
                    break;
                }
                at = next;
                way.push(at);
            }
        }
        way
    })
}

/// Metres of the truth that were found, metres that were found, metres of the truth.
fn judged(m: &Machinery, way: &[(i32, i32)]) -> (f32, f32, f32) {
    let streets = &m.setup.streets;
    let passes = m.ledger.passes();
    let driven = |at: Xy, heading_east: bool| {
        way.windows(2).any(|leg| {
            let (a, b) = (xy(leg[0]), xy(leg[1]));
            let east = leg[0].1 == leg[1].1;
            east == heading_east
                && at.x >= a.x.min(b.x) - 0.1
                && at.x <= a.x.max(b.x) + 0.1
                && at.y >= a.y.min(b.y) - 0.1
                && at.y <= a.y.max(b.y) + 0.1
        })
    };
    let (mut both, mut found, mut truth) = (0.0, 0.0, 0.0);
    for (piece, cells) in streets.pieces().iter().zip(&passes) {
        let points = piece.line.points();
        let east = points[0].y == points[1].y;
        for n in 0..piece.cells {
            let middle = piece.line.point_at((n as f32 + 0.5) * piece.cell());
            let was = driven(middle, east);
            let is = cells.get(n as usize).is_some_and(|c| c.latest() > 0);
            both += if was && is { piece.cell() } else { 0.0 };
            found += if is { piece.cell() } else { 0.0 };
            truth += if was { piece.cell() } else { 0.0 };
        }
    }
    (both, found, truth)
}

#[test]
fn about_the_blocks_what_was_driven_is_found_and_what_is_found_was_driven() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut both, mut found, mut truth) = (0.0, 0.0, 0.0);
    for seed in 0..60 {
        let way: Vec<(i32, i32)> = walks().new_tree(&mut runner).unwrap().current();
        let mut m = machinery(blocks(), Zones::default());
        drive(&mut m, "P-1", &way, 6.0, 10, &mut Noise(seed, 0.0, 0.0));
        let (b, f, t) = judged(&m, &way);
        (both, found, truth) = (both + b, found + f, truth + t);
    }
    let (recall, precision) = (both / truth, both / found);
    println!("blocks of {BLOCK} m, fixes every 10 s: recall {recall:.4}, precision {precision:.4} of {truth:.0} m");
    assert!(recall >= 0.97, "{recall}");
    assert!(precision >= 0.97, "{precision}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_nothing_breaks_and_nothing_is_served_beyond_the_whole(
        jumps in prop::collection::vec((-60_000i64..120_000, -900.0f32..900.0, -900.0f32..900.0, prop::option::of(0.0f32..30.0), prop::option::of(0.0f32..360.0)), 1..60)
    ) {
        let mut m = machinery(blocks(), Zones::default());
        let mut t = START;
        for (ms, x, y, speed, bearing) in jumps {
            t = UnixMs(t.0 + ms);
            let mut f = fix("P-1", t, Xy { x, y }, 0.0, bearing);
            f.speed = speed;
            m.take(&f);
            m.turn(t);
        }
        m.end();
        let view = m.view(t);
        for n in 0..14 {
            let s = view.street(n).unwrap();
            let share = s.share_since(UnixMs(0), None);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert!(s.share_since(t.plus_secs(400_000), None) == 0.0);
        }
    }
}
