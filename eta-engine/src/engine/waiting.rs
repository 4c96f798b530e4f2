//! Predictions of one vehicle that wait to come true: what the predictor learns its own errors from. A large
//! fleet keeps hundreds for each vehicle, so they are small.

use transit_model::ids::StopPos;
use transit_model::time::UnixMs;

use super::features::Features;
use super::predict::Estimate;
use crate::learning::calibration::{Doing, LEADS, lead_bin};
use crate::world::TripDay;

/// How many wait: of the oldest a quarter is given up when there are more.
pub(super) const MOST: usize = 1024;
/// Beyond so many each reach of lead and each thing the vehicle may be doing is kept once for a call; below, as
/// often as they change.
const MANY: usize = 256;
/// Of so many predictions one is kept with what it rested on.
const SAMPLE: u64 = 4;

/// Which predictions of a call wait: a bit for every reach of lead and everything the vehicle may have been
/// doing, and which of them was kept last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Kept {
    all: u64,
    last: u64,
}

impl Kept {
    fn and(self, bin: u8, doing: Doing) -> Self {
        let last = 1 << (u32::from(bin) * 4 + doing as u32);
        Self { all: self.all | last, last }
    }
}

/// 14 reaches and four things to do fit into 64 bits.
const _: () = assert!(LEADS.len() * 4 <= 64);

/// A prediction.
#[derive(Clone, Copy, Debug)]
struct Pending {
    on: TripDay,
    /// Counts what was kept.
    number: u32,
    /// When it was made, ms since [`Waiting::since`].
    made: i32,
    /// The arrival that was predicted, ms after that.
    lead: i32,
    pos: u16,
    bin: u8,
    doing: Doing,
}

/// The same by the chain of links alone, and what it rested on.
#[derive(Clone, Copy, Debug)]
struct Sample {
    on: TripDay,
    number: u32,
    made: i32,
    lead: i32,
    pos: u16,
    features: Features,
}

/// A prediction that came true, or did not.
#[derive(Clone, Copy, Debug)]
pub(super) struct CameTrue {
    /// What the vehicle was doing when it was made.
    pub(super) doing: Doing,
    /// How far ahead it was, seconds.
    pub(super) lead: f32,
    /// Actual − predicted before calibration, seconds.
    pub(super) error: f32,
}

/// Predictions that wait to come true.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    since: UnixMs,
    number: u32,
    predictions: Vec<Pending>,
    samples: Vec<Sample>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.predictions.len()
    }

    /// What is kept of a call.
    fn of(&self, on: TripDay, pos: StopPos) -> Kept {
        let of_call = self.predictions.iter().filter(|p| p.on == on && p.pos == pos.0);
        of_call.fold(Kept::default(), |all, p| all.and(p.bin, p.doing))
    }

    /// Keeps a prediction, unless one like it waits already. `kept` is what waits of the call, where that is
    /// known. Says what waits then, and whether old ones were given up for it.
    pub(super) fn offer(
        &mut self,
        e: &Estimate,
        raw: UnixMs,
        doing: Doing,
        now: UnixMs,
        kept: Option<Kept>,
    ) -> (Kept, bool) {
        let bin = u8::try_from(lead_bin(seconds(raw.0 - now.0))).unwrap_or(0);
        let before = kept.unwrap_or_else(|| self.of(e.call.on, e.call.pos));
        let after = before.and(bin, doing);
        // Where many wait, one that differs only from the last says again what an earlier one said.
        if after.last == before.last || self.predictions.len() >= MANY && after.all == before.all {
            return (before, false);
        }
        if self.keep(e, raw, (bin, doing), now) { (self.of(e.call.on, e.call.pos), true) } else { (after, false) }
    }

    /// Keeps a prediction; says whether old ones were given up for it.
    fn keep(&mut self, e: &Estimate, raw: UnixMs, (bin, doing): (u8, Doing), now: UnixMs) -> bool {
        let full = self.predictions.len() >= MOST;
        if full {
            self.predictions.drain(..MOST / 4);
            let first = self.predictions.first().map_or(self.number, |p| p.number);
            self.samples.retain(|s| s.number >= first);
        }
        if self.predictions.is_empty() {
            (self.since, self.number) = (now, 0);
        }
        let (on, pos, number) = (e.call.on, e.call.pos.0, self.number);
        let made = short(now.0 - self.since.0);
        self.number += 1;
        push(&mut self.predictions, Pending { on, number, made, lead: short(raw.0 - now.0), pos, bin, doing });
        if (now.secs().unsigned_abs() / 7 + u64::from(pos)).is_multiple_of(SAMPLE) {
            let lead = short(e.chain.0 - now.0);
            push(&mut self.samples, Sample { on, number, made, lead, pos, features: e.features });
        }
        full
    }

    /// The predictions that an arrival proves or disproves, and of a sample of them the lead, the features
    /// and the error by the chain of links alone.
    pub(super) fn came_true(
        &mut self,
        on: TripDay,
        pos: StopPos,
        at: UnixMs,
    ) -> (Vec<CameTrue>, Vec<(f32, Features, f32)>) {
        let since = self.since.0;
        let error = |made: i32, lead: i32| seconds(at.0 - since - i64::from(made) - i64::from(lead));
        let before = |made: i32| since + i64::from(made) < at.0;
        let judged = self.predictions.iter().filter(|p| p.on == on && p.pos == pos.0 && before(p.made));
        let judged =
            judged.map(|p| CameTrue { doing: p.doing, lead: seconds(i64::from(p.lead)), error: error(p.made, p.lead) });
        let chains = self.samples.iter().filter(|s| s.on == on && s.pos == pos.0 && before(s.made));
        let chains = chains.map(|s| (seconds(i64::from(s.lead)), s.features, error(s.made, s.lead)));
        let both = (judged.collect(), chains.collect());
        self.predictions.retain(|p| p.on != on || p.pos > pos.0);
        self.samples.retain(|s| s.on != on || s.pos > pos.0);
        both
    }

    /// Gives up what was predicted of other trips.
    pub(super) fn only(&mut self, on: TripDay) {
        self.predictions.retain(|p| p.on == on);
        self.samples.retain(|s| s.on == on);
    }
}

fn seconds(ms: i64) -> f32 {
    ms as f32 / 1000.0
}

fn short(ms: i64) -> i32 {
    i32::try_from(ms).unwrap_or(if ms < 0 { i32::MIN } else { i32::MAX })
}

/// Lists grow by a quarter: that of a vehicle is never long, and there are many vehicles.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 8);
    }
    list.push(item);
}
