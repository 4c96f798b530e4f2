//! Which moment a demo shows. A feed whose calendar has ended, or a city at night, would show empty
//! boards: then the demo's clock is set to a day and an hour that have vehicles on the road, and says so.
//! Pure: the time is told.

use std::path::Path;

use eta_engine::matching::day::Day;
use serde::{Deserialize, Serialize};
use transit_model::ids::Idx as _;
use transit_model::time::{ServiceDate, ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

/// The hour that is shown when now has nothing to show.
const MORNING: ServiceTime = ServiceTime(8 * 3600);
/// A city is awake when it runs this share of what it runs in the morning.
const AWAKE: f64 = 0.15;
/// How far from the middle of a calendar a day is looked for.
const MOST_DAYS: i32 = 1000;
/// A clock that stood longer than this does not catch up, ms.
const CATCH_UP: i64 = 15 * 60_000;

/// Where a demo's clock begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The city's time.
    pub at: UnixMs,
    /// Why it is not ours, if it is not.
    pub why: Why,
    /// The moment lies before what the journal holds: the journal must be let go.
    pub rewinds: bool,
}

/// Why a demo's clock says what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is now.
    Now,
    /// It goes on from the last time the demo ran.
    Resumed,
    /// It is night in the city.
    Night,
    /// The feed's calendar does not reach today.
    OtherDays,
}

/// What a demo leaves behind, to go on from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Anchor {
    /// The feed it showed.
    pub feed: String,
    /// The city's time then.
    pub city: UnixMs,
    /// Our time then.
    pub real: UnixMs,
    /// The city's time when this folder's journal began: what was heard before is not in it.
    pub opened: UnixMs,
    /// Seconds of the city in one of ours, thousandths.
    pub speed_milli: i64,
}

impl Anchor {
    /// What the last demo in a folder left; nothing where there was none, or its file cannot be read.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    }

    /// Leaves it in a folder, in one step.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(self)?)?;
        std::fs::rename(new, path)
    }

    /// The city's time now, if its clock never stopped; where it stood when it stopped for long.
    fn resumed(&self, now: UnixMs) -> UnixMs {
        let away = (now.0 - self.real.0).max(0);
        if self.speed_milli != 1000 && away > CATCH_UP {
            return self.city;
        }
        UnixMs(self.city.0.saturating_add(away.saturating_mul(self.speed_milli) / 1000))
    }
}

/// Chooses the moment: on from the last one, now, or the nearest that has something to show.
/// `None` for a feed that never runs anything.
#[must_use]
pub fn choose(t: &Timetable, feed: &str, anchor: Option<&Anchor>, now: UnixMs) -> Option<Moment> {
    let ours = anchor.filter(|a| a.feed == feed);
    if let Some(at) = ours.map(|a| a.resumed(now)).filter(|at| awake(t, *at)) {
        let why = if (at.0 - now.0).abs() < 2_000 { Why::Now } else { Why::Resumed };
        return Some(Moment { at, why, rewinds: false });
    }
    let (at, why) = first_choice(t, now)?;
    let left = ours.map(|a| a.city).filter(|city| *city > at);
    // Whatever was shown last must stay in the past: the journal knows it.
    let later = left.map(|city| later_week(t, at, city));
    match later {
        None => Some(Moment { at, why, rewinds: false }),
        Some(Some(at)) => Some(Moment { at, why, rewinds: false }),
        Some(None) => Some(Moment { at, why, rewinds: true }),
    }
}

