//! TLS on every listener that can, certificates that name devices, and new files taken in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracker_ingest::codec::{DeviceKey, Protocol, osmand, teltonika};
use tracker_ingest::config::{BrokerConfig, TlsConfig};

use crate::city::{City, IMEI, TOKEN, connect, packet, record, to_end, within};

/// An authority for the server and the devices, its files in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate and its key, PEM.
struct Issued(String, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the city");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        authority.serve_as("first.test");
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued(certificate.pem(), key.serialize_pem())
    }

    /// Puts a server's certificate of this name where the server looks for it.
    fn serve_as(&self, name: &str) {
        let Issued(certificate, key) = self.issue(name);
        std::fs::write(self.path("server.pem"), certificate).unwrap();
        std::fs::write(self.path("server.key"), key).unwrap();
    }

    async fn city(&self, client_ca: bool) -> City {
        City::open_with(|c| {
            c.tls = Some(TlsConfig {
                certificate: self.path("server.pem"),
                key: self.path("server.key"),
                client_ca: client_ca.then(|| self.path("ca.pem")),
                relays: vec!["center".to_owned()],
            });
            c.streams.entry(Protocol::Teltonika).tls = true;
            c.osmand.tls = true;
            c.mqtt.tls = true;
            c.any.tls = true;
            c.any.listen = Some(([127, 0, 0, 1], 0).into());
            let wialon = c.streams.entry(Protocol::Retranslator);
            (wialon.listen, wialon.tls, wialon.relay) = (Some(([127, 0, 0, 1], 0).into()), true, true);
        })
        .await
    }

    /// A connection as the holder of a certificate, or of none; to a server of this name.
    async fn connect(
        &self,
        to: Option<SocketAddr>,
        server: &'static str,
        of: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        let config = match of {
            None => builder.with_no_client_auth(),
            Some(Issued(certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        let name = ServerName::try_from(server).unwrap();
        within(TlsConnector::from(Arc::new(config)).connect(name, connect(to).await)).await
    }
}

async fn rest(s: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(within(s.read_to_end(&mut bytes)).await);
    bytes
}

#[tokio::test]
async fn every_listener_speaks_tls() {
    let authority = Authority::new();
    let mut city = authority.city(false).await;
    let at = city.handle.addresses();
    for (port, secs) in [(at.of(Protocol::Teltonika), 0), (at.any(), 10)] {
        let mut s = authority.connect(port, "first.test", None).await.unwrap();
        s.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
        assert_eq!(within(s.read_u8()).await.unwrap(), 1);
        s.write_all(&packet(&[record(secs, 48.850)])).await.unwrap();
        assert_eq!(within(s.read_u32()).await.unwrap(), 1);
        assert_eq!(city.fix().await.time, city.at(secs));
    }
    let mut s = authority.connect(at.of(Protocol::Osmand), "first.test", None).await.unwrap();
    let form = osmand::encode(&DeviceKey::from("phone-1"), &record(0, 48.850)).unwrap();
    let get = format!("GET /?{form}&token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    s.write_all(get.as_bytes()).await.unwrap();
    assert!(rest(&mut s).await.starts_with(b"HTTP/1.1 200 OK"));
    let mut s = authority.connect(at.of(Protocol::MqttJson), "first.test", None).await.unwrap();
    // CONNECT of MQTT 3.1.1 without a user: understood, and refused.
    s.write_all(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'a']).await.unwrap();
    assert_eq!(rest(&mut s).await, [0x20, 2, 0, 5]);
    city.close().await;
}

#[tokio::test]
async fn a_tls_port_hears_nothing_in_the_clear() {
    let authority = Authority::new();
    let city = authority.city(false).await;
    let mut s = connect(city.handle.addresses().of(Protocol::Teltonika)).await;
    s.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    assert_ne!(to_end(&mut s).await, [1]);
    assert_eq!(city.handle.counters().refused.get("tls_failed"), Some(&1));
    city.close().await;
}

#[tokio::test]
async fn a_certificate_names_the_device() {
    let authority = Authority::new();
    let city = authority.city(true).await;
    let at = city.handle.addresses().of(Protocol::Teltonika);
    let login = teltonika::encode_login(IMEI).unwrap();
    let mut good = authority.connect(at, "first.test", Some(&authority.issue(IMEI))).await.unwrap();
    good.write_all(&login).await.unwrap();
    assert_eq!(within(good.read_u8()).await.unwrap(), 1);
    let mut other = authority.connect(at, "first.test", Some(&authority.issue("val-1"))).await.unwrap();
    other.write_all(&login).await.unwrap();
    assert_eq!(rest(&mut other).await, [0], "another device's certificate");
    // With TLS 1.3 the client has shaken hands before it hears that the server wants none of it.
    let stranger = Authority::new();
    for of in [None, Some(stranger.issue(IMEI))] {
        let said = match authority.connect(at, "first.test", of.as_ref()).await {
            Ok(mut s) => {
                drop(s.write_all(&login).await);
                rest(&mut s).await
            }
            Err(_) => Vec::new(),
        };
        assert!(said.is_empty());
    }
    let refused = city.handle.counters().refused;
    assert_eq!((refused.get("bad_certificate"), refused.get("tls_failed")), (Some(&1), Some(&2)));
    city.close().await;
}

#[tokio::test]
async fn a_relays_certificate_speaks_for_many_on_its_port_and_a_devices_for_itself() {
    let authority = Authority::new();
    let mut city = authority.city(true).await;
    let at = city.handle.addresses();
    let codec = Protocol::Retranslator.stream().unwrap();
    let said = |key: &str, secs: i64| {
        let mut device = (codec.terminal)(&DeviceKey::from(key));
        let hello = device.hello().unwrap();
        [hello, device.tell(&[record(secs, 48.850)]).unwrap()].concat()
    };
    let (center, own) = (authority.issue("center"), authority.issue(IMEI));
    let mut relay = authority.connect(at.of(Protocol::Retranslator), "first.test", Some(&center)).await.unwrap();
    for (key, vehicle) in [(IMEI, "bus-1"), ("val-1", "bus-2")] {
        relay.write_all(&said(key, 0)).await.unwrap();
        assert_eq!(city.fix().await.vehicle.as_str(), vehicle);
    }
    drop(relay);
    // On the relay's port a device still speaks for itself only.
    let mut device = authority.connect(at.of(Protocol::Retranslator), "first.test", Some(&own)).await.unwrap();
    device.write_all(&said("phone-1", 0)).await.unwrap();
    device.write_all(&said("phone-1", 10)).await.unwrap();
    device.shutdown().await.unwrap();
    rest(&mut device).await;
    assert_eq!(city.handle.counters().refused.get("bad_certificate"), Some(&2));
    // And the relay's certificate is nobody's elsewhere.
    let mut elsewhere = authority.connect(at.of(Protocol::Teltonika), "first.test", Some(&center)).await.unwrap();
    elsewhere.write_all(&teltonika::encode_login(IMEI).unwrap()).await.unwrap();
    assert_eq!(rest(&mut elsewhere).await, [0]);
    assert_eq!(city.handle.counters().refused.get("bad_certificate"), Some(&3));
    assert_eq!(city.handle.counters().live, 2);
    city.close().await;
}

#[tokio::test]
async fn another_key_in_a_devices_certificate_is_refused_until_it_is_rebound() {
    let authority = Authority::new();
    let city = authority.city(true).await;
    let at = city.handle.addresses().of(Protocol::Teltonika);
    let login = teltonika::encode_login(IMEI).unwrap();
    let answer = async |issued: &Issued| {
        let mut s = authority.connect(at, "first.test", Some(issued)).await.unwrap();
        s.write_all(&login).await.unwrap();
        within(s.read_u8()).await.unwrap()
    };
    let (first, second) = (authority.issue(IMEI), authority.issue(IMEI));
    assert_eq!(answer(&first).await, 1);
    assert_eq!(answer(&second).await, 0, "as good a certificate, of the same name, and not its own");
    assert_eq!(answer(&first).await, 1);
    let concern = city.handle.concerns().into_iter().find(|c| c.kind == "device_changed").unwrap();
    assert_eq!((concern.level, concern.vehicle_id.as_deref()), (1, Some("bus-1")));
    assert!(concern.text_en.contains("another certificate") && concern.text_en.contains("Refused"), "{concern:?}");
    assert_eq!(city.handle.counters().refused.get("not_as_usual"), Some(&1));
    city.other_process().await.rebind(&DeviceKey::from(IMEI)).await.unwrap();
    city.handle.desk().keep_in_step().await.unwrap();
    assert_eq!(answer(&second).await, 1);
    assert_eq!(answer(&first).await, 0);
    city.close().await;
}

#[tokio::test]
async fn a_phone_with_a_certificate_needs_no_token() {
    let authority = Authority::new();
    let mut city = authority.city(true).await;
    let at = city.handle.addresses().of(Protocol::Osmand);
    let form = osmand::encode(&DeviceKey::from("phone-1"), &record(0, 48.850)).unwrap();
    let get = format!("GET /?{form} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (name, status) in [("val-1", "401"), ("phone-1", "200")] {
        let mut s = authority.connect(at, "first.test", Some(&authority.issue(name))).await.unwrap();
        s.write_all(get.as_bytes()).await.unwrap();
        let answer = String::from_utf8(rest(&mut s).await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
    }
    assert_eq!(city.fix().await.vehicle.as_str(), "plough-1");
    city.close().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_in_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let city = authority.city(false).await;
    let at = city.handle.addresses().of(Protocol::Teltonika);
    assert!(authority.connect(at, "second.test", None).await.is_err(), "it is called something else yet");
    authority.serve_as("second.test");
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(authority.connect(at, "second.test", None).await.is_ok());
    std::fs::write(authority.path("server.pem"), "no certificate").unwrap();
    city.handle.desk().keep_in_step().await.unwrap();
    assert!(authority.connect(at, "second.test", None).await.is_ok(), "the old one stays");
    city.close().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let authority = Authority::new();
    let city = City::open().await;
    let tls = |certificate: &Path| TlsConfig {
        certificate: certificate.into(),
        key: authority.path("server.key"),
        client_ca: None,
        relays: Vec::new(),
    };
    let missing = authority.path("missing.pem");
    let e = city.another(|c| c.tls = Some(tls(&missing))).await.unwrap_err().to_string();
    assert!(e.contains("missing.pem"), "{e}");
    let e = city.another(|c| c.tls = Some(tls(&authority.path("ca.pem")))).await.unwrap_err().to_string();
    assert!(e.contains("ca.pem"), "the key is not its: {e}");
    let e = city.another(|c| c.mqtt.tls = true).await.unwrap_err().to_string();
    assert!(e.contains("mqtt-json") && e.contains("[ingest.tls]"), "{e}");
    city.close().await;
}

#[tokio::test]
async fn a_broker_that_speaks_tls_is_trusted_by_its_authority_and_no_other() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.serve_as("127.0.0.1");
    let chain = vec![CertificateDer::from_pem_file(authority.path("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(authority.path("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    for (ca, trusted) in [(authority.path("ca.pem"), true), (other.path("ca.pem"), false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = BrokerConfig { tls: true, ca: Some(ca), ..BrokerConfig::at("127.0.0.1", port) };
        let city = City::open_with(|c| drop(c.brokers.insert("city".into(), broker))).await;
        let (stream, _) = within(listener.accept()).await.unwrap();
        let shaken = within(acceptor.accept(stream)).await;
        let heard = match shaken {
            Ok(mut s) => within(s.read_u8()).await.ok(),
            Err(_) => None,
        };
        assert_eq!(heard, trusted.then_some(0x10), "a CONNECT, or nothing at all");
        city.close().await;
    }
}
