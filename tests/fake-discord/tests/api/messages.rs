//! Messages, files, threads, private channels.

use std::time::Duration;

use serde_json::json;

use crate::place::Place;

const MESSAGES: &str = "/channels/200/messages";

#[test]
fn the_bot_learns_who_it_is() {
    let place = Place::new();
    let nothing = json!(null);
    assert_eq!(place.good("GET", "/gateway", &nothing)["url"], place.server.gateway_url());
    let gateway = place.good("GET", "/gateway/bot", &nothing);
    assert_eq!(gateway["session_start_limit"]["max_concurrency"], 1);
    assert_eq!(place.good("GET", "/users/@me", &nothing)["id"], "700");
    for path in ["/applications/@me", "/oauth2/applications/@me"] {
        assert_eq!(place.good("GET", path, &nothing)["flags"], 1 << 13 | 1 << 15 | 1 << 19);
    }
    assert_eq!(place.good("GET", "/channels/200", &nothing)["name"], "general");
    place.server.assert_no_violations();
    place.bad("GET", "/channels/201", &nothing, 404, 10_003);
    place.bad("GET", "/users/@me/guilds/1", &nothing, 404, 0);
    place.bad("PUT", "/users/@me", &nothing, 405, 0);
    let old = place.raw(b"GET /api/v6/gateway HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    assert_eq!(old.body()["code"], 50_041);
}

#[test]
fn only_a_bot_with_its_token_gets_in() {
    let place = Place::new();
    for header in ["", "authorization: NzAw.secret\r\n", "authorization: Bot wrong\r\n"] {
        let request =
            format!("GET /api/v10/users/@me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n");
        let answer = place.raw(request.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body()["message"].as_str()), (401, Some("401: Unauthorized")));
    }
    assert_eq!(place.server.look(openpact_fake_discord::World::invalid_requests), 3);
    place.bot.revoke();
    place.bad("GET", "/users/@me", &json!(null), 401, 0);
}

#[test]
fn messages_are_measured() {
    let place = Place::new();
    place.post(&json!({"content": "😀".repeat(2_000)}));
    let long = place.bad("POST", MESSAGES, &json!({"content": "x".repeat(2_001)}), 400, 50_035);
    let error = &long["errors"]["content"]["_errors"][0];
    assert_eq!(error["code"], "BASE_TYPE_MAX_LENGTH", "{long}");
    place.bad("POST", MESSAGES, &json!({"content": " "}), 400, 50_006);
    let embeds = |count: usize, length: usize| json!({"embeds": vec![json!({"description": "x".repeat(length)}); count]});
    place.post(&embeds(10, 600));
    let large = place.bad("POST", MESSAGES, &embeds(10, 601), 400, 50_035);
    assert_eq!(large["errors"]["embeds"]["_errors"][0]["code"], "MAX_EMBED_SIZE_EXCEEDED");
    assert_eq!(place.general.sent().len(), 2);
    place.server.assert_no_violations();
}

#[test]
fn a_nonce_that_is_enforced_sends_once() {
    let place = Place::new();
    let once = json!({"content": "once", "nonce": "n1", "enforce_nonce": true});
    let first = place.post(&once);
    assert_eq!(place.post(&once)["id"], first["id"]);
    assert_eq!(place.general.sent().len(), 1);
    assert_eq!(place.general.sent()[0].nonce.as_deref(), Some("n1"));
    let number = json!({"content": "other", "nonce": 5, "enforce_nonce": true});
    assert_eq!(place.post(&number)["id"], place.post(&number)["id"]);
    assert_ne!(place.post(&json!({"content": "x", "nonce": "n1"}))["id"], first["id"], "not enforced");
    place.server.advance(Duration::from_mins(6));
    assert_ne!(place.post(&once)["id"], first["id"], "a nonce holds for minutes");
    place.server.assert_no_violations();
}

#[test]
fn replies_tell_those_who_may_be_told() {
    let place = Place::new();
    let said = place.general.say(&place.alice, "hello");
    let reply = |mentions| json!({"content": "<@42> @everyone", "allowed_mentions": mentions, "message_reference": {"message_id": said.to_string()}});
    let quiet = place.post(&reply(json!({"parse": []})));
    assert_eq!((&quiet["type"], &quiet["mentions"]), (&json!(19), &json!([])));
    assert_eq!(quiet["referenced_message"]["content"], "hello");
    place.post(&reply(json!({"parse": [], "replied_user": true})));
    place.post(&reply(json!({"users": ["42"]})));
    place.post(&json!({"content": "<@42> @everyone"}));
    let sent = place.general.sent();
    let pings: Vec<_> = sent.iter().map(|sent| (sent.pings.len(), sent.pings_everyone)).collect();
    assert_eq!(pings, [(0, false), (1, false), (1, false), (1, true)]);
    assert_eq!(sent[0].reply_to, Some(said));
    let both = reply(json!({"parse": ["users"], "users": ["42"]}));
    place.bad("POST", MESSAGES, &both, 400, 50_035);
    let unknown = json!({"content": "x", "message_reference": {"message_id": "7"}});
    let refused = place.bad("POST", MESSAGES, &unknown, 400, 50_035);
    assert_eq!(refused["errors"]["message_reference"]["_errors"][0]["code"], "REPLIES_UNKNOWN_MESSAGE");
    let anyway =
        json!({"content": "x", "message_reference": {"message_id": "7", "fail_if_not_exists": false}});
    assert_eq!(place.post(&anyway)["type"], 0);
    place.server.assert_no_violations();
}

