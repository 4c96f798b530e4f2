//! What a feed gets wrong, in words an engineer of a city can act on: which file, line, column and
//! value, and what was done about it. Data, not log lines: `zupynka check` prints it, tests assert it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::timetable::Timetable;

/// How many findings of one kind are kept; all are counted.
pub const KEPT_PER_FAULT: usize = 20;
/// How many of one kind people are shown.
const SHOWN_PER_FAULT: usize = 5;
/// How many characters of a value are kept.
const KEPT_OF_VALUE: usize = 80;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something of the timetable is lost or wrong; `zupynka check` fails.
    Error,
    /// Something was put right or looks wrong, and nothing is lost.
    Warning,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $severity:ident, $text:literal;)*) => {
        /// What is wrong. The codes are stable: scripts may rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
        pub enum Fault {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Fault {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code, snake_case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// In one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// A file of the specification is not there, and the timetable can do without.
    MissingFile = "missing_file", Error, "a required file is missing";
    /// A row has fewer or more fields than the header.
    RaggedRow = "ragged_row", Warning, "the row has another number of fields than the header";
    /// A file that can be done without is damaged, or lacks a column it means nothing without.
    UnreadableFile = "unreadable_file", Error, "the file cannot be read";
    /// Bytes that are not UTF-8.
    NotUtf8 = "not_utf8", Warning, "the text is not UTF-8";
    /// A row without its id.
    MissingId = "missing_id", Error, "the id is empty";
    /// An id that stood before.
    DuplicateId = "duplicate_id", Error, "the id stands in the file already";
    /// A trip with two calls of one `stop_sequence`.
    DuplicateCall = "duplicate_call", Error, "the trip has a call with this stop_sequence already";
    /// A stop nobody described.
    UnknownStop = "unknown_stop", Error, "no usable stop has this id";
    /// A trip nobody described.
    UnknownTrip = "unknown_trip", Error, "no usable trip has this id";
    /// A route nobody described.
    UnknownRoute = "unknown_route", Error, "no route has this id";
    /// A service nobody described.
    UnknownService = "unknown_service", Error, "neither calendar.txt nor calendar_dates.txt has this service";
    /// A shape nobody drew.
    UnknownShape = "unknown_shape", Warning, "no usable shape has this id";
    /// An agency nobody described.
    UnknownAgency = "unknown_agency", Warning, "no agency has this id";
    /// A station nobody described.
    UnknownParent = "unknown_parent", Warning, "no station has this id";
    /// Not a number, or out of its range.
    BadNumber = "bad_number", Error, "this is not a number of the allowed range";
    /// Not a position on Earth, or 0, 0.
    BadPosition = "bad_position", Error, "this is not a position";
    /// Not `HH:MM:SS`.
    BadTime = "bad_time", Error, "this is not a time of the form HH:MM:SS";
    /// Not `YYYYMMDD`.
    BadDate = "bad_date", Error, "this is not a date of the form YYYYMMDD";
    /// Not one of the values the specification lists.
    BadValue = "bad_value", Warning, "the specification does not list this value";
    /// A stop very far from all the others.
    FarStop = "far_stop", Warning, "the stop lies very far from all the others";
    /// A vehicle calls at a station or an entrance.
    CallAtStation = "call_at_station", Warning, "a trip calls at a place that is no stop or platform";
    /// A zone the IANA database has not.
    UnknownZone = "unknown_zone", Error, "this is not a time zone of the IANA database";
    /// Agencies of several zones.
    ZonesDiffer = "zones_differ", Error, "the agencies of one feed must share one time zone";
    /// A calendar that ends before it starts.
    CalendarBackwards = "calendar_backwards", Error, "the calendar ends before it starts";
    /// A service without a day.
    EmptyService = "empty_service", Warning, "the service runs on no day";
    /// No service runs on any day.
    EmptyCalendar = "empty_calendar", Error, "no service runs on any day";
    /// Times that go back along a trip.
    TimesBackwards = "times_backwards", Error, "the times go backwards along the trip";
    /// 00:10 after 23:50.
    MidnightWrap = "midnight_wrap", Warning, "the times start again from 00:00 after midnight";
    /// A trip whose first or last call has no time.
    MissingEndTime = "missing_end_time", Error, "the first and the last call of a trip need a time";
    /// A trip with fewer than two calls.
    TooFewCalls = "too_few_calls", Error, "a trip needs two calls";
    /// A trip with more calls than a position can count.
    TooManyCalls = "too_many_calls", Error, "a trip has more than 65,534 calls";
    /// A trip that flies.
    TooFast = "too_fast", Warning, "no vehicle of this mode is that fast between two stops";
    /// A shape of fewer than two points.
    ShortShape = "short_shape", Warning, "a shape needs two points";
    /// A stop far from the line its trips run.
    StopFarFromShape = "stop_far_from_shape", Warning, "the stop lies far from the shape of its trips";
    /// A shape drawn from the last stop to the first.
    ShapeBackwards = "shape_backwards", Warning, "the shape runs against the trips";
    /// A shape that misses its stops.
    ShapeMisses = "shape_misses", Warning, "the shape misses the stops of its trips";
    /// A shape with more points than can be worked on.
    BigShape = "big_shape", Warning, "the shape has too many points for so many stops";
    /// Trips without a shape.
    NoShape = "no_shape", Info, "trips have no shape";
    /// A frequency row without runs.
    EmptyFrequency = "empty_frequency", Error, "the frequency gives no run";
    /// A frequency row with more runs than anybody drives.
    TooManyRuns = "too_many_runs", Error, "the frequencies give more runs than can be";
    /// A frequency-based trip in a block.
    BlockOfFrequency = "block_of_frequency", Info, "the runs of a frequency-based trip cannot share a block";
    /// Trips of one block at one time.
    BlockOverlap = "block_overlap", Warning, "two trips of one block run at the same time";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What was done about a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    Kept,
    /// The row was left out.
    RowIgnored,
    /// The value was left out, as if the field were empty.
    ValueIgnored,
    /// The whole file was left out.
    FileIgnored,
    /// The call was left out of the trip.
    CallDropped,
    /// The trip was left out.
    TripDropped,
    /// The first row stands, this one was left out.
    FirstKept,
    /// Missing fields are taken as empty, further ones left out.
    FieldsMatched,
    /// Bad bytes were shown as U+FFFD.
    Replaced,
    /// The time was taken from its neighbours by distance.
    Interpolated,
    /// The departure was set to the arrival.
    DepartureMoved,
    /// 24 hours were added to the times after it.
    DayAdded,
    /// The first agency's zone is used for all.
    FirstZone,
    /// UTC is used.
    Utc,
    /// The line was drawn through the stops.
    LineThroughStops,
    /// The line was led on from the end of the shape to the stop.
    LineExtended,
    /// The shape was turned round.
    ShapeReversed,
    /// It is taken as a stop.
    TakenAsStop,
    /// It is taken as a bus.
    TakenAsBus,
    /// The position of its station was taken.
    ParentPosition,
    /// The stop and its calls were left out.
    StopDropped,
    /// The runs are not joined to a block.
    BlockIgnored,
}

impl Action {
    /// In a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Kept => "kept as it is",
            Self::RowIgnored => "the row is left out",
            Self::ValueIgnored => "the value is left out",
            Self::FileIgnored => "the file is left out",
            Self::CallDropped => "the call is left out of its trip",
            Self::TripDropped => "the trip is left out",
            Self::FirstKept => "the first one stands, this one is left out",
            Self::FieldsMatched => "missing fields are taken as empty, further ones left out",
            Self::Replaced => "bad bytes are shown as \u{fffd}",
            Self::Interpolated => "the time is interpolated from its neighbours",
            Self::DepartureMoved => "the departure is set to the arrival",
            Self::DayAdded => "24 hours are added from here on",
            Self::FirstZone => "the first agency's zone is used for all",
            Self::Utc => "UTC is used",
            Self::LineThroughStops => "a line through the stops is used",
            Self::LineExtended => "the line is led on to the stop",
            Self::ShapeReversed => "the shape is turned round",
            Self::TakenAsStop => "it is taken as a stop",
            Self::TakenAsBus => "it is taken as a bus",
            Self::ParentPosition => "the position of its station is used",
            Self::StopDropped => "the stop and its calls are left out",
            Self::BlockIgnored => "the block is left out",
        }
    }
}

