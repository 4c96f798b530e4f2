//! How much anybody may send: connections of an address, messages and bytes of an address and of a device.
//!
//! A token bucket each. Where the sender waits for us (TCP) it is read more slowly and loses nothing; where
//! it does not (UDP, a request) what is beyond the measure is refused. Pure: it is told the time.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use transit_model::time::UnixMs;

use crate::codec::DeviceKey;
use crate::config::Limits;

/// A bucket holds what comes in so many seconds at its rate.
const BURST_SECS: f64 = 10.0;
/// Buckets remembered; beyond it those that have filled up again are forgotten.
const MOST: usize = 100_000;

/// What may be sent in a second.
#[derive(Clone, Copy, Debug)]
struct Rate {
    messages: f64,
    bytes: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    messages: f64,
    bytes: f64,
    at: UnixMs,
}

impl Bucket {
    const fn full(rate: Rate, at: UnixMs) -> Self {
        Self { messages: rate.messages * BURST_SECS, bytes: rate.bytes * BURST_SECS, at }
    }

    fn fill(&mut self, rate: Rate, now: UnixMs) {
        let secs = (now.secs_f64() - self.at.secs_f64()).max(0.0);
        self.messages = rate.messages.mul_add(secs, self.messages).min(rate.messages * BURST_SECS);
        self.bytes = rate.bytes.mul_add(secs, self.bytes).min(rate.bytes * BURST_SECS);
        self.at = UnixMs(self.at.0.max(now.0));
    }

    /// How long until it is out of debt.
    fn wait(&self, rate: Rate) -> Duration {
        let secs = (-self.messages / rate.messages).max(-self.bytes / rate.bytes);
        Duration::try_from_secs_f64(secs.clamp(0.0, 3600.0)).unwrap_or_default()
    }
}

/// The buckets of all senders of a kind.
#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    of: FxHashMap<K, Bucket>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, of: FxHashMap::default() }
    }

    /// Takes from the bucket, into debt if need be; says how long until it is out of debt.
    fn spend(&mut self, who: &K, messages: f64, bytes: f64, now: UnixMs) -> Duration {
        let rate = self.rate;
        if let Some(bucket) = self.of.get_mut(who) {
            bucket.fill(rate, now);
            bucket.messages -= messages;
            bucket.bytes -= bytes;
            return bucket.wait(rate);
        }
        if self.of.len() >= MOST {
            self.of.retain(|_, b| {
                b.fill(rate, now);
                b.messages < rate.messages * BURST_SECS || b.bytes < rate.bytes * BURST_SECS
            });
        }
        let mut bucket = Bucket::full(rate, now);
        bucket.messages -= messages;
        bucket.bytes -= bytes;
        let wait = bucket.wait(rate);
        // With no room left whoever is new is measured by itself; those who are remembered stay held.
        if self.of.len() < MOST {
            self.of.insert(who.clone(), bucket);
        }
        wait
    }
}

/// The measure of one ingest.
#[derive(Debug)]
pub(crate) struct Flow {
    addresses: Mutex<Buckets<IpAddr>>,
    devices: Mutex<Buckets<DeviceKey>>,
    open: Mutex<FxHashMap<IpAddr, usize>>,
    most_open: usize,
}

/// A connection of an address, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Open {
    flow: Arc<Flow>,
    address: IpAddr,
}

impl Flow {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate =
            |messages: u32, bytes: u32| Rate { messages: f64::from(messages.max(1)), bytes: f64::from(bytes.max(1)) };
        Self {
            addresses: Mutex::new(Buckets::new(rate(limits.address_messages, limits.address_bytes))),
            devices: Mutex::new(Buckets::new(rate(limits.device_messages, limits.device_bytes))),
            open: Mutex::default(),
            most_open: limits.address_connections.max(1),
        }
    }

    /// A place for one more connection of an address; `None` when it has as many as it may. The machine's
    /// own addresses are not measured: what is behind them (a proxy, a bench) is many.
    pub(crate) fn open(self: &Arc<Self>, address: IpAddr) -> Option<Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let n = open.entry(address).or_insert(0);
        if *n >= self.most_open && !address.is_loopback() {
            return None;
        }
        *n += 1;
        Some(Open { flow: Arc::clone(self), address })
    }

    /// Counts what an address sent; says how long to read no more from it.
    pub(crate) fn from(&self, address: IpAddr, messages: u32, bytes: usize, now: UnixMs) -> Duration {
        if address.is_loopback() {
            return Duration::ZERO;
        }
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.spend(&address, f64::from(messages), bytes, now)
    }

    /// The same for a device.
    pub(crate) fn of(&self, device: &DeviceKey, messages: u32, bytes: usize, now: UnixMs) -> Duration {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.spend(device, f64::from(messages), bytes, now)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.flow.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = open.get_mut(&self.address) {
            *n -= 1;
            if *n == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn flow() -> Arc<Flow> {
        let limits = Limits {
            address_messages: 10,
            address_bytes: 1000,
            device_messages: 1,
            device_bytes: 100,
            address_connections: 2,
            ..Limits::default()
        };
        Arc::new(Flow::new(&limits))
    }

    #[test]
    fn ten_seconds_worth_at_once_and_then_the_rate() {
        let flow = flow();
        assert_eq!(flow.from(HOME, 100, 0, UnixMs(0)), Duration::ZERO);
        assert_eq!(flow.from(HOME, 5, 0, UnixMs(0)), Duration::from_millis(500));
        assert_eq!(flow.from(HOME, 0, 0, UnixMs(500)), Duration::ZERO);
        assert_eq!(flow.from(AWAY, 100, 0, UnixMs(0)), Duration::ZERO, "everybody has a bucket");
        assert_eq!(flow.from(HOME, 0, 11_000, UnixMs(500)), Duration::from_secs(1), "bytes count too");
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst_and_time_never_runs_back() {
        let flow = flow();
        let device = DeviceKey::from("d");
        assert_eq!(flow.of(&device, 10, 0, UnixMs(0)), Duration::ZERO);
        assert_eq!(flow.of(&device, 12, 0, UnixMs::from_secs(86_400)), Duration::from_secs(2));
        assert_eq!(flow.of(&device, 0, 0, UnixMs(0)), Duration::from_secs(2));
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let flow = flow();
        let first = flow.open(HOME).unwrap();
        let _second = flow.open(HOME).unwrap();
        assert!(flow.open(HOME).is_none() && flow.open(AWAY).is_some());
        drop(first);
        assert!(flow.open(HOME).is_some());
        assert!(flow.open.lock().unwrap().get(&AWAY).is_none(), "nothing is left of who left");
        let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let all: Vec<_> = (0..9).map(|_| flow.open(here)).collect();
        assert!(all.iter().all(Option::is_some) && flow.from(here, 9999, 0, UnixMs(0)).is_zero());
    }
}
