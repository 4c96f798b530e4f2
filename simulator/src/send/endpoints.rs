//! Where the listeners are, one for each protocol.

use std::collections::BTreeMap;

use tracker_ingest::codec::Protocol;

use crate::tracker::Split;

/// What carries a protocol that runs over a stream of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// A connection.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// Where a protocol is spoken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Over what. HTTP and MQTT are always over TCP.
    pub transport: Transport,
}

/// Where the listeners are; a protocol without one is not spoken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Endpoints(BTreeMap<Protocol, Endpoint>);

impl Endpoints {
    /// The listeners over TCP that a server names.
    #[must_use]
    pub fn by<A: ToString>(tcp: impl Fn(Protocol) -> Option<A>) -> Self {
        Protocol::ALL.iter().fold(Self::default(), |all, p| all.with(*p, tcp(*p)))
    }

    /// The same with a listener at `host:port`, where there is one. The last one named for a protocol counts.
    #[must_use]
    pub fn with(self, protocol: Protocol, address: Option<impl ToString>) -> Self {
        self.over(protocol, Transport::Tcp, address)
    }

    /// The same over a transport of choice.
    #[must_use]
    pub fn over(mut self, protocol: Protocol, transport: Transport, address: Option<impl ToString>) -> Self {
        if let Some(address) = address {
            self.0.insert(protocol, Endpoint { address: address.to_string(), transport });
        }
        self
    }

    /// Where a protocol is spoken.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> Option<&Endpoint> {
        self.0.get(&protocol)
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The split without the protocols that have no endpoint; where none of the split has one, all that
    /// have one alike.
    pub(super) fn restrict(&self, split: &Split) -> Split {
        let kept = Split::new(split.weights().filter(|(p, weight)| *weight > 0 && self.0.contains_key(p)));
        if kept.is_empty() { Split::new(self.0.keys().map(|p| (*p, 1))) } else { kept }
    }
}
