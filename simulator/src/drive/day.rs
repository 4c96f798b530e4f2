//! A whole service day: what happens to it, who runs what, and all vehicles driven together in the
//! order of time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::dispatch::Phase;
use transit_model::ids::{StopPos, TripIdx, VehicleId};
use transit_model::plane::Polyline;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use super::demand::Demand;
use super::disturbance::{Disturbance, StopRef};
use super::effect::{Effect, Happened, Lookup, Unmet, find_call};
use super::roster::{Duty, Roster};
use super::run::{Scene, seconds};
use super::runner::{Breaks, Note, Runner, Step, Streets, Work};
use super::traffic::{Traffic, word_of};
use super::vehicle::{Leg, Path, VehicleDay, point};
use super::way::empty_run;
use super::{Options, mishap, reserves};
use crate::chance::{Topic, between, chance, normal, word};

/// Spread of pace between drivers.
const PACE: f64 = 0.045;

/// A day that has been driven.
pub(super) struct Driven {
    pub(super) vehicles: Vec<VehicleDay>,
    pub(super) happened: Vec<Happened>,
    pub(super) unmet: Vec<(Disturbance, Unmet)>,
}

/// What is going to happen, sorted by what it touches. Numbers are places in `what`.
#[derive(Default)]
struct Events {
    what: Vec<(Disturbance, bool)>,
    effects: Vec<Effect>,
    notes: Vec<Note>,
    breaks: FxHashMap<VehicleId, Breaks>,
    turns: FxHashMap<TripIdx, (usize, StopPos, Option<StopRef>)>,
}

/// Drives a service day.
pub(super) fn drive(tt: &Arc<Timetable>, seed: u64, date: ServiceDate, options: &Options) -> Driven {
    let mut duties = Roster::for_day(tt, date, options.cap).duties;
    let lookup = Lookup { tt, date, duties: &duties };
    let mut unmet = Vec::new();
    let mut found: Vec<(Disturbance, Effect, bool)> = Vec::new();
    for d in options.disturbances.iter().filter(|d| d.happens_on(date)) {
        match lookup.effect(d) {
            Ok(effect) => found.push((d.clone(), effect, false)),
            Err(why) => unmet.push((d.clone(), why)),
        }
    }
    found.extend(mishap::draw(&lookup, seed, options.mishaps.0).into_iter().map(|(d, e)| (d, e, true)));
    let reserves = reserves(date, duties.len(), options);
    let mut events = Events::default();
    let mut scene = Scene {
        tt,
        seed,
        date,
        day_start: tt.zone.day_start(date),
        traffic: Traffic::of(seed, date),
        demand: Demand { seed, follows_gaps: options.gaps_matter },
        detours: Vec::new(),
        early: FxHashMap::default(),
    };
    for (d, effect, by_chance) in found {
        events.apply(&mut scene, &mut duties, effect.clone());
        events.what.push((d, by_chance));
        events.effects.push(effect);
    }
    let runners = duties.iter().filter_map(|d| events.runner(&scene, d)).collect();
    let vehicles = together(&scene, runners, reserves, &mut events.notes);
    let (happened, nobody) = events.happened(&scene);
    unmet.extend(nobody);
    Driven { vehicles, happened, unmet }
}

