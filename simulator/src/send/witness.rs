//! Trackers that keep a book: what each has said, and what it was told is kept. For a judge who later looks at what
//! a server truly has.
//!
//! A witness says one record after another, two seconds apart, each where [`Ways`] has its vehicle then, as fast as it
//! is answered. After a fault it goes on from its first record that nobody took. Like any tracker in a bad network
//! it sometimes says again what was taken already, in other messages than before, and sometimes hangs up before the
//! answer can come. Not here: servers, what kills them, databases.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracker_ingest::codec::stream::Answer;
use tracker_ingest::codec::{Position, Protocol, Record};
use transit_model::backoff::{Backoff, Policy};
use transit_model::dispatch::VehicleKind;
use transit_model::ids::{FeedId, VehicleId};
use transit_model::time::UnixMs;

use super::SimDevice;
use super::endpoints::{Endpoint, Transport};
use super::wire::{Fault, Wire};
use crate::chance::{Topic, chance, unit};
use crate::load::ways::Ways;
use crate::tracker::{Split, Tracker};

/// Between records, seconds: the coarsest clock on a wire counts every other one.
const STEP: i64 = 2;
/// Records of a message at most.
const MOST: i64 = 8;
/// How far it goes back when it says again what was taken, records.
const BACK: i64 = 4;
/// How often it does that.
const AGAIN: f64 = 0.1;
/// How often it hangs up early, and the longest it then waits.
const IMPATIENT: (f64, Duration) = (0.05, Duration::from_millis(4));
/// The server has so long to answer, over TCP and over UDP, where nobody says that a server is gone.
const ANSWER: (Duration, Duration) = (Duration::from_secs(15), Duration::from_millis(400));
/// Between messages of a protocol that has no answers.
const UNANSWERED: Duration = Duration::from_millis(10);
const RETRY: Policy = Policy { first: Duration::from_millis(4), most: Duration::from_millis(100) };
/// A moment that every protocol can say, unix seconds.
const SOMETIME: i64 = 1_750_000_000;
/// How near a protocol of whole minutes and ten-thousandths says a place, degrees.
const NEAR: f64 = 1.1e-5;

/// What came of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// So many records more are the server's.
    Taken(u64),
    /// Nothing is: it refused, broke off, or was not there.
    Fault,
}

/// A record that a server has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    /// When it was made, by the device's clock.
    pub time: UnixMs,
    /// Where, degrees.
    pub place: Option<(f64, f64)>,
}

/// What a server has of a witness, beside what the witness knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Records that the witness was told are kept.
    pub promised: u64,
    /// Records that it has said.
    pub said: u64,
    /// Records that are there, each counted once.
    pub kept: u64,
    /// Promised, and not there.
    pub missing: Vec<UnixMs>,
    /// There more than once.
    pub twice: Vec<UnixMs>,
    /// There, and never said, or said of another place.
    pub strange: Vec<UnixMs>,
}

impl Account {
    /// Whether all that was promised is there once, and nothing else is.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.missing.is_empty() && self.twice.is_empty() && self.strange.is_empty()
    }
}

/// A tracker that keeps a book.
#[derive(Clone, Debug)]
pub struct Witness {
    tracker: Tracker,
    number: u32,
    transport: Transport,
    secret: [u8; 32],
    /// Of its first record.
    from: UnixMs,
    answered: bool,
    chance: ChaCha8Rng,
    /// So many records, from the first on, are promised.
    promised: i64,
    /// So many have been put on a wire at least once.
    said: i64,
}

impl Witness {
    /// The witness of a number, which has said nothing yet; its first record is made at `from`, to the even second.
    #[must_use]
    pub fn new(seed: u64, number: u32, protocol: Protocol, transport: Transport, from: UnixMs) -> Self {
        let vehicle = VehicleId::from(format!("witness-{number:03}"));
        let tracker = Tracker::of(seed, &vehicle, VehicleKind::Transit, &Split::new([(protocol, 1)]));
        Self {
            answered: is_answered(&tracker),
            tracker,
            number,
            transport,
            secret: chance(seed, Topic::Witness, u64::MAX, 0).random(),
            from: UnixMs::from_secs(from.secs().div_euclid(STEP) * STEP),
            chance: chance(seed, Topic::Witness, u64::from(number), 0),
            promised: 0,
            said: 0,
        }
    }

