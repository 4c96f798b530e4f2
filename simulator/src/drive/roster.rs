//! Which vehicle runs which trips of a day: the feed's blocks, and blocks of our own for trips that
//! have none.

use rustc_hash::FxHashMap;
use transit_model::ids::{BlockIdx, Idx, RouteIdx, StopPos, TripIdx, VehicleId};
use transit_model::plane::Xy;
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::Timetable;

use super::{Options, reserves};

/// How many vehicles to drive, and which ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cap {
    /// At most so many.
    pub vehicles: usize,
    /// Those that have most to do around this time come first.
    pub at: ServiceTime,
}

/// The work of one vehicle on one service day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duty {
    /// Who runs it.
    pub vehicle: VehicleId,
    /// Its trips, by start time, none starting before the one before has ended by the timetable.
    pub trips: Vec<TripIdx>,
    /// The route most of its trips belong to.
    pub route: RouteIdx,
}

/// Every duty of a service day, by vehicle.
///
/// A vehicle is named after the route it works on and its place among that route's duties of the
/// day, so the same number turns up on the same route every day.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roster {
    /// By route and start.
    pub duties: Vec<Duty>,
}

/// Ends and starts within this distance are one terminal, metres.
const TERMINAL: f32 = 300.0;
/// A vehicle does not wait longer for another trip of a synthetic block, seconds.
const WAIT_MAX: i32 = 3600;
/// Nor is it sent off sooner, seconds.
const WAIT_MIN: i32 = 60;
/// The hours around [`Cap::at`] that count, seconds before and after.
const BUSY: (i32, i32) = (1800, 3 * 3600);

impl Roster {
    /// The duties of a day: the feed's blocks where it has them, trips joined at their terminals
    /// where it has not.
    #[must_use]
    pub fn for_day(tt: &Timetable, date: ServiceDate, cap: Option<Cap>) -> Self {
        let mut chains = blocks(tt, date);
        chains.sort_by_cached_key(|c| (main_route(tt, c), first_start(tt, c), c.first().copied()));
        if let Some(cap) = cap {
            chains = choose(tt, chains, cap);
        }
        // A block that is still out when the next day's first vehicle leaves needs another name on
        // every other day, or one vehicle would be in two places.
        let next_day = 24 * 3600 + chains.iter().map(|c| first_start(tt, c).0).min().unwrap_or_default();
        let width = tt.routes.len().to_string().len().max(2);
        let base = 10usize.pow(u32::try_from(width.saturating_sub(1)).unwrap_or(1));
        let mut counts: FxHashMap<(RouteIdx, bool), usize> = FxHashMap::default();
        let duties = chains.into_iter().map(|trips| {
            let route = main_route(tt, &trips);
            let overnight = trips.last().is_some_and(|t| tt.ends(*t).0 + 1800 >= next_day);
            let count = counts.entry((route, overnight)).or_default();
            *count += 1;
            let night = match (overnight, date.days().rem_euclid(2)) {
                (false, _) => "",
                (true, 0) => "A",
                (true, _) => "B",
            };
            Duty { vehicle: VehicleId::from(format!("{}{count:02}{night}", base + route.at())), trips, route }
        });
        Self { duties: duties.collect() }
    }

    /// Every vehicle that has a duty on one of the days.
    #[must_use]
    pub fn fleet(tt: &Timetable, from: ServiceDate, days: i32, cap: Option<Cap>) -> Vec<VehicleId> {
        let all = (0..days).flat_map(|n| Self::for_day(tt, from.plus_days(n), cap).duties);
        let mut vehicles: Vec<VehicleId> = all.map(|d| d.vehicle).collect();
        vehicles.sort();
        vehicles.dedup();
        vehicles
    }

