//! Interactions, acknowledged and answered.

use super::*;
use crate::api::script::{Script, done as nothing, ok, refused};

fn interaction(origin: Origin) -> Interaction {
    Interaction { id: "77".into(), token: "secret".into(), application: "8".into(), origin }
}

fn answered(origin: Origin, api: &Script, pieces: Vec<Piece>) -> Result<(), SendError> {
    let outbound = Outbound { pieces, buttons: vec![], detail: Detail::Simple, stage: Stage::Complete };
    answer(api, &json!(interaction(origin)).to_string(), &outbound)
}

fn said() -> Vec<Piece> {
    vec![Piece::Markdown("word ".repeat(500))]
}

#[test]
fn a_command_is_acknowledged_for_its_user_and_a_button_without_a_word() {
    for (origin, body) in [
        (Origin::Command, json!({ "type": 5, "data": { "flags": 64 } })),
        (Origin::Button, json!({ "type": 6 })),
    ] {
        let api = Script::new([nothing()]);
        defer(&api, &interaction(origin)).expect("acknowledged");
        assert_eq!(api.lines(), ["POST interactions/77/secret/callback"]);
        assert_eq!(api.body(0), body);
        let call = &api.asked.borrow()[0];
        assert!(!call.authorized, "its own token is enough");
        assert_eq!(call.timeout.as_secs(), 3, "Discord waits no longer, and the heart has to beat");
    }
}

#[test]
fn the_answer_to_a_command_takes_the_place_of_the_acknowledgement() {
    let api = Script::new([ok(&json!({ "id": "5" })), ok(&json!({ "id": "6" }))]);
    answered(Origin::Command, &api, said()).expect("answered");
    assert_eq!(
        api.lines(),
        ["PATCH webhooks/8/secret/messages/@original", "POST webhooks/8/secret"],
        "the rest follows"
    );
    assert_eq!(api.body(1)["flags"], json!(64 | 4), "only whoever asked sees it, and no previews");
    assert_eq!(api.body(1)["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn the_answer_to_a_button_is_a_message_for_its_user() {
    let api = Script::new([ok(&json!({ "id": "5" }))]);
    answered(Origin::Button, &api, vec![Piece::Notice("done".into())]).expect("answered");
    assert_eq!(api.lines(), ["POST webhooks/8/secret"]);
    assert_eq!(api.body(0)["flags"], json!(64));
}

#[test]
fn what_was_not_acknowledged_is_answered_in_its_place() {
    for (origin, code) in [(Origin::Command, 10_015), (Origin::Button, 10_015), (Origin::Command, 10_008)] {
        let api = Script::new([refused(404, code), nothing()]);
        answered(origin, &api, vec![Piece::Markdown("hi".into())]).expect("answered");
        assert_eq!(api.lines()[1], "POST interactions/77/secret/callback");
        let body = api.body(1);
        assert_eq!((&body["type"], &body["data"]["content"]), (&json!(4), &json!("hi")));
        assert_eq!(body["data"]["flags"], json!(64 | 4));
    }
    let late = Script::new([refused(404, 10_015), refused(404, 10_062)]);
    assert!(matches!(answered(Origin::Command, &late, said()), Err(SendError::Gone(_))));
}

#[test]
fn an_acknowledgement_that_comes_meanwhile_is_answered_like_any_other() {
    for (origin, line) in [
        (Origin::Command, "PATCH webhooks/8/secret/messages/@original"),
        (Origin::Button, "POST webhooks/8/secret"),
    ] {
        let api = Script::new([refused(404, 10_015), refused(400, 40_060), ok(&json!({ "id": "5" }))]);
        answered(origin, &api, vec![Piece::Markdown("hi".into())]).expect("answered");
        assert_eq!(api.lines(), [line, "POST interactions/77/secret/callback", line]);
    }
}

#[test]
fn an_empty_answer_ends_the_waiting() {
    let api = Script::new([ok(&json!({ "id": "5" }))]);
    answered(Origin::Command, &api, vec![]).expect("answered");
    assert_eq!(api.body(0)["embeds"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_no_interaction_is_refused() {
    let outbound = done();
    for text in ["", "{}", "77"] {
        assert!(matches!(answer(&Script::new([]), text, &outbound), Err(SendError::Refused(_))));
    }
}
