//! The program for shell scripts: takes orders, and stops when its standard input is closed.
#![expect(clippy::disallowed_methods, reason = "starting the program is what this test does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn post(url: &str, body: &Value) -> Value {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer xoxb-1\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-slack"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let (api, control) = (addresses["api"].as_str().unwrap(), addresses["control"].as_str().unwrap());
    let control = format!("{control}/");
    let order = |order: Value| post(&control, &order);
    let call = |method: &str, body: Value| post(&format!("{api}/{method}"), &body);
    assert!(order(json!({"do": "say", "user": "U0ALICE", "text": "x"}))["error"].is_string(), "no app yet");
    let app = order(json!({"do": "app", "bot_token": "xoxb-1", "app_token": "xapp-1"}));
    assert_eq!(call("auth.test", json!({}))["user_id"], app["ok"]["user_id"]);
    assert!(order(json!({"do": "sing"}))["error"].is_string());
    assert_eq!(order(json!({"do": "channel", "id": "C1", "name": "general"}))["ok"], "C1");
    let said = order(json!({"do": "say", "user": "U0ALICE", "channel": "C1", "text": "hi"}));
    let ts = said["ok"]["ts"].as_str().unwrap();
    assert_eq!(order(json!({"do": "edit", "channel": "C1", "ts": ts, "text": "hello"}))["ok"]["ts"], ts);
    assert!(order(json!({"do": "edit", "channel": "C1", "ts": "1.2", "text": "x"}))["error"].is_string());
    call("chat.postMessage", json!({"channel": "C1", "text": "there", "thread_ts": ts}));
    assert_eq!(order(json!({"do": "wait", "posted": 1, "seconds": 5}))["ok"], 1);
    assert_eq!(order(json!({"do": "posted", "channel": "C1"}))["ok"]["posted"][0]["text"], "there");
    let used = order(json!({"do": "command", "user": "U0ALICE", "command": "/openpact", "text": "help"}));
    let outcome = order(json!({"do": "outcome", "id": used["ok"]["id"]}));
    assert_eq!(outcome["ok"], "not-delivered");
    let wait = json!({"fault": {"too-many-requests": {"seconds": 3}}, "times": 1});
    assert_eq!(order(json!({"do": "fault", "rule": wait}))["ok"], true);
    assert_eq!(call("auth.test", json!({}))["error"], "ratelimited");
    assert_eq!(order(json!({"do": "counts"}))["ok"]["calls"]["auth.test"], 2);
    assert_eq!(order(json!({"do": "violations"}))["ok"], json!([]));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
