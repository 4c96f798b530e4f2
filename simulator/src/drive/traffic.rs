//! How slow the streets are: what is always so (and can be learned), what is so today, and what is
//! so in these minutes for everybody on the same link and in the streets around it.
//!
//! Each part is a field: it can be asked for any link and moment, in any order, and answers the same.
//! The spreads are fitted to a recording; `docs/simulator.md` tells how close they come.

use transit_model::ids::{LinkIdx, RouteIdx};
use transit_model::plane::Xy;
use transit_model::time::ServiceDate;
use transit_model::timetable::{LinkKey, Timetable};

use super::effect::Slow;
use crate::chance::{Topic, between, chance, normal, unit, word};

/// Spread of what a link costs at all times (deviation of the logarithm).
const LINK: f64 = 0.11;
/// Spread of what it costs at one time of every day of a kind.
const TIME_OF_DAY: f64 = 0.1;
/// How long that lasts, seconds.
const TIME_OF_DAY_LASTS: f64 = 3600.0;
/// Spread of what the vehicles of one route meet there at one time of every day of a kind: a school
/// that begins, a shift that ends, a timetable that is wrong there.
const HABIT: f64 = 0.11;
/// How long that lasts, seconds.
const HABIT_LASTS: f64 = 1500.0;
/// Spread between days.
const DAY: f64 = 0.03;
/// Spread of what everybody meets on a link within the same minutes.
const MINUTES: f64 = 0.03;
/// How long that lasts, seconds.
const MINUTES_LAST: f64 = 480.0;
/// Spread of what everybody meets in one neighbourhood.
const AREA: f64 = 0.05;
/// How long that lasts, seconds.
const AREA_LASTS: f64 = 1500.0;
/// How far it reaches, metres.
const AREA_REACH: f64 = 600.0;
/// Without rush a ride takes so much of what the timetable allows.
const CALM: f64 = 0.96;
/// How much a full rush adds on an average link: timetables know most of it.
const RUSH: f64 = 0.06;

/// The traffic of one service day.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    seed: u64,
    date: ServiceDate,
    weekend: bool,
    day: f64,
    /// Weather and incidents.
    slow: Vec<Slow>,
}

/// Lights on a link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Lights {
    /// Where, as a share of the link.
    pub(super) share: f64,
    /// How often one has to stop, 0..1.
    pub(super) red: f64,
    /// The longest wait, seconds.
    pub(super) cycle: f64,
}

impl Lights {
    /// What they cost on average, seconds.
    pub(super) fn mean(&self) -> f64 {
        self.red * self.cycle / 2.0
    }
}

impl Traffic {
    /// The traffic of a day.
    pub(super) fn of(seed: u64, date: ServiceDate) -> Self {
        let mut rng = chance(seed, Topic::Day, word_of(date), 0);
        let day = (DAY * normal(&mut rng)).exp();
        Self { seed, date, weekend: date.weekday() >= 5, day, slow: Vec::new() }
    }

    /// Weather or an incident.
    pub(super) fn slow_down(&mut self, slow: Slow) {
        self.slow.push(slow);
    }

    /// What a link costs at a moment, seconds of the service day, as a factor on the timetable's time.
    pub(super) fn slowness(&self, tt: &Timetable, route: RouteIdx, link: LinkIdx, at: f64) -> f64 {
        self.usual(tt.links.at(link).key, &tt.routes.at(route).id, at) * self.today(tt, link, at)
    }

    /// The part that a learner can know beforehand: the same on every day of this kind.
    fn usual(&self, link: LinkKey, route: &str, at: f64) -> f64 {
        let always = LINK * normal(&mut chance(self.seed, Topic::Link, link.0, 0));
        let kind = u64::from(self.weekend) << 32;
        let then = |n: u64| normal(&mut chance(self.seed, Topic::LinkHalfHour, link.0, n | kind));
        let clock = at.rem_euclid(86_400.0);
        let now = TIME_OF_DAY * smooth(clock / TIME_OF_DAY_LASTS, then);
        let own = link.0 ^ word(route);
        let habit = |n: u64| normal(&mut chance(self.seed, Topic::Habit, own, n | kind));
        let habit = HABIT * smooth(clock / HABIT_LASTS, habit);
        let feels = between(&mut chance(self.seed, Topic::LinkNature, link.0, 0), 0.3, 1.7);
        CALM * (always + now + habit).exp() * (RUSH * feels).mul_add(self.rush(at), 1.0)
    }

