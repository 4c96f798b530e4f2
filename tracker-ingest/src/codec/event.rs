//! What a device says of itself and its vehicle beside the place: that its power was cut, that somebody opened
//! it, that the driver calls for help, how far the vehicle has gone.
//!
//! Codecs write what they read under the names that all protocols share (`codec/wire.rs`); here those names
//! become [`Said`], one small value a record. A numbered input means something only in its own protocol, so the
//! protocol whose inputs are numbered says which (`codec/teltonika/inputs.rs`).
//!
//! Not here: what has changed since the record before (that is `crate::condition`).

use transit_model::fix::Source;

use super::{AttrKey, AttrValue, Record, teltonika};

/// Under so many volts of the vehicle's network the device lives on its own battery: an engine that starts does
/// not pull a 12 V network down so far.
const CUT_BELOW: f64 = 5.0;
/// From so many volts on the vehicle feeds the device.
const FED_FROM: f64 = 7.0;
/// Metres no vehicle goes in its life; beyond them an odometer is noise.
const FARTHEST: f64 = 1e10;

/// Something that happened to a device or its vehicle: its variant, its name and what it is.
macro_rules! events {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// Something that happened to a device or its vehicle. The names are those of the journal, of metrics and
        /// of `zupynka devices events`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum DeviceEvent {
            $(#[doc = $doc] $variant,)*
        }

        impl DeviceEvent {
            /// Every event there is.
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

events! {
    Panic "panic" "The driver calls for help.",
    Accident "accident" "The device felt a crash, or that the vehicle lies on its side.",
    PowerCut "power_cut" "The vehicle feeds the device no more: it lives on its own battery.",
    PowerBack "power_back" "The vehicle feeds the device again.",
    Tamper "tamper" "The device was opened or taken off.",
    AntennaCut "antenna_cut" "The antenna of the receiver is cut, shorted or pulled out.",
    Tow "tow" "The vehicle moves, or is started, without its driver.",
    Alarm "alarm" "The device's own alarm, of whatever it guards.",
    SwitchedOff "switched_off" "The device was switched off by hand.",
    Jamming "jamming" "The device says that its signals are jammed.",
    LowPower "low_power" "The vehicle's battery is low.",
    LowBattery "low_battery" "The device's own battery is low.",
    Door "door" "A door that is watched was opened.",
    IgnitionOn "ignition_on" "The engine's key was turned on.",
    IgnitionOff "ignition_off" "The engine's key was turned off.",
}

impl DeviceEvent {
    /// The event of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.name() == name)
    }

    /// How urgent it is to a dispatcher: 1 now, 2 soon, 3 today; `None` when nobody has to act.
    #[must_use]
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::Panic | Self::Accident => Some(1),
            Self::PowerCut | Self::Tamper | Self::AntennaCut | Self::Tow | Self::Alarm | Self::SwitchedOff => Some(2),
            Self::Jamming | Self::LowPower | Self::LowBattery => Some(3),
            Self::PowerBack | Self::Door | Self::IgnitionOn | Self::IgnitionOff => None,
        }
    }

    /// What it is in a few words, in Ukrainian and in English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Panic => ("водій кличе на допомогу", "the driver calls for help"),
            Self::Accident => ("трекер відчув аварію", "the tracker felt a crash"),
            Self::PowerCut => ("трекер без живлення від машини", "the tracker's power is cut"),
            Self::PowerBack => ("живлення трекера повернулося", "the tracker's power is back"),
            Self::Tamper => ("трекер відкрито або знято", "the tracker was opened or taken off"),
            Self::AntennaCut => ("антену трекера від'єднано", "the tracker's antenna is cut off"),
            Self::Tow => ("машина рухається без водія", "the vehicle moves without its driver"),
            Self::Alarm => ("трекер подав тривогу", "the tracker raised its alarm"),
            Self::SwitchedOff => ("трекер вимкнено вручну", "the tracker was switched off by hand"),
            Self::Jamming => ("трекеру глушать сигнал", "the tracker's signals are jammed"),
            Self::LowPower => ("акумулятор машини сідає", "the vehicle's battery is low"),
            Self::LowBattery => ("батарея трекера сідає", "the tracker's battery is low"),
            Self::Door => ("відчинено двері під наглядом", "a watched door was opened"),
            Self::IgnitionOn => ("запалювання увімкнено", "ignition on"),
            Self::IgnitionOff => ("запалювання вимкнено", "ignition off"),
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The event that an alarm is, by the word for it in attributes; `None` for what is about driving or cargo.
    fn of_alarm(word: &str) -> Option<Self> {
        Some(match word {
            "sos" => Self::Panic,
            "accident" | "rollover" => Self::Accident,
            "power_cut" => Self::PowerCut,
            "power_restored" => Self::PowerBack,
            "tamper" | "removed" => Self::Tamper,
            "gps_antenna_cut" | "gps_antenna_short" => Self::AntennaCut,
            "tow" | "movement" | "theft" => Self::Tow,
            "general" => Self::Alarm,
            "power_off" => Self::SwitchedOff,
            "jamming" => Self::Jamming,
            "low_power" => Self::LowPower,
            "low_battery" => Self::LowBattery,
            "door" => Self::Door,
            // JT/T 808: the vehicle was started against the rules.
            "ignition" => Self::Tow,
            _ => return None,
        })
    }
}

