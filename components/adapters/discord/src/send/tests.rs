//! What is sent.

use openpact_sdk::adapter::{Detail, Outbound, Piece, Stage};

use super::*;
use crate::api::Content;
use crate::api::script::{Script, done, ok, refused};

fn target(channel: &str, reply_to: Option<&str>) -> Target {
    Target {
        account: "42".into(),
        channel: channel.into(),
        thread: None,
        reply_to: reply_to.map(str::to_owned),
    }
}

fn part(piece: Piece) -> Part {
    let pieces = vec![piece];
    render::parts(&Outbound { pieces, buttons: vec![], detail: Detail::Full, stage: Stage::Complete })
        .remove(0)
}

fn text() -> Part {
    part(Piece::Markdown("hi".into()))
}

#[test]
fn a_part_is_sent_once_and_notifies_nobody() {
    let api = Script::new([ok(&json!({ "id": "5", "channel_id": "9" }))]);
    let sent = send(&api, &target("9", Some("4")), text(), "key").expect("sent");
    assert_eq!((sent.id.as_str(), sent.pause, sent.moved_to), ("5", None, None));
    assert_eq!(api.lines(), ["POST channels/9/messages"]);
    let body = api.body(0);
    assert_eq!(body["content"], json!("hi"));
    assert_eq!(body["enforce_nonce"], json!(true));
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(body["message_reference"], json!({ "message_id": "4", "fail_if_not_exists": false }));
    assert_eq!(body["attachments"], json!([]));
}

#[test]
fn a_key_becomes_a_nonce_of_at_most_25_characters() {
    let long = "outbox:018f3c1e-7b7a-7c3e-9a51-6c2f4b8f1a2b:part:3";
    for key in ["", "a", long] {
        let nonce = nonce(key);
        assert!(nonce.len() == 25 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{nonce}");
    }
    assert_eq!(nonce(long), nonce(long));
    assert_ne!(nonce("a"), nonce("b"));
    // From the authors' tables: "a" is d228cb696f1a8caf78912b704e4a8964.
    let number = nonce("a").chars().rev().fold(0_u128, |number, digit| {
        number.wrapping_mul(36) + u128::from(digit.to_digit(36).expect("a digit"))
    });
    assert_eq!(number, 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
}

#[test]
fn a_pause_is_told() {
    let mut answer = ok(&json!({ "id": "5" })).expect("an answer");
    answer.headers =
        vec![("x-ratelimit-remaining".into(), "0".into()), ("x-ratelimit-reset-after".into(), "2.5".into())];
    let sent = send(&Script::new([Ok(answer)]), &target("9", None), text(), "key").expect("sent");
    assert_eq!(sent.pause, Some(2_500));
}

#[test]
fn files_go_along_by_name() {
    let file = File { name: "a/b.png".into(), media_type: "image/png".into(), data: vec![1, 2, 3] };
    let api = Script::new([ok(&json!({ "id": "5" }))]);
    send(&api, &target("9", None), part(Piece::File(file)), "key").expect("sent");
    let asked = api.asked.borrow();
    let Content::Form(body, files) = &asked[0].content else { panic!() };
    assert_eq!(body["attachments"], json!([{ "id": 0, "filename": "ab.png" }]));
    assert_eq!((files[0].name.as_str(), files[0].data.len()), ("ab.png", 3));
}

#[test]
fn a_person_is_written_to_in_a_channel_that_is_opened() {
    let api = Script::new([ok(&json!({ "id": "77", "type": 1 })), ok(&json!({ "id": "5" }))]);
    let sent = send(&api, &target("user:7", None), text(), "key").expect("sent");
    assert_eq!(sent.moved_to.as_deref(), Some("77"));
    assert_eq!(api.lines(), ["POST users/@me/channels", "POST channels/77/messages"]);
    assert_eq!(api.body(0), json!({ "recipient_id": "7" }));
}

#[test]
fn nothing_but_ids_goes_into_a_path() {
    for channel in ["general", "", "0", "-1", "9/messages", "user:ada"] {
        let sent = send(&Script::new([]), &target(channel, None), text(), "key");
        assert!(matches!(sent, Err(SendError::Refused(_))), "{channel}: {sent:?}");
    }
    let foreign = Part { body: "{}".into(), plain: String::new(), files: vec![] };
    assert!(matches!(send(&Script::new([]), &target("9", None), foreign, "key"), Err(SendError::Refused(_))));
}

#[test]
fn what_was_stored_cannot_make_it_notify() {
    let mut part = text();
    part.body = part.body.replace(r#""parse":[]"#, r#""parse":["everyone"]"#);
    part.body = part.body.replacen('{', r#"{"tts":true,"#, 1);
    let api = Script::new([ok(&json!({ "id": "5" }))]);
    send(&api, &target("9", None), part, "key").expect("sent");
    assert_eq!(
        (&api.body(0)["allowed_mentions"], &api.body(0)["tts"]),
        (&json!({ "parse": [] }), &Value::Null)
    );
}

#[test]
fn a_message_is_changed_as_a_whole() {
    let api = Script::new([ok(&json!({ "id": "5" }))]);
    edit(&api, &target("9", None), "5", part(Piece::Notice("n".into()))).expect("changed");
    assert_eq!(api.lines(), ["PATCH channels/9/messages/5"]);
    let body = api.body(0);
    assert_eq!((&body["content"], &body["components"], &body["flags"]), (&json!(""), &json!([]), &json!(0)));
    assert_eq!(body["embeds"].as_array().map(Vec::len), Some(1));
    assert_eq!(body.get("nonce"), None);
    let gone = edit(&Script::new([refused(404, 10_008)]), &target("9", None), "5", text());
    assert!(matches!(gone, Err(SendError::Gone(_))));
}

#[test]
fn what_is_gone_is_taken_back_already() {
    let delete = |answer| delete(&Script::new([answer]), &target("9", None), "5");
    assert!(matches!(delete(done()), Ok(())));
    assert!(matches!(delete(refused(404, 10_008)), Ok(())));
    assert!(matches!(delete(refused(404, 10_003)), Err(SendError::Gone(_))));
    assert!(matches!(delete(refused(403, 50_013)), Err(SendError::Refused(_))));
}

#[test]
fn typing_is_shown_in_the_channel() {
    let api = Script::new([done()]);
    typing(&api, &target("9", None)).expect("shown");
    assert_eq!(api.lines(), ["POST channels/9/typing"]);
}

#[test]
fn what_goes_to_a_thread_goes_there() {
    let target = Target { thread: Some("21".into()), ..target("9", Some("4")) };
    let api = Script::new([ok(&json!({ "id": "5" })), ok(&json!({ "id": "5" })), done(), done()]);
    let sent = send(&api, &target, text(), "key").expect("sent");
    assert_eq!(sent.moved_to, None);
    edit(&api, &target, "5", text()).expect("changed");
    delete(&api, &target, "5").expect("taken back");
    typing(&api, &target).expect("shown");
    let expected =
        ["POST channels/21/messages", "PATCH channels/21/messages/5", "DELETE channels/21/messages/5"];
    assert_eq!(api.lines(), [&expected[..], &["POST channels/21/typing"]].concat());
    for thread in ["general", "", "0", "21/messages"] {
        let target = Target { thread: Some(thread.into()), ..target.clone() };
        assert!(matches!(send(&Script::new([]), &target, text(), "key"), Err(SendError::Refused(_))));
    }
}

#[test]
fn an_answer_that_names_no_message_is_not_known() {
    let sent = send(&Script::new([ok(&json!({}))]), &target("9", None), text(), "key");
    assert!(matches!(sent, Err(SendError::Unknown(_))));
}
