//! A token bucket for each address: generous to people and boards, closed to floods, of bounded
//! memory. Pure in the time that is handed in.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use rustc_hash::FxHashMap;

/// At most so many addresses are remembered; beyond it newcomers share one bucket.
const ADDRESSES: usize = 65_536;

/// How much an address may ask.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// Lasting, requests a second.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

/// The buckets.
#[derive(Clone, Debug)]
pub struct Buckets {
    rate: Rate,
    room: usize,
    by_address: FxHashMap<IpAddr, Bucket>,
    others: Bucket,
}

impl Buckets {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let others = Bucket { left: rate.burst, at: Duration::ZERO };
        Self { rate, room: ADDRESSES, by_address: FxHashMap::default(), others }
    }

    /// Takes one request of an address at `now` (since any fixed moment).
    ///
    /// # Errors
    /// When its bucket is empty: how long until there is one more in it.
    pub fn take(&mut self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let key = network(address);
        let rate = self.rate;
        if !self.by_address.contains_key(&key) && self.by_address.len() >= self.room {
            // Who has been quiet long enough to be full again need not be remembered.
            self.by_address.retain(|_, b| b.refilled(rate, now).left < rate.burst);
        }
        let has_room = self.by_address.len() < self.room || self.by_address.contains_key(&key);
        let bucket = if has_room {
            self.by_address.entry(key).or_insert(Bucket { left: rate.burst, at: now })
        } else {
            &mut self.others
        };
        *bucket = bucket.refilled(rate, now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate.per_second.max(1e-3)));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

impl Bucket {
    fn refilled(self, rate: Rate, now: Duration) -> Self {
        let gained = now.saturating_sub(self.at).as_secs_f64() * rate.per_second;
        Self { left: (self.left + gained).min(rate.burst), at: now.max(self.at) }
    }
}

/// One household's addresses are one: of IPv6 the first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 3.0 };

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let mut b = Buckets::new(RATE);
        let t = Duration::from_secs(9);
        assert!((0..3).all(|_| b.take(ip(1), t).is_ok()));
        assert_eq!(b.take(ip(1), t), Err(Duration::from_millis(500)));
        assert!(b.take(ip(2), t).is_ok(), "others are not concerned");
        assert!(b.take(ip(1), t + Duration::from_millis(500)).is_ok());
        assert!(b.take(ip(1), t + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn a_flood_of_addresses_costs_bounded_memory_and_locks_no_regular_out() {
        let mut b = Buckets { room: 8, ..Buckets::new(RATE) };
        let t = Duration::from_secs(1);
        assert!(b.take(ip(1), t).is_ok());
        let let_through = (2..1000).filter(|n| b.take(ip(*n), t).is_ok()).count();
        assert_eq!((b.by_address.len(), let_through), (8, 7 + 3));
        assert!(b.take(ip(1), t).is_ok());
        assert!(b.take(ip(5000), t + Duration::from_secs(5)).is_ok(), "room again once they are quiet");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let mut b = Buckets::new(Rate { per_second: 1.0, burst: 1.0 });
        let [a, same, other]: [IpAddr; 3] =
            ["2001:db8:0:1::1", "2001:db8:0:1:ffff::9", "2001:db8:0:2::1"].map(|s| s.parse().unwrap());
        assert!(b.take(a, Duration::ZERO).is_ok());
        assert!(b.take(same, Duration::ZERO).is_err());
        assert!(b.take(other, Duration::ZERO).is_ok());
    }
}
