//! The receive loop against a script.
#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use openpact_sdk::adapter::inbox::{answer_for_test, delivered_for_test, reported_for_test};
use openpact_sdk::kv;
use openpact_sdk::serde_json::{Value, json};

use super::*;
use crate::api::{Fetched, Refusal, Token};
use crate::missed::Fields;
use crate::stamp::Stamp;
use crate::thread::Thread;

/// What happened, in order: `1 opened`, `1 acknowledged e1`, `1 closed`.
type Log = Rc<RefCell<Vec<String>>>;

struct Wire {
    number: usize,
    frames: RefCell<VecDeque<Received>>,
    log: Log,
}

impl Link for Wire {
    fn receive(&self, _: Duration) -> Received {
        self.frames.borrow_mut().pop_front().unwrap_or(Received::Nothing)
    }

    fn send(&self, text: &str) {
        let id: Value = serde_json::from_str(text).expect("JSON");
        let id = id["envelope_id"].as_str().expect("an id").to_owned();
        self.log.borrow_mut().push(format!("{} acknowledged {id}", self.number));
    }

    fn close(self) {
        self.log.borrow_mut().push(format!("{} closed", self.number));
    }
}

/// What the history answers.
type History = Box<dyn Fn(&str, Fields) -> Result<Value, Failure>>;

struct Switchboard {
    history: History,
    scripts: RefCell<VecDeque<Result<Vec<Received>, Failure>>>,
    opened: Cell<usize>,
    log: Log,
}

impl Dial for Switchboard {
    type Link = Wire;

    fn dial(&self) -> Result<Wire, Failure> {
        let script = self.scripts.borrow_mut().pop_front();
        let frames = script.unwrap_or_else(|| Err(Failure::Refused(Refusal::of("test_over", Token::App))))?;
        self.opened.set(self.opened.get() + 1);
        let number = self.opened.get();
        self.log.borrow_mut().push(format!("{number} opened"));
        Ok(Wire { number, frames: RefCell::new(frames.into()), log: self.log.clone() })
    }

    fn user(&self, _: &str) -> Result<Value, Failure> {
        Ok(json!({ "name": "ada" }))
    }

    fn history(&self, method: &str, fields: Fields) -> Result<Value, Failure> {
        (self.history)(method, fields)
    }
}

struct Run {
    log: Vec<String>,
    slept: Vec<Duration>,
    result: AdapterError,
}

/// Runs until the script is over, with a history in which there is nothing.
fn run(scripts: Vec<Result<Vec<Received>, Failure>>) -> Run {
    run_with(scripts, Box::new(|_, _| Ok(json!({ "ok": true, "messages": [] }))))
}

/// Runs until the script is over. Each look at the clock takes a second.
fn run_with(scripts: Vec<Result<Vec<Received>, Failure>>, history: History) -> Run {
    let log = Log::default();
    let slept = RefCell::new(vec![]);
    let clock = Cell::new(0);
    let now = || {
        clock.set(clock.get() + 1);
        Duration::from_secs(clock.get())
    };
    let reader = Reader {
        user: "U0".into(),
        bot: None,
        name: "ours".into(),
        respond_all: [].into(),
        bots: [].into(),
        mentions: Mentions::default(),
    };
    let (scripts, opened) = (RefCell::new(scripts.into()), Cell::new(0));
    let dial = Switchboard { history, scripts, opened, log: log.clone() };
    let sleep = |time: Duration| slept.borrow_mut().push(time);
    let patience = Patience { sleep, failures: 0, lost: false };
    let account = Account { id: "U0".into(), name: "@ours".into() };
    let (people, missed) = (People::default(), Missed::load(&reader));
    let mut receiver = Receiver { dial, now, reader, people, missed, account, patience, warned: false };
    let result = loop {
        if let Err(error) = receiver.connection() {
            break error;
        }
    };
    drop(receiver);
    Run { log: log.take(), slept: slept.take(), result }
}

fn text(frame: Value) -> Received {
    Received::Text(frame.to_string())
}

fn hello() -> Received {
    text(json!({ "type": "hello", "num_connections": 1 }))
}

fn disconnect(reason: &str) -> Received {
    text(json!({ "type": "disconnect", "reason": reason }))
}

fn lost() -> Received {
    Received::Lost("Slack closed the connection".into())
}

