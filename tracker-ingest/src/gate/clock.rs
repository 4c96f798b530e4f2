//! How far a device's clock is off ours, ahead or behind.
//!
//! *Ahead* is proved by one record: a fix cannot come before it was made. *Behind* is proved by none, for a record
//! from the past may be a slow network or a backlog. What tells them apart is the lower envelope of `received −
//! time`: a delay changes from message to message, and a backlog shrinks as it drains; a wrong clock adds the same
//! to every message, and the messages come at the tracker's own rhythm. So the newest record of each message is
//! compared with those before it, and only a difference that stays the same over many messages and minutes is
//! taken off. What is proved stays: a backlog that follows does not make a clock right again.
//!
//! Some differences need less proof, for no network makes them: whole quarters of an hour are a time zone set
//! wrongly; 1024 weeks are a receiver that counts weeks in ten bits (IS-GPS-200, 20.3.3.3.1.1).
//!
//! The constants, and what they cannot tell apart: `docs/decisions/0020-a-clock-that-is-behind.md`.

use transit_model::time::UnixMs;

use crate::rejection::Rejection;

/// How many leads are remembered to follow a clock that drifts.
const REMEMBERED: usize = 8;
/// 1024 weeks, ms.
const ROLLOVER: i64 = 1024 * 7 * 86_400_000;
/// Messages of one difference are that near each other, ms: the jitter of a mobile network, and whole seconds.
const BAND: i64 = 5_000;
/// Further apart in time, ms, messages are no rhythm.
const RHYTHM: i64 = 600_000;
/// A lag below this, ms, is never taken for the clock's: trackers that send a record when the next is made, and
/// servers between that ask every minute, are as late as that all the time.
const LEAST_LAG: i64 = 120_000;
/// Time zones are whole quarters of an hour apart, ms.
const QUARTER: i64 = 900_000;
/// And a message of a device with the wrong zone is at most so much later than that, ms.
const ZONE_DELAY: i64 = 15_000;
/// So many messages, over so long (ms), prove a difference of a time zone, of a clock that is right again, any other.
const ZONE: (u32, i64) = (6, 60_000);
const RIGHT: (u32, i64) = (8, 0);
const OTHER: (u32, i64) = (20, 600_000);
/// After so many, and so long, a difference is suspected: a backlog that drains comes faster.
const SUSPECTED: (u32, i64) = (3, 20_000);

/// The limits, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) tolerance: i64,
    /// The most a clock may be ahead.
    pub(super) most: i64,
    /// The most it may be behind, apart from whole rollovers; 0 = it is never taken for behind.
    pub(super) most_behind: i64,
    pub(super) agreeing: u32,
    /// The oldest a record may be.
    pub(super) backlog: i64,
}

/// The clock of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// How far it is ahead, ms; negative = behind. Whole rollovers apart.
    offset: i64,
    /// How many times its weeks have rolled over.
    rollovers: i64,
    rolled: Rolled,
    /// `time - received` of the last believed records, ms; a ring.
    recent: [i64; REMEMBERED],
    at: usize,
    doubted: Option<Doubted>,
    /// The newest record of the message that is being read.
    moment: Option<(UnixMs, i64)>,
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rolled {
    messages: u32,
    received: Option<UnixMs>,
}

#[derive(Clone, Copy, Debug)]
struct Doubted {
    lead: i64,
    received: UnixMs,
    agreeing: u32,
}

/// Messages that are late by the same.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first's lead, and the greatest.
    first: i64,
    level: i64,
    since: UnixMs,
    last: UnixMs,
    messages: u32,
    /// Among them so many that were later still.
    later: u32,
}

impl Clock {
    /// As it was known before a restart.
    pub(super) fn known(offset_ms: i64) -> Self {
        let rollovers = (-offset_ms).saturating_add(ROLLOVER / 2).div_euclid(ROLLOVER).max(0);
        let offset = offset_ms.saturating_add(rollovers.saturating_mul(ROLLOVER));
        Self { offset, rollovers, recent: [offset; REMEMBERED], ..Self::default() }
    }

    /// How far the clock is known to be ahead, ms; negative = behind, 0 = right as far as anybody knows.
    pub(super) const fn offset_ms(&self) -> i64 {
        self.offset.saturating_sub(self.rollovers.saturating_mul(ROLLOVER))
    }

