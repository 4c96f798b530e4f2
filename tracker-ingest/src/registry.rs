//! Which devices may send, and for which vehicle. In memory for the listeners; the journal keeps it.

pub mod binding;
mod list;

use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;

use crate::codec::DeviceKey;
use binding::Policy;

pub use list::{COLUMNS, DeviceList, ListError, ListFault, read_csv};

/// A token as it is kept: its SHA-256. Tokens are random, so that no slower hash is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether it is this token's, in time that does not depend on how much of it is right.
    #[must_use]
    pub fn admits(&self, token: &str) -> bool {
        self.0.ct_eq(&Self::of(token).0).into()
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token from 32 bytes of chance: 32 hexadecimal digits (128 bits), short enough to be typed into a device.
#[must_use]
pub fn new_token(entropy: [u8; 32]) -> String {
    entropy.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// A device to add.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDevice {
    /// What it calls itself on the wire.
    pub key: DeviceKey,
    /// The vehicle it is fitted to.
    pub vehicle: VehicleId,
    /// What the vehicle is.
    pub kind: VehicleKind,
    /// For people: garage number, model, SIM.
    pub label: Option<String>,
    /// Its token, for HTTP and MQTT.
    pub token: Option<String>,
    /// Whether it may be beside another device of the vehicle.
    pub beside: bool,
}

impl NewDevice {
    /// A device of a transit vehicle, without a token.
    #[must_use]
    pub fn transit(key: impl AsRef<str>, vehicle: impl AsRef<str>) -> Self {
        Self {
            key: DeviceKey::from(key),
            vehicle: VehicleId::from(vehicle),
            kind: VehicleKind::Transit,
            label: None,
            token: None,
            beside: false,
        }
    }
}

/// A device on the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its number in the journal.
    pub(crate) id: i64,
    /// What it calls itself on the wire. Shown masked.
    pub key: DeviceKey,
    /// The vehicle it is fitted to.
    pub vehicle: VehicleId,
    /// What the vehicle is.
    pub kind: VehicleKind,
    /// For people.
    pub label: Option<String>,
    /// Its token, hashed.
    pub token: Option<TokenHash>,
    /// What is done when it is not as it always was; `None` = as the city's configuration says.
    pub binding: Option<Policy>,
    /// Of which learning what is known of it must be: each `rebind` begins another.
    pub(crate) epoch: i64,
}

/// A device cannot be put on the list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeviceError {
    /// The key cannot be one.
    #[error("the device's key must be 1 to 64 letters a-z and A-Z, digits, `-`, `_`, `.` or `:`")]
    BadKey,
    /// The vehicle has another device.
    #[error("vehicle `{vehicle}` already has the device {device}, so {by} cannot be its device too")]
    VehicleTaken {
        /// Which vehicle.
        vehicle: VehicleId,
        /// The device it has; masked when shown.
        device: DeviceKey,
        /// The device that was to be its; masked when shown.
        by: DeviceKey,
    },
    /// The vehicle's name is empty.
    #[error("the vehicle has no name")]
    NoVehicle,
}

impl NewDevice {
    /// Whether its key and vehicle can be; whether the vehicle is free, the journal knows.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn check(&self) -> Result<(), DeviceError> {
        if !DeviceKey::is_valid(self.key.expose()) {
            return Err(DeviceError::BadKey);
        }
        if self.vehicle.as_str().trim().is_empty() {
            return Err(DeviceError::NoVehicle);
        }
        Ok(())
    }
}

/// The list of devices.
#[derive(Debug, Default)]
pub struct Registry {
    devices: RwLock<FxHashMap<DeviceKey, Arc<Device>>>,
}

/// What became of a device on the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) key: DeviceKey,
    pub(crate) before: Option<Arc<Device>>,
    pub(crate) after: Option<Arc<Device>>,
}

impl Change {
    /// Whether a connection that was let in before must not go on: the device is off the list, is of
    /// another vehicle, or has another token. A new label is no reason.
    pub(crate) fn ends_session(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.vehicle != after.vehicle || before.token != after.token,
            (before, _) => before.is_some(),
        }
    }
}

