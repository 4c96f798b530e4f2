//! GTFS as compact indexed arrays: what runs, when, past which stops, along which line.
//!
//! Built by [`crate::gtfs`] and never changed after; every consumer shares one behind an `Arc`.
//! It knows nothing of vehicles, and holds no text twice.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::ids::{
    AgencyIdx, BlockIdx, FeedId, Idx, IdxVec, LinkIdx, PatternIdx, RouteIdx, ServiceIdx, ShapeIdx, StopIdx, StopPos,
    StopSeq, TripIdx,
};
use crate::plane::{Plane, Polyline, Xy};
use crate::time::{ServiceDate, ServiceTime, UnixMs, Zone};
use crate::units::Seconds;

/// An agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    /// `agency_id`; empty where the feed has one agency without an id.
    pub id: Box<str>,
    /// `agency_name`.
    pub name: Box<str>,
}

/// What kind of place a row of `stops.txt` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// A stop or platform: vehicles call here.
    Platform,
    /// A station: the parent of platforms.
    Station,
    /// An entrance, a node or a boarding area: kept so that ids resolve, never called at.
    Other,
}

/// A stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// `stop_id`.
    pub id: Box<str>,
    /// `stop_code`: what is written on the pole; empty if none.
    pub code: Box<str>,
    /// `stop_name`.
    pub name: Box<str>,
    /// `platform_code`; empty if none.
    pub platform: Box<str>,
    /// What it is.
    pub kind: StopKind,
    /// Its station.
    pub parent: Option<StopIdx>,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// The same in the feed's plane.
    pub xy: Xy,
    /// `wheelchair_boarding`, inherited from the parent; `None` = unknown.
    pub wheelchair: Option<bool>,
}

/// The mode of a route, from `route_type` (basic and extended).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// 3, 700-799, 200-299 and anything unknown.
    Bus,
    /// 11, 800-899.
    Trolleybus,
    /// 0, 900-999.
    Tram,
    /// 1, 400-404, 500-699.
    Metro,
    /// 2, 100-199, 12 and 405-499 (monorail).
    Rail,
    /// 4, 1000-1099, 1200-1299.
    Ferry,
    /// 5, 6, 7, 1300-1499.
    Cable,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `route_id`.
    pub id: Box<str>,
    /// Its agency.
    pub agency: Option<AgencyIdx>,
    /// `route_short_name`; the long name where the feed has none.
    pub short_name: Box<str>,
    /// `route_long_name`; may be empty.
    pub long_name: Box<str>,
    /// Its mode.
    pub mode: Mode,
    /// `route_color`, 0xRRGGBB.
    pub colour: Option<u32>,
    /// `route_text_color`, 0xRRGGBB.
    pub text_colour: Option<u32>,
}

/// The days a service runs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Service {
    /// `service_id`.
    pub id: Box<str>,
    /// Bit 0 = Monday … bit 6 = Sunday.
    pub weekdays: u8,
    /// First and last day of the weekly pattern.
    pub range: Option<(ServiceDate, ServiceDate)>,
    /// Days added by `calendar_dates`, sorted.
    pub added: Vec<ServiceDate>,
    /// Days removed by `calendar_dates`, sorted.
    pub removed: Vec<ServiceDate>,
}

impl Service {
    /// Whether it runs on this service day.
    #[must_use]
    pub fn runs_on(&self, d: ServiceDate) -> bool {
        if self.added.binary_search(&d).is_ok() {
            return true;
        }
        let weekly =
            self.range.is_some_and(|(from, to)| from <= d && d <= to && self.weekdays & (1 << d.weekday()) != 0);
        weekly && self.removed.binary_search(&d).is_err()
    }
}

/// How passengers get on or off at a call (`pickup_type`, `drop_off_type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boarding {
    /// 0 or empty.
    #[default]
    Regular,
    /// 1.
    None,
    /// 2: by phone.
    Phone,
    /// 3: ask the driver.
    Driver,
}

/// A call of a pattern: what every trip of the pattern has in common at this stop.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PatternCall {
    /// Where.
    pub stop: StopIdx,
    /// `stop_sequence`.
    pub seq: StopSeq,
    /// Getting on.
    pub pickup: Boarding,
    /// Getting off.
    pub drop_off: Boarding,
    /// Metres along the pattern's shape; never decreasing along the pattern.
    pub along: f32,
}

/// A pattern: trips of one route and direction along one shape with the same calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Its route.
    pub route: RouteIdx,
    /// `direction_id`: 0 or 1; anything else in the feed is read as unknown.
    pub direction: Option<u8>,
    /// The line it runs along.
    pub shape: ShapeIdx,
    /// The calls, two or more.
    pub calls: Box<[PatternCall]>,
    /// The links between consecutive calls: one fewer than calls.
    pub links: Box<[LinkIdx]>,
    /// The trips, by start time.
    pub trips: Vec<TripIdx>,
}

