//! When a machine counts as working: which kinds serve streets at all, how fast they work, whether they
//! must say so.

use transit_model::dispatch::MachineKind;
use transit_model::time::ServiceTime;

/// When a kind of machine counts as working.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rule {
    /// Whether it serves streets at all.
    pub serves: bool,
    /// How fast it works, m/s, from and to; faster it only drives by.
    pub speed: (f32, f32),
    /// It works only while its tracker says so (plough down, pump on).
    pub must_say: bool,
}

impl Rule {
    /// Whether what was driven at this speed (m/s) was work; `says` is what the tracker says of it.
    #[must_use]
    pub fn works(&self, speed: f32, says: Option<bool>) -> bool {
        let said = if self.must_say { says == Some(true) } else { says != Some(false) };
        self.serves && said && speed >= self.speed.0 && speed <= self.speed.1
    }

    /// What holds for a kind unless the city says otherwise: a tipper carries and serves no street.
    #[must_use]
    pub const fn usual(kind: MachineKind) -> Self {
        let (serves, kmh) = match kind {
            MachineKind::Plough => (true, 55.0),
            MachineKind::Sweeper => (true, 20.0),
            MachineKind::Tanker => (true, 35.0),
            MachineKind::Tipper => (false, 60.0),
            MachineKind::Other => (true, 40.0),
        };
        Self { serves, speed: (0.0, kmh / 3.6), must_say: false }
    }
}

/// The rules of a city.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rules {
    /// By [`MachineKind::at`].
    pub kinds: [Rule; MachineKind::ALL.len()],
    /// When the day's first shift begins: "since the shift began" is since then.
    pub shift: ServiceTime,
}

impl Default for Rules {
    fn default() -> Self {
        Self { kinds: MachineKind::ALL.map(Rule::usual), shift: ServiceTime(4 * 3600) }
    }
}

impl Rules {
    /// The rule of a kind.
    #[must_use]
    pub fn of(&self, kind: MachineKind) -> Rule {
        self.kinds.get(kind.at()).copied().unwrap_or(Rule::usual(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_works_within_its_speed_and_when_it_says_so() {
        let sweeper = Rule::usual(MachineKind::Sweeper);
        assert!(sweeper.works(2.8, None) && !sweeper.works(9.0, None), "faster it only drives");
        assert!(!sweeper.works(2.8, Some(false)), "brushes up");
        let strict = Rule { must_say: true, ..sweeper };
        assert!(!strict.works(2.8, None) && strict.works(2.8, Some(true)));
        assert!(!Rule::usual(MachineKind::Tipper).works(5.0, Some(true)));
    }
}
