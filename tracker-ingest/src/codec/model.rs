//! What every protocol's messages come to: records of a device, before anybody judged them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use transit_model::fix::Reported;
use transit_model::time::UnixMs;

use super::wire::attr::ARCHIVE;

/// What a device calls itself on the wire: an IMEI or another unique id. For most protocols it is
/// the only credential there is, so `Debug` and `Display` show it masked and it never leaves ingest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceKey(Arc<str>);

impl DeviceKey {
    /// The longest key we take, bytes.
    pub const MAX: usize = 64;

    /// The key itself. Not for logs, metrics or anything that leaves ingest.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text can be a device's key: 1 to [`Self::MAX`] letters, digits, `-`, `_`, `.`, `:`.
    /// (So it is safe as a level of an MQTT topic and in a CSV file.)
    #[must_use]
    pub fn is_valid(s: &str) -> bool {
        (1..=Self::MAX).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    }

    /// The key of a vehicle that another system names as it likes; `None` for an empty name. A name that can be
    /// a key is its own, with `/` written `:`; of any other what can stay does, the rest is `_`, and a digest of the
    /// name follows, so that two names make two keys: `Ж-7` is `_-7-` and eight hexadecimal digits.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        /// What a digest and the hyphen before it take.
        const TAIL: usize = 9;
        let name = name.trim();
        if name.is_empty() {
            return None;
        }
        let plain = name.replace('/', ":");
        if Self::is_valid(&plain) {
            return Some(Self::from(plain));
        }
        let kept = plain.chars().map(|c| if Self::is_valid(c.encode_utf8(&mut [0; 4])) { c } else { '_' });
        let head: String = kept.take(Self::MAX - TAIL).collect();
        Some(Self::from(format!("{head}-{:08x}", digest(name.as_bytes()))))
    }
}

impl<S: AsRef<str>> From<S> for DeviceKey {
    fn from(s: S) -> Self {
        Self(Arc::from(s.as_ref()))
    }
}

impl fmt::Display for DeviceKey {
    /// Masked: the last four characters of a key of nine or more, nothing of a shorter one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars = self.0.chars().count();
        f.write_str("…")?;
        if chars < 9 {
            return Ok(());
        }
        self.0.chars().skip(chars - 4).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a record says the device was.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Position {
    /// WGS 84 latitude, degrees, as sent: not yet known to be on Earth.
    pub lat: f64,
    /// WGS 84 longitude, degrees, as sent.
    pub lon: f64,
    /// Above sea level, metres.
    pub altitude: Option<f32>,
    /// Over the ground, m/s.
    pub speed: Option<f32>,
    /// Course over ground, degrees clockwise from north, 0..360.
    pub bearing: Option<f32>,
    /// Satellites used.
    pub satellites: Option<u8>,
    /// Horizontal dilution of precision.
    pub hdop: Option<f32>,
    /// The device's own estimate of its error, metres.
    pub accuracy: Option<f32>,
    /// Whether the device itself stands by it; false for one it only remembers.
    pub valid: bool,
}

/// The name of an attribute.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AttrKey {
    /// A numbered input or sensor of the protocol; written `io239`.
    Io(u16),
    /// A name of ours.
    Name(&'static str),
    /// A name of the device's.
    Own(Box<str>),
}

impl fmt::Display for AttrKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(id) => write!(f, "io{id}"),
            Self::Name(n) => f.write_str(n),
            Self::Own(n) => f.write_str(n),
        }
    }
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum AttrValue {
    /// A whole number.
    Int(u64),
    /// Any other number.
    Float(f64),
    /// A yes or no.
    Bool(bool),
    /// Words.
    Text(Box<str>),
    /// Bytes that mean something to the device; written in hex.
    Bytes(Box<[u8]>),
}

