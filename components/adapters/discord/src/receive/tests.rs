//! The receive loop against a script.

mod missed;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use openpact_sdk::adapter::inbox::{Account, answer_for_test, delivered_for_test, reported_for_test};
use openpact_sdk::kv;
use openpact_sdk::websocket::{Close, Error};
use serde_json::json;

use super::*;
use crate::api::Failure;
use crate::api::script::{Script, done, ok, refused};

/// The time of the tests, in milliseconds since Discord's first.
const TIME: u64 = 260_000_000;

/// What a connection brings; then it waits for nothing.
type Frames = Vec<Result<Option<Message>, Error>>;

#[derive(Default)]
struct Seen {
    connected: Vec<String>,
    said: Vec<Value>,
    closed: Vec<u16>,
    slept: Vec<Duration>,
}

struct Stage {
    connections: RefCell<VecDeque<Result<Frames, Error>>>,
    seen: Rc<RefCell<Seen>>,
    now: Rc<Cell<Duration>>,
}

struct Wire {
    frames: RefCell<VecDeque<Result<Option<Message>, Error>>>,
    seen: Rc<RefCell<Seen>>,
    now: Rc<Cell<Duration>>,
}

impl World for Stage {
    type Line = Wire;

    fn connect(&self, url: &str) -> Result<Wire, Error> {
        self.seen.borrow_mut().connected.push(url.to_owned());
        let frames = self.connections.borrow_mut().pop_front().expect("a connection that is foreseen")?;
        let (seen, now) = (Rc::clone(&self.seen), Rc::clone(&self.now));
        Ok(Wire { frames: RefCell::new(frames.into()), seen, now })
    }

    fn now(&self) -> Duration {
        self.now.get()
    }

    fn time(&self) -> u64 {
        crate::event::EPOCH + TIME
    }

    fn sleep(&self, time: Duration) {
        self.seen.borrow_mut().slept.push(time);
    }

    fn jitter(&self) -> f64 {
        0.5
    }
}

impl Line for Wire {
    fn send(&self, text: &str) -> Result<(), Error> {
        self.seen.borrow_mut().said.push(serde_json::from_str(text).expect("JSON"));
        Ok(())
    }

    fn receive(&self, wait: Duration) -> Result<Option<Message>, Error> {
        let next = self.frames.borrow_mut().pop_front().expect("a frame that is foreseen");
        if next == Ok(None) {
            self.now.set(self.now.get() + wait);
        }
        next
    }

