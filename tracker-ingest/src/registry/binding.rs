//! How a device is used to connect, learned from the sessions that were let in: its protocol, its networks, its
//! certificate, whether it speaks TLS and shows a token.
//!
//! Pure: a sighting, the rules and the time in; what is different and whether it is refused out. Who keeps it,
//! and who tells the dispatcher, is the intake's part. Why it learns as it does:
//! `docs/decisions/0020-what-is-usual-for-a-device.md`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use transit_model::fix::Source;
use transit_model::time::UnixMs;

/// One day, ms.
const DAY: i64 = 86_400_000;
/// On so many days a change must have been seen to be the usual.
pub const LEARNED_AFTER: u32 = 3;
/// Until so long after its first session a device's networks are learned without a word, ms.
const APPRENTICE: i64 = 3 * DAY;
/// But no more of them than this.
const FIRST_NETWORKS: usize = 4;
/// Networks a device may have; the one not used for longest gives way.
const NETWORKS: usize = 8;
/// Changes remembered at once.
const CHANGES: usize = 8;
/// What is known of a network is brought up to date no more often than this, ms: each time is a write.
const NOTED_EVERY: i64 = 6 * 3_600_000;

/// How messages come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// A connection.
    Tcp,
    /// Datagrams, whose sender can be forged.
    Udp,
}

/// A network a device speaks from, `10.20.0.0/16`, `2a02:2378::/32 udp`: about what one operator hands out in one
/// region, so that a new address of the same SIM card is nothing new.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Network(Box<str>);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr, transport: Transport) -> Self {
        let udp = if transport == Transport::Udp { " udp" } else { "" };
        let text = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                format!("{}/16{udp}", Ipv4Addr::new(a, b, 0, 0))
            }
            IpAddr::V6(v6) => {
                let [a, b, ..] = v6.segments();
                format!("{}/32{udp}", Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0))
            }
        };
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session as it begins, after the device was recognised. What nobody can tell is `None`: behind a city's broker
/// there is neither an address nor a handshake of the device's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// The protocol it speaks.
    pub protocol: Source,
    /// Where it speaks from.
    pub network: Option<Network>,
    /// Whether the connection is encrypted.
    pub tls: Option<bool>,
    /// Whether it showed its token.
    pub token: Option<bool>,
    /// The certificate it showed: `key 3f0c…` of a device's own, `relay NAME` of one that speaks for it.
    pub certificate: Option<Box<str>>,
}

impl Sighting {
    /// A message that a broker passed on.
    pub(crate) const fn brokered(source: crate::codec::Protocol) -> Self {
        Self { protocol: source.source(), network: None, tls: None, token: None, certificate: None }
    }
}

/// What is different.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Another certificate than its own.
    Certificate,
    /// Less proof than it always gave: no TLS, no token, no certificate.
    Downgrade,
    /// Another protocol.
    Protocol,
    /// A network it was never in.
    Network,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Certificate, Self::Downgrade, Self::Protocol, Self::Network];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Downgrade => "downgrade",
            Self::Protocol => "protocol",
            Self::Network => "network",
        }
    }
}

/// What is done about a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It is let in and raised.
    Raise,
    /// It is refused and raised, until somebody says `zupynka devices rebind`.
    Refuse,
}

impl Policy {
    /// The name in the configuration and the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raise => "raise",
            Self::Refuse => "refuse",
        }
    }

    /// The policy of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Raise, Self::Refuse].into_iter().find(|p| p.name() == name)
    }
}

/// `[ingest.binding]`: what is done about a change of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Another certificate.
    pub certificate: Policy,
    /// Less proof than it always gave.
    pub downgrade: Policy,
    /// Another protocol.
    pub protocol: Policy,
    /// A network it was never in.
    pub network: Policy,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            certificate: Policy::Refuse,
            downgrade: Policy::Refuse,
            protocol: Policy::Raise,
            // Mobile operators move addresses.
            network: Policy::Raise,
        }
    }
}

impl Rules {
    /// The same policy for every kind: that of a device that is pinned.
    #[must_use]
    pub const fn all(policy: Policy) -> Self {
        Self { certificate: policy, downgrade: policy, protocol: policy, network: policy }
    }

    const fn of(self, kind: ChangeKind) -> Policy {
        match kind {
            ChangeKind::Certificate => self.certificate,
            ChangeKind::Downgrade => self.downgrade,
            ChangeKind::Protocol => self.protocol,
            ChangeKind::Network => self.network,
        }
    }
}

