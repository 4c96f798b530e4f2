//! What a prediction rests on, as numbers: what the learner of the predictor's own errors
//! (`learning/residual.rs`) sees. Not here: what is made of them.

use crate::learning::links::LinkParts;

/// How many features there are.
pub const COUNT: usize = 26;

/// One prediction's features, in the order of [`of`].
pub type Features = [f32; COUNT];

/// The vehicle's part: the same for all its calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation {
    /// Between the last fix and the prediction, seconds.
    pub age: f32,
    /// It dwells at a stop: for how long, and how long it usually does, seconds.
    pub dwelling: Option<(f32, f32)>,
    /// It stands between stops: for how long, seconds.
    pub standing: Option<f32>,
    /// It has not left its first stop: how long until the timetable says so, seconds.
    pub waiting: Option<f32>,
    /// What is left of the current link by what is known of it, seconds.
    pub rest: f32,
    /// What would be left of it at the present speed, less [`Self::rest`], seconds.
    pub by_speed: f32,
    /// Behind the timetable at the last call, seconds.
    pub late: f32,
    /// What it lost on its last links, as a share of what they should have taken.
    pub pace: f32,
}

/// The way to a call: the whole links between, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    /// Of every part of their times, seconds.
    pub parts: LinkParts,
    /// Of the usual dwells on the way, seconds.
    pub dwell: f32,
    /// How many links.
    pub links: f32,
    /// Of the time a vehicle is expected to wait on the way: at timepoints, at terminals, seconds.
    pub held: f32,
}

impl Chain {
    /// A link more.
    pub fn add(&mut self, p: &LinkParts, dwell: f32) {
        let s = &mut self.parts;
        s.own += p.own;
        s.planned += p.planned;
        s.plan += p.plan;
        s.recent += p.recent;
        s.total += p.total;
        s.unseen = if self.links == 0.0 { p.unseen } else { s.unseen };
        self.dwell += dwell;
        self.links += 1.0;
    }
}

/// The features of a prediction with this lead, seconds.
#[must_use]
pub fn of(s: &Situation, c: &Chain, lead: f32) -> Features {
    let age = s.age.clamp(0.0, 180.0);
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    let moving = s.dwelling.is_none() && s.standing.is_none() && s.waiting.is_none();
    let (dwelt, dwell) = s.dwelling.unwrap_or_default();
    let stood = s.standing.unwrap_or_default();
    [
        1.0,
        lead,
        if moving { age } else { 0.0 },
        if s.dwelling.is_some() { age } else { 0.0 },
        if s.standing.is_some() { age } else { 0.0 },
        (age - 30.0).max(0.0),
        flag(s.dwelling.is_some()),
        flag(s.standing.is_some()),
        flag(s.waiting.is_some()),
        (dwelt - dwell).clamp(-60.0, 240.0),
        stood.min(600.0).ln_1p(),
        s.waiting.unwrap_or_default().clamp(-600.0, 1800.0),
        s.rest,
        s.by_speed.clamp(-120.0, 120.0),
        s.late.clamp(-300.0, 600.0),
        s.pace.clamp(-0.5, 1.0),
        s.pace.clamp(-0.5, 1.0) * (c.parts.total + s.rest),
        s.pace.clamp(-0.5, 1.0) * s.rest,
        c.parts.own - c.parts.total,
        c.parts.planned - c.parts.total,
        c.parts.plan - c.parts.total,
        c.parts.recent,
        c.links,
        c.dwell,
        c.held,
        c.parts.unseen,
    ]
}
