//! Packages from `https` addresses: through the one door, with the same checks, and with nothing said that was not meant.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::stage::{Place, Publisher, Site, requests};

/// A server with a certificate of its own authority: files by path, and `/to/…` redirects there.
struct Store {
    address: SocketAddr,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Store {
    /// Starts it, and makes `place` trust its authority.
    fn start(place: &Place) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pem = place.path("ca.pem");
        std::fs::write(&pem, issuer.pem()).unwrap();
        place.configure(&format!("egress:\n  extra_ca: {}\n", pem.display()));
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (config, files) = (Arc::new(config), Arc::<Mutex<BTreeMap<_, _>>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, served) = (listener.local_addr().unwrap(), Arc::clone(&files));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A client that goes away is none of this server's business.
                let _ = answer(StreamOwned::new(connection, stream), &served);
            }
        });
        Self { address, files }
    }

    fn keep(&self, path: &str, (bytes, signature): (Vec<u8>, String)) {
        let mut files = self.files.lock().unwrap();
        files.insert(format!("{path}.minisig"), signature.into_bytes());
        files.insert(path.to_owned(), bytes);
    }

    fn at(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

fn answer(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    files: &Mutex<BTreeMap<String, Vec<u8>>>,
) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer)?;
    let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let found = files.lock().unwrap().get(&path).cloned();
    let (status, extra, body) = match (path.strip_prefix("/to/"), found) {
        (Some(target), _) => ("302 Found", format!("location: {target}\r\n"), Vec::new()),
        (None, Some(body)) => ("200 OK", String::new(), body),
        (None, None) => ("404 Not Found", String::new(), Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn a_package_comes_over_https_and_its_update_from_the_same_place() {
    let acme = Publisher::new("acme");
    let place = Place::with(&acme);
    let (store, asks) = (Store::start(&place), requests("GET https://mail.example/send"));
    store.keep("/mail.wasm", acme.mail("1.0.0", &asks));
    let address = store.at("/mail.wasm?ticket=a-password-of-its-own");
    place.fails(&["component", "install", &address], 1, &["--private"]);
    place.good(&["component", "install", &address, "--private", "127.0.0.1/32", "--approve"]);
    let status = place.good(&["component", "status", "mail", "--json"]);
    assert!(status.contains("/mail.wasm") && !status.contains("a-password-of-its-own"), "{status}");
    let log = place.good(&["audit", "show", "--limit", "1000", "--json"]);
    assert!(!log.contains("a-password-of-its-own"), "what stands behind the path is written down nowhere");
    store.keep("/mail.wasm", acme.mail("1.0.1", &asks));
    place.good(&["component", "update", "mail", "--private", "127.0.0.1/32"]);
    assert_eq!(place.component("mail").unwrap()["waiting"], "1.0.1");

    // Unsigned, signed by nobody known, and no package at all.
    store.keep("/other.wasm", Publisher::new("acme").mail("1.0.2", &asks));
    let install =
        |path: &str| place.run(&["component", "install", &store.at(path), "--private", "127.0.0.1/32"]);
    assert_eq!(install("/other.wasm").code, Some(4));
    store.files.lock().unwrap().remove("/mail.wasm.minisig");
    let unsigned = install("/mail.wasm");
    assert!(unsigned.code == Some(4) && unsigned.err.contains("is not signed"), "{unsigned:?}");
    assert!(install("/nothing.wasm").err.contains("404"));
    place.fails(&["component", "install", "http://127.0.0.1/mail.wasm"], 2, &["over https"]);
    place.fails(
        &["component", "install", &store.at("/mail.wasm"), "--private", "home"],
        2,
        &["--private home"],
    );
}

#[test]
fn an_address_that_leads_elsewhere_leads_into_no_private_network() {
    let acme = Publisher::new("acme");
    let place = Place::with(&acme);
    let (store, inner) = (Store::start(&place), Site::new());
    // The admin meant this host. What it names is another port of the same machine, and another machine of its range.
    for target in [format!("https://{}/x", inner.address), "https://127.0.0.2/x".to_owned()] {
        let address = store.at(&format!("/to/{target}"));
        let ended = place.run(&["component", "install", &address, "--private", "127.0.0.0/8"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    assert_eq!(inner.asked(), Vec::<String>::new());
    assert!(place.audited("egress.request", "denied") >= 2);
}
