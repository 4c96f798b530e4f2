//! What destination signs mean, learned while vehicles run: which code goes with which line and
//! direction, and which with none. It keeps counts and answers with likelihoods; what follows from
//! them is the matcher's to say (`matching`), and a sign that nobody has learned yet says nothing.
//!
//! A code's chance on a line is its share of what was seen there, smoothed as Witten and Bell do: the
//! more kinds of codes a line has shown, the less a new one surprises. So where every bus of a
//! line shows one of two codes a third one is news, and where signs change all day none is.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use transit_model::ids::RouteIdx;
use transit_model::timetable::{Pattern, Timetable};

/// A route and a direction: what a sign stands for.
pub type Line = (RouteIdx, u8);

/// The chance of a code nobody has seen, wherever it may turn up.
const NEW: f32 = 0.05;
/// As if so many codes had been seen on every line before the first one.
const LINE_KINDS: f32 = 0.5;
/// And out of service, where signs are many: routes of other depots, tests, words of the driver.
const IDLE_KINDS: f32 = 2.0;
/// Drivers leave the sign of one direction on in the other, or on the way home, so often.
const FORGOTTEN: f32 = 0.03;
/// What has not been seen counts as so much of an observation.
const UNSEEN: f32 = 0.15;
/// What a sign's text, or a list, says counts as so many observations.
const TEXT: f32 = 3.0;
const LISTED: f32 = 50.0;
/// No code is counted beyond this: what held for years can still change.
const ENOUGH: f32 = 400.0;
/// A feed's vehicles show no more codes than this; further ones are not learned.
const MOST_CODES: usize = 10_000;
/// Texts that share so much of their words mean the same.
const ALIKE: f32 = 0.6;

/// Words of a sign that says nobody may board, as cities write them.
const NO_SERVICE: [&str; 16] = [
    "not in service",
    "out of service",
    "no service",
    "no passengers",
    "depot",
    "garage",
    "training",
    "test",
    "special",
    "у парк",
    "в парк",
    "у депо",
    "в депо",
    "посадки немає",
    "не обслуговує",
    "службовий",
];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    all: f32,
    kinds: f32,
}

impl Seen {
    /// The chance of what was seen `n` times of these.
    fn chance(self, n: f32, kinds: f32) -> f32 {
        let kinds = self.kinds + kinds;
        NEW.mul_add(kinds, n) / (self.all + kinds)
    }
}

#[derive(Clone, Debug, Default)]
struct Code {
    idle: f32,
    lines: SmallVec<[(Line, f32); 2]>,
}

impl Code {
    fn on(&self, line: Line) -> f32 {
        self.lines.iter().find(|(l, _)| *l == line).map_or(0.0, |(_, n)| *n)
    }
}

/// What a list says a code means (`signs` of the configuration).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// It goes with this line.
    Line(Line),
    /// It goes with none.
    NoService,
}

/// Every code a feed's vehicles have shown, and where.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    codes: FxHashMap<Box<str>, Code>,
    lines: FxHashMap<Line, Seen>,
    idle: Seen,
    /// The words of each line's own headsigns.
    words: Vec<(Line, Vec<Box<str>>)>,
}

/// What one sign says now.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    signs: &'a Signs,
    code: Option<&'a Code>,
    best: f32,
    idle: f32,
}

impl Signs {
    /// The signs of a feed before any vehicle has shown one: only the words of its headsigns are known.
    #[must_use]
    pub fn new(t: &Timetable) -> Self {
        let mut words: Vec<(Line, Vec<Box<str>>)> = Vec::new();
        for (_, p) in t.patterns.iter() {
            let Some(trip) = p.trips.first() else { continue };
            let of = words_of(&t.trips.at(*trip).headsign);
            let entry = (line_of(p), of);
            if !entry.1.is_empty() && !words.contains(&entry) {
                words.push(entry);
            }
        }
        Self { words, ..Self::default() }
    }

    /// How many codes are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// What a list says.
    pub fn know(&mut self, code: &str, meaning: Meaning) {
        match meaning {
            Meaning::Line(line) => self.seen_on(code, line, LISTED),
            Meaning::NoService => self.seen_idle(code, LISTED),
        }
    }

