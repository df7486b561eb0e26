//! What goes wrong on purpose.

use std::io::Read as _;
use std::time::Duration;

use openpact_fake_slack::{Fault, Limits, RetryAfter, Rule, World};
use serde_json::{Value, json};

use crate::place::{BOT, Place, SOON, parse};

fn say() -> Value {
    json!({"channel": "C0GENERAL", "text": "x"})
}

/// The answer with this fault, and how much was said.
fn strike(place: &Place, fault: Fault) -> (String, usize) {
    place.server.fault(Rule::once(fault).method("chat.postMessage"));
    let before = place.general.posted().len();
    let answer = place.post("/api/chat.postMessage", BOT, "application/json", &say().to_string());
    (answer, place.general.posted().len() - before)
}

#[test]
fn faults_strike_where_they_are_set() {
    let place = Place::new();
    let wait = Fault::TooManyRequests(RetryAfter::Seconds(7));
    place.server.fault(Rule::once(wait).method("chat.postMessage").channel("C0GENERAL").skip(1));
    place.good("chat.postMessage", &say());
    place.good("auth.test", &json!({}));
    let answer = place.post("/api/chat.postMessage", BOT, "application/json", &say().to_string());
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    assert_eq!(parse(&answer), json!({"ok": false, "error": "ratelimited"}));
    place.good("chat.postMessage", &say());
    for (wait, header) in [(RetryAfter::Missing, None), (RetryAfter::Text("soon".to_owned()), Some("soon"))] {
        let (answer, done) = strike(&place, Fault::TooManyRequests(wait));
        let found = answer.lines().find_map(|line| line.strip_prefix("retry-after: "));
        assert_eq!((found, done), (header, 0), "{answer}");
    }
    let (answer, _) = strike(&place, Fault::Error("fatal_error".to_owned()));
    assert!(answer.starts_with("HTTP/1.1 200 ") && parse(&answer)["error"] == "fatal_error", "{answer}");
    let (answer, _) = strike(&place, Fault::MissingScope("chat:write".to_owned()));
    assert_eq!(parse(&answer)["needed"], "chat:write");
    let (answer, _) = strike(&place, Fault::ServerError(503));
    assert!(answer.starts_with("HTTP/1.1 503 ") && parse(&answer)["ok"] == false, "{answer}");
    place.server.seed(5);
    place.server.fault(Rule::new(Fault::ServerError(500)).chance(0.5));
    let failed = (0..200).filter(|_| place.call("auth.test", &json!({}))["ok"] == false).count();
    assert!((50..150).contains(&failed), "{failed} of 200 failed");
    place.server.clear_faults();
    place.good("auth.test", &json!({}));
    place.server.assert_no_violations();
}

#[test]
fn requests_break_off() {
    let place = Place::new();
    assert_eq!(strike(&place, Fault::CutUnread), (String::new(), 0));
    assert_eq!(strike(&place, Fault::CutBefore), (String::new(), 0));
    assert_eq!(strike(&place, Fault::CutAfter), (String::new(), 1));
    assert!(!place.general.posted().last().unwrap().told);
    let (half, done) = strike(&place, Fault::CutBody);
    assert!(half.starts_with("HTTP/1.1 200 ") && !half.ends_with('}') && done == 1, "{half}");
    for status in [200, 502] {
        let (page, done) = strike(&place, Fault::Page(status));
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")) && page.contains("<html>") && done == 0);
    }
    let (odd, done) = strike(&place, Fault::Malformed);
    assert!(serde_json::from_str::<Value>(odd.split_once("\r\n\r\n").unwrap().1).is_err() && done == 1);
    let (other, done) = strike(&place, Fault::Misshapen);
    assert!(parse(&other)["ok"] == "yes" && done == 1, "{other}");
    let (slow, done) = strike(&place, Fault::Drip(1));
    assert!(parse(&slow)["ok"] == true && done == 1, "{slow}");
    assert_eq!(strike(&place, Fault::Delay(1)).1, 1);
    let before = place.general.posted().len();
    for fault in [Fault::Hang, Fault::HangAfter] {
        place.server.fault(Rule::once(fault).method("chat.postMessage"));
        let count = place.server.count("chat.postMessage");
        let waits = place.begin("/api/chat.postMessage", "application/json", &say().to_string());
        place
            .server
            .wait("the request", SOON, |world| (world.count("chat.postMessage") > count).then_some(()));
        assert!(waits.set_nonblocking(true).is_ok() && (&waits).read(&mut [0]).is_err(), "nothing came");
    }
    assert_eq!(place.general.posted().len(), before + 1);
    let file = place.general.draft(&place.alice, "").file("a.txt", "text/plain", b"content").send();
    let url =
        place.general.message(&file.ts).unwrap()["files"][0]["url_private"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&format!("http://{}", place.server.address())).unwrap();
    place.server.fault(Rule::once(Fault::CutBody).method("files"));
    assert!(place.get(path, BOT).ends_with("\r\n\r\ncon"));
    assert_eq!(place.server.count("files"), 1);
    place.server.assert_no_violations();
}

#[test]
fn too_many_requests_are_refused_when_that_is_on() {
    let place = Place::new();
    place.server.limits(Some(Limits { per_channel: 1, per_method: 2 }));
    place.good("chat.postMessage", &say());
    let refused = place.post("/api/chat.postMessage", BOT, "application/json", &say().to_string());
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    place.good("chat.postMessage", &json!({"channel": place.direct.id(), "text": "x"}));
    place.server.advance(Duration::from_secs(1));
    place.good("chat.postMessage", &say());
    place.good("auth.test", &json!({}));
    place.good("auth.test", &json!({}));
    place.bad("auth.test", &json!({}), "ratelimited");
    place.server.advance(Duration::from_mins(1));
    place.good("auth.test", &json!({}));
}

