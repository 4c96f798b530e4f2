//! A scenario made ready: its city loaded, its fleet built, its times on the clock.

use std::sync::Arc;

use toml::Value;
use transit_model::gtfs::{self, LoadError};
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

use super::{City, Scenario, Timed};
use crate::city::{self, Machine};
use crate::drive::{Cap, Disturbance};
use crate::fleet::{Fleet, FleetOptions};
use crate::send::{Endpoints, Options};
use crate::tracker::Faults;
use crate::tracker::fault::{Rule, TooMany};

/// A scenario that can run.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its city's timetable.
    pub timetable: Arc<Timetable>,
    /// When it begins.
    pub from: UnixMs,
    /// When it is over.
    pub to: UnixMs,
    options: FleetOptions,
}

/// A scenario cannot run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its feed cannot be used.
    #[error(transparent)]
    Feed(#[from] LoadError),
    /// It has too many faults.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

impl Scenario {
    /// Makes it ready at its own day and time.
    ///
    /// # Errors
    /// When its feed cannot be used.
    pub fn open(&self) -> Result<Opened, OpenError> {
        self.open_at(None)
    }

    /// Makes it ready as if it began at another moment: the city is as it is then, and whatever goes
    /// wrong does so as long after the beginning.
    ///
    /// # Errors
    /// When its feed cannot be used.
    pub fn open_at(&self, now: Option<UnixMs>) -> Result<Opened, OpenError> {
        let (loaded, machines) = match &self.city {
            City::Demo => (city::load(self.start.0)?, if self.machines { city::machines() } else { Vec::new() }),
            City::Feed(path) => (gtfs::load(path, gtfs::feed_id_of(path))?, Vec::new()),
        };
        let timetable = Arc::new(loaded.timetable);
        let zone = &timetable.zone;
        let planned = zone.at(self.start.0, self.start.1);
        let from = now.unwrap_or(planned);
        let to = from.plus_secs(i64::from(self.seconds));
        let date = zone.date(from);
        let starts = zone.service_time(date, from);
        let later = starts.0 - self.start.1.0;
        let at = |t: ServiceTime| UnixMs(from.0 + i64::from(t.0 - self.start.1.0) * 1000);
        let rule = |t: &Timed| {
            let window = (t.from.map_or(from, at), t.to.map_or(to, at));
            Rule { window: Some(window), ..t.rule.clone() }
        };
        let disturbances: Vec<Disturbance> = match now {
            None => self.disturbances.clone(),
            Some(_) => self.disturbances.iter().map(|d| moved(d, later)).collect(),
        };
        let options = FleetOptions {
            seed: self.seed,
            cap: self.vehicles.map(|vehicles| Cap { vehicles, at: starts }),
            disturbances: disturbances.into(),
            mishaps: self.mishaps,
            machines,
            split: self.split.clone(),
            faults: Faults::new(self.faults.iter().map(rule).collect())?,
        };
        Ok(Opened { timetable, from, to, options })
    }
}

impl Opened {
    /// Its fleet.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        Fleet::new(Arc::clone(&self.timetable), self.options.clone())
    }

    /// What the senders need to play it to a server.
    #[must_use]
    pub fn options(&self, endpoints: Endpoints, secret: [u8; 32]) -> Options {
        let o = self.options.clone();
        Options {
            seed: o.seed,
            secret,
            cap: o.cap,
            disturbances: o.disturbances,
            mishaps: o.mishaps,
            machines: o.machines,
            faults: o.faults,
            endpoints,
            split: o.split,
            ..Options::default()
        }
    }

    /// The machines that take part.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.options.machines
    }
}

/// The same thing so many seconds later, on whatever day.
fn moved(d: &Disturbance, seconds: i32) -> Disturbance {
    let moved = Value::try_from(d).ok().and_then(|mut v| {
        move_times(&mut v, seconds);
        v.try_into().ok()
    });
    moved.unwrap_or_else(|| d.clone())
}

fn move_times(value: &mut Value, seconds: i32) {
    let Value::Table(table) = value else { return };
    table.remove("day");
    for (key, value) in table.iter_mut() {
        let time = value.as_str().filter(|_| matches!(key.as_str(), "from" | "to" | "at")).and_then(super::keys::time);
        match time {
            Some(t) => *value = Value::String(ServiceTime(t.0 + seconds).to_string()),
            None => move_times(value, seconds),
        }
    }
}
