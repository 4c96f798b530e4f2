//! The trackers, as a dispatcher sees them: who is heard, how, and why what they say is not taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// How a device is, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It says another place than the vehicle's other device, and neither is shown.
    Disagrees,
    /// It is not as it always was, and is refused for it.
    Refused,
    /// Its clock is off by an amount that is not known yet; nothing it says is shown.
    ClockOff,
    /// It is not as it always was, and is let in.
    Changed,
    /// It is on no list.
    Quarantine,
    /// It was heard today, and not in the last minutes.
    Silent,
    /// Nothing is wrong.
    Heard,
    /// It was not heard for a day, or never.
    #[default]
    Gone,
}

impl DeviceState {
    /// As on the wire: `clock_off`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disagrees => "disagrees",
            Self::Refused => "refused",
            Self::ClockOff => "clock_off",
            Self::Changed => "changed",
            Self::Quarantine => "quarantine",
            Self::Silent => "silent",
            Self::Heard => "heard",
            Self::Gone => "gone",
        }
    }
}

/// A device. Its key is a credential and is not in here.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeviceView {
    /// Names it for as long as it is there.
    pub id: String,
    /// Its key, masked: `…2251`.
    pub device: String,
    /// Its vehicle; none for one in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle_id: Option<String>,
    /// For people: garage number, model, SIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How it spoke last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// When it was heard last, to the minute, so that not every message of it is a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<UnixMs>,
    /// How it is.
    pub state: DeviceState,
    /// How far its clock is ahead, seconds; negative = behind, 0 = right.
    #[serde(default)]
    pub clock_offset_s: i64,
    /// Why something of it was refused or kept out last, in the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reason: Option<String>,
    /// What was refused or kept out in the last hour, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// Reasons whose episode lasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// A reason for which something was refused or kept out in the last hour.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReasonView {
    /// Its name (docs/rejections.md).
    pub reason: String,
    /// Ukrainian.
    pub text_uk: String,
    /// English.
    pub text_en: String,
    /// How often in the last hour.
    pub hour: u64,
    /// Devices and addresses whose episode lasts.
    pub open: u64,
}

/// Every device there is, and every reason that occurred.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Devices {
    /// By id.
    pub list: Vec<DeviceView>,
    /// The most frequent first.
    pub reasons: Vec<ReasonView>,
}

/// What has changed of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DevicesChange {
    /// Devices that are new or differ, whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<DeviceView>,
    /// Ids of those that are no longer there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// All reasons, when any differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<ReasonView>>,
}

impl Devices {
    /// The difference that turns `self` into `next`; `None` when there is none.
    #[must_use]
    pub fn difference(&self, next: &Self) -> Option<DevicesChange> {
        let known = |id: &str| self.list.binary_search_by(|d| d.id.as_str().cmp(id)).ok();
        let same = |d: &DeviceView| known(&d.id).and_then(|at| self.list.get(at)) == Some(d);
        let changed: Vec<_> = next.list.iter().filter(|d| !same(d)).cloned().collect();
        let stays = |id: &str| next.list.binary_search_by(|d| d.id.as_str().cmp(id)).is_ok();
        let gone: Vec<_> = self.list.iter().filter(|d| !stays(&d.id)).map(|d| d.id.clone()).collect();
        let reasons = (self.reasons != next.reasons).then(|| next.reasons.clone());
        let none = changed.is_empty() && gone.is_empty() && reasons.is_none();
        (!none).then_some(DevicesChange { changed, gone, reasons })
    }

    /// Takes a change in.
    pub fn apply(&mut self, change: DevicesChange) {
        self.list.retain(|d| !change.gone.contains(&d.id));
        for d in change.changed {
            match self.list.binary_search_by(|have| have.id.cmp(&d.id)) {
                Ok(at) => {
                    if let Some(have) = self.list.get_mut(at) {
                        *have = d;
                    }
                }
                Err(at) => self.list.insert(at, d),
            }
        }
        if let Some(reasons) = change.reasons {
            self.reasons = reasons;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn devices(ids: &[(u8, i64)]) -> Devices {
        let mut list: Vec<DeviceView> = ids
            .iter()
            .map(|(id, s)| DeviceView { id: format!("d{id}"), clock_offset_s: *s, ..DeviceView::default() })
            .collect();
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list.dedup_by(|a, b| a.id == b.id);
        Devices { list, reasons: Vec::new() }
    }

    proptest! {
        #[test]
        fn a_difference_taken_in_is_what_it_was_made_of(
            a in proptest::collection::vec((0u8..12, 0i64..3), 0..12),
            b in proptest::collection::vec((0u8..12, 0i64..3), 0..12),
        ) {
            let (mut before, after) = (devices(&a), devices(&b));
            match before.difference(&after) {
                None => prop_assert_eq!(&before, &after),
                Some(change) => before.apply(change),
            }
            prop_assert_eq!(before, after);
        }
    }
}
