//! A municipal machine's day: its round again and again, from its yard and back, at working speed.

use std::sync::Arc;

use transit_model::dispatch::Phase;
use transit_model::ids::VehicleId;
use transit_model::plane::Polyline;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::run::Knot;
use super::traffic::word_of;
use super::vehicle::{Leg, Path, VehicleDay};
use crate::chance::{Topic, between, chance, normal, unit, word};
use crate::city::Machine;

/// It stands in its yard so long between two rounds, seconds from and to.
const BREAK: (f64, f64) = (900.0, 2400.0);
/// A piece of the round that is done at one speed, metres.
const PIECE: f32 = 120.0;

/// The machine's day; no legs on a day it does not work.
pub(super) fn drive(tt: &Arc<Timetable>, seed: u64, date: ServiceDate, machine: &Machine) -> VehicleDay {
    let mut rng = chance(seed, Topic::Machine, word(machine.id), word_of(date));
    let line = Arc::new(Polyline::new(machine.round.iter().map(|(lat, lon)| tt.plane.xy(*lat, *lon))));
    let (from, to) = (tt.zone.at(date, machine.shift.0), tt.zone.at(date, machine.shift.1));
    let mut legs = Vec::new();
    let mut now = from.0 + UnixMs::from_secs_f64(between(&mut rng, 0.0, 900.0)).0;
    while now < to.0 && line.length() > 1.0 {
        let out = now + UnixMs::from_secs_f64(between(&mut rng, BREAK.0, BREAK.1)).0;
        legs.push(stand(&line, now, out));
        let mut knots = vec![Knot { at: UnixMs(out), along: 0.0 }];
        let (mut at, mut along) = (out, 0.0f32);
        while along < line.length() {
            let next = (along + PIECE).min(line.length());
            let pace = machine.kind.working_speed() * (0.25 * normal(&mut rng)).exp().clamp(0.4, 1.6);
            at += UnixMs::from_secs_f64(f64::from(next - along) / pace).0.max(1);
            knots.push(Knot { at: UnixMs(at), along: next });
            // It stops to load, to turn, to let others pass.
            if unit(&mut rng) < 0.05 {
                at += UnixMs::from_secs_f64(between(&mut rng, 20.0, 180.0)).0;
                knots.push(Knot { at: UnixMs(at), along: next });
            }
            along = next;
        }
        legs.push(Leg {
            // `in_progress` is for trips, and a machine has none.
            phase: Phase::Deadhead,
            trip: None,
            path: Path::Line(Arc::clone(&line)),
            knots,
            calls: Vec::new(),
        });
        now = at;
    }
    legs.push(stand(&line, now, now + 600_000));
    VehicleDay::free(tt, date, (VehicleId::from(machine.id), machine.kind.vehicle_kind()), legs)
}

fn stand(line: &Arc<Polyline>, from: i64, to: i64) -> Leg {
    let knots = vec![Knot { at: UnixMs(from), along: 0.0 }, Knot { at: UnixMs(to), along: 0.0 }];
    Leg { phase: Phase::AtBase, trip: None, path: Path::Line(Arc::clone(line)), knots, calls: Vec::new() }
}
