//! Every reason for which something a tracker sent is refused or kept out of the live picture.
//!
//! One enum, so that the counter, the log line, the dispatcher's words and `docs/rejections.md` cannot
//! disagree: they are all made from it.

use std::fmt;

/// Why something was refused. The order is the order in which it is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rejection {
    /// Too many connections are open.
    ConnectionLimit,
    /// As many connections of one address are open as may be.
    AddressLimit,
    /// Somebody sends more than the measure.
    RateLimit,
    /// A connection to a TLS port did not come to speak TLS.
    TlsFailed,
    /// The certificate is another device's.
    BadCertificate,
    /// What speaks on the port for any protocol is no protocol we know, or could be two.
    UnknownProtocol,
    /// A connection said too much, or took too long, before it said who it is.
    NoLogin,
    /// A connection fell silent and was closed.
    Silent,
    /// A message was begun and not ended in time.
    TooSlow,
    /// A connection speaks for more devices than one may.
    DeviceLimit,
    /// The device is on no list.
    UnknownDevice,
    /// The device's token is missing or wrong.
    BadToken,
    /// The device is not as it always was, and that is to be refused.
    NotAsUsual,
    /// Another connection of the device is alive at another address.
    Takeover,
    /// A device published to a topic that is not its own, or asked to read.
    ForeignTopic,
    /// A message is larger than we take.
    Oversize,
    /// A checksum is wrong.
    Checksum,
    /// A message cannot be read.
    Malformed,
    /// The fix is older than the backlog limit.
    TooOld,
    /// The fix lies in the future.
    Ahead,
    /// The device's clock is wrong by much, and by how much is not known yet.
    ClockOff,
    /// The record has been here before.
    Duplicate,
    /// The record carries no position.
    NoPosition,
    /// The device itself does not stand by the position.
    NotValid,
    /// The position is not on Earth, or is the 0, 0 of a receiver without a fix.
    OffEarth,
    /// The position is outside the feed's area.
    OutOfBounds,
    /// A newer fix of the device is already live.
    OutOfOrder,
    /// The fix is too old to be live.
    Stale,
    /// No vehicle covers that distance in that time.
    TooFast,
    /// The position is kilometres from the last one, at once.
    Jump,
    /// The position is one to which many vehicles jump at once.
    Spoofed,
    /// Two trackers of the vehicle say it is in two places.
    TrackersDisagree,
    /// Another tracker of the vehicle is the one that moves it.
    Secondary,
}

/// What becomes of what was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Not stored and not acknowledged.
    Turned,
    /// Stored with its reason and acknowledged; never live.
    Kept,
    /// Stored once already; acknowledged again.
    Repeated,
}

impl Rejection {
    /// Every reason, in order.
    pub const ALL: [Self; 33] = [
        Self::ConnectionLimit,
        Self::AddressLimit,
        Self::RateLimit,
        Self::TlsFailed,
        Self::BadCertificate,
        Self::UnknownProtocol,
        Self::NoLogin,
        Self::Silent,
        Self::TooSlow,
        Self::DeviceLimit,
        Self::UnknownDevice,
        Self::BadToken,
        Self::NotAsUsual,
        Self::Takeover,
        Self::ForeignTopic,
        Self::Oversize,
        Self::Checksum,
        Self::Malformed,
        Self::TooOld,
        Self::Ahead,
        Self::ClockOff,
        Self::Duplicate,
        Self::NoPosition,
        Self::NotValid,
        Self::OffEarth,
        Self::OutOfBounds,
        Self::OutOfOrder,
        Self::Stale,
        Self::TooFast,
        Self::Jump,
        Self::Spoofed,
        Self::TrackersDisagree,
        Self::Secondary,
    ];

