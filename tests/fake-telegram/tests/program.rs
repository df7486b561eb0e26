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
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-telegram"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let (api, control) = (addresses["api"].as_str().unwrap(), addresses["control"].as_str().unwrap());
    let order = |order: Value| post(control, "/", &order);
    assert_eq!(order(json!({"do": "bot", "token": "1:x"}))["ok"]["id"], 1);
    assert!(order(json!({"do": "sing"}))["error"].is_string());
    assert_eq!(order(json!({"do": "say", "user": 42, "text": "hi"}))["ok"]["message_id"], 1);
    let updates = post(api, "/bot1:x/getUpdates", &json!({}));
    assert_eq!(updates["result"][0]["message"]["text"], "hi");
    post(api, "/bot1:x/sendMessage", &json!({"chat_id": 42, "text": "there"}));
    assert_eq!(order(json!({"do": "wait", "sent": 1, "seconds": 5}))["ok"], 1);
    assert_eq!(order(json!({"do": "sent", "chat": 42}))["ok"][0]["text"], "there");
    assert_eq!(
        order(json!({"do": "fault", "rule": {"fault": {"too-many-requests": 3}, "times": 1}}))["ok"],
        true
    );
    assert_eq!(post(api, "/bot1:x/getMe", &json!({}))["parameters"]["retry_after"], 3);
    assert_eq!(order(json!({"do": "counts"}))["ok"]["calls"]["getme"], 1);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
