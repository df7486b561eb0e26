//! What waits for an owner's word: strangers who asked to be let in; tool calls will be kept in the same table.
//!
//! A code is given once, to whoever asks; what is stored is a hash of it under a key of this installation, so that the
//! database alone gives no code away.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;
use sha2::Sha256;

use crate::Inner;
use crate::column::{json, time};
use crate::error::Error;
use crate::writer::Transaction;

/// What the key of the hashes is derived for.
const PURPOSE: &str = "approval-code";

/// What is to be approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stranger wants to be let in.
    Pairing,
}

/// One request that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What the code is bound to.
    pub subject: String,
    /// What people should know of it.
    pub detail: Value,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be approved.
    pub expires: Timestamp,
}

/// The requests.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pairing => "pairing",
        }
    }
}

impl Table {
    /// The request with that code, one that has expired included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find(&self, kind: Kind, code: &str) -> Result<Option<Row>, Error> {
        let code = hash(&self.0, code);
        let work = move |connection: &Connection| {
            let sql = "SELECT subject, detail, created, expires FROM approval WHERE kind = ?1 AND code = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row(params![kind.as_str(), code], row).optional()?)
        };
        self.0.readers.run(work).await
    }

    /// The requests that have not expired at `now`, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, kind: Kind, now: Timestamp) -> Result<Vec<Row>, Error> {
        let work = move |connection: &Connection| {
            let sql = "SELECT subject, detail, created, expires FROM approval
                       WHERE kind = ?1 AND expires > ?2 ORDER BY created, subject";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![kind.as_str(), now.as_microsecond()], row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }
}

/// A request to be kept.
pub(crate) struct New<'a> {
    pub(crate) kind: Kind,
    pub(crate) code: &'a [u8],
    pub(crate) subject: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) expires: i64,
    /// How many of this kind may be open; the oldest make room.
    pub(crate) most: u32,
}

/// Keeps a request, in place of an earlier one for the same subject. Says whether it was kept: a code that is taken,
/// which is next to impossible, is not given twice.
pub(crate) fn insert(open: &Transaction<'_>, new: &New<'_>) -> Result<bool, Error> {
    let (now, kind) = (open.now(), new.kind.as_str());
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        open.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values))
    };
    run("DELETE FROM approval WHERE expires <= ?1", &[&now])?;
    run("DELETE FROM approval WHERE kind = ?1 AND subject = ?2", &[&kind, &new.subject])?;
    let oldest = "DELETE FROM approval WHERE code IN (
                      SELECT code FROM approval WHERE kind = ?1 ORDER BY created DESC, code LIMIT -1 OFFSET ?2)";
    run(oldest, &[&kind, &new.most.saturating_sub(1)])?;
    let sql = "INSERT INTO approval VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    Ok(run(sql, &[&new.code, &kind, &new.subject, &new.detail, &now, &new.expires])? > 0)
}

/// Uses a request up; says whether it was open. A code works once.
pub(crate) fn take(open: &Transaction<'_>, kind: Kind, code: &[u8], subject: &str) -> Result<bool, Error> {
    let sql = "DELETE FROM approval WHERE kind = ?1 AND code = ?2 AND subject = ?3 AND expires > ?4";
    let mut statement = open.connection.prepare_cached(sql)?;
    Ok(statement.execute(params![kind.as_str(), code, subject, open.now()])? > 0)
}

/// What stands for a code in the database.
pub(crate) fn hash(inner: &Inner, code: &str) -> Vec<u8> {
    let key = inner.keys.derive(PURPOSE);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(code.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { subject: row.get(0)?, detail: json(row, 1)?, created: time(row, 2)?, expires: time(row, 3)? })
}
