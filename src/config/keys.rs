//! Every key of the configuration, once: where it stands, what it may be, what it is by default and
//! what it is for. Protocols over a stream of bytes have a section each, made from their own list.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use tracker_ingest::codec::Protocol;

use super::machinery;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Lower-case letters, digits and hyphens.
    Name,
    /// Any text.
    Text,
    /// A file or folder.
    Path,
    /// `ADDRESS:PORT`.
    Socket,
    /// `http://…` or `https://…`.
    Url,
    /// A time zone of the IANA database.
    Zone,
    /// true or false.
    Bool,
    /// A whole number in a range.
    Whole(i64, i64),
    /// A number in a range.
    Number(f64, f64),
    /// A list of texts.
    Texts,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// An MQTT topic with names for its levels.
    Topic,
    /// A JSON pointer.
    Pointer,
    /// A JSON pointer, or a word that stands for none.
    PointerOr(&'static str),
}

impl Kind {
    /// What is allowed, for a person.
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Self::Name => "lower-case letters a-z, digits and hyphens, in quotes".to_owned(),
            Self::Text => "text in quotes".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Socket => "an address and port in quotes, such as \"0.0.0.0:8080\" or \"[::]:8080\"".to_owned(),
            Self::Url => "an address that begins with http:// or https://, in quotes".to_owned(),
            Self::Zone => "a time zone of the IANA database in quotes, such as \"Europe/Kyiv\"".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Whole(lo, hi) => format!("a whole number, {lo} to {hi}"),
            Self::Number(lo, hi) => format!("a number, {lo} to {hi}"),
            Self::Texts => "a list of texts in quotes, such as [\"one\", \"two\"]".to_owned(),
            Self::OneOf(these) => format!("one of \"{}\"", these.join("\", \"")),
            Self::Topic => {
                "a topic in quotes: levels that are text, +, or a name such as {vehicle}; # at the end is the rest"
                    .to_owned()
            }
            Self::Pointer => "a JSON pointer in quotes, such as \"/gps/lat\"".to_owned(),
            Self::PointerOr(word) => format!("a JSON pointer in quotes, such as \"/gps/time\", or \"{word}\""),
        }
    }
}

/// Whether a key must stand there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It must; the template shows this.
    Needed(&'static str),
    /// It may be left out and is then this.
    Is(&'static str),
    /// It may be left out and is then off; the template shows this, commented out.
    Off(&'static str),
    /// The same, for an address with this port.
    OffPort(u16),
}

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Section and name: `http.listen`.
    pub path: Cow<'static, str>,
    /// What it may be.
    pub kind: Kind,
    /// What it is when it is not there.
    pub default: Presence,
    /// What it is for.
    pub about: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: Presence, about: &'static str) -> Key {
    Key { path: Cow::Borrowed(path), kind, default, about }
}

use Presence::{Is, Needed, Off, OffPort};

/// What is done about a change: it is let in and raised, or refused and raised.
const BINDING: Kind = Kind::OneOf(&["raise", "refuse"]);
/// The section before which those of the protocols stand.
const PROTOCOLS_BEFORE: &str = "ingest.any";
/// The port the template shows for the first protocol; each of the others has the next.
const FIRST_PORT: u16 = 5027;

/// Sections, with what they are for, in the order of the template.
pub static SECTIONS: LazyLock<Vec<(Cow<'static, str>, &'static str)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (section, about) in FIXED {
        if section == PROTOCOLS_BEFORE {
            all.extend(streams().map(|p| (format!("ingest.{p}").into(), p.about())));
        }
        if section == "log" {
            all.extend(machinery::SECTIONS.map(|(section, about)| (Cow::Borrowed(section), about)));
        }
        all.push((Cow::Borrowed(section), about));
    }
    all
});