    /// Whether records come late by the same each time, and by how much is not proved yet.
    pub(super) fn is_suspected(&self) -> bool {
        self.run.is_some_and(|r| proves(&r, SUSPECTED) && self.offset.saturating_sub(r.level) >= LEAST_LAG)
    }

    /// A lag that is neither a time zone nor a rollover, and is proved but for one thing: whether others have the same.
    /// Then it is no clock but somebody on the way who holds messages back.
    pub(super) fn claims(&self, limits: Limits) -> Option<i64> {
        let r = self.run.filter(|r| proves(r, OTHER) && r.messages % OTHER.0 == 0)?;
        let lag = self.offset.saturating_sub(r.level);
        let possible = lag >= LEAST_LAG && r.level.saturating_neg() <= limits.most_behind;
        possible.then_some(r.level)
    }

    /// The level at which this device's messages are late, once suspected.
    pub(super) fn late_by(&self) -> Option<i64> {
        let level = self.run.filter(|r| proves(r, SUSPECTED)).map(|r| r.level);
        level.or((self.offset <= -LEAST_LAG).then_some(self.offset))
    }

    /// Grants what it claims.
    pub(super) fn grant(&mut self, level: i64) {
        self.set(if (-LEAST_LAG..=0).contains(&level) { 0 } else { level });
    }

    /// Takes a record's time in; gives it corrected.
    ///
    /// # Errors
    /// It lies in the future, or 1024 weeks back, and that was not said often enough yet.
    pub(super) fn correct(&mut self, own: UnixMs, received: UnixMs, limits: Limits) -> Result<UnixMs, Rejection> {
        let time = self.unroll(own, received, limits).ok_or(Rejection::ClockOff)?;
        let lead = time.0.saturating_sub(received.0);
        if lead > self.offset.saturating_add(limits.tolerance) {
            if !self.believed_by_now(lead, received, limits) {
                return Err(Rejection::Ahead);
            }
            // It was behind and is not any more, or is ahead.
            self.set(if lead <= limits.tolerance && lead > -LEAST_LAG { lead.max(0) } else { lead });
        }
        self.doubted = None;
        self.follow(lead, limits.tolerance);
        self.listen(lead, received, limits);
        Ok(UnixMs(time.0.saturating_sub(self.offset)))
    }

    /// Adds the 1024 weeks that are missing, once enough messages have missed them; `None` until then.
    fn unroll(&mut self, own: UnixMs, received: UnixMs, limits: Limits) -> Option<UnixMs> {
        let behind = received.0.saturating_sub(own.0);
        let times = behind.saturating_add(ROLLOVER / 2).div_euclid(ROLLOVER).max(0);
        if times == 0 {
            if self.rollovers > 0 {
                (self.rollovers, self.rolled, self.run, self.moment) = (0, Rolled::default(), None, None);
            }
            return Some(own);
        }
        let time = UnixMs(own.0.saturating_add(times.saturating_mul(ROLLOVER)));
        let rest = received.0.saturating_sub(time.0);
        if rest > limits.backlog || rest < -limits.most {
            // An old date, but not one that rolled over: of no use.
            return Some(own);
        }
        if self.rollovers == times {
            return Some(time);
        }
        if self.rolled.received != Some(received) {
            self.rolled = Rolled { messages: self.rolled.messages + 1, received: Some(received) };
        }
        if self.rolled.messages < limits.agreeing {
            return None;
        }
        self.rollovers = times;
        self.run = None;
        Some(time)
    }

    fn set(&mut self, offset: i64) {
        self.offset = offset;
        self.recent = [offset; REMEMBERED];
        (self.run, self.moment) = (None, None);
    }

    /// Follows a clock that drifts.
    fn follow(&mut self, lead: i64, tolerance: i64) {
        if let Some(slot) = self.recent.get_mut(self.at) {
            *slot = lead;
        }
        self.at = (self.at + 1) % REMEMBERED;
        let newest = self.recent.iter().copied().max().unwrap_or(0);
        // Up at once, for nothing is in the future; down by little at a time, for it may be a delay.
        if newest >= self.offset.saturating_sub(tolerance) {
            self.offset = if self.offset >= 0 { newest.max(0) } else { newest };
        }
    }