    /// A vehicle showed the code while it ran a line: `n` observations (one for each kilometre).
    pub fn seen_on(&mut self, code: &str, line: Line, n: f32) {
        let Some(c) = self.code(code) else { return };
        let at = match c.lines.iter().position(|(l, _)| *l == line) {
            Some(at) => at,
            None => {
                c.lines.push((line, 0.0));
                c.lines.len() - 1
            }
        };
        let Some((_, have)) = c.lines.get_mut(at) else { return };
        if *have >= ENOUGH {
            return;
        }
        let new = *have == 0.0;
        *have += n;
        let all = self.lines.entry(line).or_default();
        all.all += n;
        all.kinds += f32::from(u8::from(new));
    }

    /// A vehicle showed the code at its base or far from every line: `n` observations.
    pub fn seen_idle(&mut self, code: &str, n: f32) {
        let Some(c) = self.code(code) else { return };
        if c.idle >= ENOUGH {
            return;
        }
        let new = c.idle == 0.0;
        c.idle += n;
        self.idle.all += n;
        self.idle.kinds += f32::from(u8::from(new));
    }

    /// What a sign says; nothing where it is blank.
    #[must_use]
    pub fn read(&self, code: &str) -> Option<Reading<'_>> {
        if is_blank(code) {
            return None;
        }
        let c = self.codes.get(code);
        let on = |c: &Code| {
            let chances =
                c.lines.iter().map(|(l, n)| self.lines.get(l).copied().unwrap_or_default().chance(*n, LINE_KINDS));
            chances.fold(NEW, f32::max)
        };
        let in_service = c.is_some_and(|c| !c.lines.is_empty());
        let idle = self.idle.chance(c.map_or(0.0, |c| c.idle), IDLE_KINDS);
        let idle = if in_service { idle.max(FORGOTTEN) } else { idle };
        Some(Reading { signs: self, code: c, best: c.map_or(NEW, on).ln(), idle: idle.ln() })
    }

    /// The entry of a code, with what its text says by itself when it is new.
    fn code(&mut self, code: &str) -> Option<&mut Code> {
        if is_blank(code) {
            return None;
        }
        if !self.codes.contains_key(code) {
            if self.codes.len() >= MOST_CODES {
                return None;
            }
            self.codes.insert(code.into(), Code::default());
            self.learn_text(code);
        }
        self.codes.get_mut(code)
    }

    fn learn_text(&mut self, code: &str) {
        let words = words_of(code);
        if !words.iter().any(|w| w.chars().count() >= 3 && w.chars().any(char::is_alphabetic)) {
            return;
        }
        let text = words.join(" ");
        if NO_SERVICE.iter().any(|said| text.contains(said)) {
            self.seen_idle(code, TEXT);
            return;
        }
        let alike: Vec<Line> =
            self.words.iter().filter(|(_, of)| share(&words, of) >= ALIKE).map(|(line, _)| *line).collect();
        for line in alike {
            self.seen_on(code, line, TEXT);
        }
    }
}

impl Reading<'_> {
    fn on(&self, line: Line) -> f32 {
        let seen = self.signs.lines.get(&line).copied().unwrap_or_default();
        let Some(code) = self.code else { return seen.chance(0.0, LINE_KINDS).ln() };
        let chance = seen.chance(code.on(line), LINE_KINDS);
        // The sign of the other direction, or of another route of the vehicle's, was left on.
        if code.lines.is_empty() { chance.ln() } else { chance.max(FORGOTTEN).ln() }
    }

    /// What running this line costs with that sign, against the line the sign goes with best.
    #[must_use]
    pub fn cost(&self, line: Line) -> f32 {
        (self.best - self.on(line)).max(0.0)
    }

    /// How much likelier the sign is out of service than on this line, as a log-likelihood ratio:
    /// negative where it speaks for service, 0 where nothing is known.
    #[must_use]
    pub fn doubt(&self, line: Line) -> f32 {
        self.idle - self.on(line)
    }

    /// How much oftener the sign was seen out of service than on the line it goes with best, as a
    /// log-likelihood ratio; 0 for one nobody has seen.
    #[must_use]
    pub fn idle(&self) -> f32 {
        let Some(code) = self.code else { return 0.0 };
        let on = code.lines.iter().map(|(_, n)| *n).fold(0.0, f32::max);
        ((code.idle + UNSEEN) / (on + UNSEEN)).ln()
    }
}