    /// Every vehicle that stands by on one of the days to take over from a broken one.
    #[must_use]
    pub fn reserves(tt: &Timetable, from: ServiceDate, days: i32, options: &Options) -> Vec<VehicleId> {
        let of_day = |date| reserves(date, Self::for_day(tt, date, options.cap).duties.len(), options);
        let mut all: Vec<VehicleId> = (0..days).flat_map(|n| of_day(from.plus_days(n))).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn first_start(tt: &Timetable, trips: &[TripIdx]) -> ServiceTime {
    trips.first().map(|t| tt.starts(*t)).unwrap_or_default()
}

fn main_route(tt: &Timetable, trips: &[TripIdx]) -> RouteIdx {
    let mut counts: Vec<(RouteIdx, usize)> = Vec::new();
    for t in trips {
        let route = tt.pattern_of(*t).route;
        match counts.iter_mut().find(|(r, _)| *r == route) {
            Some((_, n)) => *n += 1,
            None => counts.push((route, 1)),
        }
    }
    let most = counts.into_iter().max_by_key(|(r, n)| (*n, std::cmp::Reverse(*r)));
    most.map_or(RouteIdx::new(0), |(r, _)| r)
}

/// The chains of trips of one day, in no useful order.
fn blocks(tt: &Timetable, date: ServiceDate) -> Vec<Vec<TripIdx>> {
    let runs = tt.services_on(date);
    let mut by_block: FxHashMap<BlockIdx, Vec<TripIdx>> = FxHashMap::default();
    let mut loose: Vec<TripIdx> = Vec::new();
    for (t, trip) in tt.trips.iter() {
        if runs.get(trip.service).copied().unwrap_or(false) {
            match trip.block {
                Some(b) => by_block.entry(b).or_default().push(t),
                None => loose.push(t),
            }
        }
    }
    let mut named: Vec<(BlockIdx, Vec<TripIdx>)> = by_block.into_iter().collect();
    named.sort_by_key(|(b, _)| *b);
    let mut chains = Vec::new();
    for (_, mut trips) in named {
        trips.sort_by_key(|t| (tt.starts(*t), *t));
        // Where a feed puts two trips of one time into a block, one vehicle cannot run both.
        let mut end = ServiceTime(i32::MIN);
        trips.retain(|t| {
            let fits = tt.starts(*t) >= end;
            if fits {
                end = tt.ends(*t);
            } else {
                loose.push(*t);
            }
            fits
        });
        chains.push(trips);
    }
    chains.extend(join(tt, loose));
    chains
}

/// Where vehicles stand that have arrived and may go on: by the square of the plane they are in.
type Terminals = FxHashMap<(i32, i32), Vec<usize>>;

/// Joins trips into chains: each takes the vehicle of its route that has come to its terminal last,
/// or of another route, or a new one.
fn join(tt: &Timetable, mut trips: Vec<TripIdx>) -> Vec<Vec<TripIdx>> {
    trips.sort_by_key(|t| (tt.starts(*t), *t));
    let mut chains: Vec<Vec<TripIdx>> = Vec::new();
    let mut ends: Vec<(ServiceTime, Xy, RouteIdx)> = Vec::new();
    let mut standing: Terminals = Terminals::default();
    for t in trips {
        let (starts, route, from) = (tt.starts(t), tt.pattern_of(t).route, end_of(tt, t, false));
        let fits = |n: &usize| {
            ends.get(*n).is_some_and(|(end, at, _)| {
                let wait = (starts - *end).0;
                (WAIT_MIN..=WAIT_MAX).contains(&wait) && at.distance(from) <= TERMINAL
            })
        };
        let near = around(from).into_iter().filter_map(|cell| standing.get(&cell)).flatten().copied().filter(fits);
        let best = near.max_by_key(|n| ends.get(*n).map(|(end, _, r)| (*r == route, *end, std::cmp::Reverse(*n))));
        let chain = best.unwrap_or(chains.len());
        if best.is_none() {
            chains.push(Vec::new());
            ends.push((ServiceTime(0), from, route));
        }
        if let (Some(trips), Some(end)) = (chains.get_mut(chain), ends.get_mut(chain)) {
            if let Some(here) = standing.get_mut(&cell(end.1)) {
                here.retain(|n| *n != chain);
            }
            trips.push(t);
            *end = (tt.ends(t), end_of(tt, t, true), route);
            let here = standing.entry(cell(end.1)).or_default();
            here.retain(|n| chains_wait(*n, chain, starts, &ends));
            here.push(chain);
        }
    }
    chains
}

/// Whether a standing vehicle may still get another trip; keeps the list at a terminal short.
fn chains_wait(n: usize, newest: usize, now: ServiceTime, ends: &[(ServiceTime, Xy, RouteIdx)]) -> bool {
    n != newest && ends.get(n).is_some_and(|(end, _, _)| (now - *end).0 <= WAIT_MAX)
}

fn end_of(tt: &Timetable, t: TripIdx, last: bool) -> Xy {
    let pattern = tt.pattern_of(t);
    let at = if last { pattern.calls.len().saturating_sub(1) } else { 0 };
    pattern.call(StopPos::new(at)).map(|c| tt.stops.at(c.stop).xy).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "a city is some hundred squares wide")]
fn cell(p: Xy) -> (i32, i32) {
    ((p.x / TERMINAL).floor() as i32, (p.y / TERMINAL).floor() as i32)
}

fn around(p: Xy) -> [(i32, i32); 9] {
    let (x, y) = cell(p);
    [-1, 0, 1].map(|dx| [-1, 0, 1].map(|dy| (x + dx, y + dy))).concat().try_into().unwrap_or([(x, y); 9])
}

/// A chain's number, and how long it runs around [`Cap::at`] and in all, seconds.
type Busy = (usize, (i32, i32));

/// The busiest chains around a time, taken from the routes in turn.
fn choose(tt: &Timetable, chains: Vec<Vec<TripIdx>>, cap: Cap) -> Vec<Vec<TripIdx>> {
    let window = (cap.at.0 - BUSY.0, cap.at.0 + BUSY.1);
    let busy = |trips: &[TripIdx]| -> (i32, i32) {
        let spans = trips.iter().map(|t| (tt.starts(*t).0, tt.ends(*t).0));
        spans.fold((0, 0), |(near, all), (from, to)| {
            (near + (to.min(window.1) - from.max(window.0)).max(0), all + (to - from).max(0))
        })
    };
    let mut by_route: FxHashMap<RouteIdx, Vec<Busy>> = FxHashMap::default();
    for (n, trips) in chains.iter().enumerate() {
        by_route.entry(main_route(tt, trips)).or_default().push((n, busy(trips)));
    }
    let mut routes: Vec<(RouteIdx, Vec<Busy>)> = by_route.into_iter().collect();
    for (_, candidates) in &mut routes {
        candidates.sort_by_key(|(n, busy)| (std::cmp::Reverse(*busy), *n));
    }
    // The route with most to do goes first, so that a small cap does not fall on sleeping ones.
    routes.sort_by_key(|(r, c)| (std::cmp::Reverse(c.iter().map(|(_, b)| b.0).sum::<i32>()), *r));
    let rounds = routes.iter().map(|(_, c)| c.len()).max().unwrap_or(0);
    let order = (0..rounds).flat_map(|n| routes.iter().filter_map(move |(_, c)| c.get(n)).map(|(n, _)| *n));
    let mut keep: Vec<usize> = order.take(cap.vehicles).collect();
    keep.sort_unstable();
    let mut chains: Vec<Option<Vec<TripIdx>>> = chains.into_iter().map(Some).collect();
    keep.into_iter().filter_map(|n| chains.get_mut(n).and_then(Option::take)).collect()
}