    /// Compares the newest records of messages.
    fn listen(&mut self, lead: i64, received: UnixMs, limits: Limits) {
        match self.moment {
            Some((at, newest)) if at == received => self.moment = Some((at, newest.max(lead))),
            Some((at, newest)) => {
                self.moment = Some((received, lead));
                self.compare(newest, at, limits);
            }
            None => self.moment = Some((received, lead)),
        }
    }

    fn compare(&mut self, lead: i64, at: UnixMs, limits: Limits) {
        let begin = Run { first: lead, level: lead, since: at, last: at, messages: 1, later: 0 };
        let Some(run) = self.run.as_mut().filter(|r| at.0.saturating_sub(r.last.0) <= RHYTHM) else {
            self.run = Some(begin);
            return;
        };
        run.last = at;
        if lead > run.first.saturating_add(BAND) {
            // Those before were later than need be.
            *run = begin;
            return;
        }
        if lead < run.first.saturating_sub(BAND) {
            run.later += 1;
            if run.later > 2 + run.messages / 3 {
                *run = begin;
            }
            return;
        }
        run.level = run.level.max(lead);
        run.messages += 1;
        let run = *run;
        let lag = run.level.saturating_neg();
        let lower = self.offset.saturating_sub(run.level);
        if lower <= limits.tolerance {
            return;
        }
        let quarters = (lag + BAND / 2).div_euclid(QUARTER);
        let in_zone = quarters >= 1 && (-BAND / 2..=ZONE_DELAY).contains(&(lag - quarters * QUARTER));
        if self.offset != 0 && (0..=ZONE_DELAY).contains(&lag) && proves(&run, RIGHT) {
            self.set(0);
        } else if in_zone && lag - ZONE_DELAY <= limits.most_behind && proves(&run, ZONE) {
            self.set(-quarters * QUARTER);
        }
    }

    /// Whether enough records, each received at a moment of its own, are ahead by the same.
    fn believed_by_now(&mut self, lead: i64, received: UnixMs, limits: Limits) -> bool {
        if lead > limits.most {
            self.doubted = None;
            return false;
        }
        let agreeing = match self.doubted {
            Some(d) if (lead - d.lead).abs() > limits.tolerance => 1,
            Some(d) if d.received == received => d.agreeing,
            Some(d) => d.agreeing + 1,
            None => 1,
        };
        self.doubted = Some(Doubted { lead, received, agreeing });
        agreeing >= limits.agreeing
    }
}

