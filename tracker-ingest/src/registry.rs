//! Which devices may send, and for which vehicle. In memory for the listeners; the journal keeps it.

use std::io::Read;
use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;

use crate::codec::DeviceKey;

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
}

/// A device cannot be put on the list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeviceError {
    /// The key cannot be one.
    #[error("the device's key must be 1 to 64 letters, digits, `-`, `_`, `.` or `:`")]
    BadKey,
    /// The vehicle has another device.
    #[error("vehicle `{vehicle}` already has the device {device}")]
    VehicleTaken {
        /// Which vehicle.
        vehicle: VehicleId,
        /// Which device; masked when shown.
        device: DeviceKey,
    },
    /// The vehicle's name is empty.
    #[error("the vehicle has no name")]
    NoVehicle,
    /// A line of a list of devices cannot be read.
    #[error("line {line}: {detail}")]
    Line {
        /// Which line, from 1; the header is the first.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
}

/// The list of devices.
#[derive(Debug, Default)]
pub struct Registry {
    devices: RwLock<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    by_key: FxHashMap<DeviceKey, Arc<Device>>,
    by_vehicle: FxHashMap<VehicleId, DeviceKey>,
}

impl Registry {
    /// The device of this key, if it is on the list.
    #[must_use]
    pub fn get(&self, key: &DeviceKey) -> Option<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned()
    }

    /// Every device, by vehicle.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Device>> {
        let listed = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = listed.by_key.values().cloned().collect();
        all.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
        all
    }

    /// Whether a device may be put on the list, in place of the one with its key if there is one.
    ///
    /// # Errors
    /// When its key or vehicle cannot be, or the vehicle has another device.
    pub fn check(&self, new: &NewDevice) -> Result<(), DeviceError> {
        if !DeviceKey::is_valid(new.key.expose()) {
            return Err(DeviceError::BadKey);
        }
        if new.vehicle.as_str().trim().is_empty() {
            return Err(DeviceError::NoVehicle);
        }
        let listed = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        match listed.by_vehicle.get(&new.vehicle) {
            Some(other) if *other != new.key => {
                Err(DeviceError::VehicleTaken { vehicle: new.vehicle.clone(), device: other.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Puts stored devices on the list.
    pub(crate) fn put(&self, devices: impl IntoIterator<Item = Device>) {
        let mut listed = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        for d in devices {
            if let Some(before) = listed.by_key.get(&d.key).map(|d| d.vehicle.clone()) {
                listed.by_vehicle.remove(&before);
            }
            listed.by_vehicle.insert(d.vehicle.clone(), d.key.clone());
            listed.by_key.insert(d.key.clone(), Arc::new(d));
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    device: String,
    vehicle_id: String,
    #[serde(default)]
    kind: Option<VehicleKind>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

/// Reads a list of devices: CSV with the columns `device,vehicle_id` and, if wanted, `kind` (`transit` or
/// `machinery`), `label`, `token`.
///
/// # Errors
/// The first line that cannot be read, or that repeats a device or a vehicle.
pub fn read_csv(input: impl Read) -> Result<Vec<NewDevice>, DeviceError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let mut devices: Vec<NewDevice> = Vec::new();
    let mut seen: FxHashMap<String, u64> = FxHashMap::default();
    for row in reader.deserialize::<Row>() {
        let line = devices.len() as u64 + 2;
        let fail = |detail: String| DeviceError::Line { line, detail };
        let row = row.map_err(|e| fail(e.to_string()))?;
        if !DeviceKey::is_valid(&row.device) {
            return Err(fail(format!("`device`: {}", DeviceError::BadKey)));
        }
        if row.vehicle_id.is_empty() {
            return Err(fail("`vehicle_id` is empty".to_owned()));
        }
        let names = [("device", &row.device), ("vehicle_id", &row.vehicle_id)];
        for (column, value) in names {
            if let Some(first) = seen.insert(format!("{column} {value}"), line) {
                return Err(fail(format!("`{column}` is the same as in line {first}")));
            }
        }
        devices.push(NewDevice {
            key: DeviceKey::from(&row.device),
            vehicle: VehicleId::from(&row.vehicle_id),
            kind: row.kind.unwrap_or_default(),
            label: row.label,
            token: row.token,
        });
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let csv = "device,vehicle_id,kind,label,token\n352093081452251, bus-1 ,,\"garage 7, MAZ\",\n867,plough-2,machinery,,s3cret\n";
        let devices = read_csv(csv.as_bytes()).unwrap();
        assert_eq!(devices[0].vehicle.as_str(), "bus-1");
        assert_eq!(devices[0].label.as_deref(), Some("garage 7, MAZ"));
        assert_eq!((devices[0].kind, &devices[0].token), (VehicleKind::Transit, &None));
        assert_eq!((devices[1].kind, devices[1].token.as_deref()), (VehicleKind::Machinery, Some("s3cret")));
    }

    #[test]
    fn a_fault_in_a_list_names_its_line() {
        for (csv, says) in [
            ("device,vehicle_id\n1,a\n1,b\n", "line 3: `device` is the same as in line 2"),
            ("device,vehicle_id\n1,a\n2,a\n", "line 3: `vehicle_id` is the same as in line 2"),
            ("device,vehicle_id\n1,\n", "line 2: `vehicle_id` is empty"),
            ("device,vehicle_id\na/b,v\n", "line 2: `device`: the device's key must be"),
            ("device,vehicle_id,kind\n1,v,tank\n", "line 2: CSV deserialize error"),
            ("imei,vehicle_id\n1,v\n", "line 2: CSV deserialize error"),
        ] {
            let e = read_csv(csv.as_bytes()).unwrap_err().to_string();
            assert!(e.starts_with(says), "{e}");
        }
    }

    #[test]
    fn a_token_admits_itself_only() {
        let hash = TokenHash::of("s3cret");
        assert!(hash.admits("s3cret"));
        assert!(!hash.admits("s3cres") && !hash.admits(""));
        assert_eq!(format!("{hash:?}"), "TokenHash(…)");
    }

    #[test]
    fn a_vehicle_has_one_device_and_a_device_one_vehicle() {
        let registry = Registry::default();
        let listed = |id, key: &str, vehicle: &str| Device {
            id,
            key: key.into(),
            vehicle: vehicle.into(),
            kind: VehicleKind::Transit,
            label: None,
            token: None,
        };
        registry.put([listed(1, "d1", "v1")]);
        assert!(matches!(registry.check(&NewDevice::transit("d2", "v1")), Err(DeviceError::VehicleTaken { .. })));
        assert_eq!(registry.check(&NewDevice::transit("d1", "v1")), Ok(()));
        registry.put([listed(1, "d1", "v2")]);
        assert_eq!(registry.check(&NewDevice::transit("d2", "v1")), Ok(()));
        assert_eq!(registry.list().len(), 1);
        assert_eq!(registry.check(&NewDevice::transit("a/b", "v")), Err(DeviceError::BadKey));
        assert_eq!(registry.check(&NewDevice::transit("d", " ")), Err(DeviceError::NoVehicle));
    }
}
