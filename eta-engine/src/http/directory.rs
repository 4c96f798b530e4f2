//! Stops as people look for them: by name, by the code on the pole, by nearness. Built once for
//! each timetable; pure.

use std::cmp::Ordering;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::ids::{IdxVec, PatternIdx, RouteIdx, StopIdx};
use transit_model::plane::haversine;
use transit_model::timetable::{StopKind, Timetable};

use crate::names::{Name, fold};

/// At most so many directions are named for a stop.
const TOWARDS: usize = 3;

/// What people look a stop up by, and tell it from its namesake across the street by.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Routes that call here, in natural order.
    pub routes: Vec<RouteIdx>,
    /// Where vehicles go from here, the most frequent first.
    pub towards: Vec<Box<str>>,
    name: Name,
    code: Box<str>,
}

/// The stops of a timetable.
#[derive(Clone, Debug)]
pub struct Directory {
    timetable: Arc<Timetable>,
    entries: IdxVec<StopIdx, Entry>,
    by_name: Vec<StopIdx>,
}

/// A stop that was found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// Which.
    pub stop: StopIdx,
    /// Metres from where the search was made.
    pub distance: Option<f64>,
}

impl Directory {
    /// Of a timetable.
    #[must_use]
    pub fn new(timetable: Arc<Timetable>) -> Self {
        let t = &*timetable;
        let mut entries: IdxVec<StopIdx, Entry> =
            t.stops.iter().map(|(_, s)| Entry::of(&s.name, &s.code)).collect::<Vec<_>>().into();
        let mut seen: FxHashMap<(StopIdx, PatternIdx), ()> = FxHashMap::default();
        for stop in t.stops.indices() {
            let platforms = t.stops.iter().filter(|(i, s)| *i == stop || s.parent == Some(stop)).map(|(i, _)| i);
            let mut heads: FxHashMap<&str, usize> = FxHashMap::default();
            let Some(entry) = entries.get_mut(stop) else { continue };
            // Only a station's platforms are looked for; for any other stop this is itself.
            let own: Vec<_> = if t.stops.at(stop).kind == StopKind::Station { platforms.collect() } else { vec![stop] };
            for (pattern, pos) in own.iter().flat_map(|p| t.calls_at(*p)) {
                let p = t.patterns.at(*pattern);
                entry.routes.push(p.route);
                if pos.at() + 1 < p.calls.len() && seen.insert((stop, *pattern), ()).is_none() {
                    for trip in &p.trips {
                        *heads.entry(&t.trips.at(*trip).headsign).or_default() += 1;
                    }
                }
            }
            entry
                .routes
                .sort_by(|a, b| natural(&t.routes.at(*a).short_name, &t.routes.at(*b).short_name).then(a.cmp(b)));
            entry.routes.dedup();
            let mut heads: Vec<_> = heads.into_iter().filter(|(h, _)| !h.is_empty()).collect();
            heads.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            entry.towards = heads.into_iter().take(TOWARDS).map(|(h, _)| h.into()).collect();
        }
        let mut by_name: Vec<_> = t.stops.indices().filter(|s| t.stops.at(*s).kind != StopKind::Other).collect();
        by_name.sort_by(|a, b| natural(&t.stops.at(*a).name, &t.stops.at(*b).name).then(a.cmp(b)));
        Self { timetable, entries, by_name }
    }

    /// The timetable it was built from.
    #[must_use]
    pub const fn timetable(&self) -> &Arc<Timetable> {
        &self.timetable
    }

    /// What is known of a stop.
    #[must_use]
    pub fn entry(&self, stop: StopIdx) -> &Entry {
        self.entries.at(stop)
    }

