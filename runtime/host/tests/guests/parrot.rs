//! An adapter that behaves: its loop, its functions, its credential.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openpact_host::{Compiler, Config, Error, Host};
use openpact_model::chat::{
    Abilities, Account, Adapter as _, AdapterError, CommandSpec, Connection, Happening, SendError, Sent,
};
use openpact_packages::manifest::Kind;
use openpact_test_guests::{ECHO, PARROT, WAIT};
use serde_json::json;

use crate::adapter::{
    Loop, Told, connected, load, load_on, markdown, package, part, platform, target, with_settings,
};
use crate::fixture::{call, generous, host, package as tool_package, shared, text, with_limits};

const NAME: &str = "parrot";

/// A platform that gives two messages, then nothing more for as long as somebody asks.
fn two_messages(path: &str, _: &str) -> (u16, String) {
    (
        200,
        match path {
            "/me" => "parrot-bot".into(),
            "/poll/0" => "m1 hello\nm2 again and again".into(),
            _ => String::new(),
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_says_reaches_the_inbox_under_the_instances_name() {
    let adapter = load(NAME, PARROT, connected(NAME, &platform(two_messages)).0);
    let mut running = Loop::start(&adapter);
    assert_eq!(running.next().await, Told::Connection(NAME.into(), Connection::Connecting));
    let account = Account { id: "parrot-bot".into(), name: "the bot".into() };
    assert_eq!(running.next().await, Told::Connection(NAME.into(), Connection::Connected(account)));
    for (id, text) in [("m1", "hello"), ("m2", "again and again")] {
        let Told::Event(instance, event) = running.next().await else { panic!("an event") };
        assert_eq!((instance.as_str(), event.account.as_str(), event.id.as_str()), (NAME, "parrot-bot", id));
        let Happening::Message(message) = event.happening else { panic!("a message") };
        assert_eq!(message.text, text);
    }
    running.stop.cancel();
    assert_eq!(running.end().await, AdapterError::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_is() {
    let adapter = load(NAME, PARROT, with_limits(generous()));
    let info = adapter.info();
    assert_eq!((adapter.instance(), info.platform.as_str(), info.message_length), (NAME, "parrot", 64));
    assert_eq!(info.abilities, Abilities { edit: true, typing: true, ..Abilities::default() });
    assert_eq!(adapter.manifest().kind, Kind::Adapter);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_rendered_without_anything_granted() {
    let adapter = load(NAME, PARROT, with_limits(generous()));
    let parts = adapter.render(&markdown(&"x".repeat(100))).await.unwrap();
    assert_eq!(parts, [part(&"x".repeat(64)), part(&"x".repeat(36))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_reaches_the_platform() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&asked);
    let address = platform(move |path, _| {
        list.lock().unwrap().push(path.to_owned());
        (200, "id-1".into())
    });
    let adapter = load(NAME, PARROT, connected(NAME, &address).0);
    let sent = adapter.send_part(&target("room"), &part("hello"), "k1").await.unwrap();
    assert_eq!(sent, Sent { id: "id-1".into(), pause: None, moved_to: None });
    adapter.edit_part(&target("room"), "id-1", &part("better")).await.unwrap();
    adapter.delete_part(&target("room"), "id-1").await.unwrap();
    adapter.typing(&target("room")).await.unwrap();
    adapter.answer_interaction("i1", &markdown("yes")).await.unwrap();
    assert_eq!(adapter.fetch_attachment("f1", 4).await.unwrap(), b"id-1");
    let commands = [CommandSpec { name: "help".into(), description: "Helps.".into(), options: vec![] }];
    adapter.register_commands(&commands).await.unwrap();
    let expected = [
        "/send/room/hello?key=k1",
        "/edit/room/id-1/better",
        "/delete/room/id-1",
        "/typing/room",
        "/answer/i1/yes",
        "/file/f1",
        "/commands/help",
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_answers_is_told_apart() {
    let address = platform(|path, _| match path.split('/').nth(2) {
        Some("gone") => (404, "no such room".into()),
        Some("busy") => (429, "1500".into()),
        Some("wrong") => (400, String::new()),
        _ => (200, "id".into()),
    });
    let adapter = load(NAME, PARROT, connected(NAME, &address).0);
    let send = async |channel: &str| adapter.send_part(&target(channel), &part("x"), "k").await.unwrap_err();
    assert_eq!(send("gone").await, SendError::Gone("no such room".into()));
    assert_eq!(send("busy").await, SendError::RateLimited { retry_after: 1500, global: false });
    assert_eq!(send("wrong").await, SendError::Refused("400".into()));
    assert_eq!(adapter.fetch_attachment("big", 1).await, Err(SendError::TooLarge(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_nothing_is_sent_and_the_host_says_why() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = platform(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        (200, "id".into())
    });
    let bare = with_settings(with_limits(generous()), &[("authority", &address)]);
    let (closed, door, _) = connected(NAME, &address);
    door.set_grants(vec![]);
    for deployment in [bare, closed] {
        let adapter = load(NAME, PARROT, deployment);
        let sent = adapter.send_part(&target("room"), &part("x"), "k").await;
        assert_eq!(sent, Err(SendError::Denied), "the guest blames the platform");
        assert!(matches!(adapter.register_commands(&[]).await, Err(AdapterError::Configuration(_))));
        let end = Loop::start(&adapter).end().await;
        assert!(matches!(end, AdapterError::Configuration(_)), "an admin is needed: {end:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_good_for_the_whole_run_and_follows_secret_and_grant() {
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let (list, gate) = (Arc::clone(&seen), Arc::new(Mutex::new(0_usize)));
    let open = Arc::clone(&gate);
    let address = platform(move |path, authorization| {
        if path == "/me" {
            return (200, "parrot-bot".into());
        }
        let mut seen = list.lock().unwrap();
        if seen.len() < *open.lock().unwrap() {
            seen.push(authorization.to_owned());
            return (200, format!("m{} x", seen.len()));
        }
        (200, String::new())
    });
    let (deployment, door, secrets) = connected(NAME, &address);
    let adapter = load(NAME, PARROT, deployment);
    let mut running = Loop::start(&adapter);
    running.next().await;
    running.next().await;
    let step = async |running: &mut Loop, number: usize| {
        *gate.lock().unwrap() = number;
        assert!(matches!(running.next().await, Told::Event(..)));
        seen.lock().unwrap().last().unwrap().clone()
    };
    assert_eq!(step(&mut running, 1).await, "Bearer the first value of the token");
    secrets.set(Some("another value of the same token"));
    // The answer that is on its way now may still have been asked for with the old value.
    step(&mut running, 2).await;
    assert_eq!(step(&mut running, 3).await, "Bearer another value of the same token");
    secrets.set(None);
    let end = running.end().await;
    assert!(matches!(end, AdapterError::Configuration(_)), "the secret is gone: {end:?}");
    secrets.set(Some("a third value of the same token"));
    let mut running = Loop::start(&adapter);
    running.next().await;
    running.next().await;
    door.set_grants(vec![]);
    let end = running.end().await;
    assert!(matches!(end, AdapterError::Configuration(_)), "the grant is gone: {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receive_loop_takes_no_place_from_anything_else() {
    let host = narrow(Duration::from_mins(5));
    let adapter = load_on(&host, NAME, PARROT, connected(NAME, &platform(two_messages)).0);
    let mut running = Loop::start(&adapter);
    running.next().await;
    // The only place is free while the loop lives.
    assert_eq!(adapter.render(&markdown("hello")).await.unwrap(), [part("hello")]);
    let tool = host.load(&tool_package("echo", ECHO, ""), with_limits(generous())).unwrap();
    assert_eq!(text(&tool, "echo", json!({"text": "still here"})).await.as_deref(), Ok("still here"));
    running.stop.cancel();
    assert_eq!(running.end().await, AdapterError::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_gets_no_place_has_sent_nothing_and_says_so() {
    let host = narrow(Duration::from_millis(20));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let address = platform(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        (200, "id".into())
    });
    let adapter = load_on(&host, NAME, PARROT, connected(NAME, &address).0);
    let hog = host.load(&tool_package("wait", WAIT, ""), with_limits(generous())).unwrap();
    let (taken, stop) = (Arc::clone(&hog), call("wait_sleep", json!({})));
    let cancel = stop.cancel.clone();
    let hogging = tokio::spawn(async move { taken.call_reported(stop).await });
    while hog.in_use().0 == 0 {
        tokio::task::yield_now().await;
    }
    let busy = |error: SendError| matches!(error, SendError::Unavailable(why) if why.contains("no place"));
    assert!(busy(adapter.send_part(&target("room"), &part("x"), "k").await.unwrap_err()));
    assert!(busy(adapter.render(&markdown("x")).await.unwrap_err()));
    cancel.cancel();
    hogging.await.unwrap();
    // The time of the call itself begins when it has its place.
    assert!(adapter.send_part(&target("room"), &part("x"), "k").await.is_ok());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(host.adapter_patience(&generous()) > generous().wall, "whoever calls waits longer than the host");
}

#[test]
fn the_programs_own_names_are_no_components() {
    for name in ["terminal", "mcp"] {
        let adapter = shared().load_adapter(&package(name, PARROT), with_limits(generous()));
        assert!(matches!(adapter.err(), Some(Error::Reserved { name: own }) if own == name));
    }
}

/// A host with one place.
fn narrow(place_wait: Duration) -> Host {
    host(Config { max_instances: 3, place_wait, ..Config::new(Compiler::InProcess, None, [0; 32]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_an_adapter_is_for_good() {
    let adapter = load(NAME, PARROT, connected(NAME, &platform(two_messages)).0);
    let mut running = Loop::start(&adapter);
    running.next().await;
    adapter.stop();
    assert_eq!(running.end().await, AdapterError::Stopped);
    assert_eq!(Loop::start(&adapter).end().await, AdapterError::Stopped);
    let sent = adapter.send_part(&target("room"), &part("x"), "k").await;
    assert!(matches!(sent, Err(SendError::Unavailable(_))), "nothing was sent: {sent:?}");
}

#[test]
fn tools_and_adapters_are_not_taken_for_each_other() {
    let adapter = package(NAME, PARROT);
    let error = shared().load(&adapter, with_limits(generous())).err().unwrap();
    assert!(matches!(error, Error::Kind { is: Kind::Adapter, wanted: Kind::Tool, .. }), "{error}");
    let tool = crate::fixture::package("echo", ECHO, "");
    let error = shared().load_adapter(&tool, with_limits(generous())).err().unwrap();
    assert!(matches!(error, Error::Kind { is: Kind::Tool, wanted: Kind::Adapter, .. }), "{error}");
    assert!(shared().describe(PARROT).is_err(), "an adapter has no tools to list");
}
