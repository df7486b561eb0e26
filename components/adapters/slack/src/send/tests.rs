//! Sending against a script.

use std::cell::RefCell;
use std::collections::VecDeque;

use openpact_sdk::adapter::{Button, ButtonStyle, Detail, File, Piece, Stage};

use super::*;
use crate::api::{Fetched, Refusal, Token};

#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Result<Value, Failure>>>,
    asked: RefCell<Vec<(String, Value)>>,
}

impl Script {
    fn next(&self, what: &str, asked: Value) -> Result<Value, Failure> {
        self.asked.borrow_mut().push((what.to_owned(), asked));
        self.answers.borrow_mut().pop_front().expect("an answer for every call")
    }
}

impl Exchange for Script {
    fn call(&self, method: &str, payload: Payload) -> Result<Value, Failure> {
        let asked = match payload {
            Payload::Json(value) => value,
            Payload::Form(fields) => fields.into_iter().map(|(key, value)| json!([key, value])).collect(),
        };
        self.next(method, asked)
    }

    fn answer(&self, url: &str, answer: &Value) -> Result<(), Failure> {
        self.next(url, answer.clone()).map(drop)
    }

    fn upload(&self, url: &str, data: Vec<u8>) -> Result<(), Failure> {
        self.next(url, json!(data)).map(drop)
    }

    fn fetch(&self, url: &str, limit: u64) -> Result<Fetched, Failure> {
        let answer = self.next(url, json!(limit))?;
        let media_type = answer["type"].as_str().map(str::to_owned);
        Ok(Fetched { media_type, data: answer["data"].as_str().unwrap_or_default().into() })
    }
}

fn script(answers: Vec<Result<Value, Failure>>) -> Script {
    Script { answers: RefCell::new(answers.into()), ..Script::default() }
}