/// Every key.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let of_protocol = |(p, port): (Protocol, u16)| {
        let key = |name, kind, default, about| Key { path: format!("ingest.{p}.{name}").into(), kind, default, about };
        [
            key("listen", Kind::Socket, OffPort(port), "Where to listen over TCP; left out = not at all."),
            key("udp", Kind::Socket, OffPort(port), "The same over UDP, where nobody can prove who he is."),
            key("tls", Kind::Bool, Is("false"), "Whether the TCP port speaks TLS ([ingest.tls]), and nothing else."),
            key("relay", Kind::Bool, Is("false"), "Whether another server connects here, for many trackers at once."),
        ]
    };
    STATIC.iter().cloned().chain(streams().zip(FIRST_PORT..).flat_map(of_protocol)).chain(machinery::keys()).collect()
});

fn streams() -> impl Iterator<Item = Protocol> {
    Protocol::ALL.iter().copied().filter(|p| p.stream().is_some())
}

/// Sections that may be left out, and what must be in them if they are not.
pub const NEEDED_IN: [(&str, &[&str]); 5] = [
    ("ingest.broker.*", &["host"]),
    ("ingest.broker.*.topics.*", &["payload"]),
    ("ingest.broker.*.topics.*.fields", &[]),
    ("ingest.pull.*", &["url", "form"]),
    ("ingest.tls", &["certificate", "key"]),
];

/// Stands in a path for a name of the city's own choosing.
pub const ANY: &str = "*";

/// Whether a path is of this form: segment by segment the same, `*` for any.
#[must_use]
pub fn is_of(form: &str, path: &str) -> bool {
    let (mut form, mut path) = (form.split('.'), path.split('.'));
    loop {
        match (form.next(), path.next()) {
            (None, None) => return true,
            (Some(f), Some(p)) if f == ANY || f == p => {}
            _ => return false,
        }
    }
}

/// A path for a person: `name` where a name of his own choosing stands.
#[must_use]
pub fn shown(path: &str) -> String {
    path.split('.').map(|s| if s == ANY { "name" } else { s }).collect::<Vec<_>>().join(".")
}

const FIXED: [(&str, &str); 18] = [
    ("feed", "Whose vehicles are tracked, and by which timetable."),
    ("data", "Where things are kept. Back this folder up; nothing else needs it."),
    ("http", "The web side: pages, boards, queries, the dispatcher's stream, /metrics."),
    ("ingest", "The trackers' side."),
    ("ingest.any", "One TCP port for all of the protocols above: which it is, the first bytes say."),
    ("ingest.osmand", "OsmAnd and Traccar Client over HTTP."),
    ("ingest.mqtt", "Our own MQTT endpoint for publishing, where the city has no broker."),
    (
        "ingest.broker.*",
        "A broker to take from, under a name of your own; as many as the city has. Without topics it is asked for our JSON.",
    ),
    ("ingest.broker.*.topics.*", "What to take from it, under a name of your own; as many as there are."),
    ("ingest.broker.*.topics.*.fields", "Of payload = \"topic-json\" only: where in the JSON each thing stands."),
    ("ingest.pull.*", "A list of vehicles that others publish, under a name of your own; as many as there are."),
    ("ingest.tls", "What the ports with `tls = true` speak TLS with. Leave the section out if there are none."),
    ("ingest.gate", "What is believable."),
    (
        "ingest.binding",
        "What is done about a device that is not as it always was. `zupynka devices pin` says it for one device.",
    ),
    ("ingest.limits", "What one connection may cost."),
    ("public", "What the public sees while the city is under fire. `zupynka measures` changes it at once."),
    ("predict", "Predictions."),
    ("log", "Logs go to standard error."),
];

const PAYLOADS: &[&str] = &["mqtt-json", "owntracks", "hfp", "gtfs-rt", "topic-json"];

