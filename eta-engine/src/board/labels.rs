//! What one departure says, and when: the label timeline of a row.
//!
//! Pure in the departure and the moment. The whole ageing of what is known now is laid into the
//! timeline in advance, so that a client without a server ages as truthfully as the engine would.
//! Rules are numbered in `docs/board-rules.md`.

use transit_model::board::{Freshness, Label, LabelKind};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use super::hold::minutes_left;
use super::words;

/// Rule 3: up to this age of the fix, milliseconds, minutes are shown as they are.
pub const FRESH_MS: i64 = 45_000;
/// Rule 3: up to this age they are marked.
pub const MARKED_MS: i64 = 90_000;
/// Rule 3: up to this age the vehicle is known to be on its way; beyond it nothing is known.
pub const STALE_MS: i64 = 180_000;
/// Rule 4: minutes are shown this far ahead for the trip a vehicle is running.
pub const LIVE_HORIZON_MS: i64 = 60 * 60_000;
/// Rule 4: and this far ahead for a trip it has not begun.
pub const NEXT_TRIP_LEAD_MS: i64 = 30 * 60_000;
/// Rule 5: a live row outlives its published departure by this.
pub const LEAVE_GRACE_MS: i64 = 30_000;
/// Rule 5: a timetable row outlives its departure by this.
pub const TIMETABLE_GRACE_MS: i64 = 60_000;
/// The first label counts from this long before the board was composed, for clients whose clock
/// is a little behind.
pub const SLACK_MS: i64 = 60_000;

const fn after(t: UnixMs, ms: i64) -> UnixMs {
    UnixMs(t.0.saturating_add(ms))
}

/// Rule 15: a calculated row outlives its published departure by this at least: nobody sees the vehicle go.
pub const CALCULATED_GRACE_MS: i64 = 60_000;
/// Rule 15: and by this at most, however unsure the calculation is.
pub const CALCULATED_MOST_MS: i64 = 300_000;

/// Rule 15: what may be said of a vehicle that is carried on by calculation, once its fix is too old for minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calculated {
    /// Nine in ten will have left by then.
    pub surely_left: UnixMs,
    /// A time later than this, and anything at a later moment, is the timetable's.
    pub until: UnixMs,
}

/// What is known of a followed vehicle's call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveCall {
    /// What minutes count down to: the published arrival; at a trip's first stop the published
    /// departure.
    pub shown: UnixMs,
    /// The published departure.
    pub leaves: UnixMs,
    /// When the vehicle's last fix was made.
    pub fix_time: UnixMs,
    /// It is running this very trip, not one before it.
    pub begun: bool,
    /// It is jammed or spoofed.
    pub calculated: Option<Calculated>,
}

/// One departure, as far as its labels need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The timetable's departure.
    pub scheduled: UnixMs,
    /// It will not come.
    pub cancelled: bool,
    /// The vehicle, when one is followed.
    pub live: Option<LiveCall>,
}

/// What a row says at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// So many minutes; 0 = now.
    Minutes(i64),
    /// About so many: the fix is getting old.
    About(i64),
    /// The timetable's clock time of a vehicle known to be on its way.
    Underway,
    /// A calculated clock time.
    Estimated(UnixMs),
    /// The timetable's clock time.
    Timetable,
    /// It will not come.
    Cancelled,
    /// Nothing: the row is gone.
    Gone,
}

/// Rule 3: how old a fix is.
#[must_use]
pub const fn freshness(fix_time: UnixMs, at: UnixMs) -> Freshness {
    let age = at.0.saturating_sub(fix_time.0);
    if age <= FRESH_MS {
        Freshness::Fresh
    } else if age <= MARKED_MS {
        Freshness::Marked
    } else if age <= STALE_MS {
        Freshness::Stale
    } else {
        Freshness::None
    }
}

