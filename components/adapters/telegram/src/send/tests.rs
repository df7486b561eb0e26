//! Sending against a script.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use openpact_sdk::adapter::{Button, ButtonStyle, CommandSpec, Detail, RateLimit, Stage};
use openpact_sdk::serde_json::{Value, json};

use super::*;
use crate::api::Refusal;
use crate::command;

#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Result<Value, Failure>>>,
    asked: RefCell<Vec<(String, Value)>>,
}

impl Exchange for Script {
    fn exchange(&self, method: &str, body: Vec<u8>, _: Duration) -> Result<Value, Failure> {
        let body = serde_json::from_slice(&body).expect("JSON");
        self.asked.borrow_mut().push((method.to_owned(), body));
        self.answers.borrow_mut().pop_front().expect("an answer for every call")
    }
}

fn script(answers: Vec<Result<Value, Failure>>) -> Script {
    Script { answers: RefCell::new(answers.into()), ..Script::default() }
}

fn refusal(code: u16, description: &str) -> Failure {
    Failure::Refused(Refusal {
        code,
        description: description.to_owned(),
        retry_after: None,
        migrated_to: None,
    })
}

fn target() -> Target {
    Target {
        account: "42".into(),
        channel: "-100123".into(),
        thread: Some("11".into()),
        reply_to: Some("5".into()),
    }
}

fn outbound(pieces: Vec<Piece>, buttons: Vec<Button>) -> Outbound {
    Outbound { pieces, buttons, detail: Detail::Simple, stage: Stage::Complete }
}

