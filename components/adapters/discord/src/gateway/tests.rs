//! The gateway by its frames, written from Discord's description.

use openpact_sdk::kv;

use super::*;

const START: Duration = Duration::from_secs(100);

fn session() -> Session {
    Session {
        id: "abc".into(),
        url: "wss://gateway-us-east1-b.discord.gg".into(),
        sequence: 42,
        account: Account { id: "7".into(), name: "ours".into() },
        starts: 1,
    }
}

fn machine(session: Option<Session>) -> Machine {
    Machine::new("reference".into(), session, START, 0.5)
}

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn hello() -> String {
    json!({ "t": null, "s": null, "op": 10, "d": { "heartbeat_interval": 40_000, "_trace": ["x"] } })
        .to_string()
}

fn ready() -> String {
    json!({ "t": "READY", "s": 1, "op": 0, "d": {
        "v": 10, "session_id": "new", "resume_gateway_url": "wss://other.discord.gg",
        "user": { "id": "7", "username": "ours", "bot": true }, "guilds": [{ "id": "5", "unavailable": true }], "application": { "id": "8", "flags": 0 },
    } })
    .to_string()
}

fn dispatch(sequence: u64, kind: &str) -> String {
    json!({ "t": kind, "s": sequence, "op": 0, "d": {} }).to_string()
}

