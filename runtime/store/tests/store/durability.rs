//! What was acknowledged stays, whatever happens next.

use openpact_model::audit::{Event, Verdict};
use openpact_model::port::AuditSink as _;
use openpact_store::audit::Filter;
use openpact_store::{Error, Store};
use rusqlite::Connection;
use serde_json::json;

use crate::support::Place;

fn event(subject: String) -> Event {
    Event::new("test.event", "test", subject, Verdict::Allowed)
}

async fn subjects(store: &Store) -> Vec<String> {
    let filter = Filter { kind_prefix: Some("test.".into()), limit: 10_000, ..Filter::default() };
    let mut subjects: Vec<_> =
        store.audit().page(filter).await.unwrap().into_iter().map(|entry| entry.event.subject).collect();
    subjects.sort();
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_writers_were_told_is_in_a_copy_of_the_files_at_that_moment() {
    let place = Place::new();
    let store = place.open();
    let session = store.sessions().create("builtin", "").await.unwrap().id;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64 {
        let (store, session) = (store.clone(), session.clone());
        tasks.spawn(async move {
            for number in 0..10 {
                store.record(event(format!("{task:02} {number}"))).await.unwrap();
                store.messages().append(&session, &[json!(task)]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let copy = place.snapshot();
    let expected: Vec<_> =
        (0..64).flat_map(|task| (0..10).map(move |number| format!("{task:02} {number}"))).collect();
    for store in [copy.open(), store] {
        assert_eq!(subjects(&store).await, expected);
        let messages = store.messages().page(&session, None, 1000).await.unwrap();
        let numbers: Vec<_> = messages.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=640).collect::<Vec<_>>());
        let chain = store.audit().verify().await.unwrap();
        assert_eq!((chain.entries, chain.broken, chain.sealed), (640, None, true));
    }
}

#[tokio::test]
async fn every_copy_in_the_middle_of_writing_is_a_whole_state() {
    let place = Place::new();
    let store = place.open();
    for number in 0..20 {
        store.record(event(format!("{number:02}"))).await.unwrap();
        let copy = place.snapshot();
        // A torn write at the end of the log must not cost what was committed before it.
        let log = copy.secure("openpact.db-wal");
        let mut bytes = std::fs::read(&log).unwrap();
        bytes.extend_from_slice(&[0xab; 1000]);
        std::fs::write(&log, bytes).unwrap();
        let store = copy.open();
        assert_eq!(subjects(&store).await.len(), number + 1);
        assert!(store.audit().verify().await.unwrap().sealed);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_undo_its_write() {
    let place = Place::new();
    let store = place.open();
    for number in 0..50 {
        let mut write = Box::pin(store.record(event(format!("{number:02}"))));
        // Asked for, and then given up.
        poll_once(&mut write).await;
        drop(write);
    }
    drop(store);
    assert_eq!(subjects(&place.open()).await.len(), 50);
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) {
    std::future::poll_fn(|context| {
        drop(std::pin::Pin::new(&mut *future).poll(context));
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn closing_finishes_what_was_asked_for_and_then_refuses() {
    let place = Place::new();
    let store = place.open();
    let clone = store.clone();
    let writes = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.record(event(format!("{number:02}"))).await })
    });
    let writes: Vec<_> = writes.collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let log = std::fs::metadata(place.secure("openpact.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "everything is in the database itself");
    assert!(matches!(clone.sessions().create("builtin", "").await, Err(Error::Closed)));
    assert!(matches!(clone.sessions().list("builtin").await, Err(Error::Closed)));
    assert!(matches!(clone.close().await, Err(Error::Closed)));
    drop((store, clone));
    assert_eq!(subjects(&place.open()).await.len(), 20);
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    let place = Place::new();
    drop(place.open());
    std::fs::write(place.secure("openpact.db"), [b'x'; 8192]).unwrap();
    let error = place.try_open().err().unwrap();
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let place = Place::new();
    drop(place.directory());
    let path = place.secure("openpact.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    assert!(matches!(place.try_open().err().unwrap(), Error::Foreign { .. }));
    let count: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM theirs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let place = Place::new();
    drop(place.open());
    place.raw().pragma_update(None, "user_version", 99).unwrap();
    let error = place.try_open().err().unwrap();
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("newer OpenPact"), "{error}");
}
