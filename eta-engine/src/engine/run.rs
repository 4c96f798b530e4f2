//! One vehicle's run of one trip: which calls it has made, and when. Crossing times are interpolated
//! between fixes; they only ever go forward.

use transit_model::ids::{LinkIdx, StopIdx, StopPos};
use transit_model::time::UnixMs;
use transit_model::timetable::{Pattern, Timetable};

use super::Model;
use crate::learning::halts::{FARTHEST_BEFORE, FARTHEST_BEHIND, Halts};
use crate::world::TripDay;

/// A vehicle has arrived when it is so near before where vehicles halt, metres: none halts quite there.
const ARRIVE_BEFORE: f32 = 12.0;
/// At the last stop, where vehicles wait in a line for the turn.
const ARRIVE_BEFORE_LAST: f32 = 30.0;
/// It has left when it is so far behind it, metres.
const DEPART_AFTER: f32 = 18.0;
/// A crossing between fixes farther apart than this teaches nothing, seconds.
const EXACT: f32 = 240.0;
/// The same of a vehicle that is silent while it stands and only then.
const EXACT_OF_THE_SILENT: f32 = 300.0;

/// Slower than this between two fixes it stood there, m/s, or moved by less than [`STOOD`].
const STOOD_SPEED: f32 = 0.5;
/// What a standing receiver wanders, metres.
const STOOD: f32 = 6.0;
/// An interval shorter than this tells nothing of standing, seconds.
const STOOD_SECONDS: f32 = 4.0;
/// Two halts at one stop nearer to each other are one, metres.
const ONE_HALT: f32 = 12.0;
/// A halt belongs to a stop within this share of the link into it.
const OF_LINK: f32 = 0.45;

/// Whoever comes to a timepoint so much before its time may wait for it, seconds.
pub const EARLY: f32 = 60.0;
/// And has waited if it left no more than this before its time, seconds.
const LEAVES_EARLY: f32 = 20.0;

/// A call that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StopEvent {
    /// Which trip.
    pub on: TripDay,
    /// Which vehicle, by its place in the engine.
    pub vehicle: u32,
    /// Which call.
    pub pos: StopPos,
    /// Where.
    pub stop: StopIdx,
    /// When it came; unknown at the first stop.
    pub arrival: Option<UnixMs>,
    /// When it left; unknown at the last stop.
    pub departure: Option<UnixMs>,
}

/// What passing stops tells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Passed {
    /// A link was run from arrival to arrival.
    Link {
        /// Which.
        link: LinkIdx,
        /// How long it took.
        seconds: f32,
        /// What the timetable gave it.
        plan: f32,
        /// When it began.
        began: UnixMs,
    },
    /// A dwell was seen at the first stop of a link.
    Dwell {
        /// The link that begins there.
        link: LinkIdx,
        /// How long.
        seconds: f32,
    },
    /// It came to a stop: predictions for it can be judged.
    Arrival {
        /// Which call.
        pos: StopPos,
        /// When.
        at: UnixMs,
    },
    /// It came to a timepoint well before its time.
    Early {
        /// It waited there for the timetable.
        held: bool,
        /// When it left, against the timetable, seconds.
        lateness: f32,
    },
    /// It stood near a stop, longest so far behind it.
    Halt {
        /// The link into the stop.
        into: LinkIdx,
        /// Metres; before it is negative.
        offset: f32,
    },
    /// It left the first stop.
    Start {
        /// Behind the timetable, seconds.
        lateness: f32,
    },
    /// A call is over.
    Event(StopEvent),
}

/// How a vehicle came farther.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The time of the fix.
    pub now: UnixMs,
    /// Where it is, metres along the line.
    pub along: f32,
    /// How fast it usually drives when it drives, m/s.
    pub speed: f32,
    /// See [`super::rhythm::Rhythm::speaks_within`].
    pub silent_when_standing: bool,
}

