//! Messages that show an answer while it is written: what takes their places when it is there.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::Inner;
use crate::error::Error;
use crate::outbox;
use crate::writer::Transaction;

/// The messages of answers that are being written.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// The messages that show the answer to event `number`, in their order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of(&self, number: i64) -> Result<Vec<String>, Error> {
        self.0.readers.run(move |connection: &Connection| of(connection, number)).await
    }

    /// The platform has a message that shows the answer to event `number`, as the one at `position` (from 0). Where that
    /// event has ended because it was changed, the message belongs to the change. Says whether it belongs to anything;
    /// on disk when this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn record(&self, number: i64, position: usize, message: &str) -> Result<bool, Error> {
        let message = message.to_owned();
        let work = move |open: &mut Transaction<'_>| {
            // An event that is not open any more, but was when its turn began, was changed: nothing else ends it
            // meanwhile. What changed it is then the next one of its channel.
            let sql = "INSERT INTO partial (inbox, position, message)
                       SELECT number, ?2, ?3 FROM inbox
                       WHERE (instance, channel, thread) = (SELECT instance, channel, thread FROM inbox WHERE number = ?1)
                         AND lane = 'turn' AND state IN ('received', 'running') AND number >= ?1
                       ORDER BY number LIMIT 1";
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            Ok(open.connection.prepare_cached(sql)?.execute(params![number, position, message])? > 0)
        };
        self.0.writer.run(work).await
    }
}

/// The messages of an event, in their order.
pub(crate) fn of(connection: &Connection, number: i64) -> Result<Vec<String>, Error> {
    let sql = "SELECT message FROM partial WHERE inbox = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The messages of `number` belong to `next` from now on.
pub(crate) fn pass_on(open: &mut Transaction<'_>, number: i64, next: i64) -> Result<(), Error> {
    let sql = "UPDATE partial SET inbox = ?2 WHERE inbox = ?1";
    open.connection.prepare_cached(sql)?.execute([number, next])?;
    Ok(())
}

/// Has the messages of `number` taken back, but the first `taken`, and forgets all of them.
pub(crate) fn take_back(open: &mut Transaction<'_>, number: i64, taken: usize) -> Result<(), Error> {
    let sql = "INSERT INTO outbox (instance, account, channel, thread, inbox, key, part, state, created, act, replaces)
               SELECT instance, account, channel, thread, number, '', ?3, 'waiting', ?4, 'delete', partial.message
               FROM inbox JOIN partial ON inbox = number WHERE number = ?1 ORDER BY position LIMIT -1 OFFSET ?2";
    let taken = i64::try_from(taken).unwrap_or(i64::MAX);
    let values = params![number, taken, outbox::nothing()?, open.now()];
    open.connection.prepare_cached(sql)?.execute(values)?;
    open.connection.prepare_cached("DELETE FROM partial WHERE inbox = ?1")?.execute([number])?;
    Ok(())
}