impl Events {
    /// Changes the plan of the day by one effect.
    fn apply(&mut self, scene: &mut Scene<'_>, duties: &mut [Duty], effect: Effect) {
        let n = self.what.len();
        let tt = scene.tt;
        match effect {
            Effect::Slow(slow) => scene.traffic.slow_down(slow),
            Effect::Detour(detour) => scene.detours.push((n, detour)),
            Effect::Breakdown { vehicle, at, replaced_after } => {
                let breaks = Breaks { effect: n, at, replaced_after };
                let first = self.breaks.entry(vehicle).or_insert(breaks);
                if at < first.at {
                    *first = breaks;
                }
            }
            Effect::ShortTurn { trip, last, back_at } => {
                self.turns.entry(trip).or_insert((n, last, back_at));
            }
            Effect::Missed { trip } => {
                for duty in duties.iter_mut().filter(|d| d.trips.contains(&trip)) {
                    duty.trips.retain(|t| *t != trip);
                    let (vehicle, at) = (duty.vehicle.clone(), seconds(tt.starts(trip)));
                    self.notes.push(Note { effect: n, vehicle, trips: vec![trip], at });
                }
            }
            Effect::Swap { a, b, from } => {
                let mut split = |v: &VehicleId| -> Option<Vec<TripIdx>> {
                    let duty = duties.iter_mut().find(|d| d.vehicle == *v)?;
                    let at = duty.trips.partition_point(|t| tt.starts(*t) < from);
                    Some(duty.trips.split_off(at))
                };
                let (Some(of_a), Some(of_b)) = (split(&a), split(&b)) else { return };
                for (vehicle, trips) in [(a, of_b), (b, of_a)] {
                    let at = trips.first().map(|t| seconds(tt.starts(*t)));
                    if let Some(duty) = duties.iter_mut().find(|d| d.vehicle == vehicle) {
                        duty.trips.extend(&trips);
                    }
                    self.notes.extend(at.map(|at| Note { effect: n, vehicle, trips, at }));
                }
            }
            Effect::Early { trip, by } => {
                scene.early.entry(trip).or_insert((n, by));
            }
        }
    }

    /// A vehicle with its work, if it has any.
    fn runner(&self, scene: &Scene<'_>, duty: &Duty) -> Option<Runner> {
        let (tt, name) = (scene.tt, word(duty.vehicle.as_str()));
        let mut rng = chance(scene.seed, Topic::Driver, name, word_of(scene.date));
        let pace = (PACE * normal(&mut rng)).exp();
        let mut begins_at = None;
        let work = duty.trips.iter().map(|trip| {
            let whole = tt.pattern_of(*trip).calls.len().saturating_sub(1);
            let first = begins_at.take().and_then(|s| find_call(tt, *trip, &s)).filter(|p| p.at() < whole);
            let turn = self.turns.get(trip).filter(|(_, last, _)| last.at() < whole);
            let (turned, last) = turn.map_or((None, StopPos::new(whole)), |(n, last, _)| (Some(*n), *last));
            begins_at = turn.and_then(|(_, _, back)| back.clone());
            let first = first.filter(|f| *f < last).unwrap_or(StopPos(0));
            Work { trip: *trip, first, last, turned }
        });
        let work: VecDeque<Work> = work.collect();
        let breaks = self.breaks.get(&duty.vehicle).copied();
        let rng = chance(scene.seed, Topic::Trip, name, word_of(scene.date));
        (!work.is_empty()).then(|| Runner::new(duty.vehicle.clone(), rng, pace, work).breaking(breaks))
    }

    /// What happened, and what did not because nobody was there.
    fn happened(self, scene: &Scene<'_>) -> (Vec<Happened>, Vec<(Disturbance, Unmet)>) {
        let mut notes: FxHashMap<usize, Vec<Note>> = FxHashMap::default();
        for note in self.notes {
            notes.entry(note.effect).or_default().push(note);
        }
        let (mut happened, mut unmet) = (Vec::new(), Vec::new());
        for (n, ((what, by_chance), effect)) in self.what.into_iter().zip(self.effects).enumerate() {
            let notes = notes.remove(&n).unwrap_or_default();
            let span = match &effect {
                Effect::Slow(slow) => Some((slow.from, slow.to)),
                _ => {
                    let first = notes.iter().map(|n| n.at).reduce(f64::min);
                    first.zip(notes.iter().map(|n| n.at).reduce(f64::max))
                }
            };
            let Some((from, to)) = span else {
                // What was drawn and befell nobody did not happen.
                unmet.extend((!by_chance).then_some((what, Unmet::Nobody)));
                continue;
            };
            let mut seen = FxHashSet::default();
            let vehicles = notes.iter().map(|n| n.vehicle.clone()).filter(|v| seen.insert(v.clone())).collect();
            let mut seen = FxHashSet::default();
            let trips = notes.iter().flat_map(|n| n.trips.iter().copied()).filter(|t| seen.insert(*t)).collect();
            happened.push(Happened { what, by_chance, from: scene.at(from), to: scene.at(to), vehicles, trips });
        }
        (happened, unmet)
    }
}

