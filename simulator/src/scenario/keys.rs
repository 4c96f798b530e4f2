//! Tables of a scenario, read key by key, so that whatever is wrong is named with its line: a key nobody
//! knows, a value that makes no sense, a time outside the run.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::{Spanned, Value};
use transit_model::time::ServiceTime;

/// What is wrong in a scenario.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Problem {
    /// It is no TOML, or not of a scenario's form.
    #[error("{0}")]
    Form(String),
    /// There is no such fault.
    #[error("there is no fault `{0}`; there are: {all}", all = crate::tracker::fault::Kind::NAMES.join(", "))]
    UnknownFault(String),
    /// There is no such key.
    #[error("{of} has no `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// Of what.
        of: String,
    },
    /// A key is not given.
    #[error("{of} needs `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
        /// What needs it.
        of: String,
    },
    /// A value makes no sense.
    #[error("`{key}` is {value}, which must be {must}")]
    Senseless {
        /// The key.
        key: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        must: String,
    },
    /// A time is not of the run.
    #[error("`{key}` is {value}, outside the run, which lasts from {from} to {to}")]
    Outside {
        /// The key.
        key: String,
        /// What it holds.
        value: String,
        /// When the run begins.
        from: ServiceTime,
        /// When it ends.
        to: ServiceTime,
    },
    /// A disturbance makes no sense.
    #[error("disturbance: {0}")]
    Disturbance(String),
}

/// A problem, and the byte of the text at which it is.
pub(super) type At<T> = Result<T, (usize, Problem)>;

/// Keys and values with their places, as the TOML reader gives them.
pub(super) type Keys = BTreeMap<Spanned<String>, Spanned<Value>>;

/// One table while it is read: whatever is asked for is taken out of it.
pub(super) struct Table {
    of: String,
    at: usize,
    keys: BTreeMap<String, (Range<usize>, Value)>,
}

/// A value with the byte at which its key stands.
pub(super) type Found<T> = Option<(T, usize)>;

impl Table {
    pub(super) fn new(of: impl Into<String>, keys: Spanned<Keys>) -> Self {
        let at = keys.span().start;
        let one = |(k, v): (Spanned<String>, Spanned<Value>)| {
            let span = k.span();
            (k.into_inner(), (span, v.into_inner()))
        };
        Self { of: of.into(), at, keys: keys.into_inner().into_iter().map(one).collect() }
    }

    /// The same of a table within a line.
    fn inline(of: String, at: usize, table: toml::Table) -> Self {
        Self { of, at, keys: table.into_iter().map(|(k, v)| (k, (at..at, v))).collect() }
    }

    /// What it is about, for whoever reads of a problem.
    pub(super) fn call(&mut self, of: impl Into<String>) {
        self.of = of.into();
    }

