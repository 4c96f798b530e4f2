//! What has changed of a device since the record before: a pure structure.
//!
//! Trackers say how things *are* (the key is turned, the vehicle feeds me) and what they *raise* (I was opened),
//! many of them with every record for as long as it lasts. Of both only the change is an event: from one record of
//! the device to the next by time. Records of a backlog, behind the last one, are compared with each other.
//!
//! The first that is known of a key or of power is written down too, so that a restart forgets nothing, but it is
//! no change and nobody is told ([`Changes::first`]).
//!
//! Not here: what a record says ([`Said`]); where events are kept (the journal, whose writer asks here inside of its
//! transaction, so that an event is on the disk exactly when its record is).

use transit_model::time::UnixMs;

use crate::codec::{DeviceEvent, Events, Said};

/// Two records of a backlog further apart than this, ms, are not compared: others were between.
const NEIGHBOURS: u64 = 3_600_000;

/// How things are, as far as a device has said.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct State {
    time: UnixMs,
    ignition: Option<bool>,
    powered: Option<bool>,
    raised: Events,
}

/// What one record changes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changes {
    /// What has happened.
    pub(crate) new: Events,
    /// What is so, and nobody had said before whether it is.
    pub(crate) first: Events,
}

/// The condition of one device.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Condition {
    last: State,
    /// The record of a backlog that was heard last.
    behind: Option<State>,
}

impl Condition {
    /// What the journal knows of a device: an event of it, in any order.
    pub(crate) fn restore(&mut self, event: DeviceEvent, time: UnixMs, known: &mut Restored) {
        self.last.time = self.last.time.max(time);
        let (slot, at, value) = match event {
            DeviceEvent::IgnitionOn => (&mut self.last.ignition, &mut known.ignition, Some(true)),
            DeviceEvent::IgnitionOff => (&mut self.last.ignition, &mut known.ignition, Some(false)),
            DeviceEvent::PowerBack => (&mut self.last.powered, &mut known.powered, Some(true)),
            // A device may only have raised it and never say that power is back: the next cut must count.
            DeviceEvent::PowerCut => (&mut self.last.powered, &mut known.powered, None),
            _ => return,
        };
        if *at <= time {
            (*slot, *at) = (value, time);
        }
    }

    /// Takes in what a record says that was made at a time.
    pub(crate) fn take(&mut self, time: UnixMs, said: &Said) -> Changes {
        let told = State { time, ignition: said.ignition, powered: said.powered, raised: said.raised };
        if time >= self.last.time {
            let (changes, now) = self.last.then(told);
            self.last = now;
            return changes;
        }
        let near = self.behind.filter(|b| time.0.abs_diff(b.time.0) <= NEIGHBOURS);
        let (changes, now) = match near {
            Some(before) if time >= before.time => before.then(told),
            // What was so before it nobody knows, but what it raises it raises.
            other => {
                let heard = other.map_or(Events::NONE, |later| later.raised);
                (Changes { new: told.raised.without(heard), first: Events::NONE }, told)
            }
        };
        self.behind = Some(now);
        changes
    }
}

/// As of when a device's condition was restored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restored {
    ignition: UnixMs,
    powered: UnixMs,
}

impl Default for Restored {
    fn default() -> Self {
        Self { ignition: UnixMs(i64::MIN), powered: UnixMs(i64::MIN) }
    }
}

