//! The days a running engine keeps of its own accuracy, the last ones in memory. Cheap to copy: readers get
//! the days as they were, and only the day that is written to is ever copied whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use transit_model::time::ServiceDate;

use super::histogram::Scale;
use super::tally::Tally;

/// How many days are kept in memory, the current one included.
pub const DAYS: i32 = 8;

/// Accuracy by service day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    days: BTreeMap<ServiceDate, Arc<Tally>>,
}

impl Book {
    /// The days that were kept; of more than [`DAYS`] the last.
    #[must_use]
    pub fn new(days: impl IntoIterator<Item = (ServiceDate, Tally)>) -> Self {
        let mut book = Self { days: days.into_iter().map(|(d, t)| (d, Arc::new(t))).collect() };
        if let Some(last) = book.days.keys().next_back().copied() {
            book.forget_before(last);
        }
        book
    }

    /// Room for a last day: those too far before it go.
    fn forget_before(&mut self, last: ServiceDate) {
        self.days.retain(|d, _| d.days() > last.days() - DAYS);
    }

    /// A day, to add to; made where there is none.
    pub fn day_mut(&mut self, date: ServiceDate) -> &mut Tally {
        if !self.days.contains_key(&date) {
            self.forget_before(date);
        }
        Arc::make_mut(self.days.entry(date).or_insert_with(|| Arc::new(Tally::new(Scale::Coarse))))
    }

    /// A day.
    #[must_use]
    pub fn day(&self, date: ServiceDate) -> Option<&Arc<Tally>> {
        self.days.get(&date)
    }

    /// The last day with something in it.
    #[must_use]
    pub fn latest(&self) -> Option<(ServiceDate, &Arc<Tally>)> {
        self.days.iter().rev().find(|(_, t)| !t.all().is_empty()).map(|(d, t)| (*d, t))
    }

    /// Every day, the last first.
    pub fn days(&self) -> impl Iterator<Item = (ServiceDate, &Arc<Tally>)> {
        self.days.iter().rev().map(|(d, t)| (*d, t))
    }

    /// All days together.
    #[must_use]
    pub fn all(&self) -> Tally {
        let mut all = Tally::new(Scale::Coarse);
        self.days.values().for_each(|t| all.merge(t));
        all
    }
}