fn first_choice(t: &Timetable, now: UnixMs) -> Option<(UnixMs, Why)> {
    if awake(t, now) {
        return Some((now, Why::Now));
    }
    let today = t.zone.date(now);
    let (first, last) = t.calendar()?;
    let hour = t.zone.service_time(today, now);
    let days = |from: i32, to: i32| (from..=to).map(ServiceDate::from_days);
    if first <= today && today <= last {
        let soon = days(today.days(), (today.days() + 8).min(last.days()));
        let at = soon.map(|d| t.zone.at(d, MORNING)).find(|at| *at > now && running(t, *at) > 0);
        if let Some(at) = at {
            return Some((at, Why::Night));
        }
    }
    let day = typical_day(t, today, (first, last))?;
    let noon = ServiceTime(12 * 3600);
    let times = [hour, MORNING, noon].map(|time| t.zone.at(day, time));
    let awake_at = times.into_iter().find(|at| awake(t, *at));
    let any = || times.into_iter().max_by_key(|at| running(t, *at)).filter(|at| running(t, *at) > 0);
    awake_at.or_else(any).map(|at| (at, Why::OtherDays))
}

/// A day of the calendar that is like today: the same weekday where it runs anything to speak of,
/// nearest to the calendar's middle, where it is most itself; else the nearest full day.
fn typical_day(t: &Timetable, today: ServiceDate, (first, last): (ServiceDate, ServiceDate)) -> Option<ServiceDate> {
    let mut trips = vec![0usize; t.services.len()];
    for (_, trip) in t.trips.iter() {
        if let Some(n) = trips.get_mut(trip.service.at()) {
            *n += 1;
        }
    }
    let middle = i32::midpoint(first.days(), last.days());
    let reach = middle.saturating_sub(MOST_DAYS).max(first.days())..=middle.saturating_add(MOST_DAYS).min(last.days());
    let days: Vec<(ServiceDate, usize)> = reach
        .map(ServiceDate::from_days)
        .map(|d| (d, t.services_on(d).iter().zip(&trips).filter(|((_, runs), _)| **runs).map(|(_, n)| n).sum()))
        .collect();
    let most = days.iter().map(|(_, n)| *n).max().filter(|n| *n > 0)?;
    let nearest = |fits: &dyn Fn(&(ServiceDate, usize)) -> bool| {
        let fit = days.iter().filter(|d| fits(d));
        fit.min_by_key(|(d, _)| ((d.days() - middle).abs(), *d)).map(|(d, _)| *d)
    };
    nearest(&|(d, n)| d.weekday() == today.weekday() && *n * 6 >= most).or_else(|| nearest(&|(_, n)| *n * 2 >= most))
}

/// The same hour some weeks later, after `city` and with vehicles on the road.
fn later_week(t: &Timetable, at: UnixMs, city: UnixMs) -> Option<UnixMs> {
    (1..=60).map(|week| at.plus_secs(week * 7 * 86_400)).find(|at| *at > city && running(t, *at) > 0)
}

fn awake(t: &Timetable, at: UnixMs) -> bool {
    let morning = running(t, t.zone.at(t.zone.date(at), MORNING));
    let here = running(t, at);
    here > 0 && here as f64 >= AWAKE * morning as f64
}

