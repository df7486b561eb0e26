//! The program for shell scripts: takes orders, and stops when its standard input is closed.

use openpact_fake_kit::script::Script;
use serde_json::{Value, json};

#[test]
fn a_script_drives_it_and_it_stops_with_its_input() {
    let script = Script::start(env!("CARGO_BIN_EXE_fake-discord"));
    let order = |order: Value| script.order(&order);
    assert!(script.address("gateway").starts_with("ws://127.0.0.1:"));
    let post = |body: Value| script.call("/channels/200/messages", "authorization: Bot x\r\n", &body);
    assert_eq!(order(json!({"do": "bot", "id": 700, "token": "x"}))["ok"], 700);
    assert!(order(json!({"do": "sing"}))["error"].is_string());
    order(json!({"do": "guild", "id": 100, "name": "Guild"}));
    order(json!({"do": "channel", "guild": 100, "id": 200, "name": "general"}));
    let said = order(json!({"do": "say", "user": 42, "channel": 200, "text": "hi", "mention": true}));
    assert_eq!(said["ok"]["channel"], 200);
    assert!(order(json!({"do": "say", "user": 42, "text": "hi"}))["ok"]["message"].is_u64());
    assert_eq!(post(json!({"content": "there"}))["content"], "there");
    assert_eq!(order(json!({"do": "wait", "channel": 200, "sent": 1, "seconds": 5}))["ok"], 1);
    assert_eq!(order(json!({"do": "sent", "channel": 200}))["ok"][0]["content"], "there");
    let rule =
        json!({"fault": {"too-many-requests": {"global": 3.0}}, "operation": "create_message", "times": 1});
    assert_eq!(order(json!({"do": "fault", "rule": rule}))["ok"], true);
    assert!(order(json!({"do": "fault", "rule": {"fault": "hang", "sometimes": 1}}))["error"].is_string());
    assert_eq!(post(json!({"content": "x"}))["global"], true);
    let rule = json!({"fault": {"close": 4000}, "stage": "identify", "times": 1});
    assert_eq!(order(json!({"do": "gateway-fault", "rule": rule}))["ok"], true);
    assert!(order(json!({"do": "command", "user": 42, "name": "new"}))["error"].is_string());
    assert_eq!(order(json!({"do": "counts"}))["ok"]["calls"]["create_message"], 2);
    assert!(order(json!({"do": "wait-connected", "seconds": 0}))["error"].is_string());
    script.end();
}
