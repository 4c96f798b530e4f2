//! One model of position for every view: a place on a trip (next stop, share of the way to it) as a
//! place on a route's rail, for where a vehicle is and for where the timetable wants it.

use transit_model::dispatch::{DispatchState, LadderRail, Place, VehicleView};

/// Beyond this age a vehicle's data are marked, then stale, then it is silent (DESIGN §7), seconds.
const AGES: [i64; 3] = [45, 90, 180];

/// How old what is known of a vehicle is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Up to 45 s.
    #[default]
    Fresh,
    /// To 90 s.
    Marked,
    /// To 180 s.
    Stale,
    /// Beyond.
    Silent,
}

/// How old a fix of this age is, in words the passenger's board goes by too.
#[must_use]
pub const fn freshness(age_s: i64) -> Freshness {
    let [marked, stale, silent] = AGES;
    match age_s {
        a if a <= marked => Freshness::Fresh,
        a if a <= stale => Freshness::Marked,
        a if a <= silent => Freshness::Stale,
        _ => Freshness::Silent,
    }
}

/// Where a place is on a rail, counted in stops from the first: 2.4 is 40 % of the way from the
/// third stop to the fourth. `None` when the rail lacks the stop.
///
/// A loop passes a stop twice: the one nearest to the place's sequence is meant.
#[must_use]
pub fn on_rail(rail: &LadderRail, place: &Place) -> Option<f64> {
    let sequence = usize::try_from(place.next_sequence).unwrap_or(usize::MAX);
    let passes = rail.stops.iter().enumerate().filter(|(_, s)| s.id == place.next_stop).map(|(at, _)| at);
    let next = passes.min_by_key(|at| (at + 1).abs_diff(sequence))?;
    let fraction = if place.fraction.is_finite() { place.fraction.clamp(0.0, 1.0) } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a rail has a few hundred stops")]
    let next = next as f64;
    // Before the first stop there is no rail to be on.
    Some((next - 1.0 + fraction).max(0.0))
}

/// The rails of a route; empty when it has none.
#[must_use]
pub fn rails<'a>(state: &'a DispatchState, route: &str) -> &'a [LadderRail] {
    state.ladders.get(route).map(Vec::as_slice).unwrap_or_default()
}

/// Which of a route's rails a vehicle runs on, if it is on that route.
#[must_use]
pub fn rail_of(rails: &[LadderRail], vehicle: &VehicleView, route: &str) -> Option<usize> {
    let trip = vehicle.trip.as_ref().filter(|t| t.route_id == route)?;
    rails.iter().position(|r| r.direction == trip.direction)
}

/// Names of the stops a place lies between, in the rail of the vehicle's trip: before, next.
#[must_use]
pub fn between(state: &DispatchState, vehicle: &VehicleView, place: &Place) -> (Option<String>, String) {
    let named = vehicle.trip.as_ref().and_then(|trip| {
        let rails = rails(state, &trip.route_id);
        let rail = rails.get(rail_of(rails, vehicle, &trip.route_id)?)?;
        let sequence = usize::try_from(place.next_sequence).unwrap_or(usize::MAX);
        let passes = rail.stops.iter().enumerate().filter(|(_, s)| s.id == place.next_stop);
        let (at, next) = passes.min_by_key(|(at, _)| (at + 1).abs_diff(sequence))?;
        let before = at.checked_sub(1).and_then(|at| rail.stops.get(at)).map(|s| s.name.clone());
        Some((before, next.name.clone()))
    });
    // A stop the rail lacks may still be among the stops ahead; else its id must do.
    let ahead = || vehicle.stops_ahead.iter().find(|s| s.stop_id == place.next_stop).map(|s| s.name.clone());
    named.unwrap_or_else(|| (None, ahead().unwrap_or_else(|| place.next_stop.clone())))
}

#[cfg(test)]
mod tests {
    use transit_model::dispatch::LadderStop;

    use super::*;

    fn rail(stops: &[&str]) -> LadderRail {
        let stop = |id: &&str| LadderStop { id: (*id).to_owned(), name: (*id).to_uppercase() };
        LadderRail { direction: Some(0), headsign: String::new(), stops: stops.iter().map(stop).collect() }
    }

    fn place(next: &str, sequence: u32, fraction: f64) -> Place {
        Place { next_stop: next.to_owned(), next_sequence: sequence, fraction }
    }

    #[test]
    fn a_place_on_a_trip_is_a_place_on_the_rail() {
        let r = rail(&["a", "b", "c"]);
        for (next, sequence, fraction, wanted) in [
            ("b", 2, 0.0, Some(0.0)),
            ("b", 2, 0.4, Some(0.4)),
            ("c", 3, 1.0, Some(2.0)),
            ("a", 1, 0.3, Some(0.0)),
            ("c", 3, 7.0, Some(2.0)),
            ("c", 3, f64::NAN, Some(1.0)),
            ("x", 2, 0.5, None),
        ] {
            assert_eq!(on_rail(&r, &place(next, sequence, fraction)), wanted, "{next} {sequence} {fraction}");
        }
    }

    #[test]
    fn a_loop_passes_its_terminal_twice() {
        let r = rail(&["a", "b", "c", "a"]);
        assert_eq!(on_rail(&r, &place("a", 1, 0.0)), Some(0.0));
        assert_eq!(on_rail(&r, &place("a", 4, 0.5)), Some(2.5));
    }

    #[test]
    fn ages_are_those_of_the_boards() {
        let at = |s| freshness(s);
        assert_eq!((at(45), at(46)), (Freshness::Fresh, Freshness::Marked));
        assert_eq!((at(90), at(91)), (Freshness::Marked, Freshness::Stale));
        assert_eq!((at(180), at(181)), (Freshness::Stale, Freshness::Silent));
    }
}