const STATIC: &[Key] = &[
    key("feed.id", Kind::Name, Needed("my-city"), "A short name: part of addresses and topics."),
    key(
        "feed.gtfs",
        Kind::Path,
        Needed("my-city.zip"),
        "The GTFS feed, a zip or a folder. `zupynka check --gtfs FEED` says what is wrong with one.",
    ),
    key("data.dir", Kind::Path, Is("zupynka-data"), "Made when it is not there."),
    key("http.listen", Kind::Socket, Is("0.0.0.0:8080"), "Where to listen."),
    key(
        "http.trust_proxy",
        Kind::Bool,
        Is("false"),
        "Whether a proxy in front sets X-Forwarded-For. On without one, anybody may pretend to be anybody.",
    ),
    key("ingest.retention_days", Kind::Whole(1, 3650), Is("30"), "Days that fixes are kept."),
    key(
        "ingest.accept_unknown",
        Kind::Bool,
        Is("false"),
        "Whether a device nobody has added is let in. Off: it goes to quarantine, where `zupynka devices` shows it.",
    ),
    key("ingest.any.listen", Kind::Socket, OffPort(5000), "Where to listen; left out = not at all."),
    key("ingest.any.tls", Kind::Bool, Is("false"), "Whether it speaks TLS, and nothing else."),
    key("ingest.osmand.tls", Kind::Bool, Is("false"), "Whether it speaks TLS, and nothing else."),
    key("ingest.mqtt.tls", Kind::Bool, Is("false"), "Whether it speaks TLS, and nothing else."),
    key(
        "ingest.tls.certificate",
        Kind::Path,
        Off("/etc/zupynka/tls/server.pem"),
        "The server's certificate and those between it and its authority, PEM. Taken in anew when it changes.",
    ),
    key("ingest.tls.key", Kind::Path, Off("/etc/zupynka/tls/server.key"), "Its key, PEM."),
    key(
        "ingest.tls.client_ca",
        Kind::Path,
        Off("/etc/zupynka/tls/devices.pem"),
        "The authority of the devices' certificates. With it each must show one, and speaks for the device it names.",
    ),
    key(
        "ingest.tls.relays",
        Kind::Texts,
        Off("[\"dispatch-center\"]"),
        "Names of certificates that are relays': on a port with `relay = true` they speak for any device.",
    ),
    key("ingest.osmand.listen", Kind::Socket, Off("0.0.0.0:5055"), "Where to listen; left out = not at all."),
    key(
        "ingest.osmand.require_token",
        Kind::Bool,
        Is("false"),
        "Whether a device without a token is refused. One that has a token must always show it.",
    ),
    key("ingest.mqtt.listen", Kind::Socket, Off("0.0.0.0:1883"), "Where to listen; left out = not at all."),
    key("ingest.mqtt.require_token", Kind::Bool, Is("true"), "Whether a device without a token is refused."),
    key("ingest.broker.*.host", Kind::Text, Off("broker.example"), "Its name or address."),
    key("ingest.broker.*.port", Kind::Whole(1, 65535), Off("1883"), "Its port; left out = 1883, or 8883 with TLS."),
    key(
        "ingest.broker.*.client_id",
        Kind::Text,
        Off("zupynka-ingest"),
        "Our session's name, one to a process: the broker keeps what comes while we are away.",
    ),
    key("ingest.broker.*.username", Kind::Text, Off("zupynka"), "Our user, if the broker asks."),
    key("ingest.broker.*.password", Kind::Text, Off("secret"), "Our password, if the broker asks."),
    key(
        "ingest.broker.*.password_file",
        Kind::Path,
        Off("/etc/zupynka/broker.password"),
        "A file whose first line is our password; read anew for every connection.",
    ),
    key("ingest.broker.*.tls", Kind::Bool, Off("true"), "Whether it speaks TLS."),
    key(
        "ingest.broker.*.ca",
        Kind::Path,
        Off("/etc/zupynka/tls/broker-ca.pem"),
        "The authority of its certificate, PEM; left out = those the system trusts.",
    ),
    key(
        "ingest.broker.*.keep_alive_secs",
        Kind::Whole(1, 3600),
        Off("30"),
        "Seconds after which we ask whether it is still there.",
    ),
    key(
        "ingest.broker.*.silence_secs",
        Kind::Whole(0, 86_400),
        Off("900"),
        "Seconds without a message after which we connect anew; 0 = never.",
    ),
    key("ingest.broker.*.topics.*.payload", Kind::OneOf(PAYLOADS), Off("topic-json"), "What is published there."),
    key(
        "ingest.broker.*.topics.*.topic",
        Kind::Topic,
        Off("city/{depot}/bus/{vehicle}/position"),
        "Where; left out = where the payload is usually published.",
    ),
    key(
        "ingest.broker.*.topics.*.fields.items",
        Kind::Pointer,
        Off("/vehicles"),
        "A list whose items are read each by itself; the others are then into an item.",
    ),
    key(
        "ingest.broker.*.topics.*.fields.device",
        Kind::Pointer,
        Off("/id"),
        "Which vehicle, where the topic does not say.",
    ),
    key(
        "ingest.broker.*.topics.*.fields.time",
        Kind::PointerOr("received"),
        Off("/time"),
        "Unix seconds or milliseconds, or ISO 8601; \"received\" = when it came.",
    ),
    key("ingest.broker.*.topics.*.fields.lat", Kind::Pointer, Off("/gps/lat"), "Latitude, degrees."),
    key("ingest.broker.*.topics.*.fields.lon", Kind::Pointer, Off("/gps/lon"), "Longitude, degrees."),
    key("ingest.broker.*.topics.*.fields.speed", Kind::Pointer, Off("/gps/speed"), "Speed."),
    key(
        "ingest.broker.*.topics.*.fields.speed_unit",
        Kind::OneOf(&["m/s", "km/h", "knots"]),
        Off("km/h"),
        "What the speed is in; left out = m/s.",
    ),
    key("ingest.broker.*.topics.*.fields.bearing", Kind::Pointer, Off("/gps/course"), "Degrees clockwise from north."),
    key("ingest.broker.*.topics.*.fields.altitude", Kind::Pointer, Off("/gps/alt"), "Metres above the sea."),
    key(
        "ingest.broker.*.topics.*.fields.accuracy",
        Kind::Pointer,
        Off("/gps/error"),
        "The receiver's own estimate of its error, metres.",
    ),
    key(
        "ingest.broker.*.topics.*.fields.valid",
        Kind::Pointer,
        Off("/gps/valid"),
        "Whether the receiver has a fix: false, 0 and \"V\" say it has not.",
    ),
    key("ingest.broker.*.topics.*.fields.trip_id", Kind::Pointer, Off("/trip"), "GTFS trip_id."),
    key("ingest.broker.*.topics.*.fields.route_id", Kind::Pointer, Off("/route"), "GTFS route_id."),
    key("ingest.broker.*.topics.*.fields.direction_id", Kind::Pointer, Off("/direction"), "GTFS direction_id, 0 or 1."),
    key("ingest.broker.*.topics.*.fields.start_date", Kind::Pointer, Off("/date"), "The service day, YYYYMMDD."),
    key(
        "ingest.broker.*.topics.*.fields.start_time",
        Kind::Pointer,
        Off("/start"),
        "When the trip starts, HH:MM:SS of the service day.",
    ),
    key("ingest.broker.*.topics.*.fields.sign", Kind::Pointer, Off("/sign"), "What the destination sign shows."),
    key("ingest.broker.*.topics.*.fields.operator", Kind::Pointer, Off("/driver"), "Who drives."),
    key("ingest.broker.*.topics.*.fields.run", Kind::Pointer, Off("/run"), "Which run it works."),
    key("ingest.pull.*.url", Kind::Url, Off("https://www.stops.lt/vilnius/gps_full.txt"), "Where it is."),
    key(
        "ingest.pull.*.form",
        Kind::OneOf(&["gps-full", "gtfs-rt"]),
        Off("gps-full"),
        "What it is: the gps_full.txt of Baltic cities, or GTFS-Realtime vehicle positions.",
    ),
    key(
        "ingest.pull.*.every_secs",
        Kind::Whole(1, 3600),
        Off("10"),
        "How often to ask; a tenth more or less by chance.",
    ),
    key("ingest.pull.*.timeout_secs", Kind::Whole(1, 300), Off("10"), "How long one question may take."),
    key(
        "ingest.pull.*.stale_secs",
        Kind::Whole(10, 86_400),
        Off("180"),
        "Without anything new for so long the source is raised as stale.",
    ),
    key("ingest.pull.*.max_bytes", Kind::Whole(1024, 33_554_432), Off("8388608"), "The longest list that is read."),
    key(
        "ingest.pull.*.trust",
        Kind::Bool,
        Off("true"),
        "Whether its vehicles, NAME:VEHICLE, need not be on the list of devices. Off: unknown ones go to quarantine.",
    ),
    key(
        "ingest.pull.*.zone",
        Kind::Zone,
        Off("Europe/Vilnius"),
        "The zone of its times of day; left out = the feed's.",
    ),
    key("ingest.pull.*.header", Kind::Text, Off("X-Api-Key"), "The request header for a key, where it asks for one."),
    key(
        "ingest.pull.*.header_file",
        Kind::Path,
        Off("/etc/zupynka/vilnius.key"),
        "The file with the header's value; read at every question.",
    ),
    key("ingest.gate.backlog_secs", Kind::Whole(60, 31_536_000), Is("604800"), "A fix older than this is refused."),
    key(
        "ingest.gate.live_secs",
        Kind::Whole(30, 86_400),
        Is("600"),
        "A fix older than this is history and never moves the live position.",
    ),
    key(
        "ingest.gate.ahead_secs",
        Kind::Whole(0, 3600),
        Is("5"),
        "A fix farther in the future than this is refused, until the device's clock is known.",
    ),
    key(
        "ingest.gate.max_lead_secs",
        Kind::Whole(0, 31_536_000),
        Is("93600"),
        "The most a device's clock may be ahead and still be corrected.",
    ),
    key(
        "ingest.gate.max_lag_secs",
        Kind::Whole(0, 31_536_000),
        Is("93600"),
        "The most a device's clock may be behind and still be corrected; 0 = never, where a server between holds messages back.",
    ),
    key(
        "ingest.gate.max_speed_mps",
        Kind::Number(5.0, 150.0),
        Is("45.0"),
        "The fastest anything drives, metres a second.",
    ),
    key("ingest.gate.slack_m", Kind::Number(0.0, 5000.0), Is("150.0"), "How far a standing receiver wanders, metres."),
    key(
        "ingest.gate.jump_m",
        Kind::Number(100.0, 100_000.0),
        Is("2000.0"),
        "An impossible move longer than this is a jump, metres.",
    ),
    key(
        "ingest.gate.margin_m",
        Kind::Number(0.0, 1_000_000.0),
        Is("30000.0"),
        "How far outside the feed's stops a vehicle may be, metres.",
    ),
    key(
        "ingest.gate.readmit",
        Kind::Whole(2, 100),
        Is("3"),
        "How many fixes that agree with each other are believed after all.",
    ),
    key("ingest.binding.certificate", BINDING, Is("refuse"), "It shows another certificate than its own."),
    key("ingest.binding.downgrade", BINDING, Is("refuse"), "It gives less proof than it always did: no TLS, no token."),
    key("ingest.binding.protocol", BINDING, Is("raise"), "It speaks another protocol."),
    key("ingest.binding.network", BINDING, Is("raise"), "It speaks from a network it was never in."),
    key("ingest.limits.connections", Kind::Whole(1, 1_000_000), Is("20000"), "Connections open at once, a listener."),
    key(
        "ingest.limits.login_bytes",
        Kind::Whole(64, 65_536),
        Is("16384"),
        "Bytes a connection may send before a known device has spoken on it.",
    ),
    key("ingest.limits.login_secs", Kind::Whole(1, 3600), Is("15"), "Seconds it may take until then."),
    key("ingest.limits.idle_secs", Kind::Whole(10, 86_400), Is("900"), "Seconds a connection may be silent."),
    key(
        "ingest.limits.takeover_secs",
        Kind::Whole(1, 86_400),
        Is("60"),
        "Seconds a device's connection must have been silent before another address may take its place.",
    ),
    key(
        "ingest.limits.unacknowledged",
        Kind::Whole(1, 65_536),
        Is("64"),
        "Messages of a connection that may wait for the disk.",
    ),
    key("ingest.limits.devices", Kind::Whole(1, 1_000_000), Is("2000"), "Devices that one connection may speak for."),
    key(
        "ingest.limits.message_secs",
        Kind::Whole(1, 3600),
        Is("60"),
        "Seconds a message may take from its first byte to its last.",
    ),
    key(
        "ingest.limits.udp_senders",
        Kind::Whole(1, 1_000_000),
        Is("20000"),
        "Senders over UDP that are remembered at once, a port.",
    ),
    key(
        "ingest.limits.address_connections",
        Kind::Whole(1, 1_000_000),
        Is("5000"),
        "Connections open at once from one address: a mobile network puts many trackers behind one.",
    ),
    key("ingest.limits.address_messages", Kind::Whole(1, 1_000_000), Is("10000"), "Messages a second of an address."),
    key("ingest.limits.address_bytes", Kind::Whole(1024, 1 << 30), Is("8388608"), "Bytes a second of an address."),
    key("ingest.limits.device_messages", Kind::Whole(1, 1_000_000), Is("500"), "Messages a second of a device."),
    key("ingest.limits.device_bytes", Kind::Whole(1024, 1 << 30), Is("1048576"), "Bytes a second of a device."),
    key(
        "public.standing",
        Kind::OneOf(&["none", "delay_public", "stop_public"]),
        Is("none"),
        "What the public does not get from the start: nothing, anything younger than `delay_minutes`, or no places at all.",
    ),
    key(
        "public.covers",
        Kind::OneOf(&["positions", "positions_and_predictions"]),
        Is("positions"),
        "Of what. With predictions boards show the timetable, and say why.",
    ),
    key("public.delay_minutes", Kind::Whole(1, 120), Is("10"), "By how much `delay_public` delays, minutes."),
    key(
        "public.longest_delay_minutes",
        Kind::Whole(0, 120),
        Is("30"),
        "The longest delay a dispatcher may ask for. So long are places kept in memory: 30 minutes are 12 kB a vehicle.",
    ),
    key("predict.horizon_secs", Kind::Whole(300, 14_400), Is("3600"), "How far ahead."),
    key(
        "predict.minimum_layover_secs",
        Kind::Whole(0, 3600),
        Is("60"),
        "The least time between two trips of one vehicle.",
    ),
    key(
        "log.level",
        Kind::Text,
        Is("warn"),
        "error, warn, info, debug, trace, or a filter such as \"info,sqlx=warn\". RUST_LOG wins.",
    ),
    key("log.format", Kind::OneOf(&["text", "json"]), Is("text"), "text for a person, json for a log collector."),
];