impl std::fmt::Display for DeviceEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Some events, each once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Events(u32);

impl Events {
    /// No event.
    pub const NONE: Self = Self(0);

    /// Puts an event among them.
    pub const fn insert(&mut self, event: DeviceEvent) {
        self.0 |= event.bit();
    }

    /// Whether an event is among them.
    #[must_use]
    pub const fn contains(self, event: DeviceEvent) -> bool {
        self.0 & event.bit() != 0
    }

    /// Those of them that are not among others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, the most urgent first.
    pub fn iter(self) -> impl Iterator<Item = DeviceEvent> {
        DeviceEvent::ALL.iter().copied().filter(move |e| self.contains(*e))
    }
}

impl FromIterator<DeviceEvent> for Events {
    fn from_iter<I: IntoIterator<Item = DeviceEvent>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, |mut events, e| {
            events.insert(e);
            events
        })
    }
}

/// What one record says of its device and vehicle beside the place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Said {
    /// Metres the vehicle has gone in its life. Never zero: a device that does not know sends that.
    pub odometer_m: Option<u64>,
    /// Whether the engine's key is turned.
    pub ignition: Option<bool>,
    /// Whether the vehicle feeds the device.
    pub powered: Option<bool>,
    /// What the device is raising with this record. Some devices go on raising it for as long as it lasts.
    pub raised: Events,
}

impl Said {
    /// What a record says that came by a protocol.
    #[must_use]
    pub fn of(source: Source, record: &Record) -> Self {
        let mut said = Self::default();
        for (key, value) in &record.attributes {
            match key {
                AttrKey::Io(input) => {
                    if let (Source::Teltonika | Source::Bitrek, AttrValue::Int(v)) = (source, value) {
                        teltonika::said_by_input(*input, *v, &mut said);
                    }
                }
                AttrKey::Name("alarm") => said.alarm(value),
                AttrKey::Name("ignition") => said.ignition = yes(value),
                AttrKey::Name("external_power") => said.powered = yes(value),
                AttrKey::Name("odometer" | "odometer_m") => said.odometer(number(value)),
                AttrKey::Name("power") => said.volts(number(value)),
                AttrKey::Own(name) => said.own(source, name, value),
                AttrKey::Name(_) => {}
            }
        }
        said
    }

    /// Whether it says nothing that could be an event.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.ignition.is_none() && self.powered.is_none() && self.raised.is_empty()
    }

    /// Takes in metres the vehicle has gone in its life.
    pub(crate) fn odometer(&mut self, metres: Option<f64>) {
        let known = metres.filter(|m| (1.0..FARTHEST).contains(m));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range just asked for")]
        let whole = known.map(|m| m.round() as u64);
        self.odometer_m = whole.or(self.odometer_m);
    }

    /// Takes in the volts of the vehicle's network. A whole word about power in the same record wins.
    pub(crate) fn volts(&mut self, volts: Option<f64>) {
        let fed = match volts {
            Some(v) if v < CUT_BELOW => Some(false),
            Some(v) if v >= FED_FROM => Some(true),
            _ => None,
        };
        self.powered = self.powered.or(fed);
    }

    fn alarm(&mut self, value: &AttrValue) {
        if let AttrValue::Text(word) = value
            && let Some(event) = DeviceEvent::of_alarm(word)
        {
            self.raised.insert(event);
        }
    }

    /// A name of the device's own: what Wialon's parameters and OsmAnd's query call these things.
    fn own(&mut self, source: Source, name: &str, value: &AttrValue) {
        match (source, name) {
            (Source::Wialon | Source::Retranslator, "pwr_ext") | (Source::Osmand, "power") => self.volts(number(value)),
            (Source::Osmand, "odometer") => self.odometer(number(value)),
            (Source::Osmand, "ignition") => self.ignition = yes(value),
            (Source::Osmand, "alarm") => self.alarm(value),
            _ => {}
        }
    }
}

fn number(value: &AttrValue) -> Option<f64> {
    match value {
        AttrValue::Int(v) => Some(*v as f64),
        AttrValue::Float(v) => Some(*v),
        AttrValue::Text(t) => t.parse().ok(),
        AttrValue::Bool(_) | AttrValue::Bytes(_) => None,
    }
}

fn yes(value: &AttrValue) -> Option<bool> {
    match value {
        AttrValue::Bool(v) => Some(*v),
        AttrValue::Int(v @ (0 | 1)) => Some(*v == 1),
        AttrValue::Text(t) => match &**t {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
