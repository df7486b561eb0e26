//! What the app is told of.

use std::time::Duration;

use openpact_fake_slack::{Outcome, World};
use serde_json::{Value, json};

use crate::place::{BOT, Place, SOON, parse};

#[test]
fn what_people_and_others_do_is_as_described() {
    let place = Place::new();
    let mut socket = place.open();
    let mut event = |count: usize| {
        let events = (0..count).map(|_| socket.take()["payload"]["event"].clone());
        events.collect::<Vec<Value>>()
    };
    let group = place.app.group("G0GROUP", "group");
    let several = place.app.several("G0SEVERAL", &[&place.alice, &place.bob]);
    for (channel, kind) in
        [(&place.direct, "im"), (&place.general, "channel"), (&group, "group"), (&several, "mpim")]
    {
        channel.say(&place.alice, "hello");
        let told = &event(1)[0];
        assert_eq!((&told["channel_type"], &told["text"]), (&json!(kind), &json!("hello")));
    }
    let mention = place.general.say(&place.alice, &format!("{} hi &amp; bye", place.app.mention()));
    let told = event(2);
    assert_eq!((told[0]["type"].as_str(), told[1]["type"].as_str()), (Some("message"), Some("app_mention")));
    assert_eq!((&told[0]["ts"], &told[1]["ts"]), (&json!(mention.ts), &json!(mention.ts)));
    assert_eq!(told[0]["blocks"][0]["elements"][0]["elements"][1]["text"], " hi & bye");
    place.direct.say(&place.alice, &place.app.mention());
    assert_eq!(event(1)[0]["type"], "message", "a mention in a direct message is a message alone");

    place.general.reply(&place.bob, &mention.ts, "in the thread");
    assert_eq!(event(1)[0]["parent_user_id"], "U0ALICE");
    place.general.draft(&place.bob, "to all").thread(&mention.ts).broadcast().send();
    assert_eq!(event(1)[0]["subtype"], "thread_broadcast");
    place.general.draft(&place.bob, "look").file("a.txt", "text/plain", b"content").send();
    let shared = event(1);
    assert_eq!(
        (&shared[0]["subtype"], &shared[0]["files"][0]["name"]),
        (&json!("file_share"), &json!("a.txt"))
    );
    place.general.draft(&place.bob, "").shared(&place.alice, "what she said").send();
    assert_eq!(event(1)[0]["attachments"][0]["is_share"], true);

    let said = place.general.say(&place.bob, "frist").ts;
    place.general.edit(&said, "first");
    let changed = &event(2)[1];
    assert_eq!(
        (&changed["subtype"], &changed["message"]["text"]),
        (&json!("message_changed"), &json!("first"))
    );
    assert_eq!(changed["previous_message"]["text"], "frist");
    place.general.unfurl(&said, "https://example.com/");
    let unfurled = &event(1)[0];
    assert_eq!(unfurled["message"]["text"], unfurled["previous_message"]["text"]);
    place.general.delete(&said);
    assert_eq!(event(1)[0]["deleted_ts"], said);
    place.general.delete(&mention.ts);
    assert_eq!(event(1)[0]["message"]["subtype"], "tombstone");

    let robot = place.server.other_bot("U0ROBOT", "Robot");
    place.general.say(&robot, "beep");
    assert_eq!(event(1)[0]["bot_id"], "B0ROBOT");
    place.general.draft(&robot, "beep").legacy().send();
    let told = &event(1)[0];
    assert_eq!((&told["subtype"], &told["user"]), (&json!("bot_message"), &Value::Null));
    place.general.join(&place.bob);
    let told = event(2);
    assert_eq!(
        (&told[0]["subtype"], &told[1]["type"]),
        (&json!("channel_join"), &json!("member_joined_channel"))
    );
    place.general.draft(&place.bob, "waves").subtype("me_message").send();
    place.general.react(&place.bob, &place.general.say(&place.bob, "x").ts, "eyes");
    assert_eq!(event(3)[2]["type"], "reaction_added");
    place.app.event(&json!({"type": "kind_of_tomorrow"}));
    assert_eq!(event(1)[0]["type"], "kind_of_tomorrow");
    place.server.assert_no_violations();
}

#[test]
fn the_bot_is_told_of_what_it_says_itself() {
    let place = Place::new();
    let mut socket = place.open();
    let ts = place.offer();
    let own = socket.take()["payload"]["event"].clone();
    assert_eq!((&own["user"], &own["bot_id"]), (&json!(place.app.user().id), &json!(place.app.bot_id())));
    place.good("chat.update", &json!({"channel": "C0GENERAL", "ts": ts, "text": "Changed"}));
    assert_eq!(socket.take()["payload"]["event"]["subtype"], "message_changed");
    place.good("chat.delete", &json!({"channel": "C0GENERAL", "ts": ts}));
    assert_eq!(socket.take()["payload"]["event"]["subtype"], "message_deleted");
    place.general.remove_bot();
    place.general.say(&place.alice, "unheard");
    let heard = place.general.say(&place.alice, &place.app.mention());
    assert_eq!(heard.events.len(), 1);
    assert_eq!(socket.take()["payload"]["event"]["type"], "app_mention");
    place.server.assert_no_violations();
}