    fn close(self, code: u16) {
        self.seen.borrow_mut().closed.push(code);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
fn text(frame: &Value) -> Result<Option<Message>, Error> {
    Ok(Some(Message::Text(frame.to_string())))
}

fn hello() -> Result<Option<Message>, Error> {
    text(&json!({ "op": 10, "d": { "heartbeat_interval": 40_000 } }))
}

fn ready() -> Result<Option<Message>, Error> {
    text(&json!({ "t": "READY", "s": 1, "op": 0, "d": { "session_id": "abc",
        "resume_gateway_url": "wss://resume.discord.gg", "user": { "id": "42", "username": "ours" } } }))
}

fn direct(sequence: u64) -> Result<Option<Message>, Error> {
    text(&json!({ "t": "MESSAGE_CREATE", "s": sequence, "op": 0, "d": { "id": (sequence << 22).to_string(),
        "channel_id": "9", "content": "hi", "timestamp": "2026-01-01T00:00:00+00:00", "type": 0,
        "author": { "id": "7", "username": "ada" } } }))
}

fn command(sequence: u64) -> Result<Option<Message>, Error> {
    text(
        &json!({ "t": "INTERACTION_CREATE", "s": sequence, "op": 0, "d": { "id": "77", "application_id": "8",
        "type": 2, "token": "secret", "version": 1, "channel_id": "9", "context": 1,
        "user": { "id": "7", "username": "ada" }, "data": { "id": "1", "name": "help", "type": 1 } } }),
    )
}

#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
fn closed(code: u16) -> Result<Option<Message>, Error> {
    Ok(Some(Message::Closed(Some(Close { code, reason: String::new() }))))
}

fn reconnect() -> Result<Option<Message>, Error> {
    text(&json!({ "op": 7, "d": null }))
}

fn gateway() -> Result<api::Answer, Failure> {
    ok(&json!({ "url": "wss://gateway.discord.gg", "shards": 1,
        "session_start_limit": { "total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1 } }))
}

struct Run {
    seen: Rc<RefCell<Seen>>,
    results: Vec<Result<(), AdapterError>>,
    asked: Vec<String>,
}

/// Runs one connection after the other until one is the end, or no more are foreseen.
fn run(answers: Vec<Result<api::Answer, Failure>>, connections: Vec<Result<Frames, Error>>) -> Run {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let stage = Stage {
        connections: RefCell::new(connections.into()),
        seen: Rc::clone(&seen),
        now: Rc::new(Cell::new(Duration::ZERO)),
    };
    let settings = Settings::read().expect("the defaults do");
    let mut receiver = Receiver::new(Script::new(answers), stage, settings, "reference".to_owned());
    let mut results = vec![];
    while results.iter().all(Result::is_ok) && !receiver.world.connections.borrow().is_empty() {
        results.push(receiver.connection());
    }
    Run { seen, results, asked: receiver.api.lines() }
}

fn delivered() -> Vec<String> {
    delivered_for_test().into_iter().map(|event| event.id).collect()
}

/// As if nothing had ever been received.
fn forget() {
    Session::forget();
    kv::delete("newest").expect("deleted");
}

fn stored() -> Option<u64> {
    Session::load().map(|session| session.sequence)
}

#[test]
fn a_message_is_delivered_and_then_passed() {
    let run = run(vec![gateway()], vec![Ok(vec![hello(), ready(), direct(2), reconnect()])]);
    assert_eq!(run.results, [Ok(())]);
    assert_eq!(run.seen.borrow().connected, ["wss://gateway.discord.gg/?v=10&encoding=json"]);
    assert_eq!(run.seen.borrow().said[0]["op"], json!(2));
    assert_eq!(delivered(), [(2 << 22).to_string()]);
    assert_eq!(stored(), Some(2));
    assert_eq!(run.seen.borrow().closed, [4_000], "1000 would end the session");
    let account = Account { id: "42".into(), name: "ours".into() };
    assert_eq!(reported_for_test(), [Connection::Connected(account)]);
}

#[test]
fn the_next_connection_resumes_and_so_does_the_next_start() {
    let first = Ok(vec![hello(), ready(), direct(2), reconnect()]);
    let second = Ok(vec![hello(), direct(3), closed(4_000)]);
    let run = run(vec![gateway()], vec![first, second]);
    let seen = run.seen.borrow();
    assert_eq!(seen.connected[1], "wss://resume.discord.gg/?v=10&encoding=json");
    assert_eq!(
        seen.said[1],
        json!({ "op": 6, "d": { "token": "reference", "session_id": "abc", "seq": 2 } })
    );
    assert_eq!(stored(), Some(3));
    // As after a restart: nothing but the store is left.
    let again = self::run(vec![], vec![Ok(vec![hello(), closed(4_004)])]);
    assert_eq!(again.seen.borrow().said[0]["d"]["seq"], json!(3));
    assert!(matches!(&again.results[..], [Err(AdapterError::Credential(_))]));
}

#[test]
fn what_can_never_be_read_is_passed_when_it_comes_again() {
    let unreadable: [Result<Option<Message>, Error>; 2] =
        [Err(Error::TooLarge(4_194_304)), Ok(Some(Message::Text("{".to_owned())))];
    for frame in unreadable {
        forget();
        let first = Ok(vec![hello(), ready(), direct(2), frame.clone()]);
        let again = Ok(vec![hello(), frame]);
        let behind = Ok(vec![hello(), direct(4), reconnect()]);
        let run = run(vec![gateway()], vec![first, again, behind]);
        assert_eq!(run.results, [Ok(()), Ok(()), Ok(())]);
        let seen = run.seen.borrow();
        let places: Vec<_> = seen.said.iter().map(|said| said["d"]["seq"].clone()).collect();
        assert_eq!(places, [Value::Null, json!(2), json!(3)], "once more, and then behind it");
        assert_eq!(stored(), Some(4));
    }
}

#[test]
fn a_frame_that_was_broken_once_is_not_passed() {
    let first = Ok(vec![hello(), ready(), direct(2), Ok(Some(Message::Text("{".to_owned())))]);
    let again = Ok(vec![hello(), direct(3), reconnect()]);
    let run = run(vec![gateway()], vec![first, again]);
    assert_eq!(run.seen.borrow().said[1]["d"]["seq"], json!(2));
    assert_eq!(delivered(), [(2 << 22).to_string(), (3 << 22).to_string()]);
}

#[test]
fn what_the_host_cannot_store_is_not_passed() {
    answer_for_test([Ok(()), Err(inbox::Error::Unavailable("the disk is full".into()))]);
    let run = run(vec![gateway()], vec![Ok(vec![hello(), ready(), direct(2), direct(3)])]);
    assert_eq!(run.results, [Err(AdapterError::Unavailable("the disk is full".into()))]);
    assert_eq!(stored(), Some(2), "the third comes again");
    assert_eq!(run.seen.borrow().closed, [4_000]);
}

#[test]
fn what_makes_no_sense_to_the_host_is_passed() {
    answer_for_test([Err(inbox::Error::Invalid("text".into()))]);
    let run = run(vec![gateway()], vec![Ok(vec![hello(), ready(), direct(2), reconnect()])]);
    assert_eq!((run.results, stored()), (vec![Ok(())], Some(2)));
}

#[test]
fn what_cannot_be_read_is_passed() {
    let odd = text(&json!({ "t": "MESSAGE_CREATE", "s": 2, "op": 0, "d": { "id": "x", "channel_id": "9",
        "author": { "id": "7" } } }));
    let run = run(vec![gateway()], vec![Ok(vec![hello(), ready(), odd, direct(3), reconnect()])]);
    assert_eq!(run.results, [Ok(())]);
    assert_eq!((delivered().len(), stored()), (1, Some(3)));
}

#[test]
fn an_interaction_is_acknowledged_once_it_is_delivered() {
    let frames = vec![hello(), ready(), command(2), reconnect()];
    let run = run(vec![gateway(), done()], vec![Ok(frames)]);
    assert_eq!(delivered(), ["interaction:77"]);
    assert_eq!(run.asked, ["GET gateway/bot", "POST interactions/77/secret/callback"]);
}

#[test]
fn an_interaction_that_is_not_stored_is_not_acknowledged() {
    answer_for_test([Err(inbox::Error::Unavailable("later".into()))]);
    let run = run(vec![gateway()], vec![Ok(vec![hello(), ready(), command(2)])]);
    assert_eq!(run.asked, ["GET gateway/bot"]);
    assert_eq!(stored(), Some(1));
}

#[test]
fn a_connection_without_heartbeats_is_made_anew() {
    // Waits until the first heartbeat, says it, hears nothing, and waits for the second.
    let first = Ok(vec![hello(), ready(), Ok(None), Ok(None)]);
    let run = run(vec![gateway()], vec![first, Ok(vec![hello(), closed(4_014)])]);
    assert!(matches!(&run.results[..], [Ok(()), Err(AdapterError::Configuration(_))]));
    let operations: Vec<_> = run.seen.borrow().said.iter().map(|frame| frame["op"].clone()).collect();
    assert_eq!(operations, [json!(2), json!(1), json!(6)]);
}

#[test]
fn an_invalid_session_is_begun_anew_after_a_wait() {
    let first = Ok(vec![hello(), ready(), reconnect()]);
    let second = Ok(vec![hello(), text(&json!({ "op": 9, "d": false }))]);
    let third = Ok(vec![hello(), ready(), reconnect()]);
    let run = run(vec![gateway(), gateway()], vec![first, second, third]);
    assert_eq!(run.results, [Ok(()), Ok(()), Ok(())]);
    let seen = run.seen.borrow();
    assert_eq!(seen.said.iter().map(|frame| frame["op"].clone()).collect::<Vec<_>>(), [2, 6, 2]);
    assert_eq!(seen.slept[1], Duration::from_secs(3));
    assert!(reported_for_test().iter().any(|report| matches!(report, Connection::Lost(_))));
}

#[test]
fn where_no_connection_begins_the_host_is_told() {
    let ends = || Ok(vec![hello(), closed(1_006)]);
    let run = run((0..5).map(|_| gateway()).collect(), (0..6).map(|_| ends()).collect());
    assert_eq!(run.results.len(), 5);
    assert!(matches!(run.results.last(), Some(Err(AdapterError::Unavailable(_)))));
}

#[test]
fn connections_that_end_at_once_are_not_made_without_end() {
    let first = || Ok(vec![hello(), ready(), reconnect()]);
    let brief = || Ok(vec![hello(), direct(2), reconnect()]);
    let all = [first()].into_iter().chain((0..5).map(|_| brief())).collect();
    assert_eq!(run(vec![gateway()], all).results.len(), 5);
    forget();
    // Half a minute is long enough.
    let acknowledged = || text(&json!({ "op": 11 }));
    let long = || Ok(vec![hello(), direct(2), Ok(None), acknowledged(), Ok(None), reconnect()]);
    let all: Vec<_> = [first()].into_iter().chain((0..8).map(|_| long())).collect();
    assert_eq!(run(vec![gateway()], all).results, vec![Ok(()); 9]);
}

#[test]
fn a_session_that_cannot_be_reached_is_resumed_at_the_gateway() {
    run(vec![gateway()], vec![Ok(vec![hello(), ready(), reconnect()])]);
    let denied = Err(Error::Denied("wss://resume.discord.gg".into()));
    let run = run(vec![gateway()], vec![denied, Ok(vec![hello(), closed(4_000)])]);
    assert_eq!(run.seen.borrow().connected[1], "wss://gateway.discord.gg/?v=10&encoding=json");
    assert_eq!(run.seen.borrow().said[0]["op"], json!(6));
}

#[test]
fn errors_before_a_connection_say_what_to_do() {
    let first = |answer, connection| {
        let run = run(vec![answer], vec![connection]);
        run.results.into_iter().next().expect("one").expect_err("an error")
    };
    let none = || Ok(vec![]);
    assert!(matches!(first(refused(401, 0), none()), AdapterError::Credential(_)));
    assert!(matches!(first(Err(Failure::Unsent("dns".into())), none()), AdapterError::Unavailable(_)));
    let spent = ok(&json!({ "url": "wss://gateway.discord.gg",
        "session_start_limit": { "remaining": 0, "reset_after": 120_001 } }));
    assert!(matches!(first(spent, none()), AdapterError::Unavailable(text) if text.contains("3 minutes")));
    assert!(matches!(first(ok(&json!({})), none()), AdapterError::Protocol(_)));
    let denied = first(gateway(), Err(Error::Denied("x".into())));
    assert!(
        matches!(&denied, AdapterError::Configuration(text) if text.contains("GET wss://gateway.discord.gg/ credential=gateway-token")),
        "{denied:?}"
    );
    assert!(matches!(first(gateway(), Err(Error::Connect("x".into()))), AdapterError::Unavailable(_)));
}

#[test]
fn a_token_that_is_not_let_out_is_told() {
    let denied = Err(Error::Denied("a credential".into()));
    let run = run(vec![gateway()], vec![Ok(vec![hello(), denied])]);
    assert!(
        matches!(&run.results[..], [Err(AdapterError::Configuration(text))] if text.contains("gateway-token"))
    );
}