    /// As a registry should know it.
    #[must_use]
    pub fn device(&self) -> SimDevice {
        SimDevice::of(&self.tracker, self.secret)
    }

    /// Which vehicle it is in.
    #[must_use]
    pub const fn vehicle(&self) -> &VehicleId {
        &self.tracker.vehicle
    }

    /// The listener it needs, as a server names it: `teltonika`, `wialon/udp`.
    #[must_use]
    pub fn port(&self) -> String {
        let name = self.tracker.protocol.name();
        if self.transport == Transport::Udp { format!("{name}/udp") } else { name.to_owned() }
    }

    /// Whether its protocol has answers: without them nothing is ever promised.
    #[must_use]
    pub const fn answered(&self) -> bool {
        self.answered
    }

    /// Speaks to a server at `host:port`, whatever becomes of that, until `last` is cancelled and something goes
    /// wrong after that: what was answered by then has been heard. Dropping the future is allowed at any moment.
    pub async fn drive(
        &mut self,
        address: &str,
        feed: &FeedId,
        ways: &Ways,
        words: &UnboundedSender<Word>,
        last: &CancellationToken,
    ) {
        let endpoint = Endpoint { address: address.to_owned(), transport: self.transport };
        let token = self.tracker.token(self.secret);
        let mut wire = Wire::to(&self.tracker, &endpoint, &token, feed, &reqwest::Client::new());
        let mut backoff = Backoff::new(RETRY);
        loop {
            let (from, to) = self.next(wire.most());
            let records: Vec<Record> = (from..to).map(|n| ways.record(self.number, self.time(n))).collect();
            // Before the first byte: what a dropped future or a broken connection got through counts as said.
            self.said = self.said.max(to);
            let word = match timeout(self.patience(), wire.deliver(&records)).await.unwrap_or(Err(Fault::TimedOut)) {
                Ok(_) if self.answered => {
                    let before = self.promised;
                    self.promised = before.max(to);
                    backoff.reset();
                    Word::Taken(self.promised.abs_diff(before))
                }
                Ok(_) => {
                    sleep(UNANSWERED).await;
                    Word::Taken(0)
                }
                Err(fault) => {
                    tracing::debug!(vehicle = %self.tracker.vehicle, %fault, "not taken");
                    wire.hang_up();
                    Word::Fault
                }
            };
            // Nobody may listen any more.
            let _ = words.send(word);
            if word == Word::Fault {
                if last.is_cancelled() {
                    return;
                }
                sleep(backoff.wait(unit(&mut self.chance))).await;
            }
        }
    }

    /// What to say next: records from one number to before another.
    fn next(&mut self, most: usize) -> (i64, i64) {
        let mut from = if self.answered { self.promised } else { self.said };
        if unit(&mut self.chance) < AGAIN {
            from = (from - self.chance.random_range(1..=BACK)).max(0);
        }
        let most = i64::try_from(most).unwrap_or(MOST).clamp(1, MOST);
        (from, from + self.chance.random_range(1..=most))
    }

    fn patience(&mut self) -> Duration {
        if unit(&mut self.chance) < IMPATIENT.0 {
            return IMPATIENT.1.mul_f64(unit(&mut self.chance));
        }
        if self.transport == Transport::Udp { ANSWER.1 } else { ANSWER.0 }
    }

    fn time(&self, n: i64) -> UnixMs {
        self.from.plus_secs(n * STEP)
    }

