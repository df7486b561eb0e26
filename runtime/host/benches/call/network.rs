//! What a GET costs a component: a fresh instance, the guest, the door with all its checks, a server on this machine.
//!
//! `get_bare` is the HTTP client alone over a connection that it keeps, in the same run: the component should stay
//! within 3 times of that. `get_through_the_door` leaves the sandbox out. With `on_disk`, the audit log is the real one:
//! the request waits for its line to be on disk before it leaves, and its answer's end waits for another.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use divan::Bencher;
use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::{Door, Grant, Options, empty, request};
use openpact_host::{Component, Deployment};
use openpact_model::audit::Event;
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, PortError};
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretSource, SecretValue};
use openpact_store::{DataDirectory, Store};
use openpact_test_guests::FETCH;
use serde_json::json;
use tempfile::TempDir;

use crate::{MAIN, setup};

const BODY: usize = 1024;

/// A server that keeps connections open and answers everything with 1 KiB, on threads of its own.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let body = "x".repeat(BODY);
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n{body}");
                let (mut buffer, mut head) = ([0; 4096], Vec::new());
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    head.extend_from_slice(&buffer[..read]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
});

/// A log that costs nothing.
struct Nowhere;

#[async_trait]
impl AuditSink for Nowhere {
    async fn record(&self, _: Event) -> Result<(), PortError> {
        Ok(())
    }
}

struct Secrets(Arc<SecretSnapshot>);

impl SecretSource for Secrets {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        self.0.clone()
    }
}

/// Three secrets of the component: their values are looked for in everything that leaves and comes back.
fn secrets() -> Arc<Secrets> {
    let entries = (0..3).map(|number| {
        let value = SecretValue::new(format!("a secret value with the number {number}"));
        let principals = vec!["component:fetch".parse().expect("a principal")];
        (format!("S{number}").parse().expect("a name"), SecretEntry::new(value, principals))
    });
    Arc::new(Secrets(Arc::new(SecretSnapshot { generation: 1, entries: entries.collect() })))
}

fn door(audit: Arc<dyn AuditSink>) -> Arc<Door> {
    let ports = openpact_egress::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit,
        secrets: secrets(),
    };
    let egress = openpact_egress::Config::default().build(ports).expect("the door");
    let rule = format!("GET http://{}/** private=127.0.0.1", *SERVER).parse().expect("a rule");
    egress.door(
        "component:fetch".parse().expect("a principal"),
        vec![Grant { rule, placement: None, secret: None }],
    )
}

fn component(audit: Arc<dyn AuditSink>) -> Arc<Component> {
    let deployment = Deployment { door: Some(door(audit)), secrets: secrets(), ..Deployment::default() };
    setup::deploy(&setup::host(), "fetch", FETCH, deployment)
}

/// A store in the build's folder: the one for temporary files may be in memory.
fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let directory = DataDirectory::acquire(folder.path()).expect("a data directory");
    let store = Store::open(&directory, Arc::new(SystemClock), Arc::new(SystemRandom)).expect("a store");
    (folder, store)
}

async fn get_by_guest(component: &Component) {
    let arguments = json!({"scheme": "http", "authority": SERVER.to_string(), "path": "/a"});
    let report = component.call_reported(setup::call("fetch_read", arguments)).await;
    assert_eq!(report.result.expect("an answer").as_text(), format!("200 {BODY}"));
}

#[divan::bench]
#[expect(clippy::disallowed_methods, reason = "the bare client is what the component is compared with")]
fn get_bare(bencher: Bencher<'_, '_>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client =
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
    let url = format!("http://{}/a", *SERVER);
    let get = || async { client.get(&url).send().await.expect("an answer").bytes().await.expect("a body") };
    MAIN.block_on(get());
    bencher.bench_local(|| MAIN.block_on(get()));
}

#[divan::bench]
fn get_through_the_door(bencher: Bencher<'_, '_>) {
    let (door, url, none) = (door(Arc::new(Nowhere)), format!("http://{}/a", *SERVER), References::none());
    let get = || async {
        let request = request("GET", &url, &[], empty()).expect("a request");
        let answer = door.send(request, Options::default(), &none).await.expect("an answer");
        answer.into_body().collect().await.expect("a body").to_bytes()
    };
    MAIN.block_on(get());
    bencher.bench_local(|| MAIN.block_on(get()));
}

#[divan::bench]
fn get_by_a_component(bencher: Bencher<'_, '_>) {
    let component = component(Arc::new(Nowhere));
    MAIN.block_on(get_by_guest(&component));
    bencher.bench_local(|| MAIN.block_on(get_by_guest(&component)));
}

#[divan::bench]
fn get_by_a_component_with_the_log_on_disk(bencher: Bencher<'_, '_>) {
    let (_folder, store) = store();
    let component = component(Arc::new(store));
    MAIN.block_on(get_by_guest(&component));
    bencher.bench_local(|| MAIN.block_on(get_by_guest(&component)));
}

/// What two lines on disk cost, one after the other.
#[divan::bench]
fn two_lines_on_disk(bencher: Bencher<'_, '_>) {
    let (_folder, store) = store();
    let line = || {
        Event::new("bench.line", "component:fetch", "a subject", openpact_model::audit::Verdict::Allowed)
            .with("ms", 1)
    };
    bencher.bench_local(|| {
        MAIN.block_on(async {
            store.record(line()).await.expect("the log");
            store.record(line()).await.expect("the log");
        });
    });
}
