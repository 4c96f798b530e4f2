//! Machines drive streets that are known, with a receiver's noise; what the engine says they served is
//! held against what they drove, metre by metre. Each half hour is judged by itself, so that a second
//! round over the same streets hides nothing.
#![cfg(test)]

use std::collections::BTreeSet;
use std::sync::Arc;

use eta_engine::machinery::rules::Rules;
use eta_engine::machinery::streets::{self, Streets};
use eta_engine::machinery::{Machinery, Saved, Setup};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use simulator::city;
use simulator::drive::{Cap, Plan, VehicleDay};
use simulator::fleet::{Fleet, FleetOptions};
use transit_model::fix::{Fix, Reported, Source};
use transit_model::plane::{Xy, angle_between};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

const HALF_HOUR: i64 = 1800;

fn monday() -> ServiceDate {
    "20261123".parse().unwrap()
}

struct City {
    tt: Arc<Timetable>,
    streets: Arc<Streets>,
}

impl City {
    fn new() -> Self {
        let tt = Arc::new(city::load(monday()).unwrap().timetable);
        let text = city::geojson::streets();
        let streets = Arc::new(streets::read(text.as_bytes(), "streets.geojson", tt.plane, None).unwrap());
        Self { tt, streets }
    }

    fn plan(&self, seed: u64) -> Plan {
        let nobody = Some(Cap { vehicles: 0, at: ServiceTime(0) });
        Plan::for_day(&self.tt, seed, monday(), nobody).with_machines(&city::machines())
    }

    /// Metres of pieces that were served by these fixes: piece and metre.
    fn served(&self, day: &VehicleDay, fixes: impl Iterator<Item = Fix>) -> BTreeSet<(u32, u32)> {
        let mut rules = Rules::default();
        // Here the lorry is judged as well.
        rules.kinds.iter_mut().for_each(|r| r.serves = true);
        let setup =
            Setup { streets: Arc::clone(&self.streets), zones: Arc::default(), rules, zone: self.tt.zone.clone() };
        let mut m = Machinery::new(setup, Saved::default(), UnixMs(0));
        m.set_kinds([(day.vehicle.clone(), day.kind)]);
        let mut last = UnixMs(0);
        for fix in fixes {
            last = fix.time;
            m.take(&fix);
        }
        m.end();
        let view = m.view(last);
        let mut found = BTreeSet::new();
        for ((n, piece), cells) in (0u32..).zip(self.streets.pieces()).zip(view.passes.iter()) {
            for (c, _) in cells.iter().enumerate().filter(|(_, cell)| cell.latest() > 0) {
                let from = c as f32 * piece.cell();
                found.extend(metres(from, from + piece.cell()).map(|m| (n, m)));
            }
        }
        found
    }

    /// Metres of pieces that were truly driven.
    fn driven(&self, day: &VehicleDay, from: UnixMs, to: UnixMs) -> BTreeSet<(u32, u32)> {
        let mut truth = BTreeSet::new();
        let mut before: Vec<(u32, f32)> = Vec::new();
        let mut t = from;
        while t < to {
            let on = day.state_at(t).map(|s| self.on(s.xy, s.bearing)).unwrap_or_default();
            for (piece, along) in &on {
                if let Some((_, was)) = before.iter().find(|(p, was)| p == piece && (was - along).abs() < 60.0) {
                    truth.extend(metres(was.min(*along), was.max(*along)).map(|m| (*piece, m)));
                }
            }
            before = on;
            t = t.plus_secs(1);
        }
        truth
    }

    /// The pieces a true place lies on, heading along them.
    fn on(&self, at: Xy, bearing: Option<f32>) -> Vec<(u32, f32)> {
        let mut found: Vec<(u32, f32)> = Vec::new();
        for s in self.streets.grid().near(at) {
            let Some(piece) = self.streets.pieces().get(s.line as usize) else { continue };
            let Some(p) = piece.line.project_between(at, s.from, s.to).filter(|p| p.off < 0.5) else { continue };
            let street = piece.line.heading_at(p.along).unwrap_or(0.0);
            let askew = bearing.map_or(0.0, |b| angle_between(b, street));
            if !(20.0..=160.0).contains(&askew) && found.last().is_none_or(|(line, _)| *line != s.line) {
                found.push((s.line, p.along));
            }
        }
        found
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "metres of a street")]
fn metres(from: f32, to: f32) -> impl Iterator<Item = u32> {
    from.round() as u32..to.round() as u32
}