/// A direct message in the envelope with this id.
fn envelope(id: &str, ts: &str) -> Received {
    text(json!({ "type": "events_api", "envelope_id": id, "accepts_response_payload": false,
        "payload": { "type": "event_callback", "event": { "type": "message", "channel": "D1",
            "channel_type": "im", "user": "U1", "text": "hi", "ts": ts } } }))
}

/// Nothing for so many looks.
fn quiet(looks: usize) -> Vec<Received> {
    vec![Received::Nothing; looks]
}

fn delivered() -> Vec<String> {
    delivered_for_test().into_iter().map(|event| event.id).collect()
}

fn over(run: &Run) -> bool {
    matches!(&run.result, AdapterError::Configuration(text) if text.contains("test_over"))
}

#[test]
fn an_envelope_is_acknowledged_when_it_is_stored() {
    let run = run(vec![Ok(vec![hello(), envelope("e1", "1.1"), envelope("e2", "1.2"), lost()])]);
    assert_eq!(run.log, ["1 opened", "1 acknowledged e1", "1 acknowledged e2"]);
    assert_eq!(delivered(), ["D1:1.1", "D1:1.2"]);
    assert_eq!(run.slept, [Duration::from_secs(1)]);
    assert!(over(&run));
    let connected = Connection::Connected(Account { id: "U0".into(), name: "@ours".into() });
    assert_eq!(reported_for_test(), [connected]);
}

#[test]
fn what_cannot_be_stored_is_tried_twice_and_not_acknowledged() {
    let unavailable = || Err(inbox::Error::Unavailable("full".into()));
    answer_for_test([unavailable(), Ok(()), unavailable(), unavailable()]);
    let first = run(vec![Ok(vec![hello(), envelope("e1", "1.1"), envelope("e2", "1.2"), lost()])]);
    assert_eq!(first.log, ["1 opened", "1 acknowledged e1"]);
    // Slack sends it again, in another envelope.
    let again = run(vec![Ok(vec![hello(), envelope("e3", "1.2"), lost()])]);
    assert_eq!(again.log, ["1 opened", "1 acknowledged e3"]);
    assert_eq!(delivered(), ["D1:1.1", "D1:1.2"]);
}

#[test]
fn what_makes_no_sense_is_acknowledged() {
    answer_for_test([Err(inbox::Error::Invalid("no".into()))]);
    let nonsense = text(json!({ "type": "events_api", "envelope_id": "e2", "payload": { "event": 1 } }));
    let unknown = text(json!({ "type": "new", "envelope_id": "e3" }));
    let other =
        text(json!({ "type": "interactive", "envelope_id": "e4", "payload": { "type": "shortcut" } }));
    let run = run(vec![Ok(vec![hello(), envelope("e1", "1.1"), nonsense, unknown, other, lost()])]);
    let acknowledged: Vec<_> = ["e1", "e2", "e3", "e4"].map(|id| format!("1 acknowledged {id}")).into();
    assert_eq!(run.log[1..], acknowledged);
    assert_eq!(delivered(), Vec::<String>::new());
}

#[test]
fn the_new_connection_is_used_when_the_old_one_is_read_to_its_end() {
    let mut old = vec![hello()];
    old.extend(quiet(10));
    old.extend([disconnect("warning"), envelope("e1", "1.1"), envelope("e2", "1.2"), envelope("e3", "1.3")]);
    let new = vec![Received::Nothing, hello(), envelope("e4", "1.4"), lost()];
    let run = run(vec![Ok(old), Ok(new)]);
    assert_eq!(
        run.log,
        [
            "1 opened",
            "2 opened",
            "1 acknowledged e1",
            "1 acknowledged e2",
            "1 acknowledged e3",
            "1 closed",
            "2 acknowledged e4"
        ]
    );
    assert_eq!(delivered().len(), 4);
}

#[test]
fn an_old_connection_that_ends_first_is_replaced_without_a_wait() {
    let mut old = vec![hello()];
    old.extend(quiet(10));
    old.extend([disconnect("refresh_requested"), lost()]);
    let new = vec![Received::Nothing, Received::Nothing, hello(), envelope("e1", "1.1"), lost()];
    let run = run(vec![Ok(old), Ok(new)]);
    assert_eq!(run.log, ["1 opened", "2 opened", "2 acknowledged e1"]);
    assert_eq!(run.slept.len(), 1);
}

#[test]
fn it_waits_longer_and_longer_and_at_last_gives_up() {
    let refused = || Err(Failure::Unsent("dns error".into()));
    let run = run((0..7).map(|_| refused()).collect());
    let seconds: Vec<_> = run.slept.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, WAITS);
    assert!(matches!(run.result, AdapterError::Unavailable(_)));
    assert!(matches!(reported_for_test().as_slice(), [Connection::Lost(why)] if why.contains("dns error")));
}

