//! Where a vehicle of a load is: a pure function of its number and the moment, cheap enough for millions a
//! second. It drives to and fro on one line of a real timetable, at a pace of its own, with stops.
//!
//! Not here: traffic, timetables kept, errors of receivers; that is [`crate::drive`] and [`crate::tracker`].

use tracker_ingest::codec::{AttrKey, AttrValue, Position, Record};
use transit_model::plane::{Plane, Polyline};
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

/// The shortest line a vehicle drives on, metres.
const SHORTEST: f32 = 300.0;
/// A vehicle drives so long, seconds, and then stands.
const DRIVES: f64 = 50.0;
/// It stands so long, seconds.
const STANDS: f64 = 15.0;
/// The paces, m/s: the slowest, and what the fastest have more.
const PACE: (f64, f64) = (7.0, 5.0);

/// The lines of a city.
#[derive(Clone, Debug)]
pub struct Ways {
    plane: Plane,
    lines: Vec<Polyline>,
}

impl Ways {
    /// The lines that a timetable's trips run along; `None` where none is long enough.
    #[must_use]
    pub fn of(timetable: &Timetable) -> Option<Self> {
        let lines: Vec<Polyline> =
            timetable.shapes.as_slice().iter().filter(|s| s.length() >= SHORTEST).cloned().collect();
        (!lines.is_empty()).then_some(Self { plane: timetable.plane, lines })
    }

    /// Where a vehicle is.
    #[must_use]
    pub fn place(&self, vehicle: u32, at: UnixMs) -> Position {
        let nature = mixed(vehicle);
        let share = |bits: u32| f64::from((nature >> bits) as u16) / 65_536.0;
        let Some(line) = self.lines.get(vehicle as usize % self.lines.len().max(1)) else {
            return Position::default();
        };
        let (length, pace) = (f64::from(line.length()), share(0).mul_add(PACE.1, PACE.0));
        let clock = share(16).mul_add(DRIVES + STANDS, at.secs_f64());
        let (rounds, within) = ((clock / (DRIVES + STANDS)).floor(), clock.rem_euclid(DRIVES + STANDS));
        let drives = within < DRIVES;
        let moved = pace * rounds.mul_add(DRIVES, within.min(DRIVES));
        let both_ways = share(32).mul_add(2.0 * length, moved).rem_euclid(2.0 * length);
        let back = both_ways > length;
        #[expect(clippy::cast_possible_truncation, reason = "metres along a line")]
        let along = if back { 2.0 * length - both_ways } else { both_ways } as f32;
        let (lat, lon) = self.plane.lat_lon(line.point_at(along));
        let heading = line.heading_at(along).map(|h| if back { (h + 180.0) % 360.0 } else { h });
        #[expect(clippy::cast_possible_truncation, reason = "metres a second")]
        let speed = if drives { pace as f32 } else { 0.0 };
        Position {
            lat,
            lon,
            altitude: Some(80.0),
            speed: Some(speed),
            bearing: heading.filter(|_| drives),
            satellites: Some(11),
            valid: true,
            ..Position::default()
        }
    }

    /// What its tracker says of that: the place, and the sensors a bus's tracker sends along (ignition,
    /// movement, signal, supply in mV, odometer in m).
    #[must_use]
    pub fn record(&self, vehicle: u32, at: UnixMs) -> Record {
        let position = self.place(vehicle, at);
        let moves = u64::from(position.speed.is_some_and(|s| s > 0.0));
        let odometer = u64::try_from(at.secs().rem_euclid(1 << 24)).unwrap_or(0) * 5;
        let sensors = [(239, 1), (240, moves), (21, 4), (66, 27_600 + u64::from(vehicle % 900)), (16, odometer)];
        let attributes = sensors.into_iter().map(|(id, v)| (AttrKey::Io(id), AttrValue::Int(v))).collect();
        Record { attributes, ..Record::at(at, position) }
    }
}

/// A number that looks like chance and is always the same (the finaliser of SplitMix64).
const fn mixed(n: u32) -> u64 {
    let mut z = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use transit_model::plane::haversine;
    use transit_model::time::ServiceDate;

    use super::*;
    use crate::city;

    #[test]
    fn vehicles_move_as_buses_do_and_each_by_itself() {
        let city = city::load(ServiceDate::from_days(20_780)).unwrap().timetable;
        let ways = Ways::of(&city).unwrap();
        for vehicle in 0..200 {
            let mut far = 0.0;
            let mut last = ways.place(vehicle, UnixMs::from_secs(1_795_000_000));
            for second in 1..600 {
                let p = ways.place(vehicle, UnixMs::from_secs(1_795_000_000 + second));
                let metres = haversine(last.lat, last.lon, p.lat, p.lon);
                // Half a metre for the plane's rounding, and a turn at the end of the line.
                assert!(metres <= f64::from(last.speed.unwrap().max(p.speed.unwrap())) + 0.5, "{vehicle}: {metres}");
                assert_eq!(p.bearing.is_some(), p.speed.unwrap() > 0.0);
                far += metres;
                last = p;
            }
            assert!(far > 2500.0, "{vehicle} came {far} m in ten minutes");
        }
        let here = |v| ways.place(v, UnixMs::from_secs(1_795_000_000));
        let lines = u32::try_from(ways.lines.len()).unwrap();
        assert_ne!((here(0).lat, here(0).lon), (here(lines).lat, here(lines).lon), "two of one line are apart");
        assert_eq!(here(7), here(7));
    }
}
