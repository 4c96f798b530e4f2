//! What is said on a connection, or by a sender of datagrams: for whom it speaks, what becomes of each
//! message and what is answered. The same for every protocol; no socket and no codec here.
//!
//! Who may be a stranger's neighbour: `docs/decisions/0017-relays.md`.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::Peer;
use crate::codec::stream::Heard;
use crate::codec::{DecodeError, DecodeErrorKind, DeviceKey, Message, Outcome, Protocol, Record};
use crate::intake::{Intake, Proof, Ticket};
use crate::registry::Device;
use crate::registry::binding::Transport;
use crate::rejection::Rejection;
use crate::sessions::Claim;
use crate::watch::Who;

/// How a sender holds the devices it speaks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holds {
    /// A connection: until it ends.
    ForAsLongAsItLasts,
    /// Datagrams: each message anew.
    MessageByMessage,
}

/// What is to be done after a message.
pub(super) enum Next {
    /// Say this.
    Say(Vec<u8>),
    /// Say this when the records are durable.
    SayWhenDurable(Ticket, Vec<u8>),
    /// Say this, and have no more to do with it. Counted already.
    SayAndEnd(Vec<u8>, Rejection),
}

/// A device that is spoken for.
struct Spoken {
    device: Arc<Device>,
    claim: Option<Claim>,
}

/// One sender.
pub(super) struct Conversation {
    intake: Arc<Intake>,
    source: Protocol,
    peer: Peer,
    holds: Holds,
    /// Strangers may come first: see the decision.
    relay: bool,
    login: Option<DeviceKey>,
    speaks_for: FxHashMap<DeviceKey, Spoken>,
    /// Whether the protocol answers records, once that was seen.
    answers: Option<bool>,
}

impl Conversation {
    pub(super) fn new(intake: Arc<Intake>, source: Protocol, peer: Peer, holds: Holds) -> Self {
        let relay = intake.relays.contains(&source);
        let speaks_for = FxHashMap::default();
        Self { intake, source, peer, holds, relay, login: None, speaks_for, answers: None }
    }

    /// Whether a device that is on the list has spoken.
    pub(super) fn is_known(&self) -> bool {
        !self.speaks_for.is_empty()
    }

    /// Whom refusals are about: the device that logged in, the only one that spoke, or the address.
    pub(super) fn who(&self) -> Who {
        match self.only() {
            Some(device) => Who::Device(device.key.clone(), Some(device.vehicle.clone())),
            None => Who::Address(self.peer.at.ip()),
        }
    }

    /// The device that logged in, or the only one that spoke.
    fn only(&self) -> Option<&Arc<Device>> {
        let only = (self.speaks_for.len() == 1).then(|| self.speaks_for.values().next()).flatten();
        let login = self.login.as_ref().and_then(|key| self.speaks_for.get(key));
        login.or(only).map(|s| &s.device)
    }

    /// Counts what was sent against the measure of the address, and of the device where there is one; says
    /// how long to read no more. That is refused by name.
    pub(super) fn measure(&self, messages: u32, bytes: usize) -> Option<Duration> {
        let now = self.intake.clock.now();
        let of_address = self.intake.flow.from(self.peer.at.ip(), messages, bytes, now);
        let of_device = self.only().map_or(Duration::ZERO, |d| self.intake.flow.of(&d.key, messages, bytes, now));
        let wait = of_address.max(of_device);
        if wait.is_zero() {
            return None;
        }
        let who = if of_device > of_address { self.who() } else { Who::Address(self.peer.at.ip()) };
        self.intake
            .refuse(Rejection::RateLimit, who, || format!("{}: {:.1} s too much", self.source, wait.as_secs_f64()));
        Some(wait)
    }

    /// Ends when the device that logged in has connected anew, or is not on the list as it was; never where
    /// there was no login.
    pub(super) async fn replaced(&self) {
        match self.login.as_ref().and_then(|key| self.speaks_for.get(key)).and_then(|s| s.claim.as_ref()) {
            Some(claim) => claim.replaced().await,
            None => std::future::pending().await,
        }
    }