/// One fault of a feed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the specification names it.
    pub file: &'static str,
    /// The line as an editor counts, from 1; `None` for a whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column's name.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub column: &'static str,
    /// What stands there; at most 80 characters of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What is wrong with it.
    pub what: Fault,
    /// The particulars, where there are any: `412 m from shape 5-ab`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What was done about it.
    pub action: Action,
}

impl Finding {
    /// A finding about a whole file.
    #[must_use]
    pub const fn new(what: Fault, file: &'static str, action: Action) -> Self {
        let severity = what.severity();
        Self { severity, file, line: None, column: "", value: String::new(), what, detail: String::new(), action }
    }

    /// On this line.
    #[must_use]
    pub const fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// In this column, with what stands there.
    #[must_use]
    pub fn value(mut self, column: &'static str, value: &str) -> Self {
        self.column = column;
        self.value = value.chars().take(KEPT_OF_VALUE).collect();
        self
    }

    /// With particulars.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7} {}", self.severity, self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match (self.column, self.value.as_str()) {
            ("", _) => {}
            (column, "") => write!(f, " {column} (empty)")?,
            (column, value) => write!(f, " {column} `{}`", value.escape_debug())?,
        }
        write!(f, ": {}", self.what)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, "; {}", self.action.text())
    }
}

