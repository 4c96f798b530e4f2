//! One AVL fix: what a vehicle said of itself, after the gate let it through.

use serde::{Deserialize, Serialize};

use crate::ids::VehicleId;
use crate::time::{ServiceDate, ServiceTime, UnixMs};

/// The sources there are, each once: its variant, its name and what it is.
macro_rules! sources {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// Where a fix came from: a protocol, or a file. The names are those of the command line, the
        /// configuration, metrics and the journal.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Source {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)*
        }

        impl Source {
            /// Every source there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

sources! {
    Recording "recording" "A file, in replay.",
    MqttJson "mqtt-json" "Our JSON over MQTT.",
    Osmand "osmand" "The OsmAnd form and the JSON of Traccar Client, over HTTP.",
    Teltonika "teltonika" "Teltonika codecs over TCP and UDP.",
    Bitrek "bitrek" "Teltonika's codec 8 as Bitrek trackers send it, over TCP.",
    Gps103 "gps103" "GPS103 of Coban, lines.",
    Gt06 "gt06" "GT06 of Concox, Jimi and their kin.",
    H02 "h02" "H02, lines and packed binary.",
    Jt808 "jt808" "JT/T 808 of 2011, 2013 and 2019.",
    Meitrack "meitrack" "Meitrack, text and binary.",
    Nmea "nmea" "NMEA 0183 lines with an id.",
    Queclink "queclink" "Queclink @Track, text and HEX.",
    Galileosky "galileosky" "Galileosky over TCP.",
    Ruptela "ruptela" "Ruptela over TCP.",
    Ntcb "ntcb" "NTCB and FLEX of Navtelecom over TCP.",
    Egts "egts" "EGTS over TCP, of a device or a relay.",
    Retranslator "retranslator" "Wialon Retranslator over TCP.",
    Bce "bce" "BCE over TCP.",
    Wialon "wialon" "Wialon IPS over TCP or UDP.",
    Tk103 "tk103" "TK103, messages in brackets.",
    GpsFull "gps-full" "The gps_full.txt that Baltic cities publish, fetched.",
    OwnTracks "owntracks" "OwnTracks, the phone app, over MQTT.",
    Hfp "hfp" "High-frequency positioning of HSL, version 2, over MQTT.",
    TopicJson "topic-json" "JSON of whatever shape a city publishes over MQTT, read by a table.",
    GtfsRt "gtfs-rt" "The vehicle positions of GTFS-Realtime, over MQTT or fetched.",
}

impl Source {
    /// The source of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }
}

/// What a vehicle says of the trip it is on. Each part is strong evidence and none is final.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reported {
    /// GTFS `trip_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trip_id: Option<Box<str>>,
    /// GTFS `route_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_id: Option<Box<str>>,
    /// The service day of the trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<ServiceDate>,
    /// What its destination sign shows: a code of the fleet's own, or the text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Box<str>>,
    /// Who drives it, as the operator names drivers; never published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Box<str>>,
    /// The run (the driver's or the vehicle's piece of work for the day), as the operator names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<str>>,
    /// GTFS `direction_id`, 0 or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<u8>,
    /// When the trip starts, by the timetable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<ServiceTime>,
    /// Whether a municipal machine is at work (its plough is down, its pump runs), where its tracker tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working: Option<bool>,
}

/// A sign, an operator or a run is cut to so many characters: longer ones are noise.
const WORD: usize = 64;

impl Reported {
    /// Whether the vehicle said nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.trip_id.is_none()
            && self.route_id.is_none()
            && self.start_date.is_none()
            && self.sign.is_none()
            && self.operator.is_none()
            && self.run.is_none()
            && self.direction.is_none()
            && self.start_time.is_none()
            && self.working.is_none()
    }

    /// A sign, an operator or a run as it is kept: trimmed, at most 64 characters; nothing where nothing is left.
    #[must_use]
    pub fn word(text: &str) -> Option<Box<str>> {
        let kept: String = text.trim().chars().filter(|c| !c.is_control()).take(WORD).collect();
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| kept.into())
    }
}

/// One position of one vehicle.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fix {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// The device's clock, corrected by the offset the gate knows.
    pub time: UnixMs,
    /// When our server had it.
    pub received: UnixMs,
    /// WGS 84 latitude, degrees, -90..=90.
    pub lat: f64,
    /// WGS 84 longitude, degrees, -180..=180.
    pub lon: f64,
    /// Over the ground, m/s, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f32>,
    /// Course over ground, degrees clockwise from north, 0..360, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<f32>,
    /// What the vehicle says it is doing.
    #[serde(default, skip_serializing_if = "Reported::is_empty")]
    pub reported: Reported,
    /// The protocol it came by.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_trimmed_and_bounded() {
        assert_eq!(Reported::word("  4631\u{0} ").as_deref(), Some("4631"));
        assert_eq!(Reported::word(" \t"), None);
        assert_eq!(Reported::word(&"є".repeat(500)).map(|w| w.chars().count()), Some(WORD));
        assert!(!Reported { sign: Some("12".into()), ..Reported::default() }.is_empty());
    }
}