#[test]
fn a_wait_that_slack_asks_for_is_kept() {
    let limited = |seconds| Err(Failure::Limited(Duration::from_secs(seconds)));
    let short = run(vec![limited(20)]);
    assert_eq!((short.slept.as_slice(), over(&short)), ([Duration::from_secs(20)].as_slice(), true));
    assert!(matches!(
        run(vec![
            limited(2_000),
            limited(2_000),
            limited(2_000),
            limited(2_000),
            limited(2_000),
            limited(2_000),
            limited(2_000)
        ])
        .result,
        AdapterError::Unavailable(_)
    ));
}

#[test]
fn what_only_an_admin_can_mend_ends_the_loop() {
    let run_with = |error| run(vec![Err(Failure::Refused(Refusal::of(error, Token::App)))]).result;
    assert!(matches!(run_with("invalid_auth"), AdapterError::Credential(_)));
    assert!(matches!(run_with("not_allowed_token_type"), AdapterError::Credential(_)));
    let disabled = run(vec![Ok(vec![hello(), disconnect("link_disabled")])]);
    assert!(matches!(disabled.result, AdapterError::Configuration(text) if text.contains("Socket Mode")));
    assert_eq!(disabled.slept, []);
}

/// What somebody says in the thread of the message 1.0 of C1.
fn in_thread(user: &str, text_there: &str, ts: &str) -> Received {
    text(json!({ "type": "events_api", "envelope_id": ts, "payload": { "event": {
        "type": "message", "channel": "C1", "channel_type": "channel", "user": user, "text": text_there,
        "ts": ts, "thread_ts": "1.0" } } }))
}

#[test]
fn whoever_mentions_it_makes_it_listen_to_nobody_else_in_the_thread() {
    let said = vec![
        in_thread("U1", "between the two of us", "1.1"),
        in_thread("U9", "<@U0> join them", "1.2"),
        in_thread("U1", "that was a stranger", "1.3"),
        in_thread("U9", "and?", "1.4"),
    ];
    run(vec![Ok([vec![hello()], said, vec![lost()]].concat())]);
    // The host refuses U9.
    assert_eq!(delivered(), ["C1:1.2", "C1:1.4"]);
    assert_eq!(kv::list_keys("thread/", None, 10), Ok(vec![]), "and takes no place among the threads");
}

#[test]
fn it_listens_to_all_in_a_thread_where_it_is_about_to_answer() {
    run(vec![Ok(vec![hello(), in_thread("U1", "<@U0> hi", "1.1"), lost()])]);
    run(vec![Ok(vec![hello(), in_thread("U2", "me too", "1.2"), lost()])]);
    assert_eq!(delivered(), ["C1:1.1"]);
    Thread { account: "U0", channel: "C1", root: "1.0" }.join("1.1");
    run(vec![Ok(vec![hello(), in_thread("U2", "and me", "1.3"), lost()])]);
    assert_eq!(delivered(), ["C1:1.3"]);
}

/// A history with these direct messages, newest first.
fn history(messages: &[&str]) -> History {
    let said = |ts: &&str| json!({ "type": "message", "user": "U1", "text": "hi", "ts": ts });
    let page = json!({ "ok": true, "messages": messages.iter().map(said).collect::<Vec<_>>() });
    Box::new(move |method, fields| {
        assert_eq!((method, &fields[0]), ("conversations.history", &("channel", "D1".to_owned())));
        Ok(page.clone())
    })
}

/// A time a minute ago, and so many microseconds.
fn lately(number: u32) -> String {
    let minute = Stamp::now().before(Duration::from_mins(1)).to_string();
    format!("{}.{number:06}", minute.split('.').next().expect("seconds"))
}

