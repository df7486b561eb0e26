//! Groups of jobs: what one that fails does to the others, and a disk without room.

use std::sync::Arc;
use std::sync::mpsc;

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::SystemClock;
use openpact_model::port::AuditSink as _;
use openpact_model::random::SystemRandom;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinHandle, yield_now};

use super::{GROUP, Transaction};
use crate::{DataDirectory, Error, Store, audit};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDirectory::acquire(folder.path()).unwrap();
    let store = Store::open(&directory, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    (folder, store)
}

type Running<T> = JoinHandle<Result<T, Error>>;

async fn start<T: Send + 'static>(
    store: &Store,
    work: impl Fn(&mut Transaction<'_>) -> Result<T, Error> + Send + 'static,
) -> Running<T> {
    let store = store.clone();
    let running = tokio::spawn(async move { store.inner.writer.run(work).await });
    // On this runtime of one thread the job is in the queue after this.
    yield_now().await;
    running
}

/// Keeps the writer busy until the answer is sent, so that what is asked for meanwhile is one group.
async fn hold(store: &Store) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let (started, holding) = tokio::sync::oneshot::channel();
    let started = std::sync::Mutex::new(Some(started));
    let held = start(store, move |_| {
        if let Some(started) = started.lock().unwrap().take() {
            started.send(()).unwrap();
        }
        released.lock().unwrap().recv().unwrap();
        Ok(())
    });
    drop(held.await);
    holding.await.unwrap();
    release
}

async fn record(store: &Store, subject: &str) -> Running<()> {
    let event = Event::new("test", "test", subject, Verdict::Allowed);
    let store = store.clone();
    let running = tokio::spawn(async move { store.append(event).await });
    yield_now().await;
    running
}

/// Writes `bytes` into the settings.
fn fill(open: &mut Transaction<'_>, bytes: usize) -> Result<(), Error> {
    crate::setting::write(open.connection, "test", "large", &format!("\"{}\"", "x".repeat(bytes)), 1)
}

/// Allows the database no more than `pages` pages beyond those that it has; `None` lifts the limit.
async fn limit(store: &Store, pages: Option<i64>) {
    let set = move |open: &mut Transaction<'_>| {
        let count: i64 = open.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = pages.map_or(1 << 30, |pages| count + pages);
        Ok(open
            .connection
            .pragma_update_and_check(None, "max_page_count", most, |row| row.get::<_, i64>(0))?)
    };
    store.inner.writer.run(set).await.unwrap();
}

async fn intact(store: &Store, entries: u64) {
    let expected = audit::Chain { entries, broken: None, breaks: 0, sealed: true };
    assert_eq!(store.audit().verify().await.unwrap(), expected);
}

#[tokio::test]
async fn a_job_that_fails_is_undone_alone() {
    let (_folder, store) = open();
    let release = hold(&store).await;
    let first = record(&store, "1").await;
    let failing = start(&store, |open: &mut Transaction<'_>| {
        fill(open, 10)?;
        open.record(&Event::new("test", "test", "never", Verdict::Allowed))?;
        open.after_commit(|| panic!("what was undone has no effect"));
        Err::<(), _>(Error::Invalid("no".into()))
    })
    .await;
    let second = record(&store, "2").await;
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert!(matches!(failing.await.unwrap(), Err(Error::Invalid(_))));
    second.await.unwrap().unwrap();
    assert_eq!(store.settings().get("test", "large").await.unwrap(), None);
    intact(&store, 2).await;
}

#[tokio::test]
async fn a_commit_that_fails_is_repeated_for_each_job_alone() {
    let (_folder, store) = open();
    let release = hold(&store).await;
    let before = record(&store, "1").await;
    // A foreign key that is checked only when the transaction commits: nothing fails before that.
    let failing = start(&store, |open: &mut Transaction<'_>| {
        open.connection.pragma_update(None, "defer_foreign_keys", true)?;
        open.connection.execute("INSERT INTO message VALUES ('nobody', 1, 1, 'null')", [])?;
        Ok(())
    })
    .await;
    let after = record(&store, "2").await;
    release.send(()).unwrap();
    before.await.unwrap().unwrap();
    assert!(matches!(failing.await.unwrap(), Err(Error::Database(_))));
    after.await.unwrap().unwrap();
    intact(&store, 2).await;
    assert!(matches!(start(&store, |_| Ok(1)).await.await.unwrap(), Ok(1)));
}