/// The line of a pattern.
#[must_use]
pub fn line_of(p: &Pattern) -> Line {
    (p.route, p.direction.unwrap_or(0))
}

/// A sign that is set to nothing: empty, dashes, or a code of noughts.
#[must_use]
pub fn is_blank(code: &str) -> bool {
    code.chars().all(|c| c == '0' || !c.is_alphanumeric())
}

fn words_of(text: &str) -> Vec<Box<str>> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(Into::into).collect()
}

/// The share of the shorter text's words that the longer one has too; one word in common is not enough
/// where there are more.
fn share(a: &[Box<str>], b: &[Box<str>]) -> f32 {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return 0.0;
    }
    let common = short.iter().filter(|w| long.contains(w)).count() as f32;
    common / (short.len() as f32).max(long.len() as f32 * 0.5)
}

#[cfg(test)]
mod tests {
    use transit_model::ids::Idx as _;

    use super::*;

    fn out() -> Line {
        (RouteIdx::new(0), 0)
    }

    fn back() -> Line {
        (RouteIdx::new(0), 1)
    }

    #[test]
    fn a_sign_nobody_has_learned_says_nothing() {
        let signs = Signs::default();
        let r = signs.read("4630").unwrap();
        assert_eq!((r.cost(out()), r.doubt(out())), (0.0, 0.0));
        assert!(signs.read("0000").is_none() && signs.read(" - ").is_none());
    }

    #[test]
    fn a_morning_at_the_base_tells_what_is_no_service_and_one_trip_what_is() {
        let mut signs = Signs::default();
        signs.seen_idle("12", 4.0);
        assert!(signs.read("12").unwrap().doubt(out()) > 1.5);
        assert!(signs.read("4630").unwrap().doubt(out()) <= 0.0, "another code is none the worse for it");
        signs.seen_on("4630", out(), 12.0);
        let r = signs.read("4630").unwrap();
        assert!(r.doubt(out()) < -2.0 && r.cost(out()) == 0.0 && r.cost(back()) > 1.0);
        assert!(signs.read("12").unwrap().doubt(out()) > 3.0);
    }

    #[test]
    fn a_code_never_seen_where_a_line_shows_one_is_no_service_rather() {
        let mut signs = Signs::default();
        signs.seen_idle("12", 5.0);
        signs.seen_on("4630", out(), 20.0);
        signs.seen_on("4631", back(), 20.0);
        assert!(signs.read("6").unwrap().doubt(out()) > 1.5);
        // The sign of the other direction, left on, is a driver's mistake and not the end of service.
        assert!(signs.read("4631").unwrap().doubt(out()) < 1.0);
        assert!(signs.read("4631").unwrap().cost(out()) > 2.0);
    }

    #[test]
    fn where_signs_change_all_day_a_new_one_is_no_news() {
        let mut signs = Signs::default();
        for n in 0..40 {
            signs.seen_on(&format!("next stop {n}"), out(), 1.0);
        }
        signs.seen_idle("12", 40.0);
        assert!(signs.read("via market").unwrap().doubt(out()) < 0.0);
    }

    #[test]
    fn a_list_and_a_text_speak_at_once() {
        let mut signs =
            Signs { words: vec![(out(), words_of("B63 COBBLE HILL COLUMBIA ST via 5 AV"))], ..Signs::default() };
        signs.know("6", Meaning::NoService);
        assert!(signs.read("6").unwrap().doubt(out()) > 1.5);
        signs.seen_idle("НЕ ОБСЛУГОВУЄ", 0.1);
        assert!(signs.read("НЕ ОБСЛУГОВУЄ").unwrap().idle() > 0.5);
        signs.seen_on("Cobble Hill via 5 Av", back(), 0.01);
        let r = signs.read("Cobble Hill via 5 Av").unwrap();
        assert!(r.cost(out()) < r.cost(back()), "{} {}", r.cost(out()), r.cost(back()));
    }

    #[test]
    fn codes_are_bounded() {
        let mut signs = Signs::default();
        for n in 0..2 * MOST_CODES {
            signs.seen_idle(&format!("x{n}"), 1.0);
        }
        assert_eq!(signs.len(), MOST_CODES);
        assert!(signs.read("one more").unwrap().doubt(out()) < 4.0);
    }
}
