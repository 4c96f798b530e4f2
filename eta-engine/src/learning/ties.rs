//! Which block a run or an operator works, learned from what vehicles that named one were seen to
//! run. A run's name belongs to its block for as long as the timetable holds; an operator's only for
//! the day, but goes along when the operator changes vehicles. It knows nothing of vehicles.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use transit_model::ids::BlockIdx;
use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

/// So many names are kept; further ones are not learned until old ones go.
const MOST: usize = 20_000;
/// What is not seen for so long is forgotten: a run, an operator; seconds.
const RUN_KEPT: i64 = 30 * 86_400;
const OPERATOR_KEPT: i64 = 12 * 3600;
/// Trips seen after which a tie is as strong as it gets.
const SURE: f32 = 3.0;

#[derive(Clone, Debug)]
struct Tie {
    blocks: SmallVec<[(BlockIdx, f32); 2]>,
    seen: UnixMs,
}

/// Blocks by what vehicles name.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    ids: FxHashMap<Box<str>, BlockIdx>,
    runs: FxHashMap<Box<str>, Tie>,
    operators: FxHashMap<Box<str>, Tie>,
}

impl Ties {
    /// Before anything was learned: a run that bears a block's own id is that block.
    #[must_use]
    pub fn new(t: &Timetable) -> Self {
        Self { ids: t.blocks.iter().map(|(i, b)| (b.id.clone(), i)).collect(), ..Self::default() }
    }

    /// How strongly a run and an operator speak for a block: 0..=1.
    #[must_use]
    pub fn to(&self, run: Option<&str>, operator: Option<&str>, block: BlockIdx, now: UnixMs) -> f32 {
        if run.is_some_and(|r| self.ids.get(r) == Some(&block)) {
            return 1.0;
        }
        let of = |names: &FxHashMap<Box<str>, Tie>, name: Option<&str>, kept: i64| {
            let tie = name.and_then(|n| names.get(n)).filter(|tie| now.secs_since(tie.seen) < kept);
            let n = tie.and_then(|tie| tie.blocks.iter().find(|(b, _)| *b == block)).map_or(0.0, |(_, n)| *n);
            (n / SURE).min(1.0)
        };
        of(&self.runs, run, RUN_KEPT).max(of(&self.operators, operator, OPERATOR_KEPT))
    }

    /// A vehicle that names a run or an operator has run a trip of a block.
    pub fn seen(&mut self, run: Option<&str>, operator: Option<&str>, block: BlockIdx, now: UnixMs) {
        for (names, name, kept, one) in
            [(&mut self.runs, run, RUN_KEPT, false), (&mut self.operators, operator, OPERATOR_KEPT, true)]
        {
            let Some(name) = name else { continue };
            if names.len() >= MOST && !names.contains_key(name) {
                names.retain(|_, tie| now.secs_since(tie.seen) < kept);
                if names.len() >= MOST {
                    continue;
                }
            }
            let tie = names.entry(name.into()).or_insert_with(|| Tie { blocks: SmallVec::new(), seen: now });
            if now.secs_since(tie.seen) >= kept {
                tie.blocks.clear();
            }
            tie.seen = now;
            // An operator works one block at a time; a run may have one for each kind of day.
            if one && !tie.blocks.iter().any(|(b, _)| *b == block) {
                tie.blocks.clear();
            }
            if let Some((_, n)) = tie.blocks.iter_mut().find(|(b, _)| *b == block) {
                *n = (*n + 1.0).min(20.0);
            } else if tie.blocks.len() < 6 {
                tie.blocks.push((block, 1.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use transit_model::ids::Idx as _;

    use super::*;

    #[test]
    fn a_run_keeps_its_blocks_and_an_operator_the_last_one_for_the_day() {
        let mut ties = Ties::default();
        let (a, b) = (BlockIdx::new(1), BlockIdx::new(2));
        let at = UnixMs::from_secs;
        for hour in 0..3 {
            ties.seen(Some("R7"), Some("8812"), a, at(hour * 3600));
        }
        assert_eq!(ties.to(Some("R7"), None, a, at(86_400)), 1.0);
        assert_eq!(ties.to(None, Some("8812"), a, at(4 * 3600)), 1.0);
        assert_eq!(ties.to(None, Some("8812"), a, at(86_400)), 0.0, "another day's work");
        ties.seen(Some("R7"), Some("8812"), b, at(5 * 3600));
        assert_eq!(ties.to(Some("R7"), None, a, at(6 * 3600)), 1.0);
        assert_eq!(ties.to(None, Some("8812"), a, at(6 * 3600)), 0.0);
        assert!(ties.to(None, Some("8812"), b, at(6 * 3600)) > 0.3);
        assert_eq!(ties.to(Some("R9"), None, a, at(0)), 0.0);
    }
}
