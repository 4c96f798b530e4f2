//! Which departures stand on a board, and in what order: what is followed and what the timetable
//! has, made one. Rules are numbered in `docs/board-rules.md`.

use rustc_hash::FxHashMap;
use transit_model::board::{BoardRoute, BoardRow, Freshness, RowSource};
use transit_model::ids::{Idx, StopIdx, StopPos};
use transit_model::lang::Lang;
use transit_model::time::UnixMs;
use transit_model::timetable::{Boarding, Timetable};

use super::labels::{self, Calculated, Call, LiveCall, Said};
use super::words;
use crate::world::{CallPrediction, TripDay, Vehicle, World, call_key};

/// Rule 9: how far ahead a board looks, milliseconds.
pub const LOOKAHEAD_MS: i64 = 90 * 60_000;

/// A departure that stands on the board.
#[derive(Clone, Copy, Debug)]
pub struct Departure<'a> {
    /// Which trip.
    pub on: TripDay,
    /// Which of its calls.
    pub pos: StopPos,
    /// Where.
    pub stop: StopIdx,
    /// What its labels are made of.
    pub call: Call,
    /// Who comes, when somebody is followed.
    pub by: Option<(&'a Vehicle, &'a CallPrediction)>,
}

/// The departures from these stops (one, or the platforms of a station) to show at `now`, in the
/// order to show them.
#[must_use]
pub fn departures<'a>(world: &'a World, stops: &[StopIdx], now: UnixMs) -> Vec<Departure<'a>> {
    let mut found: FxHashMap<(TripDay, StopPos), Departure<'a>> = FxHashMap::default();
    for stop in stops {
        for (vehicle, call) in world.live_at(*stop).filter(|(_, c)| is_departure(&world.timetable, c.on, c.pos)) {
            let departure = followed(world, vehicle, call);
            let best = found.entry((call.on, call.pos)).or_insert(departure);
            if trust(&departure, now) > trust(best, now) {
                *best = departure;
            }
        }
    }
    let from = UnixMs(now.0.saturating_sub(labels::TIMETABLE_GRACE_MS));
    let to = UnixMs(now.0.saturating_add(LOOKAHEAD_MS));
    for stop in stops {
        for c in world.scheduled_at(*stop, from, to) {
            let cancelled = world.progress_of(c.on).cancelled;
            let call = Call { scheduled: c.departure, cancelled, live: None };
            // Rule 6: what is followed stands once, in place of the timetable's row.
            found.entry((c.on, c.pos)).or_insert(Departure { on: c.on, pos: c.pos, stop: *stop, call, by: None });
        }
    }
    let mut rows: Vec<_> = found
        .into_values()
        .filter(|d| !has_departed(world, d) && d.call.said_at(now) != Said::Gone && d.call.order_at(now) < to)
        .collect();
    rows.sort_by_cached_key(|d| order(&world.timetable, d, now));
    rows
}

/// Rule 7: a departed vehicle never comes back.
fn has_departed(world: &World, d: &Departure<'_>) -> bool {
    d.pos.0 < world.progress_of(d.on).passed
}

/// Rule 10: nobody departs from a last stop, nor from one where nobody may get on.
fn is_departure(t: &Timetable, on: TripDay, pos: StopPos) -> bool {
    let Some(trip) = t.trips.get(on.trip) else { return false };
    let pattern = t.patterns.at(trip.pattern);
    pos.at() + 1 < pattern.calls.len() && pattern.call(pos).is_some_and(|c| c.pickup != Boarding::None)
}

