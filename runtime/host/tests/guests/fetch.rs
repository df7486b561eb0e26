//! Guests and the network.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openpact_egress::{Egress, Grant};
use openpact_host::{Component, Deployment};
use openpact_model::audit;
use openpact_model::clock::SystemClock;
use openpact_model::port::{AuditSink, PortError, ToolProvider as _};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretSource, SecretValue};
use openpact_model::tool::{Reach, ToolCall, ToolFailure};
use openpact_test_guests::FETCH;
use serde_json::{Map, json};

use crate::fixture::{attack, call, failure, generous, package, shared, text, with_limits};

const MANIFEST: &str = "
settings = { type = \"object\", properties = { color = { type = \"string\", default = \"red\" }, feed = { type = \"string\", secret = true } } }
[[requests.http]]
methods = [\"GET\"]
url = \"https://example.com/\"
reason = \"to test\"
[[requests.credentials]]
name = \"token\"
description = \"A token.\"
placement = \"header Authorization: Bearer {}\"
hosts = [\"example.com\"]
";

const SECRET: &str = "a value of more than sixteen bytes";

fn load(deployment: Deployment) -> Arc<Component> {
    shared().load(&package("fetch", FETCH, MANIFEST), deployment).unwrap()
}

#[derive(Default)]
pub(crate) struct Audit(pub(crate) Mutex<Vec<audit::Event>>);

#[async_trait]
impl AuditSink for Audit {
    async fn record(&self, event: audit::Event) -> Result<(), PortError> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

struct Secrets;

impl SecretSource for Secrets {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        let principals = vec!["component:fetch".parse().unwrap()];
        let entry = SecretEntry::new(SecretValue::new(SECRET.into()), principals);
        Arc::new(SecretSnapshot { generation: 1, entries: [("TOKEN".parse().unwrap(), entry)].into() })
    }
}

/// A component with a door, and what the door wrote down.
fn with_door(grants: Vec<Grant>) -> (Arc<Component>, Arc<Audit>) {
    let audit = Arc::new(Audit::default());
    let ports = openpact_egress::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        audit: Arc::clone(&audit) as Arc<dyn AuditSink>,
        secrets: Arc::new(Secrets),
    };
    let egress: Egress = openpact_egress::Config::default().build(ports).unwrap();
    let principal: Principal = "component:fetch".parse().unwrap();
    let door = egress.door(principal, grants);
    let settings = Map::from_iter([("feed".to_owned(), json!("typed in by mistake"))]);
    let deployment =
        Deployment { door: Some(door), secrets: Arc::new(Secrets), settings, ..with_limits(generous()) };
    (load(deployment), audit)
}

/// A server on this machine that answers everything with 200, and counts.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (address, requests)
}

fn get(authority: &str) -> serde_json::Value {
    json!({"scheme": "http", "authority": authority, "path": "/a"})
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_door_nothing_goes_out() {
    let (address, requests) = server();
    let component = load(with_limits(generous()));
    let report = attack(&component, "fetch_get", get(&address)).await;
    assert!(matches!(report.result, Err(ToolFailure::Denied(_))), "{:?}", report.result);
    assert_eq!((report.requests, requests.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_nothing_goes_out_and_it_is_written_down() {
    let (address, requests) = server();
    let (component, audit) = with_door(vec![]);
    let denied = failure(&component, "fetch_get", get(&address)).await;
    assert!(matches!(denied, ToolFailure::Denied(_)), "{denied:?}");
    assert!(!denied.to_string().contains("GET"), "the model is told no rule: {denied}");
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    assert!(!audit.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_grant_it_does() {
    let (address, requests) = server();
    let rule = format!("GET http://{address}/** private=127.0.0.1/32").parse().unwrap();
    let (component, audit) = with_door(vec![Grant { rule, placement: None, secret: None }]);
    let report = component.call_reported(call("fetch_get", get(&address))).await;
    assert_eq!(report.result.unwrap().as_text(), "200");
    assert_eq!((report.requests, requests.load(Ordering::SeqCst)), (1, 1));
    // Written when the guest lets go of the answer, which is told to nobody.
    while !audit.0.lock().unwrap().iter().any(|event| event.kind == "egress.request") {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_belong_to_the_host_cannot_be_set() {
    let component = load(with_limits(generous()));
    for name in ["Host", "connection", "Proxy-Authorization", "transfer-encoding", "upgrade"] {
        let set = text(&component, "fetch_header", json!({"name": name})).await;
        assert!(
            matches!(&set, Err(ToolFailure::Failed(words)) if words.contains("Forbidden")),
            "{name}: {set:?}"
        );
    }
    assert_eq!(text(&component, "fetch_header", json!({"name": "accept"})).await.as_deref(), Ok("set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_cannot_be_guessed() {
    let (component, _) = with_door(vec![]);
    for name in ["TOKEN", "token ", "../token", "master", ""] {
        let told = text(&component, "fetch_credential", json!({"name": name})).await;
        assert_eq!(told, Err(ToolFailure::Failed("Error::NotRequested".into())), "{name}");
    }
    let told = text(&component, "fetch_credential", json!({"name": "token"})).await;
    assert!(matches!(told, Err(ToolFailure::Denied(_))), "requested and not granted: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_credential_is_a_reference_that_dies_with_its_instance() {
    let grant = Grant {
        rule: "GET https://example.com/** credential=token".parse().unwrap(),
        placement: Some("header Authorization: Bearer {}".parse().unwrap()),
        secret: Some("TOKEN".parse().unwrap()),
    };
    let (component, _) = with_door(vec![grant]);
    let first = text(&component, "fetch_credential", json!({"name": "token"})).await.unwrap();
    let second = text(&component, "fetch_credential", json!({"name": "token"})).await.unwrap();
    assert_ne!(first, second);
    for reference in [first, second] {
        assert!(!reference.contains(SECRET));
        assert!(
            reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
            "{reference}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_component_ends_a_call_that_waits_for_an_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let rule = format!("GET http://{address}/** private=127.0.0.1/32").parse().unwrap();
    let (component, _) = with_door(vec![Grant { rule, placement: None, secret: None }]);
    let waiting = Arc::clone(&component);
    let request = get(&address);
    let waiting = tokio::spawn(async move { waiting.call(call("fetch_get", request)).await });
    // The request is out, and nobody answers.
    let mut connection = tokio::task::spawn_blocking(move || silent.accept().unwrap().0).await.unwrap();
    assert!(connection.read(&mut [0; 16]).unwrap() > 0);
    component.stop();
    assert_eq!(waiting.await.unwrap(), Err(ToolFailure::Stopped));
    let ended = tokio::task::spawn_blocking(move || std::io::copy(&mut connection, &mut std::io::sink()));
    drop(ended.await.unwrap());
}

/// A server on this machine that says back the head of every request, in its own headers and in its body.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let line = head.lines().find(|line| line.starts_with("authorization")).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nx-echo: {line}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
                head.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_said_back_is_in_no_byte_of_the_guests_memory() {
    let address = echo();
    let grant = Grant {
        rule: format!("GET http://{address}/** private=127.0.0.1/32 credential=token").parse().unwrap(),
        placement: Some("header Authorization: Bearer {}".parse().unwrap()),
        secret: Some("TOKEN".parse().unwrap()),
    };
    let (component, _) = with_door(vec![grant]);
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let arguments = json!({
        "scheme": "http", "authority": address, "path": "/mirror",
        "value_reversed": reversed(SECRET), "control_reversed": reversed("GET /mirror HTTP"),
    });
    let told = text(&component, "fetch_reflection", arguments).await.unwrap();
    let mut words = told.splitn(3, ' ');
    assert_eq!(words.next(), Some("0"), "the value is in the guest's memory: {told}");
    assert_ne!(words.next(), Some("0"), "the search finds what is there: {told}");
    let body = words.next().unwrap();
    assert!(body.contains("Bearer [REDACTED:TOKEN]"), "the server had the credential: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_defaults_and_secret_ones_never_enter() {
    let (component, _) = with_door(vec![]);
    assert_eq!(text(&component, "fetch_setting", json!({"key": "color"})).await.as_deref(), Ok("\"red\""));
    for key in ["feed", "unknown"] {
        let told = text(&component, "fetch_setting", json!({"key": key})).await;
        assert_eq!(told, Err(ToolFailure::Failed("none".into())), "{key}");
    }
}

/// `.invalid` is never found, so a request that passes the grants ends there.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_reach_only_some_addresses_reaches_no_others() {
    let rule = "GET https://*/**".parse().unwrap();
    let (component, audit) = with_door(vec![Grant { rule, placement: None, secret: None }]);
    let asked = json!({"scheme": "https", "authority": "docs.invalid", "path": "/a?b"});
    let only = |addresses: &[&str]| {
        Reach::Only(Arc::new(addresses.iter().map(|&address| address.to_owned()).collect()))
    };
    for (reach, is_let_through) in [
        (Reach::Granted, true),
        (only(&["https://docs.invalid/a?b"]), true),
        (only(&["https://docs.invalid/a"]), false),
        (only(&[]), false),
    ] {
        let call = ToolCall { reach: reach.clone(), ..call("fetch_get", asked.clone()) };
        let failure = component.call_reported(call).await.result.expect_err("nobody is there");
        assert_eq!(!matches!(failure, ToolFailure::Denied(_)), is_let_through, "{reach:?}: {failure}");
    }
    let denied =
        audit.0.lock().unwrap().iter().filter(|event| event.verdict == audit::Verdict::Denied).count();
    assert_eq!(denied, 2);
}
