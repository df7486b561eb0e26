//! The endpoint as a probe, Prometheus, a web page and a slow client see it: over a socket, byte by byte.
#![expect(
    clippy::disallowed_methods,
    reason = "promtool is started here; the runtime does not use this crate"
)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use metrics::{counter, gauge, histogram};
use openpact_health::names::{ALL, Kind};
use openpact_health::{Check, Checks, Config, Error, Metrics, Ports, Server, State, recorder};
use openpact_model::clock::SystemClock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Parts that a test sets.
#[derive(Default)]
struct Parts(Mutex<Vec<Check>>);

#[async_trait]
impl Checks for Parts {
    async fn checks(&self) -> Vec<Check> {
        self.0.lock().unwrap().clone()
    }
}

/// Parts that never answer.
struct Hung;

#[async_trait]
impl Checks for Hung {
    async fn checks(&self) -> Vec<Check> {
        std::future::pending().await
    }
}

fn check(name: &str, state: State, about: &str) -> Check {
    Check { name: name.to_owned(), state, about: about.to_owned(), needed_for_ready: true }
}

fn ports(checks: Arc<dyn Checks>, metrics: Metrics) -> Ports {
    Ports { checks, metrics, clock: Arc::new(SystemClock), version: "1.2.3" }
}

async fn serve(checks: Arc<dyn Checks>) -> Server {
    let config = Config { bind: "127.0.0.1:0".parse().unwrap(), public: false };
    config.build(ports(checks, recorder::build().unwrap())).await.unwrap()
}

async fn with(parts: Vec<Check>) -> Server {
    serve(Arc::new(Parts(Mutex::new(parts)))).await
}

/// Sends bytes as they are and reads until the end.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is cut off may not be let write everything.
    let _cut = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn ask_as(server: &Server, method: &str, path: &str, host: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let text = exchange(server.address(), request.as_bytes()).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}"));
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

async fn get(server: &Server, path: &str) -> Answer {
    ask_as(server, "GET", path, "localhost").await
}

#[tokio::test]
async fn a_program_whose_parts_run_is_healthy_and_ready() {
    let server =
        with(vec![check("store", State::Running, "one"), check("engine", State::Running, "two")]).await;
    for path in ["/health", "/healthz", "/ready", "/readyz", "/readyz?verbose"] {
        let answer = get(&server, path).await;
        assert_eq!(answer.code, 200, "{path}");
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        let value = answer.json();
        let status = if path.starts_with("/ready") { "ready" } else { "ok" };
        assert_eq!((&value["status"], &value["version"]), (&json!(status), &json!("1.2.3")));
        assert!(value.get("failing").is_none(), "{value}");
        let first = json!({"name": "store", "state": "running", "about": "one", "needed_for_ready": true});
        assert_eq!(value["checks"][0], first);
    }
}

