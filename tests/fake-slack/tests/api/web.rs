//! The Web API.

use serde_json::{Value, json};

use crate::place::{APP, BOT, Place, parse};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn each_token_opens_its_own_doors() {
    let place = Place::new();
    let me = place.good("auth.test", &json!({}));
    assert_eq!(me["user_id"], place.app.user().id);
    assert_eq!(me["bot_id"], place.app.bot_id());
    let error = |path: &str, token: &str| parse(&place.post(path, token, FORM, ""))["error"].clone();
    assert_eq!(error("/api/auth.test", "xoxb-other"), "invalid_auth");
    assert_eq!(error("/api/auth.test", APP), "not_allowed_token_type");
    assert_eq!(error("/api/apps.connections.open", BOT), "not_allowed_token_type");
    assert_eq!(error("/api/make.coffee", BOT), "unknown_method");
    assert_eq!(parse(&place.get("/api/apps.connections.open", APP))["error"], "insecure_request");
    let nobody = place.raw("POST /api/auth.test HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(parse(&nobody)["error"], "not_authed");
    let in_form = format!("token={BOT}");
    let bare = format!(
        "POST /api/auth.test HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {FORM}\r\ncontent-length: {}\r\n\r\n{in_form}",
        in_form.len()
    );
    assert_eq!(parse(&place.raw(&bare))["ok"], true);
    place.app.revoke();
    place.bad("auth.test", &json!({}), "token_revoked");
}

#[test]
fn arguments_come_in_several_ways() {
    let place = Place::new();
    let path = "/api/chat.postMessage";
    let form = "channel=C0GENERAL&text=a%20b&blocks=%5B%5D";
    let asked = [
        place.get(&format!("{path}?{form}"), BOT),
        place.post(path, BOT, FORM, form),
        place.post(path, BOT, "multipart/form-data; boundary=B", "--B\r\ncontent-disposition: form-data; name=\"channel\"\r\n\r\nC0GENERAL\r\n--B\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\na b\r\n--B--\r\n"),
        place.post(path, BOT, "application/json; charset=utf-8", r#"{"channel":"C0GENERAL","text":"a b","blocks":[]}"#),
    ];
    for answer in asked {
        let answer = parse(&answer);
        assert_eq!(answer["message"]["text"], "a b", "{answer}");
        assert!(answer.get("warning").is_none(), "{answer}");
    }
    let bare = parse(&place.post(path, BOT, "application/json", r#"{"channel":"C0GENERAL","text":"x"}"#));
    assert_eq!(bare["warning"], "missing_charset");
    let error = |kind: &str, body: &str| parse(&place.post(path, BOT, kind, body))["error"].clone();
    place.server.assert_no_violations();
    assert_eq!(error("application/json", "{"), "invalid_json");
    assert_eq!(error("application/json", "[]"), "json_not_object");
    assert_eq!(error("text/plain", "x"), "invalid_post_type");
    assert_eq!(error("multipart/form-data; boundary=B", "x"), "invalid_form_data");
    assert_eq!(place.server.look(|world| world.duplicates("C0GENERAL")).len(), 3);
}

#[test]
fn methods_that_read_do_not_see_json() {
    let place = Place::new();
    assert_eq!(place.read("conversations.info", "channel=C0GENERAL")["channel"]["name"], "general");
    place.bad("conversations.info", &json!({"channel": "C0GENERAL"}), "invalid_arguments");
    assert!(place.server.violations().contains(&"conversations.info: takes no JSON".to_owned()));
}

#[test]
fn arguments_are_judged_by_the_description() {
    let place = Place::new();
    if !place.server.judges() {
        return;
    }
    let say = |more: &Value| {
        let mut body = json!({"channel": "C0GENERAL", "text": "x"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let wrong = place.bad("chat.postMessage", &say(&json!({"colour": "red"})), "invalid_arguments");
    assert_eq!(
        wrong["response_metadata"]["messages"],
        json!(["[ERROR] invalid additional property: colour"])
    );
    place.bad("chat.postMessage", &say(&json!({"unfurl_links": "false"})), "invalid_arguments");
    place.bad("chat.postMessage", &say(&json!({"thread_ts": 1_700_000_000.5})), "invalid_arguments");
    place.bad("chat.postMessage", &json!({"text": "x"}), "invalid_arguments");
    place.bad("assistant.threads.setStatus", &json!({"channel_id": "C0GENERAL"}), "invalid_arguments");
    assert_eq!(
        place.server.violations(),
        [
            "chat.postMessage: invalid additional property: colour",
            "chat.postMessage: unfurl_links must be a valid boolean, got \"false\"",
            "chat.postMessage: thread_ts must be a valid string, got 1700000000.5",
            "chat.postMessage: missing required field: channel",
            "assistant.threads.setStatus: missing required field: thread_ts",
            "assistant.threads.setStatus: missing required field: status",
        ]
    );
    assert!(place.general.posted().is_empty());
}

#[test]
fn messages_go_to_channels_threads_and_people() {
    let place = Place::new();
    let said = place.general.say(&place.alice, "question").ts;
    let flags = json!({"channel": "C0GENERAL", "text": "answer", "thread_ts": said, "mrkdwn": true, "unfurl_links": false, "unfurl_media": false, "reply_broadcast": false, "metadata": {"event_type": "answer", "event_payload": {"id": 1}}});
    let answer = place.good("chat.postMessage", &flags);
    assert_eq!(answer["message"]["thread_ts"], said.as_str());
    assert_eq!(answer["message"]["bot_id"], place.app.bot_id());
    assert_eq!(answer["message"]["blocks"][0]["type"], "rich_text");
    let sent = &place.general.posted()[0];
    assert_eq!((sent.text.as_str(), sent.thread_ts.as_deref(), sent.told), ("answer", Some(&*said), true));
    assert_eq!(sent.metadata["event_type"], "answer");
    assert_eq!(
        place.good("chat.postMessage", &json!({"channel": "U0ALICE", "text": "hi"}))["channel"],
        place.direct.id()
    );
    assert_eq!(
        place.good("chat.postMessage", &json!({"channel": "#general", "text": "hi"}))["channel"],
        "C0GENERAL"
    );
    let thread = place.read("conversations.replies", &format!("channel=C0GENERAL&ts={said}"));
    assert_eq!(thread["messages"][0]["reply_count"], 1);
    assert_eq!(thread["messages"][1]["text"], "answer");
    assert!(thread["messages"][1].get("metadata").is_none(), "{thread}");
    place.server.assert_no_violations();
}

#[test]
fn what_cannot_be_said_is_refused() {
    let place = Place::new();
    let text = |text: String| json!({"channel": "C0GENERAL", "text": text});
    place.good("chat.postMessage", &text("ä".repeat(40_000)));
    place.bad("chat.postMessage", &text("ä".repeat(40_001)), "msg_too_long");
    place.bad("chat.postMessage", &text(String::new()), "no_text");
    let blocks = |blocks: Value| json!({"channel": "C0GENERAL", "text": "x", "blocks": blocks});
    let section =
        |length: usize| json!({"type": "section", "text": {"type": "mrkdwn", "text": "a".repeat(length)}});
    place.good("chat.postMessage", &blocks(json!(vec![section(3_000); 50])));
    place.bad("chat.postMessage", &blocks(json!(vec![section(1); 51])), "invalid_blocks");
    let long = place.bad("chat.postMessage", &blocks(json!([section(3_001)])), "invalid_blocks");
    assert_eq!(
        long["response_metadata"]["messages"],
        json!(["[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"])
    );
    place.bad("chat.postMessage", &blocks(json!([{"type": "poem"}])), "invalid_blocks");
    place.bad("chat.postMessage", &blocks(json!({"type": "divider"})), "invalid_blocks_format");
    let nowhere = |channel: &str| json!({"channel": channel, "text": "x"});
    place.bad("chat.postMessage", &nowhere("C0NOWHERE"), "channel_not_found");
    place.bad(
        "chat.postMessage",
        &json!({"channel": "C0GENERAL", "text": "x", "thread_ts": "1.000001"}),
        "thread_not_found",
    );
    place.app.channel("C0OTHER", "other").remove_bot();
    place.bad("chat.postMessage", &nowhere("C0OTHER"), "not_in_channel");
    place.app.group("C0SECRET", "secret").remove_bot();
    place.bad("chat.postMessage", &nowhere("C0SECRET"), "channel_not_found");
    place.general.archive();
    place.bad("chat.postMessage", &nowhere("C0GENERAL"), "is_archived");
    assert_eq!(place.general.posted().len(), 2);
}

#[test]
fn messages_are_changed_and_taken_back() {
    let place = Place::new();
    let ts = place.offer();
    let change = |more: &str| json!({"channel": "C0GENERAL", "ts": ts, "text": more});
    let changed = place.good("chat.update", &change("Chosen"));
    assert_eq!(changed["text"], "Chosen");
    assert_eq!(changed["message"]["blocks"][0]["type"], "rich_text", "a text alone takes the blocks away");
    let sent = &place.general.posted()[0];
    assert_eq!((sent.text.as_str(), sent.edits.as_slice()), ("Chosen", ["Choose".to_owned()].as_slice()));
    assert!(sent.buttons().is_empty());
    place.bad("chat.update", &change(&"a".repeat(4_001)), "msg_too_long");
    let theirs = place.general.say(&place.alice, "mine").ts;
    place.bad(
        "chat.update",
        &json!({"channel": "C0GENERAL", "ts": theirs, "text": "x"}),
        "cant_update_message",
    );
    place.bad("chat.delete", &json!({"channel": "C0GENERAL", "ts": theirs}), "cant_delete_message");
    place.bad(
        "chat.update",
        &json!({"channel": "C0GENERAL", "ts": "1.000001", "text": "x"}),
        "message_not_found",
    );
    place.good("chat.delete", &json!({"channel": "C0GENERAL", "ts": ts}));
    assert!(place.general.posted()[0].deleted);
    place.bad("chat.delete", &json!({"channel": "C0GENERAL", "ts": ts}), "message_not_found");
    let direct = place.good("chat.postMessage", &json!({"channel": "U0ALICE", "text": "x"}));
    let by_person = json!({"channel": "U0ALICE", "ts": direct["ts"], "text": "y"});
    place.bad("chat.update", &by_person, "channel_not_found");
    place.server.assert_no_violations();
}

#[test]
fn some_things_are_for_one_person_or_only_shown() {
    let place = Place::new();
    let said = place.general.say(&place.alice, "question").ts;
    place.good(
        "chat.postEphemeral",
        &json!({"channel": "C0GENERAL", "user": "U0ALICE", "text": "psst", "thread_ts": said}),
    );
    place.bad(
        "chat.postEphemeral",
        &json!({"channel": "C0GENERAL", "user": "U0BOB", "text": "psst"}),
        "user_not_in_channel",
    );
    let one = &place.general.ephemeral()[0];
    assert_eq!((one.text.as_str(), one.only_for.as_deref()), ("psst", Some("U0ALICE")));
    assert!(place.general.posted().is_empty());
    for status in ["is thinking…", "", "is writing…"] {
        place.good(
            "assistant.threads.setStatus",
            &json!({"channel_id": "C0GENERAL", "thread_ts": said, "status": status}),
        );
    }
    let shown: Vec<_> = place.general.statuses().into_iter().map(|status| status.status).collect();
    assert_eq!(shown, ["is thinking…", "", "is writing…"]);
    assert_eq!(place.general.shown(&said).as_deref(), Some("is writing…"));
    place.good("chat.postMessage", &json!({"channel": "C0GENERAL", "text": "answer", "thread_ts": said}));
    assert_eq!(place.general.shown(&said), None);
    place.good("reactions.add", &json!({"channel": "C0GENERAL", "timestamp": said, "name": "eyes"}));
    place.bad(
        "reactions.add",
        &json!({"channel": "C0GENERAL", "timestamp": said, "name": "eyes"}),
        "already_reacted",
    );
    assert_eq!(place.general.message(&said).unwrap()["reactions"][0]["count"], 1);
    place.good("reactions.remove", &json!({"channel": "C0GENERAL", "timestamp": said, "name": "eyes"}));
    place.bad(
        "reactions.remove",
        &json!({"channel": "C0GENERAL", "timestamp": said, "name": "eyes"}),
        "no_reaction",
    );
    place.server.assert_no_violations();
}

#[test]
fn conversations_and_people_are_listed() {
    let place = Place::new();
    let first = place.general.say(&place.alice, "one").ts;
    place.general.reply(&place.bob, &first, "in the thread");
    place.general.say(&place.bob, "two");
    let page = place.read("conversations.history", "channel=C0GENERAL&limit=1");
    assert_eq!((page["messages"][0]["text"].as_str(), page["has_more"].as_bool()), (Some("two"), Some(true)));
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    let rest = place.read("conversations.history", &format!("channel=C0GENERAL&limit=1&cursor={cursor}"));
    assert_eq!(
        (rest["messages"][0]["text"].as_str(), rest["has_more"].as_bool()),
        (Some("one"), Some(false))
    );
    let later = place.read("conversations.history", &format!("channel=C0GENERAL&oldest={first}"));
    assert_eq!(later["messages"].as_array().unwrap().len(), 1);
    let all = place.read("conversations.list", "types=public_channel,im");
    assert_eq!(all["channels"].as_array().unwrap().len(), 2);
    let members = place.read("conversations.members", "channel=C0GENERAL");
    assert_eq!(members["members"].as_array().unwrap().len(), 3);
    assert_eq!(
        place.good("conversations.open", &json!({"users": "U0ALICE"}))["channel"]["id"],
        place.direct.id()
    );
    let several = place.good("conversations.open", &json!({"users": "U0ALICE,U0BOB", "return_im": true}));
    assert_eq!(several["channel"]["is_mpim"], true);
    assert_eq!(place.read("users.info", "user=U0BOB")["user"]["profile"]["display_name"], "Bob");
    assert_eq!(place.read("users.info", "user=U0NOBODY")["error"], "user_not_found");
    let bot = place.read("bots.info", &format!("bot={}", place.app.bot_id()));
    assert_eq!(bot["bot"]["user_id"], place.app.user().id);
    assert_eq!(
        place.read("conversations.replies", "channel=C0GENERAL&ts=1.000001")["error"],
        "thread_not_found"
    );
    let link = place.read("chat.getPermalink", &format!("channel=C0GENERAL&message_ts={first}"));
    assert!(link["permalink"].as_str().unwrap().contains("/archives/C0GENERAL/p"), "{link}");
    place.server.assert_no_violations();
}

#[test]
fn what_was_said_is_read_page_by_page() {
    let place = Place::new();
    let root = place.general.say(&place.alice, "one").ts;
    let says = |text: &str| json!({"channel": "C0GENERAL", "text": text, "thread_ts": root});
    place.good("chat.postMessage", &says("answer"));
    let told = place.general.draft(&place.bob, "to all").thread(&root).broadcast().send().ts;
    place.general.say(&place.bob, "two");
    let texts = |answer: &Value| {
        let messages = answer["messages"].as_array().unwrap().iter();
        messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let history = place.read("conversations.history", "channel=C0GENERAL");
    assert_eq!(texts(&history), ["two", "to all", "one"], "newest first, and no answers in threads");
    let first = &history["messages"][2];
    assert_eq!((&first["reply_count"], &first["latest_reply"]), (&json!(2), &json!(told)));
    let me = place.app.user();
    assert_eq!(first["reply_users"], json!([me.id, place.bob.id]));
    let thread =
        |more: &str| place.read("conversations.replies", &format!("channel=C0GENERAL&ts={root}{more}"));
    let page = thread("&limit=2");
    assert_eq!((texts(&page), page["has_more"].as_bool()), (vec!["one".into(), "answer".into()], Some(true)));
    let own = &page["messages"][1];
    assert_eq!((&own["user"], &own["bot_id"]), (&json!(me.id), &json!(place.app.bot_id())));
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    assert_eq!(texts(&thread(&format!("&limit=2&cursor={cursor}"))), ["to all"]);
    assert_eq!(texts(&thread(&format!("&oldest={told}"))), ["one"], "the first one comes in any case");
    assert_eq!(texts(&thread(&format!("&oldest={told}&inclusive=true"))), ["one", "to all"]);
    place.server.assert_no_violations();
}

#[test]
fn files_go_up_and_down() {
    let place = Place::new();
    let begun = place.read("files.getUploadURLExternal", "filename=a.txt&length=7");
    let (url, id) = (begun["upload_url"].as_str().unwrap(), begun["file_id"].as_str().unwrap());
    let path = url.strip_prefix(&format!("http://{}", place.server.address())).unwrap();
    let complete =
        json!({"files": [{"id": id, "title": "A"}], "channel_id": "C0GENERAL", "initial_comment": "look"});
    place.bad("files.completeUploadExternal", &complete, "file_not_found");
    assert!(place.post(path, "", "application/octet-stream", "content").ends_with("OK - 7"));
    let done = place.good("files.completeUploadExternal", &complete);
    assert_eq!(done["files"][0]["title"], "A");
    let sent = &place.general.posted()[0];
    assert_eq!(sent.text, "look");
    assert_eq!(place.general.message(&sent.ts).unwrap()["files"][0]["id"], id);
    assert_eq!(place.read("files.info", &format!("file={id}"))["file"]["size"], 7);
    let address = done["files"][0]["url_private"].as_str().unwrap();
    let path = address.strip_prefix(&format!("http://{}", place.server.address())).unwrap();
    assert!(path.starts_with("/files/"), "{path}");
    assert!(place.get(path, BOT).ends_with("\r\n\r\ncontent"));
    let page = place.get(path, "xoxb-other");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("Sign in"), "{page}");
    place.server.assert_no_violations();
}

#[test]
fn the_same_message_is_said_once_where_the_server_knows_it() {
    let place = Place::new();
    let say =
        json!({"channel": "C0GENERAL", "text": "x", "client_msg_id": "5c2ab0f6-0000-4000-8000-000000000001"});
    place.good("chat.postMessage", &say);
    place.good("chat.postMessage", &say);
    assert_eq!(place.general.posted().len(), 2, "nothing of it is promised");
    place.server.deduplicates(true);
    let again = place.good("chat.postMessage", &say);
    assert_eq!(again["ts"], place.general.posted()[0].ts);
    assert_eq!(place.general.posted().len(), 2);
    place.server.assert_no_violations();
}
