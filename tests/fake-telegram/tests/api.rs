//! The fake as a client meets it: over HTTP, with requests written by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use openpact_fake_telegram::{Bot, Chat, Fault, Flood, Rule, Server, User};
use serde_json::{Value, json};

const TOKEN: &str = "123456:AA-secret";
const SOON: Duration = Duration::from_secs(20);

/// A server, its bot, a person, and their chat.
struct Place {
    server: Server,
    bot: Bot,
    alice: User,
    chat: Chat,
}

impl Place {
    fn new() -> Self {
        let server = Server::start().unwrap();
        let bot = server.bot(TOKEN);
        let alice = server.user(42, "Alice");
        let chat = bot.private(&alice);
        Self { server, bot, alice, chat }
    }

    /// The bytes that come back.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A fault may break the connection; what came until then counts.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    fn call(&self, method: &str, body: &Value) -> Value {
        let answer = self.post(&format!("/bot{TOKEN}/{method}"), "application/json", &body.to_string());
        parse(&answer)
    }

    #[track_caller]
    fn good(&self, method: &str, body: &Value) -> Value {
        let answer = self.call(method, body);
        assert_eq!(answer["ok"], true, "{method} {body}: {answer}");
        answer["result"].clone()
    }

    #[track_caller]
    fn bad(&self, method: &str, body: &Value, code: u16, why: &str) -> Value {
        let answer = self.call(method, body);
        assert_eq!(answer["error_code"], code, "{method} {body}: {answer}");
        let description = answer["description"].as_str().unwrap();
        assert!(description.contains(why), "{method} {body}: {answer}");
        answer
    }

    fn updates(&self, offset: i64) -> Vec<Value> {
        self.good("getUpdates", &json!({ "offset": offset })).as_array().unwrap().clone()
    }
}

fn parse(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn updates_stay_until_a_higher_offset_confirms_them() {
    let place = Place::new();
    let ids: Vec<i64> = (0..3).map(|n| place.chat.say(&place.alice, &format!("m{n}")).update_id).collect();
    assert_eq!(ids[2], ids[0] + 2);
    assert_eq!(place.updates(0).len(), 3);
    assert_eq!(place.updates(0).len(), 3, "without an offset nothing is confirmed");
    assert_eq!(place.updates(ids[0]).len(), 3, "the offset itself is not confirmed");
    let left = place.updates(ids[1]);
    assert_eq!(left[0]["message"]["text"], "m1");
    assert_eq!(place.updates(0).len(), 2, "what was confirmed is forgotten");
    let limited = place.good("getUpdates", &json!({"limit": 1}));
    assert_eq!(limited.as_array().unwrap().len(), 1);
    assert_eq!(place.updates(-1)[0]["message"]["text"], "m2");
    assert_eq!(place.updates(0).len(), 1, "a negative offset forgets those before");
    place.server.advance(Duration::from_hours(24) + Duration::from_secs(1));
    assert!(place.updates(0).is_empty(), "updates are kept for a day");
    place.server.assert_no_violations();
}

#[test]
fn a_long_poll_ends_when_something_is_said() {
    let place = Place::new();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| place.good("getUpdates", &json!({"timeout": 50})));
        place.server.wait("the poll", SOON, |world| (world.polls() == 1).then_some(()));
        place.chat.say(&place.alice, "hello");
        waiting.join().unwrap()
    });
    assert_eq!(waiting[0]["message"]["text"], "hello");
}