impl Call {
    /// What the row says at a moment. Once `Gone`, it stays so.
    #[must_use]
    pub fn said_at(&self, at: UnixMs) -> Said {
        let by_timetable = |said| if at < after(self.scheduled, TIMETABLE_GRACE_MS) { said } else { Said::Gone };
        if self.cancelled {
            return by_timetable(Said::Cancelled);
        }
        let Some(live) = self.live else { return by_timetable(Said::Timetable) };
        if at >= live.should_be_gone() {
            return Said::Gone;
        }
        let minutes = minutes_left(live.shown, at);
        match freshness(live.fix_time, at) {
            Freshness::Stale | Freshness::None if live.is_calculated(at) => Said::Estimated(live.shown),
            Freshness::None => by_timetable(Said::Timetable),
            _ if live.is_too_far_for_minutes(at) && at < self.scheduled => Said::Timetable,
            Freshness::Fresh => Said::Minutes(minutes),
            Freshness::Marked => Said::About(minutes),
            Freshness::Stale if live.begun => Said::Underway,
            Freshness::Stale => by_timetable(Said::Timetable),
        }
    }

    /// The moments after `now` at which what is said may change, in order.
    fn turning_points(&self, now: UnixMs) -> Vec<UnixMs> {
        let mut points = vec![self.scheduled, after(self.scheduled, TIMETABLE_GRACE_MS)];
        if let Some(live) = self.live {
            let marked_till = after(live.fix_time, MARKED_MS);
            points.extend([FRESH_MS, MARKED_MS, STALE_MS].map(|age| after(live.fix_time, age + 1)));
            points.push(live.should_be_gone());
            points.push(after(live.shown, -live.horizon()));
            points.extend(live.calculated.map(|c| after(c.until, 1)));
            // Minutes are shown no longer than the marked age lasts: two or three of them.
            let minute_ends = (1..=minutes_left(live.shown, now)).rev().map(|m| after(live.shown, 1 - m * 60_000));
            points.extend(minute_ends.take_while(|end| *end <= marked_till));
        }
        points.retain(|p| *p > now);
        points.sort_unstable();
        points.dedup();
        points
    }

    /// The moment from which the row is gone.
    #[must_use]
    pub fn gone_from(&self, now: UnixMs) -> UnixMs {
        let points = self.turning_points(now);
        points.into_iter().find(|p| self.said_at(*p) == Said::Gone).unwrap_or(now)
    }

    /// What orders the row among others: the moment it shows (rule 9).
    #[must_use]
    pub fn order_at(&self, now: UnixMs) -> UnixMs {
        match (self.said_at(now), self.live) {
            (Said::Minutes(_) | Said::About(_) | Said::Estimated(_), Some(live)) => live.shown,
            _ => self.scheduled,
        }
    }
}

impl LiveCall {
    const fn horizon(&self) -> i64 {
        if self.begun { LIVE_HORIZON_MS } else { NEXT_TRIP_LEAD_MS }
    }

    const fn is_too_far_for_minutes(&self, at: UnixMs) -> bool {
        self.shown.0.saturating_sub(at.0) > self.horizon()
    }

    /// Rule 5: the vehicle should have left by then, if that falls within what its fix can tell;
    /// otherwise never, and the timetable decides.
    fn should_be_gone(&self) -> UnixMs {
        let gone = after(self.leaves, LEAVE_GRACE_MS);
        if let Some(c) = self.calculated.filter(|_| gone > after(self.fix_time, MARKED_MS)) {
            let earliest = after(self.leaves, CALCULATED_GRACE_MS);
            let gone = c.surely_left.clamp(earliest, after(self.leaves, CALCULATED_MOST_MS));
            return if gone <= c.until { gone } else { UnixMs(i64::MAX) };
        }
        if gone.0 <= self.fix_time.0.saturating_add(STALE_MS) { gone } else { UnixMs(i64::MAX) }
    }

    /// Rule 15: whether its calculated time may be told.
    fn is_calculated(&self, at: UnixMs) -> bool {
        self.calculated.is_some_and(|c| at <= c.until && self.shown <= c.until) && !self.is_too_far_for_minutes(at)
    }
}

