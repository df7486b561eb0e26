//! The program for shell scripts: takes orders, and stops when its standard input is closed.

use openpact_fake_kit::script::Script;
use serde_json::{Value, json};

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let script = Script::start(env!("CARGO_BIN_EXE_fake-telegram"));
    let order = |order: Value| script.order(&order);
    assert_eq!(order(json!({"do": "bot", "token": "1:x"}))["ok"]["id"], 1);
    assert!(order(json!({"do": "sing"}))["error"].is_string());
    assert_eq!(order(json!({"do": "say", "user": 42, "text": "hi"}))["ok"]["message_id"], 1);
    let updates = script.call("/bot1:x/getUpdates", "", &json!({}));
    assert_eq!(updates["result"][0]["message"]["text"], "hi");
    script.call("/bot1:x/sendMessage", "", &json!({"chat_id": 42, "text": "there"}));
    assert_eq!(order(json!({"do": "wait", "sent": 1, "seconds": 5}))["ok"], 1);
    assert_eq!(order(json!({"do": "sent", "chat": 42}))["ok"][0]["text"], "there");
    assert_eq!(
        order(json!({"do": "fault", "rule": {"fault": {"too-many-requests": 3}, "times": 1}}))["ok"],
        true
    );
    assert_eq!(script.call("/bot1:x/getMe", "", &json!({}))["parameters"]["retry_after"], 3);
    assert_eq!(order(json!({"do": "counts"}))["ok"]["calls"]["getme"], 1);
    script.end();
}