fn refused(error: &str) -> Result<Value, Failure> {
    Err(Failure::Refused(Refusal::of(error, Token::Bot)))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in a list of answers")]
fn sent(channel: &str) -> Result<Value, Failure> {
    Ok(json!({ "ok": true, "channel": channel, "ts": "2.5", "message": {} }))
}

fn target(channel: &str, thread: Option<&str>, reply_to: Option<&str>) -> Target {
    Target {
        account: "U0".into(),
        channel: channel.into(),
        thread: thread.map(str::to_owned),
        reply_to: reply_to.map(str::to_owned),
    }
}

fn outbound(pieces: Vec<Piece>, buttons: Vec<Button>) -> Outbound {
    Outbound { pieces, buttons, detail: Detail::Simple, stage: Stage::Complete }
}

fn part() -> Part {
    let button = Button { label: "Yes".into(), value: "approve:1".into(), style: ButtonStyle::Primary };
    render::parts(&outbound(vec![Piece::Markdown("**a** & <b>".into())], vec![button])).remove(0)
}

fn file_part() -> Part {
    let file = File { name: "a/b.txt".into(), media_type: "text/plain".into(), data: b"hi".to_vec() };
    render::parts(&outbound(vec![Piece::File(file)], vec![])).remove(0)
}

fn methods(api: &Script) -> Vec<String> {
    api.asked.borrow().iter().map(|(method, _)| method.clone()).collect()
}

#[test]
fn a_part_is_posted_in_its_thread_and_calls_nobody() {
    let api = script(vec![sent("C1")]);
    let target = target("C1", Some("1.5"), Some("1.7"));
    assert_eq!(send(&api, &target, &part()), Ok(Sent { id: "2.5".into(), pause: None, moved_to: None }));
    assert_eq!(
        api.asked.take(),
        [(
            "chat.postMessage".to_owned(),
            json!({
                "channel": "C1", "text": "a &amp; &lt;b&gt;", "thread_ts": "1.5", "link_names": false,
                "parse": "none", "unfurl_links": false, "unfurl_media": false,
                "blocks": [
                    { "type": "section",
                      "text": { "type": "mrkdwn", "text": "*a* &amp; &lt;b&gt;", "verbatim": true } },
                    { "type": "actions", "elements": [{ "type": "button", "action_id": "openpact:0",
                      "text": { "type": "plain_text", "text": "Yes" }, "value": "approve:1",
                      "style": "primary" }] },
                ],
            })
        )]
    );
    assert_eq!(Thread { account: "U0", channel: "C1", root: "1.5" }.is_joined(), Ok(true));
}

#[test]
fn a_reply_outside_direct_messages_stands_in_a_thread() {
    for (channel, thread, reply_to, expected) in [
        ("C1", None, Some("1.7"), Some("1.7")),
        ("C1", None, None, None),
        ("D1", None, Some("1.7"), None),
        ("D1", Some("1.5"), Some("1.7"), Some("1.5")),
    ] {
        let api = script(vec![sent(channel)]);
        send(&api, &target(channel, thread, reply_to), &part()).expect("sent");
        let asked = api.asked.take().remove(0).1;
        assert_eq!(
            asked.get("thread_ts").and_then(Value::as_str),
            expected,
            "{channel} {thread:?} {reply_to:?}"
        );
    }
    // Replies to what it said by itself are said to it.
    assert_eq!(Thread { account: "U0", channel: "C1", root: "2.5" }.is_joined(), Ok(true));
    assert_eq!(Thread { account: "U0", channel: "D1", root: "1.5" }.is_joined(), Ok(false));
}

#[test]
fn what_goes_to_a_user_is_in_a_direct_message() {
    for channel in ["U7", "user:U7"] {
        let api = script(vec![sent("D7")]);
        let sent = send(&api, &target(channel, None, None), &part()).expect("sent");
        assert_eq!(sent.moved_to.as_deref(), Some("D7"));
        assert_eq!(thread::kind("D7").as_deref(), Some("im"), "its own, from then on");
        assert_eq!(api.asked.take()[0].1["channel"], "U7");
    }
    for channel in ["user:C1", "user:", "user:D7", "user:user:U7"] {
        let refused = send(&script(vec![]), &target(channel, None, None), &part());
        assert!(matches!(refused, Err(SendError::Refused(_))), "{channel}");
    }
}

#[test]
fn blocks_that_slack_refuses_are_sent_as_text() {
    let api = script(vec![refused("invalid_blocks"), sent("C1")]);
    send(&api, &target("C1", None, None), &part()).expect("sent");
    assert_eq!(api.asked.take()[1].1["blocks"], json!([]));
    let api = script(vec![refused("is_archived")]);
    assert!(matches!(send(&api, &target("C1", None, None), &part()), Err(SendError::Gone(_))));
}

#[test]
fn an_answer_without_a_message_is_unknown() {
    let api = script(vec![Ok(json!({ "ok": true }))]);
    assert!(matches!(send(&api, &target("C1", None, None), &part()), Err(SendError::Unknown(_))));
}

#[test]
fn a_message_is_changed_and_taken_back() {
    let api =
        script(vec![sent("C1"), sent("C1"), refused("message_not_found"), refused("cant_delete_message")]);
    let target = target("C1", None, None);
    assert_eq!(edit(&api, &target, "2.5", &part()), Ok(()));
    assert_eq!(delete(&api, &target, "2.5"), Ok(()));
    assert_eq!(delete(&api, &target, "2.5"), Ok(()));
    assert!(matches!(delete(&api, &target, "2.5"), Err(SendError::Refused(_))));
    assert_eq!(methods(&api), ["chat.update", "chat.delete", "chat.delete", "chat.delete"]);
    let asked = api.asked.take();
    assert_eq!((&asked[0].1["ts"], &asked[0].1["parse"]), (&json!("2.5"), &json!("none")));
    assert_eq!(asked[1].1, json!({ "channel": "C1", "ts": "2.5" }));
}

#[test]
fn typing_is_shown_where_slack_can() {
    let api = script(vec![Ok(json!({})), refused("missing_scope"), Err(Failure::Unsent("x".into()))]);
    assert_eq!(typing(&api, &target("D1", None, None)), Ok(()));
    assert!(methods(&api).is_empty());
    let target = target("D1", Some("1.5"), None);
    assert_eq!((typing(&api, &target), typing(&api, &target)), (Ok(()), Ok(())));
    assert!(typing(&api, &target).is_err());
    let status = json!({ "channel_id": "D1", "thread_ts": "1.5", "status": STATUS });
    assert_eq!(api.asked.take()[0].1, status);
}

#[test]
fn what_is_said_in_a_thread_while_an_answer_is_written_is_said_to_it() {
    let api = script(vec![refused("missing_scope"), Ok(json!({}))]);
    let is_joined = |channel, root| Thread { account: "U0", channel, root }.is_joined();
    assert_eq!(typing(&api, &target("C1", Some("1.5"), None)), Ok(()));
    assert_eq!(typing(&api, &target("D1", Some("1.5"), None)), Ok(()));
    assert_eq!((is_joined("C1", "1.5"), is_joined("D1", "1.5")), (Ok(true), Ok(false)));
}

fn interaction(url: Option<&str>) -> String {
    let interaction = Interaction {
        url: url.map(str::to_owned),
        channel: "C1".into(),
        user: "U1".into(),
        thread: Some("1.5".into()),
    };
    json!(interaction).to_string()
}

#[test]
fn an_interaction_is_answered_to_one_person() {
    let message = outbound(vec![Piece::Notice("done".into())], vec![]);
    let url = "https://hooks.slack.com/actions/1";
    let api = script(vec![Ok(Value::Null)]);
    assert_eq!(answer(&api, &interaction(Some(url)), &message), Ok(()));
    let asked = api.asked.take().remove(0);
    assert_eq!(asked.0, url);
    assert_eq!(
        (&asked.1["response_type"], &asked.1["replace_original"], &asked.1["thread_ts"]),
        (&json!("ephemeral"), &json!(false), &json!("1.5"))
    );
    assert_eq!(asked.1["blocks"][0]["type"], json!("context"));
}

#[test]
fn an_address_that_is_used_up_is_replaced_by_an_ephemeral_message() {
    let message = outbound(vec![Piece::Markdown("done".into())], vec![]);
    let api = script(vec![refused("used_url"), Ok(json!({ "ok": true }))]);
    assert_eq!(answer(&api, &interaction(Some("https://hooks.slack.com/1")), &message), Ok(()));
    let asked = api.asked.take().remove(1);
    assert_eq!(asked.0, "chat.postEphemeral");
    assert_eq!((&asked.1["user"], &asked.1["channel"]), (&json!("U1"), &json!("C1")));
    let api = script(vec![Err(Failure::Broken("x".into()))]);
    let broken = answer(&api, &interaction(Some("https://hooks.slack.com/1")), &message);
    assert!(matches!(broken, Err(SendError::Unknown(_))));
    assert!(answer(&api, "x", &message).is_err());
}

#[test]
fn a_file_is_uploaded_and_shared() {
    let address = json!({ "upload_url": "https://files.slack.com/upload/v1/a", "file_id": "F1" });
    let shared = json!({ "files": [{ "id": "F1", "shares": { "private": { "C1": [{ "ts": "3.5" }] } } }] });
    let api = script(vec![Ok(address.clone()), Ok(Value::Null), Ok(shared)]);
    let target = target("C1", Some("1.5"), None);
    assert_eq!(send(&api, &target, &file_part()).map(|sent| sent.id), Ok("3.5".to_owned()));
    let asked = api.asked.take();
    assert_eq!(asked[0].1, json!([["filename", "ab.txt"], ["length", "2"]]));
    assert_eq!(asked[1], ("https://files.slack.com/upload/v1/a".to_owned(), json!(b"hi")));
    let complete =
        json!({ "files": [{ "id": "F1", "title": "ab.txt" }], "channel_id": "C1", "thread_ts": "1.5" });
    let mut got = asked[2].1.clone();
    got.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    assert_eq!(got, complete);
    // Slack has not shared it yet.
    let api =
        script(vec![Ok(address), Ok(Value::Null), Ok(json!({ "files": [{ "id": "F1" }] })), Ok(Value::Null)]);
    assert_eq!(send(&api, &target, &file_part()).map(|sent| sent.id), Ok("file:F1".to_owned()));
    assert_eq!(delete(&api, &target, "file:F1"), Ok(()));
    assert_eq!(methods(&api)[3], "files.delete");
    assert!(matches!(edit(&api, &target, "file:F1", &part()), Err(SendError::Refused(_))));
}

#[test]
fn an_upload_that_broke_off_was_seen_by_nobody() {
    let address = json!({ "upload_url": "https://files.slack.com/upload/v1/a", "file_id": "F1" });
    let api = script(vec![Ok(address.clone()), Err(Failure::Broken("x".into()))]);
    let target = target("C1", None, None);
    assert!(matches!(send(&api, &target, &file_part()), Err(SendError::Unavailable(_))));
    let api = script(vec![Ok(address), Ok(Value::Null), Err(Failure::Broken("x".into()))]);
    assert!(matches!(send(&api, &target, &file_part()), Err(SendError::Unknown(_))));
}

#[test]
fn an_attachment_is_fetched_and_a_page_to_sign_in_is_none() {
    let id = r#"{"url":"https://files.slack.com/a","media_type":"text/plain"}"#;
    let api = script(vec![
        Ok(json!({ "type": "text/plain", "data": "hi" })),
        Ok(json!({ "type": "text/html; charset=utf-8", "data": "<html>" })),
        Err(Failure::TooLarge(5)),
        Err(Failure::Foreign("https://x.example".into())),
    ]);
    assert_eq!(fetch(&api, id, 5), Ok(b"hi".to_vec()));
    assert!(matches!(fetch(&api, id, 5), Err(SendError::Refused(why)) if why.contains("files:read")));
    assert_eq!(fetch(&api, id, 5), Err(SendError::TooLarge(5)));
    assert!(matches!(fetch(&api, id, 5), Err(SendError::Refused(_))));
    assert!(matches!(fetch(&api, "x", 5), Err(SendError::Refused(_))));
    assert!(
        matches!(fetch(&api, "{}", 5), Err(SendError::Refused(why)) if why.contains("not on Slack's servers"))
    );
}
