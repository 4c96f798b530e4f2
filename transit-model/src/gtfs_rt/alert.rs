//! What passengers should know.

use super::TripDescriptor;

/// What passengers should know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Alert {
    /// When it is to be shown; none = always.
    #[prost(message, repeated, tag = "1")]
    pub active_period: Vec<TimeRange>,
    /// Whom it concerns.
    #[prost(message, repeated, tag = "5")]
    pub informed_entity: Vec<EntitySelector>,
    /// Why.
    #[prost(enumeration = "Cause", optional, tag = "6", default = "UnknownCause")]
    pub cause: Option<i32>,
    /// What comes of it.
    #[prost(enumeration = "Effect", optional, tag = "7", default = "UnknownEffect")]
    pub effect: Option<i32>,
    /// Where more is to be read.
    #[prost(message, optional, tag = "8")]
    pub url: Option<TranslatedString>,
    /// In a line.
    #[prost(message, optional, tag = "10")]
    pub header_text: Option<TranslatedString>,
    /// In full.
    #[prost(message, optional, tag = "11")]
    pub description_text: Option<TranslatedString>,
    /// The line, to be spoken.
    #[prost(message, optional, tag = "12")]
    pub tts_header_text: Option<TranslatedString>,
    /// All of it, to be spoken.
    #[prost(message, optional, tag = "13")]
    pub tts_description_text: Option<TranslatedString>,
    /// How grave it is.
    #[prost(enumeration = "SeverityLevel", optional, tag = "14", default = "UnknownSeverity")]
    pub severity_level: Option<i32>,
}

/// From when to when, unix seconds; an end that is not there is open.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TimeRange {
    /// Its first second.
    #[prost(uint64, optional, tag = "1")]
    pub start: Option<u64>,
    /// The second it ends before.
    #[prost(uint64, optional, tag = "2")]
    pub end: Option<u64>,
}

/// Whom an alert concerns: all that fits every part that is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EntitySelector {
    /// GTFS `agency_id`.
    #[prost(string, optional, tag = "1")]
    pub agency_id: Option<String>,
    /// GTFS `route_id`.
    #[prost(string, optional, tag = "2")]
    pub route_id: Option<String>,
    /// GTFS `route_type`.
    #[prost(int32, optional, tag = "3")]
    pub route_type: Option<i32>,
    /// A trip.
    #[prost(message, optional, tag = "4")]
    pub trip: Option<TripDescriptor>,
    /// GTFS `stop_id`.
    #[prost(string, optional, tag = "5")]
    pub stop_id: Option<String>,
    /// GTFS `direction_id`, with a route.
    #[prost(uint32, optional, tag = "6")]
    pub direction_id: Option<u32>,
}

/// A text in some languages.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TranslatedString {
    /// One of each language.
    #[prost(message, repeated, tag = "1")]
    pub translation: Vec<Translation>,
}

/// A text in one language.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Translation {
    /// The words.
    #[prost(string, required, tag = "1")]
    pub text: String,
    /// BCP 47; absent = nobody knows.
    #[prost(string, optional, tag = "2")]
    pub language: Option<String>,
}

/// Why there is an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum Cause {
    /// Nobody knows.
    UnknownCause = 1,
    /// None of these.
    OtherCause = 2,
    /// Something broke.
    TechnicalProblem = 3,
    /// Staff are on strike.
    Strike = 4,
    /// People demonstrate.
    Demonstration = 5,
    /// An accident.
    Accident = 6,
    /// A holiday.
    Holiday = 7,
    /// The weather.
    Weather = 8,
    /// Upkeep.
    Maintenance = 9,
    /// Works.
    Construction = 10,
    /// The police are at work.
    PoliceActivity = 11,
    /// Somebody is ill.
    MedicalEmergency = 12,
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum Effect {
    /// Nothing runs.
    NoService = 1,
    /// Less runs.
    ReducedService = 2,
    /// It is very late.
    SignificantDelays = 3,
    /// It goes another way.
    Detour = 4,
    /// More runs.
    AdditionalService = 5,
    /// Something else runs.
    ModifiedService = 6,
    /// None of these.
    OtherEffect = 7,
    /// Nobody knows.
    UnknownEffect = 8,
    /// A stop has moved.
    StopMoved = 9,
    /// Nothing.
    NoEffect = 10,
    /// Who needs a lift or a ramp has none.
    AccessibilityIssue = 11,
}

/// How grave an alert is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum SeverityLevel {
    /// Nobody knows.
    UnknownSeverity = 1,
    /// To know.
    Info = 2,
    /// To heed.
    Warning = 3,
    /// To act on.
    Severe = 4,
}
