//! The trips of one service day: only these are candidates. It says what the timetable has, never
//! what a vehicle does.

use rustc_hash::FxHashMap;
use transit_model::ids::{IdxVec, PatternIdx, TripIdx};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;
use transit_model::units::Seconds;

/// One service day of a timetable.
#[derive(Clone, Debug)]
pub struct Day {
    /// Which.
    pub date: ServiceDate,
    /// The moment its clock starts.
    pub start: UnixMs,
    /// The trips of each pattern that run, by start time.
    trips: IdxVec<PatternIdx, Vec<TripIdx>>,
    next: FxHashMap<TripIdx, TripIdx>,
}

impl Day {
    /// Takes the trips of a day from the timetable.
    #[must_use]
    pub fn new(t: &Timetable, date: ServiceDate) -> Self {
        let services = t.services_on(date);
        let runs = |trip: &TripIdx| *services.at(t.trips.at(*trip).service);
        let trips: Vec<Vec<TripIdx>> = t
            .patterns
            .iter()
            .map(|(_, p)| {
                let mut of_day: Vec<TripIdx> = p.trips.iter().copied().filter(runs).collect();
                of_day.sort_by_key(|trip| t.starts(*trip));
                of_day
            })
            .collect();
        let mut next = FxHashMap::default();
        for (_, block) in t.blocks.iter() {
            let of_day: Vec<TripIdx> = block.trips.iter().copied().filter(runs).collect();
            for pair in of_day.windows(2) {
                if let [a, b] = pair {
                    // Two trips of a block that overlap are two vehicles' work, whatever the feed says.
                    if t.starts(*b) >= t.ends(*a) + Seconds(-120) {
                        next.insert(*a, *b);
                    }
                }
            }
        }
        Self { date, start: t.zone.day_start(date), trips: trips.into(), next }
    }

    /// The trips of a pattern that run on this day, by start time.
    #[must_use]
    pub fn trips_of(&self, p: PatternIdx) -> &[TripIdx] {
        self.trips.get(p).map_or(&[], Vec::as_slice)
    }

    /// The trip the same vehicle runs next, by the feed's blocks.
    #[must_use]
    pub fn next_of(&self, trip: TripIdx) -> Option<TripIdx> {
        self.next.get(&trip).copied()
    }
}

/// The service days in force, built once each and kept while they may be needed.
#[derive(Clone, Debug, Default)]
pub struct Days {
    days: Vec<std::sync::Arc<Day>>,
    /// The quarter of an hour the list was last looked over in.
    quarter: Option<i64>,
    in_force: Vec<ServiceDate>,
}

impl Days {
    /// The days that may have a vehicle on the road at this moment, later days first.
    pub fn at(&mut self, t: &Timetable, now: UnixMs) -> Vec<std::sync::Arc<Day>> {
        let quarter = now.secs().div_euclid(900);
        if self.quarter != Some(quarter) {
            self.quarter = Some(quarter);
            self.in_force = t.days_at(now);
            let keep = self.in_force.clone();
            self.days.retain(|d| keep.iter().any(|k| (k.days() - d.date.days()).abs() <= 2));
        }
        self.in_force.clone().into_iter().map(|d| self.day(t, d)).collect()
    }

    /// One day.
    pub fn day(&mut self, t: &Timetable, date: ServiceDate) -> std::sync::Arc<Day> {
        if let Some(d) = self.days.iter().find(|d| d.date == date) {
            return d.clone();
        }
        let day = std::sync::Arc::new(Day::new(t, date));
        self.days.push(day.clone());
        day
    }
}
