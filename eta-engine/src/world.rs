//! What the engine knows at one moment: immutable, shared, swapped whole. Every board, page, stream
//! and query is a pure function of a [`World`]; nobody who reads holds a lock.
//!
//! It is built by the engine and knows nothing of languages or wire formats.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use transit_model::dispatch::{Concern, Phase, VehicleKind};
use transit_model::ids::{Idx as _, PatternIdx, StopIdx, StopPos, TripIdx, VehicleId};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::{Boarding, CallTimes, PatternCall, Timetable, Trip};
use transit_model::warfare::Warfare;

use crate::accuracy::book::Book;
use crate::engine::health::Trouble;
use crate::machinery::view::View as MachineryView;
use crate::public::view::{Restriction, Withheld};

/// A trip on one service day: what actually runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TripDay {
    /// The service day.
    pub date: ServiceDate,
    /// The trip.
    pub trip: TripIdx,
}

/// A prediction for one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallPrediction {
    /// Which trip.
    pub on: TripDay,
    /// Which of its calls.
    pub pos: StopPos,
    /// Where.
    pub stop: StopIdx,
    /// The timetable's arrival.
    pub scheduled_arrival: UnixMs,
    /// The timetable's departure.
    pub scheduled_departure: UnixMs,
    /// Median.
    pub arrival: UnixMs,
    /// One in ten comes before this.
    pub arrival_p10: UnixMs,
    /// Nine in ten come before this.
    pub arrival_p90: UnixMs,
    /// Median; at or after the arrival.
    pub departure: UnixMs,
    /// The arrival people are told: the median held back by board rule 1 (a countdown never rises
    /// without a real revision).
    pub published_arrival: UnixMs,
    /// The departure people are told; at or after the published arrival.
    pub published_departure: UnixMs,
}

/// Where on its trip a vehicle is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OnTrip {
    /// The trip.
    pub on: TripDay,
    /// Metres along its shape.
    pub along: f32,
    /// The next call; the number of calls when the last is passed.
    pub next: StopPos,
    /// How much of the way to the next call is done, 0..=1.
    pub fraction: f32,
    /// Behind the timetable, seconds; negative = early. `None` while nothing tells.
    pub delay: Option<i32>,
}

/// A stretch of time a vehicle was on one trip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TripSpan {
    /// The trip; `None` = on none.
    pub on: Option<TripDay>,
    /// From the fix that said so.
    pub from: UnixMs,
    /// To the last fix that said so.
    pub to: UnixMs,
}

/// A vehicle that sends nothing to be believed, for its receiver is jammed or spoofed, and is carried on along
/// its trip by the predictor's own model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// What is done to its receiver.
    pub by: Warfare,
    /// Its last true fix.
    pub since: UnixMs,
    /// What is calculated for later than this is worth less than the timetable.
    pub until: UnixMs,
}

/// A vehicle.
#[derive(Clone, Debug)]
pub struct Vehicle {
    /// Its public name.
    pub id: VehicleId,
    /// What kind it is.
    pub kind: VehicleKind,
    /// What it is doing.
    pub phase: Phase,
    /// How sure that is, 0..=1.
    pub confidence: f32,
    /// Degrees, as the last fix said.
    pub lat: f64,
    /// Degrees, as the last fix said.
    pub lon: f64,
    /// m/s.
    pub speed: Option<f32>,
    /// Degrees clockwise from north.
    pub bearing: Option<f32>,
    /// When its last fix was made.
    pub fix_time: UnixMs,
    /// When that fix reached us.
    pub received: UnixMs,
    /// Its trip and place.
    pub on_trip: Option<OnTrip>,
    /// It is carried on by calculation: `ahead` then begins at its last fix, and holds calls that are calculated
    /// to be over by now.
    pub held: Option<Held>,
    /// Predictions for the calls ahead, of this trip and the next of its block, in order.
    pub ahead: Arc<[CallPrediction]>,
    /// What trips it was on in the last 24 hours, oldest first; the last one holds now.
    pub history: Arc<[TripSpan]>,
    /// What is wrong with what it sends.
    pub trouble: Option<Trouble>,
}

/// How far a trip has come today, for as long as the day lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TripProgress {
    /// How many of its calls are over: departed or skipped. Only grows, so that a departed vehicle
    /// never comes back.
    pub passed: u16,
    /// It will not run, or not any further.
    pub cancelled: bool,
}

