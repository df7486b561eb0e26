//! Messages that tell somebody of a request which waits for a decision. Once it is decided, wherever that was, each of
//! them says so: that is stored together with the decision, as a part that is sent behind whatever waits there.

use openpact_model::chat::Part;
use rusqlite::{OptionalExtension as _, params};

use super::{New, Prepared, Row, Table, insert};
use crate::approval::{self, Kind};
use crate::column::to_json;
use crate::error::Error;
use crate::writer::Transaction;

impl Table {
    /// As [`Table::insert`], for what tells of the request with that code; nothing where that is not open any more. The
    /// last part is the one that says what was decided later: buttons stand below it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn announce(&self, parts: Vec<New>, kind: Kind, code: &str) -> Result<Option<Row>, Error> {
        let code = approval::hash(&self.0, code);
        let parts = parts.into_iter().map(Prepared::new).collect::<Result<Vec<_>, _>>()?;
        let work = move |open: &mut Transaction<'_>| {
            let sql = "SELECT subject FROM approval WHERE kind = ?1 AND code = ?2 AND expires > ?3";
            let mut statement = open.connection.prepare_cached(sql)?;
            let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let subject = statement.query_row(params![kind.as_str(), code, open.now()], read).optional()?;
            let Some(subject) = subject.filter(|_| !parts.is_empty()) else { return Ok(None) };
            let first = insert(open, None, &parts)?;
            let sql = "UPDATE outbox SET asks = ?1 WHERE number = (SELECT max(number) FROM outbox)";
            open.connection.prepare_cached(sql)?.execute([subject])?;
            Ok(first)
        };
        self.0.writer.run(work).await
    }
}

/// Has every message that tells of a request of `subject` say `told` from then on, without buttons.
pub(crate) fn amend(open: &Transaction<'_>, subject: &str, told: &str) -> Result<(), Error> {
    let part = to_json(&Part { body: String::new(), plain: told.to_owned(), files: Vec::new() })?;
    // One that is on its way may have arrived; what it becomes is known when this one's turn comes.
    let sql =
        "INSERT INTO outbox (instance, account, channel, thread, key, part, state, created, act, amends)
               SELECT instance, account, channel, thread, '', ?2, 'waiting', ?3, 'edit', number FROM outbox
               WHERE asks = ?1 AND state IN ('waiting', 'sending', 'sent') ORDER BY number";
    open.connection.prepare_cached(sql)?.execute(params![subject, part, open.now()])?;
    open.connection.prepare_cached("UPDATE outbox SET asks = NULL WHERE asks = ?1")?.execute([subject])?;
    Ok(())
}

/// Ends a part that was to change a message which never was there.
pub(super) fn end_pointless(open: &Transaction<'_>, number: i64) -> Result<(), Error> {
    let sql = "UPDATE outbox SET state = 'sent', ended = ?2, part = NULL WHERE number = ?1";
    open.connection.prepare_cached(sql)?.execute([number, open.now()])?;
    Ok(())
}