#[test]
fn messages_are_changed_and_taken_back() {
    let place = Place::new();
    let id = place.post(&json!({"content": "one"}))["id"].as_str().unwrap().to_owned();
    let path = format!("{MESSAGES}/{id}");
    let changed = place.good("PATCH", &path, &json!({"content": "two"}));
    assert!(changed["edited_timestamp"].is_string() && changed["content"] == "two", "{changed}");
    assert_eq!(place.general.sent()[0].edits, ["one"]);
    place.bad("PATCH", &path, &json!({"content": ""}), 400, 50_006);
    let theirs = format!("{MESSAGES}/{}", place.general.say(&place.alice, "mine"));
    place.bad("PATCH", &theirs, &json!({"content": "x"}), 403, 50_005);
    place.bad("DELETE", &theirs, &json!(null), 403, 50_013);
    let listed = place.good("GET", &format!("{MESSAGES}?limit=1&after={id}"), &json!(null));
    assert_eq!(listed[0]["content"], "mine");
    assert_eq!(place.good("GET", MESSAGES, &json!(null)).as_array().unwrap().len(), 2);
    place.done("DELETE", &path, &json!(null));
    place.bad("GET", &path, &json!(null), 404, 10_008);
    place.bad("PATCH", &path, &json!({"content": "x"}), 404, 10_008);
    assert!(place.general.sent()[0].deleted);
    place.server.assert_no_violations();
}

#[test]
fn files_come_and_go() {
    let place = Place::new();
    let parts = "--B\r\ncontent-disposition: form-data; name=\"payload_json\"\r\ncontent-type: application/json\r\n\r\n{\"content\":\"look\",\"attachments\":[{\"id\":0,\"description\":\"a note\"}]}\r\n--B\r\ncontent-disposition: form-data; name=\"files[0]\"; filename=\"a b.txt\"\r\ncontent-type: text/plain\r\n\r\nwhat it says\r\n--B--\r\n";
    let answer = place.send("POST", MESSAGES, "multipart/form-data; boundary=B", parts.as_bytes()).unwrap();
    let message = answer.body();
    let file = &message["attachments"][0];
    assert_eq!((&file["filename"], &file["description"]), (&json!("a b.txt"), &json!("a note")), "{message}");
    assert_eq!(place.general.sent()[0].files, ["a b.txt"]);
    let url = file["url"].as_str().unwrap();
    let fetch = |url: &str| {
        let path = url.strip_prefix(&place.server.base_url()).unwrap();
        place.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap()
    };
    assert_eq!(fetch(url).text, "what it says");
    assert_eq!(fetch(url).header("content-type"), Some("text/plain"));
    assert_eq!(fetch(url.split('?').next().unwrap()).status, 404, "a link is signed");
    let missing = json!({"content": "x", "attachments": [{"id": "1"}]});
    place.bad("POST", MESSAGES, &missing, 400, 50_035);
    let path = format!("{MESSAGES}/{}", message["id"].as_str().unwrap());
    assert_eq!(place.good("PATCH", &path, &json!({"attachments": []}))["attachments"], json!([]));
    place.server.advance(Duration::from_hours(25));
    assert_eq!(fetch(url).status, 404, "a link holds for a day");
    place.server.assert_no_violations();
}

#[test]
fn threads_and_private_channels() {
    let place = Place::new();
    let said = place.general.say(&place.alice, "a topic");
    let path = format!("{MESSAGES}/{said}/threads");
    let thread = place.good("POST", &path, &json!({"name": "Aside", "auto_archive_duration": 60}));
    assert_eq!((&thread["id"], &thread["type"]), (&json!(said.to_string()), &json!(11)));
    place.bad("POST", &path, &json!({"name": "Aside"}), 400, 160_004);
    place.good("POST", &format!("/channels/{said}/messages"), &json!({"content": "inside"}));
    place.bad("POST", &format!("/channels/{said}/threads"), &json!({"name": "deeper"}), 400, 50_024);
    place.done("PUT", &format!("/channels/{said}/thread-members/@me"), &json!(null));
    let alone = place.good("POST", "/channels/200/threads", &json!({"name": "Alone", "type": 11}));
    assert_eq!(place.server.look(openpact_fake_discord::World::threads).len(), 2);
    let path = format!("/channels/{}", alone["id"].as_str().unwrap());
    let archived = place.good("PATCH", &path, &json!({"archived": true}));
    assert_eq!(archived["thread_metadata"]["archived"], true);
    let private = place.good("POST", "/users/@me/channels", &json!({"recipient_id": "42"}));
    assert_eq!(private["id"], place.bot.direct(&place.alice).id().to_string());
    let there = format!("/channels/{}/messages", private["id"].as_str().unwrap());
    place.good("POST", &there, &json!({"content": "hi"}));
    place.bad("POST", "/users/@me/channels", &json!({"recipient_id": "43"}), 400, 50_033);
    let direct = place.bot.direct(&place.alice);
    direct.block();
    place.bad("POST", &there, &json!({"content": "hi"}), 403, 50_007);
    direct.unblock();
    place.done("POST", &format!("/channels/{}/typing", direct.id()), &json!(null));
    assert_eq!(place.server.look(|world| world.typing(direct.id()).len()), 1);
    assert_eq!((direct.sent().len(), place.guild.id()), (1, 100));
    place.server.assert_no_violations();
}
