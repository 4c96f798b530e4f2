//! When each cell of each street was last passed, by which kind of machine and which way: what "served"
//! is counted from. Compact: a line that nobody ever passed costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use transit_model::dispatch::MachineKind;
use transit_model::time::UnixMs;

use super::streets::{Piece, Street, Streets, Ways};
use super::trace::Passage;

/// Kinds of machine.
const KINDS: usize = MachineKind::ALL.len();
/// A street was passed at the latest moment by which so much of it had been: a cell touched at a corner is none.
const PASSED: f32 = 0.1;
/// And never needs more than so many metres for it.
const PASSED_MOST: f32 = 200.0;
/// A street counts as passed whole when so much of it is: its ends lie within other streets.
const WHOLE: f32 = 0.95;

/// The last passages of a cell: unix seconds by kind and way (from start to end, back); 0 = never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cell([[u32; 2]; KINDS]);

impl Cell {
    /// The last passage by any kind in any way, unix seconds; 0 = never.
    #[must_use]
    pub fn latest(&self) -> u32 {
        self.last([true, true], None)
    }

    /// The last passage by any kind in these ways; 0 = never.
    fn last(&self, ways: [bool; 2], kind: Option<MachineKind>) -> u32 {
        let of = |times: &[u32; 2]| times.iter().zip(ways).filter(|(_, counts)| *counts).map(|(t, _)| *t).max();
        match kind {
            Some(kind) => self.0.get(kind.at()).and_then(of).unwrap_or(0),
            None => self.0.iter().filter_map(of).max().unwrap_or(0),
        }
    }
}

/// The last passages along one piece; empty = never passed.
pub type Passes = Arc<Vec<Cell>>;

/// The passes of a piece as they are kept.
#[derive(Clone, PartialEq, Debug)]
pub struct PassesRow {
    /// See [`Piece::key`].
    pub key: i64,
    /// A time for each cell.
    pub cells: Vec<Cell>,
}

/// Every street's passes.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    passes: Vec<Passes>,
    touched: BTreeSet<u32>,
    unsaved: BTreeSet<u32>,
}

impl Ledger {
    /// With what was kept; passes of lines that are no longer there, or of another length, are left out, and
    /// those later than `now`.
    #[must_use]
    pub fn new(streets: &Streets, mut kept: Vec<PassesRow>, now: UnixMs) -> Self {
        let latest = u32::try_from(now.0.div_euclid(1000)).unwrap_or(0);
        for time in kept.iter_mut().flat_map(|row| &mut row.cells).flat_map(|c| c.0.as_flattened_mut()) {
            if *time > latest {
                *time = 0;
            }
        }
        let mut kept: FxHashMap<i64, Vec<Cell>> = kept.into_iter().map(|row| (row.key, row.cells)).collect();
        let none: Passes = Arc::default();
        let mut of = |p: &Piece| kept.remove(&p.key).filter(|c| c.len() == p.cells as usize).map(Arc::new);
        let passes = streets.pieces().iter().map(|p| of(p).unwrap_or_else(|| Arc::clone(&none))).collect();
        Self { passes, ..Self::default() }
    }

    /// Notes a passage: every cell whose middle lies on it was passed then. Says whether anything was new.
    pub fn mark(&mut self, streets: &Streets, kind: MachineKind, passage: &Passage) -> bool {
        let span = (passage.to.0 - passage.from.0).max(0) as f32;
        let total = passage.metres().max(0.001);
        let (mut before, mut new) = (0.0f32, false);
        for leg in &passage.legs {
            let Some(piece) = streets.pieces().get(leg.piece as usize) else { continue };
            let Some(passes) = self.passes.get_mut(leg.piece as usize) else { continue };
            let way = usize::from(leg.to < leg.from);
            let (lo, hi) = (leg.from.min(leg.to), leg.from.max(leg.to));
            for n in 0..piece.cells {
                let middle = (n as f32 + 0.5) * piece.cell();
                if middle < lo || middle >= hi {
                    continue;
                }
                let share = (before + (middle - leg.from).abs()) / total;
                #[expect(clippy::cast_possible_truncation, reason = "a minute or so")]
                let at = UnixMs(passage.from.0 + (span * share) as i64);
                let at = u32::try_from(at.0 / 1000).unwrap_or(0);
                if passes.is_empty() {
                    *passes = Arc::new(vec![Cell::default(); piece.cells as usize]);
                }
                let cell = Arc::make_mut(passes).get_mut(n as usize);
                if let Some(time) = cell.and_then(|c| c.0.get_mut(kind.at())?.get_mut(way))
                    && *time < at
                {
                    *time = at;
                    new = true;
                    self.unsaved.insert(leg.piece);
                    self.touched.extend(piece.street);
                }
            }
            before += leg.metres();
        }
        new
    }