/// One record of a device: a moment and what was so then.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Record {
    /// Whose, where the message itself says so; otherwise that of the login.
    pub device: Option<DeviceKey>,
    /// The device's clock; `None` where the protocol lets the server's stand in.
    pub time: Option<UnixMs>,
    /// Tells records of one device and time apart: the protocol's own number where it has one, else
    /// a digest of the content. The same record sent twice has the same.
    pub sequence: u32,
    /// Where; `None` when the record carries no position of its own.
    pub position: Option<Position>,
    /// What the vehicle says it is doing.
    pub reported: Reported,
    /// Everything else, in the order sent.
    pub attributes: Vec<(AttrKey, AttrValue)>,
}

impl Record {
    /// A record of a position at a time, with nothing else.
    #[must_use]
    pub fn at(time: UnixMs, position: Position) -> Self {
        Self { time: Some(time), position: Some(position), ..Self::default() }
    }

    /// A digest of what the record says, for protocols that number messages and not records: a tracker that was not
    /// answered says it again under another number, in other company, or as from memory.
    #[must_use]
    pub(crate) fn said(&self) -> u32 {
        let mut d = self.place_digest();
        for (key, value) in self.attributes.iter().filter(|(key, _)| *key != ARCHIVE) {
            d.add(key.to_string().as_bytes());
            match value {
                AttrValue::Int(v) => d.add(&v.to_le_bytes()),
                AttrValue::Float(v) => d.add(&v.to_le_bytes()),
                AttrValue::Bool(v) => d.add(&[u8::from(*v)]),
                AttrValue::Text(v) => d.add(v.as_bytes()),
                AttrValue::Bytes(v) => d.add(v),
            }
        }
        d.0
    }

    /// The same of its time and place alone, where what else is known belongs to the message.
    #[must_use]
    pub(crate) fn said_of_place(&self) -> u32 {
        self.place_digest().0
    }

    fn place_digest(&self) -> Digest {
        let mut d = Digest::default();
        d.add(&self.time.map_or(0, |t| t.0).to_le_bytes());
        if let Some(p) = &self.position {
            d.add(&p.lat.to_le_bytes());
            d.add(&p.lon.to_le_bytes());
            for v in [p.altitude, p.speed, p.bearing] {
                d.add(&v.map_or(0, f32::to_bits).to_le_bytes());
            }
            d.add(&[u8::from(p.valid), p.satellites.unwrap_or(0)]);
        }
        d
    }

    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, key: &AttrKey) -> Option<&AttrValue> {
        self.attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
}

/// 32-bit FNV-1a: a digest that is the same on every machine and in every version.
#[must_use]
pub(crate) fn digest(bytes: &[u8]) -> u32 {
    let mut d = Digest::default();
    d.add(bytes);
    d.0
}

/// A [`digest`] in the making.
struct Digest(u32);

impl Default for Digest {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown_whole() {
        for (key, shown) in [("352093081452251", "…2251"), ("12345678", "…"), ("a", "…"), ("", "…")] {
            assert_eq!(DeviceKey::from(key).to_string(), shown);
            assert_eq!(format!("{:?}", DeviceKey::from(key)), shown);
        }
    }

    #[test]
    fn any_name_makes_a_key_of_its_own() {
        let key = |name: &str| DeviceKey::of_name(name).map(|k| k.expose().to_owned());
        assert_eq!(key(" 22/817 "), Some("22:817".into()));
        assert_eq!((key(""), key("  ")), (None, None));
        for name in ["Ж-7", "Ш-7", "a b", "a+b", &"9".repeat(65), &"9".repeat(66)] {
            let made = key(name).unwrap();
            assert!(DeviceKey::is_valid(&made), "{made}");
        }
        assert_ne!(key("Ж-7"), key("Ш-7"));
        assert_ne!(key("a b"), key("a+b"));
        assert_ne!(key(&"9".repeat(65)), key(&"9".repeat(66)));
    }

    #[test]
    fn a_key_fits_a_topic() {
        assert!(DeviceKey::is_valid("352093081452251") && DeviceKey::is_valid("bus-7_a.b:c"));
        for bad in ["", "a/b", "a+", "#", "a b", "ключ", &"9".repeat(65)] {
            assert!(!DeviceKey::is_valid(bad), "{bad}");
        }
    }
}
