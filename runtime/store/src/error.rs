//! What can go wrong with the data directory. Each text tells a person what to do.

use std::io;
use std::path::{Path, PathBuf};

use openpact_model::port::PortError;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// The data directory or the database did not do what was asked. `Display` is one sentence for the person who can
/// mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path of the data directory, or of a part of it, is something else.
    #[error("{} is not a directory (or is a symbolic link inside the data directory); move it away or choose another directory with --data", path.display())]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// The operating system does not let us in.
    #[error("{} cannot be used; it must be readable and writable by the user that runs OpenPact: check its owner and permissions, or choose another directory with --data", path.display())]
    Unusable {
        /// What cannot be used.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process owns the directory.
    #[error("{} is in use by {}; talk to that one, stop it first, or choose another directory with --data", path.display(), process(*pid))]
    Held {
        /// The data directory.
        path: PathBuf,
        /// The process that holds it, where the lock file says so.
        pid: Option<u32>,
    },
    /// The database was made by a later version of the program.
    #[error(
        "the database has version {found} and this program knows {known}; install the newer OpenPact again, or restore a backup from before the update"
    )]
    Newer {
        /// The version of the database.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is a database, but not ours.
    #[error("{} belongs to another program; move it away so that a new one can be made", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A migration failed; everything is as it was before.
    #[error(
        "the database could not be brought to version {version}; nothing was changed, so the OpenPact that you used before still runs on it"
    )]
    Migration {
        /// The version that was to be reached.
        version: i64,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The file system cannot hold a database with a write-ahead log.
    #[error(
        "the file system of the data directory does not support the database's log (it offers '{mode}'); put the data directory on a local disk"
    )]
    NoLog {
        /// The journal mode that was offered instead.
        mode: String,
    },
    /// No room.
    #[error(
        "the disk that holds the data directory is full; free some space and try again: nothing that was stored before is lost"
    )]
    DiskFull,
    /// No writing.
    #[error("the data directory is read-only; mount it writable, or mend its permissions")]
    ReadOnly,
    /// The database file is damaged.
    #[error(
        "the database is damaged; stop OpenPact, keep a copy of the directory secure/ and restore a backup"
    )]
    Corrupt(#[source] rusqlite::Error),
    /// The database failed in some other way.
    #[error("the database in the data directory could not be read or written; check the disk and the log")]
    Database(#[source] rusqlite::Error),
    /// The key that encrypts the secrets is missing or another one.
    #[error("the secrets cannot be decrypted: {} {why}; put the right file back from a backup, or start over with 'openpact secret start-over': the secrets must be entered again, and nothing else is lost", path.display())]
    KeyLost {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it, such as "is missing".
        why: String,
    },
    /// Something that was named is not there.
    #[error("there is no {what} {name}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something is there already.
    #[error("there is a {what} {name} already")]
    Exists {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A value cannot be stored.
    #[error("{0}")]
    Invalid(String),
    /// SQLite gave a transaction up; the error of the job that made it do so is what the caller sees.
    #[error("the database gave the transaction up")]
    GaveUp,
    /// The store was closed.
    #[error("the store is closed; OpenPact is shutting down, or a part of it broke and the log says why")]
    Closed,
}

impl Error {
    /// A failure of the file system at `path`.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::NotADirectory => Self::NotADirectory { path: path.to_owned() },
            _ => Self::Unusable { path: path.to_owned(), source },
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        // The index of the log lives in a file of its own, and what fails there is not called a full disk by SQLite.
        if error.sqlite_extended_error_code() == Some(SQLITE_IOERR_SHMSIZE) {
            return Self::DiskFull;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error),
            _ => Self::Database(error),
        }
    }
}

impl From<Error> for PortError {
    fn from(error: Error) -> Self {
        Self::new("the store did not answer", error)
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another OpenPact".to_owned(), |pid| format!("another OpenPact (process {pid})"))
}