impl Registry {
    /// The device of this key, if it is on the list.
    #[must_use]
    pub fn get(&self, key: &DeviceKey) -> Option<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Every device, by vehicle.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Device>> {
        let mut all: Vec<_> = self.devices.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
        all
    }

    /// Puts stored devices on the list; says what that changed.
    pub(crate) fn put(&self, devices: impl IntoIterator<Item = Device>) -> Vec<Change> {
        let mut listed = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.into_iter().filter_map(|d| put(&mut listed, d)).collect()
    }

    /// Makes these the list; says what that changed.
    pub(crate) fn replace(&self, devices: Vec<Device>) -> Vec<Change> {
        let mut listed = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone = listed.clone();
        let mut changes: Vec<Change> = Vec::new();
        for d in devices {
            gone.remove(&d.key);
            changes.extend(put(&mut listed, d));
        }
        for (key, before) in gone {
            listed.remove(&key);
            changes.push(Change { key, before: Some(before), after: None });
        }
        changes
    }
}

fn put(listed: &mut FxHashMap<DeviceKey, Arc<Device>>, device: Device) -> Option<Change> {
    let after = Arc::new(device);
    let key = after.key.clone();
    let before = listed.insert(key.clone(), Arc::clone(&after));
    (before.as_ref() != Some(&after)).then_some(Change { key, before, after: Some(after) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_admits_itself_only() {
        let hash = TokenHash::of("s3cret");
        assert!(hash.admits("s3cret"));
        assert!(!hash.admits("s3cres") && !hash.admits(""));
        assert_eq!(format!("{hash:?}"), "TokenHash(…)");
    }

    fn listed(id: i64, key: &str, vehicle: &str) -> Device {
        Device {
            id,
            key: key.into(),
            vehicle: vehicle.into(),
            kind: VehicleKind::Transit,
            label: None,
            token: None,
            binding: None,
            epoch: 0,
        }
    }

    #[test]
    fn a_new_list_says_what_is_different() {
        let registry = Registry::default();
        registry.put([listed(1, "d1", "v1"), listed(2, "d2", "v2"), listed(3, "d3", "v3"), listed(4, "d4", "v4")]);
        let labelled = Device { label: Some("garage 7".into()), ..listed(2, "d2", "v2") };
        let changes =
            registry.replace(vec![listed(1, "d1", "v1"), labelled, listed(3, "d3", "v9"), listed(5, "d5", "v5")]);
        let mut said: Vec<_> = changes.iter().map(|c| (c.key.expose(), c.after.is_some(), c.ends_session())).collect();
        said.sort_unstable();
        assert_eq!(said, [("d2", true, false), ("d3", true, true), ("d4", false, true), ("d5", true, false)]);
        let vehicles: Vec<_> = registry.list().iter().map(|d| d.vehicle.to_string()).collect();
        assert_eq!(vehicles, ["v1", "v2", "v5", "v9"]);
        assert!(registry.get(&"d4".into()).is_none());
    }

    #[test]
    fn a_new_token_ends_the_session_of_the_old_one() {
        let registry = Registry::default();
        registry.put([listed(1, "d1", "v1")]);
        let with = |token| Device { token: Some(TokenHash::of(token)), ..listed(1, "d1", "v1") };
        assert!(registry.put([with("a")])[0].ends_session());
        assert!(registry.put([with("a")]).is_empty(), "nothing is new");
        assert!(registry.put([with("b")])[0].ends_session());
    }

    #[test]
    fn a_device_has_a_key_and_a_vehicle() {
        assert_eq!(NewDevice::transit("d", "v").check(), Ok(()));
        assert_eq!(NewDevice::transit("a/b", "v").check(), Err(DeviceError::BadKey));
        assert_eq!(NewDevice::transit("d", " ").check(), Err(DeviceError::NoVehicle));
    }
}