/// A network that is usual.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Which.
    pub network: Network,
    /// Since when.
    pub first: UnixMs,
    /// Last used, give or take six hours.
    pub last: UnixMs,
}

/// Proof that a device gives or does not: once it always does, it must.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Proof {
    /// It always gives it.
    pub bound: bool,
    /// On so many days in a row it has given it, though it did not at first.
    rising: Days,
}

/// Days on which something was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Days {
    n: u32,
    /// The last of them, days since 1970 in UTC.
    last: i64,
}

impl Days {
    /// Counts the day of a moment; says whether it is another one.
    const fn count(&mut self, at: UnixMs) -> bool {
        let day = at.0.div_euclid(DAY);
        if self.n > 0 && self.last == day {
            return false;
        }
        self.last = day;
        self.n += 1;
        true
    }
}

/// Something that is not as it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// As it was.
    pub was: Box<str>,
    /// As it is.
    pub now: Box<str>,
    /// Since when.
    pub since: UnixMs,
    /// Seen last.
    pub last: UnixMs,
    /// How often.
    pub times: u64,
    /// Whether it was refused, the last time.
    pub refused: bool,
    days: Days,
}

impl Change {
    /// Whether it still concerns somebody. What was let in has a week to become the usual; a network a day and a
    /// night, for then the device has gone back to one it is known in; what was refused as long after the last attempt.
    #[must_use]
    pub const fn lasts(&self, now: UnixMs) -> bool {
        let for_so_long = match self.kind {
            ChangeKind::Network => DAY + DAY / 2,
            _ if self.refused => DAY + DAY / 2,
            _ => 7 * DAY,
        };
        now.0.saturating_sub(self.last.0) < for_so_long
    }
}

/// What a sighting came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// It is not let in, for this.
    pub refused: Option<ChangeKind>,
    /// Changes that begin with it: to be said aloud.
    pub news: Vec<Change>,
    /// What is known of the device is not what it was: to be written down.
    pub learned: bool,
}

/// What is usual for a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Its first session.
    pub since: UnixMs,
    /// Its protocol.
    pub protocol: Source,
    /// Its networks, in the order they were learned.
    pub networks: Vec<Known>,
    /// Whether it always speaks TLS.
    pub tls: Proof,
    /// Whether it always shows its token.
    pub token: Proof,
    /// Its certificate, or the relay that speaks for it.
    pub certificate: Option<Box<str>>,
    /// What is not as it was.
    pub changes: Vec<Change>,
}

impl Binding {
    /// What a device's first session teaches.
    #[must_use]
    pub fn first(s: &Sighting, now: UnixMs) -> Self {
        let proof = |shown: Option<bool>| Proof { bound: shown == Some(true), rising: Days::default() };
        let known = |network: &Network| Known { network: network.clone(), first: now, last: now };
        Self {
            since: now,
            protocol: s.protocol,
            networks: s.network.iter().map(known).collect(),
            tls: proof(s.tls),
            token: proof(s.token),
            certificate: s.certificate.clone(),
            changes: Vec::new(),
        }
    }

    /// Takes a session in.
    pub fn see(&mut self, s: &Sighting, rules: Rules, now: UnixMs) -> Seen {
        let different = self.different(s, now);
        let mut seen = Seen { refused: None, news: Vec::new(), learned: false };
        seen.refused = different.iter().map(|d| d.0).find(|kind| rules.of(*kind) == Policy::Refuse);
        for (kind, was, is) in different {
            self.note(kind, was, is, seen.refused.is_some(), now, &mut seen);
        }
        if seen.refused.is_none() {
            self.learn(s, now, &mut seen);
        }
        seen
    }