/// What receivers make of the truth every so many seconds: noise that remembers itself.
fn noisy(
    day: &VehicleDay,
    from: UnixMs,
    to: UnixMs,
    every: i64,
    deviation: f64,
    tt: &Timetable,
    seed: u64,
) -> Vec<Fix> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = Normal::new(0.0, 1.0).unwrap();
    let mut off = (0.0, 0.0);
    let mut fixes = Vec::new();
    let mut t = from;
    while t < to {
        if let Some(s) = day.state_at(t) {
            let mut next = |v: f64| 0.6 * v + 0.8 * deviation * normal.sample(&mut rng);
            off = (next(off.0), next(off.1));
            let (lat, lon) = tt.plane.lat_lon(Xy { x: s.xy.x + off.0 as f32, y: s.xy.y + off.1 as f32 });
            let askew = normal.sample(&mut rng) as f32 * 5.0;
            fixes.push(Fix {
                vehicle: day.vehicle.clone(),
                time: t,
                received: t,
                lat,
                lon,
                speed: Some(s.speed),
                bearing: s.bearing.filter(|_| s.speed > 0.5).map(|b| (b + askew).rem_euclid(360.0)),
                reported: Reported::default(),
                source: Source::Recording,
            });
        }
        t = t.plus_secs(every);
    }
    fixes
}

#[derive(Default)]
struct Score {
    both: usize,
    found: usize,
    truth: usize,
}

impl Score {
    fn add(&mut self, found: &BTreeSet<(u32, u32)>, truth: &BTreeSet<(u32, u32)>) {
        self.both += found.intersection(truth).count();
        self.found += found.len();
        self.truth += truth.len();
    }
    fn recall(&self) -> f64 {
        self.both as f64 / self.truth as f64
    }
    fn precision(&self) -> f64 {
        self.both as f64 / self.found as f64
    }
}

fn half_hours(day: &VehicleDay) -> impl Iterator<Item = (UnixMs, UnixMs)> {
    let (from, to) = day.span();
    let whole = to.secs_since(from).min(9 * 3600) / HALF_HOUR;
    (0..whole).map(move |n| (from.plus_secs(n * HALF_HOUR), from.plus_secs((n + 1) * HALF_HOUR)))
}

#[test]
fn what_is_served_is_what_was_driven() {
    let city = City::new();
    let plan = city.plan(7);
    for (every, deviation, least) in [(10, 5.0, 0.98), (20, 5.0, 0.97), (10, 8.0, 0.98)] {
        let mut score = Score::default();
        for day in &plan.vehicles {
            for (from, to) in half_hours(day) {
                let fixes = noisy(day, from, to, every, deviation, &city.tt, 11);
                score.add(&city.served(day, fixes.into_iter()), &city.driven(day, from, to));
            }
        }
        let (recall, precision) = (score.recall(), score.precision());
        assert!(score.truth > 100_000, "{}", score.truth);
        assert!(recall >= least && precision >= least, "{every} s, {deviation} m: {recall} {precision}");
    }
}

#[test]
fn the_fleets_own_trackers_tell_the_streets_too() {
    let city = City::new();
    let nobody = Some(Cap { vehicles: 0, at: ServiceTime(0) });
    let options = FleetOptions { seed: 7, cap: nobody, machines: city::machines(), ..FleetOptions::default() };
    let fleet = Fleet::new(Arc::clone(&city.tt), options);
    let plan = fleet.plan(monday());
    let all: Vec<Fix> = fleet.fixes_of_days(monday(), monday()).collect();
    let mut score = Score::default();
    for day in plan.vehicles.iter().filter(|v| v.kind.is_machinery()) {
        for (from, to) in half_hours(day) {
            let mine = all.iter().filter(|f| f.vehicle == day.vehicle && f.time >= from && f.time < to).cloned();
            score.add(&city.served(day, mine), &city.driven(day, from, to));
        }
    }
    let (recall, precision) = (score.recall(), score.precision());
    assert!(recall >= 0.97 && precision >= 0.97, "{recall} {precision}");
}
