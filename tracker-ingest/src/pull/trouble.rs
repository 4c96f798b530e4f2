//! What a dispatcher should know of a source: that it cannot be had, or says nothing new.

use transit_model::dispatch::Concern;
use transit_model::time::UnixMs;

/// A source that fails so often in a row is a concern; a question may be lost.
const FAILURES: u32 = 3;

/// What is wrong with a source now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Trouble {
    failures: u32,
    failing_since: Option<UnixMs>,
    why: String,
    stale_since: Option<UnixMs>,
}

/// What has begun or ended with a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Turn {
    pub(crate) failing: Option<bool>,
    pub(crate) stale: Option<bool>,
}

impl Trouble {
    /// Takes in what came of a question: why it failed if it did, and since when nothing new was said if that is too
    /// long.
    pub(crate) fn take(&mut self, failing: Option<&str>, stale: Option<UnixMs>, now: UnixMs) -> Turn {
        let before = (self.is_failing(), self.stale_since.is_some());
        match failing {
            Some(why) => {
                self.failures = self.failures.saturating_add(1);
                self.failing_since.get_or_insert(now);
                why.clone_into(&mut self.why);
            }
            None => (self.failures, self.failing_since) = (0, None),
        }
        self.stale_since = stale;
        let turned = |was: bool, is: bool| (was != is).then_some(is);
        Turn { failing: turned(before.0, self.is_failing()), stale: turned(before.1, self.stale_since.is_some()) }
    }

    const fn is_failing(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Why it fails, if it does.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// What to show of a source of this name.
    pub(crate) fn concerns(&self, name: &str) -> impl Iterator<Item = Concern> {
        let concern = |kind: &str, level, since, text_uk, text_en| Concern {
            key: format!("ingest:{kind}:{name}"),
            level,
            kind: kind.into(),
            text_uk,
            text_en,
            vehicle_id: None,
            route_id: None,
            since,
        };
        let failing = self.failing_since.filter(|_| self.is_failing()).map(|since| {
            let why = &self.why;
            let uk = format!("Джерело {name} не відповідає як слід: {why}");
            concern("pull_failing", 2, since, uk, format!("The source {name} cannot be had: {why}"))
        });
        let stale = self.stale_since.map(|since| {
            let uk = format!("Джерело {name} не дає нового: координати його машин застаріли");
            concern("pull_stale", 2, since, uk, format!("The source {name} says nothing new: its vehicles are stale"))
        });
        failing.into_iter().chain(stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_may_be_lost_and_three_in_a_row_are_a_concern() {
        let mut t = Trouble::default();
        let mut ask = |failing, stale: Option<i64>, now| {
            let turn = t.take(failing, stale.map(UnixMs::from_secs), UnixMs::from_secs(now));
            let shown: Vec<_> = t.concerns("lviv").map(|c| (c.kind, c.since.secs(), c.text_en)).collect();
            (turn.failing, turn.stale, shown)
        };
        assert_eq!(ask(Some("502"), None, 1), (None, None, vec![]));
        assert_eq!(ask(Some("502"), None, 2), (None, None, vec![]));
        let said = "The source lviv cannot be had: 503".to_owned();
        assert_eq!(ask(Some("503"), None, 3), (Some(true), None, vec![("pull_failing".into(), 1, said)]));
        assert_eq!(ask(None, None, 4), (Some(false), None, vec![]));
        let said = "The source lviv says nothing new: its vehicles are stale".to_owned();
        assert_eq!(ask(None, Some(4), 190), (None, Some(true), vec![("pull_stale".into(), 4, said.clone())]));
        assert_eq!(ask(None, Some(4), 200), (None, None, vec![("pull_stale".into(), 4, said)]));
        assert_eq!(ask(None, None, 210), (None, Some(false), vec![]));
    }
}