#[test]
fn what_was_missed_is_delivered_between_the_frames() {
    let [first, lost_one, lost_two, live] = [1, 2, 3, 4].map(lately);
    run(vec![Ok(vec![hello(), envelope("e1", &first), lost()])]);
    assert_eq!(delivered(), [format!("D1:{first}")]);
    // What is there already comes first: Slack waits for its acknowledgement.
    let mut frames = vec![hello(), envelope("e2", &live)];
    frames.extend(quiet(6));
    frames.push(lost());
    let again = run_with(vec![Ok(frames)], history(&[&live, &lost_two, &lost_one, &first]));
    assert_eq!(again.log, ["1 opened", "1 acknowledged e2"]);
    // The host drops those that it has.
    let all = [&live, &first, &lost_one, &lost_two, &live].map(|ts| format!("D1:{ts}"));
    assert_eq!(delivered(), all);
    // It is read once for each connection that does not take the place of another one.
    let mut frames = vec![hello()];
    frames.extend(quiet(6));
    frames.extend([disconnect("warning")]);
    frames.extend(quiet(2));
    let mut next = vec![hello()];
    next.extend(quiet(6));
    next.push(lost());
    run_with(vec![Ok(frames), Ok(next)], history(&[&lost_one]));
    assert_eq!(delivered(), [format!("D1:{lost_one}")]);
}

#[test]
fn frames_that_never_end_do_not_keep_it_from_being_read() {
    let [first, missed] = [1, 2].map(lately);
    run(vec![Ok(vec![hello(), envelope("e1", &first), lost()])]);
    delivered();
    let mut frames = vec![hello()];
    frames.extend((0..20).map(|number| text(json!({ "type": "new", "envelope_id": format!("e{number}") }))));
    frames.push(lost());
    run_with(vec![Ok(frames)], history(&[&missed]));
    assert_eq!(delivered(), [format!("D1:{missed}")]);
}

#[test]
fn what_is_missed_and_cannot_be_stored_is_tried_again() {
    let [first, missed, later] = [1, 2, 3].map(lately);
    run(vec![Ok(vec![hello(), envelope("e1", &first), lost()])]);
    delivered();
    let full = || Err(inbox::Error::Unavailable("full".into()));
    answer_for_test([full(), full(), Err(inbox::Error::Invalid("no".into()))]);
    let mut frames = vec![hello()];
    frames.extend(quiet(10));
    frames.push(lost());
    run_with(vec![Ok(frames)], history(&[&later, &missed]));
    assert_eq!(delivered(), [format!("D1:{later}")], "one makes no sense to the host");
}

#[test]
fn an_event_that_was_never_stored_is_looked_for() {
    let [first, refused] = [1, 2].map(lately);
    let full = || Err(inbox::Error::Unavailable("full".into()));
    answer_for_test([Ok(()), full(), full()]);
    let mut frames = vec![hello(), envelope("e1", &first), envelope("e2", &refused)];
    frames.extend(quiet(10));
    frames.push(lost());
    let run = run_with(vec![Ok(frames)], history(&[&refused]));
    assert_eq!(run.log, ["1 opened", "1 acknowledged e1"]);
    assert_eq!(delivered(), [&first, &refused].map(|ts| format!("D1:{ts}")));
}

struct Tests(RefCell<VecDeque<Result<Value, Failure>>>);

impl Exchange for Tests {
    fn call(&self, method: &str, _: Payload) -> Result<Value, Failure> {
        assert_eq!(method, "auth.test");
        self.0.borrow_mut().pop_front().expect("an answer for every call")
    }

    fn answer(&self, _: &str, _: &Value) -> Result<(), Failure> {
        Err(Failure::Unsent(String::new()))
    }

    fn upload(&self, _: &str, _: Vec<u8>) -> Result<(), Failure> {
        Err(Failure::Unsent(String::new()))
    }

    fn fetch(&self, _: &str, _: u64) -> Result<Fetched, Failure> {
        Err(Failure::Unsent(String::new()))
    }
}

#[test]
fn it_asks_who_it_is_until_it_is_told() {
    let account = json!({ "ok": true, "url": "https://t.slack.com/", "team": "T", "user": "ours", "team_id": "T1",
        "user_id": "U0", "bot_id": "B0", "is_enterprise_install": false });
    let ask = |answers: Vec<Result<Value, Failure>>| {
        me(&Tests(RefCell::new(answers.into())), &mut Patience { sleep: |_| {}, failures: 0, lost: false })
    };
    let me = ask(vec![Err(Failure::Unsent("x".into())), Ok(account)]).expect("who it is");
    assert_eq!((me.user_id.0.as_str(), account_name(&me).as_str()), ("U0", "@ours (T)"));
    let revoked = ask(vec![Err(Failure::Refused(Refusal::of("token_revoked", Token::Bot)))]);
    assert!(matches!(revoked, Err(AdapterError::Credential(text)) if text.contains("SLACK_BOT_TOKEN")));
    assert!(matches!(ask(vec![Ok(json!({}))]), Err(AdapterError::Protocol(_))));
}
