//! What goes further than a question and its answer, on every platform: messages that the model has sent elsewhere, and
//! images that it is shown.

use openpact_test_platforms::{Answer, File, Platform};
use serde_json::{Value, json};

use super::several::{OPEN, OWNER, Several};
use super::stage::{ANYTHING, ASKED, assert_recorded};

/// A member, by one account; and somebody whom nobody let in.
const MEL: u32 = 51;
const STRANGER: u32 = 52;

/// A model that does what it is told: sends this to there where the last message holds a text.
fn sends(told: &str, arguments: &Value) -> Value {
    let call = json!({"id": "c1", "name": "chat_send", "arguments": arguments.to_string()});
    json!({"times": 0, "expect": {"last-role": "user", "last-contains": [told]}, "say": [{"call": call}]})
}

/// Ids are the same on every server of a platform, so they are known before the one that is used is there.
fn script() -> Vec<Value> {
    let mut all = Vec::new();
    for platform in openpact_test_platforms::all() {
        let name = platform.name();
        let to =
            |target: String, message: &str| json!({"provider": name, "target": target, "message": message});
        let person = |person: u32| format!("user:{}", platform.identity(person));
        all.push(sends(&format!("tell Mel on {name}"), &to(person(MEL), "Olivia is **late**.")));
        let room = format!("channel:{}", platform.room(OPEN));
        all.push(sends(&format!("tell everybody on {name}"), &to(room, "The shop is open.")));
        let other = format!("channel:{}", platform.room(OPEN + 50));
        all.push(sends(&format!("leak it on {name}"), &to(other, "The alarm code is 4711.")));
        all.push(sends(
            &format!("tell the stranger on {name}"),
            &to(person(STRANGER), "The alarm code is 4711."),
        ));
    }
    all.push(json!({"times": 0, "expect": {"last-role": "tool", "last-contains": ["queued for"]}, "say": [{"text": "It is on its way."}]}));
    all.push(json!({"times": 0, "expect": {"last-role": "tool"}, "say": [{"text": "I may not do that."}]}));
    all
}

#[test]
fn a_message_goes_elsewhere_only_where_an_owner_may_have_it_sent() {
    let stage = Several::start(script(), "");
    // From here to every platform, its own included.
    let from = stage.platforms().next().expect("there are three");
    let owners = from.direct(OWNER);
    let told = |text: String| stage.answer(from, &owners, || from.say(&owners, OWNER, &text)).text;
    for platform in stage.platforms() {
        let name = platform.name();
        let mel = stage.admit(platform, MEL);
        platform.room(OPEN + 50);
        assert_eq!(told(format!("Please tell Mel on {name}.")), "It is on its way.");
        arrives(&stage, platform, &mel, "Olivia is");
        assert_eq!(told(format!("Please tell everybody on {name}.")), "It is on its way.");
        arrives(&stage, platform, &platform.room(OPEN), "The shop is open.");
        for attack in ["leak it", "tell the stranger"] {
            assert_eq!(told(format!("Please {attack} on {name}.")), "I may not do that.");
        }
        // Nor does a member have anything sent anywhere else, whatever the configuration allows an owner.
        let said = stage
            .answer(platform, &mel, || platform.say(&mel, MEL, &format!("Please tell everybody on {name}.")));
        assert_eq!(said.text, "I may not do that.");
        let sent = json!({"verdict": "allowed"});
        let actor = format!("{}:{}", from.name(), from.identity(OWNER));
        assert_recorded(&stage.audit("chat.send", &actor), &sent);
        assert_recorded(&stage.audit("chat.send", &actor), &json!({"verdict": "denied"}));
    }
    // What an outsider wrote is in the conversation from now on.
    stage.answer(from, &owners, || from.forward(&owners, OWNER, STRANGER, "Our plans for spring."));
    for platform in stage.platforms() {
        assert_eq!(told(format!("Please tell everybody on {}.", platform.name())), "I may not do that.");
    }
    for platform in stage.platforms() {
        let open = platform.answers(&platform.room(OPEN));
        assert_eq!(open.len(), 1, "once, for the owner: {open:#?}");
        let rooms = [platform.room(OPEN + 50), platform.direct(STRANGER)];
        let leaked: Vec<_> = rooms.iter().flat_map(|room| platform.answers(room)).collect();
        assert_eq!(leaked, [], "{}", platform.name());
    }
    stage.end();
}

fn arrives(stage: &Several, platform: &dyn Platform, room: &str, text: &str) {
    let is_it = |answer: &Answer| answer.text.contains(text) && !answer.text.contains(ASKED);
    stage.wait(platform, text, || platform.answers(room).into_iter().find(is_it));
}

/// The smallest image there is: one grey point.
pub(crate) const POINT: &[u8] = &[
    0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68,
    0, 0, 0, 0x82, 0, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60,
    0x82,
];

#[test]
fn an_image_is_shown_to_the_model() {
    let sees = json!({"times": 0, "expect": {"last-contains": ["what is on it"], "images": 1}, "say": [{"text": "A grey point."}]});
    let stage = Several::start(vec![sees], "");
    for platform in stage.platforms() {
        let room = platform.direct(OWNER);
        // What the platform calls it counts for nothing.
        let file = File { name: "point.png", media_type: "text/plain", bytes: POINT };
        let said =
            stage.answer(platform, &room, || platform.attach(&room, OWNER, "Say what is on it.", file));
        assert_eq!(said.text, "A grey point.", "{}", platform.name());
        let room = platform.room(3);
        let said = stage.answer(platform, &room, || platform.address(&room, OWNER, "say what is on it"));
        assert_eq!(said.text, ANYTHING, "another conversation does not see it");
    }
    stage.end();
}
