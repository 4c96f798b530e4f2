//! How long a ride takes: distance, stops, crowd, hour; and how a timetable writes it down.

use super::calendar::Days;
use super::network::LineWay;
use super::order::{Kind, Population};

pub(crate) const MINUTE: i32 = 60;
pub(crate) const HOUR: i32 = 3600;
/// Of what a stretch takes, a timetable whose minutes are whole keeps at least so much.
const KEPT: f32 = 0.75;

/// How fast a kind of vehicle is in one city.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between stops, m/s.
    speed: f32,
    /// What a stop costs with braking and doors, seconds.
    stop: f32,
    /// How much of the rush the city feels: 0.8 a small one, 1.4 the largest.
    jam: f32,
}

impl Pace {
    /// Of a kind in a city of this size.
    pub(crate) fn of(kind: Kind, population: Population) -> Self {
        let (speed, stop, feels) = match kind {
            Kind::Trolleybus => (8.2, 27.0, 1.0),
            // On rails of its own for most of the way.
            Kind::Tram => (8.0, 25.0, 0.5),
            Kind::Bus => (8.8, 24.0, 1.0),
        };
        Self { speed, stop, jam: feels * (0.8 + 0.6 * (population.thousands() / 3000.0).sqrt()) }
    }

    /// How much longer than on an empty street.
    fn slowness(self, days: Days, at: i32) -> f32 {
        let rush = match (days, at / HOUR) {
            (_, ..=5 | 21..) => -0.1,
            (Days::Weekday, 7..9) => 0.16,
            (Days::Weekday, 16..19) => 0.2,
            (Days::Weekday, 9..16) => 0.05,
            (Days::Saturday, 10..18) => 0.03,
            _ => 0.0,
        };
        1.0 + rush * self.jam
    }

    /// Seconds from the departure to each call. The stops that have times of their own have whole
    /// minutes; the others lie between them as they would be driven.
    pub(crate) fn ride(self, way: &LineWay, days: Days, departs: i32) -> Vec<i32> {
        let calls = &way.way.calls;
        let mut driven = vec![0.0f32];
        let mut at = 0.0f32;
        for ((a, b), crowd) in calls.iter().zip(calls.iter().skip(1)).zip(&way.crowded) {
            let empty = (b.along - a.along) / self.speed + self.stop;
            at += empty * crowd * self.slowness(days, departs + at as i32);
            driven.push(at);
        }
        let last = calls.len().saturating_sub(1);
        let fixed = |n: usize| n == last || calls.get(n).is_some_and(|c| c.timed);
        let mut times = vec![0];
        let (mut from, mut since) = (0.0f32, 0);
        let mut open: Vec<f32> = Vec::new();
        for (n, at) in driven.iter().enumerate().skip(1) {
            open.push(*at);
            if !fixed(n) {
                continue;
            }
            let least = minutes(KEPT * (at - from)).max(MINUTE);
            let until = nearest_minute(*at).max(since + least);
            let stretch = (until - since) as f32 / (at - from).max(1.0);
            times.extend(open.drain(..).map(|t| since + ((t - from) * stretch).round() as i32));
            (from, since) = (*at, until);
        }
        times
    }

    /// The whole ride, seconds.
    pub(crate) fn whole(self, way: &LineWay, days: Days, departs: i32) -> i32 {
        self.ride(way, days, departs).last().copied().unwrap_or(0)
    }
}

/// The driver's rest after a ride, and the margin that a late vehicle recovers in: a twelfth of
/// it, 4 to 10 minutes.
pub(crate) fn rest(ride: i32) -> i32 {
    ((ride / 12 + MINUTE - 1) / MINUTE * MINUTE).clamp(4 * MINUTE, 10 * MINUTE)
}

fn minutes(seconds: f32) -> i32 {
    (seconds / 60.0).ceil() as i32 * MINUTE
}

fn nearest_minute(seconds: f32) -> i32 {
    (seconds / 60.0).round() as i32 * MINUTE
}
