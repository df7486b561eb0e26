//! Brings a database to the version that this program knows. The version is SQLite's `user_version`; each step is
//! one numbered SQL file, and all missing steps run in one transaction, after a copy of the database was made.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY;
use rusqlite::{Connection, MAIN_DB, TransactionBehavior};

use crate::error::Error;

/// Marks the file as ours: the bytes of `OPaC`.
pub(crate) const APPLICATION_ID: i64 = 0x4f50_6143;

/// One step: it leads from version `number - 1` to `number`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) number: i64,
    pub(crate) sql: &'static str,
}

/// Every step, numbered from 1 without a gap. A step that was released is never changed.
pub(crate) const STEPS: &[Step] = &[
    Step { number: 1, sql: include_str!("../migrations/0001_initial.sql") },
    Step { number: 2, sql: include_str!("../migrations/0002_chat.sql") },
    Step { number: 3, sql: include_str!("../migrations/0003_people.sql") },
    Step { number: 4, sql: include_str!("../migrations/0004_mcp.sql") },
    Step { number: 5, sql: include_str!("../migrations/0005_components.sql") },
    Step { number: 6, sql: include_str!("../migrations/0006_secrets.sql") },
    Step { number: 7, sql: include_str!("../migrations/0007_session_address.sql") },
    Step { number: 8, sql: include_str!("../migrations/0008_owner_place.sql") },
    Step { number: 9, sql: include_str!("../migrations/0009_partial.sql") },
    Step { number: 10, sql: include_str!("../migrations/0010_asked.sql") },
    Step { number: 11, sql: include_str!("../migrations/0011_bots.sql") },
    Step { number: 12, sql: include_str!("../migrations/0012_announcement.sql") },
];

/// Runs the steps that `connection`, opened on the file `path`, has not seen. Foreign keys must be off.
pub(crate) fn run(connection: &mut Connection, path: &Path, steps: &[Step]) -> Result<(), Error> {
    let known = steps.last().map_or(0, |step| step.number);
    let found = version(connection, path)?;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = back_up(connection, path, found)?;
        tracing::info!(from = found, to = known, copy = %copy.display(), "updating the database; this copy was made");
    }
    let wrap = |source| migration_error(known, source);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(wrap)?;
    for step in steps.iter().filter(|step| step.number > found) {
        transaction.execute_batch(step.sql).map_err(|source| migration_error(step.number, source))?;
    }
    let orphan = transaction.prepare("PRAGMA foreign_key_check").and_then(|mut check| check.exists([]));
    if orphan.map_err(wrap)? {
        let code = rusqlite::ffi::Error::new(SQLITE_CONSTRAINT_FOREIGNKEY);
        let why = "a row refers to one that is not there".to_owned();
        return Err(wrap(rusqlite::Error::SqliteFailure(code, Some(why))));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(wrap)?;
    transaction.pragma_update(None, "user_version", known).map_err(wrap)?;
    transaction.commit().map_err(wrap)
}

/// The version of the database: 0 for an empty file.
fn version(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application == 0 && version == 0 && tables == 0;
    if application == APPLICATION_ID || fresh {
        return Ok(version);
    }
    Err(Error::Foreign { path: path.to_owned() })
}

/// Copies the database to a file beside it. The copy gets its name only when it is complete and on disk.
fn back_up(connection: &Connection, path: &Path, version: i64) -> Result<PathBuf, Error> {
    let target = path.with_extension(format!("version-{version}.db"));
    let unfinished = path.with_extension("unfinished-copy");
    let wrap = |source| Error::file(&unfinished, source);
    // Made by us, so that nobody else can read it while it is written.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(wrap)?;
    connection.backup(MAIN_DB, &unfinished, None::<fn(rusqlite::backup::Progress)>)?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(wrap)?;
    fs::rename(&unfinished, &target).map_err(wrap)?;
    sync_parent(&target)?;
    Ok(target)
}

/// Puts the names in the folder of `path` on disk: a file that was renamed is found again after a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|source| Error::file(parent, source))
}

