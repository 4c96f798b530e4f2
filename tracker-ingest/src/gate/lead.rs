//! How far a device's clock is ahead of ours.
//!
//! A fix cannot come before it was made, so a device whose fixes lie in the future has a clock that is
//! ahead by at least as much: that much is taken off. A clock that is behind cannot be told from a slow
//! network or a backlog, so it is not touched: its fixes are old, and an old fix is never live.

use transit_model::time::UnixMs;

/// How many leads are remembered; a clock that was set right is believed after so many fixes.
const REMEMBERED: usize = 8;

/// The estimate for one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Lead {
    /// `time - received` of the last believed fixes, ms; a ring.
    seen: [i64; REMEMBERED],
    at: usize,
    ahead: i64,
    doubted: Option<Doubted>,
}

#[derive(Clone, Copy, Debug)]
struct Doubted {
    lead: i64,
    received: UnixMs,
    agreeing: u32,
}

/// The limits, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) tolerance: i64,
    pub(super) most: i64,
    pub(super) agreeing: u32,
}

impl Lead {
    /// Takes a fix's time in; gives it corrected, or `None` when it lies in the future.
    pub(super) fn correct(&mut self, time: UnixMs, received: UnixMs, limits: Limits) -> Option<UnixMs> {
        let lead = time.0.saturating_sub(received.0);
        if lead > self.ahead.saturating_add(limits.tolerance) {
            if !self.believed_by_now(lead, received, limits) {
                return None;
            }
            self.seen = [lead; REMEMBERED];
        }
        self.doubted = None;
        if let Some(slot) = self.seen.get_mut(self.at) {
            *slot = lead;
        }
        self.at = (self.at + 1) % REMEMBERED;
        self.ahead = self.seen.iter().copied().max().unwrap_or(0).max(0);
        Some(UnixMs(time.0.saturating_sub(self.ahead)))
    }

    /// Whether enough fixes, each received at a moment of its own, are ahead by the same.
    fn believed_by_now(&mut self, lead: i64, received: UnixMs, limits: Limits) -> bool {
        if lead > limits.most {
            self.doubted = None;
            return false;
        }
        let agreeing = match self.doubted {
            Some(d) if (lead - d.lead).abs() > limits.tolerance => 1,
            Some(d) if d.received == received => d.agreeing,
            Some(d) => d.agreeing + 1,
            None => 1,
        };
        self.doubted = Some(Doubted { lead, received, agreeing });
        agreeing >= limits.agreeing
    }

    /// The clock's lead, ms; 0 for one that is right or behind.
    pub(super) const fn ms(&self) -> i64 {
        self.ahead
    }
}
