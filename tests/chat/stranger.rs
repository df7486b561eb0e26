//! Somebody whom nobody named: refused once, and let in by the admin or by an owner in chat.

use serde_json::json;

use super::stage::{ANYTHING, Stage, WELCOME, assert_recorded, code, said};

#[test]
fn strangers_are_refused_once_and_let_in_by_a_code() {
    let stage = Stage::start(Vec::new(), "", "");
    the_admin_lets_somebody_in(&stage);
    the_owner_lets_somebody_in_by_chat(&stage);
    the_owner_turns_somebody_down(&stage);
    stage.end();
}

fn the_admin_lets_somebody_in(stage: &Stage) {
    let bob = stage.platform.user(501, "Bob");
    let chat = stage.bot.private(&bob);
    let refusal = stage.ask(&chat, &bob, "Hello, who are you? Tell me about zebras.");
    let code = code(&refusal.text);
    assert!(!refusal.text.contains("zebras") && !refusal.text.contains("Bob"), "{}", refusal.text);
    chat.say(&bob, "Hello? Zebras!");
    chat.say(&bob, "/help");
    let told = stage.good(&["user", "accept", &code]);
    assert!(told.contains("telegram:501"), "{told}");
    assert_eq!(stage.ask(&chat, &bob, "Now then.").text, ANYTHING);
    assert_eq!(said(&chat), 2, "one refusal, one answer");
    assert!(stage.asked("ebras").is_empty(), "nothing that a stranger says reaches the model");
    assert_eq!(stage.asked("Now then.").len(), 1);
    let refused = json!({"verdict": "denied", "detail": {"reason": "unknown sender", "display_name": "Bob"}});
    assert_recorded(&stage.audit("message.refuse", "telegram:501"), &refused);
    assert_recorded(&stage.audit("pairing.request", "telegram:501"), &json!({"verdict": "allowed"}));
    let accepted = json!({"subject": "telegram:501", "verdict": "allowed", "detail": {"role": "member"}});
    assert_recorded(&stage.audit("pairing.accept", "admin"), &accepted);
    let again = stage.run(&["user", "accept", &code]);
    assert!(!again.status.success(), "a code is good for once");
}

fn the_owner_lets_somebody_in_by_chat(stage: &Stage) {
    let carol = stage.platform.user(502, "Carol");
    let chat = stage.bot.private(&carol);
    let code = code(&stage.ask(&chat, &carol, "Hello").text);
    let owners = stage.owner_chat();
    let told = stage.ask(&owners, &stage.owner, &format!("/approve {}", code.to_lowercase())).text;
    assert!(told.contains("telegram:502") && told.contains("may speak"), "{told}");
    assert_eq!(stage.ask(&chat, &carol, "Thank you").text, ANYTHING);
    let accepted = json!({"subject": "telegram:502", "verdict": "allowed"});
    assert_recorded(&stage.audit("pairing.accept", "telegram:4242"), &accepted);
}

fn the_owner_turns_somebody_down(stage: &Stage) {
    let dave = stage.platform.user(503, "Dave");
    let chat = stage.bot.private(&dave);
    let code = code(&stage.ask(&chat, &dave, "Hello").text);
    let owners = stage.owner_chat();
    let told = stage.ask(&owners, &stage.owner, &format!("/deny {code}")).text;
    assert!(told.contains("turned down"), "{told}");
    chat.say(&dave, "Please?");
    let told = stage.ask(&owners, &stage.owner, &format!("/approve {code}")).text;
    assert!(told.contains("no request is open with this code") || told.contains("No request"), "{told}");
    assert_eq!(chat.sent().len(), 1, "who is turned down hears nothing more");
    assert_recorded(&stage.audit("pairing.deny", "telegram:4242"), &json!({"subject": "telegram:503"}));
}

#[test]
fn who_is_let_in_is_told() {
    let stage = Stage::start(Vec::new(), "", "");
    let bob = stage.platform.user(501, "Bob");
    let chat = stage.admit(&bob);
    let told = stage.nth(&chat, 1).text;
    assert!(told.contains(WELCOME) && told.contains("as member"), "{told}");
    stage.end();
}