/// How many trips the timetable has on the road at a moment.
#[must_use]
pub fn running(t: &Timetable, at: UnixMs) -> usize {
    let days = t.days_at(at);
    days.into_iter()
        .map(|date| {
            let day = Day::new(t, date);
            let clock = t.zone.service_time(date, at);
            let patterns = t.patterns.indices();
            let on_road = |(start, trip): &&_| *start <= clock && clock <= t.ends(*trip);
            patterns.map(|p| day.trips_of(p).iter().filter(on_road).count()).sum::<usize>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use transit_model::gtfs::{GtfsFiles, load_files};
    use transit_model::ids::FeedId;

    use super::*;

    fn city() -> Timetable {
        let day = "20261122".parse().unwrap();
        simulator::city::load(day).unwrap().timetable
    }

    fn at(t: &Timetable, date: &str, time: &str) -> UnixMs {
        t.zone.at(date.parse().unwrap(), time.parse().unwrap())
    }

    #[test]
    fn by_day_it_is_now_and_at_night_the_next_morning() {
        let t = city();
        let noon = at(&t, "20261124", "12:00:00");
        assert_eq!(choose(&t, "d", None, noon), Some(Moment { at: noon, why: Why::Now, rewinds: false }));
        let night = at(&t, "20261124", "03:10:00");
        let chosen = choose(&t, "d", None, night).unwrap();
        assert_eq!((chosen.at, chosen.why), (at(&t, "20261124", "08:00:00"), Why::Night));
    }

    #[test]
    fn a_calendar_that_has_ended_is_shown_on_its_own_days() {
        let t = city();
        let (_, last) = t.calendar().unwrap();
        let years_later = t.zone.at(last.plus_days(3000), ServiceTime(14 * 3600));
        let chosen = choose(&t, "d", None, years_later).unwrap();
        assert_eq!(chosen.why, Why::OtherDays);
        assert!(running(&t, chosen.at) > 0 && t.zone.date(chosen.at) <= last);
    }

    #[test]
    fn a_feed_without_sundays_and_with_an_early_exception_shows_a_full_day() {
        let files = GtfsFiles::default()
            .with("agency.txt", "agency_name,agency_url,agency_timezone\nA,https://example.org,Europe/Kyiv\n")
            .with("stops.txt", "stop_id,stop_name,stop_lat,stop_lon\na,A,48.85,37.60\nb,B,48.85,37.62\n")
            .with("routes.txt", "route_id,route_short_name,route_type\nr,1,3\n")
            .with(
                "calendar.txt",
                "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n\
                 w,1,1,1,1,1,0,0,20160301,20160630\n",
            )
            .with("calendar_dates.txt", "service_id,date,exception_type\nw,20131128,2\nx,20121128,1\n")
            .with("trips.txt", "route_id,service_id,trip_id\nr,w,t\nr,w,u\nr,x,v\n")
            .with(
                "stop_times.txt",
                "trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt,12:00:00,12:00:00,a,1\n\
                 t,12:30:00,12:30:00,b,2\nu,12:00:00,12:00:00,a,1\nu,12:30:00,12:30:00,b,2\n\
                 v,12:00:00,12:00:00,a,1\nv,12:30:00,12:30:00,b,2\n",
            );
        let t = load_files(&files, FeedId::from("f")).unwrap().timetable;
        let a_sunday = at(&t, "20261122", "16:00:00");
        let chosen = choose(&t, "f", None, a_sunday).unwrap();
        assert_eq!((chosen.why, running(&t, chosen.at)), (Why::OtherDays, 2), "{}", t.zone.date(chosen.at));
    }

    #[test]
    fn it_goes_on_from_where_it_was() {
        let t = city();
        let (city, real) = (at(&t, "20261124", "09:00:00"), UnixMs(1_000_000_000));
        let anchor = Anchor { feed: "d".into(), city, real, opened: city, speed_milli: 10_000 };
        let chosen = choose(&t, "d", Some(&anchor), real.plus_secs(60)).unwrap();
        assert_eq!((chosen.at, chosen.why), (city.plus_secs(600), Why::Resumed));
        let after_a_week = choose(&t, "d", Some(&anchor), real.plus_secs(7 * 86_400)).unwrap();
        assert_eq!(after_a_week.at, city);
        assert_eq!(choose(&t, "another", Some(&anchor), at(&t, "20261124", "12:00:00")).unwrap().why, Why::Now);
    }

    #[test]
    fn what_was_shown_stays_in_the_past() {
        let t = city();
        // It ran fast into the night, days ahead of us.
        let city = at(&t, "20261127", "02:00:00");
        let anchor = Anchor { feed: "d".into(), city, real: UnixMs(0), opened: city, speed_milli: 60_000 };
        let now = at(&t, "20261124", "12:00:00");
        let chosen = choose(&t, "d", Some(&anchor), now).unwrap();
        assert!(chosen.at > city && !chosen.rewinds, "{chosen:?}");
    }
}
