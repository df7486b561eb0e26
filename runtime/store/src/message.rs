//! The messages of sessions. What a message says is the engine's business: here it is a JSON value.

use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::id::SessionId;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use crate::Inner;
use crate::column::{json, time, to_json};
use crate::error::Error;
use crate::session;
use crate::writer::Transaction;

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Counts up from 1 within the session; that of a message which was taken back is used again.
    pub number: i64,
    /// When it was stored.
    pub created: Timestamp,
    /// What it says.
    pub body: Value,
}

/// The messages.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// Appends messages to a session, all or none, and gives their numbers.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn append(&self, session: &SessionId, bodies: &[Value]) -> Result<Vec<i64>, Error> {
        let session = session.clone();
        let bodies = bodies.iter().map(to_json).collect::<Result<Vec<_>, _>>()?;
        self.0.writer.run(move |open| append(open, &session, &bodies)).await
    }

    /// The newest `limit` messages before number `before`, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn page(
        &self,
        session: &SessionId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Row>, Error> {
        let (session, before) = (session.clone(), before.unwrap_or(i64::MAX));
        let work = move |connection: &Connection| {
            let sql = "SELECT number, created, body FROM message
                       WHERE session = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![session.as_str(), before, limit], row)?;
            let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
            rows.reverse();
            Ok(rows)
        };
        self.0.readers.run(work).await
    }

    /// Takes back all messages after number `after`; says how many those were.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn remove_after(&self, session: &SessionId, after: i64) -> Result<u64, Error> {
        let session = session.clone();
        let work = move |open: &mut Transaction<'_>| {
            session::touch(open.connection, &session, open.now())?;
            let sql = "DELETE FROM message WHERE session = ?1 AND number > ?2";
            let values = params![session.as_str(), after];
            Ok(open.connection.prepare_cached(sql)?.execute(values)? as u64)
        };
        self.0.writer.run(work).await
    }

    /// Puts `summary` in the place of all messages before number `number`; says how many those were. With none,
    /// nothing changes.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn replace_before(
        &self,
        session: &SessionId,
        number: i64,
        summary: Value,
    ) -> Result<u64, Error> {
        let (session, summary) = (session.clone(), to_json(&summary)?);
        self.0.writer.run(move |open| replace_before(open, &session, number, &summary)).await
    }
}

const INSERT: &str = "INSERT INTO message VALUES (?1, ?2, ?3, ?4)";

fn append(open: &mut Transaction<'_>, session: &SessionId, bodies: &[String]) -> Result<Vec<i64>, Error> {
    let now = open.now();
    session::touch(open.connection, session, now)?;
    let sql = "SELECT coalesce(max(number), 0) FROM message WHERE session = ?1";
    let last: i64 = open.connection.prepare_cached(sql)?.query_row([session.as_str()], |row| row.get(0))?;
    let mut insert = open.connection.prepare_cached(INSERT)?;
    let mut numbers = Vec::with_capacity(bodies.len());
    for (number, body) in (last + 1..).zip(bodies) {
        insert.execute(params![session.as_str(), number, now, body])?;
        numbers.push(number);
    }
    Ok(numbers)
}

fn replace_before(
    open: &mut Transaction<'_>,
    session: &SessionId,
    number: i64,
    summary: &str,
) -> Result<u64, Error> {
    let now = open.now();
    session::touch(open.connection, session, now)?;
    let sql = "SELECT max(number), count(*) FROM message WHERE session = ?1 AND number < ?2";
    let values = params![session.as_str(), number];
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?));
    let (last, count) = open.connection.prepare_cached(sql)?.query_row(values, read)?;
    let Some(last) = last else { return Ok(0) };
    let sql = "DELETE FROM message WHERE session = ?1 AND number <= ?2";
    open.connection.prepare_cached(sql)?.execute(params![session.as_str(), last])?;
    // It takes the number of the last message that it stands for, so that the order stays.
    open.connection.prepare_cached(INSERT)?.execute(params![session.as_str(), last, now, summary])?;
    Ok(count.unsigned_abs())
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { number: row.get(0)?, created: time(row, 1)?, body: json(row, 2)? })
}