/// How far a vehicle has come on its trip.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The trip.
    pub on: TripDay,
    /// The first call it has not arrived at.
    arrived: u16,
    /// The first call it has not left.
    departed: u16,
    /// The last call it arrived at, when, and whether that is exact.
    pub last_arrival: Option<(u16, UnixMs, bool)>,
    /// When it left the first stop, if that was seen.
    pub left_first: Option<(UnixMs, bool)>,
    /// What it waited for the timetable at the last call it left, seconds: no part of the link's time.
    waited: f32,
    /// The call it is at, not yet written down.
    pub pending: Option<StopEvent>,
    /// Where it stood longest near a call: which, how far behind it, for how long.
    halt: Option<(u16, f32, f32)>,
    /// The last fix: when, and how far along.
    last: (UnixMs, f32),
    vehicle: u32,
}

impl Run {
    /// Begins to follow a trip with the vehicle so far along.
    #[must_use]
    pub fn begin(on: TripDay, vehicle: u32, pattern: &Pattern, at: UnixMs, along: f32, started: bool) -> Self {
        let here = if started { pattern.calls.partition_point(|c| c.along <= along + ARRIVE_BEFORE) } else { 1 };
        let left = if started { pattern.calls.partition_point(|c| c.along + DEPART_AFTER <= along) } else { 0 };
        let small = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self {
            on,
            arrived: small(here.max(1)),
            departed: small(left),
            last_arrival: None,
            left_first: None,
            waited: 0.0,
            pending: None,
            halt: None,
            last: (at, along),
            vehicle,
        }
    }

    /// How many calls are over.
    #[must_use]
    pub const fn departed(&self) -> u16 {
        self.departed
    }

    /// The first call it has not arrived at.
    #[must_use]
    pub const fn next(&self) -> u16 {
        self.arrived
    }

    /// The call it stands at, and since when, if it has arrived and not left.
    #[must_use]
    pub fn dwelling(&self) -> Option<(u16, UnixMs)> {
        let (pos, at, _) = self.last_arrival?;
        (self.departed <= pos).then_some((pos, at))
    }

    /// Takes in that the vehicle has come farther.
    pub fn advance(&mut self, t: &Timetable, model: &Model, step: Step, out: &mut Vec<Passed>) {
        let pattern = t.pattern_of(self.on.trip);
        let (from_time, from) = self.last;
        let Step { now, along, .. } = step;
        self.note_standing(pattern, from, along - from, (now.0 - from_time.0) as f32 / 1000.0);
        self.last = (now, along.max(from));
        if along <= from {
            return;
        }
        let gap = (now.0 - from_time.0) as f32 / 1000.0;
        let exact = gap <= if step.silent_when_standing { EXACT_OF_THE_SILENT } else { EXACT };
        let last = pattern.calls.len().saturating_sub(1);
        let halts_at = |pos: usize| halt_at(t, pattern, &model.halts, pos);
        let arrives = |pos: usize| {
            let c = pattern.calls.get(pos)?;
            Some(c.along + halts_at(pos) - if pos == last { ARRIVE_BEFORE_LAST } else { ARRIVE_BEFORE })
        };
        let leaves =
            |pos: usize| Some(pattern.calls.get(pos).filter(|_| pos < last)?.along + halts_at(pos) + DEPART_AFTER);
        // On the way it drove as it does; what is left of the time it stood, at the stops on this stretch.
        let speed = step.speed.max((along - from) / gap.max(0.1));
        let stood = (gap - (along - from) / speed).max(0.0);
        let at_stops = (usize::from(self.departed)..=last)
            .take_while(|pos| *pos < usize::from(self.arrived) || arrives(*pos).is_some_and(|a| a <= along))
            .count();
        let each = stood / at_stops.max(1) as f32;
        let when = |line: f32, stops: u8| {
            let seconds = f32::from(stops).mul_add(each, (line - from).max(0.0) / speed).clamp(0.0, gap);
            UnixMs(from_time.0 + (f64::from(seconds) * 1000.0) as i64)
        };
        let mut stops = 0;
        loop {
            let (next, leaving) = (usize::from(self.arrived), usize::from(self.departed));
            let (arrive, depart) = (arrives(next), leaves(leaving));
            match (arrive, depart) {
                // A call is left before the next is reached, however near they are.
                (_, Some(d)) if leaving < next && d <= along => {
                    stops += 1;
                    self.depart((t, model), pattern, leaving, when(d, stops), exact, out);
                }
                (Some(a), d) if a <= along && (leaving == next || d.is_none_or(|d| d > along)) => {
                    self.arrive(t, pattern, next, when(a, stops), exact, out);
                }
                _ => break,
            }
        }
    }