    /// Stops whose name or code fits every word of `q`, the best first; with `near` (degrees) the
    /// nearest first among equals, and within `radius` metres. Without either, all by name.
    #[must_use]
    pub fn search(&self, q: Option<&str>, near: Option<(f64, f64)>, radius: f64) -> Vec<Found> {
        let words = q.map(fold);
        let mut found: Vec<(u8, Found)> = Vec::new();
        for stop in &self.by_name {
            let rank = match &words {
                None => Some(0),
                Some(words) => self.entries.at(*stop).rank(words),
            };
            let s = self.timetable.stops.at(*stop);
            let distance = near.map(|(lat, lon)| haversine(lat, lon, s.lat, s.lon));
            if let Some(rank) = rank.filter(|_| distance.is_none_or(|d| d <= radius)) {
                found.push((rank, Found { stop: *stop, distance }));
            }
        }
        let by_distance = |a: &Found, b: &Found| a.distance.partial_cmp(&b.distance).unwrap_or(Ordering::Equal);
        found.sort_by(|(ra, a), (rb, b)| ra.cmp(rb).then_with(|| by_distance(a, b)));
        found.into_iter().map(|(_, f)| f).collect()
    }
}

impl Entry {
    fn of(name: &str, code: &str) -> Self {
        Self { name: Name::of(name), code: code.to_lowercase().into(), ..Self::default() }
    }

    /// How well the words fit: 0 code, 1 the name begins with them, 2 words of it do, 3 somewhere
    /// inside; `None` when one does not fit at all.
    fn rank(&self, words: &[Box<str>]) -> Option<u8> {
        match words {
            [one] if !self.code.is_empty() && self.code == *one => Some(0),
            _ => self.name.rank(words),
        }
    }
}

/// Order in which people expect names: numbers by value, the rest by letter without case.
#[must_use]
pub fn natural(a: &str, b: &str) -> Ordering {
    let key = |s: &str| {
        let digits: String = s.chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse::<u64>().unwrap_or(u64::MAX);
        (number, s.to_lowercase())
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture::timetable;

    fn find(q: &str) -> Vec<String> {
        let t = timetable();
        let d = Directory::new(Arc::clone(&t));
        d.search(Some(q), None, f64::MAX).iter().map(|f| t.stops.at(f.stop).id.to_string()).collect()
    }

    #[test]
    fn a_stop_is_found_however_it_is_typed() {
        assert_eq!(find("вокзал"), ["D"]);
        assert_eq!(find("ВОК"), ["D"]);
        assert_eq!(find("vokzal"), ["D"]);
        assert_eq!(find("словянський"), ["E"], "without the apostrophe");
        assert_eq!(find("слов’янський парк"), ["E"], "with another one, in another order");
        assert_eq!(find("соборна"), ["A"], "by the second word");
        assert_eq!(find("104"), ["D"], "by the code on the pole");
        assert_eq!(find("карн"), ["C"], "from within");
        assert_eq!(find("автостанція"), ["S", "S1", "S2"]);
        assert_eq!(find("вокзал ринок"), Vec::<String>::new());
    }

    #[test]
    fn the_nearest_stands_first_and_the_far_not_at_all() {
        let t = timetable();
        let d = Directory::new(Arc::clone(&t));
        let near = d.search(None, Some((48.85, 37.619)), 1500.0);
        let ids: Vec<_> = near.iter().map(|f| &*t.stops.at(f.stop).id).collect();
        assert_eq!(ids, ["B", "E", "S1", "S", "S2", "A"]);
        assert!(near[0].distance.unwrap() < 100.0);
    }

    #[test]
    fn a_stop_knows_its_routes_and_where_they_go() {
        let t = timetable();
        let d = Directory::new(Arc::clone(&t));
        let b = d.entry(t.stop_by_id("B").unwrap());
        let names: Vec<_> = b.routes.iter().map(|r| &*t.routes.at(*r).short_name).collect();
        assert_eq!(names, ["2", "5"]);
        assert_eq!(b.towards, ["Вокзал".into(), "Парк".into()] as [Box<str>; 2]);
        assert_eq!(d.entry(t.stop_by_id("D").unwrap()).towards, Vec::<Box<str>>::new(), "nobody goes on from there");
        assert_eq!(d.entry(t.stop_by_id("S").unwrap()).routes.len(), 1, "a station has its platforms' routes");
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names = vec!["10", "2", "А", "2а", "1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1", "2", "2а", "10", "А"]);
    }
}
