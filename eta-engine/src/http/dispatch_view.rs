//! The dispatcher's picture of a world. Pure.
//!
//! What hangs on the timetable and the day alone (ladders, when trips run) is a [`Frame`], built
//! once a day; the rest is built for each picture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::dispatch::{
    Concern, Devices, DispatchState, HeldView, LadderRail, LadderStop, Phase, Place, RouteView, StopAhead, VehicleKind,
    VehicleTrip, VehicleView,
};
use transit_model::ids::{Idx, PatternIdx, RouteIdx, StopPos};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::directory::natural;
use super::dispatch_machinery;
use crate::world::{OnTrip, TripDay, Vehicle, World};

/// A vehicle counts as running while its last fix is no older, milliseconds.
const SEEN_MS: i64 = 180_000;
/// More than this early is early, seconds.
const EARLY_S: i32 = -60;
/// More than this late is late, seconds.
const LATE_S: i32 = 300;
/// Stops ahead of a vehicle that are told.
const STOPS_AHEAD: usize = 30;

/// What hangs on the timetable and the day alone.
#[derive(Clone, Debug)]
pub struct Frame {
    timetable: Arc<Timetable>,
    date: ServiceDate,
    ladders: BTreeMap<String, Vec<LadderRail>>,
    /// Every trip of the days around: route, first departure, last arrival.
    runs: Vec<(RouteIdx, UnixMs, UnixMs)>,
    today: FxHashSet<RouteIdx>,
}

impl Frame {
    /// The frame of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let timetable = Arc::clone(&world.timetable);
        let date = timetable.zone.date(world.now);
        let (mut runs, mut today) = (Vec::new(), FxHashSet::default());
        for day in [-1, 0, 1].map(|n| date.plus_days(n)) {
            let services = timetable.services_on(day);
            let start = timetable.zone.day_start(day);
            for (i, trip) in timetable.trips.iter().filter(|(_, t)| *services.at(t.service)) {
                let route = timetable.patterns.at(trip.pattern).route;
                let at = |s: i32| start.plus_secs(i64::from(s));
                runs.push((route, at(timetable.starts(i).0), at(timetable.ends(i).0)));
                if day == date {
                    today.insert(route);
                }
            }
        }
        let ladders = ladders(&timetable);
        Self { timetable, date, ladders, runs, today }
    }

    /// Whether it still fits.
    #[must_use]
    pub fn fits(&self, world: &World) -> bool {
        Arc::ptr_eq(&self.timetable, &world.timetable) && self.date == world.timetable.zone.date(world.now)
    }

    fn scheduled(&self, now: UnixMs) -> FxHashMap<RouteIdx, u32> {
        let mut running = FxHashMap::default();
        for (route, _, _) in self.runs.iter().filter(|(_, from, to)| *from <= now && now <= *to) {
            *running.entry(*route).or_default() += 1;
        }
        running
    }
}

/// The picture of a world at `now`; `extra` are concerns from beyond the engine.
#[must_use]
pub fn picture(world: &World, frame: &Frame, extra: &[Concern], clock_speed: f64, now: UnixMs) -> DispatchState {
    let t = &*world.timetable;
    let mut concerns: Vec<_> = world.concerns.iter().chain(extra).cloned().collect();
    concerns.sort_by(|a, b| (a.level, a.since, &a.key).cmp(&(b.level, b.since, &b.key)));
    let agency = t.agencies.iter().next().map(|(_, a)| a.name.to_string());
    DispatchState {
        as_of: now.rfc3339(&t.zone),
        now,
        clock_speed,
        feed: t.feed.to_string(),
        name: if t.info.publisher.is_empty() { agency.unwrap_or_default() } else { t.info.publisher.to_string() },
        zone: t.zone.name().to_owned(),
        routes: routes(world, frame, now),
        ladders: frame.ladders.clone(),
        vehicles: world.vehicles.iter().map(|v| vehicle(t, v, now)).collect(),
        concerns,
        devices: Devices::default(),
        machinery: dispatch_machinery::state(&world.machinery, now),
    }
}