    /// Judges what a server has of it, in any order.
    #[must_use]
    pub fn account(&self, kept: &[Kept], ways: &Ways) -> Account {
        let mut times: Vec<UnixMs> = kept.iter().map(|k| k.time).collect();
        times.sort_unstable();
        let mut twice: Vec<UnixMs> =
            times.windows(2).filter_map(|w| (w.first() == w.last()).then(|| w.first().copied())?).collect();
        twice.dedup();
        times.dedup();
        let said = |k: &&Kept| {
            let n = (k.time.0 - self.from.0).div_euclid(STEP * 1000);
            let truth = ways.place(self.number, self.time(n));
            let there = |(lat, lon): (f64, f64)| (lat - truth.lat).abs() <= NEAR && (lon - truth.lon).abs() <= NEAR;
            (0..self.said).contains(&n) && self.time(n) == k.time && k.place.is_some_and(there)
        };
        Account {
            promised: self.promised.unsigned_abs(),
            said: self.said.unsigned_abs(),
            kept: times.len() as u64,
            missing: (0..self.promised).map(|n| self.time(n)).filter(|t| times.binary_search(t).is_err()).collect(),
            twice,
            strange: kept.iter().filter(|k| !said(k)).map(|k| k.time).collect(),
        }
    }
}

/// Whether a tracker is answered at all: over a stream the device's end says so, HTTP and MQTT always answer.
fn is_answered(tracker: &Tracker) -> bool {
    let Some(codec) = tracker.protocol.stream() else { return true };
    let mut terminal = (codec.terminal)(&tracker.says);
    let record = Record::at(UnixMs::from_secs(SOMETIME), Position::default());
    let silent = terminal
        .hello()
        .and_then(|_| terminal.tell(&[record]))
        .is_ok_and(|_| terminal.hear(&[]) == Ok(Answer::Taken(0)));
    !silent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city;

    fn ways() -> Ways {
        Ways::of(&city::load("20261123".parse().unwrap()).unwrap().timetable).unwrap()
    }

    fn kept(w: &Witness, ways: &Ways, n: i64) -> Kept {
        let p = ways.place(w.number, w.time(n));
        Kept { time: w.time(n), place: Some((p.lat, p.lon)) }
    }

    #[test]
    fn the_judge_sees_what_is_missing_what_is_twice_and_what_was_never_said() {
        let ways = ways();
        let mut w = Witness::new(1, 7, Protocol::Teltonika, Transport::Tcp, UnixMs(1_700_000_001_500));
        (w.promised, w.said) = (3, 5);
        let of = |n: &[i64]| n.iter().map(|n| kept(&w, &ways, *n)).collect::<Vec<_>>();
        for good in [&[0, 1, 2][..], &[2, 1, 0, 4], &[0, 1, 2, 3, 4]] {
            let a = w.account(&of(good), &ways);
            assert!(a.holds() && a.kept == good.len() as u64 && (a.promised, a.said) == (3, 5), "{a:?}");
        }
        let only = |a: Account| (a.missing.len(), a.twice.len(), a.strange.len());
        assert_eq!(only(w.account(&of(&[0, 2]), &ways)), (1, 0, 0));
        assert_eq!(only(w.account(&of(&[0, 1, 2, 2, 2]), &ways)), (0, 1, 0));
        assert_eq!(only(w.account(&of(&[0, 1, 2, 5, -1]), &ways)), (0, 0, 2));
        let elsewhere = Kept { place: Some((0.0, 0.0)), ..kept(&w, &ways, 1) };
        assert_eq!(only(w.account(&[kept(&w, &ways, 0), elsewhere, kept(&w, &ways, 2)], &ways)), (0, 0, 1));
        let between = Kept { time: UnixMs(w.time(1).0 + 1), ..kept(&w, &ways, 1) };
        assert_eq!(only(w.account(&[of(&[0, 1, 2]), vec![between]].concat(), &ways)), (0, 0, 1));
    }

    #[test]
    fn it_knows_whose_answers_are_promises() {
        let answered = |p| Witness::new(1, 0, p, Transport::Tcp, UnixMs(0)).answered();
        assert!(
            [Protocol::Teltonika, Protocol::Wialon, Protocol::Osmand, Protocol::MqttJson].into_iter().all(answered)
        );
        assert!(!answered(Protocol::Nmea));
    }
}
