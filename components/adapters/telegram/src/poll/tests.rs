//! The receive loop against a script.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use openpact_sdk::adapter::inbox::{answer_for_test, delivered_for_test, reported_for_test, trap_for_test};
use openpact_sdk::{clock, kv};
use serde_json::json;

use super::*;
use crate::api::Refusal;

mod album;

/// Answers in order; keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Result<Value, Failure>>>,
    asked: Rc<RefCell<Vec<(String, Value)>>>,
}

impl Exchange for Script {
    fn exchange(&self, method: &str, body: Vec<u8>, _: Duration) -> Result<Value, Failure> {
        let body = serde_json::from_slice(&body).expect("JSON");
        self.asked.borrow_mut().push((method.to_owned(), body));
        self.answers.borrow_mut().pop_front().expect("an answer for every call")
    }
}

fn refusal(code: u16, description: &str) -> Failure {
    Failure::Refused(Refusal {
        code,
        description: description.to_owned(),
        retry_after: None,
        migrated_to: None,
    })
}

fn update(id: u64) -> Value {
    json!({ "update_id": id, "message": { "message_id": id, "date": 1, "text": "hi",
        "chat": { "id": 7, "type": "private", "first_name": "A" },
        "from": { "id": 7, "is_bot": false, "first_name": "A" } } })
}

struct Run {
    slept: Vec<u64>,
    asked: Vec<(String, Value)>,
    result: Result<(), AdapterError>,
    offset: Offset,
}

/// Runs one round for each answer.
fn run(answers: Vec<Result<Value, Failure>>) -> Run {
    let rounds = answers.len();
    rounds_with(Script { answers: RefCell::new(answers.into()), ..Script::default() }, rounds)
}

fn rounds_with(api: Script, rounds: usize) -> Run {
    let slept = RefCell::new(vec![]);
    let sleep = |time: Duration| slept.borrow_mut().push(time.as_secs());
    let mut receiver = Receiver { api, sleep, failures: 0, lost: false, warned: false };
    let me = json!({ "id": 42, "is_bot": true, "first_name": "Ours", "username": "our_bot" });
    let me = serde_json::from_value(me).expect("a user");
    let account = account(&me);
    let reader = Reader { me, respond_all: [].into(), bots: [].into() };
    let (mut offset, mut albums) = (Offset::load(&account.id), Albums::load(&account.id));
    let mut result = Ok(());
    for _ in 0..rounds {
        result = receiver.round(&reader, &account, &mut offset, &mut albums);
        if result.is_err() {
            break;
        }
    }
    let asked = receiver.api.asked.borrow().clone();
    Run { slept: slept.take(), asked, result, offset }
}

fn offsets(run: &Run) -> Vec<Option<u64>> {
    run.asked.iter().map(|(_, body)| body.get("offset").and_then(Value::as_u64)).collect()
}

fn delivered() -> Vec<String> {
    delivered_for_test().into_iter().map(|event| event.id).collect()
}

#[test]
fn a_poll_asks_for_what_is_used_and_acknowledges_what_was_stored() {
    let run = run(vec![Ok(json!([update(10), update(11)])), Ok(json!([]))]);
    assert_eq!(run.result, Ok(()));
    assert_eq!(
        run.asked[0],
        (
            "getUpdates".to_owned(),
            json!({ "limit": 100, "timeout": 50,
            "allowed_updates": ["message", "edited_message", "callback_query", "channel_post"] })
        )
    );
    assert_eq!(offsets(&run), [None, Some(12)]);
    assert_eq!(delivered(), ["7:10", "7:11"]);
    assert_eq!(Offset::load("42").next, run.offset.next, "a new start goes on from there");
}