    /// Takes a message in.
    pub(super) async fn hear(&mut self, heard: Heard) -> Next {
        let Heard { message, reply } = heard;
        if let Some(claim) = self.login.as_ref().and_then(|key| self.speaks_for.get(key)).and_then(|s| s.claim.as_ref())
        {
            claim.heard(self.intake.clock.now());
        }
        match message {
            Message::KeepAlive => Next::Say(reply.to(Outcome::Taken)),
            Message::Login(key) if self.login.as_ref().is_some_and(|known| *known != key) => {
                let e = DecodeError::new(DecodeErrorKind::BadLogin, 0, "a second login, of another device");
                Next::SayAndEnd(Vec::new(), self.intake.unreadable(&e, self.who()))
            }
            Message::Login(key) => match self.admit(&key, None).await {
                Ok(_) => {
                    self.login = Some(key);
                    Next::Say(reply.to(Outcome::Taken))
                }
                Err(reason) => Next::SayAndEnd(reply.to(Outcome::Refused), reason),
            },
            Message::Records(records) => {
                self.answers = Some(!reply.taken.is_empty());
                match self.take(records).await {
                    Ok(Some(ticket)) => Next::SayWhenDurable(ticket, reply.to(Outcome::Taken)),
                    Ok(None) => Next::Say(reply.to(Outcome::Taken)),
                    Err(reason) => Next::SayAndEnd(reply.to(Outcome::Refused), reason),
                }
            }
        }
    }

    /// Counts a message that could not be read; says why the connection must end for it, if it must.
    ///
    /// What is sound and of no use to us is passed over: sent again it would be the same. After what was
    /// damaged the connection ends, for an answer to a later message could be taken for one to this; but
    /// not where nothing is ever answered.
    pub(super) fn unreadable(&self, e: &DecodeError) -> Option<Rejection> {
        let reason = self.intake.unreadable(e, self.who());
        let passed_over = match e.kind {
            DecodeErrorKind::UnsupportedCodec
            | DecodeErrorKind::MissingField
            | DecodeErrorKind::BadField
            | DecodeErrorKind::BadJson => true,
            kind => self.answers == Some(false) && !kind.loses_framing(),
        };
        (!passed_over).then_some(reason)
    }

    /// Sorts a message's records by device and offers those of devices that are known. `Ok(None)`: there is
    /// nothing to wait for.
    async fn take(&mut self, records: Vec<Record>) -> Result<Option<Ticket>, Rejection> {
        let mut parts: Vec<(DeviceKey, Vec<Record>)> = Vec::new();
        let mut at: FxHashMap<DeviceKey, usize> = FxHashMap::default();
        for record in records {
            let Some(key) = record.device.as_ref().or(self.login.as_ref()) else {
                let detail = || format!("{}: records before anybody said whose they are", self.source);
                self.intake.refuse(Rejection::NoLogin, self.who(), detail);
                return Err(Rejection::NoLogin);
            };
            let place = *at.entry(key.clone()).or_insert_with(|| {
                parts.push((key.clone(), Vec::new()));
                parts.len() - 1
            });
            if let Some((_, records)) = parts.get_mut(place) {
                records.push(record);
            }
        }
        let (mut known, mut turned) = (Vec::with_capacity(parts.len()), None);
        for (key, records) in parts {
            let place = records.iter().rev().find_map(|r| r.position).map(|p| (p.lat, p.lon));
            match self.admit(&key, place).await {
                Ok(device) => known.push((device, records)),
                Err(reason) => turned = Some(reason),
            }
        }
        match turned {
            _ if !known.is_empty() => Ok(Some(self.intake.offer_all(known, self.source).await)),
            // One stranger must not hold up those behind it.
            Some(reason) if !self.relay && !self.is_known() => Err(reason),
            _ => Ok(None),
        }
    }

