//! What is asked when, against a script.

use std::cell::RefCell;

use openpact_sdk::kv;
use openpact_sdk::serde_json::json;

use super::*;
use crate::api::{Refusal, Token};
use crate::thread;

const SECOND: Duration = Duration::from_secs(1);

fn reader() -> Reader {
    Reader {
        user: "U0".into(),
        bot: None,
        name: "ours".into(),
        respond_all: ["C9".to_owned()].into(),
        bots: ["B9".to_owned()].into(),
        mentions: thread::Mentions::default(),
    }
}

/// A time so many seconds after a moment an hour ago.
fn ts(seconds: u64) -> String {
    Stamp::now().before(Duration::from_secs(3_600 - seconds)).to_string()
}

fn event(channel: &str, ts: &str) -> Value {
    json!({ "event": { "type": "message", "channel": channel, "user": "U1", "text": "x", "ts": ts } })
}

fn heard(missed: &mut Missed, channels: &[&str]) {
    for (index, channel) in channels.iter().enumerate() {
        missed.heard(&event(channel, &ts(index as u64)), Duration::ZERO);
    }
}

/// Asks for what is due until there is nothing, with answers from `answer`; gives what was asked and when. Everything
/// that is found is passed.
fn drive(
    missed: &mut Missed,
    mut answer: impl FnMut(&str, &Fields) -> Result<Value, Failure>,
) -> Vec<(String, Duration)> {
    let (mut now, mut asked) = (Duration::ZERO, vec![]);
    for _ in 0..10_000 {
        let Some(wait) = missed.wait(now) else { return asked };
        now += wait;
        let channel = RefCell::new(None);
        let payloads = missed.step(now, |method, fields| {
            *channel.borrow_mut() = Some(fields[0].1.clone());
            answer(method, &fields)
        });
        asked.extend(channel.take().map(|channel| (channel, now)));
        if !payloads.is_empty() {
            missed.pass(payloads.len(), payloads.len(), now);
        }
    }
    panic!("it never ends");
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside what goes wrong")]
fn nothing() -> Result<Value, Failure> {
    Ok(json!({ "messages": [] }))
}

fn refused(error: &str) -> Result<Value, Failure> {
    Err(Failure::Refused(Refusal::of(error, Token::Bot)))
}

fn names(asked: &[(String, Duration)]) -> Vec<&str> {
    asked.iter().map(|(channel, _)| channel.as_str()).collect()
}

#[test]
fn a_first_start_reads_nothing_and_the_next_one_all_that_is_known() {
    let mut first = Missed::load(&reader());
    first.begin(Duration::ZERO);
    assert_eq!(first.wait(Duration::ZERO), None);
    heard(&mut first, &["C1", "C2", "D1"]);
    assert_eq!(names(&drive(&mut first, |_, _| nothing())), ["C2", "D1"], "they were not known");
    let mut next = Missed::load(&reader());
    assert_eq!(next.wait(Duration::ZERO), None, "before the connection nothing is asked for");
    next.begin(Duration::ZERO);
    assert_eq!(names(&drive(&mut next, |_, _| nothing())), ["D1", "C2", "C1"]);
    next.begin(Duration::ZERO);
    next.begin(Duration::ZERO);
    assert_eq!(drive(&mut next, |_, _| nothing()).len(), 3, "each once");
}

#[test]
fn calls_keep_to_the_limit_of_the_method() {
    let mut missed = Missed::load(&reader());
    let channels: Vec<_> = (0..60).map(|number| format!("C{number}")).collect();
    heard(&mut missed, &channels.iter().map(String::as_str).collect::<Vec<_>>());
    let asked = drive(&mut missed, |_, _| nothing());
    assert_eq!(asked.len(), 59);
    let within = |from: Duration| {
        asked.iter().filter(|(_, at)| *at >= from && *at < from + Duration::from_mins(1)).count()
    };
    assert!(within(Duration::ZERO) <= 20 + 50 && within(30 * SECOND) <= 50);
    assert_eq!(asked[19].1, Duration::ZERO);
    assert_eq!(asked[22].1, asked[21].1 + PAUSE);
}

#[test]
fn it_waits_as_slack_asks_and_longer_where_slack_does_not_answer() {
    let mut missed = Missed::load(&reader());
    heard(&mut missed, &["C1", "C2"]);
    let mut answers = VecDeque::from([
        Err(Failure::Limited(30 * SECOND)),
        Err(Failure::Broken("x".into())),
        refused("fatal_error"),
        Err(Failure::Garbled(502, "x".into())),
        nothing(),
    ]);
    let asked = drive(&mut missed, |_, _| answers.pop_front().expect("an answer"));
    let at: Vec<_> = asked.iter().map(|(_, at)| at.as_secs()).collect();
    assert_eq!(at, [0, 30, 32, 37, 47]);
    // Another conversation has its turn where one never comes.
    heard(&mut missed, &["C1", "C2"]);
    missed.begin(Duration::ZERO);
    let mut tries = 0;
    let asked = drive(&mut missed, |_, fields| {
        tries += 1;
        if tries <= 5 { Err(Failure::Unsent(fields[0].1.clone())) } else { nothing() }
    });
    assert_eq!(names(&asked), ["C2", "C2", "C2", "C2", "C2", "C1", "C2"]);
}

#[test]
fn what_cannot_be_read_stays_behind_unless_it_is_gone() {
    let mut missed = Missed::load(&reader());
    heard(&mut missed, &["C1", "C2", "C3", "C4"]);
    drive(&mut missed, |_, _| nothing());
    missed.begin(Duration::ZERO);
    let asked = drive(&mut missed, |_, fields| match fields[0].1.as_str() {
        "C1" => refused("missing_scope"),
        "C2" => refused("not_in_channel"),
        "C3" => refused("channel_not_found"),
        _ => nothing(),
    });
    assert_eq!(asked.len(), 4);
    missed.begin(Duration::ZERO);
    assert_eq!(names(&drive(&mut missed, |_, _| nothing())), ["C4", "C1"]);
    // What an admin has to grant is not asked for again and again.
    missed.begin(Duration::ZERO);
    let asked = drive(&mut missed, |_, _| Err(Failure::Denied { grant: "x".into() }));
    assert_eq!((asked.len(), missed.told.len()), (1, 2));
    missed.begin(Duration::ZERO);
    assert_eq!(drive(&mut missed, |_, _| nothing()).len(), 2);
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let mut missed = Missed::load(&reader());
    heard(&mut missed, &["C1", "C2"]);
    let mut sizes = vec![];
    drive(&mut missed, |_, fields| {
        sizes.push(fields[2].1.clone());
        if sizes.len() < 3 { Err(Failure::TooLarge(1)) } else { nothing() }
    });
    assert_eq!(sizes, ["200", "100", "50"]);
}

/// A history of so many messages, a second apart.
fn history(count: u64) -> Value {
    let said = |number| json!({ "type": "message", "user": "U1", "text": "x", "ts": ts(100 + number) });
    json!({ "messages": (0..count).rev().map(said).collect::<Vec<_>>() })
}

/// A start, up to the first messages; gives how many they are.
fn start(page: &Value) -> (Missed, usize) {
    let mut missed = Missed::load(&reader());
    missed.begin(Duration::ZERO);
    missed.step(Duration::ZERO, |_, _| Ok(page.clone()));
    let count = missed.step(Duration::ZERO, |_, _| panic!("all is there")).len();
    (missed, count)
}

#[test]
fn a_program_that_dies_goes_on_where_it_was() {
    heard(&mut Missed::load(&reader()), &["C1"]);
    let page = history(50);
    let (mut missed, count) = start(&page);
    assert_eq!(count, CHUNK);
    missed.pass(CHUNK, CHUNK, Duration::ZERO);
    assert_eq!(missed.step(Duration::ZERO, |_, _| panic!("all is there")).len(), CHUNK);
    // It dies here: the first of these are delivered, which nobody knows.
    let mut again = Missed::load(&reader());
    again.begin(Duration::ZERO);
    let mut after = String::new();
    again.step(Duration::ZERO, |_, fields| {
        after.clone_from(&fields[1].1);
        Ok(page.clone())
    });
    let last = page["messages"][49 - (CHUNK - 1)]["ts"].as_str().expect("a time");
    assert_eq!(after, last);
    // What could not be stored is not passed.
    let payloads = again.step(Duration::ZERO, |_, _| panic!("all is there"));
    again.pass(3, payloads.len(), Duration::ZERO);
    assert_eq!(again.wait(Duration::ZERO), Some(2 * SECOND));
    let rest = again.step(2 * SECOND, |_, _| panic!("all is there"));
    assert_eq!(rest[0], payloads[3]);
}

#[test]
fn a_message_of_which_the_adapter_dies_is_passed_over() {
    heard(&mut Missed::load(&reader()), &["C1"]);
    let page = history(30);
    let deadly = page["messages"][20]["ts"].clone();
    let mut delivered = BTreeSet::new();
    let mut starts = 0;
    'starts: loop {
        starts += 1;
        assert!(starts < 20, "it never gets past");
        let mut missed = Missed::load(&reader());
        missed.begin(Duration::ZERO);
        while missed.wait(Duration::ZERO).is_some() {
            let payloads = missed.step(Duration::ZERO, |_, _| Ok(page.clone()));
            for payload in &payloads {
                if payload["event"]["ts"] == deadly {
                    continue 'starts;
                }
                delivered.insert(payload["event"]["ts"].to_string());
            }
            if !payloads.is_empty() {
                missed.pass(payloads.len(), payloads.len(), Duration::ZERO);
            }
        }
        break;
    }
    assert_eq!(delivered.len(), 29, "all others are delivered");
    // Ordinary ends between do not add up.
    for _ in 0..20 {
        let (mut missed, count) = start(&page);
        assert_eq!(count, CHUNK);
        missed.pass(CHUNK, CHUNK, Duration::ZERO);
        missed.keep(KEEP);
        kv::delete("missed/U0").expect("it is there");
        heard(&mut Missed::load(&reader()), &["C1"]);
    }
}