fn sent(acts: &[Act]) -> Vec<Value> {
    let text = |act: &Act| match act {
        Act::Send(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    acts.iter().filter_map(text).collect()
}

fn live() -> Machine {
    let mut machine = machine(None);
    machine.frame(&hello(), START).expect("hello");
    assert_eq!(machine.frame(&ready(), START), Ok(vec![Act::Connected(Some([5].into()))]));
    machine
}

#[test]
fn a_new_session_is_asked_for_with_the_intents_that_are_needed() {
    let mut machine = machine(None);
    let acts = machine.frame(&hello(), START).expect("hello");
    let identify = &sent(&acts)[0];
    assert_eq!((&identify["op"], &identify["d"]["token"]), (&json!(2), &json!("reference")));
    // GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT.
    assert_eq!(identify["d"]["intents"], json!(1 | 1 << 9 | 1 << 12 | 1 << 15));
    assert!(identify["d"]["properties"]["browser"].is_string());
    assert!(!machine.is_live());
    machine.frame(&ready(), START).expect("ready");
    let session = machine.session().expect("a session");
    assert_eq!((session.id.as_str(), session.url.as_str()), ("new", "wss://other.discord.gg"));
    assert_eq!((session.sequence, session.account.id.as_str()), (1, "7"));
    assert!(machine.is_live());
}

#[test]
fn a_session_is_resumed_where_it_was_left() {
    let mut machine = machine(Some(session()));
    let acts = machine.frame(&hello(), START).expect("hello");
    assert_eq!(
        sent(&acts)[0],
        json!({ "op": 6, "d": { "token": "reference", "session_id": "abc", "seq": 42 } })
    );
    // What was missed comes first, and the account has to be known before it.
    let acts = machine.frame(&dispatch(43, "MESSAGE_CREATE"), START).expect("an event");
    assert!(matches!(&acts[..], [Act::Connected(None), Act::Dispatch(event)] if event.sequence == 43));
    let acts = machine.frame(&dispatch(44, "RESUMED"), START).expect("an event");
    assert!(matches!(&acts[..], [Act::Dispatch(_)]));
}

#[test]
fn the_sequence_passes_only_what_was_taken() {
    let mut machine = live();
    machine.frame(&dispatch(2, "MESSAGE_CREATE"), START).expect("an event");
    assert_eq!(machine.session().map(|session| session.sequence), Some(1));
    machine.took(2);
    let session = machine.session().expect("a session");
    assert_eq!((session.sequence, session.starts), (2, 0));
}

#[test]
fn the_heart_beats_first_after_a_part_of_the_interval_and_then_after_each() {
    let mut machine = live();
    assert_eq!(machine.wait(START), Duration::from_secs(20), "half of it, as the jitter says");
    assert_eq!(machine.tick(at(19)), Ok(None));
    let beat = machine.tick(at(20)).expect("alive").expect("due");
    assert_eq!(sent(&[beat])[0], json!({ "op": 1, "d": 1 }));
    assert_eq!(machine.wait(at(20)), Duration::from_secs(40));
    machine.frame(r#"{"op":11}"#, at(21)).expect("acknowledged");
    assert!(machine.tick(at(60)).expect("alive").is_some());
    // Nothing acknowledged the second one.
    let end = machine.tick(at(100)).expect_err("dead");
    assert!(matches!(end, End::Again { why, .. } if why.contains("acknowledge")));
    assert!(machine.session().is_some(), "it is resumed");
}

#[test]
fn a_heartbeat_that_is_asked_for_is_sent_at_once() {
    let mut machine = machine(None);
    machine.frame(&hello(), START).expect("hello");
    let acts = machine.frame(r#"{"op":1,"d":null}"#, START).expect("asked");
    assert_eq!(sent(&acts)[0], json!({ "op": 1, "d": null }), "nothing was received yet");
}

#[test]
fn a_session_that_does_not_come_is_not_waited_for() {
    let mut machine = machine(None);
    assert_eq!(machine.wait(START), PATIENCE);
    assert_eq!(machine.tick(at(29)), Ok(None));
    assert!(matches!(machine.tick(at(30)), Err(End::Again { .. })));
    let mut machine = live();
    machine.frame(r#"{"op":11}"#, START).expect("acknowledged");
    assert!(machine.tick(at(30)).is_ok(), "it is there");
}

#[test]
fn an_invalid_session_is_kept_or_dropped_as_the_gateway_says() {
    for (data, kept) in [(true, true), (false, false)] {
        let mut machine = machine(Some(session()));
        machine.frame(&hello(), START).expect("hello");
        let end = machine.frame(&json!({ "op": 9, "d": data }).to_string(), START).expect_err("over");
        let End::Again { wait, .. } = end else { panic!("{end:?}") };
        assert_eq!(wait, Duration::from_secs(3), "between one and five seconds");
        assert_eq!(machine.session().is_some(), kept);
    }
}

#[test]
fn the_gateway_may_ask_for_another_connection() {
    let mut machine = live();
    let end = machine.frame(r#"{"op":7,"d":null}"#, START).expect_err("over");
    assert!(matches!(end, End::Again { wait: Duration::ZERO, .. }));
    assert!(machine.session().is_some());
}

#[test]
fn what_makes_no_sense_ends_the_connection_and_what_is_new_does_not() {
    assert_eq!(live().frame(r#"{"op":31,"d":{}}"#, START), Ok(vec![]));
    for frame in ["", "[]", "{", r#"{"op":"x"}"#, r#"{"op":0,"d":{}}"#, r#"{"op":10,"d":{}}"#] {
        assert!(matches!(live().frame(frame, START), Err(End::Again { .. })), "{frame}");
    }
    let mut fresh = machine(None);
    fresh.frame(&hello(), START).expect("hello");
    assert!(matches!(fresh.frame(&dispatch(1, "MESSAGE_CREATE"), START), Err(End::Again { .. })));
    let incomplete = json!({ "t": "READY", "s": 1, "op": 0, "d": { "session_id": "x" } }).to_string();
    assert!(matches!(fresh.frame(&incomplete, START), Err(End::Fatal(AdapterError::Protocol(_)))));
    // An interval of nothing would be a flood of heartbeats.
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": 0 } }).to_string();
    let mut fast = machine(None);
    fast.frame(&hello, START).expect("hello");
    assert!(fast.wait(START) >= Duration::from_millis(500));
}

#[test]
fn every_close_code_means_what_discord_says() {
    for (code, resumes) in [
        (None, true),
        (Some(1_000), true),
        (Some(1_001), true),
        (Some(1_006), true),
        (Some(4_000), true),
        (Some(4_001), true),
        (Some(4_002), true),
        (Some(4_003), false),
        (Some(4_005), false),
        (Some(4_007), false),
        (Some(4_008), true),
        (Some(4_009), false),
        (Some(4_999), true),
    ] {
        let mut machine = live();
        assert!(matches!(machine.closed(code, "why"), End::Again { .. }), "{code:?}");
        assert_eq!(machine.session().is_some(), resumes, "{code:?}");
    }
    for (code, says) in [
        (4_010, "shard"),
        (4_011, "sharding required"),
        (4_012, "version 10"),
        (4_013, "intents"),
        (4_014, "Message Content Intent"),
    ] {
        let end = live().closed(Some(code), "");
        assert!(
            matches!(&end, End::Fatal(AdapterError::Configuration(text)) if text.contains(says)),
            "{code}: {end:?}"
        );
    }
    let end = live().closed(Some(4_004), "Authentication failed.");
    assert!(matches!(&end, End::Fatal(AdapterError::Credential(text)) if text.contains("Reset Token")));
}

#[test]
fn a_session_outlives_a_restart_but_not_one_that_kills_again_and_again() {
    assert_eq!(Session::load(), None);
    let mut session = Session { starts: 0, ..session() };
    session.keep();
    assert_eq!(Session::load(), Some(session.clone()));
    for _ in 0..4 {
        let mut loaded = Session::load().expect("not yet");
        loaded.begin();
    }
    assert_eq!(Session::load(), None, "five would be too many");
    assert_eq!(kv::get("session"), Ok(None));
    session.begin();
    session.put_back();
    assert_eq!(Session::load().map(|session| session.starts), Some(0), "an orderly end is no death");
    kv::set("session", b"{}").expect("stored");
    assert_eq!(Session::load(), None, "what makes no sense is none");
}