#[test]
fn a_newer_poller_ends_the_older_one() {
    let place = Place::new();
    std::thread::scope(|scope| {
        let older = scope.spawn(|| place.call("getUpdates", &json!({"timeout": 50, "limit": 1})));
        // Short polls until one of them has ended the older one.
        while !older.is_finished() {
            place.call("getUpdates", &json!({}));
        }
        let answer = older.join().unwrap();
        assert_eq!(answer["error_code"], 409, "{answer}");
        assert!(
            answer["description"].as_str().unwrap().starts_with("Conflict: terminated by other getUpdates")
        );
    });
    place.good("setWebhook", &json!({"url": "https://example.com/hook"}));
    place.bad("getUpdates", &json!({}), 409, "webhook is active");
    assert_eq!(place.good("getWebhookInfo", &json!({}))["url"], "https://example.com/hook");
    place.good("deleteWebhook", &json!({}));
    place.updates(0);
}

#[test]
fn kinds_that_were_not_asked_for_do_not_come() {
    let place = Place::new();
    place.good("getUpdates", &json!({"allowed_updates": ["callback_query"]}));
    place.chat.say(&place.alice, "unheard");
    assert!(place.updates(0).is_empty(), "the setting of before holds");
    place.good("getUpdates", &json!({"allowed_updates": []}));
    let said = place.chat.say(&place.alice, "heard");
    place.chat.edit(said.message_id, "heard, changed");
    let updates = place.updates(0);
    assert_eq!(updates.len(), 2);
    assert_eq!(updates[1]["edited_message"]["text"], "heard, changed");
    place.bot.push(json!({"some_new_kind": {"a": 1}}));
    assert_eq!(place.updates(0).len(), 3);
}

