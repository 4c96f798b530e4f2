//! What a [`LinkModel`] says of the links of one timetable, by the timetable's own numbers: a prediction asks
//! for fifty links and most answers are those of a moment ago. It never says anything the model does not.

use rustc_hash::FxHashMap;
use transit_model::ids::{IdxVec, LinkIdx};
use transit_model::timetable::{LinkKey, Timetable};

use super::links::{BINS, Bin, DayKind, LinkModel, LinkParts, Steady, When};

/// So many times of day of a link are kept: the hour that predictions reach ahead, and one.
const TIMES: usize = 8;

/// Answers of a model, kept until it learns.
#[derive(Debug)]
pub struct Paces {
    /// Links that look the same share what is learned.
    slots: IdxVec<LinkIdx, u32>,
    keys: Vec<LinkKey>,
    known: Vec<Option<Known>>,
    /// The city's pace by kind of day and time, and after how many lessons that was.
    city: Vec<(u64, f32)>,
    lessons: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    steady: Steady,
    /// By time of day, with which one.
    near: [(u16, Bin); TIMES],
}

/// No time of day.
const NONE: u16 = u16::MAX;

fn time_of(when: When) -> usize {
    if when.kind == DayKind::Workday { when.bin() } else { BINS + when.bin() }
}

impl Paces {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(t: &Timetable) -> Self {
        let mut of_key: FxHashMap<LinkKey, u32> = FxHashMap::default();
        let mut keys = Vec::new();
        let slot = |(_, link): (LinkIdx, &transit_model::timetable::Link)| {
            *of_key.entry(link.key).or_insert_with(|| {
                keys.push(link.key);
                u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let slots: Vec<u32> = t.links.iter().map(slot).collect();
        Self { slots: slots.into(), known: vec![None; keys.len()], keys, city: vec![(0, 0.0); 2 * BINS], lessons: 1 }
    }

    /// The model has learned of a link.
    pub fn learned(&mut self, link: LinkIdx) {
        self.lessons += 1;
        if let Some(known) = self.slots.get(link).and_then(|slot| self.known.get_mut(*slot as usize)) {
            *known = None;
        }
    }

    /// The model has changed as a whole.
    pub fn forget(&mut self) {
        self.lessons += 1;
        self.known.fill(None);
    }

    /// [`LinkModel::parts`].
    pub fn parts(&mut self, model: &LinkModel, link: LinkIdx, plan: f32, when: When) -> LinkParts {
        let (time, bin) = (time_of(when), when.bin());
        let lessons = self.lessons;
        let pace = self.city.get_mut(time).map_or(1.0, |(at, pace)| {
            if *at != lessons {
                (*at, *pace) = (lessons, model.pace(when.kind, bin));
            }
            *pace
        });
        let Some((key, known)) = self.known(model, link) else { return LinkParts::default() };
        let tag = u16::try_from(time).unwrap_or(NONE);
        let near = known.near.get_mut(time % TIMES).map_or_else(Bin::default, |(at, near)| {
            if *at != tag {
                (*at, *near) = (tag, model.near(key, when.kind, bin));
            }
            *near
        });
        known.steady.parts(near, pace, plan, when.unix)
    }

    /// [`LinkModel::dwell`].
    pub fn dwell(&mut self, model: &LinkModel, link: LinkIdx) -> f32 {
        self.known(model, link).map_or(0.0, |(_, known)| known.steady.dwell)
    }

    fn known(&mut self, model: &LinkModel, link: LinkIdx) -> Option<(LinkKey, &mut Known)> {
        let slot = *self.slots.get(link)? as usize;
        let (key, known) = (*self.keys.get(slot)?, self.known.get_mut(slot)?);
        Some((
            key,
            known.get_or_insert_with(|| Known { steady: model.steady(key), near: [(NONE, Bin::default()); TIMES] }),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use transit_model::gtfs::{GtfsFiles, load_files};
    use transit_model::ids::{FeedId, Idx as _};

    /// Twelve stops in a row: eleven links.
    fn street() -> Timetable {
        let mut files = GtfsFiles::new();
        files.set("agency.txt", "agency_name,agency_url,agency_timezone\nCity,https://example.org,Etc/UTC\n");
        files.set("routes.txt", "route_id,route_short_name,route_type\nr,1,3\n");
        files.set("calendar_dates.txt", "service_id,date,exception_type\nday,20261124,1\n");
        files.set("trips.txt", "route_id,service_id,trip_id\nr,day,t\n");
        let mut stops = "stop_id,stop_name,stop_lat,stop_lon\n".to_owned();
        let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
        for n in 0..12 {
            stops.push_str(&format!("s{n},s{n},48.{n:02},37\n"));
            times.push_str(&format!("t,{:02}:00:00,{:02}:00:00,s{n},{n}\n", n + 8, n + 8));
        }
        files.set("stops.txt", &*stops);
        files.set("stop_times.txt", &*times);
        load_files(&files, FeedId::from("street")).unwrap().timetable
    }

    proptest! {
        /// Whatever is learned and asked in whatever order, it says what the model says.
        #[test]
        fn it_says_what_the_model_says(
            steps in prop::collection::vec((0u8..12, 0usize..11, 0i32..7 * 24, 20.0f32..400.0), 1..200),
        ) {
            let t = street();
            let mut model = LinkModel::default();
            let mut paces = Paces::new(&t);
            for (what, link, hour, seconds) in steps {
                let link = LinkIdx::new(link);
                let key = t.links.at(link).key;
                let kind = DayKind::of(u8::try_from(hour / 24).unwrap());
                let second = (hour % 24) as f32 * 3600.0 + seconds;
                let when = When { kind, second, unix: f64::from(hour) * 3600.0 + f64::from(seconds) };
                match what {
                    0..3 => {
                        model.learn(key, seconds, 90.0, when);
                        paces.learned(link);
                    }
                    3 => {
                        model.learn_dwell(key, seconds / 10.0);
                        paces.learned(link);
                    }
                    4 => {
                        model.turn_day(hour);
                        paces.forget();
                    }
                    _ => {
                        prop_assert_eq!(paces.parts(&model, link, 90.0, when), model.parts(key, 90.0, when));
                        prop_assert_eq!(paces.dwell(&model, link), model.dwell(key));
                    }
                }
            }
        }
    }
}
