//! The key-value store of components and scripts: one name space and one quota for each of them.

use async_trait::async_trait;
use openpact_model::port::{KeyValue, KeyValueWrite, PortError};
use openpact_model::principal::Principal;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::Store;
use crate::column::count;
use crate::error::Error;
use crate::writer::Transaction;

#[async_trait]
impl KeyValue for Store {
    async fn get(&self, owner: &Principal, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        let (owner, key) = (owner.to_string(), key.to_owned());
        Ok(self.inner.readers.run(move |connection| get(connection, &owner, &key)).await?)
    }

    async fn put(
        &self,
        owner: &Principal,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Option<Option<Vec<u8>>>,
        quota: u64,
    ) -> Result<KeyValueWrite, PortError> {
        let expected = expected.map_or(Expected::Anything, Expected::Exactly);
        let put = Put { owner: owner.to_string(), key: key.to_owned(), value, expected, quota };
        Ok(self.inner.writer.run(move |open| put.execute(open)).await?)
    }

    async fn keys(
        &self,
        owner: &Principal,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PortError> {
        let (owner, prefix, after) = (owner.to_string(), prefix.to_owned(), after.map(str::to_owned));
        let work = move |connection: &Connection| keys(connection, &owner, &prefix, after.as_deref(), limit);
        Ok(self.inner.readers.run(work).await?)
    }
}

impl Store {
    /// The bytes of keys and values that `owner` has stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_value_size(&self, owner: &Principal) -> Result<u64, Error> {
        let owner = owner.to_string();
        self.inner.readers.run(move |connection| size(connection, &owner)).await
    }
}

struct Put {
    owner: String,
    key: String,
    value: Option<Vec<u8>>,
    expected: Expected,
    quota: u64,
}

/// What has to be there for a write to happen.
enum Expected {
    Anything,
    Exactly(Option<Vec<u8>>),
}

impl Put {
    /// Compares, counts and writes in one transaction, so that two writers can neither both win nor both fit.
    fn execute(&self, open: &mut Transaction<'_>) -> Result<KeyValueWrite, Error> {
        let connection = open.connection;
        let current = get(connection, &self.owner, &self.key)?;
        if let Expected::Exactly(expected) = &self.expected
            && *expected != current
        {
            return Ok(KeyValueWrite::Conflict(current));
        }
        let key = self.key.as_bytes();
        let Some(value) = &self.value else {
            let sql = "DELETE FROM key_value WHERE owner = ?1 AND key = ?2";
            connection.prepare_cached(sql)?.execute(params![self.owner, key])?;
            return Ok(KeyValueWrite::Stored);
        };
        let before = current.map_or(0, |current| (key.len() + current.len()) as u64);
        let after = (key.len() + value.len()) as u64;
        let total = size(connection, &self.owner)?.saturating_sub(before).saturating_add(after);
        // What makes it no larger is let through: the quota may have been lowered, and this leads back below it.
        if total > self.quota && after > before {
            return Ok(KeyValueWrite::OverQuota);
        }
        let sql = "INSERT INTO key_value VALUES (?1, ?2, ?3)
                   ON CONFLICT (owner, key) DO UPDATE SET value = excluded.value";
        connection.prepare_cached(sql)?.execute(params![self.owner, key, value])?;
        Ok(KeyValueWrite::Stored)
    }
}

fn get(connection: &Connection, owner: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT value FROM key_value WHERE owner = ?1 AND key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![owner, key.as_bytes()], |row| row.get(0)).optional()?)
}

fn size(connection: &Connection, owner: &str) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM key_value_size WHERE owner = ?1")?;
    Ok(statement.query_row([owner], |row| count(row, 0)).optional()?.unwrap_or(0))
}

fn keys(
    connection: &Connection,
    owner: &str,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, Error> {
    let sql =
        "SELECT key FROM key_value WHERE owner = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?3) ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    // Whichever of the two comes later bounds the search, so that a page costs what it shows.
    let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
    let mut rows = statement.query(params![owner, from.as_bytes(), after.map(str::as_bytes)])?;
    let mut keys = Vec::new();
    while keys.len() < limit as usize
        && let Some(row) = rows.next()?
    {
        let key = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
        if !key.starts_with(prefix.as_bytes()) {
            break;
        }
        keys.push(String::from_utf8_lossy(key).into_owned());
    }
    Ok(keys)
}