    /// What today adds: for every vehicle on the link, and around it, in these minutes.
    fn today(&self, tt: &Timetable, link: LinkIdx, at: f64) -> f64 {
        let l = tt.links.at(link);
        let day = word_of(self.date) << 20;
        let minutes = smooth(at / MINUTES_LAST, |n| {
            normal(&mut chance(self.seed, Topic::Minutes, l.key.0, day ^ (n & 0xf_ffff)))
        });
        let middle = tt.stops.at(l.from).xy.towards(tt.stops.at(l.to).xy, 0.5);
        let area = smooth(at / AREA_LASTS, |n| self.area(middle, day ^ (n & 0xf_ffff)));
        let met: f64 = self.slow.iter().filter(|s| s.is_met(link, at)).map(|s| s.factor).product();
        self.day * MINUTES.mul_add(minutes, AREA * area).exp() * met
    }

    /// What a neighbourhood has in one spell: smooth over the plane, deviation 1.
    fn area(&self, p: Xy, spell: u64) -> f64 {
        let (x, y) = (f64::from(p.x) / AREA_REACH, f64::from(p.y) / AREA_REACH);
        smooth(x, |i| smooth(y, |j| normal(&mut chance(self.seed, Topic::Area, (i << 32) | (j & 0xffff_ffff), spell))))
    }

    /// The lights on a link, if it has any.
    pub(super) fn lights(&self, link: LinkKey) -> Option<Lights> {
        let mut rng = chance(self.seed, Topic::LinkNature, link.0, 1);
        (unit(&mut rng) < 0.55).then(|| Lights {
            share: between(&mut rng, 0.4, 0.95),
            red: between(&mut rng, 0.25, 0.6),
            cycle: between(&mut rng, 20.0, 55.0),
        })
    }

    /// How much of the rush there is, 0..=1.
    pub(super) fn rush(&self, at: f64) -> f64 {
        let hour = at / 3600.0;
        let peak = |middle: f64, width: f64| (-((hour - middle) / width).powi(2)).exp();
        if self.weekend { 0.35 * peak(13.0, 3.0) } else { peak(8.0, 1.1).max(peak(17.4, 1.6)) }
    }
}

/// A line of independent draws made smooth: between two of them it changes evenly, and its
/// deviation stays theirs.
fn smooth(at: f64, draw: impl Fn(u64) -> f64) -> f64 {
    let (whole, share) = (at.floor(), at - at.floor());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a name of a draw; wraps if negative")]
    let n = whole as i64 as u64;
    let mixed = draw(n).mul_add(1.0 - share, draw(n.wrapping_add(1)) * share);
    mixed / (1.0 - 2.0 * share * (1.0 - share)).sqrt()
}

/// A date as a word of a draw's name.
pub(crate) fn word_of(date: ServiceDate) -> u64 {
    u64::from(date.days().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neighbours in time are alike, strangers are not, and the spread is the same everywhere.
    #[test]
    fn a_smooth_line_keeps_its_spread() {
        let draw = |n: u64| normal(&mut chance(3, Topic::Minutes, 1, n));
        for share in [0.0, 0.25, 0.5] {
            let many: Vec<f64> = (0..4000).map(|n| smooth(f64::from(n) + share, draw)).collect();
            let variance = many.iter().map(|x| x * x).sum::<f64>() / 4000.0;
            assert!((0.9..1.1).contains(&variance), "{variance} at {share}");
        }
        let near: f64 = (0..4000).map(|n| smooth(f64::from(n), draw) * smooth(f64::from(n) + 0.2, draw)).sum();
        let far: f64 = (0..4000).map(|n| smooth(f64::from(n), draw) * smooth(f64::from(n) + 2.2, draw)).sum();
        assert!(near / 4000.0 > 0.85 && (far / 4000.0).abs() < 0.08, "{near} {far}");
    }
}