    /// The name in metrics (`reason`), in the log and in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectionLimit => "connection_limit",
            Self::AddressLimit => "address_limit",
            Self::RateLimit => "rate_limit",
            Self::TlsFailed => "tls_failed",
            Self::BadCertificate => "bad_certificate",
            Self::UnknownProtocol => "unknown_protocol",
            Self::NoLogin => "no_login",
            Self::Silent => "silent",
            Self::TooSlow => "too_slow",
            Self::DeviceLimit => "device_limit",
            Self::UnknownDevice => "unknown_device",
            Self::BadToken => "bad_token",
            Self::NotAsUsual => "not_as_usual",
            Self::Takeover => "takeover",
            Self::ForeignTopic => "foreign_topic",
            Self::Oversize => "oversize",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::TooOld => "too_old",
            Self::Ahead => "ahead",
            Self::ClockOff => "clock_off",
            Self::Duplicate => "duplicate",
            Self::NoPosition => "no_position",
            Self::NotValid => "not_valid",
            Self::OffEarth => "off_earth",
            Self::OutOfBounds => "out_of_bounds",
            Self::OutOfOrder => "out_of_order",
            Self::Stale => "stale",
            Self::TooFast => "too_fast",
            Self::Jump => "jump",
            Self::Spoofed => "spoofed",
            Self::TrackersDisagree => "trackers_disagree",
            Self::Secondary => "secondary",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }

    /// What becomes of it.
    #[must_use]
    pub const fn fate(self) -> Fate {
        match self {
            Self::ConnectionLimit
            | Self::AddressLimit
            | Self::RateLimit
            | Self::TlsFailed
            | Self::BadCertificate
            | Self::UnknownProtocol
            | Self::NoLogin
            | Self::Silent
            | Self::TooSlow
            | Self::DeviceLimit
            | Self::UnknownDevice
            | Self::BadToken
            | Self::NotAsUsual
            | Self::Takeover
            | Self::ForeignTopic
            | Self::Oversize
            | Self::Checksum
            | Self::Malformed => Fate::Turned,
            Self::Duplicate => Fate::Repeated,
            _ => Fate::Kept,
        }
    }

    /// How much a dispatcher should care: 1 = look now, 2 = look soon, 3 = to know; `None` = routine.
    #[must_use]
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::Takeover | Self::BadCertificate => Some(1),
            Self::ConnectionLimit
            | Self::AddressLimit
            | Self::RateLimit
            | Self::DeviceLimit
            | Self::UnknownDevice
            | Self::BadToken
            | Self::ForeignTopic
            | Self::Ahead
            | Self::ClockOff
            | Self::OutOfBounds
            | Self::Jump => Some(2),
            Self::UnknownProtocol
            | Self::TlsFailed
            | Self::Checksum
            | Self::Malformed
            | Self::Oversize
            | Self::TooOld
            | Self::NotValid
            | Self::OffEarth
            | Self::TooFast => Some(3),
            // The change, and the disagreement, are raised themselves, with what was and what is.
            Self::NoLogin
            | Self::Silent
            | Self::TooSlow
            | Self::NotAsUsual
            | Self::TrackersDisagree
            | Self::Secondary
            | Self::Duplicate
            | Self::NoPosition
            | Self::OutOfOrder
            | Self::Stale
            | Self::Spoofed => None,
        }
    }

    /// What it means and what to do, for the engineer.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::ConnectionLimit => {
                "As many connections are open as the limit allows; the new one was closed. Raise `limits.connections`, or find who opens them."
            }
            Self::AddressLimit => {
                "As many connections of one address are open as `limits.address_connections` allows; the new one was closed. Raise it where a mobile network puts your whole fleet behind one address."
            }
            Self::RateLimit => {
                "A device or an address sends more than `limits.device_…` or `limits.address_…` a second. Over TCP it is read more slowly and loses nothing; a datagram or a request beyond the measure is refused."
            }
            Self::TlsFailed => {
                "A connection to a TLS port could not agree with us: it speaks no TLS, shows no certificate, or one of another authority. The log says which."
            }
            Self::BadCertificate => {
                "A device's certificate is good and names another device than the one it speaks for. Somebody pretends, or certificates were mixed up."
            }
            Self::UnknownProtocol => {
                "What spoke on the port for any protocol begins as no protocol does, or as two do; the log says which. Give the tracker its protocol's own port."
            }
            Self::NoLogin => {
                "A connection used up its bytes or its time before it named a device, and was closed. Usually a port scanner."
            }
            Self::Silent => {
                "A connection was silent for longer than `limits.idle_secs` and was closed; the tracker will connect again."
            }
            Self::TooSlow => {
                "A message was begun and not ended in `limits.message_secs`; the connection was closed. A very bad network, or somebody who holds connections open."
            }
            Self::DeviceLimit => {
                "A connection spoke for more devices than `limits.devices`; those beyond it were refused. Raise it for a large relay."
            }
            Self::UnknownDevice => {
                "The device is on no list. It is in quarantine, where it can be seen and approved; nothing it sends is stored."
            }
            Self::BadToken => {
                "The device is known, its token is missing or wrong. Give it the token again, or look for an impostor."
            }
            Self::NotAsUsual => {
                "The device has another certificate, gives less proof, or speaks another protocol or from another network than it always did, and `[ingest.binding]` or its own pin says to refuse that. The concern `device_changed` says what was and what is; `zupynka devices rebind` accepts it."
            }
            Self::Takeover => {
                "A connection claimed a device that is alive at another address, and was refused. Either two trackers have one IMEI or somebody pretends."
            }
            Self::ForeignTopic => {
                "A device published to a topic other than its own, or tried to subscribe; its connection was closed."
            }
            Self::Oversize => "A message is larger than the protocol's limit; its connection was closed.",
            Self::Checksum => {
                "A message was damaged on its way. It was not acknowledged, so the tracker sends it again."
            }
            Self::Malformed => {
                "A message cannot be read; the log says what and at which byte. It was not acknowledged."
            }
            Self::TooOld => "The fix is older than `gate.backlog_secs`. It is in the history only.",
            Self::Ahead => {
                "The fix is more than five seconds in the future. When three in a row agree, the device's clock is known to be ahead and is corrected."
            }
            Self::ClockOff => {
                "Each record of the device is late by the same, or is 1024 weeks old: its clock is wrong. It is kept out until enough records have said by how much; then it is corrected."
            }
            Self::Duplicate => "The same record of the same device; it is stored once and acknowledged again.",
            Self::NoPosition => "The record says something else than where the vehicle is; it never moves a vehicle.",
            Self::NotValid => "The tracker has no satellites and repeats an old place; it never moves a vehicle.",
            Self::OffEarth => "The coordinates are not on Earth, or are 0, 0 and the tracker stands by them.",
            Self::OutOfBounds => "The position is further than `gate.margin_m` outside the feed's area.",
            Self::OutOfOrder => "A newer fix is already live; this one is in the history only.",
            Self::Stale => {
                "The fix is older than `gate.live_secs`; it is in the history only and does not move the vehicle."
            }
            Self::TooFast => {
                "The vehicle would have driven faster than `gate.max_speed_mps`. Three fixes that agree with each other are believed."
            }
            Self::Spoofed => {
                "Many vehicles jumped to one place at once: satellite signals are being spoofed. The vehicle keeps its last true place; the episode itself is raised as `gnss_spoofing`."
            }
            Self::TrackersDisagree => {
                "Two trackers registered for one vehicle say it is in two places. Neither moves it until they agree or one of them is taken off the list or falls silent."
            }
            Self::Secondary => {
                "Another tracker of the same vehicle moves it; this one agrees and takes over when that one falls silent."
            }
            Self::Jump => {
                "The vehicle would have jumped more than `gate.jump_m`, faster than it drives. Three fixes that agree with each other are believed."
            }
        }
    }

    /// In a dispatcher's words, Ukrainian and English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ConnectionLimit => ("забагато з’єднань", "too many connections"),
            Self::AddressLimit => ("забагато з’єднань з однієї адреси", "too many connections of one address"),
            Self::RateLimit => ("забагато повідомлень", "too many messages"),
            Self::TlsFailed => ("невдале шифроване з’єднання", "failed TLS connection"),
            Self::BadCertificate => ("чужий сертифікат трекера", "certificate of another tracker"),
            Self::UnknownProtocol => ("невідомий протокол", "unknown protocol"),
            Self::NoLogin => ("з’єднання без входу", "a connection without a login"),
            Self::Silent => ("з’єднання замовкло", "a connection fell silent"),
            Self::TooSlow => ("повідомлення без кінця", "a message without an end"),
            Self::DeviceLimit => ("забагато трекерів в одному з’єднанні", "too many devices on one connection"),
            Self::UnknownDevice => ("невідомий трекер", "unknown tracker"),
            Self::BadToken => ("хибний токен трекера", "wrong tracker token"),
            Self::NotAsUsual => ("трекер не такий, як завжди", "a tracker not as it always was"),
            Self::Takeover => ("спроба підмінити трекер", "attempt to impersonate a tracker"),
            Self::ForeignTopic => ("трекер пише не у свою тему", "tracker used a topic not its own"),
            Self::Oversize => ("завелике повідомлення", "message too large"),
            Self::Checksum => ("пошкоджені повідомлення", "damaged messages"),
            Self::Malformed => ("нерозбірливі повідомлення", "unreadable messages"),
            Self::TooOld => ("дуже давні координати", "positions far too old"),
            Self::Ahead => ("годинник трекера поспішає", "tracker clock is ahead"),
            Self::ClockOff => ("годинник трекера збитий", "tracker clock is wrong"),
            Self::Duplicate => ("повтор", "repeated record"),
            Self::NoPosition => ("запис без координат", "record without a position"),
            Self::NotValid => ("трекер не бачить супутників", "tracker sees no satellites"),
            Self::OffEarth => ("неможливі координати", "impossible position"),
            Self::OutOfBounds => ("координати за межами міста", "position outside the city"),
            Self::OutOfOrder => ("запізнілі координати", "late position"),
            Self::Stale => ("застарілі координати", "stale position"),
            Self::TooFast => ("неможлива швидкість", "impossible speed"),
            Self::Jump => ("стрибок координат", "position jumped"),
            Self::Spoofed => ("підмінені координати", "spoofed position"),
            Self::TrackersDisagree => {
                ("два трекери однієї машини кажуть різне", "two trackers of one vehicle disagree")
            }
            Self::Secondary => ("другий трекер машини", "second tracker of a vehicle"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/rejections.md` as it must be.
    fn page() -> String {
        let mut out = String::from(
            "# Rejections\n\nWhy something a tracker sent was refused or kept out of the live picture. Each has a counter, \
             `zupynka_ingest_refused_total{reason=\"…\"}`, and a line in the log at the start of each episode.\n\n\
             *turned*: not stored, not acknowledged. *kept*: stored with its reason, acknowledged, never live. \
             *repeated*: stored once already, acknowledged again. Level: 1 = look now, 2 = look soon, 3 = to know, – = routine.\n\n\
             | reason | fate | level | what it means, and what to do |\n|---|---|---|---|\n",
        );
        for r in Rejection::ALL {
            let fate = match r.fate() {
                Fate::Turned => "turned",
                Fate::Kept => "kept",
                Fate::Repeated => "repeated",
            };
            let level = r.level().map_or("–".to_owned(), |l| l.to_string());
            out += &format!("| `{}` | {fate} | {level} | {} |\n", r.name(), r.explanation());
        }
        out
    }

    #[test]
    fn the_page_says_what_the_code_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rejections.md");
        if std::env::var_os("ZUPYNKA_WRITE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let have = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(have, page(), "run this test with ZUPYNKA_WRITE_DOCS=1 to rewrite {path}");
    }

    #[test]
    fn names_are_unique_and_found_again() {
        for (i, r) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(r as usize, i, "{r} is out of order in ALL");
            assert_eq!(Rejection::named(r.name()), Some(r));
            assert!(!r.words().0.is_empty() && !r.words().1.is_empty());
        }
        assert_eq!(Rejection::named("nonsense"), None);
    }
}