    /// What of a sighting is not as usual: kind, was, is.
    fn different(&self, s: &Sighting, now: UnixMs) -> Vec<(ChangeKind, Box<str>, Box<str>)> {
        let mut all = Vec::new();
        match (&self.certificate, &s.certificate) {
            (Some(was), Some(is)) if was != is => all.push((ChangeKind::Certificate, was.clone(), is.clone())),
            (Some(was), None) if s.tls.is_some() => {
                all.push((ChangeKind::Downgrade, was.clone(), "no certificate".into()))
            }
            _ => {}
        }
        if self.tls.bound && s.tls == Some(false) {
            all.push((ChangeKind::Downgrade, "TLS".into(), "no TLS".into()));
        }
        // A certificate is more than a token.
        if self.token.bound && s.token == Some(false) && s.certificate.is_none() {
            all.push((ChangeKind::Downgrade, "token".into(), "no token".into()));
        }
        if self.protocol != s.protocol {
            all.push((ChangeKind::Protocol, self.protocol.name().into(), s.protocol.name().into()));
        }
        if let Some(network) = &s.network {
            let known = self.networks.iter().any(|k| k.network == *network);
            let young = now.0.saturating_sub(self.since.0) < APPRENTICE && self.networks.len() < FIRST_NETWORKS;
            if !known && !young && !self.networks.is_empty() {
                let was: Vec<&str> = self.networks.iter().map(|k| k.network.as_str()).collect();
                all.push((ChangeKind::Network, was.join(", ").into(), network.as_str().into()));
            }
        }
        all
    }

    fn note(&mut self, kind: ChangeKind, was: Box<str>, is: Box<str>, refused: bool, now: UnixMs, seen: &mut Seen) {
        if let Some(c) = self.changes.iter_mut().find(|c| c.kind == kind && c.now == is) {
            let over = !c.lasts(now);
            let other = c.refused != refused;
            c.times += 1;
            c.refused = refused;
            let another_day = c.days.count(now);
            if over {
                (c.since, c.days) = (now, Days::default());
                c.days.count(now);
            }
            c.last = now;
            seen.learned |= another_day || over || other;
            if over || other {
                seen.news.push(c.clone());
            }
            return;
        }
        if self.changes.len() >= CHANGES {
            let oldest = self.changes.iter().enumerate().min_by_key(|(_, c)| c.last).map(|(n, _)| n);
            oldest.map(|n| self.changes.remove(n));
        }
        let mut days = Days::default();
        days.count(now);
        let change = Change { kind, was, now: is, since: now, last: now, times: 1, refused, days };
        seen.news.push(change.clone());
        seen.learned = true;
        self.changes.push(change);
    }

    /// Takes in what a session that was let in teaches.
    fn learn(&mut self, s: &Sighting, now: UnixMs, seen: &mut Seen) {
        let usual = |c: &Change| c.days.n >= LEARNED_AFTER;
        // A device that goes to and fro between two protocols is two devices: neither is the usual.
        if s.protocol == self.protocol {
            self.changes.iter_mut().filter(|c| c.kind == ChangeKind::Protocol).for_each(|c| c.days.n = 0);
        } else if self
            .changes
            .iter()
            .any(|c| c.kind == ChangeKind::Protocol && &*c.now == s.protocol.name() && usual(c))
        {
            self.protocol = s.protocol;
            self.settle(ChangeKind::Protocol, seen);
        }
        if let Some(is) = &s.certificate {
            if self.certificate.is_none() {
                self.certificate = Some(is.clone());
                seen.learned = true;
            } else if self.changes.iter().any(|c| c.kind == ChangeKind::Certificate && c.now == *is && usual(c)) {
                self.certificate = Some(is.clone());
                self.settle(ChangeKind::Certificate, seen);
            }
        }
        for (proof, shown) in [(&mut self.tls, s.tls), (&mut self.token, s.token)] {
            match shown {
                Some(true) if !proof.bound => {
                    seen.learned |= proof.rising.count(now);
                    if proof.rising.n >= LEARNED_AFTER {
                        *proof = Proof { bound: true, rising: Days::default() };
                    }
                }
                Some(false) if !proof.bound => proof.rising = Days::default(),
                _ => {}
            }
        }
        let loosened = |c: &Change| c.kind == ChangeKind::Downgrade && usual(c) && now.0.saturating_sub(c.last.0) < DAY;
        // The policy has let it in without for days: it does without.
        for (word, proof) in [("no TLS", &mut self.tls), ("no token", &mut self.token)] {
            if proof.bound && self.changes.iter().any(|c| loosened(c) && &*c.now == word) {
                *proof = Proof::default();
                self.changes.retain(|c| &*c.now != word);
                seen.learned = true;
            }
        }
        if self.certificate.is_some() && self.changes.iter().any(|c| loosened(c) && &*c.now == "no certificate") {
            self.certificate = None;
            self.changes.retain(|c| &*c.now != "no certificate");
            seen.learned = true;
        }
        if let Some(network) = &s.network {
            self.learn_network(network, now, seen);
        }
        let before = self.changes.len();
        self.changes.retain(|c| c.lasts(now));
        seen.learned |= self.changes.len() != before;
    }