fn proves(run: &Run, (messages, for_ms): (u32, i64)) -> bool {
    run.messages >= messages && run.last.0.saturating_sub(run.since.0) >= for_ms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits =
        Limits { tolerance: 5_000, most: 93_600_000, most_behind: 93_600_000, agreeing: 3, backlog: 7 * 86_400_000 };
    const DAY: i64 = 1_795_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Records `(received, made)` in seconds, by a clock that is so far off.
    fn hears(clock: &mut Clock, sent: impl IntoIterator<Item = (i64, i64)>, off: i64) -> Vec<Option<i64>> {
        let one = |(received, made): (i64, i64)| {
            let own = UnixMs(DAY + made * 1000 + off);
            clock.correct(own, UnixMs(DAY + received * 1000), LIMITS).ok().map(|t| (t.0 - DAY) / 1000)
        };
        sent.into_iter().map(one).collect()
    }

    #[test]
    fn an_hour_behind_is_known_in_two_minutes_and_set_right_in_as_many() {
        let mut clock = Clock::default();
        let times = hears(&mut clock, (0..12).map(|i| (i * 15 + i % 3, i * 15)), -HOUR);
        assert_eq!(times[3], Some(45 - 3600), "not yet");
        assert_eq!((times[11], clock.offset_ms()), (Some(165), -HOUR));
        let times = hears(&mut clock, (12..40).map(|i| (i * 15 + 1, i * 15)), 0);
        assert_eq!((times[0], times[27], clock.offset_ms()), (None, Some(39 * 15), 0));
    }

    #[test]
    fn two_hours_ahead_then_an_hour_then_right() {
        let mut clock = Clock::default();
        hears(&mut clock, (0..9).map(|i| (i * 15 + 1, i * 15)), 2 * HOUR);
        assert_eq!(clock.offset_ms(), 2 * HOUR - 1000);
        hears(&mut clock, (9..30).map(|i| (i * 15 + 1, i * 15)), 0);
        assert_eq!(clock.offset_ms(), 0);
    }

    #[test]
    fn a_backlog_is_never_taken_for_a_slow_clock() {
        for (interval, rate) in [(10, 1), (15, 2), (30, 5), (1, 1), (60, 20)] {
            let mut clock = Clock::default();
            hears(&mut clock, (0..5).map(|i| (i * 20, i * 20)), 0);
            // An hour of records, each sent on its own, one in `rate` seconds.
            let backlog = (0..3600 / interval).map(|i| (4000 + i * rate, 100 + i * interval));
            hears(&mut clock, backlog, 0);
            assert_eq!(clock.offset_ms(), 0, "{interval} s, one in {rate} s");
        }
    }

    #[test]
    fn a_backlog_of_a_clock_that_is_off_is_dated_by_what_was_known() {
        for off in [-HOUR, HOUR, -ROLLOVER] {
            let mut clock = Clock::default();
            hears(&mut clock, (0..20).map(|i| (i * 15, i * 15)), off);
            let known = clock.offset_ms();
            assert!((known - off).abs() < 1000, "{off}: {known}");
            let backlog = hears(&mut clock, (0..60).map(|i| (2000 + i, 300 + i * 15)), off);
            assert_eq!(backlog, (0..60).map(|i| Some(300 + i * 15)).collect::<Vec<_>>(), "{off}");
        }
    }

    #[test]
    fn one_record_late_all_the_time_is_the_trackers_way() {
        let mut clock = Clock::default();
        hears(&mut clock, (1..500).map(|i| (i * 60, (i - 1) * 60)), 0);
        assert_eq!((clock.offset_ms(), clock.claims(LIMITS)), (0, None));
    }

    #[test]
    fn an_odd_lag_is_claimed_after_ten_minutes_and_taken_when_granted() {
        let mut clock = Clock::default();
        let mut claimed = None;
        for i in 0..60 {
            hears(&mut clock, [(i * 30 + i % 2, i * 30)], -437_000);
            claimed = claimed.or(clock.claims(LIMITS));
        }
        assert_eq!((claimed, clock.offset_ms()), (Some(-437_000), 0));
        assert!(clock.is_suspected());
        clock.grant(-437_000);
        assert_eq!(hears(&mut clock, [(2000, 1999)], -437_000), [Some(1999)]);
    }

    #[test]
    fn weeks_that_rolled_over_are_known_after_three_messages() {
        let mut clock = Clock::default();
        let times = hears(&mut clock, (0..5).map(|i| (i * 15, i * 15)), -ROLLOVER);
        assert_eq!(times, [None, None, Some(30), Some(45), Some(60)]);
        assert_eq!(clock.offset_ms(), -ROLLOVER);
        assert_eq!(Clock::known(-ROLLOVER).offset_ms(), -ROLLOVER);
        assert_eq!(Clock::known(-ROLLOVER - HOUR).offset_ms(), -ROLLOVER - HOUR);
        let right = hears(&mut clock, [(90, 90)], 0);
        assert_eq!((right, clock.offset_ms()), (vec![Some(90)], 0), "its firmware was renewed");
    }

    proptest! {
        /// Delays of any kind, on a clock that is right: nothing is ever taken off, and nothing is in the future.
        #[test]
        fn delays_that_change_are_no_clock(delays in proptest::collection::vec(0i64..3000, 20..200), interval in 5i64..60) {
            let mut clock = Clock::default();
            let mut received = 0;
            for (i, delay) in delays.iter().enumerate() {
                let made = i as i64 * interval;
                received = (made + delay).max(received + 1);
                let t = hears(&mut clock, [(received, made)], 0);
                prop_assert_eq!(&t, &[Some(made)]);
            }
        }

        /// Any zone, with a network's jitter: known within three minutes at 15 s a record, to within the jitter.
        #[test]
        fn any_zone_is_found(quarters in 1i64..100, jitter in proptest::collection::vec(0i64..4, 12)) {
            let mut clock = Clock::default();
            let sent = jitter.iter().enumerate().map(|(i, j)| (i as i64 * 15 + j, i as i64 * 15));
            hears(&mut clock, sent, -quarters * QUARTER);
            prop_assert_eq!(clock.offset_ms(), -quarters * QUARTER);
        }
    }
}
