//! Slash commands and buttons, and how they are answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::place::Place;

/// A place with a command, and somebody who has used it: the path that answers, and the one for what follows.
fn used() -> (Place, u64, String, String) {
    let place = Place::new();
    place.good("POST", "/applications/700/commands", &json!({"name": "go", "description": "x"}));
    let id = place.general.command(&place.alice, "go", &[]);
    let (answer, webhook) = paths(&place, id);
    (place, id, answer, webhook)
}

fn paths(place: &Place, id: u64) -> (String, String) {
    let token = place.server.interaction(id).token;
    (format!("/interactions/{id}/{token}/callback"), format!("/webhooks/700/{token}"))
}

fn message(content: &str) -> Value {
    json!({"type": 4, "data": {"content": content}})
}

#[test]
fn a_command_is_answered_once_and_in_time() {
    let (place, id, answer, webhook) = used();
    let original = format!("{webhook}/messages/@original");
    place.bad("PATCH", &original, &json!({"content": "x"}), 404, 10_015);
    place.bad("POST", &answer, &json!({"type": 6}), 400, 50_035);
    place.done("POST", &answer, &message("here"));
    place.bad("POST", &answer, &message("again"), 400, 40_060);
    assert_eq!(place.server.interaction(id).answered.unwrap().kind, 4);
    assert_eq!(place.good("GET", &original, &json!(null))["content"], "here");
    place.good("PATCH", &original, &json!({"content": "there"}));
    let followed = place.good("POST", &webhook, &json!({"content": "more", "flags": 64}));
    let path = format!("{webhook}/messages/{}", followed["id"].as_str().unwrap());
    place.good("PATCH", &path, &json!({"content": "still more"}));
    let hidden = format!("/channels/200/messages/{}", followed["id"].as_str().unwrap());
    place.bad("GET", &hidden, &json!(null), 404, 10_008);
    place.done("DELETE", &path, &json!(null));
    let sent = place.general.sent();
    let said: Vec<_> =
        sent.iter().map(|sent| (sent.content.as_str(), sent.ephemeral, sent.deleted)).collect();
    assert_eq!(said, [("there", false, false), ("still more", true, true)]);
    assert_eq!(sent[0].interaction, Some(id));
    place.server.advance(Duration::from_mins(16));
    place.bad("PATCH", &original, &json!({"content": "late"}), 401, 50_027);
    let late = place.general.command(&place.alice, "go", &[]);
    place.server.advance(Duration::from_secs(4));
    place.bad("POST", &paths(&place, late).0, &message("late"), 404, 10_062);
    place.bad("POST", "/interactions/7/x/callback", &message("x"), 404, 10_062);
    place.bad("POST", "/webhooks/700/x", &json!({"content": "x"}), 404, 10_015);
    place.server.assert_no_violations();
}

#[test]
fn an_answer_can_come_later() {
    let (place, id, answer, webhook) = used();
    let later = json!({"type": 5, "data": {"flags": 64}});
    let told = place.good("POST", &format!("{answer}?with_response=true"), &later);
    assert_eq!(told["interaction"]["response_message_loading"], true, "{told}");
    assert!(place.general.sent()[0].loading);
    let followed = place.good("POST", &webhook, &json!({"content": "done"}));
    let sent = place.general.sent();
    assert_eq!((sent.len(), sent[0].loading, sent[0].ephemeral), (1, false, true), "{followed}");
    assert_eq!(place.server.interaction(id).original, Some(sent[0].id));
    place.good("POST", &webhook, &json!({"content": "more"}));
    assert_eq!(place.general.sent()[1].content, "more");
    place.server.assert_no_violations();
}

#[test]
fn buttons_change_their_message() {
    let place = Place::new();
    let button = |id: &str, label: &str| json!({"type": 2, "style": 1, "custom_id": id, "label": label});
    let row =
        |buttons: Value| json!({"content": "Choose", "components": [{"type": 1, "components": buttons}]});
    let posted = place.post(&row(json!([button("yes", "Yes"), button("no", "No")])));
    let id = posted["id"].as_str().unwrap().parse().unwrap();
    assert!(place.general.try_press(&place.alice, id, "maybe").is_err());
    let pressed = place.general.press(&place.alice, id, "yes");
    place.done(
        "POST",
        &paths(&place, pressed).0,
        &json!({"type": 7, "data": {"content": "Yes", "components": []}}),
    );
    let sent = &place.general.sent()[0];
    assert_eq!((sent.content.as_str(), sent.buttons.len()), ("Yes", 0));
    let other = place.post(&row(json!([button("later", "Later")])))["id"].as_str().unwrap().parse().unwrap();
    let pressed = place.general.press(&place.alice, other, "later");
    let (answer, webhook) = paths(&place, pressed);
    place.done("POST", &answer, &json!({"type": 6}));
    place.good("PATCH", &format!("{webhook}/messages/@original"), &json!({"content": "Changed"}));
    assert_eq!(place.general.sent()[1].content, "Changed");
    let path = "/channels/200/messages";
    place.bad("POST", path, &row(json!([button("same", "a"), button("same", "b")])), 400, 50_035);
    place.bad("POST", path, &row(json!([{"type": 2, "style": 1, "label": "x"}])), 400, 50_035);
    let six: Vec<_> = (0..6).map(|number| button(&number.to_string(), "x")).collect();
    place.bad("POST", path, &row(json!(six)), 400, 50_035);
}