fn part() -> Part {
    let button = Button { label: "Yes".into(), value: "approve:1".into(), style: ButtonStyle::Primary };
    render::parts(&outbound(vec![Piece::Markdown("**a** & b".into())], vec![button])).remove(0)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in a list of answers")]
fn sent(id: i64) -> Result<Value, Failure> {
    Ok(json!({ "message_id": id }))
}

#[test]
fn a_part_is_sent_as_a_reply_in_its_topic() {
    let api = script(vec![sent(9)]);
    assert_eq!(
        send(&api, &target(), &part()),
        Ok(Sent { id: "9".into(), pause: Some(3_000), moved_to: None })
    );
    assert_eq!(
        api.asked.take(),
        [(
            "sendMessage".to_owned(),
            json!({
                "chat_id": -100_123, "text": "<b>a</b> &amp; b", "parse_mode": "HTML", "message_thread_id": 11,
                "link_preview_options": { "is_disabled": true },
                "reply_parameters": { "message_id": 5, "allow_sending_without_reply": true },
                "reply_markup": { "inline_keyboard": [[{ "text": "Yes", "callback_data": "approve:1" }]] },
            })
        )]
    );
}

#[test]
fn what_telegram_cannot_read_is_sent_as_plain_text_in_the_same_call() {
    let api =
        script(vec![Err(refusal(400, "Bad Request: can't parse entities: Unsupported start tag")), sent(9)]);
    assert!(send(&api, &target(), &part()).is_ok());
    let asked = api.asked.take();
    assert_eq!((asked.len(), &asked[1].1["text"], asked[1].1.get("parse_mode")), (2, &json!("a & b"), None));
    assert_eq!(asked[0].1["reply_markup"], asked[1].1["reply_markup"]);
}

#[test]
fn a_refusal_is_told_by_what_helps() {
    let error =
        |failure: Failure| send(&script(vec![Err(failure)]), &target(), &part()).expect_err("refused");
    assert!(matches!(error(refusal(403, "Forbidden: bot was blocked by the user")), SendError::Gone(_)));
    assert!(matches!(error(refusal(400, "Bad Request: chat not found")), SendError::Gone(_)));
    assert!(matches!(error(refusal(403, "Forbidden: not enough rights")), SendError::Refused(_)));
    assert!(matches!(error(refusal(400, "Bad Request: message is too long")), SendError::Refused(_)));
    assert!(matches!(error(refusal(401, "Unauthorized")), SendError::Unavailable(_)));
    assert!(matches!(error(Failure::Unsent("x".into())), SendError::Unavailable(_)));
    assert!(matches!(error(Failure::Broken("x".into())), SendError::Unknown(_)));
    assert!(matches!(error(Failure::Garbled(200, "x".into())), SendError::Unknown(_)));
    assert_eq!(error(Failure::Denied { grant: String::new() }), SendError::Denied);
    let refusal = Refusal {
        code: 429,
        description: String::new(),
        retry_after: Some(Duration::from_secs(3)),
        migrated_to: None,
    };
    let limit = RateLimit { retry_after: 3_000, global: false };
    assert_eq!(error(Failure::Refused(refusal)), SendError::RateLimited(limit));
}

#[test]
fn what_broke_on_the_way_may_have_been_sent() {
    let error =
        |failure: Failure| send(&script(vec![Err(failure)]), &target(), &part()).expect_err("refused");
    for status in [500, 502, 504] {
        assert!(matches!(error(refusal(status, "Bad Gateway")), SendError::Unknown(_)), "{status}");
        assert!(
            matches!(error(Failure::Garbled(status, "<html>".into())), SendError::Unknown(_)),
            "{status}"
        );
    }
    assert!(matches!(error(refusal(503, "Service Unavailable")), SendError::Unavailable(_)));
    assert!(matches!(error(Failure::Garbled(503, "<html>".into())), SendError::Unavailable(_)));
}

#[test]
fn only_groups_are_sent_to_more_slowly_than_the_rest() {
    let pause = |channel: &str| {
        let target = Target { channel: channel.into(), ..target() };
        send(&script(vec![sent(9)]), &target, &part()).expect("sent").pause
    };
    assert_eq!(["7", "-7", "-1001"].map(pause), [None, Some(3_000), Some(3_000)]);
}

#[test]
fn what_goes_to_a_person_is_in_the_chat_of_the_same_id() {
    let to = |channel: &str| Target { channel: channel.into(), thread: None, reply_to: None, ..target() };
    let api = script(vec![sent(9)]);
    let expected = Sent { id: "9".into(), pause: None, moved_to: Some("7".into()) };
    assert_eq!(send(&api, &to("user:7"), &part()), Ok(expected));
    assert_eq!(api.asked.take()[0].1["chat_id"], 7);
    for channel in ["user:-7", "user:0", "user:", "user:ada", "user:user:7"] {
        assert!(
            matches!(send(&script(vec![]), &to(channel), &part()), Err(SendError::Refused(_))),
            "{channel}"
        );
    }
}

#[test]
fn what_is_for_a_group_that_became_a_supergroup_is_sent_there() {
    let moved = |to| {
        let Failure::Refused(refusal) = refusal(400, "Bad Request: group chat was upgraded") else {
            panic!()
        };
        Err(Failure::Refused(Refusal { migrated_to: Some(to), ..refusal }))
    };
    let group = Target { channel: "-7".into(), ..target() };
    let api = script(vec![moved(-100_777), sent(9)]);
    let expected = Sent { id: "9".into(), pause: Some(3_000), moved_to: Some("-100777".into()) };
    assert_eq!(send(&api, &group, &part()), Ok(expected));
    let asked = api.asked.take();
    let chats: Vec<_> = asked.iter().map(|(_, body)| body["chat_id"].as_i64()).collect();
    assert_eq!(chats, [Some(-7), Some(-100_777)]);
    // Its messages have numbers of their own: that of the old one could be anybody's.
    assert_eq!((asked[1].1.get("reply_parameters"), asked[1].1.get("message_thread_id")), (None, None));
    // Once and not in a circle.
    let api = script(vec![moved(-100_777), moved(-100_888)]);
    let Err(SendError::Refused(text)) = send(&api, &group, &part()) else { panic!() };
    assert!(text.contains("-100888"), "{text}");
}

#[test]
fn a_message_that_is_so_already_was_changed() {
    let unmodified =
        || Err(refusal(400, "Bad Request: message is not modified: specified new message content..."));
    assert_eq!(edit(&script(vec![unmodified()]), &target(), "9", &part()), Ok(()));
    let api = script(vec![Ok(json!({ "message_id": 9 }))]);
    assert_eq!(edit(&api, &target(), "9", &part()), Ok(()));
    let (method, body) = api.asked.take().remove(0);
    assert_eq!(
        (method.as_str(), &body["message_id"], &body["text"]),
        ("editMessageText", &json!(9), &json!("<b>a</b> &amp; b"))
    );
    let api = script(vec![Err(refusal(400, "Bad Request: can't parse entities")), unmodified()]);
    assert_eq!(edit(&api, &target(), "9", &part()), Ok(()));
}

#[test]
fn a_message_that_is_gone_was_taken_back() {
    let api = script(vec![Ok(json!(true)), Err(refusal(400, "Bad Request: message to delete not found"))]);
    assert_eq!(delete(&api, &target(), "9"), Ok(()));
    assert_eq!(delete(&api, &target(), "9"), Ok(()));
    assert_eq!(
        api.asked.take()[0],
        ("deleteMessage".to_owned(), json!({ "chat_id": -100_123, "message_id": 9 }))
    );
}

#[test]
fn typing_is_shown_in_the_topic() {
    let api = script(vec![Ok(json!(true))]);
    assert_eq!(typing(&api, &target()), Ok(()));
    let expected = json!({ "chat_id": -100_123, "action": "typing", "message_thread_id": 11 });
    assert_eq!(api.asked.take(), [("sendChatAction".to_owned(), expected)]);
}

#[test]
fn the_answer_to_a_button_is_short_or_a_message() {
    let interaction = json!({ "query": "q", "chat": "7", "message": "5" }).to_string();
    let methods = |answers, pieces| {
        let api = script(answers);
        assert_eq!(answer(&api, &interaction, &outbound(pieces, vec![])), Ok(()));
        api.asked.take().into_iter().map(|(method, body)| (method, body["text"].clone())).collect::<Vec<_>>()
    };
    let is = |method: &str, text: Value| (method.to_owned(), text);
    let short = vec![Piece::Notice("x".repeat(200))];
    assert_eq!(methods(vec![Ok(json!(true))], short), [is("answerCallbackQuery", json!("x".repeat(200)))]);
    let long = "x".repeat(201);
    assert_eq!(
        methods(vec![Ok(json!(true)), sent(1)], vec![Piece::Notice(long.clone())]),
        [is("answerCallbackQuery", json!(null)), is("sendMessage", json!(format!("<u>⚙ {long}</u>")))]
    );
    assert_eq!(
        methods(
            vec![Err(refusal(400, "Bad Request: query is too old")), sent(1)],
            vec![Piece::Markdown("hi".into())]
        ),
        [is("answerCallbackQuery", json!(null)), is("sendMessage", json!("hi"))]
    );
}

#[test]
fn what_is_not_telegrams_is_refused_without_a_call() {
    let api = script(vec![]);
    let wrong = |channel: &str, reply: &str| Target {
        channel: channel.into(),
        reply_to: Some(reply.into()),
        ..target()
    };
    assert!(matches!(send(&api, &wrong("general", "1"), &part()), Err(SendError::Refused(_))));
    assert!(matches!(send(&api, &wrong("1", "x"), &part()), Err(SendError::Refused(_))));
    let foreign = Part { body: "hello".into(), plain: String::new(), files: vec![] };
    assert!(matches!(send(&api, &target(), &foreign), Err(SendError::Refused(_))));
    assert!(matches!(answer(&api, "x", &outbound(vec![], vec![])), Err(SendError::Refused(_))));
}

#[test]
fn commands_are_registered_with_underscores() {
    let spec =
        |name: &str, description: String| CommandSpec { name: name.into(), description, options: vec![] };
    let api = script(vec![Ok(json!(true)), Ok(json!(true))]);
    let commands = [spec("mode-full", "é".repeat(257)), spec("stop", String::new())];
    assert_eq!(command::register(&api, &commands), Ok(()));
    assert_eq!(command::register(&api, &[]), Ok(()));
    assert_eq!(
        api.asked.take(),
        [
            (
                "setMyCommands".to_owned(),
                json!({ "commands": [
            { "command": "mode_full", "description": "é".repeat(256) },
            { "command": "stop", "description": "stop" },
        ] })
            ),
            ("deleteMyCommands".to_owned(), json!({})),
        ]
    );
}
