//! Requests are judged by Discord's own description, where that is there.

use serde_json::{Value, json};

use crate::place::Place;

const MESSAGES: &str = "/channels/200/messages";

/// Refused with that code at that place, and noted.
#[track_caller]
fn wrong(place: &Place, method: &str, path: &str, body: &Value, at: &str, code: &str) {
    let before = place.server.violations().len();
    let refused = place.bad(method, path, body, 400, 50_035);
    let error = refused["errors"].pointer(&format!("{at}/_errors/0/code"));
    assert_eq!(error, Some(&json!(code)), "{body}: {refused}");
    assert!(place.server.violations().len() > before, "{body}: it was not noted");
}

#[test]
fn what_the_description_does_not_allow_is_refused_and_noted() {
    let place = Place::new();
    if !place.server.judges() {
        return;
    }
    let message = |body: Value, at: &str, code: &str| wrong(&place, "POST", MESSAGES, &body, at, code);
    message(json!({"content": "x", "colour": "red"}), "/colour", "UNKNOWN_FIELD");
    message(json!({"content": ["x"]}), "/content", "STRING_TYPE_CONVERT");
    message(json!({"content": "x", "tts": "loud"}), "/tts", "BOOLEAN_TYPE_CONVERT");
    message(json!({"embeds": {}}), "/embeds", "LIST_TYPE_CONVERT");
    message(json!({"embeds": vec![json!({}); 11]}), "/embeds", "BASE_TYPE_MAX_LENGTH");
    message(json!({"embeds": [{"title": "x".repeat(257)}]}), "/embeds/0/title", "BASE_TYPE_MAX_LENGTH");
    message(json!({"embeds": [{"color": -1}]}), "/embeds/0/color", "NUMBER_TYPE_MIN");
    message(
        json!({"embeds": [{"fields": [{"name": "x"}]}]}),
        "/embeds/0/fields/0/value",
        "BASE_TYPE_REQUIRED",
    );
    let mentions = json!({"content": "x", "allowed_mentions": {"parse": ["people"]}});
    message(mentions, "/allowed_mentions/parse/0", "BASE_TYPE_CHOICES");
    let twice = json!({"content": "x", "allowed_mentions": {"parse": ["users", "users"]}});
    message(twice, "/allowed_mentions/parse", "SET_TYPE_ALREADY_CONTAINS_VALUE");
    let reply = json!({"content": "x", "message_reference": {"message_id": "first"}});
    message(reply, "/message_reference/message_id", "NUMBER_TYPE_COERCE");
    message(json!({"content": "x", "nonce": "n".repeat(26)}), "/nonce", "BASE_TYPE_MAX_LENGTH");
    let button = |button: Value| json!({"components": [{"type": 1, "components": [button]}]});
    let long = button(json!({"type": 2, "style": 1, "custom_id": "x".repeat(101), "label": "x"}));
    message(long, "/components/0/components/0/custom_id", "BASE_TYPE_MAX_LENGTH");
    let style = button(json!({"type": 2, "style": 9, "custom_id": "x", "label": "x"}));
    message(style, "/components/0/components/0/style", "BASE_TYPE_CHOICES");
    let odd = button(json!({"type": 2, "style": 1, "custom_id": "x", "label": "x", "size": 5}));
    message(odd, "/components/0/components/0/size", "UNKNOWN_FIELD");
    assert!(place.general.sent().is_empty());
    place.server.ignore_unknown_fields();
    place.post(&json!({"content": "x", "colour": "red"}));
}

#[test]
fn commands_answers_and_queries_are_judged_too() {
    let place = Place::new();
    if !place.server.judges() {
        return;
    }
    let commands = "/applications/700/commands";
    wrong(&place, "POST", commands, &json!({"description": "x"}), "/name", "BASE_TYPE_REQUIRED");
    let option = json!([{"name": "x", "description": "x", "options": [{"type": 3, "name": "a"}]}]);
    wrong(&place, "PUT", commands, &option, "/0/options/0/description", "BASE_TYPE_REQUIRED");
    let name = json!({"name": "x".repeat(33), "description": "x"});
    wrong(&place, "POST", commands, &name, "/name", "BASE_TYPE_MAX_LENGTH");
    place.good(
        "POST",
        commands,
        &json!({"name": "go", "description": "x", "default_member_permissions": "8"}),
    );
    let id = place.general.command(&place.alice, "go", &[]);
    let path = format!("/interactions/{id}/{}/callback", place.server.interaction(id).token);
    let long = json!({"type": 4, "data": {"content": "x".repeat(2_001)}});
    wrong(&place, "POST", &path, &long, "/data/content", "BASE_TYPE_MAX_LENGTH");
    wrong(&place, "POST", &path, &json!({"data": {}}), "/type", "BASE_TYPE_REQUIRED");
    let none = json!(null);
    wrong(&place, "GET", &format!("{MESSAGES}?limit=500"), &none, "/limit", "NUMBER_TYPE_MAX");
    wrong(&place, "GET", &format!("{MESSAGES}?newest=1"), &none, "/newest", "UNKNOWN_FIELD");
    wrong(&place, "GET", "/channels/general", &none, "/channel_id", "NUMBER_TYPE_COERCE");
    let threads = format!("{MESSAGES}/{}/threads", place.general.say(&place.alice, "x"));
    let odd = json!({"name": "x", "auto_archive_duration": 61});
    wrong(&place, "POST", &threads, &odd, "/auto_archive_duration", "BASE_TYPE_CHOICES");
}

#[test]
fn a_client_has_to_say_what_it_is() {
    let place = Place::new();
    place.raw(
        b"GET /api/v10/users/@me HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bot NzAw.secret\r\n\r\n",
    );
    let violations = place.server.violations();
    assert!(matches!(&violations[..], [one] if one.contains("User-Agent")), "{violations:?}");
}
