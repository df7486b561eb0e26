//! Messages that tell of a request, and what becomes of them when it is decided.

use openpact_store::approval::Kind;
use openpact_store::outbox::{Act, Row};
use openpact_store::person::Asking;

use super::*;

fn record(kind: &str) -> audit::Event {
    audit::Event::new(kind, "test", "x", Verdict::Allowed)
}

/// Somebody asks with a code.
async fn ask(store: &Store, user: &str, code: &str) {
    let asking = Asking {
        provider: "fake".into(),
        user: user.into(),
        detail: json!({}),
        code: code.into(),
        lasts: Duration::from_hours(1),
        quiet: Duration::ZERO,
        most_open: 10,
        most_quiet: 10,
    };
    assert!(store.people().ask(asking, record("ask")).await.unwrap());
}

async fn deny(store: &Store, user: &str, code: &str) -> bool {
    let told = format!("{user} was turned down");
    store.people().deny(code, ("fake", user), Duration::ZERO, &told, record("deny")).await.unwrap()
}

async fn take(store: &Store) -> Option<Row> {
    store.outbox().take(&channel(None)).await.unwrap()
}

/// What is done, and what is said then.
fn doing(row: &Row) -> (Act, &str) {
    (row.act.clone(), row.part.plain.as_str())
}

#[tokio::test]
async fn the_last_part_says_what_was_decided_once_it_is_there() {
    let place = Place::new();
    let store = place.open();
    ask(&store, "x", "C1").await;
    ask(&store, "y", "C2").await;
    let first =
        store.outbox().announce(vec![part("a"), part("b")], Kind::Pairing, "C1").await.unwrap().unwrap();
    assert!(
        store.outbox().announce(vec![part("c")], Kind::Pairing, "C2").await.unwrap().is_none(),
        "it waits"
    );
    assert!(!deny(&store, "x", "C2").await, "the code of another one decides nothing");
    assert!(deny(&store, "x", "C1").await);
    assert!(!deny(&store, "x", "C1").await);
    let second = store.outbox().sent(&first, "ma", true).await.unwrap().unwrap();
    let third = store.outbox().sent(&second, "mb", true).await.unwrap().unwrap();
    let last = store.outbox().sent(&third, "mc", true).await.unwrap().unwrap();
    assert_eq!(doing(&last), (Act::Amend("mb".into()), "x was turned down"));
    assert_eq!(
        store.outbox().sent(&last, "mb", true).await.unwrap(),
        None,
        "once, and of that request alone"
    );
}

#[tokio::test]
async fn what_is_decided_or_too_old_is_not_told_of() {
    let place = Place::new();
    let store = place.open();
    ask(&store, "x", "C1").await;
    ask(&store, "y", "C2").await;
    let announce = async |code| store.outbox().announce(vec![part("a")], Kind::Pairing, code).await.unwrap();
    assert!(deny(&store, "x", "C1").await);
    assert_eq!(announce("C1").await, None);
    assert_eq!(announce("C3").await, None);
    place.clock.advance(3600 * SECOND - 1);
    let row = announce("C2").await.expect("its time is not over");
    store.outbox().sent(&row, "m", false).await.unwrap();
    place.clock.advance(1);
    assert_eq!(announce("C2").await, None);
    assert_eq!(take(&store).await, None);
}

#[tokio::test]
async fn what_never_arrived_is_not_changed_and_nothing_waits_for_it() {
    let place = Place::new();
    let store = place.open();
    ask(&store, "x", "C1").await;
    let row = store.outbox().announce(vec![part("a")], Kind::Pairing, "C1").await.unwrap().unwrap();
    assert!(deny(&store, "x", "C1").await);
    store.outbox().insert(vec![part("behind")]).await.unwrap();
    store.outbox().lose(row.number, Failure::Refused, "why", record("lost")).await.unwrap();
    assert_eq!(doing(&take(&store).await.unwrap()), (Act::Send, "behind"));
}

#[tokio::test]
async fn a_change_goes_where_its_message_is() {
    let place = Place::new();
    let store = place.open();
    ask(&store, "x", "C1").await;
    let row = store.outbox().announce(vec![part("a")], Kind::Pairing, "C1").await.unwrap().unwrap();
    store.outbox().sent(&row, "ma", false).await.unwrap();
    let other = store.outbox().insert(vec![part("other")]).await.unwrap().unwrap();
    assert!(deny(&store, "x", "C1").await);
    store.outbox().moved(&other, "mo", "elsewhere").await.unwrap();
    assert_eq!(doing(&take(&store).await.unwrap()), (Act::Amend("ma".into()), "x was turned down"));
}
