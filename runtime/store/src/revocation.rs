//! What counts no more: keys and packages, by the word of an admin or of the publisher; and how far a publisher's signed
//! statements were followed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::column::{self, time};
use crate::error::Error;
use crate::recording::{Recorder, recording};

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A public key, as text.
    Key,
    /// A package, by its digest in hexadecimal digits.
    Digest,
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is revoked.
    pub kind: Kind,
    /// The key or the digest.
    pub value: String,
    /// Who said so: `admin`, or `publisher:NAME`.
    pub said_by: String,
    /// Why, in their words.
    pub reason: String,
    /// When it was taken in.
    pub added: Timestamp,
}

/// A kind of statement that publishers sign and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// One key replaces another.
    Rotation,
    /// A list of what is revoked.
    Revocation,
}

/// A list that a key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key, as text.
    pub key: String,
    /// The number of the list among those of the key.
    pub number: u64,
    /// Whether it revokes the key itself, so that its number does not matter.
    pub is_last_word: bool,
}

/// What counts no more.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Kind {
    /// The word for it in the database and in audit records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Digest => "digest",
        }
    }
}

impl Statement {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Revocation => "revocation",
        }
    }
}

impl Table {
    /// All of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        let work = |connection: &Connection| {
            let sql =
                "SELECT kind, value, said_by, reason, added FROM revocation ORDER BY added, kind, value";
            Ok(connection.prepare_cached(sql)?.query_map([], row)?.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Takes revocations in, all or none of them. What is known already stays as it is. Gives how many were new.
    ///
    /// With a `statement`, they are what that key signed under that number; `is_last_word` where the number does not
    /// matter any more, since the key revokes itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a statement of that or a higher number was taken in before, or when the database cannot
    /// be written.
    pub async fn add(&self, rows: Vec<Row>, statement: Option<Signed>) -> Result<usize, Error> {
        self.0
            .run(move |open| {
                if let Some(Signed { key, number, is_last_word: false }) = &statement {
                    advance(open.connection, key, Statement::Revocation, *number)?;
                }
                let sql = "INSERT INTO revocation VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
                let mut insert = open.connection.prepare_cached(sql)?;
                let mut added = 0;
                for row in &rows {
                    let Row { kind, value, said_by, reason, added: when } = row;
                    added += insert.execute(params![
                        kind.text(),
                        value,
                        said_by,
                        reason,
                        when.as_microsecond()
                    ])?;
                }
                Ok((added > 0 || statement.is_some(), added))
            })
            .await
    }

    /// Takes back what an admin revoked; says whether there was such.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, value: &str) -> Result<bool, Error> {
        let value = value.to_owned();
        self.0
            .run(move |open| {
                let sql = "DELETE FROM revocation WHERE value = ?1 AND said_by = 'admin'";
                let removed = open.connection.prepare_cached(sql)?.execute([&value])? > 0;
                Ok((removed, removed))
            })
            .await
    }

    /// The highest numbers of statements of that kind that were taken in, by the key that signed them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn latest(&self, statement: Statement) -> Result<BTreeMap<String, u64>, Error> {
        let work = move |connection: &Connection| {
            let sql = "SELECT key, number FROM key_statement WHERE kind = ?1";
            let mut rows = connection.prepare_cached(sql)?;
            let rows = rows.query_map([statement.text()], |row| Ok((row.get(0)?, column::count(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }
}

/// Notes that a statement is followed, unless it or a later one was before.
pub(crate) fn advance(
    connection: &Connection,
    key: &str,
    statement: Statement,
    next: u64,
) -> Result<(), Error> {
    let word = statement.text();
    let stored =
        i64::try_from(next).map_err(|_| Error::Invalid(format!("{next} is no number of a {word}")))?;
    let sql = "INSERT INTO key_statement VALUES (?1, ?2, ?3)
               ON CONFLICT (key, kind) DO UPDATE SET number = excluded.number WHERE excluded.number > number";
    if connection.prepare_cached(sql)?.execute(params![key, word, stored])? > 0 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the {word} {next} of the key {key} is not newer than what was taken in before"
    )))
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let kind: String = row.get(0)?;
    Ok(Row {
        kind: if kind == "key" { Kind::Key } else { Kind::Digest },
        value: row.get(1)?,
        said_by: row.get(2)?,
        reason: row.get(3)?,
        added: time(row, 4)?,
    })
}
