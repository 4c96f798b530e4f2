//! The trackers in the vehicles: what each of them is, and what it sees of the truth.
//!
//! It makes reports; how they travel is [`crate::send`]'s business. What can go wrong is data
//! ([`fault`]), and what it does is a chain of pure steps over the truth.

mod day;
pub mod fault;
mod injected;
mod merge;
mod post;
mod receiver;
mod report;

pub use day::TrackerDay;
pub use fault::Faults;
pub use injected::Injected;
pub(crate) use injected::injected;
pub use merge::{FixesBetween, ReportsBetween};
pub(crate) use report::record;
pub use report::{Place, Report};

use std::collections::BTreeMap;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracker_ingest::codec::{DeviceKey, Protocol};
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;

use crate::chance::{Topic, between, chance, unit, word};
use fault::Kind;

/// How the fleet's trackers divide over the protocols: weights, of which only the proportion counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split(BTreeMap<Protocol, u32>);

impl Default for Split {
    /// As in a city that has bought most of its trackers at once.
    fn default() -> Self {
        Self::new([(Protocol::Teltonika, 6), (Protocol::Osmand, 2), (Protocol::MqttJson, 2)])
    }
}

impl Split {
    /// These weights; a protocol without one is not spoken.
    pub fn new(weights: impl IntoIterator<Item = (Protocol, u32)>) -> Self {
        Self(weights.into_iter().collect())
    }

    /// The weights.
    pub fn weights(&self) -> impl Iterator<Item = (Protocol, u32)> {
        self.0.iter().map(|(p, w)| (*p, *w))
    }

    /// Whether all weights are 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|w| *w == 0)
    }

    /// The protocol of a share of the fleet, 0..1; Teltonika where all weights are 0.
    fn pick(&self, share: f64) -> Protocol {
        let mut at = share * self.weights().map(|(_, w)| f64::from(w)).sum::<f64>();
        for (protocol, weight) in self.weights() {
            if at < f64::from(weight) {
                return protocol;
            }
            at -= f64::from(weight);
        }
        self.weights().filter(|(_, w)| *w > 0).last().map_or(Protocol::Teltonika, |(p, _)| p)
    }
}

/// A vehicle's tracker.
#[derive(Clone, PartialEq, Debug)]
pub struct Tracker {
    /// In which vehicle.
    pub vehicle: VehicleId,
    /// Whether that runs by the timetable.
    pub kind: VehicleKind,
    /// What it speaks.
    pub protocol: Protocol,
    /// As what the registry knows it: an IMEI, or a name.
    pub device: DeviceKey,
    /// What it calls itself on the wire: the same, unless somebody mistyped it.
    pub says: DeviceKey,
    /// Milliseconds between fixes: 5 to 20 s.
    pub interval: i64,
    /// How far its fixes are off, metres (deviation on each axis).
    pub noise: f64,
    /// How often it loses its network, times an hour.
    pub outages: f64,
    /// It knows the trip it is on and says so. Only the MQTT ones, which sit in an on-board computer.
    pub reports_trip: bool,
    seed: u64,
    faults: Faults,
}

impl Tracker {
    /// The tracker of a vehicle: the same on every day.
    #[must_use]
    pub fn of(seed: u64, vehicle: &VehicleId, kind: VehicleKind, split: &Split) -> Self {
        let mut rng = chance(seed, Topic::Tracker, word(vehicle.as_str()), 0);
        let protocol = split.pick(unit(&mut rng));
        let device = match protocol {
            Protocol::Osmand => DeviceKey::from(format!("phone-{vehicle}")),
            Protocol::MqttJson => DeviceKey::from(format!("obu-{vehicle}")),
            _ => DeviceKey::from(imei(rng.random_range(0..NUMBERS))),
        };
        Self {
            vehicle: vehicle.clone(),
            kind,
            protocol,
            says: device.clone(),
            device,
            interval: rng.random_range(5..=20) * 1000,
            noise: between(&mut rng, 2.5, 6.5),
            outages: between(&mut rng, 0.05, 0.6),
            reports_trip: protocol == Protocol::MqttJson && kind == VehicleKind::Transit,
            seed,
            faults: Faults::default(),
        }
    }

