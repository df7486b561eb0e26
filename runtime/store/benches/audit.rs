//! What it costs to have an audit event on disk: the store, against one plain transaction for each row on a database
//! with the same settings (write-ahead log, `synchronous = FULL`) in the same run.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use divan::Bencher;
use divan::counter::ItemsCount;
use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::SystemClock;
use openpact_model::port::AuditSink as _;
use openpact_model::random::SystemRandom;
use openpact_store::{DataDirectory, Store};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CONCURRENT: [usize; 2] = [1, 64];

fn main() {
    divan::main();
}

/// In the build's folder: the one for temporary files may be in memory, which would make waiting for the disk free.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn event() -> Event {
    Event::new("tool.call.end", "component:workspace", "workspace_write", Verdict::Allowed)
        .with("turn", "turn_0123456789abcdef0123")
        .with("wall_ms", 12)
}

#[divan::bench(args = CONCURRENT)]
fn store(bencher: Bencher, concurrent: usize) {
    let folder = folder();
    let runtime = runtime();
    let directory = DataDirectory::acquire(folder.path()).unwrap();
    let store = Store::open(&directory, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    bencher.counter(ItemsCount::new(concurrent)).bench_local(|| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..concurrent {
                let store = store.clone();
                tasks.spawn(async move { store.record(event()).await.unwrap() });
            }
            tasks.join_all().await;
        });
    });
}

#[divan::bench(args = CONCURRENT)]
fn plain_transaction_per_row(bencher: Bencher, concurrent: usize) {
    let folder = folder();
    let runtime = runtime();
    let connection = Connection::open(folder.path().join("plain.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    let columns = "number INTEGER PRIMARY KEY, time INTEGER, kind TEXT, actor TEXT, subject TEXT, verdict TEXT, detail TEXT";
    connection.execute_batch(&format!("CREATE TABLE audit ({columns}) STRICT")).unwrap();
    let connection = Arc::new(Mutex::new(connection));
    bencher.counter(ItemsCount::new(concurrent)).bench_local(|| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..concurrent {
                let connection = Arc::clone(&connection);
                tasks.spawn_blocking(move || insert(&connection.lock().unwrap(), &event()));
            }
            tasks.join_all().await;
        });
    });
}

fn insert(connection: &Connection, event: &Event) {
    let detail = serde_json::to_string(&event.detail).unwrap();
    let values = params![1, event.kind, event.actor, event.subject, "allowed", detail];
    let sql =
        "INSERT INTO audit (time, kind, actor, subject, verdict, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}
