//! What requests to model providers took.

use std::sync::Arc;

use openpact_model::id::SessionId;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::Inner;
use crate::column::{count, integer};
use crate::error::Error;
use crate::session;

/// A provider that reports more tokens than this for one request is not believed: sums must not overflow.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// What requests took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Total {
    /// How many requests.
    pub requests: u64,
    /// Tokens in.
    pub input: u64,
    /// Tokens out.
    pub output: u64,
    /// Tokens in that came from the provider's cache.
    pub cached: u64,
    /// US dollars, over those requests of which the price is known.
    pub cost: Option<f64>,
}

/// The usage of sessions.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// Adds one request: tokens in, tokens out, tokens in from the cache, US dollars.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn add(
        &self,
        session: &SessionId,
        input: u64,
        output: u64,
        cached: u64,
        cost: Option<f64>,
    ) -> Result<(), Error> {
        let session = session.clone();
        let [input, output, cached] = [input, output, cached].map(|tokens| integer(tokens.min(MOST_TOKENS)));
        let cost = cost.filter(|cost| cost.is_finite() && *cost >= 0.0);
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let now = open.now();
                session::touch(open.connection, &session, now)?;
                let sql = "INSERT INTO usage (session, created, input, output, cached, cost)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let values = params![session.as_str(), now, input, output, cached, cost];
                open.connection.prepare_cached(sql)?.execute(values)?;
                Ok(())
            })
            .await
    }

    /// What all requests of a session took.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn total(&self, session: &SessionId) -> Result<Total, Error> {
        let sql =
            "SELECT count(*), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cached), 0),
                          sum(cost)
                   FROM usage WHERE session = ?1";
        Ok(self.read(session, sql).await?.unwrap_or_default())
    }

    /// What the last request of a session took.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last(&self, session: &SessionId) -> Result<Option<Total>, Error> {
        let sql =
            "SELECT 1, input, output, cached, cost FROM usage WHERE session = ?1 ORDER BY id DESC LIMIT 1";
        self.read(session, sql).await
    }

    async fn read(&self, session: &SessionId, sql: &'static str) -> Result<Option<Total>, Error> {
        let session = session.clone();
        let work = move |connection: &Connection| {
            Ok(connection.prepare_cached(sql)?.query_row([session.as_str()], total).optional()?)
        };
        self.0.readers.run(work).await
    }
}

fn total(row: &rusqlite::Row<'_>) -> rusqlite::Result<Total> {
    Ok(Total {
        requests: count(row, 0)?,
        input: count(row, 1)?,
        output: count(row, 2)?,
        cached: count(row, 3)?,
        cost: row.get(4)?,
    })
}
