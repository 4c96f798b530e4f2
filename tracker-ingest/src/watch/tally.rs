//! What was refused in the last hour, and by whom: for the dispatcher's stream.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use transit_model::dispatch::ReasonView;
use transit_model::time::UnixMs;

use super::{EPISODE_ENDS, State, Watch, Who};
use crate::codec::DeviceKey;
use crate::rejection::Rejection;

/// How long a slot of the hour is, ms.
const SLOT: i64 = 600_000;
const SLOTS: usize = 6;

/// How often something happened in the last hour, to ten minutes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hour {
    slots: [u64; SLOTS],
    /// The number of the newest slot, counted from 1970.
    newest: i64,
}

impl Hour {
    pub(super) fn count(&mut self, at: UnixMs) {
        self.turn(at);
        if let Some(slot) = self.slots.get_mut(Self::place(self.newest)) {
            *slot += 1;
        }
    }

    pub(super) fn sum(mut self, at: UnixMs) -> u64 {
        self.turn(at);
        self.slots.iter().sum()
    }

    fn turn(&mut self, at: UnixMs) {
        let now = at.0.div_euclid(SLOT);
        for n in self.newest.max(now - SLOTS as i64)..now {
            if let Some(slot) = self.slots.get_mut(Self::place(n + 1)) {
                *slot = 0;
            }
        }
        self.newest = self.newest.max(now);
    }

    fn place(slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(SLOTS as i64)).unwrap_or(0)
    }
}

/// What of a device was refused in the last hour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) hour: BTreeMap<Rejection, u64>,
    /// Whose episode lasts.
    pub(crate) open: Vec<Rejection>,
    /// The last of them.
    pub(crate) last: Option<Rejection>,
}

impl Watch {
    /// What was refused in the last hour, by device.
    pub(crate) fn refusals(&self, now: UnixMs) -> FxHashMap<DeviceKey, Told> {
        let state = self.state();
        let mut all: FxHashMap<DeviceKey, (Told, UnixMs)> = FxHashMap::default();
        for ((who, reason), e) in &state.episodes {
            let (Who::Device(key, _), n @ 1..) = (who, e.hour.sum(now)) else { continue };
            let (told, last) = all.entry(key.clone()).or_default();
            told.hour.insert(*reason, n);
            if lasts(e.last, now) {
                told.open.push(*reason);
            }
            if told.last.is_none() || e.last > *last {
                (told.last, *last) = (Some(*reason), e.last);
            }
        }
        let sorted = |(key, (mut told, _)): (DeviceKey, (Told, UnixMs))| {
            told.open.sort_unstable();
            (key, told)
        };
        all.into_iter().map(sorted).collect()
    }

    /// Every reason that occurred in the last hour, the most frequent first.
    pub(crate) fn reasons(&self, now: UnixMs) -> Vec<ReasonView> {
        let state = self.state();
        let open = open_episodes(&state, now);
        let of = |(reason, hour): (&Rejection, &Hour)| {
            let (uk, en) = reason.words();
            ReasonView {
                reason: reason.name().to_owned(),
                text_uk: uk.to_owned(),
                text_en: en.to_owned(),
                hour: hour.sum(now),
                open: open.get(reason).copied().unwrap_or(0),
            }
        };
        let mut all: Vec<_> = state.hours.iter().map(of).filter(|r| r.hour > 0).collect();
        all.sort_by(|a, b| b.hour.cmp(&a.hour).then_with(|| a.reason.cmp(&b.reason)));
        all
    }
}

fn open_episodes(state: &State, now: UnixMs) -> FxHashMap<Rejection, u64> {
    let mut open = FxHashMap::default();
    for ((_, reason), _) in state.episodes.iter().filter(|(_, e)| lasts(e.last, now)) {
        *open.entry(*reason).or_default() += 1;
    }
    open
}

const fn lasts(last: UnixMs, now: UnixMs) -> bool {
    now.0.saturating_sub(last.0) < EPISODE_ENDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_forgets_what_is_older() {
        let mut hour = Hour::default();
        let minute = |m: i64| UnixMs(1_795_000_000_000 + m * 60_000);
        (0..60).for_each(|m| hour.count(minute(m)));
        assert!((50..=60).contains(&hour.sum(minute(59))), "{}", hour.sum(minute(59)));
        assert!(hour.sum(minute(80)) < 45 && hour.sum(minute(80)) > 20);
        assert_eq!(hour.sum(minute(140)), 0);
        hour.count(minute(10_000));
        assert_eq!(hour.sum(minute(10_001)), 1);
    }
}
