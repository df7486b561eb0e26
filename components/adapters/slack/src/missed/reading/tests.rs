//! Pages as Slack writes them (<https://docs.slack.dev/reference/methods/conversations.history>).
#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

use super::*;

fn ts(seconds: u64) -> String {
    format!("{seconds}.000100")
}

fn at(seconds: u64) -> Stamp {
    Stamp::read(&ts(seconds))
}

fn reading(after: u64, kept: Vec<(Stamp, Stamp)>) -> Reading {
    Reading::new("C1".into(), "U0", at(after), kept)
}

fn said(seconds: u64, more: Value) -> Value {
    let mut message = json!({ "type": "message", "user": "U1", "text": "x", "ts": ts(seconds),
        "blocks": [{ "type": "rich_text" }] });
    for (key, value) in more.as_object().expect("an object") {
        message[key] = value.clone();
    }
    message
}

fn page(messages: Vec<Value>, next: &str) -> Value {
    json!({ "ok": true, "messages": messages, "has_more": !next.is_empty(),
        "response_metadata": { "next_cursor": next } })
}

fn asked(reading: &Reading) -> String {
    let Some((method, fields)) = reading.request() else { return "nothing".into() };
    let method = method.trim_start_matches("conversations.");
    let fields: Vec<_> = fields.iter().skip(1).map(|(key, value)| format!("{key}={value}")).collect();
    format!("{method} {}", fields.join(" "))
}

fn found(reading: &Reading) -> Vec<String> {
    let text = |payload: Value| payload["event"]["ts"].as_str().expect("a time").to_owned();
    reading.payloads(usize::MAX).into_iter().map(text).collect()
}

#[test]
fn pages_come_newest_first_and_are_delivered_oldest_first() {
    thread::keep_kind("C1", "group");
    let mut reading = reading(1, vec![]);
    assert_eq!(asked(&reading), "history oldest=1.000100 limit=200");
    reading.take(page(
        vec![said(5, json!({})), said(4, json!({ "edited": { "user": "U1", "ts": "5.0" } }))],
        "c",
    ));
    assert_eq!(asked(&reading), "history oldest=1.000100 limit=200 cursor=c");
    reading.take(page(vec![said(3, json!({})), said(1, json!({}))], ""));
    assert_eq!((asked(&reading).as_str(), reading.is_cut), ("nothing", false));
    assert_eq!(found(&reading), [ts(3), ts(4), ts(5)]);
    let payloads = reading.payloads(2);
    assert_eq!(payloads.len(), 2);
    let event = &payloads[1]["event"];
    assert_eq!((&event["channel"], &event["channel_type"]), (&json!("C1"), &json!("group")));
    assert_eq!((event.get("edited"), event.get("blocks")), (None, None));
    assert_eq!((reading.first(), reading.pass(2), reading.first()), (Some(at(3)), Some(at(4)), Some(at(5))));
    assert_eq!((reading.pass(2), reading.pass(1)), (Some(at(5)), None));
}

#[test]
fn threads_in_which_others_wrote_are_read_newest_first() {
    let parent = |seconds: u64, latest: u64, users: &[&str], count: u64| {
        said(
            seconds,
            json!({ "thread_ts": ts(seconds), "latest_reply": ts(latest), "reply_users": users,
            "reply_users_count": count, "reply_count": 2 }),
        )
    };
    // A thread that is kept and in this history is told by the history.
    let mut reading = reading(10, vec![(at(5), at(15)), (at(20), at(90))]);
    reading.take(page(
        vec![
            parent(40, 41, &["U0"], 1),
            parent(30, 31, &["U0", "U2"], 2),
            parent(25, 35, &["U2"], 1),
            parent(22, 24, &["U0"], 7),
            parent(20, 21, &["U0"], 1),
            said(19, json!({})),
        ],
        "",
    ));
    assert_eq!(asked(&reading), format!("replies ts={} oldest={} limit=200", ts(25), ts(10)));
    reading.take(page(vec![parent(25, 35, &["U2"], 1), said(35, json!({ "thread_ts": ts(25) }))], "d"));
    assert_eq!(asked(&reading), format!("replies ts={} oldest={} limit=200 cursor=d", ts(25), ts(10)));
    reading.take(page(vec![], ""));
    for (root, latest) in [(30, 31), (22, 24)] {
        assert_eq!(reading.thread(), Some(at(root)));
        reading.take(page(vec![said(latest, json!({ "thread_ts": ts(root) }))], ""));
    }
    assert_eq!(reading.thread(), Some(at(5)));
    // Its first message is older, and comes all the same.
    reading.take(page(vec![said(5, json!({})), said(15, json!({ "thread_ts": ts(5) }))], ""));
    assert_eq!(asked(&reading), "nothing");
    assert_eq!(found(&reading), [15, 19, 20, 22, 24, 25, 30, 31, 35, 40].map(ts));
}

#[test]
fn what_was_said_before_it_came_in_was_not_said_to_it() {
    let mut reading = reading(1, vec![]);
    let join = |user: &str, seconds| said(seconds, json!({ "subtype": "channel_join", "user": user }));
    let answered = said(2, json!({ "latest_reply": ts(4), "reply_users": ["U2"], "reply_users_count": 1 }));
    reading.take(page(vec![said(9, json!({})), join("U2", 8)], "c"));
    reading.take(page(vec![join("U0", 5), said(3, json!({})), answered], ""));
    assert_eq!(asked(&reading), "nothing");
    assert_eq!(found(&reading), [8, 9].map(ts));
}

#[test]
fn pages_threads_and_bytes_are_bounded() {
    let mut many = reading(1, vec![]);
    for number in 0..PAGES {
        assert!(asked(&many).starts_with("history"));
        many.take(page(vec![said(u64::from(1_000 - number), json!({}))], "c"));
    }
    assert_eq!((asked(&many).as_str(), many.is_cut, found(&many).len()), ("nothing", true, PAGES as usize));
    let mut threads = reading(1, (10..=10 + THREADS as u64).map(|root| (at(root), at(root))).collect());
    threads.take(page(vec![], ""));
    let mut read = vec![];
    while let Some(root) = threads.thread() {
        read.push(root);
        threads.take(page(vec![], ""));
    }
    assert_eq!((read.len(), read[0], threads.is_cut), (THREADS, at(10 + THREADS as u64), true));
    let mut heavy = reading(1, vec![]);
    heavy.take(page(vec![said(2, json!({ "text": "x".repeat(WEIGHT) }))], "c"));
    assert_eq!((asked(&heavy).as_str(), heavy.is_cut), ("nothing", true));
    let mut large = reading(1, vec![]);
    for size in [100, 50, 25, 12, 6, 3, 1] {
        assert!(large.shrink());
        assert_eq!(asked(&large), format!("history oldest=1.000100 limit={size}"));
    }
    assert!(!large.shrink());
}

#[test]
fn nonsense_is_passed_over() {
    let mut odd = reading(1, vec![]);
    odd.take(
        json!({ "messages": [7, {}, { "ts": 5 }, { "ts": "x" }, said(2, json!({ "latest_reply": 7 }))] }),
    );
    assert_eq!((asked(&odd).as_str(), found(&odd)), ("nothing", vec![ts(2)]));
    for answer in [json!({}), json!(7), json!({ "messages": {}, "response_metadata": 7 })] {
        let mut odd = reading(1, vec![]);
        odd.take(answer);
        assert_eq!(asked(&odd), "nothing");
    }
}
