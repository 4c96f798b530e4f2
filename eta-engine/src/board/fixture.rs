//! A town of two routes on one screen, for the tests of boards and of the web.
//!
//! ```text
//! 2 (trolleybus)  A "Площа Соборна" ─ B "Ринок" ─ C "Лікарня" (no getting on) ─ D "Вокзал"    every 10 min, 06:00-22:00, and 24:30
//! 5 (bus)         S2 ─ B ─ E "Парк", of station S "Автостанція" (S1, S2)                    every 30 min, 07:15-19:15
//! ```
//! Mondays to Fridays of May 2026; Wednesday 6 May is the day of the tests. B is 4 minutes from A.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::{FeedId, StopIdx, StopPos, VehicleId};
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::world::{CallPrediction, OnTrip, TripDay, TripProgress, TripSpan, Vehicle, World};

/// The town's feed.
pub(crate) fn timetable() -> Arc<Timetable> {
    let mut trips =
        "route_id,service_id,trip_id,direction_id,trip_headsign,block_id,wheelchair_accessible\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type\n".to_owned();
    let clock = |m: i32| format!("{:02}:{:02}:00", m / 60, m % 60);
    let runs = (0..=96).map(|n| 6 * 60 + n * 10).chain([24 * 60 + 30]);
    for start in runs {
        let id = format!("t2-{}", clock(start).get(..5).unwrap_or_default().replace(':', ""));
        trips.push_str(&format!("r2,wk,{id},0,Вокзал,b{},1\n", start / 10 % 4));
        for (seq, (stop, m, pickup)) in [("A", 0, 0), ("B", 4, 0), ("C", 8, 1), ("D", 12, 0)].into_iter().enumerate() {
            let at = clock(start + m);
            times.push_str(&format!("{id},{at},{at},{stop},{},{pickup}\n", seq + 1));
        }
    }
    for start in (0..=24).map(|n| 7 * 60 + 15 + n * 30) {
        let id = format!("t5-{}", clock(start).get(..5).unwrap_or_default().replace(':', ""));
        trips.push_str(&format!("r5,wk,{id},0,Парк,,\n"));
        for (seq, (stop, m)) in [("S2", 0), ("B", 5), ("E", 11)].into_iter().enumerate() {
            let at = clock(start + m);
            times.push_str(&format!("{id},{at},{at},{stop},{},0\n", seq + 1));
        }
    }
    let files = GtfsFiles::default()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\n1,Тролейбусне управління,https://example.org,Europe/Kyiv\n")
        .with(
            "stops.txt",
            "stop_id,stop_code,stop_name,stop_lat,stop_lon,location_type,parent_station,platform_code,wheelchair_boarding\n\
             A,101,Площа Соборна,48.8500,37.6000,0,,,1\n\
             B,102,Ринок,48.8500,37.6200,0,,,2\n\
             C,103,Лікарня,48.8500,37.6400,0,,,\n\
             D,104,Вокзал,48.8500,37.6600,0,,,\n\
             S,,Автостанція,48.8400,37.6100,1,,,\n\
             S1,201,Автостанція,48.8401,37.6100,0,S,1,\n\
             S2,202,Автостанція,48.8399,37.6100,0,S,2,\n\
             E,105,Парк <b>Слов'янський</b>,48.8500,37.6300,0,,,\n\
             Z,,Нічого,48.9000,37.7000,0,,,\n",
        )
        .with(
            "routes.txt",
            "route_id,agency_id,route_short_name,route_long_name,route_type,route_color,route_text_color\n\
             r2,1,2,Площа Соборна - Вокзал,11,0B6E4F,FFFFFF\nr5,1,5,Автостанція - Парк,3,,\n",
        )
        .with("calendar.txt", "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nwk,1,1,1,1,1,0,0,20260501,20260531\n")
        .with("trips.txt", trips)
        .with("stop_times.txt", times);
    Arc::new(load_files(&files, FeedId::from("town")).unwrap().timetable)
}

/// Wednesday 6 May 2026.
pub(crate) fn wednesday() -> ServiceDate {
    "20260506".parse().unwrap()
}

/// A moment of that day's service: `14:00:30`.
pub(crate) fn at(t: &Timetable, clock: &str) -> UnixMs {
    on(t, "20260506", clock)
}

/// A moment of a day's service.
pub(crate) fn on(t: &Timetable, date: &str, clock: &str) -> UnixMs {
    t.zone.at(date.parse().unwrap(), clock.parse().unwrap())
}

/// The stop of this id.
pub(crate) fn stop(t: &Timetable, id: &str) -> StopIdx {
    t.stop_by_id(id).unwrap()
}

/// A trip of Wednesday.
pub(crate) fn trip(t: &Timetable, id: &str) -> TripDay {
    TripDay { date: wednesday(), trip: t.trip_by_id(id).unwrap() }
}

/// A ready world without vehicles.
pub(crate) fn world(t: &Arc<Timetable>, now: UnixMs) -> World {
    World { ready: true, version: 1, ..World::empty(Arc::clone(t), now) }
}

/// A vehicle on a trip, `late` seconds behind the timetable at every call from `next` on, whose
/// last fix was made at `fix`.
pub(crate) fn vehicle(t: &Timetable, id: &str, on_trip: TripDay, next: u16, late: i64, fix: UnixMs) -> Vehicle {
    let pattern = t.pattern_of(on_trip.trip);
    let day = t.zone.day_start(on_trip.date);
    let ahead: Vec<_> = (0u16..)
        .zip(t.times(on_trip.trip))
        .zip(pattern.calls.iter())
        .skip(usize::from(next))
        .map(|((pos, times), call)| {
            let (arrival, departure) =
                (day + transit_model::units::Seconds(times.arrival.0), day.plus_secs(i64::from(times.departure.0)));
            let (a, d) = (arrival.plus_secs(late), departure.plus_secs(late + 15));
            CallPrediction {
                on: on_trip,
                pos: StopPos(pos),
                stop: call.stop,
                scheduled_arrival: arrival,
                scheduled_departure: departure,
                arrival: a,
                arrival_p10: a.plus_secs(-40),
                arrival_p90: a.plus_secs(70),
                departure: d,
                published_arrival: a,
                published_departure: d,
            }
        })
        .collect();
    let place =
        OnTrip { on: on_trip, along: 100.0, next: StopPos(next), fraction: 0.5, delay: i32::try_from(late).ok() };
    Vehicle {
        id: VehicleId::from(id),
        kind: VehicleKind::Transit,
        phase: Phase::InProgress,
        confidence: 0.97,
        lat: 48.85,
        lon: 37.61,
        speed: Some(7.5),
        bearing: Some(90.0),
        fix_time: fix,
        received: fix,
        held: None,
        on_trip: Some(place),
        ahead: ahead.into(),
        trouble: None,
        history: Arc::from([TripSpan { on: Some(on_trip), from: fix.plus_secs(-600), to: fix }]),
    }
}

/// The same world with a trip's progress noted.
pub(crate) fn with_progress(mut world: World, on: TripDay, passed: u16, cancelled: bool) -> World {
    let mut progress: FxHashMap<_, _> = (*world.progress).clone();
    progress.insert(on, TripProgress { passed, cancelled });
    world.progress = Arc::new(progress);
    world
}
