//! The key-value data that a version left, set aside while a later one runs, so that going back brings it back.

use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::Error;

/// Who owns what is set aside. No principal has such a name.
fn owner(name: &ComponentName, version: &str) -> String {
    format!("kept:{version}:{}", own(name))
}

fn own(name: &ComponentName) -> String {
    Principal::Component(name.clone()).to_string()
}

/// Copies what the version that runs has stored.
pub(super) fn set_aside(connection: &Connection, name: &ComponentName, now: i64) -> Result<(), Error> {
    let sql = "SELECT current FROM component WHERE name = ?1";
    let current: Option<Option<String>> =
        connection.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
    let Some(Some(version)) = current else { return Ok(()) };
    move_copy(connection, &own(name), &owner(name, &version))?;
    let sql = "UPDATE component_version SET kept = ?3 WHERE name = ?1 AND version = ?2";
    connection.prepare_cached(sql)?.execute(params![name.as_str(), version, now])?;
    Ok(())
}

/// Puts what a version had left in the place of what is there now.
pub(super) fn bring_back(connection: &Connection, name: &ComponentName, version: &str) -> Result<(), Error> {
    let sql = "SELECT 1 FROM component_version WHERE name = ?1 AND version = ?2 AND kept IS NOT NULL";
    if !connection.prepare_cached(sql)?.exists([name.as_str(), version])? {
        return Ok(());
    }
    move_copy(connection, &owner(name, version), &own(name))?;
    drop_one(connection, name, version)
}

/// Makes `to` hold what `from` holds, and nothing else.
fn move_copy(connection: &Connection, from: &str, to: &str) -> Result<(), Error> {
    connection.prepare_cached("DELETE FROM key_value WHERE owner = ?1")?.execute([to])?;
    let sql = "INSERT INTO key_value SELECT ?2, key, value FROM key_value WHERE owner = ?1";
    connection.prepare_cached(sql)?.execute([from, to])?;
    Ok(())
}

/// Drops what one version left.
pub(super) fn drop_one(connection: &Connection, name: &ComponentName, version: &str) -> Result<(), Error> {
    let owner = owner(name, version);
    connection.prepare_cached("DELETE FROM key_value WHERE owner = ?1")?.execute([&owner])?;
    connection.prepare_cached("DELETE FROM key_value_size WHERE owner = ?1")?.execute([&owner])?;
    let sql = "UPDATE component_version SET kept = NULL WHERE name = ?1 AND version = ?2";
    connection.prepare_cached(sql)?.execute([name.as_str(), version])?;
    Ok(())
}

/// Drops what all versions of a component left.
pub(super) fn drop_all(connection: &Connection, name: &ComponentName) -> Result<(), Error> {
    for version in
        of(connection, "SELECT name, version FROM component_version WHERE name = ?1", name.as_str())?
    {
        drop_one(connection, &version.0, &version.1)?;
    }
    Ok(())
}

/// Drops what was set aside before `microseconds`; gives how many versions that were.
pub(super) fn drop_before(connection: &Connection, microseconds: i64) -> Result<usize, Error> {
    let old = of(connection, "SELECT name, version FROM component_version WHERE kept < ?1", microseconds)?;
    for (name, version) in &old {
        drop_one(connection, name, version)?;
    }
    Ok(old.len())
}

fn of(
    connection: &Connection,
    sql: &str,
    value: impl rusqlite::ToSql,
) -> Result<Vec<(ComponentName, String)>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([value], |row| Ok((crate::column::parsed(row, 0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