/// Disk full and the like keep their own kind; the rest is told as a failed migration.
fn migration_error(version: i64, source: rusqlite::Error) -> Error {
    match Error::from(source) {
        Error::Database(source) => Error::Migration { version, source },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Step =
        Step { number: 2, sql: "ALTER TABLE publisher ADD COLUMN note TEXT NOT NULL DEFAULT '';" };

    fn open(path: &Path) -> Connection {
        Connection::open(path).unwrap()
    }

    fn number(connection: &Connection, pragma: &str) -> i64 {
        connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
    }

    fn copies(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("version-") || name.contains("unfinished"))
            .collect();
        names.sort();
        names
    }

    fn version_one(folder: &Path) -> PathBuf {
        let path = folder.join("openpact.db");
        let mut connection = open(&path);
        run(&mut connection, &path, &STEPS[..1]).unwrap();
        connection.execute("INSERT INTO publisher VALUES ('acme', 'key', '[]', 'admin', 1)", []).unwrap();
        path
    }

    #[test]
    fn the_steps_are_numbered_without_a_gap() {
        let numbers: Vec<i64> = STEPS.iter().map(|step| step.number).collect();
        assert_eq!(numbers, (1..=i64::try_from(STEPS.len()).unwrap()).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_file_gets_every_step_and_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openpact.db");
        let mut connection = open(&path);
        run(&mut connection, &path, STEPS).unwrap();
        assert_eq!(number(&connection, "user_version"), i64::try_from(STEPS.len()).unwrap());
        assert_eq!(number(&connection, "application_id"), APPLICATION_ID);
        assert_eq!(copies(folder.path()), Vec::<String>::new());
        run(&mut connection, &path, STEPS).expect("a second run changes nothing");
    }

    #[test]
    fn an_older_database_is_copied_and_then_updated() {
        let folder = tempfile::tempdir().unwrap();
        let path = version_one(folder.path());
        let mut connection = open(&path);
        run(&mut connection, &path, &[STEPS[0], TWO]).unwrap();
        assert_eq!(number(&connection, "user_version"), 2);
        let note: String = connection.query_row("SELECT note FROM publisher", [], |row| row.get(0)).unwrap();
        assert_eq!(note, "");

        assert_eq!(copies(folder.path()), ["openpact.version-1.db"]);
        let copy = open(&folder.path().join("openpact.version-1.db"));
        assert_eq!(number(&copy, "user_version"), 1);
        let name: String = copy.query_row("SELECT name FROM publisher", [], |row| row.get(0)).unwrap();
        assert_eq!(name, "acme");
    }

    #[test]
    fn a_step_that_fails_changes_nothing_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = version_one(folder.path());
        let mut connection = open(&path);
        let three = Step { number: 3, sql: "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);" };
        let error = run(&mut connection, &path, &[STEPS[0], TWO, three]).unwrap_err();
        assert!(matches!(error, Error::Migration { version: 3, .. }), "{error:?}");
        assert_eq!(number(&connection, "user_version"), 1);
        let names = "SELECT count(*) FROM pragma_table_info('publisher') WHERE name = 'note'";
        assert_eq!(connection.query_row(names, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        let half = "SELECT count(*) FROM sqlite_schema WHERE name = 'half'";
        assert_eq!(connection.query_row(half, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn a_step_that_leaves_orphans_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = version_one(folder.path());
        let mut connection = open(&path);
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let orphan = Step { number: 2, sql: "INSERT INTO message VALUES ('nobody', 1, 1, 'null');" };
        assert!(matches!(run(&mut connection, &path, &[STEPS[0], orphan]), Err(Error::Migration { .. })));
        assert_eq!(number(&connection, "user_version"), 1);
        let count: i64 = connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn a_newer_database_is_refused_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = version_one(folder.path());
        let mut connection = open(&path);
        let newer = STEPS.last().unwrap().number + 1;
        connection.pragma_update(None, "user_version", newer).unwrap();
        let error = run(&mut connection, &path, STEPS).unwrap_err();
        assert!(matches!(error, Error::Newer { found, .. } if found == newer), "{error:?}");
        assert_eq!(number(&connection, "user_version"), newer);
        assert_eq!(copies(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn another_programs_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, setup) in [("a.db", "CREATE TABLE theirs (a)"), ("b.db", "PRAGMA application_id = 42")] {
            let path = folder.path().join(name);
            let mut connection = open(&path);
            connection.execute_batch(setup).unwrap();
            assert!(matches!(run(&mut connection, &path, STEPS), Err(Error::Foreign { .. })), "{setup}");
        }
    }
}