fn routes(world: &World, frame: &Frame, now: UnixMs) -> Vec<RouteView> {
    let t = &*world.timetable;
    let scheduled = frame.scheduled(now);
    let mut on_route: FxHashMap<RouteIdx, Vec<(&Vehicle, &OnTrip)>> = FxHashMap::default();
    for v in world.vehicles.iter().filter(|v| v.kind == VehicleKind::Transit) {
        if let Some(place) = &v.on_trip {
            on_route.entry(t.pattern_of(place.on.trip).route).or_default().push((v, place));
        }
    }
    let shown = t
        .routes
        .iter()
        .filter(|(r, _)| frame.today.contains(r) || on_route.contains_key(r) || scheduled.contains_key(r));
    let mut rows: Vec<_> = shown
        .map(|(r, route)| {
            let vehicles = on_route.get(&r).map_or(&[][..], Vec::as_slice);
            let running = || vehicles.iter().filter(|(v, _)| is_in_service(v) && now.0 - v.fix_time.0 <= SEEN_MS);
            let count = |fits: fn(i32) -> bool| {
                u32::try_from(running().filter(|(_, p)| p.delay.is_some_and(fits)).count()).unwrap_or(u32::MAX)
            };
            RouteView {
                id: route.id.to_string(),
                name: route.short_name.to_string(),
                long_name: route.long_name.to_string(),
                mode: route.mode,
                scheduled: scheduled.get(&r).copied().unwrap_or(0),
                running: u32::try_from(running().count()).unwrap_or(u32::MAX),
                early: count(|d| d < EARLY_S),
                on_time: count(|d| (EARLY_S..=LATE_S).contains(&d)),
                late: count(|d| d > LATE_S),
                last_seen: vehicles.iter().map(|(v, _)| v.fix_time).max(),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.mode.cmp(&b.mode).then_with(|| natural(&a.name, &b.name)).then_with(|| a.id.cmp(&b.id)));
    rows
}

fn is_in_service(v: &Vehicle) -> bool {
    matches!(v.phase, Phase::InProgress | Phase::OffRoute | Phase::Layover)
}

fn vehicle(t: &Timetable, v: &Vehicle, now: UnixMs) -> VehicleView {
    let on = v.on_trip.as_ref();
    VehicleView {
        id: v.id.to_string(),
        kind: v.kind,
        phase: v.phase,
        confidence: f64::from(v.confidence),
        lat: v.lat,
        lon: v.lon,
        bearing: v.bearing.map(f64::from),
        speed: v.speed.map(f64::from),
        fix_time: v.fix_time,
        trip: on.map(|p| vehicle_trip(t, p.on)),
        place: on.and_then(|p| place(t, p.on, p.next.at(), f64::from(p.fraction))),
        scheduled_place: on.and_then(|p| scheduled_place(t, p.on, now)),
        delay: on.and_then(|p| p.delay).map(i64::from),
        held: v.held.map(|h| HeldView { by: h.by, since: h.since, until: h.until }),
        stops_ahead: stops_ahead(t, v, now),
    }
}

/// The trip a vehicle is on, as the wire names it.
#[must_use]
pub fn vehicle_trip(t: &Timetable, on: TripDay) -> VehicleTrip {
    let (trip, pattern, route) = (t.trips.at(on.trip), t.pattern_of(on.trip), t.route_of(on.trip));
    VehicleTrip {
        trip_id: trip.id.to_string(),
        service_date: on.date,
        route_id: route.id.to_string(),
        route: route.short_name.to_string(),
        direction: pattern.direction,
        headsign: trip.headsign.to_string(),
        block_id: trip.block.map(|b| t.blocks.at(b).id.to_string()),
    }
}

/// A place on a trip; past its last stop it is that stop.
fn place(t: &Timetable, on: TripDay, next: usize, fraction: f64) -> Option<Place> {
    let calls = &t.pattern_of(on.trip).calls;
    let (call, fraction) = match calls.get(next) {
        Some(call) => (call, fraction.clamp(0.0, 1.0)),
        None => (calls.last()?, 1.0),
    };
    Some(Place { next_stop: t.stops.at(call.stop).id.to_string(), next_sequence: call.seq.0, fraction })
}

fn scheduled_place(t: &Timetable, on: TripDay, now: UnixMs) -> Option<Place> {
    let wanted = t.zone.service_time(on.date, now);
    let times: Vec<_> = t.times(on.trip).collect();
    let next = times.iter().take_while(|c| c.arrival <= wanted).count();
    let (Some(to), Some(from)) = (times.get(next), next.checked_sub(1).and_then(|p| times.get(p))) else {
        // Not begun, or over.
        return place(t, on, next, if next == 0 { 0.0 } else { 1.0 });
    };
    let (gone, all) = (wanted - from.departure, to.arrival - from.departure);
    let fraction = if all.0 > 0 { f64::from(gone.0.max(0)) / f64::from(all.0) } else { 1.0 };
    place(t, on, next, fraction)
}

fn stops_ahead(t: &Timetable, v: &Vehicle, now: UnixMs) -> Vec<StopAhead> {
    v.ahead
        .iter()
        // Of a vehicle that is held the calls calculated to be over are kept.
        .filter(|c| v.held.is_none() || c.departure >= now)
        .take(STOPS_AHEAD)
        .map(|c| {
            let stop = t.stops.at(c.stop);
            StopAhead {
                stop_id: stop.id.to_string(),
                name: stop.name.to_string(),
                stop_sequence: t.pattern_of(c.on.trip).call(c.pos).map_or(0, |p| p.seq.0),
                scheduled: c.scheduled_arrival,
                arrival: c.arrival,
                arrival_p10: c.arrival_p10,
                arrival_p90: c.arrival_p90,
                departure: c.departure,
            }
        })
        .collect()
}

fn ladders(t: &Timetable) -> BTreeMap<String, Vec<LadderRail>> {
    let mut by_direction: BTreeMap<(RouteIdx, Option<u8>), Vec<PatternIdx>> = BTreeMap::new();
    for (i, p) in t.patterns.iter() {
        by_direction.entry((p.route, p.direction)).or_default().push(i);
    }
    let mut all: BTreeMap<String, Vec<LadderRail>> = BTreeMap::new();
    for ((route, direction), mut patterns) in by_direction {
        patterns.sort_by_key(|i| (std::cmp::Reverse(t.patterns.at(*i).trips.len()), i.at()));
        all.entry(t.routes.at(route).id.to_string()).or_default().push(rail(t, direction, &patterns));
    }
    all
}

/// The stops of the most-run pattern, then those of the others that it lacks.
fn rail(t: &Timetable, direction: Option<u8>, patterns: &[PatternIdx]) -> LadderRail {
    let mut seen = BTreeSet::new();
    let mut stops = Vec::new();
    for (n, p) in patterns.iter().enumerate() {
        for call in &t.patterns.at(*p).calls {
            // A loop passes its terminal twice; a stop of another pattern is added once.
            if seen.insert(call.stop) || n == 0 {
                let stop = t.stops.at(call.stop);
                stops.push(LadderStop { id: stop.id.to_string(), name: stop.name.to_string() });
            }
        }
    }
    let headsign = patterns.first().and_then(|p| commonest_headsign(t, *p)).unwrap_or_default();
    LadderRail { direction, headsign, stops }
}

fn commonest_headsign(t: &Timetable, p: PatternIdx) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for trip in &t.patterns.at(p).trips {
        *counts.entry(&t.trips.at(*trip).headsign).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n).map(|(h, _)| h.to_owned())
}

/// The call a vehicle's position is counted from: the last one passed.
#[must_use]
pub fn previous_stop(t: &Timetable, on: &OnTrip) -> Option<StopPos> {
    let calls = t.pattern_of(on.on.trip).calls.len();
    on.next.at().min(calls).checked_sub(1).map(StopPos::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::fixture::{at, timetable, trip, vehicle as follow, world};

    fn of(w: &World, now: UnixMs) -> DispatchState {
        picture(w, &Frame::of(w), &[], 1.0, now)
    }

    #[test]
    fn the_overview_counts_what_runs_and_how() {
        let t = timetable();
        let now = at(&t, "14:05:00");
        let mut silent = follow(&t, "20", trip(&t, "t2-1350"), 2, 0, now.plus_secs(-400));
        silent.ahead = Arc::from([]);
        let w = world(&t, now).with_vehicles(vec![
            follow(&t, "17", trip(&t, "t2-1400"), 1, 301, now.plus_secs(-5)),
            follow(&t, "18", trip(&t, "t2-1400"), 1, -61, now.plus_secs(-9)),
            follow(&t, "19", trip(&t, "t2-1400"), 1, 300, now.plus_secs(-7)),
            silent,
        ]);
        let state = of(&w, now);
        let names: Vec<_> = state.routes.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["5", "2"], "by mode, then by number");
        let two = &state.routes[1];
        assert_eq!((two.scheduled, two.running, two.early, two.on_time, two.late), (1, 3, 1, 1, 1));
        assert_eq!(two.last_seen, Some(now.plus_secs(-5)));
        assert_eq!(state.routes[0].scheduled, 0);
    }

    #[test]
    fn a_vehicle_stands_where_it_is_and_where_the_timetable_wants_it() {
        let t = timetable();
        let now = at(&t, "14:06:00");
        let w = world(&t, now).with_vehicles(vec![follow(&t, "17", trip(&t, "t2-1400"), 1, 130, now)]);
        let state = of(&w, now);
        let v = &state.vehicles[0];
        assert_eq!(v.place, Some(Place { next_stop: "B".to_owned(), next_sequence: 2, fraction: 0.5 }));
        assert_eq!(v.scheduled_place, Some(Place { next_stop: "C".to_owned(), next_sequence: 3, fraction: 0.5 }));
        assert_eq!(v.trip.as_ref().map(|t| t.headsign.as_str()), Some("Вокзал"));
        assert_eq!(v.stops_ahead.len(), 3);
        let over = of(&w, at(&t, "14:20:00"));
        assert_eq!(
            over.vehicles[0].scheduled_place.as_ref().map(|p| (p.next_stop.as_str(), p.fraction)),
            Some(("D", 1.0))
        );
    }

    #[test]
    fn a_ladder_has_the_stops_of_its_direction() {
        let t = timetable();
        let w = world(&t, at(&t, "14:00:00"));
        let state = of(&w, w.now);
        let rails = &state.ladders["r2"];
        assert_eq!((rails.len(), rails[0].headsign.as_str()), (1, "Вокзал"));
        assert_eq!(rails[0].stops.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["A", "B", "C", "D"]);
    }

    #[test]
    fn a_frame_lasts_a_day() {
        let t = timetable();
        let w = world(&t, at(&t, "14:00:00"));
        let frame = Frame::of(&w);
        assert!(frame.fits(&World { now: at(&t, "23:59:00"), ..w.clone() }));
        assert!(!frame.fits(&World { now: at(&t, "24:01:00"), ..w.clone() }));
        assert!(!frame.fits(&world(&timetable(), w.now)), "nor does it fit another feed");
    }
}