#[test]
fn what_could_not_be_stored_is_asked_for_again() {
    answer_for_test([Ok(()), Err(inbox::Error::Unavailable("disk full".into()))]);
    let run = run(vec![Ok(json!([update(1), update(2), update(3)])), Ok(json!([update(2), update(3)]))]);
    assert_eq!(offsets(&run), [None, Some(2)]);
    assert_eq!(delivered(), ["7:1", "7:2", "7:3"]);
    assert_eq!(run.slept, [1]);
    assert_eq!(run.offset.next, Some(4));
}

#[test]
fn an_event_that_the_host_refuses_for_good_does_not_block() {
    answer_for_test([Err(inbox::Error::Invalid("no".into()))]);
    let run = run(vec![Ok(json!([update(1), update(2)]))]);
    assert_eq!(delivered(), ["7:2"]);
    assert_eq!(run.offset.next, Some(3));
}

#[test]
fn updates_that_make_no_sense_do_not_block() {
    let strange =
        json!([{ "update_id": 5, "hologram": {} }, { "update_id": 6, "message": 1 }, "x", update(7)]);
    let run = run(vec![Ok(strange), Ok(json!([]))]);
    assert_eq!(delivered(), ["7:7"]);
    assert_eq!(offsets(&run), [None, Some(8)]);
}

/// The limits and offsets of the polls of one start; the adapter dies when the host is given the update `deadly`.
fn start(rounds: Vec<Vec<u64>>, deadly: u64) -> Vec<(u64, Option<u64>)> {
    let asked = Rc::new(RefCell::default());
    let script = |updates: Vec<u64>| Ok(Value::Array(updates.into_iter().map(update).collect()));
    let number = rounds.len();
    let answers = RefCell::new(rounds.into_iter().map(script).collect());
    let api = Script { answers, asked: Rc::clone(&asked) };
    trap_for_test(&format!("7:{deadly}"));
    // The test ends as the instance would: with what it had kept.
    drop(catch_unwind(AssertUnwindSafe(|| rounds_with(api, number))));
    let seen = asked.take();
    seen.iter().map(|(_, body)| (body["limit"].as_u64().unwrap(), body["offset"].as_u64())).collect()
}

#[test]
fn an_update_of_which_the_adapter_dies_is_passed_at_last() {
    assert_eq!(start(vec![vec![10, 11, 12]], 11), [(100, None)]);
    assert_eq!(delivered(), ["7:10"], "what came before it is stored");
    // Now one at a time, from the one that was being read.
    assert_eq!(start(vec![vec![11]], 11), [(1, Some(11))]);
    assert_eq!(start(vec![vec![11]], 11), [(1, Some(11))]);
    assert_eq!(delivered(), [""; 0]);
    let after = start(vec![vec![11], vec![12]], 11);
    assert_eq!(after, [(1, Some(11)), (100, Some(12))]);
    assert_eq!(delivered(), ["7:12"]);
}

#[test]
fn an_update_that_the_host_cannot_store_is_never_passed() {
    for _ in 0..=DEATHS {
        answer_for_test([Err(inbox::Error::Unavailable("disk full".into()))]);
        let run = run(vec![Ok(json!([update(5)]))]);
        assert_eq!(delivered(), [""; 0]);
        assert_eq!((run.offset.next, run.offset.limit()), (Some(5), 100));
    }
    assert_eq!(run(vec![Ok(json!([update(5)]))]).offset.next, Some(6));
    assert_eq!(delivered(), ["7:5"]);
}

#[test]
fn conflicts_say_who_else_receives() {
    let other = || Err(refusal(409, "Conflict: terminated by other getUpdates request"));
    let twice = run(vec![other(), other()]);
    let Err(AdapterError::Conflict(text)) = twice.result else { panic!("{:?}", twice.result) };
    assert!(text.contains("another program polls"), "{text}");
    assert_eq!(run(vec![other(), Ok(json!([]))]).result, Ok(()), "one may be a poll of our own");
    let webhook =
        run(vec![Err(refusal(409, "Conflict: can't use getUpdates method while webhook is active"))]);
    let Err(AdapterError::Conflict(text)) = webhook.result else { panic!("{:?}", webhook.result) };
    assert!(text.contains("deleteWebhook"), "{text}");
}