    /// Where it stands.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Where a key stands, if it is there; else where the table does.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.keys.get(key).map_or(self.at, |(span, _)| span.start)
    }

    pub(super) fn missing<T>(&self, key: &'static str) -> At<T> {
        Err((self.at, Problem::Missing { key, of: self.of.clone() }))
    }

    fn take(&mut self, key: &str) -> Found<Value> {
        self.keys.remove(key).map(|(span, v)| (v, span.start))
    }

    pub(super) fn text(&mut self, key: &'static str) -> At<Found<String>> {
        match self.take(key) {
            None => Ok(None),
            Some((Value::String(s), at)) => Ok(Some((s, at))),
            Some((other, at)) => Err((at, senseless(key, &other, "a text"))),
        }
    }

    pub(super) fn number(&mut self, key: &'static str, within: RangeInclusive<f64>) -> At<Found<f64>> {
        self.take(key).map(|(v, at)| Ok((number(key, &v, &within).map_err(|p| (at, p))?, at))).transpose()
    }

    pub(super) fn needed(&mut self, key: &'static str, within: RangeInclusive<f64>) -> At<f64> {
        match self.number(key, within)? {
            Some((n, _)) => Ok(n),
            None => self.missing(key),
        }
    }

    /// Two numbers, the second not below the first.
    pub(super) fn range(&mut self, key: &'static str, within: RangeInclusive<f64>) -> At<Found<(f64, f64)>> {
        let Some((v, at)) = self.take(key) else { return Ok(None) };
        let must = format!("two numbers, [from, to], from {} to {}", within.start(), within.end());
        match v.as_array().map(Vec::as_slice) {
            Some([a, b]) => {
                let (a, b) =
                    (number(key, a, &within).map_err(|p| (at, p))?, number(key, b, &within).map_err(|p| (at, p))?);
                if a <= b { Ok(Some(((a, b), at))) } else { Err((at, senseless(key, &v, &must))) }
            }
            _ => Err((at, senseless(key, &v, &must))),
        }
    }

    /// A time of day, `HH:MM` or `HH:MM:SS`, within the run.
    pub(super) fn time(&mut self, key: &'static str, run: (ServiceTime, ServiceTime)) -> At<Found<ServiceTime>> {
        let Some((text, at)) = self.text(key)? else { return Ok(None) };
        let time = time(&text).ok_or_else(|| (at, senseless(key, &text.into(), "a time, HH:MM or HH:MM:SS")))?;
        within(key, time, run).map_err(|p| (at, p))?;
        Ok(Some((time, at)))
    }

    /// One of some names.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> At<Found<T>> {
        let Some((text, at)) = self.text(key)? else { return Ok(None) };
        match all.iter().find(|t| name(**t) == text) {
            Some(t) => Ok(Some((*t, at))),
            None => {
                let names: Vec<&str> = all.iter().map(|t| name(*t)).collect();
                Err((at, senseless(key, &text.into(), &format!("one of {}", names.join(", ")))))
            }
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> At<Found<Vec<String>>> {
        let Some((v, at)) = self.take(key) else { return Ok(None) };
        let texts = v.as_array().and_then(|a| a.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        texts.map(|t| Some((t, at))).ok_or_else(|| (at, senseless(key, &v, "a list of texts")))
    }

    /// A table within a line: `key = { … }`.
    pub(super) fn table(&mut self, key: &'static str) -> At<Option<Self>> {
        match self.take(key) {
            None => Ok(None),
            Some((Value::Table(t), at)) => Ok(Some(Self::inline(format!("`{key}`"), at, t))),
            Some((other, at)) => Err((at, senseless(key, &other, "a table, { … }"))),
        }
    }

    /// Whatever keys are left, with their numbers: for tables whose keys are names.
    pub(super) fn numbers(&mut self, within: RangeInclusive<f64>) -> At<Vec<(String, f64, usize)>> {
        let rest = std::mem::take(&mut self.keys);
        let one = |(key, (span, v)): (String, (Range<usize>, Value))| match number(&key, &v, &within) {
            Ok(n) => Ok((key, n, span.start)),
            Err(p) => Err((span.start, p)),
        };
        rest.into_iter().map(one).collect()
    }

    /// Says that a key is not this table's.
    pub(super) fn unknown<T>(&self, key: &str, at: usize) -> At<T> {
        Err((at, Problem::UnknownKey { key: key.to_owned(), of: self.of.clone() }))
    }

    /// Refuses whatever nobody asked for.
    pub(super) fn end(self) -> At<()> {
        match self.keys.iter().min_by_key(|(_, (span, _))| span.start) {
            Some((key, (span, _))) => self.unknown(key, span.start),
            None => Ok(()),
        }
    }

    /// All of it as TOML.
    pub(super) fn whole(self) -> Value {
        Value::Table(self.keys.into_iter().map(|(k, (_, v))| (k, v)).collect())
    }
}

/// A time of day as people write it.
pub(super) fn time(text: &str) -> Option<ServiceTime> {
    let whole = if text.matches(':').count() == 1 { format!("{text}:00") } else { text.to_owned() };
    whole.parse().ok()
}

/// Refuses a time that is not of the run.
pub(super) fn within(key: &str, time: ServiceTime, (from, to): (ServiceTime, ServiceTime)) -> Result<(), Problem> {
    if from <= time && time <= to {
        return Ok(());
    }
    Err(Problem::Outside { key: key.to_owned(), value: time.to_string(), from, to })
}

pub(super) fn senseless(key: &str, value: &Value, must: &str) -> Problem {
    Problem::Senseless { key: key.to_owned(), value: value.to_string(), must: must.to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
fn number(key: &str, v: &Value, within: &RangeInclusive<f64>) -> Result<f64, Problem> {
    let n = v.as_float().or_else(|| v.as_integer().map(|n| n as f64));
    n.filter(|n| within.contains(n))
        .ok_or_else(|| senseless(key, v, &format!("a number from {} to {}", within.start(), within.end())))
}