    /// The vehicle moved so little in so many seconds that it stood, perhaps at a stop.
    fn note_standing(&mut self, pattern: &Pattern, from: f32, moved: f32, seconds: f32) {
        if seconds < STOOD_SECONDS || moved.abs() > STOOD.max(STOOD_SPEED * seconds) {
            return;
        }
        let near = |pos: u16| {
            let (call, before) = (pattern.calls.get(usize::from(pos))?, usize::from(pos).checked_sub(1)?);
            let offset = from - call.along;
            let link = call.along - pattern.calls.get(before)?.along;
            let reach = (-FARTHEST_BEFORE).max(-OF_LINK * link)..=FARTHEST_BEHIND;
            reach.contains(&offset).then_some((pos, offset))
        };
        let nearest = [self.arrived.checked_sub(1), Some(self.arrived)]
            .into_iter()
            .filter_map(|pos| near(pos?))
            .min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let Some((pos, offset)) = nearest else { return };
        match &mut self.halt {
            Some((at, place, stood)) if *at == pos && (offset - *place).abs() < ONE_HALT => *stood += seconds,
            Some((at, _, stood)) if *at == pos && *stood >= seconds => {}
            halt => *halt = Some((pos, offset, seconds)),
        }
    }

    fn arrive(&mut self, t: &Timetable, pattern: &Pattern, pos: usize, at: UnixMs, exact: bool, out: &mut Vec<Passed>) {
        let Some(call) = pattern.calls.get(pos) else { return };
        let at = self.last_arrival.map_or(at, |(_, before, _)| UnixMs(at.0.max(before.0 + 1000)));
        let small = StopPos::new(pos);
        out.push(Passed::Arrival { pos: small, at });
        if let Some(link) = pos.checked_sub(1).and_then(|l| pattern.links.get(l).map(|link| (l, *link))) {
            self.ran(t, link, at, exact, out);
        }
        let last = pos + 1 == pattern.calls.len();
        let event = StopEvent {
            on: self.on,
            vehicle: self.vehicle,
            pos: small,
            stop: call.stop,
            arrival: Some(at),
            departure: None,
        };
        out.extend(self.pending.take().map(Passed::Event));
        if last {
            out.push(Passed::Event(event));
            self.departed = small.0 + 1;
        } else {
            self.pending = Some(event);
        }
        self.arrived = small.0 + 1;
        self.last_arrival = Some((small.0, at, exact));
    }

    /// The link into the call just reached was run.
    fn ran(&self, t: &Timetable, (from_pos, link): (usize, LinkIdx), at: UnixMs, exact: bool, out: &mut Vec<Passed>) {
        let times = |pos: usize| t.time_at(self.on.trip, StopPos::new(pos)).unwrap_or_default();
        let (a, b) = (times(from_pos), times(from_pos + 1));
        let began = match self.last_arrival {
            Some((pos, began, was_exact)) if usize::from(pos) == from_pos && was_exact => Some((began, a.arrival)),
            // From the first stop a link is run from departure: nobody sees how long a vehicle waits there.
            _ => self.left_first.filter(|(_, seen)| *seen && from_pos == 0).map(|(began, _)| (began, a.departure)),
        };
        let Some((began, planned)) = began.filter(|_| exact) else { return };
        let seconds = (at.0 - began.0) as f32 / 1000.0 - self.waited;
        if seconds > 2.0 && seconds < 2400.0 {
            out.push(Passed::Link { link, seconds, plan: (b.arrival - planned).0 as f32, began });
        }
    }

