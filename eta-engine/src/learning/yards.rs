//! Where vehicles are kept: places away from every line where they were seen to stand for good. A
//! vehicle that moves about such a place is at its base, not on its way. Learned by the engine as it
//! runs; it knows nothing of vehicles or trips.

use transit_model::plane::Xy;

/// A yard is so wide, metres around the place where the first vehicle stood.
const AROUND: f32 = 185.0;
/// So many are kept; the ones least used give way.
const MOST: usize = 200;

/// The yards of a city.
#[derive(Clone, Debug, Default)]
pub struct Yards {
    places: Vec<(Xy, u32)>,
}

impl Yards {
    /// A vehicle stood here for good.
    pub fn stood(&mut self, at: Xy) {
        if let Some((_, stays)) = self.places.iter_mut().find(|(p, _)| p.distance(at) <= AROUND) {
            *stays = stays.saturating_add(1);
            return;
        }
        if self.places.len() >= MOST
            && let Some(least) = self.places.iter().enumerate().min_by_key(|(_, (_, stays))| *stays).map(|(i, _)| i)
        {
            self.places.swap_remove(least);
        }
        self.places.push((at, 1));
    }

    /// Whether this is in one of them.
    #[must_use]
    pub fn has(&self, at: Xy) -> bool {
        let far = AROUND * AROUND;
        self.places.iter().any(|(p, _)| p.distance2(at) <= far)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yard_is_where_somebody_stood_and_the_least_used_give_way() {
        let mut yards = Yards::default();
        let at = |n: usize| Xy { x: n as f32 * 1000.0, y: 0.0 };
        yards.stood(at(0));
        yards.stood(Xy { x: 100.0, y: 0.0 });
        assert!(yards.has(Xy { x: 150.0, y: 50.0 }) && !yards.has(Xy { x: 250.0, y: 0.0 }));
        for n in 1..=MOST {
            yards.stood(at(n));
        }
        assert!(yards.has(at(0)) && yards.has(at(MOST)), "the one used twice stays");
        assert_eq!(yards.places.len(), MOST);
    }
}