/// The label timeline of a departure from `now` on; ends with an empty label.
#[must_use]
pub fn timeline(call: &Call, lang: Lang, zone: &Zone, now: UnixMs) -> Vec<Label> {
    let mut said = call.said_at(now);
    let mut labels = vec![label(after(now, -SLACK_MS), said, call.scheduled, lang, zone)];
    for point in call.turning_points(now) {
        let next = call.said_at(point);
        if next != said {
            labels.push(label(point, next, call.scheduled, lang, zone));
            said = next;
        }
    }
    labels
}

fn label(from: UnixMs, said: Said, scheduled: UnixMs, lang: Lang, zone: &Zone) -> Label {
    let at_clock = |kind, head: &str, at: UnixMs| {
        let speech = format!("{head} {}", words::clock_speech(at, zone, lang));
        (kind, zone.hhmm(at), speech)
    };
    let by_clock = |kind, head: &str| at_clock(kind, head, scheduled);
    let (kind, text, speech) = match said {
        Said::Minutes(n) => (LabelKind::Live, words::minutes_text(n, lang), words::minutes_speech(n, lang)),
        Said::About(n) => {
            (LabelKind::Marked, format!("≈{}", words::minutes_text(n, lang)), words::about_speech(n, lang))
        }
        Said::Underway => by_clock(LabelKind::Underway, lang.pick("у дорозі, за розкладом", "on its way, scheduled")),
        Said::Estimated(shown) => {
            let head = lang.pick("за розрахунком", "by calculation");
            let (kind, text, speech) = at_clock(LabelKind::Estimated, head, shown);
            (kind, format!("≈{text}"), speech)
        }
        Said::Timetable => by_clock(LabelKind::Timetable, lang.pick("за розкладом", "scheduled")),
        Said::Cancelled => {
            let text = lang.pick("скасовано", "cancelled").to_owned();
            (LabelKind::Cancelled, text.clone(), text)
        }
        Said::Gone => (LabelKind::Gone, String::new(), String::new()),
    };
    Label { from, kind, text, speech }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transit_model::board::label_at;

    use super::*;

    fn kyiv() -> Zone {
        Zone::named("Europe/Kyiv").unwrap()
    }

    /// Seconds after 14:00:00 on an ordinary Wednesday.
    fn at(secs: i64) -> UnixMs {
        kyiv().at("20260506".parse().unwrap(), "14:00:00".parse().unwrap()).plus_secs(secs)
    }

    fn live(scheduled: i64, shown: i64, leaves: i64, fix: i64) -> Call {
        let live = LiveCall { shown: at(shown), leaves: at(leaves), fix_time: at(fix), begun: true, calculated: None };
        Call { scheduled: at(scheduled), cancelled: false, live: Some(live) }
    }

    fn read(call: &Call, secs: i64) -> String {
        let labels = timeline(call, Lang::Uk, &kyiv(), at(0));
        label_at(&labels, at(secs)).map(|l| l.text.clone()).unwrap_or_default()
    }

    #[test]
    fn rule_2_minutes_mean_live_and_clock_time_means_timetable() {
        assert_eq!(read(&live(400, 430, 440, 0), 0), "7 хв");
        assert_eq!(read(&live(400, 50, 60, 0), 0), "зараз");
        let timetable = Call { scheduled: at(400), cancelled: false, live: None };
        assert_eq!(read(&timetable, 0), "14:06");
    }

    #[test]
    fn rule_3_what_is_known_ages_by_itself() {
        let call = live(600, 430, 440, 0);
        for (secs, text) in
            [(0, "7 хв"), (10, "7 хв"), (11, "6 хв"), (45, "6 хв"), (46, "≈6 хв"), (71, "≈5 хв"), (90, "≈5 хв")]
        {
            assert_eq!(read(&call, secs), text, "at {secs}");
        }
        let labels = timeline(&call, Lang::Uk, &kyiv(), at(0));
        let kinds: Vec<_> = [0, 46, 91, 181, 700].map(|s| label_at(&labels, at(s)).unwrap().kind).into();
        let expected = [LabelKind::Live, LabelKind::Marked, LabelKind::Underway, LabelKind::Timetable, LabelKind::Gone];
        assert_eq!(kinds, expected);
        assert_eq!(
            label_at(&labels, at(100)).unwrap().speech,
            "у дорозі, за розкладом о чотирнадцятій годині десять хвилин"
        );
    }

    #[test]
    fn rule_3_a_silent_vehicle_whose_time_has_passed_is_gone() {
        assert_eq!(read(&live(-120, 430, 440, 0), 150), "13:58", "known to be on its way");
        assert_eq!(read(&live(-120, 430, 440, 0), 181), "");
    }

    #[test]
    fn rule_15_a_jammed_vehicle_has_a_calculated_clock_time_and_never_minutes() {
        let mut call = live(600, 430, 440, 0);
        let calculated = Calculated { surely_left: at(560), until: at(1200) };
        call.live.as_mut().unwrap().calculated = Some(calculated);
        let labels = timeline(&call, Lang::Uk, &kyiv(), at(0));
        let said =
            |secs: i64| label_at(&labels, at(secs)).map(|l| (l.kind, l.text.as_str(), l.speech.as_str())).unwrap();
        assert_eq!(said(90).0, LabelKind::Marked, "as any other vehicle while its fix is young");
        let spoken = "за розрахунком о чотирнадцятій годині сім хвилин";
        assert_eq!(
            said(91),
            (LabelKind::Estimated, "≈14:07", spoken),
            "the calculation's clock time, not the timetable's"
        );
        assert_eq!(said(559).0, LabelKind::Estimated, "it may yet come");
        assert_eq!(said(560).0, LabelKind::Gone, "nine in ten have left");
        let english = timeline(&call, Lang::En, &kyiv(), at(0));
        assert_eq!(label_at(&english, at(100)).unwrap().speech, "by calculation at fourteen oh seven");

        // What lies beyond what a calculation is good for is the timetable's, before and after.
        let mut far = live(1300, 1201, 1210, 0);
        far.live.as_mut().unwrap().calculated = Some(calculated);
        assert_eq!((read(&far, 100).as_str(), read(&far, 200).as_str()), ("14:21", "14:21"));
        let mut late = live(1300, 1100, 1110, 0);
        late.live.as_mut().unwrap().calculated = Some(Calculated { surely_left: at(1400), until: at(1200) });
        assert_eq!((read(&late, 1200).as_str(), read(&late, 1201).as_str()), ("≈14:18", "14:21"));
    }

    #[test]
    fn rule_15_however_unsure_a_calculated_row_goes() {
        for (surely_left, gone) in [(445, 500), (900, 740)] {
            let mut call = live(2000, 430, 440, 0);
            call.live.as_mut().unwrap().calculated = Some(Calculated { surely_left: at(surely_left), until: at(1200) });
            assert_eq!(call.gone_from(at(0)), at(gone), "{surely_left}");
        }
    }

    #[test]
    fn rule_4_minutes_are_for_the_near_future() {
        assert_eq!(read(&live(3590, 3601, 3610, 0), 0), "14:59");
        assert_eq!(read(&live(3590, 3601, 3610, 0), 1), "60 хв");
        let mut next_trip = live(2000, 1801, 1801, 0);
        next_trip.live.as_mut().unwrap().begun = false;
        assert_eq!(read(&next_trip, 0), "14:33");
        assert_eq!(read(&next_trip, 1), "30 хв");
        assert_eq!(read(&next_trip, 100), "14:33");
        let very_late = live(-10, 3700, 3710, 0);
        assert_eq!(read(&very_late, 0), "61 хв", "its clock time has passed, so minutes it is");
    }

    #[test]
    fn rule_5_a_vehicle_that_should_have_left_is_gone() {
        let call = live(20, 30, 40, 0);
        assert_eq!(read(&call, 69), "≈зараз");
        assert_eq!(read(&call, 70), "");
        let timetable = Call { scheduled: at(20), cancelled: false, live: None };
        assert_eq!(read(&timetable, 79), "14:00");
        assert_eq!(read(&timetable, 80), "");
    }

    #[test]
    fn rule_8_a_cancelled_departure_says_so_until_its_time() {
        let call = Call { cancelled: true, ..live(20, 30, 40, 0) };
        assert_eq!(read(&call, 0), "скасовано");
        assert_eq!(read(&call, 80), "");
    }

    fn any_call() -> impl Strategy<Value = Call> {
        let calculated = prop::option::of((0i64..400, 60i64..1800));
        let live = (-300i64..5000, 0i64..90, -400i64..3, any::<bool>(), calculated).prop_map(
            |(shown, dwell, fix, begun, calculated)| LiveCall {
                shown: at(shown),
                leaves: at(shown + dwell),
                fix_time: at(fix),
                begun,
                calculated: calculated.map(|(spread, held)| Calculated {
                    surely_left: at(shown + dwell + spread),
                    until: at(fix + held),
                }),
            },
        );
        (-600i64..5400, prop::bool::weighted(0.1), prop::option::of(live))
            .prop_map(|(scheduled, cancelled, live)| Call { scheduled: at(scheduled), cancelled, live })
    }

    proptest! {
        /// The timeline says at every moment what the rules say at that moment: nothing is lost by
        /// laying it out in advance.
        #[test]
        fn a_client_without_a_server_says_what_the_engine_would(call in any_call(), ms in 0i64..7_000_000) {
            let labels = timeline(&call, Lang::Uk, &kyiv(), at(0));
            let t = UnixMs(at(0).0 + ms);
            let shown = label_at(&labels, t).unwrap();
            let truth = label(t, call.said_at(t), call.scheduled, Lang::Uk, &kyiv());
            prop_assert_eq!((&shown.kind, &shown.text, &shown.speech), (&truth.kind, &truth.text, &truth.speech));
        }

        /// Rule 3, for every call and moment: no minutes by an old fix, no unmarked ones by an ageing one.
        #[test]
        fn nothing_stale_is_painted_as_live(call in any_call(), secs in 0i64..7000) {
            let age = call.live.map(|l| at(secs).0 - l.fix_time.0);
            match call.said_at(at(secs)) {
                Said::Minutes(_) => prop_assert!(age.is_some_and(|a| a <= FRESH_MS)),
                Said::About(_) => prop_assert!(age.is_some_and(|a| a <= MARKED_MS)),
                Said::Underway => prop_assert!(age.is_some_and(|a| a <= STALE_MS)),
                Said::Estimated(shown) => {
                    let c = call.live.and_then(|l| l.calculated);
                    prop_assert!(age.is_some_and(|a| a > MARKED_MS));
                    prop_assert!(c.is_some_and(|c| at(secs) <= c.until && shown <= c.until));
                }
                Said::Timetable | Said::Cancelled => prop_assert!(at(secs).0 < call.scheduled.0 + TIMETABLE_GRACE_MS),
                Said::Gone => {}
            }
        }

        /// Rule 7: what is gone stays gone, and every row goes.
        #[test]
        fn a_row_never_comes_back_by_itself(call in any_call()) {
            let labels = timeline(&call, Lang::En, &kyiv(), at(0));
            let first_gone = labels.iter().position(|l| l.kind == LabelKind::Gone);
            prop_assert_eq!(first_gone, Some(labels.len() - 1));
            prop_assert_eq!(call.said_at(call.gone_from(at(0))), Said::Gone);
        }

        /// A countdown by itself only falls.
        #[test]
        fn a_countdown_falls(call in any_call()) {
            let mut before = i64::MAX;
            for s in 0..600 {
                if let Said::Minutes(n) | Said::About(n) = call.said_at(at(s)) {
                    prop_assert!(n <= before);
                    before = n;
                }
            }
        }
    }
}
