//! Messages that answer nothing: what a tool was told to send, and where it turned out to go.

use openpact_model::audit;
use openpact_model::id::TurnId;
use rusqlite::params;

use super::{New, Prepared, Row, Table, insert};
use crate::error::Error;
use crate::writer::Transaction;

impl Table {
    /// As [`Table::insert`], with the record of it in the same transaction: neither is there without the other. Where
    /// they are lost, the channel is told in which the turn `asked` runs, if that is one of a channel.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn insert_recorded(
        &self,
        parts: Vec<New>,
        asked: Option<&TurnId>,
        event: audit::Event,
    ) -> Result<Option<Row>, Error> {
        let asked = asked.cloned();
        let parts = parts.into_iter().map(Prepared::new).collect::<Result<Vec<_>, _>>()?;
        let event = crate::audit::prepare(&event)?;
        let work = move |open: &mut Transaction<'_>| {
            let before = last(open)?;
            let first = insert(open, None, &parts)?;
            if let Some(turn) = &asked {
                let sql = "UPDATE outbox SET asked = (SELECT number FROM inbox WHERE state IN ('received', 'running')
                                                        AND turn = ?2)
                           WHERE number > ?1";
                open.connection.prepare_cached(sql)?.execute(params![before, turn.as_str()])?;
            }
            open.append(&event)?;
            Ok(first)
        };
        self.0.writer.run(work).await
    }

    /// The platform has a part, under that id and in a channel that it calls `to`; what waits for the channel by its old
    /// name is for that one from now on, in the order in which it was stored. A message that was to be changed is there by
    /// its old name alone, and its id may be another one's where this went to: what was to take its place is sent. What
    /// was to be taken back is so where it is, and so is what only says something else.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn moved(&self, row: &Row, message: &str, to: &str) -> Result<(), Error> {
        let (row, message, to) = (row.clone(), message.to_owned(), to.to_owned());
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE outbox SET state = 'sent', message = ?2, ended = ?3, part = NULL, why = NULL
                       WHERE number = ?1 AND state IN ('waiting', 'sending')";
            open.connection.prepare_cached(sql)?.execute(params![row.number, message, open.now()])?;
            let [instance, channel, thread] = crate::session::place(&row.channel());
            let sql = "UPDATE outbox SET channel = ?4, act = 'send', replaces = NULL
                       WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND state = 'waiting' AND act <> 'delete'
                         AND amends IS NULL";
            open.connection.prepare_cached(sql)?.execute(params![instance, channel, thread, to])?;
            Ok(())
        };
        self.0.writer.run(work).await
    }
}

/// The number of the newest part; numbers only go up.
fn last(open: &Transaction<'_>) -> Result<i64, Error> {
    let sql = "SELECT coalesce(max(number), 0) FROM outbox";
    Ok(open.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
