//! How slow the streets are: what is always so (and can be learned), what is so today, and what is
//! so in these minutes for everybody on the same link.

use transit_model::ids::Idx;
use transit_model::ids::StopIdx;
use transit_model::time::{ServiceDate, ServiceTime};
use transit_model::timetable::LinkKey;

use crate::chance::{Topic, between, chance, normal, unit};

/// Spread of what a link costs at all times (deviation of the logarithm).
const LINK: f64 = 0.14;
/// Spread of what it costs in one half hour of every day.
const HALF_HOUR: f64 = 0.07;
/// Spread between days.
const DAY: f64 = 0.05;
/// Spread of what everybody meets on a link within the same minutes.
const MINUTES: f64 = 0.11;
/// How long that lasts, seconds.
const SPELL: f64 = 420.0;
/// Without rush a ride takes so much of what the timetable allows.
const CALM: f64 = 0.97;
/// How much a full rush adds on an average link.
const RUSH: f64 = 0.18;

/// The traffic of one service day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    seed: u64,
    date: ServiceDate,
    weekend: bool,
    day: f64,
}

/// Lights on a link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Lights {
    /// Where, as a share of the link.
    pub(crate) share: f64,
    /// How often one has to stop, 0..1.
    pub(crate) red: f64,
    /// The longest wait, seconds.
    pub(crate) cycle: f64,
}

impl Lights {
    /// What they cost on average, seconds.
    pub(crate) fn mean(&self) -> f64 {
        self.red * self.cycle / 2.0
    }
}

impl Traffic {
    /// The traffic of a day.
    pub(crate) fn of(seed: u64, date: ServiceDate) -> Self {
        let mut rng = chance(seed, Topic::Day, word_of(date), 0);
        Self { seed, date, weekend: date.weekday() >= 5, day: (DAY * normal(&mut rng)).exp() }
    }

    /// What a link costs at a time of any day of this kind, as a factor on the timetable's time:
    /// the part a learner can know beforehand.
    pub(crate) fn usual(&self, link: LinkKey, at: ServiceTime) -> f64 {
        let half_hour = u64::try_from(at.0.rem_euclid(86_400) / 1800).unwrap_or(0);
        let always = LINK * normal(&mut chance(self.seed, Topic::Link, link.0, 0));
        let kind = u64::from(self.weekend);
        let now = HALF_HOUR * normal(&mut chance(self.seed, Topic::LinkHalfHour, link.0, half_hour * 2 + kind));
        let feels = between(&mut chance(self.seed, Topic::LinkNature, link.0, 0), 0.3, 1.7);
        CALM * (always + now).exp() * (RUSH * feels).mul_add(self.rush(at), 1.0)
    }

    /// What today adds to the usual, for every vehicle on the link in these minutes.
    pub(crate) fn today(&self, link: LinkKey, at: ServiceTime) -> f64 {
        let spell = f64::from(at.0) / SPELL;
        let (n, share) = (spell.floor(), spell - spell.floor());
        let draw = |n: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a few hundred; wraps if negative"
            )]
            let n = n as i64 as u64;
            normal(&mut chance(self.seed, Topic::Minutes, link.0, (word_of(self.date) << 20) ^ (n & 0xf_ffff)))
        };
        // Between two spells the traffic changes smoothly; the root keeps the spread the same.
        let mixed = draw(n).mul_add(1.0 - share, draw(n + 1.0) * share) / (1.0 - 2.0 * share * (1.0 - share)).sqrt();
        self.day * (MINUTES * mixed).exp()
    }

    /// The lights on a link, if it has any.
    pub(crate) fn lights(&self, link: LinkKey) -> Option<Lights> {
        let mut rng = chance(self.seed, Topic::LinkNature, link.0, 1);
        (unit(&mut rng) < 0.35).then(|| Lights {
            share: between(&mut rng, 0.5, 0.92),
            red: between(&mut rng, 0.25, 0.6),
            cycle: between(&mut rng, 20.0, 50.0),
        })
    }

    /// The mean dwell at a stop at a time of day, seconds.
    pub(crate) fn dwell(&self, stop: StopIdx, at: ServiceTime) -> f64 {
        let mut rng = chance(self.seed, Topic::Stop, stop.at() as u64, 0);
        between(&mut rng, 8.0, 22.0) * 0.5f64.mul_add(self.rush(at), 1.0)
    }

    /// How much of the rush there is, 0..=1.
    fn rush(&self, at: ServiceTime) -> f64 {
        let hour = f64::from(at.0) / 3600.0;
        let peak = |middle: f64, width: f64| (-((hour - middle) / width).powi(2)).exp();
        if self.weekend { 0.35 * peak(13.0, 3.0) } else { peak(8.0, 1.1).max(peak(17.4, 1.6)) }
    }
}

/// A date as a word of a draw's name.
pub(crate) fn word_of(date: ServiceDate) -> u64 {
    u64::from(date.days().unsigned_abs())
}
