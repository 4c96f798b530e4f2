//! The trips a vehicle may be on by where and when it is: every line that passes, every trip of it
//! that could be here now. It weighs nothing against what the vehicle was on before.

use transit_model::ids::PatternIdx;
use transit_model::time::UnixMs;

use super::cost;
use super::hypothesis::{AT_END, AT_START, Hypothesis, Served, ends_of, scheduled_at, turned};
use super::snap::Snapped;
use super::track::{Around, Observation};
use crate::world::TripDay;

/// How many trips of one pattern are taken up at once.
const MOST_OF_PATTERN: usize = 3;
/// Trips of a pattern take about as long as one another: this much grace for those that do not, seconds.
const GRACE: f64 = 1200.0;

/// Every trip that could be here now, the cheapest of each pattern, priced. `ready` is since when the
/// vehicle could have begun one, where that is known.
pub(super) fn here(
    o: &Observation,
    ready: Option<UnixMs>,
    around: &Around<'_>,
    served: Option<&Served>,
) -> Vec<Hypothesis> {
    let t = around.timetable;
    let mut found: Vec<Hypothesis> = Vec::new();
    for passage in around.network.near(t, o.at, cost::SPAWN_WITHIN) {
        let along = passage.at.along;
        let turned = turned(o.motion.bearing, t.shapes.at(passage.shape), along);
        if turned >= cost::AGAINST {
            continue;
        }
        let snapped = Snapped { along, off: passage.at.off, cost: cost::off(passage.at.off) + turned };
        for p in around.network.patterns_of(passage.shape) {
            let mut of_pattern = of(*p, snapped, o, ready, around, served);
            of_pattern.sort_by(|a, b| a.total.total_cmp(&b.total).then(a.on.cmp(&b.on)));
            found.extend(of_pattern.into_iter().take(MOST_OF_PATTERN));
        }
    }
    found
}

/// The trips of a pattern that could be at this place of its line now.
fn of(
    p: PatternIdx,
    s: Snapped,
    o: &Observation,
    ready: Option<UnixMs>,
    around: &Around<'_>,
    served: Option<&Served>,
) -> Vec<Hypothesis> {
    let mut found = Vec::new();
    let t = around.timetable;
    let (first, last) = ends_of(t.patterns.at(p));
    if s.along > last - AT_END || s.along < first - 200.0 {
        return found;
    }
    let waiting = s.along <= first + AT_START;
    for day in around.days {
        let trips = day.trips_of(p);
        let Some(model) = trips.first() else { continue };
        let now = o.time.secs_f64() - day.start.secs_f64();
        let offset = scheduled_at(t, *model, s.along, 0.0) - f64::from(t.starts(*model).0);
        let (early, late) = if waiting { (45.0, 30.0) } else { (15.0, 90.0) };
        let lo = now - offset - late * 60.0 - GRACE;
        let hi = now - offset + early * 60.0 + GRACE;
        let from = trips.partition_point(|trip| f64::from(t.starts(*trip).0) < lo);
        for trip in trips.iter().skip(from).take_while(|trip| f64::from(t.starts(**trip).0) <= hi) {
            let behind = now - scheduled_at(t, *trip, s.along, 0.0);
            if behind < -early * 60.0 || behind > late * 60.0 {
                continue;
            }
            let mut h = Hypothesis::new(TripDay { date: day.date, trip: *trip }, s, first, ready.unwrap_or(o.time));
            h.price(o, around, served);
            found.push(h);
        }
    }
    found
}