/// Everything, at one moment.
#[derive(Clone, Debug)]
pub struct World {
    /// Grows with each world the engine publishes.
    pub version: u64,
    /// When it was true.
    pub now: UnixMs,
    /// The timetable in force.
    pub timetable: Arc<Timetable>,
    /// Vehicles seen today, sorted by id. In a public world: those whose place may be told, as it may be told.
    pub vehicles: Arc<[Arc<Vehicle>]>,
    /// In a public world: vehicles whose predictions may be told and whose places may not. They have none: the
    /// coordinates are not numbers.
    pub unplaced: Arc<[Arc<Vehicle>]>,
    /// In a public world: what is told by the timetable alone because somebody has decided so.
    pub withheld: Arc<Withheld>,
    /// In a public world: the measures that made it so.
    pub restrictions: Arc<[Restriction]>,
    /// How far each trip has come that anybody has followed on the days now in force.
    pub progress: Arc<FxHashMap<TripDay, TripProgress>>,
    /// Who has predictions along a pattern (those without a place follow the others): [`Self::live_at`] reads it.
    pub along: Arc<Along>,
    /// What needs somebody.
    pub concerns: Arc<[Concern]>,
    /// Stops that are closed now.
    pub closed_stops: Arc<[StopIdx]>,
    /// How good predictions have been, by day; at most a minute old.
    pub accuracy: Arc<Book>,
    /// Machines, zones and streets.
    pub machinery: Arc<MachineryView>,
    /// The engine is ready to be believed: the feed is loaded and what the journal held is taken in.
    pub ready: bool,
}

impl World {
    /// A world before the first fix.
    #[must_use]
    pub fn empty(timetable: Arc<Timetable>, now: UnixMs) -> Self {
        let plane = timetable.plane;
        Self {
            version: 0,
            now,
            timetable,
            vehicles: Arc::from([]),
            unplaced: Arc::from([]),
            withheld: Arc::default(),
            restrictions: Arc::from([]),
            progress: Arc::default(),
            along: Arc::default(),
            concerns: Arc::from([]),
            closed_stops: Arc::from([]),
            accuracy: Arc::default(),
            machinery: Arc::new(MachineryView::none(plane)),
            ready: false,
        }
    }

    /// Puts vehicles in, sorted, and indexes their predictions.
    #[must_use]
    pub fn with_vehicles(self, mut vehicles: Vec<Vehicle>) -> Self {
        vehicles.sort_by(|a, b| a.id.cmp(&b.id));
        self.with_sorted(vehicles.into_iter().map(Arc::new).collect())
    }

    /// Puts in vehicles that are sorted by id, and indexes their predictions.
    #[must_use]
    pub fn with_sorted(self, vehicles: Vec<Arc<Vehicle>>) -> Self {
        self.with_unplaced(vehicles, Vec::new())
    }

    /// Puts in vehicles that are sorted by id, and those that have no place, and indexes the predictions of both.
    #[must_use]
    pub fn with_unplaced(mut self, vehicles: Vec<Arc<Vehicle>>, unplaced: Vec<Arc<Vehicle>>) -> Self {
        let both = vehicles.iter().chain(&unplaced);
        let stretches: Vec<Stretches> = both.map(|v| Stretches::of(v, &self.timetable)).collect();
        self.unplaced = unplaced.into();
        self.with_indexed(vehicles, stretches.iter())
    }

    /// Puts in vehicles that are sorted by id, each with the stretches of its predictions.
    pub(crate) fn with_indexed<'a>(
        mut self,
        vehicles: Vec<Arc<Vehicle>>,
        stretches: impl Iterator<Item = &'a Stretches> + Clone,
    ) -> Self {
        self.along = Arc::new(Along::of(stretches, self.timetable.patterns.len()));
        self.vehicles = vehicles.into();
        self
    }

    /// The vehicle of this name.
    #[must_use]
    pub fn vehicle(&self, id: &str) -> Option<&Vehicle> {
        let at = self.vehicles.binary_search_by(|v| v.id.as_str().cmp(id)).ok()?;
        self.vehicles.get(at).map(|v| &**v)
    }

    /// The live predictions at a stop, each with its vehicle, in no order but that of the vehicles' names
    /// among those of one pattern.
    pub fn live_at(&self, stop: StopIdx) -> impl Iterator<Item = (&Vehicle, &CallPrediction)> {
        self.timetable.calls_at(stop).iter().flat_map(|(pattern, pos)| {
            self.along.of_pattern(*pattern).iter().filter_map(|(v, s)| {
                let (v, placed) = (*v as usize, self.vehicles.len());
                let vehicle = self.vehicles.get(v).or_else(|| self.unplaced.get(v.checked_sub(placed)?))?;
                let calls = vehicle.ahead.get(s.from as usize..s.to as usize)?;
                let at = calls.partition_point(|c| c.pos < *pos);
                Some((&**vehicle, calls.get(at).filter(|c| c.pos == *pos)?))
            })
        })
    }

    /// The timetable's calls at a stop with a departure in `from..to`, on every service day that
    /// reaches there, in the order of their departures. Last stops and stops without pickup are not among
    /// them: nobody gets on there.
    #[must_use]
    pub fn scheduled_at(&self, stop: StopIdx, from: UnixMs, to: UnixMs) -> Vec<ScheduledCall<'_>> {
        let t = &*self.timetable;
        let mut found = Vec::new();
        let mut days = t.days_at(from);
        days.extend(t.days_at(to));
        days.sort_unstable();
        days.dedup();
        for date in days {
            let services = t.services_on(date);
            let day = t.zone.day_start(date);
            for (pattern, pos) in t.calls_at(stop) {
                let p = t.patterns.at(*pattern);
                let boards = p.call(*pos).filter(|c| c.pickup != Boarding::None);
                let Some(call) = boards.filter(|_| pos.at() + 1 < p.calls.len()) else { continue };
                for trip in &p.trips {
                    if !services.at(t.trips.at(*trip).service) {
                        continue;
                    }
                    let Some(times) = t.time_at(*trip, *pos) else { continue };
                    let departure = day.plus_secs(i64::from(times.departure.0));
                    if departure >= from && departure < to {
                        let arrival = day.plus_secs(i64::from(times.arrival.0));
                        let on = TripDay { date, trip: *trip };
                        found.push(ScheduledCall {
                            on,
                            trip: t.trips.at(*trip),
                            pos: *pos,
                            call,
                            times,
                            arrival,
                            departure,
                        });
                    }
                }
            }
        }
        found.sort_by_key(|c| (c.departure, c.on));
        found
    }

    /// How far a trip has come; nothing when nobody has followed it.
    #[must_use]
    pub fn progress_of(&self, on: TripDay) -> TripProgress {
        self.progress.get(&on).copied().unwrap_or_default()
    }

    /// Whether a stop is closed now.
    #[must_use]
    pub fn is_closed(&self, stop: StopIdx) -> bool {
        self.closed_stops.contains(&stop)
    }
}

