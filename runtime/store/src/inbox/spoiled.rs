//! Events whose text cannot be read any more. Each of them ends alone, and holds nothing up.

use openpact_model::audit;
use openpact_model::audit::Verdict;
use rusqlite::{Row as Columns, params};

use super::{Row, Table};
use crate::error::Error;
use crate::writer::Transaction;

/// An open event that cannot be read.
#[derive(Debug)]
pub(super) struct Spoiled {
    number: i64,
    why: String,
}

/// A row, or what is known of one that cannot be read.
pub(super) fn row(columns: &Columns<'_>) -> rusqlite::Result<Result<Box<Row>, Spoiled>> {
    match super::row(columns) {
        Ok(row) => Ok(Ok(Box::new(row))),
        Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
            Ok(Err(Spoiled { number: columns.get(0)?, why: error.to_string() }))
        }
        Err(error) => Err(error),
    }
}

impl Table {
    /// Ends an event that cannot be read, and records it.
    pub(super) async fn end_spoiled(&self, spoiled: Spoiled) -> Result<(), Error> {
        let Spoiled { number, why } = spoiled;
        tracing::error!(number, why, "a stored message cannot be read; it is not answered");
        let why = openpact_model::text::one_line(&why, 200);
        let event = audit::Event::new("message.answer", "runtime", "inbox", Verdict::Failed)
            .with("message", number)
            .with("why", why);
        let event = crate::audit::prepare(&event)?;
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE inbox SET state = 'failed', ended = ?2, body = NULL, message = NULL
                       WHERE number = ?1 AND state IN ('received', 'running')";
            if open.connection.prepare_cached(sql)?.execute(params![number, open.now()])? > 0 {
                open.append(&event)?;
                crate::partial::take_back(open, number, 0)?;
            }
            Ok(())
        };
        self.0.writer.run(work).await
    }
}