    fn learn_network(&mut self, network: &Network, now: UnixMs, seen: &mut Seen) {
        if let Some(known) = self.networks.iter_mut().find(|k| k.network == *network) {
            if now.0.saturating_sub(known.last.0) >= NOTED_EVERY {
                known.last = now;
                seen.learned = true;
            }
            return;
        }
        let changed = |c: &Change| c.kind == ChangeKind::Network && &*c.now == network.as_str();
        match self.changes.iter().find(|c| changed(c)) {
            Some(c) if c.days.n < LEARNED_AFTER => return,
            _ => {}
        }
        if self.networks.len() >= NETWORKS {
            let oldest = self.networks.iter().enumerate().min_by_key(|(_, k)| k.last).map(|(n, _)| n);
            oldest.map(|n| self.networks.remove(n));
        }
        self.networks.push(Known { network: network.clone(), first: now, last: now });
        self.changes.retain(|c| !changed(c));
        seen.learned = true;
    }

    fn settle(&mut self, kind: ChangeKind, seen: &mut Seen) {
        self.changes.retain(|c| c.kind != kind);
        seen.learned = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 20_000 * DAY + DAY / 2;

    fn on(day: i64) -> UnixMs {
        UnixMs(NOON + day * DAY)
    }

    fn from(a: u8, b: u8) -> Sighting {
        let network = Network::of(IpAddr::from([a, b, 7, 7]), Transport::Tcp);
        let network = Some(network);
        Sighting { protocol: Source::Teltonika, network, tls: Some(false), token: Some(false), certificate: None }
    }

    fn bound(s: &Sighting) -> Binding {
        Binding::first(s, on(0))
    }

    fn news(seen: &Seen) -> Vec<ChangeKind> {
        seen.news.iter().map(|c| c.kind).collect()
    }

    #[test]
    fn a_network_is_an_operators_and_not_an_address() {
        let of = |text: &str, t| Network::of(text.parse().unwrap(), t).to_string();
        assert_eq!(of("46.211.3.9", Transport::Tcp), "46.211.0.0/16");
        assert_eq!(of("::ffff:46.211.3.9", Transport::Udp), "46.211.0.0/16 udp");
        assert_eq!(of("2a02:2378:1::9", Transport::Tcp), "2a02:2378::/32");
    }

    #[test]
    fn the_same_session_again_is_nothing_new() {
        let mut b = bound(&from(46, 211));
        for day in 0..30 {
            let seen = b.see(&from(46, 211), Rules::default(), on(day));
            assert_eq!((seen.refused, seen.news), (None, Vec::new()));
        }
        assert_eq!((b.networks.len(), b.networks[0].last), (1, on(29)));
    }

    #[test]
    fn two_sim_cards_are_learned_in_the_first_days_and_raise_nothing() {
        let mut b = bound(&from(46, 211));
        for day in 0..60 {
            for network in [from(46, 211), from(37, 73)] {
                assert_eq!(b.see(&network, Rules::default(), on(day)).news, []);
            }
        }
        assert_eq!(b.networks.len(), 2);
    }

    #[test]
    fn a_new_network_is_let_in_raised_once_and_usual_after_three_days() {
        let mut b = bound(&from(46, 211));
        let moved = from(91, 5);
        let seen = b.see(&moved, Rules::default(), on(10));
        assert_eq!((seen.refused, news(&seen)), (None, vec![ChangeKind::Network]));
        assert_eq!((&*seen.news[0].was, &*seen.news[0].now), ("46.211.0.0/16", "91.5.0.0/16"));
        assert_eq!(b.see(&moved, Rules::default(), on(10)).news, [], "once");
        assert_eq!(b.see(&moved, Rules::default(), on(11)).news, []);
        assert!(b.changes[0].lasts(on(11)));
        b.see(&moved, Rules::default(), on(12));
        assert_eq!((b.networks.len(), b.changes.len()), (2, 0), "learned");
        let again = b.see(&from(12, 1), Rules::default(), on(20));
        assert_eq!(news(&again), [ChangeKind::Network]);
        assert!(!b.changes[0].lasts(on(22)), "a day after it went back");
    }

    #[test]
    fn a_network_may_be_refused_and_stays_refused() {
        let mut b = bound(&from(46, 211));
        let rules = Rules::all(Policy::Refuse);
        for day in 10..20 {
            assert_eq!(b.see(&from(91, 5), rules, on(day)).refused, Some(ChangeKind::Network));
        }
        assert_eq!(b.networks.len(), 1, "nobody is let in by trying");
        assert_eq!(b.see(&from(46, 211), rules, on(20)).refused, None);
    }

    #[test]
    fn another_certificate_is_refused_and_a_first_one_is_bound() {
        let mut b = bound(&from(46, 211));
        let with = |c: &str| Sighting { tls: Some(true), certificate: Some(c.into()), ..from(46, 211) };
        assert_eq!(b.see(&with("key a"), Rules::default(), on(1)), Seen { learned: true, ..Seen::default() });
        let other = b.see(&with("key b"), Rules::default(), on(2));
        assert_eq!((other.refused, news(&other)), (Some(ChangeKind::Certificate), vec![ChangeKind::Certificate]));
        let none = b.see(&from(46, 211), Rules::default(), on(2));
        assert_eq!((none.refused, &*none.news[0].now), (Some(ChangeKind::Downgrade), "no certificate"));
        assert_eq!(b.see(&with("key a"), Rules::default(), on(2)).refused, None);
    }

    #[test]
    fn who_always_showed_a_token_must_and_who_never_did_need_not() {
        let token = |yes| Sighting { token: Some(yes), ..from(46, 211) };
        let mut always = bound(&token(true));
        assert_eq!(always.see(&token(false), Rules::default(), on(1)).refused, Some(ChangeKind::Downgrade));
        let mut never = bound(&token(false));
        assert_eq!(never.see(&token(true), Rules::default(), on(1)).refused, None);
        assert_eq!(never.see(&token(false), Rules::default(), on(1)).refused, None, "one day is not always");
        for day in 2..5 {
            never.see(&token(true), Rules::default(), on(day));
        }
        assert!(never.token.bound);
        assert_eq!(never.see(&token(false), Rules::default(), on(5)).refused, Some(ChangeKind::Downgrade));
        let more = Sighting { tls: Some(true), certificate: Some("key a".into()), ..token(false) };
        assert_eq!(always.see(&more, Rules::default(), on(2)).refused, None, "a certificate is more than a token");
        let brokered = Sighting { network: None, tls: None, token: None, ..from(46, 211) };
        assert_eq!(never.see(&brokered, Rules::default(), on(5)).refused, None, "the broker has asked for it");
    }

    #[test]
    fn a_protocol_that_comes_and_goes_is_never_the_usual() {
        let mut b = bound(&from(46, 211));
        let other = Sighting { protocol: Source::Osmand, ..from(46, 211) };
        assert_eq!(news(&b.see(&other, Rules::default(), on(1))), [ChangeKind::Protocol]);
        for day in 2..12 {
            b.see(&from(46, 211), Rules::default(), on(day));
            b.see(&other, Rules::default(), on(day));
        }
        assert_eq!((b.protocol, b.changes.len()), (Source::Teltonika, 1));
        for day in 12..16 {
            b.see(&other, Rules::default(), on(day));
        }
        assert_eq!((b.protocol, b.changes.len()), (Source::Osmand, 0), "alone for three days it is");
    }

    proptest! {
        /// Whatever is seen, what is known of a device stays bounded, is written and read back the same, and a
        /// sighting that is refused teaches nothing.
        #[test]
        fn it_is_bounded_and_nobody_teaches_it_by_being_refused(
            sights in proptest::collection::vec((0u8..12, 0u8..3, any::<bool>(), any::<bool>(), 0i64..2, any::<bool>()), 1..200)
        ) {
            let mut b = bound(&from(46, 211));
            let mut day = 0;
            for (network, certificate, tls, token, later, strict) in sights {
                day += later;
                let certificate = (certificate > 0).then(|| format!("key {certificate}").into());
                let s = Sighting { tls: Some(tls), token: Some(token), certificate, ..from(46, network) };
                let before = b.clone();
                let rules = if strict { Rules::all(Policy::Refuse) } else { Rules::all(Policy::Raise) };
                let seen = b.see(&s, rules, on(day));
                prop_assert!(strict || seen.refused.is_none());
                if seen.refused.is_some() {
                    let known = Binding { changes: before.changes.clone(), ..b.clone() };
                    prop_assert_eq!(known, before);
                }
                prop_assert!(b.networks.len() <= NETWORKS && b.changes.len() <= CHANGES);
                let text = serde_json::to_string(&b).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Binding>(&text).unwrap(), &b);
            }
        }
    }
}
