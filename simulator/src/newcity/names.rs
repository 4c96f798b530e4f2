//! What streets and stops are called. No two streets and no two places share a name.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::demand::HubKind;
use super::words::{ESTATES, HONOURED, LANDMARKS, NUMBERED, OUTSKIRTS, PLAIN, SIDES, SQUARES, WORKS};
use super::{Part, draw, part};

/// A street's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StreetName {
    /// As in an address: `вул. Садова`.
    pub(crate) short: String,
    /// As on a stop: `Вулиця Садова`.
    pub(crate) full: String,
}

/// Names every street; `avenues` says which of them are wide.
pub(crate) fn streets(avenues: &[bool], seed: u64) -> Vec<StreetName> {
    let rng = &mut part(seed, Part::Names, 0);
    let mut honoured = shuffled(HONOURED, rng);
    let plain = shuffled(PLAIN, rng);
    let mut plain: Vec<String> =
        SIDES.iter().rev().flat_map(|side| plain.iter().map(move |name| format!("{side}{name}"))).collect();
    let mut lines = 0;
    let mut next = |avenue: &bool| {
        // Wide streets are named after somebody, narrow ones seldom.
        let somebody = draw(rng, 0.0, 1.0) < if *avenue { 0.85 } else { 0.15 };
        let (short, full) = match (*avenue, draw(rng, 0.0, 1.0)) {
            (true, x) if x < 0.35 => ("просп.", "Проспект"),
            (true, x) if x < 0.5 => ("бульв.", "Бульвар"),
            _ => ("вул.", "Вулиця"),
        };
        if let Some(name) = somebody.then(|| honoured.pop()).flatten() {
            return StreetName { short: format!("{short} {name}"), full: format!("{full} {name}") };
        }
        let name = plain.pop().unwrap_or_else(|| {
            lines += 1;
            format!("{lines}-а Лінія")
        });
        StreetName { short: format!("вул. {name}"), full: format!("Вулиця {name}") }
    };
    avenues.iter().map(&mut next).collect()
}

/// Names places, each name once.
pub(crate) struct Namer {
    rng: ChaCha8Rng,
    used: BTreeSet<String>,
    squares: Vec<&'static str>,
    estates: Vec<&'static str>,
    works: Vec<&'static str>,
    outskirts: Vec<&'static str>,
    landmarks: Vec<&'static str>,
    /// The last number given to each of [`NUMBERED`].
    numbers: Vec<u32>,
}

impl Namer {
    /// With every name free.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = part(seed, Part::Names, 1);
        Self {
            used: BTreeSet::new(),
            squares: shuffled(SQUARES, &mut rng),
            estates: shuffled(ESTATES, &mut rng),
            works: shuffled(WORKS, &mut rng),
            outskirts: shuffled(OUTSKIRTS, &mut rng),
            landmarks: shuffled(LANDMARKS, &mut rng),
            numbers: vec![0; NUMBERED.len()],
            rng,
        }
    }

    /// The name of a hub.
    pub(crate) fn hub(&mut self, kind: HubKind) -> String {
        let (pool, more) = match kind {
            HubKind::Station => return self.take("Залізничний вокзал"),
            HubKind::BusStation => return self.take("Автовокзал"),
            HubKind::Market => return self.take("Центральний ринок"),
            HubKind::Hospital => return self.take("Міська лікарня"),
            HubKind::University => return self.take("Університет"),
            HubKind::Square => (&mut self.squares, "Площа"),
            HubKind::Estate => (&mut self.estates, "Мікрорайон"),
            HubKind::Works => (&mut self.works, "Завод"),
            HubKind::Outskirts => (&mut self.outskirts, "Селище"),
        };
        match pool.pop() {
            Some(name) => self.take(name),
            None => self.counted(more),
        }
    }

    /// The name of a stop between hubs; after the street that crosses there, or something near by.
    pub(crate) fn stop(&mut self, crossing: Option<&StreetName>) -> String {
        let chance = draw(&mut self.rng, 0.0, 1.0);
        if let Some(street) = crossing.filter(|s| chance < 0.6 && !self.used.contains(&s.full)) {
            return self.take(&street.full);
        }
        if let Some(name) = if chance < 0.85 { self.landmarks.pop() } else { None } {
            return self.take(name);
        }
        let which = draw(&mut self.rng, 0.0, NUMBERED.len() as f32) as usize;
        let word = NUMBERED.get(which).copied().unwrap_or("Школа");
        // Not every school has a stop, so the numbers leap.
        let step = 1 + draw(&mut self.rng, 0.0, 3.0) as u32;
        let number = self.numbers.get_mut(which).map_or(1, |n| {
            *n += step;
            *n
        });
        self.take(&format!("{word} № {number}"))
    }

    /// A name that stands already fixed.
    pub(crate) fn take(&mut self, name: &str) -> String {
        self.used.insert(name.to_owned());
        name.to_owned()
    }

    fn counted(&mut self, word: &str) -> String {
        let free = (2u32..).map(|n| format!("{word} № {n}")).find(|name| !self.used.contains(name));
        self.take(&free.unwrap_or_default())
    }
}

/// The words in an order of chance, to be popped.
fn shuffled(words: &[&'static str], rng: &mut ChaCha8Rng) -> Vec<&'static str> {
    let mut words = words.to_vec();
    words.shuffle(rng);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_streets_and_stops_have_a_thousand_names() {
        let avenues: Vec<bool> = (0..1000).map(|n| n % 5 == 0).collect();
        let named = streets(&avenues, 3);
        let different: BTreeSet<&str> = named.iter().map(|s| s.short.as_str()).collect();
        assert_eq!(different.len(), 1000);
        assert!(named.iter().any(|s| s.short.starts_with("просп. ")));
        let mut namer = Namer::new(3);
        let hubs = (0..50).map(|_| namer.hub(HubKind::Outskirts)).collect::<BTreeSet<_>>();
        assert_eq!(hubs.len(), 50);
        let stops = (0..1000).map(|n| namer.stop(named.get(n / 2))).collect::<BTreeSet<_>>();
        assert_eq!(stops.len(), 1000);
        assert!(hubs.is_disjoint(&stops));
    }

    #[test]
    fn no_word_stands_twice_in_its_list() {
        for words in [HONOURED, PLAIN, SQUARES, ESTATES, WORKS, OUTSKIRTS, LANDMARKS, NUMBERED] {
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{words:?}");
        }
    }
}
