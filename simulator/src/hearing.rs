//! What the ingest's gate makes of what trackers say: the real gate, asked without a socket, for files
//! and for tests that need no listener.

use tracker_ingest::Bounds;
use tracker_ingest::codec::DeviceKey;
use tracker_ingest::gate::{Episode, Gate, GateConfig, Judged, Raw};
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;
use transit_model::timetable::{StopKind, Timetable};
use transit_model::warfare::Raid;

use crate::tracker::Report;

/// A gate of a city.
#[derive(Debug)]
pub struct Hearing {
    gate: Gate,
}

impl Hearing {
    /// The gate that `zupynka serve` would put before a feed, with its defaults.
    #[must_use]
    pub fn of(timetable: &Timetable) -> Self {
        let platforms = timetable.stops.iter().filter(|(_, s)| s.kind == StopKind::Platform);
        let bounds = Bounds::around(platforms.map(|(_, s)| (s.lat, s.lon)));
        Self { gate: Gate::new(GateConfig::default(), bounds) }
    }

    /// The electronic warfare that the gate sees at a moment.
    pub fn episodes(&mut self, now: UnixMs) -> Vec<Episode> {
        self.gate.episodes(now)
    }

    /// The same as the engine is told of it.
    pub fn raids(&mut self, now: UnixMs) -> Vec<Raid> {
        self.gate.raids(now, |device| Some(VehicleId::from(device.expose())))
    }

    /// What becomes of a report. Reports come in the order they are received.
    pub fn judge(&mut self, report: &Report) -> Judged {
        let record = report.record();
        // One tracker a vehicle: the vehicle's name is as good a key as the tracker's own.
        let device = DeviceKey::from(report.fix.vehicle.as_str());
        let vehicle = (!report.stranger).then_some(&report.fix.vehicle);
        let raw = Raw { device: &device, vehicle, source: report.fix.source, record: &record };
        self.gate.judge(&raw, report.fix.received)
    }
}
