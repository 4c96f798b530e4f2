//! The trips a vehicle may be on by where and when it is: every line that passes, every trip of it
//! that could be here now. It weighs nothing against what the vehicle was on before.

use smallvec::SmallVec;
use transit_model::ids::PatternIdx;
use transit_model::time::UnixMs;

use super::cost;
use super::hypothesis::{AT_END, AT_START, Between, Hypothesis, Served, ends_of, turned, turned_against};
use super::snap::Snapped;
use super::track::{Around, MOST, Observation};
use crate::world::TripDay;

/// How many trips of one pattern are taken up at once.
const MOST_OF_PATTERN: usize = 3;
/// Trips of a pattern take about as long as one another: this much grace for those that do not, seconds.
const GRACE: f64 = 1200.0;

/// The cheapest few of the hypotheses that were offered, the cheapest first.
pub(super) struct Cheapest {
    most: usize,
    kept: SmallVec<[Hypothesis; MOST]>,
}

impl Cheapest {
    fn of(most: usize) -> Self {
        Self { most, kept: SmallVec::new() }
    }

    /// Whatever costs more than this need not be offered.
    fn limit(&self) -> f32 {
        self.kept.get(self.most - 1).map_or(f32::INFINITY, |h| h.total)
    }

    fn offer(&mut self, h: Hypothesis) {
        let before = |x: &Hypothesis| x.total.total_cmp(&h.total).then(x.on.cmp(&h.on)).is_le();
        let at = self.kept.partition_point(before);
        if at < self.most {
            self.kept.truncate(self.most - 1);
            self.kept.insert(at, h);
        }
    }
}

/// What one look at the surroundings knows.
struct Look<'a> {
    o: &'a Observation,
    around: &'a Around<'a>,
    served: Option<&'a Served>,
    /// Since when the vehicle could have begun a trip.
    ready: UnixMs,
}

/// Every trip that could be here now, the cheapest of each pattern and of them all, priced. `ready` is since
/// when the vehicle could have begun one, where that is known; `added` is what taking one up costs, by
/// whether it has started.
pub(super) fn here(
    o: &Observation,
    ready: Option<UnixMs>,
    around: &Around<'_>,
    served: Option<&Served>,
    added: &dyn Fn(bool) -> f32,
) -> SmallVec<[Hypothesis; MOST]> {
    let t = around.timetable;
    let look = Look { o, around, served, ready: ready.unwrap_or(o.time) };
    let mut all = Cheapest::of(MOST);
    for passage in around.network.near(t, o.at, cost::SPAWN_WITHIN) {
        let along = passage.at.along;
        let line = t.shapes.at(passage.shape);
        let turned = match line.cumulative().get(passage.at.segment as usize + 1) {
            Some(end) if along < *end => turned_against(o.motion.bearing, line.headings(), passage.at.segment),
            _ => turned(o.motion.bearing, line, along),
        };
        if turned >= cost::AGAINST {
            continue;
        }
        let snapped = Snapped { along, off: passage.at.off, cost: cost::off(passage.at.off) + turned, turned };
        for p in around.network.patterns_of(passage.shape) {
            let mut of_pattern = Cheapest::of(MOST_OF_PATTERN);
            let (first, _) = ends_of(t.patterns.at(*p));
            let added = added(along > first + AT_START);
            look.at(*p, snapped, &mut of_pattern, |least| least + added > all.limit());
            for mut h in of_pattern.kept {
                h.evidence += added;
                h.total += added;
                all.offer(h);
            }
        }
    }
    all.kept
}

impl Look<'_> {
    /// The trips of a pattern that could be at this place of its line now, but for those of which the least
    /// they can cost is already `too_dear`.
    fn at(&self, p: PatternIdx, s: Snapped, found: &mut Cheapest, too_dear: impl Fn(f32) -> bool) {
        let (o, t) = (self.o, self.around.timetable);
        let pattern = t.patterns.at(p);
        let (first, last) = ends_of(pattern);
        if s.along > last - AT_END || s.along < first - 200.0 {
            return;
        }
        let waiting = s.along <= first + AT_START;
        let between = Between::of(pattern, s.along);
        for day in self.around.days {
            let trips = day.trips_of(p);
            let Some((starts, model)) = trips.first() else { continue };
            let start = day.start.secs_f64();
            let now = o.time.secs_f64() - start;
            let offset = between.scheduled(t, *model) - f64::from(starts.0);
            let (early, late) = if waiting { (45.0, 30.0) } else { (15.0, 90.0) };
            let lo = now - offset - late * 60.0 - GRACE;
            let hi = now - offset + early * 60.0 + GRACE;
            let from = trips.partition_point(|(starts, _)| f64::from(starts.0) < lo);
            for (_, trip) in trips.iter().skip(from).take_while(|(starts, _)| f64::from(starts.0) <= hi) {
                let scheduled = between.scheduled(t, *trip);
                let behind = now - scheduled;
                if behind < -early * 60.0 || behind > late * 60.0 {
                    continue;
                }
                let mut h = Hypothesis::new(TripDay { date: day.date, trip: *trip }, s, first, self.ready);
                let plan = h.plan(start + scheduled, start, o, t);
                let least = h.at_least(plan);
                if least > found.limit() || too_dear(least) {
                    continue;
                }
                h.add_up(plan, start, o, self.around, self.served);
                found.offer(h);
            }
        }
    }
}
