//! The journal of tool calls.

use openpact_model::clock::Clock as _;
use openpact_model::id::{CallId, Digest, SessionId, TurnId};
use openpact_store::Error;
use openpact_store::journal::{Intent, UNKNOWN};

use crate::support::Place;

fn intent(call: &str) -> Intent {
    Intent {
        call: CallId::from_stored(call),
        turn: TurnId::from_stored("turn_1"),
        session: Some(SessionId::from_stored("ses_1")),
        tool: "workspace_write".into(),
        principal: "component:workspace".parse().unwrap(),
        digest: Some(Digest::of(b"code")),
        arguments_hash: Digest::of(b"arguments"),
    }
}

#[tokio::test]
async fn a_call_is_intended_and_finished_once() {
    let place = Place::new();
    let store = place.open();
    let journal = store.journal();
    let one = intent("call_1");
    journal.intend(one.clone()).await.unwrap();
    assert!(matches!(journal.intend(one.clone()).await, Err(Error::Exists { .. })));
    assert_eq!(journal.outcome(&one.call).await.unwrap(), None);
    journal.finish(&one.call, "ok").await.unwrap();
    assert!(matches!(journal.finish(&one.call, "failed").await, Err(Error::NotFound { .. })));
    assert_eq!(journal.outcome(&one.call).await.unwrap().as_deref(), Some("ok"));
    assert!(
        matches!(journal.intend(one).await, Err(Error::Exists { .. })),
        "a finished call never runs again"
    );
    let missing = CallId::from_stored("call_9");
    assert!(matches!(journal.finish(&missing, "ok").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn only_calls_of_an_earlier_run_are_interrupted_and_each_is_told_once() {
    let place = Place::new();
    let store = place.open();
    let (done, torn) = (intent("call_1"), Intent { session: None, digest: None, ..intent("call_2") });
    store.journal().intend(done.clone()).await.unwrap();
    store.journal().finish(&done.call, "ok").await.unwrap();
    store.journal().intend(torn.clone()).await.unwrap();
    assert_eq!(store.journal().interrupted().await.unwrap(), [], "this run still runs it");

    let after_crash = place.snapshot();
    let store = after_crash.open();
    let running = intent("call_3");
    store.journal().intend(running.clone()).await.unwrap();
    assert_eq!(store.journal().interrupted().await.unwrap(), std::slice::from_ref(&torn));
    assert_eq!(store.journal().interrupted().await.unwrap(), []);
    assert_eq!(store.journal().outcome(&torn.call).await.unwrap().as_deref(), Some(UNKNOWN));
    assert!(matches!(store.journal().finish(&torn.call, "ok").await, Err(Error::NotFound { .. })));
    store.journal().finish(&running.call, "ok").await.expect("the call of this run was left alone");
}

#[tokio::test]
async fn old_calls_are_forgotten_and_running_ones_are_not() {
    let place = Place::new();
    let store = place.open();
    let journal = store.journal();
    for (call, finished) in [("call_1", true), ("call_2", false)] {
        journal.intend(intent(call)).await.unwrap();
        if finished {
            journal.finish(&CallId::from_stored(call), "ok").await.unwrap();
        }
    }
    let at = place.clock.now();
    assert_eq!(journal.forget(at).await.unwrap(), 0);
    place.clock.advance(1);
    assert_eq!(journal.forget(place.clock.now()).await.unwrap(), 1);
    journal.finish(&CallId::from_stored("call_2"), "ok").await.unwrap();
}