    /// The passes of every piece, to read.
    #[must_use]
    pub fn passes(&self) -> Vec<Passes> {
        self.passes.clone()
    }

    /// The streets that were passed since this was last asked.
    pub fn take_touched(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.touched)
    }

    /// What is to be kept and has not been handed over yet.
    pub fn take_unsaved(&mut self, streets: &Streets) -> Vec<PassesRow> {
        let all = std::mem::take(&mut self.unsaved);
        let row = |n: u32| {
            let (piece, passes) = (streets.pieces().get(n as usize)?, self.passes.get(n as usize)?);
            Some(PassesRow { key: piece.key, cells: passes.to_vec() })
        };
        all.into_iter().filter_map(row).collect()
    }
}

/// How a street was served.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Served {
    /// When it was last passed: by then a tenth of it, or 200 m, had been.
    pub last: Option<UnixMs>,
    /// By which kind.
    pub by: Option<MachineKind>,
    /// All of it (19 parts of 20) has been passed since then; `None` while some of it never was.
    pub whole_since: Option<UnixMs>,
    /// When each kind last passed it; kinds that never did are not there.
    pub kinds: Vec<(MachineKind, UnixMs)>,
}

/// The passes of a street, to be asked.
#[derive(Clone, Copy, Debug)]
pub struct OfStreet<'a> {
    /// Every piece.
    pub pieces: &'a [Piece],
    /// The passes of each.
    pub passes: &'a [Passes],
    /// The street.
    pub street: &'a Street,
}

impl OfStreet<'_> {
    /// The part of what there is to serve that was passed at or after a moment, 0..=1, by any kind or one.
    #[must_use]
    pub fn share_since(&self, since: UnixMs, kind: Option<MachineKind>) -> f32 {
        let since = u32::try_from(since.0.max(1000).div_euclid(1000)).unwrap_or(u32::MAX);
        let mut served = 0.0;
        self.each(kind, |time, metres| served += if time >= since { metres } else { 0.0 });
        (served / self.street.to_serve.max(0.001)).clamp(0.0, 1.0)
    }

    /// The same for one side of the street: along its lines, or back.
    #[must_use]
    pub fn share_of_way(&self, since: UnixMs, back: bool) -> f32 {
        let since = u32::try_from(since.0.max(1000).div_euclid(1000)).unwrap_or(u32::MAX);
        let (mut served, mut all) = (0.0, 0.0);
        for (piece, passes) in self.parts().filter(|(p, _)| !back || p.ways != Ways::Forward) {
            all += piece.line.length();
            let counts = passes.iter().filter(|c| c.last([!back, back], None) >= since).count();
            served += counts as f32 * piece.cell();
        }
        if all > 0.0 { (served / all).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Everything that is told of it.
    #[must_use]
    pub fn served(&self) -> Served {
        let enough = (self.street.to_serve * PASSED).min(PASSED_MOST);
        let kinds: Vec<(MachineKind, UnixMs)> =
            MachineKind::ALL.into_iter().filter_map(|k| Some((k, self.reached(enough, Some(k))?))).collect();
        let last = self.reached(enough, None);
        let by = kinds.iter().max_by_key(|(_, at)| *at).map(|(k, _)| *k);
        Served { last, by, whole_since: self.reached(self.street.to_serve * WHOLE, None), kinds }
    }

    /// The latest moment since which so many metres have been passed.
    fn reached(&self, metres: f32, kind: Option<MachineKind>) -> Option<UnixMs> {
        let mut times: Vec<(u32, f32)> = Vec::new();
        self.each(kind, |time, metres| times.extend((time > 0).then_some((time, metres))));
        times.sort_unstable_by_key(|(time, _)| std::cmp::Reverse(*time));
        let mut sum = 0.0;
        let reached = times.into_iter().find(|(_, m)| {
            sum += m;
            sum >= metres
        });
        reached.map(|(time, _)| UnixMs::from_secs(i64::from(time)))
    }

    fn parts(&self) -> impl Iterator<Item = (&Piece, &Passes)> {
        self.street.pieces.iter().filter_map(|n| Some((self.pieces.get(*n as usize)?, self.passes.get(*n as usize)?)))
    }

    /// Each cell that was ever passed, each side of it where sides are served apart: its last passage and its metres.
    fn each(&self, kind: Option<MachineKind>, mut tell: impl FnMut(u32, f32)) {
        for (piece, passes) in self.parts() {
            for cell in passes.iter() {
                match piece.ways {
                    Ways::Each => {
                        tell(cell.last([true, false], kind), piece.cell());
                        tell(cell.last([false, true], kind), piece.cell());
                    }
                    Ways::Either | Ways::Forward => tell(cell.last([true, true], kind), piece.cell()),
                }
            }
        }
    }
}
