//! What must hold at the end of a scenario, and the figures it is held against. The figures come from
//! whoever ran the system on the scenario; here they are only compared.

use std::collections::BTreeMap;
use std::fmt;

use tracker_ingest::Rejection;

use super::keys::{At, Problem, Table, senseless};

/// A figure of a finished run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Figure {
    /// Reports that trackers of the fleet sent.
    Reports,
    /// Percent of the reports of known trackers that are right about place and time (50 m, 5 s) and that the gate
    /// let move a vehicle.
    Live,
    /// Percent of the fixes that moved a vehicle truly on a trip after which the matcher had it on that trip.
    RightTrip,
    /// The same, on another trip: a wrong one, not none.
    WrongTrip,
    /// Fixes that moved a vehicle to a place over 500 m from where it truly was then.
    Misplaced,
    /// Fixes that moved a vehicle to within a kilometre of a place to which a spoofer called it.
    InSpoofedPlace,
    /// Reports of known trackers, with a position, that no journal would hold.
    Lost,
    /// Percent of the stops truly served that have a stop event within two minutes of the truth.
    StopsSeen,
    /// Calls promised, once a minute, by calculation of jammed and spoofed vehicles that truly made them.
    HeldCalls,
    /// The mean absolute error of their calculated arrivals, seconds.
    HeldMae,
    /// The same of the timetable's arrivals for the same calls, seconds.
    HeldTimetableMae,
}

impl Figure {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Reports,
        Self::Live,
        Self::RightTrip,
        Self::WrongTrip,
        Self::Misplaced,
        Self::InSpoofedPlace,
        Self::Lost,
        Self::StopsSeen,
        Self::HeldCalls,
        Self::HeldMae,
        Self::HeldTimetableMae,
    ];

    /// As scenarios write it, before `_min` or `_max`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Live => "live_percent",
            Self::RightTrip => "right_trip_percent",
            Self::WrongTrip => "wrong_trip_percent",
            Self::Misplaced => "misplaced",
            Self::InSpoofedPlace => "in_spoofed_place",
            Self::Lost => "lost",
            Self::StopsSeen => "stops_seen_percent",
            Self::HeldCalls => "held_calls",
            Self::HeldMae => "held_mae_s",
            Self::HeldTimetableMae => "held_timetable_mae_s",
        }
    }
}

/// The figures of a finished run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Figures {
    /// What was measured.
    pub values: BTreeMap<Figure, f64>,
    /// Reports that the gate did not let move a vehicle, by reason.
    pub refused: BTreeMap<Rejection, u64>,
    /// Concerns a dispatcher saw, by kind: how many different ones.
    pub raised: BTreeMap<String, u64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, value) in &self.values {
            write!(f, "{} {:.2}  ", figure.name(), value)?;
        }
        for (reason, n) in &self.refused {
            write!(f, "refused.{} {n}  ", reason.name())?;
        }
        for (kind, n) in &self.raised {
            write!(f, "raised.{kind} {n}  ")?;
        }
        Ok(())
    }
}

/// One thing that must hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    /// What is measured.
    pub what: Measured,
    /// At least so much.
    pub least: f64,
    /// At most so much.
    pub most: f64,
}

/// What a bar is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measured {
    /// A figure.
    Figure(Figure),
    /// How many reports were refused for a reason.
    Refused(Rejection),
    /// How many concerns of a kind were raised.
    Raised(String),
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Figure(figure) => f.write_str(figure.name()),
            Self::Refused(reason) => write!(f, "refused.{}", reason.name()),
            Self::Raised(kind) => write!(f, "raised.{kind}"),
        }
    }
}

/// A bar that was not cleared.
#[derive(Clone, PartialEq, Debug)]
pub struct Unmet {
    /// The bar.
    pub bar: Bar,
    /// What was measured; `None` = nothing was.
    pub measured: Option<f64>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bar { what, least, most } = &self.bar;
        match self.measured {
            Some(n) => write!(f, "{what} is {n:.2}")?,
            None => write!(f, "{what} was not measured")?,
        }
        write!(f, ", expected from {least} to {most}")
    }
}

/// What must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expect {
    /// Each of these.
    pub bars: Vec<Bar>,
}

impl Expect {
    /// What does not hold.
    #[must_use]
    pub fn unmet(&self, figures: &Figures) -> Vec<Unmet> {
        let measured = |what: &Measured| match what {
            Measured::Figure(f) => figures.values.get(f).copied(),
            // What was counted and never happened happened no time.
            Measured::Refused(r) => Some(figures.refused.get(r).copied().unwrap_or(0) as f64),
            Measured::Raised(k) => Some(figures.raised.get(k).copied().unwrap_or(0) as f64),
        };
        let fails = |bar: &Bar| {
            let n = measured(&bar.what);
            let holds = n.is_some_and(|n| (bar.least..=bar.most).contains(&n));
            (!holds).then(|| Unmet { bar: bar.clone(), measured: n })
        };
        self.bars.iter().filter_map(fails).collect()
    }

    /// Reads `[expect]`: keys are a figure's name with `_min` or `_max`; the tables `refused` and `raised` hold the
    /// same of reasons and of kinds of concern.
    pub(super) fn read(mut table: Table) -> At<Self> {
        let mut expect = Self::default();
        if let Some(mut refused) = table.table("refused")? {
            for (key, n, at) in refused.numbers(0.0..=1e12)? {
                let (name, least) = bound(&key, at)?;
                match Rejection::named(name) {
                    Some(reason) => expect.add(Measured::Refused(reason), least, n),
                    None => return refused.unknown(&key, at),
                }
            }
        }
        if let Some(mut raised) = table.table("raised")? {
            for (key, n, at) in raised.numbers(0.0..=1e12)? {
                let (name, least) = bound(&key, at)?;
                expect.add(Measured::Raised(name.to_owned()), least, n);
            }
        }
        for (key, n, at) in table.numbers(0.0..=1e12)? {
            let (name, least) = bound(&key, at)?;
            match Figure::ALL.into_iter().find(|f| f.name() == name) {
                Some(figure) => expect.add(Measured::Figure(figure), least, n),
                None => return table.unknown(&key, at),
            }
        }
        Ok(expect)
    }

    fn add(&mut self, what: Measured, least: bool, n: f64) {
        let bar = match self.bars.iter_mut().find(|b| b.what == what) {
            Some(bar) => bar,
            None => {
                self.bars.push(Bar { what, least: 0.0, most: f64::INFINITY });
                let Some(bar) = self.bars.last_mut() else { return };
                bar
            }
        };
        if least { bar.least = n } else { bar.most = n }
    }
}

/// A name without `_min` or `_max`, and whether it was `_min`.
fn bound(key: &str, at: usize) -> At<(&str, bool)> {
    if let Some(name) = key.strip_suffix("_min") {
        return Ok((name, true));
    }
    if let Some(name) = key.strip_suffix("_max") {
        return Ok((name, false));
    }
    let must = "a name that ends in _min or _max";
    Err::<_, (usize, Problem)>((at, senseless("expect", &key.into(), must)))
}
