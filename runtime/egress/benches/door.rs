//! What the door costs: a search for a hundred secrets, a match among a thousand rules, and a whole request beside
//! the bare HTTP client in the same run.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use http::Method;
use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::redact::{Redactor, Scope};
use openpact_egress::rule::{Matcher, Rule, Target};
use openpact_egress::{Config, Door, Grant, Options, Ports, empty, request};
use openpact_model::audit::Event;
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, PortError};
use openpact_model::random::{Random as _, SystemRandom};
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretValue};
use tokio::runtime::Runtime;
use url::Url;

fn main() {
    divan::main();
}

fn snapshot(count: usize) -> SecretSnapshot {
    let mut entries = BTreeMap::new();
    for number in 0..count {
        let mut bytes = [0; 20];
        SystemRandom.fill(&mut bytes);
        let value = SecretValue::new(hex_text(&bytes));
        entries.insert(format!("S{number}").parse().expect("a name"), SecretEntry::new(value, Vec::new()));
    }
    SecretSnapshot { generation: 1, entries }
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(b'A' + byte % 26)).chain("x+/=9".chars()).collect()
}

/// A megabyte of prose without a match.
fn prose() -> Bytes {
    let line =
        "The quick brown fox jumps over the lazy dog, 0123456789 times; see https://example.com/a?b=c.\n";
    Bytes::from(line.repeat((1 << 20) / line.len()))
}

/// One piece of 16 KiB after another, as an answer comes.
#[divan::bench(args = [1, 10, 100])]
fn redact_without_a_match(bencher: Bencher<'_, '_>, secrets: usize) {
    let redactor = Redactor::new(&snapshot(secrets), Scope::All);
    let text = prose();
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let mut stream = redactor.stream();
        let mut passed = 0;
        for start in (0..text.len()).step_by(16 * 1024) {
            passed += stream.push(text.slice(start..text.len().min(start + 16 * 1024))).len();
        }
        passed + stream.finish().len()
    });
}

/// The baseline: one search for the values as they are, in none of their forms.
#[divan::bench(args = [1, 10, 100])]
fn plain_search_without_a_match(bencher: Bencher<'_, '_>, secrets: usize) {
    let snapshot = snapshot(secrets);
    let values = snapshot.entries.values().map(|entry| entry.value.expose().as_bytes());
    let search = aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(values);
    let (search, text) = (search.expect("a search"), prose());
    bencher.counter(BytesCount::new(text.len())).bench_local(|| search.find(&text[..]).is_some());
}

#[divan::bench(args = [1, 10, 100])]
fn build_a_redactor(bencher: Bencher<'_, '_>, secrets: usize) {
    let snapshot = snapshot(secrets);
    bencher.bench_local(|| Redactor::new(&snapshot, Scope::All));
}

fn rules(count: usize) -> Vec<Rule> {
    let texts = (0..count).map(|number| match number % 3 {
        0 => format!("GET https://host{number}.test/v1/*/items/**"),
        1 => format!("GET,POST https://*.site{number}.test/**"),
        _ => format!("* https://api.test/part{number}/**"),
    });
    texts.map(|text| text.parse().expect("a rule")).collect()
}

fn requests() -> Vec<Url> {
    [
        "https://host0.test/v1/abc/items/5",
        "https://a.b.site1.test/x/y/z",
        "https://api.test/part998/a/b",
        "https://nowhere.test/",
    ]
    .iter()
    .map(|text| text.parse().expect("a URL"))
    .collect()
}

#[divan::bench(args = [1, 1000])]
fn match_a_request(bencher: Bencher<'_, '_>, count: usize) {
    let (matcher, urls) = (Matcher::new(rules(count)), requests());
    bencher.counter(ItemsCount::new(urls.len())).bench_local(|| {
        let found = urls
            .iter()
            .filter_map(|url| Target::of(&Method::GET, url).map(|target| matcher.matching(&target)));
        found.map(|rules| rules.len()).sum::<usize>()
    });
}

/// The baseline: each rule is tried.
#[divan::bench(args = [1, 1000])]
fn try_every_rule(bencher: Bencher<'_, '_>, count: usize) {
    let (rules, urls) = (rules(count), requests());
    bencher.counter(ItemsCount::new(urls.len())).bench_local(|| {
        let targets = urls.iter().filter_map(|url| Target::of(&Method::GET, url));
        targets.map(|target| rules.iter().filter(|rule| rule.matches(&target)).count()).sum::<usize>()
    });
}

/// A log that costs nothing: what is measured is the door.
struct Nowhere;

#[async_trait]
impl AuditSink for Nowhere {
    async fn record(&self, _: Event) -> Result<(), PortError> {
        Ok(())
    }
}

/// A server that keeps connections open and answers 1 KiB to everything, on threads of its own.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n{}", "x".repeat(1024));
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

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

struct Secrets(Arc<SecretSnapshot>);

impl openpact_model::secret::SecretSource for Secrets {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        self.0.clone()
    }
}

fn door(url: &str) -> Arc<Door> {
    let mut secrets = snapshot(3);
    for entry in secrets.entries.values_mut() {
        entry.principals = vec!["component:bench".parse().expect("a principal")];
    }
    let ports = Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit: Arc::new(Nowhere),
        secrets: Arc::new(Secrets(Arc::new(secrets))),
    };
    let egress = Config::default().build(ports).expect("the door");
    let rule = format!("GET {url} private=127.0.0.0/8").parse().expect("a rule");
    egress.door(
        "component:bench".parse().expect("a principal"),
        vec![Grant { rule, placement: None, secret: None }],
    )
}

#[divan::bench]
fn get_through_the_door(bencher: Bencher<'_, '_>) {
    let (runtime, url) = (runtime(), format!("http://{}/a", *SERVER));
    let door = door(&url);
    let none = References::none();
    bencher.bench_local(|| {
        runtime.block_on(async {
            let request = request("GET", &url, &[], empty()).expect("a request");
            let answer = door.send(request, Options::default(), &none).await.expect("an answer");
            answer.into_body().collect().await.expect("a body").to_bytes()
        })
    });
}

#[divan::bench]
#[expect(clippy::disallowed_methods, reason = "the bare client is what the door is compared with")]
fn get_with_the_bare_client(bencher: Bencher<'_, '_>) {
    let (runtime, url) = (runtime(), format!("http://{}/a", *SERVER));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client =
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
    bencher.bench_local(|| {
        runtime.block_on(async {
            client.get(&url).send().await.expect("an answer").bytes().await.expect("a body")
        })
    });
}