    /// The device of a key, if this sender may speak for it now; refusals are counted.
    async fn admit(&mut self, key: &DeviceKey, place: Option<(f64, f64)>) -> Result<Arc<Device>, Rejection> {
        let now = self.intake.clock.now();
        if let Some(spoken) = self.speaks_for.get(key) {
            match &spoken.claim {
                Some(claim) if claim.is_replaced() => drop(self.speaks_for.remove(key)),
                Some(claim) => {
                    claim.heard(now);
                    return Ok(Arc::clone(&spoken.device));
                }
                // It may have left the list since.
                None => drop(self.speaks_for.remove(key)),
            }
        }
        if self.speaks_for.len() >= self.intake.limits.devices.max(1) {
            let detail = || format!("{}: more than {}", self.source, self.intake.limits.devices);
            self.intake.refuse(Rejection::DeviceLimit, Who::Address(self.peer.at.ip()), detail);
            return Err(Rejection::DeviceLimit);
        }
        let relay = self.peer.named().filter(|name| self.relay && self.intake.relay_names.iter().any(|r| r == name));
        let own = self.peer.named().filter(|_| relay.is_none());
        let proof = Proof::or(own, Proof::None);
        let device = self.intake.identify(key, proof, self.source, self.peer.at, place).await?;
        let transport = match self.holds {
            Holds::ForAsLongAsItLasts => Transport::Tcp,
            Holds::MessageByMessage => Transport::Udp,
        };
        let mut sighting = self.peer.sighting(self.source, transport, false);
        if let Some(name) = relay {
            // The relay's own certificate may be renewed at any time, and is not the device's.
            sighting.certificate = Some(format!("relay {name}").into());
        }
        self.intake.bind(&device, self.source, self.peer.at, &sighting)?;
        let claim = match self.holds {
            Holds::ForAsLongAsItLasts => Some(self.intake.claim(&device, self.source, self.peer.at)?),
            Holds::MessageByMessage => {
                self.intake.touch(&device, self.source, self.peer.at)?;
                None
            }
        };
        self.speaks_for.insert(key.clone(), Spoken { device: Arc::clone(&device), claim });
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use transit_model::clock::ManualClock;
    use transit_model::fix::Fix;
    use transit_model::time::UnixMs;

    use super::*;
    use crate::codec::Position;
    use crate::codec::stream::Reply;
    use crate::config::IngestConfig;
    use crate::registry::NewDevice;
    use crate::tls::Shown;

    const SOURCE: Protocol = Protocol::Teltonika;

    struct Desk {
        intake: Arc<Intake>,
        fixes: mpsc::Receiver<Fix>,
        _folder: tempfile::TempDir,
    }

    /// Two devices on the list; messages are answered `yes` or `no`.
    async fn desk(change: impl FnOnce(&mut IngestConfig)) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let mut config = IngestConfig { data_dir: folder.path().into(), ..IngestConfig::default() };
        change(&mut config);
        let clock = Arc::new(ManualClock::at(UnixMs::from_secs(1_795_000_000)));
        let (out, fixes) = mpsc::channel(100);
        let (intake, _) = crate::service::open(&config, clock, None, out).await.unwrap();
        intake.add(vec![NewDevice::transit("d1", "v1"), NewDevice::transit("d2", "v2")]).await.unwrap();
        Desk { intake, fixes, _folder: folder }
    }

    impl Desk {
        fn from(&self, last: u8) -> Conversation {
            self.with_certificate(last, None)
        }

        fn with_certificate(&self, last: u8, certificate: Option<&str>) -> Conversation {
            let at = ([10, 0, 0, last], 5000).into();
            let shown = certificate.map(|name| Shown { name: name.into(), key: format!("of {name}").into() });
            let peer = Peer { at, tls: shown.is_some(), certificate: shown };
            Conversation::new(Arc::clone(&self.intake), SOURCE, peer, Holds::ForAsLongAsItLasts)
        }

