//! Connections to the one database file.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::directory::make_private;
use crate::error::Error;
use crate::migration::{self, STEPS};

/// Only a backup program could hold a lock of the database against us: the directory has one owner.
const BUSY: Duration = Duration::from_secs(10);
/// Bytes of write-ahead log that stay on disk after a checkpoint.
const KEPT_LOG: i64 = 16 * 1024 * 1024;

/// The connection that writes, on a database that is made or brought up to date first.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    // SQLite gives the log the rights of the database, so making the file settles both.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::file(path, source))?;
    make_private(path)?;
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(BUSY)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::NoLog { mode });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    migration::run(&mut connection, path, STEPS)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", KEPT_LOG)?;
    // What was deleted is overwritten where that costs no extra page.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    harden(&connection)?;
    Ok(connection)
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    harden(&connection)?;
    Ok(connection)
}

fn flags(access: OpenFlags) -> OpenFlags {
    // Each connection belongs to one thread, so SQLite needs no mutex of its own. No URI: the path is only a path.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

/// Settings that make a damaged or doctored file do less harm.
fn harden(connection: &Connection) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}
