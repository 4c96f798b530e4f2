//! One question to a source: conditional, bounded in bytes and time, over TLS where the URL says so.

use std::error::Error as _;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use transit_model::time::UnixMs;

use super::config::{PullConfig, PullError, Secret};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Redirections followed, of a source that has no key.
const REDIRECTIONS: usize = 3;
/// The longest a server may ask us to stay away.
const LONGEST_AWAY: Duration = Duration::from_secs(3600);

/// What shows a server that we have its list already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Validators {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// A list as it came.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// When the server says it was made.
    pub(super) modified: Option<UnixMs>,
    /// Who sent it.
    pub(super) from: SocketAddr,
    pub(super) validators: Validators,
}

#[derive(Debug)]
pub(super) enum Fetched {
    /// The server says that we have it.
    Unchanged,
    Body(Body),
}

/// A list could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Request(String),
    #[error("the server answers {status}{}", hint(*status))]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error("the list is longer than {0} bytes (max_bytes)")]
    Oversize(usize),
    #[error("the list is compressed and damaged: {0}")]
    Gzip(std::io::Error),
    #[error("the list is compressed by `{0}`, which was not asked for")]
    Encoding(String),
    #[error("{0}")]
    Secret(String),
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => ": is the key in header_file the right one?",
        404 | 410 => ": has the list moved?",
        _ => "",
    }
}

impl FetchError {
    /// How long the server asks us to stay away.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(e: reqwest::Error) -> Self {
        // The URL may hold a key; the causes say more than the error itself.
        let e = e.without_url();
        let mut said = e.to_string();
        let mut cause = e.source();
        while let Some(c) = cause {
            said = format!("{said}: {c}");
            cause = c.source();
        }
        Self::Request(said)
    }
}

/// Asks one source.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    url: Url,
    secret: Option<Secret>,
    most: usize,
    validators: Validators,
}

impl Fetcher {
    /// # Errors
    /// When the configuration cannot be.
    pub(super) fn new(name: &str, config: &PullConfig) -> Result<Self, PullError> {
        let url = config.address(name)?;
        let secret = config.secret(name)?;
        // A key is for the server it was given for; and who asked for TLS does not want to be led out of it.
        let follow = if secret.is_some() { Policy::none() } else { Policy::limited(REDIRECTIONS) };
        let client = Client::builder()
            .user_agent(concat!("zupynka/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(Duration::from_secs(config.timeout_secs.into()))
            .redirect(follow)
            .https_only(url.scheme() == "https")
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|e| PullError { source_name: name.to_owned(), problem: e.to_string() })?;
        let most = usize::try_from(config.max_bytes).unwrap_or(usize::MAX);
        Ok(Self { client, url, secret, most, validators: Validators::default() })
    }

    /// Remembers what shows that we have a list, when all of it has been taken in.
    pub(super) fn keep(&mut self, validators: Validators) {
        self.validators = validators;
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let mut request = self.client.get(self.url.clone()).header(ACCEPT_ENCODING, "gzip");
        for (name, value) in [(IF_NONE_MATCH, &self.validators.etag), (IF_MODIFIED_SINCE, &self.validators.modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(secret) = &self.secret {
            request = request.header(&secret.header, secret.value().map_err(FetchError::Secret)?);
        }
        let response = request.send().await?;
        match response.status() {
            StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
            StatusCode::OK => {}
            status => return Err(FetchError::Status { status, retry_after: retry_after(response.headers()) }),
        }
        let headers = response.headers();
        let of = |name: HeaderName| headers.get(name).cloned();
        let validators = Validators { etag: of(ETAG), modified: of(LAST_MODIFIED) };
        let modified = validators.modified.as_ref().and_then(moment);
        let encoding = of(CONTENT_ENCODING);
        let from = response.remote_addr().unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
        let bytes = read(response, self.most).await?;
        let bytes = match encoding.as_ref().map(|v| v.to_str().unwrap_or("?")) {
            None | Some("" | "identity") => bytes,
            Some("gzip" | "x-gzip") => unpack(&bytes, self.most)?,
            Some(other) => return Err(FetchError::Encoding(other.to_owned())),
        };
        Ok(Fetched::Body(Body { bytes, modified, from, validators }))
    }
}

/// The whole of it, or no more than it may be.
async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Err(FetchError::Oversize(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unpack(packed: &[u8], most: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(packed).take(bound).read_to_end(&mut bytes).map_err(FetchError::Gzip)?;
    if bytes.len() > most { Err(FetchError::Oversize(most)) } else { Ok(bytes) }
}

/// The moment of an HTTP date.
fn moment(value: &HeaderValue) -> Option<UnixMs> {
    let date = jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok()?;
    Some(UnixMs(date.timestamp().as_millisecond()))
}

/// Seconds only: a date would need their clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let secs = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(secs).min(LONGEST_AWAY))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_bounded_by_what_it_unpacks_to() {
        let bomb = packed(&vec![b'0'; 1 << 20]);
        assert!(bomb.len() < 4096);
        assert!(matches!(unpack(&bomb, 4096), Err(FetchError::Oversize(4096))));
        assert_eq!(unpack(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        let whole = packed(b"Transportas");
        assert!(matches!(unpack(&whole[..whole.len() - 9], 4096), Err(FetchError::Gzip(_))));
        assert!(matches!(unpack(b"Transportas", 4096), Err(FetchError::Gzip(_))));
    }

    #[test]
    fn dates_and_waits_of_headers_are_read() {
        let date = HeaderValue::from_static("Tue, 18 Aug 2026 05:15:04 GMT");
        assert_eq!(moment(&date), Some(UnixMs::from_secs(1_787_030_104)));
        assert_eq!(moment(&HeaderValue::from_static("yesterday")), None);
        let wait = |v: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(v))]));
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("99999999"), Some(LONGEST_AWAY));
        assert_eq!(wait("soon"), None);
    }
}