#[test]
fn parameters_come_in_four_ways() {
    let place = Place::new();
    let path = format!("/bot{TOKEN}/sendMessage");
    let asked = "reply_parameters=%7B%22message_id%22%3A1%7D&text=a%20b&chat_id=42";
    place.chat.say(&place.alice, "first");
    let query = place.raw(&format!("GET {path}?{asked} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    let form = place.post(&path, "application/x-www-form-urlencoded", asked);
    let parts = "--B\r\ncontent-disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n--B\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\na b\r\n--B\r\ncontent-disposition: form-data; name=\"reply_parameters\"\r\n\r\n{\"message_id\":1}\r\n--B--\r\n";
    let multipart = place.post(&path, "multipart/form-data; boundary=B", parts);
    let object = json!({"chat_id": 42, "text": "a b", "reply_parameters": {"message_id": 1}});
    let typed = place.post(&path, "application/json", &object.to_string());
    for answer in [query, form, multipart, typed] {
        let message = &parse(&answer)["result"];
        assert_eq!(message["text"], "a b", "{answer}");
        assert_eq!(message["reply_to_message"]["text"], "first", "{answer}");
    }
    assert_eq!(place.server.look(|world| world.duplicates(42)).len(), 3);
    place.server.assert_no_violations();
}

#[test]
fn texts_are_parsed_and_measured() {
    let place = Place::new();
    let marked = |text: &str, mode: &str| json!({"chat_id": 42, "text": text, "parse_mode": mode});
    place.good("sendMessage", &marked("<b>hi</b>", "HTML"));
    let sent = &place.chat.sent()[0];
    assert_eq!((sent.text.as_str(), sent.entities[0].kind.as_str()), ("hi", "bold"));
    place.bad("sendMessage", &marked("<b>hi", "HTML"), 400, "can't parse entities: Can't find end tag");
    place.bad(
        "sendMessage",
        &marked("a.", "MarkdownV2"),
        400,
        "can't parse entities: Character '.' is reserved",
    );
    place.bad("sendMessage", &marked("<b> </b>", "HTML"), 400, "message text is empty");
    let plain = |text: String| json!({"chat_id": 42, "text": text});
    place.good("sendMessage", &plain("😀".repeat(2_048)));
    place.bad("sendMessage", &plain("😀".repeat(2_048) + "a"), 400, "message is too long");
    place.good("sendMessage", &marked(&format!("<b>{}</b>", "a".repeat(4_096)), "HTML"));
    assert_eq!(place.chat.sent().len(), 3);
    place.server.assert_no_violations();
}

#[test]
fn what_is_not_there_is_refused() {
    let place = Place::new();
    let forum = place.bot.forum(-1001, "Forum");
    let topic = forum.topic("News");
    place.bad("sendMessage", &json!({"chat_id": 7, "text": "x"}), 400, "chat not found");
    let reply = |id: i64, anyway: bool| json!({"chat_id": 42, "text": "x", "reply_parameters": {"message_id": id, "allow_sending_without_reply": anyway}});
    place.bad("sendMessage", &reply(99, false), 400, "message to be replied not found");
    place.good("sendMessage", &reply(99, true));
    let thread = |id: i64| json!({"chat_id": -1001, "text": "x", "message_thread_id": id});
    assert_eq!(place.good("sendMessage", &thread(topic))["message_thread_id"], topic);
    place.bad("sendMessage", &thread(topic + 7), 400, "message thread not found");
    place.bad("sendMessage", &thread(1), 400, "message thread not found");
    place.bad(
        "editMessageText",
        &json!({"chat_id": 42, "message_id": 99, "text": "x"}),
        400,
        "message to edit not found",
    );
    place.bad("deleteMessage", &json!({"chat_id": 42, "message_id": 99}), 400, "message to delete not found");
    place.bad("getFile", &json!({"file_id": "x"}), 400, "invalid file_id");
    place.bad("answerCallbackQuery", &json!({"callback_query_id": "1"}), 400, "query is too old");
    place.bad("sendChatAction", &json!({"chat_id": 42, "action": "dance"}), 400, "wrong parameter action");
    place.chat.block("bot was blocked by the user");
    place.bad("sendMessage", &json!({"chat_id": 42, "text": "x"}), 403, "bot was blocked by the user");
    place.server.assert_no_violations();
    place.bad("makeCoffee", &json!({}), 404, "method not found");
    let other = place.post("/bot9:wrong/getMe", "application/json", "{}");
    assert!(other.starts_with("HTTP/1.1 401 "), "{other}");
    assert_eq!(parse(&other), json!({"ok": false, "error_code": 401, "description": "Unauthorized"}));
    place.bot.revoke();
    place.bad("getMe", &json!({}), 401, "Unauthorized");
}

#[test]
fn messages_are_changed_and_taken_back() {
    let place = Place::new();
    let sent = place.good("sendMessage", &json!({"chat_id": 42, "text": "one", "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}}));
    let id = sent["message_id"].as_i64().unwrap();
    assert_eq!(place.chat.sent()[0].buttons, [["yes"]]);
    let same = json!({"chat_id": 42, "message_id": id, "text": "one", "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}});
    place.bad("editMessageText", &same, 400, "message is not modified");
    let (_, query) = place.chat.press(&place.alice, id, "yes");
    assert_eq!(place.updates(0)[0]["callback_query"]["data"], "yes");
    place.good("answerCallbackQuery", &json!({"callback_query_id": query}));
    place.bad("answerCallbackQuery", &json!({"callback_query_id": query}), 400, "query is too old");
    place.good(
        "editMessageText",
        &json!({"chat_id": 42, "message_id": id, "text": "*two*", "parse_mode": "MarkdownV2"}),
    );
    let now = &place.chat.sent()[0];
    assert_eq!((now.text.as_str(), now.edits.as_slice()), ("two", ["one".to_owned()].as_slice()));
    assert!(now.buttons.is_empty(), "an edit without buttons takes them away");
    place.good("deleteMessages", &json!({"chat_id": 42, "message_ids": [id, id + 1]}));
    assert!(place.chat.sent()[0].deleted);
    let theirs = place.chat.say(&place.alice, "mine").message_id;
    place.bad(
        "editMessageText",
        &json!({"chat_id": 42, "message_id": theirs, "text": "x"}),
        400,
        "can't be edited",
    );
    place.server.assert_no_violations();
}

#[test]
fn commands_and_chats_and_files() {
    let place = Place::new();
    let commands = json!([{"command": "new", "description": "Start over"}]);
    place.good("setMyCommands", &json!({"commands": commands}));
    assert_eq!(place.good("getMyCommands", &json!({})), commands);
    place.bad(
        "setMyCommands",
        &json!({"commands": [{"command": "mode-full", "description": "x"}]}),
        400,
        "BOT_COMMAND_INVALID",
    );
    place.good("deleteMyCommands", &json!({}));
    assert_eq!(place.good("getMyCommands", &json!({})), json!([]));
    assert_eq!(place.good("getMe", &json!({}))["username"], place.bot.username());
    assert_eq!(place.good("getChat", &json!({"chat_id": 42}))["first_name"], "Alice");
    place.chat.draft(&place.alice, "look").document("a.txt", "text/plain", b"content").send();
    let update = &place.updates(0)[0]["message"];
    assert_eq!(update["caption"], "look");
    let file = place.good("getFile", &json!({"file_id": update["document"]["file_id"]}));
    let path = file["file_path"].as_str().unwrap();
    let bytes =
        place.raw(&format!("GET /file/bot{TOKEN}/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert!(bytes.ends_with("\r\n\r\ncontent"), "{bytes}");
    place.server.assert_no_violations();
}

#[test]
fn what_people_and_others_send_is_as_described() {
    let place = Place::new();
    let group = place.bot.group(-5, "Group");
    let forum = place.bot.forum(-1001, "Forum");
    let supergroup = place.bot.supergroup(-1002, "Big");
    let channel = place.bot.channel(-1003, "Channel");
    let topic = forum.topic("News");
    let first = supergroup.say(&place.alice, &format!("@{} /start@x hi", place.bot.username()));
    supergroup.draft(&place.alice, "b").reply_to(first.message_id).send();
    forum.draft(&place.alice, "a").thread(topic).send();
    group.draft(&place.alice, "f").forwarded_from(&place.server.user(7, "Bob")).send();
    group.draft(&place.alice, "f").forwarded_from_hidden("Somebody").send();
    group.draft(&place.alice, "anonymous").anonymous().send();
    group.draft(&place.bot.user(), "a bot").send();
    group.service(&place.alice, &json!({"new_chat_title": "New"}));
    group.album(&place.alice, "album", &[b"1", b"2", b"3"]).send();
    let post = channel.post("news");
    channel.edit(post.message_id, "newer");
    let updates = place.updates(0);
    assert_eq!(updates.len(), 13, "{updates:#?}");
    assert_eq!(updates[0]["message"]["entities"][0]["type"], "mention");
    assert_eq!(updates[0]["message"]["entities"][1]["type"], "bot_command");
    assert_eq!(
        updates[1]["message"]["message_thread_id"], first.message_id,
        "a chain of replies has a number"
    );
    assert_eq!(updates[12]["edited_channel_post"]["text"], "newer");
    place.server.assert_no_violations();
}

#[test]
fn in_privacy_mode_a_bot_gets_commands_and_replies_but_no_mentions() {
    let place = Place::new();
    let group = place.bot.supergroup(-1002, "Big");
    let me = place.bot.username();
    let seen = |text: &str| group.say(&place.alice, text).update_id != 0;
    assert_eq!(place.good("getMe", &json!({}))["can_read_all_group_messages"], true);
    assert!(seen(&format!("@{me} hi")) && seen("not for the bot") && seen("/stop"));
    place.bot.privacy(true);
    assert_eq!(place.good("getMe", &json!({}))["can_read_all_group_messages"], false);
    assert!(!seen(&format!("@{me} hi")) && !seen("not for the bot"));
    assert!(seen(&format!("/stop@{me} now")) && !seen("/stop@another_bot"));
    assert!(!seen("/stop"), "the bot has not spoken yet");
    let sent = place.good("sendMessage", &json!({"chat_id": -1002, "text": "I am here"}));
    assert!(seen("/stop") && !seen(&format!("@{me} hi")));
    let sent = sent["message_id"].as_i64().unwrap();
    assert_ne!(group.draft(&place.alice, "so?").reply_to(sent).send().update_id, 0);
    let theirs = group.say(&place.alice, "mine").message_id;
    assert_eq!(group.draft(&place.alice, "so?").reply_to(theirs).send().update_id, 0);
    let album = group.album(&place.alice, &format!("@{me} look"), &[b"1", b"2"]).send();
    assert!(album.iter().all(|part| part.update_id == 0));
    assert_ne!(group.service(&place.alice, &json!({"new_chat_title": "New"})).update_id, 0);
    let mut other = place.server.user(7, "Other");
    other.is_bot = true;
    group.draft(&other, "it is my turn").send();
    assert!(!seen("/stop"), "the command is for the bot that spoke last");
    assert_ne!(place.chat.say(&place.alice, "in private").update_id, 0);
    assert_ne!(place.bot.channel(-1003, "Channel").post("news").update_id, 0);
    place.server.assert_no_violations();
}

#[test]
fn an_album_comes_with_one_poll_or_with_two() {
    let place = Place::new();
    place.chat.album(&place.alice, "one", &[b"1", b"2", b"3"]).send();
    let whole = place.updates(0);
    let group = |update: &Value| update["message"]["media_group_id"].as_str().unwrap().to_owned();
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|update| group(update) == group(&whole[0])));
    let captions: Vec<_> = whole.iter().map(|update| update["message"]["caption"].as_str()).collect();
    assert_eq!(captions, [Some("one"), None, None]);
    let photo = &whole[1]["message"]["photo"][0]["file_id"];
    assert_eq!(place.good("getFile", &json!({"file_id": photo}))["file_size"], 1);
    let next = whole[2]["update_id"].as_i64().unwrap() + 1;
    place.chat.album(&place.alice, "two", &[b"1", b"2", b"3"]).send_in_two(1);
    let first = place.updates(next);
    assert_eq!(first.len(), 1);
    let both = place.updates(next);
    assert_eq!((both.len(), &both[0]), (3, &first[0]));
    assert_ne!(group(&both[2]), group(&whole[0]));
    let mut rest = place.chat.album(&place.alice, "three", &[b"1", b"2"]);
    rest.send_some(1);
    assert_eq!(place.updates(next).len(), 4);
    rest.send();
    assert_eq!(place.updates(next).len(), 5);
    place.server.assert_no_violations();
}

#[test]
fn faults_strike_where_they_are_set() {
    let place = Place::new();
    let send = json!({"chat_id": 42, "text": "x"});
    place.server.fault(Rule::new(Fault::TooManyRequests(7)).method("sendMessage").chat(42).skip(1).times(1));
    place.good("sendMessage", &send);
    let answer = place.post(&format!("/bot{TOKEN}/sendMessage"), "application/json", &send.to_string());
    assert!(answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    assert_eq!(parse(&answer)["parameters"]["retry_after"], 7);
    place.good("sendMessage", &send);
    for (fault, code) in [
        (Fault::Conflict, 409),
        (Fault::Unauthorized, 401),
        (Fault::Forbidden, 403),
        (Fault::ServerError(500), 500),
        (Fault::BadRequest("Bad Request: no".to_owned()), 400),
    ] {
        place.server.fault(Rule::new(fault).times(1));
        place.bad("sendMessage", &send, code, "");
    }
    assert_eq!(place.chat.sent().len(), 2, "what was refused was not sent");
    let path = format!("/bot{TOKEN}/sendMessage");
    let strike = |fault: Fault| {
        place.server.fault(Rule::new(fault).times(1));
        let before = place.chat.sent().len();
        let answer = place.post(&path, "application/json", &send.to_string());
        (answer, place.chat.sent().len() - before)
    };
    assert_eq!(strike(Fault::CutBefore), (String::new(), 0));
    assert_eq!(strike(Fault::CutAfter), (String::new(), 1));
    assert!(!place.chat.sent().last().unwrap().told);
    let (half, done) = strike(Fault::CutBody);
    assert!(half.starts_with("HTTP/1.1 200 ") && !half.ends_with('}') && done == 1, "{half}");
    let (page, done) = strike(Fault::ServerErrorPage(502));
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("<html>") && done == 0, "{page}");
    let (page, done) = strike(Fault::TooManyRequestsPage(3));
    assert!(page.starts_with("HTTP/1.1 429 ") && page.contains("\r\nretry-after: 3\r\n"), "{page}");
    assert!(page.contains("<html>") && done == 0, "{page}");
    let (odd, done) = strike(Fault::Malformed);
    assert!(
        serde_json::from_str::<Value>(odd.split_once("\r\n\r\n").unwrap().1).is_err() && done == 1,
        "{odd}"
    );
    let (slow, done) = strike(Fault::Drip(1));
    assert!(parse(&slow)["ok"] == true && done == 1, "{slow}");
    place.server.seed(5);
    place.server.fault(Rule::new(Fault::ServerError(500)).chance(0.5));
    let failed = (0..200).filter(|_| place.call("getMe", &json!({}))["ok"] == false).count();
    assert!((50..150).contains(&failed), "{failed} of 200 failed");
    place.server.clear_faults();
    place.good("getMe", &json!({}));
    place.server.assert_no_violations();
}

#[test]
fn too_many_messages_are_refused_when_that_is_on() {
    let place = Place::new();
    place.server.flood(Some(Flood { per_chat: 2, per_group: 3, overall: 4 }));
    let send = |chat: i64| json!({"chat_id": chat, "text": "x"});
    place.bot.group(-5, "Group");
    place.good("sendMessage", &send(42));
    place.good("sendMessage", &send(42));
    let refused = place.bad("sendMessage", &send(42), 429, "Too Many Requests: retry after");
    assert!(refused["parameters"]["retry_after"].as_u64().unwrap() >= 1, "{refused}");
    place.good("sendMessage", &send(-5));
    place.good("sendMessage", &send(-5));
    place.server.advance(Duration::from_secs(2));
    place.good("sendMessage", &send(-5));
    place.bad("sendMessage", &send(-5), 429, "Too Many Requests");
    place.server.advance(Duration::from_secs(61));
    place.good("sendMessage", &send(-5));
}

#[test]
fn requests_are_judged_by_the_description() {
    let place = Place::new();
    if !place.server.judges() {
        return;
    }
    place.good("sendMessage", &json!({"chat_id": 42, "text": "x", "colour": "red"}));
    place.good("sendMessage", &json!({"chat_id": "42", "text": "x", "disable_notification": "true"}));
    place.good("sendMessage", &json!({"chat_id": 42, "text": "x", "link_preview_options": {"is_off": true}}));
    place.bad("sendMessage", &json!({"chat_id": 42}), 400, "message text is empty");
    let violations = place.server.violations();
    assert_eq!(
        violations,
        [
            "sendMessage: there is no parameter 'colour'",
            "sendMessage.disable_notification: expected Boolean, got \"true\"",
            "sendMessage.link_preview_options: LinkPreviewOptions has no field 'is_off'",
            "sendMessage: the parameter 'text' is missing",
        ]
    );
}

#[test]
fn ten_thousand_chats_are_no_trouble() {
    let place = Place::new();
    for id in 1..=10_000 {
        let user = place.server.user(id, "Somebody");
        place.bot.private(&user).say(&user, "hello");
    }
    let mut offset = 0;
    let mut seen = 0;
    loop {
        let updates = place.updates(offset);
        let Some(last) = updates.last() else { break };
        offset = last["update_id"].as_i64().unwrap() + 1;
        seen += updates.len();
    }
    assert_eq!((seen, place.bot.pending()), (10_000, 0));
}
