//! How often a vehicle reports, on the way and standing. Many trackers fall silent when they stand; then silence
//! on a vehicle that reports every few seconds on its way says that it has not moved.

/// The interval that nine in ten of the intervals on the way are shorter than, before any is known, seconds.
const FIRST: f32 = 60.0;
/// How fast a vehicle drives between stops before it has been seen to, m/s.
const FIRST_SPEED: f32 = 8.0;
/// How much one interval moves that, m/s.
const SPEED_STEP: f32 = 0.2;
/// How much one interval moves it, as a share.
const STEP: f32 = 0.25;
/// Of the last so many intervals of standing the share of long ones is kept.
const LAST: f32 = 12.0;
/// Moved by less it stood, metres.
const STOOD: f32 = 20.0;
/// Moved by more, and faster than a walk, it was on its way.
const WENT: (f32, f32) = (40.0, 2.0);
/// A longer silence is an outage and says nothing of standing, seconds.
const OUTAGE: f32 = 900.0;

/// One vehicle's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// Nine in ten intervals on the way are shorter, seconds.
    moving: f32,
    /// The share of intervals of standing that were much longer.
    quiet: f32,
    /// How fast it drives between stops, m/s: three in four intervals on the way are slower.
    speed: f32,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { moving: FIRST, quiet: 0.0, speed: FIRST_SPEED }
    }
}

impl Rhythm {
    /// Takes in an interval between fixes, seconds, in which the vehicle came so far, metres.
    pub fn learn(&mut self, gap: f32, moved: f32) {
        if gap > OUTAGE || gap <= 0.0 {
            return;
        }
        let (far, fast) = WENT;
        if moved >= far && moved / gap >= fast {
            self.moving *= if gap > self.moving { 1.0 + 0.9 * STEP } else { 1.0 - 0.1 * STEP };
            self.moving = self.moving.clamp(2.0, FIRST);
            self.speed += if moved / gap > self.speed { 0.75 * SPEED_STEP } else { -0.25 * SPEED_STEP };
            self.speed = self.speed.clamp(4.0, 25.0);
        } else if moved < STOOD {
            let long = if gap > 1.5 * self.moving + 5.0 { 1.0 } else { 0.0 };
            self.quiet += (long - self.quiet) / LAST;
        }
    }

    /// How fast it drives when it drives, m/s.
    #[must_use]
    pub const fn speed(&self) -> f32 {
        self.speed
    }

    /// How long it may have been on its way unheard, seconds, if its silence beyond that means it stands.
    #[must_use]
    pub fn speaks_within(&self) -> Option<f32> {
        (self.quiet > 0.5).then_some(1.2 * self.moving + 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_that_reports_at_one_interval_always_says_nothing_by_its_silence() {
        let mut r = Rhythm::default();
        for n in 0..500 {
            r.learn(10.0, if n % 3 == 0 { 2.0 } else { 80.0 });
        }
        assert_eq!(r.speaks_within(), None);
    }

    #[test]
    fn one_that_falls_silent_when_it_stands_stands_when_it_is_silent() {
        let mut r = Rhythm::default();
        for _ in 0..60 {
            for _ in 0..8 {
                r.learn(6.0, 60.0);
            }
            r.learn(48.0, 5.0);
        }
        let within = r.speaks_within().unwrap();
        assert!((5.0..20.0).contains(&within), "{within}");
    }

    #[test]
    fn an_outage_is_not_standing() {
        let mut r = Rhythm::default();
        for _ in 0..50 {
            r.learn(6.0, 60.0);
            r.learn(3600.0, 5.0);
        }
        assert_eq!(r.speaks_within(), None);
    }
}