#[test]
fn connections_do_not_open() {
    let place = Place::new();
    let fault = |fault: Fault| place.server.fault(Rule::once(fault));
    fault(Fault::RefuseSocket(503));
    assert!(place.try_open(&place.address()).is_none());
    fault(Fault::BadTicket);
    assert!(place.try_open(&place.address()).is_none());
    fault(Fault::CutBeforeHello);
    assert_eq!(place.try_open(&place.address()).unwrap().next(), Value::Null);
    fault(Fault::CutAfterHello);
    let mut cut = place.try_open(&place.address()).unwrap();
    assert_eq!((&cut.next()["type"], cut.next()), (&json!("hello"), Value::Null));
    fault(Fault::NoHello);
    let opened = place.server.look(World::connections_opened);
    let _waits = place.try_open(&place.address()).unwrap();
    place.server.wait("it to open", SOON, |world| (world.connections_opened() > opened).then_some(()));
    assert_eq!(place.app.connections(), 0);
    fault(Fault::TooManySockets);
    assert_eq!(place.try_open(&place.address()).unwrap().next()["reason"], "too_many_websockets");
    place.open();
    place.server.assert_no_violations();
}

/// What comes of one message with this fault: so many envelopes (null: the connection broke, and there is another), the
/// last of which settles it.
fn envelopes(place: &Place, fault: Fault, count: usize) -> Vec<Value> {
    place.server.fault(Rule::once(fault).method("events_api"));
    let mut socket = place.open();
    let said = place.general.say(&place.alice, "hello");
    let mut arrived = Vec::new();
    while arrived.len() < count {
        let text = socket.text();
        let envelope = serde_json::from_str::<Value>(&text).unwrap_or_default();
        if text.is_empty() {
            socket = place.open();
        } else if envelope.is_object() {
            assert_eq!(envelope["payload"]["event_id"], said.events[0], "{envelope}");
            socket.acknowledge(&envelope);
        }
        arrived.push(envelope);
    }
    place.server.wait("the end", SOON, |world| (world.pending() == 0).then_some(()));
    place.app.cut();
    place.server.wait("it to go", SOON, |world| (world.connections() == 0).then_some(()));
    arrived
}

#[test]
fn envelopes_get_lost_and_come_again() {
    let place = Place::new();
    let told = |fault: Fault, count: usize| {
        let arrived = envelopes(&place, fault, count);
        arrived.iter().map(|one| one["retry_attempt"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(told(Fault::CutBeforeEnvelope, 2), [None, Some(1)]);
    assert_eq!(told(Fault::CutInEnvelope, 2), [None, Some(1)]);
    assert_eq!(told(Fault::CutAfterEnvelope, 3), [Some(0), None, Some(1)]);
    assert_eq!(told(Fault::CutBeforeAcknowledgement, 3), [Some(0), None, Some(1)]);
    assert_eq!(told(Fault::CutAfterAcknowledgement, 1), [Some(0)]);
    place.server.acknowledgements(Duration::from_secs(1), &[Duration::ZERO]);
    assert_eq!(told(Fault::LoseAcknowledgement, 2), [Some(0), Some(1)]);
    assert_eq!(told(Fault::MalformedEnvelope, 2), [None, Some(1)]);
    place.server.assert_no_violations();
}

#[test]
fn envelopes_arrive_strangely() {
    let place = Place::new();
    let texts = |fault: Fault, count: usize| {
        place.server.fault(Rule::once(fault));
        let mut socket = place.open();
        place.general.say(&place.alice, "one");
        place.general.say(&place.alice, "two");
        let take = |_| socket.take()["payload"]["event"]["text"].as_str().unwrap_or("none").to_owned();
        let taken: Vec<_> = (0..count).map(take).collect();
        place.server.wait("the end", SOON, |world| (world.pending() == 0).then_some(()));
        place.app.cut();
        place.server.wait("it to go", SOON, |world| (world.connections() == 0).then_some(()));
        taken.join(" ")
    };
    assert_eq!(texts(Fault::DuplicateEnvelope, 3), "one one two");
    assert_eq!(texts(Fault::SwapEnvelope, 2), "two one");
    assert_eq!(texts(Fault::FramedEnvelope(7), 2), "one two");
    assert_eq!(texts(Fault::DripEnvelope(1), 2), "one two");
    assert_eq!(texts(Fault::DelayEnvelope(10), 2), "one two");
    assert_eq!(texts(Fault::DisconnectBeforeEnvelope("refresh_requested".to_owned()), 3), "none one two");
    place.server.assert_no_violations();
}

#[test]
fn a_silent_connection_takes_events_and_others_get_them_later() {
    let place = Place::new();
    place.server.acknowledgements(Duration::from_millis(50), &[Duration::ZERO; 100]);
    place.server.fault(Rule::once(Fault::Silence));
    let _silent = place.open();
    place.general.say(&place.alice, "hello");
    let mut other = place.open();
    assert_eq!(other.take()["payload"]["event"]["text"], "hello");
    place.server.wait("the acknowledgement", SOON, |world| (world.pending() == 0).then_some(()));
}
