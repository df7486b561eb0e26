//! TLS: the roots, the name in the certificate, and a credential that crosses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openpact_egress::{Config, Error, full};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::{Names, PROBE, World, get, placed, read, send};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(crate) fn pem_file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.issuer.pem()).unwrap();
        file
    }

    /// What a server of `name` accepts connections with.
    pub(crate) fn acceptor(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A server with a certificate for `name`; counts the requests that arrive.
    async fn serve(&self, name: &str) -> (SocketAddr, Arc<AtomicUsize>) {
        let acceptor = self.acceptor(name, &[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    counter.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure").await.unwrap();
                }
            }
        });
        (address, requests)
    }
}

pub(crate) fn world(ca: Option<&tempfile::NamedTempFile>) -> World {
    World::with(Config {
        extra_ca: ca.map(|file| file.path().to_owned()),
        lookup: Some(Names::new(|_, _| vec![[127, 0, 0, 1].into()])),
        ..Config::default()
    })
}

#[tokio::test]
async fn a_certificate_of_a_configured_authority_is_accepted() {
    let authority = Authority::new();
    let (address, requests) = authority.serve("inside.test").await;
    let (pem, url) = (authority.pem_file(), format!("https://inside.test:{}/", address.port()));
    let rule = format!("GET {url} private=127.0.0.1");
    let world = world(Some(&pem));
    let (status, body) = read(get(&world.door(&[&rule]), &url).await).await.unwrap();
    assert_eq!((status, &body[..], requests.load(Ordering::SeqCst)), (200, &b"secure"[..], 1));
}

/// A server that speaks HTTP/2 alone and sends back the path and the headers that it was asked with, cut in pieces of
/// `size`.
async fn echo_over_http2(acceptor: TlsAcceptor, size: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut connection = h2::server::handshake(stream).await.unwrap();
            tokio::spawn(async move {
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let echo = format!("{} {:?} {:?}", request.uri(), request.headers(), request.version());
                    let answer = http::Response::builder().header("x-echo", request.uri().to_string());
                    let mut stream = respond.send_response(answer.body(()).unwrap(), false).unwrap();
                    for piece in echo.as_bytes().chunks(size) {
                        stream.send_data(bytes::Bytes::copy_from_slice(piece), false).unwrap();
                    }
                    stream.send_data(bytes::Bytes::new(), true).unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn http2_passes_the_same_checks() {
    let authority = Authority::new();
    let address = echo_over_http2(authority.acceptor("two.test", &["h2"]), 5).await;
    let pem = authority.pem_file();
    let (world, value) = (world(Some(&pem)), "a-secret-of-some-length");
    world.vault.set("TOKEN", value, &[PROBE]);
    let base = format!("https://two.test:{}", address.port());
    let door = world.door_with(vec![placed(
        &format!("POST {base}/a/** private=127.0.0.1 credential=token"),
        "query key={}",
        "TOKEN",
    )]);
    let references = door.credentials();
    let key = references.reference("token").unwrap();
    let url = format!("{base}/a/b?key={key}");
    let answer = send(&door, "POST", &url, &[("x-own", "1")], full("body"), &references).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let expected = format!("{base}/a/b?key=[REDACTED:TOKEN]");
    assert_eq!(answer.headers()["x-echo"], expected);
    let (_, body) = read(Ok(answer)).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.starts_with(&format!("{expected} ")) && body.contains("x-own") && !body.contains(value),
        "{body}"
    );
    for (name, text) in [("connection", "close"), ("te", "trailers"), ("host", "other.test")] {
        let refused = send(&door, "POST", &url, &[(name, text)], full("body"), &references).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_authority_and_another_name_are_refused() {
    let authority = Authority::new();
    let (address, requests) = authority.serve("inside.test").await;
    let pem = authority.pem_file();
    for (ca, host) in [
        (None, "inside.test"),
        (Some(&pem), "other.test"),
        (Some(&Authority::new().pem_file()), "inside.test"),
    ] {
        let url = format!("https://{host}:{}/", address.port());
        let world = world(ca);
        let failed = get(&world.door(&[&format!("GET {url} private=127.0.0.1")]), &url).await.err();
        assert!(matches!(failed, Some(Error::Tls { .. })), "{host}: {failed:?}");
        assert_eq!(world.log.last().detail["error"], "tls");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_wrong_authority_file_says_what_is_wrong() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let missing = empty.path().with_extension("missing");
    for (path, says) in [
        (missing, "cannot be read"),
        (empty.path().to_owned(), "no certificate in PEM form"),
        (text.path().to_owned(), "cannot be used"),
    ] {
        let ports = openpact_egress::Ports {
            clock: Arc::new(openpact_model::clock::SystemClock),
            random: Arc::new(openpact_model::random::SystemRandom),
            audit: Arc::new(crate::world::Log::default()),
            secrets: Arc::new(()),
        };
        let error = Config { extra_ca: Some(path), ..Config::default() }.build(ports).err().unwrap();
        assert!(matches!(&error, Error::Setup(text) if text.contains(says)), "{error}");
    }
}
