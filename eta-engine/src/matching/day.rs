//! The trips of one service day: only these are candidates. It says what the timetable has, never
//! what a vehicle does.

use rustc_hash::FxHashMap;
use transit_model::ids::{Idx as _, PatternIdx, TripIdx};
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;
use transit_model::units::Seconds;

/// One service day of a timetable.
#[derive(Clone, Debug)]
pub struct Day {
    /// Which.
    pub date: ServiceDate,
    /// The moment its clock starts.
    pub start: UnixMs,
    /// The trips that run, pattern after pattern, each pattern's by start time, with that time.
    trips: Box<[(ServiceTime, TripIdx)]>,
    /// Where in them each pattern begins, and where the last one ends.
    from: Box<[u32]>,
    next: FxHashMap<TripIdx, TripIdx>,
}

impl Day {
    /// Takes the trips of a day from the timetable.
    #[must_use]
    pub fn new(t: &Timetable, date: ServiceDate) -> Self {
        let services = t.services_on(date);
        let runs = |trip: &TripIdx| *services.at(t.trips.at(*trip).service);
        let mut trips: Vec<(ServiceTime, TripIdx)> = Vec::new();
        let mut from = vec![0];
        for (_, p) in t.patterns.iter() {
            let begun = trips.len();
            trips.extend(p.trips.iter().filter(|trip| runs(trip)).map(|trip| (t.starts(*trip), *trip)));
            trips.get_mut(begun..).unwrap_or_default().sort_by_key(|(start, _)| *start);
            from.push(u32::try_from(trips.len()).unwrap_or(u32::MAX));
        }
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
        Self { date, start: t.zone.day_start(date), trips: trips.into(), from: from.into(), next }
    }

    /// The trips of a pattern that run on this day, by start time, with that time.
    #[must_use]
    pub fn trips_of(&self, p: PatternIdx) -> &[(ServiceTime, TripIdx)] {
        let (Some(from), Some(to)) = (self.from.get(p.at()), self.from.get(p.at() + 1)) else { return &[] };
        self.trips.get(*from as usize..*to as usize).unwrap_or(&[])
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
    in_force: Vec<std::sync::Arc<Day>>,
}

impl Days {
    /// The days that may have a vehicle on the road at this moment, later days first.
    pub fn at(&mut self, t: &Timetable, now: UnixMs) -> &[std::sync::Arc<Day>] {
        let quarter = now.secs().div_euclid(900);
        if self.quarter != Some(quarter) {
            self.quarter = Some(quarter);
            let dates = t.days_at(now);
            self.days.retain(|d| dates.iter().any(|k| (k.days() - d.date.days()).abs() <= 2));
            self.in_force = dates.into_iter().map(|d| self.day(t, d)).collect();
        }
        &self.in_force
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
