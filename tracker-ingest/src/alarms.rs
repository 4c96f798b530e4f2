//! What devices have raised and a dispatcher should still see: a pure structure.
//!
//! An alarm is shown for an hour after it was raised last; a power cut until the power is back, if that is sooner.
//! Not here: what is kept for good (the journal's events).

use rustc_hash::FxHashMap;
use transit_model::dispatch::Concern;
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

use crate::codec::DeviceEvent;
use crate::journal::News;

/// How long an alarm is shown, ms.
pub(crate) const SHOWN: i64 = 3_600_000;
/// At most so many are remembered; more are in the journal only.
const MOST: usize = 10_000;

/// The alarms that are shown.
#[derive(Debug, Default)]
pub(crate) struct Alarms(FxHashMap<(VehicleId, DeviceEvent), Alarm>);

#[derive(Clone, Copy, Debug)]
struct Alarm {
    first: UnixMs,
    last: UnixMs,
    times: u32,
}

impl Alarms {
    /// Takes in what has happened; says whether it begins an alarm.
    pub(crate) fn take(&mut self, news: &News, now: UnixMs) -> bool {
        if news.event == DeviceEvent::PowerBack {
            let cut = (news.vehicle.clone(), DeviceEvent::PowerCut);
            if self.0.get(&cut).is_some_and(|a| a.last <= news.time) {
                self.0.remove(&cut);
            }
        }
        if news.event.level().is_none() || !news.changed || over(news.time, now) {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, a| !over(a.last, now));
        }
        let room = self.0.len() < MOST;
        match self.0.get_mut(&(news.vehicle.clone(), news.event)) {
            Some(a) if !over(a.last, now) => {
                // Told again because the disk had not taken it the first time.
                if news.time > a.last {
                    (a.last, a.times) = (news.time, a.times + 1);
                }
                false
            }
            Some(a) => {
                *a = Alarm { first: news.time, last: news.time, times: 1 };
                true
            }
            None if room => {
                let alarm = Alarm { first: news.time, last: news.time, times: 1 };
                self.0.insert((news.vehicle.clone(), news.event), alarm);
                true
            }
            None => false,
        }
    }

    /// What a dispatcher should see of it.
    pub(crate) fn concerns(&self, now: UnixMs) -> impl Iterator<Item = Concern> {
        self.0.iter().filter(move |(_, a)| !over(a.last, now)).filter_map(|((vehicle, event), a)| {
            let (uk, en) = event.words();
            let times = if a.times > 1 { format!(" ({}×)", a.times) } else { String::new() };
            Some(Concern {
                key: format!("ingest:device:{event}:{vehicle}"),
                level: event.level()?,
                kind: event.name().into(),
                text_uk: format!("{vehicle}: {uk}{times}"),
                text_en: format!("{vehicle}: {en}{times}"),
                vehicle_id: Some(vehicle.to_string()),
                route_id: None,
                since: a.first,
            })
        })
    }
}

fn over(last: UnixMs, now: UnixMs) -> bool {
    now.0.saturating_sub(last.0) >= SHOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(event: DeviceEvent, minute: i64) -> News {
        News { vehicle: "bus-1".into(), event, time: UnixMs::from_secs(minute * 60), changed: true }
    }

    fn shown(alarms: &Alarms, minute: i64) -> Vec<(String, u8)> {
        let mut all: Vec<_> = alarms.concerns(UnixMs::from_secs(minute * 60)).map(|c| (c.text_en, c.level)).collect();
        all.sort();
        all
    }

    #[test]
    fn a_power_cut_is_shown_until_the_power_is_back() {
        let now = UnixMs::from_secs(11 * 60);
        let mut alarms = Alarms::default();
        assert!(alarms.take(&news(DeviceEvent::PowerCut, 10), now));
        assert_eq!(shown(&alarms, 11), [("bus-1: the tracker's power is cut".to_owned(), 2)]);
        // What a backlog brings later was before.
        alarms.take(&news(DeviceEvent::PowerBack, 9), now);
        assert_eq!(shown(&alarms, 11).len(), 1);
        alarms.take(&news(DeviceEvent::PowerBack, 11), now);
        assert!(shown(&alarms, 11).is_empty());
    }

    #[test]
    fn an_alarm_is_shown_for_an_hour_after_the_last_time() {
        let mut alarms = Alarms::default();
        let at = |minute: i64| UnixMs::from_secs(minute * 60);
        assert!(alarms.take(&news(DeviceEvent::Panic, 10), at(10)));
        assert!(!alarms.take(&news(DeviceEvent::Panic, 10), at(10)), "the same, told again");
        assert!(!alarms.take(&news(DeviceEvent::Panic, 30), at(30)));
        assert_eq!(shown(&alarms, 89), [("bus-1: the driver calls for help (2×)".to_owned(), 1)]);
        assert!(shown(&alarms, 90).is_empty());
        assert!(alarms.take(&news(DeviceEvent::Panic, 95), at(95)), "another one");
    }

    #[test]
    fn what_nobody_has_to_act_on_or_is_long_past_is_no_alarm() {
        let mut alarms = Alarms::default();
        let now = UnixMs::from_secs(500 * 60);
        for quiet in [
            news(DeviceEvent::IgnitionOn, 500),
            news(DeviceEvent::Panic, 400),
            News { changed: false, ..news(DeviceEvent::PowerCut, 500) },
        ] {
            assert!(!alarms.take(&quiet, now), "{quiet:?}");
        }
        assert!(shown(&alarms, 500).is_empty());
    }
}
