//! Parts as they are read from the database.

use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::Target;
use rusqlite::{Row as Columns, params};

use super::{Act, Failure, Row};
use crate::column::{json, time};
use crate::error::Error;
use crate::writer::Transaction;

/// The number of a part that is not sent.
pub(super) enum Unsendable {
    /// It cannot be read any more.
    Spoiled(i64),
    /// The message that it was to change is not there.
    Pointless(i64),
}

/// A part, or why it is none.
pub(super) fn readable(columns: &Columns<'_>) -> rusqlite::Result<Result<Row, Unsendable>> {
    let is_amendment: bool = columns.get(14)?;
    if is_amendment && columns.get::<_, Option<String>>(13)?.is_none() {
        return Ok(Err(Unsendable::Pointless(columns.get(0)?)));
    }
    match row(columns) {
        Err(rusqlite::Error::FromSqlConversionFailure(..)) => Ok(Err(Unsendable::Spoiled(columns.get(0)?))),
        row => row.map(Ok),
    }
}

/// Ends a part that cannot be read: those behind it must not wait for it for ever.
pub(super) fn end_spoiled(open: &mut Transaction<'_>, number: i64) -> Result<(), Error> {
    tracing::error!(number, "a part of the outbox cannot be read; it is not sent");
    let why = "it cannot be read any more";
    let event = audit::Event::new("message.send", "runtime", "outbox", Verdict::Failed)
        .with("outcome", Failure::Refused.as_str())
        .with("part", number)
        .with("why", why);
    let sql = "UPDATE outbox SET state = ?2, why = ?3, ended = ?4, part = NULL WHERE number = ?1";
    let values = params![number, Failure::Refused.as_str(), why, open.now()];
    open.connection.prepare_cached(sql)?.execute(values)?;
    open.append(&crate::audit::prepare(&event)?)?;
    Ok(())
}

fn row(row: &Columns<'_>) -> rusqlite::Result<Row> {
    let thread: String = row.get(4)?;
    Ok(Row {
        number: row.get(0)?,
        instance: row.get(1)?,
        target: Target {
            account: row.get(2)?,
            channel: row.get(3)?,
            thread: crate::session::thread(&thread),
            reply_to: row.get(5)?,
        },
        key: row.get(6)?,
        part: json(row, 7)?,
        attempts: row.get(8)?,
        created: time(row, 9)?,
        claim: row.get(11)?,
        act: act(row)?,
    })
}

fn act(row: &Columns<'_>) -> rusqlite::Result<Act> {
    Ok(match row.get::<_, String>(12)?.as_str() {
        "edit" if row.get(14)? => Act::Amend(row.get(13)?),
        "edit" => Act::Edit(row.get(13)?),
        "delete" => Act::Delete(row.get(13)?),
        _ => Act::Send,
    })
}