#[test]
fn a_thread_that_is_gone_is_left_out() {
    let mut missed = Missed::load(&reader());
    heard(&mut missed, &["C1"]);
    missed.marks.spoke("C1", Stamp::read("5.5"), Stamp::now());
    missed.begin(Duration::ZERO);
    let mut asked = vec![];
    drive(&mut missed, |method, _| {
        asked.push(method.to_owned());
        if method == "conversations.replies" { refused("thread_not_found") } else { nothing() }
    });
    assert_eq!(asked, ["conversations.history", "conversations.replies"]);
    assert_eq!(missed.marks.threads("C1"), []);
}

#[test]
fn the_history_is_heard_as_it_was_then() {
    let missed = Missed::load(&reader());
    thread::keep_kind("C1", "channel");
    let say = |channel: &str, more: Value| {
        let mut event =
            json!({ "type": "message", "channel": channel, "user": "U1", "text": "x", "ts": ts(50) });
        for (key, value) in more.as_object().expect("an object") {
            event[key] = value.clone();
        }
        let event = reader().event(&json!({ "event": event })).expect("readable");
        event.map(|event| missed.was_said(&event))
    };
    assert_eq!(say("C1", json!({ "text": "<@U0> hi" })), Some(true));
    assert_eq!(say("C1", json!({})), None);
    // The settings name this channel, and this bot, only since now.
    assert_eq!(say("C9", json!({})), Some(false));
    assert_eq!(say("C9", json!({ "ts": "9999999999.000100" })), Some(true));
    let bots = json!({ "text": "<@U0> hi", "bot_id": "B9" });
    assert_eq!(say("C1", bots.clone()), Some(false));
    // What was said in a thread before the assistant took part in it was not said to it.
    let root = ts(10);
    Thread { account: "U0", channel: "C1", root: &root }.join(&ts(60));
    assert_eq!(say("C1", json!({ "thread_ts": root })), Some(false));
    assert_eq!(say("C1", json!({ "thread_ts": root, "ts": ts(70) })), Some(true));
}
