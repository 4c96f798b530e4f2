//! Who is connected from where: a live session of a device cannot be taken over from another address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;
use transit_model::time::UnixMs;

use crate::codec::DeviceKey;

/// The live sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    held: Mutex<FxHashMap<DeviceKey, Held>>,
    next: AtomicU64,
    /// After so long a silence, ms, a session is taken for dead.
    silence: i64,
}

#[derive(Debug)]
struct Held {
    id: u64,
    address: IpAddr,
    heard: Arc<AtomicI64>,
    end: CancellationToken,
}

/// Another connection of the device is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeldBy(pub(crate) IpAddr);

/// A device's session, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    sessions: Arc<Sessions>,
    device: DeviceKey,
    id: u64,
    heard: Arc<AtomicI64>,
    end: CancellationToken,
}

impl Sessions {
    pub(crate) fn new(takeover_secs: u32) -> Self {
        Self { held: Mutex::default(), next: AtomicU64::new(0), silence: i64::from(takeover_secs) * 1000 }
    }

    /// Whether a device has a live session at another address.
    pub(crate) fn check(&self, device: &DeviceKey, address: IpAddr, now: UnixMs) -> Result<(), HeldBy> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(device) {
            Some(h) if h.address != address && now.0.saturating_sub(h.heard.load(Ordering::Relaxed)) < self.silence => {
                Err(HeldBy(h.address))
            }
            _ => Ok(()),
        }
    }

    /// Says that the device was heard without a connection that lasts: the address holds the device's
    /// session for as long as a silent connection would.
    pub(crate) fn touch(&self, device: &DeviceKey, address: IpAddr, now: UnixMs) -> Result<(), HeldBy> {
        self.check(device, address, now)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(device) {
            Some(h) if h.address == address => h.heard.store(now.0, Ordering::Relaxed),
            _ => {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                let heard = Arc::new(AtomicI64::new(now.0));
                let before = held.insert(device.clone(), Held { id, address, heard, end: CancellationToken::new() });
                if let Some(before) = before {
                    before.end.cancel();
                }
            }
        }
        Ok(())
    }

    /// Makes a session the device's. One before it at the same address, or one that fell silent, is ended:
    /// a tracker that lost its network comes back before its old connection is known to be dead.
    pub(crate) fn claim(self: &Arc<Self>, device: &DeviceKey, address: IpAddr, now: UnixMs) -> Result<Claim, HeldBy> {
        self.check(device, address, now)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let heard = Arc::new(AtomicI64::new(now.0));
        let end = CancellationToken::new();
        let new = Held { id, address, heard: Arc::clone(&heard), end: end.clone() };
        let before = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(device.clone(), new);
        if let Some(before) = before {
            before.end.cancel();
        }
        Ok(Claim { sessions: Arc::clone(self), device: device.clone(), id, heard, end })
    }

    /// Ends a device's session, if it has one: it is on no list any more, or is another vehicle's now.
    pub(crate) fn end(&self, device: &DeviceKey) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(device);
        if let Some(held) = held {
            held.end.cancel();
        }
    }
}

impl Claim {
    /// The device said something.
    pub(crate) fn heard(&self, now: UnixMs) {
        self.heard.store(now.0, Ordering::Relaxed);
    }

    /// Whether the device has connected anew, or the list of devices does not know it so any more.
    pub(crate) fn is_replaced(&self) -> bool {
        self.end.is_cancelled()
    }

    /// Ends when the device has connected anew, or the list of devices does not know it so any more.
    pub(crate) async fn replaced(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.sessions.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(&self.device).is_some_and(|h| h.id == self.id) {
            held.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn sessions() -> (Arc<Sessions>, DeviceKey) {
        (Arc::new(Sessions::new(60)), DeviceKey::from("352093081452251"))
    }

    #[test]
    fn a_live_session_is_not_taken_over_from_elsewhere() {
        let (sessions, device) = sessions();
        let claim = sessions.claim(&device, HOME, UnixMs(0)).unwrap();
        claim.heard(UnixMs(50_000));
        assert_eq!(sessions.claim(&device, AWAY, UnixMs(109_999)).unwrap_err(), HeldBy(HOME));
        assert!(!claim.end.is_cancelled());
    }

    #[test]
    fn a_silent_session_gives_way_and_is_ended() {
        let (sessions, device) = sessions();
        let old = sessions.claim(&device, HOME, UnixMs(0)).unwrap();
        let new = sessions.claim(&device, AWAY, UnixMs(60_000)).unwrap();
        assert!(old.end.is_cancelled() && !new.end.is_cancelled());
        drop(old);
        assert_eq!(sessions.check(&device, HOME, UnixMs(60_001)), Err(HeldBy(AWAY)), "the new one still holds it");
    }

    #[test]
    fn requests_hold_a_session_too() {
        let (sessions, device) = sessions();
        sessions.touch(&device, HOME, UnixMs(0)).unwrap();
        sessions.touch(&device, HOME, UnixMs(50_000)).unwrap();
        assert_eq!(sessions.touch(&device, AWAY, UnixMs(109_999)), Err(HeldBy(HOME)));
        sessions.touch(&device, AWAY, UnixMs(110_000)).unwrap();
        assert_eq!(sessions.claim(&device, HOME, UnixMs(110_001)).unwrap_err(), HeldBy(AWAY));
    }

    #[test]
    fn a_session_that_is_ended_is_free_for_anybody() {
        let (sessions, device) = sessions();
        let old = sessions.claim(&device, HOME, UnixMs(0)).unwrap();
        sessions.end(&device);
        assert!(old.end.is_cancelled());
        let new = sessions.claim(&device, AWAY, UnixMs(1)).unwrap();
        drop(old);
        assert!(!new.end.is_cancelled());
        assert_eq!(sessions.check(&device, HOME, UnixMs(2)), Err(HeldBy(AWAY)));
    }

    #[test]
    fn the_same_address_may_come_back_at_once_and_anybody_after_it_left() {
        let (sessions, device) = sessions();
        let old = sessions.claim(&device, HOME, UnixMs(0)).unwrap();
        let again = sessions.claim(&device, HOME, UnixMs(1)).unwrap();
        assert!(old.end.is_cancelled());
        drop((old, again));
        assert!(sessions.claim(&device, AWAY, UnixMs(2)).is_ok());
    }
}