        /// A message with a record of each of these devices, and of the login where there is no name.
        fn records(&self, of: &[&str]) -> Heard {
            let position = Position { lat: 48.85, lon: 37.6, valid: true, ..Position::default() };
            let time = self.intake.clock.now();
            let record = |key: &&str| {
                let device = (!key.is_empty()).then(|| DeviceKey::from(key));
                Record { device, ..Record::at(time, position) }
            };
            heard(Message::Records(of.iter().map(record).collect()))
        }
    }

    fn heard(message: Message) -> Heard {
        Heard { message, reply: Reply { taken: b"yes".to_vec(), refused: b"no".to_vec() } }
    }

    async fn said(next: Next) -> String {
        let (answer, ends) = match next {
            Next::Say(answer) => (answer, ""),
            Next::SayWhenDurable(ticket, answer) => {
                ticket.await.unwrap();
                (answer, " when durable")
            }
            Next::SayAndEnd(answer, _) => (answer, " and ends"),
        };
        String::from_utf8(answer).unwrap() + ends
    }

    async fn vehicles(desk: &mut Desk, n: usize) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..n {
            all.push(desk.fixes.recv().await.unwrap().vehicle.to_string());
        }
        all
    }

    #[tokio::test]
    async fn a_message_may_speak_for_many_devices() {
        let mut desk = desk(|_| ()).await;
        let mut c = desk.from(1);
        assert_eq!(said(c.hear(desk.records(&["d2", "d1"])).await).await, "yes when durable");
        assert_eq!(vehicles(&mut desk, 2).await, ["v2", "v1"]);
        assert_eq!(desk.intake.journal.count().await.unwrap(), (2, 2));
    }

    #[tokio::test]
    async fn strangers_among_known_devices_hold_nobody_up() {
        let mut desk = desk(|_| ()).await;
        let mut c = desk.from(1);
        assert_eq!(said(c.hear(desk.records(&["x", "d1"])).await).await, "yes when durable");
        assert_eq!(vehicles(&mut desk, 1).await, ["v1"]);
        assert_eq!(said(c.hear(desk.records(&["x"])).await).await, "yes", "known for a relay now");
        let seen = desk.intake.watch.quarantine();
        assert_eq!((seen.len(), seen[0].times, seen[0].place), (1, 2, Some((48.85, 37.6))));
        assert_eq!(desk.intake.journal.count().await.unwrap(), (1, 1));
    }

    #[tokio::test]
    async fn a_stranger_alone_is_refused_unless_the_port_is_a_relays() {
        let plain = desk(|_| ()).await;
        assert_eq!(said(plain.from(1).hear(plain.records(&["x"])).await).await, "no and ends");
        let relay = desk(|c| c.streams.entry(SOURCE).relay = true).await;
        assert_eq!(said(relay.from(1).hear(relay.records(&["x"])).await).await, "yes");
        for desk in [plain, relay] {
            assert_eq!(desk.intake.watch.quarantine().len(), 1);
        }
    }

    #[tokio::test]
    async fn nobody_speaks_for_a_device_that_is_alive_elsewhere() {
        let mut desk = desk(|_| ()).await;
        let mut home = desk.from(1);
        assert_eq!(said(home.hear(heard(Message::Login("d1".into()))).await).await, "yes");
        assert_eq!(said(desk.from(2).hear(desk.records(&["d1"])).await).await, "no and ends");
        let mut relay = desk.from(2);
        assert_eq!(said(relay.hear(desk.records(&["d1", "d2"])).await).await, "yes when durable");
        assert_eq!(vehicles(&mut desk, 1).await, ["v2"]);
        assert_eq!(said(home.hear(desk.records(&[""])).await).await, "yes when durable");
        assert_eq!(vehicles(&mut desk, 1).await, ["v1"]);
        let counters = desk.intake.metrics.counters();
        assert_eq!(counters.refused.get("takeover"), Some(&2));
    }

    #[tokio::test]
    async fn a_device_taken_off_the_list_is_a_stranger_with_its_next_word() {
        let desk = desk(|_| ()).await;
        let mut c = desk.from(1);
        assert_eq!(said(c.hear(desk.records(&["d1"])).await).await, "yes when durable");
        desk.intake.journal.remove_device(&"d1".into()).await.unwrap();
        desk.intake.reload().await.unwrap();
        assert_eq!(said(c.hear(desk.records(&["d1"])).await).await, "no and ends");
    }

    #[tokio::test]
    async fn a_connection_speaks_for_no_more_devices_than_the_limit() {
        let desk = desk(|c| c.limits.devices = 1).await;
        let mut c = desk.from(1);
        assert_eq!(said(c.hear(desk.records(&["d1", "d2"])).await).await, "yes when durable");
        assert_eq!(desk.intake.metrics.counters().refused.get("device_limit"), Some(&1));
    }

    #[tokio::test]
    async fn records_need_an_owner_and_a_connection_one_login() {
        let desk = desk(|_| ()).await;
        assert_eq!(said(desk.from(1).hear(desk.records(&[""])).await).await, "no and ends");
        let mut c = desk.from(1);
        assert_eq!(said(c.hear(heard(Message::Login("d1".into()))).await).await, "yes");
        assert_eq!(said(c.hear(heard(Message::Login("d1".into()))).await).await, "yes");
        assert_eq!(said(c.hear(heard(Message::KeepAlive)).await).await, "yes");
        assert_eq!(said(c.hear(heard(Message::Login("d2".into()))).await).await, " and ends");
    }

    #[tokio::test]
    async fn what_is_damaged_ends_the_connection_where_an_answer_could_be_mistaken() {
        let desk = desk(|_| ()).await;
        let damaged = DecodeError::new(DecodeErrorKind::BadChecksum, 0, "x");
        let useless = DecodeError::new(DecodeErrorKind::BadField, 0, "x");
        let lost = DecodeError::new(DecodeErrorKind::BadPreamble, 0, "x");
        let mut c = desk.from(1);
        assert_eq!(c.unreadable(&damaged), Some(Rejection::Checksum));
        assert_eq!(c.unreadable(&useless), None);
        let unanswered = Heard { reply: Reply::none(), ..desk.records(&["d1"]) };
        said(c.hear(unanswered).await).await;
        assert_eq!(c.unreadable(&damaged), None);
        assert_eq!(c.unreadable(&lost), Some(Rejection::Malformed));
        said(c.hear(desk.records(&["d1"])).await).await;
        assert_eq!(c.unreadable(&damaged), Some(Rejection::Checksum));
    }

    #[tokio::test]
    async fn a_certificate_speaks_for_the_device_it_names() {
        let desk = desk(|_| ()).await;
        assert_eq!(
            said(desk.with_certificate(1, Some("d1")).hear(desk.records(&["d1"])).await).await,
            "yes when durable"
        );
        let mut other = desk.with_certificate(1, Some("d2"));
        assert_eq!(said(other.hear(desk.records(&["d1"])).await).await, "no and ends");
        assert_eq!(said(other.hear(desk.records(&["x"])).await).await, "no and ends");
        assert_eq!(desk.intake.metrics.counters().refused.get("bad_certificate"), Some(&2));
        assert!(desk.intake.watch.quarantine().is_empty(), "it names nobody else");
    }

    #[tokio::test]
    async fn who_sends_too_much_is_read_more_slowly() {
        let desk = desk(|c| c.limits.device_messages = 1).await;
        let mut c = desk.from(1);
        assert_eq!(c.measure(11, 0), None, "nobody is known yet, and the address may");
        said(c.hear(desk.records(&["d1"])).await).await;
        assert_eq!(c.measure(10, 0), None, "ten seconds' worth at once");
        assert_eq!(c.measure(2, 0), Some(Duration::from_secs(2)));
        assert_eq!(desk.intake.metrics.counters().refused.get("rate_limit"), Some(&1));
    }
}