/// How much of everything the timetable holds after loading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Agencies.
    pub agencies: usize,
    /// Stops, stations and entrances.
    pub stops: usize,
    /// Routes.
    pub routes: usize,
    /// Services.
    pub services: usize,
    /// Trips, each run of a frequency-based one counted.
    pub trips: usize,
    /// Calls of these trips; runs of one frequency-based trip share theirs.
    pub calls: usize,
    /// Patterns.
    pub patterns: usize,
    /// Links between stops.
    pub links: usize,
    /// Shapes in use, drawn or built from stops.
    pub shapes: usize,
    /// Blocks.
    pub blocks: usize,
    /// Rows of `trips.txt`.
    pub trip_rows: usize,
    /// Rows of `stop_times.txt`.
    pub stop_time_rows: usize,
    /// Points of `shapes.txt`.
    pub shape_points: usize,
}

impl Counts {
    /// Counts what a timetable holds; rows and points are the reader's to count.
    pub(super) fn take(&mut self, t: &Timetable) {
        self.agencies = t.agencies.len();
        self.stops = t.stops.len();
        self.routes = t.routes.len();
        self.services = t.services.len();
        self.trips = t.trips.len();
        self.calls = t.trips.iter().map(|(_, trip)| usize::from(trip.calls)).sum();
        self.patterns = t.patterns.len();
        self.links = t.links.len();
        self.shapes = t.shapes.len();
        self.blocks = t.blocks.len();
    }
}

/// Everything found while loading.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// At most [`KEPT_PER_FAULT`] of each kind: errors first, then by kind, file and line.
    pub findings: Vec<Finding>,
    /// How many of each kind there are in all.
    pub totals: BTreeMap<Fault, usize>,
    /// What was loaded.
    pub counts: Counts,
}

impl Report {
    /// Counts a finding, and keeps it while there are few of its kind.
    pub fn add(&mut self, finding: Finding) {
        let total = self.totals.entry(finding.what).or_default();
        *total += 1;
        if *total <= KEPT_PER_FAULT {
            self.findings.push(finding);
        }
    }

    /// How many of this kind there are.
    #[must_use]
    pub fn total(&self, what: Fault) -> usize {
        self.totals.get(&what).copied().unwrap_or(0)
    }

    /// How many findings of this severity there are.
    #[must_use]
    pub fn of(&self, severity: Severity) -> usize {
        self.totals.iter().filter(|(f, _)| f.severity() == severity).map(|(_, n)| n).sum()
    }

    /// Takes in what another thread found.
    pub(super) fn merge(&mut self, other: Self) {
        for finding in other.findings {
            let kept = self.findings.iter().filter(|f| f.what == finding.what).count();
            if kept < KEPT_PER_FAULT {
                self.findings.push(finding);
            }
        }
        for (what, n) in other.totals {
            *self.totals.entry(what).or_default() += n;
        }
    }

    /// Puts the findings in the order people read them.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by_key(|f| (f.severity, f.what, f.file, f.line));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for alike in self.findings.chunk_by(|a, b| a.what == b.what) {
            for finding in alike.iter().take(SHOWN_PER_FAULT) {
                writeln!(f, "{finding}")?;
            }
            let Some(one) = alike.first() else { continue };
            let rest = self.total(one.what).saturating_sub(SHOWN_PER_FAULT);
            if rest > 0 {
                writeln!(f, "{:<7} … and {rest} more of `{}`", one.severity, one.what.code())?;
            }
        }
        let c = &self.counts;
        writeln!(
            f,
            "{} agencies, {} stops, {} routes, {} services, {} trips in {} patterns, {} calls, {} links, {} shapes, {} blocks",
            c.agencies, c.stops, c.routes, c.services, c.trips, c.patterns, c.calls, c.links, c.shapes, c.blocks
        )?;
        let (errors, warnings) = (self.of(Severity::Error), self.of(Severity::Warning));
        write!(f, "{errors} errors, {warnings} warnings")
    }
}
