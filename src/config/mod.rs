//! The configuration of `zupynka serve`: one TOML file. What each key means, may be and defaults to
//! stands once, in [`keys`]; the template is printed from there and a file is checked against it.

pub mod check;
pub mod keys;
pub mod machinery;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use eta_engine::auth::Role;
use eta_engine::public::measure::{Covers, Kind, Measure, Scope};
use serde::{Deserialize, Serialize};
use tracker_ingest::config::IngestConfig;
use transit_model::ids::FeedId;
use transit_model::time::UnixMs;

use crate::logs;
use check::Fault;

/// A whole configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose vehicles, by which timetable.
    pub feed: Feed,
    /// Where things are kept.
    #[serde(default)]
    pub data: Data,
    /// The web side.
    #[serde(default)]
    pub http: Http,
    /// The trackers' side; its `feed` and `data_dir` are taken from the sections above.
    #[serde(default)]
    pub ingest: IngestConfig,
    /// What the public sees.
    #[serde(default)]
    pub public: Public,
    /// Predictions.
    #[serde(default)]
    pub predict: Predict,
    /// Vehicles without a timetable.
    #[serde(default)]
    pub machinery: machinery::Machinery,
    /// Logs.
    #[serde(default)]
    pub log: Log,
}

/// `[feed]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Its short name.
    pub id: FeedId,
    /// The GTFS feed.
    pub gtfs: PathBuf,
}

/// `[data]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The folder of both databases.
    pub dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: PathBuf::from("zupynka-data") }
    }
}

/// `[http]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Pages, boards, queries, streams, metrics.
    pub listen: SocketAddr,
    /// A proxy in front says who the client is.
    pub trust_proxy: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 8080)), trust_proxy: false }
    }
}

/// What the public does not get, from the start and until the file says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It gets all there is.
    #[default]
    None,
    /// It sees where vehicles were some minutes ago.
    DelayPublic,
    /// It does not see where vehicles are.
    StopPublic,
}

/// `[public]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Public {
    /// What is withheld from the start.
    pub standing: Standing,
    /// Of what.
    pub covers: Covers,
    /// By how much it is delayed, minutes.
    pub delay_minutes: u32,
    /// The longest delay that a dispatcher may ask for, minutes: so long are places kept in memory.
    pub longest_delay_minutes: u32,
}

impl Default for Public {
    fn default() -> Self {
        Self { standing: Standing::None, covers: Covers::Positions, delay_minutes: 10, longest_delay_minutes: 30 }
    }
}

impl Public {
    /// The measure that holds from the start, if any.
    #[must_use]
    pub fn measure(&self, now: UnixMs) -> Option<Measure> {
        let kind = match self.standing {
            Standing::None => return None,
            Standing::DelayPublic => Kind::DelayPublic { minutes: self.delay_minutes },
            Standing::StopPublic => Kind::StopPublic,
        };
        Some(Measure {
            id: 0,
            kind,
            covers: self.covers,
            scope: Scope::Feed,
            from: now,
            until: None,
            reason: "[public] standing".to_owned(),
            by: "configuration".to_owned(),
            role: Role::Admin,
            made: now,
            ended: None,
        })
    }

    /// The longest delay that is kept, minutes.
    #[must_use]
    pub fn kept_minutes(&self) -> u32 {
        let standing = if self.standing == Standing::DelayPublic { self.delay_minutes } else { 0 };
        self.longest_delay_minutes.max(standing)
    }
}

/// `[predict]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Predict {
    /// How far ahead, seconds.
    pub horizon_secs: u32,
    /// The least time between two trips of a block, seconds.
    pub minimum_layover_secs: u32,
}

impl Default for Predict {
    fn default() -> Self {
        Self { horizon_secs: 3600, minimum_layover_secs: 60 }
    }
}

/// `[log]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A `tracing` filter.
    pub level: String,
    /// For whom.
    pub format: logs::Format,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "warn".to_owned(), format: logs::Format::Text }
    }
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not right.
    #[error("the configuration {path} has {} fault(s):{}", faults.len(), list(faults))]
    Faults {
        /// Which.
        path: String,
        /// Every fault in it.
        faults: Vec<Fault>,
    },
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|f| format!("\n  {f}")).collect()
}

impl Config {
    /// The defaults, for one feed.
    #[must_use]
    pub fn of_feed(id: FeedId, gtfs: PathBuf) -> Self {
        Self {
            feed: Feed { id: id.clone(), gtfs },
            data: Data::default(),
            http: Http::default(),
            ingest: IngestConfig { feed: id, ..IngestConfig::default() },
            public: Public::default(),
            predict: Predict::default(),
            machinery: machinery::Machinery::default(),
            log: Log::default(),
        }
    }