impl Pattern {
    /// The call at a position.
    #[must_use]
    #[inline]
    pub fn call(&self, pos: StopPos) -> Option<&PatternCall> {
        self.calls.get(pos.at())
    }

    /// Metres along the shape of the last call.
    #[must_use]
    pub fn length(&self) -> f32 {
        self.calls.last().map_or(0.0, |c| c.along)
    }

    /// The first position whose call lies beyond this distance along; the number of calls at the end.
    #[must_use]
    #[inline]
    pub fn next_after(&self, along: f32) -> usize {
        self.calls.partition_point(|c| c.along <= along)
    }
}

/// A name of a link that outlives the feed: the geometry of its ends and its length, rounded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkKey(pub u64);

/// A link between two consecutive stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// From this stop.
    pub from: StopIdx,
    /// To this one.
    pub to: StopIdx,
    /// Metres along the shape.
    pub length: f32,
    /// Its lasting name.
    pub key: LinkKey,
}

/// The times of one call of a trip. Where the feed gave none they are interpolated by distance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CallTimes {
    /// Arrival.
    pub arrival: ServiceTime,
    /// Departure; at or after the arrival.
    pub departure: ServiceTime,
    /// The feed gave the time and did not call it approximate.
    pub timepoint: bool,
}

/// A trip, or one run of a frequency-based trip.
#[derive(Clone, Debug, PartialEq)]
pub struct Trip {
    /// `trip_id`.
    pub id: Box<str>,
    /// Its pattern, and by it its route and direction.
    pub pattern: PatternIdx,
    /// The days it runs.
    pub service: ServiceIdx,
    /// Its block.
    pub block: Option<BlockIdx>,
    /// `trip_headsign`; the last stop's name where the feed has none.
    pub headsign: Box<str>,
    /// `wheelchair_accessible`.
    pub wheelchair: Option<bool>,
    /// For a run of a frequency-based trip: when it starts, which with `trip_id` names the run.
    pub run_start: Option<ServiceTime>,
    /// Where its calls begin in the flat array of times.
    pub(crate) first_call: u32,
    /// Added to every time of it: trips that differ only in when they start share their times.
    pub(crate) shift: Seconds,
    /// How many calls it has: as many as its pattern.
    pub(crate) calls: u16,
    /// When it leaves its first stop and when it reaches its last: asked for more than anything else.
    pub(crate) ends: (ServiceTime, ServiceTime),
}

/// The trips one vehicle runs, in order, on the days one service runs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Block {
    /// `block_id`.
    pub id: Box<str>,
    /// Trips by start time. Trips of other services may stand between; take those of the day.
    pub trips: Vec<TripIdx>,
}

/// The feed's own words about itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FeedInfo {
    /// `feed_publisher_name`.
    pub publisher: Box<str>,
    /// `feed_lang`.
    pub lang: Box<str>,
    /// `feed_version`.
    pub version: Box<str>,
}

/// A whole timetable.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// Which feed.
    pub feed: FeedId,
    /// The feed about itself.
    pub info: FeedInfo,
    /// The agencies' time zone.
    pub zone: Zone,
    /// The plane of every `Xy` in here.
    pub plane: Plane,
    /// Agencies.
    pub agencies: IdxVec<AgencyIdx, Agency>,
    /// Stops.
    pub stops: IdxVec<StopIdx, Stop>,
    /// Routes.
    pub routes: IdxVec<RouteIdx, Route>,
    /// Services.
    pub services: IdxVec<ServiceIdx, Service>,
    /// Shapes.
    pub shapes: IdxVec<ShapeIdx, Polyline>,
    /// Patterns.
    pub patterns: IdxVec<PatternIdx, Pattern>,
    /// Links.
    pub links: IdxVec<LinkIdx, Link>,
    /// Trips.
    pub trips: IdxVec<TripIdx, Trip>,
    /// Blocks.
    pub blocks: IdxVec<BlockIdx, Block>,
    /// The times of every trip's calls, end to end.
    pub(crate) times: Vec<CallTimes>,
    pub(crate) stop_by_id: FxHashMap<Box<str>, StopIdx>,
    pub(crate) route_by_id: FxHashMap<Box<str>, RouteIdx>,
    /// The first (or only) run of each `trip_id`; the others follow it in `trips`.
    pub(crate) trip_by_id: FxHashMap<Box<str>, TripIdx>,
    /// Which patterns call at a stop, and where in them.
    pub(crate) calls_at: IdxVec<StopIdx, Vec<(PatternIdx, StopPos)>>,
    /// The earliest and latest service time of any call: how far yesterday reaches into today.
    pub(crate) span: (ServiceTime, ServiceTime),
}

impl Timetable {
    /// The stop of this id.
    #[must_use]
    pub fn stop_by_id(&self, id: &str) -> Option<StopIdx> {
        self.stop_by_id.get(id).copied()
    }