#[test]
fn a_token_that_telegram_does_not_know_ends_it() {
    for failure in [refusal(401, "Unauthorized"), refusal(404, "Not Found")] {
        assert!(matches!(run(vec![Err(failure)]).result, Err(AdapterError::Credential(_))));
    }
}

#[test]
fn a_denied_request_says_what_to_grant() {
    let grant = "POST https://b.example/*/* credential=token timeout=70".to_owned();
    let Err(AdapterError::Configuration(text)) = run(vec![Err(Failure::Denied { grant })]).result else {
        panic!()
    };
    assert!(text.contains("POST https://b.example/*/* credential=token timeout=70"), "{text}");
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let wait = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        Err(Failure::Refused(Refusal {
            code: 429,
            description: String::new(),
            retry_after,
            migrated_to: None,
        }))
    };
    let run = run(vec![wait(7), wait(300), wait(0), Ok(json!([])), wait(301)]);
    assert_eq!(run.slept, [7, 300, 1]);
    assert!(matches!(run.result, Err(AdapterError::Unavailable(_))));
}

#[test]
fn a_server_that_does_not_answer_is_tried_longer_and_longer() {
    let failures = || {
        vec![
            Err(refusal(502, "Bad Gateway")),
            Err(Failure::Broken("cut".into())),
            Err(Failure::Garbled(503, "<html>".into())),
            Err(Failure::Unsent("refused".into())),
        ]
    };
    let mut answers = failures();
    answers.push(Ok(json!([])));
    let run_once = run(answers);
    assert_eq!((run_once.result, run_once.slept), (Ok(()), vec![1, 2, 4, 8]));
    let reports = reported_for_test();
    assert!(matches!(&reports[..], [Connection::Lost(_), Connection::Connected(_)]), "{reports:?}");

    let long = run([failures(), failures()].concat());
    assert_eq!(long.slept, WAITS);
    assert!(matches!(long.result, Err(AdapterError::Unavailable(_))));
}

#[test]
fn an_old_offset_is_not_trusted() {
    let at = |days: u64| clock::now().saturating_sub(Duration::from_hours(days * 24)).as_secs();
    kv::set("offset/42", format!("900 {} 0", at(5)).as_bytes()).expect("stored");
    assert_eq!(offsets(&run(vec![Ok(json!([]))])), [Some(900)]);
    kv::set("offset/42", format!("900 {} 0", at(7)).as_bytes()).expect("stored");
    let old = run(vec![Ok(json!([update(3)])), Ok(json!([]))]);
    assert_eq!(offsets(&old), [None, Some(4)]);
    assert_eq!(delivered(), ["7:3"]);
}

#[test]
fn who_the_bot_is_is_asked_until_there_is_an_answer() {
    let me = json!({ "id": 42, "is_bot": true, "first_name": "Ours", "username": "our_bot" });
    let answers = vec![Err(Failure::Broken("cut".into())), Ok(me)];
    let api = Script { answers: RefCell::new(answers.into()), ..Script::default() };
    let slept = Cell::new(0);
    let sleep = |time: Duration| slept.set(slept.get() + time.as_secs());
    let mut receiver = Receiver { api, sleep, failures: 0, lost: false, warned: false };
    let me = receiver.me().expect("the bot");
    assert_eq!(account(&me), Account { id: "42".into(), name: "@our_bot".into() });
    assert_eq!(slept.get(), 1);
}

#[test]
fn a_bot_in_privacy_mode_is_told_from_one_that_hears_mentions() {
    assert!(hears_no_mentions(&json!({ "id": 42, "can_read_all_group_messages": false })));
    for hears in [json!({ "can_read_all_group_messages": true }), json!({ "id": 42 }), json!("strange")] {
        assert!(!hears_no_mentions(&hears), "{hears}");
    }
}