fn followed<'a>(world: &World, vehicle: &'a Vehicle, call: &'a CallPrediction) -> Departure<'a> {
    // At its first stop a vehicle stands and waits: there people ask when it leaves.
    let shown = if call.pos == StopPos(0) { call.published_departure } else { call.published_arrival };
    let live = LiveCall {
        shown,
        leaves: call.published_departure.max(shown),
        // A tracker's clock may run ahead; what it says is not fresher than the moment we know of.
        fix_time: vehicle.fix_time.min(world.now),
        begun: vehicle.on_trip.as_ref().is_some_and(|t| t.on == call.on),
        calculated: vehicle.held.map(|h| {
            let unsure = call.arrival_p90.0.saturating_sub(call.arrival.0);
            Calculated { surely_left: UnixMs(call.published_departure.0.saturating_add(unsure)), until: h.until }
        }),
    };
    let cancelled = world.progress_of(call.on).cancelled;
    let labels = Call { scheduled: call.scheduled_departure, cancelled, live: Some(live) };
    Departure { on: call.on, pos: call.pos, stop: call.stop, call: labels, by: Some((vehicle, call)) }
}

/// Of two vehicles on one trip the fresher known, then the surer, then always the same.
fn trust<'a>(d: &Departure<'a>, now: UnixMs) -> impl PartialOrd + use<'a> {
    let vehicle = d.by.map(|(v, _)| v);
    let fresh = vehicle.map(|v| match labels::freshness(v.fix_time, now) {
        Freshness::Fresh => 3,
        Freshness::Marked => 2,
        Freshness::Stale => 1,
        Freshness::None => 0,
    });
    (fresh, vehicle.map(|v| v.confidence), vehicle.map(|v| std::cmp::Reverse(v.id.clone())))
}

/// Rule 9: by the moment shown, then by route, then by name, so that the order is always one.
fn order(t: &Timetable, d: &Departure<'_>, now: UnixMs) -> (UnixMs, usize, TripDay, StopPos) {
    (d.call.order_at(now), t.pattern_of(d.on.trip).route.at(), d.on, d.pos)
}

/// The row of a departure. `name_platform` on the board of a station.
#[must_use]
pub fn row(world: &World, d: &Departure<'_>, lang: Lang, name_platform: bool, now: UnixMs) -> BoardRow {
    let t = &*world.timetable;
    let (trip, route) = (t.trips.at(d.on.trip), t.route_of(d.on.trip));
    let freshness = d.by.map_or(Freshness::None, |(v, _)| labels::freshness(v.fix_time.min(world.now), now));
    let estimated = matches!(d.call.said_at(now), Said::Estimated(_));
    let source = match (d.call.cancelled, freshness) {
        (true, _) => RowSource::Cancelled,
        (false, Freshness::None) => RowSource::Timetable,
        // Nobody sees it: it is not live, however short a time ago it was.
        (false, _) if estimated => RowSource::Timetable,
        (false, _) => RowSource::Live,
    };
    let predicted = d.by.map(|(_, c)| c).filter(|_| source == RowSource::Live || estimated);
    let platform = if name_platform { t.stops.at(d.stop).platform.to_string() } else { String::new() };
    let hex = |rgb: u32| format!("#{:06x}", rgb & 0xff_ffff);
    BoardRow {
        key: call_key(t, d.on, d.pos),
        route: BoardRoute {
            id: route.id.to_string(),
            name: route.short_name.to_string(),
            mode: route.mode,
            mode_name: words::mode(route.mode, lang).to_owned(),
            colour: route.colour.map(hex),
            text_colour: route.text_colour.map(hex),
        },
        destination: trip.headsign.to_string(),
        spoken: words::spoken_head(route.mode, &route.short_name, &trip.headsign, &platform, lang),
        platform,
        trip_id: trip.id.to_string(),
        service_date: d.on.date,
        stop_sequence: t.pattern_of(d.on.trip).call(d.pos).map_or(0, |c| c.seq.0),
        vehicle_id: d.by.map(|(v, _)| v.id.to_string()),
        source,
        estimated,
        freshness,
        wheelchair: trip.wheelchair,
        crowding: None,
        scheduled: d.call.scheduled,
        arrival: predicted.map(|c| c.published_arrival),
        arrival_p10: predicted.map(|c| c.arrival_p10),
        arrival_p90: predicted.map(|c| c.arrival_p90),
        departure: predicted.map(|c| c.published_departure),
        fix_time: d.by.map(|(v, _)| v.fix_time),
        labels: labels::timeline(&d.call, lang, &t.zone, now),
    }
}
