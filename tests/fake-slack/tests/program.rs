//! The program for shell scripts: takes orders, and stops when its standard input is closed.

use openpact_fake_kit::script::Script;
use serde_json::{Value, json};

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let script = Script::start(env!("CARGO_BIN_EXE_fake-slack"));
    let order = |order: Value| script.order(&order);
    let call = |method: &str, body: Value| {
        script.call(&format!("/{method}"), "authorization: Bearer xoxb-1\r\n", &body)
    };
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
    script.end();
}
