//! `[ingest.pull.NAME]`: where a source is and how often to ask.

use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use transit_model::time::Zone;

/// What a source's list is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `gps_full.txt`, with or without a header.
    GpsFull,
    /// GTFS-Realtime vehicle positions.
    GtfsRt,
}

/// `[ingest.pull.NAME]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullConfig {
    /// Where it is, http or https.
    pub url: String,
    /// What it is written in.
    pub form: Form,
    /// Seconds between two questions; a tenth more or less by chance.
    #[serde(default = "every_secs")]
    pub every_secs: u32,
    /// Seconds one question may take.
    #[serde(default = "timeout_secs")]
    pub timeout_secs: u32,
    /// Seconds without anything new after which the source is said to be stale.
    #[serde(default = "stale_secs")]
    pub stale_secs: u32,
    /// The most bytes of a list.
    #[serde(default = "max_bytes")]
    pub max_bytes: u32,
    /// Whether its vehicles may move without being on the list of devices: the city has named the URL.
    #[serde(default = "trust")]
    pub trust: bool,
    /// The zone of its times of day; the feed's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The request header that carries a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The file with the header's value. It is read at every question, so a new key needs no restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_file: Option<PathBuf>,
}

const fn every_secs() -> u32 {
    10
}

const fn timeout_secs() -> u32 {
    10
}

const fn stale_secs() -> u32 {
    180
}

const fn max_bytes() -> u32 {
    8 << 20
}

const fn trust() -> bool {
    true
}

/// A source cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("[ingest.pull.{source_name}] {problem}")]
pub struct PullError {
    /// Which.
    pub source_name: String,
    /// What is wrong, with the key and its value.
    pub problem: String,
}

impl PullConfig {
    /// A source of a form at a URL, with everything else as it is by default.
    #[must_use]
    pub fn new(url: impl Into<String>, form: Form) -> Self {
        Self {
            url: url.into(),
            form,
            every_secs: every_secs(),
            timeout_secs: timeout_secs(),
            stale_secs: stale_secs(),
            max_bytes: max_bytes(),
            trust: trust(),
            zone: None,
            header: None,
            header_file: None,
        }
    }

    fn refuse(name: &str, problem: impl Into<String>) -> PullError {
        PullError { source_name: name.to_owned(), problem: problem.into() }
    }

    /// The URL.
    ///
    /// # Errors
    /// When it is none, or neither http nor https.
    pub(super) fn address(&self, name: &str) -> Result<Url, PullError> {
        // The text may hold a key, so a fault does not repeat it.
        let url = Url::parse(&self.url).map_err(|e| Self::refuse(name, format!("url is no URL: {e}")))?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            other => Err(Self::refuse(name, format!("url begins with `{other}:`; http: or https: is expected"))),
        }
    }

    /// The zone of its times of day.
    ///
    /// # Errors
    /// When nobody knows it.
    pub(super) fn zone_or(&self, name: &str, feed: Option<&Zone>) -> Result<Zone, PullError> {
        match (&self.zone, feed) {
            (Some(zone), _) => Zone::named(zone).map_err(|e| Self::refuse(name, format!("zone: {e}"))),
            (None, Some(zone)) => Ok(zone.clone()),
            (None, None) => Ok(Zone::utc()),
        }
    }

    /// The header that carries the key and where its value is read.
    ///
    /// # Errors
    /// When one of the two is missing, the name cannot be a header's, or the file cannot be read.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, PullError> {
        let (header, file) = match (&self.header, &self.header_file) {
            (None, None) => return Ok(None),
            (Some(header), Some(file)) => (header, file),
            (Some(_), None) => return Err(Self::refuse(name, "header is there and header_file is missing")),
            (None, Some(_)) => return Err(Self::refuse(name, "header_file is there and header is missing")),
        };
        let bad = |_| Self::refuse(name, format!("header is `{header}`, which no header can be called"));
        let secret = Secret { header: header.parse().map_err(bad)?, file: file.clone() };
        secret.value().map_err(|why| Self::refuse(name, format!("header_file: {why}")))?;
        Ok(Some(secret))
    }
}

/// A header whose value is in a file.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    pub(super) header: HeaderName,
    file: PathBuf,
}

impl Secret {
    /// The value, without the line end that editors leave; or why there is none.
    pub(super) fn value(&self) -> Result<HeaderValue, String> {
        let shown = self.file.display();
        let text = std::fs::read_to_string(&self.file).map_err(|e| format!("cannot read {shown}: {e}"))?;
        let mut value =
            HeaderValue::from_str(text.trim()).map_err(|_| format!("{shown} holds what no header's value can be"))?;
        if value.is_empty() {
            return Err(format!("{shown} is empty"));
        }
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> PullConfig {
        PullConfig::new("https://city.example/gps_full.txt", Form::GpsFull)
    }

    #[test]
    fn a_url_is_http_or_https_and_is_not_repeated_in_a_fault() {
        assert!(config().address("x").is_ok());
        for url in ["ftp://city.example/?key=s3cret", "city.example/?key=s3cret", "", "https:///s3cret?"] {
            match (PullConfig { url: url.into(), ..config() }).address("lviv") {
                Err(e) => {
                    let said = e.to_string();
                    assert!(said.starts_with("[ingest.pull.lviv] url ") && !said.contains("s3cret"), "{said}");
                }
                // The standard takes what follows the slashes for a host.
                Ok(url) => assert_eq!(url.host_str(), Some("s3cret")),
            }
        }
    }

    #[test]
    fn the_zone_is_the_source_s_or_the_feed_s() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        assert_eq!(config().zone_or("x", Some(&kyiv)).unwrap().name(), "Europe/Kyiv");
        let own = PullConfig { zone: Some("Europe/Vilnius".into()), ..config() };
        assert_eq!(own.zone_or("x", Some(&kyiv)).unwrap().name(), "Europe/Vilnius");
        let wrong = PullConfig { zone: Some("Europe/Vilnus".into()), ..config() };
        assert!(wrong.zone_or("x", None).unwrap_err().to_string().contains("Europe/Vilnus"));
    }

    #[test]
    fn a_key_has_a_header_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let with = |header: Option<&str>, file: Option<&PathBuf>| {
            let both = PullConfig { header: header.map(Into::into), header_file: file.cloned(), ..config() };
            both.secret("x").map(|s| s.map(|s| s.value().unwrap().to_str().unwrap().to_owned()))
        };
        let refused = |header, file| with(header, file).unwrap_err().problem;
        assert_eq!(with(None, None).unwrap(), None);
        assert!(refused(Some("X-Key"), None).contains("header_file is missing"));
        assert!(refused(None, Some(&file)).contains("header is missing"));
        assert!(refused(Some("X-Key"), Some(&file)).contains("cannot read"));
        std::fs::write(&file, "\n").unwrap();
        assert!(refused(Some("X-Key"), Some(&file)).contains("is empty"));
        std::fs::write(&file, "s3cret\n").unwrap();
        assert!(refused(Some("X Key"), Some(&file)).contains("`X Key`"));
        assert_eq!(with(Some("X-Key"), Some(&file)).unwrap().as_deref(), Some("s3cret"));
    }
}