#[tokio::test]
async fn a_transaction_that_sqlite_gave_up_is_repeated_for_each_job_alone() {
    let (_folder, store) = open();
    let release = hold(&store).await;
    let before = record(&store, "1").await;
    let failing = start(&store, |open: &mut Transaction<'_>| {
        open.connection.execute_batch("ROLLBACK")?;
        Err::<(), _>(Error::Invalid("its own reason".into()))
    })
    .await;
    let after = record(&store, "2").await;
    release.send(()).unwrap();
    before.await.unwrap().unwrap();
    assert!(matches!(failing.await.unwrap(), Err(Error::Invalid(why)) if why == "its own reason"));
    after.await.unwrap().unwrap();
    intact(&store, 2).await;
}

#[tokio::test]
async fn a_full_disk_has_its_own_error_and_is_over_once_there_is_room() {
    let (_folder, store) = open();
    let session = store.sessions().create("builtin", "").await.unwrap().id;
    limit(&store, Some(3)).await;
    let large = json!("x".repeat(100_000));
    let error = store.messages().append(&session, std::slice::from_ref(&large)).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(store.messages().page(&session, None, 9).await.unwrap(), [], "nothing of it is there");

    // Small things still fit; then nothing does, and what cannot be recorded is refused.
    store.record(Event::new("test", "test", "small", Verdict::Allowed)).await.unwrap();
    let long = Event::new("test", "test", "long", Verdict::Allowed).with("text", "x".repeat(30_000));
    let error = store.record(long.clone()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<Error>();
    assert!(matches!(cause, Some(Error::DiskFull)), "{error:?}");
    intact(&store, 1).await;

    limit(&store, None).await;
    assert_eq!(store.messages().append(&session, &[large]).await.unwrap(), [1]);
    store.record(long).await.unwrap();
    intact(&store, 2).await;
}

#[tokio::test]
async fn one_that_needs_too_much_room_does_not_take_its_neighbours_down() {
    let (_folder, store) = open();
    limit(&store, Some(4)).await;
    let release = hold(&store).await;
    let before = record(&store, "1").await;
    let large = start(&store, |open: &mut Transaction<'_>| fill(open, 200_000)).await;
    let after = record(&store, "2").await;
    release.send(()).unwrap();
    before.await.unwrap().unwrap();
    assert!(matches!(large.await.unwrap(), Err(Error::DiskFull)));
    after.await.unwrap().unwrap();
    intact(&store, 2).await;
}

/// How many transactions the write-ahead log holds (SQLite, "WAL File Format"): frames of the log's own salt that say
/// how large the database is after them.
fn transactions(folder: &TempDir) -> usize {
    let log = std::fs::read(folder.path().join("secure/openpact.db-wal")).unwrap();
    let Some((header, frames)) = log.split_at_checked(32) else { return 0 };
    let page = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    let frames = frames.chunks_exact(24 + page).take_while(|frame| frame[8..16] == header[16..24]);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn jobs_that_wait_share_one_transaction() {
    for (jobs, expected) in [(1, 1), (GROUP, 1), (GROUP + 1, 2)] {
        let (folder, store) = open();
        let before = transactions(&folder);
        let release = hold(&store).await;
        let mut running = Vec::new();
        for number in 0..jobs {
            running.push(record(&store, &number.to_string()).await);
        }
        assert_eq!(transactions(&folder), before, "nothing is written while the writer is held");
        release.send(()).unwrap();
        for job in running {
            job.await.unwrap().unwrap();
        }
        assert_eq!(transactions(&folder) - before, expected, "{jobs} jobs");
        intact(&store, jobs as u64).await;
    }
}
