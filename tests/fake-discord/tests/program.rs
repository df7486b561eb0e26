//! The program for shell scripts: takes orders, and stops when its standard input is closed.
#![expect(clippy::disallowed_methods, reason = "starting the program is what this test does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn post(url: &str, path: &str, body: &Value) -> Value {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bot x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-discord"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let (api, control) = (addresses["api"].as_str().unwrap(), addresses["control"].as_str().unwrap());
    assert!(addresses["gateway"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    let order = |order: Value| post(control, "/", &order);
    assert_eq!(order(json!({"do": "bot", "id": 700, "token": "x"}))["ok"], 700);
    assert!(order(json!({"do": "sing"}))["error"].is_string());
    order(json!({"do": "guild", "id": 100, "name": "Guild"}));
    order(json!({"do": "channel", "guild": 100, "id": 200, "name": "general"}));
    let said = order(json!({"do": "say", "user": 42, "channel": 200, "text": "hi", "mention": true}));
    assert_eq!(said["ok"]["channel"], 200);
    assert!(order(json!({"do": "say", "user": 42, "text": "hi"}))["ok"]["message"].is_u64());
    let (host, path) = api.split_at(api.find("/api").unwrap());
    let messages = format!("{path}/channels/200/messages");
    assert_eq!(post(host, &messages, &json!({"content": "there"}))["content"], "there");
    assert_eq!(order(json!({"do": "wait", "channel": 200, "sent": 1, "seconds": 5}))["ok"], 1);
    assert_eq!(order(json!({"do": "sent", "channel": 200}))["ok"][0]["content"], "there");
    let rule =
        json!({"fault": {"too-many-requests": {"global": 3.0}}, "operation": "create_message", "times": 1});
    assert_eq!(order(json!({"do": "fault", "rule": rule}))["ok"], true);
    assert!(order(json!({"do": "fault", "rule": {"fault": "hang", "sometimes": 1}}))["error"].is_string());
    assert_eq!(post(host, &messages, &json!({"content": "x"}))["global"], true);
    let rule = json!({"fault": {"close": 4000}, "stage": "identify", "times": 1});
    assert_eq!(order(json!({"do": "gateway-fault", "rule": rule}))["ok"], true);
    assert!(order(json!({"do": "command", "user": 42, "name": "new"}))["error"].is_string());
    assert_eq!(order(json!({"do": "counts"}))["ok"]["calls"]["create_message"], 2);
    assert!(order(json!({"do": "wait-connected", "seconds": 0}))["error"].is_string());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