#[test]
fn commands_are_answered() {
    let place = Place::new();
    let early = place.general.command(&place.alice, "/openpact", "help");
    assert_eq!(place.server.outcome(&early), Outcome::NotDelivered, "without a connection it fails at once");
    let mut socket = place.open();
    let used = place.general.command(&place.alice, "/openpact", "help me");
    let envelope = socket.next();
    assert_eq!(
        (&envelope["type"], &envelope["accepts_response_payload"]),
        (&json!("slash_commands"), &json!(true))
    );
    assert!(envelope.get("retry_attempt").is_none(), "{envelope}");
    let payload = &envelope["payload"];
    assert_eq!((&payload["command"], &payload["text"]), (&json!("/openpact"), &json!("help me")));
    socket.send(&json!({"envelope_id": envelope["envelope_id"], "payload": {"text": "one moment"}}));
    let text = place.server.wait("the answer", SOON, |world| world.ephemeral("C0GENERAL").first().cloned());
    assert_eq!((text.text.as_str(), text.only_for.as_deref()), ("one moment", Some("U0ALICE")));
    assert!(matches!(place.server.outcome(&used), Outcome::Acknowledged(_)));

    let path = used.response_url.strip_prefix(&format!("http://{}", place.server.address())).unwrap();
    let answer = |body: Value| place.post(path, "", "application/json", &body.to_string());
    assert!(answer(json!({"text": "to all", "response_type": "in_channel"})).ends_with("\r\n\r\nok"));
    assert_eq!(place.general.posted()[0].text, "to all");
    for _ in 0..4 {
        assert!(answer(json!({"text": "to one"})).starts_with("HTTP/1.1 200 "));
    }
    let sixth = answer(json!({"text": "too often"}));
    assert!(sixth.starts_with("HTTP/1.1 404 ") && parse(&sixth)["error"] == "used_url", "{sixth}");
    assert_eq!(place.general.ephemeral().len(), 5);
    let late = place.direct.command(&place.alice, "/openpact", "");
    let path =
        late.response_url.strip_prefix(&format!("http://{}", place.server.address())).unwrap().to_owned();
    place.server.advance(Duration::from_mins(31));
    place
        .server
        .wait("the end of its time", SOON, |world| (world.outcome(&late) == Outcome::TimedOut).then_some(()));
    let expired = place.post(&path, "", "application/json", r#"{"text":"x"}"#);
    assert_eq!(parse(&expired)["error"], "expired_url");
    place.server.assert_no_violations();
}

#[tokio::test]
async fn what_the_server_does_by_itself_wakes_those_who_wait() {
    let place = Place::new();
    let _socket = place.open();
    place.server.acknowledgements(Duration::from_millis(100), &[]);
    let late = place.direct.command(&place.alice, "/openpact", "");
    let overdue = |world: &World| (world.outcome(&late) == Outcome::TimedOut).then_some(());
    place.server.wait_for("the end of its time", SOON, overdue).await;
}

#[test]
fn buttons_are_pressed() {
    let place = Place::new();
    let mut socket = place.open();
    let ts = place.offer();
    assert_eq!(place.general.posted()[0].buttons(), ["yes"]);
    socket.take();
    let pressed = place.general.press(&place.bob, &ts, "yes");
    let envelope = socket.take();
    let payload = &envelope["payload"];
    assert_eq!((&envelope["type"], &payload["type"]), (&json!("interactive"), &json!("block_actions")));
    assert_eq!(
        (&payload["actions"][0]["value"], &payload["actions"][0]["block_id"]),
        (&json!("1"), &json!("choice"))
    );
    assert_eq!(payload["container"]["message_ts"], ts);
    let path = pressed.response_url.strip_prefix(&format!("http://{}", place.server.address())).unwrap();
    let answer = |body: Value| place.post(path, "", "application/json", &body.to_string());
    assert!(answer(json!({"text": "chosen", "replace_original": true})).ends_with("ok"));
    assert_eq!(place.general.posted()[0].text, "chosen");
    let wrong = answer(json!({"blocks": [{"type": "poem"}]}));
    assert!(wrong.starts_with("HTTP/1.1 400 ") && parse(&wrong)["error"] == "invalid_blocks", "{wrong}");
    assert!(answer(json!({"delete_original": true})).ends_with("ok"));
    assert!(place.general.posted()[0].deleted);
    let view = json!({"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []});
    let open = format!("trigger_id={}&view={view}", pressed.trigger_id);
    let open = || parse(&place.post("/api/views.open", BOT, "application/x-www-form-urlencoded", &open));
    assert_eq!(open()["view"]["type"], "modal");
    assert_eq!(open()["error"], "exchanged_trigger_id");
    place.server.assert_no_violations();
}
