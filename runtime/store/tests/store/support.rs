//! A data directory of its own for each test, a clock that the test sets, and a second way into the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::random::SystemRandom;
use openpact_store::{DataDirectory, Error, Store};
use rusqlite::Connection;
use tempfile::TempDir;

/// A clock that stands still until it is told otherwise.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, microseconds: i64) {
        self.0.fetch_add(microseconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

pub(crate) struct Place {
    folder: TempDir,
    pub(crate) clock: Arc<TestClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let clock = TestClock(AtomicI64::new(1_700_000_000_000_000));
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(clock) }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn directory(&self) -> DataDirectory {
        DataDirectory::acquire(&self.root()).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Store, Error> {
        Store::open(&self.directory(), self.clock.clone(), Arc::new(SystemRandom))
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(crate) fn secure(&self, name: &str) -> PathBuf {
        self.root().join("secure").join(name)
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.secure("keys/master.key")
    }

    /// The database as an attacker with a SQL shell has it.
    pub(crate) fn raw(&self) -> Connection {
        let connection = Connection::open(self.secure("openpact.db")).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection
    }

    /// Runs SQL that must change `rows` rows.
    pub(crate) fn tamper(&self, sql: &str, rows: usize) {
        let changed = self.raw().execute(sql, []).unwrap();
        assert_eq!(changed, rows, "{sql}");
    }

    /// What a machine that loses power now would find: the database and its log as they are on disk, in a place of
    /// their own.
    pub(crate) fn snapshot(&self) -> Self {
        let other = Self { folder: tempfile::tempdir().unwrap(), clock: Arc::clone(&self.clock) };
        drop(other.directory());
        for name in ["openpact.db", "openpact.db-wal", "keys/master.key"] {
            std::fs::copy(self.secure(name), other.secure(name)).unwrap();
        }
        other
    }

    /// Every byte of every file below `secure/`.
    pub(crate) fn secure_bytes(&self) -> Vec<u8> {
        bytes_below(&self.secure(""))
    }
}

fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(bytes_below(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
