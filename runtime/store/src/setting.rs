//! Small values by scope and key, such as what an admin changed while the program ran.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

use crate::column::{json, to_json};
use crate::error::Error;
use crate::recording::{Recorder, recording};
use crate::writer::Transaction;

/// The scope of the store itself; others may read it.
pub(crate) const OWN_SCOPE: &str = "store";

/// The settings.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Table {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, scope: &str, key: &str) -> Result<Option<Value>, Error> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        let work = move |connection: &Connection| {
            let sql = "SELECT value FROM setting WHERE scope = ?1 AND key = ?2";
            Ok(connection.prepare_cached(sql)?.query_row([scope, key], |row| json(row, 0)).optional()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// All values of `scope` by key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn all(&self, scope: &str) -> Result<BTreeMap<String, Value>, Error> {
        let scope = scope.to_owned();
        let work = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT key, value FROM setting WHERE scope = ?1")?;
            let rows = statement.query_map([scope], |row| Ok((row.get(0)?, json(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// When the database cannot be written; [`Error::Invalid`] for the scope of the store itself.
    pub async fn set(&self, scope: &str, key: &str, value: Value) -> Result<(), Error> {
        let (scope, key, value) = (foreign(scope)?, key.to_owned(), to_json(&value)?);
        let work = move |open: &mut Transaction<'_>| {
            Ok((true, write(open.connection, &scope, &key, &value, open.now())?))
        };
        self.0.run(work).await
    }

    /// Removes `key`; says whether it was there.
    ///
    /// # Errors
    /// When the database cannot be written; [`Error::Invalid`] for the scope of the store itself.
    pub async fn remove(&self, scope: &str, key: &str) -> Result<bool, Error> {
        let (scope, key) = (foreign(scope)?, key.to_owned());
        self.0
            .run(move |open| {
                let sql = "DELETE FROM setting WHERE scope = ?1 AND key = ?2";
                let removed = open.connection.prepare_cached(sql)?.execute([&scope, &key])? > 0;
                Ok((removed, removed))
            })
            .await
    }
}

fn foreign(scope: &str) -> Result<String, Error> {
    if scope == OWN_SCOPE {
        return Err(Error::Invalid(format!(
            "the settings of the scope '{OWN_SCOPE}' belong to the store itself"
        )));
    }
    Ok(scope.to_owned())
}

/// The JSON text of a setting.
pub(crate) fn read(connection: &Connection, scope: &str, key: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT value FROM setting WHERE scope = ?1 AND key = ?2";
    Ok(connection.prepare_cached(sql)?.query_row([scope, key], |row| row.get(0)).optional()?)
}

/// Sets a setting to a JSON text.
pub(crate) fn write(
    connection: &Connection,
    scope: &str,
    key: &str,
    json: &str,
    now: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO setting VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, updated = excluded.updated";
    connection.prepare_cached(sql)?.execute(params![scope, key, json, now])?;
    Ok(())
}
