//! TLS for the listeners: the server's certificate, and the devices' where they have one.
//!
//! A device that shows a certificate signed by `client_ca` may speak for the device its common name names,
//! and for no other; one of a relay that `relays` names may speak for all of them, on a relay's port. The files are looked at every few seconds; when they have changed they are taken in,
//! and when the new ones cannot be used the old ones stay.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;

/// TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// Certificate and key do not fit each other, or rustls cannot use them.
    #[error("cannot speak TLS with {}: {source}", certificate.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The devices' authority cannot be used.
    #[error("cannot use {} as the devices' authority: {reason}", path.display())]
    Authority {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A port wants TLS and there is no certificate.
    #[error("{0} wants TLS, and [ingest.tls] names no certificate")]
    NotConfigured(String),
}

/// When each file was written last, and how long it is.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// What the listeners speak TLS with.
pub(crate) struct Tls {
    files: TlsConfig,
    server: RwLock<Arc<ServerConfig>>,
    /// Of the files as they were looked at last.
    seen: Mutex<Stamp>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn open(files: &TlsConfig) -> Result<Self, TlsError> {
        let seen = Mutex::new(stamp(files));
        Ok(Self { server: RwLock::new(Arc::new(load(files)?)), files: files.clone(), seen })
    }

    /// Shakes hands.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let server = Arc::clone(&self.server.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(server).accept(stream).await
    }

    /// Takes the files in anew if they have changed; says whether they had.
    ///
    /// # Errors
    /// The new files cannot be used; the old ones still are. Said once for each change.
    pub(crate) fn keep_in_step(&self) -> Result<bool, TlsError> {
        let now = stamp(&self.files);
        if std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now.clone()) == now {
            return Ok(false);
        }
        let new = Arc::new(load(&self.files)?);
        *self.server.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

fn stamp(files: &TlsConfig) -> Stamp {
    let of = |path: &PathBuf| std::fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten().map(of).collect()
}

fn load(files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let unusable = |source| TlsError::Unusable { certificate: files.certificate.clone(), source };
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|source| TlsError::File { path: files.key.clone(), source })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = versions.map_err(unusable)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refuse = |reason: String| TlsError::Authority { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| refuse(e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| refuse(e.to_string()))?)
        }
    };
    builder.with_single_cert(chain, key).map_err(unusable)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let all: Vec<_> = CertificateDer::pem_file_iter(path).map_err(fail)?.collect::<Result<_, _>>().map_err(fail)?;
    if all.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(all) }
}

/// A peer's certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    /// Whom it names. One without a name names nobody: it speaks for no device at all.
    pub(crate) name: Arc<str>,
    /// The first bytes of the hash of its key: the same in a certificate that was only renewed.
    pub(crate) key: Arc<str>,
}

/// The certificate that the peer has shown. The verifier has let nobody in whose certificate is not good.
pub(crate) fn shown_by(stream: &TlsStream<TcpStream>) -> Option<Shown> {
    let der = stream.get_ref().1.peer_certificates()?.first()?;
    let parsed = x509_parser::parse_x509_certificate(der).ok();
    let name = parsed.as_ref().and_then(|(_, c)| c.subject().iter_common_name().next()?.as_str().ok());
    let hash = Sha256::digest(parsed.as_ref().map_or(der.as_ref(), |(_, c)| c.public_key().raw));
    let key: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    Some(Shown { name: name.unwrap_or_default().into(), key: key.into() })
}