/// Drives all vehicles at once, always the one that is earliest.
fn together(
    scene: &Scene<'_>,
    mut runners: Vec<Runner>,
    mut reserves: VecDeque<VehicleId>,
    notes: &mut Vec<Note>,
) -> Vec<VehicleDay> {
    let mut streets = Streets::default();
    let mut queue: BinaryHeap<Reverse<(UnixMs, usize)>> = BinaryHeap::new();
    let mut fresh: Vec<usize> = (0..runners.len()).collect();
    loop {
        let (n, begins) = match fresh.pop() {
            Some(n) => (n, true),
            None => match queue.pop() {
                Some(Reverse((_, n))) => (n, false),
                None => break,
            },
        };
        let Some(runner) = runners.get_mut(n) else { continue };
        let step = if begins { runner.begin(scene, &mut streets) } else { runner.step(scene, &mut streets) };
        match step {
            Step::At(next) => queue.push(Reverse((scene.at(next), n))),
            Step::Over => {}
            Step::Broke(breaks, rest) => {
                let left: Vec<TripIdx> = rest.iter().map(|w| w.trip).collect();
                let vehicle = runner.vehicle.clone();
                streets.notes.push(Note { effect: breaks.effect, vehicle, trips: left, at: breaks.at });
                if let Some(reserve) = replacement(scene, runner, breaks, rest, &mut reserves, &mut streets) {
                    fresh.push(runners.len());
                    runners.push(reserve);
                }
            }
        }
    }
    notes.append(&mut streets.notes);
    let (tt, date) = (scene.tt, scene.date);
    let on_road = runners.into_iter().filter(|r| !r.legs.is_empty());
    on_road.map(|r| VehicleDay::transit(tt, date, r.vehicle, r.legs)).collect()
}

/// A reserve vehicle takes over what a broken one left. It waits at the nearer end of the line.
fn replacement(
    scene: &Scene<'_>,
    broken: &Runner,
    breaks: Breaks,
    mut rest: VecDeque<Work>,
    reserves: &mut VecDeque<VehicleId>,
    streets: &mut Streets,
) -> Option<Runner> {
    let due = breaks.at + breaks.replaced_after?;
    let tt = scene.tt;
    // A trip that is over before anybody can come is not run at all.
    while rest.len() > 1 && rest.front().is_some_and(|w| seconds(tt.ends(w.trip)) < due) {
        rest.pop_front();
    }
    let work = *rest.front()?;
    let vehicle = reserves.pop_front()?;
    let pattern = tt.pattern_of(work.trip);
    let line = Path::Shape(pattern.shape);
    let pick_up = point(tt, &line, pattern.call(work.first)?.along);
    let ends = [pattern.calls.first()?.along, pattern.calls.last()?.along].map(|a| point(tt, &line, a));
    let near = broken.place(scene).unwrap_or(pick_up);
    let base = ends.into_iter().min_by(|a, b| a.distance(near).total_cmp(&b.distance(near)))?;
    let (way, called) = (Polyline::new([base, pick_up]), scene.at(breaks.at + 60.0));
    let takes = UnixMs::from_secs_f64(empty_run(way.length(), scene.at(due), called)).0;
    // It is there when its trip begins, not hours before.
    let planned = tt.zone.at(scene.date, tt.time_at(work.trip, work.first)?.departure);
    let there = scene.at(due).max(UnixMs(planned.0 - 300_000)).max(UnixMs(called.0 + takes));
    let (leaves, out) = (UnixMs(there.0 - takes), UnixMs(called.0 - 600_000));
    let parked = Path::Line(Arc::new(Polyline::new([base, pick_up])));
    let mut legs = vec![Leg::stand(parked, 0.0, out, leaves, Phase::AtBase)];
    if way.length() > 0.5 {
        legs.push(Leg::straight(way, leaves, there, Phase::Deadhead));
    }
    let there = legs.last().map_or(there, Leg::ends);
    let trips = rest.iter().map(|w| w.trip).collect();
    let (name, day) = (word(vehicle.as_str()), word_of(scene.date));
    streets.notes.push(Note { effect: breaks.effect, vehicle: vehicle.clone(), trips, at: scene.since_start(there) });
    let mut rng = chance(scene.seed, Topic::Reserve, name, day);
    let pace = (PACE * between(&mut rng, -1.0, 1.0)).exp();
    Some(Runner::new(vehicle, rng, pace, rest).coming(legs, there))
}