/// The key at this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| is_of(&k.path, path))
}

/// The whole configuration with its defaults, commented.
#[must_use]
pub fn template() -> String {
    let mut out = String::from(
        "# Configuration of zupynka. Values are the defaults; what must be set comes first.\n\
         # Check a file with:  zupynka check --config zupynka.toml\n",
    );
    for (section, about) in SECTIONS.iter() {
        let keys: Vec<&Key> =
            KEYS.iter().filter(|k| k.path.rsplit_once('.').is_some_and(|(s, _)| s == *section)).collect();
        // Only these must not be there when there is no broker; uncommenting a key of another is enough.
        let mark = if NEEDED_IN.iter().any(|(s, _)| s == section) { "# " } else { "" };
        let _infallible = write!(out, "\n# {about}\n{mark}[{}]\n", shown(section));
        for k in keys {
            let name = k.path.rsplit('.').next().unwrap_or(&k.path);
            let (lead, value) = match k.default {
                Needed(v) | Is(v) => ("", Cow::Borrowed(v)),
                Off(v) => ("# ", Cow::Borrowed(v)),
                OffPort(port) => ("# ", format!("0.0.0.0:{port}").into()),
            };
            let quoted = match k.kind {
                Kind::Bool | Kind::Whole(..) | Kind::Number(..) | Kind::Texts => value.into_owned(),
                _ => format!("\"{value}\""),
            };
            let _infallible = write!(out, "# {} Allowed: {}.\n{lead}{name} = {quoted}\n", k.about, k.kind.allowed());
        }
    }
    out
}