#[tokio::test]
async fn a_part_that_does_not_run_is_named_and_the_process_is_alive_all_the_same() {
    let spare = Check { needed_for_ready: false, ..check("mcp", State::Failed, "port taken") };
    let adapter = check("adapter telegram", State::Starting, "the token was refused (401)");
    let server = with(vec![check("store", State::Running, ""), adapter, spare]).await;
    let ready = get(&server, "/readyz").await;
    assert_eq!((ready.code, ready.json()["status"].as_str()), (503, Some("not-ready")));
    let failing = &ready.json()["failing"];
    assert_eq!(failing.as_array().unwrap().len(), 1, "{failing}");
    assert_eq!(failing[0]["name"], "adapter telegram");
    assert_eq!(failing[0]["about"], "the token was refused (401)");
    let health = get(&server, "/healthz").await;
    assert_eq!((health.code, health.json()["status"].as_str()), (200, Some("degraded")));
    assert_eq!(health.json()["checks"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_hangs_does_not_hang_the_endpoint() {
    let server = serve(Arc::new(Hung)).await;
    let health = get(&server, "/healthz").await;
    assert_eq!(health.code, 200);
    let ready = get(&server, "/readyz").await;
    assert_eq!(ready.code, 503);
    assert!(ready.json()["failing"][0]["about"].as_str().unwrap().contains("in time"));
    assert_eq!(get(&server, "/metrics").await.code, 200);
}

#[tokio::test]
async fn only_get_and_head_of_what_is_there() {
    let server = with(vec![]).await;
    for path in ["/", "/healthz/", "/Health", "/metrics/x", "/../health", "/%68ealth", "//health"] {
        let answer = get(&server, path).await;
        assert_eq!(answer.code, 404, "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("/metrics"));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask_as(&server, method, "/metrics", "localhost").await;
        assert_eq!(answer.code, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
        assert_eq!(answer.json()["error"], "only GET and HEAD");
    }
    for path in ["/health", "/ready", "/metrics"] {
        let answer = ask_as(&server, "HEAD", path, "localhost").await;
        assert_eq!((answer.code, answer.body.as_str()), (200, ""), "{path}");
        assert!(answer.head.contains("content-length: ") && !answer.head.contains("content-length: 0"));
    }
}

#[tokio::test]
async fn a_web_page_with_a_name_of_its_own_sees_nothing() {
    let server = with(vec![check("adapter telegram", State::Failed, "why")]).await;
    for path in ["/health", "/ready", "/metrics", "/x"] {
        let answer = ask_as(&server, "GET", path, "evil.example:8766").await;
        assert_eq!(answer.code, 421, "{path}");
        assert!(!answer.body.contains("telegram") && !answer.body.contains("openpact_"), "{}", answer.body);
    }
    assert!(
        !get(&server, "/health").await.head.contains("access-control"),
        "no page may read it from elsewhere"
    );
}

#[tokio::test]
async fn what_a_proxy_passes_on_is_told_the_state_alone() {
    let server = with(vec![check("adapter telegram", State::Failed, "why")]).await;
    let request = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 203.0.113.9\r\n\r\n";
    let answer = exchange(server.address(), request).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"status\":\"not-ready\"}\n"), "{answer}");
}

#[tokio::test]
async fn large_and_broken_requests_are_refused() {
    let server = with(vec![]).await;
    let head =
        |size: usize| format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(size));
    assert!(exchange(server.address(), head(4096).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(!exchange(server.address(), head(16 * 1024).as_bytes()).await.contains("200 OK"));
    let many =
        |count: usize| format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert!(exchange(server.address(), many(31).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(!exchange(server.address(), many(32).as_bytes()).await.contains("200 OK"));
    for broken in ["\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}", "GET /health HTTP/9.9\r\n\r\n"] {
        let answer = exchange(server.address(), format!("{broken}\r\n\r\n").as_bytes()).await;
        assert!(!answer.contains("200 OK"), "{broken:?}: {answer}");
    }
    assert_eq!(get(&server, "/health").await.code, 200, "it goes on");
}

#[tokio::test]
async fn a_connection_carries_one_request() {
    let server = with(vec![]).await;
    let one = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answer = exchange(server.address(), one.repeat(3).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    let with_body = "GET /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\nbody";
    assert!(exchange(server.address(), with_body.as_bytes()).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn those_who_ask_slowly_are_cut_and_hold_up_nobody_for_long() {
    let server = with(vec![]).await;
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: local").await.unwrap();
        slow.push(stream);
    }
    // All places are taken: those who came first make room for those who ask.
    assert_eq!(get(&server, "/health").await.code, 200);
    let mut rest = Vec::new();
    slow[0].read_to_end(&mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[tokio::test]
async fn after_stopping_nobody_listens() {
    let server = with(vec![]).await;
    let address = server.address();
    let mut open = TcpStream::connect(address).await.unwrap();
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0, "open connections end too");
}

#[tokio::test]
async fn a_public_address_has_to_be_meant() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let config = Config { bind: address.parse().unwrap(), public: false };
        let built = config.build(ports(Arc::new(Hung), recorder::build().unwrap())).await;
        let Err(error) = built else { panic!("{address} was taken") };
        assert!(matches!(error, Error::Public(_)), "{error}");
        assert!(error.to_string().contains("health.public"), "{error}");
    }
    let config = Config { bind: "0.0.0.0:0".parse().unwrap(), public: true };
    let server = config.build(ports(Arc::new(Hung), recorder::build().unwrap())).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_told_with_what_to_do() {
    let server = with(vec![]).await;
    let config = Config { bind: server.address(), public: false };
    let built = config.build(ports(Arc::new(Hung), recorder::build().unwrap())).await;
    let Err(error) = built else { panic!("two listen at one port") };
    assert!(error.to_string().contains("health.bind"), "{error}");
}

/// Records every metric of the list once, with every label.
fn record_all(metrics: &Metrics) {
    metrics::with_local_recorder(metrics.recorder(), || {
        for metric in ALL {
            let labels: Vec<(&str, String)> =
                metric.labels.iter().map(|label| (label.key, "a \"b\" \\ c\n".to_owned())).collect();
            match metric.kind {
                Kind::Counter => counter!(metric.name, &labels).increment(1),
                Kind::Gauge => gauge!(metric.name, &labels).set(1),
                Kind::Histogram(_) => histogram!(metric.name, &labels).record(0.1),
            }
        }
    });
}

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let metrics = recorder::build().unwrap();
    record_all(&metrics);
    let config = Config { bind: "127.0.0.1:0".parse().unwrap(), public: false };
    let server = config.build(ports(Arc::new(Parts::default()), metrics)).await.unwrap();
    let answer = get(&server, "/metrics").await;
    assert_eq!(answer.code, 200);
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        answer.head
    );
    for metric in ALL {
        for line in
            [format!("\n# HELP {} {}\n", metric.name, metric.help), format!("\n# TYPE {} ", metric.name)]
        {
            assert!(format!("\n{}", answer.body).contains(&line), "{line} is not in\n{}", answer.body);
        }
    }
    let Some(promtool) = openpact_test_programs::promtool() else { return };
    let judge = move |text: &str| {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let checked = tokio::task::spawn_blocking(move || (judge(&answer.body), judge("openpact_x 1\n")));
    let (ours, bad) = tokio::time::timeout(Duration::from_mins(1), checked).await.unwrap().unwrap();
    assert_eq!(ours, (true, String::new()));
    assert!(bad.1.contains("no help text"), "it does complain where there is reason: {bad:?}");
}