/// Predictions of one vehicle for the calls of one trip: some of its `ahead`, in the order of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    pattern: PatternIdx,
    from: u32,
    to: u32,
}

/// A vehicle's stretches: one for each of its next trips, far fewer than there are stops ahead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretches(SmallVec<[Stretch; 2]>);

impl Stretches {
    /// Those of a vehicle.
    pub(crate) fn of(v: &Vehicle, t: &Timetable) -> Self {
        let mut found = SmallVec::new();
        let mut from = 0u32;
        for calls in v.ahead.chunk_by(|a, b| a.on == b.on) {
            let to = from + u32::try_from(calls.len()).unwrap_or(0);
            found.extend(calls.first().map(|c| Stretch { pattern: t.trips.at(c.on.trip).pattern, from, to }));
            from = to;
        }
        Self(found)
    }
}

/// Who has predictions along each pattern.
#[derive(Clone, Debug, Default)]
pub struct Along {
    /// Vehicles with their stretches, pattern after pattern, by vehicle within one.
    stretches: Box<[(u32, Stretch)]>,
    /// Where in them each pattern begins, and where the last one ends.
    from: Box<[u32]>,
}

impl Along {
    fn of<'a>(vehicles: impl Iterator<Item = &'a Stretches> + Clone, patterns: usize) -> Self {
        let all = (0u32..).zip(vehicles).flat_map(|(v, s)| s.0.iter().map(move |stretch| (v, *stretch)));
        let mut ends = vec![0u32; patterns + 1];
        let mut count = 0;
        for (_, stretch) in all.clone() {
            count += 1;
            if let Some(n) = ends.get_mut(stretch.pattern.at()) {
                *n += 1;
            }
        }
        let mut sum = 0;
        for n in &mut ends {
            sum += *n;
            *n = sum - *n;
        }
        let from = ends.clone();
        let nobody = Stretch { pattern: PatternIdx::new(0), from: 0, to: 0 };
        let mut stretches = vec![(0, nobody); count];
        for (v, stretch) in all {
            let Some(at) = ends.get_mut(stretch.pattern.at()) else { continue };
            if let Some(place) = stretches.get_mut(*at as usize) {
                *place = (v, stretch);
            }
            *at += 1;
        }
        Self { stretches: stretches.into(), from: from.into() }
    }

    fn of_pattern(&self, pattern: PatternIdx) -> &[(u32, Stretch)] {
        let (Some(from), Some(to)) = (self.from.get(pattern.at()), self.from.get(pattern.at() + 1)) else { return &[] };
        self.stretches.get(*from as usize..*to as usize).unwrap_or_default()
    }
}

/// A call as the timetable has it, on one day.
#[derive(Clone, Copy, Debug)]
pub struct ScheduledCall<'a> {
    /// Which trip and day.
    pub on: TripDay,
    /// The trip.
    pub trip: &'a Trip,
    /// Which of its calls.
    pub pos: StopPos,
    /// The pattern's part of the call.
    pub call: &'a PatternCall,
    /// The trip's part of the call.
    pub times: CallTimes,
    /// As a moment.
    pub arrival: UnixMs,
    /// As a moment.
    pub departure: UnixMs,
}

/// `YYYYMMDD:trip_id:stop_sequence`, with the start of a frequency-based run: what a departure is called outside.
#[must_use]
pub fn call_key(t: &Timetable, on: TripDay, pos: StopPos) -> String {
    let trip = t.trips.at(on.trip);
    let seq = t.pattern_of(on.trip).call(pos).map_or(u32::try_from(pos.at()).unwrap_or(0), |c| c.seq.0);
    match trip.run_start {
        Some(start) => format!("{}:{}@{start}:{seq}", on.date, trip.id),
        None => format!("{}:{}:{seq}", on.date, trip.id),
    }
}