    fn depart(
        &mut self,
        (t, model): (&Timetable, &Model),
        pattern: &Pattern,
        pos: usize,
        at: UnixMs,
        exact: bool,
        out: &mut Vec<Passed>,
    ) {
        let small = StopPos::new(pos);
        self.departed = small.0 + 1;
        self.waited = 0.0;
        if let Some((at, offset, _)) = self.halt.take_if(|h| h.0 <= small.0) {
            let into = usize::from(at).checked_sub(1).and_then(|l| pattern.links.get(l));
            out.extend(into.map(|into| Passed::Halt { into: *into, offset }));
        }
        if let Some(mut event) = self.pending.take_if(|e| e.pos == small) {
            let at = UnixMs(at.0.max(event.arrival.map_or(at.0, |a| a.0)));
            event.departure = Some(at);
            let arrived = self.last_arrival.filter(|(p, _, was_exact)| *p == small.0 && *was_exact && exact);
            if let (Some((_, since, _)), Some(link)) = (arrived, pattern.links.get(pos)) {
                // Rolling through the 30 m around the pole takes four seconds by itself.
                let seconds = ((at.0 - since.0) as f32 / 1000.0 - 4.0).max(0.0);
                match self.early_by(t, small, since) {
                    Some(_) => {
                        let lateness = (at.0 - self.planned_departure(t, small).0) as f32 / 1000.0;
                        let usual = t.links.get(*link).map_or(0.0, |l| model.links.dwell(l.key));
                        // Whoever only dwelt as ever and went on early did not wait.
                        let held = lateness > -LEAVES_EARLY && seconds > usual;
                        if held {
                            self.waited = seconds - usual;
                        }
                        out.push(Passed::Early { held, lateness });
                        if !held {
                            out.push(Passed::Dwell { link: *link, seconds });
                        }
                    }
                    None => out.push(Passed::Dwell { link: *link, seconds }),
                }
            }
            out.push(Passed::Event(event));
        } else if let Some(call) = pattern.calls.get(pos).filter(|_| pos == 0) {
            self.left_first = Some((at, exact));
            let planned = t.zone.at(self.on.date, t.starts(self.on.trip));
            if exact {
                out.push(Passed::Start { lateness: (at.0 - planned.0) as f32 / 1000.0 });
            }
            out.push(Passed::Event(StopEvent {
                on: self.on,
                vehicle: self.vehicle,
                pos: small,
                stop: call.stop,
                arrival: None,
                departure: Some(at),
            }));
        }
    }

    fn planned_departure(&self, t: &Timetable, pos: StopPos) -> UnixMs {
        t.zone.at(self.on.date, t.time_at(self.on.trip, pos).unwrap_or_default().departure)
    }

    /// How much before its time it came to a timepoint, seconds, if that is enough to wait for it.
    #[must_use]
    pub fn early_by(&self, t: &Timetable, pos: StopPos, arrived: UnixMs) -> Option<f32> {
        let timepoint = t.time_at(self.on.trip, pos).is_some_and(|c| c.timepoint);
        let early = (self.planned_departure(t, pos).0 - arrived.0) as f32 / 1000.0;
        Some(early).filter(|e| timepoint && *e > EARLY)
    }
}

/// How far behind the feed's place vehicles halt at a call, metres; at the first nobody says.
fn halt_at(t: &Timetable, pattern: &Pattern, halts: &Halts, pos: usize) -> f32 {
    let into = pos.checked_sub(1).and_then(|l| pattern.links.get(l)).and_then(|l| t.links.get(*l));
    let Some(link) = into else { return 0.0 };
    let length = pos.checked_sub(1).and_then(|b| Some(pattern.calls.get(pos)?.along - pattern.calls.get(b)?.along));
    let most = OF_LINK * length.unwrap_or_default();
    halts.offset(link.key).clamp(-most, most)
}
