//! A city's fleet under one seed: which vehicles there are, what their trackers are, where they are
//! on any day, and what a server hears of them. It holds no state but what it was made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::city::Machine;
use crate::drive::{self, Cap, Disturbance, Mishaps, Plan, Roster, VehicleDay};
use crate::tracker::{Faults, FixesBetween, Injected, ReportsBetween, Split, Tracker, TrackerDay, injected};

/// What a fleet is made of.
#[derive(Clone, Debug, Default)]
pub struct FleetOptions {
    /// All chance comes from here.
    pub seed: u64,
    /// How many vehicles at most; all of the timetable's where none is given.
    pub cap: Option<Cap>,
    /// What happens to the city's movement.
    pub disturbances: Arc<[Disturbance]>,
    /// How much happens to it by chance besides.
    pub mishaps: Mishaps,
    /// Vehicles without a timetable.
    pub machines: Vec<Machine>,
    /// What the trackers speak.
    pub split: Split,
    /// What is wrong with them; nothing by default.
    pub faults: Faults,
}

/// A fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    timetable: Arc<Timetable>,
    options: FleetOptions,
}

impl Fleet {
    /// A fleet that runs this timetable.
    #[must_use]
    pub const fn new(timetable: Arc<Timetable>, options: FleetOptions) -> Self {
        Self { timetable, options }
    }

    /// The timetable it runs.
    #[must_use]
    pub const fn timetable(&self) -> &Arc<Timetable> {
        &self.timetable
    }

    /// The truth of a service day.
    #[must_use]
    pub fn plan(&self, date: ServiceDate) -> Plan {
        let o = &self.options;
        Plan::new(&self.timetable, o.seed, date, &self.drive_options()).with_machines(&o.machines)
    }

    fn drive_options(&self) -> drive::Options {
        let o = &self.options;
        let disturbances = Arc::clone(&o.disturbances);
        drive::Options { cap: o.cap, disturbances, mishaps: o.mishaps, ..drive::Options::default() }
    }

    /// The tracker of a vehicle.
    #[must_use]
    pub fn tracker(&self, vehicle: &VehicleId, kind: VehicleKind) -> Tracker {
        Tracker::of(self.options.seed, vehicle, kind, &self.options.split).with_faults(&self.options.faults)
    }

    /// What is wrong with the trackers.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.options.faults
    }

    /// The trackers of every vehicle that is needed on one of these days, machines included.
    #[must_use]
    pub fn trackers(&self, from: ServiceDate, days: i32) -> Vec<Tracker> {
        let transit = Roster::fleet(&self.timetable, from, days, self.options.cap);
        let reserves = Roster::reserves(&self.timetable, from, days, &self.drive_options());
        let machines = self.options.machines.iter().map(|m| (VehicleId::from(m.id), m.kind.vehicle_kind()));
        let kinds: BTreeMap<VehicleId, VehicleKind> =
            transit.into_iter().chain(reserves).map(|v| (v, VehicleKind::Transit)).chain(machines).collect();
        kinds.iter().map(|(v, kind)| self.tracker(v, *kind)).collect()
    }

    /// Every fix received from `from` to before `to`, in the order they are received.
    #[must_use]
    pub fn fixes_between(&self, from: UnixMs, to: UnixMs) -> FixesBetween {
        FixesBetween(self.reports_between(from, to))
    }

    /// Everything trackers say from `from` to before `to`, whether it can be believed or not, in the
    /// order it is received.
    #[must_use]
    pub fn reports_between(&self, from: UnixMs, to: UnixMs) -> ReportsBetween {
        ReportsBetween::window(Arc::new(self.clone()), from, to)
    }

    /// Every fix of the vehicles of service days, from the first to the last, in the order they are
    /// received.
    #[must_use]
    pub fn fixes_of_days(&self, first: ServiceDate, last: ServiceDate) -> FixesBetween {
        FixesBetween(self.reports_of_days(first, last))
    }

    /// Everything the trackers of service days say, in the order it is received.
    #[must_use]
    pub fn reports_of_days(&self, first: ServiceDate, last: ServiceDate) -> ReportsBetween {
        ReportsBetween::days(Arc::new(self.clone()), first, last)
    }

    /// Every fault of the trackers on service days, by vehicle and time: what really touched a report,
    /// not what might have.
    #[must_use]
    pub fn injected(&self, first: ServiceDate, last: ServiceDate) -> Vec<Injected> {
        let days = (0..).map(|n| first.plus_days(n)).take_while(|d| *d <= last);
        let mut all: Vec<Injected> =
            days.flat_map(|d| self.trackers_on(d)).flat_map(|day| injected(self.faults(), day)).collect();
        all.sort_by(|a, b| (&a.vehicle, a.from, a.rule).cmp(&(&b.vehicle, b.from, b.rule)));
        all
    }

    /// What every tracker that is on the road on a service day has to say.
    pub(crate) fn trackers_on(&self, date: ServiceDate) -> Vec<TrackerDay> {
        let day = |v: Arc<VehicleDay>| {
            let tracker = Arc::new(self.tracker(&v.vehicle, v.kind));
            TrackerDay::new(&self.timetable, &tracker, v)
        };
        self.plan(date).vehicles.into_iter().map(day).collect()
    }
}