    /// The route of this id.
    #[must_use]
    pub fn route_by_id(&self, id: &str) -> Option<RouteIdx> {
        self.route_by_id.get(id).copied()
    }

    /// The trip of this id; of a frequency-based trip its first run.
    #[must_use]
    pub fn trip_by_id(&self, id: &str) -> Option<TripIdx> {
        self.trip_by_id.get(id).copied()
    }

    /// Every run of this `trip_id`, by start time: one, but for a frequency-based trip.
    pub fn runs_of(&self, id: &str) -> impl Iterator<Item = TripIdx> + '_ {
        let first = self.trip_by_id(id);
        let rest = first.map_or(self.trips.len(), Idx::at);
        let name: Box<str> = id.into();
        self.trips.indices().skip(rest).take_while(move |t| self.trips.at(*t).id == name)
    }

    /// The pattern of a trip.
    #[must_use]
    #[inline]
    pub fn pattern_of(&self, t: TripIdx) -> &Pattern {
        self.patterns.at(self.trips.at(t).pattern)
    }

    /// The route of a trip.
    #[must_use]
    pub fn route_of(&self, t: TripIdx) -> &Route {
        self.routes.at(self.pattern_of(t).route)
    }

    /// The shape of a trip.
    #[must_use]
    #[inline]
    pub fn shape_of(&self, t: TripIdx) -> &Polyline {
        self.shapes.at(self.pattern_of(t).shape)
    }

    /// The times of a trip's calls, as many as its pattern has calls.
    pub fn times(&self, t: TripIdx) -> impl DoubleEndedIterator<Item = CallTimes> + ExactSizeIterator + Clone + '_ {
        let shift = self.trips.at(t).shift;
        self.raw_times(t).iter().map(move |c| CallTimes {
            arrival: c.arrival + shift,
            departure: c.departure + shift,
            timepoint: c.timepoint,
        })
    }

    /// The times of one call.
    #[must_use]
    #[inline]
    pub fn time_at(&self, t: TripIdx, pos: StopPos) -> Option<CallTimes> {
        let trip = self.trips.at(t);
        let raw = self.times.get(trip.first_call as usize + pos.at()).filter(|_| pos.0 < trip.calls)?;
        Some(CallTimes {
            arrival: raw.arrival + trip.shift,
            departure: raw.departure + trip.shift,
            timepoint: raw.timepoint,
        })
    }

    /// When a trip leaves its first stop.
    #[must_use]
    #[inline]
    pub fn starts(&self, t: TripIdx) -> ServiceTime {
        self.trips.at(t).ends.0
    }

    /// When a trip reaches its last stop.
    #[must_use]
    #[inline]
    pub fn ends(&self, t: TripIdx) -> ServiceTime {
        self.trips.at(t).ends.1
    }

    /// The patterns that call at a stop, and where in them. A loop's terminal stands in here twice.
    #[must_use]
    pub fn calls_at(&self, stop: StopIdx) -> &[(PatternIdx, StopPos)] {
        self.calls_at.get(stop).map_or(&[], Vec::as_slice)
    }

    /// The earliest and the latest service time of any call.
    #[must_use]
    pub const fn span(&self) -> (ServiceTime, ServiceTime) {
        self.span
    }

    /// The service days that may have a vehicle on the road at this moment: today's, and those
    /// before it that reach past their midnight. Later days first.
    #[must_use]
    pub fn days_at(&self, now: UnixMs) -> Vec<ServiceDate> {
        let today = self.zone.date(now);
        // A day starts an hour before midnight when the clocks went forward on it.
        [1, 0, -1, -2]
            .into_iter()
            .map(|n| today.plus_days(n))
            .filter(|d| {
                let t = self.zone.service_time(*d, now);
                t.0 >= self.span.0.0.min(0) - 3600 && t <= self.span.1 + Seconds(2 * 3600)
            })
            .collect()
    }

    /// The first and the last day any service runs; `None` where none ever does.
    #[must_use]
    pub fn calendar(&self) -> Option<(ServiceDate, ServiceDate)> {
        let ends = self.services.iter().flat_map(|(_, s)| {
            let weekly = s.range.filter(|_| s.weekdays != 0);
            weekly.into_iter().flat_map(|(a, b)| [a, b]).chain(s.added.iter().copied())
        });
        ends.fold(None, |span, d| Some(span.map_or((d, d), |(a, b): (ServiceDate, ServiceDate)| (a.min(d), b.max(d)))))
    }

    /// Which services run on a day, by `ServiceIdx`.
    #[must_use]
    pub fn services_on(&self, d: ServiceDate) -> IdxVec<ServiceIdx, bool> {
        self.services.iter().map(|(_, s)| s.runs_on(d)).collect::<Vec<_>>().into()
    }

    fn raw_times(&self, t: TripIdx) -> &[CallTimes] {
        let trip = self.trips.at(t);
        let from = trip.first_call as usize;
        self.times.get(from..from + usize::from(trip.calls)).unwrap_or(&[])
    }
}