    /// The same with its part of a fleet's faults.
    #[must_use]
    pub fn with_faults(mut self, faults: &Faults) -> Self {
        self.faults = faults.clone();
        let mistyped = faults.of(&self).any(|(_, rule)| rule.kind == Kind::WrongImei);
        if mistyped {
            let mut rng = chance(self.seed, Topic::FaultOf, word(self.device.expose()), 0);
            self.says = match self.device.expose().len() {
                15 => DeviceKey::from(imei(rng.random_range(0..NUMBERS))),
                _ => DeviceKey::from(format!("{}-{}", self.device.expose(), rng.random_range(10..100))),
            };
        }
        self
    }

    /// The tracker's token for protocols that have one, from a secret of the installation: 32 hex
    /// digits that cannot be told from the device's name.
    #[must_use]
    pub fn token(&self, secret: [u8; 32]) -> String {
        let mut rng = ChaCha8Rng::from_seed(secret);
        rng.set_stream(word(self.device.expose()));
        format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
    }
}

/// So many numbers an IMEI has room for.
pub(crate) const NUMBERS: u64 = 1_000_000_000_000;

/// An IMEI: a type code, a number of at most twelve digits, and the check digit (3GPP TS 23.003, annex B).
pub(crate) fn imei(number: u64) -> String {
    let body = format!("35{number:012}");
    let sum: u32 = body
        .bytes()
        .zip([1u32, 2].into_iter().cycle())
        .map(|(b, weight)| u32::from(b - b'0') * weight)
        .map(|d| d / 10 + d % 10)
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(n: usize) -> Vec<Tracker> {
        let of = |i| Tracker::of(9, &VehicleId::from(format!("{i}")), VehicleKind::Transit, &Split::default());
        (1000..1000 + n).map(of).collect()
    }

    #[test]
    fn imeis_have_their_check_digit() {
        for t in fleet(200).iter().filter(|t| t.protocol == Protocol::Teltonika) {
            let digits: Vec<u32> = t.device.expose().bytes().map(|b| u32::from(b - b'0')).collect();
            assert_eq!(digits.len(), 15);
            let luhn: u32 = digits
                .iter()
                .rev()
                .enumerate()
                .map(|(i, d)| if i % 2 == 0 { *d } else { d * 2 / 10 + d * 2 % 10 })
                .sum();
            assert_eq!(luhn % 10, 0, "{digits:?}");
        }
    }

    #[test]
    fn protocols_divide_as_asked() {
        let fleet = fleet(1000);
        let count = |p| fleet.iter().filter(|t| t.protocol == p).count();
        assert!((550..650).contains(&count(Protocol::Teltonika)), "{}", count(Protocol::Teltonika));
        assert!((150..250).contains(&count(Protocol::Osmand)) && (150..250).contains(&count(Protocol::MqttJson)));
        let one = Split::new([(Protocol::Teltonika, 0), (Protocol::MqttJson, 1)]);
        assert_eq!((one.pick(0.0), one.pick(0.999)), (Protocol::MqttJson, Protocol::MqttJson));
        assert_eq!(Split::new([]).pick(0.5), Protocol::Teltonika);
        assert!(fleet.iter().all(|t| DeviceKey::is_valid(t.device.expose()) && (5000..=20_000).contains(&t.interval)));
    }

    #[test]
    fn tokens_hang_on_the_secret_and_the_device() {
        let fleet = fleet(2);
        assert_eq!(fleet[0].token([1; 32]), fleet[0].token([1; 32]));
        assert_ne!(fleet[0].token([1; 32]), fleet[0].token([2; 32]));
        assert_ne!(fleet[0].token([1; 32]), fleet[1].token([1; 32]));
        assert_eq!(fleet[0].token([1; 32]).len(), 32);
    }
}