    /// Reads a file and checks all of it.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is not right: every fault is named.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: name.clone(), source })?;
        Self::parse(&text).map_err(|faults| ConfigError::Faults { path: name, faults })
    }

    /// Reads a text and checks all of it.
    ///
    /// # Errors
    /// Every fault in it, by line.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let faults = check::faults(text);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut config: Self = toml::from_str(text).map_err(|e| vec![check::of_serde(text, &e)])?;
        config.ingest.feed = config.feed.id.clone();
        config.ingest.data_dir.clone_from(&config.data.dir);
        config.ingest.working = tracker_ingest::WorkingInputs::new(config.machinery.inputs());
        let faults = check::together(&config);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracker_ingest::pull::config::Form;

    #[test]
    fn the_template_is_the_defaults_and_says_every_key() {
        let template = keys::template();
        let config = Config::parse(&template).unwrap();
        assert_eq!(config.http, Http::default());
        assert_eq!(config.predict, Predict::default());
        assert_eq!(config.public, Public::default());
        assert_eq!(config.log, Log::default());
        assert_eq!(config.ingest.gate, IngestConfig::default().gate);
        assert_eq!(config.ingest.limits, IngestConfig::default().limits);
        // Whatever serde can write, the table of keys knows, so no key can be forgotten in it.
        let written = toml::Value::try_from(&config).unwrap();
        let mut unknown = Vec::new();
        walk(&written, String::new(), &mut unknown);
        let inner = ["ingest.feed", "ingest.data_dir"];
        unknown.retain(|k| !inner.contains(&k.as_str()));
        assert!(unknown.is_empty(), "keys without a row in the table: {unknown:?}");
    }

    const BROKERS: &str = r#"
        feed = { id = "test", gtfs = "f.zip" }
        [ingest.broker.city]
        host = "10.0.0.5"
        tls = true
        ca = "ca.pem"
        username = "zupynka"
        password_file = "broker.password"
        keep_alive_secs = 10
        silence_secs = 0
        [ingest.broker.city.topics.buses]
        payload = "topic-json"
        topic = "city/{depot}/bus/{vehicle}/position"
        fields = { time = "/ts", lat = "/gps/lat", lon = "/gps/lon", speed = "/gps/v", speed_unit = "km/h", device = "/id" }
        [ingest.broker.city.topics.phones]
        payload = "owntracks"
        [ingest.broker.hsl]
        host = "mqtt.example"
        port = 1884
        topics = { trams = { payload = "hfp", topic = "/hfp/v2/journey/ongoing/+/tram/#" } }
    "#;

    #[test]
    fn a_city_may_have_many_brokers_and_take_many_things_from_each() {
        let config = Config::parse(BROKERS).unwrap();
        let brokers = &config.ingest.brokers;
        assert_eq!(brokers.keys().collect::<Vec<_>>(), ["city", "hsl"]);
        assert_eq!((brokers["city"].port(), brokers["hsl"].port(), brokers["city"].topics.len()), (8883, 1884, 2));
        let mut unknown = Vec::new();
        walk(&toml::Value::try_from(&config).unwrap(), String::new(), &mut unknown);
        unknown.retain(|k| !["ingest.feed", "ingest.data_dir"].contains(&k.as_str()));
        assert!(unknown.is_empty(), "keys without a row in the table: {unknown:?}");
    }

    #[test]
    fn what_is_wrong_with_a_broker_is_named() {
        for (was, is, said) in [
            ("host = \"mqtt.example\"", "", "ingest.broker.hsl.host is missing"),
            ("port = 1884", "prot = 1884", "ingest.broker.hsl.prot is not a key; did you mean ingest.broker.hsl.port?"),
            ("/gps/lat", "gps.lat", "ingest.broker.city.topics.buses.fields.lat = \"gps.lat\": a JSON pointer"),
            ("{vehicle}", "{}", "ingest.broker.city.topics.buses.topic"),
            ("hfp\",", "hpf\",", "ingest.broker.hsl.topics.trams.payload = \"hpf\": one of"),
            ("[ingest.broker.hsl]", "[ingest.broker.HSL]", "ingest.broker.HSL is not a name"),
            (
                "[ingest.broker.city.topics.phones]",
                "[ingest.broker.city.topic.phones]",
                "ingest.broker.city.topic is not a section",
            ),
            ("payload = \"owntracks\"", "topic = \"a/+\"", "ingest.broker.city.topics.phones.payload is missing"),
            ("tls = true", "tls = false", "ingest.broker.city.ca is of no use without tls"),
            ("username = \"zupynka\"", "", "ingest.broker.city.username is missing"),
            (
                "[ingest.broker.hsl]",
                "[ingest.broker]",
                "ingest.broker.host is not a key; did you mean ingest.broker.name.host?",
            ),
        ] {
            assert!(BROKERS.contains(was), "{was}");
            let parsed = Config::parse(&BROKERS.replace(was, is));
            let faults = parsed.err().unwrap_or_default();
            let joined = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(joined.contains(said), "{was} → {is}: {joined}");
        }
        let nobody = BROKERS.replace("{vehicle}", "+").replace(", device = \"/id\"", "");
        let faults = Config::parse(&nobody).unwrap_err();
        assert!(
            faults[0].to_string().contains("topics.buses cannot be taken: topic has no {vehicle}"),
            "{}",
            faults[0]
        );
    }

    fn walk(v: &toml::Value, at: String, unknown: &mut Vec<String>) {
        match v {
            toml::Value::Table(t) => {
                for (k, v) in t {
                    let path = if at.is_empty() { k.clone() } else { format!("{at}.{k}") };
                    walk(v, path, unknown);
                }
            }
            _ if keys::find(&at).is_none() => unknown.push(at),
            _ => {}
        }
    }

    #[test]
    fn every_fault_is_named_with_line_key_value_and_what_is_allowed() {
        let text = "[feed]\nid = \"Слов'янськ\"\ngtfs = \"f.zip\"\n[http]\nlisten = 8080\n[predict]\nhorizont_secs = 10\nminimum_layover_secs = 99999\n[boards]\nx = 1\n";
        let faults = Config::parse(text).unwrap_err();
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let joined = said.join("\n");
        assert_eq!(faults.len(), 5, "{joined}");
        assert!(joined.contains("line 2: feed.id = \"Слов'янськ\""), "{joined}");
        assert!(joined.contains("line 5: http.listen = 8080: an address and port"), "{joined}");
        assert!(
            joined.contains("line 7: predict.horizont_secs is not a key; did you mean predict.horizon_secs?"),
            "{joined}"
        );
        assert!(joined.contains("line 8: predict.minimum_layover_secs = 99999: a whole number, 0 to 3600"), "{joined}");
        assert!(joined.contains("line 9: boards is not a section"), "{joined}");
    }

    #[test]
    fn every_pull_source_is_a_section_of_its_own_and_is_checked_as_any_other() {
        let feed = "[feed]\nid = \"x\"\ngtfs = \"f.zip\"\n";
        let said = |text: &str| {
            let faults = Config::parse(&format!("{feed}{text}")).unwrap_err();
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let two = "[ingest.pull.vilnius]\nurl = \"https://stops.lt/vilnius/gps_full.txt\"\nform = \"gps-full\"\n\
                   zone = \"Europe/Vilnius\"\n[ingest.pull.digi-2]\nurl = \"http://x/vp\"\nform = \"gtfs-rt\"\ntrust = false\n";
        let config = Config::parse(&format!("{feed}{two}")).unwrap();
        let forms: Vec<_> =
            config.ingest.pull.iter().map(|(n, p)| (n.as_str(), p.form, p.trust, p.every_secs)).collect();
        assert_eq!(forms, [("digi-2", Form::GtfsRt, false, 10), ("vilnius", Form::GpsFull, true, 10)]);
        let none = said("[ingest.pull.a]\nform = \"gtfs-rt\"\n[ingest.pull.b]\nurl = \"http://x/\"\n");
        assert!(
            none.contains("ingest.pull.a.url is missing") && none.contains("ingest.pull.b.form is missing"),
            "{none}"
        );
        let wrong = said("[ingest.pull.a]\nurl = \"ftp://x/\"\nform = \"csv\"\nzone = \"Europe/Vilnus\"\nevery = 5\n");
        for part in [
            "line 5: ingest.pull.a.url = \"ftp://x/\": an address that begins with http:// or https://",
            "line 6: ingest.pull.a.form = \"csv\": one of \"gps-full\", \"gtfs-rt\"",
            "line 7: ingest.pull.a.zone",
            "line 8: ingest.pull.a.every is not a key",
        ] {
            assert!(wrong.contains(part), "{part}\n{wrong}");
        }
        assert!(said("[ingest.pull.Lviv]\nurl = \"http://x/\"\n").contains("ingest.pull.Lviv is not a name"));
        assert!(said("[ingest.pull]\nurl = \"http://x/\"\n").contains("ingest.pull.url is not a key"));
    }

    #[test]
    fn what_is_needed_and_missing_is_named_and_broken_toml_has_its_line() {
        let said = |text: &str| Config::parse(text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
        let missing = said("[http]\n");
        assert!(missing.iter().any(|f| f.contains("feed.id is missing")), "{missing:?}");
        assert!(missing.iter().any(|f| f.contains("feed.gtfs is missing")), "{missing:?}");
        let broken = said("[feed]\nid = \n");
        assert!(broken.iter().any(|f| f.contains("line 2")), "{broken:?}");
    }
}
