//! Which of the city's brokers are lost, for the dispatcher. Not here: looking for them again.

use std::collections::BTreeMap;

use transit_model::dispatch::Concern;
use transit_model::time::UnixMs;

/// A broker may be lost for so long before anybody need know, ms: they are restarted, too.
const GRACE: i64 = 30_000;

#[derive(Debug, Default)]
pub(super) struct Brokers(BTreeMap<String, (UnixMs, String)>);

impl Brokers {
    /// One is lost, or gives us less than was asked for; the first time counts.
    pub(super) fn lost(&mut self, name: &str, why: &str, at: UnixMs) {
        let since = self.0.get(name).map_or(at, |(since, _)| *since);
        self.0.insert(name.to_owned(), (since, why.to_owned()));
    }

    pub(super) fn found(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn concerns(&self, now: UnixMs) -> impl Iterator<Item = Concern> + '_ {
        let lasting = self.0.iter().filter(move |(_, (since, _))| now.0.saturating_sub(since.0) >= GRACE);
        lasting.map(|(name, (since, why))| Concern {
            key: format!("ingest:broker:{name}"),
            level: 1,
            kind: "broker_lost".into(),
            text_uk: format!("Брокер {name}: координати не надходять ({why})"),
            text_en: format!("Broker {name}: positions do not come ({why})"),
            vehicle_id: None,
            route_id: None,
            since: *since,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_stays_away_is_raised_since_it_was_lost_until_it_is_found() {
        let mut b = Brokers::default();
        b.lost("city", "refused", UnixMs(1000));
        b.lost("city", "timeout", UnixMs(20_000));
        assert_eq!(b.concerns(UnixMs(30_999)).count(), 0);
        let raised: Vec<_> = b.concerns(UnixMs(31_000)).collect();
        assert_eq!((raised.len(), raised[0].since), (1, UnixMs(1000)));
        assert!(raised[0].text_en.contains("timeout") && raised[0].text_uk.contains("city"));
        b.found("city");
        assert_eq!(b.concerns(UnixMs(99_000)).count(), 0);
    }
}