impl State {
    /// What changes from this state to the next, and what is known then.
    fn then(self, next: Self) -> (Changes, Self) {
        let mut changes = Changes { new: next.raised.without(self.raised), first: Events::NONE };
        let mut level = |was: Option<bool>, is: Option<bool>, on: DeviceEvent, off: DeviceEvent| match (was, is) {
            (None, Some(is)) => changes.first.insert(if is { on } else { off }),
            (Some(was), Some(is)) if was != is => changes.new.insert(if is { on } else { off }),
            _ => {}
        };
        level(self.ignition, next.ignition, DeviceEvent::IgnitionOn, DeviceEvent::IgnitionOff);
        level(self.powered, next.powered, DeviceEvent::PowerBack, DeviceEvent::PowerCut);
        // A cut that is raised and a voltage that fell are one cut, whichever comes first.
        let known_cut = self.raised.contains(DeviceEvent::PowerCut) || self.powered == Some(false);
        if known_cut {
            changes.new = changes.new.without(Events::from_iter([DeviceEvent::PowerCut]));
        }
        changes.first = changes.first.without(changes.new);
        let ignition = next.ignition.or(self.ignition);
        let powered = next.powered.or(self.powered);
        (changes, Self { ignition, powered, ..next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceEvent::{IgnitionOff, IgnitionOn, Panic, PowerBack, PowerCut, Tamper};

    /// A minute of the clock, what the record says, and which events that must be; `?` marks the first known.
    type Step = (i64, Said, &'static [DeviceEvent], &'static [DeviceEvent]);

    const QUIET: Said = Said { odometer_m: None, ignition: None, powered: None, raised: Events::NONE };

    fn key(on: bool) -> Said {
        Said { ignition: Some(on), ..QUIET }
    }

    fn fed(by_vehicle: bool) -> Said {
        Said { powered: Some(by_vehicle), ..QUIET }
    }

    fn raises(events: &[DeviceEvent]) -> Said {
        Said { raised: events.iter().copied().collect(), ..QUIET }
    }

    fn play(steps: &[Step]) {
        let mut condition = Condition::default();
        for (minute, said, new, first) in steps {
            let got = condition.take(UnixMs::from_secs(minute * 60), said);
            assert_eq!(got.new.iter().collect::<Vec<_>>(), *new, "minute {minute}, new");
            assert_eq!(got.first.iter().collect::<Vec<_>>(), *first, "minute {minute}, first known");
        }
    }

    #[test]
    fn a_key_that_is_turned_is_an_event_and_one_that_stays_is_none() {
        play(&[
            (1, key(false), &[], &[IgnitionOff]),
            (2, key(false), &[], &[]),
            (3, key(true), &[IgnitionOn], &[]),
            (4, QUIET, &[], &[]),
            (5, key(true), &[], &[]),
            (6, key(false), &[IgnitionOff], &[]),
        ]);
    }

    #[test]
    fn an_alarm_that_lasts_is_one_event_and_one_that_comes_again_is_another() {
        play(&[
            (1, raises(&[Tamper]), &[Tamper], &[]),
            (2, raises(&[Tamper]), &[], &[]),
            (3, raises(&[Panic, Tamper]), &[Panic], &[]),
            (4, QUIET, &[], &[]),
            (5, raises(&[Tamper]), &[Tamper], &[]),
        ]);
    }

    #[test]
    fn a_cut_that_is_raised_and_a_voltage_that_falls_are_one_cut() {
        let both = Said { raised: Events::from_iter([PowerCut]), ..fed(false) };
        play(&[(1, fed(true), &[], &[PowerBack]), (2, both, &[PowerCut], &[]), (3, fed(true), &[PowerBack], &[])]);
        play(&[
            (1, fed(true), &[], &[PowerBack]),
            (2, raises(&[PowerCut]), &[PowerCut], &[]),
            (3, fed(false), &[], &[]),
        ]);
        play(&[
            (1, fed(true), &[], &[PowerBack]),
            (2, fed(false), &[PowerCut], &[]),
            (3, raises(&[PowerCut]), &[], &[]),
        ]);
        // A device that never says how it is fed raises each cut anew.
        play(&[
            (1, raises(&[PowerCut]), &[PowerCut], &[]),
            (2, QUIET, &[], &[]),
            (3, raises(&[PowerCut]), &[PowerCut], &[]),
        ]);
    }

    #[test]
    fn a_backlog_is_compared_with_itself_and_moves_no_key_back() {
        play(&[
            (300, key(true), &[], &[IgnitionOn]),
            (10, key(false), &[], &[]),
            (11, key(true), &[IgnitionOn], &[]),
            (12, Said { raised: Events::from_iter([Tamper]), ..key(false) }, &[Tamper, IgnitionOff], &[]),
            // Hours later: what was between is not known.
            (200, key(true), &[], &[]),
            (301, key(true), &[], &[]),
        ]);
    }

    #[test]
    fn an_alarm_in_a_backlog_sent_newest_first_is_one() {
        play(&[
            (300, QUIET, &[], &[]),
            (12, raises(&[Tamper]), &[Tamper], &[]),
            (11, raises(&[Tamper]), &[], &[]),
            (10, raises(&[Tamper, Panic]), &[Panic], &[]),
        ]);
    }

    #[test]
    fn what_the_journal_knows_is_known_again() {
        let mut condition = Condition::default();
        let mut known = Restored::default();
        for (event, minute) in [(IgnitionOff, 9), (IgnitionOn, 4), (PowerCut, 7), (PowerBack, 8), (Tamper, 12)] {
            condition.restore(event, UnixMs::from_secs(minute * 60), &mut known);
        }
        let at = |minute: i64| UnixMs::from_secs(minute * 60);
        assert_eq!(condition.take(at(13), &key(false)), Changes::default());
        assert_eq!(condition.take(at(14), &fed(true)), Changes::default());
        assert_eq!(condition.take(at(15), &fed(false)).new, Events::from_iter([PowerCut]));
    }
}
